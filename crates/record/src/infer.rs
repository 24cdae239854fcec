//! The first records of a file to the columns and types of its table.
//!
//! A column has the type that all sampled values share; `long` and `real` make `real`, other mixtures `string`, anything
//! with arrays or objects `dynamic`, and so does a column that is null throughout.

use crate::convert::type_of_text;
use crate::json::RecordSink;
use crate::record::Sink;
use crate::stream::{Column, Inside};
use dtq_value::{Type, Value};
use indexmap::IndexMap;

/// How many columns a table may have; further keys are read as attributes only.
const COLUMNS_MAX: usize = 4096;

/// Collects keys and types from sampled records.
#[derive(Debug, Default)]
pub(crate) struct Sampler {
    /// For each key the type of its values so far, `None` while all were null.
    columns: IndexMap<Vec<u8>, Option<Type>>,
    pending: Option<usize>,
}

impl Sampler {
    /// Returns the columns, in the order in which their keys were first seen.
    pub fn columns(&self) -> Vec<Column> {
        let name = |key: &Vec<u8>| String::from_utf8_lossy(key).into_owned();
        self.columns.iter().map(|(key, ty)| Column::new(name(key), ty.unwrap_or(Type::Dynamic))).collect()
    }

    /// Makes columns of names that are known before any value.
    pub fn declare(&mut self, names: &[String]) {
        for name in names {
            self.index_of(name.as_bytes());
        }
    }

    fn index_of(&mut self, key: &[u8]) -> Option<usize> {
        if let Some(index) = self.columns.get_index_of(key) {
            return Some(index);
        }
        let is_free = self.columns.len() < COLUMNS_MAX && !key.is_empty();
        is_free.then(|| self.columns.insert_full(key.to_vec(), None).0)
    }

    fn widen(&mut self, index: usize, ty: Type) {
        if let Some((_, held)) = self.columns.get_index_mut(index) {
            *held = Some(held.map_or(ty, |held| widened(held, ty)));
        }
    }
}

/// Returns the type that holds the values of both.
pub(crate) fn widened(a: Type, b: Type) -> Type {
    match (a, b) {
        _ if a == b => a,
        (Type::Dynamic, _) | (_, Type::Dynamic) => Type::Dynamic,
        (Type::Long, Type::Real) | (Type::Real, Type::Long) => Type::Real,
        (Type::Int, Type::Long) | (Type::Long, Type::Int) => Type::Long,
        _ => Type::String,
    }
}

impl RecordSink for Sampler {
    fn wants(&mut self, key: &str) -> Option<Inside> {
        self.pending = self.index_of(key.as_bytes());
        self.pending.map(|_| Inside::Whole)
    }

    fn accept(&mut self, value: Value) {
        let Some(index) = self.pending.take() else { return };
        let ty = match &value {
            Value::Null => return,
            Value::Bool(_) => Type::Bool,
            Value::Int(_) | Value::Long(_) => Type::Long,
            Value::Real(_) | Value::Decimal(_) => Type::Real,
            // A text is a time or an id when it looks so, but never a number: JSON has numbers of its own.
            Value::String(text) => match type_of_text(text.as_bytes()) {
                ty @ (Type::DateTime | Type::TimeSpan | Type::Guid) => ty,
                _ => Type::String,
            },
            Value::DateTime(_) => Type::DateTime,
            Value::TimeSpan(_) => Type::TimeSpan,
            Value::Guid(_) => Type::Guid,
            Value::Array(_) | Value::Bag(_) => Type::Dynamic,
        };
        self.widen(index, ty);
    }
}

impl Sink for Sampler {
    fn text(&mut self, key: &[u8], text: &[u8]) {
        // An empty field says nothing about its column.
        if let Some(index) = self.index_of(key)
            && !text.is_empty()
        {
            self.widen(index, type_of_text(text));
        }
    }

    fn reads(&self, _column: usize) -> bool {
        false
    }

    fn standard(&mut self, _column: usize, _value: Value) {}

    fn attribute(&mut self, _key: &str, _value: Value) {}

    fn resource(&mut self, _key: &str, _value: Value) {}
}
