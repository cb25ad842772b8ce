//! PAT and PMT: which programs there are (ISO/IEC 13818-1 §2.4.4).
use super::descriptor;
use crate::codec::Codec;
use crate::packet::NULL_PID;
use crate::program::{Program, Stream};
use crate::section::{Section, crc32};

pub(crate) const PAT_PID: u16 = 0;
/// Largest number of programs that are read, more than any multiplex carries.
const MAX_PROGRAMS: usize = 512;
/// Longest PAT or PMT section in bytes (§2.4.4.4, §2.4.4.9).
const MAX_SECTION: usize = 1024;

/// Effect of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    Nothing,
    /// The PMTs are to be looked for on other PIDs, no stream is known to have changed.
    Pids,
    /// The streams of a program have changed.
    Streams,
}

/// A section that is in force.
#[derive(Debug, Clone, Default)]
struct Part {
    bytes: Vec<u8>,
    packets: Vec<u8>,
}

/// The tables in force.
#[derive(Debug, Default)]
pub(crate) struct Psi {
    programs: Vec<Program>,
    /// The PMT of each program, empty before it has come.
    pmts: Vec<Part>,
    pat: Vec<Part>,
    /// Sections of a PAT that is not complete yet, by `section_number`.
    coming: Vec<Option<Part>>,
    nit_pid: Option<u16>,
}

impl Psi {
    pub(crate) fn programs(&self) -> &[Program] {
        &self.programs
    }

    pub(crate) fn programs_mut(&mut self) -> &mut [Program] {
        &mut self.programs
    }

    /// Returns the PIDs on which PMTs are expected.
    pub(crate) fn pmt_pids(&self) -> impl Iterator<Item = u16> {
        self.programs.iter().map(|program| program.pmt_pid)
    }

    pub(crate) fn nit_pid(&self) -> Option<u16> {
        self.nit_pid
    }

    /// Returns the packets of the PAT and of each known PMT, verbatim.
    pub(crate) fn packets(&self) -> Option<Vec<u8>> {
        let mut blocks: Vec<&[u8]> = Vec::new();
        for part in self.pat.iter().chain(&self.pmts) {
            // Sections that share their packets are written once.
            if !blocks.contains(&&part.packets[..]) {
                blocks.push(&part.packets);
            }
        }
        let complete = self.pat.iter().all(|part| !part.packets.is_empty());
        let playable = self.pmts.iter().any(|part| !part.packets.is_empty());
        (complete && playable).then(|| blocks.concat())
    }

    /// Takes a section of the PAT or of a PMT. `Err` if its CRC is wrong.
    pub(crate) fn section(&mut self, pid: u16, section: &Section<'_>) -> Result<Change, BadCrc> {
        let bytes = section.bytes;
        let table = if pid == PAT_PID { 0 } else { 2 };
        // Of the table, with section syntax, not too long, not announced for later.
        let ours = bytes.len() >= 12
            && bytes.len() <= MAX_SECTION
            && bytes[0] == table
            && bytes[1] & 0x80 != 0
            && bytes[5] & 1 == 1;
        if !ours || self.in_force(pid, bytes) {
            return Ok(Change::Nothing);
        }
        if crc32(bytes) != 0 {
            return Err(BadCrc);
        }
        let part = Part { bytes: bytes.to_vec(), packets: section.packets.to_vec() };
        Ok(if pid == PAT_PID { self.take_pat(part) } else { self.take_pmt(pid, part) })
    }

    fn in_force(&self, pid: u16, bytes: &[u8]) -> bool {
        let part = if pid == PAT_PID {
            self.pat.get(usize::from(bytes[6])).filter(|_| self.coming.is_empty())
        } else {
            self.program_of(pid, bytes).map(|index| &self.pmts[index])
        };
        part.is_some_and(|part| part.bytes == bytes)
    }

    fn program_of(&self, pid: u16, bytes: &[u8]) -> Option<usize> {
        let number = u16::from_be_bytes([bytes[3], bytes[4]]);
        self.programs.iter().position(|it| it.number == number && it.pmt_pid == pid)
    }

    fn take_pat(&mut self, part: Part) -> Change {
        let (number, last) = (usize::from(part.bytes[6]), usize::from(part.bytes[7]));
        // transport_stream_id, version and last_section_number are those of one table.
        let same_table =
            self.coming.iter().flatten().all(|other| {
                other.bytes[3..6] == part.bytes[3..6] && other.bytes[7] == part.bytes[7]
            });
        if !same_table || self.coming.is_empty() {
            self.coming = vec![None; last + 1];
        }
        let Some(place) = self.coming.get_mut(number) else {
            self.coming.clear();
            return Change::Nothing;
        };
        *place = Some(part);
        if self.coming.iter().any(Option::is_none) {
            return Change::Nothing;
        }
        self.pat = self.coming.drain(..).flatten().collect();
        self.list_programs()
    }

    fn list_programs(&mut self) -> Change {
        let mut old: Vec<_> = self.programs.drain(..).zip(self.pmts.drain(..)).map(Some).collect();
        let mut change = Change::Nothing;
        self.nit_pid = None;
        for part in &self.pat {
            for entry in part.bytes[8..part.bytes.len() - 4].chunks_exact(4) {
                let number = u16::from_be_bytes([entry[0], entry[1]]);
                let pmt_pid = u16::from_be_bytes([entry[2], entry[3]]) & 0x1FFF;
                if number == 0 {
                    self.nit_pid = Some(pmt_pid);
                    continue;
                }
                let listed = self.programs.iter().any(|program| program.number == number);
                if listed
                    || !(0x10..NULL_PID).contains(&pmt_pid)
                    || self.programs.len() == MAX_PROGRAMS
                {
                    continue;
                }
                let same = |(program, _): &mut (Program, Part)| {
                    program.number == number && program.pmt_pid == pmt_pid
                };
                let kept = old.iter_mut().find_map(|slot| slot.take_if(same));
                let (program, pmt) = kept.unwrap_or_else(|| {
                    change = Change::Pids;
                    let streams = Vec::new();
                    let program = Program { number, pmt_pid, pcr_pid: NULL_PID, streams };
                    (program, Part::default())
                });
                self.programs.push(program);
                self.pmts.push(pmt);
            }
        }
        for (_, pmt) in old.into_iter().flatten() {
            change = change.max(if pmt.bytes.is_empty() { Change::Pids } else { Change::Streams });
        }
        change
    }

    fn take_pmt(&mut self, pid: u16, part: Part) -> Change {
        let Some(index) = self.program_of(pid, &part.bytes) else { return Change::Nothing };
        let Some((pcr_pid, mut streams)) = read_pmt(&part.bytes) else { return Change::Nothing };
        let first = self.pmts[index].bytes.is_empty();
        self.pmts[index] = part;
        let program = &mut self.programs[index];
        let same = program.streams.len() == streams.len()
            && program.streams.iter().zip(&streams).all(|(old, new)| old.same_listing(new));
        if same && !first && program.pcr_pid == pcr_pid {
            return Change::Nothing;
        }
        for stream in &mut streams {
            if let Some(old) = program.streams.iter().find(|old| old.same_listing(stream)) {
                stream.clone_from(old);
            }
        }
        (program.pcr_pid, program.streams) = (pcr_pid, streams);
        Change::Streams
    }
}

/// The CRC of a section is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadCrc;

/// Reads `PCR_PID` and streams of a PMT section (§2.4.4.8); `None` if its lengths contradict each
/// other.
fn read_pmt(section: &[u8]) -> Option<(u16, Vec<Stream>)> {
    let body = section.get(8..section.len().checked_sub(4)?)?;
    let &[pcr_high, pcr_low, info_high, info_low] = body.first_chunk()?;
    let pcr_pid = u16::from_be_bytes([pcr_high, pcr_low]) & 0x1FFF;
    let mut rest = body.get(4 + length(info_high, info_low)..)?;
    let mut streams = Vec::new();
    while let [stream_type, pid_high, pid_low, info_high, info_low, behind @ ..] = rest {
        let (descriptors, behind) = behind.split_at_checked(length(*info_high, *info_low))?;
        let described = descriptor::read(descriptors);
        let by_type = Codec::of_stream_type(*stream_type);
        // Types that ISO leaves to others are told apart by descriptors.
        let left_to_others = by_type == Codec::Private || *stream_type >= 0x80;
        streams.push(Stream {
            pid: u16::from_be_bytes([*pid_high, *pid_low]) & 0x1FFF,
            stream_type: *stream_type,
            codec: described.codec.filter(|_| left_to_others).unwrap_or(by_type),
            language: described.language,
            video: None,
            audio: described.audio,
        });
        rest = behind;
    }
    Some((pcr_pid, streams))
}

fn length(high: u8, low: u8) -> usize {
    usize::from(high & 0x0F) << 8 | usize::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testutil;

    fn take(psi: &mut Psi, pid: u16, bytes: &[u8]) -> Result<Change, BadCrc> {
        psi.section(pid, &Section { bytes, packets: bytes, offset: 0 })
    }

    #[test]
    fn programs_are_announced_when_their_content_changes_only() {
        let mut psi = Psi::default();
        assert_eq!(
            take(&mut psi, 0, &testutil::pat(0, 0, 0, &[(1, 0x100), (2, 0x200)])),
            Ok(Change::Pids)
        );
        let pmt =
            testutil::pmt(1, 0, 0x101, &[(0x1B, 0x101, b""), (0x0F, 0x102, b"\x0A\x04eng\0")]);
        assert_eq!(take(&mut psi, 0x100, &pmt), Ok(Change::Streams));
        assert_eq!(take(&mut psi, 0x100, &pmt), Ok(Change::Nothing));
        let renumbered =
            testutil::pmt(1, 7, 0x101, &[(0x1B, 0x101, b""), (0x0F, 0x102, b"\x0A\x04eng\0")]);
        assert_eq!(take(&mut psi, 0x100, &renumbered), Ok(Change::Nothing));
        assert_eq!(take(&mut psi, 0x200, &renumbered), Ok(Change::Nothing));
        assert_eq!(psi.programs()[0].streams[1].language.as_deref(), Some("eng"));
        assert!(psi.programs()[1].streams.is_empty());
        assert_eq!(take(&mut psi, 0, &testutil::pat(1, 0, 0, &[(2, 0x200)])), Ok(Change::Streams));
        assert_eq!(psi.programs().len(), 1);
    }

    #[test]
    fn pat_of_two_sections() {
        let mut psi = Psi::default();
        assert_eq!(take(&mut psi, 0, &testutil::pat(0, 1, 1, &[(2, 0x200)])), Ok(Change::Nothing));
        assert_eq!(take(&mut psi, 0, &testutil::pat(0, 0, 1, &[(1, 0x100)])), Ok(Change::Pids));
        let numbers: Vec<_> = psi.programs().iter().map(|program| program.number).collect();
        assert_eq!(numbers, [1, 2]);
    }

    #[test]
    fn damaged_sections_change_nothing() {
        let mut psi = Psi::default();
        let mut pat = testutil::pat(0, 0, 0, &[(1, 0x100)]);
        pat[9] ^= 1;
        assert_eq!(take(&mut psi, 0, &pat), Err(BadCrc));
        let lying = testutil::section(2, 1, 0, 0, 0, &[0xE1, 0, 0xFF, 0xFF, 0, 0, 0, 0]);
        assert_eq!(take(&mut psi, 0, &testutil::pat(0, 0, 0, &[(1, 0x100)])), Ok(Change::Pids));
        assert_eq!(take(&mut psi, 0x100, &lying), Ok(Change::Nothing));
        assert_eq!(psi.packets(), None);
    }
}
