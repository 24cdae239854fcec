//! The table of aggregate functions: names, parameters, result types and column names. Entries: [`ALL`].
//!
//! Accumulators live in `dtq-exec`, chosen by [`AggregateKind`]; a conditional form (`sumif`) is the plain accumulator
//! with `Aggregate::condition` saying which argument is the condition.

use crate::function::{Naming, ParamKind};
use dtq_value::Type;

/// Holds what is known of an aggregate function.
#[derive(Debug)]
pub struct Aggregate {
    /// Its name.
    pub name: &'static str,
    /// Other names with the same meaning.
    pub aliases: &'static [&'static str],
    /// Which accumulator runs it.
    pub kind: AggregateKind,
    /// What its arguments are as they are written, the condition included; when `is_variadic`, the last one repeats.
    pub params: &'static [ParamKind],
    /// How many arguments there must be at least.
    pub args_min: usize,
    /// Whether the last parameter repeats.
    pub is_variadic: bool,
    /// The position, among the arguments as written, of the bool that says which rows count.
    pub condition: Option<usize>,
    /// The position, among the arguments as written, from which on they must be constants; the condition need not.
    pub constants_from: Option<usize>,
    /// What it gives.
    pub returns: AggregateReturns,
    /// How its column is named. Where [`AggregateReturns`] gives several columns, it says how each is.
    pub naming: Naming,
    /// One sentence, third person.
    pub doc: &'static str,
    /// Where the meaning comes from.
    pub source: &'static str,
}

/// Says how many columns an aggregate gives and of which types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AggregateReturns {
    /// One column of this type.
    Type(Type),
    /// One column of the type of the first argument.
    First,
    /// One column of the type of the first argument, but long for an int: `sum`.
    Summed,
    /// One column of the type of the first argument, but real for int and long: `avg`.
    Averaged,
    /// One column an argument, each of its argument's type: `arg_max`, `take_any`. `*` stands for every column that is
    /// not yet an argument or a key.
    ///
    /// With [`Naming::FirstArgument`] each is named as its argument; one without a name is `max_x_arg1` (`min_x_arg1`
    /// for `arg_min`, where `x` names the first argument, and `1` is the position), and `any_arg0` for `take_any`; a
    /// first argument of `arg_max` without a name is `max_`. With [`Naming::Prefixed`], `argmax(t, s)` gives `max_t` and
    /// `max_t_s`, and `any(s, l)` gives `any_s` and `any_l`.
    EachArgument,
    /// One column for each percentile, of the type of the first argument, but long for an int and real for a decimal.
    ///
    /// Each is named by the prefix, the first argument and the percentile, in which anything but a letter or a digit
    /// becomes `_`: `percentile_x_99_9`.
    EachPercentile,
}

/// Names the accumulator of an aggregate. A conditional form (`sumif`) is the plain one with a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the aggregate of the same name in KQL")]
pub enum AggregateKind {
    Count,
    CountDistinct,
    DCount,
    Sum,
    Avg,
    Min,
    Max,
    ArgMin,
    ArgMax,
    TakeAny,
    MakeList,
    MakeListWithNulls,
    MakeSet,
    MakeBag,
    Percentile,
    Percentiles,
    PercentilesArray,
    PercentileWeighted,
    PercentilesWeighted,
    PercentilesWeightedArray,
    Stdev,
    StdevP,
    Variance,
    VarianceP,
    Covariance,
    CovarianceP,
    BinaryAllAnd,
    BinaryAllOr,
    BinaryAllXor,
    Hll,
    HllMerge,
    TDigest,
    TDigestMerge,
    BuildSchema,
}

/// Every aggregate function, in the order of the documentation.
pub static ALL: &[Aggregate] = &[
    Aggregate::new("count", AggregateKind::Count, &[CONDITION], LONG, Naming::Prefixed("count")).at_least(0).condition(0).aliases(&["cnt"]).doc("Counts the rows, or those for which the condition is true.", "count-aggregation-function.md"),
    Aggregate::new("countif", AggregateKind::Count, &[CONDITION], LONG, Naming::Prefixed("countif")).condition(0).doc("Counts the rows for which the condition is true.", "countif-aggregation-function.md"),
    Aggregate::new("dcount", AggregateKind::DCount, &[SCALAR, INTEGER], LONG, Naming::Prefixed("dcount")).at_least(1).constants_from(1).doc("Estimates how many different values there are; exact while they are few.", "dcount-aggregation-function.md"),
    Aggregate::new("dcountif", AggregateKind::DCount, &[SCALAR, CONDITION, INTEGER], LONG, Naming::Prefixed("dcountif")).at_least(2).condition(1).constants_from(2).doc("Estimates how many different values there are among the rows for which the condition is true.", "dcountif-aggregation-function.md"),
    Aggregate::new("count_distinct", AggregateKind::CountDistinct, &[ParamKind::NotDynamic], LONG, Naming::Prefixed("count_distinct")).doc("Counts the different values exactly.", "count-distinct-aggregation-function.md"),
    Aggregate::new("count_distinctif", AggregateKind::CountDistinct, &[ParamKind::NotDynamic, CONDITION], LONG, Naming::Prefixed("count_distinctif")).condition(1).doc("Counts exactly the different values among the rows for which the condition is true.", "count-distinctif-aggregation-function.md"),
    Aggregate::new("sum", AggregateKind::Sum, &[SUMMABLE], AggregateReturns::Summed, Naming::Prefixed("sum")).doc("Adds the values; 0 when there are none.", "sum-aggregation-function.md"),
    Aggregate::new("sumif", AggregateKind::Sum, &[SUMMABLE, CONDITION], AggregateReturns::Summed, Naming::Prefixed("sumif")).condition(1).doc("Adds the values, of the rows for which the condition is true.", "sumif-aggregation-function.md"),
    Aggregate::new("avg", AggregateKind::Avg, &[SUMMABLE], AggregateReturns::Averaged, Naming::Prefixed("avg")).doc("Gives the arithmetic mean of the values that are not null.", "avg-aggregation-function.md"),
    Aggregate::new("avgif", AggregateKind::Avg, &[SUMMABLE, CONDITION], AggregateReturns::Averaged, Naming::Prefixed("avgif")).condition(1).doc("Gives the arithmetic mean of the values that are not null, of the rows for which the condition is true.", "avgif-aggregation-function.md"),
    Aggregate::new("min", AggregateKind::Min, &[ORDERABLE], AggregateReturns::First, Naming::Prefixed("min")).doc("Gives the least value.", "min-aggregation-function.md"),
    Aggregate::new("minif", AggregateKind::Min, &[ORDERABLE, CONDITION], AggregateReturns::First, Naming::Prefixed("minif")).condition(1).doc("Gives the least value, of the rows for which the condition is true.", "minif-aggregation-function.md"),
    Aggregate::new("max", AggregateKind::Max, &[ORDERABLE], AggregateReturns::First, Naming::Prefixed("max")).doc("Gives the greatest value.", "max-aggregation-function.md"),
    Aggregate::new("maxif", AggregateKind::Max, &[ORDERABLE, CONDITION], AggregateReturns::First, Naming::Prefixed("maxif")).condition(1).doc("Gives the greatest value, of the rows for which the condition is true.", "maxif-aggregation-function.md"),
    Aggregate::new("arg_max", AggregateKind::ArgMax, &[ORDERABLE, SCALAR], AggregateReturns::EachArgument, Naming::FirstArgument).at_least(1).variadic().doc("Gives the greatest value and the other arguments of the row that has it.", "arg-max-aggregation-function.md"),
    Aggregate::new("argmax", AggregateKind::ArgMax, &[ORDERABLE, SCALAR], AggregateReturns::EachArgument, Naming::Prefixed("max")).at_least(1).variadic().doc("Gives the greatest value and the other arguments of the row that has it. An old name of `arg_max`, with other column names.", "arg-max-aggregation-function.md"),
    Aggregate::new("arg_min", AggregateKind::ArgMin, &[ORDERABLE, SCALAR], AggregateReturns::EachArgument, Naming::FirstArgument).at_least(1).variadic().doc("Gives the least value and the other arguments of the row that has it.", "arg-min-aggregation-function.md"),
    Aggregate::new("argmin", AggregateKind::ArgMin, &[ORDERABLE, SCALAR], AggregateReturns::EachArgument, Naming::Prefixed("min")).at_least(1).variadic().doc("Gives the least value and the other arguments of the row that has it. An old name of `arg_min`, with other column names.", "arg-min-aggregation-function.md"),
    Aggregate::new("take_any", AggregateKind::TakeAny, &[SCALAR], AggregateReturns::EachArgument, Naming::FirstArgument).variadic().doc("Gives the values of one row, each not null where there is such a value.", "take-any-aggregation-function.md"),
    Aggregate::new("any", AggregateKind::TakeAny, &[SCALAR], AggregateReturns::EachArgument, Naming::Prefixed("any")).variadic().doc("Gives the values of one row. An old name of `take_any`, with other column names.", "take-any-aggregation-function.md"),
    Aggregate::new("take_anyif", AggregateKind::TakeAny, &[SCALAR, CONDITION], AggregateReturns::First, Naming::FirstArgument).condition(1).doc("Gives the value of one of the rows for which the condition is true.", "take-anyif-aggregation-function.md"),
    Aggregate::new("anyif", AggregateKind::TakeAny, &[SCALAR, CONDITION], AggregateReturns::First, Naming::Prefixed("anyif")).condition(1).doc("Gives the value of one of the rows for which the condition is true. An old name of `take_anyif`.", "take-anyif-aggregation-function.md"),
    Aggregate::new("make_list", AggregateKind::MakeList, &[SCALAR, INTEGER], ANY, Naming::Prefixed("list")).at_least(1).constants_from(1).aliases(&["makelist"]).doc("Collects the values that are not null in an array, at most so many.", "make-list-aggregation-function.md"),
    Aggregate::new("make_list_if", AggregateKind::MakeList, &[SCALAR, CONDITION, INTEGER], ANY, Naming::Prefixed("list")).at_least(2).condition(1).constants_from(2).doc("Collects the values of the rows for which the condition is true in an array.", "make-list-if-aggregation-function.md"),
    Aggregate::new("make_list_with_nulls", AggregateKind::MakeListWithNulls, &[SCALAR], ANY, Naming::Prefixed("list")).doc("Collects the values, nulls included, in an array.", "make-list-with-nulls-aggregation-function.md"),
    Aggregate::new("make_set", AggregateKind::MakeSet, &[SCALAR, INTEGER], ANY, Naming::Prefixed("set")).at_least(1).constants_from(1).aliases(&["makeset"]).doc("Collects the different values in an array, at most so many.", "make-set-aggregation-function.md"),
    Aggregate::new("make_set_if", AggregateKind::MakeSet, &[SCALAR, CONDITION, INTEGER], ANY, Naming::Prefixed("set")).at_least(2).condition(1).constants_from(2).doc("Collects the different values of the rows for which the condition is true in an array.", "make-set-if-aggregation-function.md"),
    Aggregate::new("make_bag", AggregateKind::MakeBag, &[DYNAMIC, INTEGER], ANY, Naming::Prefixed("bag")).at_least(1).constants_from(1).doc("Merges property bags into one.", "make-bag-aggregation-function.md"),
    Aggregate::new("make_dictionary", AggregateKind::MakeBag, &[DYNAMIC, INTEGER], ANY, Naming::Prefixed("dictionary")).at_least(1).constants_from(1).doc("Merges property bags into one. An old name of `make_bag`.", "make-bag-aggregation-function.md"),
    Aggregate::new("make_bag_if", AggregateKind::MakeBag, &[DYNAMIC, CONDITION, INTEGER], ANY, Naming::Prefixed("bag")).at_least(2).condition(1).constants_from(2).doc("Merges the property bags of the rows for which the condition is true into one.", "make-bag-if-aggregation-function.md"),
    Aggregate::new("percentile", AggregateKind::Percentile, &[SUMMABLE, NUMBER], AggregateReturns::EachPercentile, Naming::Prefixed("percentile")).constants_from(1).doc("Gives the value at a percentile, by nearest rank.", "percentiles-aggregation-function.md"),
    Aggregate::new("percentiles", AggregateKind::Percentiles, &[SUMMABLE, NUMBER], AggregateReturns::EachPercentile, Naming::Prefixed("percentile")).variadic().constants_from(1).doc("Gives the values at several percentiles, by nearest rank.", "percentiles-aggregation-function.md"),
    Aggregate::new("percentiles_array", AggregateKind::PercentilesArray, &[SUMMABLE, SCALAR], ANY, Naming::Prefixed("percentiles")).variadic().constants_from(1).doc("Gives the values at several percentiles, by nearest rank, as an array; the percentiles are numbers or one array.", "percentiles-aggregation-function.md"),
    Aggregate::new("percentilew", AggregateKind::PercentileWeighted, &[SUMMABLE, INTEGER, NUMBER], AggregateReturns::EachPercentile, Naming::Prefixed("percentile")).constants_from(2).doc("Gives the value at a percentile, by nearest rank, each value counted by its weight.", "percentilesw-aggregation-function.md"),
    Aggregate::new("percentilesw", AggregateKind::PercentilesWeighted, &[SUMMABLE, INTEGER, NUMBER], AggregateReturns::EachPercentile, Naming::Prefixed("percentile")).variadic().constants_from(2).doc("Gives the values at several percentiles, by nearest rank, each value counted by its weight.", "percentilesw-aggregation-function.md"),
    Aggregate::new("percentilesw_array", AggregateKind::PercentilesWeightedArray, &[SUMMABLE, INTEGER, SCALAR], ANY, Naming::Prefixed("percentiles")).variadic().constants_from(2).doc("Gives the values at several percentiles, by nearest rank, each value counted by its weight, as an array; the percentiles are numbers or one array.", "percentilesw-aggregation-function.md"),
    Aggregate::new("stdev", AggregateKind::Stdev, &[SUMMABLE], REAL, Naming::Prefixed("stdev")).doc("Gives the standard deviation of a sample.", "stdev-aggregation-function.md"),
    Aggregate::new("stdevif", AggregateKind::Stdev, &[SUMMABLE, CONDITION], REAL, Naming::Prefixed("stdevif")).condition(1).doc("Gives the standard deviation of a sample, over the rows for which the condition is true.", "stdevif-aggregation-function.md"),
    Aggregate::new("stdevp", AggregateKind::StdevP, &[SUMMABLE], REAL, Naming::Prefixed("stdevp")).doc("Gives the standard deviation of a population.", "stdevp-aggregation-function.md"),
    Aggregate::new("variance", AggregateKind::Variance, &[SUMMABLE], REAL, Naming::Prefixed("variance")).doc("Gives the variance of a sample.", "variance-aggregation-function.md"),
    Aggregate::new("varianceif", AggregateKind::Variance, &[SUMMABLE, CONDITION], REAL, Naming::Prefixed("varianceif")).condition(1).doc("Gives the variance of a sample, over the rows for which the condition is true.", "varianceif-aggregation-function.md"),
    Aggregate::new("variancep", AggregateKind::VarianceP, &[SUMMABLE], REAL, Naming::Prefixed("variancep")).doc("Gives the variance of a population.", "variancep-aggregation-function.md"),
    Aggregate::new("variancepif", AggregateKind::VarianceP, &[SUMMABLE, CONDITION], REAL, Naming::Prefixed("variancepif")).condition(1).doc("Gives the variance of a population, over the rows for which the condition is true.", "variancepif-aggregation-function.md"),
    Aggregate::new("covariance", AggregateKind::Covariance, &[SUMMABLE, SUMMABLE], REAL, Naming::PrefixedByTwo("covariance")).doc("Gives the covariance of two values, taken as a sample.", "covariance-aggregation-function.md"),
    Aggregate::new("covarianceif", AggregateKind::Covariance, &[SUMMABLE, SUMMABLE, CONDITION], REAL, Naming::PrefixedByTwo("covarianceif")).condition(2).doc("Gives the covariance of two values over the rows for which the condition is true, taken as a sample.", "covarianceif-aggregation-function.md"),
    Aggregate::new("covariancep", AggregateKind::CovarianceP, &[SUMMABLE, SUMMABLE], REAL, Naming::PrefixedByTwo("covariancep")).doc("Gives the covariance of two values, taken as a population.", "covariancep-aggregation-function.md"),
    Aggregate::new("covariancepif", AggregateKind::CovarianceP, &[SUMMABLE, SUMMABLE, CONDITION], REAL, Naming::PrefixedByTwo("covariancepif")).condition(2).doc("Gives the covariance of two values over the rows for which the condition is true, taken as a population.", "covariancepif-aggregation-function.md"),
    Aggregate::new("binary_all_and", AggregateKind::BinaryAllAnd, &[INTEGER], AggregateReturns::First, Naming::FirstArgument).doc("Combines all values bit by bit with and.", "binary-all-and-aggregation-function.md"),
    Aggregate::new("binary_all_or", AggregateKind::BinaryAllOr, &[INTEGER], AggregateReturns::First, Naming::FirstArgument).doc("Combines all values bit by bit with or.", "binary-all-or-aggregation-function.md"),
    Aggregate::new("binary_all_xor", AggregateKind::BinaryAllXor, &[INTEGER], AggregateReturns::First, Naming::FirstArgument).doc("Combines all values bit by bit with xor.", "binary-all-xor-aggregation-function.md"),
    Aggregate::new("hll", AggregateKind::Hll, &[SCALAR, INTEGER], ANY, Naming::Prefixed("hll")).at_least(1).constants_from(1).doc("Collects the values in a sketch, from which `dcount_hll` estimates how many different ones there are.", "hll-aggregation-function.md"),
    Aggregate::new("hll_if", AggregateKind::Hll, &[SCALAR, CONDITION, INTEGER], ANY, Naming::Prefixed("hll_if")).at_least(2).condition(1).constants_from(2).doc("Collects the values of the rows for which the condition is true in a sketch for `dcount_hll`.", "hll-if-aggregation-function.md"),
    Aggregate::new("hll_merge", AggregateKind::HllMerge, &[DYNAMIC], ANY, Naming::Prefixed("hll_merge")).doc("Merges sketches made by `hll`.", "hll-merge-aggregation-function.md"),
    Aggregate::new("tdigest", AggregateKind::TDigest, &[SUMMABLE, INTEGER], ANY, Naming::Prefixed("tdigest")).at_least(1).doc("Collects the values in a digest, from which `percentile_tdigest` reads percentiles.", "tdigest-aggregation-function.md"),
    Aggregate::new("tdigest_merge", AggregateKind::TDigestMerge, &[DYNAMIC], ANY, Naming::Prefixed("merge_tdigests")).aliases(&["merge_tdigest"]).doc("Merges digests made by `tdigest`.", "tdigest-merge-aggregation-function.md"),
    Aggregate::new("buildschema", AggregateKind::BuildSchema, &[DYNAMIC], ANY, Naming::Prefixed("schema")).doc("Gives the smallest schema that fits all values.", "buildschema-aggregation-function.md"),
];

const SCALAR: ParamKind = ParamKind::Scalar;
const ORDERABLE: ParamKind = ParamKind::Orderable;
const SUMMABLE: ParamKind = ParamKind::Summable;
const INTEGER: ParamKind = ParamKind::Integer;
const NUMBER: ParamKind = ParamKind::Number;
const CONDITION: ParamKind = ParamKind::Is(Type::Bool);
const DYNAMIC: ParamKind = ParamKind::Exactly(Type::Dynamic);

const LONG: AggregateReturns = AggregateReturns::Type(Type::Long);
const REAL: AggregateReturns = AggregateReturns::Type(Type::Real);
const ANY: AggregateReturns = AggregateReturns::Type(Type::Dynamic);

impl Aggregate {
    /// Returns an entry that takes exactly these arguments.
    const fn new(
        name: &'static str,
        kind: AggregateKind,
        params: &'static [ParamKind],
        returns: AggregateReturns,
        naming: Naming,
    ) -> Self {
        Self {
            name,
            aliases: &[],
            kind,
            params,
            args_min: params.len(),
            is_variadic: false,
            condition: None,
            constants_from: None,
            returns,
            naming,
            doc: "",
            source: "",
        }
    }

    const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    const fn at_least(mut self, count: usize) -> Self {
        self.args_min = count;
        self
    }

    const fn variadic(mut self) -> Self {
        self.is_variadic = true;
        self
    }

    const fn condition(mut self, position: usize) -> Self {
        self.condition = Some(position);
        self
    }

    const fn constants_from(mut self, position: usize) -> Self {
        self.constants_from = Some(position);
        self
    }

    const fn doc(mut self, doc: &'static str, source: &'static str) -> Self {
        self.doc = doc;
        self.source = source;
        self
    }

    /// Returns the kind of the parameter at a position, or `None` past the last.
    pub fn param(&self, index: usize) -> Option<ParamKind> {
        match self.params.get(index) {
            None if self.is_variadic => self.params.last().copied(),
            found => found.copied(),
        }
    }

    /// Says whether it takes this many arguments, the condition included.
    pub fn takes(&self, count: usize) -> bool {
        count >= self.args_min && (self.is_variadic || count <= self.params.len())
    }
}

/// Returns the aggregate with this name or alias, or `None`.
pub fn by_name(name: &str) -> Option<&'static Aggregate> {
    ALL.iter().find(|entry| entry.name == name || entry.aliases.contains(&name))
}

/// Writes an aggregate as its name.
pub(crate) mod by_name_serde {
    use super::{Aggregate, by_name};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the name.
    pub fn serialize<S: Serializer>(aggregate: &&'static Aggregate, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(aggregate.name)
    }

    /// Looks the name up.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static Aggregate, D::Error> {
        let name = String::deserialize(deserializer)?;
        by_name(&name).ok_or_else(|| D::Error::custom(format!("no aggregate is called `{name}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        let mut names: Vec<&str> = ALL.iter().flat_map(|entry| [&[entry.name], entry.aliases].concat()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(names.iter().all(|name| by_name(name).is_some()));
    }

    #[test]
    fn positions_name_parameters() {
        for entry in ALL {
            let params = entry.params.len();
            assert!(entry.args_min <= params && !entry.doc.is_empty() && entry.source.ends_with(".md"), "{entry:?}");
            if let Some(position) = entry.condition {
                assert_eq!(entry.param(position), Some(CONDITION), "{entry:?}");
            }
            assert!(entry.constants_from.is_none_or(|position| position < params), "{entry:?}");
        }
    }
}
