//! What all parts of a filter write code with: the assembler, its scratch and its tables, and where an outcome goes on.
//!
//! Register `r9` holds the address of the scratch from the first instructions to the last; nothing writes it. The head of a
//! loop is reached with nothing else in registers, so that the verifier sees one state of it: whatever a loop goes by is in
//! a cell of the scratch, of which the verifier assumes nothing. Read before: `layout.rs`. Next: `search`.

use crate::asm::{Assembler, Label};
use crate::insn::{Alu, Cond, Imm64, Insn, Reg, Size};
use crate::layout::{self, Reason, State};
use crate::map::{MapDef, MapKind};
use std::collections::BTreeMap;

/// Holds the address of the scratch.
pub const SCRATCH: Reg = Reg::R9;
/// The position of the scratch among a filter's maps.
pub const SCRATCH_MAP: u32 = 0;
/// The position of the counts among a filter's maps.
pub const COUNTS_MAP: u32 = 1;

/// Holds where code goes on by what it found out.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// It is true.
    pub is_true: Label,
    /// It is false.
    pub is_false: Label,
    /// It is null.
    pub is_null: Label,
    /// It cannot be told; the cell [`layout::REASON`] says why.
    pub unknown: Label,
}

/// Writes the code of a filter.
#[derive(Debug)]
pub struct Emitter {
    /// The code.
    pub asm: Assembler,
    maps: Vec<MapDef>,
    /// Labels at which a reason is written before going on at [`Emitter::kept`].
    undecided: BTreeMap<Reason, Label>,
    /// Where whoever keeps a payload goes on.
    kept: Label,
    /// Texts that are in no payload, one behind the other.
    words: Vec<u8>,
}

impl Emitter {
    /// Returns an emitter with a scratch, and so many counts of records and bytes.
    pub fn new(count_count: usize) -> Self {
        let mut asm = Assembler::default();
        let kept = asm.label();
        let counts = u32::try_from(count_count.max(1)).expect("rules and reasons are few");
        let maps = vec![
            MapDef::new("scratch", MapKind::PerCpuArray, 4, layout::SIZE as u32, 1),
            MapDef::new("counts", MapKind::PerCpuArray, 4, 16, counts),
        ];
        Self { asm, maps, undecided: BTreeMap::new(), kept, words: Vec::new() }
    }

    /// Returns where whoever keeps a payload goes on.
    pub fn kept(&self) -> Label {
        self.kept
    }

    /// Returns where to go on when a payload cannot be decided as a whole, for this reason: it is kept, and counted.
    pub fn undecided(&mut self, reason: Reason) -> Label {
        let asm = &mut self.asm;
        *self.undecided.entry(reason).or_insert_with(|| asm.label())
    }

    /// Adds a load of a cell of eight bytes.
    pub fn load(&mut self, dst: Reg, offset: i16) {
        self.asm.load(Size::Double, dst, SCRATCH, offset);
    }

    /// Adds a store into a cell of eight bytes.
    pub fn store(&mut self, offset: i16, value: impl Into<crate::insn::Operand>) {
        self.asm.store(Size::Double, SCRATCH, offset, value);
    }

    /// Adds what makes the address of a byte of the scratch of an offset in a register: up to [`layout::BEYOND`] bytes behind
    /// it may be read. `dst` and `offset` may be one register.
    pub fn address(&mut self, dst: Reg, offset: Reg) {
        if dst != offset {
            self.asm.mov(dst, offset);
        }
        self.asm.alu(Alu::And, dst, layout::MASK);
        self.asm.alu(Alu::Add, dst, SCRATCH);
    }

    /// Adds the loads of a text: the offset of its first byte and its length, which is not checked.
    pub fn load_text(&mut self, offset: Reg, length: Reg, field: i16) {
        self.asm.load(Size::Double, offset, SCRATCH, field + 8);
        self.asm.load(Size::Word, length, SCRATCH, field + 4);
    }

    /// Adds the load of a field's state.
    pub fn load_state(&mut self, dst: Reg, field: i16) {
        self.asm.load(Size::Word, dst, SCRATCH, field);
    }

    /// Adds a store of a field's state, without what it holds.
    pub fn store_state(&mut self, field: i16, state: State) {
        self.asm.store(Size::Word, SCRATCH, field, state as i32);
    }

    /// Adds a store of a text into a field.
    pub fn store_text(&mut self, field: i16, offset: Reg, length: Reg) {
        self.store_state(field, State::Text);
        self.asm.store(Size::Word, SCRATCH, field + 4, length);
        self.asm.store(Size::Double, SCRATCH, field + 8, offset);
    }

    /// Adds a store of a number, a bool, a double or a datetime into a field.
    pub fn store_number(&mut self, field: i16, state: State, value: Reg) {
        self.store_state(field, state);
        self.asm.store(Size::Double, SCRATCH, field + 8, value);
    }

    /// Adds a store that says why a field cannot be told.
    pub fn store_undecided(&mut self, field: i16, reason: Reason) {
        self.store_state(field, State::Undecided);
        self.asm.store(Size::Word, SCRATCH, field + 4, reason as i32);
    }

    /// Adds a jump to `unknown` with a reason.
    pub fn unknown(&mut self, reason: Reason, unknown: Label) {
        self.store(layout::REASON, reason as i32);
        self.asm.jump(unknown);
    }

    /// Adds a step of reading: a jump to [`Emitter::undecided`] once there were too many of them. Clobbers `r0`.
    ///
    /// Stands at the head of every loop over a payload, so that the loop ends by itself; the kernel's own bound ends it too.
    pub fn step(&mut self) {
        let over = self.undecided(Reason::Budget);
        self.asm.may_goto(over);
        self.load(Reg::R0, layout::STEPS);
        self.asm.branch(Cond::Eq, Reg::R0, 0, over);
        self.asm.alu(Alu::Sub, Reg::R0, 1);
        self.store(layout::STEPS, Reg::R0);
    }

    /// Returns a table that programs read, and adds a load of the address of one of its bytes.
    pub fn load_table(&mut self, dst: Reg, table: u32, offset: u32) {
        self.asm.add(Insn::LoadImm { dst, value: Imm64::MapValue { map: table, offset } });
    }

    /// Adds a table of bytes that the program only reads; returns its position for [`Emitter::load_table`].
    pub fn add_table(&mut self, name: &str, bytes: Vec<u8>) -> u32 {
        let known = self.maps.iter().position(|map| map.kind == MapKind::Array && map.initial == bytes);
        let position = known.unwrap_or_else(|| {
            self.maps.push(MapDef::of_value(&format!("{name}{}", self.maps.len()), bytes));
            self.maps.len() - 1
        });
        u32::try_from(position).expect("maps are few")
    }

    /// Makes the scratch at least as large.
    pub fn enlarge_scratch(&mut self, size: usize) {
        let scratch = &mut self.maps[SCRATCH_MAP as usize];
        scratch.value_size = scratch.value_size.max(u32::try_from(size).expect("the scratch is small"));
    }

    /// Adds a map; returns its position.
    pub fn add_map(&mut self, def: MapDef) -> u32 {
        self.maps.push(def);
        u32::try_from(self.maps.len() - 1).expect("maps are few")
    }

    /// Returns the offset of a text that is in no payload, for [`Emitter::store_text`].
    ///
    /// # Errors
    /// When there are more of them than there is room for.
    pub fn word(&mut self, word: &[u8]) -> Result<i16, crate::Unsupported> {
        let at = self.words.windows(word.len().max(1)).position(|there| there == word);
        let at = at.unwrap_or_else(|| {
            self.words.extend_from_slice(word);
            self.words.len() - word.len()
        });
        if self.words.len() > layout::WORDS_SIZE - 8 {
            return Err(crate::Unsupported::new("texts that stand for numbers take more room than there is"));
        }
        Ok(layout::WORDS + 8 + at as i16)
    }

    /// Returns the texts that are in no payload.
    pub fn words(&self) -> &[u8] {
        &self.words
    }

    /// Adds the places where reasons are written, behind which all go on at [`Emitter::kept`]; then nothing may be undecided
    /// anymore.
    pub fn bind_undecided(&mut self) {
        let kept = self.kept;
        for (reason, label) in std::mem::take(&mut self.undecided) {
            self.asm.bind(label);
            self.store(layout::REASON, reason as i32);
            self.asm.jump(kept);
        }
    }

    /// Returns the program and its maps.
    pub fn finish(self) -> (Vec<Insn>, Vec<MapDef>) {
        (self.asm.finish(), self.maps)
    }
}
