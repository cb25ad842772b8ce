//! Reduces a stream to some of its PIDs, with a PAT that lists one program and a PMT that lists
//! them.

use crate::{
    packet::{Header, PACKET_LEN},
    rewrite::{pmt::PmtFilter, single::table},
};

/// Keeps one program of a stream, or a part of it: packets of 188 bytes.
///
/// ```
/// use cht_ts::{ProgramFilter, testutil};
///
/// let pat = testutil::pat(0, 0, 0, &[(1, 0x100), (2, 0x200)]);
/// let mut stream = testutil::section_packets(0, &[&pat], 0).concat();
/// stream.extend(testutil::h264(0x101, &[(9000, true)]));
/// stream.extend(testutil::h264(0x201, &[(9000, true)]));
///
/// let mut out = Vec::new();
/// ProgramFilter::new(2, 0x200, 0x201, vec![0x201]).filter(&stream, &mut out);
/// let pids: Vec<_> = out.chunks(188).map(|packet| (packet[1] & 0x1F, packet[2])).collect();
/// assert_eq!(pids, [(0, 0), (2, 1)]);
/// ```
#[derive(Debug, Clone)]
pub struct ProgramFilter {
    program: u16,
    pmt_pid: u16,
    pcr_pid: u16,
    pids: Vec<u16>,
    pmt: PmtFilter,
}

impl ProgramFilter {
    /// Keeps the elementary streams `pids` of a program, its clock, and its PMT, which lists no
    /// others.
    #[must_use]
    pub fn new(program: u16, pmt_pid: u16, pcr_pid: u16, pids: Vec<u16>) -> Self {
        Self { program, pmt_pid, pcr_pid, pids, pmt: PmtFilter::new(program) }
    }

    /// Tells whether the elementary stream in `pid` is kept.
    #[must_use]
    pub fn keeps(&self, pid: u16) -> bool {
        self.pids.contains(&pid)
    }

    /// Appends the kept packets of `bytes`, which begin with a packet, to `out`. Bytes that are no
    /// packets are left out. A PMT may continue in the bytes of the next call.
    pub fn filter(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while let Some((packet, after)) = rest.split_first_chunk::<PACKET_LEN>() {
            let header = Header::of(packet);
            if !header.in_sync() {
                let next = rest[1..].iter().position(|byte| *byte == 0x47);
                rest = &rest[next.map_or(rest.len(), |at| at + 1)..];
                continue;
            }
            rest = after;
            if header.pid() == 0 {
                // Of a PAT of several packets, each becomes this one: its counter stays right.
                out.extend_from_slice(&self.pat(packet[3] & 0x0F));
            } else if self.keeps(header.pid()) {
                out.extend_from_slice(packet);
            } else if header.pid() == self.pmt_pid {
                let Self { pmt, pids, .. } = self;
                pmt.push(packet, &|pid| pids.contains(&pid), out);
            } else if header.pid() == self.pcr_pid
                && let Some(clock) = clock_of(packet)
            {
                out.extend_from_slice(&clock);
            }
        }
    }

    /// Returns the PAT in a packet (ISO/IEC 13818-1 §2.4.4.3).
    fn pat(&self, counter: u8) -> [u8; PACKET_LEN] {
        let [program, pmt] = [self.program, 0xE000 | self.pmt_pid].map(u16::to_be_bytes);
        let mut packet = table(0, 0, &[&[0, 1, 0xC1, 0, 0], &program[..], &pmt[..]].concat());
        packet[3] |= counter;
        packet
    }
}

/// Returns the PCR of a packet in one without payload (§2.4.3.4); `None` if it has none.
fn clock_of(packet: &[u8; PACKET_LEN]) -> Option<[u8; PACKET_LEN]> {
    let has_pcr = packet[3] & 0x20 != 0 && packet[4] >= 7 && packet[5] & 0x10 != 0;
    has_pcr.then(|| {
        let mut clock = [0xFF; PACKET_LEN];
        clock[..12].copy_from_slice(&packet[..12]);
        clock[1] &= 0x1F;
        clock[3] = 0x20 | clock[3] & 0x0F;
        // Of the flags, `discontinuity_indicator` and `PCR_flag`.
        (clock[4], clock[5]) = (183, clock[5] & 0x90);
        clock
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Scanner, testutil};

    #[test]
    fn one_of_two_programs_is_kept_with_its_tables() {
        let pat = testutil::pat(0, 0, 0, &[(1, 0x100), (2, 0x200)]);
        let mut stream = testutil::section_packets(0, &[&pat], 5).concat();
        for number in [1, 2_u16] {
            let (pmt_pid, pid) = (number << 8, number << 8 | 1);
            let pmt = testutil::pmt(number, 0, pid, &[(0x1B, pid, b"")]);
            stream.extend(testutil::section_packets(pmt_pid, &[&pmt], 0).concat());
            stream.extend(testutil::h264(pid, &[(9000, true), (12_600, false)]));
        }
        let filter = ProgramFilter::new(2, 0x200, 0x201, vec![0x201]);
        let mut out = Vec::new();
        filter.clone().filter(&stream, &mut out);
        assert_eq!(out[3] & 0x0F, 5);
        let mut scanner = Scanner::new();
        scanner.push(&out, &mut |_| {});
        scanner.finish(&mut |_| {});
        let programs: Vec<_> = scanner.programs().iter().map(|program| program.number).collect();
        assert_eq!((programs, scanner.video_pid()), (vec![2], Some(0x201)));
        assert_eq!(scanner.counters().psi_crc_errors + scanner.counters().continuity_errors, 0);
        // Of the clock in a stream that is left out, the packets with a PCR.
        let mut clock = vec![0x47, 0x41, 0x01, 0x35, 7, 0x50, 1, 2, 3, 4, 5, 6];
        clock.resize(PACKET_LEN, 0xAA);
        let mut kept = Vec::new();
        ProgramFilter::new(2, 0x200, 0x101, vec![0x201]).filter(&clock, &mut kept);
        assert_eq!(kept[..13], [0x47, 1, 1, 0x25, 183, 0x10, 1, 2, 3, 4, 5, 6, 0xFF]);
        // Bytes between packets are left out.
        let mut dirty = vec![1, 2, 3];
        dirty.extend(&stream);
        let mut again = Vec::new();
        filter.clone().filter(&dirty, &mut again);
        assert_eq!(again, out);
    }

    #[test]
    fn tables_list_kept_streams_alone() {
        let pat = testutil::pat(0, 0, 0, &[(1, 0x100)]);
        let streams: [(u8, u16, &[u8]); 3] =
            [(0x1B, 0x101, b""), (0x0F, 0x102, b""), (0x0F, 0x103, b"")];
        let pmt = testutil::pmt(1, 0, 0x102, &streams);
        let mut stream = testutil::section_packets(0, &[&pat], 0).concat();
        stream.extend(testutil::section_packets(0x100, &[&pmt], 0).concat());
        let mut out = Vec::new();
        ProgramFilter::new(1, 0x100, 0x102, vec![0x101, 0x103]).filter(&stream, &mut out);
        let mut scanner = Scanner::new();
        scanner.push(&out, &mut |_| {});
        scanner.finish(&mut |_| {});
        let program = &scanner.programs()[0];
        let pids: Vec<_> = program.streams.iter().map(|stream| stream.pid).collect();
        assert_eq!((pids, program.pcr_pid), (vec![0x101, 0x103], 0x102));
    }
}
