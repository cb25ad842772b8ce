//! Starts, stops and kills the stages, and waits for them.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc::SyncSender,
    time::Duration,
};

use cht_core::process::clock;
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    plan::{Plan, STAGES, Stage},
    sender::Address,
    shim::Control,
};

/// Folders of a round.
#[derive(Debug)]
pub(crate) struct Place {
    pub root: PathBuf,
    pub binaries: PathBuf,
    pub shim: Option<PathBuf>,
}

/// Name of the recorded session.
pub(crate) const ID: &str = "live";

impl Place {
    pub(crate) fn sessions(&self) -> PathBuf {
        self.root.join("sessions")
    }

    pub(crate) fn session(&self) -> PathBuf {
        self.sessions().join(ID)
    }

    /// Returns the folder of foreign files and of segments that were moved away.
    pub(crate) fn aside(&self) -> PathBuf {
        self.root.join("aside")
    }

    pub(crate) fn control(&self, stage: Stage) -> Control {
        Control::new(self.root.join("control").join(stage.name()))
    }

    /// Returns the file with the stderr of all runs of a stage.
    pub(crate) fn said(&self, stage: Stage) -> PathBuf {
        self.root.join("said").join(stage.name())
    }

    pub(crate) fn append_to_said(&self, stage: Stage) -> fs::File {
        fs::OpenOptions::new().create(true).append(true).open(self.said(stage)).unwrap()
    }

    pub(crate) fn command(&self, stage: Stage) -> Command {
        let mut command = Command::new(self.binaries.join(stage.name()));
        command
            .env_remove("CHT_SESSION")
            .env("CHT_CACHE", "none")
            .env("LAB_ROUND", &self.root)
            .current_dir(&self.root);
        command
    }
}

/// Stage that runs or has ended.
#[derive(Debug)]
pub(crate) struct Process {
    pub stage: Stage,
    child: Child,
    pub status: Option<ExitStatus>,
    /// Whether it was killed on purpose.
    pub is_killed: bool,
}

impl Process {
    pub(crate) fn start(stage: Stage, command: &mut Command) -> Self {
        let child = command.spawn().unwrap();
        Self { stage, child, status: None, is_killed: false }
    }

    pub(crate) fn stdout(&mut self) -> ChildStdout {
        self.child.stdout.take().unwrap()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns whether it has ended, without waiting.
    pub(crate) fn has_ended(&mut self) -> bool {
        if self.status.is_none() {
            self.status = self.child.try_wait().unwrap();
        }
        self.status.is_some()
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        if !self.has_ended()
            && let Some(id) = Pid::from_raw(self.child.id().cast_signed())
        {
            let _ = kill_process(id, signal);
        }
    }

    /// Kills it and waits.
    pub(crate) fn kill(&mut self) {
        if !self.has_ended() {
            self.is_killed = true;
            self.signal(Signal::KILL);
            self.status = self.child.wait().ok();
        }
    }

    /// Returns an unexpected exit status.
    pub(crate) fn complaint(&self) -> Option<String> {
        let status = self.status?;
        let name = self.stage.name();
        match (status.code(), status.signal()) {
            (Some(0 | 1), _) => None,
            (Some(code), _) => Some(format!("{name} ended with status {code}")),
            (None, Some(9)) if self.is_killed => None,
            (None, signal) => Some(format!("{name} ended by signal {signal:?}")),
        }
    }

    /// Returns whether it has a handler for SIGTERM.
    pub(crate) fn heeds_term(&self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        caught.is_some_and(|mask| mask & 1 << (15 - 1) != 0)
    }

    /// Returns the number of its open descriptors, and its peak memory in MiB.
    pub(crate) fn usage(&self) -> Option<(usize, u64)> {
        let folder = PathBuf::from(format!("/proc/{}", self.child.id()));
        let descriptors = fs::read_dir(folder.join("fd")).ok()?.count();
        let status = fs::read_to_string(folder.join("status")).ok()?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib: u64 = peak.trim().strip_suffix(" kB")?.parse().ok()?;
        Some((descriptors, kib >> 10))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Running stages, the recorder first if it is among them.
#[derive(Debug, Default)]
pub(crate) struct Pipeline {
    pub processes: Vec<Process>,
}

impl Pipeline {
    /// Starts all stages. Events of the last one go to `lines`.
    pub(crate) fn start(
        place: &Place,
        plan: &Plan,
        address: &Address,
        lines: &SyncSender<Vec<u8>>,
    ) -> Self {
        let mut recv = place.command(Stage::Recv);
        recv.args(["--listen", &address.url(), "--session-id", ID, "--sessions"]);
        recv.arg(place.sessions()).args(["--stats-interval", "1"]);
        recv.args(["--segment-time", &plan.segment_time.to_string()]);
        let mut recv = live(place, Stage::Recv, &mut recv, Stdio::null());
        let input = recv.stdout();
        let mut pipeline = Self { processes: vec![recv] };
        pipeline.start_rest(place, plan, input.into(), None, lines);
        pipeline
    }

    /// Starts the stages after the recorder, on its events or on the session's folder.
    pub(crate) fn start_rest(
        &mut self,
        place: &Place,
        plan: &Plan,
        mut input: Stdio,
        follow: Option<&Path>,
        lines: &SyncSender<Vec<u8>>,
    ) {
        for stage in &STAGES[1..] {
            let mut command = place.command(*stage);
            match stage {
                Stage::Segwatch => {
                    if let Some(session) = follow {
                        command.arg("--follow").arg(session);
                    }
                }
                Stage::Scenes => {
                    command.args(plan.scenes_options()).args(["--jobs", &plan.jobs.to_string()]);
                }
                Stage::Recv | Stage::Index => {}
            }
            let mut process = live(place, *stage, &mut command, input);
            input = Stdio::null();
            let output = process.stdout();
            self.processes.push(process);
            if *stage == Stage::Index {
                pass_on(output, lines.clone());
            } else {
                input = output.into();
            }
        }
    }

    pub(crate) fn get(&mut self, stage: Stage) -> Option<&mut Process> {
        self.processes.iter_mut().rev().find(|process| process.stage == stage)
    }

    pub(crate) fn kill_all(&mut self) {
        // All at once, so that none sees the end of another first.
        for process in &mut self.processes {
            if !process.has_ended() {
                process.is_killed = true;
                process.signal(Signal::KILL);
            }
        }
        self.processes.iter_mut().for_each(Process::kill);
    }

    /// Returns whether all have ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        // Each is checked, to reap the ended ones.
        let running =
            self.processes.iter_mut().filter_map(|p| (!p.has_ended()).then_some(())).count();
        running == 0
    }
}

/// Returns a command of a stage with injected faults and its stderr in a file.
fn live(place: &Place, stage: Stage, command: &mut Command, input: Stdio) -> Process {
    if let Some(library) = &place.shim {
        place.control(stage).load(command, library, &place.session());
    }
    let said = place.append_to_said(stage);
    Process::start(stage, command.stdin(input).stdout(Stdio::piped()).stderr(said))
}

/// Passes on the lines of a process, from a thread.
pub(crate) fn pass_on(output: ChildStdout, lines: SyncSender<Vec<u8>>) {
    // A small pipe makes a slow reader felt soon.
    let _ = rustix::pipe::fcntl_setpipe_size(&output, 1 << 12);
    std::thread::spawn(move || {
        let mut output = BufReader::with_capacity(1 << 12, output);
        loop {
            let mut line = Vec::new();
            match output.read_until(b'\n', &mut line) {
                Ok(count) if count > 0 && lines.send(line).is_ok() => {}
                _ => break,
            }
        }
    });
}

/// Runs a pipeline over a session without a recorder, and returns its status, complaints and lines.
pub(crate) fn run_finished(
    place: &Place,
    session: &Path,
    options: &[String],
) -> (Vec<String>, Vec<Vec<u8>>) {
    let mut segwatch = place.command(Stage::Segwatch);
    segwatch
        .arg(session)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(place.append_to_said(Stage::Segwatch));
    let mut processes = vec![Process::start(Stage::Segwatch, &mut segwatch)];
    for stage in [Stage::Scenes, Stage::Index] {
        let input = processes.last_mut().unwrap().stdout();
        let mut command = place.command(stage);
        if stage == Stage::Scenes {
            command.args(options);
        }
        command.stdin(input).stdout(Stdio::piped()).stderr(place.append_to_said(stage));
        processes.push(Process::start(stage, &mut command));
    }
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    pass_on(processes.last_mut().unwrap().stdout(), sender);
    let (mut lines, mut complaints) = (Vec::new(), Vec::new());
    let until = clock::monotonic() + Duration::from_secs(60);
    loop {
        match clock::receive_within(&receiver, until.saturating_duration_since(clock::monotonic()))
        {
            Ok(line) => lines.push(line),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                let running: Vec<_> = processes
                    .iter_mut()
                    .filter_map(|process| (!process.has_ended()).then_some(process.stage.name()))
                    .collect();
                complaints.push(format!("a run over finished segments hangs: {running:?}"));
                break;
            }
        }
    }
    for process in &mut processes {
        if complaints.is_empty() {
            let until = clock::monotonic() + Duration::from_secs(10);
            while !process.has_ended() && clock::monotonic() < until {
                clock::rest(Duration::from_millis(2));
            }
        }
        process.kill();
        complaints.extend(process.complaint());
    }
    (complaints, lines)
}
