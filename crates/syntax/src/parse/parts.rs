//! Pieces that several operators share: assignments, properties, columns, parameters, sort keys, types.

use super::expr::{expr, need_expr};
use super::habit;
use super::input::{NameUse, Res, Tokens, bracketed_name, expected, fail, name, need, need_name, no_match};
use super::primary;
use super::recover;
use crate::ast::{
    Assignment, Column, Expr, ExprKind, Literal, Name, Param, ParamType, Property, SortKey, TypeName, UnaryOp,
};
use crate::token::TokenKind;
use crate::words;
use dtq_source::{Code, Diagnostic, Span};
use nom::Parser;
use nom::branch::alt;

/// Parses `name = value`, `(a, b) = value` or a value.
pub fn assignment(i: Tokens<'_>) -> Res<'_, Assignment> {
    let (rest, names) = names_before_assign(i)?;
    i.shared.item_start.set(rest.index());
    let (rest, value) = need_expr(rest)?;
    Ok((rest, Assignment { names, value, span: i.span_to(rest) }))
}

/// Parses the names before `=` and the sign, or nothing.
fn names_before_assign(i: Tokens<'_>) -> Res<'_, Vec<Name>> {
    if i.is(TokenKind::ParenOpen) && assigned_tuple(i) {
        let item = |i| need_name(NameUse::Declare, "a column name")(i);
        let missing = |span| Name { text: String::new(), span, is_bracketed: false };
        let (rest, names) = recover::list(i.skip(1), "a column name", &[], item, missing)?;
        let (rest, ()) = primary::close(i, rest)?;
        return Ok((rest.skip(1), names));
    }
    if !is_named(i) {
        return Ok((i, Vec::new()));
    }
    let (rest, name) = name(NameUse::Declare)(i)?;
    Ok((rest.skip(1), vec![name]))
}

/// Says whether `name =` stands here.
pub fn is_named(i: Tokens<'_>) -> bool {
    match i.kind() {
        TokenKind::Word => i.peek_at(1).kind == TokenKind::Assign,
        TokenKind::BracketOpen => bracketed_name(i).is_ok_and(|(rest, _)| rest.is(TokenKind::Assign)),
        _ => false,
    }
}

/// Says whether `(...)` here is followed by `=`.
fn assigned_tuple(i: Tokens<'_>) -> bool {
    i.partner().is_some_and(|partner| i.token(partner + 1).kind == TokenKind::Assign)
}

/// Returns the assignment for something that could not be understood.
pub fn missing_assignment(span: Span) -> Assignment {
    Assignment { names: Vec::new(), value: missing(span), span }
}

/// Returns the expression for something that could not be understood.
pub fn missing(span: Span) -> Expr {
    Expr { kind: ExprKind::Missing, span }
}

/// Parses one or more assignments.
pub fn assignments<'a>(i: Tokens<'a>, stops: &[&str]) -> Res<'a, Vec<Assignment>> {
    recover::list(i, "an expression", stops, assignment, missing_assignment)
}

/// Parses assignments, or none where the operator ends.
pub fn assignments0<'a>(i: Tokens<'a>, stops: &[&str]) -> Res<'a, Vec<Assignment>> {
    if recover::ends_operator(i.kind()) || i.is(TokenKind::Word) && stops.contains(&i.text()) {
        return Ok((i, Vec::new()));
    }
    assignments(i, stops)
}

/// Parses one or more expressions.
pub fn exprs<'a>(i: Tokens<'a>, stops: &[&str]) -> Res<'a, Vec<Expr>> {
    recover::list(i, "an expression", stops, need_expr, missing)
}

/// Parses a column name or a pattern such as `a*`.
pub fn column_pattern(i: Tokens<'_>) -> Res<'_, Expr> {
    if let Ok(found) = wildcard(i) {
        return Ok(found);
    }
    let (rest, mut column) = match name(NameUse::Read)(i) {
        Err(nom::Err::Error(_)) => return fail(habit::not_an_expression(i)),
        Err(other) => return Err(other),
        Ok((rest, name)) => (rest, Expr { span: name.span, kind: ExprKind::Name(name) }),
    };
    let mut rest = rest;
    while rest.is(TokenKind::Dot) {
        let (after, name) = need_name(NameUse::Read, "a name")(rest.skip(1))?;
        rest = after;
        column = Expr { kind: ExprKind::Path { base: Box::new(column), name }, span: i.span_to(rest) };
    }
    Ok((rest, column))
}

/// Parses `*`, or words and stars glued together.
pub fn wildcard(i: Tokens<'_>) -> Res<'_, Expr> {
    let mut count = 0;
    let mut has_star = false;
    while matches!(i.peek_at(count).kind, TokenKind::Word | TokenKind::Star | TokenKind::Integer) {
        has_star |= i.peek_at(count).kind == TokenKind::Star;
        count += 1;
        if !i.is_glued(count - 1) {
            break;
        }
    }
    if !has_star {
        return no_match();
    }
    let rest = i.skip(count);
    let span = i.span_to(rest);
    let kind = if count == 1 { ExprKind::Star } else { ExprKind::Wildcard(i.slice(span).to_owned()) };
    Ok((rest, Expr { kind, span }))
}

/// Parses `name = value` for the properties that an operator takes; any word where `allowed` is empty.
///
/// `hint.` properties are taken everywhere. The value's own check is in `operator.rs`.
pub fn properties<'a>(mut i: Tokens<'a>, allowed: &[&str], is_strict: bool) -> Res<'a, Vec<Property>> {
    let mut properties = Vec::new();
    while let Some(count) = property_name_size(i) {
        let span = i.span_to(i.skip(count));
        let text: String = (0..count).map(|offset| i.text_at(offset)).collect();
        let is_known = allowed.contains(&text.as_str()) || text.starts_with("hint.");
        if !is_known {
            if !is_strict {
                break;
            }
            i.report(unknown_property(span, &text, allowed));
        }
        let name = Name { text, span, is_bracketed: false };
        let (rest, value) = property_value(i.skip(count + 1))?;
        i = rest;
        properties.push(Property { name, value });
    }
    Ok((i, properties))
}

/// Returns how many tokens the dotted name before `=` has, if one stands here.
fn property_name_size(i: Tokens<'_>) -> Option<usize> {
    let mut count = 1;
    if !i.is(TokenKind::Word) {
        return None;
    }
    while i.peek_at(count).kind == TokenKind::Dot && i.peek_at(count + 1).kind == TokenKind::Word {
        count += 2;
    }
    (i.peek_at(count).kind == TokenKind::Assign).then_some(count)
}

fn unknown_property(span: Span, text: &str, allowed: &[&str]) -> Diagnostic {
    let diagnostic = Diagnostic::error(Code::E1015, span, format!("`{text}` is not a parameter of this operator"));
    match habit::nearest(text, allowed.iter().copied()) {
        Some(nearest) => diagnostic.fix(span, nearest),
        None if allowed.is_empty() => diagnostic.label("it takes no parameters"),
        None => diagnostic.label(format!("it takes `{}`", allowed.join("`, `"))),
    }
}

/// Parses the value of a property: a literal or a name, keywords included.
pub fn property_value(i: Tokens<'_>) -> Res<'_, Expr> {
    let is_dynamic = i.is_word("dynamic") && i.peek_at(1).kind == TokenKind::ParenOpen;
    match i.kind() {
        TokenKind::Word if is_dynamic => super::dynamic::literal(i),
        TokenKind::Word if matches!(i.text(), "true" | "True" | "TRUE" | "false" | "False" | "FALSE") => {
            let kind = ExprKind::Literal(Literal::Bool(i.text().eq_ignore_ascii_case("true")));
            Ok((i.skip(1), Expr { kind, span: i.peek().span }))
        }
        TokenKind::Word => {
            let name = Name { text: i.text().to_owned(), span: i.peek().span, is_bracketed: false };
            Ok((i.skip(1), Expr { span: name.span, kind: ExprKind::Name(name) }))
        }
        TokenKind::Minus | TokenKind::Plus if is_number(i.peek_at(1).kind) => {
            let (rest, operand) = primary::literal(i.skip(1))?;
            let op = if i.is(TokenKind::Minus) { UnaryOp::Negate } else { UnaryOp::Plus };
            Ok((rest, Expr { kind: ExprKind::Unary { op, operand: Box::new(operand) }, span: i.span_to(rest) }))
        }
        _ => match alt((primary::literal, bracketed)).parse(i) {
            Err(nom::Err::Error(_)) => expected(i, "a value"),
            other => other,
        },
    }
}

fn is_number(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Integer | TokenKind::Real | TokenKind::TimeSpan)
}

fn bracketed(i: Tokens<'_>) -> Res<'_, Expr> {
    let (rest, name) = bracketed_name(i)?;
    Ok((rest, Expr { span: name.span, kind: ExprKind::Name(name) }))
}

/// Parses a sort key: a value, `asc` or `desc`, `nulls first` or `nulls last`.
pub fn sort_key(i: Tokens<'_>) -> Res<'_, SortKey> {
    let (rest, assigned) = assignment(i)?;
    let value = if assigned.names.is_empty() {
        assigned.value
    } else {
        Expr { span: assigned.span, kind: ExprKind::Assign(Box::new(assigned)) }
    };
    let (rest, is_ascending) = direction(rest)?;
    let (rest, is_nulls_first) = nulls(rest)?;
    Ok((rest, SortKey { value, is_ascending, is_nulls_first }))
}

/// Returns the sort key for something that could not be understood.
pub fn missing_sort_key(span: Span) -> SortKey {
    SortKey { value: missing(span), is_ascending: None, is_nulls_first: None }
}

/// Parses `asc` or `desc`, or nothing.
pub fn direction(i: Tokens<'_>) -> Res<'_, Option<bool>> {
    if !i.is(TokenKind::Word) {
        return Ok((i, None));
    }
    let text = i.text();
    let is_ascending = match text.to_ascii_lowercase().as_str() {
        "asc" | "ascending" | "granny-asc" => true,
        "desc" | "descending" | "granny-desc" => false,
        _ => return Ok((i, None)),
    };
    let right = if is_ascending { "asc" } else { "desc" };
    if text != right {
        let span = i.peek().span;
        if text.eq_ignore_ascii_case(right) {
            i.report(super::input::wrong_case(span, text, right));
        } else {
            i.report(Diagnostic::error(Code::E1010, span, format!("`{text}` is not an order")).fix(span, right));
        }
    }
    Ok((i.skip(1), Some(is_ascending)))
}

/// Parses `nulls first` or `nulls last`, or nothing.
fn nulls(i: Tokens<'_>) -> Res<'_, Option<bool>> {
    if !i.is_word("nulls") {
        return Ok((i, None));
    }
    match i.text_at(1) {
        "first" => Ok((i.skip(2), Some(true))),
        "last" => Ok((i.skip(2), Some(false))),
        _ => expected(i.skip(1), "`first` or `last`"),
    }
}

/// Parses `(name:type, ...)`; types may be absent where `is_typed` is false.
pub fn columns(i: Tokens<'_>, is_typed: bool) -> Res<'_, Vec<Column>> {
    let (rest, _) = need(TokenKind::ParenOpen, "`(` and the columns")(i)?;
    if rest.is(TokenKind::ParenClose) {
        return Ok((rest.skip(1), Vec::new()));
    }
    let missing = |_| Column { name: None, ty: None };
    let (rest, columns) = recover::list(rest, "a column such as `name:long`", &[], |i| column(i, is_typed), missing)?;
    let (rest, ()) = primary::close(i, rest)?;
    Ok((rest, columns))
}

/// Parses `name:type`, or `name` where that is allowed; `*` has neither.
pub fn column(i: Tokens<'_>, is_typed: bool) -> Res<'_, Column> {
    if i.is(TokenKind::Star) && !is_typed {
        return Ok((i.skip(1), Column { name: None, ty: None }));
    }
    let (rest, name) = need_name(NameUse::Declare, "a column name")(i)?;
    if !rest.is(TokenKind::Colon) {
        if is_typed {
            return fail(untyped(rest, &name));
        }
        return Ok((rest, Column { name: Some(name), ty: None }));
    }
    let (rest, ty) = type_name(rest.skip(1))?;
    Ok((rest, Column { name: Some(name), ty: Some(ty) }))
}

fn untyped(i: Tokens<'_>, name: &Name) -> Diagnostic {
    if i.is(TokenKind::Word) {
        let fix = format!("{}:{}", name.text, i.text());
        let span = name.span.to(i.peek().span);
        return Diagnostic::error(Code::E1007, span, "a colon stands between a column and its type").fix(span, fix);
    }
    Diagnostic::error(Code::E1007, name.span, format!("the type of `{}` is missing", name.text))
        .label(format!("write `{}:string`", name.text))
}

/// Parses the name of a type; one that does not exist is reported.
pub fn type_name(i: Tokens<'_>) -> Res<'_, TypeName> {
    if !i.is(TokenKind::Word) {
        return expected(i, "a type such as `long` or `string`");
    }
    let (text, span) = (i.text(), i.peek().span);
    if !words::TYPES.contains(&text) {
        i.report(unknown_type(span, text));
    }
    Ok((i.skip(1), TypeName { text: text.to_owned(), span }))
}

/// Types of other languages and the one to write.
const FOREIGN_TYPES: &[(&str, &str)] = &[
    ("str", "string"),
    ("text", "string"),
    ("varchar", "string"),
    ("nvarchar", "string"),
    ("char", "string"),
    ("integer", "int"),
    ("bigint", "long"),
    ("number", "long"),
    ("float", "real"),
    ("numeric", "decimal"),
    ("timestamp", "datetime"),
    ("duration", "timespan"),
    ("interval", "timespan"),
    ("object", "dynamic"),
    ("json", "dynamic"),
    ("array", "dynamic"),
    ("bag", "dynamic"),
    ("uint64", "long"),
    ("uint32", "long"),
];

fn unknown_type(span: Span, text: &str) -> Diagnostic {
    let lower = text.to_ascii_lowercase();
    if words::TYPES.contains(&lower.as_str()) {
        return super::input::wrong_case(span, text, &lower);
    }
    let diagnostic = Diagnostic::error(Code::E1007, span, format!("`{text}` is not a type"));
    let foreign = FOREIGN_TYPES.iter().find(|(foreign, _)| *foreign == lower).map(|(_, ty)| *ty);
    match foreign.or_else(|| habit::nearest(&lower, words::TYPES.iter().copied())) {
        Some(ty) => diagnostic.fix(span, ty),
        None => diagnostic.label(format!("write one of {}", words::TYPES.join(", "))),
    }
}

/// Parses `(name:type = default, ...)`.
pub fn params(i: Tokens<'_>) -> Res<'_, Vec<Param>> {
    let (rest, _) = need(TokenKind::ParenOpen, "`(` and the parameters")(i)?;
    if rest.is(TokenKind::ParenClose) {
        return Ok((rest.skip(1), Vec::new()));
    }
    let missing = |span| Param {
        name: Name { text: String::new(), span, is_bracketed: false },
        ty: ParamType::Scalar(TypeName { text: String::new(), span }),
        default: None,
    };
    let (rest, params) = recover::list(rest, "a parameter such as `x:long`", &[], param, missing)?;
    let (rest, ()) = primary::close(i, rest)?;
    Ok((rest, params))
}

/// Parses one parameter.
fn param(i: Tokens<'_>) -> Res<'_, Param> {
    let (rest, name) = need_name(NameUse::Declare, "the name of a parameter")(i)?;
    if !rest.is(TokenKind::Colon) {
        return fail(untyped(rest, &name));
    }
    let rest = rest.skip(1);
    let (rest, ty) = if rest.is(TokenKind::ParenOpen) {
        table_type(rest)?
    } else {
        let (rest, ty) = type_name(rest)?;
        (rest, ParamType::Scalar(ty))
    };
    if !rest.is(TokenKind::Assign) {
        return Ok((rest, Param { name, ty, default: None }));
    }
    let (rest, default) = need_expr(rest.skip(1))?;
    Ok((rest, Param { name, ty, default: Some(default) }))
}

/// Parses `(*)` or `(a:long, ...)` as the type of a parameter.
fn table_type(i: Tokens<'_>) -> Res<'_, ParamType> {
    if i.peek_at(1).kind == TokenKind::Star && i.peek_at(2).kind == TokenKind::ParenClose {
        let rest = i.skip(3);
        return Ok((rest, ParamType::Table { columns: Vec::new(), is_open: true, span: i.span_to(rest) }));
    }
    let (rest, columns) = columns(i, true)?;
    Ok((rest, ParamType::Table { columns, is_open: false, span: i.span_to(rest) }))
}

/// Parses `word value`, or nothing where the word does not stand.
pub fn clause<'a>(i: Tokens<'a>, word: &str) -> Res<'a, Option<Expr>> {
    if !i.is_word(word) {
        return Ok((i, None));
    }
    let (rest, value) = need_expr(i.skip(1))?;
    Ok((rest, Some(value)))
}

/// Parses an expression or nothing.
pub fn maybe_expr(i: Tokens<'_>) -> Res<'_, Option<Expr>> {
    match expr(i) {
        Ok((rest, value)) => Ok((rest, Some(value))),
        Err(nom::Err::Error(_)) => Ok((i, None)),
        Err(other) => Err(other),
    }
}

/// Parses this word in any case, reporting the wrong one; does not match another word.
pub fn keyword<'a>(i: Tokens<'a>, word: &str) -> Option<Tokens<'a>> {
    if !i.is(TokenKind::Word) || !i.text().eq_ignore_ascii_case(word) {
        return None;
    }
    if i.text() != word {
        i.report(super::input::wrong_case(i.peek().span, i.text(), word));
    }
    Some(i.skip(1))
}

/// Returns the error for a count that is needed and absent.
pub fn count_missing(i: Tokens<'_>, operator: &str) -> Diagnostic {
    let message = format!("`{operator}` needs a number of rows");
    Diagnostic::error(Code::E1007, i.previous_span(), message).label(format!("write `{operator} 10`"))
}
