//! A recording's findings as a script that makes a database of `SQLite`.

use std::{collections::HashSet, fmt::Write as _, ops::Range};

use cht_core::event::Frame;
use cht_ts::time::{seconds, ticks};
use serde_json::Value;

use crate::{recording::Recording, scene::Scene};

/// Tables, and one of all words for full-text search (FTS5).
const TABLES: &str = "\
BEGIN;
CREATE TABLE frame(
    id TEXT PRIMARY KEY, timestamp REAL, pts INTEGER, at TEXT, path TEXT, segment TEXT, reason TEXT,
    detector TEXT, change REAL, returned_to TEXT, score REAL, width INTEGER, height INTEGER, bytes INTEGER,
    hash TEXT, text TEXT);
CREATE TABLE scene(number INTEGER PRIMARY KEY, start REAL, end REAL, frame TEXT REFERENCES frame(id));
CREATE TABLE transcript(start REAL, end REAL, text TEXT, language TEXT, speaker TEXT);
CREATE VIRTUAL TABLE words USING fts5(text, start UNINDEXED, end UNINDEXED, frame UNINDEXED);
";

/// Returns the script. Times are seconds on the recording's timeline. It has the frames within
/// `span`, and those before that show its scenes.
pub(super) fn write(recording: &Recording, scenes: &[Scene<'_>], span: &Range<i64>) -> String {
    let mut script = String::from(TABLES);
    let shown: HashSet<_> = scenes.iter().map(|scene| &scene.frame.id).collect();
    let is_taken =
        |frame: &&Frame| span.contains(&ticks(frame.timestamp)) || shown.contains(&frame.id);
    for frame in recording.frames.iter().filter(is_taken) {
        // The names of the columns are those of the event.
        let event = serde_json::to_value(frame).unwrap_or_default();
        let text = recording.texts.get(&frame.id).map(String::as_str);
        let field = |name: &str| literal(&event[name]);
        let mut values: Vec<String> = [
            "id",
            "timestamp",
            "pts",
            "at",
            "path",
            "segment",
            "reason",
            "detector",
            "change",
            "returned_to",
        ]
        .map(field)
        .into();
        values.push(literal(&event["scores"]["scene"]));
        values.extend(["width", "height", "bytes", "hash"].map(field));
        values.push(literal(&Value::from(text)));
        insert(&mut script, "frame", &values);
        if let Some(text) = text {
            let time = literal(&event["timestamp"]);
            let values = [literal(&Value::from(text)), time.clone(), time, field("id")];
            insert(&mut script, "words", &values);
        }
    }
    for scene in scenes {
        let times =
            [seconds(scene.start), seconds(scene.end)].map(|time| literal(&Value::from(time)));
        let [start, end] = times;
        let id = literal(&Value::from(scene.frame.id.as_str()));
        insert(&mut script, "scene", &[scene.number.to_string(), start, end, id]);
    }
    for words in &recording.transcript {
        let event = serde_json::to_value(words).unwrap_or_default();
        let field = |name: &str| literal(&event[name]);
        insert(
            &mut script,
            "transcript",
            &["start", "end", "text", "language", "speaker"].map(field),
        );
        let values = [field("text"), field("start"), field("end"), "NULL".to_owned()];
        insert(&mut script, "words", &values);
    }
    script.push_str("COMMIT;\n");
    script
}

fn insert(script: &mut String, table: &str, values: &[String]) {
    let _ = writeln!(script, "INSERT INTO {table} VALUES({});", values.join(","));
}

/// Returns a literal of SQL. A NUL would end the script.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => format!("'{}'", text.replace('\0', "\u{fffd}").replace('\'', "''")),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_within_its_literal() {
        assert_eq!(literal(&Value::from("it's\0\n--")), "'it''s\u{fffd}\n--'");
        assert_eq!(literal(&Value::from(1.5)), "1.5");
        assert_eq!(literal(&Value::from(None::<&str>)), "NULL");
    }
}
