//! `docs/dtq-prelude.kql`: the functions beyond Kusto's written in Kusto bind, and answer as the built-in ones.

use dtq_engine::{NoTables, Options, compile};
use dtq_value::Value;
use std::path::Path;

/// Returns the functions of the prelude as `let` statements, which hide the built-in ones.
fn prelude() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/dtq-prelude.kql");
    let text = std::fs::read_to_string(path).expect("the prelude is in docs");
    let (_, functions) = text.split_once(".execute database script <|").expect("it is a script");
    let mut lets = String::new();
    for function in functions.split(".create-or-alter function with (").skip(1) {
        let (_, declared) = function.split_once(")\n").expect("a command has a line of its own");
        let (name, rest) = declared.split_once('(').expect("a function has parameters");
        let body = &rest[..=rest.rfind('}').expect("a function has a body")];
        lets.push_str(&format!("let {name} = ({body};\n"));
    }
    lets
}

/// Returns the first column of a query over a table `t` of these texts.
fn answers(functions: &str, texts: &[String], expression: &str) -> Vec<Value> {
    let options = Options::default();
    let rows: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
    let query = format!("{functions}datatable(t: string)[{}] | project x = {expression}", rows.join(","));
    let (query, diagnostics) = compile(&query, &NoTables, &options);
    let query = query.unwrap_or_else(|| panic!("{diagnostics:#?}"));
    let rows = query.run(&NoTables, &options).and_then(|mut run| run.rest(0)).expect("nothing here can fail");
    rows.into_iter().map(|row| row[0].clone()).collect()
}

/// Compares the two forms of an expression over the texts; in it, `$t` is the text, to the prelude as a dynamic.
fn compare(texts: &[String], expression: &str) {
    let built_in = answers("", texts, &expression.replace("$t", "t"));
    let written = answers(&prelude(), texts, &expression.replace("$t", AS_DYNAMIC));
    for ((text, expected), found) in texts.iter().zip(built_in).zip(written) {
        assert_eq!(found, expected, "{expression} of {text:?}");
    }
}

/// A text as a dynamic, without parsing it as JSON.
const AS_DYNAMIC: &str = "pack_array(t)[0]";

/// Numbers that look random and are the same in each run (SplitMix64).
fn numbers() -> impl FnMut(u64) -> u64 {
    let mut context = dtq_value::scalar::Context::new(dtq_source::Limits::default(), 0, 11);
    move |bound| context.next_random() % bound
}

#[test]
fn the_prelude_has_every_function_beyond_kusto() {
    let prelude = prelude();
    let entries = dtq_ir::functions::all().filter(|entry| entry.group == dtq_ir::function::Group::Rules);
    for entry in entries {
        assert!(prelude.contains(&format!("let {} = (", entry.name)), "{}", entry.name);
    }
    assert!(!prelude.contains("..."));
}

#[test]
fn trace_ratio_is_the_same() {
    let mut number = numbers();
    let mut ids: Vec<String> =
        ["", "0", "00000000000000000000000000000000", "4bf92f3577b34da6a3ce929d0e0e473g"].map(str::to_owned).to_vec();
    for bits in 0..=56 {
        for _ in 0..8 {
            let random = number(1 << bits);
            ids.push(format!("{:018x}{random:014x}", number(u64::MAX)));
            ids.push(format!("{:018X}{:014X}", number(u64::MAX), (1_u64 << 56) - 1 - random));
        }
    }
    compare(&ids, "trace_ratio(t)");
    compare(&ids, "trace_ratio(t) < 0.05");
}

#[test]
fn redact_is_the_same_on_texts() {
    let texts: Vec<String> = [
        "",
        "a",
        "mail ann@example.com and bob@example.org.",
        "[1, 2]",
        "{\"a\": 1}",
        "12",
        "1e5",
        "\u{e9}t\u{e9}",
        "token=abcdef; token=",
        "a@b a@b",
        "true",
        "null",
    ]
    .map(str::to_owned)
    .to_vec();
    compare(&texts, r#"tostring(redact($t, @"[\w.]+@[\w.]+", "***"))"#);
    compare(&texts, r#"tostring(redact($t, @"token=(\w*)", @"token=<\1>"))"#);
    compare(&texts, r#"tostring(redact($t, "[0-9]", ""))"#);
}

/// A check digit that is right, or not, behind digits.
fn card(number: &mut impl FnMut(u64) -> u64, size: u64) -> String {
    (0..size).map(|_| char::from(b'0' + number(10) as u8)).collect()
}

#[test]
fn redact_card_is_the_same_where_kusto_can_say_it() {
    let mut number = numbers();
    let mut texts: Vec<String> =
        ["", "no number", "4242 4242 4242 4242", "3782-822463-10005", "x4242424242424242y"].map(str::to_owned).to_vec();
    for size in 10..=22 {
        for _ in 0..60 {
            texts.push(format!("paid with {}, thanks", card(&mut number, size)));
            texts.push(card(&mut number, size));
        }
    }
    compare(&texts, "tostring(redact_card($t))");
    compare(&texts, r#"tostring(redact_card($t, "<card>"))"#);
    let masked = answers("", &texts, "redact_card(t)");
    let masked_count =
        masked.iter().zip(&texts).filter(|(masked, text)| **masked != Value::string(text.as_str())).count();
    assert!((50..texts.len()).contains(&masked_count), "{masked_count} of {}", texts.len());
}

/// In other texts the prelude may mask more, never less: it leaves no card number.
#[test]
fn redact_card_of_the_prelude_never_masks_less() {
    let mut number = numbers();
    let mut texts = Vec::new();
    for _ in 0..600 {
        let mut text = String::new();
        for _ in 0..=number(4) {
            let size = 1 + number(20);
            text.push_str(&card(&mut number, size));
            text.push_str([" ", "-", "  ", " and ", ""][number(5) as usize]);
        }
        texts.push(text);
    }
    let written = answers(&prelude(), &texts, "tostring(redact_card(pack_array(t)[0]))");
    let again: Vec<String> = written
        .iter()
        .map(|value| if let Value::String(text) = value { text.to_string() } else { panic!("{value:?}") })
        .collect();
    compare_sets(&texts, &again, &answers("", &again, "redact_card(t)"));
}

fn compare_sets(texts: &[String], masked: &[String], again: &[Value]) {
    for ((text, masked), again) in texts.iter().zip(masked).zip(again) {
        assert_eq!(*again, Value::string(masked.as_str()), "a card number is left of {text:?}");
    }
}
