//! Stops a program that hangs: one that neither computes, reads nor writes.

use std::{
    fs,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::clock;

/// Stops the process group `id` when its first process has done nothing for `limit`; returns
/// whether it had to. Returns at the latest when the other side of `is_over` is dropped.
pub(super) fn stop_if_idle(id: u32, limit: Duration, is_over: &Receiver<()>) -> bool {
    let mut before = activity(id);
    while clock::receive_within(is_over, limit) == Err(RecvTimeoutError::Timeout) {
        let now = activity(id);
        if now == before {
            if let Some(group) = Pid::from_raw(id as i32) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            return true;
        }
        before = now;
    }
    false
}

/// Returns what a process has done so far: its CPU time in ticks of the kernel, and the bytes that
/// it has read and written (proc(5)).
fn activity(id: u32) -> (Vec<String>, String) {
    let read = |name| fs::read_to_string(format!("/proc/{id}/{name}")).unwrap_or_default();
    let stat = read("stat");
    // The name in parentheses may have spaces; user and system time are fields 14 and 15.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    (fields.skip(11).take(2).map(str::to_owned).collect(), read("io"))
}
