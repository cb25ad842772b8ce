//! Detects changes on screens: a finding when a change has come to rest.
//!
//! It works on the contents of blocks ([`crate::measure::Blocks`]), compared with the last *kept*
//! frame, so that small changes add up. Regions that never rest (a webcam tile, a video in a page)
//! are learned and masked ([`MotionMask`]). Specks (a cursor, a caret, a clock) are too small,
//! except for changes in place that rest: a digit, a short word ([`detail`]).

mod detail;
mod speck;

use crate::time::SECOND;
use serde::{Deserialize, Serialize};

use self::detail::{Details, Region};
use crate::measure::{Change, Detail, Measures, Texture};
use crate::{
    Finding, Kind,
    area::Area,
    grid::{Grid, Rect},
    motion_mask::MotionMask,
};

/// Rules of [`Screen`], times in ticks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScreenRules {
    /// Time for which everything that counts has to rest, in ticks.
    pub settle: i64,
    /// Time after which a change that does not rest gives a frame, in ticks.
    pub max_wait: i64,
    /// Share of the picture below which a change is ignored.
    pub min_change: f64,
    /// Areas whose changes are ignored.
    pub ignore: Vec<Area>,
}

impl Default for ScreenRules {
    fn default() -> Self {
        Self { settle: SECOND * 3 / 10, max_wait: 5 * SECOND, min_change: 0.0, ignore: Vec::new() }
    }
}

/// Longest time for which a slow change, such as typed text or a scroll, has to rest, in ticks; it
/// rests as long as it took.
const LONGEST_SETTLE: i64 = SECOND * 9 / 10;

/// Pause after which a block's changes begin anew, in ticks, and share of a part that may have
/// begun before the rest.
const PAUSE: i64 = SECOND / 2;
const EARLY: f32 = 0.2;

/// Distance up to which a motion in a kept frame may continue, in blocks.
const NEXT: usize = 2;

/// Share of a part at rest that may still change, as the coding becomes sharp.
const MENDED: f32 = 0.04;

/// Largest number of blocks that blink, as a caret does: they return to their contents.
const BLINKING: usize = 8;

/// Time for which filmed changes have to rest, in ticks.
const FILMED_SETTLE: i64 = SECOND;

/// Rest after which a change does not wait for motion elsewhere, in ticks.
const PATIENCE: i64 = SECOND * 9 / 10;

/// Largest share of the screen that a number, a word or a line takes. Parts of a digit may be as
/// small as a cursor.
const SMALL: f32 = 0.08;

/// Interval at which a screen without new pictures is examined, and time after the last picture up
/// to which it is, in ticks. Regions that never rest would be known to rest by then.
const STEP: i64 = SECOND / 10;
const LONGEST_PASS: i64 = 12 * SECOND;

/// Time after a picture after which all motion is forgotten, unless something is undecided, in
/// ticks.
const CALM_PASS: i64 = 2 * SECOND;

/// Distance up to which lines of text belong together, in rows and columns, in a picture of up to
/// 68 rows.
const ROWS_APART: usize = 5;
const COLUMNS_APART: usize = 30;

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Block {
    content: u32,
    /// Content before the last change.
    kept: u32,
    /// Before the last change.
    previous: u32,
    changed: i64,
    /// When the changes began that it ended with.
    began: i64,
    /// It was moving, or next to motion, in the last kept frame.
    open: bool,
}

/// Detects changes on a screen.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Screen {
    rules: ScreenRules,
    grid: Grid,
    blocks: Vec<Block>,
    mask: MotionMask,
    details: Details,
    /// For each block whether it lies in an area that is ignored.
    ignored: Vec<bool>,
    /// Changes that rest and are too small to count, since the last call.
    #[serde(skip)]
    too_small: u64,
    /// When the screen began to differ from the last kept frame.
    differs_since: Option<i64>,
    /// Time at which the tiles showed another page, if no frame was kept since.
    new_page: Option<i64>,
    /// Blocks that move in the frame that was found last.
    moving: Vec<usize>,
    /// The frame that was found last, before it is kept.
    shown: Option<i64>,
    /// Blocks of the small changes for which that frame was found.
    small: Vec<usize>,
    /// Blocks of the small changes for which frames were kept, since the last call of
    /// [`Self::take_small`].
    kept_small: Vec<usize>,
    /// For each block whether a frame was kept for a small change there.
    told: Vec<bool>,
    /// Time of the last frame, and how far time has passed since.
    frame: i64,
    passed: i64,
    /// Differences from the last kept frame, while nothing changes.
    #[serde(skip)]
    parts: Option<Vec<Part>>,
}

/// Connected blocks that differ from the last kept frame.
#[derive(Debug, Clone)]
struct Part {
    blocks: Vec<usize>,
    rect: Rect,
    is_filmed: bool,
    is_detail: bool,
    /// Time for which it has to rest.
    settle: i64,
    /// Time of the last change of more than late coding.
    moved: i64,
    /// When any of it last changed.
    last: i64,
}

impl Screen {
    /// Detects by these rules.
    #[must_use]
    pub fn new(rules: ScreenRules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Takes the next frame.
    pub fn push(&mut self, measures: &Measures) -> Option<Finding> {
        let at = measures.at;
        let grid = Grid { columns: measures.grid.0 as usize, rows: measures.grid.1 as usize };
        if grid != self.grid {
            self.grid = grid;
            let changed = i64::MIN / 2;
            self.blocks = vec![Block { changed, ..Block::default() }; grid.count()];
            self.mask = MotionMask::new(grid);
            self.details = Details::new(grid);
            self.ignored = (0..grid.count())
                .map(|n| self.rules.ignore.iter().any(|area| area.holds(grid, n)))
                .collect();
            self.parts = None;
            self.small.clear();
            self.kept_small.clear();
            self.told = vec![false; grid.count()];
        }
        (self.frame, self.passed) = (at, at);
        self.examine(at, &measures.changes, &measures.details)
    }

    /// Lets time pass to `until` without a picture. Returns the first finding; the rest of the time
    /// has yet to pass then.
    ///
    /// Time passes in steps from the last frame on, so the number of calls makes no difference.
    pub fn pass(&mut self, until: i64) -> Option<Finding> {
        while self.passed.saturating_add(STEP) < until && self.may_find() {
            self.passed += STEP;
            let finding = self.examine(self.passed, &[], &[]);
            if finding.is_some() {
                return finding;
            }
        }
        None
    }

    /// Tells whether more may be found while no picture comes.
    fn may_find(&self) -> bool {
        let since = self.passed - self.frame;
        let is_undecided =
            self.differs_since.is_some() || self.new_page.is_some() || self.details.any_differs();
        !self.blocks.is_empty()
            && since < LONGEST_PASS
            && (since < CALM_PASS || is_undecided || self.mask.masks_any())
    }

    /// Looks at the screen at `at`, after these changes.
    fn examine(&mut self, at: i64, changes: &[Change], details: &[Detail]) -> Option<Finding> {
        self.details.push(at, details);
        let few = changes.len() <= BLINKING;
        for change in changes {
            let Some(block) = self.blocks.get_mut(change.block as usize) else { continue };
            if !(few && block.previous == change.content) {
                if at - block.changed > PAUSE {
                    block.began = at;
                }
                block.changed = at;
            }
            block.previous = block.content;
            block.content = change.content;
        }
        let is_due = self.mask.is_due(at);
        if is_due || !changes.is_empty() {
            self.parts = None;
        }
        if self.mask.push(at, changes) {
            self.new_page = Some(at);
        }
        let parts = self.parts.take().unwrap_or_else(|| self.find_parts());
        let mut parts = parts;
        if is_due {
            parts.retain(|part| !part.is_detail);
            parts.extend(self.find_details(at));
        }
        let finding = self.decide(at, &parts);
        self.parts = Some(parts);
        finding
    }

    /// Takes the number of changes that came to rest and were too small since the last call.
    pub fn take_too_small(&mut self) -> u64 {
        std::mem::take(&mut self.too_small)
    }

    /// Returns the blocks of the small changes for which frames were kept, since the last call.
    pub fn take_small(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.kept_small)
    }

    /// Notes that the frame was kept, by any detector.
    pub fn keep(&mut self) {
        for &n in &self.small {
            if let Some(told) = self.told.get_mut(n) {
                *told = true;
            }
        }
        self.kept_small.append(&mut self.small);
        self.details.keep(self.shown.take().unwrap_or(i64::MAX));
        for block in &mut self.blocks {
            (block.kept, block.open) = (block.content, false);
        }
        for n in std::mem::take(&mut self.moving) {
            for n in self.grid.near(n, NEXT) {
                self.blocks[n].open = true;
            }
        }
        (self.differs_since, self.new_page, self.parts) = (None, None, None);
    }

    /// Returns the first frame that may still be reported when frames up to `now` have come; `None`
    /// while nothing differs from the last kept frame.
    pub(crate) fn undecided_from(&self, now: i64) -> Option<i64> {
        let page = self.new_page.map(|since| since + 1);
        let is_open = self.differs_since.is_some() || self.details.any_differs();
        page.or(is_open.then(|| now - PATIENCE))
    }

    /// Returns for each block whether it is ignored or never rests.
    #[must_use]
    pub fn hidden(&self) -> Vec<bool> {
        (0..self.blocks.len()).map(|n| self.is_left_out(n)).collect()
    }

    /// Returns for each block whether [`crate::Revisits`] leaves it out. A number that changes
    /// again and again ticks as a clock does, but frames were kept for it.
    #[must_use]
    pub fn hidden_from_prints(&self) -> Vec<bool> {
        let is_hidden = |n| {
            if self.told.get(n) == Some(&true) {
                self.ignored[n] || self.mask.moves(n)
            } else {
                self.is_left_out(n)
            }
        };
        (0..self.blocks.len()).map(is_hidden).collect()
    }

    fn is_left_out(&self, n: usize) -> bool {
        self.ignored[n] || self.mask.is_masked(n)
    }

    fn decide(&mut self, at: i64, parts: &[Part]) -> Option<Finding> {
        self.moving.clear();
        self.small.clear();
        self.shown = None;
        if parts.is_empty() {
            self.differs_since = None;
            let since = self.new_page.filter(|since| at - since >= self.rules.settle)?;
            let shown = (since + 1).min(self.frame);
            return Some(Finding { at: shown, since, kind: Kind::Rest, strength: 1.0 });
        }
        let since = *self.differs_since.get_or_insert(at);
        // Motion elsewhere delays a finding for a limited time.
        let rests = |part: &&Part| at - part.moved >= part.settle;
        let is_patient = |part: &&Part| {
            at - part.moved >= part.settle.max(PATIENCE)
                && !parts.iter().any(|other| !rests(&other) && self.belong_together(part, other))
        };
        let is_due = parts.iter().all(|part| rests(&part))
            || parts.iter().any(|part| is_patient(&part))
            // A change that never came to rest is taken as it is.
            || at - since >= self.rules.max_wait;
        if !is_due {
            return None;
        }
        // All parts that count as kept have to be in the picture, moving ones too.
        let ended = |part: &Part| if rests(&part) { part.moved } else { part.last };
        let ended = parts.iter().map(ended).max().unwrap_or(at);
        let shown = (ended + 1).clamp(at - PATIENCE, at).min(self.frame);
        let moving = parts.iter().filter(|part| !part.is_filmed && !rests(part));
        self.moving = moving.flat_map(|part| part.blocks.iter().copied()).collect();
        let changed: usize = parts.iter().map(|part| part.blocks.len()).sum();
        let is_small = changed as f32 <= SMALL * self.blocks.len() as f32;
        let small = parts.iter().filter(|part| part.is_detail || is_small && !part.is_filmed);
        self.small = small.flat_map(|part| part.blocks.iter().copied()).collect();
        self.shown = Some(shown);
        let strength = changed as f64 / self.blocks.len() as f64;
        Some(Finding { at: shown, since: since.min(shown), kind: Kind::Rest, strength })
    }

    /// Returns the differences from the last kept frame without specks.
    fn find_parts(&self) -> Vec<Part> {
        let differs: Vec<bool> = (self.blocks.iter().enumerate())
            .map(|(n, block)| block.content != block.kept && !self.is_left_out(n))
            .collect();
        if !differs.contains(&true) {
            return Vec::new();
        }
        (self.grid.regions(&differs, 2).into_iter())
            .filter(|blocks| !self.is_speck(blocks) && !self.is_too_small(blocks))
            .map(|blocks| self.part(blocks))
            .collect()
    }

    /// Details that differ from the last kept frame and have come to rest. Those that do not count
    /// are not looked at again.
    fn find_details(&mut self, at: i64) -> Vec<Part> {
        let left_out: Vec<bool> =
            (0..self.blocks.len()).map(|n| self.ignored[n] || self.mask.moves(n)).collect();
        let mut found = Vec::new();
        for region in self.details.resting(at, &left_out, |n| self.mask.texture(n)) {
            if region.counts && !self.is_too_small(&region.blocks) {
                let Region { blocks, changed, .. } = region;
                let rect = self.grid.bounds(&blocks);
                let settle = self.rules.settle;
                let (moved, last) = (changed, changed);
                let (is_filmed, is_detail) = (false, true);
                found.push(Part { blocks, rect, is_filmed, is_detail, settle, moved, last });
            } else {
                self.details.dismiss(&region.blocks);
                self.too_small += 1;
            }
        }
        found
    }

    fn is_too_small(&self, blocks: &[usize]) -> bool {
        (blocks.len() as f64) < self.rules.min_change * self.blocks.len() as f64
    }

    fn is_speck(&self, blocks: &[usize]) -> bool {
        // A change that was kept before its end is incomplete.
        if blocks.len() > 2 && blocks.iter().any(|&n| self.blocks[n].open) {
            return false;
        }
        speck::is_speck(self.grid, blocks)
    }

    fn belong_together(&self, one: &Part, other: &Part) -> bool {
        let (columns, rows) = one.rect.gap(other.rect);
        !one.is_filmed
            && !other.is_filmed
            && columns <= speck::scaled(self.grid, COLUMNS_APART)
            && rows <= speck::scaled(self.grid, ROWS_APART)
    }

    fn part(&self, blocks: Vec<usize>) -> Part {
        let is_filmed = |n: &usize| self.mask.texture(*n) == Texture::Filmed;
        let filmed = blocks.iter().filter(|n| is_filmed(n)).count();
        let mostly_filmed = 2 * filmed > blocks.len();
        let rect = self.grid.bounds(&blocks);
        // A filmed part of a page may be a video.
        let counted = blocks.iter().filter(|n| mostly_filmed || !is_filmed(n));
        let (mut began, mut changed): (Vec<i64>, Vec<i64>) =
            counted.map(|&n| (self.blocks[n].began, self.blocks[n].changed)).unzip();
        began.sort_unstable();
        changed.sort_unstable();
        let first = began[(EARLY * began.len() as f32) as usize];
        let moved = changed[changed.len() - 1 - (MENDED * changed.len() as f32) as usize];
        let least = if mostly_filmed { FILMED_SETTLE } else { self.rules.settle };
        // A line that was kept while it was typed goes on.
        let open = blocks.iter().filter(|&&n| self.blocks[n].open).count();
        let is_line = rect.height() <= speck::scaled(self.grid, speck::MIN_HEIGHT);
        let goes_on = is_line && 2 * open > blocks.len();
        let took = if goes_on { LONGEST_SETTLE } else { moved - first };
        let settle = took.min(LONGEST_SETTLE).max(least);
        let last = changed[changed.len() - 1];
        let is_filmed = mostly_filmed;
        Part { blocks, rect, is_filmed, is_detail: false, settle, moved, last }
    }
}

#[cfg(test)]
mod tests;
