//! cht-recv's inputs other than TCP and datagrams: whether they are bit exact, and how each begins
//! and ends.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::Path,
    process::{Child, Command, Stdio},
};

use cht_tests::{
    Recorder, b3sum, clip, ffmpeg, free_port, make_script, refused, send_file, sender,
    wait_for_end, words,
};

#[test]
fn unix_socket_is_recorded_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cht.sock");
    let url = format!("unix:{}", path.display());
    let clip = clip(&folder, 1.0);
    let bytes = fs::read(&clip).unwrap();
    // Of a program that was killed.
    drop(UnixListener::bind(&path).unwrap());
    let mut recv = Recorder::start(&url, "");
    assert_eq!(recv.address, url);
    let file = fs::metadata(&path).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    let said = refused(&format!("--input {url}"));
    assert!(said.contains("another program listens there"), "{said}");

    let mut first = UnixStream::connect(&path).unwrap();
    first.write_all(&bytes[..5000]).unwrap();
    let peer = recv.stage.wait_for("connected")["peer"].clone();
    assert!(peer.as_str().unwrap().starts_with(&format!("pid {} of", std::process::id())));
    first.write_all(&bytes[5000..]).unwrap();
    drop(first);
    assert_eq!(recv.reason(), "end of stream");
    assert!(sender(&clip, "-f mpegts", &url).status().unwrap().success());
    let sent = recv.stage.wait_for("disconnected")["bytes"].as_u64().unwrap();
    recv.stop();
    let recorded = recv.recording();
    assert_eq!(b3sum(&recorded[..bytes.len()]), b3sum(&bytes));
    assert_eq!(recorded.len() as u64, bytes.len() as u64 + sent);
    assert!(!path.exists(), "the socket is left behind");
}

#[test]
fn second_sender_at_unix_socket_replaces_first_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("unix:{}/s", folder.path().display());
    let mut recv = Recorder::start(&url, "--second-sender replace");
    let mut first = UnixStream::connect(folder.path().join("s")).unwrap();
    first.write_all(&[1; 1880]).unwrap();
    recv.stage.wait_for("connected");
    let mut second = UnixStream::connect(folder.path().join("s")).unwrap();
    second.write_all(&[2; 1880]).unwrap();
    assert_eq!(recv.reason(), "replaced");
    drop(second);
    assert_eq!(recv.reason(), "end of stream");
    recv.stop();
    assert_eq!(recv.recording(), [[1; 1880], [2; 1880]].concat());
}

#[test]
fn http_request_at_unix_socket_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let mut recv = Recorder::start(&format!("unix:{}", path.display()), "--once");
    UnixStream::connect(&path).unwrap().write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(recv.stage.wait_for("error")["code"], "foreign_protocol");
    UnixStream::connect(&path).unwrap().write_all(b"GETTING THERE").unwrap();
    assert_eq!(recv.stage.finish().code(), Some(1));
    assert_eq!(recv.recording(), b"GETTING THERE");
}

#[test]
fn file_at_socket_path_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("precious");
    fs::write(&path, "mine").unwrap();
    let said = refused(&format!("--input unix:{}", path.display()));
    assert!(said.contains("something else than a socket is there"), "{said}");
    assert_eq!(fs::read(&path).unwrap(), b"mine");
}

#[test]
fn stdin_is_recorded_bit_for_bit_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = clip(&folder, 2.0);
    let bytes = fs::read(&path).unwrap();
    // A pipe.
    let mut cat = Command::new("cat").arg(&path).stdout(Stdio::piped()).spawn().unwrap();
    let mut recv = Recorder::with_stdin("-", "--segment-time 1", cat.stdout.take().unwrap().into());
    assert_eq!((recv.reason(), recv.stage.finish().code()), ("end of stream".to_owned(), Some(0)));
    cat.wait().unwrap();
    assert_eq!(b3sum(&recv.recording()), b3sum(&bytes));
    assert_eq!(recv.stage.of_type("connected")[0]["peer"], "stdin");
    // A file.
    let mut recv = Recorder::with_stdin("-", "", fs::File::open(&path).unwrap().into());
    assert!(recv.stage.finish().success());
    assert_eq!(b3sum(&recv.recording()), b3sum(&bytes));
}

#[test]
fn quiet_stdin_can_be_stopped() {
    let mut writer =
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut recv = Recorder::with_stdin("-", "", writer.stdout.take().unwrap().into());
    // Before its first byte, and after it.
    writer.stdin.as_ref().unwrap().write_all(&[0x47; 188]).unwrap();
    recv.stage.wait_for("connected");
    recv.stop();
    assert_eq!(recv.recording(), [0x47; 188]);
    let mut recv = Recorder::with_stdin("-", "", Stdio::piped());
    recv.stop();
    writer.kill().unwrap();
    writer.wait().unwrap();
}

/// Checks the number of frames; a sender that closes at once loses those that SRT holds for its
/// latency of 120 ms.
fn assert_nearly_all(frames: usize) {
    assert!((65..=75).contains(&frames), "{frames} of 75");
}

#[test]
fn srt_is_received_with_passphrase_only_and_never_prints_it() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(&folder, 3.0);
    let port = free_port();
    let url = |pass: &str| format!("srt://127.0.0.1:{port}?passphrase={pass}");
    let listen = format!("{}&mode=listener", url("right-secret"));
    let mut recv = Recorder::start(&listen, "--once");
    assert_eq!(recv.address, format!("srt://127.0.0.1:{port}"));
    while !recv.said().contains("a sender was sent away: Incorrect passphrase") {
        assert!(!sender(&clip, "-f mpegts", &url("wrong-secret")).status().unwrap().success());
    }
    send_file(&clip, "-f mpegts", &url("right-secret"));
    assert_eq!(recv.reason(), "end of stream");
    assert!(recv.stage.finish().success());
    assert_nearly_all(recv.frames());
    assert!(!recv.tells("secret"), "{}", recv.said());
}

#[test]
fn srt_is_fetched_and_wrong_passphrase_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(&folder, 3.0);
    let port = free_port();
    let listen = format!("srt://127.0.0.1:{port}?mode=listener&passphrase=right-secret");
    let mut source = sender(&clip, "-f mpegts", &listen).spawn().unwrap();
    let mut recv = Recorder::start(&format!("srt://127.0.0.1:{port}?passphrase=wrong-secret"), "");
    recv.wait_for_word("Incorrect passphrase");
    recv.stop();
    assert!(recv.said().contains("it is tried again") && !recv.tells("secret"), "{}", recv.said());
    let mut recv =
        Recorder::start(&format!("srt://127.0.0.1:{port}?passphrase=right-secret"), "--once");
    assert!(recv.stage.finish().success());
    source.wait().unwrap();
    assert_nearly_all(recv.frames());
}

#[test]
fn rtmp_is_received_from_successive_publishers() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(&folder, 3.0);
    let url = format!("rtmp://127.0.0.1:{}/live/streamkey", free_port());
    let mut recv = Recorder::start(&url, "");
    for _ in 0..2 {
        send_file(&clip, "-f flv", &url);
        recv.reason();
    }
    recv.stop();
    assert_eq!(recv.frames(), 150);
    assert!(recv.address.ends_with("/live") && !recv.tells("streamkey"), "{}", recv.said());
}

/// Starts a server of a folder, and returns its address.
fn http_server(folder: &Path) -> (Child, String) {
    let mut server = Command::new("python3")
        .args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "0", "--directory"])
        .arg(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.split("port ").nth(1).unwrap().split(' ').next().unwrap();
    (server, format!("http://127.0.0.1:{port}"))
}

#[test]
fn files_and_playlists_are_fetched_by_http_once() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(&folder, 4.0);
    let playlist = folder.path().join("list.m3u8");
    let path = clip.to_str().unwrap();
    let hls = ["-i", path, "-c", "copy", "-hls_time", "1", "-hls_list_size", "0"];
    ffmpeg(hls.iter().copied().chain([playlist.to_str().unwrap()]));
    let (mut server, url) = http_server(folder.path());
    for name in ["clip.ts", "list.m3u8"] {
        let mut recv = Recorder::start(&format!("{url}/{name}?token=very-secret"), "");
        assert_eq!(recv.reason(), "end of stream");
        // It would be the same once more.
        assert!(recv.stage.finish().success());
        assert_eq!(recv.frames(), 100, "{name}");
        assert!(!recv.tells("secret"));
    }
    let sessions = folder.path().join("s");
    let absent = format!("--input {url}/absent.ts --once --sessions {}", sessions.display());
    let said = refused(&absent);
    assert!(
        said.contains("404") && said.contains("absent.ts: ") && said.contains("nothing was taken"),
        "{said}"
    );
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn file_is_recorded_once_and_bad_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(&folder, 1.0);
    let mp4 = folder.path().join("a b.mp4");
    ffmpeg(["-i", clip.to_str().unwrap(), "-c", "copy", mp4.to_str().unwrap()]);
    for input in [mp4.display().to_string(), format!("file:{}", mp4.display())] {
        let mut recv = Recorder::start(&input, "");
        assert!(recv.stage.finish().success());
        assert_eq!((recv.frames(), recv.stage.of_type("connected").len()), (25, 1));
    }
    let said = refused("--input nothing.mp4");
    assert!(said.contains("error: nothing.mp4: no such file"), "{said}");
    let sessions = folder.path().join("s");
    let said =
        refused(&format!("--input {} --sessions {}", folder.path().display(), sessions.display()));
    assert!(said.contains(": is a folder; name a file"), "{said}");
    assert!(!sessions.exists(), "nothing is made for what cannot be read");
    let noise = folder.path().join("noise");
    fs::write(&noise, vec![7; 100_000]).unwrap();
    let said = refused(&format!("--input {} --sessions {0}.d", noise.display()));
    assert!(
        said.contains("noise: ffmpeg ended with exit status: 1: ") && said.contains("Invalid data"),
        "{said}"
    );
}

/// Returns each stream of a recording by ffprobe, as a line `codec,width,height`.
fn streams(recv: &Recorder) -> Vec<String> {
    let path = recv.folder.path().join("probed.ts");
    fs::write(&path, recv.recording()).unwrap();
    let mut probe = Command::new("ffprobe");
    probe.args(["-v", "error", "-of", "csv=p=0", "-show_entries"]);
    let output = probe.arg("stream=codec_name,width,height").arg(path).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    // Those of the program come once more.
    lines.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn file_that_ts_cannot_hold_is_refused_or_transcoded() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let video = "-f lavfi -i testsrc2=s=161x121:r=10:d=5";
    let sound = "-f lavfi -i sine=d=5:r=48000";
    fs::write(at("a.srt"), "1\n00:00:00,500 --> 00:00:01,000\nhello\n").unwrap();
    let h264 = "-vf crop=160:120 -pix_fmt yuv420p -c:v libx264 -preset ultrafast";
    for (name, options, refusal, kept) in [
        ("camera.mkv", "-c:v mjpeg -pix_fmt yuvj420p -c:a pcm_s16le", "the video is mjpeg", ""),
        ("old.avi", "-c:v msmpeg4 -c:a mp2", "the video is msmpeg4v3", "mp2"),
        ("sound.mkv", &format!("{h264} -c:a flac"), "the sound is flac", "h264"),
    ] {
        ffmpeg(words(&format!("{video} {sound} {options} {}", at(name))));
        let (input, sessions) = (at(name), at("refused"));
        let said = refused(&format!("--input {input} --sessions {sessions}"));
        assert!(said.contains(refusal) && said.contains("--transcode re-encodes it"), "{said}");
        assert!(!Path::new(&sessions).exists(), "a session was made");

        let mut recv = Recorder::start(&input, "--transcode");
        assert!(recv.stage.finish().success(), "{}", recv.said());
        let streams = streams(&recv).concat();
        assert!(streams.contains("h264") && streams.contains(kept), "{streams}");
        assert!(streams.contains("aac") || kept == "mp2", "{streams}");
        assert_eq!(recv.frames(), 50, "{}", recv.said());
        // What can be kept is kept.
        assert_eq!(
            recv.said().matches("it is re-encoded").count(),
            2 - usize::from(!kept.is_empty())
        );
    }
    // Text is no picture and no sound: ffmpeg's warning is passed on.
    let input = at("text.mkv");
    ffmpeg(words(&format!("{video} -i {} {h264} -c:s subrip {input}", at("a.srt"))));
    let mut recv = Recorder::start(&input, "");
    assert!(recv.stage.finish().success(), "{}", recv.said());
    assert!(recv.said().contains("text.mkv: ffmpeg: Stream 1, codec subrip"), "{}", recv.said());
    assert!(
        refused("--transcode --input tcp://:0")
            .contains("--transcode is for inputs that ffmpeg reads")
    );
}

/// Returns the first time of a kind of stream in the first segment, in seconds.
fn first_time(recv: &Recorder, kind: &str) -> f64 {
    let segment = recv.stage.session().join("stream/segment_000001.ts");
    let mut probe = std::process::Command::new("ffprobe");
    probe.args(["-v", "error", "-select_streams", kind]).arg(segment);
    probe.args(["-show_entries", "packet=pts_time", "-of", "default=nk=1:nw=1"]);
    let said = String::from_utf8(probe.output().unwrap().stdout).unwrap();
    said.lines().map(|line| line.parse().unwrap()).fold(f64::INFINITY, f64::min)
}

#[test]
fn encoded_pictures_keep_their_distance_from_the_sound() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("a.webm").display().to_string();
    let codecs = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus";
    let sources = "-f lavfi -i testsrc2=s=160x120:r=25:d=2 -f lavfi -i sine=d=2:r=48000";
    ffmpeg(words(&format!("{sources} {codecs} {input}")));
    let mut recv = Recorder::start(&input, "--transcode");
    assert!(recv.stage.finish().success(), "{}", recv.said());
    // In the file, pictures begin at 7 ms and sound at -7 ms: that is how WebM has Opus.
    let apart = first_time(&recv, "v") - first_time(&recv, "a");
    assert!((apart - 0.014).abs() < 0.0011, "{apart}");
}

#[test]
fn video_that_an_edit_list_hides_is_recorded_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let video = "-f lavfi -i testsrc2=s=160x90:r=25:d=4 -c:v libx264 -g 50 -pix_fmt yuv420p";
    ffmpeg(words(&format!("{video} {}", at("whole.mp4"))));
    ffmpeg(words(&format!("-ss 1.3 -i {} -c copy {}", at("whole.mp4"), at("edited.mp4"))));
    for (name, names) in [("whole.mp4", false), ("edited.mp4", true)] {
        let mut recv = Recorder::start(&at(name), "");
        assert_eq!(recv.stage.finish().code(), Some(0), "{}", recv.said());
        let says = "edited.mp4: its edit list hides 1.3 s at its beginning from players";
        assert_eq!(recv.said().contains(says), names, "{}", recv.said());
        assert_eq!(recv.said().contains("edit list"), names, "{}", recv.said());
        assert_eq!(recv.frames(), 100);
    }
}

#[test]
fn rotated_video_is_reported_or_turned() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let video = "-f lavfi -i testsrc2=s=160x90:r=25:d=1 -c:v libx264 -pix_fmt yuv420p";
    ffmpeg(words(&format!("{video} {}", at("up.mp4"))));
    let turn = "-c copy -metadata:s:v:0 rotate=90";
    ffmpeg(words(&format!("-i {} {turn} {}", at("up.mp4"), at("phone.mp4"))));
    for (options, stream, says) in [
        ("", "h264,160,90", "(--transcode turns them)"),
        ("--transcode", "h264,90,160", "it is re-encoded"),
    ] {
        let mut recv = Recorder::start(&at("phone.mp4"), options);
        assert!(recv.stage.finish().success(), "{}", recv.said());
        assert!(streams(&recv).contains(&stream.to_owned()), "{:?}", streams(&recv));
        assert_eq!(recv.said().matches(says).count(), 1, "{}", recv.said());
        assert_eq!(recv.frames(), 25);
    }
}

#[test]
fn http_server_of_what_ts_cannot_hold_ends_with_failure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("camera.mkv").display().to_string();
    ffmpeg(words(&format!(
        "-f lavfi -i testsrc2=s=160x120:r=10:d=2 -c:v mjpeg -pix_fmt yuvj420p {path}"
    )));
    let (mut server, url) = http_server(folder.path());
    let mut recv = Recorder::start(&format!("{url}/camera.mkv"), "");
    assert_eq!(recv.stage.finish().code(), Some(2));
    assert!(recv.said().contains("the video is mjpeg") && recv.recording().is_empty());
    let mut recv = Recorder::start(&format!("{url}/camera.mkv"), "--transcode");
    assert!(recv.stage.finish().success(), "{}", recv.said());
    assert_eq!((recv.frames(), recv.stage.of_type("connected").len()), (20, 1));
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn stopped_realtime_file_leaves_no_ffmpeg() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(&folder, 30.0);
    let mut recv = Recorder::start(clip.to_str().unwrap(), "--realtime");
    recv.stage.wait_for("segment_open");
    let ffmpeg = recv.child();
    recv.stop();
    wait_for_end(ffmpeg);
    let closed = recv.stage.of_type("segment_closed");
    assert_eq!(closed.last().unwrap()["end_reason"], "stopped");
    let bytes = recv.recording().len() as u64;
    assert_eq!(recv.stage.of_type("disconnected")[0]["bytes"], bytes);
    assert!(bytes > 0 && bytes < fs::metadata(clip).unwrap().len() / 2);
}

#[test]
fn crashed_ffmpeg_is_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(&folder, 60.0);
    let url = format!("srt://127.0.0.1:{}", free_port());
    let mut recv = Recorder::start(&format!("{url}?mode=listener"), "");
    let mut senders = Vec::new();
    for _ in 0..2 {
        // Each tries until it is let in.
        let script = r#"until ffmpeg -hide_banner -loglevel quiet -nostdin -re -i "$0" -c copy -f mpegts "$1"; do :; done"#;
        let mut shell = Command::new("timeout");
        shell.args(["60", "bash", "-c", script]).arg(&clip).arg(&url);
        senders.push(shell.spawn().unwrap());
        recv.stage.wait_for("connected");
        let killed = Command::new("kill").args(["-KILL", &recv.child().to_string()]).status();
        assert!(killed.unwrap().success());
        let reason = recv.reason();
        assert!(reason.starts_with("ffmpeg ended with signal: 9"), "{reason}");
    }
    for mut sender in senders {
        cht_tests::signal(&sender, "TERM");
        sender.wait().unwrap();
    }
    recv.stop();
    let connections: Vec<_> =
        recv.stage.of_type("connected").iter().map(|e| e["connection"].clone()).collect();
    assert!(connections.starts_with(&[1.into(), 2.into()]), "{connections:?}");
}

#[test]
fn killed_recorder_leaves_no_ffmpeg() {
    let port = free_port();
    let mut recv = Recorder::start(&format!("rtmp://127.0.0.1:{port}/live/key"), "");
    // From a silent client, ffmpeg has nothing to write, so it cannot notice that its reader has
    // gone.
    let silent = (0..).find_map(|_| TcpStream::connect(("127.0.0.1", port)).ok());
    let ffmpeg = recv.child();
    recv.stage.kill();
    wait_for_end(ffmpeg);
    drop(silent);
}

#[test]
fn protocol_missing_in_ffmpeg_is_named() {
    let said = refused("--input srt://127.0.0.1:1 --ffmpeg /nonexistent/ffmpeg");
    assert!(said.contains("/nonexistent/ffmpeg: cannot be run") && said.contains("install ffmpeg"));
    // The real one, but for one line.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ffmpeg");
    make_script(&path, "#!/bin/sh\nffmpeg \"$@\" | grep -vx ' *srt'\n");
    let said = refused(&format!(
        "--input srt://127.0.0.1:1?passphrase=secret --ffmpeg {}",
        path.display()
    ));
    assert!(said.contains("was built without srt; install one that has it"), "{said}");
    assert!(!said.contains("secret"));
}

#[test]
fn options_without_meaning_for_input_are_refused() {
    for (arguments, message) in [
        ("--input srt://:9 --allow 127.0.0.1", "--allow cannot be kept"),
        ("--input udp://:9 --max-bitrate 1M", "--max-bitrate makes a sender wait"),
        ("--input rtmp://:9/a/b --realtime", "--realtime is for files"),
        ("--input ftp://me:secret@host/x", "ftp://host/x: ftp:// is not received"),
        ("--input udp://host-without-port", "must be udp://HOST:PORT"),
        ("--input udp://:9?iface=lo", "iface is for multicast groups"),
    ] {
        let said = refused(arguments);
        assert!(said.contains(message) && !said.contains("secret"), "{said}");
    }
}
