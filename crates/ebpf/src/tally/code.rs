//! Planned tallies to code: what a record counts for is held back, and added to a table when its payload goes.
//!
//! Where a payload is one record, of one tally, nothing needs to be held back: it is added when all else is certain.
//! Which of the two tables that is was read at the beginning of the run. An entry is made while the payload can still be
//! kept, so that a table that is full keeps it; adding finds every entry there. Next: `key.rs`.

use crate::Unsupported;
use crate::asm::Label;
use crate::callee::Helper;
use crate::emit::{Emitter, SCRATCH};
use crate::insn::{Alu, Cond, Reg, Size};
use crate::layout::{self, Reason};
use crate::predicate;
use crate::tally::key::{SLOT, emit_field, emit_window, load_slot, place, store, undecided_field};
use crate::tally::plan::{Integer, Planned, PlannedAmount, PlannedKey, PlannedTally};
use crate::tally::{AmountPlace, Places, Tables, table};

/// `BPF_NOEXIST` of `include/uapi/linux/bpf.h`.
const NO_EXIST: i32 = 1;
/// `-EEXIST`: another processor has made the entry meanwhile.
const EEXIST: i32 = -17;
/// How far from 0 an integer may be that is added up.
const SUMMAND_MAX: u64 = 1 << 52;
/// How far from 0 a sum may be, so that what one payload adds cannot pass the range.
const SUM_MAX: u64 = 1 << 61;

/// Adds the maps of tallies and what a run begins with, behind the busy flag.
pub(crate) fn emit_start(e: &mut Emitter, planned: &Planned) -> Tables {
    let choice_map = e.add_map(crate::map::MapDef::new("choice", crate::map::MapKind::Array, 4, 8, 1));
    let maps = ["tally0", "tally1"].map(|name| e.add_map(table(name, planned.key_size, planned.value_size())));
    e.enlarge_scratch(layout::TALLY_SIZE);
    e.load_table(Reg::R0, choice_map, 0);
    e.asm.load(Size::Double, Reg::R0, Reg::R0, 0);
    e.store(layout::TALLY_TABLE, Reg::R0);
    e.store(layout::TALLY_AT, 0);
    Tables { choice_map, maps, places: planned.places() }
}

/// Adds what a record that is dropped counts for: of the tallies that [`layout::TALLY_MASK`] names. It goes on at `next`, and
/// where it is not certain keeps the payload.
pub(crate) fn emit_judge(e: &mut Emitter, planned: &Planned, tables: &Tables, next: Label) -> Result<(), Unsupported> {
    let writer = Writer { planned, tables };
    for position in 0..planned.tallies.len() {
        writer.judge(e, position)?;
    }
    e.asm.jump(next);
    Ok(())
}

/// Adds the loop that adds to the table what was held back.
pub(crate) fn emit_add(e: &mut Emitter, planned: &Planned, tables: &Tables) {
    if planned.adds_at_once {
        return;
    }
    let [turn, done] = [(); 2].map(|()| e.asm.label());
    e.store(layout::TALLY_ADDED, 0);
    e.asm.bind(turn);
    // Far more turns are allowed than there can be.
    e.asm.may_goto(done);
    e.load(Reg::R6, layout::TALLY_ADDED);
    e.load(Reg::R1, layout::TALLY_AT);
    e.asm.branch(Cond::Ge, Reg::R6, Reg::R1, done);
    e.asm.mov(Reg::R1, Reg::R6);
    e.asm.alu(Alu::Add, Reg::R1, planned.slot_size() as i32);
    e.store(layout::TALLY_ADDED, Reg::R1);
    e.asm.alu(Alu::And, Reg::R6, layout::TALLY_STAGE_MASK);
    e.asm.alu(Alu::Add, Reg::R6, SCRATCH);
    let writer = Writer { planned, tables };
    writer.load_entry(e, Reg::R6, Helper::MapLookup);
    e.asm.branch(Cond::Eq, Reg::R0, 0, turn);
    writer.add(e, Reg::R6);
    e.asm.jump(turn);
    e.asm.bind(done);
}

struct Writer<'w> {
    planned: &'w Planned,
    tables: &'w Tables,
}

impl Writer<'_> {
    /// Adds the question whether a record counts for a tally, and what it counts for.
    fn judge(&self, e: &mut Emitter, position: usize) -> Result<(), Unsupported> {
        let tally = &self.planned.tallies[position];
        let [is_asked, counts, maybe_not, unclear, next] = [(); 5].map(|()| e.asm.label());
        e.load(Reg::R0, layout::TALLY_MASK);
        e.asm.branch(Cond::Set, Reg::R0, 1 << position, is_asked);
        e.asm.jump(next);
        e.asm.bind(is_asked);
        e.store(layout::REASON, 0);
        match &tally.counts {
            Some((plan, _)) => predicate::emit(e, plan, counts, maybe_not)?,
            None => e.asm.jump(maybe_not),
        }
        e.asm.bind(maybe_not);
        match &tally.counts_not {
            Some(plan) => predicate::emit(e, plan, next, unclear)?,
            None => e.asm.jump(unclear),
        }
        e.asm.bind(counts);
        for field in tally.counts.iter().flat_map(|(_, fragile)| fragile) {
            let is_whole = e.asm.label();
            e.load_state(Reg::R0, *field);
            e.asm.branch(Cond::Ne, Reg::R0, crate::layout::State::Undecided as i32, is_whole);
            undecided_field(e, *field);
            e.asm.bind(is_whole);
        }
        self.hold(e, position, tally, unclear)?;
        e.asm.jump(next);
        e.asm.bind(unclear);
        keep_unclear(e);
        e.asm.bind(next);
        Ok(())
    }

    /// Adds what holds back what a record counts for.
    fn hold(&self, e: &mut Emitter, position: usize, tally: &PlannedTally, unclear: Label) -> Result<(), Unsupported> {
        let (key_size, slot_size) = (self.planned.key_size, self.planned.slot_size());
        let full = e.undecided(Reason::Counts);
        e.load(Reg::R0, layout::TALLY_AT);
        e.asm.branch(Cond::Gt, Reg::R0, layout::TALLY_STAGE_MASK + 1 - slot_size as i32, full);
        load_slot(e);
        store(e, 0, position as i32);
        for offset in (key_size..slot_size).step_by(8) {
            store(e, offset, 0);
        }
        store(e, key_size + 8 * Tables::COUNT_CELL, 1);
        let mut offset = 8;
        for key in &tally.keys {
            match key {
                PlannedKey::Field(field) => emit_field(e, *field, offset),
                PlannedKey::Window(field, width) => {
                    emit_window(e, *field, *width, offset);
                    let cell = tally.places.time.expect("a tally with a window has a cell of its time");
                    store(e, key_size + 8 * cell, Reg::R1);
                }
            }
            offset += key.size();
        }
        for offset in (offset..key_size).step_by(8) {
            store(e, offset, 0);
        }
        for (amount, place) in tally.amounts.iter().zip(&tally.places.amounts) {
            self.hold_amount(e, amount, *place, unclear)?;
        }
        self.make_entry(e, &tally.places);
        if !self.planned.adds_at_once {
            e.load(Reg::R0, layout::TALLY_AT);
            e.asm.alu(Alu::Add, Reg::R0, slot_size as i32);
            e.store(layout::TALLY_AT, Reg::R0);
        }
        Ok(())
    }

    fn hold_amount(
        &self,
        e: &mut Emitter,
        amount: &PlannedAmount,
        place: AmountPlace,
        unclear: Label,
    ) -> Result<(), Unsupported> {
        let done = e.asm.label();
        let at = |cell: usize| self.planned.key_size + 8 * cell;
        match (amount, place) {
            (PlannedAmount::CountIf(is_true, is_not), AmountPlace::Count(cell)) => {
                let [counts, maybe_not] = [(); 2].map(|()| e.asm.label());
                predicate::emit(e, is_true, counts, maybe_not)?;
                e.asm.bind(maybe_not);
                predicate::emit(e, is_not, done, unclear)?;
                e.asm.bind(counts);
                load_slot(e);
                store(e, at(cell), 1);
            }
            (PlannedAmount::Sum(integer, is_positive), AmountPlace::Sum(cell, count)) => {
                load_integer(e, integer, done, unclear);
                let odd = e.undecided(Reason::Counts);
                e.asm.mov_imm(Reg::R0, SUMMAND_MAX);
                e.asm.alu(Alu::Add, Reg::R0, Reg::R6);
                e.asm.mov_imm(Reg::R1, 2 * SUMMAND_MAX);
                e.asm.branch(Cond::Gt, Reg::R0, Reg::R1, odd);
                if *is_positive {
                    e.asm.branch(Cond::SignedLt, Reg::R6, 0, odd);
                }
                self.store_amount(e, cell, count);
            }
            (PlannedAmount::Least(integer), AmountPlace::Least(cell, count)) => {
                load_integer(e, integer, done, unclear);
                e.asm.alu(Alu::Xor, Reg::R6, -1);
                self.store_greatest(e, cell, count);
            }
            (PlannedAmount::Greatest(integer), AmountPlace::Greatest(cell, count)) => {
                load_integer(e, integer, done, unclear);
                self.store_greatest(e, cell, count);
            }
            _ => {}
        }
        e.asm.bind(done);
        Ok(())
    }

    /// Adds the store of the integer in `r6` so that of numbers without a sign the greater is the greater integer.
    fn store_greatest(&self, e: &mut Emitter, cell: usize, count: usize) {
        e.asm.mov_imm(Reg::R0, 1 << 63);
        e.asm.alu(Alu::Xor, Reg::R6, Reg::R0);
        self.store_amount(e, cell, count);
    }

    fn store_amount(&self, e: &mut Emitter, cell: usize, count: usize) {
        load_slot(e);
        store(e, self.planned.key_size + 8 * cell, Reg::R6);
        store(e, self.planned.key_size + 8 * count, 1);
    }

    /// Adds what adds to the value whose address is in `r0` what is held back at a place.
    fn add(&self, e: &mut Emitter, slot: Reg) {
        for cell in 0..self.planned.sum_count + self.planned.greatest_count {
            let at = 8 * cell as i16;
            e.asm.load(Size::Double, Reg::R1, slot, place(self.planned.key_size + 8 * cell));
            e.asm.load(Size::Double, Reg::R2, Reg::R0, at);
            if cell < self.planned.sum_count {
                e.asm.alu(Alu::Add, Reg::R2, Reg::R1);
                e.asm.store(Size::Double, Reg::R0, at, Reg::R2);
                continue;
            }
            let is_less = e.asm.label();
            e.asm.branch(Cond::Le, Reg::R1, Reg::R2, is_less);
            e.asm.store(Size::Double, Reg::R0, at, Reg::R1);
            e.asm.bind(is_less);
        }
    }

    /// Adds what makes the entry of a key, or looks whether its sums have room.
    fn make_entry(&self, e: &mut Emitter, places: &Places) {
        let [is_there, done] = [(); 2].map(|()| e.asm.label());
        let full = e.undecided(Reason::Counts);
        load_slot(e);
        self.load_entry(e, SLOT, Helper::MapLookup);
        e.asm.branch(Cond::Ne, Reg::R0, 0, is_there);
        self.load_entry(e, SLOT, Helper::MapUpdate);
        e.asm.branch(Cond::Eq, Reg::R0, 0, done);
        if !self.planned.adds_at_once {
            e.asm.branch(Cond::Eq, Reg::R0, EEXIST, done);
        }
        e.asm.jump(full);
        e.asm.bind(is_there);
        for place in &places.amounts {
            let AmountPlace::Sum(cell, _) = place else { continue };
            e.asm.load(Size::Double, Reg::R1, Reg::R0, 8 * *cell as i16);
            e.asm.mov_imm(Reg::R2, SUM_MAX);
            e.asm.alu(Alu::Add, Reg::R1, Reg::R2);
            e.asm.mov_imm(Reg::R2, 2 * SUM_MAX);
            e.asm.branch(Cond::Gt, Reg::R1, Reg::R2, full);
        }
        if self.planned.adds_at_once {
            self.add(e, SLOT);
        }
        e.asm.bind(done);
    }

    /// Adds a call about the key that is held back at a place, of the table of this run.
    fn load_entry(&self, e: &mut Emitter, slot: Reg, helper: Helper) {
        let [second, ready] = [(); 2].map(|()| e.asm.label());
        e.asm.mov(Reg::R2, slot);
        e.asm.alu(Alu::Add, Reg::R2, i32::from(layout::TALLY_STAGE));
        if helper == Helper::MapUpdate {
            // What is added at once begins the entry.
            let (base, value) = match self.planned.adds_at_once {
                true => (slot, place(self.planned.key_size)),
                false => (SCRATCH, layout::TALLY_ZEROS),
            };
            e.asm.mov(Reg::R3, base);
            e.asm.alu(Alu::Add, Reg::R3, i32::from(value));
            e.asm.mov(Reg::R4, NO_EXIST);
        }
        e.load(Reg::R0, layout::TALLY_TABLE);
        e.asm.branch(Cond::Ne, Reg::R0, 0, second);
        e.asm.mov_map(Reg::R1, self.tables.maps[0]);
        e.asm.jump(ready);
        e.asm.bind(second);
        e.asm.mov_map(Reg::R1, self.tables.maps[1]);
        e.asm.bind(ready);
        e.asm.call(helper);
    }
}

/// Adds what keeps the payload: of something nothing is certain, for a reason that may have been written down.
fn keep_unclear(e: &mut Emitter) {
    let (kept, condition) = (e.kept(), e.undecided(Reason::Condition));
    e.load(Reg::R0, layout::REASON);
    e.asm.branch(Cond::Eq, Reg::R0, 0, condition);
    e.asm.jump(kept);
}

/// Adds what brings an integer into `r6`; it goes on at `null` where there is none.
fn load_integer(e: &mut Emitter, integer: &Integer, null: Label, unclear: Label) {
    let ready = e.asm.label();
    if let Some((field, missing)) = integer.missing {
        let is_there = e.asm.label();
        e.load_state(Reg::R0, field);
        e.asm.branch(Cond::Ne, Reg::R0, crate::layout::State::Missing as i32, is_there);
        match missing {
            None => e.asm.jump(null),
            Some(number) => {
                e.asm.mov_imm(Reg::R6, number.cast_unsigned());
                e.asm.jump(ready);
            }
        }
        e.asm.bind(is_there);
    }
    integer.number.emit(e, 0, unclear);
    e.asm.bind(ready);
}
