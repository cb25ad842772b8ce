//! Selects the video of a stream: `--program` and `--stream`.

use std::fmt::Write as _;

use cht_core::{event::Segment, segment::Which};
use cht_ts::{Codec, Media, Program, Scanner};
use serde::{Deserialize, Serialize};

/// Options that select the video; by default, it is the one with the most pictures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// `program_number`.
    pub program: Option<u16>,
    pub stream: Option<Which>,
}

/// Video that the tables list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Video {
    pub program: u16,
    pub pid: u16,
    pub codec: Option<Codec>,
    /// Number of its pictures so far.
    pub units: u64,
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let program = self.program.map(|program| format!("--program {program}"));
        let stream = self.stream.map(|stream| format!("--stream {stream}"));
        let words: Vec<_> = program.into_iter().chain(stream).collect();
        f.write_str(&words.join(" "))
    }
}

impl Asked {
    /// Returns whether any option is set.
    pub(crate) fn is_any(self) -> bool {
        self != Self::default()
    }

    /// Returns the videos of PMTs that match the options.
    pub(crate) fn of_programs(self, programs: &[Program]) -> Vec<Video> {
        self.among(listed(programs))
    }

    /// Returns the video in the bytes that were scanned so far, if it is known.
    pub(crate) fn of_scanner(self, scanner: &Scanner) -> Option<Video> {
        if !self.is_any() {
            let pid = scanner.video_pid()?;
            return Some(Video { program: 0, pid, codec: scanner.codec_of(pid), units: 0 });
        }
        let mut videos = listed(scanner.programs());
        for video in &mut videos {
            let counters = scanner.pids().find(|(pid, _)| *pid == video.pid);
            video.units = counters.map_or(0, |(_, counters)| counters.pes_starts);
        }
        best(&self.among(videos))
    }

    /// Returns the video of an examined segment, or the list of its videos if none matches.
    pub(crate) fn of_segment(self, segment: &Segment) -> Result<Option<Video>, String> {
        if !self.is_any() {
            let codec = segment.video_codec.as_deref().and_then(Codec::named);
            return Ok(segment.video_pid.map(|pid| Video { program: 0, pid, codec, units: 0 }));
        }
        let streams = segment.streams.iter();
        let videos: Vec<_> = streams
            .map(|stream| Video {
                program: stream.program,
                pid: stream.pid,
                codec: Codec::named(&stream.codec),
                units: stream.units,
            })
            .filter(|video| video.codec.is_some_and(|codec| codec.media() == Media::Video))
            .collect();
        match best(&self.among(videos.clone())) {
            Some(video) => Ok(Some(video)),
            None => Err(describe(&videos)),
        }
    }

    fn among(self, mut videos: Vec<Video>) -> Vec<Video> {
        videos.retain(|video| self.program.is_none_or(|program| video.program == program));
        match self.stream {
            None => videos,
            Some(Which::Pid(pid)) => videos.into_iter().filter(|video| video.pid == pid).collect(),
            Some(Which::Index(index)) => videos.into_iter().skip(index.into()).take(1).collect(),
        }
    }
}

/// Returns the video with the most pictures; of equals, the one listed first.
fn best(videos: &[Video]) -> Option<Video> {
    videos.iter().rev().max_by_key(|video| video.units).copied()
}

fn listed(programs: &[Program]) -> Vec<Video> {
    let streams = programs
        .iter()
        .flat_map(|program| program.streams.iter().map(move |stream| (program.number, stream)));
    streams
        .filter(|(_, stream)| stream.media() == Media::Video)
        .map(|(program, stream)| Video {
            program,
            pid: stream.pid,
            codec: Some(stream.codec),
            units: 0,
        })
        .collect()
}

/// Describes the videos, for an error message.
fn describe(videos: &[Video]) -> String {
    let mut text = String::new();
    for video in videos {
        let codec = video.codec.map_or("unknown", Codec::as_str);
        let separator = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{separator}program {}: {:#x} ({codec})", video.program, video.pid);
    }
    if text.is_empty() { "no video at all".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video(program: u16, pid: u16, units: u64) -> Video {
        Video { program, pid, codec: Some(Codec::H264), units }
    }

    #[test]
    fn program_and_stream_select_one_video() {
        let videos = vec![video(1, 0x100, 9), video(2, 0x200, 3), video(2, 0x201, 5)];
        let pick = |program, stream| {
            best(&Asked { program, stream }.among(videos.clone())).map(|video| video.pid)
        };
        assert_eq!(pick(Some(2), None), Some(0x201));
        assert_eq!(pick(Some(2), Some(Which::Index(0))), Some(0x200));
        assert_eq!(pick(None, Some(Which::Index(2))), Some(0x201));
        assert_eq!(pick(None, Some(Which::Pid(0x200))), Some(0x200));
        assert_eq!(pick(Some(1), Some(Which::Pid(0x200))), None);
        assert_eq!(pick(Some(3), None), None);
        assert_eq!(describe(&videos[..1]), "program 1: 0x100 (h264)");
    }
}
