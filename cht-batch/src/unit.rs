//! A unit of work: a session, or a run of loose segments which continue each other. It stands on
//! one line of JSON, and can be done anywhere where its inputs can be read.

use std::path::Path;

use cht_core::terminal::units;
use cht_ts::Pts;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::kind::Kind;

/// `type` of a unit's line.
pub(crate) const UNIT: &str = "unit";

/// A unit of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Unit {
    /// Name of the folder of its result.
    pub key: String,
    pub layout: Layout,
    /// Wall clock of its first byte, by the record of the session or the names of the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Length of its video, in hours, as far as planning can tell.
    pub hours: f64,
    pub bytes: u64,
    /// Its segments, in order.
    pub inputs: Vec<Input>,
}

/// Program that left the files, as far as names tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Layout {
    /// A session of cht-recv.
    Session,
    /// Files of any recorder in one folder.
    Segments,
    /// `YYYY-MM-DD/HH/CAMERA/MM.SS.mp4`, in UTC.
    Frigate,
    /// `PATH/YYYY-MM-DD_HH-MM-SS-ffffff.mp4`, in local time.
    Mediamtx,
    /// `YYYY-MM-DD HH-MM-SS.mkv`, in local time.
    Obs,
    /// A playlist of HLS, and the segments that it lists.
    Hls,
}

/// One file of a unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Input {
    pub path: String,
    pub bytes: u64,
    /// Time of the last write, in nanoseconds since 1970.
    pub modified: i64,
    /// Identity of the content: a hash of samples of it.
    pub id: String,
    pub kind: Kind,
    /// Seconds of video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
    /// Wall clock of its first byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// File that holds the header of a fragmented MP4 (`EXT-X-MAP`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<String>,
    /// Clock of its video, where it is a transport stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Clock>,
}

/// Time stamps at both ends of a transport stream, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Clock {
    /// First decoding time.
    pub first: i64,
    /// Last decoding time.
    pub last: i64,
}

impl Clock {
    /// Returns the ticks from its last decoding time to the first of the next file.
    pub(crate) fn step_to(self, next: Self) -> i64 {
        Pts::new(next.first).since(Pts::new(self.last))
    }
}

/// A unit as a line of NDJSON.
#[derive(Debug, Serialize, Deserialize)]
struct Line<U> {
    v: u32,
    r#type: String,
    /// Folder of the session; null for loose segments.
    session: Option<String>,
    #[serde(flatten)]
    unit: U,
}

impl Unit {
    /// Returns the unit as one line of NDJSON.
    pub(crate) fn to_line(&self) -> Vec<u8> {
        let (v, r#type) = (cht_core::event::VERSION, UNIT.to_owned());
        let line = Line { v, r#type, session: self.session(), unit: self };
        // Strings and finite numbers only.
        let mut line = serde_json::to_vec(&line).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// Returns the unit as a line for people.
    pub(crate) fn to_text(&self) -> String {
        let at = self.at.map(|at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string());
        let (length, at) = (units::span(self.seconds()), at.unwrap_or_default());
        let files = units::count(self.inputs.len() as u64, "file");
        format!("{:50} {at:20} {length:>12} {files:>12}\n", self.key)
    }

    /// Reads a line. `None` if it is one of another type.
    pub(crate) fn parse(line: &[u8]) -> Result<Option<Self>, serde_json::Error> {
        #[derive(Deserialize)]
        struct Head {
            r#type: String,
        }
        let head: Head = serde_json::from_slice(line)?;
        if head.r#type != UNIT {
            return Ok(None);
        }
        let line: Line<Self> = serde_json::from_slice(line)?;
        Ok(Some(line.unit))
    }

    /// Returns the folder of the session that its segments were recorded into.
    pub(crate) fn session(&self) -> Option<String> {
        let first = self.inputs.first().filter(|_| self.layout == Layout::Session)?;
        let session = Path::new(&first.path).parent()?.parent()?;
        session.to_str().map(str::to_owned)
    }

    /// Returns the seconds of its video.
    pub(crate) fn seconds(&self) -> f64 {
        self.hours * 3600.0
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns a unit of files with these names.
    pub(crate) fn unit(key: &str, paths: &[&str]) -> Unit {
        let input = |path: &&str| Input {
            path: (*path).to_owned(),
            bytes: 9,
            modified: 1,
            id: format!("{path}-id"),
            kind: Kind::Ts,
            duration: Some(2.0),
            at: None,
            init: None,
            clock: None,
        };
        Unit {
            key: key.to_owned(),
            layout: Layout::Segments,
            at: None,
            hours: 0.5,
            bytes: 9,
            inputs: paths.iter().map(input).collect(),
        }
    }

    #[test]
    fn unit_survives_its_line_and_other_lines_are_passed_over() {
        let unit = unit("a", &["/x/1.ts", "/x/2.ts"]);
        let line = unit.to_line();
        assert!(line.starts_with(br#"{"v":1,"type":"unit","session":null,"key":"a","#));
        assert_eq!(Unit::parse(&line).unwrap(), Some(unit));
        assert_eq!(Unit::parse(br#"{"v":1,"type":"error"}"#).unwrap(), None);
        assert!(Unit::parse(br#"{"v":1,"type":"unit","key":3}"#).is_err());
    }
}
