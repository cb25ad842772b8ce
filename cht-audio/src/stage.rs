//! Runs the stage: one thread reads stdin and passes events on, so that no later stage waits for
//! decoding; another feeds the decoder.

use std::{panic::AssertUnwindSafe, sync::Arc};

use anyhow::{Result, bail};
use cht_core::{
    event::SegmentOpen,
    process::{cli, clock},
    stage::{Announced, Backlog, Heartbeat, Interrupt, Output, Reader, Upstream, Work},
};

use crate::{args::Args, counters::Counters, feed::feeder::Feeder};

/// Runs the stage to the end of its input.
pub(crate) fn run(args: Args) -> Result<()> {
    if args.min > args.max {
        bail!("--min {} is longer than --max {}; give a shorter one", args.min, args.max);
    }
    let output = Output::open()?;
    cli::refuse_terminal("pipe events or paths into it, as in `ls *.ts | cht-audio --out audio`")?;
    let backlog = Arc::new(Backlog::new());
    let interrupt = Arc::new(Interrupt::default());
    interrupt.await_signal(&backlog)?;
    let upstream = Arc::new(Upstream::default());
    let counters = Counters::new(output.clone(), args.stats_interval, clock::monotonic());
    let feeder = Feeder::new(args, output.clone(), Arc::clone(&counters), Arc::clone(&upstream))?;
    let heartbeat = Heartbeat::start(&counters);
    let reading = Reader {
        output: output.clone(),
        announced: Uncounted,
        upstream,
        backlog: Arc::clone(&backlog),
        interrupt: Arc::clone(&interrupt),
    }
    .start();
    let worked = std::panic::catch_unwind(AssertUnwindSafe(|| feed(feeder, &backlog, &interrupt)))
        .unwrap_or_else(|_| bail!("the feeding thread panicked"));
    let read = reading.finish(worked.as_ref().ok().copied());
    if let Some(heartbeat) = heartbeat {
        counters.begin();
        heartbeat.finish();
    }
    counters.summarise();
    // If both threads fail, the feeder's error is the cause.
    worked?;
    Ok(read?)
}

/// Segments are not counted when they are announced.
struct Uncounted;

impl Announced for Uncounted {
    fn open(&self, _session: Option<&str>, _open: &SegmentOpen) {}

    fn opened(&self) -> u64 {
        0
    }
}

/// Feeds the work to decoders. Returns the number of segments that Ctrl-C left undone, without
/// those that wait.
fn feed(mut feeder: Feeder, backlog: &Backlog<Work>, interrupt: &Interrupt) -> Result<u64> {
    while let Some(work) = backlog.pop()? {
        let path = work.path().map(std::borrow::Cow::into_owned);
        if !interrupt.begin(path.as_deref()) {
            feeder.finish()?;
            return Ok(u64::from(path.is_some()));
        }
        let worked = do_work(&mut feeder, &work);
        if worked.is_err() && feeder.leave_removed()? {
            do_work(&mut feeder, &work)?;
        } else {
            worked?;
        }
    }
    feeder.finish()?;
    Ok(0)
}

fn do_work(feeder: &mut Feeder, work: &Work) -> Result<()> {
    match work {
        Work::Join(session) => feeder.join(session),
        Work::Open(session, open) => feeder.grow(session.as_deref(), open),
        Work::Segment(session, segment) => feeder.segment(session.as_deref(), segment),
        Work::Disconnected(connection, _) => feeder.drain(*connection),
        Work::Path(path) => feeder.path(path),
    }
}
