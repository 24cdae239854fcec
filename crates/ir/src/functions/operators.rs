//! Operators, under their text.
//!
//! Their meaning: `dtq_value::scalar::{compare, arithmetic, logic, string_match}`. `-` and `+` have one operand or two.
//! `and` and `or` become nodes of their own, which evaluate the right operand only when needed.

use crate::function::{Failure, Function, Group, Param, ParamKind, Returns, Signature};
use dtq_value::Type;
use dtq_value::scalar::{Eval, arithmetic, compare, logic, pool, string_match};

const BOOL: Returns = Returns::Type(Type::Bool);

/// Returns the overload of an operator with two operands.
const fn binary(params: &'static [Param; 2], returns: Type, eval: Eval) -> Signature {
    Signature::new(params, Returns::Type(returns), eval)
}

const fn pair(left: ParamKind, right: ParamKind) -> [Param; 2] {
    [Param::of("left", left), Param::of("right", right)]
}

/// Returns an entry of the group.
const fn operator(name: &'static str, signatures: &'static [Signature]) -> Function {
    Function::new(name, Group::Operator, signatures).never_fails()
}

const DYNAMIC: ParamKind = ParamKind::Exactly(Type::Dynamic);
const DYNAMICS: [Param; 2] = pair(DYNAMIC, DYNAMIC);
const NUMERICS: [Param; 2] = pair(ParamKind::Numeric, ParamKind::Numeric);
const BOOLS: [Param; 2] = pair(ParamKind::Exactly(Type::Bool), ParamKind::Exactly(Type::Bool));
const BOOL_NUMERIC: [Param; 2] = pair(ParamKind::Exactly(Type::Bool), ParamKind::Numeric);
const NUMERIC_BOOL: [Param; 2] = pair(ParamKind::Numeric, ParamKind::Exactly(Type::Bool));
const STRINGS: [Param; 2] = pair(ParamKind::Exactly(Type::String), ParamKind::Exactly(Type::String));
const DATETIMES: [Param; 2] = pair(ParamKind::Exactly(Type::DateTime), ParamKind::Exactly(Type::DateTime));
const TIMESPANS: [Param; 2] = pair(ParamKind::Exactly(Type::TimeSpan), ParamKind::Exactly(Type::TimeSpan));
const GUIDS: [Param; 2] = pair(ParamKind::Exactly(Type::Guid), ParamKind::Exactly(Type::Guid));
const STRING_OTHER: [Param; 2] = pair(ParamKind::Exactly(Type::String), ParamKind::NotDynamic);
const OTHER_STRING: [Param; 2] = pair(ParamKind::NotDynamic, ParamKind::Exactly(Type::String));
const DYNAMIC_OTHER: [Param; 2] = pair(DYNAMIC, ParamKind::NotDynamic);
const OTHER_DYNAMIC: [Param; 2] = pair(ParamKind::NotDynamic, DYNAMIC);
const DYNAMIC_NUMERIC: [Param; 2] = pair(DYNAMIC, ParamKind::Numeric);
const NUMERIC_DYNAMIC: [Param; 2] = pair(ParamKind::Numeric, DYNAMIC);

/// The pairs that can be equal. Two dynamics can't (the reference engine refuses them too), nor a datetime and a number.
macro_rules! equality {
    ($eval:ident, $dynamic_left:ident, $dynamic_right:ident) => {
        &[
            binary(&STRINGS, Type::Bool, compare::$eval),
            binary(&NUMERICS, Type::Bool, compare::$eval),
            binary(&BOOLS, Type::Bool, compare::$eval),
            binary(&DATETIMES, Type::Bool, compare::$eval),
            binary(&TIMESPANS, Type::Bool, compare::$eval),
            binary(&GUIDS, Type::Bool, compare::$eval),
            binary(&BOOL_NUMERIC, Type::Bool, compare::$eval),
            binary(&NUMERIC_BOOL, Type::Bool, compare::$eval),
            binary(&STRING_OTHER, Type::Bool, compare::$eval),
            binary(&OTHER_STRING, Type::Bool, compare::$eval),
            binary(&DYNAMIC_OTHER, Type::Bool, compare::$dynamic_left),
            binary(&OTHER_DYNAMIC, Type::Bool, compare::$dynamic_right),
        ]
    };
}

/// The pairs that have an order; strings have none in KQL.
macro_rules! ordering {
    ($eval:ident) => {
        &[
            binary(&NUMERICS, Type::Bool, compare::$eval),
            binary(&DATETIMES, Type::Bool, compare::$eval),
            binary(&TIMESPANS, Type::Bool, compare::$eval),
            binary(&BOOLS, Type::Bool, compare::$eval),
            binary(&BOOL_NUMERIC, Type::Bool, compare::$eval),
            binary(&NUMERIC_BOOL, Type::Bool, compare::$eval),
            binary(&DYNAMIC_NUMERIC, Type::Bool, compare::$eval),
            binary(&NUMERIC_DYNAMIC, Type::Bool, compare::$eval),
        ]
    };
}

const LONGS: [Param; 2] = pair(ParamKind::Is(Type::Long), ParamKind::Is(Type::Long));
const REALS: [Param; 2] = pair(ParamKind::Is(Type::Real), ParamKind::Is(Type::Real));
const DECIMAL_NUMBER: [Param; 2] = pair(ParamKind::Is(Type::Decimal), ParamKind::Number);
const NUMBER_DECIMAL: [Param; 2] = pair(ParamKind::Number, ParamKind::Is(Type::Decimal));
const SPANS: [Param; 2] = pair(ParamKind::Is(Type::TimeSpan), ParamKind::Is(Type::TimeSpan));
const DATES: [Param; 2] = pair(ParamKind::Is(Type::DateTime), ParamKind::Is(Type::DateTime));
const DATE_SPAN: [Param; 2] = pair(ParamKind::Is(Type::DateTime), ParamKind::Is(Type::TimeSpan));
const SPAN_DATE: [Param; 2] = pair(ParamKind::Is(Type::TimeSpan), ParamKind::Is(Type::DateTime));
const EXACT_DATE_SPAN: [Param; 2] = pair(ParamKind::Exactly(Type::DateTime), ParamKind::Exactly(Type::TimeSpan));
const SPAN_NUMBER: [Param; 2] = pair(ParamKind::Exactly(Type::TimeSpan), ParamKind::Numeric);
const NUMBER_SPAN: [Param; 2] = pair(ParamKind::Numeric, ParamKind::Exactly(Type::TimeSpan));

static ADD: &[Signature] = &[
    binary(&DYNAMICS, Type::Dynamic, arithmetic::eval_add),
    binary(&LONGS, Type::Long, arithmetic::eval_add),
    binary(&REALS, Type::Real, arithmetic::eval_add),
    binary(&DECIMAL_NUMBER, Type::Decimal, arithmetic::eval_add),
    binary(&NUMBER_DECIMAL, Type::Decimal, arithmetic::eval_add),
    binary(&SPANS, Type::TimeSpan, arithmetic::eval_add),
    binary(&DATE_SPAN, Type::DateTime, arithmetic::eval_add),
    binary(&SPAN_DATE, Type::DateTime, arithmetic::eval_add),
    Signature::new(&[Param::of("operand", DYNAMIC)], Returns::Type(Type::Dynamic), arithmetic::eval_plus),
    Signature::new(&[Param::is("operand", Type::Long)], Returns::Type(Type::Long), arithmetic::eval_plus),
    Signature::new(&[Param::of("operand", ParamKind::Summable)], Returns::Param(0), arithmetic::eval_plus),
];

static SUBTRACT: &[Signature] = &[
    binary(&DYNAMICS, Type::Dynamic, arithmetic::eval_subtract),
    binary(&LONGS, Type::Long, arithmetic::eval_subtract),
    binary(&REALS, Type::Real, arithmetic::eval_subtract),
    binary(&DECIMAL_NUMBER, Type::Decimal, arithmetic::eval_subtract),
    binary(&NUMBER_DECIMAL, Type::Decimal, arithmetic::eval_subtract),
    binary(&SPANS, Type::TimeSpan, arithmetic::eval_subtract),
    binary(&DATES, Type::TimeSpan, arithmetic::eval_subtract),
    binary(&DATE_SPAN, Type::DateTime, arithmetic::eval_subtract),
    Signature::new(&[Param::of("operand", DYNAMIC)], Returns::Type(Type::Dynamic), arithmetic::eval_negate),
    Signature::new(&[Param::is("operand", Type::Long)], Returns::Type(Type::Long), arithmetic::eval_negate),
    Signature::new(&[Param::is("operand", Type::Real)], Returns::Type(Type::Real), arithmetic::eval_negate),
    Signature::new(&[Param::is("operand", Type::Decimal)], Returns::Type(Type::Decimal), arithmetic::eval_negate),
    Signature::new(&[Param::is("operand", Type::TimeSpan)], Returns::Type(Type::TimeSpan), arithmetic::eval_negate),
];

static MULTIPLY: &[Signature] = &[
    binary(&DYNAMICS, Type::Dynamic, arithmetic::eval_multiply),
    binary(&LONGS, Type::Long, arithmetic::eval_multiply),
    binary(&REALS, Type::Real, arithmetic::eval_multiply),
    binary(&DECIMAL_NUMBER, Type::Decimal, arithmetic::eval_multiply),
    binary(&NUMBER_DECIMAL, Type::Decimal, arithmetic::eval_multiply),
    binary(&SPAN_NUMBER, Type::TimeSpan, arithmetic::eval_multiply),
    binary(&NUMBER_SPAN, Type::TimeSpan, arithmetic::eval_multiply),
];

static DIVIDE: &[Signature] = &[
    binary(&DYNAMICS, Type::Dynamic, arithmetic::eval_divide),
    binary(&LONGS, Type::Long, arithmetic::eval_divide),
    binary(&REALS, Type::Real, arithmetic::eval_divide),
    binary(&DECIMAL_NUMBER, Type::Decimal, arithmetic::eval_divide),
    binary(&NUMBER_DECIMAL, Type::Decimal, arithmetic::eval_divide),
    binary(&TIMESPANS, Type::Real, arithmetic::eval_divide),
    binary(&EXACT_DATE_SPAN, Type::Real, arithmetic::eval_divide),
    binary(&SPAN_NUMBER, Type::TimeSpan, arithmetic::eval_divide),
];

static MODULO: &[Signature] = &[
    binary(&DYNAMICS, Type::Dynamic, arithmetic::eval_modulo),
    binary(&LONGS, Type::Long, arithmetic::eval_modulo),
    binary(&REALS, Type::Real, arithmetic::eval_modulo),
    binary(&DECIMAL_NUMBER, Type::Decimal, arithmetic::eval_modulo),
    binary(&NUMBER_DECIMAL, Type::Decimal, arithmetic::eval_modulo),
    binary(&TIMESPANS, Type::TimeSpan, arithmetic::eval_modulo),
    binary(&EXACT_DATE_SPAN, Type::TimeSpan, arithmetic::eval_modulo),
];

const TEXTS: [Param; 2] = pair(ParamKind::StringOrDynamic, ParamKind::StringOrDynamic);
const TEXT_TERM: [Param; 2] = pair(ParamKind::StringOrDynamic, ParamKind::Is(Type::String));

/// One entry of the family that looks into strings.
macro_rules! text_operator {
    ($name:literal, $params:ident, $eval:ident, $doc:literal, $example:literal = $result:literal) => {
        operator($name, &[binary(&$params, Type::Bool, string_match::$eval)]).handles_nulls().doc(
            $doc,
            $example,
            $result,
            "String operators",
        )
    };
}

const ITEMS: [Param; 2] = [Param::of("value", ParamKind::Scalar), Param::of("item", ParamKind::Scalar)];
const TEXT_ITEMS: [Param; 2] = [Param::of("value", ParamKind::StringOrDynamic), Param::of("item", ParamKind::Scalar)];

/// Returns the overload of an operator over a list.
const fn list(params: &'static [Param; 2], eval: Eval) -> Signature {
    Signature::new(params, BOOL, eval).at_least(1).variadic()
}

const fn triple(value: ParamKind, from: ParamKind, to: ParamKind) -> [Param; 3] {
    [Param::of("value", value), Param::of("from", from), Param::of("to", to)]
}

const BETWEEN_NUMBERS: [Param; 3] = triple(ParamKind::Number, ParamKind::Number, ParamKind::Number);
const BETWEEN_SPANS: [Param; 3] =
    triple(ParamKind::Exactly(Type::TimeSpan), ParamKind::Is(Type::TimeSpan), ParamKind::Is(Type::TimeSpan));
const BETWEEN_DATES: [Param; 3] =
    triple(ParamKind::Exactly(Type::DateTime), ParamKind::Is(Type::DateTime), ParamKind::Is(Type::DateTime));
const BETWEEN_DATE_SPAN: [Param; 3] =
    triple(ParamKind::Exactly(Type::DateTime), ParamKind::Is(Type::DateTime), ParamKind::Exactly(Type::TimeSpan));

/// The overloads of `between` and its negation.
macro_rules! ranges {
    ($eval:ident, $eval_span:ident) => {
        &[
            Signature::new(&BETWEEN_NUMBERS, BOOL, compare::$eval),
            Signature::new(&BETWEEN_DATE_SPAN, BOOL, compare::$eval_span),
            Signature::new(&BETWEEN_DATES, BOOL, compare::$eval),
            Signature::new(&BETWEEN_SPANS, BOOL, compare::$eval),
        ]
    };
}

const TWO_BOOLS: [Param; 2] = pair(ParamKind::Is(Type::Bool), ParamKind::Is(Type::Bool));

pub(crate) static ENTRIES: &[Function] = &[
    operator("==", equality!(eval_equal, eval_equal_dynamic_left, eval_equal_dynamic_right)).handles_nulls().doc(
        "Says whether both operands are equal; false when one is null, null when both are.",
        "\"aBc\" == \"aBc\"",
        "true",
        "Numerical operators; String operators",
    ),
    operator("!=", equality!(eval_not_equal, eval_not_equal_dynamic_left, eval_not_equal_dynamic_right))
        .aliases(&["<>"])
        .handles_nulls()
        .doc(
            "Says whether the operands differ; true when one is null, null when both are.",
            "\"abc\" != \"ABC\"",
            "true",
            "Numerical operators; String operators",
        ),
    text_operator!(
        "=~",
        TEXTS,
        eval_equal_ignore_case,
        "Says whether both texts are equal, ASCII case aside.",
        "\"abc\" =~ \"ABC\"" = "true"
    ),
    text_operator!(
        "!~",
        TEXTS,
        eval_not_equal_ignore_case,
        "Says whether the texts differ in more than ASCII case.",
        "\"aBc\" !~ \"xyz\"" = "true"
    ),
    operator("<", ordering!(eval_less)).doc(
        "Says whether the left operand is less; null when one is null.",
        "1 < 10",
        "true",
        "Numerical operators",
    ),
    operator("<=", ordering!(eval_less_or_equal)).doc(
        "Says whether the left operand is less or equal; null when one is null.",
        "4 <= 5",
        "true",
        "Numerical operators",
    ),
    operator(">", ordering!(eval_greater)).doc(
        "Says whether the left operand is greater; null when one is null.",
        "0.23 > 0.22",
        "true",
        "Numerical operators",
    ),
    operator(">=", ordering!(eval_greater_or_equal)).doc(
        "Says whether the left operand is greater or equal; null when one is null.",
        "7 >= 6",
        "true",
        "Numerical operators",
    ),
    operator("+", ADD).doc(
        "Adds numbers, timespans, or a timespan to a datetime; two ints give a long.",
        "datetime(2020-01-01) + 1d",
        "2020-01-02T00:00:00.0000000Z",
        "Numerical operators; Datetime / timespan arithmetic",
    ),
    operator("-", SUBTRACT).doc(
        "Subtracts numbers, timespans and datetimes; with one operand, changes its sign.",
        "datetime(2020-01-02) - datetime(2020-01-01)",
        "1.00:00:00",
        "Numerical operators; Datetime / timespan arithmetic",
    ),
    operator("*", MULTIPLY).doc(
        "Multiplies numbers, or a timespan by a number.",
        "3 * 1h",
        "03:00:00",
        "Numerical operators; Datetime / timespan arithmetic",
    ),
    operator("/", DIVIDE).doc(
        "Divides; the quotient of integers is cut off toward zero and null by zero, that of timespans is a real.",
        "-7 / 2",
        "-3",
        "Numerical operators; Datetime / timespan arithmetic",
    ),
    operator("%", MODULO).doc(
        "Gives what division leaves, never negative; null by zero.",
        "-14 % 12",
        "10",
        "Numerical operators",
    ),
    operator("and", &[binary(&TWO_BOOLS, Type::Bool, logic::eval_and)]).handles_nulls().doc(
        "Says whether both are true; false when one is false, even if the other is null.",
        "true and false",
        "false",
        "Logical (binary) operators",
    ),
    operator("or", &[binary(&TWO_BOOLS, Type::Bool, logic::eval_or)]).handles_nulls().doc(
        "Says whether one is true, even if the other is null.",
        "true or false",
        "true",
        "Logical (binary) operators",
    ),
    text_operator!(
        "contains",
        TEXTS,
        eval_contains,
        "Says whether the right text is inside the left one, ASCII case aside.",
        "\"FabriKam\" contains \"BRik\"" = "true"
    ),
    text_operator!(
        "!contains",
        TEXTS,
        eval_not_contains,
        "Says whether the right text is not inside the left one, ASCII case aside.",
        "\"Fabrikam\" !contains \"xyz\"" = "true"
    ),
    text_operator!(
        "contains_cs",
        TEXTS,
        eval_contains_cs,
        "Says whether the right text is inside the left one.",
        "\"FabriKam\" contains_cs \"Kam\"" = "true"
    ),
    text_operator!(
        "!contains_cs",
        TEXTS,
        eval_not_contains_cs,
        "Says whether the right text is not inside the left one.",
        "\"Fabrikam\" !contains_cs \"Kam\"" = "true"
    ),
    text_operator!(
        "startswith",
        TEXTS,
        eval_startswith,
        "Says whether the left text begins with the right one, ASCII case aside.",
        "\"Fabrikam\" startswith \"fab\"" = "true"
    ),
    text_operator!(
        "!startswith",
        TEXTS,
        eval_not_startswith,
        "Says whether the left text does not begin with the right one, ASCII case aside.",
        "\"Fabrikam\" !startswith \"kam\"" = "true"
    ),
    text_operator!(
        "startswith_cs",
        TEXTS,
        eval_startswith_cs,
        "Says whether the left text begins with the right one.",
        "\"Fabrikam\" startswith_cs \"Fab\"" = "true"
    ),
    text_operator!(
        "!startswith_cs",
        TEXTS,
        eval_not_startswith_cs,
        "Says whether the left text does not begin with the right one.",
        "\"Fabrikam\" !startswith_cs \"fab\"" = "true"
    ),
    text_operator!(
        "endswith",
        TEXTS,
        eval_endswith,
        "Says whether the left text ends with the right one, ASCII case aside.",
        "\"Fabrikam\" endswith \"Kam\"" = "true"
    ),
    text_operator!(
        "!endswith",
        TEXTS,
        eval_not_endswith,
        "Says whether the left text does not end with the right one, ASCII case aside.",
        "\"Fabrikam\" !endswith \"brik\"" = "true"
    ),
    text_operator!(
        "endswith_cs",
        TEXTS,
        eval_endswith_cs,
        "Says whether the left text ends with the right one.",
        "\"Fabrikam\" endswith_cs \"kam\"" = "true"
    ),
    text_operator!(
        "!endswith_cs",
        TEXTS,
        eval_not_endswith_cs,
        "Says whether the left text does not end with the right one.",
        "\"Fabrikam\" !endswith_cs \"brik\"" = "true"
    ),
    text_operator!(
        "has",
        TEXT_TERM,
        eval_has,
        "Says whether the right text stands in the left one as a whole term, ASCII case aside.",
        "\"North America\" has \"america\"" = "true"
    ),
    text_operator!(
        "!has",
        TEXT_TERM,
        eval_not_has,
        "Says whether the right text does not stand in the left one as a whole term, ASCII case aside.",
        "\"North America\" !has \"amer\"" = "true"
    ),
    text_operator!(
        "has_cs",
        TEXT_TERM,
        eval_has_cs,
        "Says whether the right text stands in the left one as a whole term.",
        "\"North America\" has_cs \"America\"" = "true"
    ),
    text_operator!(
        "!has_cs",
        TEXT_TERM,
        eval_not_has_cs,
        "Says whether the right text does not stand in the left one as a whole term.",
        "\"North America\" !has_cs \"amer\"" = "true"
    ),
    text_operator!(
        "hasprefix",
        TEXT_TERM,
        eval_hasprefix,
        "Says whether a term of the left text begins with the right one, ASCII case aside.",
        "\"North America\" hasprefix \"ame\"" = "true"
    ),
    text_operator!(
        "!hasprefix",
        TEXT_TERM,
        eval_not_hasprefix,
        "Says whether no term of the left text begins with the right one, ASCII case aside.",
        "\"North America\" !hasprefix \"mer\"" = "true"
    ),
    text_operator!(
        "hasprefix_cs",
        TEXT_TERM,
        eval_hasprefix_cs,
        "Says whether a term of the left text begins with the right one.",
        "\"North America\" hasprefix_cs \"Ame\"" = "true"
    ),
    text_operator!(
        "!hasprefix_cs",
        TEXT_TERM,
        eval_not_hasprefix_cs,
        "Says whether no term of the left text begins with the right one.",
        "\"North America\" !hasprefix_cs \"CA\"" = "true"
    ),
    text_operator!(
        "hassuffix",
        TEXT_TERM,
        eval_hassuffix,
        "Says whether a term of the left text ends with the right one, ASCII case aside.",
        "\"North America\" hassuffix \"ica\"" = "true"
    ),
    text_operator!(
        "!hassuffix",
        TEXT_TERM,
        eval_not_hassuffix,
        "Says whether no term of the left text ends with the right one, ASCII case aside.",
        "\"North America\" !hassuffix \"americ\"" = "true"
    ),
    text_operator!(
        "hassuffix_cs",
        TEXT_TERM,
        eval_hassuffix_cs,
        "Says whether a term of the left text ends with the right one.",
        "\"North America\" hassuffix_cs \"ica\"" = "true"
    ),
    text_operator!(
        "!hassuffix_cs",
        TEXT_TERM,
        eval_not_hassuffix_cs,
        "Says whether no term of the left text ends with the right one.",
        "\"North America\" !hassuffix_cs \"icA\"" = "true"
    ),
    text_operator!(
        "matches regex",
        TEXT_TERM,
        eval_matches_regex,
        "Says whether the regular expression on the right occurs in the left text.",
        "\"Fabrikam\" matches regex \"b.*k\"" = "true"
    )
    .failure(Failure::Unprepared)
    .prepare(pool::prepare_regex::<1>),
    operator("in", &[list(&ITEMS, compare::eval_in)]).handles_nulls().prepare(string_match::prepare_words).doc(
        "Says whether the value equals one of the items; arrays count as their elements.",
        "\"abc\" in (\"123\", \"345\", \"abc\")",
        "true",
        "The in operator",
    ),
    operator("!in", &[list(&ITEMS, compare::eval_not_in)]).handles_nulls().prepare(string_match::prepare_words).doc(
        "Says whether the value equals none of the items.",
        "\"bca\" !in (\"123\", \"345\", \"abc\")",
        "true",
        "The !in operator",
    ),
    operator("in~", &[list(&TEXT_ITEMS, compare::eval_in_ignore_case)])
        .handles_nulls()
        .prepare(string_match::prepare_words_ignore_case)
        .doc(
            "Says whether the text equals one of the items, ASCII case aside.",
            "\"Abc\" in~ (\"123\", \"345\", \"abc\")",
            "true",
            "The in~ operator",
        ),
    operator("!in~", &[list(&TEXT_ITEMS, compare::eval_not_in_ignore_case)])
        .handles_nulls()
        .prepare(string_match::prepare_words_ignore_case)
        .doc(
            "Says whether the text equals none of the items, ASCII case aside.",
            "\"bCa\" !in~ (\"123\", \"345\", \"ABC\")",
            "true",
            "The !in~ operator",
        ),
    operator("has_any", &[list(&TEXT_ITEMS, string_match::eval_has_any)])
        .handles_nulls()
        .prepare(string_match::prepare_needles)
        .doc(
            "Says whether at least one of the items stands in the text as a whole term, ASCII case aside.",
            "\"North Carolina\" has_any (\"south\", \"north\")",
            "true",
            "The has_any operator",
        ),
    operator("has_all", &[list(&TEXT_ITEMS, string_match::eval_has_all)])
        .handles_nulls()
        .prepare(string_match::prepare_needles)
        .doc(
            "Says whether all items stand in the text as whole terms, ASCII case aside.",
            "\"North and South America\" has_all (\"south\", \"north\")",
            "true",
            "The has_all operator",
        ),
    operator("between", ranges!(eval_between, eval_between_span)).handles_nulls().doc(
        "Says whether the value lies in a range, both ends included; of datetimes the end may be a timespan.",
        "10 between (2 .. 10)",
        "true",
        "The between operator",
    ),
    operator("!between", ranges!(eval_not_between, eval_not_between_span)).handles_nulls().doc(
        "Says whether the value lies outside a range, both ends included.",
        "11 !between (2 .. 10)",
        "true",
        "The !between operator",
    ),
];
