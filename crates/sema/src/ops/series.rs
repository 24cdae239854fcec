//! `make-series`.

use super::join::property;
use crate::lowerer::Lowerer;
use crate::suggest;
use dtq_ir::rel::{AggregateCall, MakeSeries};
use dtq_ir::{ExprId, RelId, RelKind, aggregate};
use dtq_record::stream::Column;
use dtq_source::{Code, Diagnostic, Span};
use dtq_syntax::ast;
use dtq_value::{Type, Value};

impl<'a> Lowerer<'a> {
    pub(super) fn lower_make_series(&mut self, input: RelId, series: &'a ast::MakeSeries, span: Span) -> Option<RelId> {
        let columns = self.columns(input);
        let keys = self.group_keys(&columns, &series.by);
        let axis = self.over(columns.clone(), |this| this.scalar(&series.on.value));
        let (mut projection, keys, sources) = keys?;
        let mut aggregates = Vec::new();
        for (item, default) in &series.aggregates {
            let (name, call) = self.one_aggregate(&columns, keys.len(), &sources, &item.value, item.names.first())?;
            let default = self.series_default(&call, default.as_ref(), item.span)?;
            let expr = self.placeholder(item.span)?;
            projection.append(name, Type::Dynamic, expr);
            aggregates.push((call, default));
        }
        let axis = axis?;
        let ty = self.ty(axis);
        let is_time = ty == Type::DateTime;
        if !(is_time || ty == Type::TimeSpan || ty.is_numeric()) {
            let message =
                format!("{} is {ty:#}: an axis is a datetime, timespan or number", suggest::quoted(&series.on.value));
            let code = if ty == Type::Dynamic { Code::E2009 } else { Code::E2004 };
            let diagnostic = Diagnostic::error(code, series.on.value.span, message);
            self.report(suggest::cast(diagnostic, &series.on.value, Type::DateTime));
            return None;
        }
        let from = self.series_bound(series.from.as_ref(), ty)?;
        let to = self.series_bound(series.to.as_ref(), ty)?;
        let step = self.constant_expr(&series.step, if is_time { Type::TimeSpan } else { ty }, "the step")?;
        let axis_name = match series.on.names.first() {
            Some(name) => name.text.clone(),
            None => self.result_name(&series.on.value).unwrap_or_else(|| self.default_name(false)),
        };
        let expr = self.placeholder(series.on.span)?;
        projection.append(axis_name, Type::Dynamic, expr);
        let (columns, _) = projection.finish();
        let is_nonempty = property(&series.properties, "kind").is_some_and(|(text, _)| text == "nonempty");
        let made = MakeSeries { input, keys, aggregates, axis, from, to, step, is_nonempty };
        self.add_rel(RelKind::MakeSeries(Box::new(made)), columns, false, span)
    }

    fn series_bound(&mut self, bound: Option<&'a ast::Expr>, ty: Type) -> Option<Option<ExprId>> {
        match bound {
            None => Some(None),
            Some(expr) => self.constant_expr(expr, ty, "the bound").map(Some),
        }
    }

    /// Lowers a value that is one aggregate with one output; gives its name and the call.
    pub fn one_aggregate(
        &mut self,
        columns: &[Column],
        key_count: usize,
        keys: &[u32],
        value: &'a ast::Expr,
        written: Option<&'a ast::Name>,
    ) -> Option<(String, AggregateCall)> {
        let mut value = value;
        while let ast::ExprKind::Paren(inner) = &value.kind {
            value = inner;
        }
        let ast::ExprKind::Call { name, args } = &value.kind else {
            return self.unsupported(value.span, "an expression around an aggregate here");
        };
        let Some(found) = aggregate::by_name(&name.text) else {
            return match dtq_ir::functions::by_name(&name.text) {
                Some(_) => self.unsupported(value.span, "an expression around an aggregate here"),
                None => self.unknown_function(name),
            };
        };
        let aggregation = self.begin_aggregation(columns, key_count, keys.to_vec());
        let mut scope = self.scope(Vec::new().into());
        scope.aggregation = Some(aggregation);
        self.rows.push(scope);
        let outputs = self.aggregate_outputs(found, name, args, value.span);
        let scope = self.rows.pop().expect("pushed above");
        let call = scope.aggregation.expect("the scope was given one").calls.pop();
        let outputs = outputs?;
        let [output] = outputs.as_slice() else {
            return self.unsupported(value.span, "an aggregate of several columns here");
        };
        let written = written.map(|name| name.text.clone());
        Some((written.unwrap_or_else(|| output.name.clone()), call?))
    }

    /// Returns the value of empty bins: 0 unless stated.
    fn series_default(&mut self, call: &AggregateCall, default: Option<&'a ast::Expr>, span: Span) -> Option<ExprId> {
        let ty = call.outputs[0];
        if let Some(default) = default {
            let id = self.over(Vec::new(), |this| this.scalar(default))?;
            let found = self.ty(id);
            let fits = found == ty
                || (found.is_numeric() && ty.is_numeric())
                || self.constant_value(id).is_some_and(|value| value.is_null());
            if !fits {
                let message = format!("the default is {found:#}, but the aggregate gives {ty:#}");
                return self.fail(Code::E2004, default.span, message);
            }
            return self.convert(id, if crate::convert::widens(ty, found) { found } else { ty });
        }
        let zero = match ty {
            Type::Int => Value::Int(0),
            Type::Long => Value::Long(0),
            Type::Real => Value::Real(0.0),
            Type::Decimal => Value::Decimal(0.into()),
            Type::TimeSpan => Value::TimeSpan(0),
            other => Value::missing(other),
        };
        self.constant(zero, ty, span)
    }
}
