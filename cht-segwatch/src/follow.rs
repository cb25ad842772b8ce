//! Folders that grow: the segments in them, then the new ones.
//!
//! A session ends with its recorder, which holds a lock as long as it lives. Other folders have no
//! end: they are followed, with their subfolders, until SIGINT or SIGTERM.

mod folder;
mod recording;
mod shared;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Result, bail};
use cht_core::{
    process::clock,
    session::{
        Session,
        watch::{Change, Id, LOOK_AGAIN, Watch},
    },
};

use self::{folder::Folder, recording::Recording, shared::Shared};
use crate::args::Args;

/// Folders at rest that are looked at in one round: years of folders cost no more than a day of
/// them.
const LOOKED_AT: usize = 64;

/// Follows what `args` names until it ends.
pub(crate) fn follow(args: &Args) -> Result<()> {
    let mut paths = args.paths.clone();
    if paths.is_empty() {
        paths.extend(args.session.clone());
    }
    if paths.is_empty() {
        bail!("--follow: name a session or a folder, or set CHT_SESSION");
    }
    let mut shared = Shared::new(args)?;
    let mut places = Places::default();
    for path in &paths {
        if !path.is_dir() {
            bail!("{}: no such folder; --follow takes sessions and folders", path.display());
        }
        match Session::open(path) {
            Ok(session) => places.add_session(Recording::open(session, &shared.watch)?),
            Err(_) => drop(places.add_folder(Folder::open(path, true, &shared)?)),
        }
    }
    while places.look(&mut shared)? && !shared.is_stopped() {
        let changes = shared.watch.wait(Some(&shared.stop), LOOK_AGAIN)?;
        places.notice(&changes);
    }
    places.say_rest();
    Ok(())
}

/// All followed sessions and folders, numbered in the order in which they were found.
#[derive(Default)]
struct Places {
    sessions: BTreeMap<usize, Recording>,
    /// Folders of other programs.
    folders: BTreeMap<usize, Folder>,
    /// Numbers of folders, by their watch.
    by_id: HashMap<Id, usize>,
    /// Subfolders that are followed, or were.
    entered: HashSet<PathBuf>,
    next: usize,
    /// The folder at rest with which the next round begins.
    turn: usize,
}

impl Places {
    fn number(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    fn add_session(&mut self, recording: Recording) {
        let number = self.number();
        self.sessions.insert(number, recording);
    }

    fn add_folder(&mut self, folder: Folder) -> usize {
        let number = self.number();
        self.by_id.insert(folder.id, number);
        self.folders.insert(number, folder);
        number
    }

    fn remove(&mut self, number: usize, watch: &Watch) {
        let session = self.sessions.remove(&number).map(|recording| recording.id);
        let removed = session.or_else(|| self.folders.remove(&number).map(|folder| folder.id));
        if let Some(id) = removed
            && self.by_id.get(&id).is_none_or(|by_id| *by_id == number)
        {
            self.by_id.remove(&id);
            watch.forget(id);
        }
    }

    /// Notes changes of the folders; sessions are looked at in every round.
    fn notice(&mut self, changes: &[Change]) {
        for change in changes {
            if change.lost {
                self.folders.values_mut().for_each(|folder| folder.notice(change));
            } else if let Some(number) = self.by_id.get(&change.id)
                && let Some(folder) = self.folders.get_mut(number)
            {
                folder.notice(change);
            }
        }
    }

    /// Emits new segments. Returns `false` if nothing more will come.
    fn look(&mut self, shared: &mut Shared) -> Result<bool> {
        for number in self.due() {
            if let Some(recording) = self.sessions.get_mut(&number) {
                let looked = recording.look(&mut shared.emitter, &shared.watch);
                // cht-recv removes a session to which no byte came, and those that retention gives
                // up. Another session may get its name.
                let is_gone = recording.is_gone() && self.entered.remove(recording.root());
                if is_gone || !looked? {
                    self.remove(number, &shared.watch);
                }
            } else {
                self.look_into(number, shared)?;
            }
            if shared.is_stopped() {
                break;
            }
        }
        Ok(!self.sessions.is_empty() || !self.folders.is_empty())
    }

    /// Returns what to look at in this round: sessions, folders with activity, and some of the
    /// others.
    fn due(&mut self) -> Vec<usize> {
        let folders = self.folders.range(self.turn..).chain(self.folders.range(..self.turn));
        let (busy, mut resting): (Vec<_>, Vec<_>) =
            folders.partition(|(_, folder)| folder.is_busy());
        resting.truncate(LOOKED_AT);
        self.turn = resting.last().map_or(0, |(last, _)| *last + 1);
        let folders = busy.into_iter().chain(resting).map(|(number, _)| number);
        let mut due: Vec<_> = self.sessions.keys().chain(folders).copied().collect();
        due.sort_unstable();
        due
    }

    fn look_into(&mut self, number: usize, shared: &mut Shared) -> Result<()> {
        let Some(folder) = self.folders.get_mut(&number) else { return Ok(()) };
        let path = folder.path.clone();
        if folder.is_root {
            let folders = folder.look(shared)?;
            return self.enter_all(folders, shared);
        }
        if !path.is_dir() {
            self.entered.remove(&path);
            self.remove(number, &shared.watch);
            return Ok(());
        }
        if let Some(session) = session_around(&path) {
            self.remove(number, &shared.watch);
            return self.enter_session(session, shared);
        }
        match folder.look(shared) {
            Ok(folders) => self.enter_all(folders, shared),
            Err(error) => {
                self.remove(number, &shared.watch);
                shared.emitter.fail(&path, "unreadable", &format!("{error:#}; left out"))
            }
        }
    }

    /// Follows subfolders, with the segments already in them.
    fn enter_all(&mut self, folders: Vec<PathBuf>, shared: &mut Shared) -> Result<()> {
        for path in folders {
            if !self.entered.insert(path.clone()) || shared.is_stopped() {
                continue;
            }
            if let Some(session) = session_in(&path) {
                if has_ended_before(&session, shared.since) {
                    continue;
                }
                self.enter_session(session, shared)?;
                continue;
            }
            match Folder::open(&path, false, shared) {
                Ok(folder) => {
                    let number = self.add_folder(folder);
                    // Segments made before it was watched are found by listing it.
                    self.look_into(number, shared)?;
                }
                Err(_) if !path.is_dir() => drop(self.entered.remove(&path)),
                Err(error) => {
                    shared.emitter.fail(&path, "unreadable", &format!("{error:#}; left out"))?;
                }
            }
        }
        Ok(())
    }

    fn enter_session(&mut self, session: Session, shared: &Shared) -> Result<()> {
        let root = session.root().to_owned();
        let is_it = |folder: &Folder| !folder.is_root && is_same(&folder.path, &root);
        let taken_for_folder = self.folders.iter().find(|(_, folder)| is_it(folder));
        if let Some(number) = taken_for_folder.map(|(number, _)| *number) {
            self.remove(number, &shared.watch);
        }
        match Recording::open(session, &shared.watch) {
            Ok(recording) => self.add_session(recording),
            // It was removed in this moment.
            Err(_) if !root.join("stream").exists() => drop(self.entered.remove(&root)),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn say_rest(&self) {
        self.folders.values().for_each(Folder::say_rest);
    }
}

/// Returns the session in a folder that was not named as one: a folder `stream` alone may be
/// another program's.
fn session_in(path: &Path) -> Option<Session> {
    let session = Session::open(path).ok()?;
    let is_ours =
        session.is_recording() || session.segment_log().exists() || session.open_event().exists();
    is_ours.then_some(session)
}

/// Returns whether a session ended longer than `limit` ago.
fn has_ended_before(session: &Session, limit: Option<Duration>) -> bool {
    let age = || clock::age_of(&session.segment_log()).ok();
    limit.zip(age()).is_some_and(|(limit, age)| age > limit) && !session.is_recording()
}

/// Returns the session that has `path` as its folder `stream`.
fn session_around(path: &Path) -> Option<Session> {
    path.parent()
        .filter(|_| path.file_name().is_some_and(|name| name == "stream"))
        .and_then(session_in)
}

fn is_same(one: &Path, other: &Path) -> bool {
    cht_core::event::clean(one).is_ok_and(|one| one == other)
}
