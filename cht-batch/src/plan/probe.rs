//! Looks into a file: its container, length and clock. It reads both ends, never all of it.

use std::{
    fs, io,
    os::unix::{fs::FileExt as _, process::ExitStatusExt as _},
    path::Path,
};

use cht_core::{
    mp4,
    process::ffmpeg,
    segment::{Contents, scan},
    storage::regular,
};
use cht_ts::{Pts, time::seconds};

use super::{bad::Bad, find::File};
use crate::{
    kind::{Kind, kind_of},
    unit::Clock,
};

/// Bytes that are read at each end of a transport stream: several pictures, and the tables.
const END: u64 = 1 << 20;

/// Bytes that tell the kind of a file: a transport stream may begin within a packet.
const HEAD: usize = 8 << 10;

/// Samples that tell a file from another of the same size: how many, and how long each is.
const SAMPLES: (u64, u64) = (16, 4 << 10);

/// Code of a file that ffmpeg cannot read.
pub(crate) const UNDECODABLE: &str = "undecodable";

/// Findings about a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Probe {
    pub kind: Kind,
    /// Identity of its content.
    pub id: String,
    /// Seconds of video.
    pub duration: Option<f64>,
    pub clock: Option<Clock>,
}

/// Looks into a file. `init` is the file with the header of a fragment.
pub(crate) fn probe(file: &File, init: Option<&Path>, ffmpeg: &Path) -> Result<Probe, Bad> {
    let path = &*file.path;
    let unreadable = |error: &io::Error| Bad::of_io("unreadable", path, error);
    if file.bytes == 0 {
        let message = "the file is empty; nothing was recorded into it";
        return Err(Bad::new("empty", path, message));
    }
    let open = regular::open(path).map_err(|error| unreadable(&error))?;
    let head = read_at(&open, 0, HEAD as u64).map_err(|error| unreadable(&error))?;
    let Some(kind) = kind_of(&head) else {
        let message = "no video that ffmpeg or cht can read (by its first bytes); left out";
        return Err(Bad::new("not_video", path, message));
    };
    let id = identify(&open, file.bytes).map_err(|error| unreadable(&error))?;
    if kind == Kind::Ts {
        let ends = ends(&open, file.bytes).map_err(|error| unreadable(&error))?;
        let (duration, clock) = ends.unzip();
        return Ok(Probe { kind, id, duration, clock });
    }
    // The times of a fragment need its header, and the playlist tells them.
    let duration = match (init, kind) {
        (Some(_), _) => None,
        // Starting ffmpeg takes longer than all else.
        (None, Kind::Mp4) => match mp4::of_file(&open).ok().flatten().and_then(|it| it.duration) {
            Some(duration) => Some(duration),
            None => Some(duration_of(path, ffmpeg)?),
        },
        (None, _) => Some(duration_of(path, ffmpeg)?),
    };
    Ok(Probe { kind, id, duration, clock: None })
}

/// Returns a hash of a file's size and of samples of its content.
pub(crate) fn identify(file: &fs::File, bytes: u64) -> io::Result<String> {
    let (count, length) = SAMPLES;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes.to_le_bytes());
    if bytes <= count * length {
        hasher.update(&read_at(file, 0, bytes)?);
    } else {
        for n in 0..count {
            // The first sample is the beginning, and the last one the end.
            let at = u128::from(bytes - length) * u128::from(n) / u128::from(count - 1);
            hasher.update(&read_at(file, at as u64, length)?);
        }
    }
    Ok(hasher.finalize().to_hex()[..32].to_owned())
}

/// Reads up to `length` bytes at an offset; fewer at the end of the file.
fn read_at(file: &fs::File, at: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], at + read as u64) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(read);
    Ok(bytes)
}

/// Returns the length in seconds of a transport stream, and its clock at both ends.
fn ends(file: &fs::File, bytes: u64) -> io::Result<Option<(f64, Clock)>> {
    let scan = |at, length| -> io::Result<Option<Contents>> {
        scan([read_at(file, at, length)]).map(|found| found.filter(|found| found.span.is_some()))
    };
    let span = |contents: &Option<Contents>| contents.as_ref().and_then(|found| found.span);
    if bytes <= 2 * END {
        let whole = span(&scan(0, bytes)?);
        return Ok(whole.map(|span| {
            let clock = Clock { first: span.first_dts.ticks(), last: span.last_dts.ticks() };
            (seconds(span.length + span.frame), clock)
        }));
    }
    let (head, tail) = (span(&scan(0, END)?), span(&scan(bytes - END, END)?));
    Ok(head.zip(tail).map(|(head, tail)| {
        let clock = Clock { first: head.first_dts.ticks(), last: tail.last_dts.ticks() };
        let length = Pts::new(clock.last).since(Pts::new(clock.first)).max(0);
        (seconds(length + tail.frame), clock)
    }))
}

/// Asks ffmpeg for the length of a file in seconds.
fn duration_of(path: &Path, ffmpeg: &Path) -> Result<f64, Bad> {
    let Some(name) = path.to_str() else {
        return Err(Bad::new("not_utf8", path, "the path is not UTF-8, and events are; rename it"));
    };
    // A name with a colon is no protocol.
    let name = format!("file:{name}");
    let ask = || ffmpeg::ask(ffmpeg, &["-hide_banner", "-nostdin", "-i", &name]);
    // One that was killed says nothing about the file.
    let asked =
        ask().and_then(|asked| if asked.status.signal().is_some() { ask() } else { Ok(asked) });
    let asked =
        asked.map_err(|error| Bad::new(UNDECODABLE, path, format_args!("ffmpeg: {error}")))?;
    let said = String::from_utf8_lossy(&asked.stderr);
    parse_duration(&said).ok_or_else(|| {
        let last = said.lines().rfind(|line| !line.starts_with("At least one output"));
        let last = last.unwrap_or("it said nothing").trim();
        Bad::new(UNDECODABLE, path, format_args!("ffmpeg cannot read it: {last}; left out"))
    })
}

/// Reads `Duration: 00:01:02.50` in the words of ffmpeg; 0 where it does not know.
fn parse_duration(said: &str) -> Option<f64> {
    let (_, rest) = said.split_once("Duration: ")?;
    let time = rest.split([',', '\n']).next()?.trim();
    let mut parts = time.split(':').map(str::parse::<f64>);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(Ok(hours)), Some(Ok(minutes)), Some(Ok(seconds))) => {
            Some(hours * 3600.0 + minutes * 60.0 + seconds)
        }
        _ => Some(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_is_read_from_the_words_of_ffmpeg() {
        let said = "Input #0\n  Duration: 01:00:02.50, start: 0.0\nAt least one output file";
        assert_eq!(parse_duration(said), Some(3602.5));
        assert_eq!(parse_duration("  Duration: N/A, start: 0\n"), Some(0.0));
        assert_eq!(parse_duration("moov atom not found"), None);
    }

    #[test]
    fn identity_is_of_content_and_not_of_name_or_time() {
        let folder = tempfile::tempdir().unwrap();
        let id = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            identify(&regular::open(&path).unwrap(), bytes.len() as u64).unwrap()
        };
        let large = vec![7; 1 << 20];
        let mut other = large.clone();
        *other.last_mut().unwrap() = 8;
        assert_eq!(id("a", &large), id("b", &large));
        assert_ne!(id("a", &large), id("c", &other));
        assert_ne!(id("a", &large), id("d", &large[1..]));
        assert_ne!(id("e", b"one"), id("f", b"two"));
    }
}
