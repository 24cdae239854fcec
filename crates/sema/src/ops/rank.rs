//! `top-nested` and `top-hitters`.

use crate::lowerer::Lowerer;
use crate::naming::UniqueNames;
use dtq_ir::rel::{AggregateCall, SortKey, TopNestedLevel};
use dtq_ir::{ExprId, RelId, RelKind, aggregate};
use dtq_record::stream::Column;
use dtq_source::Span;
use dtq_syntax::ast;
use dtq_value::Type;

impl<'a> Lowerer<'a> {
    pub(super) fn lower_top_nested(&mut self, input: RelId, levels: &'a [ast::TopNested], span: Span) -> Option<RelId> {
        let columns = self.columns(input);
        let mut names = UniqueNames::default();
        let mut output = Vec::new();
        let mut lowered = Vec::new();
        for level in levels {
            let count = match &level.count {
                Some(count) => Some(self.constant_expr(count, Type::Long, "the number of values")?),
                None => None,
            };
            let of = self.over(columns.clone(), |this| {
                let of = this.scalar(&level.of.value)?;
                this.refuse_dynamic(of, &level.of.value, "be ranked by")?;
                Some(of)
            })?;
            let of_name = match level.of.names.first() {
                Some(name) => name.text.clone(),
                None => self.result_name(&level.of.value).unwrap_or_else(|| self.default_name(false)),
            };
            let of_name = names.take(&of_name);
            let others = match &level.others {
                Some(others) => Some(self.constant_expr(others, self.ty(of), "the name of the others")?),
                None => None,
            };
            let (_, by) = self.one_aggregate(&columns, 0, &[], &level.by.value, None)?;
            let by_name = match level.by.names.first() {
                Some(name) => names.take(&name.text),
                None => names.take(&format!("aggregated_{of_name}")),
            };
            output.push(Column::new(of_name, self.ty(of)));
            output.push(Column::new(by_name, by.outputs[0]));
            let is_ascending = level.is_ascending.unwrap_or(false);
            lowered.push(TopNestedLevel { count, of, others, by, is_ascending });
        }
        self.add_rel(RelKind::TopNested { input, levels: lowered }, output, true, span)
    }

    /// Lowers `top-hitters n of x by y` to what it means: group, count or sum, and the first ones. It is exact here.
    pub(super) fn lower_top_hitters(
        &mut self,
        input: RelId,
        count: &'a ast::Expr,
        of: &'a ast::Expr,
        by: Option<&'a ast::Expr>,
        span: Span,
    ) -> Option<RelId> {
        let count = self.constant_expr(count, Type::Long, "the number of values")?;
        let columns = self.columns(input);
        let key: ExprId = self.over(columns.clone(), |this| {
            let key = this.scalar(of)?;
            this.refuse_dynamic(key, of, "be counted by")?;
            Some(key)
        })?;
        let of_name = self.result_name(of).unwrap_or_else(|| "Column1".to_owned());
        let (call, name) = match by {
            None => {
                let found = aggregate::by_name("count").expect("the table of aggregates has count");
                let call =
                    AggregateCall { aggregate: found, args: Vec::new(), condition: None, outputs: vec![Type::Long] };
                (call, format!("approximate_count_{of_name}"))
            }
            Some(by) => {
                let weight = self.over(columns, |this| {
                    let id = this.scalar(by)?;
                    let ty = this.ty(id);
                    if ty.is_numeric() { Some(id) } else { this.coerce(id, Type::Long, by) }
                })?;
                let ty = if self.ty(weight) == Type::Int { Type::Long } else { self.ty(weight) };
                let found = aggregate::by_name("sum").expect("the table of aggregates has sum");
                let call = AggregateCall { aggregate: found, args: vec![weight], condition: None, outputs: vec![ty] };
                (call, format!("approximate_sum_{}", self.result_name(by).unwrap_or_default()))
            }
        };
        let output = vec![Column::new(of_name, self.ty(key)), Column::new(name, call.outputs[0])];
        let kind = RelKind::Aggregate { input, keys: vec![key], aggregates: vec![call] };
        let grouped = self.add_rel(kind, output.clone(), false, span)?;
        let expr = self.column(&output, 1, span)?;
        let keys = vec![SortKey { expr, is_ascending: false, is_nulls_first: false }];
        self.add_rel(RelKind::Top { input: grouped, count, keys }, output, true, span)
    }
}
