//! The live stream for any number of viewers: `GET /live.ts`.

use std::time::Instant;

use anyhow::{Context as _, Result};
use cht_core::{
    http::{self, Answer, Body, Request, Service},
    live::{Broadcast, Bytes, Feed, Limits, Wake},
    process::report,
};

/// Serves viewers on a thread of its own.
pub(crate) fn serve(place: &str, broadcast: &Broadcast) -> Result<()> {
    let open = ("/live.ts", "any machine that reaches it can watch");
    let listener = http::bind("--http", place, "127.0.0.1:8080", open)?;
    let address = listener.local_addr().context("--http")?;
    let wake = Wake::new()?;
    let service = Live { broadcast: broadcast.clone(), wake: wake.clone() };
    http::serve(listener, service, Some(wake), "http").context("a thread for --http")?;
    report::note(format_args!("serving http://{address}/live.ts"));
    Ok(())
}

/// Answers viewers.
struct Live {
    broadcast: Broadcast,
    wake: Wake,
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
        Answer::stream("video/mp2t", Box::new(Viewer(feed)))
    }
}

/// One viewer.
#[derive(Debug)]
struct Viewer(Feed);

impl Body for Viewer {
    fn next(&mut self, now: Instant) -> Bytes {
        self.0.take(now)
    }
}
