//! Functions of numbers.

use crate::function::{Effect, Function, Group, Naming, Param, ParamKind, Returns, Signature};
use dtq_value::Type;
use dtq_value::scalar::{Eval, math};

const NUMBER: [Param; 1] = [Param::of("number", ParamKind::Number)];
const REAL: [Param; 1] = [Param::is("number", Type::Real)];
const TWO_INTEGERS: [Param; 2] = [Param::of("value1", ParamKind::Integer), Param::of("value2", ParamKind::Integer)];
const SHIFT: [Param; 2] = [Param::of("value", ParamKind::Integer), Param::of("shift", ParamKind::Integer)];

/// Returns an entry named after its first argument, as most of these are.
const fn math_function(name: &'static str, signatures: &'static [Signature]) -> Function {
    Function::new(name, Group::Math, signatures).never_fails().naming(Naming::FirstArgument)
}

const fn real_of(params: &'static [Param], eval: Eval) -> Signature {
    Signature::new(params, Returns::Type(Type::Real), eval)
}

const fn long_of(params: &'static [Param], eval: Eval) -> Signature {
    Signature::new(params, Returns::Type(Type::Long), eval)
}

const fn bool_of(params: &'static [Param], eval: Eval) -> Signature {
    Signature::new(params, Returns::Type(Type::Bool), eval)
}

/// One entry of a function from a number to a real.
macro_rules! real_function {
    ($name:literal, $eval:ident, $doc:literal, $example:literal = $result:literal) => {
        math_function($name, &[real_of(&NUMBER, math::$eval)]).doc($doc, $example, $result, concat!($name, "()"))
    };
}

const fn sized(value: ParamKind, size: ParamKind) -> [Param; 2] {
    [Param::of("value", value), Param::of("roundTo", size)]
}

const LONG_SIZED: [Param; 2] = sized(ParamKind::Is(Type::Long), ParamKind::Is(Type::Long));
const REAL_SIZED: [Param; 2] = sized(ParamKind::Is(Type::Real), ParamKind::Is(Type::Real));
const DECIMAL_SIZED: [Param; 2] = sized(ParamKind::Is(Type::Decimal), ParamKind::Number);
const SIZED_DECIMAL: [Param; 2] = sized(ParamKind::Number, ParamKind::Is(Type::Decimal));
const SPAN_SIZED: [Param; 2] = sized(ParamKind::Exactly(Type::TimeSpan), ParamKind::Is(Type::TimeSpan));
const DATE_SIZED: [Param; 2] = sized(ParamKind::Exactly(Type::DateTime), ParamKind::Is(Type::TimeSpan));

static BIN: &[Signature] = &[
    Signature::new(&SPAN_SIZED, Returns::Type(Type::TimeSpan), math::eval_bin),
    Signature::new(&DATE_SIZED, Returns::Type(Type::DateTime), math::eval_bin),
    Signature::new(&LONG_SIZED, Returns::Type(Type::Long), math::eval_bin),
    Signature::new(&REAL_SIZED, Returns::Type(Type::Real), math::eval_bin),
    Signature::new(&DECIMAL_SIZED, Returns::Type(Type::Decimal), math::eval_bin),
    Signature::new(&SIZED_DECIMAL, Returns::Type(Type::Decimal), math::eval_bin),
];

const fn aligned(value: ParamKind, size: ParamKind, fixed: ParamKind) -> [Param; 3] {
    [Param::of("value", value), Param::of("bin_size", size), Param::of("fixed_point", fixed)]
}

const LONG_ALIGNED: [Param; 3] =
    aligned(ParamKind::Is(Type::Long), ParamKind::Is(Type::Long), ParamKind::Is(Type::Long));
const REAL_ALIGNED: [Param; 3] =
    aligned(ParamKind::Is(Type::Real), ParamKind::Is(Type::Real), ParamKind::Is(Type::Real));
const SPAN_ALIGNED: [Param; 3] =
    aligned(ParamKind::Exactly(Type::TimeSpan), ParamKind::Is(Type::TimeSpan), ParamKind::Is(Type::TimeSpan));
const DATE_ALIGNED: [Param; 3] =
    aligned(ParamKind::Exactly(Type::DateTime), ParamKind::Is(Type::TimeSpan), ParamKind::Is(Type::DateTime));

const ROUNDED: [Param; 2] = [Param::of("number", ParamKind::Number), Param::is("precision", Type::Long)];
const COMMON: [Param; 2] = [Param::of("value", ParamKind::Common), Param::of("next", ParamKind::Common)];

pub(crate) static ENTRIES: &[Function] = &[
    math_function(
        "abs",
        &[
            Signature::new(
                &[Param::of("number", ParamKind::Exactly(Type::TimeSpan))],
                Returns::Type(Type::TimeSpan),
                math::eval_abs,
            ),
            long_of(&[Param::of("number", ParamKind::Integer)], math::eval_abs),
            Signature::new(&NUMBER, Returns::Param(0), math::eval_abs),
        ],
    )
    .doc("Gives the number or timespan without its sign.", "abs(-5)", "5", "abs()"),
    math_function("bin", BIN).aliases(&["floor"]).doc(
        "Rounds down to a multiple of a size.",
        "bin(-7, 5)",
        "-10",
        "bin()",
    ),
    math_function(
        "bin_at",
        &[
            Signature::new(&SPAN_ALIGNED, Returns::Type(Type::TimeSpan), math::eval_bin_at),
            Signature::new(&DATE_ALIGNED, Returns::Type(Type::DateTime), math::eval_bin_at),
            Signature::new(&LONG_ALIGNED, Returns::Type(Type::Long), math::eval_bin_at),
            Signature::new(&REAL_ALIGNED, Returns::Type(Type::Real), math::eval_bin_at),
        ],
    )
    .doc(
        "Rounds down to a multiple of a size, counted from a fixed point.",
        "bin_at(6.5, 2.5, 7)",
        "4.5",
        "bin_at()",
    ),
    math_function("ceiling", &[Signature::new(&NUMBER, Returns::Param(0), math::eval_ceiling)]).doc(
        "Gives the smallest whole number that is not less.",
        "ceiling(0.9)",
        "1.0",
        "ceiling()",
    ),
    math_function("round", &[Signature::new(&ROUNDED, Returns::Param(0), math::eval_round).at_least(1)]).doc(
        "Rounds to a count of digits after the point (before it, when negative); halves go away from zero.",
        "round(2.98765, 3)",
        "2.988",
        "round()",
    ),
    math_function("sign", &[real_of(&NUMBER, math::eval_sign)]).naming(Naming::Numbered).handles_nulls().doc(
        "Gives -1, 0 or 1; that of null is 0.",
        "sign(-42)",
        "-1.0",
        "sign()",
    ),
    real_function!("sqrt", eval_sqrt, "Gives the square root; null below zero.", "sqrt(256)" = "16.0"),
    math_function(
        "pow",
        &[real_of(&[Param::of("base", ParamKind::Number), Param::of("exponent", ParamKind::Number)], math::eval_pow)],
    )
    .doc("Raises the first number to the power of the second.", "pow(2, 3)", "8.0", "pow()"),
    real_function!("exp", eval_exp, "Raises e to a power.", "exp(0)" = "1.0"),
    real_function!("exp2", eval_exp2, "Raises 2 to a power.", "exp2(3)" = "8.0"),
    real_function!("exp10", eval_exp10, "Raises 10 to a power.", "exp10(2)" = "100.0"),
    real_function!("log", eval_log, "Gives the natural logarithm; null below zero.", "log(1)" = "0.0"),
    real_function!("log2", eval_log2, "Gives the logarithm to base 2; null below zero.", "log2(8)" = "3.0"),
    real_function!("log10", eval_log10, "Gives the logarithm to base 10; null below zero.", "log10(1000)" = "3.0"),
    real_function!("gamma", eval_gamma, "Gives the gamma function.", "gamma(5)" = "24.0"),
    real_function!(
        "loggamma",
        eval_loggamma,
        "Gives the logarithm of the absolute value of the gamma function.",
        "loggamma(1)" = "0.0"
    ),
    real_function!("erf", eval_erf, "Gives the error function.", "erf(0)" = "0.0"),
    real_function!("erfc", eval_erfc, "Gives the complementary error function.", "erfc(0)" = "1.0"),
    real_function!("sin", eval_sin, "Gives the sine of an angle in radians.", "sin(0)" = "0.0"),
    real_function!("cos", eval_cos, "Gives the cosine of an angle in radians.", "cos(0)" = "1.0"),
    real_function!("tan", eval_tan, "Gives the tangent of an angle in radians.", "tan(0)" = "0.0"),
    math_function("cot", &[real_of(&NUMBER, math::eval_cot)]).naming(Naming::Numbered).doc(
        "Gives the cotangent of an angle in radians.",
        "round(cot(1), 6)",
        "0.642093",
        "cot()",
    ),
    real_function!("asin", eval_asin, "Gives the angle of a sine; null outside of -1 to 1.", "asin(0)" = "0.0"),
    real_function!("acos", eval_acos, "Gives the angle of a cosine; null outside of -1 to 1.", "acos(1)" = "0.0"),
    real_function!("atan", eval_atan, "Gives the angle of a tangent.", "atan(0)" = "0.0"),
    math_function(
        "atan2",
        &[real_of(&[Param::of("y", ParamKind::Number), Param::of("x", ParamKind::Number)], math::eval_atan2)],
    )
    .doc(
        "Gives the angle between the x axis and the ray to the point (y, x).",
        "round(atan2(1, 1), 6)",
        "0.785398",
        "atan2()",
    ),
    math_function("degrees", &[real_of(&NUMBER, math::eval_degrees)]).naming(Naming::Numbered).doc(
        "Converts radians to degrees.",
        "degrees(pi())",
        "180.0",
        "degrees()",
    ),
    math_function("radians", &[real_of(&NUMBER, math::eval_radians)]).naming(Naming::Numbered).doc(
        "Converts degrees to radians.",
        "radians(180) == pi()",
        "true",
        "radians()",
    ),
    math_function("pi", &[real_of(&[], math::eval_pi)]).naming(Naming::Numbered).doc(
        "Gives the ratio of a circle's circumference to its diameter.",
        "round(pi(), 6)",
        "3.141593",
        "pi()",
    ),
    math_function("isnan", &[bool_of(&REAL, math::eval_isnan)]).naming(Naming::Numbered).doc(
        "Says whether the real is NaN.",
        "isnan(0.0 / 0)",
        "true",
        "isnan()",
    ),
    math_function("isinf", &[bool_of(&REAL, math::eval_isinf)]).naming(Naming::Numbered).doc(
        "Says whether the real is infinite.",
        "isinf(1.0 / 0)",
        "true",
        "isinf()",
    ),
    math_function("isfinite", &[bool_of(&REAL, math::eval_isfinite)]).naming(Naming::Numbered).doc(
        "Says whether the real is neither infinite nor NaN.",
        "isfinite(1.0)",
        "true",
        "isfinite()",
    ),
    math_function("max_of", &[Signature::new(&COMMON, Returns::Common, math::eval_max_of).variadic()])
        .naming(Naming::Numbered)
        .handles_nulls()
        .doc("Gives the greatest of its arguments, nulls aside.", "max_of(10, 1, -3, 17)", "17", "max_of()"),
    math_function("min_of", &[Signature::new(&COMMON, Returns::Common, math::eval_min_of).variadic()])
        .naming(Naming::Numbered)
        .handles_nulls()
        .doc("Gives the least of its arguments, nulls aside.", "min_of(10, 1, -3, 17)", "-3", "min_of()"),
    math_function("binary_and", &[long_of(&TWO_INTEGERS, math::eval_binary_and)]).doc(
        "Gives the bits that both numbers have.",
        "binary_and(6, 3)",
        "2",
        "binary_and()",
    ),
    math_function("binary_or", &[long_of(&TWO_INTEGERS, math::eval_binary_or)]).doc(
        "Gives the bits that one of the numbers has.",
        "binary_or(6, 3)",
        "7",
        "binary_or()",
    ),
    math_function("binary_xor", &[long_of(&TWO_INTEGERS, math::eval_binary_xor)]).doc(
        "Gives the bits that only one of the numbers has.",
        "binary_xor(6, 3)",
        "5",
        "binary_xor()",
    ),
    math_function("binary_not", &[long_of(&[Param::of("value", ParamKind::Integer)], math::eval_binary_not)]).doc(
        "Gives the bits that the number lacks.",
        "binary_not(100)",
        "-101",
        "binary_not()",
    ),
    math_function("binary_shift_left", &[long_of(&SHIFT, math::eval_binary_shift_left)]).doc(
        "Moves the bits up by a count, taken modulo 64; null when it is negative.",
        "binary_shift_left(1, 2)",
        "4",
        "binary_shift_left()",
    ),
    math_function("binary_shift_right", &[long_of(&SHIFT, math::eval_binary_shift_right)]).doc(
        "Moves the bits down by a count, taken modulo 64; null when it is negative.",
        "binary_shift_right(4, 2)",
        "1",
        "binary_shift_right()",
    ),
    math_function(
        "bitset_count_ones",
        &[long_of(&[Param::of("value", ParamKind::Integer)], math::eval_bitset_count_ones)],
    )
    .doc("Counts the bits that are set.", "bitset_count_ones(42)", "3", "bitset_count_ones()"),
    math_function("rand", &[real_of(&[Param::of("count", ParamKind::Integer)], math::eval_rand).at_least(0)])
        .effect(Effect::Random)
        .doc(
            "Gives a random real from 0 to below 1, or a whole one from 0 to below a count.",
            "rand(1)",
            "0.0",
            "rand()",
        ),
    Function::new("new_guid", Group::Other, &[Signature::new(&[], Returns::Type(Type::Guid), math::eval_new_guid)])
        .effect(Effect::Random)
        .doc("Gives a new random guid.", "strlen(tostring(new_guid()))", "36", "new_guid()"),
];
