//! Runs detectors over the small luma of clips, with one constant varied at a time:
//! `varied [--measure] DETECTOR,... NUMBER:FACTOR,... CLIP...`
//!
//! `CLIP.raw` holds the planes, `CLIP.times` the width, the height and the times in ticks. With
//! `--measure` the planes are measured again for each variation. Prints a line of JSON for each
//! variation, detector and clip: the frames found, with the kind of each.

use std::{error::Error, fs, iter};

use serde_json::{Value, json};
use varied::{
    Cause, Detector, Kind, Rules, SceneDetector,
    measure::{Measures, Meter, Plane},
    vary,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Number of no constant.
const NONE: usize = usize::MAX;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1).peekable();
    let measures_again = args.next_if_eq("--measure").is_some();
    let detectors = args.next().ok_or("no detectors")?;
    let variations = args.next().ok_or("no variations")?;
    for clip in args {
        let clip = Clip::read(&clip)?;
        let usual = if measures_again { Vec::new() } else { clip.measure() };
        for variation in variations.split(',') {
            let (number, factor) = variation.split_once(':').ok_or("NUMBER:FACTOR")?;
            vary::vary(number.parse()?, factor.parse()?);
            let again = measures_again.then(|| clip.measure());
            let frames = again.as_ref().unwrap_or(&usual);
            for name in detectors.split(',') {
                let found = found(name, frames);
                let clip = &clip.name;
                println!("{}", json!([variation, name, clip, found]));
            }
        }
        vary::vary(NONE, 1.0);
    }
    Ok(())
}

/// A clip of small luma.
struct Clip {
    name: String,
    width: usize,
    height: usize,
    times: Vec<i64>,
    raw: Vec<u8>,
}

impl Clip {
    fn read(name: &str) -> Result<Self> {
        let times: Vec<i64> = serde_json::from_slice(&fs::read(format!("{name}.times"))?)?;
        let [width, height, ref times @ ..] = times[..] else { return Err("no times".into()) };
        let raw = fs::read(format!("{name}.raw"))?;
        let (width, height) = (width as usize, height as usize);
        Ok(Self { name: name.to_owned(), width, height, times: times.to_vec(), raw })
    }

    /// Measures all frames.
    fn measure(&self) -> Vec<Measures> {
        let &Self { width, height, .. } = self;
        let mut meter = Meter::default();
        let planes = self.raw.chunks_exact(width * height);
        let planes = planes.map(|samples| Plane { width, height, samples: samples.to_vec() });
        iter::zip(&self.times, planes).map(|(&at, plane)| meter.push(at, 0.0, plane)).collect()
    }
}

/// Returns the frames that a detector keeps, by their numbers, with the kind of each.
fn found(name: &str, frames: &[Measures]) -> Vec<Value> {
    let rules = Rules {
        detectors: match name {
            "adaptive" => vec![Detector::Adaptive],
            "screen" => vec![Detector::Screen],
            _ => Vec::new(),
        },
        auto: name == "auto",
        ..Rules::default()
    };
    let mut detector = SceneDetector::new(rules);
    let mut kept = Vec::new();
    for frame in frames {
        detector.pass(frame.at);
        kept.extend(iter::from_fn(|| detector.next_choice()));
        detector.push(frame, Some(()));
        kept.extend(iter::from_fn(|| detector.next_choice()));
    }
    detector.finish();
    kept.extend(iter::from_fn(|| detector.last_choice()));
    let number = |at: i64| frames.partition_point(|frame| frame.at < at);
    let kind = |cause| match cause {
        Cause::First => "first",
        Cause::Found(Kind::Gradual) => "gradual",
        Cause::Found(_) => "scene",
        Cause::Interval => "interval",
    };
    kept.iter().map(|(choice, shown)| json!([number(shown.at()), kind(choice.cause)])).collect()
}
