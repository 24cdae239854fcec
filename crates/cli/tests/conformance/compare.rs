//! Compares a result with what the real engine gave.
//!
//! Names and types must be equal. Rows are compared as a multiset unless the query ends in an ordering; reals to 1e-9
//! relative; datetimes and timespans as ticks, since the files write them with any number of fraction digits.

use crate::cases::{Case, Table};
use serde_json::Value;

/// Compares; the error says what differs first.
pub fn tables(case: &Case, found: &Table) -> Result<(), String> {
    if !case.columns.is_empty() && case.columns != found.columns {
        return Err(format!("columns {:?}, expected {:?}", found.columns, case.columns));
    }
    if case.rows.len() != found.rows.len() {
        let (found, wanted) = (&found.rows, &case.rows);
        return Err(format!("{} rows, expected {}: {found:?}, expected {wanted:?}", found.len(), wanted.len()));
    }
    let types: Vec<&str> = found.columns.iter().map(|(_, ty)| ty.as_str()).collect();
    let equal = |wanted: &Vec<Value>, row: &Vec<Value>| {
        wanted.len() == row.len()
            && wanted.iter().zip(row).zip(&types).all(|((wanted, value), ty)| values(wanted, value, ty, case.is_text))
    };
    let mut left: Vec<&Vec<Value>> = found.rows.iter().collect();
    for (index, wanted) in case.rows.iter().enumerate() {
        let position = match is_ordered(&case.query) {
            true => left.first().filter(|row| equal(wanted, row)).map(|_| 0),
            false => left.iter().position(|row| equal(wanted, row)),
        };
        let Some(position) = position else {
            return Err(format!("row {index} expected {wanted:?}, left are {:?}", &left[..left.len().min(3)]));
        };
        left.remove(position);
    }
    Ok(())
}

/// Says whether the last operator of a query orders its rows.
fn is_ordered(query: &str) -> bool {
    let last = query.rsplit('|').next().unwrap_or_default().trim_start();
    ["sort ", "order ", "top "].iter().any(|keyword| last.starts_with(keyword))
}

fn values(wanted: &Value, found: &Value, ty: &str, is_text: bool) -> bool {
    match ty {
        "datetime" => both(wanted, found, datetime_ticks),
        "timespan" => both(wanted, found, timespan_ticks),
        "bool" => both(wanted, found, |text| match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Some(1),
            "false" | "0" => Some(0),
            _ => None,
        }),
        "int" | "long" | "real" | "decimal" => numbers(wanted, found),
        "dynamic" => dynamics(&parsed(wanted), &parsed(found)),
        _ if is_text => text(wanted).trim() == text(found).trim(),
        _ => wanted == found,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Compares by a reading of the text; null equals null and the empty text.
fn both(wanted: &Value, found: &Value, read: impl Fn(&str) -> Option<i64>) -> bool {
    let (wanted, found) = (text(wanted), text(found));
    if wanted.is_empty() || found.is_empty() {
        return wanted == found;
    }
    match (read(&wanted), read(&found)) {
        (Some(wanted), Some(found)) => wanted == found,
        _ => wanted == found,
    }
}

fn numbers(wanted: &Value, found: &Value) -> bool {
    let (wanted, found) = (text(wanted), text(found));
    if wanted.trim() == found.trim() {
        return true;
    }
    match (wanted.trim().parse::<f64>(), found.trim().parse::<f64>()) {
        (Ok(wanted), Ok(found)) => close(wanted, found),
        _ => false,
    }
}

fn close(wanted: f64, found: f64) -> bool {
    (wanted.is_nan() && found.is_nan())
        || wanted == found
        || (wanted - found).abs() <= 1e-9 * wanted.abs().max(found.abs())
}

/// Reads a dynamic that was written as JSON text.
fn parsed(value: &Value) -> Value {
    match value {
        Value::String(text) if text.is_empty() => Value::Null,
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
        other => other.clone(),
    }
}

fn dynamics(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Number(wanted), Value::Number(found)) => {
            wanted == found || close(wanted.as_f64().unwrap_or(f64::NAN), found.as_f64().unwrap_or(0.0))
        }
        (Value::Array(wanted), Value::Array(found)) => {
            wanted.len() == found.len() && wanted.iter().zip(found).all(|(wanted, found)| dynamics(wanted, found))
        }
        (Value::Object(wanted), Value::Object(found)) => {
            wanted.len() == found.len()
                && wanted.iter().all(|(key, value)| found.get(key).is_some_and(|found| dynamics(value, found)))
        }
        _ => wanted == found,
    }
}

/// Reads `2020-01-01T00:00:00.1Z`, also with a blank instead of `T` and without `Z`, as 100 ns since an arbitrary day.
fn datetime_ticks(text: &str) -> Option<i64> {
    let text = text.trim().trim_end_matches('Z');
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00:00"));
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    // Days in a 372-day calendar: order and equality are all that is needed.
    Some(((year * 12 + month) * 31 + day) * 864_000_000_000 + timespan_ticks(time)?)
}

/// Reads `[-][d.]hh:mm:ss[.f]` as 100 ns.
fn timespan_ticks(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (days, clock) = match text.split_once('.') {
        Some((days, clock)) if clock.contains(':') => (days.parse::<i64>().ok()?, clock),
        _ => (0, text),
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = clock.split(':').map(|part| part.parse::<i64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    let fraction = format!("{fraction:0<7}").get(..7)?.parse::<i64>().ok()?;
    Some(sign * ((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 10_000_000 + fraction))
}

#[test]
fn the_comparison_can_fail() {
    let equal =
        |ty, wanted: &str, found: &str| values(&Value::String(wanted.into()), &Value::String(found.into()), ty, false);
    assert!(equal("datetime", "2020-01-01T00:00:00.10Z", "2020-01-01 00:00:00.1"));
    assert!(!equal("datetime", "2020-01-01T00:00:00Z", "2020-01-01T00:00:01Z"));
    assert!(equal("timespan", "1.00:00:00", "1.00:00:00.0000000") && !equal("timespan", "01:00:00", "-01:00:00"));
    assert!(!equal("string", "a", "a ") && !equal("long", "1", "") && !equal("dynamic", "[1,2]", "[2,1]"));
    assert!(equal("real", "0.1", "0.10000000000000001") && !equal("real", "0.1", "0.1001"));
}
