//! The folder of the frames: pictures, ids, and a journal that makes a restart give the same result.
//!
//! `scenes.ndjson` holds, line by line, the options, every `frame` event, and at the end of each
//! segment a checkpoint with the state of the detector. A restart forgets what stands behind the last checkpoint, replays
//! the segments before it from here, and decodes the next one again: same ids, same pictures.

use std::{
    collections::{HashMap, VecDeque},
    fs::{self, File, OpenOptions},
    io::{BufRead as _, BufReader, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    durable,
    event::{self, Anchor, Body, Event, Frame, SegmentDone},
    report,
};
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::{detector::State, options::Options, picture::Format};

/// Frames that are remembered, for one that shows the same: as many as the detectors remember.
const REMEMBERED: usize = 64;

/// A segment that is done, and how the world looked then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// The segment's final path, as in events.
    pub path: String,
    /// Its size, to notice another file of the same name.
    pub bytes: u64,
    /// Its event, to be emitted again.
    pub done: SegmentDone,
    /// Its place on the timeline.
    pub anchor: Option<Anchor>,
    /// The PID that was decoded.
    pub pid: Option<u16>,
    /// How it was coded.
    #[serde(default)]
    pub codec: Option<String>,
    /// By how much its clock is ahead of the recorder's anchors, in ticks: another program may have its own.
    #[serde(default)]
    pub ahead: i64,
    /// The detector behind its last frame.
    pub state: State,
    /// The number of the next frame.
    pub next_id: u64,
}

/// One line of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Entry {
    Options(Options),
    Frame(Option<String>, Frame),
    Checkpoint(Box<Checkpoint>),
}

/// What the journal knows about a finished segment.
#[derive(Debug)]
pub(crate) struct Done {
    pub checkpoint: Checkpoint,
    pub frames: Vec<Event>,
}

/// The folder, opened by the one stage that writes to it.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    format: Format,
    /// A picture that is there already is not to be written again.
    pub dedupe: bool,
    journal: File,
    done: HashMap<String, Done>,
    /// The last checkpoint.
    pub last: Option<Checkpoint>,
    pub next_id: u64,
    /// The last frames that were kept, the newest last.
    recent: VecDeque<Frame>,
    /// Frames of the journal that the state of the last checkpoint does not know of yet, by their PTS: they will be chosen again.
    late: Vec<i64>,
}

impl Store {
    /// Opens `folder`, making it if it is not there.
    pub(crate) fn open(folder: &Path, options: &Options, overwrite: bool) -> Result<Self> {
        let named = || folder.display().to_string();
        fs::create_dir_all(folder).with_context(named)?;
        let path = folder.join("scenes.ndjson");
        let mut options_of_file = OpenOptions::new();
        options_of_file.create(true).read(true).write(true).truncate(false);
        let mut journal = durable::open(&path, &mut options_of_file)
            .with_context(|| path.display().to_string())?;
        lock(&journal, folder)?;
        let mut store = Self {
            folder: folder.to_owned(),
            format: options.look.format,
            dedupe: options.dedupe,
            journal: journal.try_clone()?,
            done: HashMap::new(),
            last: None,
            next_id: 1,
            late: Vec::new(),
            recent: VecDeque::new(),
        };
        let (known, end) = store.read(&mut journal)?;
        match known {
            Some(known) if known == *options => {
                // What comes behind the last checkpoint is made again.
                store.journal.set_len(end)?;
                store.journal.seek(std::io::SeekFrom::End(0))?;
            }
            Some(known) if !overwrite => bail!(
                "{}: holds frames made with {known}; use these, another --out, or --overwrite",
                named()
            ),
            known => {
                if known.is_some() {
                    remove_pictures(folder).with_context(named)?;
                }
                (store.done, store.last, store.next_id) = (HashMap::new(), None, 1);
                store.late.clear();
                store.recent.clear();
                store.journal.set_len(0)?;
                store.journal.rewind()?;
                store.append(&Entry::Options(options.clone()))?;
            }
        }
        Ok(store)
    }

    /// Reads the journal up to its last checkpoint; returns the options and where that ends.
    fn read(&mut self, journal: &mut File) -> Result<(Option<Options>, u64)> {
        let (mut options, mut position, mut end, mut count) = (None, 0, 0, 0);
        let (mut frames, mut pts) = (Vec::new(), Vec::new());
        for line in BufReader::new(journal).split(b'\n') {
            let line = line?;
            position += line.len() as u64 + 1;
            match serde_json::from_slice(&line) {
                Ok(Entry::Options(found)) => (options, end) = (Some(found), position),
                Ok(Entry::Frame(session, frame)) => {
                    count += 1;
                    pts.push(frame.pts);
                    frames.push(Event::new(session, frame));
                }
                Ok(Entry::Checkpoint(checkpoint)) => {
                    end = position;
                    self.next_id = 1 + count;
                    for frame in &frames {
                        if let Body::Frame(frame) = &frame.body {
                            self.remember(frame.clone());
                        }
                    }
                    self.late = pts[checkpoint.next_id as usize - 1..].to_vec();
                    self.last = Some((*checkpoint).clone());
                    let done =
                        Done { checkpoint: *checkpoint, frames: std::mem::take(&mut frames) };
                    self.done.insert(done.checkpoint.path.clone(), done);
                }
                // A line that was cut off by a kill, and whatever follows it.
                Err(_) => break,
            }
        }
        Ok((options, end))
    }

    /// What is known about a segment that was done before.
    pub(crate) fn done(&self, path: &str, bytes: u64) -> Option<&Done> {
        self.done.get(path).filter(|done| done.checkpoint.bytes == bytes)
    }

    /// The segments that were done before, with their sizes.
    pub(crate) fn done_before(&self) -> HashMap<String, u64> {
        self.done.iter().map(|(path, done)| (path.clone(), done.checkpoint.bytes)).collect()
    }

    /// Whether the frame with this PTS was kept before, behind the end of a segment whose state we have gone on from.
    pub(crate) fn was_kept(&mut self, pts: i64) -> bool {
        let found = self.late.iter().position(|&late| late == pts);
        found.map(|late| self.late.remove(late)).is_some()
    }

    /// What the detectors knew at the last checkpoint.
    pub(crate) fn saved(&self) -> Result<Option<Vec<u8>>> {
        let Some(last) = &self.last else { return Ok(None) };
        let path = self.state(last.done.seq);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    /// Saves what the detectors know, before the checkpoint of segment `seq` is written.
    pub(crate) fn save(&mut self, seq: u64, state: &[u8]) -> Result<()> {
        let path = self.state(seq);
        durable::replace(&path, state).with_context(|| path.display().to_string())
    }

    fn state(&self, seq: u64) -> PathBuf {
        self.folder.join(format!("scenes_{seq:06}.state"))
    }

    /// The path that the next picture will have, and its id.
    pub(crate) fn next_picture(&self) -> Result<(String, PathBuf)> {
        let id = format!("F{:06}", self.next_id);
        let path = event::absolute(&self.folder.join(format!("{id}{}", self.format.suffix())))?;
        Ok((id, path.into()))
    }

    /// The path of the small picture beside that of `id`.
    pub(crate) fn thumbnail(&self, id: &str) -> Result<String> {
        Ok(event::absolute(&self.folder.join(format!("{id}{THUMBNAIL}")))?)
    }

    /// Writes the next picture durably, with the small one beside it, and the event in the journal.
    pub(crate) fn keep(
        &mut self,
        picture: &[u8],
        thumbnail: Option<&[u8]>,
        session: Option<&str>,
        frame: Frame,
    ) -> Result<Event> {
        if let (Some(path), Some(thumbnail)) = (&frame.thumbnail, thumbnail) {
            durable::replace(Path::new(path), thumbnail).with_context(|| path.clone())?;
        }
        durable::replace(Path::new(&frame.path), picture).with_context(|| frame.path.clone())?;
        self.keep_again(session, frame)
    }

    /// Writes the event of the next frame in the journal, whose picture is there.
    pub(crate) fn keep_again(&mut self, session: Option<&str>, frame: Frame) -> Result<Event> {
        self.next_id += 1;
        self.append(&Entry::Frame(session.map(str::to_owned), frame.clone()))?;
        self.remember(frame.clone());
        Ok(Event::new(session.map(str::to_owned), frame))
    }

    fn remember(&mut self, frame: Frame) {
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(frame);
    }

    /// The frame that was kept so many ago; 1 is the last one.
    pub(crate) fn kept(&self, back: usize) -> Option<&Frame> {
        self.recent.get(self.recent.len().checked_sub(back)?)
    }

    /// Writes down that a segment is done, durably.
    pub(crate) fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<()> {
        let before = self.last.replace(checkpoint.clone());
        self.append(&Entry::Checkpoint(Box::new(checkpoint)))?;
        self.journal.sync_data().with_context(|| self.folder.display().to_string())?;
        let now = self.last.as_ref().map(|last| last.done.seq);
        if let Some(before) =
            before.map(|before| before.done.seq).filter(|before| Some(*before) != now)
        {
            // Without detectors that measure there is none.
            let _ = fs::remove_file(self.state(before));
        }
        Ok(())
    }

    fn append(&mut self, entry: &Entry) -> Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        self.journal.write_all(&line).with_context(|| self.folder.display().to_string())
    }

    /// Removes what a killed run did not finish. Finished pictures stay, even those of a segment that
    /// never came again: an index may name them.
    pub(crate) fn remove_unfinished(&self) {
        if let Err(error) = remove_unfinished(&self.folder).and_then(|()| self.remove_old_states())
        {
            report::note(format_args!("{}: {error}", self.folder.display()));
        }
    }

    /// What a run leaves that is killed between a checkpoint and the removal of the state before it.
    fn remove_old_states(&self) -> std::io::Result<()> {
        let newest = self.last.as_ref().map(|last| self.state(last.done.seq));
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if is_state(name) && newest.as_ref() != Some(&path) {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }
}

/// How the name of a small picture ends.
const THUMBNAIL: &str = ".thumb.jpg";

/// Removes the pictures of a folder.
fn remove_pictures(folder: &Path) -> std::io::Result<()> {
    remove(folder, is_picture)
}

/// Removes the temporary files that a kill left of pictures and states.
fn remove_unfinished(folder: &Path) -> std::io::Result<()> {
    remove(folder, |name| {
        durable::unfinished(name.as_ref())
            .and_then(|name| name.to_str())
            .is_some_and(|name| is_picture(name) || is_state(name))
    })
}

fn remove(folder: &Path, is_meant: impl Fn(&str) -> bool) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(&is_meant) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether a picture or a thumbnail has this name.
fn is_picture(name: &str) -> bool {
    let kinds = [".jpg", ".png", ".webp", THUMBNAIL];
    let number =
        |rest: &str| kinds.iter().find_map(|kind| rest.strip_suffix(kind)?.parse::<u64>().ok());
    name.strip_prefix('F').and_then(number).is_some()
}

/// Whether a state of the detectors has this name.
fn is_state(name: &str) -> bool {
    name.strip_prefix("scenes_").and_then(|rest| rest.strip_suffix(".state")).is_some()
}

fn lock(journal: &File, folder: &Path) -> Result<()> {
    if rustix::fs::flock(journal, FlockOperation::NonBlockingLockExclusive).is_ok() {
        return Ok(());
    }
    report::note(format_args!(
        "{}: another cht-scenes is writing here; waiting until it ends",
        folder.display()
    ));
    rustix::fs::flock(journal, FlockOperation::LockExclusive)
        .with_context(|| folder.display().to_string())
}
