//! Native code against the interpreter, with the optimizer and without: generated expressions over generated rows give
//! the same values, bit by bit, and the same faults.
//!
//! `DTQ_PAIRS=10000000 DTQ_ROWS=300 cargo test --release -p dtq-jit --test sameness -- --nocapture` makes the run longer,
//! `DTQ_SEED` another one.

#![allow(clippy::print_stdout, reason = "its numbers are for people")]

mod common;

use common::{Pairs, compare, context, expression, limits, number, rows};
use dtq_generate::{Choices, Events, conditions, scalar};
use dtq_interp::Interpreter;
use dtq_ir::{ExprId, Program};
use dtq_jit::Compiler;
use dtq_value::{Type, Value};

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

#[test]
fn what_follows_a_null_is_asked_where_it_may_fail() {
    // A null is no verdict of a filter, but the pattern is malformed.
    let (program, expr) = expression("bool_column and string_column matches regex string_column").unwrap();
    let mut row = vec![Value::Null; Type::ALL.len()];
    row[5] = Value::string("(");
    let compiler = Compiler::host().unwrap();
    assert!(compare(&compiler, (&program, expr), &[row], "a null and a malformed pattern").is_some());
}

#[test]
fn a_dynamic_is_none_of_few_words() {
    let compiler = Compiler::host().unwrap();
    for text in ["dynamic_column in ('a', '')", "dynamic_column !in ('a', '')", "dynamic_column !in ('b')"] {
        let (program, expr) = expression(text).unwrap();
        let values = [Value::Null, Value::string("a"), Value::string("b"), Value::string(""), Value::Long(5)];
        let rows = values.map(|value| [vec![Value::Null; Type::ALL.len() - 1], vec![value]].concat());
        assert!(compare(&compiler, (&program, expr), &rows, text).is_some());
    }
}

/// A string that is null over a row of nulls: the fourth expression.
const NULL_TEXTS: [&str; 2] = [
    "%0: bool @0..0 = Column(0)
     %1: int @0..0 = Column(1)
     %2: string @0..0 = Column(5)
     %3: string @0..0 = Call(function:\"substring\",signature:0,args:[(2),(1)],pooled:None)",
    "%0: int @0..0 = Column(1)
     %1: string @0..0 = Const(String(Text(\"\")))
     %2: string @0..0 = Call(function:\"substring\",signature:0,args:[(1),(0)],pooled:None)
     %3: string @0..0 = Coalesce([(1),(2)])",
];

/// Returns the program that asks an operator about the fourth expression and some words.
fn asked(subject: &str, operator: &str, words: &[&str]) -> (Program, ExprId) {
    let last = words.len() + 4;
    let (mut text, mut args) = (subject.to_owned(), "(3)".to_owned());
    for (id, word) in (4..last).zip(words) {
        text.push_str(&format!("\n%{id}: string @0..0 = Const(String(Text({word:?})))"));
        args.push_str(&format!(",({id})"));
    }
    let pooled = if operator.ends_with("in") { "Some((0))" } else { "None" };
    let call = format!("Call(function:{operator:?},signature:0,args:[{args}],pooled:{pooled})");
    text.push_str(&format!("\n%{last}: bool @0..0 = {call}"));
    let program = dtq_ir::text::parse(&text, &limits()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    (program, ExprId(last as u32))
}

#[test]
fn a_null_text_is_an_empty_one_among_words_and_equals_none() {
    let compiler = Compiler::host().unwrap();
    let row = vec![Value::Null; Type::ALL.len()];
    const WORDS: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "", "i"];
    let lists = [&WORDS[8..9], &WORDS[..1], &WORDS[7..9], &WORDS[..2], &WORDS[..], &WORDS[..8]];
    let among = |words: &'static [&str]| [("in", words, words.contains(&"")), ("!in", words, !words.contains(&""))];
    let equal = [("==", &[""][..], false), ("!=", &[""], true)];
    for (operator, words, is_true) in lists.into_iter().flat_map(among).chain(equal) {
        for subject in NULL_TEXTS {
            let (program, expr) = asked(subject, operator, words);
            let text = dtq_ir::text::print(&program);
            let found = Interpreter::new(&program).unwrap().eval(expr, &row[..], &mut context());
            assert_eq!(found, Ok(Value::Bool(is_true)), "{text}");
            let pairs = compare(&compiler, (&program, expr), std::slice::from_ref(&row), &text);
            assert!(pairs.is_some(), "{:?}", common::REFUSED.take());
        }
    }
}
