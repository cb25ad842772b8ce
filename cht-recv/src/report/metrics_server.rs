//! Serves metrics: `GET /metrics`.

use std::{io, net::TcpListener, sync::Arc, time::Instant};

use anyhow::Result;
use cht_core::http::{self, Answer, Request, Service};

use super::{counters::Counters, prometheus};

/// Listens at `HOST:PORT`; without a host, at the loopback address.
pub(crate) fn bind(place: &str) -> Result<TcpListener> {
    let open = ("/metrics", "any machine that reaches it can read the metrics");
    Ok(http::bind("--metrics", place, "127.0.0.1:9444", open)?)
}

/// Serves scrapers on a thread of its own, as long as the process lives. Returns the URL.
pub(crate) fn serve(listener: TcpListener, counters: Arc<Counters>) -> io::Result<String> {
    let url = format!("http://{}/metrics", listener.local_addr()?);
    http::serve(listener, Metrics(counters), None, "metrics")?;
    Ok(url)
}

/// Answers scrapers.
struct Metrics(Arc<Counters>);

impl Service for Metrics {
    fn answer(&mut self, request: &Request<'_>, now: Instant) -> Answer {
        match (request.method, request.path) {
            ("GET", "/metrics") => match prometheus::exposition(&self.0.snapshot(now)) {
                Ok(text) => Answer::document(prometheus::CONTENT_TYPE, text),
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
    use cht_core::process::clock;

    #[test]
    fn metrics_are_at_one_path() {
        let now = clock::monotonic();
        let mut metrics = Metrics(Arc::new(Counters::new(".".into(), now)));
        let mut status =
            |method, path| metrics.answer(&Request { method, path, query: "" }, now).status;
        assert_eq!(status("GET", "/metrics"), "200 OK");
        assert_eq!(status("GET", "/"), "404 Not Found");
        assert_eq!(status("POST", "/metrics"), "405 Method Not Allowed");
    }
}
