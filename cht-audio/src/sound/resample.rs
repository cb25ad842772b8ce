//! Changes the sample rate, as ffmpeg's default resampler does: the same filter, the same number of
//! samples, sample `k` at the time of input sample `k · in / out`.
//!
//! It is written here because ffmpeg's own would begin anew with each decoder, at another phase.
//! Here an output depends on the input samples around it and on nothing before them.

use super::{
    convolve::{Block, LANES, dot},
    ratio::Ratio,
    taps::{filter, filter_length},
};

/// Resampler of one or several channels.
#[derive(Debug)]
pub(crate) struct Resampler {
    ratio: Ratio,
    /// Filter of each phase, one after another, each with zeros before its first tap.
    taps: Vec<f32>,
    /// Taps of a filter, without and with these zeros.
    length: usize,
    width: usize,
    block: Block,
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
        let length = filter_length(ratio);
        // With one phase, outputs are computed next to each other, otherwise taps.
        let width = if ratio.to == 1 { length } else { length.next_multiple_of(LANES) };
        let taps = filter(ratio, width);
        let input = (0..channels).map(|channel| {
            history.iter().skip(channel).step_by(channels).copied().collect::<Vec<f32>>()
        });
        let input: Vec<_> = input.collect();
        let first = -(input.first().map_or(0, Vec::len) as i64);
        Self { ratio, taps, length, width, block: Block::default(), input, first, next: 0 }
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
            if channels == 1 {
                input.extend_from_slice(samples);
            } else {
                input.extend(samples.iter().skip(channel).step_by(channels));
            }
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
        self.outputs(last, out);
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
        self.outputs(end - after, out);
    }

    /// Returns the number of input samples before that of an output which its filter covers.
    fn before(&self) -> usize {
        (self.length - 1) / 2
    }

    /// Returns the index of the input sample at or before the next output.
    fn position(&self) -> i64 {
        (self.next * self.ratio.from / self.ratio.to) as i64
    }

    /// Appends the outputs up to that at input sample `last`.
    fn outputs(&mut self, last: i64, out: &mut Vec<f32>) {
        while self.position() <= last {
            let from = self.position() - (self.before() + self.width - self.length) as i64;
            match usize::try_from(from - self.first) {
                Ok(from) if self.ratio.to == 1 => {
                    let count = (last - self.position()) as usize / self.ratio.from as usize + 1;
                    self.decimate(from, count, out);
                    return;
                }
                Ok(from) => self.one(|input| dot(self.phase(), &input[from..]), out),
                Err(_) => self.one(|input| self.mirrored(input, from - self.first), out),
            }
            self.next += 1;
        }
    }

    /// Returns the filter of the next output.
    fn phase(&self) -> &[f32] {
        let phase = (self.next * self.ratio.from % self.ratio.to) as usize;
        &self.taps[phase * self.width..][..self.width]
    }

    fn one(&self, sum: impl Fn(&[f32]) -> f32, out: &mut Vec<f32>) {
        out.extend(self.input.iter().map(|input| sum(input)));
    }

    /// Returns the next output, whose filter begins at index `from`, which is negative: there, the
    /// input is mirrored.
    fn mirrored(&self, input: &[f32], from: i64) -> f32 {
        let last = input.len().saturating_sub(1);
        let sample = |n: usize| input[((from + n as i64).unsigned_abs() as usize).min(last)];
        let samples: Vec<f32> = (0..self.width).map(sample).collect();
        if self.ratio.to > 1 {
            return dot(self.phase(), &samples);
        }
        let (mut block, mut output) = (Block::default(), [0.0]);
        block.fill(&samples, self.ratio.from as usize, self.length, 1);
        block.decimate(&self.taps, &mut output, 1);
        output[0]
    }

    /// Appends the next `count` outputs; the filter of the first begins at index `from`.
    fn decimate(&mut self, from: usize, count: usize, out: &mut Vec<f32>) {
        let (step, channels, begin) = (self.ratio.from as usize, self.input.len(), out.len());
        out.resize(begin + count * channels, 0.0);
        for (channel, input) in self.input.iter().enumerate() {
            let samples = &input[from..][..(count - 1) * step + self.length];
            self.block.fill(samples, step, self.length, count);
            self.block.decimate(&self.taps, &mut out[begin + channel..], channels);
        }
        self.next += count as u64;
    }

    /// Drops input that no later output needs.
    fn forget(&mut self) {
        const KEPT: i64 = 1 << 14;
        let unused = self.position() - self.width as i64 - self.first;
        if unused > KEPT {
            self.input.iter_mut().for_each(|input| drop(input.drain(..unused as usize)));
            self.first += unused;
        }
    }
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
