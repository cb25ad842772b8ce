//! Finds units: what lies below the paths of the command line, and which files belong together.
//!
//! In order: `bad` (inputs that cannot be used), `name_time`, `find`, `probe`, `known`
//! (files that a result names), `examine` (many files), `series`, `group`, `playlist`, `units`.

pub(crate) mod bad;
mod examine;
pub(crate) mod find;
mod group;
mod known;
mod name_time;
mod playlist;
mod probe;
mod series;
mod units;

pub(crate) use self::examine::Examined;
pub(crate) use self::find::is_missing;
pub(crate) use self::known::Known;
pub(crate) use self::series::is_of_time;
pub(crate) use self::units::{Plan, Planner};
