//! What every socket shares: addresses as people write them, errors that pass, and the pause after
//! one that does not.

use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
    time::Duration,
};

use crate::process::report;

/// Pause after an error of a listening socket: usually this process has too many files open.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Host of an address that names none.
const LOOPBACK: &str = "127.0.0.1";

/// Adds the loopback address to a `:PORT` without a host.
#[must_use]
pub fn with_host(place: &str) -> String {
    let host = if place.starts_with(':') { LOOPBACK } else { "" };
    format!("{host}{place}")
}

/// Returns the address that `HOST:PORT` stands for; without a host, the loopback address.
pub fn resolve(place: &str) -> io::Result<SocketAddr> {
    let mut addresses = with_host(place).to_socket_addrs()?;
    addresses.next().ok_or_else(|| io::Error::other("the host has no address"))
}

/// Says that a socket at `url` is open to all networks of this machine, if its address means that.
pub fn tell_if_open(url: &str, address: IpAddr, consequence: &str) {
    if is_every_interface(address) {
        report::note(format_args!("{url} is every interface of this machine: {consequence}"));
    }
}

/// Returns whether listening at `address` means all addresses of the machine.
#[must_use]
pub fn is_every_interface(address: IpAddr) -> bool {
    address.to_canonical().is_unspecified()
}

/// Returns the address of a numeric host in a URL: `::1` with or without brackets, and IPv4 as
/// `inet_aton(3)` reads it, where `0` is 0.0.0.0 and `127.1` is 127.0.0.1.
#[must_use]
pub fn numeric(host: &str) -> Option<IpAddr> {
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
    // The last part fills the bytes that the others leave.
    let bits = 32_u32.checked_sub(8 * u32::try_from(first.len()).ok()?).filter(|bits| *bits > 0)?;
    if first.iter().any(|part| *part > 0xFF) || u64::from(*last) >> bits > 0 {
        return None;
    }
    let places = first.iter().zip([24, 16, 8]);
    Some(IpAddr::V4(places.fold(*last, |address, (part, place)| address | part << place).into()))
}

/// Returns whether a failed call on a socket is worth repeating.
#[must_use]
pub fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
    matches!(error.kind(), ConnectionAborted | Interrupted | WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_host_reads_as_system_does() {
        for text in ["0:4444", "0.0:4444", "0x0:4444", "0.0.0.0:4444", "[::]:4444"] {
            let address = resolve(text).unwrap().ip();
            assert!(is_every_interface(address), "{text}");
            assert_eq!(numeric(text.trim_end_matches(":4444")), Some(address), "{text}");
        }
        assert!(is_every_interface(numeric("[::ffff:0.0.0.0]").unwrap()));
        assert_eq!(numeric("127.1"), numeric("127.0.0.1"));
        for name in ["", "host", "1.2.3.4.5", "256.1.1.1", "0.x", "[::1"] {
            assert_eq!(numeric(name), None, "{name}");
        }
    }
}
