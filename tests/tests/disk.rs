//! cht-recv and cht-scenes on a full, read-only or broken disk, and with a changed wall clock.
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
    process::{Command, Stdio},
};

use cht_tests::{
    QUICK, Shim, Stage, Tmpfs, b3sum, count_frames, generate, listen, playlist_of, recorder,
    recording, send, send_in_thread, set_wall_clock, source, tool, words,
};
use serde_json::Value;

/// Checks numbers, sizes and hashes of the record against the files, and returns the bytes.
fn check(session: &Path) -> Vec<u8> {
    let record = fs::read_to_string(session.join("stream/segments.ndjson")).unwrap();
    let mut last = 0;
    for line in record.lines() {
        let closed: Value = serde_json::from_str(line).unwrap();
        // A segment that the disk refused from its first byte leaves nothing but a gap.
        let seq = closed["seq"].as_u64().unwrap();
        assert!((last + 1..=last + 2).contains(&seq), "{last}, {seq}");
        last = seq;
        let segment = fs::read(closed["path"].as_str().unwrap()).unwrap();
        assert_eq!(
            (&closed["bytes"], &closed["blake3"]),
            (&segment.len().into(), &b3sum(&segment).into())
        );
    }
    recording(session)
}

#[test]
fn read_only_folder_makes_sender_wait() {
    let Some(disk) = Tmpfs::mount(16) else { return };
    let bytes = source(3.0);
    let (mut recv, address) = recorder(disk.path(), "--segment-time 1");
    send(&address, &bytes);
    recv.wait_for("disconnected");
    // The system refuses that as long as a file is open for writing: so between two connections.
    disk.remount("ro");
    let sender = send_in_thread(&address, &bytes);
    let error = recv.wait_for("error");
    assert_eq!(error["code"], "disk");
    assert!(error["message"].as_str().unwrap().contains("Read-only file system"), "{error}");
    disk.remount("rw");
    recv.wait_for("disconnected");
    sender.join().unwrap();
    assert_eq!(recv.terminate().code(), Some(1));
    assert_eq!(b3sum(&check(&recv.session())), b3sum(&[&bytes[..], &bytes[..]].concat()));
    assert_eq!(count_frames(&playlist_of(&recv.session()), false), 150);
}

#[test]
fn disk_full_at_start_makes_sender_wait() {
    let Some(disk) = Tmpfs::mount(4) else { return };
    let filler = disk.fill();
    let bytes = source(4.0);
    let (mut recv, address) = recorder(disk.path(), "--once --segment-time 1");
    let sender = send_in_thread(&address, &bytes);
    let error = recv.wait_for("error");
    assert!(error["message"].as_str().unwrap().contains("No space left on device"), "{error}");
    fs::remove_file(filler).unwrap();
    assert_eq!(recv.finish().code(), Some(1));
    sender.join().unwrap();
    let session = recv.session();
    assert_eq!(b3sum(&check(&session)), b3sum(&bytes));
    assert_eq!(count_frames(&playlist_of(&session), false), 100);
}

#[test]
fn recovery_at_full_disk_waits_for_room_or_makes_it() {
    let Some(disk) = Tmpfs::mount(8) else { return };
    let bytes = source(4.0);
    for retention in ["", "--retain-bytes 1G"] {
        let (mut recv, address) = recorder(disk.path(), "--once --session-id old");
        send(&address, &bytes);
        assert!(recv.finish().success());
        // Another one is killed with its first segment, and then there is no room for a line about
        // it.
        let (mut recv, address) = recorder(disk.path(), "--session-id call");
        let mut sender = TcpStream::connect(&address).unwrap();
        sender.write_all(&bytes).unwrap();
        recv.wait_for("segment_open");
        recv.kill();
        let filler = disk.fill();
        let mut command = tool("cht-recv");
        command.args(words(retention)).arg("--sessions").arg(disk.path());
        command.args(["--listen", "tcp://127.0.0.1:0"]).stderr(Stdio::piped());
        let mut recv = Stage::start(&mut command);
        let mut said = recv.stderr();
        if retention.is_empty() {
            let waits =
                said.find(|line| line.contains("no sender is accepted until there is room"));
            assert!(waits.unwrap().contains("No space left on device"));
            fs::remove_file(&filler).unwrap();
        } else {
            assert_eq!(recv.wait_for("deleted")["reason"], "disk");
        }
        assert_eq!(recv.wait_for("segment_closed")["end_reason"], "recovered");
        recv.wait_for("listening");
        recv.signal("TERM");
        said.for_each(drop);
        recv.finish();
        let _ = fs::remove_file(&filler);
        for session in ["old", "call"] {
            fs::remove_dir_all(disk.path().join(session)).unwrap();
        }
    }
}

#[test]
fn playlist_after_full_disk_and_kill_lists_every_segment() {
    let Some(disk) = Tmpfs::mount(4) else { return };
    let bytes = source(8.0);
    let filler = disk.path().join("filler");
    fs::write(&filler, vec![0; (4 << 20) - bytes.len() / 2]).unwrap();
    let (mut recv, address) = recorder(disk.path(), "--session-id call --segment-time 1");
    let sender = send_in_thread(&address, &bytes);
    recv.wait_for("error");
    fs::remove_file(filler).unwrap();
    recv.wait_for("disconnected");
    sender.join().unwrap();
    let mut second = TcpStream::connect(&address).unwrap();
    second.write_all(&bytes).unwrap();
    // More than half of it has arrived.
    for _ in 0..5 {
        recv.wait_for("segment_closed");
    }
    recv.kill();
    let session = disk.path().join("call");
    let text = || fs::read_to_string(session.join("stream/session.m3u8")).unwrap();
    assert!(!text().contains("ENDLIST"));
    let (mut recv, _) = recorder(disk.path(), "--session-id call --segment-time 1");
    recv.stop();
    let recorded = check(&session);
    assert_eq!(b3sum(&recorded[..bytes.len()]), b3sum(&bytes));
    assert!(bytes.starts_with(&recorded[bytes.len()..]));
    let text = text();
    assert!(text.ends_with("#EXT-X-ENDLIST\n"), "{text}");
    for entry in fs::read_dir(session.join("stream")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert_eq!(
            name.starts_with("segment_"),
            text.contains(&format!("\n{name}\n")),
            "{name}: {text}"
        );
    }
    let whole = |line: &Value| !matches!(line["end_reason"].as_str(), Some("disk" | "recovered"));
    let record = fs::read_to_string(session.join("stream/segments.ndjson")).unwrap();
    let lines: Vec<Value> =
        record.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!lines.iter().all(whole));
    // A frame may be torn where the disk or the kill cut it off, and its group is then decoded in
    // part.
    let frames = count_frames(&playlist_of(&session), false);
    assert!((200 + 5 * 25 - 25..=400).contains(&frames), "{frames}");
}

const BROKEN_FSYNC: &str = "
static int sync_or_fail(const char *name, int fd) {
    if (is_faulty()) { errno = EIO; return -1; }
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    return real(fd);
}
int fsync(int fd) { return sync_or_fail(\"fsync\", fd); }
int fdatasync(int fd) { return sync_or_fail(\"fdatasync\", fd); }
";

/// Returns a library of faults, and a command of a recorder with it. `None` without a compiler.
fn with_faults(folder: &Path, faults: &str, options: &str) -> Option<(Shim, Command)> {
    let shim = Shim::build(folder, faults)?;
    let mut command = tool("cht-recv");
    shim.load(&mut command);
    command.arg("--sessions").arg(folder.join("sessions")).args(words(options));
    Some((shim, command))
}

#[test]
fn failed_fsync_is_reported_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let faulty = with_faults(folder.path(), BROKEN_FSYNC, "--once --segment-time 1");
    let Some((shim, mut command)) = faulty else { return };
    let (mut recv, address) = listen(&mut command);
    shim.break_it();
    let bytes = source(4.0);
    let sender = send_in_thread(&address, &bytes);
    let error = recv.wait_for("error");
    assert_eq!(error["code"], "disk");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("Input/output error"), "{message}");
    assert!(message.contains("segment_000001.ts"), "{message}");
    // The record waits; the bytes go on.
    shim.mend_it();
    assert_eq!(recv.finish().code(), Some(1));
    sender.join().unwrap();
    let session = recv.session();
    assert_eq!(b3sum(&check(&session)), b3sum(&bytes));
    assert_eq!(recv.of_type("segment_closed").len(), 4);
    assert_eq!(count_frames(&playlist_of(&session), false), 100);
}

/// Fault: writes to a segment or the record fail with the error number in the file.
const REFUSAL: &str = "
#include <stdarg.h>
#include <fcntl.h>
static int fault(void) {
    FILE *file = fopen(getenv(\"FAULTY\"), \"r\");
    int error = 0;
    if (file) { if (fscanf(file, \"%d\", &error) != 1) error = 0; fclose(file); }
    return error;
}
static int is_ours(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, \"/proc/self/fd/%d\", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strstr(path, \"/stream/seg\") != 0;
}
#define FAIL(when, result) do { int error = (when) ? fault() : 0; if (error) { errno = error; return result; } } while (0)
ssize_t write(int fd, const void *bytes, size_t count) {
    FAIL(is_ours(fd), -1);
    return ((ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, \"write\"))(fd, bytes, count);
}
int fdatasync(int fd) {
    FAIL(is_ours(fd), -1);
    return ((int (*)(int))dlsym(RTLD_NEXT, \"fdatasync\"))(fd);
}
int fsync(int fd) {
    FAIL(is_ours(fd), -1);
    return ((int (*)(int))dlsym(RTLD_NEXT, \"fsync\"))(fd);
}
int open64(const char *path, int flags, ...) {
    va_list list; va_start(list, flags); int mode = va_arg(list, int); va_end(list);
    FAIL(strstr(path, \"/stream/seg\") && (flags & O_CREAT), -1);
    return ((int (*)(const char *, int, int))dlsym(RTLD_NEXT, \"open64\"))(path, flags, mode);
}
";

/// Waits for the error event of a refused write, skipping those of a failed fsync.
fn wait_for_refusal(recv: &mut Stage) -> Value {
    loop {
        let error = recv.wait_for("error");
        if error["message"].as_str().unwrap().contains("the sender waits") {
            return error;
        }
    }
}

/// Waits until the recorder says that the disk takes bytes again. (An event of a segment comes
/// before its first byte.)
fn wait_for_recovery(told: &mut impl Iterator<Item = String>) {
    assert!(told.any(|line| line.contains("takes bytes again; recording goes on")));
}

#[test]
fn any_disk_error_is_waited_for_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let faulty = with_faults(folder.path(), REFUSAL, "--segment-time 1");
    let Some((shim, mut command)) = faulty else { return };
    command.stderr(Stdio::piped());
    let (mut recv, address) = listen(&mut command);
    let mut told = recv.stderr();
    // Pictures begin in each part.
    let bytes = source(15.0);
    let mut sender = TcpStream::connect(&address).unwrap();
    // ESTALE, ETIMEDOUT, EUCLEAN, ENOTCONN, ENOMEM, EMFILE, ENFILE, ENOENT, EACCES, EFBIG.
    let faults = [116, 110, 117, 107, 12, 24, 23, 2, 13, 27];
    for (fault, part) in faults.iter().zip(bytes.chunks(bytes.len().div_ceil(faults.len()))) {
        shim.break_with(&fault.to_string());
        sender.write_all(part).unwrap();
        let error = wait_for_refusal(&mut recv);
        assert_eq!(error["code"], "disk", "{fault}: {error}");
        shim.mend_it();
        wait_for_recovery(&mut told);
    }
    drop(sender);
    recv.wait_for("disconnected");
    recv.signal("TERM");
    told.for_each(drop);
    assert_eq!(recv.finish().code(), Some(1));
    assert_eq!(b3sum(&check(&recv.session())), b3sum(&bytes));
}

/// Fault: the fsync of a segment fails.
const SEGMENT_FSYNC: &str = "
int fsync(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, \"/proc/self/fd/%d\", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    if (is_faulty() && strstr(path, \"/stream/segment_\")) { errno = EIO; return -1; }
    return ((int (*)(int))dlsym(RTLD_NEXT, \"fsync\"))(fd);
}
";

#[test]
fn adoption_refused_by_disk_is_retried() {
    let folder = tempfile::tempdir().unwrap();
    let faulty = with_faults(folder.path(), SEGMENT_FSYNC, "--session-id call --segment-time 1");
    let Some((shim, mut command)) = faulty else { return };
    command.stderr(Stdio::piped());
    let (mut killed, address) = listen(&mut command);
    let bytes = source(3.0);
    let mut sender = TcpStream::connect(&address).unwrap();
    sender.write_all(&bytes).unwrap();
    killed.wait_for("segment_closed");
    killed.kill();

    shim.break_it();
    let mut recv = Stage::start(&mut command);
    assert!(recv.stderr().any(|line| line.contains("; trying again")));
    shim.mend_it();
    recv.wait_for("listening");
    assert_eq!(recv.terminate().code(), Some(0));
    let recorded = check(&recv.session());
    assert!(!recorded.is_empty() && bytes.starts_with(&recorded));
    let left = fs::read_dir(folder.path().join("sessions/call/stream")).unwrap();
    let names: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().ends_with(".part")), "{names:?}");
}

#[test]
fn segments_around_full_disk_start_at_their_first_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let faulty = with_faults(folder.path(), REFUSAL, "--segment-time 2");
    let Some((shim, mut command)) = faulty else { return };
    command.stderr(Stdio::piped());
    let (mut recv, address) = listen(&mut command);
    let mut told = recv.stderr();
    let bytes = source(9.0);
    let mut sender = TcpStream::connect(&address).unwrap();
    for part in bytes.chunks(bytes.len().div_ceil(6)) {
        // ENOSPC.
        shim.break_with("28");
        sender.write_all(part).unwrap();
        wait_for_refusal(&mut recv);
        shim.mend_it();
        wait_for_recovery(&mut told);
    }
    drop(sender);
    recv.wait_for("disconnected");
    recv.signal("TERM");
    told.for_each(drop);
    recv.finish();
    let session = recv.session();
    assert_eq!(b3sum(&check(&session)), b3sum(&bytes));
    let mut watch = Stage::start(tool("cht-segwatch").arg(&session));
    watch.finish();
    let segments = watch.of_type("segment");
    let ended_by_disk =
        recv.of_type("segment_closed").iter().filter(|event| event["end_reason"] == "disk").count();
    assert!(ended_by_disk >= 2 && segments.len() > 4, "{ended_by_disk}, {}", segments.len());
    let mut starts = Vec::new();
    for segment in segments {
        // One in which no picture begins lies within the last one.
        if segment.get("first_pts").is_some() {
            assert_eq!(segment["first_pts"], segment["timeline"]["pts"], "{segment}");
        }
        starts.push(segment["timeline"]["offset"].as_i64().unwrap());
    }
    assert!(starts.is_sorted_by(|a, b| a < b), "{starts:?}");
}

#[test]
fn stop_during_passing_disk_error_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let faulty = with_faults(folder.path(), REFUSAL, "--segment-time 1");
    let Some((shim, mut command)) = faulty else { return };
    let (mut recv, address) = listen(&mut command);
    let bytes = source(3.0);
    let (before, after) = bytes.split_at(bytes.len() / 2);
    let mut sender = TcpStream::connect(&address).unwrap();
    sender.write_all(before).unwrap();
    recv.wait_for("segment_closed");
    // EIO.
    shim.break_with("5");
    sender.write_all(after).unwrap();
    drop(sender);
    wait_for_refusal(&mut recv);
    recv.signal("TERM");
    shim.mend_it();
    assert_eq!(recv.finish().code(), Some(1));
    // Whatever had been received by then is recorded, and no part is left to be adopted.
    let recorded = check(&recv.session());
    assert!(recorded.len() >= before.len() && bytes.starts_with(&recorded));
}

/// Starts cht-scenes, and does `then` after it was given the first segment.
fn scenes(paths: &[PathBuf], out: &Path, options: &str, then: impl FnOnce(&mut Stage)) -> Stage {
    let mut command = tool("cht-scenes");
    command.arg("--out").arg(out).args(words(options)).stdin(Stdio::piped());
    let mut stage = Stage::start(&mut command);
    let mut stdin = stage.child.stdin.take().unwrap();
    writeln!(stdin, "{}", paths[0].display()).unwrap();
    then(&mut stage);
    for path in &paths[1..] {
        writeln!(stdin, "{}", path.display()).unwrap();
    }
    drop(stdin);
    stage
}

/// Returns the fields of each frame that do not depend on its folder.
fn frames(stage: &Stage) -> Vec<[Value; 4]> {
    let fields = ["id", "timestamp", "hash", "reason"];
    stage.of_type("frame").iter().map(|frame| fields.map(|field| frame[field].clone())).collect()
}

#[test]
fn full_disk_makes_scenes_wait_and_loses_no_frame() {
    let Some(disk) = Tmpfs::mount(4) else { return };
    let folder = tempfile::tempdir().unwrap();
    let shots = ["testsrc2", "smptebars", "mandelbrot", "rgbtestsrc"];
    let paths = [1, 2, 3].map(|n| folder.path().join(format!("{n}.ts")));
    for (n, path) in paths.iter().enumerate() {
        let shots: Vec<_> =
            shots.iter().map(|name| (format!("{name}=s=320x240:r=25"), 1.0)).collect();
        let shots: Vec<_> = shots.iter().map(|(shot, time)| (shot.as_str(), *time)).collect();
        generate(path, &shots, &format!("{QUICK} -output_ts_offset {}", n * 4));
    }
    for (n, (options, is_full_at_once)) in
        [("--detect scene", true), ("--detect adaptive", false), ("--detect scene --jobs 2", true)]
            .into_iter()
            .enumerate()
    {
        let options = format!("{options} --stats-interval 0 --min-gap 0");
        let mut expected = scenes(&paths, &folder.path().join(n.to_string()), &options, |_| {});
        assert!(expected.finish().success());
        let out = disk.path().join(n.to_string());
        let mut filler = is_full_at_once.then(|| disk.fill());
        let mut stage = scenes(&paths, &out, &options, |stage| {
            if !is_full_at_once {
                stage.wait_for("frame");
                filler = Some(disk.fill());
            }
        });
        let error = stage.wait_for("error");
        assert_eq!(error["code"], "disk");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("No space left on device"), "{message}");
        fs::remove_file(filler.unwrap()).unwrap();
        assert_eq!(stage.finish().code(), Some(1), "{options}");
        assert_eq!(stage.of_type("error").len(), 1, "{:?}", stage.of_type("error"));
        assert_eq!(frames(&stage), frames(&expected), "{options}");
        assert_eq!(stage.of_type("segment_done").len(), paths.len());
    }
}

#[test]
fn wall_clock_change_moves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let clock = folder.path().join("clock");
    let set = |offset: &str| fs::write(&clock, format!("{offset}\n")).unwrap();
    set("+0");
    let sessions = folder.path().join("sessions");
    let mut command = tool("cht-recv");
    command.arg("--sessions").arg(sessions).args(words("--segment-time 1"));
    if !set_wall_clock(&mut command, &clock) {
        return;
    }
    let (mut recv, address) = listen(&mut command);
    let bytes = source(9.0);
    let mut sender = TcpStream::connect(&address).unwrap();
    let third = bytes.len() / 3;
    for (part, offset) in bytes.chunks(third + 1).zip(["-7200", "+86400", "+0"]) {
        sender.write_all(part).unwrap();
        recv.wait_for("segment_closed");
        set(offset);
    }
    drop(sender);
    recv.wait_for("disconnected");
    // Another connection, an hour "before" this one.
    set("-3600");
    send(&address, &bytes);
    recv.wait_for("disconnected");
    recv.stop();
    assert_eq!(b3sum(&check(&recv.session())), b3sum(&[&bytes[..], &bytes[..]].concat()));
    let closed = recv.of_type("segment_closed");
    assert_eq!(closed.len(), 18);
    let hour = |event: &Value| event["opened_at"].as_str().unwrap()[..13].to_owned();
    let hours: Vec<_> = closed.iter().map(|event| hour(event)).collect();
    assert!(!hours.is_sorted(), "the wall clock was set back: {hours:?}");
    for (n, segment) in closed.iter().enumerate() {
        assert!((segment["duration"].as_f64().unwrap() - 1.0).abs() < 0.05, "{segment}");
        let offset = segment["timeline"]["offset"].as_i64().unwrap();
        if n < 9 {
            assert_eq!(offset, n as i64 * 90_000);
        } else {
            // By the clock of arrival, which ran on: the test takes no hour.
            let gap = offset - n as i64 * 90_000;
            assert!((-90_000..1800 * 90_000).contains(&gap), "{segment}");
        }
    }
}

#[test]
fn truncated_segment_is_reported_while_growing_and_later() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = tool("cht-recv");
    command.arg("--sessions").arg(folder.path()).args(words("--once --session-id call"));
    let (mut recv, address) = listen(&mut command);
    let bytes = source(3.0);
    let (before, after) = bytes.split_at(bytes.len() / 2);
    let mut sender = TcpStream::connect(&address).unwrap();
    sender.write_all(before).unwrap();
    recv.wait_for("segment_open");
    let stream = folder.path().join("call/stream");
    let part = fs::File::options().write(true).open(stream.join("segment_000001.ts.part")).unwrap();
    while part.metadata().unwrap().len() < 188 {}
    part.set_len(100).unwrap();
    sender.write_all(after).unwrap();
    drop(sender);
    assert_eq!(recv.finish().code(), Some(1));
    let error = recv.of_type("error")[0];
    assert_eq!(error["code"], "damaged");
    assert!(error["message"].as_str().unwrap().contains("has changed it while it grew"), "{error}");

    let output = tool("cht-segwatch").arg(folder.path().join("call")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("recorded bytes are not there any more"), "{said}");
    let segment = said.lines().find(|line| line.contains(r#""type":"segment","#)).unwrap();
    let segment: Value = serde_json::from_str(segment).unwrap();
    let missing = segment["damage"]["missing_bytes"].as_u64().unwrap();
    let length = fs::metadata(stream.join("segment_000001.ts")).unwrap().len();
    assert_eq!(length + missing, bytes.len() as u64);
}

#[test]
fn stop_without_folder_reports_lost_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = tool("cht-recv");
    command.arg("--sessions").arg(folder.path()).args(words("--session-id call --segment-time 1"));
    command.stderr(Stdio::piped());
    let (mut recv, address) = listen(&mut command);
    let bytes = source(3.0);
    let (before, after) = bytes.split_at(bytes.len() / 2);
    let mut sender = TcpStream::connect(&address).unwrap();
    sender.write_all(before).unwrap();
    recv.wait_for("segment_closed");
    fs::rename(folder.path().join("call/stream"), folder.path().join("aside")).unwrap();
    sender.write_all(after).unwrap();
    wait_for_refusal(&mut recv);
    recv.signal("TERM");
    let told: Vec<_> = recv.stderr().collect();
    assert_eq!(recv.finish().code(), Some(2));
    // The segment that grew, and what could not be written any more.
    let lost = told.iter().filter(|line| line.contains(" received bytes are lost"));
    assert_eq!(lost.count(), 2, "{told:#?}");
}
