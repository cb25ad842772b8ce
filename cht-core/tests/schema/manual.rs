//! Writes the manual page `cht-events(5)` from the schemas of the events.

use std::{collections::BTreeMap, fmt::Write as _};

use cht_core::event::VERSION;
use serde_json::{Map, Value};

/// An event: its schema, and a line of it.
pub(crate) struct Entry {
    pub(crate) schema: Value,
    pub(crate) line: String,
}

/// Returns the page in roff, for `man`.
pub(crate) fn page(events: &[Entry]) -> String {
    let mut page = String::from(HEAD);
    let mut types = BTreeMap::new();
    page.push_str(".SH EVENTS\n");
    for Entry { schema, line } in events {
        let _ = writeln!(page, ".SS {}\n{}", text(string(schema, "title")), prose(schema));
        let skipped = ["v", "type", "session"];
        fields(&mut page, schema, |name| !skipped.contains(&name));
        let _ = writeln!(page, ".PP\n.EX\n{}\n.EE", text(line.trim()));
        if let Some(defs) = schema["$defs"].as_object() {
            types.extend(defs.iter().map(|(name, def)| (name.clone(), def.clone())));
        }
    }
    page.push_str(".SH TYPES\n");
    for (name, def) in &types {
        let _ = writeln!(page, ".SS {}\n{}", text(name), prose(def));
        fields(&mut page, def, |_| true);
        for value in def["oneOf"].as_array().into_iter().flatten() {
            let value_is = text(&value["const"].as_str().unwrap_or_default().replace('"', ""));
            let _ = writeln!(page, ".TP\n.B {value_is}\n{}", prose(value));
        }
    }
    page.push_str(&TAIL.replace("VERSION", &VERSION.to_string()));
    page
}

const HEAD: &str = r#".\" Generated from the types of the events by CHT_BLESS=1 cargo test -p cht-core --test schema
.TH CHT-EVENTS 5 "" "cht" "Formats of cht"
.SH NAME
cht-events \- lines in the pipes between the cht tools
.SH DESCRIPTION
The tools write events to stdout: one JSON object per line, in UTF-8, each with
.BR v ,
the version of this contract,
.BR type ,
one of those below, and
.BR session ,
the absolute path of the session's folder, or null for segments that lie loose.
.PP
A stage passes every line on unchanged and at once, known to it or not.
An event names only files that are durable under their final names; the exception is
.BR segment_open .
Times are seconds on the session's timeline, or RFC 3339 in UTC.
A reader has to ignore fields and types that it does not know: they are only ever added.
"#;

const TAIL: &str = r".SH NOTES
The version is VERSION. JSON Schemas of all types are in
.I share/doc/cht/schema
of the installation.
.SH SEE ALSO
.BR cht (1),
.BR cht-recv (1),
.BR cht-segwatch (1),
.BR cht-scenes (1),
.BR cht-audio (1),
.BR cht-index (1),
.BR jq (1)
";

/// Adds the fields of an object, those that are always there first.
fn fields(page: &mut String, schema: &Value, takes: impl Fn(&str) -> bool) {
    let empty = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().collect();
    let is_required = |name: &str| required.iter().any(|it| *it == name);
    let mut names: Vec<_> = properties.keys().filter(|name| takes(name)).collect();
    names.sort_by_key(|name| !is_required(name));
    for name in names {
        let field = &properties[name];
        let or_not = if is_required(name) { "" } else { ", may be absent" };
        let kind = text(&(kind(field) + or_not));
        let _ = writeln!(page, ".TP\n.BR {} \" ({kind})\"\n{}", text(name), prose(field));
    }
}

/// Returns the type of a field in words.
fn kind(field: &Value) -> String {
    if let Some(path) = field["$ref"].as_str() {
        return path.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if let Some(list) = field["anyOf"].as_array() {
        return list.iter().find(|it| it["type"] != "null").map(kind).unwrap_or_default();
    }
    let name = match &field["type"] {
        Value::Array(names) => names.iter().find(|it| *it != "null").and_then(Value::as_str),
        name => name.as_str(),
    };
    match name {
        Some("array") => format!("list of {}", kind(&field["items"])),
        Some(name) => name.to_owned(),
        None => "any".to_owned(),
    }
}

/// Returns the description of a schema as one paragraph.
fn prose(schema: &Value) -> String {
    let words = string(schema, "description").split_whitespace();
    let all = text(&words.collect::<Vec<_>>().join(" ").replace('`', ""));
    if all.is_empty() { r"\&".to_owned() } else { all }
}

fn string<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Returns a text in which roff sees no request and no escape.
fn text(text: &str) -> String {
    let escaped = |c: char| match c {
        '\\' => r"\e".to_owned(),
        '-' => r"\-".to_owned(),
        c if c.is_ascii() => c.to_string(),
        c => format!(r"\[u{:04X}]", u32::from(c)),
    };
    let text: String = text.chars().map(escaped).collect();
    if text.starts_with(['.', '\'']) { format!(r"\&{text}") } else { text }
}
