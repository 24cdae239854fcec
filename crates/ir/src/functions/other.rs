//! What fits under no other heading: the entries for `dtq_value::scalar::other`.

use crate::function::{Function, Group, Naming, Param, ParamKind, Returns, Signature};
use dtq_value::Type;
use dtq_value::scalar::other;

pub(crate) static ENTRIES: &[Function] = &[
    Function::new(
        "format_bytes",
        Group::Other,
        &[Signature::new(
            &[
                Param::of("size", ParamKind::Number),
                Param::of("precision", ParamKind::Number).constant(),
                Param::is("unit", Type::String).constant(),
            ],
            Returns::Type(Type::String),
            other::format_bytes,
        )
        .at_least(1)],
    )
    .naming(Naming::FirstArgument)
    .doc(
        "Writes a count of bytes with its unit.",
        "format_bytes(20010332, 2)",
        "19.08 MB",
        "format-bytes-function.md",
    ),
    Function::new(
        "has_any_index",
        Group::Other,
        &[Signature::new(
            &[Param::of("text", ParamKind::StringOrDynamic), Param::of("words", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::Long),
            other::has_any_index,
        )],
    )
    .never_fails()
    .doc(
        "Finds the first of several words that a text has; -1 when it has none.",
        "has_any_index('this is an example', dynamic(['not', 'example']))",
        "1",
        "has-any-index-function.md",
    ),
];
