//! Masks regions of a screen that never rest and are no content: a camera, a video in a page,
//! blinking and ticking things.
//!
//! A region that looks filmed and moves while the rest of the screen rests is a **tile** soon. It
//! stays one through still or plain shots and title cards, until another layout replaces it. A
//! drawn region has to change many times before it is masked, and counts again as soon as it rests.
//!
//! In order, each using only those before it: `block`, `tiles`, [`MotionMask`].

use crate::time::SECOND;
use serde::{Deserialize, Serialize};

use self::{
    block::{Block, MOVING_SHARE, SLOT},
    tiles::Tiles,
};
use crate::grid::Grid;
use crate::measure::{Change, Texture};

mod block;
mod tiles;

/// Number of recent changes from which a drawn block never rests. Around such a block, those from
/// which a block belongs to the same region, and remains in it.
const RESTLESS: f32 = 10.0;
const LIVELY: f32 = 2.5;
const STAYS_LIVELY: f32 = 1.0;

/// Time for which a restless drawn region has to rest until it counts, in ticks: at most
/// [`MOVING_SHARE`] of it changes.
const RESTING: i64 = SECOND * 6 / 10;

/// Share of the screen from which a drawn region is content, however much it moves.
const TOO_LARGE: f32 = 0.1;

/// Share of restless blocks from which a region is restless as a whole, and its least size in
/// blocks.
const FULL: f32 = 0.7;
const LEAST_FULL: usize = 12;

/// Largest number of blocks within two of each other that tick rather than move.
const ALONE: usize = 8;

/// Least time between two ticks, in ticks. Number of recent ticks from which a block is masked, and
/// from which one next to it is.
const APART: i64 = SECOND * 45 / 100;
const TICKS: f32 = 3.5;
const TICKS_BESIDE: f32 = 0.5;

/// Size and height of the largest clock, in blocks, in a picture of up to [`CLOCK_ROWS`] rows;
/// larger in a higher one.
const LARGEST_CLOCK: usize = 32;
const CLOCK_HEIGHT: usize = 4;
const CLOCK_ROWS: usize = 68;

/// Learns the regions that never rest.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct MotionMask {
    grid: Grid,
    blocks: Vec<Block>,
    tiles: Tiles,
    next_update: i64,
}

impl MotionMask {
    /// Returns a mask without any knowledge of a picture of this size.
    pub(crate) fn new(grid: Grid) -> Self {
        Self {
            grid,
            blocks: vec![Block::new(); grid.count()],
            tiles: Tiles::default(),
            next_update: i64::MIN,
        }
    }

    /// Tells whether block `n` is left out.
    pub(crate) fn is_masked(&self, n: usize) -> bool {
        self.blocks[n].masked
    }

    /// Tells whether block `n` is in a region that moves, and does not only tick.
    pub(crate) fn moves(&self, n: usize) -> bool {
        self.blocks[n].moves
    }

    /// Tells whether any block is left out.
    pub(crate) fn masks_any(&self) -> bool {
        self.blocks.iter().any(|block| block.masked)
    }

    /// Returns the texture of block `n`.
    pub(crate) fn texture(&self, n: usize) -> Texture {
        self.blocks[n].texture
    }

    /// Tells whether it examines the frame at `at`: the mask stays the same in between.
    pub(crate) fn is_due(&self, at: i64) -> bool {
        at >= self.next_update
    }

    /// Takes the changes of the next frame; whether it shows another page.
    pub(crate) fn push(&mut self, at: i64, changes: &[Change]) -> bool {
        let Self { grid, blocks, tiles, .. } = self;
        let is_new_page = tiles.is_new_page(*grid, blocks, at, changes);
        for change in changes {
            let Some(block) = blocks.get_mut(change.block as usize) else { continue };
            if (block.texture == Texture::Filmed) != (change.texture == Texture::Filmed) {
                block.filmed = at;
            }
            block.texture = change.texture;
            block.changed = at;
            block.slots |= 1;
        }
        if !self.is_due(at) {
            return is_new_page;
        }
        self.next_update = at + SLOT;
        self.tiles.update(self.grid, &mut self.blocks, at);
        self.count(at);
        self.find_restless(at);
        for block in &mut self.blocks {
            block.slots <<= 1;
        }
        is_new_page
    }

    /// Counts changes and ticks.
    fn count(&mut self, at: i64) {
        let clocks = self.moved_clocks(at);
        for n in 0..self.blocks.len() {
            let block = &self.blocks[n];
            if block.slots & 1 == 0 {
                continue;
            }
            let activity = block.activity(at) + 1.0;
            let ticks = block.ticks(at);
            let is_apart = at - block.ticked >= APART;
            let beside = self.grid.near(n, 2).filter(|&n| self.blocks[n].slots & 1 != 0).count();
            let block = &mut self.blocks[n];
            (block.activity, block.counted) = (activity, at);
            if let Some(&(_, ticks)) = clocks.iter().find(|(clock, _)| *clock == n) {
                (block.ticks, block.ticked) = (ticks, at);
            } else if beside > ALONE {
                block.ticks = 0.0;
            } else if is_apart {
                (block.ticks, block.ticked) = (ticks + 1.0, at);
            }
        }
    }

    /// Returns the blocks of clocks that ticked and changed as a whole, as one does whose text has
    /// become wider, each with the ticks of its clock.
    fn moved_clocks(&self, at: i64) -> Vec<(usize, f32)> {
        let ticks: Vec<f32> = self.blocks.iter().map(|block| block.ticks(at)).collect();
        let is_tick = |n: usize| self.blocks[n].slots & 1 != 0 && ticks[n] >= TICKS;
        if !(0..self.blocks.len()).any(is_tick) {
            return Vec::new();
        }
        let changed: Vec<bool> = self.blocks.iter().map(|block| block.slots & 1 != 0).collect();
        let scale = |size: usize| size * self.grid.rows.max(CLOCK_ROWS) / CLOCK_ROWS;
        let is_clock = |blocks: &Vec<usize>| {
            (ALONE + 1..=scale(LARGEST_CLOCK)).contains(&blocks.len())
                && self.grid.bounds(blocks).height() <= scale(CLOCK_HEIGHT)
                && blocks.iter().any(|&n| is_tick(n))
        };
        let clocks = self.grid.regions(&changed, 2).into_iter().filter(is_clock);
        clocks
            .flat_map(|blocks| {
                let most = blocks.iter().map(|&n| ticks[n]).fold(0.0, f32::max);
                blocks.into_iter().map(move |n| (n, most))
            })
            .collect()
    }

    fn find_restless(&mut self, at: i64) {
        let (grid, blocks) = (self.grid, &mut self.blocks);
        let mut masked = vec![false; blocks.len()];
        for rect in self.tiles.moving() {
            grid.blocks(grid.grown(rect)).for_each(|n| masked[n] = true);
        }
        let lively: Vec<bool> = (blocks.iter().zip(&masked))
            .map(|(block, tiled)| {
                !tiled && block.activity(at) >= if block.masked { STAYS_LIVELY } else { LIVELY }
            })
            .collect();
        for region in grid.regions(&lively, 2) {
            // It takes a block that never rests to call a region restless; its neighbours may rest
            // now and then.
            if !region.iter().any(|&n| blocks[n].masked || blocks[n].activity(at) >= RESTLESS) {
                continue;
            }
            let mut area = region;
            if area.len() >= LEAST_FULL {
                area = grid.around(&area, 1);
                let rect = grid.bounds(&area);
                if area.len() as f32 >= FULL * rect.area() as f32 {
                    area = grid.blocks(rect).collect();
                }
            }
            let moving = area.iter().filter(|&&n| at - blocks[n].changed < RESTING).count();
            if moving as f32 <= MOVING_SHARE * area.len() as f32 {
                // It rests: its contents count from now on.
                for n in area {
                    blocks[n].activity = 0.0;
                }
            } else if area.len() as f32 <= TOO_LARGE * blocks.len() as f32 {
                for n in area {
                    masked[n] = true;
                }
            }
        }
        for (block, &moves) in blocks.iter_mut().zip(&masked) {
            block.moves = moves;
        }
        for n in 0..blocks.len() {
            if blocks[n].ticks(at) >= TICKS {
                for n in grid.near(n, 2).filter(|&n| blocks[n].ticks(at) >= TICKS_BESIDE) {
                    masked[n] = true;
                }
            }
        }
        for (block, masked) in blocks.iter_mut().zip(masked) {
            block.masked = masked;
        }
    }
}

#[cfg(test)]
mod tests;
