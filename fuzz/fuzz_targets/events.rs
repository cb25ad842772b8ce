//! `fuzz/run events 600`; `fuzz/checks/events.rs` says what must hold.
#![no_main]
#[path = "../checks/events.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|input: &[u8]| check::check(input));
