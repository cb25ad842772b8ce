//! `index.json`: written from the contents at its pace, and edits of it taken over.
//!
//! A small one is written at once, before an event is passed on. A larger one is made next to other
//! work, by a thread that reads the journal: only its change of places with the present one needs
//! the lock.
//!
//! An edited file is read before it is replaced, and once more when it was swapped out, for an edit
//! made in between. A file that a killed writer had swapped out is read by the next one before that
//! is overwritten. The stamp of a file tells whether it is our own ([`Stamp`]).

use std::{
    fs::File,
    io,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use cht_core::{
    process::{clock, report},
    storage::{
        draft::{Draft, Exchanged, Stamp},
        durable,
    },
    terminal::units,
};

use crate::{
    args::Format,
    contents::{Contents, Revision},
    edits::{Edit, Edits, Reader, Rule},
    frozen::Frozen,
    lines::StoredLines,
    ours::LARGEST,
    pace::Pace,
};

/// Number of edits that are not JSON and are kept next to an index.
const KEPT: u32 = 9;

/// Size of an `index.json` that is written before an event is passed on, in bytes: some ms.
const SMALL: u64 = 1_000_000;

/// Time after which a draft that is being made is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// State of `index.json`.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The file as it was last written or read.
    seen: Option<Stamp>,
    /// Offset up to which it has the journal, if we have written it, and the restarts before.
    shows: Option<(u64, u64)>,
    /// The contents that it shows.
    revision: Option<Revision>,
    /// Size of the file, in bytes.
    size: u64,
    pub format: Format,
    pub pace: Pace,
    making: Option<Making>,
    /// Files written since somebody took the numbers.
    pub written: Written,
    /// Whether the last one could not be made next to other work.
    has_failed: bool,
}

/// Files that were written.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Written {
    pub files: u64,
    /// Sum of their sizes.
    pub bytes: u64,
    /// Time from the beginning of each to its rename, also while that waited for other work.
    pub time: Duration,
    /// Size of the last one, if there is any.
    pub last: Option<u64>,
}

/// A draft that is being made next to other work.
#[derive(Debug)]
struct Making {
    began: Instant,
    thread: JoinHandle<Result<Draft>>,
    shows: u64,
    revision: Revision,
    /// How the file was read that it replaces.
    edit: Edit,
}

impl Snapshot {
    /// Returns the state before the file was looked at.
    pub(crate) fn new(format: Format, now: Instant) -> Self {
        Self {
            seen: None,
            shows: None,
            revision: None,
            size: 0,
            format,
            pace: Pace::new(now),
            making: None,
            written: Written::default(),
            has_failed: false,
        }
    }

    fn is_object(&self) -> bool {
        self.format == Format::Object
    }

    /// Returns whether the file lacks something of `contents`.
    fn is_behind(&self, contents: &Contents) -> bool {
        let now = contents.revision;
        self.revision.is_none_or(|shown| {
            (shown.frames, shown.restarts) != (now.frames, now.restarts)
                || (self.is_object() && shown.others != now.others)
        })
    }

    /// Looks at the file that is there, and takes over edits. One that is as it would be written is
    /// not written.
    pub(crate) fn begin(&mut self, contents: &mut Contents) -> Result<()> {
        self.take_over_leftover(contents)?;
        let is_current = self.take_over_edit(contents)? == Edit::None;
        // An object also has the segments, which are not compared.
        self.revision = (is_current && !self.is_object()).then_some(contents.revision);
        Ok(())
    }

    /// Returns the time until there is something to do; `None` for nothing.
    pub(crate) fn wait(&mut self, contents: &Contents, now: Instant) -> Option<Duration> {
        match &self.making {
            Some(making) if making.thread.is_finished() => Some(Duration::ZERO),
            Some(_) => Some(LOOK_AGAIN),
            None => self.is_behind(contents).then(|| self.pace.wait(now)),
        }
    }

    /// Writes the file if it is its turn. The caller holds the lock.
    pub(crate) fn keep_up(&mut self, contents: &mut Contents, now: Instant) -> Result<()> {
        if let Some(making) = self.making.take_if(|making| making.thread.is_finished()) {
            self.place(making, contents)?;
        }
        if self.making.is_some() || !self.is_behind(contents) || !self.pace.wait(now).is_zero() {
            return Ok(());
        }
        let size = if self.size == 0 { contents.position } else { self.size };
        if size <= SMALL || self.has_failed {
            return self.publish(contents);
        }
        self.take_over_leftover(contents)?;
        let edit = self.take_over_edit(contents)?;
        contents.append()?;
        let frozen = Frozen::of(contents, self.is_object())?;
        let (shows, revision) = (frozen.shows, frozen.revision);
        let thread = std::thread::spawn(move || frozen.draft_apart());
        self.making = Some(Making { began: now, thread, shows, revision, edit });
        Ok(())
    }

    /// Gives a draft that was made next to other work its place.
    fn place(&mut self, making: Making, contents: &mut Contents) -> Result<()> {
        let Making { began, thread, shows, revision, edit } = making;
        let draft = thread.join().map_err(|_| anyhow!("index.json cannot be made"));
        self.has_failed = true;
        let draft = draft??;
        // Another process has written the file meanwhile, which may show more; or has started the
        // journal over.
        if self.seen.is_none() || stamp_at(contents).ok() != self.seen {
            return Ok(());
        }
        if revision.restarts == contents.revision.restarts {
            self.take_over_leftover(contents)?;
            contents.append()?;
            match self.exchange(draft, shows, revision, edit, contents) {
                // Another process has ended, and removed it.
                Err(error) if is_absence(&error) => {}
                done => {
                    done?;
                    self.note_written(began);
                    contents.append()?;
                    durable::remove(&durable::swapped_out(&contents.path))?;
                }
            }
        }
        self.has_failed = false;
        Ok(())
    }

    /// Replaces the file by the state of the contents, and takes over edits.
    pub(crate) fn publish(&mut self, contents: &mut Contents) -> Result<()> {
        // Its draft would show less.
        if let Some(making) = self.making.take() {
            let _ = making.thread.join();
        }
        self.take_over_leftover(contents)?;
        let mut edit = self.take_over_edit(contents)?;
        loop {
            contents.append()?;
            if edit == Edit::None && !self.is_behind(contents) {
                break;
            }
            let began = clock::monotonic();
            let frozen = Frozen::of(contents, self.is_object())?;
            self.exchange(frozen.draft()?, frozen.shows, frozen.revision, edit, contents)?;
            self.note_written(began);
            edit = Edit::None;
        }
        durable::remove(&durable::swapped_out(&contents.path))?;
        self.has_failed = false;
        Ok(())
    }

    /// Counts a file that was begun at `began` and has its place now.
    fn note_written(&mut self, began: Instant) {
        let written = &mut self.written;
        written.files += 1;
        written.bytes += self.size;
        written.time += clock::monotonic().saturating_duration_since(began);
        written.last = Some(self.size);
    }

    /// Writes the file for the last time, unless it has all of the contents and no edit.
    pub(crate) fn finish(&mut self, contents: &mut Contents) -> Result<()> {
        if !self.is_current(contents) {
            self.publish(contents)?;
        }
        Ok(Draft::remove_apart(&contents.path)?)
    }

    /// Returns whether the file has all of the contents, and no edit.
    fn is_current(&self, contents: &Contents) -> bool {
        let now = stamp_at(contents).ok();
        now.is_some() && now == self.seen && !self.is_behind(contents)
    }

    /// Gives a draft its place, and takes over edits of the replaced file, which was read as `edit`
    /// before.
    fn exchange(
        &mut self,
        draft: Draft,
        shows: u64,
        revision: Revision,
        mut edit: Edit,
        contents: &mut Contents,
    ) -> Result<()> {
        let Exchanged { stamp, size, replaced } = draft.exchange()?;
        match replaced {
            None => edit = Edit::Whole,
            Some(Ok(file)) if Some(Stamp::of(&file)?) == self.seen => {}
            Some(Ok(file)) => edit = self.take_over(contents, file)?,
            Some(Err(error)) => {
                report::warn(format_args!("{}: {error}", contents.path.display()));
                edit = Edit::Broken;
            }
        }
        if edit == Edit::Broken {
            keep_aside(contents)?;
        }
        self.shows = Some((shows, revision.restarts));
        (self.seen, self.revision) = (stamp, Some(revision));
        self.size = size;
        self.pace.spend(size);
        Ok(())
    }

    /// Takes over the file that a killed writer had swapped out and may not have read. It may also
    /// be an unfinished new one, or an old one, so it changes no existing field.
    pub(crate) fn take_over_leftover(&self, contents: &mut Contents) -> Result<()> {
        let Ok(file) = durable::open_to_read(&durable::swapped_out(&contents.path)) else {
            return Ok(());
        };
        if file.metadata()?.len() <= LARGEST {
            let (_, edits) = self.read_edits(contents, file, Rule::Additions)?;
            contents.take_up(edits);
        }
        Ok(())
    }

    /// Takes over edits of `index.json`, if it is not as it was last seen.
    pub(crate) fn take_over_edit(&mut self, contents: &mut Contents) -> Result<Edit> {
        let Ok(file) = durable::open_to_read(&contents.path) else { return Ok(Edit::Whole) };
        if Some(Stamp::of(&file)?) == self.seen {
            return Ok(if self.is_behind(contents) { Edit::Whole } else { Edit::None });
        }
        if file.metadata()?.len() > LARGEST {
            // Once it is swapped out, it is kept.
            return Ok(Edit::Whole);
        }
        let seen = Stamp::settled(&file)?;
        self.size = file.metadata()?.len();
        let edit = self.take_over(contents, file)?;
        self.seen = seen;
        if edit == Edit::None {
            self.shows = Some((contents.position, contents.revision.restarts));
        }
        Ok(edit)
    }

    /// Takes over the edits in a file that was `index.json`.
    fn take_over(&mut self, contents: &mut Contents, file: File) -> Result<Edit> {
        let size = file.metadata()?.len();
        if size == 0 {
            // There is nothing to keep.
            return Ok(Edit::Whole);
        }
        if size > LARGEST {
            let path = contents.path.display();
            report::warn(format_args!("{path}: larger than {LARGEST} bytes, and not read"));
            return Ok(Edit::Broken);
        }
        self.pace.spend_on_reading(size);
        let restarts = contents.revision.restarts;
        let shows = self.shows.filter(|shows| shows.1 == restarts).map(|shows| shows.0);
        let (edit, edits) = self.read_edits(contents, file, Rule::Since(shows))?;
        if let Some(first) = &edits.first {
            let (path, refused) = (contents.path.display(), units::count(edits.refused, "edit"));
            report::warn(format_args!("{path}: {refused} not taken over; {first}"));
        }
        contents.take_up(edits);
        Ok(edit)
    }

    fn read_edits(
        &self,
        contents: &mut Contents,
        file: File,
        rule: Rule,
    ) -> io::Result<(Edit, Edits)> {
        contents.frames.sort();
        let mut edits = Edits::default();
        let (frames, moved) = (&contents.frames, contents.moved.as_mut());
        let lines = StoredLines::of(contents.journal.file());
        let is_object = self.is_object();
        let edit = Reader { frames, lines, moved, rule, is_object }.read(file, &mut edits)?;
        Ok((edit, edits))
    }
}

/// Returns the stamp of the file that is there.
fn stamp_at(contents: &Contents) -> io::Result<Stamp> {
    Stamp::of(&durable::open_to_read(&contents.path)?)
}

/// Returns whether a file was gone.
fn is_absence(error: &anyhow::Error) -> bool {
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    error.downcast_ref::<io::Error>().is_some_and(gone)
}

/// Renames a swapped-out file that could not be read to its end: an edit is never thrown away.
fn keep_aside(contents: &Contents) -> Result<()> {
    let swapped_out = durable::swapped_out(&contents.path);
    for n in 1..=KEPT {
        let kept = durable::with_suffix(&contents.path, &format!(".broken{n}"));
        match durable::rename_new(&swapped_out, &kept) {
            Ok(()) => {
                report::warn(format_args!(
                    "{}: no JSON array; its whole elements were taken over, and it is kept as {}",
                    contents.path.display(),
                    kept.display()
                ));
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    report::warn(format_args!(
        "{}: no JSON array; its whole elements were taken over, and it is not kept: there are {KEPT} already",
        contents.path.display()
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::contents::Change;

    const FRAME: &str = r#"{"v":1,"type":"frame","session":null,"id":"F000001","timestamp":1.0,"pts":1,"path":"/f","segment":"/s","reason":"scene","scores":{"scene":0.5},"width":1,"height":1,"bytes":1,"hash":"00"}"#;

    fn open(path: &Path) -> (Contents, Snapshot) {
        let now = cht_core::process::clock::monotonic();
        let (mut contents, mut snapshot) =
            (Contents::open(path).unwrap(), Snapshot::new(Format::Array, now));
        contents.catch_up().unwrap();
        snapshot.begin(&mut contents).unwrap();
        (contents, snapshot)
    }

    #[test]
    fn draft_that_is_older_than_the_file_of_another_process_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.json");
        fs::write(folder.path().join("index.ndjson"), FRAME.to_owned() + "\n").unwrap();
        let (mut contents, mut snapshot) = open(&path);
        snapshot.publish(&mut contents).unwrap();
        let frozen = Frozen::of(&mut contents, false).unwrap();
        let (shows, revision, edit) = (frozen.shows, frozen.revision, Edit::None);
        let thread = std::thread::spawn(move || frozen.draft_apart());
        let began = cht_core::process::clock::monotonic();
        let making = Making { began, thread, shows, revision, edit };

        let (mut others, mut written) = open(&path);
        others.pending.push(Change::Mark("F000001".to_owned()));
        written.publish(&mut others).unwrap();
        let is_marked = || fs::read_to_string(&path).unwrap().contains(r#""sent_to_agent":true"#);
        assert!(is_marked());
        snapshot.place(making, &mut contents).unwrap();
        assert!(is_marked());
        contents.catch_up().unwrap();
        snapshot.finish(&mut contents).unwrap();
        assert!(is_marked());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "index and journal");
    }
}
