//! `make install` copies the built programs, and `make uninstall` removes it.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests panic at wrong values, and print the names of skipped parts"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use cht_tests::{Stage, TOOLS, bin, root, tool};

/// Runs a target of the Makefile with the tools of this build.
fn make(target: &str, package: &Path) {
    let built = bin(TOOLS[0]);
    let mut command = Command::new("make");
    command.args(["--no-print-directory", "-C"]).arg(root()).arg(target).arg("PREFIX=/opt/cht");
    command.arg(format!("DESTDIR={}", package.display()));
    command.arg(format!("BIN={}", built.parent().unwrap().display()));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Returns all files below a folder, by their paths in it.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let (mut found, mut folders) = (BTreeSet::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_owned());
            }
        }
    }
    found
}

/// Checks that a unit gets less than 2 of 10 for its exposure, where systemd can tell.
fn is_hardened(unit: &Path) {
    let mut analyze = Command::new("systemd-analyze");
    analyze.args(["security", "--offline=true", "--threshold=20"]).arg(unit);
    match analyze.output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{}: {said}", unit.display());
        }
        Err(_) => println!("skipped: systemd-analyze is not here"),
    }
}

/// Checks that systemd makes the user of the units, where it is here.
fn has_user(sysusers: &Path, root: &Path) {
    fs::create_dir(root.join("etc")).unwrap();
    let mut command = Command::new("systemd-sysusers");
    match command.arg(format!("--root={}", root.display())).arg(sysusers).output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let users = fs::read_to_string(root.join("etc/passwd")).unwrap();
            assert!(users.starts_with("cht:"), "{users}");
        }
        Err(_) => println!("skipped: systemd-sysusers is not here"),
    }
}

#[test]
fn settings_of_an_instance_are_accepted_by_its_stages() {
    let page = fs::read_to_string(root().join("docs/service.md")).unwrap();
    let settings =
        page.split("cam.conf <<'EOF'\n").nth(1).unwrap().split("\nEOF\n").next().unwrap();
    let mut settings: BTreeMap<_, _> = settings
        .lines()
        .map(|line| line.split_once('=').unwrap())
        .map(|(name, value)| {
            // Ports that are free.
            let parts = value.split_inclusive(':').map(|part| match part {
                "4444" | "9444" | "9445" => "0",
                other => other,
            });
            (name, parts.collect::<String>())
        })
        .collect();
    let words = ["RECV", "CHT_SCENES"].map(|name| settings.remove(name).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut recv = tool("cht-recv");
    recv.args(words[0].split_whitespace()).arg("--sessions").arg(folder.path()).envs(&settings);
    let mut recv = Stage::start(&mut recv);
    recv.wait_for("listening");
    recv.stop();
    for (stage, options) in [("cht-scenes", &*words[1]), ("cht-index", "")] {
        let mut command = tool(stage);
        command.args(options.split_whitespace()).envs(&settings).stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Returns what bash completes the last of these words to.
fn completed(prefix: &Path, words: &[&str]) -> String {
    let [name, .., last] = words else { panic!("{words:?}") };
    let script = "source \"$0\" && [[ $(complete -p $1) =~ -F\\ ([^ ]+) ]] && COMP_WORDS=(\"$@\") && \
                  COMP_CWORD=$(($# - 1)) && ${BASH_REMATCH[1]} $1 \"${@: -1}\" \"${@: -2:1}\"; echo \"${COMPREPLY[@]}\"";
    let completion = prefix.join("share/bash-completion/completions").join(name);
    let output =
        Command::new("bash").args(["-c", script]).arg(completion).args(words).output().unwrap();
    assert!(output.status.success(), "{last}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn installed_files_work_from_their_prefix_and_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("a package");
    make("install", &package);
    let prefix = package.join("opt/cht");
    let installed = files(&prefix);
    for tool in TOOLS {
        let output = Command::new(prefix.join("bin").join(tool)).arg("--version").output().unwrap();
        assert!(output.stdout.starts_with(tool.as_bytes()), "{output:?}");
        for file in [
            format!("share/man/man1/{tool}.1"),
            format!("share/bash-completion/completions/{tool}"),
            format!("share/zsh/site-functions/_{tool}"),
            format!("share/fish/vendor_completions.d/{tool}.fish"),
        ] {
            assert!(installed.contains(Path::new(&file)), "{file}");
        }
    }
    for file in [
        "share/man/man1/cht-agent-next.1",
        "share/man/man1/cht-live.1",
        "share/man/man5/cht-events.5",
        "share/cht/scripts/transcribe",
        "share/doc/cht/docs/events.md",
        "share/doc/cht/schema/frame.json",
    ] {
        assert!(installed.contains(Path::new(file)), "{file}");
    }
    let page = fs::read_to_string(prefix.join("share/man/man1/cht-recv.1")).unwrap();
    assert!(page.contains(".TH cht-recv 1") && page.contains("CHT_LISTEN"), "{page}");
    for (page, synopsis) in [
        ("cht-live", &["[--listen URL] ", "[--once] ", "[--page[=HOST:PORT]] ", "[-h|--help]"][..]),
        ("cht-agent-search", &["[--between TIME TIME] ", "[--limit N] ", " <QUERY>"]),
    ] {
        let text = fs::read_to_string(prefix.join(format!("share/man/man1/{page}.1"))).unwrap();
        let line = text.split(".SH SYNOPSIS\n").nth(1).unwrap().lines().next().unwrap();
        let line = ["\\fB", "\\fI", "\\fR"]
            .iter()
            .fold(line.to_owned(), |line, font| line.replace(font, ""));
        let line = line.replace("\\-", "-");
        for part in synopsis {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
    let unit = fs::read_to_string(prefix.join("lib/systemd/system/cht-recv.service")).unwrap();
    assert!(unit.contains("ExecStart=/opt/cht/bin/cht-recv "), "{unit}");

    for unit in ["cht-recv@.service", "cht-stages@.service"] {
        let unit = prefix.join("lib/systemd/system").join(unit);
        let text = fs::read_to_string(&unit).unwrap();
        assert!(text.contains("ExecStart=/opt/cht/") && !text.contains("/usr/local"), "{text}");
        // Without a line of its own, stderr goes where stdout goes: nowhere.
        assert!(text.contains("\nStandardError=journal\n"), "{text}");
        is_hardened(&unit);
    }
    is_hardened(&prefix.join("lib/systemd/system/cht-recv.service"));
    assert!(installed.contains(Path::new("lib/systemd/system/cht@.target")));
    has_user(&prefix.join("lib/sysusers.d/cht.conf"), folder.path());

    for script in fs::read_dir(prefix.join("share/cht/scripts")).unwrap() {
        let script = script.unwrap().path();
        if script.metadata().unwrap().permissions().mode() & 0o111 == 0 || script.is_dir() {
            continue;
        }
        let output = Command::new(&script).arg("--help").stdin(Stdio::null()).output().unwrap();
        let name = script.file_name().unwrap().to_str().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains(name), "{output:?}");
    }

    let completed = |words: &[&str]| completed(&prefix, words);
    assert_eq!(
        completed(&["cht-recv", "--sess"]),
        "--sessions --session-id --session-gap --session-time"
    );
    assert_eq!(completed(&["cht-export", "list", "f"]), "fcpxml ffmetadata");
    assert_eq!(completed(&["cht", "file", "--max-f"]), "--max-frames");
    let detectors = completed(&["cht-scenes", "--detect", ""]);
    assert!(detectors.contains("adaptive"), "{detectors}");
    for command in ["file", "live"] {
        assert_eq!(completed(&["cht", command, "--detect", ""]), detectors);
    }

    make("uninstall", &package);
    assert_eq!(files(&package), BTreeSet::new());
}
