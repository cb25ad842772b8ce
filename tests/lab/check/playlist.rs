//! Checks that the playlist lists the kept segments, in order.

use std::{collections::BTreeSet, fs, path::Path};

use cht_tests::wire::{self, Body};

/// Returns the errors in the playlist of a session whose recorder ended in order.
pub(super) fn check(session: &Path) -> Vec<String> {
    let stream = session.join("stream");
    let record = fs::read_to_string(stream.join("segments.ndjson")).unwrap_or_default();
    let (mut kept, mut timed) = (BTreeSet::new(), BTreeSet::new());
    for event in record.lines().filter_map(|line| wire::parse_stored(line).ok()) {
        match event.body {
            Body::SegmentClosed(closed) => {
                kept.insert(closed.seq);
                if closed.duration.is_some() {
                    timed.insert(closed.seq);
                }
            }
            Body::Deleted(deleted) => {
                kept.remove(&deleted.seq);
                timed.remove(&deleted.seq);
            }
            _ => {}
        }
    }
    let text = match fs::read_to_string(stream.join("session.m3u8")) {
        Ok(text) => text,
        Err(_) if timed.is_empty() => return Vec::new(),
        Err(error) => return vec![format!("session.m3u8: {error}")],
    };
    let mut findings = Vec::new();
    if !text.starts_with("#EXTM3U\n") || !text.ends_with("#EXT-X-ENDLIST\n") {
        findings.push("session.m3u8 does not begin and end as it should".to_owned());
    }
    if text.matches("#EXT-X-ENDLIST").count() > 1 {
        findings.push("session.m3u8 ends twice".to_owned());
    }
    let target = number_in(&text, "#EXT-X-TARGETDURATION:").unwrap_or(0.0);
    let mut listed = Vec::new();
    for line in text.lines() {
        if let Some(seconds) = line.strip_prefix("#EXTINF:") {
            let seconds: f64 = seconds.trim_end_matches(',').parse().unwrap_or(f64::MAX);
            if seconds.round() > target {
                findings.push(format!("session.m3u8: {line} is above the target {target}"));
            }
        } else if let Some(map) = line.strip_prefix("#EXT-X-MAP:URI=\"") {
            if !stream.join(map.trim_end_matches('"')).exists() {
                findings.push(format!("session.m3u8: {line} is not there"));
            }
        } else if !line.is_empty() && !line.starts_with('#') {
            listed.push(cht_core::session::sequence(Path::new(line)).unwrap_or(0));
        }
    }
    if !listed.is_sorted() {
        findings.push(format!("session.m3u8 is out of order: {listed:?}"));
    }
    let listed: BTreeSet<_> = listed.into_iter().collect();
    if !listed.is_subset(&kept) || !timed.is_subset(&listed) {
        findings.push(format!("session.m3u8 lists {listed:?}; the record keeps {kept:?}"));
    }
    findings
}

fn number_in(text: &str, tag: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(tag)?.parse().ok())
}
