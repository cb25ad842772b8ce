//! Writes pieces: the file, the line of the journal, the event.

use std::{collections::HashSet, sync::Arc};

use anyhow::Result;
use cht_core::{
    event::{Audio, Event, SegmentDone, absolute, rounded},
    process::ffmpeg::Program,
    stage::Output,
};
use cht_ts::time::seconds;

use super::{
    entry::{Resume, Source, Written},
    file,
    journal::{PieceJournal, key},
};
use crate::{args::Format, counters::Counters, sound::pieces::Piece};

/// Name of the stage in events.
pub(crate) const STAGE: &str = "cht-audio";

/// Writes the pieces of a folder.
#[derive(Debug)]
pub(crate) struct Writer {
    pub journal: PieceJournal,
    pub session: Option<String>,
    pub output: Output,
    pub counters: Arc<Counters>,
    pub ffmpeg: Program,
    pub format: Format,
    pub skip_silent: bool,
    /// Pieces that this run of the program has emitted again, without an event of their segment.
    pub again: HashSet<String>,
    /// Pieces whose file is lost and cannot be made again: no event claims them.
    pub lost: HashSet<String>,
}

/// Where a piece begins and ends.
#[derive(Debug)]
pub(crate) struct Bounds<'a> {
    /// Segment with its first sample.
    pub source: &'a Source,
    pub begin: Resume,
    pub next: Option<Resume>,
    /// Whether it ends because the input ended.
    pub is_open: bool,
}

impl Writer {
    /// Writes a piece and emits its event.
    pub(crate) fn write(&mut self, piece: &Piece, bounds: Bounds<'_>) -> Result<()> {
        let Bounds { source, begin, next, is_open } = bounds;
        let Some((anchor, sound)) = source.anchor.zip(source.sound.as_ref()) else { return Ok(()) };
        let offset = anchor.place_unwrapped(piece.ticks);
        let start = seconds(offset);
        let is_silent = piece.speech.is_empty();
        let channels = piece.format.channels;
        let samples = (piece.samples.len() / usize::from(channels)) as u64;
        let id = self.journal.next_id();
        let mut audio = Audio {
            start,
            duration: rounded(samples as f64 / f64::from(piece.format.rate)),
            pts: piece.ticks,
            at: source.wall_clock.and_then(|clock| clock.at(offset)),
            path: None,
            segment: source.path.clone(),
            pid: sound.pid,
            language: sound.language.clone(),
            samples,
            rate: piece.format.rate,
            channels,
            loudness: file::loudness(&piece.samples, piece.format),
            speech: piece.speech.iter().map(|span| span.map(|at| rounded(start + at))).collect(),
            silent: is_silent,
            bytes: 0,
            hash: None,
            id,
        };
        if !(is_silent && self.skip_silent) {
            let path = self.journal.folder.join(format!("{}.{}", audio.id, self.format.name()));
            let bytes = file::encode(&self.ffmpeg, &piece.samples, piece.format, self.format)?;
            self.journal.write(&path, &bytes)?;
            audio.path = Some(absolute(&path)?);
            audio.bytes = bytes.len() as u64;
            audio.hash = Some(blake3::hash(&bytes).to_hex().to_string());
        }
        let next_pts = piece.next.map(|(_, pts)| pts);
        self.counters.piece(audio.duration, is_silent, next_pts);
        let session = self.session.clone();
        let event = Event::new(session.clone(), audio.clone());
        let key = source.key.clone();
        self.journal.add(Written { session, audio, key, begin, next, is_open })?;
        Ok(self.output.emit(&event)?)
    }

    /// Notes and emits that all pieces of a segment were written.
    pub(crate) fn done(&mut self, source: Source) -> Result<()> {
        let event = self.done_event(&source);
        self.journal.finish(source)?;
        Ok(self.output.emit(&event)?)
    }

    fn done_event(&self, source: &Source) -> Event {
        let done = SegmentDone {
            stage: STAGE.to_owned(),
            seq: source.seq,
            path: source.path.clone(),
            events: self.journal.pieces_of(&source.key).count() as u64,
            decoded: None,
        };
        Event::new(self.session.clone(), done)
    }

    /// Emits the pieces again that begin in the segment at `path`, by the present place of the
    /// folder and the segment.
    pub(crate) fn replay(&self, path: &str) -> Result<()> {
        for piece in self.journal.pieces_of(key(path, self.journal.by_name)) {
            if !self.again.contains(&piece.audio.id) {
                self.emit_again(piece, path)?;
            }
        }
        Ok(())
    }

    /// Emits again that a segment is done, which is at `path` now.
    pub(crate) fn replay_done(&self, source: &Source, seq: u64, path: &str) -> Result<()> {
        let source = Source { seq, path: path.to_owned(), ..source.clone() };
        Ok(self.output.emit(&self.done_event(&source))?)
    }

    /// Emits a piece again.
    pub(crate) fn emit_again(&self, piece: &Written, segment: &str) -> Result<()> {
        if self.lost.contains(&piece.audio.id) {
            return Ok(());
        }
        let mut audio = piece.audio.clone();
        segment.clone_into(&mut audio.segment);
        if audio.path.is_some() {
            let path = self.journal.folder.join(format!("{}.{}", audio.id, self.format.name()));
            audio.path = Some(absolute(&path)?);
        }
        Ok(self.output.emit(&Event::new(self.session.clone(), audio))?)
    }

    /// Emits an error.
    pub(crate) fn fail(&self, code: &str, message: &str, path: Option<&str>) -> Result<()> {
        Ok(self.output.fail(self.session.as_deref(), code, message, path)?)
    }
}
