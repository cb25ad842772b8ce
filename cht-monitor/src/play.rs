//! Runs the player: feeds it, starts it in another way if the GPU refuses, and again after it was
//! closed.

use std::{
    io::{BufRead, BufReader, ErrorKind, Write as _},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use cht_core::process::{clock, ffmpeg, lock::lock, report};

use crate::{
    source::Source,
    start::{self, Start, Starts},
};

/// Time after its start within which a player's end, or its complaint, means that the GPU refuses.
const GPU_REFUSES_WITHIN: Duration = Duration::from_secs(3);

/// Pause before a closed player is started again, at first; it doubles if the player does not last.
const PAUSE: Duration = Duration::from_secs(1);

/// Longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Longest message of a player in one piece, in bytes.
const MAX_MESSAGE: usize = 64 << 10;

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
    said: Arc<Said>,
    messages: Option<JoinHandle<()>>,
}

/// What a player has said on its stderr.
#[derive(Debug, Default)]
struct Said {
    /// Whether it has complained about the GPU.
    complains: AtomicBool,
    /// Its last position, in seconds, and when it was there.
    position: Mutex<Option<(f64, Instant)>>,
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
        if start.tells {
            command.stderr(Stdio::piped());
        }
        let mut child = command.spawn().with_context(|| {
            format!(
                "{}: cannot be run; install it, or name another with --player",
                start.command[0]
            )
        })?;
        let began = clock::monotonic();
        let input = child.stdin.take();
        if let Some(input) = &input {
            // A larger one is no error: the player is then later after it stalled.
            let _ = rustix::pipe::fcntl_setpipe_size(input, PIPE);
        }
        let said = Arc::new(Said::default());
        let messages = child.stderr.take().map(|stderr| {
            let (said, id, is_hardware) = (Arc::clone(&said), child.id(), start.is_hardware);
            thread::spawn(move || {
                listen(BufReader::new(stderr), |line| said.take(line, began, is_hardware, id));
            })
        });
        Ok(Self { child, input, began, said, messages })
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
            if let Some((position, at)) = lock(&self.said.position).take() {
                source.observe(position, at);
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
        let has_complained = self.said.complains.load(Ordering::Relaxed);
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

impl Said {
    /// Takes a line of the player, which may be its position. Another is passed on; one about its
    /// GPU, shortly after its start, ends it: ffplay would go on with the sound alone.
    fn take(&self, line: &str, began: Instant, is_hardware: bool, player: u32) {
        let now = clock::monotonic();
        if let Some(position) = position(line) {
            *lock(&self.position) = position.is_finite().then_some((position, now));
            return;
        }
        report::note(format_args!("player: {line}"));
        let ran = now.saturating_duration_since(began);
        if is_hardware && ran < GPU_REFUSES_WITHIN && is_complaint(line) {
            self.complains.store(true, Ordering::Relaxed);
            ffmpeg::kill(player);
        }
    }
}

/// Hands out the lines of a player, which end with a new line or return to their beginning.
fn listen(mut messages: impl BufRead, mut line: impl FnMut(&str)) {
    let mut rest = Vec::new();
    loop {
        let count = match messages.fill_buf() {
            Ok([]) | Err(_) => break,
            Ok(bytes) => {
                rest.extend_from_slice(bytes);
                bytes.len()
            }
        };
        messages.consume(count);
        if rest.len() > MAX_MESSAGE {
            rest.push(b'\n');
        }
        while let Some(end) = rest.iter().position(|byte| b"\r\n".contains(byte)) {
            let text: Vec<u8> = rest.drain(..=end).collect();
            let text = String::from_utf8_lossy(&text);
            if !text.trim().is_empty() {
                line(text.trim());
            }
        }
    }
}

/// Reads a player's position, which is no number at first: in ffplay's line of state, `   5.24 A-V:
/// 0.008 fd=   0 aq=   12KB vq= …`, or in mpv's, as `Start` asks for it. `None` for any other line.
fn position(line: &str) -> Option<f64> {
    // mpv clears the line before.
    let mut words = line.trim_start_matches("\x1b[K").split_whitespace();
    match words.next()? {
        start::POSITION => words.next()?.parse().ok(),
        number => number.parse().ok().filter(|_| line.contains(" fd=") && line.contains(" vq=")),
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
    fn position_is_told_from_messages() {
        let text = b"first\nnan    :  0.000 fd=   0 aq=    0KB vq=    0KB sq=    0B \r   5.24 A-V:  0.008 fd=   0 \
                     aq=   12KB vq=   34KB sq=    0B \r\r\x1b[Kposition 503.7 \rlast\n";
        let mut lines = Vec::new();
        listen(&text[..], |line| lines.push((line.to_owned(), position(line))));
        let positions: Vec<_> = lines.iter().map(|line| line.1).collect();
        assert!(positions[1].is_some_and(f64::is_nan), "{positions:?}");
        assert_eq!(positions[2..], [Some(5.24), Some(503.7), None]);
        assert_eq!((&*lines[0].0, &*lines[4].0), ("first", "last"));
    }

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
