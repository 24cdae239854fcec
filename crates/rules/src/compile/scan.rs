//! The `scan` of a query to how a rule follows it from record to record; or why no rule can.
//!
//! Rows come in the order of their records, so nothing is sorted here: an order by time is taken to be that order, any
//! other is refused. Runs nothing. Next: `settings.rs`.

use crate::compile::action::{Origin, origins};
use crate::compile::query::RuleQuery;
use crate::compile::rule::ScanRule;
use crate::file::Rule;
use crate::file::rule::Destination;
use dtq_exec::feed::needed_columns;
use dtq_ir::rel::{ScanOutput, ScanSteps, SortKey};
use dtq_ir::{ExprKind, Program, RelId, RelKind};
use dtq_record::tables::Base;
use dtq_source::{Code, Diagnostic, Span};
use dtq_value::{Str, Type};

/// Checks that an order is that in which records come: by a time of the record, ascending.
///
/// # Errors
/// `E5113` for any other order.
pub fn check_order(program: &Program, chain: &[RelId], keys: &[SortKey], span: Span) -> Result<(), Diagnostic> {
    let is_time = |key: &SortKey| {
        let expr = program.expr(key.expr);
        let origin = match expr.kind {
            ExprKind::Column(index) => origins(program, chain).get(index as usize).copied(),
            _ => None,
        };
        key.is_ascending && expr.ty == Type::DateTime && matches!(origin, Some(Origin::Table(_)))
    };
    if let [key] = keys
        && is_time(key)
    {
        return Ok(());
    }
    let message = "a rule takes rows in the order in which records come, and can bring them into no other";
    let label = "order by the time of the record alone, as in `| sort by Timestamp asc`, or write `| serialize`";
    Err(Diagnostic::error(Code::E5113, span, message).label(label))
}

/// Checks that a rule can follow the scan at the end of a chain.
///
/// # Errors
/// `E5113` when it cannot.
pub fn check_scan(rule: &Rule, program: &Program, chain: &[RelId], base: Base) -> Result<(), Diagnostic> {
    let (Some((rel, before)), true) = (chain.split_last(), chain.len() > 1) else {
        unreachable!("a scan has an input");
    };
    let span = program.rel(*rel).span;
    if base == Base::Resources {
        let message = "`scan` follows records in time, and a row of `resources` has none";
        let label = "read `logs`, `spans` or `metrics` with their `Resource`";
        return Err(Diagnostic::error(Code::E5113, span, message).label(label));
    }
    let scan = steps(program, *rel);
    if !scan.order.is_empty() {
        check_order(program, before, &scan.order, span)?;
    }
    let acts_on = match &rule.to.value {
        Destination::Logs | Destination::Table { .. } => return Ok(()),
        Destination::Metrics(output) if !output.is_consumed => return Ok(()),
        Destination::Metrics(_) => "`consume: true` removes the record that gives a row".to_owned(),
        other => format!("`to: {}` acts on the record that gives a row", other.word()),
    };
    let Some(step) = scan.steps.iter().find(|step| step.output == ScanOutput::Last) else { return Ok(()) };
    let message =
        format!("{acts_on}, and the step `{}` gives its row when the sequence is over: that record is gone", step.name);
    let label = "write `output=all` or `output=none` in every step; the last step can give the row that completes it";
    Err(Diagnostic::error(Code::E5113, span, message).label(label))
}

fn steps(program: &Program, rel: RelId) -> &ScanSteps {
    match &program.rel(rel).kind {
        RelKind::ScanSteps(scan) => scan,
        _ => unreachable!("the position is that of a scan"),
    }
}

/// Returns how a rule follows the scan of its query, if that has one; `flat_end` is the end of the flat part.
pub fn scan_rule(rule: &Rule, query: &RuleQuery, flat_end: RelId) -> Option<ScanRule> {
    let (position, program) = (query.scan?, &query.program);
    let rel = query.chain[position];
    let scan = steps(program, rel);
    let top = query.chain[query.aggregate.unwrap_or(query.chain.len()) - 1];
    let is_owing = scan.steps.iter().any(|step| step.output == ScanOutput::Last);
    let text = |span: Span| rule.query.text.get(span.range()).unwrap_or_default();
    let partition: Vec<&str> = scan.partition.iter().map(|key| text(program.expr(*key).span)).collect();
    let needed = needed_columns(program, rel);
    let columns = program.rel(rel).columns.iter().zip(needed);
    let columns =
        columns.map(|(column, is_needed)| (if is_needed { column.name.as_str() } else { "" }.into(), column.ty));
    Some(ScanRule {
        rel,
        before: stretches(query, flat_end, position),
        after: (rel != top).then_some((rel, top)),
        text: Str::from(text(Span { start: 0, ..program.rel(rel).span })),
        partition_text: Str::from(partition.join(", ").as_str()),
        idle_ticks: rule.idle_ticks.as_ref().map_or(Rule::SCAN_IDLE_TICKS, |idle| idle.value),
        is_owing,
        keeps_source: is_owing && matches!(rule.to.value, Destination::Logs),
        columns: columns.collect(),
    })
}

/// Returns the operators between the flat part and the scan, without the sorts among them, which change nothing.
fn stretches(query: &RuleQuery, flat_end: RelId, scan: usize) -> Vec<(RelId, RelId)> {
    let start = query.chain.iter().position(|id| *id == flat_end).expect("the flat part is a part of the query");
    let mut stretches = Vec::new();
    let mut leaf = flat_end;
    for position in start + 1..=scan {
        let before = query.chain[position - 1];
        match &query.program.rel(query.chain[position]).kind {
            RelKind::Sort { .. } | RelKind::ScanSteps(_) => {
                stretches.extend((leaf != before).then_some((leaf, before)));
                leaf = query.chain[position];
            }
            _ => {}
        }
    }
    stretches
}
