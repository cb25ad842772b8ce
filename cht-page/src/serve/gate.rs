//! Who may ask: requests of this server's own pages, and, with a token, of clients that have given
//! it.
//!
//! A browser sends requests to loopback addresses for any page. So `Host` has to name a loopback
//! address (else the name of a foreign page could stand for ours), a foreign `Origin` is refused,
//! and so is a request that a foreign page makes without one (`Sec-Fetch-Site`).

use std::net::IpAddr;

use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, COOKIE, HOST, HeaderName, ORIGIN},
};

/// First part of the name of the cookie in which a browser keeps that it has given the token.
/// Cookies do not know ports: servers with other tokens have other names.
const KEY: &str = "cht_page_";

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Decides on requests.
#[derive(Debug)]
pub(super) struct Gate {
    token: Option<blake3::Hash>,
    /// Whether `Host` has to name a loopback address: there is no token to keep others out.
    is_local: bool,
}

/// Decision about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    Granted,
    /// It comes from a foreign page, or names a foreign host.
    Foreign,
    /// It has no token.
    Unknown,
}

impl Gate {
    /// Returns the gate of a server; `is_tcp` tells that browsers connect to it themselves.
    pub(super) fn new(token: Option<&str>, is_tcp: bool) -> Self {
        let token = token.map(|token| blake3::hash(token.as_bytes()));
        Self { token, is_local: is_tcp && token.is_none() }
    }

    /// Tells whether marks are taken.
    pub(super) fn takes_marks(&self) -> bool {
        self.token.is_some()
    }

    /// Decides on a request by its headers.
    pub(super) fn decide(&self, headers: &HeaderMap) -> Pass {
        let mut hosts = headers.get_all(HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        let Some(host) = host.filter(|_| hosts.next().is_none()) else { return Pass::Foreign };
        if (self.is_local && !is_loopback(host)) || is_foreign(headers, host) {
            return Pass::Foreign;
        }
        match &self.token {
            Some(token) if !holds(headers, token) => Pass::Unknown,
            _ => Pass::Granted,
        }
    }

    /// Returns the cookie, as `NAME=VALUE`, of a browser that gives this token, if it is the right
    /// one.
    pub(super) fn key(&self, given: &str) -> Option<String> {
        let given = blake3::hash(given.as_bytes());
        // Hashes are compared in constant time.
        self.token
            .filter(|token| *token == given)
            .map(|token| format!("{}={}", name_of(&token), key_of(&token)))
    }
}

/// Returns the value of the cookie: it opens as the token does, and does not tell it.
fn key_of(token: &blake3::Hash) -> String {
    hex(&blake3::derive_key("cht-page cookie", token.as_bytes()))
}

/// Returns the name of the cookie.
fn name_of(token: &blake3::Hash) -> String {
    let derived = blake3::derive_key("cht-page name of the cookie", token.as_bytes());
    KEY.to_owned() + &hex(&derived[..4])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Tells whether a request holds the token, or the cookie.
fn holds(headers: &HeaderMap, token: &blake3::Hash) -> bool {
    let text = |value: &hyper::header::HeaderValue| value.to_str().map(str::to_owned).ok();
    let bearer = headers.get(AUTHORIZATION).and_then(text);
    let is_given = |given: String| {
        given.strip_prefix("Bearer ").is_some_and(|it| blake3::hash(it.as_bytes()) == *token)
    };
    let (expected, own) = (blake3::hash(key_of(token).as_bytes()), name_of(token));
    let is_key = |cookies: String| {
        let mut values = cookies.split(';').filter_map(|it| it.trim().split_once('='));
        values.any(|(name, value)| name == own && blake3::hash(value.as_bytes()) == expected)
    };
    bearer.is_some_and(is_given) || headers.get_all(COOKIE).iter().filter_map(text).any(is_key)
}

/// Tells whether a request comes from a page of another server.
fn is_foreign(headers: &HeaderMap, host: &str) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(origin) = text(ORIGIN) {
        let ours = origin.split_once("://").is_some_and(|(_, place)| place == host);
        return !ours;
    }
    // A link on a foreign page may be followed.
    text(SITE).is_some_and(|site| !["same-origin", "none"].contains(&site))
        && text(MODE) != Some("navigate")
}

/// Tells whether `Host` names a loopback address, with any port.
fn is_loopback(host: &str) -> bool {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) && (!name.contains(':') || name.ends_with(']')) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let address = bare.parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(text: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in text.lines() {
            let (name, value) = line.split_once(": ").unwrap();
            headers
                .append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn foreign_pages_and_hosts_are_refused() {
        let gate = Gate::new(None, true);
        let decide = |text: &str| gate.decide(&headers(text));
        for own in [
            "Host: localhost:8080",
            "Host: 127.0.0.1:8080\nOrigin: http://127.0.0.1:8080",
            "Host: [::1]:8080\nSec-Fetch-Site: same-origin",
            "Host: 127.0.0.2",
            "Host: localhost\nSec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate",
            "Host: localhost\nSec-Fetch-Site: none",
        ] {
            assert_eq!(decide(own), Pass::Granted, "{own}");
        }
        for foreign in [
            "Accept: */*",
            "Host: evil.example",
            "Host: evil.example:8080",
            "Host: 127.0.0.1.evil.example",
            "Host: localhost.evil.example:80",
            "Host: 192.168.1.5:8080",
            "Host: localhost\nHost: evil.example",
            "Host: localhost:8080\nOrigin: http://evil.example",
            "Host: localhost:8080\nOrigin: http://localhost:8081",
            "Host: localhost:8080\nOrigin: null",
            "Host: localhost\nSec-Fetch-Site: cross-site\nSec-Fetch-Mode: no-cors",
            "Host: localhost\nSec-Fetch-Site: same-site",
        ] {
            assert_eq!(decide(foreign), Pass::Foreign, "{foreign}");
        }
        // A proxy before a Unix socket has names of its own.
        assert_eq!(Gate::new(None, false).decide(&headers("Host: cht.lan")), Pass::Granted);
    }

    #[test]
    fn token_or_its_cookie_opens() {
        let gate = Gate::new(Some("0123456789abcdef"), true);
        let decide = |text: &str| gate.decide(&headers(text));
        let cookie = gate.key("0123456789abcdef").unwrap();
        let (name, key) = cookie.split_once('=').unwrap();
        let other = Gate::new(Some("another token 16"), true).key("another token 16").unwrap();
        assert_ne!(other.split_once('=').unwrap().0, name, "both are kept");
        for known in [
            "Host: cht.lan\nAuthorization: Bearer 0123456789abcdef".to_owned(),
            format!("Host: cht.lan\nCookie: a=b; {cookie}"),
        ] {
            assert_eq!(decide(&known), Pass::Granted, "{known}");
        }
        for unknown in [
            "Host: cht.lan".to_owned(),
            "Host: cht.lan\nAuthorization: Bearer 0123456789abcdeF".to_owned(),
            format!("Host: cht.lan\nCookie: {name}=0123456789abcdef"),
            format!("Host: cht.lan\nCookie: x{name}={key}"),
        ] {
            assert_eq!(decide(&unknown), Pass::Unknown, "{unknown}");
        }
        assert_eq!(gate.key("0123456789abcdeF"), None);
        assert_eq!(decide(&format!("Host: a\nOrigin: http://b\nCookie: {cookie}")), Pass::Foreign);
    }
}
