//! What of the stream is decoded, and by whom: `--decode`.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

use cht_core::timeline::Mender;
use cht_ts::{Codec, Completion, GopFilter, Plan, SingleStream};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::hwaccel::Hwaccel;

/// What is decoded.
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
    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Keyframes => "keyframes",
            Self::Fast => "fast",
        }
    }

    /// Options of ffmpeg's decoder. What is fed is thinned out already; these are for access units
    /// that share a PES packet.
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

/// A keyframe that is decoded alone comes out when so many have begun behind it: ffmpeg's demuxer
/// waits for the next one, its parser for that one's successor, and the decoder of a codec whose
/// keyframes may be reordered for one more.
pub(crate) fn holds(codec: Option<Codec>) -> usize {
    if codec == Some(Codec::H264) { 2 } else { 3 }
}

/// How a stream is decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decoding {
    pub decode: Decode,
    pub hwaccel: Hwaccel,
    /// Threads for finished segments.
    pub jobs: u8,
    pub limits: Limits,
}

/// What a decoder may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Time after which a decoder that does nothing is taken to hang.
    pub timeout: Duration,
    /// Pixels in the largest picture that is decoded.
    pub pixels: u64,
}

impl Limits {
    /// Returns what is said about the segment at `path` if its pictures are larger, as ffmpeg found
    /// when it said `words`.
    pub(crate) fn exceeded(&self, path: &str, words: &str) -> Option<String> {
        let (before, _) = words.split_once(" exceeds specified max pixel count")?;
        let (_, size) = before.rsplit_once("Picture size ")?;
        let (width, height) = size.split_once('x')?;
        Some(self.too_large(path, &width, &height))
    }

    /// Returns the same where the size is known before anything is decoded.
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

/// Takes from the segments what is fed to the decoder.
#[derive(Debug)]
pub(crate) struct Extract {
    single: SingleStream,
    completion: Option<Box<Completion>>,
    thin: Option<GopFilter>,
    mender: Mender,
    /// Packets of the video: as they come, completed, and thinned out.
    packets: Vec<u8>,
    complete: Vec<u8>,
    thinned: Vec<u8>,
    /// Access points before this segment.
    before: u64,
}

impl Extract {
    /// Begins with tables, written to `out`. The first keyframe gets the parameter `sets`, if it
    /// comes without any. A picture that begins with the PTS `first` begins the recording. `None`
    /// where the stream has to be fed as it is.
    pub(crate) fn begin(
        pid: u16,
        codec: Codec,
        decode: Decode,
        sets: Option<&[u8]>,
        first: u64,
        out: &mut Vec<u8>,
    ) -> Option<Self> {
        let single = SingleStream::begin(pid, codec, out)?;
        let thin = match decode {
            Decode::Full => None,
            Decode::Keyframes | Decode::Fast => Some(GopFilter::new(pid, codec)),
        };
        let completion = sets.map(|sets| Box::new(Completion::new(pid, codec, sets.to_vec())));
        let [packets, complete, thinned] = [const { Vec::new() }; 3];
        let mender = Mender::from_first(first);
        Some(Self { single, completion, thin, mender, packets, complete, thinned, before: 0 })
    }

    /// From the next access point on, decodes more of some groups than that.
    pub(crate) fn follow(&mut self, plan: Plan) {
        if let Some(thin) = &mut self.thin {
            thin.follow(plan);
        }
    }

    /// Appends what is to be decoded of the next bytes, which arrived at `now`, to `out`.
    pub(crate) fn push(&mut self, bytes: &[u8], now: Instant, out: &mut Vec<u8>) {
        self.single.push(bytes, &mut self.packets);
        self.hand_on(now, out);
    }

    /// Nothing has come up to `now` of a live stream: appends the picture that waits for the next
    /// one, if that takes too long. Returns whether one did.
    pub(crate) fn rest(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        self.mender.rest(now, out)
    }

    /// Completes, thins out and mends the packets that have come.
    fn hand_on(&mut self, now: Instant, out: &mut Vec<u8>) {
        let packets = match &mut self.completion {
            Some(completion) => {
                completion.push(&self.packets, &mut self.complete);
                &mut self.complete
            }
            None => &mut self.packets,
        };
        let packets = match &mut self.thin {
            Some(thin) => {
                thin.push(packets, &mut self.thinned);
                &mut self.thinned
            }
            None => packets,
        };
        self.mender.push(packets, now, out);
        self.thinned.clear();
        self.packets.clear();
        self.complete.clear();
    }

    /// The next bytes are those of another file. Returns whether this one has frames to be decoded.
    pub(crate) fn end_segment(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        self.single.finish(&mut self.packets);
        self.hand_on(now, out);
        let Some(thin) = &mut self.thin else { return true };
        let points = thin.access_points();
        std::mem::replace(&mut self.before, points) < points
    }

    /// No more bytes come.
    pub(crate) fn finish(&mut self, now: Instant, out: &mut Vec<u8>) {
        if let Some(completion) = &mut self.completion {
            completion.finish(&mut self.packets);
        }
        self.completion = None;
        self.hand_on(now, out);
        if let Some(thin) = &mut self.thin {
            thin.finish(&mut self.thinned);
        }
        self.mender.push(&self.thinned, now, out);
        self.thinned.clear();
        self.mender.finish(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_is_limited_by_the_tables_and_by_what_ffmpeg_says() {
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
