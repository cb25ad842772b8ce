//! Rows under their headings: which events have one, and what a row need not repeat.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{
    cells::{fit, width},
    paths::near_to,
    row, units,
};
use crate::{
    event::{Body, Event, Frame, Listening},
    process::harmless::harmless,
};

/// Kinds of events that the people at a stage's terminal want to read: those that it adds, and the
/// findings of the stages before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// Segments as they are recorded.
    Recorded,
    /// Segments that were examined.
    Segments,
    /// Frames, sound and words.
    Findings,
    /// The same, passed on by a tool that has a status line of its own.
    Passed,
}

/// The place where the table is read.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    /// Whether events have a row that is not in [`Rows`] as well.
    pub is_verbose: bool,
    /// Whether the same terminal shows stderr, which reports senders and faults.
    pub has_stderr: bool,
    pub is_coloured: bool,
    /// Folder from which paths are given.
    pub folder: Option<PathBuf>,
}

/// The rows that were written so far, as far as the next one depends on them.
#[derive(Debug)]
pub(super) struct Table {
    rows: Rows,
    place: Place,
    /// Session of the last row, or of the recorder, which has named it on stderr.
    session: Option<String>,
    /// When a live stream began.
    live_since: Option<Timestamp>,
    /// Whether a file is recorded, which is never late.
    of_file: bool,
    heads_frames: bool,
    heads_segments: bool,
}

/// Weight of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Plain,
    Heading,
    Fault,
    Faint,
}

impl Table {
    pub(super) fn new(rows: Rows, place: Place) -> Self {
        Self {
            rows,
            place,
            session: None,
            live_since: None,
            of_file: false,
            heads_frames: false,
            heads_segments: false,
        }
    }

    /// Returns the lines for an event in a terminal of `columns`, with their newlines; none for an
    /// event without a row.
    pub(super) fn lines(&mut self, event: &Event, now: Timestamp, columns: usize) -> String {
        self.watch(event);
        let Some((row, weight)) = self.row(event, now, columns) else { return String::new() };
        let mut lines = self.heading(event, columns);
        // A fault is read whole, on several lines of the terminal.
        let columns = if weight == Weight::Fault { usize::MAX } else { columns };
        lines.push_str(&self.line(&row, weight, columns));
        lines
    }

    /// Returns the line for an event of an unknown type.
    pub(super) fn unknown(&self, raw: &[u8], columns: usize) -> String {
        self.line(&row::unknown(raw), Weight::Faint, columns)
    }

    /// Notes whether the stream is live.
    fn watch(&mut self, event: &Event) {
        let at = match &event.body {
            Body::Listening(listening) => {
                self.session.clone_from(&event.session);
                self.of_file = Listening::names_file(&listening.address);
                return;
            }
            _ if self.of_file => return,
            Body::Connected(connected) => connected.at,
            Body::SegmentOpen(open) => open.at,
            _ => return,
        };
        self.live_since.get_or_insert(at);
    }

    fn row(&self, event: &Event, now: Timestamp, columns: usize) -> Option<(String, Weight)> {
        let Place { is_verbose, has_stderr, .. } = self.place;
        let text = match &event.body {
            Body::SegmentClosed(closed) if self.rows == Rows::Recorded => {
                row::segment_closed(closed)
            }
            Body::Deleted(deleted) if self.rows == Rows::Recorded || is_verbose => {
                row::deleted(deleted)
            }
            Body::Segment(segment) if self.rows == Rows::Segments || is_verbose => {
                row::segment(segment)
            }
            Body::Frame(frame) => self.frame(frame, now, columns),
            Body::Audio(audio) => row::audio(audio),
            Body::Transcript(words) => row::transcript(words),
            Body::Text(text) => row::text(text),
            Body::Sent(sent) => row::sent(sent),
            Body::Failure(failure) if !has_stderr => {
                return Some((row::failure(failure), Weight::Fault));
            }
            _ => return None,
        };
        Some((text, Weight::Plain))
    }

    fn frame(&self, frame: &Frame, now: Timestamp, columns: usize) -> String {
        // Of a frame from before the stream began, as an earlier run has found it, lateness means
        // nothing.
        let late = |at: Timestamp| {
            let known = self.live_since.is_some_and(|since| at >= since);
            known.then(|| units::span(now.duration_since(at).as_secs_f64()))
        };
        let late = self.live_since.map(|_| frame.at.and_then(late).unwrap_or_default());
        let late = late.as_deref();
        let pictures = [self.near(&frame.path).to_string(), row::dimensions(frame), String::new()];
        let rows = pictures.into_iter().map(|picture| row::frame(frame, late, &picture));
        let mut rows = rows.skip_while(|row| width(row) > columns);
        rows.next().unwrap_or_else(|| row::frame(frame, late, ""))
    }

    /// Returns a path from the present folder on, if it is below that.
    fn near<'a>(&self, path: &'a str) -> std::path::Display<'a> {
        let path = Path::new(path);
        self.place.folder.as_deref().map_or(path, |folder| near_to(path, folder)).display()
    }

    /// Returns the lines that have to precede the row of an event.
    fn heading(&mut self, event: &Event, columns: usize) -> String {
        let mut lines = String::new();
        if self.session != event.session {
            self.session.clone_from(&event.session);
            if let Some(session) = &event.session {
                let text = format!("session  {}", self.near(session));
                lines.push_str(&self.line(&text, Weight::Faint, columns));
            }
        }
        let heading = match &event.body {
            Body::Frame(_) if !std::mem::replace(&mut self.heads_frames, true) => {
                row::frame_heading(self.live_since.is_some())
            }
            Body::Segment(_) | Body::SegmentClosed(_)
                if !std::mem::replace(&mut self.heads_segments, true) =>
            {
                row::segment_heading()
            }
            _ => return lines,
        };
        lines.push_str(&self.line(&heading, Weight::Heading, columns));
        lines
    }

    fn line(&self, text: &str, weight: Weight, columns: usize) -> String {
        // Names of files and the words of strangers may be anything.
        let text = fit(harmless(text).trim_end(), columns);
        let style = match weight {
            _ if !self.place.is_coloured => "",
            Weight::Plain => "",
            Weight::Heading => "\x1b[1m",
            Weight::Fault => "\x1b[31m",
            Weight::Faint => "\x1b[2m",
        };
        let reset = if style.is_empty() { "" } else { "\x1b[0m" };
        format!("{style}{text}{reset}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(line: &str) -> Event {
        Event::parse(line.as_bytes()).unwrap().unwrap()
    }

    fn place() -> Place {
        Place { has_stderr: true, folder: Some("/srv".into()), ..Place::default() }
    }

    const OPEN: &str = r#"{"v":1,"type":"segment_open","session":"/srv/s/1","seq":1,"path":"/srv/s/1/stream/segment_000001.ts.part","connection":1,"at":"2026-11-23T06:24:21Z"}"#;
    const FRAME: &str = r#"{"v":1,"type":"frame","session":"/srv/s/1","id":"F000002","timestamp":5.0,"pts":577920,"at":"2026-11-23T06:24:26.24Z","path":"/srv/s/1/frames/F000002.jpg","segment":"/srv/s/1/stream/segment_000002.ts","reason":"scene","detector":"scene","returned_to":"F000001","scores":{"scene":0.726696},"width":640,"height":360,"bytes":14167,"hash":"cb"}"#;
    const WORDS: &str = r#"{"v":1,"type":"transcript","session":"/srv/s/1","start":15.1,"end":19.32,"text":"Let us \u001b[2J look at the second slide, and at all of the others that come after it.","speaker":"Ann"}"#;
    const ERROR: &str = r#"{"v":1,"type":"error","session":null,"stage":"cht-scenes","code":"no_video","message":"/srv/cht/audio.ts: no video in it; nothing to look at, and this message is read whole","path":"/srv/cht/audio.ts"}"#;
    const SEGMENT: &str = r#"{"v":1,"type":"segment","session":null,"seq":3,"path":"/old/cam 3.ts","bytes":37976,"first_pts":847920,"last_pts":1024320,"start":8.0,"duration":2.0,"keyframes":1,"packet_size":188,"packets":202,"streams":[{"pid":256,"program":1,"codec":"h264","units":50,"keyframes":1,"continuity_errors":0,"width":640,"height":360},{"pid":257,"program":1,"codec":"aac","units":7,"keyframes":0,"continuity_errors":0,"sample_rate":44100,"channels":1}],"damage":{"continuity_errors":2,"sync_losses":0,"skipped_bytes":0,"transport_errors":0,"table_errors":0}}"#;
    const AUDIO: &str = r#"{"v":1,"type":"audio","session":"/srv/s/1","id":"A000002","start":14.84,"duration":12.5,"pts":1,"segment":"/srv/s/1/stream/segment_000003.ts","pid":257,"language":"eng","samples":200000,"rate":16000,"channels":1,"speech":[[15.1,19.32],[19.9,27.02]],"silent":false,"bytes":0}"#;
    const TEXT: &str = r#"{"v":1,"type":"text","session":"/srv/s/1","id":"F000002","text":"Agenda\n\n 1. Results\n"}"#;

    fn lines(table: &mut Table, columns: usize, events: &[&str]) -> String {
        let now = "2026-11-23T06:24:26.5Z".parse().unwrap();
        events.iter().map(|line| table.lines(&event(line), now, columns)).collect()
    }

    #[test]
    fn rows_of_live_stream_fit_their_terminal() {
        let mut narrow = Table::new(Rows::Findings, place());
        let shown = lines(&mut narrow, 80, &[OPEN, FRAME, AUDIO, TEXT, WORDS, ERROR, SEGMENT]);
        assert_eq!(
            shown,
            "\
session  s/1
frame            time   score  reason        late  picture
F000002  00:00:05.000  0.7267  scene       260 ms  same as F000001
A000002  00:00:14.840  12.5 s of sound (eng), 11.3 s of speech
F000002          text  \"Agenda / 1. Results\"
speech   00:00:15.100  Ann: \"Let us \u{fffd}[2J look at the second slide, and at all o…
"
        );
        let mut wide = Table::new(Rows::Findings, place());
        assert!(
            lines(&mut wide, 120, &[OPEN, FRAME])
                .ends_with("260 ms  same as F000001  s/1/frames/F000002.jpg\n")
        );
    }

    #[test]
    fn frames_of_files_are_not_late() {
        let mut table = Table::new(Rows::Findings, place());
        assert_eq!(
            lines(&mut table, 100, &[FRAME]).lines().skip(1).collect::<Vec<_>>(),
            [
                "frame            time   score  reason    picture",
                "F000002  00:00:05.000  0.7267  scene     same as F000001  s/1/frames/F000002.jpg"
            ]
        );
    }

    #[test]
    fn segments_are_the_findings_of_their_stage_alone() {
        let mut table = Table::new(Rows::Segments, place());
        assert_eq!(
            lines(&mut table, 100, &[SEGMENT, OPEN, SEGMENT]).lines().collect::<Vec<_>>(),
            [
                "segment         begin     duration     size  contents",
                "3        00:00:08.000        2.0 s  38.0 kB  cam 3.ts: h264 640x360, aac 44.1 kHz, 2 faults",
                "3        00:00:08.000        2.0 s  38.0 kB  cam 3.ts: h264 640x360, aac 44.1 kHz, 2 faults"
            ]
        );
        let mut verbose = Table::new(Rows::Findings, Place { is_verbose: true, ..place() });
        assert_eq!(lines(&mut verbose, 100, &[SEGMENT]).lines().count(), 2);
    }

    #[test]
    fn fault_that_stderr_does_not_show_is_read_whole() {
        let elsewhere = Place { has_stderr: false, is_coloured: true, ..place() };
        let shown = lines(&mut Table::new(Rows::Findings, elsewhere), 60, &[ERROR]);
        assert!(
            shown.starts_with("\x1b[31merror    cht-scenes: /srv/cht/audio.ts: no video"),
            "{shown}"
        );
        assert!(shown.ends_with("this message is read whole\x1b[0m\n"), "{shown}");
    }

    #[test]
    fn no_row_can_steer_the_terminal() {
        let table = Table::new(Rows::Findings, place());
        let line = table.line("F1\x1b[2J\rgone\u{202e}", Weight::Plain, 80);
        assert_eq!(line, "F1\u{fffd}[2J gone\u{fffd}\n");
    }
}
