//! A real browser plays a session by hls.js during its recording. Skipped, with a message, without
//! chromium or hls.js: `tests/browser/setup FOLDER` gets the latter from npm.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    os::unix::fs::symlink,
    path::Path,
    process::{Child, Command, Stdio},
};

use cht_tests::{QUICK, generated, recorder, root, send, words};

/// Static HTTP server in Python, which ends by itself after five minutes.
const SERVER: &str = "import runpy, signal; signal.alarm(300); \
                      runpy.run_module('http.server', run_name='__main__')";

/// Process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Parses a report of the page, the query in a line such as
/// `… "GET /report?time=1.2&frames=30 HTTP/1.1" 404 -`.
fn report(line: &str) -> Option<HashMap<&str, &str>> {
    let query = line.split_once("GET /report?")?.1.split_whitespace().next()?;
    Some(query.split('&').filter_map(|field| field.split_once('=')).collect())
}

/// A browser that plays the playlist of a session, and tells what it sees.
struct Player {
    log: Box<dyn Iterator<Item = String>>,
    _running: [Running; 2],
}

impl Player {
    /// Starts it over the files in `site`, which [`site`] has prepared.
    fn start(site: &Path) -> Self {
        // Its log is how the page speaks to the test.
        let mut server = Command::new("python3")
            .args(["-u", "-c", SERVER])
            .args(words("0 --bind 127.0.0.1 --directory"))
            .arg(site)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(server.stdout.take().unwrap()).lines();
        let log = BufReader::new(server.stderr.take().unwrap()).lines().map_while(Result::ok);
        let server = Running(server);
        // Serving HTTP on 127.0.0.1 port 40123 (http://127.0.0.1:40123/) ...
        let said = said.next().unwrap().unwrap();
        let port = said.split_whitespace().nth(5).unwrap();
        let browser = Running(
            Command::new("chromium")
                .args(words(
                    "--headless=new --no-sandbox --disable-gpu --mute-audio --no-first-run",
                ))
                .arg("--autoplay-policy=no-user-gesture-required")
                .arg(format!("--user-data-dir={}", site.join("profile").display()))
                .arg(format!("http://127.0.0.1:{port}/player.html?src=stream/session.m3u8"))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        );
        Self { log: Box::new(log), _running: [server, browser] }
    }
}

/// Puts the page of the player into a folder. Returns whether it can be played.
fn site(folder: &Path) -> bool {
    let ready = Command::new(root().join("tests/browser/setup")).arg(folder).status();
    ready.is_ok_and(|status| status.success())
}

#[test]
fn browser_plays_session_during_recording() {
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path();
    if !self::site(site) {
        println!("skipped: chromium or hls.js is not here");
        return;
    }
    let bytes =
        generated(&[("testsrc2=s=320x240:r=25", 6.0)], &format!("{QUICK} -pix_fmt yuv420p"));

    let (mut recv, address) = recorder(site, "--segment-time 2");
    symlink(recv.session().join("stream"), site.join("stream")).unwrap();
    send(&address, &bytes);
    recv.wait_for("disconnected");

    let Player { log, _running } = Player::start(site);
    let mut continued = false;
    let mut last = String::new();
    for line in log {
        let Some(seen) = report(&line) else { continue };
        assert!(!seen.contains_key("error"), "{line}");
        let time: f64 = seen["time"].parse().unwrap();
        if !continued && time > 1.0 {
            // It plays a session that is being recorded; another connection, and the end.
            assert_eq!(seen["live"], "true", "{line}");
            continued = true;
            send(&address, &bytes);
            recv.wait_for("disconnected");
            recv.stop();
        }
        last.clone_from(&line);
        if seen["ended"] == "true" {
            break;
        }
    }
    let seen = report(&last).expect("the browser said nothing");
    assert!(seen["time"].parse::<f64>().unwrap() > 11.5, "{last}");
    // Two frames at most are dropped where the connections meet, none decoded twice.
    println!("the browser says: {last}");
    let frames: u32 = seen["frames"].parse().unwrap();
    assert!((298..=300).contains(&frames), "{last}");
}

#[test]
fn browser_that_comes_before_the_first_segment_plays_it() {
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path();
    if !self::site(site) {
        println!("skipped: chromium or hls.js is not here");
        return;
    }
    let bytes =
        generated(&[("testsrc2=s=320x240:r=25", 4.0)], &format!("{QUICK} -pix_fmt yuv420p"));
    let (mut recv, address) = recorder(site, "--segment-time 5");
    let stream = recv.session().join("stream");
    symlink(&stream, site.join("stream")).unwrap();
    let mut sender = TcpStream::connect(&address).unwrap();
    sender.write_all(&bytes).unwrap();
    recv.wait_for("segment_open");
    while !stream.join("session.m3u8").exists() {}

    let Player { log, _running } = Player::start(site);
    let mut sender = Some(sender);
    for line in log {
        // It has found no segment, and asks again after a target duration.
        if line.contains("GET /stream/session.m3u8") && sender.take().is_some() {
            recv.wait_for("disconnected");
            recv.stop();
        }
        let Some(seen) = report(&line) else { continue };
        assert!(!seen.contains_key("error"), "{line}");
        if seen["ended"] == "true" {
            assert!(seen["time"].parse::<f64>().unwrap() > 3.5, "{line}");
            return;
        }
    }
    panic!("the browser said nothing");
}
