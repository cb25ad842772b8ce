//! `--hwaccel`: a hardware decoder, if there is one that works.
//!
//! Whether it works shows only when it is tried: a driver may be missing, a device taken or
//! forbidden. So a picture is decoded on it at the start. Frames come back into memory, so that all
//! else stays as it is.

use std::{io::Write as _, time::Duration};

use cht_core::process::{
    ffmpeg::{Process, Program},
    report,
};
use clap::ValueEnum;

/// A keyframe of H.264, 256×256.
const TRIAL: &[u8] = include_bytes!("trial.h264");

/// A driver that takes longer for one picture does not work.
const LIMIT: Duration = Duration::from_secs(20);

/// Who decodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Hwaccel {
    /// CPU only
    #[default]
    None,
    /// First of the others that works, else the CPU
    Auto,
    /// NVIDIA
    Cuda,
    /// Intel and AMD
    Vaapi,
}

impl Hwaccel {
    /// Those to be tried, in order.
    fn candidates(self) -> &'static [Self] {
        match self {
            Self::None => &[],
            Self::Auto => &[Self::Cuda, Self::Vaapi],
            Self::Cuda => &[Self::Cuda],
            Self::Vaapi => &[Self::Vaapi],
        }
    }

    /// As on the command line, and in ffmpeg's.
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Auto => "auto",
            Self::Cuda => "cuda",
            Self::Vaapi => "vaapi",
        }
    }

    /// Options of ffmpeg in front of its input. Without an output format frames are copied back
    /// into memory.
    pub(crate) fn options(self) -> Vec<&'static str> {
        match self {
            Self::None | Self::Auto => Vec::new(),
            Self::Cuda | Self::Vaapi => vec!["-hwaccel", self.name()],
        }
    }

    /// Options for the trial: here frames must come from the device, where a decoder would fall
    /// back without a word.
    fn trial(self) -> Vec<&'static str> {
        let mut options = self.options();
        options.extend(["-hwaccel_output_format", self.name(), "-f", "h264", "-i", "pipe:0"]);
        options.extend(["-vf", "hwdownload,format=nv12", "-f", "null", "-"]);
        options
    }

    /// The one that works, tried in order; says why another does not.
    pub(crate) fn choose(self, ffmpeg: &Program) -> Self {
        let mut reasons = Vec::new();
        for &candidate in self.candidates() {
            match candidate.attempt(ffmpeg) {
                Ok(()) => return candidate,
                Err(reason) => reasons.push(format!("{}: {reason}", candidate.name())),
            }
        }
        if !reasons.is_empty() {
            let reasons = reasons.join("; ");
            report::note(format_args!(
                "--hwaccel {}: decoding on the processor instead; {reasons}",
                self.name()
            ));
        }
        Self::None
    }

    fn attempt(self, ffmpeg: &Program) -> Result<(), String> {
        let mut command = ffmpeg.command();
        command.args(["-loglevel", "error"]).args(self.trial());
        let mut process =
            Process::spawn(command.as_inner_mut(), |_| false).map_err(|error| error.to_string())?;
        if let Some(mut input) = process.stdin() {
            // One that has ended takes nothing; its last words say why.
            let _ = input.write_all(TRIAL);
        }
        process.end_within(LIMIT);
        process.finish().map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_needs_no_options_and_no_trial() {
        assert!(Hwaccel::None.options().is_empty() && Hwaccel::None.candidates().is_empty());
    }

    #[test]
    fn frames_come_back_into_memory_but_not_in_a_trial() {
        for (device, name) in [(Hwaccel::Cuda, "cuda"), (Hwaccel::Vaapi, "vaapi")] {
            assert_eq!(device.options(), ["-hwaccel", name]);
            let trial = device.trial().join(" ");
            assert!(
                trial.starts_with(&format!(
                    "-hwaccel {name} -hwaccel_output_format {name} -f h264 "
                )),
                "{trial}"
            );
            assert!(trial.contains(" -vf hwdownload,"), "{trial}");
            assert!(Hwaccel::Auto.candidates().contains(&device));
        }
    }
}
