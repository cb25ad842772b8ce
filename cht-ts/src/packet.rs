//! The header of a transport packet (ISO/IEC 13818-1 §2.4.3.2) and its adaptation field (§2.4.3.4).

/// Length in bytes of a transport packet.
pub const PACKET_LEN: usize = 188;
/// PID of null packets, which only fill the rate.
pub const NULL_PID: u16 = 0x1FFF;
/// First byte of each packet (§2.4.3.3).
pub(crate) const SYNC_BYTE: u8 = 0x47;

/// Payload of a packet without adaptation field, in bytes.
const PAYLOAD: usize = PACKET_LEN - 4;

/// One packet without prefix or parity.
pub(crate) type Packet = [u8; PACKET_LEN];

/// The first four bytes.
#[derive(Clone, Copy)]
pub(crate) struct Header(pub(crate) u32);

impl Header {
    pub(crate) const fn of(packet: &Packet) -> Self {
        Self(u32::from_be_bytes([packet[0], packet[1], packet[2], packet[3]]))
    }

    /// Tells whether it is in sync, without error, start of a PES packet or section, scrambling or
    /// adaptation field, and has a payload. Nearly all packets are so.
    pub(crate) const fn is_plain(self) -> bool {
        self.0 & 0xFFC0_00F0 == 0x4700_0010
    }

    pub(crate) const fn in_sync(self) -> bool {
        self.0 >> 24 == SYNC_BYTE as u32
    }

    pub(crate) const fn transport_error(self) -> bool {
        self.0 & 0x0080_0000 != 0
    }

    pub(crate) const fn unit_start(self) -> bool {
        self.0 & 0x0040_0000 != 0
    }

    pub(crate) const fn pid(self) -> u16 {
        (self.0 >> 8) as u16 & 0x1FFF
    }

    pub(crate) const fn scrambled(self) -> bool {
        self.0 & 0xC0 != 0
    }

    pub(crate) const fn has_adaptation_field(self) -> bool {
        self.0 & 0x20 != 0
    }

    pub(crate) const fn has_payload(self) -> bool {
        self.0 & 0x10 != 0
    }

    pub(crate) const fn continuity(self) -> u8 {
        self.0 as u8 & 0x0F
    }
}

/// Contents of a packet after its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Body<'a> {
    pub(crate) discontinuity: bool,
    pub(crate) random_access: bool,
    pub(crate) payload: &'a [u8],
}

/// Divides a packet; `None` if the adaptation field does not fit into it.
pub(crate) fn body(header: Header, packet: &Packet) -> Option<Body<'_>> {
    let mut body = Body::default();
    let mut rest = packet.get(4..)?;
    if header.has_adaptation_field() {
        let (&len, behind) = rest.split_first()?;
        let (field, payload) = behind.split_at_checked(usize::from(len))?;
        if let Some(flags) = field.first() {
            body.discontinuity = flags & 0x80 != 0;
            body.random_access = flags & 0x40 != 0;
        }
        rest = payload;
    }
    if header.has_payload() {
        body.payload = rest;
    }
    Some(body)
}

/// Returns the number of packets that [`write()`] makes of a PES packet of `length` bytes.
pub(crate) fn packets_of(length: usize) -> usize {
    length.div_ceil(PAYLOAD)
}

/// Appends a PES packet to `out` in packets of `pid`.
pub(crate) fn write(pid: u16, counter: &mut u8, bytes: &[u8], out: &mut Vec<u8>) {
    for (n, part) in bytes.chunks(PAYLOAD).enumerate() {
        write_part(pid, n == 0, counter, part, out);
    }
}

/// Appends one packet with the next bytes of a PES packet, at most 184, to `out`.
pub(crate) fn write_part(
    pid: u16,
    is_start: bool,
    counter: &mut u8,
    part: &[u8],
    out: &mut Vec<u8>,
) {
    let [high, low] = (pid | if is_start { 0x4000 } else { 0 }).to_be_bytes();
    let stuffing = PAYLOAD - part.len();
    let control = if stuffing > 0 { 0x30 } else { 0x10 };
    out.extend([SYNC_BYTE, high, low, control | *counter]);
    if stuffing > 0 {
        out.push(stuffing as u8 - 1);
        out.extend(std::iter::repeat_n(0, usize::from(stuffing > 1)));
        out.extend(std::iter::repeat_n(0xFF, stuffing.saturating_sub(2)));
    }
    out.extend_from_slice(part);
    *counter = (*counter + 1) & 15;
}
