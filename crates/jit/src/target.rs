//! The name of an architecture, or the host, to the settings that code is generated for.
//!
//! Never asks whether memory may be executable: that shows when code is to be run ([`crate::module`]).

use cranelift_codegen::Context;
use cranelift_codegen::isa::{self, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::FunctionBuilderContext;
use std::fmt;
use std::sync::{Arc, Mutex};

pub use crate::refusal::Refusal;

/// The architectures that code is made and tested for; the code generator has others.
const ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];

/// The architecture that this is built for, where it is one of them.
const HOST: &str = if cfg!(target_arch = "x86_64") {
    "x86_64"
} else if cfg!(target_arch = "aarch64") {
    "aarch64"
} else {
    "this machine"
};

/// Holds what code is generated for.
#[derive(Clone)]
pub struct Target {
    isa: OwnedTargetIsa,
    /// The same where code is made sooner and runs slower.
    quick: OwnedTargetIsa,
    is_host: bool,
    /// Room of the code generator that the last function left, for the next one.
    scratch: Arc<Mutex<Option<Box<Scratch>>>>,
}

/// Holds what the code generator works in; it is reused, since making it takes as long as a small function.
pub(crate) struct Scratch {
    pub ctx: Context,
    pub frontend: FunctionBuilderContext,
}

impl Scratch {
    fn new() -> Self {
        Self { ctx: Context::new(), frontend: FunctionBuilderContext::new() }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({})", self.isa.triple())
    }
}

impl Target {
    /// The architectures that [`Target::named`] knows in this build.
    pub const NAMES: &'static [&'static str] = if cfg!(feature = "all-targets") { &ARCHITECTURES } else { &[HOST] };

    /// Returns the machine this runs on, with the instructions that it has.
    ///
    /// # Errors
    /// [`Refusal::Target`] when code cannot be generated for it.
    pub fn host() -> Result<Self, Refusal> {
        if !ARCHITECTURES.contains(&HOST) {
            return Err(Refusal::Target(format!("`{}` is neither x86_64 nor aarch64", HOST)));
        }
        let builder = cranelift_native::builder().map_err(|reason| Refusal::Target(reason.to_owned()))?;
        Self::finish(builder, true)
    }

    /// Returns an architecture by its name, one of [`Target::NAMES`]; its code is to be looked at, not run.
    ///
    /// # Errors
    /// [`Refusal::Target`] for any other name, and for an architecture that this build leaves out.
    pub fn named(architecture: &str) -> Result<Self, Refusal> {
        if !ARCHITECTURES.contains(&architecture) {
            return Err(Refusal::Target(format!("`{architecture}` is neither x86_64 nor aarch64")));
        }
        let mut builder = isa::lookup_by_name(&format!("{architecture}-unknown-linux-gnu"))
            .map_err(|error| Refusal::Target(error.to_string()))?;
        if architecture == "x86_64" {
            // Rounding would be a call of a library without it; every x86-64 processor since 2008 has it.
            builder.enable("has_sse41").map_err(|error| Refusal::Target(error.to_string()))?;
        }
        Self::finish(builder, false)
    }

    fn finish(builder: isa::Builder, is_host: bool) -> Result<Self, Refusal> {
        let isa_with = |registers: &str| {
            let flags = flags(registers).map_err(|error| Refusal::Target(error.to_string()))?;
            builder.finish(flags).map_err(|error| Refusal::Target(error.to_string()))
        };
        let (isa, quick) = (isa_with("backtracking")?, isa_with("single_pass")?);
        if isa.pointer_bits() != 64 || isa.triple().endianness().is_err() {
            return Err(Refusal::Target("addresses do not have 64 bits".to_owned()));
        }
        Ok(Self { isa, quick, is_host, scratch: Arc::default() })
    }

    /// Returns the same target for code that others will replace: it is made sooner and runs slower.
    pub(crate) fn quick(&self) -> Self {
        Self { isa: Arc::clone(&self.quick), ..self.clone() }
    }

    /// Returns the code generator's view of the target.
    pub(crate) fn shared_isa(&self) -> OwnedTargetIsa {
        self.isa.clone()
    }

    /// Says whether it compares 64 bits in lanes of vectors: every aarch64, and x86-64 since 2008.
    pub(crate) fn has_lanes(&self) -> bool {
        let is_sse42 = |flag: &settings::Value| flag.name == "has_sse42" && flag.as_bool() == Some(true);
        self.isa.triple().architecture.to_string() != "x86_64" || self.isa.isa_flags().iter().any(is_sse42)
    }

    /// Returns room to generate code in.
    pub(crate) fn take_scratch(&self) -> Box<Scratch> {
        let kept = self.scratch.lock().ok().and_then(|mut kept| kept.take());
        kept.unwrap_or_else(|| Box::new(Scratch::new()))
    }

    /// Keeps room for the next function.
    pub(crate) fn keep_scratch(&self, scratch: Box<Scratch>) {
        if let Ok(mut kept) = self.scratch.lock() {
            *kept = Some(scratch);
        }
    }

    /// Says whether its code runs here.
    pub fn is_host(&self) -> bool {
        self.is_host
    }

    /// Returns its name: architecture, vendor, system.
    pub fn name(&self) -> String {
        self.isa.triple().to_string()
    }
}

fn flags(registers: &str) -> Result<settings::Flags, settings::SetError> {
    let mut flags = settings::builder();
    flags.set("regalloc_algorithm", registers)?;
    // What comes here has been through the optimizer of IR; more of it takes a fifth of the time and makes nothing faster.
    flags.set("opt_level", "none")?;
    // Its own checks cost as much as generating code does; the tests run with them.
    flags.set("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" })?;
    // Nothing unwinds through generated code: helpers do not panic.
    flags.set("unwind_info", "false")?;
    flags.set("is_pic", "false")?;
    // A frame larger than a page touches its pages in order, without calling anything.
    flags.set("enable_probestack", "true")?;
    flags.set("probestack_strategy", "inline")?;
    Ok(settings::Flags::new(flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_targets_are_those_built_in() {
        for name in Target::NAMES {
            assert!(Target::named(name).is_ok_and(|target| target.name().starts_with(name)), "{name}");
        }
        for name in ARCHITECTURES.iter().filter(|name| !Target::NAMES.contains(name)) {
            assert!(matches!(Target::named(name), Err(Refusal::Target(_))), "{name}");
        }
        assert!(matches!(Target::named("riscv64"), Err(Refusal::Target(_))));
    }
}
