//! Values of every type: ordinary ones, extremes, missing ones, and texts that nearly are what conditions look for.
//!
//! Next: [`crate::conditions`], whose constants stand here again, so that comparisons go both ways.

use crate::Choices;
use dtq_value::{Bag, Str, Type, Value};

/// The greatest datetime, 9999-12-31T23:59:59.9999999Z, in ticks.
const TICKS_MAX: i64 = 3_155_378_975_999_999_999;

/// 2024-01-01, some time in it, and the greatest and the least.
const DATETIMES: [i64; 7] =
    [0, 1, 638_396_640_000_000_000, 638_448_000_967_890_123, 638_396_640_000_000_001, TICKS_MAX, TICKS_MAX - 1];

const LONGS: [i64; 26] = [
    0,
    0,
    1,
    -1,
    -1,
    2,
    -2,
    3,
    5,
    -5,
    7,
    -7,
    8,
    10,
    42,
    500,
    i32::MAX as i64,
    i32::MAX as i64 + 1,
    i32::MIN as i64 - 1,
    1 << 53,
    (1 << 53) + 1,
    -(1 << 53) - 1,
    i64::MAX,
    i64::MAX - 1,
    i64::MIN,
    i64::MIN + 1,
];

const REALS: [f64; 19] = [
    0.0,
    -0.0,
    1.0,
    1.5,
    -0.5,
    3.0,
    5.0,
    42.0,
    -7.25,
    1e300,
    -1e300,
    5e-324,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    9_223_372_036_854_775_808.0,
    -9_223_372_036_854_775_808.0,
    9_007_199_254_740_992.0,
    9_007_199_254_740_994.0,
];

const TEXTS: [&[u8]; 30] = [
    b"",
    b"a",
    b"A",
    b"ab",
    b"abc",
    b"aBC",
    b"xabc",
    b"error",
    b"ERROR",
    b"errors",
    b"an error",
    b"LogWelcomeBanner",
    b"LogWelcomeBannes",
    b"logwelcomebanner",
    b"xLogWelcomeBanner",
    b"Some text with words, and 42 numbers",
    b"Some text with words, and 42 numberS",
    "h\u{e9}llo w\u{f6}rld".as_bytes(),
    "\u{212a}elvin".as_bytes(),
    b"\xff\xfe not UTF-8",
    b"a[b",
    b"A{B",
    b"a\0b",
    b"5",
    b"3.5",
    b"true",
    b"null",
    b"10.1.2.3",
    b"2024-02-29T12:34:56.789Z",
    b"{\"a\":{\"b\":[1,2,3]},\"c\":\"d\"}",
];

/// Returns a text.
pub fn text(choices: &mut Choices<'_>) -> Vec<u8> {
    match choices.below(24) {
        // Lengths at which one byte of a length, and one word of a comparison, no longer suffice.
        0 => b"LogWelcomeBanner".repeat(1 + choices.below(17)),
        1 => vec![b'x'; 120 + choices.below(16)],
        2 | 3 => Vec::new(),
        _ => choices.pick(&TEXTS).to_vec(),
    }
}

/// Returns a value of a static type, ordinary or extreme, or what a missing one is.
pub fn value(choices: &mut Choices<'_>, ty: Type) -> Value {
    if choices.below(6) == 0 {
        return Value::missing(ty);
    }
    match ty {
        Type::Bool => Value::Bool(choices.below(2) == 1),
        Type::Int => Value::Int(*choices.pick(&[0, 1, -1, 2, 5, 7, -7, 42, i32::MAX, i32::MIN])),
        Type::Long => Value::Long(*choices.pick(&LONGS)),
        Type::Real => Value::Real(*choices.pick(&REALS)),
        Type::Decimal => Value::Decimal((*choices.pick(&LONGS)).into()),
        Type::String => Value::String(Str::from(text(choices))),
        Type::DateTime => Value::DateTime(*choices.pick(&DATETIMES)),
        Type::TimeSpan => Value::TimeSpan(*choices.pick(&LONGS)),
        Type::Guid => Value::Guid([choices.below(3) as u8; 16]),
        Type::Dynamic => dynamic(choices, 3),
    }
}

/// Returns a dynamic, nested at most `depth` deep.
fn dynamic(choices: &mut Choices<'_>, depth: usize) -> Value {
    match choices.below(if depth == 0 { 9 } else { 14 }) {
        0 => Value::Bool(choices.below(2) == 1),
        1 | 2 => Value::Long(*choices.pick(&LONGS)),
        3 => Value::Real(*choices.pick(&REALS)),
        4..=6 => Value::String(Str::from(text(choices))),
        7 => {
            let ty = *choices.pick(&[Type::DateTime, Type::TimeSpan, Type::Decimal, Type::Guid]);
            value(choices, ty)
        }
        8 => Value::Int(*choices.pick(&[5, 0, -1, i32::MIN])),
        9 => Value::array((0..choices.below(4)).map(|_| dynamic(choices, depth - 1)).collect()),
        // A large one, of which little is looked at.
        10 if choices.one_in(8) => Value::array((0..500).map(Value::Long).collect()),
        10 => (0..40).fold(dynamic(choices, 0), |inner, _| Value::array(vec![inner])),
        _ => {
            let mut bag = Bag::new();
            for key in ["a", "b"] {
                bag.set(Str::from(key), if choices.one_in(6) { Value::Null } else { dynamic(choices, depth - 1) });
            }
            Value::bag(bag)
        }
    }
}

/// Returns rows of [`crate::Events`].
pub fn rows(choices: &mut Choices<'_>, count: usize) -> Vec<Vec<Value>> {
    (0..count).map(|_| Type::ALL.iter().map(|ty| value(choices, *ty)).collect()).collect()
}
