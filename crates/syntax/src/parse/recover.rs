//! Going on after a mistake: where a list item or an operator ends although it could not be understood.
//!
//! Each skip starts at the construct that failed and steps over paired brackets whole, so that one mistake gives one
//! diagnostic and what follows is still checked.

use super::input::{Fault, Res, Tokens, expectation, expected, shortened};
use crate::token::TokenKind;
use crate::words;
use dtq_source::{Code, Diagnostic, Span};

/// Runs a parser that must match; after a mistake reports it, skips the item and gives `missing` for its span.
pub fn or_skip<'a, T>(
    i: Tokens<'a>,
    what: &str,
    stops: &[&str],
    parse: impl FnOnce(Tokens<'a>) -> Res<'a, T>,
    missing: impl FnOnce(Span) -> T,
) -> Res<'a, T> {
    let fault = match parse(i) {
        Ok(done) => return Ok(done),
        Err(nom::Err::Failure(Fault(Some(diagnostic)))) => *diagnostic,
        Err(_) => expectation(i, what),
    };
    i.report(fault);
    if i.shared.is_stopped() {
        return expected(i, what);
    }
    let rest = skip_item(i, stops);
    Ok((rest, missing(i.span_to(rest))))
}

/// Returns the place of the next `,`, `|`, `;`, closing bracket or stop word outside of brackets.
fn skip_item<'a>(mut i: Tokens<'a>, stops: &[&str]) -> Tokens<'a> {
    loop {
        let kind = i.kind();
        if is_item_end(kind) || kind == TokenKind::Word && stops.contains(&i.text()) {
            return i;
        }
        i = step(i);
    }
}

/// Returns the place of the next `|`, `;` or closing bracket outside of brackets.
pub fn skip_operator(mut i: Tokens<'_>) -> Tokens<'_> {
    while !ends_operator(i.kind()) {
        i = step(i);
    }
    i
}

/// Returns the place of the next `;` outside of brackets, or of the bracket that encloses this place.
pub fn skip_statement(mut i: Tokens<'_>) -> Tokens<'_> {
    while !matches!(i.kind(), TokenKind::Semicolon | TokenKind::End | TokenKind::BraceClose) {
        i = step(i);
    }
    i
}

/// Returns the place after text whose meaning is not known, brackets whole: at `;`, a closing bracket, and `|` if asked.
pub fn skip_opaque(mut i: Tokens<'_>, stops_at_pipe: bool) -> Tokens<'_> {
    let mut end = 0;
    while i.index() < end || !ends_operator(i.kind()) || i.is(TokenKind::Pipe) && !stops_at_pipe {
        let is_bracket = i.kind().closing().is_some() || i.kind().is_closing();
        match i.partner() {
            Some(partner) => end = end.max(partner + 1),
            None if is_bracket => {
                let message = format!("this `{}` has no partner", i.text());
                i.report(Diagnostic::error(Code::E1008, i.peek().span, message).label("close or remove it"));
            }
            None => {}
        }
        i = i.skip(1);
    }
    i
}

/// Returns the place after the next token, or after the bracket that it pairs with.
fn step(i: Tokens<'_>) -> Tokens<'_> {
    match i.partner() {
        Some(partner) if partner > i.index() => i.seek(partner + 1),
        _ => i.skip(1),
    }
}

/// Says whether an operator ends before a token of this kind.
pub fn ends_operator(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Pipe | TokenKind::Semicolon | TokenKind::End) || kind.is_closing()
}

fn is_item_end(kind: TokenKind) -> bool {
    kind == TokenKind::Comma || ends_operator(kind)
}

/// Parses one or more items with commas between; a missing or an extra comma is reported and passed.
///
/// `stops` are the words that may follow the list, such as `by`.
pub fn list<'a, T>(
    mut i: Tokens<'a>,
    what: &str,
    stops: &[&str],
    item: impl Fn(Tokens<'a>) -> Res<'a, T>,
    missing: impl Fn(Span) -> T,
) -> Res<'a, Vec<T>> {
    let mut items = Vec::new();
    loop {
        let (rest, value) = or_skip(i, what, stops, &item, &missing)?;
        items.push(value);
        let is_stuck = rest.index() == i.index();
        i = rest;
        if i.is(TokenKind::Comma) {
            let next = i.skip(1);
            if ends_list(next, stops) {
                report_extra_comma(i);
                return Ok((next, items));
            }
            i = next;
        } else if !is_stuck && starts_item(i, stops) {
            report_missing_comma(i);
        } else {
            return Ok((i, items));
        }
    }
}

fn ends_list(i: Tokens<'_>, stops: &[&str]) -> bool {
    ends_operator(i.kind()) || i.is(TokenKind::Word) && stops.contains(&i.text()) && !words::is_name(i.text())
}

fn report_extra_comma(i: Tokens<'_>) {
    let span = i.peek().span;
    i.report(Diagnostic::error(Code::E1007, span, "nothing follows this comma").fix(span, "").label("remove it"));
}

fn report_missing_comma(i: Tokens<'_>) {
    let before = i.previous_span().after();
    let message = format!("a comma is missing before `{}`", shortened(i.text()));
    i.report(Diagnostic::error(Code::E1007, i.peek().span, message).fix(before, ",").label("write `,` before this"));
}

/// Says whether another item of a list begins here although no comma stands before it.
fn starts_item(i: Tokens<'_>, stops: &[&str]) -> bool {
    match i.kind() {
        TokenKind::Word => {
            let text = i.text();
            let is_stop = stops.iter().any(|stop| stop.eq_ignore_ascii_case(text));
            !is_stop && words::is_name(text) && !starts_operator(i)
        }
        TokenKind::Integer | TokenKind::Real | TokenKind::TimeSpan | TokenKind::String | TokenKind::Typed => true,
        _ => false,
    }
}

/// Says whether the words here are an operator whose `|` was forgotten.
pub fn starts_operator(i: Tokens<'_>) -> bool {
    if !i.is(TokenKind::Word) {
        return false;
    }
    let text = i.text().to_ascii_lowercase();
    let is_operator = words::OPERATORS.contains(&text.as_str()) || words::UNSUPPORTED.contains(&text.as_str());
    let next = i.peek_at(1).kind;
    let takes_nothing = matches!(text.as_str(), "count" | "getschema" | "serialize");
    let continues = matches!(
        next,
        TokenKind::Word
            | TokenKind::Integer
            | TokenKind::String
            | TokenKind::Typed
            | TokenKind::Star
            | TokenKind::ParenOpen
    );
    // A name after its value, as in SQL, is far more frequent than `as` without its pipe.
    let is_alias = text == "as" && !i.slice(i.previous_span().after().to(i.peek().span)).contains('\n');
    is_operator && !is_alias && (continues && !takes_nothing || takes_nothing && ends_operator(next))
}
