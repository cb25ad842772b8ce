//! Scenes: the time from each chosen frame to the next. Pure.

use std::ops::Range;

use cht_core::event::{Frame, Reason};
use cht_ts::time::ticks;

use crate::{rate::Rate, recording::Recording};

/// A stretch of a recording, from the start of a change to that of the next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scene<'a> {
    /// From 1.
    pub number: usize,
    /// Ticks on the timeline.
    pub start: i64,
    /// Ticks on the timeline; not part of it.
    pub end: i64,
    /// Time of its first picture, and of the first one after it, in ticks on the timeline.
    pub pictures: Range<i64>,
    /// Frame that shows it.
    pub frame: &'a Frame,
}

/// Choice of frames that begin a scene, next to the first of the recording.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    /// Reasons; all but `interval` if there are none: an interval is no change.
    pub reasons: Vec<Reason>,
    /// Least score of the detector that found it.
    pub min_score: f64,
    /// Ticks: shorter scenes belong to the one before.
    pub min_length: i64,
    /// Ticks on the timeline.
    pub from: Option<i64>,
    /// Ticks on the timeline.
    pub to: Option<i64>,
}

impl Choice {
    fn takes(&self, frame: &Frame) -> bool {
        let is_reason = if self.reasons.is_empty() {
            frame.reason != Reason::Interval
        } else {
            self.reasons.contains(&frame.reason)
        };
        is_reason && (frame.reason == Reason::First || score(frame) >= self.min_score)
    }

    /// Returns the scenes of a recording.
    pub(crate) fn scenes_of<'a>(&self, recording: &'a Recording) -> Vec<Scene<'a>> {
        self.scenes(&recording.frames, recording.end, recording.rate)
    }

    /// Returns the scenes that `frames`, in order of time, divide a recording into that ends at
    /// `end`. Those that reach into the chosen time are cut to it, and left out if no picture of
    /// theirs, at this rate, is shown at or after its beginning and before its end.
    fn scenes<'a>(&self, frames: &'a [Frame], end: i64, rate: Rate) -> Vec<Scene<'a>> {
        let mut starts: Vec<(i64, &Frame)> = Vec::new();
        // The time before the first change that is chosen is a scene as well.
        let begins = |(place, frame): &(usize, &Frame)| *place == 0 || self.takes(frame);
        for (_, frame) in frames.iter().enumerate().filter(begins) {
            let shown = ticks(frame.timestamp);
            // A change that began before the last scene did belongs to both.
            let began = frame.change.map(ticks).filter(|&began| began < shown);
            let last = starts.last().map(|(start, _)| *start);
            let start = began.filter(|began| last.is_none_or(|last| *began > last));
            let start = start.unwrap_or(shown);
            if last.is_none_or(|last| start - last >= self.min_length.max(1)) {
                starts.push((start, frame));
            }
        }
        let ends = starts.iter().skip(1).map(|(start, _)| *start).chain([end]);
        let (from, to) = (self.from.unwrap_or(i64::MIN), self.to.unwrap_or(i64::MAX));
        let mut scenes = Vec::new();
        for (&(began, frame), ended) in starts.iter().zip(ends) {
            let (start, end) = (began.max(from), ended.min(to));
            // Its own beginning is the time of a picture, and that of the next scene as well.
            let first = if began < from { rate.next_from(began, from) } else { began };
            let after = if to < ended { rate.next_from(began, to).min(ended) } else { ended };
            if start < end && first < end {
                let (number, pictures) = (scenes.len() + 1, first..after);
                scenes.push(Scene { number, start, end, pictures, frame });
            }
        }
        scenes
    }
}

/// Returns the score of the detector that found a frame; 1 where its detector gives none.
fn score(frame: &Frame) -> f64 {
    use cht_core::event::Detector;
    match frame.detector {
        Some(Detector::Scene) => frame.scores.scene,
        Some(Detector::Adaptive) => frame.scores.adaptive.unwrap_or(1.0),
        Some(Detector::Screen) => frame.scores.screen.unwrap_or(1.0),
        None => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use cht_core::event::{Body, Event};

    use super::*;

    fn frame(timestamp: f64, reason: &str, more: &str) -> Frame {
        let line = format!(
            r#"{{"v":1,"type":"frame","session":null,"id":"F000001","timestamp":{timestamp},"pts":1,"path":"/f","segment":"/s","reason":"{reason}","scores":{{"scene":0.5}},"width":1,"height":1,"bytes":1,"hash":"0"{more}}}"#
        );
        match Event::parse(line.as_bytes()) {
            Ok(Some(Event { body: Body::Frame(frame), .. })) => frame,
            other => panic!("{other:?}"),
        }
    }

    fn spans(choice: &Choice, frames: &[Frame]) -> Vec<(i64, i64)> {
        let scenes = choice.scenes(frames, 900_000, "25".parse().unwrap());
        scenes.iter().map(|scene| (scene.start / 9000, scene.end / 9000)).collect()
    }

    #[test]
    fn scene_begins_where_its_change_does_and_no_interval_begins_one() {
        let frames = [
            frame(0.0, "first", ""),
            frame(2.0, "interval", ""),
            frame(4.0, "scene", r#","detector":"scene""#),
            frame(6.0, "gradual", r#","change":5.5"#),
            // It began before the scene that was kept last.
            frame(7.0, "screen", r#","change":5.0"#),
        ];
        assert_eq!(spans(&Choice::default(), &frames), [(0, 40), (40, 55), (55, 70), (70, 100)]);
        let intervals = Choice { reasons: vec![Reason::Interval], ..Choice::default() };
        assert_eq!(spans(&intervals, &frames), [(0, 20), (20, 100)]);
        let high = Choice { min_score: 0.6, ..Choice::default() };
        assert_eq!(spans(&high, &frames), [(0, 55), (55, 70), (70, 100)]);
    }

    #[test]
    fn scenes_are_cut_to_the_chosen_time() {
        let frames = [frame(0.0, "first", ""), frame(4.0, "scene", "")];
        let choice = Choice { from: Some(90_000), to: Some(450_000), ..Choice::default() };
        assert_eq!(spans(&choice, &frames), [(10, 40), (40, 50)]);
        let before = Choice { to: Some(360_000), ..Choice::default() };
        assert_eq!(spans(&before, &frames), [(0, 40)]);
    }

    #[test]
    fn scene_without_a_picture_within_the_chosen_time_is_left_out() {
        let frames = [frame(0.0, "first", ""), frame(4.0, "scene", ""), frame(8.0, "scene", "")];
        let pictures = |from: f64, to: f64| {
            let choice =
                Choice { from: Some(ticks(from)), to: Some(ticks(to)), ..Choice::default() };
            let scenes = choice.scenes(&frames, 900_000, "25".parse().unwrap());
            let count = |ticks: i64| (ticks + 1800) / 3600;
            let count =
                |scene: &Scene<'_>| (count(scene.pictures.start), count(scene.pictures.end));
            scenes.iter().map(count).collect::<Vec<_>>()
        };
        // Between two pictures.
        assert_eq!(pictures(3.99, 8.001), [(100, 200), (200, 201)]);
        assert_eq!(pictures(3.96, 8.0), [(99, 100), (100, 200)]);
        assert_eq!(pictures(3.9601, 3.999), []);
        assert_eq!(pictures(3.9401, 3.9601), [(99, 100)]);
        assert_eq!(pictures(9.9, 20.0), [(248, 250)]);
    }
}
