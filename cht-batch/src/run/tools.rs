//! The programs of the stages: next to this one, or in `PATH`.

use std::{
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use cht_core::process::{ffmpeg::Program, programs};

use crate::settings::Stage;

/// Words of a status that is a signal.
pub(crate) const BY_SIGNAL: &str = "signal: ";

/// Paths of the programs.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    pub segwatch: PathBuf,
    pub scenes: PathBuf,
    pub audio: PathBuf,
    pub index: PathBuf,
    pub ffmpeg: PathBuf,
    /// ffmpeg, and its version.
    pub program: Program,
}

/// A program that was ended by a signal when it was asked about itself: the next run may get an
/// answer.
#[derive(Debug, thiserror::Error)]
#[error("{0} was ended by a signal before the first unit; run it again")]
pub(crate) struct Killed(String);

impl Tools {
    /// Finds the programs, and asks ffmpeg for its version.
    pub(crate) fn find(ffmpeg: &Path) -> Result<Self> {
        let find = |name: &str| programs::installed(name).unwrap_or_else(|| name.into());
        let program = match Program::find(ffmpeg) {
            Err(error) if error.to_string().contains(BY_SIGNAL) => {
                return Err(Killed(ffmpeg.display().to_string()).into());
            }
            program => program?,
        };
        Ok(Self {
            program,
            segwatch: find("cht-segwatch"),
            scenes: find("cht-scenes"),
            audio: find("cht-audio"),
            index: find("cht-index"),
            ffmpeg: ffmpeg.to_owned(),
        })
    }

    /// Fails if a stage is missing or refuses its options: for each unit, it would be the same.
    pub(crate) fn check(
        &self,
        stages: &[Stage],
        scenes: &[String],
        audio: &[String],
    ) -> Result<()> {
        let mut asked = vec![(&self.segwatch, &[][..]), (&self.index, &[][..])];
        if stages.contains(&Stage::Scenes) {
            asked.push((&self.scenes, scenes));
        }
        if stages.contains(&Stage::Audio) {
            asked.push((&self.audio, audio));
        }
        for (program, options) in asked {
            // The options before it are parsed first.
            let mut command = Command::new(program);
            command.args(options).arg("--version").stdin(Stdio::null());
            let output = command.output().with_context(|| {
                format!("{}: cannot be run; run make install", program.display())
            })?;
            if output.status.signal().is_some() {
                return Err(Killed(program.display().to_string()).into());
            }
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                let said = said.lines().next().unwrap_or("it said nothing");
                let name = program.file_name().unwrap_or_default().to_string_lossy();
                bail!("{name} refuses its options: {said}");
            }
        }
        Ok(())
    }
}
