//! Operands: literals, names, calls, parentheses, paths and indexes.
//!
//! Next: `dynamic.rs` for `dynamic(...)`, `pipeline.rs` for what parentheses and arguments may hold.

use super::dynamic;
use super::expr::need_expr;
use super::habit;
use super::input::{NameUse, Res, Tokens, bracketed_name, expectation, expected, fail, name, need, no_match, symbol};
use super::pipeline::{self, piped};
use super::recover;
use crate::ast::{Arg, Expr, ExprKind, ListOp, Literal, Name, Property};
use crate::literal;
use crate::token::TokenKind;
use crate::words;
use dtq_source::{Code, Diagnostic, Span};
use nom::Parser;
use nom::combinator::peek;

/// Parses an operand with the `.name` and `[index]` after it; does not match where none begins.
pub fn postfix(i: Tokens<'_>) -> Res<'_, Expr> {
    let (mut rest, mut base) = primary(i)?;
    loop {
        let step = match rest.kind() {
            TokenKind::Dot => member(rest)?,
            TokenKind::BracketOpen => index(rest)?,
            _ => break,
        };
        let base_box = Box::new(base);
        let kind = match step.1 {
            Step::Path(name) => ExprKind::Path { base: base_box, name },
            Step::Method(name, args) => ExprKind::Method { base: base_box, name, args },
            Step::Index(index) => ExprKind::Index { base: base_box, index: Box::new(index) },
        };
        rest = step.0;
        base = Expr { kind, span: i.span_to(rest) };
        let height = i.shared.tallest.get() + 1;
        i.shared.tallest.set(height);
        if !i.shared.allows_height(height) {
            return super::input::too_deep(rest);
        }
    }
    Ok((rest, base))
}

/// What can follow an operand.
enum Step {
    Path(Name),
    Method(Name, Vec<Arg>),
    Index(Expr),
}

/// Parses `.name`, `.['name']` or `.name(arguments)`.
fn member(i: Tokens<'_>) -> Res<'_, Step> {
    let after = i.skip(1);
    let (rest, name) = match name(NameUse::Read)(after) {
        Err(nom::Err::Error(_)) => {
            let hint = if after.is(TokenKind::Integer) { "an index in brackets: `[0]`" } else { "a property name" };
            return expected(after, hint);
        }
        other => other?,
    };
    if rest.is(TokenKind::ParenOpen) {
        let (rest, args) = arguments(rest, &name.text)?;
        return Ok((rest, Step::Method(name, args)));
    }
    Ok((rest, Step::Path(name)))
}

/// Parses `[index]`.
fn index(i: Tokens<'_>) -> Res<'_, Step> {
    let (rest, index) = need_expr(i.skip(1))?;
    let (rest, ()) = close(i, rest)?;
    Ok((rest, Step::Index(index)))
}

/// Parses an operand without what may follow it.
fn primary(i: Tokens<'_>) -> Res<'_, Expr> {
    match i.kind() {
        TokenKind::Word => word(i),
        TokenKind::ParenOpen => parenthesized(i),
        TokenKind::BracketOpen => match bracketed_name(i) {
            Ok((rest, name)) => called_or_named(i, rest, name),
            Err(_) => habit::array(i),
        },
        TokenKind::BraceOpen => habit::bag(i),
        TokenKind::Star => Ok((i.skip(1), Expr { kind: ExprKind::Star, span: i.peek().span })),
        _ => literal(i),
    }
}

/// Parses a literal other than `true`, `false` and `dynamic(...)`.
pub fn literal(i: Tokens<'_>) -> Res<'_, Expr> {
    let text = || i.text().to_owned();
    let (rest, literal) = match i.kind() {
        TokenKind::String => string(i)?,
        TokenKind::Integer => (i.skip(1), Literal::Integer(text())),
        TokenKind::Real => (i.skip(1), Literal::Real(text())),
        TokenKind::TimeSpan => (i.skip(1), Literal::TimeSpan(text())),
        TokenKind::Typed => (i.skip(1), typed(i)),
        _ => return no_match(),
    };
    Ok((rest, Expr { kind: ExprKind::Literal(literal), span: i.span_to(rest) }))
}

/// Parses one string literal or several adjacent ones, which mean one text.
pub fn string(i: Tokens<'_>) -> Res<'_, Literal> {
    let mut rest = i;
    let mut value = String::new();
    let mut is_hidden = false;
    while rest.is(TokenKind::String) {
        value.push_str(&literal::decode(rest.text()));
        is_hidden |= literal::is_hidden(rest.text());
        rest = rest.skip(1);
    }
    if rest == i { no_match() } else { Ok((rest, Literal::String { value, is_hidden })) }
}

/// Returns the literal `type(text)` that the next token is.
fn typed(i: Tokens<'_>) -> Literal {
    let written = i.text();
    let start = i.peek().span.start as usize;
    let (ty, text) = written.split_once('(').expect("the lexer ends a typed literal's type with a parenthesis");
    let text = text.strip_suffix(')').unwrap_or(text).trim();
    let is_string = text.len() >= 2 && text.starts_with(['"', '\'']) && text.ends_with(['"', '\'']);
    let text = if is_string { literal::decode(text) } else { text.to_owned() };
    let ty = Name { text: ty.to_owned(), span: Span::new(start, start + ty.len()), is_bracketed: false };
    Literal::Typed { ty, text }
}

/// Parses what begins with a word: a call, a literal, a name.
fn word(i: Tokens<'_>) -> Res<'_, Expr> {
    let (text, span) = (i.text(), i.peek().span);
    let is_called = i.peek_at(1).kind == TokenKind::ParenOpen;
    match text {
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => {
            let kind = ExprKind::Literal(Literal::Bool(text.eq_ignore_ascii_case("true")));
            return Ok((i.skip(1), Expr { kind, span }));
        }
        "dynamic" if is_called => return dynamic::literal(i),
        "typeof" if is_called => return pipeline::type_of(i),
        "toscalar" | "totable" if i.is_word_at(1, "kind") => return hinted_call(i),
        _ => {}
    }
    if let Some(result) = habit::word(i) {
        return result;
    }
    let is_callable = is_called && matches!(text, "toscalar" | "totable" | "materialize" | "bin_legacy");
    if !is_callable && !words::is_name(text) {
        if !habit::is_meant_as_name(i) {
            return no_match();
        }
        i.report(super::input::reserved(span, text));
    }
    let name = Name { text: text.to_owned(), span, is_bracketed: false };
    called_or_named(i, i.skip(1), name)
}

/// Parses `toscalar kind=nooptimization (table)`; the kind becomes the first argument.
fn hinted_call(i: Tokens<'_>) -> Res<'_, Expr> {
    let (open, properties) = super::tables::checked_properties(i.skip(1), &[("kind", &["nooptimization"])])?;
    let name = Name { text: i.text().to_owned(), span: i.peek().span, is_bracketed: false };
    let (open, _) = peek(need(TokenKind::ParenOpen, "`(` and a table")).parse(open)?;
    let (rest, args) = arguments(open, &name.text)?;
    let hints = properties.into_iter().map(|Property { name, value }| Arg { name: Some(name), value });
    let args = hints.chain(args).collect();
    Ok((rest, Expr { kind: ExprKind::Call { name, args }, span: i.span_to(rest) }))
}

/// Parses the arguments after a name, if any.
fn called_or_named<'a>(i: Tokens<'a>, rest: Tokens<'a>, name: Name) -> Res<'a, Expr> {
    if !rest.is(TokenKind::ParenOpen) {
        return Ok((rest, Expr { span: name.span, kind: ExprKind::Name(name) }));
    }
    let (rest, args) = arguments(rest, &name.text)?;
    Ok((rest, Expr { kind: ExprKind::Call { name, args }, span: i.span_to(rest) }))
}

/// Parses a call that must stand here, for `evaluate` and `invoke`.
pub fn call(i: Tokens<'_>) -> Res<'_, Expr> {
    let (rest, name) = match name(NameUse::Read)(i) {
        Err(nom::Err::Error(_)) => return expected(i, "a call such as `f(x)`"),
        other => other?,
    };
    if !rest.is(TokenKind::ParenOpen) {
        let message = format!("`{}` needs its arguments in parentheses", name.text);
        return fail(
            Diagnostic::error(Code::E1007, name.span, message)
                .fix(name.span.after(), "()")
                .label("write `()` after it"),
        );
    }
    called_or_named(i, rest, name)
}

/// Parses `(arguments)`; the name of the function decides what is a likely mistake.
pub fn arguments<'a>(i: Tokens<'a>, function: &str) -> Res<'a, Vec<Arg>> {
    let open = i;
    let i = i.skip(1);
    if i.is(TokenKind::ParenClose) {
        return Ok((i.skip(1), Vec::new()));
    }
    if open.partner().is_none() && ends_call(i) {
        // What is missing is the bracket; that it holds nothing is no second mistake.
        let (rest, ()) = close(open, i)?;
        return Ok((rest, Vec::new()));
    }
    habit::star_count(open, function);
    let missing = |span| Arg { name: None, value: Expr { kind: ExprKind::Missing, span } };
    let (rest, args) = recover::list(i, "an argument", &[], |i| argument(i, function), missing)?;
    let (rest, ()) = close(open, rest)?;
    Ok((rest, args))
}

/// Says whether here stands what comes after a call and cannot begin an argument.
fn ends_call(i: Tokens<'_>) -> bool {
    matches!(i.kind(), TokenKind::Pipe | TokenKind::Semicolon | TokenKind::End)
        || i.is(TokenKind::Word) && matches!(i.text(), "by" | "on" | "asc" | "desc" | "nulls")
}

/// Parses one argument: `name = value`, a function literal, a pipeline or an expression.
fn argument<'a>(i: Tokens<'a>, function: &str) -> Res<'a, Arg> {
    let is_named = match i.kind() {
        TokenKind::Word => i.peek_at(1).kind == TokenKind::Assign && !habit::equals_in_condition(i, function),
        TokenKind::BracketOpen => i.peek_at(3).kind == TokenKind::Assign && bracketed_name(i).is_ok(),
        _ => false,
    };
    if is_named {
        let (rest, name) = name(NameUse::Declare)(i)?;
        let (rest, value) = value(rest.skip(1))?;
        return Ok((rest, Arg { name: Some(name), value }));
    }
    let (rest, value) = value(i)?;
    Ok((rest, Arg { name: None, value }))
}

/// Parses a value that may also be a table.
pub fn value(i: Tokens<'_>) -> Res<'_, Expr> {
    match piped(i) {
        Err(nom::Err::Error(_)) => fail(habit::not_an_expression(i)),
        other => other,
    }
}

/// Parses `(inner)`.
fn parenthesized(i: Tokens<'_>) -> Res<'_, Expr> {
    let (rest, inner) = match piped(i.skip(1)) {
        Err(nom::Err::Error(_)) if i.peek_at(1).kind == TokenKind::ParenClose => {
            let span = i.span_to(i.skip(2));
            return fail(
                Diagnostic::error(Code::E1007, span, "the parentheses hold nothing").label("write a value inside"),
            );
        }
        Err(nom::Err::Error(_)) => return fail(habit::not_an_expression(i.skip(1))),
        Err(nom::Err::Failure(fault)) => return resume_after(i, fault),
        other => other?,
    };
    let (rest, ()) = close(i, rest)?;
    Ok((rest, Expr { kind: ExprKind::Paren(Box::new(inner)), span: i.span_to(rest) }))
}

/// Reports a mistake between parentheses and goes on after them.
fn resume_after<'a>(i: Tokens<'a>, fault: super::input::Fault) -> Res<'a, Expr> {
    let partner = i.partner().filter(|_| !i.shared.is_stopped());
    let (Some(partner), super::input::Fault(Some(_))) = (partner, &fault) else {
        return Err(nom::Err::Failure(fault));
    };
    i.report(*fault.0.expect("matched above"));
    let rest = i.seek(partner + 1);
    Ok((rest, Expr { kind: ExprKind::Missing, span: i.span_to(rest) }))
}

/// Parses the closing bracket of the one at `open`; a missing one is reported and taken as written.
pub fn close<'a>(open: Tokens<'a>, i: Tokens<'a>) -> Res<'a, ()> {
    let kind = open.kind().closing().expect("called at an opening bracket");
    if i.is(kind) {
        return Ok((i.skip(1), ()));
    }
    let text = open.kind().text();
    let Some(partner) = open.partner() else {
        if i.kind().is_closing() && i.partner().is_none() {
            i.report(unexpected(i, kind));
            return Ok((i.skip(1), ()));
        }
        let message = format!("this `{text}` is not closed");
        let label = format!("add `{}`", kind.text());
        let at = i.previous_span().after();
        i.report(Diagnostic::error(Code::E1008, open.peek().span, message).fix(at, kind.text()).label(label));
        return Ok((i, ()));
    };
    i.report(unexpected(i, kind));
    Ok((i.seek(partner + 1), ()))
}

/// Returns the error for something that neither continues nor closes what is in brackets.
fn unexpected(i: Tokens<'_>, close: TokenKind) -> Diagnostic {
    if i.kind().is_closing() {
        let message = format!("`{}` does not match the bracket before it", i.text());
        return Diagnostic::error(Code::E1008, i.peek().span, message).fix(i.peek().span, close.text());
    }
    if let Some(diagnostic) = habit::after_expression(i) {
        return diagnostic;
    }
    expectation(i, &format!("`,` or `{}`", close.text()))
}

/// Parses the list after `in`, `has_any` and their relatives.
pub fn list_operand(i: Tokens<'_>, op: ListOp) -> Res<'_, Vec<Expr>> {
    if !i.is(TokenKind::ParenOpen) {
        return habit::list_without_parentheses(i, op);
    }
    if i.peek_at(1).kind == TokenKind::ParenClose {
        return Ok((i.skip(2), Vec::new()));
    }
    let missing = |span| Expr { kind: ExprKind::Missing, span };
    let (rest, items) = recover::list(i.skip(1), "a value", &[], value, missing)?;
    let (rest, ()) = close(i, rest)?;
    Ok((rest, items))
}

/// Parses `(low .. high)` after `between`.
pub fn range_operand(i: Tokens<'_>) -> Res<'_, (Expr, Expr)> {
    if !i.is(TokenKind::ParenOpen) {
        return habit::range_without_parentheses(i);
    }
    let (rest, low) = need_expr(i.skip(1))?;
    if rest.is(TokenKind::ParenClose)
        && let Some((low, high)) = habit::bounds_joined_by_and(i, &low)
    {
        return Ok((rest.skip(1), (low, high)));
    }
    let rest = match symbol(TokenKind::DotDot)(rest) {
        Ok((rest, _)) => rest,
        Err(_) => habit::range_separator(rest)?.0,
    };
    let (rest, high) = need_expr(rest)?;
    let (rest, ()) = close(i, rest)?;
    Ok((rest, (low, high)))
}
