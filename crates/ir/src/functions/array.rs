//! Arrays and sets: the entries for `dtq_value::scalar::array`.

use crate::function::{Function, Group, Naming, Param, ParamKind, Returns, Signature};
use dtq_value::Type;
use dtq_value::scalar::array;

pub(crate) static ENTRIES: &[Function] = &[
    Function::new(
        "array_length",
        Group::Dynamic,
        &[Signature::new(
            &[Param::of("array", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::Long),
            array::array_length,
        )],
    )
    .aliases(&["arraylength"])
    .never_fails()
    .doc(
        "Counts the elements of an array; null for anything else.",
        "array_length(dynamic([1, 2, 3, 'four']))",
        "4",
        "array-length-function.md",
    ),
    Function::new(
        "array_concat",
        Group::Dynamic,
        &[Signature::new(
            &[Param::of("array", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::Dynamic),
            array::array_concat,
        )
        .at_least(1)
        .variadic()],
    )
    .doc("Joins arrays.", "array_concat(dynamic([1, 2]), dynamic([3]))", "[1,2,3]", "array-concat-function.md"),
    Function::new(
        "array_slice",
        Group::Dynamic,
        &[Signature::new(
            &[
                Param::of("array", ParamKind::Exactly(Type::Dynamic)),
                Param::of("start", ParamKind::Integer),
                Param::of("end", ParamKind::Integer),
            ],
            Returns::Type(Type::Dynamic),
            array::array_slice,
        )],
    )
    .doc(
        "Cuts out the elements from one position to another, both inclusive; negative ones count from the end.",
        "array_slice(dynamic([1, 2, 3, 4, 5]), 2, -1)",
        "[3,4,5]",
        "array-slice-function.md",
    ),
    Function::new(
        "array_split",
        Group::Dynamic,
        &[
            Signature::new(
                &[Param::of("array", ParamKind::Exactly(Type::Dynamic)), Param::of("position", ParamKind::Integer)],
                Returns::Type(Type::Dynamic),
                array::array_split,
            ),
            Signature::new(
                &[
                    Param::of("array", ParamKind::Exactly(Type::Dynamic)),
                    Param::of("positions", ParamKind::Exactly(Type::Dynamic)),
                ],
                Returns::Type(Type::Dynamic),
                array::array_split,
            ),
        ],
    )
    .doc(
        "Cuts an array at one position or at several.",
        "array_split(dynamic([1, 2, 3, 4, 5]), dynamic([1, 3]))",
        "[[1],[2,3],[4,5]]",
        "array-split-function.md",
    ),
    Function::new(
        "array_reverse",
        Group::Dynamic,
        &[Signature::new(
            &[Param::of("array", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::Dynamic),
            array::array_reverse,
        )],
    )
    .doc(
        "Puts the elements in reverse order.",
        "array_reverse(dynamic([1, 2, 3]))",
        "[3,2,1]",
        "array-reverse-function.md",
    ),
    Function::new(
        "array_rotate_left",
        Group::Dynamic,
        &[Signature::new(
            &[Param::of("array", ParamKind::Exactly(Type::Dynamic)), Param::of("count", ParamKind::Integer)],
            Returns::Type(Type::Dynamic),
            array::array_rotate_left,
        )],
    )
    .doc(
        "Moves the elements to the left, around the end.",
        "array_rotate_left(dynamic([1, 2, 3, 4, 5]), 2)",
        "[3,4,5,1,2]",
        "array-rotate-left-function.md",
    ),
    Function::new(
        "array_rotate_right",
        Group::Dynamic,
        &[Signature::new(
            &[Param::of("array", ParamKind::Exactly(Type::Dynamic)), Param::of("count", ParamKind::Integer)],
            Returns::Type(Type::Dynamic),
            array::array_rotate_right,
        )],
    )
    .doc(
        "Moves the elements to the right, around the start.",
        "array_rotate_right(dynamic([1, 2, 3, 4, 5]), 2)",
        "[4,5,1,2,3]",
        "array-rotate-right-function.md",
    ),
    Function::new(
        "array_shift_left",
        Group::Dynamic,
        &[Signature::new(
            &[
                Param::of("array", ParamKind::Exactly(Type::Dynamic)),
                Param::of("count", ParamKind::Integer),
                Param::of("default", ParamKind::Scalar),
            ],
            Returns::Type(Type::Dynamic),
            array::array_shift_left,
        )
        .at_least(2)],
    )
    .handles_nulls()
    .doc(
        "Moves the elements to the left and fills up with a default.",
        "array_shift_left(dynamic([1, 2, 3, 4, 5]), 2)",
        "[3,4,5,null,null]",
        "array-shift-left-function.md",
    ),
    Function::new(
        "array_shift_right",
        Group::Dynamic,
        &[Signature::new(
            &[
                Param::of("array", ParamKind::Exactly(Type::Dynamic)),
                Param::of("count", ParamKind::Integer),
                Param::of("default", ParamKind::Scalar),
            ],
            Returns::Type(Type::Dynamic),
            array::array_shift_right,
        )
        .at_least(2)],
    )
    .handles_nulls()
    .doc(
        "Moves the elements to the right and fills up with a default.",
        "array_shift_right(dynamic([1, 2, 3, 4, 5]), 2, -1)",
        "[-1,-1,1,2,3]",
        "array-shift-right-function.md",
    ),
    Function::new(
        "array_index_of",
        Group::Dynamic,
        &[Signature::new(
            &[
                Param::of("array", ParamKind::Exactly(Type::Dynamic)),
                Param::of("value", ParamKind::Scalar),
                Param::of("start", ParamKind::Integer),
                Param::of("length", ParamKind::Integer),
                Param::of("occurrence", ParamKind::Integer).constant(),
            ],
            Returns::Type(Type::Long),
            array::array_index_of,
        )
        .at_least(2)],
    )
    .never_fails()
    .doc(
        "Finds the position of an element, from 0; -1 when it is not there.",
        "array_index_of(dynamic(['this', 'is', 'an']), 'an')",
        "2",
        "array-index-of-function.md",
    ),
    Function::new(
        "array_iff",
        Group::Dynamic,
        &[Signature::new(
            &[
                Param::of("conditions", ParamKind::Exactly(Type::Dynamic)),
                Param::of("when_true", ParamKind::Scalar),
                Param::of("when_false", ParamKind::Scalar),
            ],
            Returns::Type(Type::Dynamic),
            array::array_iff,
        )],
    )
    .handles_nulls()
    .aliases(&["array_iif"])
    .doc(
        "Takes for each condition the element of one array or of another.",
        "array_iff(dynamic([true, false, true]), dynamic([1, 2, 3]), dynamic([4, 5, 6]))",
        "[1,5,3]",
        "array-iff-function.md",
    ),
    Function::new(
        "array_sort_asc",
        Group::Dynamic,
        &[Signature::new(
            &[Param::of("array", ParamKind::Exactly(Type::Dynamic)), Param::of("arrays", ParamKind::Scalar)],
            Returns::Type(Type::Dynamic),
            array::array_sort_asc,
        )
        .at_least(1)
        .variadic()],
    )
    .handles_nulls()
    .doc(
        "Sorts an array upwards, and others in the same order as it; a last bool says whether nulls come last.",
        "array_sort_asc(dynamic([1, 3, 4, 5, 2]))",
        "[1,2,3,4,5]",
        "array-sort-asc-function.md",
    ),
    Function::new(
        "array_sort_desc",
        Group::Dynamic,
        &[Signature::new(
            &[Param::of("array", ParamKind::Exactly(Type::Dynamic)), Param::of("arrays", ParamKind::Scalar)],
            Returns::Type(Type::Dynamic),
            array::array_sort_desc,
        )
        .at_least(1)
        .variadic()],
    )
    .handles_nulls()
    .doc(
        "Sorts an array downwards, and others in the same order as it; a last bool says whether nulls come last.",
        "array_sort_desc(dynamic([1, 3, 4, 5, 2]))",
        "[5,4,3,2,1]",
        "array-sort-desc-function.md",
    ),
    Function::new(
        "range",
        Group::Dynamic,
        &[Signature::new(
            &[
                Param::of("start", ParamKind::Summable),
                Param::of("stop", ParamKind::Summable),
                Param::of("step", ParamKind::Summable),
            ],
            Returns::Type(Type::Dynamic),
            array::range,
        )
        .at_least(2)],
    )
    .doc(
        "Gives the values from one to another, inclusive, by a step of 1, or of an hour for times.",
        "range(1, 8, 3)",
        "[1,4,7]",
        "range-function.md",
    ),
    Function::new(
        "repeat",
        Group::Dynamic,
        &[Signature::new(
            &[Param::of("value", ParamKind::Scalar), Param::is("count", Type::Long)],
            Returns::Type(Type::Dynamic),
            array::repeat,
        )],
    )
    .handles_nulls()
    .naming(Naming::Prefixed("repeat"))
    .doc("Gives an array of one value, repeated.", "repeat(1, 3)", "[1,1,1]", "repeat-function.md"),
    Function::new(
        "zip",
        Group::Dynamic,
        &[Signature::new(
            &[
                Param::of("array", ParamKind::Exactly(Type::Dynamic)),
                Param::of("array", ParamKind::Exactly(Type::Dynamic)),
            ],
            Returns::Type(Type::Dynamic),
            array::zip,
        )
        .at_least(2)
        .variadic()],
    )
    .doc(
        "Pairs the elements of arrays by position.",
        "zip(dynamic([1, 3, 5]), dynamic([2, 4, 6]))",
        "[[1,2],[3,4],[5,6]]",
        "zip-function.md",
    ),
    Function::new(
        "pack_array",
        Group::Dynamic,
        &[Signature::new(&[Param::of("value", ParamKind::Scalar)], Returns::Type(Type::Dynamic), array::pack_array)
            .at_least(1)
            .variadic()],
    )
    .handles_nulls()
    .doc(
        "Gives an array of the arguments.",
        "pack_array(1, 'a', 2s)",
        r#"[1,"a","00:00:02"]"#,
        "pack-array-function.md",
    ),
    Function::new(
        "set_has_element",
        Group::Dynamic,
        &[Signature::new(
            &[Param::of("array", ParamKind::Exactly(Type::Dynamic)), Param::of("value", ParamKind::Scalar)],
            Returns::Type(Type::Bool),
            array::set_has_element,
        )],
    )
    .never_fails()
    .doc(
        "Says whether an array has an element.",
        "set_has_element(dynamic(['this', 'is']), 'is')",
        "true",
        "set-has-element-function.md",
    ),
    Function::new(
        "set_union",
        Group::Dynamic,
        &[Signature::new(
            &[
                Param::of("array", ParamKind::Exactly(Type::Dynamic)),
                Param::of("array", ParamKind::Exactly(Type::Dynamic)),
            ],
            Returns::Type(Type::Dynamic),
            array::set_union,
        )
        .at_least(2)
        .variadic()],
    )
    .doc(
        "Gives the different elements of all arrays.",
        "set_union(dynamic([1, 2, 1]), dynamic([2, 3]))",
        "[1,2,3]",
        "set-union-function.md",
    ),
    Function::new(
        "set_intersect",
        Group::Dynamic,
        &[Signature::new(
            &[
                Param::of("array", ParamKind::Exactly(Type::Dynamic)),
                Param::of("array", ParamKind::Exactly(Type::Dynamic)),
            ],
            Returns::Type(Type::Dynamic),
            array::set_intersect,
        )
        .at_least(2)
        .variadic()],
    )
    .doc(
        "Gives the different elements that all arrays have.",
        "set_intersect(dynamic([1, 2, 3]), dynamic([2, 3, 4]))",
        "[2,3]",
        "set-intersect-function.md",
    ),
    Function::new(
        "set_difference",
        Group::Dynamic,
        &[Signature::new(
            &[
                Param::of("array", ParamKind::Exactly(Type::Dynamic)),
                Param::of("array", ParamKind::Exactly(Type::Dynamic)),
            ],
            Returns::Type(Type::Dynamic),
            array::set_difference,
        )
        .at_least(2)
        .variadic()],
    )
    .doc(
        "Gives the different elements of the first array that the others lack.",
        "set_difference(dynamic([1, 2, 3]), dynamic([2]))",
        "[1,3]",
        "set-difference-function.md",
    ),
    Function::new(
        "set_equals",
        Group::Dynamic,
        &[Signature::new(
            &[
                Param::of("array", ParamKind::Exactly(Type::Dynamic)),
                Param::of("array", ParamKind::Exactly(Type::Dynamic)),
            ],
            Returns::Type(Type::Bool),
            array::set_equals,
        )],
    )
    .never_fails()
    .doc(
        "Says whether two arrays have the same different elements.",
        "set_equals(dynamic([1, 2]), dynamic([2, 1, 2]))",
        "true",
        "@kusto/language-service-next",
    ),
    Function::new(
        "jaccard_index",
        Group::Dynamic,
        &[Signature::new(
            &[
                Param::of("array", ParamKind::Exactly(Type::Dynamic)),
                Param::of("array", ParamKind::Exactly(Type::Dynamic)),
            ],
            Returns::Type(Type::Real),
            array::jaccard_index,
        )],
    )
    .never_fails()
    .doc(
        "Gives the share of elements that two sets have in common.",
        "jaccard_index(dynamic([1, 2, 3]), dynamic([1, 2, 3, 4]))",
        "0.75",
        "jaccard-index-function.md",
    ),
];
