//! Playlists of HLS (RFC 8216): the segments that they list, and when those were recorded. Pure.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

/// A playlist.
#[derive(Debug, PartialEq)]
pub(crate) enum Playlist {
    /// It lists segments.
    Media(Vec<Segment>),
    /// It lists playlists of the same content, each with its bit rate.
    Master(Vec<(u64, PathBuf)>),
}

/// A segment of a playlist.
#[derive(Debug, PartialEq)]
pub(crate) struct Segment {
    pub path: PathBuf,
    pub duration: f64,
    /// File with the header of a fragmented MP4.
    pub init: Option<PathBuf>,
    pub at: Option<Timestamp>,
}

/// Reads a playlist that lies in `folder`. `None` if it is none.
pub(crate) fn parse(text: &str, folder: &Path) -> Option<Playlist> {
    let mut lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    if !lines.next()?.starts_with("#EXTM3U") {
        return None;
    }
    let (mut segments, mut variants) = (Vec::new(), Vec::new());
    let (mut duration, mut init, mut at, mut bandwidth) = (0.0, None, None, None);
    for line in lines {
        let tag = |name: &str| line.strip_prefix(name).and_then(|rest| rest.strip_prefix(':'));
        if let Some(rest) = tag("#EXTINF") {
            duration = rest.split(',').next()?.trim().parse().unwrap_or(0.0);
        } else if let Some(rest) = tag("#EXT-X-PROGRAM-DATE-TIME") {
            at = rest.trim().parse().ok();
        } else if let Some(rest) = tag("#EXT-X-MAP") {
            init = attribute(rest, "URI").map(|uri| resolve(uri, folder));
        } else if let Some(rest) = tag("#EXT-X-STREAM-INF") {
            bandwidth =
                Some(attribute(rest, "BANDWIDTH").and_then(|it| it.parse().ok()).unwrap_or(0));
        } else if !line.is_empty() && !line.starts_with('#') {
            let path = resolve(line, folder);
            if let Some(bandwidth) = bandwidth.take() {
                variants.push((bandwidth, path));
                continue;
            }
            let after =
                |at: Timestamp| at.checked_add(SignedDuration::from_secs_f64(duration)).ok();
            let next = at.and_then(after);
            segments.push(Segment { path, duration, init: init.clone(), at });
            at = next;
        }
    }
    Some(if variants.is_empty() { Playlist::Media(segments) } else { Playlist::Master(variants) })
}

/// Returns the value of an attribute, without its quotes.
fn attribute<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = list;
    while let Some((key, value)) = rest.split_once('=') {
        let (value, more) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_once(',').unwrap_or((value, "")),
        };
        if key.trim_matches([',', ' ']) == name {
            return Some(value);
        }
        rest = more;
    }
    None
}

/// Returns the path of a URI next to the playlist, with its escapes decoded where only that file
/// can be meant.
fn resolve(uri: &str, folder: &Path) -> PathBuf {
    let uri = uri.strip_prefix("file://").unwrap_or(uri);
    let uri = uri.split(['?', '#']).next().unwrap_or(uri);
    folder.join(decoded(uri))
}

fn decoded(uri: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = uri.as_bytes();
    while let [first, more @ ..] = rest {
        let hex = more.get(..2).filter(|_| *first == b'%');
        let hex = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(hex.unwrap_or(*first));
        rest = if hex.is_some() { &more[2..] } else { more };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| uri.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_playlist_lists_segments_with_wall_clock_and_header() {
        let text = "#EXTM3U\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:2026-11-28T07:00:00.000Z\n\
                    #EXTINF:4.0,\na%20b.m4s\n#EXTINF:2,x\n2.m4s?x=1\n#EXT-X-ENDLIST\n";
        let Some(Playlist::Media(segments)) = parse(text, Path::new("/h")) else { panic!("none") };
        let at = |text: &str| Some(text.parse().unwrap());
        let init = Some(PathBuf::from("/h/init.mp4"));
        assert_eq!(
            segments,
            [
                Segment {
                    path: "/h/a b.m4s".into(),
                    duration: 4.0,
                    init: init.clone(),
                    at: at("2026-11-28T07:00:00Z")
                },
                Segment {
                    path: "/h/2.m4s".into(),
                    duration: 2.0,
                    init,
                    at: at("2026-11-28T07:00:04Z")
                },
            ]
        );
    }

    #[test]
    fn master_playlist_lists_variants() {
        let text = "#EXTM3U\n#EXT-X-STREAM-INF:CODECS=\"a,b\",BANDWIDTH=900\nlow/x.m3u8\n\
                    #EXT-X-STREAM-INF:BANDWIDTH=5000\nhigh.m3u8\n";
        let low = (900, PathBuf::from("/h/low/x.m3u8"));
        let expected = Playlist::Master(vec![low, (5000, "/h/high.m3u8".into())]);
        assert_eq!(parse(text, Path::new("/h")), Some(expected));
        assert_eq!(parse("a.ts\n", Path::new("/h")), None);
    }
}
