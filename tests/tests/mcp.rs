//! `cht-agent mcp` serves the official client of MCP. Skipped, with a message, where its SDK cannot
//! be installed: `tests/mcp/setup FOLDER` gets it by pip.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests panic at wrong values, and print the names of skipped parts"
)]

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use cht_tests::{Pipeline, QUICK, bin, bin_folder, generated, root};

/// Folder of the SDK; `None`, with a message, if it cannot be installed.
fn sdk() -> Option<PathBuf> {
    let folder = bin_folder().parent().unwrap().join("mcp-client");
    let ready = Command::new(root().join("tests/mcp/setup")).arg(&folder).status();
    if ready.is_ok_and(|status| status.success()) {
        return Some(folder);
    }
    println!("skipped: the Python SDK of MCP cannot be installed");
    None
}

/// Process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn official_client_calls_every_tool_against_a_live_session() {
    let Some(sdk) = sdk() else { return };
    let folder = tempfile::tempdir().unwrap();
    let pipeline = Pipeline::start(folder.path(), "", "--detect scene");
    let mut client = Command::new(sdk.join("bin/python"));
    client.arg(root().join("tests/mcp/client.py")).arg(bin("cht-agent")).arg("mcp");
    client.arg("--session").arg(&pipeline.session).env_remove("CHT_READER");
    let mut client = Running(client.stdout(Stdio::piped()).spawn().unwrap());
    let mut said = BufReader::new(client.0.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let scenes = [("testsrc2=s=3840x2160:r=5", 1.0), ("smptebars=s=3840x2160:r=5", 1.0)];
    pipeline.send(&generated(&scenes, QUICK));
    assert!(client.0.wait().unwrap().success());
}
