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
};

use anyhow::{Result, bail};
use cht_core::session::{
    Session,
    watch::{Change, Id, LOOK_AGAIN, Watch},
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
        let place = match Session::open(path) {
            Ok(session) => Place::Session(Box::new(Recording::open(session, &shared.watch)?)),
            Err(_) => Place::Folder(Box::new(Folder::open(path, true, &shared)?)),
        };
        places.add(place);
    }
    while places.look(&mut shared)? && !shared.is_stopped() {
        let changes = shared.watch.wait(Some(&shared.stop), LOOK_AGAIN)?;
        places.notice(&changes);
    }
    places.say_rest();
    Ok(())
}

/// A followed folder.
enum Place {
    Session(Box<Recording>),
    Folder(Box<Folder>),
}

/// All followed folders, numbered in the order in which they were found.
#[derive(Default)]
struct Places {
    all: BTreeMap<usize, Place>,
    by_id: HashMap<Id, usize>,
    /// Subfolders that are followed, or were.
    entered: HashSet<PathBuf>,
    next: usize,
    /// The folder at rest with which the next round begins.
    turn: usize,
}

impl Places {
    fn add(&mut self, place: Place) -> usize {
        let number = self.next;
        self.next += 1;
        if let Place::Folder(folder) = &place {
            self.by_id.insert(folder.id, number);
        }
        self.all.insert(number, place);
        number
    }

    fn remove(&mut self, number: usize, watch: &Watch) {
        let id = match self.all.remove(&number) {
            Some(Place::Folder(folder)) => folder.id,
            Some(Place::Session(recording)) => recording.id,
            None => return,
        };
        if self.by_id.get(&id).is_none_or(|by_id| *by_id == number) {
            self.by_id.remove(&id);
            watch.forget(id);
        }
    }

    fn notice(&mut self, changes: &[Change]) {
        for change in changes {
            let of_one = self.by_id.get(&change.id).filter(|_| !change.lost);
            for place in self.all.values_mut().filter(|_| change.lost) {
                place.notice(change);
            }
            if let Some(place) = of_one.and_then(|number| self.all.get_mut(number)) {
                place.notice(change);
            }
        }
    }

    /// Emits new segments. Returns `false` if nothing more will come.
    fn look(&mut self, shared: &mut Shared) -> Result<bool> {
        for number in self.due() {
            let Some(place) = self.all.get_mut(&number) else { continue };
            match place {
                Place::Session(recording) => {
                    if !recording.look(&mut shared.emitter, &shared.watch)? {
                        self.remove(number, &shared.watch);
                    }
                }
                Place::Folder(_) => self.look_into(number, shared)?,
            }
            if shared.is_stopped() {
                break;
            }
        }
        Ok(!self.all.is_empty())
    }

    /// Returns the folders to look at in this round: those with activity, and some of the others.
    fn due(&mut self) -> Vec<usize> {
        let is_busy = |place: &Place| match place {
            Place::Session(_) => true,
            Place::Folder(folder) => folder.is_busy(),
        };
        let mut due: Vec<_> =
            self.all.iter().filter(|(_, place)| is_busy(place)).map(|(n, _)| *n).collect();
        let numbers = self.all.range(self.turn..).chain(self.all.range(..self.turn));
        let resting: Vec<_> = numbers
            .filter(|(_, place)| !is_busy(place))
            .map(|(number, _)| *number)
            .take(LOOKED_AT)
            .collect();
        self.turn = resting.last().map_or(0, |last| last + 1);
        due.extend(resting);
        due.sort_unstable();
        due
    }

    fn look_into(&mut self, number: usize, shared: &mut Shared) -> Result<()> {
        let Some(Place::Folder(folder)) = self.all.get_mut(&number) else { return Ok(()) };
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
                self.enter_session(session, shared)?;
                continue;
            }
            match Folder::open(&path, false, shared) {
                Ok(folder) => {
                    let number = self.add(Place::Folder(Box::new(folder)));
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
        let is_it = |place: &Place| match place {
            Place::Folder(folder) => !folder.is_root && is_same(&folder.path, &root),
            Place::Session(_) => false,
        };
        let taken_for_folder = self.all.iter().find(|(_, place)| is_it(place));
        if let Some(number) = taken_for_folder.map(|(number, _)| *number) {
            self.remove(number, &shared.watch);
        }
        let recording = Recording::open(session, &shared.watch)?;
        self.add(Place::Session(Box::new(recording)));
        Ok(())
    }

    fn say_rest(&self) {
        for place in self.all.values() {
            if let Place::Folder(folder) = place {
                folder.say_rest();
            }
        }
    }
}

impl Place {
    fn notice(&mut self, change: &Change) {
        if let Self::Folder(folder) = self {
            folder.notice(change);
        }
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

/// Returns the session that has `path` as its folder `stream`.
fn session_around(path: &Path) -> Option<Session> {
    path.parent()
        .filter(|_| path.file_name().is_some_and(|name| name == "stream"))
        .and_then(session_in)
}

fn is_same(one: &Path, other: &Path) -> bool {
    cht_core::event::clean(one).is_ok_and(|one| one == other)
}
