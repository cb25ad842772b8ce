//! `search`: words on the screen and in the air, of one session or of all.

use std::collections::HashMap;

use anyhow::{Error, Result};
use cht_core::{
    event::{Body, Transcript},
    process::clock,
    session::Session,
};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

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
        let found = search(session, asked)?;
        total += found.len() as u64;
        matches.extend(found.into_iter().take(asked.limit - matches.len()));
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

/// Returns all matches in a session, the newest first.
fn search(session: &Session, asked: &Asked) -> Result<Vec<Match>> {
    let mut journal = Journal::open(session)?;
    let (mut frames, mut lines) = (Frames::default(), Vec::new());
    journal.each_line(0, |line, _, _| {
        match line::kind(line) {
            Kind::Frame => frames.add(line),
            Kind::Text | Kind::Transcript if asked.query.may_be_in(line) => {
                lines.push(line.to_vec());
            }
            _ => {}
        }
        true
    })?;
    frames.sort();
    // What a program says last about a frame counts.
    let mut matches: Vec<Match> = Vec::new();
    let mut seen = HashMap::new();
    for line in &lines {
        let found = match journal.event(line).map(|event| event.body) {
            Some(Body::Text(text)) => {
                let found = asked.query.find(&text.text);
                let key = (text.id.clone(), text.source);
                let found = found.map(|found| frames.of_text(session, text.id, found));
                if let Some(before) = seen.get(&key).copied() {
                    let before: usize = before;
                    if let Some(found) = found {
                        matches[before] = found;
                    }
                    continue;
                }
                if found.is_some() {
                    seen.insert(key, matches.len());
                }
                found
            }
            Some(Body::Transcript(speech)) => asked
                .query
                .find(&speech.text)
                .map(|found| frames.of_speech(session, &speech, found)),
            _ => None,
        };
        matches.extend(found);
    }
    let is_in_range = |it: &Match| {
        asked.since.is_none_or(|since| it.at.is_some_and(|at| at >= since))
            && asked.until.is_none_or(|until| it.at.is_some_and(|at| at <= until))
    };
    matches.retain(is_in_range);
    matches.sort_by(|a, b| b.timestamp.total_cmp(&a.timestamp));
    Ok(matches)
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

    fn of_text(&self, session: &Session, id: String, text: String) -> Match {
        let frame = self.places.get(&id).map(|at| &self.times[*at]);
        let (timestamp, at) = frame.map_or((0.0, None), |(time, at, _)| (*time, *at));
        let session = session.name().to_owned();
        Match { session, kind: "text".to_owned(), id: Some(id), timestamp, at, text }
    }

    fn of_speech(&self, session: &Session, speech: &Transcript, text: String) -> Match {
        let after = self.times.partition_point(|(time, ..)| *time <= speech.start);
        let frame = after.checked_sub(1).map(|at| &self.times[at]);
        // The wall clock runs on from that of the frame, or back from the first one.
        let near = frame.or(self.times.first());
        let at = near.and_then(|(time, at, _)| {
            let since = SignedDuration::try_from_secs_f64(speech.start - time).ok()?;
            (*at)?.checked_add(since).ok()
        });
        Match {
            session: session.name().to_owned(),
            kind: "speech".to_owned(),
            id: frame.map(|(.., id)| id.clone()),
            timestamp: speech.start,
            at,
            text,
        }
    }
}
