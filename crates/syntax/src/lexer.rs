//! Query text to tokens, comments and diagnostics about text that is no token.
//!
//! Every byte ends up in a token, a comment, white space or a diagnostic; nothing is lost. Numbers and strings are
//! scanned by hand inside logos callbacks because their ends depend on what follows. Next: `parse/mod.rs`.

use crate::literal;
use crate::token::{Token, TokenKind};
use crate::words;
use dtq_source::{Code, Diagnostic, Limits, Span};
use logos::{Lexer, Logos};

/// Holds what lexing gives.
#[derive(Clone, Debug, Default)]
pub struct Lexed {
    /// The tokens in order.
    pub tokens: Vec<Token>,
    /// The comments in order, from `//` to before the end of the line.
    pub comments: Vec<Span>,
    /// What is wrong with single tokens.
    pub diagnostics: Vec<Diagnostic>,
}

/// Returns the tokens of the text, or only E1001 when it is longer than the limit.
///
/// # Cost
/// One pass, linear in the size of the text.
pub fn lex(text: &str, limits: &Limits) -> Lexed {
    let mut lexed = Lexed::default();
    let size_max = limits.query_bytes_max.min(u32::MAX as usize);
    if text.len() > size_max {
        let message = format!("the query has {} bytes; the limit is {size_max}", text.len());
        lexed.diagnostics.push(Diagnostic::error(Code::E1001, Span::new(0, 0), message).label("shorten it"));
        return lexed;
    }
    let mut lexer = Raw::lexer(text);
    let mut run: Option<Span> = None;
    while let Some(result) = lexer.next() {
        let span = Span::new(lexer.span().start, lexer.span().end);
        let Ok(raw) = result else {
            // A run of characters that start no token is one token and one mistake.
            let joined = run.filter(|run| run.end == span.start).map(|run| run.to(span));
            if joined.is_none() {
                invalid(&mut lexed, text, run);
            }
            run = Some(joined.unwrap_or(span));
            continue;
        };
        invalid(&mut lexed, text, run.take());
        token(&mut lexed, text, raw, span);
        lexed.diagnostics.truncate(limits.diagnostics_max);
    }
    invalid(&mut lexed, text, run);
    lexed.diagnostics.truncate(limits.diagnostics_max);
    lexed
}

/// What logos sees; numbers and strings carry what their callback found.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"[ \t\r\n\f\u{a0}\u{feff}]+")]
enum Raw {
    #[regex(r"//[^\r\n]*", allow_greedy = true)]
    Comment,
    #[regex(r"[A-Za-z_$][A-Za-z0-9_]*", word)]
    Word(WordForm),
    #[regex(r"[\p{L}_$][\p{L}\p{N}_]*", priority = 1)]
    ForeignWord,
    #[token("in~")]
    InTilde,
    #[regex(r"!(in|contains|startswith|endswith|has|between)[A-Za-z0-9_]*~?")]
    BangWord,
    #[regex(r"[0-9]", number)]
    Number(TokenKind),
    #[regex(r#"[hH]?@?['"]"#, quoted)]
    #[regex("[hH]?(```|~~~)", fenced)]
    String(StringEnd),
    #[regex("[\u{2018}\u{2019}\u{201c}\u{201d}]", smart_quoted)]
    SmartString,
    #[token("(", |_| TokenKind::ParenOpen)]
    #[token(")", |_| TokenKind::ParenClose)]
    #[token("[", |_| TokenKind::BracketOpen)]
    #[token("]", |_| TokenKind::BracketClose)]
    #[token("{", |_| TokenKind::BraceOpen)]
    #[token("}", |_| TokenKind::BraceClose)]
    #[token("|", |_| TokenKind::Pipe)]
    #[token(";", |_| TokenKind::Semicolon)]
    #[token(",", |_| TokenKind::Comma)]
    #[token(":", |_| TokenKind::Colon)]
    #[token(".", |_| TokenKind::Dot)]
    #[token("..", |_| TokenKind::DotDot)]
    #[token("=", |_| TokenKind::Assign)]
    #[token("=>", |_| TokenKind::Arrow)]
    #[token("==", |_| TokenKind::Equal)]
    #[token("!=", |_| TokenKind::NotEqual)]
    #[token("<>", |_| TokenKind::LessGreater)]
    #[token("=~", |_| TokenKind::EqualTilde)]
    #[token("!~", |_| TokenKind::NotTilde)]
    #[token("<", |_| TokenKind::Less)]
    #[token("<=", |_| TokenKind::LessEqual)]
    #[token(">", |_| TokenKind::Greater)]
    #[token(">=", |_| TokenKind::GreaterEqual)]
    #[token("+", |_| TokenKind::Plus)]
    #[token("-", |_| TokenKind::Minus)]
    #[token("*", |_| TokenKind::Star)]
    #[token("/", |_| TokenKind::Slash)]
    #[token("%", |_| TokenKind::Percent)]
    #[token("!", |_| TokenKind::Bang)]
    #[token("&&", |_| TokenKind::AndAnd)]
    #[token("||", |_| TokenKind::OrOr)]
    #[token("===", |_| TokenKind::EqualEqualEqual)]
    #[token("!==", |_| TokenKind::NotEqualEqual)]
    Punctuation(TokenKind),
    #[regex(r"/\*", block_comment)]
    BlockComment,
}

/// What a word turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WordForm {
    Plain,
    /// `type(text)`, closed.
    Typed,
    /// `type(text` without the parenthesis.
    TypedUnclosed,
}

/// How a string literal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StringEnd {
    Closed,
    Unclosed,
}

/// Turns what logos found into a token, a comment or a diagnostic.
fn token(lexed: &mut Lexed, text: &str, raw: Raw, span: Span) {
    let kind = match raw {
        Raw::Comment => return lexed.comments.push(span),
        Raw::Word(WordForm::Plain) | Raw::InTilde => TokenKind::Word,
        Raw::Word(WordForm::Typed) => TokenKind::Typed,
        Raw::ForeignWord => {
            lexed.diagnostics.push(foreign_word(text, span));
            TokenKind::Word
        }
        Raw::Word(WordForm::TypedUnclosed) => {
            lexed.diagnostics.push(unclosed_typed(text, span));
            TokenKind::Typed
        }
        Raw::BangWord => TokenKind::BangWord,
        Raw::Number(kind) | Raw::Punctuation(kind) => kind,
        Raw::String(StringEnd::Closed) => {
            literal::check_escapes(text, span, &mut lexed.diagnostics);
            TokenKind::String
        }
        Raw::String(StringEnd::Unclosed) => {
            lexed.diagnostics.push(unclosed_string(text, span));
            TokenKind::String
        }
        Raw::SmartString => {
            lexed.diagnostics.push(smart_quotes(text, span));
            TokenKind::String
        }
        Raw::BlockComment => {
            lexed.diagnostics.push(block_comment_mistake(text, span));
            TokenKind::Invalid
        }
    };
    lexed.tokens.push(Token { kind, span });
}

/// Reports text that starts no token.
fn invalid(lexed: &mut Lexed, text: &str, run: Option<Span>) {
    if let Some(span) = run {
        lexed.diagnostics.push(invalid_text(text, span));
        lexed.tokens.push(Token { kind: TokenKind::Invalid, span });
    }
}

/// Continues a word over the dashes of an operator's name, or over the parentheses of a typed literal.
fn word(lexer: &mut Lexer<'_, Raw>) -> WordForm {
    let rest = lexer.remainder();
    if rest.starts_with('(') && words::TYPED_LITERALS.contains(&lexer.slice()) {
        return typed(lexer);
    }
    if rest.starts_with('-')
        && let Some(size) = dashed_size(lexer.slice(), rest)
    {
        lexer.bump(size);
    }
    WordForm::Plain
}

/// Returns how many bytes of `rest` continue `start` to a keyword with dashes, such as `mv-expand`.
fn dashed_size(start: &str, rest: &str) -> Option<usize> {
    let size = rest.bytes().take_while(|byte| *byte == b'-' || is_word_byte(*byte)).count();
    let tail = &rest[..size];
    let is_keyword = |size: usize| {
        let whole =
            |word: &&&str| word.len() == start.len() + size && word.starts_with(start) && word.ends_with(&tail[..size]);
        words::DASHED.iter().find(whole).is_some()
    };
    let ends = tail.bytes().enumerate().filter(|(_, byte)| *byte == b'-').map(|(offset, _)| offset).skip(1);
    ends.chain([size]).filter(|size| is_keyword(*size)).last()
}

/// Takes `(text)` after a type's name; a string in it may hold parentheses, a line end stops it.
fn typed(lexer: &mut Lexer<'_, Raw>) -> WordForm {
    let rest = lexer.remainder().as_bytes();
    let end = rest.iter().position(|byte| matches!(byte, b')' | b'|' | b';' | b'\n' | b'\r')).unwrap_or(rest.len());
    let is_closed = rest.get(end) == Some(&b')');
    let end = if is_closed { end } else { lexer.remainder()[..end].trim_end().len() };
    lexer.bump(if is_closed { end + 1 } else { end });
    if is_closed { WordForm::Typed } else { WordForm::TypedUnclosed }
}

/// Scans the rest of a number and says what it is; digits glued to other letters are a name.
///
/// # Source
/// npm `@kusto/language-service-next` 12.4.1, `TokenParser`: real, timespan, integer and identifier in this order.
fn number(lexer: &mut Lexer<'_, Raw>) -> TokenKind {
    let start = lexer.span().start;
    let bytes = &lexer.source().as_bytes()[start..];
    let digits = count_digits(bytes);
    let (size, kind) = real_size(bytes, digits)
        .map(|size| (size, TokenKind::Real))
        .or_else(|| timespan_size(bytes, digits).map(|size| (size, TokenKind::TimeSpan)))
        .or_else(|| hexadecimal_size(bytes).map(|size| (size, TokenKind::Integer)))
        .unwrap_or_else(|| {
            let letters = bytes[digits..].iter().take_while(|byte| is_word_byte(**byte)).count();
            (digits + letters, if letters == 0 { TokenKind::Integer } else { TokenKind::Word })
        });
    lexer.bump(size - 1);
    kind
}

/// Returns the size of a real literal: `1.5`, `1.`, `1e9`, but not the `1` of `1..2`.
fn real_size(bytes: &[u8], digits: usize) -> Option<usize> {
    let mut size = digits;
    let has_point = bytes.get(size) == Some(&b'.') && bytes.get(size + 1) != Some(&b'.');
    if has_point {
        size += 1;
        size += count_digits(&bytes[size..]);
    }
    let exponent = exponent_size(&bytes[size..]);
    size += exponent;
    let is_glued = bytes.get(size).is_some_and(|byte| is_word_byte(*byte));
    ((has_point || exponent > 0) && !is_glued).then_some(size)
}

/// Returns the size of `e`, sign and digits, or 0.
fn exponent_size(bytes: &[u8]) -> usize {
    if !matches!(bytes.first(), Some(b'e' | b'E')) {
        return 0;
    }
    let sign = usize::from(matches!(bytes.get(1), Some(b'+' | b'-')));
    let digits = count_digits(&bytes[1 + sign..]);
    if digits == 0 { 0 } else { 1 + sign + digits }
}

/// Returns the size of a number with a unit of time.
fn timespan_size(bytes: &[u8], digits: usize) -> Option<usize> {
    let mut size = digits;
    if bytes.get(size) == Some(&b'.') {
        let fraction = count_digits(&bytes[size + 1..]);
        if fraction > 0 {
            size += 1 + fraction;
        }
    }
    let letters = bytes[size..].iter().take_while(|byte| is_word_byte(**byte)).count();
    let unit = std::str::from_utf8(&bytes[size..size + letters]).expect("word bytes are ASCII");
    words::TIME_UNITS.contains(&unit).then_some(size + letters)
}

/// Returns the size of `0x` and hexadecimal digits.
fn hexadecimal_size(bytes: &[u8]) -> Option<usize> {
    if bytes.first() != Some(&b'0') || !matches!(bytes.get(1), Some(b'x' | b'X')) {
        return None;
    }
    let digits = bytes[2..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let is_glued = bytes.get(2 + digits).is_some_and(|byte| is_word_byte(*byte));
    (digits > 0 && !is_glued).then_some(2 + digits)
}

fn count_digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Takes a string up to its quote; a line end stops it.
fn quoted(lexer: &mut Lexer<'_, Raw>) -> StringEnd {
    let is_verbatim = lexer.slice().contains('@');
    let quote = *lexer.slice().as_bytes().last().expect("the pattern ends in a quote");
    let rest = lexer.remainder().as_bytes();
    let mut offset = 0;
    while let Some(&byte) = rest.get(offset) {
        let is_pair = match byte {
            b'\r' | b'\n' => break,
            b'\\' if !is_verbatim => rest.get(offset + 1).is_some_and(|next| !matches!(next, b'\r' | b'\n')),
            _ if byte == quote && is_verbatim => rest.get(offset + 1) == Some(&quote),
            _ => false,
        };
        if byte == quote && !is_pair {
            lexer.bump(offset + 1);
            return StringEnd::Closed;
        }
        offset += 1;
        if is_pair {
            offset += char_size(&rest[offset..]);
        }
    }
    lexer.bump(offset.min(rest.len()));
    StringEnd::Unclosed
}

/// Returns the size of the UTF-8 character at the start, which is not empty.
fn char_size(bytes: &[u8]) -> usize {
    1 + bytes[1..].iter().take_while(|byte| **byte & 0xC0 == 0x80).count()
}

/// Takes a string between fences, over line ends.
fn fenced(lexer: &mut Lexer<'_, Raw>) -> StringEnd {
    let fence = &lexer.slice()[lexer.slice().len() - 3..];
    match lexer.remainder().find(fence) {
        Some(offset) => {
            lexer.bump(offset + 3);
            StringEnd::Closed
        }
        None => {
            lexer.bump(lexer.remainder().len());
            StringEnd::Unclosed
        }
    }
}

/// Takes text between typographic quotes, or up to the end of the line.
fn smart_quoted(lexer: &mut Lexer<'_, Raw>) {
    let rest = lexer.remainder();
    let line = &rest[..rest.find(['\r', '\n']).unwrap_or(rest.len())];
    let end = line.find(['\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}']);
    let size = end.map_or(line.len(), |offset| offset + char_size(&line.as_bytes()[offset..]));
    lexer.bump(size);
}

/// Takes a comment of another language up to its end or the end of the line.
fn block_comment(lexer: &mut Lexer<'_, Raw>) {
    let rest = lexer.remainder();
    let size = rest.find("*/").map_or_else(|| rest.find('\n').unwrap_or(rest.len()), |offset| offset + 2);
    lexer.bump(size);
}

fn unclosed_typed(text: &str, span: Span) -> Diagnostic {
    let name = text[span.range()].split('(').next().unwrap_or_default();
    Diagnostic::error(Code::E1008, span, format!("the `(` of the `{name}` literal is not closed"))
        .fix(span.after(), ")")
        .label("add `)`")
}

fn foreign_word(text: &str, span: Span) -> Diagnostic {
    let written = &text[span.range()];
    let message = format!("`{}` has letters that a name can have only in brackets", shortened(written));
    Diagnostic::error(Code::E1003, span, message).fix(span, format!("['{written}']"))
}

fn unclosed_string(text: &str, span: Span) -> Diagnostic {
    let written = &text[span.range()];
    let start = written.trim_start_matches(['h', 'H', '@']);
    let fence = ["```", "~~~"].into_iter().find(|fence| start.starts_with(fence));
    let quote = fence.unwrap_or_else(|| start.get(..1).unwrap_or("\""));
    let diagnostic = Diagnostic::error(Code::E1004, span, "this string is not closed").fix(span.after(), quote).label(
        if quote == "```" { "close it with three backquotes".to_owned() } else { format!("close it with `{quote}`") },
    );
    if fence.is_none() && !written.contains('@') && written.contains(&format!("\\{quote}")) {
        return diagnostic.note("a backslash before a quote makes it part of the string; write `\\\\` for a backslash");
    }
    diagnostic
}

fn smart_quotes(text: &str, span: Span) -> Diagnostic {
    let written = &text[span.range()];
    let inner = written.trim_matches(['\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}']);
    Diagnostic::error(Code::E1010, span, "typographic quotes do not delimit a string")
        .fix(span, format!("\"{}\"", inner.replace('\\', "\\\\").replace('"', "\\\"")))
}

fn block_comment_mistake(text: &str, span: Span) -> Diagnostic {
    let inner = text[span.range()].trim_start_matches("/*").trim_end_matches("*/").trim();
    let diagnostic = Diagnostic::error(Code::E1010, span, "comments start with `//` and end with the line");
    if inner.contains('\n') {
        return diagnostic.label("write `//` before each line");
    }
    diagnostic.label(format!("write `// {inner}` on a line of its own"))
}

/// Returns the first characters of a long run.
fn shortened(text: &str) -> &str {
    text.char_indices().nth(20).map_or(text, |(offset, _)| &text[..offset])
}

fn invalid_text(text: &str, span: Span) -> Diagnostic {
    let written = shortened(&text[span.range()]);
    let message = match written {
        "&" => return Diagnostic::error(Code::E1010, span, "`&` is not an operator").fix(span, "and"),
        "#" => "a query has no `#` comments or directives".to_owned(),
        "`" => "`` ` `` does not quote anything".to_owned(),
        _ if written.chars().any(char::is_control) => "control characters cannot stand outside a string".to_owned(),
        _ => format!("`{written}` cannot stand here"),
    };
    let diagnostic = Diagnostic::error(Code::E1003, span, message);
    match written {
        "#" => diagnostic.fix(span, "//"),
        "`" => diagnostic.label("write names with odd characters as ['name'], strings as \"text\""),
        _ if written.chars().any(char::is_alphanumeric) => {
            diagnostic.label(format!("write names with such characters in brackets: ['{written}']"))
        }
        _ => diagnostic.label("remove it"),
    }
}
