//! `dtq test`: rule files to what came of their tests: a line each, as JSON, and as JUnit XML.

use crate::args::{ReportForm, TestArguments};
use crate::commands::{junit, query};
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use crate::native;
use crate::output::text;
use crate::rule_set::{self, Loaded};
use dtq_rules::file::RuleFile;
use dtq_rules::test::{self, Mismatch, NeverVaried, Outcome as Never, RuleReport};
use dtq_source::{Limits, SourceText, Span};
use serde_json::{Value, json};
use std::fs;
use std::io::{self, Write};
use std::sync::Arc;

/// Runs `dtq test`.
pub fn execute(arguments: &TestArguments, console: &mut Console) -> Outcome {
    let limits = Limits::default();
    let loaded = rule_set::load(&arguments.rules, query::now_ticks(), &limits)?;
    rule_set::say(&loaded, console);
    let Loaded { files, set: Some(set), .. } = loaded else { return Err(Failure::Query) };
    let is_native = native::compile(arguments.engine, &Arc::new(set), console)?.is_some();
    let options = test::Options { limits, filter: arguments.filter.clone(), is_native };
    let reports = match test::run(&files, &options) {
        Ok(reports) => reports,
        Err(diagnostics) => {
            // A rule that is off or has expired is compiled for its tests only.
            rule_set::say(&Loaded { files, diagnostics, set: None, paths: Vec::new() }, console);
            return Err(Failure::Query);
        }
    };
    if let (Some(filter), true) = (&arguments.filter, reports.is_empty()) {
        return Err(Failure::Usage(format!("--filter `{filter}`: no rule and no test has this in its name")));
    }
    if let Some(path) = &arguments.junit {
        fs::write(path, junit::xml(&files, &reports))
            .map_err(|error| Failure::Output(io::Error::new(error.kind(), format!("{}: {error}", path.display()))))?;
    }
    match arguments.output {
        ReportForm::Text => write_text(&files, &reports, &mut console.out)?,
        ReportForm::Json => writeln!(console.out, "{}", text::neutral_json(&as_json(&files, &reports).to_string()))?,
    }
    if reports.iter().all(RuleReport::is_passed) { Ok(()) } else { Err(Failure::Differs) }
}

/// Returns what was not as expected, in a sentence.
pub fn sentence(mismatch: &Mismatch) -> String {
    let Mismatch { what, expected, came, .. } = mismatch;
    if expected.is_empty() { format!("{what}: {came}") } else { format!("{what}: expected {expected}, came {came}") }
}

/// Returns file, line and column of a place.
pub fn place(source: &SourceText, span: Span) -> String {
    let (line, column) = source.line_column(span.start);
    format!("{}:{line}:{column}", source.name())
}

fn write_text(files: &[RuleFile], reports: &[RuleReport], out: &mut dyn Write) -> io::Result<()> {
    for report in reports {
        let rule = &report.rule.value;
        let source = &files[report.file].source;
        for test in &report.tests {
            let verdict = if test.mismatches.is_empty() { "ok   " } else { "FAIL " };
            writeln!(out, "{verdict} {rule}: {}", text::neutral(&test.name))?;
            for mismatch in &test.mismatches {
                let line = format!("{}: {}", place(source, mismatch.span), sentence(mismatch));
                writeln!(out, "      {}", text::neutral_lines(&line).replace('\n', "\n      "))?;
            }
        }
        for lack in &report.lacks {
            writeln!(out, "FAIL  {rule}: {lack} ({})", place(source, report.rule.span))?;
        }
        for condition in &report.never_varied {
            let shown = text::neutral(&condition.text).into_owned();
            let place = query_place(&files[report.file], report, condition);
            writeln!(out, "note  {rule}: `{shown}` was {} ({place})", never(condition.never))?;
        }
    }
    let tests = || reports.iter().flat_map(|report| &report.tests);
    let (count, failed) = (tests().count(), tests().filter(|test| !test.mismatches.is_empty()).count());
    let lacking = reports.iter().filter(|report| !report.lacks.is_empty()).count();
    let plural = |count: usize, one: &str, more: &str| format!("{count} {}", if count == 1 { one } else { more });
    let mut summary = format!("{}: {} passed, {failed} failed", plural(count, "test", "tests"), count - failed);
    if lacking > 0 {
        summary.push_str(&format!("; {} examples", plural(lacking, "rule lacks", "rules lack")));
    }
    writeln!(out, "{summary}")
}

fn never(never: Never) -> &'static str {
    match never {
        Never::True => "never true",
        Never::False => "never false",
        Never::Any => "never looked at",
    }
}

/// Returns the place of a condition: in the rule file, or in the query's own.
fn query_place(file: &RuleFile, report: &RuleReport, condition: &NeverVaried) -> String {
    let rule = file.rules.iter().find(|rule| rule.name.span == report.rule.span);
    place(rule.map_or(&file.source, |rule| rule.query.source(file)), condition.span)
}

fn as_json(files: &[RuleFile], reports: &[RuleReport]) -> Value {
    let rules: Vec<Value> = reports.iter().map(|report| rule_json(&files[report.file], report)).collect();
    let tests = || reports.iter().flat_map(|report| &report.tests);
    let failed = tests().filter(|test| !test.mismatches.is_empty()).count();
    json!({
        "tests": tests().count(),
        "failed": failed,
        "passed": reports.iter().all(RuleReport::is_passed),
        "rules": rules,
    })
}

fn rule_json(file: &RuleFile, report: &RuleReport) -> Value {
    let source = &file.source;
    let mismatch = |mismatch: &Mismatch| {
        let (line, column) = source.line_column(mismatch.span.start);
        let Mismatch { what, expected, came, .. } = mismatch;
        json!({"line": line, "column": column, "what": what, "expected": expected, "came": came})
    };
    let tests: Vec<Value> = report
        .tests
        .iter()
        .map(|test| {
            let mismatches: Vec<Value> = test.mismatches.iter().map(mismatch).collect();
            let line = source.line_column(test.span.start).0;
            json!({"name": test.name, "line": line, "passed": mismatches.is_empty(), "mismatches": mismatches})
        })
        .collect();
    let conditions: Vec<Value> = report
        .never_varied
        .iter()
        .map(|one| json!({"text": one.text, "never": never(one.never), "place": query_place(file, report, one)}))
        .collect();
    json!({
        "rule": report.rule.value,
        "file": source.name(),
        "passed": report.is_passed(),
        "tests": tests,
        "lacks": report.lacks,
        "conditions": conditions,
    })
}
