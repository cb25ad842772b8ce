//! `fuzz/run record 600`; `fuzz/checks/record.rs` says what must hold.
#![no_main]
#[path = "../checks/record.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|input: &[u8]| check::check(input));
