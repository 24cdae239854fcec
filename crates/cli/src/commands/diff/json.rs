//! What rules would change, as one JSON object. Next: `view.rs`.

use super::collect::{AlwaysNull, Diff, Example, Groups, RuleDiff, Tally};
use crate::output::text;
use dtq_record::tables;
use serde_json::{Map, Value, json};

/// Returns the object.
pub fn object(diff: &Diff) -> Value {
    let factor = diff.day_factor();
    let rules: Vec<Value> = diff.rules.iter().map(|rule| of_rule(rule, factor)).collect();
    let time = |ticks: i64| text::datetime(ticks);
    json!({
        "records": diff.came.records,
        "bytes": diff.came.bytes,
        "first": diff.times.map(|(first, _)| time(first)),
        "last": diff.times.map(|(_, last)| time(last)),
        "has_changes": diff.has_changes(),
        "groups": groups(&diff.groups, factor),
        "rules": rules,
        "always_null": diff.always_null.iter().map(always_null).collect::<Vec<_>>(),
    })
}

fn groups(groups: &Groups, factor: Option<f64>) -> Value {
    json!({
        "unmodified": tally(&groups.unmodified, factor),
        "modified": tally(&groups.modified, factor),
        "dropped": tally(&groups.dropped, factor),
        "created": tally(&groups.created, factor),
        "rerouted": tally(&groups.rerouted, factor),
    })
}

fn tally(tally: &Tally, factor: Option<f64>) -> Value {
    let a_day = |count: u64| factor.map(|factor| (count as f64 * factor).round());
    json!({
        "records": tally.records,
        "bytes": tally.bytes,
        "bytes_after": tally.bytes_after,
        "records_a_day": a_day(tally.records),
        "bytes_a_day": a_day(tally.bytes),
        "bytes_after_a_day": a_day(tally.bytes_after),
    })
}

fn of_rule(rule: &RuleDiff, factor: Option<f64>) -> Value {
    json!({
        "rule": rule.name,
        "to": rule.to,
        "mode": rule.mode,
        "groups": groups(&rule.groups, factor),
        "fields": rule.fields,
        "examples": rule.examples.iter().map(example).collect::<Vec<_>>(),
        "account": rule.account,
    })
}

fn example(example: &Example) -> Value {
    let columns = &tables::standard(example.signal.table()).expect("each signal has a standard table").columns;
    let mut record = Map::new();
    for (column, value) in columns.iter().zip(&example.row) {
        let value = match value {
            dtq_value::Value::DateTime(_) | dtq_value::Value::TimeSpan(_) => {
                Value::from(text::cell(value, column.ty).unwrap_or_default().into_owned())
            }
            other => serde_json::from_str(&text::dynamic(other)).unwrap_or(Value::Null),
        };
        record.insert(column.name.clone(), value);
    }
    let changes: Vec<Value> = example
        .changes
        .iter()
        .map(|change| json!({"field": change.field, "before": change.before, "after": change.after}))
        .collect();
    json!({"group": example.group.name(), "table": example.signal.table(), "record": record, "changes": changes})
}

fn always_null(one: &AlwaysNull) -> Value {
    json!({"table": one.table, "records": one.records, "field": one.field, "nearest": one.nearest})
}
