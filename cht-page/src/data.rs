//! The file of data of a page: everything known of a session when it was written.
//!
//! It is a script and no JSON, because a page that was opened from a file may load scripts only.

use std::io::Write as _;

use anyhow::{Result, bail};
use serde::Serialize;

use crate::{
    assets,
    item::Item,
    source::{Position, Source},
    streams::Streams,
};

/// Bytes of a journal that are read at a time.
const READ: u64 = 16 << 20;

/// What stands before the items.
#[derive(Debug, Serialize)]
struct Head<'a> {
    /// Name of the session's folder.
    name: &'a str,
    /// Its path on the machine that made the page, for command lines.
    folder: &'a str,
    /// Path of the session's folder from the page on, with a slash.
    base: &'a str,
    /// Whether a server sends what follows.
    served: bool,
    /// Whether the server takes marks.
    marks: bool,
    /// Whether the players are there.
    players: bool,
    streams: Option<Streams>,
}

/// A page's place, and what its server allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page<'a> {
    pub base: &'a str,
    pub served: bool,
    pub marks: bool,
}

/// A script with the data of a session.
#[derive(Debug)]
pub(crate) struct Script {
    pub text: Vec<u8>,
    /// Lines of the session that cannot be read.
    pub damaged: u64,
}

/// Returns the script with the data of a session.
pub(crate) fn script(source: &Source, page: Page<'_>) -> Result<Script> {
    let (items, end, damaged) = items(source)?;
    let session = source.session();
    let segments = items.iter().filter_map(|item| match item {
        Item::SegmentClosed(segment) => Some(segment.path()),
        _ => None,
    });
    // Not every segment has tables; the first one of a session mostly has.
    let mut looked_at = segments.clone().next_back().into_iter().chain(segments.take(1));
    let head = Head {
        name: session.root().file_name().and_then(|name| name.to_str()).unwrap_or("session"),
        folder: session.name(),
        base: page.base,
        served: page.served,
        marks: page.marks,
        players: assets::has_players(),
        streams: looked_at.find_map(|path| Streams::of_segment(source.root(), path)),
    };
    let mut script = b"globalThis.chtSession = ".to_vec();
    serde_json::to_writer(&mut script, &head)?;
    script.pop();
    write!(script, ",\"position\":\"{end}\",\"items\":[")?;
    for (at, item) in items.iter().chain(&source.present()).enumerate() {
        script.extend_from_slice(if at == 0 { b"\n" } else { b",\n" });
        serde_json::to_writer(&mut script, item)?;
    }
    script.extend_from_slice(b"\n]};\n");
    Ok(Script { text: script, damaged })
}

/// Reads all items of the past. Returns the position after them, and the number of damaged lines.
fn items(source: &Source) -> Result<(Vec<Item>, Position, u64)> {
    let (mut items, mut end, mut damaged) = (Vec::new(), Position::default(), 0);
    loop {
        let Some(batch) = source.read_on(end, READ)? else {
            bail!("{}: the index was started over just now; try again", source.session().name());
        };
        items.extend(batch.items.into_iter().map(|(_, item)| item));
        (end, damaged) = (batch.end, damaged + batch.damaged);
        if !batch.is_partial {
            return Ok((items, end, damaged));
        }
    }
}
