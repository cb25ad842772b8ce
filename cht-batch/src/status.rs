//! How far the units are.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use cht_core::{event, ndjson, process::report, terminal::units};
use serde::Serialize;

use crate::{
    args::StatusArgs,
    commands::{insist, is_for_people, planner, report_left},
    interrupt::{end_by, until_stopped},
    plan::Examined,
    root::Root,
    store::{Earlier, Store},
};

/// State of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Done,
    /// Done, but for some inputs.
    Partial,
    /// Inputs have come since, or have changed.
    Outdated,
    Failed,
    /// A run works on it.
    Working,
    /// A run was stopped or killed in the middle of it.
    Begun,
    Waiting,
}

impl State {
    /// Returns a word for people.
    fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Partial => "partial",
            Self::Outdated => "outdated",
            Self::Failed => "failed",
            Self::Working => "working",
            Self::Begun => "begun",
            Self::Waiting => "waiting",
        }
    }
}

/// The line of a unit.
#[derive(Debug, Serialize)]
struct Line<'a> {
    v: u32,
    r#type: &'static str,
    session: Option<&'a str>,
    key: &'a str,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    hours: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frames: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<&'a str>,
}

/// Prints the state of each unit, and the sums.
pub(crate) fn status(args: &StatusArgs) -> Result<()> {
    let store = Store::open_there(&args.out)?;
    let mut units = BTreeMap::new();
    if !args.paths.is_empty() {
        let root = Root::open(args.search.root.as_deref())?;
        let known = store.known(&root)?;
        insist(&args.paths)?;
        let examined = Examined::default();
        let planner = planner(&args.search, &known, &root, &store, &examined);
        let (plan, stop) = until_stopped(&examined, || planner.plan(&args.paths))?;
        end_by(stop)?;
        let plan = plan?;
        plan.bad.iter().for_each(|bad| report::warn(&bad.message));
        report_left(&plan, args.search.settle);
        units.extend(plan.units.into_iter().map(|unit| (unit.key.clone(), Some(unit))));
    }
    for key in store.keys()? {
        units.entry(key).or_insert(None);
    }
    let mut output = ndjson::stdout()?;
    let mut sums: BTreeMap<State, (u64, f64)> = BTreeMap::new();
    for (key, unit) in &units {
        let Some(site) = store.site_of(key) else { continue };
        let earlier = site.earlier();
        let Earlier { record, failed } = &earlier;
        let state = match (record, failed) {
            _ if site.is_locked() => State::Working,
            (Some(record), _) => {
                let is_whole = unit.as_ref().is_none_or(|unit| record.holds(unit));
                match (is_whole, record.failures.is_empty()) {
                    (false, _) => State::Outdated,
                    (true, false) => State::Partial,
                    (true, true) => State::Done,
                }
            }
            (None, Some(_)) => State::Failed,
            (None, None) if site.work.exists() => State::Begun,
            // A folder of another program.
            (None, None) if unit.is_none() => continue,
            (None, None) => State::Waiting,
        };
        let hours = unit.as_ref().or(record.as_ref().map(|record| &record.unit));
        let hours = hours.map(|unit| unit.hours);
        let line = Line {
            v: event::VERSION,
            r#type: "unit_state",
            session: None,
            key,
            state,
            hours,
            frames: record.as_ref().map(|record| record.frames),
            failures: earlier.failures().map(|failure| &*failure.code).collect(),
        };
        let mut text = if is_for_people() {
            format!("{key:50} {:9} {:>12}", state.word(), length(hours)).into_bytes()
        } else {
            serde_json::to_vec(&line)?
        };
        text.push(b'\n');
        output.pass(&text).context("stdout")?;
        let sum = sums.entry(state).or_default();
        sum.0 += 1;
        sum.1 += hours.unwrap_or(0.0);
    }
    for (state, (count, hours)) in sums {
        report::note(format_args!("{count} {}, {}", state.word(), length(Some(hours))));
    }
    Ok(())
}

/// Returns a length of video for people; nothing where it is not known.
fn length(hours: Option<f64>) -> String {
    hours.map(|hours| units::span(hours * 3600.0)).unwrap_or_default()
}
