//! Finds programs, PES packets, access points and damage in bytes as they arrive: [`Scanner`].
//!
//! In order, each using only those before it: `found`, `descriptor`, `psi` (tables), `es` (one
//! elementary stream), `pid` (one PID), `demux` (all of them), `scanner`.
//!
//! [`Scanner`]: scanner::Scanner

pub(crate) mod demux;
pub(crate) mod descriptor;
pub(crate) mod es;
pub(crate) mod found;
pub(crate) mod pid;
pub(crate) mod psi;
pub(crate) mod scanner;
