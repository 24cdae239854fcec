//! Calls that are not calls of the table: they evaluate only some arguments, or look at columns and tables.

use crate::convert::common;
use crate::lowerer::Lowerer;
use crate::suggest;
use dtq_ir::expr::ExprKind;
use dtq_ir::{ExprId, RelId, functions};
use dtq_source::{Code, Diagnostic, Span};
use dtq_syntax::ast;
use dtq_value::{Type, Value};
use smallvec::SmallVec;

/// The special forms, for did-you-mean.
pub(crate) const FORMS: &[&str] = &[
    "iff",
    "iif",
    "case",
    "coalesce",
    "toscalar",
    "materialize",
    "column_ifexists",
    "pack_all",
    "row_number",
    "prev",
    "next",
    "row_cumsum",
    "row_rank_dense",
    "row_rank_min",
    "row_window_session",
];

impl<'a> Lowerer<'a> {
    /// Lowers a special form; `None` when the name is not one.
    pub fn special_call(&mut self, name: &'a ast::Name, args: &'a [ast::Arg], span: Span) -> Option<Option<ExprId>> {
        Some(match name.text.as_str() {
            "iff" | "iif" | "case" => self.case(name, args, span),
            "coalesce" => self.coalesce(name, args, span),
            "toscalar" => self.toscalar(name, args, span),
            "column_ifexists" | "columnifexists" => self.column_ifexists(name, args),
            "pack_all" => self.pack_all(name, args, span),
            "isnull" | "isnotnull" => {
                self.warn_null_test(name, args, span);
                return None;
            }
            "materialize" | "table" | "view" | "database" | "cluster" => {
                let message = format!("`{}` gives a table, but one value is needed", name.text);
                self.fail(Code::E2006, span, message)
            }
            other => {
                let window = crate::window::by_name(other)?;
                self.window_call(window, name, args, span)
            }
        })
    }

    fn wrong_count<T>(&mut self, name: &ast::Name, wanted: &str, found: usize, span: Span) -> Option<T> {
        self.fail(Code::E2005, span, format!("`{}` takes {wanted}, not {found}", name.text))
    }

    /// Lowers `iff(c, a, b)` and `case(c, a, ..., b)`.
    fn case(&mut self, name: &'a ast::Name, args: &'a [ast::Arg], span: Span) -> Option<ExprId> {
        let is_case = name.text == "case";
        if args.len() < 3 || args.len().is_multiple_of(2) || (!is_case && args.len() != 3) {
            self.lower_args_for_errors(args);
            let wanted = if is_case { "pairs of condition and value, and a last value" } else { "3 arguments" };
            return self.wrong_count(name, wanted, args.len(), span);
        }
        let (last, pairs) = args.split_last().expect("there are at least three arguments");
        let mut lowered: Vec<(Option<ExprId>, Option<ExprId>)> = Vec::new();
        for pair in pairs.chunks(2) {
            lowered.push((self.condition(&pair[0].value), self.scalar(&pair[1].value)));
        }
        let otherwise = self.scalar(&last.value);
        let lowered: Option<Vec<(ExprId, ExprId)>> = lowered.into_iter().map(|(c, value)| Some((c?, value?))).collect();
        let (lowered, otherwise) = (lowered?, otherwise?);
        let types = lowered.iter().map(|(_, value)| self.ty(*value)).chain([self.ty(otherwise)]);
        let ty = case_type(types.collect());
        let mut arms = Vec::new();
        for (condition, value) in lowered {
            arms.push((condition, self.convert(value, ty)?));
        }
        let otherwise = self.convert(otherwise, ty)?;
        self.add(ExprKind::Case { arms, otherwise }, ty, span)
    }

    fn coalesce(&mut self, name: &'a ast::Name, args: &'a [ast::Arg], span: Span) -> Option<ExprId> {
        let ids = self.args(args)?;
        if ids.len() < 2 {
            return self.wrong_count(name, "at least 2 arguments", ids.len(), span);
        }
        let types: Vec<Type> = ids.iter().map(|id| self.ty(*id)).collect();
        let other = types.iter().find(|ty| **ty != Type::Dynamic);
        if let (Some(other), Some(index)) = (other, types.iter().position(|ty| *ty == Type::Dynamic)) {
            let expr = &args[index].value;
            let message = format!("{} is a dynamic beside {other:#} in `coalesce`", suggest::quoted(expr));
            self.report(suggest::cast(Diagnostic::error(Code::E2009, expr.span, message), expr, *other));
            return None;
        }
        let ty = types.iter().copied().map(Some).reduce(|left, right| common(left?, right?)).flatten();
        let Some(ty) = ty else {
            let names: Vec<String> = types.iter().map(|ty| format!("{ty:#}")).collect();
            let message = format!("`coalesce` needs values of one type, not {}", names.join(" and "));
            let mut diagnostic = Diagnostic::error(Code::E2004, span, message);
            if let Some(index) = types.iter().position(|ty| *ty != types[0]) {
                diagnostic = suggest::cast(diagnostic, &args[index].value, types[0]);
            }
            self.report(diagnostic);
            return None;
        };
        let items: Option<Vec<ExprId>> = ids.iter().map(|id| self.convert(*id, ty)).collect();
        self.add(ExprKind::Coalesce(items?), ty, span)
    }

    fn toscalar(&mut self, name: &'a ast::Name, args: &'a [ast::Arg], span: Span) -> Option<ExprId> {
        let is_hint = |arg: &&ast::Arg| arg.name.as_ref().is_some_and(|name| name.text == "kind");
        let args: Vec<&'a ast::Arg> = args.iter().filter(|arg| !is_hint(arg)).collect();
        let [arg] = args.as_slice() else { return self.wrong_count(name, "1 argument", args.len(), span) };
        if !self.is_tabular(&arg.value) {
            return self.scalar(&arg.value);
        }
        let rel = self.subquery(&arg.value)?;
        let Some(first) = self.columns(rel).first().cloned() else {
            return self.fail(Code::E2006, span, "the table has no column to take a value from");
        };
        self.add(ExprKind::Scalar(rel), first.ty, span)
    }

    fn column_ifexists(&mut self, name: &'a ast::Name, args: &'a [ast::Arg]) -> Option<ExprId> {
        let [column, default] = args else {
            return self.wrong_count(name, "2 arguments", args.len(), name.span);
        };
        let id = self.scalar(&column.value)?;
        let Some(Value::String(text)) = self.constant_value(id) else {
            let message = format!("`{}` needs the name of the column as a constant string", name.text);
            return self.fail(Code::E2010, column.value.span, message);
        };
        let found = self.row().and_then(|row| Some((row.find(&text.as_text())?, row.columns.clone())));
        match found {
            Some((index, columns)) => self.column(&columns, index as usize, column.value.span),
            None => self.scalar(&default.value),
        }
    }

    /// Lowers `pack_all()` to a bag of all columns.
    fn pack_all(&mut self, name: &'a ast::Name, args: &'a [ast::Arg], span: Span) -> Option<ExprId> {
        if !args.is_empty() {
            return self.unsupported(name.span, "`pack_all` with an argument");
        }
        let columns = self.row().map(|row| row.columns.clone()).unwrap_or_default();
        let Some(function) = functions::by_name("bag_pack") else { return self.unsupported(name.span, "`pack_all`") };
        let mut packed: SmallVec<[ExprId; 3]> = SmallVec::new();
        for (index, column) in columns.iter().enumerate().filter(|(_, column)| !crate::row::is_outer(column)) {
            packed.push(self.constant(Value::string(column.name.as_str()), Type::String, span)?);
            packed.push(self.column(&columns, index, span)?);
        }
        let written = ast::Name { text: "pack_all".into(), span: name.span, is_bracketed: false };
        self.resolve(function, &written, &packed, &[], span)
    }

    /// Warns of `isnull` of a string, which is never null.
    ///
    /// # Source
    /// Kusto documentation, "Null values": the string data type does not support null values.
    fn warn_null_test(&mut self, name: &'a ast::Name, args: &'a [ast::Arg], span: Span) {
        let [arg] = args else { return };
        let ty = self.silently(|this| this.scalar(&arg.value).map(|id| this.ty(id)));
        if ty != Some(Type::String) {
            return;
        }
        let (answer, test) = if name.text == "isnull" { ("false", "isempty") } else { ("true", "isnotempty") };
        let message = format!("`{}` of a string is always {answer}: a missing string is \"\"", name.text);
        let diagnostic = Diagnostic::warning(Code::E2103, span, message);
        self.report(match suggest::text(&arg.value) {
            Some(text) => diagnostic.fix(span, format!("{test}({text})")),
            None => diagnostic.label(format!("write `{test}(...)`")),
        });
    }

    /// Returns the first column of a relation as one dynamic array, evaluated once.
    pub fn first_column_as_array(&mut self, rel: RelId, span: Span) -> Option<ExprId> {
        let aggregate = dtq_ir::aggregate::by_name("make_set").expect("the table of aggregates has make_set");
        let columns = self.columns(rel);
        let arg = self.column(&columns, 0, span)?;
        let call =
            dtq_ir::rel::AggregateCall { aggregate, args: vec![arg], condition: None, outputs: vec![Type::Dynamic] };
        let kind = dtq_ir::RelKind::Aggregate { input: rel, keys: Vec::new(), aggregates: vec![call] };
        let column = dtq_record::stream::Column::new("set_", Type::Dynamic);
        let set = self.add_rel(kind, vec![column], false, span)?;
        self.add(ExprKind::Scalar(set), Type::Dynamic, span)
    }

    /// Returns a relation of the first column alone, converted.
    pub fn with_first_column_as(&mut self, rel: RelId, ty: Type) -> Option<RelId> {
        let columns = self.columns(rel);
        let span = self.program.rel(rel).span;
        let first = self.column(&columns, 0, span)?;
        let converted = self.convert(first, ty)?;
        let kind = dtq_ir::RelKind::Project { input: rel, exprs: vec![converted] };
        let column = dtq_record::stream::Column::new(columns[0].name.clone(), ty);
        self.add_rel(kind, vec![column], false, span)
    }
}

/// Returns the type of `iff` and `case`: the common type of the values that are not dynamic, else dynamic.
///
/// # Source
/// Microsoft's binder: `CommonScalarOrDynamic` parameters, `CommonNonDynamic` result.
fn case_type(types: Vec<Type>) -> Type {
    let typed = types.iter().copied().filter(|ty| *ty != Type::Dynamic);
    match typed.map(Some).reduce(|left, right| common(left?, right?)) {
        Some(Some(ty)) => ty,
        Some(None) | None => Type::Dynamic,
    }
}
