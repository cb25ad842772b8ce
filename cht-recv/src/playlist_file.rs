//! `stream/session.m3u8` on disk: replaced after each segment, whole at every moment.
//!
//! The playlist is made from the record and can be made again: that it cannot be written is said, and
//! stops no recording.

use cht_core::{
    durable, event::SegmentClosed, record::Record, regular, report, segment::examine_alone,
    session::Session,
};

use crate::playlist::Playlist;

/// The playlist's file and what is in it.
#[derive(Debug)]
pub(crate) struct PlaylistFile {
    session: Session,
    playlist: Playlist,
    /// The last write has failed, and that was said.
    failing: bool,
}

impl PlaylistFile {
    /// The playlist of a session whose record so far is `record`, open at its end again. `segment_time` in seconds;
    /// with `retained`, segments will be taken out of it.
    pub(crate) fn continuing(
        session: &Session,
        record: &Record,
        segment_time: f64,
        retained: bool,
    ) -> Self {
        let before = regular::read_to_string(&session.playlist()).ok();
        let mut this = Self::of(session, record, segment_time, retained, before.as_deref());
        this.write(false);
        this
    }

    /// Takes what was removed out of the playlist of a session that nobody records, if it has one.
    pub(crate) fn without_removed(session: &Session) {
        if let Ok(before) = regular::read_to_string(&session.playlist()) {
            let record = Record::of(session);
            let mut this = Self::of(session, &record, 0.0, true, Some(&before));
            this.write(Playlist::has_ended(&before));
        }
    }

    fn of(
        session: &Session,
        record: &Record,
        segment_time: f64,
        retained: bool,
        before: Option<&str>,
    ) -> Self {
        let playlist = Playlist::new(segment_time, retained, before);
        let mut this = Self { session: session.clone(), playlist, failing: false };
        record.kept().for_each(|segment| this.push(segment));
        this
    }

    /// Takes out the segments up to the number `seq`.
    pub(crate) fn remove_up_to(&mut self, seq: u64) {
        self.playlist.remove_up_to(seq);
        self.write(false);
    }

    /// Lists a segment that has its final name and stands in the record.
    pub(crate) fn add(&mut self, segment: &SegmentClosed) {
        self.push(segment);
        self.write(false);
    }

    /// Says that nothing will follow.
    pub(crate) fn end(&mut self) {
        self.write(true);
    }

    fn push(&mut self, segment: &SegmentClosed) {
        let duration = segment.duration.or_else(|| examined_duration(segment));
        let segment = &SegmentClosed { duration, ..segment.clone() };
        // Written before the segment was closed, if the connection has sent any by then.
        let tables = self.session.tables(segment.connection);
        let name = tables.file_name().and_then(|name| name.to_str()).filter(|_| tables.exists());
        if let Some(target) = self.playlist.push(segment, name) {
            report::note(format_args!(
                "{}: {target} s long; the playlist's target duration was raised",
                segment.path
            ));
        }
    }

    fn write(&mut self, ended: bool) {
        if self.playlist.nothing_listed() {
            return;
        }
        let path = self.session.playlist();
        let written = durable::replace(&path, self.playlist.render(ended).as_bytes());
        if let Err(error) = &written
            && !self.failing
        {
            report::warn(format_args!(
                "{}: {error}; recording goes on, and the playlist is tried again with each segment",
                path.display()
            ));
        }
        self.failing = written.is_err();
    }
}

/// The length of a segment whose record does not tell: it was recovered, torn by a full disk, or written by an
/// older cht-recv.
fn examined_duration(record: &SegmentClosed) -> Option<f64> {
    record.timeline?;
    examine_alone(record.path.as_ref()).ok()?.duration
}
