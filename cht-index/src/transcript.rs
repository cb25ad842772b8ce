//! `transcript.ndjson` and `transcript.vtt`, made from the speech in the journal: the events in the
//! order of arrival, and their words as subtitles in the order of time.
//!
//! Both grow with new events. Subtitles that come out of order are made anew as a whole, at a pace.
//! What a kill or another process has left is found when they are opened: a file that is not as it
//! should be is made anew as well.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use cht_core::{
    process::report,
    storage::{draft::Draft, durable, journal::Journal},
};

use crate::{
    lines::StoredLines,
    others::{self, Speech},
    pace::Pace,
    subtitles::{self, HEADER},
};

/// The files of one session.
#[derive(Debug)]
pub(crate) struct Files {
    folder: PathBuf,
    events: Grown,
    subtitles: Grown,
    /// Beginning of the last cue in milliseconds: those after it are appended.
    last: u64,
    /// Whether subtitles wait to be made anew.
    behind: bool,
    pace: Pace,
}

/// A file that grows.
#[derive(Debug)]
struct Grown {
    path: PathBuf,
    /// The open file; `None` until it is compared with the journal, and written.
    file: Option<Journal>,
    /// Number of pieces of speech that it has.
    count: usize,
    /// It is another program's, and left alone.
    foreign: bool,
    /// Returns whether a file with this beginning is of cht-index.
    is_ours: fn(&[u8]) -> bool,
}

impl Files {
    /// Names the files in the folder of a session's transcripts.
    pub(crate) fn of(folder: PathBuf, now: Instant) -> Self {
        let grown = |name, is_ours| {
            let path = folder.join(name);
            Grown { path, file: None, count: 0, foreign: false, is_ours }
        };
        let events =
            grown("transcript.ndjson", |it| it.starts_with(br#"{"v":1,"type":"transcript","#));
        let subtitles = grown("transcript.vtt", |it| it.starts_with(HEADER.as_bytes()));
        Self { folder, events, subtitles, last: 0, behind: false, pace: Pace::new(now) }
    }

    /// Returns the time until the subtitles have to be made anew; `None` if they are up to date.
    pub(crate) fn wait(&mut self, now: Instant) -> Option<Duration> {
        self.behind.then(|| self.pace.wait(now))
    }

    /// Brings both up to the state of the journal; the subtitles now, or when it is their turn.
    pub(crate) fn update(
        &mut self,
        speech: &[Speech],
        lines: &mut StoredLines<'_>,
        now: Option<Instant>,
    ) -> Result<()> {
        if speech.len() == self.subtitles.count && speech.len() == self.events.count {
            return Ok(());
        }
        if self.events.file.is_none() {
            fs::create_dir_all(&self.folder).with_context(|| self.folder.display().to_string())?;
        }
        let mut text = Vec::new();
        for speech in &speech[self.events.count..] {
            text.extend_from_slice(lines.get(speech.line)?);
            text.push(b'\n');
        }
        self.events.write(&text, self.events.count > 0, speech.len())?;
        self.write_subtitles(speech, lines, now)
    }

    /// Compares the files with the journal at the next update: another process may have written
    /// them.
    pub(crate) fn forget(&mut self) {
        for grown in [&mut self.events, &mut self.subtitles] {
            (grown.file, grown.count) = (None, 0);
        }
        self.last = 0;
    }

    /// Removes the files, for an index that is started over.
    pub(crate) fn remove(&mut self) -> Result<()> {
        for grown in [&self.events, &self.subtitles] {
            let remove = || match begin(&grown.path)? {
                Some(begin) if (grown.is_ours)(&begin) => durable::remove(&grown.path).map(drop),
                _ => Ok(()),
            };
            remove().with_context(|| grown.path.display().to_string())?;
        }
        Ok(())
    }

    /// Returns the path of the events.
    pub(crate) fn events(&self) -> &Path {
        &self.events.path
    }

    fn write_subtitles(
        &mut self,
        speech: &[Speech],
        lines: &mut StoredLines<'_>,
        now: Option<Instant>,
    ) -> Result<()> {
        let new = &speech[self.subtitles.count..];
        let mut last = self.last;
        let in_order =
            new.iter().all(|speech| std::mem::replace(&mut last, speech.start) <= speech.start);
        let goes_on = self.subtitles.count > 0 && in_order;
        self.behind = !goes_on && now.is_some_and(|now| !self.pace.wait(now).is_zero());
        if self.behind {
            return Ok(());
        }
        let mut sorted = if goes_on { new } else { speech }.to_vec();
        sorted.sort_by_key(|speech| speech.start);
        let mut text = if goes_on { String::new() } else { HEADER.to_owned() };
        for speech in &sorted {
            let words = others::speech(lines.get(speech.line)?);
            text.extend(words.as_ref().map(subtitles::cue));
        }
        if !goes_on {
            self.pace.spend(text.len() as u64);
        }
        self.last = sorted.last().map_or(self.last, |speech| speech.start);
        self.subtitles.write(text.as_bytes(), goes_on, speech.len())
    }
}

impl Grown {
    /// Appends `text`, or makes it the whole of the file unless `goes_on`. The file has `count`
    /// pieces then.
    fn write(&mut self, text: &[u8], goes_on: bool, count: usize) -> Result<()> {
        let named = || self.path.display().to_string();
        if self.foreign || text.is_empty() {
            self.count = count;
            return Ok(());
        }
        if let Some(file) = self.file.as_mut().filter(|_| goes_on) {
            file.append(text).with_context(|| self.path.display().to_string())?;
            self.count = count;
            return Ok(());
        }
        if !is(&self.path, text).with_context(named)? {
            let begin = begin(&self.path).with_context(named)?;
            if begin.is_some_and(|begin| !begin.is_empty() && !(self.is_ours)(&begin)) {
                self.foreign = true;
                report::warn(format_args!(
                    "{}: another program has written it; it is left as it is (move it away, and start again)",
                    self.path.display()
                ));
                return Ok(());
            }
            let mut draft = Draft::create(&self.path).with_context(named)?;
            draft.write_all(text).and_then(|()| draft.publish()).with_context(named)?;
        }
        self.file = Some(Journal::open(&self.path).with_context(named)?);
        self.count = count;
        Ok(())
    }
}

/// Returns whether a file holds `text` and nothing else.
fn is(path: &Path, text: &[u8]) -> io::Result<bool> {
    let file = match durable::open_to_read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file?,
    };
    if file.metadata()?.len() != text.len() as u64 {
        return Ok(false);
    }
    let (mut file, mut rest, mut block) = (BufReader::new(file), text, [0; 8 << 10]);
    while !rest.is_empty() {
        let length = rest.len().min(block.len());
        file.read_exact(&mut block[..length])?;
        let (now, later) = rest.split_at(length);
        if block[..length] != *now {
            return Ok(false);
        }
        rest = later;
    }
    Ok(true)
}

/// Returns the beginning of a file; `None` if there is none.
fn begin(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file: File = match durable::open_to_read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut begin = Vec::new();
    file.take(HEADER.len() as u64).read_to_end(&mut begin)?;
    Ok(Some(begin))
}
