//! The parts of a stage that passes events on while it works on segments: stdin is read by one
//! thread ([`Reader`]), the work waits in a [`Backlog`], and another thread does it.
//!
//! In order, each using only those before it: `backlog`, `upstream`, `interrupt`, `output`, `disk`,
//! `heartbeat`, `sessions` (refused ones), `unannounced` (segments), `reader`, `reading`.

mod backlog;
mod disk;
mod heartbeat;
mod interrupt;
mod output;
mod reader;
mod reading;
mod sessions;
mod unannounced;
mod upstream;

pub use self::{
    backlog::Backlog,
    disk::{Disk, Refused},
    heartbeat::{Counted, Heartbeat, interval, stats_since},
    interrupt::{Cut, Interrupt},
    output::{Output, Stdout},
    reader::{Announced, ReadError, Reader, Work},
    reading::{Reading, Unfinished},
    sessions::{NoFolder, RefusedSessions},
    unannounced::Unannounced,
    upstream::Upstream,
};
