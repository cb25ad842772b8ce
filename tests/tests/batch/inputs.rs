//! Inputs: the layouts of other recorders, files that are bad, copied, moved or elsewhere.

use super::*;

/// Returns the key of a result without the part that differs by content.
fn label(result: &Path) -> String {
    let name = result.file_name().unwrap().to_str().unwrap();
    name.rsplit_once('_').unwrap().0.to_owned()
}

/// Makes recordings in the layouts of other programs: two shots of two seconds each, in files of a
/// second whose time stamps begin anew.
fn make_layouts(place: &Place) {
    let input = |path: &str| {
        let path = place.input().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let whole = input("2026-11-28 09-00-00.mkv");
    let sources = ["testsrc2", "smptebars"].map(|it| format!("{it}=s=160x120:r=25:d=2"));
    let mut arguments = words("-f lavfi -i SOURCE -f lavfi -i SOURCE -filter_complex concat -g 25");
    arguments.extend(words("-c:v libx264 -preset ultrafast -bf 2 -pix_fmt yuv420p"));
    let mut sources = sources.iter().map(String::as_str);
    let arguments =
        arguments.into_iter().map(|it| if it == "SOURCE" { sources.next().unwrap() } else { it });
    ffmpeg(arguments.chain([&*whole]));
    let split = |options: &str, names: [&str; 4]| {
        let folder = place.0.path().join("split");
        fs::create_dir_all(&folder).unwrap();
        let pattern = folder.join("%d.mp4");
        let options = format!("-c copy -f segment -segment_time 1 -reset_timestamps 1 {options}");
        let paths = [&*whole, pattern.to_str().unwrap()];
        ffmpeg(["-i", paths[0]].into_iter().chain(words(&options)).chain([paths[1]]));
        for (n, name) in names.iter().enumerate() {
            fs::rename(folder.join(format!("{n}.mp4")), input(name)).unwrap();
        }
    };
    let hour = |name: &str| format!("frigate/2026-11-28/{name}.mp4");
    split(
        "",
        ["06/front/59.58", "06/front/59.59", "07/front/00.00", "07/front/00.01"]
            .map(hour)
            .each_ref()
            .map(|it| &**it),
    );
    let fragments = "-segment_format_options movflags=frag_keyframe+empty_moov+default_base_moof";
    // The last one begins a minute later.
    split(
        fragments,
        ["10", "11", "12", "13"]
            .map(|it| format!("mtx/door/2026-11-28_07-00-{it}-500000.mp4"))
            .each_ref()
            .map(|it| &**it),
    );
    let late = input("mtx/door/2026-11-28_07-01-13-500000.mp4");
    fs::rename(input("mtx/door/2026-11-28_07-00-13-500000.mp4"), late).unwrap();
    let restarted = input("restarted/cam_%d.ts");
    let options = "-c copy -f segment -segment_time 1 -reset_timestamps 1 -segment_format mpegts";
    ffmpeg(["-i", &whole].into_iter().chain(words(options)).chain([&*restarted]));
    let playlist = input("hls/live.m3u8");
    let options = words("-c copy -f hls -hls_segment_type fmp4 -hls_time 1 -hls_list_size 0");
    ffmpeg(["-i", &whole].into_iter().chain(options).chain([&*playlist]));
    // An extension tells nothing.
    fs::rename(input("hls/init.mp4"), input("hls/header.ts")).unwrap();
    let text = fs::read_to_string(&playlist).unwrap();
    let dated = "#EXT-X-PROGRAM-DATE-TIME:2026-11-28T10:00:00Z\n#EXTINF";
    let text = text.replacen("#EXTINF", dated, 1).replace("init.mp4", "header.ts");
    fs::write(&playlist, text).unwrap();
}

#[test]
fn foreign_layouts_are_grouped_placed_in_time_and_joined_across_files() {
    let place = Place::new();
    make_layouts(&place);
    let (status, said) = place.run("run in --out out -- --detect scene");
    assert_eq!(status, 0, "{said:#?}");
    let mut found = BTreeMap::new();
    for result in place.results() {
        let record: Value =
            serde_json::from_slice(&fs::read(result.join("batch.json")).unwrap()).unwrap();
        let cuts: Vec<_> = read_json(&result.join("frames/index.json"))
            .iter()
            .map(|frame| {
                let segment = frame["segment"].as_str().unwrap().rsplit('/').next().unwrap();
                json!([frame["timestamp"], frame["at"], segment])
            })
            .collect();
        let unit = &record["unit"];
        found.insert(
            label(&result),
            json!([unit["layout"], unit["inputs"].as_array().unwrap().len(), cuts]),
        );
        assert!(!result.join("inputs").exists());
    }
    let at = |time: &str| format!("2026-11-28T{time}Z");
    let expected = BTreeMap::from([
        (
            "cam_0".to_owned(),
            json!(["segments", 4, [[0.0, null, "cam_0.ts"], [2.0, null, "cam_2.ts"]]]),
        ),
        (
            "front_20261128T065958Z".to_owned(),
            json!([
                "frigate",
                4,
                [[0.0, at("06:59:58"), "59.58.mp4"], [2.0, at("07:00:00"), "00.00.mp4"]]
            ]),
        ),
        (
            "door_20261128T070010Z".to_owned(),
            json!([
                "mediamtx",
                3,
                [
                    [0.0, at("07:00:10.5"), "2026-11-28_07-00-10-500000.mp4"],
                    [2.0, at("07:00:12.5"), "2026-11-28_07-00-12-500000.mp4"]
                ]
            ]),
        ),
        (
            "door_20261128T070113Z".to_owned(),
            json!(["mediamtx", 1, [[0.0, at("07:01:13.5"), "2026-11-28_07-01-13-500000.mp4"]]]),
        ),
        (
            "in_20261128T090000Z".to_owned(),
            json!([
                "obs",
                1,
                [
                    [0.0, at("09:00:00"), "2026-11-28 09-00-00.mkv"],
                    [2.0, at("09:00:02"), "2026-11-28 09-00-00.mkv"]
                ]
            ]),
        ),
        (
            "hls_live_20261128T100000Z".to_owned(),
            json!([
                "hls",
                4,
                [[0.0, at("10:00:00"), "live0.m4s"], [2.0, at("10:00:02"), "live2.m4s"]]
            ]),
        ),
    ]);
    assert_eq!(found, expected);
}

#[test]
fn bad_inputs_are_named_and_the_rest_is_done() {
    let place = Place::new();
    place.record("cam_%03d.ts");
    let at = |name: &str| place.input().join(name);
    fs::write(at("empty.ts"), "").unwrap();
    fs::write(at("corrupt.mp4"), [&b"\0\0\0\x18ftypisom"[..], &[7; 999]].concat()).unwrap();
    fs::write(at("text.mkv"), "no video").unwrap();
    fs::File::create(at("huge.ts")).unwrap().set_len(20 << 30).unwrap();
    make_fifo(&at("fifo.ts"));
    symlink("loop.ts", at("loop.ts")).unwrap();
    symlink("gone.ts", at("dangling.ts")).unwrap();
    // Planned, and gone before it is its turn.
    let planned = place.command("plan in").output().unwrap();
    assert_eq!(planned.status.code(), Some(1));
    fs::remove_file(at("cam_005.ts")).unwrap();
    let mut run = place.command("run - --out out -- --detect scene");
    let mut run =
        run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    run.stdin.take().unwrap().write_all(&planned.stdout).unwrap();
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let summary = lines(&output).pop().unwrap();
    let expected =
        json!({"empty": 1, "not_found": 1, "not_video": 2, "undecodable": 1, "unreadable": 3});
    assert_eq!(summary["failures"], expected);
    assert_eq!(times(&place.results()[0]), [0.0, 2.0, 4.0]);
    let said = String::from_utf8_lossy(&planned.stderr).into_owned();
    for name in
        ["empty.ts", "corrupt.mp4", "text.mkv", "huge.ts", "fifo.ts", "loop.ts", "dangling.ts"]
    {
        assert!(said.contains(name), "{name}: {said}");
    }
    assert!(String::from_utf8_lossy(&output.stderr).contains("cam_005.ts"));
    // What is left is done, and what failed for good fails again.
    let (status, said) = place.run("run in --out out -- --detect scene");
    assert_eq!((status, &said.last().unwrap()["units"]), (1, &json!({"partial_before": 1})));
}

#[test]
fn copied_file_takes_no_result_of_another_unit_and_runs_come_to_rest() {
    let place = Place::new();
    place.record("cam_%03d.ts");
    let camera = place.input().join("cam/2026-11-28/09/yard");
    fs::create_dir_all(&camera).unwrap();
    let whole = place.0.path().join("whole.ts");
    fs::copy(&whole, camera.join("15.00.ts")).unwrap();
    let run = || {
        let (status, said) = place.run("run in --out out -- --detect scene");
        let names = place.results().into_iter().map(|result| {
            let frames = read_json(&result.join("frames/index.json"));
            (result, frames)
        });
        (status, said.last().unwrap()["units"].clone(), names.collect::<BTreeMap<_, _>>())
    };
    let (status, units, before) = run();
    assert_eq!((status, units), (0, json!({"done": 2})));
    // Names that come before those of the files that they are copies of.
    fs::create_dir(place.input().join("a")).unwrap();
    fs::copy(place.input().join("cam_005.ts"), place.input().join("aa.ts")).unwrap();
    fs::copy(&whole, place.input().join("a/nice.ts")).unwrap();
    let (status, units, after) = run();
    assert_eq!((status, units), (0, json!({"done": 1, "before": 2})), "{:#?}", after.keys());
    for (result, frames) in &before {
        assert_eq!(after.get(result), Some(frames), "{}", result.display());
    }
    assert_eq!(after.len(), 3);
    let (status, units, last) = run();
    assert_eq!((status, units), (0, json!({"before": 3})));
    assert!(last == after);
    // A folder that was moved is the same recording.
    fs::rename(place.input().join("cam"), place.input().join("moved")).unwrap();
    assert_eq!(run().1, json!({"before": 3}));
}

#[test]
fn what_is_missing_or_left_for_later_is_named() {
    let place = Place::new();
    place.record("cam_%03d.ts");
    let of = |options: &str| said(&mut place.command(options));
    for options in ["status --out nope", "merge nope"] {
        let (status, said) = of(options);
        assert!(status == 2 && said.contains("nope: no such folder"), "{options}: {said}");
    }
    for options in ["plan in --settle 60", "status in --out . --settle 60"] {
        let (status, said) = of(options);
        let expected = "6 files changed less than 60 s ago; left for a later run (--settle 0";
        assert!(status == 0 && said.contains(expected), "{options}: {said}");
    }
    for options in ["run nope --out out", "plan nope also", "status nope --out ."] {
        let (status, said) = of(options);
        assert!(status == 2 && said.contains("nope: no such file or folder"), "{options}: {said}");
    }
    // Where some of it is there, that is done.
    let (status, said) = of("plan in nope");
    assert!(status == 1 && said.contains("nope: No such file or directory"), "{said}");
    let (status, text) = of("run --out out");
    assert!(status == 0 && text.contains("neither units nor paths came on stdin"), "{text}");
    // One fault, whatever the number of files. Transport streams and MP4 need no ffmpeg to be
    // planned.
    let whole = place.0.path().join("whole.ts");
    let copy = place.input().join("whole.mp4");
    ffmpeg(["-i", whole.to_str().unwrap(), "-c", "copy", copy.to_str().unwrap()]);
    let (status, lines) = place.run("plan in --ffmpeg /none");
    let is_copy = |line: &&Value| line["inputs"][0]["kind"] == "mp4";
    let seconds = lines.iter().find(is_copy).unwrap()["inputs"][0]["duration"].as_f64().unwrap();
    assert!(status == 0 && (seconds - 6.0).abs() < 0.01, "{seconds}");
    for name in ["a.mkv", "b.mkv"] {
        let to = place.input().join(name);
        ffmpeg(["-i", whole.to_str().unwrap(), "-c", "copy", to.to_str().unwrap()]);
    }
    let (status, text) = of("plan in --ffmpeg /none");
    assert!(status == 2 && text.lines().count() == 1 && text.contains("/none"), "{text}");
}

#[test]
fn file_that_ends_early_is_named_and_used_and_line_breaks_in_names_do_no_harm() {
    let place = Place::new();
    place.record("cam\n%03d.ts");
    let whole = place.0.path().join("whole.ts");
    let clip = place.0.path().join("clip.mkv");
    ffmpeg(["-i", whole.to_str().unwrap(), "-c", "copy", clip.to_str().unwrap()]);
    let bytes = fs::read(&clip).unwrap();
    fs::create_dir(place.input().join("odd")).unwrap();
    fs::write(place.input().join("odd/line\nbreak.mkv"), &bytes).unwrap();
    let options = "run in --out out -- --detect scene";
    let (status, said) = place.run(options);
    assert_eq!((status, &said.last().unwrap()["units"]), (0, &json!({"done": 2})), "{said:#?}");
    for result in place.results() {
        assert_eq!(times(&result), [0.0, 2.0, 4.0], "{}", result.display());
        let frames = read_json(&result.join("frames/index.json"));
        assert!(frames[0]["segment"].as_str().unwrap().contains('\n'), "the file's own name");
    }
    fs::write(place.input().join("short.mkv"), &bytes[..bytes.len() * 2 / 3]).unwrap();
    let (status, said) = place.run(options);
    let summary = said.last().unwrap();
    assert_eq!((status, &summary["units"]), (1, &json!({"before": 2, "partial": 1})), "{said:#?}");
    assert_eq!(summary["failures"], json!({"damaged": 1}));
    let result = said[0]["path"].as_str().unwrap();
    assert!(!times(Path::new(result)).is_empty());
    let record = fs::read_to_string(Path::new(result).join("batch.json")).unwrap();
    assert!(record.contains("ends early") && !record.contains("0x"), "{record}");
}

#[test]
fn damaged_video_is_used_after_the_fault_and_short_avi_is_named() {
    let place = Place::new();
    place.record("cam_%03d.ts");
    let whole = place.0.path().join("whole.ts");
    for entry in fs::read_dir(place.input()).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let make = |name: &str, codec: &str| {
        let to = place.input().join(name);
        ffmpeg(["-i", whole.to_str().unwrap(), "-c:v", codec, to.to_str().unwrap()]);
        (fs::read(&to).unwrap(), to)
    };
    // Garbage within the first of three shots: ffmpeg copies nothing after it.
    let (mut bytes, path) = make("garbage.mp4", "copy");
    let at = bytes.len() / 8;
    bytes[at..at + 3000].fill(0xa5);
    fs::write(path, bytes).unwrap();
    let (bytes, path) = make("short.avi", "mpeg4");
    fs::write(path, &bytes[..bytes.len() * 2 / 3]).unwrap();
    let (status, lines) = place.run("run in --out out -- --detect scene");
    assert_eq!((status, &lines.last().unwrap()["failures"]), (1, &json!({"damaged": 2})));
    let [garbage, short] = &*place.results() else { panic!("{lines:#?}") };
    let found = times(garbage);
    for cut in [2.0, 4.0] {
        assert!(found.contains(&cut), "{cut}: {found:?}");
    }
    for (result, words) in [
        (garbage, "used as far as ffmpeg reads it (Invalid NAL"),
        (short, "ends early; used up to"),
    ] {
        let record = fs::read_to_string(result.join("batch.json")).unwrap();
        assert!(record.contains(words), "{words}: {record}");
    }
    let files: Vec<_> = fs::read_dir(garbage).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(files.len(), 2, "no copies are left: {files:?}");
}

#[test]
fn day_ends_at_midnight_and_no_cut_is_lost_there() {
    let place = Place::new();
    place.record("cam_%03d.ts");
    // The second shot begins with the day, and so does a file.
    for (n, at) in ["27_235958", "27_235959", "28_000000", "28_000001", "28_000002", "28_000003"]
        .iter()
        .enumerate()
    {
        let name = |name: String| place.input().join(name);
        let to = name(format!("cam_202611{at}.ts"));
        fs::rename(name(format!("cam_{n:03}.ts")), to).unwrap();
    }
    assert_eq!(place.run("run in --out out -- --detect scene").0, 0);
    let frames = place.results().into_iter().map(|result| {
        let frames = read_json(&result.join("frames/index.json"));
        let frame = |it: &Value| json!([it["timestamp"], it["at"], it["reason"]]);
        frames.iter().map(frame).collect::<Vec<_>>()
    });
    let expected = [
        vec![json!([0.0, "2026-11-27T23:59:58Z", "first"])],
        vec![
            json!([0.0, "2026-11-28T00:00:00Z", "first"]),
            json!([2.0, "2026-11-28T00:00:02Z", "scene"]),
        ],
    ];
    assert_eq!(frames.collect::<Vec<_>>(), expected);
}

/// Returns the content of each file in a folder of results, without numbers of devices and inodes.
fn all_of(out: &Path) -> BTreeMap<PathBuf, String> {
    fn without_inodes(value: &mut Value) {
        match value {
            Value::Array(values) => values.iter_mut().for_each(without_inodes),
            Value::Object(fields) => {
                fields.retain(|name, _| name != "dev" && name != "ino");
                fields.values_mut().for_each(without_inodes);
            }
            _ => {}
        }
    }
    let (mut files, mut folders) = (BTreeMap::new(), vec![out.to_owned()]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.extend(Some(path).filter(|path| !path.ends_with(".cht-batch")));
                continue;
            }
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            let lines = text.lines().map(|line| {
                serde_json::from_str(line).map_or(line.to_owned(), |mut value| {
                    without_inodes(&mut value);
                    value.to_string()
                })
            });
            files.insert(path.strip_prefix(out).unwrap().to_owned(), lines.collect());
        }
    }
    files
}

#[test]
fn recordings_in_another_folder_give_the_same_units_and_results() {
    let place = Place::new();
    fs::create_dir(place.input().join("yard")).unwrap();
    place.record("yard/cam_%03d.ts");
    let whole = place.0.path().join("whole.ts");
    let clip = place.input().join("clip.mkv");
    ffmpeg(["-i", whole.to_str().unwrap(), "-c", "copy", clip.to_str().unwrap()]);
    // Other content: a unit of the same is left out.
    let bytes = fs::read(&whole).unwrap();
    let options = "--session-id call --segment-time 1";
    record(&place.input().join("sessions"), &bytes[..bytes.len() / 188 / 2 * 188], options);
    // A copy that keeps the times.
    let mut copy = Command::new("cp");
    copy.args(["-a", "in", "elsewhere"]).current_dir(place.0.path());
    assert!(copy.status().unwrap().success());
    let [one, other] = ["in", "elsewhere"].map(|root| {
        let planned = place.command(&format!("plan {root} --root {root}")).output().unwrap();
        let planned = String::from_utf8(planned.stdout).unwrap();
        let (status, said) = place.run(&format!("run {root} --root {root} --out out"));
        assert_eq!((status, &said.last().unwrap()["units"]), (0, &json!({"done": 3})), "{said:#?}");
        let results = all_of(&place.out());
        fs::rename(place.out(), place.0.path().join(format!("{root}.out"))).unwrap();
        (planned, results)
    });
    assert!(one.0.contains(r#""path":"/yard/cam_000.ts""#), "{}", one.0);
    assert_eq!(one.0, other.0);
    assert_eq!(one.1.keys().collect::<Vec<_>>(), other.1.keys().collect::<Vec<_>>());
    for (path, content) in &one.1 {
        assert!(other.1[path] == *content, "{}", path.display());
    }
    // The log of a session tells when its segments began.
    let is_call = |path: &Path| path.to_str().unwrap().starts_with("call_");
    let index = one.1.iter().find(|(path, _)| is_call(path) && path.ends_with("index.json"));
    assert!(index.unwrap().1.contains(r#""at":"20"#), "{index:?}");
    let (status, text) = said(&mut place.command("run in --root elsewhere --out out"));
    assert!(status == 1 && text.contains("in: not below the folder --root"), "{text}");
}

#[test]
fn result_that_was_moved_goes_on_where_it_ended() {
    let place = Place::new();
    place.record("cam_%03d.ts");
    let segment = |n: u32| place.input().join(format!("cam_{n:03}.ts"));
    let aside = |n: u32| place.0.path().join(format!("cam_{n:03}.ts"));
    (3..6).for_each(|n| fs::rename(segment(n), aside(n)).unwrap());
    assert_eq!(place.run("run in --root in --out out -- --detect scene").0, 0);
    (3..6).for_each(|n| fs::rename(aside(n), segment(n)).unwrap());
    fs::rename(place.out(), place.0.path().join("elsewhere")).unwrap();
    let (status, said) = place.run("run in --root in --out elsewhere -- --detect scene");
    assert_eq!(status, 0);
    let result = PathBuf::from(said[0]["path"].as_str().unwrap());
    assert_eq!(times(&result), [0.0, 2.0, 4.0]);
    for frame in read_json(&result.join("frames/index.json")) {
        assert!(Path::new(frame["path"].as_str().unwrap()).is_file(), "{frame}");
    }
}

/// Makes an ffmpeg that keeps the last file that it made for a stage. Returns it, and that file.
fn keeping_copies(folder: &Path) -> (PathBuf, PathBuf) {
    let (stub, kept) = (folder.join("ffmpeg"), folder.join("kept.ts"));
    let keep = format!("case \"$last\" in *.part) cp \"$last\" {} ;; esac", kept.display());
    let script =
        format!("#!/bin/bash\nlast=${{!#}}\nffmpeg \"$@\"\nstatus=$?\n{keep}\nexit $status\n");
    cht_tests::make_script(&stub, &script);
    (stub, kept)
}

#[test]
fn encoded_pictures_keep_their_distance_from_the_sound() {
    let place = Place::new();
    let (stub, kept) = keeping_copies(place.0.path());
    let path = place.input().join("a.webm");
    let codecs = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus";
    let sources = "-f lavfi -i testsrc2=s=160x120:r=25:d=2 -f lavfi -i sine=d=2:r=48000";
    let options = format!("{sources} {codecs}");
    ffmpeg(words(&options).into_iter().chain([path.to_str().unwrap()]));
    let options = format!("run in --out out --stages scenes,audio --ffmpeg {}", stub.display());
    let (status, text) = said(&mut place.command(&options));
    assert_eq!(status, 0, "{text}");
    let first = |kind: &str| {
        let mut probe = Command::new("ffprobe");
        probe.args(["-v", "error", "-select_streams", kind]).arg(&kept);
        probe.args(["-show_entries", "packet=pts_time", "-of", "default=nk=1:nw=1"]);
        let said = String::from_utf8(probe.output().unwrap().stdout).unwrap();
        said.lines().map(|line| line.parse::<f64>().unwrap()).fold(f64::INFINITY, f64::min)
    };
    let apart = first("v") - first("a");
    assert!((apart - 0.014).abs() < 0.0011, "{apart}");
}

#[test]
fn video_that_an_edit_list_hides_is_used_and_named() {
    let place = Place::new();
    place.record("cam_%03d.ts");
    fs::remove_dir_all(place.input()).unwrap();
    fs::create_dir(place.input()).unwrap();
    let [ts, whole] = ["whole.ts", "whole.mp4"].map(|name| place.0.path().join(name));
    ffmpeg(["-i", ts.to_str().unwrap(), "-c", "copy", whole.to_str().unwrap()]);
    let edited = place.input().join("edited.mp4");
    let arguments = ["-ss", "0.52", "-i", whole.to_str().unwrap(), "-c", "copy"];
    ffmpeg(arguments.into_iter().chain([edited.to_str().unwrap()]));
    let (status, text) = said(&mut place.command("run in --out out -- --detect scene"));
    let says = "edited.mp4: its edit list hides";
    assert!(status == 0 && text.contains("warning: ") && text.contains(says), "{text}");
    // From the keyframe on, which players do not show.
    assert_eq!(times(&place.results()[0]), [0.0, 2.0, 4.0]);
}
