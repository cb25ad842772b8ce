//! Keeps the folder of the pieces: files, ids, and a journal with which a restart gives the same
//! result.

mod forget;

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event::absolute,
    process::report,
    session::sequence,
    stage::Disk,
    storage::{
        durable,
        journal::{Journal, Skipped},
    },
};
use rustix::fs::FlockOperation;

use super::entry::{Entry, Resume, Source, Written};
use crate::options::Options;

/// State that the journal describes.
#[derive(Debug, Default)]
struct Known {
    options: Option<Options>,
    /// Pieces in their order, each with the end of the journal before its line.
    pieces: Vec<(Written, u64)>,
    /// Segments that are done, in their order, likewise.
    done: Vec<(Source, u64)>,
}

impl Known {
    /// Updates the paths of a session's segments to `stream`, where they lie now.
    fn move_to(&mut self, stream: &Path) -> Result<()> {
        for (source, _) in self.done.iter_mut().filter(|(source, _)| source.key != source.path) {
            source.path = absolute(&stream.join(&source.key))?;
        }
        Ok(())
    }
}

/// Holds the folder, opened by the only stage that writes to it.
#[derive(Debug)]
pub(crate) struct PieceJournal {
    pub folder: PathBuf,
    path: PathBuf,
    disk: Disk,
    journal: Journal,
    known: Known,
    /// Index of each done segment by its key.
    by_key: HashMap<String, usize>,
    /// Indexes of the pieces that begin in a segment, by its key.
    pieces_by_key: HashMap<String, Vec<usize>>,
    /// Whether segments are known by their names: this is the folder of a session.
    pub by_name: bool,
}

impl PieceJournal {
    /// Opens `folder`, and creates it if it is missing.
    pub(crate) fn open(
        folder: &Path,
        options: &Options,
        overwrite: bool,
        disk: Disk,
    ) -> Result<Self> {
        disk.insist_at_start(folder, || fs::create_dir_all(folder))?;
        let path = folder.join("audio.ndjson");
        let journal = disk.insist_at_start(&path, || Journal::open(&path))?;
        lock(&journal, folder)?;
        let session =
            folder.parent().filter(|_| folder.file_name().is_some_and(|it| it == "audio"));
        let by_name = session.is_some_and(|session| session.join("stream").is_dir());
        let mut opened = Self {
            folder: folder.to_owned(),
            path,
            disk,
            journal,
            known: Known::default(),
            by_key: HashMap::new(),
            pieces_by_key: HashMap::new(),
            by_name,
        };
        let mut known = opened.read()?;
        if let Some(session) = session.filter(|_| by_name) {
            known.move_to(&session.join("stream"))?;
        }
        match &known.options {
            Some(found) if found == options && !overwrite => {
                opened.known = known;
                opened.index();
            }
            Some(found) if !overwrite => bail!(
                "{}: holds pieces made with {found}; use these, another --out, or --overwrite",
                folder.display()
            ),
            found => {
                if found.is_some() || !known.pieces.is_empty() {
                    remove(folder, is_piece).with_context(|| folder.display().to_string())?;
                }
                opened.cut(0)?;
                opened.append(&Entry::Options(options.clone()))?;
            }
        }
        let unfinished = |name: &str| {
            let name = durable::unfinished(name.as_ref()).and_then(|name| name.to_str());
            name.is_some_and(is_piece)
        };
        remove(folder, unfinished).with_context(|| folder.display().to_string())?;
        Ok(opened)
    }

    fn read(&self) -> Result<Known> {
        let (mut known, mut skipped) = (Known::default(), Skipped::default());
        let mut lines = self.journal.lines(0).with_context(|| self.path.display().to_string())?;
        let mut before = 0;
        while let Some(line) = lines.next().with_context(|| self.path.display().to_string())? {
            match serde_json::from_slice(line.bytes) {
                Ok(Entry::Options(options)) => known.options = Some(options),
                Ok(Entry::Piece(piece)) => known.pieces.push((*piece, before)),
                Ok(Entry::Done(source)) => known.done.push((*source, before)),
                Err(error) => skipped.add(line.number, error),
            }
            before = line.end;
        }
        skipped.warn(&self.path);
        Ok(known)
    }

    fn index(&mut self) {
        let done = self.known.done.iter().enumerate();
        self.by_key = done.map(|(n, (source, _))| (source.key.clone(), n)).collect();
        self.pieces_by_key.clear();
        for (n, (piece, _)) in self.known.pieces.iter().enumerate() {
            self.pieces_by_key.entry(piece.key.clone()).or_default().push(n);
        }
    }

    fn cut(&mut self, end: u64) -> Result<()> {
        let Self { journal, disk, path, .. } = self;
        Ok(disk.insist(path, || journal.cut(end))?)
    }

    fn append(&mut self, entry: &Entry) -> Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let Self { journal, disk, path, .. } = self;
        Ok(disk.insist(path, || journal.append_durably(&line))?)
    }

    /// Returns the id and the name of the next piece.
    pub(crate) fn next_id(&self) -> String {
        let number = |(piece, _): &(Written, u64)| piece.audio.id.strip_prefix('A')?.parse().ok();
        let last: u64 = self.known.pieces.last().and_then(number).unwrap_or(0);
        format!("A{:06}", last + 1)
    }

    /// Writes a file of the folder durably.
    pub(crate) fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        Ok(self.disk.insist(path, || durable::replace(path, bytes))?)
    }

    /// Notes a piece whose file is written.
    pub(crate) fn add(&mut self, piece: Written) -> Result<()> {
        let end = self.journal.end();
        self.append(&Entry::Piece(Box::new(piece.clone())))?;
        let of_segment = self.pieces_by_key.entry(piece.key.clone()).or_default();
        of_segment.push(self.known.pieces.len());
        self.known.pieces.push((piece, end));
        Ok(())
    }

    /// Notes that a segment is done.
    pub(crate) fn finish(&mut self, source: Source) -> Result<()> {
        let end = self.journal.end();
        self.append(&Entry::Done(Box::new(source.clone())))?;
        self.by_key.insert(source.key.clone(), self.known.done.len());
        self.known.done.push((source, end));
        Ok(())
    }

    /// Returns the segment of a key, if it is done.
    pub(crate) fn done(&self, key: &str) -> Option<&Source> {
        let (source, _) = self.known.done.get(*self.by_key.get(key)?)?;
        Some(source)
    }

    /// Returns the keys of the segments that are done.
    pub(crate) fn done_keys(&self) -> HashSet<String> {
        self.by_key.keys().cloned().collect()
    }

    /// Returns the last segment that is done.
    pub(crate) fn last_done(&self) -> Option<&Source> {
        self.known.done.last().map(|(source, _)| source)
    }

    /// Returns the pieces that begin in a segment.
    pub(crate) fn pieces_of(&self, key: &str) -> impl Iterator<Item = &Written> {
        self.indexes_of(key).iter().filter_map(|at| self.piece(*at))
    }

    fn indexes_of(&self, key: &str) -> &[usize] {
        self.pieces_by_key.get(key).map_or(&[], Vec::as_slice)
    }

    /// Returns the last `count` pieces.
    pub(crate) fn last_pieces(&self, count: usize) -> impl Iterator<Item = &Written> {
        let from = self.known.pieces.len().saturating_sub(count);
        self.known.pieces[from..].iter().map(|(piece, _)| piece)
    }

    /// Returns where the next piece begins, if a run was not finished, and the segments that are
    /// done from there on.
    pub(crate) fn unfinished(&self) -> Option<(&Resume, Vec<Source>)> {
        let open = self.known.pieces.iter().rev().take_while(|(piece, _)| piece.is_open).last();
        let resume = match open {
            Some((first, _)) => &first.begin,
            None => self.known.pieces.last()?.0.next.as_ref()?,
        };
        let from = self.by_key.get(&resume.at.key).copied().unwrap_or(self.known.done.len());
        let sources = self.known.done[from..].iter().map(|(source, _)| source.clone());
        Some((resume, sources.collect()))
    }

    /// Takes back the pieces at the end that were cut because the input ended, and the lines
    /// after them. The next pieces get their numbers.
    pub(crate) fn reopen(&mut self) -> Result<()> {
        let open = self.known.pieces.iter().rev().take_while(|(piece, _)| piece.is_open).last();
        let Some(&(_, end)) = open else { return Ok(()) };
        self.cut(end)?;
        self.known.pieces.retain(|(_, before)| *before < end);
        self.known.done.retain(|(_, before)| *before < end);
        self.index();
        Ok(())
    }
}

/// Returns the key of the segment at `path`: in the folder of a session, the name of the file, so
/// that the session may be moved; otherwise its path.
pub(crate) fn key(path: &str, by_name: bool) -> &str {
    let path_of = Path::new(path);
    let is_recorded = sequence(path_of).is_some()
        && path_of.parent().and_then(Path::file_name).is_some_and(|it| it == "stream");
    let name = path_of.file_name().and_then(|name| name.to_str());
    name.filter(|_| by_name && is_recorded).unwrap_or(path)
}

/// Returns whether a name is that of a piece.
fn is_piece(name: &str) -> bool {
    let number = |extension| name.strip_prefix('A')?.strip_suffix(extension)?.parse::<u64>().ok();
    [".wav", ".flac", ".opus"].into_iter().any(|extension| number(extension).is_some())
}

fn remove(folder: &Path, is_meant: impl Fn(&str) -> bool) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        // A folder of that name is not ours: it stays.
        if !is_folder && entry.file_name().to_str().is_some_and(&is_meant) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Locks the journal; if another process has locked it, reports that and waits.
fn lock(journal: &Journal, folder: &Path) -> Result<()> {
    if rustix::fs::flock(journal.file(), FlockOperation::NonBlockingLockExclusive).is_ok() {
        return Ok(());
    }
    report::note(format_args!(
        "{}: another cht-audio is writing here; waiting until it ends",
        folder.display()
    ));
    rustix::fs::flock(journal.file(), FlockOperation::LockExclusive)
        .with_context(|| folder.display().to_string())
}
