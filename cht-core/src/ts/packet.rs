//! The header of a transport packet (ISO/IEC 13818-1 §2.4.3.2) and its adaptation field (§2.4.3.4).

/// Length in bytes of a transport packet.
pub const PACKET_LEN: usize = 188;
/// PID of null packets, which only fill the rate.
pub const NULL_PID: u16 = 0x1FFF;
/// First byte of each packet.
pub(super) const SYNC_BYTE: u8 = 0x47;

/// One packet without prefix or parity.
pub(super) type Packet = [u8; PACKET_LEN];

/// The first four bytes.
#[derive(Clone, Copy)]
pub(super) struct Header(pub(super) u32);

impl Header {
    pub(super) const fn of(packet: &Packet) -> Self {
        Self(u32::from_be_bytes([packet[0], packet[1], packet[2], packet[3]]))
    }

    /// In sync, no error, no PES or section start, not scrambled, payload without adaptation field:
    /// what nearly all packets are.
    pub(super) const fn is_plain(self) -> bool {
        self.0 & 0xFFC0_00F0 == 0x4700_0010
    }

    pub(super) const fn in_sync(self) -> bool {
        self.0 >> 24 == SYNC_BYTE as u32
    }

    pub(super) const fn transport_error(self) -> bool {
        self.0 & 0x0080_0000 != 0
    }

    pub(super) const fn unit_start(self) -> bool {
        self.0 & 0x0040_0000 != 0
    }

    pub(super) const fn pid(self) -> u16 {
        (self.0 >> 8) as u16 & 0x1FFF
    }

    pub(super) const fn scrambled(self) -> bool {
        self.0 & 0xC0 != 0
    }

    pub(super) const fn has_adaptation_field(self) -> bool {
        self.0 & 0x20 != 0
    }

    pub(super) const fn has_payload(self) -> bool {
        self.0 & 0x10 != 0
    }

    pub(super) const fn continuity(self) -> u8 {
        self.0 as u8 & 0x0F
    }
}

/// What lies behind the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Body<'a> {
    pub(super) discontinuity: bool,
    pub(super) random_access: bool,
    pub(super) payload: &'a [u8],
}

/// Divides a packet; `None` if the adaptation field does not fit into it.
pub(super) fn body(header: Header, packet: &Packet) -> Option<Body<'_>> {
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
