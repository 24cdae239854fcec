//! Series element by element: the entries for `dtq_value::scalar::series`.
//!
//! Series as a whole: [`super::series_whole`].

use crate::function::{Function, Group, Param, ParamKind, Returns, Signature};
use dtq_value::Type;
use dtq_value::scalar::series;

pub(crate) static ENTRIES: &[Function] = &[
    Function::new(
        "series_add",
        Group::Series,
        &[
            Signature::new(
                &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Dynamic),
                series::series_add,
            ),
            Signature::new(
                &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Number)],
                Returns::Type(Type::Dynamic),
                series::series_add,
            ),
            Signature::new(
                &[Param::of("a", ParamKind::Number), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Dynamic),
                series::series_add,
            ),
        ],
    )
    .doc(
        "Adds two series element by element.",
        "series_add(dynamic([1, 2, 4]), dynamic([4, 2, 1]))",
        "[5,4,5]",
        "series-add-function.md",
    ),
    Function::new(
        "series_subtract",
        Group::Series,
        &[
            Signature::new(
                &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Dynamic),
                series::series_subtract,
            ),
            Signature::new(
                &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Number)],
                Returns::Type(Type::Dynamic),
                series::series_subtract,
            ),
            Signature::new(
                &[Param::of("a", ParamKind::Number), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Dynamic),
                series::series_subtract,
            ),
        ],
    )
    .doc(
        "Subtracts a series from another element by element.",
        "series_subtract(dynamic([1, 2, 4]), dynamic([4, 2, 1]))",
        "[-3,0,3]",
        "series-subtract-function.md",
    ),
    Function::new(
        "series_multiply",
        Group::Series,
        &[
            Signature::new(
                &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Dynamic),
                series::series_multiply,
            ),
            Signature::new(
                &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Number)],
                Returns::Type(Type::Dynamic),
                series::series_multiply,
            ),
            Signature::new(
                &[Param::of("a", ParamKind::Number), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Dynamic),
                series::series_multiply,
            ),
        ],
    )
    .doc(
        "Multiplies two series element by element.",
        "series_multiply(dynamic([1, 2, 4]), dynamic([4, 2, 1]))",
        "[4,4,4]",
        "series-multiply-function.md",
    ),
    Function::new(
        "series_divide",
        Group::Series,
        &[
            Signature::new(
                &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Dynamic),
                series::series_divide,
            ),
            Signature::new(
                &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Number)],
                Returns::Type(Type::Dynamic),
                series::series_divide,
            ),
            Signature::new(
                &[Param::of("a", ParamKind::Number), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Dynamic),
                series::series_divide,
            ),
        ],
    )
    .doc(
        "Divides a series by another element by element.",
        "series_divide(dynamic([1, 2, 4]), dynamic([4, 2, 1]))",
        "[0.25,1.0,4.0]",
        "series-divide-function.md",
    ),
    Function::new(
        "series_pow",
        Group::Series,
        &[
            Signature::new(
                &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Dynamic),
                series::series_pow,
            ),
            Signature::new(
                &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Number)],
                Returns::Type(Type::Dynamic),
                series::series_pow,
            ),
            Signature::new(
                &[Param::of("a", ParamKind::Number), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Dynamic),
                series::series_pow,
            ),
        ],
    )
    .doc(
        "Raises a series to the powers in another.",
        "series_pow(dynamic([1, 2, 3, 4]), dynamic([1, 2, 3, 0.5]))",
        "[1.0,4.0,27.0,2.0]",
        "series-pow-function.md",
    ),
    Function::new(
        "series_greater",
        Group::Series,
        &[
            Signature::new(
                &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Dynamic),
                series::series_greater,
            ),
            Signature::new(
                &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Number)],
                Returns::Type(Type::Dynamic),
                series::series_greater,
            ),
            Signature::new(
                &[Param::of("a", ParamKind::Number), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Dynamic),
                series::series_greater,
            ),
        ],
    )
    .doc(
        "Says which elements are greater than those of another series.",
        "series_greater(dynamic([1, 2, 4]), dynamic([4, 2, 1]))",
        "[false,false,true]",
        "series-greater-function.md",
    ),
    Function::new(
        "series_greater_equals",
        Group::Series,
        &[
            Signature::new(
                &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Dynamic),
                series::series_greater_equals,
            ),
            Signature::new(
                &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Number)],
                Returns::Type(Type::Dynamic),
                series::series_greater_equals,
            ),
            Signature::new(
                &[Param::of("a", ParamKind::Number), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Dynamic),
                series::series_greater_equals,
            ),
        ],
    )
    .doc(
        "Says which elements are at least those of another series.",
        "series_greater_equals(dynamic([1, 2, 4]), dynamic([4, 2, 1]))",
        "[false,true,true]",
        "series-greater-equals-function.md",
    ),
    Function::new(
        "series_less",
        Group::Series,
        &[
            Signature::new(
                &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Dynamic),
                series::series_less,
            ),
            Signature::new(
                &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Number)],
                Returns::Type(Type::Dynamic),
                series::series_less,
            ),
            Signature::new(
                &[Param::of("a", ParamKind::Number), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Dynamic),
                series::series_less,
            ),
        ],
    )
    .doc(
        "Says which elements are less than those of another series.",
        "series_less(dynamic([1, 2, 4]), dynamic([4, 2, 1]))",
        "[true,false,false]",
        "series-less-function.md",
    ),
    Function::new(
        "series_less_equals",
        Group::Series,
        &[
            Signature::new(
                &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Dynamic),
                series::series_less_equals,
            ),
            Signature::new(
                &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Number)],
                Returns::Type(Type::Dynamic),
                series::series_less_equals,
            ),
            Signature::new(
                &[Param::of("a", ParamKind::Number), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Dynamic),
                series::series_less_equals,
            ),
        ],
    )
    .doc(
        "Says which elements are at most those of another series.",
        "series_less_equals(dynamic([1, 2, 4]), dynamic([4, 2, 1]))",
        "[true,true,false]",
        "series-less-equals-function.md",
    ),
    Function::new(
        "series_equals",
        Group::Series,
        &[
            Signature::new(
                &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Dynamic),
                series::series_equals,
            ),
            Signature::new(
                &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Number)],
                Returns::Type(Type::Dynamic),
                series::series_equals,
            ),
            Signature::new(
                &[Param::of("a", ParamKind::Number), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Dynamic),
                series::series_equals,
            ),
        ],
    )
    .doc(
        "Says which elements are equal to those of another series.",
        "series_equals(dynamic([1, 2, 4]), dynamic([4, 2, 1]))",
        "[false,true,false]",
        "series-equals-function.md",
    ),
    Function::new(
        "series_not_equals",
        Group::Series,
        &[
            Signature::new(
                &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Dynamic),
                series::series_not_equals,
            ),
            Signature::new(
                &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Number)],
                Returns::Type(Type::Dynamic),
                series::series_not_equals,
            ),
            Signature::new(
                &[Param::of("a", ParamKind::Number), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Dynamic),
                series::series_not_equals,
            ),
        ],
    )
    .doc(
        "Says which elements are different from those of another series.",
        "series_not_equals(dynamic([1, 2, 4]), dynamic([4, 2, 1]))",
        "[true,false,true]",
        "series-not-equals-function.md",
    ),
    Function::new(
        "series_exp",
        Group::Series,
        &[Signature::new(
            &[Param::of("series", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::Dynamic),
            series::series_exp,
        )],
    )
    .doc("Gives e to the power of each element.", "series_exp(dynamic([0]))", "[1.0]", "series-exp-function.md"),
    Function::new(
        "series_log",
        Group::Series,
        &[Signature::new(
            &[Param::of("series", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::Dynamic),
            series::series_log,
        )],
    )
    .doc(
        "Gives the natural logarithm of each element.",
        "series_log(dynamic([1]))",
        "[0.0]",
        "series-log-function.md",
    ),
    Function::new(
        "series_sin",
        Group::Series,
        &[Signature::new(
            &[Param::of("series", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::Dynamic),
            series::series_sin,
        )],
    )
    .doc("Gives the sine of each element.", "series_sin(dynamic([0]))", "[0.0]", "series-sin-function.md"),
    Function::new(
        "series_cos",
        Group::Series,
        &[Signature::new(
            &[Param::of("series", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::Dynamic),
            series::series_cos,
        )],
    )
    .doc("Gives the cosine of each element.", "series_cos(dynamic([0]))", "[1.0]", "series-cos-function.md"),
    Function::new(
        "series_tan",
        Group::Series,
        &[Signature::new(
            &[Param::of("series", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::Dynamic),
            series::series_tan,
        )],
    )
    .doc("Gives the tangent of each element.", "series_tan(dynamic([0]))", "[0.0]", "series-tan-function.md"),
    Function::new(
        "series_asin",
        Group::Series,
        &[Signature::new(
            &[Param::of("series", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::Dynamic),
            series::series_asin,
        )],
    )
    .doc("Gives the arc sine of each element.", "series_asin(dynamic([0]))", "[0.0]", "series-asin-function.md"),
    Function::new(
        "series_acos",
        Group::Series,
        &[Signature::new(
            &[Param::of("series", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::Dynamic),
            series::series_acos,
        )],
    )
    .doc("Gives the arc cosine of each element.", "series_acos(dynamic([1]))", "[0.0]", "series-acos-function.md"),
    Function::new(
        "series_atan",
        Group::Series,
        &[Signature::new(
            &[Param::of("series", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::Dynamic),
            series::series_atan,
        )],
    )
    .doc("Gives the arc tangent of each element.", "series_atan(dynamic([0]))", "[0.0]", "series-atan-function.md"),
    Function::new(
        "series_floor",
        Group::Series,
        &[Signature::new(
            &[Param::of("series", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::Dynamic),
            series::series_floor,
        )],
    )
    .doc(
        "Rounds each element down.",
        "series_floor(dynamic([-1.5, 1, 2.5]))",
        "[-2.0,1.0,2.0]",
        "series-floor-function.md",
    ),
    Function::new(
        "series_ceiling",
        Group::Series,
        &[Signature::new(
            &[Param::of("series", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::Dynamic),
            series::series_ceiling,
        )],
    )
    .doc(
        "Rounds each element up.",
        "series_ceiling(dynamic([-1.5, 1, 2.5]))",
        "[-1.0,1.0,3.0]",
        "series-ceiling-function.md",
    ),
    Function::new(
        "series_abs",
        Group::Series,
        &[Signature::new(
            &[Param::of("series", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::Dynamic),
            series::series_abs,
        )],
    )
    .doc(
        "Removes the sign of each element.",
        "series_abs(dynamic([-6.5, 0, 8.2]))",
        "[6.5,0,8.2]",
        "series-abs-function.md",
    ),
    Function::new(
        "series_sign",
        Group::Series,
        &[Signature::new(
            &[Param::of("series", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::Dynamic),
            series::series_sign,
        )],
    )
    .doc(
        "Gives the sign of each element.",
        "series_sign(dynamic([-6, 0, 8]))",
        "[-1,0,1]",
        "series-sign-function.md",
    ),
];
