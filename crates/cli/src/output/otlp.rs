//! Rows of `logs`, `metrics` or `spans` to OTLP requests: protobuf, or JSON with a request a line.
//!
//! Which signal they are is decided before the first row, from the table that the query reads and from the result's
//! columns. A result that is not one of them, or has a value that OTLP has no place for, is refused, never written in
//! part. A request holds about [`REQUEST_BYTES`]; of protobuf, one request stands alone, and each of several has its
//! length in front of it. Encoding: `dtq_record::otlp::encode`.

use crate::console::Console;
use crate::failure::Failure;
use crate::output::{Form, Header, Sink, text};
use dtq_ir::Program;
use dtq_ir::rel::{RelId, RelKind};
use dtq_record::otlp::Signal;
use dtq_record::otlp::encode::request::RequestBuilder;
use dtq_record::otlp::to_json::append_json;
use dtq_record::stream::{Column, Row};
use dtq_record::tables;
use dtq_source::Limits;
use dtq_value::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write};

/// Size of a request after which the next begins: what a gRPC receiver takes by default.
const REQUEST_BYTES: usize = 4 << 20;

/// Returns the sink for the result of a program.
///
/// # Errors
/// [`Failure::Usage`] when the result is not records of one signal, with what to write so that it is.
pub fn sink(form: Form, program: &Program, limits: &Limits, console: &Console) -> Result<Box<dyn Sink>, Failure> {
    let [output] = program.outputs.as_slice() else {
        let count = program.outputs.len();
        return Err(refused(format!("OTLP holds one table and the query gives {count}; use --output ndjson or json")));
    };
    let encoding = match form {
        Form::OtlpJson => Encoding::Json { nesting_max: limits.value_nesting_max, is_empty: true },
        _ if console.is_out_terminal => {
            return Err(refused("protobuf is no text for a terminal; send it to a file, or use --output otlp-json"));
        }
        _ => Encoding::Protobuf { first: None, is_delimited: false },
    };
    let columns = &program.rel(output.rel).columns;
    let signal = signal_of(&tables_of(program, output.rel), columns).map_err(refused)?;
    let standard = standard_columns(signal);
    let positions = columns.iter().map(|column| standard.iter().position(|known| known.name == column.name));
    Ok(Box::new(OtlpSink {
        signal,
        positions: positions.map(|position| position.expect("the columns fit the signal")).collect(),
        row: vec![Value::Null; standard.len()],
        row_count: 0,
        request: RequestBuilder::new(signal),
        encoding,
    }))
}

fn refused(reason: impl fmt::Display) -> Failure {
    Failure::Usage(format!("--output otlp: {reason}"))
}

/// Returns the tables whose rows, changed or not, can be among those of a relation.
fn tables_of(program: &Program, rel: RelId) -> BTreeSet<&str> {
    let mut tables = BTreeSet::new();
    let mut is_seen = BTreeSet::new();
    let mut open = vec![rel];
    while let Some(rel) = open.pop() {
        if is_seen.insert(rel.0) {
            let kind = &program.rel(rel).kind;
            open.extend(kind.inputs());
            if let RelKind::Scan { table } = kind {
                tables.insert(table.as_str());
            }
        }
    }
    tables
}

const SIGNALS: [Signal; 3] = [Signal::Logs, Signal::Metrics, Signal::Spans];

fn standard_columns(signal: Signal) -> &'static [Column] {
    &tables::standard(signal.table()).expect("each signal has a standard table").columns
}

/// Returns the signal whose records the rows are, or why there is none.
fn signal_of(tables: &BTreeSet<&str>, columns: &[Column]) -> Result<Signal, String> {
    let read: Vec<Signal> = SIGNALS.into_iter().filter(|signal| tables.contains(signal.table())).collect();
    if let [signal] = read.as_slice() {
        return fit(*signal, columns).map(|()| *signal);
    }
    let alias = tables.iter().find_map(|table| tables::alias(table));
    if let (Some(alias), []) = (alias, read.as_slice()) {
        let bases: Vec<&str> = alias.bases().into_iter().map(tables::Base::name).collect();
        return Err(format!("`{}` has columns of its own names; query {} instead", alias.name, or_list(&bases)));
    }
    let candidates = if read.is_empty() { &SIGNALS[..] } else { &read };
    let fitting: Vec<Signal> = candidates.iter().copied().filter(|signal| fit(*signal, columns).is_ok()).collect();
    match fitting.as_slice() {
        [signal] => Ok(*signal),
        [] => {
            let names: Vec<String> = columns.iter().map(|column| format!("`{}`", column.name)).collect();
            let signals: Vec<&str> = candidates.iter().map(|signal| signal.table()).collect();
            let (names, signals) = (names.join(", "), or_list(&signals));
            Err(format!("the result's columns ({names}) are not those of {signals}, which `dtq tables` lists"))
        }
        several => {
            let signals: Vec<&str> = several.iter().map(|signal| signal.table()).collect();
            Err(format!("the result's columns could be of {}; keep a column that only one has", or_list(&signals)))
        }
    }
}

/// Says whether the signal has all of the columns, with their types; otherwise what to write so that it has.
fn fit(signal: Signal, columns: &[Column]) -> Result<(), String> {
    let (table, standard) = (signal.table(), standard_columns(signal));
    let known = |column: &Column| standard.iter().find(|known| known.name == column.name);
    let unknown: Vec<&str> =
        columns.iter().filter(|column| known(column).is_none()).map(|column| column.name.as_str()).collect();
    if !unknown.is_empty() {
        let names: Vec<String> = unknown.iter().map(|name| format!("`{name}`")).collect();
        let quoted: Vec<String> = unknown.iter().map(|name| as_written(name)).collect();
        let (names, quoted) = (or_list(&names), quoted.join(", "));
        return Err(format!("{table} has no column {names}; leave out what it lacks: `| project-away {quoted}`"));
    }
    for column in columns {
        let expected = known(column).expect("columns without one were told apart").ty;
        // A body can be any value.
        let is_body = signal == Signal::Logs && column.name == "Body";
        if column.ty != expected && !is_body {
            let (name, found, wanted) = (&column.name, column.ty.name(), expected.name());
            let fix = format!("`| extend {name} = to{wanted}({name})`");
            return Err(format!("`{name}` is of type {found} and in {table} of type {wanted}; convert it: {fix}"));
        }
    }
    Ok(())
}

/// Returns the texts with commas and an `or`.
fn or_list(texts: &[impl AsRef<str>]) -> String {
    let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    match texts.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => texts.concat(),
    }
}

/// Returns a column's name as a query writes it.
fn as_written(name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_numeric());
    if is_plain { name.to_owned() } else { format!("['{name}']") }
}

/// Says how requests are written.
enum Encoding {
    /// Each on its own line.
    Json {
        /// The nesting of values that is written.
        nesting_max: usize,
        /// Whether nothing has been written.
        is_empty: bool,
    },
    /// Alone, or each with its length in front of it.
    Protobuf {
        /// The first request, until it is known whether it is the only one.
        first: Option<Vec<u8>>,
        /// Whether there were several.
        is_delimited: bool,
    },
}

impl Encoding {
    fn write(&mut self, out: &mut dyn Write, signal: Signal, request: Vec<u8>) -> io::Result<()> {
        match self {
            Encoding::Json { nesting_max, is_empty } => {
                *is_empty = false;
                let mut json = String::new();
                append_json(&mut json, signal, &request, *nesting_max).map_err(|error| unwritable(error.reason))?;
                writeln!(out, "{}", text::neutral_json(&json))
            }
            Encoding::Protobuf { is_delimited: true, .. } => write_delimited(out, &request),
            Encoding::Protobuf { first, is_delimited } => match first.take() {
                None => {
                    *first = Some(request);
                    Ok(())
                }
                Some(first) => {
                    *is_delimited = true;
                    write_delimited(out, &first)?;
                    write_delimited(out, &request)
                }
            },
        }
    }

    fn finish(&mut self, out: &mut dyn Write, signal: Signal) -> io::Result<()> {
        match self {
            // A request without records says which signal has none; in protobuf it has no bytes.
            Encoding::Json { is_empty: true, .. } => self.write(out, signal, Vec::new()),
            Encoding::Json { .. } => Ok(()),
            Encoding::Protobuf { first, .. } => out.write_all(&first.take().unwrap_or_default()),
        }
    }
}

/// Writes a request with its length in front, as a varint.
pub fn write_delimited(out: &mut dyn Write, request: &[u8]) -> io::Result<()> {
    let mut size = request.len();
    while size >= 0x80 {
        out.write_all(&[size as u8 | 0x80])?;
        size >>= 7;
    }
    out.write_all(&[size as u8])?;
    out.write_all(request)
}

/// Says that a row cannot be written as OTLP.
#[derive(Debug)]
pub struct Unwritable(String);

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--output otlp: {}", self.0)
    }
}

impl std::error::Error for Unwritable {}

fn unwritable(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Unwritable(reason.into()))
}

/// Writes rows as records.
struct OtlpSink {
    signal: Signal,
    /// For each column of the result, its place in the standard table.
    positions: Vec<usize>,
    row: Row,
    row_count: u64,
    request: RequestBuilder,
    encoding: Encoding,
}

impl Sink for OtlpSink {
    fn begin(&mut self, _: &mut dyn Write, _: &Header<'_>) -> io::Result<()> {
        Ok(())
    }

    fn rows(&mut self, out: &mut dyn Write, rows: &[Row]) -> io::Result<()> {
        for row in rows {
            self.row_count += 1;
            for (position, value) in self.positions.iter().zip(row) {
                self.row[*position] = value.clone();
            }
            let added = self.request.push_row(&self.row);
            added.map_err(|error| unwritable(format!("row {}: {error}", self.row_count)))?;
            if self.request.size_bytes() >= REQUEST_BYTES {
                self.encoding.write(out, self.signal, self.request.take())?;
            }
        }
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.request.is_empty() { Ok(()) } else { self.encoding.write(out, self.signal, self.request.take()) }
    }

    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.encoding.finish(out, self.signal)
    }
}
