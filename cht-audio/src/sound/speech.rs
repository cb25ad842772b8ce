//! Finds speech in sound: frames of 16 ms, each with the probability of speech.

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

/// Highest sample of a quiet frame: four steps of 16 bits, -78 dB relative to full scale.
const QUIET: f32 = 4.0 / 32_768.0;

/// Quiet frames in a row after which the detector is not asked about more of them: half a second.
/// Silence costs nothing then, and a pause within talk is heard as a whole.
const ASKED: usize = 32;

/// Longest gap within one span of speech, and shortest span, in frames.
const GAP: usize = 12;
const SHORTEST: usize = 3;

/// Probability that a frame is speech, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Frame(pub f32);

impl Frame {
    pub(crate) fn is_speech(self) -> bool {
        self.0 >= SPEECH
    }
}

/// Measures the frames of a piece. The state of the detector begins anew with each piece, so that
/// it depends on the piece alone.
pub(crate) struct Frames {
    detector: Box<Detector>,
    /// Frames that were measured.
    heard: usize,
    /// Quiet frames in a row before the next one.
    quiet: usize,
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
        Self { detector: Detector::default_boxed(), heard: 0, quiet: 0, known: Vec::new() }
    }

    /// Begins another piece.
    pub(crate) fn clear(&mut self) {
        self.detector.reset();
        (self.heard, self.quiet) = (0, 0);
        self.known.clear();
    }

    /// Gives the detector the next frame of the piece, whose `samples` so far begin with its first
    /// one. Returns whether there was a whole one.
    pub(crate) fn measure(&mut self, samples: &[f32]) -> bool {
        let Some(frame) = samples.get(self.heard * FRAME..(self.heard + 1) * FRAME) else {
            return false;
        };
        // Decoders and filters overshoot; the detector takes -1 to 1.
        let mut clipped = [0.0; FRAME];
        clipped.iter_mut().zip(frame).for_each(|(to, from)| *to = from.clamp(-1.0, 1.0));
        let speech = self.ask(&clipped);
        self.heard += 1;
        if self.heard > LATE {
            self.known.push(Frame(speech));
        }
        true
    }

    /// Measures the last frames: no more samples come, and silence takes their place. Returns
    /// whether there were any.
    pub(crate) fn finish(&mut self) -> bool {
        let is_any = self.known.len() < self.heard;
        while self.known.len() < self.heard {
            let speech = self.ask(&[0.0; FRAME]);
            self.known.push(Frame(speech));
        }
        is_any
    }

    /// Returns the probability of speech by the next frame.
    fn ask(&mut self, frame: &[f32; FRAME]) -> f32 {
        let is_quiet = frame.iter().all(|sample| sample.abs() <= QUIET);
        self.quiet = if is_quiet { self.quiet + 1 } else { 0 };
        if self.quiet > ASKED { 0.0 } else { self.detector.predict_f32(frame) }
    }

    /// Returns the spans of speech, in samples from the beginning of the piece.
    pub(crate) fn spans(&self) -> Vec<[u64; 2]> {
        spans(&self.known)
    }
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
        text.bytes().map(|byte| Frame(f32::from(u8::from(byte == b'#')))).collect()
    }

    #[test]
    fn spans_join_over_short_gaps_and_leave_out_clicks() {
        let text = [".....#####", &".".repeat(GAP), "##", &".".repeat(GAP + 1), "##..."].concat();
        assert_eq!(spans(&frames(&text)), [[5 * 256, (12 + GAP as u64) * 256]]);
        assert_eq!(spans(&frames("....")), [[0_u64; 2]; 0]);
    }

    /// Returns the frames of a detector that is asked about all of them.
    fn asked(samples: &[f32]) -> Vec<Frame> {
        let mut detector = Detector::default();
        let frames = samples.as_chunks::<FRAME>().0.iter();
        frames.map(|frame| Frame(detector.predict_f32(frame))).skip(LATE).collect()
    }

    #[test]
    fn silence_is_not_asked_about_and_changes_nothing_after_it() {
        let mut state = 5_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        let mut samples: Vec<f32> = (0..100 * FRAME).map(|_| noise()).collect();
        samples[20 * FRAME..90 * FRAME].fill(0.0);
        let mut frames = Frames::new();
        while frames.measure(&samples) {}
        let expected = asked(&samples);
        assert_eq!(frames.known[..20 + ASKED - LATE], expected[..20 + ASKED - LATE]);
        assert!(frames.known[20 + ASKED - LATE..87].iter().all(|frame| *frame == Frame(0.0)));
        let is_speech = |frames: &[Frame]| -> Vec<bool> {
            frames.iter().map(|frame| frame.is_speech()).collect()
        };
        assert_eq!(is_speech(&frames.known), is_speech(&expected));
    }

    #[test]
    fn overshoot_is_no_error() {
        let mut measured = Frames::new();
        assert!(measured.measure(&[1.5; FRAME]));
    }

    #[test]
    fn silence_and_tone_are_no_speech() {
        let mut measured = Frames::new();
        let tone: Vec<f32> = (0..48_000).map(|n| (n as f32 * 0.2).sin() * 0.1).collect();
        for samples in [vec![0.0; 48_000], tone] {
            measured.clear();
            while measured.measure(&samples) {}
            assert_eq!(measured.known.len(), 187 - LATE);
            measured.finish();
            assert_eq!(measured.known.len(), 187);
            assert_eq!(measured.spans(), [[0_u64; 2]; 0]);
        }
    }
}
