//! Progress for people: bars on a terminal, a line for each unit in a log.

use std::{fmt::Write as _, sync::Mutex, time::Duration};

use cht_core::{
    process::{lock::lock, report},
    terminal::units,
};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    run::{Counts, End, Outcome},
    unit::Unit,
};

/// Shows how far a run is.
#[derive(Debug)]
pub(crate) enum Progress {
    /// On a terminal.
    Bars(Bars),
    /// In a log.
    Log,
}

/// Bars on a terminal: one for all units, and one for each at work.
#[derive(Debug)]
pub(crate) struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    units: Vec<ProgressBar>,
    seconds: Mutex<Seconds>,
}

/// Seconds of video that are done.
#[derive(Debug)]
struct Seconds {
    /// Those of units that have ended.
    ended: Amount,
    /// Those of each unit at work.
    at_work: Vec<Amount>,
}

/// An amount of video, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Amount {
    done: f64,
    /// Of that, what an earlier run had done.
    before: f64,
}

impl Seconds {
    /// Returns the sum.
    fn all(&self) -> Amount {
        self.at_work.iter().fold(self.ended, |sum, unit| Amount {
            done: sum.done + unit.done,
            before: sum.before + unit.before,
        })
    }
}

impl Amount {
    /// Returns how much of a unit is done. Segments are about equally long.
    fn of(unit: &Unit, counts: &Counts) -> Self {
        let share =
            |count: u64| unit.seconds() * (count as f64 / unit.inputs.len().max(1) as f64).min(1.0);
        Self { done: share(counts.done), before: share(counts.before.min(counts.done)) }
    }
}

/// Size of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Total {
    pub units: usize,
    pub seconds: f64,
}

impl Progress {
    /// Begins to show the progress of `jobs` units at a time.
    pub(crate) fn new(is_terminal: bool, jobs: usize, total: Total) -> Self {
        if is_terminal { Self::Bars(Bars::new(jobs, total)) } else { Self::Log }
    }

    /// Notes that the work on a unit begins.
    pub(crate) fn begin(&self, place: usize, unit: &Unit) {
        if let Self::Bars(bars) = self {
            bars.begin(place, unit);
        }
    }

    /// Shows how much of a unit is done.
    pub(crate) fn progress(&self, place: usize, unit: &Unit, counts: &Counts) {
        if let Self::Bars(bars) = self {
            bars.progress(place, unit, counts);
        }
    }

    /// Notes how the work on a unit ended.
    pub(crate) fn end(&self, place: usize, unit: &Unit, outcome: &Outcome, took: Duration) {
        if let Self::Bars(bars) = self {
            bars.end(place, unit);
        }
        if outcome.end.is_work() || outcome.end == End::Busy {
            self.print(|| report::note(line(unit, outcome, took)));
        }
    }

    /// Prints messages above the bars.
    pub(crate) fn print(&self, print: impl FnOnce()) {
        match self {
            Self::Bars(bars) => bars.all.suspend(print),
            Self::Log => print(),
        }
    }

    /// Removes the bars.
    pub(crate) fn finish(&self) {
        if let Self::Bars(bars) = self {
            let _ = bars.all.clear();
            // Bars draw themselves once more when they are dropped.
            bars.all.set_draw_target(ProgressDrawTarget::hidden());
        }
    }
}

/// Returns the line of a unit.
fn line(unit: &Unit, outcome: &Outcome, took: Duration) -> String {
    let Outcome { end, counts, reason } = outcome;
    let mut line = format!("{}: {}", unit.key, end.word());
    if matches!(end, End::Done | End::Partial) {
        let speed = counts.worked() / took.as_secs_f64().max(0.001);
        let _ = write!(
            line,
            ", {} of video, {} in {}, {} × real time",
            units::span(counts.seconds),
            units::count(counts.indexed, "frame"),
            units::span(took.as_secs_f64()),
            units::factor(speed)
        );
    }
    if let Some(reason) = reason {
        let _ = write!(line, ": {reason}");
    }
    line
}

/// Returns the style of a bar.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Bars {
    fn new(jobs: usize, total: Total) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(5));
        let seconds = total.seconds.max(1.0) as u64;
        let sum = all.add(ProgressBar::new(seconds));
        // Before something is done, nobody knows how much is left.
        sum.set_style(style("{wide_bar} {percent} %  {msg}"));
        let unit = style("  {bar:20} {percent:>3} %  {msg}");
        let units: Vec<_> = (0..jobs.min(total.units.max(1)))
            .map(|_| {
                let bar = all.add(ProgressBar::new(1));
                bar.set_style(unit.clone());
                bar
            })
            .collect();
        let at_work = vec![Amount::default(); jobs];
        let seconds = Mutex::new(Seconds { ended: Amount::default(), at_work });
        sum.tick();
        Self { all, total: sum, units, seconds }
    }

    fn begin(&self, place: usize, unit: &Unit) {
        if let Some(bar) = self.units.get(place) {
            bar.set_length(unit.seconds().max(1.0) as u64);
            bar.set_position(0);
            bar.set_message(unit.key.clone());
        }
    }

    fn progress(&self, place: usize, unit: &Unit, counts: &Counts) {
        let amount = Amount::of(unit, counts);
        if let Some(bar) = self.units.get(place) {
            bar.set_position(amount.done as u64);
        }
        self.show(|seconds| seconds.at_work[place] = amount);
    }

    fn end(&self, place: usize, unit: &Unit) {
        self.show(|seconds| {
            let before = std::mem::take(&mut seconds.at_work[place]).before;
            seconds.ended.done += unit.seconds();
            seconds.ended.before += before;
        });
    }

    fn show(&self, change: impl FnOnce(&mut Seconds)) {
        let mut seconds = lock(&self.seconds);
        let known = seconds.all().before;
        change(&mut seconds);
        let Amount { done, before } = seconds.all();
        self.total.set_position(done as u64);
        if before > known {
            // What an earlier run did tells nothing about the time that is left.
            self.total.reset_eta();
        }
        if done > before {
            self.total.set_style(style("{wide_bar} {percent} %  {msg}  {eta} left"));
        }
        let speed = (done - before) / self.total.elapsed().as_secs_f64().max(0.001);
        let (done, speed) = (units::span(done), units::factor(speed));
        self.total.set_message(format!("{done}, {speed} × real time"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::tests::unit;

    #[test]
    fn work_of_earlier_runs_counts_as_done_and_not_as_speed() {
        let mut unit = unit("cam", &["/a/1", "/a/2", "/a/3", "/a/4"]);
        unit.hours = 40.0 / 3600.0;
        let total = Total { units: 1, seconds: unit.seconds() };
        let Progress::Bars(bars) = Progress::new(true, 1, total) else { panic!("no bars") };
        bars.all.set_draw_target(ProgressDrawTarget::hidden());
        let counts = |done, before| Counts { done, before, ..Counts::default() };
        let of = |done, before| Amount { done, before };
        for (given, amount) in
            [((0, 3), of(0.0, 0.0)), ((2, 3), of(20.0, 20.0)), ((4, 3), of(40.0, 30.0))]
        {
            bars.progress(0, &unit, &counts(given.0, given.1));
            assert_eq!(lock(&bars.seconds).all(), amount);
            assert_eq!(bars.total.position(), amount.done as u64);
        }
        bars.end(0, &unit);
        assert_eq!(lock(&bars.seconds).all(), of(40.0, 30.0));
        let counts = Counts { segments: 4, seconds: 40.0, ..counts(4, 3) };
        assert!((counts.worked() - 10.0).abs() < 1e-9);
    }
}
