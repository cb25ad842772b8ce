//! An MCP server: the commands as tools of a client.
//!
//! `tools` knows the tools and makes their answers, `blocks` fits pictures and words into a budget.
//! Only `serve` knows rmcp, whose interface changes twice a year.
//!
//! In order, each using only those before it: `base64`, `blocks`, `tools`, `resources`, `serve`.

mod base64;
mod blocks;
mod resources;
mod serve;
mod tools;

pub(crate) use serve::run;
pub(crate) use tools::Tools;
