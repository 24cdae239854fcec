//! Whether a number is one of many. Next: `texts`.

use super::{COUNT_MAX, IN_TURN_MAX, MULTIPLIER};
use crate::Unsupported;
use crate::emit::{Emitter, Outcome};
use crate::insn::{Alu, Cond, Reg, Size};
use crate::layout::Reason;

/// Adds a test whether the number in `r6` is one of these.
///
/// # Errors
/// When there are more than 4,096 of them.
pub fn emit_long_in(e: &mut Emitter, values: &[i64], outcome: &Outcome) -> Result<(), Unsupported> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.dedup();
    let runs = runs(&values);
    if runs.len() <= IN_TURN_MAX {
        emit_in_turn(e, &runs, outcome);
        return Ok(());
    }
    if values.len() > COUNT_MAX {
        let count = values.len();
        return Err(Unsupported::new(format!("a set has at most {COUNT_MAX} numbers, and this one has {count}")));
    }
    emit_lookup(e, &values, outcome);
    Ok(())
}

/// Returns the first and last ones of numbers that follow each other.
fn runs(values: &[i64]) -> Vec<(i64, i64)> {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for value in values {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*value) => *last = *value,
            _ => runs.push((*value, *value)),
        }
    }
    runs
}

fn emit_in_turn(e: &mut Emitter, runs: &[(i64, i64)], outcome: &Outcome) {
    for (first, last) in runs {
        e.asm.mov_imm(Reg::R1, *first as u64);
        if first == last {
            e.asm.branch(Cond::Eq, Reg::R6, Reg::R1, outcome.is_true);
            continue;
        }
        // What is less wraps around to more than any distance that there is.
        e.asm.mov(Reg::R2, Reg::R6);
        e.asm.alu(Alu::Sub, Reg::R2, Reg::R1);
        e.asm.mov_imm(Reg::R1, last.wrapping_sub(*first) as u64);
        e.asm.branch(Cond::Le, Reg::R2, Reg::R1, outcome.is_true);
    }
    e.asm.jump(outcome.is_false);
}

/// Adds a lookup in a table of places of eight bytes, of which at most half are taken.
fn emit_lookup(e: &mut Emitter, values: &[i64], outcome: &Outcome) {
    let table = Table::new(values);
    let (head, over) = (e.asm.label(), e.asm.label());
    let map = e.add_table("longs", table.places.iter().flat_map(|value| value.to_le_bytes()).collect());
    e.asm.mov_imm(Reg::R2, table.free as u64);
    e.asm.branch(Cond::Eq, Reg::R6, Reg::R2, outcome.is_false);
    e.asm.mov_imm(Reg::R1, MULTIPLIER);
    e.asm.alu(Alu::Mul, Reg::R1, Reg::R6);
    e.asm.alu(Alu::Rsh, Reg::R1, 64 - table.bits as i32);
    // Offsets of bytes: the verifier knows nothing of what comes out of a cell, and so sees one state of the loop.
    e.asm.alu(Alu::Lsh, Reg::R1, 3);
    e.store(super::PLACE, Reg::R1);
    e.load(Reg::R1, super::PLACE);
    e.load_table(Reg::R3, map, 0);
    e.asm.bind(head);
    // The table has a free place, so that the loop ends by itself; what the kernel counts is for its verifier.
    e.asm.may_goto(over);
    e.asm.alu(Alu::And, Reg::R1, (table.places.len() as i32 - 1) * 8);
    e.asm.mov(Reg::R4, Reg::R3);
    e.asm.alu(Alu::Add, Reg::R4, Reg::R1);
    e.asm.load(Size::Double, Reg::R4, Reg::R4, 0);
    e.asm.branch(Cond::Eq, Reg::R4, Reg::R6, outcome.is_true);
    e.asm.alu(Alu::Add, Reg::R1, 8);
    e.asm.branch(Cond::Ne, Reg::R4, Reg::R2, head);
    e.asm.jump(outcome.is_false);
    e.asm.bind(over);
    e.unknown(Reason::Budget, outcome.unknown);
}

/// Holds numbers in places by their upper bits after a multiplication.
struct Table {
    /// As many as a power of two; a number that finds its place taken is in the next one that was free.
    places: Vec<i64>,
    /// How many bits tell a place.
    bits: u32,
    /// What stands in a place that is free: none of the numbers.
    free: i64,
}

impl Table {
    fn new(values: &[i64]) -> Self {
        let size = (values.len() * 2).next_power_of_two();
        let bits = size.trailing_zeros();
        // Of so many numbers and one more, one is not among them.
        let free = (0..=values.len() as i64).find(|free| values.binary_search(free).is_err());
        let free = free.expect("there are more candidates than values");
        let mut places = vec![free; size];
        for value in values {
            let mut place = (MULTIPLIER.wrapping_mul(*value as u64) >> (64 - bits)) as usize;
            while places[place] != free {
                place = (place + 1) % size;
            }
            places[place] = *value;
        }
        Self { places, bits, free }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_of_numbers_that_follow() {
        let none: [(i64, i64); 0] = [];
        assert_eq!(runs(&[]), none);
        let (least, greatest) = (i64::MIN, i64::MAX);
        let found = runs(&[least, 1, 2, 3, 5, greatest - 1, greatest]);
        assert_eq!(found, [(least, least), (1, 3), (5, 5), (greatest - 1, greatest)]);
    }

    #[test]
    fn a_table_keeps_every_number_and_free_places() {
        let values: Vec<i64> = (0..1_000).map(|at| at * 3 - 7).collect();
        let table = Table::new(&values);
        let mut found: Vec<i64> = table.places.iter().copied().filter(|value| *value != table.free).collect();
        found.sort_unstable();
        assert_eq!((found, table.places.len()), (values, 2_048));
    }
}
