//! Clips of recordings with faults: parameter sets that come once, time stamps out of order, a
//! record that is lost.

use super::*;

/// Tells whether a unit of an elementary stream is a parameter set, by its first two bytes.
fn is_set(codec: Codec, unit: &[u8]) -> bool {
    match codec {
        Codec::Hevc => (32..=34).contains(&(unit[0] >> 1 & 0x3F)),
        _ => unit[0] == 0xB3 || unit[0] == 0xB5 && matches!(unit[1] >> 4, 1 | 2),
    }
}

/// Gives `take` each picture of a file with one PID: its place, PTS and elementary stream.
fn each_picture(source: &[u8], codec: Codec, mut take: impl FnMut(usize, Pts, &[u8])) {
    let (mut packets, mut all) = (Vec::new(), Vec::new());
    let mut single = SingleStream::of(0x100);
    single.push(source, &mut packets);
    single.finish(&mut packets);
    let mut units = Units::new(codec);
    units.push(&packets, &mut |unit| all.push(unit));
    units.finish(&mut |unit| all.push(unit));
    for (place, unit) in all.iter().enumerate() {
        take(place, unit.pts.unwrap(), unit.payload());
    }
}

/// Writes a file without B pictures again, with the parameter sets of its first picture alone.
fn with_sets_once(source: &[u8], codec: Codec) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = SingleStream::begin(0x100, codec, &mut bytes).unwrap();
    let mut counter = 0;
    each_picture(source, codec, |place, pts, payload| {
        let starts: Vec<_> =
            (0..payload.len() - 4).filter(|&at| payload[at..].starts_with(&[0, 0, 1])).collect();
        let ends = starts.iter().skip(1).copied().chain([payload.len()]);
        let units = starts.iter().zip(ends).map(|(&at, end)| &payload[at..end]);
        let kept: Vec<_> = units.filter(|unit| place == 0 || !is_set(codec, &unit[3..])).collect();
        write_video(0x100, &mut counter, Some((pts, pts)), &kept.concat(), &mut bytes);
    });
    bytes
}

/// Streams that have their parameter sets at the beginning alone, as transport streams.
fn streams_with_sets_once(folder: &Path) -> Vec<(&'static str, Vec<u8>)> {
    let source = "testsrc2=s=320x180:r=25:d=7";
    // ffmpeg repeats the sets of an MP4 file at IDR pictures, of which open groups have none.
    let ts = folder.join("open.ts");
    let encoder = "-c:v libx264 -preset veryfast -bf 2 -x264opts open-gop=1:keyint=25";
    encode_with_early_sound(&ts, source, encoder);
    let hevc = "-c:v libx265 -preset ultrafast -x265-params keyint=25:bframes=0:log-level=error";
    let hevc = generated(&[("testsrc2=s=320x180:r=25", 7.0)], hevc);
    let mpeg2 = generated(&[("testsrc2=s=320x180:r=25", 7.0)], "-c:v mpeg2video -q:v 3 -g 25");
    vec![
        ("open groups of H.264", fs::read(ts).unwrap()),
        ("HEVC", with_sets_once(&hevc, Codec::Hevc)),
        ("MPEG-2", with_sets_once(&mpeg2, Codec::Mpeg2Video)),
    ]
}

#[test]
fn parameter_sets_that_came_once_are_in_each_clip() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in streams_with_sets_once(folder.path()) {
        let path = folder.path().join(name).with_extension("ts");
        fs::write(&path, &bytes).unwrap();
        let whole = Pictures::of(&path);
        assert_eq!(whole.times.len(), 175, "{name}");
        let sessions = folder.path().join("sessions").join(name);
        let mut recorder = record(&sessions, &bytes, "--segment-time 2");
        assert!(recorder.finish().success());
        for (source, options, container, first) in [
            (&path, "", "mp4", 66),
            (&path, "--copy", "ts", 50),
            (&recorder.session(), "", "ts", 66),
            (&recorder.session(), "--copy", "mkv", 50),
            (&recorder.session(), "--copy --gap close", "mp4", 50),
        ] {
            // Without those of its connection, they are those of the segment before. The others
            // have no PMT there.
            if options.ends_with("close") && name.ends_with("H.264") {
                fs::remove_file(source.join("stream/psi_000001.ts")).unwrap();
            }
            let out = folder.path().join("clip").with_extension(container);
            let report = made(source, &out, &format!("{options} --from 2.61 --to 5.03"));
            let start = report["start"].as_f64().unwrap();
            assert_eq!((start * 25.0).round() as usize, first, "{name} {options}: {report}");
            compare(&out, &report, &whole, first);
        }
    }
}

/// Writes a file again as VLC does: the first picture two pictures late.
fn with_late_first(source: &[u8]) -> Vec<u8> {
    const PICTURE: i64 = 3600;
    let mut bytes = Vec::new();
    let _ = SingleStream::begin(0x100, Codec::H264, &mut bytes).unwrap();
    let (mut counter, mut begin) = (0, 0);
    each_picture(source, Codec::H264, |place, pts, payload| {
        begin = if place == 0 { pts.ticks() } else { begin };
        let decoded = begin + (place as i64 - 2) * PICTURE;
        let late = begin + 2 * PICTURE;
        let (shown, decoded) = if place == 0 { (late, late) } else { (pts.ticks(), decoded) };
        let stamps = Some((Pts::new(shown), Pts::new(decoded)));
        write_video(0x100, &mut counter, stamps, payload, &mut bytes);
    });
    bytes
}

#[test]
fn picture_stamped_before_its_idr_picture_stays() {
    let folder = tempfile::tempdir().unwrap();
    let encoder = "-c:v libx264 -preset veryfast -bf 2 -g 25 -x264opts scenecut=0:b-adapt=0";
    let source = generated(&[("testsrc2=s=320x180:r=25", 3.0)], encoder);
    let path = folder.path().join("late.ts");
    fs::write(&path, with_late_first(&source)).unwrap();
    let all = hashes(&path);
    assert_eq!(all.len(), 75);
    for (options, container, count, said) in [
        ("--copy", "mp4", 75, ""),
        ("--copy --to 0.9", "ts", 25, ""),
        ("--to 1.5 --lossless", "mp4", 40, ""),
        (
            "--from 0 --to 1.5 --lossless",
            "mkv",
            40,
            "time stamps of its first pictures are out of order",
        ),
    ] {
        let out = folder.path().join("clip").with_extension(container);
        let output = clip(&path, &out, options);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains(said), "{text}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&report["pictures"], &report["start"]), (&count.into(), &(-0.08).into()));
        assert!(hashes(&out) == all[..count], "{options} {container}: {report}");
    }
}

/// Makes a session of four segments, of which not all have a kept frame, and its index.
fn indexed(folder: &Path) -> PathBuf {
    let encoder = "-c:v libx264 -preset ultrafast -bf 2 -g 25 -an";
    let bytes = generated(&[("testsrc2=s=160x120:r=25", 8.0)], encoder);
    let mut recorder = record(&folder.join("sessions"), &bytes, "--segment-time 2");
    assert!(recorder.finish().success());
    let session = recorder.session();
    let mut scenes = Stage::fed(tool("cht-scenes").args(["--detect", "scene"]), examined(&session));
    let lines: Vec<_> = scenes.succeed().iter().map(line).collect();
    let mut index = Stage::fed(&mut tool("cht-index"), lines);
    assert!(index.finish().success());
    assert_eq!(index.of_type("frame").len(), 1, "the first of all");
    session
}

#[test]
fn segments_that_the_record_lacks_are_taken_from_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let session = indexed(folder.path());
    let (log, out) = (session.join("stream/segments.ndjson"), folder.path().join("clip.mp4"));
    let record = fs::read_to_string(&log).unwrap();
    let expected = made(&session, &out, "--copy");
    assert_eq!(expected["pictures"], 200);
    let taken = |session: &Path, said: &str| {
        let output = clip(session, &out, "--copy");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && text.contains(said), "{text}");
        assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), expected);
    };
    let names_third = |line: &&str| line.contains("segment_000003.ts");
    let lines: Vec<_> = record.lines().filter(|line| !names_third(line)).collect();
    fs::write(&log, lines.join("\n") + "\n").unwrap();
    taken(&session, "segments.ndjson: lacks 1 segment of the folder, taken by number");

    // A copy has no file of the original's, and a session that was moved has its own.
    let copy = folder.path().join("copy");
    let mut cp = Command::new("cp");
    assert!(cp.arg("-r").arg(&session).arg(&copy).status().unwrap().success());
    fs::remove_file(copy.join("stream/segments.ndjson")).unwrap();
    taken(&copy, "lacks 4 segments");
    let moved = folder.path().join("moved");
    fs::rename(&session, &moved).unwrap();
    fs::remove_file(moved.join("stream/segments.ndjson")).unwrap();
    taken(&moved, "lacks 4 segments");
    // Without what cht-scenes knows of them, too.
    fs::remove_dir_all(moved.join("frames")).unwrap();
    fs::create_dir(moved.join("frames")).unwrap();
    taken(&moved, "lacks 4 segments");
}
