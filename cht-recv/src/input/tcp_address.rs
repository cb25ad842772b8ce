//! `tcp://` and `tls://`: the address as people write it, and the socket that listens there.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context as _, Result, anyhow};
use cht_core::net;

/// Protocol of the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Plain bytes.
    Tcp,
    /// The same bytes in TLS.
    Tls,
}

impl Scheme {
    /// Returns the URL of an address.
    pub(crate) fn url(self, address: SocketAddr) -> String {
        match self {
            Self::Tcp => format!("tcp://{address}"),
            Self::Tls => format!("tls://{address}"),
        }
    }
}

/// Listens at a URL. The socket does not block.
pub(crate) fn bind(url: &str) -> Result<(Scheme, TcpListener)> {
    let (scheme, address) = resolve(url)?;
    let listener = TcpListener::bind(address).with_context(|| {
        format!("--listen {url}: cannot listen on {address}; is another program listening there?")
    })?;
    listener.set_nonblocking(true)?;
    Ok((scheme, listener))
}

/// Returns the address of `tcp://HOST:PORT` or `tls://HOST:PORT`.
fn resolve(url: &str) -> Result<(Scheme, SocketAddr)> {
    let wrong = || {
        anyhow!(
            "--listen {url}: must be tcp://HOST:PORT or tls://HOST:PORT, as tcp://127.0.0.1:4444"
        )
    };
    let (scheme, place) = match url.split_once("://") {
        Some(("tcp", place)) => (Scheme::Tcp, place),
        Some(("tls", place)) => (Scheme::Tls, place),
        _ => return Err(wrong()),
    };
    let address = net::resolve(place.trim_end_matches('/'));
    Ok((scheme, address.map_err(|error| wrong().context(error))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_without_host_is_loopback() {
        let url = |text: &str| {
            let (scheme, address) = resolve(text).unwrap();
            scheme.url(address)
        };
        assert_eq!(url("tcp://:4444"), "tcp://127.0.0.1:4444");
        assert_eq!(url("tls://:4444"), "tls://127.0.0.1:4444");
        assert_eq!(url("tcp://0.0.0.0:1"), "tcp://0.0.0.0:1");
        assert_eq!(url("tcp://[::1]:1/"), "tcp://[::1]:1");
        for wrong in ["udp://x:1", "tcp://127.0.0.1", "4444"] {
            assert!(resolve(wrong).is_err(), "{wrong}");
        }
    }
}
