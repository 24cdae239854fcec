//! Statements: lets, parameters, the outputs of a query, and the expansion of functions.

use crate::env::{Binding, FunctionBinding, ScalarBinding, View};
use crate::lowerer::Lowerer;
use crate::suggest;
use dtq_ir::{ExprId, RelId};
use dtq_source::{Code, Diagnostic, Span};
use dtq_syntax::ast;
use dtq_value::scalar::convert;
use dtq_value::{Str, Type, Value};
use std::rc::Rc;

impl<'a> Lowerer<'a> {
    /// Lowers all statements of a query; each tabular one is an output.
    pub fn lower_query(&mut self, query: &'a ast::Query) {
        let mut result_count = 0;
        for statement in &query.statements {
            match statement {
                ast::Statement::Expr(expr) => {
                    result_count += 1;
                    self.lower_result(expr, result_count);
                }
                other => self.lower_declaration(other),
            }
        }
        if result_count == 0 && !query.statements.is_empty() {
            let message = "the query only declares names: its last statement must give a table";
            self.fail::<()>(Code::E2006, query.span.after(), message);
        }
    }

    fn lower_result(&mut self, expr: &'a ast::Expr, position: usize) {
        self.unnamed_count = 0;
        if self.is_tabular(expr) || self.is_probably_table(expr) {
            let Some(rel) = self.tabular(expr) else { return };
            if self.program.outputs.iter().any(|output| output.rel == rel) {
                return;
            }
            let name = if position == 1 { "PrimaryResult".to_owned() } else { format!("Table_{position}") };
            self.output(name, rel);
            return;
        }
        let lowered = self.over(Vec::new(), |this| this.scalar(expr));
        let Some(id) = lowered else { return };
        let ty = self.ty(id);
        let rel = self.one_row(expr.span).and_then(|input| {
            let column = dtq_record::stream::Column::new("print_0", ty);
            self.add_rel(dtq_ir::RelKind::Project { input, exprs: vec![id] }, vec![column], false, expr.span)
        });
        if let Some(rel) = rel {
            self.output("PrimaryResult", rel);
        }
    }

    /// Says whether a name that means nothing was probably meant as a table.
    fn is_probably_table(&self, expr: &ast::Expr) -> bool {
        match &expr.kind {
            ast::ExprKind::Paren(inner) => self.is_probably_table(inner),
            ast::ExprKind::Name(name) => self.env.find(&name.text).is_none(),
            ast::ExprKind::Wildcard(_) => true,
            _ => false,
        }
    }

    fn lower_declaration(&mut self, statement: &'a ast::Statement) {
        match statement {
            ast::Statement::Let(found) => self.lower_let(found),
            ast::Statement::Set { .. } => {}
            ast::Statement::QueryParameters { params, .. } => {
                params.iter().for_each(|param| self.lower_parameter(param))
            }
            ast::Statement::Unsupported { keyword, span } => {
                self.unsupported::<()>(*span, format!("the statement `{}`", keyword.text));
            }
            ast::Statement::Expr(_) => {}
        }
    }

    fn lower_let(&mut self, found: &'a ast::Let) {
        let binding = match &found.value.kind {
            ast::ExprKind::Function(function) => {
                let name = found.name.text.as_str();
                let binding = Rc::new(FunctionBinding { name, function, env: self.env.clone() });
                self.check_body(&binding);
                Binding::Function(binding)
            }
            _ if self.is_tabular(&found.value) => Binding::Table(self.subquery(&found.value)),
            _ => Binding::Scalar(self.let_scalar(&found.value)),
        };
        self.declare(&found.name, binding);
    }

    fn let_scalar(&mut self, value: &'a ast::Expr) -> Option<ScalarBinding> {
        let expr = match self.row().is_some() {
            true => self.scalar(value)?,
            false => self.over(Vec::new(), |this| this.scalar(value))?,
        };
        let row = if self.has_column(expr) { self.row().map(|row| row.id) } else { None };
        Some(ScalarBinding { expr, row })
    }

    /// Declares a name in the current block.
    pub fn declare(&mut self, name: &'a ast::Name, binding: Binding<'a>) {
        if !self.env.declare(&name.text, binding) {
            self.fail::<()>(Code::E2007, name.span, format!("`{}` is declared twice", name.text));
        }
    }

    /// Declares a parameter of the query with the value given for it, or its default.
    fn lower_parameter(&mut self, param: &'a ast::Param) {
        let ast::ParamType::Scalar(ty) = &param.ty else {
            self.fail::<()>(Code::E2018, param.name.span, "a parameter of a query is a scalar");
            return;
        };
        let Some(ty) = self.type_name(ty) else {
            self.declare(&param.name, Binding::Scalar(None));
            return;
        };
        let expr = match (self.options.params.get(&param.name.text), &param.default) {
            (Some(text), _) => self.given_parameter(param, ty, text),
            (None, Some(default)) => self.over(Vec::new(), |this| this.scalar_of(default, ty)),
            (None, None) => {
                let message = format!("the parameter `{}` has no value", param.name.text);
                let diagnostic = Diagnostic::error(Code::E2018, param.name.span, message);
                self.report(
                    diagnostic.label(format!("give one with `--param {}=...`, or a default here", param.name.text)),
                );
                None
            }
        };
        self.declare(&param.name, Binding::Scalar(expr.map(|expr| ScalarBinding { expr, row: None })));
    }

    fn given_parameter(&mut self, param: &ast::Param, ty: Type, text: &str) -> Option<ExprId> {
        let given = Value::String(Str::from(text));
        let depth_max = self.options.limits.value_nesting_max;
        let value = if ty == Type::String { given } else { convert::convert(&given, Type::String, ty, depth_max) };
        if value.is_null() && !matches!(text.trim(), "null" | "") {
            let message = format!("`{text}`, given for the parameter `{}`, is not {ty:#}", param.name.text);
            return self.fail(Code::E2017, param.name.span, message);
        }
        self.constant(value, ty, param.name.span)
    }

    /// Lowers the body of a function once with stand-ins for its parameters, only to find its mistakes.
    fn check_body(&mut self, binding: &Rc<FunctionBinding<'a>>) {
        let mut view = View::inside(Some(binding.env.clone()));
        for param in &binding.function.params {
            let bound = match &param.ty {
                ast::ParamType::Scalar(name) => {
                    let Some(ty) = self.type_name(name) else { return };
                    let value = self.constant(Value::missing(ty), ty, param.name.span);
                    Binding::Scalar(value.map(|expr| ScalarBinding { expr, row: None }))
                }
                ast::ParamType::Table { is_open: true, .. } => return,
                ast::ParamType::Table { columns, span, .. } => {
                    let Some(columns) = self.declared_columns(columns) else { return };
                    let kind = dtq_ir::RelKind::Values { rows: Vec::new() };
                    Binding::Table(self.add_rel(kind, columns, false, *span))
                }
            };
            if !view.declare(&param.name.text, bound) {
                let message = format!("the parameter `{}` is declared twice", param.name.text);
                self.fail::<()>(Code::E2007, param.name.span, message);
            }
        }
        if self.needs_constants(binding.function) {
            return;
        }
        let is_tabular = self.is_tabular_body(binding.function, 0);
        self.in_body(binding.name, view, |this| this.body(binding.function, is_tabular));
    }

    /// Says whether a function has parameters whose values its body may need as constants: then only calls are checked.
    fn needs_constants(&self, function: &ast::Function) -> bool {
        function.params.iter().any(|param| matches!(param.ty, ast::ParamType::Scalar(_)))
            && function.body.iter().any(|statement| {
                let expr = match statement {
                    ast::Statement::Let(found) => &found.value,
                    ast::Statement::Expr(expr) => expr,
                    _ => return false,
                };
                mentions_constant_call(expr, 0)
            })
    }

    /// Runs `work` inside the body of a function.
    fn in_body<T>(&mut self, name: &'a str, view: View<'a>, work: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let outer = std::mem::replace(&mut self.env, view);
        self.expanding.push(name);
        let result = work(self);
        self.expanding.pop();
        self.env = outer;
        result
    }

    /// Lowers the statements of a body; the last one is its value.
    fn body(&mut self, function: &'a ast::Function, is_tabular: bool) -> Option<Body> {
        let (last, before) = function.body.split_last()?;
        for statement in before {
            self.lower_declaration(statement);
        }
        let ast::Statement::Expr(expr) = last else {
            self.lower_declaration(last);
            return None;
        };
        if is_tabular || self.is_tabular(expr) {
            return self.subquery(expr).map(Body::Table);
        }
        let id = match self.row().is_some() {
            true => self.scalar(expr),
            false => self.over(Vec::new(), |this| this.scalar(expr)),
        };
        id.map(Body::Scalar)
    }

    /// Calls a function where one value is needed.
    pub fn call_user_scalar(
        &mut self,
        binding: &Rc<FunctionBinding<'a>>,
        name: &'a ast::Name,
        args: &'a [ast::Arg],
        span: Span,
    ) -> Option<ExprId> {
        let view = self.bind_args(binding, name, args, None, span)?;
        let mut scope = self.scope(Vec::new().into());
        scope.id = self.row().map_or(scope.id, |row| row.id);
        self.rows.push(scope);
        let is_tabular = self.is_tabular_body(binding.function, 0);
        let result =
            self.nested(span, |this| this.in_body(binding.name, view, |this| this.body(binding.function, is_tabular)));
        self.rows.pop();
        match result? {
            Body::Scalar(id) => Some(id),
            Body::Table(_) => {
                let message = format!("`{}` gives a table, but one value is needed", name.text);
                let label = format!("write `toscalar({}(...))`", name.text);
                self.report(Diagnostic::error(Code::E2006, span, message).label(label));
                None
            }
        }
    }

    /// Calls a function where a table is needed; `input` is what `invoke` gives as first argument.
    pub fn call_user_table(
        &mut self,
        binding: &Rc<FunctionBinding<'a>>,
        name: &ast::Name,
        args: &'a [ast::Arg],
        input: Option<RelId>,
        span: Span,
    ) -> Option<RelId> {
        let view = self.bind_args(binding, name, args, input, span)?;
        let rows = std::mem::take(&mut self.rows);
        let is_tabular = self.is_tabular_body(binding.function, 0);
        let result =
            self.nested(span, |this| this.in_body(binding.name, view, |this| this.body(binding.function, is_tabular)));
        self.rows = rows;
        match result? {
            Body::Table(rel) => Some(rel),
            Body::Scalar(_) => {
                let message = format!("`{}` gives one value, but a table is needed", name.text);
                self.fail(Code::E2006, span, message)
            }
        }
    }

    /// Returns the table that a view without parameters gives.
    pub fn expand_view(&mut self, binding: &Rc<FunctionBinding<'a>>, name: &ast::Name, span: Span) -> Option<RelId> {
        self.call_user_table(binding, name, &[], None, span)
    }

    /// Binds arguments to parameters: by name, then by position, then defaults.
    fn bind_args(
        &mut self,
        binding: &Rc<FunctionBinding<'a>>,
        name: &ast::Name,
        args: &'a [ast::Arg],
        input: Option<RelId>,
        span: Span,
    ) -> Option<View<'a>> {
        let params = &binding.function.params;
        let mut given: Vec<Option<&'a ast::Expr>> = vec![None; params.len()];
        let first = usize::from(input.is_some());
        let named: Vec<&str> = args.iter().filter_map(|arg| arg.name.as_ref()).map(|name| name.text.as_str()).collect();
        let mut free = (first..params.len()).filter(|position| !named.contains(&params[*position].name.text.as_str()));
        let mut is_valid = true;
        for arg in args {
            let position = match &arg.name {
                Some(name) => params.iter().position(|param| param.name.text == name.text),
                None => free.next(),
            };
            match position {
                Some(position) => given[position] = Some(&arg.value),
                None => {
                    is_valid = false;
                    self.refuse_argument(name, params, arg, args.len(), span);
                }
            }
        }
        let mut view = View::inside(Some(binding.env.clone()));
        for (position, param) in params.iter().enumerate() {
            let value = if position == 0 && input.is_some() {
                input.and_then(|input| self.table_argument(param, input, span)).map(|rel| Binding::Table(Some(rel)))
            } else {
                self.argument(binding, name, param, given[position], (span, is_valid))
            };
            match value {
                Some(value) => drop(view.declare(&param.name.text, value)),
                None => is_valid = false,
            }
        }
        is_valid.then_some(view)
    }

    fn refuse_argument(&mut self, name: &ast::Name, params: &[ast::Param], arg: &ast::Arg, found: usize, span: Span) {
        match &arg.name {
            Some(written) => {
                let known: Vec<String> = params.iter().map(|param| param.name.text.clone()).collect();
                let message = format!("`{}` has no parameter `{}`", name.text, written.text);
                let diagnostic = Diagnostic::error(Code::E2005, written.span, message);
                self.report(suggest::did_you_mean(diagnostic, written, &known));
            }
            None => {
                let message = format!("`{}` takes {} arguments, not {found}", name.text, params.len());
                self.report(Diagnostic::error(Code::E2005, span, message));
            }
        }
    }

    fn argument(
        &mut self,
        binding: &Rc<FunctionBinding<'a>>,
        name: &ast::Name,
        param: &'a ast::Param,
        given: Option<&'a ast::Expr>,
        (span, is_complete): (Span, bool),
    ) -> Option<Binding<'a>> {
        match (&param.ty, given) {
            (ast::ParamType::Scalar(ty), Some(expr)) => {
                let ty = self.type_name(ty)?;
                let expr = match self.row().is_some() {
                    true => self.argument_of(expr, ty)?,
                    false => self.over(Vec::new(), |this| this.argument_of(expr, ty))?,
                };
                let row = if self.has_column(expr) { self.row().map(|row| row.id) } else { None };
                Some(Binding::Scalar(Some(ScalarBinding { expr, row })))
            }
            (ast::ParamType::Scalar(ty), None) => {
                let ty = self.type_name(ty)?;
                let Some(default) = &param.default else {
                    if !is_complete {
                        return None;
                    }
                    let message = format!("`{}` needs a value for its parameter `{}`", name.text, param.name.text);
                    return self.fail(Code::E2018, span, message);
                };
                let outer = std::mem::replace(&mut self.env, binding.env.clone());
                let expr = self.over(Vec::new(), |this| this.scalar_of(default, ty));
                self.env = outer;
                Some(Binding::Scalar(Some(ScalarBinding { expr: expr?, row: None })))
            }
            (ast::ParamType::Table { .. }, Some(expr)) => {
                let rel = self.subquery(expr)?;
                let rel = self.table_argument(param, rel, expr.span)?;
                Some(Binding::Table(Some(rel)))
            }
            (ast::ParamType::Table { .. }, None) => {
                let message = format!("`{}` needs a table for its parameter `{}`", name.text, param.name.text);
                self.fail(Code::E2018, span, message)
            }
        }
    }

    /// Lowers an argument; a whole number is also an int, as literals have no other way to be one.
    fn argument_of(&mut self, expr: &'a ast::Expr, ty: Type) -> Option<ExprId> {
        let id = self.scalar(expr)?;
        let value = if ty == Type::Int && self.ty(id) == Type::Long { self.constant_value(id) } else { None };
        match value {
            Some(Value::Long(number)) if i32::try_from(number).is_ok() => {
                self.constant(Value::Int(number as i32), Type::Int, expr.span)
            }
            _ => self.coerce(id, ty, expr),
        }
    }

    /// Checks that a table has the columns that a parameter declares.
    fn table_argument(&mut self, param: &'a ast::Param, rel: RelId, span: Span) -> Option<RelId> {
        let ast::ParamType::Table { columns, is_open, .. } = &param.ty else {
            let message = format!("the parameter `{}` is a scalar, but a table is given", param.name.text);
            return self.fail(Code::E2006, span, message);
        };
        if *is_open {
            return Some(rel);
        }
        let wanted = self.declared_columns(columns)?;
        let found = self.columns(rel);
        for column in wanted {
            let message = match found.iter().find(|other| other.name == column.name) {
                Some(other) if other.ty == column.ty => continue,
                Some(other) => format!(
                    "the column `{}` is a {}, but `{}` needs a {}",
                    column.name, other.ty, param.name.text, column.ty
                ),
                None => format!("the table has no column `{}`, which `{}` needs", column.name, param.name.text),
            };
            return self.fail(Code::E2005, span, message);
        }
        Some(rel)
    }

    /// Returns declared columns with their types.
    pub fn declared_columns(&mut self, columns: &[ast::Column]) -> Option<Vec<dtq_record::stream::Column>> {
        let mut found = Vec::new();
        for column in columns {
            let (Some(name), Some(ty)) = (&column.name, &column.ty) else { continue };
            let ty = self.type_name(ty)?;
            if found.iter().any(|other: &dtq_record::stream::Column| other.name == name.text) {
                self.duplicate(&name.text, name.span);
            }
            found.push(dtq_record::stream::Column::new(name.text.clone(), ty));
        }
        Some(found)
    }
}

/// Holds the value of a function's body.
pub(crate) enum Body {
    /// One value.
    Scalar(ExprId),
    /// A table.
    Table(RelId),
}

/// Says whether an expression calls something whose arguments must be constants.
fn mentions_constant_call(expr: &ast::Expr, depth: usize) -> bool {
    if depth > 64 {
        return true;
    }
    let inner = |expr: &ast::Expr| mentions_constant_call(expr, depth + 1);
    match &expr.kind {
        ast::ExprKind::Call { name, args } => {
            let needs = dtq_ir::functions::by_name(&name.text).is_some_and(|function| {
                function.signatures.iter().any(|signature| signature.params.iter().any(|param| param.is_constant))
            });
            needs || name.text.starts_with("column") || args.iter().any(|arg| inner(&arg.value))
        }
        ast::ExprKind::Binary { left, right, .. } => inner(left) || inner(right),
        ast::ExprKind::Unary { operand, .. } => inner(operand),
        ast::ExprKind::Paren(operand) => inner(operand),
        ast::ExprKind::Path { base, .. } => inner(base),
        ast::ExprKind::Index { base, index } => inner(base) || inner(index),
        ast::ExprKind::List { left, items, .. } => inner(left) || items.iter().any(inner),
        ast::ExprKind::Between { operand, low, high, .. } => inner(operand) || inner(low) || inner(high),
        ast::ExprKind::Pipeline(_) | ast::ExprKind::Source(_) => true,
        _ => false,
    }
}
