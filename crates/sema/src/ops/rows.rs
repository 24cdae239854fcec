//! Operators that choose and order rows: `where`, `take`, `sort`, `top`, `count`, `as`, `sample`.

use crate::env::Binding;
use crate::lowerer::Lowerer;
use crate::suggest;
use crate::window::Windows;
use dtq_ir::rel::{AggregateCall, SortKey};
use dtq_ir::{ExprId, RelId, RelKind, aggregate};
use dtq_record::stream::Column;
use dtq_source::{Code, Diagnostic, Span};
use dtq_syntax::ast;
use dtq_value::Type;

impl<'a> Lowerer<'a> {
    /// Runs `work` over the rows of a relation, with functions over neighbouring rows allowed; gives the relation to
    /// which what it returns applies.
    pub fn over_windows<T>(
        &mut self,
        input: RelId,
        is_ordered: bool,
        span: Span,
        work: impl FnOnce(&mut Self) -> T,
    ) -> Option<(RelId, T)> {
        let columns = self.columns(input);
        let base = columns.len() as u32;
        let mut scope = self.scope(columns.into());
        scope.windows = Some(Windows { base, is_ordered, calls: Vec::new() });
        self.rows.push(scope);
        let result = work(self);
        let scope = self.rows.pop().expect("the scope was pushed above");
        let windows = scope.windows.expect("the scope was given windows");
        Some((self.apply_windows(input, windows, span)?, result))
    }

    /// Drops hidden columns: those past the first `count`.
    pub fn drop_hidden(&mut self, rel: RelId, count: usize, span: Span) -> Option<RelId> {
        let columns = self.columns(rel);
        if columns.len() == count {
            return Some(rel);
        }
        let exprs: Option<Vec<ExprId>> = (0..count).map(|index| self.column(&columns, index, span)).collect();
        let is_ordered = self.is_ordered(rel);
        let kind = RelKind::Project { input: rel, exprs: exprs? };
        self.add_rel(kind, columns[..count].to_vec(), is_ordered, span)
    }

    pub(super) fn lower_where(&mut self, input: RelId, predicate: &'a ast::Expr, span: Span) -> Option<RelId> {
        let is_ordered = self.is_ordered(input);
        let width = self.columns(input).len();
        let (rel, predicate) = self.over_windows(input, is_ordered, span, |this| this.condition(predicate))?;
        let predicate = predicate?;
        let rel = self.filter_before_innerunique(rel, predicate, span)?;
        let columns = self.columns(rel);
        let filtered = self.add_rel(RelKind::Filter { input: rel, predicate }, columns, is_ordered, span)?;
        self.drop_hidden(filtered, width, span)
    }

    /// Lowers an expression that is the same for all rows.
    pub fn constant_expr(&mut self, expr: &'a ast::Expr, ty: Type, what: &str) -> Option<ExprId> {
        let id = self.over(Vec::new(), |this| this.scalar(expr))?;
        let found = self.ty(id);
        if found != ty && !crate::convert::widens(found, ty) {
            let message = format!("{} is {found:#}, but {what} is {ty:#}", suggest::quoted(expr));
            let code = if found == Type::Dynamic { Code::E2009 } else { Code::E2004 };
            self.report(suggest::cast(Diagnostic::error(code, expr.span, message), expr, ty));
            return None;
        }
        self.convert(id, ty)
    }

    pub(super) fn lower_take(&mut self, input: RelId, count: &'a ast::Expr, span: Span) -> Option<RelId> {
        let count = self.constant_expr(count, Type::Long, "the number of rows")?;
        let (columns, is_ordered) = (self.columns(input), self.is_ordered(input));
        self.add_rel(RelKind::Take { input, count }, columns, is_ordered, span)
    }

    pub(super) fn lower_sample(&mut self, input: RelId, count: &'a ast::Expr, span: Span) -> Option<RelId> {
        let count = self.constant_expr(count, Type::Long, "the number of rows")?;
        let columns = self.columns(input);
        self.add_rel(RelKind::Sample { input, count }, columns, false, span)
    }

    pub(super) fn lower_sample_distinct(
        &mut self,
        input: RelId,
        count: &'a ast::Expr,
        of: &'a ast::Expr,
        span: Span,
    ) -> Option<RelId> {
        let distinct = self.lower_distinct(input, std::slice::from_ref(of), span)?;
        self.lower_sample(distinct, count, span)
    }

    pub(super) fn lower_count(&mut self, input: RelId, name: Option<&'a ast::Name>, span: Span) -> Option<RelId> {
        let aggregate = aggregate::by_name("count").expect("the table of aggregates has count");
        let call = AggregateCall { aggregate, args: Vec::new(), condition: None, outputs: vec![Type::Long] };
        let column = Column::new(name.map_or("Count", |name| name.text.as_str()), Type::Long);
        let kind = RelKind::Aggregate { input, keys: Vec::new(), aggregates: vec![call] };
        self.add_rel(kind, vec![column], false, span)
    }

    pub(super) fn lower_as(&mut self, input: RelId, name: &'a ast::Name, span: Span) -> Option<RelId> {
        let rel = self.materialize(input, span)?;
        self.declare(name, Binding::Table(Some(rel)));
        self.aliases.insert(rel, &name.text);
        Some(rel)
    }

    /// Lowers what rows are ordered by. Descending unless stated; null is the least value.
    pub fn sort_key(&mut self, key: &'a ast::SortKey) -> Option<SortKey> {
        let value = match &key.value.kind {
            ast::ExprKind::Assign(assignment) => &assignment.value,
            _ => &key.value,
        };
        let expr = self.scalar(value)?;
        self.refuse_dynamic(expr, value, "be sorted by")?;
        let is_ascending = key.is_ascending.unwrap_or(false);
        Some(SortKey { expr, is_ascending, is_nulls_first: key.is_nulls_first.unwrap_or(is_ascending) })
    }

    /// Reports a dynamic where rows are compared: the type must be stated.
    pub fn refuse_dynamic(&mut self, id: ExprId, expr: &ast::Expr, what: &str) -> Option<()> {
        if self.ty(id) != Type::Dynamic {
            return Some(());
        }
        let message = format!("{} is a dynamic: rows can't {what} it", suggest::quoted(expr));
        self.report(suggest::cast(Diagnostic::error(Code::E2009, expr.span, message), expr, Type::String));
        None
    }

    fn sort_keys(&mut self, input: RelId, keys: &[&'a ast::SortKey]) -> Option<Vec<SortKey>> {
        let columns = self.columns(input);
        let keys = self.over(columns, |this| keys.iter().map(|key| this.sort_key(key)).collect::<Vec<_>>());
        keys.into_iter().collect()
    }

    pub(super) fn lower_sort(&mut self, input: RelId, keys: &'a [ast::SortKey], span: Span) -> Option<RelId> {
        let keys = self.sort_keys(input, &keys.iter().collect::<Vec<_>>())?;
        let columns = self.columns(input);
        self.add_rel(RelKind::Sort { input, keys }, columns, true, span)
    }

    pub(super) fn lower_top(
        &mut self,
        input: RelId,
        count: &'a ast::Expr,
        by: &'a ast::SortKey,
        more: &'a [ast::SortKey],
        span: Span,
    ) -> Option<RelId> {
        let count = self.constant_expr(count, Type::Long, "the number of rows");
        let keys: Vec<&'a ast::SortKey> = std::iter::once(by).chain(more).collect();
        let keys = self.sort_keys(input, &keys)?;
        let columns = self.columns(input);
        self.add_rel(RelKind::Top { input, count: count?, keys }, columns, true, span)
    }

    pub(super) fn lower_fork(&mut self, input: RelId, branches: &'a [ast::ForkBranch], span: Span) -> Option<RelId> {
        let shared = self.materialize(input, span)?;
        let mut last = None;
        for (index, branch) in branches.iter().enumerate() {
            let Some(rel) = self.operators(shared, &branch.body.operators) else { continue };
            let name = match &branch.name {
                Some(name) => name.text.clone(),
                None if index == 0 => "PrimaryResult".to_owned(),
                None => format!("Result{}", index + 1),
            };
            self.output(name, rel);
            last = Some(rel);
        }
        last
    }

    pub(super) fn lower_partition(
        &mut self,
        input: RelId,
        by: &'a ast::Expr,
        body: &'a ast::SubPipeline,
        span: Span,
    ) -> Option<RelId> {
        if let Some(source) = &body.source {
            return self.unsupported(source.span, "`partition` with a source of its own");
        }
        let columns = self.columns(input);
        let key = self.over(columns.clone(), |this| {
            let key = this.scalar(by)?;
            this.refuse_dynamic(key, by, "be partitioned by")?;
            Some(key)
        });
        let leaf = self.add_rel(RelKind::Input, columns, self.is_ordered(input), body.span)?;
        let body = self.operators(leaf, &body.operators)?;
        let columns = self.columns(body);
        self.add_rel(RelKind::Partition { input, key: key?, body }, columns, false, span)
    }

    pub(super) fn lower_invoke(&mut self, input: RelId, call: &'a ast::Expr, span: Span) -> Option<RelId> {
        let ast::ExprKind::Call { name, args } = &call.kind else {
            return self.fail(Code::E2006, call.span, "`invoke` needs the call of a function");
        };
        match self.env.find(&name.text) {
            Some(Binding::Function(function)) => self.call_user_table(&function, name, args, Some(input), span),
            _ => self.unknown_function(name),
        }
    }
}
