//! The streams that ffmpeg says it will write: which of them MPEG-TS can hold, and which have to be
//! encoded. Pure.
//!
//! ffmpeg describes its output on stderr before the first byte of it. So the input need not be
//! opened twice, which a live one does not allow.

use std::fmt;

/// Codecs that ffmpeg writes into a transport stream so that a decoder finds them again
/// (`get_dvb_stream_type` in its `mpegtsenc.c`; tested with ffmpeg 5.1). It writes all others as
/// private data, which nothing can decode.
const VIDEO: [&str; 9] =
    ["h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "vc1", "cavs", "dirac", "vvc"];
const AUDIO: [&str; 10] =
    ["aac", "aac_latm", "ac3", "eac3", "mp2", "mp3", "opus", "dts", "truehd", "s302m"];

/// A kind of stream that can be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Video,
    Audio,
}

/// Reason why MPEG-TS cannot hold a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Why {
    /// The codec, by ffmpeg's name.
    Codec(String),
    /// The rotation of the picture in degrees, which a transport stream cannot express.
    Turned(i32),
}

/// A stream that MPEG-TS cannot hold as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfit {
    pub kind: Kind,
    /// Index among the output's streams of its kind.
    pub index: usize,
    pub why: Why,
}

impl Unfit {
    /// Returns whether it is the same stream of the output.
    pub(crate) fn is_same_stream(&self, other: &Self) -> bool {
        (self.kind, self.index) == (other.kind, other.index)
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.why, self.kind) {
            (Why::Codec(codec), Kind::Video) => write!(f, "the video is {codec}"),
            (Why::Codec(codec), Kind::Audio) => write!(f, "the sound is {codec}"),
            (Why::Turned(degrees), _) => write!(f, "the video is to be turned by {degrees}°"),
        }
    }
}

/// The description read so far.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    in_output: bool,
    complete: bool,
    videos: usize,
    audios: usize,
    /// Whether the last named stream is a video that is shown.
    in_video: bool,
    unfit: Vec<Unfit>,
}

impl Survey {
    /// Reads a line of stderr, without its level. Returns whether it completes the description.
    pub(crate) fn read(&mut self, line: &str) -> bool {
        if self.complete {
            return false;
        }
        if line.starts_with("Output #0") {
            self.in_output = true;
        } else if self.in_output {
            if line.starts_with(' ') {
                self.read_output(line.trim_start());
            } else {
                self.complete = true;
            }
        }
        self.complete
    }

    fn read_output(&mut self, line: &str) {
        if let Some((_, stream)) = line.strip_prefix("Stream #0:").and_then(|l| l.split_once(": "))
        {
            self.in_video = false;
            // Cover art of a sound file is not video to record.
            let is_cover = stream.contains("(attached pic)");
            let (kind, codecs, index) = if let Some(rest) = stream.strip_prefix("Video: ") {
                self.videos += 1;
                self.in_video = !is_cover;
                ((Kind::Video, rest), &VIDEO[..], self.videos - 1)
            } else if let Some(rest) = stream.strip_prefix("Audio: ") {
                self.audios += 1;
                ((Kind::Audio, rest), &AUDIO[..], self.audios - 1)
            } else {
                return;
            };
            let (kind, rest) = kind;
            let codec = rest.split([' ', ',']).next().unwrap_or_default();
            let is_known = !matches!(codec, "" | "none" | "unknown");
            if is_known && !is_cover && !codecs.contains(&codec) {
                self.unfit.push(Unfit { kind, index, why: Why::Codec(codec.to_owned()) });
            }
        } else if let Some(degrees) = line.strip_prefix("displaymatrix: rotation of ") {
            let degrees = degrees.split(' ').next().and_then(|number| number.parse::<f64>().ok());
            let index = self.videos.saturating_sub(1);
            let is_known = self.unfit.iter().any(|u| u.kind == Kind::Video && u.index == index);
            if let Some(degrees) = degrees.filter(|degrees| degrees.abs() > 0.5)
                && self.in_video
                && !is_known
            {
                let why = Why::Turned(degrees.round() as i32);
                self.unfit.push(Unfit { kind: Kind::Video, index, why });
            }
        }
    }

    /// Returns the streams that MPEG-TS cannot hold as they are.
    pub(crate) fn unfit(&self) -> &[Unfit] {
        &self.unfit
    }
}

/// Returns ffmpeg's arguments that encode these streams, to follow `-c copy`.
pub(crate) fn encoding(unfit: &[Unfit]) -> Vec<String> {
    let mut arguments = Vec::new();
    for Unfit { kind, index, .. } in unfit {
        let options: &[(&str, &str)] = match kind {
            Kind::Video => &[
                ("-c:v", "libx264"),
                ("-preset:v", "veryfast"),
                ("-force_key_frames:v", "expr:gte(t,n_forced*2)"),
                ("-pix_fmt:v", "yuv420p"),
                // In the time of frames, a first picture at 7 ms would come to 0, its sound not.
                ("-enc_time_base:v", "1:90000"),
                // Chroma has half the size, so sizes must be even.
                ("-filter:v", "pad=ceil(iw/2)*2:ceil(ih/2)*2"),
            ],
            Kind::Audio => &[("-c:a", "aac")],
        };
        for (option, value) in options {
            arguments.extend([format!("{option}:{index}"), (*value).to_owned()]);
        }
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey(lines: &str) -> (Vec<Unfit>, bool) {
        let mut survey = Survey::default();
        let complete = lines.lines().any(|line| survey.read(line));
        (survey.unfit, complete)
    }

    #[test]
    fn codec_that_ts_cannot_hold_is_found_in_output_only() {
        let (unfit, complete) = survey(
            "Input #0, matroska,webm, from 'a.webm':
  Stream #0:0: Video: gif, bgra, 128x96
Output #0, mpegts, to 'pipe:1':
  Metadata:
    encoder         : Lavf59.27.100
  Stream #0:0: Video: vp9 (Profile 0), yuv420p(tv, progressive), 128x96 [SAR 1:1 DAR 4:3], q=2-31, 10 fps
  Stream #0:1(und): Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, mono, fltp, 70 kb/s (default)
  Stream #0:2: Audio: pcm_alaw, 8000 Hz, mono, s16, 64 kb/s
  Stream #0:3: Video: mjpeg (Baseline), yuvj420p(pc), 320x240, q=2-31, 90k tbn (attached pic)
  Stream #0:4: Video: none, 90k tbn
  Stream #0:5: Subtitle: subrip
Stream mapping:
",
        );
        let names: Vec<_> = unfit.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["the video is vp9", "the sound is pcm_alaw"]);
        assert_eq!((unfit[1].index, complete), (1, true));
        let arguments = encoding(&unfit).join(" ");
        assert!(arguments.starts_with("-c:v:0 libx264 -preset:v:0 veryfast"), "{arguments}");
        assert!(arguments.ends_with("-c:a:1 aac"), "{arguments}");
    }

    #[test]
    fn rotation_is_found_once() {
        let (unfit, complete) = survey(
            "Output #0, mpegts, to 'pipe:1':
  Stream #0:0(und): Video: h264 (High) (avc1 / 0x31637661), yuv420p(progressive), 128x96
    Side data:
      displaymatrix: rotation of -90.00 degrees
  Stream #0:1(und): Video: hevc (Main), yuv420p
    Side data:
      displaymatrix: rotation of -0.00 degrees
",
        );
        let turned = Unfit { kind: Kind::Video, index: 0, why: Why::Turned(-90) };
        assert_eq!((unfit, complete), (vec![turned], false));
    }
}
