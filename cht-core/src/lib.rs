//! What the cht tools share.
pub mod ts;
