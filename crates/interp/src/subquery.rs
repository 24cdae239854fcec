//! What the relations inside expressions yielded: `toscalar(...)` and `in (T)`, each evaluated once a run.
//!
//! `dtq-exec` evaluates them before the rows that need them and puts the results here. Next: [`crate::identity`].

use crate::identity::Identity;
use dtq_ir::rel::RelId;
use dtq_source::Code;
use dtq_value::scalar::Fault;
use dtq_value::{Str, Value};
use rustc_hash::{FxHashMap, FxHashSet};

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

    /// Returns the value of a `toscalar`.
    pub(crate) fn scalar(&self, rel: RelId) -> Result<Value, Fault> {
        self.scalars.get(&rel).cloned().ok_or_else(not_known)
    }

    /// Returns what `in (T)` looks in.
    pub(crate) fn members(&self, rel: RelId, is_case_ignored: bool) -> Result<&Members, Fault> {
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
    values: FxHashSet<Identity>,
    is_case_ignored: bool,
    has_null: bool,
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
            Value::Null => self.has_null = true,
            Value::Array(items) => items.iter().for_each(|item| self.add(item)),
            value => {
                self.values.insert(Identity(self.folded(value)));
            }
        }
    }

    /// Returns whether a value is in the set as `in` sees it: total, but null when both sides are null.
    ///
    /// # Source
    /// The equality and membership family as measured on the engine (duckdb-kql, `TRANSLATION.md`, rule R4).
    pub fn contains(&self, value: &Value, is_negated: bool) -> Value {
        if value.is_null() {
            return if self.has_null { Value::Null } else { Value::Bool(is_negated) };
        }
        let is_member = self.values.contains(&Identity(self.folded(value)));
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
