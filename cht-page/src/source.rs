//! Reads what a session says about itself: the journal of its index, the log of its segments, and
//! what its readers have acknowledged. Every file is opened below the session's folder.

use std::{
    fmt,
    fs::File,
    io::{self, BufReader, Read as _, Seek as _, SeekFrom},
    path::Path,
    str::FromStr,
};

use anyhow::{Context as _, Result};
use cht_core::{
    event::Event,
    process::clock,
    session::Session,
    storage::{beneath::Beneath, journal::Lines},
};
use serde::Deserialize;

use crate::item::{Item, Picture};

/// Files of a session, from its folder on.
const INDEX: &str = "frames/index.ndjson";
const SEGMENTS: &str = "stream/segments.ndjson";
const OPEN: &str = "stream/open.json";
const READERS: &str = "agent";

/// Largest file that is read as a whole, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// A journal that is read, or an empty one.
type Journal = Lines<BufReader<Box<dyn io::Read>>>;

/// How far the files of a session were read, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub index: u64,
    pub segments: u64,
}

/// A session that is read.
#[derive(Debug)]
pub(crate) struct Source {
    session: Session,
    root: Beneath,
}

/// Items that were read, each with the position after it.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub items: Vec<(Position, Item)>,
    /// Position after all of them, and after lines that are no items.
    pub end: Position,
    /// Lines that cannot be read.
    pub damaged: u64,
    /// Whether more is there already.
    pub is_partial: bool,
}

impl Source {
    /// Opens the session at `root`.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let session = Session::open_findings(root)?;
        let root = Beneath::open(session.root()).with_context(|| session.name().to_owned())?;
        Ok(Self { session, root })
    }

    /// Opens the session at `path`, whose folder is open already.
    pub(crate) fn of_folder(path: &Path, root: Beneath) -> Result<Self> {
        Ok(Self { session: Session::open_findings(path)?, root })
    }

    /// Returns the session.
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Returns its folder, to open other files in it.
    pub(crate) fn root(&self) -> &Beneath {
        &self.root
    }

    /// Reads on from `from`, at most about `limit` bytes of each file. `None` if the files do not
    /// reach that far: they were started over.
    pub(crate) fn read_on(&self, from: Position, limit: u64) -> Result<Option<Batch>> {
        let mut batch = Batch { end: from, ..Batch::default() };
        // Segments first: a picture is shown on a timeline that has its segment.
        for (name, is_index) in [(SEGMENTS, false), (INDEX, true)] {
            let begin = if is_index { from.index } else { from.segments };
            let Some(mut lines) = self.lines(name, begin)? else { return Ok(None) };
            while let Some(line) = lines.next().with_context(|| self.named(name))? {
                let end = if is_index { &mut batch.end.index } else { &mut batch.end.segments };
                *end = line.end;
                let event = Event::parse(line.bytes);
                batch.damaged += u64::from(event.is_err());
                let item =
                    event.ok().flatten().filter(|it| belongs(it, is_index)).and_then(Item::of);
                batch.items.extend(item.map(|item| (batch.end, item)));
                if line.end - begin >= limit {
                    batch.is_partial = true;
                    break;
                }
            }
        }
        Ok(Some(batch))
    }

    /// Opens a journal at a byte. `None` if it does not reach that far.
    fn lines(&self, name: &str, from: u64) -> Result<Option<Journal>> {
        let file: Box<dyn io::Read> = match self.root.file(name) {
            Ok(mut file) => {
                if file.metadata()?.len() < from {
                    return Ok(None);
                }
                file.seek(SeekFrom::Start(from))?;
                Box::new(file)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && from == 0 => {
                Box::new(io::empty())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| self.named(name)),
        };
        Ok(Some(Lines::new(BufReader::with_capacity(64 << 10, file), from)))
    }

    /// Returns the items about now: whether it is recorded, the growing segment, and the readers.
    pub(crate) fn present(&self) -> Vec<Item> {
        let live = self.session.is_recording();
        let mut items = vec![Item::State { live, now: clock::wall() }];
        if live {
            let open = self.text(OPEN).and_then(|text| Event::parse(text.trim_ascii()).ok()?);
            items.extend(open.and_then(Item::of));
        }
        items.extend(self.readers());
        items
    }

    /// Returns the newest picture, if one is named in the last `tail` bytes of the index.
    pub(crate) fn newest(&self, tail: u64) -> Option<Picture> {
        let mut file = self.root.file(INDEX).ok()?;
        let from = file.metadata().ok()?.len().saturating_sub(tail);
        file.seek(SeekFrom::Start(from)).ok()?;
        // The first line may be a part of one: then it is no event.
        let mut lines = Lines::new(BufReader::new(file), from);
        let mut newest = None;
        while let Some(line) = lines.next().ok()? {
            if let Some(Item::Frame(picture)) =
                Event::parse(line.bytes).ok().flatten().and_then(Item::of)
            {
                newest = Some(*picture);
            }
        }
        newest
    }

    /// Returns what each reader has acknowledged, by its file.
    fn readers(&self) -> Vec<Item> {
        #[derive(Deserialize)]
        struct Stored {
            reader: String,
            acknowledged: Vec<String>,
        }
        let names = self.root.folder(READERS).and_then(|folder| folder.names());
        let mut names = names.unwrap_or_default();
        names.retain(|name| name.ends_with(".ndjson") && !name.starts_with('.'));
        names.sort();
        let read = |name: String| {
            let text = self.text(&format!("{READERS}/{name}"))?;
            let stored: Stored = serde_json::from_slice(text.trim_ascii()).ok()?;
            Some(Item::Reader { name: stored.reader, acknowledged: stored.acknowledged })
        };
        names.into_iter().filter_map(read).collect()
    }

    /// Reads a small file; `None` if it is not there, or no small file.
    fn text(&self, name: &str) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        let file: File = self.root.file(name).ok()?;
        file.take(MAX_FILE + 1).read_to_end(&mut text).ok()?;
        (text.len() as u64 <= MAX_FILE).then_some(text)
    }

    fn named(&self, name: &str) -> String {
        self.session.root().join(name).display().to_string()
    }
}

/// Tells whether an event may stand in this file: the index names no segments, and the log no
/// frames.
fn belongs(event: &Event, is_index: bool) -> bool {
    matches!(event.body.kind(), "segment_closed" | "deleted") != is_index
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.index, self.segments)
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (index, segments) = text.split_once('-').ok_or(())?;
        let number = |text: &str| text.parse().map_err(|_| ());
        Ok(Self { index: number(index)?, segments: number(segments)? })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const CLOSED: &str = r#"{"v":1,"type":"segment_closed","session":"/s","seq":1,"path":"/s/stream/segment_000001.ts","connection":1,"offset":0,"bytes":188,"blake3":"00","timeline":{"pts":0,"offset":0},"duration":2.0,"opened_at":"2026-11-23T06:24:29Z","closed_at":"2026-11-23T06:24:31Z","end_reason":"keyframe"}"#;
    const TEXT: &str = r#"{"v":1,"type":"text","session":"/s","id":"F000001","text":"Agenda"}"#;

    fn session() -> (tempfile::TempDir, Source) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["stream", "frames", "agent"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let source = Source::open(folder.path()).unwrap();
        (folder, source)
    }

    #[test]
    fn reading_goes_on_at_each_position() {
        let (folder, source) = session();
        assert_eq!(source.read_on(Position::default(), 1 << 20).unwrap().unwrap().items, []);
        fs::write(folder.path().join(SEGMENTS), format!("{CLOSED}\n")).unwrap();
        fs::write(folder.path().join(INDEX), format!("{TEXT}\n{CLOSED}\nno event\n{TEXT}\n{{"))
            .unwrap();
        let all = source.read_on(Position::default(), 1 << 20).unwrap().unwrap();
        assert_eq!(all.items.len(), 3, "{:?}", all.items);
        for (at, (position, _)) in all.items.iter().enumerate() {
            let written: Position = position.to_string().parse().unwrap();
            let rest = source.read_on(written, 1 << 20).unwrap().unwrap();
            assert_eq!(rest.items, all.items[at + 1..], "after {position}");
        }
        let mut at = Position::default();
        let mut count = 0;
        loop {
            let batch = source.read_on(at, 1).unwrap().unwrap();
            count += batch.items.len();
            at = batch.end;
            if !batch.is_partial {
                break;
            }
        }
        assert_eq!((count, at), (3, all.end));
    }

    #[test]
    fn files_that_were_started_over_are_told() {
        let (folder, source) = session();
        fs::write(folder.path().join(INDEX), format!("{TEXT}\n")).unwrap();
        let end = source.read_on(Position::default(), 1 << 20).unwrap().unwrap().end;
        fs::write(folder.path().join(INDEX), "").unwrap();
        assert!(source.read_on(end, 1 << 20).unwrap().is_none());
        fs::remove_file(folder.path().join(INDEX)).unwrap();
        assert!(source.read_on(end, 1 << 20).unwrap().is_none());
    }

    #[test]
    fn link_out_of_the_session_is_not_read() {
        let (folder, source) = session();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), format!("{TEXT}\n")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), folder.path().join(INDEX))
            .unwrap();
        assert!(source.read_on(Position::default(), 1 << 20).is_err());
    }
}
