//! Brings the stream to its viewers: a player, a FIFO, HTTP, or stdout.

use std::{
    fs::File,
    io::{ErrorKind, Write as _},
    process::ChildStdin,
    time::Duration,
};

use anyhow::{Context as _, Result};
use cht_core::{
    live::Broadcast,
    process::{clock, report},
    session::Session,
};

use crate::{
    args::Args,
    fifo, http,
    play::play,
    sessions::Sessions,
    source::{Live, Source},
    start::Starts,
    status::{Losses, Status},
    stream::{self, Recorded},
};

/// Longest time for which the end of the stream waits for viewers that have not got all of it.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// Shows the session until it ends, or the player, if it is the only viewer.
pub(crate) fn show(args: &Args) -> Result<()> {
    let (mut sessions, events) = Sessions::of(args)?;
    let shown = sessions.first().and_then(|first| show_from(args, sessions, first));
    if let Some(events) = events.filter(|_| !args.print_command) {
        events.finish()?;
    }
    shown
}

fn show_from(args: &Args, sessions: Sessions, first: Session) -> Result<()> {
    if args.print_command {
        return print_command(args, sessions, first);
    }
    if args.stdout {
        return to_stdout(Recorded::open(sessions, first, args.from, args.wanted())?);
    }
    let mut starts = Starts::new(args);
    if args.plays() {
        starts.check_display()?;
        starts.prepare()?;
    }
    if args.from.is_some() {
        let recorded = Recorded::open(sessions, first, args.from, args.wanted())?;
        return play(&mut starts, &mut Source::Recorded(Box::new(recorded)), args.restart);
    }
    let broadcast = Broadcast::default();
    let status = Status::default();
    if let Some(place) = &args.http {
        http::serve(place, &broadcast)?;
    }
    if let Some(path) = &args.fifo {
        fifo::make(path)?;
        let locked = fifo::lock(path)?;
        let status = if args.plays() { Status::default() } else { status.clone() };
        let losses = Losses::of(format!("the reader of {}", path.display()));
        fifo::serve(path.clone(), locked, Live::new(broadcast.clone(), status, losses)?)?;
    }
    status.show(broadcast.clone())?;
    let follower = stream::follow(sessions, first, args.wanted(), broadcast.clone())?;
    if args.plays() {
        let live = Live::new(broadcast.clone(), status, Losses::of("the player"))?;
        let played = play(&mut starts, &mut Source::Live(Box::new(live)), args.restart);
        if !args.serves() {
            played?;
            if !broadcast.has_ended() {
                return Ok(());
            }
        } else if let Err(error) = played {
            report::warn(format_args!("{error:#}"));
        }
        if !broadcast.has_ended() {
            report::note("the player was closed; other viewers are served on");
        }
    }
    let followed = follower.join().unwrap_or(Ok(()));
    drain(&broadcast);
    followed
}

/// Lets viewers take the end of the stream.
fn drain(broadcast: &Broadcast) {
    let limit = clock::monotonic() + LAST_WAIT;
    while !broadcast.is_drained() && clock::monotonic() < limit {
        clock::rest(Duration::from_millis(20));
    }
}

fn to_stdout(recorded: Recorded) -> Result<()> {
    let mut stdout = File::from(rustix::io::dup(rustix::stdio::stdout())?);
    let mut source = Source::Recorded(Box::new(recorded));
    while let Some(bytes) = source.next(Some(&stdout))? {
        match stdout.write_all(&bytes) {
            // The reader has gone.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            result => result.context("stdout")?,
        }
    }
    Ok(())
}

fn print_command(args: &Args, sessions: Sessions, first: Session) -> Result<()> {
    let mut source =
        Source::Recorded(Box::new(Recorded::open(sessions, first, args.from, args.wanted())?));
    source.next(None::<&ChildStdin>)?;
    let line = Starts::new(args).of(&source.summary())?.shell() + "\n";
    std::io::stdout().write_all(line.as_bytes()).context("stdout")
}
