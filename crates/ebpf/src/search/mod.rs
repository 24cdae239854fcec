//! Texts of a record tested for constants: the code for it, and its tables.
//!
//! Every test is that of `dtq_value::search` and of Kusto's string operators, byte for byte, or goes on at `unknown`. On
//! entry the offset of the text's first byte is in `r6` and its length in `r7`; both were checked when the text was found,
//! of which the verifier knows nothing. The code leaves by a label of its outcome and in no other way. Read in order:
//! `compare`, `contains`, `edges`, `set`, `dfa`, `many`. Next: `payload`.

mod compare;

mod contains;

mod edges;

pub mod set;

pub mod dfa;

pub mod many;

pub use dtq_value::search::TermEdges;
pub use set::{emit_long_in, emit_text_in};

use crate::Unsupported;
use crate::emit::{Emitter, Outcome};
use crate::insn::{Alu, Cond, Reg};
use edges::Edges;

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

impl TextTest {
    /// Returns the constant, and whether ASCII case does not matter.
    pub fn constant(&self) -> (&[u8], bool) {
        match self {
            TextTest::Equals { text, is_case_ignored }
            | TextTest::StartsWith { text, is_case_ignored }
            | TextTest::EndsWith { text, is_case_ignored }
            | TextTest::Contains { text, is_case_ignored }
            | TextTest::Has { text, is_case_ignored, .. } => (text, *is_case_ignored),
        }
    }
}

/// Adds a test of the text at `r6` with the length in `r7`.
///
/// # Errors
/// When the constant is too long.
pub fn emit_test(e: &mut Emitter, test: &TextTest, outcome: &Outcome) -> Result<(), Unsupported> {
    let (text, is_case_ignored) = test.constant();
    check_length(text)?;
    // Case is that of letters.
    let is_case_ignored = is_case_ignored && text.iter().any(u8::is_ascii_alphabetic);
    let length = text.len() as i32;
    match test {
        TextTest::Equals { .. } => e.asm.branch(Cond::Ne, Reg::R7, length, outcome.is_false),
        _ if text.is_empty() => {}
        TextTest::Contains { .. } => {
            contains::emit_contains(e, text, is_case_ignored, None, outcome);
            return Ok(());
        }
        TextTest::Has { edges, .. } => {
            let edges = Edges::new(text, *edges);
            contains::emit_contains(e, text, is_case_ignored, edges.as_ref(), outcome);
            return Ok(());
        }
        TextTest::StartsWith { .. } => e.asm.branch(Cond::Lt, Reg::R7, length, outcome.is_false),
        TextTest::EndsWith { .. } => {
            e.asm.branch(Cond::Lt, Reg::R7, length, outcome.is_false);
            e.asm.alu(Alu::Add, Reg::R6, Reg::R7);
            e.asm.alu(Alu::Sub, Reg::R6, length);
        }
    }
    compare::emit_compare(e, Reg::R6, text, is_case_ignored, outcome.is_false);
    e.asm.jump(outcome.is_true);
    Ok(())
}

/// Refuses a constant that would be too much code.
fn check_length(text: &[u8]) -> Result<(), Unsupported> {
    if text.len() <= TEXT_MAX {
        return Ok(());
    }
    Err(Unsupported::new(format!(
        "texts are tested for at most {TEXT_MAX} bytes, and this constant has {}",
        text.len()
    )))
}
