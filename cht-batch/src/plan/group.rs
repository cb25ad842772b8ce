//! Runs of files which continue each other: by their clocks, the wall clock in their names, their
//! numbers, and the times at which they were written. Pure.

use cht_core::timeline::{MAX_OVERLAP, MAX_REST};
use cht_ts::time::TICKS_PER_SECOND;
use jiff::Timestamp;

use crate::unit::Input;

/// Longest step between two files of one stream that needs no other proof, in ticks.
const STEP: i64 = TICKS_PER_SECOND;

/// Inaccuracy of the wall clock in two names: each is cut to a second, and read late.
const NAME: f64 = 2.5;

/// Share of the length of a file by which a wall clock may differ from it.
const DRIFT: f64 = 0.02;

/// Longest difference between the time that passed from the last write of one file to that of the
/// next, and the length of that: writers buffer.
const WRITTEN: f64 = 30.0;

/// Longest unit without a wall clock, in seconds.
const LONGEST: f64 = 86_400.0;

/// A file of a series.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub input: Input,
    pub number: Option<u64>,
}

/// Divides the files of one series, in order of time, into runs which continue each other. A run
/// ends with the day (UTC), or after a day's length where no name tells the time.
pub(crate) fn runs(members: Vec<Member>) -> Vec<Vec<Input>> {
    let mut runs: Vec<Vec<Input>> = Vec::new();
    let (mut last, mut length) = (None::<Member>, 0.0);
    for member in members {
        let continues = last.as_ref().is_some_and(|last| {
            continues(last, &member) && !is_other_day(last, &member) && length < LONGEST
        });
        if !continues {
            runs.push(Vec::new());
            length = 0.0;
        }
        length += member.input.duration.unwrap_or(0.0);
        if let Some(run) = runs.last_mut() {
            run.push(member.input.clone());
        }
        last = Some(member);
    }
    runs
}

fn is_other_day(one: &Member, next: &Member) -> bool {
    let day = |at: Timestamp| at.as_second().div_euclid(86_400);
    one.input.at.map(day) != next.input.at.map(day)
}

/// Returns whether `next` was recorded directly after `one`, by the same recorder.
fn continues(one: &Member, next: &Member) -> bool {
    let clocks = one.input.clock.zip(next.input.clock);
    let step = clocks.map(|(one, next)| one.step_to(next));
    if step.is_some_and(|step| (-MAX_OVERLAP..=STEP).contains(&step)) {
        return true;
    }
    let length = one.input.duration.unwrap_or(0.0);
    if let (Some(begin), Some(next)) = (one.input.at, next.input.at) {
        let gap = next.duration_since(begin).as_secs_f64() - length;
        return gap.abs() <= NAME + length * DRIFT;
    }
    let is_next =
        one.number.zip(next.number).is_some_and(|(one, next)| one.checked_add(1) == Some(next));
    // A stream that rests for long, or time stamps that begin anew with each file.
    let may_go_on = step.is_none_or(|step| step <= MAX_REST);
    is_next && may_go_on && is_written_after(one, next)
}

/// Returns whether the times of the last writes allow that `next` was written while it lasted.
/// Copied files were all written at once, which proves nothing.
fn is_written_after(one: &Member, next: &Member) -> bool {
    let Some(length) = next.input.duration else { return true };
    let between = (next.input.modified - one.input.modified) as f64 / 1e9;
    between <= length * (1.0 + DRIFT) + WRITTEN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::{Clock, tests::unit};

    /// Returns a file of ten seconds.
    fn member(number: u64, at: Option<&str>, clock: Option<(i64, i64)>, written: i64) -> Member {
        let mut input = unit("", &[&format!("/r/{number}.ts")]).inputs.remove(0);
        input.at = at.map(|at| format!("2026-11-28T{at}Z").parse().unwrap());
        input.clock = clock.map(|(first, last)| Clock {
            first: first * TICKS_PER_SECOND,
            last: last * TICKS_PER_SECOND,
        });
        input.duration = Some(10.0);
        input.modified = written * 1_000_000_000;
        Member { input, number: Some(number) }
    }

    fn lengths(members: Vec<Member>) -> Vec<usize> {
        runs(members).iter().map(Vec::len).collect()
    }

    #[test]
    fn clock_that_goes_on_joins_files_of_any_names() {
        let run = vec![
            member(7, None, Some((0, 10)), 0),
            member(3, None, Some((10, 20)), 9999),
            member(9, None, Some((50, 60)), 9999),
        ];
        assert_eq!(lengths(run), [2, 1]);
        let wrap = (1_i64 << 33) / TICKS_PER_SECOND;
        let wraps =
            vec![member(1, None, Some((wrap - 10, wrap)), 0), member(2, None, Some((0, 10)), 0)];
        assert_eq!(lengths(wraps), [2], "the clock starts again at zero");
    }

    #[test]
    fn recordings_that_begin_at_the_same_time_stamp_need_numbers() {
        let begin = Some((1, 11));
        let members = |numbers: [u64; 3], written: [i64; 3]| {
            numbers.into_iter().zip(written).map(|(n, at)| member(n, None, begin, at)).collect()
        };
        assert_eq!(lengths(members([1, 2, 3], [10, 20, 30])), [3]);
        assert_eq!(lengths(members([1, 2, 3], [5, 5, 5])), [3], "copied");
        assert_eq!(lengths(members([1, 2, 4], [10, 20, 40])), [2, 1], "one is missing");
        assert_eq!(lengths(members([1, 2, 3], [10, 20, 5000])), [2, 1], "an hour later");
    }

    #[test]
    fn wall_clock_in_names_joins_and_parts() {
        let at = |times: [&str; 3]| {
            times.into_iter().map(|at| member(0, Some(at), None, 0)).collect::<Vec<_>>()
        };
        assert_eq!(lengths(at(["07:00:00", "07:00:10", "07:00:21"])), [3]);
        assert_eq!(lengths(at(["07:00:00", "07:00:10", "07:00:40"])), [2, 1]);
        let mut midnight = at(["23:59:50", "00:00:00", "00:00:10"]);
        for member in &mut midnight[1..] {
            member.input.at = member.input.at.map(|at| at + jiff::SignedDuration::from_hours(24));
        }
        assert_eq!(lengths(midnight), [1, 2], "another day");
    }
}
