//! Properties of the scanner that hold for every input.
#[path = "../../fuzz/fuzz_targets/check.rs"]
mod check;

use cht_ts::testutil;
use cht_ts::{Codec, Found, GopFilter, Pes, Program, Pts, Scanner, SingleStream};
use proptest::prelude::*;

/// A finding that outlives the call.
#[derive(Debug, Clone, PartialEq)]
enum Kept {
    Programs(Vec<Program>),
    Other(Found<'static>),
}

fn keep(found: Found<'_>) -> Kept {
    match found {
        Found::Programs(programs) => Kept::Programs(programs.to_vec()),
        Found::Pes(pes) => Kept::Other(Found::Pes(pes)),
        Found::SyncLost { offset } => Kept::Other(Found::SyncLost { offset }),
        Found::SyncFound { offset, skipped } => Kept::Other(Found::SyncFound { offset, skipped }),
        Found::Damage(damage) => Kept::Other(Found::Damage(damage)),
    }
}

/// Scans `bytes` cut at `cuts`, and checks the properties after each push.
fn scan(bytes: &[u8], cuts: &[usize]) -> (Vec<Kept>, Scanner) {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    cuts.push(bytes.len());
    let mut scanner = Scanner::new();
    let (mut kept, mut start, mut held) = (Vec::new(), 0, 0);
    for cut in cuts {
        let mut take = |found: Found<'_>| {
            if let Found::Pes(pes) = found {
                assert!(pes.cut >= held, "{pes:?} names a cut before holdback {held}");
                assert!(pes.cut <= pes.offset && pes.offset < bytes.len() as u64);
            }
            kept.push(keep(found));
        };
        scanner.push(&bytes[start..cut], &mut take);
        start = cut;
        assert_eq!(scanner.position(), cut as u64);
        assert!(scanner.holdback() >= held && scanner.holdback() <= scanner.position());
        held = scanner.holdback();
    }
    scanner.finish(&mut |found| {
        if let Found::Pes(pes) = found {
            assert!(pes.cut >= held);
        }
        kept.push(keep(found));
    });
    assert_eq!(scanner.holdback(), bytes.len() as u64);
    (kept, scanner)
}

fn pes_of(found: &[Kept]) -> Vec<Pes> {
    let pes = found.iter().filter_map(|found| match found {
        Kept::Other(Found::Pes(pes)) => Some(*pes),
        _ => None,
    });
    pes.collect()
}

/// Makes a stream of H.264 and AAC: keyframes at every fourth picture, tables before each keyframe.
fn stream(pictures: &[u16]) -> Vec<[u8; 188]> {
    let pat = testutil::pat(0, 0, 0, &[(1, 0x100)]);
    let pmt = testutil::pmt(1, 0, 0x101, &[(0x1B, 0x101, b""), (0x0F, 0x102, b"\x0A\x04eng\0")]);
    let (mut out, mut video, mut audio) = (Vec::new(), 0, 0);
    for (index, size) in pictures.iter().enumerate() {
        let keyframe = index % 4 == 0;
        let nal: &[u8] = if keyframe {
            b"\0\0\0\x01\x09\x10\0\0\x01\x65\x88"
        } else {
            b"\0\0\0\x01\x09\x30\0\0\x01\x41\x9A"
        };
        if keyframe {
            let cc = (index / 4) as u8;
            out.extend(testutil::section_packets(0, &[&pat], cc));
            out.extend(testutil::section_packets(0x100, &[&pmt], cc));
        }
        let payload = [nal, &vec![0x55; usize::from(*size)]].concat();
        let pts = index as i64 * 3600 + 90_000;
        let pes = testutil::pes(0xE0, Some(pts), Some(pts - 3600), &payload);
        out.extend(testutil::packets(0x101, &mut video, None, &pes));
        let adts = [0xFF, 0xF1, 0x50, 0x80, 0x02, 0x1F, 0xFC].repeat(5);
        out.extend(testutil::packets(
            0x102,
            &mut audio,
            None,
            &testutil::pes(0xC0, Some(pts), None, &adts),
        ));
        out.push(testutil::packet(0x1FFF, 0, false, &[0xFF; 184]));
    }
    out
}

/// Makes input that is likely to reach deep: packets of a stream, some of them damaged, and noise
/// between.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let pictures = prop::collection::vec(0_u16..600, 1..12);
    let hits = prop::collection::vec((any::<usize>(), any::<u8>()), 0..20);
    let noise =
        prop::collection::vec((any::<usize>(), prop::collection::vec(any::<u8>(), 0..300)), 0..3);
    (pictures, hits, noise).prop_map(|(pictures, hits, noise)| {
        let mut bytes = stream(&pictures).concat();
        for (at, value) in hits {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        for (at, noise) in noise {
            let at = at % bytes.len();
            bytes.splice(at..at, noise);
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_division_gives_the_same(bytes in damaged(), cuts in prop::collection::vec(any::<usize>(), 0..40)) {
        let (whole, by_whole) = scan(&bytes, &[]);
        let (parts, by_parts) = scan(&bytes, &cuts);
        prop_assert_eq!(whole, parts);
        prop_assert_eq!(by_whole.counters(), by_parts.counters());
        prop_assert_eq!(by_whole.programs(), by_parts.programs());
        prop_assert!(by_whole.pids().eq(by_parts.pids()));
        prop_assert_eq!(by_whole.psi(), by_parts.psi());
    }

    #[test]
    fn byte_by_byte_gives_the_same(bytes in damaged()) {
        let cuts: Vec<_> = (0..bytes.len()).collect();
        prop_assert_eq!(scan(&bytes, &[]).0, scan(&bytes, &cuts).0);
    }

    #[test]
    fn noise_never_panics(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0x47), Just(0), Just(1)], 0..4000),
        cuts in prop::collection::vec(any::<usize>(), 0..9),
    ) {
        scan(&bytes, &cuts);
    }

    #[test]
    fn damaged_streams_pass_the_fuzz_check(bytes in damaged()) {
        check::check(&bytes);
    }

    #[test]
    fn noisy_packets_never_panic(
        bodies in prop::collection::vec((0_u16..4, any::<bool>(), prop::collection::vec(any::<u8>(), 185)), 0..60),
    ) {
        let bytes: Vec<u8> = bodies.iter().flat_map(|(pid, start, body)| {
            let head = [0x47, if *start { 0x40 } else { 0 } | (*pid as u8 >> 1), *pid as u8];
            head.into_iter().chain(body.iter().copied())
        }).collect();
        let (_, scanner) = scan(&bytes, &[]);
        prop_assert_eq!(scanner.counters().packets, bodies.len() as u64);
    }

    #[test]
    fn noise_between_packets_loses_nothing_else(
        before in prop::collection::vec(0_u8..0x47, 0..900),
        between in prop::collection::vec(0x48_u8.., 1..900),
        place in 5_usize..40,
    ) {
        let packets = stream(&[500; 12]);
        let (clean, _) = scan(&packets.concat(), &[]);
        let (first, second) = packets.split_at(place);
        let bytes = [&before[..], &first.concat(), &between, &second.concat()].concat();
        let (noisy, scanner) = scan(&bytes, &[]);
        let stamps = |found: &[Kept]| -> Vec<_> {
            let pes = pes_of(found);
            pes.into_iter().map(|pes| (pes.pid, pes.pts, pes.dts, pes.random_access)).collect()
        };
        prop_assert_eq!(stamps(&clean), stamps(&noisy));
        prop_assert_eq!(scanner.counters().lost_bytes, (before.len() + between.len()) as u64);
        prop_assert_eq!(scanner.counters().sync_losses, 1);
        prop_assert_eq!(scanner.counters().continuity_errors, 0);
        prop_assert_eq!(scanner.counters().first_sync, Some(before.len() as u64));
    }
}

#[test]
fn clean_stream_is_read() {
    let bytes = stream(&[500; 9]).concat();
    let (found, scanner) = scan(&bytes, &[]);
    let pes = pes_of(&found);
    assert_eq!(pes.len(), 18);
    let keyframes: Vec<_> = pes.iter().filter(|pes| pes.random_access).collect();
    assert_eq!(keyframes.len(), 3);
    // A keyframe is cut before its PAT and PMT, which lie before it without a gap.
    assert!(keyframes.iter().all(|pes| pes.offset - pes.cut == 376));
    assert!(matches!(&found[1], Kept::Programs(programs) if programs[0].streams.len() == 2));
    let programs = found.iter().filter(|found| matches!(found, Kept::Programs(_))).count();
    assert_eq!(programs, 1);
    let audio = scanner.programs()[0].streams[1].audio;
    assert_eq!(audio.map(|audio| (audio.sample_rate, audio.channels)), Some((44_100, 2)));
    assert_eq!(scanner.video_pid(), Some(0x101));
    assert_eq!(scanner.psi().map(|psi| psi.len()), Some(376));
}

#[test]
fn psi_of_one_scanner_serves_another() {
    let bytes = stream(&[500; 9]).concat();
    let psi = scan(&bytes, &[]).1.psi().unwrap();
    let mut scanner = Scanner::with_psi(&psi);
    assert_eq!(scanner.programs()[0].streams.len(), 2);
    assert_eq!((scanner.position(), scanner.holdback(), scanner.counters().packets), (0, 0, 0));
    let mut pes = Vec::new();
    scanner.push(&bytes[376..], &mut |found| {
        assert!(!matches!(found, Found::Programs(_) | Found::Damage(_)));
        if let Found::Pes(found) = found {
            pes.push(found);
        }
    });
    assert_eq!((pes[0].offset, pes[0].random_access), (0, true));
}

#[test]
fn keyframes_without_psi_are_found() {
    let packets = stream(&[500; 9]);
    let bytes: Vec<u8> = packets
        .iter()
        .filter(|packet| packet[1] & 1 == 1 && packet[2] != 0)
        .flatten()
        .copied()
        .collect();
    let (found, scanner) = scan(&bytes, &[]);
    assert_eq!(pes_of(&found).iter().filter(|pes| pes.random_access).count(), 3);
    assert_eq!((scanner.video_pid(), scanner.psi()), (Some(0x101), None));
}

#[test]
fn silent_pid_holds_nothing_back() {
    let mut bytes =
        testutil::packet(0x101, 0, true, &testutil::pes(0xE0, Some(1), None, b"\0\0\x01\x09"))
            .to_vec();
    for cc in 0..20_000_u32 {
        bytes.extend(testutil::packet(0x102, cc as u8 & 15, false, &[0; 184]));
    }
    let mut scanner = Scanner::new();
    let mut count = 0;
    scanner.push(&bytes, &mut |found| count += u32::from(matches!(found, Found::Pes(_))));
    assert_eq!((count, scanner.holdback()), (1, bytes.len() as u64));
}

#[test]
fn header_split_between_packets_is_read() {
    let pes = testutil::pes(0xE0, Some(90_000), Some(86_400), b"\0\0\x01\x65\x88");
    for split in 1..pes.len() {
        let mut bytes = testutil::packet(0x101, 0, true, &pes[..split]).to_vec();
        bytes.extend(testutil::packet(0x101, 1, false, &pes[split..]));
        let (found, _) = scan(&bytes, &[]);
        let [pes] = pes_of(&found)[..] else { panic!("split at {split}: {found:?}") };
        assert_eq!(
            (pes.pts, pes.dts, pes.random_access),
            (Some(Pts::new(90_000)), Some(Pts::new(86_400)), true)
        );
    }
}

#[test]
fn other_packet_lengths_are_read() {
    for (lead, trail) in [(4, 0), (0, 16)] {
        let mut bytes = Vec::new();
        for packet in stream(&[500; 9]) {
            bytes.extend(vec![0xA5; lead]);
            bytes.extend(packet);
            bytes.extend(vec![0xA5; trail]);
        }
        let (found, scanner) = scan(&bytes, &[1000, 2000, 2001]);
        assert_eq!(scanner.packet_size(), Some(188 + lead + trail));
        assert_eq!(pes_of(&found).len(), 18);
        assert_eq!(scanner.counters().truncated_bytes + scanner.counters().lost_bytes, 0);
    }
}

/// Makes the NAL units of an access unit of H.264 or HEVC.
fn access_unit(hevc: bool, keyframe: bool) -> Vec<Vec<u8>> {
    let h264: &[&[u8]] = if keyframe {
        &[
            b"\x09\x10",
            b"\x67\x64\0\x28\xAC\x2B",
            b"\x68\xEB\xE3\xCB",
            b"\x06\x05\x02\x31\x32\x80",
            b"\x65\x88\x84\x21\x55\x66\x77\x88",
            b"\x65\x08\x84\x21\x55\x66\x77\x88",
        ]
    } else {
        &[b"\x09\x30", b"\x41\x9A\x24\x6C\x41\x66\x77\x88", b"\x41\x1A\x24\x6C\x41\x66\x77\x88"]
    };
    let h265: &[&[u8]] = if keyframe {
        &[
            b"\x46\x01\x10",
            b"\x40\x01\x0C\x01\xFF",
            b"\x42\x01\x01\x01\x60",
            b"\x44\x01\xC1\x72",
            b"\x4E\x01\x05\x01\x31\x80",
            b"\x26\x01\xAF\x09\x55",
            b"\x26\x01\x2F\x09\x55",
        ]
    } else {
        &[b"\x46\x01\x50", b"\x02\x01\xD0\x09\x55", b"\x02\x01\x50\x09\x55"]
    };
    let units = if hevc { h265 } else { h264 };
    units.iter().map(|unit| [&[0, 0, 0, 1], *unit].concat()).collect()
}

proptest! {
    /// However the NAL units of the same access units are packed, the same keyframes are found,
    /// each at the first PES packet of its access unit.
    #[test]
    fn packing_of_nal_units_changes_no_keyframe(
        hevc in any::<bool>(),
        keyframes in prop::collection::vec(any::<bool>(), 1..20),
        splits in prop::collection::vec(any::<bool>(), 140),
        stamped in 0..3,
        flags in any::<bool>(),
    ) {
        let stream_type = if hevc { 0x24 } else { 0x1B };
        let mut bytes = testutil::section_packets(0, &[&testutil::pat(0, 0, 0, &[(1, 0x100)])], 0).concat();
        let pmt = testutil::pmt(1, 0, 0x51, &[(stream_type, 0x51, &[])]);
        bytes.extend(testutil::section_packets(0x100, &[&pmt], 0).concat());
        let (mut counter, mut split) = (0, splits.iter());
        let mut expected = Vec::new();
        for (n, &keyframe) in keyframes.iter().enumerate() {
            let mut parts: Vec<Vec<u8>> = Vec::new();
            for unit in access_unit(hevc, keyframe) {
                match parts.last_mut() {
                    Some(part) if !*split.next().unwrap() => part.extend(unit),
                    _ => parts.push(unit),
                }
            }
            if keyframe {
                expected.push((bytes.len() as u64, Some(Pts::new(n as i64 * 3600))));
            }
            // All PES packets have the PTS, or the first alone, or the first and those with slices
            // of another picture.
            let last = parts.len() - 1;
            for (m, part) in parts.iter().enumerate() {
                let has_pts = m == 0 || stamped == 0 || (stamped == 1 && m == last);
                let pes = testutil::pes(0xE0, has_pts.then_some(n as i64 * 3600), None, part);
                let indicator = (flags && keyframe && m == 0).then_some(0x40);
                bytes.extend(testutil::packets(0x51, &mut counter, indicator, &pes).concat());
            }
        }
        let (found, scanner) = scan(&bytes, &[]);
        let found: Vec<_> = pes_of(&found)
            .iter()
            .filter(|pes| pes.random_access)
            .map(|pes| (pes.offset, pes.pts))
            .collect();
        prop_assert_eq!(&found, &expected);
        let (_, counters) = scanner.pids().find(|(pid, _)| *pid == 0x51).unwrap();
        prop_assert_eq!(counters.keyframes, expected.len() as u64);
        // The filter to keyframes keeps all of them.
        let codec = if hevc { Codec::Hevc } else { Codec::H264 };
        let (mut packets, mut thinned) = (Vec::new(), Vec::new());
        let mut single = SingleStream::begin(0x51, codec, &mut packets).unwrap();
        packets.clear();
        single.push(&bytes, &mut packets);
        single.finish(&mut packets);
        let mut thin = GopFilter::new(0x51, codec);
        thin.push(&packets, &mut thinned);
        thin.finish(&mut thinned);
        let (found, _) = scan(&thinned, &[]);
        let kept: Vec<_> = pes_of(&found).iter().filter(|pes| pes.random_access).map(|pes| pes.pts).collect();
        prop_assert_eq!(kept, expected.iter().map(|(_, pts)| *pts).collect::<Vec<_>>());
    }
}
