//! Examines segments and emits the results: each segment once.

use std::{
    collections::HashSet,
    fs::File,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use cht_core::{
    event::{self, Body, Event, SegmentClosed},
    ndjson::{self, Writer},
    process::report,
    segment::{Cache, Examiner, SegmentError, damage, oddities},
    session::Session,
    terminal::{Rows, units},
};

/// Standard output, and the segments already emitted.
#[derive(Debug)]
pub(crate) struct Emitter {
    output: Writer<File>,
    examiner: Examiner,
    emitted: HashSet<PathBuf>,
    /// Segments that were examined, their seconds, and their bytes.
    examined: (u64, f64, u64),
}

impl Emitter {
    /// Creates an emitter with the results of earlier runs in `cache`.
    pub(crate) fn new(cache: Cache) -> Result<Self> {
        Ok(Self {
            output: ndjson::stdout_of_stage(Rows::Segments)?,
            examiner: Examiner::with_cache(cache),
            emitted: HashSet::new(),
            examined: (0, 0.0, 0),
        })
    }

    /// Examines the finished segment at `path`, unless that was done before.
    pub(crate) fn segment(&mut self, path: &Path) -> Result<()> {
        if !self.emitted.insert(path.to_owned()) {
            return Ok(());
        }
        self.examine(path)
    }

    /// Examines the finished segment at `path`, even if that was done before.
    pub(crate) fn examine(&mut self, path: &Path) -> Result<()> {
        let examined = self.examiner.examine(path);
        self.examined(path, examined)
    }

    /// Emits that a segment of `session` was closed, and examines it, unless that was done before.
    pub(crate) fn recorded(&mut self, session: &Session, closed: &SegmentClosed) -> Result<()> {
        let path = session.segment(closed.seq);
        if !self.emitted.insert(path.clone()) {
            return Ok(());
        }
        // The session may have been moved since.
        let closed = SegmentClosed { path: event::absolute(&path)?, ..closed.clone() };
        self.event(&session.event(closed.clone()))?;
        let examined = self.examiner.examine_recorded(session, &closed);
        self.examined(&path, examined)
    }

    fn examined(&mut self, path: &Path, examined: Result<Event, SegmentError>) -> Result<()> {
        match examined {
            Ok(event) => {
                self.event(&event)?;
                if let Body::Segment(segment) = &event.body {
                    let (segments, seconds, bytes) = &mut self.examined;
                    *segments += 1;
                    *seconds += segment.duration.unwrap_or(0.0);
                    *bytes += segment.bytes;
                }
                oddities(&event).into_iter().for_each(report::note);
                match damage(&event) {
                    Some(message) => self.fail(path, "damaged", &message),
                    None => Ok(()),
                }
            }
            Err(error) => self.fail(path, error.code(), &error.to_string()),
        }
    }

    /// Forgets which segments of a session were emitted: it has ended.
    pub(crate) fn forget(&mut self, session: &Session) {
        let stream = session.stream();
        self.emitted.retain(|path| path.parent() != Some(&stream));
    }

    /// Prints the result of a list.
    pub(crate) fn summarise(&self) {
        let (segments, seconds, bytes) = self.examined;
        let segments = units::count(segments, "segment");
        let (length, size) = (units::span(seconds), units::size(bytes));
        report::summary(format_args!("{segments} examined: {length}, {size}"));
    }

    /// Writes an event.
    pub(crate) fn event(&mut self, event: &Event) -> Result<()> {
        self.output.emit(event).context("stdout")
    }

    /// Passes a line on, unchanged.
    pub(crate) fn pass(&mut self, line: &[u8]) -> Result<()> {
        self.output.pass(line).context("stdout")
    }

    /// Reports a problem with `path`.
    pub(crate) fn fail(&mut self, path: &Path, code: &str, message: &str) -> Result<()> {
        let session = Session::of_segment(path);
        let name = event::absolute(path).ok();
        let session = session.as_ref().map(Session::name);
        self.output.fail(session, code, message, name.as_deref()).context("stdout")
    }

    /// Reports the segments that a killed recorder left: without a final name, no other program
    /// will finish them.
    pub(crate) fn remains(&mut self, session: &Session) -> Result<()> {
        for entry in std::fs::read_dir(session.stream())? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "part") {
                let message =
                    format!("{}: left by a cht-recv that was killed; left out", path.display());
                self.fail(&path, "unfinished", &message)?;
            }
        }
        Ok(())
    }

    /// Reports a problem with a line of stdin.
    pub(crate) fn bad_line(&mut self, message: &str) -> Result<()> {
        self.output.fail(None, "bad_line", message, None).context("stdout")
    }

    /// Returns whether stdout has no reader left.
    pub(crate) fn is_closed(&self) -> bool {
        self.output.closed()
    }
}
