//! The transport stream scanner, on input divided as the input says: `cargo +nightly fuzz run ts`.
//!
//! `corpus/ts` is kept small: `cargo +nightly fuzz cmin ts -- -max_len=6144`. A test of cht-ts
//! replays it.
#![no_main]
mod check;

libfuzzer_sys::fuzz_target!(|input: &[u8]| check::check(input));
