//! The session as an HLS playlist (RFC 8216) of the recorded segments. Pure: records in, text out.
//!
//! Unless segments are removed, it is an EVENT playlist: lines are only appended (§6.2.1), with two
//! exceptions that no live recorder can avoid (`docs/recording.md`): the target duration is raised
//! for a longer segment, and a continued session loses its end mark. With retention it has no type,
//! and segments leave at its beginning (§6.2.2).

use std::{collections::VecDeque, fmt::Write as _, path::Path};

use cht_core::{
    event::SegmentClosed,
    session::{MAX_SEQUENCE, sequence},
};

/// Lowest version with EXT-X-MAP for whole segments (§7).
const VERSION: u32 = 6;

/// Time by which a segment may exceed the segment time, in seconds: it ends at the next keyframe,
/// which encoders by default set every 250 frames, 10 s at 25 frames a second.
const KEYFRAME_SLACK: u64 = 10;

/// The end mark.
pub(crate) const END: &str = "#EXT-X-ENDLIST\n";
const BREAK: &str = "#EXT-X-DISCONTINUITY";
const NUMBER: &str = "#EXT-X-MEDIA-SEQUENCE:";
const BREAKS: &str = "#EXT-X-DISCONTINUITY-SEQUENCE:";

/// Fraction of the remaining segments that leave together with one that has to: one in 32. The file
/// is rewritten that much less often, and a player loses a thirtieth of the oldest segments.
const AHEAD: usize = 32;

/// The playlist of a session, as it grows.
#[derive(Debug)]
pub(crate) struct Playlist {
    /// EXT-X-TARGETDURATION, in seconds.
    target: u64,
    entries: VecDeque<Entry>,
    /// The last segment recorded, and whether it is listed.
    last: Option<(SegmentClosed, bool)>,
    /// Whether a segment was listed.
    begun: bool,
    /// File name of the tables for the segments to come.
    map: Option<String>,
    /// Whether segments leave at its beginning.
    window: bool,
    /// Segments that have left, in total.
    gone: Gone,
    /// Text of the playlist that this one continues, until its position in that is known.
    before: Option<String>,
}

/// Number of segments and breaks that have left at the beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Gone {
    segments: u64,
    breaks: u64,
}

impl Gone {
    /// Reads the numbers in the head of a playlist.
    fn in_head(playlist: &str) -> Self {
        let number = |tag| number_in(playlist, tag).unwrap_or(0);
        Self { segments: number(NUMBER), breaks: number(BREAKS) }
    }
}

/// A listed segment.
#[derive(Debug)]
struct Entry {
    seq: u64,
    name: String,
    seconds: f64,
    /// It does not continue the one before it; and when it was opened.
    is_break: bool,
    opened_at: String,
    map: Option<String>,
}

impl Playlist {
    /// Creates an empty playlist. `segment_time` is in seconds; with `retained`, segments will
    /// leave. `before` is the text of the playlist that it replaces, whose target duration and
    /// numbers are kept.
    pub(crate) fn new(segment_time: f64, retained: bool, before: Option<&str>) -> Self {
        let planned = segment_time.ceil() as u64 + KEYFRAME_SLACK;
        Self {
            target: before.and_then(target_in).unwrap_or(planned),
            entries: VecDeque::new(),
            last: None,
            begun: false,
            map: None,
            window: retained || before.is_some_and(|text| number_in(text, NUMBER).is_some()),
            gone: Gone::default(),
            before: before.map(str::to_owned),
        }
    }

    /// Appends a segment. `tables` is the file name of its connection's PAT and PMT, once there is
    /// one.
    ///
    /// A segment without a duration has no time and cannot be listed; the one after it does not
    /// continue the one before it. Returns the new target duration in seconds, if the segment
    /// exceeds the promised one.
    pub(crate) fn push(&mut self, segment: &SegmentClosed, tables: Option<&str>) -> Option<u64> {
        let last = self.last.replace((segment.clone(), segment.duration.is_some()));
        let seconds = segment.duration?;
        let name = Path::new(&segment.path).file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let continues = last.as_ref().is_some_and(|(last, listed)| {
            let line = last.timeline.zip(segment.timeline);
            *listed
                && last.connection == segment.connection
                && line.is_none_or(|(last, this)| last.continues(&this))
        });
        if let Some(tables) = tables {
            self.map = Some(tables.to_owned());
        }
        self.entries.push_back(Entry {
            seq: segment.seq,
            name: name.clone(),
            seconds,
            // The first segment has nothing to break with.
            is_break: !continues && self.begun,
            opened_at: segment.opened_at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            map: self.map.clone(),
        });
        self.begun = true;
        if let Some(before) = self.before.take() {
            self.go_on_from(before, segment.seq, &name);
        }
        // §4.3.3.1: no duration, rounded to the nearest second, exceeds the target.
        let rounded = seconds.round() as u64;
        (rounded > self.target).then(|| {
            self.target = rounded;
            rounded
        })
    }

    /// Numbers the segments as in the playlist `before`, once the segment `seq` of the file `name`
    /// is listed. A segment before all of those in it was missing for a while, and is back.
    fn go_on_from(&mut self, before: String, seq: u64, name: &str) {
        let is_back = first_in(&before).is_some_and(|first| seq < first);
        let old = if is_back { Gone::in_head(&before) } else { gone_before(&before, Some(name)) };
        // As many of those that had left are listed, or will be, before the first that had not.
        let back = self.entries.len() - usize::from(!is_back);
        let breaks = self.entries.iter().filter(|entry| entry.is_break).count();
        self.gone = Gone {
            segments: old.segments.saturating_sub(back as u64),
            breaks: old.breaks.saturating_sub(breaks as u64),
        };
        self.before = is_back.then_some(before);
    }

    /// Removes the segments up to `seq`, and some more if there are many. Returns whether there
    /// were any.
    pub(crate) fn remove_up_to(&mut self, seq: u64) -> bool {
        let count = self.entries.iter().take_while(|entry| entry.seq <= seq).count();
        if count == 0 {
            return false;
        }
        let ahead = (self.entries.len() - count) / AHEAD;
        for entry in self.entries.drain(..count + ahead) {
            self.gone.segments += 1;
            self.gone.breaks += u64::from(entry.is_break);
        }
        true
    }

    /// Returns the number of listed segments.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether no segment is or was ever listed.
    pub(crate) fn nothing_listed(&self) -> bool {
        self.entries.is_empty() && self.gone() == Gone::default()
    }

    /// Returns whether tables of this file name apply to a listed segment or to the next one.
    pub(crate) fn refers_to(&self, tables: &str) -> bool {
        // A segment names its own tables, or uses those of the one before.
        let first = self.entries.front().and_then(|entry| entry.map.as_deref());
        [first, self.map.as_deref()].contains(&Some(tables))
    }

    /// Returns what has left in total: all of the continued playlist, as long as nothing is listed.
    fn gone(&self) -> Gone {
        let before = self.before.as_deref().filter(|_| self.entries.is_empty());
        before.map_or(self.gone, |before| gone_before(before, None))
    }

    /// Returns the text of the file; with `ended`, it is complete (§4.3.3.4).
    pub(crate) fn render(&self, ended: bool) -> String {
        let Gone { segments, breaks } = self.gone();
        let mut text =
            format!("#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{}\n", self.target);
        if self.window || segments > 0 {
            // §4.3.3.2, §4.3.3.3: how many have left.
            let _ = write!(text, "{NUMBER}{segments}\n{BREAKS}{breaks}\n");
        } else {
            // §4.3.5.2: a late player starts at the beginning, not near the end.
            text.push_str("#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-START:TIME-OFFSET=0\n");
        }
        text.push_str(&self.render_from(0));
        text.push_str(if ended { END } else { "" });
        text
    }

    /// Returns the lines of the segments from index `first` on; they change no line before them.
    pub(crate) fn render_from(&self, first: usize) -> String {
        let mut text = String::new();
        let before = first.checked_sub(1).and_then(|n| self.entries.get(n));
        let mut map = before.and_then(|entry| entry.map.as_ref());
        for (n, entry) in self.entries.iter().enumerate().skip(first) {
            if entry.is_break {
                // §4.3.2.3: time stamps start anew.
                let _ = writeln!(text, "{BREAK}");
            }
            if entry.is_break || n == 0 {
                // §4.3.2.6: in between, players add up durations, which do not step as a wall clock
                // may.
                let _ = writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", entry.opened_at);
            }
            if let Some(tables) = entry.map.as_ref().filter(|tables| map != Some(*tables)) {
                // §4.3.2.5: applies until the next one.
                let _ = writeln!(text, "#EXT-X-MAP:URI=\"{tables}\"");
                map = Some(tables);
            }
            let _ = writeln!(text, "#EXTINF:{:.6},\n{}", entry.seconds, entry.name);
        }
        text
    }

    /// Returns the number of the first segment to list after `before`, if segments have left that
    /// one: earlier ones have left too, even if their files are there.
    pub(crate) fn first_after(before: &str) -> u64 {
        if number_in(before, NUMBER).is_none_or(|gone| gone == 0) {
            return 0;
        }
        first_in(before).unwrap_or(0)
    }

    /// Returns whether `text` is this playlist without its end, ignoring blank lines.
    pub(crate) fn is(&self, text: &str) -> bool {
        let lines = text.lines().filter(|line| !line.is_empty());
        text.ends_with('\n') && lines.eq(self.render(false).lines())
    }
}

/// Returns the target duration of a playlist, in seconds.
fn target_in(playlist: &str) -> Option<u64> {
    number_in(playlist, "#EXT-X-TARGETDURATION:")
}

/// Returns the number after `tag`, unless it exceeds that of any playlist of ours.
fn number_in(playlist: &str, tag: &str) -> Option<u64> {
    let number: Option<u64> =
        playlist.lines().find_map(|line| line.strip_prefix(tag)?.parse().ok());
    number.filter(|number| *number <= MAX_SEQUENCE)
}

/// Returns the number of the first segment that `playlist` lists.
fn first_in(playlist: &str) -> Option<u64> {
    let mut names = playlist.lines().filter(|line| !line.starts_with('#'));
    names.find_map(|name| sequence(Path::new(name)))
}

/// Returns what has left `playlist` when it begins with `name`, which need not be in it; all of it
/// without a name.
fn gone_before(playlist: &str, name: Option<&str>) -> Gone {
    let mut gone = Gone::in_head(playlist);
    for line in playlist.lines() {
        // A new playlist has no break before its first segment.
        gone.breaks += u64::from(line == BREAK);
        if Some(line) == name {
            break;
        }
        gone.segments += u64::from(!line.is_empty() && !line.starts_with('#'));
    }
    gone
}

#[cfg(test)]
mod tests {
    use cht_core::event::{Anchor, EndReason};

    use super::*;

    /// Creates a segment that begins at `start` seconds of its clock, and `shift` seconds later on
    /// the timeline.
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
    fn number_beyond_limit_is_ignored() {
        let text = "#EXT-X-MEDIA-SEQUENCE:18446744073709551615\n#EXTINF:1,\nsegment_000001.ts\n";
        assert_eq!(gone_before(text, None).segments, 1);
    }

    #[test]
    fn connections_and_jumps_make_breaks() {
        let mut playlist = Playlist::new(2.0, false, None);
        assert!(playlist.nothing_listed());
        playlist.push(&segment(1, 1, 0, 0), Some("psi_000001.ts"));
        playlist.push(&segment(2, 1, 2, 0), Some("psi_000001.ts"));
        // The same connection, after a jump of its clock.
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
    fn playlist_without_retention_only_grows() {
        let mut playlist = Playlist::new(2.0, false, None);
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
    fn appended_lines_equal_full_rendering() {
        let mut playlist = Playlist::new(2.0, false, None);
        let mut text = playlist.render(false);
        for n in 1..20 {
            let tables = format!("psi_{}.ts", n / 4);
            let listed = playlist.len();
            playlist.push(&segment(n, n as u32 / 3, n as i64 * 2, 0), Some(&tables));
            text += &playlist.render_from(listed);
            assert_eq!(text, playlist.render(false));
            assert!(playlist.is(&text.replace("#EXTINF", "\n\n#EXTINF")));
            assert!(!playlist.is(&text[..text.len() - 1]), "a torn line");
        }
    }

    #[test]
    fn long_playlist_is_rarely_rewritten_as_segments_leave() {
        let mut playlist = Playlist::new(2.0, true, None);
        let mut written = 0;
        for n in 1..=20_000 {
            playlist.push(&segment(n, 1, n as i64 * 2, 0), None);
            if n > 1000 {
                written += usize::from(playlist.remove_up_to(n - 1000));
            }
            assert!(n < 1000 || (960..=1000).contains(&playlist.len()), "{}", playlist.len());
        }
        assert!(written < 19_000 / 28, "{written}");
        // Continued: segments that have left do not come back, although their files are there.
        let text = playlist.render(true);
        let first = Playlist::first_after(&text);
        assert!((19_001..=19_033).contains(&first), "{first}");
        let mut continued = Playlist::new(2.0, true, Some(&text));
        continued.push(&segment(first, 1, first as i64 * 2, 0), None);
        assert!(continued.render(false).contains(&format!("MEDIA-SEQUENCE:{}\n", first - 1)));
    }

    #[test]
    fn returned_segments_are_listed_and_others_keep_their_numbers() {
        // Connections of two segments each: a break before every odd one but the first.
        let listed = |seqs: &[u64], before: Option<&str>| {
            let mut playlist = Playlist::new(2.0, false, before);
            for &seq in seqs {
                playlist.push(&segment(seq, seq.div_ceil(2) as u32, seq as i64 * 2, 0), None);
            }
            playlist.render(false)
        };
        let numbers = |text: &str| Gone::in_head(text);
        let whole = listed(&[1, 2, 3, 4, 5, 6], None);
        let rest = listed(&[4, 5, 6], Some(&whole));
        assert_eq!(numbers(&rest), Gone { segments: 3, breaks: 1 });
        let some_back = listed(&[2, 3, 4, 5, 6], Some(&rest));
        assert_eq!(numbers(&some_back), Gone { segments: 1, breaks: 0 });
        let all_back = listed(&[1, 2, 3, 4, 5, 6], Some(&some_back));
        assert_eq!(numbers(&all_back), Gone::default());
        assert!(whole.ends_with(all_back.split_once("SEQUENCE:0\n#EXT-X-PROGRAM").unwrap().1));
        // Only one that it did not list.
        let before_all = listed(&[1, 2], Some(&rest));
        assert_eq!(numbers(&before_all), Gone { segments: 1, breaks: 1 });
    }

    #[test]
    fn continued_playlist_without_segments_is_empty_and_open() {
        let mut playlist = Playlist::new(2.0, false, None);
        playlist.push(&segment(1, 1, 0, 0), None);
        playlist.push(&segment(2, 2, 2, 0), None);
        let continued = Playlist::new(2.0, false, Some(&playlist.render(true)));
        assert!(!continued.nothing_listed());
        let text = continued.render(false);
        assert!(text.ends_with("MEDIA-SEQUENCE:2\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n"), "{text}");
    }

    #[test]
    fn playlist_without_tables_has_no_map() {
        let mut playlist = Playlist::new(2.0, false, None);
        playlist.push(&segment(1, 1, 0, 0), None);
        assert!(!playlist.render(true).contains("EXT-X-MAP"));
    }

    #[test]
    fn segment_without_duration_is_skipped_and_makes_break() {
        let mut playlist = Playlist::new(2.0, false, None);
        let timeless = |seq| SegmentClosed { duration: None, ..segment(seq, 1, 0, 0) };
        playlist.push(&timeless(1), None);
        assert!(playlist.nothing_listed());
        playlist.push(&segment(2, 1, 0, 0), None);
        assert!(!playlist.render(false).contains("DISCONTINUITY"));
        playlist.push(&timeless(3), None);
        playlist.push(&segment(4, 1, 2, 0), None);
        let text = playlist.render(false);
        assert_eq!(text.matches("#EXTINF").count(), 2);
        assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 1);
    }

    #[test]
    fn target_duration_is_kept_and_raised_only_when_exceeded() {
        let mut playlist = Playlist::new(2.0, false, None);
        let lasting = |seq, seconds| SegmentClosed {
            duration: Some(seconds),
            ..segment(seq, 1, seq as i64, 0)
        };
        assert_eq!(playlist.push(&lasting(1, 12.4), None), None);
        assert_eq!(playlist.push(&lasting(2, 12.5), None), Some(13));
        assert!(playlist.render(false).contains("#EXT-X-TARGETDURATION:13\n"));
        // Continued with another segment time.
        let mut continued = Playlist::new(60.0, false, Some(&playlist.render(true)));
        assert_eq!(continued.push(&lasting(1, 13.0), None), None);
        assert!(continued.render(false).contains("#EXT-X-TARGETDURATION:13\n"));
        assert_eq!(Playlist::new(0.0, false, Some("torn")).target, 10);
    }

    #[test]
    fn removed_segments_are_counted_over_restarts() {
        let mut playlist = Playlist::new(2.0, true, None);
        for n in 1..=6_u64 {
            // A new connection with every other segment.
            let connection = n.div_ceil(2);
            let tables = format!("psi_{connection}.ts");
            playlist.push(&segment(n, connection as u32, n as i64 * 2, 0), Some(&tables));
        }
        let text = playlist.render(false);
        assert!(!text.contains("TYPE") && text.contains("#EXT-X-MEDIA-SEQUENCE:0\n"), "{text}");
        assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 2);
        playlist.remove_up_to(3);
        let text = playlist.render(true);
        let head = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:12\n#EXT-X-MEDIA-SEQUENCE:3\n\
                    #EXT-X-DISCONTINUITY-SEQUENCE:1\n\
                    #EXT-X-PROGRAM-DATE-TIME:2026-11-23T06:24:29.569Z\n#EXT-X-MAP:URI=\"psi_2.ts\"\n\
                    #EXTINF:2.000000,\nsegment_000004.ts\n#EXT-X-DISCONTINUITY\n";
        assert!(text.starts_with(head), "{text}");
        // Continued, after the fourth was removed.
        let mut continued = Playlist::new(2.0, true, Some(&text));
        continued.push(&segment(5, 3, 10, 0), None);
        let text = continued.render(false);
        assert!(text.contains("MEDIA-SEQUENCE:4\n#EXT-X-DISCONTINUITY-SEQUENCE:2\n"), "{text}");
        assert!(!text.contains("#EXT-X-DISCONTINUITY\n"), "{text}");
        // All of it, and one that it never listed.
        let mut continued = Playlist::new(2.0, false, Some(&text));
        continued.push(&segment(9, 4, 10, 0), None);
        assert!(continued.render(false).contains("#EXT-X-MEDIA-SEQUENCE:5\n"));
    }

    #[test]
    fn playlist_after_removal_of_all_keeps_its_numbers() {
        let mut playlist = Playlist::new(2.0, true, None);
        playlist.push(&segment(1, 1, 2, 0), None);
        playlist.remove_up_to(1);
        assert!(!playlist.nothing_listed());
        assert!(playlist.render(false).ends_with("SEQUENCE:1\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n"));
    }
}
