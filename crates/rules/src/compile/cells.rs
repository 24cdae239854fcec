//! What queries read of a record, once for all rules over a table: cells, and the slots that they are made of.
//!
//! A cell is a column of the table that a query names, or one key of a bag column. Cells of aliases follow from the
//! standard table whose records are judged. Reads no record itself. Next: `flatten.rs`.

use dtq_record::otlp::fill::{FieldPath, Level, SlotPlan};
use dtq_record::tables::derive::Derivation;
use dtq_record::tables::{self, Base, Table};
use dtq_value::Str;
use rustc_hash::FxHashMap;

/// Says what a cell is made of.
#[derive(Clone, Debug)]
pub enum Cell {
    /// One slot.
    Slot(u32),
    /// A key of a bag, or else another column, unless that is `""`.
    KeyOr {
        /// The slot of the key.
        key: u32,
        /// The slot of the column.
        other: u32,
    },
    /// A column of an alias, computed from columns of the standard table.
    Mapped {
        /// The alias.
        table: &'static Table,
        /// Position of the column.
        column: u32,
        /// Position and slot of each column that it follows from.
        reads: Vec<(usize, u32)>,
    },
}

/// Names a cell: table, column, key.
type CellKey = (&'static str, usize, Option<Str>);

/// Holds the cells of all rules over one standard table.
#[derive(Clone, Debug)]
pub struct Cells {
    base: Base,
    paths: Vec<FieldPath>,
    slots: FxHashMap<FieldPath, u32>,
    cells: Vec<Cell>,
    positions: FxHashMap<CellKey, u32>,
    /// For each cell the column of its table, when it is all of it.
    columns: Vec<Option<usize>>,
}

impl Cells {
    /// Returns no cells, of a standard table.
    pub fn new(base: Base) -> Self {
        Self {
            base,
            paths: Vec::new(),
            slots: FxHashMap::default(),
            cells: Vec::new(),
            positions: FxHashMap::default(),
            columns: Vec::new(),
        }
    }

    /// Returns the standard table.
    pub fn base(&self) -> Base {
        self.base
    }

    /// Returns the cells; the position is what expressions name.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// Returns the paths; the position is the slot.
    pub fn paths(&self) -> &[FieldPath] {
        &self.paths
    }

    /// Returns the plan that fills the slots.
    pub fn plan(&self) -> SlotPlan {
        SlotPlan::new(self.base, &self.paths).expect("slot() adds only columns of the table and keys of its bags")
    }

    /// Returns the slot of a column of the standard table, or of a key of one.
    pub fn slot(&mut self, column: usize, key: Option<Str>) -> u32 {
        let next = u32::try_from(self.paths.len()).expect("paths are bounded by the IR nodes that name them");
        let path = FieldPath { column, key };
        *self.slots.entry(path.clone()).or_insert_with(|| {
            self.paths.push(path);
            next
        })
    }

    /// Returns the cell of a column, or of one key of it; `None` where a key cannot be a cell of its own.
    pub fn cell(&mut self, table: &'static Table, column: usize, key: Option<&Str>) -> Option<u32> {
        let name = (table.name.as_str(), column, key.cloned());
        if let Some(position) = self.positions.get(&name) {
            return Some(*position);
        }
        let cell = self.make(table, column, key)?;
        let position = u32::try_from(self.cells.len()).expect("cells are bounded by the IR nodes that name them");
        self.cells.push(cell);
        self.columns.push(key.is_none().then_some(column));
        self.positions.insert(name, position);
        Some(position)
    }

    fn make(&mut self, table: &'static Table, column: usize, key: Option<&Str>) -> Option<Cell> {
        match (table.derivation(column), key) {
            (Derivation::Same(column), None) => Some(Cell::Slot(self.slot(column, None))),
            (Derivation::Same(column), Some(key)) => {
                is_bag(self.base, column, key).then(|| Cell::Slot(self.slot(column, Some(key.clone()))))
            }
            (Derivation::BagWith { bag, properties }, Some(key)) if is_bag(self.base, bag, key) => {
                let slot = self.slot(bag, Some(key.clone()));
                Some(match properties.iter().find(|(name, _)| name == key) {
                    Some((_, other)) => Cell::KeyOr { key: slot, other: self.slot(*other, None) },
                    None => Cell::Slot(slot),
                })
            }
            (Derivation::BagWith { bag, properties }, None) => {
                let columns = std::iter::once(bag).chain(properties.into_iter().map(|(_, other)| other));
                Some(self.mapped(table, column, columns.collect()))
            }
            (Derivation::Computed(reads), None) => Some(self.mapped(table, column, reads)),
            (_, Some(_)) => None,
        }
    }

    fn mapped(&mut self, table: &'static Table, column: usize, reads: Vec<usize>) -> Cell {
        let reads = reads.into_iter().map(|read| (read, self.slot(read, None))).collect();
        Cell::Mapped { table, column: u32::try_from(column).expect("tables have few columns"), reads }
    }

    /// Returns the cell of a key of a column, when it was asked for before.
    pub fn find(&self, table: &'static Table, column: usize, key: &Str) -> Option<&Cell> {
        let position = self.positions.get(&(table.name.as_str(), column, Some(key.clone())))?;
        Some(&self.cells[*position as usize])
    }

    /// Returns the column that a cell is, in the table that it was asked for; `None` for a key of one.
    pub fn column_of(&self, cell: u32) -> Option<usize> {
        self.columns[cell as usize]
    }

    /// Returns the slots that a cell is made of.
    pub fn slots_of(&self, cell: u32) -> Vec<u32> {
        match &self.cells[cell as usize] {
            Cell::Slot(slot) => vec![*slot],
            Cell::KeyOr { key, other } => vec![*key, *other],
            Cell::Mapped { reads, .. } => reads.iter().map(|(_, slot)| *slot).collect(),
        }
    }

    /// Returns the innermost level that a cell is read from.
    pub fn level(&self, cell: u32, plan: &SlotPlan) -> Level {
        let slots = self.slots_of(cell).into_iter();
        slots.map(|slot| plan.level(slot as usize)).max().unwrap_or(Level::Resource)
    }
}

/// Says whether a key of a column can be read by itself: the column is a flat bag on the wire.
fn is_bag(base: Base, column: usize, key: &Str) -> bool {
    let table = tables::standard(base.name()).expect("every base is a standard table");
    match table.columns[column].name.as_str() {
        "Attributes" | "Resource" => true,
        "Scope" => matches!(key.as_bytes(), b"Name" | b"Version" | b"Attributes"),
        _ => false,
    }
}
