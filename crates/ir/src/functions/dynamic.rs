//! Dynamic values: the entries for `dtq_value::scalar::dynamic`, bags and the text of dynamics.
//!
//! Arrays and sets: [`super::array`].

use crate::function::{Function, Group, Naming, Param, ParamKind, Returns, Signature};
use dtq_value::Type;
use dtq_value::scalar::dynamic;

pub(crate) static ENTRIES: &[Function] = &[
    Function::new(
        "bag_pack",
        Group::Dynamic,
        &[Signature::new(
            &[Param::is("key", Type::String), Param::of("value", ParamKind::Scalar)],
            Returns::Type(Type::Dynamic),
            dynamic::bag_pack,
        )
        .variadic_pairs()],
    )
    .handles_nulls()
    .aliases(&["pack", "pack_dictionary"])
    .doc(
        "Gives a bag of alternating keys and values.",
        "bag_pack('Level', 'Information', 'ProcessID', 1234)",
        r#"{"Level":"Information","ProcessID":1234}"#,
        "pack-function.md",
    ),
    Function::new(
        "bag_keys",
        Group::Dynamic,
        &[Signature::new(
            &[Param::of("bag", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::Dynamic),
            dynamic::bag_keys,
        )],
    )
    .never_fails()
    .doc(
        "Gives the keys of a bag.",
        "bag_keys(dynamic({'a': 'b', 'c': 123}))",
        r#"["a","c"]"#,
        "bag-keys-function.md",
    ),
    Function::new(
        "bag_has_key",
        Group::Dynamic,
        &[Signature::new(
            &[Param::of("bag", ParamKind::Exactly(Type::Dynamic)), Param::is("key", Type::String)],
            Returns::Type(Type::Bool),
            dynamic::bag_has_key,
        )],
    )
    .never_fails()
    .doc(
        "Says whether a bag has a key, or a JSONPath leads to something.",
        "bag_has_key(dynamic({'a': {'b': 1}}), '$.a.b')",
        "true",
        "bag-has-key-function.md",
    ),
    Function::new(
        "bag_merge",
        Group::Dynamic,
        &[Signature::new(
            &[Param::of("bag", ParamKind::Exactly(Type::Dynamic)), Param::of("bag", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::Dynamic),
            dynamic::bag_merge,
        )
        .at_least(2)
        .variadic()],
    )
    .handles_nulls()
    .doc(
        "Merges bags; of a key in several, the leftmost value stays.",
        "bag_merge(dynamic({'a': 1}), dynamic({'a': 2, 'b': 3}))",
        r#"{"a":1,"b":3}"#,
        "bag-merge-function.md",
    ),
    Function::new(
        "bag_remove_keys",
        Group::Dynamic,
        &[Signature::new(
            &[
                Param::of("bag", ParamKind::Exactly(Type::Dynamic)),
                Param::of("keys", ParamKind::Exactly(Type::Dynamic)),
            ],
            Returns::Type(Type::Dynamic),
            dynamic::bag_remove_keys,
        )],
    )
    .handles_nulls()
    .never_fails()
    .doc(
        "Removes keys, or what JSONPaths lead to, from a bag.",
        "bag_remove_keys(dynamic({'a': 1, 'b': 2}), dynamic(['b', 'c']))",
        r#"{"a":1}"#,
        "bag-remove-keys-function.md",
    ),
    Function::new(
        "bag_set_key",
        Group::Dynamic,
        &[Signature::new(
            &[
                Param::of("bag", ParamKind::Exactly(Type::Dynamic)),
                Param::is("key", Type::String).constant(),
                Param::of("value", ParamKind::Scalar),
            ],
            Returns::Type(Type::Dynamic),
            dynamic::bag_set_key,
        )],
    )
    .handles_nulls()
    .doc(
        "Sets a key of a bag, or what a JSONPath leads to.",
        "bag_set_key(dynamic({'a': 1}), 'b', 2)",
        r#"{"a":1,"b":2}"#,
        "bag-set-key-function.md",
    ),
    Function::new(
        "bag_zip",
        Group::Dynamic,
        &[Signature::new(
            &[
                Param::of("keys", ParamKind::Exactly(Type::Dynamic)),
                Param::of("values", ParamKind::Exactly(Type::Dynamic)),
            ],
            Returns::Type(Type::Dynamic),
            dynamic::bag_zip,
        )],
    )
    .handles_nulls()
    .doc(
        "Gives a bag of the keys of one array and the values of another.",
        "bag_zip(dynamic(['a', 'b']), dynamic([1, 2.5]))",
        r#"{"a":1,"b":2.5}"#,
        "bag-zip.md",
    ),
    Function::new(
        "treepath",
        Group::Dynamic,
        &[Signature::new(
            &[Param::of("bag", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::Dynamic),
            dynamic::treepath,
        )],
    )
    .naming(Naming::Prefixed("tree"))
    .doc(
        "Gives the paths of all parts of a bag.",
        r#"treepath(parse_json('{"a": "b", "c": 123}'))"#,
        r#"["['a']","['c']"]"#,
        "treepath-function.md",
    ),
    Function::new(
        "dynamic_to_json",
        Group::Dynamic,
        &[
            Signature::new(
                &[Param::of("value", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::String),
                dynamic::dynamic_to_json,
            ),
            Signature::new(&[Param::of("value", ParamKind::Text)], Returns::Type(Type::String), dynamic::text_to_json),
        ],
    )
    .handles_nulls()
    .doc(
        "Gives the JSON text of a dynamic with the keys in order.",
        "dynamic_to_json(dynamic({'b': 1, 'a': [2]}))",
        r#"{"a":[2],"b":1}"#,
        "dynamic-to-json-function.md",
    ),
    Function::new(
        "extract_json",
        Group::Dynamic,
        &[Signature::new(
            &[Param::is("path", Type::String).constant(), Param::is("text", Type::String)],
            Returns::Type(Type::String),
            dynamic::extract_json,
        )],
    )
    .aliases(&["extractjson"])
    .doc(
        "Gives what a JSONPath leads to in a JSON text.",
        r#"extract_json('$.name', '{"name": "John"}')"#,
        "John",
        "extract-json-function.md",
    ),
];
