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
    /// Pictures, by their places in decoding order, are copied.
    Copy(Range<usize>),
}

/// Returns the steps that give exactly the pictures shown within `span`: none if there are none.
/// `resets` tells whether a decoder that has shown other pictures can go on at an access point; one
/// that `is_new` can begin at any.
pub(crate) fn exact(
    all: &[Picture],
    span: &Range<i64>,
    is_new: bool,
    resets: impl Fn(usize) -> bool,
) -> Vec<Step> {
    let shown = || all.iter().filter_map(|it| it.tick).filter(|tick| span.contains(tick));
    let (Some(first), Some(last)) = (shown().min(), shown().max()) else { return Vec::new() };
    let entry = (0..all.len()).find_map(|at| {
        let tick = all[at].tick.filter(|tick| span.contains(tick))?;
        (is_clean(&all[at]) && (is_new && tick == first || resets(at))).then_some((at, tick))
    });
    let Some((at, key)) = entry else { return vec![Step::Encode(first..last + 1)] };
    let ends = ends(all, at);
    let Some(&(end, until)) = ends.iter().rfind(|(_, until)| *until < span.end) else {
        return vec![Step::Encode(first..last + 1)];
    };
    let mut steps = Vec::new();
    if first < key {
        steps.push(Step::Encode(first..key));
    }
    steps.push(Step::Copy(at..end));
    if until < last {
        steps.push(Step::Encode(until + 1..last + 1));
    }
    steps
}

/// Returns the pictures to copy so that all shown within `span` are among them, where an access
/// point leads to them; otherwise from the first access point on.
pub(crate) fn copied(all: &[Picture], span: &Range<i64>) -> Option<Range<usize>> {
    let last = all.iter().filter_map(|it| it.tick).filter(|tick| span.contains(tick)).max()?;
    let entries = || (0..all.len()).filter(|&at| is_clean(&all[at]));
    let is_before = |&at: &usize| all[at].tick.is_some_and(|tick| tick <= span.start);
    let is_within = |&at: &usize| all[at].tick.is_some_and(|tick| tick <= last);
    let at = entries().rfind(is_before).or_else(|| entries().find(is_within))?;
    let end = ends(all, at).into_iter().find(|(_, until)| *until >= last);
    Some(at..end.map_or(all.len(), |(end, _)| end))
}

fn is_clean(picture: &Picture) -> bool {
    picture.entry == Some(Entry::Clean)
}

/// Returns the places in decoding order at which pictures that are copied from an access point on
/// can end, each with the last tick shown before it.
fn ends(all: &[Picture], at: usize) -> Vec<(usize, i64)> {
    let from = all[at].tick.unwrap_or(i64::MAX);
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

    /// Pictures in decoding order: a tick, and `K` for an access point that resets the decoder, `k`
    /// for one of an open GOP that does not.
    fn pictures(order: &str) -> (Vec<Picture>, Vec<bool>) {
        let read = |word: &str| {
            let (tick, mark) = word.split_at(word.len() - usize::from(word.ends_with(['K', 'k'])));
            let picture = Picture {
                segment: 0,
                offset: 0,
                tick: Some(tick.parse().unwrap()),
                decoded: 0,
                pts: Pts::default(),
                entry: (!mark.is_empty()).then_some(Entry::Clean),
            };
            (picture, mark == "K")
        };
        order.split(' ').map(read).unzip()
    }

    fn steps(order: &str, span: Range<i64>) -> Vec<Step> {
        let (all, resets) = pictures(order);
        exact(&all, &span, true, |at| resets[at])
    }

    #[test]
    fn groups_within_are_copied_and_their_edges_encoded() {
        let order = "0K 1 2 3 4K 5 6 7 8K 9";
        assert_eq!(steps(order, 2..9), [Step::Encode(2..4), Step::Copy(4..9)]);
        assert_eq!(steps(order, 4..6), [Step::Copy(4..6)]);
        assert_eq!(steps(order, 1..4), [Step::Encode(1..4)]);
        assert_eq!(steps(order, 20..30), []);
    }

    #[test]
    fn pictures_shown_after_the_end_are_not_copied() {
        // Two B pictures between references.
        let order = "0K 3 1 2 6 4 5 9 7 8";
        assert_eq!(steps(order, 0..7), [Step::Copy(0..7)]);
        assert_eq!(steps(order, 0..6), [Step::Copy(0..4), Step::Encode(4..6)]);
    }

    #[test]
    fn leading_pictures_of_an_open_group_are_encoded() {
        let order = "0K 3 1 2 6K 4 5 9 7 8";
        assert_eq!(steps(order, 4..10), [Step::Encode(4..6), Step::Copy(4..10)]);
        // One that does not reset its decoder can only begin a clip.
        let open = "0K 3 1 2 6k 4 5 9 7 8";
        assert_eq!(steps(open, 4..10), [Step::Encode(4..10)]);
        assert_eq!(steps(open, 6..10), [Step::Copy(4..10)]);
    }

    #[test]
    fn copy_begins_at_the_access_point_before_and_ends_with_a_whole_picture() {
        let (all, _) = pictures("0K 3 1 2 6k 4 5 9 7 8");
        assert_eq!(copied(&all, &(2..5)), Some(0..7));
        assert_eq!(copied(&all, &(7..8)), Some(4..10));
        assert_eq!(copied(&all, &(20..30)), None);
        let (all, _) = pictures("0 1 2K 3");
        assert_eq!(copied(&all, &(0..4)), Some(2..4), "nothing leads to the first");
    }
}
