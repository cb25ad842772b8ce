//! Thread that reads stdin: passes every event on at once, and queues its work.

use std::{
    borrow::Cow,
    io::{self, BufReader, stdin},
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use serde::{Deserialize, Serialize};

use super::{Backlog, Interrupt, Output, Stdout, Upstream};
use crate::{
    event::{Body, Event, Segment, SegmentOpen},
    ndjson::{Line, Lines},
};

/// Work for the thread that works on segments, in the order of stdin.
#[derive(Debug, Serialize, Deserialize)]
pub enum Work {
    /// A recorder has started or continued a session.
    Join(String),
    /// A segment of a session has begun to grow.
    Open(Option<String>, SegmentOpen),
    /// A segment is finished.
    Segment(Option<String>, Box<Segment>),
    /// A bare path of a finished segment.
    Path(PathBuf),
    /// The connection of this number has ended, so the decoder has to output what it holds; the
    /// second number counts the segments opened until then.
    Disconnected(u32, u64),
}

impl Work {
    /// Returns the path of a whole segment.
    #[must_use]
    pub fn path(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Segment(_, segment) => Some(Cow::Borrowed(&segment.path)),
            Self::Path(path) => Some(path.to_string_lossy()),
            _ => None,
        }
    }
}

/// Counts segments when they are announced, before the work on them begins.
pub trait Announced {
    /// Notes that a segment has begun to grow.
    fn open(&self, session: Option<&str>, open: &SegmentOpen);

    /// Returns the number of segments that began to grow so far.
    fn opened(&self) -> u64;
}

/// Stdin cannot be read, or stdout cannot be written to.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Stdin cannot be read.
    #[error("stdin")]
    Stdin(#[source] io::Error),
    /// Stdout cannot be written to.
    #[error(transparent)]
    Stdout(#[from] Stdout),
}

/// Thread that reads stdin.
#[derive(Debug)]
pub struct Reader<A> {
    /// Where events are passed on.
    pub output: Output,
    /// Counts announced segments.
    pub announced: A,
    /// Announced segments and the end of stdin.
    pub upstream: Arc<Upstream>,
    /// Where the work waits.
    pub backlog: Arc<Backlog<Work>>,
    /// Learns whether a recorder sends the events.
    pub interrupt: Arc<Interrupt>,
}

impl<A: Announced> Reader<A> {
    /// Reads stdin to its end, or until the queue takes no more work.
    pub fn run(&self) -> Result<(), ReadError> {
        let read = self.read();
        self.upstream.ended.store(true, Ordering::SeqCst);
        self.backlog.close();
        read
    }

    /// Passes every event on, then queues its work.
    fn read(&self) -> Result<(), ReadError> {
        for line in Lines::new(BufReader::new(stdin().lock())) {
            let is_taken = match line.map_err(ReadError::Stdin)? {
                Line::Event { raw, event } => {
                    let mut output = self.output.lock();
                    if self.backlog.is_abandoned() {
                        break;
                    }
                    output.pass(&raw).map_err(Stdout::from)?;
                    // Before the lock is released: a segment that was passed on is counted as left.
                    let work = event.and_then(|event| self.work(*event));
                    work.is_none_or(|work| self.backlog.push(work))
                }
                Line::Path(path) => self.backlog.push_slowly(Work::Path(path)),
                Line::Bad(bad) => {
                    self.output.fail(None, "bad_line", &format!("stdin, {bad}"), None)?;
                    true
                }
            };
            if !is_taken {
                // The other thread has ended.
                break;
            }
        }
        Ok(())
    }

    /// Notes an event, and returns the work that it brings.
    fn work(&self, Event { session, body }: Event) -> Option<Work> {
        let is_live =
            matches!(body, Body::Listening(_) | Body::Connected(_) | Body::SegmentOpen(_));
        if is_live {
            self.interrupt.set_live();
        }
        match body {
            Body::SegmentOpen(open) => {
                self.upstream.begin(&open.path);
                self.announced.open(session.as_deref(), &open);
                Some(Work::Open(session, open))
            }
            Body::SegmentClosed(closed) => {
                self.upstream.finish(&closed.path);
                None
            }
            Body::Segment(segment) => {
                self.upstream.finish(&segment.path);
                Some(Work::Segment(session, Box::new(segment)))
            }
            Body::Listening(_) | Body::Connected(_) => session.map(Work::Join),
            Body::Disconnected(ended) => {
                Some(Work::Disconnected(ended.connection, self.announced.opened()))
            }
            _ => None,
        }
    }
}
