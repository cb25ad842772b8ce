//! Selects frames by their measures, and finds their pictures.

use std::collections::VecDeque;

use crate::time::SECOND;
use serde::{Deserialize, Serialize};

use crate::measure::Measures;
use crate::{
    Cause, Combiner, Content, Detector, LOOKAHEAD, PictureMatcher, Rules, Selection, Shown,
    Suppressed,
    threshold::{State, Threshold},
};

/// Age up to which any frame may be selected, in ticks; detectors select older ones among the last
/// few only.
const LOOKED_BACK: i64 = SECOND;

/// Time for which the scores of frames are known, in ticks: selections are of frames that have gone
/// by.
const REMEMBERED: i64 = 3 * SECOND;

/// Share of blocks that change at once from which something at rest is gone.
const STIRS: f32 = 0.01;

/// Least time for which the very last frame is shown, in ticks: its changes come to rest by then.
const LEAST_SHOWN: i64 = SECOND * 3 / 2;

/// Selects frames, and finds their pictures among those that were handed over. `P` is a picture.
///
/// For each frame: [`pass`](Self::pass), [`next_choice`](Self::next_choice) until `None`,
/// [`push`](Self::push), `next_choice` until `None`; then [`finish`](Self::finish) and
/// [`last_choice`](Self::last_choice) until `None`.
///
/// ```
/// use cht_detect::{Cause, Detector, Rules, SceneDetector};
/// use cht_detect::measure::{Meter, Plane};
///
/// // Two slides of black and white blocks, a second each.
/// let slide = |n: usize| {
///     let sample = |i: usize| if (i % 80 / 4 + i / 320) % 3 == n { 0 } else { 255 };
///     Plane { width: 80, height: 44, samples: (0..80 * 44).map(sample).collect() }
/// };
/// let rules = Rules { detectors: vec![Detector::Screen], ..Rules::default() };
/// let (mut meter, mut detector) = (Meter::default(), SceneDetector::new(rules));
/// let mut kept = Vec::new();
/// for n in 0..20 {
///     let at = n as i64 * 9000;
///     detector.pass(at);
///     kept.extend(std::iter::from_fn(|| detector.next_choice()));
///     detector.push(&meter.push(at, 0.0, slide(n / 10)), Some(n));
///     kept.extend(std::iter::from_fn(|| detector.next_choice()));
/// }
/// detector.finish();
/// kept.extend(std::iter::from_fn(|| detector.last_choice()));
/// assert_eq!(kept.len(), 2);
/// assert_eq!(kept[0].0.cause, Cause::First);
/// assert_eq!(kept[1].0.detector, Some(Detector::Screen));
/// assert!(kept[1].1.at() >= 90_000, "a picture of the second slide");
/// ```
#[derive(Debug)]
pub struct SceneDetector<P> {
    combiner: Combiner,
    matcher: PictureMatcher<P>,
    /// The last frames and their scores.
    recent: VecDeque<(i64, f64)>,
    /// How far time has passed, also without a frame.
    passed: i64,
    /// Pictures between frames are not decoded: nothing is known of the time that passes.
    has_gaps: bool,
}

/// Saved state of a [`SceneDetector`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Decided {
    combiner: Combiner,
    choices: Vec<Selection>,
    waiting: Vec<i64>,
    recent: VecDeque<(i64, f64)>,
    passed: i64,
    has_gaps: bool,
    shown: Option<i64>,
}

impl<P> SceneDetector<P> {
    /// Selects by these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            combiner: Combiner::new(rules),
            matcher: PictureMatcher::default(),
            recent: VecDeque::new(),
            passed: i64::MIN,
            has_gaps: false,
        }
    }

    /// Selects by ffmpeg's score alone, and continues from `state`. Of [`Measures`] it needs `at`,
    /// `score` and `resized`; it decides at once, and its own picture shows a frame.
    #[must_use]
    pub fn by_threshold(rules: &Rules, state: State) -> Self {
        let Rules { threshold, min_gap, max_interval, .. } = *rules;
        let mut detector = Self::new(Rules::default());
        let rule = Threshold::new(threshold, min_gap, max_interval, state);
        detector.combiner.threshold = Some(rule);
        detector
    }

    /// Returns the rule that decides alone, with its state.
    #[must_use]
    pub fn threshold(&self) -> Option<&Threshold> {
        self.combiner.threshold.as_ref()
    }

    /// Takes back the selection of the last frame, which has no picture. Returns false where the
    /// detectors cannot choose another frame for it.
    pub fn take_back(&mut self) -> bool {
        self.combiner.threshold.as_mut().map(Threshold::take_back).is_some()
    }

    /// Returns the state to continue from.
    #[must_use]
    pub fn save(&self) -> Decided {
        Decided {
            combiner: self.combiner.clone(),
            choices: self.matcher.choices().copied().collect(),
            waiting: self.matcher.waiting().collect(),
            recent: self.recent.clone(),
            passed: self.passed,
            has_gaps: self.has_gaps,
            shown: self.matcher.shown,
        }
    }

    /// Restores the saved state. Each picture that waited waits again, at first as `P::default()`:
    /// the preroll hands over those that it can ([`Self::preroll`]), and the others are fetched
    /// when they are selected.
    #[must_use]
    pub fn restore(decided: Decided) -> Self
    where
        P: Default,
    {
        let mut matcher = PictureMatcher::default();
        decided.choices.into_iter().for_each(|choice| matcher.choose(choice));
        let Decided { combiner, waiting, recent, passed, has_gaps, .. } = decided;
        for at in waiting {
            matcher.picture(at, P::default());
        }
        matcher.shown = decided.shown;
        Self { combiner, matcher, recent, passed, has_gaps }
    }

    /// Returns for each block whether [`crate::Revisits`] leaves it out, because it never rests at
    /// present. In film, which never rests, no block is left out.
    #[must_use]
    pub fn hidden(&self) -> Vec<bool> {
        if self.combiner.asks(Detector::Screen) {
            self.combiner.hidden_from_prints()
        } else {
            Vec::new()
        }
    }

    /// Returns the blocks of the small changes for which frames were kept, since the last call:
    /// [`crate::Revisits`] tells screens apart by them.
    pub fn take_small(&mut self) -> Vec<usize> {
        self.combiner.take_small()
    }

    /// Returns the time after which [`Self::push`] needs a picture that does not change again, so
    /// that [`Rules::max_interval`] is kept.
    #[must_use]
    pub fn still_every(&self) -> i64 {
        self.combiner.still_every()
    }

    /// Returns the content of the stream, if `auto` is set and it is known.
    #[must_use]
    pub fn content(&self) -> Option<Content> {
        self.combiner.content()
    }

    /// Takes the counts of findings that were not kept since the last call.
    pub fn take_suppressed(&mut self) -> Suppressed {
        self.combiner.take_suppressed()
    }

    /// Returns the numbers of selections that wait for a picture, and of pictures that wait.
    #[must_use]
    pub fn waiting(&self) -> (usize, usize) {
        (self.matcher.choices().count(), self.matcher.waiting().count())
    }

    /// Tells whether everything that waits, and everything that detectors may still find, is at
    /// `at` or later, when frames have `followed` the last one before `at`.
    #[must_use]
    pub fn is_decided_before(&self, at: i64, followed: usize) -> bool {
        if followed <= LOOKAHEAD && self.threshold().is_none() {
            return false;
        }
        let picture = self.matcher.waiting().next();
        let choice = self.matcher.choices().map(|choice| choice.at).min();
        let now = self.recent.back().map_or(i64::MIN, |frame| frame.0);
        let found = self.combiner.undecided_from(now);
        picture.into_iter().chain(choice).chain(found).all(|oldest| oldest >= at)
    }

    /// Hands over the picture of a frame of the preroll, which is kept if it waits.
    pub fn preroll(&mut self, at: i64, picture: Option<P>) {
        if let Some(picture) = picture {
            self.matcher.hand_over(at, picture);
        }
    }

    /// Lets time pass up to the next frame at `until`, while the last one is shown: changes that
    /// have come to rest are selected. Call it before [`Self::push`], with [`Self::next_choice`] in
    /// between.
    pub fn pass(&mut self, until: i64) {
        if self.has_gaps {
            return;
        }
        for choice in self.combiner.pass(until) {
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
        for choice in self.combiner.push(measures) {
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

    /// Tells whether the frame shows something else than the one before.
    fn stirs(&self, measures: &Measures) -> bool {
        let hidden = self.combiner.hidden();
        let is_hidden = |block: u32| hidden.get(block as usize).is_some_and(|&hidden| hidden);
        let changed = measures.changes.iter().filter(|change| !is_hidden(change.block)).count();
        changed as f32 > STIRS * (measures.grid.0 * measures.grid.1) as f32
    }

    /// Returns the next selection and its picture.
    pub fn next_choice(&mut self) -> Option<(Selection, Shown<P>)> {
        let now = self.recent.back().map_or(i64::MIN, |frame| frame.0.max(self.passed));
        // Of the frames from here on a cut may yet be found.
        let undecided = self.recent.len().saturating_sub(LOOKAHEAD);
        let certain = self.recent.get(undecided).map_or(now, |frame| frame.0);
        let slow = self.combiner.undecided_from(now).unwrap_or(certain);
        let next = self.matcher.next(now, certain, slow, false);
        let next = next.map(|next| self.to_a_frame(next));
        if let Some((choice, shown)) = &next {
            self.combiner.shown(choice.cause, shown.at());
        }
        if next.is_none() {
            // Pictures that detectors do not go back to are useful only as the newest of all.
            let behind = self.recent.len().saturating_sub(LOOKAHEAD + 2);
            let frame = self.recent.get(behind).map_or(i64::MIN, |frame| frame.0);
            let oldest = frame.min(now.saturating_sub(LOOKED_BACK));
            let newest = self.matcher.waiting().last().unwrap_or(oldest);
            let waits = self.matcher.choices().map(|choice| choice.at).min().unwrap_or(oldest);
            let wanted = oldest.min(newest).min(waits);
            self.matcher.forget_before(if self.threshold().is_some() { i64::MAX } else { wanted });
        }
        next
    }

    /// Returns the time up to which the last frame is shown if none follows: as long as one of the
    /// frames before it was, and [`LEAST_SHOWN`] at least.
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

    /// Lets time pass up to `until`, in which nothing has come yet, at most as far as it passes if
    /// nothing follows: selections made then are final.
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

    /// Takes out the picture of the frame at `at` for a moment; [`Self::preroll`] puts it back.
    pub fn borrow(&mut self, at: i64) -> Option<P>
    where
        P: Default,
    {
        self.matcher.borrow(at)
    }

    /// Ends the stream: [`Self::last_choice`] returns the rest.
    pub fn finish(&mut self) {
        if !self.recent.is_empty() {
            self.pass(self.last_is_shown_until());
        }
        for choice in self.combiner.finish() {
            self.matcher.choose(choice);
        }
    }

    /// Returns the next selection after the end.
    pub fn last_choice(&mut self) -> Option<(Selection, Shown<P>)> {
        self.matcher.next(i64::MAX, i64::MAX, i64::MAX, true).map(|next| self.to_a_frame(next))
    }

    /// Replaces the time to fetch by that of a frame: the first one from the selected time on, or
    /// the last one in time that shows something at rest or an interval. (The latest frame moves
    /// the next interval nearer to a picture that will be at hand.)
    fn to_a_frame(&self, (choice, shown): (Selection, Shown<P>)) -> (Selection, Shown<P>) {
        let Shown::Fetch(at) = shown else { return (choice, shown) };
        let mut frames = self.recent.iter().map(|frame| frame.0).filter(|&frame| frame >= at);
        let is_last = choice.rests() || choice.cause == Cause::Interval;
        let found = if is_last { frames.rfind(|&frame| frame <= choice.by) } else { frames.next() };
        let found = found.or(self.recent.back().map(|frame| frame.0));
        (choice, Shown::Fetch(found.unwrap_or(at)))
    }

    /// Takes the picture nearest to `at`, where that cannot be fetched.
    pub fn nearest(&mut self, at: i64) -> Option<(i64, P)> {
        self.matcher.nearest(at)
    }

    /// Returns ffmpeg's scene score of a selected frame.
    #[must_use]
    pub fn score(&self, at: i64) -> f64 {
        self.recent.iter().rev().find(|frame| frame.0 == at).map_or(0.0, |frame| frame.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Change, Texture};

    /// Returns a detector that saw a tile fill the left half of a picture for ten seconds.
    fn tile(detector: Detector) -> SceneDetector<()> {
        let rules = Rules { detectors: vec![detector], ..Rules::default() };
        let mut decider = SceneDetector::new(rules);
        for n in 0..250u32 {
            let blocks = (0..400).filter(|n| n % 40 < 20);
            let change = |block| Change { block, content: n, texture: Texture::Filmed };
            let changes = blocks.map(change).collect();
            let at = i64::from(n) * SECOND / 25;
            decider.push(&Measures { at, grid: (40, 10), changes, ..Measures::default() }, None);
        }
        decider
    }

    #[test]
    fn mask_applies_to_screens_and_not_to_film() {
        assert!(tile(Detector::Screen).hidden().contains(&true));
        assert!(tile(Detector::Adaptive).hidden().is_empty());
    }
}
