//! Measures dissolves and fades: frames that lie on a straight line from one picture to another.
//!
//! In a dissolve from `A` to `B` every frame is `(1 − a)·A + a·B`, and `a` rises evenly from 0 to
//! 1; in a fade, one of the two is flat. In the space whose axes are the samples, such frames lie
//! on a straight line, evenly spaced. Motion, pans and zooms follow a curve. So the distances
//! between the last frames suffice: with `d` for a squared distance,
//!
//! ```text
//! a    = (d(F, A) + d(A, B) − d(F, B)) / 2·d(A, B)   where on the line the frame F is
//! rest = d(F, A) / d(A, B) − a²                      how far from it, squared, in lengths of it
//! ```
#![expect(
    clippy::inline_always,
    reason = "what is not inlined has not its caller's processor features"
)]

use std::collections::VecDeque;

use crate::time::is_time;
use multiversion::multiversion;
use serde::{Deserialize, Serialize};

use super::{Plane, Searchable, continuity};

/// Least distance of frames that are examined, in ticks: 32 a second suffice.
const SPACING: i64 = 90_000 / 32;

/// Lengths of the ramps that are searched, in frames from the first to the last.
const LENGTHS: [usize; 26] = [
    5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 18, 20, 22, 24, 26, 28, 30, 33, 37, 42, 47, 53, 60, 67,
    75,
];

/// Number of frames examined on either side of a ramp, where it is flat.
const AROUND: usize = 4;

/// Number of frames that are remembered.
const MEMORY: usize = LENGTHS[LENGTHS.len() - 1] + 2 * AROUND + 1;

/// Number of parts of a ramp, at whose bounds frames are examined.
const PARTS: usize = 8;

/// Longest ramp, in ticks: many frames of a slow stream are something else.
const LONGEST: i64 = 3 * 90_000;

/// Bounds of a ramp: least squared levels from end to end, least [`Ramp::loss`], largest distance
/// from the line and from its even course, and largest motion after its ends.
const LEAST_SPAN: f32 = 4.0;
const LEAST_LOSS: f32 = 0.25;
const MOST_REST: f32 = 0.6;
const MOST_BEND: f32 = 0.3;
const MOST_BEYOND: f32 = 0.3;

/// Variance of an end, in squared levels and relative to the other end, below which it is flat,
/// such as black.
const FLAT: f32 = 8.0;
const FLAT_BESIDE: f32 = 0.1;

/// Weights of the logistic regression that tells dissolves and fades from motion.
const REST: f32 = -4.6;
const BEND: f32 = -17.19;
const SPAN: f32 = 2.16;
const CONTINUITY: f32 = 1.42;
const FRAMES: f32 = -0.32;
const STANDS_OUT: f32 = 0.2;
const LOSS: f32 = -6.72;
const BIAS: f32 = 4.77;

/// Frames that lie on a straight line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Ramp {
    /// The last frame before it, in ticks.
    pub from: i64,
    /// The first frame that shows nothing of that any more, in ticks.
    pub to: i64,
    /// Frames from the one to the other.
    pub frames: u32,
    /// Mean squared distance between the two, in squared levels.
    pub span: f32,
    /// Mean squared distance of the frames between from the line, in spans.
    pub rest: f32,
    /// How far one of them is at most from where an even course would have it, in lengths of the
    /// line.
    pub bend: f32,
    /// How much faster than on average it goes on at its fastest, from one frame to the next.
    pub fastest: f32,
    /// Motion before and after it: the sum of the squared distances of its ends to the frames four
    /// further.
    pub moves: f32,
    /// Variances of its ends, in squared levels.
    pub variances: (f32, f32),
    /// Share of the first picture that is found in the last, 0 to 1.
    pub continuity: f32,
    /// Variance that the frames between lack, over that which a dissolve of these ends lacks, -1 to
    /// 2: about 1 in a dissolve or a fade, whatever moves in it, and 0 in motion alone.
    #[serde(default = "whole")]
    pub loss: f32,
}

impl Ramp {
    /// Tells whether it can be calculated with.
    pub(crate) fn is_plausible(&self) -> bool {
        let Self { from, to, span, rest, bend, fastest, moves, variances, .. } = *self;
        let measures = [span, rest, bend, fastest, moves, variances.0, variances.1];
        let mut measures = measures.into_iter().chain([self.continuity, self.loss]);
        is_time(from) && is_time(to) && measures.all(f32::is_finite)
    }
}

/// Loss of a ramp that was measured without it.
fn whole() -> f32 {
    1.0
}

impl Ramp {
    /// Returns the logarithm of the odds that it is a dissolve or a fade.
    pub(crate) fn odds(&self) -> f32 {
        let frames = self.frames as f32;
        // Part of an even ramp over the length for which `moves` was measured, relative to that.
        let step = self.span * 16.0 / (frames * frames);
        let lacking = (self.loss - 1.0).clamp(-1.5, 0.5);
        BIAS + REST * self.rest
            + BEND * self.bend
            + SPAN * (self.span / (self.variances.0 + self.variances.1 + 20.0)).ln()
            + CONTINUITY * self.continuity
            + FRAMES * frames.ln()
            + STANDS_OUT * (step / (self.moves + 2.0)).ln()
            + LOSS * lacking * lacking
    }

    /// Tells whether it begins at a flat picture, and whether it ends at one.
    #[must_use]
    pub fn flat(&self) -> (bool, bool) {
        let is_flat = |end: f32, other: f32| end < FLAT.max(FLAT_BESIDE * other);
        let (from, to) = self.variances;
        (is_flat(from, to), is_flat(to, from))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Seen {
    at: i64,
    /// About 80 samples wide.
    coarse: Plane,
    /// Half as wide.
    small: Plane,
    variance: f32,
    /// Mean and variance of the small plane.
    level: (f32, f32),
    /// Mean squared distance to the frames before, the nearest first.
    distances: Vec<f32>,
}

/// Looks for ramps among the last frames.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RampMeter {
    /// The newest first.
    seen: VecDeque<Seen>,
}

impl RampMeter {
    /// Takes the next frame, coarse, with its variance; the ramp that seems to have ended a few
    /// frames before it.
    pub fn push(&mut self, at: i64, coarse: &Plane, variance: f32) -> Option<Ramp> {
        let is_same_size =
            |seen: &Seen| (seen.coarse.width, seen.coarse.height) == (coarse.width, coarse.height);
        if let Some(newest) = self.seen.front() {
            if !is_same_size(newest) {
                self.seen.clear();
            } else if at - newest.at < SPACING {
                return None;
            }
        }
        self.seen.truncate(MEMORY - 1);
        let before = self.seen.front().filter(|newest| newest.coarse == *coarse);
        let (small, level, distances) = if let Some(before) = before {
            // It is as far from the others as that one is.
            let distances = [0.0].iter().chain(&before.distances).take(self.seen.len());
            (before.small.clone(), before.level, distances.copied().collect())
        } else {
            let small = coarse.shrunk(2);
            let distance = |seen: &Seen| distance(&small.samples, &seen.small.samples);
            let distances = self.seen.iter().map(distance).collect();
            let level = mean_and_variance(&small.samples);
            (small, level, distances)
        };
        self.seen.push_front(Seen {
            at,
            coarse: coarse.clone(),
            small,
            variance,
            level,
            distances,
        });
        self.best()
    }

    /// Returns the squared distance between the frames that `a` and `b` others have followed.
    fn distance(&self, a: usize, b: usize) -> f32 {
        let (later, earlier) = (a.min(b), a.max(b));
        if later == earlier { 0.0 } else { self.seen[later].distances[earlier - later - 1] }
    }

    /// Returns the position of a frame on the line from `first` to `last`, and its distance from
    /// the line.
    fn place(&self, frame: usize, first: usize, last: usize) -> (f32, f32) {
        let span = self.distance(first, last);
        let to_first = self.distance(frame, first);
        let along = (to_first + span - self.distance(frame, last)) / (2.0 * span);
        (along, (to_first / span - along * along).max(0.0))
    }

    /// Returns the likeliest ramp that ended [`AROUND`] frames ago.
    fn best(&self) -> Option<Ramp> {
        let last = AROUND;
        let fits = |length: &&usize| last + **length + AROUND < self.seen.len();
        let ramps = LENGTHS.iter().take_while(fits).filter_map(|&length| self.ramp(last, length));
        let (_, length, mut ramp) = ramps.max_by(|a, b| a.0.total_cmp(&b.0))?;
        let first = Searchable::new(self.seen[last + length].coarse.clone());
        ramp.continuity = continuity(&first, &Searchable::new(self.seen[last].coarse.clone()));
        Some(ramp)
    }

    /// Returns the ramp of `length` frames up to `last`, if it may be one, and its odds before its
    /// continuity is known.
    fn ramp(&self, last: usize, length: usize) -> Option<(f32, usize, Ramp)> {
        let first = last + length;
        let (from, to) = (self.seen[first].at, self.seen[last].at);
        let span = self.distance(first, last);
        if span < LEAST_SPAN || to - from > LONGEST {
            return None;
        }
        let (before, _) = self.place(first + AROUND, first, last);
        let (after, _) = self.place(last - AROUND, first, last);
        if before < -MOST_BEYOND || after > 1.0 + MOST_BEYOND {
            return None;
        }
        let (mut rests, mut bend, mut count, mut previous) = (0.0, 0.0f32, 0.0, first);
        let (mut lacks, mut mixed) = (0.0, 0.0);
        let (mean, variance) = self.seen[first].level;
        let (last_mean, last_variance) = self.seen[last].level;
        let difference_varies = (span - (last_mean - mean) * (last_mean - mean)).max(0.0);
        for part in 1..PARTS {
            let frame = first - (length * part + PARTS / 2) / PARTS;
            if frame == previous || frame == last {
                continue;
            }
            previous = frame;
            let (along, rest) = self.place(frame, first, last);
            let even = (self.seen[frame].at - from) as f32 / (to - from) as f32;
            bend = bend.max((along - even).abs());
            rests += rest;
            lacks += variance + (last_variance - variance) * even - self.seen[frame].level.1;
            mixed += even * (1.0 - even);
            count += 1.0;
            if bend > MOST_BEND {
                return None;
            }
        }
        let rest = rests / count;
        if rest > MOST_REST {
            return None;
        }
        let variances = (self.seen[first].variance, self.seen[last].variance);
        let moves = self.distance(first + AROUND, first) + self.distance(last, last - AROUND);
        let (mut fastest, mut reached) = (0.0f32, (0.0, from));
        for frame in (last..first).rev() {
            let (along, _) = self.place(frame, first, last);
            let at = self.seen[frame].at;
            let share = (at - reached.1).max(1) as f32 / (to - from) as f32;
            fastest = fastest.max((along - reached.0) / share);
            reached = (along, at);
        }
        let ramp = Ramp {
            from,
            to,
            frames: length as u32,
            span,
            rest,
            bend,
            fastest,
            moves,
            variances,
            continuity: 0.0,
            loss: (lacks / (mixed * (difference_varies + 4.0))).clamp(-1.0, 2.0),
        };
        (ramp.loss >= LEAST_LOSS).then_some((ramp.odds(), length, ramp))
    }
}

/// Returns the mean and the variance of samples.
#[multiversion(targets("x86_64+avx2"))]
fn mean_and_variance(samples: &[u8]) -> (f32, f32) {
    let count = samples.len().max(1) as f32;
    let (sum, squares) = samples.iter().fold((0u32, 0u32), |(sum, squares), &sample| {
        let sample = u32::from(sample);
        (sum + sample, squares + sample * sample)
    });
    let mean = sum as f32 / count;
    (mean, squares as f32 / count - mean * mean)
}

/// Returns the mean squared difference of the samples of two planes of one size.
#[multiversion(targets("x86_64+avx2"))]
fn distance(a: &[u8], b: &[u8]) -> f32 {
    squares(a, b) as f32 / a.len().max(1) as f32
}

#[inline(always)]
fn squares(a: &[u8], b: &[u8]) -> i32 {
    let square = |(&a, &b): (&u8, &u8)| {
        let difference = i32::from(a) - i32::from(b);
        difference * difference
    };
    a.iter().zip(b).map(square).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: i64 = 3600;

    /// Makes a picture of broad stripes for each `kind`, which moves by a sample each frame if it
    /// is `moving`.
    fn picture(kind: u32, shift: usize) -> Vec<f32> {
        let value = |x: usize, y: usize| {
            let column = (x + shift) as u32 / 8 + kind * 977;
            let noise = column.wrapping_mul(0x9E37_79B1) ^ (y as u32 / 8).wrapping_mul(0x85EB_CA6B);
            let noise = (noise ^ (noise >> 15)).wrapping_mul(0x2C1B_3C6D);
            40.0 + (noise >> 24) as f32 * 0.7
        };
        (0..48).flat_map(|y| (0..80).map(move |x| value(x, y))).collect()
    }

    /// Returns the ramps seen in 60 frames, each `weight(n)` of the second picture, or of black,
    /// and the rest of the first.
    fn ramps(second: Option<u32>, speed: usize, weight: impl Fn(i64) -> f32) -> Vec<Ramp> {
        let mut meter = RampMeter::default();
        let mut seen = Vec::new();
        for n in 0..60 {
            let shift = n as usize * speed / 8;
            let (first, share) = (picture(1, shift), weight(n));
            let second = second.map_or_else(|| vec![16.0; 80 * 48], |kind| picture(kind, shift));
            let mix = |(a, b): (&f32, &f32)| (a + (b - a) * share).round() as u8;
            let samples: Vec<u8> = first.iter().zip(&second).map(mix).collect();
            let mean = samples.iter().map(|&s| f32::from(s)).sum::<f32>() / 3840.0;
            let variance =
                samples.iter().map(|&s| (f32::from(s) - mean).powi(2)).sum::<f32>() / 3840.0;
            let plane = Plane { width: 80, height: 48, samples };
            seen.extend(meter.push(n * STEP, &plane, variance));
        }
        seen
    }

    /// Tells whether one is straight, even, and of these frames.
    fn is_there(ramps: &[Ramp], from: i64, to: i64) -> bool {
        let is_it = |ramp: &&Ramp| (ramp.from, ramp.to) == (from * STEP, to * STEP);
        ramps
            .iter()
            .filter(is_it)
            .any(|ramp| ramp.rest < 0.02 && ramp.bend < 0.03 && ramp.fastest < 1.5)
    }

    #[test]
    fn dissolve_is_straight_and_even() {
        let seen = ramps(Some(2), 0, |n| ((n - 20) as f32 / 16.0).clamp(0.0, 1.0));
        assert!(is_there(&seen, 20, 36), "{seen:?}");
    }

    #[test]
    fn long_dissolve_is_seen_whole() {
        let seen = ramps(Some(2), 0, |n| ((n - 6) as f32 / 47.0).clamp(0.0, 1.0));
        assert!(is_there(&seen, 6, 53), "{seen:?}");
    }

    #[test]
    fn dissolve_loses_variance_whatever_moves_in_it_and_motion_loses_none() {
        let weight = |n: i64| ((n - 20) as f32 / 16.0).clamp(0.0, 1.0);
        let seen = ramps(Some(2), 4, weight);
        let likeliest = seen.iter().max_by(|a, b| a.odds().total_cmp(&b.odds())).unwrap();
        assert!((0.7..1.3).contains(&likeliest.loss), "{likeliest:?}");
        let moving = ramps(Some(2), 8, |_| 0.0);
        assert!(likeliest.odds() > 0.0, "{likeliest:?}");
        assert!(moving.iter().all(|ramp| ramp.loss < 0.5), "{moving:?}");
    }

    #[test]
    fn fade_is_straight_and_ends_flat() {
        let seen = ramps(None, 0, |n| ((n - 20) as f32 / 16.0).clamp(0.0, 1.0));
        assert!(is_there(&seen, 20, 36), "{seen:?}");
        let whole = seen.iter().find(|ramp| (ramp.from, ramp.to) == (20 * STEP, 36 * STEP));
        assert_eq!(whole.map(Ramp::flat), Some((false, true)));
    }

    #[test]
    fn cut_is_no_ramp() {
        assert_eq!(ramps(Some(2), 0, |n| f32::from(u8::from(n >= 30))), []);
    }

    #[test]
    fn motion_bends_the_line() {
        let seen = ramps(Some(2), 8, |_| 0.0);
        assert!(seen.iter().all(|ramp| ramp.rest > 0.1), "{seen:?}");
    }

    #[test]
    fn saved_meter_continues() {
        let plane = |n: usize| {
            let samples = picture(1, n / 2).into_iter().map(|sample| sample as u8).collect();
            Plane { width: 80, height: 48, samples }
        };
        let mut meter = RampMeter::default();
        for n in 0..30 {
            meter.push(n as i64 * STEP, &plane(n), 900.0);
        }
        let bytes = postcard::to_allocvec(&meter).unwrap();
        let mut restored: RampMeter = postcard::from_bytes(&bytes).unwrap();
        for n in 30..50 {
            let at = n as i64 * STEP;
            assert_eq!(meter.push(at, &plane(n), 900.0), restored.push(at, &plane(n), 900.0));
        }
    }

    #[test]
    fn other_size_starts_anew() {
        let mut meter = RampMeter::default();
        let plane = |width| Plane { width, height: 48, samples: vec![90; width * 48] };
        for n in 0..30 {
            meter.push(n * STEP, &plane(80), 0.0);
        }
        assert_eq!(meter.push(30 * STEP, &plane(88), 0.0), None);
        assert_eq!(meter.seen.len(), 1);
    }
}
