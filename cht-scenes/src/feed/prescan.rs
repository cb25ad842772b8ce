//! Finds the changes in a segment by its keyframes, for `--decode fast`.
//!
//! The keyframes are decoded alone. Between two that show the same, nothing has changed, unless a
//! picture between them takes as many bytes as a new picture. Where they differ, the group is
//! decoded up to a second after the last picture that takes more bytes than the others: from there
//! on nothing moves until the next keyframe, which is decoded anyway.

use std::{collections::HashMap, path::Path};

use anyhow::Result;
use cht_core::{
    process::ffmpeg::Program,
    session::finished_segment::{FinishedSegment, Windows},
};
use cht_detect::measure::Blocks;
use cht_ts::{Group, Plan, Pts, survey, time::TICKS_PER_SECOND};

use crate::{
    decode::{
        filter::Wanted,
        job::DecodeJob,
        mode::{Decode, Limits},
    },
    input::{Source, WRITE},
};

/// Part of its keyframe's bytes that a wholly new picture takes, as a divisor.
const NEW: usize = 2;

/// A picture with a change takes more than this multiple of the median bytes of its group, and more
/// than this part of the keyframe's bytes (a divisor).
const STANDS_OUT: usize = 4;
const LOUD: usize = 256;

/// Part of the keyframe's bytes, as a divisor, with which a picture may hold the whole change that
/// the next keyframe shows.
const LARGE: usize = 16;

/// Time after the last change to which a group is decoded, in ticks: a detector has to see the
/// picture at rest.
const RESTS: i64 = TICKS_PER_SECOND;

/// Largest number of blocks that differ between keyframes that show the same: a cursor, a caret, a
/// clock.
const SPECKS: usize = 12;

/// Plans the pictures to decode of the finished segment at `path`. Returns no plan if the stream
/// cannot be filtered; then all of it is decoded.
pub(crate) fn plan(
    ffmpeg: &Program,
    limits: Limits,
    source: &Source,
    path: &Path,
) -> Result<Option<Plan>> {
    let Some(codec) = source.codec else { return Ok(None) };
    // The feeder reports an unreadable segment.
    let Ok(segment) = FinishedSegment::open(path) else { return Ok(None) };
    let windows = || segment.windows(&source.range());
    let Ok(Some(groups)) = survey(windows(), source.pid, codec) else { return Ok(None) };
    // A single group has no later keyframe to compare with.
    let changed = if groups.len() > 1 {
        changed(ffmpeg, limits, source, path, windows())?
    } else {
        HashMap::new()
    };
    Ok(Some(choose(&groups, &changed)))
}

/// Chooses the pictures to decode. `changed` tells of each keyframe, by its PTS, whether it differs
/// from the one before.
fn choose(groups: &[Group], changed: &HashMap<Pts, bool>) -> Plan {
    let mut plan = Plan::new();
    // Whether the picture has changed up to the keyframe of a group, or with it. For the first
    // group this is assumed: the picture before the segment is not known.
    let mut has_changed = true;
    for (n, group) in groups.iter().enumerate() {
        // The keyframe after the last group is not known.
        let next = groups.get(n + 1).and_then(|next| changed.get(&next.pts)).copied();
        let differs = next.unwrap_or(true);
        let loud = last_loud(group);
        let own = match loud {
            _ if !differs => group
                .others
                .iter()
                .any(|(_, bytes)| bytes * NEW > group.bytes)
                .then_some(group.others.len()),
            Some(last) => Some(up_to(group, last)),
            // The change comes bit by bit, or not at all.
            None => group
                .others
                .iter()
                .any(|(_, bytes)| bytes * LOUD > group.bytes)
                .then_some(group.others.len()),
        };
        let rests = has_changed.then(|| up_to(group, group.pts));
        // A refresh comes bit by bit, even if the pictures around it show the same.
        let refresh = group.is_refresh.then_some(group.others.len());
        if let Some(others) = own.max(rests).max(refresh).filter(|&others| others > 0) {
            plan.insert(group.pts, 1 + others);
        }
        has_changed = differs && !rests_within(group);
    }
    plan
}

/// Returns the PTS of the last picture that takes more bytes than the others of its group.
fn last_loud(group: &Group) -> Option<Pts> {
    let mut bytes: Vec<usize> = group.others.iter().map(|(_, bytes)| *bytes).collect();
    bytes.sort_unstable();
    let usual = bytes.get(bytes.len() / 2).copied().unwrap_or(0);
    let is_loud = |bytes: usize| bytes > usual * STANDS_OUT && bytes * LOUD > group.bytes;
    group.others.iter().rev().find(|(_, bytes)| is_loud(*bytes)).map(|(pts, _)| *pts)
}

/// Returns whether the last picture of a group with a possible change comes well before the group's
/// end. If no picture has one, the change comes with the next keyframe; and a late change cannot be
/// told from one that comes with the next keyframe.
fn rests_within(group: &Group) -> bool {
    let is_large = |bytes: usize| bytes * LARGE > group.bytes;
    let last = group.others.iter().rev().find(|(_, bytes)| is_large(*bytes));
    last.is_some_and(|&(pts, _)| up_to(group, pts) < group.others.len())
}

/// Returns the number of units after the access point, up to the one where a change at `pts` is at
/// rest.
fn up_to(group: &Group, pts: Pts) -> usize {
    let is_within = |other: Pts| other.since(pts) <= RESTS;
    group.others.iter().rposition(|(other, _)| is_within(*other)).map_or(0, |last| last + 1)
}

/// Returns of each keyframe, by its PTS, whether it differs from the one before.
fn changed(
    ffmpeg: &Program,
    limits: Limits,
    source: &Source,
    path: &Path,
    windows: Windows,
) -> Result<HashMap<Pts, bool>> {
    let job = DecodeJob::of(ffmpeg, limits, source, path, Decode::Keyframes, Wanted::Small);
    let mut blocks = Blocks::default();
    let mut changed = HashMap::new();
    job.run(
        |decoder| {
            for window in windows.map_while(Result::ok) {
                for chunk in window.chunks(WRITE) {
                    // A decoder that has ended takes no input; the frames that it gave remain.
                    if decoder.feed(chunk).is_err() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        },
        |frame| {
            let Some(small) = frame.small else { return };
            let pts = frame.decoded.pts;
            let changes = blocks.push(pts.map_or(0, |pts| source.anchor.place(pts)), small);
            if let Some(pts) = pts {
                changed.insert(pts, changes.0.len() > SPECKS);
            }
        },
    )?;
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a group of pictures at 25 a second, with these sizes in bytes.
    fn group(bytes: usize, others: &[usize]) -> Group {
        let others =
            others.iter().zip(1..).map(|(&bytes, n)| (Pts::new(n * 3600), bytes)).collect();
        Group { pts: Pts::new(0), bytes, others, is_refresh: false }
    }

    /// Returns the number of units decoded of each of two groups; the second shows another picture
    /// if it `differs`.
    fn kept(others: &[usize], differs: bool) -> [Option<usize>; 2] {
        let first = group(40_000, others);
        let end = Pts::new((others.len() as i64 + 1) * 3600);
        let quiet = (1..=50).map(|n| (end + n * 3600, 50)).collect();
        let second = Group { pts: end, others: quiet, ..group(40_000, &[]) };
        let plan = choose(&[first, second], &HashMap::from([(end, differs)]));
        [Pts::new(0), end].map(|pts| plan.get(&pts).copied())
    }

    #[test]
    fn group_that_ends_as_it_began_is_left_out() {
        assert_eq!(kept(&[200; 50], false), [Some(26), None], "but for the beginning");
        let mut others = [200; 50];
        others[10] = 30_000;
        assert_eq!(kept(&others, false), [Some(51), None], "something came and went");
    }

    #[test]
    fn change_within_group_is_decoded_until_at_rest() {
        let mut others = [50; 100];
        others[10] = 9_000;
        assert_eq!(kept(&others, true), [Some(1 + 11 + 25), None]);
        assert_eq!(kept(&[200; 50], true), [Some(51), Some(26)], "it came bit by bit");
        assert_eq!(kept(&[50; 50], true), [Some(26), Some(26)], "it came with the keyframe");
    }

    /// Detectors decide some frames later; at the end of a group, those lie in the next one.
    #[test]
    fn change_at_end_of_group_is_decoded_until_at_rest_in_the_next() {
        assert_eq!(kept(&[20_000; 50], true), [Some(51), Some(26)], "film, and a cut");
        let mut others = [50; 50];
        others[48] = 9_000;
        assert_eq!(kept(&others, true), [Some(51), Some(26)]);
    }
}
