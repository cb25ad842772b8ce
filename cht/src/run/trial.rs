//! Starts stages on an empty input, before the source starts: a pipeline whose stages refuse their
//! options must not record first and fail then.

use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use cht_core::process::apart;

use super::child;
use crate::plan::Stage;

/// Fails with the message of the first stage that does not start. A stage that is given a session
/// makes files in it.
pub(crate) fn check(stages: &[Stage]) -> Result<()> {
    let mut tried = Vec::new();
    for stage in stages {
        let mut command = child::command(stage)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        tried.push((stage.program, apart::spawn(&mut command).context(stage.program)?));
    }
    let mut refused = None;
    for (program, process) in tried {
        let output = process.wait_with_output().context(program)?;
        if !output.status.success() && refused.is_none() {
            refused = Some((program, String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
    }
    match refused {
        Some((program, said)) if said.contains("--ffmpeg") => {
            bail!("{program} does not start: {said} (for all stages: CHT_FFMPEG=PATH)")
        }
        Some((program, said)) => bail!("{program} does not start: {said}"),
        None => Ok(()),
    }
}
