//! `tls://`: the server's side of TLS, driven by hand so that no sender can block the listener.

use std::{
    fmt::Display,
    io::{self, Read as _},
    net::TcpStream,
    path::Path,
    sync::Arc,
};

use anyhow::{Context as _, Result};
use rustix::event::{PollFd, PollFlags};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};

use super::sender::{END_OF_STREAM, Handshake, Incoming, Received, Stream, read};

/// Returns the configuration for a certificate and its key, in PEM.
///
/// With `client_ca`, only senders with a certificate from one of its authorities are let in.
pub(crate) fn config(cert: &Path, key: &Path, client_ca: Option<&Path>) -> Result<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let at = || format!("--client-ca {}", path.display());
            let mut roots = RootCertStore::empty();
            for authority in certificates(path).with_context(at)? {
                roots.add(authority).with_context(at)?;
            }
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.with_context(at)?)
        }
    };
    let chain = certificates(cert).with_context(|| format!("--cert {}", cert.display()))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(no_pem("private key"));
    let private = private.with_context(|| format!("--key {}", key.display()))?;
    let mut config = builder.with_single_cert(chain, private).with_context(|| {
        format!("--cert {} --key {}: cannot be used together", cert.display(), key.display())
    })?;
    // A sender never reads. Tickets would lie unread in its socket when it closes, and turn the
    // close into a reset, which discards bytes that we have not read yet.
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(path).map_err(no_pem("certificate"))?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(no_pem("certificate"))?;
    anyhow::ensure!(!found.is_empty(), "no certificate in it; it must be PEM");
    Ok(found)
}

fn no_pem<E: Display>(what: &'static str) -> impl Fn(E) -> anyhow::Error {
    move |error| anyhow::anyhow!("no {what} could be read from it; it must be PEM ({error})")
}

/// A TLS connection, during its handshake and after.
#[derive(Debug)]
pub(crate) struct Tls {
    socket: TcpStream,
    connection: ServerConnection,
    /// Decrypted bytes. Those that came right after the handshake wait here.
    plain: Vec<u8>,
    /// Whether `plain` was handed out.
    taken: bool,
    /// Reason why nothing more will come, if the handshake found it.
    end: Option<String>,
}

impl Tls {
    /// Starts a handshake on a socket that does not block.
    pub(crate) fn new(socket: TcpStream, config: &Arc<ServerConfig>) -> Result<Self> {
        let connection = ServerConnection::new(Arc::clone(config))?;
        Ok(Self { socket, connection, plain: Vec::new(), taken: false, end: None })
    }

    /// Reads once and appends the decrypted bytes to `plain`. Returns the number of bytes read, and
    /// the reason why nothing more will come.
    fn pump(&mut self, buffer: &mut [u8]) -> (usize, Option<String>) {
        let raw = match read(&mut self.socket, buffer) {
            Ok(raw) => raw,
            // A killed sender ends like that too; people can judge it.
            Err(end) if end == END_OF_STREAM => return (0, Some(format!("{end}, without TLS's"))),
            Err(end) => return (0, Some(end)),
        };
        let mut rest = &buffer[..raw];
        let mut end = None;
        // rustls takes about a record at a time.
        while end.is_none() && !rest.is_empty() {
            end = match self.connection.read_tls(&mut rest) {
                Ok(0) => break,
                Ok(_) => match self.connection.process_new_packets() {
                    Ok(state) => state.peer_has_closed().then(|| END_OF_STREAM.to_owned()),
                    Err(error) => Some(format!("TLS: {error}")),
                },
                Err(error) => Some(format!("TLS: {error}")),
            };
            // The error only means that there is no more for now.
            let _ = self.connection.reader().read_to_end(&mut self.plain);
        }
        (raw, self.flush().err().map(|error| error.to_string()).filter(|_| end.is_none()).or(end))
    }

    /// Sends what TLS has queued, as far as the socket takes it.
    fn flush(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Incoming for Tls {
    fn advance(&mut self, buffer: &mut [u8]) -> Handshake {
        self.end = self.pump(buffer).1;
        match &self.end {
            _ if !self.connection.is_handshaking() => Handshake::Done,
            Some(end) => Handshake::Failed(end.clone()),
            None => Handshake::Going,
        }
    }

    fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    fn first(&self) -> &[u8] {
        &self.plain
    }

    fn has_ended(&self) -> bool {
        self.end.is_some()
    }
}

impl Stream for Tls {
    fn receive<'a>(&'a mut self, buffer: &'a mut [u8]) -> Received<'a> {
        if std::mem::replace(&mut self.taken, true) {
            self.plain.clear();
        }
        let (raw, end) = match self.end.take() {
            Some(end) => (0, Some(end)),
            None => self.pump(buffer),
        };
        Received { bytes: &self.plain, raw, end }
    }

    fn interest(&self) -> PollFd<'_> {
        let answer =
            if self.connection.wants_write() { PollFlags::OUT } else { PollFlags::empty() };
        PollFd::new(&self.socket, PollFlags::IN | answer)
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.connection.send_close_notify();
        // The peer may have gone.
        let _ = self.flush();
    }
}
