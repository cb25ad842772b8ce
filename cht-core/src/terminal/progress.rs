//! The status line: how far a pipeline is, by the events that pass its last stage.
//!
//! Live, it tells whether the stream arrives, at which rate, and the lag of the frames; over files,
//! how many segments are done, how fast, and how long the rest takes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Instant,
};

use super::units;
use crate::event::{Body, Event, Listening, Segment, Stats};

/// Silence after which a stream counts as interrupted, in seconds.
const SILENCE: f64 = 2.0;

/// Part of the work over files after which the rest can be estimated.
const ESTIMATED: f64 = 0.02;

/// Reason of a connection that ended because the recorder was asked to stop.
const STOPPED: &str = "stopped";

/// State of the pipeline.
#[derive(Debug, Default)]
pub(super) struct Progress {
    frames: u64,
    pieces: u64,
    faults: u64,
    live: Option<Live>,
    files: Files,
    /// Whether a file is recorded, and not a stream that is live.
    of_file: bool,
}

/// A stream that is being recorded.
#[derive(Debug, Default)]
struct Live {
    /// When the sender connected; `None` while there is none.
    connected: Option<Instant>,
    had_sender: bool,
    /// Whether the recorder was asked to stop.
    stopped: bool,
    /// Final paths of the segments that grow or are being closed.
    open: BTreeSet<PathBuf>,
    /// Bytes of those that were closed.
    closed: u64,
    /// Bytes when the line was last made, and when they had grown.
    before: Option<(u64, Instant)>,
    grown: Option<Instant>,
    bitrate: Option<f64>,
    fps: Option<f64>,
    lag: Option<f64>,
    free: Option<u64>,
}

/// Segments that were recorded before.
#[derive(Debug, Default)]
struct Files {
    begun: Option<Instant>,
    /// Segments that were announced, their seconds, and their pictures.
    announced: u64,
    seconds: f64,
    pictures: u64,
    /// Segments that each stage has done, and pictures that one has decoded.
    done: BTreeMap<String, u64>,
    decoded: u64,
}

impl Progress {
    /// Notes an event that passes.
    pub(super) fn watch(&mut self, event: &Event, now: Instant) {
        match &event.body {
            Body::Frame(_) => self.frames += 1,
            Body::Audio(_) => self.pieces += 1,
            Body::Failure(_) => self.faults += 1,
            Body::Stats(stats) => self.stats(stats),
            Body::Segment(segment) => match &mut self.live {
                Some(live) => live.fps = fps(segment).or(live.fps),
                None => self.files.announce(segment, now),
            },
            Body::SegmentDone(done) => {
                self.files.begun.get_or_insert(now);
                *self.files.done.entry(done.stage.clone()).or_default() += 1;
            }
            Body::Listening(listening) => {
                self.of_file = Listening::names_file(&listening.address);
                if !self.of_file {
                    self.live.get_or_insert_default();
                }
            }
            Body::Connected(_) | Body::Disconnected(_) | Body::SegmentOpen(_) if self.of_file => {}
            Body::Connected(_) => {
                let live = self.live.get_or_insert_default();
                (live.connected, live.had_sender, live.grown) = (Some(now), true, Some(now));
                live.stopped = false;
            }
            Body::Disconnected(gone) => {
                let live = self.live.get_or_insert_default();
                (live.connected, live.stopped) = (None, gone.reason == STOPPED);
            }
            Body::SegmentOpen(open) => {
                let live = self.live.get_or_insert_default();
                live.connected.get_or_insert(now);
                let path = open.path.strip_suffix(".part").unwrap_or(&open.path);
                live.open.insert(path.into());
            }
            Body::SegmentClosed(closed) => {
                if let Some(live) = &mut self.live {
                    live.open.remove(Path::new(&closed.path));
                    live.closed += closed.bytes;
                }
            }
            _ => {}
        }
    }

    fn stats(&mut self, stats: &Stats) {
        if let Some(scenes) = &stats.scenes {
            self.files.decoded = scenes.decoded;
        }
        let Some(live) = &mut self.live else { return };
        if let Some(recv) = &stats.recv {
            live.free = recv.free_disk;
            live.bitrate = Some(recv.bitrate as f64);
        }
        if let Some(scenes) = &stats.scenes {
            live.lag = scenes.lag;
        }
    }

    /// Returns the final paths of the segments that grow.
    pub(super) fn growing(&self) -> Vec<PathBuf> {
        self.live.iter().flat_map(|live| live.open.iter().cloned()).collect()
    }

    /// Returns the line at `now`, while the segments that grow have `growing` bytes together, if
    /// that is known; an empty one before the first event.
    pub(super) fn line(&mut self, growing: Option<u64>, now: Instant) -> String {
        let mut parts = match &mut self.live {
            Some(live) => live.parts(growing, now),
            None => self.files.parts(now),
        };
        if parts.is_empty() {
            return String::new();
        }
        let found =
            [(self.frames, "frame"), (self.pieces, "piece of sound"), (self.faults, "fault")];
        let found = found.into_iter().filter(|(number, _)| *number > 0);
        parts.extend(found.map(|(number, noun)| match noun {
            "piece of sound" => format!("{} of sound", units::count(number, "piece")),
            _ => units::count(number, noun),
        }));
        if let Some(live) = &self.live {
            parts.extend(live.lag.map(|lag| format!("lag {}", units::span(lag))));
            parts.extend(live.free.map(|bytes| format!("{} free", units::size(bytes))));
        }
        parts.join(", ")
    }
}

impl Live {
    fn parts(&mut self, growing: Option<u64>, now: Instant) -> Vec<String> {
        self.measure(growing, now);
        let Some(connected) = self.connected else {
            if self.stopped {
                return vec!["recorded, finishing".to_owned()];
            }
            let next = if self.had_sender { "the next" } else { "a" };
            return vec![format!("waiting for {next} sender")];
        };
        let since = |at| now.saturating_duration_since(at).as_secs_f64();
        let mut parts = vec![format!("recording {}", clock_of(since(connected)))];
        match self.grown.map(since) {
            Some(silence) if silence > SILENCE && growing.is_some() => {
                parts.push(format!("no data for {}", units::span(silence)));
            }
            _ => {
                parts.extend(self.bitrate.map(units::bitrate));
                parts.extend(self.fps.map(|fps| format!("{} fps", (fps * 100.0).round() / 100.0)));
            }
        }
        parts
    }

    /// Measures the rate by the files on the disk: `stats` come every ten seconds.
    fn measure(&mut self, growing: Option<u64>, now: Instant) {
        let Some(growing) = growing else { return };
        let bytes = self.closed + growing;
        if let Some((before, at)) = self.before.replace((bytes, now)) {
            let seconds = now.saturating_duration_since(at).as_secs_f64();
            if bytes > before {
                self.grown = Some(now);
                self.bitrate = Some((bytes - before) as f64 * 8.0 / seconds.max(0.001));
            }
        }
    }
}

impl Files {
    fn announce(&mut self, segment: &Segment, now: Instant) {
        self.begun.get_or_insert(now);
        self.announced += 1;
        self.seconds += segment.duration.unwrap_or(0.0);
        self.pictures += video(segment).map_or(0, |(pictures, _)| pictures);
    }

    fn parts(&self, now: Instant) -> Vec<String> {
        let Some(begun) = self.begun else { return Vec::new() };
        // The slowest stage counts.
        let done = self.done.values().copied().min().unwrap_or(0);
        if self.announced < done {
            return vec![format!("{} done", units::count(done, "segment"))];
        }
        let mut parts = vec![format!("{done} of {}", units::count(self.announced, "segment"))];
        let share = |done: u64, of: u64| if of > 0 { done as f64 / of as f64 } else { 0.0 };
        // A segment may last for hours.
        let share = share(done, self.announced).max(share(self.decoded, self.pictures)).min(1.0);
        let (seconds, elapsed) = (share * self.seconds, now.saturating_duration_since(begun));
        if seconds > 0.0 && !elapsed.is_zero() {
            let speed = seconds / elapsed.as_secs_f64();
            parts.push(format!("{} at {speed:.1} x real time", clock_of(seconds)));
            let left = ((self.seconds - seconds) / speed).floor();
            if share > ESTIMATED && left >= 1.0 {
                parts.push(format!("{} left", units::span(left)));
            }
        }
        parts
    }
}

/// Returns a time without fractions of a second.
fn clock_of(seconds: f64) -> String {
    let mut time = units::time(seconds.floor());
    time.truncate(time.len() - ".000".len());
    time
}

/// Returns the number of pictures and the pictures per second of a segment's video.
fn video(segment: &Segment) -> Option<(u64, Option<f64>)> {
    let pid = segment.video_pid?;
    let stream = segment.streams.iter().find(|stream| stream.pid == pid)?;
    let seconds = segment.duration.filter(|seconds| *seconds > 0.0);
    Some((stream.units, seconds.map(|seconds| stream.units as f64 / seconds)))
}

fn fps(segment: &Segment) -> Option<f64> {
    video(segment)?.1
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::process::clock;

    fn event(line: &str) -> Event {
        Event::parse(line.as_bytes()).unwrap().unwrap()
    }

    fn segment(seq: u64) -> Event {
        event(&format!(
            r#"{{"v":1,"type":"segment","session":null,"seq":{seq},"path":"/a/{seq}.ts","bytes":9,"start":0,"duration":60.0,"keyframes":1,"video_pid":256,"packet_size":188,"packets":202,"streams":[{{"pid":256,"program":1,"codec":"h264","units":1500,"keyframes":1,"continuity_errors":0}}],"damage":{{"continuity_errors":0,"sync_losses":0,"skipped_bytes":0,"transport_errors":0,"table_errors":0}}}}"#
        ))
    }

    const DONE: &str = r#"{"v":1,"type":"segment_done","session":null,"stage":"cht-scenes","seq":1,"path":"/a/1.ts","events":1}"#;
    const FRAME: &str = r#"{"v":1,"type":"frame","session":null,"id":"F000001","timestamp":0,"pts":0,"path":"/a/F000001.jpg","segment":"/a/1.ts","reason":"first","scores":{"scene":0},"width":6,"height":3,"bytes":1,"hash":"c"}"#;

    #[test]
    fn files_tell_speed_and_the_rest() {
        let (mut progress, start) = (Progress::default(), clock::monotonic());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(progress.line(None, start), "");
        (1..=4).for_each(|seq| progress.watch(&segment(seq), start));
        assert_eq!(progress.line(None, at(2)), "0 of 4 segments");
        progress.watch(&event(DONE), at(10));
        progress.watch(&event(FRAME), at(10));
        let line = "1 of 4 segments, 00:01:00 at 6.0 x real time, 30.0 s left, 1 frame";
        assert_eq!(progress.line(None, at(10)), line);
        // A stage that is slower.
        progress.watch(&event(DONE), at(10));
        progress.watch(&event(&DONE.replace("scenes", "audio")), at(20));
        assert!(progress.line(None, at(20)).starts_with("1 of 4 segments, 00:01:00 at 3.0 x"));
        // Decoded pictures tell more than segments do.
        let stats = r#"{"v":1,"type":"stats","session":null,"stage":"cht-scenes","at":"2026-11-23T06:24:31Z","interval":10.0,"scenes":{"decoded":4500,"kept":1,"suppressed":{},"decoding":"full","skipped":0,"choices_waiting":0,"pictures_waiting":0}}"#;
        progress.watch(&event(stats), at(20));
        assert!(progress.line(None, at(20)).starts_with("1 of 4 segments, 00:03:00 at 9.0 x"));
    }

    #[test]
    fn recorded_file_is_no_live_stream() {
        let (mut progress, start) = (Progress::default(), clock::monotonic());
        for line in [
            r#"{"v":1,"type":"listening","session":"/s","address":"talk.mp4"}"#,
            r#"{"v":1,"type":"connected","session":"/s","connection":1,"peer":"talk.mp4","at":"2026-11-23T06:24:21Z"}"#,
            r#"{"v":1,"type":"segment_open","session":"/s","seq":1,"path":"/s/1.ts.part","connection":1,"at":"2026-11-23T06:24:21Z"}"#,
        ] {
            progress.watch(&event(line), start);
        }
        assert_eq!(progress.line(Some(9), start), "");
        progress.watch(&segment(1), start);
        progress.watch(&event(r#"{"v":1,"type":"disconnected","session":"/s","connection":1,"peer":"talk.mp4","reason":"end of stream","bytes":9,"at":"2026-11-23T06:24:21Z"}"#), start);
        assert_eq!(progress.line(Some(9), start), "0 of 1 segment");
    }

    #[test]
    fn live_stream_tells_its_rate_and_its_silence() {
        let (mut progress, start) = (Progress::default(), clock::monotonic());
        let at = |seconds| start + Duration::from_secs(seconds);
        progress.watch(
            &event(r#"{"v":1,"type":"listening","session":"/s","address":"tcp://127.0.0.1:1"}"#),
            start,
        );
        assert_eq!(progress.line(Some(0), at(1)), "waiting for a sender");
        progress.watch(&event(r#"{"v":1,"type":"connected","session":"/s","connection":1,"peer":"x","at":"2026-11-23T06:24:21Z"}"#), at(2));
        progress.watch(&event(r#"{"v":1,"type":"segment_open","session":"/s","seq":1,"path":"/s/1.ts.part","connection":1,"at":"2026-11-23T06:24:21Z"}"#), at(2));
        assert_eq!(progress.growing(), [Path::new("/s/1.ts")]);
        progress.line(Some(0), at(2));
        assert_eq!(progress.line(Some(250_000), at(3)), "recording 00:00:01, 2.00 Mbit/s");
        progress.watch(&segment(1), at(4));
        progress.watch(&event(FRAME), at(4));
        assert_eq!(
            progress.line(Some(500_000), at(4)),
            "recording 00:00:02, 2.00 Mbit/s, 25 fps, 1 frame"
        );
        assert_eq!(
            progress.line(Some(500_000), at(9)),
            "recording 00:00:07, no data for 5.0 s, 1 frame"
        );
        progress.watch(&event(r#"{"v":1,"type":"disconnected","session":"/s","connection":1,"peer":"x","reason":"end of stream","bytes":9,"at":"2026-11-23T06:24:21Z"}"#), at(10));
        assert_eq!(progress.line(Some(500_000), at(10)), "waiting for the next sender, 1 frame");
        progress.watch(&event(r#"{"v":1,"type":"disconnected","session":"/s","connection":1,"peer":"x","reason":"stopped","bytes":9,"at":"2026-11-23T06:24:21Z"}"#), at(10));
        assert_eq!(progress.line(Some(500_000), at(10)), "recorded, finishing, 1 frame");
    }
}
