//! `tests:` of a rule to steps with what is given and what is expected.
//!
//! Never runs anything, and does not know the columns of a table: a row is columns and dynamics. Next: `checks.rs`.

use crate::file::beside;
use crate::file::fields::{Fields, Plain, Report, described, key_text, list, plain, shortened, text};
use crate::file::keys::{Place, counts};
use crate::file::read::{Context, named};
use crate::file::rule::{Given, RuleTest, Spanned, TestRow, TestStep, TestTime, Then};
use crate::file::scalar;
use crate::file::yaml::{Kind, Node};
use dtq_source::Code;
use dtq_value::{Bag, Str, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Returns the tests of a rule.
pub(crate) fn read(node: &Node, context: &mut Context<'_>) -> Vec<RuleTest> {
    let items = list(node, "`tests`", &mut context.report).unwrap_or_default();
    items.iter().filter_map(|item| read_test(item, context)).collect()
}

fn read_test(node: &Node, context: &mut Context<'_>) -> Option<RuleTest> {
    let fields = Fields::open(node, "a test", Place::Test, &mut context.report)?;
    let report = &mut context.report;
    let name = fields.get("name").and_then(|node| text(node, "the name of a test", report));
    let with = fields.get("with").map(|node| read_with(node, report)).unwrap_or_default();
    let steps = match fields.get("steps") {
        Some(steps) => read_steps(steps, &fields, context),
        None => vec![read_single(&fields, context)?],
    };
    Some(RuleTest { span: node.span, name: name.map(|(_, name)| name.value).unwrap_or_default(), with, steps })
}

fn read_with(node: &Node, report: &mut Report) -> Vec<Spanned<String>> {
    let items = list(node, "`with`", report).unwrap_or_default();
    let mut seen = BTreeMap::new();
    let mut names = Vec::new();
    for item in items {
        let Some(name) = scalar::name(item, "the name of a rule", report) else { continue };
        match seen.get(&name.value) {
            Some(first) => report.twice(&format!("the rule `{}`", name.value), name.span, *first),
            None => {
                seen.insert(name.value.clone(), name.span);
                names.push(name);
            }
        }
    }
    names
}

/// Reads a test that is one step itself.
fn read_single(fields: &Fields<'_>, context: &mut Context<'_>) -> Option<TestStep> {
    for key in ["given", "then"] {
        if fields.get(key).is_none() {
            let label = format!("add `{key}:`, or `steps:` with several");
            context.report.error(Code::E5006, fields.head(), format!("a test needs the key `{key}`"), label);
        }
    }
    let at = fields.get("at").and_then(|node| scalar::moment(node, "`at`", &mut context.report));
    let given = fields.get("given").and_then(|node| read_given(node, context));
    let then = fields.get("then").and_then(|node| read_then(node, context));
    let at = at.map_or(TestTime::Same, |at| TestTime::At(at.value));
    Some(TestStep { span: fields.span, at, given: given?, then: then? })
}

fn read_steps(node: &Node, fields: &Fields<'_>, context: &mut Context<'_>) -> Vec<TestStep> {
    for key in ["given", "at", "then"] {
        if let Some(span) = fields.key_span(key) {
            let message = format!("a test with `steps` takes no `{key}` of its own");
            context.report.error(Code::E5011, span, message, "put it into a step");
        }
    }
    let items = list(node, "`steps`", &mut context.report).unwrap_or_default();
    items.iter().filter_map(|item| read_step(item, context)).collect()
}

fn read_step(node: &Node, context: &mut Context<'_>) -> Option<TestStep> {
    let fields = Fields::open(node, "a step of a test", Place::Step, &mut context.report)?;
    let report = &mut context.report;
    let at = fields.get("at").and_then(|node| scalar::moment(node, "`at`", report));
    let after = fields.get("after").and_then(|node| scalar::duration(node, "`after`", 0, report));
    if let (Some(_), Some(span)) = (&at, fields.key_span("after")) {
        report.error(Code::E5011, span, "a step has `at` or `after`, not both", "remove one of the two");
    }
    let time = match (at, after) {
        (Some(at), _) => TestTime::At(at.value),
        (None, Some(after)) => TestTime::Later(after.value),
        (None, None) => TestTime::Same,
    };
    let given = match fields.get("given") {
        Some(node) => read_given(node, context)?,
        None => Given::Nothing,
    };
    let then = match fields.get("then") {
        Some(node) => read_then(node, context)?,
        None => Then { span: node.span, ..Then::default() },
    };
    Some(TestStep { span: node.span, at: time, given, then })
}

fn read_given(node: &Node, context: &mut Context<'_>) -> Option<Given> {
    if matches!(node.kind, Kind::List(_)) {
        return Some(Given::Rows { table: None, rows: read_rows(node, "`given`", context)? });
    }
    let fields = Fields::open(node, "`given`", Place::Given, &mut context.report)?;
    let report = &mut context.report;
    let table = fields.get("table").map(|node| scalar::identifier(node, "the name of a table", report));
    match (fields.get("rows"), fields.get("file")) {
        (Some(rows), None) => {
            let rows = read_rows(rows, "`rows`", context)?;
            let table = match table {
                Some(table) => Some(table?),
                None => None,
            };
            Some(Given::Rows { table, rows })
        }
        (None, Some(file)) => {
            if let Some(span) = fields.key_span("table") {
                report.error(Code::E5011, span, "`table` goes with `rows`", "remove it: a file says what it holds");
            }
            let size_max = context.options.limits.document_bytes_max;
            let file = beside::read(file, context.files, size_max, &mut context.report)?;
            Some(Given::File { path: file.path, content: Arc::from(file.content) })
        }
        _ => {
            let message = "`given` has `rows` or `file`, one of the two";
            report.error(Code::E5006, fields.head(), message, "write a list of rows, or `{file: NAME}`");
            None
        }
    }
}

fn read_then(node: &Node, context: &mut Context<'_>) -> Option<Then> {
    let fields = Fields::open(node, "`then`", Place::Then, &mut context.report)?;
    let mut expected = Then { span: node.span, ..Then::default() };
    for (name, which) in counts() {
        let Some(node) = fields.get(name) else { continue };
        let count = scalar::count(node, &format!("`{name}`"), 0, i64::MAX, &mut context.report);
        expected
            .counts
            .extend(count.map(|count| (which, Spanned { value: count.value.unsigned_abs(), span: count.span })));
    }
    expected.records = fields.get("records").and_then(|node| read_rows(node, "`records`", context));
    expected.metrics = fields.get("metrics").and_then(|node| read_rows(node, "`metrics`", context));
    if fields.is_empty() {
        context.report.error(Code::E5006, node.span, "`then` expects nothing", "write what is expected: `dropped: 1`");
    }
    Some(expected)
}

fn read_rows(node: &Node, what: &str, context: &mut Context<'_>) -> Option<Vec<TestRow>> {
    let items = list(node, what, &mut context.report)?;
    Some(items.iter().filter_map(|item| read_row(item, context)).collect())
}

fn read_row(node: &Node, context: &mut Context<'_>) -> Option<TestRow> {
    if !matches!(node.kind, Kind::Map(_)) {
        let message = format!("a row is a mapping from columns to values, not {}", described(node));
        context.report.error(Code::E5007, node.span, message, "write `{Body: hi}`");
        return None;
    }
    let mut columns = Vec::new();
    for (name, value) in named(node, "a row", &mut context.report) {
        let column = scalar::checked_identifier(name.value, name.span, "a column", &mut context.report);
        let depth_max = context.options.limits.value_nesting_max;
        let value = value_of(value, depth_max, &mut context.report);
        if let (Some(column), Some(value)) = (column, value) {
            columns.push((column, value));
        }
    }
    Some(TestRow { span: node.span, columns })
}

/// Returns the dynamic that YAML spells: what JSON would make of it.
fn value_of(node: &Node, depth_max: usize, report: &mut Report) -> Option<Value> {
    let Some(depth_max) = depth_max.checked_sub(1) else {
        report.error(
            Code::E5001,
            node.span,
            "the value is nested too deeply",
            "no column needs this: write it flatter",
        );
        return None;
    };
    match &node.kind {
        Kind::Scalar(scalar) => Some(match plain(scalar) {
            Plain::Null => Value::Null,
            Plain::Bool(value) => Value::Bool(value),
            Plain::Long(value) => Value::Long(value),
            Plain::Real(value) => Value::Real(value),
            Plain::Text => Value::string(&*scalar.text),
        }),
        Kind::List(items) => {
            let items: Option<Vec<Value>> = items.iter().map(|item| value_of(item, depth_max, report)).collect();
            items.map(Value::array)
        }
        Kind::Map(pairs) => {
            let mut bag = Bag::new();
            let mut seen = BTreeMap::new();
            for (key, value) in pairs.iter() {
                let Some(name) = key_text(key) else {
                    report.error(Code::E5003, key.span, "a key of a bag is a text", "write `key: value`");
                    return None;
                };
                if let Some(first) = seen.insert(name, key.span) {
                    report.twice(&format!("the key `{}`", shortened(name)), key.span, first);
                }
                bag.set(Str::from(name), value_of(value, depth_max, report)?);
            }
            Some(Value::bag(bag))
        }
    }
}
