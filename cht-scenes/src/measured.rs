//! Detectors that measure: what they know, and the pictures that wait for their word.
//!
//! Their word comes late: a cut is certain some frames later, a screen has to come to rest. So pictures that may be wanted wait in
//! a [`Matcher`], and a segment is done when nothing more can be said about it.

use std::collections::VecDeque;

use anyhow::{Context as _, Result};
use cht_scenes::{
    detect::{Choice, Chooser, Content, LOOKAHEAD, Matcher, Rules, Suppressed},
    measure::{Meter, Plane},
};
use serde::{Deserialize, Serialize};

use crate::{lines::Decoded, picture::Form, prefilter::Candidates};

/// A picture as it came from the decoder.
#[derive(Debug)]
pub(crate) struct Picture {
    pub samples: Vec<u8>,
    pub form: Form,
    /// ffmpeg's scene score of its frame.
    pub score: f64,
}

/// What is saved at the end of a segment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Saved {
    meter: Meter,
    chooser: Chooser,
    pub candidates: Candidates,
    choices: Vec<Choice>,
    waiting: Vec<i64>,
    recent: VecDeque<i64>,
}

/// The detectors and what waits for them.
#[derive(Debug)]
pub(crate) struct Measured {
    meter: Meter,
    chooser: Chooser,
    pub candidates: Candidates,
    matcher: Matcher<Picture>,
    /// The last frames: what the detectors may still choose.
    recent: VecDeque<i64>,
    /// Pictures that waited when the state was saved, and are decoded again.
    wanted: Vec<i64>,
}

impl Measured {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            meter: Meter::default(),
            chooser: Chooser::new(rules),
            candidates: Candidates::default(),
            matcher: Matcher::default(),
            recent: VecDeque::new(),
            wanted: Vec::new(),
        }
    }

    /// What is to be known to go on from here.
    pub(crate) fn save(&self) -> Saved {
        Saved {
            meter: self.meter.clone(),
            chooser: self.chooser.clone(),
            candidates: self.candidates,
            choices: self.matcher.choices().copied().collect(),
            waiting: self.matcher.waiting().collect(),
            recent: self.recent.clone(),
        }
    }

    /// Goes on from what was saved. The pictures that waited come with the run-up.
    pub(crate) fn restore(saved: Saved) -> Self {
        let mut matcher = Matcher::default();
        saved.choices.into_iter().for_each(|choice| matcher.choose(choice));
        Self {
            meter: saved.meter,
            chooser: saved.chooser,
            candidates: saved.candidates,
            matcher,
            recent: saved.recent,
            wanted: saved.waiting,
        }
    }

    /// Whether all that waits is of `at` or later.
    pub(crate) fn waits_from(&self, at: i64) -> bool {
        self.matcher.waiting().next().is_none_or(|oldest| oldest >= at)
    }

    /// A picture of the run-up.
    pub(crate) fn run_up(&mut self, at: i64, picture: Option<Picture>) {
        if let Some(picture) = picture.filter(|_| self.wanted.contains(&at)) {
            self.matcher.picture(at, picture);
        }
    }

    /// Takes a frame.
    pub(crate) fn frame(
        &mut self,
        at: i64,
        frame: &Decoded,
        plane: Plane,
        picture: Option<Picture>,
    ) {
        self.candidates.update(at, frame.score, picture.is_some());
        if let Some(picture) = picture {
            self.matcher.picture(at, picture);
        }
        let measures = self.meter.push(at, frame.score, plane);
        for choice in self.chooser.push(&measures) {
            self.matcher.choose(choice);
        }
        self.recent.push_back(at);
        if self.recent.len() > LOOKAHEAD + 2 {
            self.recent.pop_front();
        }
    }

    /// The next choice with its picture.
    pub(crate) fn next(&mut self) -> Option<(Choice, i64, Picture)> {
        let oldest = self.recent.front().copied().unwrap_or(i64::MIN);
        let next = self.matcher.next(oldest + 1, false);
        if next.is_none() {
            // What is older than the detectors look back is only of use as the newest of all.
            let newest = self.matcher.waiting().last().unwrap_or(oldest);
            self.matcher.forget_before(oldest.min(newest));
        }
        next
    }

    /// What the stream shows, where a detector asks.
    pub(crate) fn content(&self) -> Option<Content> {
        self.chooser.content()
    }

    /// What was found and is not kept, since the last call.
    pub(crate) fn take_suppressed(&mut self) -> Suppressed {
        self.chooser.take_suppressed()
    }

    /// Choices that wait for a picture, and pictures that wait for a choice.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        (self.matcher.choices().count(), self.matcher.waiting().count())
    }

    /// There will be no more frames. `next_last` gives what is left.
    pub(crate) fn finish(&mut self) {
        for choice in self.chooser.finish() {
            self.matcher.choose(choice);
        }
    }

    pub(crate) fn next_last(&mut self) -> Option<(Choice, i64, Picture)> {
        self.matcher.next(i64::MAX, true)
    }
}

impl Saved {
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        postcard::to_allocvec(self).context("the detectors' state")
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        postcard::from_bytes(bytes).context("the detectors' state")
    }
}
