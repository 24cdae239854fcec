//! Sources of rows and operators that take tables: `datatable`, `print`, `range`, `union`, `join`, `search`, `find`,
//! `evaluate`, `externaldata`.

use super::expr::need_expr;
use super::habit;
use super::input::{Fault, NameUse, Res, Tokens, expected, fail, name, need_name, need_word, no_match};
use super::operator::nearest;
use super::parts::{self, assignments0, keyword, missing};
use super::pipeline::table;
use super::primary;
use super::recover;
use crate::ast::{Column, Evaluate, Expr, ExprKind, Find, Join, OperatorKind, Property, Search, Source, Union};
use crate::token::TokenKind;
use dtq_source::{Code, Diagnostic};

/// What a source parser gives: nothing when no source begins here.
type Found<'a, T> = Result<Option<(Tokens<'a>, T)>, nom::Err<Fault>>;

/// Says whether a source of rows begins with the word here.
pub fn starts_source(i: Tokens<'_>) -> bool {
    if !i.is(TokenKind::Word) {
        return false;
    }
    let next = i.peek_at(1).kind;
    match i.text() {
        "print" => !matches!(next, TokenKind::Assign | TokenKind::Dot | TokenKind::Comma),
        "range" => next == TokenKind::Word && i.is_word_at(2, "from") || next == TokenKind::BracketOpen,
        "datatable" | "externaldata" | "external_data" => next == TokenKind::ParenOpen,
        "union" | "search" | "find" => !matches!(next, TokenKind::Assign | TokenKind::Dot),
        "evaluate" => {
            let is_bracketed = next == TokenKind::BracketOpen && i.peek_at(4).kind == TokenKind::ParenOpen;
            next == TokenKind::Word || is_bracketed
        }
        _ => false,
    }
}

/// Parses a source of rows, if one begins here.
pub fn source(i: Tokens<'_>) -> Found<'_, Source> {
    if !starts_source(i) {
        return Ok(None);
    }
    let rest = i.skip(1);
    let found = match i.text() {
        "print" => print(rest)?,
        "range" => range(rest)?,
        "datatable" => datatable(rest)?,
        "externaldata" | "external_data" => external(rest)?,
        "union" => wrap(union_body(rest)?, Source::Union),
        "search" => wrap(search_body(rest)?, Source::Search),
        "find" => find(rest)?,
        "evaluate" => wrap(evaluate_body(rest)?, Source::Evaluate),
        _ => return Ok(None),
    };
    Ok(Some(found))
}

fn wrap<'a, T>(found: (Tokens<'a>, T), kind: fn(T) -> Source) -> (Tokens<'a>, Source) {
    (found.0, kind(found.1))
}

fn print(i: Tokens<'_>) -> Res<'_, Source> {
    if recover::ends_operator(i.kind()) {
        return fail(habit::not_an_expression(i));
    }
    let (rest, items) = assignments0(i, &[])?;
    Ok((rest, Source::Print(items)))
}

fn range(i: Tokens<'_>) -> Res<'_, Source> {
    let (rest, column) = need_name(NameUse::Define, "a column name")(i)?;
    let (rest, _) = need_word("from")(rest)?;
    let (rest, from) = need_expr(rest)?;
    let (rest, _) = need_word("to")(rest)?;
    let (rest, to) = need_expr(rest)?;
    let Some(rest) = keyword(rest, "step") else {
        let message = "`range` needs a `step`";
        let at = rest.previous_span().after();
        return fail(Diagnostic::error(Code::E1007, at, message).fix(at, " step 1").label("write `step 1` after it"));
    };
    let (rest, step) = need_expr(rest)?;
    Ok((rest, Source::Range { column, from, to, step: Some(step) }))
}

fn datatable(i: Tokens<'_>) -> Res<'_, Source> {
    let (open, columns) = parts::columns(i, true)?;
    let (rest, values) = values(open)?;
    Ok((rest, Source::DataTable { columns, values }))
}

/// Parses `[value, ...]`; a comma may stand before the bracket.
fn values(open: Tokens<'_>) -> Res<'_, Vec<Expr>> {
    if !open.is(TokenKind::BracketOpen) {
        return expected(open, "`[` and the values");
    }
    let mut values = Vec::new();
    let mut rest = open.skip(1);
    while !rest.is(TokenKind::BracketClose) {
        let before = rest;
        let value;
        (rest, value) = data_value(rest)?;
        values.push(value);
        if rest.is(TokenKind::Comma) {
            rest = rest.skip(1);
        } else if rest == before || rest.is(TokenKind::BracketClose) || recover::ends_operator(rest.kind()) {
            break;
        } else {
            let message = format!("a comma is missing before `{}`", super::input::shortened(rest.text()));
            let at = rest.previous_span().after();
            rest.report(
                Diagnostic::error(Code::E1007, rest.peek().span, message).fix(at, ",").label("write `,` before this"),
            );
        }
    }
    let (rest, ()) = primary::close(open, rest)?;
    Ok((rest, values))
}

/// Parses one value of a table; a literal alone, by far the most frequent, takes the short way.
fn data_value(i: Tokens<'_>) -> Res<'_, Expr> {
    if matches!(i.peek_at(1).kind, TokenKind::Comma | TokenKind::BracketClose)
        && let Ok(found) = primary::literal(i)
    {
        return Ok(found);
    }
    recover::or_skip(i, "a value", &[], need_expr, missing)
}

fn external(i: Tokens<'_>) -> Res<'_, Source> {
    let (open, columns) = parts::columns(i, true)?;
    let (rest, mut args) = values(open)?;
    let Some(open) = keyword(rest, "with") else {
        return Ok((rest, Source::ExternalData { columns, args }));
    };
    let (rest, properties) = property_list(open, &[])?;
    for property in properties {
        let span = property.name.span.to(property.value.span);
        let assignment = crate::ast::Assignment { names: vec![property.name], value: property.value, span };
        args.push(Expr { kind: ExprKind::Assign(Box::new(assignment)), span });
    }
    Ok((rest, Source::ExternalData { columns, args }))
}

/// Parses `(name=value, ...)`; any name where `known` is empty.
pub fn property_list<'a>(open: Tokens<'a>, known: &[&str]) -> Res<'a, Vec<Property>> {
    if !open.is(TokenKind::ParenOpen) {
        return expected(open, "`(` and properties");
    }
    let mut found = Vec::new();
    let mut rest = open.skip(1);
    while !rest.is(TokenKind::ParenClose) {
        let (after, mut one) = parts::properties(rest, known, !known.is_empty())?;
        if one.is_empty() {
            let (after, property) = any_property(rest)?;
            found.push(property);
            rest = after;
        } else {
            found.append(&mut one);
            rest = after;
        }
        if !rest.is(TokenKind::Comma) {
            break;
        }
        rest = rest.skip(1);
    }
    let (rest, ()) = primary::close(open, rest)?;
    Ok((rest, found))
}

/// Parses `name=value` under any name.
fn any_property(i: Tokens<'_>) -> Res<'_, Property> {
    let (rest, name) = need_name(NameUse::Any, "a property")(i)?;
    if !rest.is(TokenKind::Assign) {
        return expected(rest, "`=` and a value");
    }
    let (rest, value) = parts::property_value(rest.skip(1))?;
    Ok((rest, Property { name, value }))
}

/// Parses properties whose names and values are known; a value list that is empty allows any value.
pub fn checked_properties<'a>(i: Tokens<'a>, known: &[(&str, &[&str])]) -> Res<'a, Vec<Property>> {
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    let (rest, properties) = parts::properties(i, &names, true)?;
    check_values(i, &properties, known);
    Ok((rest, properties))
}

/// The same where another `name = value` may follow that is no property.
pub fn some_properties<'a>(i: Tokens<'a>, known: &[(&str, &[&str])]) -> Res<'a, Vec<Property>> {
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    let (rest, properties) = parts::properties(i, &names, false)?;
    check_values(i, &properties, known);
    Ok((rest, properties))
}

/// Reports values of properties that do not exist.
fn check_values(i: Tokens<'_>, properties: &[Property], known: &[(&str, &[&str])]) {
    for property in properties {
        let Some((name, values)) = known.iter().find(|(name, _)| *name == property.name.text) else { continue };
        let written = match &property.value.kind {
            ExprKind::Name(value) => value.text.as_str(),
            _ => i.slice(property.value.span),
        };
        if values.is_empty() || values.contains(&written) {
            continue;
        }
        let span = property.value.span;
        let diagnostic =
            Diagnostic::error(Code::E1015, span, format!("`{written}` is not a `{name}` of this operator"));
        i.report(match nearest(written, values) {
            Some(nearest) => diagnostic.fix(span, nearest),
            None => diagnostic.label(format!("write one of {}", values.join(", "))),
        });
    }
}

/// The kinds of `join`.
const JOIN_KINDS: &[&str] = &[
    "inner",
    "innerunique",
    "leftouter",
    "rightouter",
    "fullouter",
    "leftsemi",
    "rightsemi",
    "leftanti",
    "rightanti",
    "anti",
    "leftantisemi",
    "rightantisemi",
];

/// Parses `join kind=inner (right) on a`.
pub fn join(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let i = sql_join_kind(i);
    let (rest, properties) = checked_properties(i, &[("kind", JOIN_KINDS), ("isfuzzy", &[])])?;
    let (rest, join) = join_rest(rest, properties)?;
    Ok((rest, OperatorKind::Join(join)))
}

/// Parses `lookup kind=leftouter (right) on a`.
pub fn lookup(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, properties) = checked_properties(i, &[("kind", &["leftouter", "inner"])])?;
    let (rest, join) = join_rest(rest, properties)?;
    Ok((rest, OperatorKind::Lookup(join)))
}

/// Reports `join leftouter (...)` and passes over the word.
fn sql_join_kind(i: Tokens<'_>) -> Tokens<'_> {
    let is_kind = i.is(TokenKind::Word) && JOIN_KINDS.contains(&i.text());
    if !is_kind || matches!(i.peek_at(1).kind, TokenKind::Assign | TokenKind::Dot) || i.is_word_at(1, "on") {
        return i;
    }
    let span = i.peek().span;
    i.report(
        Diagnostic::error(Code::E1015, span, "the kind of a join follows `kind=`")
            .fix(span, format!("kind={}", i.text())),
    );
    i.skip(1)
}

/// Parses the right table and the conditions.
fn join_rest(i: Tokens<'_>, properties: Vec<Property>) -> Res<'_, Join> {
    let (rest, right) = table(i)?;
    let Some(rest) = keyword(rest, "on") else {
        if rest.is_word("where") {
            let message = "the conditions of a join stand after `on`";
            return fail(Diagnostic::error(Code::E1010, rest.peek().span, message).fix(rest.peek().span, "on"));
        }
        return Ok((rest, Join { properties, right, on: Vec::new() }));
    };
    let (rest, on) = recover::list(rest, "a condition", &[], need_expr, missing)?;
    Ok((rest, Join { properties, right, on }))
}

/// Parses `union` after `|`.
pub fn union(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, union) = union_body(i)?;
    Ok((rest, OperatorKind::Union(union)))
}

fn union_body(i: Tokens<'_>) -> Res<'_, Union> {
    let known: &[(&str, &[&str])] =
        &[("kind", &["inner", "outer"]), ("withsource", &[]), ("with_source", &[]), ("isfuzzy", &["true", "false"])];
    let (rest, properties) = checked_properties(i, known)?;
    let (rest, tables) = recover::list(rest, "a table", &[], union_table, missing)?;
    Ok((rest, Union { properties, tables }))
}

/// Parses a table, or a pattern such as `T*`.
fn union_table(i: Tokens<'_>) -> Res<'_, Expr> {
    if let Ok(found) = parts::wildcard(i) {
        return Ok(found);
    }
    let (rest, found) = match table(i) {
        Ok(done) => done,
        Err(error) => return path_pattern(i).ok_or(error),
    };
    if rest.is(TokenKind::Star) && rest.previous_span().end == rest.peek().span.start {
        return path_pattern(i).map_or_else(no_match, Ok);
    }
    Ok((rest, found))
}

/// Parses `database("x").T*`: a path that ends in a pattern.
fn path_pattern(i: Tokens<'_>) -> Option<(Tokens<'_>, Expr)> {
    let mut rest = i;
    loop {
        if let (true, Ok((end, _))) = (rest != i, parts::wildcard(rest)) {
            let span = i.span_to(end);
            return Some((end, Expr { kind: ExprKind::Wildcard(i.slice(span).to_owned()), span }));
        }
        rest = name(NameUse::Read)(rest).ok()?.0;
        if let Some(partner) = rest.partner().filter(|_| rest.is(TokenKind::ParenOpen)) {
            rest = rest.seek(partner + 1);
        }
        if !rest.is(TokenKind::Dot) {
            return None;
        }
        rest = rest.skip(1);
    }
}

/// Parses `in (tables)`, or nothing.
fn in_tables(i: Tokens<'_>) -> Res<'_, Vec<Expr>> {
    if !i.is_word("in") || i.peek_at(1).kind != TokenKind::ParenOpen {
        return Ok((i, Vec::new()));
    }
    let open = i.skip(1);
    let (rest, tables) = recover::list(open.skip(1), "a table", &[], union_table, missing)?;
    let (rest, ()) = primary::close(open, rest)?;
    Ok((rest, tables))
}

/// Parses `search` after `|`.
pub fn search_operator(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, search) = search_body(i)?;
    Ok((rest, OperatorKind::Search(search)))
}

fn search_body(i: Tokens<'_>) -> Res<'_, Search> {
    let known: &[(&str, &[&str])] = &[("kind", &["case_sensitive", "case_insensitive", "default"])];
    let (rest, properties) = some_properties(i, known)?;
    let (rest, tables) = in_tables(rest)?;
    let (rest, predicate) = need_expr(rest)?;
    Ok((rest, Search { properties, tables, predicate }))
}

/// Parses `find in (tables) where predicate project columns`.
fn find(i: Tokens<'_>) -> Res<'_, Source> {
    let known: &[(&str, &[&str])] = &[("withsource", &[]), ("with_source", &[]), ("datascope", &[])];
    let (rest, properties) = some_properties(i, known)?;
    let (rest, tables) = in_tables(rest)?;
    let rest = keyword(rest, "where").unwrap_or(rest);
    let (rest, predicate) = need_expr(rest)?;
    let mut find = Find { properties, tables, predicate, project: Vec::new(), is_smart: true };
    if rest.is_word("project-smart") {
        return Ok((rest.skip(1), Source::Find(find)));
    }
    let Some(rest) = keyword(rest, "project") else { return Ok((rest, Source::Find(find))) };
    let absent = |_| Column { name: None, ty: None };
    let (rest, columns) = recover::list(rest, "a column", &[], find_column, absent)?;
    find.project = columns;
    find.is_smart = false;
    Ok((rest, Source::Find(find)))
}

/// Parses a column of `find ... project`; `pack(*)` is a column without a name.
fn find_column(i: Tokens<'_>) -> Res<'_, Column> {
    let is_pack =
        i.is_word("pack") && i.peek_at(1).kind == TokenKind::ParenOpen && i.peek_at(2).kind == TokenKind::Star;
    if is_pack && i.peek_at(3).kind == TokenKind::ParenClose {
        return Ok((i.skip(4), Column { name: None, ty: None }));
    }
    parts::column(i, false)
}

/// Parses `evaluate` after `|`.
pub fn evaluate_operator(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, evaluate) = evaluate_body(i)?;
    Ok((rest, OperatorKind::Evaluate(evaluate)))
}

fn evaluate_body(i: Tokens<'_>) -> Res<'_, Evaluate> {
    let (rest, properties) = parts::properties(i, &[], true)?;
    let (rest, call) = primary::call(rest)?;
    if !rest.is(TokenKind::Colon) {
        return Ok((rest, Evaluate { properties, call, schema: None }));
    }
    let (rest, schema) = parts::columns(rest.skip(1), false)?;
    Ok((rest, Evaluate { properties, call, schema: Some(schema) }))
}
