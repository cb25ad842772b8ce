//! ffmpeg's messages while it runs: warnings, the description of its output, and refused senders.

use std::sync::{
    Arc, Mutex,
    mpsc::{Receiver, Sender, channel},
};
use std::time::Duration;

use cht_core::process::{
    clock,
    lock::lock,
    report::{self, Limited},
};

use super::{
    redact::Redactor,
    survey::{Survey, Unfit},
};

/// Kinds of warnings with a limit of their own; all others share one.
const KINDS: usize = 16;

/// Begin of a warning to those who program with ffmpeg's libraries: the first packets of RTSP may
/// come before their clock is known.
const UNSET_TIMES: &str = "Timestamps are unset in a packet";

/// Reads the lines of ffmpeg's stderr.
#[derive(Debug)]
pub(crate) struct Messages {
    shown: String,
    redactor: Redactor,
    refused: Limited,
    /// Warnings, keyed by their text without numbers.
    warnings: Vec<(String, Limited)>,
    survey: Arc<Mutex<Survey>>,
    /// Signals once that the survey is complete.
    surveyed: Option<Sender<()>>,
}

/// The other end of [`Messages`]: the streams that ffmpeg will write.
#[derive(Debug)]
pub(crate) struct Surveyed {
    survey: Arc<Mutex<Survey>>,
    complete: Receiver<()>,
}

impl Surveyed {
    /// Returns the streams that MPEG-TS cannot hold, as far as ffmpeg has described its output
    /// within `limit`.
    pub(crate) fn unfit(&self, limit: Duration) -> Vec<Unfit> {
        // A newer ffmpeg may end its description without a mark, and one that has ended has said
        // all.
        let _ = clock::receive_within(&self.complete, limit);
        lock(&self.survey).unfit().to_vec()
    }
}

impl Messages {
    /// Creates the reader for an ffmpeg that reads `shown`.
    pub(crate) fn of(shown: &str, redactor: Redactor) -> (Self, Surveyed) {
        let (surveyed, complete) = channel();
        let survey = Arc::new(Mutex::new(Survey::default()));
        let messages = Self {
            shown: shown.to_owned(),
            redactor,
            refused: Limited::default(),
            warnings: Vec::new(),
            survey: Arc::clone(&survey),
            surveyed: Some(surveyed),
        };
        (messages, Surveyed { survey, complete })
    }

    /// Reads a line. Returns whether it was used; other lines may say why ffmpeg ends.
    pub(crate) fn read(&mut self, line: &str) -> bool {
        if let Some(reason) = rejection(line) {
            let message = format!("{}: a sender was sent away: {reason}", self.shown);
            self.refused.note(clock::monotonic(), message);
            return true;
        }
        if let Some(text) = early_end(line) {
            report::warn(format_args!("{}: it ends too early: {text}", self.shown));
            return true;
        }
        match leveled(line) {
            Some((Level::Info, text)) => {
                if lock(&self.survey).read(text) {
                    self.surveyed.take().map(|surveyed| surveyed.send(()));
                }
                true
            }
            Some((Level::Warning, text)) => {
                self.warn(text);
                true
            }
            None => false,
        }
    }

    fn warn(&mut self, text: &str) {
        if text.starts_with(UNSET_TIMES) {
            // Once for each start of ffmpeg.
            report::detail(format_args!("{}: ffmpeg: {text}", self.shown));
            return;
        }
        let kind: String = text.chars().filter(|c| !c.is_ascii_hexdigit()).collect();
        let known = self.warnings.iter().position(|(other, _)| *other == kind);
        let at = known.unwrap_or_else(|| {
            if self.warnings.len() < KINDS {
                self.warnings.push((kind, Limited::default()));
            }
            self.warnings.len() - 1
        });
        let message = format!("{}: ffmpeg: {}", self.shown, self.redactor.hide(text));
        self.warnings[at].1.note(clock::monotonic(), message);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Level {
    Info,
    Warning,
}

/// Splits a line such as `[mpegts @ 0x55d8eb352b00] [warning] …` into level and text. Returns
/// `None` for errors and for lines of ffmpeg's libraries.
fn leveled(line: &str) -> Option<(Level, &str)> {
    [("[info] ", Level::Info), ("[warning] ", Level::Warning)].into_iter().find_map(
        |(mark, level)| {
            let (context, text) = line.split_once(mark)?;
            (context.is_empty() || context.starts_with('[')).then_some((level, text))
        },
    )
}

/// Returns why an ffmpeg failed that reads `shown`, once: the protocol below may have said the same
/// before.
pub(super) fn cause<'a>(reason: &'a str, shown: &str) -> &'a str {
    let once = || {
        let (before, last) = reason.rsplit_once(" | ")?;
        let cause = last.strip_prefix(shown)?.strip_prefix(": ")?;
        (before.ends_with(cause) && !before.contains(" | ")).then_some(cause)
    };
    once().unwrap_or(reason)
}

/// Returns why a listening ffmpeg refused a sender, if this line of libsrt says so. ffmpeg listens
/// on, so no other message would report it.
fn rejection(line: &str) -> Option<&str> {
    let (_, reason) = line.split_once("processConnectRequest: rsp(REJECT): ")?;
    Some(reason.split_once(" - ").map_or(reason, |(_, text)| text))
}

/// Returns the text of an error that ffmpeg ends well with, though its input is not whole: a file
/// that was cut.
fn early_end(line: &str) -> Option<&str> {
    let (_, text) = line.split_once("[error] ")?;
    let is_cut =
        ["ended prematurely", "partial file", "truncated"].iter().any(|it| text.contains(it));
    is_cut.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_end_is_told_from_other_errors() {
        let line =
            "[matroska,webm @ 0x55d8] [error] File ended prematurely at pos. 400000 (0x61a80)";
        assert!(early_end(line).unwrap().starts_with("File ended prematurely"));
        assert_eq!(
            early_end("[mov @ 0x1] [error] stream 0, offset 0x400: partial file"),
            Some("stream 0, offset 0x400: partial file")
        );
        assert_eq!(early_end("[h264 @ 0x1] [error] non-existing PPS 0 referenced"), None);
    }

    #[test]
    fn cause_that_two_protocols_name_is_said_once() {
        let below =
            "ffmpeg ended with exit status: 1: [tcp @ 0x5] Connection to tcp://a:1 failed: ";
        let reason = format!("{below}Connection refused | rtsp://a:1/b: Connection refused");
        assert_eq!(cause(&reason, "rtsp://a:1/b"), "Connection refused");
        for other in [
            "ffmpeg ended with exit status: 1: [rtsp @ 0x5] 401 Unauthorized | rtsp://a:1/b: Server error",
            "ffmpeg ended with exit status: 1: rtsp://a:1/b: Connection refused",
        ] {
            assert_eq!(cause(other, "rtsp://a:1/b"), other);
        }
    }

    #[test]
    fn rejection_by_libsrt_has_reason() {
        let line = "08:23:44.689839/SRT:RcvQ:w1!W:SRT.cn: processConnectRequest: rsp(REJECT): 1010 - Incorrect passphrase";
        assert_eq!(rejection(line), Some("Incorrect passphrase"));
        assert_eq!(rejection("srt://h:1: Input/output error"), None);
    }

    #[test]
    fn line_splits_into_level_and_text() {
        assert_eq!(leveled("[info]   Stream #0:0"), Some((Level::Info, "  Stream #0:0")));
        let line = "[mpegts @ 0x55d8eb352b00] [warning] Stream 0, codec vp9";
        assert_eq!(leveled(line), Some((Level::Warning, "Stream 0, codec vp9")));
        for line in ["[error] a.webm: Invalid data", "said [info] x", "word"] {
            assert_eq!(leveled(line), None);
        }
    }

    #[test]
    fn output_description_is_surveyed_before_its_end() {
        let redactor = Redactor::over(&[], "a", &[]);
        let (mut messages, surveyed) = Messages::of("a", redactor);
        for line in [
            "[info] Output #0, mpegts, to 'pipe:1':",
            "[info]   Stream #0:0: Video: vp9 (Profile 0), yuv420p",
            "[info] Stream mapping:",
        ] {
            assert!(messages.read(line));
        }
        assert_eq!(surveyed.unfit(Duration::from_secs(60)).len(), 1);
    }
}
