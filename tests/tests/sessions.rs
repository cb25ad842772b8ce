//! Several sessions through one pipe, and followed sessions.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use cht_core::{
    event::{Anchor, Disconnected, EndReason, Event, SegmentClosed, SegmentOpen},
    process::clock,
    segment::examine_alone,
    session::{Session, segment_log},
    storage::durable,
};
use cht_tests::{Pipeline, QUICK, Stage, b3sum, generate, read_json, recording, tool};

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
    fn expect_closed(&self, stage: &mut Stage, seq: u64) {
        let [closed, segment] = [(); 2].map(|()| stage.next_event().unwrap());
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
    // It may have seen the lock before the second one was renamed.
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
