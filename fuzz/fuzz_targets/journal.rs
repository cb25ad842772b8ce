//! `fuzz/run journal 600`; `fuzz/checks/journal.rs` says what must hold.
#![no_main]
#[path = "../checks/journal.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|input: &[u8]| check::check(input));
