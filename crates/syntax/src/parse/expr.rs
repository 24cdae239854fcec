//! Expressions: a bounded Pratt loop over binary operators.
//!
//! Binding, loosest first: `or`; `and`; `== != in between`; `< > <= >=`; `+ -`; `* / %`; string operators; signs. Those
//! of the third, fourth and string level do not chain.
//!
//! Source of the levels: npm `@kusto/language-service-next` 12.4.1, the tree its parser builds for each pair of
//! operators. The height of the tree is bounded as well as the nesting, and long chains of `and` and `or` are built
//! balanced, so that no later stage recurses deeply. Next: `primary.rs`.

use super::habit;
use super::input::{Res, Tokens, deeper, expected, fail, too_deep};
use super::primary;
use crate::ast::{BinaryOp, Expr, ExprKind, ListOp, UnaryOp};
use crate::token::TokenKind;
use dtq_source::{Code, Diagnostic, Span};

/// Parses a scalar expression; does not match where none begins.
pub fn expr(i: Tokens<'_>) -> Res<'_, Expr> {
    deeper(i, |i| {
        let outer = i.shared.tallest.replace(0);
        let result = level(i, Level::Or);
        let height = i.shared.tallest.get();
        i.shared.tallest.set(outer.max(height));
        result
    })
}

/// Parses a scalar expression that must stand here.
pub fn need_expr(i: Tokens<'_>) -> Res<'_, Expr> {
    match expr(i) {
        Err(nom::Err::Error(_)) => fail(habit::not_an_expression(i)),
        other => other,
    }
}

/// Says how tightly an operator binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `or`
    Or,
    /// `and`
    And,
    /// `==`, `in`, `between`
    Equality,
    /// `<`
    Relation,
    /// `+`
    Sum,
    /// `*`
    Product,
    /// `has`
    Text,
    /// Tighter than any operator.
    Operand,
}

impl Level {
    /// Returns the next tighter level.
    fn tighter(self) -> Level {
        match self {
            Level::Or => Level::And,
            Level::And => Level::Equality,
            Level::Equality => Level::Relation,
            Level::Relation => Level::Sum,
            Level::Sum => Level::Product,
            Level::Product => Level::Text,
            Level::Text | Level::Operand => Level::Operand,
        }
    }

    /// Says whether `a op b op c` is allowed.
    fn chains(self) -> bool {
        !matches!(self, Level::Equality | Level::Relation | Level::Text)
    }
}

/// Names an operator between two expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Infix {
    /// With an expression on the right.
    Binary(BinaryOp),
    /// With a list in parentheses on the right.
    List(ListOp),
    /// `between` or `!between`.
    Between(bool),
    /// Words already reported that leave the left operand as it is.
    Passed,
}

/// Holds an operator found at a place.
#[derive(Clone, Copy)]
pub struct Found<'a> {
    /// The operator.
    pub op: Infix,
    /// How tightly it binds.
    pub level: Level,
    /// The place after it.
    pub rest: Tokens<'a>,
    /// Its words.
    pub span: Span,
}

/// Parses operands joined by operators that bind at least as tightly as `least`.
pub fn level(i: Tokens<'_>, least: Level) -> Res<'_, Expr> {
    let (mut rest, mut left) = operand(i)?;
    let mut height = i.shared.tallest.get() + 1;
    // The loosest level that may still be used: after a non-chaining operator only looser ones may follow.
    let mut tightest = Level::Operand;
    while let Some(found) = habit::infix(i, rest, &left) {
        if found.level < least {
            break;
        }
        if found.level > tightest || found.level == tightest && !found.level.chains() {
            report_chain(rest, found);
        }
        tightest = found.level;
        if matches!(found.op, Infix::Binary(BinaryOp::And | BinaryOp::Or)) {
            (rest, left, height) = logic(i, found, left, height)?;
        } else {
            (rest, left, height) = combine(i, found, left, height)?;
        }
        if !i.shared.allows_height(height) {
            return too_deep(i);
        }
    }
    i.shared.tallest.set(height);
    Ok((rest, left))
}

/// Reports `a == b == c`.
fn report_chain(i: Tokens<'_>, found: Found<'_>) {
    let text = i.slice(found.span);
    let message = format!("`{text}` cannot follow another comparison without parentheses");
    i.report(
        Diagnostic::error(Code::E1007, found.span, message).label("write `(a == b) == c`, or join two with `and`"),
    );
}

/// Parses what follows `left op` and puts them together; gives the height too.
fn combine<'a>(
    i: Tokens<'a>,
    found: Found<'a>,
    left: Expr,
    left_height: usize,
) -> Result<(Tokens<'a>, Expr, usize), nom::Err<super::input::Fault>> {
    i.shared.tallest.set(0);
    let (left, op_span) = (Box::new(left), found.span);
    let (rest, kind) = match found.op {
        Infix::Binary(op) => {
            let (rest, right) = right_side(found)?;
            (rest, ExprKind::Binary { op, op_span, left, right: Box::new(right) })
        }
        Infix::List(op) => {
            let (rest, items) = primary::list_operand(found.rest, op)?;
            (rest, ExprKind::List { op, op_span, left, items })
        }
        Infix::Passed => return Ok((found.rest, *left, left_height)),
        Infix::Between(is_negated) => {
            let (rest, (low, high)) = primary::range_operand(found.rest)?;
            let (low, high) = (Box::new(low), Box::new(high));
            (rest, ExprKind::Between { is_negated, op_span, operand: left, low, high })
        }
    };
    let height = left_height.max(i.shared.tallest.get()) + 1;
    Ok((rest, Expr { kind, span: i.span_to(rest) }, height))
}

/// Parses the right operand of a binary operator.
fn right_side(found: Found<'_>) -> Res<'_, Expr> {
    match level(found.rest, found.level.tighter()) {
        Err(nom::Err::Error(_)) => fail(habit::no_right_side(found.rest, found.span)),
        other => other,
    }
}

/// Chains of `and` or `or` longer than this are built as balanced trees.
const CHAIN_LEFT_DEEP_MAX: usize = 32;

/// Parses the rest of a chain of the same logical operator and builds its tree.
///
/// Both are associative for true, false and null, so the shape has no meaning; a short chain is left-deep as written.
fn logic<'a>(
    i: Tokens<'a>,
    first: Found<'a>,
    left: Expr,
    left_height: usize,
) -> Result<(Tokens<'a>, Expr, usize), nom::Err<super::input::Fault>> {
    let mut operands = vec![left];
    let mut op_spans = Vec::new();
    let mut tallest = left_height;
    let mut found = first;
    let mut rest;
    loop {
        i.shared.tallest.set(0);
        let right;
        (rest, right) = right_side(found)?;
        tallest = tallest.max(i.shared.tallest.get());
        operands.push(right);
        op_spans.push(found.span);
        match habit::infix(i, rest, operands.last().expect("just pushed")) {
            Some(next) if next.op == first.op => found = next,
            _ => break,
        }
    }
    let Infix::Binary(op) = first.op else { unreachable!("called for `and` and `or` only") };
    let count = operands.len();
    let height =
        if count > CHAIN_LEFT_DEEP_MAX { usize::BITS as usize - count.leading_zeros() as usize } else { count };
    Ok((rest, join(op, operands, &op_spans), tallest + height))
}

/// Builds one tree from operands and the operators between them.
fn join(op: BinaryOp, mut operands: Vec<Expr>, op_spans: &[Span]) -> Expr {
    let count = operands.len();
    if count == 1 {
        return operands.pop().expect("one operand is left");
    }
    let at = if count > CHAIN_LEFT_DEEP_MAX { count / 2 } else { count - 1 };
    let right = join(op, operands.split_off(at), &op_spans[at..]);
    let left = join(op, operands, &op_spans[..at - 1]);
    let span = left.span.to(right.span);
    Expr {
        kind: ExprKind::Binary { op, op_span: op_spans[at - 1], left: Box::new(left), right: Box::new(right) },
        span,
    }
}

/// Parses an operand with its sign.
fn operand(i: Tokens<'_>) -> Res<'_, Expr> {
    let op = match i.kind() {
        TokenKind::Minus => UnaryOp::Negate,
        TokenKind::Plus => UnaryOp::Plus,
        TokenKind::Bang | TokenKind::BangWord => return habit::bang(i),
        _ => return primary::postfix(i),
    };
    if matches!(i.peek_at(1).kind, TokenKind::Minus | TokenKind::Plus) {
        let span = i.peek_at(1).span;
        let label = "write one sign, or parentheses: `-(-x)`";
        return fail(Diagnostic::error(Code::E1007, span, "a second sign cannot follow a sign").label(label));
    }
    let (rest, operand) = match primary::postfix(i.skip(1)) {
        Err(nom::Err::Error(_)) => return expected(i.skip(1), "a value after the sign"),
        other => other?,
    };
    i.shared.tallest.set(i.shared.tallest.get() + 1);
    Ok((rest, Expr { kind: ExprKind::Unary { op, operand: Box::new(operand) }, span: i.span_to(rest) }))
}

/// Returns the operator at a place, in the spelling of the language.
pub fn known_infix(i: Tokens<'_>) -> Option<Found<'_>> {
    let (op, level) = match i.kind() {
        TokenKind::Word | TokenKind::BangWord => word_infix(i.text())?,
        kind => symbol_infix(kind)?,
    };
    let mut rest = i.skip(1);
    if op == Infix::Binary(BinaryOp::MatchesRegex) {
        if !rest.is_word("regex") {
            return None;
        }
        rest = rest.skip(1);
    }
    Some(Found { op, level, rest, span: i.span_to(rest) })
}

/// Returns the operator that a token of this kind is.
fn symbol_infix(kind: TokenKind) -> Option<(Infix, Level)> {
    let (op, level) = match kind {
        TokenKind::Equal => (BinaryOp::Equal, Level::Equality),
        TokenKind::NotEqual | TokenKind::LessGreater => (BinaryOp::NotEqual, Level::Equality),
        TokenKind::EqualTilde => (BinaryOp::EqualIgnoreCase, Level::Text),
        TokenKind::NotTilde => (BinaryOp::NotEqualIgnoreCase, Level::Text),
        TokenKind::Less => (BinaryOp::Less, Level::Relation),
        TokenKind::LessEqual => (BinaryOp::LessOrEqual, Level::Relation),
        TokenKind::Greater => (BinaryOp::Greater, Level::Relation),
        TokenKind::GreaterEqual => (BinaryOp::GreaterOrEqual, Level::Relation),
        TokenKind::Plus => (BinaryOp::Add, Level::Sum),
        TokenKind::Minus => (BinaryOp::Subtract, Level::Sum),
        TokenKind::Star => (BinaryOp::Multiply, Level::Product),
        TokenKind::Slash => (BinaryOp::Divide, Level::Product),
        TokenKind::Percent => (BinaryOp::Modulo, Level::Product),
        TokenKind::Colon => (BinaryOp::Search, Level::Text),
        _ => return None,
    };
    Some((Infix::Binary(op), level))
}

/// Returns the operator that a word is.
pub fn word_infix(word: &str) -> Option<(Infix, Level)> {
    let (op, level) = match word {
        "or" => (Infix::Binary(BinaryOp::Or), Level::Or),
        "and" => (Infix::Binary(BinaryOp::And), Level::And),
        "in" => (Infix::List(ListOp::In), Level::Equality),
        "!in" => (Infix::List(ListOp::NotIn), Level::Equality),
        "in~" => (Infix::List(ListOp::InIgnoreCase), Level::Equality),
        "!in~" => (Infix::List(ListOp::NotInIgnoreCase), Level::Equality),
        "has_any" => (Infix::List(ListOp::HasAny), Level::Equality),
        "has_all" => (Infix::List(ListOp::HasAll), Level::Equality),
        "between" => (Infix::Between(false), Level::Equality),
        "!between" => (Infix::Between(true), Level::Equality),
        _ => (Infix::Binary(text_operator(word)?), Level::Text),
    };
    Some((op, level))
}

/// Returns the string operator that a word is.
fn text_operator(word: &str) -> Option<BinaryOp> {
    Some(match word {
        "contains" => BinaryOp::Contains,
        "!contains" => BinaryOp::NotContains,
        "contains_cs" => BinaryOp::ContainsCs,
        "!contains_cs" => BinaryOp::NotContainsCs,
        "startswith" => BinaryOp::StartsWith,
        "!startswith" => BinaryOp::NotStartsWith,
        "startswith_cs" => BinaryOp::StartsWithCs,
        "!startswith_cs" => BinaryOp::NotStartsWithCs,
        "endswith" => BinaryOp::EndsWith,
        "!endswith" => BinaryOp::NotEndsWith,
        "endswith_cs" => BinaryOp::EndsWithCs,
        "!endswith_cs" => BinaryOp::NotEndsWithCs,
        "has" => BinaryOp::Has,
        "!has" => BinaryOp::NotHas,
        "has_cs" => BinaryOp::HasCs,
        "!has_cs" => BinaryOp::NotHasCs,
        "hasprefix" => BinaryOp::HasPrefix,
        "!hasprefix" => BinaryOp::NotHasPrefix,
        "hasprefix_cs" => BinaryOp::HasPrefixCs,
        "!hasprefix_cs" => BinaryOp::NotHasPrefixCs,
        "hassuffix" => BinaryOp::HasSuffix,
        "!hassuffix" => BinaryOp::NotHasSuffix,
        "hassuffix_cs" => BinaryOp::HasSuffixCs,
        "!hassuffix_cs" => BinaryOp::NotHasSuffixCs,
        "matches" => BinaryOp::MatchesRegex,
        _ => return None,
    })
}
