//! Frames that a reader has not acknowledged, with their words, from the lines of the journal.

use std::collections::HashMap;

use anyhow::Result;
use cht_core::event::{Body, Frame, Text, Transcript};

use crate::store::{
    cursor::Cursor,
    journal::Journal,
    line::{self, Kind},
    state::State,
};

/// Length of the journal after the last frame of an answer that is searched for words of its
/// frames, in bytes. Words that come later are given later.
const LOOK_AHEAD: u64 = 256 << 10;

/// A frame that was not acknowledged.
#[derive(Debug)]
pub(crate) struct Unread {
    pub frame: Frame,
    pub texts: Vec<Text>,
    pub speech: Vec<Transcript>,
}

/// Frames that were not acknowledged, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub frames: Vec<Unread>,
    /// Texts of frames that were given before.
    pub late_texts: Vec<Text>,
    /// Speech from before the first of these frames.
    pub late_speech: Vec<Transcript>,
    /// Place after these frames.
    pub cursor: Cursor,
    /// Byte before which all frames are acknowledged already.
    pub acknowledged_to: u64,
}

/// Frames that marks in the journal call sent, and where the last mark of each ends.
pub(crate) type Marks = HashMap<String, u64>;

/// Reads the marks from byte `from` on.
pub(crate) fn marks(journal: &mut Journal, from: u64) -> Result<Marks> {
    let (mut marks, finder) = (Marks::new(), memchr::memmem::Finder::new("sent"));
    let mut lines = Vec::new();
    journal.each_line(from, |line, _, end| {
        // The type of most lines tells them apart within their first bytes.
        let is_near = finder.find(&line[..line.len().min(64)]).is_some();
        if (is_near || !line.starts_with(br#"{"v":1,"type":""#)) && line::kind(line) == Kind::Sent {
            lines.push((line.to_vec(), end));
        }
        true
    })?;
    for (line, end) in lines {
        if let Some(Body::Sent(sent)) = journal.event(&line).map(|event| event.body)
            && sent.is_of_agent()
        {
            marks.insert(sent.id, end);
        }
    }
    Ok(marks)
}

/// Reads at most `limit` frames that are not acknowledged in `state`, nor by `marks`.
pub(crate) fn read(
    journal: &mut Journal,
    state: &State,
    marks: &Marks,
    limit: usize,
) -> Result<Batch> {
    let mut scan = Scan {
        state,
        marks,
        limit,
        journal,
        before: None,
        pictures: HashMap::new(),
        frames: Vec::new(),
        words: Vec::new(),
        stop: None,
        first: None,
    };
    let read =
        journal.each_line(state.cursor.frames, |line, begin, end| scan.take(line, begin, end))?;
    let Scan { frames, words, stop, first, .. } = scan;
    let stop = stop.unwrap_or(read);
    let mut batch = Batch { acknowledged_to: first.unwrap_or(stop), ..Batch::default() };
    if let Some(file) = journal.file() {
        batch.cursor = Cursor::at(file, stop, read)?;
    }
    for (_, line) in frames {
        if let Some(frame) = journal.frame(&line) {
            batch.frames.push(Unread { frame, texts: Vec::new(), speech: Vec::new() });
        }
    }
    let until = if stop < read { time_at(journal, stop)? } else { None };
    for (line, end) in words {
        match journal.event(&line).map(|event| event.body) {
            Some(Body::Text(text)) => batch.add_text(text, end, state),
            Some(Body::Transcript(speech)) => batch.add_speech(speech, end, until, state),
            _ => {}
        }
    }
    Ok(batch)
}

/// Returns the time of the frame whose line begins at `begin`.
fn time_at(journal: &mut Journal, begin: u64) -> Result<Option<f64>> {
    let mut first = None;
    journal.each_line(begin, |line, _, _| {
        first = Some(line.to_vec());
        false
    })?;
    Ok(first.and_then(|line| journal.frame(&line)).map(|frame| frame.timestamp))
}

impl Batch {
    /// Adds a text to its frame, or to those that come late.
    fn add_text(&mut self, text: Text, end: u64, state: &State) {
        if let Some(unread) = self.frames.iter_mut().find(|unread| unread.frame.id == text.id) {
            // What a source says last counts.
            unread.texts.retain(|known| known.source != text.source);
            unread.texts.push(text);
        } else if end > state.cursor.words && state.frames.contains(&text.id) {
            self.late_texts.push(text);
        }
    }

    /// Adds speech to the frame that was on the screen when it began. `until` is the time of the
    /// next frame after these.
    fn add_speech(&mut self, speech: Transcript, end: u64, until: Option<f64>, state: &State) {
        let is_given = end <= state.cursor.words;
        if until.is_some_and(|until| speech.start >= until) && end > self.cursor.frames {
            return;
        }
        let on_screen = self.frames.iter_mut().filter(|it| it.frame.timestamp <= speech.start);
        match on_screen.max_by(|a, b| a.frame.timestamp.total_cmp(&b.frame.timestamp)) {
            Some(unread) => unread.speech.push(speech),
            None if !is_given => self.late_speech.push(speech),
            None => {}
        }
    }
}

/// Decides line by line.
struct Scan<'a> {
    state: &'a State,
    marks: &'a Marks,
    limit: usize,
    journal: &'a Journal,
    /// Hashes of the pictures before the cursor, read when they are needed.
    before: Option<HashMap<String, String>>,
    /// Hashes of the pictures of acknowledged frames that were seen.
    pictures: HashMap<String, String>,
    /// Frames of the answer: id and line.
    frames: Vec<(String, Vec<u8>)>,
    /// Texts and speech, and where each line ends.
    words: Vec<(Vec<u8>, u64)>,
    /// Where the first frame after the answer begins.
    stop: Option<u64>,
    /// Where the first frame of the answer begins.
    first: Option<u64>,
}

impl Scan<'_> {
    /// Takes a line. Returns whether to go on.
    fn take(&mut self, line: &[u8], begin: u64, end: u64) -> bool {
        match line::kind(line) {
            Kind::Frame => self.take_frame(line, begin),
            Kind::Text | Kind::Transcript => self.words.push((line.to_vec(), end)),
            _ => {}
        }
        self.stop.is_none_or(|stop| end < stop + LOOK_AHEAD)
    }

    fn take_frame(&mut self, line: &[u8], begin: u64) {
        let Some(id) = line::id(line) else { return };
        if let Some((_, known)) = self.frames.iter_mut().find(|(known, _)| *known == id) {
            // Another program has added fields to it.
            *known = line.to_vec();
        } else if self.stop.is_some() || self.is_acknowledged(&id, line, begin) {
        } else if self.frames.len() == self.limit {
            self.stop = Some(begin);
        } else {
            self.first.get_or_insert(begin);
            self.frames.push((id, line.to_vec()));
        }
    }

    /// Tells whether a frame is acknowledged; a picture that was made anew is not.
    fn is_acknowledged(&mut self, id: &str, line: &[u8], begin: u64) -> bool {
        let is_by_reader = self.state.frames.contains(id);
        let mark = self.marks.get(id).copied();
        if !is_by_reader && mark.is_none() {
            return false;
        }
        let hash = line::hash(line).unwrap_or_default();
        let before = match self.pictures.get(id) {
            Some(before) => Some(before),
            // All frames before the cursor are in the state.
            None if is_by_reader => self.before_cursor().get(id),
            None => None,
        };
        let is_same = before.is_none_or(|before| *before == hash);
        self.pictures.insert(id.to_owned(), hash);
        is_same || mark.is_some_and(|mark| mark > begin)
    }

    /// Returns the hash of each picture before the cursor. A journal that cannot be read has none.
    fn before_cursor(&mut self) -> &HashMap<String, String> {
        let (journal, end) = (self.journal, self.state.cursor.frames);
        self.before.get_or_insert_with(|| journal.hashes(end).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use cht_core::session::Session;

    use super::*;
    use crate::store::ids::Ids;

    fn frame(number: u32, hash: &str) -> String {
        format!(
            r#"{{"v":1,"type":"frame","session":null,"id":"F{number:06}","timestamp":{number},"pts":1,"path":"/f","segment":"/s","reason":"scene","scores":{{"scene":0.5}},"width":1,"height":1,"bytes":1,"hash":"{hash}"}}"#
        )
    }

    fn text(number: u32, text: &str) -> String {
        format!(r#"{{"v":1,"type":"text","session":null,"id":"F{number:06}","text":"{text}"}}"#)
    }

    fn speech(start: f64, text: &str) -> String {
        format!(
            r#"{{"v":1,"type":"transcript","session":null,"start":{start},"end":{start},"text":"{text}"}}"#
        )
    }

    fn mark(number: u32) -> String {
        format!(r#"{{"v":1,"type":"sent","session":null,"id":"F{number:06}"}}"#)
    }

    struct Place {
        _folder: tempfile::TempDir,
        journal: Journal,
    }

    fn place(lines: &[String]) -> Place {
        let folder = tempfile::tempdir().unwrap();
        for name in ["stream", "frames"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let text = lines.join("\n") + "\n";
        std::fs::write(folder.path().join("frames/index.ndjson"), text + "{\"v\":1,\"ty").unwrap();
        let journal = Journal::open(&Session::open(folder.path()).unwrap()).unwrap();
        Place { _folder: folder, journal }
    }

    impl Place {
        fn read(&mut self, state: &State, limit: usize) -> Batch {
            let marks = marks(&mut self.journal, state.cursor.frames).unwrap();
            read(&mut self.journal, state, &marks, limit).unwrap()
        }
    }

    fn numbers(batch: &Batch) -> Vec<u32> {
        let number = |unread: &Unread| unread.frame.id[1..].parse().unwrap();
        batch.frames.iter().map(number).collect()
    }

    fn state(acknowledged: &[u32], cursor: Cursor) -> State {
        let mut frames = Ids::default();
        for number in acknowledged {
            frames.insert(&format!("F{number:06}"));
        }
        State { cursor, frames, restarted: false }
    }

    #[test]
    fn frames_come_with_their_words_and_words_that_come_late_come_once() {
        let lines = [
            frame(1, "a"),
            text(1, "one"),
            frame(2, "b"),
            speech(1.5, "first"),
            frame(3, "c"),
            text(2, "two"),
            speech(2.5, "second"),
            speech(3.5, "third"),
            text(1, "one, better"),
        ];
        let mut place = place(&lines);
        let first = place.read(&state(&[], Cursor::default()), 2);
        assert_eq!(numbers(&first), [1, 2]);
        let words = |unread: &Unread| {
            let texts = unread.texts.iter().map(|text| text.text.clone());
            texts.chain(unread.speech.iter().map(|it| it.text.clone())).collect::<Vec<_>>()
        };
        assert_eq!(words(&first.frames[0]), ["one, better", "first"]);
        assert_eq!(words(&first.frames[1]), ["two", "second"]);
        let then = place.read(&state(&[1, 2], first.cursor), 2);
        assert_eq!((numbers(&then), words(&then.frames[0])), (vec![3], vec!["third".to_owned()]));
        assert!(then.late_texts.is_empty() && then.late_speech.is_empty(), "given before");
        // Had the first answer ended before them, they would be late.
        let mut early = first.cursor;
        early.words = early.frames;
        let late = place.read(&state(&[1, 2], early), 2);
        let ids: Vec<_> = late.late_texts.iter().map(|text| text.id.as_str()).collect();
        assert_eq!(ids, ["F000002", "F000001"]);
        assert_eq!(late.late_speech.len(), 1);
    }

    #[test]
    fn marks_acknowledge_and_a_picture_made_anew_does_not_stay_so() {
        let lines = [frame(1, "a"), frame(2, "b"), frame(3, "c"), mark(1), mark(3), frame(3, "d")];
        assert_eq!(numbers(&place(&lines).read(&state(&[], Cursor::default()), 9)), [2, 3]);
        let again = [&lines[..], &[mark(3)]].concat();
        assert_eq!(numbers(&place(&again).read(&state(&[], Cursor::default()), 9)), [2]);
    }

    #[test]
    fn fields_of_others_do_not_make_a_frame_new_and_another_picture_does() {
        let mut before = place(&[frame(1, "a"), frame(2, "b")]);
        let all = before.read(&state(&[], Cursor::default()), 9).cursor;
        let acknowledged = state(&[1, 2], all);
        let noted = frame(1, "a").replace(r#""hash":"a""#, r#""hash":"a","note":1"#);
        let mut place = place(&[frame(1, "a"), frame(2, "b"), noted, frame(2, "c"), frame(3, "e")]);
        assert_eq!(numbers(&place.read(&acknowledged, 9)), [2, 3]);
    }

    #[test]
    fn place_of_acknowledged_frames_ends_at_the_first_other() {
        let lines = [frame(1, "a"), frame(2, "b"), frame(3, "c")];
        let batch = place(&lines).read(&state(&[1, 3], Cursor::default()), 9);
        assert_eq!((numbers(&batch), batch.acknowledged_to), (vec![2], lines[0].len() as u64 + 1));
    }
}
