//! Streams with NAL units packed in PES packets as no muxer of ffmpeg does are found, cut and
//! decoded.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use cht_ts::testutil;
use std::{
    fs,
    path::{Path, PathBuf},
};

use cht_tests::{Stage, b3sum_of_jpeg, count_frames, examined, ffmpeg, tool, words};
use serde_json::Value;

const PID: u16 = 0x101;

/// Packing of the NAL units of an access unit.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Packing {
    /// In one PES packet.
    Whole,
    /// Each in a PES packet of its own, all with the same PTS.
    Each,
    /// The units before the picture in a PES packet of their own, which has the PTS.
    LeadApart,
}

/// Returns the access units of three shots of 2 s, a keyframe each second, as NAL units with start
/// codes.
fn access_units(hevc: bool) -> Vec<Vec<Vec<u8>>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.es");
    let codec = if hevc {
        "-c:v libx265 -preset ultrafast -x265-params aud=1:repeat-headers=1:keyint=25:scenecut=0:bframes=0:log-level=none -f hevc"
    } else {
        "-c:v libx264 -preset ultrafast -x264-params aud=1:keyint=25:scenecut=0:slices=2 -bf 0 -f h264"
    };
    let inputs = ["testsrc2", "smptebars", "mandelbrot"]
        .map(|source| format!("-f lavfi -t 2 -i {source}=s=320x240:r=25"))
        .join(" ");
    let graph = "-filter_complex [0]format=yuv420p[a];[1]format=yuv420p[b];[2]format=yuv420p[c];[a][b][c]concat=n=3[v] -map [v]";
    ffmpeg(words(&format!("{inputs} {graph} {codec} {}", path.display())));
    let bytes = fs::read(path).unwrap();
    let starts: Vec<usize> =
        (0..bytes.len() - 3).filter(|&at| bytes[at..at + 3] == [0, 0, 1]).collect();
    let mut access_units: Vec<Vec<Vec<u8>>> = Vec::new();
    for (n, &start) in starts.iter().enumerate() {
        let end = starts.get(n + 1).copied().unwrap_or(bytes.len());
        let unit = [&[0], bytes[start..end].trim_ascii_end_zeros()].concat();
        let is_delimiter = if hevc { unit[4] >> 1 & 63 == 35 } else { unit[4] & 31 == 9 };
        if is_delimiter {
            access_units.push(Vec::new());
        }
        access_units.last_mut().unwrap().push(unit);
    }
    access_units
}

trait TrimZeros {
    fn trim_ascii_end_zeros(&self) -> &[u8];
}

impl TrimZeros for [u8] {
    /// Strips the zeros that belong to the next start code.
    fn trim_ascii_end_zeros(&self) -> &[u8] {
        &self[..self.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)]
    }
}

fn is_picture(hevc: bool, unit: &[u8]) -> bool {
    if hevc { unit[4] >> 1 & 63 < 32 } else { matches!(unit[4] & 31, 1 | 5) }
}

fn is_parameter_set(hevc: bool, unit: &[u8]) -> bool {
    if hevc { matches!(unit[4] >> 1 & 63, 32..=34) } else { matches!(unit[4] & 31, 7 | 8) }
}

/// Returns a stream with tables only at its beginning, and access units at 25 per second.
fn packed(access_units: &[Vec<Vec<u8>>], hevc: bool, packing: Packing) -> Vec<u8> {
    let stream_type = if hevc { 0x24 } else { 0x1B };
    let mut out =
        testutil::section_packets(0, &[&testutil::pat(0, 0, 0, &[(1, 0x100)])], 0).concat();
    let pmt = testutil::pmt(1, 0, PID, &[(stream_type, PID, &[])]);
    out.extend(testutil::section_packets(0x100, &[&pmt], 0).concat());
    let mut counter = 0;
    for (n, units) in access_units.iter().enumerate() {
        let pts = Some(90_000 + n as i64 * 3600);
        let lead = units.iter().take_while(|unit| !is_picture(hevc, unit)).count();
        let parts: Vec<(Option<i64>, Vec<u8>)> = match packing {
            Packing::Whole => vec![(pts, units.concat())],
            Packing::Each => units.iter().map(|unit| (pts, unit.clone())).collect(),
            Packing::LeadApart => {
                vec![(pts, units[..lead].concat()), (None, units[lead..].concat())]
            }
        };
        for (pts, part) in parts {
            let pes = testutil::pes(0xE0, pts, None, &part);
            out.extend(testutil::packets(PID, &mut counter, None, &pes).concat());
        }
    }
    out
}

/// Records it in segments of a second; the session.
fn record(bytes: &[u8], folder: &Path) -> (PathBuf, Vec<Value>) {
    let recv = cht_tests::record(folder, bytes, "--session-id call --segment-time 1");
    let closed = recv.of_type("segment_closed").into_iter().cloned().collect();
    (folder.join("call"), closed)
}

/// Returns time and picture of each frame that cht-scenes keeps, and the number of decoded ones.
fn scenes(lines: &[String], out: &Path, options: &str) -> (Vec<(f64, String)>, u64) {
    let mut stage =
        Stage::fed(tool("cht-scenes").args(words(options)).arg("--out").arg(out), lines);
    assert!(stage.finish().success(), "{options}: {:#?}", stage.of_type("error"));
    let frames = stage.of_type("frame").into_iter().map(|frame| {
        let path = frame["path"].as_str().unwrap();
        (frame["timestamp"].as_f64().unwrap(), b3sum_of_jpeg(Path::new(path)))
    });
    let decoded =
        stage.of_type("segment_done").iter().map(|done| done["decoded"].as_u64().unwrap()).sum();
    (frames.collect(), decoded)
}

/// Returns the number of decoded pictures of a segment after its tables.
fn pictures_behind(tables: &[u8], segment: &Path, folder: &Path) -> usize {
    let path = folder.join("joined.ts");
    fs::write(&path, [tables, &fs::read(segment).unwrap()].concat()).unwrap();
    count_frames(&path, false)
}

#[test]
fn packing_in_pes_changes_neither_cuts_nor_frames() {
    for hevc in [false, true] {
        let units = access_units(hevc);
        assert_eq!(units.len(), 150);
        let mut expected = None;
        for packing in [Packing::Whole, Packing::Each, Packing::LeadApart] {
            let folder = tempfile::tempdir().unwrap();
            let (session, closed) = record(&packed(&units, hevc, packing), folder.path());
            assert_eq!(closed.len(), 6, "{packing:?}: {closed:#?}");
            let tables = fs::read(session.join("stream/psi_000001.ts")).unwrap();
            for segment in &closed {
                let path = Path::new(segment["path"].as_str().unwrap());
                assert_eq!(
                    pictures_behind(&tables, path, folder.path()),
                    25,
                    "{packing:?} {path:?}"
                );
            }
            let lines = examined(&session);
            let keyframes =
                |line: &String| serde_json::from_str::<Value>(line).unwrap()["keyframes"].clone();
            assert!(lines.iter().all(|line| keyframes(line) == 1), "{packing:?}: {lines:#?}");
            let all = scenes(&lines, &folder.path().join("all"), "");
            let (frames, decoded) =
                scenes(&lines, &folder.path().join("keyframes"), "--decode keyframes");
            assert_eq!((all.0.len(), all.1, decoded), (3, 150, 6), "{packing:?}");
            let result = (all.0, frames);
            assert_eq!(&result, expected.get_or_insert(result.clone()), "{packing:?}");
        }
    }
}

#[test]
fn parameter_sets_sent_once_reach_late_readers() {
    for hevc in [false, true] {
        let mut units = access_units(hevc);
        let folder = tempfile::tempdir().unwrap();
        let whole = packed(&units, hevc, Packing::Whole);
        let (always, _) = record(&whole, &folder.path().join("always"));
        let always = examined(&always);
        for access_unit in &mut units[1..] {
            access_unit.retain(|unit| !is_parameter_set(hevc, unit));
        }
        let (session, closed) = record(&packed(&units, hevc, Packing::Whole), folder.path());
        assert_eq!(closed.len(), 6);
        // For players: the tables and any segment.
        let tables = fs::read(session.join("stream/psi_000001.ts")).unwrap();
        let path = |n: usize| Path::new(closed[n]["path"].as_str().unwrap());
        for n in [0, 1, 5] {
            assert_eq!(pictures_behind(&tables, path(n), folder.path()), 25, "segment {}", n + 1);
        }
        // cht-scenes: at once, after a restart, from the middle, several at once.
        let lines = examined(&session);
        let out = |name: &str| folder.path().join(name);
        let (expected, decoded) = scenes(&lines, &out("once"), "");
        assert_eq!((expected.len(), decoded), (3, 150));
        let (first, _) = scenes(&lines[..2], &out("again"), "");
        let (again, _) = scenes(&lines, &out("again"), "");
        // A frame that was kept only for the end of the input is taken back.
        assert_eq!((&first[..1], &again), (&expected[..1], &expected));
        for options in ["--jobs 2", "--decode keyframes", "--decode fast"] {
            let name = options[2..].replace(' ', "_");
            let (frames, decoded) = scenes(&lines, &out(&name), options);
            let (expected, all) = scenes(&always, &out(&format!("{name}_always")), options);
            assert_eq!((frames, decoded), (expected, all), "{options}");
        }
        // As retention leaves it.
        fs::remove_file(path(0)).unwrap();
        let (later, decoded) = scenes(&lines[1..], &out("later"), "");
        assert_eq!((later.len(), decoded), (3, 125));
        let shown = tool("cht-monitor")
            .args(["--stdout", "--from", "start"])
            .arg(&session)
            .output()
            .unwrap();
        assert!(shown.status.success());
        fs::write(out("shown.ts"), shown.stdout).unwrap();
        assert_eq!(count_frames(&out("shown.ts"), false), 125);
    }
}
