//! Observations of the segmenter, for counters.

/// Observations since the last report.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Transport packets.
    pub packets: u64,
    /// PIDs that new or changed program tables list.
    pub listed: Vec<u16>,
    /// PID of each gap in a continuity counter.
    pub gaps: Vec<u16>,
    /// Pictures whose time stamps fit neither the ones before nor the ones after.
    pub strays: u64,
}
