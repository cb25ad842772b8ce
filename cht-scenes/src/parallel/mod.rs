//! Decodes finished segments with several decoders at once (`--jobs`), and gives the same frames as
//! one. `split` divides the stream into chunks, `job` decodes one, `merge` joins their frames, and
//! `pool` holds them together. Only `feed` imports this folder; it imports `decode` and `input`.

pub(crate) mod job;
pub(crate) mod merge;
pub(crate) mod pool;
pub(crate) mod queue;
pub(crate) mod split;
