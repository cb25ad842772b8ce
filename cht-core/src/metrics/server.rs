//! Answers scrapers.

use std::{io, time::Instant};

use jiff::Timestamp;

use super::exposition::{CONTENT_TYPE, Exposition, Result};
use crate::{
    http::{self, Answer, BindError, Request, Service},
    process::clock,
};

/// Why metrics cannot be served.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum ServeError {
    /// The address cannot be listened at.
    Bind(#[from] BindError),
    /// The system gives no socket or no thread.
    System(#[from] io::Error),
}

/// Serves metrics at `HOST:PORT` on a thread of its own, as long as the process lives; without a
/// host, at the loopback address. `expose` adds the program's own to those that each has. Returns
/// the URL, with the real port.
pub fn serve(
    place: &str,
    example: &'static str,
    expose: impl FnMut(&Exposition, Instant) -> Result<()> + Send + 'static,
) -> std::result::Result<String, ServeError> {
    let open = ("/metrics", "any machine that reaches it can read the metrics");
    let listener = http::bind("--metrics", place, example, open)?;
    let url = format!("http://{}/metrics", listener.local_addr()?);
    http::serve(listener, Metrics { started: clock::wall(), expose }, None, "metrics")?;
    Ok(url)
}

struct Metrics<F> {
    started: Timestamp,
    expose: F,
}

impl<F: FnMut(&Exposition, Instant) -> Result<()> + Send + 'static> Metrics<F> {
    fn text(&mut self, now: Instant) -> Result<String> {
        let exposition = Exposition::of_process(self.started)?;
        (self.expose)(&exposition, now)?;
        exposition.text()
    }
}

impl<F: FnMut(&Exposition, Instant) -> Result<()> + Send + 'static> Service for Metrics<F> {
    fn answer(&mut self, request: &Request<'_>, now: Instant) -> Answer {
        match (request.method, request.path) {
            ("GET", "/metrics") => match self.text(now) {
                Ok(text) => Answer::document(CONTENT_TYPE, text),
                Err(_) => Answer::status("500 Internal Server Error"),
            },
            ("GET", _) => Answer::status("404 Not Found"),
            _ => Answer::status("405 Method Not Allowed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_at_one_path() {
        let now = clock::monotonic();
        let mut metrics = Metrics { started: clock::wall(), expose: |_: &Exposition, _| Ok(()) };
        let mut status =
            |method, path| metrics.answer(&Request { method, path, query: "" }, now).status;
        assert_eq!(status("GET", "/metrics"), "200 OK");
        assert_eq!(status("GET", "/"), "404 Not Found");
        assert_eq!(status("POST", "/metrics"), "405 Method Not Allowed");
    }
}
