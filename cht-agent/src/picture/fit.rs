//! Makes a picture of a file small enough, by ffmpeg.

use std::{
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process::ChildStdin,
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
const LARGEST: usize = 256 << 20;

/// A picture to work on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'a> {
    File(&'a Path),
    /// One that was decoded.
    Png(&'a [u8]),
}

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

    /// Returns a picture, whose size is `whole`, or a part of it, in at most `wanted`
    /// pixels and `bytes` bytes. The file itself if that is small enough.
    pub(crate) fn fit(
        &self,
        source: Source<'_>,
        whole: Size,
        crop: Option<Crop>,
        wanted: Size,
        bytes: usize,
    ) -> Result<Picture> {
        if let (Source::File(path), None, true) = (source, crop, wanted == whole) {
            let named = || path.display().to_string();
            let mut file = regular::open(path).with_context(named)?;
            let is_small = file.metadata().with_context(named)?.len() <= bytes as u64;
            if let Some(kind) = kind_of(path).filter(|_| is_small) {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).with_context(named)?;
                return Ok(Picture { bytes, kind, size: whole });
            }
        }
        let mut size = wanted;
        loop {
            for quality in QUALITIES {
                let made = self.make(source, crop, size, Format::Jpeg(quality))?;
                if made.len() <= bytes {
                    return Ok(Picture { bytes: made, kind: "image/jpeg", size });
                }
            }
            if size.width.max(size.height) < 64 {
                bail!("a picture cannot be made small enough for {bytes} bytes");
            }
            size = size.within(u32::MAX, size.pixels() / 2);
        }
    }

    /// Returns a picture, or a part of it, in this size and in the format of a file's name.
    pub(crate) fn convert(
        &self,
        source: Source<'_>,
        crop: Option<Crop>,
        size: Size,
        out: &Path,
    ) -> Result<Picture> {
        let kind = kind_of(out).filter(|kind| *kind != "image/webp");
        let kind =
            kind.with_context(|| format!("--out {}: must end in .png or .jpg", out.display()))?;
        let format = if kind == "image/png" { Format::Png } else { Format::Jpeg(QUALITIES[0]) };
        Ok(Picture { bytes: self.make(source, crop, size, format)?, kind, size })
    }

    fn make(
        &self,
        source: Source<'_>,
        crop: Option<Crop>,
        size: Size,
        format: Format,
    ) -> Result<Vec<u8>> {
        let crop = crop.map_or_else(String::new, |crop| {
            format!("crop={}:{}:{}:{}:exact=1,", crop.size.width, crop.size.height, crop.x, crop.y)
        });
        let filter = format!("{crop}scale={}:{}:flags=area", size.width, size.height);
        let mut command = self.program()?.command();
        let command = command.as_inner_mut();
        command.args(["-loglevel", "error", "-threads", "1"]);
        let input = match source {
            Source::File(path) => {
                regular::open(path).with_context(|| path.display().to_string())?;
                // A file, whatever its name looks like.
                let mut input = std::ffi::OsString::from("file:");
                input.push(path);
                command.arg("-i").arg(input);
                &[][..]
            }
            Source::Png(bytes) => {
                command.args(["-f", "png_pipe", "-i", "pipe:0"]);
                bytes
            }
        };
        command.args(["-vf", &filter, "-frames:v", "1"]);
        match format {
            Format::Png => command.args(["-c:v", "png", "-f", "image2pipe"]),
            Format::Jpeg(quality) => {
                command.args(["-pix_fmt", "yuvj420p", "-q:v", quality, "-f", "mjpeg"])
            }
        };
        command.args(["-threads", "1", "pipe:1"]);
        let made = run(command, |mut stdin| stdin.write_all(input));
        let named = || match source {
            Source::File(path) => path.display().to_string(),
            Source::Png(_) => "the decoded picture".to_owned(),
        };
        made.and_then(
            |made| if made.is_empty() { bail!("ffmpeg gave no picture") } else { Ok(made) },
        )
        .with_context(named)
    }
}

/// Format of a picture that is made.
#[derive(Debug, Clone, Copy)]
enum Format {
    Png,
    /// With a quality in ffmpeg's scale.
    Jpeg(&'static str),
}

/// Runs an ffmpeg, with its stdin from `feed`, and returns its output. An input that it does not
/// read to the end is no error.
pub(crate) fn run(
    command: &mut std::process::Command,
    feed: impl FnOnce(ChildStdin) -> io::Result<()> + Send,
) -> Result<Vec<u8>> {
    let mut process = Process::spawn(command, |_| false)?;
    let mut output = Vec::new();
    process.run_through(feed, |bytes| {
        output.extend_from_slice(bytes);
        if output.len() > LARGEST { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(()) }
    })?;
    process.end_within(LIMIT);
    match process.finish() {
        // Damage next to the picture.
        Err(_) if !output.is_empty() => Ok(output),
        done => Ok(done.map(|()| output)?),
    }
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
