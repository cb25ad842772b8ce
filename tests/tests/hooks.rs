//! Hooks by other programs, the systemd unit, and `make reprocess`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests panic at wrong values, and print the names of skipped parts"
)]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use cht_tests::{QUICK, bin, bin_folder, generate, recorder, root, send, source, tool, words};

fn is_installed(program: &str) -> bool {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("command -v {program} >/dev/null")]);
    let found = shell.status().unwrap().success();
    if !found {
        println!("skipped: {program} is not here");
    }
    found
}

#[test]
fn entr_notices_each_replaced_playlist() {
    if !is_installed("entr") {
        return;
    }
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let command = readme.lines().find(|line| line.contains("| entr ")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let bytes = source(1.0);
    fs::create_dir(folder.path().join("backup")).unwrap();
    let sessions = folder.path().join("sessions");
    let (mut recv, address) = recorder(&sessions, "--session-id call");
    let mut send = || {
        send(&address, &bytes);
        recv.wait_for("segment_closed");
    };
    send();
    let mut hook = Command::new("bash");
    hook.args(["-c", &format!("{command} & echo $! >&2; wait")]).current_dir(folder.path());
    hook.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut hook = hook.spawn().unwrap();
    let mut pid = String::new();
    BufReader::new(hook.stderr.take().unwrap()).read_line(&mut pid).unwrap();
    let (heard, said) = mpsc::channel();
    let lines = BufReader::new(hook.stdout.take().unwrap()).lines();
    thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| heard.send(line)));
    // It copies the existing files when it starts.
    assert!(said.recv().unwrap().contains("segment_000001.ts"));
    // entr does not look while its command runs, and just after: a later change makes up for it.
    let copied = (0..20).any(|_| {
        send();
        said.recv_timeout(Duration::from_secs(2)).is_ok()
    });
    assert!(copied, "entr saw no change");
    assert!(Command::new("kill").arg(pid.trim()).status().unwrap().success());
    hook.wait().unwrap();
    recv.stop();
    let original = sessions.join("call/stream");
    for entry in fs::read_dir(folder.path().join("backup")).unwrap() {
        let copy = entry.unwrap();
        // The last one may have been stopped in the middle.
        let whole = fs::read(original.join(copy.file_name())).unwrap();
        assert!(whole.starts_with(&fs::read(copy.path()).unwrap()));
    }
}

#[test]
fn systemd_unit_and_its_options_are_valid() {
    let unit = fs::read_to_string(root().join("scripts/cht-recv.service")).unwrap();
    let options = unit.lines().find_map(|line| line.strip_prefix("Environment=\"OPTIONS="));
    let options = options.unwrap().strip_suffix('"').unwrap();
    // `--version` ends it after it has parsed the options.
    let taken = tool("cht-recv").args(words(options)).arg("--version").output().unwrap();
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    if !is_installed("systemd-analyze") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cht-recv.service");
    let here = bin("cht-recv").display().to_string();
    fs::write(&path, unit.replace("/usr/local/bin/cht-recv", &here)).unwrap();
    let verified = Command::new("systemd-analyze").arg("verify").arg(&path).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    // What it says of units of the machine is not our affair.
    let ours: Vec<_> = said.lines().filter(|line| line.contains("cht-recv.service")).collect();
    assert!(verified.status.success() && ours.is_empty(), "{said}");
}

#[test]
fn make_reprocess_with_spaces_completes_partial_index() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("my project");
    let sessions = place.join("my sessions");
    fs::create_dir_all(place.join("target")).unwrap();
    std::os::unix::fs::symlink(bin_folder(), place.join("target/release")).unwrap();
    std::os::unix::fs::symlink(root().join("Makefile"), place.join("Makefile")).unwrap();
    fs::create_dir(place.join("scripts")).unwrap();
    fs::copy(root().join("scripts/reprocess"), place.join("scripts/reprocess")).unwrap();
    let clip = place.join("clip.ts");
    generate(&clip, &[("testsrc2=s=160x120:r=25", 1.0)], QUICK);
    let (mut recv, address) = recorder(&sessions, "--session-id call --once");
    send(&address, &fs::read(clip).unwrap());
    recv.finish();
    // What a run that was killed leaves.
    let index = sessions.join("call/frames/index.json");
    fs::write(&index, "[]").unwrap();
    let mut make = Command::new("make");
    make.args(["reprocess", "SESSIONS=my sessions"]).current_dir(&place);
    let output = make.env_remove("CHT_SESSION").env("CHT_CACHE", "none").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let index = fs::read_to_string(index).unwrap();
    assert_eq!(index.matches("\"id\"").count(), 1, "{index}");
}
