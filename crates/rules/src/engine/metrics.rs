//! Rows of `to: metrics` rules to measurements or windows, and those to requests with data points.
//!
//! Aggregation itself is in `crate::state`. Points go through the rules after the one that made them.

use crate::compile::rule::{CompiledRule, Measure, WindowRule};
use crate::engine::DEFAULT_STATE_BYTES;
use crate::engine::frame::Frame;
use crate::engine::notice::{Excess, NoticeKind};
use crate::engine::state::{KEYS_MAX, bounds, key_shape};
use crate::file::rule::{MetricColumn, MetricKind, MetricsOutput, Temporality};
use crate::state::aggregate::spec::{DEFAULT_BOUNDS, DEFAULT_CARDINALITY_MAX};
use crate::state::aggregate::{
    AggregationKind, MetricSpec, Number, Refusal, ResourceAggregators, ResourceBounds, SpanContext,
};
use crate::state::clock::latest_ticks;
use crate::state::window::{ClosedWindow, WindowSpec, Windows};
use dtq_exec::{Feed, Group, Grouping};
use dtq_interp::{RowIdentity, Subqueries};
use dtq_record::otlp::Signal;
use dtq_record::otlp::encode::request::{Origin, RequestBuilder};
use dtq_record::otlp::encode::{append_metric, append_resource, append_scope};
use dtq_record::otlp::metric::{
    MetricKind as StreamKind, MetricPoint, MetricStream, PointValue, Temporality as StreamTemporality,
};
use dtq_record::stream::Row;
use dtq_source::Code;
use dtq_value::scalar::{Fault, format};
use dtq_value::{Bag, Str, Value};
use indexmap::IndexMap;
use std::sync::Arc;

/// The one attribute of the points that take what passes a cardinality limit.
///
/// # Source
/// OpenTelemetry metrics SDK, "Overflow attribute".
const OVERFLOW: &str = "otel.metric.overflow";
/// Windows that a rule may keep open.
const WINDOWS_MAX: usize = 1_000;
/// Resources whose metrics a rule keeps apart.
const RESOURCES_MAX: usize = 1_000;
/// Exemplars of a point.
const EXEMPLARS_MAX: usize = 1;

/// Metrics, each with the Resource that they belong to.
type Streams = Vec<(Arc<[u8]>, MetricStream)>;

/// Holds what a metrics rule remembers.
pub(crate) enum MetricState {
    /// Of measurements: one a metric.
    Measuring {
        aggregators: Vec<ResourceAggregators>,
        interval_ticks: i64,
        /// When points were made last.
        made_ticks: i64,
    },
    /// Of windows.
    Windowed(Box<Windows<Group>>),
}

impl MetricState {
    pub(crate) fn measuring(measure: &Measure, rule: &CompiledRule, now_ticks: i64) -> Self {
        let (specs, bounds) = measure_specs(measure, rule);
        let aggregators = specs.into_iter().map(|spec| {
            ResourceAggregators::new(spec, bounds, now_ticks).expect("the rule file was checked: bounds and scales")
        });
        MetricState::Measuring {
            aggregators: aggregators.collect(),
            interval_ticks: interval_of(&measure.output),
            made_ticks: now_ticks,
        }
    }

    pub(crate) fn windowed(window: &WindowRule, rule: &CompiledRule) -> Self {
        MetricState::Windowed(Box::new(Windows::new(window_spec(window, rule))))
    }

    /// Returns the state with the bounds and words of another of the same shape.
    pub(crate) fn with_spec_of(mut self, fresh: Option<MetricState>) -> Self {
        match (&mut self, fresh) {
            (MetricState::Windowed(windows), Some(MetricState::Windowed(fresh))) => {
                let moved = windows.set_spec(fresh.spec().clone());
                debug_assert!(moved.is_ok(), "only compatible windows move");
            }
            (
                MetricState::Measuring { aggregators, interval_ticks, .. },
                Some(MetricState::Measuring { aggregators: fresh, interval_ticks: interval, .. }),
            ) => {
                *interval_ticks = interval;
                for (aggregator, fresh) in aggregators.iter_mut().zip(fresh) {
                    let moved = aggregator.set_spec(fresh.spec().clone(), fresh.bounds());
                    debug_assert!(moved.is_ok(), "only compatible metrics move");
                }
            }
            _ => {}
        }
        self
    }

    /// Returns how many rows came after their window was closed.
    pub(crate) fn late(&self) -> u64 {
        match self {
            MetricState::Measuring { .. } => 0,
            MetricState::Windowed(windows) => windows.counts().late,
        }
    }

    /// Returns how many bytes it holds.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            MetricState::Measuring { aggregators, .. } => {
                aggregators.iter().map(|aggregator| aggregator.counts().bytes as u64).sum()
            }
            MetricState::Windowed(windows) => windows.counts().bytes as u64,
        }
    }
}

/// Returns what the metrics of measurements are, and how much their resources may hold.
pub(crate) fn measure_specs(measure: &Measure, rule: &CompiledRule) -> (Vec<MetricSpec>, ResourceBounds) {
    let bytes = rule.state_bytes_max.unwrap_or(DEFAULT_STATE_BYTES);
    let bytes_max = usize::try_from(bytes).unwrap_or(usize::MAX) / measure.output.columns.len().max(1);
    let columns = measure.output.columns.iter().zip(&measure.is_integer);
    let specs = columns.map(|(column, is_integer)| spec_of(column, *is_integer, bytes_max, rule));
    (specs.collect(), ResourceBounds { resources_max: RESOURCES_MAX, bytes_max })
}

fn interval_of(output: &MetricsOutput) -> i64 {
    output.interval_ticks.as_ref().map_or(MetricsOutput::INTERVAL_TICKS, |interval| interval.value)
}

/// Returns what the windows of a rule are.
pub(crate) fn window_spec(window: &WindowRule, rule: &CompiledRule) -> WindowSpec {
    let output = &window.measure.output;
    let bytes = rule.state_bytes_max.unwrap_or(DEFAULT_STATE_BYTES);
    let ticks = |said: &Option<crate::file::Spanned<i64>>, default: i64| said.as_ref().map_or(default, |it| it.value);
    WindowSpec {
        key: key_shape(rule),
        width_ticks: window.width_ticks,
        lateness_ticks: ticks(&output.lateness_ticks, MetricsOutput::LATENESS_TICKS),
        idle_ticks: ticks(&output.idle_ticks, MetricsOutput::IDLE_TICKS),
        windows_max: WINDOWS_MAX,
        cardinality_max: cardinality_max(rule),
        bytes_max: usize::try_from(bytes).unwrap_or(usize::MAX),
        overflow_key: overflow_key(),
    }
}

fn cardinality_max(rule: &CompiledRule) -> usize {
    rule.series_max.map_or(DEFAULT_CARDINALITY_MAX, |series| usize::try_from(series).unwrap_or(KEYS_MAX)).min(KEYS_MAX)
}

/// Returns a key that no row has: keys of rows are as wide as the columns by which a summarize groups, and none of their
/// values is a bag.
fn overflow_key() -> RowIdentity {
    RowIdentity(vec![Value::bag(Bag::from_iter([(Str::from(OVERFLOW), Value::Bool(true))]))])
}

/// Returns what a metric of measurements is.
pub(crate) fn spec_of(column: &MetricColumn, is_integer: bool, bytes_max: usize, rule: &CompiledRule) -> MetricSpec {
    let kind = match &column.kind.value {
        MetricKind::Gauge => AggregationKind::Gauge,
        MetricKind::Sum { .. } => AggregationKind::Sum,
        MetricKind::Histogram { bounds, .. } => {
            AggregationKind::Histogram { bounds: bounds.clone().unwrap_or_else(|| DEFAULT_BOUNDS.to_vec()) }
        }
        MetricKind::ExponentialHistogram { max_size, max_scale, .. } => {
            AggregationKind::ExponentialHistogram { max_size: *max_size as usize, max_scale: i32::from(*max_scale) }
        }
    };
    let temporality = match &column.kind.value {
        MetricKind::Gauge => Temporality::Delta,
        MetricKind::Sum { temporality, .. }
        | MetricKind::Histogram { temporality, .. }
        | MetricKind::ExponentialHistogram { temporality, .. } => *temporality,
    };
    MetricSpec {
        description: column.description.as_str().into(),
        unit: column.unit.as_str().into(),
        temporality: stream_temporality(temporality),
        is_monotonic: matches!(column.kind.value, MetricKind::Sum { is_monotonic: true, .. }),
        is_integer: is_integer && matches!(column.kind.value, MetricKind::Gauge | MetricKind::Sum { .. }),
        cardinality_max: cardinality_max(rule),
        bytes_max,
        exemplars_max: EXEMPLARS_MAX,
        ..MetricSpec::new(column.name.value.as_str(), kind)
    }
}

fn stream_temporality(temporality: Temporality) -> StreamTemporality {
    match temporality {
        Temporality::Delta => StreamTemporality::Delta,
        Temporality::Cumulative => StreamTemporality::Cumulative,
    }
}

impl Frame<'_> {
    /// Records the measurements of rows; null measures nothing.
    ///
    /// # Errors
    /// The first measurement that its metric refuses, when all others were recorded.
    pub(crate) fn measure(
        &mut self,
        position: usize,
        measure: &Measure,
        rows: Vec<Row>,
        time_ticks: i64,
    ) -> Result<(), Fault> {
        let columns = &self.set.rules[position].columns;
        let mut refused = None;
        for row in rows {
            let resource: Arc<[u8]> = Arc::from(resource_message(measure, columns, &row)?);
            let attributes = attributes(measure, columns, &row);
            let (trace_id, span_id) = (id_of(columns, &row, "TraceId"), id_of(columns, &row, "SpanId"));
            let context = (!trace_id.is_empty()).then_some(SpanContext { trace_id: &trace_id, span_id: &span_id });
            let Some(MetricState::Measuring { aggregators, .. }) = &mut self.state.metrics[measure.state] else {
                unreachable!("a rule of measurements has their state");
            };
            for (aggregator, at) in aggregators.iter_mut().zip(&measure.values) {
                let Some(number) = number_of(&row[*at]) else { continue };
                if let Err(refusal) = aggregator.record(&resource, &attributes, number, time_ticks, context) {
                    refused.get_or_insert_with(|| refused_fault(aggregator.spec(), &row[*at], refusal));
                }
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// Adds rows to the groups of their windows.
    pub(crate) fn add_to_window(
        &mut self,
        position: usize,
        window: &WindowRule,
        rows: Vec<Row>,
        time_ticks: i64,
    ) -> Result<(), Fault> {
        self.begin_grouping(position, window)?;
        for row in rows {
            let grouping = self.groupings.get_mut(&position).expect("just begun");
            let mut keys = grouping.keys_of(&row)?;
            let Value::DateTime(start) = keys.remove(window.window_key) else {
                return Err(Fault::new(Code::E3009, "a record without a time is in no window"));
            };
            let Some(MetricState::Windowed(windows)) = &mut self.state.metrics[window.measure.state] else {
                unreachable!("a rule of windows has their state");
            };
            let start = windows.begun(start, latest_ticks(self.arrival_ticks));
            let group_bytes = grouping.group_bytes();
            let entry = windows.entry(start, RowIdentity(keys), time_ticks, group_bytes, || grouping.start());
            // A late row is counted by the windows.
            let Ok(group) = entry else { continue };
            let grown_bytes = grouping.add(group, &row)?;
            if !windows.charge(start, grown_bytes) {
                let measured = windows.counts().bytes as u64;
                let limit = bounds(&self.set.rules[position]).bytes_max as u64;
                let excess = Excess { bound: "limits.state_bytes", limit, measured };
                self.disable(position, NoticeKind::DisabledState, excess, self.arrival_ticks);
                break;
            }
        }
        Ok(())
    }

    pub(crate) fn begin_grouping(&mut self, position: usize, window: &WindowRule) -> Result<(), Fault> {
        if !self.groupings.contains_key(&position) {
            let options = self.exec_options();
            let program = &self.set.rules[position].program;
            let grouping = Grouping::new(program, window.aggregate, self.tables, Subqueries::default(), options)?;
            self.groupings.insert(position, grouping);
        }
        Ok(())
    }

    /// Tells the windows of a rule about a record's time.
    pub(crate) fn advance_window(&mut self, state: usize, time_ticks: i64) {
        if let Some(MetricState::Windowed(windows)) = &mut self.state.metrics[state] {
            windows.advance(time_ticks);
        }
    }

    /// Makes the points that record time makes due: of windows that are over.
    pub(crate) fn make_points(&mut self) {
        (0..self.set.rules.len()).for_each(|position| self.make_points_of(position, None, false));
    }

    /// Makes the points of a rule that are due: of windows that are over, and of measurements whose interval has passed.
    ///
    /// `tick` is the wall time, where that is to count; `is_last` makes points of everything.
    pub(crate) fn make_points_of(&mut self, position: usize, tick: Option<i64>, is_last: bool) {
        let made = match &self.set.rules[position].action {
            crate::compile::rule::Action::Measure(measure) => self.collect(position, measure, tick, is_last),
            crate::compile::rule::Action::Window(window) => self.close_windows(position, window, tick, is_last),
            _ => Ok(()),
        };
        if let Err(fault) = made {
            self.note_error(position, &format!("cannot make points: {fault}"));
        }
    }

    fn collect(&mut self, position: usize, measure: &Measure, tick: Option<i64>, is_last: bool) -> Result<(), Fault> {
        let Some(MetricState::Measuring { aggregators, interval_ticks, made_ticks, .. }) =
            &mut self.state.metrics[measure.state]
        else {
            return Ok(());
        };
        let now = tick.unwrap_or(*made_ticks);
        // Wall clocks are set back at times; no points until it is as late again would be worse than an interval cut short.
        *made_ticks = (*made_ticks).min(now);
        if !is_last && now.saturating_sub(*made_ticks) < *interval_ticks {
            return Ok(());
        }
        *made_ticks = now;
        let mut streams = Vec::new();
        for aggregator in aggregators {
            streams.extend(aggregator.collect(now));
        }
        self.send_streams(position, &streams)
    }

    fn close_windows(
        &mut self,
        position: usize,
        window: &WindowRule,
        tick: Option<i64>,
        is_last: bool,
    ) -> Result<(), Fault> {
        let Some(MetricState::Windowed(windows)) = &mut self.state.metrics[window.measure.state] else {
            return Ok(());
        };
        if let Some(now) = tick {
            windows.tick(now);
        }
        let closed = if is_last { windows.shutdown() } else { windows.close() };
        if closed.is_empty() {
            return Ok(());
        }
        let mut streams = Vec::new();
        for one in closed {
            streams.extend(self.window_streams(position, window, one)?);
        }
        self.send_streams(position, &streams)
    }

    /// Returns the metrics of one window, by Resource.
    fn window_streams(
        &mut self,
        position: usize,
        window: &WindowRule,
        closed: ClosedWindow<Group>,
    ) -> Result<Streams, Fault> {
        let rule = &self.set.rules[position];
        let measure = &window.measure;
        let mut streams: IndexMap<(Arc<[u8]>, usize), MetricStream> = IndexMap::new();
        for (key, group) in closed.groups {
            let is_overflow = key == overflow_key();
            let mut row: Row = if is_overflow { vec![Value::Null; rule.key_count(window) - 1] } else { key.0 };
            row.insert(window.window_key, Value::DateTime(closed.start_ticks));
            group.finish(&mut row);
            for row in self.behind_summarize(position, window, row)? {
                let attributes = match is_overflow {
                    true => vec![(Str::from(OVERFLOW), Value::Bool(true))],
                    false => attributes(measure, &rule.columns, &row),
                };
                let resource: Arc<[u8]> = Arc::from(resource_message(measure, &rule.columns, &row)?);
                for (at, (column, value)) in measure.output.columns.iter().zip(&measure.values).enumerate() {
                    let Some(number) = number_of(&row[*value]) else { continue };
                    let stream = streams.entry((Arc::clone(&resource), at)).or_insert_with(|| stream_of(column));
                    stream.points.push(MetricPoint {
                        attributes: attributes.clone(),
                        start_ticks: Some(closed.start_ticks),
                        time_ticks: closed.end_ticks,
                        value: match number {
                            Number::Long(number) => PointValue::Long(number),
                            Number::Real(number) => PointValue::Real(number),
                        },
                        exemplars: Vec::new(),
                    });
                }
            }
        }
        Ok(streams.into_iter().map(|((resource, _), stream)| (resource, stream)).collect())
    }

    /// Returns what the operators behind the summarize make of a row of it.
    fn behind_summarize(&mut self, position: usize, window: &WindowRule, row: Row) -> Result<Vec<Row>, Fault> {
        let rule = &self.set.rules[position];
        if rule.top == window.aggregate {
            return Ok(vec![row]);
        }
        let options = self.exec_options();
        let mut feed =
            Feed::new(&rule.program, (window.aggregate, rule.top), self.tables, Subqueries::default(), options)?;
        feed.swap_subqueries(&mut self.state.subqueries[position]);
        let rows = feed.push(row);
        feed.swap_subqueries(&mut self.state.subqueries[position]);
        rows
    }

    /// Sends metrics through the rules after the one that made them.
    fn send_streams(&mut self, position: usize, streams: &[(Arc<[u8]>, MetricStream)]) -> Result<(), Fault> {
        let refuse = |error: dtq_record::otlp::encode::EncodeError| Fault::new(Code::E3009, error.to_string());
        let mut scope = Vec::new();
        let name = Value::bag(Bag::from_iter([(Str::from("Name"), Value::string("dtq"))]));
        append_scope(&mut scope, &name).map_err(refuse)?;
        let mut builder = RequestBuilder::new(Signal::Metrics);
        let mut points = 0;
        for (resource, stream) in streams.iter().filter(|(_, stream)| !stream.points.is_empty()) {
            let mut metric = Vec::new();
            append_metric(&mut metric, stream).map_err(refuse)?;
            builder.push(&Origin { resource, scope: &scope, ..Origin::default() }, &metric);
            points += stream.points.len() as u64;
        }
        if points == 0 {
            return Ok(());
        }
        self.state.accounts[position].created += points;
        self.state.totals.created += points;
        self.run_made(Signal::Metrics, &builder.take(), position + 1)
    }
}

fn stream_of(column: &MetricColumn) -> MetricStream {
    let (kind, is_monotonic) = match column.kind.value {
        MetricKind::Sum { is_monotonic, .. } => (StreamKind::Sum, is_monotonic),
        _ => (StreamKind::Gauge, false),
    };
    MetricStream {
        name: column.name.value.as_str().into(),
        description: column.description.as_str().into(),
        unit: column.unit.as_str().into(),
        kind,
        temporality: StreamTemporality::Delta,
        is_monotonic,
        points: Vec::new(),
    }
}

fn refused_fault(spec: &MetricSpec, value: &Value, refusal: Refusal) -> Fault {
    let why = match refusal {
        Refusal::NotFinite => "it is no finite number",
        Refusal::Negative => "it is negative, and the metric only grows",
        Refusal::NotInteger => "it is no integer",
    };
    let value = format::text(value);
    let message = format!("the metric `{}` cannot take {}: {why}", spec.name, String::from_utf8_lossy(&value));
    Fault::new(Code::E3009, message)
}

fn number_of(value: &Value) -> Option<Number> {
    match value {
        Value::Int(number) => Some(Number::Long(i64::from(*number))),
        Value::Long(number) => Some(Number::Long(*number)),
        Value::Real(number) => Some(Number::Real(*number)),
        Value::Decimal(_) => match dtq_value::scalar::convert::real(value) {
            Value::Real(number) => Some(Number::Real(number)),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the attributes of a row's measurement; null is none.
fn attributes(measure: &Measure, columns: &[dtq_record::stream::Column], row: &Row) -> Vec<(Str, Value)> {
    let present = measure.attributes.iter().filter(|at| !row[**at].is_null());
    present.map(|at| (Str::from(columns[*at].name.as_str()), plain(&row[*at]))).collect()
}

/// Returns a value as an attribute can have it: what OTLP has no type for as its text.
fn plain(value: &Value) -> Value {
    match value {
        Value::DateTime(_) | Value::TimeSpan(_) | Value::Guid(_) | Value::Decimal(_) => {
            Value::string(&*format::text(value))
        }
        value => value.clone(),
    }
}

/// Returns the Resource message of a row's measurement.
fn resource_message(measure: &Measure, columns: &[dtq_record::stream::Column], row: &Row) -> Result<Vec<u8>, Fault> {
    let mut message = Vec::new();
    let present = measure.resource.iter().filter(|at| !row[**at].is_null());
    let bag: Bag = present.map(|at| (Str::from(columns[*at].name.as_str()), plain(&row[*at]))).collect();
    append_resource(&mut message, &Value::bag(bag)).map_err(|error| Fault::new(Code::E3009, error.to_string()))?;
    Ok(message)
}

/// Returns the bytes of an id that a column holds as hex; none where there is no such column.
fn id_of(columns: &[dtq_record::stream::Column], row: &Row, name: &str) -> Vec<u8> {
    let Some(at) = columns.iter().position(|column| column.name == name) else { return Vec::new() };
    let Value::String(text) = &row[at] else { return Vec::new() };
    let digits = text.as_bytes().as_chunks::<2>().0;
    let byte = |pair: &[u8; 2]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    digits.iter().map(byte).collect::<Option<_>>().unwrap_or_default()
}
