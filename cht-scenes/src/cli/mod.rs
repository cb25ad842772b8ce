//! The command line, and the options that the results depend on.

pub(crate) mod args;
pub(crate) mod options;
