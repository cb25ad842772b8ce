//! The newest video of a session that is being recorded, for any number of viewers: one thread
//! follows a session for all of them, and one waits for each.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use cht_core::{
    live::{self, Broadcast, Feed, Limits, StartPoint, Step, Tail, Wake, Wanted},
    process::{clock, lock::lock, report},
    session::Session,
};
use hyper::body::Bytes;
use rustix::event::{PollFd, PollFlags};
use tokio::sync::mpsc;

/// Longest wait before a viewer that is gone is noticed.
const LOOK: Duration = Duration::from_secs(1);

/// Sessions that have viewers.
#[derive(Debug, Clone, Default)]
pub(super) struct Streams(Arc<Mutex<HashMap<String, Broadcast>>>);

impl Streams {
    /// Joins the stream of a session: follows it, if there is no other viewer.
    pub(super) fn join(&self, session: &Session) -> io::Result<Viewer> {
        let mut streams = lock(&self.0);
        let wake = Wake::new()?;
        let known = streams.get(session.name()).cloned();
        let broadcast = known.clone().unwrap_or_default();
        let feed = Feed::live(&broadcast, Limits::NETWORK, &wake, clock::monotonic());
        if known.is_none() {
            let (all, session, broadcast) = (self.clone(), session.clone(), broadcast.clone());
            streams.insert(session.name().to_owned(), broadcast.clone());
            let thread = thread::Builder::new().name("live".to_owned());
            thread.spawn(move || all.follow(session, &broadcast))?;
        }
        Ok(Viewer { feed, wake })
    }

    /// Follows a session, to its end or that of its viewers.
    fn follow(&self, session: Session, broadcast: &Broadcast) {
        let name = session.name().to_owned();
        if let Err(error) = self.publish(session, broadcast) {
            report::warn(format_args!("{name}: {error}"));
        }
        // Under the lock: who joins from here on is told at once.
        lock(&self.0).remove(&name);
        broadcast.end();
    }

    fn publish(&self, session: Session, broadcast: &Broadcast) -> io::Result<()> {
        let start = StartPoint::live(&session, Wanted::default())?;
        let mut tail = Tail::new(session, start, Wanted::default())?;
        loop {
            match tail.step()? {
                Step::Piece(piece) => broadcast.publish(&piece, tail.summary()),
                Step::Nothing => {}
                Step::Ended => return Ok(()),
            }
            if !broadcast.has_viewers() {
                // One may be joining just now.
                let _streams = lock(&self.0);
                if !broadcast.has_viewers() {
                    return Ok(());
                }
            }
        }
    }
}

/// One viewer.
pub(super) struct Viewer {
    feed: Feed,
    wake: Wake,
}

impl Viewer {
    /// Sends the stream on a thread of its own, until it ends or the client leaves.
    pub(super) fn send(self, client: mpsc::Sender<Bytes>) -> io::Result<()> {
        let thread = thread::Builder::new().name("viewer".to_owned());
        thread.spawn(move || self.send_all(&client)).map(|_| ())
    }

    fn send_all(mut self, client: &mpsc::Sender<Bytes>) {
        while !client.is_closed() {
            match self.feed.take(clock::monotonic()) {
                live::Bytes::Some(bytes) if bytes.is_empty() => {}
                live::Bytes::Some(bytes) => {
                    if client.blocking_send(Bytes::from_owner(bytes)).is_err() {
                        return;
                    }
                }
                live::Bytes::Ended => return,
                live::Bytes::None => {
                    let mut wake = [PollFd::new(&self.wake, PollFlags::IN)];
                    if clock::wait_ready(&mut wake, Some(clock::monotonic() + LOOK)).is_err() {
                        return;
                    }
                    self.wake.clear();
                }
            }
        }
    }
}
