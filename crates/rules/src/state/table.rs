//! Rows by key that expire: what `to: table:NAME` fills and what other rules look up.
//!
//! Runs no lookup language: the owner turns rows into whatever `in` and `lookup` want, anew when the version changes.
//! Next: `rate.rs`.

use crate::state::bounds::{Bounds, Incompatible, KeyShape, values_bytes};
use crate::state::ranked::{EntryId, Rank, Ranked};
use dtq_interp::RowIdentity;
use dtq_record::stream::Row;
use dtq_value::{Str, Type};

/// Says what a table holds and how much.
#[derive(Clone, Debug, PartialEq)]
pub struct TableSpec {
    /// What keys are made of.
    pub key: KeyShape,
    /// Names and types of the rows' columns.
    pub columns: Vec<(Str, Type)>,
    /// How much it may hold.
    pub bounds: Bounds,
}

/// Holds rows by key, each until its time is over.
///
/// When it is full, the row that expires soonest is evicted, be it the new one; among rows that expire together, the
/// one that was inserted first.
pub struct KeyedTable {
    spec: TableSpec,
    entries: Ranked<TableEntry>,
    watermark: i64,
    sequence_next: u64,
    counts: TableCounts,
}

struct TableEntry {
    row: Row,
    bytes: usize,
}

/// Counts what a table did: inserted = entries + expired + evicted; rows that came = inserted + refreshed + late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableCounts {
    /// Rows held now.
    pub entries: usize,
    /// Bytes held now.
    pub bytes: usize,
    /// Rows inserted under a key that had none.
    pub inserted: u64,
    /// Rows inserted under a key that had one.
    pub refreshed: u64,
    /// Rows whose time was over when they came; they changed nothing.
    pub late: u64,
    /// Rows whose time was over.
    pub expired: u64,
    /// Rows removed for lack of room.
    pub evicted: u64,
    /// Another number after each change of the rows that can be seen.
    pub version: u64,
}

/// Holds the rows that an insert displaced.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inserted {
    /// The row that the key had.
    pub replaced: Option<Row>,
    /// Rows whose time was over, oldest first.
    pub expired: Vec<Row>,
    /// Rows removed for lack of room.
    pub evicted: Vec<Row>,
    /// Whether the time of the row was over already, so that it is not there.
    pub is_late: bool,
}

impl KeyedTable {
    /// Returns an empty table.
    pub fn new(spec: TableSpec) -> Self {
        Self { spec, entries: Ranked::new(), watermark: i64::MIN, sequence_next: 0, counts: TableCounts::default() }
    }

    /// Puts a row under a key until `now + for_ticks`.
    ///
    /// A key that has a row gets the new one, and never a shorter time than it had, so that a record out of order takes
    /// nothing away; one so late that its time is over changes nothing. A row that alone is larger than the table is
    /// evicted at once.
    pub fn insert(&mut self, key: RowIdentity, row: Row, now: i64, for_ticks: i64) -> Inserted {
        let mut inserted = Inserted { expired: self.expire(now), ..Inserted::default() };
        let expires = now.saturating_add(for_ticks);
        if expires <= self.watermark {
            self.counts.late += 1;
            inserted.is_late = true;
            return inserted;
        }
        let bytes = Ranked::<TableEntry>::entry_bytes(&key) + values_bytes(&row);
        let id = match self.entries.find(&key) {
            Some(id) => {
                inserted.replaced = Some(self.refresh(id, row, bytes, expires));
                id
            }
            None => self.add(key, row, bytes, expires),
        };
        if bytes > self.spec.bounds.bytes_max {
            inserted.evicted.push(self.evict(id));
        }
        inserted.evicted.extend(self.shrink());
        inserted
    }

    /// Removes the rows whose time is over and returns them, oldest first.
    ///
    /// To be called with the time of each record, before the record looks anything up: then what is found depends on
    /// the records and their order alone. Costs nothing when no row is over.
    pub fn expire(&mut self, now: i64) -> Vec<Row> {
        self.watermark = self.watermark.max(now);
        self.idle_out(self.watermark)
    }

    /// Removes the rows whose time would be over at a time that no record has reached, and returns them, oldest first.
    ///
    /// For when no records come. The time stays where it is: a record that comes after all is not late for this.
    pub fn idle_out(&mut self, passed: i64) -> Vec<Row> {
        let mut expired = Vec::new();
        while let Some((rank, id)) = self.entries.first() {
            if rank.ticks > passed {
                break;
            }
            self.counts.expired += 1;
            expired.push(self.remove(id));
        }
        expired
    }

    /// Returns the row under a key, unless its time is over.
    pub fn get(&self, key: &RowIdentity, now: i64) -> Option<&Row> {
        let id = self.entries.find(key)?;
        (self.entries.rank(id).ticks > now.max(self.watermark)).then(|| &self.entries.entry(id).row)
    }

    /// Returns the rows whose time is not over, in the order in which their keys were first inserted.
    ///
    /// # Cost
    /// Sorts all rows; meant for when the version changed.
    pub fn iter(&self, now: i64) -> impl Iterator<Item = (&RowIdentity, &Row)> {
        let now = now.max(self.watermark);
        let ids = self.entries.by_sequence().into_iter().filter(move |id| self.entries.rank(*id).ticks > now);
        ids.map(|id| (self.entries.key(id), &self.entries.entry(id).row))
    }

    /// Returns what it did so far.
    pub fn counts(&self) -> TableCounts {
        self.counts
    }

    /// Returns its spec.
    pub fn spec(&self) -> &TableSpec {
        &self.spec
    }

    /// Says whether the rows can move to a table of another spec.
    pub fn is_compatible(&self, spec: &TableSpec) -> bool {
        self.spec.key == spec.key && self.spec.columns == spec.columns
    }

    /// Changes the spec and returns the rows for which there is no longer room.
    ///
    /// # Errors
    /// When the spec wants another key or other columns; then nothing changes.
    pub fn set_spec(&mut self, spec: TableSpec) -> Result<Vec<Row>, Incompatible> {
        if !self.is_compatible(&spec) {
            return Err(Incompatible);
        }
        self.spec = spec;
        Ok(self.shrink())
    }

    fn add(&mut self, key: RowIdentity, row: Row, bytes: usize, expires: i64) -> EntryId {
        let rank = Rank { ticks: expires, sequence: self.sequence_next };
        self.sequence_next += 1;
        self.counts.inserted += 1;
        self.counts.entries += 1;
        self.counts.bytes += bytes;
        self.counts.version += 1;
        self.entries.insert(key, rank, TableEntry { row, bytes })
    }

    fn refresh(&mut self, id: EntryId, row: Row, bytes: usize, expires: i64) -> Row {
        let rank = self.entries.rank(id);
        self.entries.set_rank(id, Rank { ticks: rank.ticks.max(expires), ..rank });
        let entry = self.entries.entry_mut(id);
        self.counts.refreshed += 1;
        self.counts.bytes = self.counts.bytes - entry.bytes + bytes;
        entry.bytes = bytes;
        let replaced = std::mem::replace(&mut entry.row, row);
        // A refresh by an equal row only moves the end of its time, and what was built from the rows stays right.
        self.counts.version += u64::from(replaced != entry.row);
        replaced
    }

    fn shrink(&mut self) -> Vec<Row> {
        let mut evicted = Vec::new();
        while self.counts.entries > self.spec.bounds.entries_max || self.counts.bytes > self.spec.bounds.bytes_max {
            let Some((_, id)) = self.entries.first() else {
                break;
            };
            evicted.push(self.evict(id));
        }
        evicted
    }

    fn evict(&mut self, id: EntryId) -> Row {
        self.counts.evicted += 1;
        self.remove(id)
    }

    fn remove(&mut self, id: EntryId) -> Row {
        let (_, entry) = self.entries.remove(id);
        self.counts.entries -= 1;
        self.counts.bytes -= entry.bytes;
        self.counts.version += 1;
        entry.row
    }
}
