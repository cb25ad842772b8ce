//! The folders of results and of their making, and the locks.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use cht_core::{event, storage::durable};
use rustix::{fs::FlockOperation, io::Errno};

use super::{
    record::{self, Earlier, Failed},
    site::Site,
};
use crate::{
    plan::{Known, find::STATE},
    root::Root,
    unit::Unit,
};

/// Results: in a folder, or each in its session.
#[derive(Debug)]
pub(crate) struct Store {
    root: Option<PathBuf>,
}

/// Lock of a unit. It ends with its holder, however that ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Store {
    /// Names the folder of results, which need not exist. Without one, results are made in the
    /// sessions.
    pub(crate) fn open(root: Option<&Path>) -> Result<Self> {
        let root = root.map(event::absolute).transpose()?;
        Ok(Self { root: root.map(PathBuf::from) })
    }

    /// Names a folder of results that has to exist.
    pub(crate) fn open_there(root: &Path) -> Result<Self> {
        if !root.is_dir() {
            bail!("{}: no such folder; name the --out of cht-batch run", root.display());
        }
        Self::open(Some(root))
    }

    /// Makes the folder of results, to find out now that it cannot be made.
    pub(crate) fn create(&self) -> Result<()> {
        let Some(root) = &self.root else { return Ok(()) };
        fs::create_dir_all(root).with_context(|| root.display().to_string())
    }

    /// Returns the folder of results, if there is one.
    pub(crate) fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// Returns the places of a unit. Fails for one that needs a folder of results.
    pub(crate) fn site(&self, unit: &Unit) -> Result<Site> {
        match (&self.root, unit.session()) {
            (Some(root), _) => Ok(Site::in_folder(root, &unit.key)),
            (None, Some(session)) => Ok(Site::in_session(Path::new(&session), &unit.key)),
            (None, None) => bail!(
                "{}: belongs to no session; say where its result goes with --out DIR",
                unit.key
            ),
        }
    }

    /// Returns the keys of results, of units in the making, and of those that failed for good.
    pub(crate) fn keys(&self) -> io::Result<BTreeSet<String>> {
        let Some(root) = &self.root else { return Ok(BTreeSet::new()) };
        let mut keys = BTreeSet::new();
        for folder in [root.clone(), root.join(STATE).join("work"), root.join(STATE).join("failed")]
        {
            let names = names(&folder)?.into_iter();
            keys.extend(
                names.map(|name| name.strip_suffix(".json").map_or(name.clone(), str::to_owned)),
            );
        }
        Ok(keys)
    }

    /// Returns the places of the unit `key` in the folder of results.
    pub(crate) fn site_of(&self, key: &str) -> Option<Site> {
        self.root.as_deref().map(|root| Site::in_folder(root, key))
    }

    /// Returns the inputs of all results in the folder; `inputs` is where they lie.
    pub(crate) fn known(&self, inputs: &Root) -> io::Result<Known> {
        let mut known = Known::new(inputs);
        let Some(root) = &self.root else { return Ok(known) };
        for key in names(root)? {
            if let Some(record) = Site::in_folder(root, &key).record() {
                known.add(&record.unit);
            }
        }
        Ok(known)
    }
}

impl Site {
    /// Makes the folders of state.
    pub(crate) fn create(&self) -> io::Result<()> {
        self.folders().iter().try_for_each(fs::create_dir_all)
    }

    /// Reads what earlier runs have left of the unit.
    pub(crate) fn earlier(&self) -> Earlier {
        Earlier { record: self.record(), failed: record::read(&self.failed()).ok().flatten() }
    }

    /// Notes that the unit failed for good.
    pub(crate) fn set_failed(&self, failed: &Failed) -> io::Result<()> {
        record::write(&self.failed(), failed)
    }

    /// Forgets that the unit failed.
    pub(crate) fn forget_failed(&self) -> io::Result<()> {
        durable::remove(&self.failed()).map(drop)
    }

    /// Locks the unit; `None` if another run works on it.
    pub(crate) fn try_lock(&self) -> io::Result<Option<Lock>> {
        let file = durable::open(&self.lock(), OpenOptions::new().create(true).append(true))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns whether a run works on the unit.
    pub(crate) fn is_locked(&self) -> bool {
        let Ok(file) = durable::open_to_read(&self.lock()) else { return false };
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_err()
    }

    /// Adds a line to the log, which tells times. A log that cannot be written fails no unit.
    pub(crate) fn add_to_log(&self, line: &[u8]) {
        let append = || {
            // One write at the end of the file: lines of several runs do not mix.
            durable::open(&self.log(), OpenOptions::new().create(true).append(true))?
                .write_all(line)
        };
        let _ = append();
    }
}

/// Returns the names in a folder that are not hidden, in order; none if there is no folder.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        if let Ok(name) = entry?.file_name().into_string() {
            names.extend(Some(name).filter(|name| !name.starts_with('.')));
        }
    }
    names.sort_unstable();
    Ok(names)
}
