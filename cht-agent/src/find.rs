//! Finds frames in the journal.

use std::collections::HashMap;

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

/// Where the journal has a frame.
#[derive(Debug)]
struct Place {
    timestamp: f64,
    /// Begin of the first line of its id.
    first: u64,
    /// Begin and length of the last one.
    begin: u64,
    length: usize,
}

impl Place {
    fn read(&self, journal: &mut Journal) -> Result<Option<Frame>> {
        let line = journal.line_at(self.begin, self.length)?;
        Ok(journal.frame(&line))
    }
}

/// Returns the moment at `time` of the session, with the speech from `around` seconds before to as
/// long after it. `None` for a time stands for the newest frame.
pub(crate) fn moment(journal: &mut Journal, time: Option<f64>, around: f64) -> Result<Moment> {
    let until = time.unwrap_or(f64::INFINITY);
    let mut frames: HashMap<String, Place> = HashMap::new();
    let mut speech = Vec::new();
    journal.each_line(0, |line, _, after| {
        match line::kind(line) {
            Kind::Frame => {
                // Zeros that a crash left before it are no part of the line.
                let (begin, length) = (after - 1 - line.len() as u64, line.len());
                if let Some((id, timestamp)) = line::id(line).zip(line::timestamp(line)) {
                    // The last line of an id counts; texts may come before it.
                    let first = frames.get(&id).map_or(begin, |known| known.first);
                    frames.insert(id, Place { timestamp, first, begin, length });
                }
            }
            Kind::Transcript => speech.push(line.to_vec()),
            _ => {}
        }
        true
    })?;
    let is_shown = |place: &&Place| place.timestamp <= until;
    let later = |a: &&Place, b: &&Place| {
        a.timestamp.total_cmp(&b.timestamp).then_with(|| a.begin.cmp(&b.begin))
    };
    let sooner = |a: &&Place, b: &&Place| {
        a.timestamp.total_cmp(&b.timestamp).then_with(|| b.begin.cmp(&a.begin))
    };
    let shown = frames.values().filter(is_shown).max_by(later);
    let next = frames.values().filter(|place| !is_shown(place)).min_by(sooner);
    let mut moment = Moment {
        frame: shown.map(|place| place.read(journal)).transpose()?.flatten(),
        next: next.map(|place| place.read(journal)).transpose()?.flatten(),
        ..Moment::default()
    };
    let begin = shown.map_or(0, |place| place.first);
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
