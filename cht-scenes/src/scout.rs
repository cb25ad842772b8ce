//! `--decode fast`: where in a segment something changes, found by its keyframes.
//!
//! The keyframes are decoded alone. Between two that show the same nothing has happened, unless a picture between them takes as
//! many bytes as a picture that is new. Where they differ, the group is decoded up to a second behind the last picture that takes
//! more bytes than the others: from there on nothing moves until the next keyframe, which is decoded anyway.

use std::{collections::HashMap, path::Path, time::Duration};

use anyhow::Result;
use cht_core::{
    ffmpeg::Program,
    segment::Windows,
    time::{TICKS_PER_SECOND, difference33},
    ts::{Group, Plan, survey},
};
use cht_scenes::measure::{Blocks, Plane};

use crate::{
    decoding::Decode,
    feed::Source,
    pass::Pass,
    prefilter::{Wanted, small_size},
};

/// Bytes per write to the decoder.
const WRITE: usize = 256 * 1024;

/// A picture that takes this part of its keyframe's bytes is new as a whole.
const NEW: usize = 2;

/// One that takes so many times the bytes of most in its group, and this part of the keyframe's, shows something new.
const STANDS_OUT: usize = 4;
const LOUD: usize = 256;

/// So long behind the last change a group is decoded: a detector has to see that it rests.
const RESTS: i64 = TICKS_PER_SECOND;

/// So many blocks may differ between keyframes that show the same: a cursor, a caret, a clock.
const SPECKS: usize = 12;

/// Plans what to decode of the finished segment at `path`. Nothing is planned, so all of it is to be decoded, where the stream
/// cannot be thinned out.
pub(crate) fn plan(
    ffmpeg: &Program,
    timeout: Duration,
    source: &Source,
    path: &Path,
) -> Result<Option<Plan>> {
    let Some(codec) = source.codec else { return Ok(None) };
    let Some(groups) = survey(Windows::open(path)?, source.pid, codec)? else { return Ok(None) };
    // A single group is all there is to look at.
    let changed =
        if groups.len() > 1 { changed(ffmpeg, timeout, source, path)? } else { HashMap::new() };
    let mut plan = Plan::new();
    for (n, group) in groups.iter().enumerate() {
        let differs = groups.get(n + 1).and_then(|next| changed.get(&next.pts)).copied();
        // What follows the last one is not known.
        let kept = kept(group, differs.unwrap_or(true));
        if kept > 1 {
            plan.insert(group.pts, kept);
        }
    }
    Ok(Some(plan))
}

/// How many units of a group are decoded, its access point among them. `differs`: the next access point shows something else.
fn kept(group: &Group, differs: bool) -> usize {
    let others = &group.others;
    if !differs {
        let new = others.iter().any(|(_, bytes)| bytes * NEW > group.bytes);
        return if new { 1 + others.len() } else { 1 };
    }
    let mut bytes: Vec<usize> = others.iter().map(|(_, bytes)| *bytes).collect();
    bytes.sort_unstable();
    let usual = bytes.get(bytes.len() / 2).copied().unwrap_or(0);
    let is_loud = |bytes: usize| bytes > usual * STANDS_OUT && bytes * LOUD > group.bytes;
    let Some(&(last, _)) = others.iter().rev().find(|(_, bytes)| is_loud(*bytes)) else {
        return 1 + others.len();
    };
    let is_within = |pts: u64| difference33(last as i64, pts) <= RESTS;
    1 + others.iter().rposition(|(pts, _)| is_within(*pts)).map_or(0, |last| last + 1)
}

/// Of each keyframe, by its PTS (33 bits), whether it shows something else than the one before.
fn changed(
    ffmpeg: &Program,
    timeout: Duration,
    source: &Source,
    path: &Path,
) -> Result<HashMap<u64, bool>> {
    let (decode, wanted) = (Decode::Keyframes, Wanted::Small);
    let pass = Pass { ffmpeg, timeout, source, decode, wanted };
    let windows = Windows::open(path)?;
    let (mut size, mut picture) = ((0, 0), Vec::new());
    let mut blocks = Blocks::default();
    let mut changed = HashMap::new();
    pass.run(
        |decoder| {
            for window in windows {
                for chunk in window?.chunks(WRITE) {
                    // One that has ended takes nothing; what it gave is what there is.
                    if decoder.feed(chunk).is_err() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        },
        |frame, small, pictures| {
            // The first one of a size comes as a picture, which tells the size.
            if let Some(form) = frame.picture {
                size = small_size(form.width, form.height);
                picture.resize(form.bytes(), 0);
                pictures.read_exact(&mut picture)?;
            }
            let (width, height) = size;
            let mut samples = vec![0; width * height];
            small.read_exact(&mut samples)?;
            let at = frame.pts.map_or(0, |pts| source.anchor.place(pts));
            let changes = blocks.push(at, Plane { width, height, samples });
            if let Some(pts) = frame.pts {
                changed.insert(pts as u64 & ((1 << 33) - 1), changes.len() > SPECKS);
            }
            Ok(())
        },
    )?;
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A group of pictures 25 a second, of these bytes.
    fn group(bytes: usize, others: &[usize]) -> Group {
        let others = others.iter().zip(1..).map(|(&bytes, n)| (n * 3600, bytes)).collect();
        Group { pts: 0, bytes, others }
    }

    #[test]
    fn a_group_that_ends_as_it_began_is_left_out() {
        assert_eq!(kept(&group(40_000, &[200; 50]), false), 1);
        let mut others = [200; 50];
        others[10] = 30_000;
        assert_eq!(kept(&group(40_000, &others), false), 51, "something came and went");
    }

    #[test]
    fn a_change_is_decoded_until_it_rests() {
        let mut others = [50; 100];
        others[10] = 9_000;
        assert_eq!(kept(&group(40_000, &others), true), 1 + 11 + 25);
        assert_eq!(kept(&group(40_000, &[200; 50]), true), 51, "it came bit by bit");
    }
}
