//! Sound without a hole, at one rate: resampled, measured, and cut.
//!
//! A piece begins where the input and the output rate are in phase. So its samples depend on the
//! sound around them alone, and a restart that begins with any piece gives the same.

use super::{
    cut::{Cutter, Limits},
    ratio::{Ratio, gcd},
    resample::Resampler,
    speech::{self, FRAME, Frames},
};

/// Rate and channels of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    /// Hertz.
    pub rate: u32,
    pub channels: u16,
}

/// A piece that was cut.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    /// Input samples of each channel that it covers.
    pub input: u64,
    /// Output samples, interleaved.
    pub samples: Vec<f32>,
    /// Spans of speech, in seconds from its beginning.
    pub speech: Vec<[f64; 2]>,
}

/// The sound of a piece so far, and what follows it.
#[derive(Debug)]
pub(crate) struct Stretch {
    pub format: Format,
    ratio: Ratio,
    resampler: Resampler,
    samples: Vec<f32>,
    /// Gives the mono sound that is measured, where that is not the output.
    listener: Option<Resampler>,
    listened: Vec<f32>,
    heard: Ratio,
    /// Input samples after which all rates are in phase.
    grid: u64,
    /// Input samples since the beginning of the piece.
    input: u64,
    frames: Frames,
    cutter: Cutter,
    limits: Limits,
    /// Frame and input sample where the piece ends, once it is decided.
    decided: Option<(usize, u64)>,
}

impl Stretch {
    /// Begins a piece after the samples `history`.
    pub(crate) fn new(format: Format, rate: u32, limits: Limits, history: &[f32]) -> Self {
        let Format { rate: from, channels } = format;
        let (ratio, heard) = (Ratio::of(from, rate), Ratio::of(from, speech::RATE));
        let is_output = rate == speech::RATE && channels == 1;
        let listener = (!is_output).then(|| Resampler::new(heard, 1, &mono(history, channels)));
        Self {
            format,
            ratio,
            resampler: Resampler::new(ratio, channels.into(), history),
            samples: Vec::new(),
            listener,
            listened: Vec::new(),
            heard,
            grid: ratio.from / gcd(ratio.from, heard.from) * heard.from,
            input: 0,
            frames: Frames::new(),
            cutter: Cutter::new(limits),
            limits,
            decided: None,
        }
    }

    /// Returns how many samples of each channel before a piece it depends on.
    pub(crate) fn reach(rate: u32, to: u32) -> usize {
        let of = |to| Resampler::reach(Ratio::of(rate, to));
        of(to).max(of(speech::RATE))
    }

    /// Takes samples, interleaved.
    pub(crate) fn push(&mut self, samples: &[f32]) {
        let channels = self.format.channels;
        self.input += (samples.len() / usize::from(channels)) as u64;
        self.resampler.push(samples, &mut self.samples);
        if let Some(listener) = &mut self.listener {
            listener.push(&mono(samples, channels), &mut self.listened);
        }
    }

    /// Returns the next piece that is cut from the sound so far.
    pub(crate) fn next(&mut self) -> Option<Part> {
        loop {
            if let Some((frame, input)) = self.decided {
                if !self.has(input) {
                    return None;
                }
                self.decided = None;
                return Some(self.take(frame, input));
            }
            if self.cutter.is_behind(&self.frames.known) {
                let cut = self.cutter.next(&self.frames.known);
                self.decided = cut.map(|cut| {
                    let frame = cut.place(self.listened());
                    (frame, self.input_of(frame))
                });
            } else {
                let listened = if self.listener.is_some() { &self.listened } else { &self.samples };
                if !self.frames.measure(listened) {
                    return None;
                }
            }
        }
    }

    /// Ends the sound; appends its last pieces to `parts`.
    pub(crate) fn finish(mut self, parts: &mut Vec<Part>) {
        self.resampler.finish(&mut self.samples);
        if let Some(listener) = &mut self.listener {
            listener.finish(&mut self.listened);
        }
        let mut is_known = false;
        while !is_known {
            parts.extend(std::iter::from_fn(|| self.next()));
            is_known = !self.frames.finish();
        }
        if self.input > 0 {
            let part = Part {
                input: self.input,
                samples: std::mem::take(&mut self.samples),
                speech: self.spans(usize::MAX),
            };
            parts.push(part);
        }
    }

    /// Returns the mono sound of the piece that is measured.
    fn listened(&self) -> &[f32] {
        if self.listener.is_some() { &self.listened } else { &self.samples }
    }

    /// Returns the input sample nearest to the beginning of a frame where all rates are in phase.
    fn input_of(&self, frame: usize) -> u64 {
        let at = (frame * FRAME) as u64 * self.heard.from / self.heard.to;
        let at = (at + self.grid / 2) / self.grid * self.grid;
        at.max(self.grid)
    }

    /// Returns whether all outputs up to an input sample are there.
    fn has(&self, input: u64) -> bool {
        let outputs = self.ratio.outputs(input) as usize * usize::from(self.format.channels);
        let listened =
            self.listener.is_none() || self.listened.len() >= self.heard.outputs(input) as usize;
        input <= self.input && outputs <= self.samples.len() && listened
    }

    /// Takes the piece up to `input`, which is before `frame`.
    fn take(&mut self, frame: usize, input: u64) -> Part {
        let channels = usize::from(self.format.channels);
        let rest = self.samples.split_off(self.ratio.outputs(input) as usize * channels);
        let samples = std::mem::replace(&mut self.samples, rest);
        let speech = self.spans(frame);
        if self.listener.is_some() {
            self.listened.drain(..self.heard.outputs(input) as usize);
        }
        self.input -= input;
        self.frames.clear();
        self.cutter = Cutter::new(self.limits);
        Part { input, samples, speech }
    }

    /// Returns the spans of speech in the frames before one.
    fn spans(&mut self, frame: usize) -> Vec<[f64; 2]> {
        self.frames.known.truncate(frame);
        let seconds = |sample: u64| sample as f64 / f64::from(speech::RATE);
        self.frames.spans().into_iter().map(|span| span.map(seconds)).collect()
    }
}

/// Returns the mean of the channels.
fn mono(samples: &[f32], channels: u16) -> Vec<f32> {
    let channels = usize::from(channels);
    let mean = |frame: &[f32]| frame.iter().sum::<f32>() / channels as f32;
    if channels == 1 {
        samples.to_vec()
    } else {
        samples.chunks_exact(channels).map(mean).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize) -> Vec<f32> {
        let mut state = 7_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        (0..count).map(|_| next()).collect()
    }

    fn cut(format: Format, rate: u32, history: &[f32], samples: &[f32]) -> Vec<Part> {
        let limits = Limits::of_seconds(0.5, 2.0);
        let (mut stretch, mut parts) = (Stretch::new(format, rate, limits, history), Vec::new());
        for part in samples.chunks(1024 * usize::from(format.channels)) {
            stretch.push(part);
            parts.extend(std::iter::from_fn(|| stretch.next()));
        }
        stretch.finish(&mut parts);
        parts
    }

    #[test]
    fn pieces_are_all_the_sound_and_each_can_be_begun_anew() {
        for (format, rate) in [
            (Format { rate: 48_000, channels: 1 }, 16_000),
            (Format { rate: 44_100, channels: 2 }, 16_000),
            (Format { rate: 44_100, channels: 1 }, 48_000),
            (Format { rate: 22_050, channels: 2 }, 22_050),
        ] {
            let channels = usize::from(format.channels);
            let samples = noise(format.rate as usize * 9 * channels);
            let parts = cut(format, rate, &[], &samples);
            let total: u64 = parts.iter().map(|part| part.input).sum();
            assert_eq!(total as usize * channels, samples.len());
            let outputs: usize = parts.iter().map(|part| part.samples.len()).sum();
            assert_eq!(outputs / channels, rate as usize * 9);
            assert!(parts.len() > 3, "{}", parts.len());
            let mut begin = 0;
            for n in 1..parts.len() {
                begin += parts[n - 1].input as usize * channels;
                let history = begin.saturating_sub(channels * Stretch::reach(format.rate, rate));
                let again = cut(format, rate, &samples[history..begin], &samples[begin..]);
                assert!(again == parts[n..], "{format:?} to {rate}, piece {n}");
            }
        }
    }
}
