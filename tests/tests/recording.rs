//! cht-recv records exactly the received bytes.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests panic at wrong values, and print the names of skipped parts"
)]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    path::Path,
    process::Stdio,
};

use cht_tests::{
    QUICK, Shim, Stage, Tmpfs, b3sum, count_frames, ffmpeg, generate, generated, listen, make_fifo,
    of_type, recorder, recording, send, send_in_thread, source, tool, words,
};
use serde_json::Value;

/// Sends bytes to a recorder with `--once`; its events and its session's bytes.
fn record(bytes: &[u8], options: &str) -> (Vec<Value>, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let mut recv = cht_tests::record(folder.path(), bytes, options);
    let recorded = recording(&recv.session());
    (std::mem::take(&mut recv.events), recorded)
}

#[test]
fn null_packets_several_programs_and_private_data_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cbr.ts");
    ffmpeg(words(&format!(
        "-f lavfi -i testsrc2=s=320x240:r=25:d=6 -f lavfi -i mandelbrot=s=320x240:r=25 \
         -f lavfi -i sine=d=6 -map 0 -map 1 -map 2 -t 6 {QUICK} -pix_fmt yuv420p -c:a mp2 \
         -program title=a:st=0:st=2 -program title=b:st=1 -muxrate 6M -f mpegts {}",
        path.display()
    )));
    let mut bytes = fs::read(&path).unwrap();
    // A PID that no table lists, with payload of its own.
    let at = 188 * (bytes.len() / 376);
    let mut private = [0x5A; 188];
    private[..4].copy_from_slice(&[0x47, 0x1A, 0xBC, 0x10]);
    bytes.splice(at..at, private);
    assert!(bytes.chunks(188).any(|packet| packet[1] & 0x1F == 0x1F && packet[2] == 0xFF));
    let (events, recorded) = record(&bytes, "--segment-time 1");
    assert_eq!(b3sum(&recorded), b3sum(&bytes));
    let closed = of_type(&events, "segment_closed");
    assert!(closed.len() >= 5, "{} segments", closed.len());
    let mut offset = 0;
    for segment in closed {
        assert_eq!(segment["offset"], offset);
        let length = segment["bytes"].as_u64().unwrap();
        let part = &bytes[offset as usize..(offset + length) as usize];
        assert_eq!(segment["blake3"], b3sum(part));
        offset += length;
    }
}

#[test]
fn segments_begin_with_tables_and_keyframe() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    generate(&path, &[("testsrc2=s=320x240:r=25", 6.0)], QUICK);
    let sessions = folder.path().join("sessions");
    let (mut recv, address) = recorder(&sessions, "--once --segment-time 2");
    send(&address, &fs::read(&path).unwrap());
    assert!(recv.finish().success());
    let mut frames = 0;
    let closed = recv.of_type("segment_closed");
    for segment in &closed {
        let path = segment["path"].as_str().unwrap();
        // Alone, each decodes completely: it begins with PAT, PMT and a keyframe.
        frames += count_frames(Path::new(path), true);
    }
    assert_eq!((closed.len(), frames), (3, 150));
    let starts: Vec<i64> =
        closed.iter().map(|segment| segment["timeline"]["offset"].as_i64().unwrap()).collect();
    assert_eq!(starts, [0, 180_000, 360_000]);
}

#[test]
fn sender_dying_within_packet_loses_nothing_sent() {
    let bytes = source(2.0);
    let cut = &bytes[..bytes.len() / 2 / 188 * 188 + 77];
    let (events, recorded) = record(cut, "");
    assert_eq!(b3sum(&recorded), b3sum(cut));
    assert_eq!(of_type(&events, "disconnected")[0]["bytes"], cut.len());
    assert_eq!(of_type(&events, "segment_closed")[0]["end_reason"], "disconnected");
}

#[test]
fn non_ts_input_is_recorded() {
    let garbage: Vec<u8> =
        (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let (events, recorded) = record(&garbage, "");
    assert_eq!(b3sum(&recorded), b3sum(&garbage));
    assert_eq!(of_type(&events, "segment_open").len(), 1);
    let (_, recorded) = record(b"", "");
    assert!(recorded.is_empty());
}

#[test]
fn connections_share_a_session() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = source(1.0);
    let (mut recv, address) = recorder(&folder.path().join("sessions"), "");
    for _ in 0..2 {
        send(&address, &bytes);
        recv.wait_for("disconnected");
    }
    recv.stop();
    assert_eq!(b3sum(&recording(&recv.session())), b3sum(&[&bytes[..], &bytes[..]].concat()));
    let closed = recv.of_type("segment_closed");
    assert_eq!((&closed[0]["connection"], &closed[1]["connection"]), (&1.into(), &2.into()));
    let offset = |n: usize| closed[n]["timeline"]["offset"].as_i64().unwrap();
    assert!(offset(1) > offset(0) + 80_000, "the second connection comes behind the first");
}

#[test]
fn named_session_is_continued() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = source(1.0);
    let mut offsets = Vec::new();
    for _ in 0..2 {
        let options = "--once --session-id call";
        let (mut recv, address) = recorder(folder.path(), options);
        send(&address, &bytes);
        assert!(recv.finish().success());
        let closed = recv.of_type("segment_closed")[0];
        offsets.push((closed["seq"].clone(), closed["timeline"]["offset"].as_i64().unwrap()));
    }
    assert_eq!(offsets[0], (1.into(), 0));
    assert_eq!(offsets[1].0, 2);
    assert!(offsets[1].1 >= 90_000, "{offsets:?}");
    let recorded = recording(&folder.path().join("call"));
    assert_eq!(b3sum(&recorded), b3sum(&[&bytes[..], &bytes[..]].concat()));
}

#[test]
fn signal_closes_and_announces_last_segment() {
    for name in ["INT", "TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let bytes = source(1.0);
        let (mut recv, address) = recorder(&folder.path().join("sessions"), "");
        let mut sender = TcpStream::connect(&address).unwrap();
        sender.write_all(&bytes).unwrap();
        recv.wait_for("segment_open");
        // As coreutils' `timeout` does: to the program, and at once to its group.
        recv.signal(name);
        recv.signal(name);
        assert!(recv.finish().success(), "{name}");
        let closed = recv.of_type("segment_closed")[0];
        assert_eq!(closed["end_reason"], "stopped");
        let recorded = recording(&recv.session());
        // The socket may still have held the end of the stream; all bytes read are there.
        assert_eq!(recorded, bytes[..recorded.len()]);
        // The sender notices that the recorder has gone.
        sender.shutdown(Shutdown::Write).unwrap();
        let _ = sender.read(&mut [0; 1]);
    }
}

#[test]
fn full_stderr_does_not_disturb_recording() {
    let folder = tempfile::tempdir().unwrap();
    let (mut nobody, stderr) = std::io::pipe().unwrap();
    // Full, so that not a single message goes in.
    let room = rustix::pipe::fcntl_getpipe_size(&stderr).unwrap();
    (&stderr).write_all(&vec![b'.'; room]).unwrap();
    let mut command = tool("cht-recv");
    let (mut recv, address) = listen(command.arg("--sessions").arg(folder.path()).stderr(stderr));
    drop(command);
    let bytes = b"nobody reads what is said ".repeat(1 << 20);
    let sender = TcpStream::connect(&address).unwrap();
    (&sender).write_all(&bytes[..9]).unwrap();
    // Something to say: another one is sent away while this one sends.
    recv.wait_for("connected");
    let mut second = TcpStream::connect(&address).unwrap();
    for part in bytes[9..].chunks(1 << 20) {
        (&sender).write_all(part).unwrap();
    }
    assert!(!matches!(second.read(&mut [0]), Ok(1..)), "it was served");
    sender.shutdown(Shutdown::Write).unwrap();
    assert_eq!(recv.wait_for("disconnected")["bytes"], bytes.len());
    // Once stderr is read, no message is lost.
    nobody.read_exact(&mut vec![0; room]).unwrap();
    recv.stop();
    let mut said = String::new();
    nobody.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("cht-recv: recording into "), "{said}");
    assert!(said.contains("another sender is connected"), "{said}");
    assert_eq!(b3sum(&recording(&recv.session())), b3sum(&bytes));

    // Nor does it stop the end.
    let (_nobody, stderr) = std::io::pipe().unwrap();
    let room = rustix::pipe::fcntl_getpipe_size(&stderr).unwrap();
    (&stderr).write_all(&vec![b'.'; room]).unwrap();
    let mut command = tool("cht-recv");
    listen(command.arg("--sessions").arg(folder.path()).stderr(stderr)).0.stop();
}

#[test]
fn closed_or_stalled_stdout_does_not_disturb_recording() {
    let folder = tempfile::tempdir().unwrap();
    let bytes =
        generated(&[("testsrc2=s=320x240:r=25", 4.0)], "-c:v libx264 -preset ultrafast -g 1");
    let (mut recv, address) =
        recorder(&folder.path().join("sessions"), "--once --segment-time 0.04");
    let session = recv.session();
    // From now on stdout is not read.
    send(&address, &bytes);
    let status = recv.child.wait().unwrap();
    assert!(status.code().is_some());
    assert_eq!(b3sum(&recording(&session)), b3sum(&bytes));

    let mut command = tool("cht-recv");
    command.args(["--listen", "tcp://127.0.0.1:0", "--once", "--sessions"]);
    let mut child = command
        .arg(folder.path().join("closed"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    drop(stdout);
    let listening: Value = serde_json::from_str(&line).unwrap();
    let address = listening["address"].as_str().unwrap().strip_prefix("tcp://").unwrap();
    send(address, &bytes);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said.matches("stdout was closed by its reader").count(), 1, "{said}");
    let session = Path::new(listening["session"].as_str().unwrap());
    assert_eq!(b3sum(&recording(session)), b3sum(&bytes));
}

/// Kills the recorder at moments that a fixed seed chooses, while 100 Mbit/s come in.
#[test]
fn killed_recorder_loses_nothing_written() {
    let rounds: u64 = std::env::var("CHT_KILLS").map_or(12, |kills| kills.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let encoder = "-c:v libx264 -preset ultrafast -g 5 -b:v 100M -maxrate 100M -bufsize 20M";
    let bytes = generated(&[("testsrc2=s=1280x720:r=25,noise=alls=70:allf=t", 2.0)], encoder);
    let rate = bytes.len() as f64 * 8.0 / 2.0;
    assert!((80e6..150e6).contains(&rate), "{rate} bits per second");
    let sent = [&bytes[..], &bytes[..]].concat();
    let sessions = folder.path().join("sessions");
    let mut known = Known::default();
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut left = 0;
    for round in 0..rounds {
        let options = "--session-id call --segment-time 0.2 --max-bitrate 100M";
        let (mut recv, address) = recorder(&sessions, options);
        // What the last round left is adopted before the recorder listens.
        let new = known.check(&sessions.join("call"));
        assert_eq!(b3sum(&new), b3sum(&sent[..new.len()]), "round {round}: not what was sent");
        assert_eq!(written(&sessions.join("call")), left, "round {round}: not what was written");
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The kill comes after a random number of segments, and the sender may have ended by then.
        let (segments, more) = ((random >> 33) % 5, (random >> 40) as usize % bytes.len());
        let stream = sent[..bytes.len() + more].to_owned();
        let mut socket = TcpStream::connect(address).unwrap();
        // The recorder dies under it, sooner or later.
        let sender = std::thread::spawn(move || drop(socket.write_all(&stream)));
        for _ in 0..segments {
            recv.wait_for("segment_closed");
        }
        recv.kill();
        sender.join().unwrap();
        left = written(&sessions.join("call"));
    }
    let (mut recv, _) = recorder(&sessions, "--session-id call");
    known.check(&sessions.join("call"));
    assert_eq!(written(&sessions.join("call")), left);
    recv.stop();
    // All of it once more, to the byte.
    let all = check_session(&sessions.join("call"));
    assert_eq!(b3sum(&all), known.hasher.finalize().to_hex().to_string());
    assert!(!all.is_empty());
    // The playlist lists them, in order.
    let playlist = fs::read_to_string(sessions.join("call/stream/session.m3u8")).unwrap();
    let mut listed = playlist.lines().filter(|line| line.starts_with("segment_")).peekable();
    for line in known.record.lines() {
        let closed: Value = serde_json::from_str(line).unwrap();
        let name = closed["path"].as_str().unwrap().rsplit('/').next().unwrap();
        // One that was cut off before its first picture has no time.
        let is_listed = listed.next_if_eq(&name).is_some();
        assert!(is_listed || closed["end_reason"] == "recovered", "{name}: {playlist}");
    }
    assert_eq!(listed.next(), None, "{playlist}");
    assert!(playlist.ends_with("#EXT-X-ENDLIST\n"), "{playlist}");
}

/// Returns the size of all segments of a session, finished or not.
fn written(session: &Path) -> u64 {
    let entries = fs::read_dir(session.join("stream")).unwrap().map(|entry| entry.unwrap());
    let segments = entries.filter(|e| e.file_name().to_str().unwrap().starts_with("segment_"));
    segments.map(|segment| segment.metadata().unwrap().len()).sum()
}

/// Checked part of a session, of which only new segments are read.
#[derive(Default)]
struct Known {
    record: String,
    sizes: Vec<(String, u64)>,
    hasher: blake3::Hasher,
}

impl Known {
    /// Checks that record and files agree and known parts are unchanged, and returns the new bytes.
    fn check(&mut self, session: &Path) -> Vec<u8> {
        let path = session.join("stream/segments.ndjson");
        let record = fs::read_to_string(path).unwrap_or_default();
        assert!(record.starts_with(&self.record), "a line was lost or changed");
        let mut new = Vec::new();
        for line in record[self.record.len()..].lines() {
            let closed: Value = serde_json::from_str(line).unwrap();
            assert_eq!(
                closed["seq"],
                self.sizes.len() as u64 + 1,
                "numbers without a gap, each once"
            );
            let path = closed["path"].as_str().unwrap();
            let segment = fs::read(path).unwrap();
            assert_eq!(closed["bytes"], segment.len());
            assert_eq!(closed["blake3"], b3sum(&segment));
            self.sizes.push((path.to_owned(), segment.len() as u64));
            new.extend(segment);
        }
        self.record = record;
        for (path, size) in &self.sizes {
            assert_eq!(fs::metadata(path).unwrap().len(), *size, "{path}");
        }
        // Nothing lies there that the record does not know.
        let entries = fs::read_dir(session.join("stream")).unwrap().map(|entry| entry.unwrap());
        let segments = entries.filter(|e| e.file_name().to_str().unwrap().starts_with("segment_"));
        assert_eq!(segments.count(), self.sizes.len());
        self.hasher.update(&new);
        new
    }
}

/// Checks that record and files of a session agree, and returns the bytes of its segments.
fn check_session(session: &Path) -> Vec<u8> {
    let mut known = Known::default();
    let bytes = known.check(session);
    assert_eq!(b3sum(&recording(session)), b3sum(&bytes));
    bytes
}

#[test]
fn segment_left_in_another_session_is_adopted() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = source(1.0);
    let (mut killed, address) = recorder(folder.path(), "--session-id first");
    send(&address, &bytes);
    killed.wait_for("segment_open");
    killed.kill();
    let session = folder.path().join("first");
    // As a kill leaves it that comes while tables are written.
    let unfinished = session.join("stream/.psi_000001.ts.cht-tmp");
    fs::write(&unfinished, "half").unwrap();
    let (mut recv, _) = recorder(folder.path(), "--session-id second");
    let known = check_session(&session);
    assert!(!unfinished.exists());
    assert!(!known.is_empty() && bytes.starts_with(&known));
    recv.stop();
    // Either the end of the connection or the kill came first.
    if let Some(closed) = recv.of_type("segment_closed").first() {
        assert_eq!(closed["end_reason"], "recovered");
        assert_eq!(closed["timeline"]["offset"], 0);
    }
}

#[test]
fn unnoted_segment_after_disconnection_gets_new_connection() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = source(1.0);
    // Within a picture, as a sender is cut off; its clock goes on in what it sends next.
    let (first, next) = bytes.split_at(bytes.len() / 2 / 188 * 188);
    let (mut recv, address) = recorder(folder.path(), "--session-id call");
    send(&address, first);
    recv.wait_for("disconnected");
    recv.stop();
    // Killed before it could note whose the segment is.
    fs::write(folder.path().join("call/stream/segment_000002.ts.part"), next).unwrap();
    let (mut recv, _) = recorder(folder.path(), "--session-id call");
    recv.stop();
    let [closed] = &recv.of_type("segment_closed")[..] else { panic!("{:?}", recv.events) };
    assert_eq!((&closed["connection"], &closed["offset"]), (&2.into(), &0.into()), "{closed}");
    assert_eq!(check_session(&folder.path().join("call")), bytes);
}

#[test]
fn full_disk_makes_sender_wait_and_loses_nothing() {
    let Some(disk) = Tmpfs::mount(8) else { return };
    let bytes = generated(
        &[("testsrc2=s=640x480:r=25", 4.0)],
        "-c:v libx264 -preset ultrafast -g 5 -b:v 8M",
    );
    assert!((2_000_000..7_500_000).contains(&bytes.len()), "{}", bytes.len());
    // Room for half of it.
    let filler = disk.path().join("filler");
    fs::write(&filler, vec![0; (8 << 20) - bytes.len() / 2]).unwrap();
    let (mut recv, address) = recorder(disk.path(), "--once --segment-time 0.5");
    let sender = send_in_thread(&address, &bytes);
    let error = recv.wait_for("error");
    assert_eq!(error["code"], "disk");
    assert!(error["message"].as_str().unwrap().contains("No space left on device"), "{error}");
    fs::remove_file(filler).unwrap();
    assert_eq!(recv.finish().code(), Some(1), "it says that something was wrong");
    sender.join().unwrap();
    assert_eq!(b3sum(&check_session(&recv.session())), b3sum(&bytes));
    assert_eq!(recv.of_type("error").len(), 1, "said once");
    let reasons: Vec<_> =
        recv.of_type("segment_closed").iter().map(|closed| closed["end_reason"].clone()).collect();
    assert!(reasons.contains(&"disk".into()), "{reasons:?}");
}

/// Function that puts an unexpected entry into a session's `stream/`.
type Oddity = fn(&Path);

/// Unexpected entries of a session on disk, named like files of cht-recv.
const ODDITIES: [(&str, Oddity); 10] = [
    ("a folder", |stream| fs::create_dir(stream.join("segment_000099.ts")).unwrap()),
    ("a folder that grows", |stream| {
        fs::create_dir(stream.join("segment_000099.ts.part")).unwrap();
    }),
    ("a dangling link", |stream| {
        std::os::unix::fs::symlink("/nonexistent", stream.join("segment_000099.ts")).unwrap();
    }),
    ("a FIFO", |stream| make_fifo(&stream.join("segment_000099.ts.part"))),
    ("a socket", |stream| {
        std::os::unix::net::UnixListener::bind(stream.join("segment_000099.ts")).unwrap();
    }),
    ("a folder for a record", |stream| {
        let _ = fs::remove_file(stream.join("segments.ndjson"));
        fs::create_dir(stream.join("segments.ndjson")).unwrap();
    }),
    ("a FIFO for a record", |stream| {
        let _ = fs::remove_file(stream.join("segments.ndjson"));
        make_fifo(&stream.join("segments.ndjson"));
    }),
    ("a file that no segment is as large as", |stream| {
        let part = fs::File::create(stream.join("segment_000099.ts.part")).unwrap();
        part.set_len(100 << 30).unwrap();
    }),
    ("a folder for what grows", |stream| fs::create_dir(stream.join("open.json")).unwrap()),
    ("a folder for the playlist", |stream| {
        let _ = fs::remove_file(stream.join("session.m3u8"));
        fs::create_dir_all(stream.join("session.m3u8/x")).unwrap();
        fs::write(stream.join("segments.ndjson"), "\0\0{\"v\":1}\n\u{fffd}\n{").unwrap();
    }),
];

#[test]
fn odd_entries_in_old_sessions_do_not_stop_recording() {
    let folder = tempfile::tempdir().unwrap();
    let sessions = folder.path().join("sessions");
    for (n, (_, put)) in ODDITIES.iter().enumerate() {
        let stream = sessions.join(format!("old{n}/stream"));
        fs::create_dir_all(&stream).unwrap();
        put(&stream);
    }
    let bytes = b"what comes now ".repeat(1000);
    // At the start, and in the middle of the service.
    let (mut recv, address) = recorder(&sessions, "--session-gap 0.001");
    for _ in 0..2 {
        send(&address, &bytes);
        recv.wait_for("disconnected");
    }
    assert_eq!(recv.terminate().code(), Some(1), "something was wrong");
    let listening = recv.of_type("listening");
    assert_eq!(listening.len(), 2);
    for event in listening {
        let session = Path::new(event["session"].as_str().unwrap());
        assert_eq!(b3sum(&recording(session)), b3sum(&bytes));
    }
    let errors = recv.of_type("error");
    for (n, (what, _)) in ODDITIES.iter().enumerate() {
        let old = sessions.join(format!("old{n}"));
        let about = errors.iter().filter(|error| error["session"] == old.to_str().unwrap());
        // The playlist of a session is made anew, and is no part of the recording.
        let expected = if *what == "a folder for the playlist" { 0 } else { 2 };
        assert_eq!(about.count(), expected, "{what}: {errors:#?}");
    }
    assert!(errors.iter().all(|error| error["code"] == "recovery"), "{errors:#?}");
}

#[test]
fn odd_entries_in_own_session_are_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = generated(&[("testsrc2=s=160x120:r=25", 1.0)], QUICK);
    for (n, (what, put)) in ODDITIES.iter().enumerate() {
        let id = format!("call{n}");
        let options = format!("--once --session-id {id}");
        let session = folder.path().join(&id);
        for round in 0..2 {
            let (mut recv, address) = recorder(folder.path(), &options);
            send(&address, &bytes);
            let status = recv.finish();
            assert!(matches!(status.code(), Some(0 | 1)), "{what}, {round}: {status}");
            let closed = recv.of_type("segment_closed");
            let last = closed.last().unwrap_or_else(|| panic!("{what}, {round}"));
            assert_eq!(last["blake3"], b3sum(&bytes), "{what}, {round}");
            if round == 0 {
                put(&session.join("stream"));
            } else {
                assert!(last["seq"].as_u64().unwrap() > 1, "{what}: {last}");
                assert_eq!(
                    b3sum(&fs::read(last["path"].as_str().unwrap()).unwrap()),
                    b3sum(&bytes)
                );
                let record = fs::read_to_string(session.join("stream/segments.ndjson")).unwrap();
                assert!(record.contains(last["path"].as_str().unwrap()), "{what}: {record}");
            }
        }
    }
}

#[test]
fn names_taken_during_recording_are_skipped_or_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = generated(&[("testsrc2=s=160x120:r=25", 4.0)], QUICK);
    let (mut recv, address) = recorder(folder.path(), "--session-id call --segment-time 1");
    let stream = folder.path().join("call/stream");
    let mut sender = TcpStream::connect(&address).unwrap();
    sender.write_all(&bytes[..bytes.len() * 3 / 8]).unwrap();
    while recv.of_type("segment_closed").is_empty() || recv.of_type("segment_open").len() < 2 {
        recv.next_event().unwrap();
    }
    // The growing one's final name, the next one's name, and the growing one after that.
    fs::write(stream.join("segment_000002.ts"), "precious").unwrap();
    fs::write(stream.join("segment_000003.ts.part"), "precious").unwrap();
    sender.write_all(&bytes[bytes.len() * 3 / 8..bytes.len() * 7 / 8]).unwrap();
    while recv.wait_for("segment_open")["seq"] != 5 {}
    fs::remove_file(stream.join("segment_000005.ts.part")).unwrap();
    sender.write_all(&bytes[bytes.len() * 7 / 8..]).unwrap();
    drop(sender);
    recv.wait_for("disconnected");
    assert_eq!(recv.terminate().code(), Some(1));
    assert_eq!(fs::read(stream.join("segment_000002.ts.foreign")).unwrap(), b"precious");
    assert_eq!(fs::read(stream.join("segment_000003.ts.part")).unwrap(), b"precious");
    let closed = recv.of_type("segment_closed");
    let sequence: Vec<_> = closed.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(sequence, [1, 2, 4, 5]);
    let deleted = recv.of_type("deleted");
    assert_eq!((deleted.len(), &deleted[0]["seq"]), (1, &5.into()));
    let kept: Vec<u8> = closed[..3]
        .iter()
        .flat_map(|event| fs::read(event["path"].as_str().unwrap()).unwrap())
        .collect();
    assert_eq!(b3sum(&kept), b3sum(&bytes[..kept.len()]));
    let messages: Vec<_> =
        recv.of_type("error").iter().map(|error| error["message"].to_string()).collect();
    assert!(messages.iter().any(|message| message.contains("set aside as")), "{messages:?}");
    assert!(messages.iter().any(|message| message.contains("by another program")), "{messages:?}");
}

/// Fault: the record cannot be opened.
const RECORD_WITHOUT_DISK: &str = "
#include <stdarg.h>
#include <fcntl.h>
int open64(const char *path, int flags, ...) {
    va_list list; va_start(list, flags); int mode = va_arg(list, int); va_end(list);
    if (strstr(path, \"segments.ndjson\") && is_faulty()) { errno = EIO; return -1; }
    return ((int (*)(const char *, int, int))dlsym(RTLD_NEXT, \"open64\"))(path, flags, mode);
}
";

#[test]
fn briefly_unreadable_record_is_not_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let Some(shim) = Shim::build(folder.path(), RECORD_WITHOUT_DISK) else { return };
    let bytes = source(1.0);
    let (mut recv, address) = recorder(folder.path(), "--session-id call --once");
    send(&address, &bytes);
    assert!(recv.finish().success());
    let stream = recv.session().join("stream");
    let record = fs::read(stream.join("segments.ndjson")).unwrap();
    let mut command = tool("cht-recv");
    shim.load(&mut command);
    shim.break_it();
    command.args(["--listen", "tcp://127.0.0.1:0", "--session-id", "call", "--sessions"]);
    command.arg(folder.path()).stderr(Stdio::piped());
    let mut recv = Stage::start(&mut command);
    let mut said = recv.stderr();
    assert!(said.any(|line| line.contains("trying again")));
    shim.mend_it();
    recv.wait_for("listening");
    recv.signal("TERM");
    said.for_each(drop);
    assert!(recv.finish().success());
    assert!(!stream.join("segments.ndjson.unreadable").exists());
    assert_eq!(fs::read(stream.join("segments.ndjson")).unwrap(), record);
}
