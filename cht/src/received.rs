//! Number of bytes that a session has received, from a few places of its segment log.
//!
//! The last segment of a connection tells the connection's length. Where a connection begins is
//! found by halving the log, since its segments stand together.

use std::{
    fs::File,
    io::{self, BufReader, Seek as _, SeekFrom},
};

use cht_core::{
    event::{Body, Event, SegmentClosed},
    session::{Session, segment_log},
    storage::{journal::Lines, regular},
};
use serde::Serialize;

/// Largest number of connections that are looked for; each takes some twenty reads.
const CONNECTIONS: u32 = 16;

/// Length of the log that is read line by line, in bytes.
const NEAR: u64 = 8 << 10;

/// Bytes received.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Received {
    /// Their number, or that of the last connections where there were many.
    pub bytes: u64,
    /// Whether there were more.
    pub bytes_of_last_connections_only: bool,
}

/// Returns the number of bytes that a session has received, those of the growing segment included.
pub(crate) fn of(session: &Session) -> Received {
    let log = regular::open(&session.segment_log()).and_then(|file| of_log(&file));
    let mut received = log.unwrap_or_default();
    received.bytes += growing(session).unwrap_or(0);
    received
}

fn growing(session: &Session) -> Option<u64> {
    let open = segment_log::growing(session)?;
    Some(session.part(open.seq).metadata().ok()?.len())
}

fn of_log(file: &File) -> io::Result<Received> {
    let mut received = Received::default();
    let mut end = file.metadata()?.len();
    for _ in 0..CONNECTIONS {
        let Some(last) = last_before(file, end)? else { return Ok(received) };
        received.bytes += last.offset + last.bytes;
        if last.connection <= 1 {
            return Ok(received);
        }
        end = begin_of(file, last.connection, end)?;
    }
    received.bytes_of_last_connections_only = last_before(file, end)?.is_some();
    Ok(received)
}

/// Returns the last segment in the log before byte `end`.
fn last_before(file: &File, end: u64) -> io::Result<Option<SegmentClosed>> {
    let mut length = NEAR;
    loop {
        let from = end.saturating_sub(length);
        let mut last = None;
        each_from(file, from, |closed, line_end| {
            let is_before = line_end <= end;
            if is_before {
                last = Some(closed);
            }
            is_before
        })?;
        if last.is_some() || from == 0 {
            return Ok(last);
        }
        length *= 4;
    }
}

/// Returns a byte of the log before which no segment of this connection stands, and all of those
/// before it.
fn begin_of(file: &File, connection: u32, end: u64) -> io::Result<u64> {
    let (mut low, mut high) = (0, end);
    while high - low > NEAR {
        let middle = low + (high - low) / 2;
        let mut is_earlier = false;
        each_from(file, middle, |closed, _| {
            is_earlier = closed.connection < connection;
            false
        })?;
        if is_earlier { low = middle } else { high = middle }
    }
    let mut begin = low;
    each_from(file, low, |closed, line_end| {
        let is_earlier = closed.connection < connection;
        if is_earlier {
            begin = line_end;
        }
        is_earlier
    })?;
    Ok(begin)
}

/// Calls `take` with each segment in the log from the first whole line after byte `from` on, and
/// the end of its line, until it returns `false`.
fn each_from(
    mut file: &File,
    from: u64,
    mut take: impl FnMut(SegmentClosed, u64) -> bool,
) -> io::Result<()> {
    file.seek(SeekFrom::Start(from))?;
    let mut lines = Lines::new(BufReader::with_capacity(NEAR as usize, file), from);
    while let Some(line) = lines.next()? {
        if let Ok(Some(Event { body: Body::SegmentClosed(closed), .. })) = Event::parse(line.bytes)
            && !take(closed, line.end)
        {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// A log in which connection n has `segments[n - 1]` segments of 1000 bytes.
    fn log(segments: &[u64]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        let mut seq = 0;
        let mut text = String::new();
        for (connection, count) in (1..).zip(segments) {
            for at in 0..*count {
                seq += 1;
                let line = format!(
                    r#"{{"v":1,"type":"segment_closed","session":"/s","seq":{seq},"path":"/s/stream/segment_{seq:06}.ts","connection":{connection},"offset":{},"bytes":1000,"blake3":"00","opened_at":"2026-11-23T06:24:29Z","closed_at":"2026-11-23T06:24:31Z","end_reason":"keyframe"}}"#,
                    at * 1000
                );
                text += &(line + "\n");
            }
        }
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn bytes_of_all_connections_are_added() {
        for segments in [&[0][..], &[1], &[3000], &[1, 500, 1, 1, 2000, 3], &[1; 16]] {
            let received = of_log(&log(segments)).unwrap();
            assert_eq!(received.bytes, segments.iter().sum::<u64>() * 1000, "{segments:?}");
            assert!(!received.bytes_of_last_connections_only);
        }
    }

    #[test]
    fn session_of_many_connections_tells_those_of_the_last() {
        let received = of_log(&log(&[2; 100])).unwrap();
        assert_eq!(received, Received { bytes: 32_000, bytes_of_last_connections_only: true });
    }
}
