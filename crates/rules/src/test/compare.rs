//! Rows that a test expects and rows that came to what differs: of each expected row the columns that are written.

use crate::file::rule::TestRow;
use crate::test::given::{typed, unknown_column};
use crate::test::report::Mismatch;
use dtq_record::otlp::Signal;
use dtq_record::stream::Row;
use dtq_record::tables::{self, Table};
use dtq_source::Span;
use dtq_value::scalar::{format, time};
use dtq_value::{Bag, Str, Value, json};

/// Rows that came that are shown when their count is not as expected.
const SHOWN_ROWS_MAX: usize = 10;
/// Characters of a value that are shown.
const SHOWN_CHARS_MAX: usize = 400;

/// Holds a record that came out, as a row of its signal's standard table.
pub(crate) struct Came {
    pub(crate) signal: Signal,
    pub(crate) row: Row,
}

/// Returns what differs; `table` is that of the rule, whose names of columns may be used for its own records.
pub(crate) fn differences(
    what: &str,
    expected: &[TestRow],
    span: Span,
    came: &[Came],
    table: &'static Table,
) -> Vec<Mismatch> {
    if expected.len() != came.len() {
        let mut shown: Vec<String> =
            came.iter().take(SHOWN_ROWS_MAX).map(|one| format!("\n  {}", summary(one))).collect();
        if came.len() > SHOWN_ROWS_MAX {
            shown.push(format!("\n  and {} more", came.len() - SHOWN_ROWS_MAX));
        }
        let came = format!("{}{}", came.len(), shown.concat());
        return vec![Mismatch { span, what: what.to_owned(), expected: expected.len().to_string(), came }];
    }
    let rows = expected.iter().zip(came).enumerate();
    rows.flat_map(|(at, (expected, came))| row_differences(&format!("{what}[{at}]"), expected, came, table)).collect()
}

fn row_differences(what: &str, expected: &TestRow, came: &Came, table: &'static Table) -> Vec<Mismatch> {
    let standard = tables::standard(came.signal.table()).expect("each signal has a standard table");
    let own = Some(table).filter(|table| table.record_base().and_then(|base| base.signal()) == Some(came.signal));
    let mut found = Vec::new();
    for (name, value) in &expected.columns {
        let position = |table: &Table| table.columns.iter().position(|column| column.name == name.value);
        let of_own = own.and_then(|table| position(table).map(|column| (table, column)));
        let Some((owner, column)) = of_own.or_else(|| position(standard).map(|column| (standard, column))) else {
            found.push(unknown_column(name, own.unwrap_or(standard)));
            continue;
        };
        let actual = owner.value_of(column, &came.row);
        let wanted = typed(value, owner.columns[column].ty);
        if !wanted.is_some_and(|wanted| is_same(&wanted, &actual)) {
            let what = format!("{what}.{}", name.value);
            found.push(Mismatch { span: name.span, what, expected: shown(value), came: shown(&actual) });
        }
    }
    found
}

/// Says whether two values are the same to a test: numbers by value, bags in any order of their keys, and times that stand
/// inside a dynamic, such as those of span events, as their text.
fn is_same(wanted: &Value, came: &Value) -> bool {
    match (wanted, came) {
        (Value::Array(wanted), Value::Array(came)) => {
            wanted.len() == came.len() && wanted.iter().zip(came.iter()).all(|(wanted, came)| is_same(wanted, came))
        }
        (Value::Bag(wanted), Value::Bag(came)) => {
            wanted.count() == came.count()
                && wanted.iter().all(|(key, wanted)| came.get(key.as_bytes()).is_some_and(|came| is_same(wanted, came)))
        }
        (Value::Long(whole), Value::Real(real)) | (Value::Real(real), Value::Long(whole)) => *whole as f64 == *real,
        (Value::String(text), Value::DateTime(ticks)) => time::parse_datetime(text.as_bytes()) == Some(*ticks),
        (Value::Real(wanted), Value::Real(came)) => wanted == came || wanted.to_bits() == came.to_bits(),
        _ => wanted == came,
    }
}

/// Returns the text of a value in messages.
pub(crate) fn shown(value: &Value) -> String {
    let text = match value {
        Value::DateTime(_) | Value::TimeSpan(_) => String::from_utf8_lossy(&format::text(value)).into_owned(),
        other => String::from_utf8_lossy(&json::to_bytes(other)).into_owned(),
    };
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Returns the columns of a row that are not empty, as a test would write them.
fn summary(came: &Came) -> String {
    let columns = &tables::standard(came.signal.table()).expect("each signal has a standard table").columns;
    let mut filled = Bag::new();
    for (column, value) in columns.iter().zip(&came.row) {
        let is_empty = match value {
            Value::Null | Value::Int(0) => true,
            Value::String(text) => text.is_empty(),
            Value::Bag(bag) => bag.is_empty(),
            Value::Array(items) => items.is_empty(),
            _ => false,
        };
        if !is_empty {
            let value = match value {
                Value::DateTime(_) | Value::TimeSpan(_) => Value::string(shown(value)),
                other => other.clone(),
            };
            filled.set(Str::from(column.name.as_str()), value);
        }
    }
    shown(&Value::bag(filled))
}
