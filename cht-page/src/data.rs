//! The file of data of a page: everything known of a session when it was written.
//!
//! It is a script and no JSON, because a page that was opened from a file may load scripts only.

use std::io::Write as _;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

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
    #[serde(skip_serializing_if = "Option::is_none")]
    streams: Option<Streams>,
    #[serde(skip_serializing_if = "Option::is_none")]
    video: Option<Video>,
}

/// A page's place, and what its server allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page<'a> {
    pub base: &'a str,
    pub served: bool,
    pub marks: bool,
}

/// A video file next to a page.
#[derive(Debug, Serialize)]
pub(crate) struct Video {
    /// URL from the page on.
    pub path: String,
    /// Whether it is another one than that which was made of the recorded streams as they are.
    pub other: bool,
    /// Which of its times are those of the session, in order.
    pub parts: Vec<Part>,
}

/// A part of a video file without a pause, in seconds.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// Times of the session.
    pub start: f64,
    pub end: f64,
    /// Where it begins in the file.
    pub at: f64,
}

/// Everything known of a session's past.
#[derive(Debug, Default)]
pub(crate) struct Known {
    items: Vec<Item>,
    /// Position after them.
    end: Position,
    /// Lines of the session that cannot be read.
    pub damaged: u64,
    pub streams: Option<Streams>,
}

impl Known {
    /// Reads all items of the past.
    pub(crate) fn read(source: &Source) -> Result<Self> {
        let mut known = Self::default();
        loop {
            let Some(batch) = source.read_on(known.end, READ)? else {
                bail!(
                    "{}: the index was started over just now; try again",
                    source.session().name()
                );
            };
            known.items.extend(batch.items.into_iter().map(|(_, item)| item));
            known.end = batch.end;
            known.damaged += batch.damaged;
            if !batch.is_partial {
                break;
            }
        }
        let segments = known.items.iter().filter_map(|item| match item {
            Item::SegmentClosed(segment) => Some(segment.path()),
            _ => None,
        });
        // Not every segment has tables; the first one of a session mostly has.
        let mut looked_at = segments.clone().next_back().into_iter().chain(segments.take(1));
        known.streams = looked_at.find_map(|path| Streams::of_segment(source.root(), path));
        Ok(known)
    }

    /// Returns the script with the data of the session.
    pub(crate) fn script(
        self,
        source: &Source,
        page: Page<'_>,
        video: Option<Video>,
    ) -> Result<Vec<u8>> {
        let session = source.session();
        let head = Head {
            name: session.root().file_name().and_then(|name| name.to_str()).unwrap_or("session"),
            folder: session.name(),
            base: page.base,
            served: page.served,
            marks: page.marks,
            players: assets::has_players(),
            streams: self.streams,
            video,
        };
        let mut script = b"globalThis.chtSession = ".to_vec();
        serde_json::to_writer(&mut script, &head)?;
        script.pop();
        write!(script, ",\"position\":\"{}\",\"items\":[", self.end)?;
        for (at, item) in self.items.iter().chain(&source.present()).enumerate() {
            script.extend_from_slice(if at == 0 { b"\n" } else { b",\n" });
            serde_json::to_writer(&mut script, item)?;
        }
        script.extend_from_slice(b"\n]};\n");
        Ok(script)
    }
}
