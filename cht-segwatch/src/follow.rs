//! Folders that grow: what is there, then what comes.
//!
//! A session ends with its recorder, which holds a lock as long as it lives. Other folders have no end: they are
//! followed until SIGINT or SIGTERM.

use std::{collections::HashSet, os::unix::net::UnixStream, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event::{Body, Event},
    regular,
    session::Session,
    signals,
    watch::{LOOK_AGAIN, Watch},
};

use crate::{
    args::Args,
    emit::Emitter,
    finished::{Settling, segments_in},
};

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
    let watch = Watch::new()?;
    let mut folders = Vec::new();
    for path in paths {
        folders.push(Folder::open(path, &watch)?);
    }
    let mut emitter = Emitter::new()?;
    loop {
        let mut open = false;
        for folder in &mut folders {
            open |= folder.look(&mut emitter, args.settle)?;
        }
        if !open || emitter.is_closed() || signals::is_signalled(&stop) {
            return Ok(());
        }
        wait(&watch, &stop, &mut folders)?;
    }
}

fn wait(watch: &Watch, stop: &UnixStream, folders: &mut [Folder]) -> Result<()> {
    let changes = watch.wait(Some(stop), LOOK_AGAIN)?;
    for change in changes.into_iter().filter(|change| change.finished) {
        for folder in &mut *folders {
            folder.closed.insert(folder.path.join(&change.name));
        }
    }
    Ok(())
}

/// A folder that is followed.
struct Folder {
    /// What was named.
    path: PathBuf,
    session: Option<Session>,
    /// Segments that a writer closed or that were moved in.
    closed: HashSet<PathBuf>,
    settling: Settling,
    /// The growing segment that was announced last.
    announced: u64,
    /// That `open.json` is no file was said.
    refused: bool,
}

impl Folder {
    fn open(path: PathBuf, watch: &Watch) -> Result<Self> {
        if !path.is_dir() {
            bail!("{}: no such folder; --follow takes sessions and folders", path.display());
        }
        let session = Session::open(&path).ok();
        let watched = session.as_ref().map_or_else(|| path.clone(), Session::stream);
        watch.add(&watched).with_context(|| watched.display().to_string())?;
        Ok(Self {
            path,
            session,
            closed: HashSet::new(),
            settling: Settling::default(),
            announced: 0,
            refused: false,
        })
    }

    /// Emits what is new; `false` if nothing more will come.
    fn look(&mut self, emitter: &mut Emitter, settle: Duration) -> Result<bool> {
        // The recorder's life is looked at first: what it did before its end is then seen below.
        let Some(session) = self.session.clone() else {
            self.look_at_files(emitter, settle)?;
            return Ok(true);
        };
        let alive = session.is_recording();
        for path in session.segments()? {
            emitter.segment(&path)?;
        }
        if alive {
            self.look_at_growing(&session, emitter)?;
        } else {
            emitter.remains(&session)?;
        }
        Ok(alive)
    }

    /// Announces the segment that grows now.
    fn look_at_growing(&mut self, session: &Session, emitter: &mut Emitter) -> Result<()> {
        let path = session.open_record();
        let line = match regular::read(&path) {
            Ok(line) => line,
            Err(error) => {
                if regular::is_refusal(&error) && !std::mem::replace(&mut self.refused, true) {
                    let message = format!("{}: {error}", path.display());
                    emitter.fail(&path, "unreadable", &message)?;
                }
                return Ok(());
            }
        };
        let Ok(Some(event)) = Event::parse(&line) else { return Ok(()) };
        let Event { body: Body::SegmentOpen(open), .. } = &event else { return Ok(()) };
        if open.seq <= self.announced || emitter.knows(&session.segment(open.seq)) {
            return Ok(());
        }
        self.announced = open.seq;
        emitter.event(&event)
    }

    /// Emits the files of other programs that are finished, up to the first that is not.
    fn look_at_files(&mut self, emitter: &mut Emitter, settle: Duration) -> Result<()> {
        let segments = segments_in(&self.path)?;
        for (n, path) in segments.iter().enumerate() {
            if emitter.knows(path) {
                continue;
            }
            let later = n + 1 < segments.len();
            if !later && !self.closed.contains(path) {
                let rests = self.settling.remaining(path, settle);
                if !rests.is_ok_and(|remaining| remaining.is_zero()) {
                    break;
                }
            }
            emitter.segment(path)?;
        }
        Ok(())
    }
}
