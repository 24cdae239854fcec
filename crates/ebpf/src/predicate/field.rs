//! The fields that conditions read, each to a cell of the scratch. Next: `atom.rs`.

use crate::Unsupported;
use crate::layout;
use crate::payload::Wanted;
use dtq_ir::reads::Path;
use dtq_record::otlp::fill::FieldPath;
use dtq_record::otlp::logs::column;
use dtq_record::tables;
use dtq_value::{Str, Type, Value};

/// Says where the value of a path comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// One field.
    Field(FieldPath),
    /// A key, or else another field, unless that is `""`.
    KeyOr(FieldPath, FieldPath),
}

/// Holds a field that follows from two others before records are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Derived {
    /// Where it goes.
    pub field: i16,
    /// What it is, where that is there.
    pub key: i16,
    /// What it is otherwise, unless that is `""`.
    pub other: i16,
}

/// Collects the fields that conditions read of a payload.
pub struct Fields<'s> {
    wanted: Vec<Wanted>,
    derived: Vec<Derived>,
    /// How many cells are in use.
    count: usize,
    source: &'s dyn Fn(&Path) -> Result<Source, Unsupported>,
    supports: &'s dyn Fn(&FieldPath) -> Result<(), Unsupported>,
}

impl<'s> Fields<'s> {
    /// Returns no fields, of payloads of which `supports` says what can be read; `source` says what paths are.
    pub fn new(
        source: &'s dyn Fn(&Path) -> Result<Source, Unsupported>,
        supports: &'s dyn Fn(&FieldPath) -> Result<(), Unsupported>,
    ) -> Self {
        Self { wanted: Vec::new(), derived: Vec::new(), count: 0, source, supports }
    }

    /// Returns the fields that are read and where they go.
    pub fn wanted(&self) -> &[Wanted] {
        &self.wanted
    }

    /// Returns the fields that follow from others.
    pub fn derived(&self) -> &[Derived] {
        &self.derived
    }

    /// Returns what a path of some type is where the record has nothing there.
    ///
    /// # Errors
    /// As for [`Fields::cell`].
    pub fn missing(&self, path: &Path, ty: Type) -> Result<Value, Unsupported> {
        let is_scope = matches!((self.source)(path)?, Source::Field(FieldPath { column: column::SCOPE, key: Some(_) }));
        Ok(if is_scope { missing("Scope", true, ty) } else { Value::missing(ty) })
    }

    /// Returns the cell of a path.
    ///
    /// # Errors
    /// When it is not read in the kernel, or is one too many.
    pub fn cell(&mut self, path: &Path) -> Result<i16, Unsupported> {
        match (self.source)(path)? {
            Source::Field(path) => self.read(path),
            Source::KeyOr(key, other) => {
                let (key, other) = (self.read(key)?, self.read(other)?);
                let known = self.derived.iter().find(|derived| (derived.key, derived.other) == (key, other));
                if let Some(known) = known {
                    return Ok(known.field);
                }
                let field = self.next()?;
                self.derived.push(Derived { field, key, other });
                Ok(field)
            }
        }
    }

    /// Adds a field that is only looked at, if it can be read here.
    pub fn also_read(&mut self, path: &FieldPath) {
        // What cannot be read here was told to those who asked for its value.
        let _ = self.read(path.clone());
    }

    fn read(&mut self, path: FieldPath) -> Result<i16, Unsupported> {
        if let Some(known) = self.wanted.iter().find(|wanted| wanted.path == path) {
            return Ok(known.field);
        }
        (self.supports)(&path)?;
        let field = self.next()?;
        self.wanted.push(Wanted { path, field });
        Ok(field)
    }

    fn next(&mut self) -> Result<i16, Unsupported> {
        if self.count >= layout::FIELDS_MAX {
            return Err(Unsupported::new(format!("more than {} fields are read", layout::FIELDS_MAX)));
        }
        self.count += 1;
        Ok(layout::field(self.count - 1))
    }
}

/// Returns what a column of `logs`, or a key of it, is where a record has nothing there.
pub fn missing(column: &str, is_key: bool, ty: Type) -> Value {
    // The name and the version of a scope are texts inside of a dynamic.
    if column == "Scope" && is_key { Value::string("") } else { Value::missing(ty) }
}

/// Returns the field of `logs` that a path names.
///
/// # Errors
/// When it is of another table, or deeper than a key.
pub fn field_of_logs(path: &Path) -> Result<Source, Unsupported> {
    if path.table != "logs" {
        return Err(Unsupported::new(format!("only `logs` arrives in datagrams, and this reads `{}`", path.table)));
    }
    let logs = tables::standard("logs").expect("`logs` is a standard table");
    let Some(column) = logs.columns.iter().position(|column| column.name == path.column) else {
        return Err(Unsupported::new(format!("`{}` is no standard column of `logs`", path.column)));
    };
    match path.keys.as_slice() {
        [] => Ok(Source::Field(FieldPath { column, key: None })),
        [key] => Ok(Source::Field(FieldPath { column, key: Some(Str::from(key.as_str())) })),
        _ => Err(Unsupported::new("keys inside of the value of a key are read in user space")),
    }
}
