//! Did-you-mean, and the text of small expressions for fixes.

use dtq_source::Diagnostic;
use dtq_syntax::ast;
use dtq_value::Type;

/// Adds the nearest of the candidates as a fix, when one is near.
pub(crate) fn did_you_mean(diagnostic: Diagnostic, name: &ast::Name, candidates: &[String]) -> Diagnostic {
    match nearest(&name.text, candidates) {
        Some(found) => {
            let written = if is_plain(found) { found.to_owned() } else { format!("['{found}']") };
            diagnostic.fix(name.span, written)
        }
        None => diagnostic,
    }
}

/// Returns the candidate that is surely meant: equal but for case, or few edits away.
pub(crate) fn nearest<'c>(name: &str, candidates: &'c [String]) -> Option<&'c str> {
    let folded = name.to_lowercase();
    let size = folded.chars().count();
    let distance_max = match size {
        0..=2 => 0,
        3..=5 => 1,
        6..=9 => 2,
        _ => 3,
    };
    let scored = candidates.iter().filter(|candidate| candidate.len() < 200).map(|candidate| {
        let other = candidate.to_lowercase();
        let mut distance = strsim::osa_distance(&folded, &other);
        if distance > distance_max && size >= 4 && (other.replace('_', "") == folded.replace('_', "")) {
            distance = 1;
        }
        (distance, candidate)
    });
    let best = scored.filter(|(distance, _)| *distance <= distance_max).min_by_key(|(distance, _)| *distance);
    best.map(|(_, candidate)| candidate.as_str())
}

/// Returns `what: a, b, c`, shortened.
pub(crate) fn listing(what: &str, names: &[String]) -> String {
    const SHOWN: usize = 12;
    let mut text = format!("{what}: {}", names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", "));
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

/// Returns an expression in backquotes as it was written, or `this`.
pub(crate) fn quoted(expr: &ast::Expr) -> String {
    text(expr).map_or_else(|| "this".to_owned(), |text| format!("`{text}`"))
}

/// Adds the fix that writes a cast around an expression.
pub(crate) fn cast(diagnostic: Diagnostic, expr: &ast::Expr, ty: Type) -> Diagnostic {
    wrap(diagnostic, expr, crate::convert::converter(ty))
}

/// Adds the fix that writes a call around an expression.
pub(crate) fn wrap(diagnostic: Diagnostic, expr: &ast::Expr, function: &str) -> Diagnostic {
    if function.starts_with('(') {
        return diagnostic;
    }
    match text(expr) {
        Some(text) => diagnostic.fix(expr.span, format!("{function}({text})")),
        None => diagnostic.label(format!("write `{function}(...)` around it")),
    }
}

/// Returns how a small expression is written; `None` for one that is not small.
pub(crate) fn text(expr: &ast::Expr) -> Option<String> {
    let text = write(expr, 0)?;
    (text.len() <= 60).then_some(text)
}

fn write(expr: &ast::Expr, depth: usize) -> Option<String> {
    if depth > 6 {
        return None;
    }
    Some(match &expr.kind {
        ast::ExprKind::Name(name) if name.is_bracketed => format!("['{}']", name.text),
        ast::ExprKind::Name(name) => name.text.clone(),
        ast::ExprKind::Path { base, name } if name.is_bracketed => {
            format!("{}['{}']", write(base, depth + 1)?, name.text)
        }
        ast::ExprKind::Path { base, name } => format!("{}.{}", write(base, depth + 1)?, name.text),
        ast::ExprKind::Index { base, index } => format!("{}[{}]", write(base, depth + 1)?, write(index, depth + 1)?),
        ast::ExprKind::Paren(inner) => format!("({})", write(inner, depth + 1)?),
        ast::ExprKind::Call { name, args } => {
            let args: Option<Vec<String>> = args.iter().map(|arg| write(&arg.value, depth + 1)).collect();
            format!("{}({})", name.text, args?.join(", "))
        }
        ast::ExprKind::Literal(literal) => match literal {
            ast::Literal::Integer(text) | ast::Literal::Real(text) | ast::Literal::TimeSpan(text) => text.clone(),
            ast::Literal::Bool(value) => value.to_string(),
            ast::Literal::String { value, is_hidden: false } if is_simple(value) => format!("\"{value}\""),
            ast::Literal::Typed { ty, text } => format!("{}({text})", ty.text),
            _ => return None,
        },
        _ => return None,
    })
}

/// Returns names and integers with `-` or `.` between as the one name that they may have been meant to be.
pub(crate) fn joined_names(expr: &ast::Expr) -> Option<String> {
    joined(expr, 0)
}

fn joined(expr: &ast::Expr, depth: usize) -> Option<String> {
    if depth > 10 {
        return None;
    }
    Some(match &expr.kind {
        ast::ExprKind::Name(name) if !name.is_bracketed => name.text.clone(),
        ast::ExprKind::Literal(ast::Literal::Integer(digits)) => digits.clone(),
        ast::ExprKind::Path { base, name } if !name.is_bracketed => {
            format!("{}.{}", joined(base, depth + 1)?, name.text)
        }
        ast::ExprKind::Binary { left, op: ast::BinaryOp::Subtract, right, .. } => {
            format!("{}-{}", joined(left, depth + 1)?, joined(right, depth + 1)?)
        }
        _ => return None,
    })
}

fn is_simple(text: &str) -> bool {
    !text.contains(['"', '\\']) && !text.chars().any(char::is_control)
}

/// Says whether a name can be written without brackets.
fn is_plain(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first.is_alphabetic() || matches!(first, '_' | '$'))
        && chars.all(|next| next.is_alphanumeric() || next == '_')
}
