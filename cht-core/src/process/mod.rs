//! Runs a tool: its command line, exit status, messages, signals, clock, and ffmpeg as a child.

pub mod apart;
pub mod cli;
pub mod clock;
pub mod die_with_parent;
pub mod exit;
pub mod ffmpeg;
pub mod harmless;
mod idle;
pub mod lock;
mod nearby;
pub mod programs;
pub mod report;
pub mod signals;
pub mod stat;
pub mod status;
pub mod units;
pub mod verbosity;
