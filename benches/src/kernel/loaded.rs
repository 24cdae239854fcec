//! Rules to programs in the kernel, as users get them; and the program that only loads the payload.

use crate::engine::Engine;
use crate::questions::RuleText;
use dtq_ebpf::asm::Assembler;
use dtq_ebpf::filter::Front;
use dtq_ebpf::insn::Reg;
use dtq_ebpf::payload::Format;
use dtq_ebpf::{Insn, MapDef};
use dtq_kernel::share::{ShareOptions, share};
use dtq_kernel::{Map, Program, ProgramKind};

/// Holds a program of the kernel with its maps.
pub struct Loaded {
    /// The program.
    pub program: Program,
    /// Its maps, which live as long as it.
    _maps: Vec<Map>,
}

impl Loaded {
    /// Loads a program.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn new(program: &[Insn], maps: &[MapDef]) -> Result<Self, String> {
        let maps = maps.iter().map(Map::create).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        let program = Program::load("bench", ProgramKind::SocketFilter, program, &maps);
        Ok(Self { program: program.map_err(|error| error.to_string())?, _maps: maps })
    }
}

/// Says whether programs can be loaded here.
///
/// # Errors
/// Why not.
pub fn may_load() -> Result<(), String> {
    let mut asm = Assembler::default();
    asm.mov(Reg::R0, 0);
    asm.exit();
    Loaded::new(&asm.finish(), &[]).map(drop)
}

/// Returns the filter of some rules.
///
/// # Errors
/// What is wrong with them, and when one of them stays up as a whole.
pub fn filter(rules: &[RuleText], format: Format, front: Front) -> Result<(Vec<Insn>, Vec<MapDef>), String> {
    let set = Engine::Interp.rule_set(&crate::engine::files(rules))?;
    let shared = share(&set, &ShareOptions { format, front, has_lease: false, reads_counts: false, minds_expiry: true });
    if let Some(rule) = shared.rules.iter().find(|rule| rule.filter_rule.is_none()) {
        return Err(format!("{} stays up: {:?} {:?}", rule.name, rule.reason, rule.stays));
    }
    let filter = shared.filter.ok_or("nothing goes down")?;
    Ok((filter.program, filter.maps))
}
