//! Regions of a screen that never rest, and are no content: a camera, a video in a page, what blinks and ticks.
//!
//! What looks filmed and moves while the rest of the screen does not is a **tile** soon. It stays one through shots that stand still, are
//! plain or are title cards, until another layout takes its place. What is drawn has to change many times before it is left out, and
//! counts again as soon as it rests.

use cht_core::time::TICKS_PER_SECOND as SECOND;
use serde::{Deserialize, Serialize};

use super::grid::{Grid, Rect};
use crate::measure::{Change, Look};

/// Regions are looked for so often, and a block counts as changing once in so long.
const SLOT: i64 = SECOND / 5;

/// A block plays that changed in so many of the last slots.
const SLOTS: u32 = 5;
const PLAYS: u32 = 3;

/// What was filmed so long ago may have faded to black.
const AGO: i64 = 2 * SECOND;

/// Of a filmed region, so many blocks have to play, and this share.
const PLAYING: usize = 6;
const PLAYING_SHARE: f32 = 0.05;

/// A tile is so wide and high at least, in blocks, and filmed in so much of it when it is found.
const LEAST_WIDTH: usize = 4;
const LEAST_HEIGHT: usize = 3;
const FILLED: f32 = 0.5;
const MOSTLY_DRAWN: f32 = 0.3;

/// While drawn blocks that are more than this share of all move outside of tiles, in so many of the last slots, the whole moves: a
/// scroll, a transition.
const MOVES: u32 = 2;
const WHOLE_MOVES: f32 = 0.02;

/// A tile that moves as a whole grows where so much of what is next to it moves with it.
const GROWS: f32 = 0.5;

/// Another layout changes at least these shares of a tile and of what is outside of all tiles.
const NEW_LAYOUT: f32 = 0.5;
const NEW_OUTSIDE: f32 = 0.05;

/// Behind another layout, a tile that is filmed in no more of it is gone.
const STILL_FILMED: f32 = 0.2;

/// A tile that takes more of the screen is a layout itself: it is gone when it is not filmed and as much of it is drawn.
const LARGE: f32 = 0.35;
const DRAWN: f32 = 0.03;

/// A tile in which no more than this share moves rests. One that rests for so long shows a still, which counts: sooner if it is drawn, and
/// soonest if it is large, unless it moved for so long without a pause. Photos that are scrolled look the same as a video.
const MOVING_SHARE: f32 = 0.03;
const STILL: i64 = 10 * SECOND;
const STILL_DRAWN: i64 = 5 * SECOND;
const STILL_LARGE: i64 = SECOND;
const PROVED: i64 = 3 * SECOND;
const PAUSE: i64 = SECOND / 2;

/// A tile that rests for so long is forgotten.
const FORGOTTEN: i64 = 60 * SECOND;

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
    look: Look,
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
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Tile {
    rect: Rect,
    /// When it last moved, and for how long without a pause.
    moved: i64,
    moving: i64,
    rests: bool,
    /// Another layout may have taken its place.
    in_doubt: bool,
}

/// Learns which regions never rest.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Restless {
    grid: Grid,
    blocks: Vec<Block>,
    tiles: Vec<Tile>,
    next_look: i64,
}

impl Restless {
    /// Nothing is known of a picture of this size.
    pub(super) fn new(grid: Grid) -> Self {
        let never = i64::MIN / 2;
        let block = Block {
            look: Look::Plain,
            filmed: never,
            changed: never,
            slots: 0,
            activity: 0.0,
            counted: never,
            ticks: 0.0,
            ticked: never,
            masked: false,
        };
        Self { grid, blocks: vec![block; grid.count()], tiles: Vec::new(), next_look: i64::MIN }
    }

    /// Whether block `n` is left out.
    pub(super) fn is_masked(&self, n: usize) -> bool {
        self.blocks[n].masked
    }

    /// What block `n` looks like.
    pub(super) fn look(&self, n: usize) -> Look {
        self.blocks[n].look
    }

    /// Takes the changes of the next frame.
    pub(super) fn push(&mut self, at: i64, changes: &[Change]) {
        for change in changes {
            let Some(block) = self.blocks.get_mut(change.block as usize) else { continue };
            if (block.look == Look::Filmed) != (change.look == Look::Filmed) {
                block.filmed = at;
            }
            block.look = change.look;
            block.changed = at;
            block.slots |= 1;
        }
        if at < self.next_look {
            return;
        }
        self.next_look = at + SLOT;
        let tiled = self.end_tiles(at);
        self.find_tiles(at, &tiled);
        self.count(at);
        self.find_restless(at);
        for block in &mut self.blocks {
            block.slots <<= 1;
        }
    }

    /// Ends the tiles that are gone; which blocks belong to the others.
    fn end_tiles(&mut self, at: i64) -> Vec<bool> {
        let (grid, blocks) = (self.grid, &mut self.blocks);
        let mut tiled = vec![false; blocks.len()];
        for tile in &self.tiles {
            grid.blocks(grid.grown(tile.rect)).for_each(|n| tiled[n] = true);
        }
        let outside = tiled.iter().filter(|&&tiled| !tiled).count();
        let moving = (0..blocks.len()).filter(|&n| !tiled[n] && blocks[n].slots & 3 != 0).count();
        let is_new_outside = moving as f32 > NEW_OUTSIDE * outside as f32;
        self.tiles.retain_mut(|tile| {
            let (mut filmed, mut drawn, mut moving) = (0, 0, 0);
            for n in grid.blocks(tile.rect) {
                filmed += usize::from(blocks[n].look == Look::Filmed);
                drawn += usize::from(blocks[n].look == Look::Drawn);
                moving += usize::from(blocks[n].slots & 3 != 0);
            }
            let area = tile.rect.area() as f32;
            let is_large = area > LARGE * blocks.len() as f32;
            let share = |count: usize| count as f32 / area;
            if share(moving) > MOVING_SHARE {
                if at - tile.moved > PAUSE {
                    tile.moving = 0;
                }
                tile.moved = at;
                tile.moving += SLOT;
            }
            if share(filmed) > STILL_FILMED {
                tile.in_doubt = false;
            } else if share(moving) > NEW_LAYOUT && is_new_outside {
                tile.in_doubt = true;
            }
            let is_drawn = share(filmed) <= STILL_FILMED && share(drawn) > DRAWN;
            let is_gone =
                (share(filmed) <= STILL_FILMED && tile.in_doubt) || (is_drawn && is_large);
            let still = at - tile.moved;
            let rests = still
                >= match (is_large && tile.moving < PROVED, is_drawn) {
                    (true, _) => STILL_LARGE,
                    (_, true) => STILL_DRAWN,
                    _ => STILL,
                };
            if (rests && !tile.rests) || is_gone {
                for n in grid.blocks(grid.grown(tile.rect)) {
                    (blocks[n].activity, blocks[n].slots, tiled[n]) = (0.0, 0, false);
                }
            }
            tile.rests = rests;
            !is_gone && still < FORGOTTEN
        });
        tiled
    }

    fn find_tiles(&mut self, at: i64, tiled: &[bool]) {
        let (grid, blocks) = (self.grid, &self.blocks);
        let plays = |block: &Block| block.slots & 3 != 0 && recent(block) >= PLAYS;
        let playing: Vec<bool> =
            blocks.iter().zip(tiled).map(|(block, tiled)| !tiled && plays(block)).collect();
        let filmed: Vec<bool> = (0..blocks.len())
            .map(|n| was_filmed(&blocks[n], at) || playing[n] || tiled[n])
            .collect();
        let mut inside = tiled.to_vec();
        let mut found = Vec::new();
        for region in grid.regions(&filmed, 1) {
            let playing = region.iter().filter(|&&n| playing[n]).count();
            if playing < PLAYING || (playing as f32) < PLAYING_SHARE * region.len() as f32 {
                continue;
            }
            let rect = grid.bounds(&region);
            let filmed = region.iter().filter(|&&n| was_filmed(&blocks[n], at)).count();
            let drawn = grid.blocks(rect).filter(|&n| blocks[n].look == Look::Drawn).count();
            if (filmed as f32) < FILLED * rect.area() as f32
                || drawn as f32 > MOSTLY_DRAWN * rect.area() as f32
                || rect.right - rect.left + 1 < LEAST_WIDTH
                || rect.bottom - rect.top + 1 < LEAST_HEIGHT
            {
                continue;
            }
            grid.blocks(grid.grown(rect)).for_each(|n| inside[n] = true);
            let moving = i64::from(PLAYS) * SLOT;
            found.push(Tile { rect, moved: at, moving, rests: false, in_doubt: false });
        }
        let moving = (blocks.iter().zip(&inside))
            .filter(|(block, inside)| {
                !**inside && block.look == Look::Drawn && recent(block) >= MOVES
            })
            .count();
        if moving as f32 > WHOLE_MOVES * blocks.len() as f32 {
            return;
        }
        for tile in found {
            self.tiles.retain(|other| !tile.rect.holds(other.rect));
            self.tiles.push(tile);
        }
        self.grow_tiles();
    }

    /// What always moves when a tile does is part of it.
    fn grow_tiles(&mut self) {
        let grid = self.grid;
        for tile in &mut self.tiles {
            let moving = |rect: Rect| {
                let moving = grid.blocks(rect).filter(|&n| self.blocks[n].slots & 1 != 0).count();
                moving as f32 / rect.area() as f32
            };
            if moving(tile.rect) < GROWS {
                continue;
            }
            for strip in grid.strips(tile.rect) {
                if moving(strip) >= GROWS {
                    tile.rect = tile.rect.with(strip);
                }
            }
        }
    }

    /// Counts changes and ticks.
    fn count(&mut self, at: i64) {
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
            if beside > ALONE {
                block.ticks = 0.0;
            } else if is_apart {
                (block.ticks, block.ticked) = (ticks + 1.0, at);
            }
        }
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

/// Whether a block looks filmed, or did so a moment ago.
fn was_filmed(block: &Block, at: i64) -> bool {
    block.look == Look::Filmed || (block.look == Look::Plain && at - block.filmed < AGO)
}

/// In how many of the last slots a block changed.
fn recent(block: &Block) -> u32 {
    (block.slots & ((1 << SLOTS) - 1)).count_ones()
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
