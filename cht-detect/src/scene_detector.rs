//! From measures to pictures: the choices, and what shows each of them.

use std::collections::VecDeque;

use crate::time::SECOND;
use serde::{Deserialize, Serialize};

use crate::measure::Measures;
use crate::{
    Cause, Combiner, Content, Detector, LOOKAHEAD, PictureMatcher, Rules, Selection, Shown,
    Suppressed,
};

/// Detectors may choose a frame that is so old, or one of the last few.
const LOOKED_BACK: i64 = SECOND;

/// For so long the scores of frames are known: choices are of frames that have gone by.
const REMEMBERED: i64 = 3 * SECOND;

/// What has come to rest and waits for a picture has gone when more than this share of the blocks changes at once.
const STIRS: f32 = 0.01;

/// Least time for which the last frame of all is shown, in ticks: what changed last has come to rest by then.
const LEAST_SHOWN: i64 = SECOND * 3 / 2;

/// Chooses frames, and finds their pictures among those that were handed over.
#[derive(Debug)]
pub struct SceneDetector<P> {
    chooser: Combiner,
    matcher: PictureMatcher<P>,
    /// The last frames and their scores.
    recent: VecDeque<(i64, f64)>,
    /// How far time has passed, also where no frame came.
    passed: i64,
    /// What lies between frames is not decoded: nothing is known of the time that passes.
    has_gaps: bool,
}

/// What is to be known to go on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Decided {
    chooser: Combiner,
    choices: Vec<Selection>,
    waiting: Vec<i64>,
    recent: VecDeque<(i64, f64)>,
    passed: i64,
    has_gaps: bool,
    shown: Option<i64>,
}

impl<P> SceneDetector<P> {
    /// By these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            chooser: Combiner::new(rules),
            matcher: PictureMatcher::default(),
            recent: VecDeque::new(),
            passed: i64::MIN,
            has_gaps: false,
        }
    }

    /// What is known now.
    #[must_use]
    pub fn save(&self) -> Decided {
        Decided {
            chooser: self.chooser.clone(),
            choices: self.matcher.choices().copied().collect(),
            waiting: self.matcher.waiting().collect(),
            recent: self.recent.clone(),
            passed: self.passed,
            has_gaps: self.has_gaps,
            shown: self.matcher.shown,
        }
    }

    /// Restores the saved state. Each picture that waited waits again, at first as `P::default()`:
    /// the run-up hands over what it can ([`Self::run_up`]), and the rest is fetched when it is chosen.
    #[must_use]
    pub fn restore(decided: Decided) -> Self
    where
        P: Default,
    {
        let mut matcher = PictureMatcher::default();
        decided.choices.into_iter().for_each(|choice| matcher.choose(choice));
        let Decided { chooser, waiting, recent, passed, has_gaps, .. } = decided;
        for at in waiting {
            matcher.picture(at, P::default());
        }
        matcher.shown = decided.shown;
        Self { chooser, matcher, recent, passed, has_gaps }
    }

    /// For each block whether [`crate::Revisits`] leaves it out, because it never rests at present. Nothing is left out of film, none of
    /// which rests.
    #[must_use]
    pub fn hidden(&self) -> Vec<bool> {
        if self.chooser.asks(Detector::Screen) {
            self.chooser.hidden_from_prints()
        } else {
            Vec::new()
        }
    }

    /// Returns the blocks of the small changes for which frames were kept, since the last call:
    /// [`crate::Revisits`] tells screens apart by them.
    pub fn take_small(&mut self) -> Vec<usize> {
        self.chooser.take_small()
    }

    /// What the stream shows, where that is asked for.
    #[must_use]
    pub fn content(&self) -> Option<Content> {
        self.chooser.content()
    }

    /// What was found and is not kept, since the last call.
    pub fn take_suppressed(&mut self) -> Suppressed {
        self.chooser.take_suppressed()
    }

    /// Choices that wait for a picture, and pictures that wait for a choice.
    #[must_use]
    pub fn waiting(&self) -> (usize, usize) {
        (self.matcher.choices().count(), self.matcher.waiting().count())
    }

    /// Whether all that waits, and all that detectors may still find, is of `at` or later.
    #[must_use]
    pub fn waits_from(&self, at: i64) -> bool {
        let picture = self.matcher.waiting().next();
        let choice = self.matcher.choices().map(|choice| choice.at).min();
        let now = self.recent.back().map_or(i64::MIN, |frame| frame.0);
        let found = self.chooser.undecided_from(now);
        picture.into_iter().chain(choice).chain(found).all(|oldest| oldest >= at)
    }

    /// Hands over the picture of a frame of the run-up, which is kept if it waits.
    pub fn run_up(&mut self, at: i64, picture: Option<P>) {
        if let Some(picture) = picture {
            self.matcher.hand_over(at, picture);
        }
    }

    /// Lets time pass up to the next frame at `until`, in which the last one is shown: what has come to rest is chosen. To be
    /// called before [`Self::push`], with [`Self::next_choice`] in between.
    pub fn pass(&mut self, until: i64) {
        if self.has_gaps {
            return;
        }
        for choice in self.chooser.pass(until) {
            self.matcher.choose(choice);
        }
        self.passed = self.passed.max(until.saturating_sub(1));
    }

    /// Takes the next frame, and its picture if that was handed over.
    pub fn push(&mut self, measures: &Measures, picture: Option<P>) {
        (self.passed, self.has_gaps) = (measures.at, measures.gap);
        if let Some(picture) = picture {
            self.matcher.picture(measures.at, picture);
        }
        if self.matcher.has_resting() && self.stirs(measures) {
            self.matcher.rests_until(self.recent.back().map_or(i64::MIN, |frame| frame.0));
        }
        for choice in self.chooser.push(measures) {
            self.matcher.choose(choice);
        }
        self.recent.push_back((measures.at, measures.score));
        let is_old = |recent: &VecDeque<(i64, f64)>| {
            recent.len() > LOOKAHEAD + 2 && recent[0].0 < measures.at - REMEMBERED
        };
        while is_old(&self.recent) {
            self.recent.pop_front();
        }
    }

    /// Whether something else is shown than in the frame before.
    fn stirs(&self, measures: &Measures) -> bool {
        let hidden = self.chooser.hidden();
        let is_hidden = |block: u32| hidden.get(block as usize).is_some_and(|&hidden| hidden);
        let changed = measures.changes.iter().filter(|change| !is_hidden(change.block)).count();
        changed as f32 > STIRS * (measures.grid.0 * measures.grid.1) as f32
    }

    /// The next choice and what shows it.
    pub fn next_choice(&mut self) -> Option<(Selection, Shown<P>)> {
        let now = self.recent.back().map_or(i64::MIN, |frame| frame.0.max(self.passed));
        // Of the frames from here on a cut may yet be found.
        let undecided = self.recent.len().saturating_sub(LOOKAHEAD);
        let certain = self.recent.get(undecided).map_or(now, |frame| frame.0);
        let slow = self.chooser.undecided_from(now).unwrap_or(certain);
        let next = self.matcher.next(now, certain, slow, false);
        let next = next.map(|next| self.to_a_frame(next));
        if let Some((choice, shown)) = &next
            && choice.cause == Cause::Interval
        {
            self.chooser.interval_shown(shown.at());
        }
        if next.is_none() {
            // What the detectors do not go back to is only of use as the newest of all.
            let behind = self.recent.len().saturating_sub(LOOKAHEAD + 2);
            let frame = self.recent.get(behind).map_or(i64::MIN, |frame| frame.0);
            let oldest = frame.min(now.saturating_sub(LOOKED_BACK));
            let newest = self.matcher.waiting().last().unwrap_or(oldest);
            let waits = self.matcher.choices().map(|choice| choice.at).min().unwrap_or(oldest);
            self.matcher.forget_before(oldest.min(newest).min(waits));
        }
        next
    }

    /// Returns the time up to which the last frame is shown if none follows: as long as one of the frames before it was, and
    /// [`LEAST_SHOWN`] at least.
    fn last_is_shown_until(&self) -> i64 {
        let frames = self.recent.iter().map(|frame| frame.0);
        let longest = frames.clone().zip(frames.skip(1)).map(|(a, b)| b - a).max();
        let last = self.last().unwrap_or(i64::MIN);
        last.saturating_add(longest.unwrap_or(0).max(LEAST_SHOWN))
    }

    /// Returns the last frame.
    #[must_use]
    pub fn last(&self) -> Option<i64> {
        self.recent.back().map(|frame| frame.0)
    }

    /// Lets time pass up to `until`, in which nothing has come yet, but no further than it passes where nothing follows: so what is
    /// chosen then is chosen in any case.
    pub fn wait(&mut self, until: i64) {
        self.pass(until.min(self.last_is_shown_until()));
    }

    /// Returns one that goes on from here by itself, without the pictures ([`Self::borrow`]).
    #[must_use]
    pub fn ahead(&self) -> Self
    where
        P: Default,
    {
        Self::restore(self.save())
    }

    /// Takes out the picture of the frame at `at` for a moment; [`Self::run_up`] puts it back.
    pub fn borrow(&mut self, at: i64) -> Option<P>
    where
        P: Default,
    {
        self.matcher.borrow(at)
    }

    /// There will be no more frames: [`Self::last_choice`] gives what is left.
    pub fn finish(&mut self) {
        if !self.recent.is_empty() {
            self.pass(self.last_is_shown_until());
        }
        for choice in self.chooser.finish() {
            self.matcher.choose(choice);
        }
    }

    /// The next of what is left.
    pub fn last_choice(&mut self) -> Option<(Selection, Shown<P>)> {
        self.matcher.next(i64::MAX, i64::MAX, i64::MAX, true).map(|next| self.to_a_frame(next))
    }

    /// What is fetched is a frame: the first one from the chosen time on, or of what rests the last one that will do.
    fn to_a_frame(&self, (choice, shown): (Selection, Shown<P>)) -> (Selection, Shown<P>) {
        let Shown::Fetch(at) = shown else { return (choice, shown) };
        let mut frames = self.recent.iter().map(|frame| frame.0).filter(|&frame| frame >= at);
        let found =
            if choice.rests() { frames.rfind(|&frame| frame <= choice.by) } else { frames.next() };
        let found = found.or(self.recent.back().map(|frame| frame.0));
        (choice, Shown::Fetch(found.unwrap_or(at)))
    }

    /// The picture that is nearest to `at`, where that cannot be fetched.
    pub fn nearest(&mut self, at: i64) -> Option<(i64, P)> {
        self.matcher.nearest(at)
    }

    /// ffmpeg's scene score of a frame that was chosen.
    #[must_use]
    pub fn score(&self, at: i64) -> f64 {
        self.recent.iter().rev().find(|frame| frame.0 == at).map_or(0.0, |frame| frame.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Change, Texture};

    /// A tile that fills the left half of a picture, for ten seconds.
    fn tile(detector: Detector) -> SceneDetector<()> {
        let rules = Rules { detectors: vec![detector], ..Rules::default() };
        let mut decider = SceneDetector::new(rules);
        for n in 0..250u32 {
            let blocks = (0..400).filter(|n| n % 40 < 20);
            let change = |block| Change { block, content: n, look: Texture::Filmed };
            let changes = blocks.map(change).collect();
            let at = i64::from(n) * SECOND / 25;
            decider.push(&Measures { at, grid: (40, 10), changes, ..Measures::default() }, None);
        }
        decider
    }

    #[test]
    fn what_never_rests_is_left_out_of_screens_and_not_of_film() {
        assert!(tile(Detector::Screen).hidden().contains(&true));
        assert!(tile(Detector::Adaptive).hidden().is_empty());
    }
}
