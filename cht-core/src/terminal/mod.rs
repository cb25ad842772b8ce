//! Events for people: short lines on a stdout that is a terminal, and a status line on stderr.
//! `docs/terminal.md` has the rules. All but `screen`, `folders` and `near` is pure.
//!
//! In order, each using only those before it: `cells` (text in columns), `units` (times and sizes),
//! `paths` (from the present folder on),
//! `row` (an event in one line), `table` (rows under their headings), `progress` (the status line),
//! `screen` (the terminal itself), `folders` (where the results are).

mod cells;
mod folders;
mod paths;
mod progress;
mod row;
mod screen;
mod table;
pub mod units;

pub use self::{
    cells::{fit, width},
    folders::Folders,
    paths::{near, near_to},
    screen::{Screen, columns, is_last},
    table::Rows,
};
