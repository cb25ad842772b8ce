//! Changes the sample rate, as ffmpeg's default resampler does: the same filter, the same number of
//! samples, sample `k` at the time of input sample `k · in / out`.
//!
//! It is written here because ffmpeg's own would begin anew with each decoder, at another phase.
//! Here an output depends on the input samples around it and on nothing before them.

use std::f64::consts::PI;

/// Zero crossings of the filter, its cut-off relative to the lower Nyquist frequency, and the shape
/// of its Kaiser window: ffmpeg's defaults (`filter_size`, `cutoff`, `kaiser_beta`).
const CROSSINGS: f64 = 32.0;
const CUT_OFF: f64 = 0.97;
const BETA: f64 = 9.0;

/// Two sample rates, and the samples after which both are in phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ratio {
    /// Input samples.
    pub from: u64,
    /// Output samples in the same time.
    pub to: u64,
}

impl Ratio {
    /// Returns the ratio of two rates in hertz, in lowest terms.
    pub(crate) fn of(from: u32, to: u32) -> Self {
        let common = gcd(from.into(), to.into());
        Self { from: u64::from(from) / common, to: u64::from(to) / common }
    }

    /// Returns the number of output samples for `count` input samples.
    pub(crate) fn outputs(self, count: u64) -> u64 {
        (count * self.to).div_ceil(self.from)
    }
}

/// Returns the greatest common divisor.
pub(crate) fn gcd(one: u64, other: u64) -> u64 {
    if other == 0 { one.max(1) } else { gcd(other, one % other) }
}

/// Resampler of one or several channels.
#[derive(Debug)]
pub(crate) struct Resampler {
    ratio: Ratio,
    /// Filter of each phase, one after another.
    taps: Vec<f32>,
    length: usize,
    /// Input of each channel, from sample `first` on.
    input: Vec<Vec<f32>>,
    /// Index of the first sample of `input`; samples before 0 came before the first output.
    first: i64,
    /// Index of the next output sample.
    next: u64,
}

impl Resampler {
    /// Creates a resampler whose first output lies at the first sample pushed; `history` are the
    /// samples before that, channel after channel. Before the earliest of them the sound is
    /// mirrored.
    pub(crate) fn new(ratio: Ratio, channels: usize, history: &[f32]) -> Self {
        let (taps, length) = filter(ratio);
        let input = (0..channels).map(|channel| {
            history.iter().skip(channel).step_by(channels).copied().collect::<Vec<f32>>()
        });
        let input: Vec<_> = input.collect();
        let first = -(input.first().map_or(0, Vec::len) as i64);
        Self { ratio, taps, length, input, first, next: 0 }
    }

    /// Returns how many samples before an output it depends on.
    pub(crate) fn reach(ratio: Ratio) -> usize {
        filter_length(ratio)
    }

    /// Takes samples, interleaved, and appends the outputs that they complete.
    pub(crate) fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        let channels = self.input.len();
        if self.ratio.from == self.ratio.to {
            out.extend_from_slice(samples);
            return;
        }
        for (channel, input) in self.input.iter_mut().enumerate() {
            input.extend(samples.iter().skip(channel).step_by(channels));
        }
        let end = self.first + self.count();
        self.produce(end, out);
        self.forget();
    }

    /// Appends the outputs up to the end of the input: after it, the sound is mirrored.
    pub(crate) fn finish(&mut self, out: &mut Vec<f32>) {
        let count = self.count();
        if self.ratio.from == self.ratio.to || count == 0 {
            return;
        }
        let last = self.last(self.first + count);
        for input in &mut self.input {
            let length = input.len();
            let mirrored = (0..self.length).map(|n| input[length - 1 - n.min(length - 1)]);
            let mirrored: Vec<f32> = mirrored.collect();
            input.extend(mirrored);
        }
        while self.position() <= last {
            self.one(out);
        }
    }

    /// Returns the index of the last input sample with an output, of `end` samples. ffmpeg mirrors
    /// half of what its filter still holds, and may so leave out an output at the very end.
    fn last(&self, end: i64) -> i64 {
        let (length, after) = (self.length as i64, (self.length - self.before()) as i64);
        let held = length - (self.position() + after - 1 - end);
        if end < length { end - 1 } else { (end + held / 2 - after).min(end - 1) }
    }

    /// Returns the number of samples in `input`.
    fn count(&self) -> i64 {
        self.input.first().map_or(0, Vec::len) as i64
    }

    fn produce(&mut self, end: i64, out: &mut Vec<f32>) {
        let after = (self.length - self.before()) as i64;
        // At the beginning, as many samples as are mirrored.
        if end - self.first <= self.length as i64 {
            return;
        }
        while self.position() + after <= end {
            self.one(out);
        }
    }

    /// Returns the number of input samples before that of an output which its filter covers.
    fn before(&self) -> usize {
        (self.length - 1) / 2
    }

    /// Returns the index of the input sample at or before the next output.
    fn position(&self) -> i64 {
        (self.next * self.ratio.from / self.ratio.to) as i64
    }

    /// Appends the next output.
    fn one(&mut self, out: &mut Vec<f32>) {
        let phase = (self.next * self.ratio.from % self.ratio.to) as usize;
        let taps = &self.taps[phase * self.length..][..self.length];
        let from = self.position() - self.before() as i64 - self.first;
        for input in &self.input {
            out.push(match usize::try_from(from) {
                Ok(from) => dot(taps, &input[from..from + self.length]),
                Err(_) => mirrored_dot(taps, input, from),
            });
        }
        self.next += 1;
    }

    /// Drops input that no later output needs.
    fn forget(&mut self) {
        const KEPT: i64 = 1 << 14;
        let unused = self.position() - self.length as i64 - self.first;
        if unused > KEPT {
            self.input.iter_mut().for_each(|input| drop(input.drain(..unused as usize)));
            self.first += unused;
        }
    }
}

/// Returns the sum of products, in an order that can be computed eight at a time.
fn dot(taps: &[f32], input: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (taps, more_taps) = taps.as_chunks::<8>();
    let (input, more_input) = input.as_chunks::<8>();
    for (taps, input) in taps.iter().zip(input) {
        for n in 0..8 {
            sums[n] += taps[n] * input[n];
        }
    }
    let rest: f32 = more_taps.iter().zip(more_input).map(|(tap, sample)| tap * sample).sum();
    sums.iter().sum::<f32>() + rest
}

/// Does the same from index `from`, which is negative: there, the input is mirrored.
fn mirrored_dot(taps: &[f32], input: &[f32], from: i64) -> f32 {
    let last = input.len().saturating_sub(1);
    let sample = |n: usize| input[((from + n as i64).unsigned_abs() as usize).min(last)];
    let samples: Vec<f32> = (0..taps.len()).map(sample).collect();
    dot(taps, &samples)
}

fn factor(ratio: Ratio) -> f64 {
    (ratio.to as f64 * CUT_OFF / ratio.from as f64).min(1.0)
}

fn filter_length(ratio: Ratio) -> usize {
    if ratio.from == ratio.to {
        return 0;
    }
    let length = (CROSSINGS / factor(ratio)).ceil() as usize;
    length.next_multiple_of(2)
}

/// Returns the filter of each phase, and the length of each.
fn filter(ratio: Ratio) -> (Vec<f32>, usize) {
    let (factor, length) = (factor(ratio), filter_length(ratio));
    let center = length.saturating_sub(1) / 2;
    let mut taps = Vec::with_capacity(length * ratio.to as usize);
    for phase in 0..if length > 0 { ratio.to } else { 0 } {
        let tap = |n: usize| {
            let x = PI * factor * (n as f64 - center as f64 - phase as f64 / ratio.to as f64);
            let window = 2.0 * x / (factor * length as f64 * PI);
            let sinc = if x == 0.0 { 1.0 } else { x.sin() / x };
            sinc * bessel(BETA * (1.0 - window * window).max(0.0).sqrt())
        };
        let row: Vec<f64> = (0..length).map(tap).collect();
        let sum: f64 = row.iter().sum();
        taps.extend(row.into_iter().map(|tap| (tap / sum) as f32));
    }
    (taps, length)
}

/// Returns the modified Bessel function of the first kind and order 0.
fn bessel(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut term, mut sum, mut n) = (1.0, 1.0, 1.0);
    while term > sum * 1e-17 {
        term *= quarter / (n * n);
        sum += term;
        n += 1.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(ratio: Ratio, samples: &[f32], piece: usize) -> Vec<f32> {
        let (mut resampler, mut out) = (Resampler::new(ratio, 1, &[]), Vec::new());
        samples.chunks(piece).for_each(|part| resampler.push(part, &mut out));
        resampler.finish(&mut out);
        out
    }

    fn noise(count: usize) -> Vec<f32> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn tone_keeps_its_place_and_height() {
        for rate in [48_000, 44_100, 32_000, 22_050, 8_000] {
            let tone = |rate: u32, n: usize| {
                (n as f32 * 1000.0 * 2.0 * std::f32::consts::PI / rate as f32).sin()
            };
            let input: Vec<f32> = (0..rate as usize).map(|n| tone(rate, n)).collect();
            let out = all(Ratio::of(rate, 16_000), &input, 1024);
            assert_eq!(out.len(), 16_000);
            for (n, sample) in out.iter().enumerate().take(15_800).skip(200) {
                let error = (sample - tone(16_000, n)).abs();
                assert!(error < 2e-3, "{rate} Hz, sample {n}: {error}");
            }
        }
    }

    #[test]
    fn number_of_samples_is_that_of_ffmpeg() {
        let counts = [
            (48_000, 48_001, 16_000),
            (48_000, 7168, 2389),
            (48_000, 7169, 2390),
            (44_100, 5120, 1858),
            (44_100, 48_128, 17_462),
            (22_050, 3001, 2178),
            (8000, 3001, 6002),
            (96_000, 10_240, 1707),
            (96_000, 10_243, 1707),
        ];
        for (rate, count, expected) in counts {
            assert_eq!(all(Ratio::of(rate, 16_000), &noise(count), 700).len(), expected, "{rate}");
        }
        assert_eq!(all(Ratio::of(48_000, 16_000), &noise(5), 2).len(), 2);
        assert_eq!(all(Ratio::of(16_000, 16_000), &noise(77), 7), noise(77));
    }

    #[test]
    fn channels_do_not_mix() {
        let (left, right) = (noise(4000), vec![0.25; 4000]);
        let both: Vec<f32> = left.iter().zip(&right).flat_map(|(l, r)| [*l, *r]).collect();
        let ratio = Ratio::of(48_000, 16_000);
        let (mut resampler, mut out) = (Resampler::new(ratio, 2, &[]), Vec::new());
        resampler.push(&both, &mut out);
        resampler.finish(&mut out);
        let split = |channel| out.iter().skip(channel).step_by(2).copied().collect::<Vec<f32>>();
        assert_eq!(split(0), all(ratio, &left, 4000));
        assert!(split(1).iter().all(|sample| (sample - 0.25).abs() < 1e-6));
    }

    proptest! {
        #[test]
        fn resampler_begun_in_phase_goes_on(rate in prop::sample::select(vec![48_000, 44_100, 22_050]),
                                            piece in 1_usize..3000, at in 1_u64..20) {
            let (ratio, samples) = (Ratio::of(rate, 16_000), noise(20_000));
            let whole = all(ratio, &samples, 20_000);
            let begin = ((at * ratio.from * (1 + 400 / ratio.from)) as usize).min(20_000 / ratio.from as usize * ratio.from as usize);
            let history = &samples[begin.saturating_sub(Resampler::reach(ratio))..begin];
            let (mut resampler, mut out) = (Resampler::new(ratio, 1, history), Vec::new());
            samples[begin..].chunks(piece).for_each(|part| resampler.push(part, &mut out));
            resampler.finish(&mut out);
            let first = begin as u64 * ratio.to / ratio.from;
            prop_assert_eq!(&whole[first as usize..], &out[..]);
        }
    }
}
