//! Decodes the picture that was on the screen at a time, kept or not.
//!
//! The bytes from an access point on are decoded, of as many segments as it takes: a picture near
//! the border of two may need both. The picture is told apart by its PTS.

use std::io;

use anyhow::{Context as _, Result, bail};
use cht_core::{
    process::ffmpeg::Program,
    session::{
        Session,
        pictures::{Part, Pictures},
    },
};
use cht_ts::{
    Pts,
    time::{seconds, ticks},
};
use jiff::Timestamp;

use crate::picture::fit::run;

use super::{
    pieces::{MOST_AHEAD, Piece, Pieces},
    time::Time,
};

/// Largest number of segments before a picture that are searched for its access point.
const MOST_BEFORE: usize = 32;

/// Shortest time on the screen that the pictures of a video are taken to have, in seconds.
const LEAST_STEP: f64 = 0.02;

/// Number of attempts from earlier and earlier access points.
const ATTEMPTS: usize = 2;

/// A decoded picture.
#[derive(Debug)]
pub(crate) struct Extracted {
    /// Its time in the session, in seconds.
    pub timestamp: f64,
    /// Its wall clock.
    pub at: Option<Timestamp>,
    /// The picture, as PNG.
    pub png: Vec<u8>,
    /// Seconds between it and the time that was asked for, if these are more than the distance of
    /// pictures explains.
    pub older: Option<f64>,
}

/// Decodes the picture that was on the screen of `session` at `time`.
pub(crate) fn at(session: &Session, time: Time, ffmpeg: &Program) -> Result<Extracted> {
    let pieces = Pieces::of(session);
    let tick = pieces.tick(time)?;
    if let Some(tick) = tick {
        pieces.check(tick)?;
    }
    let near = pieces.all.iter().rposition(|it| tick.is_none_or(|tick| it.anchor.offset <= tick));
    let near = near.with_context(|| format!("{}: nothing is recorded yet", session.name()))?;
    if !pieces.is_there(&pieces.all[near]) {
        bail!(
            "{}: the segment of that time, which begins at {:.3} s, is not there; it was removed \
             or moved",
            pieces.path(&pieces.all[near]).display(),
            seconds(pieces.all[near].anchor.offset)
        );
    }
    // A picture of an open GOP may lie in the segment after the time.
    let (mut first, last) = (before(&pieces, near), after(&pieces, near));
    let mut pictures = read(&pieces, first, last)?;
    loop {
        let wanted = pictures.shown_at(tick);
        let is_reached = wanted.is_some_and(|wanted| pictures.part(wanted, 0).is_some());
        let earlier = before(&pieces, first);
        if is_reached || earlier == first || near - earlier > MOST_BEFORE {
            break;
        }
        first = earlier;
        pictures = read(&pieces, first, last)?;
    }
    let wanted = pictures.shown_at(tick).context("no picture is recorded there")?;
    let shown = pictures.all[wanted].tick.context("no picture is recorded there")?;
    let tables = pieces.tables(&pieces.all[first]);
    if let Some(tick) = tick
        && pieces.all[near].is_growing
        && tick > shown.saturating_add(ticks(MOST_AHEAD))
    {
        bail!(
            "{}: nothing is recorded at {:.3} s; the newest picture is at {:.3} s",
            session.name(),
            seconds(tick),
            seconds(shown)
        );
    }
    let older = tick.and_then(|tick| older(&pictures, shown, tick)).map(seconds);
    let parts = (0..ATTEMPTS).map_while(|skipped| pictures.part(wanted, skipped));
    let mut said = None;
    for part in parts.chain([pictures.whole_part(wanted)]) {
        match decode(ffmpeg, &pictures, &part, &tables, pictures.all[wanted].pts) {
            Ok(png) if !png.is_empty() => {
                let at = pieces.wall(shown);
                return Ok(Extracted { timestamp: seconds(shown), at, png, older });
            }
            Ok(_) => {}
            Err(error) => said = Some(error),
        }
    }
    let failed =
        format!("{}: the picture at {:.3} s cannot be decoded", session.name(), seconds(shown));
    match said {
        Some(error) => Err(error.context(failed)),
        None => bail!(failed),
    }
}

/// Returns the ticks from a picture to the time at which it is on the screen, if pictures of the
/// same video are on the screen for half of that or less.
fn older(pictures: &Pictures, shown: i64, tick: i64) -> Option<i64> {
    let mut shown_at: Vec<i64> = pictures.all.iter().filter_map(|picture| picture.tick).collect();
    shown_at.sort_unstable();
    let steps = shown_at.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| *step > 0);
    let mut steps: Vec<i64> = steps.collect();
    steps.sort_unstable();
    let usual = steps.get(steps.len() / 2).copied().unwrap_or(0);
    Some(tick - shown).filter(|older| *older > 2 * usual.max(ticks(LEAST_STEP)))
}

/// Returns the segment before one, if the video runs on from it.
fn before(pieces: &Pieces, at: usize) -> usize {
    let goes_on = at > 0 && runs_on(&pieces.all[at - 1], &pieces.all[at]);
    if goes_on && pieces.is_there(&pieces.all[at - 1]) { at - 1 } else { at }
}

/// Returns the segment after one, if the video runs on into it.
fn after(pieces: &Pieces, at: usize) -> usize {
    let next = pieces.all.get(at + 1);
    let goes_on = next.is_some_and(|next| runs_on(&pieces.all[at], next) && pieces.is_there(next));
    if goes_on { at + 1 } else { at }
}

fn runs_on(one: &Piece, next: &Piece) -> bool {
    one.seq + 1 == next.seq
        && one.connection == next.connection
        && one.anchor.continues(&next.anchor)
}

/// Reads the pictures of a run of segments.
fn read(pieces: &Pieces, first: usize, last: usize) -> Result<Pictures> {
    let mut pictures = Pictures::default();
    for piece in &pieces.all[first..=last] {
        let path = pieces.path(piece);
        let named = || path.display().to_string();
        let read = pictures.read(path.clone(), piece.anchor, &pieces.tables(piece));
        // Renamed since.
        let read = match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                pictures.read(pieces.path(piece), piece.anchor, &pieces.tables(piece))
            }
            read => read,
        };
        read.with_context(named)?;
        if piece.is_growing {
            pictures.leave_out_last();
        }
    }
    Ok(pictures)
}

/// Decodes a part, and returns the picture with this PTS as PNG; nothing if it does not come out.
fn decode(
    ffmpeg: &Program,
    pictures: &Pictures,
    part: &Part,
    tables: &[u8],
    pts: Pts,
) -> Result<Vec<u8>> {
    let pid = pictures.pid.context("no video")?;
    // The decoder's clock may be off by whole wraps.
    let select = format!("select='not(mod(pts-{pts}+{wrap}*4\\,{wrap}))'", wrap = Pts::WRAP);
    let mut command = ffmpeg.command();
    let command = command.as_inner_mut();
    command.args([
        "-loglevel",
        "error",
        "-threads",
        "1",
        "-copyts",
        "-f",
        "mpegts",
        "-i",
        "pipe:0",
    ]);
    command.args(["-map", &format!("0:i:{pid}"), "-vf", &select, "-frames:v", "1"]);
    command.args(ffmpeg.passthrough());
    command.args(["-c:v", "png", "-f", "image2pipe", "-threads", "1", "pipe:1"]);
    // It may end before its input does, when it has its picture.
    run(command, |mut stdin| pictures.copy_video(part, tables, &mut stdin))
}
