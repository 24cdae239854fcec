//! Queries that would expand or nest without end: each is an error within a moment, on a small stack.

use dtq_record::stream::{Catalog, Projection, RowStream, StreamError, TableSchema};
use dtq_sema::{Options, lower};
use dtq_source::{Code, Limits};

struct Empty;

impl Catalog for Empty {
    fn schema(&self, _: &str) -> Option<TableSchema> {
        None
    }

    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn scan(&self, _: &str, _: &Projection) -> Result<Box<dyn RowStream + '_>, StreamError> {
        unreachable!("nothing is run here")
    }
}

fn codes(text: &str) -> Vec<Code> {
    let (query, mut found) = dtq_syntax::parse(text, &Limits::default());
    found.extend(lower(&query, &Empty, &Options::default()).1);
    found.iter().map(|diagnostic| diagnostic.code).collect()
}

fn is_bounded(codes: &[Code]) -> bool {
    codes.iter().any(|code| matches!(code, Code::E2901 | Code::E1002))
}

#[test]
fn doubling_lets_are_counted_as_a_tree() {
    let mut text = "let a0 = 1;".to_owned();
    for index in 1..64 {
        text.push_str(&format!("let a{index} = a{} + a{};", index - 1, index - 1));
    }
    text.push_str("print a63");
    assert!(is_bounded(&codes(&text)));
}

#[test]
fn doubling_tables_are_counted_as_a_tree() {
    let mut text = "let t0 = print x = 1;".to_owned();
    for index in 1..64 {
        text.push_str(&format!("let t{index} = union t{}, t{};", index - 1, index - 1));
    }
    text.push_str("t63");
    assert!(is_bounded(&codes(&text)));
}

#[test]
fn doubling_functions_are_counted_as_a_tree() {
    let mut text = "let f0 = (x:long) { x + 1 };".to_owned();
    for index in 1..40 {
        text.push_str(&format!("let f{index} = (x:long) {{ f{0}(f{0}(x)) }};", index - 1));
    }
    text.push_str("print f39(1)");
    assert!(is_bounded(&codes(&text)));
}

#[test]
fn a_long_chain_of_lets_does_not_nest_without_end() {
    let mut text = "let a0 = 1;".to_owned();
    for index in 1..20_000 {
        text.push_str(&format!("let a{index} = a{} + 1;", index - 1));
    }
    text.push_str("print a19999");
    assert!(is_bounded(&codes(&text)));
}

#[test]
fn a_long_chain_of_functions_does_not_nest_without_end() {
    let mut text = "let f0 = (x:long) { x + 1 };".to_owned();
    for index in 1..5_000 {
        text.push_str(&format!("let f{index} = (x:long) {{ f{}(x) + 1 }};", index - 1));
    }
    text.push_str("print f4999(1)");
    assert!(is_bounded(&codes(&text)));
}

#[test]
fn a_long_pipeline_does_not_nest_without_end() {
    let text = format!("print x = 1 {}", "| where x > 0 ".repeat(20_000));
    assert!(is_bounded(&codes(&text)));
}

#[test]
fn a_long_list_of_alternatives_is_fine() {
    let words: Vec<String> = (0..5_000).map(|index| format!("x == {index}")).collect();
    assert_eq!(codes(&format!("print x = 1 | where {}", words.join(" or "))), []);
}

#[test]
fn nesting_up_to_the_limit_is_fine_on_a_small_stack() {
    let depth = 60;
    let text = format!("print x = {}1{}", "abs(iff(true, ".repeat(depth), ", 2))".repeat(depth));
    let lowered = std::thread::Builder::new().stack_size(2 << 20).spawn(move || codes(&text));
    assert_eq!(lowered.expect("a thread starts").join().expect("it does not overflow"), []);
}
