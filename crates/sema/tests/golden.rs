//! Fixtures in `fixtures/sema`: the `diagnostics` of parser and lowering together.

use dtq_record::stream::{Catalog, Column, Projection, RowStream, StreamError, TableSchema};
use dtq_sema::{Options, lower};
use dtq_source::{Code, Diagnostic, Limits, Severity};
use dtq_value::Type;

/// The standard tables that the fixtures use.
struct Tables;

const TABLES: &[(&str, &[(&str, Type)])] = &[
    (
        "logs",
        &[
            ("Timestamp", Type::DateTime),
            ("ObservedTimestamp", Type::DateTime),
            ("TraceId", Type::String),
            ("SpanId", Type::String),
            ("TraceFlags", Type::Int),
            ("SeverityNumber", Type::Int),
            ("SeverityText", Type::String),
            ("EventName", Type::String),
            ("Body", Type::Dynamic),
            ("Attributes", Type::Dynamic),
            ("Resource", Type::Dynamic),
            ("Scope", Type::Dynamic),
        ],
    ),
    (
        "spans",
        &[
            ("TraceId", Type::String),
            ("SpanId", Type::String),
            ("SpanName", Type::String),
            ("StartTime", Type::DateTime),
            ("Duration", Type::TimeSpan),
            ("StatusCode", Type::String),
            ("Attributes", Type::Dynamic),
        ],
    ),
    ("nginx-access-2024", &[("line", Type::String)]),
];

impl Catalog for Tables {
    fn schema(&self, table: &str) -> Option<TableSchema> {
        let (name, columns) = TABLES.iter().find(|(name, _)| *name == table)?;
        let columns = columns.iter().map(|(name, ty)| Column::new(*name, *ty)).collect();
        Some(TableSchema { name: (*name).to_owned(), columns })
    }

    fn table_names(&self) -> Vec<String> {
        TABLES.iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    fn scan(&self, _: &str, _: &Projection) -> Result<Box<dyn RowStream + '_>, StreamError> {
        unreachable!("nothing is run here")
    }
}

fn diagnostics(text: &str) -> Vec<Diagnostic> {
    let (query, mut found) = dtq_syntax::parse(text, &Limits::default());
    found.extend(lower(&query, &Tables, &Options::default()).1);
    found
}

/// Returns diagnostics as fixtures hold them.
fn golden_text(found: &[Diagnostic]) -> String {
    let mut out = String::new();
    for diagnostic in found {
        let kind = if diagnostic.severity == Severity::Error { "error" } else { "warning" };
        let span = diagnostic.span;
        out.push_str(&format!("{kind}[{}] {}..{}: {}\n", diagnostic.code, span.start, span.end, diagnostic.message));
        if !diagnostic.label.is_empty() {
            out.push_str(&format!("  help: {}\n", diagnostic.label));
        }
        if let Some(fix) = &diagnostic.fix {
            out.push_str(&format!("  fix: {}..{} {:?}\n", fix.span.start, fix.span.end, fix.replacement));
        }
        for note in &diagnostic.notes {
            out.push_str(&format!("  note: {note}\n"));
        }
    }
    out
}

#[test]
fn golden() {
    let mut run = dtq_fixture::Run::new("sema");
    for case in dtq_fixture::load(&dtq_fixture::root().join("sema")) {
        case.check(&mut run, "diagnostics", || golden_text(&diagnostics(case.query())));
    }
    run.finish();
}

/// Cases in `fixtures/profile`: what an Azure Monitor transformation refuses, and no more.
#[test]
fn golden_of_profiles() {
    let mut run = dtq_fixture::Run::new("profile");
    for case in dtq_fixture::load(&dtq_fixture::root().join("profile")) {
        case.check(&mut run, "diagnostics", || golden_text(&refused(case.query())));
        for fix in refused(case.query()).iter().filter_map(|found| found.fix.as_ref()) {
            let mut fixed = case.query().to_owned();
            fixed.replace_range(fix.span.range(), &fix.replacement);
            assert!(refused(&fixed).len() < refused(case.query()).len(), "{}: the fix removes nothing", case.name);
        }
    }
    run.finish();
}

fn refused(text: &str) -> Vec<Diagnostic> {
    let (query, wrong) = dtq_syntax::parse(text, &Limits::default());
    assert!(wrong.is_empty(), "{wrong:?}");
    dtq_sema::profile::azure_dcr(&query, text, &Limits::default())
}

#[test]
fn every_code_of_meaning_has_a_fixture() {
    let mut missing: Vec<Code> =
        Code::ALL.iter().copied().filter(|code| (2000..3000).contains(&code.number())).collect();
    for case in dtq_fixture::load(&dtq_fixture::root().join("sema")) {
        let found = diagnostics(case.query());
        assert!(!found.is_empty(), "{}: no diagnostic", case.name);
        missing.retain(|code| found.iter().all(|diagnostic| diagnostic.code != *code));
    }
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn fixes_remove_the_mistake_they_belong_to() {
    for case in dtq_fixture::load(&dtq_fixture::root().join("sema")) {
        let found = diagnostics(case.query());
        for diagnostic in &found {
            let Some(fix) = &diagnostic.fix else { continue };
            let mut fixed = case.query().to_owned();
            fixed.replace_range(fix.span.range(), &fix.replacement);
            let left = diagnostics(&fixed);
            let says_same =
                left.iter().any(|other| other.code == diagnostic.code && other.message == diagnostic.message);
            assert!(!says_same, "{}: the fix leaves `{}` in:\n{fixed}", case.name, diagnostic.message);
        }
    }
}

#[test]
fn a_query_with_five_mistakes_reports_five() {
    let cases = dtq_fixture::load(&dtq_fixture::root().join("sema"));
    let case = cases.iter().find(|case| case.name == "five mistakes").unwrap();
    let found = diagnostics(case.query());
    assert_eq!(found.len(), 5, "{}", golden_text(&found));
    let mut codes: Vec<Code> = found.iter().map(|diagnostic| diagnostic.code).collect();
    codes.dedup();
    assert_eq!(codes.len(), 5, "five different kinds");
}
