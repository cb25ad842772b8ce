//! Finds out whether decoding can begin at a PES packet, by a walk over the start codes of its
//! video.
//!
//! The walk takes the stream in pieces as packets carry it, and keeps only the last two zeros, the
//! first bytes of the current unit, and parameter sets. It ends at the first slice or picture
//! header: of most PES packets it reads one or two packets. An access unit may have begun in PES
//! packets before.
use super::coding::Coding;
use super::parameter_sets::{ParameterSets, Set};
use super::sei::Sei;
use super::sps;
use crate::codec::Codec;
use crate::program::VideoFormat;

/// Longest part of a PES packet that is walked, in bytes. Parameter sets and SEI take a few
/// kilobytes.
const MAX_WALK: usize = 64 << 10;
/// Longest SPS that is read, in bytes. Scaling lists of every size and the VUI fit.
const MAX_SPS: usize = 1024;
/// Bytes kept of other units, enough for the slice type of H.264.
const MAX_HEAD: usize = 8;

/// How decoding can begin at a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entry {
    /// With this picture, as the stream itself shows. For codecs that are not parsed: as the
    /// indicator claims.
    Clean,
    /// With this picture, but pictures are exact only from a later one on, by `recovery_frame_cnt`
    /// (ISO/IEC 14496-10 §D.2.8): gradual refresh.
    Gradual,
    /// By the indicator alone: the picture does not look like one. Remuxers set it on pictures that
    /// refer to others.
    Claimed,
}

/// Chooses the access points that lead to a complete picture, going back from it: a clean one, or
/// the second of gradual refreshes, since one whole refresh has to be decoded.
///
/// ```
/// use cht_ts::{Accesses, Entry::{Claimed, Clean, Gradual}};
///
/// let mut accesses = Accesses::default();
/// let back = [Some(Gradual), None, Some(Claimed), Some(Gradual), Some(Clean)];
/// assert_eq!(back.map(|entry| accesses.takes(entry)), [false, false, false, true, true]);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Accesses {
    refreshes: u32,
}

impl Accesses {
    /// Tells whether decoding can begin at the next picture before, which is an entry of this kind.
    pub fn takes(&mut self, entry: Option<Entry>) -> bool {
        match entry {
            Some(Entry::Clean) => true,
            Some(Entry::Gradual) => {
                self.refreshes += 1;
                self.refreshes > 1
            }
            Some(Entry::Claimed) | None => false,
        }
    }
}

/// Treatment of the bytes of the current unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// Waiting for a start code.
    Skip,
    /// Collecting the first bytes until they tell the type.
    Head,
    /// An SPS is collected whole.
    Sps,
    Sei(Sei),
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing that was seen or not")]
pub(crate) struct Walk {
    coding: Option<Coding>,
    unit: Unit,
    zeros: u8,
    left: usize,
    /// No start code has come since the beginning, and no byte is missing.
    is_without_start: bool,
    /// Contents of the access unit as far as it is walked.
    unit_seen: bool,
    sps_seen: bool,
    recovery_seen: bool,
    /// The recovery point seen lies some pictures later: until then they are not exact.
    is_gradual: bool,
    /// The first slice refers to no other picture.
    is_intra: bool,
    /// The first slice is not the first of its picture.
    within_picture: bool,
    head: Vec<u8>,
    format: Option<VideoFormat>,
    sets: ParameterSets,
}

impl Walk {
    pub(crate) const fn new() -> Self {
        Self {
            coding: None,
            unit: Unit::Skip,
            zeros: 0,
            left: 0,
            is_without_start: false,
            unit_seen: false,
            sps_seen: false,
            recovery_seen: false,
            is_gradual: false,
            is_intra: false,
            within_picture: false,
            head: Vec::new(),
            format: None,
            sets: ParameterSets::new(),
        }
    }

    /// Begins at the payload of a PES packet that begins an access unit. Without a `codec` the
    /// first start code determines it, once. Returns whether the codec is parsed.
    pub(crate) fn start(&mut self, codec: Option<Codec>) -> bool {
        (self.unit_seen, self.sps_seen, self.recovery_seen) = (false, false, false);
        self.is_without_start = true;
        (self.within_picture, self.is_gradual, self.is_intra) = (false, false, false);
        self.resume(codec)
    }

    /// Begins at the payload of a PES packet within an access unit that began before.
    pub(crate) fn resume(&mut self, codec: Option<Codec>) -> bool {
        if let Some(codec) = codec {
            let Some(coding) = Coding::of(codec) else { return false };
            self.coding = Some(coding);
        }
        (self.unit, self.zeros, self.left) = (Unit::Skip, 0, MAX_WALK);
        true
    }

    /// Ends a PES packet without a picture. Returns whether it holds the beginning of an access
    /// unit, whose picture the next one brings.
    pub(crate) fn end(&mut self) -> bool {
        let _ = self.end_unit();
        self.sets.end();
        self.unit_seen && self.left > 0
    }

    /// Tells whether a PES packet that has ended without a picture holds no start code: its bytes
    /// end the unit before.
    pub(crate) const fn is_end_of_last(&self) -> bool {
        self.is_without_start && self.left > 0 && self.left < MAX_WALK
    }

    /// Tells whether a start code has come since the beginning, or bytes are missing.
    pub(crate) const fn has_start(&self) -> bool {
        !self.is_without_start
    }

    /// Returns the codec that the start codes are read as.
    pub(crate) fn codec(&self) -> Option<Codec> {
        self.coding.map(Coding::codec)
    }

    /// Skips the current unit: bytes of it are missing.
    pub(crate) fn interrupt(&mut self) {
        (self.unit, self.zeros) = (Unit::Skip, 0);
        self.is_without_start = false;
        self.sets.abandon();
    }

    /// Tells whether the access unit holds a parameter set or sequence header, which its picture
    /// needs.
    pub(crate) const fn has_parameters(&self) -> bool {
        self.sps_seen
    }

    /// Tells whether the picture that was found goes on from a PES packet before.
    pub(crate) const fn is_within_picture(&self) -> bool {
        self.within_picture
    }

    /// Returns how decoding can begin at the picture, which is a `keyframe` by its own bytes and
    /// `flagged` by `random_access_indicator`.
    pub(crate) const fn entry(&self, keyframe: bool, flagged: bool) -> Option<Entry> {
        match (keyframe, flagged) {
            (true, _) if self.is_gradual => Some(Entry::Gradual),
            (true, _) => Some(Entry::Clean),
            (false, true) => Some(Entry::Claimed),
            (false, false) => None,
        }
    }

    /// Tells whether the picture is complete when it is decoded alone.
    pub(crate) const fn stands_alone(&self, keyframe: bool, flagged: bool) -> bool {
        match self.entry(keyframe, flagged) {
            Some(Entry::Clean) => true,
            Some(Entry::Gradual | Entry::Claimed) => self.is_intra,
            None => false,
        }
    }

    /// Returns the parameter sets seen so far.
    pub(crate) const fn sets(&self) -> &ParameterSets {
        &self.sets
    }

    /// Returns the picture size, once it was seen.
    pub(crate) const fn format(&self) -> Option<VideoFormat> {
        self.format
    }

    /// Takes the next bytes. Returns whether the PES packet begins with a keyframe, once that is
    /// known or the search is given up.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Option<bool> {
        let bytes = &bytes[..bytes.len().min(self.left)];
        self.left -= bytes.len();
        for &byte in bytes {
            if let Some(keyframe) = self.byte(byte) {
                return Some(keyframe);
            }
        }
        (self.left == 0).then_some(false)
    }

    fn byte(&mut self, byte: u8) -> Option<bool> {
        let zeros = self.zeros;
        self.zeros = if byte == 0 { (zeros + 1).min(2) } else { 0 };
        if zeros == 2 && byte == 1 {
            let keyframe = self.end_unit();
            self.sets.end();
            self.head.clear();
            self.is_without_start = false;
            self.unit = Unit::Head;
            return keyframe;
        }
        self.sets.push(byte);
        // emulation_prevention_three_byte (ISO/IEC 14496-10 §7.3.1, ISO/IEC 23008-2 §7.3.1.1).
        let escaped = matches!(self.coding, Some(Coding::H264 | Coding::Hevc));
        if zeros == 2 && byte == 3 && escaped {
            return None;
        }
        match self.unit {
            Unit::Skip => None,
            Unit::Head => {
                self.head.push(byte);
                let keyframe = self.head(false);
                if keyframe.is_none() && self.unit == Unit::Head && self.head.len() >= MAX_HEAD {
                    self.unit = Unit::Skip;
                }
                keyframe
            }
            Unit::Sps => {
                self.head.push(byte);
                if self.head.len() == MAX_SPS { self.end_unit() } else { None }
            }
            Unit::Sei(mut sei) => {
                sei.push(byte, &mut self.recovery_seen, &mut self.is_gradual);
                self.unit = Unit::Sei(sei);
                None
            }
        }
    }

    /// Ends the current unit at a start code, and decides with the bytes collected.
    fn end_unit(&mut self) -> Option<bool> {
        let unit = std::mem::replace(&mut self.unit, Unit::Skip);
        match (unit, self.coding) {
            (Unit::Head, _) => self.head(true),
            (Unit::Sps, Some(Coding::H264)) => {
                self.format = self.head.get(1..).and_then(sps::h264);
                None
            }
            (Unit::Sps, _) => {
                self.format = self.head.get(2..).and_then(sps::hevc);
                None
            }
            _ => None,
        }
    }

    /// Parses the first bytes of a unit, which may be `all` of it.
    fn head(&mut self, all: bool) -> Option<bool> {
        let &first = self.head.first()?;
        match self.coding.or_else(|| Coding::guess(first)) {
            None => None,
            Some(coding) => {
                self.coding = Some(coding);
                if self.head.len() == 1
                    && let Some(set) = Set::of(coding, first)
                {
                    self.sets.begin(set, first);
                }
                match coding {
                    Coding::H264 => self.h264(first, all),
                    Coding::Hevc => self.hevc(first),
                    Coding::Mpeg2 => self.mpeg2(first),
                    Coding::Mpeg4 => self.mpeg4(first),
                }
            }
        }
    }

    /// Parses a NAL unit of H.264 (ISO/IEC 14496-10 table 7-1).
    fn h264(&mut self, first: u8, all: bool) -> Option<bool> {
        match first & 0x1F {
            1 | 2 | 5 if self.head.len() < 2 && !all => return None,
            nal_type @ (1 | 2 | 5) => {
                // first_mb_in_slice is 0 where the next bit is set.
                let is_first = self.head.get(1).is_none_or(|byte| byte >> 7 == 1);
                self.within_picture = !is_first && !self.unit_seen;
                let slice = sps::h264_slice_type(&self.head[1..]);
                self.is_intra = matches!(slice, Some(2 | 4 | 7 | 9));
                if nal_type == 5 || self.recovery_seen {
                    self.is_gradual &= nal_type != 5;
                    return Some(true);
                }
                if !self.sps_seen {
                    return Some(false);
                }
                if all || self.head.len() == MAX_HEAD {
                    return Some(self.is_intra);
                }
                return None;
            }
            6 => self.unit = Unit::Sei(Sei::START),
            7 => {
                self.sps_seen = true;
                self.unit = if self.format.is_none() { Unit::Sps } else { Unit::Skip };
            }
            _ => self.unit = Unit::Skip,
        }
        self.unit_seen = true;
        None
    }

    /// Parses a NAL unit of HEVC (ISO/IEC 23008-2 table 7-1); only the base layer counts.
    fn hevc(&mut self, first: u8) -> Option<bool> {
        let &second = self.head.get(1)?;
        let base_layer = first & 1 == 0 && second & 0xF8 == 0;
        match first >> 1 & 0x3F {
            nal_type @ (0..=9 | 16..=21) if base_layer => {
                // first_slice_segment_in_pic_flag
                let is_first = self.head.get(2)? >> 7 == 1;
                self.within_picture = !is_first && !self.unit_seen;
                return Some(nal_type >= 16);
            }
            33 if base_layer => {
                self.sps_seen = true;
                self.unit = if self.format.is_none() { Unit::Sps } else { Unit::Skip };
            }
            _ => self.unit = Unit::Skip,
        }
        self.unit_seen = true;
        None
    }

    /// Parses a header of MPEG-1 or MPEG-2 (ISO/IEC 13818-2 §6.2.2 and §6.2.3).
    fn mpeg2(&mut self, first: u8) -> Option<bool> {
        let rest = &self.head[1..];
        self.unit_seen |= matches!(first, 0xB2 | 0xB3 | 0xB5 | 0xB8);
        self.sps_seen |= first == 0xB3;
        match first {
            0x00 => return rest.get(1).map(|byte| byte >> 3 & 7 == 1),
            0xB3 => {
                let &[a, b, c] = rest.first_chunk()?;
                let (a, b, c) = (u32::from(a), u32::from(b), u32::from(c));
                let (width, height) = (a << 4 | b >> 4, (b & 15) << 8 | c);
                self.format = Some(VideoFormat { width, height });
            }
            // The sequence extension prepends two bits to each.
            0xB5 if rest.first().is_none_or(|byte| byte >> 4 == 1) => {
                let &[_, b, c] = rest.first_chunk()?;
                if let Some(format) = &mut self.format {
                    format.width =
                        format.width & 0xFFF | u32::from(b & 1) << 13 | u32::from(c >> 7) << 12;
                    format.height = format.height & 0xFFF | u32::from(c >> 5 & 3) << 12;
                }
            }
            _ => {}
        }
        self.unit = Unit::Skip;
        None
    }

    /// Parses a header of MPEG-4 (ISO/IEC 14496-2 §6.2.5).
    fn mpeg4(&mut self, first: u8) -> Option<bool> {
        if first == 0xB6 {
            return self.head.get(1).map(|byte| byte >> 6 == 0);
        }
        self.unit = Unit::Skip;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(codec: Option<Codec>, bytes: &[u8]) -> Option<bool> {
        let mut whole = Walk::new();
        whole.start(codec);
        let verdict = whole.push(bytes);
        let mut split = Walk::new();
        split.start(codec);
        let by_byte = bytes.iter().find_map(|&byte| split.push(&[byte]));
        assert_eq!(verdict, by_byte);
        assert_eq!(whole.format(), split.format());
        verdict
    }

    const AUD: &[u8] = b"\0\0\0\x01\x09\xF0";

    #[test]
    fn h264() {
        let walk = |units: &[&[u8]]| {
            let bytes: Vec<u8> = units.concat();
            let known = walk(Some(Codec::H264), &bytes);
            assert_eq!(known, super::tests::walk(None, &bytes));
            known
        };
        let sps = b"\0\0\x01\x67\x64\0\x28\xAC".as_slice();
        assert_eq!(walk(&[AUD]), None);
        assert_eq!(walk(&[AUD, b"\0\0\x01\x65\x88"]), Some(true));
        assert_eq!(walk(&[AUD, b"\0\0\x01\x41\x9A"]), Some(false));
        // I and P slice after an SPS; the second is short and ended by a start code.
        assert_eq!(walk(&[AUD, sps, b"\0\0\x01\x41\x88\x81\x82\x83\x84\x85\x86"]), Some(true));
        assert_eq!(walk(&[AUD, sps, b"\0\0\x01\x41\x9A\0\0\x01"]), Some(false));
        // Recovery point after another message whose payload holds an escaped start code.
        let sei = b"\0\0\x01\x06\x05\x04\0\0\x03\x01\x06\x06\x01\xC4\x80";
        assert_eq!(walk(&[AUD, sei, b"\0\0\x01\x41\x9A"]), Some(true));
        let sei = b"\0\0\x01\x06\x05\x03\x06\x06\x06\x80";
        assert_eq!(walk(&[AUD, sei, b"\0\0\x01\x41\x9A"]), Some(false));
    }

    #[test]
    fn indicator_alone_is_a_claimed_entry() {
        let sps = b"\0\0\x01\x67\x64\0\x28\xAC".as_slice();
        let recovery = |count: u8| [b"\0\0\x01\x06\x06\x01".as_slice(), &[count, 0x80]].concat();
        let (intra, inter) = (b"\0\0\x01\x41\x88\x81\x82", b"\0\0\x01\x41\x9A\x81\x82");
        let entry = |units: &[&[u8]]| {
            let mut walk = Walk::new();
            walk.start(Some(Codec::H264));
            let keyframe = walk.push(&[units.concat(), vec![0x85; MAX_HEAD]].concat());
            let keyframe = keyframe == Some(true);
            (walk.entry(keyframe, true), walk.stands_alone(keyframe, true))
        };
        assert_eq!(entry(&[AUD, b"\0\0\x01\x65\x88"]), (Some(Entry::Clean), true));
        assert_eq!(entry(&[AUD, sps, intra]), (Some(Entry::Clean), true));
        assert_eq!(entry(&[AUD, intra]), (Some(Entry::Claimed), true));
        assert_eq!(entry(&[AUD, inter]), (Some(Entry::Claimed), false));
        // recovery_frame_cnt 0, and 23.
        assert_eq!(entry(&[AUD, &recovery(0xC4), inter]), (Some(Entry::Clean), true));
        assert_eq!(entry(&[AUD, &recovery(0x0C), inter]), (Some(Entry::Gradual), false));
        assert_eq!(entry(&[AUD, &recovery(0x0C), intra]), (Some(Entry::Gradual), true));
    }

    #[test]
    fn hevc() {
        let aud = b"\0\0\0\x01\x46\x01\x50".as_slice();
        for nal_type in 0..32_u8 {
            let bytes = [aud, &[0, 0, 1, nal_type << 1, 1, 0x80]].concat();
            let expected = match nal_type {
                0..=9 => Some(false),
                16..=21 => Some(true),
                _ => None,
            };
            assert_eq!(walk(Some(Codec::Hevc), &bytes), expected);
            assert_eq!(walk(None, &bytes), expected);
        }
    }

    #[test]
    fn mpeg2_picture_and_size() {
        let header = b"\0\0\x01\xB3\x78\x04\x38\x13\0\0\x01\xB5\x14\x8A\0\x01\0\0";
        let mut walk = Walk::new();
        walk.start(Some(Codec::Mpeg2Video));
        assert_eq!(walk.push(header), None);
        assert_eq!(walk.format(), Some(VideoFormat { width: 1920, height: 1080 }));
        assert_eq!(walk.push(b"\0\0\x01\0\0\x0F"), Some(true));
        assert_eq!(super::tests::walk(None, b"\0\0\x01\0\0\x17"), Some(false));
    }

    #[test]
    fn search_for_slice_is_bounded() {
        let mut walk = Walk::new();
        walk.start(Some(Codec::H264));
        assert_eq!(walk.push(&vec![0xAA; MAX_WALK - 1]), None);
        assert_eq!(walk.push(&[0xAA; 10]), Some(false));
    }
}
