use super::*;

const WRAP: i64 = 1 << 33;
const SECOND: i64 = 90_000;

fn after(start: Instant, seconds: u64) -> Instant {
    start + Duration::from_secs(seconds)
}

fn stamp(pts: i64, at: Instant) -> Stamp {
    Stamp { pts: Pts::new(pts), dts: None, at }
}

fn reordered(pts: i64, dts: i64, at: Instant) -> Stamp {
    Stamp { pts: Pts::new(pts), dts: Some(Pts::new(dts)), at }
}

/// Feeds pictures of (PTS in seconds, arrival in seconds); their places in seconds, in order.
fn places(pictures: &[(i64, u64)]) -> Vec<Option<(Step, i64)>> {
    let (mut timeline, start) = (Timeline::default(), crate::process::clock::monotonic());
    let mut placed = Vec::new();
    for &(pts, at) in pictures {
        let observed = timeline.observe(stamp(pts * SECOND, after(start, at)), true);
        placed.extend(observed.before.into_iter().chain(observed.this));
    }
    placed.extend(timeline.settle(true));
    let seconds = |placed| match placed {
        Placed::At(step, anchor) => Some((step, anchor.offset / TICKS_PER_SECOND)),
        Placed::Stray => None,
    };
    placed.into_iter().map(seconds).collect()
}

fn continues(offsets: &[i64]) -> Vec<Option<(Step, i64)>> {
    let step = |n| if n == 0 { Step::Start } else { Step::Continues };
    offsets.iter().enumerate().map(|(n, &offset)| Some((step(n), offset))).collect()
}

#[test]
fn arrival_time_is_ignored_while_the_stream_clock_runs() {
    assert_eq!(places(&[(1, 0), (2, 7), (3, 7)]), continues(&[0, 1, 2]));
}

#[test]
fn dts_may_wrap_after_pts_and_frames_may_step_back() {
    let (mut timeline, at) = (Timeline::default(), crate::process::clock::monotonic());
    timeline.observe(reordered(WRAP - 3000, WRAP - 6000, at), true);
    for (pts, dts, offset) in [(3000, WRAP - 3000, 6000), (0, 0, 3000), (9000, 3000, 12_000)] {
        let observed = timeline.observe(reordered(pts, dts, at), true);
        assert!(matches!(observed.this, Some(Placed::At(Step::Continues, _))));
        assert_eq!(timeline.anchor().unwrap().offset, offset);
    }
}

#[test]
fn confirmed_jump_continues_by_the_arrival_clock() {
    let expected = [(Step::Start, 0), (Step::Continues, 1), (Step::Jump, 3), (Step::Continues, 4)];
    assert_eq!(places(&[(99, 0), (100, 0), (90, 2), (91, 3)]), expected.map(Some));
    // From a pipe all arrives at once: the picture before the jump lasts as long as the one before
    // it.
    let expected = [(Step::Start, 0), (Step::Continues, 1), (Step::Jump, 2), (Step::Continues, 3)];
    assert_eq!(places(&[(99, 0), (100, 0), (90, 0), (91, 0)]), expected.map(Some));
}

#[test]
fn connection_continues_by_the_arrival_clock() {
    let (mut timeline, start) = (Timeline::default(), crate::process::clock::monotonic());
    timeline.observe(stamp(100 * SECOND, start), true);
    timeline.settle(true);
    timeline.connect();
    assert_eq!(timeline.anchor(), None);
    assert_eq!(timeline.observe(stamp(5, after(start, 11)), true).this, None);
    let observed = timeline.observe(stamp(9, after(start, 12)), true);
    let anchor = Anchor { pts: 5, offset: 11 * 90_000 };
    assert_eq!(observed.before, Some(Placed::At(Step::Start, anchor)));
}

#[test]
fn rest_that_passed_on_the_monotonic_clock_continues() {
    // An hour, a night, and a relay that delivers some seconds late or early.
    for (rest, passed) in [(88, 88), (3600, 3600), (30_000, 30_000), (300, 270), (300, 330)] {
        let pictures = [(1, 0), (2, 1), (3, 2), (4, 3), (12, 11), (12 + rest, 11 + passed)];
        let last = continues(&[0, 1, 2, 3, 11, 11 + rest]);
        assert_eq!(places(&pictures), last, "{rest} s in {passed} s");
    }
}

#[test]
fn rest_in_a_file_continues() {
    // Everything arrives at once, as from a file: the second picture after the rest goes on.
    assert_eq!(places(&[(1, 0), (2, 0), (90, 0), (91, 0)]), continues(&[0, 1, 89, 90]));
    // A picture every five minutes.
    let slides = [(1, 0), (301, 0), (601, 0), (901, 0)];
    assert_eq!(places(&slides), continues(&[0, 300, 600, 900]));
}

#[test]
fn step_ahead_in_real_time_is_a_jump() {
    let mut pictures: Vec<_> = (0..10).map(|n| (n, n as u64)).collect();
    pictures.extend([(3600, 10), (3601, 11)]);
    let placed = places(&pictures);
    assert_eq!(placed[10..], [Some((Step::Jump, 10)), Some((Step::Continues, 11))]);
}

#[test]
fn single_outlier_costs_nothing_else() {
    for wild in [0, 95, 3600, 90_000] {
        let placed = places(&[(100, 0), (101, 1), (wild, 2), (103, 3), (104, 4)]);
        let on_line: Vec<_> = continues(&[0, 1, 3, 4]).into_iter().flatten().collect();
        assert_eq!(placed[2], None, "{wild}");
        let others: Vec<_> = placed.into_iter().flatten().collect();
        assert_eq!(others, on_line, "{wild}");
    }
}

#[test]
fn wild_dts_alone_is_ignored() {
    let (mut timeline, at) = (Timeline::default(), crate::process::clock::monotonic());
    for (pts, dts) in [(0, 0), (3600, 900_000_000), (7200, 7200)] {
        let observed = timeline.observe(reordered(pts, dts, at), true);
        let placed = observed.this.or_else(|| timeline.settle(true));
        assert!(matches!(placed, Some(Placed::At(_, anchor)) if anchor.offset == pts));
    }
}

#[test]
fn first_picture_that_the_next_ones_do_not_follow_is_a_stray() {
    for wild in [0, 5000, 95_000] {
        let placed = places(&[(wild, 0), (10_000, 0), (10_001, 0), (10_002, 0)]);
        // It takes the time of a picture.
        let expected = [None, Some((Step::Start, 1)), Some((Step::Continues, 2))];
        assert_eq!(placed[..3], expected, "{wild}");
    }
    // A title that rests before the picture moves.
    assert_eq!(places(&[(0, 0), (600, 0), (601, 0)]), continues(&[0, 600, 601]));
}

#[test]
fn keyframe_without_time_stamps_takes_the_time_of_a_picture() {
    let (mut timeline, at) = (Timeline::default(), crate::process::clock::monotonic());
    timeline.observe_unstamped();
    timeline.observe(stamp(100 * SECOND, at), true);
    let observed = timeline.observe(stamp(101 * SECOND, at), true);
    let anchor = Anchor { pts: 100 * 90_000, offset: 90_000 };
    assert_eq!(observed.before, Some(Placed::At(Step::Start, anchor)));
}

#[test]
fn step_of_some_seconds_that_the_next_picture_takes_back_is_a_stray() {
    for wild in [104, 130, 159] {
        let placed = places(&[(100, 0), (101, 0), (wild, 0), (102, 0), (103, 0)]);
        assert_eq!(placed[2], None, "{wild}");
        let others: Vec<_> = placed.into_iter().flatten().map(|(_, offset)| offset).collect();
        assert_eq!(others, [0, 1, 2, 3], "{wild}");
    }
    assert_eq!(places(&[(100, 0), (101, 0), (130, 0), (131, 0)]), continues(&[0, 1, 30, 31]));
}

#[test]
fn pts_far_from_its_dts_is_a_stray() {
    let (mut timeline, at) = (Timeline::default(), crate::process::clock::monotonic());
    let mut strays = 0;
    for n in 0..20 {
        let dts = 500 * SECOND + n * 3600;
        let pts = if n == 10 { dts + 30 * SECOND } else { dts + 7200 };
        let stamp = reordered(pts, dts, at);
        if n == 11 {
            let expected = timeline.expected(Some(&stamp));
            assert_eq!(expected, Some((Pts::new(dts + 7200 - 3600), Pts::new(dts - 3600))));
        }
        let observed = timeline.observe(stamp, true);
        strays += usize::from(observed.before == Some(Placed::Stray));
    }
    assert_eq!((strays, timeline.anchor().unwrap().offset), (1, 19 * 3600));
}

#[test]
fn slide_show_with_reordered_pictures_has_no_strays() {
    // As x264 makes it of slides that rest for 200, 150 and 240 s: PTS and DTS in seconds.
    for pictures in [
        [(351.0, 1.0), (551.0, 201.0), (941.0, 351.0), (701.0, 551.0)],
        // The same out of Matroska, which has no DTS: ffmpeg invents some.
        [(0.08, 0.0), (200.08, 0.04), (590.08, 0.08), (350.08, 200.08)],
    ] {
        let (mut timeline, at) = (Timeline::default(), crate::process::clock::monotonic());
        let mut offsets = Vec::new();
        for (pts, dts) in pictures {
            let [pts, dts] = [pts, dts].map(|time: f64| cht_ts::time::ticks(time));
            let observed = timeline.observe(reordered(pts, dts, at), true);
            offsets.extend(observed.before.into_iter().chain(observed.this));
        }
        offsets.extend(timeline.settle(true));
        let seconds = |placed| match placed {
            Placed::At(_, anchor) => anchor.offset / TICKS_PER_SECOND,
            Placed::Stray => -1,
        };
        assert_eq!(offsets.into_iter().map(seconds).collect::<Vec<_>>(), [0, 200, 590, 350]);
    }
}

#[test]
fn clock_that_never_repeats_is_taken_after_some_strays() {
    // A slide show that began again: every picture is far from the one before.
    let mut pictures = vec![(40_000, 0), (40_001, 0)];
    pictures.extend((0..20).map(|n| (n * 100, 0)));
    let placed = places(&pictures);
    let jump = placed.iter().position(|it| matches!(it, Some((Step::Jump, _)))).unwrap();
    assert!(jump <= 2 + MAX_STRAYS as usize + 1, "{placed:?}");
    assert!(placed[jump..].iter().all(Option::is_some));
}

#[test]
fn picture_that_may_not_jump_is_a_stray() {
    let (mut timeline, at) = (Timeline::default(), crate::process::clock::monotonic());
    for pts in [100, 101, 50] {
        timeline.observe(stamp(pts * SECOND, at), false);
    }
    let observed = timeline.observe(stamp(51 * SECOND, at), false);
    assert_eq!(observed, Observed { before: Some(Placed::Stray), this: None });
    let observed = timeline.observe(stamp(102 * SECOND, at), false);
    assert_eq!(timeline.anchor().unwrap().offset, 2 * TICKS_PER_SECOND);
    assert_eq!(observed.before, Some(Placed::Stray));
}

#[test]
fn two_wraps_in_one_session() {
    let (mut timeline, now) = (Timeline::default(), crate::process::clock::monotonic());
    let step = 50 * SECOND;
    let mut placed = 0;
    for n in 0..=2 * WRAP / step + 10 {
        let observed = timeline.observe(stamp(n * step, now), true);
        // In doubt until the next one: a step of some seconds.
        let Some(Placed::At(_, anchor)) = observed.before else { continue };
        assert_eq!(anchor.offset, (n - 1) * step);
        placed += 1;
    }
    assert_eq!(placed, 2 * WRAP / step + 10);
}
