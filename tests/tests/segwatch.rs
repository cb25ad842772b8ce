//! cht-segwatch: finished segments, whoever wrote them.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::{
    fs,
    io::Write as _,
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
};

use cht_tests::{QUICK, Stage, generate, recorder, tool, words};

fn names(stage: &Stage) -> Vec<String> {
    let paths = stage.of_type("segment").into_iter().map(|event| event["path"].as_str().unwrap());
    paths.map(|path| Path::new(path).file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

fn small(path: &Path) {
    generate(path, &[("testsrc2=s=160x120:r=25", 1.0)], QUICK);
}

#[test]
fn natural_order_each_once_from_patterns_and_folders() {
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
fn what_is_in_a_segment() {
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
fn damage_is_counted() {
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
fn segments_of_another_program_are_followed_as_they_are_finished() {
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
fn fifo_in_a_followed_folder_is_an_error_and_the_rest_is_done() {
    let folder = tempfile::tempdir().unwrap();
    small(&folder.path().join("a1.ts"));
    let fifo = Command::new("mkfifo").arg(folder.path().join("b2.ts")).status();
    assert!(fifo.unwrap().success());
    small(&folder.path().join("c3.ts"));
    let mut stage =
        Stage::start(tool("cht-segwatch").args(["--follow", "--settle", "0"]).arg(folder.path()));
    let error = stage.wait_for("error");
    assert_eq!(error["code"], "unreadable");
    assert!(error["path"].as_str().unwrap().ends_with("b2.ts"), "{error}");
    stage.wait_for("segment");
    stage.signal("TERM");
    assert_eq!(stage.finish().code(), Some(1));
    assert_eq!(names(&stage), ["a1.ts", "c3.ts"]);
}

#[test]
fn fifo_for_the_growing_segment_is_an_error_and_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let (mut recv, address) = recorder(folder.path(), "--session-id call --once");
    let session = folder.path().join("call");
    let fifo = Command::new("mkfifo").arg(session.join("stream/open.json")).status();
    assert!(fifo.unwrap().success());
    let mut stage = Stage::start(tool("cht-segwatch").arg("--follow").arg(&session));
    let error = stage.wait_for("error");
    assert!(error["message"].as_str().unwrap().contains("open.json: not a regular file (a FIFO)"));
    let clip = folder.path().join("clip.ts");
    small(&clip);
    TcpStream::connect(address).unwrap().write_all(&fs::read(&clip).unwrap()).unwrap();
    recv.finish();
    stage.finish();
    assert_eq!(stage.of_type("error").len(), 1, "{:?}", stage.events);
    assert_eq!(names(&stage), ["segment_000001.ts"]);
}

#[test]
fn a_segment_that_is_still_written_is_left_out_of_a_list() {
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
