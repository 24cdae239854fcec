//! Which relation node is run by which operator.

use crate::body::{ApplyBody, Partition};
use crate::env::Env;
use crate::expand::MvExpand;
use crate::feed::Fed;
use crate::group::{Distinct, Group};
use crate::join::Join;
use crate::leaves::{Given, Materialized, Range, Scan, Values};
use crate::parse::ParseText;
use crate::parse_kv::ParsePairs;
use crate::reshape::{BagUnpack, Pivot};
use crate::rows::{Filter, Project, Take, Union};
use crate::scan_steps;
use crate::series::Series;
use crate::sort::{Sample, Sort, Top};
use crate::top_nested::TopNested;
use crate::window::build_windows;
use dtq_ir::rel::{Rel, RelId, RelKind};
use dtq_record::stream::{Column, Row};
use dtq_value::scalar::Fault;
use dtq_value::{Type, Value};
use std::rc::Rc;

/// Gives the rows of a relation batch by batch.
pub(crate) trait Operator<'a> {
    /// Returns some rows (possibly none yet), or `None` after the last.
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault>;
}

/// An operator of any kind.
pub(crate) type BoxedOperator<'a> = Box<dyn Operator<'a> + 'a>;

/// Says how many rows of a relation will be asked for, as far as that is known beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// All of them.
    All,
    /// At most this many.
    AtMost(u64),
    /// Perhaps not all.
    Some,
}

impl Demand {
    /// Returns the demand on the input of an operator that drops rows.
    fn before_filter(self) -> Self {
        if self == Demand::All { Demand::All } else { Demand::Some }
    }

    /// Returns the demand on the input of `take count`.
    fn before_take(self, count: u64) -> Self {
        match self {
            Demand::AtMost(other) => Demand::AtMost(count.min(other)),
            Demand::All | Demand::Some => Demand::AtMost(count),
        }
    }
}

/// Returns the operator of a relation; `given` are the rows of the enclosing operator, when there is one.
///
/// Recursive along inputs, whose number in a row is bounded by [`crate::plan::RELATION_DEPTH_MAX`]; so that this many fit
/// the stack, the large match stands in functions of its own.
pub(crate) fn build<'a>(
    id: RelId,
    env: &mut Env<'a>,
    given: Option<&Rc<Vec<Row>>>,
    demand: Demand,
) -> Result<BoxedOperator<'a>, Fault> {
    if let Some((leaf, queue)) = &env.fed
        && *leaf == id
    {
        return Ok(Box::new(Fed(Rc::clone(queue))));
    }
    let mut inputs = Vec::new();
    for (input, demand) in inputs_of(id, env, demand)? {
        inputs.push(build(input, env, given, demand)?);
    }
    build_over(id, inputs, env, given, demand)
}

/// Returns the relations whose operators a relation pulls from, with the demand on each; a body is none of them.
fn inputs_of(id: RelId, env: &mut Env<'_>, demand: Demand) -> Result<Vec<(RelId, Demand)>, Fault> {
    let kind = &env.rel(id).kind;
    let demand = match kind {
        RelKind::Take { count, .. } => demand.before_take(env.eval_count(*count)?),
        RelKind::Project { .. } | RelKind::Union { .. } | RelKind::Materialize { .. } => demand,
        RelKind::Filter { .. }
        | RelKind::Distinct { .. }
        | RelKind::MvExpand { .. }
        | RelKind::MvApply { .. }
        | RelKind::Parse(_)
        | RelKind::ParseKv(_)
        | RelKind::Window { .. }
        | RelKind::BagUnpack { .. } => demand.before_filter(),
        _ => Demand::All,
    };
    let mut inputs = kind.inputs();
    match kind {
        RelKind::MvApply { .. } | RelKind::Partition { .. } => inputs.truncate(1),
        RelKind::Materialize { .. } if is_shared(id, env) => inputs.clear(),
        _ => {}
    }
    Ok(inputs.into_iter().map(|input| (input, demand)).collect())
}

/// Says whether the rows of a `materialize` have to be kept: several read them, and they are the same for all.
fn is_shared(id: RelId, env: &Env<'_>) -> bool {
    env.plan.readers[id.0 as usize] > 1 && !env.plan.is_bound[id.0 as usize]
}

/// Returns the operator of a relation over the operators of its inputs.
fn build_over<'a>(
    id: RelId,
    mut inputs: Vec<BoxedOperator<'a>>,
    env: &mut Env<'a>,
    given: Option<&Rc<Vec<Row>>>,
    demand: Demand,
) -> Result<BoxedOperator<'a>, Fault> {
    let rel = env.rel(id);
    if let RelKind::Union { .. } = &rel.kind {
        return Ok(Box::new(Union::new(inputs)));
    }
    if let RelKind::Join { left, right, kind, keys } = &rel.kind {
        let missing = (missing_row(&env.rel(*left).columns), missing_row(&env.rel(*right).columns));
        let (Some(right), Some(left)) = (inputs.pop(), inputs.pop()) else {
            unreachable!("inputs_of gives both inputs of a join");
        };
        let is_all_wanted = demand == Demand::All;
        return Ok(Box::new(Join::new(env, (left, right), missing, *kind, keys, is_all_wanted)));
    }
    match inputs.pop() {
        None => build_leaf(id, env, given, demand),
        Some(input) => build_over_one(id, input, env),
    }
}

/// Returns the operator of a relation that pulls from no other operator.
fn build_leaf<'a>(
    id: RelId,
    env: &mut Env<'a>,
    given: Option<&Rc<Vec<Row>>>,
    demand: Demand,
) -> Result<BoxedOperator<'a>, Fault> {
    Ok(match &env.rel(id).kind {
        RelKind::Scan { table } => Box::new(Scan::new(id, table)),
        RelKind::Input => Box::new(Given::new(given.cloned().unwrap_or_default())),
        RelKind::Values { rows } => Box::new(Values::new(rows)),
        RelKind::Range { from, to, step } => Box::new(Range::new(env, [*from, *to, *step], demand)?),
        RelKind::Materialize { input } => Box::new(Materialized::new(id, *input)),
        _ => unreachable!("inputs_of gives an input of every other relation"),
    })
}

/// Returns the operator of a relation that pulls from one operator.
fn build_over_one<'a>(id: RelId, input: BoxedOperator<'a>, env: &mut Env<'a>) -> Result<BoxedOperator<'a>, Fault> {
    let rel = env.rel(id);
    Ok(match &rel.kind {
        RelKind::Filter { predicate, .. } => Box::new(Filter { input, predicate: *predicate }),
        RelKind::Project { exprs, .. } => Box::new(Project::new(env, input, exprs)),
        RelKind::Take { count, .. } => Box::new(Take::new(input, env.eval_count(*count)?)),
        RelKind::Distinct { .. } => Box::new(Distinct::new(env, input)),
        RelKind::Aggregate { keys, aggregates, .. } => Box::new(Group::new(env, input, keys, aggregates)?),
        RelKind::Sort { keys, .. } => Box::new(Sort::new(env, input, keys)),
        RelKind::Top { count, keys, .. } => Box::new(Top::new(env, input, *count, keys)?),
        RelKind::MvExpand { .. } => Box::new(MvExpand::new(env, input, rel)?),
        RelKind::MvApply { body, .. } => Box::new(ApplyBody::new(input, *body)),
        RelKind::Partition { key, body, .. } => Box::new(Partition::new(env, input, *key, *body)),
        RelKind::Materialize { .. } => input,
        RelKind::Sample { count, .. } => Box::new(Sample::new(env, input, *count)?),
        RelKind::Parse(parse) => Box::new(ParseText::new(env, input, parse, types_of(rel))?),
        RelKind::ParseKv(parse) => Box::new(ParsePairs::new(env, input, parse, types_of(rel))?),
        RelKind::Window { calls, .. } => build_windows(env, input, calls)?,
        RelKind::MakeSeries(series) => Box::new(Series::new(env, input, series)?),
        RelKind::TopNested { levels, .. } => Box::new(TopNested::new(env, input, levels)?),
        RelKind::ScanSteps(scan) => Box::new(scan_steps::Scan::new(env, input, scan, &env.rel(scan.input).columns)?),
        RelKind::BagUnpack { bag, sources, .. } => Box::new(BagUnpack { input, bag: *bag as usize, sources }),
        RelKind::Pivot { keys, pivot, values, aggregate, .. } => {
            Box::new(Pivot::new(env, input, (keys, *pivot), values, aggregate)?)
        }
        RelKind::Scan { .. }
        | RelKind::Input
        | RelKind::Values { .. }
        | RelKind::Range { .. }
        | RelKind::Union { .. }
        | RelKind::Join { .. } => unreachable!("build_over handles these"),
    })
}

/// Returns the types of the columns of a relation.
fn types_of(rel: &Rel) -> Vec<Type> {
    rel.columns.iter().map(|column| column.ty).collect()
}

/// Returns a row of what is missing of each column.
pub(crate) fn missing_row(columns: &[Column]) -> Row {
    columns.iter().map(|column| Value::missing(column.ty)).collect()
}
