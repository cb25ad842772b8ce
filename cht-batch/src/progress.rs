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
    /// Seconds of video that are done, and those of each unit at work.
    seconds: Mutex<(f64, Vec<f64>)>,
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
        let speed = counts.seconds / took.as_secs_f64().max(0.001);
        let _ = write!(
            line,
            ", {} of video, {} in {}, {speed:.0} × real time",
            units::span(counts.seconds),
            units::count(counts.indexed, "frame"),
            units::span(took.as_secs_f64())
        );
    }
    if let Some(reason) = reason {
        let _ = write!(line, ": {reason}");
    }
    line
}

impl Bars {
    fn new(jobs: usize, total: Total) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(5));
        let style = |template: &str| {
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
        };
        let seconds = total.seconds.max(1.0) as u64;
        let sum = all.add(ProgressBar::new(seconds));
        sum.set_style(style("{wide_bar} {percent} %  {msg}  {eta} left"));
        let unit = style("  {bar:20} {percent:>3} %  {msg}");
        let units: Vec<_> = (0..jobs.min(total.units.max(1)))
            .map(|_| {
                let bar = all.add(ProgressBar::new(1));
                bar.set_style(unit.clone());
                bar
            })
            .collect();
        let seconds = Mutex::new((0.0, vec![0.0; jobs]));
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
        // Segments are about equally long.
        let share = counts.done as f64 / unit.inputs.len().max(1) as f64;
        let seconds = unit.seconds() * share.min(1.0);
        if let Some(bar) = self.units.get(place) {
            bar.set_position(seconds as u64);
        }
        self.show(|(_, at_work)| at_work[place] = seconds);
    }

    fn end(&self, place: usize, unit: &Unit) {
        self.show(|(done, at_work)| {
            *done += unit.seconds();
            at_work[place] = 0.0;
        });
    }

    fn show(&self, change: impl FnOnce(&mut (f64, Vec<f64>))) {
        let mut seconds = lock(&self.seconds);
        change(&mut seconds);
        let sum = seconds.0 + seconds.1.iter().sum::<f64>();
        self.total.set_position(sum as u64);
        let speed = sum / self.total.elapsed().as_secs_f64().max(0.001);
        self.total.set_message(format!("{}, {speed:.0} × real time", units::span(sum)));
    }
}
