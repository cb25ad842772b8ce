//! Selects frames from those of the decoder, and writes them: pictures, journal, events. `selector`
//! takes the frames, `segment_queue` tells the segment of each, `detectors` decide, and `writer`
//! writes the selected ones into the folder that `journal` keeps. `feed` and `stage` import this
//! folder; it imports `decode`, `picture`, `track`, `input` and `cht_detect`.

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
pub(crate) mod writer;
