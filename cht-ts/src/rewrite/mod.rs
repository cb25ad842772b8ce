//! Takes streams apart for a decoder: one PID, whole access units, the keyframes of a GOP, an end for the last picture.

pub(crate) mod completion;
pub(crate) mod delimiter;
pub(crate) mod gop_filter;
pub(crate) mod gop_survey;
pub(crate) mod single;
pub(crate) mod stamps;
pub(crate) mod unit;
