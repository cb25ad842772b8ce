//! Codings of elementary streams, by the names that ffmpeg gives them.
use std::fmt;

/// Kind of an elementary stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Media {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Subtitles, teletext, metadata, or unknown.
    Other,
}

macro_rules! codecs {
    ($($variant:ident $name:literal $media:ident $doc:literal;)*) => {
        /// Coding of an elementary stream.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Codec {
            $(#[doc = $doc] $variant,)*
        }

        impl Codec {
            /// Returns ffmpeg's name of the codec.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Returns the codec of this name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            /// Returns the kind of stream that it codes.
            #[must_use]
            pub const fn media(self) -> Media {
                match self { $(Self::$variant => Media::$media,)* }
            }
        }
    };
}

codecs! {
    H264 "h264" Video "H.264 (ISO/IEC 14496-10).";
    Hevc "hevc" Video "H.265 (ISO/IEC 23008-2).";
    Vvc "vvc" Video "H.266 (ISO/IEC 23090-3).";
    Av1 "av1" Video "AV1.";
    Mpeg1Video "mpeg1video" Video "MPEG-1 video (ISO/IEC 11172-2).";
    Mpeg2Video "mpeg2video" Video "MPEG-2 video (ISO/IEC 13818-2).";
    Mpeg4 "mpeg4" Video "MPEG-4 part 2 video (ISO/IEC 14496-2).";
    Vc1 "vc1" Video "VC-1.";
    Jpeg2000 "jpeg2000" Video "JPEG 2000.";
    Cavs "cavs" Video "Chinese AVS.";
    Dirac "dirac" Video "Dirac.";
    Aac "aac" Audio "AAC in ADTS (ISO/IEC 13818-7).";
    AacLatm "aac_latm" Audio "AAC in LATM (ISO/IEC 14496-3).";
    Mp1 "mp1" Audio "MPEG audio layer I.";
    Mp2 "mp2" Audio "MPEG audio layer II, or of a layer that is not known yet.";
    Mp3 "mp3" Audio "MPEG audio layer III.";
    Ac3 "ac3" Audio "AC-3 (ETSI TS 102 366).";
    Eac3 "eac3" Audio "Enhanced AC-3 (ETSI TS 102 366 annex E).";
    Dts "dts" Audio "DTS.";
    TrueHd "truehd" Audio "Dolby `TrueHD`.";
    Opus "opus" Audio "Opus.";
    S302m "s302m" Audio "Linear PCM (SMPTE 302M).";
    DvbSubtitle "dvb_subtitle" Other "DVB subtitles (ETSI EN 300 743).";
    DvbTeletext "dvb_teletext" Other "Teletext (ETSI EN 300 472).";
    PgsSubtitle "hdmv_pgs_subtitle" Other "Presentation graphics of Blu-ray.";
    TimedId3 "timed_id3" Other "ID3 tags with time stamps.";
    Klv "klv" Other "Key-length-value metadata (SMPTE 336M).";
    Scte35 "scte_35" Other "Splice information (SCTE 35).";
    Private "private" Other "Private data, or a `stream_type` that is not known here.";
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Codec {
    /// Returns the codec of a `stream_type` (ISO/IEC 13818-1 table 2-34; from 0x80 on as ATSC and
    /// Blu-ray use it).
    pub(crate) const fn of_stream_type(stream_type: u8) -> Self {
        match stream_type {
            0x01 => Self::Mpeg1Video,
            0x02 | 0x80 => Self::Mpeg2Video,
            0x03 | 0x04 => Self::Mp2,
            0x0F => Self::Aac,
            0x10 => Self::Mpeg4,
            0x11 => Self::AacLatm,
            0x15 => Self::TimedId3,
            0x1B | 0x20 => Self::H264,
            0x21 => Self::Jpeg2000,
            0x24 => Self::Hevc,
            0x33 => Self::Vvc,
            0x42 => Self::Cavs,
            0x81 => Self::Ac3,
            0x82 | 0x85 | 0x8A => Self::Dts,
            0x83 => Self::TrueHd,
            0x84 | 0x87 => Self::Eac3,
            0x86 => Self::Scte35,
            0x90 => Self::PgsSubtitle,
            0xD1 => Self::Dirac,
            0xEA => Self::Vc1,
            _ => Self::Private,
        }
    }

    /// Returns the `stream_type` of a codec; `None` if a descriptor has to name the codec.
    pub(crate) const fn stream_type(self) -> Option<u8> {
        Some(match self {
            Self::Mpeg1Video => 0x01,
            Self::Mpeg2Video => 0x02,
            Self::Mp1 | Self::Mp2 | Self::Mp3 => 0x03,
            Self::Aac => 0x0F,
            Self::Mpeg4 => 0x10,
            Self::AacLatm => 0x11,
            Self::H264 => 0x1B,
            Self::Hevc => 0x24,
            Self::Vvc => 0x33,
            Self::Cavs => 0x42,
            Self::Ac3 => 0x81,
            Self::Dts => 0x82,
            Self::TrueHd => 0x83,
            Self::Eac3 => 0x87,
            Self::Dirac => 0xD1,
            Self::Vc1 => 0xEA,
            _ => return None,
        })
    }

    /// Returns the descriptors that name a codec without a `stream_type` of its own; `None` if they
    /// are not known. Opus has its number of `channels` there.
    pub(crate) fn descriptors(self, channels: u8) -> Option<Vec<u8>> {
        Some(match self {
            Self::Opus => [&b"\x05\x04Opus\x7F\x02\x80"[..], &[channels]].concat(),
            Self::S302m => b"\x05\x04BSSD".to_vec(),
            _ => return None,
        })
    }

    /// Returns the codec of a registration descriptor's `format_identifier` (§2.6.8).
    pub(crate) const fn of_registration(identifier: [u8; 4]) -> Option<Self> {
        Some(match &identifier {
            b"AC-3" => Self::Ac3,
            b"EAC3" => Self::Eac3,
            b"HEVC" => Self::Hevc,
            b"VVC " => Self::Vvc,
            b"AV01" => Self::Av1,
            b"VC-1" => Self::Vc1,
            b"drac" => Self::Dirac,
            b"DTS1" | b"DTS2" | b"DTS3" => Self::Dts,
            b"Opus" => Self::Opus,
            b"BSSD" => Self::S302m,
            b"KLVA" => Self::Klv,
            b"ID3 " => Self::TimedId3,
            b"CUEI" => Self::Scte35,
            _ => return None,
        })
    }
}
