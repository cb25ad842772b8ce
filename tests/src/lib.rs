//! The pipelines under `tests/` are the content of this crate.
