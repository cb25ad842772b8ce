//! A URL in parts: which of them ffmpeg needs, and which of them are secret. Pure.

/// Parts of a URL that has `://`.
pub(crate) struct Parts<'a> {
    pub scheme: &'a str,
    pub userinfo: Option<&'a str>,
    /// Host and port.
    pub authority: &'a str,
    /// With its `/`.
    pub path: &'a str,
    pub query: Option<&'a str>,
}

impl<'a> Parts<'a> {
    /// Splits a URL; `None` if it has no `://`.
    pub(crate) fn of(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (place, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (userinfo, authority) = match place.rsplit_once('@') {
            Some((userinfo, authority)) => (Some(userinfo), authority),
            None => (None, place),
        };
        Some(Self { scheme, userinfo, authority, path, query })
    }

    /// Returns the host without its port.
    pub(crate) fn host(&self) -> &'a str {
        self.authority.rsplit_once(':').map_or(self.authority, |(host, _)| host)
    }

    /// Returns the settings of the query, as `name=value`.
    pub(crate) fn settings(&self) -> impl Iterator<Item = &'a str> {
        self.query.unwrap_or("").split('&')
    }

    /// Returns the URL without credentials and query.
    pub(crate) fn shown(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority, self.path)
    }

    /// Returns the parts to hide: the user, and whatever may be a password.
    pub(crate) fn secrets(&self) -> Vec<&'a str> {
        const HARMLESS: [&str; 6] =
            ["mode", "latency", "transtype", "pkt_size", "pbkeylen", "timeout"];
        let mut secrets: Vec<_> = self.query.into_iter().chain(self.userinfo).collect();
        secrets.extend(self.userinfo.and_then(|text| text.split_once(':')).map(|(_, word)| word));
        let settings = self.settings().filter_map(|setting| setting.split_once('='));
        secrets.extend(settings.filter(|(name, _)| !HARMLESS.contains(name)).map(|(_, v)| v));
        secrets
    }
}

/// Returns a URL without credentials and query; other text as it is.
pub(crate) fn shown(url: &str) -> String {
    Parts::of(url).map_or_else(|| url.to_owned(), |parts| parts.shown())
}
