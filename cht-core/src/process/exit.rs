//! The exit status of every tool: one table, printed by every `--help`.

use std::process::ExitCode;

/// How a run ended, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for was done. A reader that closed our stdout early is no failure.
    Done = 0,
    /// Some input was bad (a segment, a line, a frame); it was named, and the rest was done.
    Partial = 1,
    /// It could not start or go on: wrong usage, a port in use, ffmpeg missing, a disk that
    /// refuses.
    Failed = 2,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Table of exit statuses in `--help`.
pub const TABLE: &str = "\
Exit status:
  0  everything was done
  1  some input was bad; it was named on stderr, and the rest was done
  2  wrong usage, or it could not start or go on; the message says why";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_names_every_status() {
        for exit in [Exit::Done, Exit::Partial, Exit::Failed] {
            assert!(TABLE.contains(&format!("\n  {}  ", exit as u8)), "{exit:?}");
        }
    }
}
