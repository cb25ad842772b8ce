//! One ffmpeg that decodes a run of segments: bytes in, scores and pictures out.

use std::{
    io::Write as _,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    process::ChildStdin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::SyncSender,
    },
    time::Instant,
};

use anyhow::{Context as _, Result};
use cht_core::process::{
    clock,
    ffmpeg::{FfmpegError, Process, Program},
    report,
};
use cht_ts::{Codec, Delimiter, OrientationMask, Plan, StandIn};
use ffmpeg_sidecar::command::FfmpegCommand;
use rustix::io::{FdFlags, fcntl_setfd};

use super::{
    ffmpeg_log::{Decoded, LineParser},
    filter::{self, Start, Wanted},
    graph::{self, GraphChoice, Graphs},
    message::Message,
    mode::{Decode, Decoding, Extract},
    pause::{Arrivals, Pause},
    pipes::{Outputs, stream},
};
use crate::{decode::message::Sent, picture::formats};

/// Held while the streams of one ffmpeg can be inherited: by another they would be held open. That they are inherited as they are,
/// and not put in a certain place, spares a copy of our page tables for each start.
static STARTING: Mutex<()> = Mutex::new(());

/// It was said that pictures are not turned: once is enough, whatever the number of decoders.
static TURN_IS_SAID: AtomicBool = AtomicBool::new(false);

/// The video that a decoder is given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a> {
    pub pid: u16,
    /// Where that is known.
    pub codec: Option<Codec>,
    /// Parameter sets, for a first keyframe that comes without any.
    pub sets: Option<&'a [u8]>,
}

/// Pauses of a live stream.
#[derive(Debug)]
struct Pauses {
    arrivals: Arrivals,
    delimiter: Delimiter,
    stand_ins: StandIns,
}

/// Time stamps that ffmpeg was given in the place of others, until it has given their pictures.
type StandIns = Arc<Mutex<Vec<StandIn>>>;

/// A running decoder.
#[derive(Debug)]
pub(crate) struct Decoder {
    process: Process,
    input: Option<ChildStdin>,
    /// The filter graph, until the stream decides it. Nothing is fed before.
    graph: Option<Box<GraphChoice>>,
    /// Takes what is to be decoded out of what is fed; without it, ffmpeg does.
    extract: Option<Box<Extract>>,
    /// When bytes that do not come as they arrive are taken to arrive; none for a live stream.
    arrival: Option<Instant>,
    orientation: Option<OrientationMask>,
    /// Ends the last picture where a live stream pauses.
    pauses: Option<Box<Pauses>>,
    /// What goes to ffmpeg next.
    buffer: Vec<u8>,
}

impl Decoder {
    /// Starts decoding the video of `input`. Frames go to `messages`.
    ///
    /// The probe is as small as can be, so that the first frame comes at once, live as from a file: one way of
    /// decoding gives one result. If `live`, threads work on slices where these give the same pictures also of a damaged stream,
    /// and never on frames: a frame thread holds back a frame. Else there is one thread, unless more are asked for: threads on frames cost a tenth more in all, for a frame that another
    /// processor has decoded is not in this one's cache when it is measured.
    pub(crate) fn start(
        ffmpeg: &Program,
        input: &Input<'_>,
        decoding: Decoding,
        live: bool,
        start: &Start,
        messages: SyncSender<Sent>,
    ) -> Result<(Self, Outputs)> {
        let &Input { pid, codec, sets } = input;
        let mut command = ffmpeg.command();
        command.args(["-loglevel", "repeat+info"]);
        // A stretch without keyframes is no failure of the decoder, however many of its pictures are errors
        // (fftools/ffmpeg.c, exit status 69).
        command.args(["-max_error_rate", "1"]);
        let jobs = decoding.jobs.to_string();
        command.args(match codec {
            // Threads on slices conceal losses otherwise than one thread (H.264 with several slices), or go on elsewhere
            // (HEVC with wavefronts): damaged pictures would differ from those of the finished segment.
            Some(Codec::H264 | Codec::Hevc) if live => ["-threads", "1"],
            _ if live => ["-thread_type", "slice"],
            _ => ["-threads", &jobs],
        });
        command.args(["-filter_complex_threads", "1"]);
        command.args(["-max_pixels", &decoding.limits.pixels.to_string()]);
        command.args(decoding.hwaccel.options()).args(decoding.decode.options(codec));
        // ffmpeg turns only the pictures that carry a display orientation, which may be keyframes alone: lying and upright
        // ones would take turns. As they are coded, all lie alike. H.264 and HEVC do not even get there ([`OrientationMask`]).
        command.arg("-noautorotate");
        command.args(["-probesize", "32", "-analyzeduration", "0", "-copyts"]);
        command.format("mpegts").input("pipe:0");
        let formats = formats(ffmpeg.names_full_range());
        let usual = filter::graph(pid, start, &formats);
        let mut inherited: Vec<OwnedFd> = Vec::new();
        let graph = if graph::is_open(codec, start.wanted) {
            let as_coded = filter::graph_as_coded(pid, start, &formats);
            let (choice, reader) =
                GraphChoice::new(pid, Graphs { usual, as_coded }).context("a pipe")?;
            command.args([ffmpeg.filter_graph_from(), &format!("pipe:{}", reader.as_raw_fd())]);
            inherited.push(reader);
            Some(Box::new(choice))
        } else {
            command.filter_complex(usual);
            None
        };
        // The small luma first: a picture that nobody takes yet must not hold it back.
        let small = match start.wanted {
            Wanted::Candidates(..) | Wanted::Small => {
                Some(output(ffmpeg, &mut command, "[small]", &mut inherited)?)
            }
            Wanted::Scene(..) | Wanted::Exact(_) => None,
        };
        let pictures = output(ffmpeg, &mut command, "[out]", &mut inherited)?;
        let stand_ins = StandIns::default();
        let (mut parser, given) = (LineParser::default(), Arc::clone(&stand_ins));
        let starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        inherited.iter().try_for_each(|end| fcntl_setfd(end, FdFlags::empty()))?;
        let mut process = Process::spawn(command.as_inner_mut(), move |line| {
            let (ours, frame) = parser.read(line);
            if let Some(frame) = frame {
                // The picker has gone only if the stage ends.
                let _ = messages.send(Sent::Decoded(as_in_the_stream(frame, &given)));
            }
            let is_usual = ours || is_chatter(line) || line.trim().is_empty();
            if !is_usual {
                let _ = messages.send(Message::Complaint.into());
            }
            is_usual
        })?;
        // They end when ffmpeg closes them.
        drop(inherited);
        drop(starting);
        let stdin = process.stdin().context("ffmpeg has no stdin")?;
        // Fewer, larger writes; a system that grants less is only a little slower. Of a live stream a megabyte is seconds, which
        // would have to be decoded before another way of decoding shows.
        if !live {
            let _ = rustix::pipe::fcntl_setpipe_size(&stdin, 1 << 20);
        }
        let (arrival, mut buffer) = ((!live).then(clock::monotonic), Vec::new());
        let first = start.anchor.pts as u64 & ((1 << 33) - 1);
        let extract = codec.and_then(|codec| {
            Extract::begin(pid, codec, decoding.decode, sets, first, &mut buffer)
        });
        let extract = extract.map(Box::new);
        let is_paced = live && extract.is_some() && decoding.decode == Decode::Full;
        let delimiter = codec.filter(|_| is_paced).and_then(|codec| Delimiter::new(pid, codec));
        let arrivals = Arrivals::default();
        let pauses = delimiter.map(|delimiter| Box::new(Pauses { arrivals, delimiter, stand_ins }));
        Ok((
            Self {
                process,
                input: Some(stdin),
                graph,
                extract,
                orientation: codec.and_then(OrientationMask::new),
                pauses,
                arrival,
                buffer,
            },
            Outputs { pictures, small, limit: decoding.limits.timeout },
        ))
    }

    /// Feeds it; an error means that it has ended.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let now = self.now();
        let Some(input) = &mut self.input else { return Ok(()) };
        let Some(extract) = &mut self.extract else { return input.write_all(bytes) };
        extract.push(bytes, now, &mut self.buffer);
        if let Some(orientation) = &mut self.orientation {
            orientation.hide(&mut self.buffer);
            if let Some(turn) = orientation.take_turn()
                && !TURN_IS_SAID.swap(true, Ordering::Relaxed)
            {
                report::note(format_args!(
                    "the stream wants its pictures turned by {turn}°; they are kept as they are coded"
                ));
            }
        }
        if let Some(mut graph) = self.graph.take() {
            if !graph.is_decided_by(&self.buffer) {
                self.graph = Some(graph);
                return Ok(());
            }
            graph.choose()?;
        }
        if let Some(pauses) = self.pauses.as_mut().filter(|_| !self.buffer.is_empty()) {
            pauses.arrive(&mut self.buffer, now);
        }
        let written = input.write_all(&self.buffer);
        self.buffer.clear();
        written
    }

    /// Ends the last picture of a live stream that pauses, as far as that is possible without harm, and returns the pause.
    /// An error means that it has ended.
    pub(crate) fn pause(&mut self, now: Instant) -> std::io::Result<Option<Pause>> {
        let extract = self.extract.as_mut().filter(|_| self.arrival.is_none());
        let goes_on = extract.is_some_and(|extract| extract.rest(now, &mut self.buffer));
        // What the end of a segment has left comes first, and what waited for the next picture.
        if (goes_on || self.pauses.is_some()) && !self.buffer.is_empty() {
            self.feed(&[])?;
        }
        let (Some(pauses), Some(input)) = (&mut self.pauses, &mut self.input) else {
            return Ok(None);
        };
        if self.graph.is_some()
            || !pauses.arrivals.is_due(now)
            || !pauses.delimiter.end_picture(&mut self.buffer)
        {
            return Ok(None);
        }
        let written = input.write_all(&self.buffer);
        self.buffer.clear();
        written.map(|()| pauses.arrivals.pause(now))
    }

    /// From the next access point on, decodes more of some groups than that.
    pub(crate) fn follow(&mut self, plan: Plan) {
        if let Some(extract) = &mut self.extract {
            extract.follow(plan);
        }
    }

    /// The next bytes are those of another file. Returns whether this one has frames to be decoded.
    pub(crate) fn end_segment(&mut self) -> bool {
        let now = self.now();
        self.extract.as_mut().is_none_or(|extract| extract.end_segment(now, &mut self.buffer))
    }

    /// When the next bytes arrive.
    fn now(&self) -> Instant {
        self.arrival.unwrap_or_else(clock::monotonic)
    }

    /// No more bytes: it decodes what it holds, and ends.
    pub(crate) fn end_input(&mut self) {
        self.end_segment();
        let now = self.now();
        if let Some(extract) = &mut self.extract {
            extract.finish(now, &mut self.buffer);
        }
        // What was held back may be refused by a decoder that has ended; its end is looked at next.
        let _ = self.graph.take().map(|graph| graph.choose());
        let _ = self.feed(&[]);
        self.input = None;
    }

    /// Its id, to stop it while another thread feeds it.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The end of what it said.
    pub(crate) fn last_words(&self) -> String {
        self.process.last_words()
    }

    /// Waits for its end, once its output was read to the end.
    pub(crate) fn finish(self) -> Result<(), FfmpegError> {
        self.process.finish()
    }
}

impl Pauses {
    /// Takes the next packets, which arrived at `now`.
    fn arrive(&mut self, packets: &mut [u8], now: Instant) {
        if self.delimiter.pass(packets) {
            self.arrivals.arrive(self.delimiter.newest(), now);
        }
        let stand_in = self.delimiter.take_stamp();
        self.stand_ins.lock().unwrap_or_else(PoisonError::into_inner).extend(stand_in);
    }
}

/// A frame with its own time stamp.
fn as_in_the_stream(frame: Decoded, given: &Mutex<Vec<StandIn>>) -> Decoded {
    const CIRCLE: i64 = 1 << 33;
    let Some(pts) = frame.pts else { return frame };
    let mut given = given.lock().unwrap_or_else(PoisonError::into_inner);
    let found = given.iter().position(|stand_in| stand_in.given as i64 == pts.rem_euclid(CIRCLE));
    let Some(found) = found else { return frame };
    let stamp = given[found].stamp;
    // Those before it were of pictures that could not be decoded.
    given.drain(..=found);
    Decoded { pts: stamp.map(|stamp| stamp as i64), ..frame }
}

/// Adds an output of raw video.
fn output(
    ffmpeg: &Program,
    command: &mut FfmpegCommand,
    label: &str,
    outputs: &mut Vec<OwnedFd>,
) -> Result<UnixStream> {
    let (reader, writer) = stream().context("a pair of sockets")?;
    // A picture whose size changes keeps its new size.
    command.map(label).arg("-noautoscale");
    // A picture is written at once.
    command.args(ffmpeg.passthrough()).args(["-flush_packets", "1"]);
    // The encoder of raw video, too, would hold back a frame for each thread.
    command.args(["-threads", "1"]);
    // Ticks as they are: rounded to a frame rate, two frames would share one.
    command.args(["-enc_time_base", "1:90000"]);
    command
        .codec_video("rawvideo")
        .format("rawvideo")
        .output(format!("pipe:{}", writer.as_raw_fd()));
    outputs.push(writer);
    Ok(reader)
}

/// What ffmpeg says in the normal course of things, and what would push its real complaints out of memory.
fn is_chatter(line: &str) -> bool {
    const CHATTER: [&str; 13] = [
        "Input #",
        "Output #",
        "Stream #",
        "Stream mapping",
        "Metadata:",
        "Side data:",
        "cpb:",
        "Duration:",
        "Program ",
        "frame=",
        "video:",
        "Consider increasing",
        "Press [q]",
    ];
    let text = line.trim_start();
    text.starts_with("[mpegts @")
        || text.contains(" -> ")
        || CHATTER.iter().any(|chatter| text.starts_with(chatter))
        || (line.starts_with("    ") && line.contains(" : "))
        || text.starts_with("encoder ")
}
