//! Names the commit that a release is built from, for `--version`.
//!
//! Without git, or outside a checkout of cht itself, no commit is named; `CHT_COMMIT` names one
//! that only a package's builder knows. Builds for tests name none: each commit would compile them
//! anew.

use std::{env, path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CHT_COMMIT");
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let named = env::var("CHT_COMMIT").ok().filter(|commit| !commit.is_empty());
    if let Some(commit) = named.or_else(|| is_release.then(of_checkout).flatten()) {
        println!("cargo::rustc-env=CHT_COMMIT={commit}");
    }
}

/// Returns the short hash and the date of the commit that is checked out.
fn of_checkout() -> Option<String> {
    let root = env::var("CARGO_MANIFEST_DIR").ok()?;
    let root = Path::new(&root).parent()?;
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    // Sources that were unpacked below a checkout of something else.
    if Path::new(&git(&["rev-parse", "--show-toplevel"])?).canonicalize().ok()?
        != root.canonicalize().ok()?
    {
        return None;
    }
    let log = root.join(git(&["rev-parse", "--git-path", "logs/HEAD"])?);
    if log.exists() {
        println!("cargo::rerun-if-changed={}", log.display());
    }
    git(&["log", "-1", "--format=%h of %cs"])
}
