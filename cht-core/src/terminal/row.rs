//! An event in one line: its kind or id first, then its time.

use super::units;
use crate::event::{
    Audio, Deleted, Detector, Failure, Frame, Segment, SegmentClosed, Sent, StreamInfo, Text,
    Transcript,
};

/// Columns of the first field: an id, a number or a kind.
const NAME: usize = 8;

/// Heading of frames; those of a live stream are late by some time.
pub(super) fn frame_heading(is_live: bool) -> String {
    frame_cells("frame", "time", "score", "reason", is_live.then_some("late"), "picture")
}

/// A kept frame. `late` is the field of a live stream; `picture` the path to show.
pub(super) fn frame(frame: &Frame, late: Option<&str>, picture: &str) -> String {
    let scores = &frame.scores;
    let score = match frame.detector {
        Some(Detector::Screen) => scores.screen,
        Some(Detector::Adaptive) => scores.adaptive,
        Some(Detector::Scene) | None => None,
    };
    let mut last = picture.to_owned();
    if let Some(same) = &frame.returned_to {
        last = format!("same as {same}  {last}");
    }
    frame_cells(
        &frame.id,
        &units::time(frame.timestamp),
        &format!("{:.4}", score.unwrap_or(scores.scene)),
        frame.reason.as_str(),
        late,
        &last,
    )
}

fn frame_cells(
    name: &str,
    time: &str,
    score: &str,
    reason: &str,
    late: Option<&str>,
    picture: &str,
) -> String {
    let late = late.map(|late| format!("{late:>8}  ")).unwrap_or_default();
    format!("{name:<NAME$} {time:>12}  {score:>6}  {reason:<8}  {late}{picture}")
}

/// The size of a frame's picture, where there is no room for its path.
pub(super) fn dimensions(frame: &Frame) -> String {
    format!("{}x{}  {}", frame.width, frame.height, units::size(frame.bytes))
}

/// Heading of segments.
pub(super) fn segment_heading() -> String {
    segment_cells("segment", "begin", "duration", "size", "contents")
}

/// A finished segment that was examined.
pub(super) fn segment(segment: &Segment) -> String {
    let mut contents: Vec<String> = segment.streams.iter().filter_map(stream).collect();
    if contents.is_empty() {
        contents.push("no video and no sound".to_owned());
    }
    let damage = &segment.damage;
    let faults = damage.continuity_errors
        + damage.sync_losses
        + damage.transport_errors
        + damage.table_errors;
    if faults > 0 {
        contents.push(units::count(faults, "fault"));
    }
    // A loose segment was named by another program.
    let name = segment.path.rsplit('/').next().filter(|_| segment.connection.is_none());
    let name = name.map(|name| format!("{name}: ")).unwrap_or_default();
    segment_cells(
        &segment.seq.to_string(),
        &segment.start.map(units::time).unwrap_or_default(),
        &segment.duration.map(units::span).unwrap_or_default(),
        &units::size(segment.bytes),
        &(name + &contents.join(", ")),
    )
}

fn stream(stream: &StreamInfo) -> Option<String> {
    let StreamInfo { codec, width, height, sample_rate, units, .. } = stream;
    match (width.zip(*height), sample_rate) {
        _ if *units == 0 => None,
        (Some((width, height)), _) => Some(format!("{codec} {width}x{height}")),
        (None, Some(rate)) => Some(format!("{codec} {} kHz", f64::from(*rate) / 1e3)),
        (None, None) => Some(codec.clone()),
    }
}

/// A segment that was recorded.
pub(super) fn segment_closed(closed: &SegmentClosed) -> String {
    let begin = closed.timeline.map(|anchor| units::time(cht_ts::time::seconds(anchor.offset)));
    segment_cells(
        &closed.seq.to_string(),
        &begin.unwrap_or_default(),
        &closed.duration.map(units::span).unwrap_or_default(),
        &units::size(closed.bytes),
        closed.path.rsplit('/').next().unwrap_or_default(),
    )
}

fn segment_cells(name: &str, begin: &str, duration: &str, size: &str, contents: &str) -> String {
    format!("{name:<NAME$} {begin:>12}  {duration:>11}  {size:>7}  {contents}")
}

/// A segment that retention removed.
pub(super) fn deleted(deleted: &Deleted) -> String {
    let bytes = units::size(deleted.bytes);
    format!("{:<NAME$} {bytes} removed from the disk: {}", deleted.seq, deleted.path)
}

/// A piece of sound.
pub(super) fn audio(audio: &Audio) -> String {
    let spoken: f64 = audio.speech.iter().map(|[begin, end]| end - begin).sum();
    let speech = if audio.silent {
        "no speech".to_owned()
    } else {
        format!("{} of speech", units::span(spoken))
    };
    let language = audio.language.as_deref().map(|it| format!(" ({it})")).unwrap_or_default();
    let time = units::time(audio.start);
    let length = units::span(audio.duration);
    format!("{:<NAME$} {time:>12}  {length} of sound{language}, {speech}", audio.id)
}

/// Words that were said.
pub(super) fn transcript(words: &Transcript) -> String {
    let speaker = words.speaker.as_deref().map(|name| format!("{name}: ")).unwrap_or_default();
    let time = units::time(words.start);
    format!("{:<NAME$} {time:>12}  {speaker}\"{}\"", "speech", words.text)
}

/// Text on a frame.
pub(super) fn text(text: &Text) -> String {
    let lines: Vec<_> = text.text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let found = match lines.as_slice() {
        [] => "no text".to_owned(),
        lines => format!("\"{}\"", lines.join(" / ")),
    };
    format!("{:<NAME$} {:>12}  {found}", text.id, "text")
}

/// A frame that was sent to a reader.
pub(super) fn sent(sent: &Sent) -> String {
    let reader = sent.reader.as_deref().unwrap_or("agent");
    format!("{:<NAME$} {:>12}  to {reader}", sent.id, "sent")
}

/// A fault.
pub(super) fn failure(failure: &Failure) -> String {
    format!("{:<NAME$} {}: {}", "error", failure.stage, failure.message)
}

/// An event of a type that this version does not know.
pub(super) fn unknown(line: &[u8]) -> String {
    format!("{:<NAME$} {}", "event", String::from_utf8_lossy(line).trim_end())
}
