//! Operators that stand after `|`: the dispatch by keyword and the simple ones.
//!
//! Next: `tables.rs` for those that take tables, `series.rs` for the long ones.

use super::expr::need_expr;
use super::habit;
use super::input::{NameUse, Res, Tokens, expectation, expected, fail, need_name, need_word};
use super::parts::{self, assignments, assignments0, clause, column_pattern, exprs, keyword, missing, properties};
use super::pipeline;
use super::primary;
use super::recover;
use super::series;
use super::statement::defined_name;
use super::tables;
use crate::ast::{
    Expr, ExprKind, ForkBranch, MvExpand, MvItem, Name, OperatorKind, Parse, ParsePiece, Property, ReorderItem,
    ReorderOrder, Summarize, TypeName,
};
use crate::token::TokenKind;
use dtq_source::{Code, Diagnostic, Span};

/// Parses an operator after its keyword.
pub fn operator<'a>(i: Tokens<'a>, keyword: &str, span: Span) -> Res<'a, OperatorKind> {
    match keyword {
        "where" | "filter" => where_(i),
        "extend" => list(i, OperatorKind::Extend),
        "project" => project(i),
        "project-away" => patterns(i, OperatorKind::ProjectAway),
        "project-keep" => patterns(i, OperatorKind::ProjectKeep),
        "project-rename" => rename(i),
        "project-reorder" => reorder(i),
        "project-by-names" => by_names(i),
        "take" | "limit" => take(i, keyword),
        "count" => count(i),
        "distinct" => distinct(i),
        "summarize" => summarize(i),
        "sort" | "order" => sort(i, keyword),
        "top" => top(i),
        "as" => as_(i),
        "render" => render(i),
        "parse" | "parse-where" => parse(i, keyword == "parse-where"),
        "parse-kv" => parse_kv(i),
        "mv-expand" | "mvexpand" => mv_expand(i),
        "mv-apply" | "mvapply" => mv_apply(i),
        "join" => tables::join(i),
        "lookup" => tables::lookup(i),
        "union" => tables::union(i),
        "getschema" => getschema(i),
        "serialize" => serialize(i),
        "make-series" => series::make_series(i),
        "top-nested" => series::top_nested(i),
        "top-hitters" => series::top_hitters(i),
        "search" => tables::search_operator(i),
        "scan" => series::scan(i),
        "reduce" => series::reduce(i),
        "sample" => sample(i),
        "sample-distinct" => sample_distinct(i),
        "fork" => fork(i),
        "facet" => series::facet(i),
        "partition" => series::partition(i),
        "invoke" => invoke(i),
        "evaluate" => tables::evaluate_operator(i),
        "consume" => consume(i),
        _ => unsupported(i, keyword, span),
    }
}

fn where_(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    i.shared.item_start.set(usize::MAX);
    let (rest, predicate) = recover::or_skip(i, "a condition", &[], condition, missing)?;
    if rest.is(TokenKind::Comma) {
        let span = rest.peek().span;
        rest.report(
            Diagnostic::error(Code::E1010, span, "conditions are joined by `and`")
                .fix(span, " and")
                .label("write `and`"),
        );
        return Ok((recover::skip_operator(rest), OperatorKind::Where(Vec::new(), predicate)));
    }
    Ok((rest, OperatorKind::Where(Vec::new(), predicate)))
}

fn condition(i: Tokens<'_>) -> Res<'_, Expr> {
    if recover::ends_operator(i.kind()) {
        let previous = i.previous_span();
        let message = format!("`{}` needs a condition", i.slice(previous));
        return fail(Diagnostic::error(Code::E1007, previous, message).label("write a condition after it"));
    }
    need_expr(i)
}

fn list(i: Tokens<'_>, kind: fn(Vec<crate::ast::Assignment>) -> OperatorKind) -> Res<'_, OperatorKind> {
    let (rest, items) = assignments(i, &[])?;
    Ok((rest, kind(items)))
}

fn project(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, items) = assignments0(i, &[])?;
    Ok((rest, OperatorKind::Project(items)))
}

fn patterns(i: Tokens<'_>, kind: fn(Vec<Expr>) -> OperatorKind) -> Res<'_, OperatorKind> {
    let (rest, items) = recover::list(i, "a column", &[], column_pattern, missing)?;
    Ok((rest, kind(items)))
}

fn rename(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, items) = assignments(i, &[])?;
    for item in &items {
        if item.names.is_empty() && item.value.kind != ExprKind::Missing {
            let message = "`project-rename` takes `new = old`";
            let label = format!("write `new = {}`", super::input::shortened(i.slice(item.span)));
            i.report(Diagnostic::error(Code::E1007, item.span, message).label(label));
        }
    }
    Ok((rest, OperatorKind::ProjectRename(items)))
}

fn reorder(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let item = |i| {
        let (rest, column) = column_pattern(i)?;
        let order = match rest.text() {
            "asc" => Some(ReorderOrder::Ascending),
            "desc" => Some(ReorderOrder::Descending),
            "granny-asc" => Some(ReorderOrder::GrannyAscending),
            "granny-desc" => Some(ReorderOrder::GrannyDescending),
            _ => None,
        };
        Ok((if order.is_some() { rest.skip(1) } else { rest }, ReorderItem { column, order }))
    };
    let (rest, items) =
        recover::list(i, "a column", &[], item, |span| ReorderItem { column: missing(span), order: None })?;
    Ok((rest, OperatorKind::ProjectReorder(items)))
}

fn by_names(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, items) = exprs(i, &[])?;
    Ok((rest, OperatorKind::ProjectByNames(items)))
}

fn take<'a>(i: Tokens<'a>, keyword: &str) -> Res<'a, OperatorKind> {
    if recover::ends_operator(i.kind()) {
        return fail(parts::count_missing(i, keyword));
    }
    let (rest, count) = need_expr(i)?;
    if rest.is(TokenKind::Comma) {
        let label = "to skip rows write `serialize n = row_number() | where n > 10`";
        return fail(
            Diagnostic::error(Code::E1010, rest.peek().span, format!("`{keyword}` takes one number")).label(label),
        );
    }
    Ok((rest, OperatorKind::Take(Vec::new(), count)))
}

fn count(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    if i.is_word("as") {
        let (rest, name) = defined_name(i.skip(1))?;
        return Ok((rest, OperatorKind::Count(Some(name))));
    }
    if i.is(TokenKind::ParenOpen) && i.peek_at(1).kind == TokenKind::ParenClose {
        let span = i.previous_span().to(i.peek_at(1).span);
        i.report(Diagnostic::error(Code::E1007, span, "the operator `count` takes no parentheses").fix(span, "count"));
        return Ok((i.skip(2), OperatorKind::Count(None)));
    }
    if let Some(by) = keyword(i, "by") {
        let span = i.previous_span().to(i.peek().span);
        i.report(
            Diagnostic::error(Code::E1010, span, "the operator `count` takes no `by`")
                .fix(span, "summarize count() by"),
        );
        return Ok((assignments(by, &[])?.0, OperatorKind::Count(None)));
    }
    Ok((i, OperatorKind::Count(None)))
}

fn distinct(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, properties) = properties(i, &[], false)?;
    let (rest, columns) = exprs(rest, &[])?;
    Ok((rest, OperatorKind::Distinct(properties, columns)))
}

fn summarize(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, properties) = properties(i, &[], false)?;
    if recover::ends_operator(rest.kind()) {
        let message = "`summarize` needs an aggregate or `by`";
        return fail(Diagnostic::error(Code::E1007, i.previous_span(), message).label("write `count()` after it"));
    }
    let (rest, aggregates) =
        if keyword(rest, "by").is_some() { (rest, Vec::new()) } else { assignments(rest, &["by", "group"])? };
    let rest = group_by(rest);
    let Some(after) = keyword(rest, "by") else {
        let kind = Summarize { properties, aggregates, by: Vec::new(), has_by: false, bin: None };
        return Ok((rest, OperatorKind::Summarize(kind)));
    };
    let (rest, by) = assignments(after, &["bin"])?;
    let (rest, bin) = if rest.is_word("bin") && rest.peek_at(1).kind == TokenKind::Assign {
        let (rest, value) = need_expr(rest.skip(2))?;
        (rest, Some(Box::new(value)))
    } else {
        (rest, None)
    };
    Ok((rest, OperatorKind::Summarize(Summarize { properties, aggregates, by, has_by: true, bin })))
}

/// Reports `group by` after the aggregates and passes over `group`.
fn group_by(i: Tokens<'_>) -> Tokens<'_> {
    if i.text().eq_ignore_ascii_case("group") && i.text_at(1).eq_ignore_ascii_case("by") {
        let span = i.peek().span.to(i.peek_at(1).span);
        i.report(Diagnostic::error(Code::E1010, span, "`summarize` groups with `by` alone").fix(span, "by"));
        return i.skip(1);
    }
    i
}

fn sort<'a>(i: Tokens<'a>, keyword: &str) -> Res<'a, OperatorKind> {
    let (rest, properties) = properties(i, &[], false)?;
    let rest = match parts::keyword(rest, "by") {
        Some(rest) => rest,
        None if recover::ends_operator(rest.kind()) => {
            let message = format!("`{keyword}` needs `by` and a column");
            return fail(
                Diagnostic::error(Code::E1007, i.previous_span(), message)
                    .label(format!("write `{keyword} by Column`")),
            );
        }
        None => {
            let at = rest.previous_span();
            let message = format!("`by` is missing after `{keyword}`");
            rest.report(
                Diagnostic::error(Code::E1007, at, message)
                    .fix(at.after(), " by")
                    .label(format!("write `{keyword} by`")),
            );
            rest
        }
    };
    let rest = leading_direction(rest);
    let (rest, keys) = recover::list(rest, "a column", &[], parts::sort_key, parts::missing_sort_key)?;
    Ok((rest, OperatorKind::Sort(properties, keys)))
}

/// Reports `desc x` and passes over the word.
fn leading_direction(i: Tokens<'_>) -> Tokens<'_> {
    let is_misplaced =
        matches!(i.text(), "asc" | "desc") && matches!(i.peek_at(1).kind, TokenKind::Word | TokenKind::BracketOpen);
    if !is_misplaced {
        return i;
    }
    let span = i.peek().span;
    let fix = format!("{} {}", i.text_at(1), i.text());
    let message = format!("`{}` stands after the column", i.text());
    let diagnostic = Diagnostic::error(Code::E1010, span, message);
    i.report(if i.peek_at(1).kind == TokenKind::Word {
        diagnostic.fix(span.to(i.peek_at(1).span), fix)
    } else {
        diagnostic
    });
    i.skip(1)
}

fn top(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, properties) = properties(i, &[], false)?;
    if recover::ends_operator(rest.kind()) || rest.is_word("by") {
        return fail(parts::count_missing(rest, "top"));
    }
    let (rest, count) = need_expr(rest)?;
    let Some(rest) = keyword(rest, "by") else {
        let diagnostic = expectation(rest, "`by` and a column");
        let fix = "to take any rows write `take` instead";
        return fail(
            Diagnostic { message: "`by` is missing after `top` and its number".to_owned(), ..diagnostic }.note(fix),
        );
    };
    let (rest, by) = parts::sort_key(leading_direction(rest))?;
    if rest.is(TokenKind::Comma) {
        let span = rest.peek().span;
        let message = "`top` takes one key";
        return fail(
            Diagnostic::error(Code::E1007, span, message).label("to order by several write `sort by a, b | take n`"),
        );
    }
    Ok((rest, OperatorKind::Top { properties, count, by, more: Vec::new() }))
}

fn as_(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, properties) = properties(i, &[], false)?;
    let (rest, name) = defined_name(rest)?;
    Ok((rest, OperatorKind::As(properties, name)))
}

fn getschema(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, _) = tables::checked_properties(i, &[("kind", &["csl"])])?;
    Ok((rest, OperatorKind::GetSchema))
}

fn serialize(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, _) = properties(i, &[], false)?;
    let (rest, items) = assignments0(rest, &[])?;
    Ok((rest, OperatorKind::Serialize(items)))
}

fn sample(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    if recover::ends_operator(i.kind()) {
        return fail(parts::count_missing(i, "sample"));
    }
    let (rest, count) = need_expr(i)?;
    Ok((rest, OperatorKind::Sample(count)))
}

fn sample_distinct(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    if recover::ends_operator(i.kind()) {
        return fail(parts::count_missing(i, "sample-distinct"));
    }
    let (rest, count) = need_expr(i)?;
    let (rest, _) = need_word("of")(rest)?;
    let (rest, of) = need_expr(rest)?;
    Ok((rest, OperatorKind::SampleDistinct { count, of }))
}

fn invoke(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, call) = primary::call(i)?;
    Ok((rest, OperatorKind::Invoke(call)))
}

fn consume(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, properties) = properties(i, &["decodeblocks"], true)?;
    Ok((rest, OperatorKind::Consume(properties)))
}

/// Skips an operator that is refused by name.
fn unsupported<'a>(i: Tokens<'a>, keyword: &str, span: Span) -> Res<'a, OperatorKind> {
    let rest = recover::skip_opaque(i, true);
    Ok((rest, OperatorKind::Unsupported(Name { text: keyword.to_owned(), span, is_bracketed: false })))
}

/// Parses `render kind with (...)`, also the older form without `with`.
fn render(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, kind) = need_name(NameUse::Any, "a kind of chart such as `timechart`")(i)?;
    let Some(open) = keyword(rest, "with") else {
        let (rest, properties) = properties(rest, &[], true)?;
        return Ok((rest, OperatorKind::Render { kind, properties }));
    };
    if !open.is(TokenKind::ParenOpen) {
        return expected(open, "`(` and properties");
    }
    let mut found = Vec::new();
    let mut rest = open.skip(1);
    while !rest.is(TokenKind::ParenClose) {
        let name;
        (rest, name) = match render_property(rest, found.last()) {
            Ok(done) => done,
            Err(_) => return expected(rest, "a property such as `title=\"text\"`"),
        };
        found.push(name);
        if !rest.is(TokenKind::Comma) {
            break;
        }
        rest = rest.skip(1);
    }
    let (rest, ()) = primary::close(open, rest)?;
    Ok((rest, OperatorKind::Render { kind, properties: found }))
}

/// Parses `name=value`, or a further value of the property before (`ycolumns=a, b`), under the same name.
fn render_property<'a>(i: Tokens<'a>, before: Option<&Property>) -> Res<'a, Property> {
    if i.is(TokenKind::Word) && i.peek_at(1).kind == TokenKind::Assign {
        let name = Name { text: i.text().to_owned(), span: i.peek().span, is_bracketed: false };
        let (rest, value) = parts::property_value(i.skip(2))?;
        return Ok((rest, Property { name, value }));
    }
    let Some(before) = before else { return super::input::no_match() };
    let (rest, value) = parts::property_value(i)?;
    Ok((rest, Property { name: before.name.clone(), value }))
}

/// Parses `parse kind=regex x with ...`.
fn parse(i: Tokens<'_>, is_where: bool) -> Res<'_, OperatorKind> {
    let (rest, properties) =
        tables::checked_properties(i, &[("kind", &["simple", "regex", "relaxed"]), ("flags", &[])])?;
    let word = |wanted: &str| properties.iter().find(|property| property.name.text == wanted).and_then(property_word);
    let (kind, flags) = (word("kind"), word("flags"));
    let (rest, value) = need_expr(rest)?;
    let (mut rest, _) = need_word("with")(rest)?;
    let mut pattern = Vec::new();
    while !recover::ends_operator(rest.kind()) {
        let piece;
        (rest, piece) = parse_piece(rest)?;
        pattern.push(piece);
    }
    if pattern.is_empty() {
        return expected(rest, "a pattern: texts, `*` and columns");
    }
    Ok((rest, OperatorKind::Parse(Parse { is_where, kind, flags, value, pattern })))
}

/// Returns the name that a property has as its value.
fn property_word(property: &Property) -> Option<Name> {
    match &property.value.kind {
        ExprKind::Name(name) => Some(name.clone()),
        _ => None,
    }
}

/// Parses a piece of the pattern of `parse`.
fn parse_piece(i: Tokens<'_>) -> Res<'_, ParsePiece> {
    match i.kind() {
        TokenKind::Star => Ok((i.skip(1), ParsePiece::Star(i.peek().span))),
        TokenKind::String => {
            let (rest, text) = primary::literal(i)?;
            Ok((rest, ParsePiece::Text(text)))
        }
        TokenKind::Comma => fail(
            Diagnostic::error(Code::E1007, i.peek().span, "the pieces of a pattern stand side by side, without commas")
                .fix(i.peek().span, ""),
        ),
        _ => {
            let (rest, column) = parts::column(i, false)?;
            Ok((rest, ParsePiece::Column(column)))
        }
    }
}

/// Parses `parse-kv x as (...) with (...)`.
fn parse_kv(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, value) = need_expr(i)?;
    let (rest, _) = need_word("as")(rest)?;
    let (rest, columns) = parts::columns(rest, true)?;
    let Some(open) = keyword(rest, "with") else {
        return Ok((rest, OperatorKind::ParseKv { value, columns, properties: Vec::new() }));
    };
    let known = ["pair_delimiter", "kv_delimiter", "quote", "escape", "greedy", "regex"];
    let (rest, properties) = tables::property_list(open, &known)?;
    Ok((rest, OperatorKind::ParseKv { value, columns, properties }))
}

/// The properties of `mv-expand` and their values.
const EXPANSION: &[(&str, &[&str])] =
    &[("bagexpansion", &["bag", "array"]), ("kind", &["bag", "array"]), ("with_itemindex", &[])];

/// What stands before `mv-expand`'s items.
type Expansion = (Vec<Property>, Option<Name>);

fn expansion(i: Tokens<'_>) -> Res<'_, Expansion> {
    let (rest, mut properties) = tables::some_properties(i, EXPANSION)?;
    let at = properties.iter().position(|property| property.name.text == "with_itemindex");
    let item_index = at.and_then(|at| property_word(&properties.remove(at)));
    Ok((rest, (properties, item_index)))
}

fn mv_expand(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, (properties, item_index)) = expansion(i)?;
    let (rest, items) = recover::list(rest, "a column", &["limit", "to"], mv_item, missing_mv_item)?;
    let (rest, limit) = clause(rest, "limit")?;
    Ok((rest, OperatorKind::MvExpand(MvExpand { properties, items, item_index, limit })))
}

fn mv_apply(i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let (rest, (properties, item_index)) = expansion(i)?;
    let (rest, items) = recover::list(rest, "a column", &["limit", "to", "on", "id"], mv_item, missing_mv_item)?;
    let (rest, limit) = clause(rest, "limit")?;
    let (rest, id) = clause(rest, "id")?;
    let (rest, _) = need_word("on")(rest)?;
    let (rest, body) = pipeline::sub_pipeline(rest)?;
    Ok((rest, OperatorKind::MvApply { properties, items, item_index, limit, id, body }))
}

fn missing_mv_item(span: Span) -> MvItem {
    MvItem { value: parts::missing_assignment(span), ty: None }
}

/// Parses `a to typeof(long)`.
fn mv_item(i: Tokens<'_>) -> Res<'_, MvItem> {
    let (rest, value) = parts::assignment(i)?;
    if !rest.is_word("to") {
        return Ok((rest, MvItem { value, ty: None }));
    }
    let after = rest.skip(1);
    if !after.is_word("typeof") || after.peek_at(1).kind != TokenKind::ParenOpen {
        return expected(after, "`typeof(type)`");
    }
    let (rest, ty): (_, TypeName) = parts::type_name(after.skip(2))?;
    let (rest, ()) = primary::close(after.skip(1), rest)?;
    Ok((rest, MvItem { value, ty: Some(ty) }))
}

/// Parses `fork (a) name=(b)`.
fn fork(mut i: Tokens<'_>) -> Res<'_, OperatorKind> {
    let mut branches = Vec::new();
    loop {
        let (rest, name) = if parts::is_named(i) {
            let (rest, name) = need_name(NameUse::Declare, "a name")(i)?;
            (rest.skip(1), Some(name))
        } else {
            (i, None)
        };
        if !rest.is(TokenKind::ParenOpen) {
            if name.is_some() || branches.is_empty() {
                return expected(rest, "`(` and operators");
            }
            return Ok((rest, OperatorKind::Fork(branches)));
        }
        let (rest, body) = pipeline::sub_pipeline(rest)?;
        branches.push(ForkBranch { name, body });
        i = rest;
    }
}

/// Returns the candidate nearest to a word; re-exported for the operators in other files.
pub fn nearest<'w>(text: &str, candidates: &[&'w str]) -> Option<&'w str> {
    habit::nearest(text, candidates.iter().copied())
}
