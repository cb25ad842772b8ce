//! What must hold of a playlist that continues the text of another one, whoever wrote that.
#[allow(
    dead_code,
    unreachable_pub,
    clippy::module_inception,
    reason = "a module of cht-recv, not all of which is used here"
)]
#[path = "../../cht-recv/src/record/playlist.rs"]
mod playlist;

use cht_core::event::{Anchor, EndReason, SegmentClosed};
use playlist::Playlist;

fn segment(seq: u64) -> SegmentClosed {
    let start = seq as i64 * 180_000;
    let at = "2026-11-23T06:24:29.569950449Z".parse().expect("a time");
    SegmentClosed {
        seq,
        path: format!("/s/stream/segment_{seq:06}.ts"),
        connection: seq as u32 / 3,
        offset: 0,
        bytes: 188,
        blake3: String::new(),
        timeline: Some(Anchor { pts: start, offset: start }),
        duration: (seq % 5 != 4).then_some(2.0),
        opened_at: at,
        closed_at: at,
        end_reason: EndReason::Keyframe,
    }
}

/// Panics if it does not hold.
pub(crate) fn check(input: &[u8]) {
    let before = String::from_utf8_lossy(input);
    let is_window = input.len() % 2 == 1;
    let mut playlist = Playlist::new(2.0, is_window, Some(&before));
    for seq in 1..8 {
        playlist.push(&segment(seq), Some("psi_000001.ts"));
    }
    playlist.remove_up_to(2);
    let text = playlist.render(true);
    assert!(text.starts_with("#EXTM3U\n") && text.ends_with("#EXT-X-ENDLIST\n"));
    // Nothing of a foreign text gets in but numbers.
    assert!(text.len() < 2048, "{text}");
    let known = ["#EXT", "segment_"];
    assert!(text.lines().all(|line| known.iter().any(|begin| line.starts_with(begin))), "{text}");
    let again = Playlist::new(2.0, is_window, Some(&text));
    let _ = again.render(false);
}
