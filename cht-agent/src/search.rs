//! `search`: words on the screen and in the air, of one session or of all.

use std::{borrow::Cow, collections::HashMap, rc::Rc};

use anyhow::{Error, Result, bail};
use cht_core::{process::clock, session::Session};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    query::Query,
    recording::time,
    store::{
        journal::Journal,
        line::{self, Kind},
    },
    view::QUOTED,
};

/// Words that were found.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// The words.
    pub query: String,
    /// Where they were found, the newest first.
    pub matches: Vec<Match>,
    /// Number of places where they were found.
    pub total: u64,
    /// Number of sessions that were searched.
    pub sessions: u64,
    /// What `text` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
    /// How to go on.
    pub next: String,
}

/// A place where the words were found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Match {
    /// The session's folder.
    pub session: String,
    /// Where they were found: `text` on the screen, or `speech`.
    pub kind: String,
    /// The kept frame that was on the screen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Time in the session, in seconds.
    pub timestamp: f64,
    /// Wall clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub at: Option<Timestamp>,
    /// Quotation: the text around the first of the words.
    pub text: String,
}

/// What to search for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub text: String,
    pub query: Query,
    /// Wall clocks between which it was.
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub limit: usize,
}

impl Asked {
    /// Reads the words, and the wall clocks between which they were.
    pub(crate) fn read(text: &str, range: [Option<&str>; 2], limit: usize) -> Result<Self> {
        let (now, zone) = (clock::wall(), clock::local().time_zone().clone());
        let since = range[0].map(|text| time::wall(text, now, &zone)).transpose();
        let since = since.map_err(Error::msg)?;
        let until = range[1].map(|text| time::wall_from(text, since, now, &zone)).transpose();
        let until = until.map_err(Error::msg)?;
        if let (Some(begin), Some(end)) = (since, until)
            && end < begin
        {
            let [since, until] = range.map(Option::unwrap_or_default);
            bail!(
                "{since:?} to {until:?}: the end is before the beginning; give the earlier time \
                 first"
            );
        }
        let query = Query::parse(text).map_err(Error::msg)?;
        Ok(Self { text: text.to_owned(), query, since, until, limit })
    }

    fn has_range(&self) -> bool {
        self.since.is_some() || self.until.is_some()
    }
}

/// Searches sessions, given from the newest to the oldest.
pub(crate) fn answer(sessions: &[Session], asked: &Asked) -> Result<Answer> {
    let (mut matches, mut total) = (Vec::new(), 0);
    for session in sessions {
        let (found, count) = search(session, asked, asked.limit - matches.len())?;
        total += count;
        matches.extend(found);
    }
    let next = if matches.is_empty() {
        "nothing was found: try fewer or other words; all of them have to occur"
    } else {
        "`moment` with the time of a match gives the picture, the text and the speech around it"
    };
    Ok(Answer {
        query: asked.text.clone(),
        notice: (!matches.is_empty()).then(|| QUOTED.to_owned()),
        matches,
        total,
        sessions: sessions.len() as u64,
        next: next.to_owned(),
    })
}

/// Times of the frames of a session.
#[derive(Debug, Default)]
struct Frames {
    /// In their order.
    all: Vec<Shown>,
    /// Index of each id.
    places: HashMap<Rc<str>, usize>,
}

/// A frame that is shown from its time on.
#[derive(Debug)]
struct Shown {
    time: f64,
    id: Rc<str>,
    /// Its wall clock, where a search needs all of them.
    at: Option<Timestamp>,
    /// Its line in the journal.
    begin: u64,
    length: u32,
}

/// A place where the words were found.
#[derive(Debug)]
struct Hit {
    /// Place of its frame among those of the session, for a text; the time, for speech.
    place: Place,
    timestamp: f64,
    /// Its line in the journal.
    begin: u64,
    length: usize,
}

#[derive(Debug)]
enum Place {
    Text(Rc<str>),
    Speech,
}

/// Texts that were found: of what a program says of a frame, the last counts.
#[derive(Debug, Default)]
struct Texts {
    /// Names of the programs, which are few.
    sources: Vec<Option<String>>,
    /// By frame: the program's place in `sources`, and the place of the hit.
    hits: HashMap<Rc<str>, Vec<(usize, usize)>>,
}

impl Texts {
    fn is_empty(&self) -> bool {
        self.hits.is_empty()
    }

    fn has(&self, id: &str) -> bool {
        self.hits.contains_key(id)
    }

    /// Replaces the hit of a frame and a program by `new`. Returns the one before.
    fn replace(&mut self, id: &Rc<str>, source: Option<&str>, new: Option<usize>) -> Option<usize> {
        let known = self.sources.iter().position(|known| known.as_deref() == source);
        let source = known.unwrap_or_else(|| {
            self.sources.push(source.map(ToOwned::to_owned));
            self.sources.len() - 1
        });
        let hits = self.hits.entry(Rc::clone(id)).or_default();
        let before = hits.iter().position(|(known, _)| *known == source);
        let before = before.map(|at| hits.swap_remove(at).1);
        hits.extend(new.map(|new| (source, new)));
        before
    }
}

/// The part of a line that is searched.
#[derive(Debug, Deserialize)]
struct Words<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    source: Option<Cow<'a, str>>,
    #[serde(default)]
    start: f64,
}

/// Returns the newest matches in a session, at most `limit`, the newest first, and the number of
/// all.
fn search(session: &Session, asked: &Asked, limit: usize) -> Result<(Vec<Match>, u64)> {
    let journal = Journal::open(session)?;
    let (mut frames, mut hits, mut texts) = (Frames::default(), Vec::new(), Texts::default());
    journal.each_line(0, |line, _, after| {
        // Zeros that a crash left before it are no part of the line.
        let (kind, begin) = (line::kind(line), after - 1 - line.len() as u64);
        if kind == Kind::Frame {
            frames.add(line, begin, asked);
        }
        if !matches!(kind, Kind::Text | Kind::Transcript) {
            return true;
        }
        let is_candidate = asked.query.may_be_in(line);
        let may_replace = || line::id(line).is_some_and(|id| texts.has(&id));
        if !is_candidate && (texts.is_empty() || !may_replace()) {
            return true;
        }
        let Ok(words) = serde_json::from_slice::<Words<'_>>(line) else { return true };
        let is_found = is_candidate && asked.query.is_in(&words.text);
        let place = match (kind, words.id) {
            (Kind::Text, Some(id)) => {
                let (id, new) = (frames.id(&id), is_found.then_some(hits.len()));
                if let Some(before) = texts.replace(&id, words.source.as_deref(), new) {
                    hits[before] = None;
                }
                Place::Text(id)
            }
            _ => Place::Speech,
        };
        if is_found {
            let timestamp = words.start;
            hits.push(Some(Hit { place, timestamp, begin, length: line.len() }));
        }
        true
    })?;
    frames.sort();
    let mut hits: Vec<Hit> = hits.into_iter().flatten().collect();
    for hit in &mut hits {
        frames.place(hit);
    }
    if asked.has_range() {
        let mut is_within = Vec::new();
        for hit in &hits {
            let at = frames.wall(&journal, hit)?;
            let is_since = asked.since.is_none_or(|since| at.is_some_and(|at| at >= since));
            let is_until = asked.until.is_none_or(|until| at.is_some_and(|at| at <= until));
            is_within.push(is_since && is_until);
        }
        let mut is_within = is_within.into_iter();
        hits.retain(|_| is_within.next() == Some(true));
    }
    hits.sort_by(|a, b| b.timestamp.total_cmp(&a.timestamp));
    let total = hits.len() as u64;
    hits.truncate(limit);
    let matches = hits.into_iter().map(|hit| frames.describe(session, &journal, asked, hit));
    Ok((matches.collect::<Result<_>>()?, total))
}

impl Frames {
    fn add(&mut self, line: &[u8], begin: u64, asked: &Asked) {
        let Some((id, time)) = line::id(line).zip(line::timestamp(line)) else { return };
        let id = self.id(&id);
        self.places.insert(Rc::clone(&id), self.all.len());
        let at = if asked.has_range() { line::wall(line) } else { None };
        self.all.push(Shown { time, id, at, begin, length: line.len() as u32 });
    }

    /// Returns an id, shared with its frame if that is known.
    fn id(&self, id: &str) -> Rc<str> {
        self.places.get_key_value(id).map_or_else(|| id.into(), |(known, _)| Rc::clone(known))
    }

    fn sort(&mut self) {
        if !self.all.is_sorted_by(|a, b| a.time <= b.time) {
            self.all.sort_by(|a, b| a.time.total_cmp(&b.time));
            let ids = self.all.iter().enumerate().map(|(at, frame)| (Rc::clone(&frame.id), at));
            self.places = ids.collect();
        }
    }

    /// Finds the time of a text.
    fn place(&self, hit: &mut Hit) {
        if let Place::Text(id) = &hit.place {
            hit.timestamp = self.places.get(id).map_or(0.0, |at| self.all[*at].time);
        }
    }

    /// Returns the frame that is shown at a time.
    fn shown_at(&self, time: f64) -> Option<&Shown> {
        let after = self.all.partition_point(|frame| frame.time <= time);
        after.checked_sub(1).map(|at| &self.all[at])
    }

    /// Returns the wall clock of a match: it runs on from that of the frame, or back from the first
    /// one.
    fn wall(&self, journal: &Journal, hit: &Hit) -> Result<Option<Timestamp>> {
        let near = match &hit.place {
            Place::Text(id) => self.places.get(id).map(|at| &self.all[*at]),
            Place::Speech => self.shown_at(hit.timestamp).or(self.all.first()),
        };
        let Some(near) = near else { return Ok(None) };
        let at = match near.at {
            None => line::wall(&journal.line_at(near.begin, near.length as usize)?),
            at => at,
        };
        let since = SignedDuration::try_from_secs_f64(hit.timestamp - near.time).ok();
        Ok(at.zip(since).and_then(|(at, since)| at.checked_add(since).ok()))
    }

    /// Describes a match, with the text around it.
    fn describe(
        &self,
        session: &Session,
        journal: &Journal,
        asked: &Asked,
        hit: Hit,
    ) -> Result<Match> {
        let line = journal.line_at(hit.begin, hit.length)?;
        let words = serde_json::from_slice::<Words<'_>>(&line).ok();
        let text = words.and_then(|words| asked.query.find(&words.text)).unwrap_or_default();
        let at = self.wall(journal, &hit)?;
        let (kind, id) = match hit.place {
            Place::Text(id) => ("text", Some(id)),
            Place::Speech => {
                ("speech", self.shown_at(hit.timestamp).map(|frame| Rc::clone(&frame.id)))
            }
        };
        Ok(Match {
            session: session.name().to_owned(),
            kind: kind.to_owned(),
            id: id.as_deref().map(ToOwned::to_owned),
            timestamp: hit.timestamp,
            at,
            text,
        })
    }
}
