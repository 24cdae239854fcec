//! Regular expressions: the entries for `dtq_value::scalar::regex`.

use crate::function::{Failure, Function, Group, Param, ParamKind, Returns, Signature};
use dtq_value::Type;
use dtq_value::scalar::{pool, regex};

pub(crate) static ENTRIES: &[Function] = &[
    Function::new(
        "extract",
        Group::Regex,
        &[Signature::new(
            &[
                Param::is("regex", Type::String).constant(),
                Param::is("group", Type::Long),
                Param::is("text", Type::String),
            ],
            Returns::Type(Type::String),
            regex::extract,
        )],
    )
    .prepare(pool::prepare_regex::<0>)
    .failure(Failure::Unprepared)
    .doc(
        "Gives what a group of the first match of a regular expression holds; group 0 is the match.",
        r#"extract(@'x=(\d+)', 1, 'hello x=45')"#,
        "45",
        "extract-function.md",
    ),
    Function::new(
        "extract_all",
        Group::Regex,
        &[
            Signature::new(
                &[Param::is("regex", Type::String).constant(), Param::is("text", Type::String)],
                Returns::Type(Type::Dynamic),
                regex::extract_all,
            ),
            Signature::new(
                &[
                    Param::is("regex", Type::String).constant(),
                    Param::of("groups", ParamKind::Exactly(Type::Dynamic)),
                    Param::is("text", Type::String),
                ],
                Returns::Type(Type::Dynamic),
                regex::extract_all,
            ),
        ],
    )
    .aliases(&["extractall"])
    .prepare(regex::prepare_extract_all)
    .doc(
        "Gives what the groups of every match of a regular expression hold; null when there is none.",
        r#"extract_all(@'(\d+)', 'a set of numbers: 123, 567 and 789')"#,
        r#"["123","567","789"]"#,
        "extract-all-function.md",
    ),
    Function::new(
        "replace_regex",
        Group::Regex,
        &[Signature::new(
            &[
                Param::is("text", Type::String),
                Param::is("regex", Type::String).constant(),
                Param::is("rewrite", Type::String).constant(),
            ],
            Returns::Type(Type::String),
            regex::replace_regex,
        )],
    )
    .prepare(pool::prepare_regex::<1>)
    .doc(
        r#"Replaces every match of a regular expression; `\1` in the rewrite is the first group."#,
        r#"replace_regex('Number is 7', @'is (\d+)', @'was: \1')"#,
        "Number was: 7",
        "replace-regex-function.md",
    ),
    Function::new(
        "replace",
        Group::Regex,
        &[Signature::new(
            &[
                Param::is("regex", Type::String).constant(),
                Param::is("rewrite", Type::String).constant(),
                Param::is("text", Type::String),
            ],
            Returns::Type(Type::String),
            regex::replace,
        )],
    )
    .prepare(pool::prepare_regex::<0>)
    .doc(
        "Replaces every match of a regular expression; the old form of `replace_regex`.",
        "replace('o', '0', 'foo')",
        "f00",
        "replace-regex-function.md",
    ),
    Function::new(
        "trim",
        Group::Regex,
        &[Signature::new(
            &[Param::is("regex", Type::String).constant(), Param::is("text", Type::String)],
            Returns::Type(Type::String),
            regex::trim,
        )],
    )
    .prepare(regex::prepare_trim)
    .failure(Failure::Unprepared)
    .doc(
        "Removes one match of a regular expression at each end of a text.",
        r#"trim(@'\s+', '  hello  ')"#,
        "hello",
        "trim-function.md",
    ),
    Function::new(
        "trim_start",
        Group::Regex,
        &[Signature::new(
            &[Param::is("regex", Type::String).constant(), Param::is("text", Type::String)],
            Returns::Type(Type::String),
            regex::trim_start,
        )],
    )
    .prepare(regex::prepare_trim)
    .failure(Failure::Unprepared)
    .doc(
        "Removes one match of a regular expression at the start of a text.",
        "trim_start('https://', 'https://bing.com')",
        "bing.com",
        "trim-start-function.md",
    ),
    Function::new(
        "trim_end",
        Group::Regex,
        &[Signature::new(
            &[Param::is("regex", Type::String).constant(), Param::is("text", Type::String)],
            Returns::Type(Type::String),
            regex::trim_end,
        )],
    )
    .prepare(regex::prepare_trim)
    .failure(Failure::Unprepared)
    .doc(
        "Removes one match of a regular expression at the end of a text.",
        "trim_end('.com', 'bing.com')",
        "bing",
        "trim-end-function.md",
    ),
    Function::new(
        "indexof_regex",
        Group::Regex,
        &[Signature::new(
            &[
                Param::of("text", ParamKind::Text),
                Param::is("regex", Type::String).constant(),
                Param::of("start", ParamKind::Integer),
                Param::of("length", ParamKind::Integer),
                Param::of("occurrence", ParamKind::Integer).constant(),
            ],
            Returns::Type(Type::Long),
            regex::indexof_regex,
        )
        .at_least(2)],
    )
    .handles_nulls()
    .prepare(pool::prepare_regex::<1>)
    .failure(Failure::Unprepared)
    .doc(
        "Finds where a regular expression matches, from 0; -1 when it does not.",
        "indexof_regex('abcabc', 'c.b')",
        "2",
        "indexof-regex-function.md",
    ),
    Function::new(
        "countof",
        Group::Regex,
        &[Signature::new(
            &[
                Param::is("text", Type::String),
                Param::is("search", Type::String),
                Param::is("kind", Type::String).constant(),
            ],
            Returns::Type(Type::Long),
            regex::countof,
        )
        .at_least(2)],
    )
    .prepare(regex::prepare_countof)
    .failure(Failure::Unprepared)
    .doc(
        "Counts the occurrences of a text, overlapping ones too, or the matches of a regular expression.",
        "countof('aaaa', 'aa')",
        "3",
        "countof-function.md",
    ),
    Function::new(
        "regex_quote",
        Group::Regex,
        &[Signature::new(&[Param::of("text", ParamKind::Text)], Returns::Type(Type::String), regex::regex_quote)],
    )
    .doc(
        "Escapes what a regular expression would not take as itself.",
        "regex_quote('(so$me.Te^xt)')",
        r#"\(so\$me\.Te\^xt\)"#,
        "regex-quote-function.md",
    ),
];
