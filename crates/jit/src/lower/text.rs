//! Operators over texts: literals by inline comparison, searches by typed helpers.
//!
//! A dynamic stands for its text: that of a string is there, of a missing key empty, all else is made by a helper.

use super::branch::{Target, Targets};
use super::emit::BYTES;
use super::{Known, Lowering};
use crate::helpers::{Helper, Search};
use crate::layout::tag;
use crate::operand::{Any, Operand, Text};
use crate::target::Refusal;
use cranelift_codegen::ir::{BlockArg, InstBuilder, Type as ClifType, Value as Clif, types};
use dtq_ir::{ExprId, ExprKind};
use dtq_value::scalar::Pooled;
use dtq_value::{Str, Type, Value};

/// Bytes of a literal that are compared inline.
const LITERAL_INLINE_MAX: usize = 32;

/// Where in a text a literal is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
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

    fn is_textual(&self, id: ExprId) -> bool {
        matches!(self.program.expr(id).ty, Type::String | Type::Dynamic)
    }

    /// Returns the text of a string or of what a dynamic holds.
    pub(super) fn text_value(&mut self, id: ExprId) -> Result<Text, Refusal> {
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
        let out = self.room(1);
        let answer = self.helper(Helper::TextOf, &[any.head, any.payload, out]);
        self.unless_fault(answer);
        let text = self.load_view(out);
        self.jump_with(join, Operand::Text(text));
        match self.enter(join, Type::String, false) {
            Operand::Text(text) => text,
            _ => unreachable!("the join is one of a string"),
        }
    }

    /// Lowers an operator over texts to branches, or says that it has none.
    pub(super) fn branch_text(&mut self, id: ExprId, targets: &Targets) -> Result<bool, Refusal> {
        let program = self.program;
        let ExprKind::Call { function, args, .. } = &program.expr(id).kind else { return Ok(false) };
        if !self.has_text_branches(id) {
            return Ok(false);
        }
        let name = function.name;
        let (name, is_negated) = name.strip_prefix('!').map_or((name, false), |positive| (positive, true));
        let (yes, no) = Self::two_ways(targets, is_negated);
        match (name, args.as_slice()) {
            ("=" | "==", [left, right]) => {
                let (other, literal) = match (self.constant_text(*left), self.constant_text(*right)) {
                    (_, Some(literal)) => (*left, literal),
                    (Some(literal), None) => (*right, literal),
                    (None, None) => return Ok(false),
                };
                self.count_node()?;
                let text = self.text_value(other)?;
                self.branch_text_is(text, &literal, (&yes, &no));
            }
            ("startswith_cs" | "endswith_cs", [text, literal]) => {
                let Some(literal) = self.constant_text(*literal) else { return Ok(false) };
                self.count_node()?;
                let text = self.text_value(*text)?;
                let place = if name == "startswith_cs" { Place::Start } else { Place::End };
                self.branch_literal(text, (&literal, place), (&yes, &no));
            }
            ("in", [value, items @ ..]) => {
                let Some(items) = self.few_texts(items) else { return Ok(false) };
                self.count_node()?;
                let text = self.text_value(*value)?;
                self.branch_text_in(text, &items, (&yes, &no));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Leaves the current block for `yes` when a text is a literal, else for `no`.
    pub(super) fn branch_text_is(&mut self, text: Text, literal: &Str, ways: (&Target, &Target)) {
        self.branch_literal(text, (literal, Place::Whole), ways);
    }

    fn branch_literal(&mut self, text: Text, (literal, place): (&Str, Place), (yes, no): (&Target, &Target)) {
        use cranelift_codegen::ir::condcodes::IntCC;
        let size = literal.size() as i64;
        let condition = if place == Place::Whole { IntCC::Equal } else { IntCC::UnsignedGreaterThanOrEqual };
        let has_size = self.b.ins().icmp_imm_u(condition, text.length, size);
        if size == 0 {
            return self.branch_if(has_size, yes, no);
        }
        let inside = self.b.create_block();
        self.branch_if(has_size, &Target::to(inside), no);
        self.b.switch_to_block(inside);
        let start = match place {
            Place::Whole | Place::Start => text.address,
            Place::End => {
                let end = self.b.ins().iadd(text.address, text.length);
                self.b.ins().iadd_imm_s(end, -size)
            }
        };
        let differs = if literal.size() <= LITERAL_INLINE_MAX {
            self.differs_inline(start, literal.as_bytes())
        } else {
            let index = self.pools.text(literal);
            let index = self.int(types::I32, i64::from(index));
            self.helper(Helper::Differs, &[index, start])
        };
        self.branch_if(differs, no, yes);
    }

    /// Returns what is not zero when the bytes at an address, which are there, are not these.
    fn differs_inline(&mut self, start: Clif, bytes: &[u8]) -> Clif {
        let (ty, width): (ClifType, usize) = match bytes.len() {
            8.. => (types::I64, 8),
            4.. => (types::I32, 4),
            2.. => (types::I16, 2),
            _ => (types::I8, 1),
        };
        let mut offsets: Vec<usize> = (0..=bytes.len() - width).step_by(width).collect();
        // The rest is compared with bytes that were compared before.
        if bytes.len() % width != 0 {
            offsets.push(bytes.len() - width);
        }
        let mut all: Option<Clif> = None;
        for offset in offsets {
            let mut word = [0; 8];
            word[..width].copy_from_slice(&bytes[offset..offset + width]);
            let found = self.b.ins().load(ty, BYTES, start, offset as i32);
            // A constant of a narrow type must not have bits above it.
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

    fn negated_if(&mut self, found: Clif, is_negated: bool) -> Operand {
        let low = self.b.ins().ireduce(types::I8, found);
        Self::certain(if is_negated { self.b.ins().bxor_imm_u(low, 1) } else { low })
    }

    /// Lowers an operator whose right side was built when the program was compiled.
    fn pooled_operator(&mut self, id: ExprId, name: &str, args: &[ExprId]) -> Result<Option<Operand>, Refusal> {
        let program = self.program;
        let ExprKind::Call { pooled: Some(pooled), .. } = &program.expr(id).kind else { return Ok(None) };
        let ty = program.expr(args[0]).ty;
        let fits = match (name, program.pooled(*pooled)) {
            ("matches regex", Pooled::Regex(_)) | ("has_any" | "has_all", Pooled::Needles(_)) => {
                self.is_textual(args[0])
            }
            // What is no string is compared with each item in its own way.
            ("in" | "!in", Pooled::Words(_)) => ty == Type::String && self.are_never_null_texts(&args[..1]),
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
        let found = self.helper(Helper::FindPooled, &[index, is_all, text.address, text.length]);
        Ok(Some(self.negated_if(found, name.starts_with('!'))))
    }
}
