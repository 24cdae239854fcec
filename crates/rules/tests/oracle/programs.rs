//! Choices to rules that mean something to generated requests.

use crate::judge::Rule;
use dtq_generate::Choices;

const KEYS: &[&str] = &["a", "b", "c", "ab", "http.route", "EventName", "new"];
const TEXTS: &[&str] = &["", "a", "x", "1", "true", "LogWelcomeBanner", "0", "info"];

/// What a table offers to expressions.
struct Shape {
    name: &'static str,
    texts: &'static [&'static str],
    numbers: &'static [&'static str],
    bags: &'static [&'static str],
    /// None of them is a bag that is edited: its text depends on the order of its keys, which an edit may change.
    values: &'static [&'static str],
    /// Bag that can be edited.
    edited: &'static str,
    /// Whether it can.
    is_bag_editable: bool,
    /// Texts that can be edited.
    editable: &'static [&'static str],
    /// Columns that can be left out.
    optional: &'static [&'static str],
}

const LOGS: Shape = Shape {
    name: "logs",
    texts: &["SeverityText", "EventName", "TraceId", "SpanId"],
    numbers: &["SeverityNumber", "TraceFlags"],
    bags: &["Attributes", "Resource", "Scope.Attributes"],
    values: &["Body", "Scope.Name"],
    edited: "Attributes",
    is_bag_editable: true,
    editable: &["SeverityText", "EventName", "TraceId"],
    optional: &["Body", "Attributes", "SeverityText", "SeverityNumber", "ObservedTimestamp", "TraceFlags", "SpanId"],
};
const SPANS: Shape = Shape {
    name: "spans",
    texts: &["SpanName", "SpanKind", "StatusCode", "StatusMessage", "TraceState", "ParentSpanId"],
    numbers: &["Duration / 1ms", "array_length(Events)", "array_length(Links)"],
    bags: &["Attributes", "Resource", "Scope.Attributes"],
    values: &["Scope.Name", "Scope.Version"],
    edited: "Attributes",
    is_bag_editable: true,
    editable: &["SpanName", "SpanKind", "StatusCode", "StatusMessage", "TraceState"],
    optional: &["Attributes", "Events", "Links", "StatusCode", "StatusMessage", "SpanKind", "TraceState", "EndTime"],
};
const METRICS: Shape = Shape {
    name: "metrics",
    texts: &["MetricName", "MetricUnit", "MetricType", "Temporality", "MetricDescription"],
    numbers: &["MetricValue", "Count", "Sum"],
    bags: &["Attributes", "Resource"],
    values: &["Buckets", "Scope.Version"],
    edited: "Attributes",
    is_bag_editable: true,
    editable: &["MetricName", "MetricUnit", "MetricDescription"],
    optional: &["MetricUnit", "MetricDescription", "Attributes", "MetricValue"],
};
const RESOURCES: Shape = Shape {
    name: "resources",
    texts: &["Signal", "SchemaUrl"],
    numbers: &["strlen(SchemaUrl)"],
    bags: &["Attributes"],
    values: &["SchemaUrl"],
    edited: "Attributes",
    is_bag_editable: true,
    editable: &[],
    optional: &["Attributes"],
};
const TRACES: Shape = Shape {
    name: "traces",
    texts: &["message", "operation_Id", "operation_ParentId"],
    numbers: &["severityLevel"],
    bags: &["customDimensions"],
    values: &["message"],
    edited: "customDimensions",
    is_bag_editable: true,
    editable: &["message"],
    optional: &["customDimensions", "message"],
};
const OTEL_LOGS: Shape = Shape {
    name: "OTELLogs",
    texts: &["Body", "SeverityText", "TraceID"],
    numbers: &["SeverityNumber"],
    bags: &["LogsAttributes", "ResourceAttributes"],
    values: &["Body"],
    edited: "LogsAttributes",
    is_bag_editable: false,
    editable: &["SeverityText", "TraceID"],
    optional: &["SeverityText"],
};
const REQUESTS: Shape = Shape {
    name: "requests",
    texts: &["name", "operation_Id", "success", "resultCode"],
    numbers: &["duration"],
    bags: &["customDimensions"],
    values: &["name"],
    edited: "customDimensions",
    is_bag_editable: true,
    editable: &[],
    optional: &["customDimensions"],
};
const OTEL_TRACES: Shape = Shape {
    name: "OTELTraces",
    texts: &["SpanName", "SpanStatus", "SpanKind", "SpanStatusMessage"],
    numbers: &["array_length(Events)"],
    bags: &["TraceAttributes", "ResourceAttributes"],
    values: &["SpanName"],
    edited: "TraceAttributes",
    is_bag_editable: false,
    editable: &["SpanName", "SpanKind", "SpanStatus"],
    optional: &["SpanStatus"],
};

fn shapes(signal: usize) -> &'static [&'static Shape] {
    match signal {
        0 => &[&LOGS, &LOGS, &TRACES, &OTEL_LOGS, &RESOURCES],
        1 => &[&SPANS, &SPANS, &REQUESTS, &OTEL_TRACES, &RESOURCES],
        _ => &[&METRICS, &METRICS, &METRICS, &METRICS, &RESOURCES],
    }
}

/// Returns one to five rules over a signal.
pub fn rules(signal: usize, choices: &mut Choices<'_>) -> Vec<Rule> {
    let count = 1 + choices.below(5);
    let mut one = |_| {
        let shape: &&Shape = choices.pick(shapes(signal));
        rule(shape, choices)
    };
    (0..count).map(&mut one).collect()
}

fn rule(shape: &Shape, choices: &mut Choices<'_>) -> Rule {
    let is_drop = choices.below(5) < 2;
    let is_observed = choices.one_in(10);
    let is_protective = choices.one_in(8);
    let mut query = shape.name.to_owned();
    if is_drop || choices.one_in(4) {
        query.push_str(&format!(" | where {}", condition(shape, choices, 2)));
        if choices.one_in(5) {
            query.push_str(&format!(" | where {}", condition(shape, choices, 1)));
        }
    }
    if !is_drop {
        for _ in 0..1 + choices.below(2) {
            query.push_str(&edit(shape, choices));
        }
        if choices.one_in(5) {
            query.push_str(&format!(" | project-away {}", choices.pick(shape.optional)));
        }
    }
    let table = shape.name;
    // A protective rule belongs where nothing has seen the record.
    Rule { table, query, is_drop, is_observed, is_late: choices.below(2) == 1 && !is_protective, is_protective }
}

fn edit(shape: &Shape, choices: &mut Choices<'_>) -> String {
    let bag = shape.edited;
    match choices.below(8) {
        0 if !shape.editable.is_empty() => {
            let column = choices.pick(shape.editable);
            let words = ["Server", "Error", "Ok", "Internal", "", "0123456789abcdef0123456789abcdef"];
            let new = match choices.below(3) {
                0 => format!("\"{}\"", choices.pick(&words)),
                1 => text(shape, choices, 1),
                _ => format!("iif({}, \"{}\", {column})", condition(shape, choices, 1), choices.pick(&words)),
            };
            format!(" | extend {column} = {new}")
        }
        2 if shape.name == "logs" => {
            let new = match choices.below(4) {
                0 => "Attributes".to_owned(),
                1 => format!("iif({}, dynamic(null), Body)", condition(shape, choices, 1)),
                2 => value(shape, choices),
                _ => format!("bag_set_key(Body, \"{}\", {})", choices.pick(KEYS), value(shape, choices)),
            };
            format!(" | extend Body = {new}")
        }
        2 if shape.name == "metrics" => " | extend MetricValue = MetricValue * 2".to_owned(),
        3 if shape.name == "logs" => {
            " | extend SeverityNumber = iif(SeverityNumber > 8, toint(4), SeverityNumber)".to_owned()
        }
        _ if !shape.is_bag_editable => String::new(),
        4 => format!(" | extend {bag} = iif({}, {}, {bag})", condition(shape, choices, 1), bag_edit(shape, choices)),
        _ => format!(" | extend {bag} = {}", bag_edit(shape, choices)),
    }
}

fn bag_edit(shape: &Shape, choices: &mut Choices<'_>) -> String {
    let bag = shape.edited;
    let key = choices.pick(KEYS);
    match choices.below(6) {
        0 => format!("bag_remove_keys({bag}, dynamic([\"{key}\", \"{}\"]))", choices.pick(KEYS)),
        1 => format!("bag_merge({bag}, dynamic({{\"{key}\": 1, \"more\": [true, null, 1.5]}}))"),
        2 => format!("bag_merge(dynamic({{\"{key}\": {{\"z\": \"y\"}}}}), {bag})"),
        3 => format!("bag_pack(\"{key}\", {})", value(shape, choices)),
        _ => format!("bag_set_key({bag}, \"{key}\", {})", value(shape, choices)),
    }
}

/// Returns an expression whose value can stand in a bag.
fn value(shape: &Shape, choices: &mut Choices<'_>) -> String {
    match choices.below(6) {
        0 => text(shape, choices, 1),
        1 => format!("{}[\"{}\"]", choices.pick(shape.bags), choices.pick(KEYS)),
        2 => (*choices.pick(shape.values)).to_owned(),
        3 => "dynamic([1, {\"a\": \"b\"}, \"c\"])".to_owned(),
        4 => format!("strlen({})", text(shape, choices, 0)),
        _ => "true".to_owned(),
    }
}

fn text(shape: &Shape, choices: &mut Choices<'_>, depth: usize) -> String {
    match choices.below(if depth == 0 { 3 } else { 6 }) {
        0 => (*choices.pick(shape.texts)).to_owned(),
        1 => format!("tostring({}[\"{}\"])", choices.pick(shape.bags), choices.pick(KEYS)),
        2 => format!("tostring({})", choices.pick(shape.values)),
        3 => format!("strcat({}, \"-\", {})", text(shape, choices, 0), text(shape, choices, 0)),
        4 => format!("toupper({})", text(shape, choices, 0)),
        _ => format!("substring({}, 1, 3)", text(shape, choices, 0)),
    }
}

fn condition(shape: &Shape, choices: &mut Choices<'_>, depth: usize) -> String {
    if depth > 0 {
        match choices.below(6) {
            0 => {
                let (left, right) = (condition(shape, choices, depth - 1), condition(shape, choices, depth - 1));
                return format!("({left} and {right})");
            }
            1 => {
                let (left, right) = (condition(shape, choices, depth - 1), condition(shape, choices, depth - 1));
                return format!("({left} or {right})");
            }
            2 => return format!("not({})", condition(shape, choices, depth - 1)),
            _ => {}
        }
    }
    let literal = choices.pick(TEXTS);
    let path = format!("{}[\"{}\"]", choices.pick(shape.bags), choices.pick(KEYS));
    match choices.below(14) {
        0 => format!("{} {} \"{literal}\"", text(shape, choices, 1), choices.pick(&["==", "!=", "=~", "has", "!has"])),
        1 => format!(
            "{} {} \"{literal}\"",
            text(shape, choices, 1),
            choices.pick(&["contains", "startswith", "endswith", "!contains", "contains_cs"])
        ),
        2 => format!("{path} {} \"{literal}\"", choices.pick(&["==", "!="])),
        3 => format!("{path} {} {}", choices.pick(&["<", ">", "==", "!="]), choices.below(3)),
        4 => format!("{}({path})", choices.pick(&["isnull", "isnotnull", "isempty", "isnotempty"])),
        5 => {
            format!("{} {} {}", choices.pick(shape.numbers), choices.pick(&["<", ">=", "==", "!="]), choices.below(20))
        }
        6 => format!("strlen({}) {} {}", text(shape, choices, 1), choices.pick(&["<", ">"]), choices.below(5)),
        7 => format!("strlen({}) % 2 == {}", text(shape, choices, 1), choices.below(2)),
        8 => format!("{} in (\"{literal}\", \"{}\")", text(shape, choices, 0), choices.pick(TEXTS)),
        9 => format!("{} matches regex \"[a-c]\"", text(shape, choices, 0)),
        10 => format!("{path} has \"{literal}\""),
        11 => format!("isempty({})", text(shape, choices, 0)),
        12 => format!("gettype({path}) {} \"long\"", choices.pick(&["==", "!="])),
        _ => format!("{}.EventName {} \"LogWelcomeBanner\"", shape.edited, choices.pick(&["==", "!="])),
    }
}
