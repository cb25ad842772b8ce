//! Detectors: decisions on measures alone.

mod adaptive;
mod area;
mod budget;
mod combine;
mod content;
mod finding;
mod gradual;
mod grid;
pub mod measure;
mod motion_mask;
mod pacing;
mod picture_matcher;
mod revisits;
mod scene_detector;
mod screen;
mod selection;
pub mod threshold;
mod time;

pub use crate::{
    adaptive::{Adaptive, LOOKAHEAD},
    area::Area,
    budget::PerHour,
    combine::{Combiner, Rules},
    content::{Content, ContentTracker},
    finding::{Detector, Finding, Kind},
    gradual::Gradual,
    pacing::Suppressed,
    picture_matcher::{PictureMatcher, Shown},
    revisits::Revisits,
    scene_detector::{Decided, SceneDetector},
    screen::{Screen, ScreenRules},
    selection::{Cause, Selection},
};
