//! Cells of a rule set to the fields of a payload, under the names that conditions have for them.
//!
//! Compiles nothing. Next: `limits.rs`.

use dtq_ebpf::Unsupported;
use dtq_ebpf::predicate::field::{Source, field_of_logs};
use dtq_ir::reads::Path;
use dtq_record::otlp::fill::FieldPath;
use dtq_record::tables;
use dtq_rules::compile::cells::{Cell, Cells};
use std::collections::BTreeMap;

/// Holds what the paths in conditions are.
#[derive(Debug, Default)]
pub(super) struct Sources {
    named: BTreeMap<Path, Source>,
}

impl Sources {
    /// Returns the name of a cell.
    pub(super) fn name(&mut self, cell: &Path, cells: &Cells) -> Path {
        let position = cell.column.parse::<usize>().ok();
        match position.and_then(|position| cells.cells().get(position)) {
            Some(Cell::Slot(slot)) => path_of(&cells.paths()[*slot as usize], "logs"),
            Some(Cell::KeyOr { key, other }) => {
                let [key, other] = [key, other].map(|slot| cells.paths()[*slot as usize].clone());
                // Another name than that of the key alone.
                let path = path_of(&key, "logs with properties");
                self.named.insert(path.clone(), Source::KeyOr(key, other));
                path
            }
            Some(Cell::Mapped { table, column, .. }) => {
                let column = table.columns[*column as usize].name.clone();
                Path { table: table.name.clone(), column, keys: Vec::new() }
            }
            None => cell.clone(),
        }
    }

    pub(super) fn find(&self, path: &Path) -> Result<Source, Unsupported> {
        if let Some(source) = self.named.get(path) {
            return Ok(source.clone());
        }
        if path.table != "logs" {
            return Err(Unsupported::new(format!(
                "`{}` of `{}` is computed from several columns, which is done in user space",
                path.column, path.table
            )));
        }
        field_of_logs(path)
    }
}

fn path_of(field: &FieldPath, table: &str) -> Path {
    let logs = tables::standard("logs").expect("`logs` is a standard table");
    let column = logs.columns[field.column].name.clone();
    Path { table: table.to_owned(), column, keys: field.key.iter().map(|key| key.as_text().into_owned()).collect() }
}
