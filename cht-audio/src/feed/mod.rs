//! Feeds segments to decoders, finished ones and the one that is still growing.
//!
//! A **run** is the sound of consecutive segments. One decoder after another takes it, so that a
//! restart need not begin with the first. In order, each using only those before it: `packets`,
//! `codec`, `stopped`, `run`, `folder`, `feeder`.

pub(crate) mod codec;
pub(crate) mod feeder;
pub(crate) mod folder;
pub(crate) mod packets;
pub(crate) mod run;
pub(crate) mod stopped;
