//! Calls of aggregates: arguments over the rows of a group, results as columns of the group.

use crate::convert::accept;
use crate::lowerer::Lowerer;
use crate::suggest;
use dtq_ir::aggregate::{Aggregate, AggregateReturns};
use dtq_ir::expr::ExprKind;
use dtq_ir::function::Naming;
use dtq_ir::rel::AggregateCall;
use dtq_ir::{ExprId, function::ParamKind};
use dtq_record::stream::Column;
use dtq_source::{Code, Diagnostic, Span};
use dtq_syntax::ast;
use dtq_value::{Type, Value};
use std::rc::Rc;

/// Holds what is collected while the outer part of an expression of `summarize` is lowered.
#[derive(Debug)]
pub(crate) struct Aggregation {
    /// The columns of the rows that are grouped.
    pub input: Rc<[Column]>,
    /// The id of the row that arguments of aggregates see.
    pub input_id: u32,
    /// Positions of input columns that are keys: `*` leaves them out.
    pub keys: Vec<u32>,
    /// How many columns stand before those of the calls.
    pub base: u32,
    /// The calls so far.
    pub calls: Vec<AggregateCall>,
}

impl Aggregation {
    fn next_column(&self) -> u32 {
        self.base + self.calls.iter().map(|call| call.outputs.len() as u32).sum::<u32>()
    }
}

/// Holds an output of an aggregate.
pub(crate) struct AggregateOutput {
    /// Its generated name.
    pub name: String,
    /// Its column.
    pub expr: ExprId,
    /// The input column it stands for, when it is that column of some row.
    pub source: Option<u32>,
}

impl<'a> Lowerer<'a> {
    /// Lowers an aggregate inside an expression: its first output.
    pub fn aggregate_value(
        &mut self,
        aggregate: &'static Aggregate,
        name: &'a ast::Name,
        args: &'a [ast::Arg],
        span: Span,
    ) -> Option<ExprId> {
        let outputs = self.aggregate_outputs(aggregate, name, args, span)?;
        outputs.first().map(|output| output.expr)
    }

    /// Lowers an aggregate to all its outputs.
    pub fn aggregate_outputs(
        &mut self,
        aggregate: &'static Aggregate,
        name: &'a ast::Name,
        args: &'a [ast::Arg],
        span: Span,
    ) -> Option<Vec<AggregateOutput>> {
        let (input, input_id) = {
            let aggregation = self.row()?.aggregation.as_ref()?;
            (aggregation.input.clone(), aggregation.input_id)
        };
        let mut scope = self.scope(input.clone());
        scope.id = input_id;
        self.rows.push(scope);
        let lowered = self.aggregate_args(aggregate, name, args, span);
        self.rows.pop();
        let (values, condition) = lowered?;
        let ids: Vec<ExprId> = values.iter().map(|value| value.id).collect();
        let types = self.output_types(aggregate, &ids);
        let names = self.output_names(aggregate, &values, args, types.len());
        let sources: Vec<Option<u32>> = ids.iter().map(|id| self.column_index(*id)).collect();
        let is_each = aggregate.returns == AggregateReturns::EachArgument;
        let call = AggregateCall { aggregate, args: ids, condition, outputs: types.clone() };
        let aggregation = self.rows.last_mut()?.aggregation.as_mut()?;
        let first = aggregation.next_column();
        aggregation.calls.push(call);
        let mut outputs = Vec::new();
        for (index, (ty, name)) in types.iter().zip(names).enumerate() {
            let expr = self.add(ExprKind::Column(first + index as u32), *ty, span)?;
            let source = if is_each { sources[index] } else { None };
            outputs.push(AggregateOutput { name, expr, source });
        }
        Some(outputs)
    }

    /// Returns the input column that an expression is.
    pub fn column_index(&self, id: ExprId) -> Option<u32> {
        match self.program.expr(id).kind {
            ExprKind::Column(index) => Some(index),
            _ => None,
        }
    }

    /// Lowers the arguments over the input row: values, and the condition apart.
    fn aggregate_args(
        &mut self,
        aggregate: &'static Aggregate,
        name: &'a ast::Name,
        args: &'a [ast::Arg],
        span: Span,
    ) -> Option<(Vec<Given<'a>>, Option<ExprId>)> {
        let mut lowered: Vec<Option<Given<'a>>> = Vec::new();
        for arg in args {
            if matches!(arg.value.kind, ast::ExprKind::Star) {
                lowered.extend(self.star_values(aggregate, arg, args)?.into_iter().map(Some));
                continue;
            }
            let id = self.scalar(&arg.value);
            lowered.push(id.map(|id| Given { id, arg: Some(arg), name: None }));
        }
        let mut values = lowered.into_iter().collect::<Option<Vec<Given<'a>>>>()?;
        if !aggregate.takes(values.len()) {
            let wanted = if aggregate.is_variadic { "at least " } else { "" };
            let most = if aggregate.args_min == aggregate.params.len() || aggregate.is_variadic {
                String::new()
            } else {
                format!(" to {}", aggregate.params.len())
            };
            let message =
                format!("`{}` takes {wanted}{}{most} arguments, not {}", name.text, aggregate.args_min, values.len());
            return self.fail(Code::E2005, span, message);
        }
        for (index, value) in values.iter_mut().enumerate() {
            let kind = aggregate.param(index).expect("the count fits");
            value.id = self.aggregate_arg(aggregate, name, kind, value, index)?;
        }
        let condition = aggregate.condition.filter(|position| *position < values.len()).map(|at| values.remove(at).id);
        Some((values, condition))
    }

    fn aggregate_arg(
        &mut self,
        aggregate: &'static Aggregate,
        name: &ast::Name,
        kind: ParamKind,
        value: &Given<'a>,
        index: usize,
    ) -> Option<ExprId> {
        let ty = self.ty(value.id);
        let Some(arg) = value.arg else { return Some(value.id) };
        let expr = &arg.value;
        let Some((target, _)) = accept(kind, ty, false) else {
            let code = if ty == Type::Dynamic { Code::E2009 } else { Code::E2005 };
            let wanted = match kind {
                ParamKind::Is(ty) | ParamKind::Exactly(ty) => format!("{ty:#}"),
                ParamKind::Orderable => "a value that has an order".to_owned(),
                ParamKind::NotDynamic => "a value that is not dynamic".to_owned(),
                _ => "a number".to_owned(),
            };
            let message = format!("{} is {ty:#}, but `{}` takes {wanted}", suggest::quoted(expr), name.text);
            let to = match kind {
                ParamKind::Is(to) | ParamKind::Exactly(to) => to,
                ParamKind::Orderable | ParamKind::NotDynamic => Type::String,
                ParamKind::Integer => Type::Long,
                _ => Type::Real,
            };
            self.report(suggest::cast(Diagnostic::error(code, expr.span, message), expr, to));
            return None;
        };
        let id = self.convert(value.id, target)?;
        let must_be_constant =
            aggregate.constants_from.is_some_and(|from| index >= from) && aggregate.condition != Some(index);
        if must_be_constant {
            let Some(found) = self.constant_value(id) else {
                return self.fail(Code::E2010, expr.span, format!("`{}` needs a constant here", name.text));
            };
            return self.constant(found, target, expr.span);
        }
        Some(id)
    }

    /// Returns the columns that `*` stands for: neither keys nor other arguments.
    fn star_values(
        &mut self,
        aggregate: &'static Aggregate,
        star: &'a ast::Arg,
        args: &'a [ast::Arg],
    ) -> Option<Vec<Given<'a>>> {
        if aggregate.returns != AggregateReturns::EachArgument {
            return self.fail(Code::E2005, star.value.span, format!("`{}` takes no `*`", aggregate.name));
        }
        let columns = self.row()?.columns.clone();
        let keys = {
            let outer = self.rows.len().checked_sub(2).map(|index| &self.rows[index]);
            outer.and_then(|row| row.aggregation.as_ref()).map(|found| found.keys.clone()).unwrap_or_default()
        };
        let mut values = Vec::new();
        for (index, column) in columns.iter().enumerate() {
            let is_arg =
                args.iter().any(|arg| matches!(&arg.value.kind, ast::ExprKind::Name(name) if name.text == column.name));
            if is_arg || keys.contains(&(index as u32)) || crate::row::is_outer(column) {
                continue;
            }
            let id = self.column(&columns, index, star.value.span)?;
            values.push(Given { id, arg: None, name: Some(column.name.clone()) });
        }
        Some(values)
    }

    fn output_types(&self, aggregate: &Aggregate, ids: &[ExprId]) -> Vec<Type> {
        let first = ids.first().map_or(Type::Dynamic, |id| self.ty(*id));
        let widened = if first == Type::Int { Type::Long } else { first };
        match aggregate.returns {
            AggregateReturns::Type(ty) => vec![ty],
            AggregateReturns::First => vec![first],
            AggregateReturns::Summed => vec![widened],
            AggregateReturns::Averaged if first.is_integer() => vec![Type::Real],
            AggregateReturns::Averaged => vec![first],
            AggregateReturns::EachArgument => ids.iter().map(|id| self.ty(*id)).collect(),
            AggregateReturns::EachPercentile => {
                let ty = if first == Type::Decimal { Type::Real } else { widened };
                let leading = if aggregate.name.starts_with("percentilew") || aggregate.name.starts_with("percentilesw")
                {
                    2
                } else {
                    1
                };
                vec![ty; ids.len().saturating_sub(leading)]
            }
        }
    }

    /// Names the outputs: see [`AggregateReturns`].
    fn output_names(
        &mut self,
        aggregate: &Aggregate,
        values: &[Given<'a>],
        args: &'a [ast::Arg],
        count: usize,
    ) -> Vec<String> {
        let value_name = |this: &mut Self, value: &Given<'a>| match (&value.name, value.arg) {
            (Some(name), _) => Some(name.clone()),
            (None, Some(arg)) => match &arg.name {
                Some(name) => Some(name.text.clone()),
                None => this.result_name(&arg.value),
            },
            (None, None) => None,
        };
        let first_name = values.first().and_then(|value| value_name(self, value));
        match aggregate.returns {
            AggregateReturns::EachArgument => {
                let mut names = Vec::new();
                for (index, value) in values.iter().enumerate() {
                    let own = value_name(self, value);
                    names.push(each_name(aggregate, index, own, first_name.as_deref()));
                }
                names
            }
            AggregateReturns::EachPercentile => {
                let prefix = if let Naming::Prefixed(prefix) = aggregate.naming { prefix } else { aggregate.name };
                let percentiles = &values[values.len() - count..];
                let base = first_name.unwrap_or_default();
                let texts = percentiles.iter().map(|value| self.percentile_text(value.id)).collect::<Vec<_>>();
                texts.into_iter().map(|text| format!("{prefix}_{base}_{text}")).collect()
            }
            _ => vec![self.named_by(aggregate.naming, args).unwrap_or_else(|| format!("{}_", aggregate.name))],
        }
    }

    fn percentile_text(&self, id: ExprId) -> String {
        let value = self.constant_value(id).unwrap_or(Value::Null);
        let text = dtq_value::scalar::convert::text_of(&value, self.ty(id)).into_owned();
        let text = String::from_utf8_lossy(&text).into_owned();
        let text = text.strip_suffix(".0").unwrap_or(&text).to_owned();
        text.chars().map(|next| if next.is_ascii_alphanumeric() { next } else { '_' }).collect()
    }
}

/// Holds a lowered argument and where its name comes from.
struct Given<'a> {
    id: ExprId,
    arg: Option<&'a ast::Arg>,
    name: Option<String>,
}

/// Names an output of `arg_max`, `take_any` and their relatives.
fn each_name(aggregate: &Aggregate, index: usize, own: Option<String>, first: Option<&str>) -> String {
    let is_any = aggregate.kind == dtq_ir::aggregate::AggregateKind::TakeAny;
    let prefix = match aggregate.kind {
        dtq_ir::aggregate::AggregateKind::ArgMin => "min",
        dtq_ir::aggregate::AggregateKind::ArgMax => "max",
        _ => "any",
    };
    if let Naming::Prefixed(prefix) = aggregate.naming {
        let own = own.unwrap_or_else(|| if index == 0 { String::new() } else { format!("arg{index}") });
        return match (is_any, index, first) {
            (false, 1.., Some(first)) => format!("{prefix}_{first}_{own}"),
            _ => format!("{prefix}_{own}"),
        };
    }
    match own {
        Some(own) => own,
        None if is_any => format!("any_arg{index}"),
        None if index == 0 => format!("{prefix}_"),
        None => format!("{prefix}_{}_arg{index}", first.unwrap_or_default()),
    }
}
