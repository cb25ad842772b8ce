//! The arguments of the tools.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use cht_core::process::clock;
use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::recording::time::Time;

/// Reads the arguments of a tool.
pub(super) fn read<T: DeserializeOwned>(input: Value) -> Result<T> {
    let input = if input.is_null() { Value::Object(Map::new()) } else { input };
    serde_json::from_value(input).context("arguments")
}

/// Arguments of `sessions`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionsInput {
    /// Largest number of sessions [default: 10]
    pub limit: Option<usize>,
}

/// Arguments of `next`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NextInput {
    /// Session, by its id or path [default: the one that is recorded, or the newest]
    pub session: Option<PathBuf>,
    /// Name of the reader: each gets every frame [default: that of the server]
    pub reader: Option<String>,
    /// Largest number of frames, 1 to 6; without images up to 50 [default: 6]
    pub limit: Option<usize>,
    /// Seconds to wait for a frame, 0 to 50 [default: 0]
    pub wait_s: Option<f64>,
    /// Whether to include the pictures [default: true]
    pub images: Option<bool>,
}

/// Arguments of `ack`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AckInput {
    /// Session, as the answer of `next` names it [default: the one that is recorded, or the newest]
    pub session: Option<PathBuf>,
    /// Name of the reader, as in `next`
    pub reader: Option<String>,
    /// Cursor of the answer of `next`: acknowledges all its frames; or `now`, for everything so far
    pub cursor: Option<String>,
    /// Frames by their ids, instead of a cursor
    pub ids: Option<Vec<String>>,
}

/// Arguments of `search`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchInput {
    /// Words, as `invoice "due date"`
    pub query: String,
    /// Session [default: all]
    pub session: Option<PathBuf>,
    /// Only since then: `2h`, `30m`, `1d` ago, `14:00`, or RFC 3339
    pub since: Option<String>,
    /// Only until then, in the same forms
    pub until: Option<String>,
    /// Largest number of matches, 1 to 50 [default: 10]
    pub limit: Option<usize>,
}

/// Arguments of `moment`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MomentInput {
    /// When: seconds of the session (12.5), `0:39`, `1:02:03.5`, `live`, `-30` (seconds before
    /// that), a time of day (`14:05`), or RFC 3339
    pub time: TimeInput,
    /// Session [default: the one that is recorded, or the newest]
    pub session: Option<PathBuf>,
    /// Seconds of speech before and after [default: 15]
    pub around_s: Option<f64>,
    /// Whether to include the picture [default: true]
    pub images: Option<bool>,
}

/// Arguments of `frame`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FrameInput {
    /// When, as in `moment`: the exact picture at that time
    pub time: Option<TimeInput>,
    /// A kept frame by its id, instead of a time
    pub id: Option<String>,
    /// Session [default: the one that is recorded, or the newest]
    pub session: Option<PathBuf>,
    /// Part of the picture: left edge, top edge, width and height in pixels
    pub crop: Option<[u32; 4]>,
    /// Largest number of pixels; by default as many as a model uses
    pub max_pixels: Option<u64>,
}

/// A time: a number of seconds, or text.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "a time must be a number of seconds, as 12.5, or text, as \
                 \"1:02:03.5\", \"live\", \"-30\", \"14:05\" or RFC 3339"
)]
pub(super) enum TimeInput {
    Seconds(f64),
    Text(String),
}

impl TimeInput {
    pub(super) fn read(&self) -> Result<Time> {
        let zone = clock::local().time_zone().clone();
        let parsed = match self {
            Self::Seconds(seconds) if *seconds < 0.0 => Ok(Time::BeforeLive(-seconds)),
            Self::Seconds(seconds) => Ok(Time::Session(*seconds)),
            Self::Text(text) => Time::parse(text, &zone),
        };
        parsed.map_err(|error| anyhow::anyhow!("time {error}"))
    }
}
