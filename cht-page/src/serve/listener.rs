//! Where clients connect, and how many may.

use std::{
    convert::Infallible,
    os::unix::fs::FileTypeExt as _,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    net,
    process::{clock, report},
};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::AbortHandle,
    time::sleep,
};

use super::{answers::Answers, stall::Stall};

/// Largest number of connections at a time.
const CONNECTIONS: usize = 256;

/// Largest head of a request, in bytes, and most bytes that wait to be written to a client.
const HEAD: usize = 16 << 10;

/// Time in which a client has to send the head of a request, from its connection or its last
/// answer.
const HEAD_TIME: Duration = Duration::from_secs(20);

/// A listening socket.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener, PathBuf),
}

impl Listener {
    /// Listens at `HOST:PORT` or `unix:PATH`. Returns whether other machines reach it, too.
    pub(super) fn bind(place: &str) -> Result<(Self, bool)> {
        let named =
            || format!("--listen {place}: cannot listen there; is another program listening?");
        if let Some(path) = place.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            remove_dead(&path)?;
            let listener = std::os::unix::net::UnixListener::bind(&path).with_context(named)?;
            listener.set_nonblocking(true)?;
            return Ok((Self::Unix(listener, path), false));
        }
        let address = net::resolve(place).with_context(|| {
            format!("--listen {place}: must be HOST:PORT or unix:PATH, as 127.0.0.1:8080")
        })?;
        let listener = std::net::TcpListener::bind(address).with_context(named)?;
        listener.set_nonblocking(true)?;
        Ok((Self::Tcp(listener), !address.ip().is_loopback()))
    }

    /// Tells whether browsers connect to it themselves.
    pub(super) fn is_tcp(&self) -> bool {
        matches!(self, Self::Tcp(_))
    }

    /// Returns its address, for people.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => format!("http://{address}/"),
                Err(error) => error.to_string(),
            },
            Self::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }

    /// Serves clients, until the process ends.
    pub(super) async fn serve(self, answers: Answers) -> Result<()> {
        let mut clients = Clients::new(answers);
        match self {
            Self::Tcp(listener) => {
                let listener = TcpListener::from_std(listener)?;
                loop {
                    match listener.accept().await {
                        Ok((socket, _)) => {
                            // Pictures are small, and many.
                            let _ = socket.set_nodelay(true);
                            clients.add(socket).await;
                        }
                        Err(error) => clients.rest(&error).await,
                    }
                }
            }
            Self::Unix(listener, _) => {
                let listener = UnixListener::from_std(listener)?;
                loop {
                    match listener.accept().await {
                        Ok((socket, _)) => clients.add(socket).await,
                        Err(error) => clients.rest(&error).await,
                    }
                }
            }
        }
    }
}

/// Removes a socket that a killed server has left.
fn remove_dead(path: &std::path::Path) -> Result<()> {
    let Ok(metadata) = path.symlink_metadata() else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        bail!("--listen unix:{}: something else has this name", path.display());
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        bail!("--listen unix:{}: another program listens there", path.display());
    }
    std::fs::remove_file(path).with_context(|| path.display().to_string())
}

/// Clients that are connected, oldest first, and whether each has asked as it may.
struct Clients {
    answers: Answers,
    places: Arc<Semaphore>,
    connected: Vec<(AbortHandle, Arc<AtomicBool>)>,
    refused: report::Limited,
}

impl Clients {
    fn new(answers: Answers) -> Self {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        Self { answers, places, connected: Vec::new(), refused: report::Limited::default() }
    }

    /// Serves a client. Without a free place, the oldest one is ended that has not asked as it may:
    /// who can connect and no more could otherwise take all places. If all have, this one is
    /// closed.
    async fn add<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&mut self, socket: S) {
        self.connected.retain(|(client, _)| !client.is_finished());
        if self.places.available_permits() == 0 && !self.end_a_stranger() {
            let message = format_args!("{CONNECTIONS} clients are connected; another was refused");
            return self.refused.note(clock::monotonic(), message);
        }
        // An ended client gives its place back as soon as the runtime has dropped it.
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return };
        let is_known = Arc::new(AtomicBool::new(false));
        let serving = serve(socket, self.answers.clone(), Arc::clone(&is_known), place);
        let client = tokio::spawn(serving);
        self.connected.push((client.abort_handle(), is_known));
    }

    /// Ends the oldest client that has not asked as it may. Returns whether there was one.
    fn end_a_stranger(&mut self) -> bool {
        let is_stranger = |(_, known): &(_, Arc<AtomicBool>)| !known.load(Ordering::Relaxed);
        let stranger = self.connected.iter().position(is_stranger);
        stranger.inspect(|at| self.connected.remove(*at).0.abort()).is_some()
    }

    /// Waits after an error of the listening socket: usually too many files are open.
    async fn rest(&mut self, error: &std::io::Error) {
        if !net::is_passing(error) {
            self.refused.note(clock::monotonic(), format_args!("a connection: {error}"));
            sleep(net::RETRY_AFTER).await;
        }
    }
}

/// Answers the requests of a client, until it leaves.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    socket: S,
    answers: Answers,
    is_known: Arc<AtomicBool>,
    _place: OwnedSemaphorePermit,
) {
    let answer = service_fn(|request| {
        let (answers, is_known) = (answers.clone(), Arc::clone(&is_known));
        async move {
            let (answer, is_granted) = answers.answer(request).await;
            is_known.fetch_or(is_granted, Ordering::Relaxed);
            Ok::<_, Infallible>(answer)
        }
    });
    let mut connection = http1::Builder::new();
    connection.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD);
    // A client that leaves in the middle is no error of ours.
    let _ = connection.serve_connection(Stall::new(TokioIo::new(socket)), answer).await;
}
