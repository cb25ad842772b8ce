//! `stream/session.m3u8` on disk: lines are appended after each segment, and the file is replaced
//! when segments leave.
//!
//! A reader always sees whole lines: no write crosses a page border, and within a page the system
//! makes a write visible at once. A kill between two writes leaves whole lines; a crash of the
//! system may leave a torn one, and the next start writes the playlist anew.
//!
//! The playlist can be made from the record at any time. A failed write is reported and stops no
//! recording.

use std::{fs::OpenOptions, io, os::unix::fs::FileExt as _, path::Path};

use cht_core::{
    event::SegmentClosed,
    process::report,
    segment::examine_alone,
    session::{Session, segment_log::SegmentLog},
    storage::{durable, regular},
};

use super::playlist::{END, Playlist};

/// Size of a page, within which the system makes a write visible at once.
const PAGE: u64 = 4096;

/// The playlist's file and its content.
#[derive(Debug)]
pub(crate) struct PlaylistFile {
    session: Session,
    playlist: Playlist,
    /// Length of the file in bytes, if it holds all listed segments and no end mark.
    appendable: Option<u64>,
    /// The last connection that has tables.
    has_tables: Option<u32>,
    /// Whether there is a file, or one is wanted: also without a segment in it.
    wanted: bool,
    /// Whether the last write failed, which was reported.
    failing: bool,
}

impl PlaylistFile {
    /// Reopens the playlist of a session with this `record`. `segment_time` is in seconds; with
    /// `retained`, segments will leave.
    pub(crate) fn continuing(
        session: &Session,
        record: &SegmentLog,
        segment_time: f64,
        retained: bool,
    ) -> Self {
        let before = regular::read_to_string(&session.playlist()).ok();
        let mut this = Self::of(session, record, segment_time, retained, before.as_deref());
        let open = before.as_deref().map(|text| text.strip_suffix(END).unwrap_or(text));
        match open.filter(|text| this.playlist.is(text)) {
            Some(text) => this.reopen(text.len() as u64),
            None => this.write(false),
        }
        this
    }

    /// Rewrites the playlist of a session without a recorder, if it has one: without removed
    /// segments, with adopted ones, and with an end mark. Returns it.
    pub(crate) fn renew(session: &Session) -> Option<Self> {
        let before = regular::read_to_string(&session.playlist()).ok()?;
        let mut this = Self::of(session, &SegmentLog::of(session), 0.0, false, Some(&before));
        this.write(true);
        Some(this)
    }

    /// Returns whether the playlist of `session` has an end mark, as that of a finished session
    /// does. Returns `None` if there is no playlist.
    pub(crate) fn has_end(session: &Session) -> Option<bool> {
        let file = regular::open(&session.playlist()).ok()?;
        let at = file.metadata().ok()?.len().checked_sub(END.len() as u64);
        let mut end = [0; END.len()];
        Some(at.is_some_and(|at| file.read_exact_at(&mut end, at).is_ok()) && end == END.as_bytes())
    }

    fn of(
        session: &Session,
        record: &SegmentLog,
        segment_time: f64,
        retained: bool,
        before: Option<&str>,
    ) -> Self {
        let mut this = Self {
            session: session.clone(),
            playlist: Playlist::new(segment_time, retained, before),
            appendable: None,
            has_tables: None,
            wanted: before.is_some(),
            failing: false,
        };
        // Without retention no segment leaves for good: one that was missing and is back is listed
        // again.
        let first = before.filter(|_| retained).map_or(0, Playlist::first_after);
        for segment in record.kept().skip_while(|segment| segment.seq < first) {
            this.push(segment);
        }
        this
    }

    /// Notes that a segment grows. Players that come before one is finished find a playlist
    /// without segments, and ask again.
    pub(crate) fn begin(&mut self) {
        if !std::mem::replace(&mut self.wanted, true) {
            self.write(false);
        }
    }

    /// Removes the segments up to `seq`.
    pub(crate) fn remove_up_to(&mut self, seq: u64) {
        if self.playlist.remove_up_to(seq) {
            self.write(false);
        }
    }

    /// Lists a segment that has its final name and is in the record.
    pub(crate) fn add(&mut self, segment: &SegmentClosed) {
        let listed = self.playlist.len();
        if self.push(segment) {
            // The target duration is in the first lines.
            self.appendable = None;
        }
        if self.playlist.len() > listed || self.failing {
            let lines = self.playlist.render_from(listed);
            self.append(&lines, false);
        }
    }

    /// Appends the end mark.
    pub(crate) fn end(&mut self) {
        self.append(END, true);
        self.appendable = None;
    }

    /// Returns whether tables of this file name apply to a listed segment or to the next one.
    pub(crate) fn refers_to(&self, tables: &Path) -> bool {
        let name = tables.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| self.playlist.refers_to(name))
    }

    /// Returns whether the target duration was raised.
    fn push(&mut self, segment: &SegmentClosed) -> bool {
        let duration = segment.duration.or_else(|| examined_duration(&self.session, segment));
        let segment = &SegmentClosed { duration, ..segment.clone() };
        // Tables are written before the segment is closed, if the connection has sent any.
        let tables = self.session.tables(segment.connection);
        if self.has_tables != Some(segment.connection) && tables.is_file() {
            self.has_tables = Some(segment.connection);
        }
        let has_tables = self.has_tables == Some(segment.connection);
        let name = tables.file_name().and_then(|name| name.to_str()).filter(|_| has_tables);
        let raised = self.playlist.push(segment, name);
        if let Some(target) = raised {
            report::note(format_args!(
                "{}: {target} s long; the playlist's target duration was raised",
                segment.path
            ));
        }
        raised.is_some()
    }

    /// Removes the end mark from the file.
    fn reopen(&mut self, length: u64) {
        let path = self.session.playlist();
        let opened = durable::open(&path, OpenOptions::new().write(true));
        match opened.and_then(|file| file.set_len(length)) {
            Ok(()) => self.appendable = Some(length),
            Err(_) => self.write(false),
        }
    }

    /// Appends lines to the file, or writes it anew where that is not possible.
    fn append(&mut self, lines: &str, ended: bool) {
        let appended = self
            .appendable
            .take()
            .map(|length| append_at(&self.session.playlist(), length, lines.as_bytes()));
        match appended {
            Some(Ok(length)) => self.appendable = Some(length),
            _ => self.write(ended),
        }
    }

    fn write(&mut self, ended: bool) {
        self.appendable = None;
        if !self.wanted && self.playlist.nothing_listed() {
            return;
        }
        self.wanted = true;
        let path = self.session.playlist();
        let text = self.playlist.render(ended);
        let written = durable::replace(&path, text.as_bytes());
        match &written {
            Ok(()) => self.appendable = (!ended).then_some(text.len() as u64),
            Err(error) if !self.failing => report::warn(format_args!(
                "{}: {error}; recording goes on, and the playlist is tried again with each segment",
                path.display()
            )),
            Err(_) => {}
        }
        self.failing = written.is_err();
    }
}

/// Appends `lines` to the file at `path` if its length is still `length`. Returns its new length.
fn append_at(path: &Path, length: u64, lines: &[u8]) -> io::Result<u64> {
    let file = durable::open(path, OpenOptions::new().write(true))?;
    if file.metadata()?.len() != length {
        return Err(io::Error::other("another file"));
    }
    let mut at = length;
    let written = pieces(length, lines).into_iter().try_for_each(|piece| {
        file.write_all_at(&piece, at)?;
        at += piece.len() as u64;
        Ok(())
    });
    if let Err(error) = written.and_then(|()| file.sync_data()) {
        // A reader would take a part of a line for a line.
        let _ = file.set_len(length);
        return Err(error);
    }
    Ok(at)
}

/// Splits lines into pieces to write one after another at `length`, so that none crosses a page
/// border: blank lines fill the page (RFC 8216 §4.1).
fn pieces(length: u64, lines: &[u8]) -> Vec<Vec<u8>> {
    let room = PAGE - length % PAGE;
    if lines.len() as u64 <= room || lines.len() as u64 > PAGE {
        return vec![lines.to_vec()];
    }
    vec![vec![b'\n'; room as usize], lines.to_vec()]
}

/// Returns the duration of a segment whose record has none: it was recovered, torn by a full disk,
/// or written by an older cht-recv.
fn examined_duration(session: &Session, record: &SegmentClosed) -> Option<f64> {
    record.timeline?;
    examine_alone(&session.segment(record.seq)).ok()?.duration
}

#[cfg(test)]
mod tests {
    use cht_core::{
        event::{Anchor, EndReason},
        process::clock,
    };

    use super::*;

    fn segment(session: &Session, seq: u64) -> SegmentClosed {
        let (at, ticks) = (clock::wall(), seq as i64 * 180_000);
        SegmentClosed {
            seq,
            path: session.segment(seq).to_string_lossy().into_owned(),
            connection: 1,
            offset: 0,
            bytes: 188,
            blake3: String::new(),
            timeline: Some(Anchor { pts: ticks, offset: ticks }),
            duration: Some(2.0),
            opened_at: at,
            closed_at: at,
            end_reason: EndReason::Keyframe,
        }
    }

    #[test]
    fn added_segment_is_appended_and_no_write_crosses_page() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = tempfile::tempdir().unwrap();
        let session = Session::create(folder.path(), None, &clock::local()).unwrap();
        let mut file = PlaylistFile::continuing(&session, &SegmentLog::default(), 2.0, false);
        file.add(&segment(&session, 1));
        let inode = session.playlist().metadata().unwrap().ino();
        let mut before = std::fs::read_to_string(session.playlist()).unwrap();
        for seq in 2..=400 {
            file.add(&segment(&session, seq));
            let text = std::fs::read_to_string(session.playlist()).unwrap();
            let new = text.strip_prefix(&before).unwrap().trim_start_matches('\n');
            assert_eq!(new, format!("#EXTINF:2.000000,\nsegment_{seq:06}.ts\n"));
            let begin = text.len() - new.len();
            assert_eq!(begin as u64 / PAGE, (text.len() as u64 - 1) / PAGE, "{seq}");
            before = text;
        }
        file.end();
        assert_eq!(session.playlist().metadata().unwrap().ino(), inode, "never replaced");
        assert_eq!(PlaylistFile::has_end(&session), Some(true));
        assert!(std::fs::read_to_string(session.playlist()).unwrap().ends_with(END));
    }

    #[test]
    fn playlist_changed_or_removed_by_others_is_rewritten() {
        let folder = tempfile::tempdir().unwrap();
        let session = Session::create(folder.path(), None, &clock::local()).unwrap();
        let mut file = PlaylistFile::continuing(&session, &SegmentLog::default(), 2.0, false);
        file.add(&segment(&session, 1));
        std::fs::write(session.playlist(), "torn").unwrap();
        file.add(&segment(&session, 2));
        std::fs::remove_file(session.playlist()).unwrap();
        file.add(&segment(&session, 3));
        let outside = folder.path().join("outside");
        let text = std::fs::read_to_string(session.playlist()).unwrap();
        std::fs::write(&outside, &text).unwrap();
        std::fs::remove_file(session.playlist()).unwrap();
        std::os::unix::fs::symlink(&outside, session.playlist()).unwrap();
        file.add(&segment(&session, 4));
        assert_eq!(std::fs::read_to_string(&outside).unwrap(), text, "not written through a link");
        let text = std::fs::read_to_string(session.playlist()).unwrap();
        assert_eq!(text.matches("#EXTINF").count(), 4, "{text}");
    }
}
