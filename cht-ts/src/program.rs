//! Programs and their elementary streams.
use crate::codec::{Codec, Media};

/// A program of the PAT (ISO/IEC 13818-1 §2.4.4.3) and its PMT (§2.4.4.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// `program_number`, never 0.
    pub number: u16,
    /// PID of its PMT.
    pub pmt_pid: u16,
    /// PID of its clock; 0x1FFF if it has none or the PMT has not come yet.
    pub pcr_pid: u16,
    /// Its streams, in the order of the PMT; empty while the PMT has not come yet.
    pub streams: Vec<Stream>,
}

/// An elementary stream of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// PID that carries it.
    pub pid: u16,
    /// `stream_type` (§2.4.4.9, table 2-34).
    pub stream_type: u8,
    /// The coding, from `stream_type` and descriptors; for MPEG audio the layer, once a header was
    /// seen.
    pub codec: Codec,
    /// ISO 639-2 code of the first language given.
    pub language: Option<String>,
    /// Picture size, once a parameter set was seen. It appears without a new `Found::Programs`.
    pub video: Option<VideoFormat>,
    /// Sound format, once a frame header was seen. It appears without a new `Found::Programs`.
    pub audio: Option<AudioFormat>,
}

impl Stream {
    /// Returns the kind of stream.
    #[must_use]
    pub const fn media(&self) -> Media {
        self.codec.media()
    }

    /// Tells whether both say the same of the stream, found formats and refined audio layers apart.
    pub(crate) fn same_listing(&self, other: &Self) -> bool {
        let mpeg_audio = |codec| matches!(codec, Codec::Mp1 | Codec::Mp2 | Codec::Mp3);
        self.pid == other.pid
            && self.stream_type == other.stream_type
            && self.language == other.language
            && (self.codec == other.codec || mpeg_audio(self.codec) && mpeg_audio(other.codec))
    }
}

/// Size of the pictures to be shown, cropping applied, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VideoFormat {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels (of the frame, not of a field).
    pub height: u32,
}

/// Format of sound as its frame header gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AudioFormat {
    /// Samples per second; for HE-AAC those of the core.
    pub sample_rate: u32,
    /// Channels, low frequency channel included.
    pub channels: u8,
}
