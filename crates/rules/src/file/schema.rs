//! The table of keys to a JSON schema, with which editors complete and check rule files.
//!
//! Says what one value or one mapping can show: keys, types, words, what a destination takes and needs. What names
//! mean, and how keys contradict each other, is the reader's. Published as `docs/rules.schema.json`.

use crate::file::destination::{DESTINATIONS, NEEDS};
use crate::file::keys::{KEYS, Key, Place, Shape, VERSION};
use serde_json::{Map, Value, json};

const NAME: &str = "[A-Za-z0-9][A-Za-z0-9_.-]{0,99}";
const IDENTIFIER: &str = "[A-Za-z_][A-Za-z0-9_]{0,99}";

/// Returns the schema as text, indented.
///
/// # Source
/// JSON Schema, draft 2020-12.
pub fn schema() -> String {
    let mut root = mapping(Place::File);
    let head = [
        ("$schema", json!("https://json-schema.org/draft/2020-12/schema")),
        ("title", json!("dtq rule file")),
        ("description", json!("Rules written in KQL. Reference: docs/rules.md.")),
    ];
    let mut whole: Map<String, Value> = head.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    whole.append(&mut root);
    let inner = Place::ALL.iter().filter(|place| **place != Place::File);
    let definitions = inner.map(|place| (definition(*place), Value::Object(mapping(*place))));
    whole.insert("$defs".to_owned(), Value::Object(definitions.collect()));
    let mut text = serde_json::to_string_pretty(&Value::Object(whole)).expect("strings and numbers always serialize");
    text.push('\n');
    text
}

/// Returns the name of a place's definition.
fn definition(place: Place) -> String {
    format!("{place:?}")
}

/// Returns the schema of a mapping.
fn mapping(place: Place) -> Map<String, Value> {
    let properties: Map<String, Value> = place.keys().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<&str> = place.keys().filter(|key| key.is_required).map(|key| key.name).collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema.insert("additionalProperties".to_owned(), json!(false));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    match place {
        Place::Rule => {
            schema.insert("allOf".to_owned(), DESTINATIONS.iter().map(|(word, _)| destination(word)).collect());
        }
        Place::Test => {
            let single = json!({"required": ["given", "then"], "properties": {"steps": false}});
            let several = json!({"required": ["steps"], "properties": {"given": false, "at": false, "then": false}});
            schema.insert("oneOf".to_owned(), json!([single, several]));
        }
        Place::Given => {
            let file = json!({"required": ["file"], "properties": {"rows": false, "table": false}});
            let rows = json!({"required": ["rows"], "properties": {"file": false}});
            schema.insert("oneOf".to_owned(), json!([rows, file]));
        }
        _ => {}
    }
    schema
}

/// Returns what a rule with this destination needs and does not take.
fn destination(word: &str) -> Value {
    let is_other = |key: &&Key| !key.destinations.is_empty() && !key.destinations.contains(&word);
    let refused = KEYS.iter().filter(|key| key.place == Place::Rule).filter(is_other);
    let refused: Map<String, Value> = refused.map(|key| (key.name.to_owned(), json!(false))).collect();
    let mut then = Map::new();
    let needed: Vec<&str> = NEEDS.iter().filter(|(other, _)| *other == word).map(|(_, key)| *key).collect();
    if !needed.is_empty() {
        then.insert("required".to_owned(), json!(needed));
    }
    then.insert("properties".to_owned(), Value::Object(refused));
    json!({
        "if": {"required": ["to"], "properties": {"to": {"type": "string", "pattern": format!("^{word}(:|$)")}}},
        "then": then,
    })
}

fn property(key: &Key) -> Value {
    let mut schema = value(key.shape);
    if let Value::Object(fields) = &mut schema {
        fields.insert("description".to_owned(), json!(key.about));
        let is_literal = key.default.parse::<i64>().is_ok() || matches!(key.default, "true" | "false");
        if is_literal {
            fields.insert("default".to_owned(), serde_json::from_str(key.default).expect("a number or a bool is JSON"));
        }
    }
    schema
}

/// Returns the schema of a value.
fn value(shape: Shape) -> Value {
    let pattern = |pattern: String| json!({"type": "string", "pattern": format!("^({pattern})$")});
    match shape {
        Shape::Text | Shape::Path | Shape::Time => json!({"type": "string"}),
        Shape::Name => pattern(NAME.to_owned()),
        Shape::Identifier => pattern(IDENTIFIER.to_owned()),
        Shape::Words(words) => json!({"enum": words}),
        Shape::To => pattern(format!("drop|replace|logs|metrics|table:{IDENTIFIER}|(recorder|flush|route):{NAME}")),
        Shape::OnError => pattern(format!("pass|drop|strip: *{IDENTIFIER}( *, *{IDENTIFIER})*")),
        Shape::Duration => pattern("\\+?[0-9.]+ *[A-Za-z]+|\\+?([0-9]+[.:])?[0-9]+(:[0-9.]+)+".to_owned()),
        Shape::Size => json!({"anyOf": [
            {"type": "integer", "minimum": 1},
            {"type": "string", "pattern": "^[0-9]+ *([KMG]i?B?|kB|B)?$"},
        ]}),
        Shape::Rate => pattern("[0-9]+ */ *[0-9.]* *[A-Za-z]+".to_owned()),
        Shape::Flag => json!({"type": "boolean"}),
        Shape::Count(min, i64::MAX) => json!({"type": "integer", "minimum": min}),
        Shape::Count(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
        Shape::Number => json!({"type": "number"}),
        Shape::Version => json!({"const": VERSION}),
        Shape::List(item) => json!({"type": "array", "items": value(*item)}),
        Shape::Map(place) => json!({"$ref": format!("#/$defs/{}", definition(place))}),
        Shape::Named(place) => json!({
            "type": "object",
            "propertyNames": value(Shape::Identifier),
            "additionalProperties": value(Shape::Map(place)),
        }),
        Shape::Either(one, other) => json!({"anyOf": [value(*one), value(*other)]}),
        Shape::Row => json!({"type": "object", "propertyNames": value(Shape::Identifier)}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::fields::{Plain, key_text, plain};
    use crate::file::yaml::{self, Kind, Node};
    use dtq_source::Limits;
    use regex::Regex;

    /// Returns what a YAML tool hands to a validator.
    fn json_of(node: &Node) -> Value {
        match &node.kind {
            Kind::Scalar(scalar) => match plain(scalar) {
                Plain::Null => Value::Null,
                Plain::Bool(value) => json!(value),
                Plain::Long(value) => json!(value),
                Plain::Real(value) => json!(value),
                Plain::Text => json!(&*scalar.text),
            },
            Kind::List(items) => items.iter().map(json_of).collect(),
            Kind::Map(pairs) => {
                let pair = |(key, value): &(Node, Node)| (key_text(key).unwrap_or("?").to_owned(), json_of(value));
                Value::Object(pairs.iter().map(pair).collect())
            }
        }
    }

    /// Returns where a value breaks a schema; knows the words of JSON Schema that `schema` writes, and panics at others.
    fn broken(root: &Value, schema: &Value, value: &Value) -> Option<String> {
        let Value::Object(words) = schema else {
            return (schema == &json!(false)).then(|| format!("{value} is refused"));
        };
        let child = |schema: &Value, value: &Value| broken(root, schema, value);
        words.iter().find_map(|(word, wanted)| {
            let says = |is_broken: bool| is_broken.then(|| format!("{value} against {word} {wanted}"));
            match (word.as_str(), value) {
                ("$schema" | "$defs" | "title" | "description" | "default" | "then", _) => None,
                ("$ref", _) => {
                    child(root.pointer(&wanted.as_str().unwrap()[1..]).expect("a definition has this name"), value)
                }
                ("type", _) => says(!is_type(wanted.as_str().unwrap(), value)),
                ("enum", _) => says(!wanted.as_array().unwrap().contains(value)),
                ("const", _) => says(wanted != value),
                ("pattern", Value::String(text)) => says(!Regex::new(wanted.as_str().unwrap()).unwrap().is_match(text)),
                ("minimum", Value::Number(number)) => says(number.as_f64() < wanted.as_f64()),
                ("maximum", Value::Number(number)) => says(number.as_f64() > wanted.as_f64()),
                ("items", Value::Array(items)) => items.iter().find_map(|item| child(wanted, item)),
                ("required", Value::Object(map)) => {
                    says(wanted.as_array().unwrap().iter().any(|key| !map.contains_key(key.as_str().unwrap())))
                }
                ("properties", Value::Object(map)) => {
                    map.iter().find_map(|(key, value)| child(wanted.get(key)?, value))
                }
                ("additionalProperties", Value::Object(map)) => {
                    let known = words.get("properties");
                    let is_other = |key: &String| known.is_none_or(|known| known.get(key).is_none());
                    map.iter().filter(|(key, _)| is_other(key)).find_map(|(_, value)| child(wanted, value))
                }
                ("propertyNames", Value::Object(map)) => map.keys().find_map(|key| child(wanted, &json!(key))),
                ("anyOf", _) => says(wanted.as_array().unwrap().iter().all(|one| child(one, value).is_some())),
                ("oneOf", _) => {
                    says(wanted.as_array().unwrap().iter().filter(|one| child(one, value).is_none()).count() != 1)
                }
                ("allOf", _) => wanted.as_array().unwrap().iter().find_map(|one| child(one, value)),
                ("if", _) if child(wanted, value).is_none() => child(&words["then"], value),
                ("if" | "pattern" | "minimum" | "maximum" | "items" | "required", _) => None,
                ("properties" | "additionalProperties" | "propertyNames", _) => None,
                (other, _) => panic!("the test does not know `{other}`"),
            }
        })
    }

    fn is_type(name: &str, value: &Value) -> bool {
        match name {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            other => panic!("no type is called {other}"),
        }
    }

    fn breaks(text: &str) -> Option<String> {
        let schema: Value = serde_json::from_str(&schema()).unwrap();
        let node = yaml::parse(text, &Limits::default()).unwrap().expect("there is content");
        broken(&schema, &schema, &json_of(&node))
    }

    #[test]
    fn keys_and_definitions_are_those_of_the_table() {
        let schema: Value = serde_json::from_str(&schema()).unwrap();
        for place in Place::ALL {
            let pointer = if *place == Place::File { String::new() } else { format!("/$defs/{}", definition(*place)) };
            let properties = schema.pointer(&pointer).and_then(|it| it["properties"].as_object()).unwrap();
            let names: Vec<&str> = place.keys().map(|key| key.name).collect();
            assert_eq!(properties.keys().map(String::as_str).collect::<Vec<_>>(), names, "{place:?}");
        }
    }

    #[test]
    fn fixtures_agree_with_the_schema() {
        // What the schema has to find; it cannot know of repeated keys, times, order of bounds, names and files.
        const FOUND: &[&str] = &["E5004", "E5007", "E5008", "E5012"];
        let mut counts = (0, 0);
        for case in dtq_fixture::load(&dtq_fixture::root().join("rules")) {
            let Some(expected) = case.block("diagnostics").map(|block| block.text.as_str()) else { continue };
            let text = &case.rules().next().expect("cases here have rules").text;
            let lines: Vec<&str> = expected.lines().filter(|line| line.starts_with("error")).collect();
            let is_found = |line: &&str| FOUND.iter().any(|code| line.contains(code));
            let is_structural = lines.iter().any(is_found) && case.name != "a flush without the recorder's key";
            let Ok(Some(_)) = yaml::parse(text, &Limits::default()) else { continue };
            if lines.is_empty() {
                assert_eq!(breaks(text), None, "{}", case.name);
                counts.0 += 1;
            } else if is_structural {
                assert!(breaks(text).is_some(), "{}: the schema takes it", case.name);
                counts.1 += 1;
            }
        }
        assert!(counts.0 >= 5 && counts.1 >= 30, "{counts:?}");
    }
}
