//! What the parser reads from and reports to: a place in the tokens, and the state that all places share.
//!
//! nom combinators pass [`Tokens`] on by value. An `Err::Error` means "not this, try another"; an `Err::Failure` (made by
//! [`fail`]) carries the diagnostic up to the nearest place that can go on, see `recover.rs`.

use crate::ast::Name;
use crate::literal;
use crate::token::{Token, TokenKind};
use crate::words;
use dtq_source::{Code, Diagnostic, Limits, Span};
use nom::error::{ErrorKind, ParseError};
use nom::{IResult, Input, Needed};
use std::cell::{Cell, RefCell};

/// What every parser returns.
pub type Res<'a, T> = IResult<Tokens<'a>, T, Fault>;

/// Holds the mistake that stopped a parser; absent in an `Err::Error`, which only says "something else".
#[derive(Debug)]
pub struct Fault(pub Option<Box<Diagnostic>>);

impl ParseError<Tokens<'_>> for Fault {
    fn from_error_kind(_: Tokens<'_>, _: ErrorKind) -> Self {
        Fault(None)
    }

    fn append(_: Tokens<'_>, _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// Holds what is shared by all places in one text.
pub struct Shared<'a> {
    /// The text.
    pub text: &'a str,
    tokens: &'a [Token],
    /// For each bracket the index of its partner, for others and unpaired ones [`NONE`].
    partners: Vec<u32>,
    limits: &'a Limits,
    /// Nesting at the place being parsed.
    depth: Cell<usize>,
    /// Height of the tallest expression finished since the enclosing one began.
    pub tallest: Cell<usize>,
    /// Index of the token where the `name = value` item being parsed begins.
    pub item_start: Cell<usize>,
    /// Whether `=>` ends an expression, as in `scan`.
    pub is_arrow_allowed: Cell<bool>,
    /// Set when parsing must stop: the query is nested too deeply.
    is_stopped: Cell<bool>,
    diagnostics: RefCell<Vec<Diagnostic>>,
}

const NONE: u32 = u32::MAX;

impl<'a> Shared<'a> {
    /// Returns the state before anything is parsed.
    pub fn new(text: &'a str, tokens: &'a [Token], limits: &'a Limits, diagnostics: Vec<Diagnostic>) -> Self {
        Self {
            text,
            tokens,
            partners: partners(tokens),
            limits,
            depth: Cell::new(0),
            tallest: Cell::new(0),
            item_start: Cell::new(usize::MAX),
            is_arrow_allowed: Cell::new(false),
            is_stopped: Cell::new(false),
            diagnostics: RefCell::new(diagnostics),
        }
    }

    /// Returns the place before the first token.
    pub fn start(&'a self) -> Tokens<'a> {
        Tokens { shared: self, at: 0, end: self.tokens.len() }
    }

    /// Returns everything reported, in order of place.
    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        let mut found = self.diagnostics.into_inner();
        found.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end, diagnostic.code));
        found.dedup_by(|later, earlier| later.code == earlier.code && later.span == earlier.span);
        found
    }

    /// Says whether parsing must stop.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped.get()
    }

    /// Says whether anything was reported.
    pub fn has_diagnostics(&self) -> bool {
        !self.diagnostics.borrow().is_empty()
    }

    /// Reports a mistake, unless it only follows from one already reported at the same place.
    pub fn report(&self, diagnostic: Diagnostic) {
        if self.is_stopped() {
            return;
        }
        let mut found = self.diagnostics.borrow_mut();
        let is_echo = |other: &Diagnostic| {
            other.is_error()
                && other.span.start <= diagnostic.span.start
                && diagnostic.span.start < other.span.end.max(other.span.start + 1)
        };
        let is_vague = matches!(diagnostic.code, Code::E1007);
        if is_vague && found.iter().any(is_echo) || found.len() >= self.limits.diagnostics_max {
            return;
        }
        found.push(diagnostic);
    }

    /// Says whether an expression of this height may be built.
    pub fn allows_height(&self, height: usize) -> bool {
        height <= self.limits.nesting_max
    }
}

/// Returns for each bracket the index of the one it is paired with; an unpaired closing bracket pairs with nothing.
fn partners(tokens: &[Token]) -> Vec<u32> {
    let mut partners = vec![NONE; tokens.len()];
    let mut open: Vec<usize> = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        if token.kind.closing().is_some() {
            open.push(index);
        } else if token.kind.is_closing() {
            let opens = |open: &usize| tokens[*open].kind.closing() == Some(token.kind);
            // An opening bracket of another kind in between was forgotten to be closed; look past a few of them.
            let Some(found) = open.iter().rev().take(8).position(opens) else { continue };
            open.truncate(open.len() - found);
            let partner = open.pop().expect("position found an opening bracket");
            partners[partner] = index as u32;
            partners[index] = partner as u32;
        }
    }
    partners
}

/// Names a place in the tokens of a text; copying it is cheap.
#[derive(Clone, Copy)]
pub struct Tokens<'a> {
    /// The state that all places share.
    pub shared: &'a Shared<'a>,
    at: usize,
    end: usize,
}

impl std::fmt::Debug for Tokens<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({}..{})", self.at, self.end)
    }
}

impl PartialEq for Tokens<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.end) == (other.at, other.end)
    }
}

impl<'a> Tokens<'a> {
    /// Returns the index of the next token.
    pub fn index(self) -> usize {
        self.at
    }

    /// Returns the next token, [`TokenKind::End`] past the last one.
    pub fn peek(self) -> Token {
        self.peek_at(0)
    }

    /// Returns the token `offset` tokens ahead.
    pub fn peek_at(self, offset: usize) -> Token {
        let size = self.shared.text.len();
        let end = Token { kind: TokenKind::End, span: Span::new(size, size) };
        if self.at + offset >= self.end { end } else { self.shared.tokens[self.at + offset] }
    }

    /// Returns the kind of the next token.
    pub fn kind(self) -> TokenKind {
        self.peek().kind
    }

    /// Returns the text of the next token.
    pub fn text(self) -> &'a str {
        self.slice(self.peek().span)
    }

    /// Returns the text of the token `offset` tokens ahead.
    pub fn text_at(self, offset: usize) -> &'a str {
        self.slice(self.peek_at(offset).span)
    }

    /// Returns the text of a span.
    pub fn slice(self, span: Span) -> &'a str {
        &self.shared.text[span.range()]
    }

    /// Returns the place after the next `count` tokens.
    #[must_use]
    pub fn skip(self, count: usize) -> Self {
        Self { at: (self.at + count).min(self.end), ..self }
    }

    /// Returns the place at the token with this index.
    #[must_use]
    pub fn seek(self, index: usize) -> Self {
        Self { at: index.min(self.end), ..self }
    }

    /// Returns the span of the token before this place, empty at the start.
    pub fn previous_span(self) -> Span {
        if self.at == 0 { Span::new(0, 0) } else { self.shared.tokens[self.at - 1].span }
    }

    /// Returns the span from the next token to the one before `to`.
    pub fn span_to(self, to: Tokens<'_>) -> Span {
        if to.at <= self.at {
            let start = self.peek().span.start as usize;
            return Span::new(start, start);
        }
        self.peek().span.to(to.previous_span())
    }

    /// Says whether the next token is of this kind.
    pub fn is(self, kind: TokenKind) -> bool {
        self.kind() == kind
    }

    /// Says whether the next token is this word.
    pub fn is_word(self, word: &str) -> bool {
        self.is(TokenKind::Word) && self.text() == word
    }

    /// Says whether the token `offset` tokens ahead is this word.
    pub fn is_word_at(self, offset: usize, word: &str) -> bool {
        self.peek_at(offset).kind == TokenKind::Word && self.text_at(offset) == word
    }

    /// Says whether the next two tokens touch.
    pub fn is_glued(self, offset: usize) -> bool {
        self.peek_at(offset).span.end == self.peek_at(offset + 1).span.start
            && self.peek_at(offset + 1).kind != TokenKind::End
    }

    /// Returns the index of the bracket paired with the next token.
    pub fn partner(self) -> Option<usize> {
        self.shared.partners.get(self.at).copied().filter(|index| *index != NONE).map(|index| index as usize)
    }

    /// Returns the token with this index.
    pub fn token(self, index: usize) -> Token {
        self.seek(index).peek()
    }

    /// Reports a mistake and lets parsing go on.
    pub fn report(self, diagnostic: Diagnostic) {
        self.shared.report(diagnostic);
    }
}

impl<'a> Input for Tokens<'a> {
    type Item = Token;
    type Iter = std::iter::Copied<std::slice::Iter<'a, Token>>;
    type IterIndices = std::iter::Enumerate<Self::Iter>;

    fn input_len(&self) -> usize {
        self.end - self.at
    }

    fn take(&self, index: usize) -> Self {
        Self { end: self.at + index, ..*self }
    }

    fn take_from(&self, index: usize) -> Self {
        self.skip(index)
    }

    fn take_split(&self, index: usize) -> (Self, Self) {
        (self.take_from(index), self.take(index))
    }

    fn position<P: Fn(Self::Item) -> bool>(&self, predicate: P) -> Option<usize> {
        self.iter_elements().position(predicate)
    }

    fn iter_elements(&self) -> Self::Iter {
        self.shared.tokens[self.at..self.end].iter().copied()
    }

    fn iter_indices(&self) -> Self::IterIndices {
        self.iter_elements().enumerate()
    }

    fn slice_index(&self, count: usize) -> Result<usize, Needed> {
        if self.input_len() >= count { Ok(count) } else { Err(Needed::new(count - self.input_len())) }
    }
}

/// Returns "not this, try another".
pub fn no_match<'a, T>() -> Res<'a, T> {
    Err(nom::Err::Error(Fault(None)))
}

/// Returns the mistake that ends the construct being parsed.
pub fn fail<'a, T>(diagnostic: Diagnostic) -> Res<'a, T> {
    Err(nom::Err::Failure(Fault(Some(Box::new(diagnostic)))))
}

/// Returns the error for a place where something else was needed.
pub fn expected<'a, T>(i: Tokens<'a>, what: &str) -> Res<'a, T> {
    fail(expectation(i, what))
}

/// Returns the diagnostic for a place where something else was needed.
pub fn expectation(i: Tokens<'_>, what: &str) -> Diagnostic {
    let token = i.peek();
    let span = if token.kind == TokenKind::End { i.previous_span().after() } else { token.span };
    let found = match token.kind {
        TokenKind::End => "the query ends here".to_owned(),
        _ => format!("`{}` cannot stand here", shortened(i.text())),
    };
    Diagnostic::error(Code::E1007, span, found).label(format!("expected {what}"))
}

/// Returns the start of a long piece of text, for messages.
pub fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= 40 {
        line.to_owned()
    } else {
        format!("{}...", line.chars().take(37).collect::<String>())
    }
}

/// Parses a token of this kind.
pub fn symbol<'a>(kind: TokenKind) -> impl Fn(Tokens<'a>) -> Res<'a, Token> {
    move |i: Tokens<'a>| if i.is(kind) { Ok((i.skip(1), i.peek())) } else { no_match() }
}

/// Parses a token of this kind, which must stand here.
pub fn need<'a>(kind: TokenKind, what: &'static str) -> impl Fn(Tokens<'a>) -> Res<'a, Token> {
    move |i: Tokens<'a>| if i.is(kind) { Ok((i.skip(1), i.peek())) } else { expected(i, what) }
}

/// Parses this word.
pub fn word<'a>(text: &'static str) -> impl Fn(Tokens<'a>) -> Res<'a, Span> {
    move |i: Tokens<'a>| if i.is_word(text) { Ok((i.skip(1), i.peek().span)) } else { no_match() }
}

/// Parses this word, which must stand here; a word in other case is taken and reported.
pub fn need_word<'a>(text: &'static str) -> impl Fn(Tokens<'a>) -> Res<'a, Span> {
    move |i: Tokens<'a>| {
        let span = i.peek().span;
        if i.is_word(text) {
            return Ok((i.skip(1), span));
        }
        if i.is(TokenKind::Word) && i.text().eq_ignore_ascii_case(text) {
            i.report(wrong_case(span, i.text(), text));
            return Ok((i.skip(1), span));
        }
        let diagnostic = expectation(i, &format!("`{text}`"));
        fail(
            Diagnostic { message: format!("`{text}` is missing here"), ..diagnostic }
                .label(format!("write `{text}` before this")),
        )
    }
}

/// Returns the error for a keyword in the wrong case.
pub fn wrong_case(span: Span, written: &str, right: &str) -> Diagnostic {
    Diagnostic::error(Code::E1011, span, format!("keywords are lower case: `{written}` is not `{right}`"))
        .fix(span, right)
}

/// Says how a name is used, which decides the keywords that need brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameUse {
    /// Reading a column, table, variable.
    Read,
    /// Before `=`, or before `:` and a type.
    Declare,
    /// As the name of a `let`, `as`, step: any keyword that is reserved anywhere needs brackets.
    Define,
    /// After a dot, or where an operator's own words stand: any word.
    Any,
}

/// Parses a name, bracketed or not; a keyword that needs brackets is reported and taken.
pub fn name<'a>(usage: NameUse) -> impl Fn(Tokens<'a>) -> Res<'a, Name> {
    move |i: Tokens<'a>| match i.kind() {
        TokenKind::Word => {
            let (text, span) = (i.text(), i.peek().span);
            let is_allowed = match usage {
                NameUse::Read => words::is_name(text),
                NameUse::Declare => words::is_declarable(text),
                NameUse::Define => words::is_name(text) && words::is_declarable(text),
                NameUse::Any => true,
            };
            if !is_allowed {
                i.report(reserved(span, text));
            }
            Ok((i.skip(1), Name { text: text.to_owned(), span, is_bracketed: false }))
        }
        TokenKind::Typed if usage == NameUse::Any => no_match(),
        TokenKind::BracketOpen => bracketed_name(i),
        _ => no_match(),
    }
}

/// Parses `['name']` or `["name"]`.
pub fn bracketed_name<'a>(i: Tokens<'a>) -> Res<'a, Name> {
    let is_form = i.is(TokenKind::BracketOpen)
        && i.peek_at(1).kind == TokenKind::String
        && i.peek_at(2).kind == TokenKind::BracketClose;
    if !is_form {
        return no_match();
    }
    let rest = i.skip(3);
    Ok((rest, Name { text: literal::decode(i.text_at(1)), span: i.span_to(rest), is_bracketed: true }))
}

/// Parses a name that must stand here.
pub fn need_name<'a>(usage: NameUse, what: &'static str) -> impl Fn(Tokens<'a>) -> Res<'a, Name> {
    move |i: Tokens<'a>| match name(usage)(i) {
        Err(nom::Err::Error(_)) => expected(i, what),
        other => other,
    }
}

/// Returns the error for a keyword used as a name.
pub fn reserved(span: Span, text: &str) -> Diagnostic {
    Diagnostic::error(Code::E1012, span, format!("`{text}` is a keyword, it can be a name only in brackets"))
        .fix(span, format!("['{text}']"))
}

/// Runs a parser one level deeper; past the limit on nesting it reports E1002 and everything stops.
pub fn deeper<'a, T>(i: Tokens<'a>, parse: impl FnOnce(Tokens<'a>) -> Res<'a, T>) -> Res<'a, T> {
    let depth = i.shared.depth.get() + 1;
    if depth > i.shared.limits.nesting_max {
        return too_deep(i);
    }
    i.shared.depth.set(depth);
    let result = parse(i);
    i.shared.depth.set(depth - 1);
    result
}

/// Reports E1002 and stops parsing.
pub fn too_deep<'a, T>(i: Tokens<'a>) -> Res<'a, T> {
    let message = format!("the query is nested more than {} levels deep here", i.shared.limits.nesting_max);
    let diagnostic = Diagnostic::error(Code::E1002, i.peek().span, message);
    i.report(diagnostic.label("split it with `let`, or use a list: `in (...)`"));
    i.shared.is_stopped.set(true);
    expected(i, "less nesting")
}
