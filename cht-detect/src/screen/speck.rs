//! Specks: changes as small as a cursor, which do not count.

use crate::grid::Grid;

/// Size of a connected change up to which it is a cursor: in blocks, or in columns and rows, in a
/// picture of up to 68 rows (1080 pixels); larger in a higher one. A cursor that moved to a place
/// next to it has up to `MIN_BLOCKS_OF_TWO` blocks, and is as wide as high.
const MIN_BLOCKS: usize = 4;
const MIN_WIDTH: usize = 3;
pub(crate) const MIN_HEIGHT: usize = 4;
const MIN_BLOCKS_OF_TWO: usize = 7;
const MIN_ROWS: usize = 68;

/// Height of a word, least difference of its width and height, and width from which it may lack one
/// block, in blocks.
const WORD_HEIGHT: usize = 2;
const WORD_WIDER: usize = 2;
const LONGER_WORD: usize = 5;

/// Tells whether connected blocks that changed are a speck, and no word.
pub(crate) fn is_speck(grid: Grid, blocks: &[usize]) -> bool {
    let rect = grid.bounds(blocks);
    let (width, height) = (rect.width(), rect.height());
    let is_filled = blocks.len() + usize::from(width >= LONGER_WORD) >= width;
    // A cursor is higher than wide.
    if is_filled && height <= WORD_HEIGHT && width >= height + WORD_WIDER {
        return false;
    }
    let fits = |columns, rows| width <= scaled(grid, columns) && height <= scaled(grid, rows);
    blocks.len() <= MIN_BLOCKS
        || fits(MIN_WIDTH, MIN_HEIGHT)
        || blocks.len() <= scaled(grid, MIN_BLOCKS_OF_TWO)
            && height > WORD_HEIGHT
            && fits(MIN_HEIGHT, MIN_HEIGHT)
}

/// Scales a size in blocks from a picture of [`MIN_ROWS`] to this one.
pub(crate) fn scaled(grid: Grid, size: usize) -> usize {
    size * grid.rows.max(MIN_ROWS) / MIN_ROWS
}
