//! cht-monitor feeds a player, which cannot disturb the recorder.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

use cht_tests::{
    Pipeline, QUICK, Recorder, Shim, Stage, b3sum, generate, generated, make_fifo, make_script,
    probe_frames, record, recording, send, source, stamps, tool,
};

#[test]
fn session_is_followed_to_its_end_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = source(6.0);
    let mut pipeline = Pipeline::start(folder.path(), "--once --segment-time 2", "");
    let mut sender = TcpStream::connect(&pipeline.address).unwrap();
    sender.write_all(&bytes[..1000]).unwrap();
    let mut monitor = tool("cht-monitor")
        .args(["--stdout", "--from", "start"])
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
        monitor.args(["--from", "start", "--player", player]).arg(&pipeline.session);
        monitor.stdin(Stdio::null()).spawn().unwrap()
    };
    let pid = folder.path().join("pid");
    let mut stalled = monitor(&format!("echo $$ >'{}'; exec sleep 600", pid.display()));
    let mut gone = monitor("head -c 200000 >/dev/null");
    sender.write_all(&bytes[1000..]).unwrap();
    drop(sender);
    pipeline.succeed();
    assert_eq!(b3sum(&pipeline.recording()), b3sum(&bytes));
    assert!(gone.wait().unwrap().success());
    assert!(stalled.try_wait().unwrap().is_none(), "it is still waiting for its player");
    // The player, too, which would keep the output of this test open.
    let player = fs::read_to_string(&pid).unwrap();
    assert!(Command::new("kill").args(["-KILL", player.trim()]).status().unwrap().success());
    assert!(!stalled.wait().unwrap().success(), "its player was killed");
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
        let output = monitor.args(["--stdout", "--from", "start"]).arg(&pipeline.session).output();
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
    let software = print(&["--hwaccel", "none"]);
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
        let mut monitor = run("cht-monitor", &["--stdout", "--from", "start"]);
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

/// Starts cht-monitor on the sessions of a recorder; its messages are read from it.
fn monitor(recorder: &Recorder, options: &[&str]) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut command = tool("cht-monitor");
    command.args(options).arg("--sessions").arg(recorder.folder.path().join("sessions"));
    let mut monitor = command.stderr(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(monitor.stderr.take().unwrap());
    (monitor, said.lines().map(Result::unwrap))
}

/// Returns a recorder that has recorded these bytes of a connection that is still open.
fn recorder_with(bytes: &[u8]) -> (Recorder, TcpStream) {
    let mut recorder = Recorder::start("tcp://127.0.0.1:0", "--once --stats-interval 0.1");
    let mut sender = recorder.connect();
    sender.write_all(bytes).unwrap();
    recorder.wait_for_bytes(bytes.len());
    (recorder, sender)
}

/// Whether a stream begins with its tables and a keyframe.
fn begins_well(stream: &[u8]) -> bool {
    let first = stamps::units(stream)[0].offset;
    // The muxer sets random_access_indicator.
    let is_keyframe = stream[first + 3] & 0x20 != 0 && stream[first + 5] & 0x40 != 0;
    stream.starts_with(&[0x47, 0x40, 0]) && is_keyframe
}

#[test]
fn reader_of_fifo_that_comes_back_begins_with_keyframe() {
    let bytes = generated(&[("testsrc2=s=320x240:r=25", 4.0)], "-c:v libx264 -g 50 -an");
    let (recorder, sender) = recorder_with(&bytes);
    let fifo = recorder.folder.path().join("monitor.pipe");
    let (mut monitor, mut said) = monitor(&recorder, &["--fifo", fifo.to_str().unwrap()]);
    said.find(|line| line.contains("showing")).unwrap();
    for end in ["the reader went", "the reader went"] {
        let mut read = vec![0; 188 * 20];
        fs::File::open(&fifo).unwrap().read_exact(&mut read).unwrap();
        assert!(begins_well(&read));
        said.find(|line| line.contains(end)).unwrap();
    }
    let mut last = fs::File::open(&fifo).unwrap();
    drop(sender);
    let mut rest = Vec::new();
    last.read_to_end(&mut rest).unwrap();
    assert_eq!(stamps::units(&rest).len(), 50, "the last group of pictures, to the end");
    assert!(monitor.wait().unwrap().success());
}

#[test]
fn viewers_over_http_do_not_wait_for_each_other() {
    let bytes = generated(
        &[("testsrc2=s=640x480:r=25", 4.0)],
        "-c:v libx264 -preset ultrafast -qp 1 -g 100",
    );
    assert!(bytes.len() > 2_000_000, "more than sockets hold");
    let (recorder, mut sender) = recorder_with(&bytes[..1_000_000]);
    let (mut monitor, mut said) = monitor(&recorder, &["--http", "127.0.0.1:0"]);
    let line = said.find(|line| line.contains("serving http://")).unwrap();
    let place = line.split_once("http://").unwrap().1.strip_suffix("/live.ts").unwrap();
    let ask = |path: &str| {
        let mut viewer = TcpStream::connect(place).unwrap();
        write!(viewer, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        viewer
    };
    let answer = |mut viewer: TcpStream| {
        let mut answer = Vec::new();
        viewer.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        (String::from_utf8(answer[..end].to_vec()).unwrap(), answer[end..].to_vec())
    };
    let stalled = ask("/live.ts");
    let [one, two] = [ask("/live.ts"), ask("/live.ts?as=recorded")];
    assert!(answer(ask("/other")).0.starts_with("HTTP/1.1 404 "));
    sender.write_all(&bytes[1_000_000..]).unwrap();
    drop(sender);
    let answers = [one, two].map(|viewer| std::thread::spawn(move || answer(viewer)));
    let [one, two] = answers.map(|answer| answer.join().unwrap());
    assert!(one.0.contains("Content-Type: video/mp2t\r\n"), "{}", one.0);
    assert!(begins_well(&one.1) && bytes.ends_with(&two.1[188 * 4..]));
    assert_eq!([&one.1, &two.1].map(|ts| stamps::units(ts).len()), [100, 100]);
    drop(stalled);
    assert!(monitor.wait().unwrap().success());
}

#[test]
fn viewer_over_http_that_stalls_is_reported() {
    let bytes = generated(
        &[("testsrc2=s=640x480:r=25", 4.0)],
        "-c:v libx264 -preset ultrafast -qp 1 -g 25",
    );
    let (recorder, mut sender) = recorder_with(&bytes);
    let (mut monitor, mut said) = monitor(&recorder, &["--http", "127.0.0.1:0"]);
    let line = said.find(|line| line.contains("serving http://")).unwrap();
    let place = line.split_once("http://").unwrap().1.strip_suffix("/live.ts").unwrap();
    let mut stalled = TcpStream::connect(place).unwrap();
    stalled.write_all(b"GET /live.ts HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stalled.read_exact(&mut [0; 100]).unwrap();
    // More than may wait for a viewer.
    for _ in 0..(40 << 20) / bytes.len() {
        sender.write_all(&bytes).unwrap();
    }
    drop(sender);
    let told = said.find(|line| line.contains("a viewer of --http is too slow: "));
    assert!(told.is_some_and(|line| line.contains(" of pictures (")));
    drop(stalled);
    assert!(monitor.wait().unwrap().success());
}

#[test]
fn closed_player_ends_no_other_viewer() {
    let bytes = generated(&[("testsrc2=s=160x120:r=25", 2.0)], "-c:v libx264 -g 25 -an");
    let (recorder, sender) = recorder_with(&bytes);
    let options = ["--http", "127.0.0.1:0", "--player", "head -c 3760 >/dev/null"];
    let (mut monitor, mut said) = monitor(&recorder, &options);
    let line = said.find(|line| line.contains("serving http://")).unwrap();
    let place = line.split_once("http://").unwrap().1.strip_suffix("/live.ts").unwrap();
    said.find(|line| line.contains("the player was closed; other viewers are served on")).unwrap();
    let mut viewer = TcpStream::connect(place).unwrap();
    viewer.write_all(b"GET /live.ts HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    drop(sender);
    let mut shown = Vec::new();
    viewer.read_to_end(&mut shown).unwrap();
    assert!(shown.starts_with(b"HTTP/1.1 200 OK") && shown.len() > 188 * 20);
    assert!(monitor.wait().unwrap().success());
}

#[test]
fn fifo_of_another_monitor_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = generated(&[("testsrc2=s=160x120:r=25", 2.0)], "-c:v libx264 -g 25 -an");
    record(folder.path(), &bytes, "");
    let (recorder, sender) = recorder_with(&bytes);
    let fifo = recorder.folder.path().join("monitor.pipe");
    let (mut first, mut said) = monitor(&recorder, &["--fifo", fifo.to_str().unwrap()]);
    said.find(|line| line.contains("showing")).unwrap();
    let second = || {
        let mut second = tool("cht-monitor");
        second.arg("--fifo").arg(&fifo).arg("--sessions").arg(folder.path());
        let output = second.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let is_refused = |(status, said): &(Option<i32>, String)| {
        *status == Some(2) && said.contains("another cht-monitor writes to it; name another")
    };
    let refused = second();
    assert!(is_refused(&refused), "{refused:?}");
    // While a reader is there, and after it has gone.
    let mut read = vec![0; 188 * 20];
    let mut reader = fs::File::open(&fifo).unwrap();
    reader.read_exact(&mut read).unwrap();
    assert!(is_refused(&second()) && begins_well(&read));
    drop(reader);
    said.find(|line| line.contains("the reader went")).unwrap();
    assert!(is_refused(&second()));
    drop(sender);
    assert!(first.wait().unwrap().success());
    assert_eq!(second().0, Some(0));
}

#[test]
fn events_are_passed_on_and_their_next_session_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = generated(&[("testsrc2=s=160x120:r=25", 2.0)], "-c:v libx264 -g 25 -an");
    let mut recorder = tool("cht-recv");
    recorder.args(["--session-gap", "0.001", "--sessions"]).arg(folder.path());
    recorder.args(["--listen", "tcp://127.0.0.1:0"]);
    let mut recorder = recorder.stdout(Stdio::piped()).spawn().unwrap();
    let shown = folder.path().join("shown.ts");
    let mut monitor = tool("cht-monitor");
    // The events go on after the player was closed.
    let player = format!("head -c {} >'{}'", 2 * bytes.len() - 188, shown.display());
    monitor.args(["-", "--player", &player]).stdin(recorder.stdout.take().unwrap());
    let mut monitor = Stage::start(&mut monitor);
    let listening = monitor.wait_for("listening");
    let address = listening["address"].as_str().unwrap().strip_prefix("tcp://").unwrap();
    for _ in 0..3 {
        send(address, &bytes);
        monitor.wait_for("disconnected");
    }
    let sessions = monitor.of_type("listening");
    assert!(sessions.len() >= 2, "{:#?}", monitor.events);
    cht_tests::signal(&recorder, "TERM");
    assert!(monitor.finish().success() && recorder.wait().unwrap().success());
    let shown = fs::read(&shown).unwrap();
    assert!(begins_well(&shown));
    assert!(stamps::units(&shown).len() > 60, "more than one session");
}

#[test]
fn closed_player_is_started_again_at_a_keyframe() {
    let bytes = generated(&[("testsrc2=s=160x120:r=25", 2.0)], "-c:v libx264 -g 25 -an");
    let (recorder, sender) = recorder_with(&bytes);
    let fifo = recorder.folder.path().join("fifo");
    make_fifo(&fifo);
    let player = format!("head -c 3760 >'{}'; exit 3", fifo.display());
    let (mut monitor, mut said) = monitor(&recorder, &["--restart", "--player", &player]);
    for _ in 0..2 {
        let mut shown = Vec::new();
        fs::File::open(&fifo).unwrap().read_to_end(&mut shown).unwrap();
        assert!(shown.len() == 3760 && begins_well(&shown));
        said.find(|line| line.contains("the player ended with exit status: 3")).unwrap();
        said.find(|line| line.contains("it starts again in")).unwrap();
    }
    monitor.kill().unwrap();
    monitor.wait().unwrap();
    drop(sender);
}

/// An X server without a screen, of the size of a picture. It ends with the test.
struct Screen {
    server: Child,
    display: String,
}

impl Screen {
    const SIZE: &str = "320x180";

    /// Starts it; `None` where Xvfb is not here.
    fn start() -> Option<Self> {
        let mut server = Command::new("Xvfb");
        server.args(["-displayfd", "1", "-nolisten", "tcp", "-screen", "0"]);
        server.arg(format!("{}x24", Self::SIZE)).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = server.spawn().ok()?;
        let mut number = String::new();
        BufReader::new(server.stdout.take()?).read_line(&mut number).ok()?;
        let display = format!(":{}", number.trim());
        Some(Self { server, display })
    }

    /// Returns its levels of grey, 32 by 18 of them.
    fn shot(&self) -> Vec<u8> {
        let options = ["-video_size", Self::SIZE, "-draw_mouse", "0", "-i", &self.display];
        grey(&[&["-f", "x11grab"], &options[..]].concat())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Returns the levels of grey of an input's first picture, 32 by 18 of them.
fn grey(input: &[&str]) -> Vec<u8> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-loglevel", "error", "-nostdin"]).args(input).args(["-frames:v", "1"]);
    ffmpeg.args(["-vf", "scale=32:18:flags=area,format=gray", "-f", "rawvideo", "-"]);
    ffmpeg.output().unwrap().stdout
}

#[test]
fn players_show_the_picture_on_the_screen() {
    let Some(screen) = Screen::start() else {
        println!("skipped: Xvfb is not here");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.ts");
    let picture = format!("smptehdbars=s={}:r=25,boxblur=4", Screen::SIZE);
    let bytes = generated(&[(&*picture, 3.0)], "-c:v libx264 -g 25 -an -pix_fmt yuv420p");
    fs::write(&clip, &bytes).unwrap();
    let expected = grey(&["-i", clip.to_str().unwrap()]);
    fs::write(folder.path().join("mpv.conf"), "vo=x11\nao=null\nosc=no\nosd-level=0\n").unwrap();
    let (recorder, sender) = recorder_with(&bytes);
    for player in ["ffplay", "mpv", "vlc"] {
        // VLC refuses root by an exit status.
        let version = if player == "ffplay" { "-version" } else { "--version" };
        let asked = Command::new(player).arg(version).output();
        if !asked.is_ok_and(|output| output.status.success()) {
            println!("skipped: {player} is not here, or refuses this user");
            continue;
        }
        let mut command = tool("cht-monitor");
        command.args(["--hwaccel", "none", "--player", player]);
        command.arg("--sessions").arg(recorder.folder.path().join("sessions"));
        command.env("DISPLAY", &screen.display).env("MPV_HOME", folder.path());
        command.envs([("SDL_VIDEODRIVER", "x11"), ("SDL_AUDIODRIVER", "dummy")]);
        let mut monitor = command.stderr(Stdio::null()).spawn().unwrap();
        // Each look takes a while: a player that shows nothing for so many fails.
        let shows = (0..300).any(|_| {
            let shot = screen.shot();
            let differences = shot.iter().zip(&expected).map(|(one, other)| one.abs_diff(*other));
            shot.len() == expected.len()
                && differences.map(u64::from).sum::<u64>() < 6 * expected.len() as u64
        });
        assert!(shows, "{player}");
        let players = children_of(monitor.id());
        monitor.kill().unwrap();
        monitor.wait().unwrap();
        for player in players {
            let _ = Command::new("kill").arg(player).status();
        }
    }
    drop(sender);
}

/// Returns the ids of a process's children.
fn children_of(id: u32) -> Vec<String> {
    let output = Command::new("pgrep").args(["-P", &id.to_string()]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect()
}

/// Makes an ffplay of version 5.1 with NVIDIA's decoders that runs a script.
fn fake_ffplay(folder: &Path, script: &str) -> String {
    let path = folder.join("ffplay");
    let text = format!(
        "#!/bin/sh\ncase \" $* \" in\n\
         *' -version '*) echo 'ffplay version 5.1.9';;\n\
         *' -decoders '*) echo ' V..... h264_cuvid  Nvidia';;\n\
         *' -h '*) ;;\n*) {script};;\nesac\n"
    );
    make_script(&path, &text);
    path.to_str().unwrap().to_owned()
}

#[test]
fn gpu_that_refuses_is_replaced_by_software() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = generated(&[("testsrc2=s=160x120:r=25", 2.0)], "-c:v libx264 -g 25 -an");
    record(folder.path(), &bytes, "");
    // One ends at once; the other would go on without a picture.
    for refusal in
        ["exit 1", "echo '[h264_cuvid @ 1] Cannot load libcuda.so.1' >&2; exec sleep 600"]
    {
        let script = format!(
            "case \"$*\" in *cuvid*) {refusal};; esac; echo \"$*\" >&2; exec cat >/dev/null"
        );
        let ffplay = fake_ffplay(folder.path(), &script);
        let mut monitor = tool("cht-monitor");
        monitor.env("DISPLAY", ":0").args(["--hwaccel", "cuda", "--ffplay", &ffplay]);
        monitor.arg("--sessions").arg(folder.path());
        let output = monitor.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        for message in [
            "decoding on NVIDIA's GPU (-vcodec h264_cuvid)",
            "the next way is tried",
            "decoding in software: the GPU refuses this stream",
        ] {
            assert_eq!(said.matches(message).count(), 1, "{said}");
        }
    }
}

#[test]
fn start_that_cannot_succeed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), &source(1.0), "");
    let file = folder.path().join("file");
    fs::write(&file, "kept").unwrap();
    let file = file.to_str().unwrap();
    let no_display = !fs::exists("/dev/dri").unwrap();
    for (options, display, said) in [
        (vec!["--player", "mpv"], "", "no display: neither DISPLAY nor WAYLAND_DISPLAY is set"),
        (vec!["--ffplay", "/nonexistent"], ":0", "/nonexistent: cannot be run; install ffmpeg"),
        (vec!["--player", "exit 5"], "", "the player ended with exit status: 5"),
        (vec!["--fifo", file], "", "is there and no FIFO"),
        (vec!["--http", "127.0.0.1"], "", "--http 127.0.0.1: must be HOST:PORT"),
    ] {
        if said.starts_with("no display") && !no_display {
            continue;
        }
        let mut monitor = tool("cht-monitor");
        monitor.env("DISPLAY", display).env_remove("WAYLAND_DISPLAY").env_remove("SDL_VIDEODRIVER");
        let output = monitor.args(&options).arg("--sessions").arg(folder.path()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && stderr.contains(said), "{options:?}: {stderr}");
    }
    assert_eq!(fs::read(file).unwrap(), b"kept");
}

#[test]
fn stream_begins_at_keyframe_before_asked_time() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = generated(&[("testsrc2=s=160x120:r=25", 8.0)], "-c:v libx264 -g 25 -an");
    let mut recorded = record(folder.path(), &bytes, "--segment-time 3");
    let session = recorded.session();
    recorded.finish();
    let first = stamps::units(&bytes)[0].pts.unwrap();
    for (from, seconds) in
        [("start", 0), ("5.5", 5), ("0:05.5", 5), ("-2.5", 5), ("3600", 7), ("-99", 0)]
    {
        let mut monitor = tool("cht-monitor");
        let output = monitor.args(["--stdout", "--from", from]).arg(&session).output().unwrap();
        assert!(output.status.success(), "{from}");
        let pts = stamps::units(&output.stdout)[0].pts.unwrap();
        assert_eq!(pts - first, seconds * 90_000, "{from}");
    }
}

#[test]
fn sound_alone_begins_with_newest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sound.ts");
    let mut encoder = Command::new("ffmpeg");
    encoder.args(["-hide_banner", "-loglevel", "error", "-f", "lavfi", "-i", "sine=330:d=6"]);
    assert!(encoder.args(["-c:a", "aac"]).arg(&path).status().unwrap().success());
    let bytes = fs::read(&path).unwrap();
    record(folder.path(), &bytes, "");
    let mut monitor = tool("cht-monitor");
    let output = monitor.arg("--stdout").arg("--sessions").arg(folder.path()).output().unwrap();
    assert!(output.status.success() && output.stdout.starts_with(&[0x47, 0x40, 0]));
    assert!(output.stdout.len() < bytes.len() / 4, "{}", output.stdout.len());
}

#[test]
fn one_of_several_programs_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mux.ts");
    let mut encoder = Command::new("ffmpeg");
    encoder.args([
        "-hide_banner",
        "-loglevel",
        "error",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=160x120:d=3",
    ]);
    encoder.args(["-f", "lavfi", "-i", "testsrc2=s=320x240:d=3", "-f", "lavfi", "-i", "sine=d=3"]);
    encoder.args(["-map", "0:v", "-map", "1:v", "-map", "2:a", "-c:v", "libx264", "-g", "25"]);
    encoder.args(["-program", "program_num=1:st=0", "-program", "program_num=2:st=1:st=2"]);
    assert!(encoder.arg(&path).status().unwrap().success());
    let recorded = record(folder.path(), &fs::read(&path).unwrap(), "");
    let show = |options: &[&str]| {
        let mut monitor = tool("cht-monitor");
        monitor.args(["--stdout", "--from", "start"]).args(options).arg(recorded.session());
        let output = monitor.output().unwrap();
        let shown = folder.path().join("shown.ts");
        fs::write(&shown, &output.stdout).unwrap();
        let mut probe = Command::new("ffprobe");
        probe.args(["-v", "error", "-show_entries", "stream=codec_type,width", "-of", "csv=p=0"]);
        let streams = probe.arg(&shown).output().unwrap().stdout;
        let said = String::from_utf8(output.stderr).unwrap();
        let mut streams: Vec<_> =
            String::from_utf8(streams).unwrap().lines().map(str::to_owned).collect();
        streams.retain(|line| !line.is_empty());
        streams.sort();
        streams.dedup();
        (streams, probe_frames(&shown).len(), output.status.code(), said)
    };
    let (streams, frames, status, said) = show(&["--program", "2"]);
    assert_eq!((frames, status), (75, Some(0)), "{said}");
    assert_eq!(streams, ["audio", "video,320"]);
    let (streams, frames, ..) = show(&["--stream", "0"]);
    assert_eq!((streams, frames), (vec!["video,160".to_owned()], 75));
    let (streams, _, status, said) = show(&["--program", "3"]);
    assert!(streams.is_empty() && status == Some(1), "{streams:?} {said}");
    assert_eq!(said.matches("it has program 1: 0x100 h264; program 2: ").count(), 1, "{said}");
}
