//! Chooses how ffplay decodes, by what the program and the machine have. Pure.
//!
//! ffplay decodes on a GPU in two ways. From 7.0 on it has `-hwaccel`, which needs its Vulkan
//! renderer, and that is there only if it was built with libplacebo. Before, `-vcodec` names one of
//! NVIDIA's own decoders, which follow from the codec of the stream.

use crate::args::Hwaccel;

/// What ffplay says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Probed {
    /// Version, in its own notation.
    pub version: String,
    /// Whether it has the option `-hwaccel`.
    pub has_hwaccel: bool,
    /// Whether it was built with a Vulkan renderer.
    pub has_renderer: bool,
    /// Its decoders.
    pub decoders: Vec<String>,
}

/// GPUs of the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Devices {
    /// NVIDIA's driver has a device.
    pub nvidia: bool,
    /// The kernel has a render node: `/dev/dri/renderD128`.
    pub render: bool,
}

/// A way to decode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Options for ffplay.
    pub options: Vec<String>,
    /// The choice and its reason, for people.
    pub why: String,
    pub is_hardware: bool,
}

impl Probed {
    /// Reads the output of `-version`, `-h` and `-decoders`.
    pub(crate) fn of(version: &str, help: &str, decoders: &str) -> Self {
        let first = version.lines().next().unwrap_or_default();
        let name = first.split_whitespace().nth(2).unwrap_or("of an unknown version");
        let is_decoder = |line: &&str| line.starts_with(" V") && !line.contains(" = ");
        let decoders = decoders.lines().filter(is_decoder);
        Self {
            version: name.to_owned(),
            has_hwaccel: help.lines().any(|line| line.trim_start().starts_with("-hwaccel ")),
            has_renderer: version.contains("--enable-libplacebo"),
            decoders: decoders
                .filter_map(|it| Some(it.split_whitespace().nth(1)?.into()))
                .collect(),
        }
    }
}

/// Returns the ways to decode a stream of `codec` (ffmpeg's name), best first; the last one is in
/// software.
pub(crate) fn choices(
    wanted: Hwaccel,
    ffplay: &Probed,
    devices: Devices,
    codec: Option<&str>,
) -> Vec<Choice> {
    let kinds = [
        (Hwaccel::Cuda, devices.nvidia, "NVIDIA's GPU"),
        (Hwaccel::Vaapi, devices.render, "the GPU by VAAPI"),
        (Hwaccel::Vulkan, devices.render || devices.nvidia, "the GPU by Vulkan"),
    ];
    let asked = |kind, is_there| wanted == kind || (wanted == Hwaccel::Auto && is_there);
    let kinds = kinds.into_iter().filter(|(kind, is_there, _)| asked(*kind, *is_there));
    let mut choices: Vec<Choice> = kinds
        .filter_map(|(kind, _, place)| {
            let options = options(kind, ffplay, codec)?;
            let why = format!("decoding on {place} ({})", options.join(" "));
            Some(Choice { options, why, is_hardware: true })
        })
        .collect();
    let reason = if choices.is_empty() {
        why_software(wanted, ffplay, devices, codec)
    } else {
        "the GPU refuses this stream".to_owned()
    };
    let why = format!("decoding in software: {reason}");
    choices.push(Choice { options: Vec::new(), why, is_hardware: false });
    choices
}

/// Returns the options that make this ffplay use a kind of GPU, if it can.
fn options(kind: Hwaccel, ffplay: &Probed, codec: Option<&str>) -> Option<Vec<String>> {
    if ffplay.has_hwaccel && ffplay.has_renderer {
        let name = match kind {
            Hwaccel::Cuda => "cuda",
            Hwaccel::Vaapi => "vaapi",
            Hwaccel::Vulkan => "vulkan",
            Hwaccel::Auto | Hwaccel::None => return None,
        };
        return Some(["-hwaccel", name].map(str::to_owned).into());
    }
    if kind != Hwaccel::Cuda {
        return None;
    }
    let cuvid = format!("{}_cuvid", cuvid_name(codec?)?);
    let is_there = ffplay.decoders.contains(&cuvid);
    is_there.then(|| vec!["-vcodec".to_owned(), cuvid])
}

/// Returns the name of a codec in NVIDIA's decoders.
fn cuvid_name(codec: &str) -> Option<&'static str> {
    Some(match codec {
        "h264" => "h264",
        "hevc" => "hevc",
        "av1" => "av1",
        "mpeg1video" => "mpeg1",
        "mpeg2video" => "mpeg2",
        "mpeg4" => "mpeg4",
        "vc1" => "vc1",
        _ => return None,
    })
}

fn why_software(wanted: Hwaccel, ffplay: &Probed, devices: Devices, codec: Option<&str>) -> String {
    let version = &ffplay.version;
    match wanted {
        Hwaccel::None => "--hwaccel none".to_owned(),
        _ if codec.is_none() => "there is no video".to_owned(),
        Hwaccel::Auto if devices == Devices::default() => {
            "no GPU here (neither /dev/nvidia0 nor /dev/dri/renderD*)".to_owned()
        }
        _ if !ffplay.has_hwaccel && wanted != Hwaccel::Cuda && !devices.nvidia => {
            format!("ffplay {version} reaches VAAPI and Vulkan from 7.0 on")
        }
        _ if ffplay.has_hwaccel && !ffplay.has_renderer => {
            format!("ffplay {version} was built without a Vulkan renderer (libplacebo)")
        }
        _ => format!("ffplay {version} has no such decoder for {}", codec.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads outputs of ffplay; each file begins with their origin.
    fn ffplay(text: &str) -> Probed {
        let section = |name: &str| {
            let begin = text.split(&format!("== {name}\n")).nth(1).unwrap();
            begin.split("\n== ").next().unwrap().to_owned()
        };
        Probed::of(&section("-version"), &section("-h"), &section("-decoders"))
    }

    fn debian_5() -> Probed {
        ffplay(include_str!("../ffplay/5.1.9.txt"))
    }

    const BOTH: Devices = Devices { nvidia: true, render: true };
    const INTEL: Devices = Devices { nvidia: false, render: true };
    const NONE: Devices = Devices { nvidia: false, render: false };

    /// Options of the ways to decode, in order; the last one must be in software.
    fn ways(wanted: Hwaccel, ffplay: &Probed, devices: Devices, codec: &str) -> Vec<String> {
        let choices = choices(wanted, ffplay, devices, Some(codec));
        let (software, hardware) = choices.split_last().unwrap();
        assert!(!software.is_hardware && software.options.is_empty());
        assert!(hardware.iter().all(|choice| choice.is_hardware && !choice.options.is_empty()));
        hardware.iter().map(|choice| choice.options.join(" ")).collect()
    }

    fn reason(wanted: Hwaccel, ffplay: &Probed, devices: Devices, codec: Option<&str>) -> String {
        choices(wanted, ffplay, devices, codec).pop().unwrap().why
    }

    #[test]
    fn outputs_are_read() {
        let old = debian_5();
        assert_eq!(old.version, "5.1.9-0+deb12u1");
        assert!(!old.has_hwaccel);
        assert!(old.decoders.contains(&"hevc_cuvid".to_owned()), "{:?}", old.decoders);
        assert!(!old.decoders.contains(&"=".to_owned()), "{:?}", old.decoders);
    }

    #[test]
    fn ffplay_before_7_decodes_by_codec_on_nvidia_alone() {
        for old in [debian_5(), ffplay(include_str!("../ffplay/6.1.1.txt"))] {
            for (codec, decoder) in [
                ("h264", "h264_cuvid"),
                ("hevc", "hevc_cuvid"),
                ("av1", "av1_cuvid"),
                ("mpeg2video", "mpeg2_cuvid"),
            ] {
                let ways = ways(Hwaccel::Auto, &old, BOTH, codec);
                assert_eq!(ways, [format!("-vcodec {decoder}")]);
            }
            assert!(ways(Hwaccel::Auto, &old, BOTH, "theora").is_empty());
            assert!(ways(Hwaccel::Auto, &old, INTEL, "h264").is_empty());
            let why = reason(Hwaccel::Auto, &old, INTEL, Some("h264"));
            assert!(why.ends_with("reaches VAAPI and Vulkan from 7.0 on"), "{why}");
            // Even where no device was found.
            assert_eq!(ways(Hwaccel::Cuda, &old, NONE, "h264"), ["-vcodec h264_cuvid"]);
        }
    }

    #[test]
    fn ffplay_from_7_uses_hwaccel_with_its_renderer() {
        for text in [
            include_str!("../ffplay/7.1.5.txt"),
            include_str!("../ffplay/8.0.txt"),
            include_str!("../ffplay/9.0.2.txt"),
        ] {
            let new = ffplay(text);
            let auto = |devices| ways(Hwaccel::Auto, &new, devices, "h264");
            assert_eq!(auto(BOTH), ["-hwaccel cuda", "-hwaccel vaapi", "-hwaccel vulkan"]);
            assert_eq!(auto(INTEL), ["-hwaccel vaapi", "-hwaccel vulkan"]);
            assert!(auto(NONE).is_empty());
            assert_eq!(ways(Hwaccel::Vulkan, &new, NONE, "h264"), ["-hwaccel vulkan"]);
            assert!(ways(Hwaccel::None, &new, BOTH, "h264").is_empty());
        }
    }

    #[test]
    fn ffplay_without_renderer_falls_back_to_named_decoders() {
        let plain = ffplay(include_str!("../ffplay/7.1.1-plain.txt"));
        assert!(plain.has_hwaccel && ways(Hwaccel::Auto, &plain, BOTH, "h264").is_empty());
        let why = reason(Hwaccel::Auto, &plain, BOTH, Some("h264"));
        assert!(why.contains("7.1.1 was built without a Vulkan renderer"), "{why}");
        let with_cuvid = Probed { decoders: debian_5().decoders, ..plain };
        assert_eq!(ways(Hwaccel::Auto, &with_cuvid, BOTH, "hevc"), ["-vcodec hevc_cuvid"]);
    }

    #[test]
    fn reason_for_software_is_told() {
        let old = debian_5();
        let why = |wanted, devices, codec| reason(wanted, &old, devices, codec);
        assert!(why(Hwaccel::Auto, NONE, Some("h264")).contains("no GPU here"));
        assert!(why(Hwaccel::None, BOTH, Some("h264")).contains("--hwaccel none"));
        assert!(why(Hwaccel::Auto, BOTH, None).contains("there is no video"));
        assert!(why(Hwaccel::Auto, BOTH, Some("theora")).contains("no such decoder for theora"));
        assert!(why(Hwaccel::Auto, BOTH, Some("h264")).contains("the GPU refuses"));
    }
}
