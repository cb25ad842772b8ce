//! Which video and sound a session has, by the beginning of one of its segments: not every browser
//! plays every codec, and none tells how long a frame is.

use std::io::Read as _;

use cht_core::storage::beneath::Beneath;
use cht_ts::{Found, Media, Pts, Scanner, time::TICKS_PER_SECOND};
use serde::Serialize;

/// Bytes of a segment that are scanned.
const HEAD: u64 = 1 << 20;

/// Codecs by ffmpeg's names, where they are known.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Streams {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sound: Option<String>,
    /// PID of the sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sound_pid: Option<u16>,
    /// Time from one picture to the next in seconds, the shortest where it varies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_duration: Option<f64>,
}

impl Streams {
    /// Reads the beginning of the segment at a path below `root`.
    pub(crate) fn of_segment(root: &Beneath, path: &str) -> Option<Self> {
        let mut bytes = Vec::new();
        root.file(path).ok()?.take(HEAD).read_to_end(&mut bytes).ok()?;
        let mut scanner = Scanner::new();
        let mut times = Vec::new();
        scanner.push(&bytes, &mut |found| {
            if let Found::Pes(pes) = found {
                times.extend(pes.pts.map(|pts| (pes.pid, pts)));
            }
        });
        let all: Vec<_> = scanner.programs().iter().flat_map(|it| &it.streams).collect();
        let first = |media| all.iter().find(|stream| stream.media() == media);
        let (video, sound) = (first(Media::Video), first(Media::Audio));
        let times = times.iter().filter(|(pid, _)| video.is_some_and(|video| video.pid == *pid));
        let streams = Self {
            frame_duration: frame_duration(times.map(|(_, pts)| *pts)),
            video: video.map(|stream| stream.codec.to_string()),
            sound: sound.map(|stream| stream.codec.to_string()),
            sound_pid: sound.map(|stream| stream.pid),
        };
        (streams != Self::default()).then_some(streams)
    }
}

/// Returns the time from one picture to the next in seconds: the mean, since time stamps are
/// rounded to ticks, or the shortest where it varies. Some of the last pictures may be missing.
fn frame_duration(times: impl Iterator<Item = Pts>) -> Option<f64> {
    let times: Vec<Pts> = times.collect();
    let first = *times.first()?;
    let mut times: Vec<i64> = times.into_iter().map(|time| time.since(first)).collect();
    times.sort_unstable();
    times.dedup();
    let mut steps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    steps.sort_unstable();
    let shortest = *steps.first()?;
    let usual = steps[steps.len() / 2];
    let is_usual = |step: i64| (step - usual).abs() * 4 <= usual;
    let like: Vec<i64> = steps.iter().copied().filter(|step| is_usual(*step)).collect();
    let varies = like.len() * 4 < steps.len() * 3 || !is_usual(shortest);
    let ticks =
        if varies { shortest as f64 } else { like.iter().sum::<i64>() as f64 / like.len() as f64 };
    Some(ticks / TICKS_PER_SECOND as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the frame duration of pictures at these ticks.
    fn of(ticks: impl IntoIterator<Item = i64>) -> Option<f64> {
        frame_duration(ticks.into_iter().map(Pts::new))
    }

    #[test]
    fn frame_duration_is_that_of_the_time_stamps() {
        let is = |found: Option<f64>, expected: f64| {
            let found = found.unwrap();
            assert!((found - expected).abs() < 1e-6, "{found} instead of {expected}");
        };
        // 60000/1001 frames per second are 1501.5 ticks; the clock wraps between.
        is(of((0..41).map(|n| (1 << 33) - 9000 + n * 3003 / 2)), 1001.0 / 60_000.0);
        // B pictures: in the order of decoding, and without the last ones of this order.
        is(of([0, 4, 2, 1, 3, 8, 6, 5, 12].map(|n| n * 3600)), 0.04);
        // It varies: a screen that is sent when it changes.
        is(of([0, 3000, 6000, 90_000, 93_000, 200_000, 310_000]), 3000.0 / 90_000.0);
        assert_eq!(of([]), None);
        assert_eq!(of([7]), None);
    }
}
