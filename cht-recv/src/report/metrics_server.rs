//! Serves metrics over a minimum of HTTP: `GET /metrics`, one answer, and the connection is closed.
//!
//! One thread serves all scrapers, a bounded number of them, and each for a bounded time. So
//! scrapers that hang keep no other out, and the recorder never waits for them.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use cht_core::process::clock;
use rustix::event::{PollFd, PollFlags};

use super::{counters::Counters, prometheus};
use crate::net::{self, RETRY_AFTER, is_passing};

/// Longest time for one scraper.
const LIMIT: Duration = Duration::from_secs(2);

/// Limit of scrapers at a time. One more ends another.
const SCRAPERS: usize = 32;

/// Length of the longest request, in bytes.
const HEAD: usize = 8 << 10;

/// Listens at `HOST:PORT`; without a host, at the loopback address.
pub(crate) fn bind(place: &str) -> Result<TcpListener> {
    let address = resolve(place)?;
    let listener = TcpListener::bind(address).with_context(|| {
        format!(
            "--metrics {place}: cannot listen on {address}; is another program listening there?"
        )
    })?;
    let url = format!("http://{address}/metrics");
    net::tell_if_open(&url, address.ip(), "any machine that reaches it can read the metrics");
    Ok(listener)
}

fn resolve(place: &str) -> Result<SocketAddr> {
    let wrong = || anyhow!("--metrics {place}: must be HOST:PORT, as 127.0.0.1:9444");
    net::resolve(place).map_err(|error| wrong().context(error))
}

/// Serves scrapers on a thread of its own, as long as the process lives. Returns the URL.
pub(crate) fn serve(listener: TcpListener, counters: Arc<Counters>) -> io::Result<String> {
    let url = format!("http://{}/metrics", listener.local_addr()?);
    listener.set_nonblocking(true)?;
    let server = Server { listener, resting: None, scrapers: Vec::new(), counters };
    thread::Builder::new().name("metrics".to_owned()).spawn(move || server.run())?;
    Ok(url)
}

/// A listener and its scrapers, oldest first.
#[derive(Debug)]
struct Server {
    listener: TcpListener,
    /// When a failed listener is tried again.
    resting: Option<Instant>,
    scrapers: Vec<Scraper>,
    counters: Arc<Counters>,
}

/// A connected scraper.
#[derive(Debug)]
struct Scraper {
    socket: TcpStream,
    /// The request, as far as it was received.
    head: Vec<u8>,
    /// The answer, and the number of bytes sent of it. Empty until the request is complete.
    answer: Vec<u8>,
    sent: usize,
    deadline: Instant,
}

impl Server {
    fn run(mut self) {
        loop {
            let ready = self.wait();
            let now = clock::monotonic();
            for at in ready.into_iter().rev() {
                // A scraper that was answered or has gone is done with.
                if !matches!(self.scrapers[at].step(&self.counters), Ok(false)) {
                    self.scrapers.remove(at);
                }
            }
            self.scrapers.retain(|scraper| now < scraper.deadline);
            self.accept(now);
        }
    }

    /// Waits until something can be done. Returns the indexes of the scrapers that can continue.
    fn wait(&self) -> Vec<usize> {
        let limit = self.scrapers.iter().map(|scraper| scraper.deadline).chain(self.resting).min();
        let listener = PollFd::new(&self.listener, PollFlags::IN);
        let mut descriptors: Vec<_> = self.scrapers.iter().map(Scraper::descriptor).collect();
        descriptors.extend(self.resting.is_none().then_some(listener));
        if clock::wait_ready(&mut descriptors, limit).is_err() {
            clock::rest(RETRY_AFTER);
        }
        let is_ready = |at: &usize| !descriptors[*at].revents().is_empty();
        (0..self.scrapers.len()).filter(is_ready).collect()
    }

    /// Accepts scrapers. One too many ends the oldest without a request, or else the oldest.
    fn accept(&mut self, now: Instant) {
        if self.resting.is_some_and(|until| until > now) {
            return;
        }
        self.resting = None;
        for _ in 0..SCRAPERS {
            let socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if is_passing(&error) => continue,
                Err(_) => {
                    self.resting = Some(now + RETRY_AFTER);
                    return;
                }
            };
            if socket.set_nonblocking(true).is_ok() {
                self.scrapers.push(Scraper {
                    socket,
                    head: Vec::new(),
                    answer: Vec::new(),
                    sent: 0,
                    deadline: now + LIMIT,
                });
            }
            if self.scrapers.len() > SCRAPERS {
                let silent = self.scrapers.iter().position(|scraper| scraper.head.is_empty());
                // The newest is among those without a request, and stays.
                self.scrapers.remove(silent.filter(|at| *at < SCRAPERS).unwrap_or(0));
            }
        }
    }
}

impl Scraper {
    fn descriptor(&self) -> PollFd<'_> {
        let flags = if self.answer.is_empty() { PollFlags::IN } else { PollFlags::OUT };
        PollFd::new(&self.socket, flags)
    }

    /// Continues to read or to write. Returns whether all is done.
    fn step(&mut self, counters: &Counters) -> io::Result<bool> {
        if self.answer.is_empty() {
            let mut buffer = [0; 1024];
            match self.socket.read(&mut buffer) {
                Ok(0) => return Ok(true),
                Ok(count) => self.head.extend_from_slice(&buffer[..count]),
                Err(error) if is_passing(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
            let too_long = || ("431 Request Header Fields Too Large", "text/plain", String::new());
            let response =
                respond(&self.head, counters).or_else(|| (self.head.len() >= HEAD).then(too_long));
            let Some((status, kind, body)) = response else { return Ok(false) };
            let length = body.len();
            self.answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
            .into_bytes();
        }
        match self.socket.write(&self.answer[self.sent..]) {
            Ok(count) => self.sent += count,
            Err(error) if is_passing(&error) => {}
            Err(error) => return Err(error),
        }
        if self.sent < self.answer.len() {
            return Ok(false);
        }
        self.socket.shutdown(Shutdown::Write)?;
        Ok(true)
    }
}

/// Returns status, content type and body for a request; `None` while it is incomplete.
fn respond(head: &[u8], counters: &Counters) -> Option<(&'static str, &'static str, String)> {
    let plain = |status| Some((status, "text/plain", format!("{status}\n")));
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Partial) => return None,
        Ok(httparse::Status::Complete(_)) => {}
        Err(_) => return plain("400 Bad Request"),
    }
    let path = request.path.unwrap_or_default().split('?').next();
    match (request.method, path) {
        (Some("GET"), Some("/metrics")) => {
            match prometheus::exposition(&counters.snapshot(clock::monotonic())) {
                Ok(text) => Some(("200 OK", prometheus::CONTENT_TYPE, text)),
                Err(_) => plain("500 Internal Server Error"),
            }
        }
        (Some("GET"), _) => plain("404 Not Found"),
        _ => plain("405 Method Not Allowed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_without_host_is_loopback() {
        let address = |text: &str| resolve(text).unwrap().to_string();
        assert_eq!(address(":9444"), "127.0.0.1:9444");
        assert_eq!(address("0.0.0.0:1"), "0.0.0.0:1");
        assert_eq!(address("[::1]:1"), "[::1]:1");
        for wrong in ["9444", "127.0.0.1", "http://127.0.0.1:1"] {
            assert!(resolve(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn incomplete_request_is_not_answered() {
        let counters = Counters::new(".".into(), clock::monotonic());
        let status = |head: &str| respond(head.as_bytes(), &counters).map(|(status, ..)| status);
        assert_eq!(status("GET /metrics HTTP/1.1\r\nHost: x\r\n"), None);
        assert_eq!(status("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), Some("200 OK"));
        assert_eq!(status("GET /metrics?a=b HTTP/1.0\r\n\r\n"), Some("200 OK"));
        assert_eq!(status("GET / HTTP/1.1\r\n\r\n"), Some("404 Not Found"));
        assert_eq!(status("POST /metrics HTTP/1.1\r\n\r\n"), Some("405 Method Not Allowed"));
        assert_eq!(status("\u{1}\u{2}\u{3} nonsense"), Some("400 Bad Request"));
    }
}
