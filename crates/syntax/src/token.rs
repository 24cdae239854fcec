//! What a token is: a kind and a span. Comments and white space are not tokens; the lexer keeps comments apart.
//!
//! Words are not sorted into keywords here: almost every keyword of the language is also a name somewhere, so the
//! parser decides by position with the lists in [`crate::words`].

use dtq_source::Span;

/// Holds a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it stands.
    pub span: Span,
}

/// Says what a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// A name or keyword, also `mv-expand`, `in~` and a name that begins with digits.
    Word,
    /// `!` and the word glued to it: `!in`, `!has_cs`, `!in~`.
    BangWord,
    /// A decimal or hexadecimal integer.
    Integer,
    /// A number with a point or an exponent.
    Real,
    /// A number with a unit of time.
    TimeSpan,
    /// A string literal in any form, also one that is not closed (then already reported).
    String,
    /// `datetime(...)` and its relatives, as one token with the raw text in parentheses.
    Typed,
    /// Text that cannot be a token; already reported.
    Invalid,
    /// `(`
    ParenOpen,
    /// `)`
    ParenClose,
    /// `[`
    BracketOpen,
    /// `]`
    BracketClose,
    /// `{`
    BraceOpen,
    /// `}`
    BraceClose,
    /// `|`
    Pipe,
    /// `;`
    Semicolon,
    /// `,`
    Comma,
    /// `:`
    Colon,
    /// `.`
    Dot,
    /// `..`
    DotDot,
    /// `=`
    Assign,
    /// `=>`
    Arrow,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<>`, which means `!=`.
    LessGreater,
    /// `=~`
    EqualTilde,
    /// `!~`
    NotTilde,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Star,
    /// `/`
    Slash,
    /// `%`
    Percent,
    /// `!`, not part of the language; the parser says what to write.
    Bang,
    /// `&&`, not part of the language; the parser says what to write.
    AndAnd,
    /// `||`, not part of the language; the parser says what to write.
    OrOr,
    /// `===`, not part of the language; the parser says what to write.
    EqualEqualEqual,
    /// `!==`, not part of the language; the parser says what to write.
    NotEqualEqual,
    /// The end of the text; never in the list of tokens, given when reading past it.
    End,
}

impl TokenKind {
    /// Returns the closing bracket that belongs to an opening one.
    pub fn closing(self) -> Option<TokenKind> {
        match self {
            TokenKind::ParenOpen => Some(TokenKind::ParenClose),
            TokenKind::BracketOpen => Some(TokenKind::BracketClose),
            TokenKind::BraceOpen => Some(TokenKind::BraceClose),
            _ => None,
        }
    }

    /// Says whether it is a closing bracket.
    pub fn is_closing(self) -> bool {
        matches!(self, TokenKind::ParenClose | TokenKind::BracketClose | TokenKind::BraceClose)
    }

    /// Returns its text where that is fixed, for messages.
    pub fn text(self) -> &'static str {
        match self {
            TokenKind::Word | TokenKind::BangWord => "a name",
            TokenKind::Integer | TokenKind::Real => "a number",
            TokenKind::TimeSpan => "a timespan",
            TokenKind::String => "a string",
            TokenKind::Typed => "a literal",
            TokenKind::Invalid => "invalid text",
            TokenKind::ParenOpen => "(",
            TokenKind::ParenClose => ")",
            TokenKind::BracketOpen => "[",
            TokenKind::BracketClose => "]",
            TokenKind::BraceOpen => "{",
            TokenKind::BraceClose => "}",
            TokenKind::Pipe => "|",
            TokenKind::Semicolon => ";",
            TokenKind::Comma => ",",
            TokenKind::Colon => ":",
            TokenKind::Dot => ".",
            TokenKind::DotDot => "..",
            TokenKind::Assign => "=",
            TokenKind::Arrow => "=>",
            TokenKind::Equal => "==",
            TokenKind::NotEqual => "!=",
            TokenKind::LessGreater => "<>",
            TokenKind::EqualTilde => "=~",
            TokenKind::NotTilde => "!~",
            TokenKind::Less => "<",
            TokenKind::LessEqual => "<=",
            TokenKind::Greater => ">",
            TokenKind::GreaterEqual => ">=",
            TokenKind::Plus => "+",
            TokenKind::Minus => "-",
            TokenKind::Star => "*",
            TokenKind::Slash => "/",
            TokenKind::Percent => "%",
            TokenKind::Bang => "!",
            TokenKind::AndAnd => "&&",
            TokenKind::OrOr => "||",
            TokenKind::EqualEqualEqual => "===",
            TokenKind::NotEqualEqual => "!==",
            TokenKind::End => "the end of the query",
        }
    }
}
