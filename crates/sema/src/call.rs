//! Calls: user functions, the special forms, window functions, aggregates, and the table of functions.

use crate::convert::{choose, result_type};
use crate::env::Binding;
use crate::lowerer::Lowerer;
use crate::suggest;
use dtq_ir::expr::ExprKind;
use dtq_ir::function::{FunctionRef, ParamKind, Signature};
use dtq_ir::{ExprId, aggregate, functions};
use dtq_source::{Code, Diagnostic, Span};
use dtq_syntax::ast;
use dtq_value::Type;
use smallvec::SmallVec;

impl<'a> Lowerer<'a> {
    /// Lowers a call in a place where one value is needed.
    pub fn scalar_call(&mut self, name: &'a ast::Name, args: &'a [ast::Arg], span: Span) -> Option<ExprId> {
        if let Some(Binding::Function(function)) = self.env.find(&name.text) {
            return self.call_user_scalar(&function, name, args, span);
        }
        if let Some(found) = self.special_call(name, args, span) {
            return found;
        }
        let is_aggregating = self.row().is_some_and(|row| row.aggregation.is_some());
        let aggregate = aggregate::by_name(&name.text);
        if let Some(aggregate) = aggregate
            && is_aggregating
        {
            return self.aggregate_value(aggregate, name, args, span);
        }
        if let Some(function) = functions::by_name(&name.text).filter(|_| is_word(&name.text)) {
            return self.table_call(function, name, args, span);
        }
        if aggregate.is_some() {
            self.lower_args_for_errors(args);
            return self.refuse_aggregate(name);
        }
        self.lower_args_for_errors(args);
        self.unknown_function(name)
    }

    /// Lowers arguments only to find the mistakes in them.
    pub fn lower_args_for_errors(&mut self, args: &'a [ast::Arg]) {
        for arg in args {
            let is_value = !matches!(arg.value.kind, ast::ExprKind::Star | ast::ExprKind::TypeOf(_));
            if is_value && !self.is_tabular(&arg.value) {
                self.scalar(&arg.value);
            }
        }
    }

    fn refuse_aggregate(&mut self, name: &ast::Name) -> Option<ExprId> {
        let message = format!("`{}` is an aggregate: it stands in `summarize` only", name.text);
        let label = format!("write `| summarize {}(...)`", name.text);
        self.report(Diagnostic::error(Code::E2008, name.span, message).label(label));
        None
    }

    /// Reports a name that no function has, or one that is known but not implemented.
    pub fn unknown_function<T>(&mut self, name: &ast::Name) -> Option<T> {
        if self.expanding.contains(&name.text.as_str()) {
            return self.fail(
                Code::E2013,
                name.span,
                format!("`{}` calls itself, which is not possible in KQL", name.text),
            );
        }
        if crate::known::is_known(&name.text) {
            return self.unsupported(name.span, format!("the function `{}`", name.text));
        }
        let mut candidates: Vec<String> = functions::all()
            .flat_map(|entry| std::iter::once(entry.name).chain(entry.aliases.iter().copied()))
            .filter(|known| is_word(known))
            .map(str::to_owned)
            .collect();
        candidates.extend(crate::special::FORMS.iter().map(|form| (*form).to_owned()));
        let aggregates = aggregate::ALL.iter().map(|entry| entry.name.to_owned());
        match self.row().is_some_and(|row| row.aggregation.is_some()) {
            true => candidates.splice(0..0, aggregates).for_each(drop),
            false => candidates.extend(aggregates),
        }
        self.env.each(|known, binding| {
            if matches!(binding, Binding::Function(_)) {
                candidates.push(known.to_owned());
            }
        });
        let message = format!("no function is called `{}`", name.text);
        self.report(suggest::did_you_mean(Diagnostic::error(Code::E2003, name.span, message), name, &candidates));
        None
    }

    /// Lowers a call of an entry of the table.
    fn table_call(
        &mut self,
        function: FunctionRef,
        name: &'a ast::Name,
        args: &'a [ast::Arg],
        span: Span,
    ) -> Option<ExprId> {
        let (args, named) = self.split_typeof(args);
        if let Some(arg) = args.iter().find(|arg| arg.name.is_some()) {
            let label = "arguments of built-in functions have no names";
            let span = arg.name.as_ref().map_or(arg.value.span, |name| name.span);
            self.report(
                Diagnostic::error(Code::E2005, span, format!("`{}` takes no named arguments", name.text)).label(label),
            );
            return None;
        }
        let ids = self.args(args)?;
        self.check_args(name, &ids, args)?;
        let id = self.resolve(function, name, &ids, args, span)?;
        match named {
            None => Some(id),
            Some(ty) => self.convert(id, ty?),
        }
    }

    /// Separates a last argument `typeof(type)` from the others.
    fn split_typeof(&mut self, args: &'a [ast::Arg]) -> (&'a [ast::Arg], Option<Option<Type>>) {
        match args.split_last() {
            Some((last, rest)) if matches!(last.value.kind, ast::ExprKind::TypeOf(_)) => {
                let ast::ExprKind::TypeOf(columns) = &last.value.kind else { unreachable!("the guard says so") };
                (rest, Some(self.single_type(columns, last.value.span)))
            }
            _ => (args, None),
        }
    }

    /// Returns the type in `typeof(type)`.
    pub fn single_type(&mut self, columns: &[ast::Column], span: Span) -> Option<Type> {
        match columns {
            [ast::Column { name: None, ty: Some(ty) }] => self.type_name(ty),
            _ => self.fail(Code::E2005, span, "one type is needed here, as in `typeof(long)`"),
        }
    }

    /// Returns the type a name means; the parser has reported a name that means none.
    pub fn type_name(&mut self, name: &ast::TypeName) -> Option<Type> {
        Type::parse(&name.text)
    }

    /// Lowers arguments, all of them even after one that has an error.
    pub fn args(&mut self, args: &'a [ast::Arg]) -> Option<Vec<ExprId>> {
        let ids: Vec<Option<ExprId>> = args.iter().map(|arg| self.scalar(&arg.value)).collect();
        ids.into_iter().collect()
    }

    /// Chooses the overload, converts the arguments and adds the call.
    pub fn resolve(
        &mut self,
        function: FunctionRef,
        name: &ast::Name,
        ids: &[ExprId],
        args: &[ast::Arg],
        span: Span,
    ) -> Option<ExprId> {
        let types: Vec<Type> = ids.iter().map(|id| self.ty(*id)).collect();
        let Some(choice) = choose(&function, &types) else {
            return self.refuse_args(function, name, &types, args, span);
        };
        let signature = &function.signatures[choice.signature as usize];
        let mut converted: SmallVec<[ExprId; 3]> = SmallVec::new();
        for (index, (id, ty)) in ids.iter().zip(&choice.types).enumerate() {
            let mut id = self.convert(*id, *ty)?;
            if signature.param(index).is_some_and(|param| param.is_constant) {
                id = self.needed_constant(id, name, args.get(index).map_or(span, |arg| arg.value.span))?;
            }
            converted.push(id);
        }
        let ty = result_type(signature, &choice.types, None);
        self.call(function, choice.signature, converted, ty, span)
    }

    /// Returns the constant that an expression is.
    fn needed_constant(&mut self, id: ExprId, name: &ast::Name, span: Span) -> Option<ExprId> {
        if matches!(self.program.expr(id).kind, ExprKind::Const(_)) {
            return Some(id);
        }
        match self.constant_value(id) {
            Some(value) => self.constant(value, self.ty(id), self.span(id)),
            None if !self.has_column(id) => Some(id),
            None => self.fail(Code::E2010, span, format!("`{}` needs a constant here", name.text)),
        }
    }

    fn refuse_args(
        &mut self,
        function: FunctionRef,
        name: &ast::Name,
        types: &[Type],
        args: &[ast::Arg],
        span: Span,
    ) -> Option<ExprId> {
        if !function.signatures.iter().any(|signature| signature.takes(types.len())) {
            let wanted = counts(function.signatures);
            let message = format!("`{}` takes {wanted}, not {}", name.text, types.len());
            return self.fail(Code::E2005, span, message);
        }
        let signatures = function.signatures.iter().filter(|signature| signature.takes(types.len()));
        let misfit = signatures.filter_map(|signature| first_misfit(signature, types)).max_by_key(|(index, _)| *index);
        let Some((index, kind)) = misfit else {
            let message = format!("the arguments of `{}` have no common type", name.text);
            return self.fail(Code::E2005, span, message);
        };
        let (ty, expr) = (types[index], &args[index].value);
        let code = if ty == Type::Dynamic { Code::E2009 } else { Code::E2005 };
        let message =
            format!("{} is {ty:#}, but `{}` takes {} here", suggest::quoted(expr), name.text, wanted_by(kind));
        let diagnostic = Diagnostic::error(code, expr.span, message);
        self.report(match example_type(kind) {
            Some(to) if to != Type::Dynamic => suggest::cast(diagnostic, expr, to),
            Some(_) if ty == Type::String => suggest::wrap(diagnostic, expr, "parse_json"),
            _ => diagnostic,
        });
        None
    }
}

/// Says whether a name of the table can be called: operators and internal functions cannot.
fn is_word(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && !matches!(name, "and" | "or" | "contains" | "has" | "in" | "between")
        && functions::by_name(name).is_none_or(|entry| entry.group != dtq_ir::function::Group::Operator)
}

fn first_misfit(signature: &Signature, types: &[Type]) -> Option<(usize, ParamKind)> {
    let kinds = types.iter().enumerate().map(|(index, ty)| (index, signature.param(index), *ty));
    kinds
        .filter_map(|(index, param, ty)| Some((index, param?.kind, ty)))
        .find(|(_, kind, ty)| crate::convert::accept(*kind, *ty, false).is_none())
        .map(|(index, kind, _)| (index, kind))
}

fn wanted_by(kind: ParamKind) -> String {
    match kind {
        ParamKind::Is(ty) | ParamKind::Exactly(ty) => format!("{ty:#}"),
        ParamKind::NotDynamic => "a value that is not dynamic".to_owned(),
        ParamKind::Number => "a number".to_owned(),
        ParamKind::Integer => "an int or long".to_owned(),
        ParamKind::Summable => "a number, datetime or timespan".to_owned(),
        ParamKind::Orderable => "a value that has an order".to_owned(),
        ParamKind::StringOrDynamic => "a string or dynamic".to_owned(),
        ParamKind::IntegerOrDynamic => "an int, long or dynamic".to_owned(),
        ParamKind::Text | ParamKind::Scalar | ParamKind::Common => "a value".to_owned(),
        #[allow(unreachable_patterns, reason = "kinds may be added to the table")]
        _ => "another type".to_owned(),
    }
}

/// Returns the type to cast to for a parameter.
fn example_type(kind: ParamKind) -> Option<Type> {
    match kind {
        ParamKind::Is(ty) | ParamKind::Exactly(ty) => Some(ty),
        ParamKind::NotDynamic | ParamKind::StringOrDynamic | ParamKind::Orderable => Some(Type::String),
        ParamKind::Number | ParamKind::Summable => Some(Type::Real),
        ParamKind::Integer | ParamKind::IntegerOrDynamic => Some(Type::Long),
        _ => None,
    }
}

/// Returns how many arguments overloads take, in words.
fn counts(signatures: &[Signature]) -> String {
    let least = signatures.iter().map(|signature| signature.args_min).min().unwrap_or(0);
    let most = match signatures.iter().any(|signature| signature.is_variadic) {
        true => None,
        false => signatures.iter().map(|signature| signature.params.len()).max(),
    };
    match most {
        None => format!("at least {least} arguments"),
        Some(0) => "no arguments".to_owned(),
        Some(1) if least == 1 => "1 argument".to_owned(),
        Some(most) if most == least => format!("{most} arguments"),
        Some(most) => format!("{least} to {most} arguments"),
    }
}
