//! The unit in which a live stream is handed to its viewers.

use std::{sync::Arc, time::Instant};

/// Some of the stream's bytes, never of two groups of pictures. Cloning shares the bytes.
#[derive(Debug, Clone)]
pub struct Piece {
    /// The bytes: whole packets, where the stream is one.
    pub bytes: Arc<[u8]>,
    /// Where decoding can begin with the first byte: the packets that a decoder needs before it,
    /// PAT and PMT, and parameter sets if the stream has none at that place.
    pub entry: Option<Arc<[u8]>>,
    /// When the bytes were read.
    pub arrived: Instant,
}
