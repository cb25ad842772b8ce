//! NDJSON in and out: the lines between the stages.
//!
//! Reading is forgiving (CRLF, blank lines, bare paths, unknown types), capped (a line longer than
//! [`MAX_LINE`] is skipped to its end, not stored) and never ends at a bad line. Writing is one
//! `write` per line, at once, so that the lines of several writers do not mix and no reader waits
//! for a buffer to fill. Only at a terminal, people get a table instead ([`crate::terminal`]).

use std::{
    io::{self, BufRead, Write},
    os::unix::ffi::OsStrExt as _,
    path::PathBuf,
};

use crate::{
    event::{Event, Failure, ParseError},
    process::{report, status},
    terminal::{Rows, Screen},
};

/// Longest line that is read, in bytes: far above any event of cht.
pub const MAX_LINE: usize = 1 << 20;

/// One line of input.
#[derive(Debug)]
pub enum Line {
    /// An event. `raw` is the line as it came, with its newline, to be passed on unchanged.
    Event {
        /// The line.
        raw: Vec<u8>,
        /// Event; `None` for a type that this version does not know.
        event: Option<Box<Event>>,
    },
    /// A bare path: a line that does not begin with `{`.
    Path(PathBuf),
    /// A line that is neither.
    Bad(BadLine),
}

/// A line that could not be used.
#[derive(Debug, thiserror::Error)]
pub enum BadLine {
    /// It begins like an event, and is none that this version can read.
    #[error("line {number}: {error}")]
    Parse {
        /// Its number, from 1.
        number: u64,
        /// Error.
        error: ParseError,
    },
    /// It is longer than [`MAX_LINE`].
    #[error("line {number}: longer than {MAX_LINE} bytes, skipped")]
    TooLong {
        /// Its number, from 1.
        number: u64,
    },
}

/// An input that can report whether it holds a line.
pub trait Buffered {
    /// Tells whether a whole line is here that was not taken yet.
    fn has_line(&self) -> bool;
}

impl<R> Buffered for io::BufReader<R> {
    fn has_line(&self) -> bool {
        self.buffer().contains(&b'\n')
    }
}

/// Reads lines; an iterator that ends at the end of the input.
#[derive(Debug)]
pub struct Lines<R> {
    input: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// Reads lines from `input`.
    pub fn new(input: R) -> Self {
        Self { input, number: 0 }
    }

    /// Tells whether another line is already here, so that it comes without waiting.
    pub fn has_line(&self) -> bool
    where
        R: Buffered,
    {
        self.input.has_line()
    }

    /// Reads up to the next newline or the end. `None` at the end; `Err(())` inside for a long
    /// line.
    fn read_line(&mut self) -> io::Result<Option<Result<Vec<u8>, ()>>> {
        let mut line = Vec::new();
        let mut too_long = false;
        loop {
            let available = match self.input.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                let nothing = line.is_empty() && !too_long;
                return Ok((!nothing).then_some(if too_long { Err(()) } else { Ok(line) }));
            }
            let (part, ends) = match available.iter().position(|&b| b == b'\n') {
                Some(at) => (&available[..=at], true),
                None => (available, false),
            };
            too_long |= line.len() + part.len() > MAX_LINE;
            if too_long {
                line = Vec::new();
            } else {
                line.extend_from_slice(part);
            }
            let used = part.len();
            self.input.consume(used);
            if ends {
                return Ok(Some(if too_long { Err(()) } else { Ok(line) }));
            }
        }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.number += 1;
            let number = self.number;
            let mut raw = match self.read_line() {
                Err(error) => return Some(Err(error)),
                Ok(None) => return None,
                Ok(Some(Err(()))) => return Some(Ok(Line::Bad(BadLine::TooLong { number }))),
                Ok(Some(Ok(raw))) => raw,
            };
            let text = raw.trim_ascii();
            if text.is_empty() {
                continue;
            }
            if text[0] != b'{' {
                // Spaces may belong to a file's name; only the line's end is taken off.
                let end = raw.strip_suffix(b"\n").unwrap_or(&raw);
                let end = end.strip_suffix(b"\r").unwrap_or(end);
                return Some(Ok(Line::Path(std::ffi::OsStr::from_bytes(end).into())));
            }
            return Some(Ok(match Event::parse(text) {
                Ok(event) => {
                    if !raw.ends_with(b"\n") {
                        raw.push(b'\n');
                    }
                    Line::Event { raw, event: event.map(Box::new) }
                }
                Err(error) => Line::Bad(BadLine::Parse { number, error }),
            }));
        }
    }
}

/// Writes lines, each with one `write` call and at once.
///
/// After the reader has gone, further lines are dropped; [`Writer::closed`] reports it.
#[derive(Debug)]
pub struct Writer<W> {
    output: W,
    closed: bool,
    /// Where people read the events.
    screen: Option<Screen>,
}

impl<W: Write> Writer<W> {
    /// Writes to `output`, which must not buffer across lines.
    pub fn new(output: W) -> Self {
        Self { output, closed: false, screen: None }
    }

    /// Writes an event. Of one whose line is longer than the next stage reads, an `error` event
    /// stands in its place.
    pub fn emit(&mut self, event: &Event) -> io::Result<()> {
        let line = event.to_line();
        if line.len() <= MAX_LINE {
            return self.pass(&line);
        }
        let message = format!(
            "an event of {} bytes is longer than the next stage reads ({MAX_LINE}); left out",
            line.len()
        );
        self.fail(event.session.as_deref(), "too_long", &message, None)
    }

    /// Writes a line that came from elsewhere, unchanged; on a screen, the row of its event.
    pub fn pass(&mut self, line: &[u8]) -> io::Result<()> {
        match self.screen.as_mut().and_then(|screen| screen.take(line)) {
            None => self.write(line),
            Some(rows) if rows.is_empty() => Ok(()),
            Some(rows) => status::around(|| self.write(&rows)),
        }
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        match self.output.write_all(line).and_then(|()| self.output.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            result => result,
        }
    }

    /// Emits an `error` event and prints the same to stderr; the run goes on ([`report::warn`]).
    pub fn fail(
        &mut self,
        session: Option<&str>,
        code: &str,
        message: &str,
        path: Option<&str>,
    ) -> io::Result<()> {
        self.emit(&failure(session, code, message, path))
    }

    /// Tells whether the reader has gone.
    pub fn closed(&self) -> bool {
        self.closed
    }
}

/// Reports a problem on stderr ([`report::warn`]), and returns its `error` event.
#[must_use]
pub fn failure(session: Option<&str>, code: &str, message: &str, path: Option<&str>) -> Event {
    report::warn(message);
    let failure = Failure {
        stage: report::stage().to_owned(),
        code: code.to_owned(),
        message: message.to_owned(),
        path: path.map(str::to_owned),
    };
    Event::new(session.map(str::to_owned), failure)
}

/// Returns standard output for the events of a stage. On a terminal, people read those of `rows` as
/// a table, unless they asked for JSON.
pub fn stdout_of_stage(rows: Rows) -> io::Result<Writer<std::fs::File>> {
    Ok(Writer { screen: Screen::of_stage(rows), ..stdout()? })
}

/// Returns standard output for events. Rust's own `Stdout` looks for newlines; this writes straight
/// through.
pub fn stdout() -> io::Result<Writer<std::fs::File>> {
    // Not for the programs that we start: the next stage would wait for their end, too.
    let descriptor = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 0)?;
    Ok(Writer::new(descriptor.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<Line> {
        // A tiny buffer, so that lines cross its end.
        Lines::new(io::BufReader::with_capacity(7, text)).map(Result::unwrap).collect()
    }

    #[test]
    fn crlf_blank_lines_and_a_missing_last_newline() {
        let lines = read(b"\r\n\n{\"v\":1,\"type\":\"dream\"}\r\n  \n/a b.ts\r\n/c.ts");
        assert!(matches!(&lines[0], Line::Event { raw, event: None } if raw.ends_with(b"}\r\n")));
        assert!(matches!(&lines[1], Line::Path(path) if path.as_os_str() == "/a b.ts"));
        assert!(matches!(&lines[2], Line::Path(path) if path.as_os_str() == "/c.ts"));
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn bad_line_is_numbered_and_the_next_is_read() {
        let mut text = b"{\"v\":1\n".to_vec();
        text.extend(vec![b'{'; MAX_LINE + 1]);
        text.extend(b"\nx.ts\n");
        let lines = read(&text);
        assert!(matches!(lines[0], Line::Bad(BadLine::Parse { number: 1, .. })));
        assert!(matches!(lines[1], Line::Bad(BadLine::TooLong { number: 2 })));
        assert!(matches!(lines[2], Line::Path(_)));
    }

    #[test]
    fn event_longer_than_a_line_may_be_becomes_an_error() {
        let failure = |message| Failure {
            stage: "test".to_owned(),
            code: "test".to_owned(),
            message,
            path: None,
        };
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        writer.emit(&Event::new(None, failure("x".repeat(MAX_LINE)))).unwrap();
        writer.emit(&Event::new(None, failure("short".to_owned()))).unwrap();
        let lines = read(&out);
        let code = |line: &Line| match line {
            Line::Event { event: Some(event), .. } => match &event.body {
                crate::event::Body::Failure(failure) => failure.code.clone(),
                _ => String::new(),
            },
            _ => String::new(),
        };
        assert_eq!(lines.iter().map(code).collect::<Vec<_>>(), ["too_long", "test"]);
    }

    #[test]
    fn reader_that_has_gone_is_no_error() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut writer = Writer::new(Gone);
        writer.pass(b"{}\n").unwrap();
        assert!(writer.closed());
    }
}
