//! `--allow`: which addresses may send. Pure.

use std::{net::IpAddr, str::FromStr};

/// A network, as `192.168.1.0/24`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cidr {
    network: IpAddr,
    prefix: u32,
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "must be an address or a network, as 192.168.1.0/24 or fd00::/8".to_owned();
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let network: IpAddr = address.parse().map_err(|_| wrong())?;
        let width = width(network);
        let prefix = prefix.map_or(Ok(width), |prefix| prefix.parse().map_err(|_| wrong()))?;
        if prefix > width {
            return Err(format!("the prefix is longer than the {width} bits of the address"));
        }
        let cidr = Self { network, prefix };
        if bits(network) == cidr.masked(network) {
            Ok(cidr)
        } else {
            // Probably a typing error: one address was meant, or another prefix.
            Err(format!("{network} has bits beyond /{prefix}; write the network's first address"))
        }
    }
}

impl Cidr {
    /// Returns whether an address lies in the network. An IPv4-mapped IPv6 address counts as IPv4.
    fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.network.is_ipv4() && self.masked(address) == bits(self.network)
    }

    /// Returns the bits of an address of the same family that the prefix covers.
    fn masked(&self, address: IpAddr) -> u128 {
        let hidden = width(address) - self.prefix;
        bits(address).checked_shr(hidden).map_or(0, |shown| shown << hidden)
    }
}

/// Returns whether a peer may send: any that reaches the listening address, unless networks are
/// named.
pub(crate) fn allows(networks: &[Cidr], peer: IpAddr) -> bool {
    networks.is_empty() || networks.iter().any(|network| network.contains(peer))
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        network.parse::<Cidr>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn network_contains_its_addresses() {
        assert!(contains("192.168.1.0/24", "192.168.1.255"));
        assert!(!contains("192.168.1.0/24", "192.168.2.0"));
        assert!(contains("10.0.0.7", "10.0.0.7") && !contains("10.0.0.7", "10.0.0.6"));
        assert!(contains("0.0.0.0/0", "255.0.0.1") && !contains("0.0.0.0/0", "::1"));
        assert!(contains("::/0", "fe80::1") && !contains("::/0", "10.0.0.1"));
        assert!(contains("fd00::/8", "fdff::1") && !contains("fd00::/8", "fe00::1"));
        assert!(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
    }

    #[test]
    fn invalid_network_is_refused() {
        for wrong in ["", "x", "10.0.0.0/33", "::/129", "10.0.0.1/8", "10.0.0.0/", "10.0.0.0/-1"] {
            assert!(wrong.parse::<Cidr>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn empty_allow_list_allows_all() {
        assert!(allows(&[], "8.8.8.8".parse().unwrap()));
        let some = ["::1".parse().unwrap(), "127.0.0.0/8".parse().unwrap()];
        assert!(allows(&some, "127.0.0.9".parse().unwrap()));
        assert!(!allows(&some, "8.8.8.8".parse().unwrap()));
    }
}
