//! `fuzz/run index 600`; `fuzz/checks/index.rs` says what must hold.
#![no_main]
#[path = "../checks/index.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|input: &[u8]| check::check(input));
