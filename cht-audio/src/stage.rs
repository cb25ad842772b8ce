//! Runs the stage: one thread reads stdin and passes events on, so that no later stage waits for
//! decoding; another feeds the decoder.

use std::{panic::AssertUnwindSafe, sync::Arc};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event::SegmentOpen,
    process::{cli, signals},
    stage::{Announced, Backlog, Interrupt, Output, Reader, Upstream, Work},
};

use crate::{args::Args, feed::feeder::Feeder};

/// Runs the stage to the end of its input.
pub(crate) fn run(args: Args) -> Result<()> {
    if args.min > args.max {
        bail!("--min {} is longer than --max {}; give a shorter one", args.min, args.max);
    }
    let output = Output::open()?;
    cli::refuse_terminal("pipe events or paths into it, as in `ls *.ts | cht-audio --out audio`")?;
    let backlog = Arc::new(Backlog::new());
    let interrupt = Arc::new(Interrupt::default());
    let (interrupted, queue) = (Arc::clone(&interrupt), Arc::clone(&backlog));
    signals::on_interrupt(move || {
        interrupted.interrupt(queue.waiting());
    })?;
    let upstream = Arc::new(Upstream::default());
    let feeder = Feeder::new(args, output.clone(), Arc::clone(&upstream))?;
    let reader = Reader {
        output: output.clone(),
        announced: Uncounted,
        upstream,
        backlog: Arc::clone(&backlog),
        interrupt: Arc::clone(&interrupt),
    };
    let reader = std::thread::spawn(move || reader.run().map_err(anyhow::Error::from));
    let worked = std::panic::catch_unwind(AssertUnwindSafe(|| feed(feeder, &backlog, &interrupt)))
        .unwrap_or_else(|_| bail!("the feeding thread panicked"));
    // The reader may wait for room.
    backlog.abandon();
    // If both threads fail, the feeder's error is the cause. After Ctrl-C, stdin need not end.
    match worked? {
        None => reader.join().unwrap_or_else(|_| bail!("the reading thread panicked")),
        Some(left) => {
            // Lets the reader finish the line that it is passing on.
            drop(output.lock());
            bail!(
                "stopped by Ctrl-C with {left} segments left; the same command goes on with them, without --overwrite"
            )
        }
    }
}

/// Segments are not counted when they are announced.
struct Uncounted;

impl Announced for Uncounted {
    fn open(&self, _session: Option<&str>, _open: &SegmentOpen) {}

    fn opened(&self) -> u64 {
        0
    }
}

/// Feeds the work to decoders. Returns the number of segments that Ctrl-C left to the next run.
fn feed(mut feeder: Feeder, backlog: &Backlog<Work>, interrupt: &Interrupt) -> Result<Option<u64>> {
    while let Some(work) = backlog.pop_or(&mut || ()).context("segments that wait")? {
        let path = work.path().map(std::borrow::Cow::into_owned);
        if !interrupt.begin(path.as_deref()) {
            feeder.finish()?;
            return Ok(Some(u64::from(path.is_some()) + backlog.waiting()));
        }
        match work {
            Work::Join(session) => feeder.join(&session)?,
            Work::Open(session, open) => feeder.grow(session.as_deref(), &open)?,
            Work::Segment(session, segment) => feeder.segment(session.as_deref(), &segment)?,
            Work::Disconnected(connection, _) => feeder.drain(connection)?,
            Work::Path(path) => feeder.path(&path)?,
        }
    }
    feeder.finish()?;
    Ok(None)
}
