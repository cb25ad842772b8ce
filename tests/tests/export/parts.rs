//! Parts of a recording: `--from`, `--to`, `--reason` and the words in lists.

use super::*;

/// Returns the columns of each scene in the list for PySceneDetect.
fn rows(session: &Path, options: &[&str]) -> Vec<Vec<String>> {
    let csv = list("csv", session, options);
    let rows = csv.lines().skip(2);
    rows.map(|row| row.split(',').map(str::to_owned).collect()).collect()
}

/// Adds a piece of speech to the index.
fn say(session: &Path, start: f64, end: f64, text: &str, speaker: &str) {
    let journal = session.join("frames/index.ndjson");
    let mut journal = fs::File::options().append(true).open(journal).unwrap();
    let words = json!({
        "v": 1, "type": "transcript", "session": session.to_str().unwrap(),
        "start": start, "end": end, "text": text, "speaker": speaker,
    });
    writeln!(journal, "{}", line(&words)).unwrap();
}

#[test]
fn words_and_tables_are_cut_to_the_chosen_part() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    say(&session, 5.0, 6.0, "Later.", "");
    let part = ["--from", "1", "--to", "3.5"];
    let srt = list("srt", &session, &part);
    let times: Vec<_> = srt.lines().filter(|line| line.contains(" --> ")).collect();
    let expected = ["00:00:01,000 --> 00:00:02,000", "00:00:03,250 --> 00:00:03,500"];
    assert_eq!(times, expected, "{srt}");
    assert_eq!(list("vtt", &session, &part).matches(" --> ").count(), 2);

    let database = folder.path().join("database");
    let query = |sql: &str| {
        let output = Command::new("sqlite3").arg(&database).arg(sql).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    query(&list("sql", &session, &part));
    assert_eq!(query("SELECT start, end FROM transcript"), "1.0|2.0\n3.25|3.5\n");
    assert_eq!(query("SELECT start, end FROM words"), "1.0|2.0\n3.25|3.5\n");
    // The one before shows the first scene.
    assert_eq!(query("SELECT id FROM frame"), "F000001\nF000002\n");
    assert_eq!(query("SELECT number, frame FROM scene"), "1|F000001\n2|F000002\n");

    for (options, said) in [
        (["--from", "90"], "no words are left; check --from and --to"),
        (["--reason", "scene"], "--reason has no effect here; it has one in lists of scenes"),
        (["--min-score", "0.5"], "--min-score has no effect here"),
        (["--min-length", "1"], "--min-length has no effect here"),
    ] {
        let mut command = tool("cht-export");
        let output = command.args(["list", "srt"]).arg(&session).args(options).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && text.contains(said), "{text}");
    }
}

#[test]
fn subtitles_have_speakers_and_arrows() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    say(&session, 5.0, 6.0, "from a --> b", "Anna <x>");
    let vtt = list("vtt", &session, &[]);
    let cue = "00:00:05.000 --> 00:00:06.000\n<v Anna &lt;x&gt;>from a --&gt; b</v>\n\n";
    assert!(vtt.contains(cue), "{vtt}");
    let srt = list("srt", &session, &[]);
    assert!(srt.ends_with("00:00:05,000 --> 00:00:06,000\nAnna <x>: from a --> b\n\n"), "{srt}");
}

#[test]
fn time_before_the_first_chosen_change_is_a_scene() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let all = rows(&session, &[]);
    assert_eq!((all.len(), &*all[0][1]), (4, "1"));
    assert_eq!(rows(&session, &["--reason", "scene"]), all);
    let one = rows(&session, &["--reason", "gradual"]);
    assert_eq!((one.len(), &one[0][1], &one[0][4]), (1, &all[0][1], &all[3][4]));
    let chapters = list("ffmetadata", &session, &["--reason", "scene"]);
    assert!(chapters.contains("START=0\n"), "{chapters}");
}

#[test]
fn lists_of_a_part_have_the_pictures_of_its_clip() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let out = folder.path().join("clip.mp4");
    // Pictures 69 and 120 begin the second and third shot, at 2.3023 and 4.004 s.
    for (from, to, expected) in [
        ("2.29", "4.01", vec![(70, 120), (121, 121)]),
        ("2.26", "4.004", vec![(69, 69), (70, 120)]),
        ("2.3023", "4", vec![(70, 120)]),
    ] {
        let part = ["--from", from, "--to", to];
        let frames: Vec<(i64, i64)> = rows(&session, &part)
            .iter()
            .map(|row| (row[1].parse().unwrap(), row[4].parse().unwrap()))
            .collect();
        assert_eq!(frames, expected, "{from} to {to}");
        let count: i64 = frames.iter().map(|(first, last)| last - first + 1).sum();
        let mut command = tool("cht-export");
        let output = command.arg("clip").arg(&session).arg(&out).args(part).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["pictures"], count, "{from} to {to}");
        let starts = frames.iter().map(|(first, _)| format!("{} I -1\n", first - 1));
        assert_eq!(list("qp", &session, &part), starts.collect::<String>());
        let otio: Value = serde_json::from_str(&list("otio", &session, &part)).unwrap();
        let clips = otio["tracks"]["children"][0]["children"].as_array().unwrap();
        let lengths = clips.iter().map(|clip| &clip["source_range"]["duration"]["value"]);
        let expected: Vec<_> = frames.iter().map(|(first, last)| last - first + 1).collect();
        assert!(lengths.eq(&expected), "{otio}");
        assert!(!list("fcpxml", &session, &part).contains(r#"duration="0s""#));
    }
}
