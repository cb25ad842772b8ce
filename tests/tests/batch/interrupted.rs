//! Runs that are killed, stopped, or out of room: the next one goes on, and the result is the same.

use std::os::unix::process::ExitStatusExt as _;

use super::*;

/// Returns the process ids of a process and of all below it.
fn tree(id: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    let tasks = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten();
    let of_tasks =
        tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
    let all = of_tasks.collect::<Vec<_>>().join(" ") + " " + &children;
    let mut ids: Vec<u32> = all.split_whitespace().filter_map(|id| id.parse().ok()).collect();
    ids.sort_unstable();
    ids.dedup();
    let below: Vec<_> = ids.iter().flat_map(|id| tree(*id)).collect();
    [vec![id], below].concat()
}

#[test]
fn result_after_kills_equals_that_of_one_run() {
    let place = Place::new();
    for name in ["a", "b", "c"] {
        place.record(&format!("{name}_%03d.ts"));
    }
    // One unit has to be remuxed.
    let clip = place.input().join("clip.mkv");
    let whole = place.0.path().join("whole.ts");
    ffmpeg(["-i", whole.to_str().unwrap(), "-c", "copy", clip.to_str().unwrap()]);
    let options = "--jobs 2 -- --detect auto";
    assert_eq!(place.run(&format!("run in --out whole {options}")).0, 0);
    let mut seed = 7_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % below
    };
    let (mut kills, mut rounds) = (0, 0);
    while rounds < 25 {
        rounds += 1;
        let mut command = place.command(&format!("run in --out out {options}"));
        let mut run = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = run.stderr.take().unwrap();
        let said = std::thread::spawn(move || {
            let mut said = String::new();
            let _ = std::io::Read::read_to_string(&mut stderr, &mut said);
            said
        });
        // Any moment; later in each round, so that the runs come to an end.
        std::thread::sleep(Duration::from_millis(100 + random(100 * rounds)));
        let ids = tree(run.id());
        if run.try_wait().unwrap().is_none() {
            let victim = ids[random(ids.len() as u64) as usize].to_string();
            let killed = Command::new("kill").args(["-9", &victim]).stderr(Stdio::null()).status();
            kills += u32::from(killed.unwrap().success());
        }
        let status = run.wait().unwrap().code();
        let said = said.join().unwrap();
        assert!(matches!(status, Some(0 | 75) | None), "{status:?}: {said}");
        match status {
            Some(0) if kills > 2 => break,
            // The victims had done their work.
            Some(0) => fs::remove_dir_all(place.out()).unwrap(),
            _ => {}
        }
    }
    println!("{kills} kills");
    assert!(kills > 2);
    assert_eq!(place.run(&format!("run in --out out {options}")).0, 0);
    let results = place.results();
    assert_eq!(results.len(), 4, "{results:#?}");
    for result in results {
        let uninterrupted = place.0.path().join("whole").join(result.file_name().unwrap());
        let expected = content(&uninterrupted, &place.0.path().join("whole"));
        assert!(content(&result, &place.out()) == expected, "{}", result.display());
    }
    assert_eq!(fs::read_dir(place.out().join(".cht-batch/work")).unwrap().count(), 0);
}

#[test]
fn full_disk_while_frames_are_chosen_again_is_tried_again() {
    let Some(disk) = Tmpfs::mount(4) else { return };
    let place = Place::new();
    place.record("cam_%03d.ts");
    let out = disk.path().join("out");
    let options = |threshold: &str| {
        format!(
            "run in --out {} --keep-scores -- --detect scene --min-gap 0 --max-interval 0 --threshold {threshold}",
            out.display()
        )
    };
    assert_eq!(place.run(&options("0.9")).0, 0);
    // Room to begin, and for some of the pictures.
    let filler = disk.fill();
    let full = fs::metadata(&filler).unwrap().len();
    fs::File::options().write(true).open(&filler).unwrap().set_len(full - (200 << 10)).unwrap();
    let mut command = Command::new("timeout");
    command.args(["-k", "1", "60"]).arg(bin("cht-batch")).args(words(&options("0")));
    for (name, value) in place.command("").get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let output = command.env_remove("CHT_SESSION").current_dir(place.0.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(75), "{said}");
    assert!(said.contains("to be tried again") && said.contains("No space left"), "{said}");
    fs::remove_file(&filler).unwrap();
    assert_eq!(place.run(&options("0")).0, 0);
    let result = fs::read_dir(&out).unwrap().map(|it| it.unwrap().path());
    let result = result.into_iter().find(|path| path.join("batch.json").exists()).unwrap();
    assert!(times(&result).len() > 30);
}

/// Starts a run of two units whose first decoder waits for a line in the file returned.
fn held_run(place: &Place) -> (Child, fs::File) {
    for name in ["a", "b"] {
        place.record(&format!("{name}_%03d.ts"));
    }
    let (stub, hold) = held_decoder(place.0.path());
    let options =
        format!("run in --out out --jobs 1 --ffmpeg {} -- --detect scene", stub.display());
    let run =
        place.command(&options).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It opens when that decoder waits.
    (run, fs::File::options().write(true).open(hold).unwrap())
}

#[test]
fn second_ctrl_c_ends_at_once_and_says_what_is_left() {
    let place = Place::new();
    let (mut run, _hold) = held_run(&place);
    let mut stderr = std::io::BufReader::new(run.stderr.take().unwrap());
    let mut said = String::new();
    // An echo of the first is not the second: it comes again until it is taken.
    while run.try_wait().unwrap().is_none() {
        signal(&run, "INT");
        while !said.contains("Ctrl-C again stops at once") {
            assert!(std::io::BufRead::read_line(&mut stderr, &mut said).unwrap() > 0, "{said}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    std::io::Read::read_to_string(&mut stderr, &mut said).unwrap();
    assert_eq!(run.wait().unwrap().signal(), Some(2), "{said}");
    assert!(said.contains("stopped at once: 0 of 2 units done; the same command"), "{said}");
    let (status, lines) = place.run("run in --out out -- --detect scene");
    assert_eq!((status, &lines.last().unwrap()["units"]), (0, &json!({"done": 2})));
}

/// Makes an ffmpeg that waits for a line in a FIFO whenever it is asked about a file. Returns both.
fn held_probe(place: &Place) -> (PathBuf, PathBuf) {
    // Of its own each time: readers of a run before may still be there.
    let folder = tempfile::tempdir_in(place.0.path()).unwrap().keep();
    let [stub, hold] = ["ffmpeg", "hold"].map(|name| folder.join(name));
    make_fifo(&hold);
    let wait = format!("case \" $* \" in *file:*) read go <{} ;; esac", hold.display());
    cht_tests::make_script(&stub, &format!("#!/bin/sh\n{wait}\nexec ffmpeg \"$@\"\n"));
    (stub, hold)
}

#[test]
fn ctrl_c_while_recordings_are_looked_for_is_answered() {
    let place = Place::new();
    let path = place.input().join("a.mkv");
    let source = ["-f", "lavfi", "-i", "testsrc2=s=160x120:d=1", path.to_str().unwrap()];
    ffmpeg(source);
    for command in ["plan in", "run in --out out", "status in --out ."] {
        let (stub, hold) = held_probe(&place);
        let options = format!("{command} --ffmpeg {}", stub.display());
        let run = place.command(&options).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        // It opens when the file is looked at.
        let hold = fs::File::options().write(true).open(&hold).unwrap();
        let run = run.unwrap();
        signal(&run, "INT");
        let output = run.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(2), "{command}: {said}");
        assert!(said.contains("stopped while it looked for recordings"), "{command}: {said}");
        drop(hold);
    }
    // People see how far it is.
    let (stub, hold) = held_probe(&place);
    let mut command =
        at_terminal(&format!("stty cols 100; cht-batch plan in --ffmpeg {}", stub.display()));
    command.current_dir(place.0.path()).env("CHT_BATCH_SETTLE", "0").stdout(Stdio::piped());
    let run = command.spawn().unwrap();
    fs::File::options().write(true).open(&hold).unwrap().write_all(b"go\n").unwrap();
    let output = run.wait_with_output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("examined 0 of 1 file"), "{shown}");
    assert!(shown.contains("a_") && output.status.success(), "{shown}");
}

#[test]
fn ctrl_c_stops_after_the_segment_at_work_and_the_next_run_goes_on() {
    let place = Place::new();
    let (mut run, mut hold) = held_run(&place);
    signal(&run, "INT");
    let mut stderr = std::io::BufReader::new(run.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("finishing up to") {
        assert!(std::io::BufRead::read_line(&mut stderr, &mut said).unwrap() > 0, "{said}");
    }
    hold.write_all(&b"go\n".repeat(100)).unwrap();
    std::io::Read::read_to_string(&mut stderr, &mut said).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(75), "{said}");
    assert!(said.contains("stopped by a signal; run it again, and it goes on"), "{said}");
    assert!(said.contains("Ctrl-C again stops at once, and the same command"), "{said}");
    assert!(!said.contains("stopped by Ctrl-C"), "nobody has typed the command of a stage: {said}");
    assert!(place.results().is_empty());
    let (status, lines) = place.run("run in --out out -- --detect scene");
    assert_eq!((status, &lines.last().unwrap()["units"]), (0, &json!({"done": 2})));
    assert_eq!(
        place.results().iter().map(|it| times(it)).collect::<Vec<_>>(),
        [[0.0, 2.0, 4.0]; 2]
    );
}
