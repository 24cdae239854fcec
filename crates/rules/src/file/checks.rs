//! One rule to the mistakes in how its keys go together.
//!
//! Never looks into the query, nor at other rules. Next: `order.rs`.

use crate::file::fields::{Fields, Report};
use crate::file::read::Context;
use crate::file::rule::{Destination, MetricsOutput, Phase, Rule, Tier};
use crate::file::yaml::{Kind, Node};
use dtq_source::{Code, Diagnostic};
use dtq_value::scalar::format;
use std::collections::BTreeSet;

/// How long before its end a rule is reported: seven days, in ticks.
const NOTICE_TICKS: i64 = 7 * 864_000_000_000;

/// Reports what does not go together in a rule that could be read.
pub(crate) fn check(rule: &Rule, fields: &Fields<'_>, context: &mut Context<'_>) {
    let now_ticks = context.options.now_ticks;
    let report = &mut context.report;
    check_key(rule, fields, report);
    check_tiers(rule, fields, report);
    check_phase(rule, fields, report);
    check_expiry(rule, now_ticks, report);
    check_bounds(rule, fields, report);
    if let Destination::Metrics(metrics) = &rule.to.value {
        check_metrics(metrics, fields, report);
    }
    for name in ["kql", "key"] {
        if let Some(node) = fields.get(name) {
            check_comment(name, node, report);
        }
    }
}

/// Reports a `key` that nothing uses.
fn check_key(rule: &Rule, fields: &Fields<'_>, report: &mut Report) {
    let is_used = rule.above.is_some()
        || matches!(
            rule.to.value,
            Destination::Table { .. } | Destination::Recorder { .. } | Destination::Flush { .. }
        );
    if let Some(span) = fields.key_span("key").filter(|_| !is_used) {
        let message = format!("`to: {}` without `above` takes no `key`", rule.to.value.word());
        report.error(Code::E5011, span, message, "remove it, or add `above: {rate: 500/s}`");
    }
}

fn check_tiers(rule: &Rule, fields: &Fields<'_>, report: &mut Report) {
    let is_shareable = matches!(rule.to.value, Destination::Drop | Destination::Replace { .. }) && rule.above.is_none();
    if rule.tiers.value.len() < 2 || is_shareable {
        return;
    }
    let span = fields.key_span("tiers").map_or(rule.tiers.span, |key| key.to(rule.tiers.span));
    let (message, label) = match rule.above {
        Some(_) => ("a rule with `above` runs at one tier: each counts only what it sees".to_owned(), "name one tier"),
        None => {
            let word = rule.to.value.word();
            (format!("a rule with `to: {word}` runs at one tier, or its rows would be made twice"), "name one tier")
        }
    };
    let tiers: Vec<String> = rule.tiers.value.iter().map(Tier::to_string).collect();
    report
        .add(Diagnostic::error(Code::E5016, span, message).label(label).note(format!("it names {}", tiers.join(", "))));
}

fn check_phase(rule: &Rule, fields: &Fields<'_>, report: &mut Report) {
    let Some(node) = fields.get("phase") else { return };
    let word = rule.to.value.word();
    let takes = rule.to.value.takes_records();
    match rule.phase {
        Phase::Observe if takes => {
            let message = format!("`to: {word}` changes what later rules see: it cannot run in phase `observe`");
            report.error(Code::E5015, node.span, message, "write `reduce`, or leave `phase` out");
        }
        Phase::Redact if !takes => {
            let message = format!("`to: {word}` in phase `redact` sees records before they are redacted");
            report.warning(Code::E5015, node.span, message, "write `observe`, or leave `phase` out");
        }
        Phase::Reduce if rule.is_protective() => {
            let message = "rules of phase `observe` see what this protective rule takes away";
            report.warning(Code::E5015, node.span, message, "write `redact`, or leave `phase` out");
        }
        _ => {}
    }
}

fn check_expiry(rule: &Rule, now_ticks: i64, report: &mut Report) {
    let Some(expires) = &rule.expires_ticks else { return };
    if rule.is_protective() {
        let message = "a rule whose `on_error` is not `pass` protects, and does not expire";
        report.error(Code::E5017, expires.span, message, "remove `expires`, or write `on_error: pass`");
        return;
    }
    let name = &rule.name.value;
    if expires.value <= now_ticks {
        let message = format!("the rule `{name}` has expired: it does not run");
        report.warning(Code::E5018, expires.span, message, "remove the rule, or write a later time");
    } else if expires.value - now_ticks <= NOTICE_TICKS {
        let left = format::timespan(expires.value - now_ticks);
        let message = format!("the rule `{name}` expires within seven days, in {left}");
        report.warning(Code::E5018, expires.span, message, "ask its owner, then write a later time or remove the rule");
    }
}

/// Reports bounds that do nothing.
fn check_bounds(rule: &Rule, fields: &Fields<'_>, report: &mut Report) {
    let Some(span) = fields.key_span("limits") else { return };
    if rule.limits.ns_per_record.is_some() && rule.is_protective() {
        let message = "`ns_per_record` does nothing here: no cost bound turns off a protective rule";
        report.warning(Code::E5022, span, message, "remove it");
    }
    if rule.limits.series.is_some() && !matches!(rule.to.value, Destination::Metrics(_)) {
        let message = format!("`to: {}` has no series", rule.to.value.word());
        report.error(Code::E5011, span, message, "remove `series`: it belongs to `metrics`");
    }
}

fn check_metrics(metrics: &MetricsOutput, fields: &Fields<'_>, report: &mut Report) {
    if let (Some(span), Some(_)) = (fields.key_span("interval"), fields.get("lateness")) {
        let message = "`interval` and `lateness` do not go together";
        let label = "keep `lateness` for a query with `summarize`, `interval` for one without";
        report.error(Code::E5011, span, message, label);
    }
    let values: BTreeSet<&str> = metrics.columns.iter().map(|column| column.column.value.as_str()).collect();
    for column in metrics.resource.iter().filter(|column| values.contains(column.value.as_str())) {
        let message = format!("the column `{}` is a metric's value and an attribute of the Resource", column.value);
        report.error(Code::E5023, column.span, message, "remove it from `resource` or from `metrics`");
    }
    let mut seen = BTreeSet::new();
    for column in &metrics.columns {
        if !seen.insert(column.name.value.as_str()) {
            let message = format!("two columns become the metric `{}`", column.name.value);
            report.error(Code::E5013, column.name.span, message, "give each metric a name of its own");
        }
    }
}

/// Reports that YAML has taken the rest of a line for a comment.
fn check_comment(name: &str, node: &Node, report: &mut Report) {
    let Kind::Scalar(scalar) = &node.kind else { return };
    let rest = report.source().text().get(node.span.end as usize..).unwrap_or("").lines().next().unwrap_or("");
    if scalar.is_plain && rest.trim_start().starts_with('#') {
        let message = format!("YAML takes what follows ` #` for a comment, so it is no part of `{name}`");
        let label = format!("write `{name}: |` and the text on lines below it");
        report.warning(Code::E5021, node.span, message, label);
    }
}
