//! A copy of a result, in which the stages go on when more inputs have come.

use std::{fs, io, path::Path};

use cht_core::storage::regular;

use super::{
    record::RECORD,
    site::{PARTS, Site},
};
use crate::plan::find::STATE;

/// Copies the parts of a result to the place where the next one is made. Pictures and pieces of
/// sound are only ever replaced as a whole, so that a hard link is enough; journals grow, and name
/// files of this place afterwards.
pub(crate) fn copy(site: &Site) -> io::Result<()> {
    let moved = Moved::of(site)?;
    for part in PARTS {
        let (from, to) = (site.result.join(part), site.work.join(part));
        let entries = match fs::read_dir(&from) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        fs::create_dir_all(&to)?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            if !entry.file_type()?.is_file() || name == RECORD {
                continue;
            }
            let to = to.join(&name);
            let grows =
                Path::new(&name).extension().is_some_and(|it| it == "ndjson" || it == "json");
            match &moved {
                Some(moved) if grows => {
                    fs::write(&to, moved.translate(&regular::read_to_string(&entry.path())?))?;
                }
                _ if grows || fs::hard_link(entry.path(), &to).is_err() => {
                    fs::copy(entry.path(), &to)?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Beginnings of paths in journals, with the quotation mark before each: of a result and of the
/// state of runs, where it was made and where it lies now.
struct Moved {
    from: [String; 2],
    to: [String; 2],
}

impl Moved {
    /// Returns how a result was moved since it was made, or that it is seen under another path on
    /// this machine. `None` if it was not.
    fn of(site: &Site) -> io::Result<Option<Self>> {
        let journal = site.result.join(PARTS[0]).join(cht_core::session::INDEX_JOURNAL);
        let text = match regular::read_to_string(&journal) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        let result = serde_json::to_string(&site.result.to_string_lossy())?;
        let Some((root, key)) = result.trim_end_matches('"').rsplit_once('/') else {
            return Ok(None);
        };
        let below = |root: &str| [key, STATE].map(|name| format!("{root}/{name}"));
        // The path of each picture tells where it was made.
        let (before, _) = text.split_once(&format!("/{key}/{}/F", PARTS[0])).unwrap_or_default();
        let made_in = before.rfind('"').map_or(root, |quotation_mark| &before[quotation_mark..]);
        let moved = Self { from: below(made_in), to: below(root) };
        Ok(Some(moved).filter(|moved| moved.from != moved.to))
    }

    /// Returns a journal that names the places of now.
    fn translate(&self, journal: &str) -> String {
        let pairs = self.from.iter().zip(&self.to);
        pairs.fold(journal.to_owned(), |text, (from, to)| text.replace(from, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journals_of_a_result_that_was_moved_name_its_new_place() {
        let folder = tempfile::tempdir().unwrap();
        let site = Site::in_folder(folder.path(), "a");
        let frames = site.result.join("frames");
        fs::create_dir_all(&frames).unwrap();
        let journal =
            r#"{"path":"OUT/a/frames/F000001.jpg","segment":"OUT/.cht-batch/work/a/inputs/1.ts"}"#;
        for (made_in, text) in [("/old/a", journal), (folder.path().to_str().unwrap(), journal)] {
            fs::write(frames.join("index.ndjson"), text.replace("OUT", made_in)).unwrap();
            copy(&site).unwrap();
            let copied = fs::read_to_string(site.work.join("frames/index.ndjson")).unwrap();
            assert_eq!(copied, text.replace("OUT", folder.path().to_str().unwrap()), "{made_in}");
        }
    }
}
