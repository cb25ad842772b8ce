//! A pipeline, from its start to the end of its last stage.

use std::{collections::VecDeque, io, os::unix::process::ExitStatusExt as _, process::ExitStatus};

use anyhow::{Context as _, Result};
use cht_core::process::{clock, exit::Exit, report, signals::ECHO};
use rustix::{
    event::{PollFd, PollFlags},
    process::Signal,
};

use super::{child::Child, status::outcome, stop::Stop};
use crate::plan::Stage;

/// Takes the exit status of a source that has ended by itself.
pub(crate) type AtEnd<'a> = dyn FnMut(Exit) -> Result<()> + 'a;

/// Runs stages with pipes between them, and returns the worst of their exit statuses. Calls
/// `at_end` when the source has ended by itself.
pub(crate) fn run(stages: &[Stage], stop: &mut Stop, at_end: &mut AtEnd<'_>) -> Result<Exit> {
    let mut running = start(stages, stop)?;
    let mut was_signalled = stop.is_signalled();
    let source = stages[0].program;
    let has_source = |running: &[Child]| running.first().is_some_and(|it| it.program == source);
    let mut worst = if has_source(&running) { Exit::Done } else { Exit::Failed };
    while !running.is_empty() {
        let (signal, ended) = wait(&running, stop)?;
        if signal {
            // An echo that comes now is taken together with its signal.
            clock::rest(ECHO);
            stop.take();
            tell(&running, source, stop);
            was_signalled = true;
        }
        for place in ended.into_iter().rev() {
            let child = running.remove(place);
            let program = child.program;
            let status = child.wait().context(program)?;
            let was_asked = was_signalled || is_coming(stop, status)?;
            let exit = outcome(program, status, was_asked);
            if program == source && !was_asked {
                at_end(exit)?;
            }
            if exit == Exit::Failed && has_source(&running) && !was_asked {
                report::note(format_args!(
                    "{program} has ended before its input, and {source} goes on without it"
                ));
            }
            worst = worst.max(exit);
        }
    }
    Ok(worst)
}

/// Tells whether a stage that has ended got a signal that this process gets as well: one to the
/// group reaches its processes in any order.
fn is_coming(stop: &Stop, status: ExitStatus) -> Result<bool> {
    let until = if status.signal().is_some_and(|signal| signal != Signal::KILL.as_raw()) {
        clock::monotonic() + ECHO
    } else {
        clock::monotonic()
    };
    let mut descriptors = [PollFd::new(stop, PollFlags::IN)];
    clock::wait_ready(&mut descriptors, Some(until)).context("signals")?;
    Ok(!descriptors[0].revents().is_empty())
}

/// Starts the stages, the last one first. The source starts when a Ctrl-C, which is meant for it,
/// does not end the others any more; if one has come until then, it does not start.
fn start(stages: &[Stage], stop: &mut Stop) -> Result<Vec<Child>> {
    let mut running = VecDeque::new();
    let mut output = None;
    for (place, stage) in stages.iter().enumerate().rev() {
        let (input, next) = if place > 0 {
            let (readable, writable) = io::pipe()?;
            (Some(readable), Some(writable))
        } else {
            running.iter().try_for_each(Child::await_handlers)?;
            if stop.take() {
                break;
            }
            (None, None)
        };
        // After an error, those behind it reach the end of their input.
        running.push_front(Child::stage(stage, input, output)?);
        output = next;
    }
    Ok(running.into())
}

/// Waits for a signal or the end of a stage. Returns whether there was a signal, and which stages
/// have ended.
fn wait(running: &[Child], stop: &Stop) -> Result<(bool, Vec<usize>)> {
    let mut descriptors: Vec<_> =
        running.iter().map(|child| PollFd::new(child, PollFlags::IN)).collect();
    descriptors.push(PollFd::new(stop, PollFlags::IN));
    clock::wait_ready(&mut descriptors, None).context("stages")?;
    let mut ready = descriptors.iter().map(|descriptor| !descriptor.revents().is_empty());
    let ended = ready.by_ref().take(running.len()).enumerate();
    let ended = ended.filter(|(_, is_ready)| *is_ready).map(|(place, _)| place).collect();
    Ok((ready.next().unwrap_or(false), ended))
}

/// Hands a signal on: the first to the source, a second to all.
fn tell(running: &[Child], source: &str, stop: &Stop) {
    let is_meant =
        |child: &&Child| stop.insists() || (child.program == source && stop.is_ours_alone());
    running.iter().filter(is_meant).for_each(Child::ask_to_end);
}
