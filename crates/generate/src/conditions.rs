//! Expressions of the kind that rules are made of, over the columns of [`crate::Events`]: columns beside literals, in
//! chains, arithmetic, conversions of dynamics.
//!
//! [`crate::scalar`] calls every function; here stand again and again those for which a code generator has instructions.

use crate::Choices;

const TEXTS: &[&str] = &[
    "''",
    "''",
    "'a'",
    "'error'",
    "'5'",
    "'true'",
    "'LogWelcomeBanner'",
    "'Some text with words, and 42 numbers'",
    "'ab'",
    "'abc'",
    "'A{b'",
    "'10.1.2.3'",
    "'SERVER'",
    "'Server'",
    "'0102'",
];

const ORDERS: &[&str] = &["==", "!=", "<", "<=", ">", ">="];

/// Returns a bool, nested at most `depth` deep.
pub fn condition(choices: &mut Choices<'_>, depth: usize) -> String {
    if depth > 0 && choices.below(3) != 0 {
        return logic(choices, depth - 1);
    }
    match choices.below(9) {
        0..=2 => text_condition(choices),
        3 | 4 => dynamic_condition(choices),
        5 | 6 => number_condition(choices),
        7 => time_condition(choices),
        _ => rare_condition(choices),
    }
}

fn logic(choices: &mut Choices<'_>, depth: usize) -> String {
    let count = 2 + choices.below(4);
    let operands: Vec<String> = (0..count).map(|_| condition(choices, depth)).collect();
    match choices.below(7) {
        0 => format!("({})", operands.join(" and ")),
        1 => format!("({})", operands.join(" or ")),
        2 => format!("not({})", operands[0]),
        3 => format!("iff({}, {}, bool_column)", operands[0], operands[1]),
        4 => format!("coalesce({}, {})", operands[0], operands[1]),
        5 => format!("(({}) {} bool_column)", operands[0], choices.pick(&["==", "!="])),
        _ => format!("(({}) or ({} and bool_column))", operands[0], operands[1]),
    }
}

fn string(choices: &mut Choices<'_>) -> String {
    (*choices.pick(&[
        "string_column",
        "string_column",
        "dynamic_column",
        "tostring(dynamic_column)",
        "iff(bool_column, string_column, 'error')",
        "coalesce(string_column, 'a')",
        "substring(string_column, long_column)",
        "substring(string_column, int_column, long_column)",
        "tolower(string_column)",
        "tostring(dynamic_column.a)",
        "strcat(string_column, 'a')",
    ]))
    .to_owned()
}

fn text_condition(choices: &mut Choices<'_>) -> String {
    let left = string(choices);
    let text = *choices.pick(TEXTS);
    match choices.below(9) {
        0 | 1 => format!("({left} {} {text})", choices.pick(&["==", "!=", "=~", "!~"])),
        2 => {
            let operator =
                choices.pick(&["contains", "!contains_cs", "contains_cs", "has", "!has", "has_cs", "hasprefix"]);
            format!("({left} {operator} {text})")
        }
        3 | 7 => {
            let operator = choices.pick(&[
                "startswith",
                "startswith_cs",
                "!startswith_cs",
                "endswith_cs",
                "endswith",
                "!endswith",
            ]);
            match choices.one_in(5) {
                true => format!("({text} {operator} {left})"),
                false => format!("({left} {operator} {text})"),
            }
        }
        4 | 5 => {
            let items: Vec<&str> = (0..1 + choices.below(11)).map(|_| *choices.pick(TEXTS)).collect();
            let operator = choices.pick(&["in", "!in", "in~", "!in~", "has_any", "has_all"]);
            format!("({left} {operator} ({}))", items.join(", "))
        }
        6 => {
            let other =
                *choices.pick(&["tostring(dynamic_column)", "substring(string_column, long_column)", "string_column"]);
            format!("({left} {} {other})", choices.pick(&["==", "!=", "contains", "startswith_cs"]))
        }
        _ => format!("{}({left})", choices.pick(&["isempty", "isnotempty", "isnull", "isnotnull"])),
    }
}

fn dynamic(choices: &mut Choices<'_>) -> &'static str {
    choices.pick::<&str>(&[
        "dynamic_column",
        "dynamic_column",
        "dynamic_column.a",
        "dynamic_column['b']",
        "dynamic_column.a.b",
        "todynamic(string_column).a",
        "dynamic_column[0]",
        "dynamic_column[-1]",
    ])
}

fn dynamic_condition(choices: &mut Choices<'_>) -> String {
    let left = dynamic(choices);
    let number = *choices.pick(&["5", "0", "1", "-1", "42", "int(5)", "long_column", "int_column", "long(null)"]);
    let operator = *choices.pick(ORDERS);
    match choices.below(6) {
        0 => format!("({number} {operator} {left})"),
        1 => format!("({left} {} 1.5)", choices.pick(&["==", "<"])),
        2 => format!("({}({left}) {operator} {number})", choices.pick(&["tolong", "toint"])),
        3 => format!("{}({left})", choices.pick(&["isempty", "isnotempty", "isnull", "isnotnull"])),
        _ => format!("({left} {operator} {number})"),
    }
}

fn long(choices: &mut Choices<'_>) -> String {
    (*choices.pick(&[
        "long_column",
        "long_column",
        "int_column",
        "5",
        "0",
        "-1",
        "(-7)",
        "int(7)",
        "long(null)",
        "tolong(real_column)",
        "toint(long_column)",
    ]))
    .to_owned()
}

fn number_condition(choices: &mut Choices<'_>) -> String {
    let (a, b, c) = (long(choices), long(choices), long(choices));
    let arithmetic = *choices.pick(&["+", "-", "*", "/", "%"]);
    let operator = *choices.pick(ORDERS);
    match choices.below(7) {
        0 => format!("({a} {operator} {b})"),
        1 => format!("(({a} {arithmetic} {b}) {operator} {c})"),
        2 => format!("({a} {} ({b} .. {c}))", choices.pick(&["between", "!between"])),
        3 => format!("({a} {} (1, 5, 42, -1, 0))", choices.pick(&["in", "!in"])),
        4 => {
            let other = choices.pick(&[
                "1.5",
                "0.0",
                "5",
                "long_column",
                "toreal(long_column)",
                "9007199254740992",
                "9007199254740993",
                "(-9007199254740993)",
            ]);
            format!("(real_column {operator} {other})")
        }
        5 => format!("{}({a} {arithmetic} {b})", choices.pick(&["isnull", "isnotnull"])),
        _ => format!("((real_column {} 2.5) {operator} real_column)", choices.pick(&["+", "-", "*", "/"])),
    }
}

const SPANS: &[&str] = &["1h", "timespan_column", "-1tick", "0s", "timespan(null)", "-200000d"];

fn time_condition(choices: &mut Choices<'_>) -> String {
    let operator = *choices.pick(ORDERS);
    let span = *choices.pick(SPANS);
    let sign = *choices.pick(&["+", "-"]);
    match choices.below(5) {
        0 => format!("((datetime_column {sign} {span}) {operator} datetime(2024-02-29))"),
        1 => format!("((timespan_column {sign} {span}) {operator} 0s)"),
        2 => format!("((datetime_column - datetime(2024-01-01)) {operator} {span})"),
        3 => format!("isnull(datetime_column {sign} {span})"),
        _ => format!("(datetime_column between (datetime(2023-01-01) .. {}))", choices.pick(&["1d", "now()"])),
    }
}

/// Returns what fails, or depends on more than the row.
fn rare_condition(choices: &mut Choices<'_>) -> String {
    match choices.below(6) {
        0 => "assert(long_column != 5, 'five')".to_owned(),
        1 => "assert(bool_column, 'not')".to_owned(),
        2 => "(rand() < 0.5)".to_owned(),
        3 => "(strrep(string_column, 9999) == 'aa')".to_owned(),
        4 => "bool_column".to_owned(),
        _ => "(bool_column == (int_column == 5))".to_owned(),
    }
}

/// Returns a value of any type that has instructions.
pub fn value(choices: &mut Choices<'_>) -> String {
    let (a, b) = (long(choices), long(choices));
    match choices.below(14) {
        0..=2 => format!("({a} {} {b})", choices.pick(&["+", "-", "*", "/", "%"])),
        3 => format!("{}({})", choices.pick(&["tolong", "toint", "toreal", "tostring", "tobool"]), dynamic(choices)),
        4 => format!("{}({a})", choices.pick(&["tolong", "toint", "toreal"])),
        5 => format!("toint({a} {} {b})", choices.pick(&["+", "*"])),
        6 => format!("({} {} {})", "datetime_column", choices.pick(&["+", "-"]), choices.pick(SPANS)),
        7 => format!("(timespan_column {} {})", choices.pick(&["+", "-"]), choices.pick(SPANS)),
        8 => "(datetime_column - datetime(2024-01-01))".to_owned(),
        9 => format!("coalesce({}, {})", string(choices).replace("dynamic_column", "tostring(dynamic_column)"), "'z'"),
        10 => format!("iff({}, {a}, {b})", condition(choices, 1)),
        11 => format!("case({}, {a}, {}, {b}, {a} + 1)", condition(choices, 1), condition(choices, 1)),
        12 => match choices.one_in(2) {
            true => format!("coalesce({}, {})", dynamic(choices), dynamic(choices)),
            false => dynamic(choices).to_owned(),
        },
        _ => format!("coalesce({}, {a}, {b})", long(choices)),
    }
}
