//! Reads time stamps of a transport stream, and changes them in place (ISO/IEC 13818-1 §2.4.3).
//!
//! Independent of `cht_ts`, so that expected values do not come from the code under test. For whole
//! packets of 188 bytes, as muxers write them.

use std::ops::Range;

const PACKET: usize = 188;

/// Number of values of a time stamp.
pub const WRAP: i64 = 1 << 33;

/// PES packet of audio or video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Byte offset of the packet in which it starts.
    pub offset: usize,
    /// `stream_id`; 0xE0 to 0xEF are video.
    pub id: u8,
    /// 33 bits.
    pub pts: Option<i64>,
    /// 33 bits.
    pub dts: Option<i64>,
}

/// Returns the PES packets of audio and video, in order.
pub fn units(ts: &[u8]) -> Vec<Unit> {
    headers(ts)
        .map(|(offset, header)| {
            let header = &ts[header];
            let stamp = |at: usize| read(&header[at..at + 5]);
            let flags = header[7] >> 6;
            Unit {
                offset,
                id: header[3],
                pts: (flags & 2 != 0).then(|| stamp(9)),
                dts: (flags == 3).then(|| stamp(14)),
            }
        })
        .collect()
}

/// Replaces each PTS and DTS by `new(offset of its packet, value)`, cut to 33 bits.
pub fn restamp(ts: &mut [u8], new: impl Fn(usize, i64) -> i64) {
    for (offset, header) in headers(ts).collect::<Vec<_>>() {
        let count = [0, 0, 1, 2][usize::from(ts[header.start + 7] >> 6)];
        for n in 0..count {
            let at = header.start + 9 + n * 5;
            let ticks = new(offset, read(&ts[at..at + 5])).rem_euclid(WRAP);
            write(&mut ts[at..at + 5], ticks);
        }
    }
}

/// Replaces every PTS and DTS by stuffing.
pub fn unstamp(ts: &mut [u8]) {
    for (_, header) in headers(ts).collect::<Vec<_>>() {
        let length = usize::from(ts[header.start + 8]);
        ts[header.start + 7] &= 0x3F;
        ts[header.start + 9..header.start + 9 + length].fill(0xFF);
    }
}

/// Returns the offset of each packet with a PES header, and the range from the header to the end of
/// the packet.
fn headers(ts: &[u8]) -> impl Iterator<Item = (usize, Range<usize>)> {
    (0..ts.len() / PACKET).filter_map(|n| {
        let packet = &ts[n * PACKET..][..PACKET];
        let starts = packet[0] == 0x47 && packet[1] & 0x40 != 0 && packet[3] & 0x10 != 0;
        let field = if packet[3] & 0x20 == 0 { 0 } else { 1 + usize::from(packet[4]) };
        let header = 4 + field;
        let is_pes = packet
            .get(header..header + 4)
            .is_some_and(|begin| begin.starts_with(&[0, 0, 1]) && matches!(begin[3], 0xC0..=0xEF));
        (starts && is_pes).then_some((n * PACKET, n * PACKET + header..(n + 1) * PACKET))
    })
}

fn read(stamp: &[u8]) -> i64 {
    let part = |n: usize, mask: u8| i64::from(stamp[n] & mask);
    part(0, 0x0E) << 29
        | part(1, 0xFF) << 22
        | part(2, 0xFE) << 14
        | part(3, 0xFF) << 7
        | part(4, 0xFE) >> 1
}

fn write(stamp: &mut [u8], ticks: i64) {
    stamp[0] = stamp[0] & 0xF0 | (ticks >> 29) as u8 & 0x0E | 1;
    stamp[1] = (ticks >> 22) as u8;
    stamp[2] = (ticks >> 14) as u8 & 0xFE | 1;
    stamp[3] = (ticks >> 7) as u8;
    stamp[4] = (ticks << 1) as u8 & 0xFE | 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_stamp_is_read_back() {
        let mut stamp = [0x21, 0, 1, 0, 1];
        for ticks in [0, 1, 126_000, WRAP - 1, 0x1_5555_5555] {
            write(&mut stamp, ticks);
            assert_eq!(read(&stamp), ticks);
            assert_eq!(stamp[0] & 0xF0, 0x20);
        }
    }
}
