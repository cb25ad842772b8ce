//! Detectors that measure: what they know, and the pictures that wait for their word.
//!
//! Their word comes late: a cut is certain some frames later, a screen has to come to rest. So a segment is done when nothing more
//! can be said about it.

use anyhow::{Context as _, Result, ensure};
use cht_detect::{
    Decided, Revisits, Rules, SceneDetector,
    measure::{Measures, Meter, Plane},
};
use serde::{Deserialize, Serialize};

use crate::decode::{ffmpeg_log::Decoded, filter::Candidates, frame::Picture};

/// Version of the saved state; it changes with what the detectors know. Its first bytes are those of no earlier state.
const VERSION: u32 = 0x6374_0004;

/// A picture that may be wanted; none where it would have to be fetched.
pub(crate) type Candidate = Option<Picture>;

/// What is saved at the end of a segment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Saved {
    meter: Meter,
    decided: Decided,
    candidates: Candidates,
    returned: Revisits,
}

/// The detectors and what waits for them.
#[derive(Debug)]
pub(crate) struct Detectors {
    meter: Meter,
    pub candidates: Candidates,
    pub decider: SceneDetector<Candidate>,
    returned: Revisits,
}

impl Detectors {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            meter: Meter::default(),
            candidates: Candidates::default(),
            decider: SceneDetector::new(rules),
            returned: Revisits::default(),
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
            decider: SceneDetector::restore(saved.decided),
            returned: saved.returned,
        }
    }

    /// Forgets the pictures that were kept: others were, since.
    pub(crate) fn forget_kept(self) -> Self {
        Self { returned: Revisits::default(), ..self }
    }

    /// Remembers a picture that is kept; how many kept frames ago the same was shown.
    pub(crate) fn remember(&mut self, picture: &Picture) -> Option<usize> {
        let changed = self.decider.take_small();
        self.returned.keep(&picture.small(), &self.decider.hidden(), changed)
    }

    /// What decides from here on by itself, and remembers.
    pub(crate) fn ahead(&self) -> (SceneDetector<Candidate>, Revisits) {
        (self.decider.ahead(), self.returned.clone())
    }

    /// Takes a frame: what was measured in it, and whether its picture may come to be wanted. By default that is so each `every` ticks.
    /// With `gap`, pictures before it were not decoded.
    pub(crate) fn frame(
        &mut self,
        at: i64,
        frame: &Decoded,
        small: Plane,
        picture: Option<Picture>,
        every: i64,
        gap: bool,
    ) -> (Measures, bool) {
        let is_candidate = self.candidates.take(at, frame.score, frame.restarted, every);
        let measures = Measures { gap, ..self.meter.push(at, frame.score, small) };
        self.decider.push(&measures, is_candidate.then_some(picture));
        (measures, is_candidate)
    }
}

impl Saved {
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        postcard::to_allocvec(&(VERSION, self)).context("the detectors' state")
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let state = "the detectors' state";
        let (version, saved) = postcard::take_from_bytes::<u32>(bytes).context(state)?;
        ensure!(version == VERSION, "the detectors' state is of another version of cht-scenes");
        postcard::from_bytes(saved).context(state)
    }
}
