//! One index: a journal that only grows, and `index.json` made from it.
//!
//! The journal (`index.ndjson`) holds `frame` and `sent` events, and text, speech and sound. The
//! index is their sum. A writer
//! holds a lock on the journal and first reads what others have appended, so that any number of
//! `cht-index` processes (the stage, and `--sent`) agree. `index.json` is replaced by a rename: a
//! reader sees the old one or the new one. It is written at once while it is small, and at a pace
//! that bounds its cost when it is large ([`Pace`]).
//!
//! Edits of `index.json` by other programs are taken over: marks (`sent_to_agent`), and fields of
//! their own. An edited file is read before it is replaced, and once more when it was swapped out,
//! for an edit made in between. A file that a killed writer had swapped out is read by the next one
//! before it is overwritten. The stamp of a file tells whether it is our own ([`Stamp`]).

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use cht_core::{
    event::{Body, Event, Frame, ParseError, Sent},
    process::report,
    session::Moved,
    storage::{
        disk_error::may_pass,
        draft::{Draft, Exchanged, Stamp},
        durable,
        journal::{Journal, Lines, Skipped},
    },
};
use rustix::{fs::FlockOperation, io::Errno};
use serde_json::{Map, Value};

use crate::{
    args::Format,
    array::Elements,
    edits::{Edit, Edits, Reader, Rule},
    entry::{self, Entry, FrameLine},
    frames::{Frames, Span},
    lines::StoredLines,
    object,
    others::{self, OtherLine, Others},
    ours::{self, LARGEST},
    pace::Pace,
    transcript,
};

/// Number of edits that are not JSON and are kept next to an index.
const KEPT: u32 = 9;

/// Size of an `index.json` that is written before an event is passed on, in bytes: some ms.
const SMALL: u64 = 1_000_000;

/// Time after which a larger one is written although more events come.
const PATIENCE: Duration = Duration::from_millis(500);

/// Time after which the journal is looked at for lines of other programs.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// An index on disk.
#[derive(Debug)]
pub(crate) struct Index {
    path: PathBuf,
    journal: Journal,
    /// Offset up to which the journal was read.
    position: u64,
    frames: Frames,
    others: Others,
    /// Changes that the journal does not have yet.
    pending: Vec<Change>,
    snapshot: Snapshot,
    /// Files made from speech, in a session.
    transcript: Option<transcript::Files>,
    /// Place of the index's session, which may have been moved.
    moved: Option<Moved>,
}

/// A change of the index.
#[derive(Debug)]
enum Change {
    /// A frame of an event.
    Frame(Box<Entry>),
    /// Fields that another program added to a frame.
    Fields(String, Map<String, Value>),
    /// A frame was sent to an agent.
    Mark(String),
    /// An event that is no frame, as its line in the journal.
    Other(Vec<u8>),
}

/// State of `index.json`.
#[derive(Debug)]
struct Snapshot {
    /// The file as it was last written or read.
    seen: Option<Stamp>,
    /// Offset up to which it has the journal, if we have written it.
    shows: Option<u64>,
    /// Whether it has less than the journal.
    behind: bool,
    /// When that was first noticed.
    behind_since: Option<Instant>,
    /// Size of the file, in bytes.
    size: u64,
    format: Format,
    pace: Pace,
}

impl Snapshot {
    fn is_object(&self) -> bool {
        self.format == Format::Object
    }

    /// Returns whether it is to be written, with or without events that would wait for it.
    fn is_due(&mut self, is_idle: bool, now: Instant) -> bool {
        if !self.behind {
            self.behind_since = None;
            return false;
        }
        let since = *self.behind_since.get_or_insert(now);
        let is_turn = is_idle || self.size <= SMALL || now.duration_since(since) > PATIENCE;
        is_turn && self.pace.wait(now).is_zero()
    }
}

impl Index {
    /// Opens the index at `path`, creates its folder, and takes over edits. [`Index::commit`]
    /// brings `index.json` up to date.
    pub(crate) fn open(
        path: &Path,
        overwrite: bool,
        format: Option<Format>,
        now: Instant,
    ) -> Result<Self> {
        let named = || path.display().to_string();
        let journal = ours::journal_of(path)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        let journal = Journal::open(&journal).with_context(|| journal.display().to_string())?;
        let (format, pace) = (format.unwrap_or_else(|| object::format_of(path)), Pace::new(now));
        let (seen, shows, behind_since) = (None, None, None);
        let snapshot = Snapshot { seen, shows, behind: true, behind_since, size: 0, format, pace };
        let moved = path.parent().and_then(Moved::of_frames);
        let session = path.parent().and_then(Path::parent).filter(|_| moved.is_some());
        let transcript =
            session.map(|session| transcript::Files::of(session.join("transcript"), now));
        let mut index = Self {
            path: path.to_owned(),
            journal,
            position: 0,
            frames: Frames::default(),
            others: Others::default(),
            pending: Vec::new(),
            snapshot,
            transcript,
            moved,
        };
        index.locked(|index| {
            if overwrite {
                index.journal.cut(0)?;
                if path.exists() {
                    durable::replace(path, b"[]\n").with_context(named)?;
                }
                durable::remove(&durable::swapped_out(path)).with_context(named)?;
                if let Some(files) = &mut index.transcript {
                    files.remove()?;
                }
            }
            index.catch_up()?;
            if index.frames.is_empty() && index.position == 0 {
                index.adopt()?;
                index.append()?;
            }
            index.take_over_leftover()?;
            // An index that is as it would be written is not written.
            let is_current = index.take_over_edit()? == Edit::None;
            // An object also has the segments, which are not compared.
            index.snapshot.behind = !is_current || index.snapshot.is_object();
            index.append()?;
            index.write_transcript(Some(now))
        })?;
        index.snapshot.pace = Pace::new(now);
        Ok(index)
    }

    /// Returns whether there is a frame with this id.
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.frames.get(id).is_some()
    }

    /// Adds an event with the text `line`; [`Index::commit`] makes it durable.
    pub(crate) fn add(&mut self, event: &Event, line: &[u8]) {
        match &event.body {
            Body::Frame(frame) => {
                let extra = entry::extra(line).unwrap_or_else(|error| {
                    let path = self.path.display();
                    report::warn(format_args!(
                        "{path}: {}: fields that others added are not kept: {error}",
                        frame.id
                    ));
                    Map::new()
                });
                let (session, frame) = (event.session.clone(), frame.clone());
                self.pending.push(Change::Frame(Box::new(Entry { session, frame, extra })));
            }
            Body::Sent(sent) if sent.is_of_agent() => self.mark(&sent.id),
            Body::Text(_) | Body::Transcript(_) | Body::Audio(_) => {
                self.pending.push(Change::Other(others::line_of(event, line)));
            }
            Body::SegmentClosed(_) | Body::Segment(_) | Body::Deleted(_) => {
                self.snapshot.behind |= self.snapshot.is_object();
            }
            _ => {}
        }
    }

    /// Marks a frame as sent.
    pub(crate) fn mark(&mut self, id: &str) {
        self.pending.push(Change::Mark(id.to_owned()));
    }

    /// Makes additions durable in the journal, and writes the files made from it that are due. A
    /// large `index.json` waits until there are no additions, so that none waits for it, or until
    /// that takes too long.
    pub(crate) fn commit(&mut self, now: Instant) -> Result<()> {
        if self.pending.is_empty() && !self.wait(now).is_zero() && !self.has_grown()? {
            return Ok(());
        }
        let is_idle = self.pending.is_empty();
        self.locked(|index| {
            index.catch_up()?;
            index.append()?;
            index.write_transcript(Some(now))?;
            if index.snapshot.is_due(is_idle, now) { index.publish() } else { Ok(()) }
        })
    }

    /// Returns the time until there is something to write, or to look whether another program has
    /// appended a mark.
    pub(crate) fn wait(&mut self, now: Instant) -> Duration {
        let snapshot = self.snapshot.behind.then(|| self.snapshot.pace.wait(now));
        let transcript = self.transcript.as_mut().and_then(|files| files.wait(now));
        snapshot.into_iter().chain(transcript).fold(LOOK_AGAIN, Duration::min)
    }

    /// Returns whether another program has appended to the journal.
    fn has_grown(&self) -> io::Result<bool> {
        Ok(self.journal.file().metadata()?.len() != self.position)
    }

    /// Writes the files made from speech. `now` bounds their cost; without it, all is written.
    fn write_transcript(&mut self, now: Option<Instant>) -> Result<()> {
        let Some(files) = &mut self.transcript else { return Ok(()) };
        let mut lines = StoredLines::of(self.journal.file());
        match files.update(&self.others.transcript, &mut lines, now) {
            Err(error) if refusal(&error).is_none_or(|error| !may_pass(&error)) => {
                report::warn(format_args!("{error:#}; the journal has the speech all the same"));
                self.transcript = None;
                Ok(())
            }
            done => done,
        }
    }

    /// Commits for the last time: takes over edits made since the last commit, and brings
    /// `index.json` up to date.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.locked(|index| {
            index.catch_up()?;
            index.append()?;
            index.write_transcript(None)?;
            let now = durable::open_to_read(&index.path).and_then(|file| Stamp::of(&file)).ok();
            let is_ours = now.is_some() && now == index.snapshot.seen;
            if is_ours && !index.snapshot.behind { Ok(()) } else { index.publish() }
        })
    }

    /// Runs `action` while no other `cht-index` writes here.
    fn locked(&mut self, action: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let path = self.path.clone();
        let named = || path.display().to_string();
        let lock = self.journal.file().try_clone().with_context(named)?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).with_context(named)?;
        let done = action(self).with_context(named);
        rustix::fs::flock(&lock, FlockOperation::Unlock).with_context(named)?;
        done
    }

    /// Forgets the journal, to read it once more from its beginning.
    fn forget(&mut self) {
        (self.frames, self.others, self.position) = (Frames::default(), Others::default(), 0);
        if let Some(files) = &mut self.transcript {
            files.forget();
        }
        (self.snapshot.shows, self.snapshot.behind) = (None, true);
    }

    /// Reads the new part of the journal.
    fn catch_up(&mut self) -> Result<()> {
        let length = self.journal.file().metadata()?.len();
        if length < self.position {
            // Another process has started it over.
            self.forget();
        }
        if length == self.position {
            return Ok(());
        }
        let (mut skipped, speech) = (Skipped::default(), self.others.transcript.len());
        let mut lines = self.journal.lines(self.position)?;
        while let Some(line) = lines.next()? {
            let span = Span::before(line.end, line.bytes.len());
            match read_line(line.bytes) {
                Ok(Stored::Frame(frame)) => {
                    self.frames.set(frame.kept(self.moved.as_mut()), span);
                    self.snapshot.behind = true;
                }
                Ok(Stored::Mark(id)) => self.snapshot.behind |= self.frames.mark(&id),
                Ok(Stored::Event(other)) => {
                    let is_new = self.others.add(&other, span);
                    self.snapshot.behind |= is_new && self.snapshot.is_object();
                }
                Ok(Stored::Other) => {}
                Err(error) => skipped.add(line.number, error),
            }
        }
        self.position = lines.end();
        skipped.warn(&self.path.with_extension("ndjson"));
        if self.others.transcript.len() != speech
            && let Some(files) = &mut self.transcript
        {
            // The process that wrote it may have written the files, too.
            files.forget();
        }
        Ok(())
    }

    /// Appends the pending changes to the journal, durably. After an error, they are pending.
    fn append(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let pending = std::mem::take(&mut self.pending);
        let appended = self.append_all(&pending);
        if appended.is_err() {
            // The frames in memory are ahead of the journal.
            self.forget();
            self.pending = pending;
        }
        appended
    }

    fn append_all(&mut self, changes: &[Change]) -> Result<()> {
        let mut batch = Vec::new();
        for change in changes {
            let line = match change {
                Change::Mark(id) => {
                    let sent = Sent { id: id.clone(), ..Sent::default() };
                    self.frames.mark(id).then(|| Event::new(None, sent).to_line())
                }
                Change::Frame(new) => {
                    let Entry { session, frame, extra } = &**new;
                    self.changed(&batch, &frame.id, Some((session, frame)), extra)?
                }
                Change::Fields(id, extra) => self.changed(&batch, id, None, extra)?,
                Change::Other(line) => Some(line.clone()),
            };
            let Some(line) = line else { continue };
            let end = self.position + (batch.len() + line.len()) as u64;
            let span = Span::before(end, line.len() - 1);
            match read_line(line.trim_ascii_end()) {
                Ok(Stored::Frame(frame)) => self.frames.set(frame.kept(self.moved.as_mut()), span),
                Ok(Stored::Event(other)) if !self.others.add(&other, span) => continue,
                _ => {}
            }
            self.snapshot.behind |=
                self.snapshot.is_object() || !matches!(change, Change::Other(_));
            batch.extend_from_slice(&line);
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.journal.append_durably(&batch)?;
        let end = self.position + batch.len() as u64;
        if self.journal.end() == end {
            self.position = end;
        } else {
            // Another program has written to it without the lock.
            self.forget();
            self.catch_up()?;
        }
        Ok(())
    }

    /// Returns the line of a frame that an event or an edit changes; `None` if nothing is new.
    fn changed(
        &mut self,
        batch: &[u8],
        id: &str,
        event: Option<(&Option<String>, &Frame)>,
        extra: &Map<String, Value>,
    ) -> Result<Option<Vec<u8>>> {
        let known = match self.frames.get(id).map(|item| item.line) {
            None => None,
            Some(span) if span.offset >= self.position => {
                let from = (span.offset - self.position) as usize;
                Entry::parse(&batch[from..from + span.length as usize])
            }
            Some(span) => Entry::parse(StoredLines::of(self.journal.file()).get(span)?),
        };
        let mut is_new = known.is_none();
        let mut entry = match (known, event) {
            (None, None) => return Ok(None),
            (Some(known), None) => known,
            (None, Some((session, frame))) => {
                Entry { session: session.clone(), frame: frame.clone(), extra: Map::new() }
            }
            (Some(mut known), Some((session, frame))) => {
                if let Some(moved) = &mut self.moved {
                    moved.mend(&mut known.session, &mut known.frame);
                }
                if known.frame != *frame {
                    is_new = true;
                    if known.frame.hash != frame.hash {
                        // Another picture of the same name: it was made anew.
                        known.extra.clear();
                    }
                    (known.session, known.frame) = (session.clone(), frame.clone());
                }
                known
            }
        };
        match entry.merge(extra.clone()) {
            Ok(changed) => is_new |= changed,
            Err(error) => report::warn(error),
        }
        Ok(is_new.then(|| entry.into_line()))
    }

    /// Replaces `index.json` by the state of the journal, and takes over edits.
    fn publish(&mut self) -> Result<()> {
        self.take_over_leftover()?;
        let mut edit = self.take_over_edit()?;
        loop {
            self.append()?;
            if edit == Edit::None && !self.snapshot.behind {
                break;
            }
            let shows = self.position;
            let Exchanged { stamp, size, replaced } = self.draft()?.exchange()?;
            match replaced {
                None => edit = Edit::Whole,
                Some(Ok(file)) if Some(Stamp::of(&file)?) == self.snapshot.seen => {}
                Some(Ok(file)) => edit = self.take_over(file)?,
                Some(Err(error)) => {
                    report::warn(format_args!("{}: {error}", self.path.display()));
                    edit = Edit::Broken;
                }
            }
            if edit == Edit::Broken {
                self.keep_aside()?;
            }
            self.snapshot.seen = stamp;
            self.snapshot.shows = Some(shows);
            self.snapshot.behind_since = None;
            self.snapshot.size = size;
            self.snapshot.pace.spend(size);
            self.snapshot.behind = !self.pending.is_empty();
            edit = Edit::None;
        }
        durable::remove(&durable::swapped_out(&self.path))?;
        Ok(())
    }

    /// Writes a new `index.json` next to the present one: one element per line, in order.
    fn draft(&mut self) -> Result<Draft> {
        self.frames.sort();
        let mut draft = Draft::create(&self.path)?;
        let (mut lines, mut element) = (StoredLines::of(self.journal.file()), Vec::new());
        let session = self.path.parent().and_then(Path::parent).filter(|_| self.moved.is_some());
        if self.snapshot.is_object() {
            element.extend(object::begin(session)?);
        }
        element.push(b'[');
        for (n, item) in self.frames.items().iter().enumerate() {
            element.extend(if n == 0 { "\n" } else { ",\n" }.as_bytes());
            let line = lines.get(item.line)?;
            entry::write_element(line, item.sent, self.moved.as_mut(), &mut element);
            draft.write_all(&element)?;
            element.clear();
        }
        element.extend(b"\n]");
        if self.snapshot.is_object() {
            let moved = self.moved.as_mut();
            object::write_rest(&self.others, session, lines, moved, &mut draft, &mut element)?;
        }
        element.push(b'\n');
        draft.write_all(&element)?;
        Ok(draft)
    }

    /// Takes over the file that a killed writer had swapped out and may not have read. It may also
    /// be an unfinished new one, or an old one, so it changes no existing field.
    fn take_over_leftover(&mut self) -> Result<()> {
        let Ok(file) = durable::open_to_read(&durable::swapped_out(&self.path)) else {
            return Ok(());
        };
        if file.metadata()?.len() <= LARGEST {
            let (_, edits) = self.read_edits(file, Rule::Additions)?;
            self.take_up(edits);
        }
        Ok(())
    }

    /// Takes over edits of `index.json`, if it is not as it was last seen.
    fn take_over_edit(&mut self) -> Result<Edit> {
        let Ok(file) = durable::open_to_read(&self.path) else { return Ok(Edit::Whole) };
        if Some(Stamp::of(&file)?) == self.snapshot.seen {
            return Ok(if self.snapshot.behind { Edit::Whole } else { Edit::None });
        }
        if file.metadata()?.len() > LARGEST {
            // Once it is swapped out, it is kept.
            return Ok(Edit::Whole);
        }
        let seen = Stamp::settled(&file)?;
        self.snapshot.size = file.metadata()?.len();
        let edit = self.take_over(file)?;
        self.snapshot.seen = seen;
        if edit == Edit::None {
            self.snapshot.shows = Some(self.position);
        }
        Ok(edit)
    }

    /// Takes over the edits in a file that was `index.json`.
    fn take_over(&mut self, file: File) -> Result<Edit> {
        let size = file.metadata()?.len();
        if size == 0 {
            // There is nothing to keep.
            return Ok(Edit::Whole);
        }
        if size > LARGEST {
            let path = self.path.display();
            report::warn(format_args!("{path}: larger than {LARGEST} bytes, and not read"));
            return Ok(Edit::Broken);
        }
        self.snapshot.pace.spend_on_reading(size);
        let (edit, edits) = self.read_edits(file, Rule::Since(self.snapshot.shows))?;
        if let Some(first) = &edits.first {
            let (path, refused) = (self.path.display(), edits.refused);
            report::warn(format_args!("{path}: {refused} edits are not taken over; {first}"));
        }
        self.take_up(edits);
        Ok(edit)
    }

    fn read_edits(&mut self, file: File, rule: Rule) -> io::Result<(Edit, Edits)> {
        self.frames.sort();
        let mut edits = Edits::default();
        let (frames, moved) = (&self.frames, self.moved.as_mut());
        let lines = StoredLines::of(self.journal.file());
        let is_object = self.snapshot.is_object();
        let edit = Reader { frames, lines, moved, rule, is_object }.read(file, &mut edits)?;
        Ok((edit, edits))
    }

    fn take_up(&mut self, edits: Edits) {
        let fields = edits.fields.into_iter();
        self.pending.extend(fields.map(|(id, fields)| Change::Fields(id.to_string(), fields)));
        self.pending.extend(edits.marks.iter().map(|id| Change::Mark(id.to_string())));
    }

    /// Adds the frames and the speech of an index without a journal to a new one.
    fn adopt(&mut self) -> io::Result<()> {
        let Ok(file) = durable::open_to_read(&self.path) else { return Ok(()) };
        let mut elements = Elements::new(file);
        while let Some(element) = elements.next()? {
            if let Some((session, frame)) = ours::frame(element) {
                let extra = Map::new();
                self.pending.push(Change::Frame(Box::new(Entry { session, frame, extra })));
            }
        }
        let events = self.transcript.as_ref().map(|files| Lines::open(files.events(), 0));
        if let Some(Ok(mut lines)) = events {
            while let Some(line) = lines.next()? {
                if OtherLine::parse(line.bytes).is_some() {
                    self.pending.push(Change::Other([line.bytes, b"\n"].concat()));
                }
            }
        }
        Ok(())
    }

    /// Renames a swapped-out file that could not be read to its end: an edit is never thrown away.
    fn keep_aside(&self) -> Result<()> {
        let swapped_out = durable::swapped_out(&self.path);
        for n in 1..=KEPT {
            let kept = durable::with_suffix(&self.path, &format!(".broken{n}"));
            match durable::rename_new(&swapped_out, &kept) {
                Ok(()) => {
                    report::warn(format_args!(
                        "{}: no JSON array; its whole elements were taken over, and it is kept as {}",
                        self.path.display(),
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
            self.path.display()
        ));
        Ok(())
    }
}

/// A line of the journal.
enum Stored<'a> {
    Frame(StoredFrame<'a>),
    Mark(String),
    Event(OtherLine<'a>),
    Other,
}

/// A frame's line, as cht-index writes it or otherwise.
#[expect(clippy::large_enum_variant, reason = "a journal has few lines of the other kind")]
enum StoredFrame<'a> {
    Usual(FrameLine<'a>),
    Other(Box<Entry>),
}

impl StoredFrame<'_> {
    fn kept<'a>(&'a self, moved: Option<&'a mut Moved>) -> crate::frames::Kept<'a> {
        match self {
            Self::Usual(line) => line.kept(moved),
            Self::Other(entry) => entry.kept(moved),
        }
    }
}

/// Reads a line of the journal.
fn read_line(line: &[u8]) -> Result<Stored<'_>, ParseError> {
    if let Some(frame) = FrameLine::parse(line) {
        return Ok(Stored::Frame(StoredFrame::Usual(frame)));
    }
    if let Some(other) = OtherLine::parse(line) {
        return Ok(Stored::Event(other));
    }
    Ok(match Event::parse(line)? {
        Some(Event { session, body: Body::Frame(frame) }) => {
            let entry = Entry { session, frame, extra: Map::new() };
            Stored::Frame(StoredFrame::Other(Box::new(entry)))
        }
        Some(Event { body: Body::Sent(sent), .. }) if sent.is_of_agent() => Stored::Mark(sent.id),
        _ => Stored::Other,
    })
}

/// Returns the system's error among the causes.
pub(crate) fn refusal(error: &anyhow::Error) -> Option<io::Error> {
    let code = |cause: &(dyn std::error::Error + 'static)| {
        let of_io = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        of_io.or_else(|| cause.downcast_ref::<Errno>().map(|errno| errno.raw_os_error()))
    };
    error.chain().find_map(code).map(io::Error::from_raw_os_error)
}
