//! What `--engine` says to a processor that runs on the interpreter or on native code.

use crate::args::Engine;
use crate::console::Console;
use crate::failure::Failure;
use dtq_rules::compile::RuleSet;
use dtq_rules::native::NativeSet;
use std::sync::Arc;

/// Returns the native code of a rule set, where it is wanted.
///
/// Where the system has none, `auto` says so on stderr and gives none.
///
/// # Errors
/// [`Failure::Usage`] when native code was asked for and the system has none.
pub fn compile(engine: Engine, set: &Arc<RuleSet>, console: &Console) -> Result<Option<Arc<NativeSet>>, Failure> {
    if engine == Engine::Interp {
        return Ok(None);
    }
    match NativeSet::compile(set) {
        Ok(native) => Ok(Some(Arc::new(native))),
        Err(refusal) if engine == Engine::Jit => {
            Err(Failure::Usage(format!("--engine jit: {refusal}; use --engine interp or auto")))
        }
        Err(refusal) => {
            console.say(&format!("note: rules run on the interpreter: {refusal}"));
            Ok(None)
        }
    }
}

/// Returns the name of the engine that runs rules, for statistics.
pub fn name(native: Option<&NativeSet>) -> &'static str {
    match native {
        None => "interp",
        Some(native) if native.report().rules.iter().any(|rule| rule.refusal.is_some()) => "jit and interp",
        Some(_) => "jit",
    }
}
