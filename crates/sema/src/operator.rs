//! Operators: overloads of the table, refusals with the cast to write, warnings about what is never meant.

use crate::convert::choose;
use crate::lowerer::Lowerer;
use crate::suggest;
use dtq_ir::expr::ExprKind;
use dtq_ir::{ExprId, functions};
use dtq_source::{Code, Diagnostic, Span};
use dtq_syntax::ast::{self, BinaryOp, ListOp, UnaryOp};
use dtq_value::{Type, Value};
use smallvec::SmallVec;

impl<'a> Lowerer<'a> {
    /// Lowers a chain of binary operators without recursion on its left side, which can be long.
    pub fn binary_chain(&mut self, expr: &'a ast::Expr) -> Option<ExprId> {
        let mut spine = Vec::new();
        let mut first = expr;
        while let ast::ExprKind::Binary { op, op_span, left, right } = &first.kind {
            spine.push((*op, *op_span, left.as_ref(), right.as_ref(), first.span));
            first = left;
        }
        let (mut left, mut next) = (None, spine.len());
        let mut is_first = true;
        while next > 0 {
            let (op, op_span, left_expr, _, _) = spine[next - 1];
            if matches!(op, BinaryOp::And | BinaryOp::Or) {
                let run = spine[..next].iter().rev().take_while(|part| part.0 == op).count();
                let parts: Vec<&'a ast::Expr> = spine[next - run..next].iter().rev().map(|part| part.3).collect();
                let head = if is_first { self.scalar(left_expr) } else { left };
                left = self.connective(op, (head, left_expr), &parts);
                next -= run;
            } else {
                let (_, _, _, right_expr, span) = spine[next - 1];
                let head = if is_first { self.scalar(left_expr) } else { left };
                let right = self.scalar(right_expr);
                left = match (head, right) {
                    (Some(head), Some(right)) => self.binary(op, op_span, (head, left_expr), (right, right_expr), span),
                    _ => None,
                };
                next -= 1;
            }
            is_first = false;
        }
        left
    }

    /// Joins conditions; as a balanced tree, since a list of hundreds is common.
    fn connective(
        &mut self,
        op: BinaryOp,
        (head, head_expr): (Option<ExprId>, &'a ast::Expr),
        parts: &[&'a ast::Expr],
    ) -> Option<ExprId> {
        let mut operands = vec![head.and_then(|head| self.truth(head, op, head_expr))];
        for part in parts {
            let id = self.scalar(part);
            operands.push(id.and_then(|id| self.truth(id, op, part)));
        }
        let operands: Option<Vec<ExprId>> = operands.into_iter().collect();
        self.balanced(op, &operands?)
    }

    fn balanced(&mut self, op: BinaryOp, operands: &[ExprId]) -> Option<ExprId> {
        if let [one] = operands {
            return Some(*one);
        }
        let (left, right) = operands.split_at(operands.len() / 2);
        let (left, right) = (self.balanced(op, left)?, self.balanced(op, right)?);
        let span = self.span(left).to(self.span(right));
        let kind = if op == BinaryOp::And { ExprKind::And(left, right) } else { ExprKind::Or(left, right) };
        self.add(kind, Type::Bool, span)
    }

    /// Returns an operand of `and` or `or` as a bool.
    fn truth(&mut self, id: ExprId, op: BinaryOp, expr: &ast::Expr) -> Option<ExprId> {
        match self.ty(id) {
            Type::Bool => Some(id),
            Type::Dynamic => self.convert(id, Type::Bool),
            other => {
                let message = format!("{} is {other:#}, but `{}` joins bools", suggest::quoted(expr), op.text());
                self.report(suggest::cast(Diagnostic::error(Code::E2004, expr.span, message), expr, Type::Bool));
                None
            }
        }
    }

    fn binary(
        &mut self,
        op: BinaryOp,
        op_span: Span,
        (left, left_expr): (ExprId, &'a ast::Expr),
        (right, right_expr): (ExprId, &'a ast::Expr),
        span: Span,
    ) -> Option<ExprId> {
        if matches!(op, BinaryOp::Like | BinaryOp::NotLike | BinaryOp::LikeCs | BinaryOp::NotLikeCs | BinaryOp::Search)
        {
            return self.unsupported(op_span, format!("`{}`", op.text()));
        }
        let types = [self.ty(left), self.ty(right)];
        if matches!(op, BinaryOp::Equal | BinaryOp::NotEqual) {
            self.check_equality(op, types, (left, left_expr), (right, right_expr), span)?;
        }
        self.warn_severity(op, left_expr, right);
        self.apply(op.text(), op_span, &[(left, left_expr), (right, right_expr)], span)
    }

    /// Refuses `==` where text is compared with something else, and warns where null is compared.
    ///
    /// # Source
    /// The engine refuses such pairs ("add explicit casts"); issue 2 asks for the cast to write.
    fn check_equality(
        &mut self,
        op: BinaryOp,
        types: [Type; 2],
        (left, left_expr): (ExprId, &ast::Expr),
        (right, right_expr): (ExprId, &ast::Expr),
        span: Span,
    ) -> Option<()> {
        for (id, other) in [(left, right_expr), (right, left_expr)] {
            let is_null = matches!(self.program.expr(id).kind, ExprKind::Const(Value::Null));
            if is_null && !matches!(other.kind, ast::ExprKind::Literal(_)) {
                let message =
                    format!("`{}` with null is {} or null, whatever the value", op.text(), op == BinaryOp::NotEqual);
                let test = if op == BinaryOp::Equal { "isnull" } else { "isnotnull" };
                let is_refused = types == [Type::Dynamic, Type::Dynamic];
                let report = if is_refused { Diagnostic::error } else { Diagnostic::warning };
                let diagnostic = report(Code::E2103, span, message);
                let fixed = match suggest::text(other) {
                    Some(text) => diagnostic.fix(span, format!("{test}({text})")),
                    None => diagnostic.label(format!("write `{test}(...)`")),
                };
                self.report(fixed);
                return (!is_refused).then_some(());
            }
        }
        let (text_expr, other_expr, other) = match types {
            [Type::String, other] => (left_expr, right_expr, other),
            [other, Type::String] => (right_expr, left_expr, other),
            _ => return Some(()),
        };
        if matches!(other, Type::String | Type::Dynamic | Type::Bool) {
            return Some(());
        }
        let is_literal = matches!(text_expr.kind, ast::ExprKind::Literal(_));
        let message = format!(
            "{} is a string and {} {other:#}: they are never equal as they stand",
            suggest::quoted(text_expr),
            suggest::quoted(other_expr)
        );
        if matches!(other, Type::DateTime | Type::TimeSpan | Type::Guid) {
            let diagnostic =
                Diagnostic::error(Code::E2004, span, message.replace("never equal as they stand", "not compared"));
            self.report(suggest::cast(diagnostic, text_expr, other));
            return None;
        }
        let diagnostic = Diagnostic::warning(Code::E2103, span, message);
        let other_is_literal = matches!(other_expr.kind, ast::ExprKind::Literal(_));
        let fixed = match suggest::text(other_expr) {
            Some(text) if other_is_literal && !is_literal => diagnostic.fix(other_expr.span, format!("\"{text}\"")),
            _ => suggest::cast(diagnostic, text_expr, other),
        };
        self.report(fixed);
        Some(())
    }

    /// Warns that 0 stands for "unset".
    ///
    /// # Source
    /// DESIGN, "Dynamic."; OpenTelemetry logs data model, SeverityNumber.
    fn warn_severity(&mut self, op: BinaryOp, left: &ast::Expr, right: ExprId) {
        let ast::ExprKind::Name(name) = &left.kind else { return };
        if name.text != "SeverityNumber" || !matches!(op, BinaryOp::Less | BinaryOp::LessOrEqual) {
            return;
        }
        let Some(Value::Long(bound)) = self.constant_value(right) else { return };
        let last = if op == BinaryOp::Less { bound.saturating_sub(1) } else { bound };
        let span = left.span.to(self.span(right));
        let message = "this also holds for records without a severity, whose SeverityNumber is 0";
        let diagnostic = Diagnostic::warning(Code::E2102, span, message);
        self.report(diagnostic.fix(span, format!("SeverityNumber between (1 .. {last})")));
    }

    /// Lowers the operands of an operator and applies it.
    pub fn operator_call(
        &mut self,
        name: &'static str,
        op_span: Span,
        operands: &[&'a ast::Expr],
        span: Span,
    ) -> Option<ExprId> {
        let lowered: Vec<Option<ExprId>> = operands.iter().map(|operand| self.scalar(operand)).collect();
        let ids: Option<Vec<ExprId>> = lowered.into_iter().collect();
        let pairs: Vec<(ExprId, &ast::Expr)> = ids?.into_iter().zip(operands.iter().copied()).collect();
        self.apply(name, op_span, &pairs, span)
    }

    /// Applies an operator of the table to operands.
    fn apply(&mut self, name: &str, op_span: Span, operands: &[(ExprId, &ast::Expr)], span: Span) -> Option<ExprId> {
        let Some(function) = functions::by_name(name) else {
            return self.unsupported(op_span, format!("`{name}`"));
        };
        let types: Vec<Type> = operands.iter().map(|(id, _)| self.ty(*id)).collect();
        let Some(choice) = choose(&function, &types) else {
            return self.refuse_operands(name, op_span, operands, span);
        };
        let mut args = SmallVec::new();
        for ((id, _), ty) in operands.iter().zip(&choice.types) {
            args.push(self.convert(*id, *ty)?);
        }
        let signature = &function.signatures[choice.signature as usize];
        let ty = crate::convert::result_type(signature, &choice.types, None);
        self.call(function, choice.signature, args, ty, span)
    }

    fn refuse_operands(
        &mut self,
        name: &str,
        op_span: Span,
        operands: &[(ExprId, &ast::Expr)],
        span: Span,
    ) -> Option<ExprId> {
        let described: Vec<String> = operands
            .iter()
            .map(|(id, expr)| {
                let ty = self.ty(*id);
                suggest::text(expr).map_or_else(|| format!("{ty:#}"), |text| format!("`{text}` ({ty:#})"))
            })
            .collect();
        let described = described.join(" and ");
        let dynamic = operands.iter().find(|(id, _)| self.ty(*id) == Type::Dynamic);
        let other = operands.iter().find(|(id, _)| self.ty(*id) != Type::Dynamic);
        if let Some((_, expr)) = dynamic {
            let ty = match other.map(|(id, _)| self.ty(*id)) {
                Some(ty) => ty,
                None if matches!(name, "<" | "<=" | ">" | ">=") => Type::Real,
                None => Type::String,
            };
            let message = format!("`{name}` needs to know the type of {}", suggest::quoted(expr));
            self.report(suggest::cast(Diagnostic::error(Code::E2009, expr.span, message), expr, ty));
            return None;
        }
        let mut diagnostic = Diagnostic::error(Code::E2004, op_span, format!("`{name}` does not fit {described}"));
        diagnostic = self.remedy(diagnostic, name, operands, span);
        self.report(diagnostic);
        None
    }

    /// Adds what to write instead.
    fn remedy(&self, diagnostic: Diagnostic, name: &str, operands: &[(ExprId, &ast::Expr)], span: Span) -> Diagnostic {
        let types: Vec<Type> = operands.iter().map(|(id, _)| self.ty(*id)).collect();
        let is_order = matches!(name, "<" | "<=" | ">" | ">=" | "between" | "!between");
        if is_order && types.iter().all(|ty| *ty == Type::String) {
            let both: Option<Vec<String>> = operands.iter().map(|(_, expr)| suggest::text(expr)).collect();
            return match both.as_deref() {
                Some([left, right]) if name.len() <= 2 => {
                    diagnostic.fix(span, format!("strcmp({left}, {right}) {name} 0"))
                }
                _ => diagnostic.label("strings have no order: use `strcmp(a, b)`, or convert them"),
            };
        }
        if name == "+" && types.contains(&Type::String) {
            let both: Option<Vec<String>> = operands.iter().map(|(_, expr)| suggest::text(expr)).collect();
            return match both {
                Some(both) => diagnostic.fix(span, format!("strcat({})", both.join(", "))),
                None => diagnostic.label("join text with `strcat(...)`"),
            };
        }
        let text_at = types.iter().position(|ty| *ty == Type::String);
        let other = types.iter().find(|ty| **ty != Type::String);
        let is_arithmetic = is_order || matches!(name, "+" | "-" | "*" | "/" | "%");
        match (text_at, other) {
            (Some(index), Some(other)) if is_arithmetic => {
                let mut fixed = suggest::cast(diagnostic, operands[index].1, *other);
                fixed.span = operands[index].1.span;
                fixed
            }
            (_, Some(_)) if !is_arithmetic && !matches!(name, "==" | "!=") => {
                let index = types.iter().position(|ty| *ty != Type::String).unwrap_or(0);
                let mut fixed = suggest::cast(diagnostic, operands[index].1, Type::String);
                fixed.span = operands[index].1.span;
                fixed
            }
            _ => diagnostic,
        }
    }

    /// Lowers `-x` and `+x`.
    pub fn unary(&mut self, op: UnaryOp, operand: &'a ast::Expr, span: Span) -> Option<ExprId> {
        if op == UnaryOp::Negate
            && let ast::ExprKind::Literal(ast::Literal::Integer(text)) = &operand.kind
            && let Some(number) = dtq_value::scalar::convert::parse_long(format!("-{text}").as_bytes())
        {
            return self.constant(Value::Long(number), Type::Long, span);
        }
        let id = self.scalar(operand)?;
        if op == UnaryOp::Negate {
            let negated = match &self.program.expr(id).kind {
                ExprKind::Const(Value::Real(number)) => Some(Value::Real(-number)),
                ExprKind::Const(Value::TimeSpan(ticks)) => Some(Value::TimeSpan(ticks.wrapping_neg())),
                _ => None,
            };
            if let Some(value) = negated {
                return self.constant(value, self.ty(id), span);
            }
        }
        let name = if op == UnaryOp::Negate { "-" } else { "+" };
        let id = if self.ty(id) == Type::Int { self.convert(id, Type::Long)? } else { id };
        self.apply(name, span, &[(id, operand)], span)
    }

    /// Lowers `in`, `has_any`, `has_all` and their negations.
    pub fn list(
        &mut self,
        op: ListOp,
        op_span: Span,
        left: &'a ast::Expr,
        items: &'a [ast::Expr],
        span: Span,
    ) -> Option<ExprId> {
        if let [only] = items
            && self.is_tabular(only)
        {
            return self.in_table(op, op_span, left, only, span);
        }
        if items.is_empty() {
            return self.fail(Code::E2005, span, format!("`{}` needs at least one value in its list", op.text()));
        }
        let mut operands = vec![(self.scalar(left), left)];
        for item in items {
            operands.push((self.scalar(item), item));
        }
        let pairs: Option<Vec<(ExprId, &ast::Expr)>> =
            operands.into_iter().map(|(id, expr)| Some((id?, expr))).collect();
        let pairs = pairs?;
        self.check_list_types(op, &pairs)?;
        self.apply(op.text(), op_span, &pairs, span)
    }

    /// Refuses a list of words in which a number stands: it would never be found.
    fn check_list_types(&mut self, op: ListOp, pairs: &[(ExprId, &ast::Expr)]) -> Option<()> {
        let wants_text = matches!(op, ListOp::HasAny | ListOp::HasAll);
        let left = self.ty(pairs[0].0);
        for (id, expr) in &pairs[1..] {
            let ty = self.ty(*id);
            if wants_text && !matches!(ty, Type::String | Type::Dynamic) {
                let message = format!("{} is {ty:#}, but `{}` searches for strings", suggest::quoted(expr), op.text());
                self.report(suggest::cast(Diagnostic::error(Code::E2004, expr.span, message), expr, Type::String));
                return None;
            }
            let is_text_and_number =
                (left == Type::String && ty.is_numeric()) || (left.is_numeric() && ty == Type::String);
            if !wants_text && is_text_and_number {
                let message = format!("{} is {ty:#}: it never equals {left:#}", suggest::quoted(expr));
                let diagnostic = Diagnostic::warning(Code::E2103, expr.span, message);
                let written = suggest::text(expr).unwrap_or_default();
                let fixed = match left {
                    Type::String if !written.is_empty() => diagnostic.fix(expr.span, format!("\"{written}\"")),
                    _ => suggest::cast(diagnostic, expr, left),
                };
                self.report(fixed);
            }
        }
        Some(())
    }

    /// Lowers `x in (table)`.
    fn in_table(
        &mut self,
        op: ListOp,
        op_span: Span,
        left: &'a ast::Expr,
        table: &'a ast::Expr,
        span: Span,
    ) -> Option<ExprId> {
        let value = self.scalar(left);
        let rel = self.subquery(table);
        let (value, rel) = (value?, rel?);
        let first = self.columns(rel).first().cloned();
        let Some(first) = first else {
            return self.fail(Code::E2006, table.span, "the table has no column to look into");
        };
        if matches!(op, ListOp::HasAny | ListOp::HasAll) {
            let set = self.first_column_as_array(rel, table.span)?;
            let Some(function) = functions::by_name(op.text()) else {
                return self.unsupported(op_span, format!("`{}`", op.text()));
            };
            let Some(choice) = choose(&function, &[self.ty(value), Type::Dynamic]) else {
                return self.refuse_operands(op.text(), op_span, &[(value, left)], span);
            };
            let value = self.convert(value, choice.types[0])?;
            return self.call(function, choice.signature, SmallVec::from_slice(&[value, set]), Type::Bool, span);
        }
        let (value, rel) = self.meet(value, rel, left, first.ty)?;
        let kind = ExprKind::InRel {
            value,
            rel,
            is_negated: matches!(op, ListOp::NotIn | ListOp::NotInIgnoreCase),
            is_case_ignored: matches!(op, ListOp::InIgnoreCase | ListOp::NotInIgnoreCase),
        };
        self.add(kind, Type::Bool, span)
    }

    /// Brings a value and the first column of a relation to one type.
    fn meet(
        &mut self,
        value: ExprId,
        rel: dtq_ir::RelId,
        left: &ast::Expr,
        column: Type,
    ) -> Option<(ExprId, dtq_ir::RelId)> {
        let found = self.ty(value);
        let ty = match crate::convert::common(found, column) {
            Some(Type::Dynamic) if found == Type::Dynamic => column,
            Some(Type::Dynamic) => found,
            Some(ty) => ty,
            None => {
                let message =
                    format!("{} is {found:#}, but the table's first column is {column:#}", suggest::quoted(left));
                self.report(suggest::cast(Diagnostic::error(Code::E2004, left.span, message), left, column));
                return None;
            }
        };
        let value = self.convert(value, ty)?;
        let rel = if column == ty { rel } else { self.with_first_column_as(rel, ty)? };
        Some((value, rel))
    }
}
