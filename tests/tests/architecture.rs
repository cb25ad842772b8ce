//! What the compiler does not see of the invariants in `ARCHITECTURE.md`.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{fs, path::Path};

use cht_tests::{Imports, root, source_files};

/// Every line of the sources of the tools and of cht-core, without their unit tests.
fn lines(visit: &mut dyn FnMut(&Path, &str)) {
    for path in source_files() {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        code.lines().for_each(|line| visit(&path, line));
    }
}

#[test]
fn one_module_reads_clocks_and_sleeps() {
    let clocks =
        ["Instant::now", "SystemTime::now", "Timestamp::now", "Zoned::now", "thread::sleep"];
    lines(&mut |path, line| {
        let reads = clocks.iter().any(|clock| line.contains(clock));
        assert!(
            !reads || path.ends_with("cht-core/src/process/clock.rs"),
            "{}: {line}",
            path.display()
        );
    });
}

#[test]
fn one_module_opens_files() {
    let opens = ["File::open(", "fs::read(", "fs::read_to_string(", "File::options("];
    // Folders to lock and sync; `/proc`; programs; a list of scores that may come through a pipe.
    let others = [
        "regular.rs",
        "folder.rs",
        "durable.rs",
        "udp.rs",
        "score_log.rs",
        "writers.rs",
        "signals.rs",
        "idle.rs",
        "stat.rs",
        "ffmpeg/version.rs",
    ];
    lines(&mut |path, line| {
        let is_open = opens.iter().any(|open| line.contains(open));
        assert!(!is_open || others.iter().any(|o| path.ends_with(o)), "{}: {line}", path.display());
    });
}

#[test]
fn nothing_is_unsafe() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""));
    for member in MEMBERS.into_iter().map(|(member, _)| member).chain(["tests"]) {
        let manifest = fs::read_to_string(root().join(member).join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{member}");
    }
}

/// Members of the workspace, each with the members that it may depend on.
const MEMBERS: [(&str, &[&str]); 15] = [
    ("cht-ts", &[]),
    ("cht-detect", &[]),
    ("cht-picture", &[]),
    ("cht-core", &["cht-ts"]),
    ("cht-recv", &["cht-core", "cht-ts"]),
    ("cht-segwatch", &["cht-core", "cht-ts"]),
    ("cht-scenes", &["cht-core", "cht-detect", "cht-picture", "cht-ts"]),
    ("cht-audio", &["cht-core", "cht-ts"]),
    ("cht-index", &["cht-core", "cht-ts"]),
    ("cht-agent", &["cht-core", "cht-ts"]),
    ("cht-export", &["cht-core", "cht-ts"]),
    ("cht-page", &["cht-core", "cht-ts"]),
    ("cht-monitor", &["cht-core", "cht-ts"]),
    ("cht", &["cht-core"]),
    ("cht-batch", &["cht-core", "cht-ts"]),
];

#[test]
fn dependency_points_down() {
    for (member, allowed) in MEMBERS {
        let manifest = fs::read_to_string(root().join(member).join("Cargo.toml")).unwrap();
        let (_, dependencies) = manifest.split_once("dependencies]").unwrap();
        for line in dependencies.lines().filter(|line| line.starts_with("cht-")) {
            let name = line.split(['.', ' ']).next().unwrap();
            assert!(name == member || allowed.contains(&name), "{member} depends on {name}");
        }
    }
}

#[test]
fn imports_make_no_circle() {
    for (member, _) in MEMBERS {
        let imports = Imports::of(member);
        assert_eq!(imports.circle_of_files(), None, "{member}");
        assert_eq!(imports.circle_of_folders(), None, "{member}");
    }
}
