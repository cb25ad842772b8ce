//! Finds the place to begin: the newest keyframe, for a live picture.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event::{Body, Event},
    process::report,
    session::{Session, segment_log::SegmentLog, sequence},
    storage::regular,
};
use cht_ts::{Found, Scanner};

/// A place in a session.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct StartPoint {
    pub seq: u64,
    /// Bytes of that segment to skip.
    pub skip: u64,
    /// PAT and PMT to send first, if the stream has none at that place.
    pub tables: Vec<u8>,
    /// Whether the keyframe lacks parameter sets, which are among `tables`.
    pub completes: bool,
    /// ffmpeg's name of the video codec.
    pub codec: Option<String>,
}

/// Returns the named session, or the newest.
pub(crate) fn session(named: Option<&Path>, sessions: &Path) -> Result<Session> {
    if let Some(named) = named {
        return Ok(Session::open(named)?);
    }
    let entries = fs::read_dir(sessions).with_context(|| {
        format!(
            "{}: no sessions there; name a SESSION or its folder with --sessions",
            sessions.display()
        )
    })?;
    let newest = entries
        .filter_map(|entry| Session::open(&entry.ok()?.path()).ok())
        .max_by_key(|session| (session.is_recording(), made_at(session.root())));
    match newest {
        Some(session) => Ok(session),
        None => bail!("{}: no session there yet; start cht-recv first", sessions.display()),
    }
}

fn made_at(root: &Path) -> Option<std::time::SystemTime> {
    root.join("stream").metadata().ok()?.modified().ok()
}

/// Returns the newest place to begin.
pub(crate) fn now(session: &Session) -> Result<StartPoint> {
    let seq = SegmentLog::of(session).next_sequence(session)?;
    let mut place = StartPoint { seq, ..StartPoint::default() };
    for seq in newest_first(session)? {
        let path = session.part(seq);
        // Plain reads: it may be growing. The follower reads what comes later.
        let path = if path.exists() { path } else { session.segment(seq) };
        if let Some(bytes) = read(&path)? {
            place.seq = seq;
            place.look(&bytes, session);
            break;
        }
    }
    Ok(place)
}

/// Returns the beginning of the session.
pub(crate) fn start(session: &Session) -> Result<StartPoint> {
    let mut place = StartPoint { seq: 1, ..StartPoint::default() };
    for first in session.segments()? {
        if let Some(bytes) = read(&first)? {
            place.seq = sequence(&first).unwrap_or(1);
            place.look(&bytes, session);
            place.skip = 0;
            break;
        }
    }
    Ok(place)
}

/// Reads a segment; `None`, with a warning, if something else has its name.
fn read(segment: &Path) -> Result<Option<Vec<u8>>> {
    match regular::read(segment) {
        Err(error) if regular::is_refusal(&error) => {
            report::warn(format_args!("{}: {error}; left out", segment.display()));
            Ok(None)
        }
        bytes => Ok(Some(bytes.with_context(|| segment.display().to_string())?)),
    }
}

impl StartPoint {
    fn look(&mut self, bytes: &[u8], session: &Session) {
        let mut scanner = Scanner::new();
        let mut keyframe = None;
        scanner.push(bytes, &mut |found| match found {
            Found::Pes(pes) if pes.random_access && pes.media == cht_ts::Media::Video => {
                keyframe = Some(pes.cut);
            }
            _ => {}
        });
        self.skip = keyframe.unwrap_or(0);
        self.tables = scanner.psi().unwrap_or_default();
        let streams = scanner.programs().iter().flat_map(|program| &program.streams);
        let pid = scanner.video_pid();
        self.completes = pid.is_some_and(|pid| scanner.lacks_parameters(pid));
        if self.completes
            && let Some(tables) = self.tables_of_connection(session)
        {
            self.tables = tables;
        }
        let video = streams.into_iter().find(|stream| Some(stream.pid) == pid);
        self.codec = video.map(|stream| stream.codec.as_str().to_owned());
    }
}

impl StartPoint {
    /// Reads the tables that cht-recv keeps for readers that begin within the connection.
    fn tables_of_connection(&self, session: &Session) -> Option<Vec<u8>> {
        let open = || {
            let line = regular::read(&session.open_event()).ok()?;
            match Event::parse(line.trim_ascii()).ok()??.body {
                Body::SegmentOpen(open) if open.seq == self.seq => Some(open.connection),
                _ => None,
            }
        };
        let closed = || Some(SegmentLog::of(session).get(self.seq)?.connection);
        regular::read(&session.tables(open().or_else(closed)?)).ok()
    }
}

/// Returns the numbers of the segments, newest first.
fn newest_first(session: &Session) -> Result<Vec<u64>> {
    let entries = fs::read_dir(session.stream())?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut seqs: Vec<u64> = paths.filter_map(|path: PathBuf| sequence(&path)).collect();
    seqs.sort_unstable_by(|a, b| b.cmp(a));
    Ok(seqs)
}
