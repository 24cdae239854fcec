//! What Kusto lacks and rules need: the entries for `dtq_value::scalar::privacy` and `sampling`.
//!
//! They are few, since a rule should bind in Kusto too: `docs/dtq-prelude.kql` has them as functions of Kusto.

use crate::function::{Function, Group, Param, ParamKind, Returns, Signature};
use dtq_value::Type;
use dtq_value::scalar::{pool, privacy, sampling};

const REGEX: Param = Param::is("regex", Type::String).constant();
const MASK: Param = Param::is("mask", Type::String).constant();
const BAG: Param = Param::of("bag", ParamKind::Exactly(Type::Dynamic));
const TEXT: Param = Param::is("text", Type::String);

pub(crate) static ENTRIES: &[Function] = &[
    Function::new(
        "redact",
        Group::Rules,
        &[
            Signature::new(&[BAG, REGEX, MASK], Returns::Type(Type::Dynamic), privacy::redact),
            Signature::new(&[TEXT, REGEX, MASK], Returns::Type(Type::String), privacy::redact),
        ],
    )
    .prepare(pool::prepare_regex::<1>)
    .doc(
        r#"Replaces every match of a regular expression in a text, or in every string inside a dynamic, keys left alone; `\1` in the mask is the first group."#,
        r#"redact(dynamic({'user': {'mail': 'ann@example.com', 'age': 42}}), @'[\w.]+@[\w.]+', '***')"#,
        r#"{"user":{"mail":"***","age":42}}"#,
        "dtq: as replace-regex-function.md, on all leaves",
    ),
    Function::new(
        "redact_card",
        Group::Rules,
        &[
            Signature::new(&[BAG, MASK], Returns::Type(Type::Dynamic), privacy::redact_card).at_least(1),
            Signature::new(&[TEXT, MASK], Returns::Type(Type::String), privacy::redact_card).at_least(1),
        ],
    )
    .doc(
        "Masks card numbers (13 to 19 digits that pass the Luhn check, also with spaces or dashes) in a text, or in every string inside a dynamic; without a mask, all digits but the last four become `*`.",
        "redact_card('paid with 4242 4242 4242 4242')",
        "paid with **** **** **** 4242",
        "dtq: ISO/IEC 7812-1, annex B",
    ),
    Function::new(
        "trace_ratio",
        Group::Rules,
        &[Signature::new(&[Param::is("TraceId", Type::String)], Returns::Type(Type::Real), sampling::trace_ratio)],
    )
    .never_fails()
    .doc(
        "Gives where a trace stands in [0, 1): below a probability for exactly the traces that OpenTelemetry's consistent probability samplers keep; null for what is no trace id.",
        "trace_ratio('0af7651916cd43dd8448eb211c80319c')",
        "0.7151622109811853",
        "dtq: OpenTelemetry specification, TraceState: Probability Sampling",
    ),
];
