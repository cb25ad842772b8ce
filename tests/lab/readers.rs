//! A round of readers: cht-index takes events one by one while two agents, an `ack`, a `follow` and
//! other programs work in the session, each killed at moments that a seed decides.

mod actors;
mod events;
mod verify;
mod writer;

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use cht_core::process::clock;
use cht_tests::words;
use serde_json::Value;

use crate::{leftovers, rng::Rng};

/// Readers that ask for frames and acknowledge them. The first one is that of `sent_to_agent`.
const READERS: [&str; 2] = ["agent", "other"];

/// Frames that one reader was given, and those that were acknowledged for it.
#[derive(Debug, Default)]
struct Reading {
    given: BTreeSet<String>,
    /// Acknowledged by a command that has succeeded, or marked.
    certain: BTreeSet<String>,
    /// Named by a command that may have been killed before it did anything.
    attempted: BTreeSet<String>,
}

/// State that the actors of a round share.
#[derive(Debug)]
struct Shared {
    root: PathBuf,
    binaries: PathBuf,
    /// Frames that the writer has passed on.
    passed: AtomicUsize,
    is_over: AtomicBool,
    kills: AtomicUsize,
    readings: [Mutex<Reading>; 2],
    /// Fields that edits of `index.json` have added to frames.
    notes: Mutex<BTreeMap<String, u64>>,
    findings: Mutex<Vec<String>>,
}

/// Plays a round in `root`, and returns its findings and the number of kills.
pub(crate) fn play(seed: u64, round: u64, root: &Path, binaries: &Path) -> (Vec<String>, usize) {
    let shared = Shared {
        root: root.to_owned(),
        binaries: binaries.to_owned(),
        passed: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
        kills: AtomicUsize::new(0),
        readings: Default::default(),
        notes: Mutex::default(),
        findings: Mutex::default(),
    };
    for folder in ["stream", "frames"] {
        std::fs::create_dir_all(shared.session().join(folder)).unwrap();
    }
    let mut rng = Rng::of_round(seed, round);
    let events = events::some(&shared.session(), &mut rng);
    let rngs = [(); 7].map(|()| rng.fork());
    let [writer, first, second, ack, marks, follow, look] = rngs;
    let followed = std::thread::scope(|scope| {
        let shared = &shared;
        scope.spawn(move || actors::read(shared, 0, first));
        scope.spawn(move || actors::read(shared, 1, second));
        scope.spawn(move || actors::acknowledge(shared, ack));
        scope.spawn(move || actors::mark(shared, marks));
        scope.spawn(move || actors::look(shared, look));
        let events = &events;
        let followed = scope.spawn(move || actors::follow(shared, events, follow));
        writer::run(shared, events, writer);
        shared.is_over.store(true, Ordering::SeqCst);
        followed.join().unwrap()
    });
    verify::all(&shared, &events, &followed);
    if let Some(left) = leftovers::left_running(root) {
        shared.find(format!("still runs: {left}"));
    }
    (shared.findings.into_inner().unwrap(), shared.kills.into_inner())
}

impl Shared {
    fn session(&self) -> PathBuf {
        self.root.join("live")
    }

    fn find(&self, finding: impl Into<String>) {
        self.findings.lock().unwrap().push(finding.into());
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    fn command(&self, tool: &str, arguments: &str) -> Command {
        let mut command = Command::new(self.binaries.join(tool));
        for name in ["CHT_SESSIONS", "CHT_READER", "CHT_INDEX_FORMAT"] {
            command.env_remove(name);
        }
        command.env("LAB_ROUND", &self.root).arg("--session").arg(self.session());
        command.args(words(arguments)).stdin(Stdio::null());
        command
    }

    /// Runs a command, and kills it in some cases. Returns its output unless it was killed.
    fn run(&self, rng: &mut Rng, tool: &str, arguments: &str) -> Option<Output> {
        let mut command = self.command(tool, arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        if rng.chance(40) {
            clock::rest(Duration::from_micros(rng.below(25_000)));
            child.kill().unwrap();
        }
        let output = child.wait_with_output().unwrap();
        if output.status.signal() == Some(9) {
            self.kills.fetch_add(1, Ordering::SeqCst);
            return None;
        }
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            self.find(format!("{tool} {arguments}: {}: {said}", output.status));
        }
        output.status.success().then_some(output)
    }

    /// Runs a command of cht-agent, and returns its answer unless it was killed.
    fn ask(&self, rng: &mut Rng, arguments: &str) -> Option<Value> {
        let output = self.run(rng, "cht-agent", arguments)?;
        Some(serde_json::from_slice(&output.stdout).unwrap())
    }

    /// Acknowledges frames for a reader.
    fn acknowledge(&self, rng: &mut Rng, reader: usize, arguments: &str, ids: &[String]) {
        self.readings[reader].lock().unwrap().attempted.extend(ids.iter().cloned());
        let arguments = format!("ack --reader {} {arguments}", READERS[reader]);
        if self.ask(rng, &arguments).is_some() {
            self.readings[reader].lock().unwrap().certain.extend(ids.iter().cloned());
        }
    }

    /// Returns one of the frames that the journal has.
    fn any_frame(&self, rng: &mut Rng) -> Option<String> {
        let count = self.passed.load(Ordering::SeqCst) as u64;
        (count > 0).then(|| events::id(1 + rng.below(count)))
    }
}

/// Returns the ids of the frames of an answer.
fn ids(answer: &Value) -> Vec<String> {
    let frames = answer["frames"].as_array().unwrap();
    frames.iter().map(|frame| frame["id"].as_str().unwrap().to_owned()).collect()
}
