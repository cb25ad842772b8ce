//! Finishing segments, on a thread of its own: a slow fsync must not keep the socket waiting.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::net::UnixStream,
    rc::Rc,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context as _, Result};
use cht_core::{
    clock, durable,
    event::{Event, SegmentClosed, SegmentOpen},
    record,
    session::Session,
};

use crate::{
    announce::Announcer, disk, playlist_file::PlaylistFile, pulse::Pulse, retention::Retention,
};

/// Segments that may wait for their fsync; a disk that is slower than that makes the sender wait.
const QUEUE: usize = 64;

/// How often a queue that is full is tried.
const MOMENT: Duration = Duration::from_millis(10);

/// How long the recorder waits for room to be made, until it says that there is none.
const ANSWER: Duration = Duration::from_secs(5);

/// What the recorder asks for, in the order of the stream.
#[derive(Debug)]
enum Task {
    Opened(SegmentOpen),
    Close(File, SegmentClosed),
    /// PAT and PMT of a connection.
    Tables(u32, Vec<u8>),
    /// Much was written: is there room for more?
    Look,
    /// The disk is full. The answer: whether there is more room now.
    MakeRoom(SyncSender<bool>),
    /// To be said when everything before is finished.
    Say(Event),
}

/// The recorder's end of the queue.
#[derive(Debug)]
pub(crate) struct Closer {
    tasks: SyncSender<Task>,
    thread: JoinHandle<Result<()>>,
    /// Old segments are removed.
    retains: bool,
    pulse: Rc<Pulse>,
}

impl Closer {
    /// Starts the thread.
    pub(crate) fn start(
        session: Session,
        announcer: Announcer,
        playlist: PlaylistFile,
        retention: Option<Retention>,
        stop: UnixStream,
        pulse: Rc<Pulse>,
    ) -> Result<Self> {
        let path = session.record();
        // Here, so that a folder that cannot be written to is found at the start.
        let record = durable::open(&path, OpenOptions::new().create(true).append(true));
        record.with_context(|| path.display().to_string())?;
        let (tasks, queue) = sync_channel(QUEUE);
        let retains = retention.is_some();
        let worker = Worker { session, announcer, stop, playlist, retention };
        Ok(Self { tasks, thread: std::thread::spawn(move || worker.run(&queue)), retains, pulse })
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

    /// Emits an event behind those of the segments that were closed before.
    pub(crate) fn say(&self, event: Event) {
        self.send(Task::Say(event));
    }

    /// Waits for a place in the queue, if it has none: the disk is too slow, but we are alive.
    fn send(&self, mut task: Task) {
        // Any other error means that the thread has ended with one, which `finish` returns.
        while let Err(TrySendError::Full(back)) = self.tasks.try_send(task) {
            task = back;
            clock::rest(MOMENT);
            self.pulse.beat(clock::monotonic());
        }
    }

    /// Lets retention look whether there is room.
    pub(crate) fn look(&self) {
        // A queue that is full brings it to look soon enough.
        let _ = self.tasks.try_send(Task::Look);
    }

    /// Lets retention, if there is any, remove something at once. Whether there is more room now.
    pub(crate) fn make_room(&self) -> bool {
        let (answer, answered) = sync_channel(1);
        // A queue that is full has enough to do.
        self.retains
            && self.tasks.try_send(Task::MakeRoom(answer)).is_ok()
            && clock::receive_within(&answered, ANSWER).unwrap_or(false)
    }

    /// Whether the thread has ended before its time: a disk that refuses.
    pub(crate) fn has_failed(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until everything is finished.
    pub(crate) fn finish(self) -> Result<()> {
        drop(self.tasks);
        self.thread.join().unwrap_or_else(|_| anyhow::bail!("the closing thread panicked"))
    }
}

struct Worker {
    session: Session,
    announcer: Announcer,
    stop: UnixStream,
    playlist: PlaylistFile,
    retention: Option<Retention>,
}

impl Worker {
    fn run(mut self, queue: &Receiver<Task>) -> Result<()> {
        self.look();
        while let Some(task) = self.next(queue) {
            match task {
                Task::Opened(open) => {
                    let event = Event::new(Some(self.session.name().to_owned()), open);
                    self.help(durable::replace(&self.session.open_record(), &event.to_line()))?;
                }
                Task::Close(file, closed) => {
                    self.close(&file, &closed)?;
                    self.look();
                }
                Task::Tables(connection, packets) => {
                    self.help(durable::replace(&self.session.tables(connection), &packets))?;
                }
                Task::Look => self.look(),
                Task::MakeRoom(answer) => {
                    // Whoever asked may have stopped waiting.
                    let _ = answer.send(self.make_room());
                }
                Task::Say(event) => self.announcer.emit(event),
            }
        }
        // Nothing grows any more.
        self.playlist.end();
        let _ = std::fs::remove_file(self.session.open_record());
        Ok(())
    }

    /// The next task; `None` at the end.
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

    /// A file that helps late readers, and that a full disk may refuse.
    fn help(&self, written: io::Result<()>) -> Result<()> {
        match written {
            Err(error) if disk::refuses(&error) => Ok(()),
            result => result.with_context(|| self.session.stream().display().to_string()),
        }
    }

    fn close(&mut self, file: &File, closed: &SegmentClosed) -> Result<()> {
        let (part, path) = (self.session.part(closed.seq), self.session.segment(closed.seq));
        let named = || part.display().to_string();
        // It gets its name though it is not durable: what the disk holds of it stays.
        let synced = file.sync_all();
        self.insist(|| durable::rename_new(&part, &path)).with_context(named)?;
        match synced.and_then(|()| durable::sync_folder_of(&path)) {
            Err(error) if disk::refuses(&error) => {
                let message = format!("{}: {error}; its end may be missing on disk", closed.path);
                self.announcer.fail(self.session.name(), "disk", &message, &closed.path);
            }
            result => result.with_context(named)?,
        }
        let event = Event::new(Some(self.session.name().to_owned()), closed.clone());
        let (record, line) = (self.session.record(), event.to_line());
        self.insist(|| record::append(&record, &line))
            .with_context(|| record.display().to_string())?;
        self.playlist.add(closed);
        self.announcer.emit(event);
        Ok(())
    }

    /// Does what the disk may refuse, until it does not, or we are asked to stop.
    fn insist(&mut self, action: impl Fn() -> io::Result<()>) -> io::Result<()> {
        loop {
            match action() {
                Err(error) if disk::is_full(&error) && self.make_room() => {}
                Err(error) if disk::refuses(&error) && disk::wait(&self.stop) => {}
                result => return result,
            }
        }
    }
}
