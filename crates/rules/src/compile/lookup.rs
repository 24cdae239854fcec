//! What a rule's expressions look up in tables: `in (table | ...)` as chains that a changed row can be pushed through.
//!
//! A set is kept up row by row, so what stands between the table and `in` has to give the same for the same row always.
//! Next: `action.rs`.

use crate::compile::catalog::RuleCatalog;
use crate::compile::flatten::chain;
use crate::compile::rule::Lookup;
use dtq_ir::{Effect, ExprId, ExprKind, Program, RelId, RelKind};
use dtq_source::{Code, Diagnostic};
use std::collections::BTreeSet;

/// Holds what the expressions and operators of a program read besides telemetry.
#[derive(Default)]
pub struct Lookups {
    /// Sets behind `in`.
    pub members: Vec<Lookup>,
    /// Positions of tables that operators read.
    pub tables_read: Vec<usize>,
}

/// Returns what a program looks up.
///
/// # Errors
/// `E5107` for a subquery that cannot be kept up.
pub fn find_lookups(program: &Program, catalog: &RuleCatalog) -> Result<Lookups, Diagnostic> {
    let mut lookups = Lookups::default();
    let mut seen = BTreeSet::new();
    for expr in program.exprs() {
        match &expr.kind {
            ExprKind::InRel { rel, is_case_ignored, .. } if seen.insert((*rel, *is_case_ignored)) => {
                lookups.members.push(lookup(program, catalog, *rel, *is_case_ignored)?);
            }
            ExprKind::Scalar(rel) => {
                let message = "a rule keeps no value of `toscalar` up to date";
                let label = "look a key up with `in` or `lookup` instead";
                return Err(Diagnostic::error(Code::E5107, program.rel(*rel).span, message).label(label));
            }
            _ => {}
        }
    }
    for rel in program.rels() {
        if let RelKind::Scan { table } = &rel.kind
            && let Some(position) = catalog.position(table)
        {
            lookups.tables_read.push(position);
        }
    }
    lookups.tables_read.sort_unstable();
    lookups.tables_read.dedup();
    Ok(lookups)
}

fn lookup(program: &Program, catalog: &RuleCatalog, rel: RelId, is_case_ignored: bool) -> Result<Lookup, Diagnostic> {
    let chain = chain(program, rel);
    let refuse =
        |message: &str, label: &str| Diagnostic::error(Code::E5107, program.rel(rel).span, message).label(label);
    let RelKind::Scan { table } = &program.rel(chain[0]).kind else {
        return Err(refuse("`in` looks in rows that no table holds", "name a table of the rule set"));
    };
    let Some(table) = catalog.position(table) else {
        let label = "write a rule `to: table:NAME` that remembers what you need, and look it up there";
        return Err(refuse("a rule cannot look back at telemetry that has passed", label));
    };
    for id in &chain[1..] {
        let is_kept_up = match &program.rel(*id).kind {
            RelKind::Filter { predicate, .. } => is_pure(program, *predicate),
            RelKind::Project { exprs, .. } => exprs.iter().all(|expr| is_pure(program, *expr)),
            RelKind::Distinct { .. } | RelKind::Materialize { .. } => true,
            _ => false,
        };
        if !is_kept_up {
            let label = "only `where`, `extend`, `project` and `distinct`, and no function of time, can stand here";
            return Err(refuse("a rule cannot keep this subquery up to date as its table changes", label));
        }
    }
    Ok(Lookup { rel, is_case_ignored, table, chain })
}

/// Says whether an expression gives the same for the same row always.
pub fn is_pure(program: &Program, root: ExprId) -> bool {
    let mut pending = vec![root];
    let mut seen = BTreeSet::new();
    while let Some(id) = pending.pop() {
        if !seen.insert(id) {
            continue;
        }
        match &program.expr(id).kind {
            ExprKind::Call { function, .. } if function.effect != Effect::Pure => return false,
            ExprKind::Scalar(_) | ExprKind::InRel { .. } => return false,
            kind => pending.extend(kind.children()),
        }
    }
    true
}
