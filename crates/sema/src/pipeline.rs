//! Tabular expressions: where rows come from, and the operators applied to them one after the other.

use crate::env::Binding;
use crate::lowerer::Lowerer;
use crate::suggest;
use dtq_ir::{RelId, RelKind};
use dtq_source::{Code, Diagnostic, Span};
use dtq_syntax::ast;

impl<'a> Lowerer<'a> {
    /// Lowers a table inside an expression: it does not see the row around it.
    pub fn subquery(&mut self, expr: &'a ast::Expr) -> Option<RelId> {
        let rows = std::mem::take(&mut self.rows);
        let is_open = std::mem::replace(&mut self.is_open, false);
        let rel = self.tabular(expr);
        self.rows = rows;
        self.is_open = is_open;
        rel
    }

    /// Lowers a tabular expression.
    pub fn tabular(&mut self, expr: &'a ast::Expr) -> Option<RelId> {
        self.nested(expr.span, |this| this.tabular_kind(expr))
    }

    fn tabular_kind(&mut self, expr: &'a ast::Expr) -> Option<RelId> {
        match &expr.kind {
            ast::ExprKind::Missing => None,
            ast::ExprKind::Name(name) => self.table_name(name),
            ast::ExprKind::Paren(inner) => self.tabular(inner),
            ast::ExprKind::Pipeline(pipeline) => {
                let was_open = std::mem::replace(&mut self.is_open, false);
                let rel = self.tabular(&pipeline.source);
                let rel = match rel {
                    Some(rel) => self.operators(rel, &pipeline.operators),
                    None => {
                        self.check_after_unknown(&pipeline.operators, expr.span);
                        None
                    }
                };
                self.is_open = was_open;
                rel
            }
            ast::ExprKind::Source(source) => self.source(source, expr.span),
            ast::ExprKind::Call { name, args } => self.table_function(name, args, expr.span),
            ast::ExprKind::Wildcard(pattern) => {
                let tables = self.matching_tables(pattern, expr.span)?;
                self.union_of(tables, None, false, expr.span)
            }
            ast::ExprKind::Path { .. } if self.table_written_as(expr).is_none() => {
                self.unsupported(expr.span, "a table of another cluster or database")
            }
            _ => {
                let message = "one value stands where a table is needed";
                let diagnostic = Diagnostic::error(Code::E2006, expr.span, message);
                self.report(match self.table_written_as(expr) {
                    Some(table) => diagnostic.fix(expr.span, format!("['{table}']")),
                    None => diagnostic.label("write `print ...` to make it a table"),
                });
                None
            }
        }
    }

    /// Returns the table whose name an expression was probably meant to be: `nginx-access` is a subtraction.
    fn table_written_as(&self, expr: &ast::Expr) -> Option<String> {
        let written = suggest::joined_names(expr)?;
        suggest::nearest(&written, &self.catalog.table_names()).map(str::to_owned)
    }

    /// Looks into operators after a source that has an error, for mistakes that do not depend on columns.
    fn check_after_unknown(&mut self, operators: &'a [ast::Operator], span: Span) {
        let kind = RelKind::Values { rows: Vec::new() };
        let Some(rel) = self.add_rel(kind, Vec::new(), true, span) else { return };
        self.is_open = true;
        self.operators(rel, operators);
    }

    /// Applies operators; one that fails is passed over, and what follows is checked as far as columns are known.
    pub fn operators(&mut self, input: RelId, operators: &'a [ast::Operator]) -> Option<RelId> {
        let mut rel = input;
        let mut is_whole = true;
        for operator in operators {
            match self.operator(rel, operator) {
                Some(next) => rel = next,
                None => {
                    is_whole = false;
                    let keeps = matches!(
                        operator.kind,
                        ast::OperatorKind::Where(..)
                            | ast::OperatorKind::Sort(..)
                            | ast::OperatorKind::Take(..)
                            | ast::OperatorKind::Top { .. }
                            | ast::OperatorKind::Sample(_)
                    );
                    self.is_open |= !keeps;
                }
            }
        }
        is_whole.then_some(rel)
    }

    /// Returns the relation of one row without columns: what `print` computes over.
    pub fn one_row(&mut self, span: Span) -> Option<RelId> {
        self.add_rel(RelKind::Values { rows: vec![Vec::new()] }, Vec::new(), false, span)
    }

    fn table_name(&mut self, name: &'a ast::Name) -> Option<RelId> {
        match self.env.find(&name.text) {
            Some(Binding::Table(rel)) => return rel,
            Some(Binding::Function(function))
                if function.function.params.iter().all(|param| param.default.is_some()) =>
            {
                return self.call_user_table(&function, name, &[], None, name.span);
            }
            Some(Binding::Scalar(_)) => {
                let message = format!("`{}` is one value, but a table is needed", name.text);
                return self.fail(Code::E2006, name.span, message);
            }
            Some(Binding::Function(_)) => {
                let message = format!("`{}` is a function with parameters", name.text);
                let diagnostic = Diagnostic::error(Code::E2006, name.span, message);
                self.report(diagnostic.label(format!("write `{}(...)`", name.text)));
                return None;
            }
            None => {}
        }
        self.scan(&name.text, name.span).or_else(|| self.unknown_table(name))
    }

    /// Returns the relation that reads a table of the catalog.
    pub fn scan(&mut self, table: &str, span: Span) -> Option<RelId> {
        let schema = self.catalog.schema(table)?;
        self.add_rel(RelKind::Scan { table: schema.name }, schema.columns, false, span)
    }

    fn unknown_table<T>(&mut self, name: &ast::Name) -> Option<T> {
        let mut candidates = self.catalog.table_names();
        self.env.each(|known, binding| {
            if !matches!(binding, Binding::Scalar(_)) {
                candidates.push(known.to_owned());
            }
        });
        let message = format!("no table is called `{}`", name.text);
        let mut diagnostic =
            suggest::did_you_mean(Diagnostic::error(Code::E2002, name.span, message), name, &candidates);
        if diagnostic.fix.is_none() && !candidates.is_empty() {
            diagnostic = diagnostic.note(suggest::listing("tables here", &candidates));
        }
        self.report(diagnostic);
        None
    }

    /// Returns the tables whose names a pattern matches.
    pub fn matching_tables(&mut self, pattern: &str, span: Span) -> Option<Vec<(String, RelId)>> {
        let mut names: Vec<String> = self.catalog.table_names();
        let mut bound: Vec<(String, Option<RelId>)> = Vec::new();
        self.env.each(|known, binding| {
            if let Binding::Table(rel) = binding
                && matches_wildcard(pattern, known)
            {
                bound.push((known.to_owned(), *rel));
            }
        });
        names.retain(|name| matches_wildcard(pattern, name) && !bound.iter().any(|(known, _)| known == name));
        let mut found = Vec::new();
        for (name, rel) in bound {
            found.push((name, rel?));
        }
        for name in names {
            let rel = self.scan(&name, span)?;
            found.push((name, rel));
        }
        if found.is_empty() {
            return self.fail(Code::E2002, span, format!("no table has a name like `{pattern}`"));
        }
        Some(found)
    }

    /// Lowers a call that gives a table.
    fn table_function(&mut self, name: &'a ast::Name, args: &'a [ast::Arg], span: Span) -> Option<RelId> {
        if let Some(Binding::Function(function)) = self.env.find(&name.text) {
            return self.call_user_table(&function, name, args, None, span);
        }
        match (name.text.as_str(), args) {
            ("materialize", [arg]) => {
                let input = self.subquery(&arg.value)?;
                self.materialize(input, span)
            }
            ("table", [arg]) => {
                let id = self.over(Vec::new(), |this| this.scalar(&arg.value))?;
                let Some(dtq_value::Value::String(table)) = self.constant_value(id) else {
                    return self.fail(Code::E2010, arg.value.span, "`table` needs the name as a constant string");
                };
                let text = table.as_text().into_owned();
                let written = ast::Name { text, span: arg.value.span, is_bracketed: false };
                match self.env.find(&written.text) {
                    Some(Binding::Table(rel)) => rel,
                    _ => self.scan(&written.text, span).or_else(|| self.unknown_table(&written)),
                }
            }
            ("toscalar", _) => self.fail(Code::E2006, span, "`toscalar` gives one value, but a table is needed"),
            ("cluster" | "database" | "external_table" | "materialized_view" | "stored_query_result" | "graph", _) => {
                self.unsupported(name.span, format!("`{}`", name.text))
            }
            _ if dtq_ir::functions::by_name(&name.text).is_some() => {
                self.fail(Code::E2006, span, format!("`{}` gives one value, but a table is needed", name.text))
            }
            _ => self.unknown_function(name),
        }
    }

    /// Evaluates a relation once although it is used several times.
    pub fn materialize(&mut self, input: RelId, span: Span) -> Option<RelId> {
        let (columns, is_ordered) = (self.columns(input), self.is_ordered(input));
        self.add_rel(RelKind::Materialize { input }, columns, is_ordered, span)
    }

    /// Says whether an expression gives a table.
    pub fn is_tabular(&self, expr: &ast::Expr) -> bool {
        self.is_tabular_at(expr, 0)
    }

    fn is_tabular_at(&self, expr: &ast::Expr, depth: usize) -> bool {
        if depth > self.options.limits.nesting_max {
            return false;
        }
        match &expr.kind {
            ast::ExprKind::Pipeline(_) | ast::ExprKind::Source(_) => true,
            ast::ExprKind::Paren(inner) => self.is_tabular_at(inner, depth + 1),
            ast::ExprKind::Name(name) => {
                if self.row().is_some_and(|row| row.find(&name.text).is_some()) {
                    return false;
                }
                match self.env.find(&name.text) {
                    Some(Binding::Table(_)) => true,
                    Some(Binding::Scalar(_)) => false,
                    Some(Binding::Function(found)) => {
                        found.function.is_view || self.is_tabular_body(found.function, depth + 1)
                    }
                    None => self.catalog.schema(&name.text).is_some(),
                }
            }
            ast::ExprKind::Call { name, .. } => match self.env.find(&name.text) {
                Some(Binding::Function(found)) => self.is_tabular_body(found.function, depth + 1),
                _ => matches!(
                    name.text.as_str(),
                    "materialize" | "table" | "database" | "cluster" | "external_table" | "materialized_view"
                ),
            },
            _ => false,
        }
    }

    /// Says whether a function gives a table.
    pub fn is_tabular_body(&self, function: &ast::Function, depth: usize) -> bool {
        if function.is_view {
            return true;
        }
        let Some(ast::Statement::Expr(last)) = function.body.last() else { return false };
        let mut last = last;
        while let ast::ExprKind::Paren(inner) = &last.kind {
            last = inner;
        }
        if let ast::ExprKind::Name(name) = &last.kind {
            let param = function.params.iter().find(|param| param.name.text == name.text);
            if let Some(param) = param {
                return matches!(param.ty, ast::ParamType::Table { .. });
            }
            let local = function.body.iter().find_map(|statement| match statement {
                ast::Statement::Let(found) if found.name.text == name.text => Some(&found.value),
                _ => None,
            });
            if let Some(local) = local {
                return self.is_tabular_at(local, depth + 1);
            }
        }
        self.is_tabular_at(last, depth + 1)
    }
}

/// Says whether a name matches a pattern in which `*` stands for any text.
pub(crate) fn matches_wildcard(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else { return rest.is_empty() };
    for piece in middle {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches_wildcard;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, name, expected) in [
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("ab*bc", "abc", false),
            ("*", "", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("*b*", "abc", true),
        ] {
            assert_eq!(matches_wildcard(pattern, name), expected, "{pattern} {name}");
        }
    }
}
