//! Runs the player: feeds it, starts it in another way if the GPU refuses, and again after it was
//! closed.

use std::{
    io::{BufReader, ErrorKind, Write as _},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use cht_core::process::{clock, ffmpeg, report};

use crate::{
    source::Source,
    start::{Start, Starts},
};

/// Time after its start within which a player's end, or its complaint, means that the GPU refuses.
const GPU_REFUSES_WITHIN: Duration = Duration::from_secs(3);

/// Pause before a closed player is started again, at first; it doubles if the player does not last.
const PAUSE: Duration = Duration::from_secs(1);

/// Longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Size of the pipe into the player, in bytes: what waits there cannot be left out any more, and at
/// 200 kbit/s the usual 64 KiB are 2.6 s.
pub(crate) const PIPE: usize = 16 << 10;

/// Why a player gets no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The stream has ended, or the player was closed.
    Over,
    /// Another codec or PID came, which players do not notice.
    Changed,
}

/// Plays until the stream ends or the player is closed for good.
pub(crate) fn play(starts: &mut Starts, source: &mut Source, restarts: bool) -> Result<()> {
    let mut pause = PAUSE;
    while let Some(first) = source.next(None::<&ChildStdin>)? {
        let start = starts.of(&source.summary())?;
        if !start.why.is_empty() {
            report::note(&start.why);
        }
        let mut player = Player::start(&start)?;
        let end = player.feed(first, source)?;
        source.begin_again();
        if end == End::Changed {
            report::note("the stream has another codec now; the player is started again");
            player.stop()?;
            continue;
        }
        let ended = player.finish()?;
        if ended.refuses(&start) && starts.fall_back() {
            report::note("the GPU does not decode this stream; the next way is tried");
            continue;
        }
        if !restarts || source.has_ended() {
            return ended.outcome(&start);
        }
        if let Err(error) = ended.outcome(&start) {
            report::note(format_args!("{error:#}"));
        }
        pause = if ended.ran > MAX_PAUSE { PAUSE } else { pause };
        report::note(format_args!(
            "the player was closed; it starts again in {} s",
            pause.as_secs()
        ));
        clock::rest(pause);
        pause = (pause * 2).min(MAX_PAUSE);
    }
    Ok(())
}

/// A running player.
struct Player {
    child: Child,
    input: Option<ChildStdin>,
    began: Instant,
    /// Whether it has complained about the GPU.
    complains: Arc<AtomicBool>,
    messages: Option<JoinHandle<()>>,
}

/// How a player ended.
struct Ended {
    status: ExitStatus,
    ran: Duration,
    has_complained: bool,
}

impl Player {
    fn start(start: &Start) -> Result<Self> {
        let mut command = Command::new(&start.command[0]);
        command.args(&start.command[1..]).stdin(Stdio::piped());
        if start.is_hardware {
            command.stderr(Stdio::piped());
        }
        let mut child =
            command.spawn().with_context(|| format!("{}: cannot be run", start.command[0]))?;
        let began = clock::monotonic();
        let input = child.stdin.take();
        if let Some(input) = &input {
            // A larger one is no error: the player is then later after it stalled.
            let _ = rustix::pipe::fcntl_setpipe_size(input, PIPE);
        }
        let complains = Arc::new(AtomicBool::new(false));
        let messages = child.stderr.take().map(|stderr| {
            let (complains, id) = (Arc::clone(&complains), child.id());
            thread::spawn(move || listen(BufReader::new(stderr), &complains, began, id))
        });
        Ok(Self { child, input, began, complains, messages })
    }

    /// Gives it the stream, until one of the two ends.
    fn feed(&mut self, first: Arc<[u8]>, source: &mut Source) -> Result<End> {
        let Some(input) = &mut self.input else { return Ok(End::Over) };
        let began_with = source.summary().layout();
        let mut bytes = first;
        loop {
            match input.write_all(&bytes) {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(End::Over),
                result => result.context("the player")?,
            }
            match source.next(Some(&*input))? {
                Some(next) => bytes = next,
                None => return Ok(End::Over),
            }
            if source.summary().layout() != began_with {
                return Ok(End::Changed);
            }
        }
    }

    /// Waits until it has shown everything.
    fn finish(mut self) -> Result<Ended> {
        drop(self.input.take());
        let status = self.child.wait().context("the player")?;
        let ran = clock::monotonic().saturating_duration_since(self.began);
        if let Some(messages) = self.messages.take() {
            let _ = messages.join();
        }
        let has_complained = self.complains.load(Ordering::Relaxed);
        Ok(Ended { status, ran, has_complained })
    }

    /// Ends it at once.
    fn stop(mut self) -> Result<()> {
        let _ = self.child.kill();
        self.finish().map(|_| ())
    }
}

impl Ended {
    /// Returns whether the start failed because of the GPU.
    fn refuses(&self, start: &Start) -> bool {
        let failed_at_once = !self.status.success() && self.ran < GPU_REFUSES_WITHIN;
        start.is_hardware && (self.has_complained || failed_at_once)
    }

    fn outcome(&self, start: &Start) -> Result<()> {
        if !self.status.success() {
            bail!(
                "the player ended with {} (its own message is above): {}",
                self.status,
                start.shell()
            );
        }
        Ok(())
    }
}

/// Passes the messages of a player on. One about its GPU, shortly after its start, ends it: ffplay
/// would go on with the sound alone.
fn listen(messages: impl std::io::BufRead, complains: &AtomicBool, began: Instant, player: u32) {
    for line in messages.split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        report::note(format_args!("player: {}", line.trim_end()));
        let ran = clock::monotonic().saturating_duration_since(began);
        if ran < GPU_REFUSES_WITHIN && is_complaint(&line) {
            complains.store(true, Ordering::Relaxed);
            ffmpeg::kill(player);
        }
    }
}

/// Tells whether an error message of ffplay is about the GPU.
fn is_complaint(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    [
        "cuda",
        "cuvid",
        "nvcuvid",
        "vaapi",
        "libva",
        "vulkan",
        "hwaccel",
        "hw device",
        "device creation",
    ]
    .iter()
    .any(|word| line.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_about_gpu_is_told_from_one_about_stream() {
        for line in [
            "[h264_cuvid @ 0x7f] Cannot load libcuda.so.1",
            "[AVHWDeviceContext @ 0x7f] Could not dynamically load CUDA",
            "Vulkan renderer is not available",
        ] {
            assert!(is_complaint(line), "{line}");
        }
        for line in ["[h264 @ 0x7f] error while decoding MB 8 20", "pipe:0: corrupt decoded frame"]
        {
            assert!(!is_complaint(line), "{line}");
        }
    }
}
