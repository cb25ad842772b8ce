//! A run: one decoder over consecutive segments, and the thread that follows it.

use std::{
    path::Path,
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use anyhow::{Context as _, Result, ensure};
use cht_core::{event::Anchor, process::report, segment::SegmentError};
use cht_ts::{Codec, SingleStream};

use super::{
    engine::Engine,
    feeder::Feeder,
    preroll::{Before, nearest, run_up, two_frames, unsure},
};
use crate::{
    decode::{
        decoder::{Decoder, Input},
        filter::{self, Start, Wanted},
        frame::Reader,
        frames::Frames,
        job::DecodeJob,
        message::{End, Message, Sent, Writes},
        mode::{self, Decode, Decoding},
    },
    input::{Part, Source},
    parallel::pool::DecoderPool,
    select::{journal::Checkpoint, selector::FrameSelector, succession::Position, types::Run},
    track::parameter_sets,
};

/// So many frames may wait for the picker, where what belongs to them waits elsewhere, and where it is with them.
const FRAMES: usize = 4096;
const WHOLE_FRAMES: usize = 16;

/// A decoder at work, and the thread that follows it.
#[derive(Debug)]
pub(super) struct Running {
    pub engine: Engine,
    pub messages: SyncSender<Sent>,
    pub follower: JoinHandle<(FrameSelector, Result<End>)>,
    pub writes: Arc<Writes>,
    pub anchor: Anchor,
    pub pid: u16,
    pub codec: Option<Codec>,
    pub connection: Option<u32>,
    pub decode: Decode,
    /// The segment that is being fed.
    pub path: String,
}

/// An engine, and both ends of what it says.
type Started = (Engine, SyncSender<Sent>, Frames);

impl Feeder {
    /// Starts a decoder for the segment at `path`, and decodes what leads up to it.
    pub(super) fn start_run(&mut self, source: Source, path: &str, goes_on: bool) -> Result<()> {
        let mut picker = self
            .folder
            .as_mut()
            .and_then(|folder| folder.picker.take())
            .context("the picker is at work")?;
        let decode = self.decode_of(&source);
        // The run-up: the first score needs the frames before it.
        let replayed = self.folder.as_mut().and_then(|folder| folder.replayed.take());
        let last = picker.store.last().cloned();
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
            picker.release()?;
            before = self.run_up_of_another(&mut picker, place, is_of_it)?;
        } else {
            // The same as after a restart, also within one run of the program.
            picker.go_on()?;
            if decode == Decode::Keyframes {
                before = two_frames(picker.store.before_last(), before);
            }
            before = unsure(picker.store.unsure(), before);
            picker.measured =
                self.measures().then(|| self.measured(picker.store.saved())).transpose()?;
        }
        if before.is_empty() {
            // Nothing to compare the first frame with: it is kept.
            picker.state = cht_detect::threshold::State::default();
            if !goes_on {
                picker.measured = self.measures().then(|| self.measured(None)).transpose()?;
            }
        }
        let decoding = Decoding { decode, ..self.decoding };
        picker.decode = decode;
        let keyframes_only = decode == Decode::Keyframes;
        self.tally.lag.decodes(keyframes_only.then(|| mode::holds(source.codec)));
        self.tally.lag.follow(source.pid, source.ahead);
        let anchor = before
            .iter()
            .find(|before| before.windows.is_some())
            .map_or(source.anchor, |first| first.anchor);
        let wanted = match &picker.measured {
            Some(measured) => Wanted::Candidates(measured.candidates, filter::every(decode)),
            None => Wanted::Scene(self.rules, picker.state),
        };
        let start = Start { wanted, anchor, from: source.anchor.offset };
        let first = Path::new(before.first().map_or(path, |first| &first.path));
        let sets = parameter_sets::before(first, source.connection, source.pid);
        let (engine, messages, frames) = self.engine(&source, decoding, start, sets)?;
        let writes = Arc::new(Writes::default());
        let (pid, brake, seen) = (source.pid, engine.brake(), Arc::clone(&writes));
        let timeout = self.decoding.limits.timeout;
        let follower = std::thread::spawn(move || {
            let mut run = Run { frames, pid, timeout, writes: &seen };
            let end = picker.follow(&mut run);
            if !matches!(end, Ok(End::Complete)) {
                // The feeder may be waiting for it to take more.
                brake.stop();
                picker.leave(run.frames);
            }
            (picker, end)
        });
        self.run = Some(Running {
            engine,
            messages,
            follower,
            writes,
            anchor,
            pid: source.pid,
            codec: source.codec,
            connection: source.connection,
            decode,
            path: String::new(),
        });
        for Before { seq, anchor, path, from, windows } in before {
            let source = Source { seq, anchor, bytes: None, ..source }.part_of(from..u64::MAX);
            if let Some(run) = &mut self.run {
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
            if let Some(run) = &mut self.run {
                run.engine.end_segment();
            }
        }
        Ok(())
    }

    /// Lets the picker go on from the last segment of the recording that goes on at `place`, where another recording came after it.
    /// Returns what leads up to it.
    fn run_up_of_another(
        &self,
        picker: &mut FrameSelector,
        place: Position<'_>,
        is_of_it: impl Fn(&Checkpoint) -> bool,
    ) -> Result<Vec<Before>> {
        let Some(other) = picker.store.recording(&place).cloned().filter(is_of_it) else {
            return Ok(Vec::new());
        };
        picker.state = other.state;
        if self.measures() {
            let saved = picker.store.go_on_from(&other);
            picker.measured = Some(self.measured(saved)?.forget_kept());
        }
        Ok(run_up(&other, place))
    }

    /// Starts what decodes a run: several decoders where that is asked for and the stream can be divided, which one that grows cannot.
    fn engine(
        &self,
        source: &Source,
        decoding: Decoding,
        start: Start<'static>,
        sets: Option<Arc<[u8]>>,
    ) -> Result<Started> {
        let (pid, ffmpeg) = (source.pid, self.ffmpeg.clone());
        let is_divided = decoding.jobs > 1 && decoding.decode == Decode::Full && !source.live;
        if let Some(codec) = source.codec.filter(|&codec| is_divided && SingleStream::takes(codec))
        {
            let (messages, received) = sync_channel(WHOLE_FRAMES);
            let (jobs, decoding) = (decoding.jobs, Decoding { jobs: 1, ..decoding });
            let stream = DecodeJob { ffmpeg, pid, codec: Some(codec), decoding, start, sets };
            let jobs = Box::new(DecoderPool::start(jobs, stream, messages.clone()));
            let frames = Frames::new(received, None, Reader::default());
            return Ok((Engine::Many(jobs), messages, frames));
        }
        let (messages, received) = sync_channel(FRAMES);
        let (decoder, outputs) = Decoder::start(
            &ffmpeg,
            &Input { pid, codec: source.codec, sets: sets.as_deref() },
            decoding,
            source.live,
            &start,
            messages.clone(),
        )?;
        let frames = Frames::new(received, Some(outputs), Reader::default());
        Ok((Engine::One(decoder), messages, frames))
    }
}

impl Running {
    /// Whether it decodes the video that the segment at `path` goes on with.
    pub(super) fn is_of(&self, source: &Source, path: &str) -> bool {
        let fed = Position { path: &self.path, anchor: self.anchor };
        fed.leads_to(&Position { path, anchor: source.anchor })
            && (self.pid, self.codec) == (source.pid, source.codec)
            && self.connection == source.connection
    }

    /// Whether a segment can be fed to it: several decoders read files that do not change any more.
    pub(super) fn takes(&self, source: &Source) -> bool {
        !(source.live && matches!(self.engine, Engine::Many(_)))
    }

    pub(super) fn tell(&self, part: Part) {
        let _ = self.messages.send(Message::Segment(part).into());
    }
}
