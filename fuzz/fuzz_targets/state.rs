//! `fuzz/run state 600`; `fuzz/checks/state.rs` says what must hold.
#![no_main]
#[path = "../checks/state.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|input: &[u8]| check::check(input));
