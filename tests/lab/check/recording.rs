//! Checks the recording against the sent bytes, and its record against the files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use cht_tests::{
    b3sum,
    wire::{self, Body, DeleteReason, EndReason, SegmentClosed},
};

use crate::{pipeline::Place, plan::Plan, round::Done};

/// Returns the errors in the recording.
pub(super) fn check(plan: &Plan, place: &Place, done: &Done, stream: &[u8]) -> Vec<String> {
    let folder = place.session().join("stream");
    let text = match fs::read_to_string(folder.join("segments.ndjson")) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return vec![format!("segments.ndjson: {error}")],
    };
    let mut findings = Vec::new();
    if !text.is_empty() && !text.ends_with('\n') {
        findings.push("segments.ndjson: its last line is not whole".to_owned());
    }
    let (mut closed, mut deleted) = (Vec::new(), BTreeSet::new());
    for line in text.lines() {
        match wire::parse_stored(line).map(|event| event.body) {
            // A vanished segment that is back is recorded again.
            Ok(Body::SegmentClosed(segment)) if deleted.remove(&segment.seq) => {}
            Ok(Body::SegmentClosed(segment)) => closed.push(segment),
            Ok(Body::Deleted(removal)) => {
                // A segment that had vanished when a recorder checked.
                if removal.reason != DeleteReason::Missing
                    || !done.meddled.contains_key(&removal.seq)
                {
                    findings.push(format!("segments.ndjson: nobody removed it: {line}"));
                }
                deleted.insert(removal.seq);
            }
            other => findings.push(format!("segments.ndjson: {other:?}")),
        }
    }
    let mut contents = BTreeMap::new();
    for segment in &closed {
        match content(&folder, segment, done) {
            Ok(bytes) => _ = contents.insert(segment.seq, bytes),
            Err(finding) => findings.push(finding),
        }
    }
    findings.extend(numbers(&closed));
    findings.extend(unrecorded(&folder, &closed));
    findings.extend(bytes_sent(plan, done, stream, &closed, &contents));
    for (seq, size) in &done.parts {
        // A killed recorder had this much on the disk.
        let kept = contents.get(seq).map_or(0, Vec::len) as u64;
        if kept < *size {
            findings.push(format!("segment {seq} had {size} bytes when killed, and has {kept}"));
        }
    }
    findings
}

/// Returns the bytes of a recorded segment, if the file matches the record.
fn content(
    folder: &std::path::Path,
    segment: &SegmentClosed,
    done: &Done,
) -> Result<Vec<u8>, String> {
    let path = folder.join(format!("segment_{:06}.ts", segment.seq));
    let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    if done.truncated.contains(&segment.seq) {
        return done.meddled.get(&segment.seq).cloned().ok_or_else(String::new);
    }
    let is_right = bytes.len() as u64 == segment.bytes && b3sum(&bytes) == *segment.blake3;
    let name = &*segment.path;
    if !is_right || std::path::Path::new(name) != path {
        return Err(format!("{}: not the segment that the record names", path.display()));
    }
    Ok(bytes)
}

/// Checks that numbers rise, and that offsets of a connection follow one another.
fn numbers(closed: &[SegmentClosed]) -> Vec<String> {
    let mut findings = Vec::new();
    for pair in closed.windows(2) {
        let [before, after] = pair else { continue };
        if after.seq <= before.seq {
            findings.push(format!("segment {} is recorded after {}", after.seq, before.seq));
        }
        let expected =
            if before.connection == after.connection { before.offset + before.bytes } else { 0 };
        if after.offset != expected || after.connection < before.connection {
            findings.push(format!(
                "segment {}: connection {} offset {}, after connection {} and {expected}",
                after.seq, after.connection, after.offset, before.connection
            ));
        }
    }
    findings
}

/// Returns segments that no line names, and those that should have been adopted or removed.
fn unrecorded(folder: &std::path::Path, closed: &[SegmentClosed]) -> Vec<String> {
    let known: BTreeSet<_> = closed.iter().map(|segment| segment.seq).collect();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names
        .filter(|name| {
            let seq = cht_core::session::sequence(name.as_ref());
            seq.is_some_and(|seq| !known.contains(&seq))
                || name.strip_suffix(cht_core::session::PART).is_some()
        })
        .map(|name| format!("stream/{name}: not in the record"))
        .collect()
}

/// Checks that each segment continues the bytes of a connection, without avoidable losses.
fn bytes_sent(
    plan: &Plan,
    done: &Done,
    stream: &[u8],
    closed: &[SegmentClosed],
    contents: &BTreeMap<u64, Vec<u8>>,
) -> Vec<String> {
    let sent: Vec<&[u8]> = done.sent.iter().map(|sent| &stream[sent.begin..sent.end]).collect();
    let may_lose =
        plan.kills_recorder() || done.is_restarted && done.sent.iter().any(|sent| !sent.is_clean);
    let (mut at, mut position) = (0, 0);
    let mut numbers: Option<(usize, u32)> = None;
    for segment in closed {
        let Some(bytes) = contents.get(&segment.seq) else {
            position += segment.bytes as usize;
            continue;
        };
        let goes_on = sent
            .get(at)
            .is_some_and(|sent| sent.get(position..).is_some_and(|rest| rest.starts_with(bytes)));
        if !goes_on {
            let next = (at + 1..sent.len()).find(|n| sent[*n].starts_with(bytes));
            let Some(next) =
                next.filter(|_| may_lose || sent.get(at).is_some_and(|s| s.len() == position))
            else {
                return vec![format!("segment {}: not what was sent next", segment.seq)];
            };
            if !may_lose && (at + 1..next).any(|n| !sent[n].is_empty()) {
                return vec![format!("segment {}: a connection is missing before it", segment.seq)];
            }
            (at, position) = (next, 0);
        }
        position += bytes.len();
        // A segment adopted without a note may count for the connection before.
        if let Some((connection, number)) = numbers
            && (connection == at) != (number == segment.connection)
            && segment.end_reason != EndReason::Recovered
            && !may_lose
        {
            return vec![format!("segment {}: of connection {}", segment.seq, segment.connection)];
        }
        numbers = Some((at, segment.connection));
    }
    let rest =
        sent.iter().skip(at).map(|sent| sent.len()).sum::<usize>() - position.min(stream.len());
    if rest > 0 && !may_lose {
        return vec![format!("{rest} bytes that were sent are not recorded")];
    }
    Vec::new()
}
