//! The state of the stream, for people: a line on a terminal, and messages.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use cht_core::{
    live::{Broadcast, Feed, LeftOut, Summary},
    process::{clock, lock::lock, report, status},
    terminal::{is_last, units},
};

/// Time between two lines.
const EVERY: Duration = Duration::from_secs(1);

/// Longest line, in columns: a longer one would wrap on most terminals, and stay.
const COLUMNS: usize = 79;

/// The state of the player's feed. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Status(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    behind: Option<Duration>,
}

/// Counts the pictures left out for the viewers of one output. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Losses(Arc<Mutex<Lost>>);

#[derive(Debug)]
struct Lost {
    /// The viewer, in a message.
    viewer: String,
    total: LeftOut,
    limited: report::Limited,
}

impl Losses {
    pub(crate) fn of(viewer: impl Into<String>) -> Self {
        let (total, limited) = (LeftOut::default(), report::Limited::default());
        Self(Arc::new(Mutex::new(Lost { viewer: viewer.into(), total, limited })))
    }

    /// Reports the groups left out for a viewer since `before`.
    pub(crate) fn watch(&self, before: &mut LeftOut, now: LeftOut, at: Instant) {
        let since = LeftOut {
            groups: now.groups.saturating_sub(before.groups),
            bytes: now.bytes.saturating_sub(before.bytes),
        };
        *before = now;
        if since == LeftOut::default() {
            return;
        }
        let mut lost = lock(&self.0);
        let Lost { viewer, total, limited } = &mut *lost;
        (total.groups, total.bytes) = (total.groups + since.groups, total.bytes + since.bytes);
        if since.groups > 0 {
            let LeftOut { groups, bytes } = total;
            let message = format_args!(
                "{viewer} is too slow: {} of pictures ({bytes} bytes) left out so far; it continues \
                 at the newest keyframe",
                units::count(*groups, "group")
            );
            limited.note(at, message);
        }
    }
}

impl Status {
    /// Notes the state of a feed; `None` without one.
    pub(crate) fn watch(&self, feed: Option<&Feed>) {
        lock(&self.0).behind = feed.map(Feed::behind);
    }

    /// Shows a line about the stream on a terminal, on a thread of its own, to the stream's end.
    pub(crate) fn show(&self, broadcast: Broadcast) -> Result<()> {
        if !(status::is_wanted() && is_last()) {
            return Ok(());
        }
        let state = self.clone();
        let thread = thread::Builder::new().name("status".to_owned());
        let shown = thread.spawn(move || {
            let (mut before, mut at) = (Summary::default(), clock::monotonic());
            while !broadcast.has_ended() {
                clock::rest(EVERY);
                let (summary, now) = (broadcast.summary(), clock::monotonic());
                let behind = lock(&state.0).behind;
                let behind = behind.map(|behind| behind.max(broadcast.longest_wait(now)));
                let seconds = now.saturating_duration_since(at).as_secs_f64();
                status::show(line(&summary, &before, seconds, behind));
                (before, at) = (summary, now);
            }
            status::show("");
        });
        shown.context("a thread for the status line").map(|_| ())
    }
}

/// Returns the line: format, rates since `before`, delay and losses.
fn line(now: &Summary, before: &Summary, seconds: f64, behind: Option<Duration>) -> String {
    let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
    let bits = 8.0 * rate(now.bytes, before.bytes);
    let mut line = String::new();
    for (_, codec) in [now.video, now.sound].into_iter().flatten() {
        let _ = write!(line, "{codec} ");
    }
    if let Some((width, height)) = now.size {
        let _ = write!(line, "{width}x{height} ");
    }
    if now.video.is_some() {
        let _ = write!(line, "{:.0} fps ", rate(now.pictures, before.pictures));
    }
    let _ = match bits {
        0.0..1e6 => write!(line, "{:.0} kbit/s", bits / 1e3),
        _ => write!(line, "{:.1} Mbit/s", bits / 1e6),
    };
    if let Some(behind) = behind {
        let _ = write!(line, ", {:.1} s behind", behind.as_secs_f64());
    }
    if now.lost > 0 {
        let _ = write!(line, ", packets lost {}", units::count(now.lost, "time"));
    }
    line.truncate(COLUMNS);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_has_rates_since_the_last_one() {
        let before = Summary {
            video: Some((256, cht_ts::Codec::H264)),
            sound: Some((257, cht_ts::Codec::Aac)),
            size: Some((1280, 720)),
            pictures: 100,
            bytes: 1_000_000,
            lost: 0,
        };
        let now = Summary { pictures: 150, bytes: 1_500_000, lost: 2, ..before };
        let behind = Some(Duration::from_millis(340));
        assert_eq!(
            line(&now, &before, 2.0, behind),
            "h264 aac 1280x720 25 fps 2.0 Mbit/s, 0.3 s behind, packets lost 2 times"
        );
        // Another session begins anew.
        assert_eq!(line(&Summary::default(), &before, 1.0, None), "0 kbit/s");
    }
}
