//! cht-agent gives each reader every frame at least once, while the recording grows and afterwards.
#![expect(clippy::unwrap_used, reason = "tests panic at wrong values")]

#[path = "agent/pictures.rs"]
mod pictures;

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use cht_tests::{Pipeline, QUICK, Tmpfs, generated, tool, words};
use serde_json::{Value, json};

/// Two cuts, at 1 s and 2 s.
fn clip() -> Vec<u8> {
    let scenes = [("testsrc2=s=320x240:r=25", 1.0), ("smptebars=s=320x240:r=25", 1.0)];
    generated(&[scenes[0], scenes[1], scenes[0]], QUICK)
}

fn agent(session: &Path, arguments: &str) -> Command {
    let mut command = tool("cht-agent");
    command.env_remove("CHT_SESSIONS").env_remove("CHT_READER");
    command.arg("--session").arg(session).args(words(arguments));
    command
}

/// Runs a command that succeeds, and returns its answer.
fn ask(session: &Path, arguments: &str) -> Value {
    let output = agent(session, arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{arguments}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs a command that fails, and returns its message.
fn refused(session: &Path, arguments: &str) -> String {
    let output = agent(session, arguments).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments}: {said}");
    assert!(output.stdout.is_empty());
    said
}

fn ids(answer: &Value) -> Vec<String> {
    let frames = answer["frames"].as_array().unwrap();
    frames.iter().map(|frame| frame["id"].as_str().unwrap().to_owned()).collect()
}

/// Frames that are not marked in the index.
fn unsent(pipeline: &Pipeline) -> Vec<String> {
    let index = pipeline.read_index();
    let unsent = index.iter().filter(|element| element["sent_to_agent"] == false);
    unsent.map(|element| element["id"].as_str().unwrap().to_owned()).collect()
}

struct Follow {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Follow {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn waiting_reader_gets_each_frame_until_it_acknowledges_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut pipeline = Pipeline::start(folder.path(), "--once", "--detect scene");
    let session = pipeline.session.clone();
    let waiting = agent(&session, "next --wait 60 --limit 2").stdout(Stdio::piped()).spawn();
    let mut follow = Follow::start(&mut agent(&session, "follow --from start"));
    pipeline.send(&clip());
    let first = waiting.unwrap().wait_with_output().unwrap();
    let first: Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!(ids(&first)[0], "F000001");
    let followed: Vec<_> = (0..3).map(|_| follow.next()["id"].clone()).collect();
    assert_eq!(followed, ["F000001", "F000002", "F000003"]);

    // Given again until it is acknowledged; other readers are on their own.
    let two = ask(&session, "next --limit 2");
    assert_eq!((ids(&two).len(), &two["lag"]["frames"]), (2, &1.into()));
    assert!(Path::new(two["frames"][1]["path"].as_str().unwrap()).is_file());
    ask(&session, &format!("ack --to {}", two["cursor"].as_str().unwrap()));
    ask(&session, "ack --reader other F000003");
    assert_eq!(ids(&ask(&session, "next")), ["F000003"]);
    assert_eq!(ids(&ask(&session, "next --reader other")), ["F000001", "F000002"]);
    let said = refused(&session, "moment 99999");
    assert!(said.contains("nothing is recorded at 99999.000 s; the recording ends at"), "{said}");
    pipeline.succeed();
    // The last frame is shown to the end of the recording, and no longer.
    assert_eq!(ask(&session, "moment 2.99")["frame"]["id"], "F000003");
    let said = refused(&session, "moment 3.5");
    assert!(said.contains("nothing is recorded at 3.500 s; the recording ends at 3.0"), "{said}");
    let update = || {
        let run = tool("cht-index").arg("--session").arg(&session).stdin(Stdio::null()).status();
        assert!(run.unwrap().success());
    };
    update();
    assert_eq!(unsent(&pipeline), ["F000003"], "acknowledged while cht-index ran");

    // An edit of the index and `--sent` count as well.
    let index = session.join("frames/index.json");
    let edited = fs::read_to_string(&index).unwrap().replace("false", "true");
    fs::write(&index, edited).unwrap();
    update();
    let end = ask(&session, "next");
    assert_eq!((ids(&end).len(), end["lag"]["live"].as_bool()), (0, Some(false)));
    assert_eq!(ids(&ask(&session, "next --reader other")).len(), 2);
    let sessions =
        tool("cht-agent").args(["--sessions"]).arg(folder.path()).arg("sessions").output();
    let sessions: Value = serde_json::from_slice(&sessions.unwrap().stdout).unwrap();
    let listed = &sessions["sessions"][0];
    assert_eq!((&listed["frames"], &listed["live"]), (&3.into(), &false.into()));
}

#[test]
fn follow_goes_on_with_the_next_session_and_after_its_cursor() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = tool("cht-agent");
    command.arg("--sessions").arg(folder.path()).args(["follow", "--from", "start"]);
    let mut follow = Follow::start(&mut command);
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut pipeline = Pipeline::start(folder.path(), "--once", "--detect scene");
        pipeline.send(&clip());
        seen.extend((0..3).map(|_| follow.next()));
        pipeline.succeed();
    }
    let sessions: BTreeSet<_> = seen.iter().map(|line| line["session"].as_str().unwrap()).collect();
    assert_eq!((sessions.len(), seen.len()), (2, 6));
    let newest = Path::new(seen[5]["session"].as_str().unwrap());
    let cursor = seen[3]["cursor"].as_str().unwrap();
    for from in [cursor, "F000001"] {
        let mut rest = Follow::start(&mut agent(newest, &format!("follow --from {from}")));
        assert_eq!([rest.next()["id"].clone(), rest.next()["id"].clone()], ["F000002", "F000003"]);
    }
}

/// Makes a session with a journal of `frames` frames.
fn made(folder: &Path, frames: u32) {
    for name in ["stream", "frames", "agent"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    let mut journal = fs::File::create(folder.join("frames/index.ndjson")).unwrap();
    for n in 1..=frames {
        journal.write_all(frame(folder, n, "a").as_bytes()).unwrap();
    }
}

fn frame(folder: &Path, n: u32, hash: &str) -> String {
    let (root, id) = (folder.display(), format!("F{n:06}"));
    format!(
        r#"{{"v":1,"type":"frame","session":"{root}","id":"{id}","timestamp":{n},"pts":{n},"path":"{root}/frames/{id}.jpg","segment":"{root}/stream/segment_000001.ts","reason":"scene","scores":{{"scene":0.5}},"width":1,"height":1,"bytes":1,"hash":"{hash}"}}"#
    ) + "\n"
}

#[test]
fn killed_acknowledgements_lose_nothing_and_hit_no_other_reader() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), 40);
    let mut given = [BTreeSet::new(), BTreeSet::new()];
    let mut random = 7_u32;
    for round in 0..24 {
        for (reader, given) in ["agent", "other"].iter().zip(&mut given) {
            let answer = ask(folder.path(), &format!("next --reader {reader} --limit 3"));
            given.extend(ids(&answer));
            let to = answer["cursor"].as_str().unwrap();
            let mut ack = agent(folder.path(), &format!("ack --reader {reader} --to {to}"))
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if round % 2 == 0 {
                // At a moment between its start and its end, which is some milliseconds later.
                let mut turns = random >> 14;
                while turns > 0 && ack.try_wait().unwrap().is_none() {
                    turns -= turns.min(1 << 10);
                }
                let _ = ack.kill();
            }
            ack.wait().unwrap();
        }
    }
    for (reader, given) in ["agent", "other"].iter().zip(&mut given) {
        loop {
            let answer = ask(folder.path(), &format!("next --reader {reader} --limit 30"));
            if ids(&answer).is_empty() {
                break;
            }
            given.extend(ids(&answer));
            ask(
                folder.path(),
                &format!("ack --reader {reader} --to {}", answer["cursor"].as_str().unwrap()),
            );
        }
        assert_eq!(given.len(), 40, "{reader}");
    }
}

#[test]
fn moved_and_read_only_session_is_read() {
    let Some(disk) = Tmpfs::mount(4) else { return };
    let before = disk.path().join("before");
    made(&before, 3);
    for n in 1..=3 {
        fs::write(before.join(format!("frames/F{n:06}.jpg")), "x").unwrap();
    }
    let cursor = ask(&before, "next --limit 1")["cursor"].as_str().unwrap().to_owned();
    ask(&before, &format!("ack --to {cursor}"));
    let session = disk.path().join("after");
    fs::rename(&before, &session).unwrap();
    let answer = ask(&session, "next");
    assert_eq!((ids(&answer).len(), &answer["missed"]), (2, &Value::Null));
    let path = answer["frames"][0]["path"].as_str().unwrap();
    assert_eq!(Path::new(path), session.join("frames/F000002.jpg"));
    let mut follow = Follow::start(&mut agent(&session, "follow --from F000001"));
    let line = follow.next();
    assert_eq!((&line["id"], &line["path"]), (&"F000002".into(), &path.into()));
    assert_eq!(Path::new(line["session"].as_str().unwrap()), session);
    // By another name of its folder; and never a file outside of it.
    let link = disk.path().join("link");
    std::os::unix::fs::symlink(&session, &link).unwrap();
    assert!(Path::new(ask(&link, "frame F000002")["path"].as_str().unwrap()).is_file());
    fs::remove_file(session.join("frames/F000003.jpg")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", session.join("frames/F000003.jpg")).unwrap();
    assert!(refused(&session, "frame F000003").contains("lies outside of its session"));
    disk.remount("ro");
    assert_eq!(ids(&ask(&session, "next")).len(), 2);
    for (arguments, field, expected) in [
        ("moment 2.5", "/frame/path", json!(path)),
        ("frame F000002", "/path", json!(path)),
        ("search words", "/total", json!(0)),
    ] {
        assert_eq!(ask(&session, arguments).pointer(field), Some(&expected), "{arguments}");
    }
    let sessions = tool("cht-agent").arg("--sessions").arg(disk.path()).arg("sessions").output();
    let sessions: Value = serde_json::from_slice(&sessions.unwrap().stdout).unwrap();
    assert_eq!(sessions["sessions"][0]["frames"], 3);
    let mut follow = Follow::start(&mut agent(&session, "follow --from start"));
    assert_eq!(follow.next()["id"], "F000001");
    let said = refused(&session, "ack F000002");
    assert!(said.contains("nothing is acknowledged") && said.contains("Read-only"), "{said}");
    disk.remount("rw");
    let filler = disk.fill();
    let said = refused(&session, "ack --reader other F000002");
    assert!(said.contains("nothing is acknowledged, and what was before still is"), "{said}");
    fs::remove_file(filler).unwrap();
    assert_eq!(ids(&ask(&session, "next --reader other")).len(), 3);
}

#[test]
fn paths_that_lead_out_of_the_session_are_not_given() {
    let place = tempfile::tempdir().unwrap();
    let session = place.path().join("call");
    made(&session, 5);
    fs::write(place.path().join("secret"), "x").unwrap();
    fs::write(session.join("frames/F000005.jpg"), "another size").unwrap();
    fs::write(session.join("frames/F000004.jpg"), "x").unwrap();
    std::os::unix::fs::symlink("../../secret", session.join("frames/F000003.jpg")).unwrap();
    let journal = session.join("frames/index.ndjson");
    let text = fs::read_to_string(&journal).unwrap();
    let own = |n: u32| session.join(format!("frames/F{n:06}.jpg")).to_str().unwrap().to_owned();
    let above = session.join("frames/../../secret").to_str().unwrap().to_owned();
    let text = text.replace(&own(1), "/etc/passwd").replace(&own(2), &above);
    fs::write(&journal, text.replace(r#""hash""#, r#""note":"n","relative_path":"../x","hash""#))
        .unwrap();
    let answer = ask(&session, "next");
    let paths: Vec<_> =
        answer["frames"].as_array().unwrap().iter().map(|it| it["path"].clone()).collect();
    assert_eq!(paths, [Value::Null, Value::Null, Value::Null, own(4).into(), own(5).into()]);
    assert_eq!(answer["missed"], json!(["F000001", "F000002", "F000003", "F000005"]));
    assert_eq!(ask(&session, "moment 1")["frame"].get("path"), None);
    let said = refused(&session, "frame F000005");
    assert!(said.contains("or has another size than was written"), "{said}");
    let mut follow = Follow::start(&mut agent(&session, "follow --from start"));
    for n in 1..=4 {
        let line = follow.next();
        let expected = if n == 4 { own(n) } else { String::new() };
        assert_eq!((&line["path"], &line["note"]), (&expected.into(), &"n".into()));
        let relative = if n == 4 { "frames/F000004.jpg".into() } else { Value::Null };
        assert_eq!((&line["relative_path"], line["missing"] == true), (&relative, n < 4));
    }
}

#[test]
fn nothing_is_written_through_a_link_in_the_session() {
    for folder in ["agent", "frames"] {
        let place = tempfile::tempdir().unwrap();
        let (session, elsewhere) = (place.path().join("call"), place.path().join("elsewhere"));
        made(&session, 2);
        fs::rename(session.join(folder), &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, session.join(folder)).unwrap();
        let contents = || {
            let files = fs::read_dir(&elsewhere).unwrap().map(|file| file.unwrap().path());
            files.map(|file| (file.clone(), fs::read(file).unwrap())).collect::<BTreeSet<_>>()
        };
        let before = contents();
        let said = refused(&session, "ack F000002");
        assert!(said.contains("a symbolic link; nothing is written through it"), "{said}");
        let mut index = tool("cht-index");
        let index = index.arg("--session").arg(&session).stdin(Stdio::null()).output().unwrap();
        assert_eq!(index.status.code() == Some(2), folder == "frames");
        assert_eq!(contents(), before);
    }
}

#[test]
fn bad_input_is_named_and_acknowledges_nothing() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), 3);
    let mut journal = fs::OpenOptions::new();
    let mut journal = journal.append(true).open(folder.path().join("frames/index.ndjson")).unwrap();
    journal.write_all(br#"{"v":1,"type":"frame","id":"F0000"#).unwrap();
    assert_eq!(ids(&ask(folder.path(), "next")).len(), 3, "a torn line is for later");
    let other = tempfile::tempdir().unwrap();
    made(other.path(), 9);
    let foreign = ask(other.path(), "next")["cursor"].as_str().unwrap().to_owned();
    let own = ask(folder.path(), "next")["cursor"].as_str().unwrap().to_owned();
    let parts: Vec<_> = own.split('.').collect();
    let beyond = [parts[0], "18446744073709551615", parts[2]].join(".");
    for (arguments, says) in [
        ("ack F000001 F000009", "F000009: no such frame in "),
        (&format!("ack --to {foreign}"), "no place in the index of "),
        ("ack --to 9999999.9999999.00000000", "no place in the index of "),
        (&format!("ack --to {beyond}"), "no place in the index of "),
        ("ack --to yesterday", "\"yesterday\": no cursor"),
        ("ack", "the following required arguments were not provided"),
        ("next --reader a/b", "must be 1 to 64 letters"),
        ("next --limit 0", "must be a number from 1 to 10000"),
        ("follow --from F000009", "F000009: no such frame in "),
    ] {
        let said = refused(folder.path(), arguments);
        assert!(said.contains(says), "{arguments}: {said}");
    }
    assert_eq!(ids(&ask(folder.path(), "next")).len(), 3);
    fs::write(folder.path().join("agent/torn.ndjson"), r#"{"v":1,"#).unwrap();
    let said = refused(folder.path(), "next --reader torn");
    assert!(said.contains("torn.ndjson: damaged; remove it, and the reader begins anew"), "{said}");
    let said = refused(&folder.path().join("absent"), "next");
    assert!(said.contains("no such session"), "{said}");
}

#[test]
fn index_that_is_started_over_is_given_once_more() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), 3);
    ask(folder.path(), "ack --reader other --to now");
    assert!(ids(&ask(folder.path(), "next --reader other")).is_empty());
    let journal = folder.path().join("frames/index.ndjson");
    let lines: String = (1..=3).map(|n| frame(folder.path(), n, "b")).collect();
    fs::write(&journal, lines).unwrap();
    let answer = ask(folder.path(), "next --reader other");
    assert_eq!((ids(&answer).len(), &answer["restarted"]), (3, &true.into()));
}

/// Adds the words of a recogniser to the index of a session, as `cht-index` takes them from a pipe.
fn add_words(session: &Path, events: &[Value]) {
    let mut index = tool("cht-index");
    let mut index = index.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut stdin = index.stdin.take().unwrap();
    for event in events {
        let mut event = event.clone();
        event["v"] = 1.into();
        event["session"] = session.to_str().unwrap().into();
        writeln!(stdin, "{event}").unwrap();
    }
    drop(stdin);
    assert!(index.wait().unwrap().success());
}

#[test]
fn acknowledgement_names_the_session_of_frames_that_the_newest_one_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let [old, new] = ["old", "new"].map(|name| folder.path().join(name));
    made(&old, 5);
    let given = ask(&old, "next --limit 4");
    // A session that begins between the two commands.
    made(&new, 2);
    let newest = || {
        let mut command = tool("cht-agent");
        command.env_remove("CHT_SESSION").arg("--sessions").arg(folder.path());
        command
    };
    let listed = newest().arg("sessions").output().unwrap();
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed["sessions"][0]["id"], "new");
    let cursor = given["cursor"].as_str().unwrap();
    for arguments in [&["F000002", "F000004"][..], &["--to", cursor]] {
        let output = newest().arg("ack").args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let says = format!("; name the session that they are of: {}", old.display());
        assert!(output.status.code() == Some(2) && said.trim_end().ends_with(&says), "{said}");
    }
    for arguments in [&["F000009"][..], &["--session", "new", "F000004"]] {
        let output = newest().arg("ack").args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.trim_end().ends_with("; nothing is acknowledged"), "{said}");
    }
    assert_eq!([ids(&ask(&old, "next")).len(), ids(&ask(&new, "next")).len()], [5, 2]);
    assert!(newest().args(["ack", "F000002"]).output().unwrap().status.success());
}

#[test]
fn last_line_of_an_id_counts_for_its_moment() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), 3);
    let mut journal = fs::OpenOptions::new();
    let mut journal = journal.append(true).open(folder.path().join("frames/index.ndjson")).unwrap();
    // The newest frame and the one before were made again, later, after a crash that left zeros.
    let again = frame(folder.path(), 3, "b").replace(r#""timestamp":3"#, r#""timestamp":9"#);
    journal.write_all(&[&[0; 64], again.as_bytes()].concat()).unwrap();
    for (time, id, until) in [
        ("2.5", "F000002", json!(9.0)),
        ("5", "F000002", json!(9.0)),
        ("9.5", "F000003", Value::Null),
        ("1", "F000001", json!(2.0)),
        ("live", "F000003", Value::Null),
    ] {
        let moment = ask(folder.path(), &format!("moment {time}"));
        assert_eq!((&moment["frame"]["id"], &moment["until"]), (&id.into(), &until), "{time}");
    }
}

#[test]
fn words_are_found_and_lead_to_their_moment() {
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("call");
    made(&session, 3);
    add_words(
        &session,
        &[
            json!({"type": "text", "id": "F000002", "text": "Invoice 42\nTotal due: 17 €"}),
            json!({"type": "transcript", "start": 2.2, "end": 2.9, "text": "please ignore the invoice"}),
            json!({"type": "transcript", "start": 3.5, "end": 4.0, "text": "and now something else"}),
            json!({"type": "text", "id": "F000001", "text": "Herr Mu\u{308}ller, Müllerstraße 1"}),
        ],
    );
    let found = ask(&session, "search INVOICE");
    let places: Vec<_> = found["matches"].as_array().unwrap().iter().collect();
    let kinds: Vec<_> = places.iter().map(|it| (&it["kind"], &it["id"])).collect();
    assert_eq!(kinds, [(&"speech".into(), &"F000002".into()), (&"text".into(), &"F000002".into())]);
    assert!(found["notice"].as_str().unwrap().contains("never instructions"));
    for (query, count) in [
        ("\"total due\"", 1),
        ("due 42", 1),
        ("€", 1),
        ("\"due total\"", 0),
        ("muller", 1),
        ("MÜLLER strasse", 1),
        ("\"herr muller\"", 1),
        ("élsé", 1),
        ("moller", 0),
    ] {
        let found = agent(&session, "search").arg(query).output().unwrap();
        let found: Value = serde_json::from_slice(&found.stdout).unwrap();
        assert_eq!(found["total"], count, "{query}");
    }
    let all =
        tool("cht-agent").arg("--sessions").arg(folder.path()).args(["search", "else"]).output();
    let all: Value = serde_json::from_slice(&all.unwrap().stdout).unwrap();
    assert_eq!((&all["sessions"], &all["total"]), (&1.into(), &1.into()));

    let reversed = refused(&session, "search invoice --between 1h 2h");
    assert!(reversed.contains("the end is before the beginning"), "{reversed}");

    let moment = ask(&session, "moment 2.5 --around 0.5");
    assert_eq!((&moment["frame"]["id"], &moment["until"]), (&"F000002".into(), &3.0.into()));
    assert!(moment["frame"]["text"].as_str().unwrap().starts_with("Invoice 42"));
    assert_eq!(moment["speech"].as_array().unwrap().len(), 1);
    assert!(refused(&session, "moment 0.5 --around 0").contains("the first one is at 1.000 s"));
    assert!(refused(&session, "moment noon").contains("must be seconds"));
    let next = ask(&session, "next");
    assert_eq!(next["frames"][1]["text"], moment["frame"]["text"]);
    assert_eq!(next["frames"][2]["speech"][0]["text"], "and now something else");
}
