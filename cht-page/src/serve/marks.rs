//! Marks pictures as sent, for a browser that has given the token.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use cht_core::{process::clock, session::marks};
use serde::Deserialize;

use crate::{
    item::Item,
    source::{Position, Source},
};

/// Largest request, in bytes.
pub(super) const MAX_BODY: usize = 64 << 10;

/// Time in which a request has to come.
pub(super) const BODY_TIME: Duration = Duration::from_secs(10);

/// Bytes of the journal that are read at a time.
const READ: u64 = 1 << 20;

/// A request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Marks {
    ids: Vec<String>,
}

/// Marks the pictures that a request names, all of which have to be there.
pub(super) fn mark(source: &Source, body: &[u8]) -> Result<()> {
    let Marks { mut ids } =
        serde_json::from_slice(body).context("must be {\"ids\":[\"F000001\"]}")?;
    ids.sort();
    ids.dedup();
    let mut unknown = ids.clone();
    let mut at = Position::default();
    while !unknown.is_empty() {
        let batch = source.read_on(at, READ)?.context("the index was started over; try again")?;
        for (_, item) in batch.items {
            if let Item::Frame(picture) = item {
                unknown.retain(|id| id != picture.id());
            }
        }
        at = batch.end;
        if !batch.is_partial {
            break;
        }
    }
    if let Some(id) = unknown.first() {
        bail!("{id}: no such picture; nothing is marked");
    }
    if !ids.is_empty() {
        marks::append(source.session(), &ids, clock::wall())?;
    }
    Ok(())
}
