//! A real browser uses the pages, by `tests/page/check.mjs`.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
};

use cht_tests::{Pipeline, QUICK, bin_folder, generated, root, signal, tool};

use super::{Server, build};

/// Video at 25 frames per second whose pictures show their number in binary, in 16 bars.
fn counted(seconds: f64) -> Vec<u8> {
    counted_at("25", seconds)
}

/// The same at other rates.
fn counted_at(rate: &str, seconds: f64) -> Vec<u8> {
    generated(&[(&bars(rate), seconds)], &format!("{QUICK} -pix_fmt yuv420p"))
}

/// Source of pictures that show their number in binary.
fn bars(rate: &str) -> String {
    format!(
        r"color=black:s=320x180:r={rate},geq=lum='if(mod(floor(N/pow(2\,floor(X/20)))\,2)\,235\,16)':cb=128:cr=128"
    )
}

/// Folder with the driver of the browser; `None`, with a message, where it is not to be had.
fn driver() -> Option<PathBuf> {
    let folder = bin_folder().parent().unwrap().join("page-driver");
    let ready = Command::new(root().join("tests/page/setup")).arg(&folder).status();
    if !ready.is_ok_and(|status| status.success()) {
        println!("skipped: chromium or its driver is not here");
        return None;
    }
    let assets = fs::read_dir(root().join("cht-page/web/node_modules"));
    if assets.is_err() {
        println!("skipped: cht-page was built without players; `make build` fetches them");
        return None;
    }
    Some(folder)
}

fn check(driver: &Path, scenario: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.args(["-k", "5", "300", "node"]).arg(root().join("tests/page/check.mjs"));
    command.arg(driver).arg(scenario).args(arguments).env("HOME", driver);
    command.env("PATH", cht_tests::path_with_binaries());
    command
}

fn passes(driver: &Path, scenario: &str, arguments: &[&str]) {
    let output = check(driver, scenario, arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{scenario}: {said}");
}

/// Records counted pictures and a tone by other codecs as the session `name`.
fn recorded_as(sessions: &Path, name: &str, codecs: &str) {
    let folder = tempfile::tempdir().unwrap();
    let [plain, coded] = ["plain.ts", "coded.ts"].map(|name| folder.path().join(name));
    fs::write(&plain, counted(3.0)).unwrap();
    let mut arguments = vec!["-i", plain.to_str().unwrap(), "-f", "lavfi", "-i", "sine=d=3"];
    arguments.extend(cht_tests::words(codecs));
    arguments.extend(["-f", "mpegts", coded.to_str().unwrap()]);
    cht_tests::ffmpeg(arguments);
    let recv = format!("--once --session-id {name}");
    let mut pipeline = Pipeline::start(sessions, &recv, "--detect scene");
    pipeline.send(&fs::read(&coded).unwrap());
    pipeline.succeed();
}

/// Adds a text to a frame of the session.
fn add_text(session: &Path, id: &str, text: &str) {
    let event = format!(
        "{{\"v\":1,\"type\":\"text\",\"session\":\"{}\",\"id\":\"{id}\",\"text\":\"{text}\"}}\n",
        session.display()
    );
    let mut index = tool("cht-index").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    index.stdin.take().unwrap().write_all(event.as_bytes()).unwrap();
    assert!(index.wait().unwrap().success());
}

/// Records two connections of counted pictures as a session. Returns its folder, the number of
/// pictures, and the time at which the second connection begins.
fn recorded(sessions: &Path) -> (PathBuf, usize, f64) {
    let mut pipeline = Pipeline::start(
        sessions,
        "--session-id call --segment-time 2",
        "--detect scene --max-interval 1",
    );
    for (seconds, connection) in [(8.0, 1), (5.0, 2)] {
        pipeline.send(&counted(seconds));
        while pipeline.index.wait_for("disconnected")["connection"] != connection {}
    }
    signal(&pipeline.stages[0], "TERM");
    pipeline.succeed();
    let session = pipeline.session.clone();
    add_text(&session, "F000002", "Agenda");
    let log = fs::read_to_string(session.join("stream/segments.ndjson")).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let second = lines.into_iter().find(|line| line["connection"] == 2).unwrap();
    let begin = second["timeline"]["offset"].as_f64().unwrap() / 90_000.0;
    (session, pipeline.read_index().len(), begin)
}

#[test]
fn scripts_of_the_page_have_no_errors_of_type() {
    let Some(driver) = driver() else { return };
    let mut command = Command::new(driver.join("node_modules/.bin/tsc"));
    let output = command.arg("-p").arg(root().join("cht-page/web")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn page_from_a_file_is_used_by_keys_and_plays_an_opened_folder() {
    let Some(driver) = driver() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (session, frames, _) = recorded(folder.path());
    assert!(build(&session, &[]).status().unwrap().success());
    let url = format!("file://{}/page/index.html", session.display());
    let stream = session.join("stream");
    passes(&driver, "file", &[&url, stream.to_str().unwrap(), &frames.to_string()]);
}

/// Records connections of counted pictures with B pictures and a tone, the first of which comes to
/// the wrap of its time stamps after a second. Returns the folder, and where each begins.
fn recorded_with_sound(sessions: &Path, seconds: &[f64]) -> (PathBuf, Vec<f64>) {
    let mut pipeline = Pipeline::start(
        sessions,
        "--session-id call --segment-time 2",
        "--detect scene --max-interval 0.7",
    );
    for (at, length) in seconds.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let [plain, coded] = ["plain.ts", "coded.ts"].map(|name| folder.path().join(name));
        fs::write(&plain, counted(*length)).unwrap();
        let offset = if at == 0 { "95442.7" } else { "0" };
        let options = format!(
            "-f lavfi -i sine=d={length} -c:v copy -c:a aac -output_ts_offset {offset} -f mpegts"
        );
        let arguments = ["-i", plain.to_str().unwrap()].into_iter();
        cht_tests::ffmpeg(
            arguments.chain(cht_tests::words(&options)).chain([coded.to_str().unwrap()]),
        );
        pipeline.send(&fs::read(&coded).unwrap());
        while pipeline.index.wait_for("disconnected")["connection"] != at + 1 {}
    }
    signal(&pipeline.stages[0], "TERM");
    pipeline.succeed();
    let session = pipeline.session.clone();
    let log = fs::read_to_string(session.join("stream/segments.ndjson")).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut begins = std::collections::BTreeMap::new();
    for line in lines.filter(|line| line["type"] == "segment_closed") {
        let begin = line["timeline"]["offset"].as_f64().unwrap() / 90_000.0;
        begins.entry(line["connection"].as_u64()).or_insert(begin);
    }
    (session, begins.into_values().collect())
}

#[test]
fn page_from_a_file_plays_the_video_next_to_it() {
    let Some(driver) = driver() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (session, begins) = recorded_with_sound(folder.path(), &[3.0, 2.0, 2.0]);
    let page = session.join("page");
    assert!(build(&session, &["--video"]).status().unwrap().success());
    let log = fs::read_to_string(page.join("video.json")).unwrap();
    let made: serde_json::Value = serde_json::from_str(&log).unwrap();
    assert_eq!((&made["pictures"], &made["encoded"]), (&175.into(), &0.into()));
    // Both are moved together, and the page is made again by someone who wants no other video.
    let moved = folder.path().join("my call");
    fs::rename(&session, &moved).unwrap();
    assert!(build(&moved, &[]).status().unwrap().success());
    let url = format!("file://{}/my%20call/page/index.html", folder.path().display());
    let begins: Vec<_> = begins.iter().map(f64::to_string).collect();
    passes(&driver, "video", &[&url, &begins.join(",")]);
}

#[test]
fn video_file_that_is_not_played_leaves_the_pictures() {
    let Some(driver) = driver() else { return };
    let folder = tempfile::tempdir().unwrap();
    recorded_as(folder.path(), "codec", "-c:v mpeg2video -q:v 2 -c:a aac");
    recorded_as(folder.path(), "absent", "-c copy");
    let output = build(&folder.path().join("codec"), &["--video"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no video was made for the page: no browser plays mpeg2video"), "{said}");
    assert!(build(&folder.path().join("absent"), &["--video"]).status().unwrap().success());
    fs::remove_file(folder.path().join("absent/page/video.mp4")).unwrap();
    let [codec, absent] = ["codec", "absent"]
        .map(|name| format!("file://{}/{name}/page/index.html", folder.path().display()));
    passes(&driver, "refused", &[&codec, &absent]);
}

#[test]
fn served_page_shows_the_picture_of_a_clicked_time() {
    let Some(driver) = driver() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (_, frames, second) = recorded(folder.path());
    let server = Server::start(folder.path(), &[]);
    let url = format!("http://{}/s/call/", server.address);
    passes(&driver, "served", &[&url, &frames.to_string(), &second.to_string()]);
}

#[test]
fn key_goes_on_by_one_frame_at_any_rate() {
    let Some(driver) = driver() else { return };
    for (rate, first) in [("25", 25), ("24000/1001", 24), ("60000/1001", 61)] {
        let folder = tempfile::tempdir().unwrap();
        step_through(&driver, folder.path(), &counted_at(rate, 3.0), first..first + 60);
    }
}

/// Records a stream and steps through its pictures, which have these numbers from 1.02 s on.
fn step_through(driver: &Path, sessions: &Path, bytes: &[u8], numbers: impl Iterator<Item = u32>) {
    let recv = "--once --session-id call --segment-time 2";
    let mut pipeline = Pipeline::start(sessions, recv, "--detect scene");
    pipeline.send(bytes);
    pipeline.succeed();
    let server = Server::start(sessions, &[]);
    let numbers: Vec<_> = numbers.map(|number| number.to_string()).collect();
    let url = format!("http://{}/s/call/#t=1.02", server.address);
    passes(driver, "steps", &[&url, &numbers.join(",")]);
}

/// The letters of the Latin, Greek, Cyrillic and Arabic scripts and their compatibility forms, and
/// the marks that have no script.
const LETTERS: [std::ops::RangeInclusive<char>; 5] = [
    '\0'..='\u{6ff}',
    '\u{951}'..='\u{954}',
    '\u{1ab0}'..='\u{1ace}',
    '\u{1d00}'..='\u{218f}',
    '\u{fb00}'..='\u{fe2f}',
];

#[test]
fn page_and_agent_fold_letters_alike() {
    let by_the_page = r#"
        const { fold } = await import(process.argv[1]);
        const letters = (await process.stdin.toArray()).join("").split("\n");
        // node may know an older Unicode.
        const folded = letters.map((it) => (/\p{Unassigned}/u.test(it) ? null : fold(it)));
        process.stdout.write(JSON.stringify(folded));
    "#;
    let mut node = Command::new("node");
    node.args(["--input-type=module", "--eval", by_the_page]);
    node.arg(root().join("cht-page/web/search.js")).env("NODE_NO_WARNINGS", "1");
    let Ok(mut node) = node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
        println!("skipped: node is not here");
        return;
    };
    let letters: Vec<_> = LETTERS.into_iter().flatten().filter(|letter| *letter != '\n').collect();
    let lines: Vec<_> = letters.iter().map(char::to_string).collect();
    node.stdin.take().unwrap().write_all(lines.join("\n").as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    let folded: Vec<Option<String>> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(folded.len(), letters.len());
    for (letter, by_the_page) in letters.into_iter().zip(folded) {
        let Some(by_the_page) = by_the_page else { continue };
        let mut by_the_agent = String::new();
        cht_core::fold::push(&mut by_the_agent, letter);
        assert_eq!(by_the_agent, by_the_page, "{letter:?}");
    }
}

#[test]
fn words_are_found_in_any_case_with_and_without_accents_and_marked() {
    let Some(driver) = driver() else { return };
    let folder = tempfile::tempdir().unwrap();
    let frames = folder.path().join("call/frames");
    for name in ["stream", "frames", "transcript"] {
        fs::create_dir_all(folder.path().join("call").join(name)).unwrap();
    }
    cht_tests::ffmpeg(
        ["-f", "lavfi", "-i", "testsrc2=s=320x180", "-frames:v", "3"]
            .into_iter()
            .chain([frames.join("F%06d.jpg").to_str().unwrap()]),
    );
    let mut lines: String =
        (1..=3).map(|n| frame(&format!("F{n:06}"), f64::from(n) * 10.0)).collect();
    let text = "Köln  Süd, nai\u{308}ve Straße, İstanbul ﬁne";
    let on_picture =
        serde_json::json!({"v": 1, "type": "text", "session": "/s", "id": "F000002", "text": text});
    writeln!(lines, "{on_picture}").unwrap();
    for (start, speaker, text) in
        [(11.0, "Ana", "hello"), (12.0, "Ana", "hello again"), (31.0, "Zoë", "and then the Café")]
    {
        let spoken = serde_json::json!({"v": 1, "type": "transcript", "session": "/s",
            "start": start, "end": start + 1.0, "text": text, "speaker": speaker});
        writeln!(lines, "{spoken}").unwrap();
    }
    add_lines(&frames, &lines);
    let server = Server::start(folder.path(), &[]);
    passes(&driver, "search", &[&format!("http://{}/s/call/", server.address)]);
}

#[test]
fn codec_that_no_browser_plays_is_said_with_the_command_that_plays_it() {
    let Some(driver) = driver() else { return };
    let folder = tempfile::tempdir().unwrap();
    recorded_as(folder.path(), "video", "-c:v mpeg2video -q:v 2 -c:a aac");
    recorded_as(folder.path(), "sound", "-c:v copy -c:a mp2");
    let server = Server::start(folder.path(), &[]);
    let [video, sound] =
        ["video", "sound"].map(|name| format!("http://{}/s/{name}/", server.address));
    passes(&driver, "codecs", &[&video, &sound]);
}

#[test]
fn pictures_without_video_play_in_their_times() {
    let Some(driver) = driver() else { return };
    let folder = tempfile::tempdir().unwrap();
    recorded_as(folder.path(), "call", "-c copy");
    let frames = folder.path().join("call/frames");
    fs::copy(frames.join("F000001.jpg"), frames.join("F000900.jpg")).unwrap();
    add_lines(&frames, &frame("F000900", 20.0));
    let server = Server::start(folder.path(), &[]);
    passes(&driver, "absent", &[&format!("http://{}/s/call/", server.address)]);
}

#[test]
fn transcript_of_two_thousand_lines_shows_the_current_one() {
    let Some(driver) = driver() else { return };
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("long");
    for name in ["stream", "frames", "transcript"] {
        fs::create_dir_all(session.join(name)).unwrap();
    }
    let mut journal = String::new();
    for n in 0..2000 {
        let text = "and so on ".repeat(n % 17) + &"x".repeat(n % 150);
        writeln!(
            journal,
            r#"{{"v":1,"type":"transcript","session":"/s","start":{n}.0,"end":{n}.9,"text":"line {n} {text}","speaker":"\u202eAna"}}"#
        )
        .unwrap();
    }
    add_lines(&session.join("frames"), &journal);
    let server = Server::start(folder.path(), &[]);
    passes(&driver, "words", &[&format!("http://{}/s/long/", server.address)]);
}

/// Adds lines to the journal of the index.
fn add_lines(frames: &Path, lines: &str) {
    let mut journal =
        fs::OpenOptions::new().create(true).append(true).open(frames.join("index.ndjson")).unwrap();
    journal.write_all(lines.as_bytes()).unwrap();
}

/// Line of the journal for a frame.
fn frame(id: &str, timestamp: f64) -> String {
    format!(
        "{}\n",
        serde_json::json!({
            "v": 1, "type": "frame", "session": "/s", "id": id, "timestamp": timestamp, "pts": 0,
            "path": format!("/s/frames/{id}.jpg"), "segment": "/s/stream/segment_000001.ts",
            "reason": "scene", "detector": "scene", "scores": {"scene": 0.5}, "width": 320,
            "height": 180, "bytes": 1, "hash": "0".repeat(64),
        })
    )
}

#[test]
fn wall_of_twenty_thousand_pictures_scrolls_without_blanks() {
    const COUNT: usize = 20_000;
    let Some(driver) = driver() else { return };
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("many");
    for name in ["stream", "frames"] {
        fs::create_dir_all(session.join(name)).unwrap();
    }
    let frames = session.join("frames");
    cht_tests::ffmpeg(
        ["-f", "lavfi", "-i", "testsrc2=s=320x180", "-frames:v", "20"]
            .into_iter()
            .chain([frames.join("x%d.jpg").to_str().unwrap()]),
    );
    let mut journal = String::new();
    for n in 1..=COUNT {
        // Each under a name of its own: none comes out of the browser's cache.
        fs::hard_link(
            frames.join(format!("x{}.jpg", n % 20 + 1)),
            frames.join(format!("F{n:06}.jpg")),
        )
        .unwrap();
        writeln!(
            journal,
            r#"{{"v":1,"type":"frame","session":"/s","id":"F{n:06}","timestamp":{}.5,"pts":0,"path":"/s/frames/F{n:06}.jpg","segment":"/s/stream/segment_000001.ts","reason":"scene","detector":"scene","scores":{{"scene":0.5}},"width":320,"height":180,"bytes":1,"hash":"{n:064x}"}}"#,
            3 * n
        )
        .unwrap();
    }
    fs::write(frames.join("index.ndjson"), journal).unwrap();
    let server = Server::start(folder.path(), &[]);
    let url = format!("http://{}/s/many/", server.address);
    passes(&driver, "wall", &[&url, &COUNT.to_string()]);
}

/// Starts a sender of counted pictures in the time of their clock, as a live one is. The second
/// thing that it returns feeds it.
fn live_sender(address: &str) -> (Child, JoinHandle<()>) {
    let mut sender = Command::new("ffmpeg")
        .args(cht_tests::words("-loglevel error -nostdin -re -f mpegts -i - -c copy -f mpegts"))
        .arg(format!("tcp://{address}"))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = sender.stdin.take().unwrap();
    let feeder = thread::spawn(move || {
        let _ = input.write_all(&counted(60.0));
    });
    (sender, feeder)
}

#[test]
fn last_picture_of_a_live_page_stays_as_long_as_its_video() {
    let Some(driver) = driver() else { return };
    let folder = tempfile::tempdir().unwrap();
    let recv = "--session-id call --segment-time 1";
    let mut pipeline = Pipeline::start(folder.path(), recv, "--detect scene");
    let server = Server::start(folder.path(), &[]);
    let (mut sender, feeder) = live_sender(&pipeline.address);
    pipeline.index.wait_for("frame");
    let url = format!("http://{}/s/call/", server.address);
    let mut browser = check(&driver, "ending", &[&url]).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(browser.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert_eq!(said.next().as_deref(), Some("ready"));
    signal(&pipeline.stages[0], "TERM");
    pipeline.finish();
    let _ = sender.kill();
    let _ = sender.wait();
    feeder.join().unwrap();
    assert!(browser.wait().unwrap().success());
}

#[test]
fn live_page_shows_new_pictures_and_goes_back() {
    let Some(driver) = driver() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut pipeline = Pipeline::start(
        folder.path(),
        "--session-id call --segment-time 1",
        "--detect scene --max-interval 1",
    );
    let server = Server::start(folder.path(), &[]);
    let (mut sender, feeder) = live_sender(&pipeline.address);
    pipeline.index.wait_for("frame");
    let url = format!("http://{}/s/call/", server.address);
    let mut browser = check(&driver, "live", &[&url]).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(browser.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert_eq!(said.next().as_deref(), Some("ready"));
    assert_eq!(said.next().as_deref(), Some("seen"));
    let _ = sender.kill();
    let _ = sender.wait();
    feeder.join().unwrap();
    assert_eq!(said.next().as_deref(), Some("silent"));
    signal(&pipeline.stages[0], "TERM");
    pipeline.finish();
    assert!(browser.wait().unwrap().success());
}
