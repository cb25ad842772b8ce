//! Syntaxes of video that are read down to the headers of pictures.
use crate::codec::Codec;

/// Syntax of the units between start codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    H264,
    Hevc,
    /// MPEG-1 and MPEG-2, whose headers are alike.
    Mpeg2,
    Mpeg4,
}

impl Coding {
    /// Returns the syntax of `codec`; `None` if it is not read.
    pub(crate) const fn of(codec: Codec) -> Option<Self> {
        match codec {
            Codec::H264 => Some(Self::H264),
            Codec::Hevc => Some(Self::Hevc),
            Codec::Mpeg1Video | Codec::Mpeg2Video => Some(Self::Mpeg2),
            Codec::Mpeg4 => Some(Self::Mpeg4),
            _ => None,
        }
    }

    /// Guesses the syntax of a stream that no PMT lists from the byte after its first start code.
    /// Access units of H.264 and HEVC in transport streams begin with a delimiter, those of MPEG-2
    /// with a header above 0x7F.
    pub(crate) const fn guess(first: u8) -> Option<Self> {
        match first {
            0x09 | 0x06 | 0x67 | 0x27 | 0x47 | 0x65 | 0x61 | 0x41 | 0x21 | 0x01 => Some(Self::H264),
            0x46 | 0x40 | 0x42 | 0x4E | 0x26 | 0x28 | 0x2A | 0x02 => Some(Self::Hevc),
            0xB3 | 0xB8 | 0x00 => Some(Self::Mpeg2),
            0xB0 | 0xB6 => Some(Self::Mpeg4),
            _ => None,
        }
    }

    /// Returns the codec of this syntax: of MPEG-1 and MPEG-2 the second.
    pub(crate) const fn codec(self) -> Codec {
        match self {
            Self::H264 => Codec::H264,
            Self::Hevc => Codec::Hevc,
            Self::Mpeg2 => Codec::Mpeg2Video,
            Self::Mpeg4 => Codec::Mpeg4,
        }
    }
}
