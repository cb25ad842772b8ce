//! The other tools: next to this program, where one installation puts all of them, or else in
//! `PATH`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use cht_core::process::programs;

pub(crate) use cht_core::process::programs::in_path;

use crate::quote::quote;

/// Returns the path of a tool.
pub(crate) fn tool(name: &str) -> Result<PathBuf> {
    programs::installed(name).with_context(|| {
        format!("{name}: neither next to cht nor in PATH; install all of the tools together")
    })
}

/// Returns the word by which a shell of this user runs a tool: its name, unless `PATH` leads to
/// another program of that name, or to none.
pub(crate) fn word(name: &str) -> String {
    let Ok(path) = tool(name) else { return name.to_owned() };
    let same = |other: PathBuf| other.canonicalize().ok() == path.canonicalize().ok();
    if in_path(name).is_some_and(same) { name.to_owned() } else { quote(&path.to_string_lossy()) }
}
