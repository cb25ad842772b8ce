//! Packets, sections and PES packets for tests, made as an encoder makes them.
//!
//! Compiled with the feature `testutil`: programs that use the crate test with the same streams.
#![allow(clippy::must_use_candidate, clippy::missing_panics_doc, reason = "for tests")]

/// Makes a transport packet with up to 184 bytes of payload, filled up by an adaptation field.
pub fn packet(pid: u16, cc: u8, unit_start: bool, payload: &[u8]) -> [u8; 188] {
    packet_with(pid, cc, unit_start, None, payload)
}

/// Makes a transport packet with flags in its adaptation field.
pub fn packet_with(
    pid: u16,
    cc: u8,
    unit_start: bool,
    flags: Option<u8>,
    payload: &[u8],
) -> [u8; 188] {
    let mut packet = [0xFF; 188];
    packet[0] = 0x47;
    packet[1] = (pid >> 8) as u8 | if unit_start { 0x40 } else { 0 };
    packet[2] = pid as u8;
    let field = 184 - payload.len();
    packet[3] = cc & 15 | if payload.is_empty() { 0 } else { 0x10 };
    if field > 0 {
        packet[3] |= 0x20;
        packet[4] = (field - 1) as u8;
        if field > 1 {
            packet[5] = flags.unwrap_or(0);
        }
    } else {
        assert!(flags.is_none(), "no room for flags");
    }
    packet[188 - payload.len()..].copy_from_slice(payload);
    packet
}

/// Makes the packets of one PES packet, counting on from `cc`.
pub fn packets(pid: u16, cc: &mut u8, flags: Option<u8>, unit: &[u8]) -> Vec<[u8; 188]> {
    let mut out = Vec::new();
    let mut rest = unit;
    while !rest.is_empty() || out.is_empty() {
        let flags = flags.filter(|_| out.is_empty());
        let room = if flags.is_some() { 182 } else { 184 };
        let (part, behind) = rest.split_at(rest.len().min(room));
        out.push(packet_with(pid, *cc, out.is_empty(), flags, part));
        *cc = (*cc + 1) & 15;
        rest = behind;
    }
    out
}

/// Makes a PES packet.
pub fn pes(stream_id: u8, pts: Option<i64>, dts: Option<i64>, payload: &[u8]) -> Vec<u8> {
    let stamp = |mark: u8, ticks: i64| {
        [
            mark << 4 | (ticks >> 29) as u8 & 0x0E | 1,
            (ticks >> 22) as u8,
            (ticks >> 14) as u8 | 1,
            (ticks >> 7) as u8,
            (ticks << 1) as u8 | 1,
        ]
    };
    let mut out = vec![0, 0, 1, stream_id, 0, 0, 0x80];
    match (pts, dts) {
        (Some(pts), Some(dts)) => {
            out.extend([0xC0, 10]);
            out.extend(stamp(3, pts));
            out.extend(stamp(1, dts));
        }
        (Some(pts), None) => {
            out.extend([0x80, 5]);
            out.extend(stamp(2, pts));
        }
        _ => out.extend([0, 0]),
    }
    out.extend(payload);
    out
}

/// Makes the packets of H.264 pictures, each in a PES packet with this PTS: IDR slices and others.
pub fn h264(pid: u16, pictures: &[(i64, bool)]) -> Vec<u8> {
    let mut cc = 0;
    let picture = |&(pts, is_idr)| {
        let slice = [0, 0, 1, if is_idr { 0x65 } else { 0x41 }, 0x88, 0x80];
        packets(pid, &mut cc, None, &pes(0xE0, Some(pts), None, &slice)).concat()
    };
    pictures.iter().flat_map(picture).collect()
}

/// Makes a section with its CRC.
pub fn section(table: u8, id: u16, version: u8, number: u8, last: u8, body: &[u8]) -> Vec<u8> {
    let len = body.len() as u16 + 9;
    let mut out = vec![table, 0xB0 | (len >> 8) as u8, len as u8, (id >> 8) as u8, id as u8];
    out.extend([0xC1 | version << 1, number, last]);
    out.extend(body);
    let crc = out.iter().fold(u32::MAX, |mut crc, byte| {
        crc ^= u32::from(*byte) << 24;
        for _ in 0..8 {
            crc = if crc >> 31 == 1 { crc << 1 ^ 0x04C1_1DB7 } else { crc << 1 };
        }
        crc
    });
    out.extend(crc.to_be_bytes());
    out
}

/// Makes a PAT section of programs and their PMT PIDs.
pub fn pat(version: u8, number: u8, last: u8, programs: &[(u16, u16)]) -> Vec<u8> {
    let entries = programs.iter().flat_map(|(number, pid)| {
        [(number >> 8) as u8, *number as u8, 0xE0 | (pid >> 8) as u8, *pid as u8]
    });
    section(0, 1, version, number, last, &entries.collect::<Vec<_>>())
}

/// Makes a PMT section of streams: type, PID, descriptors.
pub fn pmt(number: u16, version: u8, pcr_pid: u16, streams: &[(u8, u16, &[u8])]) -> Vec<u8> {
    let mut body = vec![0xE0 | (pcr_pid >> 8) as u8, pcr_pid as u8, 0xF0, 0];
    for (stream_type, pid, descriptors) in streams {
        body.extend([*stream_type, 0xE0 | (pid >> 8) as u8, *pid as u8, 0xF0]);
        body.push(descriptors.len() as u8);
        body.extend(*descriptors);
    }
    section(2, number, version, 0, 0, &body)
}

/// Makes packets of sections, one directly after the other.
pub fn section_packets(pid: u16, sections: &[&[u8]], mut cc: u8) -> Vec<[u8; 188]> {
    let stream = sections.concat();
    let mut starts: Vec<usize> = Vec::new();
    let mut at = 0;
    for section in sections {
        starts.push(at);
        at += section.len();
    }
    let mut out = Vec::new();
    let mut at = 0;
    while at < stream.len() {
        let start = starts.iter().find(|start| (at..at + 183).contains(*start));
        let room = if start.is_some() { 183 } else { 184 };
        let part = &stream[at..stream.len().min(at + room)];
        let mut payload: Vec<u8> = start.map(|start| (start - at) as u8).into_iter().collect();
        payload.extend(part);
        payload.resize(184, 0xFF);
        out.push(packet(pid, cc, start.is_some(), &payload));
        cc = (cc + 1) & 15;
        at += part.len();
    }
    out
}
