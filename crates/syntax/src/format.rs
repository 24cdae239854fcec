//! A query's text to the same text in canonical layout.
//!
//! Works on tokens and comments, so every token and every comment is in the result with its spelling; only white space
//! changes. The parser decides whether there is anything to format: a query with errors is given back as its errors.
//! `space.rs` says what stands between two tokens on one line; this file says where lines break. Both look at tokens
//! and at which side of a line break a comment stands, never at other white space, hence the result is a fixed point.

mod space;

use crate::lexer;
use crate::parse;
use crate::token::{Token, TokenKind};
use dtq_source::{Diagnostic, Limits, Span};
use space::Spacing;

/// Lines are broken where they would be longer, in characters.
const WIDTH: usize = 100;

/// One step of indentation.
const INDENT: usize = 4;

/// Returns the query in canonical layout, ending in a newline.
///
/// Each operator of a pipeline stands on its own line; what does not fit in a line is broken at commas, at `and` and
/// `or`, then inside of brackets. Formatting twice gives the same as formatting once.
///
/// # Errors
/// The errors of the query, when it does not parse.
pub fn format(text: &str, limits: &Limits) -> Result<String, Vec<Diagnostic>> {
    let (_, diagnostics) = parse::parse(text, limits);
    if dtq_source::diagnostic::has_errors(&diagnostics) {
        return Err(diagnostics);
    }
    let lexed = lexer::lex(text, limits);
    let spacing = Spacing::new(text, &lexed.tokens, &lexed.comments);
    let mut printer = Printer::new(text, &lexed.tokens, &lexed.comments, &spacing);
    printer.statements(0, lexed.tokens.len(), 0);
    Ok(printer.finish())
}

/// Writes tokens and comments; keeps track of the column.
struct Printer<'a> {
    text: &'a str,
    tokens: &'a [Token],
    comments: &'a [Span],
    spacing: &'a Spacing,
    out: String,
    /// Count of characters on the line being written.
    column: usize,
    /// Index of the next comment.
    comment: usize,
    /// Whether a comment ends the line being written, so that a break must follow.
    needs_break: bool,
}

/// How a range of tokens can be broken into lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Break {
    /// After each comma, before each clause.
    Items,
    /// Before each `and` or `or`.
    Logic,
    /// Inside of brackets only.
    Brackets,
}

impl<'a> Printer<'a> {
    fn new(text: &'a str, tokens: &'a [Token], comments: &'a [Span], spacing: &'a Spacing) -> Self {
        Self { text, tokens, comments, spacing, out: String::new(), column: 0, comment: 0, needs_break: false }
    }

    /// Writes the comments that are left and returns the text.
    fn finish(mut self) -> String {
        self.comments_before(self.text.len(), 0);
        if !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        self.out
    }

    fn kind(&self, index: usize) -> TokenKind {
        self.tokens.get(index).map_or(TokenKind::End, |token| token.kind)
    }

    fn word(&self, index: usize) -> &'a str {
        self.tokens.get(index).map_or("", |token| &self.text[token.span.range()])
    }

    /// Writes statements, each ended by `;` but perhaps the last, each on its own line.
    fn statements(&mut self, start: usize, end: usize, indent: usize) {
        let mut at = start;
        while at < end {
            let stop = self.next_at_depth(at, end, |kind| kind == TokenKind::Semicolon).unwrap_or(end);
            let has_end = stop < end;
            self.statement(at, stop, indent);
            if has_end {
                self.token(stop, indent, false);
            }
            at = stop + usize::from(has_end);
            if at < end {
                let offset = self.tokens[at].span.start as usize;
                self.comments_before(offset, indent);
                self.line(indent);
                if self.spacing.has_blank_line_before(self.text, offset) {
                    self.blank_line(indent);
                }
            }
        }
    }

    /// Writes one statement; the operators of a `let` are indented.
    fn statement(&mut self, start: usize, end: usize, indent: usize) {
        let is_let = self.word(start) == "let" && self.kind(start) == TokenKind::Word;
        self.pipeline(start, end, indent, if is_let { indent + INDENT } else { indent }, true);
    }

    /// Writes a pipeline: the source, then each operator on a line of its own where it is broken.
    fn pipeline(&mut self, start: usize, end: usize, indent: usize, operator_indent: usize, is_broken: bool) {
        let mut at = start;
        let is_broken = is_broken || !self.fits(start, end);
        loop {
            let is_pipe = |kind| kind == TokenKind::Pipe;
            let from = if at > start { at + 1 } else { at };
            let stop = self.next_at_depth(from, end, is_pipe).unwrap_or(end);
            if at > start && is_broken {
                self.comments_before(self.tokens[at].span.start as usize, operator_indent);
                self.line(operator_indent);
            }
            self.segment(at, stop, if at > start { operator_indent } else { indent });
            if stop == end {
                return;
            }
            at = stop;
        }
    }

    /// Writes one operator or one item: on one line if it fits, else broken in the first way that applies.
    fn segment(&mut self, start: usize, end: usize, indent: usize) {
        if self.fits(start, end) {
            return self.flat(start, end, indent);
        }
        let inner = indent + INDENT;
        let how = self.break_of(start, end);
        let mut at = start;
        while at < end {
            let stop = match how {
                Break::Brackets => end,
                Break::Items => self.next_item(at, end),
                Break::Logic => self.next_logic(at, end),
            };
            if at > start {
                self.comments_before(self.tokens[at].span.start as usize, inner);
                self.line(inner);
            }
            let item_indent = if at > start { inner } else { indent };
            match how {
                Break::Items if at > start => self.segment(at, stop, item_indent),
                _ => self.nested(at, stop, item_indent),
            }
            at = stop;
        }
    }

    /// Says how a range that does not fit is broken.
    fn break_of(&self, start: usize, end: usize) -> Break {
        let has_comma = self.next_at_depth(start, end - 1, |kind| kind == TokenKind::Comma).is_some();
        if has_comma && self.spacing.is_listing(start) {
            return Break::Items;
        }
        if self.next_logic(start, end) < end { Break::Logic } else { Break::Brackets }
    }

    /// Returns where the next item begins: after a comma, before a clause word, after the keyword of an operator.
    fn next_item(&self, start: usize, end: usize) -> usize {
        let mut at = start;
        if self.spacing.is_operator(at) {
            return self.spacing.items_start(at).clamp(at + 1, end);
        }
        while at < end {
            if at > start && self.spacing.is_clause(at) {
                return at;
            }
            if self.kind(at) == TokenKind::Comma {
                return at + 1;
            }
            at = self.after(at);
        }
        end
    }

    /// Returns where the next `and` or `or` stands outside of brackets.
    fn next_logic(&self, start: usize, end: usize) -> usize {
        let mut at = self.after(start);
        while at < end {
            if self.kind(at) == TokenKind::Word && matches!(self.word(at), "and" | "or") {
                return at;
            }
            at = self.after(at);
        }
        end
    }

    /// Writes a range whose brackets may be broken.
    fn nested(&mut self, start: usize, end: usize, indent: usize) {
        let mut at = start;
        while at < end {
            match self.spacing.partner(at).filter(|partner| *partner > at) {
                Some(partner) if !self.fits(at, partner + 1) || self.spacing.must_break(at, partner + 1) => {
                    self.bracket(at, partner, indent);
                    at = partner + 1;
                }
                Some(partner) => {
                    self.flat(at, partner + 1, indent);
                    at = partner + 1;
                }
                None => {
                    self.token(at, if at == start { indent } else { indent + INDENT }, at == start);
                    at += 1;
                }
            }
        }
    }

    /// Writes brackets with their content on lines of its own.
    fn bracket(&mut self, open: usize, close: usize, indent: usize) {
        let inner = indent + INDENT;
        self.token(open, indent, false);
        if close > open + 1 {
            self.comments_before(self.tokens[open + 1].span.start as usize, inner);
            self.line(inner);
            self.content(open, close, inner);
        }
        self.comments_before(self.tokens[close].span.start as usize, inner);
        self.line(indent);
        self.token(close, indent, true);
    }

    /// Writes what is between brackets that are broken.
    fn content(&mut self, open: usize, close: usize, indent: usize) {
        let has = |wanted| self.next_at_depth(open + 1, close, |kind| kind == wanted).is_some();
        if has(TokenKind::Semicolon) {
            return self.statements(open + 1, close, indent);
        }
        if has(TokenKind::Pipe) {
            return self.pipeline(open + 1, close, indent, indent, true);
        }
        let row = self.spacing.row_size(open);
        let mut at = open + 1;
        let mut count = 0;
        while at < close {
            let comma = self.next_at_depth(at, close, |kind| kind == TokenKind::Comma);
            let stop = comma.map_or(close, |comma| comma + 1);
            self.segment(at, stop, indent);
            at = stop;
            count += 1;
            if at < close && (count % row == 0 || !self.fits(at, self.item_end(at, close))) {
                self.comments_before(self.tokens[at].span.start as usize, indent);
                self.line(indent);
            }
        }
    }

    /// Returns the end of the item that begins at `at`.
    fn item_end(&self, at: usize, close: usize) -> usize {
        self.next_at_depth(at, close, |kind| kind == TokenKind::Comma).map_or(close, |comma| comma + 1)
    }

    /// Writes a range on one line, as far as comments allow.
    fn flat(&mut self, start: usize, end: usize, indent: usize) {
        for index in start..end {
            self.token(index, indent, index == start && self.at_line_start());
        }
    }

    /// Writes one token with what stands before it.
    fn token(&mut self, index: usize, indent: usize, is_first: bool) {
        // A comment before a comma or semicolon moves behind it, so that none of these begins a line.
        if !matches!(self.kind(index), TokenKind::Comma | TokenKind::Semicolon) {
            self.comments_before(self.tokens[index].span.start as usize, indent);
        }
        if self.needs_break {
            self.line(indent);
        }
        let is_written = self.at_line_start() || is_first && self.out.ends_with(' ');
        if !is_written && self.spacing.has_space(index) {
            self.push(" ");
        }
        let word = self.word(index);
        self.push(word);
    }

    /// Writes the comments that stand before an offset: on the line they ended, or on lines of their own.
    fn comments_before(&mut self, offset: usize, indent: usize) {
        while let Some(comment) = self.comments.get(self.comment).filter(|comment| (comment.start as usize) < offset) {
            self.comment += 1;
            let follows_code = self.spacing.follows_code(self.text, *comment);
            if follows_code && !self.at_line_start() {
                self.push(" ");
            } else {
                self.line(indent);
                if self.spacing.has_blank_line_before(self.text, comment.start as usize) {
                    self.blank_line(indent);
                }
            }
            let text = self.text[comment.range()].trim_end();
            self.push(text);
            self.needs_break = true;
        }
    }

    /// Makes the line before the one begun empty, unless it is or there is none.
    fn blank_line(&mut self, indent: usize) {
        let written = self.out.trim_end_matches(' ').len();
        if written == 0 || self.out[..written].ends_with("\n\n") {
            return;
        }
        self.out.truncate(written);
        self.out.push('\n');
        self.column = 0;
        self.indent(indent);
    }

    /// Begins a line, unless one is just begun.
    fn line(&mut self, indent: usize) {
        self.needs_break = false;
        let written = self.out.trim_end_matches(' ').len();
        self.out.truncate(written);
        if written > 0 && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        self.column = 0;
        self.indent(indent);
    }

    fn indent(&mut self, indent: usize) {
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.column = indent;
    }

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
        let last = text.rsplit('\n').next().unwrap_or(text);
        self.column = if last.len() < text.len() { 0 } else { self.column };
        self.column += last.chars().count();
    }

    fn at_line_start(&self) -> bool {
        let line = self.out.rsplit('\n').next().unwrap_or("");
        line.bytes().all(|byte| byte == b' ')
    }

    /// Says whether the range fits in the line being written and nothing in it has to break.
    fn fits(&self, start: usize, end: usize) -> bool {
        !self.spacing.must_break(start, end) && self.column + 1 + self.spacing.width(start, end) <= WIDTH
    }

    /// Returns the index after a token, or after the bracket it opens.
    fn after(&self, index: usize) -> usize {
        self.spacing.partner(index).filter(|partner| *partner > index).unwrap_or(index) + 1
    }

    /// Returns the first token of a kind outside of brackets.
    fn next_at_depth(&self, start: usize, end: usize, wanted: impl Fn(TokenKind) -> bool) -> Option<usize> {
        let mut at = start;
        while at < end {
            if wanted(self.kind(at)) {
                return Some(at);
            }
            at = self.after(at);
        }
        None
    }
}
