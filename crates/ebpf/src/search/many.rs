//! The code that runs an automaton over a text.

use crate::Unsupported;
use crate::asm::Label;
use crate::emit::{Emitter, Outcome};
use crate::search::dfa::Automaton;

/// Adds a pass over the text at `r6` with the length in `r7`: the bits of what was found, of [`super::dfa::NON_ASCII`] and
/// of [`super::dfa::PASS_DONE`] are then in `r0` and in the cell `layout::FACTS + 8 * pass`, and the code goes on behind it.
///
/// Over budget it goes on at `over`. Clobbers `r0` to `r8` and the cells for searching.
///
/// # Errors
/// When there are too many passes.
pub fn emit_pass(_e: &mut Emitter, _automaton: &Automaton, _pass: usize, _over: Label) -> Result<(), Unsupported> {
    Err(Unsupported::new("not written yet"))
}

/// Adds a search for any of what an automaton finds in the text at `r6` with the length in `r7`.
///
/// # Errors
/// None so far.
pub fn emit_match(_e: &mut Emitter, _automaton: &Automaton, _outcome: &Outcome) -> Result<(), Unsupported> {
    Err(Unsupported::new("not written yet"))
}
