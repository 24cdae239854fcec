//! `summarize`: keys and aggregates to one relation, what is computed from them to another.

use crate::aggregate::Aggregation;
use crate::lowerer::Lowerer;
use crate::naming::{Projection, Style};
use dtq_ir::rel::AggregateCall;
use dtq_ir::{ExprId, RelId, RelKind, aggregate};
use dtq_record::stream::Column;
use dtq_source::{Code, Span};
use dtq_syntax::ast;

impl<'a> Lowerer<'a> {
    pub(super) fn lower_summarize(&mut self, input: RelId, summarize: &'a ast::Summarize, span: Span) -> Option<RelId> {
        if let Some(bin) = &summarize.bin {
            return self.unsupported(bin.span, "`bin =` after the keys of `summarize`");
        }
        let columns = self.columns(input);
        let (mut projection, keys, key_sources) = self.group_keys(&columns, &summarize.by)?;
        let aggregation = self.begin_aggregation(&columns, keys.len(), key_sources);
        let scope = self.scope(Vec::new().into());
        self.rows.push(scope);
        self.rows.last_mut().expect("pushed above").aggregation = Some(aggregation);
        for (position, item) in summarize.aggregates.iter().enumerate() {
            self.summarize_one(&mut projection, item, position);
        }
        let scope = self.rows.pop().expect("pushed above");
        let calls = scope.aggregation.expect("the scope was given one").calls;
        self.finish_summarize(input, keys, calls, projection, span)
    }

    /// Returns the state in which the outer part of aggregate expressions is lowered.
    pub fn begin_aggregation(&mut self, columns: &[Column], key_count: usize, keys: Vec<u32>) -> Aggregation {
        let input_id = self.scope(Vec::new().into()).id;
        Aggregation { input: columns.to_vec().into(), input_id, keys, base: key_count as u32, calls: Vec::new() }
    }

    /// Lowers keys; gives their columns, what they compute, and which input columns they are. A key that has an error is
    /// there too, with a stand-in.
    pub fn group_keys(
        &mut self,
        columns: &[Column],
        by: &'a [ast::Assignment],
    ) -> Option<(Projection, Vec<ExprId>, Vec<u32>)> {
        let (projection, sources) = self.over(columns.to_vec(), |this| {
            let mut projection = Projection::new(Style::Project);
            let mut sources = Vec::new();
            for (position, item) in by.iter().enumerate() {
                let mut id = this.scalar(&item.value);
                if let Some(found) = id
                    && this.refuse_dynamic(found, &item.value, "be grouped by").is_none()
                {
                    id = None;
                }
                sources.extend(id.and_then(|id| this.column_index(id)));
                this.project_one(&mut projection, item, id, position);
            }
            (projection, sources)
        });
        let mut keys = Projection::new(Style::Project);
        let (names, exprs) = projection.finish();
        for (index, column) in names.iter().enumerate() {
            let expr = self.column(&names, index, self.span(exprs[index]))?;
            keys.append(column.name.clone(), column.ty, expr);
        }
        sources.iter().for_each(|source| keys.skip(*source));
        Some((keys, exprs, sources))
    }

    /// Lowers one aggregate expression; a call of several outputs gives several columns.
    pub fn summarize_one(&mut self, projection: &mut Projection, item: &'a ast::Assignment, position: usize) {
        let Some((name, args)) = whole_aggregate(&item.value).filter(|(name, _)| self.env.find(&name.text).is_none())
        else {
            let id = self.scalar(&item.value);
            self.project_one(projection, item, id, position);
            return;
        };
        let found = aggregate::by_name(&name.text).expect("`whole_aggregate` found it");
        let Some(outputs) = self.aggregate_outputs(found, name, args, item.value.span) else {
            self.project_one(projection, item, None, position);
            return;
        };
        let output_count = outputs.len();
        for (index, output) in outputs.into_iter().enumerate() {
            let ty = self.ty(output.expr);
            match item.names.get(index) {
                Some(name) => {
                    if projection.declare(&name.text, ty, output.expr, false).is_none() {
                        self.duplicate(&name.text, name.span);
                    }
                }
                None if projection.has(output.source) && item.names.is_empty() && has_star(args) && index > 0 => {}
                None => drop(projection.append(output.name, ty, output.expr)),
            }
        }
        if let Some(extra) = item.names.get(output_count) {
            let message = format!("`{}` gives {output_count} columns, so this name has none", name.text);
            self.fail::<()>(Code::E2005, extra.span, message);
        }
    }

    /// Adds the aggregate relation, and the projection over it where that does more than name columns.
    pub fn finish_summarize(
        &mut self,
        input: RelId,
        keys: Vec<ExprId>,
        aggregates: Vec<AggregateCall>,
        projection: Projection,
        span: Span,
    ) -> Option<RelId> {
        let (columns, exprs) = projection.finish();
        let width = keys.len() + aggregates.iter().map(|call| call.outputs.len()).sum::<usize>();
        let is_identity = exprs.len() == width
            && exprs.iter().enumerate().all(|(index, expr)| self.column_index(*expr) == Some(index as u32));
        let mut types: Vec<dtq_value::Type> = keys.iter().map(|key| self.ty(*key)).collect();
        types.extend(aggregates.iter().flat_map(|call| call.outputs.iter().copied()));
        let kind = RelKind::Aggregate { input, keys, aggregates };
        if is_identity {
            return self.add_rel(kind, columns, false, span);
        }
        let unnamed = types.iter().enumerate().map(|(index, ty)| Column::new(format!("\u{2}group{index}"), *ty));
        let grouped = self.add_rel(kind, unnamed.collect(), false, span)?;
        self.add_rel(RelKind::Project { input: grouped, exprs }, columns, false, span)
    }
}

/// Returns the call when an expression is an aggregate and nothing else.
fn whole_aggregate(expr: &ast::Expr) -> Option<(&ast::Name, &[ast::Arg])> {
    match &expr.kind {
        ast::ExprKind::Paren(inner) => whole_aggregate(inner),
        ast::ExprKind::Call { name, args } if aggregate::by_name(&name.text).is_some() => Some((name, args)),
        _ => None,
    }
}

fn has_star(args: &[ast::Arg]) -> bool {
    args.iter().any(|arg| matches!(arg.value.kind, ast::ExprKind::Star))
}
