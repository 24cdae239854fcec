//! Plans to code. It goes on at one of two labels and leaves nothing in registers but the address of the scratch.

use crate::Unsupported;
use crate::asm::Label;
use crate::emit::{Emitter, Outcome};
use crate::insn::{Alu, Cond, Insn, Reg, Size, Width};
use crate::layout::{self, Reason, State};
use crate::predicate::atom::{Answer, Atom, LONG_STATES, OnLong, OnReal, OnText};
use crate::predicate::{Plan, Want};
use crate::search::dfa::NON_ASCII;
use crate::search::many::emit_match;
use crate::search::{emit_long_in, emit_test, emit_text_in};

/// The bits of a double without its sign from which on it is no number.
const INFINITY_BITS: u64 = 0x7FF0_0000_0000_0000;

/// Adds the code of a plan: it goes on at `yes` when what is wanted is certain, at `no` otherwise.
///
/// # Errors
/// When there is no code for a test; a plan is made of tests for which there is.
pub fn emit(e: &mut Emitter, plan: &Plan, yes: Label, no: Label) -> Result<(), Unsupported> {
    match plan {
        Plan::Known(known) => e.asm.jump(if *known { yes } else { no }),
        Plan::Atom(atom, want) => emit_atom(e, atom, &outcome(*want, yes, no))?,
        Plan::Comparison(comparison, want) => {
            let outcome = outcome(*want, yes, no);
            comparison.emit(e, outcome.unknown);
            branch(e, comparison.cond, &turned(outcome, comparison.is_negated));
        }
        Plan::All(plans) => {
            for plan in plans {
                let next = e.asm.label();
                emit(e, plan, next, no)?;
                e.asm.bind(next);
            }
            e.asm.jump(yes);
        }
        Plan::Any(plans) => {
            for plan in plans {
                let next = e.asm.label();
                emit(e, plan, yes, next)?;
                e.asm.bind(next);
            }
            e.asm.jump(no);
        }
    }
    Ok(())
}

/// Returns where outcomes go on.
fn outcome(want: Want, yes: Label, no: Label) -> Outcome {
    let of = |value| if want.holds(value) { yes } else { no };
    Outcome { is_true: of(Some(true)), is_false: of(Some(false)), is_null: of(None), unknown: no }
}

fn turned(outcome: Outcome, is_negated: bool) -> Outcome {
    let Outcome { is_true, is_false, .. } = outcome;
    if is_negated { Outcome { is_true: is_false, is_false: is_true, ..outcome } } else { outcome }
}

/// Adds a comparison of `r6` with `r7`.
fn branch(e: &mut Emitter, cond: Cond, outcome: &Outcome) {
    e.asm.branch(cond, Reg::R6, Reg::R7, outcome.is_true);
    e.asm.jump(outcome.is_false);
}

fn answer(e: &mut Emitter, answer: Answer, outcome: &Outcome) {
    match answer {
        Answer::True => e.asm.jump(outcome.is_true),
        Answer::False => e.asm.jump(outcome.is_false),
        Answer::Null => e.asm.jump(outcome.is_null),
        Answer::Unknown => e.unknown(Reason::Condition, outcome.unknown),
    }
}

fn emit_atom(e: &mut Emitter, atom: &Atom, outcome: &Outcome) -> Result<(), Unsupported> {
    let [text, long, real, bool, missing] = [(); 5].map(|()| e.asm.label());
    e.load_state(Reg::R0, atom.field);
    e.asm.branch(Cond::Eq, Reg::R0, State::Text as i32, text);
    for state in LONG_STATES {
        e.asm.branch(Cond::Eq, Reg::R0, state as i32, long);
    }
    e.asm.branch(Cond::Eq, Reg::R0, State::Missing as i32, missing);
    e.asm.branch(Cond::Eq, Reg::R0, State::Real as i32, real);
    e.asm.branch(Cond::Eq, Reg::R0, State::Bool as i32, bool);
    // Whoever filled the field says why it cannot be told.
    e.asm.load(Size::Word, Reg::R0, crate::emit::SCRATCH, atom.field + 4);
    e.store(layout::REASON, Reg::R0);
    e.asm.jump(outcome.unknown);
    e.asm.bind(missing);
    answer(e, atom.missing, outcome);
    e.asm.bind(bool);
    let is_set = e.asm.label();
    e.load(Reg::R0, atom.field + 8);
    e.asm.branch(Cond::Ne, Reg::R0, 0, is_set);
    answer(e, atom.bools[0], outcome);
    e.asm.bind(is_set);
    answer(e, atom.bools[1], outcome);
    let tested = turned(*outcome, atom.is_negated);
    e.asm.bind(real);
    emit_real(e, atom, outcome, &tested);
    e.asm.bind(long);
    emit_long(e, atom, outcome, &tested)?;
    e.asm.bind(text);
    emit_text(e, atom, outcome, &tested)
}

fn emit_text(e: &mut Emitter, atom: &Atom, outcome: &Outcome, tested: &Outcome) -> Result<(), Unsupported> {
    match &atom.text {
        OnText::Answer(known) => answer(e, *known, outcome),
        OnText::IsEmpty => {
            e.asm.load(Size::Word, Reg::R7, crate::emit::SCRATCH, atom.field + 4);
            e.asm.branch(Cond::Eq, Reg::R7, 0, tested.is_true);
            e.asm.jump(tested.is_false);
        }
        OnText::In(texts, is_case_ignored) => {
            e.load_text(Reg::R6, Reg::R7, atom.field);
            emit_text_in(e, texts, *is_case_ignored, tested)?;
        }
        OnText::Regex(automaton) => {
            e.load_text(Reg::R6, Reg::R7, atom.field);
            emit_match(e, automaton, tested)?;
        }
        OnText::Found { pass, bits, all } => emit_found(e, (*pass, *bits, *all), tested),
        OnText::Tests(tests, all) => {
            for test in tests {
                let next = e.asm.label();
                // An unknown one ends it: that others would decide without it is not worth the code.
                let this =
                    if *all { Outcome { is_true: next, ..*tested } } else { Outcome { is_false: next, ..*tested } };
                e.load_text(Reg::R6, Reg::R7, atom.field);
                emit_test(e, test, &this)?;
                e.asm.bind(next);
            }
            e.asm.jump(if *all { tested.is_true } else { tested.is_false });
        }
    }
    Ok(())
}

/// Adds a look at what a pass found.
fn emit_found(e: &mut Emitter, (pass, bits, all): (usize, u64, bool), tested: &Outcome) {
    e.load(Reg::R0, layout::FACTS + 8 * pass as i16);
    e.asm.mov_imm(Reg::R1, bits);
    e.asm.mov(Reg::R2, Reg::R0);
    e.asm.alu(Alu::And, Reg::R2, Reg::R1);
    match all {
        true => e.asm.branch(Cond::Eq, Reg::R2, Reg::R1, tested.is_true),
        false => e.asm.branch(Cond::Ne, Reg::R2, 0, tested.is_true),
    }
    let is_unclear = e.asm.label();
    e.asm.mov_imm(Reg::R1, NON_ASCII);
    e.asm.branch(Cond::Set, Reg::R0, Reg::R1, is_unclear);
    e.asm.jump(tested.is_false);
    e.asm.bind(is_unclear);
    e.unknown(Reason::NonAscii, tested.unknown);
}

fn emit_long(e: &mut Emitter, atom: &Atom, outcome: &Outcome, tested: &Outcome) -> Result<(), Unsupported> {
    if let OnLong::Answer(known) = &atom.long {
        answer(e, *known, outcome);
        return Ok(());
    }
    e.load(Reg::R6, atom.field + 8);
    if atom.is_int {
        let (dst, src) = (Reg::R6, Reg::R6);
        e.asm.add(Insn::MovSigned { width: Width::Double, from: Size::Word, dst, src });
    }
    if atom.is_real {
        let [is_large, is_exact] = [(); 2].map(|()| e.asm.label());
        // From -2^53 to 2^53, moved to 0 and up.
        e.asm.mov_imm(Reg::R0, 1 << 53);
        e.asm.alu(Alu::Add, Reg::R0, Reg::R6);
        e.asm.mov_imm(Reg::R1, 1 << 54);
        e.asm.branch(Cond::Gt, Reg::R0, Reg::R1, is_large);
        e.asm.jump(is_exact);
        e.asm.bind(is_large);
        e.unknown(Reason::Condition, outcome.unknown);
        e.asm.bind(is_exact);
    }
    match &atom.long {
        OnLong::Compare(cond, constant) => {
            e.asm.mov_imm(Reg::R7, constant.cast_unsigned());
            branch(e, *cond, tested);
        }
        OnLong::Between(low, high) => {
            e.asm.mov_imm(Reg::R7, low.cast_unsigned());
            e.asm.branch(Cond::SignedLt, Reg::R6, Reg::R7, tested.is_false);
            e.asm.mov_imm(Reg::R7, high.cast_unsigned());
            branch(e, Cond::SignedLe, tested);
        }
        OnLong::In(values) => emit_long_in(e, values, tested)?,
        OnLong::Answer(_) => unreachable!("it was answered above"),
    }
    Ok(())
}

/// Doubles are compared by integers that have the same order.
fn emit_real(e: &mut Emitter, atom: &Atom, outcome: &Outcome, tested: &Outcome) {
    if let OnReal::Answer(known) = &atom.real {
        return answer(e, *known, outcome);
    }
    let [is_number, is_zero, is_ready] = [(); 3].map(|()| e.asm.label());
    e.load(Reg::R6, atom.field + 8);
    e.asm.mov(Reg::R0, Reg::R6);
    e.asm.alu(Alu::Lsh, Reg::R0, 1);
    e.asm.branch(Cond::Eq, Reg::R0, 0, is_zero);
    e.asm.mov_imm(Reg::R1, INFINITY_BITS << 1);
    e.asm.branch(Cond::Le, Reg::R0, Reg::R1, is_number);
    e.unknown(Reason::Condition, outcome.unknown);
    e.asm.bind(is_zero);
    // There are two zeros, and they are equal.
    e.asm.mov(Reg::R6, 0);
    e.asm.jump(is_ready);
    e.asm.bind(is_number);
    e.asm.mov(Reg::R0, Reg::R6);
    e.asm.alu(Alu::Arsh, Reg::R0, 63);
    e.asm.alu(Alu::Rsh, Reg::R0, 1);
    e.asm.alu(Alu::Xor, Reg::R6, Reg::R0);
    e.asm.bind(is_ready);
    match atom.real {
        OnReal::Compare(cond, constant) => {
            e.asm.mov_imm(Reg::R7, ordered(constant).cast_unsigned());
            branch(e, cond, tested);
        }
        OnReal::Between(low, high) => {
            e.asm.mov_imm(Reg::R7, ordered(low).cast_unsigned());
            e.asm.branch(Cond::SignedLt, Reg::R6, Reg::R7, tested.is_false);
            e.asm.mov_imm(Reg::R7, ordered(high).cast_unsigned());
            branch(e, Cond::SignedLe, tested);
        }
        OnReal::Answer(_) => unreachable!("it was answered above"),
    }
}

/// Returns the integer that stands for a double that is a number.
fn ordered(real: f64) -> i64 {
    let bits = if real == 0.0 { 0 } else { real.to_bits().cast_signed() };
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::ordered;

    #[test]
    fn integers_that_stand_for_doubles_have_their_order() {
        let sorted = [f64::NEG_INFINITY, -1e300, -2.5, -1.0, -f64::MIN_POSITIVE, 0.0, 1e-310, 0.5, 1.0, f64::INFINITY];
        assert!(sorted.windows(2).all(|pair| ordered(pair[0]) < ordered(pair[1])));
        assert_eq!(ordered(-0.0), ordered(0.0));
    }
}
