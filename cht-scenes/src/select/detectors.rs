//! Detectors: their state, and the pictures that wait for their decision.
//!
//! Detectors that measure decide with a delay: a cut is certain some frames later, a screen has to
//! come to rest. So a segment is done when nothing more can be selected in it.

use anyhow::{Context as _, Result, ensure};
use cht_detect::{
    Decided, Revisits, SceneDetector, Selection,
    measure::{Measures, Meter, Plane},
    threshold::State,
};
use serde::{Deserialize, Serialize};

use super::found::Found;
use crate::decode::{ffmpeg_log::DecodedFrame, filter::Candidates, frame::Picture};

/// Version of the saved state, which changes with the state of the detectors. Its first bytes are
/// those of no earlier state.
const VERSION: u32 = 0x6374_0005;

/// A picture that may be wanted; none where it would have to be fetched.
pub(crate) type Candidate = Option<Picture>;

/// State of the detectors at the end of a segment.
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
    pub(crate) fn new(decider: SceneDetector<Candidate>) -> Self {
        let (meter, candidates) = (Meter::default(), Candidates::default());
        Self { meter, candidates, decider, returned: Revisits::default() }
    }

    /// Returns the state to go on from. ffmpeg's score leaves no more than
    /// [`threshold_state`](Self::threshold_state).
    pub(crate) fn save(&self) -> Option<Saved> {
        self.decider.threshold().is_none().then(|| Saved {
            meter: self.meter.clone(),
            decided: self.decider.save(),
            candidates: self.candidates,
            returned: self.returned.clone(),
        })
    }

    /// Returns the state of the rule on ffmpeg's score, where that decides alone.
    pub(crate) fn threshold_state(&self) -> State {
        self.decider.threshold().map(|threshold| threshold.state).unwrap_or_default()
    }

    /// Goes on from a saved state. The pictures that waited come with the preroll.
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

    /// Remembers a picture that is kept, and describes it. ffmpeg's score alone tells neither when
    /// the change began nor whether the picture was shown before.
    pub(crate) fn keep(&mut self, selection: &Selection, at: i64, picture: &Picture) -> Found {
        if self.decider.threshold().is_some() {
            return Found { change: None, ..Found::of(selection, at, selection.strength, None) };
        }
        let score = self.decider.score(at);
        let changed = self.decider.take_small();
        let returned = self.returned.keep(&picture.small(), &self.decider.hidden(), changed);
        Found::of(selection, at, score, returned)
    }

    /// Returns detectors that decide from here on by themselves, without another picture.
    pub(crate) fn ahead(&self) -> Self {
        Self { returned: self.returned.clone(), ..Self::new(self.decider.ahead()) }
    }

    /// Takes a frame. Returns its measures, and whether its picture is a candidate; by default one
    /// is each `every` ticks. With `gap`, pictures before it were not decoded. Without `small`,
    /// ffmpeg's score decides alone, and each picture that was handed over is a candidate.
    pub(crate) fn frame(
        &mut self,
        at: i64,
        frame: &DecodedFrame,
        small: Option<Plane>,
        picture: Option<Picture>,
        every: i64,
        gap: bool,
    ) -> (Measures, bool) {
        let (score, resized) = (frame.score, frame.restarted);
        let (measures, is_candidate) = match small {
            Some(small) => {
                let is_candidate = self.candidates.take(at, score, resized, every);
                (self.meter.push(at, score, small), is_candidate)
            }
            None => (Measures { at, score, resized, ..Measures::default() }, picture.is_some()),
        };
        let measures = Measures { gap, ..measures };
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
