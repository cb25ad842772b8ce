//! Measures how loud sound is in the band of speech. Pure.

use std::{f32::consts::PI, ops::Range};

use super::speech::{FRAME, RATE};

/// Band of speech, in hertz, as telephones have it.
const LOW: f32 = 300.0;
const HIGH: f32 = 3400.0;

/// Level of silence, in decibels relative to full scale: quieter sound is as good.
const SILENCE: f32 = -80.0;

/// Frames before those that are measured, until the filters have settled.
const SETTLING: usize = 4;

/// Returns the levels in decibels around the beginnings of `frames`, each over `around` frames.
pub(crate) fn levels(samples: &[f32], frames: Range<usize>, around: usize) -> Vec<f32> {
    let first = frames.start.saturating_sub(around / 2 + SETTLING);
    let end = (frames.end + around / 2 + 1) * FRAME;
    let part = samples.get(first * FRAME..end.min(samples.len())).unwrap_or_default();
    let (mut low, mut high) = (Biquad::high_pass(LOW), Biquad::low_pass(HIGH));
    let squares = part.iter().map(|sample| high.next(low.next(*sample)).powi(2));
    // Halves of frames, since a piece ends between two frames.
    let squares: Vec<f32> = squares.collect();
    let halves: Vec<f32> = squares.chunks(FRAME / 2).map(|half| half.iter().sum()).collect();
    let level = |frame: usize| {
        let at = (frame - first) * 2;
        let around =
            &halves[at.saturating_sub(around).min(halves.len())..(at + around).min(halves.len())];
        let power = around.iter().sum::<f32>() / (around.len().max(1) * FRAME / 2) as f32;
        (10.0 * power.log10()).max(SILENCE)
    };
    frames.map(level).collect()
}

/// Filter of second order (Butterworth), by the bilinear transform.
#[derive(Debug)]
struct Biquad {
    b: [f32; 3],
    a: [f32; 2],
    state: [f32; 2],
}

impl Biquad {
    fn low_pass(hertz: f32) -> Self {
        Self::of(hertz, |cosine| [1.0, 2.0, 1.0].map(|b: f32| b * f32::midpoint(1.0, -cosine)))
    }

    fn high_pass(hertz: f32) -> Self {
        Self::of(hertz, |cosine| [1.0, -2.0, 1.0].map(|b: f32| b * f32::midpoint(1.0, cosine)))
    }

    fn of(hertz: f32, b: impl Fn(f32) -> [f32; 3]) -> Self {
        let angle = 2.0 * PI * hertz / RATE as f32;
        let alpha = angle.sin() * std::f32::consts::FRAC_1_SQRT_2;
        let norm = 1.0 + alpha;
        let a = [-2.0 * angle.cos() / norm, (1.0 - alpha) / norm];
        Self { b: b(angle.cos()).map(|b| b / norm), a, state: [0.0; 2] }
    }

    fn next(&mut self, sample: f32) -> f32 {
        let out = self.b[0] * sample + self.state[0];
        self.state[0] = self.b[1] * sample - self.a[0] * out + self.state[1];
        self.state[1] = self.b[2] * sample - self.a[1] * out;
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_is_that_of_the_band_of_speech() {
        let tone = |hertz: f32| {
            let at = |n: usize| (2.0 * PI * hertz * n as f32 / RATE as f32).sin() * 0.1;
            let samples: Vec<f32> = (0..30 * FRAME).map(at).collect();
            levels(&samples, 10..12, 5)[0]
        };
        // A tenth of full scale is -23 dB.
        assert!((tone(1000.0) + 23.0).abs() < 0.5, "{}", tone(1000.0));
        assert!(tone(50.0) < -45.0 && tone(7000.0) < -35.0, "{} {}", tone(50.0), tone(7000.0));
        assert_eq!(levels(&vec![0.0; 5000], 3..5, 5), [SILENCE, SILENCE]);
        assert_eq!(levels(&[], 3..4, 5), [SILENCE]);
    }
}
