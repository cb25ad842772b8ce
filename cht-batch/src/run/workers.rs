//! Works on several units at a time, until none is left or a signal comes.

use std::{
    os::unix::net::UnixStream,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use cht_core::process::{clock, lock::lock, signals::Signals};

use super::{
    outcome::Outcome,
    rules::Rules,
    running::Running,
    translate::Counts,
    work::{self, Shop, Watch},
};
use crate::unit::Unit;

/// Time between two looks at the load of the machine.
const LOOK: Duration = Duration::from_secs(5);

/// Where a run reports.
pub(crate) trait Report: Sync {
    /// Notes that the work on a unit begins, at a place from 0.
    fn begin(&self, place: usize, unit: &Unit);
    /// Shows the counts of a unit at work.
    fn progress(&self, place: usize, unit: &Unit, counts: &Counts);
    /// Shows what a stage says.
    fn said(&self, unit: &Unit, line: &str);
    /// Notes that the run is to end.
    fn stopping(&self);
    /// Notes that it ends at once.
    fn stopped(&self);
    /// Notes how the work on a unit ended, and how long it took.
    fn end(&self, place: usize, unit: &Unit, outcome: &Outcome, took: Duration);
}

/// What one worker shows of its unit.
struct At<'a> {
    report: &'a dyn Report,
    place: usize,
    unit: &'a Unit,
}

impl Watch for At<'_> {
    fn progress(&self, counts: &Counts) {
        self.report.progress(self.place, self.unit, counts);
    }

    fn said(&self, line: &str) {
        self.report.said(self.unit, line);
    }
}

/// Works on units, which may come one by one, until `stop`.
pub(crate) fn run(
    units: impl Iterator<Item = Unit> + Send,
    shop: &Shop<'_>,
    report: &dyn Report,
    stop: Signals,
) -> Result<()> {
    let rules = shop.rules;
    let running: Vec<_> = (0..rules.jobs).map(|_| Running::default()).collect();
    let units = Mutex::new(units);
    let (ended, watching) = UnixStream::pair()?;
    thread::scope(|scope| {
        let running = &running;
        scope.spawn(move || await_signal(stop, &watching, rules, running, report));
        let workers: Vec<_> = running
            .iter()
            .enumerate()
            .map(|(place, running)| {
                let units = &units;
                scope.spawn(move || {
                    while let Some(unit) = next(units, rules) {
                        let began: Instant = clock::monotonic();
                        report.begin(place, &unit);
                        let at = At { report, place, unit: &unit };
                        let outcome = work::work(&unit, shop, running, &at);
                        report.end(place, &unit, &outcome, began.elapsed());
                    }
                })
            })
            .collect();
        for worker in workers {
            let _ = worker.join();
        }
        // The thread that waits for signals sees the other end closed.
        drop(ended);
    });
    Ok(())
}

/// Returns the next unit, when the machine has room for it; `None` at the end.
fn next<I: Iterator<Item = Unit>>(units: &Mutex<I>, rules: &Rules) -> Option<Unit> {
    while !rules.stop.is_stopping() && rules.max_load.is_some_and(|most| load() >= most) {
        clock::rest(LOOK);
    }
    if rules.stop.is_stopping() { None } else { lock(units).next() }
}

/// Returns the load of the machine over the last minute.
fn load() -> f64 {
    let text = cht_core::storage::regular::read_to_string("/proc/loadavg".as_ref());
    let text = text.unwrap_or_default();
    text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

/// Stops the stages at the first signal; a second one ends this program, and them with it.
fn await_signal(
    mut stop: Signals,
    ended: &UnixStream,
    rules: &Rules,
    running: &[Running],
    report: &dyn Report,
) {
    if !stop.wait(ended) {
        return;
    }
    rules.stop.stop();
    report.stopping();
    for running in running {
        running.interrupt();
    }
    if stop.wait(ended) {
        stop.end_with(|| report.stopped());
    }
}
