//! Paces findings: least gap between cuts, longest time without a frame, most frames in an hour.
//!
//! A finding that is not kept is counted. [`Detector::Scene`](crate::Detector) has a rule of its
//! own, for the reason given in `threshold`.

use std::collections::VecDeque;

use crate::time::SECOND;
use serde::{Deserialize, Serialize};

use crate::{Cause, Detector, Finding, Kind, LOOKAHEAD, PerHour, Selection, budget::Budget};

/// Time within which a later picture may show a selection whose exact frame does not matter, in
/// ticks.
const NEAR: i64 = SECOND;

/// Time within which a later picture may show the end of a dissolve, in ticks.
const ENDS: i64 = SECOND / 4;

/// Longest time before an interval ends in which its picture is searched, in ticks.
const MOST_BEFORE: i64 = SECOND / 2;

/// Longest time between two pictures of a still screen, in ticks.
const STILL: i64 = 2 * SECOND;

/// Frames that were found and are not kept themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Suppressed {
    /// Cuts within the gap after another; the frame at its end represents them all.
    pub min_gap: u64,
    /// Findings without an allowance; a later frame represents them.
    pub max_frames: u64,
    /// Findings reported after a newer frame was kept.
    pub too_late: u64,
    /// Changes on a screen that came to rest and were too small.
    pub too_small: u64,
}

/// Paces selections.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Pacing {
    min_gap: i64,
    max_interval: i64,
    budget: Option<Budget>,
    last_kept: Option<i64>,
    /// The last selection, if it is an interval that is not shown yet: a finding replaces it.
    #[serde(default)]
    interval: Option<Interval>,
    /// The picture that showed the last interval.
    #[serde(default)]
    shown: Option<i64>,
    /// The newest picture that showed a selection.
    #[serde(default)]
    newest: Option<i64>,
    last_cut: Option<i64>,
    /// A cut that waits for the end of the gap.
    waiting: Option<Selection>,
    /// Selection that waits for an allowance.
    postponed: Option<Selection>,
    /// The last frames: a detector reports one that has gone by.
    recent: VecDeque<i64>,
    #[serde(skip)]
    pub(crate) suppressed: Suppressed,
}

/// A frame that was chosen only because of the time since the last one.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Interval {
    /// The frame that was kept before it.
    before: Option<i64>,
    /// The last frame that may show it.
    by: i64,
}

impl Pacing {
    pub(crate) fn new(min_gap: i64, max_interval: i64, max_frames: Option<PerHour>) -> Self {
        Self {
            min_gap,
            max_interval,
            budget: max_frames.map(Budget::new),
            last_kept: None,
            interval: None,
            shown: None,
            newest: None,
            last_cut: None,
            waiting: None,
            postponed: None,
            recent: VecDeque::new(),
            suppressed: Suppressed::default(),
        }
    }

    /// Takes the next frame. Returns a selection if it is the first frame, or one that was
    /// postponed.
    pub(crate) fn frame(&mut self, at: i64, score: f64) -> Option<Selection> {
        if self.recent.len() > LOOKAHEAD {
            self.recent.pop_front();
        }
        self.recent.push_back(at);
        if self.last_kept.is_none() {
            return self.keep(Selection {
                at,
                by: at,
                since: at,
                cause: Cause::First,
                detector: None,
                strength: score,
            });
        }
        let postponed = self.postponed.filter(|_| self.is_allowed(at))?;
        self.postponed = None;
        self.last_kept = Some(at);
        Some(postponed.moved_to(at))
    }

    fn is_allowed(&mut self, now: i64) -> bool {
        self.budget.as_mut().is_none_or(|budget| budget.take(now))
    }

    /// Takes a finding in the frames up to now. Returns the selection if it is kept now.
    pub(crate) fn found(&mut self, finding: &Finding, detector: Detector) -> Option<Selection> {
        let Finding { at, since, kind, strength } = *finding;
        let by = match kind {
            Kind::Cut => at,
            Kind::Gradual => at + ENDS,
            Kind::Rest => at + NEAR,
        };
        let (cause, detector) = (Cause::Found(kind), Some(detector));
        let choice = Selection { at, by, since, cause, detector, strength };
        if kind == Kind::Cut {
            if self.last_cut.is_some_and(|last| at < last + self.min_gap) {
                self.wait(choice);
                return None;
            }
            self.last_cut = Some(at);
            // It shows the waiting cut as well.
            self.waiting = None;
        }
        self.keep(choice)
    }

    /// Lets a cut within the gap wait; the strongest of them is kept.
    fn wait(&mut self, choice: Selection) {
        let before = self.waiting;
        // Two detectors may find the same.
        if before.is_some_and(|before| before.at == choice.at) || self.last_cut == Some(choice.at) {
            return;
        }
        self.suppressed.min_gap += 1;
        self.waiting = match before {
            Some(before) if before.strength >= choice.strength => Some(before),
            Some(before) => Some(Selection { since: before.since, ..choice }),
            None => Some(choice),
        };
    }

    /// Returns the selection that is due at the last frame: a cut whose gap is over, or an
    /// interval. While something `changes`, which a detector may report soon, an interval waits for
    /// half of the time in which its picture is searched.
    pub(crate) fn due(&mut self, score: f64, changes: bool) -> Option<Selection> {
        let now = *self.recent.back()?;
        let gap_ends = self.last_cut.map_or(now, |last| last + self.min_gap);
        if now >= gap_ends
            && let Some(waiting) = self.waiting.take()
        {
            let first = self.recent.iter().find(|&&at| at >= gap_ends);
            return self.keep(waiting.moved_to(*first.unwrap_or(&now)));
        }
        let last = self.last_kept.max(self.newest)?;
        let before = searched(self.max_interval);
        let looked_for = if changes { before / 2 } else { before };
        let ends = last + self.max_interval;
        if self.max_interval == 0 || now < ends - looked_for || self.postponed.is_some() {
            return None;
        }
        // Frames that come seldom: the one before is rather early than this one is late.
        let in_time = last + self.max_interval / 2..=ends;
        let earlier =
            self.recent.iter().rev().nth(1).filter(|at| now > ends && in_time.contains(at));
        let at = earlier.copied().unwrap_or(now);
        let by = if at == now { ends.max(now) } else { at };
        let cause = Cause::Interval;
        self.keep(Selection { at, by, since: at, cause, detector: None, strength: score })
    }

    /// Returns the time after which a still picture has to be handed over again, so that there is
    /// one when an interval ends: also where the first of them comes when the picture has settled,
    /// and where each comes a frame late.
    pub(crate) fn still_every(&self) -> i64 {
        let wanted = self.max_interval - searched(self.max_interval) * 9 / 10;
        if wanted == 0 { STILL } else { wanted / (wanted + STILL - 1).div_euclid(STILL) }
    }

    /// Returns the waiting selection, shown by the last frame: no more come.
    pub(crate) fn finish(&mut self) -> Option<Selection> {
        let waiting = self.waiting.take()?;
        let at = *self.recent.back()?;
        self.keep(waiting.moved_to(at))
    }

    /// Notes that the frame at `at` shows a selection.
    pub(crate) fn shown(&mut self, cause: Cause, at: i64) {
        self.newest = self.newest.max(Some(at));
        if cause == Cause::Interval {
            (self.interval, self.shown) = (None, Some(at));
        }
    }

    /// Keeps a frame, unless it was kept already or has no allowance.
    fn keep(&mut self, choice: Selection) -> Option<Selection> {
        let interval = self.interval.filter(|interval| choice.takes_place_of(interval.by));
        let last = interval.map_or(self.last_kept, |interval| interval.before).max(self.shown);
        if last.is_some_and(|last| last >= choice.at) {
            // Two detectors may have found the same, or one of them more than is worth telling.
            let is_cut = choice.cause == Cause::Found(Kind::Cut) && self.shown < Some(choice.at);
            let is_late = last > Some(choice.at) && !is_cut;
            self.suppressed.too_late += u64::from(is_late);
            return None;
        }
        let now = self.recent.back().copied().unwrap_or(choice.at);
        if interval.is_none() && !self.is_allowed(now) {
            self.suppressed.max_frames += 1;
            self.postponed = Some(choice);
            return None;
        }
        let before = self.last_kept.replace(choice.at);
        let is_interval = choice.cause == Cause::Interval;
        self.interval = is_interval.then_some(Interval { before, by: choice.by });
        Some(choice)
    }
}

/// Returns the time before an interval ends in which its picture is searched.
fn searched(max_interval: i64) -> i64 {
    MOST_BEFORE.min(max_interval / 4)
}

impl Selection {
    /// Returns the selection at a later frame.
    fn moved_to(self, at: i64) -> Self {
        Self { at, by: at + NEAR, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the frames kept of one each tick, with cuts of these strengths.
    fn kept(pacing: &Pacing, frames: i64, cuts: &[(i64, f64)]) -> (Vec<(i64, Cause)>, Suppressed) {
        let (mut pacing, mut kept) = (pacing.clone(), Vec::new());
        for at in 0..frames {
            kept.extend(pacing.frame(at, 0.0));
            for &(_, strength) in cuts.iter().filter(|cut| cut.0 == at) {
                kept.extend(pacing.found(&Finding::cut(at, strength), Detector::Scene));
            }
            kept.extend(pacing.due(0.0, false));
        }
        kept.extend(pacing.finish());
        (kept.iter().map(|choice| (choice.at, choice.cause)).collect(), pacing.suppressed)
    }

    const CUT: Cause = Cause::Found(Kind::Cut);

    #[test]
    fn first_frame_and_one_per_interval_are_kept() {
        let pacing = Pacing::new(0, 30, None);
        let (kept, _) = kept(&pacing, 70, &[]);
        // A quarter of the interval is left to find a picture.
        assert_eq!(
            kept,
            [
                (0, Cause::First),
                (23, Cause::Interval),
                (46, Cause::Interval),
                (69, Cause::Interval)
            ]
        );
    }

    #[test]
    fn interval_without_a_frame_at_its_end_is_shown_by_an_earlier_one() {
        let mut pacing = Pacing::new(0, 100, None);
        let mut kept = Vec::new();
        for at in [0, 35, 70, 105, 140, 500, 530] {
            kept.extend(pacing.frame(at, 0.0));
            while let Some(choice) = pacing.due(0.0, false) {
                kept.push(choice);
            }
        }
        let kept: Vec<_> = kept.iter().map(|choice| (choice.at, choice.by)).collect();
        assert_eq!(kept, [(0, 0), (70, 70), (140, 140), (500, 500)]);
    }

    #[test]
    fn interval_begins_with_the_picture_shown_last() {
        let mut pacing = Pacing::new(0, 100, None);
        let mut kept = Vec::new();
        for at in 0..200 {
            kept.extend(pacing.frame(at, 0.0).or(pacing.due(0.0, false)));
            if at == 100 {
                pacing.shown(Cause::Interval, 95);
            }
        }
        let kept: Vec<_> = kept.iter().map(|choice| (choice.at, choice.by)).collect();
        assert_eq!(kept, [(0, 0), (75, 100), (170, 195)]);
    }

    #[test]
    fn cut_within_the_gap_waits_and_the_rest_is_counted() {
        let pacing = Pacing::new(20, 0, None);
        let (found, suppressed) =
            kept(&pacing, 200, &[(100, 0.9), (105, 0.3), (110, 0.2), (125, 0.8)]);
        assert_eq!(found, [(0, Cause::First), (100, CUT), (120, CUT), (125, CUT)]);
        assert_eq!(suppressed, Suppressed { min_gap: 2, ..Suppressed::default() });
        let (found, _) = kept(&pacing, 110, &[(100, 0.9), (105, 0.3)]);
        assert_eq!(
            found,
            [(0, Cause::First), (100, CUT), (109, CUT)],
            "at the end nothing is lost"
        );
    }

    #[test]
    fn finding_replaces_an_interval_not_shown() {
        let mut pacing = Pacing::new(0, 40, None);
        let frame = |pacing: &mut Pacing, at| pacing.frame(at, 0.0).or(pacing.due(0.0, false));
        let kept: Vec<_> = (0..=33).filter_map(|at| frame(&mut pacing, at)).collect();
        let last = kept.last().unwrap();
        assert_eq!((last.at, last.by, last.cause), (30, 40, Cause::Interval));
        // Found by frames that came later.
        for at in [29, 30] {
            let mut pacing = pacing.clone();
            let found = pacing.found(&Finding::cut(at, 0.9), Detector::Adaptive);
            assert_eq!(found.map(|choice| (choice.at, choice.cause)), Some((at, CUT)));
            assert_eq!(pacing.last_kept, Some(at));
        }
        pacing.shown(Cause::Interval, 32);
        assert_eq!(pacing.found(&Finding::cut(30, 0.9), Detector::Adaptive), None);
        assert_eq!(pacing.suppressed.too_late, 1, "it is counted");
    }

    #[test]
    fn finding_without_allowance_is_shown_later() {
        // Two at once, then one in 30 s.
        let second = crate::time::SECOND;
        let mut pacing = Pacing::new(0, 0, Some("120/h".parse().unwrap()));
        let mut kept = Vec::new();
        for n in 0..100 {
            let at = n * second;
            kept.extend(pacing.frame(at, 0.0));
            if (1..=8).contains(&n) {
                kept.extend(pacing.found(&Finding::cut(at, 0.5), Detector::Scene));
            }
        }
        let kept: Vec<_> =
            kept.iter().map(|choice| (choice.at / second, choice.since / second)).collect();
        assert_eq!(kept.len(), 5, "{kept:?}");
        assert_eq!(kept[4].1, 8, "what came last is what is shown in the end: {kept:?}");
        assert_eq!(pacing.suppressed.max_frames, 9 - 4);
    }
}
