//! Detectors that measure: what they know, and the pictures that wait for their word.
//!
//! Their word comes late: a cut is certain some frames later, a screen has to come to rest. So a segment is done when nothing more
//! can be said about it.

use anyhow::{Context as _, Result};
use cht_scenes::{
    detect::{Decided, Decider, Rules},
    measure::{Measures, Meter, Plane},
};
use serde::{Deserialize, Serialize};

use crate::{lines::Decoded, picture::Form, prefilter::Candidates};

/// A picture as it came from the decoder.
#[derive(Debug)]
pub(crate) struct Picture {
    pub samples: Vec<u8>,
    pub form: Form,
}

/// What is saved at the end of a segment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Saved {
    meter: Meter,
    decided: Decided,
    candidates: Candidates,
}

/// The detectors and what waits for them.
#[derive(Debug)]
pub(crate) struct Measured {
    meter: Meter,
    pub candidates: Candidates,
    pub decider: Decider<Picture>,
}

impl Measured {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            meter: Meter::default(),
            candidates: Candidates::default(),
            decider: Decider::new(rules),
        }
    }

    /// What is to be known to go on from here.
    pub(crate) fn save(&self) -> Saved {
        Saved {
            meter: self.meter.clone(),
            decided: self.decider.save(),
            candidates: self.candidates,
        }
    }

    /// Goes on from what was saved. The pictures that waited come with the run-up.
    pub(crate) fn restore(saved: Saved) -> Self {
        Self {
            meter: saved.meter,
            candidates: saved.candidates,
            decider: Decider::restore(saved.decided),
        }
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
