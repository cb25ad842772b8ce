//! What the compiler does not see of the invariants in `ARCHITECTURE.md`.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::{fs, path::Path};

use cht_tests::{TOOLS, root, source_files};

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
    // Folders to lock and sync; `/proc`; a list of scores that may come through a pipe.
    let others = ["regular.rs", "folder.rs", "durable.rs", "udp.rs", "score_log.rs", "writers.rs"];
    lines(&mut |path, line| {
        let is_open = opens.iter().any(|open| line.contains(open));
        assert!(!is_open || others.iter().any(|o| path.ends_with(o)), "{}: {line}", path.display());
    });
}

#[test]
fn nothing_is_unsafe() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""));
    for member in TOOLS.into_iter().chain(["cht-ts", "cht-detect", "cht-core", "tests"]) {
        let manifest = fs::read_to_string(root().join(member).join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{member}");
    }
}

#[test]
fn no_tool_depends_on_another() {
    for tool in TOOLS {
        let manifest = fs::read_to_string(root().join(tool).join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap();
        for other in TOOLS {
            assert!(!dependencies.contains(&format!("{other}.")), "{tool} depends on {other}");
        }
    }
}
