//! Feeds runs: segments in order, whole when they are finished, followed while they grow.
//!
//! Its child modules enter the folder of a session (`enter`), feed finished segments (`finished`),
//! a growing one (`live`), those that only the segment log names (`undone`), and those whose pieces
//! are lost (`again`).

mod again;
mod enter;
mod finished;
mod live;
mod undone;

use std::{
    collections::HashSet,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result};
use cht_core::{
    event::Segment,
    process::ffmpeg::Program,
    segment::{Cache, SegmentError},
    session::{Session, finished_segment::FinishedSegment},
    stage::{Disk, NoFolder, Output, RefusedSessions, Unannounced, Upstream},
};

use super::{
    folder::Folder,
    run::{Run, leads},
};
use crate::{
    args::{Args, Channels},
    counters::Counters,
    decode::decoder::Decoders,
    piece::{
        entry::{Resume, Source},
        writer::Writer,
    },
};

/// Holds the state of the feeding thread.
#[derive(Debug)]
pub(crate) struct Feeder {
    args: Args,
    ffmpeg: Program,
    output: Output,
    disk: Disk,
    counters: Arc<Counters>,
    upstream: Arc<Upstream>,
    folder: Option<Folder>,
    /// Folders that this run of the program has opened, by device and inode.
    opened: HashSet<(u64, u64)>,
    refused: RefusedSessions,
    unannounced: Unannounced,
}

impl Feeder {
    pub(crate) fn new(
        args: Args,
        output: Output,
        counters: Arc<Counters>,
        upstream: Arc<Upstream>,
    ) -> Result<Self> {
        let ffmpeg = Program::unasked(&args.ffmpeg)?;
        let disk = Disk::new(&output);
        let cache = Cache::of_environment().scanning_again(args.overwrite);
        let unannounced = Unannounced::new(cache, output.clone());
        Ok(Self {
            args,
            ffmpeg,
            output,
            disk,
            counters,
            upstream,
            folder: None,
            opened: HashSet::new(),
            refused: RefusedSessions::default(),
            unannounced,
        })
    }

    /// Finishes the work under way, after the last event: the sound may continue in a later run.
    pub(crate) fn finish(mut self) -> Result<()> {
        let finished = self.end_run(true);
        if finished.is_err() && self.leave_removed()? { Ok(()) } else { finished }
    }

    /// Leaves the folder of a session that was removed while its sound was being cut: there is no
    /// place for the pieces any more. Returns whether it was removed.
    pub(crate) fn leave_removed(&mut self) -> Result<bool> {
        let is_of_session = self.args.out.is_none();
        let is_gone = |folder: &mut Folder| is_of_session && !folder.path.exists();
        let Some(folder) = self.folder.take_if(is_gone) else { return Ok(false) };
        if let Some(run) = folder.run {
            // Its error was that the folder is gone.
            let _ = run.abandon();
        }
        let session = folder.path.parent().unwrap_or(&folder.path).to_string_lossy();
        self.refused.refuse(&session, &NoFolder::removed(&session), &self.output)?;
        Ok(true)
    }

    /// Ends the run of a connection that has ended.
    pub(crate) fn drain(&mut self, connection: u32) -> Result<()> {
        if self.run().is_some_and(|run| run.source().connection == Some(connection)) {
            self.end_run(false)?;
        }
        Ok(())
    }

    fn folder(&mut self) -> Result<&mut Folder> {
        self.folder.as_mut().context("no folder was entered")
    }

    fn run(&self) -> Option<&Run> {
        self.folder.as_ref()?.run.as_ref()
    }

    /// Returns the writer of the folder, where no decoder runs.
    fn writer(&mut self) -> Result<&mut Writer> {
        self.folder()?.writer.as_mut().context("a decoder runs")
    }

    /// Ends the run, if there is one.
    fn end_run(&mut self, is_open: bool) -> Result<()> {
        let Some(folder) = &mut self.folder else { return Ok(()) };
        if let Some(run) = folder.run.take() {
            folder.writer = Some(run.end(is_open)?);
            self.counters.begin();
        }
        Ok(())
    }

    /// Goes back to what the journal says, as a restart does: segments since then come again.
    fn give_back(&mut self) -> Result<()> {
        if let Some(folder) = &mut self.folder
            && let Some(run) = folder.run.take()
        {
            run.abandon()?;
        }
        self.folder = None;
        Ok(())
    }

    /// Returns whether no event can announce any more that the segment at `path` is finished.
    fn is_orphaned(&self, path: &str) -> bool {
        self.upstream.ended.load(Ordering::SeqCst) && self.upstream.begun().get(path) != Some(&true)
    }

    /// Lets a run take the bytes of a segment that follow: the one that runs, if it goes on there,
    /// one that an earlier run of the program left, or another one.
    fn begin(&mut self, source: &Source, is_live: bool) -> Result<()> {
        if self.run().is_some_and(|run| run.goes_on(source) && !run.has_failed()) {
            return self.enter_segment(source, source.from, false);
        }
        self.end_run(false)?;
        if let Some((resume, before)) = self.left_by_earlier_run(source) {
            return self.go_on(source, resume, before, is_live);
        }
        self.start(source, None, is_live)?;
        self.enter_segment(source, source.from, false)
    }

    fn enter_segment(&mut self, source: &Source, from: u64, is_done: bool) -> Result<()> {
        if let Some(run) = &mut self.folder()?.run {
            run.enter(source.clone(), from, is_done);
        }
        Ok(())
    }

    /// Starts a run with a segment.
    fn start(&mut self, source: &Source, resume: Option<Resume>, is_live: bool) -> Result<()> {
        let mono = self.args.channels == Channels::One;
        let timeout = Duration::from_secs_f64(self.args.decoder_timeout);
        let decoders = Decoders { ffmpeg: self.ffmpeg.clone(), mono, timeout };
        let settings = self.args.settings();
        let folder = self.folder()?;
        let writer = folder.writer.take().context("a decoder runs")?;
        folder.run = Some(Run::start(decoders, settings, source.clone(), writer, resume, is_live)?);
        Ok(())
    }

    /// Returns where an earlier run of the program would have gone on with `source`, and the
    /// segments between, of which those that are done again come with `false`.
    fn left_by_earlier_run(&mut self, source: &Source) -> Option<(Resume, Vec<(Source, bool)>)> {
        let journal = &mut self.folder.as_mut()?.writer.as_mut()?.journal;
        let (resume, before) = journal.unfinished()?;
        let resume = resume.clone();
        let is_own = resume.at.key == source.key;
        let goes_on = match before.last() {
            Some(last) => {
                let is_same = last.sound.as_ref().zip(source.sound.as_ref());
                last.key != source.key
                    && before[0].key == resume.at.key
                    && leads(last, source)
                    && is_same.is_some_and(|(last, sound)| last.is_as(sound))
            }
            None => is_own,
        };
        let exist = before.iter().all(|source| Path::new(&source.path).exists());
        if !goes_on || !exist {
            return None;
        }
        Some((resume, before.into_iter().map(|source| (source, true)).collect()))
    }

    /// Goes on with a run that an earlier run of the program left.
    fn go_on(
        &mut self,
        source: &Source,
        resume: Resume,
        mut before: Vec<(Source, bool)>,
        is_live: bool,
    ) -> Result<()> {
        let journal = &mut self.writer()?.journal;
        journal.reopen()?;
        for (source, is_done) in &mut before {
            *is_done = journal.done(&source.key).is_some();
        }
        let first = before.first().map_or(source, |(first, _)| first).clone();
        let mut from = resume.at.byte;
        self.start(&first, Some(resume), is_live)?;
        for (segment, is_done) in before {
            self.enter_segment(&segment, from, is_done)?;
            let file = FinishedSegment::open(Path::new(&segment.path))?;
            self.feed_file(&file, from..u64::MAX)?;
            self.fed(segment.bytes)?;
            from = 0;
        }
        self.enter_segment(source, from.max(source.from), false)?;
        Ok(())
    }

    /// Feeds bytes to the run.
    fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.folder()?.run {
            Some(run) => run.feed(bytes),
            None => Ok(()),
        }
    }

    /// Notes that the segment was fed to its end.
    fn fed(&mut self, bytes: u64) -> Result<()> {
        match &mut self.folder()?.run {
            Some(run) => run.fed(bytes),
            None => Ok(()),
        }
    }

    /// Returns the byte of the segment from which on the run that was begun is fed.
    fn from(&self) -> u64 {
        self.run().map_or(0, Run::from)
    }

    fn feed_file(&mut self, file: &FinishedSegment, part: std::ops::Range<u64>) -> Result<()> {
        for window in file.windows(&part) {
            self.feed(&window?)?;
        }
        Ok(())
    }

    /// Emits an error that concerns the segment at `path` alone, after the pieces before it;
    /// returns other errors.
    fn report_lost(&mut self, result: Result<()>, path: &str) -> Result<()> {
        let Err(error) = result else { return Ok(()) };
        let Some(lost) = error.downcast_ref::<SegmentError>() else { return Err(error) };
        self.end_run(false)?;
        self.writer()?.fail(lost.code(), &lost.to_string(), Some(path))
    }

    /// Emits that a segment cannot be read to its end. What comes before the error is used.
    fn torn(&self, path: &str, error: &SegmentError) -> Result<()> {
        let session = Session::of_segment(Path::new(path));
        let session = session.as_ref().map(Session::name);
        Ok(self.output.fail(session, error.code(), &error.to_string(), Some(path))?)
    }

    /// Emits that a segment is done without pieces.
    fn leave_out(&mut self, segment: &Segment, key: &str) -> Result<()> {
        self.end_run(false)?;
        let source = Source {
            key: key.to_owned(),
            seq: segment.seq,
            path: segment.path.clone(),
            bytes: segment.bytes,
            connection: segment.connection,
            anchor: segment.timeline,
            wall_clock: None,
            sound: None,
            from: 0,
        };
        self.writer()?.done(source)
    }
}
