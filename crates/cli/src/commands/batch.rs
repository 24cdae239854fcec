//! Files with a query a line to an answer a line, in order: `run --batch` and `check --batch`.
//!
//! A query that is wrong or fails is answered like any other, so the exit code stays 0; a line that holds no query is
//! answered too, and then the exit code is 65.

use crate::args::{CheckArguments, Engine, RunArguments};
use crate::commands::query;
use crate::commands::run::{Stopped, drain};
use crate::console::Console;
use crate::deadline::Deadline;
use crate::failure::{Failure, Outcome};
use crate::inputs::{self, WithTables, WithoutInput};
use crate::native;
use crate::output::Form;
use crate::output::kusto::KustoSink;
use dtq_engine::{Budget, Options, Refusal, compile};
use dtq_ir::Program;
use dtq_ir::rel::RelKind;
use dtq_record::stream::{Catalog, Column, TableSchema};
use dtq_source::{Code, Diagnostic, Limits, Severity, diagnostic};
use dtq_value::Type;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::cell::OnceCell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

/// A line of a batch, apart from its id, which is echoed as it is written.
#[derive(Deserialize)]
struct Line {
    query: String,
    /// For `check`: further tables with their columns.
    #[serde(default)]
    tables: Vec<Table>,
}

/// A table that a line of `check` brings along.
#[derive(Deserialize)]
struct Table {
    name: String,
    columns: Vec<(String, String)>,
}

/// A diagnostic as the contract of `run --batch` has it.
#[derive(Serialize)]
struct Answer {
    #[serde(rename = "Code")]
    code: String,
    #[serde(rename = "Message")]
    message: String,
    #[serde(rename = "Start")]
    start: u32,
    #[serde(rename = "End")]
    end: u32,
}

/// The code of an answer when a query made dtq itself fail.
const INTERNAL: &str = "E0000";

/// What such an answer says.
const INTERNAL_MESSAGE: &str = "dtq itself failed on this query; this is a mistake in dtq";

/// Runs `dtq run --batch`.
pub fn run(path: &Path, arguments: &RunArguments, limits: Limits, console: &mut Console) -> Outcome {
    if arguments.output != Some(Form::Kusto) {
        return Err(Failure::Usage("--batch needs --output kusto".into()));
    }
    let options = query::options(&arguments.query, limits)?;
    let deadline = Deadline::start(arguments.limit_time);
    let opened = inputs::open(&arguments.words, &arguments.input, &options, WithoutInput::NoTables, deadline, false)?;
    let refusal = OnceCell::new();
    let answered = for_each_line(path, &options.limits, console, |line, console| {
        let id = id_of(line);
        let catalog: &dyn Catalog = &opened;
        let deadline = Deadline::start(arguments.limit_time);
        opened.set_deadline(deadline);
        let time = || deadline.clock_ns();
        let budget = Budget::of_time(u64::MAX, &time);
        let without_optimizer = arguments.no_opt;
        let engine = arguments.engine.into();
        let options = Options { budget, without_optimizer, engine, ..options.clone() };
        let answered = panic::catch_unwind(AssertUnwindSafe(|| answer(line, &id, catalog, &options, &refusal)));
        let (bytes, is_line) = answered.unwrap_or_else(|_| (internal_error(&id), true));
        console.out.write_all(&bytes)?;
        Ok(is_line)
    });
    if let Some(refusal) = refusal.get().filter(|_| arguments.engine == Engine::Auto) {
        console.say(&native::note(refusal));
    }
    answered
}

/// Returns the answer to a line and whether the line held a query; the first refusal of native code is kept.
fn answer(
    line: &[u8],
    id: &str,
    catalog: &dyn Catalog,
    options: &Options<'_>,
    refusal: &OnceCell<Refusal>,
) -> (Vec<u8>, bool) {
    let query = match serde_json::from_slice::<Line>(line) {
        Ok(line) => line.query,
        Err(error) => return (diagnostics(id, &[bad_line(&error)]), false),
    };
    let (compiled, found) = compile(&query, catalog, options);
    let Some(compiled) = compiled else {
        let answers: Vec<Answer> = found.iter().filter(|found| found.is_error()).map(Answer::from).collect();
        return (diagnostics(id, &answers), true);
    };
    if let Err(refused) = compiled.native(options.engine) {
        refusal.get_or_init(|| refused.clone());
    }
    let mut out = Bounded { bytes: Vec::new(), size_max: options.limits.held_bytes_max };
    let mut sink = KustoSink::with_prefix(format!("\"id\":{id},"));
    let result = match compiled.run(catalog, options) {
        Ok(mut run) => drain(&mut run, &mut sink, &mut out),
        Err(fault) => Err(Stopped::Fault(fault)),
    };
    let whole = |code: Code, message: String| {
        let end = u32::try_from(query.len()).unwrap_or(u32::MAX);
        diagnostics(id, &[Answer { code: code.to_string(), message, start: 0, end }])
    };
    let bytes = match result {
        Ok(()) => out.bytes,
        Err(Stopped::Fault(fault)) => whole(fault.code, fault.message),
        Err(Stopped::Write(error)) => whole(Code::E3001, error.to_string()),
    };
    (bytes, true)
}

impl From<&Diagnostic> for Answer {
    fn from(found: &Diagnostic) -> Self {
        let message =
            if found.label.is_empty() { found.message.clone() } else { format!("{}: {}", found.message, found.label) };
        Self { code: found.code.to_string(), message, start: found.span.start, end: found.span.end }
    }
}

fn bad_line(error: &serde_json::Error) -> Answer {
    let message = format!("the line is not {{\"id\":...,\"query\":...}}: {error}");
    Answer { code: Code::E3008.to_string(), message, start: 0, end: 0 }
}

fn internal_error(id: &str) -> Vec<u8> {
    diagnostics(id, &[Answer { code: INTERNAL.to_owned(), message: INTERNAL_MESSAGE.to_owned(), start: 0, end: 0 }])
}

fn diagnostics(id: &str, answers: &[Answer]) -> Vec<u8> {
    let list = serde_json::to_string(answers).expect("plain strings and numbers always serialize");
    format!("{{\"id\":{id},\"Diagnostics\":{list}}}\n").into_bytes()
}

/// Returns the line's id as it is written, or `null`.
fn id_of(line: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Id<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
    }
    serde_json::from_slice::<Id<'_>>(line).map_or_else(|_| "null".to_owned(), |line| line.id.get().to_owned())
}

/// Runs `dtq check --batch`: a verdict for each line.
pub fn check(path: &Path, arguments: &CheckArguments, options: &Options<'_>, console: &mut Console) -> Outcome {
    let opened = inputs::open(
        &arguments.words,
        &arguments.input,
        options,
        WithoutInput::StandardTables,
        Deadline::NEVER,
        false,
    )?;
    for_each_line(path, &options.limits, console, |line, console| {
        let id = id_of(line);
        let checked = panic::catch_unwind(AssertUnwindSafe(|| judge(line, &id, &opened, options)));
        let (verdict, is_line) = checked.unwrap_or_else(|_| (Verdict::internal_error(&id), true));
        writeln!(console.out, "{}", verdict.to_json())?;
        Ok(is_line)
    })
}

/// What `check` says of one line: the shape of `grammar/kusto-peer/README.md`.
struct Verdict {
    id: String,
    is_ok: bool,
    diagnostics: Vec<Judged>,
    columns: Option<Vec<(String, &'static str)>>,
    /// Whether the columns depend on data.
    is_open: bool,
}

/// A diagnostic in that shape.
#[derive(Serialize)]
struct Judged {
    code: String,
    message: String,
    start: u32,
    end: u32,
    severity: Severity,
}

impl From<&Diagnostic> for Judged {
    fn from(found: &Diagnostic) -> Self {
        let Answer { code, message, start, end } = Answer::from(found);
        Self { code, message, start, end, severity: found.severity }
    }
}

impl Verdict {
    fn refused(id: &str, code: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let diagnostics = vec![Judged { code: code.to_owned(), message, start: 0, end: 0, severity: Severity::Error }];
        Self { id: id.to_owned(), is_ok: false, diagnostics, columns: None, is_open: false }
    }

    fn internal_error(id: &str) -> Self {
        Self::refused(id, INTERNAL, INTERNAL_MESSAGE)
    }

    fn to_json(&self) -> String {
        let Verdict { id, is_ok, .. } = self;
        let diagnostics = serde_json::json!(self.diagnostics);
        let columns = serde_json::json!(self.columns);
        let open = if self.is_open { ",\"open\":true" } else { "" };
        format!("{{\"id\":{id},\"ok\":{is_ok},\"diagnostics\":{diagnostics},\"columns\":{columns}{open}}}")
    }
}

/// Returns what is said of a line and whether the line held a query.
fn judge(line: &[u8], id: &str, base: &dyn Catalog, options: &Options<'_>) -> (Verdict, bool) {
    let line = match serde_json::from_slice::<Line>(line) {
        Ok(line) => line,
        Err(error) => return (Verdict::refused(id, &Code::E3008.to_string(), bad_line(&error).message), false),
    };
    let tables = match line.tables.iter().map(declared_table).collect() {
        Ok(tables) => tables,
        Err(message) => return (Verdict::refused(id, &Code::E3008.to_string(), message), false),
    };
    let catalog = WithTables { tables, base };
    let (compiled, found) = compile(&line.query, &catalog, options);
    let verdict = Verdict {
        id: id.to_owned(),
        is_ok: !diagnostic::has_errors(&found),
        diagnostics: found.iter().map(Judged::from).collect(),
        columns: compiled.as_ref().and_then(|query| last_columns(query.program())),
        is_open: compiled.is_some_and(|query| is_open(query.program())),
    };
    (verdict, true)
}

/// Returns the columns of the last result.
fn last_columns(program: &Program) -> Option<Vec<(String, &'static str)>> {
    let columns = &program.rel(program.outputs.last()?.rel).columns;
    Some(columns.iter().map(|column| (column.name.clone(), column.ty.name())).collect())
}

/// Says whether some columns depend on data.
fn is_open(program: &Program) -> bool {
    program.rels().iter().any(|rel| matches!(rel.kind, RelKind::BagUnpack { .. } | RelKind::Pivot { .. }))
}

fn declared_table(table: &Table) -> Result<TableSchema, String> {
    let column = |(name, ty): &(String, String)| {
        let known = Type::parse(ty).ok_or_else(|| format!("`{ty}` is no type of column `{name}`"))?;
        Ok(Column::new(name.as_str(), known))
    };
    let columns = table.columns.iter().map(column).collect::<Result<_, String>>()?;
    Ok(TableSchema { name: table.name.clone(), columns })
}

/// Gives every line that is not blank to `each`, which says whether it held a query; lines over the limit are cut.
fn for_each_line(
    path: &Path,
    limits: &Limits,
    console: &mut Console,
    mut each: impl FnMut(&[u8], &mut Console) -> Result<bool, Failure>,
) -> Outcome {
    let failed = |error: io::Error| Failure::Input(format!("cannot read the batch `{}`: {error}", path.display()));
    let reader: Box<dyn Read> =
        if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path).map_err(failed)?) };
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    let mut are_lines = true;
    loop {
        line.clear();
        let size = (&mut reader).take(limits.record_bytes_max as u64).read_until(b'\n', &mut line).map_err(failed)?;
        if size == 0 {
            return if are_lines { Ok(()) } else { Err(Failure::Data) };
        }
        if line.last() != Some(&b'\n') && size == limits.record_bytes_max {
            skip_line(&mut reader).map_err(failed)?;
        }
        if !line.trim_ascii().is_empty() {
            are_lines &= each(line.trim_ascii(), console)?;
        }
    }
}

/// Reads to the end of the line and keeps nothing of it.
fn skip_line(reader: &mut dyn BufRead) -> io::Result<()> {
    loop {
        let ready = reader.fill_buf()?;
        let end = ready.iter().position(|byte| *byte == b'\n');
        let size = end.map_or(ready.len(), |at| at + 1);
        let is_done = end.is_some() || ready.is_empty();
        reader.consume(size);
        if is_done {
            return Ok(());
        }
    }
}

/// Holds an answer until it is whole, up to a bound.
struct Bounded {
    bytes: Vec<u8>,
    size_max: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.size_max {
            let message = format!("the answer is larger than {} bytes; take fewer rows", self.size_max);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
