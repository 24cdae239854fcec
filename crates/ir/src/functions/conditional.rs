//! Conditions. `iff`, `case` and `coalesce` become nodes of their own, which evaluate only what they need.

use crate::function::{Failure, Function, Group, Param, ParamKind, Returns, Signature};
use dtq_value::Type;
use dtq_value::scalar::logic;

const CONDITION: Param = Param::is("condition", Type::Bool);
const ANY: [Param; 1] = [Param::of("value", ParamKind::Scalar)];

/// Returns an entry of the group that sees nulls.
const fn conditional(name: &'static str, signatures: &'static [Signature]) -> Function {
    Function::new(name, Group::Conditional, signatures).handles_nulls().never_fails()
}

pub(crate) static ENTRIES: &[Function] = &[
    conditional(
        "iff",
        &[Signature::new(
            &[CONDITION, Param::of("then", ParamKind::Common), Param::of("otherwise", ParamKind::Common)],
            Returns::Common,
            logic::eval_iff,
        )],
    )
    .aliases(&["iif"])
    .doc(
        "Gives the second argument if the first is true, else (also when it is null) the third.",
        "iff(1 > 0, \"yes\", \"no\")",
        "yes",
        "iff()",
    ),
    conditional(
        "case",
        &[Signature::new(
            &[CONDITION, Param::of("then", ParamKind::Common), Param::of("next", ParamKind::Common)],
            Returns::Common,
            logic::eval_case,
        )
        .variadic()],
    )
    .doc(
        "Gives the value after the first condition that is true, else the last argument.",
        "case(7 <= 3, \"small\", 7 <= 10, \"medium\", \"large\")",
        "medium",
        "case()",
    ),
    conditional(
        "coalesce",
        &[Signature::new(
            &[Param::of("value", ParamKind::Common), Param::of("next", ParamKind::Common)],
            Returns::Common,
            logic::eval_coalesce,
        )
        .variadic()],
    )
    .doc(
        "Gives the first argument that is neither null nor an empty string.",
        "coalesce(tolong(\"not a number\"), tolong(\"42\"), 33)",
        "42",
        "coalesce()",
    ),
    conditional("not", &[Signature::new(&[CONDITION], Returns::Type(Type::Bool), logic::eval_not)]).doc(
        "Gives the opposite of a bool; that of null is null.",
        "not(false)",
        "true",
        "not()",
    ),
    conditional("isnull", &[Signature::new(&ANY, Returns::Type(Type::Bool), logic::eval_isnull)]).doc(
        "Says whether the value is null; a string never is.",
        "isnull(long(null))",
        "true",
        "isnull()",
    ),
    conditional("isnotnull", &[Signature::new(&ANY, Returns::Type(Type::Bool), logic::eval_isnotnull)])
        .aliases(&["notnull"])
        .doc("Says whether the value is not null; a string always is not.", "isnotnull(1)", "true", "isnotnull()"),
    conditional("isempty", &[Signature::new(&ANY, Returns::Type(Type::Bool), logic::eval_isempty)]).doc(
        "Says whether the value is null or an empty string.",
        "isempty(\"\")",
        "true",
        "isempty()",
    ),
    conditional("isnotempty", &[Signature::new(&ANY, Returns::Type(Type::Bool), logic::eval_isnotempty)])
        .aliases(&["notempty"])
        .doc(
            "Says whether the value is neither null nor an empty string.",
            "isnotempty(\"\")",
            "false",
            "isnotempty()",
        ),
    conditional(
        "assert",
        &[Signature::new(
            &[CONDITION, Param::is("message", Type::String).constant()],
            Returns::Type(Type::Bool),
            logic::eval_assert,
        )],
    )
    .failure(Failure::Possible)
    .doc(
        "Is true, or ends the run with the message if the condition is not true.",
        "assert(1 < 2, \"one is less than two\")",
        "true",
        "assert()",
    ),
];
