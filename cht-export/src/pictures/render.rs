//! Runs ffmpeg on kept pictures.

use std::{fmt::Write as _, io::Write as _, path::Path};

use anyhow::{Result, bail};
use cht_core::event::Frame;

use crate::ffmpeg::Ffmpeg;

/// A picture, with a text for filters and a duration in seconds.
#[derive(Debug, Clone)]
pub(super) struct Shot<'a> {
    pub frame: &'a Frame,
    pub text: String,
    pub lasts: f64,
}

impl<'a> Shot<'a> {
    pub(super) fn of(frame: &'a Frame, text: String, lasts: f64) -> Self {
        Self { frame, text, lasts }
    }
}

/// Size of each picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub width: u32,
    pub height: u32,
}

impl Cell {
    /// Returns the size of a width, in the shape of `frame`.
    pub(super) fn of(frame: &Frame, width: u32) -> Self {
        let height = u64::from(width) * u64::from(frame.height) / u64::from(frame.width.max(1));
        // Encoders of colour in half of the samples need even numbers.
        let even = |length: u64| (length.clamp(2, 16_000) as u32).next_multiple_of(2);
        Self { width: even(width.into()), height: even(height) }
    }

    /// Returns the filter that gives a picture of any shape this size.
    pub(super) fn fitted(self) -> String {
        let Self { width, height } = self;
        format!(
            "scale={width}:{height}:force_original_aspect_ratio=decrease:flags=area,format=yuvj420p,\
             pad={width}:{height}:(ow-iw)/2:(oh-ih)/2:0x101010,setsar=1"
        )
    }
}

/// Returns what `encoder` makes of pictures that `filter` has joined.
pub(super) fn render(
    ffmpeg: &Ffmpeg,
    shots: &[Shot<'_>],
    filter: &str,
    encoder: &[&str],
) -> Result<Vec<u8>> {
    let folder = shots.first().and_then(|shot| Path::new(&shot.frame.path).parent());
    let script = script(shots, folder);
    let mut command = ffmpeg.command();
    // Folders of any name: the script has only the names of the pictures in it.
    command.current_dir(folder.unwrap_or(Path::new(".")));
    // Pictures of another size go through the same filters.
    command.args(["-loglevel", "error", "-reinit_filter", "0", "-f", "concat", "-safe", "0"]);
    command.args(["-protocol_whitelist", "file,pipe", "-i", "pipe:0", "-vf", filter]);
    command.args(ffmpeg.passthrough()).args(encoder).arg("pipe:1");
    let mut process = ffmpeg.start(&command)?;
    let mut made = Vec::new();
    process.run_through(
        |mut stdin| stdin.write_all(script.as_bytes()),
        |bytes| {
            made.extend_from_slice(bytes);
            Ok(())
        },
    )?;
    process.finish()?;
    if made.is_empty() {
        bail!("ffmpeg made nothing of the pictures");
    }
    Ok(made)
}

/// Returns the script of ffmpeg's `concat` demuxer that shows the pictures one after another, those
/// in `folder` by their names.
fn script(shots: &[Shot<'_>], folder: Option<&Path>) -> String {
    let mut script = String::from("ffconcat version 1.0\n");
    for Shot { frame, text, lasts } in shots {
        let path = Path::new(&frame.path);
        let name = path.file_name().filter(|_| path.parent() == folder);
        let path = name.unwrap_or(path.as_os_str()).to_string_lossy();
        let _ = writeln!(script, "file 'file:{}'\noption pattern_type none", quoted(&path));
        let _ = writeln!(script, "duration {lasts}");
        if !text.is_empty() {
            let _ = writeln!(script, "file_packet_meta text '{}'", quoted(text));
        }
    }
    script
}

/// Returns text for a place between single quotes.
fn quoted(text: &str) -> String {
    text.replace('\'', "'\\''")
}
