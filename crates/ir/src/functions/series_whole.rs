//! Series as a whole, filled and filtered: entries for `dtq_value::scalar::series` and `series_filter`.

use crate::function::{Function, Group, Naming, Param, ParamKind, Returns, Signature};
use dtq_value::Type;
use dtq_value::scalar::{series, series_filter};

pub(crate) static ENTRIES: &[Function] = &[
    Function::new(
        "series_sum",
        Group::Series,
        &[Signature::new(
            &[Param::of("series", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::Real),
            series::series_sum,
        )],
    )
    .aliases(&["array_sum"])
    .doc("Adds the elements of a series.", "series_sum(dynamic([1, 2, 3, 4]))", "10.0", "series-sum-function.md"),
    Function::new(
        "series_product",
        Group::Series,
        &[Signature::new(
            &[Param::of("series", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::Real),
            series::series_product,
        )],
    )
    .doc(
        "Multiplies the elements of a series.",
        "series_product(dynamic([1, 2, 3, 4]))",
        "24.0",
        "series-product-function.md",
    ),
    Function::new(
        "series_magnitude",
        Group::Series,
        &[Signature::new(
            &[Param::of("series", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::Real),
            series::series_magnitude,
        )],
    )
    .doc(
        "Gives the length of a series as a vector.",
        "series_magnitude(dynamic([3, 4]))",
        "5.0",
        "series-magnitude-function.md",
    ),
    Function::new(
        "series_dot_product",
        Group::Series,
        &[
            Signature::new(
                &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Real),
                series::series_dot_product,
            ),
            Signature::new(
                &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Number)],
                Returns::Type(Type::Real),
                series::series_dot_product,
            ),
            Signature::new(
                &[Param::of("a", ParamKind::Number), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Real),
                series::series_dot_product,
            ),
        ],
    )
    .doc(
        "Adds the products of the elements of two series.",
        "series_dot_product(dynamic([1, 2, 4]), dynamic([4, 2, 1]))",
        "12.0",
        "series-dot-product-function.md",
    ),
    Function::new(
        "series_cosine_similarity",
        Group::Series,
        &[Signature::new(
            &[
                Param::of("a", ParamKind::Exactly(Type::Dynamic)),
                Param::of("b", ParamKind::Exactly(Type::Dynamic)),
                Param::is("magnitude_a", Type::Real),
                Param::is("magnitude_b", Type::Real),
            ],
            Returns::Type(Type::Real),
            series::series_cosine_similarity,
        )
        .at_least(2)],
    )
    .doc(
        "Gives the cosine of the angle between two series as vectors.",
        "series_cosine_similarity(dynamic([3, 4]), dynamic([6, 8]))",
        "1.0",
        "series-cosine-similarity-function.md",
    ),
    Function::new(
        "series_pearson_correlation",
        Group::Series,
        &[Signature::new(
            &[Param::of("a", ParamKind::Exactly(Type::Dynamic)), Param::of("b", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::Real),
            series::series_pearson_correlation,
        )],
    )
    .doc(
        "Gives the correlation of two series.",
        "series_pearson_correlation(dynamic([1, 2, 3, 4, 5]), dynamic([2, 4, 6, 8, 10]))",
        "1.0",
        "series-pearson-correlation-function.md",
    ),
    Function::new(
        "series_stats_dynamic",
        Group::Series,
        &[Signature::new(
            &[Param::of("series", ParamKind::Exactly(Type::Dynamic)), Param::is("ignore", Type::Bool).constant()],
            Returns::Type(Type::Dynamic),
            series::series_stats_dynamic,
        )
        .at_least(1)],
    )
    .doc(
        "Gives a bag of statistics of a series.",
        "series_stats_dynamic(dynamic([1, 2, 3])).avg",
        "2.0",
        "series-stats-dynamic-function.md",
    ),
    Function::new(
        "series_fit_line_dynamic",
        Group::Series,
        &[Signature::new(
            &[Param::of("series", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::Dynamic),
            series::series_fit_line_dynamic,
        )],
    )
    .doc(
        "Fits a straight line to a series and describes it in a bag.",
        "series_fit_line_dynamic(dynamic([1, 2, 3])).slope",
        "1.0",
        "series-fit-line-dynamic-function.md",
    ),
    Function::new(
        "series_fill_forward",
        Group::Series,
        &[Signature::new(
            &[Param::of("series", ParamKind::Exactly(Type::Dynamic)), Param::of("placeholder", ParamKind::Number)],
            Returns::Type(Type::Dynamic),
            series_filter::series_fill_forward,
        )
        .at_least(1)],
    )
    .naming(Naming::FirstArgument)
    .handles_nulls()
    .doc(
        "Fills gaps with the last value before.",
        "series_fill_forward(dynamic([1, null, 3]))",
        "[1,1,3]",
        "series-fill-forward-function.md",
    ),
    Function::new(
        "series_fill_backward",
        Group::Series,
        &[Signature::new(
            &[Param::of("series", ParamKind::Exactly(Type::Dynamic)), Param::of("placeholder", ParamKind::Number)],
            Returns::Type(Type::Dynamic),
            series_filter::series_fill_backward,
        )
        .at_least(1)],
    )
    .naming(Naming::FirstArgument)
    .handles_nulls()
    .doc(
        "Fills gaps with the next value behind.",
        "series_fill_backward(dynamic([1, null, 3]))",
        "[1,3,3]",
        "series-fill-backward-function.md",
    ),
    Function::new(
        "series_fill_const",
        Group::Series,
        &[Signature::new(
            &[
                Param::of("series", ParamKind::Exactly(Type::Dynamic)),
                Param::of("constant", ParamKind::Number),
                Param::of("placeholder", ParamKind::Number),
            ],
            Returns::Type(Type::Dynamic),
            series_filter::series_fill_const,
        )
        .at_least(2)],
    )
    .naming(Naming::FirstArgument)
    .handles_nulls()
    .doc(
        "Fills gaps with a constant.",
        "series_fill_const(dynamic([111, null, 36]), 0.0)",
        "[111,0.0,36]",
        "series-fill-const-function.md",
    ),
    Function::new(
        "series_fill_linear",
        Group::Series,
        &[Signature::new(
            &[
                Param::of("series", ParamKind::Exactly(Type::Dynamic)),
                Param::of("placeholder", ParamKind::Number),
                Param::is("fill_edges", Type::Bool),
                Param::of("constant", ParamKind::Number),
            ],
            Returns::Type(Type::Dynamic),
            series_filter::series_fill_linear,
        )
        .at_least(1)],
    )
    .naming(Naming::FirstArgument)
    .handles_nulls()
    .doc(
        "Fills gaps along straight lines.",
        "series_fill_linear(dynamic([111.0, null, 36.0]))",
        "[111.0,73.5,36.0]",
        "series-fill-linear-function.md",
    ),
    Function::new(
        "series_fir",
        Group::Series,
        &[Signature::new(
            &[
                Param::of("series", ParamKind::Exactly(Type::Dynamic)),
                Param::of("filter", ParamKind::Exactly(Type::Dynamic)),
                Param::is("normalize", Type::Bool),
                Param::is("center", Type::Bool),
            ],
            Returns::Type(Type::Dynamic),
            series_filter::series_fir,
        )
        .at_least(2)],
    )
    .naming(Naming::FirstArgument)
    .doc(
        "Applies a filter with finite response, such as a moving average.",
        "series_fir(dynamic([0, 0, 2, 2, 3, 3]), dynamic([1, -1]), false, false)",
        "[0.0,0.0,2.0,0.0,1.0,0.0]",
        "series-fir-function.md",
    ),
    Function::new(
        "series_iir",
        Group::Series,
        &[Signature::new(
            &[
                Param::of("series", ParamKind::Exactly(Type::Dynamic)),
                Param::of("numerators", ParamKind::Exactly(Type::Dynamic)),
                Param::of("denominators", ParamKind::Exactly(Type::Dynamic)),
            ],
            Returns::Type(Type::Dynamic),
            series_filter::series_iir,
        )],
    )
    .naming(Naming::FirstArgument)
    .doc(
        "Applies a recursive filter, such as a cumulative sum.",
        "series_iir(dynamic([1, 2, 3]), dynamic([1]), dynamic([1, -1]))",
        "[1.0,3.0,6.0]",
        "series-iir-function.md",
    ),
];
