//! The stage: stdin is read and passed on by one thread, so that nothing behind waits for decoding; the other feeds.

use std::{
    io::{BufReader, stdin},
    panic::AssertUnwindSafe,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
};

use anyhow::{Context as _, Result};
use cht_core::{
    cli, clock,
    event::{Body, Event, Segment, SegmentOpen},
    ndjson::{self, Line, Lines},
    signals,
};
use serde::{Deserialize, Serialize};

use crate::{
    args::Args,
    backlog::Backlog,
    detector::Rules,
    feed::{Feeder, Upstream},
    picker::Output,
    rescore,
    stats::{Pulse, Tally},
};

/// What is to be decoded, in order.
#[derive(Debug, Serialize, Deserialize)]
enum Work {
    /// A recorder has come to a session.
    Join(String),
    Open(Option<String>, SegmentOpen),
    Segment(Option<String>, Box<Segment>),
    Path(PathBuf),
    /// The stream has ended: what the decoder still holds is due. So many segments had begun to grow.
    Disconnected(u64),
}

/// Runs the stage to the end of its input.
pub(crate) fn run(args: Args) -> Result<()> {
    let output: Output = Arc::new(Mutex::new(ndjson::stdout()?));
    let tally = Tally::new(Arc::clone(&output), args.stats_interval, clock::monotonic());
    if let Some(scores) = &args.from_scores {
        return rescore::run(&args, scores, &output, &tally);
    }
    cli::refuse_terminal(
        "pipe events or paths into it, as in `ls *.ts | cht-scenes --out frames`",
    )?;
    signals::drain_on_interrupt()?;
    let rules = Rules::of(&args);
    let upstream = Arc::new(Upstream::default());
    let feeder =
        Feeder::new(args, rules, Arc::clone(&output), Arc::clone(&tally), Arc::clone(&upstream))?;
    let pulse = Pulse::start(&tally);
    let backlog = Arc::new(Backlog::new());
    let queue = Arc::clone(&backlog);
    let worker = std::thread::spawn(move || {
        let fed = std::panic::catch_unwind(AssertUnwindSafe(|| feed(feeder, &queue)));
        // Whoever writes paths may wait for it.
        queue.abandon();
        fed.unwrap_or_else(|_| anyhow::bail!("the feeding thread panicked"))
    });
    let read = read(&output, &tally, &upstream, &backlog);
    upstream.ended.store(true, Ordering::SeqCst);
    backlog.close();
    let worked = worker.join().unwrap_or_else(|_| anyhow::bail!("the feeding thread panicked"));
    if let Some(pulse) = pulse {
        tally.lag.drained(tally.lag.opened());
        pulse.finish();
    }
    // The feeder's error is the cause where both have one.
    worked.and(read)
}

/// Passes every event on, then hands the work to the feeder.
fn read(
    output: &Output,
    tally: &Tally,
    upstream: &Upstream,
    backlog: &Backlog<Work>,
) -> Result<()> {
    for line in Lines::new(BufReader::new(stdin().lock())) {
        let task = match line.context("stdin")? {
            Line::Event { raw, event } => {
                output.lock().unwrap_or_else(PoisonError::into_inner).pass(&raw)?;
                let Some(Event { session, body }) = event.map(|event| *event) else { continue };
                match body {
                    Body::SegmentOpen(open) => {
                        upstream.begin(&open.path);
                        tally.lag.open(session.as_deref(), &open);
                        Work::Open(session, open)
                    }
                    Body::SegmentClosed(closed) => {
                        upstream.finish(&closed.path);
                        continue;
                    }
                    Body::Segment(segment) => {
                        upstream.finish(&segment.path);
                        Work::Segment(session, Box::new(segment))
                    }
                    Body::Listening(_) | Body::Connected(_) => match session {
                        Some(session) => Work::Join(session),
                        None => continue,
                    },
                    Body::Disconnected(_) => Work::Disconnected(tally.lag.opened()),
                    _ => continue,
                }
            }
            Line::Path(path) => {
                if backlog.push_slowly(Work::Path(path)) {
                    continue;
                }
                break;
            }
            Line::Bad(bad) => {
                let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
                output.fail(None, "bad_line", &format!("stdin, {bad}"), None)?;
                continue;
            }
        };
        if !backlog.push(task) {
            // The feeder has ended with an error; there is nobody to work for.
            break;
        }
    }
    Ok(())
}

fn feed(mut feeder: Feeder, backlog: &Backlog<Work>) -> Result<()> {
    while let Some(work) = backlog.pop().context("segments that wait")? {
        match work {
            Work::Join(session) => feeder.join(&session)?,
            Work::Open(session, open) => feeder.grow(session.as_deref(), &open)?,
            Work::Segment(session, segment) => feeder.segment(session.as_deref(), &segment)?,
            Work::Disconnected(opened) => feeder.drain(opened)?,
            Work::Path(path) => feeder.path(&path)?,
        }
    }
    feeder.finish()
}
