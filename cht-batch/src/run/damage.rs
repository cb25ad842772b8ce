//! Damage of a file: what ffmpeg says of one that it has copied, and what it does not say.

use std::{io, os::unix::fs::FileExt as _, path::Path};

use cht_core::storage::regular;

/// Words of ffmpeg about a file that ends early or holds garbage; it says as much about time stamps
/// that do no harm.
const DAMAGE: [&str; 12] = [
    "prematurely",
    "partial file",
    "exceeds containing",
    "inside parent with finite size",
    "as first byte of an ebml number",
    "packet mismatch",
    "truncat",
    "corrupt",
    "invalid data",
    "invalid nal",
    "error during demuxing",
    "error while decoding",
];

/// Returns what ffmpeg found wrong with a file that it has copied.
pub(super) fn damage(has_succeeded: bool, said: &str) -> Option<String> {
    let is_damage = |line: &&str| {
        let line = line.to_ascii_lowercase();
        DAMAGE.iter().any(|words| line.contains(words))
    };
    let first = said.lines().find(is_damage).or_else(|| said.lines().next());
    // Its `[matroska @ 0x55d5] [error]` differs each time.
    let words = |line: &str| line.rsplit_once("] ").map_or(line, |(_, rest)| rest).to_owned();
    let words = first.map_or_else(|| "it said nothing".to_owned(), words);
    let is_damaged = !has_succeeded || said.lines().any(|line| is_damage(&line));
    is_damaged
        .then(|| format!("ends early, or is damaged; used as far as ffmpeg reads it ({words})"))
}

/// Returns whether an AVI file is shorter than its header says: ffmpeg reads the rest without a
/// word. It is a sequence of RIFF chunks, each with its size.
pub(super) fn avi_ends_early(path: &Path) -> io::Result<bool> {
    let file = regular::open(path)?;
    let length = file.metadata()?.len();
    let mut at = 0;
    while at < length {
        let mut head = [0; 12];
        if file.read_exact_at(&mut head, at).is_err() || !head.starts_with(b"RIFF") {
            // A recorder that was killed has written no size; anything may follow a whole file.
            return Ok(at > 0 && at <= 12);
        }
        if at == 0 && head[8..] != *b"AVI " {
            return Ok(false);
        }
        let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        at += 8 + u64::from(size) + u64::from(size % 2);
    }
    // The last byte may be one of padding.
    Ok(at > length + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_told_from_words_that_do_no_harm() {
        let early = "[matroska,webm @ 0x5582b4d21980] [error] File ended prematurely\n";
        let expected =
            "ends early, or is damaged; used as far as ffmpeg reads it (File ended prematurely)";
        assert_eq!(damage(true, early).as_deref(), Some(expected));
        let harmless =
            "[mpegts @ 0x1] Application provided invalid, non monotonically increasing dts\n";
        assert_eq!(damage(true, harmless), None);
        assert_eq!(damage(true, &(harmless.to_owned() + early)).as_deref(), Some(expected));
        assert_eq!(damage(true, ""), None);
        assert!(damage(false, "").is_some());
    }

    #[test]
    fn avi_that_is_shorter_than_its_header_says_ends_early() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let chunk = |kind: &[u8], size: u32, content: usize| {
            [b"RIFF", &size.to_le_bytes()[..], kind, &vec![0; content]].concat()
        };
        for (content, ends_early) in [
            (chunk(b"AVI ", 20, 16), false),
            (chunk(b"AVI ", 19, 15), false),
            (chunk(b"AVI ", 20, 9), true),
            // A recorder that was killed.
            (chunk(b"AVI ", 0, 99), true),
            ([chunk(b"AVI ", 20, 16), chunk(b"AVIX", 8, 4)].concat(), false),
            ([chunk(b"AVI ", 20, 16), chunk(b"AVIX", 8, 2)].concat(), true),
            ([chunk(b"AVI ", 20, 16), vec![0; 99]].concat(), false),
            (b"\0\0\x01\xba and more".to_vec(), false),
        ] {
            std::fs::write(&path, &content).unwrap();
            assert_eq!(avi_ends_early(&path).unwrap(), ends_early, "{content:?}");
        }
    }
}
