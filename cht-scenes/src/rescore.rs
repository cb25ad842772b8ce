//! `--from-scores`: decides again on what was measured, without decoding. Only the pictures that are kept are decoded, each with its
//! group of pictures.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail};
use cht_core::{ffmpeg::Program, time::seconds, ts::Codec};
use cht_scenes::detect::{Choice, Decider, Returned, Shown};

use crate::{
    args::Args,
    feed::Source,
    options::Options,
    picker::{Done, Found, Output, Picker},
    scores::{self, Line, Origin},
    stats::Tally,
    store::Store,
};

/// A frame that is to be kept.
#[derive(Debug)]
struct Wanted {
    at: i64,
    choice: Choice,
    /// ffmpeg's scene score.
    score: f64,
    /// Blocks that never rested then.
    hidden: Vec<bool>,
}

/// A segment, or the part of one that one decoder has decoded.
#[derive(Debug)]
struct Segment {
    origin: Origin,
    decoded: u64,
    wanted: Vec<Wanted>,
}

/// Decides, and fetches the pictures.
pub(crate) fn run(args: &Args, scores: &Path, output: &Output, tally: &Arc<Tally>) -> Result<()> {
    let options = Options::of(args);
    let segments = decide(scores, &options)?;
    let ffmpeg = Program::find(&args.ffmpeg)?;
    let mut folders: HashMap<PathBuf, Picker> = HashMap::new();
    // What was kept since the last break.
    let (mut returned, mut last) = (Returned::default(), None::<Origin>);
    for segment in segments {
        let origin = &segment.origin;
        let of_session = || Some(PathBuf::from(origin.session.as_ref()?).join("frames"));
        let Some(folder) = args.out.clone().or_else(of_session) else {
            bail!("the segments belong to no session; say where the frames go with --out DIR");
        };
        if !folders.contains_key(&folder) {
            let store = Store::open(&folder, &options, args.overwrite)?;
            let picker =
                Picker::new(store, Arc::clone(output), args, ffmpeg.clone(), Arc::clone(tally));
            folders.insert(folder.clone(), picker);
        }
        let picker = folders.get_mut(&folder).context("a folder that was opened")?;
        picker.session.clone_from(&origin.session);
        let before = last.replace(segment.origin.clone());
        if !before.is_some_and(|before| before.leads_to(&segment.origin)) {
            returned = Returned::default();
        }
        keep(picker, segment, &mut returned)?;
    }
    Ok(())
}

/// Reads the measures and runs the detectors over them.
fn decide(scores: &Path, options: &Options) -> Result<Vec<Segment>> {
    let mut segments: Vec<Segment> = Vec::new();
    let mut decider: Decider<()> = Decider::new(options.rules());
    // The first segment that the decider has seen.
    let mut run = 0;
    for line in scores::read(scores)? {
        match line? {
            Line::Segment(origin) => {
                let continues = segments.last().is_some_and(|last| last.origin.leads_to(&origin));
                if !continues {
                    conclude(&mut segments[run..], decider);
                    decider = Decider::new(options.rules());
                    run = segments.len();
                }
                segments.push(Segment { origin, decoded: 0, wanted: Vec::new() });
            }
            Line::Frame(frame) => {
                let Some(segment) = segments.last_mut() else {
                    bail!("{}: line 1: a frame of no segment", scores.display());
                };
                segment.decoded += 1;
                decider.push(&frame.measures, frame.picture.then_some(()));
                while let Some((choice, shown)) = decider.next_choice() {
                    assign(&mut segments[run..], &decider, choice, &shown);
                }
            }
        }
    }
    conclude(&mut segments[run..], decider);
    Ok(segments)
}

/// A run has ended: what is left is chosen.
fn conclude(segments: &mut [Segment], mut decider: Decider<()>) {
    decider.finish();
    while let Some((choice, shown)) = decider.last_choice() {
        assign(segments, &decider, choice, &shown);
    }
}

/// Gives a choice to the segment that it is in.
fn assign(segments: &mut [Segment], decider: &Decider<()>, choice: Choice, shown: &Shown<()>) {
    let at = shown.at();
    let holds = |segment: &Segment| segment.origin.anchor.offset <= at;
    let segment = segments.iter().rposition(holds).unwrap_or(0);
    if let Some(segment) = segments.get_mut(segment) {
        let (score, hidden) = (decider.score(at), decider.hidden());
        segment.wanted.push(Wanted { at, choice, score, hidden });
    }
}

/// Writes what a segment gives, or says it again.
fn keep(picker: &mut Picker, segment: Segment, returned: &mut Returned) -> Result<()> {
    let Segment { origin, decoded, wanted } = segment;
    let length = std::fs::metadata(&origin.path).map(|metadata| metadata.len());
    let bytes = match length {
        Ok(bytes) => bytes,
        Err(error) => {
            let message =
                format!("{}: {error}; its frames cannot be decoded any more", origin.path);
            return picker.fail("unreadable", &message, Some(&origin.path));
        }
    };
    if picker.replay(&origin.path, bytes)? {
        return Ok(());
    }
    let source = origin.source();
    let part = source.part(&origin.path, false);
    let mut ticks: Vec<i64> = wanted.iter().map(|wanted| wanted.at).collect();
    ticks.sort_unstable();
    ticks.dedup();
    let pictures: HashMap<i64, _> = match picker.fetcher.fetch(&source, &part.path, &ticks) {
        Ok(pictures) => pictures.into_iter().collect(),
        Err(error) => {
            picker.fail("decoder_failed", &format!("{error:#}"), Some(&part.path))?;
            HashMap::new()
        }
    };
    let mut frames = 0;
    for Wanted { at, choice, score, hidden } in wanted {
        let Some(picture) = pictures.get(&at) else {
            let message = format!("{}: no picture at {} s", part.path, seconds(at));
            picker.fail("no_picture", &message, Some(&part.path))?;
            continue;
        };
        let back = returned.keep(&picture.small(), &hidden);
        let found = Found::of(&choice, at, score, back);
        picker.keep(&part, at, &found, picture)?;
        frames += 1;
    }
    picker.done(Done {
        seq: origin.seq,
        path: origin.path,
        bytes,
        frames,
        decoded,
        ..Done::default()
    })
}

impl Origin {
    /// Whether the detectors went on from this segment to `next` without a break.
    fn leads_to(&self, next: &Self) -> bool {
        self.anchor.continues(&next.anchor) && (self.pid, &self.codec) == (next.pid, &next.codec)
    }

    fn source(&self) -> Source {
        let codec = self.codec.as_deref().and_then(Codec::named);
        Source::alone(self.seq, self.anchor, self.pid, codec)
    }
}
