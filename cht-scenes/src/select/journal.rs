//! Keeps the folder of the frames: pictures, ids, and a journal with which a restart gives the same
//! result.
//!
//! `scenes.ndjson` holds, line by line, the options, every `frame` event, and at the end of each
//! segment a checkpoint with the state of the detector. A restart drops the lines after the last
//! checkpoint, replays the segments before it from the journal, and decodes the next one again:
//! same ids, same pictures. [`known`] reads it.

mod entry;
mod file_id;
mod files;
mod known;
mod moved;
mod recordings;
mod unsure;

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use cht_core::{
    event::{self, Event, Frame},
    process::report,
    stage::Disk,
    storage::{
        durable,
        journal::{Journal, Skipped},
    },
};
use cht_picture::Format;

use self::{
    entry::Entry,
    files::{THUMBNAIL, is_state, lock, remove_pictures, remove_unfinished},
};
use super::{detectors::Saved, journal::known::Known};
use crate::cli::options::Options;

pub(crate) use self::{
    entry::{Checkpoint, Done},
    file_id::FileId,
    known::key,
    unsure::number,
};

/// Largest state that is read, in bytes; a state has about one million.
const LARGEST_STATE: u64 = 256 << 20;

/// Describes a file system entry, for example a folder, that has the name of a file of ours and
/// cannot be replaced.
#[derive(Debug)]
pub(crate) struct Obstruction {
    pub path: PathBuf,
    pub error: std::io::Error,
}

/// Holds the folder, opened by the only stage that writes to it.
#[derive(Debug)]
pub(crate) struct FrameJournal {
    folder: PathBuf,
    /// Path of the journal.
    path: PathBuf,
    disk: Disk,
    format: Format,
    /// Whether an equal picture is not written again.
    pub dedupe: bool,
    journal: Journal,
    /// Folder of the session's segments, if this is its folder of frames.
    stream: Option<PathBuf>,
    /// State that the journal describes.
    known: Known,
    /// State of the detectors at the last checkpoint.
    saved: Option<Vec<u8>>,
    /// Hash of the state saved for the next checkpoint.
    hash: Option<String>,
}

impl FrameJournal {
    /// Opens `folder`, and creates it if it is missing.
    pub(crate) fn open(
        folder: &Path,
        options: &Options,
        overwrite: bool,
        disk: Disk,
    ) -> Result<Self> {
        let named = || folder.display().to_string();
        disk.insist_at_start(folder, || fs::create_dir_all(folder))?;
        let path = folder.join("scenes.ndjson");
        let journal = disk.insist_at_start(&path, || Journal::open(&path))?;
        lock(journal.file(), folder)?;
        let stream =
            folder.parent().filter(|_| folder.file_name().is_some_and(|name| name == "frames"));
        let stream = stream.map(|session| session.join("stream")).filter(|stream| stream.is_dir());
        let mut opened = Self {
            folder: folder.to_owned(),
            path,
            disk,
            format: options.look.format,
            dedupe: options.dedupe,
            journal,
            known: Known { next_id: 1, by_name: stream.is_some(), ..Known::default() },
            stream,
            saved: None,
            hash: None,
        };
        let known = opened.read()?;
        match &known.options {
            Some(found) if found.is_same(options) && !overwrite => opened.take(known)?,
            Some(found) if !overwrite => bail!(
                "{}: holds frames made with {found}; use these, another --out, or --overwrite",
                named()
            ),
            None if known.last.is_some() && !overwrite => {
                report::warn(format_args!(
                    "{}: the options of the frames in it cannot be read; it goes on with those given now",
                    opened.path.display()
                ));
                opened.take(known)?;
                opened.append(&Entry::Options(options.clone()))?;
            }
            found => {
                if found.is_some() || known.last.is_some() {
                    remove_pictures(folder).with_context(named)?;
                }
                opened.cut(0)?;
                opened.append(&Entry::Options(options.clone()))?;
            }
        }
        Ok(opened)
    }

    /// Reads the journal up to the last checkpoint whose state exists.
    fn read(&mut self) -> Result<Known> {
        let (known, skipped) = self.read_until(u64::MAX)?;
        skipped.warn(&self.path);
        let Some(last) = &known.last else { return Ok(known) };
        let error = match self.state_of(last) {
            Ok(saved) => {
                self.saved = saved;
                return Ok(known);
            }
            Err(error) => error,
        };
        let damaged = self.state(last.slot()).display().to_string();
        let (before, _) = self.read_until(known.end_before)?;
        // Before the first checkpoint, the detectors have no state.
        let saved = before.last.as_ref().map_or(Some(None), |last| self.state_of(last).ok());
        if let Some(saved) = saved {
            report::warn(format_args!(
                "{damaged}: {error}; segment {} is decoded again",
                last.done.seq
            ));
            self.saved = saved;
            return Ok(before);
        }
        report::warn(format_args!(
            "{damaged}: {error}; the detectors begin anew after segment {}",
            last.done.seq
        ));
        Ok(known)
    }

    fn read_until(&self, end: u64) -> Result<(Known, Skipped)> {
        let read = || Known::read(self.journal.lines(0)?, end, self.known.by_name);
        Ok(self.disk.insist(&self.path, read)?)
    }

    fn cut(&mut self, end: u64) -> Result<()> {
        let Self { journal, disk, path, .. } = self;
        Ok(disk.insist(path, || journal.cut(end))?)
    }

    /// Goes on after the last known line. Later lines are cut off and made again.
    fn take(&mut self, known: Known) -> Result<()> {
        self.cut(known.end)?;
        self.known = known;
        if let Some(stream) = &self.stream {
            self.known.move_to(stream)?;
        }
        self.known.move_pictures(&self.folder);
        Ok(())
    }

    /// Returns the state of the detectors at a checkpoint, or an error if that is lost.
    fn state_of(&self, checkpoint: &Checkpoint) -> Result<Option<Vec<u8>>> {
        let bytes = match durable::read(&self.state(checkpoint.slot()), LARGEST_STATE) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                ensure!(checkpoint.saved.is_none(), "not there any more");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        match &checkpoint.saved {
            Some(hash) if *hash != hash_of(&bytes) => bail!("damaged"),
            _ => {
                Saved::from_bytes(&bytes).context("damaged")?;
                Ok(Some(bytes))
            }
        }
    }

    /// Returns the entry of a segment that was done before.
    pub(crate) fn done(&self, path: &str, bytes: u64) -> Option<&Done> {
        self.known.done.get(self.key(path)).filter(|done| done.checkpoint.bytes == bytes)
    }

    /// Returns the segments that were done before: their sizes by path.
    pub(crate) fn done_paths(&self) -> HashMap<String, u64> {
        let done = self.known.done.values().map(|done| &done.checkpoint);
        done.map(|checkpoint| (checkpoint.path.clone(), checkpoint.bytes)).collect()
    }

    /// Returns the keys of the segments that were done before, by file.
    pub(crate) fn files(&self) -> HashMap<FileId, String> {
        self.known.files()
    }

    /// Returns the segments that were done before: their sizes and files by key.
    pub(crate) fn done_before(&self) -> HashMap<String, (u64, Option<FileId>)> {
        let done = self.known.done.iter().map(|(key, done)| (key, &done.checkpoint));
        done.map(|(key, it)| (key.clone(), (it.bytes, it.file))).collect()
    }

    /// Returns the segments that were done before and hold a frame with a number above `known`, in
    /// order, with their sizes.
    pub(crate) fn done_after(&self, known: u64) -> Vec<(String, u64)> {
        let first = |done: &Done| done.frames.iter().filter_map(number).find(|&id| id > known);
        let done = self.known.done.values();
        let mut found: Vec<_> = done.filter_map(|done| Some((first(done)?, done))).collect();
        found.sort_by_key(|(id, _)| *id);
        let path_and_size = |done: &Done| (done.checkpoint.path.clone(), done.checkpoint.bytes);
        found.into_iter().map(|(_, done)| path_and_size(done)).collect()
    }

    /// Returns whether segments are known by their names: see [`key`].
    pub(crate) fn by_name(&self) -> bool {
        self.known.by_name
    }

    fn key<'a>(&self, path: &'a str) -> &'a str {
        key(path, self.known.by_name)
    }

    /// Returns whether the frame with this PTS was kept before, after the end of the segment whose
    /// state the detectors went on from.
    pub(crate) fn was_kept(&mut self, segment: &str, pts: i64) -> bool {
        let segment = self.key(segment);
        let late = &mut self.known.late;
        let found = late.iter().position(|late| late.is(segment, pts));
        found.map(|found| late.remove(found)).is_some()
    }

    /// Returns the state of the detectors at the last checkpoint.
    pub(crate) fn saved(&mut self) -> Option<Vec<u8>> {
        // The state was read at the start, to check it; later checkpoints are our own.
        self.saved.take().or_else(|| self.state_of(self.last()?).ok()?)
    }

    /// Returns the last checkpoint.
    pub(crate) fn last(&self) -> Option<&Checkpoint> {
        self.known.last.as_ref()
    }

    /// Returns the checkpoint before the last one.
    pub(crate) fn before_last(&self) -> Option<&Checkpoint> {
        self.known.before.as_ref()
    }

    /// Forbids decoding the last done segment as a preroll.
    pub(crate) fn forbid_preroll(&mut self) {
        if let Some(last) = &mut self.known.last {
            last.anchor = None;
        }
    }

    /// Returns the number of the next frame.
    pub(crate) fn next_id(&self) -> u64 {
        self.known.next_id
    }

    /// Saves the state of the detectors, before the next checkpoint is written. The inner error is
    /// the obstruction that has the name of the file: a restart then does without this state.
    pub(crate) fn save(&mut self, state: &[u8]) -> Result<Result<(), Obstruction>> {
        let replaced = self.replace(self.state(self.next_slot()), state)?;
        self.hash = replaced.is_ok().then(|| hash_of(state));
        Ok(replaced)
    }

    fn state(&self, slot: u64) -> PathBuf {
        self.folder.join(format!("scenes_{slot:06}.state"))
    }

    /// Returns the number of the next checkpoint's state.
    fn next_slot(&self) -> u64 {
        self.known.last.as_ref().map_or(1, |last| last.slot().saturating_add(1))
    }

    /// Returns the id and the path of the next picture after this number of others.
    pub(crate) fn next_picture(&self, others: usize) -> Result<(String, PathBuf)> {
        let id = format!("F{:06}", self.known.next_id + others as u64);
        let path = event::absolute(&self.folder.join(format!("{id}{}", self.format.suffix())))?;
        Ok((id, path.into()))
    }

    /// Returns the path of the thumbnail next to the picture of `id`.
    pub(crate) fn thumbnail(&self, id: &str) -> Result<String> {
        Ok(event::absolute(&self.folder.join(format!("{id}{THUMBNAIL}")))?)
    }

    /// Writes the next picture and its thumbnail durably, and the event to the journal. The inner
    /// error is the obstruction that has one of their names: then the frame is not kept, and the
    /// next picture gets the next number.
    pub(crate) fn keep(
        &mut self,
        picture: &[u8],
        thumbnail: Option<&[u8]>,
        session: Option<&str>,
        frame: Frame,
    ) -> Result<Result<Event, Obstruction>> {
        if let Err(obstruction) = self.write(&frame, picture, thumbnail)? {
            if obstruction.path != Path::new(&frame.path) {
                // The picture was written before its thumbnail, and belongs to no frame now.
                let _ = fs::remove_file(&frame.path);
            }
            self.known.next_id += 1;
            return Ok(Err(obstruction));
        }
        self.keep_again(session, frame).map(Ok)
    }

    /// Writes a picture and its thumbnail durably, without a line in the journal: the frame may not
    /// be kept in the end. Returns `false` if an obstruction has one of their names.
    pub(crate) fn announce(
        &self,
        frame: &Frame,
        picture: &[u8],
        thumbnail: Option<&[u8]>,
    ) -> Result<bool> {
        Ok(self.write(frame, picture, thumbnail)?.is_ok())
    }

    /// Writes the picture of a frame and its thumbnail durably. The inner error is the obstruction
    /// that has one of their names.
    fn write(
        &self,
        frame: &Frame,
        picture: &[u8],
        thumbnail: Option<&[u8]>,
    ) -> Result<Result<(), Obstruction>> {
        let thumbnail = frame.thumbnail.as_deref().zip(thumbnail);
        for (path, bytes) in [(&*frame.path, picture)].into_iter().chain(thumbnail) {
            if let Err(obstruction) = self.replace(path.into(), bytes)? {
                return Ok(Err(obstruction));
            }
        }
        Ok(Ok(()))
    }

    fn replace(&self, path: PathBuf, bytes: &[u8]) -> Result<Result<(), Obstruction>> {
        let replaced = self.disk.insist(&path, || match durable::replace(&path, bytes) {
            Err(error) if durable::is_obstructed(&path, &error) => Ok(Err(error)),
            replaced => replaced.map(Ok),
        })?;
        Ok(replaced.map_err(|error| Obstruction { path, error }))
    }

    /// Writes the event of the next frame, whose picture exists, to the journal.
    pub(crate) fn keep_again(&mut self, session: Option<&str>, frame: Frame) -> Result<Event> {
        self.known.next_id += 1;
        self.append(&Entry::Frame(session.map(str::to_owned), frame.clone()))?;
        known::remember(&mut self.known.recent, frame.clone());
        Ok(Event::new(session.map(str::to_owned), frame))
    }

    /// Returns the frame kept `back` frames ago; 1 is the last one.
    pub(crate) fn kept(&self, back: usize) -> Option<&Frame> {
        self.known.recent.get(self.known.recent.len().checked_sub(back)?)
    }

    /// Writes durably to the journal that a segment is done.
    pub(crate) fn checkpoint(&mut self, mut checkpoint: Checkpoint) -> Result<()> {
        checkpoint.saved = self.hash.take();
        checkpoint.slot = Some(self.next_slot());
        checkpoint.file = FileId::at(&checkpoint.path);
        // The state read at the start belongs to an earlier checkpoint.
        self.saved = None;
        let line = line_of(&Entry::Checkpoint(Box::new(checkpoint.clone())))?;
        let Self { journal, disk, path, .. } = self;
        disk.insist(path, || journal.append_durably(&line))?;
        let held = self.known.slots();
        self.known.set_last(&checkpoint);
        // The state of the checkpoint before stays: the last one may be damaged.
        let kept = self.known.slots();
        for slot in held.iter().filter(|slot| !kept.contains(slot)) {
            // Without measuring detectors there is no state.
            let _ = fs::remove_file(self.state(*slot));
        }
        Ok(())
    }

    fn append(&mut self, entry: &Entry) -> Result<()> {
        let line = line_of(entry)?;
        let Self { journal, disk, path, .. } = self;
        Ok(disk.insist(path, || journal.append(&line))?)
    }

    /// Removes files that a killed run did not finish. Finished pictures stay, even those of a
    /// segment that never came again: an index may name them.
    pub(crate) fn remove_unfinished(&self) {
        if let Err(error) = remove_unfinished(&self.folder).and_then(|()| self.remove_old_states())
        {
            report::note(format_args!("{}: {error}", self.folder.display()));
        }
    }

    /// Removes the states left by a run that was killed between a checkpoint and the removal of the
    /// state before it.
    fn remove_old_states(&self) -> std::io::Result<()> {
        let kept = self.known.slots().into_iter();
        let kept: Vec<PathBuf> = kept.map(|slot| self.state(slot)).collect();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if is_state(name) && !kept.contains(&path) && !path.is_dir() {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }
}

fn line_of(entry: &Entry) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    Ok(line)
}

fn hash_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}
