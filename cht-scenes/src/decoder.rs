//! One ffmpeg that decodes a run of segments: bytes in, scores and pictures out.

use std::{
    io::Write as _,
    process::{ChildStdin, ChildStdout},
    sync::mpsc::SyncSender,
};

use anyhow::{Context as _, Result};
use cht_core::{
    ffmpeg::{FfmpegError, Process, Program},
    ts::{Codec, SingleStream},
};

use crate::{
    detector::Rules,
    lines::LineParser,
    picker::Message,
    prefilter::{self, Start},
};

/// A running decoder.
#[derive(Debug)]
pub(crate) struct Decoder {
    process: Process,
    input: Option<ChildStdin>,
    /// Takes the video out of what is fed; without it, ffmpeg does.
    single: Option<SingleStream>,
    /// What goes to ffmpeg next.
    buffer: Vec<u8>,
}

impl Decoder {
    /// Starts decoding the video of `pid`, coded as `codec` (where that is known). Frames go to `messages`, pictures to the returned pipe.
    ///
    /// The probe is as small as can be, so that the first frame comes at once, live as from a file: one way of
    /// decoding gives one result. Threads work on slices, not on frames, if `live`: a frame thread
    /// holds back a frame.
    pub(crate) fn start(
        ffmpeg: &Program,
        pid: u16,
        codec: Option<Codec>,
        live: bool,
        rules: &Rules,
        start: &Start,
        messages: SyncSender<Message>,
    ) -> Result<(Self, ChildStdout)> {
        let mut command = ffmpeg.command();
        command.args(["-loglevel", "repeat+info"]);
        command.args(["-thread_type", if live { "slice" } else { "frame" }]);
        command.args(["-probesize", "32", "-analyzeduration", "0", "-copyts"]);
        command.format("mpegts").input("pipe:0");
        command.filter_complex(prefilter::graph(pid, rules, start)).map("[out]");
        // A picture whose size changes keeps its new size.
        command.args(["-autoscale", "0"]);
        command.args(ffmpeg.passthrough()).args(["-flush_packets", "1"]);
        // The encoder of raw video, too, would hold back a frame for each thread.
        command.args(["-threads", "1"]);
        // Ticks as they are: rounded to a frame rate, two frames would share one.
        command.args(["-enc_time_base", "1:90000"]);
        command.codec_video("rawvideo").format("rawvideo").output("pipe:1");
        let mut parser = LineParser::default();
        let mut process = Process::spawn(command.as_inner_mut(), move |line| {
            let (ours, frame) = parser.read(line);
            if let Some(frame) = frame {
                // The picker has gone only if the stage ends.
                let _ = messages.send(Message::Frame(frame));
            }
            ours || is_chatter(line)
        })?;
        let input = process.stdin().context("ffmpeg has no stdin")?;
        let pictures = process.stdout().context("ffmpeg has no stdout")?;
        // Fewer, larger writes; a system that grants less is only a little slower.
        let _ = rustix::pipe::fcntl_setpipe_size(&input, 1 << 20);
        let _ = rustix::pipe::fcntl_setpipe_size(&pictures, 1 << 20);
        let mut buffer = Vec::new();
        let single = codec.and_then(|codec| SingleStream::begin(pid, codec, &mut buffer));
        Ok((Self { process, input: Some(input), single, buffer }, pictures))
    }

    /// Feeds it; an error means that it has ended.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let Some(input) = &mut self.input else { return Ok(()) };
        let Some(single) = &mut self.single else { return input.write_all(bytes) };
        single.push(bytes, &mut self.buffer);
        let written = input.write_all(&self.buffer);
        self.buffer.clear();
        written
    }

    /// The next bytes are those of another file.
    pub(crate) fn end_segment(&mut self) {
        if let Some(single) = &mut self.single {
            single.finish(&mut self.buffer);
        }
    }

    /// No more bytes: it decodes what it holds, and ends.
    pub(crate) fn end_input(&mut self) {
        self.end_segment();
        // What was held back may be refused by a decoder that has ended; its end is looked at next.
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

/// What ffmpeg says in the normal course of things, and what would push its real complaints out of memory.
fn is_chatter(line: &str) -> bool {
    const CHATTER: [&str; 11] = [
        "Input #",
        "Output #",
        "Stream #",
        "Stream mapping",
        "Metadata:",
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
