//! What happens in a session, as server-sent events: one for each item, and `reset` where the index
//! was started over. The id of an event is the position after it, so a browser that was away asks
//! for those that follow its last one.

use std::{collections::HashMap, sync::Arc, thread, time::Duration};

use anyhow::Result;
use cht_core::{
    process::{lock::lock, report},
    session::{
        Session,
        watch::{LOOK_AGAIN, Watch},
    },
};
use hyper::body::Bytes;
use tokio::{
    sync::{mpsc, watch},
    task::spawn_blocking,
    time::sleep,
};

use crate::{
    item::Item,
    source::{Position, Source},
};

/// Bytes of a journal that are read for one client at a time.
const READ: u64 = 64 << 10;

/// Longest silence: a client that is gone is noticed when something is written to it.
const BEAT: Duration = Duration::from_secs(15);

/// Time after which a browser connects again.
const BEGIN: &[u8] = b"retry: 1000\n\n";

/// Sessions that are watched, one thread each, for as long as clients follow them.
#[derive(Debug, Clone, Default)]
pub(super) struct Watched(Arc<std::sync::Mutex<HashMap<String, watch::Sender<u64>>>>);

impl Watched {
    /// Returns a counter of the looks that are worth taking at a session.
    pub(super) fn of(&self, session: &Session) -> Result<watch::Receiver<u64>> {
        let mut watched = lock(&self.0);
        if let Some(looks) = watched.get(session.name()) {
            return Ok(looks.subscribe());
        }
        let (looks, receiver) = watch::channel(0);
        let (all, session, sender) = (self.clone(), session.clone(), looks.clone());
        watched.insert(session.name().to_owned(), looks);
        let thread = thread::Builder::new().name("watch".to_owned());
        thread.spawn(move || all.watch(&session, &sender))?;
        Ok(receiver)
    }

    /// Watches a session until no client follows it.
    fn watch(&self, session: &Session, looks: &watch::Sender<u64>) {
        let watch = Watch::new();
        loop {
            // Files and folders may be made later.
            let _ = watch.add(&session.index_journal());
            for folder in [session.frames(), session.stream(), session.agent()] {
                let _ = watch.add_names(&folder);
            }
            looks.send_modify(|count| *count += 1);
            if let Err(error) = watch.wait(None, LOOK_AGAIN) {
                report::warn(format_args!("{}: {error}", session.name()));
            }
            let mut watched = lock(&self.0);
            if looks.receiver_count() == 0 {
                watched.remove(session.name());
                return;
            }
        }
    }
}

/// Sends what follows a position, until the client leaves.
pub(super) async fn send(
    source: Source,
    from: Position,
    mut looks: watch::Receiver<u64>,
    client: mpsc::Sender<Bytes>,
) {
    let mut follower = Follower { source, at: from, present: Vec::new() };
    if client.send(Bytes::from_static(BEGIN)).await.is_err() {
        return;
    }
    loop {
        looks.borrow_and_update();
        let read = spawn_blocking(move || {
            let read = follower.read();
            (follower, read)
        });
        let Ok((same, read)) = read.await else { return };
        follower = same;
        if !read.text.is_empty() && client.send(read.text.into()).await.is_err() {
            return;
        }
        match read.next {
            Next::More => continue,
            Next::End => return,
            Next::Wait => {}
        }
        tokio::select! {
            changed = looks.changed() => if changed.is_err() { return },
            () = client.closed() => return,
            () = sleep(BEAT) => {
                let beat = client.send(Bytes::from_static(b":\n\n"));
                if beat.await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Reads for one client.
struct Follower {
    source: Source,
    at: Position,
    /// Items about now that the client has.
    present: Vec<Item>,
}

/// Events for a client.
struct Read {
    text: Vec<u8>,
    next: Next,
}

enum Next {
    More,
    Wait,
    End,
}

impl Follower {
    fn read(&mut self) -> Read {
        let batch = match self.source.read_on(self.at, READ) {
            Ok(Some(batch)) => batch,
            Ok(None) => return Read { text: b"event: reset\ndata:\n\n".to_vec(), next: Next::End },
            Err(error) => {
                report::warn(format_args!("{error:#}"));
                return Read { text: Vec::new(), next: Next::End };
            }
        };
        self.at = batch.end;
        let mut text = Vec::new();
        for (position, item) in batch.items {
            write(&mut text, Some(position), &item);
        }
        if batch.is_partial {
            return Read { text, next: Next::More };
        }
        let present = self.source.present();
        for item in present.iter().filter(|item| !self.present.iter().any(|it| is_same(it, item))) {
            write(&mut text, None, item);
        }
        self.present = present;
        Read { text, next: Next::Wait }
    }
}

/// Tells whether a client that has `before` knows all of `item`.
fn is_same(before: &Item, item: &Item) -> bool {
    match (before, item) {
        // The clock goes on by itself.
        (Item::State { live, .. }, Item::State { live: now, .. }) => live == now,
        _ => before == item,
    }
}

/// Appends an event.
fn write(text: &mut Vec<u8>, id: Option<Position>, item: &Item) {
    if let Some(id) = id {
        text.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    text.extend_from_slice(b"data: ");
    // JSON has no line breaks of its own.
    text.extend(serde_json::to_vec(item).unwrap_or_default());
    text.extend_from_slice(b"\n\n");
}
