//! Tokens to the syntax tree: nom parsers, one file for each part of the grammar.
//!
//! Parsing never fails: a construct that cannot be understood becomes `Missing` with a diagnostic, and parsing goes on
//! at the next `|`, `;` or closing bracket. The accepted language is `grammar/kql.ebnf`, compared with this in tests.
//! Read in order: `input`, `recover`, `statement`, `pipeline`, `expr`, `primary`, the operators, `habit`.

mod input;

mod recover;

mod statement;

mod pipeline;

mod expr;

mod primary;

mod dynamic;

mod parts;

mod operator;

mod tables;

mod series;

mod habit;

use crate::ast::Query;
use crate::lexer;
use dtq_source::{Diagnostic, Limits};

/// Returns the query as far as it was understood, and everything that is wrong with its syntax, in order of place.
///
/// # Errors
/// `E1001` (alone) when the text is longer than the limit, `E1002` when it is nested deeper; the other `E1xxx` codes.
///
/// # Cost
/// Linear in the size of the text; the height of the tree and the use of the stack are bounded by
/// [`Limits::nesting_max`].
pub fn parse(text: &str, limits: &Limits) -> (Query, Vec<Diagnostic>) {
    let lexed = lexer::lex(text, limits);
    let shared = input::Shared::new(text, &lexed.tokens, limits, lexed.diagnostics);
    let query = statement::query(shared.start());
    (query, shared.into_diagnostics())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtq_source::Code;

    fn codes(text: &str) -> Vec<Code> {
        parse(text, &Limits::default()).1.iter().map(|diagnostic| diagnostic.code).collect()
    }

    #[test]
    fn deep_nesting_is_one_error() {
        for (open, close) in [("(", ")"), ("not(", ")"), ("a in (", ")"), ("(T | where a == (", "))")] {
            let text = format!("print {}1{}", open.repeat(10_000), close.repeat(10_000));
            assert_eq!(codes(&text), [Code::E1002], "{open}");
            assert_eq!(codes(&format!("print {}", open.repeat(10_000))), [Code::E1002], "{open} unclosed");
        }
        assert_eq!(codes(&format!("print dynamic({}{})", "[".repeat(10_000), "]".repeat(10_000))), [Code::E1002]);
        assert_eq!(codes(&"let f = () {".repeat(10_000)), [Code::E1002]);
        assert_eq!(codes(&"T | mv-apply a on (where ".repeat(10_000)), [Code::E1002]);
    }

    #[test]
    fn long_chains_work_or_are_one_error() {
        for chain in ["+a", ".a", "[0]"] {
            assert_eq!(codes(&format!("print a{}", chain.repeat(100_000))), [Code::E1002], "{chain}");
        }
        for chain in [" or a", " and a"] {
            assert_eq!(codes(&format!("print a{}", chain.repeat(100_000))), [], "{chain}");
        }
        assert_eq!(codes(&format!("T{}", " | count".repeat(100_000))), []);
    }

    #[test]
    fn a_long_query_is_one_error() {
        assert_eq!(codes(&"a".repeat(10 << 20)), [Code::E1001]);
    }
}
