//! Query text to tokens and AST; AST back to text.
//!
//! [`parse()`] never fails: it gives what was understood and all that is wrong. It resolves no name and knows no type.
//! Read in order: [`words`], [`token`], [`lexer`], [`literal`], [`ast`], [`mod@parse`].

pub mod words;

pub mod token;

pub mod lexer;

pub mod literal;

pub mod ast;

pub mod parse;

pub use parse::parse;
