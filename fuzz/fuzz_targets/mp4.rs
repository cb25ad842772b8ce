//! `fuzz/run mp4 600`; `fuzz/checks/mp4.rs` says what must hold.
#![no_main]
#[path = "../checks/mp4.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|input: &[u8]| check::check(input));
