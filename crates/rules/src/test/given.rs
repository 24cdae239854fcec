//! What a test gives to requests: a row or a record of a file becomes a request of its own, so that order is kept.

use crate::file::rule::{Given, Spanned, TestRow};
use crate::test::report::Mismatch;
use dtq_record::otlp::encode::append_resource;
use dtq_record::otlp::encode::request::{Origin, RequestBuilder};
use dtq_record::otlp::{Signal, metrics};
use dtq_record::stream::{Catalog, Projection, Row};
use dtq_record::tables::derive::{Derivation, Write};
use dtq_record::tables::{self, Base, Table};
use dtq_record::{Input, Inputs};
use dtq_source::Limits;
use dtq_value::scalar::time;
use dtq_value::{Bag, Type, Value};
use std::sync::Arc;

/// A request and its signal.
pub(crate) type Request = (Signal, Vec<u8>);

/// A metric with one point, both empty: what stands below a resource of metrics.
const EMPTY_METRIC: &[u8] = &[0x2A, 0x02, 0x0A, 0x00];

/// Returns the requests of what a test gives; `table` is that of the rule's query.
pub(crate) fn requests(given: &Given, table: &'static Table, limits: &Limits) -> Result<Vec<Request>, Mismatch> {
    match given {
        Given::Nothing => Ok(Vec::new()),
        Given::Rows { table: named, rows } => {
            let table = match named {
                Some(name) => table_of(name)?,
                None => table,
            };
            rows.iter().map(|row| request_of(row, table)).collect()
        }
        Given::File { path, content } => of_file(path, content, limits),
    }
}

fn table_of(name: &Spanned<String>) -> Result<&'static Table, Mismatch> {
    tables::standard(&name.value).or_else(|| tables::alias(&name.value)).ok_or_else(|| {
        Mismatch::failed(name.span, "given", format!("there is no table `{}`; `dtq tables` lists them", name.value))
    })
}

fn request_of(row: &TestRow, table: &'static Table) -> Result<Request, Mismatch> {
    let Some(base) = table.record_base() else {
        let why =
            format!("a row of `{}` is no record; name another table: `given: {{table: ..., rows: [...]}}`", table.name);
        return Err(Mismatch::failed(row.span, "given", why));
    };
    let record = record_of(row, table, base)?;
    match base.signal() {
        Some(signal) => of_row(signal, &record).map_err(|why| Mismatch::failed(row.span, "given", why)),
        None => of_resource(&record).map_err(|why| Mismatch::failed(row.span, "given", why)),
    }
}

fn of_row(signal: Signal, record: &Row) -> Result<Request, String> {
    let mut builder = RequestBuilder::new(signal);
    builder.push_row(record).map_err(|error| error.to_string())?;
    Ok((signal, builder.take()))
}

/// Returns a request with one record that is empty but for its Resource.
fn of_resource(row: &Row) -> Result<Request, String> {
    let columns = &tables::standard(Base::Resources.name()).expect("every base is a standard table").columns;
    let cell = |name: &str| columns.iter().position(|column| column.name == name).and_then(|at| row.get(at));
    let text = |name: &str| match cell(name) {
        Some(Value::String(text)) => text.to_string(),
        _ => String::new(),
    };
    let signal = match text("Signal").as_str() {
        "" | "logs" => Signal::Logs,
        "spans" => Signal::Spans,
        "metrics" => Signal::Metrics,
        other => return Err(format!("`{other}` is no Signal; write logs, metrics or spans")),
    };
    let (mut resource, schema) = (Vec::new(), text("SchemaUrl"));
    append_resource(&mut resource, cell("Attributes").unwrap_or(&Value::Null)).map_err(|error| error.to_string())?;
    let origin = Origin { resource: &resource, resource_schema_url: schema.as_bytes(), ..Origin::default() };
    let mut builder = RequestBuilder::new(signal);
    builder.push(&origin, if signal == Signal::Metrics { EMPTY_METRIC } else { &[] });
    Ok((signal, builder.take()))
}

/// Returns the row of the standard table that a row of a table stands for.
fn record_of(row: &TestRow, table: &'static Table, base: Base) -> Result<Row, Mismatch> {
    let standard = tables::standard(base.name()).expect("every base is a standard table");
    let mut record: Row = standard.columns.iter().map(|column| Value::missing(column.ty)).collect();
    if base == Base::Metrics {
        // A point has to be of some kind, and a test that does not say which does not care.
        record[metrics::column::METRIC_TYPE] = Value::string("Gauge");
    }
    for (name, value) in &row.columns {
        let position = |table: &Table| table.columns.iter().position(|column| column.name == name.value);
        let (owner, column) = match (position(table), position(standard)) {
            (Some(column), _) => (table, column),
            (None, Some(column)) => (standard, column),
            (None, None) => return Err(unknown_column(name, table)),
        };
        let ty = owner.columns[column].ty;
        let value = typed(value, ty).ok_or_else(|| unfitting(name, value, ty))?;
        put(owner, column, value, &mut record).map_err(|why| Mismatch::failed(name.span, "given", why))?;
    }
    Ok(record)
}

fn put(table: &Table, column: usize, value: Value, record: &mut Row) -> Result<(), String> {
    if let Derivation::Same(at) = table.derivation(column) {
        record[at] = value;
        return Ok(());
    }
    let Some(writes) = table.write(column, &value, record) else {
        let name = &table.columns[column].name;
        let standard = table.record_base().map_or("", Base::name);
        return Err(format!("`{name}` follows from other columns; write those of `{standard}` that it is made of"));
    };
    for write in writes {
        match write {
            Write::Column(at, value) => record[at] = value,
            Write::Key(at, key, value) => {
                let mut bag = match &record[at] {
                    Value::Bag(bag) => Bag::clone(bag),
                    _ => Bag::new(),
                };
                match value {
                    Some(value) => bag.set(key, value),
                    None => drop(bag.remove(key.as_bytes())),
                }
                record[at] = Value::bag(bag);
            }
        }
    }
    Ok(())
}

pub(crate) fn unknown_column(name: &Spanned<String>, table: &Table) -> Mismatch {
    let columns: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let near = columns.iter().map(|column| (strsim::osa_distance(&name.value, column), *column)).min();
    let hint = match near {
        Some((distance, near)) if distance <= 1 + name.value.len() / 4 => format!("; did you mean `{near}`?"),
        _ => format!("; it has {}", columns.join(", ")),
    };
    Mismatch::failed(name.span, "row", format!("`{}` has no column `{}`{hint}", table.name, name.value))
}

fn unfitting(name: &Spanned<String>, value: &Value, ty: Type) -> Mismatch {
    let shown = String::from_utf8_lossy(&dtq_value::json::to_bytes(value)).into_owned();
    let hint = match ty {
        Type::String => "; put it in quotes".to_owned(),
        Type::DateTime => ", such as 2024-01-31T12:00:00Z".to_owned(),
        Type::TimeSpan => ", such as 250ms or 00:00:01.5".to_owned(),
        _ => String::new(),
    };
    Mismatch::failed(name.span, "row", format!("`{}` is a {ty}, and {shown} is none{hint}", name.value))
}

/// Returns a dynamic as a value of the type of a column, or `None` when it is none.
pub(crate) fn typed(value: &Value, ty: Type) -> Option<Value> {
    Some(match (ty, value) {
        (_, Value::Null) => Value::missing(ty),
        (Type::Dynamic, other) => other.clone(),
        (Type::String, Value::String(_)) | (Type::Bool, Value::Bool(_)) | (Type::Long, Value::Long(_)) => value.clone(),
        (Type::Int, Value::Long(number)) => Value::Int(i32::try_from(*number).ok()?),
        (Type::Real, Value::Real(_)) => value.clone(),
        (Type::Real, Value::Long(number)) => Value::Real(*number as f64),
        (Type::DateTime, Value::String(text)) => Value::DateTime(time::parse_datetime(text.as_bytes())?),
        (Type::TimeSpan, Value::String(text)) => Value::TimeSpan(time::parse_timespan(text.as_bytes())?),
        _ => return None,
    })
}

/// Returns the records of a file, each as a request of its own.
fn of_file(path: &Spanned<String>, content: &Arc<[u8]>, limits: &Limits) -> Result<Vec<Request>, Mismatch> {
    const TABLE: &str = "file";
    let failed = |why: String| Mismatch::failed(path.span, "given", format!("{}: {why}", path.value));
    let input = Input::from_bytes(path.value.as_str(), TABLE, content.to_vec());
    let options = dtq_record::Options::default();
    let inputs = Inputs::probe(vec![input], &options, limits).map_err(|error| failed(error.message))?;
    let mut requests = Vec::new();
    for signal in inputs.signals() {
        let width = inputs.schema(signal.table()).map_or(0, |schema| schema.columns.len());
        let standard = tables::standard(signal.table()).map_or(0, |table| table.columns.len());
        let mut stream = inputs.scan(signal.table(), &Projection::all(width)).map_err(|error| failed(error.message))?;
        let mut rows = Vec::new();
        while stream.read(&mut rows).map_err(|error| failed(error.message))? {}
        for mut row in rows {
            // Columns behind the standard ones are those of the file's own keys, which stand in Attributes too.
            row.truncate(standard);
            requests.push(of_row(signal, &row).map_err(failed)?);
        }
    }
    match inputs.report().skips.first() {
        Some(skip) => Err(failed(format!("{}: {}", skip.place, skip.reason))),
        None => Ok(requests),
    }
}
