//! History of one block of the picture.

use serde::{Deserialize, Serialize};

use crate::{measure::Texture, time::SECOND};

/// Time between two examinations, in ticks: a block changes at most once in it.
pub(crate) const SLOT: i64 = SECOND / 5;

/// Number of the last slots that are examined.
const SLOTS: u32 = 5;

/// Time of an event that never happened, in ticks; differences to it do not overflow.
pub(crate) const NEVER: i64 = i64::MIN / 2;

/// Largest share of a resting region that changes.
pub(crate) const MOVING_SHARE: f32 = 0.03;

/// Half-life of the count of changes, in seconds.
const FORGET: f32 = 5.0;
/// Half-life of the count of ticks, in seconds.
const TICKS_FORGET: f32 = 20.0;

/// Time for which a picture that was filmed may have faded to black, in ticks.
const AGO: i64 = 2 * SECOND;

/// History of one block, times in ticks.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Block {
    pub(crate) texture: Texture,
    /// When it last began or ceased to look filmed.
    pub(crate) filmed: i64,
    pub(crate) changed: i64,
    /// Whether it changed in the last slots, the newest in the lowest bit.
    pub(crate) slots: u32,
    pub(crate) activity: f32,
    pub(crate) counted: i64,
    pub(crate) ticks: f32,
    pub(crate) ticked: i64,
    pub(crate) masked: bool,
    /// Left out for another reason than that it ticks.
    pub(crate) moves: bool,
}

impl Block {
    /// Returns a block without history.
    pub(crate) const fn new() -> Self {
        Self {
            texture: Texture::Plain,
            filmed: NEVER,
            changed: NEVER,
            slots: 0,
            activity: 0.0,
            counted: NEVER,
            ticks: 0.0,
            ticked: NEVER,
            masked: false,
            moves: false,
        }
    }

    /// Returns the number of recent changes.
    pub(crate) fn activity(&self, at: i64) -> f32 {
        forgotten(self.activity, at - self.counted, FORGET)
    }

    /// Returns the number of recent ticks.
    pub(crate) fn ticks(&self, at: i64) -> f32 {
        forgotten(self.ticks, at - self.ticked, TICKS_FORGET)
    }

    /// Tells whether it looks filmed, or did a moment ago.
    pub(crate) fn was_filmed(&self, at: i64) -> bool {
        self.texture == Texture::Filmed
            || (self.texture == Texture::Plain && at - self.filmed < AGO)
    }

    /// Returns the number of the last slots in which it changed.
    pub(crate) const fn recent(&self) -> u32 {
        (self.slots & ((1 << SLOTS) - 1)).count_ones()
    }
}

fn forgotten(count: f32, after: i64, half: f32) -> f32 {
    if count == 0.0 {
        return 0.0;
    }
    count * (-(after.max(0) as f32) / SECOND as f32 / half).exp2()
}
