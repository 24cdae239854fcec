//! Keys and values of one non-OTLP record to a row: of the table with the file's own columns, or of `logs`.
//!
//! In `logs` the well-known keys fill the standard columns, all others Attributes; a top-level key is a column besides.
//! A value that does not fit its column becomes null and is counted.

use crate::convert::{fit, parse, text_of};
use crate::input::report::{Place, Tracker};
use crate::json::RecordSink;
use crate::known::{Role, id_of, role_of, severity_number, ticks_of};
use crate::otlp::logs::column;
use crate::stream::{Column, Inside, NeededRange, Projection, Row};
use dtq_value::{Bag, Str, Type, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// Takes what a format finds in one record.
pub(crate) trait Sink: RecordSink {
    /// Takes a key with a text.
    fn text(&mut self, key: &[u8], text: &[u8]);

    /// Says whether a standard column of `logs` is read.
    fn reads(&self, column: usize) -> bool;

    /// Takes the value of a standard column.
    fn standard(&mut self, column: usize, value: Value);

    /// Takes a value that belongs into Attributes of `logs` and is no key of the file.
    fn attribute(&mut self, key: &str, value: Value);

    /// Takes a value that belongs into Resource of `logs`.
    fn resource(&mut self, key: &str, value: Value);
}

/// Says where the values of a key go.
#[derive(Clone, Debug)]
struct Key {
    /// Its name, shared with every bag that holds it.
    name: Str,
    /// Position in [`Plan::keys`], for telling repeated keys.
    index: usize,
    /// Its type in the file.
    ty: Type,
    /// Column of the table and its type, when the column is read.
    column: Option<(usize, Type)>,
    /// What it stands for in `logs`, and its rank there.
    role: Option<(Role, usize)>,
    /// What is read of its value, when anything is.
    wanted: Option<Inside>,
    /// The least and the greatest integer with which a record matters.
    range: Option<(i64, i64)>,
}

impl Key {
    /// Returns a copy that shares nothing with this one: names are in every bag, and other threads make bags, too.
    fn detached(&self) -> Self {
        let wanted = self.wanted.as_ref().map(Inside::detached);
        Key { name: Str::from(self.name.as_bytes()), wanted, ..*self }
    }
}

/// Holds what a reader needs to know about a file's keys and the table it fills.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    width: usize,
    keys: HashMap<Vec<u8>, Key, rustc_hash::FxBuildHasher>,
    columns: Vec<Column>,
    /// Columns that are read and are strings, which are never null.
    texts: Vec<usize>,
    /// Which standard columns of `logs` are read; `None` when the table is the file's own.
    standard: Option<Vec<bool>>,
    /// What is read inside of Attributes of `logs`, when they are read.
    attributes: Option<Inside>,
    /// For each role whether its keys matter.
    reads_roles: [bool; Role::ALL.len()],
    /// Whether keys become well-known columns and attributes of `logs`.
    is_mapped: bool,
}

impl Plan {
    /// Returns the plan for the file's own table, whose columns are `table`, of which some are in the file.
    pub fn own(file: &[Column], table: &[Column], projection: &Projection) -> Self {
        Self::new(file, table, projection, None, false)
    }

    /// Returns the plan for `logs`, whose columns are `table`: the standard ones and then those of files.
    ///
    /// With `is_mapped`, keys become well-known columns and attributes; otherwise the format itself says what does.
    pub fn logs(file: &[Column], table: &[Column], projection: &Projection, is_mapped: bool) -> Self {
        let is_read = |index| projection.is_read.get(index).copied().unwrap_or(false);
        Self::new(file, table, projection, Some((0..column::COUNT).map(is_read).collect()), is_mapped)
    }

    fn new(
        file: &[Column],
        table: &[Column],
        projection: &Projection,
        standard: Option<Vec<bool>>,
        is_mapped: bool,
    ) -> Self {
        let first = if standard.is_some() { column::COUNT } else { 0 };
        let is_read = |at: &usize| projection.is_read.get(*at).copied().unwrap_or(false);
        let reads_attributes = standard.as_ref().is_some_and(|standard| standard[column::ATTRIBUTES]);
        let attributes = reads_attributes.then(|| projection.inside(column::ATTRIBUTES).clone());
        let texts = (first..table.len()).filter(|at| table[*at].ty == Type::String && is_read(at)).collect();
        let (width, columns) = (table.len(), table.to_vec());
        let keys = HashMap::default();
        let reads_roles = [false; Role::ALL.len()];
        let mut plan = Self { width, keys, columns, texts, standard, attributes, reads_roles, is_mapped };
        plan.reads_roles = Role::ALL.map(|role| plan.needs_role(role));
        for known in file {
            let position = table.iter().skip(first).position(|column| column.name == known.name);
            let read = position.map(|at| at + first).filter(is_read);
            let role = if is_mapped { role_of(known.name.as_bytes()) } else { None };
            let name = Str::from(known.name.as_str());
            let index = plan.keys.len();
            let wanted = plan.wanted(&name, read.map(|at| projection.inside(at)), role.map(|(role, _)| role));
            let of_column = |range: &&NeededRange| read == Some(range.column);
            let range = projection.ranges.iter().find(of_column).map(|range| (range.least, range.greatest));
            let column = read.map(|at| (at, table[at].ty));
            let key = Key { name, index, ty: known.ty, column, role, wanted, range };
            plan.keys.entry(known.name.clone().into_bytes()).or_insert(key);
        }
        plan
    }

    /// Returns what is read of the value of a key of the file: what its own column wants and what `logs` does.
    fn wanted(&self, name: &Str, own: Option<&Inside>, role: Option<Role>) -> Option<Inside> {
        let for_logs = match role {
            Some(role) => self.reads_role(role).then_some(&Inside::Whole),
            None if self.is_mapped => self.attribute(name.as_bytes()),
            None => None,
        };
        match (own, for_logs) {
            (Some(one), None) | (None, Some(one)) => Some(one.clone()),
            (Some(own), Some(for_logs)) if own == for_logs => Some(own.clone()),
            (Some(_), Some(_)) => Some(Inside::Whole),
            (None, None) => None,
        }
    }

    /// Says whether something may be read of the value of a key.
    pub fn reads_key(&self, key: &[u8]) -> bool {
        self.keys.get(key).is_none_or(|known| known.wanted.is_some())
    }

    /// Returns what is read of the attribute of this name.
    fn attribute(&self, name: &[u8]) -> Option<&Inside> {
        self.attributes.as_ref().and_then(|inside| inside.of_key(name))
    }

    /// Says whether a standard column is read.
    pub fn reads(&self, column: usize) -> bool {
        self.standard.as_ref().is_some_and(|standard| standard[column])
    }

    /// Says whether the table is `logs`.
    pub fn is_logs(&self) -> bool {
        self.standard.is_some()
    }

    fn reads_role(&self, role: Role) -> bool {
        self.reads_roles[role as usize]
    }

    /// Says whether the keys of a role matter. One that loses against a better key is an attribute, so that all of the
    /// role matter where one of them is read as an attribute.
    fn needs_role(&self, role: Role) -> bool {
        let has_role = |key: &Str| role_of(key.as_bytes()).is_some_and(|(found, _)| found == role);
        let is_attribute = match &self.attributes {
            None => false,
            Some(Inside::Whole) => true,
            Some(Inside::Keys(keys)) => keys.iter().any(|(key, _)| has_role(key)),
        };
        is_attribute
            || match role {
                Role::Time => self.reads(column::TIMESTAMP),
                Role::Severity => self.reads(column::SEVERITY_NUMBER) || self.reads(column::SEVERITY_TEXT),
                Role::Message => self.reads(column::BODY),
                Role::TraceId => self.reads(column::TRACE_ID),
                Role::SpanId => self.reads(column::SPAN_ID),
            }
    }
}

/// Holds the value of a well-known key until it is certain that no better one follows.
#[derive(Clone, Debug)]
struct Candidate {
    rank: usize,
    name: Str,
    value: Value,
}

/// Says where the value that comes next goes.
#[derive(Clone, Debug)]
enum Pending {
    Known { index: usize },
    Unknown { name: Str, role: Option<(Role, usize)> },
}

/// Builds rows by a plan, one record at a time.
pub(crate) struct RowBuilder {
    plan: Arc<Plan>,
    keys: Vec<Key>,
    row: Row,
    /// For each key of the plan, the number of the last record that had it.
    seen: Vec<u64>,
    record: u64,
    pending: Option<Pending>,
    attributes: Bag,
    resource: Bag,
    candidates: [Option<Candidate>; Role::ALL.len()],
    misfits: Vec<usize>,
    unknown: Vec<Str>,
    is_lossy: bool,
    /// Whether a record may be left when its values decide that it does not matter.
    may_settle: bool,
    /// Whether they did.
    is_settled: bool,
    /// What a record without scope and resource has, shared by all rows.
    empty_scope: Value,
    empty_bag: Value,
}

impl RowBuilder {
    /// Returns a builder.
    pub fn new(plan: Arc<Plan>) -> Self {
        let mut keys: Vec<Key> = plan.keys.values().map(Key::detached).collect();
        keys.sort_by_key(|key| key.index);
        Self {
            row: vec![Value::Null; plan.width],
            seen: vec![0; keys.len()],
            plan,
            keys,
            record: 1,
            pending: None,
            attributes: Bag::new(),
            resource: Bag::new(),
            candidates: Default::default(),
            misfits: Vec::new(),
            unknown: Vec::new(),
            is_lossy: false,
            may_settle: false,
            is_settled: false,
            empty_scope: empty_scope(),
            empty_bag: Value::bag(Bag::new()),
        }
    }

    /// Says whether the records that follow may be left when their values decide that they do not matter.
    pub fn set_may_settle(&mut self, may_settle: bool) {
        self.may_settle = may_settle;
    }

    /// Drops what was taken of a record that turned out malformed.
    pub fn discard(&mut self) {
        drop(self.take());
    }

    /// Returns the row of the record and begins the next.
    pub fn finish(&mut self, place: Place, tracker: &Tracker<'_>) -> Row {
        if self.plan.is_logs() {
            self.settle_candidates();
            self.settle_standard();
        }
        for column in &self.plan.texts {
            if self.row[*column].is_null() {
                self.row[*column] = Value::string("");
            }
        }
        for column in std::mem::take(&mut self.misfits) {
            tracker.misfit(&self.plan.columns[column].name, self.plan.columns[column].ty, place);
        }
        if std::mem::take(&mut self.is_lossy) {
            tracker.note_at(place, "bytes that are not UTF-8 are read as U+FFFD; this is the first such record");
        }
        for name in std::mem::take(&mut self.unknown) {
            tracker.note_at(place, &unknown_key_note(&name));
        }
        self.take()
    }

    fn take(&mut self) -> Row {
        self.record += 1;
        self.is_settled = false;
        self.pending = None;
        self.candidates = Default::default();
        self.misfits.clear();
        self.unknown.clear();
        self.attributes = Bag::new();
        self.resource = Bag::new();
        std::mem::replace(&mut self.row, vec![Value::Null; self.plan.width])
    }

    fn wants_bytes(&mut self, key: &[u8]) -> Option<Inside> {
        let Some(known) = self.plan.keys.get(key) else {
            return self.wants_unknown(key);
        };
        if self.seen[known.index] == self.record {
            return None;
        }
        self.seen[known.index] = self.record;
        self.pending = Some(Pending::Known { index: known.index });
        self.keys[known.index].wanted.clone()
    }

    /// A key that the sample did not show: it still goes to the standard columns; in the file's own table it is lost,
    /// which is said once.
    fn wants_unknown(&mut self, key: &[u8]) -> Option<Inside> {
        if !self.plan.is_logs() {
            self.unknown.push(Str::from(key));
            return None;
        }
        let role = role_of(key);
        let wanted = match role {
            Some((role, _)) => self.plan.reads_role(role).then_some(&Inside::Whole),
            None => self.plan.attribute(key),
        };
        let wanted = wanted.cloned()?;
        self.pending = Some(Pending::Unknown { name: Str::from(key), role });
        Some(wanted)
    }

    fn put(&mut self, name: &Str, role: Option<(Role, usize)>, value: Value) {
        match role {
            Some((role, rank)) if self.plan.reads_role(role) => self.put_candidate(role, rank, name, value),
            None if self.plan.attribute(name.as_bytes()).is_some() => {
                self.attributes.set_if_absent(name.clone(), value);
            }
            _ => {}
        }
    }

    fn put_candidate(&mut self, role: Role, rank: usize, name: &Str, value: Value) {
        let candidate = Candidate { rank, name: name.clone(), value };
        let slot = &mut self.candidates[role as usize];
        let loser = match slot {
            // The same key again: the first is read, as of keys that the sample has shown.
            Some(held) if held.rank == rank => None,
            Some(held) if held.rank < rank => Some(candidate),
            _ => slot.replace(candidate),
        };
        if let Some(loser) = loser {
            self.put(&loser.name, None, loser.value);
        }
    }

    /// Moves the well-known values into their columns; those that say nothing go to Attributes.
    fn settle_candidates(&mut self) {
        for role in Role::ALL {
            let Some(Candidate { name, value, .. }) = self.candidates[role as usize].take() else { continue };
            let taken = match role {
                Role::Time => ticks_of(&value).map(|ticks| (column::TIMESTAMP, Value::DateTime(ticks))),
                Role::TraceId => id_of(&value, 16).map(|id| (column::TRACE_ID, Value::string(id))),
                Role::SpanId => id_of(&value, 8).map(|id| (column::SPAN_ID, Value::string(id))),
                Role::Message => Some((column::BODY, value.clone())),
                Role::Severity if matches!(value, Value::Array(_) | Value::Bag(_)) => None,
                Role::Severity => {
                    let text = text_of(&value);
                    self.row[column::SEVERITY_NUMBER] = Value::Int(severity_number(&text));
                    Some((column::SEVERITY_TEXT, Value::string(text)))
                }
            };
            match taken {
                Some((column, value)) => self.row[column] = value,
                None => self.put(&name, None, value),
            }
        }
    }

    /// Gives the standard columns without a value what they are then: empty texts and bags, never null bags.
    fn settle_standard(&mut self) {
        for index in (0..column::COUNT).filter(|index| self.plan.reads(*index)) {
            let missing = match index {
                column::ATTRIBUTES if !self.attributes.is_empty() => Value::bag(std::mem::take(&mut self.attributes)),
                column::RESOURCE if !self.resource.is_empty() => Value::bag(std::mem::take(&mut self.resource)),
                column::ATTRIBUTES | column::RESOURCE => self.empty_bag.clone(),
                column::SCOPE => self.empty_scope.clone(),
                column::TRACE_FLAGS | column::SEVERITY_NUMBER => Value::Int(0),
                column::TRACE_ID | column::SPAN_ID | column::SEVERITY_TEXT | column::EVENT_NAME => Value::string(""),
                _ => Value::Null,
            };
            if self.row[index].is_null() {
                self.row[index] = missing;
            }
        }
    }
}

impl Sink for RowBuilder {
    fn text(&mut self, key: &[u8], text: &[u8]) {
        if self.wants_bytes(key).is_some() {
            let ty = match &self.pending {
                Some(Pending::Known { index }) => self.keys[*index].ty,
                _ => Type::String,
            };
            let typed = matches!(ty, Type::Bool | Type::Int | Type::Long | Type::Real).then(|| parse(ty, text));
            self.accept(typed.flatten().unwrap_or_else(|| Value::string(text)));
        }
    }

    fn reads(&self, column: usize) -> bool {
        self.plan.reads(column)
    }

    fn standard(&mut self, column: usize, value: Value) {
        if self.plan.reads(column) {
            self.row[column] = value;
        }
    }

    fn attribute(&mut self, key: &str, value: Value) {
        if self.plan.attribute(key.as_bytes()).is_some() {
            self.attributes.set_if_absent(Str::from(key), value);
        }
    }

    fn resource(&mut self, key: &str, value: Value) {
        if self.plan.reads(column::RESOURCE) {
            self.resource.set_if_absent(Str::from(key), value);
        }
    }
}

impl RecordSink for RowBuilder {
    fn wants(&mut self, key: &str) -> Option<Inside> {
        self.wants_bytes(key.as_bytes())
    }

    fn note_lossy(&mut self) {
        self.is_lossy = true;
    }

    fn is_settled(&self) -> bool {
        self.is_settled
    }

    fn accept(&mut self, value: Value) {
        match self.pending.take() {
            Some(Pending::Unknown { name, role }) => self.put(&name, role, value),
            Some(Pending::Known { index }) => {
                let Key { column, role, range, .. } = self.keys[index];
                if self.plan.is_mapped {
                    let name = self.keys[index].name.clone();
                    self.put(&name, role, value.clone());
                }
                if let Some((column, ty)) = column {
                    match fit(ty, value) {
                        Some(value) => {
                            self.is_settled |= self.may_settle && range.is_some_and(|range| is_out(&value, range));
                            self.row[column] = value;
                        }
                        None => self.misfits.push(column),
                    }
                }
            }
            None => {}
        }
    }
}

fn is_out(value: &Value, (least, greatest): (i64, i64)) -> bool {
    match value {
        Value::Long(number) => !(least..=greatest).contains(number),
        Value::Int(number) => !(least..=greatest).contains(&i64::from(*number)),
        // Whether a record without the number matters is not said here.
        _ => false,
    }
}

fn empty_scope() -> Value {
    let entries = [("Name", Value::string("")), ("Version", Value::string("")), ("Attributes", Value::bag(Bag::new()))];
    Value::bag(entries.into_iter().map(|(key, value)| (Str::from(key), value)).collect())
}

fn unknown_key_note(name: &Str) -> String {
    format!(
        "key `{name}` does not occur among the sampled records, so it is no column; read it as Attributes[\"{name}\"] of \
         `logs`, or name it in --schema"
    )
}
