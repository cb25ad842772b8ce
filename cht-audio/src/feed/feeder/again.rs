//! Makes pieces again: those whose file is lost, and those of a segment that has grown since.

use std::path::Path;

use anyhow::Result;
use cht_core::{event::Segment, process::report};

use super::Feeder;
use crate::piece::{entry::Source, writer::Writer};

impl Feeder {
    /// Makes the pieces of the segment at `key` again, where one is lost or the segment has another
    /// size than the one that they were made of. Returns whether the segment was handled thereby.
    pub(super) fn mend(&mut self, key: &str, segment: &Segment) -> Result<bool> {
        let Ok(writer) = self.writer() else { return Ok(false) };
        let other = writer.journal.done(key).map(|done| done.bytes);
        let Some(before) = other.filter(|bytes| *bytes != segment.bytes) else {
            let forgotten = forget_lost(writer, |writer| {
                writer.journal.lost_of(key, |id| writer.lost.contains(id))
            })?;
            return match forgotten {
                Some(forgotten) => {
                    self.handle_again(&forgotten, Some((key, segment))).map(|()| true)
                }
                None => Ok(false),
            };
        };
        // The pieces of a recorded segment that was truncated since are worth more than it is.
        if key != segment.path && segment.bytes < before {
            return Ok(false);
        }
        let (path, now) = (&segment.path, segment.bytes);
        let what = format!("{path}: has {now} bytes, and had {before} when its pieces were made");
        match writer.journal.forget_segment(key)? {
            Ok(forgotten) => {
                report::note(format_args!("{what}; they are made again"));
                self.handle_again(&forgotten, Some((key, segment)))?;
            }
            Err(gone) => {
                let message = format!("{what}; they cannot be made again without {gone}");
                writer.fail("missing", &message, Some(path))?;
            }
        }
        Ok(true)
    }

    /// Handles segments again that the journal has forgotten, and then `current` if it is none of
    /// them.
    pub(super) fn handle_again(
        &mut self,
        forgotten: &[Source],
        current: Option<(&str, &Segment)>,
    ) -> Result<()> {
        let folder = self.folder()?;
        if let Some(writer) = &folder.writer {
            folder.done = writer.journal.done_keys();
            let last = writer.journal.last_done().map(|last| last.seq);
            (folder.last_seq, folder.segment_log) = (last.filter(|_| folder.by_name), None);
        }
        for source in forgotten {
            folder.handled.remove(&source.key);
        }
        let is_current = |source: &Source| current.is_some_and(|(key, _)| key == source.key);
        let is_among_them = forgotten.iter().any(is_current);
        for source in forgotten {
            match current.filter(|_| is_current(source)) {
                Some((_, segment)) => self.take_segment(segment)?,
                None => {
                    if let Some(segment) = self.as_before(source)? {
                        self.take_segment(&segment)?;
                    }
                }
            }
        }
        if let Some((_, segment)) = current.filter(|_| !is_among_them) {
            self.take_segment(segment)?;
        }
        Ok(())
    }

    /// Examines a segment that was done, and places it where it was on the timeline.
    fn as_before(&mut self, source: &Source) -> Result<Option<Segment>> {
        let Some((_, mut segment)) = self.unannounced.examine(Path::new(&source.path))? else {
            return Ok(None);
        };
        (segment.seq, segment.connection) = (source.seq, source.connection);
        if let Some((anchor, was)) = segment.timeline.zip(source.anchor) {
            let mut parts = anchor.parts(&segment.jumps).into_iter();
            let part = parts.find(|(bytes, _)| bytes.start == source.from);
            let by = was.offset - part.map_or(anchor, |(_, anchor)| anchor).offset;
            let anchors = segment.jumps.iter_mut().map(|jump| &mut jump.timeline);
            segment.timeline.iter_mut().chain(anchors).for_each(|anchor| anchor.offset += by);
        }
        Ok(Some(segment))
    }
}

/// Forgets the first piece that `find` finds and those after it, and returns the segments that were
/// done with them. Emits an error for each that cannot be made again.
pub(super) fn forget_lost(
    writer: &mut Writer,
    find: impl Fn(&Writer) -> Option<usize>,
) -> Result<Option<Vec<Source>>> {
    while let Some(index) = find(writer) {
        let Some(piece) = writer.journal.piece(index) else { break };
        let id = piece.audio.id.clone();
        let path = writer.journal.file_of(piece).unwrap_or_default().display().to_string();
        let what = format!("{path}: is missing or has another size than it was written with");
        match writer.journal.forget_piece(index)? {
            Ok(forgotten) => {
                report::warn(format_args!("{what}; it and the pieces after it are made again"));
                return Ok(Some(forgotten));
            }
            Err(gone) => {
                let message = format!("{what}; it cannot be made again without {gone}");
                writer.fail("missing", &message, Some(&path))?;
                writer.lost.insert(id);
            }
        }
    }
    Ok(None)
}
