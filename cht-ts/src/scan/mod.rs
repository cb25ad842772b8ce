//! Finds programs, PES packets, access points and damage in bytes as they arrive: [`Scanner`](scanner::Scanner).

pub(crate) mod descriptor;
pub(crate) mod es;
pub(crate) mod found;
pub(crate) mod pid;
pub(crate) mod psi;
pub(crate) mod scanner;
