//! Queue of segments to decode: the first in memory, further ones on disk.
//!
//! Events are passed on at once, even if decoding lags, so their work has to wait somewhere. A list
//! of 300,000 segments takes the memory of a thousand, and about 200 MB in an unnamed file in the
//! folder for temporary files, which disappears with the process. Bare paths are not passed on, so
//! their writer waits instead.

use std::{
    collections::VecDeque,
    env,
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Seek as _, SeekFrom},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::process::{lock::lock, report};
use rustix::fs::OFlags;
use serde::{Serialize, de::DeserializeOwned};

/// Largest number of items in memory.
const IN_MEMORY: usize = 1024;

/// Time between two calls of `meanwhile` while [`Backlog::pop_or`] waits.
const WAIT: Duration = Duration::from_millis(500);

/// Queue between two threads.
#[derive(Debug)]
pub struct Backlog<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    /// Next items.
    first: VecDeque<T>,
    /// Items after `first`, as lines on disk.
    spilled: Spill,
    /// Items after `spilled`, where the disk refuses more.
    last: VecDeque<T>,
    /// No more items come.
    is_closed: bool,
    /// No more items are accepted.
    is_abandoned: bool,
}

/// Items on disk, a line each.
#[derive(Debug, Default)]
struct Spill {
    file: Option<File>,
    /// Number of unread lines, and the byte offsets where they begin and end.
    count: u64,
    begin: u64,
    end: u64,
    has_failed: bool,
}

impl<T: Serialize + DeserializeOwned> Default for Backlog<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Serialize + DeserializeOwned> Backlog<T> {
    /// Creates an empty queue.
    #[must_use]
    pub fn new() -> Self {
        let state = State {
            first: VecDeque::new(),
            spilled: Spill::default(),
            last: VecDeque::new(),
            is_closed: false,
            is_abandoned: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Adds an item without waiting; `false` if no more are accepted.
    pub fn push(&self, item: T) -> bool {
        let mut state = self.lock();
        if state.has_room() {
            state.first.push_back(item);
        } else if !state.last.is_empty() || state.spilled.push(&item).is_err() {
            state.last.push_back(item);
        }
        self.changed.notify_all();
        !state.is_abandoned
    }

    /// Adds an item once there is room in memory; `false` if no more are accepted.
    pub fn push_slowly(&self, item: T) -> bool {
        let mut state = self.lock();
        while !state.has_room() && !state.is_abandoned {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.first.push_back(item);
        self.changed.notify_all();
        !state.is_abandoned
    }

    /// Takes the next item, or waits for it; `None` after the last one.
    pub fn pop(&self) -> io::Result<Option<T>> {
        self.pop_or(&mut || Ok(()))
    }

    /// Takes the next item, or waits for it, calling `meanwhile` at intervals; `None` after the
    /// last one.
    pub fn pop_or<E: From<io::Error>>(
        &self,
        meanwhile: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<Option<T>, E> {
        let mut state = self.lock();
        loop {
            if state.first.is_empty() {
                let named = |error: io::Error| {
                    io::Error::new(error.kind(), format!("segments that wait: {error}"))
                };
                state.refill().map_err(named)?;
            }
            if let Some(item) = state.first.pop_front() {
                self.changed.notify_all();
                return Ok(Some(item));
            }
            if state.is_closed {
                return Ok(None);
            }
            let waited = self.changed.wait_timeout(state, WAIT);
            let (kept, over) = waited.unwrap_or_else(PoisonError::into_inner);
            state = kept;
            if over.timed_out() {
                drop(state);
                meanwhile()?;
                state = self.lock();
            }
        }
    }

    /// Returns the number of items that wait.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        let state = self.lock();
        (state.first.len() + state.last.len()) as u64 + state.spilled.count
    }

    /// Returns whether no more items are accepted.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.lock().is_abandoned
    }

    /// Ends the queue after the items in it.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Makes the queue accept no more items.
    pub fn abandon(&self) {
        self.lock().is_abandoned = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        lock(&self.state)
    }
}

impl<T: Serialize + DeserializeOwned> State<T> {
    fn has_room(&self) -> bool {
        self.first.len() < IN_MEMORY && self.spilled.count == 0 && self.last.is_empty()
    }

    fn refill(&mut self) -> io::Result<()> {
        if self.spilled.count > 0 {
            self.first = self.spilled.take()?;
        } else {
            std::mem::swap(&mut self.first, &mut self.last);
        }
        Ok(())
    }
}

impl Spill {
    fn push<T: Serialize>(&mut self, item: &T) -> io::Result<()> {
        let pushed = self.try_push(item);
        if let Err(error) = &pushed
            && !self.has_failed
        {
            self.has_failed = true;
            let folder = env::temp_dir();
            report::note(format_args!(
                "{}: {error}; segments that wait are kept in memory",
                folder.display()
            ));
        }
        pushed
    }

    fn try_push<T: Serialize>(&mut self, item: &T) -> io::Result<()> {
        let mut line = serde_json::to_vec(item)?;
        line.push(b'\n');
        let file = match self.file.take() {
            Some(file) => file,
            None => unnamed()?,
        };
        let written = file.write_all_at(&line, self.end);
        self.file = Some(file);
        written?;
        (self.count, self.end) = (self.count + 1, self.end + line.len() as u64);
        Ok(())
    }

    /// Takes as many items as fit into memory.
    fn take<T: DeserializeOwned>(&mut self) -> io::Result<VecDeque<T>> {
        let Some(file) = &mut self.file else { return Ok(VecDeque::new()) };
        file.seek(SeekFrom::Start(self.begin))?;
        let mut lines = BufReader::new(&*file);
        let (mut items, mut line) = (VecDeque::new(), Vec::new());
        while self.count > 0 && items.len() < IN_MEMORY {
            line.clear();
            self.begin += lines.read_until(b'\n', &mut line)? as u64;
            self.count -= 1;
            items.push_back(serde_json::from_slice(&line)?);
        }
        // An error only wastes room.
        if self.count == 0 && file.set_len(0).is_ok() {
            (self.begin, self.end) = (0, 0);
        }
        Ok(items)
    }
}

/// Creates a file without a name, for reading and writing.
fn unnamed() -> io::Result<File> {
    let folder = env::temp_dir();
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    let flags = OFlags::TMPFILE.bits().cast_signed();
    options.custom_flags(flags).open(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_on_disk_come_in_order() {
        let backlog = Backlog::new();
        let (mut pushed, mut popped) = (0..20 * IN_MEMORY, 0..20 * IN_MEMORY);
        // Fills and empties it in turns, beyond what memory holds, until the file is emptied.
        for (more, fewer) in [(10, 3), (2000, 5), (5000, 6900), (7000, 2000), (100, 4000)] {
            pushed.by_ref().take(more).for_each(|item| assert!(backlog.push(item)));
            assert!(backlog.lock().first.len() <= IN_MEMORY);
            assert!(backlog.lock().last.is_empty());
            popped.by_ref().take(fewer).for_each(|item| {
                assert_eq!(backlog.pop().unwrap(), Some(item));
            });
        }
        backlog.close();
        let rest: Vec<usize> = std::iter::from_fn(|| backlog.pop().unwrap()).collect();
        assert_eq!(rest, (popped.start..pushed.start).collect::<Vec<_>>());
    }

    #[test]
    fn order_is_kept_when_disk_refuses() {
        let backlog = Backlog::new();
        for item in 0..3 * IN_MEMORY {
            if item == 2 * IN_MEMORY {
                // Reopened for reading only.
                backlog.lock().spilled.file.as_mut().map(refuse).unwrap();
            }
            backlog.push(item);
        }
        assert_eq!(backlog.lock().last.len(), IN_MEMORY);
        backlog.close();
        let all: Vec<usize> = std::iter::from_fn(|| backlog.pop().unwrap()).collect();
        assert!(all.is_sorted() && all.len() == 3 * IN_MEMORY, "{}", all.len());
    }

    fn refuse(file: &mut File) {
        use std::os::fd::AsRawFd as _;
        *file = File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
    }

    #[test]
    fn push_slowly_waits_for_room() {
        let backlog = std::sync::Arc::new(Backlog::new());
        let writer = std::sync::Arc::clone(&backlog);
        let thread = std::thread::spawn(move || {
            (0..4 * IN_MEMORY).for_each(|item| assert!(writer.push_slowly(item)));
            writer.close();
        });
        for item in 0..4 * IN_MEMORY {
            assert!(backlog.lock().spilled.file.is_none());
            assert_eq!(backlog.pop().unwrap(), Some(item));
        }
        assert_eq!(backlog.pop().unwrap(), None);
        thread.join().unwrap();
        backlog.abandon();
        assert!(!backlog.push_slowly(0) && !backlog.push(0));
    }
}
