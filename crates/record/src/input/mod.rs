//! Inputs of any format to the tables of a query: [`Inputs`] is the catalog.
//!
//! Opens nothing itself: an [`Input`] brings a function that does, or a reader that can be read once. Read in order:
//! `bytes` (decompression), `split` (records), `probe` (format and columns), `lines` (blocks
//! of lines), `parts` (blocks that threads read themselves), `scan` (rows), [`originals`] (records as they
//! stand in their input, with their rows), `report` (what was skipped).

pub(crate) mod bytes;

pub(crate) mod split;

mod probe;

mod lines;

mod parts;

mod scan;

pub mod originals;

pub(crate) mod report;

use crate::format::Format;
use crate::infer::widened;
use crate::otlp::Signal;
use crate::otlp::requests::{Envelope, Requests};
use crate::stream::{Catalog, Column, Projection, RowStream, StreamError, TableSchema};
use crate::tables::{self, Base};
use bytes::Window;
use dtq_source::{Code, Limits};
pub use lines::{Block, Decoded, Workers};
use originals::Originals;
pub use parts::Parts;
use probe::{Reading, Shape};
use report::{Collector, Tracker};
pub use report::{Misfit, Place, Report, Skip};
use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::Arc;

/// Opens an input; called once for probing and once for each time it is read.
pub type Open = Box<dyn Fn() -> io::Result<Box<dyn Read>>>;

/// Opens an input that can be read at any place; called each time it is read.
pub type OpenParts = Box<dyn Fn() -> io::Result<Arc<dyn Parts>>>;

/// Holds how an input is read.
enum Opener {
    Many(Open),
    Once(Rc<Once>),
}

/// Holds a reader that cannot be opened again: what probing took off it is kept and given again, once.
#[derive(Default)]
struct Once {
    reader: RefCell<Option<Box<dyn Read>>>,
    prefix: RefCell<Vec<u8>>,
}

/// How many bytes of an input that can be read once are kept while it is probed; the sample ends there.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// Reads from a [`Once`] and keeps what it read.
struct Keeping(Rc<Once>);

impl Read for Keeping {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let is_full = self.0.prefix.borrow().len() >= KEPT_BYTES_MAX;
        let size = match self.0.reader.borrow_mut().as_mut() {
            Some(reader) if !is_full => reader.read(buffer)?,
            _ => 0,
        };
        self.0.prefix.borrow_mut().extend_from_slice(&buffer[..size]);
        Ok(size)
    }
}

/// Holds one input: a file, standard input, bytes in memory.
pub struct Input {
    name: String,
    table: String,
    opener: Opener,
    parts: Option<OpenParts>,
    format: Option<Format>,
    schema: Vec<Column>,
}

impl Input {
    /// Returns an input that can be read any number of times. `name` stands in messages, `table` (the file's stem) in
    /// queries.
    pub fn new(name: impl Into<String>, table: impl Into<String>, open: Open) -> Self {
        Self::with_opener(name.into(), table.into(), Opener::Many(open))
    }

    /// Returns an input that can be read once, such as standard input.
    pub fn once(name: impl Into<String>, table: impl Into<String>, reader: Box<dyn Read>) -> Self {
        let once = Once { reader: RefCell::new(Some(reader)), prefix: RefCell::default() };
        Self::with_opener(name.into(), table.into(), Opener::Once(Rc::new(once)))
    }

    /// Returns an input of bytes in memory.
    pub fn from_bytes(name: impl Into<String>, table: impl Into<String>, bytes: Vec<u8>) -> Self {
        let bytes: Rc<[u8]> = Rc::from(bytes);
        Self::new(name, table, Box::new(move || Ok(Box::new(io::Cursor::new(Rc::clone(&bytes))))))
    }

    fn with_opener(name: String, table: String, opener: Opener) -> Self {
        Self { name, table, opener, parts: None, format: None, schema: Vec::new() }
    }

    /// Gives another way to the same bytes, for threads that read parts of a large input at the same time.
    #[must_use]
    pub fn with_parts(mut self, open: OpenParts) -> Self {
        self.parts = Some(open);
        self
    }

    /// Sets the format, which is otherwise found by content.
    #[must_use]
    pub fn with_format(mut self, format: Format) -> Self {
        self.format = Some(format);
        self
    }

    /// Sets types of columns, which are otherwise sampled; columns that the sample does not show are added.
    #[must_use]
    pub fn with_schema(mut self, schema: Vec<Column>) -> Self {
        self.schema = schema;
        self
    }

    fn open_for_probing(&self) -> io::Result<Box<dyn Read>> {
        match &self.opener {
            Opener::Many(open) => open(),
            Opener::Once(once) => Ok(Box::new(Keeping(Rc::clone(once)))),
        }
    }

    fn open(&self) -> io::Result<Box<dyn Read>> {
        match &self.opener {
            Opener::Many(open) => open(),
            Opener::Once(once) => match once.reader.borrow_mut().take() {
                Some(rest) => {
                    let prefix = std::mem::take(&mut *once.prefix.borrow_mut());
                    Ok(Box::new(io::Cursor::new(prefix).chain(rest)))
                }
                None => Err(io::Error::other(
                    "it can be read only once, and the query reads it twice; put it in a file or use materialize()",
                )),
            },
        }
    }
}

/// Holds what reading depends on besides the bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The time, in ticks, from which years that a syslog line lacks are inferred.
    pub now_ticks: i64,
}

/// Says what an input is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description<'i> {
    /// Its name in messages.
    pub name: &'i str,
    /// Its format.
    pub format: Format,
    /// Its signals, as far as its beginning shows.
    pub signals: Vec<Signal>,
    /// How its requests stand in it; `None` when it is not OTLP.
    pub envelope: Option<Envelope>,
    /// The table with its own columns; `None` for OTLP, which fills the standard tables only.
    pub table: Option<&'i str>,
}

/// Holds inputs whose formats and columns are known: the tables of a query.
pub struct Inputs {
    files: Vec<File>,
    limits: Limits,
    collector: Collector,
    /// Columns of `logs` behind the standard ones.
    log_columns: Vec<Column>,
    workers: Option<Rc<dyn Workers>>,
}

/// Holds an input and its shape.
struct File {
    input: Input,
    shape: Shape,
}

impl File {
    fn describe(&self) -> Description<'_> {
        Description {
            name: &self.input.name,
            format: self.shape.format,
            signals: self.shape.signals(),
            envelope: self.shape.envelope(),
            table: self.shape.has_own_table().then_some(self.input.table.as_str()),
        }
    }
}

impl Inputs {
    /// Looks at the beginning of each input.
    ///
    /// # Errors
    /// [`Code::E3008`] when one cannot be opened or read.
    pub fn probe(inputs: Vec<Input>, options: &Options, limits: &Limits) -> Result<Self, StreamError> {
        let mut files = Vec::new();
        for input in inputs {
            let shape = probe::probe(&input, options, limits).map_err(|error| cannot_read(&input.name, &error))?;
            files.push(File { input, shape });
        }
        let standard = tables::standard("logs").map(|table| table.columns.clone()).unwrap_or_default();
        let mut log_columns: Vec<Column> = Vec::new();
        for file in files.iter().filter(|file| file.shape.has_keys()) {
            merge_columns(&mut log_columns, &file.shape.columns);
        }
        log_columns.retain(|column| standard.iter().all(|known| known.name != column.name));
        Ok(Self { files, limits: limits.clone(), collector: Collector::default(), log_columns, workers: None })
    }

    /// Has large inputs of lines decoded by `workers`.
    pub fn set_workers(&mut self, workers: Rc<dyn Workers>) {
        self.workers = Some(workers);
    }

    /// Returns what was read and skipped so far.
    pub fn report(&self) -> Report {
        self.collector.report()
    }

    /// Returns which signals the inputs hold, as far as their beginnings show; files that are not OTLP are logs.
    pub fn signals(&self) -> Vec<Signal> {
        let mut signals: Vec<Signal> = self.files.iter().flat_map(|file| file.shape.signals()).collect();
        signals.sort_unstable();
        signals.dedup();
        signals
    }

    /// Returns what is known of each input, in order.
    pub fn descriptions(&self) -> Vec<Description<'_>> {
        self.files.iter().map(File::describe).collect()
    }

    /// Returns the requests of an input by its position; `None` when it is not OTLP.
    ///
    /// # Errors
    /// [`Code::E3008`] when it cannot be opened or read.
    pub fn requests(&self, index: usize) -> Result<Option<Requests<'_>>, StreamError> {
        let file = &self.files[index];
        let failed = |error: io::Error| cannot_read(&file.input.name, &error);
        let open = || -> io::Result<Window<'_>> { Window::new(file.input.open()?, &self.limits) };
        let tracker = Tracker::new(&self.collector, &file.input.name);
        Ok(match &file.shape.reading {
            Reading::Otlp(framing, signal) => {
                let window = open().map_err(failed)?;
                Some(Requests::of_protobuf(window, *framing, *signal, &self.limits, tracker))
            }
            Reading::OtlpJson(split, _) => {
                Some(Requests::of_json(open().map_err(failed)?, *split, &self.limits, tracker))
            }
            Reading::Records(..) => None,
        })
    }

    /// Returns the records of an input by its position, each with its row of `logs`; `None` when it is OTLP.
    ///
    /// # Errors
    /// [`Code::E3008`] when it cannot be opened or read.
    pub fn originals(&self, index: usize) -> Result<Option<Originals<'_>>, StreamError> {
        let file = &self.files[index];
        let Reading::Records(split, decoder) = &file.shape.reading else { return Ok(None) };
        let tracker = Tracker::new(&self.collector, &file.input.name);
        let window = file.input.open().and_then(|raw| Window::new(raw, &self.limits));
        let window = window.map_err(|error| cannot_read(&file.input.name, &error))?;
        let columns = &file.shape.columns;
        Ok(Some(Originals::new(window, *split, decoder, file.shape.format, columns, &self.limits, tracker)))
    }

    /// Returns the columns of the table that files with this stem fill.
    fn own_columns(&self, table: &str) -> Option<Vec<Column>> {
        let mut columns = None;
        for file in self.files.iter().filter(|file| file.input.table == table && file.shape.has_own_table()) {
            merge_columns(columns.get_or_insert_with(Vec::new), &file.shape.columns);
        }
        columns
    }

    fn base_columns(&self, base: Base) -> Vec<Column> {
        let mut columns = tables::standard(base.name()).map(|table| table.columns.clone()).unwrap_or_default();
        if base == Base::Logs {
            columns.extend(self.log_columns.iter().cloned());
        }
        columns
    }
}

/// Adds columns by name; of two types of one name the one that holds both stays.
fn merge_columns(columns: &mut Vec<Column>, more: &[Column]) {
    for column in more {
        match columns.iter_mut().find(|known| known.name == column.name) {
            Some(known) => known.ty = widened(known.ty, column.ty),
            None => columns.push(column.clone()),
        }
    }
}

pub(crate) fn cannot_read(name: &str, error: &io::Error) -> StreamError {
    StreamError { code: Code::E3008, message: format!("cannot read {name}: {error}") }
}

impl Catalog for Inputs {
    fn schema(&self, table: &str) -> Option<TableSchema> {
        let columns = match Base::parse(table) {
            Some(base) => self.base_columns(base),
            None => match tables::alias(table) {
                Some(alias) => alias.columns.clone(),
                None => self.own_columns(table)?,
            },
        };
        Some(TableSchema { name: table.to_owned(), columns })
    }

    fn table_names(&self) -> Vec<String> {
        let mut names: Vec<String> = Base::ALL.iter().map(|base| base.name().to_owned()).collect();
        names.extend(tables::aliases().iter().map(|alias| alias.name.clone()));
        for file in self.files.iter().filter(|file| file.shape.has_own_table()) {
            if !names.contains(&file.input.table) {
                names.push(file.input.table.clone());
            }
        }
        names
    }

    fn scan(&self, table: &str, projection: &Projection) -> Result<Box<dyn RowStream + '_>, StreamError> {
        if let Some(base) = Base::parse(table) {
            return Ok(Box::new(scan::Scan::of_base(self, base, projection.clone())));
        }
        if let Some(alias) = tables::alias(table) {
            return Ok(Box::new(tables::AliasRows::new(
                alias,
                self,
                projection,
                Tracker::new(&self.collector, &alias.name),
            )));
        }
        let columns = self
            .own_columns(table)
            .ok_or_else(|| StreamError { code: Code::E3008, message: format!("no input fills the table `{table}`") })?;
        Ok(Box::new(scan::Scan::of_own(self, table, columns, projection.clone())))
    }
}
