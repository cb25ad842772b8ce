//! Detects where the picture of a video really changes: cuts, dissolves, fades, and screens that
//! show something new.
//!
//! For programs that keep the frames worth looking at: slides of a lecture, shots of a film, pages
//! of a screen share. The input of each frame is its time in ticks of 90 kHz and its *small luma*,
//! a sample for each 4 × 4 pixels; the output is which frames to keep and why. The crate decodes
//! nothing, opens no file, reads no clock and starts no thread. It works online, frame by frame, in
//! memory that does not grow with the stream; its state can be saved and restored ([`Decided`]).
//!
//! - [`measure::Meter`] turns the small luma into [`measure::Measures`].
//! - [`SceneDetector`] turns measures into selections by [`Rules`], and finds the picture of each
//!   among those that the decoder handed over.
//! - [`Revisits`] recognises a screen that was kept before.
//!
//! # Modules
//!
//! In order, each using only those before it:
//!
//! 1. `time`, `grid` (blocks of a picture), `area`, [`measure`].
//! 2. `finding`, and the detectors: `gradual`, `adaptive` (film), `motion_mask`, `screen`.
//! 3. `selection`, [`threshold`] (ffmpeg's score), `budget`, `pacing`, `content` (film or screen),
//!    `combine` (all of these).
//! 4. `picture_matcher`, `scene_detector`; next to them `revisits`.
//!
//! `docs/design/detectors.md` describes the detectors and their accuracy.

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
