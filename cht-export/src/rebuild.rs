//! Finds the frames of an index that was lost, by the XMP packets in the pictures.
//!
//! Each becomes a `frame` event on stdout, for cht-index. Scores are not in the pictures, and are
//! 0.

use std::{
    fs,
    io::{IsTerminal as _, stdout},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event::{self, Body, Event, Frame, Reason, Scores},
    ndjson,
    process::report,
    session::{Session, segment_log::SegmentLog, sequence},
    storage::regular,
    terminal::{Rows, units},
    timeline::WallClock,
};
use cht_ts::time::ticks;

use crate::output::is_picture;

/// Prints the frames of the pictures in `place`.
pub(crate) fn run(place: &Path) -> Result<()> {
    if !place.is_dir() {
        bail!("{}: no such folder; name that of a session, or one of pictures", place.display());
    }
    let session = Session::open(place).ok();
    let folder = session.as_ref().map_or_else(|| place.to_owned(), Session::frames);
    let log = session.as_ref().map(SegmentLog::of).unwrap_or_default();
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut pictures: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| folder.display().to_string())?.path();
        if is_picture(&path) {
            pictures.push(path);
        }
    }
    let mut frames = Vec::new();
    for path in &pictures {
        match frame(path, session.as_ref(), &log) {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => {
                report::warn(format_args!("{}: says nothing of its origin", path.display()));
            }
            Err(error) => report::warn(format_args!("{}: {error:#}", path.display())),
        }
    }
    if frames.is_empty() {
        bail!("{}: no picture of cht-scenes in it", folder.display());
    }
    frames.sort_by(|a, b| a.id.cmp(&b.id));
    let found = units::count(frames.len() as u64, "frame");
    let mut output = ndjson::stdout_of_stage(Rows::Findings)?;
    for frame in frames {
        let event = match &session {
            Some(session) => session.event(Body::Frame(frame)),
            None => Event::new(None, Body::Frame(frame)),
        };
        output.emit(&event).context("stdout")?;
    }
    if stdout().is_terminal() {
        let place = place.display();
        report::note(format_args!(
            "found {found}; this writes the index: cht-export rebuild {place} | cht-index"
        ));
    }
    Ok(())
}

/// Returns the frame of a picture; `None` for one without an origin of its own name.
fn frame(path: &Path, session: Option<&Session>, log: &SegmentLog) -> Result<Option<Frame>> {
    let bytes = regular::read(path)?;
    let Some(packet) = packet(&bytes) else { return Ok(None) };
    let named =
        |name: &str| property(packet, name).with_context(|| format!("no {name} in its XMP"));
    let id = named("dc:identifier")?;
    if path.file_stem().is_none_or(|stem| stem != &*id) {
        return Ok(None);
    }
    let segment = PathBuf::from(named("cht:segment")?);
    let reason = serde_json::from_value::<Reason>(named("cht:reason")?.into())?;
    let timestamp: f64 = named("cht:timestamp")?.parse()?;
    let size = imagesize::blob_size(&bytes)?;
    let closed = sequence(&segment).and_then(|seq| log.get(seq));
    let at = closed.and_then(|closed| {
        WallClock::of_segment(closed.opened_at, closed.timeline?)?.at(ticks(timestamp))
    });
    let segment =
        session.map_or_else(|| segment.clone(), |session| session.stream().join(&segment));
    Ok(Some(Frame {
        id,
        timestamp,
        pts: named("cht:pts")?.parse()?,
        at,
        path: event::absolute(path)?,
        thumbnail: None,
        segment: segment.to_string_lossy().into_owned(),
        reason,
        detector: None,
        change: None,
        returned_to: None,
        scores: Scores { scene: 0.0, adaptive: None, screen: None },
        width: u32::try_from(size.width)?,
        height: u32::try_from(size.height)?,
        bytes: bytes.len() as u64,
        hash: blake3::hash(&bytes).to_hex().to_string(),
    }))
}

/// Returns the XMP packet of a picture.
fn packet(bytes: &[u8]) -> Option<&str> {
    let find = |from: usize, mark: &[u8]| {
        bytes[from..].windows(mark.len()).position(|window| window == mark).map(|at| from + at)
    };
    let start = find(0, b"<x:xmpmeta")?;
    let end = find(start, b"</x:xmpmeta>")?;
    std::str::from_utf8(&bytes[start..end]).ok()
}

/// Returns the text of an element, whose escapes are those that cht-scenes writes.
fn property(packet: &str, name: &str) -> Option<String> {
    let (_, rest) = packet.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let text = text.replace("&lt;", "<").replace("&gt;", ">");
    let text = text.replace("&#9;", "\t").replace("&#10;", "\n").replace("&#13;", "\r");
    Some(text.replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read_from_any_file_that_holds_the_packet() {
        let file = b"\xff\xd8..<x:xmpmeta a=\"b\"><dc:identifier>F000001</dc:identifier>\
            <cht:segment>&lt;&amp;lt;&#10;.ts</cht:segment></x:xmpmeta>..";
        let packet = packet(file).unwrap();
        assert_eq!(property(packet, "dc:identifier").as_deref(), Some("F000001"));
        assert_eq!(property(packet, "cht:segment").as_deref(), Some("<&lt;\n.ts"));
        assert_eq!(property(packet, "cht:pts"), None);
        assert_eq!(super::packet(b"nothing"), None);
    }
}
