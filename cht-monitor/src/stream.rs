//! The stream of one session after another: for live viewers, or as it was recorded.

use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result};
use cht_core::{
    live::{Broadcast, Bytes, Piece, StartPoint, Step, Summary, Tail, Wanted},
    process::report,
    session::Session,
};

use crate::{args::From, sessions::Sessions};

/// Follows the sessions on a thread of its own, for the viewers of `broadcast`.
pub(crate) fn follow(
    mut sessions: Sessions,
    first: Session,
    wanted: Wanted,
    broadcast: Broadcast,
) -> Result<JoinHandle<Result<()>>> {
    let thread = thread::Builder::new().name("stream".to_owned());
    let follower = thread.spawn(move || {
        let followed = publish(&mut sessions, first, wanted, &broadcast);
        broadcast.end();
        followed
    });
    follower.context("a thread for the stream")
}

fn publish(
    sessions: &mut Sessions,
    first: Session,
    wanted: Wanted,
    broadcast: &Broadcast,
) -> Result<()> {
    let mut next = Some(first);
    while let Some(session) = next {
        let mut tail = open(session, None, wanted)?;
        loop {
            match tail.step().context("the session")? {
                Step::Piece(piece) => broadcast.publish(&piece, tail.summary()),
                Step::Nothing => {}
                Step::Ended => break,
            }
        }
        next = sessions.next(tail.session())?;
    }
    Ok(())
}

/// Opens a session at a place; by default, now.
fn open(session: Session, from: Option<From>, wanted: Wanted) -> Result<Tail> {
    let start = match from {
        None => StartPoint::live(&session, wanted),
        Some(From::Start) => StartPoint::first(&session, wanted),
        Some(From::Seconds(seconds)) => StartPoint::at(&session, seconds, wanted),
    };
    let start = start.context("the session")?;
    report::note(format_args!("showing {} from segment {}", session.name(), start.seq));
    Ok(Tail::new(session, start, wanted)?)
}

/// The stream as it was recorded: nothing is left out, and a reader that stalls makes it wait.
pub(crate) struct Recorded {
    sessions: Sessions,
    wanted: Wanted,
    tail: Tail,
    begins: Begins,
    has_ended: bool,
}

/// What the next piece needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begins {
    /// Nothing: it continues.
    Not,
    /// Its tables.
    WithTables,
    /// To be a keyframe, with its tables.
    AtKeyframe,
}

impl Recorded {
    /// Begins at a place; by default, at the newest keyframe.
    pub(crate) fn open(
        sessions: Sessions,
        first: Session,
        from: Option<From>,
        wanted: Wanted,
    ) -> Result<Self> {
        let tail = open(first, from, wanted)?;
        let begins = if tail.is_entry() { Begins::WithTables } else { Begins::Not };
        Ok(Self { sessions, wanted, tail, begins, has_ended: false })
    }

    /// Makes the next bytes begin at a keyframe.
    pub(crate) fn begin_again(&mut self) {
        self.begins = Begins::AtKeyframe;
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(crate) fn summary(&self) -> Summary {
        self.tail.summary()
    }

    /// Returns the next bytes, or waits a moment for some.
    pub(crate) fn next(&mut self) -> Result<Bytes> {
        match self.tail.step().context("the session")? {
            Step::Piece(piece) => Ok(self.bytes_of(piece)),
            Step::Nothing => Ok(Bytes::None),
            Step::Ended => {
                let Some(next) = self.sessions.next(self.tail.session())? else {
                    self.has_ended = true;
                    return Ok(Bytes::Ended);
                };
                self.tail = open(next, Some(From::Start), self.wanted)?;
                Ok(Bytes::None)
            }
        }
    }

    fn bytes_of(&mut self, piece: Piece) -> Bytes {
        match (self.begins, piece.entry) {
            (Begins::AtKeyframe, None) => return Bytes::None,
            (Begins::WithTables | Begins::AtKeyframe, Some(tables)) => {
                self.begins = Begins::Not;
                return Bytes::Some([&*tables, &*piece.bytes].concat().into());
            }
            _ => self.begins = Begins::Not,
        }
        Bytes::Some(piece.bytes)
    }
}
