//! Keeps the parameter sets of a stream for a decoder that begins in the middle: some encoders send
//! them once, at the beginning of a connection.
use super::bits::BitReader;
use super::coding::Coding;
use super::nal::unescape;
use super::sps::{self, SampleFormat};
use crate::codec::Codec;
use crate::packet;
use crate::pes::stamp;
use crate::time::Pts;

/// Longest parameter set that is kept, in bytes.
const MAX_SET: usize = 4096;
/// Largest number of parameter sets that are kept. H.264 allows 32 SPS and 256 PPS, which no
/// encoder sends.
const MAX_SETS: usize = 64;

/// Kind of a parameter set, in the order in which decoders need them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Set {
    H264(u8),
    Hevc(u8),
    /// Sequence headers of MPEG-1 and MPEG-2, and their extensions.
    Mpeg2(u8),
}

impl Set {
    /// Returns the kind of the unit with this first byte; `None` if it is no parameter set.
    pub(crate) fn of(coding: Coding, first: u8) -> Option<Self> {
        match (coding, first) {
            (Coding::H264, _) if matches!(first & 0x1F, 7 | 8 | 13) => {
                Some(Self::H264(first & 0x1F))
            }
            (Coding::Hevc, _) if matches!(first >> 1 & 0x3F, 32..=34) => {
                Some(Self::Hevc(first >> 1 & 0x3F))
            }
            (Coding::Mpeg2, 0xB3 | 0xB5) => Some(Self::Mpeg2(first)),
            _ => None,
        }
    }

    /// Returns its id, where sets of its kind replace only those with the same id.
    fn id(self, unit: &[u8]) -> u32 {
        let ue = |from: usize| {
            let rbsp = unescape(unit.get(from..unit.len().min(from + 16)).unwrap_or_default());
            BitReader { bytes: &rbsp, at: 0 }.ue().unwrap_or(0)
        };
        match self {
            Self::H264(7) => ue(4),
            Self::H264(8 | 13) => ue(1),
            Self::Hevc(34) => ue(2),
            Self::Mpeg2(0xB5) => unit.get(1).map_or(0, |byte| u32::from(byte >> 4)),
            _ => 0,
        }
    }
}

/// The parameter sets of one stream, the last one of each id.
#[derive(Debug, Clone, Default)]
pub struct ParameterSets {
    sets: Vec<((Set, u32), Vec<u8>)>,
    coming: Option<(Set, Vec<u8>)>,
}

impl PartialEq for ParameterSets {
    /// Compares complete sets only.
    fn eq(&self, other: &Self) -> bool {
        self.sets == other.sets
    }
}

impl ParameterSets {
    pub(crate) const fn new() -> Self {
        Self { sets: Vec::new(), coming: None }
    }

    /// Begins a set with its first byte.
    pub(crate) fn begin(&mut self, set: Set, first: u8) {
        self.coming = Some((set, vec![first]));
    }

    /// Takes the next byte of the unit.
    #[inline]
    pub(crate) fn push(&mut self, byte: u8) {
        if let Some((_, unit)) = &mut self.coming {
            unit.push(byte);
            if unit.len() > MAX_SET {
                self.coming = None;
            }
        }
    }

    /// Ends the unit.
    pub(crate) fn end(&mut self) {
        let Some((set, mut unit)) = self.coming.take() else { return };
        // The zeros belong to the next start code.
        unit.truncate(unit.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1));
        let key = (set, set.id(&unit));
        match self.sets.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(at) if self.sets[at].1 == unit => {}
            Ok(at) => self.sets[at].1 = unit,
            Err(at) if self.sets.len() < MAX_SETS => self.sets.insert(at, (key, unit)),
            Err(_) => {}
        }
    }

    /// Drops the unit: it is not whole.
    pub(crate) fn abandon(&mut self) {
        self.coming = None;
    }

    /// Returns the sample format of each sequence parameter set of H.264 and HEVC.
    pub fn sample_formats(&self) -> impl Iterator<Item = SampleFormat> + '_ {
        self.sets.iter().filter_map(|((set, _), unit)| match set {
            Set::H264(7) => sps::h264_samples(&unescape(unit.get(1..)?)),
            Set::Hevc(33) => sps::hevc_samples(&unescape(unit.get(2..)?)),
            _ => None,
        })
    }

    /// Tells whether a decoder of `codec` needs parameter sets before the first picture.
    #[must_use]
    pub fn exist_in(codec: Codec) -> bool {
        matches!(Coding::of(codec), Some(Coding::H264 | Coding::Hevc | Coding::Mpeg2))
    }

    /// Tells whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// Returns the sets in packets of `pid`, for players that begin in the middle: a PES packet
    /// without time stamps whose length is given, so that no reader waits for more of it.
    #[must_use]
    pub fn packets(&self, pid: u16) -> Vec<u8> {
        self.pes_packet(pid, 0, &[])
    }

    /// Returns the same with the time stamps of the picture that follows: a decoder gives a picture
    /// those that came with the first byte of its access unit, and that is a set then.
    #[must_use]
    pub fn packets_at(&self, pid: u16, pts: Pts, dts: Pts) -> Vec<u8> {
        self.pes_packet(pid, 0xC0, &[stamp(3, pts), stamp(1, dts)].concat())
    }

    fn pes_packet(&self, pid: u16, flags: u8, stamps: &[u8]) -> Vec<u8> {
        let sets = self.elementary();
        // A length that does not fit stands for "to the next one".
        let length = u16::try_from(sets.len() + 3 + stamps.len()).unwrap_or(0);
        let mut pes = vec![0, 0, 1, 0xE0];
        pes.extend(length.to_be_bytes());
        pes.extend([0x80, flags, stamps.len() as u8]);
        pes.extend(stamps);
        pes.extend(sets);
        let mut out = Vec::new();
        packet::write(pid, &mut 0, &pes, &mut out);
        out
    }

    /// Returns the sets as an elementary stream, in the order in which a decoder needs them. The
    /// last unit is a filler that decoders skip: bytes that follow without a start code belong to
    /// it.
    #[must_use]
    pub fn elementary(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (_, unit) in &self.sets {
            out.extend([0, 0, 0, 1]);
            out.extend(unit);
        }
        let filler: &[u8] = match self.sets.last() {
            Some(((Set::H264(_), _), _)) => b"\0\0\x01\x0C\xFF\x80",
            Some(((Set::Hevc(_), _), _)) => b"\0\0\x01\x4C\x01\xFF\x80",
            Some(((Set::Mpeg2(_), _), _)) => b"\0\0\x01\xB2\x20",
            None => b"",
        };
        out.extend(filler);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::sps::Chroma;
    use super::*;

    /// Parses hexadecimal.
    fn bytes(text: &str) -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(digit).collect()
    }

    #[test]
    fn sample_formats_are_those_of_the_sequence_parameter_sets() {
        // As x264 and x265 sent them.
        let cases = [
            (
                Coding::H264,
                "67f4000a9196847b011000000300100000030320f1226a",
                SampleFormat { chroma: Chroma::Yuv444, depth: 8 },
            ),
            (
                Coding::H264,
                "677a000ab6cb423d8088000003000800000301907891350000000168ce",
                SampleFormat { chroma: Chroma::Yuv422, depth: 10 },
            ),
            (
                Coding::H264,
                "6742c00ada11ec0440000003004000000c83c489a8",
                SampleFormat { chroma: Chroma::Yuv420, depth: 8 },
            ),
            (
                Coding::Hevc,
                "4201010408000003009e0800000300001e90041062cb2b2a5261780b4040000003004000000642",
                SampleFormat { chroma: Chroma::Yuv444, depth: 8 },
            ),
            (
                Coding::Hevc,
                "420101040800000300980800000300001e90041062294b2b2a5261780b4040000003004000000642",
                SampleFormat { chroma: Chroma::Yuv444, depth: 12 },
            ),
            (
                Coding::Hevc,
                "42010104080000\
                 03009d0800000300001eb02083136595952930bc05a02000000300200000030321",
                SampleFormat { chroma: Chroma::Yuv422, depth: 10 },
            ),
        ];
        let formats = |coding, units: &[&[u8]]| {
            let mut sets = ParameterSets::new();
            for unit in units {
                sets.begin(Set::of(coding, unit[0]).unwrap(), unit[0]);
                unit[1..].iter().for_each(|&byte| sets.push(byte));
                sets.end();
            }
            sets.sample_formats().collect::<Vec<_>>()
        };
        for (coding, text, format) in cases {
            let unit = bytes(text);
            assert_eq!(formats(coding, &[&unit]), [format], "{text}");
            assert_eq!(formats(coding, &[&unit[..4]]), [], "{text}");
        }
        assert_eq!(formats(Coding::H264, &[b"\x68\xce\x3c\x80"]), []);
        assert_eq!(formats(Coding::Mpeg2, &[b"\xb3\x10\x20\x30"]), []);
    }
}
