//! OTLP requests to rows: walks resources, scopes, records and points, and materialises the columns that are read.
//!
//! Framing is checked down to each record; inside a record only what is needed. A malformed record is skipped and
//! counted with its offset; a malformed container costs what is left of that container.

use super::Signal;
use super::any::{bag_inside, scope_of, text};
use super::detect::cut_content;
use super::frames::{Frame, Framing, read_frame};
use super::logs::{self, LogView};
use super::metrics::{self, Kind, MetricHead, PointView};
use super::needs::Needs;
use super::spans::{self, SpanView};
use crate::input::bytes::Window;
use crate::input::report::{Place, Tracker};
use crate::stream::{Inside, Projection, Row};
use crate::wire::{Fields, WireError};
use dtq_source::Limits;
use dtq_value::{Bag, Value};
use std::io;
use std::ops::Range;

/// Rows given at a time.
const BATCH_ROWS: usize = 1024;
/// Records and containers walked over at a time, however few rows they give.
const BATCH_STEPS: usize = 64 << 10;

/// Names a standard table that requests fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The signal's own table.
    Records,
    /// `resources`.
    Resources,
}

/// The columns of `resources` in the order of `tables/resources.json`.
pub(crate) mod resource_column {
    pub const SIGNAL: usize = 0;
    pub const ATTRIBUTES: usize = 1;
    pub const SCHEMA_URL: usize = 2;
    pub const COUNT: usize = 3;
}

/// Gives requests, whatever they are read from.
pub(crate) trait RequestSource {
    /// Reads the next request into `frame`; says whether there was one.
    fn next(&mut self, frame: &mut Frame, tracker: &Tracker<'_>) -> io::Result<bool>;
}

/// Gives the requests of a protobuf file.
pub(crate) struct ProtobufSource<'i> {
    /// The input.
    pub window: Window<'i>,
    /// How requests follow each other.
    pub framing: Framing,
    /// The bounds.
    pub limits: Limits,
}

impl RequestSource for ProtobufSource<'_> {
    fn next(&mut self, frame: &mut Frame, tracker: &Tracker<'_>) -> io::Result<bool> {
        let before = self.window.offset;
        let is_read = read_frame(&mut self.window, self.framing, &self.limits, tracker, frame)?;
        tracker.count(0, self.window.offset - before);
        if let Some(defect) = self.window.defect.take() {
            tracker.skip(Place::Byte(self.window.offset), defect);
        }
        Ok(is_read)
    }
}

/// Reads rows of one standard table from requests.
pub(crate) struct OtlpRows<'i> {
    source: Box<dyn RequestSource + 'i>,
    signal: Signal,
    target: Target,
    width: usize,
    /// Columns that are read, without Attributes, Resource and Scope.
    columns: Vec<usize>,
    attributes_column: Option<usize>,
    resource_column: Option<usize>,
    scope_column: Option<usize>,
    /// What the projection asks for inside of Attributes and of Resource; in use from [`OtlpRows::narrow`] on.
    narrow: (Inside, Inside),
    /// What is read inside of them.
    attributes_inside: Inside,
    resource_inside: Inside,
    /// What a record needs so that it matters, and whether those that lack it may be passed over.
    needs: Needs,
    may_pass_over: bool,
    passed_over: u64,
    nesting_max: usize,
    tracker: Tracker<'i>,
    frame: Frame,
    /// What is left to walk on each level, as ranges of the frame.
    resources: Range<usize>,
    scopes: Range<usize>,
    records: Range<usize>,
    points: Range<usize>,
    resource: Value,
    scope: Value,
    metric: MetricHead,
    kind: Kind,
}

impl<'i> OtlpRows<'i> {
    /// Returns a reader of the columns that a projection reads; it reads them whole until [`OtlpRows::narrow`].
    pub fn new(
        source: Box<dyn RequestSource + 'i>,
        signal: Signal,
        target: Target,
        projection: &Projection,
        limits: &Limits,
        tracker: Tracker<'i>,
    ) -> Self {
        let (width, [attributes, resource, scope]) = shared_columns(target, signal);
        let is_read = |column: usize| projection.is_read.get(column).copied().unwrap_or(false);
        let is_other = |column: &usize| ![attributes, resource, scope].contains(column);
        // What a record of another target needs is not what these conditions are about.
        let is_of_records = target == Target::Records;
        Self {
            source,
            signal,
            target,
            width,
            columns: (0..width).filter(|column| is_read(*column) && is_other(column)).collect(),
            attributes_column: Some(attributes).filter(|column| is_read(*column)),
            resource_column: Some(resource).filter(|column| is_read(*column)),
            scope_column: Some(scope).filter(|column| is_read(*column)),
            narrow: (projection.inside(attributes).clone(), projection.inside(resource).clone()),
            attributes_inside: Inside::Whole,
            resource_inside: Inside::Whole,
            needs: if is_of_records { Needs::new(projection) } else { Needs::default() },
            may_pass_over: false,
            passed_over: 0,
            nesting_max: limits.value_nesting_max,
            tracker,
            frame: Frame::default(),
            resources: 0..0,
            scopes: 0..0,
            records: 0..0,
            points: 0..0,
            resource: Value::Null,
            scope: Value::Null,
            metric: MetricHead::default(),
            kind: Kind::Gauge,
        }
    }

    /// Begins to leave out what the projection does not ask for, and, if `may_pass_over`, records that it does not need.
    pub fn narrow(&mut self, may_pass_over: bool) {
        (self.attributes_inside, self.resource_inside) = self.narrow.clone();
        self.may_pass_over = may_pass_over;
    }

    /// Returns how many records were passed over since this was last asked.
    pub fn take_passed_over(&mut self) -> u64 {
        std::mem::take(&mut self.passed_over)
    }

    /// Appends rows to `batch`; says whether more may follow.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub fn read(&mut self, batch: &mut Vec<Row>) -> io::Result<bool> {
        let (before, passed_over_before) = (batch.len(), self.passed_over);
        let (mut has_more, mut step_count) = (true, 0);
        while has_more && batch.len() - before < BATCH_ROWS && step_count < BATCH_STEPS {
            has_more = self.step(batch)?;
            step_count += 1;
        }
        self.tracker.count((batch.len() - before) as u64, 0);
        self.tracker.count_passed_over(self.passed_over - passed_over_before);
        Ok(has_more)
    }

    /// Does one step: a point, a record, or the way to the next container. Says whether there is more.
    fn step(&mut self, batch: &mut Vec<Row>) -> io::Result<bool> {
        let taken = if let Some(child) = self.child(Level::Point) {
            child.and_then(|point| self.push_point(point, batch))
        } else if let Some(child) = self.child(Level::Record) {
            child.and_then(|record| self.enter_record(record, batch))
        } else if let Some(child) = self.child(Level::Scope) {
            child.and_then(|scope| self.enter_scope(scope))
        } else if let Some(child) = self.child(Level::Resource) {
            child.and_then(|resource| self.enter_resource(resource, batch))
        } else {
            let is_read = self.source.next(&mut self.frame, &self.tracker)?;
            self.resources = 0..if is_read { self.frame.bytes.len() } else { 0 };
            (self.scopes, self.records, self.points) = (0..0, 0..0, 0..0);
            return Ok(is_read);
        };
        if let Err(error) = taken {
            self.skip(error);
        }
        Ok(true)
    }

    fn skip(&mut self, error: WireError) {
        // What lies at the end of a cut frame was counted with the frame.
        if !self.frame.is_cut {
            self.tracker.skip(Place::Byte(self.frame.offset + error.offset as u64), error.reason);
        }
    }

    /// Takes the next message of a level.
    fn child(&mut self, level: Level) -> Option<Result<Range<usize>, WireError>> {
        let (range, number, is_leaf) = match level {
            Level::Resource => (&mut self.resources, 1, false),
            Level::Scope => (&mut self.scopes, 2, false),
            Level::Record => (&mut self.records, 2, self.signal != Signal::Metrics),
            Level::Point => (&mut self.points, 1, true),
        };
        next_child(&self.frame.bytes, range, number, self.frame.is_cut && !is_leaf)
    }

    fn enter_resource(&mut self, range: Range<usize>, batch: &mut Vec<Row>) -> Result<(), WireError> {
        let bytes = &self.frame.bytes[range.clone()];
        let (mut resource, mut schema_url) = (None, None);
        if self.resource_column.is_some() || self.target == Target::Resources {
            for field in Fields::at(bytes, range.start) {
                let field = match field {
                    Err(_) if self.frame.is_cut => break,
                    field => field?,
                };
                match field.number {
                    1 => drop(resource.get_or_insert(field.message()?)),
                    3 => drop(schema_url.get_or_insert(field.bytes()?)),
                    _ => {}
                }
            }
        }
        let attributes = match resource {
            Some(fields) => Value::bag(bag_inside(fields, 1, &self.resource_inside, self.nesting_max)?),
            None => Value::bag(Bag::new()),
        };
        if self.target == Target::Resources {
            batch.push(self.resource_row(attributes, schema_url));
        } else {
            self.resource = attributes;
            self.scopes = range;
        }
        Ok(())
    }

    fn resource_row(&self, attributes: Value, schema_url: Option<&[u8]>) -> Row {
        let mut row = vec![Value::Null; self.width];
        row[resource_column::SIGNAL] = Value::string(self.frame.signal.unwrap_or(self.signal).table());
        row[resource_column::ATTRIBUTES] = attributes;
        row[resource_column::SCHEMA_URL] = text(schema_url);
        row
    }

    fn enter_scope(&mut self, range: Range<usize>) -> Result<(), WireError> {
        if self.scope_column.is_some() {
            let mut scope = None;
            for field in Fields::at(&self.frame.bytes[range.clone()], range.start) {
                let field = match field {
                    Err(_) if self.frame.is_cut => break,
                    field => field?,
                };
                if field.number == 1 {
                    let bytes = field.bytes()?;
                    scope.get_or_insert((bytes, field.end - bytes.len()));
                }
            }
            let base = scope.map_or(range.start, |(_, base)| base);
            self.scope = scope_of(scope.map(|(bytes, _)| bytes), base, self.nesting_max)?;
        }
        self.records = range;
        Ok(())
    }

    fn enter_record(&mut self, range: Range<usize>, batch: &mut Vec<Row>) -> Result<(), WireError> {
        let record = &self.frame.bytes[range.clone()];
        match self.signal {
            Signal::Logs => {
                let view = LogView::parse(record, range.start)?;
                if self.may_pass_over && self.needs.are_lacked_by(&view) {
                    self.passed_over += 1;
                    return Ok(());
                }
                let attributes = || view.attributes(&self.attributes_inside, self.nesting_max);
                batch.push(self.row(|column| view.value(column, self.nesting_max), attributes)?);
            }
            Signal::Spans => {
                let view = SpanView::parse(record, range.start)?;
                if self.may_pass_over && self.needs.are_lacked_by(&view) {
                    self.passed_over += 1;
                    return Ok(());
                }
                let attributes = || view.attributes(&self.attributes_inside, self.nesting_max);
                batch.push(self.row(|column| view.value(column, self.nesting_max), attributes)?);
            }
            Signal::Metrics => {
                let mut head = MetricHead::parse(record, range.start, self.frame.is_cut)?;
                if let Some((kind, start, end)) = head.data {
                    let data = Fields::at(&self.frame.bytes[start..end], start);
                    head.read_data_fields(kind, data, self.frame.is_cut)?;
                    (self.kind, self.points) = (kind, start..end);
                }
                self.metric = head;
            }
        }
        Ok(())
    }

    fn push_point(&mut self, range: Range<usize>, batch: &mut Vec<Row>) -> Result<(), WireError> {
        let view = PointView::parse(self.kind, &self.frame.bytes[range.clone()], range.start)?;
        let attributes = || view.attributes(&self.attributes_inside, self.nesting_max);
        batch.push(self.row(|column| view.value(&self.metric, column, self.nesting_max), attributes)?);
        Ok(())
    }

    /// Returns a row with the columns that are read.
    fn row(
        &self,
        value: impl Fn(usize) -> Result<Value, WireError>,
        attributes: impl Fn() -> Result<Value, WireError>,
    ) -> Result<Row, WireError> {
        let mut row = vec![Value::Null; self.width];
        for column in &self.columns {
            row[*column] = value(*column)?;
        }
        if let Some(column) = self.attributes_column {
            row[column] = attributes()?;
        }
        if let Some(column) = self.resource_column {
            row[column] = self.resource.clone();
        }
        if let Some(column) = self.scope_column {
            row[column] = self.scope.clone();
        }
        Ok(row)
    }
}

/// Returns how many columns a table has, and which of them are Attributes, Resource and Scope; `usize::MAX` is none.
fn shared_columns(target: Target, signal: Signal) -> (usize, [usize; 3]) {
    match (target, signal) {
        (Target::Resources, _) => (resource_column::COUNT, [usize::MAX; 3]),
        (_, Signal::Logs) => {
            (logs::column::COUNT, [logs::column::ATTRIBUTES, logs::column::RESOURCE, logs::column::SCOPE])
        }
        (_, Signal::Metrics) => {
            (metrics::column::COUNT, [metrics::column::ATTRIBUTES, metrics::column::RESOURCE, metrics::column::SCOPE])
        }
        (_, Signal::Spans) => {
            (spans::column::COUNT, [spans::column::ATTRIBUTES, spans::column::RESOURCE, spans::column::SCOPE])
        }
    }
}

/// Names a level of a request.
#[derive(Clone, Copy)]
enum Level {
    Resource,
    Scope,
    Record,
    Point,
}

/// Takes the next message in field `number` off a range; after an error nothing is left of it.
///
/// With `may_be_cut`, a message that reaches beyond the range is given as far as it is there.
fn next_child(
    bytes: &[u8],
    range: &mut Range<usize>,
    number: u32,
    may_be_cut: bool,
) -> Option<Result<Range<usize>, WireError>> {
    for field in Fields::at(&bytes[range.clone()], range.start) {
        match field {
            Ok(field) if field.number == number => {
                range.start = field.end;
                return Some(field.bytes().map(|content| field.end - content.len()..field.end));
            }
            Ok(_) => {}
            Err(error) => {
                let tail = &bytes[error.offset..range.end];
                let end = std::mem::replace(range, range.end..range.end).end;
                let cut = if may_be_cut { cut_content(tail, number) } else { None };
                return Some(cut.map(|content| end - content.len()..end).ok_or(error));
            }
        }
    }
    *range = range.end..range.end;
    None
}
