//! Two rows of a standard table to the fields that differ: whole columns, and keys of the bags in them.

use crate::output::text;
use dtq_record::stream::{Column, Row};
use dtq_value::{Bag, Type, Value};

/// Holds a field with its value before and after, as text; `None` is a field that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The column that the field is in.
    pub column: String,
    /// The field as a query writes it: `Body`, `Attributes["http.route"]`.
    pub field: String,
    /// What it was.
    pub before: Option<String>,
    /// What it becomes.
    pub after: Option<String>,
}

/// Returns the fields that differ, in the order of the columns.
pub fn changes(columns: &[Column], before: &Row, after: &Row) -> Vec<Change> {
    let mut found = Vec::new();
    for (column, (before, after)) in columns.iter().zip(before.iter().zip(after)) {
        if before != after {
            differ(&column.name, &column.name, column.ty, before, after, &mut found);
        }
    }
    found
}

/// Adds what differs between two values that are not equal. Only as deep as readers nest values.
fn differ(column: &str, field: &str, ty: Type, before: &Value, after: &Value, found: &mut Vec<Change>) {
    let (Value::Bag(old), Value::Bag(new)) = (before, after) else {
        let (before, after) = (shown(before, ty), shown(after, ty));
        found.push(Change { column: column.to_owned(), field: field.to_owned(), before, after });
        return;
    };
    for key in keys(old, new) {
        let (before, after) = (old.get(key.as_bytes()), new.get(key.as_bytes()));
        if before == after {
            continue;
        }
        let inner = format!("{field}[{}]", serde_json::Value::from(key));
        match (before, after) {
            (Some(before), Some(after)) => differ(column, &inner, Type::Dynamic, before, after, found),
            (before, after) => found.push(Change {
                column: column.to_owned(),
                field: inner,
                before: before.map(text::dynamic),
                after: after.map(text::dynamic),
            }),
        }
    }
}

/// Returns the keys of both bags, each once, those of the first one first.
fn keys(old: &Bag, new: &Bag) -> Vec<String> {
    let added = new.iter().filter(|(key, _)| old.get(key.as_bytes()).is_none());
    old.iter().chain(added).map(|(key, _)| key.as_text().into_owned()).collect()
}

fn shown(value: &Value, ty: Type) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if ty == Type::String && text.is_empty() => None,
        other if ty == Type::Dynamic => Some(text::dynamic(other)),
        Value::String(_) => Some(text::dynamic(value)),
        other => text::cell(other, ty).map(|text| text.into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtq_value::json;

    fn of(before: &str, after: &str) -> Vec<(String, Option<String>, Option<String>)> {
        let value = |text: &str| vec![json::parse(text.as_bytes(), 100).unwrap()];
        let columns = [Column::new("Attributes", Type::Dynamic)];
        let found = changes(&columns, &value(before), &value(after));
        found.into_iter().map(|change| (change.field, change.before, change.after)).collect()
    }

    #[test]
    fn keys_that_differ_are_named_by_themselves() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(of(r#"{"a":1}"#, r#"{"a":1}"#), []);
        assert_eq!(
            of(r#"{"a":1,"b":2}"#, r#"{"b":3}"#),
            [("Attributes[\"a\"]".to_owned(), text("1"), None), ("Attributes[\"b\"]".to_owned(), text("2"), text("3")),]
        );
        assert_eq!(
            of(r#"{"a":{"x":1}}"#, r#"{"a":{"x":1,"y\"":[]}}"#),
            [("Attributes[\"a\"][\"y\\\"\"]".to_owned(), None, text("[]"))]
        );
        assert_eq!(of(r#"{"a":1}"#, "\"x\""), [("Attributes".to_owned(), text(r#"{"a":1}"#), text("\"x\""))]);
    }
}
