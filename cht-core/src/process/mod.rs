//! Runs a tool: its command line, exit status, messages, signals, clock, and ffmpeg as a child.

pub mod cli;
pub mod clock;
pub mod exit;
pub mod ffmpeg;
pub mod lock;
pub mod report;
pub mod signals;
pub mod units;
