//! Segments of a session on its timeline, finished and growing.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event::{Anchor, Body, Event},
    process::clock,
    session::{Session, segment_log::SegmentLog},
    storage::regular,
    timeline::WallClock,
};
use cht_ts::time::{seconds, ticks};
use jiff::Timestamp;

use super::time::{Time, day_after};

/// Seconds after the newest picture for which it is given: what comes next has not arrived yet.
pub(super) const MOST_AHEAD: f64 = 5.0;

/// A segment.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub seq: u64,
    pub connection: u32,
    pub anchor: Anchor,
    /// Wall clock of its first byte.
    opened_at: Timestamp,
    /// Its end in ticks of the session, where it is known.
    end: Option<i64>,
    pub is_growing: bool,
}

/// All segments that are on the timeline, oldest first.
#[derive(Debug)]
pub(crate) struct Pieces {
    session: Session,
    pub all: Vec<Piece>,
    /// Number of segments that were removed.
    removed: usize,
}

impl Pieces {
    /// Reads the segments of `session`.
    pub(crate) fn of(session: &Session) -> Self {
        let log = SegmentLog::of(session);
        let finished = log.kept().filter_map(|closed| {
            let anchor = closed.timeline?;
            let end = closed.duration.map(|duration| anchor.offset + ticks(duration));
            Some(Piece {
                seq: closed.seq,
                connection: closed.connection,
                anchor,
                opened_at: closed.opened_at,
                end,
                is_growing: false,
            })
        });
        let mut all: Vec<_> = finished.collect();
        let growing = growing(session);
        all.extend(growing.filter(|open| log.last().is_none_or(|last| last.seq < open.seq)));
        Self { session: session.clone(), all, removed: log.deleted().count() }
    }

    /// Returns the tick of the session that a time means. `None` stands for the newest picture.
    pub(crate) fn tick(&self, time: Time) -> Result<Option<i64>> {
        let name = self.session.name();
        let wall = match time {
            Time::Session(seconds) => return Ok(Some(ticks(seconds))),
            Time::BeforeLive(0.0) => return Ok(None),
            Time::BeforeLive(seconds) => {
                let end = self.end().with_context(|| format!("{name}: nothing is recorded yet"))?;
                return Ok(Some(end - ticks(seconds)));
            }
            Time::Wall(wall) => wall,
            Time::Day(day) => {
                let first = self.first()?.opened_at;
                let zone = clock::local().time_zone().clone();
                day_after(day, first, &zone).context("no such time of day")?
            }
        };
        let first = self.first()?;
        let piece = self.all.iter().rev().find(|piece| piece.opened_at <= wall).unwrap_or(first);
        let since = wall.duration_since(piece.opened_at);
        Ok(Some(piece.anchor.offset + ticks(since.as_secs_f64())))
    }

    /// Returns the wall clock of a tick.
    pub(crate) fn wall(&self, tick: i64) -> Option<Timestamp> {
        let piece = self.at(tick).or_else(|| self.all.first())?;
        WallClock::of_segment(piece.opened_at, piece.anchor)?.at(tick)
    }

    /// Returns the last segment that begins at or before a tick.
    pub(crate) fn at(&self, tick: i64) -> Option<&Piece> {
        self.all.iter().rev().find(|piece| piece.anchor.offset <= tick)
    }

    /// Fails for a tick at which nothing is recorded.
    pub(crate) fn check(&self, tick: i64) -> Result<()> {
        let first = self.first()?;
        let name = self.session.name();
        if tick < first.anchor.offset {
            let why = if self.removed > 0 {
                "what was before is removed"
            } else {
                "the recording begins there"
            };
            bail!(
                "{name}: nothing is recorded at {:.3} s; the first picture is at {:.3} s, {why}",
                seconds(tick),
                seconds(first.anchor.offset)
            );
        }
        match self.all.last().and_then(|last| last.end) {
            Some(end) if tick >= end => bail!(
                "{name}: nothing is recorded at {:.3} s; the recording ends at {:.3} s",
                seconds(tick),
                seconds(end)
            ),
            _ => Ok(()),
        }
    }

    /// Fails for a tick after the end of the recording, which a frame at `shown` may extend.
    pub(crate) fn check_end(&self, tick: i64, shown: i64) -> Result<()> {
        let Some(last) = self.all.last() else { return Ok(()) };
        let end = self.end().unwrap_or(shown).max(shown);
        let ahead = if last.is_growing { ticks(MOST_AHEAD) } else { 0 };
        let is_known = last.is_growing || last.end.is_some();
        if is_known && tick > end.saturating_add(ahead) {
            bail!(
                "{}: nothing is recorded at {:.3} s; the recording ends at {:.3} s{}",
                self.session.name(),
                seconds(tick),
                seconds(end),
                if last.is_growing { ", as yet" } else { "" }
            );
        }
        Ok(())
    }

    /// Returns the end of the recording as far as it is known.
    fn end(&self) -> Option<i64> {
        let last = self.all.last()?;
        let grown = || {
            let passed = clock::wall().duration_since(last.opened_at).as_secs_f64();
            last.is_growing.then(|| last.anchor.offset + ticks(passed.max(0.0)))
        };
        last.end.or_else(grown).or(Some(last.anchor.offset))
    }

    fn first(&self) -> Result<&Piece> {
        let first = self.all.first();
        first.with_context(|| format!("{}: no recorded segment is there", self.session.name()))
    }

    /// Returns the present path of a segment.
    pub(crate) fn path(&self, piece: &Piece) -> PathBuf {
        let part = self.session.part(piece.seq);
        if part.exists() { part } else { self.session.segment(piece.seq) }
    }

    /// Tells whether a segment is there.
    pub(crate) fn is_there(&self, piece: &Piece) -> bool {
        self.path(piece).is_file()
    }

    /// Returns PAT, PMT and parameter sets of a connection.
    pub(crate) fn tables(&self, piece: &Piece) -> Vec<u8> {
        regular::read(&self.session.tables(piece.connection)).unwrap_or_default()
    }
}

/// Returns the segment that grows.
fn growing(session: &Session) -> impl Iterator<Item = Piece> {
    let line = regular::read(&session.open_event()).unwrap_or_default();
    let open = match Event::parse(line.trim_ascii()) {
        Ok(Some(Event { body: Body::SegmentOpen(open), .. })) => Some(open),
        _ => None,
    };
    open.into_iter().filter_map(|open| {
        Some(Piece {
            seq: open.seq,
            connection: open.connection,
            anchor: open.timeline?,
            opened_at: open.at,
            end: None,
            is_growing: true,
        })
    })
}
