//! Lists named segments, patterns and folders: each finished segment in natural order, then the
//! end.
//!
//! For a run from cron, a file still being written is normal: it is left for the next run. Only
//! naming that very file is an error.

use std::{
    collections::{HashMap, HashSet},
    io::{IsTerminal as _, stderr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Result, bail};
use cht_core::{
    process::{clock, report},
    session::{Session, identity, natural_sort, pattern},
    terminal::units,
};

use crate::{
    args::Args,
    emit::Emitter,
    finished::{Candidate, Contents, LONG_REST, Stamp, Writer, is_recorded, segments_of},
    names::{Kind, extensions, kind_of},
    writers,
};

/// Lists the segments that `args` names.
pub(crate) fn list(args: &Args) -> Result<()> {
    let mut emitter = Emitter::new(args.cache())?;
    let mut paths = Vec::new();
    let mut named = HashSet::new();
    for argument in &args.paths {
        match expand(argument) {
            Ok(found) => {
                if argument.is_file() {
                    named.insert(argument.clone());
                }
                paths.extend(found);
                let session = Session::open(argument).ok();
                if let Some(session) = session.filter(|session| !session.is_recording()) {
                    emitter.remains(&session)?;
                }
            }
            Err(error) => emitter.fail(argument, "not_found", &format!("{error:#}"))?,
        }
    }
    paths.sort_by(|a, b| natural_sort::compare(a, b));
    let paths = each_once(paths);
    let growing = growing(&paths, &named, args.settle);
    let mut left = Vec::new();
    for path in &paths {
        if !path.exists() && !is_recorded(path) {
            let message = format!("{}: has gone; name segments that exist", path.display());
            emitter.fail(path, "not_found", &message)?;
        } else if growing.contains(path) && !named.contains(path) {
            left.push(path);
        } else if growing.contains(path) {
            let message = format!(
                "{}: still grows; left out (run it again later, or --follow its folder)",
                path.display()
            );
            emitter.fail(path, "growing", &message)?;
        } else {
            emitter.segment(path)?;
        }
        if emitter.is_closed() {
            break;
        }
    }
    emitter.summarise();
    // From cron, any message is a mail.
    if let Some(first) = left.first().filter(|_| stderr().is_terminal()) {
        let more =
            if left.len() > 1 { format!(" and {} more", left.len() - 1) } else { String::new() };
        report::note(format_args!(
            "{}{more}: still written; left for the next run",
            first.display()
        ));
    }
    Ok(())
}

/// Removes paths of the same file. The first name stays.
fn each_once(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut known = HashSet::new();
    paths.retain(|path| identity(path).is_none_or(|it| known.insert(it)));
    paths.dedup();
    paths
}

/// Returns the segments that an argument stands for.
fn expand(argument: &Path) -> Result<Vec<PathBuf>> {
    if argument.is_dir() {
        return match Session::open(argument) {
            Ok(session) => segments_of(&session),
            Err(_) => in_folder(argument),
        };
    }
    // A file's name may contain brackets: an existing path is not a pattern.
    if argument.exists() {
        return Ok(vec![argument.to_owned()]);
    }
    let text = argument.to_str().filter(|text| text.contains(['*', '?', '[']));
    let found: Vec<_> = match text {
        Some(text) => pattern::matching(text)?,
        None => bail!("{}: no such file or folder", argument.display()),
    };
    let is_one = |path: &PathBuf| kind_of(path) != Kind::Temporary && !path.is_dir();
    let matched = !found.is_empty();
    let found: Vec<_> = found.into_iter().filter(is_one).collect();
    if found.is_empty() {
        let what = if matched { "only folders, or temporary names" } else { "nothing" };
        bail!("{}: the pattern matches {what}", argument.display());
    }
    Ok(found)
}

/// Returns the segments in a folder of another program.
fn in_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    let Contents { segments, folders, left_out } = Contents::of(folder)?;
    if segments.is_empty() {
        let below = match folders.len() {
            0 => String::new(),
            n => format!(
                "; {} below it: name '{}/**/*.ts'",
                units::count(n as u64, "folder"),
                folder.display()
            ),
        };
        let (folder, rest) = (folder.display(), left_out.summary());
        bail!("{folder}: no segments in it ({}){below}{rest}", extensions());
    }
    Ok(segments)
}

/// Returns the paths of files still being written; waits once for --settle to see it.
fn growing(paths: &[PathBuf], named: &HashSet<PathBuf>, settle: Duration) -> HashSet<PathBuf> {
    let now = clock::monotonic();
    let mut young: HashMap<&PathBuf, Candidate> = HashMap::new();
    let mut longest = Duration::ZERO;
    for path in paths {
        let (Ok(stamp), Ok(age)) = (Stamp::of(path), clock::age_of(path)) else { continue };
        if settle.is_zero() || age > LONG_REST || is_recorded(path) {
            continue;
        }
        let mut candidate = Candidate::new(stamp, now);
        // A named file is examined even if it is empty.
        if stamp.bytes == 0 && named.contains(path) {
            candidate.writer = Writer::Closed;
        }
        longest = longest.max(candidate.remaining(settle, now, age).min(settle));
        young.insert(path, candidate);
    }
    clock::rest(longest);
    let ids = young.values().map(|candidate| candidate.stamp.id).collect();
    let written = writers::written(&ids);
    let now = clock::monotonic();
    let mut growing = HashSet::new();
    for (path, mut candidate) in young {
        let Ok(stamp) = Stamp::of(path) else { continue };
        candidate.see(stamp, now);
        let age = clock::age_of(path).unwrap_or_default();
        let rests = candidate.remaining(settle, now, age).is_zero();
        if !rests || written.contains(&candidate.stamp.id) {
            growing.insert(path.clone());
        }
    }
    growing
}
