//! Examines segments that no event announced: those given by their paths, and those that only the
//! segment log names.

use std::path::Path;

use super::{Output, Stdout};
use crate::{
    event::{Body, Event, Segment, absolute},
    process::report,
    segment::{Cache, Examiner, SegmentError, damage, oddities},
};

/// Examines segments, and emits an error for each that is damaged or none.
#[derive(Debug)]
pub struct Unannounced {
    examiner: Examiner,
    output: Output,
}

impl Unannounced {
    /// Looks segments up in `cache` first.
    #[must_use]
    pub fn new(cache: Cache, output: Output) -> Self {
        Self { examiner: Examiner::with_cache(cache), output }
    }

    /// Examines the finished segment at `path`, and returns it with the session that recorded it;
    /// `None`, after an error, if the file is no segment.
    pub fn examine(&mut self, path: &Path) -> Result<Option<(Option<String>, Segment)>, Stdout> {
        let event = match self.examiner.examine(path) {
            Ok(event) => event,
            Err(error) => return self.fail(None, path, &error).map(|()| None),
        };
        let damage = damage(&event);
        if matches!(&event.body, Body::Segment(segment) if segment.connection.is_none()) {
            // cht-recv has reported the oddities of its own recordings.
            oddities(&event).into_iter().for_each(report::note);
        }
        let Event { session, body: Body::Segment(segment) } = event else { return Ok(None) };
        if let Some(message) = damage {
            self.output.fail(session.as_deref(), "damaged", &message, Some(&segment.path))?;
        }
        Ok(Some((session, segment)))
    }

    /// Emits that the segment at `path` cannot be used.
    pub fn fail(
        &self,
        session: Option<&str>,
        path: &Path,
        error: &SegmentError,
    ) -> Result<(), Stdout> {
        let name = absolute(path).ok();
        self.output.fail(session, error.code(), &error.to_string(), name.as_deref())
    }
}
