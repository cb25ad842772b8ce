//! Reads the NUT container in which ffmpeg hands over sound: each packet with its time stamp.
//!
//! Raw samples have no time stamps, and a filter that prints them (`ashowinfo`) takes two thirds of
//! the time of decoding AAC. NUT takes a tenth. The reader takes one stream of `pcm_f32le`, as
//! ffmpeg writes it: <https://ffmpeg.org/~michael/nut.txt>.

use std::io::{self, Read};

/// First bytes of a file.
const FILE_ID: &[u8] = b"nut/multimedia container\0";

/// Start codes, of which the first byte is `N`.
const MAIN: u64 = 0x4E4D_7A56_1F5F_04AD;
const STREAM: u64 = 0x4E53_1140_5BF2_F9DB;
const SYNCPOINT: u64 = 0x4E4B_E4AD_EECA_4569;

/// Longest header and packet that are read, in bytes: a second of eight channels at 192 kHz.
const MAX_LENGTH: u64 = 8 << 20;

/// Flags of a frame.
mod flag {
    pub(super) const CODED_PTS: u64 = 8;
    pub(super) const STREAM_ID: u64 = 16;
    pub(super) const SIZE_MSB: u64 = 32;
    pub(super) const CHECKSUM: u64 = 64;
    pub(super) const RESERVED: u64 = 128;
    pub(super) const SIDE_DATA: u64 = 256;
    pub(super) const HEADER_INDEX: u64 = 1024;
    pub(super) const MATCH_TIME: u64 = 2048;
    pub(super) const CODED_FLAGS: u64 = 4096;
    pub(super) const INVALID: u64 = 8192;
}

/// Meaning of a frame code.
#[derive(Debug, Clone, Copy, Default)]
struct Code {
    flags: u64,
    pts_delta: i64,
    size_mul: u64,
    size_lsb: u64,
    reserved: u64,
    header: usize,
}

/// Sound of one packet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Packet {
    /// Time of its first sample, in units of `base`.
    pub pts: i64,
    /// Unit of time: numerator and denominator of seconds.
    pub base: (u64, u64),
    pub rate: u32,
    pub channels: u16,
    /// Samples, channel after channel.
    pub samples: Vec<f32>,
}

/// Reader of one stream.
#[derive(Debug)]
pub(crate) struct NutReader<R> {
    input: R,
    codes: Vec<Code>,
    /// Beginnings of packets that are left out of them.
    elided: Vec<Vec<u8>>,
    base: (u64, u64),
    msb_pts_shift: u32,
    rate: u32,
    channels: u16,
    last_pts: i64,
    is_begun: bool,
    /// The packet that was read last.
    bytes: Vec<u8>,
}

impl<R: Read> NutReader<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            codes: Vec::new(),
            elided: vec![Vec::new()],
            base: (1, 1),
            msb_pts_shift: 0,
            rate: 0,
            channels: 0,
            last_pts: 0,
            is_begun: false,
            bytes: Vec::new(),
        }
    }

    /// Reads the next packet; `None` at the end, also within a packet of a killed ffmpeg.
    pub(crate) fn next(&mut self) -> io::Result<Option<Packet>> {
        match self.read() {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            result => result.map(Some),
        }
    }

    fn read(&mut self) -> io::Result<Packet> {
        if !self.is_begun {
            let mut id = [0; FILE_ID.len()];
            self.input.read_exact(&mut id)?;
            ensure(id == FILE_ID, "no NUT")?;
            self.is_begun = true;
        }
        loop {
            let code = self.byte()?;
            if code == b'N' {
                self.header()?;
                continue;
            }
            return self.frame(code);
        }
    }

    /// Reads a packet that begins with a start code.
    fn header(&mut self) -> io::Result<()> {
        let mut rest = [0; 8];
        self.input.read_exact(&mut rest[1..])?;
        rest[0] = b'N';
        let start_code = u64::from_be_bytes(rest);
        let length = self.number()?;
        ensure(length <= MAX_LENGTH, "a header of NUT is too long")?;
        if length > 4096 {
            self.skip(4)?;
        }
        let mut bytes = vec![0; length as usize];
        self.input.read_exact(&mut bytes)?;
        let mut fields = Fields(&bytes);
        match start_code {
            MAIN => self.main(&mut fields),
            STREAM => self.stream(&mut fields),
            SYNCPOINT => {
                // Times are in the one time base.
                self.last_pts = fields.number()? as i64;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn main(&mut self, fields: &mut Fields<'_>) -> io::Result<()> {
        ensure(fields.number()? == 3, "a version of NUT that is not known")?;
        let streams = fields.number()?;
        let _max_distance = fields.number()?;
        let bases = fields.number()?;
        ensure(streams == 1 && bases == 1, "NUT with several streams")?;
        self.base = (fields.number()?, fields.number()?.max(1));
        self.codes.clear();
        let mut code = Code { size_mul: 1, ..Code::default() };
        while self.codes.len() < 256 {
            code.flags = fields.number()?;
            let count = fields.number()?;
            let given = |n| count > n;
            if given(0) {
                code.pts_delta = fields.signed()?;
            }
            if given(1) {
                code.size_mul = fields.number()?;
            }
            if given(2) {
                fields.number()?;
            }
            code.size_lsb = if given(3) { fields.number()? } else { 0 };
            code.reserved = if given(4) { fields.number()? } else { 0 };
            let mut repeats = if given(5) {
                fields.number()?
            } else {
                code.size_mul.saturating_sub(code.size_lsb)
            };
            if given(6) {
                fields.signed()?;
            }
            if given(7) {
                code.header = fields.number()? as usize;
            }
            for _ in 8..count {
                fields.number()?;
            }
            while repeats > 0 && self.codes.len() < 256 {
                if self.codes.len() == usize::from(b'N') {
                    self.codes.push(Code { flags: flag::INVALID, ..Code::default() });
                    continue;
                }
                self.codes.push(code);
                code.size_lsb += 1;
                repeats -= 1;
            }
        }
        self.elided.truncate(1);
        for _ in 0..fields.number()? {
            self.elided.push(fields.bytes()?.to_vec());
        }
        Ok(())
    }

    fn stream(&mut self, fields: &mut Fields<'_>) -> io::Result<()> {
        let (_id, class) = (fields.number()?, fields.number()?);
        ensure(class == 1, "NUT without sound")?;
        ensure(fields.bytes()? == b"PFD\x20", "NUT with other samples")?;
        let _base = fields.number()?;
        self.msb_pts_shift = fields.number()?.min(62) as u32;
        let [_max_distance, _delay, _flags] =
            [fields.number()?, fields.number()?, fields.number()?];
        fields.bytes()?;
        let (rate, per) = (fields.number()?, fields.number()?.max(1));
        self.rate = (rate / per) as u32;
        self.channels = fields.number()? as u16;
        ensure(self.rate > 0 && self.channels > 0, "NUT without a format")
    }

    fn frame(&mut self, code: u8) -> io::Result<Packet> {
        let code = self.codes.get(usize::from(code)).copied();
        let mut code = code.ok_or_else(|| damaged("NUT without a header"))?;
        if code.flags & flag::CODED_FLAGS != 0 {
            code.flags ^= self.number()?;
        }
        let has = |flag| code.flags & flag != 0;
        ensure(!has(flag::INVALID) && !has(flag::SIDE_DATA), "a frame of NUT is invalid")?;
        if has(flag::STREAM_ID) {
            self.number()?;
        }
        let pts = if has(flag::CODED_PTS) {
            let coded = self.number()?;
            self.pts(coded as i64)
        } else {
            self.last_pts + code.pts_delta
        };
        let msb = if has(flag::SIZE_MSB) { self.number()? } else { 0 };
        if has(flag::MATCH_TIME) {
            self.number()?;
        }
        let header = if has(flag::HEADER_INDEX) { self.number()? as usize } else { code.header };
        let reserved = if has(flag::RESERVED) { self.number()? } else { code.reserved };
        for _ in 0..reserved {
            self.number()?;
        }
        if has(flag::CHECKSUM) {
            self.skip(4)?;
        }
        let size = msb.saturating_mul(code.size_mul).saturating_add(code.size_lsb);
        ensure(size <= MAX_LENGTH, "a frame of NUT is too long")?;
        let begin = self.elided.get(header).map_or(&[][..], Vec::as_slice);
        self.bytes.clear();
        self.bytes.extend(begin);
        self.bytes.resize(begin.len().max(size as usize), 0);
        self.input.read_exact(&mut self.bytes[begin.len()..])?;
        self.last_pts = pts;
        let (samples, _) = self.bytes.as_chunks::<4>();
        let samples = samples.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let Self { base, rate, channels, .. } = *self;
        Ok(Packet { pts, base, rate, channels, samples })
    }

    /// Returns a time that is coded whole, or by its last bits.
    fn pts(&self, coded: i64) -> i64 {
        let full = 1_i64 << self.msb_pts_shift;
        if coded >= full {
            return coded - full;
        }
        let mask = full - 1;
        let delta = self.last_pts - mask / 2;
        ((coded - delta) & mask) + delta
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.input.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    fn skip(&mut self, count: usize) -> io::Result<()> {
        (0..count).try_for_each(|_| self.byte().map(|_| ()))
    }

    /// Reads a number of 7 bits a byte, the highest first.
    fn number(&mut self) -> io::Result<u64> {
        let mut number = 0;
        loop {
            let byte = self.byte()?;
            number = number << 7 | u64::from(byte & 0x7F);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
    }
}

/// Fields of a header.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn number(&mut self) -> io::Result<u64> {
        let mut number = 0;
        loop {
            let (&byte, rest) =
                self.0.split_first().ok_or_else(|| damaged("a short header of NUT"))?;
            self.0 = rest;
            number = number << 7 | u64::from(byte & 0x7F);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
    }

    fn signed(&mut self) -> io::Result<i64> {
        let number = self.number()?.wrapping_add(1) as i64;
        Ok(if number & 1 == 1 { -(number >> 1) } else { number >> 1 })
    }

    fn bytes(&mut self) -> io::Result<&'a [u8]> {
        let length = self.number()? as usize;
        let (bytes, rest) =
            self.0.split_at_checked(length).ok_or_else(|| damaged("a short header of NUT"))?;
        self.0 = rest;
        Ok(bytes)
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("ffmpeg's output: {what}"))
}

fn ensure(is_so: bool, what: &str) -> io::Result<()> {
    if is_so { Ok(()) } else { Err(damaged(what)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beginning of a file of ffmpeg 5.1: 48 kHz, one channel, at 1.4 s.
    const FFMPEG: &[u8] = include_bytes!("ffmpeg.nut");

    #[test]
    fn packets_of_ffmpeg_have_their_times() {
        let mut reader = NutReader::new(FFMPEG);
        let mut packets = Vec::new();
        while let Some(packet) = reader.next().unwrap() {
            packets.push(packet);
        }
        let times: Vec<_> = packets.iter().map(|it| (it.pts, it.samples.len())).collect();
        assert_eq!(times, [(67_200, 256), (67_456, 256), (69_000, 256), (69_256, 100)]);
        let first = &packets[0];
        assert_eq!((first.rate, first.channels, first.base), (48_000, 1, (1, 48_000)));
        assert!((first.samples[1] - 0.25).abs() < 1e-6, "{:?}", &first.samples[..4]);
    }

    #[test]
    fn cut_file_gives_whole_packets() {
        for length in 0..FFMPEG.len() {
            let mut reader = NutReader::new(&FFMPEG[..length]);
            while reader.next().unwrap().is_some() {}
        }
    }

    #[test]
    fn garbage_is_an_error() {
        assert!(
            NutReader::new(&b"RIFF this is no NUT at all, but long enough"[..]).next().is_err()
        );
    }
}
