//! Decoded pictures as files, for clients that take paths alone: in a folder of the server's own,
//! which it removes at its end.

use std::{
    env, fs,
    io::ErrorKind,
    os::unix::fs::DirBuilderExt as _,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use cht_core::process::report;

/// Number of pictures that are kept; older ones are removed.
const KEPT: u64 = 50;

/// The folder, made for the first picture.
#[derive(Debug, Default)]
pub(crate) struct Decoded(Mutex<Made>);

#[derive(Debug, Default)]
struct Made {
    folder: Option<PathBuf>,
    /// Number of pictures so far.
    count: u64,
}

impl Decoded {
    /// Returns the path of the next picture.
    pub(super) fn next(&self) -> Result<PathBuf> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = match &made.folder {
            Some(folder) => folder.clone(),
            None => made.folder.insert(new_folder()?).clone(),
        };
        made.count += 1;
        let place = |number: u64| folder.join(format!("picture_{number:06}.png"));
        if let Some(old) = made.count.checked_sub(KEPT) {
            match fs::remove_file(place(old)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    report::note(format_args!("{}: {error}", place(old).display()));
                }
                _ => {}
            }
        }
        Ok(place(made.count))
    }
}

impl Drop for Decoded {
    fn drop(&mut self) {
        let made = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = made.folder.take() {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// Makes a folder that others cannot read, under a name that cannot be guessed.
fn new_folder() -> Result<PathBuf> {
    let folder = env::temp_dir().join(format!("cht-agent-{}", uuid::Uuid::new_v4().simple()));
    let made = fs::DirBuilder::new().mode(0o700).create(&folder);
    made.with_context(|| folder.display().to_string())?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_pictures_are_kept_until_the_end() {
        let decoded = Decoded::default();
        let places: Vec<_> = (0..=KEPT).map(|_| decoded.next().unwrap()).collect();
        let folder = places[0].parent().unwrap();
        fs::write(&places[1], "").unwrap();
        fs::write(&places[2], "").unwrap();
        decoded.next().unwrap();
        assert_eq!([places[1].exists(), places[2].exists()], [false, true]);
        drop(decoded);
        assert!(!folder.exists());
    }
}
