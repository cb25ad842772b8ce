//! The few words of HTTP that a scraper speaks: `GET /metrics`, one answer, and the connection is closed.
//!
//! One scraper is served at a time, and not for long. So those that hang, however many, take one thread and one
//! descriptor, and the recorder never waits for them.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use cht_core::clock;

use crate::{address, health::Health, metrics};

/// How long one scraper may take.
const LIMIT: Duration = Duration::from_secs(2);

/// The longest request that is read.
const HEAD: usize = 8 << 10;

/// How long a listener that fails is left alone: mostly this process has too many files open.
const REST: Duration = Duration::from_secs(1);

/// Listens at `HOST:PORT`; without a host, at the loopback address.
pub(crate) fn bind(place: &str) -> Result<TcpListener> {
    let address = resolve(place)?;
    let listener = TcpListener::bind(address).with_context(|| {
        format!(
            "--metrics {place}: cannot listen on {address}; is another program listening there?"
        )
    })?;
    let url = format!("http://{address}/metrics");
    address::tell_if_open(&url, address.ip(), "whoever reaches it can read the numbers");
    Ok(listener)
}

fn resolve(place: &str) -> Result<SocketAddr> {
    let wrong = || anyhow!("--metrics {place}: must be HOST:PORT, as 127.0.0.1:9444");
    let full = if place.starts_with(':') { format!("127.0.0.1{place}") } else { place.to_owned() };
    let mut addresses = full.to_socket_addrs().map_err(|error| wrong().context(error))?;
    addresses.next().ok_or_else(wrong)
}

/// Serves scrapers on a thread of its own, as long as the process lives. Returns where.
pub(crate) fn serve(listener: TcpListener, health: Arc<Health>) -> io::Result<String> {
    let url = format!("http://{}/metrics", listener.local_addr()?);
    thread::Builder::new().name("metrics".to_owned()).spawn(move || {
        loop {
            match listener.accept() {
                // A scraper that has gone or is too slow is its own affair.
                Ok((socket, _)) => drop(answer(socket, &health)),
                Err(_) => clock::rest(REST),
            }
        }
    })?;
    Ok(url)
}

/// Reads one request and answers it.
fn answer(mut socket: TcpStream, health: &Health) -> io::Result<()> {
    let deadline = clock::monotonic() + LIMIT;
    let mut head = vec![0; HEAD];
    let mut length = 0;
    let (status, kind, body) = loop {
        socket.set_read_timeout(Some(left(deadline)?))?;
        match socket.read(&mut head[length..])? {
            0 => return Ok(()),
            count => length += count,
        }
        if let Some(response) = respond(&head[..length], health) {
            break response;
        }
        if length == HEAD {
            break ("431 Request Header Fields Too Large", "text/plain", String::new());
        }
    };
    socket.set_write_timeout(Some(left(deadline)?))?;
    let length = body.len();
    let response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    socket.write_all(response.as_bytes())?;
    socket.shutdown(Shutdown::Write)
}

/// Status, content type and body for a request; `None` while it is not complete.
fn respond(head: &[u8], health: &Health) -> Option<(&'static str, &'static str, String)> {
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
            match metrics::exposition(&health.snapshot(clock::monotonic())) {
                Ok(text) => Some(("200 OK", metrics::CONTENT_TYPE, text)),
                Err(_) => plain("500 Internal Server Error"),
            }
        }
        (Some("GET"), _) => plain("404 Not Found"),
        _ => plain("405 Method Not Allowed"),
    }
}

/// The time until `deadline`, which must not be zero for a socket.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(clock::monotonic());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_unless_told_otherwise() {
        let address = |text: &str| resolve(text).unwrap().to_string();
        assert_eq!(address(":9444"), "127.0.0.1:9444");
        assert_eq!(address("0.0.0.0:1"), "0.0.0.0:1");
        assert_eq!(address("[::1]:1"), "[::1]:1");
        for wrong in ["9444", "127.0.0.1", "http://127.0.0.1:1"] {
            assert!(resolve(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_whole_requests_are_answered() {
        let health = Health::new(".".into(), clock::monotonic());
        let status = |head: &str| respond(head.as_bytes(), &health).map(|(status, ..)| status);
        assert_eq!(status("GET /metrics HTTP/1.1\r\nHost: x\r\n"), None);
        assert_eq!(status("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), Some("200 OK"));
        assert_eq!(status("GET /metrics?a=b HTTP/1.0\r\n\r\n"), Some("200 OK"));
        assert_eq!(status("GET / HTTP/1.1\r\n\r\n"), Some("404 Not Found"));
        assert_eq!(status("POST /metrics HTTP/1.1\r\n\r\n"), Some("405 Method Not Allowed"));
        assert_eq!(status("\u{1}\u{2}\u{3} nonsense"), Some("400 Bad Request"));
    }
}
