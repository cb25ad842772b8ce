//! Recognises a screen that came back: finds the kept frame that shows the same.
//!
//! Of each kept frame a **print** remains: its small luma at half the width and height, in runs of
//! one level, without the regions that never rest. Two prints are the same if no difference is
//! larger than a cursor, and most of the picture is in both.
//!
//! A digit is as small as a cursor. In the place of a small change that gave one of the remembered
//! frames, any difference tells two prints apart.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::grid::Grid;
use crate::measure::Plane;

/// Number of kept frames that are remembered.
const REMEMBERED: usize = 64;

/// Samples of the small luma in a cell of the print, in both directions; and cells in a block.
const CELL: usize = 2;
const CELLS_OF_BLOCK: usize = 2;

/// Difference above which cells have other contents, in levels.
const TOLERANCE: u8 = 8;

/// Largest difference from the first level of a run, in levels.
const RUN: u8 = 2;

/// Size of the largest cursor, in cells, in a picture of up to 90 rows of cells (720 pixels),
/// larger in a higher one; and number of differing cells up to which nothing differs.
const MIN_WIDTH: usize = 5;
const MIN_HEIGHT: usize = 6;
const MIN_BLOCKS: usize = 6;
const MIN_ROWS: usize = 90;

/// Level of a cell that is left out; others stay below it.
const HIDDEN: u8 = u8::MAX;

/// Share of a print that has to be comparable for two to be the same.
const COMPARED: f32 = 0.5;

/// Recognises kept screens that come back.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Revisits {
    /// The newest last.
    prints: VecDeque<Print>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Print {
    grid: Grid,
    /// The level of each cell.
    #[serde(with = "runs")]
    levels: Vec<u8>,
    /// Blocks of the small changes for which this frame was kept, or an earlier one of this screen.
    small: Vec<usize>,
}

impl Revisits {
    /// Remembers a kept frame, given its small luma and, for each block of 4 × 4 samples, whether
    /// it never rests ([`crate::SceneDetector::hidden`]); and the blocks of the small changes for
    /// which it was kept ([`crate::SceneDetector::take_small`]).
    ///
    /// How many kept frames ago the same was shown, if it was among the last 64: 1 is the frame
    /// before.
    pub fn keep(&mut self, small: &Plane, hidden: &[bool], changed: Vec<usize>) -> Option<usize> {
        let mut print = Print::new(small, hidden, changed);
        let telling = self.telling(&print);
        let found = self.prints.iter().rev().position(|other| print.is_same(other, &telling));
        if let Some(found) = found {
            // The screen keeps its places when the frames before have been forgotten.
            let before = &self.prints[self.prints.len() - 1 - found];
            print.small.extend(&before.small);
            print.small.sort_unstable();
            print.small.dedup();
        }
        self.prints.push_back(print);
        if self.prints.len() > REMEMBERED {
            self.prints.pop_front();
        }
        found.map(|between| between + 1)
    }

    /// Returns for each cell of `print` whether a small change there gave a remembered frame or
    /// this one.
    fn telling(&self, print: &Print) -> Vec<bool> {
        let mut telling = vec![false; print.levels.len()];
        let alike = self.prints.iter().filter(|other| other.grid == print.grid);
        for &block in alike.chain([print]).flat_map(|print| &print.small) {
            for cell in print.cells_of(block) {
                telling[cell] = true;
            }
        }
        telling
    }
}

impl Print {
    fn new(small: &Plane, hidden: &[bool], changed: Vec<usize>) -> Self {
        let half = small.shrunk(CELL);
        let grid = Grid { columns: half.width, rows: half.height };
        let blocks = small.width / (CELL * CELLS_OF_BLOCK);
        let mut levels = half.samples;
        let mut run = HIDDEN;
        for (n, level) in levels.iter_mut().enumerate() {
            let (x, y) = (n % grid.columns / CELLS_OF_BLOCK, n / grid.columns / CELLS_OF_BLOCK);
            let is_hidden = x < blocks && hidden.get(y * blocks + x).is_some_and(|&hidden| hidden);
            let own = if is_hidden { HIDDEN } else { (*level).min(HIDDEN - 1) };
            if !belongs(run, own) {
                run = own;
            }
            *level = run;
        }
        Self { grid, levels, small: changed }
    }

    /// Returns the cells of a block.
    fn cells_of(&self, block: usize) -> impl Iterator<Item = usize> {
        let columns = self.grid.columns;
        let blocks = (columns / CELLS_OF_BLOCK).max(1);
        // A damaged state may name a block that no picture has.
        let row = (block / blocks).min(self.grid.rows);
        let (left, top) = (block % blocks * CELLS_OF_BLOCK, row * CELLS_OF_BLOCK);
        let lines = top..top + CELLS_OF_BLOCK;
        let cells =
            lines.flat_map(move |y| (left..left + CELLS_OF_BLOCK).map(move |x| y * columns + x));
        cells.filter(|&cell| cell < self.levels.len())
    }

    /// Tells whether this one shows the same as another, which nothing in the `telling` cells
    /// denies.
    fn is_same(&self, other: &Self, telling: &[bool]) -> bool {
        if self.grid != other.grid {
            return false;
        }
        let columns = self.grid.columns.max(1);
        let mut differing = vec![false; self.levels.len()];
        let mut compared = 0;
        let rows = self.levels.chunks_exact(columns).zip(other.levels.chunks_exact(columns));
        let rows = rows.zip(telling.chunks_exact(columns));
        for (differs, ((row, other), telling)) in differing.chunks_exact_mut(columns).zip(rows) {
            for (differs, (&a, &b)) in differs.iter_mut().zip(row.iter().zip(other)) {
                *differs = a.abs_diff(b) > TOLERANCE && a != HIDDEN && b != HIDDEN;
            }
            let seen = row.iter().zip(other).filter(|&(&a, &b)| a != HIDDEN && b != HIDDEN);
            compared += seen.count();
            if differs.iter().zip(telling).any(|(&differs, &tells)| differs && tells) {
                return false;
            }
            // Most pages are told apart by their first line.
            if differs.contains(&true)
                && differs.split(|differs| !differs).any(|run| !self.fits(run.len(), 1, run.len()))
            {
                return false;
            }
        }
        compared as f32 >= COMPARED * self.levels.len() as f32
            && self.grid.regions(&differing, 1).iter().all(|region| self.is_speck(region))
    }

    fn is_speck(&self, region: &[usize]) -> bool {
        let rect = self.grid.bounds(region);
        self.fits(rect.width(), rect.height(), region.len())
    }

    /// Tells whether a number of differing cells, in a rectangle of this size, is a speck.
    fn fits(&self, width: usize, height: usize, cells: usize) -> bool {
        let scaled = |size: usize| size * self.grid.rows.max(MIN_ROWS) / MIN_ROWS;
        cells <= MIN_BLOCKS || width <= scaled(MIN_WIDTH) && height <= scaled(MIN_HEIGHT)
    }
}

fn belongs(run: u8, level: u8) -> bool {
    run == level || run != HIDDEN && level != HIDDEN && run.abs_diff(level) <= RUN
}

/// Serializes levels in runs: most repeat.
mod runs {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        levels: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let runs = levels.chunk_by(|a, b| a == b).map(|run| (run.len() as u32, run[0]));
        runs.collect::<Vec<_>>().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        // No picture has more cells.
        const MOST: usize = 1 << 26;
        let runs = Vec::<(u32, u8)>::deserialize(deserializer)?;
        if runs.iter().map(|run| run.0 as usize).sum::<usize>() > MOST {
            return Err(serde::de::Error::custom("no picture has so many cells"));
        }
        Ok(runs
            .into_iter()
            .flat_map(|(cells, level)| std::iter::repeat_n(level, cells as usize))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 320;
    const HEIGHT: usize = 180;

    /// Makes a page with some lines of words: dark and light samples, different for each `text`.
    fn page(text: usize) -> Plane {
        let mut plane = Plane { width: WIDTH, height: HEIGHT, samples: vec![230; WIDTH * HEIGHT] };
        for line in 0..8 {
            write(&mut plane, 20, 20 + line * 16, 200, text * 100 + line);
        }
        plane
    }

    /// Draws letters of 3 × 4 samples, dark and less dark.
    fn write(plane: &mut Plane, left: usize, top: usize, width: usize, text: usize) {
        for x in (left..left + width).filter(|x| x % 4 != 3) {
            let mixed = ((x / 4 + text * 1000) as u32).wrapping_mul(2_654_435_761);
            let letter = (mixed ^ (mixed >> 15)).wrapping_mul(2_246_822_519) >> 24;
            for y in top..top + 4 {
                plane.samples[y * WIDTH + x] = 40 + (letter % 11) as u8 * 15;
            }
        }
    }

    /// Adds coding noise.
    fn noisy(mut plane: Plane) -> Plane {
        for (n, sample) in plane.samples.iter_mut().enumerate() {
            *sample = sample.saturating_add_signed((n * 31 % 11) as i8 - 5);
        }
        plane
    }

    fn keep(returned: &mut Revisits, plane: &Plane) -> Option<usize> {
        returned.keep(plane, &[], Vec::new())
    }

    #[test]
    fn returned_page_is_recognised() {
        let mut returned = Revisits::default();
        assert_eq!(keep(&mut returned, &page(1)), None);
        assert_eq!(keep(&mut returned, &page(2)), None);
        assert_eq!(keep(&mut returned, &page(3)), None);
        assert_eq!(keep(&mut returned, &noisy(page(2))), Some(2));
        assert_eq!(keep(&mut returned, &noisy(page(1))), Some(4));
    }

    #[test]
    fn word_makes_another_page_and_cursor_does_not() {
        let mut returned = Revisits::default();
        keep(&mut returned, &page(1));
        let mut edited = page(1);
        write(&mut edited, 60, 36, 32, 77);
        assert_eq!(keep(&mut returned, &edited), None);
        let mut pointed = noisy(page(1));
        for y in 90..95 {
            pointed.samples[y * WIDTH + 150..][..4].fill(0);
        }
        assert_eq!(keep(&mut returned, &pointed), Some(2));
    }

    /// Keeps pages with a number in one place, all but the first for a change of it, and with a
    /// cursor elsewhere in all but that one.
    fn numbered(returned: &mut Revisits, number: usize, changed: bool) -> Option<usize> {
        const BLOCK: usize = 10 * (WIDTH / 4) + 60;
        let mut plane = page(1);
        // Columns and rows that the digit lacks, of a stroke in 6 × 8 samples.
        for y in 40..48 {
            for x in (240..246).filter(|x| (x + y) % 3 != number % 3) {
                plane.samples[y * WIDTH + x] = 20 + (number / 3) as u8 * 100;
            }
        }
        for y in (150..155).filter(|_| changed) {
            plane.samples[y * WIDTH + 20 + number * 10..][..4].fill(0);
        }
        let blocks = [BLOCK, BLOCK + 1, BLOCK + WIDTH / 4, BLOCK + WIDTH / 4 + 1];
        returned.keep(&noisy(plane), &[], blocks.into_iter().filter(|_| changed).collect())
    }

    #[test]
    fn number_that_changes_in_place_is_another_screen() {
        let mut returned = Revisits::default();
        assert_eq!(numbered(&mut returned, 0, false), None);
        assert_eq!(numbered(&mut returned, 3, true), None);
        assert_eq!(numbered(&mut returned, 6, true), None);
        assert_eq!(numbered(&mut returned, 0, true), Some(3));
        assert_eq!(numbered(&mut returned, 6, true), Some(2));
        keep(&mut returned, &page(2));
        assert_eq!(numbered(&mut returned, 3, false), Some(5), "also after another page");
        assert_eq!(keep(&mut returned, &page(2)), Some(2));
    }

    #[test]
    fn number_counts_after_its_frame_was_forgotten() {
        let mut returned = Revisits::default();
        numbered(&mut returned, 0, false);
        numbered(&mut returned, 3, true);
        for n in 0..REMEMBERED {
            keep(&mut returned, &page(n % 2 + 2));
            if n % 20 == 10 {
                assert!(numbered(&mut returned, 3, false).is_some());
            }
        }
        assert_eq!(numbered(&mut returned, 0, false), None);
    }

    #[test]
    fn moving_regions_are_left_out() {
        let filled = |level| {
            let mut plane = page(1);
            for y in 120..160 {
                plane.samples[y * WIDTH + 240..][..64].fill(level);
            }
            plane
        };
        let mut hidden = vec![false; WIDTH / 4 * (HEIGHT / 4)];
        for y in 30..40 {
            hidden[y * (WIDTH / 4) + 60..][..16].fill(true);
        }
        let mut returned = Revisits::default();
        returned.keep(&filled(0), &hidden, Vec::new());
        assert_eq!(returned.keep(&filled(200), &hidden, Vec::new()), Some(1));
        assert_eq!(returned.keep(&filled(100), &[], Vec::new()), Some(1), "hidden there");
        assert_eq!(returned.keep(&filled(0), &[], Vec::new()), Some(2), "and not in the last one");
    }

    #[test]
    fn nearly_unknown_page_is_no_return() {
        let hide = |share: usize| {
            let blocks = WIDTH / 4 * (HEIGHT / 4);
            (0..blocks).map(|n| n < blocks * share / 100).collect::<Vec<_>>()
        };
        let mut returned = Revisits::default();
        returned.keep(&page(1), &hide(100), Vec::new());
        assert_eq!(returned.keep(&page(2), &hide(100), Vec::new()), None);
        assert_eq!(returned.keep(&page(1), &hide(70), Vec::new()), None);
        assert_eq!(returned.keep(&page(1), &hide(30), Vec::new()), None);
        assert_eq!(returned.keep(&page(1), &hide(30), Vec::new()), Some(1));
    }

    #[test]
    fn print_round_trips() {
        let print = Print::new(&page(1), &[false, true, false], vec![7]);
        let bytes = postcard::to_allocvec(&print).unwrap();
        assert!(bytes.len() < print.levels.len() / 2, "{}", bytes.len());
        assert_eq!(postcard::from_bytes::<Print>(&bytes).unwrap(), print);
    }

    #[test]
    fn memory_is_bounded() {
        // A mark of its own for each.
        let marked = |n: usize| {
            let mut plane = Plane { width: 200, height: 40, samples: vec![0; 8000] };
            for y in 0..32 {
                plane.samples[y * 200 + n * 2..][..4].fill(255);
            }
            plane
        };
        let mut returned = Revisits::default();
        for n in 0..=REMEMBERED {
            assert_eq!(keep(&mut returned, &marked(n)), None, "{n}");
        }
        assert_eq!(keep(&mut returned, &marked(1)), Some(REMEMBERED));
        assert_eq!(keep(&mut returned, &marked(0)), None);
    }

    #[test]
    fn other_size_is_another_page() {
        let mut returned = Revisits::default();
        keep(&mut returned, &page(1));
        let small = page(1).shrunk(2);
        assert_eq!(keep(&mut returned, &small), None);
    }
}
