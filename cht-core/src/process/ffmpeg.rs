//! Running ffmpeg and ffplay: found, fed, drained, stopped and reaped.
//!
//! ffmpeg-sidecar builds the command line and reads the version. The process is handled here,
//! because its stderr and stdout must each be drained by a thread of their own or both sides wait
//! for ever.

use std::{
    collections::VecDeque,
    io::{self, BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use ffmpeg_sidecar::command::FfmpegCommand;
use rustix::{
    event::{PollFd, PollFlags},
    process::{PidfdFlags, pidfd_open},
};

use super::{apart, clock, idle, lock::lock, programs};

mod version;

pub use version::parse as parse_version;

/// Oldest version with which the tools are tested: `(major, minor)`.
pub const OLDEST: (u32, u32) = (5, 0);

/// Length of a read from its stdout, in bytes.
const READ: usize = 64 << 10;

/// Number of its last lines that are kept for the error message.
const LAST_WORDS: usize = 8;

/// Why ffmpeg cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FfmpegError {
    /// There is no such program.
    #[error(
        "{0}: cannot be run ({1}); install ffmpeg (scripts/setup does) or name it with --ffmpeg"
    )]
    Missing(PathBuf, String),
    /// It is older than [`OLDEST`].
    #[error("{path}: ffmpeg {version} is too old, {major}.{minor} or later is needed; name another with --ffmpeg", major = OLDEST.0, minor = OLDEST.1)]
    TooOld {
        /// The program.
        path: PathBuf,
        /// Version, in ffmpeg's own notation.
        version: String,
    },
    /// It ran and failed.
    #[error("ffmpeg ended with {status}: {last_words}")]
    Failed {
        /// How it ended.
        status: ExitStatus,
        /// The end of its stderr.
        last_words: String,
    },
    /// It did nothing, and was stopped.
    #[error("ffmpeg did nothing for {} s and was stopped: {last_words}", .idle.as_secs_f64())]
    Idle {
        /// For how long.
        idle: Duration,
        /// The end of its stderr.
        last_words: String,
    },
    /// It could not be started or waited for.
    #[error("ffmpeg: {0}")]
    Io(#[from] io::Error),
}

impl FfmpegError {
    /// Tells whether ffmpeg did all of its work, but more than two thirds of the frames could not
    /// be decoded (`max_error_rate` and `exit_program(69)` in fftools).
    #[must_use]
    pub fn is_for_errors_in_frames(&self) -> bool {
        matches!(self, Self::Failed { status, .. } if status.code() == Some(69))
    }
}

/// An ffmpeg that is there and new enough.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    version: (u32, u32),
    text: String,
}

impl Program {
    /// Looks for ffmpeg (a name is searched in `PATH`) and asks for its version.
    pub fn find(path: &Path) -> Result<Self, FfmpegError> {
        let text = Self::version_of(path)?;
        let version = parse_version(&text);
        if version < OLDEST {
            return Err(FfmpegError::TooOld { path: path.to_owned(), version: text });
        }
        Ok(Self { path: path.to_owned(), version, text })
    }

    /// Looks for ffmpeg as [`Self::find`] does, without running it where its file holds its
    /// version: linking hundreds of libraries takes as long as decoding seconds of video.
    /// [`Self::check`] asks, where it fails.
    pub fn read(path: &Path) -> Result<Self, FfmpegError> {
        let text = version::of_file(path).unwrap_or_default();
        let version = parse_version(&text);
        // Whether another program is meant, or this one is too old, its answer tells.
        if text.is_empty() || version < OLDEST {
            return Self::find(path);
        }
        Ok(Self { path: path.to_owned(), version, text })
    }

    /// Looks for ffmpeg without running it, which takes as long as decoding a minute of sound: its
    /// version is taken for [`OLDEST`]. [`Self::check`] asks, where it fails.
    pub fn unasked(path: &Path) -> Result<Self, FfmpegError> {
        if programs::located(path).is_none() {
            let words = "no such program";
            return Err(FfmpegError::Missing(path.to_owned(), words.to_owned()));
        }
        Ok(Self { path: path.to_owned(), version: OLDEST, text: String::new() })
    }

    /// Asks for its version. Returns an error if it cannot be run or is too old.
    pub fn check(&self) -> Result<(), FfmpegError> {
        Self::find(&self.path).map(drop)
    }

    /// Returns the version of an ffmpeg, in its own notation.
    pub fn version_of(path: &Path) -> Result<String, FfmpegError> {
        let missing = |error: &dyn std::fmt::Display| {
            FfmpegError::Missing(path.to_owned(), error.to_string())
        };
        let asked = ask(path, &["-version"]).map_err(|error| missing(&error))?;
        if !asked.status.success() {
            return Err(missing(&format_args!("ffmpeg -version ended with {}", asked.status)));
        }
        version::printed(&String::from_utf8_lossy(&asked.stdout))
            .ok_or_else(|| missing(&"ffmpeg -version names no version"))
    }

    /// Returns its version, in its own notation; empty if it was not asked.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.text
    }

    /// Tells whether it reads a protocol (`srt`, `rtmp`).
    pub fn reads(&self, protocol: &str) -> Result<bool, FfmpegError> {
        let asked = ask(&self.path, &["-hide_banner", "-protocols"])?;
        let text = String::from_utf8_lossy(&asked.stdout);
        let inputs = text.split("Output:").next().unwrap_or_default();
        Ok(inputs.lines().any(|line| line.trim() == protocol))
    }

    /// Returns an empty command line without banner, prompts and progress.
    #[must_use]
    pub fn command(&self) -> FfmpegCommand {
        let mut command = FfmpegCommand::new_with_path(&self.path);
        command.hide_banner().args(["-nostdin", "-nostats"]);
        command
    }

    /// Tells whether it has pixel formats of their own for full range (`yuvj420p`), deprecated
    /// since long.
    #[must_use]
    pub fn names_full_range(&self) -> bool {
        self.version < (9, 0)
    }

    /// Returns the option that reads a filter graph from a file or a pipe.
    #[must_use]
    pub fn filter_graph_from(&self) -> &'static str {
        if self.version < (7, 0) { "-filter_complex_script" } else { "-/filter_complex" }
    }

    /// Returns the arguments that keep each output frame's own PTS: none doubled, none dropped.
    #[must_use]
    pub fn passthrough(&self) -> [&'static str; 2] {
        if self.version < (5, 1) { ["-vsync", "passthrough"] } else { ["-fps_mode", "passthrough"] }
    }
}

/// Asks a program about itself, and waits for the answer. A Ctrl-C meant for the pipeline does not
/// end it and make it look unusable.
pub fn ask(program: &Path, arguments: &[&str]) -> io::Result<Output> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    apart::spawn(&mut command)?.wait_with_output()
}

/// A running ffmpeg. Dropping it stops and reaps it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stderr: Option<JoinHandle<()>>,
    last_words: Arc<Mutex<VecDeque<String>>>,
    /// For how long it may do nothing.
    patience: Option<Duration>,
    /// Whether it was stopped for that.
    was_idle: bool,
}

impl Process {
    /// Starts `command` with all three streams piped.
    ///
    /// A thread of its own calls `on_line` with each line of stderr. It returns whether it used the
    /// line; the others are kept for the error message. A Ctrl-C meant for the pipeline does not
    /// reach the process before its input has ended.
    pub fn spawn(
        command: &mut Command,
        mut on_line: impl FnMut(&str) -> bool + Send + 'static,
    ) -> Result<Self, FfmpegError> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let program = PathBuf::from(command.get_program());
        let mut child = apart::spawn(command)
            .map_err(|error| FfmpegError::Missing(program, error.to_string()))?;
        let last_words = Arc::new(Mutex::new(VecDeque::new()));
        let stderr = child.stderr.take().map(|stderr| {
            let last_words = Arc::clone(&last_words);
            std::thread::spawn(move || {
                for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                    let line = String::from_utf8_lossy(&line);
                    if !on_line(&line) && !line.trim().is_empty() {
                        let mut words = lock(&last_words);
                        if words.len() == LAST_WORDS {
                            words.pop_front();
                        }
                        words.push_back(line.trim().to_owned());
                    }
                }
            })
        });
        Ok(Self { child, stderr, last_words, patience: None, was_idle: false })
    }

    /// Lets [`run_through`](Self::run_through) stop it when it has neither computed, read nor
    /// written for `limit`.
    #[must_use]
    pub fn stopped_when_idle(mut self, limit: Duration) -> Self {
        self.patience = Some(limit);
        self
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input, once.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Its standard output, once.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Returns its last messages on stderr, on one line.
    #[must_use]
    pub fn last_words(&self) -> String {
        let words = lock(&self.last_words);
        if words.is_empty() {
            return "it said nothing".to_owned();
        }
        words.iter().map(String::as_str).collect::<Vec<_>>().join(" | ")
    }

    /// Asks it to finish its output and to end.
    pub fn ask_to_end(&self) {
        send(self.id(), rustix::process::Signal::TERM);
    }

    /// Waits for its end, for at most `limit`; then stops it.
    pub fn end_within(&mut self, limit: Duration) {
        let limit = clock::monotonic() + limit;
        let pid = rustix::process::Pid::from_raw(self.id() as i32);
        let handle = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        if let Some(handle) = handle {
            // Readable when it has ended.
            while matches!(self.child.try_wait(), Ok(None)) && clock::monotonic() < limit {
                let mut descriptors = [PollFd::new(&handle, PollFlags::IN)];
                if clock::wait_ready(&mut descriptors, Some(limit)).is_err() {
                    break;
                }
            }
        }
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
    }

    /// Stops it at once.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
    }

    /// Writes its stdin with `feed` in a thread, and gives `take` its stdout piece by piece. An
    /// input that it does not read to the end is no error.
    pub fn run_through(
        &mut self,
        feed: impl FnOnce(ChildStdin) -> io::Result<()> + Send,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let (stdin, stdout, id) = (self.stdin(), self.stdout(), self.id());
        let (ended, is_over) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let patience = self.patience;
            let watch = scope.spawn(move || {
                patience.is_some_and(|limit| idle::stop_if_idle(id, limit, &is_over))
            });
            let fed = scope.spawn(move || match stdin.map_or(Ok(()), feed) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                fed => fed,
            });
            let mut buffer = vec![0; READ];
            let read = || {
                let Some(mut stdout) = stdout else { return Ok(()) };
                loop {
                    match stdout.read(&mut buffer) {
                        Ok(0) => return Ok(()),
                        Ok(count) => take(&buffer[..count])?,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(error),
                    }
                }
            };
            let done = read();
            drop(ended);
            self.was_idle = watch.join().unwrap_or(false);
            done.and(fed.join().unwrap_or(Ok(())))
        })
    }

    /// Waits for its end. Its stdin must have been taken and dropped, its stdout read to the end.
    pub fn finish(mut self) -> Result<(), FfmpegError> {
        let status = self.child.wait()?;
        self.join();
        if let Some(idle) = self.patience.filter(|_| self.was_idle) {
            return Err(FfmpegError::Idle { idle, last_words: self.last_words() });
        }
        if status.success() {
            return Ok(());
        }
        Err(FfmpegError::Failed { status, last_words: self.last_words() })
    }

    fn join(&mut self) {
        if let Some(stderr) = self.stderr.take() {
            let _ = stderr.join();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.kill();
            let _ = self.child.wait();
        }
        self.join();
    }
}

/// Stops the process `id` at once, from a thread that does not own it. It must not have been
/// reaped.
pub fn kill(id: u32) {
    send(id, rustix::process::Signal::KILL);
}

fn send(id: u32, signal: rustix::process::Signal) {
    if let Some(pid) = rustix::process::Pid::from_raw(id as i32) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn missing_ffmpeg_is_named() {
        let error = Program::find(Path::new("/nonexistent/ffmpeg")).unwrap_err().to_string();
        assert!(error.starts_with("/nonexistent/ffmpeg: cannot be run"), "{error}");
    }

    #[test]
    fn version_that_the_program_holds_is_not_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ffmpeg");
        let hold = |version: &str| {
            std::fs::write(&path, format!("\x7fELF\0%s version {version}\0")).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
            Program::read(&path).map(|program| program.version)
        };
        // None of these can be run.
        assert_eq!(hold("7.1.1-static").unwrap(), (7, 1));
        for version in ["4.4.2", "%s"] {
            assert!(matches!(hold(version), Err(FfmpegError::Missing(..))), "{version}");
        }
    }

    #[test]
    fn process_that_does_nothing_is_stopped() {
        let run = |script: &str| {
            let mut command = Command::new("sh");
            let process = Process::spawn(command.args(["-c", script]), |_| false).unwrap();
            let mut process = process.stopped_when_idle(Duration::from_millis(300));
            process.run_through(|_| Ok(()), |_| Ok(())).unwrap();
            process.finish().map_err(|error| error.to_string())
        };
        // A child of its own keeps its streams open.
        let said = "ffmpeg did nothing for 0.3 s and was stopped: tired";
        assert_eq!(run("echo tired >&2; sleep 1000; true"), Err(said.to_owned()));
        assert_eq!(run("exit 0"), Ok(()));
    }

    #[test]
    fn last_message_is_kept_and_process_reaped() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo used >&2; echo lost >&2; exit 3"]);
        let process = Process::spawn(&mut command, |line| line == "used").unwrap();
        let error = process.finish().unwrap_err().to_string();
        assert_eq!(error, "ffmpeg ended with exit status: 3: lost");
    }
}
