//! The player's command line: the options that this ffplay supports, and the use of a GPU.

use std::path::Path;

use anyhow::{Context as _, Result};
use cht_core::process::ffmpeg::{ask as ask_program, parse_version};

use crate::args::{Args, Cuda};

/// Features of a version of ffplay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Abilities {
    /// `-hwaccel cuda`, from 7.0 on; on 5.1 and 6.x it is "Option not found".
    hwaccel: bool,
    /// NVIDIA's decoder for this codec (`h264_cuvid`).
    cuvid: bool,
}

/// Returns program and arguments of the player for a stream of `codec` (ffmpeg's name).
pub(crate) fn command(args: &Args, codec: Option<&str>) -> Result<Vec<String>> {
    if let Some(player) = &args.player {
        return Ok(vec!["sh".into(), "-c".into(), player.clone()]);
    }
    let ffplay = args.ffplay.to_str().context("--ffplay: the path is not UTF-8")?;
    let mut command = vec![ffplay.to_owned()];
    let mut add = |text: &str| command.extend(text.split(' ').map(str::to_owned));
    add("-hide_banner -loglevel error -autoexit");
    let (decoder, said) = decoder(args, codec)?;
    cht_core::process::report::note(said);
    if let Some(decoder) = decoder {
        add(&decoder);
    }
    // A small probe, and no frames held back for threads, for a live picture. An `-analyzeduration`
    // of 0 would mean 5 s; half a second waits for the first packet of sound, without which ffplay
    // would leave sound out. `nobuffer` would discard the probed keyframe.
    add("-flags low_delay -framedrop -probesize 500000 -fpsprobesize 0 -analyzeduration 500000");
    add("-window_title cht -f mpegts -i pipe:0");
    Ok(command)
}

/// Returns the option that makes ffplay decode on the GPU, and a message about it.
fn decoder(args: &Args, codec: Option<&str>) -> Result<(Option<String>, String)> {
    if args.cuda == Cuda::Off {
        return Ok((None, "decoding in software (--cuda off)".to_owned()));
    }
    let cuvid = cuvid_of(codec);
    let abilities = abilities(&args.ffplay, cuvid.as_deref())?;
    let present = args.cuda == Cuda::On || has_gpu();
    Ok(choose(present, abilities, cuvid))
}

/// Chooses the option. Pure.
fn choose(gpu: bool, can: Abilities, cuvid: Option<String>) -> (Option<String>, String) {
    match cuvid {
        _ if !gpu => (None, "decoding in software: no NVIDIA GPU here".to_owned()),
        _ if can.hwaccel => {
            (Some("-hwaccel cuda".to_owned()), "decoding on the GPU (-hwaccel cuda)".to_owned())
        }
        Some(cuvid) if can.cuvid => {
            let said = format!("decoding on the GPU ({cuvid})");
            (Some(format!("-vcodec {cuvid}")), said)
        }
        _ => (None, "decoding in software: this ffplay has no CUDA for this stream".to_owned()),
    }
}

/// Returns NVIDIA's decoder for a codec.
fn cuvid_of(codec: Option<&str>) -> Option<String> {
    let name = match codec? {
        "h264" => "h264",
        "hevc" => "hevc",
        "av1" => "av1",
        "mpeg1video" => "mpeg1",
        "mpeg2video" => "mpeg2",
        "mpeg4" => "mpeg4",
        "vc1" => "vc1",
        _ => return None,
    };
    Some(format!("{name}_cuvid"))
}

/// Asks ffplay itself for its features.
fn abilities(ffplay: &Path, cuvid: Option<&str>) -> Result<Abilities> {
    let ask = |option: &str| -> Result<String> {
        let output = ask_program(ffplay, &["-hide_banner", option]);
        let output = output.with_context(|| {
            format!(
                "{}: cannot be run; install ffmpeg (scripts/setup does), name it with --ffplay, \
                 or use --player or --stdout",
                ffplay.display()
            )
        })?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let version = ask("-version")?;
    let version = version.strip_prefix("ffplay version ").unwrap_or("");
    let decoders = ask("-decoders")?;
    let has = |name| decoders.lines().any(|line| line.split_whitespace().nth(1) == Some(name));
    Ok(Abilities { hwaccel: parse_version(version) >= (7, 0), cuvid: cuvid.is_some_and(has) })
}

/// Returns whether NVIDIA's driver has a device.
fn has_gpu() -> bool {
    std::fs::read_dir("/proc/driver/nvidia/gpus").is_ok_and(|mut gpus| gpus.next().is_some())
        || Path::new("/dev/nvidia0").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpu_option_follows_version_and_codec() {
        let old = Abilities { hwaccel: false, cuvid: true };
        let new = Abilities { hwaccel: true, cuvid: true };
        let plain = Abilities { hwaccel: false, cuvid: false };
        let option = |gpu, can, codec| choose(gpu, can, cuvid_of(Some(codec))).0;
        assert_eq!(option(true, old, "hevc").as_deref(), Some("-vcodec hevc_cuvid"));
        assert_eq!(option(true, new, "h264").as_deref(), Some("-hwaccel cuda"));
        assert_eq!(option(true, plain, "h264"), None);
        assert_eq!(option(true, old, "theora"), None);
        assert_eq!(option(false, new, "h264"), None);
    }
}
