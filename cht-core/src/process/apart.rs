//! Child programs that a Ctrl-C of the terminal does not reach: each leads a process group of its
//! own.

use std::{
    io,
    os::unix::process::CommandExt as _,
    process::{Child, Command},
};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

/// Starts `command` in a process group of its own, with SIGINT and SIGHUP blocked.
///
/// It is a member of this program's group until it has asked for its own. A signal to the group
/// that comes within these microseconds would end it if it were not blocked, and a child takes over
/// the mask of the thread that starts it.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    let held = SigSet::from_iter([Signal::SIGINT, Signal::SIGHUP]);
    let before = held.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let child = command.process_group(0).spawn();
    before.thread_set_mask()?;
    child
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Read as _, process::Stdio};

    use super::*;

    /// Returns the signal mask in the text of `/proc/PID/status`.
    fn blocked(status: &str) -> u64 {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap()
    }

    #[test]
    fn interrupt_does_not_reach_the_program_at_any_time() {
        // Not a shell: dash unblocks all signals.
        let mut command = Command::new("cat");
        command.args(["/proc/self/stat", "/proc/self/status"]).stdout(Stdio::piped());
        let mut child = spawn(&mut command).unwrap();
        let mut told = String::new();
        child.stdout.take().unwrap().read_to_string(&mut told).unwrap();
        assert!(child.wait().unwrap().success());
        // Fields 1 and 5 of the first line (proc(5)).
        let [id, group] = [0, 4].map(|place| told.split(' ').nth(place).unwrap());
        assert_eq!(id, group);
        for signal in [Signal::SIGINT, Signal::SIGHUP] {
            assert_eq!(blocked(&told) >> (signal as i32 - 1) & 1, 1, "{signal}");
        }
        let own = fs::read_to_string("/proc/thread-self/status").unwrap();
        assert_eq!(blocked(&own), 0);
    }
}
