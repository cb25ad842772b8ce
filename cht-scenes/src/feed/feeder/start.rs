//! Starts a run: what the selector knows, what leads up to its first segment, and its decoder.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use cht_core::{process::report, segment::SegmentError};
use cht_detect::threshold::State;
use cht_ts::Codec;

use super::Feeder;
use crate::feed::{
    folder::{Folder, Work},
    preroll::{Before, nearest, run_up, two_frames, unsure},
    run::Running,
};
use crate::{
    decode::{
        filter::{self, Start, Wanted},
        mode::{self, Decode, Decoding},
    },
    input::Source,
    select::{journal::Checkpoint, selector::FrameSelector, succession::Position},
    track::parameter_sets,
};

impl Feeder {
    /// Starts a decoder for the segment at `path`, and decodes what leads up to it. With `goes_on`, the
    /// selector goes on as it is: another decoder has decoded the same video up to here.
    pub(crate) fn start_run(&mut self, source: Source, path: &str, goes_on: bool) -> Result<()> {
        let folder = self.folder.as_mut().context("no folder was entered")?;
        let mut selector = folder.take_selector()?;
        let replayed = folder.replayed.take();
        let decode = self.decode_of(&source);
        let before = self.run_up_to(&mut selector, (&source, path), replayed, decode, goes_on)?;
        selector.decode = decode;
        let keyframes_only = decode == Decode::Keyframes;
        self.counters.lag.decodes(keyframes_only.then(|| mode::holds(source.codec)));
        self.counters.lag.follow(source.pid, source.ahead);
        let anchor = before
            .iter()
            .find(|before| before.windows.is_some())
            .map_or(source.anchor, |first| first.anchor);
        let wanted = match &selector.detectors {
            Some(detectors) => Wanted::Candidates(detectors.candidates, filter::every(decode)),
            None => Wanted::Scene(self.rules, selector.state),
        };
        let start = Start { wanted, anchor, from: source.anchor.offset };
        let first = Path::new(before.first().map_or(path, |first| &first.path));
        let sets = parameter_sets::before(first, source.connection, source.pid);
        let decoding = Decoding { decode, ..self.decoding };
        let run = Running::start(&self.ffmpeg, decoding, &source, (start, sets), selector)?;
        if let Some(folder) = &mut self.folder {
            folder.work = Work::Running(Box::new(run));
        }
        self.feed_run_up(before, source)
    }

    /// Sets what the selector knows before the segment at `path`, and returns what leads up to it: the
    /// first score needs the frames before it.
    fn run_up_to(
        &self,
        selector: &mut FrameSelector,
        (source, path): (&Source, &str),
        replayed: Option<Checkpoint>,
        decode: Decode,
        goes_on: bool,
    ) -> Result<Vec<Before>> {
        let last = selector.writer.journal.last().cloned();
        let last = last.map(|last| nearest(last, replayed));
        let place = Position { path, anchor: source.anchor };
        let is_of_it = |last: &Checkpoint| {
            !goes_on
                && last.done.seq < source.seq
                && last.pid == Some(source.pid)
                && last.codec.as_deref().and_then(Codec::named) == source.codec
        };
        let mut before = last.filter(is_of_it).map_or_else(Vec::new, |last| run_up(&last, place));
        if before.is_empty() {
            selector.writer.release()?;
            before = self.run_up_of_another(selector, place, is_of_it)?;
        } else {
            // The same as after a restart, also within one run of the program.
            selector.take_back()?;
            let journal = &mut selector.writer.journal;
            if decode == Decode::Keyframes {
                before = two_frames(journal.before_last(), before);
            }
            before = unsure(journal.unsure(), before);
            selector.detectors =
                self.measures().then(|| self.detectors(journal.saved())).transpose()?;
        }
        if before.is_empty() {
            // Nothing to compare the first frame with: it is kept.
            selector.state = State::default();
            if !goes_on {
                selector.detectors = self.measures().then(|| self.detectors(None)).transpose()?;
            }
        }
        Ok(before)
    }

    /// Lets the selector go on from the last segment of the recording that goes on at `place`, where
    /// another recording came after it. Returns what leads up to it.
    fn run_up_of_another(
        &self,
        selector: &mut FrameSelector,
        place: Position<'_>,
        is_of_it: impl Fn(&Checkpoint) -> bool,
    ) -> Result<Vec<Before>> {
        let journal = &mut selector.writer.journal;
        let Some(other) = journal.recording(&place).cloned().filter(is_of_it) else {
            return Ok(Vec::new());
        };
        selector.state = other.state;
        if self.measures() {
            let saved = journal.go_on_from(&other);
            selector.detectors = Some(self.detectors(saved)?.forget_kept());
        }
        Ok(run_up(&other, place))
    }

    /// Feeds what leads up to a segment.
    fn feed_run_up(&mut self, before: Vec<Before>, source: Source) -> Result<()> {
        for Before { seq, anchor, path, from, windows } in before {
            let source = Source { seq, anchor, bytes: None, ..source }.part_of(from..u64::MAX);
            if let Some(run) = self.run_mut() {
                if windows.is_some() {
                    run.engine.enter(Path::new(&path), from);
                }
                run.tell(source.part(&path, true));
            }
            let Some(windows) = windows else { continue };
            self.plan(&path, &source);
            if let Err(error) = self.feed_all(windows) {
                ensure!(error.is::<SegmentError>(), error);
                report::warn(format_args!("{error}; the first scores after it may be off"));
            }
            if let Some(run) = self.folder.as_mut().and_then(Folder::run_mut) {
                run.engine.end_segment();
            }
        }
        Ok(())
    }
}
