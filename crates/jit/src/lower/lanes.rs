//! Bools over four checked records at once to four bits, without a branch: what `plain` makes of one record, in vectors.
//!
//! A vector has a lane of 64 bits for each of two records, which says in all of its bits whether something holds; where
//! only the lower half of an integer counts, in its lower half, and no more than that is read in the end. Next: `passes`.

use super::columns::TEXT_TAGS;
use super::compare::Order;
use super::emit::BYTES;
use super::plain::{LITTLE, Leaf, NumberTest, Relation, WORD_SIZE, padded, text_head};
use super::text::{Comparison, Place};
use super::{Known, Lowering};
use crate::layout::{CELL_HEAD, CELL_SIZE, tag};
use crate::operand::{Number, Operand};
use crate::target::Refusal;
use cranelift_codegen::ir::condcodes::{CondCode as _, IntCC};
use cranelift_codegen::ir::{BlockArg, ConstantData, InstBuilder, Value as Clif, types};
use dtq_ir::{ExprId, ExprKind};
use dtq_value::Value;

/// Records that are decided at once.
pub(super) const LANES: i32 = 4;

/// Records that a vector has lanes for.
const PAIR: i32 = 2;

/// Where the bytes come from that are the heads of two slots, their payloads, and the lower halves of four lanes.
const HEADS: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
const PAYLOADS: [u8; 16] = [8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31];
const LOWER_HALVES: [u8; 16] = [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27];

impl Lowering<'_, '_> {
    /// Returns four times the position of the first record of all.
    pub(super) fn first_group(&mut self) -> Clif {
        let constant = self.b.func.dfg.constants.insert([0; 16].as_slice().into());
        self.b.ins().vconst(types::I32X4, constant)
    }

    /// Returns the same of the record that is [`LANES`] records behind.
    pub(super) fn next_group(&mut self, group: Clif) -> Clif {
        let step = self.same_word(i64::from(LANES) << 32 | i64::from(LANES));
        let step = self.b.ins().bitcast(types::I32X4, LITTLE, step);
        self.b.ins().iadd(group, step)
    }

    /// Returns a number whose lowest bits say of which of [`LANES`] records all of some comparisons are true.
    pub(super) fn bits_of_all(&mut self, exprs: &[ExprId]) -> Result<Clif, Refusal> {
        let mut pairs = Vec::new();
        self.by_turns((LANES / PAIR, PAIR), |this, _| {
            let mut all = None;
            for expr in exprs {
                let holds = this.lanes((*expr, true))?;
                all = Some(all.map_or(holds, |before| this.b.ins().band(before, holds)));
            }
            let all = all.expect("there are some");
            pairs.push(this.b.ins().bitcast(types::I8X16, LITTLE, all));
            Ok(())
        })?;
        let halves = self.shuffled(pairs[0], pairs[1], &LOWER_HALVES);
        let halves = self.b.ins().bitcast(types::I32X4, LITTLE, halves);
        let bits = self.b.ins().vhigh_bits(types::I64, halves);
        // A load becomes a part of the one instruction that needs it, unless what follows from that is needed twice in
        // the same block.
        let next = self.b.create_block();
        self.b.ins().jump(next, &[BlockArg::Value(bits)]);
        self.b.switch_to_block(next);
        Ok(self.b.append_block_param(next, types::I64))
    }

    fn shuffled(&mut self, first: Clif, second: Clif, from: &[u8; 16]) -> Clif {
        let from = self.b.func.dfg.immediates.push(ConstantData::from(&from[..]));
        self.b.ins().shuffle(first, second, from)
    }

    /// Returns lanes that say whether a bool is certainly the wanted one, of what [`Lowering::is_plain`] says yes to.
    fn lanes(&mut self, (id, wanted): (ExprId, bool)) -> Result<Clif, Refusal> {
        self.count_node()?;
        let program = self.program;
        match &program.expr(id).kind {
            ExprKind::Const(value) => Ok(self.same_lanes(*value == Value::Bool(wanted))),
            ExprKind::And(left, right) | ExprKind::Or(left, right) => {
                let is_and = matches!(program.expr(id).kind, ExprKind::And(..));
                let (left, right) = (self.lanes((*left, wanted))?, self.lanes((*right, wanted))?);
                Ok(if is_and == wanted { self.b.ins().band(left, right) } else { self.either(left, right) })
            }
            ExprKind::Case { .. } => {
                let [condition, value] = self.joined(id).expect("only such a case is plain");
                let (condition, value) = (self.lanes((condition, true))?, self.lanes((value, wanted))?);
                if wanted {
                    return Ok(self.b.ins().band(condition, value));
                }
                let otherwise = self.b.ins().bnot(condition);
                Ok(self.either(otherwise, value))
            }
            ExprKind::Call { function, args, .. } if function.name == "not" => self.lanes((args[0], !wanted)),
            _ => self.leaf_lanes((id, wanted)),
        }
    }

    /// Returns lanes that say yes, or no, of all records.
    fn same_lanes(&mut self, holds: bool) -> Clif {
        self.lanes_of(if holds { -1 } else { 0 })
    }

    /// Returns two lanes that hold a number.
    fn lanes_of(&mut self, number: i64) -> Clif {
        let bytes = self.same_word(number);
        self.b.ins().bitcast(types::I64X2, LITTLE, bytes)
    }

    fn leaf_lanes(&mut self, (id, wanted): (ExprId, bool)) -> Result<Clif, Refusal> {
        if let ExprKind::Call { function, .. } = &self.program.expr(id).kind {
            self.report.inlined(function.name);
        }
        match self.leaf(id).expect("only comparisons are plain") {
            Leaf::Text(slot, comparison) => {
                self.grant_tags(slot, TEXT_TAGS);
                let is_there = self.text_lanes(slot, &comparison)?;
                Ok(if comparison.is_negated == wanted { self.b.ins().bnot(is_there) } else { is_there })
            }
            Leaf::Number(slot, test) => {
                if let Some(tags) = test.tags {
                    self.grant_tags(slot, tags);
                }
                self.number_lanes(slot, test, wanted)
            }
        }
    }

    /// Says whether a comparison of a number certainly has this outcome; a null is told from 0 as for one record.
    fn number_lanes(&mut self, slot: u32, test: NumberTest, wanted: bool) -> Result<Clif, Refusal> {
        let payloads = self.halves(Known::Payloads(slot), slot, &PAYLOADS)?;
        let (holds, zero_holds) = match test.relation {
            Relation::Integer(order, number) => {
                let condition = if wanted { order.integer() } else { order.integer().complement() };
                (self.integer_lanes(condition, payloads, (number, test.is_int)), order.holds(&0, &number) == wanted)
            }
            Relation::Real(order, number) => {
                (self.real_lanes(order, payloads, (number, wanted)), order.holds(&0.0, &number) == wanted)
            }
            Relation::Equal(number, is_equal) => {
                let is_same = is_equal == wanted;
                let condition = if is_same { IntCC::Equal } else { IntCC::NotEqual };
                let holds = self.integer_lanes(condition, payloads, (number, test.is_int));
                if number == 0 && !is_same {
                    let null = self.null_lanes(slot)?;
                    return Ok(self.either(holds, null));
                }
                (holds, number == 0)
            }
        };
        if !zero_holds {
            return Ok(holds);
        }
        let null = self.null_lanes(slot)?;
        Ok(self.b.ins().band_not(holds, null))
    }

    /// Compares integers, or their lower halves, with a constant.
    fn integer_lanes(&mut self, condition: IntCC, payloads: Clif, (number, is_int): (i64, bool)) -> Clif {
        if !is_int {
            let (condition, number) = strict(condition, number, [i64::MIN, i64::MAX]);
            let number = self.lanes_of(number);
            return self.b.ins().icmp(condition, payloads, number);
        }
        let Ok(number) = i32::try_from(number) else {
            // All of them are on the same side of it as 0 is.
            return self.same_lanes(match condition {
                IntCC::Equal => false,
                IntCC::NotEqual => true,
                IntCC::SignedLessThan | IntCC::SignedLessThanOrEqual => number > 0,
                _ => number < 0,
            });
        };
        let (condition, number) = strict(condition, i64::from(number), [i32::MIN, i32::MAX].map(i64::from));
        let number = self.lanes_of(number);
        let [content, number] = [payloads, number].map(|lanes| self.b.ins().bitcast(types::I32X4, LITTLE, lanes));
        let holds = self.b.ins().icmp(condition, content, number);
        self.b.ins().bitcast(types::I64X2, LITTLE, holds)
    }

    fn real_lanes(&mut self, order: Order, payloads: Clif, (number, wanted): (f64, bool)) -> Clif {
        let number = self.lanes_of(number.to_bits().cast_signed());
        let [content, number] = [payloads, number].map(|lanes| self.b.ins().bitcast(types::F64X2, LITTLE, lanes));
        let holds = self.b.ins().fcmp(order.real(), content, number);
        if wanted { holds } else { self.b.ins().bnot(holds) }
    }

    /// Says whether slots are null.
    fn null_lanes(&mut self, slot: u32) -> Result<Clif, Refusal> {
        let heads = self.halves(Known::Heads(slot), slot, &HEADS)?;
        let mask = self.lanes_of(0xff);
        let tags = self.b.ins().band(heads, mask);
        let missing = self.lanes_of(i64::from(tag::MISSING));
        Ok(self.b.ins().icmp(IntCC::Equal, tags, missing))
    }

    /// Returns the heads, or the payloads, of the slots of two records.
    fn halves(&mut self, known: Known, slot: u32, from: &[u8; 16]) -> Result<Clif, Refusal> {
        if let Some(Operand::Number(halves)) = self.find_known(known) {
            return Ok(halves.value);
        }
        let first = self.load_slot(types::I8X16, slot, CELL_HEAD)?;
        let second = self.load_slot(types::I8X16, slot, CELL_SIZE + CELL_HEAD)?;
        let halves = self.shuffled(first, second, from);
        let value = self.b.ins().bitcast(types::I64X2, LITTLE, halves);
        self.known.push((known, Operand::Number(Number { value, null: None })));
        Ok(value)
    }

    /// Says whether texts have a literal in its place.
    fn text_lanes(&mut self, slot: u32, comparison: &Comparison) -> Result<Clif, Refusal> {
        let Comparison { literal, place, is_folded, .. } = comparison;
        let bytes = literal.as_bytes();
        let mut has = self.size_lanes(slot, *place, bytes.len() as i64)?;
        if bytes.is_empty() {
            return Ok(has);
        }
        let mut starts = Vec::new();
        self.by_turns((PAIR, 1), |this, _| {
            starts.push(this.text_start(slot, *place, bytes.len() as i64)?);
            Ok(())
        })?;
        // The last word begins where it just fits, so that it goes over some bytes twice.
        let last = bytes.len().saturating_sub(WORD_SIZE);
        for offset in (0..last).step_by(WORD_SIZE).chain([last]) {
            let word = &bytes[offset..bytes.len().min(offset + WORD_SIZE)];
            let is_word = self.word_lanes([starts[0], starts[1]], offset, (word, *is_folded));
            has = self.b.ins().band(has, is_word);
        }
        Ok(has)
    }

    /// Says whether texts are as long as a literal, or long enough.
    fn size_lanes(&mut self, slot: u32, place: Place, size: i64) -> Result<Clif, Refusal> {
        if place != Place::Whole && size == 0 {
            return Ok(self.same_lanes(true));
        }
        let heads = self.halves(Known::Heads(slot), slot, &HEADS)?;
        if place == Place::Whole && size > 0 {
            let wanted = self.lanes_of(text_head(size));
            return Ok(self.b.ins().icmp(IntCC::Equal, heads, wanted));
        }
        let lengths = self.b.ins().ushr_imm_u(heads, 32);
        let (condition, number) =
            if place == Place::Whole { (IntCC::Equal, 0) } else { (IntCC::SignedGreaterThan, size - 1) };
        let number = self.lanes_of(number);
        Ok(self.b.ins().icmp(condition, lengths, number))
    }

    /// Says whether the bytes at an offset from two addresses are these, which are at most as many as a word has.
    fn word_lanes(&mut self, starts: [Clif; 2], offset: usize, (bytes, is_folded): (&[u8], bool)) -> Clif {
        let [word, case_bits, mask] = padded::<WORD_SIZE>(bytes, is_folded).map(i64::from_le_bytes);
        let first = self.b.ins().load(types::I64, BYTES, starts[0], offset as i32);
        let first = self.b.ins().scalar_to_vector(types::I64X2, first);
        let second = self.b.ins().load(types::I64, BYTES, starts[1], offset as i32);
        let mut found = self.b.ins().insertlane(first, second, 1);
        if case_bits != 0 {
            let case_bits = self.lanes_of(case_bits);
            found = self.either(found, case_bits);
        }
        if mask != -1 {
            let mask = self.lanes_of(mask);
            found = self.b.ins().band(found, mask);
        }
        let word = self.lanes_of(word);
        self.b.ins().icmp(IntCC::Equal, found, word)
    }
}

/// Returns a comparison that means the same and does not hold where both are the same, which is one instruction, unless
/// the number is one of the bounds.
fn strict(condition: IntCC, number: i64, [least, most]: [i64; 2]) -> (IntCC, i64) {
    match condition {
        IntCC::SignedGreaterThanOrEqual if number > least => (IntCC::SignedGreaterThan, number - 1),
        IntCC::SignedLessThanOrEqual if number < most => (IntCC::SignedLessThan, number + 1),
        _ => (condition, number),
    }
}
