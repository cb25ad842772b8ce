//! Finishes segments on a thread of its own: a slow fsync must not keep the socket waiting.

use std::{
    fs::File,
    io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    rc::Rc,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context as _, Result};
use cht_core::{
    event::{Event, SegmentClosed, SegmentOpen},
    process::{clock, report},
    session::{Session, segment_log},
    storage::{durable, journal::Journal},
};

use super::{playlist_file::PlaylistFile, recover::missing, retention::Retention};
use crate::{
    disk::{self, Refusal, is_not_found, named},
    report::{events::EventWriter, heartbeat::Heartbeat},
};

/// Segments that may wait for their fsync. A slower disk makes the sender wait.
const QUEUE: usize = 64;

/// Pause before a full queue is tried again.
const MOMENT: Duration = Duration::from_millis(10);

/// Time that the recorder waits for retention to make room.
const ANSWER: Duration = Duration::from_secs(5);

/// Tasks from the recorder, in the order of the stream.
#[derive(Debug)]
enum Task {
    Opened(SegmentOpen),
    Close(File, SegmentClosed),
    /// PAT and PMT of a connection.
    Tables(u32, Vec<u8>),
    /// Check the free space: many bytes were written.
    Look,
    /// Make room on a full disk. The answer is whether there is more room now.
    MakeRoom(SyncSender<bool>),
    /// Emit an event after everything before it is finished.
    Emit(Event),
}

/// Thread that finishes the segments of a session. Retention outlives it.
type Thread = JoinHandle<Result<Option<Retention>>>;

/// A session whose last segments are being finished, while the next one is recorded already.
#[derive(Debug)]
pub(crate) struct Ending {
    thread: Thread,
    /// The session's lock, held to its end.
    lock: File,
}

/// How a session begins.
#[derive(Debug)]
pub(crate) enum Begin {
    /// At once, with the retention of this process.
    First(Option<Box<Retention>>),
    /// After the session before it has ended; its retention goes on.
    After(Receiver<Ending>),
}

impl Begin {
    /// Waits until the session may begin.
    fn wait(self) -> Result<Option<Retention>> {
        match self {
            Self::First(retention) => Ok(retention.map(|retention| *retention)),
            Self::After(ending) => {
                let Ending { thread, lock } = ending.recv().context("the session before")?;
                let ended = ended(thread);
                drop(lock);
                ended
            }
        }
    }
}

/// Waits for a thread.
fn ended(thread: Thread) -> Result<Option<Retention>> {
    thread.join().unwrap_or_else(|_| anyhow::bail!("the closing thread panicked"))
}

/// The recorder's end of the queue.
#[derive(Debug)]
pub(crate) struct Finalizer {
    tasks: SyncSender<Task>,
    thread: Thread,
    /// Whether old segments are removed.
    pub retains: bool,
    heartbeat: Rc<Heartbeat>,
    /// Shared with the thread.
    pub refusal: Refusal,
}

impl Finalizer {
    /// Starts the thread, and opens the record. With `retains`, retention removes old segments.
    pub(crate) fn start(
        session: Session,
        playlist: PlaylistFile,
        (begin, retains): (Begin, bool),
        stop: UnixStream,
        heartbeat: Rc<Heartbeat>,
    ) -> Result<Self> {
        let path = session.segment_log();
        // Opened here, so that a folder without write permission is found at the start.
        Journal::open(&path).with_context(named(&path))?;
        let (tasks, queue) = sync_channel(QUEUE);
        let refusal = Refusal::default();
        let events = heartbeat.events().clone();
        let worker = Worker {
            session,
            events: events.unheld(),
            stop,
            playlist,
            retention: None,
            refusal: refusal.clone(),
            tables: None,
            unhelpful: false,
        };
        let thread = std::thread::Builder::new().spawn(move || {
            let retention = begin.wait();
            events.release();
            worker.run(&queue, retention?)
        })?;
        Ok(Self { tasks, thread, retains, heartbeat, refusal })
    }

    /// Ends the session, without waiting for its last segments. `lock` is that of the session.
    pub(crate) fn end(self, lock: File) -> Ending {
        Ending { thread: self.thread, lock }
    }

    /// Notes which segment grows, for stages that start later.
    pub(crate) fn opened(&self, open: SegmentOpen) {
        self.send(Task::Opened(open));
    }

    /// Finishes a segment: fsync, final name, fsync of the folder, record, playlist, event.
    pub(crate) fn close(&self, file: File, closed: SegmentClosed) {
        self.send(Task::Close(file, closed));
    }

    /// Writes the tables of a connection, for players that begin in the middle.
    pub(crate) fn tables(&self, connection: u32, packets: Vec<u8>) {
        self.send(Task::Tables(connection, packets));
    }

    /// Emits an event after those of the segments closed before it.
    pub(crate) fn emit(&self, event: Event) {
        self.send(Task::Emit(event));
    }

    /// Waits for a place in a full queue: the disk is slow, but the recorder is alive.
    fn send(&self, mut task: Task) {
        // Any other error means that the thread has failed; `finish` returns its error.
        while let Err(TrySendError::Full(back)) = self.tasks.try_send(task) {
            task = back;
            clock::rest(MOMENT);
            self.heartbeat.beat(clock::monotonic());
        }
    }

    /// Lets retention check the free space.
    pub(crate) fn look(&self) {
        // A full queue makes it check soon enough.
        let _ = self.tasks.try_send(Task::Look);
    }

    /// Lets retention, if enabled, remove segments at once. Returns whether there is more room now.
    pub(crate) fn make_room(&self) -> bool {
        let (answer, answered) = sync_channel(1);
        // A full queue has enough to do.
        self.retains
            && self.tasks.try_send(Task::MakeRoom(answer)).is_ok()
            && clock::receive_within(&answered, ANSWER).unwrap_or(false)
    }

    /// Returns whether the thread has ended early, because of a disk that refuses.
    pub(crate) fn has_failed(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until everything is finished.
    pub(crate) fn finish(self) -> Result<()> {
        drop(self.tasks);
        while !self.thread.is_finished() {
            clock::rest(MOMENT);
            self.heartbeat.beat(clock::monotonic());
        }
        ended(self.thread).map(drop)
    }
}

struct Worker {
    session: Session,
    events: EventWriter,
    stop: UnixStream,
    playlist: PlaylistFile,
    retention: Option<Retention>,
    refusal: Refusal,
    /// Tables still to be written, and their connection.
    tables: Option<(u32, Vec<u8>)>,
    /// Whether a warning said that a file for late readers cannot be written.
    unhelpful: bool,
}

impl Worker {
    fn run(
        mut self,
        queue: &Receiver<Task>,
        retention: Option<Retention>,
    ) -> Result<Option<Retention>> {
        self.retention = retention.map(|retention| retention.of(&self.session));
        self.look();
        while let Some(task) = self.next(queue) {
            match task {
                Task::Opened(open) => {
                    // A segment without a clock is not listed.
                    let is_playable = open.timeline.is_some();
                    let event = self.session.event(open);
                    let path = self.session.open_event();
                    self.help(&path, &event.to_session_line());
                    if is_playable {
                        self.playlist.begin();
                    }
                }
                Task::Close(file, closed) => {
                    self.close(&file, &closed).with_context(|| self.fate_of(&closed))?;
                    self.look();
                }
                Task::Tables(connection, packets) => {
                    self.tables = Some((connection, packets));
                    self.write_tables();
                }
                Task::Look => self.look(),
                Task::MakeRoom(answer) => {
                    // The recorder may have stopped waiting.
                    let _ = answer.send(self.make_room());
                }
                Task::Emit(event) => self.events.emit(event),
            }
        }
        // No segment grows any more.
        self.playlist.end();
        let _ = std::fs::remove_file(self.session.open_event());
        Ok(self.retention)
    }

    /// Returns the next task; `None` at the end.
    fn next(&mut self, queue: &Receiver<Task>) -> Option<Task> {
        loop {
            let Some(limit) = self.retention.as_ref().and_then(Retention::next_look) else {
                return queue.recv().ok();
            };
            match clock::receive_within(queue, limit) {
                Ok(task) => return Some(task),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.look(),
            }
        }
    }

    fn look(&mut self) {
        if let Some(retention) = &mut self.retention {
            retention.look(&mut self.playlist);
        }
    }

    fn make_room(&mut self) -> bool {
        let retention = self.retention.as_mut();
        retention.is_some_and(|retention| retention.make_room(Some(&mut self.playlist)))
    }

    /// Writes the pending tables.
    fn write_tables(&mut self) {
        let Some((connection, packets)) = self.tables.take() else { return };
        if !self.help(&self.session.tables(connection), &packets) {
            self.tables = Some((connection, packets));
        }
    }

    /// Writes a file for late readers. Returns whether the disk accepted it.
    fn help(&mut self, path: &Path, bytes: &[u8]) -> bool {
        let written = durable::replace(path, bytes);
        if let Err(error) = &written
            && !disk::is_full(error)
            && !std::mem::replace(&mut self.unhelpful, true)
        {
            report::warn(format_args!(
                "{}: {error}; recording goes on, and stages that start later do without it",
                path.display()
            ));
        }
        written.is_ok()
    }

    fn close(&mut self, file: &File, closed: &SegmentClosed) -> Result<()> {
        let (part, path) = (self.session.part(closed.seq), self.session.segment(closed.seq));
        // It gets its name even if it is not durable: what is on disk of it stays.
        let synced = file.sync_all();
        let name = self.insist(&part, || name(&part, &path)).with_context(named(&part))?;
        if let Name::Lost = name {
            return self.lost(closed);
        }
        if let Name::InPlaceOf(aside) = name {
            let message = format!(
                "{}: something else had this name; set aside as {}",
                closed.path,
                aside.display()
            );
            self.events.fail(Some(self.session.name()), "recovery", &message, Some(&closed.path));
        }
        match synced.and_then(|()| durable::sync_folder_of(&path)) {
            Err(error) if disk::refuses(&error) => {
                let message = format!("{}: {error}; its end may be missing on disk", closed.path);
                self.events.fail(Some(self.session.name()), "disk", &message, Some(&closed.path));
            }
            result => result.with_context(named(&part))?,
        }
        let length = file.metadata().map_or(closed.bytes, |metadata| metadata.len());
        if length != closed.bytes {
            let message = format!(
                "{}: {} bytes were received, and {length} are there: another program has changed it while it grew",
                closed.path, closed.bytes
            );
            self.events.fail(Some(self.session.name()), "damaged", &message, Some(&closed.path));
        }
        self.write_tables();
        let event = self.session.event(closed.clone());
        self.record(&event.to_session_line())?;
        self.playlist.add(closed);
        self.events.emit(event);
        Ok(())
    }

    /// Returns where the bytes of a segment are that could not be closed.
    fn fate_of(&self, closed: &SegmentClosed) -> String {
        let (path, bytes) = (&closed.path, closed.bytes);
        let names = [self.session.part(closed.seq), self.session.segment(closed.seq)];
        if names.iter().all(|name| is_not_found(name)) {
            format!("{path}: {bytes} received bytes are lost")
        } else {
            format!("{path}: {bytes} bytes are left for the next cht-recv to adopt")
        }
    }

    /// Records that another program has removed the segment while it grew. The recording goes on.
    fn lost(&mut self, closed: &SegmentClosed) -> Result<()> {
        let message = format!(
            "{}: removed by another program while it grew; {} bytes are lost",
            closed.path, closed.bytes
        );
        self.events.fail(Some(self.session.name()), "recovery", &message, Some(&closed.path));
        let deleted = missing(&self.session, closed);
        let closed = self.session.event(closed.clone());
        self.record(&[closed.to_session_line(), deleted.to_session_line()].concat())?;
        self.events.emit(closed);
        self.events.emit(deleted);
        Ok(())
    }

    /// Appends lines to the record.
    fn record(&mut self, lines: &[u8]) -> Result<()> {
        let record = self.session.segment_log();
        self.insist(&record, || segment_log::append(&record, lines)).with_context(named(&record))
    }

    /// Repeats `action` on `path` until the disk accepts it, or the recorder is asked to stop.
    fn insist<T>(&mut self, path: &Path, action: impl Fn() -> io::Result<T>) -> io::Result<T> {
        let mut said = false;
        loop {
            match action() {
                Err(error) if disk::is_full(&error) && self.make_room() => {}
                Err(error) if disk::refuses(&error) => {
                    if self.refusal.begin() {
                        said = true;
                        let path = path.to_string_lossy().into_owned();
                        let message = format!("{path}: {error}{}", disk::remedy(&error));
                        self.events.fail(Some(self.session.name()), "disk", &message, Some(&path));
                    }
                    if !self.refusal.wait(&self.stop) {
                        return Err(error);
                    }
                }
                result => {
                    if said {
                        self.refusal.end();
                    }
                    return result;
                }
            }
        }
    }
}

/// Outcome of giving a segment its final name.
enum Name {
    Given,
    /// Something else had that name, and has been moved to this one.
    InPlaceOf(PathBuf),
    /// The segment is gone.
    Lost,
}

fn name(part: &Path, path: &Path) -> io::Result<Name> {
    match durable::rename_new(part, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let aside = durable::set_aside(path, ".foreign")?;
            durable::rename_new(part, path).map(|()| Name::InPlaceOf(aside))
        }
        // A missing folder may come back.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder_is_there = part.parent().is_some_and(Path::is_dir);
            if folder_is_there && is_not_found(part) { Ok(Name::Lost) } else { Err(error) }
        }
        result => result.map(|()| Name::Given),
    }
}
