//! Detectors that measure: what they know, and the pictures that wait for their word.
//!
//! Their word comes late: a cut is certain some frames later, a screen has to come to rest. So a segment is done when nothing more
//! can be said about it.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use cht_scenes::{
    detect::{Decided, Decider, Returned, Rules},
    measure::{Measures, Meter, Plane},
};
use serde::{Deserialize, Serialize};

use crate::{
    lines::Decoded,
    picture::Form,
    prefilter::{Candidates, small_size},
};

/// A picture as it came from the decoder.
#[derive(Debug)]
pub(crate) struct Picture {
    pub samples: Vec<u8>,
    pub form: Form,
    /// Where its memory goes.
    pub pool: Pool,
}

/// Memory for pictures, which is used again: to get megabytes from the system for each picture costs as much as to copy it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

impl Pool {
    /// Memory of a picture that is gone, or none yet.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        let samples = std::mem::take(&mut self.samples);
        self.pool.0.lock().unwrap_or_else(PoisonError::into_inner).push(samples);
    }
}

impl Picture {
    /// Its luma at a quarter of the width and height, as it is measured.
    pub(crate) fn small(&self) -> Plane {
        const PART: usize = 4;
        let (width, height) = small_size(self.form.width, self.form.height);
        let (bytes, depth) = (self.form.sample(), self.form.samples.depth);
        let row = self.form.width as usize * bytes;
        let level = |sample: &[u8]| {
            let wide = sample.iter().rev().fold(0, |wide, &byte| wide << 8 | u32::from(byte));
            wide >> (depth - 8)
        };
        let mut samples = Vec::with_capacity(width * height);
        for y in 0..height {
            let row = &self.samples[y * PART * row..][..width * PART * bytes];
            samples.extend(row.chunks_exact(PART * bytes).map(|part| {
                let sum: u32 = part.chunks_exact(bytes).map(level).sum();
                ((sum + PART as u32 / 2) / PART as u32) as u8
            }));
        }
        Plane { width, height, samples }
    }
}

/// What is saved at the end of a segment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Saved {
    meter: Meter,
    decided: Decided,
    candidates: Candidates,
    returned: Returned,
}

/// The detectors and what waits for them.
#[derive(Debug)]
pub(crate) struct Measured {
    meter: Meter,
    pub candidates: Candidates,
    pub decider: Decider<Picture>,
    returned: Returned,
}

impl Measured {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            meter: Meter::default(),
            candidates: Candidates::default(),
            decider: Decider::new(rules),
            returned: Returned::default(),
        }
    }

    /// What is to be known to go on from here.
    pub(crate) fn save(&self) -> Saved {
        Saved {
            meter: self.meter.clone(),
            decided: self.decider.save(),
            candidates: self.candidates,
            returned: self.returned.clone(),
        }
    }

    /// Goes on from what was saved. The pictures that waited come with the run-up.
    pub(crate) fn restore(saved: Saved) -> Self {
        Self {
            meter: saved.meter,
            candidates: saved.candidates,
            decider: Decider::restore(saved.decided),
            returned: saved.returned,
        }
    }

    /// Remembers a picture that is kept; how many kept frames ago the same was shown.
    pub(crate) fn remember(&mut self, picture: &Picture) -> Option<usize> {
        self.returned.keep(&picture.small(), &self.decider.hidden())
    }

    /// Takes a frame; what was measured in it.
    pub(crate) fn frame(
        &mut self,
        at: i64,
        frame: &Decoded,
        plane: Plane,
        picture: Option<Picture>,
    ) -> Measures {
        self.candidates.update(at, frame.score, picture.is_some());
        let measures = self.meter.push(at, frame.score, plane);
        self.decider.push(&measures, picture);
        measures
    }
}

impl Saved {
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        postcard::to_allocvec(self).context("the detectors' state")
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        postcard::from_bytes(bytes).context("the detectors' state")
    }
}
