//! Hardware decoders.

use std::path::Path;

use cht_core::process::ffmpeg;

use super::finding::Finding;

/// GPUs of the machine, and the decoders that ffmpeg was built with.
#[derive(Debug, Default)]
pub(crate) struct Gpu {
    has_nvidia: bool,
    has_render_node: bool,
    hwaccels: Vec<String>,
}

impl Gpu {
    pub(crate) fn look(path: &Path) -> Self {
        let asked = ffmpeg::ask(path, &["-hide_banner", "-hwaccels"]);
        let text = asked.map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
        let nvidia = ffmpeg::ask("nvidia-smi".as_ref(), &["-L"]);
        Self {
            has_nvidia: nvidia.is_ok_and(|it| it.status.success() && !it.stdout.is_empty()),
            has_render_node: Path::new("/dev/dri/renderD128").exists(),
            hwaccels: text.unwrap_or_default().lines().skip(1).map(str::to_owned).collect(),
        }
    }

    pub(crate) fn judge(&self) -> Finding {
        let has = |name: &str| self.hwaccels.iter().any(|it| it == name);
        let (name, decoder) = match (self.has_nvidia, self.has_render_node) {
            (true, _) => ("NVIDIA", "cuda"),
            (false, true) => ("one with VA-API", "vaapi"),
            (false, false) => return Finding::fine("GPU", "none; the CPU decodes"),
        };
        if has(decoder) {
            return Finding::fine("GPU", format!("{name}; use it with cht-scenes --hwaccel auto"));
        }
        let text = format!("{name}, and this ffmpeg has no {decoder}; the CPU decodes");
        Finding::limited("GPU", text, format!("use an ffmpeg that was built with {decoder}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::finding::State, *};

    #[test]
    fn gpu_without_a_decoder_is_limited() {
        assert_eq!(Gpu::default().judge().state, State::Fine);
        let nvidia = |hwaccels: &[&str]| {
            let hwaccels = hwaccels.iter().map(|&it| it.to_owned()).collect();
            Gpu { has_nvidia: true, has_render_node: true, hwaccels }.judge()
        };
        assert_eq!(nvidia(&["vaapi"]).state, State::Limited);
        assert_eq!(nvidia(&["cuda"]).state, State::Fine);
        let node = Gpu { has_render_node: true, ..Gpu::default() }.judge();
        assert!(node.state == State::Limited && node.text.contains("no vaapi"));
    }
}
