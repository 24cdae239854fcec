//! What rules changed, to what becomes of the keys of a record: for the formats whose records are keys and values.

use super::implied_number;
use super::rows::{Change, NoPlace, Rows};
use crate::known::{Role, role_of};
use crate::otlp::logs::column;
use dtq_value::{Bag, Value};
use std::borrow::Cow;

/// Says what becomes of a key.
pub(super) struct KeyEdit<'r> {
    /// The key.
    pub key: Cow<'r, str>,
    /// What it is to hold; `None` when it is to go.
    pub value: Option<&'r Value>,
    /// The change that this is.
    pub change: Change<'r>,
}

/// Returns what becomes of the keys of a record, which has `keys` in this order.
///
/// # Errors
/// The first change that no key stands for.
pub(super) fn key_edits<'r>(
    keys: &[Cow<'r, str>],
    rows: &Rows<'r>,
    changes: &[Change<'r>],
) -> Result<Vec<KeyEdit<'r>>, NoPlace> {
    let mut edits = Vec::new();
    for change in changes {
        let (column, value) = (change.part.column, change.value);
        if let (column::ATTRIBUTES, Some(key)) = (column, &change.part.key) {
            let key = Cow::Owned(key.as_text().into_owned());
            edits.push(KeyEdit { key, value: (!change.is_removed).then_some(value), change: change.clone() });
            continue;
        }
        let role = match column {
            column::BODY => Role::Message,
            column::SEVERITY_TEXT => Role::Severity,
            column::TRACE_ID => Role::TraceId,
            column::SPAN_ID => Role::SpanId,
            column::SEVERITY_NUMBER if changes.iter().any(|other| other.part.column == column::SEVERITY_TEXT) => {
                continue;
            }
            _ => return Err(change.no_place("has no key in the record")),
        };
        if role == Role::Severity {
            implied_number(changes, value)?;
        }
        let old = match rows.before.get(column::ATTRIBUTES) {
            Some(Value::Bag(old)) => Some(&**old),
            _ => None,
        };
        let Some(key) = key_of_role(keys, role, old) else { return Err(change.no_place("has no key in the record")) };
        // Without its value another key of the role would take its place.
        let is_last = keys.iter().filter(|key| is_of_role(key, role)).all(|other| *other == key);
        edits.push(KeyEdit { key, value: (!change.is_removed || !is_last).then_some(value), change: change.clone() });
    }
    Ok(edits)
}

fn is_of_role(key: &str, role: Role) -> bool {
    role_of(key.as_bytes()).is_some_and(|(found, _)| found == role)
}

/// Returns the key that fills the column of a role: the best that did not become an attribute.
fn key_of_role<'r>(keys: &[Cow<'r, str>], role: Role, attributes: Option<&Bag>) -> Option<Cow<'r, str>> {
    let is_attribute = |key: &str| attributes.is_some_and(|bag| bag.get(key.as_bytes()).is_some());
    let ranked = |key: &Cow<'r, str>| match role_of(key.as_bytes()) {
        Some((found, rank)) if found == role && !is_attribute(key) => Some((rank, key.clone())),
        _ => None,
    };
    keys.iter().filter_map(ranked).min().map(|(_, key)| key)
}
