//! What people see at a terminal: a table where stdout is one, and NDJSON everywhere else.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    fs,
    io::{Read as _, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use cht_tests::{at_terminal, encode, make_fifo, wire};
use tempfile::TempDir;

/// Returns a command that runs `script` in `folder`, at a terminal of 100 columns.
fn terminal(folder: &Path, script: &str) -> Command {
    let mut command = at_terminal(&format!("stty cols 100; {script}"));
    command.current_dir(folder);
    command
}

/// Returns what a terminal shows while it runs `script` in `folder`.
fn screen(folder: &Path, script: &str) -> String {
    let output = terminal(folder, script).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n");
    assert!(output.status.success(), "{shown}");
    shown
}

/// A folder with a clip of two shots in it, `clip.ts`.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let source = "testsrc2=s=160x120:r=10:d=2[a];smptebars=s=160x120:r=10:d=1[b];[a][b]concat";
    encode(&folder.path().join("clip.ts"), source, "-c:v libx264 -preset ultrafast -g 10");
    folder
}

const STAGES: &str =
    "cht-segwatch --settle 0 --cache none clip.ts | cht-scenes --detect scene --out out";

#[test]
fn table_is_for_terminals_and_events_for_pipes() {
    let folder = folder();
    let table = screen(folder.path(), &format!("{{ {STAGES}; }} 2>messages"));
    let rows: Vec<_> = table.lines().map(str::trim_end).collect();
    assert_eq!(rows[0], "frame            time   score  reason    picture");
    assert_eq!(rows[1], "F000001  00:00:00.000  0.0000  first     out/F000001.jpg");
    assert!(rows[2].starts_with("F000002  00:00:02.000  ") && rows.len() == 3, "{table}");
    assert!(rows[2].ends_with("  scene     out/F000002.jpg"), "{table}");

    let messageless = |end| format!("{{ {STAGES} --stats-interval 0 {end}; }} 2>messages");
    // The same events into a pipe, a file, and a terminal that asks for them.
    let piped = screen(folder.path(), &messageless("| cat"));
    screen(folder.path(), &messageless(">events"));
    let asked = screen(folder.path(), &messageless("--json"));
    let events = fs::read_to_string(folder.path().join("events")).unwrap();
    assert_eq!((&piped, &asked), (&events, &events));
    let kinds: Vec<_> = events.lines().map(|line| wire::parse(line).unwrap().kind()).collect();
    assert_eq!(kinds, ["segment", "frame", "frame", "segment_done"]);
}

#[test]
fn fault_is_shown_once() {
    let folder = folder();
    let command = "printf '/no/such.ts\n' | cht-segwatch; true";
    let shown = screen(folder.path(), command);
    assert_eq!(shown.matches("/no/such.ts").count(), 1, "{shown}");
    let shown = screen(folder.path(), &command.replace(';', " 2>messages;"));
    assert!(shown.starts_with("error    cht-segwatch: /no/such.ts: "), "{shown}");
}

#[test]
fn summary_is_for_terminals() {
    let folder = folder();
    let shown = screen(folder.path(), &format!("{STAGES} >events"));
    let summary = "cht-scenes: kept 2 frames of 30, in out";
    assert!(shown.lines().any(|line| line.ends_with(summary)), "{shown}");
    assert!(shown.contains("cht-segwatch: 1 segment examined: 3.0 s, "), "{shown}");
    for (options, is_said) in [("", false), ("-v", true)] {
        screen(folder.path(), &format!("{STAGES} {options} --overwrite >events 2>messages"));
        let messages = fs::read_to_string(folder.path().join("messages")).unwrap();
        assert_eq!(messages.contains(summary), is_said, "{options}: {messages}");
    }
    let quiet = screen(folder.path(), &format!("{STAGES} -q --overwrite >events"));
    assert!(!quiet.contains("cht-scenes"), "{quiet}");
}

#[test]
fn status_line_is_of_the_last_stage() {
    let line = "\x1b[Krecording 00:00:0";
    // A `stats` comes later than a status line would.
    for (after, awaited) in [("", line), (" >events", line), (" | cat", r#""type":"stats""#)] {
        let folder = folder();
        make_fifo(&folder.path().join("live"));
        let script = format!(
            "cht-recv --input - --sessions s --stats-interval 2.5 <live | cht-segwatch{after}"
        );
        let mut command = terminal(folder.path(), &script);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut live = fs::File::options().write(true).open(folder.path().join("live")).unwrap();
        live.write_all(&fs::read(folder.path().join("clip.ts")).unwrap()).unwrap();
        let (mut shown, mut part) = (String::new(), [0; 4096]);
        while !shown.contains(awaited) {
            let length = child.stdout.as_mut().unwrap().read(&mut part).unwrap();
            assert!(length > 0, "{after}: {shown}");
            shown.push_str(&String::from_utf8_lossy(&part[..length]));
        }
        drop(live);
        child.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
        assert!(child.wait().unwrap().success(), "{after}: {shown}");
        assert_eq!(shown.contains(line), awaited == line, "{after}: {shown}");
    }
}

#[test]
fn sender_is_named_when_it_comes_and_leaves() {
    let folder = folder();
    let script = "cht-recv --input - --sessions s --session-id a <clip.ts | cat >events";
    let shown = screen(folder.path(), script);
    let lines: Vec<_> = shown.lines().map(|line| line.rsplit('\r').next().unwrap()).collect();
    let begins = "cht-recv: recording into s/a, reading stdin";
    assert!(lines.iter().any(|line| line.ends_with(begins)), "{lines:?}");
    assert!(lines.iter().any(|line| line.ends_with("cht-recv: stdin connected")), "{lines:?}");
    let left = lines.iter().find(|line| line.contains("cht-recv: stdin left after ")).unwrap();
    assert!(left.ends_with(", no packet lost (end of stream)"), "{left}");
    assert!(
        lines.iter().any(|line| line.contains("recorded ") && line.ends_with("in s/a")),
        "{shown}"
    );
}

#[test]
fn recorded_file_is_read_and_nobody_is_waited_for() {
    let folder = folder();
    let copied = "ffmpeg -nostdin -loglevel error -i clip.ts -c copy talk.mp4";
    let cut = "cht-export clip sessions/talk cut.mp4 --from 1";
    let shown = screen(folder.path(), &format!("{copied}; cht file talk.mp4; {cut}"));
    assert!(shown.contains("cht-recv: talk.mp4: read to its end\n"), "{shown}");
    assert!(shown.contains("frame            time   score  reason    picture\n"), "{shown}");
    assert!(shown.contains("sessions/talk/frames/F000002.jpg\n"), "{shown}");
    // Each thing once, no events, and no path that is longer than need be.
    assert_eq!(shown.matches("contact-sheet.jpg").count(), 1, "{shown}");
    let folder = folder.path().to_str().unwrap();
    for word in ["sender", "connected", "left after", "late", "recording 00", "{", folder] {
        assert!(!shown.contains(word), "{word}: {shown}");
    }
}

#[test]
fn run_that_finds_nothing_new_says_so_in_one_line() {
    let folder = folder();
    for input in ["clip.ts", "talk.mp4"] {
        let copied = "ffmpeg -nostdin -loglevel error -y -i clip.ts -c copy talk.mp4";
        screen(folder.path(), &format!("{copied}; cht file {input}"));
        let shown = screen(folder.path(), &format!("cht file {input}"));
        let said = shown.lines().filter(|line| line.contains("cht-")).collect::<Vec<_>>();
        assert_eq!(said.len(), 1, "{shown}");
        let place = input.split('.').next().unwrap();
        let says = format!("nothing new to decode; the frames are in sessions/{place}/frames");
        assert!(said[0].ends_with(&says), "{shown}");
    }
}

#[test]
fn status_line_is_never_older_than_the_rows() {
    let folder = folder();
    make_fifo(&folder.path().join("live"));
    let script = "cht-recv --input - --sessions s <live | cht-segwatch | cht-scenes --detect scene";
    let mut child = terminal(folder.path(), script).stdout(Stdio::piped()).spawn().unwrap();
    let mut live = fs::File::options().write(true).open(folder.path().join("live")).unwrap();
    let clip = fs::read(folder.path().join("clip.ts")).unwrap();
    let (first, second) = clip.split_at(clip.len() / 2);
    let (mut shown, mut part) = (String::new(), [0; 4096]);
    let mut screen = child.stdout.take().unwrap();
    for (bytes, awaited) in [(first, ", 1 frame"), (second, ", 2 frames")] {
        live.write_all(bytes).unwrap();
        while !shown.contains(awaited) {
            let length = screen.read(&mut part).unwrap();
            assert!(length > 0, "{shown}");
            shown.push_str(&String::from_utf8_lossy(&part[..length]));
        }
    }
    drop(live);
    screen.read_to_string(&mut shown).unwrap();
    assert!(child.wait().unwrap().success(), "{shown}");
    let (_, after) = shown.split_once("F000002 ").unwrap();
    let (_, line) = after.split_once("recording ").unwrap();
    assert!(line.split('\r').next().unwrap().contains(", 2 frames"), "{shown}");
    let (_, after) = shown.split_once("cht-scenes: kept ").unwrap();
    assert!(!after.contains("frames, lag") && !after.contains("recording"), "{shown}");
}

#[test]
fn check_and_rebuild_write_for_people() {
    let folder = folder();
    screen(folder.path(), "cht file clip.ts");
    let shown = screen(folder.path(), "cht-export check sessions/clip");
    assert!(
        shown.ends_with("sessions/clip: 2 frames and 0 segments checked, all as the records say\n"),
        "{shown}"
    );
    let rebuild = "cht-export rebuild sessions/clip";
    let shown = screen(folder.path(), rebuild);
    assert!(shown.contains("\nF000001  00:00:00.000  0.0000  first     "), "{shown}");
    let events = screen(folder.path(), &format!("{rebuild} --json 2>said"));
    assert_eq!(
        events.lines().map(|line| wire::parse(line).unwrap().kind()).collect::<Vec<_>>(),
        ["frame"; 2]
    );
    assert_eq!(screen(folder.path(), &format!("{rebuild} 2>said | cat")), events);

    fs::remove_file(folder.path().join("sessions/clip/frames/F000001.jpg")).unwrap();
    let shown = screen(folder.path(), "cht-export check sessions/clip || true");
    assert_eq!(shown.matches("it is gone").count(), 1, "{shown}");
    assert!(!shown.contains('{') && shown.ends_with(" checked, 1 difference\n"), "{shown}");
}
