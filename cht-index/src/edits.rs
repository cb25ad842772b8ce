//! Edits of `index.json` by other programs: marks, and fields of their own.
//!
//! An element that is as cht-index would write it is compared, and not parsed. In any other, a
//! field counts if it differs from the value that the file had when it was written: it may be older
//! than the journal.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read},
    rc::Rc,
};

use cht_core::session::Moved;
use serde_json::{Map, Value};

use crate::{
    array::Elements,
    entry::{self, Element, Entry},
    frames::{Frames, Item},
    lines::StoredLines,
};

/// Changes that an edit makes: one for each frame, however often the edit names it.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    /// Frames with a new mark.
    pub marks: BTreeSet<Rc<str>>,
    /// New fields of frames.
    pub fields: BTreeMap<Rc<str>, Map<String, Value>>,
    /// Fields of frames that have changed: the state of the file decides whether they are new.
    doubtful: BTreeMap<Rc<str>, Map<String, Value>>,
    /// Elements that are not taken over, and the first of them.
    pub refused: u64,
    pub first: Option<String>,
}

/// How an edit was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edit {
    /// It is the index, element by element.
    None,
    /// Every element was read.
    Whole,
    /// It is not a JSON array, or ends within one.
    Broken,
}

/// Which values of an edit count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Fields that differ from the state of the file when it was written: the journal up to this
    /// byte, or as far as its frames tell.
    Since(Option<u64>),
    /// Only fields that the frame does not have.
    Additions,
}

/// Reason why an element of an edit is not taken over.
#[derive(Debug, thiserror::Error)]
enum EditError {
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("no frame (it has no `id`)")]
    NoId,
    #[error("no such frame: {0:?}")]
    NoFrame(String),
    #[error("sent_to_agent of {0} is {1}, and has to be true or false")]
    NoMark(String, Value),
    #[error(transparent)]
    TooLarge(#[from] entry::TooLarge),
    #[error("{0}")]
    Journal(#[from] io::Error),
}

/// Reads edits of an index with these frames, which are in order.
pub(crate) struct Reader<'a> {
    pub frames: &'a Frames,
    pub lines: StoredLines<'a>,
    pub moved: Option<&'a mut Moved>,
    pub rule: Rule,
    /// Whether the index is written as an object.
    pub is_object: bool,
}

impl Reader<'_> {
    /// Reads the text of an index, and adds its changes to `edits`.
    pub(crate) fn read(mut self, text: impl Read, edits: &mut Edits) -> io::Result<Edit> {
        let mut elements = Elements::new(text);
        let (mut number, mut differs) = (0_u64, false);
        let (mut next, mut expected) = (0, Vec::new());
        // Where the journal has the last frame of the edit for the first time.
        let mut newest = 0;
        loop {
            if let Some(item) = self.frames.items().get(next) {
                expected.clear();
                let moved = self.moved.as_deref_mut();
                entry::write_element(self.lines.get(item.line)?, item.sent, moved, &mut expected);
                if elements.take_if(&expected)? {
                    newest = newest.max(self.frames.first_line(item).offset);
                    (number, next) = (number + 1, next + 1);
                    continue;
                }
            }
            let Some(element) = elements.next()? else { break };
            (number, differs) = (number + 1, true);
            match self.read_element(element, edits) {
                Ok(place) => {
                    let item = &self.frames.items()[place];
                    newest = newest.max(self.frames.first_line(item).offset);
                    next = place + 1;
                }
                Err(EditError::Journal(error)) => return Err(error),
                Err(error) => {
                    edits.refused += 1;
                    edits.first.get_or_insert_with(|| format!("element {number}: {error}"));
                }
            }
        }
        self.decide(newest, edits)?;
        Ok(match elements.is_whole() {
            false => Edit::Broken,
            true if differs || elements.is_object() != self.is_object => Edit::Whole,
            true if next < self.frames.items().len() => Edit::Whole,
            true => Edit::None,
        })
    }

    /// Takes over an element that another program may have edited. Returns the place of its frame.
    fn read_element(&mut self, element: &[u8], edits: &mut Edits) -> Result<usize, EditError> {
        let Element { id, sent_to_agent, hash, extra } = serde_json::from_slice(element)?;
        let Some(Value::String(id)) = id else { return Err(EditError::NoId) };
        let Some(place) = self.frames.place(&id) else { return Err(EditError::NoFrame(id)) };
        let item = &self.frames.items()[place];
        let entry = Entry::parse(self.lines.get(item.line)?);
        let Some(mut entry) = entry else { return Err(EditError::NoFrame(id)) };
        let hash = hash.as_ref().and_then(Value::as_str);
        if hash.is_some_and(|hash| hash != entry.frame.hash) && self.has_had(item, hash)? {
            return Ok(place);
        }
        if sent_to_agent == Some(Value::Bool(true)) && !item.sent {
            edits.marks.insert(Rc::clone(&item.id));
        }
        let fields =
            if self.frames.older(&id).is_empty() { &mut edits.fields } else { &mut edits.doubtful };
        if let Some(known) = fields.get(&item.id) {
            entry.extra.extend(known.clone());
        }
        let counts = |name: &String, value: &Value| match entry.extra.get(name) {
            None => true,
            Some(known) => self.rule != Rule::Additions && known != value,
        };
        let new: Map<_, _> =
            extra.into_iter().filter(|(name, value)| counts(name, value)).collect();
        if entry.merge(new.clone())? {
            fields.entry(Rc::clone(&item.id)).or_default().extend(new);
        }
        match sent_to_agent {
            None | Some(Value::Bool(_) | Value::Null) => Ok(place),
            Some(value) => Err(EditError::NoMark(id, value)),
        }
    }

    /// Returns whether a frame had a picture with this hash before the present one: an element that
    /// names it says nothing about the present one.
    fn has_had(&mut self, item: &Item, hash: Option<&str>) -> io::Result<bool> {
        for line in self.frames.older(&item.id) {
            let older = Entry::parse(self.lines.get(*line)?);
            if older.is_some_and(|older| Some(&*older.frame.hash) == hash) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Decides which of the doubtful fields are new.
    fn decide(&mut self, newest: u64, edits: &mut Edits) -> io::Result<()> {
        let doubtful = std::mem::take(&mut edits.doubtful);
        let Rule::Since(known) = self.rule else {
            edits.fields.extend(doubtful);
            return Ok(());
        };
        let state = known.unwrap_or(newest + 1);
        for (id, fields) in doubtful {
            let Some(item) = self.frames.get(&id) else { continue };
            let lines = self.frames.older(&id).iter().chain([&item.line]);
            let first = self.frames.first_line(item);
            let line = lines.copied().take_while(|line| line.offset < state).last();
            let base = entry::extra(self.lines.get(line.unwrap_or(first))?).unwrap_or_default();
            let is_edit = |(name, value): &(String, Value)| base.get(name) != Some(value);
            let new: Map<_, _> = fields.into_iter().filter(is_edit).collect();
            if !new.is_empty() {
                edits.fields.insert(id, new);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::frames::Span;

    /// A journal in a file, and the frames in it.
    struct Journal {
        file: File,
        frames: Frames,
        length: u64,
    }

    fn line(id: &str, hash: &str, extra: &str) -> String {
        format!(
            r#"{{"v":1,"type":"frame","session":null,"id":"{id}","timestamp":1,"pts":1,"path":"/f","segment":"/s/a.ts","reason":"scene","scores":{{"scene":0.5}},"width":1,"height":1,"bytes":1,"hash":"{hash}"{extra}}}"#
        )
    }

    impl Journal {
        fn of(lines: &[String]) -> Self {
            use std::io::Write as _;
            let mut journal =
                Self { file: tempfile::tempfile().unwrap(), frames: Frames::default(), length: 0 };
            for line in lines {
                writeln!(journal.file, "{line}").unwrap();
                journal.length += line.len() as u64 + 1;
                let entry = Entry::parse(line.as_bytes()).unwrap();
                journal.frames.set(entry.kept(None), Span::before(journal.length, line.len()));
            }
            journal.frames.sort();
            journal
        }

        fn read(&self, text: &str, rule: Rule) -> (Edit, Edits) {
            let mut edits = Edits::default();
            let lines = StoredLines::of(&self.file);
            let reader =
                Reader { frames: &self.frames, lines, moved: None, rule, is_object: false };
            let edit = reader.read(text.as_bytes(), &mut edits).unwrap();
            (edit, edits)
        }

        fn json(&self) -> String {
            let mut lines = StoredLines::of(&self.file);
            let elements = self.frames.items().iter().map(|item| {
                let mut element = Vec::new();
                let line = lines.get(item.line).unwrap();
                entry::write_element(line, item.sent, None, &mut element);
                String::from_utf8(element).unwrap()
            });
            format!("[{}]", elements.collect::<Vec<_>>().join(","))
        }
    }

    const SINCE: Rule = Rule::Since(None);

    fn fields(edits: &Edits) -> String {
        serde_json::to_string(
            &edits.fields.iter().map(|(id, it)| (id.to_string(), it)).collect::<BTreeMap<_, _>>(),
        )
        .unwrap()
    }

    #[test]
    fn edit_that_repeats_frame_is_one_change() {
        let journal = Journal::of(&[line("F1", "0", "")]);
        let elements: Vec<_> =
            (0..1000).map(|n| format!(r#"{{"id":"F1","sent_to_agent":true,"n":{n}}}"#)).collect();
        let (edit, edits) = journal.read(&format!("[{}]", elements.join(",")), SINCE);
        assert_eq!((edit, edits.marks.len(), edits.refused), (Edit::Whole, 1, 0));
        assert_eq!(fields(&edits), r#"{"F1":{"n":999}}"#);
    }

    #[test]
    fn index_as_it_was_written_is_no_edit() {
        let journal = Journal::of(&[line("F1", "0", ""), line("F2", "1", r#","note":1"#)]);
        let json = journal.json();
        assert_eq!(journal.read(&json, SINCE).0, Edit::None);
        let (edit, edits) = journal.read("[]", SINCE);
        assert_eq!((edit, fields(&edits)), (Edit::Whole, "{}".to_owned()));
        assert_eq!(journal.read(&json[..json.len() - 9], SINCE).0, Edit::Broken);
    }

    #[test]
    fn value_of_older_index_is_no_edit() {
        let old = Journal::of(&[line("F1", "0", r#","note":1"#), line("F2", "1", "")]);
        let json = old.json();
        let new = Journal::of(&[
            line("F1", "0", r#","note":1"#),
            line("F2", "1", ""),
            line("F1", "0", r#","note":2"#),
        ]);
        for rule in [SINCE, Rule::Since(Some(old.length)), Rule::Additions] {
            assert_eq!(fields(&new.read(&json, rule).1), "{}", "{rule:?}");
        }
        // Another value is one, and so is the old value when the file had the new one.
        let edited = json.replace(r#""note":1"#, r#""note":3"#);
        assert_eq!(fields(&new.read(&edited, SINCE).1), r#"{"F1":{"note":3}}"#);
        let back = new.read(&json, Rule::Since(Some(new.length))).1;
        assert_eq!(fields(&back), r#"{"F1":{"note":1}}"#);
        let added = json.replace(r#""note":1"#, r#""note":1,"more":1"#);
        assert_eq!(fields(&new.read(&added, Rule::Additions).1), r#"{"F1":{"more":1}}"#);
    }

    #[test]
    fn mark_of_older_picture_is_not_one_of_the_present_one() {
        let new = Journal::of(&[line("F1", "0", ""), line("F1", "1", "")]);
        let mark = |hash| format!(r#"[{{"id":"F1","sent_to_agent":true{hash}}}]"#);
        for (hash, count) in [(r#","hash":"0""#, 0), (r#","hash":"1""#, 1), ("", 1)] {
            assert_eq!(new.read(&mark(hash), SINCE).1.marks.len(), count, "{hash}");
        }
    }
}
