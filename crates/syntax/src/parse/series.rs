//! Operators with clauses of their own: `make-series`, `top-nested`, `top-hitters`, `scan`, `reduce`, `facet`,
//! `partition`.

use super::expr::need_expr;
use super::input::{NameUse, Res, Tokens, expected, need, need_name, need_word};
use super::parts::{self, assignment, clause, exprs, keyword};
use super::pipeline::sub_pipeline;
use super::primary;
use super::recover;
use super::tables::{checked_properties, some_properties};
use crate::ast::{Arg, Assignment, Expr, ExprKind, MakeSeries, OperatorKind, Scan, ScanStep, SubPipeline, TopNested};
use crate::token::TokenKind;

/// Parses `make-series a = f(x) default = 0 on t from a to b step c by k`.
pub fn make_series(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, properties) = some_properties(i, &[("kind", &["nonempty"])])?;
    let missing = |span| (parts::missing_assignment(span), None);
    let (rest, aggregates) = recover::list(rest, "an aggregate", &["on", "default"], series_aggregate, missing)?;
    let (rest, _) = need_word("on")(rest)?;
    let (rest, on) = assignment(rest)?;
    let (rest, (from, to, step)) = axis(rest)?;
    let (rest, by) = match keyword(rest, "by") {
        Some(rest) => parts::assignments(rest, &[])?,
        None => (rest, Vec::new()),
    };
    let kind = MakeSeries { properties, aggregates, on, from, to, step, by };
    Ok((rest, OperatorKind::MakeSeries(kind)))
}

/// Parses an aggregate and its `default = x`.
fn series_aggregate(i: Tokens<'_>) -> Res<'_, (Assignment, Option<Expr>)> {
    let (rest, aggregate) = assignment(i)?;
    if !rest.is_word("default") {
        return Ok((rest, (aggregate, None)));
    }
    let (rest, _) = need(TokenKind::Assign, "`=` and the default")(rest.skip(1))?;
    let (rest, default) = need_expr(rest)?;
    Ok((rest, (aggregate, Some(default))))
}

/// First value, end and step of an axis.
type Axis = (Option<Expr>, Option<Expr>, Expr);

/// Parses `from a to b step c`, or the older `in range(a, b, c)`.
fn axis(i: Tokens<'_>) -> Res<'_, Axis> {
    if i.is_word("in") && i.is_word_at(1, "range") {
        let (rest, args) = primary::arguments(i.skip(2), "range")?;
        let mut values = args.into_iter().map(|Arg { value, .. }| value);
        let (from, to) = (values.next(), values.next());
        let Some(step) = values.next() else { return expected(rest, "`range(from, to, step)`") };
        return Ok((rest, (from, to, step)));
    }
    let (rest, from) = clause(i, "from")?;
    let (rest, to) = clause(rest, "to")?;
    let (rest, _) = need_word("step")(rest)?;
    let (rest, step) = need_expr(rest)?;
    Ok((rest, (from, to, step)))
}

/// Parses `top-nested 3 of a with others = "x" by sum(b), ...`.
pub fn top_nested(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let missing = |span| TopNested {
        count: None,
        of: parts::missing_assignment(span),
        others: None,
        by: parts::missing_assignment(span),
        is_ascending: None,
    };
    let (rest, levels) = recover::list(i, "a level", &[], nested_level, missing)?;
    Ok((rest, OperatorKind::TopNested(levels)))
}

fn nested_level(i: Tokens<'_>) -> Res<'_, TopNested> {
    let i = keyword(i, "top-nested").unwrap_or(i);
    let (rest, count) = if i.is_word("of") { (i, None) } else { parts::maybe_expr(i)? };
    let (rest, _) = need_word("of")(rest)?;
    let (rest, of) = assignment(rest)?;
    let (rest, others) = match keyword(rest, "with") {
        Some(rest) => {
            let (rest, _) = need_word("others")(rest)?;
            let (rest, _) = need(TokenKind::Assign, "`=` and a value")(rest)?;
            let (rest, value) = need_expr(rest)?;
            (rest, Some(value))
        }
        None => (rest, None),
    };
    let (rest, _) = need_word("by")(rest)?;
    let (rest, by) = assignment(rest)?;
    let (rest, is_ascending) = parts::direction(rest)?;
    Ok((rest, TopNested { count, of, others, by, is_ascending }))
}

/// Parses `top-hitters 5 of a by b`.
pub fn top_hitters(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, count) = need_expr(i)?;
    let (rest, _) = need_word("of")(rest)?;
    let (rest, of) = need_expr(rest)?;
    let (rest, by) = clause(rest, "by")?;
    Ok((rest, OperatorKind::TopHitters { count, of, by }))
}

/// Parses `reduce by x with threshold=0.1, characters="x"`.
pub fn reduce(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, properties) = checked_properties(i, &[("kind", &["source"])])?;
    let (rest, _) = need_word("by")(rest)?;
    let (mut rest, by) = need_expr(rest)?;
    let mut with = Vec::new();
    if let Some(after) = keyword(rest, "with") {
        rest = after;
        loop {
            let (after, mut some) = checked_properties(rest, &[("threshold", &[]), ("characters", &[])])?;
            if some.is_empty() {
                return expected(rest, "`threshold=` or `characters=`");
            }
            with.append(&mut some);
            rest = after;
            if !rest.is(TokenKind::Comma) {
                break;
            }
            rest = rest.skip(1);
        }
    }
    Ok((rest, OperatorKind::Reduce { properties, by, with }))
}

/// Parses `facet by a, b with (operators)`.
pub fn facet(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, _) = need_word("by")(i)?;
    let (rest, by) = exprs(rest, &["with"])?;
    let Some(rest) = keyword(rest, "with") else {
        return Ok((rest, OperatorKind::Facet { by, with: None }));
    };
    let (rest, body) = sub_pipeline(rest)?;
    Ok((rest, OperatorKind::Facet { by, with: Some(body) }))
}

/// Parses `partition by x (operators)`.
pub fn partition(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, properties) = parts::properties(i, &[], true)?;
    let (rest, _) = need_word("by")(rest)?;
    let (rest, by) = partition_key(rest)?;
    let (rest, body): (_, SubPipeline) = sub_pipeline(rest)?;
    Ok((rest, OperatorKind::Partition { properties, by, body }))
}

/// Parses the key of `partition`, a name or path: a parenthesis after it begins the operators, not a call.
fn partition_key(i: Tokens<'_>) -> Res<'_, Expr> {
    parts::column_pattern(i)
}

/// Parses `scan with_match_id=m order by a partition by b declare (x:long) with (steps)`.
pub fn scan(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, properties) = checked_properties(i, &[("with_match_id", &[]), ("with_step_name", &[]), ("kind", &[])])?;
    let (rest, order_by) = match keyword(rest, "order") {
        Some(rest) => {
            let (rest, _) = need_word("by")(rest)?;
            let stops = &["partition", "declare", "with"];
            recover::list(rest, "a column", stops, parts::sort_key, parts::missing_sort_key)?
        }
        None => (rest, Vec::new()),
    };
    let (rest, partition_by) = match keyword(rest, "partition") {
        Some(rest) => {
            let (rest, _) = need_word("by")(rest)?;
            exprs(rest, &["declare", "with"])?
        }
        None => (rest, Vec::new()),
    };
    let (rest, declare) = match keyword(rest, "declare") {
        Some(rest) => parts::params(rest)?,
        None => (rest, Vec::new()),
    };
    let (open, _) = need_word("with")(rest)?;
    let (rest, steps) = scan_steps(open)?;
    Ok((rest, OperatorKind::Scan(Scan { properties, declare, order_by, partition_by, steps })))
}

/// Parses `(step ...; step ...;)`.
fn scan_steps(open: Tokens<'_>) -> Res<'_, Vec<ScanStep>> {
    if !open.is(TokenKind::ParenOpen) {
        return expected(open, "`(` and steps");
    }
    let mut steps = Vec::new();
    let mut rest = open.skip(1);
    while rest.is_word("step") {
        let step;
        (rest, step) = scan_step(rest.skip(1))?;
        steps.push(step);
        if !rest.is(TokenKind::Semicolon) {
            break;
        }
        rest = rest.skip(1);
    }
    if steps.is_empty() {
        return expected(rest, "`step name: condition;`");
    }
    let (rest, ()) = primary::close(open, rest)?;
    Ok((rest, steps))
}

fn scan_step(i: Tokens<'_>) -> Res<'_, ScanStep> {
    let (rest, name) = need_name(NameUse::Define, "the name of the step")(i)?;
    let (rest, is_optional) = if rest.is_word("optional") { (rest.skip(1), true) } else { (rest, false) };
    let (rest, properties) = checked_properties(rest, &[("output", &["all", "last", "none"])])?;
    let output = properties.into_iter().find_map(|property| match property.value.kind {
        ExprKind::Name(name) => Some(name),
        _ => None,
    });
    let (rest, _) = need(TokenKind::Colon, "`:` and the condition")(rest)?;
    let was_allowed = rest.shared.is_arrow_allowed.replace(true);
    let condition = need_expr(rest);
    rest.shared.is_arrow_allowed.set(was_allowed);
    let (rest, condition) = condition?;
    let (rest, assignments) =
        if rest.is(TokenKind::Arrow) { parts::assignments(rest.skip(1), &[])? } else { (rest, Vec::new()) };
    Ok((rest, ScanStep { name, is_optional, output, condition, assignments }))
}
