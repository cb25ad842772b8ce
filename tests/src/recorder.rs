//! A recorder of any input, and real senders to it.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{QUICK, Stage, bin, generate, probe_frames, recording, tool, words};

/// A recorder, and all that belongs to it.
pub struct Recorder {
    /// Holds its sessions.
    pub folder: TempDir,
    /// The process.
    pub stage: Stage,
    /// Of the `listening` event.
    pub address: String,
}

impl Recorder {
    /// Starts one that listens.
    #[must_use]
    pub fn start(input: &str, options: &str) -> Self {
        Self::with_stdin(input, options, Stdio::null())
    }

    /// With a stdin. Its stderr is kept.
    #[must_use]
    pub fn with_stdin(input: &str, options: &str, stdin: Stdio) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let said = fs::File::create(folder.path().join("said")).unwrap();
        let mut command = tool("cht-recv");
        command.args(["--input", input]).args(words(options)).stdin(stdin).stderr(said);
        let mut stage = Stage::start(command.arg("--sessions").arg(folder.path().join("sessions")));
        let address = stage.wait_for("listening")["address"].as_str().unwrap().to_owned();
        Self { folder, stage, address }
    }

    /// Where datagrams are received.
    #[must_use]
    pub fn port(&self) -> SocketAddr {
        self.address.split_once("://").unwrap().1.parse().unwrap()
    }

    /// What it has told people so far.
    #[must_use]
    pub fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("said")).unwrap()
    }

    /// Waits until it says something.
    pub fn wait_for_word(&self, word: &str) {
        let script = r#"grep -q -m1 "$1" < <(tail -n +1 --pid $$ -f "$0")"#;
        let mut waiting = Command::new("timeout");
        waiting.args(["60", "bash", "-c", script]).arg(self.folder.path().join("said")).arg(word);
        assert!(waiting.status().unwrap().success(), "{word}: {}", self.said());
    }

    /// Waits until so many bytes were received; `--stats-interval` says how soon that is noticed.
    pub fn wait_for_bytes(&mut self, count: usize) {
        while self.stage.wait_for("stats")["recv"]["bytes"] != count {}
    }

    /// What is recorded.
    #[must_use]
    pub fn recording(&self) -> Vec<u8> {
        recording(Path::new(self.stage.events[0]["session"].as_str().unwrap()))
    }

    /// Pictures that can be decoded of what is recorded.
    #[must_use]
    pub fn frames(&self) -> usize {
        let path = self.folder.path().join("recorded.ts");
        fs::write(&path, self.recording()).unwrap();
        probe_frames(&path).len()
    }

    /// The reason of the next connection that ends.
    pub fn reason(&mut self) -> String {
        self.stage.wait_for("disconnected")["reason"].as_str().unwrap().to_owned()
    }

    /// Ends it; nothing was wrong.
    pub fn stop(&mut self) {
        self.stage.signal("TERM");
        assert!(self.stage.finish().success(), "{}", self.said());
    }

    /// Whether a word is in any event or message.
    #[must_use]
    pub fn tells(&self, word: &str) -> bool {
        self.said().contains(word) || self.stage.events.iter().any(|e| e.to_string().contains(word))
    }

    /// The process that it has started.
    #[must_use]
    pub fn child(&self) -> u32 {
        let id = self.stage.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        let [child] = words(&children)[..] else { panic!("children: {children:?}") };
        child.parse().unwrap()
    }
}

/// Runs a recorder that must not start; what it says.
#[must_use]
pub fn refused(arguments: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("timeout");
    command.arg("30").arg(bin("cht-recv")).args(words(arguments)).stdin(Stdio::null());
    let output = command.current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments}: {said}");
    said
}

/// `seconds` of video, 25 frames each, in a file of its own.
#[must_use]
pub fn clip(folder: &TempDir, seconds: f64) -> PathBuf {
    let path = folder.path().join("clip.ts");
    generate(&path, &[("testsrc2=s=320x240:r=25", seconds)], QUICK);
    path
}

/// A real sender, in real time, from a file to a URL.
#[must_use]
pub fn sender(path: &Path, options: &str, url: &str) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(words("-hide_banner -loglevel error -nostdin -re -i")).arg(path);
    command.args(words("-map 0 -c copy")).args(words(options)).arg(url);
    command.stderr(Stdio::null());
    command
}

/// Sends as soon as somebody listens: the recorder cannot know when its ffmpeg does.
pub fn send(path: &Path, options: &str, url: &str) {
    let sent = (0..100).any(|_| sender(path, options, url).status().unwrap().success());
    assert!(sent, "{url}: nobody listens");
}

/// A port that nobody listens at.
#[must_use]
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until a process has gone that is not ours.
pub fn wait_for_end(id: u32) {
    let mut waiting = Command::new("timeout");
    waiting.args(["30", "tail", "--pid", &id.to_string(), "-f", "/dev/null"]);
    assert!(waiting.status().unwrap().success(), "{id} is still there");
}
