//! Bad input: a message names it and the remedy, the rest goes on, and the exit status is an error.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    ffi::OsStr,
    fs,
    io::Write as _,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use cht_tests::{
    QUICK, Shim, bin, generate, generated, make_fifo, make_script, recorder, tool, words,
};

#[path = "bad_input/options.rs"]
mod options;

/// Runs a stage on these lines, and returns its output.
fn pipe(command: &mut Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A stage that refuses to start closes its stdin.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn count(output: &Output, kind: &str) -> usize {
    String::from_utf8_lossy(&output.stdout).matches(&format!("\"type\":\"{kind}\"")).count()
}

#[test]
fn bad_segments_are_named_and_good_one_is_examined() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good.ts");
    generate(&good, &[("testsrc2=s=160x120:r=25", 1.0)], QUICK);
    let empty = folder.path().join("empty.ts");
    fs::write(&empty, b"").unwrap();
    let text = folder.path().join("text.ts");
    fs::write(&text, "no transport stream ".repeat(500)).unwrap();
    let missing = folder.path().join("missing.ts");
    let not_utf8 = folder.path().join(OsStr::from_bytes(b"not_\xff.ts"));
    fs::copy(&good, &not_utf8).unwrap();
    let paths = [&good, &empty, &text, &missing, &not_utf8];
    let output = tool("cht-segwatch").args(["--settle", "0"]).args(paths).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!((count(&output, "segment"), count(&output, "error")), (1, 4));
    let said = said(&output);
    for part in [
        "empty.ts: the file is empty",
        "text.ts: not an MPEG transport stream",
        "missing.ts: no such file",
        "not_\\xFF.ts\": the path is not UTF-8",
    ] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
    // The same on stdin of the next stage.
    let mut list = Vec::new();
    for path in paths {
        list.extend(path.as_os_str().as_bytes());
        list.push(b'\n');
    }
    let out = folder.path().join("out");
    let output = pipe(tool("cht-scenes").arg("--out").arg(out), &list);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!((count(&output, "frame"), count(&output, "error")), (1, 4), "{output:?}");
}

/// Returns a command that is killed if it hangs.
fn bounded(name: &str) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["-k", "1", "30"])
        .arg(bin(name))
        .env_remove("CHT_SESSION")
        .env("CHT_CACHE", "none");
    command
}

#[test]
fn fifo_among_segments_is_an_error_and_others_are_examined() {
    let folder = tempfile::tempdir().unwrap();
    let stream = folder.path().join("call/stream");
    fs::create_dir_all(&stream).unwrap();
    let names = [1, 2, 3].map(|n| stream.join(format!("segment_{n:06}.ts")));
    generate(&names[0], &[("testsrc2=s=160x120:r=25", 1.0)], QUICK);
    make_fifo(&names[1]);
    fs::copy(&names[0], &names[2]).unwrap();
    make_fifo(&stream.join("segments.ndjson"));
    let refused = "segment_000002.ts: not a regular file (a FIFO)";

    let output = bounded("cht-segwatch").arg(folder.path().join("call")).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!((count(&output, "segment"), count(&output, "error")), (2, 1), "{output:?}");
    for part in [refused, "segments.ndjson: not a regular file (a FIFO)"] {
        assert!(said(&output).contains(part), "{part} is missing in {}", said(&output));
    }

    let paths = names.each_ref().map(|name| format!("{}\n", name.display())).concat();
    let open = format!(
        "{{\"v\":1,\"type\":\"segment_open\",\"session\":null,\"seq\":1,\"path\":\"{}\",\"connection\":1,\
         \"offset\":0,\"timeline\":{{\"pts\":0,\"offset\":0}},\"at\":\"2026-11-23T01:02:03Z\"}}\n",
        names[1].display()
    );
    let out = folder.path().join("frames");
    let output = pipe(bounded("cht-scenes").arg("--out").arg(&out), (open + &paths).as_bytes());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!((count(&output, "segment_done"), count(&output, "error")), (2, 2), "{output:?}");

    let mut monitor = bounded("cht-monitor");
    let monitor = monitor.args(["--stdout", "--from", "start"]).arg(folder.path().join("call"));
    let output = monitor.output().unwrap();
    assert_eq!(output.stdout.len() as u64, 2 * fs::metadata(&names[0]).unwrap().len());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said(&output).contains(refused), "{}", said(&output));
}

#[test]
fn fifo_in_place_of_journal_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let segment = folder.path().join("a.ts");
    generate(&segment, &[("testsrc2=s=160x120:r=25", 1.0)], QUICK);
    for name in ["index.ndjson", "scenes.ndjson"] {
        let frames = folder.path().join(name).join("frames");
        fs::create_dir_all(&frames).unwrap();
        make_fifo(&frames.join(name));
        let mut stage = match name {
            "scenes.ndjson" => bounded("cht-scenes"),
            _ => bounded("cht-index"),
        };
        let out = if name == "scenes.ndjson" { frames } else { frames.join("index.json") };
        let output = pipe(stage.arg("--out").arg(out), segment.to_str().unwrap().as_bytes());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let refused = format!("{name}: not a regular file (a FIFO)");
        assert!(said(&output).contains(&refused), "{}", said(&output));
    }
}

/// Fault: bytes of a file named `rotten.ts` cannot be read from an offset on, which the shim's file
/// holds.
const BAD_SECTOR: &str = r#"
ssize_t pread64(int file, void *bytes, size_t count, off64_t at) {
    static ssize_t (*real)(int, void *, size_t, off64_t);
    if (!real) real = dlsym(RTLD_NEXT, "pread64");
    char name[64], path[4096] = "";
    sprintf(name, "/proc/self/fd/%d", file);
    if (readlink(name, path, sizeof path - 1) > 0 && strstr(path, "rotten.ts") && is_faulty()) {
        FILE *from = fopen(getenv("FAULTY"), "r");
        long bad = 0;
        fscanf(from, "%ld", &bad);
        fclose(from);
        if (at >= bad) { errno = EIO; return -1; }
        if (at + (long)count > bad) count = bad - at;
    }
    return real(file, bytes, count, at);
}
"#;

#[test]
fn segment_with_unreadable_end_is_an_error_and_others_are_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let Some(shim) = Shim::build(folder.path(), BAD_SECTOR) else { return };
    let paths = ["a.ts", "rotten.ts", "z.ts"].map(|name| folder.path().join(name));
    generate(&paths[0], &[("testsrc2=s=160x120:r=25", 1.0)], QUICK);
    let shots = [("smptebars=s=160x120:r=25", 1.0), ("testsrc2=s=160x120:r=25", 3.0)];
    generate(&paths[1], &shots, QUICK);
    fs::copy(&paths[0], &paths[2]).unwrap();
    let length = fs::metadata(&paths[1]).unwrap().len();
    let bad = length * 3 / 4;
    let message = format!("rotten.ts: Input/output error (os error 5), at byte {bad} of it");

    let segments = tool("cht-segwatch").args(["--settle", "0"]).args(&paths).output().unwrap();
    assert_eq!(count(&segments, "segment"), 3);
    shim.break_with(&bad.to_string());
    let mut command = bounded("cht-segwatch");
    shim.load(command.args(["--settle", "0"]).args(&paths));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!((count(&output, "segment"), count(&output, "error")), (2, 1), "{output:?}");
    assert!(said(&output).contains(&message), "{}", said(&output));

    // It fails in the middle of a stage that was told of it as whole.
    for (n, options) in [
        &["--detect", "scene"][..],
        &["--detect", "auto"],
        &["--detect", "auto", "--jobs", "2"],
        &["--decode", "fast"],
        &["--decode", "keyframes"],
    ]
    .iter()
    .enumerate()
    {
        let mut command = bounded("cht-scenes");
        shim.load(command.arg("--out").arg(folder.path().join(n.to_string())).args(*options));
        let output = pipe(&mut command, &segments.stdout);
        assert_eq!(output.status.code(), Some(1), "{options:?}: {output:?}");
        let counts = ["error", "segment_done"].map(|kind| count(&output, kind));
        assert_eq!(counts, [1, 3], "{options:?}: {output:?}");
        assert!(said(&output).contains(&message), "{options:?}: {}", said(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        let frames: Vec<_> =
            text.lines().filter(|line| line.contains("\"type\":\"frame\"")).collect();
        let of = |name: &str| frames.iter().filter(|frame| frame.contains(name)).count();
        // The cut lies before the bad sector, and what comes after the segment is another change.
        assert!(of("rotten.ts") > 1 && of("z.ts\"") > 0, "{options:?}: {frames:#?}");
    }
}

#[test]
fn truncated_segment_gives_its_frames() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = generated(&[("testsrc2=s=160x120:r=25", 2.0)], QUICK);
    for length in [100, 188, 1000, bytes.len() / 2 + 33] {
        let cut = folder.path().join(format!("cut_{length}.ts"));
        fs::write(&cut, &bytes[..length]).unwrap();
        let out = folder.path().join(format!("out_{length}"));
        let list = format!("{}\n", cut.display());
        let output = pipe(tool("cht-scenes").arg("--out").arg(out), list.as_bytes());
        let frames = count(&output, "frame");
        let expected = if length > 1000 { (1, Some(0)) } else { (0, Some(1)) };
        assert_eq!((frames, output.status.code()), expected, "{length}: {output:?}");
    }
}

#[test]
fn broken_line_is_named_and_others_pass() {
    let folder = tempfile::tempdir().unwrap();
    let input = b"{\"v\":1,\"type\":\"frame\"}\n{broken\n\n{\"v\":1,\"type\":\"dream\"}\n";
    let (out, index) = (folder.path().join("out"), folder.path().join("index.json"));
    for command in [
        &mut tool("cht-segwatch"),
        tool("cht-scenes").arg("--out").arg(out),
        tool("cht-index").arg("--out").arg(index),
    ] {
        let output = pipe(command, input);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!((count(&output, "error"), count(&output, "dream")), (2, 1), "{output:?}");
        let said = said(&output);
        assert!(
            said.contains("line 1: broken `frame` event") && said.contains("line 2:"),
            "{said}"
        );
    }
}

#[test]
fn port_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (_first, address) = recorder(folder.path(), "");
    let url = format!("tcp://{address}");
    let output = tool("cht-recv").args(["--listen", &url]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = said(&output);
    assert!(said.contains(&address) && said.contains("another program"), "{said}");
}

#[test]
fn invalid_option_value_is_named() {
    for options in [
        vec!["--listen", "127.0.0.1:4444"],
        vec!["--listen", "tcp://127.0.0.1"],
        vec!["--segment-time", "soon"],
        vec!["--session-id", "../x"],
        vec!["--frobnicate"],
    ] {
        let output = tool("cht-recv").args(&options).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{options:?}");
        // The value: `--listen` and `--input` are names of one option.
        let value = options.last().unwrap();
        assert!(said(&output).contains(value), "{options:?}: {}", said(&output));
    }
}

#[test]
fn value_out_of_range_is_refused_with_its_range() {
    for (name, options) in [
        ("cht-scenes", "--decoder-timeout 0"),
        ("cht-scenes", "--max-wait 0"),
        ("cht-scenes", "--on-lag keyframes --lag-limit 0"),
        ("cht-scenes", "--settle -1"),
        ("cht-scenes", "--min-gap inf"),
        ("cht-scenes", "--stats-interval nan"),
        ("cht-recv", "--listen tls://:1 --cert c --key k --handshake-timeout 0"),
        ("cht-recv", "--segment-time 1e300"),
        ("cht-recv", "--segment-time 0 --segment-max-time 0"),
        ("cht-segwatch", "--follow --settle -0.5"),
        ("cht-export", "clip a.ts b.ts --from -1"),
        ("cht-export", "clip a.ts b.ts --to -1:30"),
        ("cht-export", "split a --out b --from -0.5"),
        ("cht-export", "list csv a --min-length -1"),
        ("cht-export", "preview a b.webp --each -1"),
        ("cht-agent", "next --wait -1"),
        ("cht-agent", "moment 1 --around -1"),
        ("cht-monitor", "--from -1:x"),
        ("cht-segwatch", "--follow --since -1d"),
        ("cht-recv", "--retain-age -1d"),
        ("cht-recv", "--session-time -1"),
        ("cht-batch", "run a --out b --settle -1"),
    ] {
        let output = pipe(tool(name).args(words(options)), b"");
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{options}: {said}");
        let option = options.rsplit("--").next().unwrap().split(' ').next().unwrap();
        assert!(said.contains(option) && said.contains("must be"), "{options}: {said}");
    }
}

#[test]
fn age_or_size_without_unit_is_refused_and_removes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("old/stream/segment_000001.ts");
    fs::create_dir_all(kept.parent().unwrap()).unwrap();
    fs::write(&kept, b"recorded").unwrap();
    for (option, example) in [
        ("--retain-age", "as 7d, 12h"),
        ("--retain-bytes", "as 10GiB"),
        ("--min-free", "as 10GiB"),
        ("--segment-max-bytes", "as 10GiB"),
    ] {
        let output = tool("cht-recv")
            .args([option, "100000", "--listen", "tcp://127.0.0.1:0", "--sessions"])
            .arg(folder.path())
            .output()
            .unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(option) && said.contains(example), "{said}");
    }
    assert_eq!(fs::read(kept).unwrap(), b"recorded");
}

#[test]
fn folder_without_write_access_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    // A file in place of the folder refuses root as well.
    let blocked = folder.path().join("file");
    fs::write(&blocked, b"").unwrap();
    let recv = tool("cht-recv")
        .args(["--listen", "tcp://127.0.0.1:0", "--sessions"])
        .arg(blocked.join("sessions"))
        .output()
        .unwrap();
    let index = pipe(tool("cht-index").arg("--out").arg(blocked.join("index.json")), b"");
    for output in [recv, index] {
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(said(&output).contains(blocked.to_str().unwrap()), "{output:?}");
    }
}

#[test]
fn missing_or_old_ffmpeg_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("ffmpeg");
    let version = "ffmpeg version 4.4.2 Copyright (c) the FFmpeg developers";
    make_script(&old, &format!("#!/bin/sh\necho '{version}'\n"));
    for (program, part) in
        [(old.as_path(), "4.4.2 is too old"), (Path::new("/nonexistent"), "install ffmpeg")]
    {
        let output = pipe(tool("cht-scenes").arg("--ffmpeg").arg(program), b"");
        assert_eq!(output.status.code(), Some(2));
        let said = said(&output);
        assert!(said.contains(program.to_str().unwrap()) && said.contains(part), "{said}");
    }
}

#[test]
fn ffmpeg_that_cannot_run_blames_no_segment() {
    let folder = tempfile::tempdir().unwrap();
    let segment = folder.path().join("a.ts");
    generate(&segment, &[("testsrc2=s=160x120:r=25", 1.0)], QUICK);
    // Its file holds a version, as that of an ffmpeg whose libraries are gone does.
    let program = folder.path().join("ffmpeg");
    let mut bytes = fs::read("/bin/false").unwrap();
    bytes.extend(b"\0%s version 5.1.2\0");
    fs::write(&program, bytes).unwrap();
    fs::set_permissions(&program, fs::metadata("/bin/false").unwrap().permissions()).unwrap();
    let out = folder.path().join("frames");
    let mut scenes = tool("cht-scenes");
    scenes.arg("--ffmpeg").arg(&program).arg("--out").arg(&out);
    let output = pipe(&mut scenes, format!("{}\n", segment.display()).as_bytes());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(said(&output).contains("ffmpeg -version ended with"), "{}", said(&output));
    assert!(!String::from_utf8_lossy(&output.stdout).contains("decoder_failed"), "{output:?}");
}

#[test]
fn loose_segments_without_out_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    generate(&path, &[("testsrc2=s=160x120:r=25", 1.0)], QUICK);
    let output = pipe(&mut tool("cht-scenes"), format!("{}\n", path.display()).as_bytes());
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("--out"), "{}", said(&output));
}

/// Plants links at `names` in `folder` that all lead to one file outside; returns that file.
fn plant(folder: &Path, names: &[&str]) -> PathBuf {
    let victim = folder.join("victim");
    fs::write(&victim, "precious\n").unwrap();
    for name in names {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(&victim, path).unwrap();
    }
    victim
}

/// Returns a `frame` event of `session`.
fn frame(session: &Path) -> String {
    let rest = r#""timestamp":1,"pts":1,"path":"/x","segment":"/x","reason":"scene","scores":{"scene":0.5},"width":1,"height":1,"bytes":1,"hash":"0""#;
    format!(
        "{{\"v\":1,\"type\":\"frame\",\"session\":\"{}\",\"id\":\"F000001\",{rest}}}\n",
        session.display()
    )
}

#[test]
fn links_at_temporary_names_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("call");
    let clip = folder.path().join("clip.ts");
    generate(&clip, &[("testsrc2=s=160x120:r=25", 1.0)], QUICK);
    // The names of old, which other programs use, and those that the tools use.
    let victim = plant(
        folder.path(),
        &[
            "call/frames/index.json.tmp",
            "call/frames/F000001.jpg.tmp",
            "call/stream/session.m3u8.tmp",
            "call/stream/open.json.tmp",
            "call/stream/psi_000001.ts.tmp",
            "call/frames/.index.json.cht-tmp",
            "call/frames/.F000001.jpg.cht-tmp",
            "call/frames/.F000001.thumb.jpg.cht-tmp",
            "call/frames/.scenes_000001.state.cht-tmp",
            "call/stream/.session.m3u8.cht-tmp",
            "call/stream/.open.json.cht-tmp",
            "call/stream/.psi_000001.ts.cht-tmp",
        ],
    );
    let mut recv = tool("cht-recv");
    recv.args(["--input", "-", "--session-id", "call", "--sessions"]).arg(folder.path());
    assert!(pipe(&mut recv, &fs::read(&clip).unwrap()).status.success());
    let events = tool("cht-segwatch").arg(&session).output().unwrap().stdout;
    let scenes = pipe(tool("cht-scenes").args(["--thumbnails", "64"]), &events);
    assert!(scenes.status.success(), "{}", said(&scenes));
    let index = pipe(&mut tool("cht-index"), &scenes.stdout);
    assert!(index.status.success(), "{}", said(&index));
    assert_eq!(fs::read_to_string(victim).unwrap(), "precious\n");
    for made in ["frames/F000001.jpg", "frames/index.json", "stream/session.m3u8"] {
        let path = session.join(made);
        assert!(path.symlink_metadata().unwrap().is_file(), "{made}");
    }
}

#[test]
fn links_at_journal_names_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("call");
    let clip = folder.path().join("clip.ts");
    generate(&clip, &[("testsrc2=s=160x120:r=25", 0.2)], QUICK);
    fs::create_dir_all(session.join("stream")).unwrap();
    fs::copy(&clip, session.join("stream/segment_000001.ts")).unwrap();
    let names =
        ["frames/scenes.ndjson", "frames/index.ndjson", "stream/segments.ndjson", "scores.ndjson"];
    let victim = plant(
        folder.path(),
        &names.map(|name| format!("call/{name}")).each_ref().map(String::as_str),
    );
    let events =
        tool("cht-segwatch").args(["--settle", "0"]).arg(&session).output().unwrap().stdout;
    let refused = |command: &mut Command, input: &[u8]| {
        let output = pipe(command, input);
        assert!(!output.status.success());
        assert!(said(&output).contains("symbolic link"), "{}", said(&output));
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious\n");
    };
    refused(&mut tool("cht-scenes"), &events);
    refused(
        tool("cht-scenes")
            .arg("--out")
            .arg(folder.path().join("out"))
            .arg("--scores")
            .arg(session.join("scores.ndjson")),
        &events,
    );
    refused(&mut tool("cht-index"), frame(&session).as_bytes());
    let mut recv = tool("cht-recv");
    recv.args(["--input", "-", "--session-id", "call", "--sessions"]).arg(folder.path());
    refused(&mut recv, &fs::read(&clip).unwrap());
}

#[test]
fn session_without_room_for_frames_is_an_error_and_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    for good in ["good", "more"] {
        fs::create_dir_all(place(good).join("stream")).unwrap();
        let segment = place(good).join("stream/segment_000001.ts");
        generate(&segment, &[("testsrc2=s=160x120:r=25", 0.2)], QUICK);
    }
    fs::create_dir(place("project")).unwrap();
    fs::write(place("file"), "").unwrap();
    fs::create_dir_all(place("taken/stream")).unwrap();
    fs::write(place("taken/frames"), "").unwrap();
    fs::create_dir_all(place("linked/stream")).unwrap();
    symlink(place("project"), place("linked/frames")).unwrap();
    let events = |name: &str| {
        let mut watch = tool("cht-segwatch");
        watch.args(["--settle", "0"]).arg(place(name));
        String::from_utf8(watch.output().unwrap().stdout).unwrap()
    };
    let good = events("good");
    let mut lines = good.clone();
    for bad in ["project", "file", "taken", "linked", "nowhere", &"x".repeat(300)] {
        let session = |name: &str| format!("\"session\":\"{}\"", place(name).display());
        let line = good.replace(&session("good"), &session(bad));
        assert_ne!(line, good);
        lines += &line.repeat(2);
    }
    let output = pipe(&mut tool("cht-scenes"), (lines + &events("more")).as_bytes());
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_eq!(count(&output, "error"), 6, "each said once: {}", said(&output));
    assert_eq!(count(&output, "segment_done"), 2, "{}", said(&output));
    for good in ["good", "more"] {
        assert!(place(good).join("frames/F000001.jpg").exists(), "{good}");
    }
    assert_eq!(fs::read_dir(place("project")).unwrap().count(), 0);
    assert!(!place("nowhere").exists());
}

#[test]
fn too_large_picture_costs_its_segment_only() {
    let folder = tempfile::tempdir().unwrap();
    let paths = [1, 2, 3].map(|n| folder.path().join(format!("{n}.ts")));
    let shots = ["testsrc2=s=160x120:r=25", "testsrc2=s=640x480:r=25", "mandelbrot=s=160x120:r=25"];
    for (path, (shot, begin)) in paths.iter().zip(shots.iter().zip(["0", "1.1", "2.2"])) {
        generate(path, &[(shot, 1.0)], &format!("{QUICK} -output_ts_offset {begin}"));
    }
    let examined = tool("cht-segwatch").args(["--settle", "0"]).args(&paths).output().unwrap();
    let events = String::from_utf8(examined.stdout).unwrap();
    // Where the tables do not say the size, the decoder finds it out.
    let unsaid = events.replace(",\"width\":640,\"height\":480", "");
    assert_ne!(events, unsaid);
    for (n, events) in [events, unsaid].iter().enumerate() {
        let mut command = tool("cht-scenes");
        command.args(["--max-pixels", "100000", "--out"]).arg(folder.path().join(n.to_string()));
        let output = pipe(&mut command, events.as_bytes());
        assert_eq!(output.status.code(), Some(1));
        assert_eq!((count(&output, "error"), count(&output, "segment_done")), (1, 3));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("\"code\":\"too_large\""), "{text}");
        let message =
            "2.ts: pictures of 640x480 are larger than --max-pixels 100000 allows; left out";
        assert!(said(&output).contains(message), "{}", said(&output));
        let frames = |path: &Path| {
            text.lines()
                .filter(|line| line.contains("\"type\":\"frame\""))
                .filter(|line| line.contains(&format!("\"segment\":\"{}\"", path.display())))
                .count()
        };
        let kept = paths.each_ref().map(|path| frames(path));
        assert!(kept[0] >= 1 && kept[1] == 0 && kept[2] >= 1, "{kept:?}: {text}");
    }
}
