//! Lines of the journal by their place, read in large pieces: mostly, one follows another.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use crate::frames::Span;

/// Length of a read where one line follows another, in bytes.
const WINDOW: usize = 256 << 10;

/// Length of the read of a line elsewhere, in bytes: some of those after it may be wanted as well.
const FIRST: usize = 4 << 10;

/// Reads lines of a journal, and of a batch that is about to be appended to it.
#[derive(Debug)]
pub(crate) struct StoredLines<'a> {
    file: &'a File,
    /// Part of the file, and its first byte.
    window: Vec<u8>,
    begin: u64,
}

impl<'a> StoredLines<'a> {
    pub(crate) fn of(file: &'a File) -> Self {
        Self { file, window: Vec::new(), begin: 0 }
    }

    /// Returns the line at `span`.
    pub(crate) fn get(&mut self, span: Span) -> io::Result<&[u8]> {
        let length = span.length as usize;
        let within = |begin: u64, window: &[u8]| {
            let from = usize::try_from(span.offset.checked_sub(begin)?).ok()?;
            (from + length <= window.len()).then_some(from)
        };
        let from = if let Some(from) = within(self.begin, &self.window) {
            from
        } else {
            self.read(span.offset, length)?;
            0
        };
        Ok(&self.window[from..from + length])
    }

    /// Reads the window from `offset` on, with at least `length` bytes.
    fn read(&mut self, offset: u64, length: usize) -> io::Result<()> {
        // Lines between two may be of other frames or marks.
        let end = self.begin + self.window.len() as u64;
        let goes_on = (end..end + WINDOW as u64).contains(&(offset + length as u64));
        self.begin = offset;
        self.window.resize(length.max(if goes_on { WINDOW } else { FIRST }), 0);
        let mut read = 0;
        while read < length {
            match self.file.read_at(&mut self.window[read..], offset + read as u64) {
                Ok(0) => {
                    self.window.clear();
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.window.clear();
                    return Err(error);
                }
            }
        }
        self.window.truncate(read);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_in_any_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let lengths = [3, FIRST - 2, 7, WINDOW - 2, 7, 2 * WINDOW, 0];
        let mut text = Vec::new();
        let spans = (b'a'..).zip(lengths).map(|(letter, length)| {
            text.resize(text.len() + length, letter);
            text.push(b'\n');
            Span::before(text.len() as u64, length)
        });
        let spans: Vec<_> = spans.collect();
        std::fs::write(&path, &text).unwrap();
        let file = File::open(&path).unwrap();
        let mut lines = StoredLines::of(&file);
        for at in [0, 1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1, 0, 6, 0] {
            let line = lines.get(spans[at]).unwrap();
            assert_eq!((line.len(), line.first()), (lengths[at], line.last()), "{at}");
            assert!(line.iter().all(|byte| *byte == b'a' + at as u8), "{at}");
        }
        let beyond = Span { offset: text.len() as u64 - 1, length: 9 };
        assert_eq!(lines.get(beyond).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(lines.get(spans[0]).unwrap(), b"aaa");
    }
}
