//! `next`: the frames that a reader has not acknowledged.

use std::{
    os::fd::AsFd,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use cht_core::{
    process::clock,
    session::{Session, SessionError},
};
use rustix::event::{PollFd, PollFlags};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    sessions::{Newest, Place},
    store::{
        ids,
        journal::Journal,
        state::{Reader, State},
    },
    unread::{self, Batch},
    view::{FrameView, LateText, QUOTED, Speech},
    wait::Waiter,
};

/// Length of the journal that a look at it may read again each time, in bytes. Beyond that, what
/// marks acknowledge is saved.
const MAX_REREAD: u64 = 1 << 20;

/// Frames that a reader has not acknowledged.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// The session's folder.
    pub session: String,
    /// Name of the reader.
    pub reader: String,
    /// The frames, oldest first.
    pub frames: Vec<FrameView>,
    /// Quotations: texts that came after their frames were given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late_text: Vec<LateText>,
    /// Quotations: speech that came after the frame on the screen was given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late_speech: Vec<Speech>,
    /// Place after these frames: acknowledges them all.
    pub cursor: String,
    /// How far this is from what happens now.
    pub lag: Lag,
    /// Ids of these frames whose picture is gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missed: Vec<String>,
    /// The index was started over: everything is given once more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restarted: bool,
    /// Some of the words were left out, to keep the answer short.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shortened: bool,
    /// What `text` and `speech` are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
    /// How to go on.
    pub next: String,
}

/// Distance from what happens now.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Lag {
    /// Whether the session is being recorded.
    pub live: bool,
    /// Frames after these that are not acknowledged.
    pub frames: u64,
    /// Seconds of the session from the last of these frames to the newest one.
    pub seconds: f64,
    /// The newest frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<Newest>,
}

/// A question.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub reader: Reader,
    /// Largest number of frames.
    pub limit: usize,
    /// How long to wait for a frame.
    pub wait: Duration,
}

/// Returns what the reader has not acknowledged; waits for it as long as it may.
/// Fails if `stop` becomes readable while it waits.
pub(crate) fn answer(place: &Place, asked: &Asked, stop: Option<&dyn AsFd>) -> Result<Answer> {
    let deadline = clock::monotonic().checked_add(asked.wait);
    let rest = || deadline.map_or(asked.wait, |it| it.saturating_duration_since(now()));
    loop {
        let named = place.session.is_none().then_some(place.sessions.as_path());
        // Watched before it is looked at: nothing that comes in between is missed.
        let session = match place.session() {
            Err(error) if rest().is_zero() || !is_absence(&error) => return Err(error),
            session => session.ok(),
        };
        let waiter = Waiter::new(session.as_ref(), named);
        if let Some(session) = session {
            let answer = look(&session, asked)?;
            if !answer.frames.is_empty() || rest().is_zero() {
                return Ok(answer);
            }
        }
        waiter.wait(stop, rest())?;
        if stop.is_some_and(is_readable) {
            bail!("cancelled");
        }
    }
}

/// Tells whether a descriptor is readable.
fn is_readable(descriptor: &dyn AsFd) -> bool {
    let mut descriptors = [PollFd::from_borrowed_fd(descriptor.as_fd(), PollFlags::IN)];
    let looked = clock::wait_ready(&mut descriptors, Some(now()));
    looked.is_ok() && !descriptors[0].revents().is_empty()
}

fn now() -> Instant {
    clock::monotonic()
}

/// Tells whether there is no session, and may be one later.
fn is_absence(error: &anyhow::Error) -> bool {
    !matches!(error.downcast_ref::<SessionError>(), Some(SessionError::Path(_)))
}

/// Returns what the reader has not acknowledged in `session` now.
fn look(session: &Session, asked: &Asked) -> Result<Answer> {
    let reader = &asked.reader;
    let mut journal = Journal::open(session)?;
    let state = State::read(&journal, reader)?;
    let from = state.cursor.frames;
    let marks =
        if reader.is_agent() { unread::marks(&mut journal, from)? } else { unread::Marks::new() };
    let batch = unread::read(&mut journal, &state, &marks, asked.limit)?;
    if batch.acknowledged_to > from.saturating_add(MAX_REREAD) {
        // Only saves time: a session that cannot be written is read again.
        let _ = crate::ack::pass(session, reader, batch.acknowledged_to, clock::wall());
    }
    let newest = journal.newest()?;
    let acknowledged =
        state.frames.len() + marks.keys().filter(|id| !state.frames.contains(id)).count() as u64;
    let given = batch.frames.len() as u64;
    let all = newest.as_ref().and_then(|frame| ids::number(&frame.id)).unwrap_or(0);
    let seconds = match (&newest, batch.frames.last()) {
        (Some(newest), Some(last)) => (newest.timestamp - last.frame.timestamp).max(0.0),
        _ => 0.0,
    };
    let lag = Lag {
        live: session.is_recording(),
        frames: all.saturating_sub(acknowledged + given),
        seconds,
        newest: newest.as_ref().map(|frame| Newest::of(frame, clock::wall())),
    };
    Ok(Answer::of(session, reader, &batch, lag, state.restarted))
}

impl Answer {
    fn of(session: &Session, reader: &Reader, batch: &Batch, lag: Lag, restarted: bool) -> Self {
        let frames: Vec<_> = batch.frames.iter().map(FrameView::of_unread).collect();
        let late_text: Vec<_> = batch.late_texts.iter().map(LateText::of).collect();
        let late_speech: Vec<_> = batch.late_speech.iter().map(Speech::of).collect();
        let has_words = frames.iter().any(|frame| frame.text.is_some() || !frame.speech.is_empty());
        let has_late = !late_text.is_empty() || !late_speech.is_empty();
        let next = match (frames.is_empty() && !has_late, lag.live) {
            (false, _) => {
                "acknowledge them when you have processed them (`ack` with this cursor), \
                           then ask for the next ones; what is not acknowledged is given again"
            }
            (true, true) => "nothing new: ask again, and wait",
            (true, false) => "nothing new, and nothing is being recorded: all was given",
        };
        Self {
            session: session.name().to_owned(),
            reader: reader.name().to_owned(),
            missed: frames.iter().filter(|it| it.missing).map(|it| it.id.clone()).collect(),
            notice: (has_words || has_late).then(|| QUOTED.to_owned()),
            frames,
            late_text,
            late_speech,
            cursor: batch.cursor.to_string(),
            lag,
            restarted,
            shortened: false,
            next: next.to_owned(),
        }
    }
}
