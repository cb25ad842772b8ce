//! Rules of a run.

use std::{
    num::NonZero,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{root::Root, settings::Settings};

/// Largest number of decoders of one unit; cht-scenes asks for no more by itself.
const MOST_DECODERS: usize = 16;

/// Rules of a run.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Where the inputs lie.
    pub root: Root,
    pub settings: Settings,
    /// Options of cht-scenes and cht-audio, also those that change no result.
    pub scenes: Vec<String>,
    pub audio: Vec<String>,
    /// Units at a time.
    pub jobs: usize,
    /// No further unit begins while the machine has more processes to run than this.
    pub max_load: Option<f64>,
    /// Units that failed are tried again, and no others.
    pub only_failed: bool,
    /// The measures of each frame are kept.
    pub keep_scores: bool,
    pub stop: Stop,
}

/// Tells whether the run is to end.
#[derive(Debug, Default)]
pub(crate) struct Stop(AtomicBool);

impl Stop {
    pub(crate) fn stop(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Returns the number of processors that this process may use.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

impl Rules {
    /// Returns the number of decoders of a unit: all units together have one for each processor.
    pub(crate) fn decoders(&self) -> usize {
        (processors() / self.jobs).clamp(1, MOST_DECODERS)
    }

    /// Returns whether the options choose a program or a stream of a file, which copies lack.
    pub(crate) fn is_choosing(&self) -> bool {
        let name = |option: &String| option.split('=').next().unwrap_or_default().to_owned();
        let mut names = self.scenes.iter().chain(&self.audio).map(name);
        names.any(|name| name == "--program" || name == "--stream")
    }
}
