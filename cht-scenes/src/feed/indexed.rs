//! Finds the last frame in the index next to the frames; reads its journal from the end.

use std::{io, path::Path};

use cht_core::{
    event::{Body, Event},
    storage::journal::Lines,
};

use crate::select::journal::number;

/// Length of the end that is read first, in bytes.
const TAIL: u64 = 64 << 10;

/// Returns the number of the last frame in the journal at `path`, or 0.
pub(super) fn last_indexed(path: &Path) -> u64 {
    let length = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let mut tail = TAIL;
    loop {
        let from = length.saturating_sub(tail);
        let found = last_after(path, from).ok().flatten();
        if found.is_some() || from == 0 {
            return found.unwrap_or(0);
        }
        tail = tail.saturating_mul(4);
    }
}

/// Returns the number of the last frame in the lines from byte `from` on, which may lie within a
/// line.
fn last_after(path: &Path, from: u64) -> io::Result<Option<u64>> {
    let mut lines = Lines::open(path, from)?;
    let mut last = None;
    while let Some(line) = lines.next()? {
        if let Ok(Some(event)) = Event::parse(line.bytes)
            && matches!(event.body, Body::Frame(_))
        {
            last = number(&event).or(last);
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_frame_before_many_marks_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(cht_core::session::INDEX_JOURNAL);
        assert_eq!(last_indexed(&path), 0);
        let frame = r#"{"v":1,"type":"frame","session":null,"id":"F000012","timestamp":0.0,"pts":0,"path":"/F.jpg","segment":"/1.ts","reason":"first","scores":{"scene":0.5},"width":2,"height":2,"bytes":1,"hash":""}"#;
        let mark = r#"{"v":1,"type":"sent","session":null,"id":"F000001"}"#;
        let lines = std::iter::once(frame).chain(std::iter::repeat_n(mark, 9000));
        let text: Vec<u8> = lines.flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect();
        std::fs::write(&path, text).unwrap();
        assert_eq!(last_indexed(&path), 12);
    }
}
