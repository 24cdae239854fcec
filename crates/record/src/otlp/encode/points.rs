//! Rows of `metrics`, and metrics that rules make, to `Metric` and its data points.
//!
//! A row is one point and repeats what all points of its metric share; [`MetricHead`] is that share, so that whoever
//! collects rows can put points together again. Next: `request.rs`.

use super::fields::{
    append_bytes, append_double, append_fixed64, append_message, append_number, append_packed_fixed64s,
    append_packed_varints, append_zigzag32,
};
use super::records::whole;
use super::{
    EncodeError, Encoded, append_attributes, append_text, bag, cell, check_keys, enum_number, nanos_from_ticks,
    property, shown, unix_nanos,
};
use crate::otlp::any::append_key_value;
use crate::otlp::metric::{
    Exemplar, ExponentialValue, HistogramValue, MetricKind, MetricPoint, MetricStream, PointValue, Temporality,
};
use crate::otlp::metrics::{Kind, NO_RECORDED_VALUE, TEMPORALITIES, column};
use crate::wire::{append_bytes_field, append_fixed64_field};
use dtq_value::{Bag, Value};

/// Appends the content of the `Metric` that a stream of data points stands for.
///
/// # Errors
/// When a time is outside of what OTLP's times can hold; `out` is then as it was.
///
/// # Panics
/// When a point's value is not of the metric's kind.
pub fn append_metric(out: &mut Vec<u8>, metric: &MetricStream) -> Result<(), EncodeError> {
    let kind = match metric.kind {
        MetricKind::Gauge => Kind::Gauge,
        MetricKind::Sum => Kind::Sum,
        MetricKind::Histogram => Kind::Histogram,
        MetricKind::ExponentialHistogram => Kind::ExponentialHistogram,
    };
    let mut head = MetricHead { prefix: Vec::new(), kind, suffix: Vec::new() };
    for (number, text) in [(1, &metric.name), (2, &metric.description), (3, &metric.unit)] {
        append_bytes(&mut head.prefix, number, text.as_text().as_bytes());
    }
    if kind != Kind::Gauge {
        let temporality = if metric.temporality == Temporality::Delta { 1 } else { 2 };
        append_number(&mut head.suffix, 2, temporality);
    }
    if kind == Kind::Sum {
        append_number(&mut head.suffix, 3, u64::from(metric.is_monotonic));
    }
    let mut points = Vec::new();
    for point in &metric.points {
        append_message(&mut points, 1, |out| append_made_point(out, kind, point))?;
    }
    head.append(out, &points);
    Ok(())
}

/// Holds what all points of a metric share, encoded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MetricHead {
    /// Name, description and unit: fields of `Metric`.
    prefix: Vec<u8>,
    kind: Kind,
    /// Temporality and monotonicity: fields of the kind's message.
    suffix: Vec<u8>,
}

impl MetricHead {
    /// Returns the share of a row of `metrics`.
    ///
    /// # Errors
    /// When a value has no place in OTLP; without a type there is none for the point.
    pub fn of_row(row: &[Value]) -> Result<Self, EncodeError> {
        let kind = kind_of(cell(row, column::METRIC_TYPE))?;
        let mut prefix = Vec::new();
        append_text(&mut prefix, 1, "MetricName", cell(row, column::METRIC_NAME))?;
        append_text(&mut prefix, 2, "MetricDescription", cell(row, column::METRIC_DESCRIPTION))?;
        append_text(&mut prefix, 3, "MetricUnit", cell(row, column::METRIC_UNIT))?;
        let temporality = enum_number("Temporality", &TEMPORALITIES, cell(row, column::TEMPORALITY))?;
        let has_temporality = matches!(kind, Kind::Sum | Kind::Histogram | Kind::ExponentialHistogram);
        if temporality != 0 && !has_temporality {
            return Err(EncodeError::new("Temporality", format!("a {} has none", kind.name())));
        }
        let is_monotonic = match (cell(row, column::IS_MONOTONIC), kind) {
            (Value::Null, _) => false,
            (Value::Bool(is_monotonic), Kind::Sum) => *is_monotonic,
            (value, _) => {
                let reason = format!("{} is none for a {}: only a Sum has it", shown(value), kind.name());
                return Err(EncodeError::new("IsMonotonic", reason));
            }
        };
        let mut suffix = Vec::new();
        append_number(&mut suffix, 2, temporality as u64);
        append_number(&mut suffix, 3, u64::from(is_monotonic));
        Ok(Self { prefix, kind, suffix })
    }

    /// Appends the content of the `Metric` with these points, which are fields 1 of the kind's message.
    pub fn append(&self, out: &mut Vec<u8>, points: &[u8]) {
        out.extend_from_slice(&self.prefix);
        let data = [points, self.suffix.as_slice()].concat();
        append_bytes_field(out, self.kind.field_number(), &data);
    }

    /// Appends the point of a row as field 1.
    ///
    /// # Errors
    /// When a value has no place in OTLP; `points` is then as it was.
    pub fn append_point(&self, points: &mut Vec<u8>, row: &[Value]) -> Result<(), EncodeError> {
        whole(points, |out| append_message(out, 1, |out| append_row_point(out, self.kind, row)))
    }
}

fn kind_of(value: &Value) -> Encoded<Kind> {
    let name = match value {
        Value::String(name) => name.as_text(),
        _ => "".into(),
    };
    Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
        let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        EncodeError::new("MetricType", format!("{} is none of {}", shown(value), names.join(", ")))
    })
}

fn flags_number(kind: Kind) -> u32 {
    if matches!(kind, Kind::Histogram | Kind::ExponentialHistogram) { 10 } else { 8 }
}

/// Appends the content of a data point. A point without value, or a distribution without count, says so in its flags.
fn append_row_point(out: &mut Vec<u8>, kind: Kind, row: &[Value]) -> Encoded<()> {
    append_attributes(out, kind.attributes_number(), "Attributes", cell(row, column::ATTRIBUTES))?;
    append_fixed64(out, 2, unix_nanos("StartTimestamp", cell(row, column::START_TIMESTAMP))?);
    append_fixed64(out, 3, unix_nanos("Timestamp", cell(row, column::TIMESTAMP))?);
    let (value, count, sum, buckets) = (
        real("MetricValue", cell(row, column::METRIC_VALUE))?,
        count_of("Count", cell(row, column::COUNT_))?,
        real("Sum", cell(row, column::SUM))?,
        bag("Buckets", cell(row, column::BUCKETS))?,
    );
    let is_recorded = if matches!(kind, Kind::Gauge | Kind::Sum) {
        if count.is_some() || sum.is_some() || buckets.is_some() {
            let reason = format!("a {} has neither Count, Sum nor Buckets", kind.name());
            return Err(EncodeError::new("MetricType", reason));
        }
        append_double(out, 4, value);
        value.is_some()
    } else {
        if value.is_some() {
            return Err(EncodeError::new("MetricValue", format!("a {} has none", kind.name())));
        }
        append_fixed64(out, 4, count.unwrap_or(0));
        append_double(out, 5, sum);
        append_distribution(out, kind, buckets.unwrap_or(&Bag::new()))?;
        count.is_some()
    };
    append_number(out, flags_number(kind), if is_recorded { 0 } else { NO_RECORDED_VALUE });
    Ok(())
}

fn append_distribution(out: &mut Vec<u8>, kind: Kind, buckets: &Bag) -> Encoded<()> {
    match kind {
        Kind::Gauge | Kind::Sum => {}
        Kind::Histogram => {
            check_keys("Buckets", buckets, &["Bounds", "Counts", "Min", "Max"])?;
            append_packed_fixed64s(out, 6, counts(buckets, "Counts")?.into_iter());
            append_packed_fixed64s(out, 7, reals(buckets, "Bounds")?.into_iter().map(f64::to_bits));
            append_double(out, 11, real("Buckets", property(buckets, "Min"))?);
            append_double(out, 12, real("Buckets", property(buckets, "Max"))?);
        }
        Kind::ExponentialHistogram => append_exponential(out, buckets)?,
        Kind::Summary => {
            check_keys("Buckets", buckets, &["Quantiles", "Values"])?;
            let (quantiles, values) = (reals(buckets, "Quantiles")?, reals(buckets, "Values")?);
            if quantiles.len() != values.len() {
                return Err(EncodeError::new("Buckets", "Quantiles and Values differ in length"));
            }
            for (quantile, value) in quantiles.into_iter().zip(values) {
                append_message(out, 6, |out| {
                    append_fixed64(out, 1, quantile.to_bits());
                    append_fixed64(out, 2, value.to_bits());
                    Ok(())
                })?;
            }
        }
    }
    Ok(())
}

fn append_exponential(out: &mut Vec<u8>, buckets: &Bag) -> Encoded<()> {
    const KEYS: [&str; 9] = [
        "Scale",
        "ZeroCount",
        "ZeroThreshold",
        "PositiveOffset",
        "PositiveCounts",
        "NegativeOffset",
        "NegativeCounts",
        "Min",
        "Max",
    ];
    check_keys("Buckets", buckets, &KEYS)?;
    append_zigzag32(out, 6, int(buckets, "Scale")?);
    append_fixed64(out, 7, count_of("Buckets", property(buckets, "ZeroCount"))?.unwrap_or(0));
    append_buckets(out, 8, int(buckets, "PositiveOffset")?, &counts(buckets, "PositiveCounts")?);
    append_buckets(out, 9, int(buckets, "NegativeOffset")?, &counts(buckets, "NegativeCounts")?);
    append_double(out, 12, real("Buckets", property(buckets, "Min"))?);
    append_double(out, 13, real("Buckets", property(buckets, "Max"))?);
    append_fixed64(out, 14, real("Buckets", property(buckets, "ZeroThreshold"))?.unwrap_or(0.0).to_bits());
    Ok(())
}

/// Appends `ExponentialHistogramDataPoint.Buckets` unless there are none.
fn append_buckets(out: &mut Vec<u8>, number: u32, offset: i32, counts: &[u64]) {
    let mut buckets = Vec::new();
    append_zigzag32(&mut buckets, 1, offset);
    append_packed_varints(&mut buckets, 2, counts);
    append_bytes(out, number, &buckets);
}

/// Returns a number as a real. A dynamic may hold it as an integer: JSON does not tell them apart.
fn real(column: &'static str, value: &Value) -> Encoded<Option<f64>> {
    match value {
        Value::Null => Ok(None),
        Value::Real(number) => Ok(Some(*number)),
        Value::Long(number) => Ok(Some(*number as f64)),
        Value::Int(number) => Ok(Some(f64::from(*number))),
        other => Err(EncodeError::new(column, format!("{} is no number", shown(other)))),
    }
}

/// Returns a count. The bits are kept: counts beyond a long's range are read as negative ones.
fn count_of(column: &'static str, value: &Value) -> Encoded<Option<u64>> {
    match value {
        Value::Null => Ok(None),
        Value::Long(number) => Ok(Some(*number as u64)),
        Value::Int(number) => Ok(Some(i64::from(*number) as u64)),
        other => Err(EncodeError::new(column, format!("{} is no integer", shown(other)))),
    }
}

fn int(bag: &Bag, key: &str) -> Encoded<i32> {
    let value = property(bag, key);
    let number = count_of("Buckets", value)?.unwrap_or(0) as i64;
    i32::try_from(number).map_err(|_| EncodeError::new("Buckets", format!("{key} {} is out of range", shown(value))))
}

fn list<'b>(bag: &'b Bag, key: &str) -> Encoded<&'b [Value]> {
    match property(bag, key) {
        Value::Null => Ok(&[]),
        Value::Array(items) => Ok(items),
        other => Err(EncodeError::new("Buckets", format!("{key} {} is no array", shown(other)))),
    }
}

fn counts(bag: &Bag, key: &str) -> Encoded<Vec<u64>> {
    list(bag, key)?.iter().map(|item| Ok(count_of("Buckets", item)?.unwrap_or(0))).collect()
}

fn reals(bag: &Bag, key: &str) -> Encoded<Vec<f64>> {
    let number =
        |item: &Value| real("Buckets", item)?.ok_or_else(|| EncodeError::new("Buckets", format!("{key} holds a null")));
    list(bag, key)?.iter().map(number).collect()
}

fn append_made_point(out: &mut Vec<u8>, kind: Kind, point: &MetricPoint) -> Encoded<()> {
    for (key, value) in &point.attributes {
        append_key_value(out, kind.attributes_number(), key, value);
    }
    append_fixed64(out, 2, point.start_ticks.map_or(Ok(0), |ticks| made_nanos("StartTimestamp", ticks))?);
    append_fixed64(out, 3, made_nanos("Timestamp", point.time_ticks)?);
    match (&point.value, kind) {
        (PointValue::Long(value), Kind::Gauge | Kind::Sum) => append_fixed64_field(out, 6, *value as u64),
        (PointValue::Real(value), Kind::Gauge | Kind::Sum) => append_double(out, 4, Some(*value)),
        (PointValue::Histogram(value), Kind::Histogram) => append_histogram(out, value),
        (PointValue::Exponential(value), Kind::ExponentialHistogram) => append_made_exponential(out, value),
        (value, kind) => unreachable!("a metric's points are of its kind: {value:?} in a {}", kind.name()),
    }
    let exemplars_number = match kind {
        Kind::Histogram => 8,
        Kind::ExponentialHistogram => 11,
        Kind::Gauge | Kind::Sum | Kind::Summary => 5,
    };
    for exemplar in &point.exemplars {
        append_message(out, exemplars_number, |out| append_exemplar(out, exemplar))?;
    }
    Ok(())
}

fn made_nanos(column: &'static str, ticks: i64) -> Encoded<u64> {
    let outside = || EncodeError::new(column, "it is outside of 1970 to 2554, which OTLP's times can hold");
    nanos_from_ticks(ticks).ok_or_else(outside)
}

fn append_histogram(out: &mut Vec<u8>, value: &HistogramValue) {
    append_fixed64(out, 4, value.count);
    append_double(out, 5, value.sum);
    append_packed_fixed64s(out, 6, value.counts.iter().copied());
    append_packed_fixed64s(out, 7, value.bounds.iter().map(|bound| bound.to_bits()));
    append_double(out, 11, value.min);
    append_double(out, 12, value.max);
}

fn append_made_exponential(out: &mut Vec<u8>, value: &ExponentialValue) {
    append_fixed64(out, 4, value.count);
    append_double(out, 5, value.sum);
    append_zigzag32(out, 6, value.scale);
    append_fixed64(out, 7, value.zero_count);
    append_buckets(out, 8, value.positive.0, &value.positive.1);
    append_buckets(out, 9, value.negative.0, &value.negative.1);
    append_double(out, 12, value.min);
    append_double(out, 13, value.max);
}

fn append_exemplar(out: &mut Vec<u8>, exemplar: &Exemplar) -> Encoded<()> {
    append_fixed64(out, 2, made_nanos("Timestamp", exemplar.time_ticks)?);
    append_double(out, 3, Some(exemplar.value));
    append_bytes(out, 4, &exemplar.span_id);
    append_bytes(out, 5, &exemplar.trace_id);
    Ok(())
}
