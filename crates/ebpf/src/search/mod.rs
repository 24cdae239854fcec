//! Texts of a record tested for constants: the code for it, and its tables.
//!
//! Every test is that of `dtq_value::search` and of Kusto's string operators, byte for byte, or goes on at `unknown`. On
//! entry the offset of the text's first byte is in `r6` and its length in `r7`; both were checked when the text was found,
//! of which the verifier knows nothing. The code leaves by a label of its outcome and in no other way. Read in order:
//! `compare`, `contains`, `edges`, `set`, `dfa`, `many`. Next: `payload`.

pub mod set;

pub mod dfa;

pub mod many;

pub use dtq_value::search::TermEdges;
pub use set::{emit_long_in, emit_text_in};

use crate::Unsupported;
use crate::emit::{Emitter, Outcome};

/// Bytes of a constant that texts are tested for.
pub const TEXT_MAX: usize = 1_024;

/// Holds what a text is tested for; where case is ignored, it is that of ASCII letters alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextTest {
    /// The text is this one.
    Equals {
        /// Which one.
        text: Vec<u8>,
        /// Whether ASCII case does not matter.
        is_case_ignored: bool,
    },
    /// The text begins with this one.
    StartsWith {
        /// Which one.
        text: Vec<u8>,
        /// Whether ASCII case does not matter.
        is_case_ignored: bool,
    },
    /// The text ends with this one.
    EndsWith {
        /// Which one.
        text: Vec<u8>,
        /// Whether ASCII case does not matter.
        is_case_ignored: bool,
    },
    /// This one occurs in the text.
    Contains {
        /// Which one.
        text: Vec<u8>,
        /// Whether ASCII case does not matter.
        is_case_ignored: bool,
    },
    /// This one occurs in the text between edges of terms.
    Has {
        /// Which one.
        text: Vec<u8>,
        /// Whether ASCII case does not matter.
        is_case_ignored: bool,
        /// Which of its edges must be edges of terms.
        edges: TermEdges,
    },
}

/// Adds a test of the text at `r6` with the length in `r7`.
///
/// # Errors
/// When the constant is too long, or what it asks cannot be told in the kernel.
pub fn emit_test(_e: &mut Emitter, _test: &TextTest, _outcome: &Outcome) -> Result<(), Unsupported> {
    Err(Unsupported::new("not written yet"))
}
