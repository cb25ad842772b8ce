//! Finishing segments, on a thread of its own: a slow fsync must not keep the socket waiting.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::net::UnixStream,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::JoinHandle,
};

use anyhow::{Context as _, Result};
use cht_core::{
    durable,
    event::{Event, SegmentClosed, SegmentOpen},
    session::Session,
};

use crate::{announce::Announcer, disk, playlist_file::PlaylistFile};

/// Segments that may wait for their fsync; a disk that is slower than that makes the sender wait.
const QUEUE: usize = 64;

/// What the recorder asks for, in the order of the stream.
#[derive(Debug)]
enum Task {
    Opened(SegmentOpen),
    Close(File, SegmentClosed),
    /// PAT and PMT of a connection.
    Tables(u32, Vec<u8>),
    /// To be said when everything before is finished.
    Say(Event),
}

/// The recorder's end of the queue.
#[derive(Debug)]
pub(crate) struct Closer {
    tasks: SyncSender<Task>,
    thread: JoinHandle<Result<()>>,
}

impl Closer {
    /// Starts the thread.
    pub(crate) fn start(
        session: Session,
        announcer: Announcer,
        playlist: PlaylistFile,
        stop: UnixStream,
    ) -> Result<Self> {
        let path = session.record();
        let record = OpenOptions::new().create(true).append(true).open(&path);
        let record = record.with_context(|| path.display().to_string())?;
        let (tasks, queue) = sync_channel(QUEUE);
        let worker = Worker { session, announcer, record, stop, playlist };
        Ok(Self { tasks, thread: std::thread::spawn(move || worker.run(&queue)) })
    }

    /// Notes which segment grows, for stages that start later.
    pub(crate) fn opened(&self, open: SegmentOpen) {
        // An error here means that the thread has ended with an error, which `finish` returns.
        let _ = self.tasks.send(Task::Opened(open));
    }

    /// Finishes a segment: fsync, final name, fsync of the folder, record, playlist, event.
    pub(crate) fn close(&self, file: File, closed: SegmentClosed) {
        let _ = self.tasks.send(Task::Close(file, closed));
    }

    /// Writes the tables of a connection, for players that begin in the middle.
    pub(crate) fn tables(&self, connection: u32, packets: Vec<u8>) {
        let _ = self.tasks.send(Task::Tables(connection, packets));
    }

    /// Emits an event behind those of the segments that were closed before.
    pub(crate) fn say(&self, event: Event) {
        let _ = self.tasks.send(Task::Say(event));
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
    record: File,
    stop: UnixStream,
    playlist: PlaylistFile,
}

impl Worker {
    fn run(mut self, queue: &Receiver<Task>) -> Result<()> {
        for task in queue {
            match task {
                Task::Opened(open) => {
                    let event = Event::new(Some(self.session.name().to_owned()), open);
                    self.help(durable::replace(&self.session.open_record(), &event.to_line()))?;
                }
                Task::Close(file, closed) => self.close(&file, &closed)?,
                Task::Tables(connection, packets) => {
                    self.help(durable::replace(&self.session.tables(connection), &packets))?;
                }
                Task::Say(event) => self.announcer.emit(event),
            }
        }
        // Nothing grows any more.
        self.playlist.end();
        let _ = std::fs::remove_file(self.session.open_record());
        Ok(())
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
        match durable::publish_new(file, &part, &path) {
            Err(error) if disk::refuses(&error) => {
                // What the disk holds of it stays; it is closed as it is.
                let message = format!("{}: {error}; its end may be missing on disk", closed.path);
                self.announcer.fail(self.session.name(), "disk", &message, &closed.path);
                if part.exists() {
                    fs::rename(&part, &path).with_context(|| part.display().to_string())?;
                }
            }
            result => result.with_context(|| part.display().to_string())?,
        }
        let event = Event::new(Some(self.session.name().to_owned()), closed.clone());
        self.append(&event.to_line())
            .with_context(|| self.session.record().display().to_string())?;
        self.playlist.add(closed);
        self.announcer.emit(event);
        Ok(())
    }

    /// Appends a line to the record, however long the disk refuses it.
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        loop {
            let length = self.record.metadata()?.len();
            let written = self.record.write_all(line).and_then(|()| self.record.sync_data());
            match written {
                Err(error) if disk::refuses(&error) => {
                    // A part of a line would swallow the next one.
                    self.record.set_len(length)?;
                    if !disk::wait(&self.stop) {
                        return Err(error);
                    }
                }
                result => return result,
            }
        }
    }
}
