//! Reads the lines that ffmpeg's `metadata` and `showinfo` filters write to stderr.
//!
//! Each frame gives `frame:… pts:…` and `lavfi.scene_score=…`; a frame whose picture follows in the
//! output also gives its size. The names after `@` are those of the graph in [`super::filter`].

use cht_picture::{FrameFormat, field};
use cht_ts::Pts;

/// Describes one decoded frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DecodedFrame {
    /// PTS, which ffmpeg prints unwrapped or not; `None` if the stream gave none.
    pub pts: Option<Pts>,
    /// Scene score of ffmpeg, with six decimals.
    pub score: f64,
    /// Format of the picture that follows in the output, if one does.
    pub picture: Option<FrameFormat>,
    /// Whether the filter graph was restarted: at the first frame, or where the size or format of
    /// the picture changed.
    pub restarted: bool,
}

/// First line about a frame: its PTS, if it has one.
#[derive(Debug)]
struct Announced(Option<Pts>);

/// Joins the lines about one frame.
#[derive(Debug, Default)]
pub(crate) struct LineParser {
    /// Frame whose score comes next.
    pending: Option<Announced>,
    /// Frame of the picture branch, whose format comes next.
    taken: Option<DecodedFrame>,
    /// Picture described before its score, where pictures take a branch next to that of the score.
    early: Early,
    /// First line about the picture.
    shown: Option<String>,
    /// Frames of both branches since the filter graph was restarted.
    frames: u64,
}

/// Holds a picture's description that came before its score.
#[derive(Debug, Default)]
enum Early {
    #[default]
    Nothing,
    /// Format of the picture, if it could be read.
    Picture(Option<FrameFormat>),
}

impl LineParser {
    /// Reads one line. Returns whether one of our filters wrote it, and the frame that it
    /// completes.
    pub(crate) fn read(&mut self, line: &str) -> (bool, Option<DecodedFrame>) {
        if let Some(text) = message(line, "metadata@passed") {
            return (true, self.metadata(text));
        }
        if let Some(text) = message(line, "metadata@taken") {
            let Some(frame) = self.metadata(text) else { return (true, None) };
            let Early::Picture(picture) = std::mem::take(&mut self.early) else {
                self.taken = Some(frame);
                return (true, None);
            };
            return (true, Some(DecodedFrame { picture, ..frame }));
        }
        if let Some(text) = message(line, "showinfo@taken") {
            if text.starts_with("config in") {
                // Each new graph configures its filters before its first frame.
                (self.frames, self.early) = (0, Early::Nothing);
            }
            // Side data has its own lines, between the line of the frame and that of its colours.
            if text.starts_with("n:") {
                self.shown = Some(text.to_owned());
            }
            if !text.starts_with("color_range:") {
                return (true, None);
            }
            let format = self.shown.take().and_then(|shown| FrameFormat::read(&shown, text));
            let Some(frame) = self.taken.take() else {
                self.early = Early::Picture(format);
                return (true, None);
            };
            return (true, Some(DecodedFrame { picture: format, ..frame }));
        }
        (false, None)
    }

    fn metadata(&mut self, text: &str) -> Option<DecodedFrame> {
        if text.starts_with("frame:") {
            // `pts:NOPTS` stays a frame without time.
            self.pending =
                field(text, " pts:").map(|pts| Announced(pts.parse().ok().map(Pts::new)));
            return None;
        }
        let score = text.strip_prefix("lavfi.scene_score=")?.trim().parse().ok()?;
        let Announced(pts) = self.pending.take()?;
        self.frames += 1;
        Some(DecodedFrame { pts, score, picture: None, restarted: self.frames == 1 })
    }
}

/// Returns the text that the filter `name` wrote on this line: `[name @ 0x55…] text`.
fn message<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let rest = line.strip_prefix('[')?.strip_prefix(name)?;
    let text = &rest[rest.find("] ")? + 2..];
    // With `-loglevel level`, the level stands between the name and the text.
    Some(text.strip_prefix("[info] ").unwrap_or(text).trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where pictures have their own branch, ffmpeg may write about either branch first.
    #[test]
    fn picture_described_before_its_score_belongs_to_it() {
        let score = [
            "[metadata@taken @ 0x1] frame:0    pts:3600  pts_time:0.04",
            "[metadata@taken @ 0x1] lavfi.scene_score=0.250000",
        ];
        let picture = [
            "[showinfo@taken @ 0x2] n:   0 pts: 3600 fmt:yuv444p sar:1/1 s:64x48 i:P iskey:1 type:I",
            "[showinfo@taken @ 0x2] color_range:tv color_space:unknown color_trc:unknown",
        ];
        for order in [[score, picture], [picture, score]] {
            let mut parser = LineParser::default();
            let lines = order.as_flattened().iter().chain(&score);
            let frames: Vec<_> = lines.filter_map(|line| parser.read(line).1).collect();
            assert_eq!(frames.len(), 1, "{frames:?}");
            assert_eq!((frames[0].pts, frames[0].score), (Some(Pts::new(3600)), 0.25));
            assert_eq!(frames[0].picture.map(|format| format.bytes()), Some(3 * 64 * 48));
        }
    }

    #[test]
    fn lines_of_both_branches_give_frames_in_order() {
        let text = "\
[showinfo@taken @ 0x55edef3f7a40] config in time_base: 1/90000, frame_rate: 24/1
[metadata@taken @ 0x55edef3f6440] frame:0    pts:133500  pts_time:1.48333
[metadata@taken @ 0x55edef3f6440] lavfi.scene_score=0.000000
[showinfo@taken @ 0x55edef3f7a40] n:   0 pts: 133500 pts_time:1.48333 pos:      564 fmt:yuv420p sar:1/1 s:1280x720 i:P iskey:1 type:I
[showinfo@taken @ 0x55edef3f7a40]   side data - User Data Unregistered:
[showinfo@taken @ 0x55edef3f7a40] color_range:unknown color_space:unknown color_primaries:unknown color_trc:unknown
[h264 @ 0x55] error while decoding MB 2 0
[metadata@passed @ 0x55edef3f5340] frame:0    pts:137250  pts_time:1.525
[metadata@passed @ 0x55edef3f5340] lavfi.scene_score=0.000068
[metadata@passed @ 0x55edef3f5340] frame:1    pts:NOPTS   pts_time:NOPTS
[metadata@passed @ 0x55edef3f5340] lavfi.scene_score=0.5";
        let mut parser = LineParser::default();
        let read: Vec<_> = text.lines().map(|line| parser.read(line)).collect();
        assert_eq!(read.iter().filter(|(ours, _)| !ours).count(), 1);
        let frames: Vec<_> = read.into_iter().filter_map(|(_, frame)| frame).collect();
        let format = frames[0].picture.unwrap();
        assert_eq!((format.width, format.height), (1280, 720));
        let frame =
            |pts, score, picture, restarted| DecodedFrame { pts, score, picture, restarted };
        assert_eq!(
            frames,
            [
                frame(Some(Pts::new(133_500)), 0.0, Some(format), true),
                frame(Some(Pts::new(137_250)), 0.000_068, None, false),
                frame(None, 0.5, None, false),
            ]
        );
    }
}
