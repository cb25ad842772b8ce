//! An index that is too large to be written at each frame.

use super::*;

#[test]
fn mark_and_frames_of_large_index_are_there_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    let lines: Vec<_> = (1..=20_000).map(|n| line(&frame(n)) + "\n").collect();
    let events = folder.path().join("events");
    fs::write(&events, lines.concat()).unwrap();
    let mut command = tool("cht-index");
    command.arg("--out").arg(&index).stdin(fs::File::open(&events).unwrap());
    assert!(command.stdout(Stdio::null()).status().unwrap().success());
    let whole = fs::metadata(&index).unwrap().len();
    assert!(whole > 4 << 20, "{whole}");
    // Opened and not changed, it is not written.
    let written = || fs::metadata(&index).unwrap().modified().unwrap();
    let before = written();
    assert_eq!(said(&index, &[]).1, Some(0));
    assert_eq!(written(), before);
    let (mut stage, mut stdin) = start(&index);
    let mut times = std::collections::BTreeSet::new();
    for n in 20_001..=20_100 {
        writeln!(stdin, "{}", line(&frame(n))).unwrap();
        stage.next_event().unwrap();
        times.insert(written());
    }
    let mark = json!({"v": 1, "type": "sent", "session": null, "id": "F000007"});
    writeln!(stdin, "{}", line(&mark)).unwrap();
    stage.next_event().unwrap();
    let journal = fs::read_to_string(index.with_extension("ndjson")).unwrap();
    assert_eq!(journal.lines().count(), 20_101, "in the journal before it is passed on");
    drop(stdin);
    assert!(stage.finish().success());
    assert!(times.len() < 50, "written {} times", times.len());
    assert_eq!((read_json(&index).len(), sent(&index)), (20_100, vec!["F000007".to_owned()]));
}

/// Fills an index of 2 MB, which is written next to other work.
fn filled(index: &Path) {
    fill(index, (1..=4000).map(frame));
}

fn fill(index: &Path, frames: impl Iterator<Item = Value>) {
    let lines: Vec<_> = frames.map(|frame| line(&frame) + "\n").collect();
    let events = index.with_extension("events");
    fs::write(&events, lines.concat()).unwrap();
    let mut command = tool("cht-index");
    command.arg("--out").arg(index).stdin(fs::File::open(&events).unwrap());
    assert!(command.stdout(Stdio::null()).status().unwrap().success());
    fs::remove_file(events).unwrap();
    assert!(fs::metadata(index).unwrap().len() > 1 << 20);
}

#[test]
fn large_index_gets_its_newest_frame_while_the_stage_waits() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    filled(&index);
    let (mut stage, mut stdin) = start(&index);
    for n in 4001..=4003 {
        writeln!(stdin, "{}", line(&frame(n))).unwrap();
        stage.next_event().unwrap();
        while read_json(&index).len() < n as usize {}
    }
    drop(stdin);
    assert!(stage.finish().success());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "index and journal");
}

#[test]
fn edits_of_large_index_are_kept_whenever_they_come() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    filled(&index);
    let (mut stage, mut stdin) = start(&index);
    for n in 1..=12 {
        // A draft may be in the making, by what comes now or by the last edit.
        writeln!(stdin, "{}", line(&frame(4000 + n))).unwrap();
        stage.next_event().unwrap();
        edit(&index, &format!("F{n:06}"));
        if n % 4 == 0 {
            let mut sent = tool("cht-index");
            sent.arg("--out").arg(&index).args(["--sent", &format!("F{:06}", 100 + n)]);
            assert!(sent.status().unwrap().success());
            assert!(self::sent(&index).contains(&format!("F{:06}", 100 + n)), "there at once");
        }
    }
    drop(stdin);
    assert!(stage.finish().success());
    let marked = (1..=12).chain([104, 108, 112]).map(|n| format!("F{n:06}"));
    assert_eq!((sent(&index), read_json(&index).len()), (marked.collect(), 4012));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "index and journal");
}

#[test]
fn draft_left_by_kill_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    filled(&index);
    let (mut stage, mut stdin) = start(&index);
    writeln!(stdin, "{}", line(&frame(4001))).unwrap();
    stage.next_event().unwrap();
    let draft = folder.path().join(".index.json.new.cht-tmp");
    while !draft.exists() && read_json(&index).len() < 4001 {}
    stage.kill();
    fs::write(&draft, "left").unwrap();
    run(&index, &[]);
    assert_eq!(read_json(&index).len(), 4001);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "index and journal");
}

#[test]
fn terminated_index_has_all_frames_that_were_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    // So large that the next one is not due for seconds.
    fill(
        &index,
        (1..=500).map(|n| {
            let mut frame = frame(n);
            frame["note"] = "x".repeat(60_000).into();
            frame
        }),
    );
    let (mut stage, mut stdin) = start(&index);
    for n in 501..=503 {
        writeln!(stdin, "{}", line(&frame(n))).unwrap();
        stage.next_event().unwrap();
    }
    assert!(read_json(&index).len() < 503);
    assert_eq!(stage.terminate().signal(), Some(15));
    assert_eq!(read_json(&index).len(), 503);
}
