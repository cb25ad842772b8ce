//! Sums of a run: hours, frames, speed, and failures by code.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use cht_core::{event, terminal::units};
use serde::Serialize;

use crate::{
    run::{End, Outcome},
    unit::Unit,
};

/// Sums of a run.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    ends: BTreeMap<End, u64>,
    /// Seconds of video on which this run has worked.
    seconds: f64,
    /// Those of them that no earlier run had done, which was stopped.
    worked: f64,
    frames: u64,
    pieces: u64,
    decoded: u64,
    failures: BTreeMap<String, u64>,
}

/// The line of a unit.
#[derive(Debug, Serialize)]
struct UnitLine<'a> {
    v: u32,
    r#type: &'static str,
    session: Option<String>,
    key: &'a str,
    end: End,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    hours: f64,
    frames: u64,
    pieces: u64,
    took: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    failures: BTreeMap<&'a str, u64>,
}

/// The line of a run.
#[derive(Debug, Serialize)]
struct SummaryLine<'a> {
    v: u32,
    r#type: &'static str,
    session: Option<String>,
    units: &'a BTreeMap<End, u64>,
    hours: f64,
    frames: u64,
    pieces: u64,
    decoded: u64,
    took: f64,
    /// Processor time of the stages and their decoders, in seconds.
    cpu: f64,
    /// Hours of video for each hour of one core; absent if nothing was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    real_time_per_core: Option<f64>,
    failures: &'a BTreeMap<String, u64>,
}

/// Returns the line of a unit on which this run has worked.
pub(crate) fn unit_line(unit: &Unit, path: &str, outcome: &Outcome, took: Duration) -> Vec<u8> {
    let has_result = matches!(outcome.end, End::Done | End::Partial);
    let mut failures = BTreeMap::new();
    for failure in &outcome.counts.failures {
        *failures.entry(&*failure.code).or_default() += 1;
    }
    line(&UnitLine {
        v: event::VERSION,
        r#type: "unit_done",
        session: unit.session(),
        key: &unit.key,
        end: outcome.end,
        path: has_result.then_some(path),
        hours: unit.hours,
        frames: outcome.counts.indexed,
        pieces: outcome.counts.pieces(),
        took: event::rounded(took.as_secs_f64()),
        reason: outcome.reason.as_deref(),
        failures,
    })
}

impl Summary {
    /// Adds a unit.
    pub(crate) fn add(&mut self, outcome: &Outcome) {
        *self.ends.entry(outcome.end).or_default() += 1;
        for failure in &outcome.counts.failures {
            *self.failures.entry(failure.code.clone()).or_default() += 1;
        }
        if outcome.end.is_work() {
            self.seconds += outcome.counts.seconds;
            self.worked += outcome.counts.worked();
            self.frames += outcome.counts.indexed;
            self.pieces += outcome.counts.pieces();
            self.decoded += outcome.counts.decoded;
        }
    }

    /// Adds an input that belongs to no unit.
    pub(crate) fn add_bad(&mut self, code: &str) {
        *self.failures.entry(code.to_owned()).or_default() += 1;
    }

    /// Returns the number of units that this run has brought to an end.
    pub(crate) fn done(&self) -> u64 {
        let ends = self.ends.iter().filter(|(end, _)| end.is_work() && !end.is_to_be_retried());
        ends.map(|(_, count)| count).sum()
    }

    /// Returns whether some input failed for good.
    pub(crate) fn has_failed(&self) -> bool {
        self.ends.keys().any(|end| end.is_failure()) || !self.failures.is_empty()
    }

    /// Returns whether a later run may do what this one could not.
    pub(crate) fn is_to_be_retried(&self) -> bool {
        self.ends.keys().any(|end| end.is_to_be_retried())
    }

    /// Returns the sums as one line of NDJSON.
    pub(crate) fn line(&self, took: Duration, cpu: f64) -> Vec<u8> {
        line(&SummaryLine {
            v: event::VERSION,
            r#type: "summary",
            session: None,
            units: &self.ends,
            hours: event::rounded(self.seconds / 3600.0),
            frames: self.frames,
            pieces: self.pieces,
            decoded: self.decoded,
            took: event::rounded(took.as_secs_f64()),
            cpu: event::rounded(cpu),
            real_time_per_core: self.per_core(cpu),
            failures: &self.failures,
        })
    }

    /// Returns the sums for people.
    pub(crate) fn text(&self, took: Duration, cpu: f64) -> String {
        let units: Vec<_> =
            self.ends.iter().map(|(end, count)| format!("{count} {}", end.word())).collect();
        let units = if units.is_empty() { "none".to_owned() } else { units.join(", ") };
        let mut text = format!("units: {units}");
        if self.seconds > 0.0 {
            let took = took.as_secs_f64();
            let _ = write!(
                text,
                "; {} of video, {}, {} × real time",
                units::span(self.seconds),
                units::count(self.frames, "frame"),
                units::factor(self.worked / took.max(0.001))
            );
            if let Some(speed) = self.per_core(cpu) {
                let _ = write!(text, " ({} × for each core)", units::factor(speed));
            }
        }
        if !self.failures.is_empty() {
            let codes: Vec<_> =
                self.failures.iter().map(|(code, count)| format!("{count} {code}")).collect();
            let _ = write!(text, "; failures: {}", codes.join(", "));
        }
        text
    }

    fn per_core(&self, cpu: f64) -> Option<f64> {
        (cpu > 0.0 && self.worked > 0.0).then(|| event::rounded(self.worked / cpu))
    }
}

fn line(value: &impl Serialize) -> Vec<u8> {
    // Strings and finite numbers only.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{run::Counts, store::Failure};

    #[test]
    fn sums_tell_work_from_what_was_done_before() {
        let mut summary = Summary::default();
        summary.add(&Outcome::new(End::Before));
        assert!(!summary.has_failed() && !summary.is_to_be_retried());
        let failure = Failure { code: "empty".into(), message: "a: empty".into(), path: None };
        let counts =
            Counts { seconds: 3600.0, indexed: 7, failures: vec![failure], ..Counts::default() };
        summary.add(&Outcome { counts, ..Outcome::new(End::Partial) });
        summary.add(&Outcome::retry("killed"));
        assert!(summary.has_failed() && summary.is_to_be_retried());
        let (took, cpu) = (Duration::from_secs(60), 90.0);
        assert_eq!(
            summary.text(took, cpu),
            "units: 1 done before, 1 done in part, 1 to be tried again; 1 h 00 min of video, 7 frames, \
             60 × real time (40 × for each core); failures: 1 empty"
        );
        let line: serde_json::Value = serde_json::from_slice(&summary.line(took, cpu)).unwrap();
        assert_eq!(
            (&line["units"]["before"], &line["real_time_per_core"]),
            (&1.into(), &40.0.into())
        );
    }
}
