//! A connection that ends when its client takes nothing for a while: such a client would hold its
//! descriptor, and a part of an answer in memory, for ever.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use cht_core::process::clock;
use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::time::{Sleep, sleep};

/// Longest time for which a client may take nothing of an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection with a limit of patience.
#[derive(Debug)]
pub(super) struct Stall<S> {
    socket: S,
    /// When a write that waits is given up.
    limit: Pin<Box<Sleep>>,
    waits: bool,
}

impl<S> Stall<S> {
    pub(super) fn new(socket: S) -> Self {
        Self { socket, limit: Box::pin(sleep(PATIENCE)), waits: false }
    }

    /// Ends a wait that lasts too long.
    fn bound<T>(
        &mut self,
        polled: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.waits = false;
            return polled;
        }
        if !self.waits {
            self.waits = true;
            self.limit.as_mut().reset((clock::monotonic() + PATIENCE).into());
        }
        match self.limit.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: Read + Unpin> Read for Stall<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl<S: Write + Unpin> Write for Stall<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.bound(polled, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.socket).poll_flush(context);
        self.bound(polled, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.socket).poll_shutdown(context);
        self.bound(polled, context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// A socket that takes `room` bytes and then no more.
    struct Full {
        room: usize,
    }

    impl Write for Full {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(self.room);
            self.room -= taken;
            if taken > 0 { Poll::Ready(Ok(taken)) } else { Poll::Pending }
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_takes_nothing_is_given_up_and_a_slow_one_is_not() {
        let mut stall = Stall::new(Full { room: 0 });
        for _ in 0..5 {
            // Slow: it takes a byte, long after the last one.
            stall.socket.room = 1;
            let taken = poll_fn(|context| Pin::new(&mut stall).poll_write(context, b"ab")).await;
            assert_eq!(taken.unwrap(), 1);
            tokio::time::advance(2 * PATIENCE).await;
        }
        let refused = poll_fn(|context| Pin::new(&mut stall).poll_write(context, b"ab")).await;
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
