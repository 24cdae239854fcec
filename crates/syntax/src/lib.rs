//! Query text to tokens and AST; AST back to text.
//!
//! [`parse()`] never fails: it gives what was understood and all that is wrong. It resolves no name and knows no type.
//! Read in order: [`words`], [`token`], [`lexer`], [`literal`], [`ast`], [`mod@parse`], [`mod@format`], [`mod@dump`].

pub mod words;

pub mod token;

pub mod lexer;

pub mod literal;

pub mod ast;

pub mod parse;

pub mod format;

pub mod dump;

pub use dump::dump;

pub use format::format;
pub use parse::parse;
