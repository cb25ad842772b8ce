//! The session as an HLS EVENT playlist (RFC 8216) over the very segments that are recorded. Pure: what was
//! recorded in, text out.
//!
//! Lines are only ever appended (§6.2.1), with two exceptions that no live recorder can avoid, both in
//! `docs/recording.md`: the target duration is raised when a segment turns out longer than it, and a
//! session that is continued loses its end mark.

use std::{fmt::Write as _, path::Path};

use cht_core::event::SegmentClosed;

/// Lowest version with EXT-X-MAP for whole segments (§7).
const VERSION: u32 = 6;

/// Seconds by which a segment may outlast the segment time: it ends at the next keyframe, and encoders
/// that are left to themselves set one every 250 frames, which is 10 s at 25 frames a second.
const KEYFRAME_SLACK: u64 = 10;

const END: &str = "#EXT-X-ENDLIST\n";

/// The playlist of a session, as it grows.
#[derive(Debug)]
pub(crate) struct Playlist {
    /// EXT-X-TARGETDURATION, seconds.
    target: u64,
    /// What follows the head.
    body: String,
    /// The last segment recorded, and whether it is listed.
    last: Option<(SegmentClosed, bool)>,
    /// The connection whose tables apply to what comes next.
    map: Option<u32>,
}

impl Playlist {
    /// An empty playlist. `segment_time` in seconds; `before` is the text of the playlist that it
    /// replaces, whose target duration is kept.
    pub(crate) fn new(segment_time: f64, before: Option<&str>) -> Self {
        let planned = segment_time.ceil() as u64 + KEYFRAME_SLACK;
        let target = before.and_then(target_in).unwrap_or(planned);
        Self { target, body: String::new(), last: None, map: None }
    }

    /// Appends a segment. `tables` is the file name of its connection's PAT and PMT, once there is one.
    ///
    /// A segment without a duration holds nothing that has a time: it cannot be listed, and what
    /// comes behind it does not continue what came before. Returns the new target duration in
    /// seconds, if the segment is longer than the one promised.
    pub(crate) fn push(&mut self, segment: &SegmentClosed, tables: Option<&str>) -> Option<u64> {
        let last = self.last.replace((segment.clone(), segment.duration.is_some()));
        let seconds = segment.duration?;
        let continues = last.as_ref().is_some_and(|(last, listed)| {
            let line = last.timeline.zip(segment.timeline);
            *listed
                && last.connection == segment.connection
                && line.is_none_or(|(last, this)| last.continues(&this))
        });
        if !continues {
            if !self.is_empty() {
                // §4.3.2.3: the timestamps start anew.
                self.body.push_str("#EXT-X-DISCONTINUITY\n");
            }
            // §4.3.2.6. Between two of them players add up durations, which do not step as a wall clock may.
            let at = segment.opened_at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
            let _ = writeln!(self.body, "#EXT-X-PROGRAM-DATE-TIME:{at}");
        }
        if let Some(tables) = tables.filter(|_| self.map != Some(segment.connection)) {
            // §4.3.2.5: applies until the next one.
            let _ = writeln!(self.body, "#EXT-X-MAP:URI=\"{tables}\"");
            self.map = Some(segment.connection);
        }
        let name = Path::new(&segment.path).file_name().unwrap_or_default();
        let _ = writeln!(self.body, "#EXTINF:{seconds:.6},\n{}", name.to_string_lossy());
        // §4.3.3.1: no duration, rounded to the nearest second, exceeds the target.
        let rounded = seconds.round() as u64;
        (rounded > self.target).then(|| {
            self.target = rounded;
            rounded
        })
    }

    /// Whether nothing is listed yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// The text of the file; with `ended`, nothing will be appended any more (§4.3.3.4).
    pub(crate) fn render(&self, ended: bool) -> String {
        let (target, body) = (self.target, &self.body);
        // §4.3.5.2: a player that comes late begins with the beginning, not near the end.
        format!(
            "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{target}\n\
             #EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-START:TIME-OFFSET=0\n{body}{}",
            if ended { END } else { "" }
        )
    }
}

/// The target duration of a playlist, in seconds.
fn target_in(playlist: &str) -> Option<u64> {
    playlist.lines().find_map(|line| line.strip_prefix("#EXT-X-TARGETDURATION:")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use cht_core::event::{Anchor, EndReason};

    use super::*;

    /// A segment that begins at `start` seconds of its clock, and of the session `shift` seconds later.
    fn segment(seq: u64, connection: u32, start: i64, shift: i64) -> SegmentClosed {
        let at = "2026-11-23T06:24:29.569950449Z".parse().unwrap();
        SegmentClosed {
            seq,
            path: format!("/srv/s/stream/segment_{seq:06}.ts"),
            connection,
            offset: 0,
            bytes: 188,
            blake3: String::new(),
            timeline: Some(Anchor { pts: start * 90_000, offset: (start + shift) * 90_000 }),
            duration: Some(2.0),
            opened_at: at,
            closed_at: at,
            end_reason: EndReason::Keyframe,
        }
    }

    const HEAD: &str = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:12\n\
                        #EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-START:TIME-OFFSET=0\n";

    #[test]
    fn connections_jumps_and_the_end() {
        let mut playlist = Playlist::new(2.0, None);
        assert!(playlist.is_empty());
        playlist.push(&segment(1, 1, 0, 0), Some("psi_000001.ts"));
        playlist.push(&segment(2, 1, 2, 0), Some("psi_000001.ts"));
        // The same connection, on another line of the timeline.
        playlist.push(&segment(3, 1, 2, 2), Some("psi_000001.ts"));
        playlist.push(&segment(4, 2, 4, 2), Some("psi_000002.ts"));
        let date = "#EXT-X-PROGRAM-DATE-TIME:2026-11-23T06:24:29.569Z\n";
        let inf = |n: u64| format!("#EXTINF:2.000000,\nsegment_{n:06}.ts\n");
        let body = [
            date,
            "#EXT-X-MAP:URI=\"psi_000001.ts\"\n",
            &inf(1),
            &inf(2),
            "#EXT-X-DISCONTINUITY\n",
            date,
            &inf(3),
            "#EXT-X-DISCONTINUITY\n",
            date,
            "#EXT-X-MAP:URI=\"psi_000002.ts\"\n",
            &inf(4),
        ];
        let growing = format!("{HEAD}{}", body.concat());
        assert_eq!(playlist.render(false), growing);
        assert_eq!(playlist.render(true), format!("{growing}#EXT-X-ENDLIST\n"));
    }

    #[test]
    fn what_is_listed_is_only_ever_appended_to() {
        let mut playlist = Playlist::new(2.0, None);
        let mut before = playlist.render(false);
        for n in 1..20 {
            let connection = n as u32 / 5;
            // The tables of connection 2 come late.
            let tables = (connection != 2 || n > 12).then_some("psi.ts");
            playlist.push(&segment(n, connection, n as i64 * 2, 0), tables);
            let now = playlist.render(false);
            assert!(now.starts_with(&before) && now.len() > before.len(), "{n}: {now}");
            before = now;
        }
    }

    #[test]
    fn without_tables_there_is_no_map() {
        let mut playlist = Playlist::new(2.0, None);
        playlist.push(&segment(1, 1, 0, 0), None);
        assert!(!playlist.render(true).contains("EXT-X-MAP"));
    }

    #[test]
    fn what_has_no_time_is_left_out_and_leaves_a_break() {
        let mut playlist = Playlist::new(2.0, None);
        let timeless = |seq| SegmentClosed { duration: None, ..segment(seq, 1, 0, 0) };
        playlist.push(&timeless(1), None);
        assert!(playlist.is_empty());
        playlist.push(&segment(2, 1, 0, 0), None);
        assert!(!playlist.render(false).contains("DISCONTINUITY"));
        playlist.push(&timeless(3), None);
        playlist.push(&segment(4, 1, 2, 0), None);
        let text = playlist.render(false);
        assert_eq!(text.matches("#EXTINF").count(), 2);
        assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 1);
    }

    #[test]
    fn the_target_is_kept_and_raised_only_when_it_must() {
        let mut playlist = Playlist::new(2.0, None);
        let lasting = |seq, seconds| SegmentClosed {
            duration: Some(seconds),
            ..segment(seq, 1, seq as i64, 0)
        };
        assert_eq!(playlist.push(&lasting(1, 12.4), None), None);
        assert_eq!(playlist.push(&lasting(2, 12.5), None), Some(13));
        assert!(playlist.render(false).contains("#EXT-X-TARGETDURATION:13\n"));
        // Continued with another segment time.
        let mut continued = Playlist::new(60.0, Some(&playlist.render(true)));
        assert_eq!(continued.push(&lasting(1, 13.0), None), None);
        assert!(continued.render(false).contains("#EXT-X-TARGETDURATION:13\n"));
        assert_eq!(Playlist::new(0.0, Some("torn")).target, 10);
    }
}
