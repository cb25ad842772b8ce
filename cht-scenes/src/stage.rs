//! Runs the stage: one thread reads stdin and passes events on, so that no later stage waits for
//! decoding; another feeds the decoder.

use std::{borrow::Cow, collections::HashSet, panic::AssertUnwindSafe, sync::Arc};

use anyhow::{Result, bail};
use cht_core::{
    event::SegmentOpen,
    process::{cli, clock},
    stage::{Announced, Backlog, Cut, Heartbeat, Interrupt, Output, Reader, Upstream, Work},
};

use crate::{cli::args::Args, feed::feeder::Feeder, select::rescore, stats::counters::Counters};

/// Runs the stage to the end of its input.
pub(crate) fn run(args: Args) -> Result<()> {
    let output = Output::open()?;
    let counters = Counters::new(output.clone(), args.stats_interval, clock::monotonic());
    if let Some(scores) = &args.from_scores {
        rescore::run(&args, scores, &output, &counters)?;
        counters.summarise();
        return Ok(());
    }
    cli::refuse_terminal(
        "pipe events or paths into it, as in `ls *.ts | cht-scenes --out frames`",
    )?;
    let backlog = Arc::new(Backlog::new());
    let interrupt = Arc::new(Interrupt::of_jobs(args.jobs.of_list(args.decode)));
    interrupt.await_signal(&backlog)?;
    let upstream = Arc::new(Upstream::default());
    let feeder = Feeder::new(
        args,
        output.clone(),
        Arc::clone(&counters),
        Arc::clone(&upstream),
        Arc::clone(&interrupt),
    )?;
    let heartbeat = Heartbeat::start(&counters);
    let reading = Reader {
        output: output.clone(),
        announced: Lag(Arc::clone(&counters)),
        upstream,
        backlog: Arc::clone(&backlog),
        interrupt: Arc::clone(&interrupt),
    }
    .start();
    let worked = std::panic::catch_unwind(AssertUnwindSafe(|| feed(feeder, &backlog, &interrupt)))
        .unwrap_or_else(|_| bail!("the feeding thread panicked"));
    let read = reading.finish(worked.as_ref().ok().copied());
    if let Some(heartbeat) = heartbeat {
        counters.lag.drained(counters.lag.opened());
        heartbeat.finish();
    }
    counters.summarise();
    // If both threads fail, the feeder's error is the cause.
    worked?;
    Ok(read?)
}

/// Tells the lag tracker of announced segments.
struct Lag(Arc<Counters>);

impl Announced for Lag {
    fn open(&self, session: Option<&str>, open: &SegmentOpen) {
        self.0.lag.open(session, open);
    }

    fn opened(&self) -> u64 {
        self.0.lag.opened()
    }
}

/// Feeds the work to the decoder. Returns the number of segments that Ctrl-C left undone, without
/// those that wait.
fn feed(mut feeder: Feeder, backlog: &Backlog<Work>, interrupt: &Interrupt) -> Result<u64> {
    loop {
        let work = match backlog.pop_or(&mut || feeder.pause()) {
            Ok(Some(work)) => work,
            Ok(None) => break,
            Err(error) => return undone(Err(error), None),
        };
        let path = work.path().map(Cow::into_owned);
        if !interrupt.begin(path.as_deref()) {
            return undone(feeder.finish(), path);
        }
        let mut worked = do_work(&mut feeder, &work);
        if worked.is_err() && feeder.leave_removed()? {
            worked = do_work(&mut feeder, &work);
        }
        if worked.is_err() {
            return undone(worked, path);
        }
    }
    undone(feeder.finish(), None)
}

fn do_work(feeder: &mut Feeder, work: &Work) -> Result<()> {
    match work {
        Work::Join(session) => feeder.join(session),
        Work::Open(session, open) => feeder.grow(session.as_deref(), open),
        Work::Segment(session, segment) => feeder.segment(session.as_deref(), segment),
        Work::Disconnected(connection, opened) => feeder.drain(*connection, *opened),
        Work::Path(path) => feeder.path(path),
    }
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
