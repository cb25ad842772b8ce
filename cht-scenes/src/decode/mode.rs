//! Extracts the part of the stream to decode (`--decode`), and sets the limits of a decoder.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

use cht_core::timeline::Mender;
use cht_ts::{Codec, Completion, GopFilter, Plan, Pts, SingleStream};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::hwaccel::Hwaccel;

/// Selects the frames to decode.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Decode {
    /// Every frame
    #[default]
    Full,
    /// Keyframes only
    Keyframes,
    /// GOPs in which something changes, and all keyframes
    Fast,
}

impl Decode {
    /// Returns the name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Keyframes => "keyframes",
            Self::Fast => "fast",
        }
    }

    /// Returns the options of ffmpeg's decoder. Its input is filtered already; these options are
    /// for access units that share a PES packet.
    pub(crate) fn options(self, codec: Option<Codec>) -> &'static [&'static str] {
        match (self, codec) {
            // The second field of a keyframe may be a P picture.
            (Self::Full | Self::Fast, _) | (Self::Keyframes, Some(Codec::H264)) => &[],
            (Self::Keyframes, Some(Codec::Mpeg1Video | Codec::Mpeg2Video)) => {
                &["-skip_frame", "bidir"]
            }
            (Self::Keyframes, _) => &["-skip_frame", "nokey"],
        }
    }
}

/// Returns the number of later keyframes that have to begin before a keyframe decoded alone comes
/// out: ffmpeg's demuxer waits for the next one, its parser for the one after it, and the decoder
/// of a codec whose keyframes may be reordered for one more.
pub(crate) fn holds(codec: Option<Codec>) -> usize {
    if codec == Some(Codec::H264) { 2 } else { 3 }
}

/// Describes how a stream is decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decoding {
    pub decode: Decode,
    pub hwaccel: Hwaccel,
    /// Decoders next to each other, or threads of one, for finished segments.
    pub jobs: u8,
    pub limits: Limits,
}

/// Limits the time and the picture size of a decoder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Time without progress after which a decoder counts as hung.
    pub timeout: Duration,
    /// Size of the largest picture to decode, in pixels.
    pub pixels: u64,
}

impl Limits {
    /// Returns the error message for the segment at `path` if its pictures are larger, as ffmpeg's
    /// last messages, `words`, say.
    pub(crate) fn exceeded(&self, path: &str, words: &str) -> Option<String> {
        let (before, _) = words.split_once(" exceeds specified max pixel count")?;
        let (_, size) = before.rsplit_once("Picture size ")?;
        let (width, height) = size.split_once('x')?;
        Some(self.too_large(path, &width, &height))
    }

    /// Returns the same message where the size is known before decoding.
    pub(crate) fn exceeded_by(&self, path: &str, (width, height): (u32, u32)) -> Option<String> {
        let is_too_large = u64::from(width) * u64::from(height) > self.pixels;
        is_too_large.then(|| self.too_large(path, &width, &height))
    }

    fn too_large(&self, path: &str, width: &dyn Display, height: &dyn Display) -> String {
        format!(
            "{path}: pictures of {width}x{height} are larger than --max-pixels {} allows; left out",
            self.pixels
        )
    }
}

/// Extracts the packets for the decoder from the segments.
#[derive(Debug)]
pub(crate) struct Extract {
    single: SingleStream,
    completion: Option<Box<Completion>>,
    filter: Option<GopFilter>,
    mender: Mender,
    /// Packets of the video: as received, completed, and filtered.
    packets: Vec<u8>,
    complete: Vec<u8>,
    filtered: Vec<u8>,
    /// Number of access points before this segment.
    before: u64,
}

impl Extract {
    /// Writes tables to `out` to begin with. The first keyframe gets the parameter `sets` if it has
    /// none. A picture that begins with the PTS `first` begins the recording. Returns `None` where
    /// the stream has to be fed as it is.
    pub(crate) fn begin(
        pid: u16,
        codec: Codec,
        decode: Decode,
        sets: Option<&[u8]>,
        first: Pts,
        out: &mut Vec<u8>,
    ) -> Option<Self> {
        let single = SingleStream::begin(pid, codec, out)?;
        let filter = match decode {
            Decode::Full => None,
            Decode::Keyframes | Decode::Fast => Some(GopFilter::new(pid, codec)),
        };
        let completion = sets.map(|sets| Box::new(Completion::new(pid, codec, sets.to_vec())));
        let [packets, complete, filtered] = [const { Vec::new() }; 3];
        let mender = Mender::from_first(first);
        Some(Self { single, completion, filter, mender, packets, complete, filtered, before: 0 })
    }

    /// Decodes, from the next access point on, more of some groups than that point.
    pub(crate) fn follow(&mut self, plan: Plan) {
        if let Some(filter) = &mut self.filter {
            filter.follow(plan);
        }
    }

    /// Appends the packets to decode from the next bytes, received at `now`, to `out`.
    pub(crate) fn push(&mut self, bytes: &[u8], now: Instant, out: &mut Vec<u8>) {
        self.single.push(bytes, &mut self.packets);
        self.hand_on(now, out);
    }

    /// Notes that nothing of a live stream has come up to `now`: appends the picture held back for
    /// the next one, if that takes too long. Returns whether it appended one.
    pub(crate) fn rest(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        self.mender.rest(now, out)
    }

    /// Completes, filters and mends the packets received.
    fn hand_on(&mut self, now: Instant, out: &mut Vec<u8>) {
        let packets = match &mut self.completion {
            Some(completion) => {
                completion.push(&self.packets, &mut self.complete);
                &mut self.complete
            }
            None => &mut self.packets,
        };
        let packets = match &mut self.filter {
            Some(filter) => {
                filter.push(packets, &mut self.filtered);
                &mut self.filtered
            }
            None => packets,
        };
        self.mender.push(packets, now, out);
        self.filtered.clear();
        self.packets.clear();
        self.complete.clear();
    }

    /// Ends the file that was pushed; the next bytes are another file's. Returns whether this one
    /// has frames to decode.
    pub(crate) fn end_segment(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        self.single.finish(&mut self.packets);
        self.hand_on(now, out);
        let Some(filter) = &mut self.filter else { return true };
        let points = filter.access_points();
        std::mem::replace(&mut self.before, points) < points
    }

    /// Ends the input, and appends all packets that were held back.
    pub(crate) fn finish(&mut self, now: Instant, out: &mut Vec<u8>) {
        if let Some(completion) = &mut self.completion {
            completion.finish(&mut self.packets);
        }
        self.completion = None;
        self.hand_on(now, out);
        if let Some(filter) = &mut self.filter {
            filter.finish(&mut self.filtered);
        }
        self.mender.push(&self.filtered, now, out);
        self.filtered.clear();
        self.mender.finish(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_above_limit_is_named_from_tables_and_from_ffmpeg() {
        let limits = Limits { timeout: Duration::ZERO, pixels: 35_651_584 };
        assert_eq!(limits.exceeded_by("a", (7680, 4320)), None);
        assert_eq!(limits.exceeded_by("a", (8192, 4352)), None);
        let said =
            "a: pictures of 16000x16000 are larger than --max-pixels 35651584 allows; left out";
        assert_eq!(limits.exceeded_by("a", (16000, 16000)).as_deref(), Some(said));
        let words = "no frame! | [IMGUTILS @ 0x7f] Picture size 16000x16000 exceeds specified max pixel count \
                     35651584, see the documentation if you wish to increase it | more";
        assert_eq!(limits.exceeded("a", words).as_deref(), Some(said));
        assert_eq!(limits.exceeded("a", "it said nothing"), None);
    }
}
