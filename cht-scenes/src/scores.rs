//! `--scores`: what was measured in each frame, one line of JSON a frame, to decide again without decoding.
//!
//! A line with `segment` says where the frames behind it are from. A run that goes on after a kill writes the lines again that
//! belong to segments which were not done.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, BufWriter, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use cht_core::{durable, event::Anchor, time::seconds};
use cht_scenes::measure::Measures;
use serde::{Deserialize, Serialize};

use crate::picker::Part;

/// A segment whose frames follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub session: Option<String>,
    /// Its final path.
    pub path: String,
    pub seq: u64,
    pub anchor: Anchor,
    pub pid: u16,
    pub codec: Option<String>,
}

/// What was measured in a frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scored {
    /// Seconds on the session's timeline.
    pub timestamp: f64,
    /// Its picture was handed over by the decoder.
    pub picture: bool,
    #[serde(flatten)]
    pub measures: Measures,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    Segment(Origin),
    Frame(Box<Scored>),
}

/// The file that is being written.
#[derive(Debug)]
pub(crate) struct Scores {
    path: PathBuf,
    file: BufWriter<File>,
    /// Path and PID of what was added last.
    segment: Option<(String, u16)>,
}

impl Scores {
    /// Opens it; what is in it about segments that are not `done` (by their path) is written again.
    pub(crate) fn open(path: &Path, done: &HashMap<String, u64>) -> Result<Self> {
        let named = || path.display().to_string();
        let mut options = OpenOptions::new();
        options.create(true).read(true).write(true).truncate(false);
        let mut file = durable::open(path, &mut options).with_context(named)?;
        let (mut end, mut kept) = (0, false);
        for line in BufReader::new(&mut file).split(b'\n') {
            let line = line.with_context(named)?;
            match serde_json::from_slice(&line) {
                Ok(Line::Segment(origin)) => kept = done.contains_key(&origin.path),
                Ok(Line::Frame(_)) => {}
                // Cut off by a kill; or no such file at all, which is not ours to overwrite.
                Err(error) if end == 0 => {
                    bail!("{}: holds no scores ({error}); name another file", path.display())
                }
                Err(_) => break,
            }
            if !kept {
                break;
            }
            end += line.len() as u64 + 1;
        }
        file.set_len(end).with_context(named)?;
        file.seek(SeekFrom::Start(end)).with_context(named)?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file), segment: None })
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
        let is_known = |(known, pid): &(String, u16)| known == path && *pid == source.pid;
        if !self.segment.as_ref().is_some_and(is_known) {
            self.segment = Some((path.clone(), source.pid));
            self.write(&Line::Segment(Origin {
                session: session.map(str::to_owned),
                path: path.clone(),
                seq: source.seq,
                anchor: source.anchor,
                pid: source.pid,
                codec: source.codec.map(|codec| codec.as_str().to_owned()),
            }))?;
        }
        let (timestamp, measures) = (seconds(measures.at), measures.clone());
        self.write(&Line::Frame(Box::new(Scored { timestamp, picture, measures })))
    }

    fn write(&mut self, line: &Line) -> Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.file.write_all(&text).with_context(|| self.path.display().to_string())
    }

    /// Hands over to the system what was added.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.file.flush().with_context(|| self.path.display().to_string())
    }
}

/// Reads what was written.
pub(crate) fn read(path: &Path) -> Result<impl Iterator<Item = Result<Line>>> {
    let named = path.display().to_string();
    let file = File::open(path).with_context(|| named.clone())?;
    let lines = BufReader::new(file).split(b'\n').zip(1..);
    Ok(lines.map(move |(line, number)| {
        let line = line.with_context(|| named.clone())?;
        serde_json::from_slice(&line)
            .with_context(|| format!("{named}: line {number}: not written by --scores"))
    }))
}
