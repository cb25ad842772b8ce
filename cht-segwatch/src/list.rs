//! Named segments, patterns and folders: each finished segment in natural order, then the end.

use std::path::{Path, PathBuf};

use anyhow::Result;
use cht_core::{clock, natural, session::Session};

use crate::{
    args::Args,
    emit::Emitter,
    finished::{Settling, is_recorded, segments_in},
};

/// Lists what `args` names.
pub(crate) fn list(args: &Args) -> Result<()> {
    let mut emitter = Emitter::new()?;
    let mut paths = Vec::new();
    for argument in &args.paths {
        match expand(argument) {
            Ok(found) => {
                paths.extend(found);
                let session = Session::open(argument).ok();
                if let Some(session) = session.filter(|session| !session.is_recording()) {
                    emitter.remains(&session)?;
                }
            }
            Err(error) => emitter.fail(argument, "not_found", &format!("{error:#}"))?,
        }
    }
    paths.sort_by(|a, b| natural::compare(a, b));
    paths.dedup();
    for (n, path) in paths.iter().enumerate() {
        let later = paths.get(n + 1).is_some_and(|next| next.parent() == path.parent());
        let rests = if later || is_recorded(path) { Ok(true) } else { rests(path, args) };
        let rests = match rests {
            Ok(rests) => rests,
            Err(error) => {
                emitter.fail(path, "not_found", &format!("{error:#}"))?;
                continue;
            }
        };
        if !rests {
            let message = format!(
                "{}: still grows; left out (run it again later, or --follow its folder)",
                path.display()
            );
            emitter.fail(path, "growing", &message)?;
            continue;
        }
        emitter.segment(path)?;
        if emitter.is_closed() {
            break;
        }
    }
    Ok(())
}

/// The segments that an argument means.
fn expand(argument: &Path) -> Result<Vec<PathBuf>> {
    if argument.is_dir() {
        return segments_in(argument);
    }
    // A file's name may hold brackets: what exists is no pattern.
    if argument.exists() {
        return Ok(vec![argument.to_owned()]);
    }
    let pattern = argument.to_str().filter(|text| text.contains(['*', '?', '[']));
    let found: Vec<_> = match pattern {
        Some(pattern) => glob::glob(pattern)?.collect::<Result<_, _>>()?,
        None => anyhow::bail!("{}: no such file or folder", argument.display()),
    };
    if found.is_empty() {
        anyhow::bail!("{}: the pattern matches nothing", argument.display());
    }
    Ok(found.into_iter().filter(|path| !path.is_dir()).collect())
}

/// Whether the last segment of a folder rests; waits as long as --settle to see it.
fn rests(path: &Path, args: &Args) -> Result<bool> {
    let mut settling = Settling::default();
    let remaining = settling.remaining(path, args.settle)?;
    if remaining.is_zero() {
        return Ok(true);
    }
    clock::rest(remaining);
    Ok(settling.remaining(path, args.settle)?.is_zero())
}
