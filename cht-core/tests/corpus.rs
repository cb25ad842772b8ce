//! Hostile lines, records and journals, some of which fuzzing has found.
#![allow(clippy::print_stdout, reason = "a test says which input fails")]
#[path = "../../fuzz/checks/events.rs"]
mod events;
#[path = "../../fuzz/checks/journal.rs"]
mod journal;
#[path = "../../fuzz/checks/mp4.rs"]
mod mp4;
#[path = "../../fuzz/checks/record.rs"]
mod record;
#[path = "../../fuzz/checks/replay.rs"]
mod replay;

#[test]
fn events_corpus_holds() {
    replay::replay("events", events::check, 30);
}

#[test]
fn journal_corpus_holds() {
    replay::replay("journal", journal::check, 8);
}

#[test]
fn mp4_corpus_holds() {
    replay::replay("mp4", mp4::check, 300);
}

#[test]
fn record_corpus_holds() {
    replay::replay("record", record::check, 8);
}
