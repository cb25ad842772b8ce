//! `follow`: frames and words as they come, for ever.

use std::{collections::HashMap, fs::File, io::Write, time::Duration};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event::{Body, Event, append_fields},
    ndjson::Writer,
    process::report,
    session::Session,
};
use serde_json::{Map, Value};

use crate::{
    sessions::Place,
    store::{
        cursor::Cursor,
        journal::Journal,
        line::{self, Kind},
    },
    wait::Waiter,
};

/// Longest wait before looking whether the sessions have changed.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// Number of lines that are read before they are written.
const AT_ONCE: usize = 256;

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum From {
    /// With the first frame of the session.
    Start,
    /// With what comes from now on.
    Now,
    /// After a place.
    Cursor(Cursor),
    /// After a frame.
    Id(String),
}

impl std::str::FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "start" => Self::Start,
            "now" => Self::Now,
            "" => return Err("must be start, now, a cursor or the id of a frame".to_owned()),
            _ => text.parse().map_or_else(|_| Self::Id(text.to_owned()), Self::Cursor),
        })
    }
}

/// Writes events to `output` until its reader has gone.
pub(crate) fn run<W: Write>(place: &Place, from: &From, output: &mut Writer<W>) -> Result<()> {
    let sessions = place.session.is_none().then_some(place.sessions.as_path());
    let mut follower: Option<Follower> = None;
    while !output.closed() {
        // Watched before it is looked at: nothing that comes in between is missed.
        let session = match &follower {
            Some(follower) if sessions.is_none() || follower.session.is_recording() => {
                Ok(follower.session.clone())
            }
            _ => place.session(),
        };
        let session = match (session, &follower, sessions) {
            (Ok(session), ..) => session,
            // A folder that is gone for a moment, or has no session yet.
            (Err(_), Some(follower), _) => follower.session.clone(),
            (Err(error), None, None) => return Err(error),
            (Err(_), None, Some(sessions)) => {
                Waiter::new(None, Some(sessions)).wait(None, FOR_EVER)?;
                continue;
            }
        };
        let waiter = Waiter::new(Some(&session), sessions);
        if let Some(before) = follower.as_mut().filter(|it| it.session != session) {
            // Another recording has begun; all of the one before comes first.
            before.read(output)?;
            follower = Some(Follower::new(session.clone(), 0));
        }
        let follower = match &mut follower {
            Some(follower) => follower,
            none => none.insert(Follower::begin(session, from)?),
        };
        follower.read(output)?;
        waiter.wait(None, FOR_EVER)?;
    }
    Ok(())
}

/// Reads one session.
struct Follower {
    session: Session,
    /// Where to go on.
    at: Cursor,
    position: u64,
    /// Frames that were written, and the hashes of their pictures: a line that adds fields to a
    /// frame is not written, and one of another picture is.
    written: HashMap<String, String>,
}

impl Follower {
    fn new(session: Session, position: u64) -> Self {
        Self { session, at: Cursor::default(), position, written: HashMap::new() }
    }

    fn begin(session: Session, from: &From) -> Result<Self> {
        let journal = Journal::open(&session)?;
        let mut position = 0;
        match from {
            From::Start => {}
            From::Now => position = journal.each_line(0, |_, _, _| true)?,
            From::Cursor(cursor) => {
                let holds = journal.file().map_or(Ok(cursor.is_start()), |it| cursor.holds(it))?;
                if !holds {
                    bail!(
                        "{cursor}: no place in the index of {}: it is of another session, or from \
                         before the index was started over; begin with --from start",
                        session.name()
                    );
                }
                position = cursor.frames;
            }
            From::Id(id) => {
                let mut found = None;
                journal.each_line(0, |line, _, end| {
                    let is_it = line::kind(line) == Kind::Frame
                        && line::id(line).is_some_and(|known| known == *id);
                    found = is_it.then_some(end);
                    !is_it
                })?;
                position = found.with_context(|| {
                    format!("{id}: no such frame in {}; begin with --from start", session.name())
                })?;
            }
        }
        let mut follower = Self::new(session, position);
        follower.remember(journal.file())?;
        Ok(follower)
    }

    /// Remembers the bytes before the position, to notice an index that is started over.
    fn remember(&mut self, file: Option<&File>) -> Result<()> {
        if let Some(file) = file {
            self.at = Cursor::at(file, self.position, self.position)?;
        }
        Ok(())
    }

    /// Writes the lines appended since.
    fn read<W: Write>(&mut self, output: &mut Writer<W>) -> Result<()> {
        while !output.closed() && self.read_some(output)? {}
        Ok(())
    }

    /// Writes some of the lines appended since. Returns whether there may be more.
    fn read_some<W: Write>(&mut self, output: &mut Writer<W>) -> Result<bool> {
        let mut journal = Journal::open(&self.session)?;
        let Some(length) = journal.file().map(File::metadata).transpose()?.map(|it| it.len())
        else {
            return Ok(false);
        };
        let is_same = match journal.file() {
            Some(file) => self.at.holds(file)?,
            None => true,
        };
        if !is_same {
            report::note(format_args!(
                "{}: the index was started over; everything is given once more",
                self.session.name()
            ));
            *self = Self::new(self.session.clone(), 0);
        }
        if length == self.position {
            return Ok(false);
        }
        let mut lines = Vec::new();
        let end = journal.each_line(self.position, |line, _, end| {
            if self.is_new(line) {
                lines.push((line.to_vec(), end));
            }
            lines.len() < AT_ONCE
        })?;
        let is_more = lines.len() == AT_ONCE;
        for (line, end) in lines {
            let Some(event) = journal.event(&line) else { continue };
            let mut line = line_of(&event, &line);
            let cursor = match journal.file() {
                Some(file) => Cursor::at(file, end, end)?.to_string(),
                None => String::new(),
            };
            append_fields(&mut line, format!(r#"{{"cursor":"{cursor}"}}"#).as_bytes());
            output.pass(&line).context("stdout")?;
        }
        self.position = end;
        self.remember(journal.file())?;
        Ok(is_more)
    }

    /// Tells whether a line is written: of a frame, each picture once.
    fn is_new(&mut self, line: &[u8]) -> bool {
        match line::kind(line) {
            Kind::Text | Kind::Transcript | Kind::Audio => true,
            Kind::Sent | Kind::Other => false,
            Kind::Frame => line::id(line).is_some_and(|id| {
                let hash = line::hash(line).unwrap_or_default();
                let before = self.written.insert(id, hash.clone());
                before.is_none_or(|before| before != hash)
            }),
        }
    }
}

/// Returns the line of an event, with the fields that other programs added to it in the journal.
/// Paths come from the event alone: those of the journal may be dead, or lead out of the session.
fn line_of(event: &Event, stored: &[u8]) -> Vec<u8> {
    let mut line = event.to_session_line();
    let read = |line| serde_json::from_slice::<Map<String, Value>>(line).unwrap_or_default();
    let (known, mut others) = (read(&line), read(stored));
    let is_path = |name: &str| {
        matches!(name, "path" | "thumbnail" | "missing") || name.starts_with("relative_")
    };
    others.retain(|name, _| !known.contains_key(name) && !is_path(name));
    if matches!(&event.body, Body::Frame(frame) if frame.path.is_empty()) {
        others.insert("missing".to_owned(), true.into());
    }
    append_fields(&mut line, &serde_json::to_vec(&others).unwrap_or_default());
    line
}
