//! From findings to choices: which detector is asked, the gap between cuts, and the longest time without a frame.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{Adaptive, Content, ContentTracker, Finding, Kind, Screen, ScreenRules};
use crate::measure::Measures;

/// A detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detector {
    /// ffmpeg's scene score above the threshold.
    Scene,
    /// [`Adaptive`].
    Adaptive,
    /// [`Screen`].
    Screen,
}

/// Why a frame was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// It is the first.
    First,
    /// A detector found it.
    Found(Kind),
    /// There was none for the longest time allowed.
    Interval,
}

/// A frame that is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The frame, or the first one that will do.
    pub at: i64,
    /// When the change began.
    pub since: i64,
    /// Why.
    pub why: Why,
    /// Who says so; nobody for the first and for an interval.
    pub detector: Option<Detector>,
    /// 0 to 1.
    pub strength: f64,
}

/// What is to be detected, times in ticks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Always these.
    pub detectors: Vec<Detector>,
    /// [`Detector::Adaptive`] or [`Detector::Screen`], by what the stream shows.
    pub auto: bool,
    /// For [`Detector::Scene`].
    pub threshold: f64,
    /// For [`Detector::Screen`].
    pub screen: ScreenRules,
    /// The shortest time from a cut to the next.
    pub min_gap: i64,
    /// The longest time without a frame; 0: no limit.
    pub max_interval: i64,
}

/// Chooses frames.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Chooser {
    rules: Rules,
    adaptive: Adaptive,
    screen: Screen,
    content: ContentTracker,
    last_kept: Option<i64>,
    last_cut: Option<i64>,
}

impl Chooser {
    /// By these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            screen: Screen::new(rules.screen),
            rules,
            adaptive: Adaptive::default(),
            content: ContentTracker::default(),
            last_kept: None,
            last_cut: None,
        }
    }

    /// What the stream shows at present, if that is asked for.
    #[must_use]
    pub fn content(&self) -> Option<Content> {
        self.content.content().filter(|_| self.rules.auto)
    }

    /// Takes the next frame; what is certain now, in the order of the frames.
    pub fn push(&mut self, measures: &Measures) -> Vec<Choice> {
        self.content.push(measures);
        let adaptive = self.adaptive.push(measures);
        let screen = self.screen.push(measures);
        let mut choices = Vec::new();
        if self.last_kept.is_none() {
            self.choose(&mut choices, measures.at, measures.at, Why::First, None, measures.score);
            return choices;
        }
        if measures.resized {
            // Another picture for sure, and nothing can be compared.
            let detector =
                if self.asks(Detector::Screen) { Detector::Screen } else { Detector::Adaptive };
            self.found(&mut choices, &Finding::cut(measures.at, 1.0), detector);
        }
        if self.asks(Detector::Scene) && measures.score > self.rules.threshold {
            self.found(&mut choices, &Finding::cut(measures.at, measures.score), Detector::Scene);
        }
        if let Some(finding) = adaptive.filter(|_| self.asks(Detector::Adaptive)) {
            self.found(&mut choices, &finding, Detector::Adaptive);
        }
        if let Some(finding) = screen.filter(|_| self.asks(Detector::Screen)) {
            self.found(&mut choices, &finding, Detector::Screen);
        }
        let is_due =
            |last| self.rules.max_interval > 0 && measures.at - last >= self.rules.max_interval;
        if choices.is_empty() && self.last_kept.is_some_and(is_due) {
            self.choose(
                &mut choices,
                measures.at,
                measures.at,
                Why::Interval,
                None,
                measures.score,
            );
        }
        choices
    }

    /// There will be no more frames: what is left.
    pub fn finish(&mut self) -> Vec<Choice> {
        let mut choices = Vec::new();
        for finding in self.adaptive.finish() {
            if self.asks(Detector::Adaptive) {
                self.found(&mut choices, &finding, Detector::Adaptive);
            }
        }
        choices
    }

    /// Whether a detector may speak now.
    fn asks(&self, detector: Detector) -> bool {
        self.rules.detectors.contains(&detector) || self.rules.auto && self.content.asks(detector)
    }

    fn found(&mut self, choices: &mut Vec<Choice>, finding: &Finding, detector: Detector) {
        let mut at = finding.at;
        if finding.kind == Kind::Cut {
            let gap_ends = self.last_cut.map_or(at, |last| last + self.rules.min_gap);
            if gap_ends <= at {
                self.last_cut = Some(at);
            }
            at = at.max(gap_ends);
        }
        // Two detectors may have found the same.
        if self.last_kept.is_some_and(|last| last >= at) {
            return;
        }
        self.choose(
            choices,
            at,
            finding.since,
            Why::Found(finding.kind),
            Some(detector),
            finding.strength,
        );
    }

    fn choose(
        &mut self,
        choices: &mut Vec<Choice>,
        at: i64,
        since: i64,
        why: Why,
        detector: Option<Detector>,
        strength: f64,
    ) {
        self.last_kept = Some(at);
        self.screen.keep();
        choices.push(Choice { at, since, why, detector, strength });
    }
}

/// Choices that wait for a picture, and pictures that wait for a choice.
#[derive(Debug)]
pub struct Matcher<P> {
    choices: VecDeque<Choice>,
    pictures: VecDeque<(i64, P)>,
}

impl<P> Default for Matcher<P> {
    fn default() -> Self {
        Self { choices: VecDeque::new(), pictures: VecDeque::new() }
    }
}

impl<P> Matcher<P> {
    /// Adds a choice.
    pub fn choose(&mut self, choice: Choice) {
        self.choices.push_back(choice);
    }

    /// Adds the picture of the frame at `at`.
    pub fn picture(&mut self, at: i64, picture: P) {
        self.pictures.push_back((at, picture));
    }

    /// The times of the pictures that wait.
    pub fn waiting(&self) -> impl Iterator<Item = i64> + '_ {
        self.pictures.iter().map(|(at, _)| *at)
    }

    /// The choices that wait.
    pub fn choices(&self) -> impl Iterator<Item = &Choice> {
        self.choices.iter()
    }

    /// The next choice that has its picture: the first one from the chosen frame on (the last one, of what rests). At the `end`,
    /// whichever is nearest before it.
    ///
    /// Frames before `certain` have been decided on. The end of a dissolve is shown by a picture in that time only, and not at
    /// all by one that belongs to a cut.
    pub fn next(&mut self, certain: i64, end: bool) -> Option<(Choice, i64, P)> {
        loop {
            let choice = *self.choices.front()?;
            let from = self.pictures.partition_point(|(at, _)| *at < choice.at);
            let found = if from < self.pictures.len() {
                // What has come to rest is sharpest at the end.
                let rests = choice.why == Why::Found(Kind::Rest);
                if rests { self.pictures.len() - 1 } else { from }
            } else if end && from > 0 {
                from - 1
            } else {
                return None;
            };
            let at = self.pictures[found].0;
            if choice.why == Why::Found(Kind::Gradual) {
                if at >= certain && !end {
                    return None;
                }
                if self.choices.get(1).is_some_and(|next| next.at == at) {
                    self.choices.pop_front();
                    continue;
                }
            }
            self.choices.pop_front();
            let (at, picture) = self.pictures.remove(found)?;
            return Some((choice, at, picture));
        }
    }

    /// Forgets the pictures before `at`, which cannot be chosen any more.
    pub fn forget_before(&mut self, at: i64) {
        while self.pictures.front().is_some_and(|(picture, _)| *picture < at) {
            self.pictures.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(at: i64, kind: Kind) -> Choice {
        Choice { at, since: at, why: Why::Found(kind), detector: None, strength: 1.0 }
    }

    #[test]
    fn a_cut_gets_its_own_picture_and_what_rests_the_last_one() {
        let mut matcher = Matcher::default();
        for at in [10, 20, 30] {
            matcher.picture(at, at);
        }
        matcher.choose(choice(20, Kind::Cut));
        assert_eq!(matcher.next(i64::MAX, false).map(|(_, at, _)| at), Some(20));
        matcher.choose(choice(5, Kind::Rest));
        assert_eq!(matcher.next(i64::MAX, false).map(|(_, at, _)| at), Some(30));
    }

    #[test]
    fn a_dissolve_does_not_take_the_picture_of_a_cut() {
        let mut matcher = Matcher::default();
        matcher.choose(choice(5, Kind::Gradual));
        matcher.picture(10, ());
        assert!(matcher.next(10, false).is_none());
        matcher.choose(choice(10, Kind::Cut));
        let found = matcher.next(11, false).map(|(choice, at, ())| (choice.why, at));
        assert_eq!(found, Some((Why::Found(Kind::Cut), 10)));
    }

    #[test]
    fn a_choice_waits_for_its_picture_and_takes_what_there_is_at_the_end() {
        let mut matcher = Matcher::default();
        matcher.picture(10, ());
        matcher.choose(choice(20, Kind::Cut));
        assert!(matcher.next(i64::MAX, false).is_none());
        assert_eq!(matcher.next(i64::MAX, true).map(|(_, at, ())| at), Some(10));
    }

    #[test]
    fn the_first_frame_and_one_each_interval() {
        let rules = Rules { auto: true, max_interval: 300, ..Rules::default() };
        let mut chooser = Chooser::new(rules);
        let still = |at| Measures { at, grid: (4, 4), drawn: 1.0, ..Measures::default() };
        let chosen: Vec<_> = (0..70).flat_map(|n| chooser.push(&still(n * 10))).collect();
        let whys: Vec<_> = chosen.iter().map(|choice| (choice.at, choice.why)).collect();
        assert_eq!(whys, [(0, Why::First), (300, Why::Interval), (600, Why::Interval)]);
    }
}
