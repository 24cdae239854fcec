//! `parse`, `parse-where` and `parse-kv`.

use super::join::property;
use crate::lowerer::Lowerer;
use crate::suggest;
use dtq_ir::rel::{Parse, ParseKind, ParseKv, ParsePiece};
use dtq_ir::{ExprId, RelId, RelKind};
use dtq_record::stream::Column;
use dtq_source::{Code, Diagnostic, Span};
use dtq_syntax::ast;
use dtq_value::scalar::pool;
use dtq_value::{Type, Value};

impl<'a> Lowerer<'a> {
    /// Lowers what is parsed: a string, or a dynamic as text.
    fn parsed_value(&mut self, input: RelId, value: &'a ast::Expr) -> Option<ExprId> {
        let columns = self.columns(input);
        self.over(columns, |this| this.scalar_of(value, Type::String))
    }

    pub(super) fn lower_parse(&mut self, input: RelId, parse: &'a ast::Parse, span: Span) -> Option<RelId> {
        let value = self.parsed_value(input, &parse.value);
        let kind = match &parse.kind {
            None => ParseKind::Simple,
            Some(name) => match name.text.as_str() {
                "simple" => ParseKind::Simple,
                "relaxed" => ParseKind::Relaxed,
                "regex" => ParseKind::Regex,
                // The parser has reported it.
                _ => return None,
            },
        };
        let mut columns = self.columns(input);
        let mut pieces = Vec::new();
        let mut is_valid = true;
        for piece in &parse.pattern {
            match self.parse_piece(piece, kind, &mut columns) {
                Some(piece) => pieces.push(piece),
                None => is_valid = false,
            }
        }
        let flags = parse.flags.as_ref().map(|flags| flags.text.clone()).unwrap_or_default();
        let is_ordered = self.is_ordered(input);
        let value = value.filter(|_| is_valid)?;
        let parse = Parse { input, value, kind, flags, pieces, is_where: parse.is_where };
        self.add_rel(RelKind::Parse(Box::new(parse)), columns, is_ordered, span)
    }

    fn parse_piece(
        &mut self,
        piece: &'a ast::ParsePiece,
        kind: ParseKind,
        columns: &mut Vec<Column>,
    ) -> Option<ParsePiece> {
        Some(match piece {
            ast::ParsePiece::Star(_) => ParsePiece::Star,
            ast::ParsePiece::Text(expr) => {
                let id = self.over(Vec::new(), |this| this.scalar_of(expr, Type::String))?;
                let Some(Value::String(text)) = self.constant_value(id) else {
                    return self.fail(Code::E2010, expr.span, "the text of a pattern must be a constant");
                };
                let is_regex = kind == ParseKind::Regex;
                if is_regex && let Err(message) = pool::compile(text.as_bytes(), &self.options.limits) {
                    return self.refuse_pattern(text.as_bytes(), expr.span, message);
                }
                ParsePiece::Text(text.as_text().into_owned())
            }
            ast::ParsePiece::Column(column) => {
                let name = column.name.as_ref()?;
                let ty = match &column.ty {
                    Some(ty) => self.type_name(ty)?,
                    None => Type::String,
                };
                // A column of the same name stays beside it: conformance `trap/652`.
                columns.push(Column::new(name.text.clone(), ty));
                ParsePiece::Column(columns.len() as u32 - 1, ty)
            }
        })
    }

    pub(super) fn lower_parse_kv(
        &mut self,
        input: RelId,
        value: &'a ast::Expr,
        declared: &'a [ast::Column],
        properties: &'a [ast::Property],
        span: Span,
    ) -> Option<RelId> {
        let value = self.parsed_value(input, value);
        let declared = self.declared_columns(declared)?;
        let mut columns = self.columns(input);
        let keys = declared
            .into_iter()
            .map(|column| (column.name.clone(), place(&mut columns, &column.name, column.ty), column.ty))
            .collect();
        const KNOWN: &[&str] = &["pair_delimiter", "kv_delimiter", "quote", "escape", "regex", "greedy"];
        for property in properties {
            if !KNOWN.contains(&property.name.text.as_str()) {
                let known: Vec<String> = KNOWN.iter().map(|name| (*name).to_owned()).collect();
                let message = format!("`parse-kv` has no option `{}`", property.name.text);
                let diagnostic = Diagnostic::error(Code::E1015, property.name.span, message);
                self.report(suggest::did_you_mean(diagnostic, &property.name, &known));
                return None;
            }
        }
        let text = |name: &str| property(properties, name).map(|(text, _)| text.to_owned());
        let regex = text("regex");
        if let Some(pattern) = &regex
            && let Err(message) = pool::compile(pattern.as_bytes(), &self.options.limits)
        {
            let at = property(properties, "regex").map_or(span, |(_, span)| span);
            return self.refuse_pattern(pattern.as_bytes(), at, message);
        }
        // Without any delimiter, every character that is no letter or digit is one.
        let has_delimiters = text("pair_delimiter").or(text("kv_delimiter")).is_some();
        let delimiter = |name: &str, default: &str| match has_delimiters {
            true => text(name).unwrap_or_else(|| default.to_owned()),
            false => String::new(),
        };
        let parse = ParseKv {
            input,
            value: value?,
            keys,
            pair_delimiter: delimiter("pair_delimiter", " "),
            kv_delimiter: delimiter("kv_delimiter", "="),
            quotes: text("quote").map(|text| quotes(&text)).unwrap_or_default(),
            escape: text("escape").and_then(|text| text.chars().next()),
            is_greedy: text("greedy").as_deref() == Some("true"),
            regex,
        };
        let is_ordered = self.is_ordered(input);
        self.add_rel(RelKind::ParseKv(Box::new(parse)), columns, is_ordered, span)
    }
}

/// Returns the position of a column, which is replaced or appended.
fn place(columns: &mut Vec<Column>, name: &str, ty: Type) -> u32 {
    match columns.iter().position(|column| column.name == name) {
        Some(index) => {
            columns[index].ty = ty;
            index as u32
        }
        None => {
            columns.push(Column::new(name, ty));
            columns.len() as u32 - 1
        }
    }
}

/// Reads `quote`: one character opens and closes, of two the first opens and the second closes.
fn quotes(text: &str) -> Vec<(char, char)> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(open), Some(close)) => vec![(open, close)],
        (Some(both), None) => vec![(both, both)],
        _ => Vec::new(),
    }
}
