//! Choices find their pictures.
//!
//! The decoder hands over few pictures, and a choice is made when some frames have gone by. So pictures that may be wanted wait for
//! a choice, and a choice may wait for a picture. One that cannot have come, or does not come in time, is to be fetched: decoded again.

use std::collections::VecDeque;

use cht_core::time::TICKS_PER_SECOND;

use super::{Choice, Kind, Why};

/// What comes within so long of the chosen frame may show it, where the very frame does not matter.
const NEAR: i64 = TICKS_PER_SECOND;

/// What stands for an interval may be older by so much: a still picture is handed over each 2 s.
const OLDER: i64 = 2 * TICKS_PER_SECOND;

/// What shows a choice.
#[derive(Debug, PartialEq, Eq)]
pub enum Shown<P> {
    /// The picture of this frame.
    Picture(i64, P),
    /// That of this frame, which was not handed over.
    Fetch(i64),
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

    /// The next choice, and what shows it. Frames up to `now` have come, and those before `certain` have been decided on. At the
    /// `end` nothing more comes.
    ///
    /// A cut is shown by its own frame. What rests is shown by the newest picture, which is the sharpest; a cut that had to wait
    /// and the end of a dissolve by the next one, unless that belongs to a cut; an interval by the newest one within it.
    pub fn next(&mut self, now: i64, certain: i64, end: bool) -> Option<(Choice, Shown<P>)> {
        let choice = *self.choices.front()?;
        let from = self.pictures.partition_point(|(at, _)| *at < choice.at);
        let is_own = |at: i64| at == choice.at;
        let is_near = |at: i64| at - choice.at <= NEAR;
        let is_older = |at: i64| choice.at - at <= OLDER;
        let is_of_next = |at: i64| self.choices.get(1).is_some_and(|next| next.at == at);
        let at = |n: usize| self.pictures.get(n).map(|(at, _)| *at);
        let (found, may_come) = match choice.why {
            Why::First | Why::Found(Kind::Cut) if choice.since == choice.at => {
                (at(from).filter(|&at| is_own(at)).map(|_| from), false)
            }
            Why::Interval => {
                let own = at(from).filter(|&at| is_own(at)).map(|_| from);
                let older = || from.checked_sub(1).filter(|&n| at(n).is_some_and(is_older));
                (own.or_else(older), false)
            }
            Why::Found(Kind::Rest) => {
                let newest =
                    self.pictures.partition_point(|(at, _)| is_near(*at) || *at < choice.at);
                (newest.checked_sub(1).filter(|&n| n >= from), true)
            }
            Why::First | Why::Found(Kind::Cut | Kind::Gradual) => {
                let next = at(from).filter(|&at| is_near(at));
                if next.is_some_and(|at| {
                    at >= certain && !end && choice.why == Why::Found(Kind::Gradual)
                }) {
                    // It may yet turn out to be that of a cut.
                    return None;
                }
                (next.filter(|&at| !is_of_next(at)).map(|_| from), next.is_none())
            }
        };
        if found.is_none() && may_come && !end && is_near(now) {
            return None;
        }
        self.choices.pop_front();
        let shown = match found.and_then(|found| self.pictures.remove(found)) {
            Some((at, picture)) => Shown::Picture(at, picture),
            None => Shown::Fetch(choice.at),
        };
        Some((choice, shown))
    }

    /// The picture that is nearest to `at`, where that cannot be fetched.
    pub fn nearest(&mut self, at: i64) -> Option<(i64, P)> {
        let nearest = (0..self.pictures.len()).min_by_key(|&n| (self.pictures[n].0 - at).abs())?;
        self.pictures.remove(nearest)
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

    /// Chosen by `why` at `at`, for what began at `since`.
    fn choice(at: i64, since: i64, why: Why) -> Choice {
        Choice { at, since, why, detector: None, strength: 1.0 }
    }

    /// With pictures of these frames and this choice.
    fn matcher(pictures: &[i64], choice: Choice) -> Matcher<()> {
        let mut matcher = Matcher::default();
        for &at in pictures {
            matcher.picture(at, ());
        }
        matcher.choose(choice);
        matcher
    }

    const CUT: Why = Why::Found(Kind::Cut);
    const REST: Why = Why::Found(Kind::Rest);
    const GRADUAL: Why = Why::Found(Kind::Gradual);

    /// What shows a choice when frames up to `now` have come.
    fn shown(matcher: &mut Matcher<()>, now: i64) -> Option<Shown<()>> {
        matcher.next(now, now, false).map(|(_, shown)| shown)
    }

    #[test]
    fn a_cut_is_shown_by_its_own_frame_or_that_is_fetched() {
        let cut = choice(20, 20, CUT);
        assert_eq!(shown(&mut matcher(&[10, 20, 30], cut), 30), Some(Shown::Picture(20, ())));
        assert_eq!(shown(&mut matcher(&[10, 30], cut), 30), Some(Shown::Fetch(20)));
    }

    #[test]
    fn a_cut_that_had_to_wait_is_shown_by_the_next_picture_that_is_near() {
        let cut = choice(20, 5, CUT);
        assert_eq!(shown(&mut matcher(&[10], cut), 30), None);
        assert_eq!(shown(&mut matcher(&[10, 30], cut), 30), Some(Shown::Picture(30, ())));
        assert_eq!(shown(&mut matcher(&[10], cut), 21 + NEAR), Some(Shown::Fetch(20)));
    }

    #[test]
    fn what_rests_is_shown_by_the_newest_picture_that_is_near() {
        let rest = choice(20, 5, REST);
        assert_eq!(shown(&mut matcher(&[10, 20, 30], rest), 40), Some(Shown::Picture(30, ())));
        assert_eq!(shown(&mut matcher(&[10], rest), 40), None);
        assert_eq!(shown(&mut matcher(&[10], rest), 21 + NEAR), Some(Shown::Fetch(20)));
        let late = 21 + NEAR;
        assert_eq!(shown(&mut matcher(&[10, late], rest), late), Some(Shown::Fetch(20)));
    }

    #[test]
    fn an_interval_is_shown_by_a_picture_within_it() {
        let interval = choice(OLDER + 20, OLDER + 20, Why::Interval);
        let now = OLDER + 20;
        assert_eq!(shown(&mut matcher(&[5, 30, 40], interval), now), Some(Shown::Picture(40, ())));
        assert_eq!(shown(&mut matcher(&[5], interval), now), Some(Shown::Fetch(now)));
    }

    #[test]
    fn a_dissolve_does_not_take_the_picture_of_a_cut() {
        let mut matcher = matcher(&[10], choice(5, 1, GRADUAL));
        assert!(matcher.next(10, 10, false).is_none(), "whether 10 is a cut is not certain");
        matcher.choose(choice(10, 10, CUT));
        assert_eq!(matcher.next(14, 11, false).map(|(_, shown)| shown), Some(Shown::Fetch(5)));
        assert_eq!(
            matcher.next(14, 11, false).map(|(_, shown)| shown),
            Some(Shown::Picture(10, ()))
        );
    }

    #[test]
    fn at_the_end_nothing_is_waited_for() {
        let mut matcher = matcher(&[10], choice(20, 5, REST));
        assert_eq!(matcher.next(20, 20, true).map(|(_, shown)| shown), Some(Shown::Fetch(20)));
        assert_eq!(matcher.nearest(20), Some((10, ())));
    }
}
