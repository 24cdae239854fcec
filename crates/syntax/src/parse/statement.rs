//! Statements: `let`, `set`, `declare`, and the expression that gives the result.

use super::habit;
use super::input::{
    NameUse, Res, Tokens, deeper, expectation, expected, fail, name, need, need_name, need_word, symbol, word,
};
use super::parts;
use super::pipeline::{self, piped};
use super::primary;
use super::recover;
use crate::ast::{Expr, ExprKind, Let, Name, Query, Statement};
use crate::token::TokenKind;
use dtq_source::{Code, Diagnostic, Span};
use nom::Parser;
use nom::branch::alt;
use nom::combinator::opt;

/// Parses a whole text.
pub fn query(start: Tokens<'_>) -> Query {
    let (rest, statements) = statements(start);
    if statements.is_empty() && rest.is(TokenKind::End) && !start.shared.has_diagnostics() {
        let span = Span::new(0, start.shared.text.len());
        start.report(
            Diagnostic::error(Code::E1014, span, "the query is empty").label("write a table's name, or `print 1`"),
        );
    }
    Query { statements, span: Span::new(0, start.shared.text.len()) }
}

/// Parses statements with `;` between, up to the end or a closing brace; never fails.
pub fn statements(start: Tokens<'_>) -> (Tokens<'_>, Vec<Statement>) {
    let mut statements = Vec::new();
    let mut i = start;
    loop {
        while i.is(TokenKind::Semicolon) {
            let span = i.peek().span;
            let message = "no statement stands before this `;`";
            i.report(Diagnostic::error(Code::E1007, span, message).fix(span, "").label("remove it"));
            i = i.skip(1);
        }
        if i.is(TokenKind::End) || i.is(TokenKind::BraceClose) && start.index() > 0 {
            return (i, statements);
        }
        let before = i;
        match statement(i) {
            Ok((rest, statement)) => {
                let is_let = matches!(statement, Statement::Let(_));
                statements.push(statement);
                i = end_of_statement(rest, is_let);
            }
            Err(error) => {
                match error {
                    nom::Err::Failure(super::input::Fault(Some(diagnostic))) => i.report(*diagnostic),
                    _ => i.report(habit::not_an_expression(i)),
                }
                i = recover::skip_statement(i);
            }
        }
        if i.is(TokenKind::Semicolon) {
            i = i.skip(1);
        }
        if i.shared.is_stopped() {
            return (i.seek(usize::MAX), statements);
        }
        if i == before {
            i = i.skip(1);
        }
    }
}

/// Returns the place of the `;` after a statement; what stands before it is reported.
fn end_of_statement(mut i: Tokens<'_>, is_let: bool) -> Tokens<'_> {
    loop {
        match i.kind() {
            TokenKind::Semicolon | TokenKind::End | TokenKind::BraceClose => return i,
            kind if kind.is_closing() => {
                let span = i.peek().span;
                let message = format!("this `{}` closes nothing", kind.text());
                i.report(Diagnostic::error(Code::E1008, span, message).fix(span, "").label("remove it"));
                i = pipeline::operators_after(i.skip(1));
            }
            _ if is_next_statement(i) || is_let && is_on_new_line(i) => {
                let before = i.previous_span().after();
                let message = format!("a `;` is missing before `{}`", i.text());
                let diagnostic = Diagnostic::error(Code::E1007, i.peek().span, message).fix(before, ";");
                i.report(diagnostic.label("write `;` before this"));
                return i;
            }
            _ => {
                i.report(pipeline::after_pipeline(i));
                return recover::skip_statement(i);
            }
        }
    }
}

/// Says whether a statement begins here although no `;` stands before it.
fn is_next_statement(i: Tokens<'_>) -> bool {
    let is_let = i.is_word("let") && i.peek_at(2).kind == TokenKind::Assign;
    is_let || i.is_word("declare") && i.is_word_at(1, "query_parameters")
}

/// Says whether a name begins a line here.
fn is_on_new_line(i: Tokens<'_>) -> bool {
    let between = i.previous_span().after().to(Span { end: i.peek().span.start, ..i.peek().span });
    i.is(TokenKind::Word) && i.slice(between).contains('\n')
}

/// Parses one statement.
fn statement(i: Tokens<'_>) -> Res<'_, Statement> {
    let next = i.peek_at(1).kind;
    let is_keyword = matches!(next, TokenKind::Word | TokenKind::BracketOpen);
    match i.text() {
        "let" if i.is(TokenKind::Word) && is_keyword => let_statement(i),
        "set" if is_keyword && i.is(TokenKind::Word) => set_statement(i),
        "declare" if next == TokenKind::Word => declare_statement(i),
        "alias" | "restrict" if next == TokenKind::Word => unsupported(i),
        "pattern" if next == TokenKind::Word => unsupported(i),
        text if i.is(TokenKind::Word) && is_keyword && text != "let" && text.eq_ignore_ascii_case("let") => {
            i.report(super::input::wrong_case(i.peek().span, text, "let"));
            let_statement(i)
        }
        _ => {
            let (rest, value) = piped(i)?;
            Ok((rest, Statement::Expr(value)))
        }
    }
}

/// Parses `let name = value`.
fn let_statement(i: Tokens<'_>) -> Res<'_, Statement> {
    let (rest, name) = need_name(NameUse::Define, "a name after `let`")(i.skip(1))?;
    let (rest, _) = if rest.is(TokenKind::Equal) {
        let span = rest.peek().span;
        rest.report(Diagnostic::error(Code::E1010, span, "`==` compares; `let` names a value with `=`").fix(span, "="));
        (rest.skip(1), rest.peek())
    } else {
        need(TokenKind::Assign, "`=` and the value")(rest)?
    };
    let (rest, value) = recover::or_skip(rest, "a value", &[], let_value, missing)?;
    Ok((rest, Statement::Let(Let { name, value, span: i.span_to(rest) })))
}

fn missing(span: Span) -> Expr {
    Expr { kind: ExprKind::Missing, span }
}

/// Parses what a `let` can name: a function, a table, a scalar.
fn let_value(i: Tokens<'_>) -> Res<'_, Expr> {
    match alt((pipeline::function, piped)).parse(i) {
        Err(nom::Err::Error(_)) => fail(habit::not_an_expression(i)),
        other => other,
    }
}

/// Parses `set option = value`.
fn set_statement(i: Tokens<'_>) -> Res<'_, Statement> {
    let (rest, name) = need_name(NameUse::Any, "the name of an option")(i.skip(1))?;
    let (rest, value) = match symbol(TokenKind::Assign)(rest) {
        Ok((rest, _)) => {
            let (rest, value) = parts::property_value(rest)?;
            (rest, Some(value))
        }
        Err(_) => (rest, None),
    };
    Ok((rest, Statement::Set { name, value, span: i.span_to(rest) }))
}

/// Parses `declare query_parameters(...)`.
fn declare_statement(i: Tokens<'_>) -> Res<'_, Statement> {
    let next = i.skip(1);
    if next.is_word("pattern") {
        return unsupported(i);
    }
    let (open, _) = need_word("query_parameters")(next)?;
    let (rest, params) = parts::params(open)?;
    Ok((rest, Statement::QueryParameters { params, span: i.span_to(rest) }))
}

/// Skips a statement that is refused by name.
fn unsupported(i: Tokens<'_>) -> Res<'_, Statement> {
    let keyword = Name { text: i.text().to_owned(), span: i.peek().span, is_bracketed: false };
    let rest = recover::skip_opaque(i, false);
    Ok((rest, Statement::Unsupported { keyword, span: i.span_to(rest) }))
}

/// Parses the body of a function: statements between braces.
pub fn body(open: Tokens<'_>) -> Res<'_, Vec<Statement>> {
    deeper(open, |open| {
        let (rest, statements) = statements(open.skip(1));
        if rest.shared.is_stopped() {
            return expected(rest, "the rest of the function");
        }
        if statements.is_empty() && rest == open.skip(1) {
            let diagnostic = expectation(rest, "the value of the function");
            return fail(Diagnostic { message: "the body of the function is empty".to_owned(), ..diagnostic });
        }
        let (rest, ()) = primary::close(open, rest)?;
        Ok((rest, statements))
    })
}

/// Parses `view` before a function's parameters, or nothing.
pub fn view(i: Tokens<'_>) -> Res<'_, bool> {
    let (rest, found) = opt(word("view")).parse(i)?;
    Ok((rest, found.is_some()))
}

/// Parses a name that a statement defines; used by operators that name their input too.
pub fn defined_name(i: Tokens<'_>) -> Res<'_, Name> {
    match name(NameUse::Define)(i) {
        Err(nom::Err::Error(_)) => expected(i, "a name"),
        other => other,
    }
}
