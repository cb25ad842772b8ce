//! The stages of one unit, as child processes in pipes.
//!
//! `cht-segwatch → (translate) → cht-scenes → cht-audio → (translate) → cht-index`: a thread for
//! each arrow that something is done at, and one for each stderr.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    path::Path,
    process::{ChildStderr, ChildStdin, ChildStdout, Command, Stdio},
    thread,
};

use anyhow::{Context as _, Result};
use cht_core::{event::Body, process::lock::lock, storage::regular};

pub(crate) use super::running::Ended;
use super::{
    carry::Carried,
    feed::{Done, feed},
    inputs::Inputs,
    running::{Process, Running, end, listen, pump, spawn},
    tools::Tools,
    translate::{AGAIN, Counts, Names},
    watch::Watch,
};
use crate::{settings::Stage, store::Failure};

/// Journals of the stages, and the first bytes of the line that notes a segment as done.
const SCENES: (&str, &str) = ("frames/scenes.ndjson", "{\"checkpoint\":");
const AUDIO: (&str, &str) = ("audio/audio.ndjson", "{\"done\":");

/// What the stages are to do.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub tools: &'a Tools,
    pub stages: &'a [Stage],
    pub scenes: &'a [String],
    pub audio: &'a [String],
    /// Decoders next to each other, unless the options or `CHT_JOBS` say otherwise.
    pub decoders: usize,
    /// Folder of the result in the making.
    pub work: &'a Path,
    pub names: &'a Names,
    pub carried: &'a Carried,
    /// File to which the measures of each frame are written.
    pub scores: Option<&'a Path>,
}

/// Runs the stages over the inputs of a unit. `said` is given each line of their stderr.
pub(crate) fn run(
    job: &Job<'_>,
    inputs: Inputs<'_>,
    running: &Running,
    progress: &(dyn Fn(&Counts) + Sync),
    said: &(dyn Fn(&str) + Sync),
) -> Result<Ended> {
    let mut processes = Vec::new();
    let before = Counts { before: done_before(job), ..Counts::default() };
    let started = start(job, &mut processes);
    running.set(&processes);
    let mut pipes = match started {
        Ok(pipes) => pipes,
        Err(error) => {
            end(processes, running);
            return Err(error);
        }
    };
    let watch = Watch::new(before, processes.len(), job.names, running, progress);
    thread::scope(|scope| {
        for (stderr, words) in pipes.stderr.drain(..).zip(&watch.words) {
            scope.spawn(move || listen(stderr, words, said));
        }
        let Pipes { first_in, first_out, second_in, second_out, third_in, third_out, .. } = pipes;
        let watch = &watch;
        let (done, settled) = Done::pair();
        scope.spawn(move || {
            let warn = |message: &str| said(&format!("warning: {message}"));
            let fail = |failure: Failure| {
                // A passing fault has the whole unit tried again, which is told once.
                if failure.code != AGAIN {
                    warn(&failure.message);
                }
                lock(&watch.counts).fail(failure);
            };
            feed(inputs, first_in, &settled, fail, warn);
        });
        scope.spawn(move || {
            let mut second_in = second_in;
            pump(first_out, &mut second_in, |event| {
                if let Body::Segment(segment) = event.body {
                    // The first one settles by how much all of them are shifted.
                    let lines = job.names.segment(segment.clone());
                    lock(&watch.counts).add_segment(&segment, job.names);
                    return lines;
                }
                watch.take_fault(&event);
                Vec::new()
            });
        });
        scope.spawn(move || {
            let mut third_in = third_in;
            pump(second_out, &mut third_in, |event| {
                watch.take(&event);
                if matches!(event.body, Body::SegmentDone(_)) {
                    done.set(lock(&watch.counts).done);
                }
                job.names.finding(event, job.carried)
            });
            let _ = third_in.write_all(&job.carried.speech(&job.names.result));
        });
        scope.spawn(move || {
            pump(third_out, &mut io::sink(), |event| {
                watch.take_fault(&event);
                Vec::new()
            });
        });
    });
    Ok(watch.end(processes))
}

/// Returns the number of segments that the last stage has in its journal: a run that was stopped
/// has done them, and the stage says so again.
fn done_before(job: &Job<'_>) -> u64 {
    let has_sound = job.stages.contains(&Stage::Audio);
    let (journal, done) = if has_sound { AUDIO } else { SCENES };
    let Ok(journal) = regular::open(&job.work.join(journal)) else { return 0 };
    let lines = BufReader::new(journal).split(b'\n').map_while(Result::ok);
    lines.filter(|line| line.starts_with(done.as_bytes())).count() as u64
}

/// Returns the command of cht-scenes, without the source of its frames.
pub(super) fn scenes(job: &Job<'_>) -> Command {
    let mut command = Command::new(&job.tools.scenes);
    command.arg("--out").arg(job.work.join("frames")).arg("--ffmpeg").arg(&job.tools.ffmpeg);
    command.args(["--stats-interval", "0"]).args(job.scenes);
    command
}

/// Returns the command of cht-index.
pub(super) fn index(job: &Job<'_>) -> Command {
    let mut command = Command::new(&job.tools.index);
    command.arg("--out").arg(job.work.join("frames/index.json"));
    command
}

/// Ends of the pipes.
struct Pipes {
    first_in: ChildStdin,
    first_out: ChildStdout,
    second_in: ChildStdin,
    second_out: ChildStdout,
    third_in: ChildStdin,
    third_out: ChildStdout,
    stderr: Vec<ChildStderr>,
}

/// Starts the stages, the first one first. Those that were started are in `processes`, also after
/// an error.
fn start(job: &Job<'_>, processes: &mut Vec<Process>) -> Result<Pipes> {
    let mut first = Command::new(&job.tools.segwatch);
    let (first_in, first_out) = spawn("cht-segwatch", &mut first, Stdio::piped(), processes)?;
    let mut stages: Vec<(&'static str, Command)> = Vec::new();
    if job.stages.contains(&Stage::Scenes) {
        let mut command = scenes(job);
        if std::env::var_os("CHT_JOBS").is_none() {
            command.env("CHT_JOBS", job.decoders.to_string());
        }
        if let Some(scores) = job.scores {
            command.arg("--scores").arg(scores);
        }
        stages.push(("cht-scenes", command));
    }
    if job.stages.contains(&Stage::Audio) {
        let mut command = Command::new(&job.tools.audio);
        command.arg("--out").arg(job.work.join("audio")).arg("--ffmpeg").arg(&job.tools.ffmpeg);
        command.args(["--stats-interval", "0"]).args(job.audio);
        stages.push(("cht-audio", command));
    }
    let (mut second_in, mut second_out) = (None, None);
    for (name, mut command) in stages {
        let input = second_out.take().map_or_else(Stdio::piped, Stdio::from);
        let (input, output) = spawn(name, &mut command, input, processes)?;
        second_in = second_in.or(input);
        second_out = Some(output);
    }
    let (third_in, third_out) = spawn("cht-index", &mut index(job), Stdio::piped(), processes)?;
    let stderr = processes.iter_mut().filter_map(|process| process.child.stderr.take()).collect();
    let piped = "a pipe";
    Ok(Pipes {
        first_in: first_in.context(piped)?,
        first_out,
        second_in: second_in.context(piped)?,
        second_out: second_out.context(piped)?,
        third_in: third_in.context(piped)?,
        third_out,
        stderr,
    })
}
