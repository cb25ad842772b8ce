//! cht-batch: old recordings of any recorder, each done once.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests panic at wrong values, and print what they did"
)]

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use cht_tests::{
    QUICK, Tmpfs, at_terminal, bin, ffmpeg, generate, held_decoder, make_fifo, path_with_binaries,
    pictures, read_json, record, signal, tool, words,
};
use serde_json::{Value, json};

#[path = "batch/inputs.rs"]
mod inputs;
#[path = "batch/interrupted.rs"]
mod interrupted;

/// A folder of recordings, and one of results.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.input()).unwrap();
        place
    }

    fn input(&self) -> PathBuf {
        self.0.path().join("in")
    }

    fn out(&self) -> PathBuf {
        self.0.path().join("out")
    }

    /// Records three shots of two seconds in segments of a second, as ffmpeg's muxer names them.
    fn record(&self, name: &str) {
        let whole = self.0.path().join("whole.ts");
        // Other names have other content.
        let colour = format!("color=0x40{:02x}a0", name.as_bytes()[0]);
        let shots = ["testsrc2", &colour, "rgbtestsrc"]
            .map(|it| format!("{it}{}s=160x120:r=25", if it.contains('=') { ":" } else { "=" }));
        generate(&whole, &shots.each_ref().map(|shot| (&**shot, 2.0)), QUICK);
        let segments = self.input().join(name);
        let mut arguments = vec!["-i", whole.to_str().unwrap()];
        arguments.extend(words("-c copy -f segment -segment_time 1 -segment_format mpegts"));
        ffmpeg(arguments.into_iter().chain([segments.to_str().unwrap()]));
    }

    fn command(&self, options: &str) -> Command {
        let mut command = tool("cht-batch");
        command.env("PATH", path_with_binaries()).env("TZ", "UTC").env("CHT_BATCH_SETTLE", "0");
        let mut words = words(options).into_iter();
        command.args(words.next()).args(words);
        command.current_dir(self.0.path());
        command
    }

    /// Runs it to its end; returns the status and the lines of stdout.
    fn run(&self, options: &str) -> (i32, Vec<Value>) {
        let output = self.command(options).output().unwrap();
        (output.status.code().unwrap(), lines(&output))
    }

    /// Returns the folders of results.
    fn results(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.out()).unwrap().map(|entry| entry.unwrap().path());
        let is_result = |path: &PathBuf| !path.ends_with(".cht-batch");
        let mut results: Vec<_> = entries.filter(is_result).collect();
        results.sort();
        results
    }
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns the times of the frames of a result.
fn times(result: &Path) -> Vec<f64> {
    let index = read_json(&result.join("frames/index.json"));
    index.iter().map(|frame| frame["timestamp"].as_f64().unwrap()).collect()
}

/// Returns the status of a command, and what it says on stderr.
fn said(command: &mut Command) -> (i32, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// Returns the files of a result, without the paths in them.
fn content(result: &Path, out: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut content = pictures(&result.join("frames"));
    for name in ["frames/index.json", "batch.json"] {
        let text = fs::read_to_string(result.join(name)).unwrap();
        content.insert(name.to_owned(), text.replace(out.to_str().unwrap(), "OUT").into_bytes());
    }
    if let Ok(pieces) = fs::read_dir(result.join("audio")) {
        for piece in pieces.map(|entry| entry.unwrap().path()) {
            if piece.extension().is_some_and(|it| it == "wav") {
                let name = piece.file_name().unwrap().to_str().unwrap().to_owned();
                content.insert(name, fs::read(piece).unwrap());
            }
        }
    }
    content
}

#[test]
fn second_run_does_nothing_and_index_names_final_places() {
    let place = Place::new();
    place.record("cam_%03d.ts");
    let (status, said) = place.run("run in --out out -- --detect scene");
    assert_eq!((status, said.last().unwrap()["frames"].as_u64()), (0, Some(3)));
    let results = place.results();
    assert_eq!(results.len(), 1);
    assert_eq!(times(&results[0]), [0.0, 2.0, 4.0], "cuts on borders of segments are found");
    for frame in read_json(&results[0].join("frames/index.json")) {
        assert!(Path::new(frame["path"].as_str().unwrap()).is_file(), "{frame}");
        assert!(frame["segment"].as_str().unwrap().starts_with(place.input().to_str().unwrap()));
    }
    let before = fs::metadata(results[0].join("frames")).unwrap().modified().unwrap();
    // Another content, of the same size and time, would show if a segment were opened.
    let segment = place.input().join("cam_003.ts");
    let metadata = fs::metadata(&segment).unwrap();
    let file = fs::File::create(&segment).unwrap();
    file.set_len(metadata.len()).unwrap();
    file.set_modified(metadata.modified().unwrap()).unwrap();
    let (status, said) = place.run("run in --out out -- --detect scene");
    assert_eq!((status, said.len(), &said[0]["units"]["before"]), (0, 1, &1.into()));
    assert_eq!(fs::metadata(results[0].join("frames")).unwrap().modified().unwrap(), before);
}

#[test]
fn people_at_a_terminal_read_tables_and_no_json_and_bars_are_cleared() {
    let place = Place::new();
    place.record("cam_%03d.ts");
    fs::write(place.input().join("text.mkv"), "no video").unwrap();
    let shown_of = |options: &str| {
        let mut command = at_terminal(&format!("stty cols 100; cht-batch {options}"));
        command.current_dir(place.0.path()).env("CHT_BATCH_SETTLE", "0");
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    for options in ["plan in", "run in --out out -- --detect scene", "status in --out out"] {
        let shown = shown_of(options);
        assert!(!shown.contains('{'), "{options}: {shown}");
        assert!(shown.contains("6.0 s") && shown.contains("cam_"), "{options}: {shown}");
        let (_, end) = shown.rsplit_once("cht-batch: ").unwrap();
        assert!(!end.contains('%'), "{options}: a bar after the last message: {end}");
    }
    // Bars show nothing of an earlier run.
    let shots = [("rgbtestsrc=s=160x120:r=25", 2.0)];
    generate(&place.input().join("new.ts"), &shots, QUICK);
    let shown = shown_of("run in --out out -- --detect scene");
    assert!(shown.contains("2.0 s, ") && !shown.contains("8.0 s, "), "{shown}");
    assert!(!shown.contains("6.0 s, "), "{shown}");
    let shown = shown_of("plan in --json");
    assert!(shown.contains(r#""type":"unit""#) && shown.contains(r#""type":"error""#), "{shown}");
}

#[test]
fn changed_threshold_uses_kept_scores_and_carries_marks_and_text() {
    let place = Place::new();
    place.record("cam_%03d.ts");
    assert_eq!(place.run("run in --out out --keep-scores -- --detect scene --threshold 0.9").0, 0);
    let result = place.results().remove(0);
    let before = times(&result).len();
    // Another program has worked with the result.
    let index = result.join("frames/index.json");
    let event = |kind: &str, more: &str| {
        format!(r#"{{"v":1,"type":"{kind}","session":null,{more}}}"#) + "\n"
    };
    let mut stage = tool("cht-index")
        .arg("--out")
        .arg(&index)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = stage.stdin.take().unwrap();
    for line in [
        event("sent", r#""id":"F000001""#),
        event("text", r#""id":"F000001","text":"hello""#),
        event("transcript", r#""start":1.0,"end":2.0,"text":"hi""#),
    ] {
        stdin.write_all(line.as_bytes()).unwrap();
    }
    drop(stdin);
    assert!(stage.wait().unwrap().success());
    // Without ffmpeg's decoder of whole segments: only kept pictures are decoded.
    let decoded = |options: &str| {
        let (status, said) = place.run(&format!("run in --out {options}"));
        assert_eq!(status, 0);
        said
    };
    decoded("out -- --detect scene --threshold 0.1");
    assert!(times(&result).len() > before);
    let frames = read_json(&index);
    assert_eq!(
        (&frames[0]["sent_to_agent"], &frames[1]["sent_to_agent"]),
        (&json!(true), &json!(false))
    );
    let journal = fs::read_to_string(result.join("frames/index.ndjson")).unwrap();
    assert!(journal.contains("hello") && journal.contains(r#""text":"hi""#), "{journal}");
    assert!(result.join("scores.ndjson").exists(), "the next threshold needs no decoding either");
    // A run that decodes gives the same.
    decoded("whole -- --detect scene --threshold 0.1");
    let whole = place.0.path().join("whole").join(result.file_name().unwrap());
    assert!(pictures(&whole.join("frames")) == pictures(&result.join("frames")));
    let without_marks = |frames: Vec<Value>, out: &Path| {
        let text = Value::Array(frames).to_string().replace(out.to_str().unwrap(), "OUT");
        text.replace("\"sent_to_agent\":true", "\"sent_to_agent\":false")
    };
    assert_eq!(
        without_marks(read_json(&index), &place.out()),
        without_marks(read_json(&whole.join("frames/index.json")), &place.0.path().join("whole"))
    );
}

#[test]
fn unit_that_grows_goes_on_where_it_ended() {
    let place = Place::new();
    place.record("cam_%03d.ts");
    let segment = |n: u32| place.input().join(format!("cam_{n:03}.ts"));
    let aside = |n: u32| place.0.path().join(format!("cam_{n:03}.ts"));
    let options = "-- --detect scene";
    assert_eq!(place.run(&format!("run in --out whole {options}")).0, 0);
    (3..6).for_each(|n| fs::rename(segment(n), aside(n)).unwrap());
    assert_eq!(place.run(&format!("run in --out out {options}")).0, 0);
    // Retention has removed the first ones meanwhile.
    (0..2).for_each(|n| fs::remove_file(segment(n)).unwrap());
    assert_eq!(place.run(&format!("run in --out out {options}")).1.len(), 1, "nothing to do");
    (3..6).for_each(|n| fs::rename(aside(n), segment(n)).unwrap());
    assert_eq!(place.run(&format!("run in --out out {options}")).0, 0);
    let result = place.results().remove(0);
    let whole = place.0.path().join("whole").join(result.file_name().unwrap());
    assert_eq!(times(&result), [0.0, 2.0, 4.0]);
    assert!(pictures(&result.join("frames")) == pictures(&whole.join("frames")));
}

#[test]
fn sessions_get_results_in_their_folders_and_other_settings_replace_them() {
    let place = Place::new();
    place.record("cam_%03d.ts");
    let bytes = fs::read(place.0.path().join("whole.ts")).unwrap();
    let sessions = place.0.path().join("sessions");
    let session = record(&sessions, &bytes, "--session-id call --segment-time 1").session();
    assert_eq!(place.run("run sessions -- --detect scene").0, 0);
    assert_eq!(times(&session), [0.0, 2.0, 4.0]);
    assert_eq!(place.run("run sessions -- --detect scene").1[0]["units"], json!({"before": 1}));
    // Sound is looked for, and there is none; the frames stay.
    let frames = fs::metadata(session.join("frames/F000001.jpg")).unwrap().modified().unwrap();
    let (status, said) = place.run("run sessions --stages scenes,audio -- --detect scene");
    assert_eq!((status, &said.last().unwrap()["failures"]), (0, &json!({})), "a silent camera");
    let record = fs::read_to_string(session.join("frames/batch.json")).unwrap();
    assert!(record.contains(r#""lacks":["sound"]"#), "{record}");
    let again = place.run("run sessions --stages scenes,audio -- --detect scene").1;
    assert_eq!(again[0]["units"], json!({"before": 1}));
    assert_eq!(
        fs::metadata(session.join("frames/F000001.jpg")).unwrap().modified().unwrap(),
        frames
    );
    fs::write(session.join("frames/notes.txt"), "mine").unwrap();
    let sent =
        tool("cht-index").arg("--session").arg(&session).args(["--sent", "F000002"]).status();
    assert!(sent.unwrap().success());
    // By the stages alone, next to it.
    let stages =
        "cht-segwatch sessions/call | cht-scenes --detect scene --threshold 0.005 --out other";
    let mut whole = Command::new("bash");
    whole.args(["-c", stages]).current_dir(place.0.path()).env("PATH", path_with_binaries());
    assert!(whole.env("CHT_CACHE", "none").stdout(Stdio::null()).status().unwrap().success());
    assert_eq!(place.run("run sessions -- --detect scene --threshold 0.005").0, 0);
    let frames = read_json(&session.join("frames/index.json"));
    assert!(frames.len() > 3);
    let sent: Vec<_> = frames.iter().filter(|frame| frame["sent_to_agent"] == true).collect();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0]["timestamp"], 2.0);
    assert_eq!(fs::read(session.join("frames/notes.txt")).unwrap(), b"mine");
    assert!(Path::new(frames[0]["path"].as_str().unwrap()).is_file());
    let hashes =
        |folder: &Path| pictures(folder).into_values().map(|it| it.len()).collect::<Vec<_>>();
    assert_eq!(hashes(&session.join("frames")).len(), hashes(&place.0.path().join("other")).len());
    assert_eq!(fs::read_dir(session.join(".cht-batch/work")).unwrap().count(), 0);
}

#[test]
fn index_of_all_results_has_each_unit_once() {
    let place = Place::new();
    place.record("a_%03d.ts");
    assert_eq!(place.run("run in --out one -- --detect scene").0, 0);
    place.record("b_%03d.ts");
    assert_eq!(place.run("run in --out two -- --detect scene").0, 0);
    assert_eq!(place.run("merge one two --to all.json").0, 0);
    let frames = read_json(&place.0.path().join("all.json"));
    assert_eq!(frames.len(), 6, "{frames:#?}");
    assert!(frames.iter().all(|frame| Path::new(frame["path"].as_str().unwrap()).is_file()));
    assert_eq!(place.run("merge one two --pack tar --to all.tar").0, 0);
    let listed = Command::new("tar").args(["-tf", "all.tar"]).current_dir(place.0.path()).output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    assert_eq!((listed.matches(".jpg\n").count(), listed.matches(".json\n").count()), (6, 6));
    let (_, lines) = place.run("status in --out one");
    let states: Vec<_> = lines.iter().map(|line| &line["state"]).collect();
    assert_eq!(states, ["done", "waiting"]);
}

#[test]
fn nice_run_without_a_terminal_gives_way_to_other_sessions() {
    if !Path::new("/proc/self/autogroup").exists() {
        println!("skipped: this kernel does not weigh sessions");
        return;
    }
    let place = Place::new();
    place.record("a_%03d.ts");
    let mut session = Command::new("setsid");
    session.args([
        "--wait",
        "sh",
        "-c",
        "\"$0\" run in --out out --nice 15; cat /proc/self/autogroup",
    ]);
    let output = session.arg(bin("cht-batch")).current_dir(place.0.path()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.ends_with(" nice 15\n"), "{said}");
}
