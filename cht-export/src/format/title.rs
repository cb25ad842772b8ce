//! Titles of scenes.

use crate::{recording::Recording, scene::Scene};

/// Longest title, in characters.
const LONGEST_TITLE: usize = 80;

/// Returns a scene's title: the first line of its text, or its number.
pub(super) fn title(recording: &Recording, scene: &Scene<'_>) -> String {
    let text = recording.texts.get(&scene.frame.id).map_or("", String::as_str);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    let line = line.map(|line| line.replace(char::is_control, " "));
    let title = line.unwrap_or_else(|| format!("Scene {}", scene.number));
    match title.char_indices().nth(LONGEST_TITLE) {
        Some((end, _)) => format!("{}…", &title[..end]),
        None => title,
    }
}
