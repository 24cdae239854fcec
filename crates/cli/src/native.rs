//! What `--engine` says: to a processor that runs on the interpreter or on native code, and to a query.

use crate::args::Engine;
use crate::console::Console;
use crate::failure::Failure;
use crate::report::EngineUse;
use dtq_engine::Query;
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

/// Compiles a query's native code, where it is wanted.
///
/// Where the system has none, `auto` says so on stderr.
///
/// # Errors
/// [`Failure::Usage`] when native code was asked for and the system has none.
pub fn prepare(engine: Engine, query: &Query, console: &Console) -> Result<(), Failure> {
    match query.native(engine.into()) {
        Ok(_) => Ok(()),
        Err(refusal) if engine == Engine::Jit => {
            Err(Failure::Usage(format!("--engine jit: {refusal}; use --engine interp or auto")))
        }
        Err(refusal) => {
            console.say(&note(refusal));
            Ok(())
        }
    }
}

/// Says why a query that could have native code has none.
pub fn note(refusal: &impl std::fmt::Display) -> String {
    format!("note: queries run on the interpreter: {refusal}")
}

/// Returns what evaluates the expressions of a query, for statistics.
pub fn used(engine: Engine, query: &Query) -> EngineUse {
    let Ok(Some(native)) = query.native(engine.into()) else {
        return EngineUse { name: "interp", functions: None };
    };
    let report = native.report();
    EngineUse { name: report.engine(), functions: Some((report.function_count, report.interpreted.len())) }
}

impl From<Engine> for dtq_engine::Engine {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::Auto => Self::Auto,
            Engine::Jit => Self::Jit,
            Engine::Interp => Self::Interp,
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
