//! The stage: adds events to their index, and passes every line on.
//!
//! An event that the index keeps is passed on when the journal has it: the next stage may rely on
//! that, and on `index.json` while that is small. Lines after it wait with it, to keep their order.
//! Lines that have already arrived are added together, with one commit. While no lines come, the
//! files that are due are written. SIGTERM leaves the lines that have not been read, and ends the
//! stage when all files say what the journal does.

use std::{
    collections::VecDeque,
    io::{BufReader, IsTerminal as _, Write, stdin},
    os::{fd::AsFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event::{Body, Event},
    ndjson::{self, Line, Lines},
    process::{cli, clock, report, signals},
    session::{Session, SessionError},
    terminal::{Folders, Rows, units},
};
use rustix::event::{PollFd, PollFlags};

use crate::{
    args::Args,
    index::Index,
    indexes::{Failed, Indexes},
    metrics,
    output::Output,
};

/// Bytes of stdin read at a time: the size of a pipe.
const READ: usize = 64 << 10;

/// Sessions remembered because their error was reported.
const REMEMBERED: usize = 256;

/// Time to write the files in after SIGTERM: a disk or a reader of stdout may not let it.
const LAST_WRITE: Duration = Duration::from_secs(5);

/// Runs to the end of stdin, or does what `--sent` asks.
pub(crate) fn run(args: &Args) -> Result<()> {
    if !args.sent.is_empty() {
        return mark_sent(args);
    }
    let given = given(args)?;
    if let Some(path) = given.clone().filter(|_| stdin().is_terminal()) {
        // No events come: the index is brought up to date, for a session that was moved.
        let (path, now) = (existing(path)?, clock::monotonic());
        return Index::open(&path, args.overwrite, args.format, now)?.finish();
    }
    cli::refuse_terminal("pipe the events of cht-scenes into it")?;
    signals::drain_on_interrupt()?;
    let terminated = signals::before_terminated(LAST_WRITE)?;
    let mut stage = Stage {
        args,
        output: Output::new(ndjson::stdout_of_stage(Rows::Findings)?),
        indexes: Indexes::new(args.overwrite, given, args.format),
        held: Vec::new(),
        failed: VecDeque::new(),
        frames: 0,
        files: Folders::default(),
    };
    if let Some(place) = &args.metrics {
        let event = metrics::serve(place, &stage.output.counters)?;
        stage.output.emit(&event).context("stdout")?;
    }
    if let Some(path) = stage.indexes.given().map(Path::to_owned) {
        stage.indexes.get(&path, &mut stage.output).map_err(|failed| failed.error)?;
    }
    let mut lines = Lines::new(BufReader::with_capacity(READ, stdin().lock()));
    loop {
        if !lines.has_line() {
            stage.settle()?;
            stage.wait(&terminated)?;
            if signals::is_signalled(&terminated) {
                break;
            }
        }
        let Some(line) = lines.next() else { break };
        stage.take(line.context("stdin")?)?;
    }
    let failed = stage.indexes.finish(&mut stage.output);
    failed.into_iter().try_for_each(|failed| stage.fail(failed))?;
    stage.summarise();
    if signals::is_signalled(&terminated) {
        signals::terminate();
    }
    Ok(())
}

struct Stage<'a, W: Write> {
    args: &'a Args,
    output: Output<W>,
    indexes: Indexes,
    /// Lines that wait until the index has the frames before them.
    held: Vec<Vec<u8>>,
    /// Sessions whose error was reported.
    failed: VecDeque<String>,
    /// Frames that no index had, and the files of the indexes.
    frames: u64,
    files: Folders,
}

impl<W: Write> Stage<'_, W> {
    fn take(&mut self, line: Line) -> Result<()> {
        match line {
            Line::Event { raw, event } => {
                self.output.counters.came(event.as_deref());
                let is_indexed = |event: &Event| is_kept(&event.body);
                if event.as_deref().is_some_and(is_indexed) || !self.held.is_empty() {
                    self.held.push(raw);
                    let at = self.held.len() - 1;
                    if let Some(event) = event {
                        let raw = std::mem::take(&mut self.held[at]);
                        let indexed = self.index(&event, &raw);
                        self.held[at] = raw;
                        indexed?;
                    }
                    return Ok(());
                }
                self.output.pass(&raw).context("stdout")?;
                event.map_or(Ok(()), |event| self.index(&event, &raw))
            }
            Line::Path(path) => {
                let message = format!(
                    "{}: a path on stdin; the index is made of events (pipe paths into cht-scenes)",
                    path.display()
                );
                self.output.fail(None, "bad_line", &message, path.to_str()).context("stdout")
            }
            Line::Bad(bad) => {
                let message = format!("stdin, {bad}");
                self.output.fail(None, "bad_line", &message, None).context("stdout")
            }
        }
    }

    /// Adds an event to its index; `raw` is its line.
    fn index(&mut self, event: &Event, raw: &[u8]) -> Result<()> {
        // Retention may reach into any session, and removes no frame. A session to which no sender
        // has come is no reason for an index.
        if let Body::Deleted(_) | Body::SessionDeleted(_) | Body::Listening(_) | Body::Stats(_) =
            event.body
        {
            return Ok(());
        }
        let path = match self.path_of(event.session.as_deref()) {
            Ok(Some(path)) => path,
            Ok(None) if matches!(event.body, Body::Frame(_)) => {
                bail!("the frames belong to no session; say where the index goes with --out FILE")
            }
            Ok(None) => return self.fail_mark(event),
            Err(error) => return self.refuse(event, &error.to_string()),
        };
        // Any event of a session creates its index: an empty one is worth reading, too.
        loop {
            let is_given = self.indexes.given() == Some(&path);
            match self.indexes.get(&path, &mut self.output) {
                Ok(index) => {
                    if let Body::Frame(frame) = &event.body {
                        self.frames += u64::from(!index.contains(&frame.id));
                    }
                    index.add(event, raw);
                    self.files.enter(&path);
                    return Ok(());
                }
                // Another index, which had to be closed first.
                Err(failed) if failed.path != path => self.fail(failed)?,
                Err(failed) if is_given => return Err(failed.error),
                Err(failed) => return self.refuse(event, &format!("{:#}", failed.error)),
            }
        }
    }

    /// Reports an event to keep without a session, which has no index.
    fn fail_mark(&mut self, event: &Event) -> Result<()> {
        let what = match &event.body {
            Body::Sent(sent) => format!("{}: the mark", sent.id),
            body if is_kept(body) => format!("a `{}` event", body.kind()),
            _ => return Ok(()),
        };
        let message = format!(
            "{what} belongs to no session; give the event its `session`, or say where the index is with --out FILE"
        );
        self.output.fail(None, "session", &message, None).context("stdout")
    }

    /// Returns the index that an event of `session` belongs in.
    fn path_of(&self, session: Option<&str>) -> Result<Option<PathBuf>, SessionError> {
        match session {
            Some(name) if self.args.out.is_none() => {
                Ok(Some(Session::frames_of(name)?.join("index.json")))
            }
            _ => Ok(self.indexes.given().map(Path::to_owned)),
        }
    }

    /// Reports once that a session cannot have an index; everything else goes on.
    fn refuse(&mut self, event: &Event, message: &str) -> Result<()> {
        let Some(session) = &event.session else { bail!("{message}") };
        // The stage that emitted an error about it has reported it.
        if self.failed.contains(session) || matches!(event.body, Body::Failure(_)) {
            return Ok(());
        }
        if self.failed.len() == REMEMBERED {
            self.failed.pop_front();
        }
        self.failed.push_back(session.clone());
        // Our events hold absolute paths.
        let absolute = Some(session.as_str()).filter(|session| session.starts_with('/'));
        self.output.fail(absolute, "session", message, Some(session)).context("stdout")
    }

    /// Reports an index that cannot be written. That of the command line ends the run. One whose
    /// session was removed as a whole, as retention does, has nothing to show any more.
    fn fail(&mut self, failed: Failed) -> Result<()> {
        if self.indexes.given() == Some(&failed.path) {
            return Err(failed.error);
        }
        if let Some(session) = failed.path.parent().and_then(Path::parent)
            && !session.exists()
        {
            report::note(format_args!("{}: was removed, and its index with it", session.display()));
            return Ok(());
        }
        let message = format!("{:#}", failed.error);
        self.output.fail(None, "session", &message, failed.path.to_str()).context("stdout")
    }

    /// Waits for the next line or for SIGTERM, and writes each `index.json` that is due meanwhile.
    fn wait(&mut self, terminated: &UnixStream) -> Result<()> {
        let stdin = stdin();
        loop {
            let limit = self.indexes.wait().map(|wait| clock::monotonic() + wait);
            let mut ready = [&stdin as &dyn AsFd, terminated]
                .map(|input| PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN));
            clock::wait_ready(&mut ready, limit).context("stdin")?;
            if ready.iter().any(|input| !input.revents().is_empty()) {
                return Ok(());
            }
            self.commit()?;
        }
    }

    /// Makes additions durable, and passes on the lines that waited for it.
    fn settle(&mut self) -> Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        self.commit()?;
        for line in self.held.drain(..) {
            self.output.pass(&line).context("stdout")?;
        }
        Ok(())
    }

    /// Prints the result of the run, if any frame is new.
    fn summarise(&self) {
        if self.frames > 0 {
            let frames = units::count(self.frames, "frame");
            report::summary(format_args!("indexed {frames}, in {}", self.files));
        }
    }

    fn commit(&mut self) -> Result<()> {
        for failed in self.indexes.commit(&mut self.output) {
            self.fail(failed)?;
        }
        Ok(())
    }
}

/// Returns whether the journal has such events.
fn is_kept(body: &Body) -> bool {
    matches!(
        body,
        Body::Frame(_) | Body::Sent(_) | Body::Text(_) | Body::Transcript(_) | Body::Audio(_)
    )
}

/// Returns the index that the command line names.
fn given(args: &Args) -> Result<Option<PathBuf>> {
    Ok(match (&args.out, &args.session) {
        (Some(out), _) => Some(out.clone()),
        (None, Some(session)) => Some(Session::frames_in(session)?.join("index.json")),
        (None, None) => None,
    })
}

/// Returns the path of an index that exists.
fn existing(path: PathBuf) -> Result<PathBuf> {
    if path.exists() {
        return Ok(path);
    }
    bail!("{}: no such index; check --session or --out", path.display())
}

fn mark_sent(args: &Args) -> Result<()> {
    let Some(path) = given(args)? else {
        bail!("--sent: say which index with --session DIR or --out FILE");
    };
    let path = existing(path)?;
    let mut index = Index::open(&path, false, args.format, clock::monotonic())?;
    for id in &args.sent {
        if !index.contains(id) {
            bail!("--sent {id}: no such frame in {}", path.display());
        }
        index.mark(id);
    }
    index.finish()
}
