//! Hostile playlists of sessions that are continued, some of which fuzzing has found.
#![allow(clippy::print_stdout, reason = "a test says which input fails")]
#[path = "../../fuzz/checks/playlist.rs"]
mod playlist;
#[path = "../../fuzz/checks/replay.rs"]
mod replay;

#[test]
fn playlist_corpus_holds() {
    replay::replay("playlist", playlist::check, 30);
}
