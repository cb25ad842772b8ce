//! Running real pipelines: real senders, and reading what comes out.
//!
//! Nothing here sleeps: a test waits for an event, for a process to end, or for a file to change.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
};

use serde_json::Value;

use crate::{bin, wire};

/// A command of a tool, without a session from the environment, and without what earlier runs found in segments.
#[must_use]
pub fn tool(name: &str) -> Command {
    let mut command = Command::new(bin(name));
    command.env_remove("CHT_SESSION").env("CHT_CACHE", "none");
    command
}

/// The real footage, which is not part of the project; `None` (said by name) where it is absent.
#[must_use]
pub fn footage(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("CHT_FOOTAGE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/footage"),
        PathBuf::from,
    );
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not here (set CHT_FOOTAGE)", path.display());
    None
}

/// Runs ffmpeg to its end.
pub fn ffmpeg<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"]).args(arguments);
    assert!(command.status().unwrap().success(), "{command:?}");
}

/// Words of a command line, at spaces.
#[must_use]
pub fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// A small TS of generated video: `shots` of `(lavfi source, seconds)`, with a hard cut between each two.
pub fn generate(path: &Path, shots: &[(&str, f64)], encoder: &str) {
    let mut arguments: Vec<String> = Vec::new();
    let mut graph = String::new();
    for (n, (source, seconds)) in shots.iter().enumerate() {
        arguments.extend(["-f", "lavfi", "-t"].map(str::to_owned));
        arguments.extend([seconds.to_string(), "-i".to_owned(), (*source).to_owned()]);
        graph += &format!("[{n}:v]format=yuv420p,setsar=1[v{n}];");
    }
    for n in 0..shots.len() {
        graph += &format!("[v{n}]");
    }
    graph += &format!("concat=n={}:v=1:a=0[v]", shots.len());
    arguments.extend(["-filter_complex".to_owned(), graph, "-map".into(), "[v]".into()]);
    arguments.extend(words(encoder).into_iter().map(str::to_owned));
    arguments.extend(["-f", "mpegts"].map(str::to_owned));
    arguments.push(path.to_str().unwrap().to_owned());
    ffmpeg(arguments);
}

/// A quick encoder with a keyframe each second at 25 frames per second.
pub const QUICK: &str = "-c:v libx264 -preset ultrafast -g 25 -bf 2";

/// BLAKE3 of bytes, in hex.
#[must_use]
pub fn b3sum(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// A running stage whose stdout is read line by line.
pub struct Stage {
    /// The process.
    pub child: Child,
    lines: BufReader<ChildStdout>,
    /// Every event read so far.
    pub events: Vec<Value>,
}

impl Stage {
    /// Starts a command with stdout piped.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines, events: Vec::new() }
    }

    /// The next event; `None` at the end.
    pub fn next_event(&mut self) -> Option<Value> {
        let mut line = String::new();
        if self.lines.read_line(&mut line).unwrap() == 0 {
            return None;
        }
        let event: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("stdout carries something else: {error}: {line:?}"));
        // Every event of every test is read by the strict copy of the types as well.
        if let Err(error) = wire::parse(&line) {
            panic!("{error}: {line}");
        }
        self.events.push(event.clone());
        Some(event)
    }

    /// Reads until an event of this type.
    pub fn wait_for(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next_event();
            let event = event.unwrap_or_else(|| panic!("ended without {kind}: {:#?}", self.events));
            if event["type"] == kind {
                return event;
            }
        }
    }

    /// Reads to the end; the exit status.
    pub fn finish(&mut self) -> ExitStatus {
        while self.next_event().is_some() {}
        self.child.wait().unwrap()
    }

    /// The events of a type.
    #[must_use]
    pub fn of_type(&self, kind: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["type"] == kind).collect()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // A test that failed half way leaves nothing running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal by its name.
pub fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status();
    assert!(status.unwrap().success());
}

/// A recorder on a free port, and its `HOST:PORT`; `options` are further ones.
#[must_use]
pub fn recorder(sessions: &Path, options: &str) -> (Stage, String) {
    let mut command = tool("cht-recv");
    command.args(["--listen", "tcp://127.0.0.1:0", "--sessions"]).arg(sessions);
    let mut recv = Stage::start(command.args(words(options)));
    let listening = recv.wait_for("listening");
    let address = listening["address"].as_str().unwrap().strip_prefix("tcp://").unwrap();
    (recv, address.to_owned())
}

/// The whole pipeline: what is read is what cht-index says.
pub struct Pipeline {
    /// The last stage.
    pub index: Stage,
    /// The stages before it, cht-recv first.
    pub stages: Vec<Child>,
    /// `HOST:PORT` to connect to.
    pub address: String,
    /// The session's folder.
    pub session: PathBuf,
}

impl Pipeline {
    /// Starts it; `recv` and `scenes` are further options.
    #[must_use]
    pub fn start(sessions: &Path, recv: &str, scenes: &str) -> Self {
        let mut first = tool("cht-recv");
        first.args(["--listen", "tcp://127.0.0.1:0", "--sessions"]).arg(sessions).args(words(recv));
        let mut stages = vec![first.stdout(Stdio::piped()).spawn().unwrap()];
        for (name, options) in [("cht-segwatch", ""), ("cht-scenes", scenes)] {
            let input = stages.last_mut().unwrap().stdout.take().unwrap();
            let mut stage = tool(name);
            stage.args(words(options)).stdin(input).stdout(Stdio::piped());
            stages.push(stage.spawn().unwrap());
        }
        let input = stages.last_mut().unwrap().stdout.take().unwrap();
        let mut index = Stage::start(tool("cht-index").stdin(input));
        let listening = index.wait_for("listening");
        let address = listening["address"].as_str().unwrap().strip_prefix("tcp://").unwrap();
        let session = listening["session"].as_str().unwrap().into();
        Self { address: address.to_owned(), index, stages, session }
    }

    /// Connects and sends bytes, as they are.
    pub fn send(&self, bytes: &[u8]) {
        TcpStream::connect(&self.address).unwrap().write_all(bytes).unwrap();
    }

    /// Reads to the end; the exit statuses, cht-recv's first.
    pub fn finish(&mut self) -> Vec<ExitStatus> {
        let last = self.index.finish();
        let mut statuses: Vec<_> =
            self.stages.iter_mut().map(|stage| stage.wait().unwrap()).collect();
        statuses.push(last);
        statuses
    }

    /// `index.json`.
    #[must_use]
    pub fn read_index(&self) -> Vec<Value> {
        read_json(&self.session.join("frames/index.json"))
    }

    /// The segments, one after another.
    #[must_use]
    pub fn recording(&self) -> Vec<u8> {
        recording(&self.session)
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        for stage in &mut self.stages {
            let _ = stage.kill();
            let _ = stage.wait();
        }
    }
}

/// The finished segments of a session, one after another.
#[must_use]
pub fn recording(session: &Path) -> Vec<u8> {
    let mut segments: Vec<_> = fs::read_dir(session.join("stream"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("segment_"))
        .collect();
    segments.sort();
    let mut bytes = Vec::new();
    for segment in segments {
        assert_eq!(segment.extension().unwrap(), "ts", "{} is not finished", segment.display());
        fs::File::open(segment).unwrap().read_to_end(&mut bytes).unwrap();
    }
    bytes
}

/// A JSON file that holds an array.
#[must_use]
pub fn read_json(path: &Path) -> Vec<Value> {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// PTS and seconds since the first of each frame of the video, as ffprobe has them.
#[must_use]
pub fn probe_frames(path: &Path) -> Vec<f64> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-show_entries", "frame=pts_time"])
        .args(["-of", "csv=p=0"])
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let times: Vec<f64> = text
        .lines()
        .filter_map(|line| line.trim_end_matches(',').split(',').next()?.parse().ok())
        .collect();
    let first = times.first().copied().unwrap_or(0.0);
    times.into_iter().map(|time| time - first).collect()
}

/// A small file system of its own, gone with the test; `None` (said by name) where mounting is not allowed.
pub struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    /// Mounts one of this size.
    #[must_use]
    pub fn mount(megabytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        println!("skipped: a disk of our own (mounting a tmpfs is not allowed here)");
        None
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Mounts it anew with these options, as `ro`.
    pub fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let status = Command::new("mount").args(["-o", &options]).arg(self.path()).status();
        assert!(status.unwrap().success(), "{options}");
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}
