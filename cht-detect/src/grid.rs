//! Where blocks lie, and which of them belong together.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// A rectangle of blocks, all ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rect {
    pub left: usize,
    pub top: usize,
    pub right: usize,
    pub bottom: usize,
}

impl Rect {
    pub(crate) fn width(&self) -> usize {
        self.right - self.left + 1
    }

    pub(crate) fn height(&self) -> usize {
        self.bottom - self.top + 1
    }

    pub(crate) fn area(self) -> usize {
        self.width() * self.height()
    }

    /// Returns the rectangle with `columns` more on either side and `rows` more above and below,
    /// within the grid.
    pub(crate) fn grown_by(self, columns: usize, rows: usize, grid: Grid) -> Self {
        Self {
            left: self.left.saturating_sub(columns),
            top: self.top.saturating_sub(rows),
            right: (self.right + columns).min(grid.columns - 1),
            bottom: (self.bottom + rows).min(grid.rows - 1),
        }
    }

    pub(crate) fn holds(&self, other: Self) -> bool {
        self.left <= other.left
            && self.top <= other.top
            && self.right >= other.right
            && self.bottom >= other.bottom
    }

    /// Columns and rows between two rectangles.
    pub(crate) fn gap(self, other: Self) -> (usize, usize) {
        let between = |first: usize, last: usize, from: usize, to: usize| {
            from.saturating_sub(last + 1).max(first.saturating_sub(to + 1))
        };
        (
            between(self.left, self.right, other.left, other.right),
            between(self.top, self.bottom, other.top, other.bottom),
        )
    }

    /// Tells whether each side is within a block of the other's.
    pub(crate) fn is_nearly(self, other: Self) -> bool {
        self.left.abs_diff(other.left) <= 1
            && self.top.abs_diff(other.top) <= 1
            && self.right.abs_diff(other.right) <= 1
            && self.bottom.abs_diff(other.bottom) <= 1
    }

    /// Tells whether no more than a block lies between both.
    pub(crate) fn is_next_to(self, other: Self) -> bool {
        let (columns, rows) = self.gap(other);
        columns.max(rows) <= 1
    }

    /// Returns how far it reaches beyond `inner`, which it holds.
    pub(crate) fn reaches(self, inner: Self) -> usize {
        let across = (inner.left - self.left).max(self.right - inner.right);
        let down = (inner.top - self.top).max(self.bottom - inner.bottom);
        across.max(down)
    }

    /// Returns the rectangle around both.
    pub(crate) fn with(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }
}

/// Columns and rows of blocks, numbered row by row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grid {
    pub columns: usize,
    pub rows: usize,
}

/// Blocks of one row, and the run that it is joined to: of a region, the earliest one to itself.
#[derive(Debug)]
struct Run {
    y: usize,
    first: usize,
    last: usize,
    joined: usize,
}

fn root(runs: &[Run], mut n: usize) -> usize {
    while runs[n].joined != n {
        n = runs[n].joined;
    }
    n
}

fn join(runs: &mut [Run], one: usize, other: usize) {
    let (one, other) = (root(runs, one), root(runs, other));
    runs[one.max(other)].joined = one.min(other);
}

impl Grid {
    pub(crate) fn count(self) -> usize {
        self.columns * self.rows
    }

    /// Returns the blocks of a rectangle.
    pub(crate) fn blocks(self, rect: Rect) -> impl Iterator<Item = usize> {
        (rect.top..=rect.bottom)
            .flat_map(move |y| (rect.left..=rect.right).map(move |x| y * self.columns + x))
    }

    /// Returns the rectangle around some blocks.
    pub(crate) fn bounds(self, blocks: &[usize]) -> Rect {
        let none = Rect { left: self.columns, top: self.rows, right: 0, bottom: 0 };
        blocks.iter().fold(none, |rect, n| {
            let (x, y) = (n % self.columns, n / self.columns);
            Rect {
                left: rect.left.min(x),
                top: rect.top.min(y),
                right: rect.right.max(x),
                bottom: rect.bottom.max(y),
            }
        })
    }

    /// Returns a rectangle with the blocks next to it.
    pub(crate) fn grown(self, rect: Rect) -> Rect {
        Rect {
            left: rect.left.saturating_sub(1),
            top: rect.top.saturating_sub(1),
            right: (rect.right + 1).min(self.columns - 1),
            bottom: (rect.bottom + 1).min(self.rows - 1),
        }
    }

    /// Returns the strips of blocks next to a rectangle, on each side that has any.
    pub(crate) fn strips(self, rect: Rect) -> impl Iterator<Item = Rect> {
        let Rect { left, top, right, bottom } = rect;
        let sides = [
            (left > 0).then(|| Rect { left: left - 1, right: left - 1, ..rect }),
            (top > 0).then(|| Rect { top: top - 1, bottom: top - 1, ..rect }),
            (right + 1 < self.columns).then(|| Rect { left: right + 1, right: right + 1, ..rect }),
            (bottom + 1 < self.rows).then(|| Rect { top: bottom + 1, bottom: bottom + 1, ..rect }),
        ];
        sides.into_iter().flatten()
    }

    /// Returns the blocks no further than `reach` from block `n`, with itself.
    pub(crate) fn near(self, n: usize, reach: usize) -> impl Iterator<Item = usize> {
        let (x, y) = (n % self.columns, n / self.columns);
        self.blocks(Rect {
            left: x.saturating_sub(reach),
            top: y.saturating_sub(reach),
            right: (x + reach).min(self.columns - 1),
            bottom: (y + reach).min(self.rows - 1),
        })
    }

    /// Returns the connected regions of a set, in the order of their first blocks, the blocks of
    /// each in order. A gap of less than `reach` does not part a region.
    ///
    /// Blocks of a row within reach are a run; runs of rows within reach are joined (union-find).
    pub(crate) fn regions(self, set: &[bool], reach: usize) -> Vec<Vec<usize>> {
        let mut runs: Vec<Run> = Vec::new();
        // Of the last rows, each one's first run.
        let mut begins = VecDeque::new();
        for (y, row) in set.chunks_exact(self.columns.max(1)).enumerate() {
            let from = begins.front().copied().unwrap_or(runs.len());
            let begin = runs.len();
            if row.contains(&true) {
                for x in (0..row.len()).filter(|&x| row[x]) {
                    match runs[begin..].last_mut() {
                        Some(run) if x - run.last <= reach => run.last = x,
                        _ => runs.push(Run { y, first: x, last: x, joined: runs.len() }),
                    }
                }
                for n in begin..runs.len() {
                    for other in from..begin {
                        let (run, above) = (&runs[n], &runs[other]);
                        if run.first <= above.last + reach && above.first <= run.last + reach {
                            join(&mut runs, n, other);
                        }
                    }
                }
            }
            begins.push_back(begin);
            if begins.len() > reach {
                begins.pop_front();
            }
        }
        let mut regions: Vec<Vec<usize>> = Vec::new();
        let mut places = vec![usize::MAX; runs.len()];
        for n in 0..runs.len() {
            let root = root(&runs, n);
            if places[root] == usize::MAX {
                places[root] = regions.len();
                regions.push(Vec::new());
            }
            let Run { y, first, last, .. } = runs[n];
            let blocks = (first..=last).map(|x| y * self.columns + x);
            regions[places[root]].extend(blocks.filter(|&n| set[n]));
        }
        regions
    }

    /// Returns a region with the blocks no further than `reach` from it.
    pub(crate) fn around(self, region: &[usize], reach: usize) -> Vec<usize> {
        let mut within = vec![false; self.count()];
        for &n in region {
            for n in self.near(n, reach) {
                within[n] = true;
            }
        }
        (0..within.len()).filter(|&n| within[n]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the regions of a picture in which `#` is set.
    fn regions(rows: &[&str], reach: usize) -> Vec<Vec<usize>> {
        let grid = Grid { columns: rows[0].len(), rows: rows.len() };
        let set: Vec<bool> = rows.concat().bytes().map(|block| block == b'#').collect();
        grid.regions(&set, reach)
    }

    #[test]
    fn blocks_that_touch_at_corners_are_one_region() {
        let picture = ["#..#", ".#.#", "...#", "####"];
        assert_eq!(regions(&picture, 1), [vec![0, 5], vec![3, 7, 11, 12, 13, 14, 15]]);
        let horseshoe = ["#.#", "#.#", "###"];
        assert_eq!(regions(&horseshoe, 1), [vec![0, 2, 3, 5, 6, 7, 8]]);
    }

    #[test]
    fn gap_within_reach_does_not_part_a_region() {
        let picture = ["#.#...", "......", "#....#"];
        assert_eq!(regions(&picture, 1).len(), 4);
        assert_eq!(regions(&picture, 2), [vec![0, 2, 12], vec![17]]);
        assert_eq!(regions(&picture, 3), [vec![0, 2, 12, 17]]);
        assert_eq!(regions(&["...", "..."], 2), [[0usize; 0]; 0]);
    }
}
