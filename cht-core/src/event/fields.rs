//! Names of the fields of a frame.

/// Fields of a `frame` event and of an element of `index.json`. All others belong to other
/// programs.
pub const FRAME_FIELDS: [&str; 23] = [
    "v",
    "type",
    "session",
    "id",
    "timestamp",
    "pts",
    "at",
    "path",
    "relative_path",
    "thumbnail",
    "relative_thumbnail",
    "segment",
    "relative_segment",
    "reason",
    "detector",
    "change",
    "returned_to",
    "scores",
    "width",
    "height",
    "bytes",
    "hash",
    "sent_to_agent",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_fields_are_those_of_the_event() {
        let schemas = crate::event::schemas();
        let (_, _, frame) = schemas.into_iter().find(|(name, ..)| *name == "frame").unwrap();
        let schema = serde_json::to_value(frame).unwrap();
        for field in schema["properties"].as_object().unwrap().keys() {
            assert!(FRAME_FIELDS.contains(&field.as_str()), "{field} is a field of the event");
        }
    }
}
