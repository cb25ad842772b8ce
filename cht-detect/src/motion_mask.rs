//! Regions of a screen that never rest, and are no content: a camera, a video in a page, what blinks and ticks.
//!
//! What looks filmed and moves while the rest of the screen does not is a **tile** soon. It stays one through shots that stand still, are
//! plain or are title cards, until another layout takes its place. What is drawn has to change many times before it is left out, and
//! counts again as soon as it rests.

use crate::time::SECOND;
use serde::{Deserialize, Serialize};

use self::tiles::Tile;
use crate::grid::{Grid, Rect};
use crate::measure::{Change, Texture};

mod tiles;

/// Regions are looked for so often, and a block counts as changing once in so long.
const SLOT: i64 = SECOND / 5;

/// A region in which no more than this share moves rests.
const MOVING_SHARE: f32 = 0.03;

/// A drawn block never rests after so many changes, each of which is forgotten by half in [`FORGET`] seconds. Around one that never
/// rests, these many make a block part of the same region, and these many keep it there.
const RESTLESS: f32 = 10.0;
const LIVELY: f32 = 2.5;
const STAYS_LIVELY: f32 = 1.0;
const FORGET: f32 = 5.0;

/// A drawn region that was restless rests when no more than [`MOVING_SHARE`] of it changed for so long.
const RESTING: i64 = SECOND * 6 / 10;

/// A drawn region that takes more of the screen is content, however much it moves.
const TOO_LARGE: f32 = 0.1;

/// A region that is so full of restless blocks is restless as a whole, if it is of so many blocks.
const FULL: f32 = 0.7;
const LEAST_FULL: usize = 12;

/// What changes by itself, no more than so many blocks within two of each other, ticks.
const ALONE: usize = 8;

/// Two ticks are so far apart at least. A block is left out after so many, and next to it one after so many; each is forgotten by
/// half in so many seconds.
const APART: i64 = SECOND * 45 / 100;
const TICKS: f32 = 3.5;
const TICKS_BESIDE: f32 = 0.5;
const TICKS_FORGET: f32 = 20.0;

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Block {
    look: Texture,
    /// When it last began or ceased to look filmed.
    filmed: i64,
    changed: i64,
    /// Whether it changed in the last slots, the newest in the lowest bit.
    slots: u32,
    activity: f32,
    counted: i64,
    ticks: f32,
    ticked: i64,
    masked: bool,
    /// Left out for another reason than that it ticks.
    moves: bool,
}

/// Size of the largest clock and its height, in blocks, in a picture of up to [`CLOCK_ROWS`] rows of them.
const LARGEST_CLOCK: usize = 32;
const CLOCK_HEIGHT: usize = 4;
const CLOCK_ROWS: usize = 68;

/// Learns which regions never rest.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct MotionMask {
    grid: Grid,
    blocks: Vec<Block>,
    tiles: Vec<Tile>,
    /// Rectangles that were filmed before or after they changed as a whole, and when.
    flips: Vec<(Rect, i64)>,
    /// When what all tiles show last changed as a whole.
    tiles_changed: i64,
    next_look: i64,
}

impl MotionMask {
    /// Nothing is known of a picture of this size.
    pub(crate) fn new(grid: Grid) -> Self {
        let never = i64::MIN / 2;
        let block = Block {
            look: Texture::Plain,
            filmed: never,
            changed: never,
            slots: 0,
            activity: 0.0,
            counted: never,
            ticks: 0.0,
            ticked: never,
            masked: false,
            moves: false,
        };
        Self {
            grid,
            blocks: vec![block; grid.count()],
            tiles: Vec::new(),
            flips: Vec::new(),
            tiles_changed: never,
            next_look: i64::MIN,
        }
    }

    /// Whether block `n` is left out.
    pub(crate) fn is_masked(&self, n: usize) -> bool {
        self.blocks[n].masked
    }

    /// Whether block `n` belongs to what moves, and does not only tick.
    pub(crate) fn moves(&self, n: usize) -> bool {
        self.blocks[n].moves
    }

    /// Whether any block is left out.
    pub(crate) fn masks_any(&self) -> bool {
        self.blocks.iter().any(|block| block.masked)
    }

    /// What block `n` looks like.
    pub(crate) fn look(&self, n: usize) -> Texture {
        self.blocks[n].look
    }

    /// Whether it looks for regions at the frame at `at`: what is left out stays so in between.
    pub(crate) fn looks_at(&self, at: i64) -> bool {
        at >= self.next_look
    }

    /// Takes the changes of the next frame; whether it shows another page.
    pub(crate) fn push(&mut self, at: i64, changes: &[Change]) -> bool {
        let is_new_page = self.is_new_page(at, changes);
        if is_new_page {
            for tile in &mut self.tiles {
                tile.in_doubt = true;
            }
        }
        for change in changes {
            let Some(block) = self.blocks.get_mut(change.block as usize) else { continue };
            if (block.look == Texture::Filmed) != (change.look == Texture::Filmed) {
                block.filmed = at;
            }
            block.look = change.look;
            block.changed = at;
            block.slots |= 1;
        }
        if !self.looks_at(at) {
            return is_new_page;
        }
        self.next_look = at + SLOT;
        let tiled = self.end_tiles(at);
        self.find_tiles(at, &tiled);
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
            let activity = activity(block, at) + 1.0;
            let ticks = ticks(block, at);
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

    /// Returns the blocks of clocks that ticked and changed as a whole, as one does whose text has become wider, each with the
    /// ticks of its clock.
    fn moved_clocks(&self, at: i64) -> Vec<(usize, f32)> {
        let ticks: Vec<f32> = self.blocks.iter().map(|block| ticks(block, at)).collect();
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
        for tile in self.tiles.iter().filter(|tile| !tile.rests) {
            grid.blocks(grid.grown(tile.rect)).for_each(|n| masked[n] = true);
        }
        let lively: Vec<bool> = (blocks.iter().zip(&masked))
            .map(|(block, tiled)| {
                !tiled && activity(block, at) >= if block.masked { STAYS_LIVELY } else { LIVELY }
            })
            .collect();
        for region in grid.regions(&lively, 2) {
            // It takes a block that never rests to call a region restless; its neighbours may rest now and then.
            if !region.iter().any(|&n| blocks[n].masked || activity(&blocks[n], at) >= RESTLESS) {
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
                // It has come to rest: what it shows now counts.
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
            if ticks(&blocks[n], at) >= TICKS {
                for n in grid.near(n, 2).filter(|&n| ticks(&blocks[n], at) >= TICKS_BESIDE) {
                    masked[n] = true;
                }
            }
        }
        for (block, masked) in blocks.iter_mut().zip(masked) {
            block.masked = masked;
        }
    }
}

/// How often a block changed of late.
fn activity(block: &Block, at: i64) -> f32 {
    forgotten(block.activity, at - block.counted, FORGET)
}

/// How often a block changed by itself.
fn ticks(block: &Block, at: i64) -> f32 {
    forgotten(block.ticks, at - block.ticked, TICKS_FORGET)
}

fn forgotten(count: f32, after: i64, half: f32) -> f32 {
    if count == 0.0 {
        return 0.0;
    }
    count * (-(after.max(0) as f32) / SECOND as f32 / half).exp2()
}

#[cfg(test)]
mod tests;
