//! Contents of an answer: words and pictures, within a budget.

use std::path::PathBuf;

use anyhow::Result;

use super::base64;
use crate::{
    budget::{Budget, tokens_of_text},
    picture::{
        fit::{Painter, Picture, Source},
        size::{Crop, Size},
    },
    view::{FrameView, PictureView},
};

/// Largest number of pictures in an answer.
pub(crate) const MOST_PICTURES: usize = 6;

/// Bytes of a message in addition to its words and pictures.
const ENVELOPE: u64 = 16 << 10;

/// Share of the tokens that words may take where pictures follow, in hundredths.
const WORDS: u64 = 45;

/// A part of an answer.
#[derive(Debug)]
pub(crate) enum Block {
    Text(String),
    Picture(Picture),
    /// A file, by its address for clients, its name, its media type and its size.
    Link {
        uri: String,
        name: String,
        path: PathBuf,
        kind: &'static str,
        bytes: u64,
    },
}

/// Picture to add to an answer.
pub(crate) struct Wanted<'a> {
    pub source: Source<'a>,
    pub whole: Size,
    pub crop: Option<Crop>,
    /// Largest number of pixels.
    pub pixels: u64,
}

/// The part of a budget that the words leave.
pub(crate) struct Rest {
    tokens: u64,
    bytes: u64,
}

/// Returns how long the JSON of an answer may be. It is sent twice: as text, and structured.
pub(crate) fn room_for_words(budget: Budget, pictures: bool) -> usize {
    let share = if pictures { WORDS } else { 95 };
    let by_tokens = (budget.tokens * share / 100) * 3 / 2;
    let by_bytes = budget.bytes.saturating_sub(ENVELOPE) * share / 100 / 3;
    by_tokens.min(by_bytes) as usize
}

impl Rest {
    /// Returns the part that an answer leaves whose JSON has this length.
    pub(crate) fn after(budget: Budget, json: usize) -> Self {
        // As text, quotation marks are escaped.
        let bytes = (json as u64) * 3 + ENVELOPE;
        Self {
            tokens: budget.tokens.saturating_sub(tokens_of_text(json * 2)),
            bytes: budget.bytes.saturating_sub(bytes),
        }
    }

    /// Makes one of `count` pictures that are still to come, in its share of the rest.
    pub(crate) fn picture(
        &mut self,
        painter: &Painter,
        wanted: &Wanted<'_>,
        count: usize,
    ) -> Result<Picture> {
        let count = count.max(1) as u64;
        let shape = wanted.crop.map_or(wanted.whole, |crop| crop.size);
        let size = shape.for_model(self.tokens / count).within(u32::MAX, wanted.pixels);
        let bytes = (self.bytes / count / 4 * 3) as usize;
        let picture = painter.fit(wanted.source, wanted.whole, wanted.crop, size, bytes)?;
        self.tokens = self.tokens.saturating_sub(picture.size.tokens());
        self.bytes = self.bytes.saturating_sub(base64::length(picture.bytes.len()) as u64);
        Ok(picture)
    }
}

impl PictureView {
    /// Describes the picture `number` of an answer.
    pub(crate) fn of(number: usize, size: Size) -> Self {
        Self {
            number: number as u32,
            width: size.width,
            height: size.height,
            tokens: size.tokens(),
        }
    }
}

/// Returns the link to a frame's picture, if it has one. `session` is the name of its folder.
pub(crate) fn link(session: &str, frame: &FrameView) -> Option<Block> {
    let path = PathBuf::from(frame.path.as_ref()?);
    let kind = crate::picture::fit::kind_of(&path).unwrap_or("application/octet-stream");
    Some(Block::Link {
        uri: super::resources::uri(session, &frame.id),
        name: frame.id.clone(),
        bytes: path.metadata().map_or(0, |file| file.len()),
        path,
        kind,
    })
}
