//! The journal of a session's index, read while cht-index appends to it.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::FileExt as _,
    path::PathBuf,
};

use anyhow::{Context as _, Result};
use cht_core::{
    event::{Body, Event, Frame},
    session::{Moved, Session},
    storage::{journal::Lines, regular},
};

use super::line::{self, Kind};

/// Length of a read, in bytes.
const READ: usize = 256 << 10;

/// Length of the end of the journal that is searched for the newest frame at first, in bytes.
const TAIL: u64 = 32 << 10;

/// The journal of a session. A session without an index has an empty one.
#[derive(Debug)]
pub(crate) struct Journal {
    pub session: Session,
    file: Option<File>,
    moved: Moved,
}

impl Journal {
    /// Opens the journal of `session`.
    pub(crate) fn open(session: &Session) -> Result<Self> {
        let path = path(session);
        let file = match regular::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            file => Some(file.with_context(|| path.display().to_string())?),
        };
        Ok(Self { session: session.clone(), file, moved: Moved::to(session.root())? })
    }

    /// Returns the open file, if there is one.
    pub(crate) fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// Calls `take` with each whole line from byte `from` on, where a line begins, and the bytes
    /// where it begins and ends, until that returns `false`. Returns the end of the last one.
    pub(crate) fn each_line(
        &self,
        from: u64,
        mut take: impl FnMut(&[u8], u64, u64) -> bool,
    ) -> Result<u64> {
        let Some(file) = &self.file else { return Ok(0) };
        let named = || path(&self.session).display().to_string();
        let input = From { file, at: from };
        let mut lines = Lines::new(BufReader::with_capacity(READ, input), from);
        let mut begin = from;
        while let Some(line) = lines.next().with_context(named)? {
            let end = line.end;
            if !take(line.bytes, begin, end) {
                return Ok(end);
            }
            begin = end;
        }
        Ok(begin)
    }

    /// Returns the event on a line, with the present paths of its files.
    pub(crate) fn event(&mut self, line: &[u8]) -> Option<Event> {
        let mut event = Event::parse(line).ok()??;
        if let Body::Frame(frame) = &mut event.body {
            self.moved.mend(&mut event.session, frame);
        }
        Some(event)
    }

    /// Returns the frame on a line, with its present paths.
    pub(crate) fn frame(&mut self, line: &[u8]) -> Option<Frame> {
        match self.event(line)?.body {
            Body::Frame(frame) => Some(frame),
            _ => None,
        }
    }

    /// Returns the newest frame.
    pub(crate) fn newest(&mut self) -> Result<Option<Frame>> {
        Ok(self.newest_frames(1)?.pop())
    }

    /// Returns the frames on the last `count` lines of frames, the newest first.
    pub(crate) fn newest_frames(&mut self, count: usize) -> Result<Vec<Frame>> {
        let Some(file) = &self.file else { return Ok(Vec::new()) };
        let named = || path(&self.session).display().to_string();
        let length = file.metadata().with_context(named)?.len();
        let mut tail = TAIL;
        loop {
            let begin = length.saturating_sub(tail);
            let mut bytes = vec![0; (length - begin) as usize];
            let read = read_at_most(file, &mut bytes, begin).with_context(named)?;
            let lines: Vec<_> = last_frames(&bytes[..read], begin == 0).take(count).collect();
            if lines.len() == count || begin == 0 {
                let lines: Vec<_> = lines.into_iter().map(<[u8]>::to_vec).collect();
                return Ok(lines.iter().filter_map(|line| self.frame(line)).collect());
            }
            tail = tail.saturating_mul(8);
        }
    }

    /// Returns the hash of each frame's picture, by the id, from the lines before byte `end`.
    pub(crate) fn hashes(&self, end: u64) -> Result<HashMap<String, String>> {
        let mut hashes = HashMap::new();
        self.each_line(0, |line, begin, _| {
            if begin < end && line::kind(line) == Kind::Frame {
                hashes.extend(line::id(line).zip(line::hash(line)));
            }
            begin < end
        })?;
        Ok(hashes)
    }
}

/// The bytes of a file from a place on. Several may read one file.
struct From<'a> {
    file: &'a File,
    at: u64,
}

impl Read for From<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Returns the path of the journal of a session.
pub(crate) fn path(session: &Session) -> PathBuf {
    session.frames().join("index.ndjson")
}

/// Reads until the buffer is full or the file ends.
fn read_at_most(file: &File, buffer: &mut [u8], from: u64) -> io::Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match file.read_at(&mut buffer[count..], from + count as u64) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// Returns the whole lines of frames in `bytes`, the last one first. The first line may be a part
/// of one unless `is_whole`.
fn last_frames(bytes: &[u8], is_whole: bool) -> impl Iterator<Item = &[u8]> {
    let mut end = memchr::memrchr(b'\n', bytes);
    let lines = std::iter::from_fn(move || {
        let at = end?;
        end = memchr::memrchr(b'\n', &bytes[..at]);
        let is_known = end.is_some() || is_whole;
        is_known.then(|| &bytes[end.map_or(0, |begin| begin + 1)..at])
    });
    lines.filter(|line| line::kind(line) == Kind::Frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_frame_is_found_before_other_lines() {
        let frame = r#"{"v":1,"type":"frame","id":"F1"}"#;
        let text = format!("{frame}\n{{\"v\":1,\"type\":\"sent\",\"id\":\"F1\"}}\n{{\"v\":1");
        assert_eq!(last_frames(text.as_bytes(), true).collect::<Vec<_>>(), [frame.as_bytes()]);
        assert_eq!(last_frames(&text.as_bytes()[1..], false).count(), 0, "begins within the line");
        assert_eq!(last_frames(b"", true).count(), 0);
    }
}
