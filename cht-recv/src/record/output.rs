//! Writes the bytes of one connection into segments, and waits for a disk that refuses.

use std::{
    fs::File,
    io::{self, Write as _},
    os::unix::net::UnixStream,
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event::{Anchor, EndReason, SegmentClosed, SegmentOpen},
    process::clock,
    storage::durable,
};
use cht_ts::time::seconds;
use jiff::Timestamp;

use super::{picture_starts::PictureStarts, segmenter::SegmentStart, session_files::SessionFiles};
use crate::{disk, report::heartbeat::Heartbeat};

/// Bytes after which a segment without a PTS is announced all the same.
const ANNOUNCE_WITHOUT_CLOCK: u64 = 1 << 20;

/// Bytes after which the free space is checked, because a segment may grow for long.
const LOOK_AFTER: u64 = 16 << 20;

/// The files that a connection is written to.
#[derive(Debug)]
pub(super) struct Output<'a> {
    pub files: &'a mut SessionFiles,
    stop: &'a UnixStream,
    heartbeat: &'a Heartbeat,
    segment: Option<Growing>,
    /// Anchor of the segment that begins with the next bytes.
    next_anchor: Option<Anchor>,
    starts: PictureStarts,
    /// The disk ended the segment before without a cut, so the durations of its parts are not
    /// known.
    torn: bool,
    /// Bytes of the connection written so far.
    written: u64,
    /// Bytes of it that went to the sessions before.
    before: u64,
    /// Value of `written` when the free space was last checked.
    looked_at: u64,
}

/// The segment being written.
#[derive(Debug)]
struct Growing {
    file: File,
    hasher: blake3::Hasher,
    seq: u64,
    /// Offset of its first byte in the connection.
    offset: u64,
    timeline: Option<Anchor>,
    opened_at: Timestamp,
    announced: bool,
}

impl<'a> Output<'a> {
    /// Starts the output of a connection.
    pub(super) fn new(
        files: &'a mut SessionFiles,
        heartbeat: &'a Heartbeat,
        stop: &'a UnixStream,
    ) -> Self {
        Self {
            files,
            stop,
            heartbeat,
            segment: None,
            next_anchor: None,
            starts: PictureStarts::default(),
            torn: false,
            written: 0,
            before: 0,
            looked_at: 0,
        }
    }

    /// Notes that the files are those of another session from here on. No segment grows.
    pub(super) fn enter(&mut self) {
        self.before = self.written;
    }

    /// Returns the bytes of the connection that are in this session.
    pub(super) fn recorded(&self) -> u64 {
        self.written - self.before
    }

    /// Returns the bytes of the connection written so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Adds starts of pictures, in the order of their bytes.
    pub(super) fn extend_starts(&mut self, pictures: Vec<(u64, Anchor)>) {
        self.starts.extend(pictures);
    }

    /// Notes that a segment at `anchor` begins with the next bytes.
    pub(super) fn begin(&mut self, anchor: Option<Anchor>) {
        self.next_anchor = anchor;
    }

    fn open(&mut self, timeline: Option<Anchor>) -> io::Result<()> {
        let (seq, file) = loop {
            let seq = self.files.next_seq;
            match durable::create_to_append(&self.files.session.part(seq)) {
                // Another program has put something there.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    self.files.next_seq += 1;
                }
                result => break (seq, result?),
            }
        };
        self.files.next_seq += 1;
        self.segment = Some(Growing {
            file,
            hasher: blake3::Hasher::new(),
            seq,
            offset: self.written,
            timeline: timeline.map(|anchor| self.files.place(anchor)),
            opened_at: clock::wall(),
            announced: false,
        });
        if timeline.is_some() {
            self.announce();
        }
        Ok(())
    }

    /// Writes bytes, and waits while the disk refuses them. The sender waits meanwhile, and nothing
    /// is lost.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        let (mut refused, mut said) = (false, false);
        while !bytes.is_empty() {
            match self.write_some(bytes) {
                Ok(count) => {
                    bytes = &bytes[count..];
                    refused = false;
                    if std::mem::take(&mut said) {
                        self.files.finalizer.refusal.end();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if disk::is_full(&error) && self.files.finalizer.make_room() => {}
                Err(error) if disk::refuses(&error) => {
                    if !std::mem::replace(&mut refused, true) {
                        // The bytes on disk are closed as a segment.
                        self.close(EndReason::Disk, None);
                        self.torn = true;
                    }
                    said |= self.say_refused(&error);
                    if !self.files.finalizer.refusal.wait(self.stop) {
                        let stream = self.files.session.stream();
                        bail!(
                            "{}: {error}; {} received bytes are lost",
                            stream.display(),
                            bytes.len()
                        );
                    }
                    self.heartbeat.beat(clock::monotonic());
                }
                Err(error) => {
                    return Err(error)
                        .with_context(|| self.files.session.stream().display().to_string());
                }
            }
        }
        Ok(())
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.segment.is_none() {
            let anchor = self.next_anchor.take();
            if let Err(error) = self.open(anchor) {
                self.next_anchor = anchor;
                return Err(error);
            }
        }
        let Some(segment) = &mut self.segment else { return Ok(0) };
        let count = segment.file.write(bytes)?;
        segment.hasher.update(&bytes[..count]);
        self.written += count as u64;
        if self.written - self.looked_at >= LOOK_AFTER {
            self.looked_at = self.written;
            self.files.finalizer.look();
        }
        Ok(count)
    }

    /// Reports that the disk refuses, unless the other thread has. Returns whether it did.
    fn say_refused(&self, error: &io::Error) -> bool {
        let is_news = self.files.finalizer.refusal.begin();
        if is_news {
            let path = self.files.session.stream().to_string_lossy().into_owned();
            let message = format!("{path}: {error}{}", disk::remedy(error));
            self.heartbeat.events().fail(
                Some(self.files.session.name()),
                "disk",
                &message,
                Some(&path),
            );
        }
        is_news
    }

    /// Places the growing segment at `anchor`, if it has no place yet. One that the disk began lies
    /// at its first picture.
    pub(super) fn place(&mut self, anchor: Option<Anchor>) {
        let Some(segment) = &mut self.segment else { return };
        let anchor =
            if self.torn { self.starts.first_in(segment.offset, u64::MAX) } else { anchor };
        let files = &self.files;
        segment.timeline = segment.timeline.or_else(|| anchor.map(|anchor| files.place(anchor)));
        self.starts.forget_before(segment.offset);
    }

    /// Announces the growing segment once its place is known, or will not be known soon.
    pub(super) fn announce_if_placed(&mut self) {
        let Some(segment) = &self.segment else { return };
        let unplaced_for = self.written - segment.offset;
        if segment.timeline.is_some() || unplaced_for > ANNOUNCE_WITHOUT_CLOCK {
            self.announce();
        }
    }

    /// Announces the growing segment, unless that was done: each is announced before it is closed.
    fn announce(&mut self) {
        let Some(segment) = self.segment.as_mut().filter(|segment| !segment.announced) else {
            return;
        };
        segment.announced = true;
        let open = SegmentOpen {
            seq: segment.seq,
            path: self.files.session.part(segment.seq).to_string_lossy().into_owned(),
            connection: self.files.connections,
            timeline: segment.timeline,
            at: segment.opened_at,
        };
        self.heartbeat.events().emit(self.files.session.event(open.clone()));
        self.files.finalizer.opened(open);
    }

    /// Closes the segment, which lies at `place`.
    pub(super) fn close(&mut self, end_reason: EndReason, place: Option<SegmentStart>) {
        if let Some(segment) = &mut self.segment {
            if segment.offset == self.written {
                // An empty segment is removed and never announced.
                let part = self.files.session.part(segment.seq);
                self.segment = None;
                // If the disk refuses that too, the next start removes it.
                let _ = std::fs::remove_file(&part);
                return;
            }
            // It may have begun and ended within one read.
            let begin = Some(segment.offset).filter(|_| self.torn || place.is_none());
            let starts = &self.starts;
            let first = |begin| starts.first_in(begin, self.written).or(starts.within(begin));
            let place = || begin.and_then(first).or(place.map(|place| place.anchor));
            let files = &self.files;
            segment.timeline =
                segment.timeline.or_else(|| place().map(|anchor| files.place(anchor)));
        }
        self.announce();
        let Some(segment) = self.segment.take() else { return };
        let torn = std::mem::take(&mut self.torn);
        let length = place.filter(|_| !torn).map(|place| place.length);
        let closed = SegmentClosed {
            seq: segment.seq,
            path: self.files.session.segment(segment.seq).to_string_lossy().into_owned(),
            connection: self.files.connections,
            offset: segment.offset - self.before,
            bytes: self.written - segment.offset,
            blake3: segment.hasher.finalize().to_hex().to_string(),
            timeline: segment.timeline,
            duration: length.map(seconds),
            opened_at: segment.opened_at,
            closed_at: clock::wall(),
            end_reason,
        };
        self.files.finalizer.close(segment.file, closed);
    }
}
