//! Parses the golden events of `cht-core` with the strict second definition of the events.

use std::fs;

use cht_tests::{root, wire};

#[test]
fn golden_events_parse_strictly() {
    let folder = root().join("cht-core/tests/events");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let line = fs::read_to_string(&path).unwrap();
        let wire = wire::parse(&line).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(Some(wire.kind()), path.file_stem().and_then(|stem| stem.to_str()));
        let added = line.replacen("\"session\":", "\"added_later\":1,\"session\":", 1);
        assert!(wire::parse(&added).is_err(), "{}", path.display());
        seen += 1;
    }
    assert_eq!(seen, cht_core::event::schemas().len());
}
