//! Chooses a hardware decoder that works (`--hwaccel`), or the processor.
//!
//! Only a trial shows whether a device works: its driver may be missing, the device taken or
//! forbidden. So each candidate decodes a picture at the start. Frames are copied back into memory,
//! so the rest of the program is the same for all devices.

use std::{io::Write as _, time::Duration};

use cht_core::process::{
    ffmpeg::{Process, Program},
    report,
};
use clap::ValueEnum;

/// Keyframe of H.264, 256×256 pixels.
const TRIAL: &[u8] = include_bytes!("trial.h264");

/// Longest time that a working driver takes for one picture.
const LIMIT: Duration = Duration::from_secs(20);

/// Selects the device that decodes.
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
    /// Returns the devices to try, in order.
    fn candidates(self) -> &'static [Self] {
        match self {
            Self::None => &[],
            Self::Auto => &[Self::Cuda, Self::Vaapi],
            Self::Cuda => &[Self::Cuda],
            Self::Vaapi => &[Self::Vaapi],
        }
    }

    /// Returns the name on our command line and on ffmpeg's.
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Auto => "auto",
            Self::Cuda => "cuda",
            Self::Vaapi => "vaapi",
        }
    }

    /// Returns ffmpeg's options before its input. Without an output format, frames are copied back
    /// into memory.
    pub(crate) fn options(self) -> Vec<&'static str> {
        match self {
            Self::None | Self::Auto => Vec::new(),
            Self::Cuda | Self::Vaapi => vec!["-hwaccel", self.name()],
        }
    }

    /// Returns the options for the trial. In it, frames must come from the device, because ffmpeg
    /// would silently fall back to the processor.
    fn trial(self) -> Vec<&'static str> {
        let mut options = self.options();
        options.extend(["-hwaccel_output_format", self.name(), "-f", "h264", "-i", "pipe:0"]);
        options.extend(["-vf", "hwdownload,format=nv12", "-f", "null", "-"]);
        options
    }

    /// Returns the first candidate that works, and reports why the others do not.
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
            // A process that has ended takes no input; its last messages say why.
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
    fn processor_has_no_options_and_no_trial() {
        assert!(Hwaccel::None.options().is_empty() && Hwaccel::None.candidates().is_empty());
    }

    #[test]
    fn device_frames_are_copied_to_memory_except_in_trial() {
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
