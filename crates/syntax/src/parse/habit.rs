//! Habits from other languages, slips of the finger and what to write instead.
//!
//! Everything here runs only where the grammar has no reading for the text; it reports, repairs where the meaning is
//! sure, and lets parsing go on. It never changes how correct text is read.

use super::expr::{Found, Infix, Level, known_infix, word_infix};
use super::input::{Res, Tokens, expectation, fail, no_match, shortened, wrong_case};
use super::primary;
use super::recover;
use crate::ast::{Arg, BinaryOp, Expr, ExprKind, ListOp, Name};
use crate::literal;
use crate::token::TokenKind;
use crate::words;
use dtq_source::{Code, Diagnostic, Span};

/// Returns the operator after the operand `left`, which began at `start`; mistaken ones are reported and repaired.
pub fn infix<'a>(start: Tokens<'a>, i: Tokens<'a>, left: &Expr) -> Option<Found<'a>> {
    if let Some(found) = known_infix(i) {
        check_null(found, left);
        return Some(found);
    }
    match i.kind() {
        TokenKind::Word => word_habit(i, left),
        TokenKind::BangWord => bang_word(i),
        TokenKind::Assign => assignment_sign(start, i, left),
        TokenKind::Arrow if !i.shared.is_arrow_allowed.get() => {
            Some(symbol_habit(i, 1, ">=", BinaryOp::GreaterOrEqual, Level::Relation))
        }
        TokenKind::AndAnd => Some(symbol_habit(i, 1, "and", BinaryOp::And, Level::And)),
        TokenKind::OrOr => Some(or_or(i, left)),
        TokenKind::EqualEqualEqual => Some(symbol_habit(i, 1, "==", BinaryOp::Equal, Level::Equality)),
        TokenKind::NotEqualEqual => Some(symbol_habit(i, 1, "!=", BinaryOp::NotEqual, Level::Equality)),
        _ => None,
    }
}

/// Reports an operator of another language with the one to write, and reads it as that one.
fn symbol_habit<'a>(i: Tokens<'a>, count: usize, right: &str, op: BinaryOp, level: Level) -> Found<'a> {
    let rest = i.skip(count);
    let span = i.span_to(rest);
    i.report(Diagnostic::error(Code::E1010, span, format!("`{}` is not an operator", i.slice(span))).fix(span, right));
    Found { op: Infix::Binary(op), level, rest, span }
}

/// Reports `=` after an expression.
fn assignment_sign<'a>(start: Tokens<'a>, i: Tokens<'a>, left: &Expr) -> Option<Found<'a>> {
    if i.peek_at(1).kind == TokenKind::Less && i.is_glued(0) {
        return Some(symbol_habit(i, 2, "<=", BinaryOp::LessOrEqual, Level::Relation));
    }
    if start.index() != i.shared.item_start.get() {
        let span = i.peek().span;
        i.report(Diagnostic::error(Code::E1010, span, "`=` names a value; `==` compares").fix(span, "=="));
    } else {
        i.report(not_assignable(i, left));
    }
    Some(Found { op: Infix::Binary(BinaryOp::Equal), level: Level::Equality, rest: i.skip(1), span: i.peek().span })
}

/// Returns the error for `a.b = x` and the like.
fn not_assignable(i: Tokens<'_>, left: &Expr) -> Diagnostic {
    let written = shortened(i.slice(left.span));
    let diagnostic = Diagnostic::error(Code::E1007, left.span, format!("`{written}` is not a name that `=` could set"));
    match &left.kind {
        ExprKind::Literal(crate::ast::Literal::String { value, .. }) => {
            diagnostic.fix(left.span, format!("[\"{value}\"]"))
        }
        ExprKind::Path { base, name } => match &base.kind {
            ExprKind::Name(bag) => set_key(diagnostic, &bag.text, &name.text),
            _ => diagnostic.label("write a column name before `=`"),
        },
        ExprKind::Index { base, index } => match (&base.kind, &index.kind) {
            (ExprKind::Name(bag), ExprKind::Literal(crate::ast::Literal::String { value, .. })) => {
                set_key(diagnostic, &bag.text, value)
            }
            _ => diagnostic.label("write a column name before `=`"),
        },
        _ => diagnostic.label("write a column name before `=`"),
    }
}

fn set_key(diagnostic: Diagnostic, bag: &str, key: &str) -> Diagnostic {
    diagnostic.label(format!("to set a key write `{bag} = bag_set_key({bag}, \"{key}\", value)`"))
}

/// Reports `||`, which joins texts in SQL and means `or` elsewhere.
fn or_or<'a>(i: Tokens<'a>, left: &Expr) -> Found<'a> {
    let is_text = |kind: &ExprKind| matches!(kind, ExprKind::Literal(crate::ast::Literal::String { .. }));
    if is_text(&left.kind) || i.peek_at(1).kind == TokenKind::String {
        let span = i.peek().span;
        let label = format!("write `strcat({}, ...)`", shortened(i.slice(left.span)));
        i.report(Diagnostic::error(Code::E1010, span, "`||` does not join texts").label(label));
        return Found { op: Infix::Binary(BinaryOp::Add), level: Level::Sum, rest: i.skip(1), span };
    }
    symbol_habit(i, 1, "or", BinaryOp::Or, Level::Or)
}

/// Reports `== null` and `!= null`.
fn check_null(found: Found<'_>, left: &Expr) {
    let (Infix::Binary(op @ (BinaryOp::Equal | BinaryOp::NotEqual)), true) = (found.op, found.rest.is_word("null"))
    else {
        return;
    };
    let ends = found.rest.peek_at(1).kind;
    if matches!(ends, TokenKind::Dot | TokenKind::BracketOpen | TokenKind::ParenOpen) {
        return;
    }
    let function = if op == BinaryOp::Equal { "isnull" } else { "isnotnull" };
    let span = left.span.to(found.rest.peek().span);
    let written = found.rest.slice(left.span);
    found.rest.report(
        Diagnostic::error(Code::E1010, span, "nothing equals null, so it is not compared with an operator")
            .fix(span, format!("{function}({written})")),
    );
}

/// Returns what a word after an operand was meant to be.
fn word_habit<'a>(i: Tokens<'a>, left: &Expr) -> Option<Found<'a>> {
    let text = i.text();
    let lower = text.to_ascii_lowercase();
    match lower.as_str() {
        "not" => return not_word(i),
        "is" => return is_word(i, left),
        "like" | "likecs" | "ilike" | "rlike" | "notlike" | "notlikecs" => return Some(like(i, i, 1)),
        "regexp" | "matchesregex" | "matches_regex" | "matches" => return Some(regex_word(i)),
        _ => {}
    }
    if lower != text
        && let Some((op, level)) = word_infix(&lower)
    {
        return Some(lowered(i, &lower, op, level));
    }
    let takes_text = matches!(i.peek_at(1).kind, TokenKind::String | TokenKind::ParenOpen);
    if !takes_text || recover::starts_operator(i) || words::OPERATORS.contains(&text) {
        return None;
    }
    similar_operator(i, text)
}

/// Reports a word operator in the wrong case and reads it.
fn lowered<'a>(i: Tokens<'a>, lower: &str, op: Infix, level: Level) -> Found<'a> {
    i.report(wrong_case(i.peek().span, i.text(), lower));
    Found { op, level, rest: i.skip(1), span: i.peek().span }
}

/// Reports a word that is nearly an operator and reads it as that one.
fn similar_operator<'a>(i: Tokens<'a>, text: &str) -> Option<Found<'a>> {
    let candidates = words::STRING_OPERATORS.iter().chain(words::LIST_OPERATORS).copied();
    let squeezed = text.to_ascii_lowercase().replace('_', "");
    let exact = candidates.clone().find(|word| word.replace('_', "") == squeezed);
    let nearest = exact.or_else(|| nearest(text, candidates))?;
    let (op, level) = word_infix(nearest.split(' ').next().unwrap_or(nearest))?;
    let span = i.peek().span;
    i.report(Diagnostic::error(Code::E1016, span, format!("`{text}` is not an operator")).fix(span, nearest));
    Some(Found { op, level, rest: i.skip(1), span })
}

/// Returns the candidate that is nearest to a misspelt word, when it is near enough to be meant.
pub fn nearest<'w>(text: &str, candidates: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let lower = text.to_ascii_lowercase();
    let distance_max = match text.chars().count() {
        0..=2 => 0,
        3..=4 => 1,
        5..=8 => 2,
        _ => 3,
    };
    candidates
        .map(|word| (strsim::damerau_levenshtein(&lower, word), word))
        .filter(|(distance, _)| *distance <= distance_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Reports `!hasx` and the like.
fn bang_word(i: Tokens<'_>) -> Option<Found<'_>> {
    let text = i.text();
    if let Some((op, level)) = word_infix(&text.to_ascii_lowercase()) {
        return Some(lowered(i, &text.to_ascii_lowercase(), op, level));
    }
    similar_operator(i, text)
}

/// Reports `not in`, `not like` and the like after an operand.
fn not_word(i: Tokens<'_>) -> Option<Found<'_>> {
    let next = i.skip(1);
    if !next.is(TokenKind::Word) {
        return None;
    }
    let word = next.text().to_ascii_lowercase();
    if matches!(word.as_str(), "like" | "ilike" | "rlike") {
        return Some(like(i, next, 2));
    }
    let negated = format!("!{word}");
    let (op, level) = word_infix(&negated)?;
    let rest = i.skip(2);
    let span = i.span_to(rest);
    i.report(
        Diagnostic::error(Code::E1010, span, format!("`{}` is not an operator", i.slice(span))).fix(span, negated),
    );
    Some(Found { op, level, rest, span })
}

/// Reports `is null`, `is not null`, `is empty` and passes over them.
fn is_word<'a>(i: Tokens<'a>, left: &Expr) -> Option<Found<'a>> {
    let is_negated = i.text_at(1).eq_ignore_ascii_case("not");
    let count = if is_negated { 3 } else { 2 };
    let function = match (i.text_at(count - 1).to_ascii_lowercase().as_str(), is_negated) {
        ("null", false) => "isnull",
        ("null", true) => "isnotnull",
        ("empty", false) => "isempty",
        ("empty", true) => "isnotempty",
        _ => return None,
    };
    let rest = i.skip(count);
    let span = left.span.to(i.span_to(rest));
    let message = format!("`{}` is not an operator; `{function}` is a function", i.slice(i.span_to(rest)));
    i.report(Diagnostic::error(Code::E1010, span, message).fix(span, format!("{function}({})", i.slice(left.span))));
    Some(Found { op: Infix::Passed, level: Level::Text, rest, span })
}

/// Reports SQL's `like` with the operator that its pattern stands for.
fn like<'a>(i: Tokens<'a>, word: Tokens<'a>, count: usize) -> Found<'a> {
    let rest = i.skip(count);
    let span = i.span_to(rest);
    let is_negated = count == 2 || word.text().starts_with("not");
    let bang = if is_negated { "!" } else { "" };
    let diagnostic = Diagnostic::error(Code::E1010, span, "`like` patterns are not part of the language");
    let pattern = if rest.is(TokenKind::String) { literal::decode(rest.text()) } else { String::new() };
    let inner = pattern.trim_matches('%');
    let operator = match (pattern.starts_with('%'), pattern.ends_with('%')) {
        _ if inner.contains(['%', '_']) || inner.is_empty() => None,
        (true, true) => Some("contains"),
        (false, true) => Some("startswith"),
        (true, false) => Some("endswith"),
        (false, false) => Some("=~"),
    };
    let diagnostic = match operator {
        Some(operator) => {
            let operator = if operator == "=~" && is_negated {
                "!~".to_owned()
            } else if operator == "=~" {
                operator.to_owned()
            } else {
                format!("{bang}{operator}")
            };
            let quoted = inner.replace('\\', "\\\\").replace('"', "\\\"");
            diagnostic.fix(span.to(rest.peek().span), format!("{operator} \"{quoted}\""))
        }
        None => {
            diagnostic.label(format!("write `{bang}contains`, `{bang}startswith`, `{bang}endswith` or `matches regex`"))
        }
    };
    i.report(diagnostic);
    Found { op: Infix::Binary(BinaryOp::Contains), level: Level::Text, rest, span }
}

/// Reports `matches` without `regex` and its relatives.
fn regex_word(i: Tokens<'_>) -> Found<'_> {
    let span = i.peek().span;
    let wrong_case = i.text().eq_ignore_ascii_case("matches") && i.text_at(1).eq_ignore_ascii_case("regex");
    let rest = i.skip(if wrong_case { 2 } else { 1 });
    let span = span.to(i.span_to(rest));
    let code = if wrong_case { Code::E1011 } else { Code::E1016 };
    i.report(
        Diagnostic::error(code, span, format!("`{}` is not an operator", i.slice(span))).fix(span, "matches regex"),
    );
    Found { op: Infix::Binary(BinaryOp::MatchesRegex), level: Level::Text, rest, span }
}

/// Says whether `name = value` as an argument of this function must be a comparison.
pub fn equals_in_condition(i: Tokens<'_>, function: &str) -> bool {
    let takes_conditions = matches!(
        function,
        "iff"
            | "iif"
            | "case"
            | "not"
            | "countif"
            | "sumif"
            | "avgif"
            | "dcountif"
            | "maxif"
            | "minif"
            | "make_set_if"
            | "make_list_if"
            | "take_anyif"
            | "isnull"
            | "isnotnull"
            | "isempty"
            | "isnotempty"
            | "tostring"
            | "strcat"
    );
    takes_conditions && i.is(TokenKind::Word)
}

/// Reports `count(*)`.
pub fn star_count(open: Tokens<'_>, function: &str) {
    let is_star = open.peek_at(1).kind == TokenKind::Star && open.peek_at(2).kind == TokenKind::ParenClose;
    if is_star && function == "count" {
        let span = open.peek_at(1).span;
        open.report(
            Diagnostic::error(Code::E1010, span, "`count` takes no `*`").fix(span, "").label("write `count()`"),
        );
    }
}

/// Parses a word at the start of an operand that another language would have there; `None` when it is a name.
pub fn word<'a>(i: Tokens<'a>) -> Option<Res<'a, Expr>> {
    let lower = i.text().to_ascii_lowercase();
    let next = i.peek_at(1);
    match lower.as_str() {
        "not" if next.kind == TokenKind::ParenOpen && i.text() != "not" => {
            i.report(wrong_case(i.peek().span, i.text(), "not"));
            None
        }
        "not" if starts_operand(i.skip(1)) => Some(negation(i, i.skip(1), loose_operand)),
        "case" if i.skip(1).is(TokenKind::Word) && i.text_at(1).eq_ignore_ascii_case("when") => Some(case_when(i)),
        _ => {
            check_unit(i);
            None
        }
    }
}

/// Says whether an operand begins here; a name only where no operator could follow `not` as a name.
fn starts_operand(i: Tokens<'_>) -> bool {
    match i.kind() {
        TokenKind::Word => words::is_name(i.text()) && word_infix(i.text()).is_none(),
        TokenKind::BracketOpen | TokenKind::Integer | TokenKind::String | TokenKind::Typed => true,
        _ => false,
    }
}

/// Parses what SQL's `not` applies to: it binds looser than a comparison.
fn loose_operand(i: Tokens<'_>) -> Res<'_, Expr> {
    super::expr::level(i, Level::Equality)
}

/// Reports `!x` and `not x`, and reads them as `not(x)`.
fn negation<'a>(i: Tokens<'a>, rest: Tokens<'a>, parse: fn(Tokens<'a>) -> Res<'a, Expr>) -> Res<'a, Expr> {
    let sign = i.peek().span;
    let (rest, operand) = match super::input::deeper(rest, parse) {
        Ok(done) => done,
        Err(nom::Err::Error(_)) => return fail(not_an_expression(rest)),
        Err(other) => return Err(other),
    };
    let span = i.span_to(rest);
    let inner = match &operand.kind {
        ExprKind::Paren(inner) => i.slice(inner.span),
        _ => i.slice(operand.span),
    };
    let message = format!("`{}` is not a prefix operator; `not` is a function", i.slice(sign));
    let diagnostic = Diagnostic::error(Code::E1010, sign, message);
    i.report(diagnostic.fix(span, format!("not({inner})")).label(format!("write `not({})`", shortened(inner))));
    let name = Name { text: "not".to_owned(), span: sign, is_bracketed: false };
    Ok((rest, Expr { kind: ExprKind::Call { name, args: vec![Arg { name: None, value: operand }] }, span }))
}

/// Parses `!x` at the start of an operand.
pub fn bang(i: Tokens<'_>) -> Res<'_, Expr> {
    if i.is(TokenKind::Bang) {
        return negation(i, i.skip(1), primary::postfix);
    }
    let text = &i.text()[1..];
    let span = i.peek().span;
    i.report(
        Diagnostic::error(Code::E1010, span, format!("`{}` is not a prefix operator; `not` is a function", i.text()))
            .label(format!("write `not({text}...)`")),
    );
    let rest = i.skip(1);
    let rest = rest.partner().filter(|_| rest.is(TokenKind::ParenOpen)).map_or(rest, |partner| rest.seek(partner + 1));
    Ok((rest, Expr { kind: ExprKind::Missing, span: i.span_to(rest) }))
}

/// Reports SQL's `case when` and skips to its `end`.
fn case_when(i: Tokens<'_>) -> Res<'_, Expr> {
    let mut rest = i.skip(2);
    while !recover::ends_operator(rest.kind()) && !rest.text().eq_ignore_ascii_case("end") {
        rest = rest.skip(1);
    }
    if rest.is(TokenKind::Word) {
        rest = rest.skip(1);
    }
    let label = "write `case(condition, value, ..., otherwise)`";
    let span = i.span_to(i.skip(2));
    i.report(Diagnostic::error(Code::E1010, span, "`case` is a function here").label(label));
    Ok((rest, Expr { kind: ExprKind::Missing, span: i.span_to(rest) }))
}

/// Units of other languages and their spelling here, or what to multiply.
const FOREIGN_UNITS: &[(&str, &str)] = &[
    ("mins", "min"),
    ("mn", "min"),
    ("secs", "s"),
    ("sec", "s"),
    ("msec", "ms"),
    ("msecs", "ms"),
    ("us", "microsecond"),
    ("usec", "microsecond"),
    ("ns", "nanosecond"),
    ("nsec", "nanosecond"),
    ("minuts", "minutes"),
    ("hs", "h"),
];

/// Reports a number glued to a unit that does not exist, such as `5mins` or `2weeks`.
fn check_unit(i: Tokens<'_>) {
    let text = i.text();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || i.peek_at(1).kind == TokenKind::ParenOpen {
        return;
    }
    let (number, unit) = text.split_at(digits);
    let span = i.peek().span;
    let diagnostic = Diagnostic::error(Code::E1016, span, format!("`{unit}` is not a unit of time"));
    let lower = unit.to_ascii_lowercase();
    let known = FOREIGN_UNITS.iter().find(|(foreign, _)| *foreign == lower).map(|(_, unit)| *unit);
    let spelling = known
        .or_else(|| words::TIME_UNITS.contains(&lower.as_str()).then_some(lower.as_str()))
        .or_else(|| nearest(&lower, words::TIME_UNITS.iter().copied()).filter(|_| lower.len() > 3));
    if let Some(unit) = spelling {
        return i.report(diagnostic.fix(span, format!("{number}{unit}")));
    }
    let count = number.parse::<u64>().unwrap_or(0);
    match lower.as_str() {
        "w" | "wk" | "week" | "weeks" => i.report(diagnostic.fix(span, format!("{}d", count.saturating_mul(7)))),
        "mo" | "month" | "months" => i.report(diagnostic.label(format!("write `{}d`", count.saturating_mul(30)))),
        "y" | "yr" | "year" | "years" => i.report(diagnostic.label(format!("write `{}d`", count.saturating_mul(365)))),
        "k" | "kb" | "mb" | "gb" | "tb" | "kib" | "mib" | "gib" | "u" | "l" | "f" => {
            let message = format!("`{text}` is neither a number nor a timespan");
            i.report(Diagnostic::error(Code::E1016, span, message).label("write the number out"));
        }
        _ => {}
    }
}

/// Says whether a keyword here is meant as a name: what follows can only follow a name.
pub fn is_meant_as_name(i: Tokens<'_>) -> bool {
    let next = i.skip(1);
    let is_infix = known_infix(next).is_some() && !matches!(next.kind(), TokenKind::Plus | TokenKind::Minus);
    let before = if i.index() == 0 { TokenKind::End } else { i.seek(i.index() - 1).kind() };
    let is_operand_place = !matches!(before, TokenKind::Word | TokenKind::End | TokenKind::Comma)
        || word_infix(i.seek(i.index().saturating_sub(1)).text()).is_some();
    is_infix
        || matches!(next.kind(), TokenKind::Dot | TokenKind::Comma | TokenKind::Colon)
        || is_operand_place && (recover::ends_operator(next.kind()))
}

/// Returns the error for a place where an expression is needed and none begins.
pub fn not_an_expression(i: Tokens<'_>) -> Diagnostic {
    let previous = i.previous_span();
    if matches!(i.kind(), TokenKind::End | TokenKind::Pipe | TokenKind::Semicolon | TokenKind::Comma)
        || i.kind().is_closing()
    {
        let message = format!("a value is missing after `{}`", shortened(i.slice(previous)));
        return Diagnostic::error(Code::E1007, previous.after(), message).label("write an expression here");
    }
    if i.is(TokenKind::Word) && !words::is_name(i.text()) {
        let message = format!("`{}` is a keyword; an expression is needed here", i.text());
        return Diagnostic::error(Code::E1007, i.peek().span, message)
            .label(format!("write an expression before it, or ['{}'] for a name", i.text()));
    }
    expectation(i, "an expression")
}

/// Returns the error for an operator with nothing on its right.
pub fn no_right_side(i: Tokens<'_>, operator: Span) -> Diagnostic {
    if i.is(TokenKind::Assign) || i.is(TokenKind::Equal) {
        return expectation(i, "a value");
    }
    if i.is(TokenKind::Word) || !matches!(i.kind(), TokenKind::End | TokenKind::Pipe) && !i.kind().is_closing() {
        return not_an_expression(i);
    }
    let message = format!("nothing stands on the right of `{}`", i.slice(operator));
    Diagnostic::error(Code::E1007, operator, message).label("write a value after it")
}

/// Returns what is wrong right after a complete expression, where that is a known habit.
pub fn after_expression(i: Tokens<'_>) -> Option<Diagnostic> {
    let span = i.peek().span;
    match i.kind() {
        TokenKind::Word if recover::starts_operator(i) => Some(super::pipeline::missing_pipe(i)),
        TokenKind::Word if matches!(i.text().to_ascii_lowercase().as_str(), "as") => {
            let message = "a name stands before its value, not after it";
            let name = if i.peek_at(1).kind == TokenKind::Word { i.text_at(1) } else { "name" };
            Some(Diagnostic::error(Code::E1010, span, message).label(format!("write `{name} = ...`")))
        }
        _ => None,
    }
}

/// Reports `[1, 2]` as a value.
pub fn array(i: Tokens<'_>) -> Res<'_, Expr> {
    bracketed_json(i, "an array")
}

/// Reports `{"a": 1}` as a value.
pub fn bag(i: Tokens<'_>) -> Res<'_, Expr> {
    bracketed_json(i, "an object")
}

fn bracketed_json<'a>(i: Tokens<'a>, what: &str) -> Res<'a, Expr> {
    let Some(partner) = i.partner() else { return no_match() };
    let rest = i.seek(partner + 1);
    let span = i.span_to(rest);
    let message = format!("{what} is written in dynamic(...)");
    i.report(Diagnostic::error(Code::E1010, span, message).fix(span, format!("dynamic({})", i.slice(span))));
    Ok((rest, Expr { kind: ExprKind::Missing, span }))
}

/// Reports `in x` and `in [1, 2]`; one operand is taken as the list.
pub fn list_without_parentheses(i: Tokens<'_>, op: ListOp) -> Res<'_, Vec<Expr>> {
    let text = op.text();
    if i.is(TokenKind::BracketOpen)
        && let Some(partner) = i.partner()
        && super::input::bracketed_name(i).is_err()
    {
        let rest = i.seek(partner + 1);
        let span = i.span_to(rest);
        let inner = i.slice(span).trim_start_matches('[').trim_end_matches(']');
        let message = format!("the values of `{text}` stand in parentheses");
        i.report(Diagnostic::error(Code::E1010, span, message).fix(span, format!("({inner})")));
        return Ok((rest, Vec::new()));
    }
    let (rest, item) = match primary::postfix(i) {
        Err(nom::Err::Error(_)) => {
            return fail(expectation(i, &format!("the values of `{text}` in parentheses")));
        }
        other => other?,
    };
    let message = format!("the values of `{text}` stand in parentheses");
    i.report(Diagnostic::error(Code::E1010, item.span, message).fix(item.span, format!("({})", i.slice(item.span))));
    Ok((rest, vec![item]))
}

/// Reports `between 1 and 2`.
pub fn range_without_parentheses(i: Tokens<'_>) -> Res<'_, (Expr, Expr)> {
    let message = "the bounds of `between` stand in parentheses";
    let (rest, low) = match primary::postfix(i) {
        Err(nom::Err::Error(_)) => return fail(expectation(i, "`(low .. high)`")),
        other => other?,
    };
    if !rest.is(TokenKind::DotDot) && !rest.text().eq_ignore_ascii_case("and") {
        return fail(Diagnostic::error(Code::E1010, low.span, message).label("write `(low .. high)`"));
    }
    let (rest, high) = match primary::postfix(rest.skip(1)) {
        Err(nom::Err::Error(_)) => return fail(expectation(rest.skip(1), "the upper bound")),
        other => other?,
    };
    let span = low.span.to(high.span);
    let fix = format!("({} .. {})", i.slice(low.span), i.slice(high.span));
    i.report(Diagnostic::error(Code::E1010, span, message).fix(span, fix));
    Ok((rest, (low, high)))
}

/// Reports `(1 and 2)` as the range of `between` and takes it apart.
pub fn bounds_joined_by_and(i: Tokens<'_>, range: &Expr) -> Option<(Expr, Expr)> {
    let ExprKind::Binary { op: BinaryOp::And, op_span, left, right } = &range.kind else { return None };
    i.report(
        Diagnostic::error(Code::E1010, *op_span, "the bounds of `between` are joined by `..`").fix(*op_span, ".."),
    );
    Some(((**left).clone(), (**right).clone()))
}

/// Reports a comma or `and` between the bounds of `between`.
pub fn range_separator(i: Tokens<'_>) -> Res<'_, ()> {
    let is_habit = i.is(TokenKind::Comma) || i.text().eq_ignore_ascii_case("and") || i.is_word("to");
    if !is_habit {
        return fail(expectation(i, "`..` and the upper bound"));
    }
    let span = i.peek().span;
    i.report(Diagnostic::error(Code::E1010, span, "the bounds of `between` are joined by `..`").fix(span, ".."));
    Ok((i.skip(1), ()))
}
