//! One index: a journal that only grows, and `index.json` made from it.
//!
//! The journal (`index.ndjson`) holds `frame` and `sent` events. The index is what they add up to. Whoever
//! writes holds a lock on the journal and reads first what others appended, so that any number of
//! `cht-index` processes (the stage, a `--sent` beside it) agree. `index.json` is replaced by a rename: a
//! reader sees the old one or the new one.
//!
//! A program that sets `sent_to_agent` in `index.json` itself is heard as well. What it wrote is read before the
//! file is replaced, and once more when it was, as the file that was swapped out: what it wrote in between is in
//! there. Whether a file is our own is told by its bytes; inode, size and time may all be the same.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
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

/// Size of the largest `index.json` that is read, in bytes.
const LARGEST: u64 = 1 << 30;

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
    #[serde(skip_serializing_if = "Option::is_none")]
    detector: Option<cht_core::event::Detector>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    returned_to: Option<&'a str>,
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
    /// `index.json` as it was written or heard last.
    known: Vec<u8>,
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
        let mut options = OpenOptions::new();
        options.create(true).read(true).append(true);
        let journal =
            durable::open(&journal, &mut options).with_context(|| journal.display().to_string())?;
        if overwrite {
            rustix::fs::flock(&journal, FlockOperation::LockExclusive).with_context(named)?;
            journal.set_len(0).with_context(named)?;
            if path.exists() {
                durable::replace(path, b"[]\n").with_context(named)?;
            }
            remove(&durable::swapped_out(path)).with_context(named)?;
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
            known: Vec::new(),
        };
        index.locked(|index| {
            index.hear_leftover();
            index.write()
        })?;
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
        if self.pending.is_empty() { Ok(()) } else { self.locked(Self::write) }
    }

    /// The last commit: what another program has set since the one before is heard, too.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.locked(|index| {
            let is_ours = durable::read(&index.path, LARGEST).is_ok_and(|text| text == index.known);
            if is_ours && index.pending.is_empty() { Ok(()) } else { index.write() }
        })
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

    /// Does something while no other `cht-index` writes here.
    fn locked(&mut self, action: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let path = self.path.clone();
        let named = || path.display().to_string();
        let lock = self.journal.try_clone().with_context(named)?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).with_context(named)?;
        let done = action(self).with_context(named);
        rustix::fs::flock(&lock, FlockOperation::Unlock).with_context(named)?;
        done
    }

    fn write(&mut self) -> Result<()> {
        self.read_journal()?;
        if let Ok(text) = durable::read(&self.path, LARGEST) {
            self.hear(&text);
            self.known = text;
        }
        loop {
            if !self.pending.is_empty() {
                self.journal.write_all(&self.pending)?;
                self.journal.sync_data()?;
                self.position += self.pending.len() as u64;
                self.pending.clear();
            }
            let json = self.to_json()?;
            if let Some(swapped_out) = durable::swap(&self.path, &json, LARGEST)? {
                self.hear(&swapped_out?);
            }
            self.known = json;
            if self.pending.is_empty() {
                break;
            }
        }
        remove(&durable::swapped_out(&self.path))?;
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

    /// What a killed writer had swapped out and may not have taken in. It may also have been killed in the middle
    /// of it.
    fn hear_leftover(&mut self) {
        let leftover =
            durable::read(&durable::swapped_out(&self.path), LARGEST).unwrap_or_default();
        if let Ok(flags) = serde_json::from_slice(&leftover) {
            self.take_over(flags);
        }
    }

    /// Takes over what another program has set in `index.json`, of which this is the text.
    fn hear(&mut self, text: &[u8]) {
        if text == self.known {
            return;
        }
        match serde_json::from_slice(text) {
            Ok(flags) => self.take_over(flags),
            Err(error) => {
                report::warn(format_args!("{}: {error}; replaced", self.path.display()));
            }
        }
    }

    fn take_over(&mut self, flags: Vec<Flag>) {
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
                    detector: frame.detector,
                    change: frame.change,
                    returned_to: frame.returned_to.as_deref(),
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

/// Removes a file that need not be there.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
