//! Chooses how ffplay decodes, by what the program and the machine have. Pure.
//!
//! ffplay decodes on a GPU in two ways. From 7.0 on it has `-hwaccel`, which needs its Vulkan renderer,
//! and that is there only if it was built with libplacebo. Before, `-vcodec` names one of NVIDIA's
//! own decoders, which follow from the codec of the stream.

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
