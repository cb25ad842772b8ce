//! `--listen`: an address as a person writes it, and the socket that it stands for.

use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs as _};

use anyhow::{Context as _, Result, anyhow};
use cht_core::process::report;

/// What is spoken on the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Bytes as they are.
    Tcp,
    /// The same, in TLS.
    Tls,
}

impl Scheme {
    /// The URL of an address.
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

/// Says that a socket at `url` is open to all networks of this machine, if its address means that.
pub(crate) fn tell_if_open(url: &str, address: IpAddr, who: &str) {
    if is_every_interface(address) {
        report::note(format_args!("{url} is every interface of this machine: {who}"));
    }
}

/// Whether an address to listen at means all addresses of the machine.
pub(crate) fn is_every_interface(address: IpAddr) -> bool {
    address.to_canonical().is_unspecified()
}

/// The address that a host in a URL stands for, if it is written as a number: `::1` in brackets or without, and IPv4 as
/// `inet_aton(3)` reads it, where `0` is 0.0.0.0 and `127.1` is 127.0.0.1.
pub(crate) fn numeric(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse() {
        return Some(address);
    }
    let number = |part: &str| match part.strip_prefix("0x").or(part.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None if part.len() > 1 && part.starts_with('0') => u32::from_str_radix(part, 8).ok(),
        None => part.parse().ok(),
    };
    let parts = host.split('.').map(number).collect::<Option<Vec<u32>>>()?;
    let (last, first) = parts.split_last()?;
    // The last part fills what the others leave.
    let bits = 32_u32.checked_sub(8 * u32::try_from(first.len()).ok()?).filter(|bits| *bits > 0)?;
    if first.iter().any(|part| *part > 0xFF) || u64::from(*last) >> bits > 0 {
        return None;
    }
    let places = first.iter().zip([24, 16, 8]);
    Some(IpAddr::V4(places.fold(*last, |address, (part, place)| address | part << place).into()))
}

/// The address of `tcp://HOST:PORT` or `tls://HOST:PORT`; without a host, the loopback address.
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
    let place = place.trim_end_matches('/');
    let place = if place.starts_with(':') { format!("127.0.0.1{place}") } else { place.to_owned() };
    let mut addresses = place.to_socket_addrs().map_err(|error| wrong().context(error))?;
    Ok((scheme, addresses.next().ok_or_else(wrong)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_unless_told_otherwise() {
        let url = |text: &str| {
            let (scheme, address) = resolve(text).unwrap();
            scheme.url(address)
        };
        assert_eq!(url("tcp://:4444"), "tcp://127.0.0.1:4444");
        assert_eq!(url("tls://:4444"), "tls://127.0.0.1:4444");
        assert_eq!(url("tcp://0.0.0.0:1"), "tcp://0.0.0.0:1");
        assert_eq!(url("tcp://[::1]:1/"), "tcp://[::1]:1");
        // The system's own reading of an address is no other than ours.
        for text in [
            "tcp://0:4444",
            "tcp://0.0:4444",
            "tcp://0x0:4444",
            "tcp://0.0.0.0:4444",
            "tcp://[::]:4444",
        ] {
            let host = text.trim_start_matches("tcp://").trim_end_matches(":4444");
            let (_, address) = resolve(text).unwrap();
            assert!(is_every_interface(address.ip()), "{text}");
            assert_eq!(numeric(host), Some(address.ip()), "{text}");
        }
        assert!(is_every_interface(numeric("[::ffff:0.0.0.0]").unwrap()));
        assert_eq!(numeric("127.1"), numeric("127.0.0.1"));
        for name in ["", "host", "1.2.3.4.5", "256.1.1.1", "0.x", "[::1"] {
            assert_eq!(numeric(name), None, "{name}");
        }
        for wrong in ["udp://x:1", "tcp://127.0.0.1", "4444"] {
            assert!(resolve(wrong).is_err(), "{wrong}");
        }
    }
}
