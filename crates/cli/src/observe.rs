//! A catalog to the same catalog, watched: which columns and paths that a query reads were there in no record.
//!
//! A key that is typed wrong is no error in KQL, it is null. What was null in every record is therefore worth a word.
//! Next: `report.rs`, which says it.

use dtq_ir::Program;
use dtq_ir::reads::{self, Path, Read};
use dtq_record::stream::{Catalog, Projection, Row, RowStream, StreamError, TableSchema};
use dtq_source::SourceText;
use dtq_value::Value;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How many different keys beside a missing one are remembered, to suggest the one that was meant.
const KEYS_MAX: usize = 1_000;

/// How many columns and paths are watched at once.
const WATCHES_MAX: usize = 200;

/// How many records are searched for such keys.
const KEY_RECORDS_MAX: u64 = 10_000;

/// Holds a catalog and what was seen in its rows.
pub struct Observed<'a> {
    inner: &'a dyn Catalog,
    watches: RefCell<Vec<Watch>>,
    tables: RefCell<Vec<TableCount>>,
    read_time: Cell<Duration>,
}

/// Holds how many rows of a table were read.
struct TableCount {
    table: String,
    row_count: u64,
}

/// Holds a column or path that the query reads.
struct Watch {
    path: Path,
    column_index: usize,
    is_seen: bool,
    /// Keys that stood beside the one that was missing.
    keys: BTreeSet<String>,
    searched_count: u64,
}

/// Holds what was null in every record of a table.
#[derive(Debug, PartialEq, Eq)]
pub struct NeverSeen {
    /// The table.
    pub table: String,
    /// How many records were read.
    pub row_count: u64,
    /// The column or path, as the query writes it; `None` when the table had no records at all.
    pub path: Option<String>,
    /// The nearest of the keys that were there.
    pub nearest: Option<String>,
}

impl<'a> Observed<'a> {
    /// Returns the watched catalog; nothing is looked for until [`Observed::watch`].
    pub fn new(inner: &'a dyn Catalog) -> Self {
        Self { inner, watches: RefCell::default(), tables: RefCell::default(), read_time: Cell::default() }
    }

    /// Begins to look for what the program reads, and forgets what compiling it has read.
    pub fn watch(&self, program: &Program, source: &SourceText) {
        self.tables.borrow_mut().clear();
        self.read_time.set(Duration::ZERO);
        let mut paths: Vec<Path> = Vec::new();
        for Read { path, span } in reads::of(program) {
            // A column that an operator only passes on is not what the query asks for.
            let is_named = !path.keys.is_empty() || source.slice(span).contains(&path.column);
            if is_named && !paths.contains(&path) && paths.len() < WATCHES_MAX {
                paths.push(path);
            }
        }
        *self.watches.borrow_mut() = paths.into_iter().filter_map(|path| self.watch_of(path)).collect();
    }

    fn watch_of(&self, path: Path) -> Option<Watch> {
        let columns = self.inner.schema(&path.table)?.columns;
        let column_index = columns.iter().position(|column| column.name == path.column)?;
        Some(Watch { path, column_index, is_seen: false, keys: BTreeSet::new(), searched_count: 0 })
    }

    /// Returns how long reading rows took, decoding included.
    pub fn read_time(&self) -> Duration {
        self.read_time.get()
    }

    /// Returns how many rows were read from all tables.
    pub fn row_count(&self) -> u64 {
        self.tables.borrow().iter().map(|count| count.row_count).sum()
    }

    /// Returns what the query reads and no record had, and tables without records.
    pub fn never_seen(&self) -> Vec<NeverSeen> {
        let tables = self.tables.borrow();
        let watches = self.watches.borrow();
        let mut never = Vec::new();
        for TableCount { table, row_count } in tables.iter() {
            let (table, row_count) = (table.clone(), *row_count);
            if row_count == 0 {
                never.push(NeverSeen { table, row_count, path: None, nearest: None });
                continue;
            }
            never.extend(watches.iter().filter(|watch| watch.path.table == table && !watch.is_seen).map(|watch| {
                let path = Some(shown(&watch.path));
                NeverSeen { table: table.clone(), row_count, path, nearest: watch.nearest() }
            }));
        }
        never
    }

    fn observe(&self, table: &str, rows: &[Row], passed_over: u64) {
        let mut tables = self.tables.borrow_mut();
        if let Some(count) = tables.iter_mut().find(|count| count.table == table) {
            count.row_count += rows.len() as u64 + passed_over;
        }
        let mut watches = self.watches.borrow_mut();
        for watch in watches.iter_mut().filter(|watch| watch.path.table == *table && !watch.is_seen) {
            watch.is_seen = rows.iter().any(|row| watch.finds(row));
        }
    }

    /// Says whether less of a table can be read than all without missing what is looked for, and if so, whether records
    /// can be passed over.
    fn leeway(&self, table: &str) -> Option<bool> {
        let watches = self.watches.borrow();
        let mut unseen = watches.iter().filter(|watch| watch.path.table == table && !watch.is_seen).peekable();
        let is_all_seen = unseen.peek().is_none();
        unseen.all(Watch::has_its_keys).then_some(is_all_seen)
    }
}

impl Watch {
    /// Says whether the row has the path; where it has not, remembers the keys that stand in its place.
    fn finds(&mut self, row: &Row) -> bool {
        let Some(mut value) = row.get(self.column_index) else {
            return false;
        };
        for (depth, key) in self.path.keys.iter().enumerate() {
            let Value::Bag(bag) = value else {
                return false;
            };
            match bag.get(key.as_bytes()) {
                Some(inner) => value = inner,
                None => {
                    let is_last = depth + 1 == self.path.keys.len();
                    if is_last && self.searched_count < KEY_RECORDS_MAX && self.keys.len() < KEYS_MAX {
                        self.searched_count += 1;
                        self.keys.extend(bag.iter().map(|(key, _)| key.as_text().into_owned()));
                    }
                    return false;
                }
            }
        }
        match value {
            Value::Null => false,
            // A string column is never null: empty is what a missing one is.
            Value::String(text) if self.path.keys.is_empty() => !text.is_empty(),
            _ => true,
        }
    }

    /// Says whether no further keys beside a missing one are wanted.
    fn has_its_keys(&self) -> bool {
        self.path.keys.is_empty() || self.searched_count >= KEY_RECORDS_MAX || self.keys.len() >= KEYS_MAX
    }

    fn nearest(&self) -> Option<String> {
        let wanted = self.path.keys.last()?;
        let folded = wanted.to_lowercase();
        let distances = self.keys.iter().map(|key| (strsim::osa_distance(&folded, &key.to_lowercase()), key));
        let (distance, key) = distances.min()?;
        (distance <= 1 + wanted.chars().count() / 4).then(|| key.clone())
    }
}

/// Returns the path as a query writes it: `Attributes["http.method"]`.
fn shown(path: &Path) -> String {
    let keys: Vec<String> = path.keys.iter().map(|key| format!("[\"{key}\"]")).collect();
    format!("{}{}", path.column, keys.concat())
}

impl Catalog for Observed<'_> {
    fn schema(&self, table: &str) -> Option<TableSchema> {
        self.inner.schema(table)
    }

    fn table_names(&self) -> Vec<String> {
        self.inner.table_names()
    }

    fn scan(&self, table: &str, projection: &Projection) -> Result<Box<dyn RowStream + '_>, StreamError> {
        let stream = self.inner.scan(table, projection)?;
        let mut tables = self.tables.borrow_mut();
        if !tables.iter().any(|count| count.table == table) {
            tables.push(TableCount { table: table.to_owned(), row_count: 0 });
        }
        Ok(Box::new(ObservedStream { observed: self, table: table.to_owned(), stream, allowed: None, narrowed: None }))
    }
}

struct ObservedStream<'o> {
    observed: &'o Observed<'o>,
    table: String,
    stream: Box<dyn RowStream + 'o>,
    /// How the reader lets the stream be narrowed.
    allowed: Option<bool>,
    /// How it was.
    narrowed: Option<bool>,
}

impl ObservedStream<'_> {
    /// Narrows the stream as far as what is looked for is found.
    fn narrow_if_found(&mut self) {
        let Some(allowed) = self.allowed.filter(|allowed| self.narrowed != Some(*allowed)) else { return };
        let leeway = self.observed.leeway(&self.table).map(|may_pass_over| may_pass_over && allowed);
        if let Some(may_pass_over) = leeway.filter(|leeway| self.narrowed != Some(*leeway)) {
            self.stream.narrow(may_pass_over);
            self.narrowed = Some(may_pass_over);
        }
    }
}

impl RowStream for ObservedStream<'_> {
    fn read(&mut self, batch: &mut Vec<Row>) -> Result<bool, StreamError> {
        let start = batch.len();
        let began = Instant::now();
        let result = self.stream.read(batch);
        self.observed.read_time.set(self.observed.read_time.get() + began.elapsed());
        self.observed.observe(&self.table, &batch[start..], self.stream.take_passed_over());
        self.narrow_if_found();
        result
    }

    fn narrow(&mut self, may_pass_over: bool) {
        self.allowed = Some(may_pass_over);
        self.narrow_if_found();
    }
}
