//! Tests the event of a segment with the largest number of streams in its tables.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use cht_core::{event::Body, ndjson::MAX_LINE, segment::Examiner};
use cht_ts::testutil;

/// 100 programs of 180 streams each: far more than 1 MiB of JSON.
#[test]
fn event_of_a_segment_with_very_many_streams_stays_below_a_line() {
    let pid = |program: u16, n: u16| 0x400 + (program * 7 + n) % 0x1800;
    let programs: Vec<_> = (0..100).map(|n| (n + 1, 0x20 + n)).collect();
    let mut bytes = testutil::section_packets(0, &[&testutil::pat(0, 0, 0, &programs)], 0).concat();
    for (number, pmt_pid) in programs {
        let streams: Vec<(u8, u16, &[u8])> =
            (0..180).map(|n| (0x1B, pid(number, n), &[][..])).collect();
        let pmt = testutil::pmt(number, 0, 0x1FFF, &streams);
        bytes.extend(testutil::section_packets(pmt_pid, &[&pmt], 0).concat());
    }
    let video = pid(90, 3);
    let pes = testutil::pes(0xE0, Some(0), None, &[0, 0, 1, 0x65, 0x88]);
    bytes.extend(testutil::packets(video, &mut 0, None, &pes).concat());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    std::fs::write(&path, bytes).unwrap();
    let event = Examiner::default().examine(&path).unwrap();
    assert!(event.to_line().len() < MAX_LINE / 2);
    let Body::Segment(segment) = event.body else { panic!("not a segment") };
    assert_eq!(segment.video_pid, Some(video));
    assert!(segment.streams.iter().any(|stream| stream.pid == video && stream.keyframes == 1));
}
