//! An MCP server: the commands as tools of a client.
//!
//! `catalogue` describes the tools, `tools` makes their answers, `blocks` fits pictures and words
//! into a budget.
//! Only `serve` and `http` know rmcp, whose interface changes twice a year.
//!
//! In order, each using only those before it: `base64`, `bounded` (requests that are too long),
//! `decoded` (pictures as files), `resources`, `blocks`, `schema`, `input`, `catalogue`, `tools`,
//! `serve`, `http`.

mod base64;
mod blocks;
mod bounded;
mod catalogue;
mod decoded;
pub(crate) mod http;
mod input;
mod resources;
mod schema;
mod serve;
mod tools;

pub(crate) use decoded::Decoded;
pub(crate) use serve::run;
pub(crate) use tools::Tools;
