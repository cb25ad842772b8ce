//! Selects the video track of a segment, and finds its pictures, GOPs and changes of parameters.

pub(crate) mod changes;
pub(crate) mod gop_index;
pub(crate) mod growing;
pub(crate) mod parameter_sets;
pub(crate) mod select;
