//! The event contract as others see it: `schema/*.json`, and one golden line of each type.
//!
//! `CHT_BLESS=1 cargo test -p cht-core --test schema` writes the schemas and the manual page anew
//! after a change of the types.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by panicking")]

#[path = "schema/manual.rs"]
mod manual;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use cht_core::event::{Event, VERSION, schemas};
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Returns the schema of a whole line: the body's with the envelope around it.
fn schema(kind: &str, prose: &str, body: Value) -> Value {
    let mut schema = body;
    schema["title"] = json!(kind);
    schema["description"] = json!(prose);
    let properties = schema["properties"].as_object_mut().unwrap();
    properties.insert(
        "v".into(),
        json!({ "const": VERSION, "description": "The version of the contract." }),
    );
    properties.insert("type".into(), json!({ "const": kind }));
    properties.insert(
        "session".into(),
        json!({
            "type": ["string", "null"],
            "description": "The absolute path of the session's folder; null for segments that lie loose.",
        }),
    );
    let required = schema["required"].as_array_mut().unwrap();
    required.splice(0..0, ["v", "type", "session"].map(Value::from));
    // Fields are only ever added: a reader must take those that it does not know.
    schema["additionalProperties"] = json!(true);
    schema
}

fn golden(kind: &str) -> String {
    let path = root().join("cht-core/tests/events").join(format!("{kind}.json"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|e| e.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn published_schemas_match_the_types() {
    let folder = root().join("schema");
    let bless = std::env::var_os("CHT_BLESS").is_some();
    let mut kinds = BTreeSet::new();
    for (kind, prose, body) in schemas() {
        let path = folder.join(format!("{kind}.json"));
        let schema = schema(kind, prose, body.to_value());
        if bless {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, serde_json::to_string_pretty(&schema).unwrap() + "\n").unwrap();
        }
        // As values: the order of keys depends on the features that other crates ask serde_json
        // for.
        let published = fs::read(&path).unwrap_or_default();
        assert_eq!(
            serde_json::from_slice(&published).ok(),
            Some(schema),
            "{} is out of date: run CHT_BLESS=1 cargo test -p cht-core --test schema",
            path.display()
        );
        kinds.insert(kind.to_owned());
    }
    assert_eq!(names_in(&folder), kinds, "a schema of a type that is no more");
    assert_eq!(names_in(&root().join("cht-core/tests/events")), kinds, "one golden line a type");
}

#[test]
fn manual_page_matches_the_types() {
    let path = root().join("docs/cht-events.5");
    let entry = |(kind, prose, body): (&str, &str, schemars::Schema)| manual::Entry {
        schema: schema(kind, prose, body.to_value()),
        line: golden(kind),
    };
    let page = manual::page(&schemas().into_iter().map(entry).collect::<Vec<_>>());
    if std::env::var_os("CHT_BLESS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == page,
        "{} is out of date: run CHT_BLESS=1 cargo test -p cht-core --test schema",
        path.display()
    );
}

#[test]
fn golden_events_survive_to_the_byte_and_fit_their_schema() {
    for (kind, prose, body) in schemas() {
        let line = golden(kind);
        assert_eq!(line.lines().count(), 1, "{kind}");
        let event = Event::parse(line.as_bytes()).unwrap().unwrap();
        assert_eq!(event.body.kind(), kind);
        assert_eq!(String::from_utf8(event.to_line()).unwrap(), line);
        let value: Value = serde_json::from_str(&line).unwrap();
        let validator = jsonschema::validator_for(&schema(kind, prose, body.to_value())).unwrap();
        if let Err(error) = validator.validate(&value) {
            panic!("{kind}: {error} at {}", error.instance_path());
        }
        // The schema is no rubber stamp: each field that it requires is missed.
        for field in value.as_object().unwrap().keys() {
            let mut poorer = value.clone();
            poorer.as_object_mut().unwrap().remove(field);
            let required = Event::parse(poorer.to_string().as_bytes()).is_err()
                || ["v", "type", "session"].contains(&field.as_str());
            assert_eq!(validator.is_valid(&poorer), !required, "{kind} without {field}");
        }
        let mut richer = value;
        richer["added_later"] = json!(true);
        assert!(validator.is_valid(&richer), "{kind}");
    }
}
