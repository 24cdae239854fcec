//! One data point of a `Metric` to the columns of `metrics`: views first, then only the columns that are read.

use super::any::{bag_inside, text, time};
use super::detect::cut_content;
use super::spans::word;
use crate::stream::Inside;
use crate::wire::{Field, Fields, WireError};
use dtq_value::{Bag, Str, Value};

/// The columns of `metrics` in the order of `tables/metrics.json`.
pub mod column {
    #![allow(missing_docs)]
    pub const TIMESTAMP: usize = 0;
    pub const START_TIMESTAMP: usize = 1;
    pub const METRIC_NAME: usize = 2;
    pub const METRIC_TYPE: usize = 3;
    pub const METRIC_UNIT: usize = 4;
    pub const METRIC_DESCRIPTION: usize = 5;
    pub const METRIC_VALUE: usize = 6;
    pub const COUNT_: usize = 7;
    pub const SUM: usize = 8;
    pub const BUCKETS: usize = 9;
    pub const ATTRIBUTES: usize = 10;
    pub const RESOURCE: usize = 11;
    pub const SCOPE: usize = 12;
    pub const TEMPORALITY: usize = 13;
    pub const IS_MONOTONIC: usize = 14;
    pub const COUNT: usize = 15;
}

/// Names of `AggregationTemporality` by number (metrics.proto); unspecified is `""`.
pub(crate) const TEMPORALITIES: [&str; 3] = ["", "Delta", "Cumulative"];
/// Names of the kinds by field number in `Metric` (metrics.proto).
pub(crate) const KINDS_BY_FIELD_NUMBER: [&str; 12] =
    ["", "", "", "", "", "Gauge", "", "Sum", "", "Histogram", "ExponentialHistogram", "Summary"];
/// `DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK` (metrics.proto).
pub const NO_RECORDED_VALUE: u64 = 1;

/// Names what a metric holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `Gauge`
    Gauge,
    /// `Sum`
    Sum,
    /// `Histogram`
    Histogram,
    /// `ExponentialHistogram`
    ExponentialHistogram,
    /// `Summary`
    Summary,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 5] = [Kind::Gauge, Kind::Sum, Kind::Histogram, Kind::ExponentialHistogram, Kind::Summary];

    /// Returns the kind that a field number of `Metric` stands for.
    pub fn from_field_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.field_number() == number)
    }

    /// Returns the field number of `Metric` that the kind's points stand in.
    pub fn field_number(self) -> u32 {
        match self {
            Kind::Gauge => 5,
            Kind::Sum => 7,
            Kind::Histogram => 9,
            Kind::ExponentialHistogram => 10,
            Kind::Summary => 11,
        }
    }

    /// Returns the name in the column MetricType.
    pub fn name(self) -> &'static str {
        KINDS_BY_FIELD_NUMBER[self.field_number() as usize]
    }

    /// Returns the field number of `attributes` in the kind's data point.
    pub fn attributes_number(self) -> u32 {
        match self {
            Kind::Gauge | Kind::Sum | Kind::Summary => 7,
            Kind::Histogram => 9,
            Kind::ExponentialHistogram => 1,
        }
    }
}

/// Holds what all points of a metric share, as values.
#[derive(Clone, Debug, Default)]
pub struct MetricHead {
    /// Where the points are: the range of the kind's message.
    pub data: Option<(Kind, usize, usize)>,
    name: Value,
    description: Value,
    unit: Value,
    temporality: Value,
    is_monotonic: Value,
}

impl MetricHead {
    /// Reads a `Metric` that starts at `base` except for its points.
    ///
    /// # Errors
    /// When a field of the metric or of its kind's message is malformed. With `is_cut`, fields behind the fault are
    /// taken as missing: the input ends there.
    pub fn parse(record: &[u8], base: usize, is_cut: bool) -> Result<Self, WireError> {
        let (mut name, mut description, mut unit) = (None, None, None);
        let mut head = MetricHead::default();
        for field in Fields::at(record, base) {
            let field = match field {
                Err(error) if is_cut => {
                    head.data = head.data.or_else(|| cut_data(&record[error.offset - base..], base + record.len()));
                    break;
                }
                field => field?,
            };
            match field.number {
                1 => drop(name.get_or_insert(field.bytes()?)),
                2 => drop(description.get_or_insert(field.bytes()?)),
                3 => drop(unit.get_or_insert(field.bytes()?)),
                number => {
                    if let Some(kind) = Kind::from_field_number(number) {
                        let size = field.bytes()?.len();
                        head.data.get_or_insert((kind, field.end - size, field.end));
                    }
                }
            }
        }
        (head.name, head.description, head.unit) = (text(name), text(description), text(unit));
        Ok(head)
    }

    /// Reads temporality and monotonicity from the kind's message.
    ///
    /// # Errors
    /// When a field of it is malformed.
    pub fn read_data_fields(&mut self, kind: Kind, data: Fields<'_>, is_cut: bool) -> Result<(), WireError> {
        let (mut temporality, mut is_monotonic) = (None, None);
        for field in data {
            let field = match field {
                Err(_) if is_cut => break,
                field => field?,
            };
            match (field.number, kind) {
                (2, Kind::Sum | Kind::Histogram | Kind::ExponentialHistogram) => {
                    temporality.get_or_insert(field.varint()?);
                }
                (3, Kind::Sum) => drop(is_monotonic.get_or_insert(field.varint()?)),
                _ => {}
            }
        }
        self.temporality = word(&TEMPORALITIES, temporality);
        self.is_monotonic = if kind == Kind::Sum { Value::Bool(is_monotonic.unwrap_or(0) != 0) } else { Value::Null };
        Ok(())
    }
}

/// Returns kind and range of the data that the end of the input cuts.
fn cut_data(tail: &[u8], end: usize) -> Option<(Kind, usize, usize)> {
    [5, 7, 9, 10, 11].into_iter().find_map(|number| {
        let content = cut_content(tail, number)?;
        Some((Kind::from_field_number(number)?, end - content.len(), end))
    })
}

/// Holds the first occurrence of each singular field of a data point, whatever its kind.
#[derive(Clone, Debug)]
pub struct PointView<'a> {
    kind: Kind,
    record: &'a [u8],
    base: usize,
    start_ns: Option<u64>,
    time_ns: Option<u64>,
    value: Option<f64>,
    count: Option<u64>,
    sum: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    flags: Option<u64>,
}

impl<'a> PointView<'a> {
    /// Returns the view of a point that starts at `base`.
    ///
    /// # Errors
    /// When a field of the point itself is malformed.
    pub fn parse(kind: Kind, record: &'a [u8], base: usize) -> Result<Self, WireError> {
        let mut view = PointView {
            kind,
            record,
            base,
            start_ns: None,
            time_ns: None,
            value: None,
            count: None,
            sum: None,
            min: None,
            max: None,
            flags: None,
        };
        for field in Fields::at(record, base) {
            view.read(&field?)?;
        }
        Ok(view)
    }

    /// Takes in a field (metrics.proto, `NumberDataPoint`, `HistogramDataPoint`, `ExponentialHistogramDataPoint`,
    /// `SummaryDataPoint`).
    fn read(&mut self, field: &Field<'_>) -> Result<(), WireError> {
        use Kind::{ExponentialHistogram, Gauge, Histogram, Sum, Summary};
        match (field.number, self.kind) {
            (2, _) => drop(self.start_ns.get_or_insert(field.fixed64()?)),
            (3, _) => drop(self.time_ns.get_or_insert(field.fixed64()?)),
            (4, Gauge | Sum) => drop(self.value.get_or_insert(field.double()?)),
            (6, Gauge | Sum) => drop(self.value.get_or_insert(field.fixed64()? as i64 as f64)),
            (4, _) => drop(self.count.get_or_insert(field.fixed64()?)),
            (5, Histogram | ExponentialHistogram | Summary) => drop(self.sum.get_or_insert(field.double()?)),
            (11, Histogram) | (12, ExponentialHistogram) => drop(self.min.get_or_insert(field.double()?)),
            (12, Histogram) | (13, ExponentialHistogram) => drop(self.max.get_or_insert(field.double()?)),
            (8, Gauge | Sum | Summary) | (10, Histogram | ExponentialHistogram) => {
                self.flags.get_or_insert(field.varint()?);
            }
            (number, kind) if number == kind.attributes_number() => drop(field.bytes()?),
            _ => {}
        }
        Ok(())
    }

    /// Returns the value of a column other than Resource and Scope.
    ///
    /// # Errors
    /// When a message inside the point is malformed.
    pub fn value(&self, head: &MetricHead, column: usize, nesting_max: usize) -> Result<Value, WireError> {
        let is_recorded = self.flags.unwrap_or(0) & NO_RECORDED_VALUE == 0;
        let is_number = matches!(self.kind, Kind::Gauge | Kind::Sum);
        Ok(match column {
            column::TIMESTAMP => time(self.time_ns),
            column::START_TIMESTAMP => time(self.start_ns),
            column::METRIC_NAME => head.name.clone(),
            column::METRIC_TYPE => Value::string(self.kind.name()),
            column::METRIC_UNIT => head.unit.clone(),
            column::METRIC_DESCRIPTION => head.description.clone(),
            column::METRIC_VALUE if is_recorded => real(self.value),
            column::COUNT_ if is_recorded && !is_number => Value::Long(self.count.unwrap_or(0) as i64),
            // The sum of a summary is not optional (metrics.proto), so a missing one is zero.
            column::SUM if is_recorded && self.kind == Kind::Summary => Value::Real(self.sum.unwrap_or(0.0)),
            column::SUM if is_recorded => real(self.sum),
            column::BUCKETS if !is_number => self.buckets()?,
            column::ATTRIBUTES => return self.attributes(&Inside::Whole, nesting_max),
            column::TEMPORALITY => head.temporality.clone(),
            column::IS_MONOTONIC => head.is_monotonic.clone(),
            _ => Value::Null,
        })
    }

    /// Returns what is read inside of the attributes.
    ///
    /// # Errors
    /// When what is read, or what stands in front of it, is malformed.
    pub(crate) fn attributes(&self, inside: &Inside, nesting_max: usize) -> Result<Value, WireError> {
        Ok(Value::bag(bag_inside(self.fields(), self.kind.attributes_number(), inside, nesting_max)?))
    }

    fn fields(&self) -> Fields<'a> {
        Fields::at(self.record, self.base)
    }

    /// Reads the distribution of a histogram or summary.
    fn buckets(&self) -> Result<Value, WireError> {
        let mut bag = Bag::new();
        match self.kind {
            Kind::Gauge | Kind::Sum => {}
            Kind::Histogram => self.read_explicit_buckets(&mut bag)?,
            Kind::ExponentialHistogram => self.read_exponential_buckets(&mut bag)?,
            Kind::Summary => self.read_quantiles(&mut bag)?,
        }
        for (key, value) in [("Min", self.min), ("Max", self.max)] {
            if let Some(value) = value {
                bag.set(Str::from(key), Value::Real(value));
            }
        }
        Ok(Value::bag(bag))
    }

    fn read_explicit_buckets(&self, bag: &mut Bag) -> Result<(), WireError> {
        let (mut counts, mut bounds) = (Vec::new(), Vec::new());
        for field in self.fields() {
            let field = field?;
            match field.number {
                6 => field.append_fixed64s(&mut counts)?,
                7 => field.append_fixed64s(&mut bounds)?,
                _ => {}
            }
        }
        bag.set(Str::from("Bounds"), reals(&bounds));
        bag.set(Str::from("Counts"), longs(&counts));
        Ok(())
    }

    fn read_exponential_buckets(&self, bag: &mut Bag) -> Result<(), WireError> {
        let (mut scale, mut zero_count, mut zero_threshold) = (None, None, None);
        let (mut positive, mut negative) = (None, None);
        for field in self.fields() {
            let field = field?;
            match field.number {
                6 => drop(scale.get_or_insert(zigzag(field.varint()?))),
                7 => drop(zero_count.get_or_insert(field.fixed64()?)),
                8 if positive.is_none() => positive = Some(offset_and_counts(field.message()?)?),
                9 if negative.is_none() => negative = Some(offset_and_counts(field.message()?)?),
                14 => drop(zero_threshold.get_or_insert(field.double()?)),
                _ => {}
            }
        }
        bag.set(Str::from("Scale"), Value::Long(scale.unwrap_or(0)));
        bag.set(Str::from("ZeroCount"), Value::Long(zero_count.unwrap_or(0) as i64));
        bag.set(Str::from("ZeroThreshold"), Value::Real(zero_threshold.unwrap_or(0.0)));
        for (name, buckets) in [("Positive", positive), ("Negative", negative)] {
            let (offset, counts) = buckets.unwrap_or_default();
            bag.set(Str::from(format!("{name}Offset")), Value::Long(offset));
            bag.set(Str::from(format!("{name}Counts")), longs(&counts));
        }
        Ok(())
    }

    fn read_quantiles(&self, bag: &mut Bag) -> Result<(), WireError> {
        let (mut quantiles, mut values) = (Vec::new(), Vec::new());
        for field in self.fields() {
            let field = field?;
            if field.number != 6 {
                continue;
            }
            let (mut quantile, mut value) = (None, None);
            for part in field.message()? {
                let part = part?;
                match part.number {
                    1 => drop(quantile.get_or_insert(part.fixed64()?)),
                    2 => drop(value.get_or_insert(part.fixed64()?)),
                    _ => {}
                }
            }
            quantiles.push(quantile.unwrap_or(0));
            values.push(value.unwrap_or(0));
        }
        bag.set(Str::from("Quantiles"), reals(&quantiles));
        bag.set(Str::from("Values"), reals(&values));
        Ok(())
    }
}

/// Reads `ExponentialHistogramDataPoint.Buckets`.
fn offset_and_counts(fields: Fields<'_>) -> Result<(i64, Vec<u64>), WireError> {
    let (mut offset, mut counts) = (None, Vec::new());
    for field in fields {
        let field = field?;
        match field.number {
            1 => drop(offset.get_or_insert(zigzag(field.varint()?))),
            2 => field.append_varints(&mut counts)?,
            _ => {}
        }
    }
    Ok((offset.unwrap_or(0), counts))
}

/// Decodes a `sint32` (protobuf.dev, "Encoding": signed integers).
fn zigzag(value: u64) -> i64 {
    let value = value as u32;
    i64::from((value >> 1) as i32 ^ -((value & 1) as i32))
}

fn real(value: Option<f64>) -> Value {
    value.map_or(Value::Null, Value::Real)
}

fn reals(bits: &[u64]) -> Value {
    Value::array(bits.iter().map(|bits| Value::Real(f64::from_bits(*bits))).collect())
}

fn longs(numbers: &[u64]) -> Value {
    Value::array(numbers.iter().map(|number| Value::Long(*number as i64)).collect())
}
