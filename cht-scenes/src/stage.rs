//! The stage: one thread reads stdin and passes it on, so that no later stage waits for decoding; another one feeds.

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
    feed::feeder::{Feeder, Upstream},
    interrupt::{Cut, Interrupt},
    lag::backlog::Backlog,
    output::Output,
    select::rescore,
    stats::counters::{Counters, Heartbeat},
};

/// What is to be decoded, in order.
#[derive(Debug, Serialize, Deserialize)]
enum Work {
    /// A recorder has come to a session.
    Join(String),
    Open(Option<String>, SegmentOpen),
    Segment(Option<String>, Box<Segment>),
    Path(PathBuf),
    /// The connection of this number has ended: what the decoder still holds of it is due. So many segments had begun to grow.
    Disconnected(u32, u64),
}

/// Runs the stage to the end of its input.
pub(crate) fn run(args: Args) -> Result<()> {
    let output = Output::open()?;
    let tally = Counters::new(output.clone(), args.stats_interval, clock::monotonic());
    if let Some(scores) = &args.from_scores {
        return rescore::run(&args, scores, &output, &tally);
    }
    cli::refuse_terminal(
        "pipe events or paths into it, as in `ls *.ts | cht-scenes --out frames`",
    )?;
    let backlog = Arc::new(Backlog::new());
    let interrupt = Arc::new(Interrupt::of_jobs(args.jobs));
    let (interrupted, queue) = (Arc::clone(&interrupt), Arc::clone(&backlog));
    signals::on_interrupt(move || {
        if interrupted.interrupt(queue.waiting()) {
            // What decoders are ahead by is not waited for.
            queue.close();
        }
    })?;
    let rules = args.threshold_rules();
    let upstream = Arc::new(Upstream::default());
    let feeder = Feeder::new(
        args,
        rules,
        output.clone(),
        Arc::clone(&tally),
        Arc::clone(&upstream),
        Arc::clone(&interrupt),
    )?;
    let pulse = Heartbeat::start(&tally);
    let reader = Reader {
        output: output.clone(),
        tally: Arc::clone(&tally),
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
    // Whoever writes paths may wait for it.
    backlog.abandon();
    let left = worked.as_ref().ok().copied().flatten();
    // The feeder's error is the cause where both have one. After Ctrl-C, stdin need not end.
    let worked = match left {
        None => {
            let read = reader.join().unwrap_or_else(|_| bail!("the reading thread panicked"));
            worked.and(read)
        }
        // A line that is being passed on is passed on whole.
        Some(_) => worked.map(|_| drop(output.lock())),
    };
    if let Some(pulse) = pulse {
        tally.lag.drained(tally.lag.opened());
        pulse.finish();
    }
    worked?;
    if let Some(left) = left {
        bail!(
            "stopped by Ctrl-C with {left} segments left; the same command goes on with them, without --overwrite"
        );
    }
    Ok(())
}

/// The thread that reads stdin.
struct Reader {
    output: Output,
    tally: Arc<Counters>,
    upstream: Arc<Upstream>,
    backlog: Arc<Backlog<Work>>,
    interrupt: Arc<Interrupt>,
}

impl Reader {
    /// Passes every event on, then hands the work to the feeder.
    fn read(&self) -> Result<()> {
        let Self { output, tally, upstream, backlog, interrupt } = self;
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
                        Body::Disconnected(ended) => {
                            Work::Disconnected(ended.connection, tally.lag.opened())
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
                // The feeder has ended with an error; there is nobody to work for.
                break;
            }
        }
        Ok(())
    }
}

/// Feeds the work. Returns the number of segments that Ctrl-C left to the next run, if it did.
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

/// Returns the number of segments that decoders have left when Ctrl-C stopped them, with the one at `path`. Other errors are
/// returned.
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
