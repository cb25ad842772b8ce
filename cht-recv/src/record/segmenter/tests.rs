use super::*;
use cht_core::process::clock;
use cht_ts::testutil;
use cht_ts::time::TICKS_PER_SECOND;

const PID: u16 = 0x101;
const SECOND: i64 = 90_000;

/// Returns tables, then a packet for each picture of (PTS, is a keyframe).
fn stream(pictures: impl IntoIterator<Item = (i64, bool)>) -> Vec<u8> {
    let mut out = Vec::new();
    let pat = testutil::pat(0, 0, 0, &[(1, 0x100)]);
    let pmt = testutil::pmt(1, 0, PID, &[(0x1B, PID, &[])]);
    out.extend(testutil::section_packets(0, &[&pat], 0).concat());
    out.extend(testutil::section_packets(0x100, &[&pmt], 0).concat());
    let mut counter = 0;
    for (pts, is_keyframe) in pictures {
        let slice = [0, 0, 1, if is_keyframe { 0x65 } else { 0x41 }, 0x88, 0x80];
        let pes = testutil::pes(0xE0, Some(pts), None, &slice);
        out.extend(testutil::packets(PID, &mut counter, None, &pes).concat());
    }
    out
}

/// Returns the cuts of a stream that arrives at once, in pieces, and the number of pictures without
/// a place.
fn cuts(bytes: &[u8]) -> (Vec<Cut>, u64) {
    let bounds = SegmentLimits { bytes: 1 << 30, time: Duration::from_secs(100) };
    let (mut timeline, now) = (Timeline::default(), clock::monotonic());
    let mut segmenter = Segmenter::new(&mut timeline, 10 * TICKS_PER_SECOND, bounds);
    let (mut all, mut strays) = (Vec::new(), 0);
    for piece in bytes.chunks(1000) {
        let cuts = segmenter.push(piece, now);
        // No byte after a later cut was written.
        let settled = segmenter.settled();
        assert!(cuts.iter().all(|cut| cut.offset <= settled));
        all.extend(cuts);
        strays += segmenter.take_seen().strays;
    }
    all.extend(segmenter.finish());
    strays += segmenter.take_seen().strays;
    (all, strays)
}

fn reasons(cuts: &[Cut]) -> Vec<EndReason> {
    cuts.iter().map(|cut| cut.reason).collect()
}

#[test]
fn doubtful_picture_is_placed_after_long_silence() {
    let bounds = SegmentLimits { bytes: 1 << 30, time: Duration::from_secs(100) };
    let (mut timeline, now) = (Timeline::default(), clock::monotonic());
    let mut segmenter = Segmenter::new(&mut timeline, 10 * TICKS_PER_SECOND, bounds);
    // Null packets: the scanner needs a few packets to recognise a transport stream.
    let mut bytes = stream([(SECOND, true)]);
    bytes.resize(8 * 188, 0xFF);
    bytes[3 * 188..]
        .chunks_mut(188)
        .for_each(|null| null[..3].copy_from_slice(&[0x47, 0x1F, 0xFF]));
    assert!(segmenter.push(&bytes, now).is_empty());
    assert_eq!(segmenter.deadline(), Some(now + DOUBT_TIME));
    let (early, late) = (now + DOUBT_TIME / 2, now + DOUBT_TIME);
    assert!(segmenter.rest(early).is_empty() && segmenter.anchor().is_none());
    assert!(segmenter.rest(late).is_empty() && segmenter.deadline().is_none());
    assert_eq!(segmenter.anchor(), Some(Anchor { pts: SECOND, offset: 0 }));
}

#[test]
fn pauses_without_keyframes_end_no_segment() {
    let slide = |n: i64| (0..4).map(move |m| n * 90 * SECOND + m * 45_000);
    let pictures = (0..2).flat_map(slide).map(|pts| (126_000 + pts, pts == 0));
    assert_eq!(cuts(&stream(pictures)), (Vec::new(), 0));
}

#[test]
fn outlier_ends_no_segment() {
    for wild in [0, 3600 * SECOND, 7 << 30] {
        let pictures = (0..100).map(|n| (if n == 50 { wild } else { (100 + n) * 3600 }, n == 0));
        let (cuts, strays) = cuts(&stream(pictures));
        assert_eq!((reasons(&cuts), strays), (vec![], 1), "{wild}");
    }
}

#[test]
fn jump_ends_segment_at_its_first_packet() {
    let line = |begin: i64| (0..50).map(move |n| (begin + n * 3600, n == 0));
    let first = stream(line(50 * SECOND));
    let both = stream(line(50 * SECOND).chain(line(SECOND)));
    let (cuts, strays) = cuts(&both);
    let found: Vec<_> = cuts.iter().map(|cut| (cut.offset, cut.reason)).collect();
    assert_eq!((found, strays), (vec![(first.len() as u64, EndReason::Jump)], 0));
    assert_eq!(cuts[0].anchor.unwrap().pts, SECOND);
    assert_eq!(cuts[0].before.unwrap().length, 50 * 3600);
}

#[test]
fn clock_that_jumps_at_every_picture_makes_bounded_number_of_segments() {
    const PICTURES: i64 = 8000;
    type Clock = Box<dyn FnMut(i64) -> i64>;
    // Some allowance, and a sixteenth of the pictures.
    let bound = 64 + PICTURES as usize / 16 + PICTURES as usize / 128;
    let mut state = 1_u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 31) as i64
    };
    let kinds: [(&str, Clock); 4] = [
        ("random", Box::new(move |_| random())),
        ("ahead", Box::new(|n| n * 100 * SECOND)),
        ("two clocks", Box::new(|n| n % 2 * 3600 * SECOND + n * 3600)),
        ("two clocks in pairs", Box::new(|n| (n / 2) % 2 * 3600 * SECOND + n * 3600)),
    ];
    for (kind, mut pts) in kinds {
        let (cuts, _) = cuts(&stream((0..PICTURES).map(|n| (pts(n), true))));
        assert!(cuts.len() < bound, "{kind}: {} cuts", cuts.len());
    }
}

#[test]
fn video_that_changes_pid_at_every_picture_makes_bounded_number_of_segments() {
    let mut bytes = stream([]);
    for n in 0..2000_u16 {
        let pid = 0x200 + n % 4000;
        let pmt = testutil::pmt(1, (n & 31) as u8, pid, &[(0x1B, pid, &[])]);
        bytes.extend(
            testutil::section_packets(0x100, &[&pmt], (n as u8).wrapping_add(1) & 15).concat(),
        );
        let pes = testutil::pes(0xE0, Some(i64::from(n) * 3600), None, &[0, 0, 1, 0x65, 0x88]);
        bytes.extend(testutil::packets(pid, &mut 0, None, &pes).concat());
    }
    let (cuts, _) = cuts(&bytes);
    assert!(cuts.len() < 96, "{} cuts", cuts.len());
}
