//! Literals of every type, with the values that break things: empty, zero, extremes, null, non-ASCII.

use crate::Choices;
use dtq_value::Type;

const BOOLS: &[&str] = &["true", "false", "bool(null)"];
const INTS: &[&str] = &["int(0)", "int(1)", "int(-7)", "int(2147483647)", "int(-2147483648)", "int(null)"];
const LONGS: &[&str] =
    &["1", "0", "2", "-1", "3", "10", "17", "500", "9223372036854775807", "-9223372036854775807", "long(null)"];
const REALS: &[&str] =
    &["1.5", "0.0", "-0.5", "3.25", "1e300", "1e-300", "real(nan)", "real(+inf)", "real(-inf)", "real(null)", "100.0"];
const DECIMALS: &[&str] = &["decimal(1.5)", "decimal(0)", "decimal(-3)", "decimal(123456789.123)", "decimal(null)"];
const STRINGS: &[&str] = &[
    "'a'",
    "''",
    "'error'",
    "'LogWelcomeBanner'",
    "'Some text with words, and 42 numbers'",
    "'key1=value1 key2=value2'",
    "@'back\\slash'",
    "'h\\u00e9llo w\\u00f6rld'",
    "'10.1.2.3'",
    "'https://user:pw@example.org:8080/a/b?x=1&y=2#f'",
    "'{\"a\":{\"b\":[1,2,3]},\"c\":\"d\"}'",
    "'2024-02-29T12:34:56.789Z'",
    "'3.5'",
    "'1.02:03:04.5'",
];
const DATETIMES: &[&str] = &[
    "datetime(2024-02-29T12:34:56.7890123Z)",
    "datetime(0001-01-01)",
    "datetime(9999-12-31T23:59:59.9999999Z)",
    "datetime(1970-01-01)",
    "datetime(null)",
    "datetime(2023-12-31 23:00)",
];
const TIMESPANS: &[&str] = &["1h", "0s", "5m", "1d", "1tick", "timespan(-1.02:03:04.5)", "timespan(null)", "90ms"];
const GUIDS: &[&str] =
    &["guid(74be27de-1e4e-49d9-b579-fe0b331d3642)", "guid(00000000-0000-0000-0000-000000000000)", "guid(null)"];
const DYNAMICS: &[&str] = &[
    "dynamic({'a':1,'b':'x','c':[1,2,3]})",
    "dynamic([])",
    "dynamic([1,'two',3.5,null,true])",
    "dynamic({})",
    "dynamic(null)",
    "dynamic(5)",
    "dynamic('text')",
    "dynamic({'a':{'b':{'c':'deep'}},'d':null})",
    "dynamic([[1,2],[3,[4]]])",
];

/// Returns the text of a literal of this type.
pub fn literal(choices: &mut Choices<'_>, ty: Type) -> String {
    let texts = match ty {
        Type::Bool => BOOLS,
        Type::Int => INTS,
        Type::Long => LONGS,
        Type::Real => REALS,
        Type::Decimal => DECIMALS,
        Type::String => STRINGS,
        Type::DateTime => DATETIMES,
        Type::TimeSpan => TIMESPANS,
        Type::Guid => GUIDS,
        Type::Dynamic => DYNAMICS,
    };
    (*choices.pick(texts)).to_owned()
}
