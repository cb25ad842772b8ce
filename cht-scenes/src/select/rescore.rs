//! Decides again on logged measures, without decoding (`--from-scores`). Only the selected pictures
//! are decoded, each with its group of pictures.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    process::ffmpeg::Program,
    session::Position,
    stage::{Disk, Output},
};
use cht_detect::{Revisits, SceneDetector, Selection, Shown};
use cht_ts::{Codec, time::seconds};

use super::{
    found::Found,
    journal::FrameJournal,
    score_log::{Line, Origin, Reader},
    writer::{FrameWriter, segment_done},
};
use crate::{
    cli::{args::Args, options::Options},
    input::Source,
    stats::counters::Counters,
};

/// Describes a selected frame.
#[derive(Debug)]
struct Wanted {
    at: i64,
    selection: Selection,
    /// Scene score of ffmpeg.
    score: f64,
    /// Blocks that were never at rest at that time.
    hidden: Vec<bool>,
    changed: Vec<usize>,
}

/// Describes a segment, or the part of one that one decoder has decoded.
#[derive(Debug)]
struct ScoredSegment {
    origin: Origin,
    decoded: u64,
    wanted: Vec<Wanted>,
}

/// Decides on the scores, and fetches the pictures.
pub(crate) fn run(
    args: &Args,
    scores: &Path,
    output: &Output,
    counters: &Arc<Counters>,
) -> Result<()> {
    let options = Options::of(args);
    let segments = decide(scores, &options)?;
    let ffmpeg = Program::read(&args.ffmpeg)?;
    let mut folders: HashMap<PathBuf, FrameWriter> = HashMap::new();
    let disk = Disk::new(output);
    // Frames kept since the last break.
    let (mut returned, mut last) = (Revisits::default(), None::<Origin>);
    let (mut segments, mut parts) = (segments.into_iter().peekable(), Parts::default());
    while let Some(segment) = segments.next() {
        let origin = &segment.origin;
        let of_session = || Some(PathBuf::from(origin.session.as_ref()?).join("frames"));
        let Some(folder) = args.out.clone().or_else(of_session) else {
            bail!("the segments belong to no session; say where the frames go with --out DIR");
        };
        if !folders.contains_key(&folder) {
            disk.enter(origin.session.as_deref());
            counters.enter(origin.session.as_deref(), &folder);
            let journal = FrameJournal::open(&folder, &options, args.overwrite, disk.clone())?;
            let (output, ffmpeg) = (output.clone(), ffmpeg.clone());
            let writer =
                FrameWriter::new(journal, None, output, args, ffmpeg, Arc::clone(counters));
            folders.insert(folder.clone(), writer);
        }
        let writer = folders.get_mut(&folder).context("a folder that was opened")?;
        writer.session.clone_from(&origin.session);
        let before = last.replace(segment.origin.clone());
        if !before.is_some_and(|before| before.leads_to(&segment.origin)) {
            returned = Revisits::default();
        }
        parts.is_last = segments.peek().is_none_or(|next| next.origin.path != origin.path);
        keep(writer, segment, &mut returned, &mut parts)?;
        if parts.is_last {
            parts = Parts::default();
        }
    }
    Ok(())
}

/// Sums up the earlier parts of a segment that several decoders have decoded.
#[derive(Debug, Default)]
struct Parts {
    is_last: bool,
    /// Whether an earlier run has done the whole segment, and its events were emitted again.
    is_replayed: bool,
    frames: u64,
    decoded: u64,
}

/// Reads the measures, and runs the detectors over them.
fn decide(scores: &Path, options: &Options) -> Result<Vec<ScoredSegment>> {
    let mut segments: Vec<ScoredSegment> = Vec::new();
    let mut detector: SceneDetector<()> = SceneDetector::new(options.rules());
    // Index of the first segment that the scene detector has seen.
    let mut run = 0;
    let mut lines = Reader::open(scores)?;
    while let Some(line) = lines.next()? {
        match line {
            Line::Segment(origin) => {
                let continues = segments.last().is_some_and(|last| last.origin.leads_to(&origin));
                if !continues {
                    conclude(&mut segments[run..], detector);
                    detector = SceneDetector::new(options.rules());
                    run = segments.len();
                }
                segments.push(ScoredSegment { origin, decoded: 0, wanted: Vec::new() });
            }
            Line::Frame(frame) => {
                let Some(segment) = segments.last_mut() else {
                    bail!("{}: line 1: a frame of no segment", scores.display());
                };
                segment.decoded += 1;
                if !frame.measures.gap {
                    detector.pass(frame.measures.at);
                    assign_selected(&mut segments[run..], &mut detector);
                }
                detector.push(&frame.measures, frame.picture.then_some(()));
                assign_selected(&mut segments[run..], &mut detector);
            }
        }
    }
    conclude(&mut segments[run..], detector);
    Ok(segments)
}

/// Assigns the selections made so far to their segments.
fn assign_selected(segments: &mut [ScoredSegment], detector: &mut SceneDetector<()>) {
    while let Some((selection, shown)) = detector.next_choice() {
        assign(segments, detector, selection, &shown);
    }
}

/// Makes the last selections at the end of a run.
fn conclude(segments: &mut [ScoredSegment], mut detector: SceneDetector<()>) {
    detector.finish();
    while let Some((selection, shown)) = detector.last_choice() {
        assign(segments, &mut detector, selection, &shown);
    }
}

/// Assigns a selection to the segment that it lies in.
fn assign(
    segments: &mut [ScoredSegment],
    detector: &mut SceneDetector<()>,
    selection: Selection,
    shown: &Shown<()>,
) {
    let at = shown.at();
    let holds = |segment: &ScoredSegment| segment.origin.anchor.offset <= at;
    let segment = segments.iter().rposition(holds).unwrap_or(0);
    if let Some(segment) = segments.get_mut(segment) {
        let (score, hidden) = (detector.score(at), detector.hidden());
        let changed = detector.take_small();
        segment.wanted.push(Wanted { at, selection, score, hidden, changed });
    }
}

/// Writes the frames of a segment, or emits again those of an earlier run.
fn keep(
    writer: &mut FrameWriter,
    segment: ScoredSegment,
    returned: &mut Revisits,
    parts: &mut Parts,
) -> Result<()> {
    let ScoredSegment { origin, decoded, wanted } = segment;
    let length = std::fs::metadata(&origin.path).map(|metadata| metadata.len());
    let bytes = match length {
        Ok(bytes) => bytes,
        Err(error) => {
            let message =
                format!("{}: {error}; its frames cannot be decoded any more", origin.path);
            return writer.fail("unreadable", &message, Some(&origin.path));
        }
    };
    if parts.is_replayed || writer.replay(&origin.path, bytes)? {
        parts.is_replayed = true;
        return Ok(());
    }
    let source = origin.source();
    let part = source.part(&origin.path, false);
    let mut ticks: Vec<i64> = wanted.iter().map(|wanted| wanted.at).collect();
    ticks.sort_unstable();
    ticks.dedup();
    let pictures: HashMap<i64, _> = match writer.refetcher.fetch(&source, &part.path, &ticks) {
        Ok(pictures) => pictures.into_iter().collect(),
        Err(error) => {
            writer.fail("decoder_failed", &format!("{error:#}"), Some(&part.path))?;
            HashMap::new()
        }
    };
    for Wanted { at, selection, score, hidden, changed } in wanted {
        let Some(picture) = pictures.get(&at) else {
            let message = format!("{}: no picture at {} s", part.path, seconds(at));
            writer.fail("no_picture", &message, Some(&part.path))?;
            continue;
        };
        let back = returned.keep(&picture.small(), &hidden, changed);
        let found = Found::of(&selection, at, score, back);
        writer.keep(&part, at, &found, picture)?;
        parts.frames += 1;
    }
    parts.decoded += decoded;
    if !parts.is_last {
        return Ok(());
    }
    let done = segment_done(origin.seq, origin.path, parts.frames, parts.decoded);
    writer.done_alone(done, bytes)
}

impl Origin {
    /// Returns whether the detectors went on from this segment to `next` without a break.
    fn leads_to(&self, next: &Self) -> bool {
        self.position().leads_to(&next.position())
            && (self.pid, &self.codec) == (next.pid, &next.codec)
    }

    fn position(&self) -> Position<'_> {
        Position { path: &self.path, anchor: self.anchor }
    }

    fn source(&self) -> Source {
        let codec = self.codec.as_deref().and_then(Codec::named);
        let range = self.from..self.until.unwrap_or(u64::MAX);
        let whole = Source::alone(self.seq, self.anchor, self.pid, codec);
        Source { wall_clock: self.wall_clock, ..whole }.part_of(range)
    }
}

#[cfg(test)]
mod tests {
    use cht_core::event::Anchor;
    use clap::Parser as _;
    use proptest::prelude::*;

    use super::super::score_log;
    use super::*;

    /// Returns the scores of two segments of ten frames, as they are written.
    fn scores() -> Vec<u8> {
        let mut text = String::new();
        for segment in 0..2_i64 {
            let offset = segment * 36_000;
            let anchor = Anchor { pts: offset, offset };
            let (path, codec) = (format!("/{segment}.ts"), Some("h264".to_owned()));
            let origin = Origin {
                session: None,
                path,
                seq: segment as u64,
                anchor,
                pid: 256,
                codec,
                wall_clock: None,
                from: 0,
                until: None,
            };
            text += &serde_json::to_string(&Line::Segment(origin)).unwrap();
            text.push('\n');
            for n in 0..10 {
                let measures = cht_detect::measure::Measures {
                    at: offset + n * 3600,
                    score: 0.5,
                    grid: (8, 4),
                    ..Default::default()
                };
                let timestamp = seconds(measures.at);
                let frame = score_log::Scored { timestamp, picture: true, measures };
                text += &serde_json::to_string(&Line::Frame(Box::new(frame))).unwrap();
                text.push('\n');
            }
        }
        text.into_bytes()
    }

    fn options() -> Options {
        Options::of(&Args::parse_from(["cht-scenes", "--out", "x"]))
    }

    fn decided(text: &[u8]) -> Result<Vec<ScoredSegment>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.ndjson");
        std::fs::write(&path, text).unwrap();
        decide(&path, &options())
    }

    #[test]
    fn damaged_line_hides_no_later_one() {
        let text = scores();
        let mut lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
        lines[4] = b"{\"frame\":{\"timest\n";
        let segments = decided(&lines.concat()).unwrap();
        assert_eq!(segments.iter().map(|segment| segment.decoded).collect::<Vec<_>>(), [9, 10]);
        // A torn last line counts as missing.
        let segments = decided(&text[..text.len() - 5]).unwrap();
        assert_eq!(segments.iter().map(|segment| segment.decoded).collect::<Vec<_>>(), [10, 9]);
    }

    #[test]
    fn implausible_measures_are_skipped() {
        let text = String::from_utf8(scores()).unwrap();
        for (good, bad) in [
            ("\"at\":3600", "\"at\":-9223372036854775808"),
            ("\"grid\":[8,4]", "\"grid\":[4294967295,4294967295]"),
            ("\"changes\":[]", "\"changes\":[[4294967290,9,0,0]]"),
            ("\"difference\":0.0", "\"difference\":1e300"),
        ] {
            assert!(text.contains(good), "{good}");
            let segments = decided(text.replacen(good, bad, 1).as_bytes()).unwrap();
            assert_eq!(segments[0].decoded, 9, "{bad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn damaged_bytes_are_read_to_the_end(
            damage in prop::collection::vec((0..6000_usize, b' '..b'z'), 1..40)
        ) {
            let mut text = scores();
            for (at, byte) in damage {
                let length = text.len();
                text[at % length] = byte;
            }
            let _ = decided(&text);
        }

        #[test]
        fn times_in_any_order_give_a_decision(
            times in prop::collection::vec(-(1_i64 << 56) + 1..1_i64 << 56, 1..30)
        ) {
            let text = String::from_utf8(scores()).unwrap();
            let lines: Vec<String> = text.lines().zip(times.iter().cycle()).map(|(line, time)| {
                let at = line.find("\"at\":").map(|at| at + 5);
                let Some(at) = at else { return line.to_owned() };
                let end = at + line[at..].find(',').unwrap();
                format!("{}{time}{}", &line[..at], &line[end..])
            }).collect();
            let _ = decided((lines.join("\n") + "\n").as_bytes());
        }
    }
}
