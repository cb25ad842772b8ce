//! The header of a PES packet (ISO/IEC 13818-1 §2.4.3.6, §2.4.3.7).

use crate::time::Pts;

/// Longest part of a header that is read, in bytes: up to the end of the DTS.
pub(crate) const HEADER_MAX: usize = 19;

/// Length of a time stamp, in bytes.
pub(crate) const STAMP: usize = 5;

/// First bytes of a PES packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    /// More bytes are needed.
    More,
    /// This is no PES packet.
    Foreign,
    /// A PES packet.
    Pes {
        stream_id: u8,
        pts: Option<Pts>,
        dts: Option<Pts>,
        /// Length of the header in bytes; the elementary stream follows.
        len: usize,
    },
}

/// Reads the first bytes of a PES packet; `HEADER_MAX` of them are always enough.
pub(crate) fn read(bytes: &[u8]) -> Header {
    let prefix = bytes.iter().zip([0, 0, 1]).all(|(byte, expected)| *byte == expected);
    if !prefix {
        return Header::Foreign;
    }
    let Some(&stream_id) = bytes.get(3) else { return Header::More };
    if stream_id < 0xBC {
        return Header::Foreign; // a start code of video, not of a PES packet
    }
    // program_stream_map, padding, private_stream_2, ECM, EMM, DSMCC, H.222.1 type E, directory.
    if matches!(stream_id, 0xBC | 0xBE | 0xBF | 0xF0..=0xF2 | 0xF8 | 0xFF) {
        return Header::Pes { stream_id, pts: None, dts: None, len: 6 };
    }
    let Some(&[marks, flags, data_len]) = bytes.get(6..9) else { return Header::More };
    let (mut pts, mut dts) = (None, None);
    if marks & 0xC0 == 0x80 {
        let stamps = match flags >> 6 {
            2 if data_len >= 5 => 1,
            3 if data_len >= 10 => 2,
            _ => 0,
        };
        let Some(stamps) = bytes.get(9..9 + 5 * stamps) else { return Header::More };
        let mut stamps = stamps.chunks_exact(5);
        pts = stamps.next().and_then(|stamp| time_stamp(stamp, flags >> 6));
        dts = stamps.next().and_then(|stamp| time_stamp(stamp, 1));
    }
    Header::Pes { stream_id, pts, dts, len: 9 + usize::from(data_len) }
}

/// Reads 33 bits of 90 kHz ticks between three marker bits; `None` if `mark` or a marker bit is
/// wrong.
fn time_stamp(stamp: &[u8], mark: u8) -> Option<Pts> {
    let &[top, high, middle, low, last] = stamp.first_chunk()?;
    (top >> 4 == mark && top & middle & last & 1 == 1).then(|| {
        Pts::new(
            i64::from(top >> 1 & 7) << 30
                | i64::from(high) << 22
                | i64::from(middle >> 1) << 15
                | i64::from(low) << 7
                | i64::from(last >> 1),
        )
    })
}

/// Writes 33 bits of 90 kHz ticks between three marker bits (ISO/IEC 13818-1 §2.4.3.6).
pub(crate) fn stamp(mark: u8, pts: Pts) -> [u8; STAMP] {
    let ticks = pts.ticks();
    [
        mark << 4 | ((ticks >> 29) as u8 & 0x0E) | 1,
        (ticks >> 22) as u8,
        ((ticks >> 14) as u8 & 0xFE) | 1,
        (ticks >> 7) as u8,
        ((ticks << 1) as u8 & 0xFE) | 1,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testutil;

    #[test]
    fn stamps_of_33_bits() {
        let max = (1 << 33) - 1;
        let header = testutil::pes(0xE0, Some(max), Some(max - 3600), &[]);
        assert_eq!(
            read(&header),
            Header::Pes {
                stream_id: 0xE0,
                pts: Some(Pts::new(max)),
                dts: Some(Pts::new(max - 3600)),
                len: 19
            }
        );
    }

    #[test]
    fn every_beginning_asks_for_more() {
        let header = testutil::pes(0xC0, Some(12345), None, &[]);
        assert!((0..header.len()).all(|len| read(&header[..len]) == Header::More));
        let pts = Some(Pts::new(12345));
        assert_eq!(read(&header), Header::Pes { stream_id: 0xC0, pts, dts: None, len: 14 });
    }

    #[test]
    fn wrong_marks_give_no_stamp() {
        let mut header = testutil::pes(0xE0, Some(1), None, &[]);
        header[9] &= 0xFE;
        assert!(matches!(read(&header), Header::Pes { pts: None, .. }));
        header[8] = 4; // the header ends before the stamp would
        assert!(matches!(read(&header), Header::Pes { pts: None, len: 13, .. }));
        assert_eq!(read(&[0, 0, 1, 0xB3]), Header::Foreign);
        assert_eq!(read(&[0, 0, 2]), Header::Foreign);
    }
}
