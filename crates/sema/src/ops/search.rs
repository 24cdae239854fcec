//! `search` and `find`: a condition over several tables, united.

use super::join::property;
use crate::env::Binding;
use crate::lowerer::Lowerer;
use dtq_ir::{ExprId, RelId, RelKind, functions};
use dtq_source::{Code, Span};
use dtq_syntax::ast::{self, BinaryOp};
use dtq_value::{Type, Value};

impl<'a> Lowerer<'a> {
    pub(super) fn lower_search(&mut self, input: Option<RelId>, search: &'a ast::Search, span: Span) -> Option<RelId> {
        let is_case_sensitive = property(&search.properties, "kind").is_some_and(|(text, _)| text == "case_sensitive");
        let tables = match input {
            Some(input) => vec![("search_arg0".to_owned(), input)],
            None => self.searched_tables(&search.tables, span)?,
        };
        let found =
            self.matching_rows(tables, span, |this| this.search_condition(&search.predicate, is_case_sensitive))?;
        self.union_named(found, Some("$table"), false, span)
    }

    pub(super) fn lower_find(&mut self, find: &'a ast::Find, span: Span) -> Option<RelId> {
        if find.project.is_empty() {
            return self.unsupported(span, "`find` without `project`");
        }
        let tables = self.searched_tables(&find.tables, span)?;
        let found = self.matching_rows(tables, span, |this| this.search_condition(&find.predicate, false))?;
        let source = property(&find.properties, "withsource").map_or("source_", |(text, _)| text);
        let union = self.union_named(found, Some(source), false, span)?;
        let columns = self.columns(union);
        let mut order = vec![0];
        for column in &find.project {
            let Some(name) = &column.name else { continue };
            match columns.iter().position(|other| other.name == name.text) {
                Some(index) => order.push(index),
                None => {
                    let message = format!("none of the tables has a column `{}`", name.text);
                    return self.fail(Code::E2001, name.span, message);
                }
            }
        }
        self.pick(union, &order, span)
    }

    /// Returns the tables listed, or all that have a name here.
    fn searched_tables(&mut self, listed: &'a [ast::Expr], span: Span) -> Option<Vec<(String, RelId)>> {
        let mut tables = Vec::new();
        for expr in listed {
            match &expr.kind {
                ast::ExprKind::Wildcard(pattern) => tables.extend(self.matching_tables(pattern, expr.span)?),
                ast::ExprKind::Name(name) => tables.push((name.text.clone(), self.subquery(expr)?)),
                _ => tables.push((format!("search_arg{}", tables.len()), self.subquery(expr)?)),
            }
        }
        if !listed.is_empty() {
            return Some(tables);
        }
        let mut views = Vec::new();
        self.env.each(|name, binding| {
            if let Binding::Function(function) = binding
                && function.function.is_view
                && function.function.params.is_empty()
            {
                views.push((name, function.clone()));
            }
        });
        for (name, function) in views {
            let written = ast::Name { text: name.to_owned(), span, is_bracketed: false };
            let rel = self.expand_view(&function, &written, span)?;
            tables.push((name.to_owned(), rel));
        }
        for name in self.catalog.table_names() {
            let rel = self.scan(&name, span)?;
            tables.push((name, rel));
        }
        if tables.is_empty() {
            return self.fail(Code::E2002, span, "there is no table to search");
        }
        Some(tables)
    }

    /// Keeps the rows of each table that a condition holds for; a table that lacks a column of it has none.
    fn matching_rows(
        &mut self,
        tables: Vec<(String, RelId)>,
        span: Span,
        condition: impl Fn(&mut Self) -> Option<ExprId>,
    ) -> Option<Vec<(String, RelId)>> {
        let mut found = Vec::new();
        for (name, input) in &tables {
            let columns = self.columns(*input);
            let predicate = self.over(columns.clone(), |this| this.silently(|this| condition(this)));
            if let Some(predicate) = predicate {
                let is_ordered = self.is_ordered(*input);
                let kind = RelKind::Filter { input: *input, predicate };
                found.push((name.clone(), self.add_rel(kind, columns, is_ordered, span)?));
            }
        }
        if found.is_empty() {
            // No table fits: what is wrong with the condition is said for the first one.
            let columns = self.columns(tables.first()?.1);
            self.over(columns, |this| condition(this));
            return None;
        }
        Some(found)
    }

    /// Lowers a condition in which a bare string is a term to look for in every column.
    fn search_condition(&mut self, expr: &'a ast::Expr, is_case_sensitive: bool) -> Option<ExprId> {
        self.nested(expr.span, |this| match &expr.kind {
            ast::ExprKind::Paren(inner) => this.search_condition(inner, is_case_sensitive),
            ast::ExprKind::Literal(ast::Literal::String { value, .. }) => {
                this.term_anywhere(value, is_case_sensitive, expr.span)
            }
            ast::ExprKind::Binary { op: op @ (BinaryOp::And | BinaryOp::Or), left, right, .. } => {
                let left = this.search_condition(left, is_case_sensitive);
                let right = this.search_condition(right, is_case_sensitive);
                let (left, right) = (left?, right?);
                let kind = match op {
                    BinaryOp::And => dtq_ir::ExprKind::And(left, right),
                    _ => dtq_ir::ExprKind::Or(left, right),
                };
                this.add(kind, Type::Bool, expr.span)
            }
            ast::ExprKind::Call { name, args } if name.text == "not" && args.len() == 1 => {
                let inner = this.search_condition(&args[0].value, is_case_sensitive)?;
                let function = functions::by_name("not").expect("the table of functions has not");
                this.resolve(function, name, &[inner], args, expr.span)
            }
            ast::ExprKind::Binary { op: BinaryOp::Search, left, right, .. } => {
                let ast::ExprKind::Literal(ast::Literal::String { value, .. }) = &right.kind else {
                    return this.fail(Code::E2010, right.span, "the term after `:` is a constant string");
                };
                if matches!(left.kind, ast::ExprKind::Star) {
                    return this.term_anywhere(value, is_case_sensitive, expr.span);
                }
                let column = this.scalar(left)?;
                this.term_in(column, value, is_case_sensitive, expr.span)
            }
            _ => this.condition(expr),
        })
    }

    /// Says whether any column of the row has a term.
    fn term_anywhere(&mut self, term: &str, is_case_sensitive: bool, span: Span) -> Option<ExprId> {
        let columns = self.row()?.columns.clone();
        let mut found: Option<ExprId> = None;
        for index in 0..columns.len() {
            let column = self.column(&columns, index, span)?;
            let holds = self.term_in(column, term, is_case_sensitive, span)?;
            found = Some(match found {
                None => holds,
                Some(before) => self.add(dtq_ir::ExprKind::Or(before, holds), Type::Bool, span)?,
            });
        }
        match found {
            Some(found) => Some(found),
            None => self.constant(Value::Bool(false), Type::Bool, span),
        }
    }

    /// Says whether a value, as text, has a term; stars at its ends ask for a prefix, a suffix or any part.
    ///
    /// # Source
    /// Kusto documentation, "search operator", search predicate syntax.
    fn term_in(&mut self, value: ExprId, term: &str, is_case_sensitive: bool, span: Span) -> Option<ExprId> {
        let (has_start, has_end) = (term.starts_with('*'), term.ends_with('*'));
        let bare = term.trim_matches('*');
        if bare.contains('*') {
            return self.unsupported(span, "a search term with `*` inside");
        }
        let operator = match (has_start, has_end) {
            (false, false) => "has",
            (false, true) => "hasprefix",
            (true, false) => "hassuffix",
            (true, true) => "contains",
        };
        let name = if is_case_sensitive { format!("{operator}_cs") } else { operator.to_owned() };
        let Some(function) = functions::by_name(&name) else { return self.unsupported(span, format!("`{name}`")) };
        let text = self.convert(value, Type::String)?;
        let needle = self.constant(Value::string(bare), Type::String, span)?;
        let choice = crate::convert::choose(&function, &[Type::String, Type::String])?;
        let args = smallvec::SmallVec::from_slice(&[text, needle]);
        self.call(function, choice.signature, args, Type::Bool, span)
    }
}
