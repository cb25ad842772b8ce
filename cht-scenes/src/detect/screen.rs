//! Screens: a frame when what is shown has changed and has come to rest.
//!
//! Works on the contents of blocks alone ([`crate::measure::Blocks`]). What is on the screen is compared with the last *kept* frame, so
//! that small changes add up. Regions that never rest (a webcam tile, a video in a page) are learned and left out; specks (a
//! cursor, a caret, a clock) are too small to count.

use cht_core::time::TICKS_PER_SECOND as SECOND;
use serde::{Deserialize, Serialize};

use super::{Finding, Kind};
use crate::measure::Measures;

/// Rules of [`Screen`], times in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ScreenRules {
    /// So long nothing that counts may have changed before the frame is kept.
    pub settle: i64,
    /// A change that does not come to rest gives a frame after so long.
    pub max_wait: i64,
}

impl Default for ScreenRules {
    fn default() -> Self {
        Self { settle: SECOND * 3 / 10, max_wait: 5 * SECOND }
    }
}

/// Blocks of a connected change that is too small to count.
const SPECK: usize = 6;

/// Text that is being typed changes a few blocks now and then; it rests when nothing came for so long.
const TYPING: i64 = SECOND * 3 / 4;

/// The share of a part that has to be new for it to be text that grows.
const GROWN: f32 = 0.04;

/// What has rested for so long is not kept waiting by what moves elsewhere.
const PATIENCE: i64 = SECOND * 8 / 10;

/// A block counts as changing once in so long, however often it does.
const SLOT: i64 = SECOND / 5;

/// A block never rests after so many changes, each of which is forgotten by half in [`FORGET`] seconds. Around one that never
/// rests, these many make a block part of the same region, and these many keep it there.
const RESTLESS: f32 = 7.0;
const LIVELY: f32 = 2.5;
const STAYS_LIVELY: f32 = 1.0;
const FORGET: f32 = 5.0;

/// A region that was restless rests when no more than this share of it changed for so long.
const RESTING_SHARE: f32 = 0.03;
const RESTING: i64 = SECOND * 6 / 10;

/// A region that is so full of restless blocks is restless as a whole: a tile, with the parts of it that happen to rest.
const TILE: f32 = 0.7;

/// A new layout changes more than these shares of the restless regions and of what is around them.
const NEW_LAYOUT: f32 = 0.5;
const NEW_AROUND: f32 = 0.15;

/// A restless region of fewer blocks is no tile.
const LEAST_TILE: usize = 12;

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Block {
    content: u32,
    /// In the last kept frame.
    kept: u32,
    /// Before the last change.
    previous: u32,
    changed: i64,
    activity: f32,
    counted: i64,
    masked: bool,
}

/// Looks at one frame after the other.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Screen {
    rules: ScreenRules,
    columns: usize,
    rows: usize,
    blocks: Vec<Block>,
    /// When the screen began to differ from the last kept frame.
    differs_since: Option<i64>,
    /// When the restless regions are looked for again.
    next_look: i64,
}

impl Screen {
    /// With these rules.
    #[must_use]
    pub fn new(rules: ScreenRules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Takes the next frame.
    pub fn push(&mut self, measures: &Measures) -> Option<Finding> {
        let at = measures.at;
        let grid = (measures.grid.0 as usize, measures.grid.1 as usize);
        if grid != (self.columns, self.rows) {
            (self.columns, self.rows) = grid;
            self.blocks =
                vec![
                    Block { changed: i64::MIN / 2, counted: i64::MIN / 2, ..Block::default() };
                    grid.0 * grid.1
                ];
        }
        for change in &measures.changes {
            self.change(at, change.block as usize, change.content);
        }
        self.forget_if_new(at);
        if at >= self.next_look {
            self.next_look = at + SLOT;
            self.find_restless(at);
        }
        self.decide(at)
    }

    /// The frame was kept (by whatever detector).
    pub fn keep(&mut self) {
        for block in &mut self.blocks {
            block.kept = block.content;
        }
        self.differs_since = None;
    }

    fn change(&mut self, at: i64, number: usize, content: u32) {
        let Some(block) = self.blocks.get_mut(number) else { return };
        block.previous = block.content;
        block.content = content;
        block.changed = at;
        if at - block.counted >= SLOT {
            let seconds = (at - block.counted) as f32 / SECOND as f32;
            block.activity =
                block.activity * (-seconds / FORGET * std::f32::consts::LN_2).exp() + 1.0;
            block.counted = at;
        }
    }

    /// Forgets which regions never rest where another layout has come: they change as a whole, and so does what is around them. A
    /// cut within a video leaves its surroundings alone.
    fn forget_if_new(&mut self, at: i64) {
        let (mut masked, mut around) = ((0, 0), (0, 0));
        for block in &self.blocks {
            let count = if block.masked { &mut masked } else { &mut around };
            count.0 += usize::from(at - block.changed < SLOT);
            count.1 += 1;
        }
        let is_over =
            |(changed, all): (usize, usize), share: f32| changed as f32 > share * all as f32;
        if masked.1 > 0 && is_over(masked, NEW_LAYOUT) && is_over(around, NEW_AROUND) {
            for block in &mut self.blocks {
                (block.masked, block.activity) = (false, 0.0);
            }
        }
    }

    /// Learns which regions never rest, and forgets those that do.
    fn find_restless(&mut self, at: i64) {
        let activity = |block: &Block| {
            let seconds = (at - block.counted).max(0) as f32 / SECOND as f32;
            block.activity * (-seconds / FORGET * std::f32::consts::LN_2).exp()
        };
        let lively: Vec<bool> = self
            .blocks
            .iter()
            .map(|block| activity(block) >= if block.masked { STAYS_LIVELY } else { LIVELY })
            .collect();
        let mut masked = vec![false; self.blocks.len()];
        for region in self.regions(&lively, 2) {
            // It takes a block that never rests to call a region restless; its neighbours may rest now and then.
            if !region
                .iter()
                .any(|&n| self.blocks[n].masked || activity(&self.blocks[n]) >= RESTLESS)
            {
                continue;
            }
            let mut area = self.around(&region, 1);
            if region.len() >= LEAST_TILE {
                let tile = self.bounds(&area);
                if area.len() as f32 >= TILE * tile.len() as f32 {
                    area = tile;
                }
            } else {
                area = region;
            }
            let moving = area.iter().filter(|&&n| at - self.blocks[n].changed < RESTING).count();
            if moving as f32 <= RESTING_SHARE * area.len() as f32 {
                // It has come to rest: what it shows now counts.
                for n in area {
                    self.blocks[n].activity = 0.0;
                }
            } else {
                for n in area {
                    masked[n] = true;
                }
            }
        }
        for (block, masked) in self.blocks.iter_mut().zip(masked) {
            block.masked = masked;
        }
    }

    fn decide(&mut self, at: i64) -> Option<Finding> {
        let differs: Vec<bool> =
            self.blocks.iter().map(|block| !block.masked && block.content != block.kept).collect();
        if !differs.contains(&true) {
            self.differs_since = None;
            return None;
        }
        let parts: Vec<Vec<usize>> =
            self.regions(&differs, 1).into_iter().filter(|part| part.len() > SPECK).collect();
        if parts.is_empty() {
            self.differs_since = None;
            return None;
        }
        let since = *self.differs_since.get_or_insert(at);
        let restless = self.is_restless(at, &parts);
        let waited_enough =
            at - since >= self.rules.max_wait || parts.iter().any(|part| self.rests(at, part));
        if restless && !waited_enough {
            return None;
        }
        let changed: usize = parts.iter().map(Vec::len).sum();
        let strength = changed as f64 / self.blocks.len() as f64;
        // A change that never came to rest is taken as it is.
        let changed_last = parts.iter().flatten().map(|&n| self.blocks[n].changed).max();
        let rests_since = if restless { at } else { changed_last.unwrap_or(at) };
        Some(Finding { at: rests_since, since: since.min(rests_since), kind: Kind::Rest, strength })
    }

    /// Whether this part has rested for so long that what moves elsewhere need not be waited for.
    fn rests(&self, at: i64, part: &[usize]) -> bool {
        part.iter().all(|&n| at - self.blocks[n].changed >= PATIENCE)
    }

    /// Whether something that counts has just changed, or text is being typed where `parts` differ.
    fn is_restless(&self, at: i64, parts: &[Vec<usize>]) -> bool {
        let moves: Vec<bool> = self
            .blocks
            .iter()
            .map(|block| {
                !block.masked
                    && at - block.changed < self.rules.settle
                    && block.content != block.kept
            })
            .collect();
        if self.regions(&moves, 1).iter().any(|part| part.len() > SPECK) {
            return true;
        }
        parts.iter().any(|part| self.is_typed(at, part))
    }

    /// Whether a part has grown a little, and may go on to grow: text that is being typed. A few blocks that follow a large
    /// change are what the coding mends.
    fn is_typed(&self, at: i64, part: &[usize]) -> bool {
        let began = part.iter().map(|&n| self.blocks[n].changed).min().unwrap_or(at);
        let is_new = |n: usize| {
            let block = &self.blocks[n];
            at - block.changed < TYPING
                && block.changed - began > SLOT
                && block.previous == block.kept
        };
        part.iter().filter(|&&n| is_new(n)).count() as f32 > GROWN * part.len() as f32
    }

    /// Connected blocks, where a gap of less than `reach` does not part them.
    fn regions(&self, set: &[bool], reach: usize) -> Vec<Vec<usize>> {
        let mut seen = vec![false; set.len()];
        let mut regions = Vec::new();
        for first in (0..set.len()).filter(|&n| set[n]) {
            if std::mem::replace(&mut seen[first], true) {
                continue;
            }
            let (mut region, mut next) = (vec![first], 0);
            while let Some(&n) = region.get(next) {
                next += 1;
                let (x, y) = (n % self.columns, n / self.columns);
                for y in y.saturating_sub(reach)..=(y + reach).min(self.rows - 1) {
                    for x in x.saturating_sub(reach)..=(x + reach).min(self.columns - 1) {
                        let n = y * self.columns + x;
                        if set[n] && !std::mem::replace(&mut seen[n], true) {
                            region.push(n);
                        }
                    }
                }
            }
            regions.push(region);
        }
        regions
    }

    /// A region and the blocks that are no further than `reach` from it.
    fn around(&self, region: &[usize], reach: usize) -> Vec<usize> {
        let mut within = vec![false; self.blocks.len()];
        for &n in region {
            let (x, y) = (n % self.columns, n / self.columns);
            for y in y.saturating_sub(reach)..=(y + reach).min(self.rows - 1) {
                for x in x.saturating_sub(reach)..=(x + reach).min(self.columns - 1) {
                    within[y * self.columns + x] = true;
                }
            }
        }
        (0..within.len()).filter(|&n| within[n]).collect()
    }

    /// All blocks of the rectangle around a region.
    fn bounds(&self, region: &[usize]) -> Vec<usize> {
        let columns = region.iter().map(|n| n % self.columns);
        let rows = region.iter().map(|n| n / self.columns);
        let (left, right) = (columns.clone().min().unwrap_or(0), columns.max().unwrap_or(0));
        let (top, bottom) = (rows.clone().min().unwrap_or(0), rows.max().unwrap_or(0));
        (top..=bottom).flat_map(|y| (left..=right).map(move |x| y * self.columns + x)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Change;

    const COLUMNS: u32 = 40;
    const ROWS: u32 = 20;
    /// Ticks from frame to frame, ten a second.
    const STEP: i64 = SECOND / 10;

    /// A screen that changes where `changes` says, frame by frame; the frames at which pictures are taken.
    fn taken(frames: i64, changes: impl Fn(i64) -> Vec<Change>) -> Vec<i64> {
        let mut screen = Screen::new(ScreenRules::default());
        let mut taken = Vec::new();
        for n in 0..frames {
            let grid = (COLUMNS, ROWS);
            let measures =
                Measures { at: n * STEP, grid, changes: changes(n), ..Measures::default() };
            let found = screen.push(&measures);
            if n == 0 || found.is_some() {
                screen.keep();
                taken.push(n);
            }
        }
        taken
    }

    /// A rectangle of blocks with another content.
    fn area(
        columns: std::ops::Range<u32>,
        rows: std::ops::Range<u32>,
        content: u32,
    ) -> Vec<Change> {
        rows.flat_map(|y| columns.clone().map(move |x| Change { block: y * COLUMNS + x, content }))
            .collect()
    }

    #[test]
    fn a_change_is_taken_when_it_has_rested() {
        let found = taken(60, |n| if n == 20 { area(5..25, 3..5, 9) } else { Vec::new() });
        assert_eq!(found.len(), 2);
        assert!((22..=24).contains(&found[1]), "{found:?}");
    }

    #[test]
    fn a_cursor_is_nothing() {
        let moves = |n| {
            let x = n as u32 % 30;
            let mut changes = area(x..x + 2, 8..10, 1);
            changes.extend(area(x.saturating_sub(1)..x, 8..10, 0));
            changes
        };
        assert_eq!(taken(60, |n| if n < 30 { moves(n) } else { Vec::new() }), [0]);
    }

    #[test]
    fn a_tile_that_never_rests_is_left_out_and_a_slide_beside_it_is_not() {
        let found = taken(200, |n| {
            let mut changes = area(30..38, 12..18, n as u32 + 1);
            if n == 150 {
                changes.extend(area(2..22, 3..6, 1));
            }
            changes
        });
        // Until the tile is known it may cost a picture or two.
        assert!(found.iter().filter(|&&n| n < 70).count() <= 3, "{found:?}");
        let late: Vec<_> = found.into_iter().filter(|&n| n >= 70).collect();
        assert_eq!(late.len(), 1, "{late:?}");
        assert!((151..=156).contains(&late[0]), "{late:?}");
    }

    #[test]
    fn what_comes_back_to_what_was_kept_is_no_change() {
        let changes = |n| match n {
            20 => area(5..25, 3..9, 9),
            21 => area(5..25, 3..9, 0),
            _ => Vec::new(),
        };
        assert_eq!(taken(60, changes), [0]);
    }

    #[test]
    fn what_never_rests_is_taken_now_and_then() {
        let found = taken(45, |n| if n > 0 { area(0..40, 0..20, n as u32) } else { Vec::new() });
        assert!(found.len() <= 2, "{found:?}");
    }
}
