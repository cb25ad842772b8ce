//! `search`: words on the screen and in the air, of one session or of all.

use std::{borrow::Cow, collections::HashMap};

use anyhow::{Error, Result};
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
        let [since, until] =
            range.map(|text| text.map(|text| time::wall(text, now, &zone)).transpose());
        let (since, until) = (since.map_err(Error::msg)?, until.map_err(Error::msg)?);
        let query = Query::parse(text).map_err(Error::msg)?;
        Ok(Self { text: text.to_owned(), query, since, until, limit })
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
        "`moment` with the time of a match gives the picture, the text and what was said around it"
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
    /// Time and wall clock of each, in their order.
    times: Vec<(f64, Option<Timestamp>, String)>,
    /// Index of each id.
    places: HashMap<String, usize>,
}

/// A place where the words were found.
#[derive(Debug)]
struct Hit {
    /// Place of its frame among those of the session, for a text; the time, for speech.
    place: Place,
    timestamp: f64,
    at: Option<Timestamp>,
    /// Its line in the journal.
    begin: u64,
    length: usize,
}

#[derive(Debug)]
enum Place {
    Text(String),
    Speech,
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
    let (mut frames, mut hits) = (Frames::default(), Vec::new());
    // Of texts that were found, by frame and source: what a program says last counts.
    let mut texts: HashMap<String, HashMap<Option<String>, usize>> = HashMap::new();
    journal.each_line(0, |line, begin, _| {
        let kind = line::kind(line);
        if kind == Kind::Frame {
            frames.add(line);
        }
        if !matches!(kind, Kind::Text | Kind::Transcript) {
            return true;
        }
        let is_candidate = asked.query.may_be_in(line);
        let may_replace = || line::id(line).is_some_and(|id| texts.contains_key(&id));
        if !is_candidate && (texts.is_empty() || !may_replace()) {
            return true;
        }
        let Ok(words) = serde_json::from_slice::<Words<'_>>(line) else { return true };
        let is_found = is_candidate && asked.query.is_in(&words.text);
        let place = match (kind, words.id) {
            (Kind::Text, Some(id)) => {
                let (id, source) = (id.into_owned(), words.source.map(Cow::into_owned));
                let known = texts.entry(id.clone()).or_default();
                let before =
                    if is_found { known.insert(source, hits.len()) } else { known.remove(&source) };
                if let Some(before) = before {
                    hits[before] = None;
                }
                Place::Text(id)
            }
            _ => Place::Speech,
        };
        if is_found {
            let timestamp = words.start;
            hits.push(Some(Hit { place, timestamp, at: None, begin, length: line.len() }));
        }
        true
    })?;
    frames.sort();
    let mut hits: Vec<Hit> = hits.into_iter().flatten().collect();
    for hit in &mut hits {
        frames.place(hit);
    }
    hits.retain(|hit| {
        asked.since.is_none_or(|since| hit.at.is_some_and(|at| at >= since))
            && asked.until.is_none_or(|until| hit.at.is_some_and(|at| at <= until))
    });
    hits.sort_by(|a, b| b.timestamp.total_cmp(&a.timestamp));
    let total = hits.len() as u64;
    hits.truncate(limit);
    let matches = hits.into_iter().map(|hit| frames.describe(session, &journal, asked, hit));
    Ok((matches.collect::<Result<_>>()?, total))
}

impl Frames {
    fn add(&mut self, line: &[u8]) {
        let Some((id, time)) = line::id(line).zip(line::timestamp(line)) else { return };
        self.times.push((time, line::wall(line), id));
    }

    fn sort(&mut self) {
        self.times.sort_by(|a, b| a.0.total_cmp(&b.0));
        let ids = self.times.iter().enumerate().map(|(at, (.., id))| (id.clone(), at));
        self.places = ids.collect();
    }

    /// Finds the time of a text, and the wall clock.
    fn place(&self, hit: &mut Hit) {
        match &hit.place {
            Place::Text(id) => {
                let frame = self.places.get(id).map(|at| &self.times[*at]);
                (hit.timestamp, hit.at) = frame.map_or((0.0, None), |(time, at, _)| (*time, *at));
            }
            Place::Speech => {
                // The wall clock runs on from that of the frame, or back from the first one.
                let near = self.shown_at(hit.timestamp).or(self.times.first());
                hit.at = near.and_then(|(time, at, _)| {
                    let since = SignedDuration::try_from_secs_f64(hit.timestamp - time).ok()?;
                    (*at)?.checked_add(since).ok()
                });
            }
        }
    }

    /// Returns the frame that is shown at a time.
    fn shown_at(&self, time: f64) -> Option<&(f64, Option<Timestamp>, String)> {
        let after = self.times.partition_point(|(shown, ..)| *shown <= time);
        after.checked_sub(1).map(|at| &self.times[at])
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
        let (kind, id) = match hit.place {
            Place::Text(id) => ("text", Some(id)),
            Place::Speech => ("speech", self.shown_at(hit.timestamp).map(|it| it.2.clone())),
        };
        Ok(Match {
            session: session.name().to_owned(),
            kind: kind.to_owned(),
            id,
            timestamp: hit.timestamp,
            at: hit.at,
            text,
        })
    }
}
