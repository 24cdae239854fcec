//! What the tests of native code share: expressions from text, rows of extremes, and the comparison of both engines.

#![allow(dead_code, reason = "each test uses a part")]

use dtq_generate::{Choices, Events};
use dtq_interp::Interpreter;
use dtq_ir::{ExprId, Program, RelKind};
use dtq_jit::{Compiler, Entry, EntryKind, Input, NativeContext, NoSubqueries, Verdict};
use dtq_sema::Options;
use dtq_source::Limits;
use dtq_source::diagnostic::has_errors;
use dtq_value::scalar::{Context, Fault};
use dtq_value::{Bag, Str, Type, Value};
use std::cell::RefCell;
use std::collections::BTreeMap;

thread_local! {
    /// What was refused, with the reason.
    pub static REFUSED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

const NOW_TICKS: i64 = 638_396_640_000_000_000;

pub fn limits() -> Limits {
    Limits { value_bytes_max: 1 << 16, ..Limits::default() }
}

pub fn context() -> Context {
    Context::new(limits(), NOW_TICKS, 7)
}

/// Returns the program and expression of a text over the columns of `Events`, when it is accepted.
pub fn expression(text: &str) -> Option<(Program, ExprId)> {
    let options = Options { limits: limits(), params: BTreeMap::new(), probe: None, now_ticks: NOW_TICKS };
    let (ast, diagnostics) = dtq_syntax::parse(&format!("Events | project x = {text}"), &options.limits);
    if has_errors(&diagnostics) {
        return None;
    }
    let (program, _) = dtq_sema::lower(&ast, &Events, &options);
    let program = program?;
    let RelKind::Project { exprs, .. } = &program.rel(program.outputs[0].rel).kind else { return None };
    let expr = *exprs.first()?;
    Some((program, expr))
}

fn number_of(choices: &mut Choices<'_>) -> i64 {
    *choices.pick(&[0, 1, -1, 2, 3, 7, 10, 42, 500, i64::MAX, i64::MIN, i64::MIN + 1, 1 << 53, (1 << 53) + 1])
}

fn real_of(choices: &mut Choices<'_>) -> f64 {
    *choices.pick(&[
        0.0,
        -0.0,
        1.0,
        1.5,
        -0.5,
        3.0,
        42.0,
        1e300,
        5e-324,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        9_223_372_036_854_775_808.0,
        9_007_199_254_740_993.0,
    ])
}

fn text_of(choices: &mut Choices<'_>) -> Str {
    let texts: [&[u8]; 14] = [
        b"",
        b"a",
        b"error",
        b"ERROR",
        b"LogWelcomeBanner",
        b"Some text with words, and 42 numbers",
        "h\u{e9}llo w\u{f6}rld".as_bytes(),
        b"\xff\xfe not UTF-8",
        b"5",
        b"3.5",
        b"true",
        b"10.1.2.3",
        b"2024-02-29T12:34:56.789Z",
        b"{\"a\":{\"b\":[1,2,3]},\"c\":\"d\"}",
    ];
    Str::from(*choices.pick(&texts))
}

/// Returns a value of a static type, ordinary or extreme, or what a missing one is.
pub fn value(choices: &mut Choices<'_>, ty: Type) -> Value {
    if choices.below(6) == 0 {
        return Value::missing(ty);
    }
    match ty {
        Type::Bool => Value::Bool(choices.below(2) == 1),
        Type::Int => Value::Int(*choices.pick(&[0, 1, -1, 7, 42, i32::MAX, i32::MIN])),
        Type::Long => Value::Long(number_of(choices)),
        Type::Real => Value::Real(real_of(choices)),
        Type::Decimal => Value::Decimal(number_of(choices).into()),
        Type::String => Value::String(text_of(choices)),
        Type::DateTime => Value::DateTime(*choices.pick(&[0, 1, NOW_TICKS, 3_155_378_975_999_999_999])),
        Type::TimeSpan => Value::TimeSpan(number_of(choices)),
        Type::Guid => Value::Guid([choices.below(3) as u8; 16]),
        Type::Dynamic => dynamic(choices),
    }
}

fn dynamic(choices: &mut Choices<'_>) -> Value {
    match choices.below(12) {
        0 => Value::Bool(choices.below(2) == 1),
        1 | 2 => Value::Long(number_of(choices)),
        3 => Value::Real(real_of(choices)),
        4..=6 => Value::String(text_of(choices)),
        7 => value(choices, Type::DateTime),
        8 => value(choices, Type::Guid),
        9 => Value::array((0..choices.below(4)).map(|_| dynamic(choices)).collect()),
        10 => Value::Int(5),
        _ => {
            let mut bag = Bag::new();
            for key in ["a", "b"] {
                bag.set(Str::from(key), dynamic(choices));
            }
            Value::bag(bag)
        }
    }
}

/// Returns rows of `Events`.
pub fn rows(choices: &mut Choices<'_>, count: usize) -> Vec<Vec<Value>> {
    (0..count).map(|_| Type::ALL.iter().map(|ty| value(choices, *ty)).collect()).collect()
}

/// Says whether two results are the same: reals by bits but for NaN, faults by code.
pub fn same(left: &Result<Value, Fault>, right: &Result<Value, Fault>) -> bool {
    match (left, right) {
        (Ok(Value::Real(a)), Ok(Value::Real(b))) if a.is_nan() && b.is_nan() => true,
        (Ok(a), Ok(b)) => a == b,
        (Err(a), Err(b)) => a.code == b.code,
        _ => false,
    }
}

/// Compares both engines over rows, and returns how many pairs there were; `None` when there is no native code.
pub fn compare(
    compiler: &Compiler,
    (program, expr): (&Program, ExprId),
    rows: &[Vec<Value>],
    text: &str,
) -> Option<usize> {
    let inputs: Vec<Input> = (0..Type::ALL.len() as u32).map(Input::Row).collect();
    let is_bool = program.expr(expr).ty == Type::Bool;
    let kinds: &[EntryKind] =
        if is_bool { &[EntryKind::Value, EntryKind::Condition, EntryKind::Filter] } else { &[EntryKind::Value] };
    let entries: Vec<Entry<'_>> =
        kinds.iter().map(|kind| Entry { program, expr, inputs: &inputs, kind: *kind }).collect();
    let code = match compiler.compile(&entries) {
        Ok(code) => code,
        Err(refusal) => {
            REFUSED.with_borrow_mut(|refused| refused.push(format!("{refusal}\n{text}")));
            return None;
        }
    };
    let interpreter = Interpreter::new(program).ok()?;
    for row in rows {
        let expected = interpreter.eval(expr, row.as_slice(), &mut context());
        let mut ctx = NativeContext::new(context());
        let found = code.value(0).eval_row(&mut ctx, &NoSubqueries, row);
        assert!(
            same(&expected, &found),
            "{text}\nover {row:?}\nis {expected:?}\nbut natively {found:?}\n{}",
            dtq_ir::text::print(program)
        );
        if is_bool {
            let mut ctx = NativeContext::new(context());
            let verdict = code.condition(1).decide_row(&mut ctx, &NoSubqueries, row);
            let mut ctx = NativeContext::new(context());
            let filter = code.condition(2).decide_row(&mut ctx, &NoSubqueries, row);
            check_verdicts(&expected, (verdict, filter), text);
        }
    }
    Some(rows.len() * kinds.len())
}

fn check_verdicts(
    expected: &Result<Value, Fault>,
    (verdict, filter): (Result<Verdict, Fault>, Result<Verdict, Fault>),
    text: &str,
) {
    match expected {
        Ok(value) => {
            let is_true = *value == Value::Bool(true);
            let wanted = match value {
                Value::Null => Verdict::Null,
                _ if is_true => Verdict::True,
                _ => Verdict::False,
            };
            assert_eq!(verdict, Ok(wanted), "as a condition: {text}");
            assert_eq!(filter, Ok(if is_true { Verdict::True } else { Verdict::False }), "as a filter: {text}");
        }
        Err(fault) => {
            assert_eq!(verdict.map_err(|found| found.code), Err(fault.code), "as a condition: {text}");
            assert_eq!(filter.map_err(|found| found.code), Err(fault.code), "as a filter: {text}");
        }
    }
}

/// Returns a condition of the kind that rules are made of: literals beside columns, in chains.
pub fn hot_condition(choices: &mut Choices<'_>, depth: usize) -> String {
    if depth > 0 && choices.below(3) != 0 {
        return hot_logic(choices, depth - 1);
    }
    match choices.below(8) {
        0..=2 => hot_text(choices),
        3 | 4 => hot_dynamic(choices),
        5 | 6 => hot_number(choices),
        _ => hot_time(choices),
    }
}

fn hot_logic(choices: &mut Choices<'_>, depth: usize) -> String {
    let count = 2 + choices.below(4);
    let operands: Vec<String> = (0..count).map(|_| hot_condition(choices, depth)).collect();
    match choices.below(5) {
        0 => format!("({})", operands.join(" and ")),
        1 => format!("({})", operands.join(" or ")),
        2 => format!("not({})", operands[0]),
        3 => format!("iff({}, {}, bool_column)", operands[0], operands[1]),
        _ => format!("(({}) or ({} and bool_column))", operands[0], operands[1]),
    }
}

const TEXTS: &[&str] = &[
    "''",
    "'a'",
    "'error'",
    "'5'",
    "'true'",
    "'LogWelcomeBanner'",
    "'Some text with words, and 42 numbers'",
    "'ab'",
    "'abc'",
    "'10.1.2.3'",
    "'SERVER'",
    "'Server'",
    "'0102'",
];

fn hot_text(choices: &mut Choices<'_>) -> String {
    let left = *choices.pick(&[
        "string_column",
        "dynamic_column",
        "tostring(dynamic_column)",
        "iff(bool_column, string_column, 'error')",
        "coalesce(string_column, 'a')",
        "substring(string_column, long_column)",
        "tolower(string_column)",
    ]);
    let text = *choices.pick(TEXTS);
    match choices.below(7) {
        0 | 1 => format!("({left} {} {text})", choices.pick(&["==", "!=", "=~", "!~"])),
        2 => {
            let operator = choices.pick(&["contains", "!contains_cs", "has", "!has", "has_cs", "hasprefix"]);
            format!("({left} {operator} {text})")
        }
        3 => {
            let operator = choices.pick(&["startswith", "startswith_cs", "!startswith_cs", "endswith_cs", "!endswith"]);
            format!("({left} {operator} {text})")
        }
        4 => {
            let items: Vec<&str> = (0..1 + choices.below(11)).map(|_| *choices.pick(TEXTS)).collect();
            format!("({left} {} ({}))", choices.pick(&["in", "!in", "in~", "!in~", "has_any"]), items.join(", "))
        }
        5 => format!("(string_column {} tostring(dynamic_column))", choices.pick(&["==", "!=", "contains"])),
        _ => format!("{}({left})", choices.pick(&["isempty", "isnotempty", "isnull", "isnotnull"])),
    }
}

fn hot_dynamic(choices: &mut Choices<'_>) -> String {
    let left = *choices.pick(&["dynamic_column", "dynamic_column.a", "dynamic_column['b']", "dynamic_column[0]"]);
    let number = *choices.pick(&["5", "0", "1", "-1", "42", "int(5)", "long_column", "int_column"]);
    let operator = *choices.pick(&["==", "!=", "<", "<=", ">", ">="]);
    match choices.below(5) {
        0 => format!("({number} {operator} {left})"),
        1 => format!("({left} {} 1.5)", choices.pick(&["==", "<"])),
        2 => format!("(tolong({left}) {operator} {number})"),
        _ => format!("({left} {operator} {number})"),
    }
}

fn hot_number(choices: &mut Choices<'_>) -> String {
    let operand = |choices: &mut Choices<'_>| {
        (*choices.pick(&[
            "long_column",
            "int_column",
            "5",
            "0",
            "-1",
            "int(7)",
            "long(null)",
            "tolong(real_column)",
            "toint(long_column)",
        ]))
        .to_owned()
    };
    let (a, b, c) = (operand(choices), operand(choices), operand(choices));
    let arithmetic = *choices.pick(&["+", "-", "*", "/", "%"]);
    let operator = *choices.pick(&["==", "!=", "<", "<=", ">", ">="]);
    match choices.below(6) {
        0 => format!("({a} {operator} {b})"),
        1 => format!("(({a} {arithmetic} {b}) {operator} {c})"),
        2 => format!("({a} {} ({b} .. {c}))", choices.pick(&["between", "!between"])),
        3 => format!("({a} {} (1, 5, 42, -1))", choices.pick(&["in", "!in"])),
        4 => {
            format!("(real_column {operator} {})", choices.pick(&["1.5", "0.0", "long_column", "toreal(long_column)"]))
        }
        _ => format!("((real_column {} 2.5) {operator} real_column)", choices.pick(&["+", "-", "*", "/"])),
    }
}

fn hot_time(choices: &mut Choices<'_>) -> String {
    let operator = *choices.pick(&["==", "!=", "<", "<=", ">", ">="]);
    let span = *choices.pick(&["1h", "timespan_column", "-1tick", "timespan(null)"]);
    let sign = *choices.pick(&["+", "-"]);
    match choices.below(4) {
        0 => format!("((datetime_column {sign} {span}) {operator} datetime(2024-02-29))"),
        1 => format!("((timespan_column {sign} {span}) {operator} 0s)"),
        2 => format!("((datetime_column - datetime(2024-01-01)) {operator} {span})"),
        _ => format!("(datetime_column between (datetime(2023-01-01) .. {}))", choices.pick(&["1d", "now()"])),
    }
}
