//! Edits of `index.json` by other programs are taken over, whenever they come.

use std::{os::unix::fs::FileExt as _, sync::mpsc};

use super::*;

#[test]
fn edit_during_commit_is_taken_over() {
    const EDITS: u32 = 300;
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    run(&index, &(1..=EDITS).map(frame).collect::<Vec<_>>());
    let (mut stage, mut stdin) = start(&index);
    // One commit after another, as long as there are edits.
    let (edited, edits) = mpsc::channel::<()>();
    let commits = std::thread::spawn(move || {
        let mut n = EDITS;
        while matches!(edits.try_recv(), Err(mpsc::TryRecvError::Empty)) {
            n += 1;
            writeln!(stdin, "{}", line(&frame(n))).unwrap();
            stage.next_event().unwrap();
        }
        drop(stdin);
        assert!(stage.finish().success());
        n
    });
    for n in 1..=EDITS {
        let text = edit(&index, &format!("F{n:06}"));
        // As soon as it is replaced, and so at another moment of a commit each time, the next one.
        while n < EDITS && fs::read(&index).unwrap() == text {}
    }
    drop(edited);
    let count = commits.join().unwrap();
    let expected: Vec<_> = (1..=EDITS).map(|n| format!("F{n:06}")).collect();
    assert_eq!(sent(&index), expected);
    assert_eq!(read_json(&index).len(), count as usize, "a frame is missing");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "index and journal");
}

#[test]
fn edit_without_change_of_size_or_inode_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    let (mut stage, mut stdin) = start(&index);
    writeln!(stdin, "{}", line(&frame(1))).unwrap();
    stage.next_event().unwrap();
    while read_json(&index).is_empty() {}
    let text = fs::read_to_string(&index).unwrap();
    let at = text.find("false").unwrap();
    fs::OpenOptions::new()
        .write(true)
        .open(&index)
        .unwrap()
        .write_all_at(b"true ", at as u64)
        .unwrap();
    writeln!(stdin, "{}", line(&frame(2))).unwrap();
    drop(stdin);
    assert!(stage.finish().success());
    assert_eq!((sent(&index), read_json(&index).len()), (vec!["F000001".to_owned()], 2));
}

#[test]
fn edit_swapped_out_by_killed_writer_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    run(&index, &[frame(1), frame(2)]);
    // As it lies there between the exchange and the journal.
    let ours = fs::read(&index).unwrap();
    edit(&index, "F000002");
    fs::rename(&index, folder.path().join(".index.json.cht-tmp")).unwrap();
    fs::write(&index, ours).unwrap();
    run(&index, &[]);
    assert_eq!(sent(&index), ["F000002"]);
}

#[test]
fn mark_swapped_out_by_killed_sent_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    let (mut stage, mut stdin) = start(&index);
    let mut send = |n| {
        writeln!(stdin, "{}", line(&frame(n))).unwrap();
        stage.next_event().unwrap();
    };
    send(1);
    send(2);
    // As a `--sent` leaves it that is killed between the exchange and the journal.
    let ours = fs::read(&index).unwrap();
    edit(&index, "F000002");
    fs::rename(&index, folder.path().join(".index.json.cht-tmp")).unwrap();
    fs::write(&index, ours).unwrap();
    send(3);
    assert_eq!(sent(&index), ["F000002"]);
    drop(stdin);
    assert!(stage.finish().success());
}

#[test]
fn bad_element_of_edit_loses_no_other_mark() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    run(&index, &(1..=6).map(frame).collect::<Vec<_>>());
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let text = format!(
        r#"[{{"id":"F000001","sent_to_agent":true}},{{"note":"mine"}},null,7,"F000005",
        {{"id":"F000002","sent_to_agent":null}},{{"id":"F000003","sent_to_agent":"true"}},
        {{"id":"F000004","sent_to_agent":true,"n":1e999}},{{"id":"F000009","sent_to_agent":true}},
        {{"id":["F000002"],"sent_to_agent":true}},{deep},
        {{"id":"F000006","sent_to_agent":true}}]"#
    );
    fs::write(&index, text).unwrap();
    let (message, status) = said(&index, &[]);
    assert_eq!(sent(&index), ["F000001", "F000006"]);
    assert_eq!(status, Some(1));
    assert!(message.contains("9 edits not taken over; element 2: no frame"), "{message}");
    assert_eq!(read_json(&index).len(), 6);
}

#[test]
fn broken_json_edit_is_kept_and_its_whole_elements_count() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    run(&index, &[frame(1), frame(2)]);
    let text = r#"[{"id":"F000001","sent_to_agent":true},{"id":"F000002","sent_to"#;
    fs::write(&index, text).unwrap();
    let (message, status) = said(&index, &[]);
    assert_eq!((sent(&index), status), (vec!["F000001".to_owned()], Some(1)), "{message}");
    let kept = folder.path().join("index.json.broken1");
    assert_eq!(fs::read_to_string(&kept).unwrap(), text);
    assert!(message.contains(kept.to_str().unwrap()), "{message}");
}

#[test]
fn foreign_fields_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    let mut event = frame(1);
    event["words"] = json!(["a", {"b": null, "n": 0.1}]);
    let raw = line(&event);
    let feed = |lines: &str| {
        let mut command = tool("cht-index");
        command.arg("--out").arg(&index).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        assert_eq!(String::from_utf8(output.stdout).unwrap(), lines, "passed on unchanged");
    };
    feed(&format!("{raw}\n{}\n", line(&frame(2))));
    assert_eq!(read_json(&index)[0]["words"], event["words"]);
    // In the file: a field of another program, and another value for that of the event.
    let mut entries = read_json(&index);
    entries[1]["note"] = "mine".into();
    entries[0]["words"] = "edited".into();
    fs::write(&index, serde_json::to_vec(&entries).unwrap()).unwrap();
    // Rewritten, and once more from the journal alone.
    feed(&format!("{}\n", line(&frame(3))));
    fs::remove_file(&index).unwrap();
    feed(&format!("{}\n", line(&frame(1))));
    let entries = read_json(&index);
    assert_eq!((&entries[0]["words"], &entries[1]["note"]), (&"edited".into(), &"mine".into()));
    assert_eq!(entries.len(), 3);
    // Another picture of this id is another frame.
    let mut other = frame(2);
    other["hash"] = "1".repeat(64).into();
    feed(&format!("{}\n", line(&other)));
    assert_eq!(read_json(&index)[1]["note"], Value::Null);
}
