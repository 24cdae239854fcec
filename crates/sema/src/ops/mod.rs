//! Tabular operators to relations, a file a family.

mod columns;

mod rows;

mod summarize;

mod source;

mod join;

mod union;

mod parse;

mod expand;

mod series;

mod rank;

mod scan;

mod search;

mod plugin;

use crate::lowerer::Lowerer;
use dtq_ir::RelId;
use dtq_syntax::ast::{self, OperatorKind};

impl<'a> Lowerer<'a> {
    /// Applies one operator to a relation.
    pub fn operator(&mut self, input: RelId, operator: &'a ast::Operator) -> Option<RelId> {
        let span = operator.span;
        match &operator.kind {
            OperatorKind::Missing => None,
            OperatorKind::Where(_, predicate) => self.lower_where(input, predicate, span),
            OperatorKind::Extend(items) => self.lower_extend(input, items, span),
            OperatorKind::Project(items) => self.lower_project(input, items, span),
            OperatorKind::ProjectAway(items) => self.lower_project_away(input, items, span),
            OperatorKind::ProjectKeep(items) => self.lower_project_keep(input, items, span),
            OperatorKind::ProjectRename(items) => self.lower_project_rename(input, items, span),
            OperatorKind::ProjectReorder(items) => self.lower_project_reorder(input, items, span),
            OperatorKind::ProjectByNames(_) => self.unsupported(operator.keyword_span, "`project-by-names`"),
            OperatorKind::Take(_, count) => self.lower_take(input, count, span),
            OperatorKind::Count(name) => self.lower_count(input, name.as_ref(), span),
            OperatorKind::Distinct(_, items) => self.lower_distinct(input, items, span),
            OperatorKind::Summarize(summarize) => self.lower_summarize(input, summarize, span),
            OperatorKind::Sort(_, keys) => self.lower_sort(input, keys, span),
            OperatorKind::Top { count, by, more, .. } => self.lower_top(input, count, by, more, span),
            OperatorKind::As(_, name) => self.lower_as(input, name, span),
            OperatorKind::Render { .. } => Some(input),
            OperatorKind::Parse(parse) => self.lower_parse(input, parse, span),
            OperatorKind::ParseKv { value, columns, properties } => {
                self.lower_parse_kv(input, value, columns, properties, span)
            }
            OperatorKind::MvExpand(expand) => self.lower_mv_expand(input, expand, span),
            OperatorKind::MvApply { .. } => self.lower_mv_apply(input, &operator.kind, span),
            OperatorKind::Join(join) => self.lower_join(input, join, span),
            OperatorKind::Lookup(join) => self.lower_lookup(input, join, span),
            OperatorKind::Union(union) => self.lower_union(Some(input), union, span),
            OperatorKind::GetSchema => self.lower_getschema(input, span),
            OperatorKind::Serialize(items) => self.lower_serialize(input, items, span),
            OperatorKind::MakeSeries(series) => self.lower_make_series(input, series, span),
            OperatorKind::TopNested(levels) => self.lower_top_nested(input, levels, span),
            OperatorKind::TopHitters { count, of, by } => self.lower_top_hitters(input, count, of, by.as_ref(), span),
            OperatorKind::Search(search) => self.lower_search(Some(input), search, span),
            OperatorKind::Scan(scan) => self.lower_scan(input, scan, span),
            OperatorKind::Reduce { .. } => self.unsupported(operator.keyword_span, "`reduce`"),
            OperatorKind::Sample(count) => self.lower_sample(input, count, span),
            OperatorKind::SampleDistinct { count, of } => self.lower_sample_distinct(input, count, of, span),
            OperatorKind::Fork(branches) => self.lower_fork(input, branches, span),
            OperatorKind::Facet { .. } => self.unsupported(operator.keyword_span, "`facet`"),
            OperatorKind::Partition { by, body, .. } => self.lower_partition(input, by, body, span),
            OperatorKind::Invoke(call) => self.lower_invoke(input, call, span),
            OperatorKind::Evaluate(evaluate) => self.lower_evaluate(Some(input), evaluate, span),
            OperatorKind::Consume(_) => self.unsupported(operator.keyword_span, "`consume`"),
            OperatorKind::Unsupported(name) => self.unsupported(name.span, format!("the operator `{}`", name.text)),
        }
    }
}
