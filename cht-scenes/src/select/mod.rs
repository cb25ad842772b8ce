//! Selects frames from what the decoder gives, and writes them: pictures, journal, events.

pub(crate) mod detectors;
pub(crate) mod early;
pub(crate) mod found;
pub(crate) mod journal;
pub(crate) mod refetch;
pub(crate) mod rescore;
pub(crate) mod resume;
pub(crate) mod score_log;
pub(crate) mod segment_queue;
pub(crate) mod selector;
pub(crate) mod succession;
pub(crate) mod writer;
