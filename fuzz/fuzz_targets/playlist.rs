//! `fuzz/run playlist 600`; `fuzz/checks/playlist.rs` says what must hold.
#![no_main]
#[path = "../checks/playlist.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|input: &[u8]| check::check(input));
