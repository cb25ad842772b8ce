//! Runs the stage: one thread reads stdin and passes events on, so that no later stage waits for
//! decoding; another feeds the decoder.

use std::{
    borrow::Cow,
    collections::HashSet,
    io::{BufReader, stdin},
    panic::AssertUnwindSafe,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event::{Body, Event, Segment, SegmentOpen},
    ndjson::{Line, Lines},
    process::{cli, clock, signals},
};
use serde::{Deserialize, Serialize};

use crate::{
    cli::args::Args,
    feed::{feeder::Feeder, upstream::Upstream},
    interrupt::{Cut, Interrupt},
    lag::backlog::Backlog,
    output::Output,
    select::rescore,
    stats::counters::{Counters, Heartbeat},
};

/// Work for the feeder, in the order of stdin.
#[derive(Debug, Serialize, Deserialize)]
enum Work {
    /// A recorder has started or continued a session.
    Join(String),
    Open(Option<String>, SegmentOpen),
    Segment(Option<String>, Box<Segment>),
    Path(PathBuf),
    /// The connection of this number has ended, so the decoder has to output what it holds; the
    /// second number counts the segments opened until then.
    Disconnected(u32, u64),
}

/// Runs the stage to the end of its input.
pub(crate) fn run(args: Args) -> Result<()> {
    let output = Output::open()?;
    let counters = Counters::new(output.clone(), args.stats_interval, clock::monotonic());
    if let Some(scores) = &args.from_scores {
        return rescore::run(&args, scores, &output, &counters);
    }
    cli::refuse_terminal(
        "pipe events or paths into it, as in `ls *.ts | cht-scenes --out frames`",
    )?;
    let backlog = Arc::new(Backlog::new());
    let interrupt = Arc::new(Interrupt::of_jobs(args.jobs));
    let (interrupted, queue) = (Arc::clone(&interrupt), Arc::clone(&backlog));
    signals::on_interrupt(move || {
        if interrupted.interrupt(queue.waiting()) {
            // Without waiting for the segments that decoders are ahead.
            queue.close();
        }
    })?;
    let upstream = Arc::new(Upstream::default());
    let feeder = Feeder::new(
        args,
        output.clone(),
        Arc::clone(&counters),
        Arc::clone(&upstream),
        Arc::clone(&interrupt),
    )?;
    let heartbeat = Heartbeat::start(&counters);
    let reader = Reader {
        output: output.clone(),
        counters: Arc::clone(&counters),
        upstream,
        backlog: Arc::clone(&backlog),
        interrupt: Arc::clone(&interrupt),
    };
    let reader = std::thread::spawn(move || {
        let read = reader.read();
        reader.upstream.ended.store(true, Ordering::SeqCst);
        reader.backlog.close();
        read
    });
    let worked = std::panic::catch_unwind(AssertUnwindSafe(|| feed(feeder, &backlog, &interrupt)))
        .unwrap_or_else(|_| bail!("the feeding thread panicked"));
    // The reader may wait for room.
    backlog.abandon();
    let left = worked.as_ref().ok().copied().flatten();
    // If both threads fail, the feeder's error is the cause. After Ctrl-C, stdin need not end.
    let worked = match left {
        None => {
            let read = reader.join().unwrap_or_else(|_| bail!("the reading thread panicked"));
            worked.and(read)
        }
        // Lets the reader finish the line that it is passing on.
        Some(_) => worked.map(|_| drop(output.lock())),
    };
    if let Some(heartbeat) = heartbeat {
        counters.lag.drained(counters.lag.opened());
        heartbeat.finish();
    }
    worked?;
    if let Some(left) = left {
        bail!(
            "stopped by Ctrl-C with {left} segments left; the same command goes on with them, without --overwrite"
        );
    }
    Ok(())
}

/// Thread that reads stdin.
struct Reader {
    output: Output,
    counters: Arc<Counters>,
    upstream: Arc<Upstream>,
    backlog: Arc<Backlog<Work>>,
    interrupt: Arc<Interrupt>,
}

impl Reader {
    /// Passes every event on, then queues its work for the feeder.
    fn read(&self) -> Result<()> {
        let Self { output, counters, upstream, backlog, interrupt } = self;
        for line in Lines::new(BufReader::new(stdin().lock())) {
            let task = match line.context("stdin")? {
                Line::Event { raw, event } => {
                    let mut output = output.lock();
                    if backlog.is_abandoned() {
                        break;
                    }
                    output.pass(&raw)?;
                    drop(output);
                    let Some(Event { session, body }) = event.map(|event| *event) else { continue };
                    if matches!(
                        body,
                        Body::Listening(_) | Body::Connected(_) | Body::SegmentOpen(_)
                    ) {
                        interrupt.set_live();
                    }
                    match body {
                        Body::SegmentOpen(open) => {
                            upstream.begin(&open.path);
                            counters.lag.open(session.as_deref(), &open);
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
                        Body::Disconnected(ended) => {
                            Work::Disconnected(ended.connection, counters.lag.opened())
                        }
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
                    output.fail(None, "bad_line", &format!("stdin, {bad}"), None)?;
                    continue;
                }
            };
            if !backlog.push(task) {
                // The feeder has ended with an error.
                break;
            }
        }
        Ok(())
    }
}

/// Feeds the work to the decoder. Returns the number of segments that Ctrl-C left to the next run.
fn feed(mut feeder: Feeder, backlog: &Backlog<Work>, interrupt: &Interrupt) -> Result<Option<u64>> {
    while let Some(work) = backlog.pop_or(&mut || feeder.pause()).context("segments that wait")? {
        let path = work.path().map(Cow::into_owned);
        if !interrupt.begin(path.as_deref()) {
            let left = undone(feeder.finish(), path)?;
            return Ok(Some(left + backlog.waiting()));
        }
        let worked = match work {
            Work::Join(session) => feeder.join(&session),
            Work::Open(session, open) => feeder.grow(session.as_deref(), &open),
            Work::Segment(session, segment) => feeder.segment(session.as_deref(), &segment),
            Work::Disconnected(connection, opened) => feeder.drain(connection, opened),
            Work::Path(path) => feeder.path(&path),
        };
        if worked.is_err() {
            let left = undone(worked, path)?;
            return Ok(Some(left + backlog.waiting()));
        }
    }
    let left = undone(feeder.finish(), None)?;
    Ok((left > 0).then_some(left))
}

/// Returns the number of segments that were not finished when Ctrl-C stopped the decoders, with the
/// one at `path`.
///
/// # Errors
///
/// Returns any other error of the feeder.
fn undone(worked: Result<()>, path: Option<String>) -> Result<u64> {
    let mut undone = match worked {
        Ok(()) => HashSet::new(),
        Err(error) => error.downcast::<Cut>()?.0,
    };
    undone.extend(path);
    Ok(undone.len() as u64)
}

impl Work {
    /// Returns the path of a whole segment.
    fn path(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Segment(_, segment) => Some(Cow::Borrowed(&segment.path)),
            Self::Path(path) => Some(path.to_string_lossy()),
            _ => None,
        }
    }
}
