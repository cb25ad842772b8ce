//! `fuzz/run ffmpeg_log 600`; `fuzz/checks/ffmpeg_log.rs` says what must hold.
#![no_main]
#[path = "../checks/ffmpeg_log.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|input: &[u8]| check::check(input));
