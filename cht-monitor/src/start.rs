//! The player's command line: its options for a live picture, and its use of a GPU.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use cht_core::{live::Summary, process::ffmpeg::ask as ask_program};

use crate::{
    args::{Args, Hwaccel},
    decoder::{self, Choice, Devices, Probed},
};

/// A way to start the player.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Start {
    /// Program and arguments.
    pub command: Vec<String>,
    /// How it decodes and why, for people; empty if that is the player's affair.
    pub why: String,
    /// Whether it may fail because of the GPU.
    pub is_hardware: bool,
    /// Whether it tells its position on stderr.
    pub tells: bool,
}

/// Options of ffplay for a live picture. `-stats` tells its position. A small probe, and no frames
/// held back for threads. An `-analyzeduration` of 0 would mean 5 s; half a second waits for the
/// first packet of sound, without which ffplay would leave sound out. `nobuffer` would discard the
/// probed keyframe.
const FFPLAY: &str = "-hide_banner -loglevel error -stats -autoexit";
const FFPLAY_INPUT: &str = "-flags low_delay -framedrop -probesize 500000 -fpsprobesize 0 \
                            -analyzeduration 500000 -window_title cht -f mpegts -i pipe:0";

/// Word before the position in mpv's line of state.
pub(crate) const POSITION: &str = "position";

/// The ways to start the player that the command line names.
pub(crate) struct Starts<'a> {
    args: &'a Args,
    /// Features of ffplay, asked for once.
    probed: Option<Probed>,
    /// Number of ways that failed.
    failed: usize,
    /// Whether another way follows the current one.
    has_more: bool,
}

impl<'a> Starts<'a> {
    pub(crate) fn new(args: &'a Args) -> Self {
        Self { args, probed: None, failed: 0, has_more: false }
    }

    /// Fails if there is no place for a window: SDL would show the picture to nobody.
    pub(crate) fn check_display(&self) -> Result<()> {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let names = ["DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"];
        // On a console the player draws on the device itself.
        if !self.args.plays_by_name() || names.into_iter().any(is_set) || has_device("card") {
            return Ok(());
        }
        bail!(
            "no display: neither DISPLAY nor WAYLAND_DISPLAY is set; name one, or watch elsewhere by \
             --http, --fifo or --stdout"
        );
    }

    /// Asks the player for its features beforehand: that takes a moment. Fails if it cannot be run.
    pub(crate) fn prepare(&mut self) -> Result<()> {
        let is_ffplay = self.args.player.as_ref().is_none_or(|player| player == "ffplay");
        if is_ffplay && self.probed.is_none() {
            self.probed = Some(probe(&self.args.ffplay)?);
        }
        Ok(())
    }

    /// Returns the best way that has not failed for this stream.
    pub(crate) fn of(&mut self, stream: &Summary) -> Result<Start> {
        self.prepare()?;
        if let Some(player) = &self.args.player
            && player != "ffplay"
        {
            return Ok(other(player, self.args.hwaccel));
        }
        let codec = stream.video.map(|(_, codec)| codec.as_str());
        let probed = self.probed.clone().unwrap_or_default();
        let choices = decoder::choices(self.args.hwaccel, &probed, devices(), codec);
        let at = self.failed.min(choices.len() - 1);
        self.has_more = at + 1 < choices.len();
        let ffplay = self.args.ffplay.to_str().context("--ffplay: the path is not UTF-8")?;
        Ok(with_choice(ffplay, &choices[at]))
    }

    /// Leaves the current way out from now on. Returns whether there is another.
    pub(crate) fn fall_back(&mut self) -> bool {
        self.failed += 1;
        self.has_more
    }
}

impl Start {
    /// Returns the command, quoted for a shell.
    pub(crate) fn shell(&self) -> String {
        let quote = |word: &String| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=%@+,".contains(c);
            if !word.is_empty() && word.chars().all(plain) {
                word.clone()
            } else {
                format!("'{}'", word.replace('\'', r"'\''"))
            }
        };
        self.command.iter().map(quote).collect::<Vec<_>>().join(" ")
    }
}

fn with_choice(ffplay: &str, choice: &Choice) -> Start {
    let mut command = vec![ffplay.to_owned()];
    command.extend(FFPLAY.split(' ').map(str::to_owned));
    command.extend(choice.options.iter().cloned());
    command.extend(FFPLAY_INPUT.split_whitespace().map(str::to_owned));
    Start { command, why: choice.why.clone(), is_hardware: choice.is_hardware, tells: true }
}

/// Returns the start of a player other than ffplay. They look for a GPU, and fall back, by
/// themselves.
fn other(player: &str, hwaccel: Hwaccel) -> Start {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let command = match player {
        "mpv" => {
            let decoder = match hwaccel {
                Hwaccel::Auto => "auto-safe",
                Hwaccel::None => "no",
                Hwaccel::Cuda => "nvdec",
                Hwaccel::Vaapi => "vaapi",
                Hwaccel::Vulkan => "vulkan",
            };
            let mut command = words("mpv --profile=low-latency --title=cht");
            command.extend(words("--msg-level=all=error,statusline=status --rebase-start-time=no"));
            command.push(format!("--term-status-msg={POSITION} ${{=time-pos/full}} "));
            command.extend([format!("--hwdec={decoder}"), "-".to_owned()]);
            return Start { command, why: String::new(), is_hardware: false, tells: true };
        }
        "vlc" => {
            let decoder = match hwaccel {
                Hwaccel::None => "none",
                Hwaccel::Vaapi => "vaapi",
                _ => "any",
            };
            let options = "vlc --intf=qt,dummy --quiet --play-and-exit --no-video-title-show --file-caching=100";
            format!("{options} --avcodec-hw={decoder} --demux=ts -")
        }
        _ => {
            let command = vec!["sh".into(), "-c".into(), player.to_owned()];
            return Start { command, why: String::new(), is_hardware: false, tells: false };
        }
    };
    let command = words(&command);
    Start { command, why: String::new(), is_hardware: false, tells: false }
}

/// Asks ffplay for its features.
fn probe(ffplay: &Path) -> Result<Probed> {
    let ask = |options: &[&str]| -> Result<String> {
        let output = ask_program(ffplay, options).with_context(|| {
            format!(
                "{}: cannot be run; install ffmpeg (scripts/setup does), name it with --ffplay, \
                 or use --player or --stdout",
                ffplay.display()
            )
        })?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let version = ask(&["-version"])?;
    let help = ask(&["-hide_banner", "-h"])?;
    let decoders = ask(&["-hide_banner", "-decoders"])?;
    Ok(Probed::of(&version, &help, &decoders))
}

/// Looks for GPUs.
fn devices() -> Devices {
    // WSL has no device node of NVIDIA's driver.
    let nvidia = ["/dev/nvidia0", "/dev/dxg"].iter().any(|path| Path::new(path).exists());
    Devices { nvidia, render: has_device("renderD") }
}

/// Returns whether the kernel has a graphics device with this prefix.
fn has_device(prefix: &str) -> bool {
    let entries = std::fs::read_dir("/dev/dri").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .any(|it| it.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_command_can_be_pasted() {
        let start = other("mpv 'a b' -", Hwaccel::Auto);
        assert_eq!(start.shell(), r"sh -c 'mpv '\''a b'\'' -'");
        assert!(other("mpv", Hwaccel::None).shell().ends_with(" --hwdec=no -"));
    }
}
