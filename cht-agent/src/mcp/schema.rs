//! Schemas of arguments and answers, in words that every client knows. Pure.
//!
//! Clients hand schemas on to models whose own dialects are small: names of Rust's numbers as a
//! `format`, or several types of one value, make some of them refuse a tool.

use schemars::{JsonSchema, generate::SchemaSettings, transform::transform_subschemas};
use serde_json::{Map, Value};

/// Returns the schema of a type.
pub(super) fn of<T: JsonSchema>() -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().with_transform(portable);
    match settings.into_generator().into_root_schema_for::<T>().to_value() {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

/// Removes the formats of Rust's numbers, and `null` next to another type: a value that is not
/// there is left out.
fn portable(schema: &mut schemars::Schema) {
    transform_subschemas(&mut portable, schema);
    let Some(object) = schema.as_object_mut() else { return };
    object.remove("format");
    let of_one = match object.get_mut("type") {
        Some(Value::Array(types)) => {
            types.retain(|name| name != "null");
            (types.len() == 1).then(|| types.remove(0))
        }
        _ => None,
    };
    if let Some(name) = of_one {
        object.insert("type".to_owned(), name);
    }
    let is_null = |branch: &Value| branch.get("type").is_some_and(|name| name == "null");
    let only = match object.get_mut("anyOf") {
        Some(Value::Array(branches)) if branches.iter().any(is_null) => {
            branches.retain(|branch| !is_null(branch));
            (branches.len() == 1).then(|| branches.remove(0))
        }
        _ => None,
    };
    if let Some(Value::Object(only)) = only {
        object.remove("anyOf");
        object.extend(only);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Inner {
        number: u32,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Outer {
        /// A count.
        count: Option<u64>,
        inner: Option<Inner>,
        many: Vec<f64>,
    }

    #[test]
    fn schema_has_one_type_for_each_value_and_no_formats_of_rust() {
        let schema = Value::Object(of::<Outer>());
        let properties = &schema["properties"];
        let count = json!({"description": "A count.", "minimum": 0, "type": "integer"});
        assert_eq!(properties["count"], count);
        assert_eq!(properties["inner"], json!({"$ref": "#/$defs/Inner"}));
        assert_eq!(properties["many"], json!({"type": "array", "items": {"type": "number"}}));
        assert_eq!(schema["required"], json!(["many"]));
        let text = schema.to_string();
        assert!(!text.contains("null") && !text.contains("format"), "{text}");
    }
}
