//! Copies of files that are no transport streams, or whose clocks begin anew with each: one after
//! the other on one clock.

use std::{
    fs::{self, FileTimes},
    io,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::{Duration, SystemTime},
};

use cht_core::{
    process::ffmpeg::{Program, ask},
    segment::examine_alone,
    storage::{durable, regular},
};

use super::{
    damage::{avi_ends_early, damage},
    running::Running,
    tools::{BY_SIGNAL, Tools},
};
use crate::kind::Kind;

/// Time stamp of the first remuxed picture, in seconds: some begin below zero.
const BEGIN: f64 = 10.0;

/// Largest step between two files that share a clock, in seconds.
const STEP: f64 = 0.5;

/// Video that MPEG-TS holds, and that the stages decode from it.
const VIDEO: [&str; 5] = ["h264", "hevc", "mpeg2video", "mpeg1video", "mpeg4"];

/// Sound that MPEG-TS holds.
const SOUND: [&str; 8] = ["aac", "ac3", "eac3", "mp1", "mp2", "mp3", "opus", "dts"];

/// Options of ffmpeg for video that a transport stream cannot hold, or that has to be decoded. In
/// the time of frames, a first picture at 7 ms would come to 0, and not its sound.
#[rustfmt::skip]
const ENCODED: [&str; 10] = [
    "-c:v", "libx264", "-preset", "superfast", "-crf", "10", "-pix_fmt", "yuv420p",
    "-enc_time_base:v", "1:90000",
];

/// Words of the system where a disk is full.
const NO_ROOM: &str = "No space left on device";

/// Makes the copies of a unit's inputs, in order.
#[derive(Debug)]
pub(super) struct Remuxer<'a> {
    has_sound: bool,
    ffmpeg: Program,
    program: PathBuf,
    running: &'a Running,
    /// Where the next copy begins in the stream, in seconds.
    next: f64,
    /// Offset of the last copy, and where the file's own clock ended, in seconds.
    last: Option<(f64, f64)>,
}

/// A file to be copied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub path: &'a Path,
    pub kind: Kind,
    /// Time of the last write, in nanoseconds since 1970.
    pub modified: i64,
}

impl<'a> Remuxer<'a> {
    pub(super) fn new(has_sound: bool, tools: &Tools, running: &'a Running) -> Self {
        let (ffmpeg, program) = (tools.program.clone(), tools.ffmpeg.clone());
        Self { has_sound, ffmpeg, program, running, next: BEGIN, last: None }
    }

    /// Copies the streams of a file into a transport stream that continues the copy before. Returns
    /// the fault of a file of which only a part was copied.
    pub(super) fn copy(&mut self, source: Source<'_>, to: &Path) -> Result<Option<String>, String> {
        let part = durable::with_suffix(to, ".part");
        let streams = Streams::of(&self.program, source.path)?;
        let offset = match self.last {
            // Fragments of one stream have one clock.
            Some((offset, end)) if (streams.start - end).abs() <= STEP => offset,
            _ => self.next - streams.start,
        };
        let is_held = VIDEO.contains(&&*streams.video);
        let (status, said) = self.run(source.path, &streams, is_held, offset, &part)?;
        if is_held && !status.success() && !said.contains(NO_ROOM) {
            // A packet of garbage ends the copy. A decoder goes on after it.
            let again = durable::with_suffix(to, ".again.part");
            self.run(source.path, &streams, false, offset, &again)?;
            if end_of(&again) > end_of(&part) {
                fs::rename(&again, &part).map_err(|error| error.to_string())?;
            } else {
                durable::remove(&again).map_err(|error| error.to_string())?;
            }
        }
        // A truncated file gives its whole packets.
        let length = part.metadata().map_or(0, |it| it.len());
        if length == 0 || said.contains(NO_ROOM) {
            let said = said.lines().last().unwrap_or("it said nothing");
            return Err(format!("ffmpeg cannot remux it: {said}"));
        }
        self.place(&part, offset, &streams);
        // A run that makes the copy again finds its journal about the same file.
        set_modified(&part, source.modified).map_err(|error| error.to_string())?;
        fs::rename(&part, to).map_err(|error| error.to_string())?;
        let ends_early =
            || source.kind == Kind::Other && avi_ends_early(source.path).unwrap_or(false);
        let fault = damage(status.success(), &said);
        Ok(fault.or_else(|| ends_early().then(|| "ends early; used up to there".to_owned())))
    }

    /// Runs ffmpeg over a file. Returns its status, and what it said.
    fn run(
        &self,
        source: &Path,
        streams: &Streams,
        is_copied: bool,
        offset: f64,
        to: &Path,
    ) -> Result<(ExitStatus, String), String> {
        let mut command = self.ffmpeg.command();
        // H.264 in AVI has no presentation times.
        command.args(["-loglevel", "error", "-y", "-copyts", "-fflags", "+genpts", "-i"]);
        command.arg(name_of(source)).args(["-map", "0:V:0?"]);
        command.args(if is_copied { &["-c:v", "copy"][..] } else { &ENCODED });
        command.args(self.ffmpeg.passthrough());
        if self.has_sound {
            let is_held = streams.sound.iter().all(|codec| SOUND.contains(&&**codec));
            command.args(["-map", "0:a?", "-c:a", if is_held { "copy" } else { "aac" }]);
        }
        command.args(["-muxdelay", "0", "-muxpreload", "0", "-output_ts_offset"]);
        command.arg(format!("{offset:.6}")).args(["-f", "mpegts"]).arg(to);
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let mut command = Command::new(&self.program);
        command.args(arguments);
        let (status, said) =
            self.running.ask(&mut command).map_err(|error| format!("ffmpeg: {error}"))?;
        if status.signal().is_some() {
            return Err(format!("ffmpeg ended with {status}"));
        }
        Ok((status, said))
    }

    /// Notes where the next copy begins.
    fn place(&mut self, copy: &Path, offset: f64, streams: &Streams) {
        let Ok(segment) = examine_alone(copy) else { return };
        if let (Some(first), Some(duration)) = (segment.first_pts, segment.duration) {
            self.next = cht_ts::time::seconds(first) + duration;
            self.last = Some((offset, self.next - offset));
        } else {
            self.last = Some((offset, streams.start));
        }
    }
}

/// Returns where a transport stream ends, in seconds; less than any if it holds no video.
fn end_of(copy: &Path) -> f64 {
    let ends = examine_alone(copy).ok().and_then(|it| it.first_pts.zip(it.duration));
    ends.map_or(f64::NEG_INFINITY, |(first, duration)| cht_ts::time::seconds(first) + duration)
}

/// Returns whether a later try may succeed: the file is not to blame.
pub(super) fn is_passing(message: &str) -> bool {
    message.contains(BY_SIGNAL) || message.contains(NO_ROOM)
}

/// Returns the name of a file for ffmpeg, for which a colon ends a protocol.
fn name_of(path: &Path) -> String {
    format!("file:{}", path.display())
}

fn set_modified(path: &Path, nanoseconds: i64) -> io::Result<()> {
    let since = Duration::from_nanos(nanoseconds.max(0) as u64);
    let times = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + since);
    regular::open(path)?.set_times(times)
}

/// Streams of a file, by the words of ffmpeg.
#[derive(Debug, PartialEq)]
struct Streams {
    /// First time stamp, in seconds.
    start: f64,
    video: String,
    sound: Vec<String>,
}

impl Streams {
    fn of(ffmpeg: &Path, path: &Path) -> Result<Self, String> {
        let asked = ask(ffmpeg, &["-hide_banner", "-nostdin", "-i", &name_of(path)])
            .map_err(|error| format!("ffmpeg: {error}"))?;
        if asked.status.signal().is_some() {
            return Err(format!("ffmpeg ended with {}", asked.status));
        }
        Ok(Self::parse(&String::from_utf8_lossy(&asked.stderr)))
    }

    fn parse(said: &str) -> Self {
        let start = said
            .split_once("start: ")
            .and_then(|(_, rest)| rest.split([',', '\n', ' ']).next()?.parse().ok());
        let codecs = |kind: &str| {
            let codec = |line: &str| {
                let (_, rest) = line.split_once(kind)?;
                Some(rest.split([' ', ',']).next()?.to_owned())
            };
            said.lines()
                .filter(|line| line.contains("Stream #"))
                .filter_map(codec)
                .collect::<Vec<_>>()
        };
        let video = codecs("Video: ").into_iter().next().unwrap_or_default();
        Self { start: start.unwrap_or(0.0), video, sound: codecs("Audio: ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_read_from_the_words_of_ffmpeg() {
        let said = "Input #0, mov,mp4, from 'a.mp4':\n  Duration: 00:00:10.03, start: 1.500000, bitrate: 1 kb/s\n  \
                    Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p\n  \
                    Stream #0:1[0x2](und): Audio: pcm_s16le (sowt), 48000 Hz\n";
        let expected =
            Streams { start: 1.5, video: "h264".into(), sound: vec!["pcm_s16le".into()] };
        assert_eq!(Streams::parse(said), expected);
    }
}
