//! Options that the selected frames depend on: a run continues an earlier one only with the same.

use std::fmt;

use cht_detect::{self, Area, Detector, PerHour};
use cht_picture::OutputOptions;
use cht_ts::time::ticks;
use clap::Parser as _;
use serde::{Deserialize, Serialize};

use super::args::{Args, Detect};
use crate::{decode::mode::Decode, lag::catch_up::OnLag, track::select::Asked};

/// Options of a run, as its journal stores them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Options {
    pub detect: Vec<Detect>,
    pub settle: f64,
    pub max_wait: f64,
    #[serde(default)]
    pub min_change: f64,
    #[serde(default)]
    pub ignore: Vec<Area>,
    pub threshold: f64,
    pub max_interval: f64,
    pub min_gap: f64,
    #[serde(default)]
    pub max_frames: Option<PerHour>,
    pub quality: u8,
    #[serde(default)]
    pub max_bytes: Option<u64>,
    #[serde(default)]
    pub decode: Decode,
    #[serde(default)]
    pub dedupe: bool,
    #[serde(default)]
    pub video: Asked,
    #[serde(default)]
    pub on_lag: OnLag,
    #[serde(flatten)]
    pub look: OutputOptions,
}

impl Options {
    /// Takes them from the command line.
    pub(crate) fn of(args: &Args) -> Self {
        Self {
            detect: args.detect.clone(),
            settle: args.settle,
            max_wait: args.max_wait,
            min_change: args.min_change,
            ignore: args.ignore.clone(),
            threshold: args.threshold,
            max_interval: args.max_interval,
            min_gap: args.min_gap,
            max_frames: args.max_frames,
            quality: args.quality,
            max_bytes: args.max_bytes.map(|size| size.0),
            decode: args.decode,
            dedupe: args.dedupe,
            video: args.video(),
            on_lag: args.on_lag,
            look: args.look,
        }
    }

    /// Returns the rules for the detectors that measure.
    pub(crate) fn rules(&self) -> cht_detect::Rules {
        let detectors = self.detect.iter().filter_map(|name| match name {
            Detect::Auto => None,
            Detect::Scene => Some(Detector::Scene),
            Detect::Adaptive => Some(Detector::Adaptive),
            Detect::Screen => Some(Detector::Screen),
        });
        cht_detect::Rules {
            detectors: detectors.collect(),
            auto: self.detect.contains(&Detect::Auto),
            threshold: self.threshold,
            screen: cht_detect::ScreenRules {
                settle: ticks(self.settle),
                max_wait: ticks(self.max_wait),
                min_change: self.min_change,
                ignore: self.ignore.clone(),
            },
            min_gap: ticks(self.min_gap),
            max_interval: ticks(self.max_interval),
            max_frames: self.max_frames,
        }
    }
}

impl Options {
    /// Returns whether a run with `other` keeps the same frames, ignoring options without effect.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self == other || self.to_string() == other.to_string()
    }

    /// Returns the field name and the command-line form of each option.
    fn listed(&self) -> Vec<(&'static str, String)> {
        let detect = self.detect.iter().map(|name| name.name()).collect::<Vec<_>>().join(",");
        let mut listed = vec![
            ("detect", format!("--detect {detect}")),
            ("threshold", format!("--threshold {}", self.threshold)),
            ("max_interval", format!("--max-interval {}", self.max_interval)),
            ("min_gap", format!("--min-gap {}", self.min_gap)),
            ("settle", format!("--settle {}", self.settle)),
            ("max_wait", format!("--max-wait {}", self.max_wait)),
            ("quality", format!("--quality {}", self.quality)),
            ("decode", format!("--decode {}", self.decode.name())),
            ("format", self.look.to_string()),
        ];
        if let Some(most) = self.max_frames {
            listed.push(("max_frames", format!("--max-frames {most}")));
        }
        if let Some(most) = self.max_bytes {
            listed.push(("max_bytes", format!("--max-bytes {most}B")));
        }
        if self.min_change > 0.0 {
            listed.push(("min_change", format!("--min-change {}", self.min_change)));
        }
        listed.extend(self.ignore.iter().map(|area| ("ignore", format!("--ignore {area}"))));
        if self.dedupe {
            listed.push(("dedupe", "--dedupe".to_owned()));
        }
        if self.video.is_any() {
            listed.push(("video", self.video.to_string()));
        }
        if self.on_lag != OnLag::Keep {
            listed.push(("on_lag", format!("--on-lag {}", self.on_lag.name())));
        }
        listed
    }
}

impl fmt::Display for Options {
    /// Writes the command line, without the options that it would refuse as having no effect.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = self.listed();
        let words = listed.iter().flat_map(|(_, words)| words.split(' '));
        let args = Args::try_parse_from(["cht-scenes"].into_iter().chain(words));
        let idle = args.map(|args| args.without_effect()).unwrap_or_default();
        let listed = listed.into_iter().filter(|(option, _)| !idle.contains(option));
        f.write_str(&listed.map(|(_, words)| words).collect::<Vec<_>>().join(" "))
    }
}
