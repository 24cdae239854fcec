//! Aggregate functions: many rows in, one value (or several) out.
//!
//! An [`AggregateSpec`] knows how to feed a row to an [`Accumulator`]; there is one accumulator a group. Constant
//! arguments (a size, a percentile) are evaluated once. Nulls are passed on: each accumulator skips them itself, since a
//! few do not. Read in order: [`numbers`], [`choice`], [`collections`], [`distinct`], [`percentile`], [`schema`].

mod numbers;

mod choice;

mod collections;

mod distinct;

mod percentile;

mod schema;

use crate::env::Env;
use dtq_ir::ExprId;
use dtq_ir::aggregate::AggregateKind;
use dtq_ir::rel::AggregateCall;
use dtq_record::stream::Row;
use dtq_source::Code;
use dtq_value::scalar::Fault;
use dtq_value::{Type, Value};
use smallvec::SmallVec;

/// Takes in the values of one group.
pub(crate) trait Accumulator: Send {
    /// Takes the arguments for one row; returns about how many bytes more it holds.
    fn add(&mut self, args: &[Value]) -> usize;

    /// Takes in what the same aggregate gave over rows that are not to be had; says whether it can.
    fn absorb(&mut self, _result: &Value) -> bool {
        false
    }

    /// Appends the results, after which the accumulator is of no use.
    fn finish(&mut self, outputs: &mut Vec<Value>);
}

/// Holds a call of an aggregate, prepared.
pub(crate) struct AggregateSpec<'a> {
    kind: AggregateKind,
    args: &'a [ExprId],
    condition: Option<ExprId>,
    /// The values of the constant arguments that follow those in `args`.
    constants: Vec<Value>,
    /// The types of `args`.
    arg_types: Vec<Type>,
}

impl<'a> AggregateSpec<'a> {
    /// Returns the prepared call.
    ///
    /// # Errors
    /// [`Code::E2900`] for an aggregate that has no accumulator.
    pub(crate) fn new(env: &mut Env<'a>, call: &'a AggregateCall) -> Result<Self, Fault> {
        let kind = call.aggregate.kind;
        if !has_accumulator(kind) {
            let message = format!("the aggregate `{}` is not supported yet", call.aggregate.name);
            return Err(Fault::new(Code::E2900, message));
        }
        let (args, constants) = call.args.split_at(row_arg_count(kind).min(call.args.len()));
        let constants = env.eval_all(constants, &[])?;
        let arg_types = args.iter().map(|arg| env.program().expr(*arg).ty).collect();
        Ok(Self { kind, args, condition: call.condition, constants, arg_types })
    }

    /// Returns a fresh accumulator.
    pub(crate) fn accumulator(&self) -> Box<dyn Accumulator> {
        let ty = self.arg_types.first().copied().unwrap_or(Type::Long);
        let is_max = matches!(self.kind, AggregateKind::Max | AggregateKind::ArgMax);
        let percentiles = || percentile::Percents::new(&self.constants, ty);
        match self.kind {
            AggregateKind::Count => Box::new(numbers::Count::default()),
            AggregateKind::CountDistinct => Box::new(distinct::CountDistinct::default()),
            AggregateKind::DCount => Box::new(distinct::DCount::new(self.constants.first())),
            AggregateKind::Sum => numbers::sum(ty),
            AggregateKind::Avg => numbers::average(ty),
            AggregateKind::Min | AggregateKind::Max => Box::new(choice::Extreme::new(is_max, ty)),
            AggregateKind::ArgMin | AggregateKind::ArgMax => {
                Box::new(choice::ArgExtreme::new(is_max, self.arg_types.clone()))
            }
            AggregateKind::TakeAny => Box::new(choice::TakeAny::new(self.arg_types.clone())),
            AggregateKind::MakeList => Box::new(collections::MakeList::new(self.constants.first(), false)),
            AggregateKind::MakeListWithNulls => Box::new(collections::MakeList::new(self.constants.first(), true)),
            AggregateKind::MakeSet => Box::new(collections::MakeSet::new(self.constants.first())),
            AggregateKind::MakeBag => Box::new(collections::MakeBag::new(self.constants.first())),
            AggregateKind::Percentile | AggregateKind::Percentiles => {
                Box::new(percentile::Percentiles::new(percentiles(), false))
            }
            AggregateKind::PercentilesArray => Box::new(percentile::Percentiles::new(percentiles(), true)),
            AggregateKind::PercentileWeighted | AggregateKind::PercentilesWeighted => {
                Box::new(percentile::PercentilesWeighted::new(percentiles(), false))
            }
            AggregateKind::PercentilesWeightedArray => {
                Box::new(percentile::PercentilesWeighted::new(percentiles(), true))
            }
            AggregateKind::Stdev => Box::new(numbers::Spread::new(true, true)),
            AggregateKind::StdevP => Box::new(numbers::Spread::new(false, true)),
            AggregateKind::Variance => Box::new(numbers::Spread::new(true, false)),
            AggregateKind::VarianceP => Box::new(numbers::Spread::new(false, false)),
            AggregateKind::Covariance => Box::new(numbers::Covariance::new(true)),
            AggregateKind::CovarianceP => Box::new(numbers::Covariance::new(false)),
            AggregateKind::BinaryAllAnd => Box::new(numbers::Bits::new(ty, |a, b| a & b)),
            AggregateKind::BinaryAllOr => Box::new(numbers::Bits::new(ty, |a, b| a | b)),
            AggregateKind::BinaryAllXor => Box::new(numbers::Bits::new(ty, |a, b| a ^ b)),
            AggregateKind::BuildSchema => Box::new(schema::BuildSchema::default()),
            AggregateKind::Hll | AggregateKind::HllMerge | AggregateKind::TDigest | AggregateKind::TDigestMerge => {
                unreachable!("AggregateSpec::new refuses these")
            }
        }
    }

    /// Feeds a row to an accumulator unless the condition leaves it out; returns the bytes by which it grew.
    pub(crate) fn add(&self, env: &mut Env<'a>, row: &Row, accumulator: &mut dyn Accumulator) -> Result<usize, Fault> {
        if let Some(condition) = self.condition
            && !env.holds(condition, row)?
        {
            return Ok(0);
        }
        let mut args: SmallVec<[Value; 4]> = SmallVec::with_capacity(self.args.len());
        for arg in self.args {
            args.push(env.eval(*arg, row)?);
        }
        Ok(accumulator.add(&args))
    }
}

/// Returns how many leading arguments are evaluated for each row; those after them are constants.
fn row_arg_count(kind: AggregateKind) -> usize {
    match kind {
        AggregateKind::DCount
        | AggregateKind::MakeList
        | AggregateKind::MakeListWithNulls
        | AggregateKind::MakeSet
        | AggregateKind::MakeBag
        | AggregateKind::Percentile
        | AggregateKind::Percentiles
        | AggregateKind::PercentilesArray => 1,
        AggregateKind::PercentileWeighted
        | AggregateKind::PercentilesWeighted
        | AggregateKind::PercentilesWeightedArray => 2,
        _ => usize::MAX,
    }
}

fn has_accumulator(kind: AggregateKind) -> bool {
    !matches!(kind, AggregateKind::Hll | AggregateKind::HllMerge | AggregateKind::TDigest | AggregateKind::TDigestMerge)
}
