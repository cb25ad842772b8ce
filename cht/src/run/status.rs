//! Exit statuses of stages.

use std::process::ExitStatus;

use cht_core::process::{exit::Exit, report};

/// Returns the exit status of a stage as one of ours. A stage that was killed has said nothing;
/// where all of them were asked to end, that is no news.
pub(super) fn outcome(program: &str, status: ExitStatus, was_asked: bool) -> Exit {
    match status.code() {
        Some(0) => Exit::Done,
        Some(1) => Exit::Partial,
        Some(_) => Exit::Failed,
        None if was_asked => Exit::Failed,
        None => {
            report::warn(format_args!("{program} ended with {status}"));
            Exit::Failed
        }
    }
}
