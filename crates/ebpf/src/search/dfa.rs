//! Several texts, or a regular expression, to one automaton over bytes.
//!
//! It finds what `dtq_value::search` and `matches regex` find, for every text; where a byte beyond ASCII keeps that from
//! being told, it says so by [`NON_ASCII`]. Next: `many.rs`.

use crate::Unsupported;
use crate::search::TextTest;

/// The bit of a pass that was done.
pub const PASS_DONE: u64 = 1 << 63;
/// The bit of a pass that met a byte beyond ASCII where that matters: what was not found then may be there all the same.
pub const NON_ASCII: u64 = 1 << 62;
/// Patterns of one automaton.
pub const PATTERNS_MAX: usize = 62;

/// Holds an automaton over the bytes of a text.
#[derive(Clone, Debug)]
pub struct Automaton {}

impl Automaton {
    /// Returns the automaton that finds each of these in one pass: the pattern at position `i` sets bit `i`.
    ///
    /// # Errors
    /// When there are too many of them, or it would be too large, or an edge of a term is beyond ASCII.
    pub fn of_patterns(_patterns: &[TextTest]) -> Result<Self, Unsupported> {
        Err(Unsupported::new("not written yet"))
    }

    /// Returns the automaton of `matches regex`, which sets bit 0.
    ///
    /// # Errors
    /// When it does not compile, or its automaton would be too large.
    pub fn of_regex(_pattern: &str) -> Result<Self, Unsupported> {
        Err(Unsupported::new("not written yet"))
    }
}
