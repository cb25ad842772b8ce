//! What the stages are given: the files of a unit as they are, or, where these are no transport
//! streams or lie in several folders, copies and links in one folder under names of one series, so
//! that they are on one timeline.

use std::{
    fmt::Display,
    fs::{self, File},
    io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use cht_core::{
    mp4,
    session::natural_sort::series,
    storage::{durable, regular},
    timeline::{MAX_OVERLAP, MAX_REST},
};

use super::{
    remux::{Remuxer, Source, is_passing},
    rules::Rules,
    running::Running,
    tools::Tools,
    translate::{AGAIN, Seen},
};
use crate::{
    kind::Kind,
    plan::is_of_time,
    root::Root,
    settings::Stage,
    store::Failure,
    unit::{Input, Layout, Unit},
};

/// Name of the folder of copies and links in a result in the making.
pub(crate) const FOLDER: &str = "inputs";

/// Folder of a session's segments, and the name of their log.
const STREAM: &str = "stream";
const LOG: &str = "segments.ndjson";

/// Gives the inputs of a unit to the stages, one after another.
#[derive(Debug)]
pub(crate) struct Inputs<'a> {
    unit: &'a Unit,
    /// Where the files of the unit lie.
    root: &'a Root,
    /// Folder of copies and links; `None` if the files are given as they are.
    folder: Option<PathBuf>,
    /// Whether transport streams are linked. Otherwise, their clocks begin anew with each file, and
    /// copies have one.
    is_linked: bool,
    names: CopyNames,
    /// Number of inputs of an older result that are gone.
    first: usize,
    running: &'a Running,
    remuxer: Remuxer<'a>,
    /// What people should know of the inputs that were made ready.
    notices: Vec<String>,
}

/// How copies and links are named. It is the same when the unit grows: journals name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CopyNames {
    /// As the files, which lie in one folder.
    Own,
    /// As the segments of a session, next to its log.
    Session,
    /// By their number, and as the files.
    Numbered,
    /// By their number alone, so that they are of one series.
    Bare,
}

impl<'a> Inputs<'a> {
    /// Prepares the inputs of a unit, in the folder `work` of its result in the making.
    pub(crate) fn new(
        unit: &'a Unit,
        work: &Path,
        first: usize,
        options: &'a Rules,
        tools: &Tools,
        running: &'a Running,
    ) -> anyhow::Result<Self> {
        let has_sound = options.settings.stages.contains(&Stage::Audio);
        let paths = || unit.inputs.iter().map(|input| Path::new(&input.path));
        let is_equal = |of: &dyn Fn(&Path) -> Vec<u8>| {
            let mut all = paths().map(of);
            let first = all.next();
            all.all(|other| Some(other) == first)
        };
        let folder_of = |path: &Path| {
            path.parent().unwrap_or(Path::new("/")).as_os_str().as_encoded_bytes().to_vec()
        };
        let (is_one_series, is_one_folder) = (is_equal(&series), is_equal(&folder_of));
        let is_linked = options.is_choosing() || has_one_clock(unit);
        // The stages read a path on each line.
        let is_line = |path: &Path| !path.to_string_lossy().contains(['\n', '\r']);
        let is_whole = unit.inputs.iter().all(|input| input.kind == Kind::Ts) && is_linked;
        let is_session = is_whole && unit.session().is_some();
        // Journals of results name the paths that the stages are given.
        let is_plain = is_whole
            && paths().all(is_line)
            && (is_one_series && is_one_folder || is_session)
            && !options.root.is_set();
        let names = match () {
            () if is_session => CopyNames::Session,
            () if !is_one_series => CopyNames::Bare,
            () if is_one_folder && paths().all(is_line) && stays_in_folder(unit) => CopyNames::Own,
            () => CopyNames::Numbered,
        };
        let folder = work.join(FOLDER);
        // Left by a run that was killed.
        durable::remove_folder(&folder)?;
        if !is_plain {
            fs::create_dir_all(&folder)?;
            if names == CopyNames::Session {
                link_log(unit, &options.root, &folder.join(STREAM))?;
            }
        }
        Ok(Self {
            unit,
            root: &options.root,
            folder: (!is_plain).then_some(folder),
            is_linked,
            names,
            first,
            running,
            remuxer: Remuxer::new(has_sound, tools, running),
            notices: Vec::new(),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.unit.inputs.len()
    }

    /// Returns whether the stages are given copies, which take room.
    pub(crate) fn are_copies(&self) -> bool {
        self.folder.is_some()
    }

    /// Returns the size in bytes and the length in seconds of the `n`-th input.
    pub(crate) fn size(&self, n: usize) -> (u64, f64) {
        let input = &self.unit.inputs[n];
        (input.bytes, input.duration.unwrap_or(0.0))
    }

    /// Removes the copy of the `n`-th input: the stages are done with it.
    pub(crate) fn remove(&self, n: usize) {
        if self.folder.is_some() {
            let _ = durable::remove(Path::new(&self.path(n, &self.unit.inputs[n])));
        }
    }

    /// Returns the paths that the stages will see, with the inputs that they stand for.
    pub(crate) fn names(&self) -> Vec<(String, Seen)> {
        let is_session = self.unit.session().is_some();
        let seen = |(n, input): (usize, &Input)| {
            let seq = (!is_session).then_some((self.first + n) as u64 + 1);
            let seen = Seen { path: input.path.clone(), at: input.at, seq };
            (self.path(n, input), seen)
        };
        self.unit.inputs.iter().enumerate().map(seen).collect()
    }

    /// Returns the path that the stages are given for an input.
    fn path(&self, n: usize, input: &Input) -> String {
        let Some(folder) = &self.folder else { return input.path.clone() };
        let name = Path::new(&input.path).file_name().unwrap_or_default().to_string_lossy();
        let name = name.replace(char::is_control, "_");
        let number = self.first + n + 1;
        let name = match self.names {
            CopyNames::Own => name,
            CopyNames::Session => format!("{STREAM}/{name}"),
            CopyNames::Numbered => format!("{number:06}_{name}"),
            CopyNames::Bare => format!("{number:06}.ts"),
        };
        folder.join(name).to_string_lossy().into_owned()
    }

    /// Makes the `n`-th input ready. Returns its path for the stages, and the fault of a file of
    /// which a part is used.
    pub(crate) fn ready(&mut self, n: usize) -> Result<(String, Option<Failure>), Failure> {
        let input = &self.unit.inputs[n];
        let path = self.path(n, input);
        let file = self.root.place(&input.path);
        check(input, &file)?;
        if self.running.is_interrupted() {
            let message = "interrupted".to_owned();
            return Err(Failure { code: AGAIN.to_owned(), message, path: None });
        }
        if self.folder.is_none() {
            return Ok((path, None));
        }
        let link = || symlink(&file, &path).map(|()| None).map_err(|error| error.to_string());
        let made = match (input.kind == Kind::Ts, self.is_linked) {
            (true, true) => link(),
            // The stages take more of a damaged stream than ffmpeg does.
            (true, false) => self
                .remux(input, Path::new(&path))
                .or_else(|error| if is_passing(&error) { Err(error) } else { link() }),
            (false, _) => self.remux(input, Path::new(&path)),
        };
        match made {
            Ok(fault) => Ok((path, fault.map(|message| fault_of(input, DAMAGED, message)))),
            Err(message) if is_passing(&message) => Err(fault_of(input, AGAIN, message)),
            Err(message) => Err(fault_of(input, "undecodable", message)),
        }
    }

    /// Returns what people should know of the inputs that were made ready since the last call.
    pub(crate) fn notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// Makes a copy of an input.
    fn remux(&mut self, input: &Input, to: &Path) -> Result<Option<String>, String> {
        let Input { kind, modified, .. } = *input;
        let Some(init) = &input.init else {
            let path = &*self.root.place(&input.path);
            self.notices.extend(hidden_of(path, kind).map(|it| format!("{}: {it}", input.path)));
            return self.remuxer.copy(Source { path, kind, modified }, to);
        };
        // A fragment is read after its header.
        let whole = durable::with_suffix(to, ".mp4.part");
        let join = || -> io::Result<()> {
            let mut whole = File::create(&whole)?;
            for from in [init, &input.path] {
                io::copy(&mut regular::open(&self.root.place(from))?, &mut whole)?;
            }
            Ok(())
        };
        join().map_err(|error| error.to_string())?;
        let copied = self.remuxer.copy(Source { path: &whole, kind, modified }, to);
        let _ = durable::remove(&whole);
        copied
    }
}

/// Returns what the edit list of a file hides from players, in words. The copy has it.
fn hidden_of(path: &Path, kind: Kind) -> Option<String> {
    let file = regular::open(path).ok().filter(|_| kind == Kind::Mp4)?;
    mp4::of_file(&file).ok().flatten()?.hidden_in_words()
}

/// Returns whether all files of a unit lie in one folder, also those by which it grows.
fn stays_in_folder(unit: &Unit) -> bool {
    let folder = unit.inputs.first().and_then(|input| Path::new(&input.path).parent());
    matches!(unit.layout, Layout::Segments | Layout::Mediamtx | Layout::Obs)
        && folder.is_none_or(|folder| !is_of_time(folder))
}

/// Returns whether the time stamps of each transport stream go on where those of the one before
/// end.
fn has_one_clock(unit: &Unit) -> bool {
    unit.inputs.windows(2).all(|pair| {
        let clocks = pair[0].clock.zip(pair[1].clock);
        clocks.is_none_or(|(one, next)| (-MAX_OVERLAP..=MAX_REST).contains(&one.step_to(next)))
    })
}

/// Returns the failure of an input.
fn fault_of(input: &Input, code: &str, message: impl Display) -> Failure {
    let message = format!("{}: {message}", input.path);
    Failure { code: code.to_owned(), message, path: Some(input.path.clone()) }
}

/// Fails if a file has gone, or has changed since the unit was planned.
fn check(input: &Input, file: &Path) -> Result<(), Failure> {
    match file.metadata().and_then(|it| regular::check(&it).map(|()| it)) {
        Ok(found) if found.len() == input.bytes => Ok(()),
        Ok(_) => Err(fault_of(input, AGAIN, "has changed since the unit was planned")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(fault_of(input, "not_found", "has gone; left out"))
        }
        Err(error) => Err(fault_of(input, "unreadable", format_args!("{error}; left out"))),
    }
}

/// Links the log of a session's segments next to where they are linked, in the folder `stream`.
fn link_log(unit: &Unit, root: &Root, stream: &Path) -> io::Result<()> {
    fs::create_dir_all(stream)?;
    let Some(first) = unit.inputs.first() else { return Ok(()) };
    let log = root.place(&first.path).with_file_name(LOG);
    if log.exists() { symlink(log, stream.join(LOG)) } else { Ok(()) }
}

/// Code of a file of which only a part could be read.
const DAMAGED: &str = "damaged";
