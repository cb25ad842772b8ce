//! Makes parts of a system: file systems, FIFOs, and programs in place of ffmpeg.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::path_with_binaries;

/// Small file system of its own, which is removed with the test.
pub struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    /// Mounts one; `None` (with a message) if mounting is not allowed.
    pub fn mount(megabytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        println!("skipped: a disk of our own (mounting a tmpfs is not allowed here)");
        None
    }

    /// Returns the mount point.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Remounts it with these options, such as `ro`.
    pub fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let status = Command::new("mount").args(["-o", &options]).arg(self.path()).status();
        assert!(status.unwrap().success(), "{options}");
    }

    /// Fills it with a file, and returns its path.
    pub fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let mut file = fs::File::create(&path).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        path
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// Makes a FIFO.
pub fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Returns a command that runs a line of bash at a terminal (script(1)), for a minute at most. Its
/// stdout is the screen of the terminal, and its stdin the keyboard.
///
/// script(1) takes the shell of `SHELL`. Not sh: that stays the parent of a single command, and
/// Ctrl-C ends it, whose exit status then takes the place of the command's.
pub fn at_terminal(line: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", "60", "script", "-qefc", line, "/dev/null"]);
    command.env("SHELL", "/bin/bash").env("PATH", path_with_binaries());
    command.env("TERM", "xterm").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// Makes a program of a script, whose first line names what runs it.
pub fn make_script(path: &Path, script: &str) {
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Makes an ffmpeg whose decoders run a script of sh instead; all other uses run the real one.
pub fn decoder_stub(folder: &Path, script: &str) -> PathBuf {
    let stub = folder.join("ffmpeg");
    let real = "case \" $* \" in *' pipe:0 '*) ;; *) exec ffmpeg \"$@\" ;; esac";
    make_script(&stub, &format!("#!/bin/sh\n{real}\n{script}\n"));
    stub
}

/// Makes an ffmpeg whose decoders wait for a line in a FIFO before they start; returns both paths.
pub fn held_decoder(folder: &Path) -> (PathBuf, PathBuf) {
    let hold = folder.join("hold");
    make_fifo(&hold);
    (decoder_stub(folder, &format!("read go <{}\nexec ffmpeg \"$@\"", hold.display())), hold)
}

/// Paths of libfaketime on Debian and Fedora.
const FAKETIME: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
];

/// Sets the wall clock of a command to the time in a file, which may change. Returns `false` where
/// that is not possible.
pub fn set_wall_clock(command: &mut Command, clock: &Path) -> bool {
    let Some(library) = FAKETIME.map(Path::new).into_iter().find(|path| path.exists()) else {
        println!("skipped: a clock that is set (scripts/setup faketime installs what it takes)");
        return false;
    };
    command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", clock);
    // It would turn the monotonic clock, too, which no setting of a clock does.
    command.env("FAKETIME_NO_CACHE", "1").env("DONT_FAKE_MONOTONIC", "1");
    true
}
