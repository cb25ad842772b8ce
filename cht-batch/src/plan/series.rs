//! Which files one recorder wrote, by their paths. Pure.

use std::path::{Path, PathBuf};

use cht_core::session::natural_sort;
use jiff::{Timestamp, tz::TimeZone};

use super::name_time;
use crate::unit::Layout;

/// Files of one recorder, in one container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Series {
    /// Folder that holds all of its files, or the folders of days and hours that do.
    pub folder: PathBuf,
    /// Name without the digits that count or tell the time, and the camera of frigate.
    pub name: Vec<u8>,
    pub extension: Vec<u8>,
}

/// Place of a file among those of its recorder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub series: Series,
    pub layout: Layout,
    /// Words for people and for the key of the unit.
    pub label: String,
    /// Wall clock of the first byte.
    pub at: Option<Timestamp>,
    /// Last number in the name.
    pub number: Option<u64>,
}

/// Returns the place of the file at `path`.
pub(crate) fn place_of(path: &Path, zone: &TimeZone) -> Place {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    let extension = extension.into_encoded_bytes();
    if let Some(name_time::Frigate { camera, at }) = name_time::frigate(path) {
        let folder = path.ancestors().nth(4).unwrap_or(Path::new("/")).to_owned();
        let series = Series { folder, name: camera.as_bytes().to_vec(), extension };
        let (layout, label) = (Layout::Frigate, camera.to_owned());
        return Place { series, layout, label, at: Some(at), number: None };
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let folder = folder.ancestors().find(|folder| !is_of_time(folder)).unwrap_or(folder);
    let name = natural_sort::series(path);
    let label = label(folder, &name);
    let at = name_time::at(path, zone);
    let series = Series { folder: folder.to_owned(), name, extension };
    Place { layout: layout_of(path), series, label, at, number: number_of(path) }
}

/// Returns whether the name of a folder is a date or a time: digits and separators.
pub(crate) fn is_of_time(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().as_encoded_bytes();
    let digits = name.iter().filter(|b| b.is_ascii_digit()).count();
    digits >= 2 && name.iter().all(|b| b.is_ascii_digit() || b"-_.".contains(b))
}

/// Returns words that name a series: the letters of its names, or those of its folder.
fn label(folder: &Path, name: &[u8]) -> String {
    // Runs of digits are a single zero in it.
    let letters = String::from_utf8_lossy(name);
    let letters = letters.trim_matches(|c: char| !c.is_alphabetic());
    if letters.chars().filter(|c| c.is_alphabetic()).count() > 1 {
        return letters.to_owned();
    }
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Returns words for a unit that begins with the file at `path`: where no wall clock follows them,
/// the name of the file tells it from its neighbours.
pub(crate) fn label_of(path: &Path, series: &str, has_time: bool) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let letters = stem.chars().filter(|c| c.is_alphabetic()).count();
    match (has_time, letters > 1) {
        (true, _) => series.to_owned(),
        (false, true) => stem.into_owned(),
        (false, false) => format!("{series}_{stem}"),
    }
}

/// Returns the recorder that names files like this.
fn layout_of(path: &Path) -> Layout {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let shape: String = stem.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    match shape.as_str() {
        "0000-00-00_00-00-00-000000" => Layout::Mediamtx,
        "0000-00-00 00-00-00" => Layout::Obs,
        _ => Layout::Segments,
    }
}

/// Returns the last number in the name of a file.
fn number_of(path: &Path) -> Option<u64> {
    let stem = path.file_stem()?.to_str()?;
    let end = stem.rfind(|c: char| c.is_ascii_digit())? + 1;
    let begin = stem[..end]
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |at| at + stem[at..].chars().next().map_or(1, char::len_utf8));
    stem[begin..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> Place {
        place_of(Path::new(path), &TimeZone::UTC)
    }

    #[test]
    fn files_of_one_recorder_are_one_series_in_every_layout() {
        for (one, same, other, layout, label) in [
            (
                "/r/2026-11-28/07/front/09.30.mp4",
                "/r/2026-11-29/00/front/00.00.mp4",
                "/r/2026-11-28/07/back/09.30.mp4",
                Layout::Frigate,
                "front",
            ),
            (
                "/r/front/2026-11-28_07-00-10-123456.mp4",
                "/r/front/2026-11-28_08-00-10-000000.mp4",
                "/r/back/2026-11-28_07-00-10-123456.mp4",
                Layout::Mediamtx,
                "front",
            ),
            (
                "/r/a/2026-11-28 07-00-10.mkv",
                "/r/a/2026-11-28 08-00-10.mkv",
                "/r/a/2026-11-28 07-00-10.mp4",
                Layout::Obs,
                "a",
            ),
            ("/r/cam_001.ts", "/r/cam_002.ts", "/r/door_001.ts", Layout::Segments, "cam"),
            ("/r/door/001.ts", "/r/door/002.ts", "/r/hall/002.ts", Layout::Segments, "door"),
            (
                "/r/door/2026/11/28/07-00.ts",
                "/r/door/2026/11/29/00-00.ts",
                "/r/hall/2026/11/28/07-00.ts",
                Layout::Segments,
                "door",
            ),
        ] {
            assert_eq!(of(one).series, of(same).series, "{one} {same}");
            assert_ne!(of(one).series, of(other).series, "{one} {other}");
            assert_eq!((of(one).layout, &*of(one).label), (layout, label), "{one}");
        }
    }

    #[test]
    fn label_without_a_wall_clock_names_the_first_file() {
        for (path, series, has_time, label) in [
            ("/r/with space.mp4", "r", false, "with space"),
            ("/r/clip-a26-mkv.mkv", "clip-a0-mkv", false, "clip-a26-mkv"),
            ("/r/door/001.ts", "door", false, "door_001"),
            ("/r/cam_20261128_070010.ts", "cam", true, "cam"),
        ] {
            assert_eq!(label_of(Path::new(path), series, has_time), label, "{path}");
        }
    }

    #[test]
    fn number_is_the_last_of_the_name() {
        assert_eq!(of("/r/cam2_017.ts").number, Some(17));
        assert_eq!(of("/r/017ä.ts").number, Some(17));
        assert_eq!(of("/r/door.ts").number, None);
    }
}
