//! Operators over texts: literals by inline comparison, searches by typed helpers.
//!
//! A dynamic stands for its text: that of a string is there, of a missing key empty, all else is made by a helper.

use super::branch::{Target, Targets};
use super::emit::BYTES;
use super::{Known, Lowering};
use crate::frame::Frame;
use crate::helpers::{Helper, Search};
use crate::layout::tag;
use crate::operand::{Any, Operand, Text};
use crate::target::Refusal;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{BlockArg, InstBuilder, Type as ClifType, Value as Clif, types};
use dtq_ir::{ExprId, ExprKind};
use dtq_record::checked::PADDING;
use dtq_value::scalar::Pooled;
use dtq_value::scalar::pool::literal_prefix;
use dtq_value::{Str, Type, Value};

/// Bytes of a literal that are compared inline: no more than the frame has in front.
const LITERAL_INLINE_MAX: usize = Frame::NUMBERS_SIZE;

const _: () = assert!(LITERAL_INLINE_MAX <= PADDING);

/// Bytes of a regular expression's prefix from which on it is looked for first: one byte is often there.
const PREFIX_SIZE_MIN: usize = 2;

/// The bit that a lower-case letter of ASCII has and the upper-case one has not.
pub(super) const CASE_BIT: u8 = 0x20;

/// Holds how a text is compared with a literal.
pub(super) struct Comparison {
    pub text: ExprId,
    pub literal: Str,
    pub place: Place,
    /// Whether ASCII case is ignored.
    pub is_folded: bool,
    pub is_negated: bool,
}

impl Comparison {
    /// Says whether the literal is compared by instructions of its own.
    pub fn is_inline(&self) -> bool {
        self.literal.size() <= LITERAL_INLINE_MAX
    }
}

/// Where in a text a literal is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Whole,
    Start,
    End,
}

impl Lowering<'_, '_> {
    pub(super) fn constant_text(&self, id: ExprId) -> Option<Str> {
        match &self.program.expr(id).kind {
            ExprKind::Const(Value::String(text)) if self.program.expr(id).ty == Type::String => Some(text.clone()),
            _ => None,
        }
    }

    fn constant_text_at(&self, args: &[ExprId], index: usize) -> Option<Str> {
        args.get(index).and_then(|id| self.constant_text(*id))
    }

    pub(super) fn is_textual(&self, id: ExprId) -> bool {
        matches!(self.program.expr(id).ty, Type::String | Type::Dynamic)
    }

    /// Returns the text of a string or of what a dynamic holds.
    pub(super) fn text_value(&mut self, id: ExprId) -> Result<Text, Refusal> {
        if let Some(text) = self.dynamic_slot_text(id)? {
            return Ok(text);
        }
        Ok(match self.value(id)? {
            Operand::Text(text) => text,
            Operand::Any(any) => self.text_of(any),
            other => unreachable!("a signature lets only a string or dynamic stand here, not {other:?}"),
        })
    }

    /// Returns the text that a dynamic stands for.
    pub(super) fn text_of(&mut self, any: Any) -> Text {
        let known = Known::Text(any.head);
        if let Some(Operand::Text(text)) = self.find_known(known) {
            return text;
        }
        let text = self.make_text(any);
        self.known.push((known, Operand::Text(text)));
        text
    }

    fn make_text(&mut self, any: Any) -> Text {
        let join = self.join(Type::String);
        let slow = self.b.create_block();
        let tag = self.tag_of(any);
        let is_string = self.is_equal(tag, i64::from(tag::STRING));
        let is_missing = self.is_equal(tag, i64::from(tag::MISSING));
        let is_plain = self.either(is_string, is_missing);
        let length = self.b.ins().ushr_imm_u(any.head, 32);
        self.b.ins().brif(is_plain, join, &[any.payload, length].map(BlockArg::Value), slow, &[]);
        self.b.switch_to_block(slow);
        self.b.set_cold_block(slow);
        if !self.has_left() {
            let out = self.room(1);
            let answer = self.helper(Helper::TextOf, &[any.head, any.payload, out]);
            self.unless_fault(answer);
            let text = self.load_view(out);
            self.jump_with(join, Operand::Text(text));
        }
        match self.enter(join, Type::String, false) {
            Operand::Text(text) => text,
            _ => unreachable!("the join is one of a string"),
        }
    }

    /// Returns the way in which a call compares a text with a literal, when it does: the text, the literal, the way.
    pub(super) fn literal_comparison(&self, id: ExprId) -> Option<Comparison> {
        let program = self.program;
        let ExprKind::Call { function, args, .. } = &program.expr(id).kind else { return None };
        let (place, is_folded, is_negated) = match function.name {
            "==" | "!=" => (Place::Whole, false, function.name == "!="),
            "=~" | "!~" => (Place::Whole, true, function.name == "!~"),
            name => {
                let positive = name.strip_prefix('!').unwrap_or(name);
                let (place, is_folded) = match positive {
                    "startswith_cs" => (Place::Start, false),
                    "startswith" => (Place::Start, true),
                    "endswith_cs" => (Place::End, false),
                    "endswith" => (Place::End, true),
                    _ => return None,
                };
                (place, is_folded, positive != name)
            }
        };
        let [left, right] = args.as_slice() else { return None };
        if !self.is_textual(*left) || !self.is_textual(*right) {
            return None;
        }
        // A null string equals nothing; to the others it is an empty one.
        if place == Place::Whole && !is_folded && !self.are_never_null_texts(args) {
            return None;
        }
        let (text, literal) = match (self.constant_text(*left), self.constant_text(*right)) {
            (_, Some(literal)) => (*left, literal),
            (Some(literal), None) if place == Place::Whole => (*right, literal),
            _ => return None,
        };
        if is_folded && literal.size() > LITERAL_INLINE_MAX {
            return None;
        }
        Some(Comparison { text, literal, place, is_folded, is_negated })
    }

    /// Lowers an operator over texts to branches, or says that it has none.
    pub(super) fn branch_text(&mut self, id: ExprId, targets: &Targets) -> Result<bool, Refusal> {
        if let Some(comparison) = self.literal_comparison(id) {
            self.count_node()?;
            let text = self.text_value(comparison.text)?;
            let (yes, no) = Self::two_ways(targets, comparison.is_negated);
            if comparison.is_inline() {
                let has = self.has_literal(text, &comparison, false);
                self.branch_if(has, &yes, &no);
            } else {
                self.branch_literal(text, &comparison, (&yes, &no));
            }
            return Ok(true);
        }
        let Some((value, items, is_negated)) = self.few_words(id) else { return Ok(false) };
        self.count_node()?;
        let text = self.text_value(value)?;
        let (yes, no) = Self::two_ways(targets, is_negated);
        self.branch_text_in(text, (value, &items), (&yes, &no));
        Ok(true)
    }

    /// Returns the string and the few words that it is to be one of, and whether it is to be none.
    pub(super) fn few_words(&self, id: ExprId) -> Option<(ExprId, Vec<Str>, bool)> {
        let program = self.program;
        let ExprKind::Call { function, args, pooled, .. } = &program.expr(id).kind else { return None };
        let (value, items) = args.split_first()?;
        let is_set = matches!(program.pooled((*pooled)?), Pooled::Words(_));
        // Here a null string is an empty one, as a text is.
        let is_text = program.expr(*value).ty == Type::String;
        if !is_set || !is_text || !matches!(function.name, "in" | "!in") {
            return None;
        }
        Some((*value, self.few_texts(items)?, function.name == "!in"))
    }

    /// Leaves the current block for `yes` when a text is one of these, else for `no`.
    fn branch_text_in(&mut self, text: Text, (value, items): (ExprId, &[Str]), (yes, no): (&Target, &Target)) {
        for (index, item) in items.iter().enumerate() {
            let comparison = Comparison {
                text: value,
                literal: item.clone(),
                place: Place::Whole,
                is_folded: false,
                is_negated: false,
            };
            if index + 1 == items.len() {
                return self.branch_literal(text, &comparison, (yes, no));
            }
            let next = self.b.create_block();
            self.branch_literal(text, &comparison, (yes, &Target::to(next)));
            self.b.switch_to_block(next);
        }
        let never = self.int(types::I8, 0);
        self.branch_if(never, yes, no);
    }

    /// Returns an `i8` that says whether a text has a literal that is compared inline in its place, or that it has not.
    ///
    /// There are no branches: a text without as many bytes is not read, but the frame of the call in its place.
    fn has_literal(&mut self, text: Text, comparison: &Comparison, is_negated: bool) -> Clif {
        let Comparison { literal, place, is_folded, .. } = comparison;
        let size = literal.size() as i64;
        if size == 0 && *place != Place::Whole {
            return self.int(types::I8, i64::from(!is_negated));
        }
        let is_same = if is_negated { IntCC::NotEqual } else { IntCC::Equal };
        if size == 0 {
            return self.b.ins().icmp_imm_u(is_same, text.length, 0);
        }
        let condition = if *place == Place::Whole { IntCC::Equal } else { IntCC::UnsignedGreaterThanOrEqual };
        let has_size = self.b.ins().icmp_imm_u(condition, text.length, size);
        let start = self.literal_start(text, *place, size);
        let start = self.b.ins().select(has_size, start, self.frame);
        let differs = self.differs_inline(start, literal.as_bytes(), *is_folded);
        if *place == Place::Whole && self.b.func.dfg.value_type(differs) == types::I64 {
            let other_size = self.b.ins().bxor_imm_u(text.length, size);
            let differs = self.either(differs, other_size);
            return self.b.ins().icmp_imm_u(is_same, differs, 0);
        }
        let is_same = self.is_equal(differs, 0);
        let has = self.b.ins().band(has_size, is_same);
        if is_negated { self.b.ins().bxor_imm_u(has, 1) } else { has }
    }

    /// Returns where a literal would begin in a text that has as many bytes.
    fn literal_start(&mut self, text: Text, place: Place, size: i64) -> Clif {
        match place {
            Place::Whole | Place::Start => text.address,
            Place::End => {
                let end = self.b.ins().iadd(text.address, text.length);
                self.b.ins().iadd_imm_s(end, -size)
            }
        }
    }

    /// Returns whether a text has a literal in its place, for a call that compares it inline.
    pub(super) fn literal_truth(&mut self, id: ExprId) -> Result<Option<Operand>, Refusal> {
        let Some(comparison) = self.literal_comparison(id) else { return Ok(None) };
        if !comparison.is_inline() {
            return Ok(None);
        }
        let text = self.text_value(comparison.text)?;
        Ok(Some(Self::certain(self.has_literal(text, &comparison, comparison.is_negated))))
    }

    /// Leaves the current block for `yes` when a text has the literal in its place, else for `no`.
    fn branch_literal(&mut self, text: Text, comparison: &Comparison, (yes, no): (&Target, &Target)) {
        let Comparison { literal, place, is_folded, .. } = comparison;
        let size = literal.size() as i64;
        let condition = if *place == Place::Whole { IntCC::Equal } else { IntCC::UnsignedGreaterThanOrEqual };
        let has_size = self.b.ins().icmp_imm_u(condition, text.length, size);
        if size == 0 {
            return self.branch_if(has_size, yes, no);
        }
        let inside = self.b.create_block();
        self.branch_if(has_size, &Target::to(inside), no);
        self.b.switch_to_block(inside);
        let start = self.literal_start(text, *place, size);
        let differs = if literal.size() <= LITERAL_INLINE_MAX {
            self.differs_inline(start, literal.as_bytes(), *is_folded)
        } else {
            let index = self.pools.text(literal);
            let index = self.int(types::I32, i64::from(index));
            self.helper(Helper::Differs, &[index, start])
        };
        self.branch_if(differs, no, yes);
    }

    /// Returns what is not zero when the bytes at an address, which are there, are not these.
    ///
    /// Where ASCII case is ignored, a letter is compared in lower case: only its two forms have that bit set and are it.
    fn differs_inline(&mut self, start: Clif, bytes: &[u8], is_folded: bool) -> Clif {
        let (ty, width): (ClifType, usize) = match bytes.len() {
            8.. => (types::I64, 8),
            4.. => (types::I32, 4),
            2.. => (types::I16, 2),
            _ => (types::I8, 1),
        };
        let mut offsets: Vec<usize> = (0..=bytes.len() - width).step_by(width).collect();
        // The rest is compared with bytes that were compared before.
        if !bytes.len().is_multiple_of(width) {
            offsets.push(bytes.len() - width);
        }
        let mut all: Option<Clif> = None;
        for offset in offsets {
            // A constant of a narrow type must not have bits above it: they stay 0.
            let (mut word, mut case_bits) = ([0; 8], [0; 8]);
            for (index, byte) in bytes[offset..offset + width].iter().enumerate() {
                let is_letter = is_folded && byte.is_ascii_alphabetic();
                case_bits[index] = if is_letter { CASE_BIT } else { 0 };
                word[index] = byte | case_bits[index];
            }
            let mut found = self.b.ins().load(ty, BYTES, start, offset as i32);
            if case_bits != [0; 8] {
                let case_bits = self.int(ty, i64::from_le_bytes(case_bits));
                found = self.either(found, case_bits);
            }
            let wanted = self.int(ty, i64::from_le_bytes(word));
            let differs = self.b.ins().bxor(found, wanted);
            all = Some(match all {
                Some(before) => self.either(before, differs),
                None => differs,
            });
        }
        all.expect("a literal here has bytes")
    }

    /// Lowers an operator over texts to a value, or returns `None`.
    pub(super) fn text_operator(
        &mut self,
        id: ExprId,
        name: &str,
        args: &[ExprId],
    ) -> Result<Option<Operand>, Refusal> {
        let is_contains = matches!(name, "contains_cs" | "!contains_cs" | "contains" | "!contains");
        if let (Some(literal), true) = (self.constant_text_at(args, 1), is_contains) {
            let text = self.text_value(args[0])?;
            let (helper, index) = match name.ends_with("_cs") {
                true => (Helper::FindLiteral, self.pools.finder(&literal)),
                false => (Helper::FindFolded, self.pools.folded(&literal)),
            };
            let index = self.int(types::I32, i64::from(index));
            let found = self.helper(helper, &[index, text.address, text.length]);
            return Ok(Some(self.negated_if(found, name.starts_with('!'))));
        }
        if let Some((search, is_negated)) = Search::of(name) {
            let (left, right) = (self.text_value(args[0])?, self.text_value(args[1])?);
            let number = self.int(types::I32, search as i64);
            let args = [number, left.address, left.length, right.address, right.length];
            let found = self.helper(Helper::Find, &args);
            return Ok(Some(self.negated_if(found, is_negated)));
        }
        match name {
            "==" | "!=" if args.iter().all(|arg| self.is_textual(*arg)) => {
                let any_text = args.iter().any(|arg| self.program.expr(*arg).ty == Type::String);
                if !any_text || !self.are_never_null_texts(args) {
                    return Ok(None);
                }
                let (left, right) = (self.text_value(args[0])?, self.text_value(args[1])?);
                let number = self.int(types::I32, Search::Equal as i64);
                let args = [number, left.address, left.length, right.address, right.length];
                let found = self.helper(Helper::Find, &args);
                Ok(Some(self.negated_if(found, name == "!=")))
            }
            "matches regex" | "has_any" | "has_all" | "in" | "!in" | "in~" | "!in~" => {
                self.pooled_operator(id, name, args)
            }
            _ => Ok(None),
        }
    }

    /// Lowers membership of a dynamic in a set of words: a string and a missing key by the set, all else item by item.
    fn any_in_words(&mut self, id: ExprId, args: &[ExprId], is_negated: bool) -> Result<Operand, Refusal> {
        let program = self.program;
        let ExprKind::Call { pooled: Some(pooled), .. } = &program.expr(id).kind else {
            unreachable!("the caller has seen the set");
        };
        let any = self.any_value(args[0])?;
        let join = self.join(Type::Bool);
        let (plain, slow) = (self.b.create_block(), self.b.create_block());
        let tag = self.tag_of(any);
        let is_string = self.is_equal(tag, i64::from(tag::STRING));
        let is_missing = self.is_equal(tag, i64::from(tag::MISSING));
        let is_plain = self.either(is_string, is_missing);
        self.b.ins().brif(is_plain, plain, &[], slow, &[]);

        self.b.switch_to_block(plain);
        let text = Text { address: any.payload, length: self.b.ins().ushr_imm_u(any.head, 32) };
        if let Some(items) = self.few_texts(&args[1..]) {
            let blocks = [true, false].map(|is_found| (self.b.create_block(), is_found));
            let (yes, no) = (Target::to(blocks[0].0), Target::to(blocks[1].0));
            self.branch_text_in(text, (args[0], &items), (&yes, &no));
            for (block, is_found) in blocks {
                self.b.switch_to_block(block);
                let value = self.int(types::I8, i64::from(is_found != is_negated));
                self.jump_with(join, Self::certain(value));
            }
        } else {
            let index = self.pools.pooled(program.pooled(*pooled));
            let index = self.int(types::I32, i64::from(index));
            let is_all = self.int(types::I32, 0);
            let found = self.helper(Helper::FindPooled, &[index, is_all, text.address, text.length]);
            let found = self.negated_if(found, is_negated);
            self.jump_with(join, found);
        }

        self.b.switch_to_block(slow);
        self.b.set_cold_block(slow);
        if !self.has_left() {
            // The items are constant and stand at the site.
            let answer = self.call_with(id, &vec![any; args.len()])?;
            self.jump_with(join, answer);
        }
        Ok(self.enter(join, Type::Bool, true))
    }

    fn negated_if(&mut self, found: Clif, is_negated: bool) -> Operand {
        let low = self.b.ins().ireduce(types::I8, found);
        Self::certain(if is_negated { self.b.ins().bxor_imm_u(low, 1) } else { low })
    }

    /// Lowers an operator whose right side was built when the program was compiled.
    fn pooled_operator(&mut self, id: ExprId, name: &str, args: &[ExprId]) -> Result<Option<Operand>, Refusal> {
        let program = self.program;
        let ExprKind::Call { pooled: Some(pooled), .. } = &program.expr(id).kind else { return Ok(None) };
        let ty = program.expr(args[0]).ty;
        let is_words = matches!(program.pooled(*pooled), Pooled::Words(_));
        if is_words && ty == Type::Dynamic && matches!(name, "in" | "!in") {
            return self.any_in_words(id, args, name == "!in").map(Some);
        }
        let fits = match (name, program.pooled(*pooled)) {
            ("matches regex", Pooled::Regex(_)) | ("has_any" | "has_all", Pooled::Needles(_)) => {
                self.is_textual(args[0])
            }
            // What is no string is compared with each item in its own way.
            ("in" | "!in", Pooled::Words(_)) => ty == Type::String,
            ("in~" | "!in~", Pooled::Words(_)) => self.is_textual(args[0]),
            _ => false,
        };
        if !fits {
            return Ok(None);
        }
        let text = self.text_value(args[0])?;
        let index = self.pools.pooled(program.pooled(*pooled));
        let index = self.int(types::I32, i64::from(index));
        let is_all = self.int(types::I32, i64::from(name == "has_all"));
        if let Pooled::Regex(regex) = program.pooled(*pooled) {
            let prefix = Str::from(&*literal_prefix(regex));
            if prefix.size() >= PREFIX_SIZE_MIN {
                return Ok(Some(self.regex_behind_prefix(text, &prefix, [index, is_all])));
            }
        }
        let found = self.helper(Helper::FindPooled, &[index, is_all, text.address, text.length]);
        Ok(Some(self.negated_if(found, name.starts_with('!'))))
    }

    /// Asks a regular expression only where the text is there that all its matches begin with.
    fn regex_behind_prefix(&mut self, text: Text, prefix: &Str, [index, is_all]: [Clif; 2]) -> Operand {
        let join = self.join(Type::Bool);
        let there = self.b.create_block();
        let finder = self.pools.finder(prefix);
        let finder = self.int(types::I32, i64::from(finder));
        let found = self.helper(Helper::FindLiteral, &[finder, text.address, text.length]);
        let no = self.int(types::I8, 0);
        self.b.ins().brif(found, there, &[], join, &[no, no].map(BlockArg::Value));
        self.b.switch_to_block(there);
        let found = self.helper(Helper::FindPooled, &[index, is_all, text.address, text.length]);
        let found = self.negated_if(found, false);
        self.jump_with(join, found);
        self.enter(join, Type::Bool, false)
    }
}
