//! Feeds a live stream: segments while they grow, with only keyframes decoded while decoding lags.

use std::path::Path;

use anyhow::Result;
use cht_core::{
    event::{Anchor, Decoded, SegmentOpen},
    process::clock,
    segment::SegmentError,
    session::live_segment::{Growth, LiveSegment, finished_path},
    storage::regular,
    timeline::WallClock,
};
use cht_ts::{Pts, time::TICKS_PER_SECOND};

use super::Feeder;
use crate::feed::{engine::Engine, preroll::began_within_a_picture, run::Running};
use crate::{
    decode::jobs::Jobs,
    input::{Source, WRITE},
    track::{
        changes::TrackSpan,
        growing::{GrowingSegment, Passed, Piece},
        select::Video,
    },
};

/// Length of a growing segment that is searched for its video, in bytes; after that, it waits until
/// it is finished.
const PROBE: usize = 4 << 20;

/// Largest difference of two readings of one clock, in ticks: the pictures of a segment begin
/// within it.
const ONE_CLOCK: i64 = 10 * TICKS_PER_SECOND;

impl Feeder {
    /// Notes by how much the video's clock is ahead of that of `anchor`, where it may differ and
    /// the video's first PTS is given, and returns the anchor on the clock of the video.
    pub(crate) fn on_video_clock(&mut self, anchor: Anchor, first: Option<Pts>) -> Anchor {
        if let Some(first) = first {
            let ahead = first.since(anchor.clock());
            if (ahead - self.ahead).abs() > ONE_CLOCK {
                self.ahead = ahead;
            }
        }
        anchor.for_clock_ahead_by(self.ahead)
    }

    /// Decodes a segment while it grows.
    pub(crate) fn grow(&mut self, session: Option<&str>, open: &SegmentOpen) -> Result<()> {
        if !self.enter(session)? {
            return Ok(());
        }
        self.decode_undone(session, open.seq)?;
        let part = Path::new(&open.path);
        let path = finished_path(part).to_string_lossy().into_owned();
        let Some(folder) = &self.folder else { return Ok(()) };
        let Some(anchor) = open.timeline else { return Ok(()) };
        if folder.known.contains(&path) {
            return Ok(());
        }
        // After a gap in the events, the segments come finished and in order, and this one is among
        // them.
        if folder.last_seq.is_some_and(|last| last + 1 != open.seq) {
            return Ok(());
        }
        if self.is_divided_within_a_picture(&path, open) {
            return Ok(());
        }
        let mut live = match LiveSegment::open(part) {
            Ok(live) => live,
            // The file is gone already; its `segment` event follows, if any does.
            Err(error) if !regular::is_refusal(&error) => return Ok(()),
            Err(error) => {
                self.end_run()?;
                let message = format!("{}: {error}", open.path);
                return self.selector()?.writer.fail("unreadable", &message, Some(&open.path));
            }
        };
        let mut growing = GrowingSegment::new(self.args.video(), anchor);
        let (mut source, mut total) = (None, 0);
        let mut buffer = vec![0; WRITE];
        let mut is_level = true;
        loop {
            // The stream does not pause while unread bytes are there.
            if is_level {
                self.pause()?;
            }
            let bytes = match live.read(&mut buffer) {
                Err(error) => {
                    let error = SegmentError::Io { path: path.clone().into(), error };
                    return self.report_lost(Err(error.into()), &path);
                }
                Ok(Growth::Bytes(count)) => &buffer[..count],
                Ok(Growth::Finished) => break,
                Ok(Growth::Nothing) if !self.is_orphaned(&path) => continue,
                // The next recorder will finish the file, and announce it to this run or a later
                // one.
                Ok(Growth::Nothing | Growth::Abandoned) if source.is_some() => {
                    return self.abandon(session, open.seq);
                }
                // It may be finished and announced to a later run of this program.
                Ok(Growth::Nothing | Growth::Abandoned) => return Ok(()),
            };
            is_level = bytes.len() < WRITE;
            total += bytes.len() as u64;
            growing.push(bytes);
            if source.is_none() {
                let Some((video, first)) = growing.video() else {
                    if growing.held() > PROBE {
                        return Ok(());
                    }
                    continue;
                };
                if let Some(folder) = &mut self.folder {
                    folder.known.handle(&path, None);
                    folder.last_seq = Some(open.seq);
                }
                let Video { pid, codec, .. } = video;
                let first = Some(first).filter(|_| self.args.video().is_any());
                let wall_clock = WallClock::of_segment(open.at, anchor);
                let anchor = self.on_video_clock(anchor, first);
                let (ahead, connection) = (self.ahead, Some(open.connection));
                let seq = open.seq;
                let begun = Source {
                    wall_clock,
                    ahead,
                    connection,
                    live: true,
                    ..Source::alone(seq, anchor, pid, codec)
                };
                self.begin(&path, 0, begun)?;
                growing.place(anchor);
                source = Some(begun);
            }
            if let Some(source) = &mut source
                && !self.follow(&mut growing, &path, source)?
            {
                return self.give_back();
            }
        }
        if let Some(source) = &mut source {
            growing.finish();
            if !self.follow(&mut growing, &path, source)? {
                return self.give_back();
            }
            self.fed(total, growing.within);
        }
        Ok(())
    }

    /// Returns whether several decoders have stopped within a picture, where another decoder could
    /// not go on: they decode this segment when it is finished.
    fn is_divided_within_a_picture(&self, path: &str, open: &SegmentOpen) -> bool {
        let connection = Some(open.connection);
        let run = self.run().filter(|run| run.connection == connection);
        run.is_some_and(|run| matches!(run.engine, Engine::Many(_)))
            && began_within_a_picture(path, open.seq, connection)
    }

    /// Tells the selector the length of a pause, if it is long enough to decide on. Callers call
    /// this often: a pause goes on after its segment ends. Decoders of a list that have nothing to
    /// do give what they have, and with `--jobs auto` one decoder follows it from then on.
    pub(crate) fn pause(&mut self) -> Result<()> {
        if !self.interrupt.is_live() && self.run().is_some_and(Running::has_caught_up) {
            if self.args.jobs == Jobs::Auto {
                self.decoding.jobs = 1;
            }
            return self.end_run();
        }
        if let Some(run) = self.run_mut() {
            run.pause();
        }
        Ok(())
    }

    /// Feeds the new bytes of a growing segment, to another decoder where its video changes, or
    /// where decoding lags or has caught up. Returns `false` as [`Self::feed`] does.
    fn follow(
        &mut self,
        growing: &mut GrowingSegment,
        path: &str,
        source: &mut Source,
    ) -> Result<bool> {
        loop {
            let seek = self.wants_change();
            let Some(piece) = growing.next(seek) else { return Ok(true) };
            match piece {
                Piece::Bytes(bytes, passed) => {
                    if !self.feed(&bytes)? {
                        return Ok(false);
                    }
                    self.passed(&passed);
                }
                Piece::Access => {
                    self.change_decoding();
                    self.begin(path, 0, *source)?;
                }
                Piece::Change(TrackSpan { pid, codec, .. }) => {
                    (source.pid, source.codec) = (pid, codec);
                    self.begin(path, 0, *source)?;
                }
            }
        }
    }

    /// Returns whether decoding should change, to catch up or because it has caught up.
    pub(crate) fn wants_change(&mut self) -> bool {
        self.catch_up.wants_change(clock::monotonic(), || self.counters.lag.now())
    }

    /// Changes between all frames and keyframes for the next decoder.
    pub(crate) fn change_decoding(&mut self) {
        self.catch_up.change(clock::monotonic(), self.counters.lag.now());
        self.counters.decoding(self.catch_up.decoding());
    }

    /// Counts pictures that were fed or left out.
    pub(crate) fn passed(&mut self, passed: &Passed) {
        self.counters.lag.fed(&passed.keyframes, passed.newest);
        if self.catch_up.decoding() == Decoded::Keyframes {
            self.catch_up.skip(passed.others);
            self.counters.skipped(passed.others);
        }
    }

    /// Drains the decoder after a connection has ended, when `opened` segments had begun to grow:
    /// the frames that the decoder holds are due. The first segment of the next connection may have
    /// been announced before.
    pub(crate) fn drain(&mut self, connection: u32, opened: u64) -> Result<()> {
        if self.run().is_some_and(|run| run.connection == Some(connection)) {
            self.end_run()?;
        }
        self.counters.lag.drained(opened);
        Ok(())
    }
}
