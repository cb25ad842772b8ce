//! cht-recv's HLS playlist gives players the whole session, also during its recording.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
};

use cht_tests::{count_frames, generate, playlist_of, record, recorder, send, source, words};

const END: &str = "#EXT-X-ENDLIST\n";

/// Returns the listed durations, in seconds.
fn durations(playlist: &str) -> Vec<f64> {
    let lines = playlist.lines().filter_map(|line| line.strip_prefix("#EXTINF:"));
    lines.map(|line| line.trim_end_matches(',').parse().unwrap()).collect()
}

#[test]
fn finished_session_plays_to_last_frame() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = source(7.0);
    let recv = record(folder.path(), &bytes, "--segment-time 2");
    let text = fs::read_to_string(playlist_of(&recv.session())).unwrap();
    assert!(text.ends_with(END), "{text}");
    assert_eq!(text.matches("#EXT-X-MAP:URI=\"psi_000001.ts\"\n").count(), 1, "{text}");
    assert!(!text.contains("DISCONTINUITY"), "{text}");
    assert!(text.contains("#EXT-X-TARGETDURATION:12\n"), "{text}");
    let recorded: Vec<f64> =
        recv.of_type("segment_closed").iter().map(|e| e["duration"].as_f64().unwrap()).collect();
    assert_eq!((durations(&text), &recorded), (vec![2.0, 2.0, 2.0, 1.0], &durations(&text)));
    assert_eq!(count_frames(&playlist_of(&recv.session()), true), 175);
}

#[test]
fn player_follows_recording_across_connections() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = source(5.0);
    let (mut recv, address) = recorder(folder.path(), "--segment-time 2");
    let mut sender = TcpStream::connect(&address).unwrap();
    // Beyond the keyframe at 2 s and the bytes held back after it.
    let (begin, rest) = bytes.split_at(bytes.len() * 3 / 4);
    sender.write_all(begin).unwrap();
    recv.wait_for("segment_closed");
    let mut player = Command::new("stdbuf")
        .args(words("-oL ffprobe -v error -live_start_index 0 -select_streams v:0"))
        .args(words("-show_entries frame=pict_type -of csv=p=0"))
        .arg(playlist_of(&recv.session()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut frames = BufReader::new(player.stdout.take().unwrap()).lines();
    frames.next().unwrap().unwrap();
    // It plays, and the recording goes on: the rest of this connection, and another one.
    sender.write_all(rest).unwrap();
    drop(sender);
    recv.wait_for("disconnected");
    send(&address, &bytes);
    recv.wait_for("disconnected");
    recv.stop();
    assert_eq!(1 + frames.map_while(Result::ok).filter(|line| !line.is_empty()).count(), 250);
    assert!(player.wait().unwrap().success());
    let text = fs::read_to_string(playlist_of(&recv.session())).unwrap();
    assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 1, "{text}");
    assert_eq!(text.matches("#EXT-X-PROGRAM-DATE-TIME:").count(), 2, "{text}");
    assert!(text.contains("#EXT-X-MAP:URI=\"psi_000002.ts\"\n"), "{text}");
}

#[test]
fn playlist_without_segments_is_there_first_and_grows() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = source(3.0);
    let (mut recv, address) = recorder(folder.path(), "--segment-time 60");
    let path = playlist_of(&recv.session());
    assert!(!path.exists(), "no byte has come");
    let mut sender = TcpStream::connect(&address).unwrap();
    sender.write_all(&bytes).unwrap();
    recv.wait_for("segment_open");
    // The event comes before the files for late readers.
    while !path.exists() {}
    let first = fs::read_to_string(&path).unwrap();
    assert!(
        first.starts_with("#EXTM3U\n") && first.contains("\n#EXT-X-TARGETDURATION:"),
        "{first}"
    );
    assert!(first.contains("\n#EXT-X-PLAYLIST-TYPE:EVENT\n"), "{first}");
    assert!(!first.contains("#EXTINF") && !first.contains(END), "{first}");
    drop(sender);
    recv.stop();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with(&first) && text.ends_with(END), "{text}");
    assert_eq!(durations(&text), [3.0]);
}

#[test]
fn playlist_only_grows_and_lists_existing_files() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = source(6.0);
    let mut before = String::new();
    let mut seen = 0;
    for _ in 0..2 {
        let options = "--once --session-id call --segment-time 1";
        let (mut recv, address) = recorder(folder.path(), options);
        let path = playlist_of(&recv.session());
        if !before.is_empty() {
            // Continued: the end mark has gone, and nothing else.
            assert_eq!(fs::read_to_string(&path).unwrap() + END, before);
            before = before.strip_suffix(END).unwrap().to_owned();
        }
        send(&address, &bytes);
        while let Some(event) = recv.next_event() {
            if event["type"] != "segment_closed" {
                continue;
            }
            seen += 1;
            let name = Path::new(event["path"].as_str().unwrap()).file_name().unwrap();
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.starts_with(&before), "{before}\nbecame\n{text}");
            assert!(text.lines().any(|line| line == name), "{text}");
            let uris = text.split('"').skip(1).step_by(2);
            let files = text.lines().filter(|line| !line.starts_with('#')).chain(uris);
            for file in files {
                assert!(path.with_file_name(file).exists(), "{file}");
            }
            before = text.strip_suffix(END).unwrap_or(&text).to_owned();
        }
        assert!(recv.child.wait().unwrap().success());
        before = fs::read_to_string(&path).unwrap();
        assert!(before.ends_with(END), "{before}");
        assert_eq!(durations(&before).len(), seen);
    }
    assert_eq!(
        (seen, count_frames(&folder.path().join("call/stream/session.m3u8"), true)),
        (12, 300)
    );
}

#[test]
fn record_without_durations_gives_same_playlist() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = source(3.0);
    let recv = record(folder.path(), &bytes, "--session-id old --segment-time 2");
    let (path, record) = (
        playlist_of(&recv.session()),
        playlist_of(&recv.session()).with_file_name("segments.ndjson"),
    );
    let text = fs::read_to_string(&path).unwrap();
    let lines = fs::read_to_string(&record).unwrap();
    let lines = lines.replace("\"duration\":2.0,", "").replace("\"duration\":1.0,", "");
    assert!(!lines.contains("duration"), "{lines}");
    fs::write(&record, lines).unwrap();
    fs::remove_file(&path).unwrap();
    let (mut recv, _) = recorder(folder.path(), "--session-id old --segment-time 2");
    recv.stop();
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn long_gop_raises_target_duration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slow.ts");
    let encoder = "-c:v libx264 -preset ultrafast -g 25 -sc_threshold 0";
    generate(&path, &[("testsrc2=s=160x120:r=2", 14.0)], encoder);
    let recv = record(folder.path(), &fs::read(path).unwrap(), "--segment-time 0");
    let text = fs::read_to_string(playlist_of(&recv.session())).unwrap();
    assert!(text.contains("#EXT-X-TARGETDURATION:13\n"), "{text}");
    assert_eq!(count_frames(&playlist_of(&recv.session()), true), 28);
}

#[test]
fn non_ts_input_has_no_playlist() {
    let folder = tempfile::tempdir().unwrap();
    let (mut recv, address) = recorder(folder.path(), "--once");
    send(&address, &vec![7; 100_000]);
    assert!(recv.finish().success());
    assert!(!playlist_of(&recv.session()).exists());
}
