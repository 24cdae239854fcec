//! What some functions ask of their arguments besides a type: words from a list, values that have an order.

use crate::lowerer::Lowerer;
use crate::suggest;
use dtq_ir::ExprId;
use dtq_source::{Code, Diagnostic};
use dtq_syntax::ast;
use dtq_value::{Type, Value};

const PERIODS: &[&str] = &[
    "year",
    "quarter",
    "month",
    "week",
    "day",
    "hour",
    "minute",
    "second",
    "millisecond",
    "microsecond",
    "nanosecond",
];

const PARTS: &[&str] = &[
    "year",
    "quarter",
    "month",
    "week_of_year",
    "day",
    "dayofyear",
    "hour",
    "minute",
    "second",
    "millisecond",
    "microsecond",
    "nanosecond",
];

/// Returns the words that an argument of a function must be one of.
///
/// # Source
/// Kusto documentation, the page of each function; Microsoft's binder refuses others.
fn words(function: &str) -> Option<(usize, &'static [&'static str])> {
    Some(match function {
        "datetime_part" => (0, PARTS),
        "datetime_diff" | "datetime_add" => (0, PERIODS),
        "countof" => (2, &["normal", "regex"]),
        _ => return None,
    })
}

impl<'a> Lowerer<'a> {
    /// Checks arguments beyond their types; reports and gives `None` when one does not fit.
    pub fn check_args(&mut self, name: &ast::Name, ids: &[ExprId], args: &'a [ast::Arg]) -> Option<()> {
        if let Some((position, words)) = words(&name.text)
            && let (Some(id), Some(arg)) = (ids.get(position), args.get(position))
        {
            self.check_word(name, *id, &arg.value, words)?;
        }
        if matches!(name.text.as_str(), "max_of" | "min_of") {
            for (id, arg) in ids.iter().zip(args) {
                self.check_order(name, *id, &arg.value)?;
            }
        }
        if name.text == "round"
            && let (Some(id), Some(arg)) = (ids.get(1), args.get(1))
            && self.has_column(*id)
        {
            let message = "the precision of `round` must be a constant";
            return self.fail(Code::E2010, arg.value.span, message);
        }
        Some(())
    }

    fn check_word(&mut self, name: &ast::Name, id: ExprId, expr: &ast::Expr, words: &[&str]) -> Option<()> {
        if self.ty(id) != Type::String {
            return Some(());
        }
        let Some(Value::String(text)) = self.constant_value(id) else {
            let message = format!("`{}` needs a constant here: one of {}", name.text, words.join(", "));
            return self.fail(Code::E2010, expr.span, message);
        };
        let written = text.as_text().into_owned();
        if words.iter().any(|word| word.eq_ignore_ascii_case(&written)) {
            return Some(());
        }
        let known: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let message = format!("`{}` does not know `{written}`", name.text);
        let mut diagnostic = Diagnostic::error(Code::E2005, expr.span, message);
        diagnostic = match suggest::nearest(&written, &known) {
            Some(word) => diagnostic.fix(expr.span, format!("\"{word}\"")),
            None => diagnostic.label(format!("write one of {}", words.join(", "))),
        };
        self.report(diagnostic);
        None
    }

    fn check_order(&mut self, name: &ast::Name, id: ExprId, expr: &ast::Expr) -> Option<()> {
        let ty = self.ty(id);
        if !matches!(ty, Type::Dynamic | Type::Guid) {
            return Some(());
        }
        let code = if ty == Type::Dynamic { Code::E2009 } else { Code::E2005 };
        let message = format!("{} is {ty:#}, which has no order for `{}`", suggest::quoted(expr), name.text);
        self.report(suggest::cast(Diagnostic::error(code, expr.span, message), expr, Type::String));
        None
    }
}
