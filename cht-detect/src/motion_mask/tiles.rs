//! Tiles: rectangles in which a camera or a video plays.
//!
//! A tile is found by filmed motion in it, or by repeated changes as a whole. It grows to motion
//! next to it, and ends when another layout replaces it.

use crate::time::SECOND;
use serde::{Deserialize, Serialize};

use super::block::{Block, MOVING_SHARE, NEVER, SLOT};
use crate::{
    grid::{Grid, Rect},
    measure::{Change, Texture},
};

/// Number of the last slots in which a playing block changed.
const PLAYS: u32 = 3;

/// Least number and share of playing blocks in a filmed region.
const PLAYING: usize = 6;
const PLAYING_SHARE: f32 = 0.05;

/// Least width and height of a new tile, in blocks, least share of it that is filmed, and largest
/// share that is drawn.
const LEAST_WIDTH: usize = 4;
const LEAST_HEIGHT: usize = 3;
const FILLED: f32 = 0.5;
const MOSTLY_DRAWN: f32 = 0.3;

/// Filmed share from which a playing region is no moving page, tile or not.
const RATHER_FILMED: f32 = 0.35;

/// Least and longest time between two changes of a rectangle as a whole that make it a tile, in
/// ticks, and number of them that are remembered.
const FLIPS_APART: i64 = SECOND * 4 / 10;
const FLIPS_REMEMBERED: i64 = 30 * SECOND;
const FLIPS: usize = 64;

/// Number of the last slots in which a block moves, and share of moving drawn blocks outside of
/// tiles from which the whole screen moves: a scroll, a transition.
const MOVES: u32 = 2;
const WHOLE_MOVES: f32 = 0.02;

/// Share of a neighbouring strip that has to move for a tile to grow to it, and largest growth at
/// once, in blocks.
const GROWS: f32 = 0.5;
const GROWN: usize = 4;

/// Shares of a tile, and of the area outside of all tiles, that another layout changes at least.
const NEW_LAYOUT: f32 = 0.5;
const NEW_OUTSIDE: f32 = 0.05;

/// Share of the tiles' area that another page changes in one frame.
const NEW_PAGE: f32 = 0.6;

/// Largest filmed share of a tile that another layout has replaced.
const STILL_FILMED: f32 = 0.2;

/// Share of the screen from which a tile is a layout itself, and drawn share from which it is gone
/// if it is not filmed.
const LARGE: f32 = 0.35;
const DRAWN: f32 = 0.03;

/// Time after which a resting tile shows a still, which counts, in ticks: sooner if it is drawn,
/// and soonest if it is large, unless it moved for `PROVED` without a pause. Scrolled photos look
/// the same.
const STILL_AFTER: i64 = 10 * SECOND;
const STILL_DRAWN: i64 = 5 * SECOND;
const STILL_LARGE: i64 = SECOND;
const PROVED: i64 = 3 * SECOND;
const PAUSE: i64 = SECOND / 2;

/// Time after which a resting tile is forgotten, in ticks.
const FORGOTTEN: i64 = 60 * SECOND;

/// A rectangle in which something plays.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Tile {
    pub(super) rect: Rect,
    /// When it last moved, and for how long without a pause.
    moved: i64,
    moving: i64,
    rests: bool,
    /// Another layout may have taken its place.
    in_doubt: bool,
}

impl Tile {
    /// Returns a tile that has begun to play.
    fn found(rect: Rect, at: i64) -> Self {
        let moving = i64::from(PLAYS) * SLOT;
        Self { rect, moved: at, moving, rests: false, in_doubt: false }
    }
}

/// All tiles of a picture.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Tiles {
    pub(super) all: Vec<Tile>,
    /// Rectangles that were filmed before or after they changed as a whole, and when.
    flips: Vec<(Rect, i64)>,
    /// Time of the last change of all tiles as a whole.
    changed: i64,
}

impl Default for Tiles {
    fn default() -> Self {
        Self { all: Vec::new(), flips: Vec::new(), changed: NEVER }
    }
}

impl Tiles {
    /// Returns the rectangles of the tiles that do not rest.
    pub(crate) fn moving(&self) -> impl Iterator<Item = Rect> + '_ {
        self.all.iter().filter(|tile| !tile.rests).map(|tile| tile.rect)
    }

    /// Ends the tiles that are gone, and finds new ones.
    pub(crate) fn update(&mut self, grid: Grid, blocks: &mut [Block], at: i64) {
        let tiled = self.end(grid, blocks, at);
        self.find(grid, blocks, at, &tiled);
    }

    /// Tells whether this frame shows another page, though its tiles may lie in the same places:
    /// they change as a whole, and did not do so just before. All tiles are in doubt then.
    pub(crate) fn is_new_page(
        &mut self,
        grid: Grid,
        blocks: &[Block],
        at: i64,
        changes: &[Change],
    ) -> bool {
        if !self.change(grid, blocks, changes) {
            return false;
        }
        let before = std::mem::replace(&mut self.changed, at);
        let is_new_page = at - before > PAUSE;
        self.all.iter_mut().for_each(|tile| tile.in_doubt |= is_new_page);
        is_new_page
    }

    /// Tells whether this frame changes most of the tiles' area, in several tiles at once or
    /// together with the area outside.
    fn change(&self, grid: Grid, blocks: &[Block], changes: &[Change]) -> bool {
        let area: usize = self.moving().map(Rect::area).sum();
        if area == 0 || (changes.len() as f32) < NEW_PAGE * area.min(blocks.len()) as f32 {
            return false;
        }
        let mut changed = vec![false; blocks.len()];
        for change in changes {
            if let Some(changed) = changed.get_mut(change.block as usize) {
                *changed = true;
            }
        }
        let (mut inside, mut whole) = (0, 0);
        for rect in self.moving() {
            let count = grid.blocks(rect).filter(|&n| changed[n]).count();
            inside += count;
            whole += usize::from(count as f32 >= NEW_PAGE * rect.area() as f32);
        }
        let outside = || (0..changed.len()).filter(|&n| !blocks[n].masked);
        let moving = outside().filter(|&n| changed[n]).count() as f32;
        inside as f32 >= NEW_PAGE * area as f32
            && (whole > 1 || whole == 1 && moving > NEW_OUTSIDE * outside().count() as f32)
    }

    /// Ends the tiles that are gone. Returns for each block whether it belongs to one of the
    /// others.
    fn end(&mut self, grid: Grid, blocks: &mut [Block], at: i64) -> Vec<bool> {
        let mut tiled = vec![false; blocks.len()];
        for tile in &self.all {
            grid.blocks(grid.grown(tile.rect)).for_each(|n| tiled[n] = true);
        }
        let is_new_outside = is_new_outside(blocks, &tiled);
        self.all.retain_mut(|tile| {
            let (mut filmed, mut drawn, mut moving) = (0, 0, 0);
            for n in grid.blocks(tile.rect) {
                filmed += usize::from(blocks[n].texture == Texture::Filmed);
                drawn += usize::from(blocks[n].texture == Texture::Drawn);
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
                    _ => STILL_AFTER,
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

    /// Finds tiles outside of the known ones, whose blocks are `tiled`, and how far all of them
    /// reach.
    fn find(&mut self, grid: Grid, blocks: &[Block], at: i64, tiled: &[bool]) {
        let plays = |block: &Block| block.slots & 3 != 0 && block.recent() >= PLAYS;
        let playing: Vec<bool> =
            blocks.iter().zip(tiled).map(|(block, tiled)| !tiled && plays(block)).collect();
        let filmed: Vec<bool> = (0..blocks.len())
            .map(|n| !tiled[n] && (blocks[n].was_filmed(at) || playing[n]))
            .collect();
        let mut inside = tiled.to_vec();
        let mut found = Vec::new();
        for region in grid.regions(&filmed, 1) {
            let playing = region.iter().filter(|&&n| playing[n]).count();
            if playing < PLAYING || (playing as f32) < PLAYING_SHARE * region.len() as f32 {
                continue;
            }
            let rect = grid.bounds(&region);
            let filmed = region.iter().filter(|&&n| blocks[n].was_filmed(at)).count();
            let drawn = grid.blocks(rect).filter(|&n| blocks[n].texture == Texture::Drawn).count();
            if filmed as f32 >= RATHER_FILMED * rect.area() as f32 {
                grid.blocks(grid.grown(rect)).for_each(|n| inside[n] = true);
            }
            if (filmed as f32) < FILLED * rect.area() as f32
                || drawn as f32 > MOSTLY_DRAWN * rect.area() as f32
                || rect.width() < LEAST_WIDTH
                || rect.height() < LEAST_HEIGHT
            {
                continue;
            }
            found.push(Tile::found(rect, at));
        }
        let moves = |n: &usize| {
            !inside[*n] && blocks[*n].texture == Texture::Drawn && blocks[*n].recent() >= MOVES
        };
        let moving = (0..blocks.len()).filter(moves).count();
        if moving as f32 > WHOLE_MOVES * blocks.len() as f32 {
            return;
        }
        let flipped = flipped(grid, blocks, at, tiled);
        self.flips.retain(|(_, then)| at - then < FLIPS_REMEMBERED);
        self.flips.drain(..self.flips.len().saturating_sub(FLIPS));
        for rect in flipped {
            let is_again =
                |flip: &(Rect, i64)| at - flip.1 >= FLIPS_APART && rect.is_nearly(flip.0);
            if self.flips.iter().any(is_again) {
                found.push(Tile::found(rect, at));
            }
            self.flips.push((rect, at));
        }
        if !found.is_empty() {
            self.changed = at;
        }
        for tile in found {
            self.all.retain(|other| !tile.rect.holds(other.rect));
            self.all.push(tile);
        }
        self.grow(grid, blocks, tiled);
    }

    /// Grows each tile to blocks that always move with it, and to motion at its edge that is not
    /// drawn.
    fn grow(&mut self, grid: Grid, blocks: &[Block], tiled: &[bool]) {
        let mut near = tiled.to_vec();
        for tile in &self.all {
            let grown = (0..GROWN).fold(tile.rect, |rect, _| grid.grown(rect));
            grid.blocks(grown).for_each(|n| near[n] = true);
        }
        if is_new_outside(blocks, &near) {
            return;
        }
        let mut inside = vec![false; blocks.len()];
        for tile in &self.all {
            grid.blocks(tile.rect).for_each(|n| inside[n] = true);
        }
        let beside: Vec<bool> =
            (0..inside.len()).map(|n| !inside[n] && blocks[n].slots & 1 != 0).collect();
        let is_drawn = |n: &&usize| blocks[**n].texture == Texture::Drawn;
        let at_edges: Vec<Rect> = (grid.regions(&beside, 1).into_iter())
            .filter(|region| 2 * region.iter().filter(is_drawn).count() <= region.len())
            .map(|region| grid.bounds(&region))
            .collect();
        for tile in &mut self.all {
            let moving = |rect: Rect| {
                let moving = grid.blocks(rect).filter(|&n| blocks[n].slots & 1 != 0).count();
                moving as f32 / rect.area() as f32
            };
            if moving(tile.rect) < MOVING_SHARE {
                continue;
            }
            let before = tile.rect;
            for &rect in &at_edges {
                let grown = tile.rect.with(rect);
                if before.is_next_to(rect) && grown.reaches(before) <= GROWN {
                    tile.rect = grown;
                }
            }
            if moving(tile.rect) < GROWS {
                continue;
            }
            let moves = |strip: &Rect| {
                let moving = grid.blocks(*strip).filter(|&n| beside[n]).count();
                moving as f32 >= GROWS * strip.area() as f32
            };
            for _ in 0..GROWN {
                let strips = grid.strips(tile.rect).filter(moves);
                tile.rect = strips.fold(tile.rect, Rect::with);
            }
        }
    }
}

/// Tells whether much of the picture outside of tiles, whose blocks are `tiled`, changes.
fn is_new_outside(blocks: &[Block], tiled: &[bool]) -> bool {
    let outside = || (0..tiled.len()).filter(|&n| !tiled[n]);
    let moving = outside().filter(|&n| blocks[n].slots & 3 != 0).count();
    moving as f32 > NEW_OUTSIDE * outside().count() as f32
}

/// Rectangles outside of tiles that changed just now as a whole, and were or are filmed, while
/// hardly anything else changed.
fn flipped(grid: Grid, blocks: &[Block], at: i64, tiled: &[bool]) -> Vec<Rect> {
    let changed: Vec<bool> =
        blocks.iter().zip(tiled).map(|(block, tiled)| !tiled && block.slots & 1 != 0).collect();
    let (mut flipped, mut others) = (Vec::new(), 0);
    for region in grid.regions(&changed, 1) {
        let rect = grid.bounds(&region);
        let filmed = region.iter().filter(|&&n| blocks[n].was_filmed(at)).count();
        if rect.width() >= LEAST_WIDTH
            && rect.height() >= LEAST_HEIGHT
            && filmed as f32 >= FILLED * rect.area() as f32
            && rect.area() as f32 <= LARGE * blocks.len() as f32
        {
            flipped.push(rect);
        } else {
            others += region.len() - filmed;
        }
    }
    if others as f32 > WHOLE_MOVES * blocks.len() as f32 {
        flipped.clear();
    }
    flipped
}
