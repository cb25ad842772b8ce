//! Findings of the scanner.
use crate::codec::Media;
use crate::program::Program;
use crate::time::Pts;
use crate::video::access::Entry;

/// Something found in the stream, handed over as soon as it is decided.
///
/// All offsets are bytes since the beginning of the connection or file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'a> {
    /// A PMT became known, or the PAT or a PMT changed its content. All programs of the PAT are
    /// given, in its order; one whose PMT has not come yet has no streams.
    Programs(&'a [Program]),
    /// A PES packet starts.
    Pes(Pes),
    /// The packet at this offset does not begin with a sync byte.
    SyncLost {
        /// Where a packet should have begun.
        offset: u64,
    },
    /// Packets begin here: once at the beginning of each stream, and after each loss.
    SyncFound {
        /// Where the first packet begins.
        offset: u64,
        /// Bytes between the loss (or the beginning) and `offset` that belong to no packet.
        skipped: u64,
    },
    /// Something is wrong with the stream.
    Damage(Damage),
}

/// Start of a PES packet (ISO/IEC 13818-1 §2.4.3.6); of H.264, HEVC, MPEG-1 and MPEG-2 start of an
/// access unit. PES packets without a picture, such as parameter sets, belong to the next one.
/// Another slice of the same picture, or its last bytes, in a PES packet of its own has no time
/// stamps and is no keyframe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pes {
    /// Offset in bytes of the transport packet in which it starts.
    pub offset: u64,
    /// Offset in bytes at which to cut a segment that is to begin with this PES packet: `offset`,
    /// or the start of the run of PSI and SI packets (PID 0..=0x1F and those of the PMTs) directly
    /// before it. Null packets do not end such a run.
    pub cut: u64,
    /// PID that carries it.
    pub pid: u16,
    /// Kind of stream, by the PMT; by `stream_id` if no PMT lists the PID.
    pub media: Media,
    /// Presentation time stamp.
    pub pts: Option<Pts>,
    /// Decoding time stamp; absent where it equals the PTS.
    pub dts: Option<Pts>,
    /// Decoding can begin here. For video: `random_access_indicator` is set, or the first picture
    /// is an IDR picture, follows a recovery point SEI, is an I slice after an SPS (H.264), an IRAP
    /// picture (HEVC) or an I picture (MPEG-1, 2 and 4). For all else: the indicator alone.
    pub random_access: bool,
    /// How it can; present where `random_access` is set.
    pub entry: Option<Entry>,
}

/// A defect. `offset` is the one of the transport packet in which it showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// Packets of this PID are missing, or repeated more than once (ISO/IEC 13818-1 §2.4.3.3).
    Continuity {
        /// Offset of the packet in bytes.
        offset: u64,
        /// Its PID.
        pid: u16,
        /// The `continuity_counter` that should have come.
        expected: u8,
        /// The one that came.
        got: u8,
    },
    /// A PAT or PMT section fails its CRC-32 (§2.4.4) and is ignored.
    PsiCrc {
        /// Offset in bytes of the packet in which the section starts.
        offset: u64,
        /// Its PID.
        pid: u16,
    },
    /// `transport_error_indicator` is set: the packet is known to be wrong, the PID included.
    TransportError {
        /// Offset of the packet in bytes.
        offset: u64,
        /// The PID as it stands there.
        pid: u16,
    },
    /// The adaptation field is longer than its packet (§2.4.3.5): its payload is not read.
    AdaptationField {
        /// Offset of the packet in bytes.
        offset: u64,
        /// Its PID.
        pid: u16,
    },
}

/// Totals since the beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Transport packets, null packets and damaged ones included.
    pub packets: u64,
    /// Null packets (PID 0x1FFF).
    pub null_packets: u64,
    /// Offset in bytes of the first packet.
    pub first_sync: Option<u64>,
    /// Times that sync was lost after it had been found.
    pub sync_losses: u64,
    /// Bytes that belong to no packet: before the first one, and between a loss and the next one.
    pub lost_bytes: u64,
    /// Bytes of an incomplete packet at the end of the input, known after `finish`.
    pub truncated_bytes: u64,
    /// Packets with `transport_error_indicator`.
    pub transport_errors: u64,
    /// Packets with a `transport_scrambling_control` other than 0.
    pub scrambled: u64,
    /// Packets whose adaptation field is longer than they are.
    pub bad_adaptation_fields: u64,
    /// PAT and PMT sections with a wrong CRC.
    pub psi_crc_errors: u64,
    /// Continuity errors of all PIDs.
    pub continuity_errors: u64,
    /// Permitted duplicates of all PIDs.
    pub duplicates: u64,
}

/// Totals of one PID.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PidCounters {
    /// Transport packets.
    pub packets: u64,
    /// Continuity errors.
    pub continuity_errors: u64,
    /// Permitted duplicates, which are not interpreted again.
    pub duplicates: u64,
    /// PES packets that start.
    pub pes_starts: u64,
    /// PES packets that carry a PTS.
    pub pes_with_pts: u64,
    /// Video PES packets with `random_access`.
    pub keyframes: u64,
    /// `stream_id` of the last PES packet, 0 before any.
    pub stream_id: u8,
}
