//! Makes a picture of a file small enough, by ffmpeg.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    process::ffmpeg::{Process, Program},
    storage::regular,
};

use super::size::{Crop, Size};

/// Qualities of JPEG in ffmpeg's scale, the best first.
const QUALITIES: [&str; 3] = ["3", "7", "14"];

/// Longest time for one picture.
const LIMIT: Duration = Duration::from_secs(30);

/// Largest file of a picture that is read, in bytes.
const LARGEST: u64 = 256 << 20;

/// A picture to hand out.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    pub bytes: Vec<u8>,
    /// Media type: `image/jpeg`.
    pub kind: &'static str,
    pub size: Size,
}

/// Makes pictures.
#[derive(Debug)]
pub(crate) struct Painter {
    ffmpeg: PathBuf,
    found: OnceLock<Program>,
}

impl Painter {
    /// Makes pictures by the ffmpeg at a path.
    pub(crate) fn new(ffmpeg: PathBuf) -> Self {
        Self { ffmpeg, found: OnceLock::new() }
    }

    /// Returns ffmpeg.
    pub(crate) fn program(&self) -> Result<&Program> {
        if let Some(found) = self.found.get() {
            return Ok(found);
        }
        let found = Program::find(&self.ffmpeg)?;
        Ok(self.found.get_or_init(|| found))
    }

    /// Returns the picture at `path`, whose size is `whole`, or a part of it, in at most `wanted`
    /// pixels and `bytes` bytes. The file itself if that is small enough.
    pub(crate) fn fit(
        &self,
        path: &Path,
        whole: Size,
        crop: Option<Crop>,
        wanted: Size,
        bytes: usize,
    ) -> Result<Picture> {
        let named = || path.display().to_string();
        let mut file = regular::open(path).with_context(named)?;
        let length = file.metadata().with_context(named)?.len();
        let is_as_wanted = crop.is_none() && wanted == whole && length <= bytes as u64;
        if let Some(kind) = kind_of(path).filter(|_| is_as_wanted) {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).with_context(named)?;
            return Ok(Picture { bytes, kind, size: whole });
        }
        let mut size = wanted;
        loop {
            for quality in QUALITIES {
                let made = self.make(path, crop, size, quality)?;
                if made.len() <= bytes {
                    return Ok(Picture { bytes: made, kind: "image/jpeg", size });
                }
            }
            if size.width.max(size.height) < 64 {
                bail!("{}: cannot be made small enough for {bytes} bytes", path.display());
            }
            size = size.within(u32::MAX, size.pixels() / 2);
        }
    }

    fn make(&self, path: &Path, crop: Option<Crop>, size: Size, quality: &str) -> Result<Vec<u8>> {
        let crop = crop.map_or_else(String::new, |crop| {
            format!("crop={}:{}:{}:{}:exact=1,", crop.size.width, crop.size.height, crop.x, crop.y)
        });
        let filter = format!("{crop}scale={}:{}:flags=area", size.width, size.height);
        // A file, whatever its name looks like.
        let mut input = std::ffi::OsString::from("file:");
        input.push(path);
        let mut command = self.program()?.command();
        let command = command.as_inner_mut();
        command.args(["-loglevel", "error", "-threads", "1", "-i"]).arg(input);
        command.args(["-vf", &filter, "-frames:v", "1", "-pix_fmt", "yuvj420p"]);
        command.args(["-q:v", quality, "-f", "mjpeg", "-threads", "1", "pipe:1"]);
        run(command).with_context(|| path.display().to_string())
    }
}

/// Runs an ffmpeg that reads files only, and returns its output.
pub(crate) fn run(command: &mut std::process::Command) -> Result<Vec<u8>> {
    let mut process = Process::spawn(command, |_| false)?;
    drop(process.stdin());
    let mut output = Vec::new();
    if let Some(stdout) = process.stdout() {
        stdout.take(LARGEST).read_to_end(&mut output)?;
    }
    process.end_within(LIMIT);
    process.finish()?;
    if output.is_empty() {
        bail!("ffmpeg gave no picture");
    }
    Ok(output)
}

/// Returns the media type of a file that models read as it is.
pub(crate) fn kind_of(path: &Path) -> Option<&'static str> {
    match path.extension()?.to_str()? {
        "jpg" | "jpeg" => Some("image/jpeg"),
        "png" => Some("image/png"),
        "webp" => Some("image/webp"),
        _ => None,
    }
}
