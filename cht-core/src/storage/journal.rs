//! Journals: files of JSON lines that one writer appends to and that survive kills, full disks and
//! crashes.
//!
//! One rule holds for every journal: **a line ends with `\n`, or it is not there.** A kill or a
//! full disk tears the last line; a crash of the file system may leave NUL bytes at the end.
//! [`Lines`] never returns such a tail, and [`Journal`] cuts it off before it appends, so that it
//! cannot swallow the next line. A line in the middle that cannot be used is skipped and counted
//! ([`Skipped`]); the lines after it count.
//!
//! Reading:
//! ```
//! # let folder = tempfile::tempdir()?; let path = folder.path().join("j.ndjson");
//! # std::fs::write(&path, "{\"a\":1}\n{\"a\":")?;
//! use cht_core::storage::journal::{Lines, Skipped};
//! let (mut lines, mut skipped) = (Lines::open(&path, 0)?, Skipped::default());
//! while let Some(line) = lines.next()? {
//!     match serde_json::from_slice::<serde_json::Value>(line.bytes) {
//!         Ok(value) => assert_eq!(value["a"], 1),
//!         Err(error) => skipped.add(line.number, error),
//!     }
//! }
//! skipped.warn(&path);
//! let resume_here = lines.end();
//! # assert_eq!(resume_here, 8);
//! # Ok::<(), std::io::Error>(())
//! ```
//! Writing: [`Journal::open`], a lock if two processes may come ([`Journal::file`]),
//! [`Journal::append_durably`].

use std::{
    fmt::Display,
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Seek as _, SeekFrom},
    os::unix::fs::FileExt as _,
    path::Path,
};

use super::durable;
use crate::{ndjson::MAX_LINE, process::report};

/// Length of a read of lines, in bytes.
const BLOCK: usize = 64 << 10;

/// Length of a read while searching for the last newline, in bytes.
const STEP: u64 = 4096;

/// A line of a journal, without its newline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number, from 1 where reading began.
    pub number: u64,
    /// Its text, without NUL bytes that a crash has left before it. Empty for a line longer than
    /// [`MAX_LINE`], which no parser takes for an entry.
    pub bytes: &'a [u8],
    /// Where it ends in the file, newline included.
    pub end: u64,
}

/// Reads the whole lines of a journal. A line that is still being written is left for a later
/// reader.
#[derive(Debug)]
pub struct Lines<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
    end: u64,
}

impl Lines<BufReader<File>> {
    /// Opens the journal at `path` and reads on at byte `from`, where a line begins. A file shorter
    /// than `from` gives no lines. Anything but a regular file is an error.
    pub fn open(path: &Path, from: u64) -> io::Result<Self> {
        let mut file = durable::open_to_read(path)?;
        file.seek(SeekFrom::Start(from))?;
        Ok(Self::new(BufReader::with_capacity(BLOCK, file), from))
    }
}

impl<R: BufRead> Lines<R> {
    /// Reads lines from `input`, whose first byte is byte `from` of the journal.
    pub fn new(input: R, from: u64) -> Self {
        Self { input, line: Vec::new(), number: 0, end: from }
    }

    /// Returns the next whole line; `None` after the last one. To read on when the file has grown,
    /// open it again at [`Lines::end`].
    #[expect(clippy::should_implement_trait, reason = "it lends the line from its buffer")]
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut length = 0;
        loop {
            let available = match self.input.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                return Ok(None);
            }
            let newline = memchr::memchr(b'\n', available);
            let (part, taken) = match newline {
                Some(at) => (&available[..at], at + 1),
                None => (available, available.len()),
            };
            // NUL bytes before the text: a crash has left them, and an entry was appended.
            let blank = if self.line.is_empty() {
                part.iter().take_while(|&&byte| byte == 0).count()
            } else {
                0
            };
            if self.line.len() + part.len() - blank > MAX_LINE {
                // Remembered by a length that no line has that is kept.
                self.line.truncate(MAX_LINE);
                self.line.resize(MAX_LINE + 1, 0);
            } else if self.line.len() <= MAX_LINE {
                self.line.extend_from_slice(&part[blank..]);
            }
            length += taken as u64;
            self.input.consume(taken);
            if newline.is_some() {
                break;
            }
        }
        self.number += 1;
        self.end += length;
        if self.line.len() > MAX_LINE {
            self.line.clear();
        }
        Ok(Some(Line { number: self.number, bytes: &self.line, end: self.end }))
    }

    /// Returns where the last line that was returned ends: where a later reader goes on.
    pub fn end(&self) -> u64 {
        self.end
    }
}

/// Lines that could not be used, to be reported in one message.
#[derive(Debug, Default)]
pub struct Skipped {
    count: u64,
    first: Option<(u64, String)>,
}

impl Skipped {
    /// Counts the line `number`, which cannot be used because of `why`.
    pub fn add(&mut self, number: u64, why: impl Display) {
        self.count += 1;
        self.first.get_or_insert_with(|| (number, why.to_string()));
    }

    /// Returns the number of lines that were skipped.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Warns of them, if there are any.
    pub fn warn(&self, path: &Path) {
        let Some((number, why)) = &self.first else { return };
        report::warn(format_args!(
            "{}: damaged lines were skipped: {}; the first is line {number} ({why})",
            path.display(),
            self.count
        ));
    }
}

/// A journal, opened by its one writer.
#[derive(Debug)]
pub struct Journal {
    file: File,
    /// End of the last whole line.
    end: u64,
    /// An append failed, and its remains could not be cut off.
    torn: bool,
}

impl Journal {
    /// Opens the journal at `path`, or creates it. Changes nothing in it: a torn tail goes with the
    /// first append. A symbolic link or anything else that is no regular file is an error.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).read(true).write(true).truncate(false);
        let file = durable::open(path, &mut options)?;
        let length = file.metadata()?.len();
        if length == 0 {
            // Made just now: its name has to survive as its lines do.
            durable::sync_folder_of(path)?;
        }
        let end = last_newline(&file, length)?;
        Ok(Self { file, end, torn: false })
    }

    /// Returns the open file, to lock it.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Returns where the last whole line ends.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Reads the lines from byte `from` on, where a line begins.
    pub fn lines(&self, from: u64) -> io::Result<Lines<BufReader<&File>>> {
        (&self.file).seek(SeekFrom::Start(from))?;
        Ok(Lines::new(BufReader::with_capacity(BLOCK, &self.file), from))
    }

    /// Removes everything after byte `end`, where a line ends.
    pub fn cut(&mut self, end: u64) -> io::Result<()> {
        self.file.set_len(end)?;
        (self.end, self.torn) = (end, false);
        Ok(())
    }

    /// Appends whole lines with one write, after cutting off a torn end. After an error the journal
    /// is as before, or the next append makes it so.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        debug_assert!(lines.ends_with(b"\n"), "whole lines");
        self.mend()?;
        let written = self.file.write_all_at(lines, self.end);
        self.settle(written, lines.len())
    }

    /// Does the same, and the lines are on the disk when it returns.
    pub fn append_durably(&mut self, lines: &[u8]) -> io::Result<()> {
        debug_assert!(lines.ends_with(b"\n"), "whole lines");
        self.mend()?;
        let written = self.file.write_all_at(lines, self.end).and_then(|()| self.file.sync_data());
        self.settle(written, lines.len())
    }

    /// Makes the file end with the last whole line. Another writer may have had it in the meantime.
    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            // Also whole lines whose sync failed: the caller appends them again.
            self.file.set_len(self.end)?;
            self.torn = false;
        }
        let length = self.file.metadata()?.len();
        if length != self.end {
            self.end = last_newline(&self.file, length)?;
            if length != self.end {
                self.file.set_len(self.end)?;
            }
        }
        Ok(())
    }

    fn settle(&mut self, written: io::Result<()>, length: usize) -> io::Result<()> {
        match written {
            Ok(()) => self.end += length as u64,
            Err(_) => self.torn = self.file.set_len(self.end).is_err(),
        }
        written
    }
}

/// Returns the end of the last whole line among the first `length` bytes.
fn last_newline(file: &File, length: u64) -> io::Result<u64> {
    let mut buffer = [0; STEP as usize];
    let mut end = length;
    // Usually the last byte is it.
    let mut step = 1;
    while end > 0 {
        let begin = end.saturating_sub(step);
        let part = &mut buffer[..(end - begin) as usize];
        file.read_exact_at(part, begin)?;
        if let Some(at) = part.iter().rposition(|&byte| byte == b'\n') {
            return Ok(begin + at as u64 + 1);
        }
        (end, step) = (begin, STEP);
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, u64) {
        // A tiny buffer, so that lines cross its end.
        let mut lines = Lines::new(BufReader::with_capacity(7, bytes), 0);
        let mut read = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            read.push(line.bytes.to_vec());
        }
        (read, lines.end())
    }

    #[test]
    fn line_without_newline_is_not_read() {
        assert_eq!(read(b"{\"a\":1}\n{\"b\":2}"), (vec![b"{\"a\":1}".to_vec()], 8));
        assert_eq!(read(b"x\n\0\0\0"), (vec![b"x".to_vec()], 2));
        assert_eq!(read(b""), (vec![], 0));
    }

    #[test]
    fn nul_bytes_before_a_line_are_no_part_of_it() {
        assert_eq!(read(b"a\n\0\0\0\0\0\0\0\0\0{}\nb\n").0, [&b"a"[..], b"{}", b"b"]);
    }

    #[test]
    fn long_line_is_empty_and_the_next_is_read() {
        let mut text = b"a\n".to_vec();
        text.extend(vec![b'{'; 3 * MAX_LINE]);
        text.extend(b"\nb\n");
        let mut lines = Lines::new(&text[..], 0);
        let mut read = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            read.push(line.bytes.to_vec());
        }
        assert_eq!(read, [&b"a"[..], b"", b"b"]);
        assert!(lines.line.capacity() < 3 * MAX_LINE, "{}", lines.line.capacity());
        assert_eq!(lines.end(), text.len() as u64);
    }

    #[test]
    fn torn_tail_is_cut_before_the_next_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.ndjson");
        let long = "x".repeat(3 * STEP as usize);
        for tail in ["", "{\"b\"", "{\"b\":2}", "\0\0\0", &long] {
            std::fs::write(&path, format!("{{\"a\":1}}\n{tail}")).unwrap();
            let mut journal = Journal::open(&path).unwrap();
            assert_eq!(journal.end(), 8);
            assert_eq!(std::fs::read(&path).unwrap().len(), 8 + tail.len(), "not before it writes");
            journal.append(b"{\"c\":3}\n").unwrap();
            journal.append_durably(b"{\"d\":4}\n").unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"{\"a\":1}\n{\"c\":3}\n{\"d\":4}\n");
        }
    }

    #[test]
    fn another_writer_in_the_meantime_keeps_its_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.ndjson");
        let (mut one, mut two) = (Journal::open(&path).unwrap(), Journal::open(&path).unwrap());
        one.append(b"1\n").unwrap();
        two.append(b"2\n").unwrap();
        one.append(b"3\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"1\n2\n3\n");
    }

    #[test]
    fn growing_journal_is_read_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.ndjson");
        std::fs::write(&path, "1\n2").unwrap();
        let mut lines = Lines::open(&path, 0).unwrap();
        assert_eq!(lines.next().unwrap().unwrap().bytes, b"1");
        assert!(lines.next().unwrap().is_none());
        File::options().append(true).open(&path).unwrap().write_all(b"2\n3\n").unwrap();
        let mut lines = Lines::open(&path, lines.end()).unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), Line { number: 1, bytes: b"22", end: 5 });
    }

    #[test]
    fn link_is_not_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let (path, outside) = (folder.path().join("j.ndjson"), folder.path().join("outside"));
        std::fs::write(&outside, "precious").unwrap();
        std::os::unix::fs::symlink(&outside, &path).unwrap();
        assert!(Journal::open(&path).is_err());
    }

    #[test]
    fn fifo_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.ndjson");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert!(Lines::open(&path, 0).is_err() && Journal::open(&path).is_err());
    }

    #[test]
    fn refused_append_leaves_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.ndjson");
        std::fs::write(&path, "1\n").unwrap();
        let file = File::open(&path).unwrap();
        // Not opened for writing: the write is refused.
        let mut journal = Journal { file, end: 2, torn: false };
        assert!(journal.append(b"2\n").is_err());
        journal.file = File::options().read(true).write(true).open(&path).unwrap();
        journal.append(b"3\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"1\n3\n");
    }

    proptest! {
        #[test]
        fn whole_lines_are_those_that_end_with_newline(
            bytes in prop::collection::vec(prop::sample::select(&b"\n\0a{"[..]), 0..64)
        ) {
            let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
            let (lines, end) = read(&bytes);
            prop_assert_eq!(end, whole as u64);
            let expected: Vec<Vec<u8>> = bytes[..whole]
                .split_inclusive(|&byte| byte == b'\n')
                .map(|line| line.iter().copied().skip_while(|&byte| byte == 0))
                .map(|line| line.filter(|&byte| byte != b'\n').collect())
                .collect();
            prop_assert_eq!(lines, expected);
        }
    }
}
