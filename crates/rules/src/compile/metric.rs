//! The columns of a `to: metrics` rule to values, attributes and windows.
//!
//! Aggregates nothing; `engine` does, with the parts of `state`. Next: `mod.rs`.

use crate::compile::action::{Origin, Rows};
use crate::compile::rule::{Action, Measure, WindowRule};
use crate::file::rule::Temporality;
use crate::file::rule::{MetricKind, MetricsOutput};
use dtq_ir::{ExprId, ExprKind, Program, RelKind};
use dtq_source::{Code, Diagnostic};
use dtq_value::{Type, Value};

/// Holds what decides how rows become metrics.
pub struct MeasureColumns<'q> {
    /// The rows.
    pub rows: &'q Rows<'q>,
    /// What the rule says of its metrics.
    pub output: &'q MetricsOutput,
    /// Position of the rule's state.
    pub state: usize,
}

/// Columns that say when and in which span a measurement was made, and where it came from; never attributes.
const CONTEXT: [&str; 7] = ["Timestamp", "StartTime", "EndTime", "TraceId", "SpanId", "Resource", "Scope"];

/// Returns the action of a rule that makes metrics.
pub fn measure(columns: &MeasureColumns<'_>, found: &mut Vec<Diagnostic>) -> Option<Action> {
    let before = found.len();
    let window = match columns.rows.query.aggregate {
        Some(position) => Some(window(columns, position, found)?),
        None => None,
    };
    let window_column = window
        .as_ref()
        .and_then(|window| columns.rows.origins.iter().position(|origin| *origin == Origin::Key(window.key)));
    let measure = assign(columns, window_column, found);
    if found.len() != before {
        return None;
    }
    Some(match window {
        None => Action::Measure(measure),
        Some(window) => Action::Window(WindowRule {
            state: columns.state,
            measure,
            aggregate: columns.rows.query.chain[columns.rows.query.aggregate?],
            window_key: window.key,
            window_column,
            width_ticks: window.width_ticks,
        }),
    })
}

/// Says what each column is.
fn assign(columns: &MeasureColumns<'_>, window_column: Option<usize>, found: &mut Vec<Diagnostic>) -> Measure {
    let (rows, output) = (columns.rows, columns.output);
    let mut measure = Measure {
        output: output.clone(),
        values: Vec::new(),
        attributes: Vec::new(),
        resource: Vec::new(),
        is_integer: Vec::new(),
        state: columns.state,
    };
    for metric in &output.columns {
        let Some(at) = rows.columns.iter().position(|column| column.name == metric.column.value) else {
            let message = format!("the query gives no column `{}`", metric.column.value);
            let names: Vec<String> = rows.columns.iter().map(|column| format!("`{}`", column.name)).collect();
            found.push(
                Diagnostic::error(Code::E5105, rows.span(), message).label(format!("it gives {}", names.join(", "))),
            );
            continue;
        };
        let ty = rows.columns[at].ty;
        check_value(columns, at, &metric.kind.value, found);
        measure.values.push(at);
        measure.is_integer.push(matches!(ty, Type::Int | Type::Long));
    }
    for (at, column) in rows.columns.iter().enumerate() {
        let is_listed = output.resource.iter().any(|name| name.value == column.name);
        if is_listed {
            measure.resource.push(at);
        } else if Some(at) == window_column || measure.values.contains(&at) {
            continue;
        } else if is_attribute(rows, at, found) {
            measure.attributes.push(at);
        }
    }
    for name in &output.resource {
        if !rows.columns.iter().any(|column| column.name == name.value) {
            let message = format!("the query gives no column `{}` for the Resource", name.value);
            found.push(
                Diagnostic::error(Code::E5105, rows.span(), message).label("project it, or leave it out of `resource`"),
            );
        }
    }
    measure
}

/// Checks that a column can be measured.
fn check_value(columns: &MeasureColumns<'_>, at: usize, kind: &MetricKind, found: &mut Vec<Diagnostic>) {
    let rows = columns.rows;
    let column = &rows.columns[at];
    let label = match column.ty {
        Type::Int | Type::Long | Type::Real | Type::Decimal => {
            let is_window = rows.query.aggregate.is_some();
            if is_window && !matches!(kind, MetricKind::Gauge | MetricKind::Sum { .. }) {
                let message = format!("`{}` is one number a window, and a histogram is made of many", column.name);
                let label = "leave out the `summarize`: rows become measurements then, or use type gauge or sum";
                found.push(Diagnostic::error(Code::E5105, rows.span(), message).label(label));
            }
            if is_window && matches!(kind, MetricKind::Sum { temporality: Temporality::Cumulative, .. }) {
                let message = format!("`{}` counts one window, which is a delta", column.name);
                let label = "write `temporality: delta`, or leave out the `summarize` to add up from the start";
                found.push(Diagnostic::error(Code::E5105, rows.span(), message).label(label));
            }
            return;
        }
        Type::TimeSpan => format!("divide it: `{0} = {0} / 1s`", column.name),
        Type::Dynamic => format!("convert it: `{0} = todouble({0})`", column.name),
        _ => "only numbers can be measured".to_owned(),
    };
    let message = format!("`{}` is a {}, and a metric needs a number", column.name, column.ty);
    found.push(Diagnostic::error(Code::E5105, rows.span(), message).label(label));
}

/// Says whether a column that is no value is an attribute; one that can be neither is a mistake.
fn is_attribute(rows: &Rows<'_>, at: usize, found: &mut Vec<Diagnostic>) -> bool {
    let column = &rows.columns[at];
    let is_context = CONTEXT.contains(&column.name.as_str()) && !matches!(rows.origins[at], Origin::Key(_));
    if is_context {
        return false;
    }
    let is_unmapped_value = matches!(rows.origins[at], Origin::Aggregate)
        || rows.query.aggregate.is_none() && matches!(column.ty, Type::Real | Type::Decimal | Type::TimeSpan);
    if is_unmapped_value {
        let message = format!("the value `{}` becomes no metric", column.name);
        let label = format!(
            "add it below `metrics:`, as in `{}: {{name: my.metric, type: sum}}`, or project it away",
            column.name
        );
        found.push(Diagnostic::error(Code::E5105, rows.span(), message).label(label));
        return false;
    }
    if column.ty == Type::Dynamic {
        let message = format!("`{}` is a dynamic, and an attribute of a metric is a plain value", column.name);
        let label = "end the query with `| project` of the values and of the attributes, with `tostring(...)`";
        found.push(Diagnostic::error(Code::E5105, rows.span(), message).label(label));
        return false;
    }
    true
}

struct WindowKey {
    key: usize,
    width_ticks: i64,
}

/// Returns which key of the summarize is the window.
fn window(columns: &MeasureColumns<'_>, position: usize, found: &mut Vec<Diagnostic>) -> Option<WindowKey> {
    let query = columns.rows.query;
    let rel = query.program.rel(query.chain[position]);
    let RelKind::Aggregate { keys, .. } = &rel.kind else {
        unreachable!("the position is that of a summarize");
    };
    let windows: Vec<WindowKey> = keys
        .iter()
        .enumerate()
        .filter_map(|(key, expr)| Some(WindowKey { key, width_ticks: bin_width(&query.program, *expr)? }))
        .collect();
    let count = windows.len();
    match windows.into_iter().next() {
        Some(window) if count == 1 => Some(window),
        _ => {
            let message = match count {
                0 => "a metric is a point a window, and this `summarize` has no window",
                _ => "this `summarize` has several windows",
            };
            let label = "group by one window: `by bin(Timestamp, 1m), ...`";
            found.push(Diagnostic::error(Code::E5106, rel.span, message).label(label));
            None
        }
    }
}

/// Returns the width of `bin(datetime, constant)`; `None` for other expressions.
fn bin_width(program: &Program, id: ExprId) -> Option<i64> {
    let ExprKind::Call { function, args, .. } = &program.expr(id).kind else { return None };
    if function.name != "bin" || program.expr(id).ty != Type::DateTime {
        return None;
    }
    match &program.expr(*args.get(1)?).kind {
        ExprKind::Const(Value::TimeSpan(ticks)) if *ticks > 0 => Some(*ticks),
        _ => None,
    }
}
