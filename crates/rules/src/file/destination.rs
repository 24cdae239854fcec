//! `to:` and the keys that belong to it, to a [`Destination`].
//!
//! A key that another destination takes is reported, as is one that this destination needs. Next: `examples.rs`.

use crate::file::fields::{Fields, Report, list, listed, nearest, shortened, text};
use crate::file::keys::{METRIC_TYPES, Place};
use crate::file::read::{Context, named};
use crate::file::rule::{
    Destination, MetricColumn, MetricKind, MetricsOutput, OnFull, OnShutdown, RecorderBounds, Spanned, Temporality,
};
use crate::file::scalar;
use crate::file::yaml::Node;
use dtq_source::{Code, Diagnostic, Span};
use std::collections::BTreeMap;

/// The words that `to:` begins with, and whether a name follows.
pub(crate) const DESTINATIONS: &[(&str, bool)] = &[
    ("drop", false),
    ("replace", false),
    ("logs", false),
    ("metrics", false),
    ("table", true),
    ("recorder", true),
    ("flush", true),
    ("route", true),
];

/// The keys that a destination cannot do without.
pub(crate) const NEEDS: &[(&str, &str)] = &[("table", "for"), ("recorder", "recorder"), ("metrics", "metrics")];

/// The least length of time that is not nothing.
const TICK: i64 = 1;

/// Returns the destination of a rule.
pub(crate) fn read(node: &Node, rule: &Fields<'_>, context: &mut Context<'_>) -> Option<Spanned<Destination>> {
    let report = &mut context.report;
    let (word, name) = read_word(node, report)?;
    check_keys(rule, word, report);
    let value = match word {
        "drop" => Some(Destination::Drop),
        "replace" => {
            let preserved =
                rule.get("identity").map(|node| scalar::word(node, "`identity`", &[("preserved", ())], report));
            Some(Destination::Replace { is_identity_preserved: preserved.flatten().is_some() })
        }
        "logs" => Some(Destination::Logs),
        "metrics" => read_metrics(rule, report).map(Destination::Metrics),
        "table" => {
            let for_ticks = required(rule, word, report).and_then(|node| scalar::duration(node, "`for`", TICK, report));
            for_ticks.and_then(|ticks| Some(Destination::Table { name: name?, for_ticks: ticks.value }))
        }
        "recorder" => {
            let bounds = required(rule, word, report).and_then(|node| read_recorder(node, report));
            bounds.and_then(|bounds| Some(Destination::Recorder { name: name?, bounds }))
        }
        "flush" => {
            let after_ticks = ticks_or_nothing(rule, "after", report);
            let cooldown_ticks = ticks_or_nothing(rule, "cooldown", report);
            name.map(|name| Destination::Flush { name, after_ticks, cooldown_ticks })
        }
        _ => {
            let is_copy = rule.get("copy").and_then(|node| scalar::flag(node, "`copy`", report)).unwrap_or(false);
            name.map(|name| Destination::Route { name, is_copy })
        }
    };
    value.map(|value| Spanned { value, span: node.span })
}

/// Returns the word of `to:` and the name after it.
fn read_word(node: &Node, report: &mut Report) -> Option<(&'static str, Option<Spanned<String>>)> {
    let (scalar, written) = text(node, "`to`", report)?;
    let (word, name) = match written.value.split_once(':') {
        Some((word, name)) => (word, Some(name)),
        None => (written.value.as_str(), None),
    };
    let Some((known, has_name)) = DESTINATIONS.iter().find(|(known, _)| *known == word) else {
        let names: Vec<&str> = DESTINATIONS.iter().map(|(known, _)| *known).collect();
        let diagnostic =
            Diagnostic::error(Code::E5008, node.span, format!("`to` cannot be `{}`", shortened(&written.value)));
        report.add(match (nearest(word, &names), name) {
            (Some(near), Some(name)) => diagnostic.fix(node.span, format!("{near}:{name}")),
            (Some(near), None) => diagnostic.fix(node.span, near),
            (None, _) => diagnostic.label(format!("write one of {}", listed(&names))),
        });
        return None;
    };
    match (has_name, name) {
        (false, Some(_)) => {
            let diagnostic = Diagnostic::error(Code::E5009, node.span, format!("`{known}` takes no name"));
            report.add(diagnostic.fix(node.span, *known));
            None
        }
        (true, None) => {
            report.error(Code::E5009, node.span, format!("`{known}` needs a name"), format!("write `{known}:NAME`"));
            None
        }
        (false, None) => Some((known, None)),
        (true, Some(name)) => {
            let start = word.len() + 1;
            let span = scalar.map.span(Span::new(start, start + name.len()));
            let what = format!("the name after `{known}:`");
            let name = match *known {
                "table" => scalar::checked_identifier(name.to_owned(), span, &what, report),
                _ => scalar::checked_name(name.to_owned(), span, &what, report),
            };
            Some((known, name))
        }
    }
}

/// Reports keys that only other destinations take.
fn check_keys(rule: &Fields<'_>, word: &str, report: &mut Report) {
    for (key, span) in rule.keys() {
        if key.destinations.is_empty() || key.destinations.contains(&word) {
            continue;
        }
        let message = format!("`to: {word}` takes no `{}`", key.name);
        let label = format!("remove it: it belongs to {}", listed(key.destinations));
        report.error(Code::E5011, span, message, label);
    }
}

/// Returns the value of a key that the destination needs.
fn required<'n>(rule: &Fields<'n>, word: &str, report: &mut Report) -> Option<&'n Node> {
    let (_, name) = NEEDS.iter().find(|(known, _)| *known == word)?;
    let found = rule.get(name);
    if found.is_none() {
        let span = rule.key_span("to").unwrap_or(rule.head());
        let example = Place::Rule.key(name).map_or("", |key| key.example);
        report.error(Code::E5012, span, format!("`to: {word}` needs `{name}`"), format!("add `{name}: {example}`"));
    }
    found
}

fn ticks_or_nothing(rule: &Fields<'_>, name: &str, report: &mut Report) -> i64 {
    let ticks = rule.get(name).and_then(|node| scalar::duration(node, &format!("`{name}`"), 0, report));
    ticks.map_or(0, |ticks| ticks.value)
}

fn read_recorder(node: &Node, report: &mut Report) -> Option<RecorderBounds> {
    let fields = Fields::open(node, "`recorder`", Place::Recorder, report)?;
    let keep = fields.get("keep").and_then(|node| scalar::duration(node, "`keep`", TICK, report));
    let bytes = fields.get("bytes_per_key").and_then(|node| scalar::size(node, "`bytes_per_key`", report));
    let keys = fields.get("keys").and_then(|node| scalar::count(node, "`keys`", 1, i64::MAX, report));
    let on_full = fields.get("on_full").and_then(|node| scalar::word(node, "`on_full`", OnFull::WORDS, report));
    let on_shutdown =
        fields.get("on_shutdown").and_then(|node| scalar::word(node, "`on_shutdown`", OnShutdown::WORDS, report));
    Some(RecorderBounds {
        keep_ticks: keep?.value,
        bytes_per_key: bytes.unwrap_or(1 << 20),
        keys: keys.map_or(10_000, |keys| keys.value.unsigned_abs()),
        on_full: on_full.map_or(OnFull::Oldest, |word| word.value),
        on_shutdown: on_shutdown.map_or(OnShutdown::Discard, |word| word.value),
    })
}

fn read_metrics(rule: &Fields<'_>, report: &mut Report) -> Option<MetricsOutput> {
    let columns = required(rule, "metrics", report).map(|node| read_columns(node, report));
    let mut ticks = |name: &str, min: i64| {
        rule.get(name).and_then(|node| scalar::duration(node, &format!("`{name}`"), min, report))
    };
    let interval_ticks = ticks("interval", TICK);
    let lateness_ticks = ticks("lateness", 0);
    let idle_ticks = ticks("idle", TICK);
    let resource = rule.get("resource").map(|node| read_resource(node, report)).unwrap_or_default();
    let consume = rule.get("consume").and_then(|node| scalar::flag(node, "`consume`", report));
    Some(MetricsOutput {
        columns: columns?,
        resource,
        is_consumed: consume.unwrap_or(false),
        interval_ticks,
        lateness_ticks,
        idle_ticks,
    })
}

fn read_resource(node: &Node, report: &mut Report) -> Vec<Spanned<String>> {
    let items = list(node, "`resource`", report).unwrap_or_default();
    let mut columns: Vec<Spanned<String>> = Vec::new();
    let mut seen = BTreeMap::new();
    for item in items {
        // Any name: attributes of resources have dots, and a query writes such a column in brackets.
        let Some((_, column)) = text(item, "a column of `resource`", report) else { continue };
        match seen.get(&column.value) {
            Some(first) => report.twice(&format!("the column `{}`", column.value), column.span, *first),
            None => {
                seen.insert(column.value.clone(), column.span);
                columns.push(column);
            }
        }
    }
    columns
}

fn read_columns(node: &Node, report: &mut Report) -> Vec<MetricColumn> {
    let entries = named(node, "`metrics`", report);
    if entries.is_empty() {
        report.error(Code::E5006, node.span, "`metrics` names no column", "write `column: {name: ..., type: sum}`");
    }
    let mut columns = Vec::new();
    for (column, value) in entries {
        let column = scalar::checked_identifier(column.value, column.span, "a column of `metrics`", report);
        let metric = read_metric(value, report);
        if let (Some(column), Some((name, kind, unit, description))) = (column, metric) {
            columns.push(MetricColumn { column, name, kind, unit, description });
        }
    }
    columns
}

/// Name, kind, unit and description of a metric.
type Metric = (Spanned<String>, Spanned<MetricKind>, String, String);

fn read_metric(node: &Node, report: &mut Report) -> Option<Metric> {
    let fields = Fields::open(node, "a metric", Place::Metric, report)?;
    let name = fields.get("name").and_then(|node| metric_name(node, report));
    let mut free = |key: &str| {
        let text = fields.get(key).and_then(|node| text(node, &format!("`{key}`"), report));
        text.map(|(_, text)| text.value).unwrap_or_default()
    };
    let unit = free("unit");
    let description = free("description");
    let kind = fields.get("type").and_then(|node| read_kind(node, &fields, report));
    Some((name?, kind?, unit, description))
}

/// Returns the name of a metric as OpenTelemetry takes it.
///
/// # Source
/// OpenTelemetry specification, metrics API, "Instrument name syntax".
fn metric_name(node: &Node, report: &mut Report) -> Option<Spanned<String>> {
    const SIZE_MAX: usize = 255;
    let (_, name) = text(node, "the name of a metric", report)?;
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/".contains(&byte);
    let starts_well = name.value.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    if starts_well && name.value.bytes().all(is_inner) && name.value.len() <= SIZE_MAX {
        return Some(name);
    }
    let message = format!("the name of a metric cannot be `{}`", shortened(&name.value));
    let label = format!("write a letter, then letters, digits, `_`, `.`, `-` and `/`, at most {SIZE_MAX}");
    report.error(Code::E5009, name.span, message, label);
    None
}

fn read_kind(node: &Node, fields: &Fields<'_>, report: &mut Report) -> Option<Spanned<MetricKind>> {
    let words: Vec<(&'static str, &'static str)> = METRIC_TYPES.iter().map(|word| (*word, *word)).collect();
    let kind = scalar::word(node, "`type`", &words, report)?;
    check_metric_keys(fields, kind.value, report);
    let temporality =
        fields.get("temporality").and_then(|node| scalar::word(node, "`temporality`", Temporality::WORDS, report));
    let temporality = temporality.map_or(Temporality::Delta, |word| word.value);
    let value = match kind.value {
        "gauge" => MetricKind::Gauge,
        "sum" => {
            let monotonic = fields.get("monotonic").and_then(|node| scalar::flag(node, "`monotonic`", report));
            MetricKind::Sum { temporality, is_monotonic: monotonic.unwrap_or(true) }
        }
        "histogram" => {
            let bounds = fields.get("bounds").and_then(|node| read_bounds(node, report));
            MetricKind::Histogram { temporality, bounds }
        }
        _ => {
            let size = fields.get("max_size").and_then(|node| scalar::count(node, "`max_size`", 2, 10_000, report));
            let scale = fields.get("max_scale").and_then(|node| scalar::count(node, "`max_scale`", -10, 20, report));
            let max_size = size.and_then(|size| u32::try_from(size.value).ok()).unwrap_or(160);
            let max_scale = scale.and_then(|scale| i8::try_from(scale.value).ok()).unwrap_or(20);
            MetricKind::ExponentialHistogram { temporality, max_size, max_scale }
        }
    };
    Some(Spanned { value, span: kind.span })
}

/// Reports keys of a metric that its type does not take.
fn check_metric_keys(fields: &Fields<'_>, kind: &str, report: &mut Report) {
    for (key, span) in fields.keys() {
        let types: &[&str] = match key.name {
            "temporality" => &["sum", "histogram", "exponential_histogram"],
            "monotonic" => &["sum"],
            "bounds" => &["histogram"],
            "max_size" | "max_scale" => &["exponential_histogram"],
            _ => continue,
        };
        if !types.contains(&kind) {
            let message = format!("a metric of type `{kind}` takes no `{}`", key.name);
            report.error(Code::E5023, span, message, format!("remove it: it belongs to {}", listed(types)));
        }
    }
}

fn read_bounds(node: &Node, report: &mut Report) -> Option<Vec<f64>> {
    let items = list(node, "`bounds`", report)?;
    let bounds: Vec<f64> = items.iter().filter_map(|item| scalar::number(item, "a bound", report)).collect();
    let is_complete = bounds.len() == items.len();
    if let Some(index) = bounds.windows(2).position(|pair| pair[0] >= pair[1]).filter(|_| is_complete) {
        let message = format!("bounds ascend, but {} comes after {}", bounds[index + 1], bounds[index]);
        report.error(Code::E5023, items[index + 1].span, message, "sort the bounds, each once");
        return None;
    }
    is_complete.then_some(bounds)
}
