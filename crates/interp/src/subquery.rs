//! What the relations inside expressions yielded: `toscalar(...)` and `in (T)`, each evaluated once a run.
//!
//! `dtq-exec` evaluates them before the rows that need them and puts the results here. Next: [`crate::identity`].

use crate::identity::Identity;
use dtq_ir::rel::RelId;
use dtq_source::Code;
use dtq_value::scalar::Fault;
use dtq_value::{Str, Value};
use rustc_hash::FxHashMap;

/// Holds the results of all subqueries of a program that are known.
#[derive(Debug, Default)]
pub struct Subqueries {
    scalars: FxHashMap<RelId, Value>,
    members: FxHashMap<(RelId, bool), Members>,
}

impl Subqueries {
    /// Sets the value of a `toscalar`.
    pub fn set_scalar(&mut self, rel: RelId, value: Value) {
        self.scalars.insert(rel, value);
    }

    /// Sets what `in (T)` looks in.
    pub fn set_members(&mut self, rel: RelId, is_case_ignored: bool, members: Members) {
        self.members.insert((rel, is_case_ignored), members);
    }

    /// Returns what `in (T)` looks in, to keep it up with a table that changes; `None` before it was set.
    pub fn members_mut(&mut self, rel: RelId, is_case_ignored: bool) -> Option<&mut Members> {
        self.members.get_mut(&(rel, is_case_ignored))
    }

    /// Returns the value of a `toscalar`.
    ///
    /// # Errors
    /// `E2900` when it is not known.
    pub fn scalar(&self, rel: RelId) -> Result<Value, Fault> {
        self.scalars.get(&rel).cloned().ok_or_else(not_known)
    }

    /// Returns what `in (T)` looks in.
    ///
    /// # Errors
    /// `E2900` when it is not known.
    pub fn members(&self, rel: RelId, is_case_ignored: bool) -> Result<&Members, Fault> {
        self.members.get(&(rel, is_case_ignored)).ok_or_else(not_known)
    }
}

/// Returns the fault of a subquery that needs rows which do not exist yet when subqueries are evaluated.
fn not_known() -> Fault {
    Fault::new(Code::E2900, "a subquery that depends on the rows around it is not supported; use `join` or `lookup`")
}

/// Holds the values of one column for `in`.
#[derive(Debug, Default)]
pub struct Members {
    /// How often each value was added; it is gone when it has been removed as often.
    values: FxHashMap<Identity, u32>,
    is_case_ignored: bool,
    null_count: u32,
}

impl Members {
    /// Returns an empty set.
    pub fn new(is_case_ignored: bool) -> Self {
        Self { is_case_ignored, ..Self::default() }
    }

    /// Adds a value, or the items of an array at any depth.
    ///
    /// # Source
    /// Kusto documentation, "in operator": nested arrays are flattened into one list of values.
    pub fn add(&mut self, value: &Value) {
        match value {
            Value::Null => self.null_count = self.null_count.saturating_add(1),
            Value::Array(items) => items.iter().for_each(|item| self.add(item)),
            value => {
                let count = self.values.entry(Identity(self.folded(value))).or_default();
                *count = count.saturating_add(1);
            }
        }
    }

    /// Takes back what [`Members::add`] did with this value; a value that is not there is left alone.
    pub fn remove(&mut self, value: &Value) {
        match value {
            Value::Null => self.null_count = self.null_count.saturating_sub(1),
            Value::Array(items) => items.iter().for_each(|item| self.remove(item)),
            value => {
                let key = Identity(self.folded(value));
                match self.values.get_mut(&key) {
                    Some(count) if *count > 1 => *count -= 1,
                    Some(_) => drop(self.values.remove(&key)),
                    None => {}
                }
            }
        }
    }

    /// Returns whether a value is in the set as `in` sees it: total, but null when both sides are null.
    ///
    /// # Source
    /// The equality and membership family as measured on the engine (duckdb-kql, `TRANSLATION.md`, rule R4).
    pub fn contains(&self, value: &Value, is_negated: bool) -> Value {
        if value.is_null() {
            return if self.null_count > 0 { Value::Null } else { Value::Bool(is_negated) };
        }
        let is_member = self.values.contains_key(&Identity(self.folded(value)));
        Value::Bool(is_member != is_negated)
    }

    /// Returns the value by which equality is decided: in lower case (ASCII) when case is ignored.
    fn folded(&self, value: &Value) -> Value {
        match value {
            Value::String(text) if self.is_case_ignored => {
                Value::String(Str::from(text.as_bytes().to_ascii_lowercase()))
            }
            value => value.clone(),
        }
    }
}
