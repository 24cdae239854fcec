//! Native code against the interpreter: generated expressions over generated rows give the same values, bit by bit, and
//! the same faults.

mod common;

use common::{compare, expression, hot_condition, rows};
use dtq_generate::{Choices, Events};
use dtq_jit::Compiler;
use dtq_value::Type;

#[test]
fn generated_expressions_are_what_the_interpreter_says() {
    let compiler = Compiler::host().expect("tests run on a machine that has native code");
    let columns = Events::table().columns;
    let (mut accepted_count, mut refused_count, mut pair_count) = (0, 0, 0);
    let count: u64 = std::env::var("DTQ_SAMENESS_COUNT").ok().and_then(|text| text.parse().ok()).unwrap_or(600);
    for seed in 0..count {
        let mut choices = Choices::Seed(seed * 7919 + 13);
        let ty = *choices.pick(&Type::ALL);
        let ty = if choices.one_in(2) { Type::Bool } else { ty };
        let depth = 1 + choices.below(4);
        let text = dtq_generate::scalar::scalar(&mut choices, &columns, ty, depth);
        let Some((program, expr)) = expression(&text) else { continue };
        accepted_count += 1;
        match compare(&compiler, (&program, expr), &rows(&mut choices, 12), &text) {
            Some(pairs) => pair_count += pairs,
            None => refused_count += 1,
        }
    }
    println!("{accepted_count} of {count} were accepted, {refused_count} refused, {pair_count} pairs compared");
    assert!(accepted_count * 2 > count, "only {accepted_count} of {count}: the generator is the bug");
    assert_eq!(refused_count, 0, "{:?}", common::REFUSED.take());
}

#[test]
fn conditions_as_in_rules_are_what_the_interpreter_says() {
    let compiler = Compiler::host().expect("tests run on a machine that has native code");
    let count: u64 = std::env::var("DTQ_SAMENESS_COUNT").ok().and_then(|text| text.parse().ok()).unwrap_or(600);
    let mut accepted_count = 0;
    for seed in 0..count {
        let mut choices = Choices::Seed(seed * 104_729 + 5);
        let depth = choices.below(4);
        let text = hot_condition(&mut choices, depth);
        let Some((program, expr)) = expression(&text) else { continue };
        accepted_count += 1;
        assert!(compare(&compiler, (&program, expr), &rows(&mut choices, 24), &text).is_some());
    }
    println!("{accepted_count} of {count} were accepted");
    assert!(accepted_count * 4 > count * 3, "only {accepted_count} of {count}");
}
