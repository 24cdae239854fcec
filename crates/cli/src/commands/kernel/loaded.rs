//! A rule set to a program in the kernel with its maps, and what it counts. Next: `point.rs`.

use super::account::{Account, RuleAccount};
use super::refusal;
use super::report::Extent;
use crate::commands::query;
use crate::failure::Failure;
use dtq_ebpf::asm::Assembler;
use dtq_ebpf::filter::{Filter, Front};
use dtq_ebpf::insn::Reg;
use dtq_ebpf::layout::Reason;
use dtq_kernel::attach::cgroup::EgressVerdict;
use dtq_kernel::meter::Meter;
use dtq_kernel::share::{Shared, SharedRule};
use dtq_kernel::{Counters, Map, Program, ProgramKind};
use dtq_rules::compile::RuleSet;
use std::io;
use std::sync::Arc;

/// The name under which the kernel shows a program.
const NAME: &str = "dtq_filter";

/// Holds a program in the kernel.
pub struct Loaded {
    /// The program.
    pub program: Program,
    /// The rules that it was made from.
    rules: Vec<SharedRule>,
    counters: Counters,
    instructions: usize,
    /// Makes points of what the program counts by keys.
    pub meter: Option<Meter>,
}

impl Loaded {
    /// Loads the program of what goes down of a set; `None` when nothing does.
    ///
    /// # Errors
    /// [`Failure::Kernel`] when the kernel refuses it, with what is missing.
    pub fn load(shared: &Shared, set: &Arc<RuleSet>, kind: ProgramKind) -> Result<Option<Self>, Failure> {
        let Some(filter) = &shared.filter else { return Ok(None) };
        let rules = &shared.rules;
        let map_refused = |error: io::Error| refusal::of_system("making a map for the kernel", &error);
        let maps: Vec<Map> = filter.maps.iter().map(Map::create).collect::<io::Result<_>>().map_err(map_refused)?;
        let counters = Counters::over(&maps[Filter::COUNTS_MAP as usize], names(rules)).map_err(map_refused)?;
        let program = Program::load(NAME, kind, &filter.program, &maps).map_err(|error| refusal::of_load(&error))?;
        let meter = Meter::new(Arc::clone(set), shared, maps, query::now_ticks());
        Ok(Some(Self { program, rules: rules.clone(), counters, instructions: filter.program.len(), meter }))
    }

    /// Adds what the program has counted to an account.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn count(&self, account: &mut Account) -> io::Result<()> {
        account.kept.add(self.counters.get(Filter::kept_position())?);
        account.dropped.add(self.counters.get(Filter::dropped_position())?);
        for reason in Reason::ALL {
            let count = self.counters.get(Filter::reason_position(reason))?;
            if count.records > 0 {
                account.undecided.entry(reason.name().to_owned()).or_default().add(count);
            }
        }
        for rule in &self.rules {
            let place = place_of(account, rule);
            if let Some(position) = rule.filter_rule {
                account.rules[place].dropped.add(self.counters.get(Filter::rule_position(position))?);
            }
        }
        Ok(())
    }

    /// Writes into an account what the program is.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn describe(&self, account: &mut Account) -> io::Result<()> {
        account.program = self.program.info()?.id;
        account.instructions = self.instructions;
        Ok(())
    }
}

/// Returns the kind of program that sees what begins like this.
pub fn kind_of(front: Front) -> ProgramKind {
    match front {
        Front::UnixDatagram | Front::UdpDatagram => ProgramKind::SocketFilter,
        Front::EgressPacket { .. } => ProgramKind::CgroupEgress,
    }
}

/// Loads a program that keeps everything, for when nothing of the rules of now goes into the kernel.
///
/// # Errors
/// [`Failure::Kernel`] when the kernel refuses it, with what is missing.
pub fn load_keeping(front: Front) -> Result<Program, Failure> {
    let (kind, keeps) = match front {
        Front::UnixDatagram | Front::UdpDatagram => (ProgramKind::SocketFilter, -1),
        Front::EgressPacket { .. } => (ProgramKind::CgroupEgress, EgressVerdict::Keep.number()),
    };
    let mut asm = Assembler::default();
    asm.mov(Reg::R0, keeps);
    asm.exit();
    let loaded = Program::load("dtq_keep", kind, &asm.finish(), &[]);
    loaded.map_err(|error| refusal::of_load(&error))
}

/// Returns the place of a rule in an account, which it gets where it has none yet.
fn place_of(account: &mut Account, rule: &SharedRule) -> usize {
    account.rules.iter().position(|known| known.rule == rule.name).unwrap_or_else(|| {
        account.rules.push(RuleAccount {
            rule: rule.name.clone(),
            goes: "removed".to_owned(),
            reason: None,
            dropped: super::account::Amount::default(),
        });
        account.rules.len() - 1
    })
}

/// Writes into an account what becomes of the rules of now, in their order; those of before come behind them.
pub fn set_rules(account: &mut Account, rules: &[SharedRule]) {
    for rule in rules {
        let place = place_of(account, rule);
        account.rules[place].goes = Extent::of(rule).name().to_owned();
        account.rules[place].reason.clone_from(&rule.reason);
    }
    let position = |name: &str| rules.iter().position(|rule| rule.name == name).unwrap_or(rules.len());
    account.rules.sort_by_key(|account| position(&account.rule));
}

/// Returns the names of the counts, by position.
fn names(rules: &[SharedRule]) -> Vec<String> {
    let in_filter = rules.iter().filter(|rule| rule.filter_rule.is_some()).count();
    let mut names = vec![String::new(); Filter::rule_position(in_filter) as usize];
    names[Filter::kept_position() as usize] = "kept".to_owned();
    names[Filter::dropped_position() as usize] = "dropped".to_owned();
    for reason in Reason::ALL {
        names[Filter::reason_position(reason) as usize] = reason.name().to_owned();
    }
    for rule in rules {
        if let Some(position) = rule.filter_rule {
            names[Filter::rule_position(position) as usize].clone_from(&rule.name);
        }
    }
    names
}
