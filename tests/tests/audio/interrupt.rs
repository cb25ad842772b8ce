//! Ctrl-C: a list ends after the current segment and is continued, a live pipeline drains.

use std::{fs, io::Write as _, path::Path, process::Stdio};

use cht_core::terminal::units;
use cht_tests::{Stage, held_decoder, line, of_type, recording, signal, tool, words};

use super::{all_samples, audio, by_ffmpeg, files, live_by, recorded, segments, stream};

#[test]
fn interrupted_list_ends_with_current_segment_and_is_continued() {
    let folder = tempfile::tempdir().unwrap();
    // More than the pipe to a decoder holds (1 MiB): the last segments wait while it is held.
    let stream = stream(folder.path(), "a.ts", 60, "-c:a mp2 -b:a 384k");
    let session = recorded(folder.path(), &stream);
    let events = segments(&session);
    audio(&events, "--min 2 --max 5");
    let expected = files(&session.join("audio"));
    fs::remove_dir_all(session.join("audio")).unwrap();

    let (stub, hold) = held_decoder(folder.path());
    let mut command = tool("cht-audio");
    command.args(words("--min 2 --max 5 --stats-interval 0 --ffmpeg")).arg(stub);
    let mut stage = Stage::start(command.stdin(Stdio::piped()).stderr(Stdio::piped()));
    let (mut stdin, mut messages) = (stage.child.stdin.take().unwrap(), stage.stderr());
    for event in &events {
        writeln!(stdin, "{}", line(event)).unwrap();
    }
    let count = of_type(&events, "segment").len();
    while stage.of_type("segment").len() < count {
        stage.wait_for("segment");
    }
    // A FIFO opens for writing when a decoder has opened it.
    let mut hold = fs::File::options().write(true).open(hold).unwrap();
    stage.signal("INT");
    let finishing = messages.next().unwrap();
    let name = finishing.strip_prefix("cht-audio: finishing up to ").unwrap();
    let name = name.strip_suffix("; Ctrl-C again stops at once").unwrap();
    let is_last = |path: &str| Path::new(path).file_name().unwrap() == name;
    let paths = of_type(&events, "segment");
    let last = paths.iter().position(|it| is_last(it["path"].as_str().unwrap())).unwrap();
    let left = count - last - 1;
    assert!(left > 0, "{finishing}");
    hold.write_all(&b"go\n".repeat(9)).unwrap();
    // The input stays open: the stage has to end all the same.
    assert_eq!(stage.finish().code(), Some(2));
    let said_left = format!(
        "cht-audio: error: stopped by Ctrl-C with {} left; \
         the same command goes on with them, without --overwrite",
        units::count(left as u64, "segment")
    );
    assert_eq!(messages.next().unwrap(), said_left);
    drop(stdin);
    assert_eq!(stage.of_type("segment_done").len(), last + 1);
    let pieces = files(&session.join("audio"));
    assert!(!pieces.is_empty() && pieces.len() < expected.len());

    audio(&events, "--min 2 --max 5");
    assert!(files(&session.join("audio")) == expected);
}

#[test]
fn interrupted_live_pipeline_cuts_all_that_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let stream = stream(folder.path(), "a.ts", 12, "-c:a aac -b:a 128k");
    let mut command = tool("cht-audio");
    command.args(words("--min 2 --max 5")).stderr(Stdio::piped());
    let (mut recv, mut stage, mut sender) = live_by(folder.path(), &mut command);
    let mut messages = stage.stderr();
    sender.write_all(&fs::read(&stream).unwrap()).unwrap();
    stage.wait_for("audio");
    // As a terminal does: to all of the pipeline. The sender goes on.
    stage.signal("INT");
    let finishing = "cht-audio: finishing the recorded segments; Ctrl-C again stops at once";
    assert_eq!(messages.next().unwrap(), finishing);
    signal(&recv, "INT");
    assert!(recv.wait().unwrap().success());
    assert!(stage.finish().success());
    drop(sender);
    let session = stage.session();
    let recorded = folder.path().join("recorded.ts");
    fs::write(&recorded, recording(&session)).unwrap();
    let expected = by_ffmpeg(&recorded, "-ar 16000 -ac 1").len();
    assert_eq!(all_samples(&stage.events).len(), expected);
    let done = stage.of_type("segment_done").len();
    assert_eq!(done, stage.of_type("segment_closed").len());
}
