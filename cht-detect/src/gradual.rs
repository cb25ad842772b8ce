//! Finds dissolves and fades, and reports each once, at its end.
//!
//! Ramps ([`Ramp`]) overlap; the likeliest one counts. A fade to black and the fade from it are one
//! change. A cut that ends a change replaces it.

use std::collections::VecDeque;

use crate::time::SECOND;
use serde::{Deserialize, Serialize};

use crate::Finding;
use crate::measure::{Measures, Ramp};

/// Largest step relative to the average step: faster changes are switched light.
const STEP: f32 = 2.6;

/// Continuity of the ends from which they are the same picture, in other light or moved.
const CONTINUES: f32 = 0.8;

/// Time for which no likelier ramp may come, in ticks.
const HOLD: i64 = SECOND * 15 / 100;

/// Length of black that parts two fades, in ticks.
const BLACK: i64 = SECOND * 2 / 5;

/// Longest time from the fade to black to the end of the fade from it, in ticks.
const BACK_AGAIN: i64 = SECOND * 3 / 2;

/// Longest distance between the end of a change and a cut that ended it, in ticks.
const ENDED_BY_CUT: i64 = SECOND / 10;

/// Logarithm of the odds above which, and bend below which, a ramp overrules a cut within it.
const SURE: f32 = 2.0;
const EVEN: f32 = 0.12;

/// Contrast in levels below which a picture is flat, such as black.
const FLAT: f32 = 3.0;

/// Number of cuts that are remembered.
const CUTS: usize = 16;

/// Detects dissolves and fades, frame by frame.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Gradual {
    /// The likeliest ramp so far, the logarithm of its odds, and when it was seen.
    best: Option<(Ramp, f32, i64)>,
    /// It has faded to black.
    black: Option<Finding>,
    /// When the picture was last flat.
    flat_at: Option<i64>,
    /// Findings to report with the next frames.
    certain: VecDeque<Finding>,
    /// The end of the last change that was reported, or given up.
    over: Option<i64>,
    cuts: VecDeque<i64>,
}

impl Gradual {
    /// Takes the next frame, and a cut that has just become known, which may be some frames old.
    pub fn push(&mut self, measures: &Measures, cut: Option<&Finding>) -> Option<Finding> {
        if let Some(cut) = cut {
            self.cuts.push_front(cut.at);
            self.cuts.truncate(CUTS);
            // A fade to black ends with a cut from black, and goes on to one after black.
            let was_black = self.flat_at.is_some_and(|at| at >= cut.at - ENDED_BY_CUT);
            self.black.take_if(|black| cut.at > black.at && was_black);
        }
        let may_be = |ramp: &Ramp| {
            ramp.fastest < STEP
                && ramp.continuity < CONTINUES
                && self.over.is_none_or(|over| ramp.from + HOLD >= over)
        };
        if let Some(ramp) = measures.film.ramp.filter(may_be) {
            let odds = ramp.odds();
            if odds > self.best.map_or(0.0, |(_, best, _)| best) {
                self.best = Some((ramp, odds, measures.at));
            }
        }
        let is_black = measures.film.contrast < FLAT;
        if is_black {
            self.flat_at = Some(measures.at);
        }
        if cut.is_some() {
            return None;
        }
        let is_certain = |best: &mut (Ramp, f32, i64)| measures.at - best.2 >= HOLD;
        if let Some((ramp, odds, _)) = self.best.take_if(is_certain) {
            self.over = Some(ramp.to);
            self.conclude(&ramp, odds);
        }
        let was_black = |black: &Finding| self.flat_at.is_some_and(|at| at >= black.at);
        let is_over = |black: &mut Finding| {
            let comes_back = !is_black && was_black(black);
            measures.at - black.at >= if comes_back { BACK_AGAIN } else { BLACK }
        };
        self.certain.extend(self.black.take_if(is_over));
        self.certain.pop_front()
    }

    /// Returns the end of the earliest change that is not reported yet.
    pub(crate) fn undecided_from(&self) -> Option<i64> {
        let best = self.best.map(|(ramp, ..)| ramp.to);
        let found = self.black.iter().chain(&self.certain).map(|finding| finding.at);
        best.into_iter().chain(found).min()
    }

    /// Returns the last findings: no more frames come. A decoder that continues with the same video
    /// does not report them again.
    pub fn finish(&mut self) -> Vec<Finding> {
        if let Some((ramp, odds, _)) = self.best.take() {
            self.over = Some(ramp.to);
            self.conclude(&ramp, odds);
        }
        self.certain.extend(self.black.take());
        self.certain.drain(..).collect()
    }

    /// Turns the likeliest ramp into a finding.
    fn conclude(&mut self, ramp: &Ramp, odds: f32) {
        let at_end = ramp.to - ENDED_BY_CUT..=ramp.to + ENDED_BY_CUT;
        let is_sure = odds > SURE && ramp.bend < EVEN;
        let is_cut =
            |cut: &i64| at_end.contains(cut) || !is_sure && (ramp.from + 1..=ramp.to).contains(cut);
        if self.cuts.iter().any(is_cut) {
            return;
        }
        let (from_black, to_black) = ramp.flat();
        let mut found = Finding::gradual(ramp.to, ramp.from);
        found.strength = f64::from(1.0 / (1.0 + (-odds).exp()));
        if let Some(black) = self.black.take() {
            if from_black {
                found.since = black.since;
            } else {
                self.certain.push_back(black);
            }
        }
        if to_black {
            self.black = Some(found);
        } else {
            self.certain.push_back(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Film;

    /// Ticks from frame to frame at 25 frames a second.
    const STEP: i64 = SECOND / 25;

    /// Makes a ramp between two pictures of these variances, seen four frames after its end.
    fn ramp(from: i64, to: i64, variances: (f32, f32)) -> (i64, Ramp) {
        let ramp = Ramp {
            from: from * STEP,
            to: to * STEP,
            frames: (to - from) as u32,
            span: 4000.0,
            rest: 0.01,
            bend: 0.02,
            fastest: 1.2,
            moves: 10.0,
            variances,
            continuity: 0.4,
            loss: 1.0,
        };
        (to + 4, ramp)
    }

    /// Returns the findings (first and last frame) for these ramps, with black pictures in `black`
    /// and cuts at `cuts`.
    fn found(ramps: &[(i64, Ramp)], black: std::ops::Range<i64>, cuts: &[i64]) -> Vec<(i64, i64)> {
        let mut gradual = Gradual::default();
        let mut found = Vec::new();
        for n in 0..150 {
            let ramp = ramps.iter().find(|(at, _)| *at == n).map(|(_, ramp)| *ramp);
            let contrast = if black.contains(&n) { 0.0 } else { 50.0 };
            let film = Film { contrast, ramp, ..Film::default() };
            let measures = Measures { at: n * STEP, film, ..Measures::default() };
            let cut = cuts.iter().find(|&&cut| cut + 4 == n);
            let cut = cut.map(|&cut| Finding::cut(cut * STEP, 1.0));
            found.extend(gradual.push(&measures, cut.as_ref()));
        }
        found.extend(gradual.finish());
        found.iter().map(|finding| (finding.since / STEP, finding.at / STEP)).collect()
    }

    const PICTURES: (f32, f32) = (1500.0, 2000.0);

    #[test]
    fn dissolve_is_reported_once_at_its_end() {
        let shorter = Ramp { bend: 0.1, ..ramp(22, 39, PICTURES).1 };
        assert_eq!(found(&[(43, shorter), ramp(20, 40, PICTURES)], 0..0, &[]), [(20, 40)]);
    }

    #[test]
    fn dissolve_at_the_very_end_is_reported() {
        assert_eq!(found(&[ramp(120, 145, PICTURES)], 0..0, &[]), [(120, 145)]);
    }

    #[test]
    fn picture_that_continues_is_no_dissolve() {
        let pan = Ramp { loss: 0.1, rest: 0.1, moves: 200.0, ..ramp(20, 40, PICTURES).1 };
        assert_eq!(found(&[(44, pan)], 0..0, &[]), []);
    }

    #[test]
    fn picture_in_other_light_is_no_dissolve() {
        let light = Ramp { continuity: 0.95, ..ramp(20, 40, PICTURES).1 };
        assert_eq!(found(&[(44, light)], 0..0, &[]), []);
    }

    #[test]
    fn cut_after_black_leaves_the_fade_to_it() {
        assert_eq!(found(&[ramp(20, 30, (1500.0, 0.0))], 30..33, &[38]), [(20, 30)]);
    }

    #[test]
    fn dissolve_over_motion_is_reported() {
        let moving = Ramp { rest: 0.12, moves: 400.0, ..ramp(20, 40, PICTURES).1 };
        assert_eq!(found(&[(44, moving)], 0..0, &[]), [(20, 40)]);
    }

    #[test]
    fn switched_light_is_no_dissolve() {
        let switched = Ramp { fastest: 5.0, bend: 0.2, ..ramp(20, 30, PICTURES).1 };
        assert_eq!(found(&[(34, switched)], 0..0, &[]), []);
    }

    #[test]
    fn fade_to_black_and_back_is_one_change() {
        let fades = [ramp(20, 30, (1500.0, 0.0)), ramp(35, 45, (0.0, 2000.0))];
        assert_eq!(found(&fades, 30..36, &[]), [(20, 45)]);
    }

    #[test]
    fn lasting_black_parts_two_fades() {
        let fades = [ramp(20, 30, (1500.0, 0.0)), ramp(60, 80, (0.0, 2000.0))];
        assert_eq!(found(&fades, 30..61, &[]), [(20, 30), (60, 80)]);
    }

    #[test]
    fn cut_from_black_replaces_the_fade_to_it() {
        assert_eq!(found(&[ramp(20, 30, (1500.0, 0.0))], 30..35, &[35]), []);
    }

    #[test]
    fn cut_that_ends_a_dissolve_replaces_it() {
        assert_eq!(found(&[ramp(20, 40, PICTURES)], 0..0, &[41]), []);
        assert_eq!(found(&[ramp(20, 40, PICTURES)], 0..0, &[30]), [(20, 40)]);
        let uneven = Ramp { bend: 0.15, ..ramp(20, 40, PICTURES).1 };
        assert_eq!(found(&[(44, uneven)], 0..0, &[30]), []);
    }
}
