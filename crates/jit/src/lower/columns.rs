//! Slots of checked records: where they are, what is the same for all records, and what is taken for granted of a slot.
//!
//! What is the same for all records is written ahead of the loop over them. What is taken for granted is noted as the tags
//! that a slot may have: `call` lets a function have only records that keep to it. Next: `plain`.

use super::emit::FIXED;
use super::{Lowering, input};
use crate::layout::{CELL_SIZE, VIEW_SIZE, tag};
use crate::operand::{Any, Text};
use crate::target::Refusal;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{Inst, InstBuilder, MemFlagsData, Type as ClifType, Value as Clif, types};
use dtq_record::slot::Buffer;
use rustc_hash::FxHashMap;

/// Constants of 16 bytes that are kept through a loop; more than there are registers for are loaded where they are used.
const WORDS_MAX: usize = 6;

/// Flags of slots of which 16 bytes are loaded too, which is more than they are aligned to.
const SLOTS: MemFlagsData = MemFlagsData::new().with_notrap().with_readonly();

/// Tags of what is null or a string.
pub(super) const TEXT_TAGS: u32 = 1 << tag::MISSING | 1 << tag::STRING;

/// Tags of what is null or an integer that is no time.
pub(super) const INTEGER_TAGS: u32 = 1 << tag::MISSING | 1 << tag::INT | 1 << tag::LONG;

/// Tags of what is null or a real.
pub(super) const REAL_TAGS: u32 = 1 << tag::MISSING | 1 << tag::REAL;

/// Tags of what stands in a cell as it stands in a slot, and of strings.
const PLAIN_TAGS: u32 = (1 << (tag::STRING + 1)) - 1;

/// Holds where the columns of a loop are, and what was written ahead of it.
#[derive(Debug)]
pub struct Columns {
    /// The instruction that the loop begins behind, once there is one: what is written before it is done once.
    ahead: Option<Inst>,
    /// Bytes from one column to the next.
    step: Clif,
    /// Address of the arena, when what the records are checked for is taken for granted.
    arena: Option<Clif>,
    offsets: FxHashMap<u32, Clif>,
    numbers: FxHashMap<(ClifType, i64), Clif>,
    words: FxHashMap<[u8; 16], Clif>,
}

impl Columns {
    /// Returns columns of which each use of a slot checks it.
    pub fn new(step: Clif) -> Self {
        let (offsets, numbers, words) = (FxHashMap::default(), FxHashMap::default(), FxHashMap::default());
        Self { ahead: None, step, arena: None, offsets, numbers, words }
    }

    /// Begins a loop behind this instruction, or another behind the first.
    pub fn begin(&mut self, ahead: Inst) {
        self.ahead.get_or_insert(ahead);
    }
}

impl Lowering<'_, '_> {
    /// Reads slots from columns from here on; if `is_trusting`, as those of checked records.
    pub(super) fn read_columns(&mut self, mut columns: Columns, is_trusting: bool) {
        let offset = Buffer::Arena as i32 * VIEW_SIZE;
        columns.arena = is_trusting.then(|| self.b.ins().load(types::I64, FIXED, self.buffers, offset));
        self.columns = Some(columns);
    }

    /// Writes something ahead of the loop.
    fn ahead(&mut self, write: impl FnOnce(&mut FuncCursor<'_>) -> Clif) -> Clif {
        let ahead = self.columns.as_ref().and_then(|columns| columns.ahead).expect("a loop has begun");
        write(&mut FuncCursor::new(self.b.func).at_inst(ahead))
    }

    /// Returns the address of the arena of checked records, when what they are checked for is taken for granted.
    pub(super) fn trusted_arena(&self) -> Option<Clif> {
        self.columns.as_ref().and_then(|columns| columns.arena)
    }

    /// Returns where a slot of the record is.
    pub(super) fn slot_place(&mut self, slot: u32) -> Clif {
        if self.columns.is_none() {
            return self.b.ins().iadd_imm_s(self.input, i64::from(slot) * i64::from(CELL_SIZE));
        }
        let column = self.column_place(slot);
        match self.record_offset {
            0 => column,
            offset => self.b.ins().iadd_imm_s(column, i64::from(offset)),
        }
    }

    /// Returns where a slot is of the record that a turn of the loop begins with.
    fn column_place(&mut self, slot: u32) -> Clif {
        if slot == 0 {
            return self.input;
        }
        let columns = self.columns.as_ref().expect("slots stand in columns");
        let (step, known) = (columns.step, columns.offsets.get(&slot).copied());
        let offset = known.unwrap_or_else(|| self.ahead(|at| at.ins().imul_imm_s(step, i64::from(slot))));
        self.columns.as_mut().expect("it is there").offsets.insert(slot, offset);
        self.b.ins().iadd(self.input, offset)
    }

    /// Loads a part of a slot that stands in a column.
    pub(super) fn load_slot(&mut self, ty: ClifType, slot: u32, offset: i32) -> Result<Clif, Refusal> {
        self.need_slot(slot)?;
        let place = self.column_place(slot);
        Ok(self.b.ins().load(ty, SLOTS, place, self.record_offset + offset))
    }

    /// Returns a number that is the same for all records and stands in a register.
    ///
    /// The generator puts a constant that is an operand into memory, and loads are what a short loop has most of: so it is
    /// not told that this is one.
    pub(super) fn same_small(&mut self, ty: ClifType, number: i64) -> Clif {
        let Some(columns) = &self.columns else { return self.int(ty, number) };
        let (step, known) = (columns.step, columns.numbers.get(&(ty, number)).copied());
        let value = known.unwrap_or_else(|| {
            self.ahead(|at| {
                let zero = at.ins().bxor(step, step);
                let number = at.ins().iadd_imm_s(zero, number);
                if ty == types::I64 { number } else { at.ins().ireduce(ty, number) }
            })
        });
        self.columns.as_mut().expect("it is there").numbers.insert((ty, number), value);
        value
    }

    /// Returns 16 bytes that are the same for all records.
    pub(super) fn same_bytes(&mut self, bytes: [u8; 16]) -> Clif {
        let constant = self.b.func.dfg.constants.insert(bytes.as_slice().into());
        let Some(columns) = self.columns.as_ref().filter(|columns| columns.words.len() < WORDS_MAX) else {
            return self.b.ins().vconst(types::I8X16, constant);
        };
        let known = columns.words.get(&bytes).copied();
        let value = known.unwrap_or_else(|| self.ahead(|at| at.ins().vconst(types::I8X16, constant)));
        self.columns.as_mut().expect("it is there").words.insert(bytes, value);
        value
    }

    /// Takes for granted that a slot has one of these tags, of all records.
    pub(super) fn grant_tags(&mut self, slot: u32, tags: u32) {
        let all = &mut self.needs.tags;
        if all.len() <= slot as usize {
            all.resize(slot as usize + 1, u32::MAX);
        }
        all[slot as usize] &= tags;
    }

    /// Returns the text of a slot that is a string or null, which is no text at all.
    pub(super) fn granted_text(&mut self, (slot, raw): (u32, Any), arena: Clif) -> Text {
        self.grant_tags(slot, TEXT_TAGS);
        let address = self.b.ins().iadd(arena, raw.payload);
        Text { address, length: self.b.ins().ushr_imm_u(raw.head, 32) }
    }

    /// Returns the value of a slot that is a string, a number or null.
    pub(super) fn granted_any(&mut self, (slot, raw): (u32, Any), arena: Clif) -> Any {
        self.grant_tags(slot, PLAIN_TAGS);
        let tag = self.tag_of(raw);
        let is_string = self.is_equal(tag, i64::from(tag::STRING));
        let zero = self.int(types::I64, 0);
        let base = self.b.ins().select(is_string, arena, zero);
        let payload = self.b.ins().iadd(base, raw.payload);
        Any { head: self.b.ins().band_imm_s(raw.head, input::TAG_AND_LENGTH), payload }
    }
}
