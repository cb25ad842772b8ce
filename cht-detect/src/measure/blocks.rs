//! Names the contents of each block of the picture, so that earlier contents are recognised.
//!
//! A block is 16 × 16 pixels of the picture, 4 × 4 samples of the small luma. Its **content** is a
//! number for samples as they were first seen. Coding noise changes nothing and does not add up,
//! because samples are compared with the content and not with the frame before. A block remembers
//! its last contents: a blinking caret alternates between two, and a slide that returns has its old
//! ones.

use std::collections::VecDeque;

use crate::time::SECOND;
use multiversion::multiversion;
use serde::{Deserialize, Serialize};

use super::{
    Plane,
    samples::{AREA, SIDE, contrast, difference, greatest_difference, greatest_residual},
    texture::Texture,
};

/// Number of contents that a block remembers.
const MEMORY: usize = 6;

/// Age at which a content takes on the samples that are shown, in ticks: by then the coding is
/// sharp.
const MENDED: i64 = SECOND * 6 / 10;

/// Mean absolute difference above which samples are another content, in levels: the coding noise of
/// a flat area.
const TOLERANCE: u32 = 6;

/// Sum of absolute differences of a block up to which its content is the same, in levels.
const SAME: u32 = TOLERANCE * AREA as u32;

/// Divisor of the contrast by which a block may differ in addition: coding changes sharp edges
/// more. Text that appears or vanishes has no contrast on one side.
const TOLERANCE_OF_CONTRAST: u32 = 8;

/// Difference of one sample above which a block shows another **detail** of the same content, such
/// as a changed digit, in levels. At a poor bitrate, coding changes a sample of a sharp edge by up
/// to 33, a digit of 20 pixels one by at least 38.
const DETAIL: u8 = 37;

/// Contrast from which a block has ink, in levels.
const INK: u8 = 60;

/// Difference of one sample from the same ink, paler or darker, above which it is other ink, in
/// levels.
const REDRAWN: f32 = 37.0;

/// Number of details that a block remembers of its present content: a caret alternates between two.
const DETAILS: usize = 3;

/// A block that has another content than in the frame before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Number of the block, row by row.
    pub block: u32,
    /// New content.
    pub content: u32,
    /// Texture of the content.
    pub texture: Texture,
}

/// The contents of all blocks.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Blocks {
    /// Blocks in a row.
    pub columns: usize,
    /// Rows of blocks.
    pub rows: usize,
    known: Vec<Block>,
    #[serde(skip)]
    present: Present,
    next: u32,
    /// Contents that are yet to be mended: since when, in which block, which; and details, also of
    /// contents that came back.
    fresh: VecDeque<(i64, u32, u32)>,
    fresh_details: VecDeque<(i64, u32, u32)>,
    /// Samples of the frame before, to skip equal ones.
    before: Plane,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Block {
    /// The present content first, then those before it.
    known: Vec<Content>,
    /// Details of the present content, the one that is shown first.
    details: Vec<Content>,
}

/// Samples of all blocks' present contents and details, laid out as the picture is. Most blocks of
/// film show what they did, with some noise; to find that out one by one, in the memories of the
/// blocks, takes several times as long.
#[derive(Debug, Clone, Default)]
struct Present {
    contents: Plane,
    details: Plane,
    /// Of each column of a row of blocks: sum of the differences from the contents, and greatest
    /// difference from the details.
    sums: Vec<u16>,
    greatest: Vec<u8>,
}

/// A block that shows another detail than in the frame before: by a change too small to be another
/// content, or because the content is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// Number of the block, row by row.
    pub block: u32,
    /// New detail.
    pub detail: u32,
    /// It had ink before and has ink now, as a digit that becomes another one.
    pub inked: bool,
}

/// Samples that have a name.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Content {
    name: u32,
    samples: [u8; AREA],
    /// Of the samples, from the least to the greatest.
    contrast: u8,
}

impl Blocks {
    /// Returns the last frame.
    #[must_use]
    pub fn before(&self) -> &Plane {
        &self.before
    }

    /// Takes the next frame; the blocks that changed, and those that show another detail of the
    /// same content. Every block changes where the size does.
    pub fn push(&mut self, at: i64, plane: Plane) -> (Vec<Change>, Vec<Detail>) {
        let is_same_size = (plane.width, plane.height) == (self.before.width, self.before.height);
        if !is_same_size {
            (self.columns, self.rows) = (plane.width / SIDE, plane.height / SIDE);
            self.known = vec![Block::default(); self.columns * self.rows];
            self.fresh.clear();
            self.fresh_details.clear();
        }
        if !self.present.contents.is_as_large_as(&plane) {
            self.present = Present::of(&self.known, &plane);
        }
        let (mut changes, mut details) = (Vec::new(), Vec::new());
        for row in 0..self.rows {
            let before = is_same_size.then(|| strip(&self.before, row));
            let strip = strip(&plane, row);
            // Most rows of a calm screen.
            if before == Some(strip) {
                continue;
            }
            self.present.compare(strip, row);
            for column in 0..self.columns {
                if is_same_size && self.present.is_shown(column) {
                    continue;
                }
                let mut lines = (0..SIDE).map(|line| line * plane.width + column * SIDE);
                let is_same =
                    |before: &[u8]| lines.all(|at| before[at..][..SIDE] == strip[at..][..SIDE]);
                if before.is_some_and(is_same) {
                    continue;
                }
                let samples = cut_out(&plane, column, row);
                let number = row * self.columns + column;
                let newest = self.next;
                let block = &mut self.known[number];
                let shown = block.details.first().copied();
                let Some(content) = block.take(&samples, &mut self.next) else {
                    if let Some((detail, inked)) = block.take_detail(&samples, &mut self.next) {
                        self.present.take(block, column, row);
                        self.fresh_details.push_back((at, number as u32, detail));
                        details.push(Detail { block: number as u32, detail, inked });
                    }
                    continue;
                };
                self.present.take(block, column, row);
                let fresh =
                    if content == newest { &mut self.fresh } else { &mut self.fresh_details };
                fresh.push_back((at, number as u32, content));
                let inked = shown.is_some_and(|shown| shown.is_redrawn(&samples));
                details.push(Detail { block: number as u32, detail: content, inked });
                changes.push(Change {
                    block: number as u32,
                    content,
                    texture: Texture::of(&samples),
                });
            }
        }
        self.before = plane;
        self.mend(at);
        (changes, details)
    }

    /// Lets contents that stayed take on the samples that are shown.
    fn mend(&mut self, at: i64) {
        let Self { columns, known, before, present, .. } = self;
        let place = |number: u32| (number as usize % *columns, number as usize / *columns);
        while let Some(&(since, number, content)) = self.fresh.front()
            && at - since >= MENDED
        {
            self.fresh.pop_front();
            let (column, row) = place(number);
            let block = &mut known[number as usize];
            let Block { known, details } = block;
            for mended in [known.first_mut(), details.first_mut()].into_iter().flatten() {
                if mended.name == content {
                    *mended = Content::new(content, cut_out(before, column, row));
                }
            }
            present.take(block, column, row);
        }
        while let Some(&(since, number, detail)) = self.fresh_details.front()
            && at - since >= MENDED
        {
            self.fresh_details.pop_front();
            let (column, row) = place(number);
            let block = &mut known[number as usize];
            if let Some(mended) = block.details.first_mut()
                && mended.name == detail
            {
                *mended = Content::new(detail, cut_out(before, column, row));
                present.take(block, column, row);
            }
        }
    }
}

impl Present {
    /// Returns the samples of blocks in a picture as large as `plane`.
    fn of(blocks: &[Block], plane: &Plane) -> Self {
        let (contents, details) = (plane.clone(), plane.clone());
        let (sums, greatest) = (vec![0; plane.width], vec![0; plane.width]);
        let mut present = Self { contents, details, sums, greatest };
        let columns = (plane.width / SIDE).max(1);
        for (number, block) in blocks.iter().enumerate() {
            present.take(block, number % columns, number / columns);
        }
        present
    }

    /// Takes the samples of a block that has changed.
    fn take(&mut self, block: &Block, column: usize, row: usize) {
        let both = [(&mut self.contents, &block.known), (&mut self.details, &block.details)];
        for (plane, contents) in both {
            let Some(content) = contents.first() else { continue };
            let lines = plane.samples[row * SIDE * plane.width..].chunks_exact_mut(plane.width);
            for (line, samples) in lines.zip(content.samples.chunks_exact(SIDE)) {
                line[column * SIDE..][..SIDE].copy_from_slice(samples);
            }
        }
    }

    /// Compares a row of blocks.
    fn compare(&mut self, shown: &[u8], row: usize) {
        let Self { contents, details, sums, greatest } = self;
        differences(shown, strip(contents, row), strip(details, row), sums, greatest);
    }

    /// Returns whether a block of the row that was compared last shows its present content and
    /// detail.
    fn is_shown(&self, column: usize) -> bool {
        let sums = &self.sums[column * SIDE..][..SIDE];
        let greatest = &self.greatest[column * SIDE..][..SIDE];
        sums.iter().map(|&sum| u32::from(sum)).sum::<u32>() <= SAME
            && greatest.iter().all(|&difference| difference <= DETAIL)
    }
}

/// Adds up the absolute differences between `shown` and `contents` in each column of samples, and
/// finds the greatest between `shown` and `details`.
#[multiversion(targets("x86_64+avx2"))]
fn differences(
    shown: &[u8],
    contents: &[u8],
    details: &[u8],
    sums: &mut [u16],
    greatest: &mut [u8],
) {
    sums.fill(0);
    greatest.fill(0);
    let width = sums.len().max(1);
    let lines = shown.chunks_exact(width).zip(contents.chunks_exact(width));
    for ((shown, contents), details) in lines.zip(details.chunks_exact(width)) {
        for (sum, (&a, &b)) in sums.iter_mut().zip(shown.iter().zip(contents)) {
            *sum += u16::from(a.abs_diff(b));
        }
        for (most, (&a, &b)) in greatest.iter_mut().zip(shown.iter().zip(details)) {
            *most = a.abs_diff(b).max(*most);
        }
    }
}

impl Block {
    /// Takes samples; the content if it is another one now.
    fn take(&mut self, samples: &[u8; AREA], next: &mut u32) -> Option<u32> {
        // Usually the content is the same.
        let newest = self.known.first().map(|known| difference(&known.samples, samples));
        if newest.is_some_and(|difference| difference <= SAME) {
            return None;
        }
        let content = Content::new(*next, *samples);
        match self.known.iter().position(|known| known.is_same(&content)) {
            Some(0) => return None,
            Some(older) => self.known[..=older].rotate_right(1),
            None => {
                self.known.truncate(MEMORY - 1);
                self.known.insert(0, content);
                *next = next.wrapping_add(1);
            }
        }
        let shown = Content::new(self.known[0].name, *samples);
        self.details.clear();
        self.details.push(shown);
        Some(shown.name)
    }

    /// Takes samples of the present content; the detail if they show another one now, and whether
    /// there was ink before and is now.
    fn take_detail(&mut self, samples: &[u8; AREA], next: &mut u32) -> Option<(u32, bool)> {
        let before = self.details.first()?;
        if greatest_difference(&before.samples, samples) <= DETAIL {
            return None;
        }
        let inked = before.is_redrawn(samples);
        let is_shown = |known: &Content| greatest_difference(&known.samples, samples) <= DETAIL;
        if let Some(older) = self.details.iter().position(is_shown) {
            self.details[..=older].rotate_right(1);
            self.details[0] = Content::new(self.details[0].name, *samples);
        } else {
            self.details.truncate(DETAILS - 1);
            self.details.insert(0, Content::new(*next, *samples));
            *next = next.wrapping_add(1);
        }
        Some((self.details[0].name, inked))
    }
}

impl Content {
    fn new(name: u32, samples: [u8; AREA]) -> Self {
        Self { name, samples, contrast: contrast(&samples) }
    }

    /// Tells whether it has ink, and samples have ink elsewhere: not the same strokes, paler or
    /// darker, as the coding makes them.
    fn is_redrawn(&self, samples: &[u8; AREA]) -> bool {
        self.contrast >= INK
            && contrast(samples) >= INK
            && greatest_residual(&self.samples, samples) > REDRAWN
    }

    fn is_same(&self, other: &Self) -> bool {
        let contrast = u32::from(self.contrast.min(other.contrast));
        difference(&self.samples, &other.samples)
            <= SAME + contrast / TOLERANCE_OF_CONTRAST * AREA as u32
    }
}

/// Returns the samples of a row of blocks.
fn strip(plane: &Plane, row: usize) -> &[u8] {
    &plane.samples[row * SIDE * plane.width..][..SIDE * plane.width]
}

fn cut_out(plane: &Plane, column: usize, row: usize) -> [u8; AREA] {
    let mut samples = [0; AREA];
    let lines = strip(plane, row).chunks_exact(plane.width);
    for (out, line) in samples.chunks_exact_mut(SIDE).zip(lines) {
        out.copy_from_slice(&line[column * SIDE..][..SIDE]);
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(level: u8) -> Plane {
        Plane { width: 8, height: 4, samples: vec![level; 32] }
    }

    fn changes(blocks: &mut Blocks, at: i64, plane: Plane) -> Vec<Change> {
        blocks.push(at, plane).0
    }

    #[test]
    fn changed_digit_is_a_detail_and_noise_is_none() {
        // A letter in each block, and a stroke that one digit has and the other has not.
        let line = |stroke: bool, noise: u8| {
            let level = |n: usize| match n % 4 {
                1 if n == 17 && stroke => 90,
                2 => 30 + noise,
                _ => 230 - noise / 8,
            };
            Plane { width: 8, height: 4, samples: (0..32).map(level).collect() }
        };
        let mut blocks = Blocks::default();
        let (first, _) = blocks.push(0, line(false, 0));
        assert_eq!(blocks.push(MENDED / 2, line(false, 30)), (vec![], vec![]));
        let (changes, details) = blocks.push(2 * MENDED, line(true, 0));
        assert_eq!((changes.len(), details.len(), details[0].block), (0, 1, 0));
        assert_eq!(blocks.push(2 * MENDED, line(true, 30)), (vec![], vec![]));
        // The earlier detail is recognised.
        let back = Detail { block: 0, detail: first[0].content, inked: true };
        assert_eq!(blocks.push(4 * MENDED, line(false, 0)), (vec![], vec![back]));
    }

    #[test]
    fn paler_stroke_is_the_same_ink() {
        let stroke = |row: usize, level: u8| -> [u8; AREA] {
            std::array::from_fn(|n| if n / SIDE == row { level } else { 230 })
        };
        let shown = Content::new(0, stroke(3, 30));
        assert!(!shown.is_redrawn(&stroke(3, 120)), "paler");
        assert!(!shown.is_redrawn(&stroke(0, 230)), "gone");
        assert!(shown.is_redrawn(&stroke(0, 30)), "elsewhere");
    }

    #[test]
    fn noise_does_not_add_up() {
        let mut blocks = Blocks::default();
        assert_eq!(changes(&mut blocks, 0, plane(100)).len(), 2);
        for level in [103, 105, 98, 95, 104] {
            assert_eq!(changes(&mut blocks, 0, plane(level)), []);
        }
        // The comparison is with the first samples, not with the frame before.
        assert_eq!(changes(&mut blocks, 0, plane(108)).len(), 2);
    }

    #[test]
    fn earlier_content_is_recognised() {
        let mut blocks = Blocks::default();
        let first = changes(&mut blocks, 0, plane(20));
        let second = changes(&mut blocks, 0, plane(200));
        assert_ne!(first, second);
        assert_eq!(changes(&mut blocks, 0, plane(20)), first);
        assert_eq!(changes(&mut blocks, 0, plane(200)), second);
    }

    #[test]
    fn restored_blocks_change_as_they_would_have() {
        let mut blocks = Blocks::default();
        changes(&mut blocks, 0, plane(20));
        let bytes = postcard::to_allocvec(&blocks).unwrap();
        let mut restored: Blocks = postcard::from_bytes(&bytes).unwrap();
        for level in [22, 200, 20] {
            assert_eq!(blocks.push(1, plane(level)), restored.push(1, plane(level)));
        }
    }

    #[test]
    fn picture_narrower_than_a_sample_has_no_blocks() {
        let mut blocks = Blocks::default();
        for height in [8, 8, 4] {
            let line = Plane { width: 0, height, samples: Vec::new() };
            assert_eq!(blocks.push(0, line), (vec![], vec![]));
        }
    }

    #[test]
    fn other_size_changes_every_block() {
        let mut blocks = Blocks::default();
        changes(&mut blocks, 0, plane(20));
        let wide = Plane { width: 16, height: 4, samples: vec![20; 64] };
        assert_eq!(changes(&mut blocks, 0, wide).len(), 4);
    }

    #[test]
    fn settled_content_takes_on_its_coding() {
        let mut blocks = Blocks::default();
        changes(&mut blocks, 0, plane(100));
        assert_eq!(changes(&mut blocks, MENDED / 2, plane(105)), []);
        // Too early for the content to take on these samples.
        assert_eq!(changes(&mut blocks.clone(), MENDED / 2, plane(110)).len(), 2);
        assert_eq!(changes(&mut blocks, MENDED, plane(105)), []);
        assert_eq!(changes(&mut blocks, MENDED + 1, plane(110)), []);
        // A content takes on samples once: a slow change is another content in the end.
        assert_eq!(changes(&mut blocks, 3 * MENDED, plane(110)), []);
        assert_eq!(changes(&mut blocks, 3 * MENDED, plane(115)).len(), 2);
    }

    #[test]
    fn sharpened_text_is_the_same_and_new_text_is_not() {
        let text = |light: u8, dark: u8| {
            let samples = (0..32).map(|n| if n % 3 == 0 { dark } else { light }).collect();
            Plane { width: 8, height: 4, samples }
        };
        let mut blocks = Blocks::default();
        changes(&mut blocks, 0, text(200, 90));
        assert_eq!(changes(&mut blocks, 0, text(215, 70)), []);
        assert_eq!(changes(&mut blocks, 0, plane(200)).len(), 2);
        assert_eq!(changes(&mut blocks, 0, text(200, 170)).len(), 2);
    }
}
