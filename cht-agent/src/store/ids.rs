//! Sets of frame ids. Ids count (`F000001`, `F000002` …), so a set is a few ranges, however many
//! frames are in it. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// Largest number of digits in an id that counts.
const MAX_DIGITS: usize = 18;

/// A set of ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ids {
    /// For each series (letters, number of digits): first and last number of each range. Ranges
    /// neither overlap nor touch.
    ranges: BTreeMap<(String, usize), BTreeMap<u64, u64>>,
    /// Ids that do not count.
    others: BTreeSet<String>,
}

impl Ids {
    /// Tells whether `id` is in the set.
    pub(crate) fn contains(&self, id: &str) -> bool {
        let Some((series, number)) = parts(id) else { return self.others.contains(id) };
        let ranges = self.ranges.get(&(series.to_owned(), id.len() - series.len()));
        let before = ranges.and_then(|ranges| ranges.range(..=number).next_back());
        before.is_some_and(|(_, last)| number <= *last)
    }

    /// Adds an id. Returns whether it is new.
    pub(crate) fn insert(&mut self, id: &str) -> bool {
        let Some((series, number)) = parts(id) else { return self.others.insert(id.to_owned()) };
        if self.contains(id) {
            return false;
        }
        let ranges = self.ranges.entry((series.to_owned(), id.len() - series.len())).or_default();
        ranges.insert(number, number);
        join(ranges, number);
        true
    }

    /// Returns the number of ids.
    pub(crate) fn len(&self) -> u64 {
        let numbers = self.ranges.values().flatten().map(|(first, last)| last - first + 1);
        numbers.sum::<u64>() + self.others.len() as u64
    }

    /// Returns the ranges as text: `F000001-F000009`, `F000011`.
    pub(crate) fn to_texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        for ((series, digits), ranges) in &self.ranges {
            for (first, last) in ranges {
                let name = |number: &u64| format!("{series}{number:0digits$}");
                texts.push(if first == last {
                    name(first)
                } else {
                    format!("{}-{}", name(first), name(last))
                });
            }
        }
        texts.extend(self.others.iter().cloned());
        texts
    }

    /// Adds what [`Ids::to_texts`] wrote.
    pub(crate) fn insert_text(&mut self, text: &str) {
        let range = text.split_once('-').and_then(|(first, last)| {
            let (series, from) = parts(first)?;
            let (same, to) = parts(last)?;
            let is_range = series == same && first.len() == last.len() && from <= to;
            is_range.then(|| ((series.to_owned(), first.len() - series.len()), from, to))
        });
        let Some((series, from, to)) = range else {
            self.insert(text);
            return;
        };
        let ranges = self.ranges.entry(series).or_default();
        let known = ranges.get(&from).copied().unwrap_or(from);
        ranges.insert(from, to.max(known));
        join(ranges, from);
    }
}

/// Joins the range that begins at `first` with those that it touches.
fn join(ranges: &mut BTreeMap<u64, u64>, first: u64) {
    let mut first = first;
    let mut last = ranges[&first];
    if let Some((&before, &end)) = ranges.range(..first).next_back()
        && end + 1 >= first
    {
        ranges.remove(&first);
        (first, last) = (before, last.max(end));
    }
    while let Some((&after, &end)) = ranges.range(first + 1..).next()
        && after <= last + 1
    {
        ranges.remove(&after);
        last = last.max(end);
    }
    ranges.insert(first, last);
}

/// Returns the letters and the number of an id that counts.
fn parts(id: &str) -> Option<(&str, u64)> {
    let digits = id.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (series, number) = id.split_at(id.len() - digits);
    let counts = (1..=MAX_DIGITS).contains(&digits) && !series.contains('-');
    counts.then(|| number.parse().ok().map(|number| (series, number))).flatten()
}

/// Returns the number in an id, to count from one to another.
pub(crate) fn number(id: &str) -> Option<u64> {
    parts(id).map(|(_, number)| number)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn ids(list: &[&str]) -> Ids {
        let mut ids = Ids::default();
        for id in list {
            ids.insert(id);
        }
        ids
    }

    #[test]
    fn ids_that_follow_each_other_are_one_range() {
        let ids = ids(&["F000003", "F000001", "F000002", "F000005", "note", "F5"]);
        assert_eq!(ids.to_texts(), ["F5", "F000001-F000003", "F000005", "note"]);
        assert!(ids.contains("F000002") && !ids.contains("F000004") && !ids.contains("F000006"));
        assert!(!ids.contains("F2") && ids.contains("F5") && !ids.contains("G000002"));
        assert_eq!(ids.len(), 6);
    }

    #[test]
    fn odd_ids_are_kept_as_they_are() {
        let odd = ["", "-", "a-1", "F1-F3x", "99999999999999999999999", "Bild 7", "é1"];
        let set = ids(&odd);
        let mut read = Ids::default();
        set.to_texts().iter().for_each(|text| read.insert_text(text));
        assert!(odd.iter().all(|id| read.contains(id)), "{read:?}");
        assert_eq!(read, set);
    }

    proptest! {
        #[test]
        fn set_is_that_of_its_ids(
            numbers in prop::collection::vec(0_u64..40, 0..60),
            more in prop::collection::vec(0_u64..40, 0..9),
        ) {
            let name = |number: &u64| format!("F{number:06}");
            let mut set = Ids::default();
            let mut model = BTreeSet::new();
            for number in &numbers {
                prop_assert_eq!(set.insert(&name(number)), model.insert(*number));
            }
            // As written and read, with ranges that overlap those that are there.
            let mut read = ids(&more.iter().map(name).collect::<Vec<_>>().iter().map(String::as_str).collect::<Vec<_>>());
            set.to_texts().iter().for_each(|text| read.insert_text(text));
            model.extend(&more);
            for number in 0..41 {
                prop_assert_eq!(read.contains(&name(&number)), model.contains(&number));
            }
            prop_assert_eq!(read.len(), model.len() as u64);
        }
    }
}
