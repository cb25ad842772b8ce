//! Feeds finished segments.

use std::path::Path;

use anyhow::Result;
use cht_core::{
    event::{Decoded, Segment},
    segment::SegmentError,
    session::{Session, finished_segment::FinishedSegment},
    timeline::WallClock,
};
use cht_ts::Pts;

use super::Feeder;
use crate::{
    feed::{folder::Begun, preroll::began_within_a_picture},
    input::{Source, WRITE},
    track::{
        changes::{self, TrackSpan},
        growing::Passed,
    },
};

impl Feeder {
    /// Decodes a finished segment of the session that was entered; emits an `error` event if it
    /// cannot be read.
    pub(crate) fn take_segment(&mut self, session: Option<&str>, segment: &Segment) -> Result<()> {
        self.upstream.begun().remove(&segment.path);
        let decoded = self.decode(session, segment);
        self.report_lost(decoded, &segment.path)
    }

    /// Emits an error that concerns the segment at `path` alone, after the frames of its decoder;
    /// returns other errors.
    pub(crate) fn report_lost(&mut self, result: Result<()>, path: &str) -> Result<()> {
        let Err(error) = result else { return Ok(()) };
        let Some(lost) = error.downcast_ref::<SegmentError>() else { return Err(error) };
        self.end_run()?;
        self.selector()?.writer.fail(lost.code(), &lost.to_string(), Some(path))
    }

    fn decode(&mut self, session: Option<&str>, segment: &Segment) -> Result<()> {
        let Some(folder) = &mut self.folder else { return Ok(()) };
        let Some(Begun { name, is_recorded, was_done }) = folder.known.begin(segment) else {
            return Ok(());
        };
        if is_recorded && !was_done && folder.last_seq.is_some_and(|last| segment.seq <= last) {
            return self.refuse_late(session, segment);
        }
        let follows = folder.last_seq.is_some_and(|last| last + 1 == segment.seq);
        let before = folder.last_seq.filter(|_| is_recorded);
        folder.last_seq = before.max(Some(segment.seq));
        if was_done {
            self.end_run()?;
            let writer = &mut self.selector()?.writer;
            let key = writer.journal.found_at(&name, &segment.path);
            writer.replay(key, segment.bytes)?;
            let done = writer.journal.done(key, segment.bytes);
            let mut replayed = done.map(|it| it.checkpoint.clone());
            if let Some(replayed) = &mut replayed {
                replayed.done.seq = segment.seq;
            }
            if let Some(folder) = &mut self.folder {
                folder.replayed = replayed;
            }
            return Ok(());
        }
        // A segment that was cut for its size within a picture may not name its video.
        let asked = self.args.video();
        let video = asked.of_segment(segment);
        let named = video.as_ref().ok().copied().flatten();
        let began_within =
            || began_within_a_picture(&segment.path, segment.seq, segment.connection);
        let pid = named.map(|video| video.pid).or_else(|| {
            let pid = match self.run() {
                Some(run) => (run.connection == segment.connection).then_some(run.pid)?,
                None => self.last_done()?.pid?,
            };
            (follows && began_within()).then_some(pid)
        });
        let (Some(anchor), Some(pid)) = (segment.timeline, pid) else {
            let path = &segment.path;
            let (code, message) = match video {
                Err(there) => ("no_stream", format!("{path}: no {asked} in it; there is {there}")),
                Ok(_) => ("no_video", format!("{path}: no video in it; nothing to look at")),
            };
            return self.leave_out(segment, code, &message);
        };
        let listed = segment.streams.iter().find(|stream| stream.pid == pid);
        let size = listed.and_then(|video| video.width.zip(video.height));
        if let Some(message) =
            size.and_then(|size| self.decoding.limits.exceeded_by(&segment.path, size))
        {
            return self.leave_out(segment, "too_large", &message);
        }
        let file = FinishedSegment::open(Path::new(&segment.path))?;
        let first = asked.is_any().then(|| changes::first_pts(file.all(), pid)).flatten();
        let by_its_clock = self.on_video_clock(anchor, first);
        let codec = self.codec_of(named.and_then(|video| video.codec), pid);
        let source = Source {
            wall_clock: segment.opened_at.and_then(|at| WallClock::of_segment(at, anchor)),
            ahead: self.ahead,
            connection: segment.connection,
            bytes: Some(file.length()),
            ..Source::alone(segment.seq, by_its_clock, pid, codec)
        };
        let within = segment.video_pid.is_none() || listed.is_some_and(|video| video.units == 0);
        // Decode all frames again only where a picture needs no earlier one.
        if self.wants_change() && (self.catch_up.decoding() == Decoded::Full || !began_within()) {
            self.change_decoding();
        }
        // The jumps of another clock are not known.
        let jumps = if self.ahead == 0 { &segment.jumps[..] } else { &[] };
        let mut is_fed = true;
        for (bytes, anchor) in by_its_clock.parts(jumps) {
            is_fed = is_fed
                && self.feed_part(
                    &file,
                    &segment.path,
                    Source { anchor, ..source }.part_of(bytes),
                )?;
        }
        if is_fed {
            self.fed(file.length(), within);
        }
        let others = listed.map_or(0, |video| video.units.saturating_sub(video.keyframes));
        let newest = segment.last_pts.map(|pts| anchor.place(Pts::new(pts)));
        self.passed(&Passed { keyframes: vec![anchor.offset], others, newest });
        Ok(())
    }

    /// Emits an error, and that a segment is done without frames.
    fn leave_out(&mut self, segment: &Segment, code: &str, message: &str) -> Result<()> {
        self.end_run()?;
        let selector = self.selector()?;
        selector.writer.fail(code, message, Some(&segment.path))?;
        selector.leave_out(segment.seq, &segment.path, segment.bytes)
    }

    /// Feeds a part of a finished segment as far as it can be read, to another decoder where its
    /// video changes; returns `false` if a decoder has ended before.
    fn feed_part(&mut self, file: &FinishedSegment, path: &str, source: Source) -> Result<bool> {
        let windows = || file.windows(&source.range());
        let mut at = source.bytes_from;
        let mut spans = changes::divide(windows(), source.pid, source.codec, self.args.video())
            .into_iter()
            .map(|span| TrackSpan { from: span.from + source.bytes_from, ..span })
            .peekable();
        for window in windows() {
            let window = match window {
                Ok(window) => window,
                // Nothing could be read, so nothing is done.
                Err(error) if at == 0 => return Err(error.into()),
                Err(error) => {
                    self.torn(path, &error)?;
                    break;
                }
            };
            let mut rest = &window[..];
            while !rest.is_empty() {
                if let Some(TrackSpan { pid, codec, .. }) = spans.next_if(|next| next.from <= at) {
                    self.begin(path, at, Source { pid, codec, ..source })?;
                }
                let up_to = spans.peek().map_or(u64::MAX, |next| next.from - at);
                let (chunk, later) = rest.split_at(rest.len().min(WRITE).min(up_to as usize));
                if !self.feed(chunk)? {
                    return self.end_run().map(|()| false);
                }
                at += chunk.len() as u64;
                rest = later;
            }
        }
        Ok(true)
    }

    /// Emits that a segment cannot be read to its end. The bytes before the error are decoded, and
    /// then the segment is done.
    pub(crate) fn torn(&self, path: &str, error: &SegmentError) -> Result<()> {
        let session = Session::of_segment(Path::new(path));
        let session = session.as_ref().map(Session::name);
        Ok(self.output.fail(session, error.code(), &error.to_string(), Some(path))?)
    }
}
