//! `moment` and `frame`: a time of a session, by the kept frames and by the recording itself.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use cht_core::{process::clock, session::Session, storage::durable};
use cht_ts::time::{seconds, ticks};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    find,
    picture::{
        fit::{Painter, Source},
        size::{Crop, Size, size_of_png},
    },
    recording::{extract, pieces::Pieces, time::Time},
    store::journal::Journal,
    view::{self, FrameView, PictureView, QUOTED, Speech},
};

/// A moment of a session.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// The session's folder.
    pub session: String,
    /// The time in the session, in seconds.
    pub timestamp: f64,
    /// Its wall clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub at: Option<Timestamp>,
    /// The kept frame that was on the screen, with its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<FrameView>,
    /// Quotations: the speech around that time.
    pub speech: Vec<Speech>,
    /// Time of the kept frame after it, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<f64>,
    /// What `text` and `speech` are.
    pub notice: String,
    /// How to go on.
    pub next: String,
}

/// Returns the moment at `time`, with the speech from `around` seconds before to as long after it.
pub(crate) fn answer(session: &Session, time: Time, around: f64) -> Result<Answer> {
    let pieces = Pieces::of(session);
    let tick = pieces.tick(time)?;
    let moment = find::moment(&mut Journal::open(session)?, tick.map(seconds), around)?;
    let shown = moment.frame.as_ref().map(|frame| frame.timestamp);
    if let (Some(tick), Some(shown), None) = (tick, shown, &moment.next) {
        pieces.check_end(tick, ticks(shown))?;
    }
    let timestamp = tick.map(seconds).or(shown).unwrap_or(0.0);
    if moment.frame.is_none() && moment.speech.is_empty() {
        match moment.next {
            Some(next) => bail!(
                "{}: no kept frame at {timestamp:.3} s; the first one is at {:.3} s",
                session.name(),
                next.timestamp
            ),
            None => bail!("{}: no kept frame yet", session.name()),
        }
    }
    Ok(Answer {
        session: session.name().to_owned(),
        timestamp,
        at: tick.and_then(|tick| pieces.wall(tick)),
        frame: moment.frame.map(|frame| FrameView::of(&frame).with_words(&moment.texts, &[])),
        speech: moment.speech.iter().map(Speech::of).collect(),
        until: moment.next.map(|frame| frame.timestamp),
        notice: QUOTED.to_owned(),
        next: "the screen may have changed a little since that frame: `frame` with the same time gives the exact picture"
            .to_owned(),
    })
}

/// A picture of a session, kept or not.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Shot {
    /// The session's folder.
    pub session: String,
    /// The id of the kept frame, if one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The time of the picture in the session, in seconds.
    pub timestamp: f64,
    /// Its wall clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub at: Option<Timestamp>,
    /// The picture's file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Width of the whole picture in pixels.
    pub width: u32,
    /// Height of the whole picture in pixels.
    pub height: u32,
    /// Why the picture may not be the one that was on the screen at the time that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The picture in the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<PictureView>,
}

/// Which picture.
#[derive(Debug, Clone)]
pub(crate) enum Which {
    /// A kept frame.
    Id(String),
    /// The one that was on the screen at a time.
    At(Time),
}

impl Which {
    /// Reads an id or a time.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let zone = clock::local().time_zone().clone();
        let is_id = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text != "live";
        if is_id { Ok(Self::Id(text.to_owned())) } else { Time::parse(text, &zone).map(Self::At) }
    }
}

/// A picture and its description.
pub(crate) struct Found {
    pub shot: Shot,
    /// The decoded picture; `None` for one that is a file.
    png: Option<Vec<u8>>,
}

impl Found {
    /// Returns its size.
    pub(crate) fn size(&self) -> Size {
        Size { width: self.shot.width, height: self.shot.height }
    }

    /// Returns the picture.
    pub(crate) fn source(&self) -> Source<'_> {
        let path = Path::new(self.shot.path.as_deref().unwrap_or_default());
        self.png.as_deref().map_or(Source::File(path), Source::Png)
    }
}

/// Finds or decodes a picture of `session`.
pub(crate) fn find(session: &Session, which: &Which, painter: &Painter) -> Result<Found> {
    match which {
        Which::Id(id) => {
            let frame = find::by_id(&mut Journal::open(session)?, id)?;
            if frame.path.is_empty() {
                bail!("{id}: its picture lies outside of its session, and is not read");
            }
            if !view::is_whole(Path::new(&frame.path), frame.bytes) {
                bail!(
                    "{}: is gone, or has another size than was written; the picture of {:.3} s can \
                     be decoded from the recording",
                    frame.path,
                    frame.timestamp
                );
            }
            let shot = Shot {
                session: session.name().to_owned(),
                id: Some(frame.id),
                timestamp: frame.timestamp,
                at: frame.at,
                path: Some(frame.path),
                width: frame.width,
                height: frame.height,
                note: None,
                picture: None,
            };
            Ok(Found { shot, png: None })
        }
        Which::At(time) => {
            let extracted = extract::at(session, *time, painter.program()?)?;
            let size = size_of_png(&extracted.png).context("ffmpeg gave no PNG")?;
            let shot = Shot {
                session: session.name().to_owned(),
                id: None,
                timestamp: extracted.timestamp,
                at: extracted.at,
                path: None,
                width: size.width,
                height: size.height,
                note: extracted.older.map(note_of),
                picture: None,
            };
            Ok(Found { shot, png: Some(extracted.png) })
        }
    }
}

/// Returns the note on a picture that is older than the time that was asked for.
fn note_of(older: f64) -> String {
    format!(
        "this picture is {older:.3} s older than the time that was asked for: the recording has none \
         between, because the sender sent none, or because it is damaged there or ends"
    )
}

/// Writes a picture, or a part of it in at most `pixels`, to the file `out`.
pub(crate) fn write(
    mut found: Found,
    painter: &Painter,
    crop: Option<Crop>,
    pixels: Option<u64>,
    out: Option<&Path>,
) -> Result<Shot> {
    let whole = found.size();
    crop.map_or(Ok(()), |crop| crop.check(whole)).map_err(anyhow::Error::msg)?;
    let is_as_it_is = crop.is_none() && pixels.is_none_or(|pixels| pixels >= whole.pixels());
    let Some(out) = out else {
        if is_as_it_is && found.shot.path.is_some() {
            return Ok(found.shot);
        }
        bail!("say where the picture goes: --out FILE.png or FILE.jpg");
    };
    let shape = crop.map_or(whole, |crop| crop.size);
    let size = shape.within(u32::MAX, pixels.unwrap_or(u64::MAX));
    let picture = painter.convert(found.source(), crop, size, out)?;
    durable::replace(out, &picture.bytes).with_context(|| out.display().to_string())?;
    found.shot.path = Some(cht_core::event::absolute(out)?);
    found.shot.picture = Some(PictureView::of(1, picture.size));
    Ok(found.shot)
}
