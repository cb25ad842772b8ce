//! The parts of a stage that passes events on while it works on segments: stdin is read by one
//! thread ([`Reader`]), the work waits in a [`Backlog`], and another thread does it.
//!
//! In order, each using only those before it: `backlog`, `upstream`, `interrupt`, `output`, `disk`,
//! `reader`.

mod backlog;
mod disk;
mod interrupt;
mod output;
mod reader;
mod upstream;

pub use self::{
    backlog::Backlog,
    disk::{Disk, Refused},
    interrupt::{Cut, Interrupt},
    output::{Output, Stdout},
    reader::{Announced, ReadError, Reader, Work},
    upstream::Upstream,
};
