//! Runs recorders and whole pipelines.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread::JoinHandle,
};

use serde_json::Value;

use crate::{Stage, tool, words};

/// Waits until a recorder listens, and returns its `HOST:PORT`.
fn address_of(recv: &mut Stage) -> String {
    let listening = recv.wait_for("listening");
    listening["address"].as_str().unwrap().strip_prefix("tcp://").unwrap().to_owned()
}

/// Starts a command of cht-recv on a free port, and returns its `HOST:PORT` as well.
pub fn listen(command: &mut Command) -> (Stage, String) {
    let mut recv = Stage::start(command.args(["--listen", "tcp://127.0.0.1:0"]));
    let address = address_of(&mut recv);
    (recv, address)
}

/// Starts a recorder on a free port, and returns its `HOST:PORT` as well.
pub fn recorder(sessions: &Path, options: &str) -> (Stage, String) {
    listen(tool("cht-recv").arg("--sessions").arg(sessions).args(words(options)))
}

/// Records bytes as one connection, and returns the recorder, which has ended.
pub fn record(sessions: &Path, bytes: &[u8], options: &str) -> Stage {
    let (mut recv, address) = recorder(sessions, &format!("--once {options}"));
    send(&address, bytes);
    assert!(recv.finish().success());
    recv
}

/// Sends bytes as one connection.
pub fn send(address: &str, bytes: &[u8]) {
    TcpStream::connect(address).unwrap().write_all(bytes).unwrap();
}

/// Sends bytes as one connection from a thread, since the recorder may make the sender wait.
pub fn send_in_thread(address: &str, bytes: &[u8]) -> JoinHandle<()> {
    let (address, bytes) = (address.to_owned(), bytes.to_owned());
    std::thread::spawn(move || send(&address, &bytes))
}

/// The whole pipeline, whose events are read from cht-index.
pub struct Pipeline {
    /// Last stage.
    pub index: Stage,
    /// Stages before it, cht-recv first.
    pub stages: Vec<Child>,
    /// `HOST:PORT` to connect to.
    pub address: String,
    /// Folder of the session.
    pub session: PathBuf,
}

impl Pipeline {
    /// Starts it; `recv` and `scenes` are further options.
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
        let address = address_of(&mut index);
        Self { address, session: index.session(), index, stages }
    }

    /// Connects and sends bytes, as they are.
    pub fn send(&self, bytes: &[u8]) {
        send(&self.address, bytes);
    }

    /// Reads to the end, and returns the exit statuses, cht-recv's first.
    pub fn finish(&mut self) -> Vec<ExitStatus> {
        let last = self.index.finish();
        let mut statuses: Vec<_> =
            self.stages.iter_mut().map(|stage| stage.wait().unwrap()).collect();
        statuses.push(last);
        statuses
    }

    /// Reads to the end, which must be successful in each stage.
    pub fn succeed(&mut self) {
        let statuses = self.finish();
        assert!(statuses.iter().all(ExitStatus::success), "{statuses:?}");
    }

    /// Reads `index.json`.
    pub fn read_index(&self) -> Vec<Value> {
        read_json(&self.session.join("frames/index.json"))
    }

    /// Returns the bytes of all segments.
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

/// Returns the bytes of the finished segments of a session, which must be all. One that got no byte
/// leaves no folder.
pub fn recording(session: &Path) -> Vec<u8> {
    if !session.exists() {
        return Vec::new();
    }
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

/// Returns the path of a session's playlist.
pub fn playlist_of(session: &Path) -> PathBuf {
    session.join("stream/session.m3u8")
}

/// Reads a JSON file that holds an array.
pub fn read_json(path: &Path) -> Vec<Value> {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Returns the JPEG files in a folder, by name.
pub fn pictures(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let pictures = paths.filter(|path| path.extension().is_some_and(|kind| kind == "jpg"));
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    pictures.map(|path| (name(&path), fs::read(&path).unwrap())).collect()
}
