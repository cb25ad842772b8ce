//! Starts a run: sets the state of the selector, starts its decoder, and feeds the preroll.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use cht_core::{process::report, segment::SegmentError, session::Position};
use cht_detect::threshold::State;
use cht_ts::Codec;

use super::Feeder;
use crate::feed::{
    folder::SelectorState,
    preroll::{Before, nearest, preroll, two_frames, unsure},
    run::Running,
};
use crate::{
    decode::{
        filter::{self, Start, Wanted},
        jobs::Jobs,
        mode::{self, Decode, Decoding},
    },
    input::Source,
    select::{detectors::Detectors, journal::Checkpoint, selector::FrameSelector},
    track::parameter_sets,
};

impl Feeder {
    /// Starts a decoder for the segment at `path`, and decodes its preroll. With `goes_on`, the
    /// selector keeps its state: another decoder has decoded the same video up to here.
    pub(crate) fn start_run(&mut self, source: Source, path: &str, goes_on: bool) -> Result<()> {
        let folder = self.folder.as_mut().context("no folder was entered")?;
        let mut selector = folder.take_selector()?;
        let replayed = folder.replayed.take();
        let decode = self.decode_of(&source);
        let before = self.preroll_to(&mut selector, (&source, path), replayed, decode, goes_on)?;
        selector.decode = decode;
        let keyframes_only = decode == Decode::Keyframes;
        self.counters.lag.decodes(keyframes_only.then(|| mode::holds(source.codec)));
        self.counters.lag.follow(source.pid, source.ahead);
        let anchor = before
            .iter()
            .find(|before| before.windows.is_some())
            .map_or(source.anchor, |first| first.anchor);
        let Detectors { decider, candidates, .. } = &selector.detectors;
        let candidates =
            || Wanted::Candidates(*candidates, filter::every(decode, decider.still_every()));
        let wanted = decider.threshold().copied().map_or_else(candidates, Wanted::Scene);
        let start = Start { wanted, anchor, from: source.anchor.offset };
        let first = Path::new(before.first().map_or(path, |first| &first.path));
        let sets = parameter_sets::before(first, source.connection, source.pid);
        if self.args.jobs == Jobs::Auto && self.interrupt.is_live() {
            self.decoding.jobs = 1;
        }
        let decoding = Decoding { decode, ..self.decoding };
        let run = Running::start(&self.ffmpeg, decoding, &source, (start, sets), selector)?;
        if let Some(folder) = &mut self.folder {
            folder.state = SelectorState::Running(Box::new(run));
        }
        self.feed_preroll(before, source)
    }

    /// Sets the state of the selector before the segment at `path`, and returns the preroll: the
    /// first score needs the frames before it.
    fn preroll_to(
        &self,
        selector: &mut FrameSelector,
        (source, path): (&Source, &str),
        replayed: Option<Checkpoint>,
        decode: Decode,
        goes_on: bool,
    ) -> Result<Vec<Before>> {
        let last = selector.writer.journal.last().cloned();
        let last = last.map(|last| nearest(last, replayed));
        let position = Position { path, anchor: source.anchor };
        let is_of_it = |last: &Checkpoint| {
            !goes_on
                && last.done.seq < source.seq
                && last.pid == Some(source.pid)
                && last.codec.as_deref().and_then(Codec::named) == source.codec
        };
        let mut before =
            last.filter(is_of_it).map_or_else(Vec::new, |last| preroll(&last, position));
        if before.is_empty() {
            selector.writer.release()?;
            before = self.preroll_of_another(selector, position, is_of_it)?;
        } else {
            // Within one run of the program, the same holds as after a restart.
            selector.take_back()?;
            let journal = &mut selector.writer.journal;
            if decode == Decode::Keyframes {
                before = two_frames(journal.before_last(), before);
            }
            before = unsure(journal.unsure(), before);
            if self.measures() {
                selector.detectors = self.detectors(journal.saved(), State::default())?;
            }
        }
        if before.is_empty() {
            // There is no frame to compare the first one with: it is kept.
            if !goes_on || !self.measures() {
                selector.detectors = self.detectors(None, State::default())?;
            }
        }
        Ok(before)
    }

    /// Lets the selector go on from the last segment of the recording that continues at `position`,
    /// if another recording came in between. Returns the preroll.
    fn preroll_of_another(
        &self,
        selector: &mut FrameSelector,
        position: Position<'_>,
        is_of_it: impl Fn(&Checkpoint) -> bool,
    ) -> Result<Vec<Before>> {
        let journal = &mut selector.writer.journal;
        let Some(other) = journal.recording(&position).cloned().filter(is_of_it) else {
            return Ok(Vec::new());
        };
        let saved = self.measures().then(|| journal.go_on_from(&other)).flatten();
        selector.detectors = self.detectors(saved, other.state)?.forget_kept();
        Ok(preroll(&other, position))
    }

    /// Feeds the preroll of a segment.
    fn feed_preroll(&mut self, before: Vec<Before>, source: Source) -> Result<()> {
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
            if let Some(run) = self.run_mut() {
                run.engine.end_segment();
            }
        }
        Ok(())
    }
}
