//! Writes the streams of a clip as a file, by ffmpeg.

use std::{
    fs::File,
    io,
    os::fd::AsRawFd as _,
    path::Path,
    process::{self, ChildStdin, Command},
};

use anyhow::{Context as _, Result, bail};
use cht_core::{process::ffmpeg::FfmpegError, storage::durable};
use cht_ts::{
    Codec,
    time::{TICKS_PER_SECOND, seconds},
};

use rustix::fs::{MemfdFlags, memfd_create};

use super::track::BEGIN;
use crate::{ffmpeg::Ffmpeg, output};

/// Largest error of the times in a clip, in seconds.
const MOST_OFF: f64 = 0.05;

/// Advice where ffmpeg refuses streams for a container.
const DAMAGED: &str = "damaged sound fits into .ts";

/// Reason where ffmpeg refuses video that nothing can decode.
const NO_SETS: &str = "the recording has no parameter sets for the video there";

/// Format of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    Ts,
    Mp4,
    Matroska,
}

impl Container {
    /// Returns the container that a file's name asks for.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        Ok(match &*extension {
            "ts" | "m2ts" | "mts" => Self::Ts,
            "mp4" | "m4v" | "mov" => Self::Mp4,
            "mkv" => Self::Matroska,
            _ => bail!("{}: name it .ts, .mp4 or .mkv, which is its format", path.display()),
        })
    }

    /// Tells whether it can hold a stream of this codec as it is.
    pub(crate) fn takes(self, codec: Codec) -> bool {
        match self {
            Self::Ts => true,
            Self::Mp4 => !matches!(codec, Codec::AacLatm | Codec::S302m | Codec::TrueHd),
            Self::Matroska => !matches!(codec, Codec::AacLatm | Codec::S302m),
        }
    }

    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Ts => &["-f", "mpegts"],
            Self::Mp4 => &["-f", "mp4", "-movflags", "+faststart"],
            Self::Matroska => &["-f", "matroska"],
        }
    }
}

/// A sound of a clip.
#[derive(Debug)]
pub(crate) struct Sound {
    /// Its frames, from the beginning of the clip on, as a transport stream: NUT takes E-AC-3 for
    /// AC-3.
    file: File,
    language: Option<String>,
}

/// The video of a clip.
pub(crate) struct Video<W> {
    pub codec: Codec,
    /// Whether the recording has parameter sets for all of it.
    pub has_sets: bool,
    /// Writes it as a transport stream on the clip's clock.
    pub write: W,
    /// Ticks from its first picture to its last.
    pub length: i64,
    /// Ticks for which its last picture is shown.
    pub last: i64,
}

/// Writes a clip into the file `out`, and compares the times in it. Returns the number of its
/// pictures.
pub(crate) fn write<W>(
    ffmpeg: &Ffmpeg,
    video: Video<W>,
    sounds: &[Sound],
    container: Container,
    out: &File,
) -> Result<usize>
where
    W: FnOnce(ChildStdin) -> Result<()> + Send,
{
    let mut command = ffmpeg.command();
    command.args(["-y", "-loglevel", "error", "-copyts"]);
    let offset = format!("-{}", BEGIN / TICKS_PER_SECOND);
    command.args(["-itsoffset", &offset, "-f", "mpegts", "-i", "pipe:0"]);
    for sound in sounds {
        command.args(["-f", "mpegts", "-i", &path_of(&sound.file)]);
    }
    for n in 0..=sounds.len() {
        command.args(["-map", &n.to_string()]);
    }
    for (n, language) in
        sounds.iter().enumerate().filter_map(|(n, it)| Some((n, it.language.as_ref()?)))
    {
        command.args([format!("-metadata:s:a:{n}"), format!("language={language}")]);
    }
    command.args(["-c", "copy"]);
    // A transport stream does not say how long its last picture lasts, and MP4 has to.
    let last = format!("setts=pts=PTS:dts=DTS:duration={}/TB", seconds(video.last));
    command.args(["-bsf:v", &last]);
    if video.codec == Codec::Hevc && container == Container::Mp4 {
        // Parameter sets may change within the stream.
        command.args(["-tag:v", "hev1"]);
    }
    command.args(container.options()).arg(path_of(out));
    let mut process = ffmpeg.start(&command)?;
    let (mut failed, write) = (None, video.write);
    process.run_through(
        |stdin| {
            failed = write(stdin).err();
            Ok(())
        },
        |_| Ok(()),
    )?;
    if let Some(error) = failed.filter(|error| !is_broken_pipe(error)) {
        return Err(error);
    }
    let ended = process.finish();
    let times = if ended.is_ok() { times_in(ffmpeg, out)? } else { Vec::new() };
    let length = length_of(&times);
    let wanted = seconds(video.length);
    // It does not always say when it could not write.
    if length.is_none_or(|length| (length - wanted).abs() > MOST_OFF) {
        output::refused(out)?;
        let hint = match container {
            _ if !video.has_sets => NO_SETS,
            Container::Mp4 | Container::Matroska if !sounds.is_empty() => DAMAGED,
            _ => "try another with --ffmpeg",
        };
        ended.context(hint)?;
        bail!("ffmpeg wrote {:.3} of {wanted:.3} s; {hint}", length.unwrap_or(0.0));
    }
    Ok(times.len())
}

/// Returns the times of the pictures in a file, in seconds.
fn times_in(ffmpeg: &Ffmpeg, file: &File) -> Result<Vec<f64>> {
    let mut command = ffmpeg.command();
    command.args(["-loglevel", "fatal", "-i", &path_of(file), "-map", "0:v:0", "-c", "copy"]);
    command.args(["-f", "framecrc", "pipe:1"]);
    Ok(frames(ffmpeg, &command, |_| Ok(()))?.1.times)
}

/// Returns the seconds from the first time to the last.
fn length_of(times: &[f64]) -> Option<f64> {
    let first = times.iter().copied().reduce(f64::min)?;
    times.iter().copied().reduce(f64::max).map(|last| last - first)
}

/// Packets that ffmpeg printed.
#[derive(Debug, Default)]
struct Printed {
    /// In seconds.
    times: Vec<f64>,
    /// Together, in bytes.
    size: u64,
}

/// Runs an ffmpeg that prints packets (`framecrc`). Returns how it ended, and the packets.
fn frames(
    ffmpeg: &Ffmpeg,
    command: &Command,
    feed: impl FnOnce(ChildStdin) -> io::Result<()> + Send,
) -> Result<(Result<(), FfmpegError>, Printed)> {
    let mut process = ffmpeg.start(command)?;
    let mut printed = Vec::new();
    process.run_through(feed, |bytes| {
        printed.extend_from_slice(bytes);
        Ok(())
    })?;
    let printed = String::from_utf8_lossy(&printed).into_owned();
    let base = printed.lines().find_map(|line| line.strip_prefix("#tb 0: "));
    let base = base.and_then(|base| {
        let (units, per_second) = base.split_once('/')?;
        Some(units.parse::<f64>().ok()? / per_second.parse::<f64>().ok()?)
    });
    // Stream, DTS, PTS, duration, size and more.
    let field = |line: &str, at: usize| line.split(',').nth(at)?.trim().parse::<f64>().ok();
    let mut packets = Printed::default();
    for line in printed.lines().filter(|line| !line.starts_with('#')) {
        packets.times.extend(field(line, 2).map(|time| time * base.unwrap_or(0.0)));
        packets.size += field(line, 4).map_or(0, |size| size as u64);
    }
    Ok((process.finish(), packets))
}

impl Sound {
    /// Takes the frames of a sound that begin within the first `length` ticks of a clip. `feed`
    /// writes it as a transport stream on the clip's clock. `None` if there are none.
    pub(crate) fn trimmed(
        ffmpeg: &Ffmpeg,
        length: i64,
        language: Option<String>,
        folder: &Path,
        feed: impl FnOnce(ChildStdin) -> io::Result<()> + Send,
    ) -> Result<Option<Self>> {
        let file = unnamed(folder)?;
        let mut command = ffmpeg.command();
        command.args(["-y", "-loglevel", "error", "-copyts", "-fflags", "+discardcorrupt"]);
        command.args(["-f", "mpegts", "-i", "pipe:0"]);
        // Once to be kept, and once to be counted.
        for (format, path) in [("mpegts", path_of(&file)), ("framecrc", "pipe:1".to_owned())] {
            command.args(["-map", "0:a", "-c", "copy", "-copypriorss", "0"]);
            command.args(["-ss", &(BEGIN / TICKS_PER_SECOND).to_string()]);
            command.args([
                "-t",
                &seconds(length).to_string(),
                "-muxdelay",
                "0",
                "-muxpreload",
                "0",
            ]);
            command.args(["-f", format, &path]);
        }
        let (ended, packets) = frames(ffmpeg, &command, feed)?;
        let is_short = file.metadata()?.len() < packets.size;
        if ended.is_err() || is_short {
            output::refused(&file)?;
        }
        if packets.times.is_empty() {
            return Ok(None);
        }
        ended?;
        if is_short {
            bail!("ffmpeg wrote a part of the sound alone; try another with --ffmpeg");
        }
        Ok(Some(Self { file, language }))
    }
}

/// Creates a file in `folder` that goes away with its last descriptor; where the file system has no
/// such files, one in memory.
fn unnamed(folder: &Path) -> io::Result<File> {
    durable::create_unnamed(folder)
        .or_else(|_| Ok(memfd_create("sound", MemfdFlags::CLOEXEC)?.into()))
}

/// Returns the path under which another process opens a descriptor of this one.
fn path_of(file: &File) -> String {
    format!("file:/proc/{}/fd/{}", process::id(), file.as_raw_fd())
}

/// Tells whether ffmpeg wanted no more, which has a reason of its own.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|it| it.kind() == io::ErrorKind::BrokenPipe)
}
