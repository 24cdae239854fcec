//! The text of a rule's query to its program, and the chain of operators from a table of telemetry to its rows.
//!
//! Refuses what cannot be judged record by record. Next: `scan.rs`.

use crate::compile::catalog::{RuleCatalog, telemetry};
use crate::compile::flatten::chain;
use crate::compile::scan::{check_order, check_scan};
use crate::file::Rule;
use crate::file::rule::Destination;
use dtq_engine::{Options, compile};
use dtq_exec::feed::is_rowwise;
use dtq_ir::{Program, RelId, RelKind};
use dtq_record::tables::{Base, Table};
use dtq_source::{Code, Diagnostic, Span, diagnostic};

/// The name of the column that holds a rule's key behind those of its query; a name that no query can end with.
const KEY_COLUMN: &str = "$key";

/// Holds a query that a rule can run.
pub struct RuleQuery {
    /// The program; it ends with the column of the key when the rule has one.
    pub program: Program,
    /// The end of the query.
    pub top: RelId,
    /// The relations from the table to the end.
    pub chain: Vec<RelId>,
    /// Position in `chain` of the summarize, where there is one.
    pub aggregate: Option<usize>,
    /// Position in `chain` of the scan, where there is one; in front of the summarize.
    pub scan: Option<usize>,
    /// The table that is read.
    pub table: &'static Table,
    /// The standard table whose records are its rows.
    pub base: Base,
}

/// Returns the query of a rule, or what is wrong with it, placed in the file that holds it.
pub fn compile_query(
    rule: &Rule,
    catalog: &RuleCatalog,
    options: &Options<'_>,
    found: &mut Vec<Diagnostic>,
) -> Option<RuleQuery> {
    let (query, diagnostics) = compile(&rule.query.text, catalog, options);
    found.extend(diagnostics.into_iter().map(|one| rule.query.locate(one)));
    let program = match &rule.key {
        Some(_) => with_key(rule, catalog, options, found)?,
        None => query?.program().clone(),
    };
    match check(rule, program) {
        Ok(query) => Some(query),
        Err(one) => {
            found.push(rule.query.locate(one));
            None
        }
    }
}

/// Returns the program of the query with one more column, the key.
fn with_key(rule: &Rule, catalog: &RuleCatalog, options: &Options<'_>, found: &mut Vec<Diagnostic>) -> Option<Program> {
    let key = rule.key.as_ref()?;
    if diagnostic::has_errors(found) {
        return None;
    }
    let query = rule.query.text.trim_end().trim_end_matches(';').trim_end();
    let before = format!("{query}\n| extend ['{KEY_COLUMN}'] = (");
    let (compiled, diagnostics) = compile(&format!("{before}{}\n)", key.text), catalog, options);
    let start = u32::try_from(before.len()).unwrap_or(u32::MAX);
    for mut one in diagnostics.into_iter().filter(|one| one.span.start >= start) {
        one.span = Span { start: one.span.start - start, end: one.span.end.saturating_sub(start) };
        one.fix = None;
        found.push(key.locate(one));
    }
    Some(compiled?.program().clone())
}

/// Checks that rows follow from records one by one.
fn check(rule: &Rule, program: Program) -> Result<RuleQuery, Diagnostic> {
    let whole = Span::new(0, rule.query.text.len());
    let [output] = program.outputs.as_slice() else {
        let message = "a rule has one result, and this query gives several";
        return Err(Diagnostic::error(Code::E5102, whole, message).label("write a rule for each"));
    };
    let top = output.rel;
    let chain = chain(&program, top);
    let RelKind::Scan { table: name } = &program.rel(chain[0]).kind else {
        let message = "a rule judges telemetry, and this query reads none";
        let label = "begin with `logs`, `spans`, `metrics`, `resources` or a name of theirs";
        return Err(Diagnostic::error(Code::E5101, program.rel(chain[0]).span, message).label(label));
    };
    let span = program.rel(chain[0]).span;
    let Some(table) = telemetry(name) else {
        let message = format!("a rule judges telemetry, and `{name}` is a table to look things up in");
        let label = "begin with `logs`, `spans`, `metrics` or `resources`, and use it in `in` or `lookup`";
        return Err(Diagnostic::error(Code::E5101, span, message).label(label));
    };
    let Some(base) = table.record_base() else {
        let message = format!("the rows of `{name}` are not records one by one, so no rule can act on them");
        let label = format!("read {} instead", sources(table));
        return Err(Diagnostic::error(Code::E5101, span, message).label(label));
    };
    if base == Base::Resources && !matches!(rule.to.value, Destination::Drop | Destination::Replace { .. }) {
        let message = format!("`to: {}` acts on records, and a row of `resources` is none", rule.to.value.word());
        let label = "use `to: drop` or `to: replace`, or read `logs`, `spans` or `metrics` with their `Resource`";
        return Err(Diagnostic::error(Code::E5101, span, message).label(label));
    }
    let (aggregate, scan) = check_operators(rule, &program, &chain)?;
    if let Some(position) = scan {
        check_scan(rule, &program, &chain[..=position], base)?;
    }
    Ok(RuleQuery { top, chain, aggregate, scan, table, base, program })
}

/// Returns the standard tables that an alias is made of, as a message names them.
fn sources(table: &Table) -> String {
    let names: Vec<String> = table.bases().iter().map(|base| format!("`{}`", base.name())).collect();
    names.join(" or ")
}

/// Checks the operators behind the table; returns the positions of the summarize and of the scan.
fn check_operators(
    rule: &Rule,
    program: &Program,
    chain: &[RelId],
) -> Result<(Option<usize>, Option<usize>), Diagnostic> {
    let is_metrics = matches!(rule.to.value, Destination::Metrics(_));
    let is_scan = |id: &RelId| matches!(program.rel(*id).kind, RelKind::ScanSteps(_));
    let (mut aggregate, mut scan) = (None, None);
    for (position, id) in chain.iter().enumerate().skip(1) {
        let rel = program.rel(*id);
        match &rel.kind {
            RelKind::Aggregate { .. } if is_metrics && aggregate.is_none() => aggregate = Some(position),
            kind if is_rowwise(kind) && !(aggregate.is_some() && matches!(kind, RelKind::Join { .. })) => {}
            RelKind::ScanSteps(_) if aggregate.is_none() && scan.is_none() => scan = Some(position),
            RelKind::Sort { keys, .. } if aggregate.is_none() && chain[position..].iter().any(is_scan) => {
                check_order(program, &chain[..position], keys, rel.span)?;
            }
            RelKind::ScanSteps(_) => {
                let message = "a rule follows one `scan`, and that in front of a `summarize`";
                let label = "write two rules, the first `to: logs`: the second judges the records that it makes";
                return Err(Diagnostic::error(Code::E5113, rel.span, message).label(label));
            }
            kind => {
                let message = format!(
                    "{} needs more than one record at a time, and `to: {}` judges each by itself",
                    word(kind),
                    rule.to.value.word()
                );
                let label = match kind {
                    RelKind::Aggregate { .. } => "use `to: metrics` to count or add up",
                    _ => "leave it out: `where`, `extend`, `project`, `parse`, `mv-expand` and `lookup` can stay",
                };
                return Err(Diagnostic::error(Code::E5102, rel.span, message).label(label));
            }
        }
    }
    Ok((aggregate, scan))
}

/// Returns how an operator is written, for messages.
fn word(kind: &RelKind) -> &'static str {
    match kind {
        RelKind::Aggregate { .. } => "`summarize`",
        RelKind::Take { .. } => "`take`",
        RelKind::Distinct { .. } => "`distinct`",
        RelKind::Sort { .. } => "`sort`",
        RelKind::Top { .. } => "`top`",
        RelKind::Join { .. } => "this kind of `join`",
        RelKind::Union { .. } => "`union`",
        RelKind::Window { .. } => "a function over neighbouring rows",
        RelKind::MakeSeries(_) => "`make-series`",
        RelKind::Sample { .. } => "`sample`",
        RelKind::Partition { .. } => "`partition`",
        RelKind::TopNested { .. } => "`top-nested`",
        RelKind::Pivot { .. } => "`pivot`",
        _ => "this operator",
    }
}
