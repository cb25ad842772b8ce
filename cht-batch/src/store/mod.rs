//! The folder of results.
//!
//! ```text
//! OUT/KEY/                      a result: appears by rename when it is complete
//!   batch.json                  its record
//!   frames/ audio/              as in a session
//! OUT/.cht-batch/lock/KEY       flock(2) of the run that works on it
//! OUT/.cht-batch/work/KEY/      a result in the making
//! OUT/.cht-batch/failed/KEY.json  a unit that failed for good
//! OUT/.cht-batch/log.ndjson     one line for each unit done, with its times
//! ```
//!
//! A result that is made in a session has its state in `SESSION/.cht-batch`, and a record in each
//! of its parts.
//!
//! In order: `record` (what a result says of itself), `site` (the places of one unit), `folder`,
//! `grow` (a result goes on), `publish`.

mod folder;
mod grow;
mod publish;
mod record;
mod site;

pub(crate) use self::folder::Store;
pub(crate) use self::grow::copy;
pub(crate) use self::publish::publish;
pub(crate) use self::record::{Earlier, Failed, Failure, Record, SCORES, read, write};
pub(crate) use self::site::Site;
