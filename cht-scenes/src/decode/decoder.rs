//! Runs one ffmpeg that decodes a run of segments: bytes in, scores and pictures out.

use std::{
    io::Write as _,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    process::ChildStdin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::SyncSender,
    },
    time::Instant,
};

use anyhow::{Context as _, Result};
use cht_core::process::{
    clock,
    ffmpeg::{FfmpegError, Process, Program},
    lock::lock,
    report,
};
use cht_picture::formats;
use cht_ts::{Codec, Delimiter, OrientationMask, Plan, StandIn};
use ffmpeg_sidecar::command::FfmpegCommand;
use rustix::io::{FdFlags, fcntl_setfd};

use super::{
    ffmpeg_log::{DecodedFrame, LineParser},
    filter::{self, Start, Wanted},
    graph::{self, GraphChoice, Graphs},
    message::Message,
    mode::{Decode, Decoding, Extract},
    pause::{Arrivals, Pause},
    pipes::{Outputs, stream},
};
use crate::decode::message::Sent;

/// Lock held while the streams of one ffmpeg can be inherited; a second ffmpeg that inherits them
/// too would keep them open. Streams are inherited under their own numbers: moving them to fixed
/// ones would copy the page tables of this process at each start.
static STARTING: Mutex<()> = Mutex::new(());

/// Whether the note that pictures are not turned was printed; all decoders together print it once.
static TURN_IS_SAID: AtomicBool = AtomicBool::new(false);

/// Describes the video that a decoder is fed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a> {
    pub pid: u16,
    /// Codec of the video, if known.
    pub codec: Option<Codec>,
    /// Parameter sets for a first keyframe that has none.
    pub sets: Option<&'a [u8]>,
}

/// Tracks the pauses of a live stream.
#[derive(Debug)]
struct Pauses {
    arrivals: Arrivals,
    delimiter: Delimiter,
    stand_ins: StandIns,
}

/// Substitute time stamps that ffmpeg was fed, until it returns their pictures.
type StandIns = Arc<Mutex<Vec<StandIn>>>;

/// Holds a running decoder.
#[derive(Debug)]
pub(crate) struct Decoder {
    process: Process,
    input: Option<ChildStdin>,
    /// Filter graph, until the stream decides it. ffmpeg is fed nothing before that.
    graph: Option<Box<GraphChoice>>,
    /// Extracts the packets to decode from the bytes fed; without it, ffmpeg demultiplexes.
    extract: Option<Box<Extract>>,
    /// Arrival time given to all bytes of a finished segment; none for a live stream.
    arrival: Option<Instant>,
    orientation: Option<OrientationMask>,
    /// Ends the last picture when a live stream pauses.
    pauses: Option<Box<Pauses>>,
    /// Bytes to write to ffmpeg next.
    buffer: Vec<u8>,
}

impl Decoder {
    /// Starts decoding the video of `input`; sends the frames to `messages`.
    ///
    /// The probe is as small as possible, so that the first frame comes at once. Live streams and
    /// files are decoded the same way, so they give the same result. If `live`, threads work on
    /// slices where slices give the same pictures of a damaged stream too; they never work on
    /// frames, because a frame thread holds back a frame. Otherwise there is one thread, unless
    /// `decoding.jobs` asks for more: frame threads cost a tenth more in total, because a frame
    /// decoded on another processor is not in this one's cache when it is measured.
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
        // A span without keyframes is no failure of the decoder, even if all its pictures are
        // errors (fftools/ffmpeg.c, exit status 69).
        command.args(["-max_error_rate", "1"]);
        let jobs = decoding.jobs.to_string();
        command.args(match codec {
            // Slice threads conceal losses differently from one thread (H.264 with several slices),
            // or resume at another point (HEVC with wavefronts): damaged pictures would differ from
            // those of the finished segment.
            Some(Codec::H264 | Codec::Hevc) if live => ["-threads", "1"],
            _ if live => ["-thread_type", "slice"],
            _ => ["-threads", &jobs],
        });
        command.args(["-filter_complex_threads", "1"]);
        command.args(["-max_pixels", &decoding.limits.pixels.to_string()]);
        command.args(decoding.hwaccel.options()).args(decoding.decode.options(codec));
        // ffmpeg turns only the pictures that carry a display orientation, and those may be the
        // keyframes alone: lying and upright pictures would alternate. As coded, all lie the same
        // way. For H.264 and HEVC, [`OrientationMask`] hides the orientation from ffmpeg.
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
        // The small luma comes first: a picture that is not read yet must not hold it back.
        let small = match start.wanted {
            Wanted::Candidates(..) | Wanted::Small => {
                Some(output(ffmpeg, &mut command, "[small]", &mut inherited)?)
            }
            Wanted::Scene(..) | Wanted::Exact(_) => None,
        };
        let pictures = output(ffmpeg, &mut command, "[out]", &mut inherited)?;
        let stand_ins = StandIns::default();
        let (mut parser, given) = (LineParser::default(), Arc::clone(&stand_ins));
        let starting = lock(&STARTING);
        inherited.iter().try_for_each(|end| fcntl_setfd(end, FdFlags::empty()))?;
        let mut process = Process::spawn(command.as_inner_mut(), move |line| {
            let (ours, frame) = parser.read(line);
            if let Some(frame) = frame {
                // The selector is gone only if the stage ends.
                let _ = messages.send(Sent::Decoded(as_in_the_stream(frame, &given)));
            }
            let is_usual = ours || is_chatter(line) || line.trim().is_empty();
            if !is_usual {
                let _ = messages.send(Message::Complaint.into());
            }
            is_usual
        })?;
        // The streams end when ffmpeg closes its copies.
        drop(inherited);
        drop(starting);
        let stdin = process.stdin().context("ffmpeg has no stdin")?;
        // A larger pipe means fewer, larger writes; a system that grants less is only a little
        // slower. A megabyte of a live stream is seconds of video, all of which would be decoded
        // before a change of decode mode takes effect.
        if !live {
            let _ = rustix::pipe::fcntl_setpipe_size(&stdin, 1 << 20);
        }
        let (arrival, mut buffer) = ((!live).then(clock::monotonic), Vec::new());
        let first = start.anchor.clock();
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

    /// Feeds the decoder; returns an error if it has ended.
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

    /// Ends the last picture of a live stream that pauses, if that does no harm, and returns the
    /// pause. Returns an error if the decoder has ended.
    pub(crate) fn pause(&mut self, now: Instant) -> std::io::Result<Option<Pause>> {
        let extract = self.extract.as_mut().filter(|_| self.arrival.is_none());
        let goes_on = extract.is_some_and(|extract| extract.rest(now, &mut self.buffer));
        // The bytes left from the end of a segment come first, then the picture that was held back.
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

    /// Decodes, from the next access point on, more of some groups than that point.
    pub(crate) fn follow(&mut self, plan: Plan) {
        if let Some(extract) = &mut self.extract {
            extract.follow(plan);
        }
    }

    /// Ends the file that was fed; the next bytes are another file's. Returns whether this one has
    /// frames to decode.
    pub(crate) fn end_segment(&mut self) -> bool {
        let now = self.now();
        self.extract.as_mut().is_none_or(|extract| extract.end_segment(now, &mut self.buffer))
    }

    /// Returns the arrival time of the next bytes.
    fn now(&self) -> Instant {
        self.arrival.unwrap_or_else(clock::monotonic)
    }

    /// Ends the input: the decoder decodes the bytes that it holds, and ends.
    pub(crate) fn end_input(&mut self) {
        self.end_segment();
        let now = self.now();
        if let Some(extract) = &mut self.extract {
            extract.finish(now, &mut self.buffer);
        }
        // A decoder that has ended refuses these bytes; the caller looks at its end next.
        let _ = self.graph.take().map(|graph| graph.choose());
        let _ = self.feed(&[]);
        self.input = None;
    }

    /// Returns the process id, to stop the decoder while another thread feeds it.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Returns the last messages of the decoder.
    pub(crate) fn last_words(&self) -> String {
        self.process.last_words()
    }

    /// Waits for the decoder to end; its output has to be read to the end before.
    pub(crate) fn finish(self) -> Result<(), FfmpegError> {
        self.process.finish()
    }
}

impl Pauses {
    /// Takes the next packets, received at `now`, and ends the PES packet that is whole with them.
    fn arrive(&mut self, packets: &mut Vec<u8>, now: Instant) {
        if self.delimiter.pass(packets) {
            self.arrivals.arrive(self.delimiter.newest(), now);
            self.delimiter.end_packet(packets);
        }
        let stand_in = self.delimiter.take_stamp();
        lock(&self.stand_ins).extend(stand_in);
    }
}

/// Returns a frame with the time stamp that the stream gave it.
fn as_in_the_stream(frame: DecodedFrame, given: &Mutex<Vec<StandIn>>) -> DecodedFrame {
    let Some(pts) = frame.pts else { return frame };
    let mut given = lock(given);
    let found = given.iter().position(|stand_in| stand_in.given == pts);
    let Some(found) = found else { return frame };
    let pts = given[found].stamp;
    // Earlier substitutes belong to pictures that could not be decoded.
    given.drain(..=found);
    DecodedFrame { pts, ..frame }
}

/// Adds an output of raw video, and returns the end to read it from.
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
    // The raw video encoder would also hold back a frame for each thread.
    command.args(["-threads", "1"]);
    // Keep ticks as they are: rounded to a frame rate, two frames would share one.
    command.args(["-enc_time_base", "1:90000"]);
    command
        .codec_video("rawvideo")
        .format("rawvideo")
        .output(format!("pipe:{}", writer.as_raw_fd()));
    outputs.push(writer);
    Ok(reader)
}

/// Returns whether a line is one of ffmpeg's routine messages. Kept, these would push its real
/// complaints out of memory.
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
