//! `fuzz/run scenes_journal 600`; `fuzz/checks/scenes_journal.rs` says what must hold.
#![no_main]
#[path = "../checks/scenes_journal.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|input: &[u8]| check::check(input));
