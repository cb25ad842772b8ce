//! cht-segwatch examines finished segments of any program.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    fs,
    io::Write as _,
    os::unix::fs::FileExt as _,
    path::Path,
    process::{Command, Stdio},
};

use cht_tests::{QUICK, Stage, generate, make_fifo, recorder, send, tool, words};
use serde_json::Value;

fn names(stage: &Stage) -> Vec<String> {
    let paths = stage.of_type("segment").into_iter().map(|event| event["path"].as_str().unwrap());
    paths.map(|path| Path::new(path).file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

fn small(path: &Path) {
    generate(path, &[("testsrc2=s=160x120:r=25", 1.0)], QUICK);
}

#[test]
fn patterns_and_folders_give_each_segment_once_in_natural_order() {
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("segment_2.ts");
    small(&first);
    for n in [10, 1] {
        fs::copy(&first, folder.path().join(format!("segment_{n}.ts"))).unwrap();
    }
    fs::write(folder.path().join("notes.txt"), "no segment").unwrap();
    let pattern = folder.path().join("*.ts");
    let expected = ["segment_1.ts", "segment_2.ts", "segment_10.ts"];
    let arguments: [Vec<&Path>; 3] =
        [vec![&pattern], vec![folder.path()], vec![&first, folder.path(), &pattern]];
    for paths in arguments {
        let mut stage = Stage::start(tool("cht-segwatch").args(["--settle", "0"]).args(&paths));
        assert!(stage.finish().success());
        assert_eq!(names(&stage), expected, "{paths:?}");
    }
}

#[test]
fn file_with_several_names_is_examined_once() {
    let folder = tempfile::tempdir().unwrap();
    let real = folder.path().join("real");
    fs::create_dir(&real).unwrap();
    small(&real.join("1.ts"));
    fs::copy(real.join("1.ts"), real.join("2.ts")).unwrap();
    std::os::unix::fs::symlink(&real, folder.path().join("link")).unwrap();
    std::os::unix::fs::symlink("1.ts", real.join("3.ts")).unwrap();
    fs::hard_link(real.join("2.ts"), real.join("4.ts")).unwrap();
    let names_of_it = ["link/1.ts", "real/../real/1.ts", "real/2.ts", "real"];
    let paths = names_of_it.map(|name| folder.path().join(name));
    let mut stage = Stage::start(tool("cht-segwatch").args(["--settle", "0"]).args(paths));
    assert!(stage.finish().success());
    // Two files in one folder, whatever that is called: numbers and times go on.
    let segments = stage.of_type("segment");
    let places: Vec<_> =
        segments.iter().map(|segment| (&segment["seq"], &segment["start"])).collect();
    assert_eq!(places, [(&1.into(), &0.0.into()), (&2.into(), &1.0.into())]);
}

#[test]
fn segment_event_has_streams_and_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    let with_sound = format!("{QUICK} -f lavfi");
    assert!(with_sound.contains("-g 25"));
    cht_tests::ffmpeg(words(&format!(
        "-f lavfi -i testsrc2=s=322x242:r=25:d=3 -f lavfi -i sine=d=3:r=44100 {QUICK} \
         -pix_fmt yuv420p -c:a aac -ac 2 -metadata:s:a language=deu -f mpegts {}",
        path.display()
    )));
    let mut stage = Stage::start(tool("cht-segwatch").args(["--settle", "0"]).arg(&path));
    assert!(stage.finish().success());
    let segment = stage.of_type("segment")[0];
    assert_eq!(segment["bytes"], fs::metadata(&path).unwrap().len());
    assert_eq!(segment["keyframes"], 3);
    assert_eq!(segment["duration"], 3.0);
    assert_eq!(segment["damage"]["continuity_errors"], 0);
    let (video, audio) = (&segment["streams"][0], &segment["streams"][1]);
    assert_eq!(
        (&video["codec"], &video["width"], &video["height"]),
        (&"h264".into(), &322.into(), &242.into())
    );
    assert_eq!((&video["units"], &video["keyframes"]), (&75.into(), &3.into()));
    assert_eq!((&audio["codec"], &audio["language"]), (&"aac".into(), &"deu".into()));
    assert_eq!((&audio["sample_rate"], &audio["channels"]), (&44_100.into(), &2.into()));
}

#[test]
fn damage_of_segment_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    small(&path);
    let mut bytes = fs::read(&path).unwrap();
    // A video packet is lost, and later a few bytes too many arrive.
    let video = bytes.chunks(188).skip(20).position(|p| p[1] == 1 && p[2] == 0).unwrap() + 20;
    bytes.drain(video * 188..(video + 1) * 188);
    bytes.splice(188 * 60..188 * 60, [0x47; 50]);
    fs::write(&path, &bytes).unwrap();
    let mut stage = Stage::start(tool("cht-segwatch").args(["--settle", "0"]).arg(&path));
    assert!(stage.finish().success());
    let damage = &stage.of_type("segment")[0]["damage"];
    assert!(damage["continuity_errors"].as_u64().unwrap() >= 1, "{damage}");
    assert_eq!((&damage["sync_losses"], &damage["skipped_bytes"]), (&1.into(), &50.into()));
}

#[test]
fn foreign_segments_are_followed_when_finished() {
    let folder = tempfile::tempdir().unwrap();
    let mut stage =
        Stage::start(tool("cht-segwatch").args(["--follow", "--settle", "30"]).arg(folder.path()));
    let pattern = folder.path().join("out_%d.ts");
    let mut writer = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-nostdin", "-re", "-f", "lavfi", "-i"])
        .args(words("testsrc2=s=160x120:r=25:d=3 -c:v libx264 -g 25 -f segment -segment_time 1"))
        .arg(pattern)
        .spawn()
        .unwrap();
    for _ in 0..3 {
        let segment = stage.wait_for("segment");
        // Whole: ffmpeg had closed it before it was examined.
        assert_eq!(segment["streams"][0]["units"], 25);
    }
    assert!(writer.wait().unwrap().success());
    stage.signal("INT");
    assert!(stage.finish().success());
    assert_eq!(names(&stage), ["out_0.ts", "out_1.ts", "out_2.ts"]);
}

#[test]
fn fifo_in_followed_folder_is_an_error_and_others_are_examined() {
    let folder = tempfile::tempdir().unwrap();
    small(&folder.path().join("a1.ts"));
    make_fifo(&folder.path().join("b2.ts"));
    small(&folder.path().join("c3.ts"));
    let mut stage =
        Stage::start(tool("cht-segwatch").args(["--follow", "--settle", "0"]).arg(folder.path()));
    let error = stage.wait_for("error");
    assert_eq!(error["code"], "unreadable");
    assert!(error["path"].as_str().unwrap().ends_with("b2.ts"), "{error}");
    stage.wait_for("segment");
    assert_eq!(stage.terminate().code(), Some(1));
    assert_eq!(names(&stage), ["a1.ts", "c3.ts"]);
}

#[test]
fn fifo_as_growing_segment_is_one_error() {
    let folder = tempfile::tempdir().unwrap();
    let (mut recv, address) = recorder(folder.path(), "--session-id call --once");
    let session = folder.path().join("call");
    make_fifo(&session.join("stream/open.json"));
    let mut stage = Stage::start(tool("cht-segwatch").arg("--follow").arg(&session));
    let error = stage.wait_for("error");
    assert!(error["message"].as_str().unwrap().contains("open.json: not a regular file (a FIFO)"));
    let clip = folder.path().join("clip.ts");
    small(&clip);
    send(&address, &fs::read(&clip).unwrap());
    recv.finish();
    stage.finish();
    assert_eq!(stage.of_type("error").len(), 1, "{:?}", stage.events);
    assert_eq!(names(&stage), ["segment_000001.ts"]);
}

#[test]
fn growing_segment_is_left_out_of_a_list() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    small(&path);
    let bytes = fs::read(&path).unwrap();
    let mut file = fs::File::create(&path).unwrap();
    let mut stage = tool("cht-segwatch");
    let stage = stage.args(["--settle", "1"]).arg(&path).stderr(Stdio::piped());
    let mut child = stage.stdout(Stdio::piped()).spawn().unwrap();
    // Written little by little until the stage has made up its mind.
    let mut chunks = bytes.chunks(1).cycle();
    while child.try_wait().unwrap().is_none() {
        file.write_all(chunks.next().unwrap()).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("a.ts: still grows"), "{said}");
}

#[test]
fn events_pass_unchanged_and_at_once() {
    let mut child =
        tool("cht-segwatch").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    for line in [
        "{\"type\":\"dream\",  \"v\":1, \"depth\":3}\n",
        "{\"v\":1,\"type\":\"sent\",\"id\":\"F1\"}\r\n",
    ] {
        stdin.write_all(line.as_bytes()).unwrap();
        let mut passed = String::new();
        std::io::BufRead::read_line(&mut stdout, &mut passed).unwrap();
        assert_eq!(passed, line);
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

/// Starts a stage that follows `folder`.
fn following(folder: &Path, settle: &str) -> Stage {
    Stage::start(tool("cht-segwatch").args(["--follow", "--settle", settle]).arg(folder))
}

/// Ends a stage that follows.
fn end(mut stage: Stage) -> Stage {
    stage.signal("INT");
    assert!(stage.finish().success());
    stage
}

/// Returns the bytes of a small segment, and the size of half of its packets.
fn sample(folder: &Path) -> (Vec<u8>, usize) {
    let path = folder.join("sample.bin");
    small(&path);
    let bytes = fs::read(&path).unwrap();
    let half = bytes.len() / 376 * 188;
    (bytes, half)
}

/// Waits until the stage watches `folder`: it has examined a file that was there before.
fn watching(folder: &Path, bytes: &[u8], settle: &str) -> Stage {
    fs::write(folder.join("0.ts"), bytes).unwrap();
    let _ = Command::new("touch").args(["-d", "2020-01-01"]).arg(folder.join("0.ts")).status();
    let mut stage = following(folder, settle);
    stage.wait_for("segment");
    stage
}

#[test]
fn open_file_at_rest_is_examined_when_closed() {
    let (lab, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (bytes, half) = sample(lab.path());
    let mut stage = watching(folder.path(), &bytes, "0.3");
    let mut empty = fs::File::create(folder.path().join("a.ts")).unwrap();
    let mut paused = fs::File::create(folder.path().join("b.ts")).unwrap();
    paused.write_all(&bytes[..half]).unwrap();
    // A file that was moved here and rests proves that the time of the others is over.
    for n in 0..3 {
        let other = lab.path().join("c");
        fs::write(&other, &bytes).unwrap();
        fs::rename(&other, folder.path().join(format!("c{n}.ts"))).unwrap();
        stage.wait_for("segment");
        fs::write(folder.path().join(format!("d{n}.ts")), []).unwrap();
        assert_eq!(stage.wait_for("error")["code"], "empty", "it was closed, and rested");
    }
    empty.write_all(&bytes).unwrap();
    paused.write_all(&bytes[half..]).unwrap();
    drop((empty, paused));
    for _ in 0..2 {
        assert_eq!(stage.wait_for("segment")["bytes"], bytes.len());
    }
    stage.signal("INT");
    assert_eq!(stage.finish().code(), Some(1), "for the empty ones");
    assert_eq!(names(&stage), ["0.ts", "c0.ts", "c1.ts", "c2.ts", "a.ts", "b.ts"]);
}

#[test]
fn two_cameras_in_one_folder_do_not_wait_for_each_other() {
    let (lab, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (bytes, half) = sample(lab.path());
    let mut stage = watching(folder.path(), &bytes, "0.3");
    let mut back = fs::File::create(folder.path().join("back-1.ts")).unwrap();
    back.write_all(&bytes[..half]).unwrap();
    for n in 1..4 {
        fs::write(folder.path().join(format!("front-{n}.ts")), &bytes).unwrap();
        stage.wait_for("segment");
    }
    back.write_all(&bytes[half..]).unwrap();
    drop(back);
    stage.wait_for("segment");
    let stage = end(stage);
    assert_eq!(names(&stage), ["0.ts", "front-1.ts", "front-2.ts", "front-3.ts", "back-1.ts"]);
    let segments = stage.of_type("segment");
    assert!(segments.iter().all(|segment| segment["bytes"] == bytes.len()));
    // Each camera has a timeline of its own.
    let starts: Vec<_> = segments.iter().map(|it| it["start"].as_f64().unwrap()).collect();
    let length = segments[0]["duration"].as_f64().unwrap();
    assert_eq!(starts, [0.0, 0.0, length, 2.0 * length, 0.0]);
}

#[test]
fn rewritten_file_is_examined_again_and_renamed_one_is_not() {
    let (lab, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (bytes, _) = sample(lab.path());
    let mut stage = watching(folder.path(), &bytes, "0.3");
    for _ in 0..2 {
        for name in ["ring_0.ts", "ring_1.ts"] {
            fs::write(folder.path().join(name), &bytes).unwrap();
            stage.wait_for("segment");
        }
    }
    fs::rename(folder.path().join("ring_0.ts"), folder.path().join("kept.ts")).unwrap();
    fs::write(folder.path().join("last.ts"), &bytes).unwrap();
    stage.wait_for("segment");
    let expected = ["0.ts", "ring_0.ts", "ring_1.ts", "ring_0.ts", "ring_1.ts", "last.ts"];
    assert_eq!(names(&end(stage)), expected);
}

#[test]
fn file_grown_after_examination_is_examined_whole() {
    let (lab, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (bytes, half) = sample(lab.path());
    let mut stage = watching(folder.path(), &bytes, "0.3");
    let path = folder.path().join("a.ts");
    fs::write(&path, &bytes[..half]).unwrap();
    assert_eq!(stage.wait_for("segment")["bytes"], half);
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(&bytes[half..]).unwrap();
    drop(file);
    assert_eq!(stage.wait_for("segment")["bytes"], bytes.len());
    end(stage);
}

#[test]
fn temporary_and_hidden_names_wait_for_final_name() {
    let (lab, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (bytes, _) = sample(lab.path());
    let mut stage = watching(folder.path(), &bytes, "0.3");
    for (temporary, last) in [("a.tmp.ts", "a.ts"), (".b.ts.Xy", "b.ts"), (".c.ts", "c.ts")] {
        fs::write(folder.path().join(temporary), &bytes).unwrap();
        fs::rename(folder.path().join(temporary), folder.path().join(last)).unwrap();
        stage.wait_for("segment");
    }
    fs::write(folder.path().join(".d.ts"), &bytes).unwrap();
    fs::write(folder.path().join("e.ts"), &bytes).unwrap();
    stage.wait_for("segment");
    assert_eq!(names(&end(stage)), ["0.ts", "a.ts", "b.ts", "c.ts", "e.ts"]);
}

#[test]
fn new_folders_are_followed() {
    let (lab, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (bytes, _) = sample(lab.path());
    fs::create_dir_all(folder.path().join("cam/2026-11-28")).unwrap();
    let old = folder.path().join("cam/2026-11-28/23-59.ts");
    fs::write(&old, &bytes).unwrap();
    let mut stage = following(folder.path(), "0.3");
    stage.wait_for("segment");
    let day = folder.path().join("cam/2026-11-29/00");
    fs::create_dir_all(&day).unwrap();
    fs::write(day.join("00.ts"), &bytes).unwrap();
    stage.wait_for("segment");
    // The whole tree is one place: a file that is moved within it is the same.
    fs::rename(&old, day.join("old.ts")).unwrap();
    fs::write(day.join("01.ts"), &bytes).unwrap();
    stage.wait_for("segment");
    assert_eq!(names(&end(stage)), ["23-59.ts", "00.ts", "01.ts"]);
}

#[test]
fn sessions_below_followed_folder_are_followed_by_record() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = sample(folder.path()).0;
    let sessions = folder.path().join("sessions");
    fs::create_dir(&sessions).unwrap();
    fs::write(folder.path().join("sessions/0.ts"), &bytes).unwrap();
    let mut stage = following(&sessions, "0.3");
    stage.wait_for("segment");
    let (mut recv, address) = recorder(&sessions, "--session-id call --once");
    send(&address, &bytes);
    recv.finish();
    let closed = stage.wait_for("segment_closed");
    let segment = stage.wait_for("segment");
    assert_eq!((&segment["path"], &segment["connection"]), (&closed["path"], &1.into()));
    end(stage);
}

#[test]
fn session_that_is_moved_while_it_is_followed_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = sample(folder.path()).0;
    let (mut recv, address) = recorder(folder.path(), "--session-id call");
    let session = folder.path().join("call");
    let mut command = tool("cht-segwatch");
    command.arg("--follow").arg(&session).stderr(Stdio::piped());
    let mut stage = Stage::start(&mut command);
    send(&address, &bytes);
    stage.wait_for("segment_closed");
    fs::rename(&session, folder.path().join("moved")).unwrap();
    assert_eq!(stage.finish().code(), Some(2));
    let said = stage.stderr().last().unwrap();
    assert!(said.contains("call/stream: if the session was moved, follow it in its"), "{said}");
    recv.signal("INT");
    recv.finish();
}

/// Runs cht-segwatch over a list, and returns types and names of its events, stderr, and the exit
/// status.
fn listed(paths: &[&Path]) -> (Vec<String>, String, Option<i32>) {
    let output = tool("cht-segwatch").args(["--settle", "0.3"]).args(paths).output().unwrap();
    let events = String::from_utf8(output.stdout).unwrap();
    let name = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let path = Path::new(event["path"].as_str().unwrap()).file_name().unwrap();
        format!("{} {}", event["type"].as_str().unwrap(), path.to_str().unwrap())
    };
    let said = String::from_utf8(output.stderr).unwrap();
    (events.lines().map(name).collect(), said, output.status.code())
}

#[test]
fn growing_segments_are_left_to_next_run_silently() {
    let (lab, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (bytes, half) = sample(lab.path());
    // Both rest longer than --settle, as at a low bitrate; one of them is not the last name.
    let writers: Vec<_> = ["back-1.ts", "front-2.ts"]
        .map(|name| {
            let mut file = fs::File::create(folder.path().join(name)).unwrap();
            file.write_all(&bytes[..half]).unwrap();
            file
        })
        .into();
    fs::write(folder.path().join("front-1.ts"), &bytes).unwrap();
    fs::write(folder.path().join("front-3.tmp.ts"), &bytes).unwrap();
    let pattern = folder.path().join("*.ts");
    for argument in [folder.path(), &pattern] {
        let (events, said, status) = listed(&[argument]);
        assert_eq!(events, ["segment front-1.ts"]);
        assert_eq!((&*said, status), ("", Some(0)));
    }
    drop(writers);
    assert_eq!(listed(&[folder.path()]).0.len(), 3);
}

#[test]
fn folder_without_segments_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let said = |name: &str, make: &dyn Fn(&Path)| {
        let folder = folder.path().join(name);
        fs::create_dir(&folder).unwrap();
        make(&folder);
        let (events, said, status) = listed(&[&folder]);
        assert_eq!((events.len(), status), (1, Some(1)), "{said}");
        said
    };
    assert!(said("empty", &|_| {}).contains("empty: no segments in it (.ts, .m2ts"));
    let nested = said("nested", &|folder| fs::create_dir(folder.join("2026-11-28")).unwrap());
    assert!(nested.contains("1 folder below it: name '") && nested.contains("nested/**/*.ts'"));
    let frigate = said("frigate", &|folder| fs::write(folder.join("00.mp4"), "x").unwrap());
    assert!(frigate.contains("1 .mp4 file: convert with `ffmpeg -i FILE.mp4"), "{frigate}");
    let tape = folder.path().join("hdv");
    fs::create_dir(&tape).unwrap();
    fs::write(tape.join("tape.m2t"), sample(folder.path()).0).unwrap();
    assert_eq!(listed(&[&tape]).0, ["segment tape.m2t"]);
}

/// Runs a stage to its end; its events, and the bytes that it read.
fn read_by(command: &mut Command) -> (Vec<Value>, u64) {
    let mut stage = Stage::start(command);
    while stage.next_event().is_some() {}
    // It has ended, or is about to, and is not waited for yet.
    let io = fs::read_to_string(format!("/proc/{}/io", stage.child.id())).unwrap();
    let read = io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap();
    assert!(stage.finish().success());
    (std::mem::take(&mut stage.events), read.parse().unwrap())
}

#[test]
fn segment_examined_by_earlier_run_is_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("1.ts");
    small(&path);
    let mut packet = [0xff; 188];
    packet[..4].copy_from_slice(&[0x47, 0x1f, 0xff, 0x10]);
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend(packet.repeat(20_000));
    fs::write(&path, &bytes).unwrap();
    let (size, cache) = (bytes.len() as u64, folder.path().join("cache"));
    let watch = |options: &str| {
        let mut command = tool("cht-segwatch");
        // Once it has rested: another write in the same instant would have the same time.
        command.args(["--settle", "0.3"]).args(words(options)).arg(&path);
        read_by(command.env("CHT_CACHE", &cache))
    };
    let (first, read) = watch("");
    assert!(read >= size, "{read}");
    let (again, read) = watch("");
    assert!(read < size / 20, "{read} of {size}");
    assert_eq!(again, first);
    assert!(watch("--cache none").1 >= size);
    let (again, read) = watch("--reread");
    assert!(read >= size && again == first, "{read}");
    // Paths given to cht-scenes are examined there.
    let scenes = || {
        let list = folder.path().join("list");
        fs::write(&list, path.to_str().unwrap()).unwrap();
        let mut command = tool("cht-scenes");
        command.arg("--out").arg(folder.path().join("frames")).stdin(fs::File::open(list).unwrap());
        read_by(command.env("CHT_CACHE", &cache))
    };
    let (first, _) = scenes();
    let (again, read) = scenes();
    let done = |events: &[Value]| {
        let done = events.iter().filter(|event| event["type"] == "segment_done");
        done.cloned().collect::<Vec<_>>()
    };
    assert!(read < size / 2, "{read} of {size}");
    assert_eq!((done(&first).len(), done(&first)), (1, done(&again)));
}

#[test]
fn edited_segment_with_old_time_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("1.ts");
    small(&path);
    let watch = || {
        let mut command = tool("cht-segwatch");
        command.args(["--settle", "0.3"]).arg(&path).env("CHT_CACHE", folder.path().join("cache"));
        read_by(&mut command).0.remove(0)
    };
    assert_eq!(watch()["damage"]["transport_errors"], 0);
    let written = fs::metadata(&path).unwrap().modified().unwrap();
    let file = fs::File::options().read(true).write(true).open(&path).unwrap();
    // The transport_error_indicator of a packet in the middle.
    let at = file.metadata().unwrap().len() / 188 / 2 * 188 + 1;
    let mut flags = [0];
    file.read_exact_at(&mut flags, at).unwrap();
    file.write_all_at(&[flags[0] | 0x80], at).unwrap();
    file.set_modified(written).unwrap();
    drop(file);
    assert_eq!(watch()["damage"]["transport_errors"], 1);
}
