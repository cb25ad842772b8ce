//! The contact sheets of a session: one, or several where one is not enough.

use std::path::{Path, PathBuf};

use cht_core::process::clock;

/// Returns the path that cht-export writes the sheet of a session to.
pub(crate) fn path(session: &str) -> String {
    format!("{session}/contact-sheet.jpg")
}

/// Returns the newest sheet in the folder of a session, or the first of several.
pub(crate) fn newest(session: &Path) -> Option<PathBuf> {
    let sheets = ["contact-sheet.jpg", "contact-sheet-1.jpg"].map(|name| session.join(name));
    let dated = sheets.into_iter().filter_map(|path| Some((clock::modified(&path).ok()?, path)));
    dated.max().map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;

    #[test]
    fn sheet_of_an_earlier_run_is_not_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(newest(folder.path()), None);
        let [one, first] =
            ["contact-sheet.jpg", "contact-sheet-1.jpg"].map(|name| folder.path().join(name));
        for (path, age) in [(&one, 10), (&first, 0)] {
            let file = fs::File::create(path).unwrap();
            let now = file.metadata().unwrap().modified().unwrap();
            file.set_modified(now - Duration::from_secs(age)).unwrap();
        }
        assert_eq!(newest(folder.path()), Some(first));
    }
}
