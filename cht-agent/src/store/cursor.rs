//! Places in the journal, as readers keep them.

use std::{fmt, fs::File, io, os::unix::fs::FileExt as _, str::FromStr};

/// Bytes before the place that its check covers: the end of a line, with the hash of its picture.
const COVERED: u64 = 512;

/// A place in the journal of one session.
///
/// It holds in a moved or copied session, since it names bytes and no file, and it is noticed where
/// it does not hold: its check is a hash of the bytes before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Frames that begin before this byte were given.
    pub frames: u64,
    /// Text and speech before this byte were given, as far as they belong to those frames.
    pub words: u64,
    /// Check of the bytes before `frames`, and of the number `words`.
    check: u32,
}

impl Cursor {
    /// Returns the cursor at two ends of lines in the journal `file`.
    pub(crate) fn at(file: &File, frames: u64, words: u64) -> io::Result<Self> {
        let words = words.max(frames);
        Ok(Self { frames, words, check: check(file, frames, words)? })
    }

    /// Tells whether it is a place in the journal `file`, and not in the one before it.
    pub(crate) fn holds(&self, file: &File) -> io::Result<bool> {
        if self.is_start() {
            return Ok(true);
        }
        if self.frames > self.words || self.words > file.metadata()?.len() {
            return Ok(false);
        }
        Ok(check(file, self.frames, self.words)? == self.check)
    }

    /// Tells whether it is the beginning of any journal, also of one that is not there yet.
    pub(crate) fn is_start(&self) -> bool {
        self.words == 0
    }
}

/// Returns the check of the bytes before `end`, and of the number `words`.
fn check(file: &File, end: u64, words: u64) -> io::Result<u32> {
    let begin = end.saturating_sub(COVERED);
    let mut bytes = vec![0; (end - begin) as usize];
    file.read_exact_at(&mut bytes, begin)?;
    // Without words beyond the frames, the bytes alone say all.
    if words > end {
        bytes.extend(words.to_be_bytes());
    }
    let hash = blake3::hash(&bytes);
    let [a, b, c, d, ..] = *hash.as_bytes();
    Ok(u32::from_be_bytes([a, b, c, d]))
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{:08x}", self.frames, self.words, self.check)
    }
}

/// Text that is no cursor.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?}: no cursor; give the `cursor` of an answer as it is")]
pub(crate) struct NoCursor(String);

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let mut parts = text.split('.');
        let mut part = || parts.next().filter(|part| part.bytes().all(|b| b.is_ascii_hexdigit()));
        let parsed = (|| {
            let (frames, words) = (part()?.parse().ok()?, part()?.parse().ok()?);
            let check = u32::from_str_radix(part().filter(|part| part.len() == 8)?, 16).ok()?;
            Some(Self { frames, words, check })
        })();
        let parsed =
            parsed.filter(|cursor| parts.next().is_none() && cursor.frames <= cursor.words);
        parsed.ok_or_else(|| NoCursor(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        std::fs::write(&path, text).unwrap();
        File::open(path).unwrap()
    }

    fn words_at(frames: u64, words: u64) -> Cursor {
        Cursor::at(&file("one\ntwo\n"), frames, words).unwrap()
    }

    #[test]
    fn cursor_is_read_as_it_was_written() {
        let cursor = Cursor::at(&file("one\ntwo\n"), 4, 8).unwrap();
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for wrong in
            ["", "4", "4.8", "4.8.0", "8.4.00000000", "4.8.0000000g", "-1.8.00000000", "F1"]
        {
            assert!(wrong.parse::<Cursor>().is_err(), "{wrong}");
        }
        let longer = format!("{cursor}.1");
        assert!(longer.parse::<Cursor>().is_err());
    }

    #[test]
    fn cursor_holds_in_a_journal_that_grew_and_in_no_other() {
        let cursor = Cursor::at(&file("one\ntwo\n"), 8, 8).unwrap();
        assert!(cursor.holds(&file("one\ntwo\nthree\n")).unwrap());
        assert!(!cursor.holds(&file("one\nTwo\nthree\n")).unwrap());
        assert!(!cursor.holds(&file("one\n")).unwrap());
        let words = Cursor::at(&file("one\ntwo\n"), 4, 8).unwrap();
        assert!(words.holds(&file("one\ntwo\nthree\n")).unwrap());
        assert!(!words.holds(&file("one\n")).unwrap(), "its words are gone");
        for (frames, words) in [(4, 4), (4, u64::MAX), (4, 7), (8, 8), (0, 8), (0, u64::MAX)] {
            let forged = Cursor { frames, words, ..words_at(4, 8) };
            assert!(!forged.holds(&file("one\ntwo\n")).unwrap(), "{forged}");
        }
        for start in [Cursor::default(), Cursor::at(&file(""), 0, 0).unwrap()] {
            assert!(start.holds(&file("anything\n")).unwrap());
        }
    }
}
