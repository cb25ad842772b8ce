//! Decides which pictures of a run are copied as they were received, and which are encoded again.
//! Pure.
//!
//! Pictures can be copied from an access point on that resets the decoder, and up to any place in
//! decoding order before which all earlier pictures of the display order lie. Those shown before
//! the first such access point of the clip, and after the last such place, are encoded again.

use std::ops::Range;

use cht_core::session::pictures::Picture;
use cht_ts::Entry;

/// What becomes of some pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Pictures that are shown in these ticks are decoded and encoded again.
    Encode(Range<i64>),
    /// Pictures are copied.
    Copy(Copied),
}

/// Pictures that are copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copied {
    /// Their places in decoding order, from an access point on.
    pub places: Range<usize>,
    /// Tick from which on they are shown. Those that are shown before need the pictures before the
    /// access point, and are left out.
    pub from: i64,
}

/// What a decoder that has shown other pictures does at an access point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reset {
    /// It cannot go on there.
    No,
    /// It goes on, and loses the pictures that are decoded later and shown before.
    Skips,
    /// It goes on, and shows all pictures that are decoded later, whatever their time stamps
    /// (ISO/IEC 14496-10 §C.4.4). VLC sends a later one with the first picture.
    ShowsAll,
}

/// Returns the steps that give exactly the pictures shown within `span`: none if there are none.
/// A decoder that `is_new` can begin at any access point. With time stamps out of order, pictures
/// before `span` may be among them.
pub(crate) fn exact(
    all: &[Picture],
    span: &Range<i64>,
    is_new: bool,
    reset: impl Fn(usize) -> Reset,
) -> Vec<Step> {
    let shown = || all.iter().filter_map(|it| it.tick).filter(|tick| span.contains(tick));
    let (Some(first), Some(last)) = (shown().min(), shown().max()) else { return Vec::new() };
    let entry = (0..all.len()).find_map(|at| {
        let tick = all[at].tick.filter(|tick| span.contains(tick))?;
        if !is_clean(&all[at]) {
            return None;
        }
        let from = shown_from(all, at, &reset);
        let is_within = |it: &Picture| it.tick.is_some_and(|tick| span.contains(&tick));
        let begins = is_new && from <= first && !all[..at].iter().any(is_within);
        (begins || from == tick && reset(at) != Reset::No).then_some((at, from))
    });
    let Some((at, key)) = entry else { return vec![Step::Encode(first..last + 1)] };
    let ends = ends(all, at, key);
    let Some(&(end, until)) = ends.iter().rfind(|(_, until)| *until < span.end) else {
        return vec![Step::Encode(first..last + 1)];
    };
    let mut steps = Vec::new();
    if first < key {
        steps.push(Step::Encode(first..key));
    }
    steps.push(Step::Copy(Copied { places: at..end, from: key }));
    if until < last {
        steps.push(Step::Encode(until + 1..last + 1));
    }
    steps
}

/// Returns the pictures to copy so that all shown within `span` are among them, where an access
/// point leads to them; otherwise from the first access point on.
pub(crate) fn copied(
    all: &[Picture],
    span: &Range<i64>,
    reset: impl Fn(usize) -> Reset,
) -> Option<Copied> {
    let last = all.iter().filter_map(|it| it.tick).filter(|tick| span.contains(tick)).max()?;
    let entries = || (0..all.len()).filter(|&at| is_clean(&all[at]));
    let is_before = |&at: &usize| all[at].tick.is_some_and(|tick| tick <= span.start);
    let is_within = |&at: &usize| all[at].tick.is_some_and(|tick| tick <= last);
    let at = entries().rfind(is_before).or_else(|| entries().find(is_within))?;
    let from = shown_from(all, at, &reset);
    let end = ends(all, at, from).into_iter().find(|(_, until)| *until >= last);
    Some(Copied { places: at..end.map_or(all.len(), |(end, _)| end), from })
}

/// Returns the tick from which on pictures are shown that are decoded from an access point on.
fn shown_from(all: &[Picture], at: usize, reset: impl Fn(usize) -> Reset) -> i64 {
    let tick = all[at].tick.unwrap_or(i64::MAX);
    let group = all[at + 1..].iter().take_while(|picture| !is_clean(picture));
    let least = group.filter_map(|picture| picture.tick).min().unwrap_or(tick);
    if least < tick && reset(at) == Reset::ShowsAll { least } else { tick }
}

fn is_clean(picture: &Picture) -> bool {
    picture.entry == Some(Entry::Clean)
}

/// Returns the places in decoding order at which pictures that are copied from an access point on
/// can end, each with the last tick shown before it. Those are shown `from` a tick on.
fn ends(all: &[Picture], at: usize, from: i64) -> Vec<(usize, i64)> {
    let shown = |picture: &Picture| picture.tick.filter(|tick| *tick >= from);
    let mut sorted: Vec<_> = all[at..].iter().filter_map(shown).collect();
    sorted.sort_unstable();
    let (mut ends, mut count, mut until) = (Vec::new(), 0, i64::MIN);
    for (place, picture) in all.iter().enumerate().skip(at) {
        let is_new = picture.tick.is_some();
        // All earlier ones are there, and slices without a time of their own belong to the picture.
        if is_new && count > 0 && sorted[count - 1] == until {
            ends.push((place, until));
        }
        if let Some(tick) = shown(picture) {
            (count, until) = (count + 1, until.max(tick));
        }
    }
    ends.push((all.len(), until));
    ends
}

#[cfg(test)]
mod tests {
    use cht_ts::Pts;

    use super::*;

    /// Pictures in decoding order: a tick, and `K` for an access point after which all are shown,
    /// `C` for one after which those before are not, `k` for one of an open GOP that resets no
    /// decoder.
    fn pictures(order: &str) -> (Vec<Picture>, Vec<Reset>) {
        let read = |word: &str| {
            let (tick, mark) =
                word.split_at(word.len() - usize::from(word.ends_with(['K', 'C', 'k'])));
            let picture = Picture {
                segment: 0,
                offset: 0,
                tick: Some(tick.parse().unwrap()),
                decoded: 0,
                pts: Pts::default(),
                entry: (!mark.is_empty()).then_some(Entry::Clean),
            };
            let reset = match mark {
                "K" => Reset::ShowsAll,
                "C" => Reset::Skips,
                _ => Reset::No,
            };
            (picture, reset)
        };
        order.split(' ').map(read).unzip()
    }

    fn copy(places: Range<usize>, from: i64) -> Step {
        Step::Copy(Copied { places, from })
    }

    fn steps(order: &str, span: Range<i64>) -> Vec<Step> {
        let (all, resets) = pictures(order);
        exact(&all, &span, true, |at| resets[at])
    }

    #[test]
    fn groups_within_are_copied_and_their_edges_encoded() {
        let order = "0K 1 2 3 4K 5 6 7 8K 9";
        assert_eq!(steps(order, 2..9), [Step::Encode(2..4), copy(4..9, 4)]);
        assert_eq!(steps(order, 4..6), [copy(4..6, 4)]);
        assert_eq!(steps(order, 1..4), [Step::Encode(1..4)]);
        assert_eq!(steps(order, 20..30), []);
    }

    #[test]
    fn pictures_shown_after_the_end_are_not_copied() {
        // Two B pictures between references.
        let order = "0K 3 1 2 6 4 5 9 7 8";
        assert_eq!(steps(order, 0..7), [copy(0..7, 0)]);
        assert_eq!(steps(order, 0..6), [copy(0..4, 0), Step::Encode(4..6)]);
    }

    #[test]
    fn leading_pictures_of_an_open_group_are_encoded() {
        let order = "0C 3 1 2 6C 4 5 9 7 8";
        assert_eq!(steps(order, 4..10), [Step::Encode(4..6), copy(4..10, 6)]);
        // One that does not reset its decoder can only begin a clip.
        let open = "0K 3 1 2 6k 4 5 9 7 8";
        assert_eq!(steps(open, 4..10), [Step::Encode(4..10)]);
        assert_eq!(steps(open, 6..10), [copy(4..10, 6)]);
    }

    #[test]
    fn pictures_shown_before_one_that_resets_the_decoder_stay() {
        // The first is shown first, in spite of its time.
        let order = "2K 3 1 2 6 4 5 8K 9";
        assert_eq!(steps(order, 0..10), [copy(0..9, 1)]);
        assert_eq!(steps(order, 1..4), [copy(0..4, 1)]);
        assert_eq!(steps(order, 2..10), [copy(0..9, 1)], "one more");
        assert_eq!(steps("0K 1 5K 6 4 9K", 0..3), [copy(0..2, 0)]);
        assert_eq!(steps("0K 1 5K 6 4 9K", 1..10), [Step::Encode(1..9), copy(5..6, 9)]);
        let (all, resets) = pictures(order);
        let copied = copied(&all, &(2..4), |at| resets[at]);
        assert_eq!(copied, Some(Copied { places: 0..4, from: 1 }));
    }

    #[test]
    fn copy_begins_at_the_access_point_before_and_ends_with_a_whole_picture() {
        let copied = |order: &str, span| {
            let (all, resets) = pictures(order);
            copied(&all, &span, |at| resets[at]).map(|it| (it.places, it.from))
        };
        let open = "0K 3 1 2 6k 4 5 9 7 8";
        assert_eq!(copied(open, 2..5), Some((0..7, 0)));
        assert_eq!(copied(open, 7..8), Some((4..10, 6)));
        assert_eq!(copied(open, 20..30), None);
        assert_eq!(copied("0 1 2K 3", 0..4), Some((2..4, 2)), "nothing leads to the first");
    }
}
