//! `cht-agent mcp` serves the official clients of MCP. Skipped, with a message, where they cannot
//! be installed: `tests/mcp/setup FOLDER` gets the SDK by pip, `tests/mcp/setup-node FOLDER` the
//! inspector and the conformance suite by npm.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests panic at wrong values, and print the names of skipped parts"
)]

#[path = "mcp/official.rs"]
mod official;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use cht_tests::{Pipeline, QUICK, bin, bin_folder, generated, root, tool};
use serde_json::{Value, json};

/// Folder with what a script of `tests/mcp` installs; `None`, with a message, if it cannot.
fn installed(script: &str, name: &str) -> Option<PathBuf> {
    let folder = bin_folder().parent().unwrap().join(name);
    let ready = Command::new(root().join("tests/mcp").join(script)).arg(&folder).status();
    if ready.is_ok_and(|status| status.success()) {
        return Some(folder);
    }
    println!("skipped: tests/mcp/{script} cannot install its programs");
    None
}

/// Process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server over HTTP.
struct Server {
    _process: Running,
    /// `HOST:PORT`
    address: String,
    token: String,
}

impl Server {
    fn start(session: &Path) -> Self {
        let mut command = tool("cht-agent");
        command.args(["mcp", "--http", ":0", "--session"]).arg(session);
        command.env_remove("CHT_TOKEN").env_remove("CHT_READER").stdin(Stdio::null());
        let mut process = Running(command.stderr(Stdio::piped()).spawn().unwrap());
        let mut line = String::new();
        BufReader::new(process.0.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        let [.., "serving", url, "with", "the", "header", "Authorization:", "Bearer", token] =
            words[..]
        else {
            panic!("{line}")
        };
        let address = url.strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap();
        Self { _process: process, address: address.to_owned(), token: token.to_owned() }
    }

    fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }
}

#[test]
fn official_client_calls_every_tool_against_a_live_session() {
    let Some(sdk) = installed("setup", "mcp-client") else { return };
    // Pictures of 4K that no encoder makes small.
    let source = "testsrc2=s=3840x2160:r=5,noise=alls=60";
    let clip = generated(&[(source, 1.0), ("smptebars=s=3840x2160:r=5", 1.0)], QUICK);
    for (is_http, scenes) in [(false, "--detect scene"), (true, "--detect scene --format png")] {
        let folder = tempfile::tempdir().unwrap();
        let pipeline = Pipeline::start(folder.path(), "", scenes);
        let server = is_http.then(|| Server::start(&pipeline.session));
        let mut client = Command::new(sdk.join("bin/python"));
        client.arg(root().join("tests/mcp/client.py")).arg(bin("cht-index"));
        match &server {
            Some(server) => client.args([&server.url(), &server.token]),
            None => client.arg(bin("cht-agent")).args(["mcp", "--session"]).arg(&pipeline.session),
        };
        let mut client = Running(client.stdout(Stdio::piped()).spawn().unwrap());
        let mut said = BufReader::new(client.0.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        pipeline.send(&clip);
        assert!(client.0.wait().unwrap().success(), "over HTTP: {is_http}");
    }
}

/// A session with a journal of one frame, whose picture is gone.
fn made(folder: &Path) {
    for name in ["stream", "frames", "agent"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    let root = folder.display();
    let frame = format!(
        r#"{{"v":1,"type":"frame","session":"{root}","id":"F000001","timestamp":1,"pts":1,"path":"{root}/frames/F000001.jpg","segment":"{root}/stream/segment_000001.ts","reason":"scene","scores":{{"scene":0.5}},"width":1,"height":1,"bytes":1,"hash":"a"}}"#
    );
    fs::write(folder.join("frames/index.ndjson"), frame + "\n").unwrap();
}

/// Sends a request, and returns the status line of the answer.
fn status(address: &str, path: &str, headers: &str) -> String {
    let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;
    let mut socket = TcpStream::connect(address).unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n{headers}\r\n{hello}",
        hello.len()
    );
    socket.write_all(request.as_bytes()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut line = String::new();
    BufReader::new(socket).read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

#[test]
fn http_needs_token_and_refuses_pages_of_browsers() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path());
    let server = Server::start(folder.path());
    let (address, token) = (server.address.as_str(), &server.token);
    let known = format!("Authorization: Bearer {token}\r\n");
    // Clients that send nothing take no place of one that has the token.
    let silent: Vec<_> = (0..70).map(|_| TcpStream::connect(address).unwrap()).collect();
    assert!(status(address, "/mcp", &known).starts_with("HTTP/1.1 200 "));
    for (path, headers, expected) in [
        ("/mcp", String::new(), "401"),
        ("/mcp", "Authorization: Bearer guess\r\n".to_owned(), "401"),
        ("/", known.clone(), "404"),
        ("/mcp", format!("{known}Origin: http://page.example\r\n"), "403"),
        ("/mcp", format!("{known}Origin: http://localhost.page.example\r\n"), "403"),
        ("/mcp", format!("{known}Origin: null\r\n"), "403"),
        ("/mcp", format!("{known}Origin: http://localhost:6274\r\n"), "200"),
        ("/mcp", known, "200"),
    ] {
        let said = status(address, path, &headers);
        assert!(said.starts_with(&format!("HTTP/1.1 {expected} ")), "{path} {headers}: {said}");
    }
    // The oldest of them was ended.
    let mut first = &silent[0];
    first.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    assert_eq!(first.read(&mut [0]).unwrap(), 0);
    drop(silent);
    for (arguments, says) in [
        (["--http", "0.0.0.0:0"], "must be a loopback address"),
        (["--http", address], "cannot listen there"),
        (["--http=:0", "--token=short"], "must have 16 characters or more"),
    ] {
        let output = tool("cht-agent").arg("mcp").args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(says), "{said}");
    }
}

#[test]
fn client_that_is_slow_with_its_request_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path());
    let server = Server::start(folder.path());
    let mut socket = TcpStream::connect(&server.address).unwrap();
    socket.write_all(b"POST /mcp HTTP/1.1\r\nHost: loc").unwrap();
    // Far more than the ten seconds that it has.
    socket.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"), "{answer:?}");
}

/// A client that writes the messages of the protocol itself.
struct Client {
    server: Running,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Client {
    fn start(session: &Path, reader: &str) -> Self {
        Self::with(session, reader, &[])
    }

    fn with(session: &Path, reader: &str, options: &[&str]) -> Self {
        let mut command = tool("cht-agent");
        command.args(["mcp", "--reader", reader, "--session"]).arg(session).args(options);
        let mut server = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = server.stdin.take().unwrap();
        let stdout = BufReader::new(server.stdout.take().unwrap());
        Self { server: Running(server), stdin, stdout }
    }

    fn say(&mut self, message: &Value) {
        writeln!(self.stdin, "{message}").unwrap();
    }

    fn ask(&mut self, message: &Value) -> Value {
        self.say(message);
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Introduces itself with a version of the protocol, and returns that of the server.
    fn begin(&mut self, version: &str) -> Value {
        let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"},
        }});
        let answer = self.ask(&hello);
        self.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        answer["result"]["protocolVersion"].clone()
    }
}

/// Returns a call of a tool.
fn call(id: u32, name: &str, arguments: &Value) -> Value {
    let params = json!({"name": name, "arguments": arguments});
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
}

#[test]
fn every_version_of_the_protocol_is_served() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path());
    let check = |client: &mut Client, version: &str, meta: &Value| {
        let mut list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}});
        let mut next = call(3, "next", &json!({"images": false}));
        if !meta.is_null() {
            (list["params"]["_meta"], next["params"]["_meta"]) = (meta.clone(), meta.clone());
        }
        let tools = client.ask(&list)["result"]["tools"].as_array().unwrap().len();
        let answer = client.ask(&next);
        let frames = &answer["result"]["structuredContent"]["frames"];
        assert_eq!((tools, &frames[0]["id"]), (6, &json!("F000001")), "{version}: {answer}");
    };
    let mut versions = vec!["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
    for version in &versions {
        let mut client = Client::start(folder.path(), "r");
        assert_eq!(client.begin(version), *version);
        check(&mut client, version, &Value::Null);
    }
    // This one has no introduction: each request names the version.
    versions.push("2026-07-28");
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut client = Client::start(folder.path(), "r");
    let discover =
        json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta}});
    assert_eq!(client.ask(&discover)["result"]["supportedVersions"], json!(versions));
    check(&mut client, "2026-07-28", &meta);
    assert_eq!(Client::start(folder.path(), "r").begin("1999-01-01"), "2025-11-25", "unknown");
}

/// Returns the names of the files in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn client_that_vanishes_while_it_waits_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path());
    let mut client = Client::start(folder.path(), "gone");
    client.begin("2025-11-25");
    client.ask(&call(2, "ack", &json!({"cursor": "now"})));
    // Waits for a frame that does not come, and is not waited for.
    client.say(&call(3, "next", &json!({"wait_s": 50})));
    assert_eq!(client.ask(&call(4, "sessions", &json!({})))["id"], 4);
    let Client { mut server, stdin, stdout } = client;
    drop((stdin, stdout));
    // `timeout` ends with 124 if it waits for the call.
    let mut waiting = Command::new("timeout");
    waiting.args(["30", "tail", "--pid", &server.0.id().to_string(), "-f", "/dev/null"]);
    let waiting = std::thread::spawn(move || waiting.status().unwrap());
    assert!(server.0.wait().unwrap().success());
    assert!(waiting.join().unwrap().success(), "it waited for the call");
    // Neither a lock nor a temporary file.
    let mut again = Client::start(folder.path(), "gone");
    again.begin("2025-11-25");
    let ack = again.ask(&call(2, "ack", &json!({"ids": ["F000001"]})));
    assert_eq!(ack["result"]["structuredContent"]["left"], 0, "{ack}");
    assert_eq!(names(&folder.path().join("agent")), ["gone.ndjson"]);
    assert_eq!(names(&folder.path().join("frames")), ["index.ndjson"]);
}

/// A session of four seconds, in two segments.
fn recorded(sessions: &Path) -> PathBuf {
    let source = generated(&[("testsrc2=s=160x120:r=25", 4.0)], QUICK);
    cht_tests::record(sessions, &source, "--segment-time 2").session()
}

#[test]
fn decoded_picture_is_a_file_where_answers_hold_none() {
    let folder = tempfile::tempdir().unwrap();
    let session = recorded(folder.path());
    let mut client = Client::with(&session, "r", &["--no-images"]);
    client.begin("2025-11-25");
    let mut files = Vec::new();
    for (number, arguments) in
        [json!({"time": "0:01"}), json!({"time": 3.1, "crop": [0, 0, 80, 60]})].iter().enumerate()
    {
        let answer = client.ask(&call(10 + number as u32, "frame", arguments));
        let result = &answer["result"];
        let path = PathBuf::from(result["structuredContent"]["path"].as_str().unwrap());
        assert!(path.is_file(), "{answer}");
        assert_eq!(result["content"].as_array().unwrap().len(), 1, "no picture: {answer}");
        files.push(path);
    }
    let sizes = files.iter().map(|file| size_of_png(&fs::read(file).unwrap()));
    assert_eq!(sizes.collect::<Vec<_>>(), [(160, 120), (80, 60)]);
    let Client { mut server, stdin, stdout } = client;
    drop((stdin, stdout));
    assert!(server.0.wait().unwrap().success());
    assert!(!files[0].exists() && !files[0].parent().unwrap().exists());
}

fn size_of_png(png: &[u8]) -> (u32, u32) {
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

#[test]
fn wrong_time_is_told_what_times_look_like() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path());
    let mut client = Client::start(folder.path(), "r");
    client.begin("2025-11-25");
    for time in [json!(true), json!("noon"), json!(["1"])] {
        let answer = client.ask(&call(2, "moment", &json!({"time": time})));
        let said = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert!(said.contains("must be") && said.contains("1:02:03.5"), "{said}");
    }
    let answer = client.ask(&call(2, "moment", &json!({"time": "0:01"})));
    assert_eq!(answer["result"]["structuredContent"]["frame"]["id"], "F000001", "{answer}");
}

#[test]
fn request_that_is_too_long_is_refused_by_its_id() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path());
    let long = "x".repeat(20 << 20);
    let mut client = Client::start(folder.path(), "r");
    client.begin("2025-11-25");
    let search = |id: u32| call(id, "search", &json!({"query": long, "session": {"id": 99}}));
    let mut last = search(7).to_string();
    // As clients that write the id after the arguments.
    last = last.replacen(r#""id":7,"#, "", 1);
    last.insert_str(last.len() - 1, r#","id":7"#);
    for request in [search(7).to_string(), last] {
        writeln!(client.stdin, "{request}").unwrap();
        let mut line = String::new();
        client.stdout.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(7), &json!(-32600)));
        let said = answer["error"]["message"].as_str().unwrap();
        assert!(said.contains("longer than 4194304 bytes"), "{said}");
    }
    let next = client.ask(&call(8, "next", &json!({"images": false})));
    assert_eq!(next["result"]["structuredContent"]["frames"][0]["id"], "F000001", "{next}");

    let server = Server::start(folder.path());
    let mut socket = TcpStream::connect(&server.address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let body = search(7).to_string();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAuthorization: Bearer {}\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n",
        server.address,
        server.token,
        body.len()
    );
    socket.write_all(head.as_bytes()).unwrap();
    socket.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("longer than 4194304 bytes") && answer.contains("-32600"), "{answer}");
}
