//! Requests on stdin, each on a line. Of a line that is too long, a short one takes the place: a
//! request by the same id, which the server refuses. The client would wait for ever otherwise.

use std::io::{self, BufRead, Write};

use serde_json::{Map, Value, json};

/// Longest request, in bytes.
pub(super) const MOST: usize = 4 << 20;

/// Method of the request that takes the place of one that is too long.
pub(super) const TOO_LONG: &str = "cht/too-long";

/// Bytes at the beginning and at the end of a request that are searched for its id.
const EDGE: usize = 4 << 10;

/// Returns why a request is refused.
pub(super) fn refusal() -> String {
    format!("the request is longer than {MOST} bytes; ask for less at once")
}

/// Copies lines until `from` ends.
pub(super) fn copy(mut from: impl BufRead, mut to: impl Write) -> io::Result<()> {
    let mut line = Line::default();
    loop {
        let available = match from.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            available => available?,
        };
        if available.is_empty() {
            return Ok(());
        }
        let end = memchr::memchr(b'\n', available);
        let count = end.map_or(available.len(), |end| end + 1);
        line.push(&available[..count]);
        from.consume(count);
        if end.is_some() {
            to.write_all(&std::mem::take(&mut line).finish())?;
        }
    }
}

/// A line that is being read.
#[derive(Default)]
struct Line {
    /// All of it, or the beginning of one that is too long.
    bytes: Vec<u8>,
    /// The end of one that is too long.
    end: Option<Vec<u8>>,
}

impl Line {
    fn push(&mut self, part: &[u8]) {
        let Some(end) = &mut self.end else {
            self.bytes.extend_from_slice(part);
            if self.bytes.len() > MOST {
                self.end = Some(self.bytes[self.bytes.len() - EDGE..].to_vec());
                self.bytes.truncate(EDGE);
            }
            return;
        };
        end.extend_from_slice(part);
        end.drain(..end.len() - EDGE);
    }

    /// Returns the line, or the one that takes its place.
    fn finish(self) -> Vec<u8> {
        let Some(end) = self.end else { return self.bytes };
        let [begin, end] = [&self.bytes, &end].map(|bytes| String::from_utf8_lossy(bytes));
        // Without an id, it is answered as any other thing that is no request.
        let instead = id_before(&end).or_else(|| id_after(&begin)).map_or(
            json!({}),
            |id| json!({"jsonrpc": "2.0", "id": id, "method": TOO_LONG, "params": {}}),
        );
        format!("{instead}\n").into_bytes()
    }
}

/// Name of the field with the id.
const ID: &str = "\"id\"";

/// Returns the id that comes after nothing but whole fields, at the beginning of a request.
fn id_after(begin: &str) -> Option<Value> {
    let places = begin.match_indices(ID);
    let mut ids = places.filter_map(|(at, _)| {
        let before = format!("{}\"\":0}}", &begin[..at]);
        serde_json::from_str::<Map<String, Value>>(&before).ok()?;
        let value = begin[at + ID.len()..].trim_start().strip_prefix(':')?;
        serde_json::Deserializer::from_str(value).into_iter().next()?.ok().filter(is_id)
    });
    ids.next()
}

/// Returns the id that comes before nothing but whole fields, at the end of a request.
fn id_before(end: &str) -> Option<Value> {
    let places = end.rmatch_indices(ID);
    let mut ids = places.filter_map(|(at, _)| {
        let rest = format!("{{{}", &end[at..]);
        let mut fields: Map<String, Value> = serde_json::from_str(&rest).ok()?;
        fields.remove("id").filter(is_id)
    });
    ids.next()
}

/// Tells whether a value can be the id of a request.
fn is_id(value: &Value) -> bool {
    value.is_number() || value.is_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(text: &str) -> String {
        let mut out = Vec::new();
        copy(io::BufReader::new(text.as_bytes()), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn short_lines_pass_and_the_id_of_a_long_one_is_found() {
        let long = "ä\\\"id\\\":1".repeat(MOST / 8);
        let lines = "{\"id\":1}\n\nx\n";
        assert_eq!(copied(&format!("{lines}torn")), lines);
        for (request, id) in [
            (format!(r#"{{"jsonrpc":"2.0","id":7,"params":{{"id":8,"x":"{long}"}}}}"#), json!(7)),
            (
                format!(r#"{{"params":{{"id":8,"x":"{long}"}}, "id" : "a\"b" , "m":1}}"#),
                json!("a\"b"),
            ),
            (format!(r#"{{"params":{{"x":"{long}","id":8}},"jsonrpc":"2.0","id":9}}"#), json!(9)),
            (format!(r#"{{"params":{{"x":"{long}","id":8}}}}"#), Value::Null),
            (long.clone(), Value::Null),
        ] {
            let out = copied(&format!("{lines}{request}\n{lines}"));
            let instead = out.strip_prefix(lines).unwrap().strip_suffix(lines).unwrap();
            let instead: Value = serde_json::from_str(instead).unwrap();
            assert_eq!(instead["id"], id, "{instead}");
            assert_eq!(instead["method"] == TOO_LONG, !id.is_null());
        }
    }

    #[test]
    fn request_of_the_greatest_length_passes() {
        for (length, passes) in [(MOST, true), (MOST + 1, false)] {
            let line = "x".repeat(length - 1) + "\n";
            assert_eq!(copied(&line) == line, passes);
        }
    }
}
