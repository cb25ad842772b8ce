//! What has to be the same for two runs to be one: whatever the frames depend on.

use std::fmt;

use cht_core::time::ticks;
use cht_scenes::detect::{self, Area, Detector, PerHour};
use serde::{Deserialize, Serialize};

use crate::{
    args::{Args, Detect},
    catch_up::OnLag,
    decoding::Decode,
    picture::Look,
    video::Asked,
};

/// The options of a run, as they are written into the journal.
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
    pub decode: Decode,
    #[serde(default)]
    pub dedupe: bool,
    #[serde(default)]
    pub video: Asked,
    #[serde(default)]
    pub on_lag: OnLag,
    #[serde(flatten)]
    pub look: Look,
}

impl Options {
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
            decode: args.decode,
            dedupe: args.dedupe,
            video: args.video(),
            on_lag: args.on_lag,
            look: args.look,
        }
    }

    /// For the detectors that measure.
    pub(crate) fn rules(&self) -> detect::Rules {
        let detectors = self.detect.iter().filter_map(|name| match name {
            Detect::Auto => None,
            Detect::Scene => Some(Detector::Scene),
            Detect::Adaptive => Some(Detector::Adaptive),
            Detect::Screen => Some(Detector::Screen),
        });
        detect::Rules {
            detectors: detectors.collect(),
            auto: self.detect.contains(&Detect::Auto),
            threshold: self.threshold,
            screen: detect::ScreenRules {
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

impl fmt::Display for Options {
    /// As on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detect = self.detect.iter().map(|name| name.name()).collect::<Vec<_>>().join(",");
        let Self { settle, max_wait, threshold, max_interval, min_gap, quality, .. } = self;
        write!(
            f,
            "--detect {detect} --threshold {threshold} --max-interval {max_interval} --min-gap {min_gap} \
             --settle {settle} --max-wait {max_wait} --quality {quality} --decode {} {}",
            self.decode.name(),
            self.look
        )?;
        if let Some(most) = self.max_frames {
            write!(f, " --max-frames {most}")?;
        }
        if self.min_change > 0.0 {
            write!(f, " --min-change {}", self.min_change)?;
        }
        for area in &self.ignore {
            write!(f, " --ignore {area}")?;
        }
        if self.dedupe {
            write!(f, " --dedupe")?;
        }
        if self.video.is_any() {
            write!(f, " {}", self.video)?;
        }
        if self.on_lag != OnLag::Keep {
            write!(f, " --on-lag {}", self.on_lag.name())?;
        }
        Ok(())
    }
}
