//! Does what the command line asks.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use anyhow::{Context as _, Result, bail};
use cht_core::{event, storage::durable};

use crate::{
    args::{Args, Command, List},
    check,
    recording::Recording,
};

pub(crate) fn run(args: &Args) -> Result<()> {
    match &args.command {
        Command::List(list) => write_list(list),
        Command::Check(wanted) => check::run(wanted),
    }
}

fn write_list(list: &List) -> Result<()> {
    let mut recording = Recording::open(&list.session, list.rate)?;
    if let Some(media) = &list.media {
        recording.media = event::clean(media)?;
    }
    let scenes = list.choice().scenes(&recording.frames, recording.end);
    let session = list.session.display();
    if list.format.is_of_transcript() {
        if recording.transcript.is_empty() {
            bail!(
                "{session}: no transcript; let a transcriber emit `transcript` events into cht-index"
            );
        }
    } else if scenes.is_empty() {
        bail!("{session}: no scene is left; check --from, --to, --reason and --min-score");
    }
    let text = list.format.write(&recording, &scenes);
    match &list.out {
        Some(path) => write(path, text.as_bytes()).with_context(|| path.display().to_string()),
        None => match io::stdout().lock().write_all(text.as_bytes()) {
            // A reader that wants no more is no failure.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.context("stdout"),
        },
    }
}

/// Writes a file at once when it is complete, with the mode that it had, and through a link. A
/// device, pipe or FIFO is written into.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match path.metadata() {
        Ok(metadata) if metadata.is_file() => {
            let place = path.canonicalize()?;
            durable::replace(&place, bytes)?;
            fs::set_permissions(&place, metadata.permissions())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
            durable::replace(path, bytes)
        }
        _ => fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?
            .write_all(bytes),
    }
}
