//! Feeds decoders: segments in order, whole when they are finished, followed while they grow.
//!
//! Its child modules enter the folder of a session (`enter`), start a run (`start`), and feed
//! finished segments (`finished`), a growing one (`live`), and those that only the segment log
//! names (`undone`).

mod enter;
mod finished;
mod live;
mod start;
mod undone;

use std::{
    collections::{HashSet, VecDeque},
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event::Decoded,
    process::{ffmpeg::Program, report},
    segment::{Cache, SegmentError},
    session::finished_segment::{FinishedSegment, Windows},
    stage::{Cut, Disk, Interrupt, Output, RefusedSessions, Unannounced, Upstream},
};
use cht_detect::{SceneDetector, threshold::State};
use cht_ts::Codec;

use super::{
    prescan,
    run::{Running, StoppedRun},
};
use crate::{
    cli::{
        args::{Args, Detect},
        options::Options,
    },
    decode::{
        message::End,
        mode::{Decode, Decoding},
    },
    feed::folder::{Folder, SelectorState},
    input::{Part, Source, WRITE},
    lag::catch_up::{CatchUp, OnLag},
    select::{
        detectors::{Detectors, Saved},
        journal::{Checkpoint, FileId},
        selector::{FrameSelector, Leftover},
    },
    stats::counters::Counters,
    track::parameter_sets,
};

/// Why a file from the middle of a stream could not be decoded.
const NO_SETS: &str = "no frame could be decoded: it has no parameter sets, nor has any file of \
    its series before it; put the first file of the stream next to it";

/// Holds the state of the feeding thread.
#[derive(Debug)]
pub(crate) struct Feeder {
    args: Args,
    ffmpeg: Program,
    output: Output,
    disk: Disk,
    counters: Arc<Counters>,
    upstream: Arc<Upstream>,
    interrupt: Arc<Interrupt>,
    folder: Option<Folder>,
    /// Files given by their paths.
    given: HashSet<FileId>,
    /// Folders that this run has opened, by device and inode.
    opened: HashSet<(u64, u64)>,
    decoding: Decoding,
    catch_up: CatchUp,
    /// Difference of the video's clock from the anchors, in ticks.
    ahead: i64,
    /// Parts that a failed decoder did not reach.
    left: VecDeque<Part>,
    refused: RefusedSessions,
    unannounced: Unannounced,
}

impl Feeder {
    pub(crate) fn new(
        args: Args,
        output: Output,
        counters: Arc<Counters>,
        upstream: Arc<Upstream>,
        interrupt: Arc<Interrupt>,
    ) -> Result<Self> {
        let ffmpeg = Program::read(&args.ffmpeg)?;
        let decoding = Decoding {
            decode: args.decode,
            hwaccel: args.hwaccel.choose(&ffmpeg),
            jobs: args.jobs.of_list(args.decode),
            limits: args.limits(),
        };
        // Already only keyframes are decoded.
        let on_lag = if args.decode == Decode::Keyframes { OnLag::Keep } else { args.on_lag };
        let catch_up = CatchUp::new(on_lag, args.lag_limit);
        if args.decode == Decode::Keyframes {
            counters.decoding(Decoded::Keyframes);
        }
        let disk = Disk::new(&output);
        let cache = Cache::of_environment().scanning_again(args.overwrite);
        let unannounced = Unannounced::new(cache, output.clone());
        Ok(Self {
            args,
            ffmpeg,
            output,
            disk,
            counters,
            upstream,
            interrupt,
            folder: None,
            given: HashSet::new(),
            opened: HashSet::new(),
            decoding,
            catch_up,
            ahead: 0,
            left: VecDeque::new(),
            refused: RefusedSessions::default(),
            unannounced,
        })
    }

    /// Returns the decoder that runs.
    fn run(&self) -> Option<&Running> {
        self.folder.as_ref()?.run()
    }

    /// Returns the decoder that runs, to feed it.
    fn run_mut(&mut self) -> Option<&mut Running> {
        self.folder.as_mut()?.run_mut()
    }

    /// Returns the selector of the folder, where no decoder runs.
    fn selector(&mut self) -> Result<&mut FrameSelector> {
        self.folder.as_mut().context("no folder was entered")?.selector()
    }

    /// Returns the last segment that was done, where no decoder runs.
    fn last_done(&self) -> Option<&Checkpoint> {
        self.folder.as_ref()?.idle()?.writer.journal.last()
    }

    /// Returns the codec of a segment's video; if its tables do not name one, that of the video
    /// before it.
    fn codec_of(&self, named: Option<Codec>, pid: u16) -> Option<Codec> {
        let of_run = || self.run().filter(|run| run.pid == pid)?.codec;
        let of_last = || {
            let last = self.last_done()?;
            Codec::named(last.codec.as_deref().filter(|_| last.pid == Some(pid))?)
        };
        named.or_else(of_run).or_else(of_last)
    }

    /// Finishes the work under way, after the last event.
    pub(crate) fn finish(mut self) -> Result<()> {
        let finished = self.finish_work();
        if finished.is_err() && self.leave_removed()? { Ok(()) } else { finished }
    }

    fn finish_work(&mut self) -> Result<()> {
        self.end_run()?;
        if let Ok(selector) = self.selector() {
            selector.writer.release()?;
            selector.writer.journal.remove_unfinished();
        }
        Ok(())
    }

    /// Returns whether no event can announce any more that the segment at `path` is finished.
    fn is_orphaned(&self, path: &str) -> bool {
        self.upstream.ended.load(Ordering::SeqCst) && self.upstream.begun().get(path) != Some(&true)
    }

    /// Returns whether the options need more than ffmpeg's score.
    fn measures(&self) -> bool {
        self.args.detect != [Detect::Scene]
            || self.args.max_frames.is_some()
            || self.args.scores.is_some()
    }

    /// Returns the measuring detectors, restored from `saved`, or new; or the rule on ffmpeg's
    /// score alone, which continues from `state`.
    fn detectors(&self, saved: Option<Vec<u8>>, state: State) -> Result<Detectors> {
        let rules = Options::of(&self.args).rules();
        Ok(match saved {
            _ if !self.measures() => Detectors::new(SceneDetector::by_threshold(&rules, state)),
            Some(bytes) => Detectors::restore(Saved::from_bytes(&bytes)?),
            None => Detectors::new(SceneDetector::new(rules)),
        })
    }

    /// Starts a decoder for a segment unless the running one fits, and tells the selector that its
    /// bytes follow, from byte `from` on.
    fn begin(&mut self, path: &str, from: u64, source: Source) -> Result<()> {
        if !self.continues(&source, path) {
            // The same video continues with another decode mode: the selector keeps its state.
            let goes_on =
                self.run().is_some_and(|run| run.is_of(&source, path) && run.takes(&source));
            self.end_run()?;
            self.start_run(source, path, goes_on)?;
        }
        if let Some(run) = self.run_mut() {
            run.engine.enter(Path::new(path), from);
            run.anchor = source.anchor;
            path.clone_into(&mut run.path);
            run.tell(source.part(path, false));
        }
        self.plan(path, &source);
        Ok(())
    }

    /// Returns whether the running decoder can go on with the segment at `path`.
    fn continues(&self, source: &Source, path: &str) -> bool {
        let decode = self.decode_of(source);
        let is_right = |run: &Running| run.is_of(source, path) && run.takes(source);
        self.run().is_some_and(|run| is_right(run) && run.decode == decode)
    }

    /// Returns the decode mode of a segment. A growing segment cannot be prescanned.
    fn decode_of(&self, source: &Source) -> Decode {
        match self.args.decode {
            _ if self.catch_up.decoding() == Decoded::Keyframes => Decode::Keyframes,
            Decode::Fast if source.live => Decode::Full,
            decode => decode,
        }
    }

    /// Prescans a segment for the pictures to decode, if its decode mode is `fast`.
    fn plan(&mut self, path: &str, source: &Source) {
        if self.run().is_none_or(|run| run.decode != Decode::Fast) {
            return;
        }
        match prescan::plan(&self.ffmpeg, self.decoding.limits, source, Path::new(path)) {
            Ok(Some(plan)) => {
                if let Some(run) = self.run_mut() {
                    run.engine.follow(plan);
                }
            }
            Ok(None) => {}
            // An unreadable segment is reported when it is decoded.
            Err(error) => report::note(format_args!("{path}: {error:#}; all of it is decoded")),
        }
    }

    /// Feeds a whole segment; returns `false` if the decoder has ended before.
    fn feed_all(&mut self, windows: Windows) -> Result<bool> {
        for window in windows {
            for chunk in window?.chunks(WRITE) {
                if !self.feed(chunk)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Feeds the decoder; returns `false` if it has ended (and was stopped).
    fn feed(&mut self, bytes: &[u8]) -> Result<bool> {
        let Some(run) = self.run_mut() else { return Ok(false) };
        if run.feed(bytes).is_err() {
            self.stop_run()?;
        }
        Ok(self.run().is_some())
    }

    /// Notes that the last segment was fed to its end; `within`: no picture begins in it.
    fn fed(&mut self, bytes: u64, within: bool) {
        if let Some(run) = self.run_mut() {
            run.fed(bytes, within);
        }
    }

    /// Ends the decoder. Parts that it did not reach because it failed go to another decoder.
    pub(crate) fn end_run(&mut self) -> Result<()> {
        self.stop_run()?;
        while let Some(part) = self.left.pop_front() {
            // Parts left over while this one is fed come before the rest.
            let rest = std::mem::take(&mut self.left);
            let fed = self.feed_again(&part);
            self.report_lost(fed, &part.path)?;
            self.left.extend(rest);
            if self.left.is_empty() {
                self.stop_run()?;
            }
        }
        Ok(())
    }

    fn feed_again(&mut self, part: &Part) -> Result<()> {
        if part.source.live && !Path::new(&part.path).exists() {
            // The segment is decoded when it is finished.
            if let Some(folder) = &mut self.folder {
                folder.known.forget(&part.path);
                let before = part.source.seq.checked_sub(1);
                folder.last_seq = folder.last_seq.min(before);
            }
            return Ok(());
        }
        let segment = FinishedSegment::open(Path::new(&part.path))?;
        let (length, windows) = (segment.length(), segment.windows(&part.source.range()));
        let source = Source { live: false, bytes: Some(length), ..part.source };
        self.begin(&part.path, source.bytes_from, source)?;
        let fed = match self.feed_all(windows) {
            Err(error) => {
                let error = error.downcast::<SegmentError>()?;
                self.torn(&part.path, &error)?;
                true
            }
            Ok(fed) => fed,
        };
        // Another part follows where the clock jumps.
        if fed && source.bytes_until >= length {
            self.fed(length, false);
        }
        Ok(())
    }

    /// Ends the decoder, takes the rest of its frames, and reports its failures. A [`Cut`] is an
    /// error.
    fn stop_run(&mut self) -> Result<()> {
        let Some(run) = self.folder.as_mut().and_then(Folder::take_run) else { return Ok(()) };
        let fed_last = run.path.clone();
        let StoppedRun { mut selector, end, last_words, finished } = run.stop()?;
        if end == End::Cut {
            bail!(Cut(selector.into_undone()));
        }
        // A decoder without any input fails as well.
        let failed = end != End::Complete || (finished.is_err() && selector.expects_frames());
        if failed && end != End::Hung {
            // An ffmpeg that cannot run at all is the cause.
            self.ffmpeg.check()?;
        }
        let Leftover { blamed, left, undecoded } = selector.end(failed)?;
        let path = blamed.map_or(fed_last, |part| part.path);
        let writer = &selector.writer;
        if end == End::Hung {
            let message = format!("{path}: ffmpeg hung and was stopped: {last_words}");
            writer.fail("decoder_hung", &message, Some(&path))?;
        } else if let (Err(error), true, true) = (finished, failed, undecoded.is_empty()) {
            writer.fail("decoder_failed", &format!("{path}: {error:#}"), Some(&path))?;
        }
        // The segment has other pictures as well, or still grows.
        if let Some(message) = self.decoding.limits.exceeded(&path, &last_words)
            && undecoded.is_empty()
        {
            writer.fail("too_large", &message, Some(&path))?;
        }
        for path in undecoded {
            if let Some(message) = self.decoding.limits.exceeded(&path, &last_words) {
                writer.fail("too_large", &message, Some(&path))?;
                continue;
            }
            let message = if parameter_sets::are_missing(Path::new(&path)) {
                format!("{path}: {NO_SETS}")
            } else {
                format!("{path}: no frame could be decoded; ffmpeg said: {last_words}")
            };
            writer.fail("undecodable", &message, Some(&path))?;
        }
        // These parts came before the parts left already.
        left.into_iter().rev().for_each(|part| self.left.push_front(part));
        if let Some(folder) = &mut self.folder {
            folder.state = SelectorState::Idle(selector);
        }
        Ok(())
    }
}
