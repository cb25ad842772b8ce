//! Runs a recorder of any input, and real senders to it.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{QUICK, Stage, bin, generate, probe_frames, recording, tool, words};

/// Recorder with a folder of its own.
pub struct Recorder {
    /// Folder of its sessions and its stderr.
    pub folder: TempDir,
    /// The process.
    pub stage: Stage,
    /// Address of the `listening` event.
    pub address: String,
}

impl Recorder {
    /// Starts one without stdin.
    pub fn start(input: &str, options: &str) -> Self {
        Self::with_stdin(input, options, Stdio::null())
    }

    /// Starts one with this stdin.
    pub fn with_stdin(input: &str, options: &str, stdin: Stdio) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), input, options, stdin)
    }

    /// Starts one in a folder.
    pub fn in_folder(folder: TempDir, input: &str, options: &str, stdin: Stdio) -> Self {
        let said = fs::File::create(folder.path().join("said")).unwrap();
        let mut command = tool("cht-recv");
        command.args(["--input", input]).args(words(options)).stdin(stdin).stderr(said);
        let mut stage = Stage::start(command.arg("--sessions").arg(folder.path().join("sessions")));
        let address = stage.wait_for("listening")["address"].as_str().unwrap().to_owned();
        Self { folder, stage, address }
    }

    /// Returns the address and port of its URL.
    pub fn port(&self) -> SocketAddr {
        self.address.split_once("://").unwrap().1.parse().unwrap()
    }

    /// Connects by TCP.
    pub fn connect(&self) -> TcpStream {
        TcpStream::connect(self.port()).unwrap()
    }

    /// Returns its stderr so far.
    pub fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("said")).unwrap()
    }

    /// Waits until its stderr contains `word`.
    pub fn wait_for_word(&self, word: &str) {
        let script = r#"grep -q -m1 "$1" < <(tail -n +1 --pid $$ -f "$0")"#;
        let mut waiting = Command::new("timeout");
        waiting.args(["60", "bash", "-c", script]).arg(self.folder.path().join("said")).arg(word);
        assert!(waiting.status().unwrap().success(), "{word}: {}", self.said());
    }

    /// Waits until `count` bytes were received, which is noticed at each `--stats-interval`.
    pub fn wait_for_bytes(&mut self, count: usize) {
        while self.stage.wait_for("stats")["recv"]["bytes"] != count {}
    }

    /// Returns the recorded bytes.
    pub fn recording(&self) -> Vec<u8> {
        recording(&self.stage.session())
    }

    /// Returns the number of recorded frames that can be decoded.
    pub fn frames(&self) -> usize {
        let path = self.folder.path().join("recorded.ts");
        fs::write(&path, self.recording()).unwrap();
        probe_frames(&path).len()
    }

    /// Returns the reason of the next end of a connection.
    pub fn reason(&mut self) -> String {
        self.stage.wait_for("disconnected")["reason"].as_str().unwrap().to_owned()
    }

    /// Stops it by SIGTERM, which must be successful.
    pub fn stop(&mut self) {
        assert!(self.stage.terminate().success(), "{}", self.said());
    }

    /// Returns whether any event or message contains `word`.
    pub fn tells(&self, word: &str) -> bool {
        self.said().contains(word) || self.stage.events.iter().any(|e| e.to_string().contains(word))
    }

    /// Returns the id of its only child process.
    pub fn child(&self) -> u32 {
        let id = self.stage.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        let [child] = words(&children)[..] else { panic!("children: {children:?}") };
        child.parse().unwrap()
    }
}

/// Runs a recorder that must refuse to start, and returns its stderr.
pub fn refused(arguments: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("timeout");
    command.arg("30").arg(bin("cht-recv")).args(words(arguments)).stdin(Stdio::null());
    let output = command.current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments}: {said}");
    said
}

/// Generates a file with `seconds` of video at 25 frames per second.
pub fn clip(folder: &TempDir, seconds: f64) -> PathBuf {
    let path = folder.path().join("clip.ts");
    generate(&path, &[("testsrc2=s=320x240:r=25", seconds)], QUICK);
    path
}

/// Returns a command of a real sender, which sends a file to a URL in real time.
pub fn sender(path: &Path, options: &str, url: &str) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(words("-hide_banner -loglevel error -nostdin -re -i")).arg(path);
    command.args(words("-map 0 -c copy")).args(words(options)).arg(url);
    command.stderr(Stdio::null());
    command
}

/// Sends a file, retrying until ffmpeg listens, which the recorder cannot know.
pub fn send_file(path: &Path, options: &str, url: &str) {
    let sent = (0..100).any(|_| sender(path, options, url).status().unwrap().success());
    assert!(sent, "{url}: nobody listens");
}

/// Returns a port that is not in use.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits for the end of a process that is no child of the test.
pub fn wait_for_end(id: u32) {
    let mut waiting = Command::new("timeout");
    waiting.args(["30", "tail", "--pid", &id.to_string(), "-f", "/dev/null"]);
    assert!(waiting.status().unwrap().success(), "{id} is still there");
}
