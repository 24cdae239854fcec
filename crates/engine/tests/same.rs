//! Generated queries give the same rows and the same faults on every engine, with the optimizer and without it.
//!
//! `DTQ_CASES=100000 DTQ_SEED=1` makes the run longer, or another one.

#![expect(clippy::print_stdout, reason = "its numbers are for people")]

use dtq_engine::{Options, compile};
use dtq_exec::{Native, Run};
use dtq_generate::{Choices, Events, Patterns};
use dtq_ir::Program;
use dtq_opt::optimize;
use dtq_record::stream::Catalog;
use dtq_source::Limits;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn limits() -> Limits {
    Limits { held_bytes_max: 64 << 20, produced_rows_max: 10_000, ..Limits::default() }
}

/// Returns what a program gives, or the code with which it fails; values are written so that no two look alike.
fn answer(program: &Program, native: Option<&Native>, catalog: &dyn Catalog) -> String {
    let now_ticks = 638_396_640_000_000_000;
    let options = dtq_exec::Options { limits: limits(), now_ticks, native, ..dtq_exec::Options::default() };
    match Run::new(program, catalog, options).and_then(|mut run| run.rest(0)) {
        Ok(rows) => rows.iter().map(|row| format!("{row:?}\n")).collect(),
        Err(fault) => fault.code.to_string(),
    }
}

/// Holds what one query showed.
struct Checked {
    /// Whether a second pass of the optimizer finds nothing to do.
    is_settled: bool,
    function_count: usize,
    interpreted_count: usize,
}

/// Checks that a program gives an answer on native code, and counts its functions and what is interpreted.
fn check_native(text: &str, program: &Program, expected: &str, catalog: &dyn Catalog) -> (usize, usize) {
    let native = Native::compile(program).unwrap_or_else(|refusal| panic!("{refusal}"));
    let found = answer(program, Some(&native), catalog);
    assert!(
        found == expected,
        "{text}\n--- interpreted\n{expected}\n--- native\n{found}\n--- program\n{}",
        dtq_ir::text::print(program)
    );
    (native.report().function_count, native.report().interpreted.len())
}

fn check(text: &str, catalog: &dyn Catalog) -> Option<Checked> {
    let options = Options { limits: limits(), now_ticks: 638_396_640_000_000_000, ..Options::default() };
    let (query, diagnostics) = compile(text, catalog, &options);
    if query.is_none() && std::env::var_os("DTQ_REFUSED").is_some() {
        println!("{text}\n{:?}", diagnostics.first().map(|one| &one.message));
    }
    let program = query?.program().clone();
    let opt_options = dtq_opt::Options { limits: limits(), ..dtq_opt::Options::default() };
    let (optimized, report) = optimize(&program, &opt_options);
    let (before, after) = (answer(&program, None, catalog), answer(&optimized, None, catalog));
    assert!(
        before == after,
        "{text}\n{report}\n--- without\n{before}\n--- with\n{after}\n--- program\n{}",
        dtq_ir::text::print(&optimized)
    );
    let (function_count, interpreted_count) = check_native(text, &optimized, &before, catalog);
    let printed = dtq_ir::text::print(&optimized);
    let parsed = dtq_ir::text::parse(&printed, &limits()).unwrap_or_else(|error| panic!("{error}\n{printed}"));
    assert_eq!(dtq_ir::text::print(&parsed), printed, "{text}");
    let (again, report) = optimize(&optimized, &opt_options);
    let changed: Vec<_> = report.changes.iter().filter(|(_, count)| *count > 0).collect();
    assert!(answer(&again, None, catalog) == before, "{text}: optimized twice, it differs");
    Some(Checked { is_settled: changed.is_empty(), function_count, interpreted_count })
}

#[test]
fn queries_of_patterns() {
    let (count, seed) = (number("DTQ_CASES", 1_500), number("DTQ_SEED", 0));
    let (mut accepted_count, mut settled_count) = (0, 0);
    for case in 0..count {
        let case = case + seed * 1_000_003;
        let text = dtq_generate::patterns::query(&mut Choices::Seed(case.wrapping_mul(0x9E37_79B9)));
        if let Some(checked) = check(&text, &Patterns { seed: case, row_count: 24 }) {
            accepted_count += 1;
            settled_count += u64::from(checked.is_settled);
            assert_eq!(checked.interpreted_count, 0, "{text}");
        }
    }
    println!("{accepted_count} of {count} accepted; {settled_count} with nothing left to do");
    assert!(accepted_count * 10 > count * 9, "only {accepted_count} of {count}: the generator is the bug");
    assert!(settled_count * 20 > accepted_count * 19, "only {settled_count} of {accepted_count} settle");
}

#[test]
fn queries_of_every_function() {
    let (count, seed) = (number("DTQ_CASES", 800), number("DTQ_SEED", 0));
    let accepted = (0..count).filter_map(|case| {
        let case = case + seed * 1_000_003;
        let text = dtq_generate::query(&mut Choices::Seed(case.wrapping_mul(7919)), &[Events::table()]);
        check(&text, &Events)
    });
    let (mut accepted_count, mut function_count, mut interpreted_count) = (0, 0, 0);
    for checked in accepted {
        accepted_count += 1;
        function_count += checked.function_count;
        interpreted_count += checked.interpreted_count;
    }
    println!("{accepted_count} of {count} accepted; {function_count} functions, {interpreted_count} interpreted");
    assert!(interpreted_count * 20 < function_count, "{interpreted_count} are interpreted beside {function_count}");
    assert!(accepted_count * 2 > count, "only {accepted_count} of {count}: the generator is the bug");
}
