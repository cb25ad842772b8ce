//! Gives a finished result its name, in place of an older one.

use std::{ffi::OsStr, fs, io, path::Path};

use cht_core::storage::durable;
use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};

use super::{
    record::{RECORD, Record, SCORES},
    site::{PARTS, Site},
};

/// Files that runs make in a result next to its parts. Others are kept when it is replaced.
const OURS: [&str; 2] = [RECORD, SCORES];

/// Names of the journals of cht-scenes and cht-audio.
const SCENES: &str = "scenes.ndjson";
const AUDIO: &str = "audio.ndjson";

/// Writes the record of a finished result, and gives the result its place. An older one there is
/// replaced in one step, and removed afterwards.
pub(crate) fn publish(site: &Site, record: &Record) -> io::Result<()> {
    let Site { work, result, .. } = site;
    if site.is_in_place {
        return publish_parts(site, record);
    }
    record.write(work)?;
    for part in PARTS {
        keep_foreign(&result.join(part), &work.join(part))?;
    }
    match durable::rename_new(work, result) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => exchange(work, result)?,
        renamed => renamed?,
    }
    durable::sync_folder_of(result)?;
    if work.exists() {
        remove_replaced(work, result)?;
    }
    Ok(())
}

/// Puts the parts of a result into the session that it belongs to. A kill between two of them
/// leaves them with different records, and the rest in the folder of work: the next run finishes
/// that.
fn publish_parts(site: &Site, record: &Record) -> io::Result<()> {
    for part in PARTS {
        let (from, to) = (site.work.join(part), site.result.join(part));
        let made = if from.is_dir() { &from } else { &to };
        if made.is_dir() && record.settings.makes(part) {
            record.write(made)?;
        }
        if from.is_dir() {
            keep_foreign(&to, &from)?;
            match durable::rename_new(&from, &to) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    exchange(&from, &to)?;
                    fs::remove_dir_all(&from)?;
                }
                renamed => renamed?,
            }
            durable::sync_folder_of(&to)?;
        }
    }
    durable::remove_folder(&site.work)
}

/// Links files that other programs have put into the part of a result into the one that replaces
/// it. Before the exchange: at any moment, one of the two has all of them.
fn keep_foreign(old: &Path, new: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(old) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let is_folder = entry.file_type()?.is_dir();
        if is_folder || !is_of_stages(&entry.file_name()) {
            link(&entry.path(), &new.join(entry.file_name()), is_folder)?;
        }
    }
    Ok(())
}

/// Returns whether the stages, or a run, give files names like this: a picture or a piece of sound,
/// a journal, an index, a state.
fn is_of_stages(name: &OsStr) -> bool {
    const NAMES: [&str; 5] =
        [RECORD, SCENES, AUDIO, "index.json", cht_core::session::INDEX_JOURNAL];
    const KINDS: [&str; 7] = ["jpg", "png", "webp", "thumb.jpg", "wav", "flac", "opus"];
    let Some(text) = name.to_str() else { return false };
    let number = text.strip_prefix(['F', 'A']).and_then(|rest| rest.split_once('.'));
    number.is_some_and(|(number, kind)| number.parse::<u64>().is_ok() && KINDS.contains(&kind))
        || NAMES.contains(&text)
        || text.strip_prefix("scenes_").is_some_and(|rest| rest.strip_suffix(".state").is_some())
        || durable::unfinished(name).is_some()
}

/// Links a file, or all files of a folder, to another place, unless something is there.
fn link(from: &Path, to: &Path, is_folder: bool) -> io::Result<()> {
    if is_folder {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            link(&entry.path(), &to.join(entry.file_name()), entry.file_type()?.is_dir())?;
        }
        return Ok(());
    }
    if to.symlink_metadata().is_ok() {
        return Ok(());
    }
    // The part may hold nothing of the stages any more.
    to.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop))
}

/// Exchanges the names of two folders.
fn exchange(work: &Path, result: &Path) -> io::Result<()> {
    match renameat_with(CWD, work, CWD, result, RenameFlags::EXCHANGE) {
        // A file system that cannot (NFS): for a moment there is no result.
        Err(Errno::INVAL | Errno::NOSYS) => {
            let aside = durable::set_aside(result, ".old")?;
            fs::rename(work, result)?;
            fs::rename(aside, work)
        }
        exchanged => Ok(exchanged?),
    }
}

/// Removes a result that was replaced by the one at `result`, after moving other programs' files
/// there.
fn remove_replaced(old: &Path, result: &Path) -> io::Result<()> {
    for entry in fs::read_dir(old)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_ours = OURS.iter().chain(&PARTS).any(|ours| name == *ours);
        if !is_ours && durable::unfinished(&name).is_none() {
            let to = result.join(&name);
            if !to.exists() {
                fs::rename(entry.path(), to)?;
            }
        }
    }
    fs::remove_dir_all(old)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        settings::{Settings, Stage},
        unit::tests::unit,
    };

    /// Makes a result with a frame of this content.
    fn make(site: &Site, content: &str) -> Record {
        let settings =
            Settings::new(&[Stage::Scenes], &[content.to_owned()], &[], std::iter::empty());
        let unit = unit("a", &["/x/1.ts"]);
        let fingerprint = settings.fingerprint(&unit);
        fs::create_dir_all(site.work.join("frames")).unwrap();
        fs::write(site.work.join("frames/F000001.jpg"), content).unwrap();
        Record {
            fingerprint,
            settings,
            frames: 1,
            pieces: 0,
            decoded: 1,
            failures: Vec::new(),
            lacks: Vec::new(),
            unit,
            offsets: Vec::new(),
        }
    }

    #[test]
    fn new_result_replaces_the_old_one_and_keeps_files_of_others() {
        let place = tempfile::tempdir().unwrap();
        let site = Site::in_folder(place.path(), "a");
        publish(&site, &make(&site, "one")).unwrap();
        fs::write(site.result.join("notes.txt"), "mine").unwrap();
        fs::write(site.result.join("frames/notes.txt"), "mine").unwrap();
        let record = make(&site, "two");
        publish(&site, &record).unwrap();
        assert_eq!(fs::read(site.result.join("frames/F000001.jpg")).unwrap(), b"two");
        assert_eq!(fs::read(site.result.join("notes.txt")).unwrap(), b"mine");
        assert_eq!(fs::read(site.result.join("frames/notes.txt")).unwrap(), b"mine");
        assert!(!site.work.exists());
        assert_eq!(site.record(), Some(record));
    }

    #[test]
    fn part_of_session_is_replaced_and_its_other_folders_stay() {
        let place = tempfile::tempdir().unwrap();
        let site = Site::in_session(place.path(), "a");
        fs::create_dir_all(site.result.join("agent")).unwrap();
        publish(&site, &make(&site, "one")).unwrap();
        let frames = site.result.join("frames");
        fs::create_dir(frames.join("labels")).unwrap();
        for name in ["F000009.jpg", "F000001.txt", "notes.txt", "labels/x"] {
            fs::write(frames.join(name), "mine").unwrap();
        }
        let record = make(&site, "two");
        publish(&site, &record).unwrap();
        assert_eq!(fs::read(site.result.join("frames/F000001.jpg")).unwrap(), b"two");
        assert!(site.result.join("agent").is_dir() && !site.work.exists());
        assert!(!frames.join("F000009.jpg").exists(), "a picture of the older result");
        for name in ["F000001.txt", "notes.txt", "labels/x"] {
            assert_eq!(fs::read(frames.join(name)).unwrap(), b"mine", "{name}");
        }
        assert_eq!(site.record(), Some(record));
    }
}
