//! cht-export's clips, compared with the recording picture by picture.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

#[path = "clip/faults.rs"]
mod faults;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use cht_tests::{
    Stage, Tmpfs, encode, encode_with_early_sound, examined, generate, generated, line,
    make_script, probe_frames, record, recorder, recording, scenes, send, signal, tool, words,
};
use cht_ts::{Codec, Pts, SingleStream, Units, write_video};
use serde_json::Value;

/// Size at which pictures are compared.
const SMALL: usize = 80 * 45;

/// Pictures of a file: their times, content in small, and hashes of their samples.
struct Pictures {
    times: Vec<f64>,
    small: Vec<Vec<u8>>,
    hashes: Vec<String>,
}

impl Pictures {
    fn of(path: &Path) -> Self {
        Self::logged(path, "error")
    }

    /// Decodes without a message of this level.
    fn logged(path: &Path, level: &str) -> Self {
        let decoded = |options: &str| {
            let mut command = Command::new("ffmpeg");
            command.args(["-loglevel", level, "-i"]).arg(path);
            let output = command.args(words(options)).output().unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
            output.stdout
        };
        let map = "-map 0:v -fps_mode passthrough";
        let small = format!("{map} -vf scale=80:45:flags=area,format=gray -f rawvideo pipe:1");
        let hashes = format!("{map} -f framehash -hash md5 pipe:1");
        let hashes = String::from_utf8(decoded(&hashes)).unwrap();
        let lines = hashes.lines().filter(|line| !line.starts_with('#'));
        Self {
            times: probe_frames(path),
            small: decoded(&small).chunks(SMALL).map(<[u8]>::to_vec).collect(),
            hashes: lines.map(|line| line.rsplit(',').next().unwrap().trim().to_owned()).collect(),
        }
    }

    /// Returns the place, among those near `near`, of the picture most like `small`.
    fn most_like(&self, small: &[u8], near: usize) -> usize {
        let error = |at: &usize| -> u64 {
            let pairs = self.small[*at].iter().zip(small);
            pairs.map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum()
        };
        (near.saturating_sub(5)..self.small.len().min(near + 6)).min_by_key(error).unwrap()
    }
}

/// Returns time and hash of each packet of the first sound.
fn sound(path: &Path) -> Vec<(f64, String)> {
    let mut command = Command::new("ffprobe");
    command.args(words("-loglevel error -select_streams a:0 -show_packets -show_data_hash md5"));
    let output = command.args(["-of", "json"]).arg(path).output().unwrap();
    let packets: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packets = packets["packets"].as_array().unwrap().iter();
    packets
        .map(|packet| {
            let time = packet["pts_time"].as_str().unwrap().parse().unwrap();
            (time, packet["data_hash"].as_str().unwrap().to_owned())
        })
        .collect()
}

/// Returns the time of a picture, by its place in display order.
fn picture(path: &Path, place: usize) -> f64 {
    let mut command = Command::new("ffprobe");
    command.args(words("-loglevel error -select_streams v:0 -show_entries frame=pts_time"));
    let output = command.args(["-of", "csv=p=0"]).arg(path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let times = text.lines().filter_map(|line| line.split(',').next()?.parse().ok());
    times.collect::<Vec<f64>>()[place]
}

fn clip(source: &Path, out: &Path, options: &str) -> Output {
    let mut command = tool("cht-export");
    command.arg("clip").args(words(options)).arg(source).arg(out).output().unwrap()
}

fn made(source: &Path, out: &Path, options: &str) -> Value {
    let output = clip(source, out, options);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Makes a recording with sound in segments of 2 s.
fn session(folder: &Path, encoder: &str) -> PathBuf {
    let path = folder.join("source.ts");
    let sound = "-f lavfi -i sine=f=440:d=7:beep_factor=3 -shortest";
    encode(&path, "testsrc2=s=320x180:r=25:d=7", &format!("{sound} {encoder}"));
    let mut recorder =
        record(&folder.join("sessions"), &fs::read(&path).unwrap(), "--segment-time 2");
    assert!(recorder.finish().success());
    recorder.session()
}

/// Compares a clip with the pictures of the recording from `first` on.
fn compare(clip: &Path, report: &Value, whole: &Pictures, first: usize) {
    compare_pictures(&Pictures::of(clip), report, whole, first);
}

fn compare_pictures(got: &Pictures, report: &Value, whole: &Pictures, first: usize) {
    let count = report["pictures"].as_u64().unwrap() as usize;
    assert_eq!(got.times.len(), count, "{report}");
    for (at, small) in got.small.iter().enumerate() {
        assert_eq!(whole.most_like(small, first + at), first + at, "{report}");
        let shown = got.times[at] - got.times[0];
        let expected = whole.times[first + at] - whole.times[first];
        assert!((shown - expected).abs() < 0.0011, "{at}: {shown} for {expected}");
    }
    let same = (0..count).filter(|at| got.hashes[*at] == whole.hashes[first + at]).count();
    let copied = count - report["encoded"].as_u64().unwrap() as usize;
    assert!(same >= copied, "{same} are the same, of {copied} copied");
}

#[test]
fn sound_that_begins_first_moves_no_picture() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("a.ts"), folder.path().join("clip.mp4"));
    let encoder = "-c:v libx264 -preset ultrafast -g 50";
    encode_with_early_sound(&source, "testsrc2=s=320x180:r=25:d=4", encoder);
    let recorded = record(&folder.path().join("sessions"), &fs::read(&source).unwrap(), "");
    let report = made(&recorded.session(), &out, "--from 0.99 --to 3.01");
    assert_eq!((report["start"].as_f64(), report["pictures"].as_u64()), (Some(1.0), Some(51)));
    compare(&out, &report, &Pictures::of(&source), 25);
}

#[test]
fn clip_has_exactly_the_pictures_asked_for() {
    for (encoder, container, most_encoded) in [
        ("-c:v libx264 -preset ultrafast -bf 3 -g 25 -c:a aac", "mkv", 20),
        ("-c:v libx264 -preset ultrafast -bf 0 -g 25 -c:a aac -output_ts_offset 95440", "mp4", 20),
        // Of an open GOP of H.264, no access point resets the decoder.
        ("-c:v libx264 -preset veryfast -bf 2 -g 25 -x264opts open-gop=1 -c:a mp2", "ts", 60),
        (
            "-c:v libx265 -preset ultrafast -x265-params keyint=25:bframes=3:log-level=error -c:a aac",
            "mp4",
            26,
        ),
        ("-c:v mpeg2video -q:v 3 -bf 2 -g 12 -c:a mp2", "ts", 14),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let session = session(folder.path(), encoder);
        let whole = folder.path().join("source.ts");
        let out = folder.path().join("clip").with_extension(container);
        let report = made(&session, &out, "--from 2.61 --to 5.03");
        // The pictures at 2.64 s to 5.00 s.
        assert_eq!((report["start"].as_f64(), report["pictures"].as_u64()), (Some(2.64), Some(60)));
        assert!(report["encoded"].as_u64().unwrap() <= most_encoded, "{encoder}: {report}");
        compare(&out, &report, &Pictures::of(&whole), 66);

        // The same sound at the same distance from the pictures.
        let (all, taken) = (sound(&whole), sound(&out));
        let first = (picture(&whole, 66), picture(&out, 0));
        let hashes_differ = container != "ts";
        for (time, hash) in &taken {
            let is_it = |(when, of): &&(f64, String)| {
                let apart = (when - first.0) - (time - first.1);
                // Without the headers of a transport stream the data is other data.
                apart.abs() < 0.0011 && (hashes_differ || of == hash)
            };
            assert!(all.iter().any(|packet| is_it(&packet)), "{encoder}: {time}");
        }
        let begins = taken[0].0 - first.1;
        assert!((-0.0011..0.03).contains(&begins), "{encoder}: {begins}");
        let ends = taken.last().unwrap().0 - first.1;
        assert!((2.39 - 0.03..2.39 + 0.0011).contains(&ends), "{encoder}: {ends}");
    }
}

/// Returns the hash of each picture of a file, also where its decoder warns of something.
fn hashes(path: &Path) -> Vec<String> {
    let mut command = Command::new("ffmpeg");
    command.args(["-loglevel", "fatal", "-i"]).arg(path);
    command.args(words("-map 0:v -fps_mode passthrough -f framehash -hash md5 pipe:1"));
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit(',').next().unwrap().trim().to_owned()).collect()
}

/// Moments that a seed decides: shares of a length.
fn moments(seed: u64) -> impl Iterator<Item = f64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1_u64 << 24) as f64
    })
}

/// Picture that moves, and has noise.
const MOVING: &str = "testsrc2=s=320x180:r=25:d=6,noise=alls=8:allf=t";

/// Kinds of recordings: name, source, and encoder.
const MATERIALS: [(&str, &str, &str); 8] = [
    ("B pictures", MOVING, "-c:v libx264 -preset veryfast -bf 3 -g 25"),
    ("without delay", MOVING, "-c:v libx264 -preset ultrafast -bf 0 -g 25"),
    ("CAVLC", MOVING, "-c:v libx264 -preset veryfast -bf 2 -g 25 -coder vlc -x264opts 8x8dct=0"),
    ("open groups", MOVING, "-c:v libx264 -preset veryfast -bf 2 -g 25 -x264opts open-gop=1"),
    ("interlaced", MOVING, "-c:v libx264 -preset veryfast -bf 2 -g 25 -flags +ilme+ildct"),
    (
        "variable rate",
        "testsrc2=s=320x180:r=50:d=6,select='gt(random(7)\\,0.5)'",
        "-fps_mode vfr -enc_time_base 1:90000 -c:v libx264 -preset veryfast -bf 2 -g 20",
    ),
    (
        "HEVC",
        MOVING,
        "-c:v libx265 -preset ultrafast -x265-params keyint=25:bframes=3:log-level=error",
    ),
    (
        "HEVC of open groups",
        MOVING,
        "-c:v libx265 -preset ultrafast -x265-params keyint=25:bframes=3:open-gop=1:log-level=error",
    ),
];

/// A clip that was cut at random, and the pictures of its recording that it has to have.
struct Cut<'a> {
    name: &'a str,
    out: &'a Path,
    report: Value,
    whole: &'a Pictures,
    first: usize,
    count: usize,
}

/// Cuts clips at random with these options, `CHT_CLIPS` of each material, 2 by default.
fn cut_at_random(materials: &[(&str, &str, &str)], options: &str, check: impl Fn(&Cut<'_>)) {
    let number = |name, or| std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(or);
    let (clips, seed): (usize, u64) = (number("CHT_CLIPS", 2) as usize, number("CHT_SEED", 1));
    for (name, source, encoder) in materials {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("source.ts");
        encode(&path, source, encoder);
        let whole = Pictures::of(&path);
        let length = whole.times.last().unwrap() + 0.04;
        let mut moments = moments(seed);
        for n in 0..clips {
            // The first one begins with a copy, and has nothing but its end encoded.
            let [one, other] = match n {
                0 => [0.0, 0.71 * length],
                _ => [(); 2].map(|()| moments.next().unwrap() * length),
            };
            let (from, to) = (one.min(other), one.max(other));
            let is_shown = |time: &&f64| (from..to).contains(*time);
            let first = whole.times.iter().position(|time| is_shown(&time));
            let count = whole.times.iter().filter(is_shown).count();
            let Some(first) = first else { continue };
            let out = &folder.path().join("clip").with_extension(["mp4", "ts", "mkv"][n % 3]);
            let report = made(&path, out, &format!("{options} --from {from:.9} --to {to:.9}"));
            check(&Cut { name, out, report, whole: &whole, first, count });
        }
    }
}

#[test]
fn lossless_clip_has_the_very_samples_of_the_recording() {
    cut_at_random(&MATERIALS, "--lossless", |cut| {
        let Cut { name, out, report, whole, first, count } = cut;
        let got = hashes(out);
        assert!(got == whole.hashes[*first..first + count], "{name}: {report}");
    });
}

#[test]
fn clip_of_default_quality_has_no_picture_one_off() {
    let mpeg2 = ("MPEG-2", MOVING, "-c:v mpeg2video -q:v 3 -bf 2 -g 12");
    cut_at_random(&[&MATERIALS[..], &[mpeg2]].concat(), "--crf 12", |cut| {
        assert_eq!(cut.report["pictures"].as_u64(), Some(cut.count as u64), "{}", cut.name);
        // A decoder may say that a picture is gone that it was to forget.
        let got = Pictures::logged(cut.out, "fatal");
        compare_pictures(&got, &cut.report, cut.whole, cut.first);
    });
}

#[test]
fn copied_clip_begins_and_ends_where_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path(), "-c:v libx264 -preset ultrafast -bf 3 -g 50 -c:a aac");
    let out = folder.path().join("clip.mp4");
    let report = made(&session, &out, "--from 2.61 --to 5 --copy");
    assert_eq!((report["start"].as_f64(), report["encoded"].as_u64()), (Some(2.0), Some(0)));
    let end = report["end"].as_f64().unwrap();
    assert!((5.0..5.2).contains(&end), "{report}");
    let count = report["pictures"].as_f64().unwrap();
    assert!((count / 25.0 - (end - 2.0)).abs() < 1e-3, "{report}");
    compare(&out, &report, &Pictures::of(&folder.path().join("source.ts")), 50);
}

#[test]
fn loose_segment_without_a_frame_is_in_the_clip() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.ts");
    let bars = [("smptebars=s=160x90:r=25", 6.0)];
    generate(&whole, &bars, "-c:v libx264 -preset ultrafast -g 50");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-i"]).arg(&whole).args(["-c", "copy", "-f", "segment"]);
    ffmpeg.args(["-segment_time", "2"]).arg(folder.path().join("%d.ts"));
    assert!(ffmpeg.status().unwrap().success());
    let loose: Vec<_> = (0..3).map(|n| folder.path().join(format!("{n}.ts"))).collect();
    let frames = folder.path().join("frames");
    let options = "--detect scene --max-interval 0";
    let lines: Vec<_> = scenes(&loose, &frames, options).succeed().iter().map(line).collect();
    let index = frames.join("index.json");
    let mut stage = Stage::fed(tool("cht-index").arg("--out").arg(&index), lines);
    assert!(stage.finish().success());
    assert_eq!(stage.of_type("frame").len(), 1, "the first of all");
    let report = made(&index, &folder.path().join("clip.ts"), "--copy");
    assert_eq!((&report["pictures"], &report["gaps"]), (&150.into(), &0.into()));
    assert_eq!((&report["start"], &report["end"]), (&0.0.into(), &6.0.into()));
    // The session around them names them in its index alone.
    fs::create_dir(folder.path().join("stream")).unwrap();
    let report = made(folder.path(), &folder.path().join("again.ts"), "--copy --from 2 --to 4");
    assert_eq!(report["pictures"], 50);
}

#[test]
fn pause_between_connections_is_kept_or_closed() {
    let folder = tempfile::tempdir().unwrap();
    let encoder = "-c:v libx264 -preset ultrafast -bf 0 -g 25 -an";
    let bytes = generated(&[("testsrc2=s=160x120:r=25", 2.0)], encoder);
    let (mut recorder, address) = recorder(&folder.path().join("sessions"), "");
    for _ in 0..2 {
        send(&address, &bytes);
        recorder.wait_for("disconnected");
    }
    recorder.stop();
    let session = recorder.session();
    let out = folder.path().join("clip.mkv");
    let mut kept = f64::INFINITY;
    for how in ["keep", "close"] {
        let report = made(&session, &out, &format!("--gap {how}"));
        assert_eq!((report["pictures"].as_u64(), report["gaps"].as_u64()), (Some(100), Some(1)));
        let times = probe_frames(&out);
        assert_eq!(times.len(), 100);
        let pause = times[50] - times[49];
        // The recorder places the second right after the first, which was sent at once.
        assert!((0.039..0.2).contains(&pause), "{how}: {pause}");
        assert!(pause < kept + 0.0011, "closed to {pause} s, and kept {kept} s");
        kept = pause;
    }
}

#[test]
fn each_scene_becomes_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let shots = [("testsrc2=s=160x120:r=25", 2.0), ("smptebars=s=160x120:r=25", 1.0)];
    let bytes = generated(&shots, "-c:v libx264 -preset ultrafast -g 25 -an");
    let mut recorder = record(&folder.path().join("sessions"), &bytes, "");
    assert!(recorder.finish().success());
    let session = recorder.session();
    let mut scenes = Stage::fed(tool("cht-scenes").args(["--detect", "scene"]), examined(&session));
    let lines: Vec<_> = scenes.succeed().iter().map(line).collect();
    assert!(Stage::fed(&mut tool("cht-index"), lines).finish().success());
    let out = folder.path().join("out");
    let mut command = tool("cht-export");
    let output = command.arg("split").arg(&session).arg("--out").arg(&out).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let name = session.file_name().unwrap().to_str().unwrap();
    for (number, count) in [(1, 50), (2, 25)] {
        let path = out.join(format!("{name}-Scene-{number:03}.mp4"));
        assert_eq!(probe_frames(&path).len(), count);
    }
    assert_eq!(fs::read_dir(&out).unwrap().count(), 2);
}

#[test]
fn clip_that_cannot_be_made_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = generated(&[("testsrc2=s=160x120:r=25", 2.0)], "-c:v libx264 -g 25 -an");
    let mut recorder = record(&folder.path().join("sessions"), &bytes, "");
    assert!(recorder.finish().success());
    let session = recorder.session();
    let before = recording(&session);
    let segment = session.join("stream/segment_000001.ts");
    let mpeg2 = folder.path().join("mpeg2.ts");
    encode(&mpeg2, "testsrc2=s=160x120:r=25:d=2", "-c:v mpeg2video -g 12");
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    // An ffmpeg without the encoder.
    let fake = folder.path().join("ffmpeg");
    let script =
        "case \"$*\" in *libx264*) echo 'No encoder today' >&2; exit 1;; esac; exec ffmpeg \"$@\"";
    make_script(&fake, &format!("#!/bin/sh\n{script}\n"));
    let idle = folder.path().join("idle");
    let waits = "#!/bin/sh\n[ \"$1\" != -version ] || exec ffmpeg \"$@\"\ncat >/dev/null\n";
    make_script(&idle, waits);
    fs::create_dir(session.join("page")).unwrap();
    for (source, out, options, status, said) in [
        (&session, out.join("a.avi"), "", 2, "name it .ts, .mp4 or .mkv"),
        (&session, segment.clone(), "", 2, "belongs to a recording"),
        (&segment, segment.clone(), "", 2, "belongs to a recording"),
        (&session, session.join("stream/b.ts"), "", 2, "belongs to a recording"),
        (&session, session.join("page/b.mp4"), "", 2, "belongs to a recording"),
        (&session, out.join("a.ts"), "--from 100", 2, "no picture from 100.000 s to the end"),
        (&session, out.join("a.ts"), "--from 1.0001 --to 1.0002", 2, "from 1.0001 s to 1.0002 s"),
        (&session, out.clone(), "", 2, "name it .ts, .mp4 or .mkv"),
        (&session, session.join("frames/b.ts"), "", 2, "belongs to a recording"),
        // One that does nothing, and says that it has.
        (&session, out.join("a.ts"), "--ffmpeg IDLE", 2, "ffmpeg wrote 0.000 of 1.960 s"),
        (&session, out.join("a.ts"), "--from 1 --to 1", 2, "--from has to be before --to"),
        (&session, out.join("a.ts"), "--copy --crf 3", 2, "cannot be used with"),
        (&session, out.join("a.ts"), "--lossless --crf 3", 2, "cannot be used with"),
        (&mpeg2, out.join("a.ts"), "--from 0.5 --lossless", 2, "--crf 1 is the nearest"),
        (&session, out.join("a.ts"), "--ffmpeg /nonexistent", 2, "install ffmpeg"),
        (&session, out.join("no/a.ts"), "", 2, "no/a.ts: No such file or directory"),
        (&out.join("none.ts"), out.join("a.ts"), "", 2, "none.ts: no such file or folder; name"),
        (&session, out.join("a.ts"), "--from 0.5 --ffmpeg FAKE", 2, "No encoder today"),
    ] {
        let options = options.replace("FAKE", fake.to_str().unwrap());
        let options = options.replace("IDLE", idle.to_str().unwrap());
        let output = clip(source, &out, &options);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(said), "{said}: {text}");
        assert_eq!(output.status.code(), Some(status), "{text}");
    }
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
    assert_eq!(recording(&session), before);
}

/// A file, an ffmpeg that hangs where it would write a clip, and a FIFO that it holds open then.
fn hanging(folder: &Path) -> (PathBuf, PathBuf, PathBuf) {
    let path = folder.join("source.ts");
    encode(&path, "testsrc2=s=160x120:r=25:d=2", "-c:v libx264 -preset ultrafast -g 25");
    let fifo = folder.join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let fake = folder.join("ffmpeg");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *-itsoffset*) exec 3>'{}'; echo at work >&3; exec sleep 1000;; esac\nexec ffmpeg \"$@\"\n",
        fifo.display()
    );
    make_script(&fake, &script);
    (path, fake, fifo)
}

#[test]
fn clip_that_is_interrupted_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, fake, fifo) = hanging(folder.path());
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    for name in ["INT", "TERM", "KILL"] {
        let mut command = tool("cht-export");
        command.arg("clip").arg(&path).arg(out.join("a.mp4")).arg("--ffmpeg").arg(&fake);
        let mut process = command.spawn().unwrap();
        let mut ffmpeg = BufReader::new(fs::File::open(&fifo).unwrap());
        let mut line = String::new();
        ffmpeg.read_line(&mut line).unwrap();
        assert_eq!(line, "at work\n");
        signal(&process, name);
        process.wait().unwrap();
        assert_eq!(fs::read_dir(&out).unwrap().count(), 0, "{name}");
        // The end comes when ffmpeg has ended, too.
        assert_eq!(ffmpeg.read_line(&mut line).unwrap(), 0);
    }
}

#[test]
fn ffmpeg_that_hangs_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let (path, fake, fifo) = hanging(folder.path());
    let reader = std::thread::spawn(move || fs::read(fifo).unwrap());
    let out = folder.path().join("out.mp4");
    let output = clip(&path, &out, &format!("--ffmpeg-timeout 1 --ffmpeg {}", fake.display()));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("ffmpeg did nothing for 1 s and was stopped"), "{said}");
    assert!(!out.exists());
    assert_eq!(reader.join().unwrap(), b"at work\n");
}

#[test]
fn full_disk_leaves_the_file_that_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("source.ts");
    encode(&path, "testsrc2=s=640x360:r=25:d=4", "-c:v libx264 -preset ultrafast -qp 5 -g 25");
    let with_sound = folder.path().join("sound.ts");
    let tone = "-f lavfi -i sine=d=4 -c:a aac";
    let small = format!("{tone} -c:v libx264 -preset ultrafast -g 25");
    encode(&with_sound, "color=s=64x64:r=25:d=4", &small);
    let Some(disk) = Tmpfs::mount(1) else { return };
    for (source, is_filled) in [(&path, false), (&with_sound, true)] {
        for name in ["clip.ts", "clip.mp4", "clip.mkv"] {
            let out = disk.path().join(name);
            fs::write(&out, "the one before").unwrap();
            let filler = is_filled.then(|| disk.fill());
            let output = clip(source, &out, "");
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{said}");
            let expected = format!("{}: No space left on device (os error 28)\n", out.display());
            assert_eq!(said, format!("cht-export: error: {expected}"));
            assert_eq!(fs::read(&out).unwrap(), b"the one before");
            filler.map(fs::remove_file).transpose().unwrap();
            assert_eq!(fs::read_dir(disk.path()).unwrap().count(), 1);
            fs::remove_file(&out).unwrap();
        }
    }
}

/// Writes the video of a file again, the end of each seventh picture in a PES packet of its own,
/// with the time stamps of the next one, as some encoders of HLS do.
fn with_ends_apart(source: &[u8], out: &Path) {
    const PID: u16 = 0x100;
    let mut bytes = Vec::new();
    let mut single = SingleStream::begin(PID, Codec::H264, &mut bytes).unwrap();
    let (mut packets, mut all) = (Vec::new(), Vec::new());
    single.push(source, &mut packets);
    single.finish(&mut packets);
    let mut units = Units::new(Codec::H264);
    units.push(&packets, &mut |unit| all.push((unit.pts.unwrap(), unit.payload().to_vec())));
    units.finish(&mut |unit| all.push((unit.pts.unwrap(), unit.payload().to_vec())));
    let mut counter = 0;
    for (at, (pts, payload)) in all.iter().enumerate() {
        let stamps = |pts: &Pts| Some((*pts, *pts));
        let next = all.get(at + 1).filter(|_| at % 7 == 3);
        let (picture, end) = payload.split_at(payload.len() - next.map_or(0, |_| 40));
        write_video(PID, &mut counter, stamps(pts), picture, &mut bytes);
        if let Some((next, _)) = next {
            write_video(PID, &mut counter, stamps(next), end, &mut bytes);
        }
    }
    fs::write(out, bytes).unwrap();
}

#[test]
fn end_of_a_picture_in_a_packet_of_its_own_is_no_picture() {
    let folder = tempfile::tempdir().unwrap();
    let encoder = "-c:v libx264 -preset ultrafast -bf 0 -g 24 -an";
    let source = generated(&[("testsrc2=s=320x180:r=24", 4.0)], encoder);
    let path = folder.path().join("apart.ts");
    with_ends_apart(&source, &path);
    let whole = Pictures::of(&path);
    assert_eq!(whole.times.len(), 96);
    let out = folder.path().join("clip.mp4");
    for (options, first, count) in [
        ("--copy", 0, 96),
        ("--from 1 --to 2", 24, 24),
        // The last one has its end apart.
        ("--from 0 --to 1.16", 0, 28),
        ("--from 1 --to 2.9 --copy", 24, 46),
    ] {
        let report = made(&path, &out, options);
        let pictures = report["pictures"].as_u64().unwrap();
        assert_eq!(probe_frames(&out).len() as u64, pictures, "{options}");
        assert_eq!(pictures, count, "{options}");
        compare(&out, &report, &whole, first);
    }
}

#[test]
fn clip_without_sound_in_it_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("late.ts");
    let late =
        "-itsoffset 3 -f lavfi -i sine=d=2 -map 0 -map 1 -c:a aac -metadata:s:a:0 language=deu";
    let encoder = format!("{late} -c:v libx264 -preset ultrafast -g 25");
    encode(&path, "testsrc2=s=160x120:r=25:d=5", &encoder);
    let out = folder.path().join("clip.mp4");
    for (options, pictures, sounds) in
        [("--from 0.5 --to 2", 37, 0), ("--from 2 --to 2.01", 1, 0), ("--from 2 --to 4", 50, 1)]
    {
        assert_eq!(made(&path, &out, options)["pictures"], pictures);
        assert_eq!(probe_frames(&out).len(), pictures);
        let mut command = Command::new("ffprobe");
        command.args(words("-v error -select_streams a -of csv=p=0"));
        command.args(["-show_entries", "stream_tags=language"]).arg(&out);
        let languages = String::from_utf8(command.output().unwrap().stdout).unwrap();
        assert_eq!(languages.matches("deu").count(), sounds, "{languages}");
    }
}

#[test]
fn sound_of_each_codec_fits_into_its_container() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("source.ts");
    for (codec, containers) in [
        ("ac3", "ts mp4 mkv"),
        ("eac3", "ts mp4 mkv"),
        ("libopus", "ts mp4 mkv"),
        ("mp2", "ts mp4 mkv"),
    ] {
        let tone = format!("-f lavfi -i sine=d=3:sample_rate=48000 -c:a {codec}");
        encode(&path, "color=s=64x64:r=25:d=3", &format!("{tone} -c:v libx264 -g 25"));
        for container in words(containers) {
            let out = folder.path().join("clip").with_extension(container);
            made(&path, &out, "--from 1 --to 2.5");
            let packets = sound(&out);
            let lasts = packets.last().unwrap().0 - packets[0].0;
            assert!((1.4..1.5).contains(&lasts), "{codec} in {container}: {lasts}");
        }
    }
}
