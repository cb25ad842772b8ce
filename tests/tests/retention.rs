//! cht-recv removes the oldest segments, and their readers notice.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests panic at wrong values, and print the names of skipped parts"
)]

use std::{
    fs,
    io::Write as _,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Stdio,
};

use cht_tests::{
    QUICK, Shim, Stage, Tmpfs, b3sum, count_frames, examined, ffmpeg, generated, line, pictures,
    playlist_of, recorder, recording, send, source, tool, words,
};
use serde_json::{Value, json};

/// Records `bytes` as one connection; the recorder, which has ended.
fn record(sessions: &Path, bytes: &[u8], options: &str) -> Stage {
    cht_tests::record(sessions, bytes, &format!("--segment-time 1 {options}"))
}

fn numbers(recv: &Stage, kind: &str) -> Vec<u64> {
    recv.of_type(kind).iter().map(|event| event["seq"].as_u64().unwrap()).collect()
}

fn lines(session: &Path) -> Vec<Value> {
    let record = fs::read_to_string(session.join("stream/segments.ndjson")).unwrap();
    record.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Checks that the segments on disk are those of the record without removed ones, and returns their
/// numbers.
fn check(session: &Path) -> Vec<u64> {
    let lines = lines(session);
    let of = |kind: &str| -> Vec<u64> {
        let lines = lines.iter().filter(|line| line["type"] == kind);
        lines.map(|line| line["seq"].as_u64().unwrap()).collect()
    };
    let (closed, deleted) = (of("segment_closed"), of("deleted"));
    assert!(closed.is_sorted_by(|a, b| a < b), "each number once: {closed:?}");
    let kept: Vec<_> = closed.into_iter().filter(|seq| !deleted.contains(seq)).collect();
    for entry in fs::read_dir(session.join("stream")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(rest) = name.strip_prefix("segment_") else { continue };
        let seq = rest.strip_suffix(".ts").unwrap_or_else(|| panic!("{name} was left"));
        assert!(kept.contains(&seq.parse().unwrap()), "{name} was removed, or never closed");
    }
    for seq in &kept {
        assert!(segment(session, *seq).exists(), "{seq} is missing");
    }
    kept
}

fn segment(session: &Path, seq: u64) -> PathBuf {
    session.join(format!("stream/segment_{seq:06}.ts"))
}

fn playlist(session: &Path) -> String {
    fs::read_to_string(playlist_of(session)).unwrap()
}

#[test]
fn oldest_segments_are_removed_and_the_rest_plays() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = source(8.0);
    let limit = bytes.len() / 2;
    let options = format!("--session-id call --retain-bytes {limit}B");
    let recv = record(folder.path(), &bytes, &options);
    let session = folder.path().join("call");
    let kept = check(&session);
    assert!((2..=4).contains(&kept.len()) && kept.ends_with(&[8]), "{kept:?}");
    assert_eq!(numbers(&recv, "deleted"), (1..kept[0]).collect::<Vec<_>>());
    assert!(recv.of_type("deleted").iter().all(|event| event["reason"] == "retain_bytes"));
    let left = recording(&session);
    assert!(left.len() <= limit);
    assert_eq!(b3sum(&left), b3sum(&bytes[bytes.len() - left.len()..]), "the end of what was sent");
    let text = playlist(&session);
    assert!(text.contains(&format!("#EXT-X-MEDIA-SEQUENCE:{}\n", kept[0] - 1)), "{text}");
    assert!(!text.contains("EVENT") && text.ends_with("#EXT-X-ENDLIST\n"), "{text}");
    assert_eq!(count_frames(&playlist_of(&session), true), kept.len() * 25);

    // Continued: numbers, connections and the playlist's own go on.
    let recv = record(folder.path(), &bytes, &options);
    assert_eq!(numbers(&recv, "segment_closed"), (9..=16).collect::<Vec<_>>());
    assert!(recv.of_type("segment_closed").iter().all(|event| event["connection"] == 2));
    let kept = check(&session);
    let text = playlist(&session);
    assert!(text.contains(&format!("#EXT-X-MEDIA-SEQUENCE:{}\n", kept[0] - 1)), "{text}");
    assert!(text.contains("#EXT-X-DISCONTINUITY-SEQUENCE:1\n"), "{text}");
    assert_eq!(count_frames(&playlist_of(&session), true), kept.len() * 25);

    // Even when no segment is left.
    record(folder.path(), b"", "--session-id call --retain-age 0s");
    assert!(check(&session).is_empty());
    let recv = record(folder.path(), &bytes, "--session-id call");
    assert_eq!(numbers(&recv, "segment_closed"), (17..=24).collect::<Vec<_>>());
    let offsets: Vec<_> =
        lines(&session).iter().filter_map(|line| line["timeline"]["offset"].as_i64()).collect();
    assert!(offsets.is_sorted(), "the timeline goes on: {offsets:?}");
}

#[test]
fn oldest_segments_of_unlocked_sessions_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = source(3.0);
    record(folder.path(), &bytes, "--session-id old");
    // One that is as old, and is being recorded.
    let (mut other, address) = recorder(folder.path(), "--session-id other --segment-time 1");
    send(&address, &bytes);
    other.wait_for("disconnected");
    record(folder.path(), &bytes, "--session-id newer");
    let limit = bytes.len() * 5 / 2;
    let options = format!("--session-id ours --retain-bytes {limit}B");
    let recv = record(folder.path(), &bytes, &options);
    let session = |id: &str| folder.path().join(id);
    assert_eq!(check(&session("other")), [1, 2, 3]);
    assert!(!session("old").exists(), "nothing was left to keep");
    assert_eq!((check(&session("newer")).len(), check(&session("ours"))), (1, vec![1, 2, 3]));
    let deleted = recv.of_type("deleted");
    let names: Vec<_> = deleted.iter().map(|event| event["session"].as_str().unwrap()).collect();
    let path = |id: &str| session(id).to_str().unwrap().to_owned();
    let expected = [vec![path("old"); 3], vec![path("newer"); 2]].concat();
    assert_eq!(names, expected);
    assert_eq!(count_frames(&playlist_of(&session("newer")), true), 25);
    // A removal in another session makes no index there.
    let path = folder.path().join("events");
    let events: String = recv.events.iter().map(|event| line(event) + "\n").collect();
    fs::write(&path, events).unwrap();
    let mut index = Stage::start(tool("cht-index").stdin(fs::File::open(&path).unwrap()));
    assert!(index.finish().success());
    assert!(session("ours").join("frames/index.json").exists());
    assert!(!session("old").join("frames/index.json").exists());
    other.stop();
}

#[test]
fn retain_age_needs_no_new_segment() {
    let folder = tempfile::tempdir().unwrap();
    let (mut recv, address) = recorder(folder.path(), "--segment-time 1 --retain-age 2s");
    let mut sender = TcpStream::connect(&address).unwrap();
    sender.write_all(&source(3.0)).unwrap();
    // Nothing more comes, and the connection stays. The growing one is not touched.
    for seq in 1..=2 {
        let deleted = recv.wait_for("deleted");
        assert_eq!((&deleted["seq"], &deleted["reason"]), (&seq.into(), &"retain_age".into()));
    }
    let session = recv.session();
    assert!(session.join("stream/segment_000003.ts.part").exists());
    drop(sender);
    assert_eq!(recv.wait_for("deleted")["seq"], 3);
    recv.stop();
    assert!(check(&session).is_empty());
}

/// Returns a stream of about 8 Mbit/s.
fn heavy(seconds: f64) -> Vec<u8> {
    let encoder = "-c:v libx264 -preset ultrafast -g 5 -b:v 8M -maxrate 8M -bufsize 8M";
    generated(&[("testsrc2=s=640x480:r=25,noise=alls=20:allf=t", seconds)], encoder)
}

#[test]
fn min_free_keeps_space_free() {
    let Some(disk) = Tmpfs::mount(12) else { return };
    let bytes = heavy(20.0);
    assert!(bytes.len() > 14_000_000, "{}", bytes.len());
    let options = "--once --segment-time 0.5 --min-free 6Mi --session-id call";
    let (mut recv, address) = recorder(disk.path(), options);
    let mut sender = TcpStream::connect(address).unwrap();
    let (mut sent, mut closed) = (0, 0);
    for chunk in bytes.chunks(1 << 20) {
        sender.write_all(chunk).unwrap();
        sent += chunk.len() as u64;
        // Room is made where segments are closed, which a busy machine does late.
        while closed + (3 << 20) < sent {
            closed += recv.wait_for("segment_closed")["bytes"].as_u64().unwrap();
        }
    }
    drop(sender);
    assert!(recv.finish().success(), "the disk was never full");
    assert!(recv.of_type("error").is_empty());
    assert!(recv.of_type("deleted").iter().all(|event| event["reason"] == "min_free"));
    let session = disk.path().join("call");
    check(&session);
    let left = recording(&session);
    assert!((3 << 20..6 << 20).contains(&left.len()), "{}", left.len());
    assert_eq!(b3sum(&left), b3sum(&bytes[bytes.len() - left.len()..]));
}

#[test]
fn full_disk_removes_oldest_segments() {
    let Some(disk) = Tmpfs::mount(6) else { return };
    let bytes = heavy(15.0);
    assert!(bytes.len() > 10_000_000, "{}", bytes.len());
    // No limit is reached: the disk is smaller than thought.
    let options = "--once --segment-time 0.5 --retain-age 1d --session-id call";
    let (mut recv, address) = recorder(disk.path(), options);
    send(&address, &bytes);
    // The playlist may have found no room, which is a warning; no received byte waited.
    assert!(matches!(recv.finish().code(), Some(0 | 1)));
    assert!(recv.of_type("error").is_empty());
    let deleted = recv.of_type("deleted");
    assert!(!deleted.is_empty() && deleted.iter().all(|event| event["reason"] == "disk"));
    let session = disk.path().join("call");
    let kept = check(&session);
    let left = recording(&session);
    assert_eq!(b3sum(&left), b3sum(&bytes[bytes.len() - left.len()..]), "no byte is missing");
    assert!(kept.len() > 2, "{kept:?}");
    let text = playlist(&session);
    assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:"), "{text}");
    assert!(!text.contains("segment_000001.ts"), "{text}");
}

#[test]
fn interrupted_removal_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = source(3.0);
    record(folder.path(), &bytes, "--session-id call");
    let session = folder.path().join("call");
    let closed = lines(&session)[0].clone();
    let deleted = json!({
        "seq": 1, "path": closed["path"], "bytes": closed["bytes"], "reason": "min_free",
        "at": closed["closed_at"],
    });
    let fields = serde_json::to_string(&deleted).unwrap();
    let head = format!("{{\"v\":1,\"type\":\"deleted\",\"session\":{},", closed["session"]);
    let mut record_file =
        fs::OpenOptions::new().append(true).open(session.join("stream/segments.ndjson")).unwrap();
    record_file.write_all((head + &fields[1..] + "\n").as_bytes()).unwrap();
    // And one removed by another program.
    fs::remove_file(segment(&session, 2)).unwrap();
    let (mut recv, _) = recorder(folder.path(), "--session-id other");
    recv.stop();
    assert!(recv.of_type("segment_closed").is_empty(), "what was removed is not adopted");
    let deleted = recv.of_type("deleted");
    assert_eq!(deleted.len(), 1);
    assert_eq!((&deleted[0]["seq"], &deleted[0]["reason"]), (&2.into(), &"missing".into()));
    assert_eq!(check(&session), [3]);
}

/// Returns a size for the files of a session that are no segments, and for lines about removals.
fn rest(session: &Path) -> u64 {
    let files = ["stream", "frames"].map(|folder| fs::read_dir(session.join(folder)).unwrap());
    let files = files.into_iter().flatten().map(Result::unwrap);
    let others = files.filter(|file| file.path().extension().is_none_or(|kind| kind != "ts"));
    others.map(|file| file.metadata().unwrap().len()).sum::<u64>() + 5000
}

/// Starts and stops a recorder of another session, which recovers this one.
fn start_and_stop(sessions: &Path) -> Stage {
    clean(sessions, "--session-id other")
}

/// Does the same with options of retention.
fn clean(sessions: &Path, options: &str) -> Stage {
    let (mut recv, _) = recorder(sessions, options);
    recv.terminate();
    recv
}

#[test]
fn briefly_missing_segment_is_kept_and_recorded_again() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), &source(3.0), "--session-id call");
    let session = folder.path().join("call");
    let away = folder.path().join("away.ts");
    let before = fs::read(segment(&session, 2)).unwrap();
    for round in 0..2 {
        fs::rename(segment(&session, 2), &away).unwrap();
        let recv = start_and_stop(folder.path());
        assert_eq!(numbers(&recv, "deleted"), [2], "round {round}");
        assert_eq!(recv.of_type("deleted")[0]["reason"], "missing");
        assert!(!playlist(&session).contains("segment_000002.ts"), "{}", playlist(&session));
        if round == 0 {
            // On its way back: a part of it, which must not be taken for it, nor be removed.
            fs::write(segment(&session, 2), &before[..before.len() / 2]).unwrap();
            let recv = start_and_stop(folder.path());
            assert!(recv.of_type("segment_closed").is_empty());
            assert_eq!(recv.of_type("error")[0]["code"], "recovery");
        }
        fs::rename(&away, segment(&session, 2)).unwrap();
        let recv = start_and_stop(folder.path());
        assert_eq!(numbers(&recv, "segment_closed"), [2], "round {round}");
        assert_eq!(fs::read(segment(&session, 2)).unwrap(), before);
        let recv = start_and_stop(folder.path());
        assert!(recv.of_type("segment_closed").is_empty() && recv.of_type("error").is_empty());
    }
    let closed: Vec<_> =
        lines(&session).into_iter().filter(|line| line["type"] == "segment_closed").collect();
    assert_eq!(closed.len(), 5);
    assert_eq!(closed[3], closed[1], "the line that it had");
    assert!(playlist(&session).contains("segment_000002.ts"), "{}", playlist(&session));
    assert_eq!(count_frames(&playlist_of(&session), true), 75);
    // Retention removes it for good.
    clean(folder.path(), "--session-id other --retain-age 0s");
    assert!(!segment(&session, 2).exists());
    fs::write(segment(&session, 2), before).unwrap();
    start_and_stop(folder.path());
    assert!(!segment(&session, 2).exists(), "a removal that is written down is finished");
}

#[test]
fn playlists_omit_removed_segments_and_reopen_when_continued() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = source(3.0);
    let old = folder.path().join("old");
    record(folder.path(), &bytes, "--session-id old");
    assert!(playlist(&old).ends_with("#EXT-X-ENDLIST\n"));
    // All of another session goes.
    clean(folder.path(), "--session-id new --retain-age 0s");
    assert!(check(&old).is_empty());
    let text = playlist(&old);
    assert!(!text.contains("segment_"), "{text}");
    assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:3\n") && text.ends_with("ENDLIST\n"), "{text}");
    // The session goes on, with nothing left of it.
    let (mut recv, address) = recorder(folder.path(), "--session-id old --segment-time 1");
    let text = playlist(&old);
    assert!(!text.contains("segment_") && !text.contains("ENDLIST"), "{text}");
    send(&address, &bytes);
    recv.wait_for("disconnected");
    let text = playlist(&old);
    assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:3\n") && !text.contains("ENDLIST"), "{text}");
    // Killed, and never continued: the next recorder of another session ends its playlist, whatever
    // its end was.
    recv.kill();
    let path = old.join("stream/session.m3u8");
    for torn in ["", "#EXTINF:1.0", "#EXTINF:1.000000,\nsegment_0000"] {
        fs::write(&path, format!("{text}{torn}")).unwrap();
        clean(folder.path(), "--session-id new");
        assert_eq!(playlist(&old), format!("{text}#EXT-X-ENDLIST\n"), "{torn}");
        assert_eq!(count_frames(&playlist_of(&old), true), 75);
    }
}

#[test]
fn tables_go_with_the_last_segment_of_their_connection() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = source(2.0);
    let options = format!("--session-id call --segment-time 1 --retain-bytes {}B", bytes.len() * 3);
    let (mut recv, address) = recorder(folder.path(), &options);
    for _ in 0..6 {
        send(&address, &bytes);
        recv.wait_for("disconnected");
    }
    recv.stop();
    let session = folder.path().join("call");
    let tables = || {
        let mut names: Vec<_> = fs::read_dir(session.join("stream"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("psi_"))
            .collect();
        names.sort();
        names
    };
    let names = tables();
    assert!(
        (3..=4).contains(&names.len()) && names.ends_with(&["psi_000006.ts".into()]),
        "{names:?}"
    );
    assert_eq!(count_frames(&playlist_of(&session), true), check(&session).len() * 25);
    // Of another session likewise.
    clean(folder.path(), &format!("--session-id new --retain-bytes {}B", bytes.len()));
    assert_eq!(tables(), ["psi_000006.ts"]);
    assert_eq!(count_frames(&playlist_of(&session), true), check(&session).len() * 25);
}

const BROKEN_STAT: &str = "
#include <sys/stat.h>
static int is_hit(const char *path) { return path && is_faulty() && strstr(path, \"/stream/segment_\"); }
int statx(int dir, const char *path, int flags, unsigned mask, struct statx *buffer) {
    if (is_hit(path)) { errno = atoi(getenv(\"FAULT\")); return -1; }
    int (*real)(int, const char *, int, unsigned, struct statx *) =
        (int (*)(int, const char *, int, unsigned, struct statx *))dlsym(RTLD_NEXT, \"statx\");
    return real(dir, path, flags, mask, buffer);
}
static int open_or_fail(const char *name, const char *path, int flags, int mode) {
    if (is_hit(path)) { errno = atoi(getenv(\"FAULT\")); return -1; }
    int (*real)(const char *, int, int) = (int (*)(const char *, int, int))dlsym(RTLD_NEXT, name);
    return real(path, flags, mode);
}
int open(const char *path, int flags, int mode) { return open_or_fail(\"open\", path, flags, mode); }
int open64(const char *path, int flags, int mode) { return open_or_fail(\"open64\", path, flags, mode); }
";

#[test]
fn segment_with_failing_stat_is_not_missing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(shim) = Shim::build(folder.path(), BROKEN_STAT) else { return };
    let sessions = folder.path().join("sessions");
    record(&sessions, &source(2.0), "--session-id call");
    let session = sessions.join("call");
    shim.break_it();
    // EIO, EACCES, ESTALE, ENOTCONN.
    for fault in ["5", "13", "116", "107"] {
        let mut command = tool("cht-recv");
        shim.load(&mut command);
        command.env("FAULT", fault).args(words("--session-id other --listen tcp://127.0.0.1:0"));
        let mut recv = Stage::start(command.arg("--sessions").arg(&sessions));
        recv.wait_for("listening");
        recv.terminate();
        assert!(recv.of_type("deleted").is_empty(), "{fault}: {:?}", recv.events);
    }
    shim.mend_it();
    assert_eq!(check(&session), [1, 2]);
}

#[test]
fn killed_retention_restores_and_removes_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = source(8.0);
    let session = folder.path().join("call");
    let options = format!("--session-id call --segment-time 0 --retain-bytes {}B", bytes.len() / 2);
    let mut last = 0;
    for round in 0..6 {
        let (mut recv, address) = recorder(folder.path(), &options);
        let stream = bytes.clone();
        let sender = std::thread::spawn(move || {
            let _ = TcpStream::connect(address).and_then(|mut socket| socket.write_all(&stream));
        });
        for _ in 0..=round {
            recv.wait_for(if round % 2 == 0 { "deleted" } else { "segment_closed" });
        }
        recv.kill();
        sender.join().unwrap();
        let (mut recv, _) = recorder(folder.path(), &options);
        recv.stop();
        let kept = check(&session);
        assert!(kept.is_sorted() && *kept.last().unwrap() > last, "round {round}: {kept:?}");
        last = *kept.last().unwrap();
    }
}

#[test]
fn late_stage_skips_removed_segments_and_lagging_one_reports_them() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = source(6.0);
    let options = format!("--session-id call --retain-bytes {}B", bytes.len() / 2);
    let recv = record(folder.path(), &bytes, &options);
    let session = folder.path().join("call");
    let kept = check(&session);
    for options in [vec!["--follow"], vec![]] {
        let mut watch = Stage::start(tool("cht-segwatch").args(&options).arg(&session));
        assert!(watch.finish().success());
        assert_eq!(numbers(&watch, "segment"), kept, "{options:?}");
        let start = &watch.of_type("segment")[0]["start"];
        assert_eq!(*start, (kept[0] - 1) as f64, "placed by the record");
    }

    // The events come to it late: every removal has already happened.
    let closed = recv.of_type("segment_closed");
    let mut watch = Stage::fed(&mut tool("cht-segwatch"), closed.into_iter().map(line));
    assert_eq!(watch.finish().code(), Some(1));
    assert_eq!(numbers(&watch, "segment"), kept, "it goes on");
    let errors = watch.of_type("error");
    assert_eq!(errors.len() as u64, kept[0] - 1);
    for (n, error) in errors.iter().enumerate() {
        assert_eq!(error["code"], "deleted");
        let name = format!("segment_{:06}.ts: removed by cht-recv before it was read", n + 1);
        assert!(error["message"].as_str().unwrap().contains(&name), "{error}");
    }
}

#[test]
fn frames_of_removed_segments_stay_and_decoder_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = source(4.0);
    record(folder.path(), &bytes, "--session-id call");
    let session = folder.path().join("call");
    let events = examined(&session);
    let mut first = Stage::fed(&mut tool("cht-scenes"), &events);
    assert!(first.finish().success());
    let frames = first.of_type("frame").len();
    assert!(frames > 0);
    // Now three of them go.
    let limit = segment(&session, 4).metadata().unwrap().len() + rest(&session);
    let recv = record(folder.path(), b"", &format!("--session-id call --retain-bytes {limit}B"));
    assert_eq!(numbers(&recv, "deleted"), [1, 2, 3]);
    let pictures = || pictures(&session.join("frames")).len();
    assert_eq!(pictures(), frames);
    // A second run knows the done segments without their files.
    let mut again = Stage::fed(&mut tool("cht-scenes"), &events);
    assert!(again.finish().success());
    assert_eq!((again.of_type("frame").len(), pictures()), (frames, frames));
    // One that knows nothing of them.
    let out = folder.path().join("late");
    let mut late = Stage::fed(tool("cht-scenes").arg("--out").arg(&out), &events);
    assert_eq!(late.finish().code(), Some(1));
    let codes: Vec<_> = late.of_type("error").iter().map(|e| e["code"].clone()).collect();
    assert_eq!(codes, ["deleted", "deleted", "deleted"]);
    assert_eq!(numbers(&late, "segment_done"), [4]);
}

#[test]
fn removed_and_announced_segment_is_one_error() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), &source(4.0), "--session-id call");
    let session = folder.path().join("call");
    let announced = examined(&session);
    let limit = segment(&session, 4).metadata().unwrap().len() + rest(&session);
    let recv = record(folder.path(), b"", &format!("--session-id call --retain-bytes {limit}B"));
    assert_eq!(numbers(&recv, "deleted"), [1, 2, 3]);
    // The recorder's start makes cht-scenes read the record; the earlier announcements come after
    // it.
    let listening = recv.of_type("listening").into_iter().map(line);
    let mut late = Stage::fed(&mut tool("cht-scenes"), listening.chain(announced));
    assert_eq!(late.finish().code(), Some(1));
    let codes: Vec<_> = late.of_type("error").iter().map(|e| e["code"].clone()).collect();
    assert_eq!(codes, ["deleted", "deleted", "deleted"]);
    assert_eq!(numbers(&late, "segment_done"), [4]);
}

#[test]
fn sessions_are_removed_as_a_whole_with_their_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = source(2.0);
    for id in ["first", "second"] {
        record(folder.path(), &bytes, &format!("--session-id {id}"));
        fs::write(folder.path().join(id).join("frames/F000001.jpg"), vec![0; 1 << 20]).unwrap();
    }
    // The pictures count: both sessions are more than this, and one is less.
    let (mut recv, _) = recorder(folder.path(), "--session-id other --retain-bytes 2M");
    let removed = recv.wait_for("session_deleted");
    let first = folder.path().join("first");
    assert_eq!(removed["session"], first.to_str().unwrap());
    assert_eq!(removed["reason"], "retain_bytes");
    assert!(removed["bytes"].as_u64().unwrap() > (1 << 20) + bytes.len() as u64, "{removed}");
    recv.stop();
    assert_eq!(numbers(&recv, "deleted"), [1, 2], "its segments are announced as before");
    assert!(!first.exists() && folder.path().join("second/frames/F000001.jpg").exists());
    assert_eq!(check(&folder.path().join("second")), [1, 2]);

    // By age: a link leads to another place, and stays.
    let away = tempfile::tempdir().unwrap();
    let linked = away.path().join("linked");
    fs::rename(folder.path().join("second"), &linked).unwrap();
    std::os::unix::fs::symlink(&linked, folder.path().join("second")).unwrap();
    record(folder.path(), &bytes, "--session-id third");
    let recv = clean(folder.path(), "--session-id other --retain-frames-age 0s");
    let removed = recv.of_type("session_deleted");
    assert_eq!(removed.len(), 1);
    assert_eq!(removed[0]["session"], folder.path().join("third").to_str().unwrap());
    assert_eq!(removed[0]["reason"], "retain_frames_age");
    assert!(check(&linked).is_empty() && linked.join("frames/F000001.jpg").exists());

    // A stage that lags says that the session is gone, and makes no other files there.
    record(folder.path(), &bytes, "--session-id fourth");
    let fourth = folder.path().join("fourth");
    let lines = examined(&fourth);
    clean(folder.path(), "--session-id other --retain-frames-age 0s");
    let mut scenes = Stage::fed(&mut tool("cht-scenes"), lines);
    assert_eq!(scenes.finish().code(), Some(1));
    let errors = scenes.of_type("error");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(
        (&errors[0]["code"], &errors[0]["session"]),
        (&"session".into(), &fourth.to_str().unwrap().into())
    );
    assert!(!fourth.exists());
}

#[test]
fn interrupted_removal_of_session_is_finished_and_no_reader_sees_it() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), &source(1.0), "--session-id call");
    let left = folder.path().join(".removed-call");
    fs::rename(folder.path().join("call"), &left).unwrap();
    let agent = tool("cht-agent").args(["sessions", "--sessions"]).arg(folder.path()).output();
    assert!(!String::from_utf8(agent.unwrap().stdout).unwrap().contains("call"));
    start_and_stop(folder.path());
    assert!(!left.exists());
}

#[test]
fn stages_at_work_on_removed_session_go_on_with_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.ts");
    let arguments = "-f lavfi -i testsrc2=s=160x120:r=25 -f lavfi -i sine -t 3";
    let encoder = format!("{QUICK} -pix_fmt yuv420p -c:a mp2 -f mpegts");
    ffmpeg(words(arguments).into_iter().chain(words(&encoder)).chain([clip.to_str().unwrap()]));
    let bytes = fs::read(clip).unwrap();
    for tool_name in ["cht-scenes", "cht-audio"] {
        let lines: Vec<_> = ["first", "second"]
            .map(|id| {
                record(folder.path(), &bytes, &format!("--session-id {id}"));
                examined(&folder.path().join(id))
            })
            .into();
        let mut stage = Stage::start(tool(tool_name).stdin(Stdio::piped()));
        let mut stdin = stage.child.stdin.take().unwrap();
        writeln!(stdin, "{}", lines[0][0]).unwrap();
        stage.wait_for("segment");
        // It is being decoded, and its end comes with a session that is there.
        let first = folder.path().join("first");
        while !first.join("frames/scenes.ndjson").exists()
            && !first.join("audio/audio.ndjson").exists()
        {
            writeln!(stdin, "{}", lines[0][0]).unwrap();
            stage.wait_for("segment");
        }
        fs::rename(&first, folder.path().join(".removed-first")).unwrap();
        for line in lines[0][1..].iter().chain(&lines[1]) {
            writeln!(stdin, "{line}").unwrap();
        }
        drop(stdin);
        assert_eq!(stage.finish().code(), Some(1), "{tool_name}");
        let errors = stage.of_type("error");
        let of_first = |error: &&&Value| error["session"] == first.to_str().unwrap();
        assert!(errors.iter().any(|error| error["code"] == "session"), "{errors:?}");
        assert_eq!(errors.iter().filter(of_first).count(), errors.len(), "{errors:?}");
        assert!(!first.exists(), "nothing is written there");
        let second = folder.path().join("second");
        let done = stage.of_type("segment_done");
        let second_name = second.to_str().unwrap();
        assert_eq!(done.iter().filter(|event| event["session"] == second_name).count(), 3);
        fs::remove_dir_all(second).unwrap();
        fs::remove_dir_all(folder.path().join(".removed-first")).unwrap();
    }
}
