//! Frames of a decoder in, pieces out: holes, changes of the rate, and a beginning in the middle.

use super::{
    cut::Limits,
    line::{Line, Step, span},
    stretch::{Format, Part, Stretch},
};
use cht_ts::time::TICKS_PER_SECOND;

/// Longest hole that is filled, in ticks.
const MAX_FILLED: i64 = 60 * TICKS_PER_SECOND;

/// How pieces are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// Output rate in hertz; `None` for that of the stream.
    pub rate: Option<u32>,
    pub limits: Limits,
    /// Whether silence takes the place of missing sound.
    pub fill: bool,
}

/// A piece of sound.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Piece {
    /// Ticks of its first sample.
    pub ticks: i64,
    pub format: Format,
    /// Samples, interleaved.
    pub samples: Vec<f32>,
    /// Spans of speech, in seconds from its beginning.
    pub speech: Vec<[f64; 2]>,
    /// Count and ticks of the first sample after it; `None` at the end of the run.
    pub next: Option<(u64, i64)>,
}

/// How a piece ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The sound goes on.
    Cut,
    /// It does not; the frame after it has these ticks.
    Interrupted(Option<i64>),
}

/// Pieces of one run.
#[derive(Debug)]
pub(crate) struct Pieces {
    settings: Settings,
    line: Line,
    /// Count of the first sample of the piece that is next.
    begin: u64,
    stretch: Option<Stretch>,
    /// Format of the samples before `begin`, and the last of them.
    history: Option<(Format, Vec<f32>)>,
}

impl Pieces {
    /// Begins with sample `begin` of the run. The samples before it are in other pieces.
    pub(crate) fn new(settings: Settings, begin: u64) -> Self {
        Self { settings, line: Line::default(), begin, stretch: None, history: None }
    }

    /// Returns the number of samples so far.
    pub(crate) fn count(&self) -> u64 {
        self.line.count()
    }

    /// Takes a frame at `ticks`, and appends the pieces that it ends to `pieces`.
    pub(crate) fn push(
        &mut self,
        ticks: i64,
        format: Format,
        samples: &[f32],
        pieces: &mut Vec<Piece>,
    ) {
        let is_same = self.format().is_none_or(|before| before == format);
        let end = self.line.end();
        match self.line.judge(ticks) {
            Step::Continues if is_same => {}
            Step::Hole(missing) if is_same && self.settings.fill && missing <= MAX_FILLED => {
                self.fill(end.unwrap_or(ticks), missing, format, pieces);
            }
            _ => self.interrupt(Some(ticks), pieces),
        }
        self.add(ticks, format, samples, pieces);
    }

    /// Ends the piece under way: no sound comes for a while.
    pub(crate) fn stop(&mut self, pieces: &mut Vec<Piece>) {
        self.interrupt(self.line.end(), pieces);
    }

    /// Ends the run.
    pub(crate) fn finish(&mut self, pieces: &mut Vec<Piece>) {
        self.interrupt(None, pieces);
    }

    fn format(&self) -> Option<Format> {
        self.stretch.as_ref().map(|it| it.format).or(self.history.as_ref().map(|it| it.0))
    }

    fn fill(&mut self, from: i64, missing: i64, format: Format, pieces: &mut Vec<Piece>) {
        self.line.expect(from);
        let rate = u64::from(format.rate);
        let total = missing as u64 * rate / TICKS_PER_SECOND as u64;
        let mut done = 0;
        while done < total {
            let count = rate.min(total - done);
            let silence = vec![0.0; count as usize * usize::from(format.channels)];
            self.add(from + span(done, format.rate), format, &silence, pieces);
            done += count;
        }
    }

    fn add(&mut self, ticks: i64, format: Format, samples: &[f32], pieces: &mut Vec<Piece>) {
        let channels = usize::from(format.channels);
        let count = (samples.len() / channels) as u64;
        let first = self.line.count();
        self.line.add(ticks, format.rate, count);
        let to = self.settings.rate.unwrap_or(format.rate);
        let before = self.begin.saturating_sub(first).min(count) as usize;
        let (before, samples) =
            samples.split_at(if self.stretch.is_some() { 0 } else { before * channels });
        if !before.is_empty() {
            let reach = Stretch::reach(format.rate, to) * channels;
            let history = &mut self.history.get_or_insert_with(|| (format, Vec::new())).1;
            history.extend_from_slice(before);
            history.drain(..history.len().saturating_sub(reach));
        }
        if samples.is_empty() {
            return;
        }
        if self.stretch.is_none() {
            let history = self.history.take().map_or_else(Vec::new, |history| history.1);
            self.stretch = Some(Stretch::new(format, to, self.settings.limits, &history));
        }
        let Some(stretch) = &mut self.stretch else { return };
        stretch.push(samples);
        while let Some(part) = self.stretch.as_mut().and_then(Stretch::next) {
            self.piece(part, format, End::Cut, pieces);
        }
    }

    /// Ends the sound without a hole; `next` are the ticks of the frame after it.
    fn interrupt(&mut self, next: Option<i64>, pieces: &mut Vec<Piece>) {
        self.history = None;
        let Some(stretch) = self.stretch.take() else { return };
        let (format, mut parts) = (stretch.format, Vec::new());
        stretch.finish(&mut parts);
        let last = parts.len();
        for (n, part) in parts.into_iter().enumerate() {
            let end = if n + 1 == last { End::Interrupted(next) } else { End::Cut };
            self.piece(part, format, end, pieces);
        }
    }

    fn piece(&mut self, part: Part, format: Format, end: End, pieces: &mut Vec<Piece>) {
        let ticks = self.line.ticks(self.begin).unwrap_or(0);
        self.begin += part.input;
        self.line.forget(self.begin);
        let next = match end {
            End::Cut => self.line.ticks(self.begin),
            End::Interrupted(next) => next,
        };
        let rate = self.settings.rate.unwrap_or(format.rate);
        pieces.push(Piece {
            ticks,
            format: Format { rate, ..format },
            samples: part.samples,
            speech: part.speech,
            next: next.map(|next| (self.begin, next)),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: Format = Format { rate: 48_000, channels: 1 };

    fn settings(fill: bool) -> Settings {
        Settings { rate: Some(16_000), limits: Limits::of_seconds(1.0, 4.0), fill }
    }

    /// Returns frames of a tone, the first of them at 1 s, without those in `lost`.
    fn frames(count: i64, lost: std::ops::Range<i64>) -> Vec<(i64, Vec<f32>)> {
        let frame = |n: i64| {
            let sample = |at: i64| ((n * 1024 + at) as f32 * 0.05).sin() * 0.2;
            (90_000 + n * 1920, (0..1024).map(sample).collect())
        };
        (0..count).filter(|n| !lost.contains(n)).map(frame).collect()
    }

    fn cut(frames: &[(i64, Vec<f32>)], fill: bool, begin: u64) -> Vec<Piece> {
        let (mut pieces, mut out) = (Pieces::new(settings(fill), begin), Vec::new());
        for (ticks, frame) in frames {
            pieces.push(*ticks, FORMAT, frame, &mut out);
        }
        pieces.finish(&mut out);
        out
    }

    #[test]
    fn hole_ends_piece_and_is_in_the_times() {
        let pieces = cut(&frames(300, 100..110), false, 0);
        let starts: Vec<_> = pieces.iter().map(|piece| piece.ticks).collect();
        let after = 90_000 + 110 * 1920;
        let second = span(pieces[1].samples.len() as u64, 16_000);
        assert_eq!(starts, [90_000, after, after + second]);
        let samples: usize = pieces.iter().map(|piece| piece.samples.len()).sum();
        assert_eq!(samples, 100 * 1024 / 3 + 190 * 1024 / 3);
    }

    #[test]
    fn filled_hole_is_silence() {
        let pieces = cut(&frames(300, 100..110), true, 0);
        let samples: Vec<f32> = pieces.iter().flat_map(|piece| piece.samples.clone()).collect();
        assert_eq!(samples.len(), 300 * 1024 / 3);
        let middle = &samples[101 * 1024 / 3..109 * 1024 / 3];
        assert!(middle.iter().all(|sample| *sample == 0.0));
        assert!(pieces.windows(2).all(|pair| {
            pair[0].next.map(|next| next.1) == Some(pair[1].ticks)
                && pair[1].ticks - pair[0].ticks == span(pair[0].samples.len() as u64, 16_000)
        }));
    }

    #[test]
    fn run_begun_at_any_piece_gives_the_later_ones() {
        for fill in [false, true] {
            let frames = frames(700, 333..345);
            let pieces = cut(&frames, fill, 0);
            assert!(pieces.len() > 3);
            for n in 1..pieces.len() {
                let (begin, ticks) = pieces[n - 1].next.unwrap();
                assert_eq!(ticks, pieces[n].ticks);
                assert!(cut(&frames, fill, begin) == pieces[n..], "piece {n}, fill {fill}");
            }
        }
    }

    #[test]
    fn other_rate_begins_another_piece() {
        let (mut pieces, mut out) = (Pieces::new(settings(false), 0), Vec::new());
        pieces.push(0, FORMAT, &vec![0.1; 48_000], &mut out);
        pieces.push(90_000, Format { rate: 44_100, channels: 1 }, &vec![0.1; 44_100], &mut out);
        pieces.finish(&mut out);
        let found: Vec<_> = out.iter().map(|it| (it.ticks, it.samples.len())).collect();
        assert_eq!(found, [(0, 16_000), (90_000, 16_000)]);
    }
}
