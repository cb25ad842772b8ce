//! Reads what earlier runs have written to a journal. Pure: lines in, state out.
//!
//! A journal may be damaged. An unusable line is skipped, and the rest counts: ids go on after the
//! largest number that any line names, so that no picture is overwritten, and a frame whose segment
//! has lost its checkpoint is not kept a second time when that segment is decoded again.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    io::{self, BufRead},
    path::Path,
};

use cht_core::{
    event::{Event, Frame},
    session::sequence,
    storage::journal::{Lines, Skipped},
};
use cht_ts::time::is_time;

use super::entry::{Checkpoint, Done, Entry};
use crate::cli::options::Options;

/// Number of frames that are remembered, to find one with the same picture; the detectors remember
/// the same number.
const REMEMBERED: usize = 64;

/// Number larger than that of any frame or segment.
const MOST: u64 = 1 << 56;

/// Holds the state that a journal describes.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub options: Option<Options>,
    /// Whether segments are known by their names.
    pub by_name: bool,
    /// Done segments by [`key`].
    pub done: HashMap<String, Done>,
    /// Last checkpoint.
    pub last: Option<Checkpoint>,
    /// Checkpoint before the last one.
    pub before: Option<Checkpoint>,
    /// Last checkpoint of each other recording, the newest last.
    pub others: Vec<Checkpoint>,
    /// Last segments, where frames that were selected because the input ended may be taken back, or
    /// were.
    pub unsure: Vec<Checkpoint>,
    /// End of the last checkpoint in the journal, and of the one before, in bytes.
    pub end: u64,
    pub end_before: u64,
    /// Number of the next frame.
    pub next_id: u64,
    /// Last frames that were kept, the newest last.
    pub recent: VecDeque<Frame>,
    /// Frames that will be selected again.
    pub late: Vec<Late>,
}

/// Describes a frame that will be selected again: the state of the last checkpoint does not include
/// it yet, or the checkpoint of its segment was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Late {
    pub(crate) pts: i64,
    /// Segment of the frame; none if it counts in every segment.
    pub(crate) segment: Option<String>,
}

impl Late {
    pub(crate) fn is(&self, segment: &str, pts: i64) -> bool {
        self.pts == pts && self.segment.as_ref().is_none_or(|known| known == segment)
    }
}

impl Known {
    /// Reads the lines that end at byte `until` or before, up to the last checkpoint among them.
    /// See [`key`] for `by_name`.
    pub(crate) fn read(
        mut lines: Lines<impl BufRead>,
        until: u64,
        by_name: bool,
    ) -> io::Result<(Self, Skipped)> {
        let known = Self { next_id: 1, by_name, ..Self::default() };
        let mut reader = Reader { known, ..Reader::default() };
        let mut skipped = Skipped::default();
        while let Some(line) = lines.next()?.filter(|line| line.end <= until) {
            match serde_json::from_slice(line.bytes) {
                Ok(entry) => {
                    if let Err(why) = reader.take(entry, line.end) {
                        skipped.add(line.number, why);
                    }
                }
                Err(error) => skipped.add(line.number, error),
            }
        }
        Ok((reader.finish(), skipped))
    }
}

#[derive(Debug, Default)]
struct Reader {
    known: Known,
    /// Frames since the last checkpoint, with their sessions.
    frames: Vec<(Option<String>, Frame)>,
    /// Number of the last frame.
    last_id: u64,
    /// Number, PTS and segment of each frame.
    places: Vec<(u64, i64, String)>,
}

impl Reader {
    /// Takes the entry of a line that ends at byte `end`; returns the reason if it cannot be used.
    fn take(&mut self, entry: Entry, end: u64) -> Result<(), &'static str> {
        match entry {
            Entry::Options(options) => {
                self.known.options = Some(options);
                self.known.end = end;
            }
            Entry::Frame(session, frame) => {
                let id = number_of(&frame.id).ok_or("a frame without a number")?;
                if id <= self.last_id {
                    return Err("a frame whose number came before");
                }
                if !is_time(frame.pts) {
                    return Err("a frame at no time of a stream");
                }
                self.last_id = id;
                self.places.push((id, frame.pts, frame.segment.clone()));
                self.frames.push((session, frame));
            }
            Entry::Checkpoint(checkpoint) => {
                if !is_plausible(&checkpoint) {
                    return Err("a checkpoint with times or numbers of no stream");
                }
                self.checkpoint(*checkpoint, end);
            }
            Entry::TakenBack(from) => {
                if !(1..MOST).contains(&from) {
                    return Err("frames without a number are taken back");
                }
                self.known.end = end;
                self.known.forget_from(from);
                self.places.retain(|(id, ..)| *id < from);
                self.last_id = from - 1;
            }
            Entry::Again(done, provisional_from) => {
                self.known.end = end;
                let frames = self.frames();
                self.known.finish_again(&done, provisional_from, frames);
            }
        }
        Ok(())
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint, end: u64) {
        let frames = self.frames();
        let known = &mut self.known;
        (known.end_before, known.end) = (known.end, end);
        known.next_id = known.next_id.max(checkpoint.next_id);
        known.set_last(&checkpoint);
        let key = key(&checkpoint.path, known.by_name).to_owned();
        known.done.insert(key, Done { checkpoint, frames });
    }

    /// Returns the frames since the last checkpoint, and remembers them.
    fn frames(&mut self) -> Vec<Event> {
        let known = &mut self.known;
        known.next_id = known.next_id.max(self.last_id + 1);
        std::mem::take(&mut self.frames)
            .into_iter()
            .map(|(session, frame)| {
                remember(&mut known.recent, frame.clone());
                Event::new(session, frame)
            })
            .collect()
    }

    fn finish(mut self) -> Known {
        let Some(last) = &self.known.last else { return self.known };
        // Lines after the last checkpoint are made again.
        let again = self.frames.first().and_then(|(_, frame)| number_of(&frame.id));
        let kept = self.places.into_iter().filter(|(id, ..)| again.is_none_or(|again| *id < again));
        let done: HashSet<&str> = self.known.done.keys().map(String::as_str).collect();
        let late = kept.filter_map(|(id, pts, segment)| {
            if id >= last.next_id {
                return Some(Late { pts, segment: None });
            }
            let segment = key(&segment, self.known.by_name);
            (!done.contains(segment)).then(|| Late { pts, segment: Some(segment.to_owned()) })
        });
        self.known.late = late.collect();
        self.known
    }
}

/// Returns the key of the segment at `path`: in the folder of a session, the name of the file, so
/// that the session may be moved and have several names; otherwise its path.
pub(crate) fn key(path: &str, by_name: bool) -> &str {
    let path_of = Path::new(path);
    let is_of_session = || path_of.parent()?.file_name().filter(|name| *name == "stream");
    let name = path_of.file_name().and_then(|name| name.to_str());
    let name = name.filter(|_| by_name && sequence(path_of).is_some() && is_of_session().is_some());
    name.unwrap_or(path)
}

/// Adds a frame to the last frames kept.
pub(crate) fn remember(recent: &mut VecDeque<Frame>, frame: Frame) {
    if recent.len() == REMEMBERED {
        recent.pop_front();
    }
    recent.push_back(frame);
}

/// Returns the number in an id such as `F000012`.
pub(crate) fn number_of(id: &str) -> Option<u64> {
    let number = id.strip_prefix('F')?.parse().ok()?;
    (1..MOST).contains(&number).then_some(number)
}

/// Returns whether the values of a checkpoint are plausible.
fn is_plausible(checkpoint: &Checkpoint) -> bool {
    let Checkpoint { anchor, ahead, state, next_id, done, .. } = checkpoint;
    let ticks = anchor.iter().flat_map(|anchor| [anchor.pts, anchor.offset]);
    let mut ticks = ticks.chain([*ahead]).chain(state.last_kept).chain(state.last_cut);
    ticks.all(is_time) && (1..MOST).contains(next_id) && done.seq < MOST
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPTIONS: &str = r#"{"options":{"detect":["scene"],"settle":0.5,"max_wait":2.0,"threshold":0.3,"max_interval":30.0,"min_gap":1.0,"quality":85,"format":"jpeg"}}"#;

    fn frame(id: u64, pts: i64, segment: &str) -> String {
        format!(
            r#"{{"frame":[null,{{"id":"F{id:06}","timestamp":0.0,"pts":{pts},"path":"/F.jpg","segment":"{segment}","reason":"scene","scores":{{"scene":0.5}},"width":2,"height":2,"bytes":1,"hash":""}}]}}"#
        )
    }

    fn checkpoint(seq: u64, next_id: u64) -> String {
        format!(
            r#"{{"checkpoint":{{"path":"/{seq}.ts","bytes":9,"done":{{"stage":"cht-scenes","seq":{seq},"path":"/{seq}.ts","events":1,"decoded":1}},"anchor":{{"pts":0,"offset":0}},"pid":256,"codec":"h264","state":{{"last_kept":0,"last_cut":null,"waiting":null}},"next_id":{next_id}}}}}"#
        )
    }

    fn read(lines: &[String]) -> (Known, u64) {
        let text = lines.join("\n") + "\n";
        let (known, skipped) =
            Known::read(Lines::new(text.as_bytes(), 0), u64::MAX, false).unwrap();
        (known, skipped.count())
    }

    fn journal() -> Vec<String> {
        let first = [OPTIONS.to_owned(), frame(1, 0, "/1.ts"), checkpoint(1, 2)];
        // The third frame was selected before the second segment was done.
        let second = [frame(2, 90, "/2.ts"), frame(3, 180, "/3.ts"), checkpoint(2, 3)];
        [&first[..], &second, &[frame(4, 270, "/3.ts")]].concat()
    }

    #[test]
    fn journal_of_whole_lines_is_read() {
        let (known, skipped) = read(&journal());
        assert!(known.options.is_some());
        assert_eq!((known.next_id, known.done.len(), skipped), (4, 2, 0));
        assert_eq!(known.late, [Late { pts: 180, segment: None }]);
        assert_eq!(known.before.map(|before| before.done.seq), Some(1));
        let text = journal().join("\n");
        assert_eq!(&text[known.end as usize..], frame(4, 270, "/3.ts"));
        assert!(text[..known.end_before as usize].ends_with(&format!("{}\n", checkpoint(1, 2))));
    }

    #[test]
    fn segment_of_a_session_is_known_by_its_name() {
        let (here, there) = ("/a/s/stream/segment_000001.ts", "/b/stream/segment_000001.ts");
        assert_eq!(key(here, true), key(there, true));
        assert_ne!(key(here, false), key(there, false));
        assert_ne!(key("/a/stream/1.ts", true), key("/b/stream/1.ts", true));
    }

    #[test]
    fn damaged_line_hides_no_later_one() {
        for damaged in 0..6 {
            let mut lines = journal();
            lines[damaged] = lines[damaged][..lines[damaged].len() / 2].to_owned();
            let (known, skipped) = read(&lines);
            assert_eq!(skipped, 1, "{damaged}");
            let (next, last) = match damaged {
                // The third frame will be selected again, under the same number.
                4 => (3, 2),
                // Without the last checkpoint, the one before counts.
                5 => (2, 1),
                _ => (4, 2),
            };
            assert_eq!((known.next_id, known.last.unwrap().done.seq), (next, last), "{damaged}");
        }
    }

    #[test]
    fn lost_frames_free_no_numbers() {
        let lines = [OPTIONS.to_owned(), checkpoint(1, 8)];
        let (known, _) = read(&lines);
        assert_eq!((known.next_id, known.late), (8, vec![]));
        let lines = [OPTIONS.to_owned(), frame(7, 0, "/1.ts"), checkpoint(1, 2)];
        assert_eq!(read(&lines).0.next_id, 8);
    }

    #[test]
    fn frame_of_a_lost_checkpoint_is_not_kept_twice() {
        let mut lines = journal();
        lines.remove(2);
        let (known, _) = read(&lines);
        assert!(!known.done.contains_key("/1.ts"));
        assert!(known.late.iter().any(|late| late.is("/1.ts", 0)));
        assert!(!known.late.iter().any(|late| late.is("/2.ts", 0)));
    }

    #[test]
    fn numbers_and_times_of_no_stream_are_skipped() {
        let hostile = [
            frame(u64::MAX, 0, "/1.ts"),
            frame(1, i64::MIN, "/1.ts"),
            frame(0, 0, "/1.ts"),
            checkpoint(1, u64::MAX),
            checkpoint(1, 0),
            checkpoint(1, 2).replace("\"offset\":0", "\"offset\":-9223372036854775808"),
            checkpoint(1, 2).replace("\"last_kept\":0", "\"last_kept\":9223372036854775807"),
            "[".repeat(100_000),
            "\u{0}{}".to_owned(),
        ];
        let (known, skipped) = read(&hostile);
        assert_eq!((known.next_id, known.done.len(), skipped), (1, 0, hostile.len() as u64));
    }

    proptest! {
        #[test]
        fn damaged_bytes_give_rising_numbers(
            cut in 0..1500_usize, damage in prop::collection::vec((0..1500_usize, any::<u8>()), 0..8)
        ) {
            let mut text = journal().join("\n").into_bytes();
            text.truncate(cut);
            for (at, byte) in damage {
                if let Some(damaged) = text.get_mut(at) {
                    *damaged = byte;
                }
            }
            let (known, _) = Known::read(Lines::new(&text[..], 0), u64::MAX, false).unwrap();
            prop_assert!(known.end <= text.len() as u64 && known.end_before <= known.end);
            for frame in &known.recent {
                prop_assert!(number_of(&frame.id).is_some_and(|id| id < known.next_id));
            }
        }
    }
}
