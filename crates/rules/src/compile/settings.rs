//! What a rule says beside its query to what of it has no effect, does not go with the query, or does not work.
//!
//! What keys do among themselves was checked when the file was read. Next: `lookup.rs`.

use crate::compile::query::RuleQuery;
use crate::file::Rule;
use crate::file::rule::{Destination, MetricsOutput};
use dtq_source::{Code, Diagnostic};

/// Reports what a rule says beside its query and what has no effect or does not work.
pub fn check_settings(rule: &Rule, query: &RuleQuery, found: &mut Vec<Diagnostic>) {
    if rule.is_durable {
        let message = format!(
            "`durable: true` of `{}` does not work yet: what it remembers ends with the process",
            rule.name.value
        );
        found.push(Diagnostic::error(Code::E5112, rule.name.span, message).label("leave `durable` out"));
    }
    check_scan_settings(rule, query, found);
    if let Destination::Metrics(output) = &rule.to.value {
        check_metrics_settings(output, query, found);
    }
}

fn check_metrics_settings(output: &MetricsOutput, query: &RuleQuery, found: &mut Vec<Diagnostic>) {
    let has_window = query.aggregate.is_some();
    let idle_ticks = if query.scan.is_some() { &None } else { &output.idle_ticks };
    let windowed = [("lateness", &output.lateness_ticks), ("idle", idle_ticks)];
    let unused = windowed
        .into_iter()
        .filter(|_| !has_window)
        .chain([("interval", &output.interval_ticks)].into_iter().filter(|_| has_window));
    for (key, said) in unused {
        let Some(said) = said else { continue };
        let message = match has_window {
            true => format!("`{key}` has no effect: the windows of the `summarize` say when points are made"),
            false if key == "idle" => "`idle` has no effect without a `summarize` or a `scan`".to_owned(),
            false => format!("`{key}` has no effect without a `summarize`: points are made every `interval`"),
        };
        found.push(Diagnostic::warning(Code::E5022, said.span, message).label("leave it out"));
    }
}

/// Reports what does not go with a `scan`, or not without one.
fn check_scan_settings(rule: &Rule, query: &RuleQuery, found: &mut Vec<Diagnostic>) {
    match (query.scan, &rule.idle_ticks) {
        (None, Some(idle)) if !matches!(rule.to.value, Destination::Metrics(_)) => {
            let message = format!("`to: {}` takes no `idle` without a `scan` in its query", rule.to.value.word());
            found.push(Diagnostic::error(Code::E5011, idle.span, message).label("remove it"));
        }
        (Some(_), _) if rule.tiers.value.len() > 1 => {
            let message = format!(
                "`{}` has a `scan`, and such a rule runs at one tier: each remembers only what it sees",
                rule.name.value
            );
            let label = "name one tier, as in `tiers: [collector]`";
            found.push(Diagnostic::error(Code::E5016, rule.tiers.span, message).label(label));
        }
        _ => {}
    }
}
