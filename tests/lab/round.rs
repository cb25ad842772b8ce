//! Runs a round: the live pipeline with its faults, until all sent bytes are processed.

mod faults;
mod supervisor;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Child,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender},
    },
    time::{Duration, Instant},
};

use cht_core::process::clock;
use rustix::process::Signal;

use crate::{
    arrivals::Arrivals,
    check, leftovers, meddle,
    pipeline::{Pipeline, Place},
    plan::{After, Fault, Moment, Plan, STAGES, Stage},
    sender::{Address, Sender, Sent},
};

/// Time between two checks of processes, orders and timers.
const TICK: Duration = Duration::from_millis(4);
/// Longest duration of a round; a longer one hangs.
const LIMIT: Duration = Duration::from_secs(60);
/// Time after which an unused order is taken back.
const UNUSED: Duration = Duration::from_millis(1500);
/// Largest number of open descriptors of a stage.
const DESCRIPTORS: usize = 100;
/// Largest memory of a stage for these streams, in MiB.
const MEMORY: u64 = 600;

/// Result of a round.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub findings: Vec<String>,
    pub starts: usize,
    pub events: usize,
    pub frames: usize,
    pub faults: usize,
    /// Largest memory of a stage, in MiB.
    pub memory: u64,
}

/// Facts about a round that its checks need.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub sent: Vec<Sent>,
    /// Sizes of growing segments just before their recorder was killed.
    pub parts: Vec<(u64, u64)>,
    /// Original contents of segments that were moved away or changed.
    pub meddled: BTreeMap<u64, Vec<u8>>,
    pub truncated: BTreeSet<u64>,
    /// Frames that are certainly marked, and those that may be.
    pub marked: BTreeSet<String>,
    pub perhaps_marked: BTreeSet<String>,
    /// The recorder was stopped and restarted, which loses bytes on their way to it.
    pub is_restarted: bool,
    /// Links that were planted, and whether any was.
    pub planted: BTreeSet<std::path::PathBuf>,
}

/// Order to the disk of a stage.
struct Order {
    stage: Stage,
    until: Option<Instant>,
    unused_after: Instant,
    milliseconds: u64,
    /// Whether it kills the stage.
    kills: Option<After>,
}

/// Timers and pending reactions.
enum Later {
    Continue(Stage),
    ReadOn,
    ComeBack(u64),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Running,
    /// Time at which the supervisor reacts to a dead stage.
    Broken(After, Instant),
    /// Whether the recorder was asked to stop.
    Draining,
    /// Whether all is sent, and the recorder was asked to stop.
    Ending,
}

struct Round<'a> {
    plan: &'a Plan,
    place: &'a Place,
    address: Address,
    pipeline: Pipeline,
    sender: Sender,
    lines: (SyncSender<Vec<u8>>, Receiver<Vec<u8>>),
    arrivals: Arrivals,
    state: State,
    pending: Vec<(Moment, Fault)>,
    orders: Vec<Order>,
    later: Vec<(Instant, Later)>,
    marking: Vec<(Child, String, Option<Instant>)>,
    is_slow: bool,
    /// Number of `listening` events that includes the running recorder's; 0 if it is not awaited.
    listening: usize,
    /// Whether a stage was killed since the last start.
    is_torn: bool,
    looked_at: Instant,
    done: Done,
    outcome: Outcome,
}

/// Runs a round in a folder of its own.
pub(crate) fn run(plan: &Plan, place: &Place, stream: &Arc<Vec<u8>>) -> Outcome {
    for folder in ["sessions", "aside", "control", "said"] {
        fs::create_dir_all(place.root.join(folder)).unwrap();
    }
    let address = if plan.is_unix {
        Address::Unix(place.root.join("socket"))
    } else {
        Address::Tcp(cht_tests::free_port())
    };
    let cuts = plan.cuts.iter().map(|cut| (cut * stream.len() as f64) as usize).collect();
    let rate = stream.len() as f64 / crate::material::SECONDS;
    let lines = std::sync::mpsc::sync_channel(1);
    let pipeline = Pipeline::start(place, plan, &address, &lines.0);
    let pace = plan.pace.map(|pace| pace * rate);
    let mut round = Round {
        plan,
        place,
        pipeline,
        sender: Sender::start(stream.clone(), address.clone(), pace, cuts),
        address,
        lines,
        arrivals: Arrivals::new(place.session()),
        state: State::Running,
        pending: plan.faults.clone(),
        orders: Vec::new(),
        later: Vec::new(),
        marking: Vec::new(),
        is_slow: false,
        listening: 1,
        is_torn: false,
        looked_at: clock::monotonic(),
        done: Done::default(),
        outcome: Outcome { starts: 1, ..Outcome::default() },
    };
    round.live();
    round.verify(stream)
}

impl Round<'_> {
    fn find(&mut self, finding: impl Into<String>) {
        self.outcome.findings.push(finding.into());
    }

    /// Runs until all is processed.
    fn live(&mut self) {
        let until = clock::monotonic() + LIMIT;
        loop {
            self.read_lines();
            self.do_later();
            self.look_at_orders();
            self.look_at_marking();
            self.look_at_usage();
            self.fire();
            if self.supervise() {
                break;
            }
            if clock::monotonic() > until {
                let running: Vec<_> = self
                    .pipeline
                    .processes
                    .iter_mut()
                    .filter_map(|process| (!process.has_ended()).then_some(process.stage.name()))
                    .collect();
                let (state, sent) = (self.state, self.sender.progress());
                self.find(format!("hangs: {running:?} run, {state:?}, {sent:.3} was sent"));
                self.pipeline.kill_all();
                break;
            }
        }
        // Segments that are away come back before the checks.
        for (_, later) in std::mem::take(&mut self.later) {
            self.act(&later);
        }
        for order in self.orders.drain(..) {
            self.place.control(order.stage).cancel();
        }
        for (mut child, id, _) in std::mem::take(&mut self.marking) {
            if child.wait().unwrap().success() {
                self.done.marked.insert(id);
            }
        }
        self.done.sent = self.sender.finish();
    }

    fn read_lines(&mut self) {
        if self.is_slow {
            clock::rest(TICK);
            return;
        }
        let until = clock::monotonic() + TICK;
        loop {
            let rest = until.saturating_duration_since(clock::monotonic());
            match clock::receive_within(&self.lines.1, rest) {
                Ok(line) => {
                    let seen = !self.plan.loses_frames() && !self.plan.has(|f| f == Fault::Link);
                    let findings = self.arrivals.take(&line, seen);
                    self.outcome.findings.extend(findings);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
    }

    fn do_later(&mut self) {
        let now = clock::monotonic();
        let all = std::mem::take(&mut self.later);
        let (due, later) = all.into_iter().partition(|(at, _)| *at <= now);
        self.later = later;
        let due: Vec<(Instant, Later)> = due;
        for (_, later) in due {
            self.act(&later);
        }
    }

    fn act(&mut self, later: &Later) {
        match later {
            Later::Continue(stage) => {
                if let Some(process) = self.pipeline.get(*stage) {
                    process.signal(Signal::CONT);
                }
            }
            Later::ReadOn => self.is_slow = false,
            Later::ComeBack(seq) => meddle::come_back(self.place, *seq),
        }
    }

    fn after(&mut self, milliseconds: u64, later: Later) {
        self.later.push((clock::monotonic() + Duration::from_millis(milliseconds), later));
    }

    fn look_at_orders(&mut self) {
        let now = clock::monotonic();
        let mut kept = Vec::new();
        for mut order in std::mem::take(&mut self.orders) {
            let control = self.place.control(order.stage);
            let is_hit = control.hits() > 0;
            if let (true, Some(after)) = (is_hit, order.kills) {
                control.cancel();
                self.is_torn = true;
                if let Some(process) = self.pipeline.get(order.stage) {
                    process.is_killed = true;
                    process.kill();
                }
                self.break_with(after);
                continue;
            }
            if is_hit && order.until.is_none() {
                order.until = Some(now + Duration::from_millis(order.milliseconds));
            }
            if order.until.unwrap_or(order.unused_after) <= now {
                control.cancel();
            } else {
                kept.push(order);
            }
        }
        self.orders.extend(kept);
    }

    fn look_at_marking(&mut self) {
        let now = clock::monotonic();
        let mut kept = Vec::new();
        for (mut child, id, kill_at) in std::mem::take(&mut self.marking) {
            if kill_at.is_some_and(|at| at <= now) {
                let _ = child.kill();
            }
            match child.try_wait().unwrap() {
                // An edit that could not be taken over is an error with status 1.
                Some(status) if matches!(status.code(), Some(0 | 1)) => {
                    self.done.marked.insert(id);
                }
                Some(status) if status.code().is_some() => {
                    self.find(format!("cht-index --sent {id} ended with {status}"));
                }
                Some(_) => {}
                None => kept.push((child, id, kill_at)),
            }
        }
        self.marking.extend(kept);
    }

    fn look_at_usage(&mut self) {
        let now = clock::monotonic();
        if now - self.looked_at < Duration::from_millis(200) {
            return;
        }
        self.looked_at = now;
        let mut findings = Vec::new();
        for process in &self.pipeline.processes {
            let Some((descriptors, memory)) = process.usage() else { continue };
            self.outcome.memory = self.outcome.memory.max(memory);
            if descriptors > DESCRIPTORS || memory > MEMORY {
                let name = process.stage.name();
                findings.push(format!("{name} has {descriptors} descriptors and {memory} MiB"));
            }
        }
        self.outcome.findings.extend(findings);
    }

    fn verify(mut self, stream: &[u8]) -> Outcome {
        self.read_lines();
        drop(std::mem::take(&mut self.pipeline));
        self.outcome.events = self.arrivals.count;
        let (findings, frames) = check::all(self.plan, self.place, &self.done, stream);
        self.outcome.findings.extend(findings);
        self.outcome.frames = frames;
        for stage in STAGES {
            let said = fs::read(self.place.said(stage)).unwrap_or_default();
            let said = String::from_utf8_lossy(&said);
            if let Some(line) = said.lines().find(|line| leftovers::is_panic(line)) {
                self.find(format!("{}: {line}", stage.name()));
            }
        }
        if let Some(left) = leftovers::left_running(&self.place.root) {
            self.find(format!("still runs: {left}"));
        }
        self.outcome
    }
}
