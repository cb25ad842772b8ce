//! `udp://` and `rtp://`: the address of datagrams as people write it. Pure, but for names of
//! hosts.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result, anyhow, bail};
use cht_core::net;

/// Address at which datagrams arrive.
#[derive(Debug)]
pub(crate) struct UdpAddress {
    /// An address of this machine, or a multicast group.
    pub address: SocketAddr,
    /// The interface that joins the group: its address or its name.
    pub interface: Option<Interface>,
    /// Whether the datagrams are RTP packets.
    pub rtp: bool,
}

/// A network interface.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Interface {
    Address(IpAddr),
    Name(String),
}

impl UdpAddress {
    /// Reads what follows `udp://` or `rtp://`: `[@][HOST]:PORT[?iface=…]`; without a host, the
    /// loopback address.
    pub(crate) fn parse(rest: &str, rtp: bool) -> Result<Self> {
        let scheme = if rtp { "rtp" } else { "udp" };
        let wrong = || {
            anyhow!(
                "{scheme}://{rest}: must be {scheme}://HOST:PORT, as {scheme}://239.1.1.1:5000?iface=eth0"
            )
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        // Players write `udp://@239.1.1.1:5000`.
        let place = place.trim_start_matches('@').trim_end_matches('/');
        let address = net::resolve(place).with_context(wrong)?;
        let mut interface = None;
        for option in query.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("iface" | "localaddr", name)) if !name.is_empty() => {
                    interface = Some(match name.parse() {
                        Ok(address) => Interface::Address(address),
                        Err(_) => Interface::Name(name.to_owned()),
                    });
                }
                _ => bail!(
                    "{scheme}://{rest}: {option}: the only option is iface=ADDRESS or iface=NAME"
                ),
            }
        }
        if interface.is_some() && !address.ip().is_multicast() {
            bail!("{scheme}://{rest}: iface is for multicast groups (224.0.0.0/4, ff00::/8)");
        }
        Ok(Self { address, interface, rtp })
    }

    /// Returns the URL of the address that a socket is bound to.
    pub(crate) fn url(&self, address: SocketAddr) -> String {
        format!("{}://{address}", if self.rtp { "rtp" } else { "udp" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_of_group_or_host_is_parsed() {
        let parse = |text| UdpAddress::parse(text, false).unwrap();
        assert_eq!(parse(":5000").address.to_string(), "127.0.0.1:5000");
        assert_eq!(parse("@239.1.1.1:5000").address.to_string(), "239.1.1.1:5000");
        let interface = parse("239.1.1.1:1?iface=127.0.0.1").interface.unwrap();
        assert_eq!(interface, Interface::Address("127.0.0.1".parse().unwrap()));
        let interface = parse("[ff02::1]:1?localaddr=lo").interface.unwrap();
        assert_eq!(interface, Interface::Name("lo".to_owned()));
        for wrong in ["", "5000", "127.0.0.1", ":1?iface=lo", "239.1.1.1:1?pkt_size=1316"] {
            assert!(UdpAddress::parse(wrong, true).is_err(), "{wrong}");
        }
    }
}
