//! `fuzz/run outputs 600`; `fuzz/checks/outputs.rs` says what must hold.
#![no_main]
#[path = "../checks/outputs.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|input: &[u8]| check::check(input));
