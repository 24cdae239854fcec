//! Scalar expressions to typed nodes. `None` is an expression that has an error, which is reported already.

use crate::env::{Binding, ScalarBinding};
use crate::lowerer::Lowerer;
use crate::suggest;
use dtq_ir::ExprId;
use dtq_ir::expr::ExprKind;
use dtq_source::{Code, Diagnostic, Span};
use dtq_syntax::ast;
use dtq_value::{Str, Type, Value};

impl<'a> Lowerer<'a> {
    /// Lowers an expression that is evaluated over the current row.
    pub fn scalar(&mut self, expr: &'a ast::Expr) -> Option<ExprId> {
        self.nested(expr.span, |this| this.scalar_kind(expr))
    }

    fn scalar_kind(&mut self, expr: &'a ast::Expr) -> Option<ExprId> {
        match &expr.kind {
            ast::ExprKind::Missing => None,
            ast::ExprKind::Name(name) => self.name(name),
            ast::ExprKind::Literal(literal) => self.lower_literal(literal, expr.span),
            ast::ExprKind::Unary { op, operand } => self.unary(*op, operand, expr.span),
            ast::ExprKind::Binary { .. } => self.binary_chain(expr),
            ast::ExprKind::List { op, op_span, left, items } => self.list(*op, *op_span, left, items, expr.span),
            ast::ExprKind::Between { is_negated, op_span, operand, low, high } => {
                let name = if *is_negated { "!between" } else { "between" };
                self.operator_call(name, *op_span, &[operand, low, high], expr.span)
            }
            ast::ExprKind::Path { .. } => self.path(expr),
            ast::ExprKind::Index { base, index } => self.index(base, index, expr.span),
            ast::ExprKind::Call { name, args } => self.scalar_call(name, args, expr.span),
            ast::ExprKind::Paren(inner) => self.scalar(inner),
            ast::ExprKind::Star | ast::ExprKind::Wildcard(_) => {
                self.fail(Code::E2006, expr.span, "several columns stand where one value is needed")
            }
            ast::ExprKind::Pipeline(_) | ast::ExprKind::Source(_) => {
                let diagnostic = Diagnostic::error(Code::E2006, expr.span, "a table stands where one value is needed");
                self.report(diagnostic.label("write `toscalar(...)` around it"));
                None
            }
            ast::ExprKind::Method { .. } => self.unsupported(expr.span, "a call after a dot"),
            ast::ExprKind::Function(_) => self.fail(Code::E2006, expr.span, "a function literal is not a value"),
            ast::ExprKind::TypeOf(_) => self.fail(Code::E2006, expr.span, "`typeof(...)` is not a value"),
            ast::ExprKind::Assign(assignment) => {
                let diagnostic = Diagnostic::error(Code::E1010, assignment.span, "an assignment is not a value");
                self.report(diagnostic.label("write `==` to compare"));
                None
            }
        }
    }

    /// Lowers an expression that must be of a type; widens, and takes a dynamic only where a string is wanted.
    pub fn scalar_of(&mut self, expr: &'a ast::Expr, ty: Type) -> Option<ExprId> {
        let id = self.scalar(expr)?;
        self.coerce(id, ty, expr)
    }

    /// Converts to a type where that is implicit, or reports what to write.
    pub fn coerce(&mut self, id: ExprId, ty: Type, expr: &ast::Expr) -> Option<ExprId> {
        let found = self.ty(id);
        if found == ty || crate::convert::widens(found, ty) || (ty == Type::String && found == Type::Dynamic) {
            return self.convert(id, ty);
        }
        let code = if found == Type::Dynamic { Code::E2009 } else { Code::E2004 };
        let diagnostic =
            Diagnostic::error(code, expr.span, format!("{} is {found:#}, but {ty:#} is needed", suggest::quoted(expr)));
        self.report(suggest::cast(diagnostic, expr, ty));
        None
    }

    /// Lowers a condition: a bool, as it is.
    pub fn condition(&mut self, expr: &'a ast::Expr) -> Option<ExprId> {
        let id = self.scalar(expr)?;
        let found = self.ty(id);
        if found == Type::Bool {
            return Some(id);
        }
        let code = if found == Type::Dynamic { Code::E2009 } else { Code::E2004 };
        let message = format!("{} is {found:#}, but a condition is a bool", suggest::quoted(expr));
        self.report(suggest::cast(Diagnostic::error(code, expr.span, message), expr, Type::Bool));
        None
    }

    /// Looks a name up: columns of the row, then lets and parameters.
    fn name(&mut self, name: &'a ast::Name) -> Option<ExprId> {
        if let Some(row) = self.row() {
            if let Some(index) = row.find(&name.text) {
                if self.unknown.contains(&name.text) {
                    return None;
                }
                let columns = row.columns.clone();
                if columns.iter().filter(|column| column.name == name.text).count() > 1 {
                    let message = format!("there are two columns called `{}` here", name.text);
                    let diagnostic = Diagnostic::error(Code::E2016, name.span, message);
                    self.report(diagnostic.label("give the one that `parse` adds another name"));
                    return None;
                }
                return self.column(&columns, index as usize, name.span);
            }
            if let Some(aggregation) = &row.aggregation
                && crate::row::find_column(&aggregation.input, &name.text).is_some()
            {
                let message = format!("`{}` has a value for each row of the group", name.text);
                let label = format!("aggregate it, as in `take_any({0})`, or write `by {0}`", name.text);
                self.report(Diagnostic::error(Code::E2008, name.span, message).label(label));
                return None;
            }
        }
        match self.env.find(&name.text) {
            Some(Binding::Scalar(bound)) => self.bound_scalar(name, bound?),
            Some(Binding::Table(_)) => {
                let message = format!("`{}` is a table, but one value is needed", name.text);
                let label = format!("write `toscalar({})`", name.text);
                self.report(Diagnostic::error(Code::E2006, name.span, message).label(label));
                None
            }
            Some(Binding::Function(_)) => {
                let message = format!("`{}` is a function", name.text);
                let diagnostic = Diagnostic::error(Code::E2006, name.span, message);
                self.report(diagnostic.label(format!("write `{}(...)`", name.text)));
                None
            }
            None => self.unknown_name(name),
        }
    }

    /// Uses a bound scalar here, unless it reads columns of another row.
    fn bound_scalar(&mut self, name: &ast::Name, bound: ScalarBinding) -> Option<ExprId> {
        let here = self.row().map(|row| row.id);
        if bound.row.is_some() && bound.row != here {
            let message =
                format!("`{}` depends on the row at the call, so it can't be used inside a table here", name.text);
            return self.fail(Code::E2006, name.span, message);
        }
        Some(bound.expr)
    }

    fn unknown_name(&mut self, name: &ast::Name) -> Option<ExprId> {
        if self.is_open {
            return None;
        }
        if self.catalog.schema(&name.text).is_some() {
            let message = format!("`{}` is a table, but one value is needed", name.text);
            return self.fail(Code::E2006, name.span, message);
        }
        let diagnostic = self.unknown_column(name);
        self.report(diagnostic);
        None
    }

    /// Returns the diagnostic for a name that is no column and no variable.
    pub fn unknown_column(&self, name: &ast::Name) -> Diagnostic {
        let mut candidates: Vec<String> = Vec::new();
        if let Some(row) = self.row() {
            let input = row.aggregation.as_ref().map_or(&row.columns, |aggregation| &aggregation.input);
            candidates.extend(input.iter().map(|column| column.name.trim_start_matches(crate::row::OUTER).to_owned()));
        }
        self.env.each(|known, binding| {
            if matches!(binding, Binding::Scalar(_)) {
                candidates.push(known.to_owned());
            }
        });
        let message = format!("no column or variable is called `{}`", name.text);
        let mut diagnostic = Diagnostic::error(Code::E2001, name.span, message);
        if let Some(function) = dtq_ir::functions::by_name(&name.text) {
            let is_bare = function.signatures.iter().any(|signature| signature.args_min == 0);
            return match is_bare {
                true => diagnostic.fix(name.span, format!("{}()", name.text)),
                false => diagnostic.label(format!("`{0}` is a function: write `{0}(...)`", name.text)),
            };
        }
        diagnostic = suggest::did_you_mean(diagnostic, name, &candidates);
        if diagnostic.fix.is_none() && !candidates.is_empty() {
            diagnostic = diagnostic.note(suggest::listing("columns here", &candidates));
        }
        diagnostic
    }

    fn path(&mut self, expr: &'a ast::Expr) -> Option<ExprId> {
        let mut names: Vec<&'a ast::Name> = Vec::new();
        let mut base = expr;
        while let ast::ExprKind::Path { base: inner, name } = &base.kind {
            names.push(name);
            base = inner;
        }
        names.reverse();
        if let Some(found) = self.side_column(base, &names) {
            return found;
        }
        let mut id = self.scalar(base)?;
        self.warn_nested_key(base, &names, expr.span);
        for name in names {
            let span = base.span.to(name.span);
            self.dynamic_base(id, base, &name.text, span)?;
            let key = Str::from(name.text.as_str());
            id = self.add(ExprKind::Property { base: id, key }, Type::Dynamic, span)?;
        }
        Some(id)
    }

    fn dynamic_base(&mut self, id: ExprId, base: &ast::Expr, key: &str, span: Span) -> Option<()> {
        let ty = self.ty(id);
        if ty == Type::Dynamic {
            return Some(());
        }
        let message = format!("{} is {ty:#}: it has no property or element `{key}`", suggest::quoted(base));
        let mut diagnostic = Diagnostic::error(Code::E2004, span, message);
        if ty == Type::String {
            diagnostic = suggest::wrap(diagnostic, base, "parse_json");
        }
        self.report(diagnostic);
        None
    }

    /// Finds `$left.a`, or the column of a step of `scan`.
    fn side_column(&mut self, base: &ast::Expr, names: &[&'a ast::Name]) -> Option<Option<ExprId>> {
        let ast::ExprKind::Name(side) = &base.kind else { return None };
        let (columns, start) = {
            let row = self.row()?;
            let (_, columns, start) = row.sides.iter().find(|(name, _, _)| *name == side.text)?;
            (columns.clone(), *start)
        };
        let name = names[0];
        let Some(index) = crate::row::find_column(&columns, &name.text) else {
            let candidates: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
            let message = format!("`{}` has no column `{}`", side.text, name.text);
            let diagnostic = Diagnostic::error(Code::E2001, name.span, message);
            self.report(suggest::did_you_mean(diagnostic, name, &candidates));
            return Some(None);
        };
        let ty = columns[index as usize].ty;
        let mut found = self.add(ExprKind::Column(start + index), ty, base.span.to(name.span));
        for name in &names[1..] {
            let span = base.span.to(name.span);
            let key = Str::from(name.text.as_str());
            found = found.and_then(|base| self.add(ExprKind::Property { base, key }, Type::Dynamic, span));
        }
        Some(found)
    }

    /// Warns of `Attributes.a.b`, which reads a nested property although the keys of these bags have dots.
    ///
    /// # Source
    /// DESIGN, "Telemetry as tables".
    fn warn_nested_key(&mut self, base: &ast::Expr, names: &[&ast::Name], span: Span) {
        let ast::ExprKind::Name(bag) = &base.kind else { return };
        if names.len() < 2 || !FLAT_BAGS.contains(&bag.text.as_str()) {
            return;
        }
        let key = names.iter().map(|name| name.text.as_str()).collect::<Vec<_>>().join(".");
        let message = format!(
            "`{}.{key}` reads a property inside a property, but the keys of `{}` have dots",
            bag.text, bag.text
        );
        let diagnostic = Diagnostic::warning(Code::E2101, span, message);
        self.report(diagnostic.fix(span, format!("{}[\"{key}\"]", bag.text)));
    }

    fn index(&mut self, base: &'a ast::Expr, index: &'a ast::Expr, span: Span) -> Option<ExprId> {
        let base_id = self.scalar(base);
        let index_id = self.scalar(index);
        let (base_id, index_id) = (base_id?, index_id?);
        self.dynamic_base(base_id, base, "[...]", span)?;
        match self.ty(index_id) {
            Type::String => {
                if let ExprKind::Const(Value::String(key)) = &self.program.expr(index_id).kind {
                    let key = key.clone();
                    return self.add(ExprKind::Property { base: base_id, key }, Type::Dynamic, span);
                }
                self.add(ExprKind::Element { base: base_id, index: index_id }, Type::Dynamic, span)
            }
            Type::Int | Type::Long => {
                let index = self.convert(index_id, Type::Long)?;
                self.add(ExprKind::Element { base: base_id, index }, Type::Dynamic, span)
            }
            Type::Dynamic => {
                let message = format!("{} is a dynamic, but an index is a long or a string", suggest::quoted(index));
                let diagnostic = Diagnostic::error(Code::E2009, index.span, message);
                self.report(suggest::cast(diagnostic, index, Type::String));
                None
            }
            other => {
                let message = format!("{} is {other:#}, but an index is a long or a string", suggest::quoted(index));
                self.fail(Code::E2004, index.span, message)
            }
        }
    }
}

/// The columns whose keys contain dots: those of DESIGN and of its aliases.
const FLAT_BAGS: &[&str] = &[
    "Attributes",
    "Resource",
    "customDimensions",
    "Properties",
    "ResourceAttributes",
    "LogsAttributes",
    "TraceAttributes",
    "MetricAttributes",
    "SpanAttributes",
];
