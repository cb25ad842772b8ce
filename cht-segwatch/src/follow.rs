//! Folders that grow: what is there, then what comes.
//!
//! A session ends with its recorder, which holds a lock as long as it lives. Other folders have no end: they are
//! followed until SIGINT or SIGTERM.

mod folder;
mod recording;

use std::path::Path;

use anyhow::{Result, bail};
use cht_core::{
    session::Session,
    signals,
    watch::{Change, LOOK_AGAIN, Watch},
};

use self::{folder::Folder, recording::Recording};
use crate::{args::Args, emit::Emitter};

/// Follows what `args` names until it ends.
pub(crate) fn follow(args: &Args) -> Result<()> {
    let mut paths = args.paths.clone();
    if paths.is_empty() {
        paths.extend(args.session.clone());
    }
    if paths.is_empty() {
        bail!("--follow: name a session or a folder, or set CHT_SESSION");
    }
    let stop = signals::stop_on_signal()?;
    let watch = Watch::new();
    let mut followed = Vec::new();
    for path in &paths {
        followed.push(Followed::open(path, args, &watch)?);
    }
    let mut emitter = Emitter::new()?;
    loop {
        let mut open = false;
        for place in &mut followed {
            open |= place.look(&mut emitter, &watch)?;
        }
        if !open || emitter.is_closed() || signals::is_signalled(&stop) {
            return Ok(());
        }
        let changes = watch.wait(Some(&stop), LOOK_AGAIN)?;
        for place in &mut followed {
            place.notice(&changes);
        }
    }
}

/// A folder that is followed.
enum Followed {
    Session(Box<Recording>),
    Folder(Box<Folder>),
}

impl Followed {
    fn open(path: &Path, args: &Args, watch: &Watch) -> Result<Self> {
        if !path.is_dir() {
            bail!("{}: no such folder; --follow takes sessions and folders", path.display());
        }
        Ok(match Session::open(path) {
            Ok(session) => Self::Session(Box::new(Recording::open(session, watch)?)),
            Err(_) => Self::Folder(Box::new(Folder::open(path, args.settle, watch)?)),
        })
    }

    /// Emits what is new; `false` if nothing more will come.
    fn look(&mut self, emitter: &mut Emitter, watch: &Watch) -> Result<bool> {
        match self {
            Self::Session(recording) => recording.look(emitter, watch),
            Self::Folder(folder) => folder.look(emitter).map(|()| true),
        }
    }

    fn notice(&mut self, changes: &[Change]) {
        if let Self::Folder(folder) = self {
            for change in changes {
                folder.notice(change);
            }
        }
    }
}
