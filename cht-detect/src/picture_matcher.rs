//! Matches selections with pictures.
//!
//! The decoder hands over few pictures, and a selection is made some frames late. So pictures that
//! may be selected wait for a selection, and a selection may wait for a picture. A picture that
//! cannot have come, or is late, is fetched: decoded again.

use std::collections::VecDeque;

use crate::{Cause, Selection};

/// Picture of a selection.
#[derive(Debug, PartialEq, Eq)]
pub enum Shown<P> {
    /// The picture of this frame.
    Picture(i64, P),
    /// The picture of this frame, which was not handed over.
    Fetch(i64),
}

/// Selections that wait for a picture, and pictures that wait for a selection.
#[derive(Debug)]
pub struct PictureMatcher<P> {
    choices: VecDeque<Selection>,
    pictures: VecDeque<(i64, P)>,
    /// The frame that was shown last.
    pub(crate) shown: Option<i64>,
}

impl<P> Shown<P> {
    /// Returns the time of the frame.
    #[must_use]
    pub fn at(&self) -> i64 {
        match self {
            Self::Picture(at, _) | Self::Fetch(at) => *at,
        }
    }
}

impl<P> Default for PictureMatcher<P> {
    fn default() -> Self {
        Self { choices: VecDeque::new(), pictures: VecDeque::new(), shown: None }
    }
}

impl<P> PictureMatcher<P> {
    /// Adds a selection. A waiting interval is dropped if this finding is in time.
    pub fn choose(&mut self, choice: Selection) {
        self.choices
            .retain(|other| other.cause != Cause::Interval || !choice.takes_place_of(other.by));
        self.choices.push_back(choice);
    }

    /// Tells whether a selection of something at rest waits for a picture.
    #[must_use]
    pub fn has_resting(&self) -> bool {
        self.choices.iter().any(Selection::rests)
    }

    /// Limits the waiting selections of something at rest to pictures up to `by`: after that,
    /// something else is shown.
    pub fn rests_until(&mut self, by: i64) {
        for choice in self.choices.iter_mut().filter(|choice| choice.rests()) {
            choice.by = choice.by.min(by.max(choice.at));
        }
    }

    /// Adds the picture of the frame at `at`.
    pub fn picture(&mut self, at: i64, picture: P) {
        self.pictures.push_back((at, picture));
    }

    /// Replaces the picture of the frame at `at` where one waits.
    pub fn hand_over(&mut self, at: i64, picture: P) {
        if let Some(waiting) = self.pictures.iter_mut().find(|(waiting, _)| *waiting == at) {
            waiting.1 = picture;
        }
    }

    /// Takes out the picture of the frame at `at`, which goes on waiting.
    pub fn borrow(&mut self, at: i64) -> Option<P>
    where
        P: Default,
    {
        let waiting = self.pictures.iter_mut().find(|(waiting, _)| *waiting == at);
        waiting.map(|(_, picture)| std::mem::take(picture))
    }

    /// Returns the times of the waiting pictures.
    pub fn waiting(&self) -> impl Iterator<Item = i64> + '_ {
        self.pictures.iter().map(|(at, _)| *at)
    }

    /// Returns the waiting selections.
    pub fn choices(&self) -> impl Iterator<Item = &Selection> {
        self.choices.iter()
    }

    /// Returns the next selection and its picture. Frames up to `now` have come, and those before
    /// `certain` are decided; from `undecided` on a slow change may be found. At the `end` nothing
    /// more comes.
    ///
    /// A cut is shown by its own frame. Something at rest is shown by the newest picture in time,
    /// which is the sharpest; all else by the first one. If that turns out to be the picture of a
    /// cut, the cut has it: the end of a dissolve is then shown by its own frame, and an interval
    /// not at all. No frame is shown twice.
    pub fn next(
        &mut self,
        now: i64,
        certain: i64,
        undecided: i64,
        end: bool,
    ) -> Option<(Selection, Shown<P>)> {
        loop {
            let choice = *self.choices.front()?;
            let from = self.pictures.partition_point(|(at, _)| *at < choice.at);
            let up_to = self.pictures.partition_point(|(at, _)| *at <= choice.by);
            let is_interval = choice.cause == Cause::Interval;
            if from == up_to && !end && if is_interval { certain } else { now } < choice.by {
                return None;
            }
            let first = self.pictures.get(from).filter(|_| from < up_to).map(|(at, _)| *at);
            let is_own = choice.at == choice.by;
            let rests = choice.rests();
            let waits = is_interval && now < choice.by;
            let certain = if waits { certain.min(undecided) } else { certain };
            if !is_own && !rests && first.is_some_and(|at| at >= certain) && !end {
                // It may turn out to be the picture of a cut.
                return None;
            }
            self.choices.pop_front();
            let is_of_next = self.choices.front().is_some_and(|next| Some(next.at) == first);
            if is_of_next && is_interval {
                continue;
            }
            let found = match first {
                Some(_) if rests => Some(up_to - 1),
                Some(_) if is_own || !is_of_next => Some(from),
                _ => None,
            };
            let shown = match found.and_then(|found| self.pictures.remove(found)) {
                Some((at, picture)) => Shown::Picture(at, picture),
                None => Shown::Fetch(choice.at),
            };
            let at = shown.at();
            if self.shown.replace(at) != Some(at) {
                return Some((choice, shown));
            }
        }
    }

    /// Takes the picture nearest to `at`, where that cannot be fetched.
    pub fn nearest(&mut self, at: i64) -> Option<(i64, P)> {
        let nearest = (0..self.pictures.len()).min_by_key(|&n| (self.pictures[n].0 - at).abs())?;
        self.pictures.remove(nearest)
    }

    /// Forgets the pictures before `at`, which cannot be selected any more.
    pub fn forget_before(&mut self, at: i64) {
        while self.pictures.front().is_some_and(|(picture, _)| *picture < at) {
            self.pictures.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    /// Makes a selection at `at` that pictures up to `by` may show.
    fn choice(at: i64, by: i64, cause: Cause) -> Selection {
        Selection { at, by, since: at, cause, detector: None, strength: 1.0 }
    }

    /// Makes a matcher with pictures of these frames and this selection.
    fn matcher(pictures: &[i64], choice: Selection) -> PictureMatcher<()> {
        let mut matcher = PictureMatcher::default();
        for &at in pictures {
            matcher.picture(at, ());
        }
        matcher.choose(choice);
        matcher
    }

    const CUT: Cause = Cause::Found(Kind::Cut);
    const REST: Cause = Cause::Found(Kind::Rest);
    const GRADUAL: Cause = Cause::Found(Kind::Gradual);

    /// Returns the picture of the selection when frames up to `now` have come.
    fn shown(matcher: &mut PictureMatcher<()>, now: i64) -> Option<Shown<()>> {
        matcher.next(now, now, now, false).map(|(_, shown)| shown)
    }

    #[test]
    fn cut_is_shown_by_its_own_frame_or_fetched() {
        let cut = choice(20, 20, CUT);
        assert_eq!(shown(&mut matcher(&[10, 20, 30], cut), 30), Some(Shown::Picture(20, ())));
        assert_eq!(shown(&mut matcher(&[10, 30], cut), 30), Some(Shown::Fetch(20)));
    }

    #[test]
    fn delayed_cut_and_interval_are_shown_by_the_next_picture() {
        for cause in [CUT, Cause::Interval] {
            let late = choice(20, 50, cause);
            assert_eq!(shown(&mut matcher(&[10], late), 30), None);
            let pictures = [10, 30, 40];
            assert_eq!(shown(&mut matcher(&pictures, late), 40), Some(Shown::Picture(30, ())));
            assert_eq!(shown(&mut matcher(&[10, 60], late), 60), Some(Shown::Fetch(20)));
        }
    }

    #[test]
    fn rest_is_shown_by_the_newest_picture_in_time() {
        let rest = choice(20, 50, REST);
        assert_eq!(shown(&mut matcher(&[10, 20, 30, 60], rest), 60), Some(Shown::Picture(30, ())));
        assert_eq!(shown(&mut matcher(&[10], rest), 40), None);
        assert_eq!(shown(&mut matcher(&[10, 60], rest), 60), Some(Shown::Fetch(20)));
    }

    #[test]
    fn rest_is_not_shown_by_a_later_change() {
        let mut matcher = matcher(&[10], choice(20, 50, REST));
        assert!(matcher.has_resting());
        matcher.rests_until(30);
        matcher.picture(40, ());
        assert_eq!(shown(&mut matcher, 40), Some(Shown::Fetch(20)));
        assert!(!matcher.has_resting());
    }

    #[test]
    fn dissolve_does_not_take_the_picture_of_a_cut() {
        let mut matcher = matcher(&[10], choice(5, 50, GRADUAL));
        assert!(matcher.next(10, 10, 10, false).is_none(), "whether 10 is a cut is not certain");
        matcher.choose(choice(10, 10, CUT));
        assert_eq!(matcher.next(14, 11, 11, false).map(|(_, shown)| shown), Some(Shown::Fetch(5)));
        assert_eq!(
            matcher.next(14, 11, 11, false).map(|(_, shown)| shown),
            Some(Shown::Picture(10, ()))
        );
    }

    #[test]
    fn interval_gives_way_to_a_cut() {
        let mut matcher = matcher(&[30], choice(20, 50, Cause::Interval));
        assert!(matcher.next(32, 29, 29, false).is_none());
        matcher.choose(choice(30, 30, CUT));
        let (choice, shown) = matcher.next(34, 31, 31, false).unwrap();
        assert_eq!((choice.cause, shown), (CUT, Shown::Picture(30, ())));
        assert!(matcher.next(60, 60, 60, true).is_none());
    }

    #[test]
    fn frame_is_shown_once() {
        let mut matcher = matcher(&[20], choice(20, 20, CUT));
        matcher.choose(choice(20, 50, REST));
        assert_eq!(shown(&mut matcher, 60), Some(Shown::Picture(20, ())));
        assert_eq!(shown(&mut matcher, 60), None);
    }

    #[test]
    fn choices_at_the_end_do_not_wait() {
        let mut matcher = matcher(&[10], choice(20, 50, REST));
        assert_eq!(matcher.next(20, 20, 20, true).map(|(_, shown)| shown), Some(Shown::Fetch(20)));
        assert_eq!(matcher.nearest(20), Some((10, ())));
    }
}
