//! The PES packets of one PID, from their first bytes to the decision whether one is a keyframe.
use super::found::{Pes, PidCounters};
use crate::audio;
use crate::codec::{Codec, Media};
use crate::pes::{self, HEADER_MAX};
use crate::program::{AudioFormat, VideoFormat};
use crate::time::Pts;
use crate::video::access::{Entry, Walk};
use crate::video::parameter_sets::ParameterSets;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing is expected before the next PES packet.
    Idle,
    /// The header is collected.
    Header,
    /// This many bytes of the header are still to come.
    Skip(usize),
    /// The elementary stream is read.
    Stream,
}

/// A format that was seen in an elementary stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Video(VideoFormat),
    Audio(Codec, AudioFormat),
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing that was seen or not")]
pub(crate) struct Es {
    /// By the PMT.
    codec: Option<Codec>,
    pub(crate) counters: PidCounters,
    stage: Stage,
    header: [u8; HEADER_MAX],
    have: usize,
    /// The PES packet that has begun and is not decided.
    pending: Option<Pes>,
    /// The first of the PES packets before it that hold the beginning of its access unit.
    lead: Option<Pes>,
    /// The PTS of the last picture.
    last_pts: Option<Pts>,
    /// A start code has come: bytes without one go on with its picture.
    has_picture: bool,
    /// A keyframe came without the parameter sets that it needs.
    lacks_parameters: bool,
    media: Media,
    /// The current PES packet is searched for a keyframe.
    is_walked: bool,
    walk: Walk,
    wants_format: bool,
    format: Option<Format>,
}

impl Es {
    pub(crate) fn new() -> Self {
        Self {
            codec: None,
            counters: PidCounters::default(),
            stage: Stage::Idle,
            header: [0; HEADER_MAX],
            have: 0,
            pending: None,
            lead: None,
            last_pts: None,
            has_picture: false,
            lacks_parameters: false,
            media: Media::Other,
            is_walked: false,
            walk: Walk::new(),
            wants_format: true,
            format: None,
        }
    }

    /// Sets the codec that the PMT lists, and whether the format is still unknown.
    pub(crate) fn list(&mut self, codec: Option<Codec>, wants_format: bool) {
        if self.codec != codec {
            (self.walk, self.has_picture) = (Walk::new(), false);
            self.interrupt();
        }
        self.codec = codec;
        self.wants_format = wants_format;
    }

    /// Returns the codec by the PMT, or else by the start codes.
    pub(crate) fn codec(&self) -> Option<Codec> {
        self.codec.or_else(|| self.walk.codec())
    }

    /// Takes the format that was found since the last call.
    pub(crate) fn take_format(&mut self) -> Option<Format> {
        self.format.take()
    }

    /// Tells whether the payload of the next packet can be skipped if no PES packet starts in it.
    pub(crate) fn is_idle(&self) -> bool {
        self.stage == Stage::Idle
    }

    /// Returns the first PES packet of the access unit that is not decided.
    pub(crate) fn pending(&self) -> Option<&Pes> {
        self.lead.as_ref().or(self.pending.as_ref())
    }

    /// Ends the current PES packet. If it holds the beginning of an access unit, the next one
    /// decides; otherwise it is decided without. A PES packet with an incomplete header
    /// is dropped.
    pub(crate) fn close(&mut self) -> Option<Pes> {
        let is_stream = self.stage == Stage::Stream;
        let pes = self.take_known()?;
        if is_stream && self.media == Media::Video && self.walk.end() {
            match &mut self.lead {
                Some(lead) => lead.random_access |= pes.random_access,
                lead => *lead = Some(pes),
            }
            return None;
        }
        Some(self.decide_closed(pes, is_stream))
    }

    /// Decides an undecided PES packet without more of it.
    pub(crate) fn flush(&mut self) -> Option<Pes> {
        let is_stream = self.stage == Stage::Stream;
        match self.take_known() {
            Some(pes) => Some(self.decide_closed(pes, is_stream)),
            None => self.lead.take().map(|pes| self.decide(pes, false)),
        }
    }

    /// Decides a PES packet in which no picture begins; `is_stream`: its payload was walked.
    fn decide_closed(&mut self, pes: Pes, is_stream: bool) -> Pes {
        if is_stream && self.has_picture && self.walk.is_end_of_last() {
            continuation(pes)
        } else {
            self.decide(pes, false)
        }
    }

    fn take_known(&mut self) -> Option<Pes> {
        let known = matches!(self.stage, Stage::Skip(_) | Stage::Stream);
        self.stage = Stage::Idle;
        self.pending.take().filter(|_| known)
    }

    /// Drops the undecided PES packet: the PID carries none any more.
    pub(crate) fn abandon(&mut self) {
        (self.stage, self.pending, self.lead) = (Stage::Idle, None, None);
    }

    /// Tells whether a keyframe came without the parameter sets that it needs.
    pub(crate) fn lacks_parameters(&self) -> bool {
        self.lacks_parameters
    }

    /// Returns the parameter sets seen so far.
    pub(crate) fn sets(&self) -> &ParameterSets {
        self.walk.sets()
    }

    /// Skips the current unit: bytes are missing before the next payload.
    pub(crate) fn interrupt(&mut self) {
        match self.stage {
            Stage::Idle => {}
            Stage::Header => (self.stage, self.pending) = (Stage::Idle, None),
            Stage::Skip(_) | Stage::Stream => {
                self.stage = Stage::Stream;
                self.walk.interrupt();
            }
        }
    }

    /// Starts a PES packet in the next payload; the one before must be closed.
    pub(crate) fn start(&mut self, offset: u64, cut: u64, pid: u16, random_access: bool) {
        let media = Media::Other;
        let (pts, dts, entry) = (None, None, None);
        self.pending = Some(Pes { offset, cut, pid, media, pts, dts, random_access, entry });
        self.stage = Stage::Header;
        self.have = 0;
    }

    /// Takes the payload of the next packet. Returns the PES packet that it decides.
    pub(crate) fn push(&mut self, mut payload: &[u8]) -> Option<Pes> {
        let mut decided = None;
        if self.stage == Stage::Header {
            let before = self.have;
            let part = payload.len().min(HEADER_MAX - before);
            self.header[before..before + part].copy_from_slice(&payload[..part]);
            self.have += part;
            match pes::read(&self.header[..self.have]) {
                pes::Header::More => return None,
                pes::Header::Foreign => (self.stage, self.pending) = (Stage::Idle, None),
                pes::Header::Pes { stream_id, pts, dts, len } => {
                    decided = self.header(stream_id, pts, dts);
                    if self.stage == Stage::Stream {
                        self.stage = Stage::Skip(len.saturating_sub(before));
                    }
                }
            }
        }
        if let Stage::Skip(count) = self.stage {
            let Some(rest) = payload.get(count..) else {
                self.stage = Stage::Skip(count - payload.len());
                return decided;
            };
            payload = rest;
            self.stage = Stage::Stream;
        }
        if self.stage == Stage::Stream && !payload.is_empty() {
            decided = decided.or(self.stream(payload));
        }
        decided
    }

    /// Takes the complete header. Decides at once if the elementary stream is not read.
    fn header(&mut self, stream_id: u8, pts: Option<Pts>, dts: Option<Pts>) -> Option<Pes> {
        self.counters.pes_starts += 1;
        self.counters.pes_with_pts += u64::from(pts.is_some());
        self.counters.stream_id = stream_id;
        let by_id = match stream_id {
            0xE0..=0xEF => Media::Video,
            0xC0..=0xDF => Media::Audio,
            _ => Media::Other,
        };
        self.media = self.codec.map_or(by_id, Codec::media);
        let mut pes = self.pending.take()?;
        (pes.media, pes.pts, pes.dts) = (self.media, pts, dts);
        let walk = self.media == Media::Video
            && if self.lead.is_some() {
                self.walk.resume(self.codec)
            } else {
                self.walk.start(self.codec)
            };
        let look = walk || self.media == Media::Audio && self.wants_format && self.codec.is_some();
        self.stage = if look { Stage::Stream } else { Stage::Idle };
        self.is_walked = walk;
        if walk {
            self.pending = Some(pes);
            return None;
        }
        Some(self.decide(pes, false))
    }

    fn stream(&mut self, payload: &[u8]) -> Option<Pes> {
        if self.media == Media::Audio {
            self.stage = Stage::Idle;
            if let Some((codec, format)) = self.codec.and_then(|codec| audio::find(codec, payload))
            {
                self.format = Some(Format::Audio(codec, format));
                self.wants_format = false;
            }
            return None;
        }
        let keyframe = self.walk.push(payload)?;
        self.stage = Stage::Idle;
        if self.wants_format && self.codec.is_some() {
            self.format = self.walk.format().map(Format::Video);
            self.wants_format = self.format.is_none();
        }
        self.has_picture |= self.walk.has_start();
        let pes = self.pending.take()?;
        let repeats = pes.pts.is_none() || pes.pts == self.last_pts;
        if self.walk.is_within_picture() && repeats {
            // One more slice of a picture, in a PES packet of its own.
            return Some(continuation(pes));
        }
        let pes = self.decide(pes, keyframe);
        self.lacks_parameters |= pes.random_access && !self.walk.has_parameters();
        Some(pes)
    }

    fn decide(&mut self, mut pes: Pes, keyframe: bool) -> Pes {
        if let Some(lead) = self.lead.take() {
            (pes.offset, pes.cut) = (lead.offset, lead.cut);
            pes.random_access |= lead.random_access;
            if pes.pts.is_none() {
                (pes.pts, pes.dts) = (lead.pts, lead.dts);
            }
        }
        pes.entry = match pes.random_access {
            true if !self.is_walked => Some(Entry::Clean),
            flagged => self.walk.entry(keyframe, flagged),
        };
        pes.random_access = pes.entry.is_some();
        self.last_pts = pes.pts.or(self.last_pts);
        self.counters.keyframes += u64::from(pes.media == Media::Video && pes.random_access);
        pes
    }
}

/// Returns a PES packet that goes on with the picture before: its time stamps are of no picture, or
/// of the next one.
fn continuation(pes: Pes) -> Pes {
    Pes { random_access: false, pts: None, dts: None, ..pes }
}
