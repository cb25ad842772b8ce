//! Tells whether one segment goes on where another one ends. A common timeline does not prove it:
//! all recordings by the same muxer begin at the same PTS.

use std::path::Path;

use super::{is_same_folder, natural_sort::series};
use crate::event::Anchor;

/// Holds the path of a segment, and its anchor on the timeline of its recording.
#[derive(Debug, Clone, Copy)]
pub struct Position<'a> {
    /// Its path.
    pub path: &'a str,
    /// One point of its timeline.
    pub anchor: Anchor,
}

impl Position<'_> {
    /// Returns whether `next` goes on from this segment, or is a later part of it: in the same
    /// folder and series of names, on the same timeline, and not before it.
    #[must_use]
    pub fn leads_to(&self, next: &Position<'_>) -> bool {
        // A picture may be so large that several segments lie within it, at the same time.
        let is_forward = next.anchor.offset >= self.anchor.offset;
        is_forward && self.anchor.continues(&next.anchor) && is_of_one_series(self.path, next.path)
    }
}

/// Returns whether two files lie in the same folder, under names of one series: two cameras may
/// write into one folder.
fn is_of_one_series(one: &str, other: &str) -> bool {
    let paths = [one, other].map(Path::new);
    let [folder, other] = paths.map(|path| path.parent().unwrap_or(Path::new("/")));
    let [series, other_series] = paths.map(series);
    series == other_series && is_same_folder(folder, other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(before: (&str, i64), next: (&str, i64)) -> bool {
        let position = |(path, offset): (&'static str, i64)| Position {
            path,
            anchor: Anchor { pts: 126_000 + offset, offset },
        };
        let leak = |path: &str| &*path.to_owned().leak();
        position((leak(before.0), before.1)).leads_to(&position((leak(next.0), next.1)))
    }

    #[test]
    fn segment_leads_forward_in_its_folder() {
        assert!(leads(("/a/1.ts", 0), ("/a/2.ts", 900)));
        assert!(!leads(("/a/2.ts", 900), ("/a/1.ts", 0)), "backward");
        assert!(!leads(("/a/1.ts", 0), ("/b/2.ts", 900)), "another recording");
        assert!(!leads(("/a/front-1.ts", 0), ("/a/back-2.ts", 900)), "another camera");
        assert!(leads(("/a/1.ts", 0), ("/a/2.ts", 0)), "both within one picture");
    }

    #[test]
    fn folder_with_several_names_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real");
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, folder.path().join("link")).unwrap();
        let named = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        for other in ["link/2.ts", "real/../real/2.ts"] {
            assert!(leads((&named("real/1.ts"), 0), (&named(other), 900)), "{other}");
        }
        assert!(!leads((&named("real/1.ts"), 0), (&named("2.ts"), 900)));
    }
}
