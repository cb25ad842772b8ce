//! Requests and their answers.

use std::{
    fmt::{Debug, Write as _},
    time::Instant,
};

use crate::live::Bytes;

/// What a client asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// `GET`, `HEAD` …
    pub method: &'a str,
    /// Path, without the query.
    pub path: &'a str,
    /// What comes after `?`; empty if there is none.
    pub query: &'a str,
}

/// The answer to a request.
#[derive(Debug)]
pub struct Answer {
    /// Status code and reason.
    pub status: &'static str,
    /// Media type.
    pub kind: &'static str,
    /// Contents.
    pub content: Content,
    /// Seconds after which to ask again.
    pub retry_after: Option<u32>,
}

/// Seconds after which a client that found no room may ask again.
const RETRY_AFTER: u32 = 10;

/// Contents of an answer.
#[derive(Debug)]
pub enum Content {
    /// All of it.
    Document(Vec<u8>),
    /// As it comes.
    Stream(Box<dyn Body>),
}

/// A stream as contents of an answer.
pub trait Body: Debug + Send {
    /// Returns the next bytes. Never waits.
    fn next(&mut self, now: Instant) -> Bytes;

    /// Notes that there is more, and the client has not taken the bytes before it.
    fn waits(&mut self, _now: Instant) {}
}

/// Answers requests.
pub trait Service: Send + 'static {
    /// Returns the answer to a request.
    fn answer(&mut self, request: &Request<'_>, now: Instant) -> Answer;
}

impl Answer {
    /// Returns a document.
    #[must_use]
    pub fn document(kind: &'static str, text: impl Into<Vec<u8>>) -> Self {
        Self { status: "200 OK", kind, content: Content::Document(text.into()), retry_after: None }
    }

    /// Returns a stream.
    #[must_use]
    pub fn stream(kind: &'static str, body: Box<dyn Body>) -> Self {
        Self { status: "200 OK", kind, content: Content::Stream(body), retry_after: None }
    }

    /// Returns an answer that says its status alone.
    #[must_use]
    pub fn status(status: &'static str) -> Self {
        let text = format!("{status}\n").into_bytes();
        Self { status, kind: "text/plain", content: Content::Document(text), retry_after: None }
    }

    /// Returns the answer to a client for which there is no room now (RFC 9110 §15.6.4).
    pub(super) fn busy() -> Self {
        Self { retry_after: Some(RETRY_AFTER), ..Self::status("503 Service Unavailable") }
    }

    /// Returns the head of the answer as it is sent.
    pub(super) fn head(&self) -> String {
        let Self { status, kind, content, retry_after } = self;
        let mut more = match content {
            Content::Document(text) => format!("Content-Length: {}", text.len()),
            // To its end, at which the connection is closed (RFC 9112 §6.3).
            Content::Stream(_) => "Cache-Control: no-store".to_owned(),
        };
        if let Some(seconds) = retry_after {
            let _ = write!(more, "\r\nRetry-After: {seconds}");
        }
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{more}\r\nConnection: close\r\n\r\n")
    }
}

/// Returns the answer to the bytes of a request; `None` while it is incomplete.
pub(super) fn answer(head: &[u8], service: &mut dyn Service, now: Instant) -> Option<Answer> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Partial) => return None,
        Ok(httparse::Status::Complete(_)) => {}
        Err(_) => return Some(Answer::status("400 Bad Request")),
    }
    let target = request.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let method = request.method.unwrap_or_default();
    Some(service.answer(&Request { method, path, query }, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Echo;

    impl Service for Echo {
        fn answer(&mut self, request: &Request<'_>, _: Instant) -> Answer {
            Answer::document("text/plain", format!("{request:?}"))
        }
    }

    #[test]
    fn incomplete_request_is_not_answered() {
        let now = crate::process::clock::monotonic();
        let ask = |head: &str| {
            let answer = answer(head.as_bytes(), &mut Echo, now)?;
            let Content::Document(text) = &answer.content else { panic!("{answer:?}") };
            Some((answer.status, String::from_utf8(text.clone()).unwrap()))
        };
        assert_eq!(ask("GET /metrics HTTP/1.1\r\nHost: x\r\n"), None);
        let (status, text) = ask("GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!(status, "200 OK");
        assert!(text.contains("path: \"/a\", query: \"b=c\""), "{text}");
        assert_eq!(ask("\u{1}\u{2}\u{3} nonsense").unwrap().0, "400 Bad Request");
    }
}
