//! Child processes: started, stopped, listened to, and how they ended.

use std::{
    io::{self, BufRead as _, BufReader, Read, Write},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context as _, Result};
use cht_core::{
    event::Event,
    ndjson::{Line, Lines},
    process::{apart, die_with_parent, lock::lock},
};
use rustix::process::{Pid, Signal, kill_process};

use super::translate::{AGAIN, Counts};
use crate::store::Failure;

/// How the stages ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub counts: Counts,
    /// Why the unit has to be tried again.
    pub retry: Option<String>,
    /// Whether the folder of work holds less than the segments give.
    pub is_spoilt: bool,
    /// Last message of a stage that could not do its work.
    pub failed: Option<String>,
}

/// Signals that people and the system send; others are crashes.
const ENDED_BY_OTHERS: [i32; 4] =
    [Signal::HUP.as_raw(), Signal::INT.as_raw(), Signal::KILL.as_raw(), Signal::TERM.as_raw()];

/// Words of a decoder that was killed.
const KILLED: &str = "signal: 9 ";

/// Stages that end after the current segment when they are asked to; the others end with them.
const DECODERS: [&str; 2] = ["cht-scenes", "cht-audio"];

/// Name of a program that makes an input ready.
const HELPER: &str = "ffmpeg";

/// The running stages, for a thread that stops them.
#[derive(Debug, Default)]
pub(crate) struct Running {
    ids: Mutex<Vec<(&'static str, u32)>>,
    /// Whether they were interrupted, also before they were started.
    is_interrupted: AtomicBool,
}

impl Running {
    /// Asks the stages that decode to end after the current segment; they take a second request as
    /// an order.
    pub(crate) fn interrupt(&self) {
        self.is_interrupted.store(true, Ordering::SeqCst);
        self.signal(Signal::INT, |name| DECODERS.contains(&name));
        self.signal(Signal::KILL, |name| name == HELPER);
    }

    /// Ends the stages at once.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL, |_| true);
    }

    fn signal(&self, signal: Signal, is_meant: impl Fn(&str) -> bool) {
        for (_, id) in lock(&self.ids).iter().filter(|(name, _)| is_meant(name)) {
            if let Some(pid) = Pid::from_raw(*id as i32) {
                let _ = kill_process(pid, signal);
            }
        }
    }

    pub(super) fn set(&self, children: &[Process]) {
        let ids = children.iter().map(|process| (process.name, process.child.id()));
        *lock(&self.ids) = ids.collect();
        if self.is_interrupted.load(Ordering::SeqCst) {
            self.interrupt();
        }
    }

    /// Returns whether the run is to end.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.is_interrupted.load(Ordering::SeqCst)
    }

    /// Runs a program that makes an input ready, and returns its stderr. It ends with this program,
    /// and at once when the stages are interrupted: what it makes is made again.
    pub(crate) fn ask(&self, command: &mut Command) -> io::Result<(ExitStatus, String)> {
        let mut guarded = die_with_parent::guarded(command);
        guarded.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = apart::spawn(&mut guarded)?;
        let id = child.id();
        lock(&self.ids).push((HELPER, id));
        if self.is_interrupted() {
            self.signal(Signal::KILL, |name| name == HELPER);
        }
        let mut said = Vec::new();
        let read = child.stderr.take().map_or(Ok(0), |mut stderr| stderr.read_to_end(&mut said));
        // Before it is reaped: its number may go to another.
        lock(&self.ids).retain(|known| *known != (HELPER, id));
        let status = child.wait()?;
        read?;
        Ok((status, String::from_utf8_lossy(&said).into_owned()))
    }

    /// Forgets the stages before they are reaped: their numbers may go to others.
    fn clear(&self) {
        lock(&self.ids).clear();
    }
}

/// A stage.
#[derive(Debug)]
pub(super) struct Process {
    name: &'static str,
    pub(super) child: Child,
}

/// Starts a stage.
pub(super) fn spawn(
    name: &'static str,
    command: &mut Command,
    input: Stdio,
    processes: &mut Vec<Process>,
) -> Result<(Option<ChildStdin>, ChildStdout)> {
    // Results go where the command line says, whatever session the environment names. A Ctrl-C of
    // the terminal is for this program, which stops the stages in order.
    command.env_remove("CHT_SESSION");
    let mut guarded = die_with_parent::guarded(command);
    guarded.stdin(input).process_group(0);
    let mut child = guarded
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| command.get_program().display().to_string())?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    processes.push(Process { name, child });
    Ok((input, output.context("a pipe")?))
}

/// Hands on the events of one stage to the next: the lines that `translate` makes of each.
pub(super) fn pump(
    from: impl Read,
    to: &mut impl Write,
    mut translate: impl FnMut(Event) -> Vec<u8>,
) {
    let mut is_open = true;
    for line in Lines::new(BufReader::new(from)).map_while(Result::ok) {
        let Line::Event { event: Some(event), .. } = line else { continue };
        let lines = translate(*event);
        if is_open && !lines.is_empty() {
            // The stage before may still have to say why its reader has gone.
            is_open = to.write_all(&lines).is_ok();
        }
    }
}

/// Hands on what a stage says, and keeps its last line.
pub(super) fn listen(stderr: ChildStderr, words: &Mutex<String>, said: &(dyn Fn(&str) + Sync)) {
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        if !line.is_empty() {
            if !OF_THE_STAGE.iter().any(|words| line.contains(words)) {
                said(&without_waiting(line));
            }
            line.clone_into(&mut lock(words));
        }
    }
}

/// Words of a stage about a command that nobody has typed: this program says how to go on.
const OF_THE_STAGE: [&str; 2] = ["stopped by Ctrl-C", OTHER_OPTIONS];

/// End of the message of a stage whose folder holds results of other options.
pub(super) const OTHER_OPTIONS: &str = "; use these, another --out, or --overwrite";

/// Words of a stage that waits for a disk. This program ends it.
const WAITING: &str = "; it waits until the disk serves again (remove something, or stop it)";

/// Returns a message about a disk without the promise to wait for it.
pub(super) fn without_waiting(message: &str) -> String {
    message.replace(WAITING, "")
}

/// Waits for the stages.
pub(super) fn end(
    mut processes: Vec<Process>,
    running: &Running,
) -> Vec<(&'static str, Option<ExitStatus>)> {
    // Their outputs have ended, so that they end by themselves.
    running.clear();
    let wait = |process: &mut Process| (process.name, process.child.wait().ok());
    processes.iter_mut().map(wait).collect()
}

pub(super) fn conclude(
    counts: Counts,
    no_room: Option<String>,
    ends: impl Iterator<Item = ((&'static str, Option<ExitStatus>), String)>,
) -> Ended {
    let (mut retry, mut failed) = (no_room, None);
    for ((name, status), words) in ends {
        let signal = status.and_then(|status| status.signal());
        if let Some(signal) = signal.filter(|signal| ENDED_BY_OTHERS.contains(signal)) {
            retry.get_or_insert(format!("{name} was ended by signal {signal}"));
        } else if status.and_then(|status| status.code()).is_none_or(|code| code > 1) {
            // Its ffmpeg was, when it asked that for its version.
            if signal.is_none() && words.contains(KILLED) {
                retry.get_or_insert(words);
                continue;
            }
            let crash = signal.map(|signal| format!("{name} crashed (signal {signal})"));
            failed.get_or_insert(crash.unwrap_or(words));
        }
    }
    if let Some(again) = counts.failures.iter().find(|failure| failure.code == AGAIN) {
        retry.get_or_insert(again.message.clone());
    }
    // What cht-scenes and cht-audio have of that segment is not all of it.
    let is_killed =
        |failure: &Failure| failure.code == "decoder_failed" && failure.message.contains(KILLED);
    let killed = counts.failures.iter().find(|failure| is_killed(failure));
    let is_spoilt = killed.is_some();
    if let Some(killed) = killed {
        retry.get_or_insert(killed.message.clone());
    }
    Ended { counts, retry, is_spoilt, failed }
}
