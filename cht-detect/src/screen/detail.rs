//! Details: small changes in place that rest, such as a digit that becomes another.
//!
//! A caret, the seconds of a clock and a spinner are as small, but never rest for long, and neither
//! do their neighbours: the minutes change with the seconds. A cursor rests, but in its place there
//! was nothing before.

use crate::time::SECOND;
use serde::{Deserialize, Serialize};

use crate::{
    grid::Grid,
    measure::{Detail, Texture},
};

/// Time for which a detail has to rest, in ticks: longer than a clock's second.
const SETTLE: i64 = SECOND * 11 / 10;

/// Time for which it had rested before it changed, in ticks: longer than typing, or the late coding
/// of a new page.
const RESTED: i64 = SECOND;

/// Columns and rows of blocks around a detail in which nothing changes either.
const BESIDE: usize = 4;
const ABOVE: usize = 1;

/// Number of blocks of which one may still change, as the coding becomes sharp late.
const MENDED: usize = 8;

/// Time from one tick of a clock or a caret to the next, in ticks; number of recent ticks that make
/// one; and half-life of that number.
const TICK: std::ops::Range<i64> = SECOND * 45 / 100..SECOND * 125 / 100;
const TICKS: f32 = 2.5;
const FORGET: i64 = 10 * SECOND;

/// Longest time from the first change of a block to the last one of another, in ticks: late coding.
const AT_ONCE: i64 = SECOND * 6 / 10;

/// Distance at which blocks are examined for film, and filmed share from which a detail lies in
/// film.
const NEAR_FILM: usize = 2;
const FILMED: f32 = 0.2;

/// Longest time between two changes of one cursor on its way, in ticks, and distance between them
/// in columns and rows of blocks.
const MOVES: i64 = SECOND / 2;
const MOVES_COLUMNS: usize = 8;
const MOVES_ROWS: usize = 6;

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Block {
    detail: u32,
    /// In the last kept frame.
    kept: u32,
    changed: i64,
    /// How often it changed again as soon as a clock or a caret does, half forgotten in [`FORGET`].
    ticks: f32,
    /// There was ink that had rested before the change that it differs by, and there is other ink
    /// now.
    inked: bool,
}

/// Details of all blocks.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Details {
    grid: Grid,
    blocks: Vec<Block>,
}

/// Connected blocks that rest and differ from the last kept frame.
#[derive(Debug)]
pub(crate) struct Region {
    pub blocks: Vec<usize>,
    /// When it last changed.
    pub changed: i64,
    /// Ink has become other ink, at once, and not in a camera picture.
    pub counts: bool,
}

impl Block {
    fn ticks_after(&self, ticks: i64) -> f32 {
        self.ticks * (-(ticks.max(0) as f32) / FORGET as f32).exp2()
    }
}

impl Details {
    /// Returns the details of a picture of this size, without history.
    pub(crate) fn new(grid: Grid) -> Self {
        let block = Block { detail: 0, kept: 0, changed: i64::MIN / 2, ticks: 0.0, inked: false };
        Self { grid, blocks: vec![block; grid.count()] }
    }

    /// Takes the blocks that show another detail in the next frame.
    pub(crate) fn push(&mut self, at: i64, details: &[Detail]) {
        for &Detail { block, detail, inked } in details {
            let Some(block) = self.blocks.get_mut(block as usize) else { continue };
            let since = at - block.changed;
            if since > 0 {
                block.ticks = block.ticks_after(since) + f32::from(u8::from(TICK.contains(&since)));
            }
            (block.detail, block.changed) = (detail, at);
            block.inked = inked && since >= RESTED;
        }
    }

    /// Notes that the frame at `shown` was kept; later changes are not in it.
    pub(crate) fn keep(&mut self, shown: i64) {
        for block in self.blocks.iter_mut().filter(|block| block.changed <= shown) {
            block.kept = block.detail;
        }
    }

    /// Ignores the present details of these blocks.
    pub(crate) fn dismiss(&mut self, blocks: &[usize]) {
        for &n in blocks {
            self.blocks[n].kept = self.blocks[n].detail;
        }
    }

    /// Tells whether anything differs from the last kept frame.
    pub(crate) fn any_differs(&self) -> bool {
        self.blocks.iter().any(|block| block.detail != block.kept)
    }

    /// Returns the regions that differ from the last kept frame and rest at `at`, without blocks
    /// that are left out.
    pub(crate) fn resting(
        &self,
        at: i64,
        left_out: &[bool],
        texture: impl Fn(usize) -> Texture,
    ) -> Vec<Region> {
        let differs: Vec<bool> = (self.blocks.iter().zip(left_out))
            .map(|(block, left_out)| block.detail != block.kept && !left_out)
            .collect();
        if !differs.contains(&true) {
            return Vec::new();
        }
        let regions = self.grid.regions(&differs, 2).into_iter();
        let moved = |n: usize| at - self.blocks[n].changed < SETTLE;
        let rests = |blocks: &Vec<usize>| {
            let rect = self.grid.bounds(blocks);
            let wide = rect.grown_by(BESIDE, ABOVE, self.grid);
            let moving = self.grid.blocks(wide).filter(|&n| moved(n) && !left_out[n]).count();
            // A block at the edge of a tile changes seldom.
            let edge = self.grid.blocks(self.grid.grown(rect));
            let beside = edge.filter(|&n| moved(n) && left_out[n]).count();
            moving + beside <= blocks.len() / MENDED
        };
        let region = |blocks: Vec<usize>| {
            let changed = blocks.iter().filter(|&&n| !moved(n)).map(|&n| self.blocks[n].changed);
            let changed = changed.max().unwrap_or(at);
            let counts = blocks.iter().any(|&n| self.blocks[n].inked)
                && self.is_at_once(&blocks)
                && !self.ticks(&blocks, at)
                && !self.is_filmed(&blocks, &texture)
                && !self.is_trail(&blocks, changed);
            Region { blocks, changed, counts }
        };
        regions.filter(rests).map(region).collect()
    }

    /// Tells whether it belongs to a clock or a caret, or is next to one.
    fn ticks(&self, blocks: &[usize], at: i64) -> bool {
        let rect = self.grid.bounds(blocks).grown_by(BESIDE, ABOVE, self.grid);
        self.grid.blocks(rect).any(|n| {
            let block = &self.blocks[n];
            block.ticks_after(at - block.changed) >= TICKS
        })
    }

    /// Tells whether all of it changed at about the same time, unlike typed text.
    fn is_at_once(&self, blocks: &[usize]) -> bool {
        let changed = || blocks.iter().map(|&n| self.blocks[n].changed);
        let spread = changed().max().zip(changed().min()).map_or(0, |(last, first)| last - first);
        spread <= AT_ONCE
    }

    /// Tells whether it lies in a camera picture, or next to one.
    fn is_filmed(&self, blocks: &[usize], texture: impl Fn(usize) -> Texture) -> bool {
        let rect = self.grid.bounds(blocks).grown_by(NEAR_FILM, NEAR_FILM, self.grid);
        let filmed = self.grid.blocks(rect).filter(|&n| texture(n) == Texture::Filmed).count();
        filmed as f32 >= FILMED * rect.area() as f32
    }

    /// Tells whether a cursor that passed has left it, or came to rest there: something came and
    /// went near by, just before or after.
    fn is_trail(&self, blocks: &[usize], changed: i64) -> bool {
        let rect = self.grid.bounds(blocks).grown_by(MOVES_COLUMNS, MOVES_ROWS, self.grid);
        self.grid.blocks(rect).any(|n| {
            let Block { detail, kept, changed: then, .. } = self.blocks[n];
            detail == kept && then != changed && (then - changed).abs() <= MOVES
        })
    }
}
