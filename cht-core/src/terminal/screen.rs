//! The terminal of a stage: its width, its colours, the table on it, and the status line.

use std::{
    env, fs,
    io::{self, IsTerminal as _},
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use rustix::fs::FileType;

use super::{
    cells::fit,
    progress::Progress,
    table::{Place, Rows, Table},
};
use crate::{
    event::Event,
    process::{clock, lock::lock, status, verbosity},
};

/// Columns of a terminal that does not tell its size.
const COLUMNS: usize = 80;

/// Time between two status lines.
const EVERY: Duration = Duration::from_secs(1);

/// Reading events, people see a table on stdout, a status line on stderr, or both.
#[derive(Debug)]
pub struct Screen {
    table: Option<Table>,
    progress: Option<Arc<Mutex<Progress>>>,
}

impl Screen {
    /// Returns the screen of a stage; `None` where no people read.
    #[must_use]
    pub fn of_stage(rows: Rows) -> Option<Self> {
        let is_terminal = io::stdout().is_terminal();
        if is_terminal && verbosity::wants_json() {
            return None;
        }
        let table = is_terminal.then(|| Table::new(rows, place()));
        let has_status = rows != Rows::Passed && is_last() && status::is_wanted();
        let progress = has_status.then(show_progress);
        (table.is_some() || progress.is_some()).then_some(Self { table, progress })
    }

    /// Notes a line of NDJSON; returns the text to write instead where a terminal is.
    pub(crate) fn take(&mut self, line: &[u8]) -> Option<Vec<u8>> {
        // No stage passes on a line that it cannot read.
        let event = Event::parse(line).ok();
        if let (Some(progress), Some(Some(event))) = (&self.progress, &event) {
            lock(progress).watch(event, clock::monotonic());
        }
        let table = self.table.as_mut()?;
        let columns = columns(io::stdout());
        let text = match event {
            Some(Some(event)) => table.lines(&event, clock::wall(), columns),
            Some(None) => table.unknown(line, columns),
            None => String::new(),
        };
        if let (Some(progress), false) = (&self.progress, text.is_empty()) {
            status::renew(|| fitting(&lock(progress).line(None, clock::monotonic())));
        }
        Some(text.into_bytes())
    }
}

fn place() -> Place {
    let colours = anstream::AutoStream::choice(&io::stdout());
    Place {
        is_verbose: verbosity::is_verbose(),
        has_stderr: io::stderr().is_terminal(),
        is_coloured: colours != anstream::ColorChoice::Never,
        folder: env::current_dir().ok(),
    }
}

/// Tells whether no other stage of a pipeline reads stdout: several status lines on one terminal
/// would overwrite each other.
#[must_use]
pub fn is_last() -> bool {
    let Ok(stdout) = rustix::fs::fstat(io::stdout()) else { return false };
    !matches!(FileType::from_raw_mode(stdout.st_mode), FileType::Fifo | FileType::Socket)
}

/// Starts the thread that shows the status line.
fn show_progress() -> Arc<Mutex<Progress>> {
    let progress = Arc::<Mutex<Progress>>::default();
    let shown = Arc::clone(&progress);
    let show = move || {
        loop {
            clock::rest(EVERY);
            let growing = growing(&lock(&shown).growing());
            let line = lock(&shown).line(growing, clock::monotonic());
            status::show(fitting(&line));
        }
    };
    // Without the thread, there is no line.
    let _ = thread::Builder::new().name("status".to_owned()).spawn(show);
    progress
}

/// Returns a status line within the terminal. A full line would move the cursor to the next one.
fn fitting(line: &str) -> String {
    fit(line, columns(io::stderr()) - 1)
}

/// Returns the size of segments that grow; `None` if they are on another machine.
fn growing(finals: &[PathBuf]) -> Option<u64> {
    let part = |path: &PathBuf| {
        let mut part = path.clone().into_os_string();
        part.push(".part");
        PathBuf::from(part)
    };
    finals.iter().map(|path| size(&part(path)).or_else(|| size(path))).sum()
}

fn size(path: &Path) -> Option<u64> {
    fs::metadata(path).map(|metadata| metadata.len()).ok()
}

/// Returns the number of columns of a terminal.
pub fn columns(terminal: impl AsFd) -> usize {
    match rustix::termios::tcgetwinsize(terminal) {
        Ok(size) if size.ws_col > 0 => size.ws_col.into(),
        _ => COLUMNS,
    }
}
