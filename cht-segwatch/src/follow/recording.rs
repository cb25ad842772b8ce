//! A growing session, followed by its record: the folder is not listed.
//!
//! A segment gets its final name before its line in the record, which describes its place. So a
//! name alone means nothing while a recorder lives. Afterwards, a segment that is not in the record
//! is taken for another program's file.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use cht_core::{
    event::{Body, Event, SegmentOpen},
    process::clock,
    session::{
        Session,
        segment_log::SegmentLog,
        watch::{Id, Watch},
    },
    storage::regular,
};

use crate::emit::Emitter;

/// Time to wait for the successor of a killed recorder: a service manager starts one within
/// seconds.
const SUCCESSOR: Duration = Duration::from_secs(10);

/// A followed session.
pub(super) struct Recording {
    session: Session,
    /// Watch of its folder.
    pub(super) id: Id,
    record: SegmentLog,
    /// Whether the record is watched.
    watched: bool,
    /// Whether the segments present at the beginning were handled.
    begun: bool,
    /// When a recorder was last seen alive.
    alive_at: Option<Instant>,
    /// Number of the growing segment that was announced last.
    announced: u64,
    /// Whether a message said that `open.json` is not a file.
    refused: bool,
}

impl Recording {
    pub(super) fn open(session: Session, watch: &Watch) -> Result<Self> {
        let stream = session.stream();
        let id = watch.add_names(&stream).with_context(|| stream.display().to_string())?;
        Ok(Self {
            session,
            id,
            record: SegmentLog::default(),
            watched: false,
            begun: false,
            alive_at: None,
            announced: 0,
            refused: false,
        })
    }

    /// Emits new segments. Returns `false` if nothing more will come.
    pub(super) fn look(&mut self, emitter: &mut Emitter, watch: &Watch) -> Result<bool> {
        // The first recorder creates it. A file system without events is polled anyway.
        self.watched = self.watched || watch.add(&self.session.segment_log()).is_ok();
        // The order matters: a recorder's last actions are seen after its end, and a segment is
        // closed before the next one is announced.
        let alive = self.session.is_recording();
        let open = self.growing(emitter)?;
        self.emit_recorded(emitter)?;
        if alive {
            self.alive_at = Some(clock::monotonic());
            if let Some((event, seq)) = open.filter(|&(_, seq)| self.is_news(seq)) {
                self.announced = seq;
                emitter.event(&event)?;
            }
            return Ok(true);
        }
        if self.awaits_successor(open.map(|(_, seq)| seq)) {
            return Ok(true);
        }
        let segments = self.session.segments().with_context(|| {
            let stream = self.session.stream();
            format!(
                "{}: if the session was moved, follow it in its present folder",
                stream.display()
            )
        })?;
        for path in segments {
            emitter.segment(&path)?;
        }
        emitter.remains(&self.session)?;
        emitter.forget(&self.session);
        Ok(false)
    }

    /// Returns whether the session was removed.
    pub(super) fn is_gone(&self) -> bool {
        !self.session.stream().exists()
    }

    /// Returns its folder.
    pub(super) fn root(&self) -> &Path {
        self.session.root()
    }

    /// Emits the segments recorded since the last look, in that order.
    fn emit_recorded(&mut self, emitter: &mut Emitter) -> Result<()> {
        for seq in self.record.closed_since(&self.session) {
            match self.record.get(seq) {
                Some(closed) => emitter.recorded(&self.session, closed)?,
                // It was removed before this look: reading it reports that.
                None if self.begun => emitter.segment(&self.session.segment(seq))?,
                None => {}
            }
        }
        self.begun = true;
        Ok(())
    }

    /// Returns whether a growing segment has to be announced.
    fn is_news(&self, seq: u64) -> bool {
        seq > self.announced && self.record.get(seq).is_none() && !self.record.is_deleted(seq)
    }

    /// Returns the `segment_open` event of the growing segment, and its number.
    fn growing(&mut self, emitter: &mut Emitter) -> Result<Option<(Event, u64)>> {
        let path = self.session.open_event();
        let line = match regular::read(&path) {
            Ok(line) => line,
            Err(error) => {
                if regular::is_refusal(&error) && !std::mem::replace(&mut self.refused, true) {
                    let message = format!("{}: {error}", path.display());
                    emitter.fail(&path, "unreadable", &message)?;
                }
                return Ok(None);
            }
        };
        let Ok(Some(event)) = Event::parse(&line) else { return Ok(None) };
        let Body::SegmentOpen(SegmentOpen { seq, .. }) = event.body else { return Ok(None) };
        Ok(Some((event, seq)))
    }

    /// Returns whether the recorder was killed a moment ago: one that ends in order removes
    /// `open.json`. The next one adopts what was left, and may continue this session.
    fn awaits_successor(&self, growing: Option<u64>) -> bool {
        let (open, part) = (self.session.open_event(), growing.map(|seq| self.session.part(seq)));
        let seen = self.alive_at.map(|at| clock::monotonic().saturating_duration_since(at));
        // It died before this run: it wrote until its end.
        let wrote = || part.and_then(|part| clock::age_of(&part).ok());
        let since = seen.or_else(wrote).or_else(|| clock::age_of(&open).ok());
        open.exists() && since.is_some_and(|since| since < SUCCESSOR)
    }
}
