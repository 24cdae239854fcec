//! `dynamic(...)` literals: JSON in which some literals of KQL may stand too.
//!
//! Source: Kusto documentation, "The dynamic data type", dynamic literals; npm `@kusto/language-service-next` 12.4.1 for
//! what its parser takes.

use super::input::{Res, Tokens, deeper, fail, shortened};
use super::primary;
use super::recover;
use crate::ast::{DynamicLiteral, Expr, ExprKind, Literal};
use crate::token::TokenKind;
use dtq_source::{Code, Diagnostic};

/// Parses `dynamic(...)`, at the word `dynamic` before a parenthesis.
pub fn literal(i: Tokens<'_>) -> Res<'_, Expr> {
    let open = i.skip(1);
    let expr = |value, rest| Expr { kind: ExprKind::Literal(Literal::Dynamic(Box::new(value))), span: i.span_to(rest) };
    match value(open.skip(1)) {
        Ok((rest, value)) => {
            let (rest, ()) = close(open, rest)?;
            Ok((rest, expr(value, rest)))
        }
        Err(nom::Err::Failure(super::input::Fault(Some(diagnostic)))) => {
            i.report(*diagnostic);
            let rest = match open.partner() {
                _ if i.shared.is_stopped() => return super::input::expected(i, "a literal"),
                Some(partner) => i.seek(partner + 1),
                None => recover::skip_operator(open.skip(1)),
            };
            Ok((rest, Expr { kind: ExprKind::Missing, span: i.span_to(rest) }))
        }
        Err(other) => Err(other),
    }
}

/// Parses one value.
fn value(i: Tokens<'_>) -> Res<'_, DynamicLiteral> {
    match i.kind() {
        TokenKind::BracketOpen => deeper(i, array),
        TokenKind::BraceOpen => deeper(i, bag),
        _ => scalar(i),
    }
}

/// Parses `[...]`.
fn array(i: Tokens<'_>) -> Res<'_, DynamicLiteral> {
    let mut items = Vec::new();
    let mut rest = i.skip(1);
    while !rest.is(TokenKind::BracketClose) {
        let item;
        (rest, item) = value(rest)?;
        items.push(item);
        if !rest.is(TokenKind::Comma) {
            break;
        }
        rest = comma(rest)?;
    }
    let (rest, ()) = close(i, rest)?;
    Ok((rest, DynamicLiteral::Array(items)))
}

/// Parses `{...}`.
fn bag(i: Tokens<'_>) -> Res<'_, DynamicLiteral> {
    let mut entries = Vec::new();
    let mut rest = i.skip(1);
    while !rest.is(TokenKind::BraceClose) {
        let key;
        (rest, key) = property(rest)?;
        let item;
        (rest, item) = value(rest)?;
        entries.push((key, item));
        if !rest.is(TokenKind::Comma) {
            break;
        }
        rest = comma(rest)?;
    }
    let (rest, ()) = close(i, rest)?;
    Ok((rest, DynamicLiteral::Bag(entries)))
}

/// Returns the place after a comma; one before a closing bracket is reported.
fn comma(i: Tokens<'_>) -> Result<Tokens<'_>, nom::Err<super::input::Fault>> {
    let next = i.skip(1);
    if next.kind().is_closing() {
        let span = i.peek().span;
        i.report(Diagnostic::error(Code::E1013, span, "nothing follows this comma").fix(span, "").label("remove it"));
    }
    Ok(next)
}

/// Parses `"key":`.
fn property(i: Tokens<'_>) -> Res<'_, String> {
    let (rest, key) = match primary::string(i) {
        Ok((rest, Literal::String { value, .. })) => (rest, value),
        _ if i.is(TokenKind::Word) && i.peek_at(1).kind == TokenKind::Colon => {
            let text = i.text();
            let message = format!("the key `{text}` needs quotes");
            i.report(Diagnostic::error(Code::E1013, i.peek().span, message).fix(i.peek().span, format!("\"{text}\"")));
            (i.skip(1), text.to_owned())
        }
        _ => return malformed(i, "a key in quotes"),
    };
    if !rest.is(TokenKind::Colon) {
        return malformed(rest, "`:` after the key");
    }
    Ok((rest.skip(1), key))
}

/// Parses a value that is not an array or a bag.
fn scalar(i: Tokens<'_>) -> Res<'_, DynamicLiteral> {
    let is_signed = matches!(i.kind(), TokenKind::Minus | TokenKind::Plus);
    let at = if is_signed { i.skip(1) } else { i };
    let number = |text: &str| if i.is(TokenKind::Minus) { format!("-{text}") } else { text.to_owned() };
    let (rest, literal) = match at.kind() {
        TokenKind::Integer => (at.skip(1), Literal::Integer(number(at.text()))),
        TokenKind::Real => (at.skip(1), Literal::Real(number(at.text()))),
        TokenKind::TimeSpan => (at.skip(1), Literal::TimeSpan(number(at.text()))),
        _ if is_signed => return malformed(i, "a number after the sign"),
        TokenKind::String => primary::string(at)?,
        TokenKind::Word => match at.text() {
            "null" => (at.skip(1), Literal::Null),
            "true" | "True" | "TRUE" => (at.skip(1), Literal::Bool(true)),
            "false" | "False" | "FALSE" => (at.skip(1), Literal::Bool(false)),
            "dynamic" if at.peek_at(1).kind == TokenKind::ParenOpen => return nested(at),
            _ => return malformed(i, "a JSON value"),
        },
        TokenKind::Typed => match primary::literal(at)? {
            (rest, Expr { kind: ExprKind::Literal(literal), .. }) => (rest, literal),
            _ => unreachable!("a typed token is a literal"),
        },
        _ => return malformed(i, "a JSON value"),
    };
    Ok((rest, DynamicLiteral::Scalar(literal, i.span_to(rest))))
}

/// Parses `dynamic(...)` inside of another.
fn nested(i: Tokens<'_>) -> Res<'_, DynamicLiteral> {
    let open = i.skip(1);
    let (rest, inner) = deeper(open.skip(1), value)?;
    let (rest, ()) = close(open, rest)?;
    Ok((rest, inner))
}

/// Parses the closing bracket of the one at `open`.
fn close<'a>(open: Tokens<'a>, i: Tokens<'a>) -> Res<'a, ()> {
    let kind = open.kind().closing().expect("called at an opening bracket");
    if i.is(kind) {
        return Ok((i.skip(1), ()));
    }
    if open.partner().is_none() {
        return primary::close(open, i);
    }
    let what = match kind {
        TokenKind::ParenClose => "`)`",
        TokenKind::BracketClose => "`,` or `]`",
        _ => "`,` or `}`",
    };
    malformed(i, what)
}

fn malformed<'a, T>(i: Tokens<'a>, what: &str) -> Res<'a, T> {
    let span = if i.is(TokenKind::End) { i.previous_span().after() } else { i.peek().span };
    let message = match i.kind() {
        TokenKind::End => "the query ends inside a dynamic literal".to_owned(),
        TokenKind::ParenClose => "the dynamic literal ends too early".to_owned(),
        _ => format!("`{}` cannot stand in a dynamic literal", shortened(i.text())),
    };
    let diagnostic = Diagnostic::error(Code::E1013, span, message).label(format!("expected {what}"));
    let is_code = i.is(TokenKind::Word) || i.is(TokenKind::ParenOpen);
    fail(if is_code {
        diagnostic.note("to build a value from columns write bag_pack(\"key\", value) or pack_array(a, b)")
    } else {
        diagnostic
    })
}
