//! Finds frames in the journal.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use cht_core::event::{Body, Frame, Text, Transcript};

use crate::store::{
    journal::Journal,
    line::{self, Kind},
};

/// Returns the frame `id`.
pub(crate) fn by_id(journal: &mut Journal, id: &str) -> Result<Frame> {
    let mut found = None;
    journal.each_line(0, |line, _, _| {
        if line::kind(line) == Kind::Frame && line::id(line).is_some_and(|known| known == id) {
            // The last line of an id counts.
            found = Some(line.to_vec());
        }
        true
    })?;
    let frame = found.and_then(|line| journal.frame(&line));
    frame.with_context(|| format!("{id}: no such frame in {}", journal.session.name()))
}

/// A moment of a session, from its journal.
#[derive(Debug, Default)]
pub(crate) struct Moment {
    /// The kept frame that was on the screen.
    pub frame: Option<Frame>,
    pub texts: Vec<Text>,
    /// Speech around it.
    pub speech: Vec<Transcript>,
    /// The kept frame after it.
    pub next: Option<Frame>,
}

/// Returns the moment at `time` of the session, with the speech from `around` seconds before to as
/// long after it. `None` for a time stands for the newest frame.
pub(crate) fn moment(journal: &mut Journal, time: Option<f64>, around: f64) -> Result<Moment> {
    // Of each frame that is shown at that time or next: its time, its line and where that begins.
    let mut frames: BTreeMap<String, (f64, Vec<u8>, u64)> = BTreeMap::new();
    let (mut shown, mut next) = (f64::NEG_INFINITY, f64::INFINITY);
    let until = time.unwrap_or(f64::INFINITY);
    let mut speech = Vec::new();
    journal.each_line(0, |line, begin, _| {
        match line::kind(line) {
            Kind::Frame => {
                let Some((id, timestamp)) = line::id(line).zip(line::timestamp(line)) else {
                    return true;
                };
                if timestamp <= until && timestamp >= shown {
                    shown = timestamp;
                    frames.retain(|_, (time, ..)| *time > until);
                    frames.insert(id, (timestamp, line.to_vec(), begin));
                } else if timestamp > until && timestamp <= next {
                    next = timestamp;
                    frames.retain(|_, (time, ..)| *time <= until);
                    frames.insert(id, (timestamp, line.to_vec(), begin));
                } else if let Some(known) = frames.get_mut(&id) {
                    *known = (timestamp, line.to_vec(), known.2);
                }
            }
            Kind::Transcript => speech.push(line.to_vec()),
            _ => {}
        }
        true
    })?;
    let mut moment = Moment::default();
    let mut begin = 0;
    for (timestamp, line, first) in frames.into_values() {
        let frame = journal.frame(&line);
        if timestamp <= until {
            (moment.frame, begin) = (frame, first);
        } else {
            moment.next = frame;
        }
    }
    let middle = time.or_else(|| moment.frame.as_ref().map(|frame| frame.timestamp));
    let middle = middle.unwrap_or(0.0);
    for line in speech {
        if let Some(Body::Transcript(piece)) = journal.event(&line).map(|event| event.body)
            && piece.end >= middle - around
            && piece.start <= middle + around
        {
            moment.speech.push(piece);
        }
    }
    if let Some(frame) = &moment.frame {
        moment.texts = texts_of(journal, &frame.id, begin)?;
    }
    Ok(moment)
}

/// Returns the last text of each source of a frame whose line begins at byte `begin`.
fn texts_of(journal: &mut Journal, id: &str, begin: u64) -> Result<Vec<Text>> {
    let mut lines = Vec::new();
    journal.each_line(begin, |line, _, _| {
        if line::kind(line) == Kind::Text && line::id(line).is_some_and(|known| known == id) {
            lines.push(line.to_vec());
        }
        true
    })?;
    let mut texts: Vec<Text> = Vec::new();
    for line in lines {
        if let Some(Body::Text(text)) = journal.event(&line).map(|event| event.body) {
            texts.retain(|known| known.source != text.source);
            texts.push(text);
        }
    }
    Ok(texts)
}
