//! Hostile indexes and their journals, some of which fuzzing has found.
#![allow(clippy::print_stdout, reason = "a test says which input fails")]
#[path = "../../fuzz/checks/index.rs"]
mod index;
#[path = "../../fuzz/checks/replay.rs"]
mod replay;

#[test]
fn index_corpus_holds() {
    replay::replay("index", index::check, 2);
}
