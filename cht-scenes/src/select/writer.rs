//! From a choice to a picture on disk and its event.

use std::collections::VecDeque;

use anyhow::Result;
use cht_core::{event::Frame, process::report};
use cht_detect::{Selection, Shown};
use cht_ts::time::seconds;

use super::{detectors::Candidate, journal::Obstruction};
use super::{
    selector::FrameSelector,
    types::{Found, Segment},
};
use crate::input::Part;
use crate::{
    decode::frame::Picture,
    picture::{Encoded, Origin},
};

/// Returns the segment that the frame at `at` belongs to by its time, a run-up included.
pub(crate) fn holding(segments: &VecDeque<Segment>, at: i64) -> usize {
    let holds = |segment: &Segment| segment.part.source.anchor.offset <= at;
    segments.iter().rposition(holds).unwrap_or(0)
}

impl FrameSelector {
    /// Keeps the frame that shows a choice.
    pub(crate) fn keep_choice(
        &mut self,
        segments: &mut VecDeque<Segment>,
        choice: &Selection,
        shown: Shown<Candidate>,
    ) -> Result<()> {
        let (at, picture) = match shown {
            Shown::Picture(at, Some(picture)) => (at, picture),
            Shown::Picture(at, None) | Shown::Fetch(at) => {
                let path = &segments[holding(segments, at)].part.path;
                let fetched = self.fetch(segments, at);
                let is_missing = fetched.is_none();
                let found = fetched.or_else(|| self.nearest(segments, at));
                if is_missing {
                    self.miss(path, at, found.as_ref().map(|(near, _)| *near))?;
                }
                let Some(found) = found else { return Ok(()) };
                found
            }
        };
        let segment = holding(segments, at);
        let part = segments[segment].part.clone();
        let score = self.measured.as_ref().map_or(0.0, |measured| measured.decider.score(at));
        let returned = self.measured.as_mut().and_then(|measured| measured.remember(&picture));
        let found = Found::of(choice, at, score, returned);
        let is_new = self.keep(&part, at, &found, &picture)?;
        // A run-up that is done again has counted what it kept before.
        segments[segment].frames += u64::from(is_new || !part.warm_up);
        Ok(())
    }

    /// Says that the picture of the frame at `at` is missing, and which one is kept for it.
    fn miss(&self, path: &str, at: i64, near: Option<i64>) -> Result<()> {
        let at = seconds(at);
        let message = match near.map(seconds) {
            Some(near) => format!("{path}: no picture at {at} s; the one at {near} s is kept"),
            None => format!("{path}: no picture at {at} s"),
        };
        self.fail("no_picture", &message, Some(path))
    }

    /// The candidate that is nearest to `at`, which cannot be fetched.
    fn nearest(&mut self, segments: &VecDeque<Segment>, at: i64) -> Option<(i64, Picture)> {
        while let Some((at, candidate)) = self.measured.as_mut()?.decider.nearest(at) {
            let found = candidate.map(|picture| (at, picture));
            if let Some(found) = found.or_else(|| self.fetch(segments, at)) {
                return Some(found);
            }
        }
        None
    }

    /// Decodes the picture of the frame at `at` again. Its bytes may lie in the segment behind the one that it belongs to by its time.
    pub(crate) fn fetch(
        &mut self,
        segments: &VecDeque<Segment>,
        at: i64,
    ) -> Option<(i64, Picture)> {
        let holding = holding(segments, at);
        segments.range(holding..segments.len().min(holding + 2)).find_map(|segment| {
            let part = &segment.part;
            let fetched = self.fetcher.fetch(&part.source, &part.path, &[at]);
            fetched.map_or_else(
                |error| {
                    report::warn(format_args!("{}: {error:#}", part.path));
                    None
                },
                |mut pictures| pictures.pop(),
            )
        })
    }

    /// Writes a picture and announces it, unless that was done before; `false` if it was.
    pub(crate) fn keep(
        &mut self,
        part: &Part,
        at: i64,
        found: &Found,
        picture: &Picture,
    ) -> Result<bool> {
        let (timestamp, pts) =
            (seconds(at), part.source.anchor.pts + (at - part.source.anchor.offset));
        if self.store.was_kept(&part.path, pts) {
            return Ok(false);
        }
        loop {
            let (frame, file) = self.frame(part, (timestamp, pts), found, picture, &[])?;
            let is_announced = self.ahead.confirm(&frame);
            let session = self.session.as_deref();
            let kept = match file.filter(|_| !is_announced) {
                Some(file) => {
                    self.store.keep(&file.bytes, file.thumbnail.as_deref(), session, frame)?
                }
                None => Ok(self.store.keep_again(session, frame)?),
            };
            match kept {
                Ok(event) => {
                    self.tally.kept();
                    if !is_announced {
                        self.emit(&event)?;
                    }
                    return Ok(true);
                }
                Err(Obstruction { path, error }) => {
                    let path = path.to_string_lossy();
                    let message = format!(
                        "{path}: {error}; the picture is kept under the next number (remove what has this name)"
                    );
                    self.fail("obstructed", &message, Some(&path))?;
                }
            }
        }
    }

    /// Describes a picture under the next number after `others`, with its file; without, where what it shows has one already and is
    /// to have no second one.
    pub(crate) fn frame(
        &mut self,
        part: &Part,
        (timestamp, pts): (f64, i64),
        found: &Found,
        picture: &Picture,
        others: &[Frame],
    ) -> Result<(Frame, Option<Encoded>)> {
        let (id, path) = self.store.next_picture(others.len())?;
        let before = found.returned.and_then(|back| match others.len().checked_sub(back) {
            Some(other) => others.get(other),
            None => self.store.kept(back - others.len()),
        });
        let returned_to = before.map(|before| before.id.clone());
        if let Some(before) = before.filter(|_| self.store.dedupe) {
            let frame = Frame {
                id,
                timestamp,
                pts,
                segment: part.path.clone(),
                reason: found.reason,
                detector: found.detector,
                change: found.change,
                returned_to,
                scores: found.scores,
                ..before.clone()
            };
            return Ok((frame, None));
        }
        let origin = Origin {
            id: &id,
            timestamp,
            pts,
            reason: found.reason,
            session: self.session.as_deref(),
            segment: &part.path,
        };
        let file = self.painter.paint(&picture.samples, &picture.form, &origin)?;
        let thumbnail = file.thumbnail.as_deref();
        let frame = Frame {
            thumbnail: thumbnail.map(|_| self.store.thumbnail(&id)).transpose()?,
            id,
            timestamp,
            pts,
            path: path.to_string_lossy().into_owned(),
            segment: part.path.clone(),
            reason: found.reason,
            detector: found.detector,
            change: found.change,
            returned_to,
            scores: found.scores,
            width: file.width,
            height: file.height,
            bytes: file.bytes.len() as u64,
            hash: blake3::hash(&file.bytes).to_hex().to_string(),
        };
        Ok((frame, Some(file)))
    }
}
