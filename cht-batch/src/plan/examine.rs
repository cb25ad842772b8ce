//! Looks into many files, several at a time, and shows how far it is.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use cht_core::{
    process::{clock, lock::lock, status},
    terminal::units,
};

/// Shortest time between two lines.
const INTERVAL: Duration = Duration::from_millis(200);

/// How many files were examined, in a line at a terminal.
#[derive(Debug, Default)]
pub(crate) struct Examined {
    done: AtomicUsize,
    known: AtomicUsize,
    /// When the line was last shown.
    shown: Mutex<Option<Instant>>,
    is_over: AtomicBool,
}

impl Examined {
    /// Adds files that will be examined.
    pub(super) fn add(&self, files: usize) {
        self.known.fetch_add(files, Ordering::Relaxed);
        self.show();
    }

    /// Counts a file that was examined.
    pub(super) fn count(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.show();
    }

    fn show(&self) {
        if !status::is_wanted() {
            return;
        }
        let now = clock::monotonic();
        let mut shown = lock(&self.shown);
        let is_due = shown.is_none_or(|shown| now.duration_since(shown) >= INTERVAL);
        if is_due && !self.is_over.load(Ordering::SeqCst) {
            *shown = Some(now);
            let [done, known] = [&self.done, &self.known].map(|it| it.load(Ordering::Relaxed));
            let known = units::count(known as u64, "file");
            status::show(format!("examined {done} of {known}"));
        }
    }

    /// Removes the line for good.
    pub(crate) fn finish(&self) {
        let _shown = lock(&self.shown);
        self.is_over.store(true, Ordering::SeqCst);
        if status::is_wanted() {
            status::show("");
        }
    }
}

/// Calls `look` with each of `all`, on a thread for each processor. Returns what it returned, in
/// order.
pub(super) fn each<T: Sync, R: Send>(all: &[T], look: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(all.len());
    let work = || {
        let mut found = Vec::new();
        while let Some((at, one)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            all.get(at).map(|one| (at, one))
        } {
            found.push((at, look(one)));
        }
        found
    };
    let mut found: Vec<(usize, R)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, Vec<(usize, R)>>| match worker.join() {
            Ok(found) => found,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        workers.into_iter().flat_map(join).collect()
    });
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, one)| one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_in_the_order_of_what_was_looked_at() {
        let all: Vec<usize> = (0..1000).collect();
        assert_eq!(each(&all, |n| n * 2), all.iter().map(|n| n * 2).collect::<Vec<_>>());
        assert!(each(&[] as &[usize], |n| *n).is_empty());
    }
}
