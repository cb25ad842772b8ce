//! Queues the segments on their way through a decoder: tells the segment of a frame, when a segment
//! is settled, and the segment in which a decoder has failed.

use std::collections::VecDeque;

use cht_core::event::SegmentDone;
use cht_ts::Pts;

use super::detectors::Saved;
use crate::input::Part;

/// Describes a segment that is being decoded.
#[derive(Debug)]
pub(crate) struct QueuedSegment {
    pub part: Part,
    /// Size of the segment in bytes, once it was fed to its end.
    pub bytes: Option<u64>,
    /// Whether the segment has frames to decode.
    pub has_frames: bool,
    /// Number of frames kept.
    pub frames: u64,
    pub decoded: u64,
    /// State after its last frame; later frames may still bring selections in it.
    pub end: Option<Snapshot>,
    /// Event of the segment, if frames of it were taken back and it is done once more.
    pub again: Option<SegmentDone>,
}

/// Holds the state at the end of a segment, for its checkpoint.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub saved: Option<Saved>,
    pub next_id: u64,
    /// Number of frames since.
    pub followed: usize,
}

/// The first part of a segment whose rest another decoder decodes.
#[derive(Debug, Default)]
struct FirstPart {
    path: String,
    /// Frames kept.
    frames: u64,
    decoded: u64,
}

/// Queues segments in the order of the stream.
#[derive(Debug, Default)]
pub(crate) struct SegmentQueue {
    segments: VecDeque<QueuedSegment>,
    /// Tick of the last frame of this decoder.
    last: Option<i64>,
    /// The first part of the next segment, where another decoder has decoded that.
    carried: Option<FirstPart>,
    /// Segments of an earlier run that are done once more, when they come.
    again: Vec<SegmentDone>,
}

/// Holds the segments of a decoder that has ended.
#[derive(Debug, Default)]
pub(crate) struct EndedRun {
    pub done: Vec<QueuedSegment>,
    /// First segment that a failed decoder has not decoded to its end.
    pub blamed: Option<Part>,
    /// Segments after the blamed one, for another decoder.
    pub left: Vec<Part>,
}

impl SegmentQueue {
    /// Expects the frames of another decoder.
    pub(crate) fn begin_run(&mut self) {
        self.last = None;
    }

    /// Expects these segments once more.
    pub(crate) fn expect_again(&mut self, again: Vec<SegmentDone>) {
        self.again = again;
    }

    /// Adds a segment whose bytes follow.
    pub(crate) fn push(&mut self, part: Part) {
        let carried = self.carried.take();
        let carried = carried.filter(|first| first.path == part.path && !part.is_preroll);
        let FirstPart { mut frames, decoded, .. } = carried.unwrap_or_default();
        let again = self.again.iter().position(|again| part.is_preroll && again.path == part.path);
        let again = again.map(|again| self.again.remove(again));
        if let Some(again) = &again {
            frames = again.events;
        }
        self.segments.push_back(QueuedSegment {
            part,
            bytes: None,
            has_frames: true,
            frames,
            decoded,
            end: None,
            again,
        });
    }

    /// Notes that the last segment was fed to its end.
    pub(crate) fn fed(&mut self, bytes: u64, has_frames: bool) {
        if let Some(segment) = self.segments.back_mut() {
            segment.bytes = Some(bytes);
            segment.has_frames = has_frames;
        }
    }

    /// Counts the frames of a segment whose rest another decoder decodes.
    pub(crate) fn carry(&mut self, path: String, frames: u64, decoded: u64) {
        self.carried = Some(FirstPart { path, frames, decoded });
    }

    /// Returns the tick of the session at which a frame lies.
    pub(crate) fn place(&mut self, pts: Pts) -> Option<i64> {
        let anchor = self.first()?.part.source.anchor;
        self.last = Some(anchor.place_near(self.last.unwrap_or(anchor.offset), pts));
        self.last
    }

    /// Returns the tick of the last frame, if that has this PTS.
    pub(crate) fn last_of(&self, pts: Pts) -> Option<i64> {
        let anchor = self.first()?.part.source.anchor;
        self.last.filter(|&last| anchor.place_near(last, pts) == last)
    }

    /// Ends the segments before the one that the frame at `at` lies in.
    pub(crate) fn end_before(&mut self, at: i64, snapshot: impl Fn() -> Snapshot) {
        let segments = &self.segments;
        let ends =
            |n: usize| segments.get(n + 1).is_some_and(|next| at >= next.part.source.anchor.offset);
        let ended = (0..segments.len()).filter(|&n| ends(n) && segments[n].end.is_none()).count();
        self.unended().take(ended).for_each(|segment| segment.end = Some(snapshot()));
    }

    /// Ends all segments.
    pub(crate) fn end_all(&mut self, snapshot: impl Fn() -> Snapshot) {
        self.unended().for_each(|segment| segment.end = Some(snapshot()));
    }

    /// Removes the first segment if no more frame will be selected in it: `is_decided` tells that
    /// from the number of frames since, and from the tick at which the next segment begins.
    pub(crate) fn pop_settled(
        &mut self,
        is_decided: impl FnOnce(usize, i64) -> bool,
    ) -> Option<QueuedSegment> {
        let next = self.segments.get(1)?.part.source.anchor.offset;
        let followed = self.first()?.end.as_ref()?.followed;
        if is_decided(followed, next) { self.segments.pop_front() } else { None }
    }

    /// Counts a frame for all segments that have ended.
    pub(crate) fn count_frame(&mut self) {
        for end in self.segments.iter_mut().filter_map(|segment| segment.end.as_mut()) {
            end.followed += 1;
        }
    }

    /// Returns the first segment.
    pub(crate) fn first(&self) -> Option<&QueuedSegment> {
        self.segments.front()
    }

    /// Returns the segment of the last frame.
    pub(crate) fn current(&mut self) -> Option<&mut QueuedSegment> {
        self.unended().next()
    }

    /// Returns the segment that the frame at `at` belongs to by its time, also one of a preroll.
    pub(crate) fn holding(&mut self, at: i64) -> Option<&mut QueuedSegment> {
        let holding = self.index(at);
        self.segments.get_mut(holding)
    }

    /// Returns the part that the frame at `at` belongs to by its time, and the next one, in which
    /// its bytes may lie.
    pub(crate) fn parts_of(&self, at: i64) -> impl Iterator<Item = &Part> {
        self.segments.iter().skip(self.index(at)).take(2).map(|segment| &segment.part)
    }

    /// Takes all segments out when the decoder has ended.
    pub(crate) fn end_run(&mut self, failed: bool) -> EndedRun {
        let mut ended = EndedRun::default();
        for mut segment in self.segments.drain(..) {
            if !failed || segment.end.is_some() {
                ended.done.push(segment);
            } else if segment.part.is_preroll {
                // The next decoder starts without a preroll.
                ended.blamed = Some(segment.part);
            } else if ended.blamed.is_none() {
                ended.blamed = Some(segment.part.clone());
                // The segment is done as far as possible, and is never decoded as a preroll.
                segment.bytes = segment.bytes.or(segment.part.bytes);
                segment.part.may_be_preroll = false;
                ended.done.push(segment);
            } else {
                ended.left.push(segment.part);
            }
        }
        ended
    }

    fn unended(&mut self) -> impl Iterator<Item = &mut QueuedSegment> {
        self.segments.iter_mut().filter(|segment| segment.end.is_none())
    }

    fn index(&self, at: i64) -> usize {
        let holds = |segment: &QueuedSegment| segment.part.source.anchor.offset <= at;
        self.segments.iter().rposition(holds).unwrap_or(0)
    }
}
