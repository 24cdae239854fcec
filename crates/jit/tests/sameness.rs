//! Native code against the interpreter, with the optimizer and without: generated expressions over generated rows give
//! the same values, bit by bit, and the same faults.
//!
//! `DTQ_PAIRS=10000000 DTQ_ROWS=300 cargo test --release -p dtq-jit --test sameness -- --nocapture` makes the run longer,
//! `DTQ_SEED` another one.

#![allow(clippy::print_stdout, reason = "its numbers are for people")]

mod common;

use common::{Pairs, compare, expression, number, rows};
use dtq_generate::{Choices, Events, conditions, scalar};
use dtq_jit::Compiler;
use dtq_value::Type;

/// Compares expressions until there are enough pairs on every engine; at least `share` of ten have to be accepted.
fn run(name: &str, salt: u64, share: usize, text: impl Fn(&mut Choices<'_>) -> String) {
    let compiler = Compiler::host().expect("tests run on a machine that has native code");
    let (wanted, row_count) = (number("DTQ_PAIRS", 18_000) as usize, number("DTQ_ROWS", 18) as usize);
    let mut seed = number("DTQ_SEED", 0).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(salt);
    let (mut pairs, mut all_count, mut accepted_count, mut refused_count) = (Pairs::default(), 0, 0, 0);
    while pairs.least() < wanted {
        all_count += 1;
        seed = seed.wrapping_add(104_729);
        let mut choices = Choices::Seed(seed);
        let text = text(&mut choices);
        if let Some((program, expr)) = expression(&text) {
            accepted_count += 1;
            match compare(&compiler, (&program, expr), &rows(&mut choices, row_count), &text) {
                Some(more) => pairs.add(more),
                None => refused_count += 1,
            }
        }
        assert!(all_count < 100 || accepted_count * 10 >= all_count * share, "{accepted_count} of {all_count}");
    }
    println!("{name}: {accepted_count} of {all_count} expressions, {refused_count} refused; {pairs:?}");
    assert_eq!(refused_count, 0, "{:?}", common::REFUSED.take());
}

#[test]
fn generated_expressions_are_what_the_interpreter_says() {
    let columns = Events::table().columns;
    run("every function", 13, 5, |choices| {
        let ty = *choices.pick(&Type::ALL);
        let ty = if choices.one_in(2) { Type::Bool } else { ty };
        let depth = 1 + choices.below(4);
        scalar::scalar(choices, &columns, ty, depth)
    });
}

#[test]
fn conditions_as_in_rules_are_what_the_interpreter_says() {
    run("conditions", 5, 8, |choices| {
        let depth = choices.below(4);
        conditions::condition(choices, depth)
    });
}

#[test]
fn values_as_in_rules_are_what_the_interpreter_says() {
    run("values", 7, 7, conditions::value);
}
