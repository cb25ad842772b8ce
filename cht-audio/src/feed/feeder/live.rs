//! Feeds a live stream: segments while they grow.

use std::path::Path;

use anyhow::Result;
use cht_core::{
    event::SegmentOpen,
    segment::SegmentError,
    session::live_segment::{Growth, LiveSegment, finished_path},
    storage::regular,
    timeline::WallClock,
};
use cht_ts::Scanner;

use super::Feeder;
use crate::piece::{entry::Source, journal::key};

/// Length of a growing segment that is searched for its sound, in bytes; after that, it waits until
/// it is finished.
const PROBE: usize = 4 << 20;

/// Size of a read, in bytes.
const READ: usize = 256 << 10;

impl Feeder {
    /// Cuts the sound of a segment while it grows.
    pub(crate) fn grow(&mut self, session: Option<&str>, open: &SegmentOpen) -> Result<()> {
        if !self.enter(session)? {
            return Ok(());
        }
        self.cut_undone(session, open.seq)?;
        let part = Path::new(&open.path);
        let path = finished_path(part).to_string_lossy().into_owned();
        let Some(anchor) = open.timeline else { return Ok(()) };
        let folder = self.folder()?;
        let key = key(&path, folder.by_name).to_owned();
        let is_known = folder.handled.contains_key(&key)
            || folder.writer.as_ref().is_some_and(|writer| writer.journal.done(&key).is_some());
        // After a gap in the events, the segments come finished and in order, and this one is among
        // them.
        if is_known || folder.last_seq.is_some_and(|last| last + 1 != open.seq) {
            return Ok(());
        }
        let mut live = match LiveSegment::open(part) {
            Ok(live) => live,
            // The file is gone already; its `segment` event follows, if any does.
            Err(error) if !regular::is_refusal(&error) => return Ok(()),
            Err(error) => {
                return self.fail("unreadable", &format!("{}: {error}", open.path), &open.path);
            }
        };
        let source = Source {
            key,
            seq: open.seq,
            path: path.clone(),
            bytes: 0,
            connection: Some(open.connection),
            anchor: Some(anchor),
            wall_clock: WallClock::of_segment(open.at, anchor),
            sound: None,
            from: 0,
        };
        let mut growing = Growing { source, scanner: Some(Scanner::new()), held: Vec::new() };
        let (mut total, mut buffer) = (0, vec![0; READ]);
        let mut is_begun = false;
        loop {
            let bytes = match live.read(&mut buffer) {
                Err(error) => {
                    let error = SegmentError::Io { path: path.clone().into(), error };
                    return self.report_lost(Err(error.into()), &path);
                }
                Ok(Growth::Bytes(count)) => &buffer[..count],
                Ok(Growth::Finished) => break,
                Ok(Growth::Nothing) if !self.is_orphaned(&path) => continue,
                // The next recorder will finish the file, and announce it to this run or a later
                // one.
                Ok(Growth::Nothing | Growth::Abandoned) if is_begun => {
                    self.give_back()?;
                    return if self.enter(session)? {
                        self.cut_undone(session, open.seq)
                    } else {
                        Ok(())
                    };
                }
                // It may be finished and announced to a later run of this program.
                Ok(Growth::Nothing | Growth::Abandoned) => return Ok(()),
            };
            total += bytes.len() as u64;
            if is_begun {
                self.feed(bytes)?;
                continue;
            }
            growing.held.extend_from_slice(bytes);
            if !self.finds_sound(&mut growing, bytes) {
                if growing.held.len() > PROBE {
                    return Ok(());
                }
                continue;
            }
            let folder = self.folder()?;
            folder.handled.insert(growing.source.key.clone(), 0);
            folder.last_seq = Some(open.seq);
            is_begun = true;
            self.begin_live(&mut growing)?;
        }
        if is_begun {
            self.fed(total)?;
        }
        Ok(())
    }

    /// Searches the next bytes of a segment for its sound; returns whether that is known. The run
    /// that goes on knows it before the tables come.
    fn finds_sound(&self, growing: &mut Growing, bytes: &[u8]) -> bool {
        let Some(scanner) = &mut growing.scanner else { return true };
        scanner.push(bytes, &mut |_| {});
        let is_complete = scanner.programs().iter().any(|it| !it.streams.is_empty());
        let asked = self.args.sound();
        growing.source.sound = match asked.of_programs(scanner.programs()) {
            Ok(Some(sound)) if is_complete => Some(sound),
            _ if is_complete => return false,
            _ => {
                let sound = self.run().and_then(|run| run.source().sound.clone());
                let source = Source { sound, ..growing.source.clone() };
                self.run().filter(|run| run.goes_on(&source)).and(source.sound)
            }
        };
        growing.source.sound.is_some()
    }

    /// Begins with the bytes of a growing segment that were held until its sound was found.
    fn begin_live(&mut self, growing: &mut Growing) -> Result<()> {
        growing.scanner = None;
        self.begin(&growing.source, true)?;
        let held = std::mem::take(&mut growing.held);
        let from = usize::try_from(self.from()).unwrap_or(usize::MAX).min(held.len());
        self.feed(&held[from..])
    }
}

/// Beginning of a growing segment.
struct Growing {
    source: Source,
    scanner: Option<Scanner>,
    held: Vec<u8>,
}
