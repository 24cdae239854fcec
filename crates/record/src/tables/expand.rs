//! One data point to the rows that the OpenTelemetry Collector's Azure Data Explorer exporter makes of it.
//!
//! # Source
//! opentelemetry-collector-contrib, `exporter/azuredataexplorerexporter/metricsdata_to_adx.go`: gauges and sums as they
//! are; histograms as `_sum`, `_count` and a cumulative `_bucket` for each bound with attribute `le`; summaries as
//! `_sum`, `_count` and a row for each quantile with attribute `qt`; exponential histograms not at all.

use crate::otlp::metrics::column;
use crate::stream::Row;
use dtq_value::{Bag, Str, Value};

/// Columns of `metrics` that expansion reads.
pub(super) const COLUMNS_READ: [usize; 7] = [
    column::METRIC_NAME,
    column::METRIC_TYPE,
    column::METRIC_DESCRIPTION,
    column::METRIC_VALUE,
    column::COUNT_,
    column::SUM,
    column::BUCKETS,
];

/// Gives the rows that stand for the point in `row`.
pub(super) fn expand(row: &Row, push: &mut dyn FnMut(Row)) {
    match text(&row[column::METRIC_TYPE]).as_str() {
        "Histogram" => {
            push_totals(row, push);
            push_buckets(row, push);
        }
        "Summary" => {
            push_totals(row, push);
            push_quantiles(row, push);
        }
        "Gauge" | "Sum" => {
            let mut row = row.clone();
            if row[column::METRIC_VALUE].is_null() {
                row[column::METRIC_VALUE] = Value::Real(0.0);
            }
            push(row);
        }
        _ => {}
    }
}

fn push_totals(row: &Row, push: &mut dyn FnMut(Row)) {
    let sum = real(&row[column::SUM]);
    push(variant(row, "_sum", "(Sum total of samples)", sum, &[]));
    let count = real(&row[column::COUNT_]);
    push(variant(row, "_count", "(Count of samples)", count, &[]));
}

fn push_buckets(row: &Row, push: &mut dyn FnMut(Row)) {
    let (bounds, counts) = (numbers(row, "Bounds"), numbers(row, "Counts"));
    if counts.is_empty() || counts.len() != bounds.len() + 1 {
        return;
    }
    let mut total = 0.0;
    for (index, count) in counts.iter().enumerate() {
        total += count;
        let bound = bounds.get(index).copied().unwrap_or(f64::INFINITY);
        push(variant(row, "_bucket", "", total, &[("le".to_owned(), Value::string(shortest(bound)))]));
    }
}

fn push_quantiles(row: &Row, push: &mut dyn FnMut(Row)) {
    for (quantile, value) in numbers(row, "Quantiles").into_iter().zip(numbers(row, "Values")) {
        let suffix = format!("_{quantile}");
        let name = format!("{}{suffix}", text(&row[column::METRIC_NAME]));
        let more = [("qt".to_owned(), Value::string(shortest(quantile))), (name, Value::Real(value))];
        push(variant(row, &suffix, "(Count of samples)", value, &more));
    }
}

/// Returns the row with another name, description and value, and attributes that stand in front of its own.
fn variant(row: &Row, suffix: &str, description: &str, value: f64, more: &[(String, Value)]) -> Row {
    let mut variant = row.clone();
    variant[column::METRIC_NAME] = Value::string(format!("{}{suffix}", text(&row[column::METRIC_NAME])));
    variant[column::METRIC_DESCRIPTION] =
        Value::string(format!("{}{description}", text(&row[column::METRIC_DESCRIPTION])));
    variant[column::METRIC_VALUE] = Value::Real(value);
    if let (Value::Bag(attributes), false) = (&row[column::ATTRIBUTES], more.is_empty()) {
        let mut bag = Bag::new();
        for (key, value) in more {
            bag.set(Str::from(key.as_str()), value.clone());
        }
        for (key, value) in attributes.iter() {
            bag.set(key.clone(), value.clone());
        }
        variant[column::ATTRIBUTES] = Value::bag(bag);
    }
    variant
}

fn numbers(row: &Row, key: &str) -> Vec<f64> {
    match &row[column::BUCKETS] {
        Value::Bag(bag) => match bag.get(key.as_bytes()) {
            Some(Value::Array(items)) => items.iter().map(real).collect(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn real(value: &Value) -> f64 {
    match value {
        Value::Real(value) => *value,
        Value::Long(value) => *value as f64,
        _ => 0.0,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.as_text().into_owned(),
        _ => String::new(),
    }
}

/// Writes a number as Go's `strconv.FormatFloat(f, 'g', -1, 64)`: shortest digits, exponent from 1e6 and below 1e-4.
fn shortest(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    if number.is_nan() {
        return "NaN".to_owned();
    }
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e6).contains(&size) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    format!("{number}")
}

#[cfg(test)]
mod tests {
    use super::shortest;

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        // Go's strconv/ftoa.go: with the shortest precision, 'g' writes an exponent below -4 and from 6 on.
        let cases = [
            (0.005, "0.005"),
            (10.0, "10"),
            (100_000.0, "100000"),
            (1_500_000.0, "1.5e+06"),
            (0.000_01, "1e-05"),
            (f64::INFINITY, "+Inf"),
            (2.5, "2.5"),
        ];
        for (number, text) in cases {
            assert_eq!(shortest(number), text);
        }
    }
}
