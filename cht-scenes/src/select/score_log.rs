//! Logs the measures of each frame (`--scores`), one line of JSON per frame, to decide again
//! without decoding.
//!
//! A line with `segment` names the segment of the frames after it. A run that goes on after a kill
//! writes the lines of segments that were not done again.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufReader, Read as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event::Anchor,
    stage::Disk,
    storage::journal::{Journal, Lines, Skipped},
    timeline::WallClock,
};
use cht_detect::measure::Measures;
use cht_ts::time::{is_time, seconds};
use serde::{Deserialize, Serialize};

use crate::input::Part;

/// Describes a segment whose frames follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub session: Option<String>,
    /// Final path of the segment.
    pub path: String,
    pub seq: u64,
    pub anchor: Anchor,
    pub pid: u16,
    pub codec: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_clock: Option<WallClock>,
    /// First byte of the part of the segment.
    #[serde(default)]
    pub from: u64,
    /// End of the part, in bytes, unless it is the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// Holds the measures of a frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scored {
    /// Seconds on the session's timeline.
    pub timestamp: f64,
    /// Whether the decoder handed over the picture of the frame.
    pub picture: bool,
    #[serde(flatten)]
    pub measures: Measures,
}

/// Holds one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    Segment(Origin),
    Frame(Box<Scored>),
}

/// Size of one write, in bytes.
const WRITTEN: usize = 64 * 1024;

/// Writes the log.
#[derive(Debug)]
pub(crate) struct ScoreLog {
    path: PathBuf,
    disk: Disk,
    file: Journal,
    /// Whole lines still to be written.
    lines: Vec<u8>,
    /// Path, PID and first byte of the part added last.
    segment: Option<(String, u16, u64)>,
}

impl ScoreLog {
    /// Opens the log, and cuts it at the first segment that is not `done` (by its path): its lines
    /// are written again.
    pub(crate) fn open(path: &Path, done: &HashMap<String, u64>, disk: Disk) -> Result<Self> {
        let named = || path.display().to_string();
        let mut file = disk.insist(path, || Journal::open(path))?;
        let mut begin = Vec::new();
        file.file().take(BEGIN.len() as u64).read_to_end(&mut begin).with_context(named)?;
        // Only a file of scores may be cut.
        if file.end() == 0 && !begin.is_empty() && begin != BEGIN {
            bail!("{}: holds no scores (no line of any); name another file", path.display());
        }
        let (mut end, mut kept, mut skipped) = (0, false, Skipped::default());
        let mut lines = file.lines(0).with_context(named)?;
        while let Some(line) = lines.next().with_context(named)? {
            match parse(line.bytes) {
                Ok(Line::Segment(origin)) => kept = done.contains_key(&origin.path),
                Ok(Line::Frame(_)) => {}
                Err(error) if end == 0 => {
                    bail!("{}: holds no scores ({error}); name another file", path.display())
                }
                Err(error) => skipped.add(line.number, error),
            }
            if !kept {
                break;
            }
            end = line.end;
        }
        skipped.warn(path);
        disk.insist(path, || file.cut(end))?;
        Ok(Self { path: path.to_owned(), disk, file, lines: Vec::new(), segment: None })
    }

    /// Adds a frame of a part of a segment.
    pub(crate) fn add(
        &mut self,
        part: &Part,
        session: Option<&str>,
        measures: &Measures,
        picture: bool,
    ) -> Result<()> {
        let Part { source, path, .. } = part;
        let is_known = |(known, pid, from): &(String, u16, u64)| {
            known == path && (*pid, *from) == (source.pid, source.bytes_from)
        };
        if !self.segment.as_ref().is_some_and(is_known) {
            self.segment = Some((path.clone(), source.pid, source.bytes_from));
            self.write(&Line::Segment(Origin {
                session: session.map(str::to_owned),
                path: path.clone(),
                seq: source.seq,
                anchor: source.anchor,
                pid: source.pid,
                codec: source.codec.map(|codec| codec.as_str().to_owned()),
                wall_clock: source.wall_clock,
                from: source.bytes_from,
                until: Some(source.bytes_until).filter(|&until| until < u64::MAX),
            }))?;
        }
        let (timestamp, measures) = (seconds(measures.at), measures.clone());
        self.write(&Line::Frame(Box::new(Scored { timestamp, picture, measures })))
    }

    fn write(&mut self, line: &Line) -> Result<()> {
        serde_json::to_writer(&mut self.lines, line)?;
        self.lines.push(b'\n');
        if self.lines.len() < WRITTEN { Ok(()) } else { self.flush() }
    }

    /// Writes the added lines to the file.
    pub(crate) fn flush(&mut self) -> Result<()> {
        let Self { path, disk, file, lines, .. } = self;
        if !lines.is_empty() {
            disk.insist(path, || file.append(lines))?;
            lines.clear();
        }
        Ok(())
    }
}

/// First bytes of a file of scores.
const BEGIN: &[u8] = b"{\"segment\":";

/// Reads the log.
#[derive(Debug)]
pub(crate) struct Reader {
    path: PathBuf,
    lines: Lines<BufReader<File>>,
    skipped: Skipped,
    /// Whether a segment was read, so that frames belong to it.
    begun: bool,
}

impl Reader {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let lines = Lines::open(path, 0).with_context(|| path.display().to_string())?;
        let (path, skipped) = (path.to_owned(), Skipped::default());
        Ok(Self { path, lines, skipped, begun: false })
    }

    /// Returns the next line, or `None` at the end. Unusable lines are skipped, unless there is no
    /// other before them.
    pub(crate) fn next(&mut self) -> Result<Option<Line>> {
        while let Some(line) = self.lines.next().with_context(|| self.path.display().to_string())? {
            match parse(line.bytes) {
                Ok(Line::Segment(origin)) => {
                    self.begun = true;
                    return Ok(Some(Line::Segment(origin)));
                }
                Ok(line) if self.begun => return Ok(Some(line)),
                Ok(_) => bail!("{}: line 1: a frame of no segment", self.path.display()),
                Err(error) if self.begun => self.skipped.add(line.number, error),
                Err(error) => bail!(
                    "{}: line {}: not written by --scores ({error})",
                    self.path.display(),
                    line.number
                ),
            }
        }
        std::mem::take(&mut self.skipped).warn(&self.path);
        Ok(None)
    }
}

/// Reads a line; returns an error if its values are implausible.
fn parse(line: &[u8]) -> Result<Line, String> {
    let line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let is_plausible = match &line {
        Line::Segment(origin) => is_time(origin.anchor.pts) && is_time(origin.anchor.offset),
        Line::Frame(frame) => is_time(frame.measures.at) && frame.measures.is_plausible(),
    };
    is_plausible.then_some(line).ok_or_else(|| "measures of no picture".to_owned())
}
