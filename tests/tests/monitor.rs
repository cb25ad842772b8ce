//! cht-monitor feeds a player, which cannot disturb the recorder.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Stdio,
};

use cht_tests::{
    Pipeline, QUICK, Recorder, Shim, b3sum, generate, generated, make_fifo, recording, source,
    stamps, tool,
};

#[test]
fn session_is_followed_to_its_end_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = source(6.0);
    let mut pipeline = Pipeline::start(folder.path(), "--once --segment-time 2", "");
    let mut sender = TcpStream::connect(&pipeline.address).unwrap();
    sender.write_all(&bytes[..1000]).unwrap();
    let mut monitor = tool("cht-monitor")
        .args(["--stdout", "--from-start"])
        .arg(&pipeline.session)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    sender.write_all(&bytes[1000..]).unwrap();
    drop(sender);
    let mut shown = Vec::new();
    monitor.stdout.take().unwrap().read_to_end(&mut shown).unwrap();
    assert!(monitor.wait().unwrap().success());
    assert_eq!(b3sum(&shown), b3sum(&bytes));
    pipeline.succeed();
}

#[test]
fn player_begins_with_tables_and_newest_keyframe() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    generate(&path, &[("testsrc2=s=320x240:r=25", 4.0)], QUICK);
    let mut pipeline = Pipeline::start(folder.path(), "", "");
    let mut sender = TcpStream::connect(&pipeline.address).unwrap();
    sender.write_all(&fs::read(&path).unwrap()).unwrap();
    pipeline.index.wait_for("frame");
    drop(sender);
    pipeline.index.wait_for("segment_done");
    let newest = tool("cht-monitor")
        .args(["--stdout", "--sessions"])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    cht_tests::signal(&pipeline.stages[0], "TERM");
    pipeline.succeed();
    let shown = newest.wait_with_output().unwrap();
    assert!(shown.status.success());
    let whole = recording(&pipeline.session);
    assert!(!shown.stdout.is_empty() && shown.stdout.len() < whole.len() / 2);
    // PAT first, then the recorded bytes.
    assert_eq!(shown.stdout[..3], [0x47, 0x40, 0x00]);
    assert!(whole.ends_with(&shown.stdout[shown.stdout.len() - 188 * 20..]));
}

#[test]
fn stalled_or_ended_player_does_not_disturb_recorder() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = generated(
        &[("testsrc2=s=640x480:r=25", 6.0)],
        "-c:v libx264 -preset ultrafast -qp 1 -g 25",
    );
    assert!(bytes.len() > 4_000_000, "more than pipes hold");
    let mut pipeline = Pipeline::start(folder.path(), "--once --segment-time 2", "");
    let mut sender = TcpStream::connect(&pipeline.address).unwrap();
    sender.write_all(&bytes[..1000]).unwrap();
    // One never reads, one reads a little and goes.
    let monitor = |player: &str| {
        let mut monitor = tool("cht-monitor");
        monitor.args(["--from-start", "--player", player]).arg(&pipeline.session);
        monitor.stdin(Stdio::null()).spawn().unwrap()
    };
    let mut stalled = monitor("exec sleep 600");
    let mut gone = monitor("head -c 200000 >/dev/null");
    sender.write_all(&bytes[1000..]).unwrap();
    drop(sender);
    pipeline.succeed();
    assert_eq!(b3sum(&pipeline.recording()), b3sum(&bytes));
    assert!(gone.wait().unwrap().success());
    assert!(stalled.try_wait().unwrap().is_none(), "it is still waiting for its player");
    stalled.kill().unwrap();
    stalled.wait().unwrap();
}

#[test]
fn joining_player_gets_pictures_since_keyframe_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = generated(&[("testsrc2=s=160x120:r=25", 8.0)], "-c:v libx264 -g 250 -an");
    let input = "tcp://127.0.0.1:0";
    let mut recorder = Recorder::start(input, "--once --stats-interval 0.1");
    let mut sender = TcpStream::connect(recorder.port()).unwrap();
    sender.write_all(&bytes).unwrap();
    recorder.wait_for_bytes(bytes.len());
    let fifo = folder.path().join("fifo");
    make_fifo(&fifo);
    let player = format!("exec cat >'{}'", fifo.display());
    let mut monitor = tool("cht-monitor");
    monitor.args(["--player", &player, "--sessions"]).arg(recorder.folder.path().join("sessions"));
    let mut monitor = monitor.spawn().unwrap();
    let mut player = fs::File::open(&fifo).unwrap();
    let mut shown = vec![0; bytes.len() / 188 * 188 - 188];
    player.read_exact(&mut shown).unwrap();
    drop(sender);
    player.read_to_end(&mut shown).unwrap();
    assert!(monitor.wait().unwrap().success() && recorder.stage.finish().success());
    let pictures = |ts: &[u8]| stamps::units(ts).iter().map(|unit| unit.pts.unwrap()).collect();
    let (sent, shown): (Vec<i64>, Vec<i64>) = (pictures(&bytes), pictures(&shown));
    assert_eq!((sent.len(), shown.len()), (200, 200));
    let length = |pts: &[i64]| pts.iter().max().unwrap() - pts.iter().min().unwrap();
    assert_eq!(length(&sent), 199 * 3600);
    assert!(length(&shown) < 90_000 / 2, "{}", length(&shown));
}

#[test]
fn segments_removed_before_reading_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    generate(&path, &[("testsrc2=s=160x120:r=25", 6.0)], QUICK);
    let mut pipeline = Pipeline::start(folder.path(), "--once --segment-time 1", "");
    pipeline.send(&fs::read(&path).unwrap());
    pipeline.finish();
    let removed = |names: &[u32], said: &str| {
        let segment = |n: &u32| pipeline.session.join(format!("stream/segment_{n:06}.ts"));
        names.iter().map(segment).for_each(|path| fs::remove_file(path).unwrap());
        let mut monitor = tool("cht-monitor");
        let output = monitor.args(["--stdout", "--from-start"]).arg(&pipeline.session).output();
        let output = output.unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && stderr.matches(said).count() == 1, "{stderr}");
        assert_eq!(b3sum(&output.stdout), b3sum(&recording(&pipeline.session)));
    };
    removed(&[2], "segment_000002.ts: removed by cht-recv before it was read");
    removed(&[3, 4], "segment_000002.ts and the 2 after it: removed by cht-recv before they");
}

#[test]
fn print_command_prints_players_command() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    generate(&path, &[("testsrc2=s=320x240:r=25", 1.0)], QUICK);
    let mut pipeline = Pipeline::start(folder.path(), "--once", "");
    pipeline.send(&fs::read(&path).unwrap());
    pipeline.finish();
    let print = |options: &[&str]| {
        let mut monitor = tool("cht-monitor");
        monitor.arg("--print-command").args(options).arg(&pipeline.session);
        let output = monitor.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let software = print(&["--cuda", "off"]);
    assert!(software.starts_with("ffplay ") && software.contains("-i pipe:0"), "{software}");
    assert!(!software.contains("cuvid") && !software.contains("hwaccel"));
    // To ffmpeg, none means the default of 5 s.
    assert!(!software.contains("-analyzeduration 0"), "{software}");
    assert_eq!(print(&["--player", "mpv -"]), "sh -c 'mpv -'\n");
}

#[test]
fn tools_without_inotify_poll() {
    let refusals = [
        ("SYS_inotify_init1", "EMFILE", "max_user_instances"),
        ("SYS_inotify_add_watch", "ENOSPC", "max_user_watches"),
    ];
    for (call, error, limit) in refusals {
        let folder = tempfile::tempdir().unwrap();
        let Some(shim) = Shim::refuse(folder.path(), call, error) else { return };
        let bytes = source(3.0);
        let mut pipeline = Pipeline::start(folder.path(), "--once --segment-time 1", "");
        let mut sender = TcpStream::connect(&pipeline.address).unwrap();
        sender.write_all(&bytes[..100_000]).unwrap();
        let run = |name: &str, options: &[&str]| {
            let mut command = tool(name);
            shim.load(command.args(options).arg(&pipeline.session));
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let mut shown = vec![0; 50_000];
        let mut monitor = run("cht-monitor", &["--stdout", "--from-start"]);
        monitor.stdout.as_mut().unwrap().read_exact(&mut shown).unwrap();
        let follower = run("cht-segwatch", &["--follow"]);
        sender.write_all(&bytes[100_000..]).unwrap();
        drop(sender);
        let [monitor, follower] = [monitor, follower].map(|it| it.wait_with_output().unwrap());
        for output in [&monitor, &follower] {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.matches(limit).count() == 1, "{said}");
        }
        shown.extend(monitor.stdout);
        assert_eq!(b3sum(&shown), b3sum(&bytes));
        let events = String::from_utf8_lossy(&follower.stdout);
        assert!(events.matches("\"type\":\"segment\"").count() >= 3, "{events}");
        pipeline.succeed();
    }
}
