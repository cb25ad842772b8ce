//! Compares the files of a session with its records.
//!
//! Each difference is an `error` event on stdout, and a warning for people.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use cht_core::{
    event::{Body, Event, Frame},
    ndjson::{self, Writer},
    process::report,
    session::{Session, finished_segment::FinishedSegment, segment_log::SegmentLog, sequence},
    storage::{durable, journal::Lines},
    terminal::{Rows, units},
};
use serde_json::Value;

use crate::{
    args::Check,
    output::{self, is_picture},
    place::Place,
    recording::size,
};

/// Message about a journal that is lost.
const REBUILD: &str =
    "the journal of the index is gone; cht-export rebuild SESSION | cht-index makes it again";

/// Largest snapshot that is read, in bytes.
const LARGEST: u64 = 1 << 30;

pub(crate) fn run(args: &Check) -> Result<()> {
    let (place, session) = match Session::open(&args.session) {
        Ok(session) if !session.index_journal().exists() => (None, Some(session)),
        _ => {
            let place = Place::at(&args.session)?;
            let session = place.session.clone();
            (Some(place), session)
        }
    };
    let name = session.as_ref().map(|session| session.name().to_owned());
    let mut checker = Checker {
        output: ndjson::stdout_of_stage(Rows::Findings)?,
        session: name,
        is_quick: args.quick,
        findings: 0,
    };
    let mut frames = BTreeMap::new();
    if let Some(place) = place {
        // Its lines that are no events are found below.
        for event in place.read()?.0 {
            if let Body::Frame(frame) = event.body {
                frames.insert(frame.id.clone(), frame);
            }
        }
        checker.check_lines(&place.journal)?;
        checker.check_frames(&frames)?;
        checker.check_snapshot(&place.journal.with_extension("json"), &frames)?;
        if let Some(folder) = place.journal.parent() {
            checker.check_strangers(folder, &frames)?;
        }
    }
    if let Some(session) = session.as_ref().filter(|session| !session.index_journal().exists()) {
        checker.check_lost_index(session)?;
    }
    let segments = match &session {
        Some(session) => checker.check_segments(session)?,
        None => 0,
    };
    report::note(format_args!(
        "{}: {} and {} checked, {}",
        output::named(&args.session).display(),
        units::count(frames.len() as u64, "frame"),
        units::count(segments as u64, "segment"),
        match checker.findings {
            0 => "all as the records say".to_owned(),
            findings => units::count(findings, "difference"),
        }
    ));
    Ok(())
}

/// Returns whether a folder has nothing in it.
fn is_empty(folder: Option<&Path>) -> bool {
    folder.and_then(|folder| fs::read_dir(folder).ok()).is_some_and(|mut all| all.next().is_none())
}

struct Checker<W: io::Write> {
    output: Writer<W>,
    session: Option<String>,
    /// No file is read.
    is_quick: bool,
    findings: u64,
}

impl<W: io::Write> Checker<W> {
    fn find(&mut self, code: &str, path: &Path, what: &str) -> Result<()> {
        self.findings += 1;
        let message = format!("{}: {what}", path.display());
        self.output.fail(self.session.as_deref(), code, &message, path.to_str()).context("stdout")
    }

    /// Finds pictures, or a snapshot, whose journal is gone.
    fn check_lost_index(&mut self, session: &Session) -> Result<()> {
        let journal = session.index_journal();
        let has_pictures = fs::read_dir(session.frames())
            .is_ok_and(|mut entries| entries.any(|it| it.is_ok_and(|it| is_picture(&it.path()))));
        if has_pictures || journal.with_extension("json").exists() {
            return self.find("missing", &journal, REBUILD);
        }
        report::note(format_args!("{}: no index yet", session.root().display()));
        Ok(())
    }

    /// Compares the pictures with the index.
    fn check_frames(&mut self, frames: &BTreeMap<String, Frame>) -> Result<()> {
        let mut last: Option<&Frame> = None;
        for frame in frames.values() {
            let path = Path::new(&frame.path);
            self.check_file(path, frame.bytes, &frame.hash)?;
            if let Some(thumbnail) = &frame.thumbnail
                && size(thumbnail.as_ref())?.is_none()
            {
                self.find("missing", thumbnail.as_ref(), "the thumbnail is gone")?;
            }
            if let Some(last) = last.filter(|last| last.timestamp > frame.timestamp) {
                let what = format!("{} comes before {} in time", frame.id, last.id);
                self.find("out_of_order", path, &what)?;
            }
            last = Some(frame);
        }
        Ok(())
    }

    /// Compares a file with its size and its BLAKE3 hash.
    fn check_file(&mut self, path: &Path, bytes: u64, hash: &str) -> Result<()> {
        match size(path) {
            Ok(None) => self.find("missing", path, "it is gone"),
            Err(error) => self.find("unreadable", path, &error.to_string()),
            Ok(Some(size)) if size != bytes => {
                self.find("damaged", path, &format!("{size} bytes, and the record says {bytes}"))
            }
            Ok(Some(_)) if self.is_quick => Ok(()),
            Ok(Some(_)) => match hash_of(path) {
                Ok(now) if now == hash => Ok(()),
                Ok(_) => self.find("damaged", path, "its contents are not those of the record"),
                Err(error) => self.find("unreadable", path, &error.to_string()),
            },
        }
    }

    /// Compares the snapshot with the journal.
    fn check_snapshot(&mut self, path: &Path, frames: &BTreeMap<String, Frame>) -> Result<()> {
        let text = match durable::read(path, LARGEST) {
            Ok(text) => text,
            Err(error) => return self.find("unreadable", path, &error.to_string()),
        };
        let snapshot: Value = match serde_json::from_slice(&text) {
            Ok(snapshot) => snapshot,
            Err(error) => return self.find("damaged", path, &format!("no JSON: {error}")),
        };
        // An array, or an object with the frames in it.
        let elements = snapshot.as_array().or_else(|| snapshot["frames"].as_array());
        let elements = elements.map_or(&[][..], Vec::as_slice);
        let listed: BTreeMap<_, _> =
            elements.iter().filter_map(|one| Some((one["id"].as_str()?, one))).collect();
        for (id, frame) in frames {
            let what = match listed.get(id.as_str()) {
                None => Some(format!("{id} of the journal is not in it")),
                Some(element) => differing_field(frame, element)
                    .map(|field| format!("{field} of {id} is not that of the journal")),
            };
            what.map_or(Ok(()), |what| self.find("damaged", path, &what))?;
        }
        for id in listed.keys().filter(|id| !frames.contains_key(**id)) {
            self.find("damaged", path, &format!("{id} is not in the journal"))?;
        }
        Ok(())
    }

    /// Finds pictures that the index does not name.
    fn check_strangers(&mut self, folder: &Path, frames: &BTreeMap<String, Frame>) -> Result<()> {
        let known: BTreeSet<_> =
            frames.values().filter_map(|frame| Path::new(&frame.path).file_name()).collect();
        let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
        let mut strangers: Vec<PathBuf> = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if is_picture(&path) && !path.file_name().is_some_and(|name| known.contains(name)) {
                strangers.push(path);
            }
        }
        strangers.sort();
        for path in strangers {
            self.find("not_indexed", &path, "a picture that the index does not name")?;
        }
        Ok(())
    }

    /// Compares the segments with cht-recv's record. Returns their number.
    fn check_segments(&mut self, session: &Session) -> Result<usize> {
        let named = || session.root().display().to_string();
        let log = SegmentLog::read(session).with_context(named)?;
        for closed in log.kept() {
            self.check_file(&session.segment(closed.seq), closed.bytes, &closed.blake3)?;
        }
        self.check_lines(&session.segment_log())?;
        // One that was just closed may not stand in the record yet.
        for path in session.segments().with_context(named)? {
            let seq = sequence(&path).unwrap_or(0);
            if log.get(seq).is_none() && !session.is_recording() {
                self.find("not_indexed", &path, "a segment that the record does not name")?;
            }
        }
        Ok(log.kept().count())
    }

    /// Finds lines of a journal, or of cht-recv's record, that are no events.
    fn check_lines(&mut self, path: &Path) -> Result<()> {
        let named = || path.display().to_string();
        let mut lines = match Lines::open(path, 0) {
            // A result of cht file, over segments that lie elsewhere.
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_empty(path.parent()) => {
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.find("missing", path, "the record is gone");
            }
            lines => lines.with_context(named)?,
        };
        let mut damaged = 0_u64;
        while let Some(line) = lines.next().with_context(named)? {
            damaged += u64::from(Event::parse(line.bytes).is_err());
        }
        let rest = size(path)?.unwrap_or(0).saturating_sub(lines.end());
        match (damaged, rest) {
            (0, 0) => Ok(()),
            (0, rest) => self.find(
                "damaged",
                path,
                &format!("no line in its last {}", units::count(rest, "byte")),
            ),
            (lines, _) => {
                self.find("damaged", path, &format!("no event in {}", units::count(lines, "line")))
            }
        }
    }
}

/// Returns a field of a frame that its element in the snapshot has otherwise. Paths are left out:
/// they may be those of another place.
fn differing_field(frame: &Frame, element: &Value) -> Option<String> {
    let Ok(Value::Object(fields)) = serde_json::to_value(frame) else { return None };
    let is_path = |name: &str| matches!(name, "path" | "thumbnail" | "segment");
    let mut fields = fields.into_iter().filter(|(name, _)| !is_path(name));
    fields.find(|(name, value)| element[name] != *value).map(|(name, _)| name)
}

/// Returns the BLAKE3 hash of a file's contents.
pub(crate) fn hash_of(path: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    for window in FinishedSegment::open(path)?.all() {
        hasher.update(&window?);
    }
    Ok(hasher.finalize().to_hex().to_string())
}
