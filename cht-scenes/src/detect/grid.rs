//! Where blocks lie, and which of them belong together.

use serde::{Deserialize, Serialize};

/// A rectangle of blocks, all ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rect {
    pub left: usize,
    pub top: usize,
    pub right: usize,
    pub bottom: usize,
}

impl Rect {
    pub(super) fn area(&self) -> usize {
        (self.right - self.left + 1) * (self.bottom - self.top + 1)
    }

    pub(super) fn holds(&self, other: Self) -> bool {
        self.left <= other.left
            && self.top <= other.top
            && self.right >= other.right
            && self.bottom >= other.bottom
    }
}

impl Rect {
    /// Columns and rows between two rectangles.
    pub(super) fn gap(self, other: Self) -> (usize, usize) {
        let between = |first: usize, last: usize, from: usize, to: usize| {
            from.saturating_sub(last + 1).max(first.saturating_sub(to + 1))
        };
        (
            between(self.left, self.right, other.left, other.right),
            between(self.top, self.bottom, other.top, other.bottom),
        )
    }

    /// The rectangle around both.
    pub(super) fn with(self, other: Self) -> Self {
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
pub(super) struct Grid {
    pub columns: usize,
    pub rows: usize,
}

impl Grid {
    pub(super) fn count(self) -> usize {
        self.columns * self.rows
    }

    /// The blocks of a rectangle.
    pub(super) fn blocks(self, rect: Rect) -> impl Iterator<Item = usize> {
        (rect.top..=rect.bottom)
            .flat_map(move |y| (rect.left..=rect.right).map(move |x| y * self.columns + x))
    }

    /// The rectangle around some blocks.
    pub(super) fn bounds(self, blocks: &[usize]) -> Rect {
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

    /// A rectangle and the blocks next to it.
    pub(super) fn grown(self, rect: Rect) -> Rect {
        Rect {
            left: rect.left.saturating_sub(1),
            top: rect.top.saturating_sub(1),
            right: (rect.right + 1).min(self.columns - 1),
            bottom: (rect.bottom + 1).min(self.rows - 1),
        }
    }

    /// What is next to a rectangle, on each side that has something.
    pub(super) fn strips(self, rect: Rect) -> impl Iterator<Item = Rect> {
        let Rect { left, top, right, bottom } = rect;
        let sides = [
            (left > 0).then(|| Rect { left: left - 1, right: left - 1, ..rect }),
            (top > 0).then(|| Rect { top: top - 1, bottom: top - 1, ..rect }),
            (right + 1 < self.columns).then(|| Rect { left: right + 1, right: right + 1, ..rect }),
            (bottom + 1 < self.rows).then(|| Rect { top: bottom + 1, bottom: bottom + 1, ..rect }),
        ];
        sides.into_iter().flatten()
    }

    /// The blocks no further than `reach` from block `n`, itself included.
    pub(super) fn near(self, n: usize, reach: usize) -> impl Iterator<Item = usize> {
        let (x, y) = (n % self.columns, n / self.columns);
        self.blocks(Rect {
            left: x.saturating_sub(reach),
            top: y.saturating_sub(reach),
            right: (x + reach).min(self.columns - 1),
            bottom: (y + reach).min(self.rows - 1),
        })
    }

    /// Connected blocks of a set, where a gap of less than `reach` does not part them.
    pub(super) fn regions(self, set: &[bool], reach: usize) -> Vec<Vec<usize>> {
        let mut seen = vec![false; set.len()];
        let mut regions = Vec::new();
        for first in (0..set.len()).filter(|&n| set[n]) {
            if std::mem::replace(&mut seen[first], true) {
                continue;
            }
            let (mut region, mut next) = (vec![first], 0);
            while let Some(&n) = region.get(next) {
                next += 1;
                for n in self.near(n, reach) {
                    if set[n] && !std::mem::replace(&mut seen[n], true) {
                        region.push(n);
                    }
                }
            }
            regions.push(region);
        }
        regions
    }

    /// A region and the blocks that are no further than `reach` from it.
    pub(super) fn around(self, region: &[usize], reach: usize) -> Vec<usize> {
        let mut within = vec![false; self.count()];
        for &n in region {
            for n in self.near(n, reach) {
                within[n] = true;
            }
        }
        (0..within.len()).filter(|&n| within[n]).collect()
    }
}
