//! Bools over checked records to a few instructions without a branch: comparisons of slots with constants, and what
//! `and`, `or`, `not` and `iff` make of them.
//!
//! Only where a null counts as one of the other two, so that one bit says it all. All of an expression is evaluated, which
//! changes nothing: none of it can fail, and none has an effect. The rest is `branch`'s. Next: `nulls`.

use super::columns::{INTEGER_TAGS, REAL_TAGS, TEXT_TAGS};
use super::compare::Order;
use super::emit::BYTES;
use super::text::{CASE_BIT, Comparison, Place};
use super::{Known, Lowering};
use crate::layout::{CELL_HEAD, CELL_PAYLOAD, tag};
use crate::operand::{Number, Operand};
use crate::target::Refusal;
use crate::unit::Input;
use cranelift_codegen::ir::condcodes::{CondCode as _, IntCC};
use cranelift_codegen::ir::{ConstantData, Endianness, InstBuilder, MemFlagsData, Value as Clif, types};
use dtq_ir::{ExprId, ExprKind};
use dtq_record::slot::Buffer;
use dtq_value::{Type, Value};

/// How deep an expression may be nested that is evaluated without branches.
const PLAIN_DEPTH_MAX: u32 = 8;

/// Comparisons that one such expression has: more of them are rather left out where an outcome decides.
const PLAIN_LEAVES_MAX: u32 = 12;

/// Bytes that one load of a text takes: of a short literal, and of others.
pub(super) const WORD_SIZE: usize = 8;
const LOAD_SIZE: usize = 16;

/// Where each byte of 16 comes from whose halves change places.
const CROSSED: [u8; LOAD_SIZE] = [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7];

/// Flags of bytes that are taken for lanes of another size.
pub(super) const LITTLE: MemFlagsData = MemFlagsData::new().with_endianness(Endianness::Little);

/// A comparison of a slot with a constant.
pub(super) enum Leaf {
    Text(u32, Comparison),
    Number(u32, NumberTest),
}

/// Holds how a number in a slot is compared.
#[derive(Clone, Copy)]
pub(super) struct NumberTest {
    /// The tags that are taken for granted; none for a column of one type.
    pub tags: Option<u32>,
    /// Whether only the lower half of an integer counts.
    pub is_int: bool,
    pub relation: Relation,
}

/// How a number in a slot relates to a constant.
#[derive(Clone, Copy)]
pub(super) enum Relation {
    Integer(Order, i64),
    Real(Order, f64),
    /// A null equals no number.
    Equal(i64, bool),
}

/// An `i8` that says it, or says the opposite.
#[derive(Clone, Copy)]
enum Test {
    Is(Clif),
    IsNot(Clif),
}

/// Holds what says that a comparison has an outcome: one test, both of two, or one of two.
struct Outcome {
    first: Test,
    second: Option<Test>,
    is_both: bool,
}

impl Lowering<'_, '_> {
    /// Says whether a bool can be evaluated without branches, where a null counts as true or as false.
    pub(super) fn is_plain(&self, id: ExprId) -> bool {
        let mut leaves_left = PLAIN_LEAVES_MAX;
        self.trusted_arena().is_some() && self.is_plain_below(id, PLAIN_DEPTH_MAX, &mut leaves_left)
    }

    fn is_plain_below(&self, id: ExprId, depth: u32, leaves_left: &mut u32) -> bool {
        if depth == 0 {
            return false;
        }
        let mut all = |ids: &[ExprId]| ids.iter().all(|id| self.is_plain_below(*id, depth - 1, leaves_left));
        match &self.program.expr(id).kind {
            ExprKind::Const(Value::Bool(_)) => true,
            ExprKind::And(left, right) | ExprKind::Or(left, right) => all(&[*left, *right]),
            ExprKind::Case { .. } => self.joined(id).is_some_and(|pair| all(&pair)),
            ExprKind::Call { function, args, .. } if function.name == "not" => all(&args[..1]),
            ExprKind::Call { .. } if *leaves_left > 0 => {
                *leaves_left -= 1;
                self.leaf(id).is_some()
            }
            _ => false,
        }
    }

    /// Returns the two bools of `iff(a, b, false)`.
    pub(super) fn joined(&self, id: ExprId) -> Option<[ExprId; 2]> {
        let ExprKind::Case { arms, otherwise } = &self.program.expr(id).kind else { return None };
        let is_false = matches!(self.program.expr(*otherwise).kind, ExprKind::Const(Value::Bool(false)));
        match arms.as_slice() {
            [(condition, value)] if is_false => Some([*condition, *value]),
            _ => None,
        }
    }

    /// Returns an `i8` that says whether a bool is true, of what [`Lowering::is_plain`] says yes to.
    pub(super) fn plain(&mut self, id: ExprId) -> Result<Clif, Refusal> {
        let [yes, no] = [1, 0].map(|number| self.same_small(types::I8, number));
        self.choose((id, true), yes, no)
    }

    /// Returns one of two values: the first where a bool is certainly the wanted one.
    ///
    /// An outcome is never a value of its own, which on x86-64 would be a part of a register that waits for the rest.
    pub(super) fn choose(&mut self, (id, wanted): (ExprId, bool), yes: Clif, no: Clif) -> Result<Clif, Refusal> {
        self.count_node()?;
        let program = self.program;
        match &program.expr(id).kind {
            ExprKind::Const(value) => Ok(if *value == Value::Bool(wanted) { yes } else { no }),
            ExprKind::And(left, right) | ExprKind::Or(left, right) => {
                let is_and = matches!(program.expr(id).kind, ExprKind::And(..));
                let other = self.choose((*right, wanted), yes, no)?;
                let is_both = is_and == wanted;
                let (yes, no) = if is_both { (other, no) } else { (yes, other) };
                self.choose((*left, wanted), yes, no)
            }
            ExprKind::Case { .. } => {
                let [condition, value] = self.joined(id).expect("only such a case is plain");
                let then = self.choose((value, wanted), yes, no)?;
                self.choose((condition, true), then, if wanted { no } else { yes })
            }
            ExprKind::Call { function, args, .. } if function.name == "not" => self.choose((args[0], !wanted), yes, no),
            _ => self.choose_by_leaf((id, wanted), yes, no),
        }
    }

    /// Returns the comparison that an expression is, where it is one of a slot with a constant.
    pub(super) fn leaf(&self, id: ExprId) -> Option<Leaf> {
        if let Some(comparison) = self.literal_comparison(id) {
            let slot = self.plain_slot(comparison.text)?;
            return comparison.is_inline().then_some(Leaf::Text(slot, comparison));
        }
        let ExprKind::Call { function, args, .. } = &self.program.expr(id).kind else { return None };
        let [left, right] = args.as_slice() else { return None };
        let (subject, conversion) = match &self.program.expr(*left).kind {
            ExprKind::Call { function, args, .. } if args.len() == 1 => (args[0], Some(function.name)),
            _ => (*left, None),
        };
        let slot = self.plain_slot(subject)?;
        let (tags, is_real) = match (self.program.expr(subject).ty, conversion) {
            (Type::Dynamic, None | Some("toint" | "tolong")) => (Some(INTEGER_TAGS), false),
            (Type::Dynamic, Some("toreal")) => (Some(REAL_TAGS), true),
            (Type::Int | Type::Long, None) => (None, false),
            (Type::Real, None) => (None, true),
            _ => return None,
        };
        let relation = match Order::of(function.name) {
            Some(order) if is_real => Relation::Real(order, self.constant_real(*right)?),
            Some(order) => Relation::Integer(order, self.constant_integer(*right)?),
            None if !is_real && matches!(function.name, "==" | "!=") => {
                Relation::Equal(self.constant_integer(*right)?, function.name == "==")
            }
            None => return None,
        };
        Some(Leaf::Number(slot, NumberTest { tags, is_int: conversion == Some("toint"), relation }))
    }

    /// Returns the slot of an expression that is a column in one.
    pub(super) fn plain_slot(&self, id: ExprId) -> Option<u32> {
        match self.program.expr(id).kind {
            ExprKind::Column(index) => match self.inputs.get(index as usize) {
                Some(Input::Slot(slot)) => Some(*slot),
                _ => None,
            },
            _ => None,
        }
    }

    fn choose_by_leaf(&mut self, (id, wanted): (ExprId, bool), yes: Clif, no: Clif) -> Result<Clif, Refusal> {
        if let ExprKind::Call { function, .. } = &self.program.expr(id).kind {
            self.report.inlined(function.name);
        }
        let Outcome { first, second, is_both } = match self.leaf(id).expect("only comparisons are plain") {
            Leaf::Text(slot, comparison) => {
                self.grant_tags(slot, TEXT_TAGS);
                self.text_is(slot, &comparison, wanted)?
            }
            Leaf::Number(slot, test) => {
                if let Some(tags) = test.tags {
                    self.grant_tags(slot, tags);
                }
                self.number_is(slot, test, wanted)?
            }
        };
        let Some(second) = second else { return Ok(self.choose_by(first, yes, no)) };
        let other = self.choose_by(second, yes, no);
        Ok(if is_both { self.choose_by(first, other, no) } else { self.choose_by(first, yes, other) })
    }

    fn choose_by(&mut self, test: Test, yes: Clif, no: Clif) -> Clif {
        match test {
            Test::Is(holds) => self.b.ins().select(holds, yes, no),
            Test::IsNot(holds) => self.b.ins().select(holds, no, yes),
        }
    }

    /// Returns the head of a slot, as it stands there.
    fn head(&mut self, slot: u32) -> Result<Clif, Refusal> {
        self.half(Known::Head(slot), slot, CELL_HEAD)
    }

    /// Returns the payload of a slot.
    fn payload(&mut self, slot: u32) -> Result<Clif, Refusal> {
        self.half(Known::Payload(slot), slot, CELL_PAYLOAD)
    }

    fn half(&mut self, known: Known, slot: u32, offset: i32) -> Result<Clif, Refusal> {
        if let Some(Operand::Number(half)) = self.find_known(known) {
            return Ok(half.value);
        }
        let value = self.load_slot(types::I64, slot, offset)?;
        self.known.push((known, Operand::Number(Number { value, null: None })));
        Ok(value)
    }

    /// Returns 16 bytes whose bits say whether a bool is true, of what [`Lowering::is_plain`] says yes to.
    pub(super) fn plain_mask(&mut self, id: ExprId) -> Result<Clif, Refusal> {
        if let ExprKind::Call { .. } = self.program.expr(id).kind {
            let leaf = self.leaf(id);
            if let Some(mask) = leaf.map_or(Ok(None), |leaf| self.leaf_mask(&leaf))? {
                return Ok(mask);
            }
        }
        let [all, none] = [-1, 0].map(|bits| self.same_small(types::I64, bits));
        let bits = self.choose((id, true), all, none)?;
        Ok(self.b.ins().splat(types::I64X2, bits))
    }

    /// Returns the same for a comparison that gives such bits at once.
    fn leaf_mask(&mut self, leaf: &Leaf) -> Result<Option<Clif>, Refusal> {
        match leaf {
            Leaf::Number(slot, NumberTest { tags, relation: Relation::Real(order, number), .. })
                if !order.holds(&0.0, number) =>
            {
                if let Some(tags) = tags {
                    self.grant_tags(*slot, *tags);
                }
                let content = self.load_slot(types::F64, *slot, CELL_PAYLOAD)?;
                let content = self.b.ins().splat(types::F64X2, content);
                let number = self.same_word(number.to_bits().cast_signed());
                let number = self.b.ins().bitcast(types::F64X2, LITTLE, number);
                let holds = self.b.ins().fcmp(order.real(), content, number);
                Ok(Some(holds))
            }
            Leaf::Text(slot, Comparison { literal, place: Place::Whole, is_folded, is_negated: false, .. })
                if (1..=LOAD_SIZE).contains(&literal.size()) =>
            {
                self.grant_tags(*slot, TEXT_TAGS);
                let head = self.load_slot(types::I64, *slot, CELL_HEAD)?;
                let head = self.b.ins().splat(types::I64X2, head);
                let wanted = self.same_word(text_head(literal.size() as i64));
                let wanted = self.b.ins().bitcast(types::I64X2, LITTLE, wanted);
                let has_size = self.b.ins().icmp(IntCC::Equal, head, wanted);
                let arena = self.trusted_arena().expect("what is plain is over checked records");
                let payload = self.load_slot(types::I64, *slot, CELL_PAYLOAD)?;
                let start = self.b.ins().iadd(arena, payload);
                let has_halves = self.has_halves(start, literal.as_bytes(), *is_folded);
                let has_all = self.b.ins().band(has_size, has_halves);
                // Each half says of its own bytes; both have to be there.
                let bytes = self.b.ins().bitcast(types::I8X16, LITTLE, has_all);
                let crossed = self.b.func.dfg.immediates.push(ConstantData::from(&CROSSED[..]));
                let crossed = self.b.ins().shuffle(bytes, bytes, crossed);
                let crossed = self.b.ins().bitcast(types::I64X2, LITTLE, crossed);
                Ok(Some(self.b.ins().band(has_all, crossed)))
            }
            _ => Ok(None),
        }
    }

    /// Returns for each half of 16 bytes at an address whether it is that of these, which are at most as many.
    fn has_halves(&mut self, start: Clif, bytes: &[u8], is_folded: bool) -> Clif {
        let [word, case_bits, mask] = padded::<LOAD_SIZE>(bytes, is_folded);
        let mut found = self.b.ins().load(types::I8X16, BYTES, start, 0);
        if case_bits != [0; LOAD_SIZE] {
            let case_bits = self.same_bytes(case_bits);
            found = self.either(found, case_bits);
        }
        if mask != [u8::MAX; LOAD_SIZE] {
            let mask = self.same_bytes(mask);
            found = self.b.ins().band(found, mask);
        }
        let word = self.same_bytes(word);
        let [found, word] = [found, word].map(|bytes| self.b.ins().bitcast(types::I64X2, LITTLE, bytes));
        self.b.ins().icmp(IntCC::Equal, found, word)
    }

    /// Returns 8 bytes twice.
    pub(super) fn same_word(&mut self, word: i64) -> Clif {
        let mut bytes = [0; LOAD_SIZE];
        bytes.chunks_exact_mut(WORD_SIZE).for_each(|half| half.copy_from_slice(&word.to_le_bytes()));
        self.same_bytes(bytes)
    }

    /// Says whether a slot is null, or is not.
    fn is_null_slot(&mut self, slot: u32, is_null: bool) -> Result<Test, Refusal> {
        let head = self.head(slot)?;
        let tag = self.b.ins().band_imm_u(head, 0xff);
        let condition = if is_null { IntCC::Equal } else { IntCC::NotEqual };
        Ok(Test::Is(self.b.ins().icmp_imm_u(condition, tag, i64::from(tag::MISSING))))
    }

    /// Says whether a comparison of a number certainly has this outcome.
    ///
    /// The payload of null is 0, so that it is asked for only where 0 would have the outcome.
    fn number_is(&mut self, slot: u32, test: NumberTest, wanted: bool) -> Result<Outcome, Refusal> {
        let payload = self.payload(slot)?;
        let content = if test.is_int { self.b.ins().ireduce(types::I32, payload) } else { payload };
        let (first, zero_holds) = match test.relation {
            Relation::Integer(order, number) => {
                let condition = if wanted { order.integer() } else { order.integer().complement() };
                (Test::Is(self.is_number(condition, content, number)), order.holds(&0, &number) == wanted)
            }
            Relation::Real(order, number) => {
                let content = self.b.ins().bitcast(types::F64, MemFlagsData::new(), content);
                let constant = self.b.ins().f64const(number);
                let holds = self.b.ins().fcmp(order.real(), content, constant);
                let is_it = if wanted { Test::Is(holds) } else { Test::IsNot(holds) };
                (is_it, order.holds(&0.0, &number) == wanted)
            }
            Relation::Equal(number, is_equal) => {
                // A null is another number than 0, and that is certain.
                let is_same = is_equal == wanted;
                let condition = if is_same { IntCC::Equal } else { IntCC::NotEqual };
                let first = Test::Is(self.is_number(condition, content, number));
                let second = if number == 0 { Some(self.is_null_slot(slot, !is_same)?) } else { None };
                return Ok(Outcome { first, second, is_both: is_same });
            }
        };
        let second = if zero_holds { Some(self.is_null_slot(slot, false)?) } else { None };
        Ok(Outcome { first, second, is_both: true })
    }

    /// Compares the 64 or 32 bits of an integer with a constant.
    fn is_number(&mut self, condition: IntCC, content: Clif, number: i64) -> Clif {
        if self.b.func.dfg.value_type(content) == types::I64 {
            let number = self.int(types::I64, number);
            return self.b.ins().icmp(condition, content, number);
        }
        match i32::try_from(number) {
            Ok(number) => self.b.ins().icmp_imm_s(condition, content, i64::from(number)),
            Err(_) => {
                let content = self.b.ins().sextend(types::I64, content);
                let number = self.int(types::I64, number);
                self.b.ins().icmp(condition, content, number)
            }
        }
    }

    /// Says whether a comparison of a text with a literal has this outcome.
    fn text_is(&mut self, slot: u32, comparison: &Comparison, wanted: bool) -> Result<Outcome, Refusal> {
        let Comparison { literal, place, is_folded, is_negated, .. } = comparison;
        let is_there = *is_negated != wanted;
        let size = literal.size() as i64;
        let head = self.head(slot)?;
        let first = Test::Is(self.has_size(head, *place, size, is_there));
        if size == 0 {
            return Ok(Outcome { first, second: None, is_both: is_there });
        }
        let start = self.text_start(slot, *place, size)?;
        let second = Some(self.has_bytes(start, literal.as_bytes(), *is_folded, is_there));
        Ok(Outcome { first, second, is_both: is_there })
    }

    /// Returns where a literal of so many bytes would begin in a text; of one that is too short, where that begins.
    pub(super) fn text_start(&mut self, slot: u32, place: Place, size: i64) -> Result<Clif, Refusal> {
        let arena = self.trusted_arena().expect("what is plain is over checked records");
        let payload = self.payload(slot)?;
        let start = self.b.ins().iadd(arena, payload);
        if place != Place::End {
            return Ok(start);
        }
        let head = self.head(slot)?;
        let length = self.b.ins().ushr_imm_u(head, 32);
        let before = self.b.ins().iadd_imm_s(length, -size);
        let least = self.int(types::I64, 0);
        let before = self.b.ins().smax(before, least);
        Ok(self.b.ins().iadd(start, before))
    }

    /// Returns whether a text is as long as a literal, or long enough; the opposite where that is asked for.
    fn has_size(&mut self, head: Clif, place: Place, size: i64, is_there: bool) -> Clif {
        if place == Place::Whole && size > 0 {
            let wanted = self.int(types::I64, text_head(size));
            let condition = if is_there { IntCC::Equal } else { IntCC::NotEqual };
            return self.b.ins().icmp(condition, head, wanted);
        }
        let length = self.b.ins().ushr_imm_u(head, 32);
        let condition = match (place, is_there) {
            (Place::Whole, true) => IntCC::Equal,
            (Place::Whole, false) => IntCC::NotEqual,
            (_, true) => IntCC::UnsignedGreaterThanOrEqual,
            (_, false) => IntCC::UnsignedLessThan,
        };
        self.b.ins().icmp_imm_u(condition, length, size)
    }

    /// Says whether the bytes at an address are these, or are not; behind it there are bytes enough.
    fn has_bytes(&mut self, start: Clif, bytes: &[u8], is_folded: bool, is_there: bool) -> Test {
        if bytes.len() <= WORD_SIZE {
            let (found, word) = self.word(start, bytes, is_folded);
            let condition = if is_there { IntCC::Equal } else { IntCC::NotEqual };
            return Test::Is(self.b.ins().icmp(condition, found, word));
        }
        let mut all: Option<Clif> = None;
        let last = bytes.len().saturating_sub(LOAD_SIZE);
        for offset in (0..last).step_by(LOAD_SIZE).chain([last]) {
            let part = &bytes[offset..bytes.len().min(offset + LOAD_SIZE)];
            let differs = self.part_differs(start, offset, part, is_folded);
            all = Some(match all {
                Some(before) => self.either(before, differs),
                None => differs,
            });
        }
        let differs = self.b.ins().vany_true(all.expect("a literal here has bytes"));
        if is_there { Test::IsNot(differs) } else { Test::Is(differs) }
    }

    /// Returns 8 bytes at an address, as far as they are compared, and what they are when they are these.
    fn word(&mut self, start: Clif, bytes: &[u8], is_folded: bool) -> (Clif, Clif) {
        let [word, case_bits, mask] = padded::<WORD_SIZE>(bytes, is_folded).map(i64::from_le_bytes);
        let mut found = self.b.ins().load(types::I64, BYTES, start, 0);
        if case_bits != 0 {
            let case_bits = self.int(types::I64, case_bits);
            found = self.either(found, case_bits);
        }
        if mask != -1 {
            let mask = self.int(types::I64, mask);
            found = self.b.ins().band(found, mask);
        }
        (found, self.int(types::I64, word))
    }

    /// Returns 16 bytes that are 0 when those at an offset are these, which are at most as many.
    fn part_differs(&mut self, start: Clif, offset: usize, bytes: &[u8], is_folded: bool) -> Clif {
        let [word, case_bits, mask] = padded::<LOAD_SIZE>(bytes, is_folded);
        let mut found = self.b.ins().load(types::I8X16, BYTES, start, offset as i32);
        if case_bits != [0; LOAD_SIZE] {
            let case_bits = self.same_bytes(case_bits);
            found = self.either(found, case_bits);
        }
        let word = self.same_bytes(word);
        let mut differs = self.b.ins().bxor(found, word);
        if mask != [u8::MAX; LOAD_SIZE] {
            let mask = self.same_bytes(mask);
            differs = self.b.ins().band(differs, mask);
        }
        differs
    }
}

/// Returns the head of a text of so many bytes in checked records.
pub(super) fn text_head(size: i64) -> i64 {
    i64::from(tag::STRING) | (Buffer::Arena as i64) << 8 | size << 32
}

/// Returns bytes, the bits that letters are compared in lower case with, and the bits that count; with zeros behind.
pub(super) fn padded<const SIZE: usize>(bytes: &[u8], is_folded: bool) -> [[u8; SIZE]; 3] {
    let (mut word, mut case_bits, mut mask) = ([0; SIZE], [0; SIZE], [0; SIZE]);
    for (index, byte) in bytes.iter().enumerate() {
        case_bits[index] = if is_folded && byte.is_ascii_alphabetic() { CASE_BIT } else { 0 };
        word[index] = byte | case_bits[index];
        mask[index] = u8::MAX;
    }
    [word, case_bits, mask]
}
