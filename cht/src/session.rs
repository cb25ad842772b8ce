//! A session as people ask about it. Only the beginnings and ends of its files are read, so that
//! the cost does not grow with the session.

use std::{
    io::{self, BufReader, Seek as _, SeekFrom},
    path::Path,
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event::{Body, Event, Frame},
    live,
    session::{Moved, Session, segment_log},
    storage::{journal::Lines, regular},
};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    origin::Origin,
    received::{self, Received},
};

/// Length of the end of a journal that is read at first, in bytes.
const TAIL: u64 = 32 << 10;

/// Longest end that is read, in bytes: words that were read in pictures may stand after the last
/// frame.
const LONGEST_TAIL: u64 = 2 << 20;

/// State of a session, in short.
#[derive(Debug, Serialize)]
pub(crate) struct Overview {
    /// Name of its folder.
    pub id: String,
    /// Its folder.
    pub path: String,
    /// Whether it is being recorded now.
    pub live: bool,
    /// Wall clock of its first byte.
    pub started_at: Option<Timestamp>,
    /// Seconds up to the end of the last finished segment, or to the newest frame of loose ones.
    pub duration: f64,
    /// Bytes received, removed segments included.
    #[serde(flatten)]
    pub received: Received,
    /// Number of kept frames.
    pub frames: u64,
    /// Whether its recorder was killed, so that the last segment is not finished.
    pub recorder_killed: bool,
    /// Input of which only a part was copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_of: Option<String>,
}

impl Overview {
    /// Reads the state of a session with this newest frame.
    pub(crate) fn of(session: &Session, newest: Option<&Frame>) -> Self {
        let live = session.is_recording();
        let noted = Origin::noted(session.root()).filter(|it| !live && it.is_cut());
        let until_frame = newest.map_or(0.0, |frame| frame.timestamp);
        Self {
            id: name(session),
            path: session.name().to_owned(),
            live,
            started_at: segment_log::started_at(session),
            duration: segment_log::duration(session).max(until_frame),
            received: received::of(session),
            frames: newest.and_then(|frame| number(&frame.id)).unwrap_or(0),
            // A recorder that ends takes the event of its growing segment away.
            recorder_killed: !live && session.open_event().exists(),
            part_of: noted.map(|it| it.inputs.join(", ")),
        }
    }
}

/// Returns the name of a session's folder.
pub(crate) fn name(session: &Session) -> String {
    session.root().file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Returns the session or the result of cht-batch that is meant: a folder, a name below `sessions`,
/// or the session that is recorded now, or else the newest.
pub(crate) fn find(named: Option<&Path>, sessions: &Path) -> Result<Session> {
    let Some(named) = named else {
        let newest = live::newest(sessions).ok().flatten();
        return newest.with_context(|| {
            format!(
                "{}: no session there; record one with cht live or cht file",
                sessions.display()
            )
        });
    };
    let below = sessions.join(named);
    let is_name = named.components().count() == 1 && !named.is_dir() && below.is_dir();
    Ok(Session::open_findings(if is_name { &below } else { named })?)
}

/// Returns the sessions below a folder, the newest last.
pub(crate) fn all(folder: &Path) -> Result<Vec<Session>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("{}: not there; record a session with cht live or cht file", folder.display())
        }
        Err(error) => return Err(error).with_context(|| folder.display().to_string()),
    };
    let found = entries.filter_map(|entry| Session::open(&entry.ok()?.path()).ok());
    let mut sessions: Vec<_> = found.map(|it| (it.recency(), name(&it), it)).collect();
    sessions.sort_by(|(a, b, _), (x, y, _)| (a, b).cmp(&(x, y)));
    Ok(sessions.into_iter().map(|(.., session)| session).collect())
}

/// Returns the newest frames of a session, at most `count`, in order, with their present paths.
pub(crate) fn newest_frames(session: &Session, count: usize) -> Vec<Frame> {
    let mut tail = TAIL;
    loop {
        let frames = frames_in_tail(session, tail).unwrap_or_default();
        let size = session.index_journal().metadata().map_or(0, |it| it.len());
        if frames.len() >= count || tail >= LONGEST_TAIL.min(size) {
            return frames.into_iter().rev().take(count).rev().collect();
        }
        tail *= 8;
    }
}

fn frames_in_tail(session: &Session, tail: u64) -> io::Result<Vec<Frame>> {
    let mut moved = Moved::to(session.root()).map_err(io::Error::other)?;
    let (mut frames, mut lines) = (Vec::<Frame>::new(), end_of(&session.index_journal(), tail)?);
    while let Some(line) = lines.next()? {
        let Ok(Some(mut event)) = Event::parse(line.bytes) else { continue };
        moved.mend_event(&mut event);
        if let Body::Frame(frame) = event.body {
            // A mark repeats the line of its frame.
            frames.retain(|before| before.id != frame.id);
            frames.push(frame);
        }
    }
    frames.sort_by_key(|frame| number(&frame.id));
    Ok(frames)
}

/// Returns the lines in the last `tail` bytes of a journal. The first may be a part of one, which
/// is no event.
pub(crate) fn end_of(path: &Path, tail: u64) -> io::Result<Lines<BufReader<std::fs::File>>> {
    let mut file = regular::open(path)?;
    let from = file.metadata()?.len().saturating_sub(tail);
    file.seek(SeekFrom::Start(from))?;
    Ok(Lines::new(BufReader::new(file), from))
}

/// Returns the end of the last event of a journal that `take` accepts.
pub(crate) fn last_of<T>(path: &Path, take: impl Fn(Body) -> Option<T>) -> Option<T> {
    let mut lines = end_of(path, TAIL).ok()?;
    let mut last = None;
    while let Ok(Some(line)) = lines.next() {
        if let Ok(Some(event)) = Event::parse(line.bytes) {
            last = take(event.body).or(last);
        }
    }
    last
}

/// Returns the number in an id such as `F000012`.
pub(crate) fn number(id: &str) -> Option<u64> {
    id.get(1..)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn frame(number: u64) -> String {
        format!(
            r#"{{"v":1,"type":"frame","session":"/old/call","id":"F{number:06}","timestamp":{number}.0,"pts":0,"path":"/old/call/frames/F{number:06}.jpg","segment":"/s.ts","reason":"first","scores":{{"scene":0.0}},"width":2,"height":2,"bytes":1,"hash":""}}"#
        ) + "\n"
    }

    fn session_with(lines: &str) -> (tempfile::TempDir, Session) {
        let folder = tempfile::tempdir().unwrap();
        let session =
            Session::create(folder.path(), Some("call"), &cht_core::process::clock::local())
                .unwrap();
        fs::write(session.index_journal(), lines).unwrap();
        (folder, session)
    }

    #[test]
    fn newest_frames_come_from_the_end_in_order_and_each_once() {
        let lines: String = (1..=2000).map(frame).collect();
        let (_folder, session) = session_with(&(lines + &frame(1999)));
        let ids: Vec<_> = newest_frames(&session, 3).into_iter().map(|it| it.id).collect();
        assert_eq!(ids, ["F001998", "F001999", "F002000"]);
        let newest = newest_frames(&session, 1).pop().unwrap();
        assert_eq!(Path::new(&newest.path), session.frames().join("F002000.jpg"), "moved");
        let overview = Overview::of(&session, Some(&newest));
        assert_eq!((overview.frames, overview.duration), (2000, 2000.0));
        assert!(!overview.live && overview.started_at.is_none());
    }

    #[test]
    fn frames_before_much_text_are_found() {
        let text = r#"{"v":1,"type":"text","session":"/s","id":"F000001","text":"Agenda"}"#;
        let (_folder, session) = session_with(&(frame(7) + &format!("{text}\n").repeat(4000)));
        assert_eq!(newest_frames(&session, 1).len(), 1);
        let (_folder, empty) = session_with("");
        assert!(newest_frames(&empty, 1).is_empty());
        fs::remove_file(empty.index_journal()).unwrap();
        assert!(newest_frames(&empty, 1).is_empty());
    }

    #[test]
    fn session_is_found_by_its_folder_or_its_name() {
        let (folder, session) = session_with("");
        for named in [None, Some(session.root()), Some(Path::new("call"))] {
            assert_eq!(find(named, folder.path()).unwrap(), session);
        }
        assert!(find(Some(Path::new("nowhere")), folder.path()).is_err());
        assert!(find(None, &folder.path().join("nowhere")).is_err());
        assert_eq!(all(folder.path()).unwrap(), [session]);
    }
}
