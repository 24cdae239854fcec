//! Query text to tokens and AST; AST back to text.

pub mod ast;
