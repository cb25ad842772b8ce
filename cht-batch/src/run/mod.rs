//! Works on units.
//!
//! In order: `tools` (the programs of the stages), `carry` (marks and text of an older result),
//! `translate` (events between the stages, and counts), `running` (child processes), `damage` and
//! `remux` (files that are no transport streams), `rules`, `inputs` (what the stages are given),
//! `feed` (when they are given it), `watch` (their events as they pass),
//! `pipeline` (the stages over a unit), `rescore` (measures instead of segments),
//! `outcome`, `work` (one unit), `workers` (several at a time).

mod carry;
mod damage;
mod feed;
mod inputs;
mod outcome;
mod pipeline;
mod remux;
mod rescore;
mod rules;
mod running;
mod tools;
mod translate;
mod watch;
mod work;
mod workers;

pub(crate) use self::outcome::{End, Outcome};
pub(crate) use self::rules::{Rules, Stop, processors};
pub(crate) use self::tools::{Killed, Tools};
pub(crate) use self::translate::Counts;
pub(crate) use self::work::{Shop, known_end};
pub(crate) use self::workers::{Report, run};
