//! OTLP messages to slots: field paths become a plan once, and the plan fills the slots of every record.
//!
//! Each level of a request (resource, scope, metric, record) has slots of its own, filled once for all that lies below
//! it. A record's slots are filled in one pass over its bytes (`otlp/pass.rs`), which ends when all are settled. The
//! values are those that [`logs`], [`spans`] and [`metrics`] read; a test compares them. Next: `otlp/index.rs`.

use super::metrics::{self, Kind};
use super::pass::{Derived, How, Pass};
use super::reader::resource_column;
use super::{Signal, logs, spans};
use crate::slot::{Buffer, Slot, Tag, WordList};
use crate::tables::Base;
use crate::wire::WireError;
use dtq_value::Str;

/// Names a field that a program reads: a column of a standard table, or one key of a bag that is a column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldPath {
    /// The column's position in the standard table.
    pub column: usize,
    /// A key of `Attributes` or `Resource`; for `Scope` one of `Name`, `Version` and `Attributes`.
    pub key: Option<Str>,
}

/// Names the part of a request that a slot is filled from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// The `Resource` message.
    Resource,
    /// The `InstrumentationScope` message.
    Scope,
    /// The `Metric` message, without its points.
    Metric,
    /// The record or data point; for `resources` the message around the resource.
    Record,
}

/// Holds how the slots of a program are filled.
#[derive(Clone, Debug)]
pub struct SlotPlan {
    base: Base,
    levels: Vec<Level>,
    slot_count: usize,
    resource: Pass,
    scope: Pass,
    metric: Pass,
    /// For metrics one a kind, in the order of `Kind::ALL`; otherwise one.
    records: Vec<Pass>,
}

impl SlotPlan {
    /// Returns the plan that fills the slot `i` from `paths[i]`; `None` when one of them is no field of the table.
    pub fn new(base: Base, paths: &[FieldPath]) -> Option<Self> {
        let record_count = if base == Base::Metrics { Kind::ALL.len() } else { 1 };
        let mut plan = SlotPlan {
            base,
            levels: paths.iter().map(|path| level_of(base, path.column)).collect(),
            slot_count: paths.len(),
            resource: Pass::new(Buffer::Resource),
            scope: Pass::new(Buffer::Scope),
            metric: Pass::new(Buffer::Metric),
            records: vec![Pass::new(Buffer::Record); record_count],
        };
        // Columns that follow from others come last: then it is known which of their sources are read anyway.
        for is_derived in [false, true] {
            for (index, path) in paths.iter().enumerate() {
                if is_derived_column(base, path.column) == is_derived {
                    plan.add(path, u32::try_from(index).ok()?)?;
                }
            }
        }
        Some(plan)
    }

    /// Says which signal the rows of `resources` name; for other tables it changes nothing.
    pub fn set_signal(&mut self, signal: Signal) {
        if self.base == Base::Resources {
            let word = Slot::word(WordList::Signal, signal as i32);
            self.records.iter_mut().for_each(|pass| pass.replace_default(Tag::Word, word));
        }
    }

    /// Returns the level that the slot of a path is filled on.
    pub fn level(&self, index: usize) -> Level {
        self.levels[index]
    }

    /// Returns how many slots a record needs: those of the paths, and behind them those that others follow from.
    pub fn slot_count(&self) -> usize {
        self.slot_count
    }

    /// Says whether some slot is filled on a level, so that filling it does anything.
    pub fn has_level(&self, level: Level) -> bool {
        self.levels.contains(&level)
    }

    /// Returns what is read on a level; on the level of records for metrics that of one kind of point.
    ///
    /// `None` where the plan needs a kind and none is given, or the other way round.
    pub fn pass(&self, level: Level, kind: Option<Kind>) -> Option<&Pass> {
        match (level, kind, self.base) {
            (Level::Resource, None, _) => Some(&self.resource),
            (Level::Scope, None, _) => Some(&self.scope),
            (Level::Metric, None, _) => Some(&self.metric),
            (Level::Record, Some(kind), Base::Metrics) => self.records.get(kind as usize),
            (Level::Record, None, Base::Logs | Base::Spans | Base::Resources) => self.records.first(),
            _ => None,
        }
    }

    /// Fills the slots that come from the resource; an absent `Resource` message is an empty one.
    ///
    /// # Errors
    /// When a field that is read, or one in front of it, is malformed.
    ///
    /// # Panics
    /// As the other fillers do, when there are fewer than [`SlotPlan::slot_count`] slots.
    pub fn fill_resource(&self, message: &[u8], slots: &mut [Slot]) -> Result<(), WireError> {
        run(&self.resource, message, slots)
    }

    /// Fills the slots that come from the scope; an absent `InstrumentationScope` message is an empty one.
    ///
    /// # Errors
    /// When a field that is read, or one in front of it, is malformed.
    pub fn fill_scope(&self, message: &[u8], slots: &mut [Slot]) -> Result<(), WireError> {
        run(&self.scope, message, slots)
    }

    /// Fills the slots that all points of a metric share, from the `Metric` message.
    ///
    /// # Errors
    /// When a field that is read, or one in front of it, is malformed.
    pub fn fill_metric(&self, message: &[u8], slots: &mut [Slot]) -> Result<(), WireError> {
        run(&self.metric, message, slots)
    }

    /// Fills the slots that come from a `LogRecord` or `Span`; for `resources` from a `ResourceLogs` or its siblings.
    ///
    /// # Errors
    /// When a field that is read, or one in front of it, is malformed; for a data point, whose kind must be given.
    #[inline]
    pub fn fill_record(&self, record: &[u8], slots: &mut [Slot]) -> Result<(), WireError> {
        match &self.records[..] {
            [pass] => run(pass, record, slots),
            _ => Err(WireError { offset: 0, reason: "a data point is read with its kind" }),
        }
    }

    /// Fills the slots that come from a data point.
    ///
    /// # Errors
    /// When a field that is read, or one in front of it, is malformed; for a table other than `metrics`.
    pub fn fill_point(&self, kind: Kind, point: &[u8], slots: &mut [Slot]) -> Result<(), WireError> {
        match self.records.get(kind as usize) {
            Some(pass) if self.base == Base::Metrics => run(pass, point, slots),
            _ => Err(WireError { offset: 0, reason: "only metrics have data points" }),
        }
    }

    fn add(&mut self, path: &FieldPath, slot: u32) -> Option<()> {
        let key = path.key.as_ref().map(Str::as_bytes);
        match self.base {
            Base::Logs if path.column == logs::column::RESOURCE => add_bag(&mut self.resource, 1, key, slot),
            Base::Spans if path.column == spans::column::RESOURCE => add_bag(&mut self.resource, 1, key, slot),
            Base::Metrics if path.column == metrics::column::RESOURCE => add_bag(&mut self.resource, 1, key, slot),
            Base::Logs if path.column == logs::column::SCOPE => add_scope(&mut self.scope, key, slot),
            Base::Spans if path.column == spans::column::SCOPE => add_scope(&mut self.scope, key, slot),
            Base::Metrics if path.column == metrics::column::SCOPE => add_scope(&mut self.scope, key, slot),
            Base::Logs => return add_log(&mut self.records[0], path.column, key, slot, &mut self.slot_count),
            Base::Spans => return add_span(&mut self.records[0], path.column, key, slot, &mut self.slot_count),
            Base::Resources => return add_resource_row(&mut self.records[0], path.column, key, slot),
            Base::Metrics if self.levels[slot as usize] == Level::Metric => {
                return add_head(&mut self.metric, path.column, key, slot, &mut self.slot_count);
            }
            Base::Metrics => {
                for (pass, kind) in self.records.iter_mut().zip(Kind::ALL) {
                    add_point(pass, kind, path.column, key, slot, &mut self.slot_count)?;
                }
            }
        }
        Some(())
    }
}

#[inline]
fn run(pass: &Pass, message: &[u8], slots: &mut [Slot]) -> Result<(), WireError> {
    if u32::try_from(message.len()).is_err() {
        return Err(WireError { offset: 0, reason: "a message of 4 GiB or more" });
    }
    pass.run(message, 0, slots)
}

fn level_of(base: Base, column: usize) -> Level {
    use metrics::column as m;
    match (base, column) {
        (Base::Logs, logs::column::RESOURCE)
        | (Base::Spans, spans::column::RESOURCE)
        | (Base::Metrics, m::RESOURCE) => Level::Resource,
        (Base::Logs, logs::column::SCOPE) | (Base::Spans, spans::column::SCOPE) | (Base::Metrics, m::SCOPE) => {
            Level::Scope
        }
        (
            Base::Metrics,
            m::METRIC_NAME | m::METRIC_TYPE | m::METRIC_UNIT | m::METRIC_DESCRIPTION | m::TEMPORALITY | m::IS_MONOTONIC,
        ) => Level::Metric,
        _ => Level::Record,
    }
}

fn is_derived_column(base: Base, column: usize) -> bool {
    matches!((base, column), (Base::Logs, logs::column::TIMESTAMP) | (Base::Spans, spans::column::DURATION))
}

/// Returns the slot that a field is read into, a hidden one when no path reads the field itself.
fn source(pass: &mut Pass, number: u32, how: How, default: Slot, slot_count: &mut usize) -> Option<u32> {
    if let Some(slot) = pass.slot_of(number) {
        return Some(slot);
    }
    let slot = u32::try_from(*slot_count).ok()?;
    *slot_count += 1;
    pass.read(number, how, slot, default);
    Some(slot)
}

/// Adds the bag of the `KeyValue`s in a field, or one key of it.
fn add_bag(pass: &mut Pass, number: u32, key: Option<&[u8]>, slot: u32) {
    match key {
        Some(key) => pass.read_key(number, key, slot),
        None => pass.view_whole(slot, Tag::KeyValues, number as u16),
    }
}

fn add_scope(pass: &mut Pass, key: Option<&[u8]>, slot: u32) {
    match key {
        None => pass.view_whole(slot, Tag::Scope, 0),
        Some(b"Name") => pass.read(1, How::Text, slot, Slot::EMPTY_STRING),
        Some(b"Version") => pass.read(2, How::Text, slot, Slot::EMPTY_STRING),
        Some(b"Attributes") => pass.view_whole(slot, Tag::KeyValues, 3),
        Some(_) => pass.set_default(slot, Slot::MISSING),
    }
}

/// Adds a column of `LogRecord` (logs.proto).
fn add_log(pass: &mut Pass, column: usize, key: Option<&[u8]>, slot: u32, slot_count: &mut usize) -> Option<()> {
    use logs::column;
    if column == column::ATTRIBUTES {
        add_bag(pass, 6, key, slot);
        return Some(());
    }
    if key.is_some() {
        return None;
    }
    let text = Slot::EMPTY_STRING;
    match column {
        column::TIMESTAMP => {
            let is_observed_read = pass.slot_of(11).is_some();
            let first = source(pass, 1, How::Time, Slot::MISSING, slot_count)?;
            let second = source(pass, 11, How::Time, Slot::MISSING, slot_count)?;
            if !is_observed_read {
                pass.settle_with(1, 11);
            }
            pass.derive(Derived::Either { first, second, to: slot });
        }
        column::OBSERVED_TIMESTAMP => pass.read(11, How::Time, slot, Slot::MISSING),
        column::TRACE_ID => pass.read(9, How::Id, slot, text),
        column::SPAN_ID => pass.read(10, How::Id, slot, text),
        column::TRACE_FLAGS => pass.read(8, How::TraceFlags, slot, Slot::int(0)),
        column::SEVERITY_NUMBER => pass.read(2, How::Int, slot, Slot::int(0)),
        column::SEVERITY_TEXT => pass.read(3, How::Text, slot, text),
        column::EVENT_NAME => pass.read(12, How::Text, slot, text),
        column::BODY => pass.read(5, How::Any, slot, Slot::MISSING),
        _ => return None,
    }
    Some(())
}

/// Adds a column of `Span` (trace.proto).
fn add_span(pass: &mut Pass, column: usize, key: Option<&[u8]>, slot: u32, slot_count: &mut usize) -> Option<()> {
    use spans::column;
    if column == column::ATTRIBUTES {
        add_bag(pass, 9, key, slot);
        return Some(());
    }
    if key.is_some() {
        return None;
    }
    let text = Slot::EMPTY_STRING;
    match column {
        column::TRACE_ID => pass.read(1, How::Id, slot, text),
        column::SPAN_ID => pass.read(2, How::Id, slot, text),
        column::PARENT_SPAN_ID => pass.read(4, How::Id, slot, text),
        column::TRACE_STATE => pass.read(3, How::Text, slot, text),
        column::SPAN_NAME => pass.read(5, How::Text, slot, text),
        column::SPAN_KIND => {
            pass.read(6, How::Word(WordList::SpanKind), slot, Slot::word(WordList::SpanKind, 0));
        }
        column::START_TIME => pass.read(7, How::Time, slot, Slot::MISSING),
        column::END_TIME => pass.read(8, How::Time, slot, Slot::MISSING),
        column::DURATION => {
            let start = source(pass, 7, How::Time, Slot::MISSING, slot_count)?;
            let end = source(pass, 8, How::Time, Slot::MISSING, slot_count)?;
            pass.derive(Derived::Between { start, end, to: slot });
        }
        column::STATUS_CODE => {
            let unset = Slot::word(WordList::StatusCode, 0);
            pass.set_default(slot, unset);
            pass.message(15).read(3, How::Word(WordList::StatusCode), slot, unset);
        }
        column::STATUS_MESSAGE => {
            pass.set_default(slot, text);
            pass.message(15).read(2, How::Text, slot, text);
        }
        column::EVENTS => pass.view_whole(slot, Tag::Events, 0),
        column::LINKS => pass.view_whole(slot, Tag::Links, 0),
        _ => return None,
    }
    Some(())
}

/// Adds a column of `resources`, whose record is the message around the resource.
fn add_resource_row(pass: &mut Pass, column: usize, key: Option<&[u8]>, slot: u32) -> Option<()> {
    match (column, key) {
        (resource_column::ATTRIBUTES, key) => {
            let default =
                if key.is_some() { Slot::MISSING } else { Slot::view(Tag::KeyValues, Buffer::Record, 1, 0, 0) };
            pass.set_default(slot, default);
            add_bag(pass.message(1), 1, key, slot);
        }
        (resource_column::SIGNAL, None) => pass.set_default(slot, Slot::word(WordList::Signal, 0)),
        (resource_column::SCHEMA_URL, None) => pass.read(3, How::Text, slot, Slot::EMPTY_STRING),
        _ => return None,
    }
    Some(())
}

/// Adds a column that all points of a metric share (metrics.proto, `Metric`).
fn add_head(pass: &mut Pass, column: usize, key: Option<&[u8]>, slot: u32, slot_count: &mut usize) -> Option<()> {
    use metrics::column;
    if key.is_some() {
        return None;
    }
    let text = Slot::EMPTY_STRING;
    match column {
        column::METRIC_NAME => pass.read(1, How::Text, slot, text),
        column::METRIC_DESCRIPTION => pass.read(2, How::Text, slot, text),
        column::METRIC_UNIT => pass.read(3, How::Text, slot, text),
        column::METRIC_TYPE => {
            let from = kind_source(pass, slot_count)?;
            pass.set_default(slot, Slot::MISSING);
            pass.derive(Derived::Copy { from, to: slot });
        }
        column::TEMPORALITY => {
            kind_source(pass, slot_count)?;
            let unspecified = Slot::word(WordList::Temporality, 0);
            pass.set_default(slot, unspecified);
            for kind in [Kind::Sum, Kind::Histogram, Kind::ExponentialHistogram] {
                let data = pass.nested_mut(kind as usize);
                data.read(2, How::Word(WordList::Temporality), slot, unspecified);
            }
        }
        column::IS_MONOTONIC => {
            kind_source(pass, slot_count)?;
            pass.set_default(slot, Slot::MISSING);
            pass.nested_mut(Kind::Sum as usize).read(3, How::Bool, slot, Slot::bool(false));
        }
        _ => return None,
    }
    Some(())
}

/// Returns the slot of the metric's kind; behind it each kind has a nested pass, in the order of `Kind::ALL`.
fn kind_source(pass: &mut Pass, slot_count: &mut usize) -> Option<u32> {
    if let Some(slot) = pass.slot_of(Kind::Gauge.field_number()) {
        return Some(slot);
    }
    let slot = u32::try_from(*slot_count).ok()?;
    *slot_count += 1;
    let members = Kind::ALL.map(|kind| (kind.field_number(), How::Data(kind, pass.add_nested())));
    pass.read_one_of(&members, slot, Slot::MISSING);
    Some(slot)
}

/// Adds a column of a data point (metrics.proto, `NumberDataPoint` and its siblings).
fn add_point(
    pass: &mut Pass,
    kind: Kind,
    column: usize,
    key: Option<&[u8]>,
    slot: u32,
    slot_count: &mut usize,
) -> Option<()> {
    use metrics::column;
    if column == column::ATTRIBUTES {
        add_bag(pass, kind.attributes_number(), key, slot);
        return Some(());
    }
    if key.is_some() {
        return None;
    }
    let is_number = matches!(kind, Kind::Gauge | Kind::Sum);
    pass.set_default(slot, Slot::MISSING);
    match column {
        column::TIMESTAMP => pass.read(3, How::Time, slot, Slot::MISSING),
        column::START_TIMESTAMP => pass.read(2, How::Time, slot, Slot::MISSING),
        column::METRIC_VALUE if is_number => {
            pass.read_one_of(&[(4, How::Real), (6, How::LongAsReal)], slot, Slot::MISSING);
            null_unless_recorded(pass, kind, slot, slot_count)?;
        }
        column::COUNT_ if !is_number => {
            pass.read(4, How::Count, slot, Slot::long(0));
            null_unless_recorded(pass, kind, slot, slot_count)?;
        }
        column::SUM if !is_number => {
            // The sum of a summary is not optional (metrics.proto), so a missing one is zero.
            let default = if kind == Kind::Summary { Slot::real(0.0) } else { Slot::MISSING };
            pass.read(5, How::Real, slot, default);
            null_unless_recorded(pass, kind, slot, slot_count)?;
        }
        column::BUCKETS if !is_number => pass.view_whole(slot, Tag::Buckets, kind.field_number() as u16),
        column::METRIC_VALUE | column::COUNT_ | column::SUM | column::BUCKETS => {}
        _ => return None,
    }
    Some(())
}

fn null_unless_recorded(pass: &mut Pass, kind: Kind, slot: u32, slot_count: &mut usize) -> Option<()> {
    let number = if matches!(kind, Kind::Histogram | Kind::ExponentialHistogram) { 10 } else { 8 };
    let flags = source(pass, number, How::PointFlags, Slot::long(0), slot_count)?;
    pass.derive(Derived::IfRecorded { flags, slot });
    Some(())
}
