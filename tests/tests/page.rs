//! cht-page shows sessions to browsers, and nothing else to anyone.
//!
//! The tests with a browser are skipped, with a message, where it or its driver is not to be had:
//! `tests/page/setup FOLDER` gets the driver from npm.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests panic at wrong values, and print the names of skipped parts"
)]

#[path = "page/browser.rs"]
mod browser;
#[path = "page/server.rs"]
mod server;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use cht_tests::{Pipeline, QUICK, Tmpfs, generated, tool};
use serde_json::{Value, json};

/// A token.
const TOKEN: &str = "0123456789abcdef";

/// Two cuts, at 1 s and 2 s.
fn clip() -> Vec<u8> {
    let scenes = [("testsrc2=s=320x240:r=25", 1.0), ("smptebars=s=320x240:r=25", 1.0)];
    generated(&[scenes[0], scenes[1], scenes[0]], &format!("{QUICK} -pix_fmt yuv420p"))
}

/// Records the clip as a session called `call`.
fn recorded(sessions: &Path) {
    let mut pipeline =
        Pipeline::start(sessions, "--once --session-id call --segment-time 1", "--detect scene");
    pipeline.send(&clip());
    pipeline.succeed();
}

/// A server, which ends with the test.
struct Server {
    process: Child,
    /// `HOST:PORT`
    address: String,
}

impl Server {
    fn start(sessions: &Path, options: &[&str]) -> Self {
        let mut command = tool("cht-page");
        command.arg("serve").arg(sessions).args(["--listen", ":0"]).args(options);
        command.env_remove("CHT_TOKEN").env_remove("CHT_PAGE_LISTEN");
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let url = said.filter_map(|line| {
            Some(line.split_once("serving http://")?.1.split('/').next()?.to_owned())
        });
        let address = { url }.next().unwrap();
        Self { process, address }
    }

    /// Sends a request as it stands, and returns all of the answer.
    fn raw(&self, request: &[u8]) -> Vec<u8> {
        let mut client = self.connect();
        // A server that has refused reads no further.
        let _ = client.write_all(request);
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer);
        answer
    }

    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(&self.address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        client
    }

    /// Asks for a path with further headers, each with its line end. Returns status, head and body.
    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, String, Vec<u8>) {
        let host = &self.address;
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\
             Connection: close\r\n{headers}\r\n{body}"
        );
        let answer = self.raw(request.as_bytes());
        let at = answer.windows(4).position(|it| it == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(answer[..at].to_vec()).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head, answer[at + 4..].to_vec())
    }

    fn get(&self, path: &str) -> (u16, String, Vec<u8>) {
        self.ask("GET", path, "", "")
    }

    /// Returns the memory that it has resident, in KiB, and the number of its descriptors.
    fn holds(&self) -> (u64, usize) {
        let folder = format!("/proc/{}", self.process.id());
        let status = fs::read_to_string(format!("{folder}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let memory = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        (memory, fs::read_dir(format!("{folder}/fd")).unwrap().count())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads the data of a page.
fn data(script: &[u8]) -> Value {
    let text = std::str::from_utf8(script).unwrap();
    let text = text.strip_prefix("globalThis.chtSession = ").unwrap();
    serde_json::from_str(text.trim_end().strip_suffix(';').unwrap()).unwrap()
}

fn build(session: &Path, options: &[&str]) -> Command {
    let mut command = tool("cht-page");
    command.arg("build").arg(session).args(options);
    command
}

#[test]
fn built_page_names_files_of_its_session_by_relative_paths() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path());
    assert!(build(&folder.path().join("call"), &[]).status().unwrap().success());
    let moved = folder.path().join("my call");
    fs::rename(folder.path().join("call"), &moved).unwrap();
    let page = moved.join("page");
    let data = data(&fs::read(page.join("data.js")).unwrap());
    let items = data["items"].as_array().unwrap();
    let of_type = |kind: &str| items.iter().filter(|it| it["type"] == kind).collect::<Vec<_>>();
    assert_eq!((of_type("frame").len(), of_type("segment_closed").len()), (3, 3));
    assert_eq!((&data["streams"]["video"], &data["served"]), (&"h264".into(), &false.into()));
    for item in of_type("frame").into_iter().chain(of_type("segment_closed")) {
        let path = page.join(data["base"].as_str().unwrap()).join(item["path"].as_str().unwrap());
        assert!(path.is_file(), "{}", path.display());
    }
    // Everything that the page loads is there, and nothing of it is elsewhere.
    let html = fs::read_to_string(page.join("index.html")).unwrap();
    let is_file =
        |word: &&str| ["js", "css"].iter().any(|kind| word.ends_with(&format!(".{kind}")));
    let loaded = html.split('"').filter(is_file);
    for file in loaded {
        assert!(page.join(file).is_file(), "{file}");
    }
    assert!(!html.contains("://") && !html.contains("<script>"), "{html}");
    let copied = fs::read_dir(&page).unwrap().map(|it| it.unwrap().file_name());
    assert!(copied.into_iter().all(|name| !name.to_string_lossy().ends_with(".jpg")));

    // Elsewhere, it leads to the session from there.
    let out = folder.path().join("www/a");
    assert!(build(&moved, &["--out", out.to_str().unwrap()]).status().unwrap().success());
    let data = self::data(&fs::read(out.join("data.js")).unwrap());
    assert_eq!(data["base"], "../../my%20call/");
}

#[test]
fn built_page_takes_the_video_that_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path());
    let session = folder.path().join("call");
    let video = folder.path().join("a b.mp4");
    let run = |options: &[&str]| {
        let output = build(&session, options).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let script = fs::read(session.join("page/data.js"));
        let data = script.map_or(Value::Null, |script| data(&script));
        (output.status.code(), said, data["video"].clone())
    };
    let given = format!("--video={}", video.display());
    let (status, said, _) = run(&[&given]);
    assert!(status == Some(2) && said.contains("no file; --video alone makes one"), "{said}");
    let mut export = tool("cht-export");
    let output = export.arg("clip").arg(&session).arg(&video).arg("--copy").output().unwrap();
    let (status, said, _) = run(&[&given]);
    assert!(status == Some(2) && said.contains("a b.json: save there what"), "{said}");
    fs::write(folder.path().join("a b.json"), output.stdout).unwrap();
    let (status, said, found) = run(&[&given]);
    assert_eq!(status, Some(0), "{said}");
    let parts = json!([{"start": 0.0, "end": 3.0, "at": 0.0}]);
    assert_eq!(found, json!({"path": "../../a%20b.mp4", "other": true, "parts": parts}));

    // One that was made is taken until another is wanted.
    assert_eq!(run(&[]).2, Value::Null);
    let made = json!({"path": "./video.mp4", "other": false, "parts": parts});
    assert_eq!(run(&["--video"]).2, made);
    assert_eq!(run(&[]).2, made);
    assert_eq!(run(&["--video=none"]).2, Value::Null);
    fs::remove_file(session.join("page/video.json")).unwrap();
    let (status, said, found) = run(&[]);
    assert_eq!((status, found), (Some(1), Value::Null));
    assert!(said.contains("--video makes it anew"), "{said}");
    // Where none can be made, the page shows pictures.
    fs::remove_file(session.join("stream/segment_000002.ts")).unwrap();
    let (status, said, found) = run(&["--video"]);
    assert_eq!((status, found), (Some(1), Value::Null));
    assert!(said.contains("no video was made for the page: cht-export ended with"), "{said}");
}

#[test]
fn full_disk_leaves_no_part_of_a_page() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path());
    let session = folder.path().join("call");
    let Some(disk) = Tmpfs::mount(1) else { return };
    for room in [0, 100 << 10, 400 << 10] {
        let out = disk.path().join("page");
        let filler = disk.fill();
        let size = filler.metadata().unwrap().len();
        fs::File::options().write(true).open(&filler).unwrap().set_len(size - room).unwrap();
        let output = build(&session, &["--out", out.to_str().unwrap()]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        let is_named = said.contains(&format!("error: {}/", out.display()));
        assert!(is_named && said.ends_with("No space left on device (os error 28)\n"), "{said}");
        assert!(!out.exists(), "{room}");
        fs::remove_file(&filler).unwrap();
    }
    // A page that was there stays whole, and so do the files next to it.
    let out = disk.path().join("page");
    let out_option = ["--out", out.to_str().unwrap()];
    fs::create_dir(&out).unwrap();
    fs::write(out.join("page.css"), "of an older program").unwrap();
    fs::write(out.join("index.html"), r#"<script defer src="data.js"></script>"#).unwrap();
    disk.fill();
    assert_eq!(build(&session, &out_option).output().unwrap().status.code(), Some(2));
    assert_eq!(fs::read(out.join("page.css")).unwrap(), b"of an older program");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 2);
}

#[test]
fn result_of_a_batch_is_shown_as_a_session_is() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results");
    fs::write(folder.path().join("old.ts"), clip()).unwrap();
    let mut batch = tool("cht-batch");
    batch.arg("run").arg(folder.path().join("old.ts")).args(["--settle", "0", "--out"]);
    batch.arg(&results).args(["--", "--detect", "scene"]);
    assert!(batch.stdout(Stdio::null()).status().unwrap().success());
    let server = Server::start(&results, &[]);
    let sessions: Value = serde_json::from_slice(&server.get("/sessions.json").2).unwrap();
    assert_eq!((&sessions[0]["pictures"], &sessions[0]["duration"]), (&3.into(), &2.0.into()));
    assert_eq!(sessions.as_array().unwrap().len(), 1, "{sessions}");
    let name = sessions[0]["name"].as_str().unwrap();
    let served = data(&server.get(&format!("/s/{name}/data.js")).2);
    let frames = served["items"].as_array().unwrap().iter().filter(|it| it["type"] == "frame");
    let paths: Vec<_> = frames.map(|it| it["path"].as_str().unwrap()).collect();
    assert_eq!(paths.len(), 3);
    for path in paths {
        assert_eq!(server.get(&format!("/s/{name}/files/{path}")).0, 200, "{path}");
    }
    let unit = results.join(name);
    assert!(build(&unit, &["--video"]).status().unwrap().success());
    let built = data(&fs::read(unit.join("page/data.js")).unwrap());
    assert_eq!(built["video"]["parts"], json!([{"start": 0.0, "end": 3.0, "at": 0.0}]));
    assert_eq!(built["base"], "../");
    // cht shows it, by its folder and by its name.
    for named in [unit.to_str().unwrap(), name] {
        let mut show = tool("cht");
        let output = show.args(["show", named, "--sessions"]).arg(&results).output().unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && shown.contains("\nframes      3\n"), "{shown}");
        assert!(shown.contains(&format!("{name}/frames/F000003.jpg\n")), "{shown}");
        assert!(shown.ends_with(&format!("{name}/page/index.html\n")), "{shown}");
    }
}

#[test]
fn damaged_lines_are_named() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path());
    let session = folder.path().join("call");
    let journal = session.join("frames/index.ndjson");
    fs::File::options().append(true).open(journal).unwrap().write_all(b"no line\n").unwrap();
    let output = build(&session, &[]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("damaged lines were skipped: 1; cht-export check"), "{said}");
    assert!(session.join("page/index.html").exists());
}

#[test]
fn page_without_the_players_is_a_result() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path());
    let session = folder.path().join("call");
    let output = build(&session, &[]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let data = data(&fs::read(session.join("page/data.js")).unwrap());
    let warns = said.contains("warning: the page shows pictures and no video");
    assert_eq!(Value::from(!warns), data["players"], "{said}");
}
