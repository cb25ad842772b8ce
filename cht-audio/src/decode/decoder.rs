//! Runs one ffmpeg that decodes a run of segments: packets of one PID in, samples out.

use std::{
    io::{self, Write as _},
    process::{ChildStdin, ChildStdout},
};

use anyhow::{Context as _, Result};
use cht_core::process::ffmpeg::{FfmpegError, Process, Program};

use super::nut::NutReader;

/// Mixes all channels into one, and never louder than full scale: ffmpeg does that by itself for
/// integers only.
const MONO: &str = "aresample=rematrix_maxval=1,aformat=sample_fmts=flt:channel_layouts=mono";

/// Input of a running decoder. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Input {
    stdin: ChildStdin,
    id: u32,
}

/// Output of a running decoder. Dropping it stops and reaps the decoder.
#[derive(Debug)]
pub(crate) struct Output {
    pub packets: NutReader<io::BufReader<ChildStdout>>,
    process: Process,
}

/// Starts a decoder. With `mono`, ffmpeg mixes all channels into one. `live`: each frame is handed
/// over at once; otherwise in blocks, which takes less time.
///
/// The probe is as small as possible: the tables that it is fed name the codec, and the decoder
/// finds the format by itself.
pub(crate) fn start(ffmpeg: &Program, mono: bool, live: bool) -> Result<(Input, Output)> {
    let mut command = ffmpeg.command();
    // A span of errors is no failure of the decoder.
    command.args(["-loglevel", "warning", "-max_error_rate", "1", "-threads", "1"]);
    command.args(["-probesize", "32", "-analyzeduration", "0", "-copyts"]);
    command.format("mpegts").input("pipe:0").map("0:a:0");
    command.args(["-af", if mono { MONO } else { "aformat=sample_fmts=flt" }]);
    command.args(["-c:a", "pcm_f32le", "-flush_packets", if live { "1" } else { "0" }]);
    command.format("nut").output("pipe:1");
    let mut process = Process::spawn(command.as_inner_mut(), is_chatter)?;
    let stdin = process.stdin().context("ffmpeg has no stdin")?;
    let stdout = process.stdout().context("ffmpeg has no stdout")?;
    let packets = NutReader::new(io::BufReader::with_capacity(1 << 16, stdout));
    Ok((Input { stdin, id: process.id() }, Output { packets, process }))
}

impl Input {
    /// Feeds packets; returns an error if the decoder has ended.
    pub(crate) fn feed(&mut self, packets: &[u8]) -> io::Result<()> {
        self.stdin.write_all(packets)
    }

    /// Stops the decoder at once.
    pub(crate) fn kill(&self) {
        cht_core::process::ffmpeg::kill(self.id);
    }
}

impl Output {
    /// Waits for the decoder to end; its output has to be read to the end before.
    pub(crate) fn finish(self) -> Result<(), FfmpegError> {
        let Self { packets, process } = self;
        drop(packets);
        process.finish()
    }
}

/// Returns whether a line is one of ffmpeg's routine messages.
fn is_chatter(line: &str) -> bool {
    line.starts_with("[mpegts @") || line.contains("Consider increasing")
}
