//! What a path asks for. Pure.

/// Folders of a session of which files are served, and their media types by the end of the name.
const FOLDERS: [&str; 4] = ["frames", "stream", "audio", "transcript"];
const TYPES: [(&str, &str); 9] = [
    (".jpg", "image/jpeg"),
    (".png", "image/png"),
    (".webp", "image/webp"),
    (".ts", "video/mp2t"),
    (".m3u8", "application/vnd.apple.mpegurl"),
    (".vtt", "text/vtt; charset=utf-8"),
    (".wav", "audio/wav"),
    (".flac", "audio/flac"),
    (".json", "application/json"),
];

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// The page with all sessions.
    List,
    /// What that page shows.
    Sessions,
    /// A file of the pages, by its name.
    Asset(String),
    /// Something of a session.
    Session { name: String, what: What },
}

/// Something of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Page,
    /// Its page, by a path without the slash at the end, which relative paths need.
    Folder,
    Data,
    Events,
    Live,
    /// Marks are sent there.
    Sent,
    /// A file, by its path from the session's folder on, and its media type.
    File(String, &'static str),
}

impl Route {
    /// Reads the path of a request. `None` for a path that leads nowhere.
    pub(super) fn of(path: &str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        match path {
            "" => return Some(Self::List),
            "sessions.json" => return Some(Self::Sessions),
            _ => {}
        }
        let (first, rest) = path.split_once('/')?;
        if first == "assets" {
            return is_name(rest).then(|| Self::Asset(rest.to_owned()));
        }
        let (name, rest) = match rest.split_once('/') {
            Some((name, rest)) => (name, Some(rest)),
            None => (rest, None),
        };
        let name = decode(name).filter(|name| first == "s" && is_name(name))?;
        let Some(rest) = rest else { return Some(Self::Session { name, what: What::Folder }) };
        let what = match rest {
            "" => What::Page,
            "data.js" => What::Data,
            "events" => What::Events,
            "live.ts" => What::Live,
            "sent" => What::Sent,
            path => file(path)?,
        };
        Some(Self::Session { name, what })
    }
}

/// Returns the file of a session that a path names.
fn file(path: &str) -> Option<What> {
    let (folder, name) = path.strip_prefix("files/")?.split_once('/')?;
    let name = decode(name).filter(|name| is_name(name))?;
    let kind = TYPES.iter().find(|(end, _)| name.ends_with(end))?.1;
    FOLDERS.contains(&folder).then(|| What::File(format!("{folder}/{name}"), kind))
}

/// Tells whether it is the name of a file or folder that is not hidden.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0'])
}

/// Replaces `%XX` (RFC 3986 §2.1). `None` for anything that is not UTF-8 then.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        bytes.push(match byte {
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                let digits = std::str::from_utf8(digits).ok()?;
                u8::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))?
            }
            byte => *byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Returns a value of a query.
pub(super) fn value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_names_a_thing_or_nothing() {
        let of = |name: &str, what| Some(Route::Session { name: name.to_owned(), what });
        for (path, route) in [
            ("/", Some(Route::List)),
            ("/sessions.json", Some(Route::Sessions)),
            ("/assets/page.css", Some(Route::Asset("page.css".to_owned()))),
            ("/s/call/", of("call", What::Page)),
            ("/s/my%20call", of("my call", What::Folder)),
            ("/s/my%20c%C3%A4ll/data.js", of("my cäll", What::Data)),
            ("/s/call/live.ts", of("call", What::Live)),
            (
                "/s/call/files/frames/F000001.jpg",
                of("call", What::File("frames/F000001.jpg".to_owned(), "image/jpeg")),
            ),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }

    #[test]
    fn path_that_leads_elsewhere_is_none() {
        for path in [
            "",
            "*",
            "/s/",
            "/s/..",
            "/s/.hidden",
            "/call",
            "/s/../data.js",
            "/s/%2e%2e/data.js",
            "/s/.hidden/",
            "/s//data.js",
            "/s/a%2Fb/",
            "/s/a%00/",
            "/s/%/",
            "/s/%+1/",
            "/s/%ff/",
            "/s/call/files/../../etc/passwd",
            "/s/call/files/frames/../../../etc/passwd.jpg",
            "/s/call/files/frames/%2e%2e%2f%2e%2e%2fsecret.jpg",
            "/s/call/files/frames/..%5csecret.jpg",
            "/s/call/files/frames/a/b.jpg",
            "/s/call/files/frames/index.ndjson",
            "/s/call/files/frames/.x.jpg",
            "/s/call/files/stream/segment_000001.ts.part",
            "/s/call/files/agent/x.json",
            "/s/call/files//F000001.jpg",
            "/assets/../page.css",
            "/etc/passwd",
        ] {
            assert_eq!(Route::of(path), None, "{path}");
        }
    }

    #[test]
    fn value_is_that_of_the_whole_name() {
        assert_eq!(value("token=a&from=1-2", "from"), Some("1-2"));
        assert_eq!(value("xfrom=1&from", "from"), None);
    }
}
