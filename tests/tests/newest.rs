//! Which session is meant where none is named, while a recorder waits for its first sender.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
};

use cht_tests::{Pipeline, QUICK, generated, tool, words};
use serde_json::Value;

/// Two shots.
fn clip() -> Vec<u8> {
    generated(&[("testsrc2=s=320x240:r=25", 1.0), ("smptebars=s=320x240:r=25", 1.0)], QUICK)
}

/// Returns a command that is told the folder of the sessions.
fn of(sessions: &Path, line: &str) -> Command {
    let mut parts = words(line);
    let mut command = tool(parts.remove(0));
    command.args(parts).env("CHT_SESSIONS", sessions).stdout(Stdio::piped());
    command
}

fn answer(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn waiting_recorder_is_newest_for_live_viewers_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (sessions, bytes) = (folder.path(), clip());
    let mut old = Pipeline::start(sessions, "--once --session-id old", "--detect scene");
    old.send(&bytes);
    old.succeed();
    let mut new = Pipeline::start(sessions, "--once --session-id new", "--detect scene");

    let shown = of(sessions, "cht show").output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.lines().next().unwrap().ends_with("/old"), "{shown}");
    let listed = answer(&mut of(sessions, "cht-agent sessions"));
    let listed: Vec<_> = [0, 1].map(|n| &listed["sessions"][n]).into();
    assert_eq!((&listed[0]["id"], &listed[0]["live"]), (&"old".into(), &false.into()));
    assert_eq!((&listed[1]["id"], &listed[1]["live"]), (&"new".into(), &true.into()));
    let next = answer(&mut of(sessions, "cht-agent next --reader a"));
    assert_eq!(next["frames"].as_array().unwrap().len(), 2, "{next}");
    let ack = of(sessions, "cht-agent ack --reader a F000001 F000002").output().unwrap();
    assert!(ack.status.success(), "{ack:?}");

    // What is there, from its beginning; and what comes, as soon as it does.
    let mut recorded = of(sessions, "cht-monitor --stdout --from start").spawn().unwrap();
    let mut begin = vec![0; bytes.len()];
    recorded.stdout.as_mut().unwrap().read_exact(&mut begin).unwrap();
    assert!(begin == bytes);
    let _recorded = Running(recorded);
    let mut live = of(sessions, "cht-monitor --stdout").stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(live.stderr.take().unwrap()).lines();
    let showing = said.next().unwrap().unwrap();
    assert!(showing.ends_with("/new from segment 1"), "{showing}");
    let waiting = of(sessions, "cht-agent next --reader a --wait 60").spawn().unwrap();
    let mut follow = of(sessions, "cht-agent follow --from start").spawn().unwrap();
    let mut followed = BufReader::new(follow.stdout.take().unwrap()).lines();
    let _follow = Running(follow);
    new.send(&bytes);
    new.succeed();
    let session = new.session.to_str().unwrap();
    let next: Value = serde_json::from_slice(&waiting.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(next["session"]["path"].as_str().or(next["session"].as_str()), Some(session));
    let mut event =
        || -> Value { serde_json::from_str(&followed.next().unwrap().unwrap()).unwrap() };
    // Where it began before the sender came, all of the session before comes first.
    let (mut first, mut before) = (event(), Vec::new());
    while first["session"] != session {
        before.push(std::mem::replace(&mut first, event())["id"].clone());
    }
    assert!(before.is_empty() || before == ["F000001", "F000002"], "{before:?}");
    assert_eq!((&first["session"], &first["id"]), (&session.into(), &"F000001".into()));
    let mut shown = Vec::new();
    live.stdout.take().unwrap().read_to_end(&mut shown).unwrap();
    assert!(live.wait().unwrap().success());
    assert!(shown == bytes, "{} bytes of {}", shown.len(), bytes.len());
}
