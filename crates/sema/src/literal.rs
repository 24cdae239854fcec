//! Literals to typed values.

use crate::lowerer::Lowerer;
use dtq_ir::ExprId;
use dtq_source::{Code, Diagnostic, Span};
use dtq_syntax::ast;
use dtq_value::literal::inside_dynamic;
use dtq_value::scalar::{convert, time};
use dtq_value::{Bag, Str, Type, Value};

impl Lowerer<'_> {
    /// Adds the constant that a literal means.
    pub fn lower_literal(&mut self, literal: &ast::Literal, span: Span) -> Option<ExprId> {
        let (value, ty) = self.literal(literal, span)?;
        self.constant(value, ty, span)
    }

    /// Returns what a literal means, or reports why it means nothing.
    pub fn literal(&mut self, literal: &ast::Literal, span: Span) -> Option<(Value, Type)> {
        Some(match literal {
            ast::Literal::Bool(value) => (Value::Bool(*value), Type::Bool),
            ast::Literal::Null => (Value::Null, Type::Dynamic),
            ast::Literal::Integer(text) => match convert::parse_long(text.as_bytes()) {
                Some(number) => (Value::Long(number), Type::Long),
                None => return self.out_of_range(span, text, "a long"),
            },
            ast::Literal::Real(text) => match convert::parse_real(text.as_bytes()) {
                Some(number) => (Value::Real(number), Type::Real),
                None => return self.out_of_range(span, text, "a real"),
            },
            ast::Literal::TimeSpan(text) => match time::parse_timespan(text.as_bytes()) {
                Some(ticks) => (Value::TimeSpan(ticks), Type::TimeSpan),
                None => return self.out_of_range(span, text, "a timespan"),
            },
            ast::Literal::String { value, .. } => (Value::string(value.as_str()), Type::String),
            ast::Literal::Typed { ty, text } => return self.typed_literal(ty, text, span),
            ast::Literal::Dynamic(content) => (self.dynamic(content)?, Type::Dynamic),
        })
    }

    fn out_of_range<T>(&mut self, span: Span, text: &str, what: &str) -> Option<T> {
        self.fail(Code::E2017, span, format!("`{text}` is not {what} or is out of its range"))
    }

    fn typed_literal(&mut self, name: &ast::Name, text: &str, span: Span) -> Option<(Value, Type)> {
        let Some(ty) = Type::parse(&name.text) else {
            return self.fail(Code::E2003, name.span, format!("`{}` is not a type", name.text));
        };
        let value = parse_typed(ty, text);
        if value.is_none() {
            let message = format!("`{text}` is not {ty:#}");
            let diagnostic = Diagnostic::error(Code::E2017, span, message);
            let label = match ty {
                Type::DateTime => "write it as in `datetime(2024-01-31 13:45:00)`",
                Type::TimeSpan => "write it as in `timespan(1.02:30:00)` or `90m`",
                Type::Guid => "write it as in `guid(12345678-1234-1234-1234-123456789abc)`",
                _ => "",
            };
            self.report(diagnostic.label(label));
        }
        Some((value?, ty))
    }

    fn dynamic(&mut self, content: &ast::DynamicLiteral) -> Option<Value> {
        match content {
            ast::DynamicLiteral::Scalar(ast::Literal::Null, _) => Some(Value::Null),
            ast::DynamicLiteral::Scalar(literal, span) => {
                let (value, _) = self.literal(literal, *span)?;
                Some(inside_dynamic(value))
            }
            ast::DynamicLiteral::Array(items) => {
                let items: Option<Vec<Value>> = items.iter().map(|item| self.dynamic(item)).collect();
                items.map(Value::array)
            }
            ast::DynamicLiteral::Bag(properties) => {
                let mut bag = Bag::new();
                for (key, content) in properties {
                    let value = self.dynamic(content)?;
                    bag.set(Str::from(key.as_str()), value);
                }
                Some(Value::bag(bag))
            }
        }
    }
}

/// Returns the value of a `type(text)` literal.
fn parse_typed(ty: Type, text: &str) -> Option<Value> {
    let text = text.trim();
    if text == "null" || (text.is_empty() && ty != Type::String) {
        return Some(Value::missing(ty));
    }
    let bytes = text.as_bytes();
    Some(match ty {
        Type::Bool => match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Value::Bool(true),
            "false" | "0" => Value::Bool(false),
            _ => return None,
        },
        Type::Int => {
            let number = convert::parse_long(bytes)?;
            Value::Int(i32::try_from(number).ok().or_else(|| is_hex(text).then_some(number as i32))?)
        }
        Type::Long => Value::Long(convert::parse_long(bytes)?),
        Type::Real => Value::Real(convert::parse_real(bytes)?),
        Type::Decimal => Value::Decimal(convert::parse_decimal(bytes)?),
        Type::String => Value::string(text),
        Type::DateTime if text == "min" => Value::DateTime(0),
        Type::DateTime if text == "max" => Value::DateTime(MAX_DATETIME),
        Type::DateTime => Value::DateTime(time::parse_datetime(bytes)?),
        Type::TimeSpan => Value::TimeSpan(time::parse_timespan(bytes)?),
        Type::Guid => Value::Guid(convert::parse_guid(bytes)?),
        Type::Dynamic => return None,
    })
}

/// 9999-12-31T23:59:59.9999999Z in ticks.
const MAX_DATETIME: i64 = 3_155_378_975_999_999_999;

fn is_hex(text: &str) -> bool {
    text.starts_with("0x") || text.starts_with("0X")
}
