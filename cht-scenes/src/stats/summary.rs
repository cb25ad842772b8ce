//! The result of a run in a sentence. Pure.

use cht_core::{event::ScenesStats, terminal::units::count};

/// Returns the sentence about the frames in a place, after a number of warnings. An earlier run has
/// decoded `again` frames.
pub(crate) fn of(scenes: &ScenesStats, again: u64, place: &str, warnings: u64) -> String {
    let kept = format!("kept {} of {}", count(scenes.kept, "frame"), scenes.decoded);
    let skipped = match scenes.skipped {
        0 => String::new(),
        skipped => format!(" (and {skipped} were skipped to catch up)"),
    };
    let mut parts = vec![format!("{kept}{skipped}, in {place}")];
    if scenes.decoded + scenes.kept == 0 {
        parts = vec![if again > 0 {
            format!("nothing new to decode; the frames are in {place}")
        } else {
            "no picture in it".to_owned()
        }];
    }
    let left_out = scenes.suppressed.iter();
    let left_out: Vec<_> =
        left_out.map(|(cause, frames)| format!("{frames} {}", words(cause))).collect();
    if !left_out.is_empty() {
        parts.push(format!("not kept: {}", left_out.join(", ")));
    }
    if warnings > 0 {
        parts.push(count(warnings, "warning"));
    }
    parts.join("; ")
}

/// Returns a cause in `suppressed` in words.
fn words(cause: &str) -> &str {
    match cause {
        "min_gap" => "within --min-gap",
        "max_frames" => "over --max-frames",
        "too_late" => "found too late",
        "too_small" => "too small a change",
        "no_picture" => "without a picture",
        "no_pts" => "without a time stamp",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_has_the_causes_in_words() {
        let mut scenes = ScenesStats { decoded: 225, kept: 1, ..ScenesStats::default() };
        assert_eq!(of(&scenes, 0, "out", 0), "kept 1 frame of 225, in out");
        let again = of(&ScenesStats::default(), 1, "out", 0);
        assert_eq!(again, "nothing new to decode; the frames are in out");
        assert_eq!(of(&ScenesStats::default(), 0, "out", 1), "no picture in it; 1 warning");
        scenes.suppressed.insert("too_small".to_owned(), 4);
        scenes.suppressed.insert("min_gap".to_owned(), 2);
        (scenes.skipped, scenes.kept) = (9, 3);
        assert_eq!(
            of(&scenes, 0, "out", 2),
            "kept 3 frames of 225 (and 9 were skipped to catch up), in out; \
             not kept: 2 within --min-gap, 4 too small a change; 2 warnings"
        );
    }
}
