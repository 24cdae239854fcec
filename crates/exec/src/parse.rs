//! `parse` and `parse-where`: columns taken from a text by a pattern.
//!
//! Simple and relaxed patterns are matched directly: since every constant is plain text, the leftmost place of each is
//! the one a lazy match would find, and only the last constant is tied to the end. Regex patterns become one regular
//! expression. Next: [`crate::parse_kv`].

use crate::env::Env;
use crate::operator::{BoxedOperator, Operator};
use dtq_ir::rel::{Parse, ParseKind, ParsePiece};
use dtq_record::stream::Row;
use dtq_source::{Code, Limits};
use dtq_value::scalar::Fault;
use dtq_value::scalar::convert::convert;
use dtq_value::scalar::pool::compile;
use dtq_value::{Str, Type, Value};
use regex::bytes::Regex;

/// Parses a text of each row.
pub(crate) struct ParseText<'a> {
    input: BoxedOperator<'a>,
    parse: &'a Parse,
    types: Vec<Type>,
    pattern: Pattern<'a>,
}

/// A pattern ready to match.
enum Pattern<'a> {
    Pieces(&'a [ParsePiece]),
    Regex(Regex),
}

/// What was captured: the output column, its type, the text.
type Capture<'t> = (u32, Type, &'t [u8]);

impl<'a> ParseText<'a> {
    /// Returns the operator.
    ///
    /// # Errors
    /// [`Code::E2011`] when the constants of a regex pattern do not make a regular expression.
    pub(crate) fn new(
        env: &Env<'a>,
        input: BoxedOperator<'a>,
        parse: &'a Parse,
        types: Vec<Type>,
    ) -> Result<Self, Fault> {
        let pattern = match parse.kind {
            ParseKind::Simple | ParseKind::Relaxed => Pattern::Pieces(&parse.pieces),
            ParseKind::Regex => Pattern::Regex(build_regex(parse, &env.ctx.scalar.limits)?),
        };
        Ok(Self { input, parse, types, pattern })
    }

    /// Returns the values of the captured columns, or `None` when the text does not match.
    fn match_text(&self, text: &[u8], depth_max: usize) -> Option<Vec<(u32, Value)>> {
        let captures = match &self.pattern {
            Pattern::Pieces(pieces) => match_pieces(pieces, text)?,
            Pattern::Regex(regex) => match_regex(regex, &self.parse.pieces, text)?,
        };
        let is_relaxed = self.parse.kind == ParseKind::Relaxed;
        let mut values = Vec::with_capacity(captures.len());
        for (column, ty, captured) in captures {
            let value = convert(&Value::String(Str::from(captured)), Type::String, ty, depth_max);
            if value.is_null() && ty != Type::Dynamic && !is_relaxed {
                return None;
            }
            values.push((column, value));
        }
        Some(values)
    }

    /// Returns the output row, or `None` when `parse-where` drops it.
    fn parse(&self, env: &mut Env<'a>, mut row: Row) -> Result<Option<Row>, Fault> {
        let value = env.eval(self.parse.value, &row)?;
        let text = match &value {
            Value::String(text) => text.as_bytes(),
            _ => b"",
        };
        let matched = self.match_text(text, env.ctx.scalar.limits.value_nesting_max);
        if matched.is_none() && self.parse.is_where {
            return Ok(None);
        }
        row.extend(self.types[row.len().min(self.types.len())..].iter().map(|ty| Value::missing(*ty)));
        for piece in &self.parse.pieces {
            if let ParsePiece::Column(column, ty) = piece {
                row[*column as usize] = Value::missing(*ty);
            }
        }
        for (column, value) in matched.into_iter().flatten() {
            row[column as usize] = value;
        }
        Ok(Some(row))
    }
}

impl<'a> Operator<'a> for ParseText<'a> {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        let Some(batch) = self.input.next(env)? else {
            return Ok(None);
        };
        let mut output = Vec::with_capacity(batch.len());
        for row in batch {
            output.extend(self.parse(env, row)?);
        }
        Ok(Some(output))
    }
}

/// Matches a pattern of plain constants against a whole text.
fn match_pieces<'t>(pieces: &[ParsePiece], text: &'t [u8]) -> Option<Vec<Capture<'t>>> {
    let mut captures = Vec::new();
    let mut rest = text;
    // The column that is waiting for its end, and whether anything may be skipped before the next constant.
    let mut open: Option<(u32, Type)> = None;
    let mut skips = false;
    for (index, piece) in pieces.iter().enumerate() {
        match piece {
            ParsePiece::Text(constant) => {
                let constant = constant.as_bytes();
                let is_last = index + 1 == pieces.len();
                let start = find_constant(rest, constant, open.is_some() || skips, is_last)?;
                if let Some((column, ty)) = open.take() {
                    captures.push((column, ty, &rest[..start]));
                }
                rest = &rest[start + constant.len()..];
                skips = false;
            }
            ParsePiece::Star => {
                if let Some((column, ty)) = open.take() {
                    let size = prefix_size(rest, ty);
                    captures.push((column, ty, &rest[..size]));
                    rest = &rest[size..];
                }
                skips = true;
            }
            ParsePiece::Column(column, ty) => {
                if let Some((before, before_ty)) = open.replace((*column, *ty)) {
                    let size = prefix_size(rest, before_ty);
                    captures.push((before, before_ty, &rest[..size]));
                    rest = &rest[size..];
                }
                skips = false;
            }
        }
    }
    match open {
        Some((column, ty)) => captures.push((column, ty, rest)),
        None if rest.is_empty() || skips => {}
        None => return None,
    }
    Some(captures)
}

/// Returns where a constant stands: at the start unless something may come before it; at the end when it is the last.
fn find_constant(text: &[u8], constant: &[u8], may_skip: bool, is_last: bool) -> Option<usize> {
    match (may_skip, is_last) {
        (false, _) => text.starts_with(constant).then_some(0),
        (true, false) => memchr::memmem::find(text, constant),
        (true, true) => text.ends_with(constant).then(|| text.len() - constant.len()),
    }
}

/// Returns how much of the start of a text looks like a value of a type, for a column that no constant ends.
fn prefix_size(text: &[u8], ty: Type) -> usize {
    let is_part = |byte: &u8| match ty {
        Type::Int | Type::Long => byte.is_ascii_digit() || *byte == b'-' || *byte == b'+',
        Type::Real | Type::Decimal => byte.is_ascii_digit() || b"-+.eE".contains(byte),
        Type::Bool => byte.is_ascii_alphanumeric() || *byte == b'-',
        Type::DateTime => byte.is_ascii_digit() || b"-+:./ TZ".contains(byte),
        Type::TimeSpan => byte.is_ascii_digit() || b"-:.".contains(byte),
        Type::Guid => byte.is_ascii_hexdigit() || *byte == b'-',
        Type::String | Type::Dynamic => false,
    };
    let blank = text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let size = text[blank..].iter().take_while(|byte| is_part(byte)).count();
    if size == 0 { 0 } else { blank + size }
}

/// Matches a regex pattern anywhere in a text.
fn match_regex<'t>(regex: &Regex, pieces: &[ParsePiece], text: &'t [u8]) -> Option<Vec<Capture<'t>>> {
    let captures = regex.captures(text)?;
    let columns = pieces.iter().filter_map(|piece| match piece {
        ParsePiece::Column(column, ty) => Some((*column, *ty)),
        ParsePiece::Star | ParsePiece::Text(_) => None,
    });
    let captured = columns.enumerate().map(|(index, (column, ty))| {
        let group = captures.name(&group_name(index)).map_or(&b""[..], |group| group.as_bytes());
        (column, ty, group)
    });
    Some(captured.collect())
}

/// Returns the name of the group of a column; constants may hold groups of their own, so positions would not do.
fn group_name(index: usize) -> String {
    format!("dtq_column_{index}")
}

/// Returns the regular expression of a regex pattern.
///
/// # Source
/// Kusto documentation, "parse operator", "Regex mode", for the shape; that columns are greedy, and that the text may
/// go on after the match, is measured on the engine (conformance `trap/693`, `trap/699`).
fn build_regex(parse: &Parse, limits: &Limits) -> Result<Regex, Fault> {
    let mut text = String::new();
    if !parse.flags.is_empty() {
        text.push_str(&format!("(?{})", parse.flags));
    }
    let mut column_count = 0;
    for piece in &parse.pieces {
        match piece {
            ParsePiece::Star => text.push_str(".*?"),
            ParsePiece::Text(constant) => text.push_str(constant),
            ParsePiece::Column(_, ty) => {
                text.push_str(&format!("(?P<{}>{})", group_name(column_count), column_regex(*ty)));
                column_count += 1;
            }
        }
    }
    compile(text.as_bytes(), limits).map_err(|message| Fault::new(Code::E2011, message))
}

/// Returns what the text of a column looks like.
fn column_regex(ty: Type) -> &'static str {
    match ty {
        Type::Int | Type::Long => r"-?\d+",
        Type::Real | Type::Decimal => r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?",
        _ => ".*",
    }
}
