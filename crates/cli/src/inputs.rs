//! Words of the command line to the tables of a query: files, globs, stdin, and columns that are only declared.
//!
//! A file is found at once and opened when it is read. Next: `deadline.rs`, `spool.rs`, `workers.rs`,
//! `observe.rs`.

use crate::args::{Format, InputArguments};
use crate::deadline::{Deadline, UntilDeadline};
use crate::failure::Failure;
use crate::spool::Spool;
use crate::workers::Pool;
use dtq_engine::Options;
use dtq_record::input::{self, Input, Inputs, OpenParts, Parts, Report, Workers};
use dtq_record::stream::{Catalog, Column, Projection, Row, RowStream, StreamError, TableSchema};
use dtq_value::Type;
use indicatif::{ProgressBar, ProgressStyle};
use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

/// The table of declared columns when `--table` names none.
const DECLARED_TABLE: &str = "T";

/// Inputs below this size are read before a progress bar could be seen.
const PROGRESS_BYTES_MIN: u64 = 32 << 20;

/// Says which tables there are when no input is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutInput {
    /// None: a query that names one would only find it empty.
    NoTables,
    /// The standard ones, without rows.
    StandardTables,
}

/// Holds the tables of a command.
pub struct Opened {
    inputs: Inputs,
    /// Whether the tables of `inputs` can be named.
    has_inputs: bool,
    declared: Vec<TableSchema>,
    progress: Option<ProgressBar>,
    deadline: Rc<Cell<Deadline>>,
    pool: Option<Rc<Pool>>,
}

/// Returns the tables that the words name and the arguments declare; the beginning of each input has been read.
/// After `deadline` reading fails.
///
/// # Errors
/// [`Failure::Usage`] when an argument cannot be understood, [`Failure::Input`] when an input cannot be read.
pub fn open(
    words: &[String],
    arguments: &InputArguments,
    options: &Options<'_>,
    without: WithoutInput,
    deadline: Deadline,
    progress_wanted: bool,
) -> Result<Opened, Failure> {
    let schema = arguments.schema.as_deref().map(columns).transpose()?.unwrap_or_default();
    let sources = find(words)?;
    let has_inputs = !sources.is_empty() || without == WithoutInput::StandardTables;
    let mut declared = Vec::new();
    if sources.is_empty() && !schema.is_empty() {
        let name = arguments.table.clone().unwrap_or_else(|| DECLARED_TABLE.to_owned());
        declared.push(TableSchema { name, columns: schema.clone() });
    }
    let progress = if progress_wanted { progress_bar(&sources) } else { None };
    let deadline = Rc::new(Cell::new(deadline));
    let to_input = |source| to_input(source, arguments, &schema, &deadline, progress.as_ref());
    let inputs = sources.into_iter().map(to_input).collect();
    let read = input::Options { now_ticks: options.now_ticks };
    let inputs = Inputs::probe(inputs, &read, &options.limits).map_err(|error| Failure::Input(error.message))?;
    if let Some(bar) = &progress {
        bar.reset();
    }
    Ok(Opened { inputs, has_inputs, declared, progress, deadline, pool: None })
}

impl Opened {
    /// Returns the inputs themselves.
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// Has large inputs read by several threads.
    pub fn use_threads(&mut self, thread_count: usize) {
        if thread_count > 1 {
            let pool = Rc::new(Pool::new(thread_count));
            self.inputs.set_workers(Rc::clone(&pool) as Rc<dyn Workers>);
            self.pool = Some(pool);
        }
    }

    /// Returns how many threads have read so far.
    pub fn thread_count(&self) -> usize {
        self.pool.as_ref().map_or(1, |pool| pool.working_count())
    }

    /// Returns what was read and what was skipped so far.
    pub fn report(&self) -> Report {
        self.inputs.report()
    }

    /// Sets another time after which reading fails.
    pub fn set_deadline(&self, deadline: Deadline) {
        self.deadline.set(deadline);
    }

    /// Removes the progress bar.
    pub fn finish_progress(&self) {
        if let Some(bar) = &self.progress {
            bar.finish_and_clear();
        }
    }

    fn declared(&self, table: &str) -> Option<&TableSchema> {
        self.declared.iter().find(|schema| schema.name == table)
    }
}

impl Catalog for Opened {
    fn schema(&self, table: &str) -> Option<TableSchema> {
        match self.declared(table) {
            Some(schema) => Some(schema.clone()),
            None if self.has_inputs => self.inputs.schema(table),
            None => None,
        }
    }

    fn table_names(&self) -> Vec<String> {
        let inputs = if self.has_inputs { self.inputs.table_names() } else { Vec::new() };
        self.declared.iter().map(|schema| schema.name.clone()).chain(inputs).collect()
    }

    fn scan(&self, table: &str, projection: &Projection) -> Result<Box<dyn RowStream + '_>, StreamError> {
        match self.declared(table) {
            Some(_) => Ok(Box::new(NoRows)),
            None => self.inputs.scan(table, projection),
        }
    }
}

/// Adds tables without rows to a catalog; they hide its tables of the same names.
pub struct WithTables<'a> {
    /// The tables added.
    pub tables: Vec<TableSchema>,
    /// The catalog.
    pub base: &'a dyn Catalog,
}

impl Catalog for WithTables<'_> {
    fn schema(&self, table: &str) -> Option<TableSchema> {
        self.tables.iter().find(|schema| schema.name == table).cloned().or_else(|| self.base.schema(table))
    }

    fn table_names(&self) -> Vec<String> {
        self.tables.iter().map(|schema| schema.name.clone()).chain(self.base.table_names()).collect()
    }

    fn scan(&self, table: &str, projection: &Projection) -> Result<Box<dyn RowStream + '_>, StreamError> {
        if self.tables.iter().any(|schema| schema.name == table) {
            return Ok(Box::new(NoRows));
        }
        self.base.scan(table, projection)
    }
}

/// The rows of a table that is only declared.
struct NoRows;

impl RowStream for NoRows {
    fn read(&mut self, _: &mut Vec<Row>) -> Result<bool, StreamError> {
        Ok(false)
    }
}

/// Returns the columns of `--schema`: `name:type, ['a name']:type`.
fn columns(text: &str) -> Result<Vec<Column>, Failure> {
    let wrong = |why: String| Failure::Usage(format!("--schema: {why}; write it like `time:datetime, ['a b']:string`"));
    let mut columns = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = column_name(rest).ok_or_else(|| wrong(format!("no name and colon in `{rest}`")))?;
        let (ty, more) = after.split_once(',').unwrap_or((after, ""));
        let ty = ty.trim();
        let known = Type::parse(ty).ok_or_else(|| wrong(format!("`{ty}` is no type")))?;
        columns.push(Column::new(name, known));
        rest = more.trim();
    }
    if columns.is_empty() { Err(wrong("there is no column".to_owned())) } else { Ok(columns) }
}

/// Holds a file of which threads read parts.
struct FileParts {
    file: File,
    size: u64,
    progress: Option<ProgressBar>,
}

impl Parts for FileParts {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let size = self.file.read_at(buffer, offset)?;
        if let Some(bar) = &self.progress {
            bar.inc(size as u64);
        }
        Ok(size)
    }
}

/// Returns the name at the beginning and what stands behind its colon.
fn column_name(text: &str) -> Option<(&str, &str)> {
    for (open, close) in [("['", "']"), ("[\"", "\"]")] {
        if let Some(inside) = text.strip_prefix(open) {
            let (name, after) = inside.split_once(close)?;
            return Some((name, after.trim_start().strip_prefix(':')?));
        }
    }
    let (name, after) = text.split_once(':')?;
    let name = name.trim();
    (!name.is_empty()).then_some((name, after))
}

fn to_input(
    source: Source,
    arguments: &InputArguments,
    schema: &[Column],
    deadline: &Rc<Cell<Deadline>>,
    bar: Option<&ProgressBar>,
) -> Input {
    let name = source.name.clone();
    let table = arguments.table.clone().unwrap_or_else(|| source.stem.clone());
    let bar = bar.cloned();
    let deadline = Rc::clone(deadline);
    let parts = source.parts(bar.clone());
    let open = move || -> io::Result<Box<dyn Read>> {
        Ok(Box::new(UntilDeadline { reader: source.open(bar.as_ref())?, deadline: Rc::clone(&deadline) }))
    };
    let mut input = Input::new(name, table, Box::new(open)).with_schema(schema.to_vec());
    if let Some(open) = parts {
        input = input.with_parts(open);
    }
    match arguments.format {
        Some(format) => input.with_format(record_format(format)),
        None => input,
    }
}

fn record_format(format: Format) -> dtq_record::Format {
    match format {
        Format::Otlp => dtq_record::Format::Otlp,
        Format::OtlpJson => dtq_record::Format::OtlpJson,
        Format::Ndjson => dtq_record::Format::Ndjson,
        Format::Json => dtq_record::Format::Json,
        Format::Csv => dtq_record::Format::Csv,
        Format::Tsv => dtq_record::Format::Tsv,
        Format::Syslog => dtq_record::Format::Syslog,
        Format::Logfmt => dtq_record::Format::Logfmt,
        Format::Text => dtq_record::Format::Text,
    }
}

/// Returns a bar over the bytes of all sources, when they are known and many.
fn progress_bar(sources: &[Source]) -> Option<ProgressBar> {
    let size: u64 = sources.iter().map(|source| source.size_bytes).sum::<Option<u64>>()?;
    if size < PROGRESS_BYTES_MIN {
        return None;
    }
    let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}").ok()?;
    Some(ProgressBar::new(size).with_style(style))
}

/// The word that stands for stdin.
const STDIN: &str = "-";

/// Holds one input that is there and can be opened.
pub struct Source {
    /// What messages call it.
    pub name: String,
    /// The name of its table: the file's name without extensions.
    pub stem: String,
    /// How many bytes it has, when that is known.
    pub size_bytes: Option<u64>,
    kind: SourceKind,
}

enum SourceKind {
    /// A file that can be opened as often as needed.
    File(PathBuf),
    /// A pipe: what it gives, it gives once.
    Pipe(Spool),
    /// As a pipe.
    Stdin(Spool),
}

impl Source {
    /// Returns a reader from the beginning, which advances `progress`.
    ///
    /// # Errors
    /// When the file cannot be opened, or stdin cannot be read again.
    pub fn open(&self, progress: Option<&ProgressBar>) -> io::Result<Box<dyn Read>> {
        let reader: Box<dyn Read> = match &self.kind {
            SourceKind::File(path) => Box::new(File::open(path)?),
            SourceKind::Pipe(spool) | SourceKind::Stdin(spool) => spool.open()?,
        };
        Ok(match progress {
            Some(bar) => Box::new(bar.wrap_read(reader)),
            None => reader,
        })
    }

    /// Returns what opens a file to read any part of it, which advances `progress`; a pipe has no parts.
    fn parts(&self, progress: Option<ProgressBar>) -> Option<OpenParts> {
        let SourceKind::File(path) = &self.kind else { return None };
        let path = path.clone();
        Some(Box::new(move || {
            let file = File::open(&path)?;
            let size = file.metadata()?.len();
            Ok(Arc::new(FileParts { file, size, progress: progress.clone() }))
        }))
    }
}

/// Returns the inputs that the words name, in order; a glob gives its files in the order of their names.
///
/// # Errors
/// [`Failure::Usage`] or [`Failure::Input`] when a word names nothing that can be read.
pub fn find(words: &[String]) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    for word in words {
        if word != STDIN {
            sources.extend(files_of(word)?);
            continue;
        }
        if sources.iter().any(|source: &Source| matches!(source.kind, SourceKind::Stdin(_))) {
            return Err(Failure::Usage("stdin (`-`) is given twice".into()));
        }
        let kind = SourceKind::Stdin(Spool::new(Box::new(io::stdin())));
        sources.push(Source { name: "stdin".into(), stem: "stdin".into(), size_bytes: None, kind });
    }
    Ok(sources)
}

/// Returns the file of this name, or the files that it matches as a pattern.
fn files_of(word: &str) -> Result<Vec<Source>, Failure> {
    let path = Path::new(word);
    if path.exists() || !word.contains(['*', '?', '[']) {
        return Ok(vec![file(path)?]);
    }
    let matches = glob::glob(word).map_err(|error| Failure::Usage(format!("`{word}` is no pattern: {}", error.msg)))?;
    let paths: Vec<PathBuf> = matches.filter_map(Result::ok).filter(|path| path.is_file()).collect();
    if paths.is_empty() {
        return Err(Failure::Input(format!("no file matches `{word}`")));
    }
    paths.iter().map(|path| file(path)).collect()
}

fn file(path: &Path) -> Result<Source, Failure> {
    let shown = path.display();
    let metadata = fs::metadata(path).map_err(|error| Failure::Input(format!("cannot read `{shown}`: {error}")))?;
    if metadata.is_dir() {
        return Err(Failure::Usage(format!("`{shown}` is a directory; name its files: `{shown}/*`")));
    }
    let failed = |error: io::Error| Failure::Input(format!("cannot read `{shown}`: {error}"));
    let opened = File::open(path).map_err(failed)?;
    let kind = if metadata.is_file() {
        SourceKind::File(path.to_owned())
    } else {
        SourceKind::Pipe(Spool::new(Box::new(opened)))
    };
    let size_bytes = metadata.is_file().then_some(metadata.len());
    Ok(Source { name: shown.to_string(), stem: stem(path), size_bytes, kind })
}

/// Returns the file's name without the extension of its compression and then without its own.
fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let plain = [".gz", ".zst", ".zstd"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    match plain.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem.to_owned(),
        _ => plain.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_names_and_types() {
        let expected =
            vec![Column::new("a", Type::DateTime), Column::new("b: c", Type::Long), Column::new("d", Type::Real)];
        assert_eq!(columns(" a:datetime, ['b: c']:long,[\"d\"] : double").unwrap(), expected);
        for wrong in ["", "a", "a:", ":long", "a:longer", "['a:long", "a:long b:long"] {
            assert!(columns(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn stems_lose_compression_and_extension() {
        for (path, expected) in [
            ("a/orders.csv", "orders"),
            ("orders.csv.gz", "orders"),
            ("postgres.ndjson.zst", "postgres"),
            ("plain", "plain"),
            (".hidden", ".hidden"),
            ("access.2024.log", "access.2024"),
        ] {
            assert_eq!(stem(Path::new(path)), expected);
        }
    }
}
