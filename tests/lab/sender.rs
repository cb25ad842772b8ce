//! Sends a stream, resuming at its position when the recorder fails, and logs the sent ranges.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use cht_core::process::clock;

/// Size of a write, in bytes: seven transport packets.
const STEP: usize = 7 * 188;
/// Time between two attempts to connect.
const RETRY: Duration = Duration::from_millis(10);
/// Longest time for the recorder to close a connection that the sender has ended.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(20);

/// Address of the recorder.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    Tcp(u16),
    Unix(PathBuf),
}

impl Address {
    /// Returns it in the form of `--listen`.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Tcp(port) => format!("tcp://127.0.0.1:{port}"),
            Self::Unix(path) => format!("unix:{}", path.display()),
        }
    }
}

/// Connection of the sender, as a range of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    pub begin: usize,
    pub end: usize,
    /// Whether the sender ended it, and the recorder closed it in turn.
    pub is_clean: bool,
}

/// State and log of the sender.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub bytes: AtomicUsize,
    pub is_done: AtomicBool,
    /// Makes the sender stop.
    pub stop: AtomicBool,
    pub connections: Mutex<Vec<Sent>>,
}

/// Running sender.
pub(crate) struct Sender {
    pub log: Arc<Log>,
    pub total: usize,
    thread: Option<JoinHandle<()>>,
}

impl Sender {
    /// Starts one with a `pace` in bytes per second; it reconnects at the offsets `cuts`.
    pub(crate) fn start(
        bytes: Arc<Vec<u8>>,
        address: Address,
        pace: Option<f64>,
        cuts: Vec<usize>,
    ) -> Self {
        let log = Arc::new(Log::default());
        let (ours, total) = (log.clone(), bytes.len());
        let thread = std::thread::spawn(move || {
            send(&bytes, &address, pace, &cuts, &ours);
            ours.is_done.store(true, Ordering::SeqCst);
        });
        Self { log, total, thread: Some(thread) }
    }

    /// Returns the sent share of the stream.
    pub(crate) fn progress(&self) -> f64 {
        self.log.bytes.load(Ordering::SeqCst) as f64 / self.total as f64
    }

    pub(crate) fn is_done(&self) -> bool {
        self.log.is_done.load(Ordering::SeqCst)
    }

    /// Ends it, and returns the log.
    pub(crate) fn finish(&mut self) -> Vec<Sent> {
        self.log.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        self.log.connections.lock().unwrap().clone()
    }
}

/// Connection of either kind.
enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Connection {
    fn open(address: &Address) -> io::Result<Self> {
        Ok(match address {
            Address::Tcp(port) => Self::Tcp(TcpStream::connect(("127.0.0.1", *port))?),
            Address::Unix(path) => Self::Unix(UnixStream::connect(path)?),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn set_timeout(&self, limit: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_write_timeout(Some(limit)),
            Self::Unix(stream) => stream.set_write_timeout(Some(limit)),
        }
    }

    /// Ends the stream, and returns whether the recorder closed it in turn.
    fn end(mut self) -> bool {
        let mut rest = [0];
        let ended = match &mut self {
            Self::Tcp(stream) => stream
                .shutdown(Shutdown::Write)
                .and_then(|()| stream.set_read_timeout(Some(CLOSE_TIMEOUT)))
                .and_then(|()| stream.read(&mut rest)),
            Self::Unix(stream) => stream
                .shutdown(Shutdown::Write)
                .and_then(|()| stream.set_read_timeout(Some(CLOSE_TIMEOUT)))
                .and_then(|()| stream.read(&mut rest)),
        };
        ended.is_ok_and(|count| count == 0)
    }
}

fn send(bytes: &[u8], address: &Address, pace: Option<f64>, cuts: &[usize], log: &Log) {
    let mut at = 0;
    let (begun, mut slept) = (clock::monotonic(), 0.0);
    while at < bytes.len() && !log.stop.load(Ordering::SeqCst) {
        let Ok(mut connection) = Connection::open(address) else {
            clock::rest(RETRY);
            continue;
        };
        let begin = at;
        let end = cuts.iter().copied().find(|cut| *cut > at).unwrap_or(bytes.len());
        let _ = connection.set_timeout(Duration::from_millis(100));
        let mut is_alive = true;
        while at < end && !log.stop.load(Ordering::SeqCst) {
            match connection.write(&bytes[at..end.min(at + STEP)]) {
                Ok(0) => is_alive = false,
                Ok(count) => at += count,
                Err(error) if is_full(&error) => {}
                Err(_) => is_alive = false,
            }
            log.bytes.store(at, Ordering::SeqCst);
            if !is_alive {
                break;
            }
            if let Some(pace) = pace {
                let ahead = at as f64 / pace - begun.elapsed().as_secs_f64() + slept;
                if ahead > 0.0 {
                    clock::rest(Duration::from_secs_f64(ahead));
                } else if ahead < -0.5 {
                    // The time of an outage is not made up for.
                    slept -= ahead;
                }
            }
        }
        let is_clean = is_alive && connection.end();
        log.connections.lock().unwrap().push(Sent { begin, end: at, is_clean });
    }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}
