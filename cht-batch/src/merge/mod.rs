//! One index of all results: each unit once, also where several folders hold it.
//!
//! In order: `tar` (archives), `target` (where the index goes).

mod tar;
mod target;

use std::{
    collections::HashMap,
    io::{self, BufRead as _, BufReader},
    path::Path,
};

use anyhow::{Context as _, Result};
use cht_core::{event, process::report, storage::regular, terminal::units};
use serde_json::{Map, Value};

use self::target::Target;
use crate::{args::MergeArgs, store::Store};

/// Largest element of an `index.json`, in bytes.
const LARGEST: usize = 1 << 20;

/// Writes the frames of all results, unit after unit.
pub(crate) fn merge(args: &MergeArgs) -> Result<()> {
    let (mut known, mut frames, mut units) = (HashMap::new(), 0_u64, 0_u64);
    let mut to = Target::open(args.to.as_deref(), args.pack.is_some())?;
    for folder in &args.results {
        let store = Store::open_there(folder)?;
        let sites = store.keys().with_context(|| folder.display().to_string())?;
        for site in sites.iter().filter_map(|key| store.site_of(key)) {
            let Some(record) = site.record() else { continue };
            let key = record.unit.key.clone();
            if let Some(other) = known.get(&key) {
                // Results of two settings are not mixed.
                if *other != record.fingerprint {
                    report::warn(format_args!(
                        "{}: another folder has {key} of other inputs or settings; left out",
                        site.result.display()
                    ));
                }
                continue;
            }
            known.insert(key.clone(), record.fingerprint);
            units += 1;
            let index = site.result.join("frames/index.json");
            frames += add(&index, &key, &mut to).with_context(|| index.display().to_string())?;
        }
    }
    to.finish()?;
    report::note(format_args!(
        "{} of {}",
        units::count(frames, "frame"),
        units::count(units, "unit")
    ));
    Ok(())
}

/// Adds the elements of an index, one on each line of it. Returns how many.
fn add(index: &Path, key: &str, to: &mut Target) -> Result<u64> {
    let file = match regular::open(index) {
        // Sound alone was asked for.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        file => file?,
    };
    let folder = index.parent().unwrap_or(Path::new("/"));
    let mut count = 0;
    for line in BufReader::new(file).split(b'\n') {
        let line = line?;
        let line = line.trim_ascii();
        let line = line.strip_suffix(b",").unwrap_or(line);
        let line = line.strip_prefix(b"[").unwrap_or(line);
        let line = line.strip_suffix(b"]").unwrap_or(line).trim_ascii();
        if line.is_empty() || line.len() > LARGEST {
            continue;
        }
        let mut frame: Map<String, Value> = serde_json::from_slice(line)?;
        for name in ["path", "thumbnail"] {
            // The results may have been moved since.
            let path = frame.get(name).and_then(Value::as_str).map(Path::new);
            let path = path.and_then(Path::file_name).map(|name| folder.join(name));
            if let Some(path) = path {
                frame.insert(name.to_owned(), event::absolute(&path)?.into());
            }
        }
        frame.insert("unit".to_owned(), key.into());
        to.add(key, &frame)?;
        count += 1;
    }
    Ok(count)
}
