//! Runs the conformance cases, results of the real Kusto engine, through `dtq run --batch` and compares.
//!
//! `cargo test -p dtq-cli --test conformance -- --nocapture` prints the numbers, with `DTQ_REFUSED=1` also every case
//! that is refused; `DTQ_BLESS=1` rewrites the tables in `docs/conformance.md`. The cases lie beside the checkout, in `../shared/conformance`, or where `DTQ_CONFORMANCE` says.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "all of it is a test, and its numbers are for people")]

mod cases;
mod compare;
mod report;

use cases::{Answer, Case};
use std::path::{Path, PathBuf};

/// The root of the checkout.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the crate lies two folders below the root")
}

fn cases_dir() -> Option<PathBuf> {
    let dir = match std::env::var_os("DTQ_CONFORMANCE") {
        Some(dir) => PathBuf::from(dir),
        None => root().join("../shared/conformance"),
    };
    dir.is_dir().then_some(dir)
}

/// Holds a case with what became of it.
struct Outcome {
    case: Case,
    verdict: Verdict,
}

/// Says what became of a case.
enum Verdict {
    Passed,
    /// A diagnostic with its code and message.
    Refused(String),
    /// A result that differs, and how.
    Wrong(String),
}

fn judge(case: Case, answer: Answer) -> Outcome {
    let verdict = match answer {
        Answer::Diagnostics(text) => Verdict::Refused(text),
        Answer::Table(found) => match compare::tables(&case, &found) {
            Ok(()) => Verdict::Passed,
            Err(difference) => Verdict::Wrong(difference),
        },
    };
    Outcome { case, verdict }
}

#[test]
fn results_are_those_of_the_real_engine() {
    let Some(dir) = cases_dir() else {
        println!(
            "\n!!! CONFORMANCE NOT RUN: there is no ../shared/conformance beside the checkout, and DTQ_CONFORMANCE is not set !!!\n"
        );
        return;
    };
    let cases = cases::load(&dir);
    assert!(cases.len() > 1000, "only {} cases in {}", cases.len(), dir.display());
    let answers = cases::run(&cases);
    let outcomes: Vec<Outcome> = cases.into_iter().zip(answers).map(|(case, answer)| judge(case, answer)).collect();
    let exceptions = report::exceptions(&root().join("docs/conformance.md"));
    println!("{}", report::summary(&outcomes));
    if std::env::var_os("DTQ_REFUSED").is_some() {
        print!("{}", report::refusals(&outcomes));
    }
    let failures = report::failures(&outcomes, &exceptions);
    print!("{failures}");
    report::check_document(&root().join("docs/conformance.md"), &outcomes);
    assert!(failures.is_empty(), "see the failures above; a justified one is listed by id in docs/conformance.md");
}
