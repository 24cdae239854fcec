//! Generated queries give the same rows and the same faults with the optimizer and without it.
//!
//! `DTQ_CASES=100000 DTQ_SEED=1` makes the run longer, or another one.

#![expect(clippy::print_stdout, reason = "its numbers are for people")]

use dtq_engine::{Options, compile};
use dtq_exec::Run;
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
fn answer(program: &Program, catalog: &dyn Catalog) -> String {
    let options =
        dtq_exec::Options { limits: limits(), now_ticks: 638_396_640_000_000_000, ..dtq_exec::Options::default() };
    match Run::new(program, catalog, options).and_then(|mut run| run.rest(0)) {
        Ok(rows) => rows.iter().map(|row| format!("{row:?}\n")).collect(),
        Err(fault) => fault.code.to_string(),
    }
}

fn check(text: &str, catalog: &dyn Catalog) -> Option<bool> {
    let options = Options { limits: limits(), now_ticks: 638_396_640_000_000_000, ..Options::default() };
    let (query, diagnostics) = compile(text, catalog, &options);
    if query.is_none() && std::env::var_os("DTQ_REFUSED").is_some() {
        println!("{text}\n{:?}", diagnostics.first().map(|one| &one.message));
    }
    let program = query?.program().clone();
    let opt_options = dtq_opt::Options { limits: limits(), ..dtq_opt::Options::default() };
    let (optimized, report) = optimize(&program, &opt_options);
    let (before, after) = (answer(&program, catalog), answer(&optimized, catalog));
    assert!(
        before == after,
        "{text}\n{report}\n--- without\n{before}\n--- with\n{after}\n--- program\n{}",
        dtq_ir::text::print(&optimized)
    );
    let printed = dtq_ir::text::print(&optimized);
    let parsed = dtq_ir::text::parse(&printed, &limits()).unwrap_or_else(|error| panic!("{error}\n{printed}"));
    assert_eq!(dtq_ir::text::print(&parsed), printed, "{text}");
    let (again, report) = optimize(&optimized, &opt_options);
    let changed: Vec<_> = report.changes.iter().filter(|(_, count)| *count > 0).collect();
    assert!(answer(&again, catalog) == before, "{text}: optimized twice, it differs");
    Some(changed.is_empty())
}

#[test]
fn queries_of_patterns() {
    let (count, seed) = (number("DTQ_CASES", 1_500), number("DTQ_SEED", 0));
    let (mut accepted_count, mut settled_count) = (0, 0);
    for case in 0..count {
        let case = case + seed * 1_000_003;
        let text = dtq_generate::patterns::query(&mut Choices::Seed(case.wrapping_mul(0x9E37_79B9)));
        if let Some(is_settled) = check(&text, &Patterns { seed: case, row_count: 24 }) {
            accepted_count += 1;
            settled_count += u64::from(is_settled);
        }
    }
    println!("{accepted_count} of {count} accepted; {settled_count} with nothing left to do");
    assert!(accepted_count * 10 > count * 9, "only {accepted_count} of {count}: the generator is the bug");
    assert!(settled_count * 20 > accepted_count * 19, "only {settled_count} of {accepted_count} settle");
}

#[test]
fn queries_of_every_function() {
    let (count, seed) = (number("DTQ_CASES", 800), number("DTQ_SEED", 0));
    let accepted = (0..count).filter(|case| {
        let case = case + seed * 1_000_003;
        let text = dtq_generate::query(&mut Choices::Seed(case.wrapping_mul(7919)), &[Events::table()]);
        check(&text, &Events).is_some()
    });
    let accepted_count = accepted.count() as u64;
    assert!(accepted_count * 2 > count, "only {accepted_count} of {count}: the generator is the bug");
}
