//! `cht-agent mcp` serves the official client of MCP. Skipped, with a message, where its SDK cannot
//! be installed: `tests/mcp/setup FOLDER` gets it by pip.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests panic at wrong values, and print the names of skipped parts"
)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use cht_tests::{Pipeline, QUICK, bin, bin_folder, generated, root, tool};

/// Folder of the SDK; `None`, with a message, if it cannot be installed.
fn sdk() -> Option<PathBuf> {
    let folder = bin_folder().parent().unwrap().join("mcp-client");
    let ready = Command::new(root().join("tests/mcp/setup")).arg(&folder).status();
    if ready.is_ok_and(|status| status.success()) {
        return Some(folder);
    }
    println!("skipped: the Python SDK of MCP cannot be installed");
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

#[test]
fn official_client_calls_every_tool_against_a_live_session() {
    let Some(sdk) = sdk() else { return };
    let folder = tempfile::tempdir().unwrap();
    let pipeline = Pipeline::start(folder.path(), "", "--detect scene");
    let mut client = Command::new(sdk.join("bin/python"));
    client.arg(root().join("tests/mcp/client.py")).arg(bin("cht-agent")).arg("mcp");
    client.arg("--session").arg(&pipeline.session).env_remove("CHT_READER");
    let mut client = Running(client.stdout(Stdio::piped()).spawn().unwrap());
    let mut said = BufReader::new(client.0.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let scenes = [("testsrc2=s=3840x2160:r=5", 1.0), ("smptebars=s=3840x2160:r=5", 1.0)];
    pipeline.send(&generated(&scenes, QUICK));
    assert!(client.0.wait().unwrap().success());
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
    let mut command = tool("cht-agent");
    command.args(["mcp", "--http", ":0", "--session"]).arg(folder.path());
    command.env_remove("CHT_TOKEN").env_remove("CHT_READER").stdin(Stdio::null());
    let mut server = Running(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let (place, token) =
        line.trim_end().split_once(" with the header Authorization: Bearer ").unwrap();
    let url = place.split_once("serving ").unwrap().1;
    let address = url.strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap();
    let known = format!("Authorization: Bearer {token}\r\n");
    // Clients that send nothing take no place of one that has the token.
    let silent: Vec<_> = (0..70).map(|_| TcpStream::connect(address).unwrap()).collect();
    assert!(status(address, "/mcp", &known).starts_with("HTTP/1.1 200 "));
    for (path, headers, expected) in [
        ("/mcp", String::new(), "401"),
        ("/mcp", "Authorization: Bearer guess\r\n".to_owned(), "401"),
        ("/", known.clone(), "404"),
        ("/mcp", format!("{known}Origin: http://page.example\r\n"), "403"),
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
    let Some(sdk) = sdk() else { return };
    let mut client = Command::new(sdk.join("bin/python"));
    client.arg(root().join("tests/mcp/http_client.py")).args([url, token]);
    assert!(client.status().unwrap().success());
    for (arguments, says) in [
        (["--http", "0.0.0.0:0"], "must be a loopback address"),
        (["--http", address], "cannot listen there"),
    ] {
        let output = tool("cht-agent").arg("mcp").args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(says), "{said}");
    }
}

#[test]
fn client_that_vanishes_while_it_waits_leaves_nothing_running() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path());
    let mut command = tool("cht-agent");
    command.args(["mcp", "--reader", "gone", "--session"]).arg(folder.path());
    let mut server = Running(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
    let (mut stdin, stdout) = (server.0.stdin.take().unwrap(), server.0.stdout.take().unwrap());
    let mut stdout = BufReader::new(stdout);
    let mut ask = |message: &str| writeln!(stdin, "{message}").unwrap();
    ask(
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#,
    );
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    ask(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    ask(
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"ack","arguments":{"cursor":"now"}}}"#,
    );
    stdout.read_line(&mut line).unwrap();
    // Waits for a frame that does not come, and is not waited for.
    ask(
        r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"next","arguments":{"wait_s":50}}}"#,
    );
    ask(r#"{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"sessions"}}"#);
    line.clear();
    stdout.read_line(&mut line).unwrap();
    assert!(line.contains(r#""id":4"#), "{line}");
    drop((stdin, stdout));
    // `timeout` ends with 124 if it waits for the call.
    let mut waiting = Command::new("timeout");
    waiting.args(["30", "tail", "--pid", &server.0.id().to_string(), "-f", "/dev/null"]);
    let waiting = std::thread::spawn(move || waiting.status().unwrap());
    assert!(server.0.wait().unwrap().success());
    assert!(waiting.join().unwrap().success(), "it waited for the call");
}
