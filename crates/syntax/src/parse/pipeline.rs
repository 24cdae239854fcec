//! Pipelines: a source and the operators after it, with recovery at each `|`.

use super::expr::expr;
use super::habit;
use super::input::{Fault, Res, Tokens, deeper, expectation, expected, fail, no_match, shortened, wrong_case};
use super::operator;
use super::parts;
use super::primary;
use super::recover::{self, ends_operator, skip_operator, starts_operator};
use super::statement;
use super::tables;
use crate::ast::{Column, Expr, ExprKind, Function, Operator, OperatorKind, Pipeline, SubPipeline};
use crate::token::TokenKind;
use crate::words;
use dtq_source::{Code, Diagnostic, Span};

/// Parses an expression that may be a table: a source, and operators after `|`. Does not match where none begins.
pub fn piped(i: Tokens<'_>) -> Res<'_, Expr> {
    let (rest, source) = source(i)?;
    let (rest, operators) = operators(rest)?;
    if operators.is_empty() {
        return Ok((rest, source));
    }
    let kind = ExprKind::Pipeline(Box::new(Pipeline { source, operators }));
    Ok((rest, Expr { kind, span: i.span_to(rest) }))
}

/// Parses what feeds a pipeline.
fn source(i: Tokens<'_>) -> Res<'_, Expr> {
    if let Some((rest, source)) = tables::source(i)? {
        let kind = ExprKind::Source(Box::new(source));
        return Ok((rest, Expr { kind, span: i.span_to(rest) }));
    }
    if let Some(failure) = misplaced_start(i) {
        return failure;
    }
    expr(i)
}

/// Reports an operator, or a word of SQL, where a table is needed.
fn misplaced_start<'a>(i: Tokens<'a>) -> Option<Res<'a, Expr>> {
    if !i.is(TokenKind::Word) {
        return None;
    }
    let span = i.peek().span;
    let next = i.peek_at(1).kind;
    let lower = i.text().to_ascii_lowercase();
    let is_followed = matches!(next, TokenKind::Word | TokenKind::Star | TokenKind::Integer | TokenKind::String);
    match lower.as_str() {
        "select" if is_followed || next == TokenKind::ParenOpen => Some(sql_select(i)),
        "from" if next == TokenKind::Word => {
            let message = "a query starts with the table's name alone";
            let fix_span = span.to(i.peek_at(1).span);
            i.report(Diagnostic::error(Code::E1010, span, message).fix(fix_span, i.text_at(1)).label("remove `from`"));
            Some(expr(i.skip(1)))
        }
        _ if words::SOURCES.contains(&lower.as_str()) && lower != i.text() && is_followed => {
            Some(fail(wrong_case(span, i.text(), &lower)))
        }
        _ if starts_operator(i) && is_followed && next != TokenKind::Star => {
            let text = i.text();
            let message = format!("`{text}` needs a table before it");
            let missing = Expr { kind: ExprKind::Missing, span: Span::new(span.start as usize, span.start as usize) };
            i.report(Diagnostic::error(Code::E1007, span, message).label(format!("write `TableName | {text} ...`")));
            let (rest, _) = match first_operator(i) {
                Ok(done) => done,
                Err(error) => return Some(Err(error)),
            };
            Some(Ok((rest, missing)))
        }
        _ => None,
    }
}

/// Reports a query in SQL with the order of a query here.
fn sql_select(i: Tokens<'_>) -> Res<'_, Expr> {
    let mut table = "TableName".to_owned();
    let mut at = i;
    while !matches!(at.kind(), TokenKind::Semicolon | TokenKind::End) {
        if at.text().eq_ignore_ascii_case("from") && at.peek_at(1).kind == TokenKind::Word {
            table = at.text_at(1).to_owned();
            break;
        }
        at = at.skip(1);
    }
    let label = format!("write `{table} | where ... | project ...`");
    let diagnostic = Diagnostic::error(Code::E1010, i.peek().span, "this is SQL; a query here starts with its table");
    i.report(diagnostic.label(label));
    let rest = recover::skip_statement(i);
    Ok((rest, Expr { kind: ExprKind::Missing, span: i.span_to(rest) }))
}

/// Parses the operators after `|`, none or more.
fn operators(mut i: Tokens<'_>) -> Res<'_, Vec<Operator>> {
    let mut operators = Vec::new();
    loop {
        if i.is(TokenKind::Pipe) {
            let next = i.skip(1);
            if ends_operator(next.kind()) {
                report_empty_pipe(i, next);
                i = next;
                continue;
            }
            i = next;
        } else if starts_operator(i) {
            i.report(missing_pipe(i));
        } else {
            return Ok((i, operators));
        }
        let (rest, operator) = operator_or_skip(i)?;
        operators.push(operator);
        i = rest;
    }
}

/// Parses the rest of a pipeline after something that was reported and passed.
pub fn operators_after(i: Tokens<'_>) -> Tokens<'_> {
    operators(i).map_or(i, |(rest, _)| rest)
}

fn report_empty_pipe(i: Tokens<'_>, next: Tokens<'_>) {
    let span = i.peek().span;
    let diagnostic = Diagnostic::error(Code::E1007, span, "no operator follows this `|`");
    let _ = next;
    i.report(diagnostic.fix(span, "").label("remove it, or write an operator after it"));
}

/// Returns the error for an operator without `|` before it.
pub fn missing_pipe(i: Tokens<'_>) -> Diagnostic {
    let span = i.peek().span;
    let at = Span { start: span.start, end: span.start };
    Diagnostic::error(Code::E1007, span, format!("`|` is missing before `{}`", i.text()))
        .fix(at, "| ")
        .label(format!("write `| {}`", i.text()))
}

/// Parses an operator; what cannot be understood is reported and skipped up to the next `|`.
fn operator_or_skip(i: Tokens<'_>) -> Res<'_, Operator> {
    let fault = match first_operator(i) {
        Ok((rest, operator)) => match end_of_operator(rest) {
            Ok(rest) => return Ok((rest, operator)),
            Err(diagnostic) => diagnostic,
        },
        Err(nom::Err::Failure(Fault(Some(diagnostic)))) => *diagnostic,
        Err(_) => expectation(i, "an operator"),
    };
    i.report(fault);
    if i.shared.is_stopped() {
        return expected(i, "an operator");
    }
    let rest = skip_operator(i);
    let kind = OperatorKind::Missing;
    Ok((rest, Operator { kind, span: i.span_to(rest), keyword_span: i.peek().span }))
}

/// Returns the place after an operator, or the error for what stands between it and the next `|`.
fn end_of_operator(i: Tokens<'_>) -> Result<Tokens<'_>, Diagnostic> {
    if ends_operator(i.kind()) || starts_operator(i) || i.is_word("let") && i.peek_at(2).kind == TokenKind::Assign {
        return Ok(i);
    }
    Err(after_pipeline(i))
}

/// Returns the error for what stands after a complete operator or table.
pub fn after_pipeline(i: Tokens<'_>) -> Diagnostic {
    if let Some(diagnostic) = habit::after_expression(i) {
        return diagnostic;
    }
    if let Some(diagnostic) = nearly_operator(i) {
        return diagnostic;
    }
    let span = i.peek().span;
    Diagnostic::error(Code::E1007, span, format!("`{}` cannot follow here", shortened(i.text())))
        .label("expected `|` and an operator, or the end")
}

/// Returns the error for a misspelt operator without `|`.
fn nearly_operator(i: Tokens<'_>) -> Option<Diagnostic> {
    let is_followed = matches!(i.peek_at(1).kind, TokenKind::Word | TokenKind::Integer);
    if !i.is(TokenKind::Word) || !is_followed {
        return None;
    }
    let nearest = habit::nearest(i.text(), words::OPERATORS.iter().copied())?;
    let span = i.peek().span;
    let message = format!("`{}` cannot follow here", i.text());
    Some(Diagnostic::error(Code::E1009, span, message).fix(span, format!("| {nearest}")))
}

/// Parses an operator, at its keyword.
fn first_operator(i: Tokens<'_>) -> Res<'_, Operator> {
    let Some((keyword, rest)) = operator_keyword(i)? else { return no_match() };
    let keyword_span = i.span_to(rest);
    let (rest, kind) = operator::operator(rest, &keyword, keyword_span)?;
    Ok((rest, Operator { kind, span: i.span_to(rest), keyword_span }))
}

/// Returns the operator's keyword, repaired where it was misspelt, and the place after it.
fn operator_keyword(i: Tokens<'_>) -> Result<Option<(String, Tokens<'_>)>, nom::Err<Fault>> {
    if !i.is(TokenKind::Word) {
        let diagnostic = expectation(i, "an operator such as `where` or `project`");
        return Err(nom::Err::Failure(Fault(Some(Box::new(diagnostic)))));
    }
    let mut rest = i.skip(1);
    while rest.is(TokenKind::Minus)
        && rest.peek_at(1).kind == TokenKind::Word
        && rest.previous_span().end == rest.peek().span.start
        && rest.is_glued(0)
    {
        rest = rest.skip(2);
    }
    let span = i.span_to(rest);
    let text = i.slice(span);
    if is_operator(text) {
        return Ok(Some((text.to_owned(), rest)));
    }
    let lower = text.to_ascii_lowercase();
    if is_operator(&lower) {
        i.report(wrong_case(span, text, &lower));
        return Ok(Some((lower, rest)));
    }
    unknown_operator(i, rest, text)
}

fn is_operator(text: &str) -> bool {
    words::OPERATORS.contains(&text) || words::UNSUPPORTED.contains(&text)
}

/// Operators of other languages: the word, the operator that does the same, and whether the rest reads the same.
const FOREIGN_OPERATORS: &[(&str, &str, bool)] = &[
    ("select", "project", true),
    ("group", "summarize", false),
    ("groupby", "summarize", false),
    ("stats", "summarize", true),
    ("orderby", "sort by", false),
    ("sortby", "sort by", false),
    ("having", "where", true),
    ("head", "take", true),
    ("eval", "extend", true),
    ("fields", "project", true),
    ("table", "project", true),
    ("rename", "project-rename", false),
    ("dedup", "distinct", true),
    ("uniq", "distinct", true),
    ("unique", "distinct", true),
    ("tail", "top", false),
    ("drop", "project-away", true),
    ("keep", "project-keep", true),
    ("with", "extend", true),
    ("grep", "where * has", false),
    ("explode", "mv-expand", true),
    ("expand", "mv-expand", true),
    ("append", "union", true),
    ("offset", "serialize", false),
    ("leftjoin", "join kind=leftouter", false),
    ("innerjoin", "join kind=inner", false),
    ("left", "join kind=leftouter", false),
    ("inner", "join kind=inner", false),
    ("aggregate", "summarize", true),
    ("let", "extend", true),
    ("set", "extend", true),
];

/// Reports a word after `|` that is not an operator; goes on when it is surely one misspelt.
fn unknown_operator<'a>(
    i: Tokens<'a>,
    rest: Tokens<'a>,
    text: &str,
) -> Result<Option<(String, Tokens<'a>)>, nom::Err<Fault>> {
    let span = i.span_to(rest);
    let lower = text.to_ascii_lowercase();
    if let Some((_, operator, reads_same)) = FOREIGN_OPERATORS.iter().find(|(word, ..)| *word == lower) {
        let diagnostic = Diagnostic::error(Code::E1010, span, format!("`{text}` is not an operator here"));
        let diagnostic = if *reads_same {
            diagnostic.fix(span, *operator)
        } else {
            diagnostic.label(format!("write `{operator} ...`"))
        };
        if !reads_same {
            return Err(nom::Err::Failure(Fault(Some(Box::new(diagnostic)))));
        }
        i.report(diagnostic);
        return Ok(Some(((*operator).to_owned(), rest)));
    }
    let squeezed = lower.replace(['_', '-'], "");
    let same_letters = words::OPERATORS.iter().copied().filter(|word| !matches!(*word, "mvexpand" | "mvapply"));
    let found = same_letters.clone().find(|word| word.replace('-', "") == squeezed);
    let diagnostic = Diagnostic::error(Code::E1009, span, format!("`{text}` is not an operator"));
    let Some(nearest) = found.or_else(|| habit::nearest(&lower, same_letters)) else {
        let diagnostic = diagnostic.label("expected an operator such as `where`, `project`, `extend` or `summarize`");
        return Err(nom::Err::Failure(Fault(Some(Box::new(diagnostic)))));
    };
    i.report(diagnostic.fix(span, nearest));
    Ok(Some((nearest.to_owned(), rest)))
}

/// Parses operators over an implicit input, or a pipeline of its own, in parentheses or braces.
pub fn sub_pipeline(open: Tokens<'_>) -> Res<'_, SubPipeline> {
    if !matches!(open.kind(), TokenKind::ParenOpen | TokenKind::BraceOpen) {
        return expected(open, "`(` and operators");
    }
    deeper(open, |open| {
        let first = open.skip(1);
        let has_operator = first.is(TokenKind::Word)
            && is_operator(&first.text().to_ascii_lowercase())
            && first.peek_at(1).kind != TokenKind::Pipe;
        let (rest, source, mut operators) = if has_operator || open.is(TokenKind::ParenOpen) {
            let (rest, operator) = operator_or_skip(first)?;
            (rest, None, vec![operator])
        } else {
            let (rest, source) = match source(first) {
                Err(nom::Err::Error(_)) => return fail(habit::not_an_expression(first)),
                other => other?,
            };
            (rest, Some(source), Vec::new())
        };
        let (rest, more) = self::operators(rest)?;
        operators.extend(more);
        let (rest, ()) = primary::close(open, rest)?;
        Ok((rest, SubPipeline { operators, source, span: open.span_to(rest) }))
    })
}

/// Parses a function literal; does not match anything else.
pub fn function(i: Tokens<'_>) -> Res<'_, Expr> {
    let (open, is_view) = statement::view(i)?;
    let is_function = open.is(TokenKind::ParenOpen)
        && open.partner().is_some_and(|partner| open.token(partner + 1).kind == TokenKind::BraceOpen);
    if !is_function {
        return no_match();
    }
    let (rest, params) = parts::params(open)?;
    let (rest, body) = statement::body(rest)?;
    let kind = ExprKind::Function(Box::new(Function { is_view, params, body }));
    Ok((rest, Expr { kind, span: i.span_to(rest) }))
}

/// Parses `typeof(long)` or `typeof(a:long, *)`, at the word.
pub fn type_of(i: Tokens<'_>) -> Res<'_, Expr> {
    let open = i.skip(1);
    let missing = |_| Column { name: None, ty: None };
    let (rest, columns) = recover::list(open.skip(1), "a type", &[], type_of_item, missing)?;
    let (rest, ()) = primary::close(open, rest)?;
    Ok((rest, Expr { kind: ExprKind::TypeOf(columns), span: i.span_to(rest) }))
}

/// Parses a type, or a column with its type, or `*`.
fn type_of_item(i: Tokens<'_>) -> Res<'_, Column> {
    if i.is(TokenKind::Star) || i.peek_at(1).kind == TokenKind::Colon || i.is(TokenKind::BracketOpen) {
        return parts::column(i, false);
    }
    let (rest, ty) = parts::type_name(i)?;
    Ok((rest, Column { name: None, ty: Some(ty) }))
}

/// Parses a table where an operator takes one: a name, a call or a pipeline in parentheses.
pub fn table(i: Tokens<'_>) -> Res<'_, Expr> {
    // Sources that end in a bracket may stand alone; the others would take the commas and clauses that follow.
    let is_closed = matches!(i.text(), "datatable" | "externaldata" | "external_data");
    let result = if is_closed && tables::starts_source(i) { source(i) } else { deeper(i, primary::postfix) };
    match result {
        Err(nom::Err::Error(_)) => {
            let diagnostic = habit::not_an_expression(i);
            fail(diagnostic.label("write a table, or a query in parentheses"))
        }
        Ok((_, found)) if !can_be_table(&found) => {
            let message = format!("`{}` is not a table", shortened(i.slice(found.span)));
            fail(Diagnostic::error(Code::E1007, found.span, message).label("write a table, or a query in parentheses"))
        }
        other => other,
    }
}

/// Says whether an operand can be a table: what it begins with is not a literal.
fn can_be_table(mut found: &Expr) -> bool {
    loop {
        found = match &found.kind {
            ExprKind::Path { base, .. } | ExprKind::Index { base, .. } | ExprKind::Method { base, .. } => base,
            ExprKind::Literal(_) | ExprKind::Star | ExprKind::TypeOf(_) => return false,
            _ => return true,
        };
    }
}
