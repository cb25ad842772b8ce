//! Frame headers of sound: ADTS, MPEG audio, AC-3 and E-AC-3.
use crate::codec::Codec;
use crate::program::AudioFormat;

/// A frame header that was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    codec: Codec,
    format: AudioFormat,
    /// Length of the frame in bytes; 0 if it is not given.
    len: usize,
}

/// Finds a frame of `codec` in the payload of a PES packet. A header after the start of the payload
/// counts only if a second one follows where its frame ends, since sync words are short.
pub(crate) fn find(codec: Codec, payload: &[u8]) -> Option<(Codec, AudioFormat)> {
    let read = reader(codec)?;
    let frame = read(payload).or_else(|| {
        (1..payload.len()).find_map(|at| {
            let frame = read(&payload[at..])?;
            let next = read(payload.get(at + frame.len.max(1)..)?)?;
            (next.format == frame.format).then_some(frame)
        })
    })?;
    Some((frame.codec, frame.format))
}

/// Reads the frame header of `codec` at the very beginning of `payload`.
pub(crate) fn header(codec: Codec, payload: &[u8]) -> Option<AudioFormat> {
    reader(codec)?(payload).map(|frame| frame.format)
}

/// Returns the codec of the frame header at the very beginning of `payload`.
pub(crate) fn codec(payload: &[u8]) -> Option<Codec> {
    let readers: [Reader; 3] = [adts, mpeg, ac3];
    readers.iter().find_map(|read| read(payload)).map(|frame| frame.codec)
}

/// Reads a frame header.
type Reader = fn(&[u8]) -> Option<Frame>;

/// Returns the reader of the frame headers of a codec.
fn reader(codec: Codec) -> Option<Reader> {
    match codec {
        Codec::Aac => Some(adts),
        Codec::Mp1 | Codec::Mp2 | Codec::Mp3 => Some(mpeg),
        Codec::Ac3 | Codec::Eac3 => Some(ac3),
        _ => None,
    }
}

/// Reads an ADTS header (ISO/IEC 13818-7 §6.2).
fn adts(bytes: &[u8]) -> Option<Frame> {
    const RATES: [u32; 13] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
        8_000, 7_350,
    ];
    let &[0xFF, sync, rate, channels, len, low, _] = bytes.first_chunk()? else { return None };
    let sample_rate = *RATES.get(usize::from(rate >> 2 & 15))?;
    let configuration = rate << 2 & 4 | channels >> 6;
    let len = usize::from(channels & 3) << 11 | usize::from(len) << 3 | usize::from(low >> 5);
    // Configuration 0 leaves the channels to the frame itself.
    let channels = [0, 1, 2, 3, 4, 5, 6, 8][usize::from(configuration)];
    (sync & 0xF6 == 0xF0 && channels > 0 && len > 7).then_some(Frame {
        codec: Codec::Aac,
        format: AudioFormat { sample_rate, channels },
        len,
    })
}

/// Reads a header of MPEG audio (ISO/IEC 11172-3 §2.4.2.3, ISO/IEC 13818-3 §2.4.2.3).
fn mpeg(bytes: &[u8]) -> Option<Frame> {
    const RATES: [u32; 3] = [44_100, 48_000, 32_000];
    const KBITS: [[u32; 14]; 5] = [
        [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
        [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
        [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
        [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
        [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ];
    let &[0xFF, sync, rates, mode] = bytes.first_chunk()? else { return None };
    let (version, layer) = (sync >> 3 & 3, sync >> 1 & 3);
    if sync & 0xE0 != 0xE0 || version == 1 {
        return None;
    }
    // Versions 2 and 2.5 halve the rates, once and twice.
    let sample_rate = RATES.get(usize::from(rates >> 2 & 3))? >> [2, 0, 1, 0][usize::from(version)];
    let (codec, row, samples) = match (layer, version) {
        (3, 3) => (Codec::Mp1, 0, 384),
        (3, _) => (Codec::Mp1, 3, 384),
        (2, 3) => (Codec::Mp2, 1, 1152),
        (2, _) => (Codec::Mp2, 4, 1152),
        (1, 3) => (Codec::Mp3, 2, 1152),
        (1, _) => (Codec::Mp3, 4, 576),
        _ => return None,
    };
    let index = usize::from(rates >> 4).checked_sub(1)?;
    let bit_rate = KBITS[row].get(index)? * 1000;
    let padding = u32::from(rates >> 1 & 1);
    let slot = if codec == Codec::Mp1 { 4 } else { 1 };
    let len = (samples / 8 / slot * bit_rate / sample_rate + padding) * slot;
    let channels = if mode >> 6 == 3 { 1 } else { 2 };
    Some(Frame { codec, format: AudioFormat { sample_rate, channels }, len: len as usize })
}

/// Reads a header of AC-3 or E-AC-3 (ETSI TS 102 366 §4.3, §4.4 and annex E §E.1.2).
fn ac3(bytes: &[u8]) -> Option<Frame> {
    const RATES: [u32; 3] = [48_000, 44_100, 32_000];
    const CHANNELS: [u8; 8] = [2, 1, 2, 3, 3, 4, 4, 5];
    const KBITS: [u32; 19] =
        [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];
    let &[0x0B, 0x77, high, low, codes, bsid, modes, more] = bytes.first_chunk()? else {
        return None;
    };
    let bsid = bsid >> 3;
    if bsid > 16 {
        return None;
    }
    if bsid > 10 {
        let sample_rate = match codes >> 6 {
            3 => RATES.get(usize::from(codes >> 4 & 3))? / 2,
            code => RATES[usize::from(code)],
        };
        let channels = CHANNELS[usize::from(codes >> 1 & 7)] + (codes & 1);
        let len = (usize::from(high & 7) << 8 | usize::from(low)) * 2 + 2;
        return Some(Frame {
            codec: Codec::Eac3,
            format: AudioFormat { sample_rate, channels },
            len,
        });
    }
    let sample_rate = *RATES.get(usize::from(codes >> 6))?;
    let kbits = *KBITS.get(usize::from(codes >> 1 & 0x1F))?;
    let acmod = modes >> 5;
    // lfeon follows fields that only some modes have.
    let before = match acmod {
        2 => 2,
        _ => 2 * (u32::from(acmod & 1 == 1 && acmod != 1) + u32::from(acmod & 4 != 0)),
    };
    let lfe = (u16::from_be_bytes([modes, more]) << (3 + before)) >> 15;
    // Frames of 1536 samples; at 44.1 kHz an odd length alternates by one word.
    let words = kbits * 1000 / 16 * 1536 / sample_rate
        + (u32::from(codes & 1) & u32::from(codes >> 6 == 1));
    let channels = CHANNELS[usize::from(acmod)] + lfe as u8;
    Some(Frame {
        codec: Codec::Ac3,
        format: AudioFormat { sample_rate, channels },
        len: words as usize * 2,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(codec: Codec, bytes: &[u8]) -> Option<(Codec, u32, u8)> {
        find(codec, bytes).map(|(codec, format)| (codec, format.sample_rate, format.channels))
    }

    #[test]
    fn headers_of_encoders_are_read() {
        let adts = [0xFF, 0xF1, 0x50, 0x80, 0x02, 0x1F, 0xFC];
        assert_eq!(found(Codec::Aac, &adts), Some((Codec::Aac, 44_100, 2)));
        assert_eq!(found(Codec::Mp2, &[0xFF, 0xFD, 0xA4, 0x00]), Some((Codec::Mp2, 48_000, 2)));
        assert_eq!(found(Codec::Mp2, &[0xFF, 0xFB, 0x90, 0xC0]), Some((Codec::Mp3, 44_100, 1)));
        let surround = [0x0B, 0x77, 0, 0, 0x1E, 0x40, 0xE1, 0];
        assert_eq!(found(Codec::Ac3, &surround), Some((Codec::Ac3, 48_000, 6)));
        let stereo = [0x0B, 0x77, 0, 0, 0x14, 0x40, 0x40, 0];
        assert_eq!(found(Codec::Ac3, &stereo), Some((Codec::Ac3, 48_000, 2)));
    }

    #[test]
    fn later_header_needs_a_second_one() {
        let frame = [0xFF, 0xFD, 0x14, 0xC0]; // 32 kbit/s, 48 kHz: 96 bytes
        let mut payload = vec![0; 150];
        payload[10..14].copy_from_slice(&frame);
        assert_eq!(found(Codec::Mp2, &payload), None);
        payload[106..110].copy_from_slice(&frame);
        assert_eq!(found(Codec::Mp2, &payload), Some((Codec::Mp2, 48_000, 1)));
    }
}
