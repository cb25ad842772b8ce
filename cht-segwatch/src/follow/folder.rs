//! A growing folder of another program. It is listed at the beginning, and after a change that the
//! system did not report; otherwise new files are found by the names in the system's events.
//!
//! A file is examined when it is finished, independently of the others: two cameras may write into
//! one folder. A file that was written again after it was examined, as in a ring of names, is
//! another file.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, Result};
use cht_core::{
    process::{clock, report},
    session::{
        natural_sort,
        watch::{Change, Gone, Id},
    },
};

use super::shared::Shared;
use crate::{
    finished::{Candidate, Contents, Growth, LONG_REST, Stamp, Writer, head_of},
    names::{Kind, LeftOut, is_hidden, kind_of},
    writers,
};

/// Two changes of a folder within this time may leave it the same time stamp.
const SAME_STAMP: Duration = Duration::from_secs(1);

/// Examined files that were not seen to be closed, and are checked again.
const DOUBTED: usize = 16;

/// A followed folder.
pub(super) struct Folder {
    pub path: PathBuf,
    pub id: Id,
    /// Whether the command line names it.
    pub is_root: bool,
    /// Files that may become finished.
    waiting: HashMap<OsString, Candidate>,
    examined: HashMap<OsString, Examined>,
    doubted: VecDeque<OsString>,
    noticed: Vec<Change>,
    left_out: LeftOut,
    /// Time of the folder's last change, at the last listing or event; unknown where another change
    /// may have the same time stamp.
    changed_at: Option<SystemTime>,
}

/// State of a file when it was examined.
#[derive(Debug)]
struct Examined {
    stamp: Stamp,
    head: Option<u64>,
}

impl Folder {
    pub(super) fn open(path: &Path, is_root: bool, shared: &Shared) -> Result<Self> {
        let id = shared.watch.add_names(path).with_context(|| path.display().to_string())?;
        Ok(Self {
            path: path.to_owned(),
            id,
            is_root,
            waiting: HashMap::new(),
            examined: HashMap::new(),
            doubted: VecDeque::new(),
            noticed: Vec::new(),
            left_out: LeftOut::default(),
            changed_at: None,
        })
    }

    /// Notes a change that the system reports.
    pub(super) fn notice(&mut self, change: &Change) {
        self.noticed.push(change.clone());
    }

    /// Returns whether something has happened in it, or a file has to be waited for.
    pub(super) fn is_busy(&self) -> bool {
        !self.noticed.is_empty() || !self.waiting.is_empty()
    }

    /// Emits the finished files. Returns the subfolders that are new.
    pub(super) fn look(&mut self, shared: &mut Shared) -> Result<Vec<PathBuf>> {
        let now = clock::monotonic();
        let mut folders = Vec::new();
        let noticed = std::mem::take(&mut self.noticed);
        let changed_at = self.path.metadata().and_then(|metadata| metadata.modified()).ok();
        let is_lost = noticed.iter().any(|change| change.lost);
        let is_heard = self.id.is_heard() && self.changed_at.is_some() && !noticed.is_empty();
        for change in &noticed {
            self.take_in(change, now, shared, &mut folders);
        }
        if is_heard && !is_lost {
            self.changed_at = changed_at;
        } else if is_lost || self.changed_at.is_none() || self.changed_at != changed_at {
            folders.extend(self.list(changed_at, now, shared)?);
        }
        self.doubt(now, shared);
        for line in self.left_out.news() {
            report::note(format_args!("{}: {line}", self.path.display()));
        }
        self.emit_finished(now, shared)?;
        Ok(folders)
    }

    /// Reports the files that were not finished.
    pub(super) fn say_rest(&self) {
        for name in sorted(&self.waiting) {
            let path = self.path.join(name);
            report::note(format_args!("{}: not finished; left out", path.display()));
        }
    }

    fn take_in(
        &mut self,
        change: &Change,
        now: Instant,
        shared: &mut Shared,
        folders: &mut Vec<PathBuf>,
    ) {
        let name = &*change.name;
        if name.is_empty() {
            return;
        }
        if let Some(gone) = change.gone {
            self.waiting.remove(name);
            let examined = self.examined.remove(name);
            if let Some(examined) = examined.filter(|_| gone == Gone::Removed) {
                shared.known.remove(&examined.stamp.id);
            }
            return;
        }
        let path = self.path.join(name);
        if path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
            if change.named && !is_hidden(&path) {
                folders.push(path);
            }
            return;
        }
        self.see(name, now, shared);
        if let Some(candidate) = self.waiting.get_mut(name) {
            match (change.finished, change.named) {
                (true, _) => candidate.writer = Writer::Closed,
                (false, true) => candidate.writer = Writer::Open,
                (false, false) => {}
            }
        }
    }

    fn list(
        &mut self,
        changed_at: Option<SystemTime>,
        now: Instant,
        shared: &mut Shared,
    ) -> Result<Vec<PathBuf>> {
        let age = clock::age_of(&self.path).unwrap_or_default();
        self.changed_at = changed_at.filter(|_| age > SAME_STAMP);
        let Contents { segments, folders, left_out } = Contents::of(&self.path)?;
        self.left_out.add(left_out);
        let mut present = HashSet::new();
        for path in &segments {
            let name = path.file_name().unwrap_or_default();
            self.see(name, now, shared);
            present.insert(name.to_owned());
        }
        let gone: Vec<_> = self.examined.extract_if(|name, _| !present.contains(name)).collect();
        let kept: HashSet<_> = self.examined.values().map(|examined| examined.stamp.id).collect();
        for (_, examined) in gone {
            if !kept.contains(&examined.stamp.id) {
                shared.known.remove(&examined.stamp.id);
            }
        }
        Ok(folders)
    }

    /// Checks a name of the folder for a file that was not examined in its present state.
    fn see(&mut self, name: &OsStr, now: Instant, shared: &Shared) {
        let path = self.path.join(name);
        match kind_of(&path) {
            Kind::Segment => {}
            kind => return self.left_out.count(&path, kind),
        }
        let Ok(stamp) = Stamp::of(&path) else {
            self.waiting.remove(name);
            return;
        };
        if let Some(candidate) = self.waiting.get_mut(name) {
            return candidate.see(stamp, now);
        }
        let before = self.examined.get(name);
        if before.is_some_and(|before| before.stamp.is_unchanged(&stamp)) {
            return;
        }
        let known = shared.known.get(&stamp.id);
        if before.is_none() && known.is_some_and(|known| known.is_unchanged(&stamp)) {
            // It was examined under another name.
            self.examined.insert(name.to_owned(), Examined { stamp, head: None });
            return;
        }
        let mut candidate = Candidate::new(stamp, now);
        if before.is_some_and(|before| before.was_appended_to(&stamp, &path)) {
            candidate.growth = Growth::Appended;
        }
        self.waiting.insert(name.to_owned(), candidate);
    }

    /// Checks again the examined files that were not seen to be closed.
    fn doubt(&mut self, now: Instant, shared: &Shared) {
        for name in self.doubted.clone() {
            self.see(&name, now, shared);
        }
    }

    fn emit_finished(&mut self, now: Instant, shared: &mut Shared) -> Result<()> {
        let names: Vec<_> = sorted(&self.waiting).cloned().collect();
        for name in &names {
            self.see(name, now, shared);
        }
        let finished = self.finished(now, shared.settle);
        let mut is_held = false;
        for name in names {
            if finished.contains(&name) && !is_held {
                self.emit(&name, now, shared)?;
            } else if let Some(candidate) = self.waiting.get(&name) {
                is_held |= candidate.is_about_to_finish();
            }
            if shared.is_stopped() {
                break;
            }
        }
        Ok(())
    }

    /// Returns the names of the finished files. Each one that only rests is looked for once among
    /// the files that programs have open.
    fn finished(&mut self, now: Instant, settle: Duration) -> HashSet<OsString> {
        let (mut finished, mut doubtful) = (HashSet::new(), Vec::new());
        for (name, candidate) in &mut self.waiting {
            let age = clock::age_of(&self.path.join(name)).unwrap_or_default();
            if !candidate.remaining(settle, now, age).is_zero() {
                continue;
            }
            let is_sure = candidate.is_closed() || candidate.asked || age > LONG_REST;
            if is_sure || settle.is_zero() {
                finished.insert(name.clone());
            } else {
                candidate.asked = true;
                doubtful.push((name, candidate));
            }
        }
        let ids = doubtful.iter().map(|(_, candidate)| candidate.stamp.id).collect();
        let written = writers::written(&ids);
        for (name, candidate) in doubtful {
            if written.contains(&candidate.stamp.id) {
                candidate.writer = Writer::Open;
            } else {
                finished.insert(name.clone());
            }
        }
        finished
    }

    fn emit(&mut self, name: &OsStr, now: Instant, shared: &mut Shared) -> Result<()> {
        let path = &self.path.join(name);
        let Some(candidate) = self.waiting.remove(name) else { return Ok(()) };
        let stamp = candidate.stamp;
        let examined = Examined { stamp, head: head_of(path) };
        if self.examined.insert(name.to_owned(), examined).is_some() {
            let message = "written again since it was examined; examined as another file";
            shared.written_again.note(now, format_args!("{}: {message}", path.display()));
        }
        shared.known.insert(stamp.id, stamp);
        if !candidate.is_closed() && !self.doubted.iter().any(|doubted| doubted == name) {
            self.doubted.push_back(name.to_owned());
            if self.doubted.len() > DOUBTED {
                self.doubted.pop_front();
            }
        }
        shared.emitter.examine(path)
    }
}

impl Examined {
    /// Returns whether the file continues where this one ended.
    fn was_appended_to(&self, stamp: &Stamp, path: &Path) -> bool {
        let same = self.stamp.id == stamp.id && self.stamp.bytes < stamp.bytes;
        same && self.stamp.bytes > 0 && self.head.is_some() && self.head == head_of(path)
    }
}

/// Returns the names in natural order.
fn sorted(waiting: &HashMap<OsString, Candidate>) -> impl Iterator<Item = &OsString> {
    let mut names: Vec<_> = waiting.keys().collect();
    names.sort_by(|a, b| natural_sort::compare(Path::new(a), Path::new(b)));
    names.into_iter()
}
