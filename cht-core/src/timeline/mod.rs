//! The session's timeline: which tick of the session a PTS is. The rules are in `docs/time.md`.
//!
//! In order, each using only those before it: `anchor`, `extent`, `succession` (loose segments),
//! `live` (a stream as it comes), `mend` (outliers, for decoders), `wall_clock`, `written` (times
//! as people write them).

mod anchor;
mod extent;
mod live;
mod mend;
mod succession;
mod wall_clock;
mod written;

pub use self::{
    anchor::MAX_REST,
    extent::Extent,
    live::{Observed, Placed, Stamp, Step, Timeline},
    mend::Mender,
    succession::{MAX_OVERLAP, Span, Succession},
    wall_clock::WallClock,
    written::written,
};
