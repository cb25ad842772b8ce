//! Runs one ffmpeg that decodes a run of segments: packets of one PID in, samples out.

use std::{
    io::{self, Write as _},
    process::{ChildStdin, ChildStdout},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use cht_core::process::ffmpeg::{FfmpegError, Process, Program};

use super::{
    nut::NutReader,
    watch::{Watch, Watched},
};

/// Mixes all channels into one, and never louder than full scale: ffmpeg does that by itself for
/// integers only.
const MONO: &str = "aresample=rematrix_maxval=1,aformat=sample_fmts=flt:channel_layouts=mono";

/// Size of the pipes to and from a decoder, in bytes: as large as any user may have.
const PIPE: usize = 1 << 20;

/// How decoders are run.
#[derive(Debug, Clone)]
pub(crate) struct Decoders {
    pub ffmpeg: Program,
    /// Whether all channels are mixed into one.
    pub mono: bool,
    /// Time after which a decoder that does nothing is stopped.
    pub timeout: Duration,
}

/// Input of a running decoder. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Input {
    stdin: ChildStdin,
    id: u32,
    watch: Arc<Watch>,
}

/// Output of a running decoder. Dropping it stops and reaps the decoder.
#[derive(Debug)]
pub(crate) struct Output {
    pub packets: NutReader<io::BufReader<Watched<ChildStdout>>>,
    process: Process,
}

/// Starts a decoder. `live`: each frame is handed over at once; otherwise in blocks, which takes
/// less time.
///
/// The probe is as small as possible: the tables that it is fed name the codec, and the decoder
/// finds the format by itself.
pub(crate) fn start(decoders: &Decoders, live: bool) -> Result<(Input, Output)> {
    let mut command = decoders.ffmpeg.command();
    // A span of errors is no failure of the decoder.
    command.args(["-loglevel", "warning", "-max_error_rate", "1", "-threads", "1"]);
    command.args(["-probesize", "32", "-analyzeduration", "0", "-copyts"]);
    command.format("mpegts").input("pipe:0").map("0:a:0");
    command.args(["-af", if decoders.mono { MONO } else { "aformat=sample_fmts=flt" }]);
    command.args(["-c:a", "pcm_f32le", "-flush_packets", if live { "1" } else { "0" }]);
    command.format("nut").output("pipe:1");
    let mut process = Process::spawn(command.as_inner_mut(), is_chatter)?;
    let stdin = process.stdin().context("ffmpeg has no stdin")?;
    let stdout = process.stdout().context("ffmpeg has no stdout")?;
    // With small pipes, the two programs wait for each other all the time. A system that grants
    // less is only a little slower.
    if !live {
        let _ = rustix::pipe::fcntl_setpipe_size(&stdin, PIPE);
        let _ = rustix::pipe::fcntl_setpipe_size(&stdout, PIPE);
    }
    let (id, watch) = (process.id(), Arc::new(Watch::default()));
    let watched = Watched::new(stdout, Arc::clone(&watch), decoders.timeout, id);
    let packets = NutReader::new(io::BufReader::with_capacity(1 << 16, watched));
    Ok((Input { stdin, id, watch }, Output { packets, process }))
}

impl Input {
    /// Feeds packets; returns an error if the decoder has ended.
    pub(crate) fn feed(&mut self, packets: &[u8]) -> io::Result<()> {
        self.watch.begin();
        let fed = self.stdin.write_all(packets);
        self.watch.end();
        fed
    }

    /// Returns whether the decoder hung and was stopped.
    pub(crate) fn has_hung(&self) -> bool {
        self.watch.has_hung()
    }

    /// Stops the decoder at once.
    pub(crate) fn kill(&self) {
        cht_core::process::ffmpeg::kill(self.id);
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        // It has to end now.
        self.watch.begin();
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
