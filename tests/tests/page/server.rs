//! The server: what it answers, whom it refuses, and what it holds meanwhile.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::symlink,
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use cht_tests::{Pipeline, bin, recorder, tool};
use serde_json::{Value, json};

use super::{Server, TOKEN, clip, data, recorded};
#[test]
fn path_without_the_slash_at_its_end_leads_to_the_page() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path());
    fs::rename(folder.path().join("call"), folder.path().join("a: b")).unwrap();
    let server = Server::start(folder.path(), &[]);
    let (status, head, _) = server.get("/s/a:%20b");
    assert_eq!(status, 307, "{head}");
    assert!(head.contains("\r\nlocation: ./a:%20b/\r\n"), "{head}");
    assert_eq!(server.get("/s/a:%20b/").0, 200);
    for absent in ["/s/other", "/s/", "/s/..", "/s"] {
        assert_eq!(server.get(absent).0, 404, "{absent}");
    }
}

#[test]
fn no_way_to_write_the_folder_above_leads_out_of_a_session() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path());
    fs::write(folder.path().join("secret.jpg"), "secret").unwrap();
    let server = Server::start(folder.path(), &[]);
    let ups =
        ["..", "%2e%2e", ".%2e", "%2E.", "..;", "%252e%252e", "%c0%ae%c0%ae", "..%00", "...."];
    for folder in ["frames", "stream", "audio", "transcript"] {
        for up in ups {
            for slash in ["/", "%2f", "%5c"] {
                let path = format!(
                    "/s/call/files/{folder}{slash}{}secret.jpg",
                    [up, slash].concat().repeat(3)
                );
                let (status, _, body) = server.get(&path);
                assert!([400, 404].contains(&status), "{path}: {status}");
                assert!(!body.windows(6).any(|it| it == b"secret"), "{path}");
            }
        }
    }
}

#[test]
fn hostile_requests_are_refused_and_hold_nothing() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path());
    fs::write(folder.path().join("secret.jpg"), "secret").unwrap();
    let server = Server::start(folder.path(), &[]);
    let (status, _, body) = server.get("/s/call/files/frames/F000001.jpg");
    assert_eq!(status, 200);
    assert_eq!(body, fs::read(folder.path().join("call/frames/F000001.jpg")).unwrap());
    let before = server.holds();

    let paths = [
        "/../secret.jpg",
        "/s/../secret.jpg",
        "/s/%2e%2e/secret.jpg",
        "/s/call/../../secret.jpg",
        "/s/call/files/../../secret.jpg",
        "/s/call/files/frames/../../../secret.jpg",
        "/s/call/files/frames/%2e%2e%2f%2e%2e%2f%2e%2e%2fsecret.jpg",
        "/s/call/files/frames/..%2f..%2f..%2fsecret.jpg",
        "/s/call/files/frames/%252e%252e%252fsecret.jpg",
        "/s/call/files/frames/..%5c..%5csecret.jpg",
        "/s/call/files/frames/%c0%ae%c0%ae%c0%afsecret.jpg",
        "/s/call/files/frames//etc/passwd",
        "/s/call/files/frames/F000001.jpg%00.jpg",
        "/s/call/files/frames/F000001.jpg/",
        "/s/call/files/frames/index.ndjson",
        "/s/call/files/stream/open.json/../segments.ndjson",
        "/s/call/files/agent/agent.ndjson",
        "/s/call/files/page/data.js",
        "/s/call%2f..%2fcall/",
        "/s/./call/",
        "/s//",
        "/s/nothing/data.js",
        "/s/nothing/events",
        "/s/call/live.ts",
        "/assets/../data.js",
        "/assets/%2e%2e/page.css",
        "/etc/passwd",
        "//etc/passwd",
    ];
    for path in paths {
        let (status, _, body) = server.get(path);
        assert!([400, 404].contains(&status), "{path}: {status}");
        assert!(!body.windows(6).any(|it| it == b"secret"), "{path}");
    }
    let host = &server.address;
    for foreign in [
        "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(),
        "GET /sessions.json HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {host}\r\nOrigin: http://evil.example\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {host}\r\nOrigin: null\r\n\r\n"),
        format!(
            "GET /s/call/data.js HTTP/1.1\r\nHost: {host}\r\nSec-Fetch-Site: cross-site\r\n\r\n"
        ),
        format!("POST /s/call/sent HTTP/1.1\r\nHost: {host}\r\nOrigin: http://a\r\n\r\n"),
    ] {
        let answer = String::from_utf8_lossy(&server.raw(foreign.as_bytes())).into_owned();
        let is_refused = ["HTTP/1.1 403 ", "HTTP/1.0 403 ", "HTTP/1.1 400 "];
        assert!(is_refused.iter().any(|it| answer.starts_with(it)), "{foreign}: {answer}");
    }
    for odd in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        format!("GET /{} HTTP/1.1\r\nHost: {host}\r\n\r\n", "a".repeat(1 << 20)).into_bytes(),
        format!("GET / HTTP/1.1\r\nHost: {host}\r\nX: {}\r\n\r\n", "a".repeat(1 << 20))
            .into_bytes(),
        format!("GET / HTTP/1.1\r\nHost: {host}\r\n{}\r\n", "A: b\r\n".repeat(100_000))
            .into_bytes(),
        format!("GET / HTTP/1.1\r\nHost: {host}\r\n Folded: x\r\n\r\n").into_bytes(),
        format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes(),
    ] {
        let answer = server.raw(&odd);
        let text = String::from_utf8_lossy(&answer[..answer.len().min(40)]).into_owned();
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    }
    for (method, path) in
        [("POST", "/"), ("PUT", "/s/call/files/frames/F000001.jpg"), ("GET", "/s/call/sent")]
    {
        assert_eq!(server.ask(method, path, "", "x").0, 405, "{method} {path}");
    }
    assert_eq!(server.ask("POST", "/s/call/sent", "", r#"{"ids":["F000001"]}"#).0, 403, "no token");

    let after = server.holds();
    assert!(after.0 < before.0 + 8 * 1024, "{before:?} KiB and descriptors, then {after:?}");
    assert_eq!(server.get("/s/call/data.js").0, 200);
}

#[test]
fn answers_say_what_they_are_and_load_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path());
    let server = Server::start(folder.path(), &[]);
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/assets/page.js", "text/javascript; charset=utf-8"),
        ("/s/call/", "text/html; charset=utf-8"),
        ("/s/call/files/stream/session.m3u8", "application/vnd.apple.mpegurl"),
        ("/s/call/files/stream/segment_000001.ts", "video/mp2t"),
        ("/nothing", "text/plain; charset=utf-8"),
    ] {
        let (_, head, _) = server.get(path);
        assert!(head.contains(&format!("content-type: {kind}\r\n")), "{path}: {head}");
        assert!(head.contains("x-content-type-options: nosniff"), "{path}: {head}");
        assert!(head.contains("content-security-policy: default-src 'none'; script-src 'self';"));
        assert!(!head.contains("unsafe-inline") && !head.contains("access-control"), "{head}");
    }
    let (_, _, html) = server.get("/s/call/");
    let html = String::from_utf8(html).unwrap();
    for part in html.split("<script").skip(1) {
        assert!(part.contains("src=") && part.contains("></script>"), "inline: {part}");
    }
    assert!(!html.contains(" style=") && !html.contains(" onclick="), "{html}");
}

#[test]
fn part_of_a_file_is_given() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path());
    let server = Server::start(folder.path(), &[]);
    let bytes = fs::read(folder.path().join("call/stream/segment_000001.ts")).unwrap();
    let path = "/s/call/files/stream/segment_000001.ts";
    let part = |range: &str| server.ask("GET", path, &format!("Range: {range}\r\n"), "");
    let (status, head, body) = part("bytes=188-375");
    assert_eq!((status, &body[..]), (206, &bytes[188..376]));
    assert!(head.contains(&format!("content-range: bytes 188-375/{}", bytes.len())), "{head}");
    assert_eq!(part("bytes=-188").2, bytes[bytes.len() - 188..]);
    let (status, head, _) = part(&format!("bytes={}-", bytes.len()));
    assert_eq!(status, 416);
    assert!(head.contains(&format!("content-range: bytes */{}", bytes.len())), "{head}");
    assert_eq!(part("bytes=1-2,5-6").2, bytes);
    let (status, head, body) = server.ask("HEAD", path, "", "");
    assert_eq!((status, body.len()), (200, 0));
    assert!(head.contains(&format!("content-length: {}", bytes.len())), "{head}");
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_owned();
    assert_eq!(server.ask("GET", path, &format!("If-None-Match: {tag}\r\n"), "").0, 304);
}

#[test]
fn links_out_of_the_sessions_lead_nowhere() {
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    recorded(folder.path());
    let call = folder.path().join("call");
    fs::write(outside.path().join("secret.jpg"), "secret").unwrap();
    symlink(outside.path().join("secret.jpg"), call.join("frames/F999999.jpg")).unwrap();
    symlink("../../../secret.jpg", call.join("frames/F999998.jpg")).unwrap();
    symlink("F000001.jpg", call.join("frames/again.jpg")).unwrap();
    fs::create_dir_all(outside.path().join("foreign/stream")).unwrap();
    fs::create_dir_all(outside.path().join("foreign/frames")).unwrap();
    fs::copy(outside.path().join("secret.jpg"), outside.path().join("foreign/frames/a.jpg"))
        .unwrap();
    symlink(outside.path().join("foreign"), folder.path().join("foreign")).unwrap();
    let server = Server::start(folder.path(), &[]);
    for path in [
        "/s/call/files/frames/F999999.jpg",
        "/s/call/files/frames/F999998.jpg",
        "/s/foreign/",
        "/s/foreign/data.js",
        "/s/foreign/files/frames/a.jpg",
    ] {
        assert_eq!(server.get(path).0, 404, "{path}");
    }
    assert_eq!(server.get("/s/call/files/frames/again.jpg").0, 200, "a link within the session");
    let sessions: Value = serde_json::from_slice(&server.get("/sessions.json").2).unwrap();
    let names: Vec<_> = sessions.as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["call"]);
    assert_eq!((&sessions[0]["pictures"], &sessions[0]["live"]), (&3.into(), &false.into()));

    // An index that is a link tells nothing.
    let index = call.join("frames/index.ndjson");
    fs::rename(&index, outside.path().join("index.ndjson")).unwrap();
    symlink(outside.path().join("index.ndjson"), &index).unwrap();
    assert_eq!(server.get("/s/call/data.js").0, 500);
}

#[test]
fn token_is_needed_for_other_machines_and_for_marks() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path());
    let refused = |options: &[&str]| {
        let mut command = tool("cht-page");
        command.env_remove("CHT_TOKEN").arg("serve").arg(folder.path()).args(options);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{options:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused(&["--listen", "0.0.0.0:0"]).contains("needs --token"));
    assert!(refused(&["--listen", ":0", "--token", "short"]).contains("16 characters or more"));

    let server = Server::start(folder.path(), &["--token", TOKEN]);
    assert_eq!(server.get("/").0, 401);
    assert_eq!(server.get("/?token=wrong-and-long-enough").0, 401);
    assert_eq!(
        server.ask("GET", "/", "Authorization: Bearer wrong-and-long-enough\r\n", "").0,
        401
    );
    let (status, head, _) = server.get(&format!("/s/call/?token={TOKEN}"));
    assert_eq!(status, 303);
    assert!(head.contains("\r\nlocation: /s/call/\r\n"), "{head}");
    let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.contains("; httponly; samesite=lax"), "{cookie}");
    let cookie = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());
    assert!(!cookie.contains(TOKEN));
    assert_eq!(server.ask("GET", "/s/call/", &cookie, "").0, 200);

    let journal = || fs::read_to_string(folder.path().join("call/frames/index.ndjson")).unwrap();
    let before = journal();
    for (body, status) in [
        (r#"{"ids":["F000009"]}"#, 400),
        (r#"{"ids":["F000001","F000009"]}"#, 400),
        ("[]", 400),
        ("", 400),
        (&"x".repeat(100_000), 413),
    ] {
        assert_eq!(server.ask("POST", "/s/call/sent", &cookie, body).0, status, "{body:.40}");
    }
    // Refused before it comes.
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let head = format!("POST /s/call/sent HTTP/1.1\r\nHost: {}\r\n{cookie}", server.address);
    stream.write_all(format!("{head}Content-Length: 99999999999\r\n\r\nx").as_bytes()).unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
    assert_eq!(journal(), before);
    let foreign = format!("{cookie}Origin: http://evil.example\r\n");
    assert_eq!(server.ask("POST", "/s/call/sent", &foreign, r#"{"ids":["F000002"]}"#).0, 403);
    assert_eq!(server.ask("POST", "/s/call/sent", &cookie, r#"{"ids":["F000002"]}"#).0, 200);
    let added = journal().strip_prefix(&before).unwrap().to_owned();
    let mark: Value = serde_json::from_str(&added).unwrap();
    assert_eq!((&mark["type"], &mark["id"]), (&json!("sent"), &json!("F000002")));
    // It is what cht-index takes for a mark.
    let index = tool("cht-index")
        .arg("--session")
        .arg(folder.path().join("call"))
        .stdin(Stdio::null())
        .status();
    assert!(index.unwrap().success());
    let index = fs::read_to_string(folder.path().join("call/frames/index.json")).unwrap();
    assert_eq!(index.matches(r#""sent_to_agent":true"#).count(), 1);
}

/// Reads events of a session from the headers on, until `count` have an id. Returns the id and the
/// data of each.
fn events(server: &Server, path: &str, headers: &str, count: usize) -> Vec<(String, Value)> {
    let mut client = server.connect();
    write!(client, "GET {path} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", server.address).unwrap();
    let (mut events, mut id) = (Vec::new(), None);
    for line in BufReader::new(client).lines() {
        let line = line.unwrap();
        if let Some(new) = line.strip_prefix("id: ") {
            id = Some(new.to_owned());
        } else if let (Some(data), Some(id)) = (line.strip_prefix("data: "), &mut id.take()) {
            events.push((std::mem::take(id), serde_json::from_str(data).unwrap()));
        }
        if events.len() == count {
            break;
        }
    }
    events
}

#[test]
fn events_go_on_after_the_last_one_that_was_received() {
    let folder = tempfile::tempdir().unwrap();
    let mut pipeline = Pipeline::start(
        folder.path(),
        "--once --session-id call --segment-time 1",
        "--detect scene",
    );
    let server = Server::start(folder.path(), &[]);
    // Before anything is there.
    let (status, _, script) = server.get("/s/call/data.js");
    assert_eq!(status, 200);
    let begin = data(&script);
    assert!(
        begin["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|it| it["type"] == "state" && it["live"] == true)
    );
    let follow = format!("/s/call/events?from={}", begin["position"].as_str().unwrap());
    let all = std::thread::scope(|scope| {
        let followed = scope.spawn(|| events(&server, &follow, "", 6));
        pipeline.send(&clip());
        followed.join().unwrap()
    });
    pipeline.succeed();
    let kinds = |events: &[(String, Value)]| {
        let mut kinds: Vec<_> = events.iter().map(|it| it.1["type"].to_string()).collect();
        kinds.sort();
        kinds
    };
    let (frame, segment) = ["\"frame\"", "\"segment_closed\""].map(str::to_owned).into();
    assert_eq!(
        kinds(&all),
        [[(); 3].map(|()| frame.clone()), [(); 3].map(|()| segment.clone())].concat()
    );
    for (at, (id, _)) in all.iter().enumerate().take(5) {
        let header = format!("Last-Event-ID: {id}\r\n");
        // The header of a browser that connects again counts, not its first address.
        let rest = events(&server, &follow, &header, 5 - at);
        let rest: Vec<_> = rest.into_iter().map(|it| it.1).collect();
        let missed: Vec<_> = all[at + 1..].iter().map(|it| it.1.clone()).collect();
        assert!(missed.iter().all(|it| rest.contains(it)), "after {id}: {rest:?}");
    }

    // An index that is started over makes pages load anew.
    fs::write(folder.path().join("call/frames/index.ndjson"), "").unwrap();
    let answer = server.raw(
        format!(
            "GET {follow} HTTP/1.1\r\nHost: {}\r\nLast-Event-ID: {}\r\n\r\n",
            server.address, all[5].0
        )
        .as_bytes(),
    );
    assert!(String::from_utf8_lossy(&answer).contains("event: reset\n"));
}

#[test]
fn live_video_begins_with_tables_and_ends_with_the_recording() {
    let folder = tempfile::tempdir().unwrap();
    let (mut recv, address) =
        cht_tests::recorder(folder.path(), "--session-id call --stats-interval 0.1");
    let bytes = clip();
    let mut sender = TcpStream::connect(&address).unwrap();
    sender.write_all(&bytes[..bytes.len() / 188 / 2 * 188]).unwrap();
    recv.wait_for("segment_open");
    let server = Server::start(folder.path(), &[]);
    let mut viewer = server.connect();
    write!(
        viewer,
        "GET /s/call/live.ts HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        server.address
    )
    .unwrap();
    let mut viewer = BufReader::new(viewer);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(viewer.read_line(&mut head).unwrap(), 0, "{head}");
    }
    assert!(
        head.starts_with("HTTP/1.1 200")
            && head.to_lowercase().contains("content-type: video/mp2t"),
        "{head}"
    );
    let mut size = String::new();
    viewer.read_line(&mut size).unwrap();
    let mut packet = [0; 188];
    viewer.read_exact(&mut packet).unwrap();
    assert_eq!(
        (packet[0], u16::from_be_bytes([packet[1], packet[2]]) & 0x1FFF),
        (0x47, 0),
        "the PAT"
    );
    sender.write_all(&bytes[bytes.len() / 188 / 2 * 188..]).unwrap();
    drop(sender);
    recv.wait_for("disconnected");
    assert!(recv.terminate().success());
    let mut rest = Vec::new();
    viewer.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(b"0\r\n\r\n"), "the stream has an end");
    assert_eq!(server.get("/s/call/live.ts").0, 404, "and is no more");
}

#[test]
fn many_connections_hold_bounded_memory_and_browsers_are_still_served() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path());
    let server = Server::start(folder.path(), &[]);
    assert_eq!(server.get("/s/call/data.js").0, 200);
    let before = server.holds();
    // They say nothing, do not end their request, or never read the answer.
    let clients: Vec<_> = (0..1000)
        .map(|n| {
            let mut client = server.connect();
            let file = "GET /s/call/files/stream/segment_000001.ts HTTP/1.1\r\nHost: ";
            // 200 of them ask as they may, which leaves places for others.
            let _ = match n % 5 {
                0 => write!(client, "{file}{}\r\n\r\n", server.address),
                1 | 2 => client.write_all(file.as_bytes()),
                _ => Ok(()),
            };
            client
        })
        .collect();
    let (status, ..) = server.get("/s/call/");
    assert_eq!(status, 200);
    let (memory, descriptors) = server.holds();
    assert!(descriptors < before.1 + 300, "{descriptors} descriptors");
    assert!(memory < before.0 + 32 * 1024, "{} KiB, then {memory} KiB", before.0);
    drop(clients);
    assert_eq!(server.get("/s/call/").0, 200);
}

#[test]
fn sessions_are_listed_by_recency_and_an_idle_recorder_after_those_that_hold_something() {
    let folder = tempfile::tempdir().unwrap();
    let (mut recv, address) = recorder(folder.path(), "--session-id idle --stats-interval 0.1");
    for (name, hours) in [("middle", 2), ("newest", 3), ("oldest", 1), ("empty", 4)] {
        let session = folder.path().join(name);
        for part in ["stream", "frames"] {
            fs::create_dir_all(session.join(part)).unwrap();
        }
        if name != "empty" {
            fs::write(session.join("frames/index.ndjson"), "{}\n").unwrap();
        }
        let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(hours * 3600);
        fs::File::open(session.join("stream")).unwrap().set_modified(changed).unwrap();
    }
    let server = Server::start(folder.path(), &[]);
    let listed = || {
        let (status, _, body) = server.get("/sessions.json");
        assert_eq!(status, 200);
        let sessions: Vec<Value> = serde_json::from_slice(&body).unwrap();
        let line = |it: &Value| format!("{} {}", it["name"].as_str().unwrap(), it["live"]);
        sessions.iter().map(line).collect::<Vec<_>>()
    };
    let rest = ["newest false", "middle false", "oldest false"];
    assert_eq!(listed(), [&rest[..], &["idle true", "empty false"]].concat());
    let mut sender = TcpStream::connect(address).unwrap();
    sender.write_all(&clip()).unwrap();
    recv.wait_for("segment_open");
    assert_eq!(listed(), [&["idle true"], &rest[..], &["empty false"]].concat());
    drop(sender);
    recv.stop();
    assert_eq!(listed(), [&["idle false"], &rest[..], &["empty false"]].concat());
}

#[test]
fn unix_socket_serves_a_proxy() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path());
    let socket = folder.path().join("page.socket");
    let listen = format!("unix:{}", socket.display());
    let start = || {
        let mut command = Command::new(bin("cht-page"));
        command.env_remove("CHT_TOKEN").arg("serve").arg(folder.path()).args(["--listen", &listen]);
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stderr.take().unwrap()).read_line(&mut line).unwrap();
        (process, line)
    };
    // A socket that a killed server has left is no obstacle; one in use is.
    for _ in 0..2 {
        let (process, line) = start();
        let server = Server { process, address: String::new() };
        assert!(line.contains(&format!("serving {listen}")), "{line}");
        let mut client = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\nHost: cht.example\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        let (mut second, line) = start();
        assert!(line.contains("another program listens there"), "{line}");
        assert_eq!(second.wait().unwrap().code(), Some(2));
        drop(server);
    }
}
