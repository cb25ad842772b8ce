//! One index: a journal that only grows, and `index.json` made from it.
//!
//! The journal (`index.ndjson`) holds `frame` and `sent` events. The index is what they add up to. Whoever
//! writes holds a lock on the journal and reads first what others appended, so that any number of
//! `cht-index` processes (the stage, a `--sent` beside it) agree. `index.json` is replaced by a rename: a
//! reader sees the old one or the new one.
//!
//! A program that sets `sent_to_agent` in `index.json` itself is heard as well: what it set is taken into the
//! journal before the file is replaced.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    durable,
    event::{Body, Event, Frame, Sent},
    report,
};
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

/// One element of `index.json`: the original's four fields, then the event's.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Entry<'a> {
    id: &'a str,
    timestamp: f64,
    path: &'a str,
    sent_to_agent: bool,
    #[serde(flatten)]
    rest: Rest<'a>,
}

/// The fields of a `frame` event that the first four do not hold.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Rest<'a> {
    session: Option<&'a str>,
    pts: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbnail: Option<&'a str>,
    segment: &'a str,
    reason: cht_core::event::Reason,
    scores: cht_core::event::Scores,
    width: u32,
    height: u32,
    bytes: u64,
    hash: &'a str,
}

/// What is read back of an element that another program may have changed.
#[derive(Debug, Deserialize)]
struct Flag {
    id: String,
    #[serde(default)]
    sent_to_agent: bool,
}

/// A frame in the index.
#[derive(Debug)]
struct Item {
    session: Option<String>,
    frame: Frame,
}

/// An index on disk.
#[derive(Debug)]
pub(crate) struct Index {
    path: PathBuf,
    journal: File,
    /// How far the journal was read, in bytes.
    position: u64,
    items: Vec<Item>,
    /// Where each id is in `items`.
    places: HashMap<String, usize>,
    sent: HashSet<String>,
    /// Lines to be appended.
    pending: Vec<u8>,
    /// Inode and size of `index.json` as it was written last.
    written: Option<(u64, u64)>,
}

impl Index {
    /// Opens the index at `path`, making its folder, and brings `index.json` up to date.
    pub(crate) fn open(path: &Path, overwrite: bool) -> Result<Self> {
        let named = || path.display().to_string();
        if path.extension().is_some_and(|extension| extension == "ndjson") {
            bail!("--out {}: the journal has this name; call the index .json", path.display());
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        let journal = path.with_extension("ndjson");
        let journal = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(&journal)
            .with_context(|| journal.display().to_string())?;
        if overwrite {
            rustix::fs::flock(&journal, FlockOperation::LockExclusive).with_context(named)?;
            journal.set_len(0).with_context(named)?;
            if path.exists() {
                durable::replace(path, b"[]\n").with_context(named)?;
            }
            rustix::fs::flock(&journal, FlockOperation::Unlock).with_context(named)?;
        }
        let mut index = Self {
            path: path.to_owned(),
            journal,
            position: 0,
            items: Vec::new(),
            places: HashMap::new(),
            sent: HashSet::new(),
            pending: Vec::new(),
            written: None,
        };
        index.write()?;
        Ok(index)
    }

    /// Whether a frame of this id is there.
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.places.contains_key(id)
    }

    /// Takes an event in; [`Index::commit`] makes it durable.
    pub(crate) fn add(&mut self, event: &Event) {
        if self.apply(event) {
            self.pending.extend(event.to_line());
        }
    }

    /// Makes what was added durable, in the journal and in `index.json`.
    pub(crate) fn commit(&mut self) -> Result<()> {
        if self.pending.is_empty() { Ok(()) } else { self.write() }
    }

    /// What an event changes; `false` if nothing: it was known before.
    fn apply(&mut self, event: &Event) -> bool {
        match &event.body {
            Body::Frame(frame) => {
                let item = Item { session: event.session.clone(), frame: frame.clone() };
                match self.places.get(&frame.id) {
                    Some(&place) if self.items[place].frame == *frame => false,
                    // Another frame of the same name: made anew, so nobody has sent it.
                    Some(&place) => {
                        self.items[place] = item;
                        self.sent.remove(&frame.id);
                        true
                    }
                    None => {
                        self.places.insert(frame.id.clone(), self.items.len());
                        self.items.push(item);
                        true
                    }
                }
            }
            // An id may be marked before its frame is known here.
            Body::Sent(sent) => self.sent.insert(sent.id.clone()),
            _ => false,
        }
    }

    fn write(&mut self) -> Result<()> {
        let path = self.path.clone();
        let named = || path.display().to_string();
        // Held until the end of this function: the lock goes with the duplicate.
        let lock = self.journal.try_clone().with_context(named)?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).with_context(named)?;
        let written = self.write_locked().with_context(named);
        rustix::fs::flock(&lock, FlockOperation::Unlock).with_context(named)?;
        written
    }

    fn write_locked(&mut self) -> Result<()> {
        self.read_journal()?;
        self.hear_others();
        if !self.pending.is_empty() {
            self.journal.write_all(&self.pending)?;
            self.journal.sync_data()?;
            self.position += self.pending.len() as u64;
            self.pending.clear();
        }
        durable::replace(&self.path, &self.to_json()?)?;
        self.written = state_of(&self.path);
        Ok(())
    }

    /// Reads what is new in the journal; a line that a killed writer cut off is taken away.
    fn read_journal(&mut self) -> Result<()> {
        let mut text = Vec::new();
        self.journal.seek(SeekFrom::Start(self.position))?;
        self.journal.read_to_end(&mut text)?;
        let whole = text.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        for line in text[..whole].split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
            match Event::parse(line) {
                Ok(Some(event)) => {
                    self.apply(&event);
                }
                Ok(None) => {}
                Err(error) => report::warn(format_args!("{}: {error}", self.path.display())),
            }
        }
        self.position += whole as u64;
        if whole < text.len() {
            self.journal.set_len(self.position)?;
        }
        Ok(())
    }

    /// Takes over what another program has set in `index.json`.
    fn hear_others(&mut self) {
        if self.written.is_some() && state_of(&self.path) == self.written {
            return;
        }
        let Ok(text) = fs::read(&self.path) else { return };
        let flags: Vec<Flag> = match serde_json::from_slice(&text) {
            Ok(flags) => flags,
            Err(error) => {
                report::warn(format_args!("{}: {error}; replaced", self.path.display()));
                return;
            }
        };
        for flag in flags.into_iter().filter(|flag| flag.sent_to_agent) {
            self.add(&Event::new(None, Sent { id: flag.id, path: None }));
        }
    }

    /// The whole index, one element a line.
    fn to_json(&self) -> Result<Vec<u8>> {
        let mut json = b"[".to_vec();
        for (n, Item { session, frame }) in self.items.iter().enumerate() {
            json.extend(if n == 0 { "\n" } else { ",\n" }.as_bytes());
            let entry = Entry {
                id: &frame.id,
                timestamp: frame.timestamp,
                path: &frame.path,
                sent_to_agent: self.sent.contains(&frame.id),
                rest: Rest {
                    session: session.as_deref(),
                    pts: frame.pts,
                    thumbnail: frame.thumbnail.as_deref(),
                    segment: &frame.segment,
                    reason: frame.reason,
                    scores: frame.scores,
                    width: frame.width,
                    height: frame.height,
                    bytes: frame.bytes,
                    hash: &frame.hash,
                },
            };
            serde_json::to_writer(&mut json, &entry)?;
        }
        json.extend(b"\n]\n");
        Ok(json)
    }
}

fn state_of(path: &Path) -> Option<(u64, u64)> {
    let metadata = path.metadata().ok()?;
    Some((metadata.ino(), metadata.len()))
}
