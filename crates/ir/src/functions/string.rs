//! Strings: the entries for `dtq_value::scalar::string`.

use crate::function::{Function, Group, Naming, Param, ParamKind, Returns, Signature};
use dtq_value::Type;
use dtq_value::scalar::string;

pub(crate) static ENTRIES: &[Function] = &[
    Function::new(
        "strcat",
        Group::String,
        &[Signature::new(&[Param::of("text", ParamKind::Text)], Returns::Type(Type::String), string::strcat)
            .at_least(1)
            .variadic()],
    )
    .doc(
        "Joins texts; anything else is converted as by `tostring`.",
        "strcat('a', 1, true)",
        "a1True",
        "strcat-function.md",
    ),
    Function::new(
        "strcat_delim",
        Group::String,
        &[Signature::new(
            &[Param::of("delimiter", ParamKind::Text), Param::of("text", ParamKind::Text)],
            Returns::Type(Type::String),
            string::strcat_delim,
        )
        .at_least(3)
        .variadic()],
    )
    .doc(
        "Joins texts with a delimiter between them.",
        "strcat_delim('-', 1, '2', 'A', 1s)",
        "1-2-A-00:00:01",
        "strcat-delim-function.md",
    ),
    Function::new(
        "strcat_array",
        Group::String,
        &[Signature::new(
            &[Param::of("array", ParamKind::Exactly(Type::Dynamic)), Param::of("delimiter", ParamKind::Text)],
            Returns::Type(Type::String),
            string::strcat_array,
        )],
    )
    .aliases(&["array_strcat"])
    .doc(
        "Joins the elements of an array with a delimiter between them.",
        "strcat_array(dynamic([1, 2, 3]), '->')",
        "1->2->3",
        "strcat-array-function.md",
    ),
    Function::new(
        "strrep",
        Group::String,
        &[Signature::new(
            &[
                Param::of("text", ParamKind::Text),
                Param::is("count", Type::Long),
                Param::of("delimiter", ParamKind::Text),
            ],
            Returns::Type(Type::String),
            string::strrep,
        )
        .at_least(2)],
    )
    .doc(
        "Repeats a text, at most 1024 times, with a delimiter between.",
        "strrep(123, 3, '.')",
        "123.123.123",
        "strrep-function.md",
    ),
    Function::new(
        "strlen",
        Group::String,
        &[Signature::new(&[Param::of("text", ParamKind::StringOrDynamic)], Returns::Type(Type::Long), string::strlen)],
    )
    .naming(Naming::Prefixed("strlen"))
    .never_fails()
    .doc("Counts the characters of a text.", "strlen('hello')", "5", "strlen-function.md"),
    Function::new(
        "string_size",
        Group::String,
        &[Signature::new(
            &[Param::of("text", ParamKind::StringOrDynamic)],
            Returns::Type(Type::Long),
            string::string_size,
        )],
    )
    .naming(Naming::Prefixed("string_size"))
    .never_fails()
    .doc("Counts the bytes of a text.", "string_size('hello')", "5", "string-size-function.md"),
    Function::new(
        "substring",
        Group::String,
        &[Signature::new(
            &[
                Param::of("text", ParamKind::Text),
                Param::of("start", ParamKind::Integer),
                Param::of("length", ParamKind::Integer),
            ],
            Returns::Type(Type::String),
            string::substring,
        )
        .at_least(2)],
    )
    .handles_nulls()
    .never_fails()
    .doc(
        "Cuts out a part of a text, from a character on; a negative start counts from the end.",
        "substring('123456', 2, 2)",
        "34",
        "substring-function.md",
    ),
    Function::new(
        "tolower",
        Group::String,
        &[Signature::new(&[Param::of("text", ParamKind::Text)], Returns::Type(Type::String), string::tolower)],
    )
    .doc("Puts a text in lower case.", "tolower('Hello')", "hello", "tolower-function.md"),
    Function::new(
        "toupper",
        Group::String,
        &[Signature::new(&[Param::of("text", ParamKind::Text)], Returns::Type(Type::String), string::toupper)],
    )
    .doc("Puts a text in upper case.", "toupper('hello')", "HELLO", "toupper-function.md"),
    Function::new(
        "reverse",
        Group::String,
        &[Signature::new(&[Param::of("text", ParamKind::Text)], Returns::Type(Type::String), string::reverse)],
    )
    .doc("Puts the characters of a text in reverse order.", "reverse('12345')", "54321", "reverse-function.md"),
    Function::new(
        "split",
        Group::String,
        &[Signature::new(
            &[
                Param::of("text", ParamKind::Text),
                Param::is("delimiter", Type::String),
                Param::of("index", ParamKind::Integer),
            ],
            Returns::Type(Type::Dynamic),
            string::split,
        )
        .at_least(2)],
    )
    .naming(Naming::FirstArgument)
    .doc(
        "Cuts a text at every delimiter into an array, or into an array of the part at an index.",
        "split('aa_bb', '_')",
        r#"["aa","bb"]"#,
        "split-function.md",
    ),
    Function::new(
        "indexof",
        Group::String,
        &[Signature::new(
            &[
                Param::of("text", ParamKind::Text),
                Param::of("match", ParamKind::Text),
                Param::of("start", ParamKind::Integer),
                Param::of("length", ParamKind::Integer),
                Param::of("occurrence", ParamKind::Integer).constant(),
            ],
            Returns::Type(Type::Long),
            string::indexof,
        )
        .at_least(2)],
    )
    .handles_nulls()
    .never_fails()
    .doc(
        "Finds where a text occurs in another, from 0; -1 when it does not.",
        "indexof('abcdefg', 'cde')",
        "2",
        "indexof-function.md",
    ),
    Function::new(
        "replace_string",
        Group::String,
        &[Signature::new(
            &[Param::is("text", Type::String), Param::is("lookup", Type::String), Param::is("rewrite", Type::String)],
            Returns::Type(Type::String),
            string::replace_string,
        )],
    )
    .doc(
        "Replaces every occurrence of a text.",
        "replace_string('a cat', 'cat', 'hamster')",
        "a hamster",
        "replace-string-function.md",
    ),
    Function::new(
        "replace_strings",
        Group::String,
        &[Signature::new(
            &[
                Param::is("text", Type::String),
                Param::of("lookups", ParamKind::Exactly(Type::Dynamic)),
                Param::of("rewrites", ParamKind::Exactly(Type::Dynamic)),
            ],
            Returns::Type(Type::String),
            string::replace_strings,
        )],
    )
    .doc(
        "Replaces every occurrence of several texts; the earlier ones take precedence.",
        "replace_strings('a cat and a dog', dynamic(['cat', 'dog']), dynamic(['dog', 'pigeon']))",
        "a dog and a pigeon",
        "replace-strings-function.md",
    ),
    Function::new(
        "translate",
        Group::String,
        &[Signature::new(
            &[
                Param::is("search", Type::String),
                Param::is("replacements", Type::String),
                Param::is("text", Type::String),
            ],
            Returns::Type(Type::String),
            string::translate,
        )],
    )
    .doc(
        "Replaces characters one by one; the last replacement stands for those that are missing.",
        "translate('krasp', 'otsku', 'spark')",
        "kusto",
        "translate-function.md",
    ),
    Function::new(
        "strcmp",
        Group::String,
        &[Signature::new(
            &[Param::of("a", ParamKind::Text), Param::of("b", ParamKind::Text)],
            Returns::Type(Type::Long),
            string::strcmp,
        )],
    )
    .never_fails()
    .doc(
        "Compares two texts: -1, 0 or 1 as the first stands before, at or after the second.",
        "strcmp('abc', 'ABC')",
        "1",
        "strcmp-function.md",
    ),
    Function::new(
        "isascii",
        Group::String,
        &[Signature::new(&[Param::of("text", ParamKind::Text)], Returns::Type(Type::Bool), string::isascii)],
    )
    .never_fails()
    .doc("Says whether a text is ASCII.", "isascii('some string')", "true", "isascii.md"),
    Function::new(
        "isutf8",
        Group::String,
        &[Signature::new(&[Param::of("text", ParamKind::Text)], Returns::Type(Type::Bool), string::isutf8)],
    )
    .doc("Says whether a text is UTF-8.", "isutf8('some string')", "true", "isutf8-function.md"),
    Function::new(
        "unicode_codepoints_from_string",
        Group::String,
        &[Signature::new(
            &[Param::of("text", ParamKind::Text)],
            Returns::Type(Type::Dynamic),
            string::codepoints_from_string,
        )],
    )
    .aliases(&["to_utf8"])
    .doc(
        "Gives the numbers of the characters of a text.",
        "unicode_codepoints_from_string('Kusto')",
        "[75,117,115,116,111]",
        "unicode-codepoints-from-string-function.md",
    ),
    Function::new(
        "unicode_codepoints_to_string",
        Group::String,
        &[Signature::new(
            &[Param::of("numbers", ParamKind::IntegerOrDynamic)],
            Returns::Type(Type::String),
            string::codepoints_to_string,
        )
        .at_least(1)
        .variadic()],
    )
    .aliases(&["make_string"])
    .doc(
        "Gives the text of characters with these numbers, given singly or in arrays.",
        "unicode_codepoints_to_string(dynamic([75, 117, 115]), 116, 111)",
        "Kusto",
        "unicode-codepoints-to-string-function.md",
    ),
    Function::new(
        "tohex",
        Group::String,
        &[Signature::new(
            &[Param::of("number", ParamKind::Integer), Param::of("length", ParamKind::Integer)],
            Returns::Type(Type::String),
            string::tohex,
        )
        .at_least(1)],
    )
    .naming(Naming::FirstArgument)
    .doc(
        "Writes an integer in hexadecimal, with leading zeros up to a length.",
        "tohex(256, 5)",
        "00100",
        "tohex-function.md",
    ),
];
