//! What goes into the decoder: segments in order, whole when they are finished, followed while they grow.
//!
//! A **run** is one decoder over consecutive segments. It ends where the stream's clock, its video PID, the folder of the
//! segments or that of the frames changes, and where the decoder fails.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event::{Anchor, Decoded, Jump, Segment},
    process::{ffmpeg::Program, report},
    segment::{Cache, Examiner, SegmentError},
    session::{
        Session, identity, live_segment::finished_path, segment_log::SegmentLog, windows::Windows,
    },
};
use cht_detect::threshold::Rules;
use cht_ts::Codec;

use super::{
    preroll::began_within_a_picture,
    prescan,
    refused::{NoFolder, Refused},
    run::Running,
};
use crate::{
    cli::{
        args::{Args, Detect},
        options::Options,
    },
    decode::{
        message::{End, Message},
        mode::{Decode, Decoding},
    },
    disk::Disk,
    input::{Part, Source, WRITE},
    interrupt::{Cut, Interrupt},
    lag::catch_up::{CatchUp, OnLag},
    output::Output,
    select::{
        detectors::{Detectors, Saved},
        journal::{Checkpoint, FileId, FrameJournal, key},
        score_log::ScoreLog,
        selector::FrameSelector,
        types::Done,
    },
    stats::counters::Counters,
    track::{
        changes::{self, TrackSpan},
        growing::Passed,
    },
};

/// What the thread that reads stdin knows and the feeder asks for.
#[derive(Debug, Default)]
pub(crate) struct Upstream {
    /// Stdin has ended: what is not finished by now will not be announced any more.
    pub ended: AtomicBool,
    /// Segments that began to grow, by their final path, and whether they were announced as finished. One that is dealt with is
    /// forgotten.
    begun: Mutex<HashMap<String, bool>>,
}

impl Upstream {
    /// Notes that a segment grows at `part`.
    pub(crate) fn begin(&self, part: &str) {
        let path = finished_path(Path::new(part)).to_string_lossy().into_owned();
        self.begun().insert(path, false);
    }

    /// Notes that a segment was announced as finished.
    pub(crate) fn finish(&self, path: &str) {
        if let Some(is_finished) = self.begun().get_mut(path) {
            *is_finished = true;
        }
    }

    fn begun(&self) -> MutexGuard<'_, HashMap<String, bool>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Feeds decoders.
#[derive(Debug)]
pub(crate) struct Feeder {
    pub(super) args: Args,
    pub(super) rules: Rules,
    pub(super) ffmpeg: Program,
    pub(super) output: Output,
    disk: Disk,
    pub(super) tally: Arc<Counters>,
    upstream: Arc<Upstream>,
    interrupt: Arc<Interrupt>,
    pub(super) folder: Option<Folder>,
    /// Files that were given by their paths.
    pub(super) given: HashSet<FileId>,
    /// Folders that this run has opened, by device and inode.
    opened: HashSet<(u64, u64)>,
    pub(super) run: Option<Running>,
    pub(super) decoding: Decoding,
    pub(super) catch_up: CatchUp,
    /// By how much the video's clock is ahead of the anchors, in ticks.
    pub(super) ahead: i64,
    /// What a decoder that failed did not come to.
    pub(super) left: VecDeque<Part>,
    pub(super) refused: Refused,
    /// Examines segments that nobody announced.
    pub(super) examiner: Examiner,
}

/// The folder that frames go to at present.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// Here between runs, in the run's thread during one.
    pub(super) picker: Option<FrameSelector>,
    /// Its device and inode: a folder may have several names.
    place: Option<(u64, u64)>,
    /// Whether segments are known by their names.
    pub(super) by_name: bool,
    /// Segments done by an earlier run of the program by their keys, with their sizes, and which files they were.
    done_before: HashMap<String, (u64, Option<FileId>)>,
    /// The keys of segments by their files: one that has several names is known by the first.
    files: HashMap<FileId, String>,
    /// Segments that were dealt with by this one, by their keys, and which files they were, if that counts.
    pub(super) handled: HashMap<String, Option<FileId>>,
    /// The segment dealt with last, if an earlier run had done it.
    pub(super) replayed: Option<Checkpoint>,
    /// The number of the last of them; in the folder of a session also of an earlier run.
    pub(super) last_seq: Option<u64>,
    /// The end of the session's record, from where an earlier run has come to.
    pub(super) record: Option<SegmentLog>,
    /// What an index next to the frames may lack was emitted again.
    pub(super) joined: bool,
}

impl Folder {
    /// What a segment is known by.
    pub(super) fn key<'a>(&self, path: &'a str) -> &'a str {
        key(path, self.by_name)
    }

    /// Returns the path that a segment is known by, which is this `file`; its own if that comes for the first time.
    fn name_of(&mut self, path: &str, file: Option<FileId>) -> String {
        let known = file.filter(|_| self.key(path) == path);
        let known = known.map(|file| self.files.entry(file).or_insert_with(|| path.to_owned()));
        // What has another key by now is the same file, and what has changed since is another one.
        known.map_or_else(|| path.to_owned(), |known| known.clone())
    }

    /// Whether an earlier run or this one has dealt with a segment.
    pub(super) fn knows(&self, path: &str) -> bool {
        let key = self.key(path);
        self.handled.contains_key(key) || self.done_before.contains_key(key)
    }
}

impl Feeder {
    pub(crate) fn new(
        args: Args,
        rules: Rules,
        output: Output,
        tally: Arc<Counters>,
        upstream: Arc<Upstream>,
        interrupt: Arc<Interrupt>,
    ) -> Result<Self> {
        let ffmpeg = Program::find(&args.ffmpeg)?;
        let decoding = Decoding {
            decode: args.decode,
            hwaccel: args.hwaccel.choose(&ffmpeg),
            jobs: args.jobs,
            limits: args.limits(),
        };
        // Keyframes are all there is already.
        let on_lag = if args.decode == Decode::Keyframes { OnLag::Keep } else { args.on_lag };
        let catch_up = CatchUp::new(on_lag, args.lag_limit);
        if args.decode == Decode::Keyframes {
            tally.decoding(Decoded::Keyframes);
        }
        let (folder, run, ahead, left) = (None, None, 0, VecDeque::new());
        let disk = Disk::new(&output);
        let cache = Cache::of_environment().scanning_again(args.overwrite);
        Ok(Self {
            args,
            rules,
            ffmpeg,
            output,
            disk,
            tally,
            upstream,
            interrupt,
            folder,
            given: HashSet::new(),
            opened: HashSet::new(),
            run,
            decoding,
            catch_up,
            ahead,
            left,
            refused: Refused::new(),
            examiner: Examiner::with_cache(cache),
        })
    }

    /// Decodes a finished segment of the session that was entered. One that cannot be read is an `error` event.
    pub(super) fn take_segment(&mut self, session: Option<&str>, segment: &Segment) -> Result<()> {
        self.upstream.begun().remove(&segment.path);
        let decoded = self.decode(session, segment);
        self.report_lost(decoded, &segment.path)
    }

    /// Reports an error of the segment at `path` alone, after what its decoder has given; others are returned.
    pub(super) fn report_lost(&mut self, result: Result<()>, path: &str) -> Result<()> {
        let Err(error) = result else { return Ok(()) };
        let Some(lost) = error.downcast_ref::<SegmentError>() else { return Err(error) };
        self.end_run()?;
        self.picker()?.fail(lost.code(), &lost.to_string(), Some(path))
    }

    fn decode(&mut self, session: Option<&str>, segment: &Segment) -> Result<()> {
        let Some(folder) = &mut self.folder else { return Ok(()) };
        let file = FileId::at(&segment.path);
        let name = folder.name_of(&segment.path, file);
        let key = key(&name, folder.by_name);
        let is_recorded = folder.by_name && key != segment.path;
        // Of a segment that was recorded, the record says what it is; another one may have been written again.
        let file = file.filter(|_| !is_recorded);
        let is_same = |known: &Option<FileId>| {
            known.zip(file).is_none_or(|(known, file)| known.is_written_as(&file))
        };
        if folder.handled.get(key).is_some_and(is_same) {
            return Ok(());
        }
        folder.handled.insert(key.to_owned(), file);
        let was_done = folder
            .done_before
            .get(key)
            .is_some_and(|(bytes, known)| *bytes == segment.bytes && is_same(known));
        if is_recorded && !was_done && folder.last_seq.is_some_and(|last| segment.seq <= last) {
            return self.refuse_late(session, segment);
        }
        let follows = folder.last_seq.is_some_and(|last| last + 1 == segment.seq);
        let before = folder.last_seq.filter(|_| is_recorded);
        folder.last_seq = before.max(Some(segment.seq));
        if was_done {
            self.end_run()?;
            let picker = self.picker()?;
            let key = picker.store.found_at(&name, &segment.path);
            picker.replay(key, segment.bytes)?;
            let mut replayed =
                picker.store.done(key, segment.bytes).map(|it| it.checkpoint.clone());
            if let Some(replayed) = &mut replayed {
                replayed.done.seq = segment.seq;
            }
            if let Some(folder) = &mut self.folder {
                folder.replayed = replayed;
            }
            return Ok(());
        }
        // Cut for its size within a picture, it need not say what it holds.
        let asked = self.args.video();
        let video = asked.of_segment(segment);
        let named = video.as_ref().ok().copied().flatten();
        let began_within =
            || began_within_a_picture(&segment.path, segment.seq, segment.connection);
        let pid = named.map(|video| video.pid).or_else(|| {
            let run = self.run.as_ref().filter(|run| run.connection == segment.connection)?;
            (follows && began_within()).then_some(run.pid)
        });
        let (Some(anchor), Some(pid)) = (segment.timeline, pid) else {
            self.end_run()?;
            let picker = self.picker()?;
            let path = &segment.path;
            if let Err(there) = video {
                let message = format!("{path}: no {asked} in it; there is {there}");
                picker.fail("no_stream", &message, Some(path))?;
            } else {
                let message = format!("{path}: no video in it; nothing to look at");
                picker.fail("no_video", &message, Some(path))?;
            }
            return self.leave_out(segment);
        };
        let listed = segment.streams.iter().find(|stream| stream.pid == pid);
        let size = listed.and_then(|video| video.width.zip(video.height));
        if let Some(message) =
            size.and_then(|size| self.decoding.limits.exceeded_by(&segment.path, size))
        {
            self.end_run()?;
            self.picker()?.fail("too_large", &message, Some(&segment.path))?;
            return self.leave_out(segment);
        }
        let length = Windows::open(Path::new(&segment.path))?.length();
        let again = asked.is_any().then(|| Windows::open(Path::new(&segment.path)).ok()).flatten();
        let first = again.and_then(|windows| changes::first_pts(windows, pid));
        let by_its_clock = self.by_its_clock(anchor, first);
        let codec = self.codec_of(named.and_then(|video| video.codec), pid);
        let source = Source {
            ahead: self.ahead,
            connection: segment.connection,
            bytes: Some(length),
            ..Source::alone(segment.seq, by_its_clock, pid, codec)
        };
        let within = segment.video_pid.is_none() || listed.is_some_and(|video| video.units == 0);
        // All frames again only where a picture needs none before it.
        if self.wants_change() && (self.catch_up.decoding() == Decoded::Full || !began_within()) {
            self.change_decoding();
        }
        // Where another clock jumps is not known.
        let jumps = if self.ahead == 0 { &segment.jumps[..] } else { &[] };
        let mut is_fed = true;
        for (bytes, anchor) in parts(jumps, by_its_clock) {
            is_fed = is_fed
                && self.feed_part(&segment.path, Source { anchor, ..source }.part_of(bytes))?;
        }
        if is_fed {
            self.fed(length, within);
        }
        let others = listed.map_or(0, |video| video.units.saturating_sub(video.keyframes));
        let newest = segment.last_pts.map(|pts| anchor.place(pts));
        self.passed(&Passed { keyframes: vec![anchor.offset], others, newest });
        Ok(())
    }

    /// A segment is done without frames.
    fn leave_out(&mut self, segment: &Segment) -> Result<()> {
        let (path, bytes) = (segment.path.clone(), segment.bytes);
        self.picker()?.done(Done { seq: segment.seq, path, bytes, ..Done::default() })
    }

    /// What the video of a segment is coded as. Where its tables do not say, as what came before.
    fn codec_of(&self, named: Option<Codec>, pid: u16) -> Option<Codec> {
        let of_run = || self.run.as_ref().filter(|run| run.pid == pid)?.codec;
        let of_last = || {
            let last = self.folder.as_ref()?.picker.as_ref()?.store.last()?;
            Codec::named(last.codec.as_deref().filter(|_| last.pid == Some(pid))?)
        };
        named.or_else(of_run).or_else(of_last)
    }

    /// Everything was announced: finishes what is under way.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.end_run()?;
        if let Some(Folder { picker: Some(picker), .. }) = &mut self.folder {
            picker.release()?;
            picker.store.remove_unfinished();
        }
        Ok(())
    }

    /// Whether nobody will ever say that the segment at `path` is finished.
    pub(super) fn is_orphaned(&self, path: &str) -> bool {
        self.upstream.ended.load(Ordering::SeqCst) && self.upstream.begun().get(path) != Some(&true)
    }

    /// Does that, or tells why it cannot.
    pub(super) fn go_to(&mut self, session: Option<&str>) -> Result<()> {
        let path = match (&self.args.out, session, &self.args.session) {
            (Some(out), ..) => Some(out.clone()),
            (None, Some(name), _) => Some(Session::frames_of(name).map_err(NoFolder::foreign)?),
            (None, None, session) => session.as_ref().map(|session| session.join("frames")),
        };
        let Some(path) = path else {
            bail!("the segments belong to no session; say where the frames go with --out DIR");
        };
        self.tally.enter(session);
        self.disk.enter(session);
        if self.folder.as_ref().is_some_and(|folder| folder.path == path || is_at(folder, &path)) {
            if let Some(Folder { picker: Some(picker), .. }) = &mut self.folder {
                picker.session = session.map(str::to_owned);
            }
            return Ok(());
        }
        self.end_run()?;
        if let Some(Folder { picker: Some(picker), .. }) = &mut self.folder {
            picker.release()?;
        }
        self.folder = None;
        let options = Options::of(&self.args);
        // What this run made there stays when it comes back to the folder.
        let is_ours = identity(&path).is_some_and(|place| self.opened.contains(&place));
        let overwrite = self.args.overwrite && !is_ours;
        let store = FrameJournal::open(&path, &options, overwrite, self.disk.clone())
            .map_err(NoFolder::or)?;
        self.opened.extend(identity(&path));
        self.ahead = store.last().map_or(0, |last| last.ahead);
        let (done_before, files, by_name) = (store.done_before(), store.files(), store.by_name());
        let last_seq = store.last().map(|last| last.done.seq).filter(|_| by_name);
        let scores = self.args.scores.as_ref();
        let scores =
            scores.map(|path| ScoreLog::open(path, &store.done_paths(), self.disk.clone()));
        let mut picker = FrameSelector::new(
            store,
            self.output.clone(),
            &self.args,
            self.ffmpeg.clone(),
            Arc::clone(&self.tally),
        );
        picker.scores = scores.transpose()?;
        picker.interrupt = Arc::clone(&self.interrupt);
        picker.session = session.map(str::to_owned);
        self.folder = Some(Folder {
            place: identity(&path),
            path,
            by_name,
            done_before,
            files,
            picker: Some(picker),
            handled: HashMap::new(),
            replayed: None,
            last_seq,
            record: None,
            joined: false,
        });
        Ok(())
    }

    /// Begins anew where the last checkpoint is, as a restart does: what was decoded since is decoded again when it comes.
    pub(super) fn give_back(&mut self) -> Result<()> {
        self.end_run()?;
        self.folder = None;
        Ok(())
    }

    /// Whether more is asked for than ffmpeg's score.
    pub(super) fn measures(&self) -> bool {
        self.args.detect != [Detect::Scene]
            || self.args.max_frames.is_some()
            || self.args.scores.is_some()
    }

    /// The detectors that measure, as they were when this was saved, or as they begin.
    pub(super) fn measured(&self, saved: Option<Vec<u8>>) -> Result<Detectors> {
        let Some(bytes) = saved else {
            return Ok(Detectors::new(Options::of(&self.args).rules()));
        };
        Ok(Detectors::restore(Saved::from_bytes(&bytes)?))
    }

    pub(super) fn picker(&mut self) -> Result<&mut FrameSelector> {
        let picker = self.folder.as_mut().and_then(|folder| folder.picker.as_mut());
        picker.context("the picker is at work")
    }

    /// Makes sure that a decoder is there for a segment, and tells the picker that its bytes follow, from byte `from` on.
    pub(super) fn begin(&mut self, path: &str, from: u64, source: Source) -> Result<()> {
        if !self.continues(&source, path) {
            // Of the same video another part is decoded: what is known of it stays.
            let goes_on =
                self.run.as_ref().is_some_and(|run| run.is_of(&source, path) && run.takes(&source));
            self.end_run()?;
            self.start_run(source, path, goes_on)?;
        }
        if let Some(run) = &mut self.run {
            run.engine.enter(Path::new(path), from);
            run.anchor = source.anchor;
            path.clone_into(&mut run.path);
            run.tell(source.part(path, false));
        }
        self.plan(path, &source);
        Ok(())
    }

    /// Whether the decoder at work can go on with the segment at `path`.
    fn continues(&self, source: &Source, path: &str) -> bool {
        let decode = self.decode_of(source);
        let is_right = |run: &Running| run.is_of(source, path) && run.takes(source);
        self.run.as_ref().is_some_and(|run| is_right(run) && run.decode == decode)
    }

    /// What is decoded of a segment. One that grows cannot be looked through beforehand.
    pub(super) fn decode_of(&self, source: &Source) -> Decode {
        match self.args.decode {
            _ if self.catch_up.decoding() == Decoded::Keyframes => Decode::Keyframes,
            Decode::Fast if source.live => Decode::Full,
            decode => decode,
        }
    }

    /// Looks through a segment for what is to be decoded of it, where that is asked for.
    pub(super) fn plan(&mut self, path: &str, source: &Source) {
        let Some(run) = self.run.as_mut().filter(|run| run.decode == Decode::Fast) else {
            return;
        };
        let limits = self.decoding.limits;
        match prescan::plan(&self.ffmpeg, limits, source, Path::new(path)) {
            Ok(Some(plan)) => run.engine.follow(plan),
            Ok(None) => {}
            // What cannot be read is said when it is decoded.
            Err(error) => report::note(format_args!("{path}: {error:#}; all of it is decoded")),
        }
    }

    /// Feeds a part of a finished segment as far as it can be read, to another decoder where its video changes; `false` if
    /// one has ended before.
    fn feed_part(&mut self, path: &str, source: Source) -> Result<bool> {
        let [windows, again] =
            [(); 2].map(|()| Windows::open_part(Path::new(path), &source.range()));
        let (windows, again) = (windows?, again?);
        let mut at = source.bytes_from;
        let mut stretches = changes::divide(again, source.pid, source.codec, self.args.video())
            .into_iter()
            .map(|stretch| TrackSpan { from: stretch.from + source.bytes_from, ..stretch })
            .peekable();
        for window in windows {
            let window = match window {
                Ok(window) => window,
                // Of nothing, nothing is done.
                Err(error) if at == 0 => return Err(error.into()),
                Err(error) => {
                    self.torn(path, &error)?;
                    break;
                }
            };
            let mut rest = &window[..];
            while !rest.is_empty() {
                if let Some(TrackSpan { pid, codec, .. }) =
                    stretches.next_if(|next| next.from <= at)
                {
                    self.begin(path, at, Source { pid, codec, ..source })?;
                }
                let up_to = stretches.peek().map_or(u64::MAX, |next| next.from - at);
                let (chunk, behind) = rest.split_at(rest.len().min(WRITE).min(up_to as usize));
                if !self.feed(chunk)? {
                    return self.end_run().map(|()| false);
                }
                at += chunk.len() as u64;
                rest = behind;
            }
        }
        Ok(true)
    }

    /// Emits that a segment cannot be read to its end. What came before is decoded, and the segment is done with it.
    fn torn(&self, path: &str, error: &SegmentError) -> Result<()> {
        let session = Session::of_segment(Path::new(path));
        let session = session.as_ref().map(Session::name);
        self.output.fail(session, error.code(), &error.to_string(), Some(path))
    }

    /// Feeds a whole segment; `false` if the decoder has ended before.
    pub(super) fn feed_all(&mut self, windows: Windows) -> Result<bool> {
        for window in windows {
            for chunk in window?.chunks(WRITE) {
                if !self.feed(chunk)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Feeds the decoder; `false` if it has ended (and was seen to).
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<bool> {
        let Some(run) = &mut self.run else { return Ok(false) };
        let taken = run.writes.count(|| run.engine.feed(bytes));
        if taken.is_err() {
            self.stop_run()?;
        }
        Ok(self.run.is_some())
    }

    /// The segment that was begun last was fed to its end; `within`: none of its pictures begins in it.
    pub(super) fn fed(&mut self, bytes: u64, within: bool) {
        if let Some(run) = &mut self.run {
            let has_frames = run.engine.end_segment() && !within;
            let _ = run.messages.send(Message::Fed { bytes, has_frames }.into());
        }
    }

    /// Ends the decoder. What it did not come to because it failed is given to another.
    pub(crate) fn end_run(&mut self) -> Result<()> {
        self.stop_run()?;
        while let Some(part) = self.left.pop_front() {
            // What is left while this one is fed comes before the rest.
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
            // It is decoded when it is finished.
            if let Some(folder) = &mut self.folder {
                let key = key(&part.path, folder.by_name);
                folder.handled.remove(key);
                let before = part.source.seq.checked_sub(1);
                folder.last_seq = folder.last_seq.min(before);
            }
            return Ok(());
        }
        let length = Windows::open(Path::new(&part.path))?.length();
        let windows = Windows::open_part(Path::new(&part.path), &part.source.range())?;
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

    /// Ends the decoder, takes the rest of its frames, and says what went wrong. A [`Cut`] is an error.
    fn stop_run(&mut self) -> Result<()> {
        let Some(mut run) = self.run.take() else { return Ok(()) };
        let _ = run.messages.send(Message::Ended.into());
        drop(run.messages);
        run.engine.end_input();
        let Ok((mut picker, end)) = run.follower.join() else { bail!("the picker panicked") };
        let (last_words, finished) = run.engine.finish();
        let end = end?;
        if end == End::Cut {
            let undone = picker.left.into_iter().filter(|segment| !segment.part.warm_up);
            bail!(Cut(undone.map(|segment| segment.part.path).collect()));
        }
        // Given nothing to decode, it complains.
        let expected = std::mem::take(&mut picker.expected) || end != End::Complete;
        let failed = end != End::Complete || (finished.is_err() && expected);
        let (blamed, behind) = picker.end(failed)?;
        let undecoded = std::mem::take(&mut picker.undecoded);
        let path = blamed.map_or(run.path, |part| part.path);
        if end == End::Hung {
            let message = format!("{path}: ffmpeg hung and was stopped: {last_words}");
            picker.fail("decoder_hung", &message, Some(&path))?;
        } else if let (Err(error), true, true) = (finished, failed, undecoded.is_empty()) {
            picker.fail("decoder_failed", &format!("{path}: {error:#}"), Some(&path))?;
        }
        // Of a segment that has other pictures as well, or that still grows.
        if let Some(message) = self.decoding.limits.exceeded(&path, &last_words)
            && undecoded.is_empty()
        {
            picker.fail("too_large", &message, Some(&path))?;
        }
        for path in undecoded {
            if let Some(message) = self.decoding.limits.exceeded(&path, &last_words) {
                picker.fail("too_large", &message, Some(&path))?;
                continue;
            }
            let message = format!("{path}: no frame could be decoded; ffmpeg said: {last_words}");
            picker.fail("undecodable", &message, Some(&path))?;
        }
        // What comes first here came before what is left already.
        behind.into_iter().rev().for_each(|part| self.left.push_front(part));
        if let Some(folder) = &mut self.folder {
            folder.picker = Some(picker);
        }
        Ok(())
    }
}

/// Divides a segment at `anchor` where its clock jumps: the bytes of each part, and its anchor.
fn parts(jumps: &[Jump], anchor: Anchor) -> Vec<(Range<u64>, Anchor)> {
    let begins = std::iter::once((0, anchor));
    let begins: Vec<_> =
        begins.chain(jumps.iter().map(|jump| (jump.byte, jump.timeline))).collect();
    let end = |n: usize| begins.get(n + 1).map_or(u64::MAX, |(next, _)| *next);
    begins.iter().enumerate().map(|(n, &(from, anchor))| (from..end(n), anchor)).collect()
}

/// Whether `path` is another name of a folder.
pub(super) fn is_at(folder: &Folder, path: &Path) -> bool {
    folder.place.is_some() && folder.place == identity(path)
}
