//! Finds speech in sound: frames of 16 ms, each with the probability of speech and its level.

use earshot::Detector;

/// Sample rate that the detector works at, in hertz.
pub(crate) const RATE: u32 = 16_000;

/// Samples of a frame.
pub(crate) const FRAME: usize = 256;

/// Probability from which on a frame is speech.
const SPEECH: f32 = 0.5;

/// Frames after which the detector knows a frame best (measured on read speech): its window is as
/// long.
const LATE: usize = 3;

/// Longest gap within one span of speech, and shortest span, in frames.
const GAP: usize = 12;
const SHORTEST: usize = 3;

/// Measures of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Frame {
    /// Probability of speech, 0 to 1.
    pub speech: f32,
    /// Mean square of its samples.
    pub power: f32,
}

impl Frame {
    pub(crate) fn is_speech(self) -> bool {
        self.speech >= SPEECH
    }
}

/// Measures the frames of a piece. The state of the detector begins anew with each piece, so that
/// it depends on the piece alone.
pub(crate) struct Frames {
    detector: Box<Detector>,
    /// Frames that the detector was given.
    heard: usize,
    /// Frames that are known.
    pub known: Vec<Frame>,
}

impl std::fmt::Debug for Frames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frames").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

impl Frames {
    pub(crate) fn new() -> Self {
        Self { detector: Detector::default_boxed(), heard: 0, known: Vec::new() }
    }

    /// Begins another piece.
    pub(crate) fn clear(&mut self) {
        self.detector.reset();
        self.heard = 0;
        self.known.clear();
    }

    /// Gives the detector the next frame of the piece, whose `samples` so far begin with its first
    /// one. Returns whether there was a whole one.
    pub(crate) fn measure(&mut self, samples: &[f32]) -> bool {
        let Some(frame) = frame(samples, self.heard) else { return false };
        let speech = self.detector.predict_f32(frame);
        self.heard += 1;
        if let Some(at) = self.heard.checked_sub(1 + LATE) {
            let power = frame_power(samples, at);
            self.known.push(Frame { speech, power });
        }
        true
    }

    /// Measures the last frames: no more samples come, and silence takes their place. Returns
    /// whether there were any.
    pub(crate) fn finish(&mut self, samples: &[f32]) -> bool {
        let is_any = self.known.len() < self.heard;
        while self.known.len() < self.heard {
            let speech = self.detector.predict_f32(&[0.0; FRAME]);
            let power = frame_power(samples, self.known.len());
            self.known.push(Frame { speech, power });
        }
        is_any
    }

    /// Returns the spans of speech, in samples from the beginning of the piece.
    pub(crate) fn spans(&self) -> Vec<[u64; 2]> {
        spans(&self.known)
    }
}

fn frame(samples: &[f32], at: usize) -> Option<&[f32]> {
    samples.get(at * FRAME..(at + 1) * FRAME)
}

fn frame_power(samples: &[f32], at: usize) -> f32 {
    let squares = frame(samples, at).into_iter().flatten().map(|sample| sample * sample);
    squares.sum::<f32>() / FRAME as f32
}

fn spans(frames: &[Frame]) -> Vec<[u64; 2]> {
    let mut spans: Vec<[usize; 2]> = Vec::new();
    for (n, _) in frames.iter().enumerate().filter(|(_, frame)| frame.is_speech()) {
        match spans.last_mut() {
            Some([_, end]) if n - *end <= GAP => *end = n + 1,
            _ => spans.push([n, n + 1]),
        }
    }
    spans.retain(|[begin, end]| end - begin >= SHORTEST);
    spans.into_iter().map(|span| span.map(|n| (n * FRAME) as u64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(text: &str) -> Vec<Frame> {
        text.bytes()
            .map(|byte| Frame { speech: f32::from(u8::from(byte == b'#')), power: 0.0 })
            .collect()
    }

    #[test]
    fn spans_join_over_short_gaps_and_leave_out_clicks() {
        let text = [".....#####", &".".repeat(GAP), "##", &".".repeat(GAP + 1), "##..."].concat();
        assert_eq!(spans(&frames(&text)), [[5 * 256, (12 + GAP as u64) * 256]]);
        assert_eq!(spans(&frames("....")), [[0_u64; 2]; 0]);
    }

    #[test]
    fn silence_and_tone_are_no_speech() {
        let mut measured = Frames::new();
        let tone: Vec<f32> = (0..48_000).map(|n| (n as f32 * 0.2).sin() * 0.1).collect();
        for samples in [vec![0.0; 48_000], tone] {
            measured.clear();
            while measured.measure(&samples) {}
            assert_eq!(measured.known.len(), 187 - LATE);
            measured.finish(&samples);
            assert_eq!(measured.known.len(), 187);
            assert_eq!(measured.spans(), [[0_u64; 2]; 0]);
        }
    }
}
