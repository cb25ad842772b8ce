//! Runs a command, and writes its answer: one line of JSON, or an indented one on a terminal.

use std::{io::IsTerminal as _, time::Duration};

use anyhow::{Context as _, Error, Result};
use cht_core::{
    ndjson::{self, Writer},
    process::clock,
};
use serde::Serialize;

use crate::{
    ack::{self, What},
    args::{Args, Command, ReaderOption},
    budget::Budget,
    follow,
    mcp::{self, Decoded, Tools},
    moment::{self, Which},
    next,
    picture::fit::Painter,
    recording::time::Time,
    search,
    sessions::{self, SessionView},
};

/// Runs the command of the command line.
pub(crate) fn run(args: &Args) -> Result<()> {
    let (place, mut output) = (args.place(), ndjson::stdout().context("stdout")?);
    match &args.command {
        Command::Sessions { limit } => {
            let sessions = sessions::describe(&place, *limit, clock::wall())?;
            answer(&mut output, &Sessions { sessions })
        }
        Command::Next { reader: ReaderOption { reader }, limit, wait } => {
            let wait = Duration::from_secs_f64(*wait);
            let asked = next::Asked { reader: reader.clone(), limit: *limit, wait };
            answer(&mut output, &next::answer(&place, &asked, None)?)
        }
        Command::Ack { reader: ReaderOption { reader }, ids, to } => {
            let what = match to.as_deref() {
                None => What::Ids(ids.clone()),
                Some("now") => What::All,
                Some(cursor) => What::To(cursor.parse()?),
            };
            answer(&mut output, &ack::acknowledge(&place, reader, &what, clock::wall())?)
        }
        Command::Search { query, since, between, limit } => {
            let range = match between.as_slice() {
                [since, until] => [Some(since.as_str()), Some(until.as_str())],
                _ => [since.as_deref(), None],
            };
            let asked = search::Asked::read(&query.join(" "), range, *limit)?;
            answer(&mut output, &search::answer(&place.searched()?, &asked)?)
        }
        Command::Moment { time, around } => {
            let zone = clock::local().time_zone().clone();
            let time = Time::parse(time, &zone).map_err(Error::msg)?;
            answer(&mut output, &moment::answer(&place.session()?, time, *around)?)
        }
        Command::Frame { which, out, crop, max_pixels, ffmpeg } => {
            let which = Which::parse(which).map_err(Error::msg)?;
            let painter = Painter::new(ffmpeg.clone());
            let found = moment::find(&place.session()?, &which, &painter)?;
            let shot = moment::write(found, &painter, *crop, *max_pixels, out.as_deref())?;
            answer(&mut output, &shot)
        }
        Command::Mcp {
            reader: ReaderOption { reader },
            no_images,
            max_tokens,
            max_bytes,
            http,
            token,
            ffmpeg,
        } => {
            let tools = Tools {
                place,
                reader: reader.clone(),
                images: !no_images,
                budget: Budget { tokens: *max_tokens, bytes: *max_bytes },
                painter: Painter::new(ffmpeg.clone()),
                decoded: Decoded::default(),
            };
            match http {
                Some(address) => mcp::http::run(tools, *address, token.as_deref()),
                None => mcp::run(tools),
            }
        }
        Command::Follow { from } => follow::run(&place, from, &mut output),
    }
}

/// The answer of `sessions`.
#[derive(Debug, Serialize)]
struct Sessions {
    sessions: Vec<SessionView>,
}

fn answer<W: std::io::Write>(output: &mut Writer<W>, answer: &impl Serialize) -> Result<()> {
    let is_read_by_people = std::io::stdout().is_terminal();
    let mut text = if is_read_by_people {
        serde_json::to_vec_pretty(answer)?
    } else {
        serde_json::to_vec(answer)?
    };
    text.push(b'\n');
    output.pass(&text).context("stdout")
}
