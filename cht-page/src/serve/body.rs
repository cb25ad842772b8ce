//! Contents of answers: a text, a file read as the client takes it, or a stream.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    task::{JoinHandle, spawn_blocking},
};

/// Bytes of a file that are read at a time.
const READ: u64 = 64 << 10;

/// Contents of an answer.
#[derive(Debug)]
pub(super) struct Content {
    kind: Kind,
    /// The place of the client among those that may have such an answer.
    _place: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
enum Kind {
    Text(Option<Bytes>),
    Part(Part),
    Stream(mpsc::Receiver<Bytes>),
}

/// A part of a file.
#[derive(Debug)]
struct Part {
    file: Arc<File>,
    at: u64,
    left: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl Content {
    /// Returns a text, which may be empty.
    pub(super) fn text(text: impl Into<Bytes>) -> Self {
        Self::of(Kind::Text(Some(text.into())))
    }

    /// Returns `length` bytes of a file from `at` on.
    pub(super) fn part(file: File, at: u64, length: u64) -> Self {
        Self::of(Kind::Part(Part { file: Arc::new(file), at, left: length, reading: None }))
    }

    /// Returns the bytes that are sent to a channel, until that is closed.
    pub(super) fn stream(receiver: mpsc::Receiver<Bytes>) -> Self {
        Self::of(Kind::Stream(receiver))
    }

    fn of(kind: Kind) -> Self {
        Self { kind, _place: None }
    }

    /// Keeps a place until the answer has been sent.
    pub(super) fn with_place(self, place: OwnedSemaphorePermit) -> Self {
        Self { _place: Some(place), ..self }
    }
}

impl Part {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let (file, at, count) = (&self.file, self.at, self.left.min(READ) as usize);
        let reading = self.reading.get_or_insert_with(|| {
            let file = Arc::clone(file);
            spawn_blocking(move || {
                let mut bytes = vec![0; count];
                // A file that was cut off meanwhile ends the answer before its announced length.
                file.read_exact_at(&mut bytes, at)?;
                Ok(bytes.into())
            })
        });
        let read = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        let read = read.map_err(io::Error::other).and_then(|read| read);
        if let Ok(bytes) = &read {
            (self.at, self.left) = (self.at + bytes.len() as u64, self.left - bytes.len() as u64);
        }
        Poll::Ready(Some(read))
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let next = match &mut self.kind {
            Kind::Text(text) => text.take().map(Ok),
            Kind::Part(part) => ready!(part.poll(context)),
            Kind::Stream(receiver) => ready!(receiver.poll_recv(context)).map(Ok),
        };
        Poll::Ready(next.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Text(text) => text.as_ref().is_none_or(Bytes::is_empty),
            Kind::Part(part) => part.left == 0,
            Kind::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, |it| it.len() as u64)),
            Kind::Part(part) => SizeHint::with_exact(part.left),
            Kind::Stream(_) => SizeHint::default(),
        }
    }
}
