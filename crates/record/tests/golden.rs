//! The cases of `fixtures/record`, read without an engine: `TABLE | project COLUMN, COLUMN...` is all they ask.
//!
//! The engine's own golden test runs the same cases as queries; this one still judges the decoders when it cannot.
#![allow(clippy::unwrap_used)]

use dtq_record::stream::{Catalog, Column, Projection, Row};
use dtq_record::{Format, Input, Inputs, Options};
use dtq_source::Limits;
use dtq_value::Value;

/// 2026-01-05T00:00:00Z, the `now` of the one case that needs it.
const NOW_TICKS: i64 = 639_031_680_000_000_000;

#[test]
fn golden() {
    let mut run = dtq_fixture::Run::new("record");
    for case in dtq_fixture::load(&dtq_fixture::root().join("record")) {
        case.check(&mut run, "result", || result(&case));
    }
    run.finish();
}

fn result(case: &dtq_fixture::Case) -> String {
    assert!(
        case.attribute("now").is_none_or(|now| now == "2026-01-05T00:00:00Z"),
        "another time needs another constant"
    );
    let inputs = case.inputs().into_iter().map(|input| {
        let table = input.table.clone().unwrap_or_else(|| "T".to_owned());
        let format = input.format.as_deref().map(|name| Format::parse(name).unwrap());
        let opened = Input::from_bytes("fixture", table, input.bytes());
        format.into_iter().fold(opened, Input::with_format)
    });
    let inputs = Inputs::probe(inputs.collect(), &Options { now_ticks: NOW_TICKS }, &Limits::default()).unwrap();
    let (table, columns) = case.query().split_once(" | project ").unwrap();
    let names: Vec<&str> = columns.split(", ").collect();
    let schema = inputs.schema(table).unwrap().columns;
    let position =
        |name: &&str| schema.iter().position(|column| column.name == *name).unwrap_or_else(|| panic!("{name}"));
    let positions: Vec<usize> = names.iter().map(position).collect();
    let is_read = (0..schema.len()).map(|column| positions.contains(&column)).collect();
    let mut rows = Vec::new();
    let mut stream = inputs.scan(table, &Projection::columns(is_read)).unwrap();
    while stream.read(&mut rows).unwrap() {}
    let head: Vec<String> = positions.iter().map(|at| format!("{}:{}", schema[*at].name, schema[*at].ty)).collect();
    let lines = rows.iter().map(|row| line(row, &positions, &schema));
    std::iter::once(head.join(", ")).chain(lines).collect::<Vec<_>>().join("\n")
}

fn line(row: &Row, positions: &[usize], schema: &[Column]) -> String {
    assert_eq!(row.len(), schema.len());
    let cells: Vec<String> = positions.iter().map(|at| json(&row[*at])).collect();
    format!("[{}]", cells.join(", "))
}

/// Writes a value as JSON; written apart from the crate's own writer.
fn json(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Long(value) => value.to_string(),
        Value::Real(value) => format!("{value:?}"),
        Value::Decimal(value) => value.to_string(),
        Value::String(text) => serde_json::to_string(&text.as_text()).unwrap(),
        Value::DateTime(ticks) => format!("\"{}\"", time(*ticks)),
        Value::TimeSpan(ticks) => format!("\"{}\"", clock(*ticks)),
        Value::Guid(guid) => {
            let hex: String = guid.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("\"{}-{}-{}-{}-{}\"", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
        }
        Value::Array(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(",")),
        Value::Bag(bag) => {
            let pair = |(key, value): (&dtq_value::Str, &Value)| {
                format!("{}:{}", serde_json::to_string(&key.as_text()).unwrap(), json(value))
            };
            format!("{{{}}}", bag.iter().map(pair).collect::<Vec<_>>().join(","))
        }
    }
}

/// Writes a time by counting days off: slow and plain.
fn time(ticks: i64) -> String {
    let (mut days, rest) = (ticks / 864_000_000_000, ticks % 864_000_000_000);
    let mut year = 1;
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    while days >= 365 + i64::from(is_leap(year)) {
        days -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + i64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let seconds = rest / 10_000_000;
    let (hour, minute, second, fraction) = (seconds / 3600, seconds / 60 % 60, seconds % 60, rest % 10_000_000);
    format!("{year:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{fraction:07}Z", month + 1, days + 1)
}

/// Writes a timespan below a day.
fn clock(ticks: i64) -> String {
    let (seconds, fraction) = (ticks / 10_000_000, ticks % 10_000_000);
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:07}") };
    format!("{:02}:{:02}:{:02}{fraction}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
