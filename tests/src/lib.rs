//! What the tests under `tests/` share: the real binaries, and a strict reading of what they say.

mod imports;
#[expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::print_stdout,
    clippy::format_push_string,
    reason = "a test says what is wrong by panicking, and what it skips by printing"
)]
mod pipeline;
#[expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test says what is wrong by panicking"
)]
mod recorder;
#[expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::print_stdout,
    reason = "a test says what is wrong by panicking, and what it skips by printing"
)]
mod shim;
pub mod stamps;
pub mod wire;

pub use imports::Imports;
pub use pipeline::*;
pub use recorder::*;
pub use shim::Shim;

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The programs of the workspace.
pub const TOOLS: [&str; 5] = ["cht-recv", "cht-segwatch", "cht-scenes", "cht-index", "cht-monitor"];

/// The root of the workspace.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"))
}

/// The path of the binary `name`, of the profile that this test was built with, built from the sources as they are.
///
/// # Panics
///
/// If it is not there and cannot be built.
#[must_use]
pub fn bin(name: &str) -> PathBuf {
    let path = bin_folder().join(name);
    assert!(path.exists(), "{}: not there; is {name} a binary of the workspace?", path.display());
    path
}

/// The folder that holds the binaries, to be put in front of `PATH`.
///
/// # Panics
///
/// If they cannot be built.
#[must_use]
pub fn bin_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        // target/PROFILE/deps/TEST-0123: `cargo test` does not build the binaries of other members, and
        // those that are there may be old. Cargo knows, has a lock of its own, and does nothing if all is well.
        let test = std::env::current_exe().expect("the path of this test");
        let folder = test.ancestors().nth(2).expect("target/PROFILE").to_owned();
        let target = folder.parent().expect("target");
        let profile = match folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(profile) => profile,
        };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        // What it told this test about itself: build scripts would take it for a change, and run again.
        for (name, _) in std::env::vars_os() {
            let name_of_ours = name.to_str().filter(|name| {
                name.starts_with("CARGO_MANIFEST_") || name.starts_with("CARGO_PKG_")
            });
            if let Some(name) = name_of_ours {
                build.env_remove(name);
            }
        }
        let built = build
            .args(["build", "--quiet", "--workspace", "--bins", "--profile", profile])
            .arg("--target-dir")
            .arg(target)
            .current_dir(root())
            .status();
        assert!(
            built.as_ref().is_ok_and(std::process::ExitStatus::success),
            "cargo build --workspace --bins: {built:?}"
        );
        folder
    })
}

/// `PATH` with the binaries in front.
#[must_use]
pub fn path_with_binaries() -> std::ffi::OsString {
    let mut path = bin_folder().as_os_str().to_owned();
    if let Some(rest) = std::env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    path
}

/// The source files of the tools and of cht-core.
///
/// # Panics
///
/// If a folder of them cannot be read.
#[must_use]
pub fn source_files() -> Vec<PathBuf> {
    let members = TOOLS.into_iter().chain(["cht-ts", "cht-detect", "cht-core"]);
    let mut folders: Vec<_> = members.map(|member| root().join(member).join("src")).collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry of it").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// BLAKE3 of a JPEG without its XMP, which names the segment that it is from.
///
/// # Panics
/// If there is no such file, or it is no JPEG.
#[must_use]
pub fn b3sum_of_jpeg(path: &Path) -> String {
    const APP1: u8 = 0xe1;
    const SOS: u8 = 0xda;
    let bytes = std::fs::read(path).expect("a picture");
    let (mut kept, mut rest) = (Vec::new(), &bytes[2..]);
    while rest[1] != SOS {
        let (segment, behind) =
            rest.split_at(2 + usize::from(rest[2]) * 256 + usize::from(rest[3]));
        if segment[1] != APP1 {
            kept.extend_from_slice(segment);
        }
        rest = behind;
    }
    kept.extend_from_slice(rest);
    b3sum(&kept)
}
