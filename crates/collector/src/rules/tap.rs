//! A query over live records to the rows that it gives, a line each, until the connection ends.
//!
//! The query looks at one record at a time, runs on the connection's own thread, and gives a bounded number of rows a
//! second; what comes beyond is not looked at, is counted, and said once a second. Next: `leaders.rs`.

use crate::rules::audit::Who;
use crate::rules::clock;
use crate::rules::control::say;
use crate::rules::governor::Governor;
use crate::rules::protocol::{Answer, Denial, TapRequest};
use crate::rules::sample::Listener;
use crate::rules::view::{Point, Reader, View};
use dtq_engine::{Engine, Options, Query};
use dtq_ir::RelKind;
use dtq_record::otlp::Signal;
use dtq_record::stream::{Catalog, Column, Projection, Row, RowStream, StreamError, TableSchema};
use dtq_record::tables::{self, Base, Table};
use dtq_source::render::{self, Style};
use dtq_source::{Code, Limits, SourceText};
use dtq_value::scalar::format;
use dtq_value::{Value, json};
use serde_json::json;
use std::cell::RefCell;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Rows a second when nothing is said, and at most.
const RATE: u32 = 10;
const RATE_MAX: u32 = 10_000;
/// How often something is said, so that an end of the connection is noticed.
const BEAT: Duration = Duration::from_secs(1);
/// The tables of live records; their aliases are tables, too.
const TABLES: [Base; 3] = [Base::Logs, Base::Spans, Base::Metrics];

/// Serves a tap.
pub(crate) fn serve(
    stream: &UnixStream,
    governor: &Arc<Governor>,
    who: Who,
    wanted: &TapRequest,
    ends: &AtomicBool,
) -> io::Result<()> {
    let point = Point { before: wanted.before.clone(), after: wanted.after.clone(), is_unredacted: wanted.unredacted };
    let opened = open(governor, point, &wanted.query);
    let details = json!({
        "query": wanted.query, "before": wanted.before, "after": wanted.after, "unredacted": wanted.unredacted,
    });
    let (tapped, query) = match opened {
        Ok(opened) => opened,
        Err(denial) => {
            governor.note(who, "tap", details, Err(&denial.message));
            return say(stream, &Answer::from(denial));
        }
    };
    governor.note(who, "tap", details, Ok("it listens"));
    let columns: Vec<&str> = query.columns().iter().map(|column| column.name.as_str()).collect();
    say(stream, &Answer::with(json!({ "columns": columns })))?;
    let rate = wanted.rate.unwrap_or(RATE).clamp(1, RATE_MAX);
    let reader = Reader::new(governor);
    let state = RefCell::new(State::new(tapped, reader, rate));
    let live = Live { stream, ends, state, limits: governor.limits.clone() };
    let ended = drain(&live, &query);
    let state = live.state.borrow();
    state.failed.as_ref().map_or(Ok(()), |kind| Err(io::Error::from(*kind)))?;
    say(stream, &json!({ "end": state.counts(), "because": ended }))
}

/// Compiles the query and begins to listen.
fn open(governor: &Arc<Governor>, point: Point, query: &str) -> Result<(Tapped, Query), Denial> {
    let refused = |message| Denial::new(message, Vec::new());
    if point.before.is_some() && point.after.is_some() {
        return Err(refused("a tap looks before one rule or after one, not both".to_owned()));
    }
    let query = compiled(query, &governor.limits)?;
    let view = View::new(governor, point).map_err(refused)?;
    let listener = governor.worker.shared().samples.listen().map_err(refused)?;
    Ok((Tapped { view, listener }, query))
}

/// Compiles a query that looks at one record at a time.
fn compiled(text: &str, limits: &Limits) -> Result<Query, Denial> {
    let options = Options { limits: limits.clone(), engine: Engine::Interp, ..Options::default() };
    let (query, found) = dtq_engine::compile(text, &LiveTables, &options);
    let source = SourceText::new("query", text);
    let texts = || found.iter().map(|one| render::text(&source, one, Style::Plain)).collect();
    let query = query.ok_or_else(|| Denial::new("the query is wrong", texts()))?;
    let is_rowwise = |kind: &RelKind| {
        matches!(
            kind,
            RelKind::Scan { .. }
                | RelKind::Filter { .. }
                | RelKind::Project { .. }
                | RelKind::Take { .. }
                | RelKind::Parse(_)
                | RelKind::ParseKv(_)
                | RelKind::MvExpand { .. }
        )
    };
    let program = query.program();
    let scans = program.rels().iter().filter(|rel| matches!(rel.kind, RelKind::Scan { .. })).count();
    if scans != 1 || program.outputs.len() != 1 || !program.rels().iter().all(|rel| is_rowwise(&rel.kind)) {
        let message = "a tap looks at one record of one table at a time: \
                       where, extend, project, parse, mv-expand and take can stand behind logs, spans, metrics or another name of them";
        return Err(Denial::new(message, Vec::new()));
    }
    Ok(query)
}

/// Writes the rows of a query until it ends; returns why.
fn drain(live: &Live<'_>, query: &Query) -> String {
    // One row is enough to go on with: what has come is shown before more is waited for.
    let options = dtq_exec::Options {
        limits: live.limits.clone(),
        now_ticks: clock::now_ticks(),
        batch_rows: 1,
        ..dtq_exec::Options::default()
    };
    let mut run = match dtq_exec::Run::new(query.optimized(), live, options) {
        Ok(run) => run,
        Err(fault) => return fault.to_string(),
    };
    loop {
        match run.next_batch(0) {
            Ok(Some(rows)) => rows.iter().for_each(|row| live.write(query.columns(), row)),
            Ok(None) => return "the query has all the rows that it takes".to_owned(),
            Err(fault) => return fault.message,
        }
    }
}

/// What live records come from.
struct Tapped {
    view: View,
    listener: Listener,
}

/// The live tables while they are read.
struct Live<'s> {
    stream: &'s UnixStream,
    ends: &'s AtomicBool,
    state: RefCell<State>,
    limits: Limits,
}

struct State {
    tapped: Tapped,
    reader: Reader,
    rate: u32,
    /// Rows that may still be written in this second.
    left: u32,
    beat: Instant,
    seen: u64,
    shown: u64,
    /// Rows of a request of which others were shown, beyond the rate.
    withheld: u64,
    /// Requests that nobody looked at, because the rows of the second were there already.
    passed_over: u64,
    failed: Option<io::ErrorKind>,
}

impl State {
    fn new(tapped: Tapped, reader: Reader, rate: u32) -> Self {
        let beat = Instant::now() + BEAT;
        Self { tapped, reader, rate, left: rate, beat, seen: 0, shown: 0, withheld: 0, passed_over: 0, failed: None }
    }

    fn counts(&self) -> serde_json::Value {
        let (offered, left_out) = self.tapped.listener.counts();
        json!({
            "requests": offered, "requests_left_out": left_out, "records": self.seen, "rows": self.shown,
            "rows_withheld": self.withheld, "requests_passed_over": self.passed_over, "unreadable": self.reader.unreadable,
            "too_large": self.reader.too_large,
        })
    }

    /// Says once a second how much there was.
    fn beat(&mut self, stream: &UnixStream) {
        if Instant::now() >= self.beat {
            self.beat = Instant::now() + BEAT;
            self.left = self.rate;
            let said = say(stream, &json!({ "counts": self.counts() }));
            self.failed = self.failed.or(said.err().map(|error| error.kind()));
        }
    }
}

impl Live<'_> {
    fn write(&self, columns: &[Column], row: &Row) {
        let mut state = self.state.borrow_mut();
        state.beat(self.stream);
        if state.left == 0 {
            state.withheld += 1;
            return;
        }
        state.left -= 1;
        state.shown += 1;
        let mut line = b"{\"row\":".to_vec();
        write_row(&mut line, columns, row);
        line.extend_from_slice(b"}\n");
        let mut stream = self.stream;
        // Telemetry may hold bytes that are no text.
        let written = stream.write_all(String::from_utf8_lossy(&line).as_bytes());
        state.failed = state.failed.or(written.err().map(|error| error.kind()));
    }

    /// Appends the records of the next request; says whether more may follow.
    fn read(&self, wanted: Wanted, batch: &mut Vec<Row>) -> Result<bool, StreamError> {
        let mut state = self.state.borrow_mut();
        loop {
            state.beat(self.stream);
            if state.failed.is_some() || self.ends.load(Ordering::Acquire) {
                return Ok(false);
            }
            let wait = state.beat.saturating_duration_since(Instant::now());
            let Some((of, request)) = state.tapped.listener.next(wait) else { continue };
            if state.left == 0 {
                state.passed_over += 1;
                continue;
            }
            let shown = state.tapped.view.show(of, request);
            let shown = shown.map_err(|message| StreamError { code: Code::E3008, message })?;
            for (of, request) in shown.into_iter().filter(|(of, _)| wanted.reads(*of)) {
                if let Some(rows) = state.reader.read(of, &request) {
                    state.seen += rows.len() as u64;
                    batch.extend(wanted.rows(of, rows));
                }
            }
            if !batch.is_empty() {
                return Ok(true);
            }
        }
    }
}

/// Says which table a query reads.
#[derive(Clone, Copy)]
enum Wanted {
    Standard(Base),
    Alias(&'static Table),
}

impl Wanted {
    /// Returns the live table with this name.
    fn parse(name: &str) -> Option<Self> {
        let is_live = |base: &Base| TABLES.contains(base);
        let standard = Base::parse(name).filter(is_live).map(Self::Standard);
        standard.or_else(|| tables::alias(name).filter(|alias| alias.bases().iter().all(is_live)).map(Self::Alias))
    }

    fn columns(self) -> Vec<Column> {
        match self {
            Self::Standard(base) => {
                tables::standard(base.name()).map(|table| table.columns.clone()).unwrap_or_default()
            }
            Self::Alias(table) => table.columns.clone(),
        }
    }

    fn reads(self, signal: Signal) -> bool {
        match self {
            Self::Standard(base) => base.signal() == Some(signal),
            Self::Alias(table) => table.bases().iter().any(|base| base.signal() == Some(signal)),
        }
    }

    /// Returns the rows that rows of the standard table of a signal are.
    fn rows(self, signal: Signal, rows: Vec<Row>) -> Vec<Row> {
        let base = TABLES.into_iter().find(|base| base.signal() == Some(signal));
        match (self, base) {
            (Self::Alias(table), Some(base)) => tables::of_standard(table, base, rows),
            _ => rows,
        }
    }
}

/// The columns of the live tables.
struct LiveTables;

impl Catalog for LiveTables {
    fn schema(&self, table: &str) -> Option<TableSchema> {
        let columns = Wanted::parse(table)?.columns();
        Some(TableSchema { name: table.to_owned(), columns })
    }

    fn table_names(&self) -> Vec<String> {
        let standard = TABLES.map(|base| base.name().to_owned()).into_iter();
        let aliases = tables::aliases().iter().map(|alias| alias.name.clone());
        standard.chain(aliases.filter(|name| Wanted::parse(name).is_some())).collect()
    }

    fn scan(&self, table: &str, _: &Projection) -> Result<Box<dyn RowStream + '_>, StreamError> {
        Err(StreamError { code: Code::E3008, message: format!("`{table}` has no rows while a query is compiled") })
    }
}

impl Catalog for Live<'_> {
    fn schema(&self, table: &str) -> Option<TableSchema> {
        LiveTables.schema(table)
    }

    fn table_names(&self) -> Vec<String> {
        LiveTables.table_names()
    }

    fn scan(&self, table: &str, projection: &Projection) -> Result<Box<dyn RowStream + '_>, StreamError> {
        match Wanted::parse(table) {
            Some(wanted) => Ok(Box::new(Arriving { live: self, wanted })),
            None => LiveTables.scan(table, projection),
        }
    }
}

/// Gives records as they come.
struct Arriving<'l> {
    live: &'l Live<'l>,
    wanted: Wanted,
}

impl RowStream for Arriving<'_> {
    fn read(&mut self, batch: &mut Vec<Row>) -> Result<bool, StreamError> {
        self.live.read(self.wanted, batch)
    }
}

/// Writes a row as a JSON object.
fn write_row(out: &mut Vec<u8>, columns: &[Column], row: &Row) {
    out.push(b'{');
    for (at, (column, value)) in columns.iter().zip(row).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        json::write_string(column.name.as_bytes(), out);
        out.push(b':');
        match value {
            Value::DateTime(_) | Value::TimeSpan(_) | Value::Guid(_) | Value::Decimal(_) => {
                json::write_string(&format::text(value), out);
            }
            value => json::write(value, out),
        }
    }
    out.push(b'}');
}
