//! Replays hostile states, journals and ffmpeg output, some found by fuzzing.
#![allow(clippy::print_stdout, reason = "a test prints which input fails")]
#[path = "../../fuzz/checks/ffmpeg_log.rs"]
mod ffmpeg_log;
#[path = "../../fuzz/checks/outputs.rs"]
mod outputs;
#[path = "../../fuzz/checks/replay.rs"]
mod replay;
#[path = "../../fuzz/checks/scenes_journal.rs"]
mod scenes_journal;
#[path = "../../fuzz/checks/state.rs"]
mod state;

#[test]
fn ffmpeg_log_corpus_holds() {
    replay::replay("ffmpeg_log", ffmpeg_log::check, 30);
}

#[test]
fn outputs_corpus_holds() {
    replay::replay("outputs", outputs::check, 8);
}

#[test]
fn scenes_journal_corpus_holds() {
    replay::replay("scenes_journal", scenes_journal::check, 2);
}

#[test]
fn state_corpus_holds() {
    state::check(&cht_scenes::fuzzing::sample_state());
    replay::replay("state", state::check, 30);
}
