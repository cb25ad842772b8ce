//! The live stream for any number of viewers: `GET /live.ts`.

use std::time::Instant;

use anyhow::{Context as _, Result};
use cht_core::{
    http::{self, Answer, Body, Request, Service},
    live::{Broadcast, Bytes, Feed, LeftOut, Limits, Wake},
    process::report,
};

use crate::status::Losses;

/// Serves viewers on a thread of its own.
pub(crate) fn serve(place: &str, broadcast: &Broadcast) -> Result<()> {
    let open = ("/live.ts", "any machine that reaches it can watch");
    let listener = http::bind("--http", place, "127.0.0.1:8080", open)?;
    let address = listener.local_addr().context("--http")?;
    let wake = Wake::new()?;
    let losses = Losses::of("a viewer of --http");
    let service = Live { broadcast: broadcast.clone(), wake: wake.clone(), losses };
    http::serve(listener, service, Some(wake), "http").context("a thread for --http")?;
    report::note(format_args!("serving http://{address}/live.ts"));
    Ok(())
}

/// Answers viewers.
struct Live {
    broadcast: Broadcast,
    wake: Wake,
    losses: Losses,
}

impl Service for Live {
    fn answer(&mut self, request: &Request<'_>, now: Instant) -> Answer {
        let feed = match (request.method, request.path, request.query) {
            ("GET" | "HEAD", "/", _) => {
                return Answer::document("text/plain", "cht-monitor: the stream is at /live.ts\n");
            }
            ("GET" | "HEAD", "/live.ts", "as=recorded") => Feed::recorded,
            ("GET" | "HEAD", "/live.ts", _) => Feed::live,
            ("GET" | "HEAD", ..) => return Answer::status("404 Not Found"),
            _ => return Answer::status("405 Method Not Allowed"),
        };
        let feed = feed(&self.broadcast, Limits::NETWORK, &self.wake, now);
        let losses = self.losses.clone();
        let viewer = Viewer { feed, left_out: LeftOut::default(), losses };
        Answer::stream("video/mp2t", Box::new(viewer))
    }
}

/// One viewer.
#[derive(Debug)]
struct Viewer {
    feed: Feed,
    /// Amount left out of the feed so far.
    left_out: LeftOut,
    losses: Losses,
}

impl Body for Viewer {
    fn next(&mut self, now: Instant) -> Bytes {
        let bytes = self.feed.take(now);
        self.waits(now);
        bytes
    }

    fn waits(&mut self, now: Instant) {
        self.losses.watch(&mut self.left_out, self.feed.left_out(), now);
    }
}
