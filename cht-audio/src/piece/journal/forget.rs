//! Forgets pieces, so that they are made again under the same ids: the file of one is lost, or its
//! segment has grown since.
//!
//! The journal is cut where a stage that was killed just before the first of them would have left
//! it. So the lines after it go as well, and their segments are handled once more.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::{PieceJournal, Written};
use crate::piece::entry::Source;

/// Segments that are to be handled once more; or the path of one that is gone or has become
/// shorter: then nothing is forgotten.
pub(crate) type Forgotten = std::result::Result<Vec<Source>, String>;

impl PieceJournal {
    /// Returns the index of the first piece of a segment whose file is missing or has another size,
    /// apart from those that `is_known` names.
    pub(crate) fn lost_of(&self, key: &str, is_known: impl Fn(&str) -> bool) -> Option<usize> {
        self.lost(self.indexes_of(key).iter().copied(), is_known)
    }

    /// Returns the index of the first of the last `count` pieces whose file is missing or has
    /// another size, apart from those that `is_known` names.
    pub(crate) fn lost_of_last(
        &self,
        count: usize,
        is_known: impl Fn(&str) -> bool,
    ) -> Option<usize> {
        let length = self.known.pieces.len();
        self.lost(length.saturating_sub(count)..length, is_known)
    }

    fn lost(
        &self,
        mut among: impl Iterator<Item = usize>,
        is_known: impl Fn(&str) -> bool,
    ) -> Option<usize> {
        among.find(|at| {
            let piece = self.piece(*at).filter(|piece| !is_known(&piece.audio.id));
            piece.is_some_and(|piece| {
                self.file_of(piece).is_some_and(|path| length(&path) != Some(piece.audio.bytes))
            })
        })
    }

    /// Returns the file of a piece, by the present place of the folder.
    pub(crate) fn file_of(&self, piece: &Written) -> Option<PathBuf> {
        Some(self.folder.join(Path::new(piece.audio.path.as_ref()?).file_name()?))
    }

    /// Returns a piece.
    pub(crate) fn piece(&self, index: usize) -> Option<&Written> {
        self.known.pieces.get(index).map(|(piece, _)| piece)
    }

    /// Forgets the pieces from `index` on. Returns the segments that were done with them, in their
    /// order.
    pub(crate) fn forget_piece(&mut self, index: usize) -> Result<Forgotten> {
        let first = self.first_of_end(index);
        let Some(&(_, line)) = self.known.pieces.get(first) else { return Ok(Ok(Vec::new())) };
        self.forget(first, line, None)
    }

    /// Forgets that a segment is done, and the pieces with sound of it, likewise.
    pub(crate) fn forget_segment(&mut self, key: &str) -> Result<Forgotten> {
        let Some(&at) = self.by_key.get(key) else { return Ok(Ok(Vec::new())) };
        let Some((source, line)) = self.known.done.get(at) else { return Ok(Ok(Vec::new())) };
        let pieces = &self.known.pieces;
        // Where sound is missing at the end of the segment, it may be noted as done after pieces
        // that begin in later ones.
        let is_before =
            |(piece, _): &(Written, u64)| self.by_key.get(&piece.key).is_some_and(|of| *of < at);
        let first = pieces.iter().position(|piece| !is_before(piece)).unwrap_or(pieces.len());
        // The piece before may reach into the segment.
        let is_own = pieces.get(first).is_some_and(|(piece, _)| piece.key == key);
        let reaches = |(before, _): &(Written, u64)| {
            if is_own { before.next.is_some() } else { source.sound.is_some() }
        };
        let before = first.checked_sub(1).and_then(|before| pieces.get(before));
        let first = first - usize::from(before.is_some_and(reaches));
        let first = self.first_of_end(first);
        let line = pieces.get(first).map_or(*line, |(_, before)| *line.min(before));
        self.forget(first, line, Some(key))
    }

    /// Returns the first of the pieces that ended with the input together with that at `index`.
    fn first_of_end(&self, index: usize) -> usize {
        let before = self.known.pieces[..index.min(self.known.pieces.len())].iter().rev();
        index - before.take_while(|(piece, _)| piece.is_open && piece.next.is_some()).count()
    }

    /// Cuts the journal before `line`, which is before the piece at `first`, if all segments that
    /// the pieces since then need are there; the one at `changed` has another size.
    fn forget(&mut self, first: usize, line: u64, changed: Option<&str>) -> Result<Forgotten> {
        let done = &self.known.done;
        let cut = done.partition_point(|(_, before)| *before < line);
        let begin = self.piece(first).and_then(|piece| self.by_key.get(&piece.begin.at.key));
        let needed = begin.copied().unwrap_or(cut).min(cut);
        for (source, _) in &done[needed..] {
            let least = if changed == Some(&source.key) { 0 } else { source.bytes };
            if length(Path::new(&source.path)).is_none_or(|length| length < least) {
                return Ok(Err(source.path.clone()));
            }
        }
        self.cut(line)?;
        let forgotten = self.known.done.split_off(cut);
        let pieces = self.known.pieces.split_off(first);
        if changed.is_some() {
            // There may be fewer pieces now, so that not every file is written again.
            let files = pieces.iter().filter_map(|(piece, _)| self.file_of(piece));
            files.for_each(|path| drop(fs::remove_file(path)));
        }
        self.index();
        Ok(Ok(forgotten.into_iter().map(|(source, _)| source).collect()))
    }
}

/// Returns the size of a file.
fn length(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len())
}
