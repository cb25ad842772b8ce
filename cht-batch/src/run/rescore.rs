//! Frames chosen again on measures that an older result has kept: nothing is decoded but the kept
//! pictures.

use std::{
    io::{self, Write as _},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use super::{
    inputs::Inputs,
    pipeline::{self, Job},
    running::{Ended, Running, end, listen, pump, spawn},
    tools::Tools,
    translate::Counts,
    watch::Watch,
};
use anyhow::{Context as _, Result, ensure};

/// Runs cht-scenes on the file `scores`, and cht-index.
pub(crate) fn run(
    job: &Job<'_>,
    mut inputs: Inputs<'_>,
    scores: &Path,
    running: &Running,
    progress: &(dyn Fn(&Counts) + Sync),
    said: &(dyn Fn(&str) + Sync),
) -> Result<Ended> {
    let mut counts = Counts { offsets: job.names.offsets.clone(), ..Counts::default() };
    for n in 0..inputs.len() {
        match inputs.ready(n) {
            Ok((_, fault)) => {
                counts.segments += 1;
                if let Some(fault) = fault {
                    counts.fail(fault);
                }
            }
            Err(failure) => counts.fail(failure),
        }
        counts.seconds += inputs.size(n).1;
    }
    let mut processes = Vec::new();
    let mut scenes = pipeline::scenes(job);
    scenes.arg("--from-scores").arg(scores);
    let (_, found) = spawn("cht-scenes", &mut scenes, Stdio::null(), &mut processes)?;
    let started = spawn("cht-index", &mut pipeline::index(job), Stdio::piped(), &mut processes);
    running.set(&processes);
    let started = started.and_then(|(input, output)| Ok((input.context("a pipe")?, output)));
    let (mut index_in, index_out) = match started {
        Ok(pipes) => pipes,
        Err(error) => {
            // Its reader is gone, so that it ends.
            drop(found);
            end(processes, running);
            return Err(error);
        }
    };
    let stderr: Vec<_> =
        processes.iter_mut().filter_map(|process| process.child.stderr.take()).collect();
    let watch = Watch::new(counts, processes.len(), job.names, running, progress);
    thread::scope(|scope| {
        for (stderr, words) in stderr.into_iter().zip(&watch.words) {
            scope.spawn(move || listen(stderr, words, said));
        }
        let watch = &watch;
        scope.spawn(move || {
            pump(found, &mut index_in, |event| {
                watch.take(&event);
                job.names.finding(event, job.carried)
            });
            let _ = index_in.write_all(&job.carried.speech(&job.names.result));
        });
        scope.spawn(move || {
            pump(index_out, &mut io::sink(), |event| {
                watch.take_fault(&event);
                Vec::new()
            });
        });
    });
    Ok(watch.end(processes))
}

/// Has cht-index bring the files of a session up to date.
pub(crate) fn bring_up_to_date(tools: &Tools, session: &Path) -> Result<()> {
    let mut index = Command::new(&tools.index);
    index.arg("--session").arg(session).stdin(Stdio::null());
    let output = index.output().context("cht-index")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cht-index: {}", said.trim());
    Ok(())
}
