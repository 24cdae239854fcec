//! Rule sets by the book: each record a row, each rule a query over that row, run by the engine of queries.

use crate::rows::{bag, dynamic, log_row, metric_rows, span_row};
use crate::write;
use dtq_engine::{Options, Query, compile};
use dtq_record::stream::{Catalog, Projection, Row, RowStream, StreamError, TableSchema};
use dtq_record::tables::derive::Write;
use dtq_record::tables::{self, Table};
use dtq_value::Value;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;

/// What a generated rule is.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The table that its query reads.
    pub table: &'static str,
    /// The query.
    pub query: String,
    /// `to: drop`, or else `to: replace`.
    pub is_drop: bool,
    /// `mode: observe`.
    pub is_observed: bool,
    /// `phase: reduce`, or else `redact`.
    pub is_late: bool,
    /// `on_error: drop`.
    pub is_protective: bool,
}

/// A record of any signal; a metric has one point.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    Log(LogRecord),
    Span(Span),
    Metric(Metric),
}

/// What rules did, as an account says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub seen: u64,
    pub matched: u64,
    pub dropped: u64,
    pub edited: u64,
    pub errors: u64,
}

/// A table with one row.
struct OneRow<'a> {
    table: &'static Table,
    row: &'a Row,
}

struct Once<'a>(Option<&'a Row>);

impl RowStream for Once<'_> {
    fn read(&mut self, batch: &mut Vec<Row>) -> Result<bool, StreamError> {
        batch.extend(self.0.take().cloned());
        Ok(false)
    }
}

impl Catalog for OneRow<'_> {
    fn schema(&self, table: &str) -> Option<TableSchema> {
        (table == self.table.name).then(|| TableSchema { name: table.to_owned(), columns: self.table.columns.clone() })
    }

    fn table_names(&self) -> Vec<String> {
        vec![self.table.name.clone()]
    }

    fn scan(&self, _: &str, _: &Projection) -> Result<Box<dyn RowStream + '_>, StreamError> {
        Ok(Box::new(Once(Some(self.row))))
    }
}

/// How the edits of several rules come into a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Each rule's where it runs: the book.
    OneByOne,
    /// All at the end, onto the record as it came, of which a part stays that reads as it is to read: what decision 0009
    /// leaves to the engine. Resources are written one by one nevertheless.
    Composed,
}

/// What a rule makes of a row.
enum Verdict {
    /// The record is no row of its table.
    Foreign,
    Rows(Vec<Row>),
    Failed,
}

/// A rule whose query is compiled.
pub struct Judge {
    pub rule: Rule,
    query: Query,
    table: &'static Table,
}

impl Judge {
    pub fn new(rule: &Rule) -> Self {
        let table = tables::standard(rule.table).or_else(|| tables::alias(rule.table)).unwrap();
        let catalog = OneRow { table, row: &Vec::new() };
        let (query, found) = compile(&rule.query, &catalog, &options());
        let query = query.unwrap_or_else(|| panic!("{found:?}"));
        Self { rule: rule.clone(), query, table }
    }

    fn rows(&self, standard_row: &Row) -> Verdict {
        if !self.table.holds_record(standard_row) {
            return Verdict::Foreign;
        }
        let row: Row = (0..self.table.columns.len()).map(|at| self.table.value_of(at, standard_row)).collect();
        let catalog = OneRow { table: self.table, row: &row };
        let options = options();
        let Ok(mut run) = self.query.run(&catalog, &options) else { return Verdict::Failed };
        let mut rows = Vec::new();
        loop {
            match run.next_batch(0) {
                Ok(Some(batch)) => rows.extend(batch),
                Ok(None) => return Verdict::Rows(rows),
                Err(_) => return Verdict::Failed,
            }
        }
    }

    /// Returns what the columns of the standard table become, those that change.
    fn writes(&self, standard_row: &Row, out: &Row) -> Option<Vec<Write>> {
        let columns = self.query.columns();
        let mut writes = Vec::new();
        for (at, column) in self.table.columns.iter().enumerate() {
            let given = columns.iter().position(|one| one.name == column.name);
            let new = given.map_or_else(|| Value::missing(column.ty), |given| out[given].clone());
            if self.table.value_of(at, standard_row) == new {
                continue;
            }
            let Some(found) = self.table.write(at, &new, standard_row) else {
                // What is not returned and cannot be written stays.
                if given.is_some() && self.table.is_writable[at] {
                    return None;
                } else {
                    continue;
                };
            };
            writes.extend(found.into_iter().filter(|write| match write {
                Write::Column(column, value) => standard_row[*column] != *value,
                Write::Key(..) => true,
            }));
        }
        Some(writes)
    }
}

fn options() -> Options<'static> {
    Options { now_ticks: crate::NOW, ..Options::default() }
}

impl Record {
    fn row(&self, resource: &Option<Resource>, scope: &Option<InstrumentationScope>) -> Row {
        match self {
            Record::Log(record) => log_row(record, resource, scope),
            Record::Span(span) => span_row(span, resource, scope),
            Record::Metric(metric) => metric_rows(metric, resource, scope).remove(0),
        }
    }

    fn base(&self) -> &'static str {
        match self {
            Record::Log(_) => "logs",
            Record::Span(_) => "spans",
            Record::Metric(_) => "metrics",
        }
    }

    /// Applies all writes of a rule, or none.
    fn apply(&self, row: &Row, writes: Vec<Write>) -> Result<Self, write::Refused> {
        let mut new = self.clone();
        let table = tables::standard(self.base()).unwrap();
        let mut row = row.clone();
        for one in writes {
            let (column, value) = match one {
                Write::Column(column, value) => (column, value),
                Write::Key(column, key, value) => {
                    let mut bag = match &row[column] {
                        Value::Bag(bag) => dtq_value::Bag::clone(bag),
                        _ => dtq_value::Bag::new(),
                    };
                    match value {
                        Some(value) => bag.set(key, value),
                        None => drop(bag.remove(key.as_bytes())),
                    }
                    (column, Value::bag(bag))
                }
            };
            let name = table.columns[column].name.as_str();
            let is_written = match &mut new {
                Record::Log(record) => write::log(record, name, &value),
                Record::Span(span) => write::span(span, name, &value),
                Record::Metric(metric) => write::metric(metric, name, &value),
            };
            is_written?;
            row[column] = value;
        }
        Ok(new)
    }

    /// Returns the record as edits write it that are composed before: what `self` reads as, written onto `original`.
    fn composed(self, original: &Record) -> Self {
        let attributes = |old: &[KeyValue], new: &[KeyValue]| {
            let Value::Bag(read) = bag(new) else { unreachable!("attributes are a bag") };
            write::attributes(old, &read)
        };
        match (self, original) {
            (Record::Log(mut log), Record::Log(old)) => {
                log.attributes = attributes(&old.attributes, &log.attributes);
                log.body = log.body.map(|body| write::any(old.body.as_ref(), &dynamic(&body)));
                Record::Log(log)
            }
            (Record::Span(mut span), Record::Span(old)) => {
                span.attributes = attributes(&old.attributes, &span.attributes);
                Record::Span(span)
            }
            (Record::Metric(mut metric), Record::Metric(old)) => {
                if let (Some(new), Some(old)) =
                    (write::point_attributes(&mut metric), write::point_attributes(&mut old.clone()))
                {
                    *new = attributes(old, new);
                }
                Record::Metric(metric)
            }
            _ => unreachable!("rules keep the signal"),
        }
    }
}

/// Runs a resource alone through the rules over `resources`: the versions, by the rule that sees each, and what drops it.
pub fn resource_versions(
    judges: &[Judge],
    signal: &str,
    resource: &Option<Resource>,
    schema_url: &str,
) -> (Vec<Option<Resource>>, Option<usize>) {
    let mut versions = Vec::new();
    let mut current = resource.clone();
    for (position, judge) in judges.iter().enumerate() {
        versions.push(current.clone());
        if judge.rule.table != "resources" {
            continue;
        }
        let attributes = current.as_ref().map_or(&[][..], |resource| &resource.attributes);
        let row = vec![Value::string(signal), bag(attributes), Value::string(schema_url)];
        let Verdict::Rows(rows) = judge.rows(&row) else { continue };
        if judge.rule.is_observed {
            continue;
        }
        if judge.rule.is_drop != rows.is_empty() {
            return (versions, Some(position));
        }
        if judge.rule.is_drop {
            continue;
        }
        for write in judge.writes(&row, &rows[0]).unwrap_or_default() {
            if let Write::Column(1, value) = write {
                let new = if let Value::Bag(bag) = &value { dtq_value::Bag::clone(bag) } else { Default::default() };
                let mut resource = current.take().unwrap_or_default();
                resource.attributes = write::attributes(&resource.attributes, &new);
                current = Some(resource);
            }
        }
    }
    versions.push(current);
    (versions, None)
}

/// Runs a record through the rules.
pub fn judge(
    judges: &[Judge],
    record: &Record,
    versions: &[Option<Resource>],
    dropped_by: Option<usize>,
    scope: &Option<InstrumentationScope>,
    counts: &mut [Counts],
    written: Written,
) -> Option<Record> {
    let original = record;
    let mut record = record.clone();
    let mut editors = Vec::new();
    for (position, judge) in judges.iter().enumerate() {
        if dropped_by == Some(position) {
            counts[position].dropped += 1;
            return None;
        }
        let is_over = judge.rule.table == "resources";
        let table = tables::standard(judge.rule.table).or_else(|| tables::alias(judge.rule.table)).unwrap();
        if is_over || table.record_base().unwrap().name() != record.base() {
            continue;
        }
        counts[position].seen += 1;
        let row = record.row(&versions[position], scope);
        let failed = match judge.rows(&row) {
            Verdict::Foreign => continue,
            Verdict::Failed => true,
            Verdict::Rows(rows) => {
                counts[position].matched += u64::from(!rows.is_empty());
                if judge.rule.is_observed {
                    continue;
                }
                if judge.rule.is_drop != rows.is_empty() {
                    counts[position].dropped += 1;
                    return None;
                }
                match rows.first().filter(|_| !judge.rule.is_drop).map(|out| judge.writes(&row, out)) {
                    None => false,
                    Some(None) => true,
                    Some(Some(writes)) if writes.is_empty() => false,
                    Some(Some(writes)) => match record.apply(&row, writes) {
                        Ok(new) => {
                            // An assignment of an equal value is no edit.
                            if new.row(&versions[position], scope) != row {
                                editors.push(position);
                            }
                            record = new;
                            false
                        }
                        Err(_) => true,
                    },
                }
            }
        };
        if failed {
            counts[position].errors += 1;
            if judge.rule.is_protective && !judge.rule.is_observed {
                counts[position].dropped += 1;
                return None;
            }
        }
    }
    editors.iter().for_each(|position| counts[*position].edited += 1);
    Some(if written == Written::Composed { record.composed(original) } else { record })
}
