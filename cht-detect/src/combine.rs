//! Turns findings into selections: asks the detectors that apply, and paces what they find.

use serde::{Deserialize, Serialize};

use crate::{
    Adaptive, Cause, Content, ContentTracker, Detector, Finding, PerHour, Screen, ScreenRules,
    Selection, Suppressed, measure::Measures, pacing::Pacing, threshold::Threshold,
};

/// Rules of detection, times in ticks of 90 kHz.
///
/// ```
/// use cht_detect::{Detector, Rules};
///
/// let rules = Rules {
///     detectors: vec![Detector::Scene],
///     threshold: 0.3,
///     max_interval: 60 * 90_000,
///     max_frames: Some("120/h".parse()?),
///     ..Rules::default()
/// };
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Detectors that are always asked.
    pub detectors: Vec<Detector>,
    /// Asks [`Detector::Adaptive`] or [`Detector::Screen`], depending on the content.
    pub auto: bool,
    /// For [`Detector::Scene`].
    pub threshold: f64,
    /// For [`Detector::Screen`].
    pub screen: ScreenRules,
    /// The shortest time from a cut to the next.
    pub min_gap: i64,
    /// The longest time without a frame; 0: no limit.
    pub max_interval: i64,
    /// The most frames in an hour.
    pub max_frames: Option<PerHour>,
}

/// Chooses frames.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Combiner {
    rules: Rules,
    adaptive: Adaptive,
    screen: Screen,
    content: ContentTracker,
    pacing: Pacing,
    /// The rule that decides alone, if it is set.
    #[serde(skip)]
    pub(crate) threshold: Option<Threshold>,
}

impl Combiner {
    /// Selects by these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            screen: Screen::new(rules.screen.clone()),
            pacing: Pacing::new(rules.min_gap, rules.max_interval, rules.max_frames),
            rules,
            adaptive: Adaptive::default(),
            content: ContentTracker::default(),
            threshold: None,
        }
    }

    /// Returns the present content of the stream, if `auto` is set and it is known.
    #[must_use]
    pub fn content(&self) -> Option<Content> {
        self.content.content().filter(|_| self.rules.auto)
    }

    /// Returns for each block whether it belongs to a region that never rests.
    #[must_use]
    pub fn hidden(&self) -> Vec<bool> {
        self.screen.hidden()
    }

    /// Returns the blocks of the small changes for which frames of a screen were kept, since the
    /// last call.
    pub fn take_small(&mut self) -> Vec<usize> {
        self.screen.take_small()
    }

    /// Returns for each block whether [`crate::Revisits`] leaves it out.
    #[must_use]
    pub fn hidden_from_prints(&self) -> Vec<bool> {
        self.screen.hidden_from_prints()
    }

    /// Takes the next frame. Returns the selections that are certain now, in the order of frames.
    pub fn push(&mut self, measures: &Measures) -> Vec<Selection> {
        if let Some(threshold) = &mut self.threshold {
            let kept = threshold.push(measures);
            let waits = threshold.state.waiting.is_some() && measures.score > threshold.threshold;
            self.pacing.suppressed.min_gap += u64::from(waits);
            return kept.into_iter().collect();
        }
        self.content.push(measures);
        let adaptive = self.adaptive.push(measures);
        let screen = self.screen.push(measures);
        let mut choices = Vec::new();
        let first = self.pacing.frame(measures.at, measures.score);
        self.kept(&mut choices, first);
        if choices.first().is_some_and(|choice| choice.cause == Cause::First) {
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
        // A frame kept for another reason shows the screen's finding in the same frame, too.
        if let Some(finding) = screen.filter(|_| self.asks(Detector::Screen) && choices.is_empty())
        {
            self.found(&mut choices, &finding, Detector::Screen);
        }
        let changes =
            self.asks(Detector::Screen) && self.screen.undecided_from(measures.at).is_some();
        while let Some(due) = self.pacing.due(measures.score, changes) {
            self.kept(&mut choices, Some(due));
        }
        choices
    }

    /// Lets time pass to `until` without a frame. Returns the selections that are certain then.
    pub fn pass(&mut self, until: i64) -> Vec<Selection> {
        let mut choices = Vec::new();
        while let Some(finding) = self.screen.pass(until) {
            if self.asks(Detector::Screen) {
                self.found(&mut choices, &finding, Detector::Screen);
            }
        }
        choices
    }

    /// Returns the last selections: no more frames come.
    pub fn finish(&mut self) -> Vec<Selection> {
        let mut choices = Vec::new();
        for finding in self.adaptive.finish() {
            if self.asks(Detector::Adaptive) {
                self.found(&mut choices, &finding, Detector::Adaptive);
            }
        }
        let waiting = self.pacing.finish();
        self.kept(&mut choices, waiting);
        choices
    }

    /// Returns the first frame that detectors may still report, when frames up to `now` have come.
    /// Any of the last `LOOKAHEAD` frames may be reported as well.
    pub(crate) fn undecided_from(&self, now: i64) -> Option<i64> {
        let may_ask = |detector| self.rules.auto || self.rules.detectors.contains(&detector);
        let gradual = self.adaptive.undecided_from().filter(|_| may_ask(Detector::Adaptive));
        let screen = self.screen.undecided_from(now).filter(|_| may_ask(Detector::Screen));
        gradual.into_iter().chain(screen).min()
    }

    /// Notes that the frame at `at` shows a selection.
    pub(crate) fn shown(&mut self, cause: Cause, at: i64) {
        self.pacing.shown(cause, at);
    }

    /// Returns the time after which a still picture has to be handed over again.
    pub(crate) fn still_every(&self) -> i64 {
        self.pacing.still_every()
    }

    /// Takes the counts of findings that were not kept since the last call.
    pub fn take_suppressed(&mut self) -> Suppressed {
        let too_small = self.screen.take_too_small();
        Suppressed { too_small, ..std::mem::take(&mut self.pacing.suppressed) }
    }

    /// Tells whether a detector may speak now.
    pub(crate) fn asks(&self, detector: Detector) -> bool {
        self.rules.detectors.contains(&detector) || self.rules.auto && self.content.asks(detector)
    }

    /// Passes a finding of `detector` to the pacing.
    fn found(&mut self, choices: &mut Vec<Selection>, finding: &Finding, detector: Detector) {
        let choice = self.pacing.found(finding, detector);
        // A finding without an allowance has been seen, too: only later changes count.
        if choice.is_some() || detector == Detector::Screen {
            self.screen.keep();
        }
        choices.extend(choice);
    }

    /// Adds a selection that belongs to no finding in this frame.
    fn kept(&mut self, choices: &mut Vec<Selection>, choice: Option<Selection>) {
        if choice.is_some() {
            self.screen.keep();
        }
        choices.extend(choice);
    }
}
