//! The session's timeline: which tick of the session a PTS is. The rules are in `docs/time.md`.
//!
//! In order, each using only those before it: `anchor`, `extent`, `succession` (loose segments),
//! `live` (a stream as it comes), `mend` (outliers, for decoders).

mod anchor;
mod extent;
mod live;
mod mend;
mod succession;

pub use self::{
    extent::Extent,
    live::{Observed, Placed, Stamp, Step, Timeline},
    mend::Mender,
    succession::{Span, Succession},
};
