//! Shared by the tests under `tests/`: runs the real binaries, and reads their events strictly.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::print_stdout,
    clippy::format_push_string,
    reason = "tests panic at wrong values, and print the names of skipped parts"
)]

mod imports;
mod metrics;
mod pipeline;
mod recorder;
mod shim;
mod stage;
pub mod stamps;
mod system;
mod video;
pub mod wire;

pub use imports::Imports;
pub use metrics::*;
pub use pipeline::*;
pub use recorder::*;
pub use shim::Shim;
pub use stage::*;
pub use system::*;
pub use video::*;

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// Programs of the workspace.
pub const TOOLS: [&str; 11] = [
    "cht",
    "cht-recv",
    "cht-segwatch",
    "cht-scenes",
    "cht-audio",
    "cht-index",
    "cht-agent",
    "cht-export",
    "cht-page",
    "cht-monitor",
    "cht-batch",
];

/// Returns the root of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"))
}

/// Returns the path of the binary `name`, built from the current sources with the profile of this
/// test.
pub fn bin(name: &str) -> PathBuf {
    let path = bin_folder().join(name);
    assert!(path.exists(), "{}: not there; is {name} a binary of the workspace?", path.display());
    path
}

/// Returns the folder that holds the binaries.
pub fn bin_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        // target/PROFILE/deps/TEST-0123: `cargo test` does not build the binaries of other members,
        // and existing ones may be old. Cargo has a lock of its own, and does nothing if they are
        // current.
        let test = std::env::current_exe().expect("the path of this test");
        let folder = test.ancestors().nth(2).expect("target/PROFILE").to_owned();
        let target = folder.parent().expect("target");
        let profile = match folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(profile) => profile,
        };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        // Cargo's variables for this test: build scripts would take them for a change, and run
        // again.
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

/// Returns `PATH` with the folder of the binaries in front.
pub fn path_with_binaries() -> std::ffi::OsString {
    let mut path = bin_folder().as_os_str().to_owned();
    if let Some(rest) = std::env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    path
}

/// Returns the source files of the tools and of the crates that they use.
pub fn source_files() -> Vec<PathBuf> {
    let members = TOOLS.into_iter().chain(["cht-ts", "cht-detect", "cht-picture", "cht-core"]);
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

/// Returns the BLAKE3 hash, in hex, of a JPEG without its XMP, which names its segment.
pub fn b3sum_of_jpeg(path: &Path) -> String {
    const APP1: u8 = 0xe1;
    const SOS: u8 = 0xda;
    let bytes = std::fs::read(path).expect("a picture");
    let (mut kept, mut rest) = (Vec::new(), &bytes[2..]);
    while rest[1] != SOS {
        let (segment, after) = rest.split_at(2 + usize::from(rest[2]) * 256 + usize::from(rest[3]));
        if segment[1] != APP1 {
            kept.extend_from_slice(segment);
        }
        rest = after;
    }
    kept.extend_from_slice(rest);
    b3sum(&kept)
}

/// Returns the BLAKE3 hash of bytes, in hex.
pub fn b3sum(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}
