//! `index.json` as an object: the frames, and what belongs to them.

use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write},
    path::Path,
};

use anyhow::{Context as _, Result};
use cht_core::{
    event::{self, Body, Event},
    session::Moved,
    storage::{durable, journal::Lines},
};

use crate::{args::Format, entry, frames::Span, lines::StoredLines, others::Others};

/// Returns the form that an index has now; an array if there is none.
pub(crate) fn format_of(path: &Path) -> Format {
    let begin = || -> io::Result<bool> {
        let mut begin = Vec::new();
        durable::open_to_read(path)?.take(64).read_to_end(&mut begin)?;
        Ok(begin.trim_ascii_start().starts_with(b"{"))
    };
    if begin().unwrap_or(false) { Format::Object } else { Format::Array }
}

/// Returns the text before the array of frames.
pub(crate) fn begin(session: Option<&Path>) -> Result<Vec<u8>> {
    let session = session.map(event::absolute).transpose()?;
    let session = serde_json::to_string(&session)?;
    Ok(format!(r#"{{"v":1,"session":{session},"frames":"#).into_bytes())
}

/// Events that are no frames, in their order.
#[derive(Debug)]
pub(crate) struct Listed {
    text: Vec<Span>,
    audio: Vec<Span>,
    transcript: Vec<Span>,
}

impl Listed {
    /// Returns the places of `others`.
    pub(crate) fn of(others: &Others) -> Self {
        let mut speech = others.transcript.clone();
        speech.sort_by_key(|speech| speech.start);
        Self {
            text: others.text.clone(),
            audio: others.audio.values().copied().collect(),
            transcript: speech.iter().map(|speech| speech.line).collect(),
        }
    }
}

/// Writes all that comes after the array of frames, but for the end in `element`.
pub(crate) fn write_rest(
    others: &Listed,
    session: Option<&Path>,
    mut lines: StoredLines<'_>,
    mut moved: Option<&mut Moved>,
    output: &mut impl Write,
    element: &mut Vec<u8>,
) -> Result<()> {
    write_segments(session, moved.as_deref_mut(), output, element)?;
    let Listed { text, audio, transcript } = others;
    for (name, spans) in [("text", text), ("audio", audio), ("transcript", transcript)] {
        begin_array(name, element);
        write_events(spans, &mut lines, moved.as_deref_mut(), output, element)?;
    }
    element.push(b'}');
    Ok(())
}

fn begin_array(name: &str, element: &mut Vec<u8>) {
    element.extend(format!(",\n\"{name}\":[").as_bytes());
}

/// Writes events, and the end of their array to `element`.
fn write_events(
    spans: &[Span],
    lines: &mut StoredLines<'_>,
    mut moved: Option<&mut Moved>,
    output: &mut impl Write,
    element: &mut Vec<u8>,
) -> io::Result<()> {
    for (n, span) in spans.iter().enumerate() {
        element.extend(if n == 0 { "\n" } else { ",\n" }.as_bytes());
        entry::write_event(lines.get(*span)?, moved.as_deref_mut(), element);
        output.write_all(element)?;
        element.clear();
    }
    element.extend(b"\n]");
    Ok(())
}

/// Writes the segments that the session's log has and that were not removed.
fn write_segments(
    session: Option<&Path>,
    moved: Option<&mut Moved>,
    output: &mut impl Write,
    element: &mut Vec<u8>,
) -> Result<()> {
    begin_array("segments", element);
    let path = session.map(|session| session.join("stream/segments.ndjson"));
    let Some(path) = path.filter(|path| path.exists()) else {
        element.push(b']');
        return Ok(());
    };
    let named = || path.display().to_string();
    let mut segments = BTreeMap::new();
    let mut log = Lines::open(&path, 0).with_context(named)?;
    while let Some(line) = log.next().with_context(named)? {
        match Event::parse(line.bytes) {
            Ok(Some(Event { body: Body::SegmentClosed(closed), .. })) => {
                segments.insert(closed.seq, Span::before(line.end, line.bytes.len()));
            }
            Ok(Some(Event { body: Body::Deleted(deleted), .. })) => {
                segments.remove(&deleted.seq);
            }
            _ => {}
        }
    }
    let spans: Vec<Span> = segments.into_values().collect();
    let file = durable::open_to_read(&path).with_context(named)?;
    write_events(&spans, &mut StoredLines::of(&file), moved, output, element)?;
    Ok(())
}
