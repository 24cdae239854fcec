//! What a rule says beside its query to what of it has no effect, does not go with the query, or does not work.
//!
//! What keys do among themselves was checked when the file was read. Next: `lookup.rs`.

use crate::compile::query::RuleQuery;
use crate::file::rule::{Destination, MetricsOutput, RecorderBounds};
use crate::file::{QueryText, Rule};
use crate::state::bounds::{Bounds, KeyShape};
use crate::state::recorder::RecorderSpec;
use dtq_record::stream::Column;
use dtq_source::{Code, Diagnostic};
use dtq_value::Type;

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

/// Returns what the key of a rule is, whose column is the last of its query's.
pub(super) fn key_shape(key: Option<&QueryText>, columns: &[Column]) -> KeyShape {
    match (key, columns.last()) {
        (Some(key), Some(column)) => KeyShape { expression: key.text.as_str().into(), types: vec![column.ty] },
        _ => KeyShape::default(),
    }
}

/// Returns the type of a key in words.
pub(super) fn types_text(types: &[Type]) -> String {
    types.first().map_or_else(|| "nothing".to_owned(), |ty| format!("a {ty}"))
}

/// Returns what a recorder holds.
pub(super) fn recorder_spec(bounds: &RecorderBounds, key: KeyShape, state_bytes: Option<u64>) -> RecorderSpec {
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let bytes_max = state_bytes.unwrap_or(crate::engine::DEFAULT_STATE_BYTES);
    RecorderSpec {
        key,
        keep_ticks: bounds.keep_ticks,
        bytes_per_key_max: size(bounds.bytes_per_key),
        bounds: Bounds { entries_max: size(bounds.keys), bytes_max: size(bytes_max) },
    }
}
