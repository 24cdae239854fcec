//! Native code in queries: what is compiled, what the report says, and that all else is as the interpreter has it.

use dtq_engine::{Engine, NoTables, Options, Query, compile};
use dtq_generate::Events;
use dtq_record::stream::Catalog;
use std::fmt::Write;

const NOW_TICKS: i64 = 638_396_640_000_000_000;

fn query(text: &str, catalog: &dyn Catalog) -> Query {
    let (query, diagnostics) = compile(text, catalog, &Options::default());
    query.unwrap_or_else(|| panic!("{text}: {diagnostics:#?}"))
}

/// Returns the rows, or the fault, of a query.
fn answer(query: &Query, engine: Engine, catalog: &dyn Catalog) -> String {
    let options = Options { engine, now_ticks: NOW_TICKS, random_seed: 7, ..Options::default() };
    match query.run(catalog, &options).and_then(|mut run| run.rest(0)) {
        Ok(rows) => format!("{rows:?}"),
        Err(fault) => fault.to_string(),
    }
}

/// Returns how many functions a query has, and how many expressions are interpreted, after it was compared.
fn compared(text: &str) -> (usize, usize) {
    let query = query(text, &Events);
    let expected = answer(&query, Engine::Interp, &Events);
    assert_eq!(answer(&query, Engine::Jit, &Events), expected, "{text}");
    let native = query.native(Engine::Jit).expect("tests run where there is native code").expect("it was wanted");
    (native.report().function_count, native.report().interpreted.len())
}

#[test]
fn what_operators_evaluate_for_rows_is_native() {
    for (text, function_count) in [
        ("Events | where long_column > 1 | project a = long_column + 1, string_column", 2),
        ("Events | summarize n = countif(long_column > 1), sum(long_column * 2) by bin(long_column, 10)", 3),
        ("Events | sort by strlen(string_column) asc, long_column desc", 1),
        ("Events | top 3 by long_column % 7 asc", 1),
        (
            "Events | project k = long_column % 3 | join kind=inner (Events | project k = long_column % 5) on k | count",
            2,
        ),
        ("Events | where long_column in (toscalar(Events | summarize max(long_column + 1))) | count", 2),
        ("Events | where string_column in~ (Events | project tolower(string_column)) | count", 2),
        ("Events | project r = rand(), s = rand(10) | where r < 0.5 | sample 2", 3),
        (
            "Events | sort by long_column asc | extend d = long_column - prev(long_column), n = row_cumsum(long_column * 2)",
            2,
        ),
        ("Events | project d = now() - datetime_column", 1),
    ] {
        assert_eq!(compared(text), (function_count, 0), "{text}");
    }
}

#[test]
fn what_fails_fails_as_it_does_interpreted() {
    for text in [
        "Events | extend a = assert(long_column > 100, 'too small') | where a",
        "Events | where long_column < 0 and assert(false, 'never asked') | count",
        "Events | project x = strcat_array(range(1, 100000, 1), 'x') | take 1",
    ] {
        compared(text);
    }
}

#[test]
fn a_null_in_a_column_of_strings_is_seen() {
    let text = "Events | extend t = substring(string_column, long(null)) | serialize \
                | project isnull(t), t == '', tostring(t), iff(isnull(t), 1, 2), strlen(t) | where isnull(Column1) or Column1";
    let options = Options { without_optimizer: true, ..Options::default() };
    let query = compile(text, &Events, &options).0.expect("the query has no errors");
    let expected = answer(&query, Engine::Interp, &Events);
    assert!(expected.contains("Bool(true), Bool(false)"), "{expected}");
    assert_eq!(answer(&query, Engine::Jit, &Events), expected);
}

#[test]
fn steps_of_scan_are_interpreted_and_said_to_be() {
    let text = "Events | sort by long_column + 1 asc | scan declare (n: long = 0) with (step s: long_column > 0 => n = s.n + 1;)";
    let (function_count, interpreted_count) = compared(text);
    assert_eq!((function_count, interpreted_count), (1, 2));
    let query = query(text, &Events);
    let native = query.native(Engine::Jit).expect("there is native code").expect("it is wanted");
    let (_, refusal) = &native.report().interpreted[0];
    assert!(refusal.to_string().contains("`scan`"), "{refusal}");
    assert_eq!(native.report().engine(), "jit and interp");
    let listings = query.listings().expect("there is native code");
    assert_eq!(listings.iter().filter(|one| one.listing.is_ok()).count(), 1);
    assert_eq!(listings.len(), 3);
}

#[test]
fn auto_compiles_for_tables_alone() {
    let without = query("range x from 1 to 3 step 1 | where x > 1", &NoTables);
    assert!(without.native(Engine::Auto).is_ok_and(|native| native.is_none()));
    assert!(without.native(Engine::Interp).is_ok_and(|native| native.is_none()));
    assert_eq!(answer(&without, Engine::Jit, &NoTables), answer(&without, Engine::Auto, &NoTables));
    let with = query("Events | where long_column > 1", &Events);
    assert!(with.native(Engine::Auto).is_ok_and(|native| native.is_some()));
    assert!(with.native(Engine::Interp).is_ok_and(|native| native.is_none()));
}

#[test]
fn a_very_large_query_is_compiled_in_part() {
    let mut text = "Events | project ".to_owned();
    for index in 0..4_000 {
        let comma = if index == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}c{index} = long_column * {index} + int_column % {}", index + 2);
    }
    let query = query(&text, &Events);
    let native = query.native(Engine::Jit).expect("there is native code").expect("it is wanted");
    let report = native.report();
    assert!(report.function_count > 500 && !report.interpreted.is_empty(), "{}", report.function_count);
    assert_eq!(answer(&query, Engine::Jit, &Events), answer(&query, Engine::Interp, &Events));
}
