//! Finds processes that outlive their round, and panics on stderr.

use std::{fs, path::Path, time::Duration};

use cht_core::process::clock;
use rustix::process::Signal;

/// Returns whether a line of stderr reports a panic.
pub(crate) fn is_panic(line: &str) -> bool {
    ["panicked at", "attempt to ", "stack overflow", "RUST_BACKTRACE"]
        .iter()
        .any(|word| line.contains(word))
}

/// Finds a process that still runs seconds after the end of its round, and kills it.
pub(crate) fn left_running(root: &Path) -> Option<String> {
    let mark = format!("LAB_ROUND={}\0", root.display());
    let is_ours = |id: u32| {
        let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(&mark)
    };
    let until = clock::monotonic() + Duration::from_secs(3);
    loop {
        let ids = fs::read_dir("/proc").unwrap().flatten();
        let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let left: Vec<u32> = ids.filter(|id| is_ours(*id)).collect();
        if left.is_empty() {
            return None;
        }
        if clock::monotonic() > until {
            let names = left.iter().map(|id| {
                let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&line).replace('\0', " ")
            });
            let names = names.collect::<Vec<_>>().join("; ");
            for id in left {
                if let Some(id) = rustix::process::Pid::from_raw(id.cast_signed()) {
                    let _ = rustix::process::kill_process(id, Signal::KILL);
                }
            }
            return Some(names);
        }
        clock::rest(Duration::from_millis(20));
    }
}
