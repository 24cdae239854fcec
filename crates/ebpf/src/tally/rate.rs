//! Rules that act above a rate to code: for each key the time at which a record would be due if all came evenly.
//!
//! That is the bucket of `dtq_rules::state::rate` seen from the other side (GCRA): a record is within the rate when the time
//! that is due is at most a burst ahead of now, and moves it on by one interval. One number for each key, which processors
//! change in one step; where they disagree too often, the record is within the rate. Time is that of arrival.

use crate::asm::Label;
use crate::callee::Helper;
use crate::emit::{Emitter, SCRATCH};
use crate::insn::{Alu, AtomicOp, Cond, Insn, Reg, Size};
use crate::layout;
use crate::map::{MapDef, MapKind};
use crate::tally::TEXT_MAX;
use crate::tally::key::{SLOT, emit_field, place, store};

/// Keys of all rules together; the one not used for longest goes, and starts with a full burst again.
const KEYS_MAX: u32 = 8_192;
/// Bytes of a key: the position of the rule, and a field.
const KEY_SIZE: usize = 16 + TEXT_MAX;
/// How often a number is changed when others change it at the same time.
const TRIES: usize = 4;
/// `BPF_NOEXIST` of `include/uapi/linux/bpf.h`.
const NO_EXIST: i32 = 1;

/// Holds a rate, and the cell of the field whose values it keeps apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) field: Option<i16>,
    pub(crate) interval_ns: u64,
    pub(crate) burst: u64,
}

/// Returns the map of rates.
pub(crate) fn map() -> MapDef {
    MapDef::new("rates", MapKind::LruHash, KEY_SIZE as u32, 8, KEYS_MAX)
}

/// Adds the question whether a record is above the rate of a rule: it goes on behind this when it is, at `within` otherwise.
pub(crate) fn emit_above(e: &mut Emitter, limit: &Limit, (map, rule): (u32, usize), within: Label) {
    let [is_known, above] = [(); 2].map(|()| e.asm.label());
    let interval_ns = limit.interval_ns.min(i64::MAX as u64 / limit.burst.max(1));
    let tolerance_ns = interval_ns * limit.burst.saturating_sub(1);
    e.asm.mov(SLOT, SCRATCH);
    e.asm.alu(Alu::Add, SLOT, i32::from(layout::RATE_KEY) - i32::from(layout::TALLY_STAGE));
    store(e, 0, rule as i32);
    match limit.field {
        Some(field) => emit_field(e, field, 8),
        None => (8..KEY_SIZE).step_by(8).for_each(|offset| store(e, offset, 0)),
    }
    load_arguments(e, map);
    e.asm.call(Helper::MapLookup);
    e.asm.branch(Cond::Ne, Reg::R0, 0, is_known);
    // The first record of a key is within any rate.
    e.asm.call(Helper::KtimeGetBootNs);
    e.asm.mov_imm(Reg::R1, interval_ns);
    e.asm.alu(Alu::Add, Reg::R0, Reg::R1);
    e.store(layout::RATE_DUE, Reg::R0);
    load_arguments(e, map);
    e.asm.mov(Reg::R3, SCRATCH);
    e.asm.alu(Alu::Add, Reg::R3, i32::from(layout::RATE_DUE));
    e.asm.mov(Reg::R4, NO_EXIST);
    e.asm.call(Helper::MapUpdate);
    e.asm.jump(within);
    e.asm.bind(is_known);
    e.asm.mov(Reg::R7, Reg::R0);
    e.asm.call(Helper::KtimeGetBootNs);
    e.asm.mov(Reg::R6, Reg::R0);
    e.asm.mov_imm(Reg::R3, tolerance_ns);
    e.asm.mov_imm(Reg::R4, interval_ns);
    for _ in 0..TRIES {
        let is_ahead = e.asm.label();
        e.asm.load(Size::Double, Reg::R0, Reg::R7, 0);
        e.asm.mov(Reg::R1, Reg::R0);
        e.asm.branch(Cond::Ge, Reg::R1, Reg::R6, is_ahead);
        e.asm.mov(Reg::R1, Reg::R6);
        e.asm.bind(is_ahead);
        e.asm.mov(Reg::R2, Reg::R1);
        e.asm.alu(Alu::Sub, Reg::R2, Reg::R6);
        e.asm.branch(Cond::Gt, Reg::R2, Reg::R3, above);
        e.asm.alu(Alu::Add, Reg::R1, Reg::R4);
        e.asm.mov(Reg::R2, Reg::R0);
        let (size, op, base, src) = (Size::Double, AtomicOp::CompareExchange, Reg::R7, Reg::R1);
        e.asm.add(Insn::Atomic { size, op, is_fetched: true, base, offset: 0, src });
        e.asm.branch(Cond::Eq, Reg::R0, Reg::R2, within);
    }
    e.asm.jump(within);
    e.asm.bind(above);
}

fn load_arguments(e: &mut Emitter, map: u32) {
    e.asm.mov_map(Reg::R1, map);
    e.asm.mov(Reg::R2, SLOT);
    e.asm.alu(Alu::Add, Reg::R2, i32::from(place(0)));
}
