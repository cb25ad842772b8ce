//! The journal of a session's index, read while cht-index appends to it.

use std::{collections::HashMap, fs::File, io, os::unix::fs::FileExt as _};

use anyhow::{Context as _, Result};
use cht_core::{
    event::{Body, Event, Frame},
    ndjson::MAX_LINE,
    session::{Moved, Session},
    storage::regular,
};

use super::{
    line::{self, Kind},
    own::Own,
};

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
    own: Own,
}

impl Journal {
    /// Opens the journal of `session`.
    pub(crate) fn open(session: &Session) -> Result<Self> {
        let path = session.index_journal();
        let file = match regular::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            file => Some(file.with_context(|| path.display().to_string())?),
        };
        let (moved, own) = (Moved::to(session.root())?, Own::of(session.root()));
        Ok(Self { session: session.clone(), file, moved, own })
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
        let mut buffer = vec![0; READ];
        // The buffer holds the file from `base` on; the line that is being read begins at `begin`,
        // before that if it is longer than any that counts.
        let (mut base, mut begin, mut filled) = (from, from, 0);
        loop {
            let count = read_at_most(file, &mut buffer[filled..], base + filled as u64)
                .with_context(|| self.session.index_journal().display().to_string())?;
            if count == 0 {
                return Ok(begin);
            }
            filled += count;
            let mut at = 0;
            while let Some(length) = memchr::memchr(b'\n', &buffer[at..filled]) {
                let end = base + (at + length) as u64 + 1;
                let is_whole = begin >= base && length <= MAX_LINE;
                let line = if is_whole { &buffer[at..at + length] } else { &[] };
                if !take(without_nul(line), begin, end) {
                    return Ok(end);
                }
                (begin, at) = (end, at + length + 1);
            }
            buffer.copy_within(at..filled, 0);
            (base, filled) = (base + at as u64, filled - at);
            if filled > MAX_LINE {
                (base, filled) = (base + filled as u64, 0);
            } else if filled == buffer.len() {
                buffer.resize(2 * filled, 0);
            }
        }
    }

    /// Returns the line of `length` bytes that begins at a byte.
    pub(crate) fn line_at(&self, begin: u64, length: usize) -> Result<Vec<u8>> {
        let mut line = vec![0; length];
        if let Some(file) = &self.file {
            let read = file.read_exact_at(&mut line, begin);
            read.with_context(|| self.session.index_journal().display().to_string())?;
        }
        Ok(line)
    }

    /// Returns the event on a line, with the present paths of its files. Paths that lead out of the
    /// session are left out; that of a picture is empty.
    pub(crate) fn event(&mut self, line: &[u8]) -> Option<Event> {
        let mut event = Event::parse(line).ok()??;
        self.moved.mend_event(&mut event);
        self.own.confine(&mut event);
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
        let named = || self.session.index_journal().display().to_string();
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

/// Returns a line without the NUL bytes that a crash has left before it.
fn without_nul(line: &[u8]) -> &[u8] {
    let blank = line.iter().take_while(|byte| **byte == 0).count();
    &line[blank..]
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
    use cht_core::storage::journal as stored;

    use super::*;

    #[test]
    fn lines_are_those_of_the_journal_however_they_lie_in_the_buffer() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["stream", "frames"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let path = folder.path().join("frames/index.ndjson");
        let mut text = b"one\n\0\0\0two\n\n".to_vec();
        for length in [READ - 30, 7, READ + 9, 3, MAX_LINE, 3 * MAX_LINE, 5, MAX_LINE + 1, READ] {
            text.resize(text.len() + length, b'a' + (length % 26) as u8);
            text.push(b'\n');
        }
        text.extend(b"torn");
        std::fs::write(&path, &text).unwrap();
        let journal = Journal::open(&Session::open(folder.path()).unwrap()).unwrap();
        for from in [0, 4] {
            let mut expected = stored::Lines::open(&path, from).unwrap();
            let end = journal.each_line(from, |line, begin, end| {
                assert_eq!(begin, expected.end());
                let known = expected.next().unwrap().unwrap();
                assert!((known.bytes, known.end) == (line, end), "{}", known.number);
                true
            });
            assert_eq!(end.unwrap(), text.len() as u64 - 4);
            assert!(expected.next().unwrap().is_none());
        }
    }

    #[test]
    fn last_frame_is_found_before_other_lines() {
        let frame = r#"{"v":1,"type":"frame","id":"F1"}"#;
        let text = format!("{frame}\n{{\"v\":1,\"type\":\"sent\",\"id\":\"F1\"}}\n{{\"v\":1");
        assert_eq!(last_frames(text.as_bytes(), true).collect::<Vec<_>>(), [frame.as_bytes()]);
        assert_eq!(last_frames(&text.as_bytes()[1..], false).count(), 0, "begins within the line");
        assert_eq!(last_frames(b"", true).count(), 0);
    }
}
