//! In a pipe: reads events and paths on stdin, and examines the segments that were closed.

use std::{
    collections::HashMap,
    io::{BufReader, stdin},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event::{Body, Event},
    ndjson::{Line, Lines},
    process::{cli, signals},
    session::{Session, segment_log::SegmentLog},
};

use crate::{args::Args, emit::Emitter};

/// Runs to the end of stdin.
pub(crate) fn pass(args: &Args) -> Result<()> {
    cli::refuse_terminal("name segments or folders, or pipe the events of cht-recv into it")?;
    let interrupted = Arc::<AtomicBool>::default();
    let at_interrupt = Arc::clone(&interrupted);
    signals::on_interrupt(move || at_interrupt.store(true, Ordering::SeqCst))?;
    let mut emitter = Emitter::new(args.cache())?;
    // The last segment of each session: the recorder leaves events out when its reader stalls.
    let mut last = HashMap::new();
    for line in Lines::new(BufReader::new(stdin().lock())) {
        match line.context("stdin")? {
            Line::Event { raw, event } => {
                emitter.pass(&raw)?;
                let Some(Event { session, body: Body::SegmentClosed(closed) }) = event.map(|e| *e)
                else {
                    continue;
                };
                let session = session.unwrap_or_default();
                let before = last
                    .insert(session.clone(), closed.seq)
                    .unwrap_or(closed.seq.saturating_sub(1));
                catch_up(&mut emitter, &session, before + 1..closed.seq)?;
                emitter.segment(Path::new(&closed.path))?;
            }
            // A program that lists paths ends at Ctrl-C, with a thousand of them in the pipe.
            Line::Path(path) if interrupted.load(Ordering::SeqCst) => {
                let path = path.display();
                bail!("stopped by Ctrl-C before {path}; the same command starts over");
            }
            Line::Path(path) => emitter.segment(&path)?,
            Line::Bad(bad) => emitter.bad_line(&format!("stdin, {bad}"))?,
        }
        if emitter.is_closed() {
            return Ok(());
        }
    }
    for (session, seq) in last {
        catch_up(&mut emitter, &session, seq + 1..u64::MAX)?;
    }
    Ok(())
}

/// Examines segments that were recorded but not announced.
fn catch_up(emitter: &mut Emitter, session: &str, seqs: std::ops::Range<u64>) -> Result<()> {
    if seqs.is_empty() {
        return Ok(());
    }
    let Ok(session) = Session::open(Path::new(session)) else { return Ok(()) };
    let record = SegmentLog::of(&session);
    for seq in record.deleted().filter(|seq| seqs.contains(seq)) {
        // It is gone: opening it reports that.
        emitter.segment(&session.segment(seq))?;
    }
    for closed in record.kept().filter(|closed| seqs.contains(&closed.seq)) {
        emitter.event(&session.event(closed.clone()))?;
        emitter.segment(Path::new(&closed.path))?;
    }
    Ok(())
}
