//! What the kernel says of this process: `proc(5)`, `/proc/PID/stat`.

use std::fs;

/// Returns the text of `/proc/self/stat`. The system calls have no number for a session that began
/// outside of this container.
#[must_use]
pub fn own() -> Option<String> {
    fs::read_to_string("/proc/self/stat").ok()
}

/// Returns the field of this number; the first is 1, and 3 is the first behind the name, which may
/// have any characters.
#[must_use]
pub fn field(stat: &str, number: usize) -> Option<&str> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(number - 3)
}

/// Tells whether the process has a terminal that controls it (field 7).
#[must_use]
pub fn has_terminal(stat: &str) -> bool {
    field(stat, 7).is_some_and(|terminal| terminal != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_the_name() {
        let stat = "7 (a) b) S 1 5 6 34816 9 4194304";
        assert_eq!((field(stat, 3), field(stat, 6), field("", 3)), (Some("S"), Some("6"), None));
        assert!(has_terminal(stat));
        assert!(!has_terminal("7 (cht) S 1 5 6 0 -1 4194304") && !has_terminal(""));
    }
}
