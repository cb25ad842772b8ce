//! Several sessions through one pipe, and followed sessions.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use cht_core::{
    event::{Anchor, Disconnected, EndReason, Event, SegmentClosed, SegmentOpen},
    process::clock,
    segment::examine_alone,
    session::{Session, segment_log},
    storage::durable,
};
use cht_tests::{
    Pipeline, QUICK, Stage, b3sum, count_frames, generate, generated, listen, playlist_of,
    read_json, recorder, recording, set_wall_clock, tool, words,
};
use serde_json::Value;

#[test]
fn sessions_of_one_pipe_have_their_own_files() {
    let folder = tempfile::tempdir().unwrap();
    let clips: Vec<Vec<u8>> = ["testsrc2", "smptebars"]
        .map(|source| {
            let path = folder.path().join(source);
            generate(&path, &[(&format!("{source}=s=320x240:r=25"), 2.0)], QUICK);
            fs::read(path).unwrap()
        })
        .into();
    let mut pipeline =
        Pipeline::start(&folder.path().join("s"), "--session-gap 0.000001 --segment-time 1", "");
    for clip in &clips {
        pipeline.send(clip);
        pipeline.index.wait_for("disconnected");
    }
    cht_tests::signal(&pipeline.stages[0], "INT");
    pipeline.succeed();
    let listening = pipeline.index.of_type("listening");
    let sessions: Vec<&str> =
        listening.iter().map(|event| event["session"].as_str().unwrap()).collect();
    assert_eq!(sessions.len(), 2);
    for (session, clip) in sessions.iter().zip(&clips) {
        assert_eq!(b3sum(&recording(Path::new(session))), b3sum(clip));
        // Numbers and times begin anew.
        let index = read_json(&Path::new(session).join("frames/index.json"));
        assert_eq!((&index[0]["id"], &index[0]["timestamp"]), (&"F000001".into(), &0.0.into()));
        for frame in &index {
            assert_eq!(frame["session"], *session);
            assert!(frame["path"].as_str().unwrap().starts_with(session));
        }
    }
    let known: BTreeSet<_> =
        pipeline.index.events.iter().map(|event| event["session"].as_str().unwrap()).collect();
    assert_eq!(known, sessions.into_iter().collect());
}

/// Steps of a recorder, done one by one.
struct Steps {
    folder: tempfile::TempDir,
    session: Session,
    bytes: Vec<u8>,
}

impl Steps {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clip = folder.path().join("clip.ts");
        generate(&clip, &[("testsrc2=s=160x120:r=25", 1.0)], QUICK);
        let session = Session::create(folder.path(), Some("call"), &clock::local()).unwrap();
        Self { session, bytes: fs::read(clip).unwrap(), folder }
    }

    /// Returns the anchor of a segment, which its bytes do not hold.
    fn anchor(seq: u64) -> Anchor {
        Anchor { pts: 126_000, offset: 900_000 * seq as i64 }
    }

    fn open(&self, seq: u64) {
        fs::write(self.session.part(seq), &self.bytes).unwrap();
        let open = SegmentOpen {
            seq,
            path: self.session.part(seq).to_str().unwrap().to_owned(),
            connection: 7,
            timeline: Some(Self::anchor(seq)),
            at: clock::wall(),
        };
        let event = Event::new(Some(self.session.name().to_owned()), open);
        durable::replace(&self.session.open_event(), &event.to_line()).unwrap();
    }

    fn rename(&self, seq: u64) {
        fs::rename(self.session.part(seq), self.session.segment(seq)).unwrap();
    }

    fn write_down(&self, seq: u64) {
        let at = clock::wall();
        let closed = SegmentClosed {
            seq,
            path: self.session.segment(seq).to_str().unwrap().to_owned(),
            connection: 7,
            offset: 0,
            bytes: self.bytes.len() as u64,
            blake3: b3sum(&self.bytes),
            timeline: Some(Self::anchor(seq)),
            duration: None,
            opened_at: at,
            closed_at: at,
            end_reason: EndReason::Keyframe,
        };
        let line = Event::new(Some(self.session.name().to_owned()), closed).to_line();
        segment_log::append(&self.session.segment_log(), &line).unwrap();
    }

    fn follow(&self) -> Stage {
        Stage::start(tool("cht-segwatch").arg("--follow").arg(self.session.root()))
    }

    /// Checks that the next events are those of a recorded segment.
    ///
    /// `cht-segwatch` may have seen the segment open before it was recorded.
    fn expect_closed(&self, stage: &mut Stage, seq: u64) {
        let mut closed = stage.next_event().unwrap();
        if closed["type"] == "segment_open" && closed["seq"] == seq {
            closed = stage.next_event().unwrap();
        }
        let segment = stage.next_event().unwrap();
        assert_eq!((&closed["type"], &closed["seq"]), (&"segment_closed".into(), &seq.into()));
        assert_eq!((&segment["type"], &segment["seq"]), (&"segment".into(), &seq.into()));
        assert_eq!(segment["connection"], 7, "{segment}");
        assert_eq!(segment["timeline"]["offset"], Self::anchor(seq).offset, "{segment}");
        let path = self.session.segment(seq);
        for event in [closed, segment] {
            assert_eq!(event["path"], path.to_str().unwrap());
        }
    }

    fn end(&self) {
        fs::remove_file(self.session.open_event()).unwrap();
    }
}

#[test]
fn followed_segment_is_placed_by_its_record() {
    let steps = Steps::new();
    let lock = steps.session.lock().unwrap();
    steps.open(1);
    let mut stage = steps.follow();
    assert_eq!(stage.wait_for("segment_open")["seq"], 1);
    // It has its name, and its line is on the way.
    steps.rename(1);
    steps.open(2);
    assert_eq!(stage.next_event().unwrap()["type"], "segment_open");
    steps.write_down(1);
    steps.expect_closed(&mut stage, 1);
    // Adopted late: by the record's order, not by names.
    steps.rename(2);
    fs::copy(steps.session.segment(2), steps.session.segment(3)).unwrap();
    steps.write_down(3);
    steps.expect_closed(&mut stage, 3);
    steps.write_down(2);
    steps.expect_closed(&mut stage, 2);
    steps.end();
    drop(lock);
    assert!(stage.finish().success());
    assert_eq!(stage.of_type("segment").len(), 3);
}

#[test]
fn followed_session_of_killed_recorder_waits_for_next_one() {
    let steps = Steps::new();
    // Killed a moment ago, in the middle of the second segment.
    steps.open(1);
    steps.rename(1);
    steps.write_down(1);
    steps.open(2);
    let mut stage = steps.follow();
    steps.expect_closed(&mut stage, 1);
    // It has seen by now that no recorder lives.
    let lock = steps.session.lock().unwrap();
    steps.rename(2);
    steps.write_down(2);
    steps.open(3);
    steps.expect_closed(&mut stage, 2);
    while stage.wait_for("segment_open")["seq"] != 3 {}
    steps.rename(3);
    steps.write_down(3);
    steps.end();
    drop(lock);
    steps.expect_closed(&mut stage, 3);
    assert!(stage.finish().success(), "nothing is left over");
}

#[test]
fn unrecorded_segment_of_running_recorder_is_left_out_of_a_list() {
    let steps = Steps::new();
    let lock = steps.session.lock().unwrap();
    for seq in [1, 2] {
        steps.open(seq);
        steps.rename(seq);
    }
    steps.write_down(1);
    let mut list = Stage::start(tool("cht-segwatch").arg(steps.session.root()));
    assert!(list.finish().success());
    assert_eq!(list.of_type("segment").len(), 1);
    let path = steps.session.segment(2);
    let mut list = Stage::start(tool("cht-segwatch").arg(&path));
    assert_eq!(list.finish().code(), Some(1));
    assert_eq!(list.of_type("error")[0]["code"], "growing", "{:?}", list.events);
    // It will never be recorded any more.
    drop(lock);
    let mut list = Stage::start(tool("cht-segwatch").arg(&path));
    assert!(list.finish().success());
    assert!(list.of_type("segment")[0].get("connection").is_none());
    drop(steps.folder);
}

/// Runs the stages after the recorder over a recorded session, and returns their events.
fn again(session: &Path) -> Vec<serde_json::Value> {
    let mut watch =
        tool("cht-segwatch").arg(session).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut scenes = tool("cht-scenes")
        .stdin(watch.stdout.take().unwrap())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut index = Stage::start(tool("cht-index").stdin(scenes.stdout.take().unwrap()));
    assert!(index.finish().success());
    assert!(watch.wait().unwrap().success() && scenes.wait().unwrap().success());
    std::mem::take(&mut index.events)
}

#[test]
fn moved_session_gives_same_frames() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.ts");
    let shots = [("testsrc2=s=320x240:r=25", 2.0), ("smptebars=s=320x240:r=25", 2.0)];
    generate(&clip, &shots, QUICK);
    let mut pipeline =
        Pipeline::start(folder.path(), "--once --session-id call --segment-time 1", "");
    pipeline.send(&fs::read(&clip).unwrap());
    pipeline.succeed();
    let before = pipeline.read_index();
    assert!(before.len() > 1);
    let moved = folder.path().join("moved");
    fs::rename(&pipeline.session, &moved).unwrap();
    let real = fs::canonicalize(&moved).unwrap();
    // A reader finds what an index names before any tool has seen that it was moved.
    for frame in read_json(&moved.join("frames/index.json")) {
        for field in ["path", "segment"] {
            let relative = frame[format!("relative_{field}")].as_str().unwrap();
            let (now, then) = (moved.join(relative), frame[field].as_str().unwrap());
            assert!(now.is_file() && then.ends_with(relative), "{frame}");
        }
    }
    // The index alone knows where it is.
    let mut sent = tool("cht-index");
    sent.args(["--sent", "F000001", "--session"]).arg(&moved);
    assert!(sent.status().unwrap().success());
    let names_what_is_there = |frame: &serde_json::Value| {
        for field in ["path", "segment"] {
            let path = fs::canonicalize(frame[field].as_str().unwrap()).unwrap();
            assert!(path.starts_with(&real), "{frame}");
        }
        assert_eq!(fs::canonicalize(frame["session"].as_str().unwrap()).unwrap(), real);
    };
    read_json(&moved.join("frames/index.json")).iter().for_each(names_what_is_there);
    // So do the stages, by a link to it, too.
    std::os::unix::fs::symlink(&moved, folder.path().join("link")).unwrap();
    for name in ["moved", "link"] {
        let events = again(&folder.path().join(name));
        let of = |kind: &str| {
            events.iter().filter(|event| event["type"] == kind).cloned().collect::<Vec<_>>()
        };
        assert_eq!(of("error"), Vec::<serde_json::Value>::new(), "{name}");
        assert_eq!(of("frame").len(), before.len(), "{name}");
        of("frame").iter().for_each(names_what_is_there);
        let after = read_json(&moved.join("frames/index.json"));
        let ids = |frames: &[serde_json::Value]| {
            frames.iter().map(|frame| frame["id"].to_string()).collect::<Vec<_>>()
        };
        assert_eq!(ids(&after), ids(&before), "{name}");
        after.iter().for_each(names_what_is_there);
    }
}

#[test]
fn end_of_earlier_connection_ends_no_picture() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.ts");
    let shots = [("testsrc2=s=320x240:r=25", 1.0), ("mandelbrot=s=320x240:r=25", 1.0)];
    generate(&clip, &shots, QUICK);
    let bytes = fs::read(&clip).unwrap();
    // Within the first picture of the second shot, which is large.
    let probed = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "packet=pos,flags", "-of", "csv=p=0"])
        .arg(&clip)
        .output()
        .unwrap();
    let packets = String::from_utf8(probed.stdout).unwrap();
    let shot = packets.lines().filter(|packet| packet.contains('K')).nth(1).unwrap();
    let shot: usize = shot.split(',').next().unwrap().parse().unwrap();
    let (first, next) = bytes.split_at(shot + 20 * 188);
    let begin = examine_alone(&clip).unwrap().first_pts.unwrap();
    let events = [first, next].into_iter().zip(1..).map(|(bytes, seq)| {
        let path = folder.path().join(format!("segment_00000{seq}.ts"));
        fs::write(&path, bytes).unwrap();
        let mut segment = examine_alone(&path).unwrap();
        let pts = segment.first_pts.unwrap();
        segment.timeline = Some(Anchor { pts, offset: pts - begin });
        (segment.seq, segment.connection) = (seq, Some(2));
        Event::new(None, segment).to_line()
    });
    let events: Vec<_> = events.collect();
    let ended = Disconnected {
        connection: 1,
        peer: String::new(),
        reason: "end of stream".to_owned(),
        bytes: 0,
        at: clock::wall(),
    };
    let ended = Event::new(None, ended).to_line();
    let frames = |lines: &[&[u8]], out: &str| {
        let list = folder.path().join("events");
        fs::write(&list, lines.concat()).unwrap();
        let mut scenes = tool("cht-scenes");
        scenes.args(["--detect", "scene", "--out"]).arg(folder.path().join(out));
        let mut stage = Stage::start(scenes.stdin(fs::File::open(list).unwrap()));
        assert!(stage.finish().success());
        stage.of_type("frame").iter().map(|f| (f["pts"].clone(), f["scores"].clone())).collect()
    };
    let together: Vec<_> = frames(&[&events[0], &events[1]], "together");
    assert_eq!(together.len(), 2);
    assert_eq!(together, frames(&[&events[0], &ended, &events[1]], "between"));
}

/// Returns the sessions to which a sender came, in order.
fn sessions_of(recv: &Stage) -> Vec<PathBuf> {
    let path = |event: &&Value| PathBuf::from(event["session"].as_str().unwrap());
    recv.of_type("connected").iter().map(path).collect()
}

/// Returns the sessions below a folder.
fn sessions_in(folder: &Path) -> BTreeSet<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Sends a clip of 2 s as one connection, again and again, until a recorder with `stats` has begun
/// this number of sessions; `after_each` is called after each time. Returns the bytes, and how
/// often the clip was sent.
fn send_through_sessions(
    recv: &mut Stage,
    address: &str,
    sessions: usize,
    after_each: impl Fn(),
) -> (Vec<u8>, usize) {
    let clip = generated(&[("testsrc2=s=160x120:r=20", 2.0)], &format!("{QUICK} -g 10"));
    let mut sender = TcpStream::connect(address).unwrap();
    let (mut sent, mut times) = (Vec::new(), 0);
    while recv.of_type("connected").len() < sessions {
        times += 1;
        assert!(times < 30, "no session begins");
        for part in clip.chunks(clip.len() / 20) {
            sender.write_all(part).unwrap();
            sent.extend_from_slice(part);
            while recv.wait_for("stats")["recv"]["bytes"] != sent.len() {}
        }
        after_each();
    }
    drop(sender);
    while recv.wait_for("disconnected")["reason"] == "next session" {}
    (sent, times)
}

/// Options of a recorder for [`send_through_sessions`].
const MANY: &str = "--session-time 1s --segment-time 1 --stats-interval 0.01";

#[test]
fn session_time_divides_a_connection_at_keyframes_and_loses_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let (mut recv, address) = recorder(folder.path(), MANY);
    let (bytes, times) = send_through_sessions(&mut recv, &address, 3, || ());
    recv.stop();
    let sessions = sessions_of(&recv);
    assert_eq!(sessions_in(folder.path()), sessions.iter().cloned().collect());
    let recorded: Vec<_> = sessions.iter().map(|session| recording(session)).collect();
    assert_eq!(b3sum(&recorded.concat()), b3sum(&bytes));
    for session in &sessions {
        let first = &recv.of_type("segment_closed");
        let of_session = |event: &&&Value| event["session"] == session.to_str().unwrap();
        let first = first.iter().find(of_session).unwrap();
        assert_eq!((&first["seq"], &first["connection"]), (&1.into(), &1.into()));
        assert_eq!((&first["offset"], &first["timeline"]["offset"]), (&0.into(), &0.into()));
        // It plays alone, and to its end.
        let playlist = fs::read_to_string(playlist_of(session)).unwrap();
        assert!(playlist.ends_with("#EXT-X-ENDLIST\n"), "{playlist}");
        assert!(session.join("stream/psi_000001.ts").exists());
        assert!(!session.join("stream/open.json").exists());
    }
    let frames: usize = sessions.iter().map(|at| count_frames(&playlist_of(at), true)).sum();
    assert_eq!(frames, times * 40, "no picture is lost at a border");
    // Each session is announced, and ends before the next one begins.
    let told = |event: &&Value| event["type"] != "stats";
    let mut told: Vec<_> = recv.events.iter().filter(told).map(|event| &event["session"]).collect();
    told.dedup();
    assert_eq!(told, sessions.iter().map(|path| path.to_str().unwrap()).collect::<Vec<_>>());
    assert_eq!(recv.of_type("disconnected").len(), sessions.len());
    let bytes_of: u64 =
        recv.of_type("disconnected").iter().map(|event| event["bytes"].as_u64().unwrap()).sum();
    assert_eq!(bytes_of, bytes.len() as u64);
}

#[test]
fn stages_that_follow_the_folder_of_all_sessions_go_on_with_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let mut watch = tool("cht-segwatch");
    let mut watch = watch.arg("--follow").arg(root).stdout(Stdio::piped()).spawn().unwrap();
    let mut scenes = tool("cht-scenes");
    let mut scenes =
        scenes.stdin(watch.stdout.take().unwrap()).stdout(Stdio::piped()).spawn().unwrap();
    let mut index = Stage::start(tool("cht-index").stdin(scenes.stdout.take().unwrap()));
    let (mut recv, address) = recorder(root, MANY);
    send_through_sessions(&mut recv, &address, 3, || ());
    recv.stop();
    let closed = recv.of_type("segment_closed").len();
    while index.of_type("segment").len() < closed {
        index.next_event().unwrap();
    }
    cht_tests::signal(&watch, "INT");
    assert!(index.finish().success());
    assert!(watch.wait().unwrap().success() && scenes.wait().unwrap().success());
    assert_eq!(index.of_type("segment_done").len(), closed);
    for session in sessions_of(&recv) {
        let first = &read_json(&session.join("frames/index.json"))[0];
        assert_eq!((&first["id"], &first["timestamp"]), (&"F000001".into(), &0.0.into()));
    }
}

#[test]
fn session_ends_with_the_local_day() {
    let folder = tempfile::tempdir().unwrap();
    let wall = folder.path().join("clock");
    // Where summer time begins at midnight: the day begins at one o'clock.
    fs::write(&wall, "2026-09-05 23:50:00\n").unwrap();
    let root = folder.path().join("s");
    let mut command = tool("cht-recv");
    command.arg("--sessions").arg(&root).args(words("--session-time midnight"));
    command.args(words("--segment-time 1 --stats-interval 0.01"));
    command.env("TZ", "America/Santiago");
    if !set_wall_clock(&mut command, &wall) {
        return;
    }
    let (mut recv, address) = listen(&mut command);
    let day_ends = || fs::write(&wall, "2026-09-06 01:00:01\n").unwrap();
    let (bytes, _) = send_through_sessions(&mut recv, &address, 2, day_ends);
    recv.stop();
    let sessions = sessions_of(&recv);
    let names: Vec<_> =
        sessions.iter().map(|session| session.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["20260905_235000", "20260906_010001"]);
    let recorded: Vec<_> = sessions.iter().map(|session| recording(session)).collect();
    assert_eq!(b3sum(&recorded.concat()), b3sum(&bytes));
}

#[test]
fn session_without_byte_leaves_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("s");
    let mut pipeline = Pipeline::start(&root, "", "");
    assert_eq!(sessions_in(&root).len(), 1);
    cht_tests::signal(&pipeline.stages[0], "TERM");
    pipeline.succeed();
    assert!(sessions_in(&root).is_empty(), "{:?}", sessions_in(&root));
    // A session with a file of another program stays.
    let (mut recv, _) = recorder(&root, "--session-id call");
    fs::write(root.join("call/agent/notes"), "").unwrap();
    recv.stop();
    assert_eq!(sessions_in(&root), [root.join("call")].into());
}
