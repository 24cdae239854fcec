//! The shape of the table of aggregate functions. Entries: [`ALL`]; accumulators live in `dtq-exec`.

use crate::function::{Naming, ParamKind, Returns};

/// Holds what is known of an aggregate function.
#[derive(Debug)]
pub struct Aggregate {
    /// Its name.
    pub name: &'static str,
    /// Other names with the same meaning.
    pub aliases: &'static [&'static str],
    /// Which accumulator runs it.
    pub kind: AggregateKind,
    /// What its arguments are, in order; when `is_variadic`, the last one repeats.
    pub params: &'static [ParamKind],
    /// How many arguments there must be at least.
    pub args_min: usize,
    /// Whether the last parameter repeats.
    pub is_variadic: bool,
    /// The type of the result. `arg_max` and its relatives return one column an argument instead.
    pub returns: Returns,
    /// How its column is named.
    pub naming: Naming,
    /// One sentence, third person.
    pub doc: &'static str,
    /// Where the meaning comes from.
    pub source: &'static str,
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
    TakeAnyAll,
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

/// Every aggregate function.
pub static ALL: &[Aggregate] = &[];

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
