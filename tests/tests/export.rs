//! cht-export's lists, read back by other programs, and its check of a session.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

#[path = "export/parts.rs"]
mod parts;

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use cht_tests::{
    Stage, encode, examined, generated, line, probe_frames, record, recording, scenes, tool,
};
use serde_json::{Value, json};

const SHOTS: [(&str, f64); 4] = [
    ("testsrc2=s=320x240:r=30000/1001", 2.3),
    ("smptebars=s=320x240:r=30000/1001", 1.7),
    ("mandelbrot=s=320x240:r=30000/1001", 2.0),
    ("rgbtestsrc=s=320x240:r=30000/1001", 1.0),
];

/// Makes a session of several segments with four shots, and its index with a transcript.
fn session(folder: &Path) -> PathBuf {
    let bytes = generated(&SHOTS, "-c:v libx264 -preset ultrafast -bf 2 -g 30");
    let mut recorder = record(&folder.join("sessions"), &bytes, "--segment-time 2");
    assert!(recorder.finish().success());
    let session = recorder.session();
    let mut scenes = Stage::fed(tool("cht-scenes").args(["--detect", "scene"]), examined(&session));
    let lines: Vec<_> = scenes.succeed().iter().map(line).collect();
    assert!(Stage::fed(&mut tool("cht-index"), lines).finish().success());
    let name = session.to_str().unwrap();
    let journal = session.join("frames/index.ndjson");
    let mut journal = fs::File::options().append(true).open(journal).unwrap();
    for (start, text) in [(0.5, "Hello."), (3.25, "a < b\n\n--> & more")] {
        let words = json!({
            "v": 1, "type": "transcript", "session": name,
            "start": start, "end": start + 1.5, "text": text,
        });
        writeln!(journal, "{}", line(&words)).unwrap();
    }
    session
}

fn list(format: &str, session: &Path, options: &[&str]) -> String {
    let mut command = tool("cht-export");
    let output = command.args(["list", format]).arg(session).args(options).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the FCPXML list of a session, which is valid: Final Cut Pro refuses any other.
fn valid_fcpxml(session: &Path) -> String {
    let text = list("fcpxml", session, &[]);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let mut command = Command::new("xmllint");
    command.args(["--noout", "--dtdvalid", "tests/export/fcpxml.dtd"]).arg(file.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}{text}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Returns what ffprobe says of a file.
fn probed(path: &Path, show: &str) -> Value {
    let mut command = Command::new("ffprobe");
    command.args(["-loglevel", "error", "-of", "json", show]).arg(path);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn scene_begins_at_its_picture_in_every_list() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let whole = folder.path().join("whole.ts");
    fs::write(&whole, recording(&session)).unwrap();
    let pictures = probe_frames(&whole);
    // The first picture of each shot, as the shots were made.
    let mut expected = vec![0];
    for (_, seconds) in &SHOTS[..3] {
        let frames = (seconds * 30_000.0 / 1001.0).ceil() as i64;
        expected.push(expected.last().unwrap() + frames);
    }

    let csv = list("csv", &session, &[]);
    let rows: Vec<Vec<&str>> = csv.lines().skip(2).map(|row| row.split(',').collect()).collect();
    let starts: Vec<i64> = rows.iter().map(|row| row[1].parse::<i64>().unwrap() - 1).collect();
    assert_eq!(starts, expected, "{csv}");
    for (row, &start) in rows.iter().zip(&expected) {
        let seconds: f64 = row[3].parse().unwrap();
        let exact = pictures[start as usize] - pictures[0];
        assert!((seconds - exact).abs() < 0.001, "{row:?}: {exact}");
    }
    assert_eq!(rows[3][4], pictures.len().to_string(), "the last frame of the last scene");

    let qp: Vec<_> = expected.iter().map(|frame| format!("{frame} I -1\n")).collect();
    assert_eq!(list("qp", &session, &[]), qp.concat());
    let otio: Value = serde_json::from_str(&list("otio", &session, &[])).unwrap();
    let clips = otio["tracks"]["children"][0]["children"].as_array().unwrap();
    let values: Vec<_> = clips
        .iter()
        .map(|clip| clip["source_range"]["start_time"]["value"].as_i64().unwrap())
        .collect();
    assert_eq!(values, expected);
    let edl = list("edl", &session, &[]);
    let timecode = |frame: i64| format!("00:00:{:02}:{:02}", frame / 30, frame % 30);
    for pair in expected.windows(2) {
        let source = format!("C        {} {} ", timecode(pair[0]), timecode(pair[1]));
        assert!(edl.contains(&source), "{source}\n{edl}");
    }
    let fcpxml = valid_fcpxml(&session);
    let second = format!(r#"start="{}/30000s""#, expected[1] * 1001);
    assert!(
        fcpxml.contains(&second) && fcpxml.contains(r#"frameDuration="1001/30000s""#),
        "{fcpxml}"
    );
}

#[test]
fn editing_programs_are_told_of_the_sound() {
    let folder = tempfile::tempdir().unwrap();
    for (name, sound, told) in [
        ("mute", "", r#"hasVideo="1" videoSources="1">"#),
        (
            "sound",
            "-f lavfi -i sine=sample_rate=44100:d=3 -ac 1 -c:a aac",
            r#"hasVideo="1" videoSources="1" hasAudio="1" audioSources="1" audioChannels="1" audioRate="44100">"#,
        ),
        (
            "two",
            "-f lavfi -i sine=d=3 -f lavfi -i sine=d=3 -map 0 -map 1 -map 2 -ac 2 -ar 48000 -c:a aac",
            r#"hasVideo="1" videoSources="1" hasAudio="1" audioSources="2" audioChannels="2" audioRate="48000">"#,
        ),
    ] {
        let path = folder.path().join(name).with_extension("ts");
        let video = "-c:v libx264 -preset ultrafast -g 25";
        encode(&path, "testsrc2=s=64x64:r=25:d=3", &format!("{sound} {video}"));
        let frames = folder.path().join(name);
        let lines: Vec<_> =
            scenes(&[path], &frames, "--detect scene").succeed().iter().map(line).collect();
        let index = frames.join("index.json");
        let mut stage = Stage::fed(tool("cht-index").arg("--out").arg(&index), lines);
        assert!(stage.finish().success());
        let fcpxml = valid_fcpxml(&index);
        assert!(fcpxml.contains(told), "{name}: {fcpxml}");
    }
}

#[test]
fn ffmpeg_reads_chapters_and_subtitles() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let path = |name: &str| folder.path().join(name);
    for (format, name) in [("ffmetadata", "c.txt"), ("srt", "s.srt"), ("vtt", "s.vtt")] {
        let out = path(name);
        list(format, &session, &["--out", out.to_str().unwrap()]);
    }
    fs::write(path("in.ts"), recording(&session)).unwrap();
    let muxed = path("out.mkv");
    let mut mux = Command::new("ffmpeg");
    mux.current_dir(folder.path()).args(["-loglevel", "error", "-i", "in.ts", "-i", "c.txt"]);
    mux.args(["-map_metadata", "1", "-map", "0", "-codec", "copy", "out.mkv"]);
    assert!(mux.status().unwrap().success());
    let chapters = probed(&muxed, "-show_chapters");
    let starts: Vec<f64> = chapters["chapters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|chapter| chapter["start_time"].as_str().unwrap().parse().unwrap())
        .collect();
    let scenes: Vec<Value> = list("ndjson", &session, &[])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(starts.len(), scenes.len());
    for (start, scene) in starts.iter().zip(&scenes) {
        assert!((start - scene["start"].as_f64().unwrap()).abs() < 0.001, "{chapters}");
    }
    for name in ["s.srt", "s.vtt"] {
        let packets = probed(&path(name), "-show_packets");
        let times: Vec<_> = packets["packets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|packet| {
                (packet["pts_time"].as_str().unwrap(), packet["duration_time"].as_str().unwrap())
            })
            .collect();
        assert_eq!(times, [("0.500000", "1.500000"), ("3.250000", "1.500000")], "{name}");
    }
    assert!(fs::read_to_string(path("s.vtt")).unwrap().contains("a &lt; b\n--&gt; &amp; more\n"));
}

#[test]
fn check_names_each_file_that_differs_from_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let check = |options: &[&str]| {
        let mut command = tool("cht-export");
        let output = command.arg("check").arg(&session).args(options).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let found: Vec<_> = text
            .lines()
            .map(|line| {
                let event: Value = serde_json::from_str(line).unwrap();
                let path = PathBuf::from(event["path"].as_str().unwrap());
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (event["code"].as_str().unwrap().to_owned(), name)
            })
            .collect();
        (output.status.code().unwrap(), found)
    };
    assert_eq!(check(&[]), (0, vec![]));

    let frames = session.join("frames");
    fs::remove_file(frames.join("F000001.jpg")).unwrap();
    let second = frames.join("F000002.jpg");
    let mut bytes = fs::read(&second).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&second, bytes).unwrap();
    fs::write(frames.join("F000099.jpg"), b"x").unwrap();
    let segment = session.join("stream/segment_000002.ts");
    fs::File::options().write(true).open(&segment).unwrap().set_len(188).unwrap();
    let own = |code: &str, name: &str| (code.to_owned(), name.to_owned());
    let by_size = vec![
        own("missing", "F000001.jpg"),
        own("not_indexed", "F000099.jpg"),
        own("damaged", "segment_000002.ts"),
    ];
    assert_eq!(check(&["--quick"]), (1, by_size.clone()));
    let mut all = by_size;
    all.insert(1, own("damaged", "F000002.jpg"));
    assert_eq!(check(&[]), (1, all));

    let snapshot = frames.join("index.json");
    let text = fs::read_to_string(&snapshot).unwrap();
    fs::write(&snapshot, text.replacen(r#""reason":"first""#, r#""reason":"screen""#, 1)).unwrap();
    fs::write(session.join("stream/segments.ndjson"), "no event\n").unwrap();
    let (status, found) = check(&["--quick"]);
    let names: Vec<_> = found.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(status, 1);
    let expected =
        ["F000001.jpg", "index.json", "F000099.jpg", "segments.ndjson", "segment_000001.ts"];
    assert_eq!(names[..5], expected, "{found:?}");

    let mut journal = fs::File::options().append(true).open(frames.join("index.ndjson")).unwrap();
    writeln!(journal, "garbage").unwrap();
    let (_, found) = check(&["--quick"]);
    assert_eq!(found[0], own("damaged", "index.ndjson"), "{found:?}");
}

#[test]
fn list_without_contents_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    fs::create_dir(folder.path().join("empty")).unwrap();
    let run = |words: &[&str]| {
        let output = tool("cht-export").args(words).current_dir(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let session = session.to_str().unwrap();
    assert!(run(&["list", "csv", "empty"]).contains("name a session's folder or an index.json"));
    assert!(
        run(&["list", "csv", session, "--from", "99"]).contains("no scene is left; check --from")
    );
    assert!(run(&["list", "csv", session, "--rate", "0"]).contains("must be pictures a second"));
    assert!(run(&["list", "csv", session, "--out", "empty/no/c.csv"]).contains("empty/no"));
}

#[test]
fn list_is_written_through_links_and_into_devices() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let (target, link) = (folder.path().join("target"), folder.path().join("link"));
    fs::write(&target, "before").unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("target", &link).unwrap();
    let csv = list("csv", &session, &[]);
    assert_eq!(list("csv", &session, &["--out", link.to_str().unwrap()]), "");
    assert_eq!(fs::read_to_string(&target).unwrap(), csv);
    assert_eq!(target.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(list("csv", &session, &["--out", "/dev/stdout"]), csv);
}

#[test]
fn transcript_of_impossible_times_ends_with_the_recording() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let journal = session.join("frames/index.ndjson");
    let mut journal = fs::File::options().append(true).open(journal).unwrap();
    for (start, end) in [(5.0, 1e12), (1e300, 1e301), (-1e300, -5.0)] {
        let words = json!({
            "v": 1, "type": "transcript", "session": null, "start": start, "end": end, "text": "x",
        });
        writeln!(journal, "{}", line(&words)).unwrap();
    }
    let srt = list("srt", &session, &[]);
    assert!(srt.ends_with("3\n00:00:05,000 --> 00:00:07,007\nx\n\n"), "{srt}");
}

#[test]
fn recording_without_its_first_and_last_segment_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let whole = list("csv", &session, &[]);
    let segments = fs::read_dir(session.join("stream")).unwrap();
    let mut segments: Vec<_> = segments.map(|entry| entry.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|kind| kind == "ts"));
    segments.retain(|path| path.to_str().unwrap().contains("segment_"));
    segments.sort();
    fs::remove_file(&segments[0]).unwrap();
    fs::remove_file(&segments[segments.len() - 1]).unwrap();
    assert_eq!(list("csv", &session, &[]), whole);
}

#[test]
fn database_finds_words() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let script = list("sql", &session, &[]);
    let database = folder.path().join("database");
    let query = |sql: &str| {
        let mut command = Command::new("sqlite3");
        let output = command.arg(&database).arg(sql).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    query(&script);
    assert_eq!(query("SELECT text, start FROM words WHERE words MATCH 'hello'"), "Hello.|0.5\n");
    assert_eq!(query("SELECT text FROM transcript WHERE start > 3"), "a < b\n\n--> & more\n");
    let joined = "SELECT number, id FROM scene JOIN frame ON frame = id ORDER BY number";
    assert_eq!(query(joined), "1|F000001\n2|F000002\n3|F000003\n4|F000004\n");
    // A recorder's log gives each frame its wall clock.
    assert_eq!(query("SELECT count(*) FROM frame WHERE at IS NOT NULL"), "4\n");
}

#[test]
fn pictures_are_joined_and_those_gone_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    // In a folder whose name is no word of ffmpeg's scripts.
    let moved = folder.path().join("it's %03d\nnew");
    fs::rename(&session, &moved).unwrap();
    fs::remove_file(moved.join("frames/F000003.jpg")).unwrap();
    fs::write(moved.join("frames/F000002.jpg"), "junk").unwrap();
    let export = |command: &str, name: &str, options: &[&str]| {
        let out = folder.path().join(name);
        let mut tool = tool("cht-export");
        let output = tool.arg(command).arg(&moved).arg(&out).args(options).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // One picture is gone, and one damaged.
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("F000003.jpg: No such file or directory"), "{said}");
        assert!(said.contains("F000002.jpg: its contents are not those of the index"), "{said}");
        out
    };
    let size = |path: &Path| {
        let stream = &probed(path, "-show_streams")["streams"][0];
        [stream["width"].as_u64().unwrap(), stream["height"].as_u64().unwrap()]
    };
    // Two pictures of 160 by 120, with a line of text each.
    let sheet = export("sheet", "sheet.png", &["--columns", "1", "--width", "160"]);
    assert_eq!(size(&sheet), [160 + 2 * 8, 2 * (120 + 24) + 3 * 8]);
    export("sheet", "pages.jpg", &["--columns", "1", "--rows", "1", "--width", "160"]);
    let pages = ["pages-1.jpg", "pages-2.jpg"].map(|name| size(&folder.path().join(name)));
    assert_eq!(pages, [[160 + 2 * 8, 160]; 2]);

    let cues = fs::read_to_string(export("thumbnails", "cues.vtt", &[])).unwrap();
    let last = cues.lines().last().unwrap();
    assert_eq!(last, "cues-1.jpg#xywh=160,0,160,120");
    assert_eq!(size(&folder.path().join("cues-1.jpg")), [1600, 120]);
    assert_eq!(cues.matches(" --> ").count(), 2);

    let preview = fs::read(export("preview", "preview.webp", &["--width", "80"])).unwrap();
    assert_eq!(preview.windows(4).filter(|bytes| *bytes == b"ANMF").count(), 2);
}

#[test]
fn lost_index_is_found_in_the_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let index = session.join("frames/index.json");
    let fields = || -> Vec<Value> {
        let frames: Vec<Value> = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
        let kept =
            ["id", "timestamp", "pts", "at", "path", "segment", "reason", "width", "bytes", "hash"];
        frames.iter().map(|frame| kept.iter().map(|name| frame[name].clone()).collect()).collect()
    };
    let before = fields();
    for name in ["frames/index.json", "frames/index.ndjson"] {
        fs::remove_file(session.join(name)).unwrap();
    }
    fs::write(session.join("frames/F000009.jpg"), "no picture").unwrap();
    let output = tool("cht-export").arg("rebuild").arg(&session).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("F000009.jpg: says nothing of its origin"), "{said}");
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<_> =
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    assert!(Stage::fed(&mut tool("cht-index"), lines).finish().success());
    assert_eq!(fields(), before);
}

#[test]
fn cut_list_of_several_loose_segments_needs_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    // The same segments without their session.
    let loose: Vec<_> = (1..=2)
        .map(|seq| {
            let path = folder.path().join(format!("{seq}.ts"));
            fs::copy(session.join(format!("stream/segment_{seq:06}.ts")), &path).unwrap();
            path
        })
        .collect();
    let frames = folder.path().join("frames");
    let lines: Vec<_> = scenes(&loose, &frames, "").succeed().iter().map(line).collect();
    let index = frames.join("index.json");
    let mut stage = Stage::fed(tool("cht-index").arg("--out").arg(&index), lines);
    assert!(stage.finish().success());
    let output = tool("cht-export").args(["list", "edl"]).arg(&index).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("of several segments; join them"), "{said}");
    assert!(list("edl", &index, &["--media", "joined.ts"]).contains("CLIP NAME: joined.ts"));
    assert!(list("csv", &index, &[]).contains("Scene Number"));
}

#[test]
fn files_of_a_recording_are_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let link = folder.path().join("link.csv");
    std::os::unix::fs::symlink(session.join("stream/segment_000001.ts"), &link).unwrap();
    for (command, out) in [
        ("list csv", session.join("stream/segment_000001.ts")),
        ("list csv", session.join("frames/index.ndjson")),
        ("list csv", session.join("transcript/new.csv")),
        ("list csv", link.clone()),
        ("sheet", session.join("frames/F000001.jpg")),
        ("thumbnails", session.join("frames/new.vtt")),
        ("preview", session.join("stream/new.webp")),
        ("clip", session.join("frames/new.ts")),
    ] {
        let before = fs::read(&out).ok();
        let mut tool = tool("cht-export");
        tool.args(command.split(' ')).arg(&session);
        if command == "list csv" {
            tool.arg("--out");
        }
        let output = tool.arg(&out).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command} {}: {said}", out.display());
        assert!(said.contains("belongs to a recording; write elsewhere"), "{said}");
        assert_eq!(fs::read(&out).ok(), before);
    }
}

#[test]
fn lost_journal_is_found_and_its_remedy_named() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    fs::remove_file(session.join("frames/index.ndjson")).unwrap();
    for command in [["check"].as_slice(), &["list", "csv"]] {
        let output = tool("cht-export").args(command).arg(&session).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("cht-export rebuild"), "{said}");
    }
}
