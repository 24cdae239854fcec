//! A program to text and back, a line a node: for `explain --stage ir`, fixtures and bug reports.
//!
//! ```text
//! %0: long @8..9 = Const(Long(5))
//! @1: (a: long) @2..20 = Filter(input:0,predicate:3)
//! output PrimaryResult = @1
//! ```
//! A node is written in RON. Entries of the constant pool are not written: they follow from constant arguments, and
//! [`parse`] builds them again.

use crate::expr::{Expr, ExprId, ExprKind, PoolId};
use crate::program::{Output, Program};
use crate::rel::{Rel, RelId, RelKind};
use dtq_record::stream::Column;
use dtq_source::{Limits, Span};
use dtq_value::{Type, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Write;

/// Returns the text of a program; ends in a newline unless empty.
pub fn print(program: &Program) -> String {
    let mut out = String::new();
    for (index, expr) in program.exprs().iter().enumerate() {
        let _ = writeln!(out, "%{index}: {} {} = {}", expr.ty, place(expr.span), node(&expr.kind));
    }
    for (index, rel) in program.rels().iter().enumerate() {
        let columns: Vec<String> =
            rel.columns.iter().map(|column| format!("{}: {}", quoted(&column.name), column.ty)).collect();
        let order = if rel.is_ordered { " ordered" } else { "" };
        let _ = writeln!(out, "@{index}: ({}){order} {} = {}", columns.join(", "), place(rel.span), node(&rel.kind));
    }
    for output in &program.outputs {
        let _ = writeln!(out, "output {} = @{}", quoted(&output.name), output.rel.0);
    }
    out
}

/// Returns the name by which [`print()`] writes the kind of a relation, such as `Filter`.
pub fn kind_name(kind: &RelKind) -> String {
    node(kind).chars().take_while(char::is_ascii_alphabetic).collect()
}

fn place(span: Span) -> String {
    format!("@{}..{}", span.start, span.end)
}

fn quoted(name: &str) -> String {
    node(&name)
}

fn node<T: Serialize>(value: &T) -> String {
    ron::to_string(value).expect("IR nodes hold only what RON can write")
}

/// Holds why a text is not a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// 1-based line.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for ParseError {}

/// Returns the program that a text stands for; the result is not verified yet: see [`crate::verify()`].
///
/// # Errors
/// When a line is not of the form that [`print()`] writes, or a node is not numbered in order.
pub fn parse(text: &str, limits: &Limits) -> Result<Program, ParseError> {
    let mut program = Program::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if !line.is_empty() {
            parse_line(&mut program, line).map_err(|message| ParseError { line: index + 1, message })?;
        }
    }
    rebuild_pool(&mut program, limits).map_err(|message| ParseError { line: 0, message })?;
    Ok(program)
}

fn parse_line(program: &mut Program, line: &str) -> Result<(), String> {
    match line.split_at_checked(1) {
        Some(("%", rest)) => parse_expr(program, rest),
        Some(("@", rest)) => parse_rel(program, rest),
        _ => parse_output(program, line),
    }
}

fn parse_expr(program: &mut Program, line: &str) -> Result<(), String> {
    let (index, rest) = split(line, ": ")?;
    let (head, body) = split(rest, " = ")?;
    let (ty, span) = split(head, " @")?;
    let expr = Expr { kind: read(body)?, ty: read_type(ty)?, span: read_span(span)? };
    in_order(index, program.exprs().len())?;
    program.add_expr(expr);
    Ok(())
}

fn parse_rel(program: &mut Program, line: &str) -> Result<(), String> {
    let (index, rest) = split(line, ": (")?;
    let (columns, rest) = read_columns(rest)?;
    let (is_ordered, rest) = match rest.strip_prefix(" ordered") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let (span, body) = split(rest.strip_prefix(" @").ok_or("expected ` @` and a span")?, " = ")?;
    let rel = Rel { kind: read(body)?, columns, is_ordered, span: read_span(span)? };
    in_order(index, program.rels().len())?;
    program.add_rel(rel);
    Ok(())
}

fn parse_output(program: &mut Program, line: &str) -> Result<(), String> {
    let rest = line.strip_prefix("output ").ok_or("expected a line that begins with `%`, `@` or `output`")?;
    let (name, rel) = rest.rsplit_once(" = @").ok_or("expected ` = @` and a number")?;
    program.outputs.push(Output { name: read(name)?, rel: RelId(read_number(rel)?) });
    Ok(())
}

/// Reads `"name": type, "name": type)` and returns what follows.
fn read_columns(mut rest: &str) -> Result<(Vec<Column>, &str), String> {
    let mut columns = Vec::new();
    loop {
        if let Some(rest) = rest.strip_prefix(')') {
            return Ok((columns, rest));
        }
        let name_size = quoted_size(rest).ok_or("expected a quoted column name")?;
        let (name, after) = rest.split_at(name_size);
        let after = after.strip_prefix(": ").ok_or("expected `: ` after a column name")?;
        let ty_size = after.find([',', ')']).ok_or("expected `)` after the columns")?;
        columns.push(Column::new(read::<String>(name)?, read_type(&after[..ty_size])?));
        rest = after[ty_size..].trim_start_matches(", ");
    }
}

/// Returns the size of the quoted string that begins `text`.
fn quoted_size(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (offset, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return text.starts_with('"').then_some(offset + 1),
            _ => {}
        }
    }
    None
}

fn split<'a>(text: &'a str, separator: &str) -> Result<(&'a str, &'a str), String> {
    text.split_once(separator).ok_or_else(|| format!("expected `{separator}`"))
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    ron::from_str(text).map_err(|error| error.to_string())
}

fn read_type(text: &str) -> Result<Type, String> {
    Type::parse(text).ok_or_else(|| format!("`{text}` is not a type"))
}

fn read_number(text: &str) -> Result<u32, String> {
    text.trim().parse().map_err(|_| format!("`{text}` is not a number"))
}

fn read_span(text: &str) -> Result<Span, String> {
    let (start, end) = split(text, "..")?;
    Ok(Span { start: read_number(start)?, end: read_number(end)? })
}

fn in_order(index: &str, expected: usize) -> Result<(), String> {
    match read_number(index)? as usize == expected {
        true => Ok(()),
        false => Err(format!("expected node {expected}, not {index}")),
    }
}

/// Builds the constant pool again from the constant arguments of the calls that name an entry.
fn rebuild_pool(program: &mut Program, limits: &Limits) -> Result<(), String> {
    let mut wanted: Vec<(PoolId, ExprId)> = Vec::new();
    for (index, expr) in program.exprs().iter().enumerate() {
        if let ExprKind::Call { pooled: Some(id), .. } = &expr.kind {
            wanted.push((*id, ExprId(index as u32)));
        }
    }
    wanted.sort_unstable();
    wanted.dedup_by_key(|(id, _)| *id);
    for (position, (id, expr)) in wanted.into_iter().enumerate() {
        if id.0 as usize != position {
            return Err(format!("no call uses entry {position} of the constant pool"));
        }
        let built = build_pooled(program, expr, limits)?;
        program.add_pooled(built);
    }
    Ok(())
}

fn build_pooled(program: &Program, id: ExprId, limits: &Limits) -> Result<dtq_value::scalar::Pooled, String> {
    let ExprKind::Call { function, args, .. } = &program.expr(id).kind else {
        unreachable!("only calls name pool entries");
    };
    let prepare = function.prepare.ok_or_else(|| format!("`{}` has nothing in the constant pool", function.name))?;
    let mut constants: Vec<Option<&Value>> = Vec::with_capacity(args.len());
    for arg in args {
        let expr = program.exprs().get(arg.0 as usize).ok_or_else(|| format!("there is no %{}", arg.0))?;
        constants.push(match &expr.kind {
            ExprKind::Const(value) => Some(value),
            _ => None,
        });
    }
    let built = prepare(&constants, limits).map_err(|fault| fault.to_string())?;
    built.ok_or_else(|| format!("the arguments of `{}` are not constant", function.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rel::RelKind;

    fn example() -> Program {
        let mut program = Program::new();
        let span = Span::new(3, 9);
        let value = Value::array(vec![Value::Real(f64::INFINITY), Value::Null, Value::string(&b"\xff\"%)"[..])]);
        program.add_expr(Expr { kind: ExprKind::Const(value), ty: Type::Dynamic, span });
        let columns = vec![Column::new("a \"b\\", Type::Dynamic), Column::new("x, y) = @0", Type::Long)];
        let kind = RelKind::Values { rows: vec![vec![Value::Null, Value::Long(i64::MIN)]] };
        let rel = program.add_rel(Rel { kind, columns, is_ordered: true, span });
        program.outputs.push(Output { name: "Primary \u{e9}".into(), rel });
        program
    }

    #[test]
    fn a_printed_program_parses_back() {
        let text = print(&example());
        let parsed = parse(&text, &Limits::default()).unwrap();
        assert_eq!(print(&parsed), text);
        assert_eq!((parsed.exprs(), parsed.rels()), (example().exprs(), example().rels()));
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, line) in [("nonsense", 1), ("\n%0: long @0..1 = Const(", 2), ("%1: long @0..1 = Const(Null)", 1)] {
            assert_eq!(parse(text, &Limits::default()).unwrap_err().line, line, "{text}");
        }
    }
}
