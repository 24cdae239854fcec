//! The code that runs an automaton over a text.
//!
//! A step of an automaton waits for the step before it, five to six cycles; that is why three pieces of a text are gone
//! through at once, in lanes. A lane that begins inside the text begins in a state that is not known; what it finds holds
//! from where enough bytes lie behind it: as many as the longest pattern has, or, where there is no longest, from where the
//! lane before it has come to the same state, which is looked at; else the lane before it goes on by itself.
//!
//! Steps are made eight at a time, without a look at what was found. In a pass, a state that finds something is left out
//! of the *fast* transitions: they lead to row 0, where all stay, and the eight bytes are gone through again by the *slow*
//! ones, which collect bits.
//!
//! The tables are values of maps, as large as any offset that 16 bits give, so that no index has to be masked.

use crate::Unsupported;
use crate::asm::Label;
use crate::emit::{Emitter, Outcome, SCRATCH};
use crate::insn::{Alu, Cond, Reg, Size};
use crate::layout::{self, Reason};
use crate::search::dfa::{Automaton, NON_ASCII, PASS_DONE};

/// Where the rows of a table begin, behind the class of each byte, which stands there twice as large.
const ROWS: i16 = 256;
/// Bytes that are stepped over without a look at the state.
const BLOCK: i16 = 8;
/// Lanes, each with its text and its state in a register.
const LANES: [(Reg, Reg); 3] = [(Reg::R1, Reg::R4), (Reg::R2, Reg::R5), (Reg::R3, Reg::R6)];
/// The address of the table.
const TABLE: Reg = Reg::R7;
/// Blocks behind the beginning of a lane after which its state is compared with that of the lane before it.
const WARM_BLOCKS: i32 = 2;
/// Blocks from which on lanes are worth it.
const BLOCKS_MIN: i32 = 6;

/// Where the next block of the first lane begins, and how far behind it those of the others do.
const CURSOR: i16 = layout::SEARCH;
const DISTANCES: [i16; 2] = [layout::SEARCH + 8, layout::SEARCH + 16];
/// Where the first lane ends.
const LANE_END: i16 = layout::SEARCH + 24;
/// In a pass, the states in front of a block, and what was found.
const SAVED: [i16; 3] = [layout::SEARCH + 32, layout::SEARCH + 40, layout::SEARCH + 48];
const BITS: i16 = layout::SEARCH + 56;
/// In a search, where the text ends, where the states of lanes are kept, and which they were.
const TEXT_END: i16 = layout::SEARCH + 32;
const WARM: i16 = layout::SEARCH + 40;
const KEPT: [i16; 2] = [layout::SEARCH + 48, layout::SEARCH + 56];

/// Adds a pass over the text at `r6` with the length in `r7`: the bits of what was found, of [`NON_ASCII`] and of
/// [`PASS_DONE`] are then in `r0` and in the cell `layout::FACTS + 8 * pass`, and the code goes on behind it.
///
/// Over budget it goes on at `over`. Clobbers `r0` to `r8` and the cells for searching.
///
/// # Errors
/// When there are too many passes.
///
/// # Cost
/// That of the bytes of the text, whatever is searched for; eight bytes in which something is found cost three times as much.
pub fn emit_pass(e: &mut Emitter, automaton: &Automaton, pass: usize, over: Label) -> Result<(), Unsupported> {
    if pass >= layout::FACTS_MAX {
        return Err(Unsupported::new(format!("more than {} passes over texts", layout::FACTS_MAX)));
    }
    let rows = pass_rows(automaton);
    let (ended, done) = (e.asm.label(), e.asm.label());
    let run = Run::new(e, &rows, over);
    run.take_budget(e);
    e.store(BITS, 0);
    if let Some(window_size) = lane_window(automaton) {
        let single = e.asm.label();
        run.split_by_window(e, window_size, single);
        run.enter(e, Reg::R4, automaton.start());
        run.enter(e, Reg::R5, automaton.middle());
        run.enter(e, Reg::R6, automaton.middle());
        let last = e.asm.label();
        run.pass_blocks(e, automaton, &LANES, last, done);
        e.asm.bind(last);
        e.asm.mov(Reg::R4, Reg::R6);
        e.asm.jump(ended);
        e.asm.bind(single);
    }
    run.enter(e, Reg::R4, automaton.start());
    e.asm.mov(Reg::R8, 0);
    run.front(e, Some(Reg::R8));
    e.store(BITS, Reg::R8);
    run.pass_blocks(e, automaton, &LANES[..1], ended, done);
    e.asm.bind(ended);
    e.load(Reg::R8, BITS);
    run.collect(e, Reg::R8, Reg::R4, LAST);
    e.store(BITS, Reg::R8);
    e.asm.bind(done);
    e.load(Reg::R0, BITS);
    e.asm.mov_imm(Reg::R1, PASS_DONE | automaton.always());
    e.asm.alu(Alu::Or, Reg::R0, Reg::R1);
    e.store(layout::FACTS + 8 * pass as i16, Reg::R0);
    Ok(())
}

/// Adds a search for any of what an automaton finds in the text at `r6` with the length in `r7`.
///
/// # Errors
/// None so far.
///
/// # Cost
/// That of the bytes up to the first match; where neither the longest match is bounded nor lanes come to the same state,
/// up to three times as much.
pub fn emit_match(e: &mut Emitter, automaton: &Automaton, outcome: &Outcome) -> Result<(), Unsupported> {
    if automaton.always() != 0 {
        // Always so; the other ways are there because code that nothing leads to is refused.
        e.asm.branch(Cond::Ge, Reg::R7, 0, outcome.is_true);
        e.asm.branch(Cond::Eq, Reg::R7, 0, outcome.is_false);
        e.unknown(Reason::Condition, outcome.unknown);
        return Ok(());
    }
    let rows = match_rows(automaton);
    let (over, ended) = (e.asm.label(), e.asm.label());
    let run = Run::new(e, &rows, over);
    run.take_budget(e);
    match lane_window(automaton) {
        Some(window_size) => {
            let (single, last) = (e.asm.label(), e.asm.label());
            run.split_by_window(e, window_size, single);
            run.enter(e, Reg::R4, automaton.start());
            run.enter(e, Reg::R5, automaton.middle());
            run.enter(e, Reg::R6, automaton.middle());
            run.match_blocks(e, &LANES, last, ended);
            e.asm.bind(last);
            e.asm.mov(Reg::R4, Reg::R6);
            e.asm.jump(ended);
            e.asm.bind(single);
            run.enter(e, Reg::R4, automaton.start());
            run.front(e, None);
        }
        None => {
            run.enter(e, Reg::R4, automaton.start());
            run.front(e, None);
            if !automaton.is_end(automaton.middle()) {
                run.meeting_lanes(e, automaton, ended);
            }
        }
    }
    run.match_blocks(e, &LANES[..1], ended, ended);
    e.asm.bind(ended);
    e.asm.alu(Alu::Add, Reg::R4, TABLE);
    e.asm.load(Size::Half, Reg::R0, Reg::R4, ROWS);
    e.asm.branch(Cond::Eq, Reg::R0, i32::from(ACCEPT), outcome.is_true);
    e.asm.branch(Cond::Eq, Reg::R0, i32::from(DEAD), outcome.is_false);
    e.unknown(Reason::NonAscii, outcome.unknown);
    e.asm.bind(over);
    e.unknown(Reason::Budget, outcome.unknown);
    Ok(())
}

/// Returns how many bytes lanes have to overlap, where that is known and there are lanes.
fn lane_window(automaton: &Automaton) -> Option<i32> {
    let size = automaton.window_size().filter(|_| !automaton.is_end(automaton.middle()))?;
    i32::try_from(size).ok().filter(|size| *size <= layout::PAYLOAD_MAX as i32)
}

/// Holds a table, and where in it is what.
struct Rows {
    bytes: Vec<u8>,
    /// Where the row of each state is, behind [`ROWS`].
    offsets: Vec<u32>,
    /// Rows in front of this are for states that nothing leads out of.
    stop: u32,
    /// How far an entry is shifted to be an offset.
    shift: u32,
    /// Where in a row the fast transitions are, and the slow ones.
    fast: i16,
    slow: i16,
}

/// Where in a row of a pass the bits of its state are, and those of a text that ends in it.
const FOUND: i16 = 0;
const LAST: i16 = 8;

/// The outcomes at the beginning of a row of a search, and the rows of states that have one for good.
const DEAD: u16 = 0;
const ACCEPT: u16 = 1;
const QUIT: u16 = 2;

impl Rows {
    /// Returns a table of zeros with a row for each state: states with the same place share one.
    fn new(automaton: &Automaton, places: &[usize], stop: usize, row_size: usize, fast: i16, slow: i16) -> Self {
        let row_size = row_size.next_multiple_of(8);
        let row_count = 1 + places.iter().copied().max().unwrap_or(0).max(stop);
        let shift = (0..).find(|shift| row_count * row_size <= 1 << (16 + shift)).expect("a table is far smaller");
        // What the verifier takes for possible: any class, any entry, and the largest field of a row behind them.
        let size = ROWS as usize + 256 + (1 << (16 + shift)) + row_size.max(16);
        let mut bytes = vec![0; size];
        bytes[..256].iter_mut().zip(automaton.classes()).for_each(|(place, class)| *place = class * 2);
        let offsets = places.iter().map(|place| (place * row_size) as u32).collect();
        Self { bytes, offsets, stop: (stop * row_size) as u32, shift, fast, slow }
    }

    fn put(&mut self, row: u32, at: i16, field: &[u8]) {
        let place = ROWS as usize + row as usize + at as usize;
        self.bytes[place..place + field.len()].copy_from_slice(field);
    }

    fn put_entry(&mut self, row: u32, at: i16, class: u8, target: u32) {
        let entry = u16::try_from(target >> self.shift).expect("the shift makes it fit");
        self.put(row, at + 2 * i16::from(class), &entry.to_le_bytes());
    }
}

/// Returns the table of a pass.
fn pass_rows(automaton: &Automaton) -> Rows {
    let states = 0..automaton.state_count() as u16;
    // Row 0 is where fast transitions stop; then those that nothing leads out of, then the others.
    let (ends, others): (Vec<u16>, Vec<u16>) = states.partition(|state| automaton.is_end(*state));
    let mut places = vec![0; automaton.state_count()];
    ends.iter().chain(&others).enumerate().for_each(|(index, state)| places[usize::from(*state)] = index + 1);
    let width = automaton.class_count() * 2;
    let (fast, slow) = (16, 16 + width as i16);
    let mut rows = Rows::new(automaton, &places, 1 + ends.len(), 16 + 2 * width, fast, slow);
    for state in 0..automaton.state_count() as u16 {
        let row = rows.offsets[usize::from(state)];
        rows.put(row, FOUND, &automaton.found(state).to_le_bytes());
        rows.put(row, LAST, &automaton.last(state).to_le_bytes());
        for class in 0..automaton.class_count() as u8 {
            let next = automaton.step(state, class);
            let target = rows.offsets[usize::from(next)];
            rows.put_entry(row, fast, class, if automaton.found(next) == 0 { target } else { 0 });
            rows.put_entry(row, slow, class, target);
        }
    }
    rows
}

/// Returns the table of a search.
fn match_rows(automaton: &Automaton) -> Rows {
    let verdict = |bits: u64| match bits {
        0 => DEAD,
        NON_ASCII => QUIT,
        _ => ACCEPT,
    };
    let mut place_count = usize::from(QUIT);
    let mut places = Vec::new();
    for state in 0..automaton.state_count() as u16 {
        let bits = automaton.found(state);
        let is_dead = automaton.last(state) == 0 && automaton.is_end(state);
        places.push(if bits != 0 || is_dead {
            usize::from(verdict(bits))
        } else {
            place_count += 1;
            place_count
        });
    }
    let (fast, width) = (2, automaton.class_count() * 2);
    let mut rows = Rows::new(automaton, &places, usize::from(QUIT) + 1, 2 + width, fast, fast);
    let row_size = rows.stop / u32::from(QUIT + 1);
    for end in [DEAD, ACCEPT, QUIT] {
        let row = u32::from(end) * row_size;
        rows.put(row, 0, &end.to_le_bytes());
        (0..automaton.class_count() as u8).for_each(|class| rows.put_entry(row, fast, class, row));
    }
    for state in 0..automaton.state_count() as u16 {
        let row = rows.offsets[usize::from(state)];
        if row < rows.stop {
            continue;
        }
        rows.put(row, 0, &verdict(automaton.last(state)).to_le_bytes());
        for class in 0..automaton.class_count() as u8 {
            let target = rows.offsets[usize::from(automaton.step(state, class))];
            rows.put_entry(row, fast, class, target);
        }
    }
    rows
}

/// Writes the code of one run over a text.
struct Run<'r> {
    rows: &'r Rows,
    table: u32,
    over: Label,
}

impl<'r> Run<'r> {
    fn new(e: &mut Emitter, rows: &'r Rows, over: Label) -> Self {
        let table = e.add_table("dfa", rows.bytes.clone());
        Self { rows, table, over }
    }

    /// Adds what takes the steps of the whole text off the budget.
    fn take_budget(&self, e: &mut Emitter) {
        e.load(Reg::R0, layout::STEPS);
        e.asm.mov(Reg::R1, Reg::R7);
        e.asm.alu(Alu::Rsh, Reg::R1, 6);
        e.asm.alu(Alu::Add, Reg::R1, 1);
        e.asm.branch(Cond::Gt, Reg::R1, Reg::R0, self.over);
        e.asm.alu(Alu::Sub, Reg::R0, Reg::R1);
        e.store(layout::STEPS, Reg::R0);
    }

    /// Adds a load of a state. It goes through memory, so that the verifier takes it for any state: then one look at the
    /// loops behind it is enough.
    fn enter(&self, e: &mut Emitter, state: Reg, which: u16) {
        let entry = self.rows.offsets[usize::from(which)] >> self.rows.shift;
        e.store(SAVED[0], entry as i32);
        e.asm.load(Size::Half, state, SCRATCH, SAVED[0]);
        self.scale(e, state);
    }

    fn scale(&self, e: &mut Emitter, state: Reg) {
        if self.rows.shift > 0 {
            e.asm.alu(Alu::Lsh, state, self.rows.shift as i32);
        }
    }

    /// Adds a step of a state over the byte at an offset of a text.
    fn step(&self, e: &mut Emitter, text: Reg, offset: i16, state: Reg, transitions: i16) {
        e.asm.load(Size::Byte, Reg::R0, text, offset);
        e.asm.alu(Alu::Add, Reg::R0, TABLE);
        e.asm.load(Size::Byte, Reg::R0, Reg::R0, 0);
        e.asm.alu(Alu::Add, Reg::R0, TABLE);
        e.asm.alu(Alu::Add, Reg::R0, state);
        e.asm.load(Size::Half, state, Reg::R0, ROWS + transitions);
        self.scale(e, state);
    }

    /// Adds slow steps over some bytes of a text, whose bits are added to `bits`.
    fn slow_steps(&self, e: &mut Emitter, text: Reg, count: i16, state: Reg, bits: Reg) {
        for offset in 0..count {
            self.step(e, text, offset, state, self.rows.slow);
            self.collect(e, bits, state, FOUND);
        }
    }

    /// Adds the bits in the row of a state to others.
    fn collect(&self, e: &mut Emitter, bits: Reg, state: Reg, field: i16) {
        e.asm.mov(Reg::R0, TABLE);
        e.asm.alu(Alu::Add, Reg::R0, state);
        e.asm.load(Size::Double, Reg::R0, Reg::R0, ROWS + field);
        e.asm.alu(Alu::Or, bits, Reg::R0);
    }

    /// Adds a load of the table's address.
    fn load_table(&self, e: &mut Emitter) {
        e.load_table(TABLE, self.table, 0);
    }

    /// Adds the steps of the first lane over as many bytes of the text at `r6` as are no whole blocks, and leaves the cells
    /// such that blocks follow. The length in `r7` is lost, the table's address in its place.
    fn front(&self, e: &mut Emitter, bits: Option<Reg>) {
        let (text, state) = LANES[0];
        e.asm.mov(Reg::R2, Reg::R7);
        e.asm.mov(Reg::R3, Reg::R6);
        e.asm.alu(Alu::Add, Reg::R3, Reg::R2);
        e.store(LANE_END, Reg::R3);
        if bits.is_none() {
            e.store(TEXT_END, Reg::R3);
        }
        self.load_table(e);
        e.address(text, Reg::R6);
        for count in [4, 2, 1] {
            let (some, none) = (e.asm.label(), e.asm.label());
            e.asm.branch(Cond::Set, Reg::R2, i32::from(count), some);
            e.asm.jump(none);
            e.asm.bind(some);
            match bits {
                Some(bits) => self.slow_steps(e, text, count, state, bits),
                None => (0..count).for_each(|offset| self.step(e, text, offset, state, self.rows.fast)),
            }
            e.asm.alu(Alu::Add, text, i32::from(count));
            e.asm.bind(none);
        }
        e.asm.alu(Alu::And, Reg::R2, i32::from(BLOCK) - 1);
        e.asm.alu(Alu::Add, Reg::R6, Reg::R2);
        e.store(CURSOR, Reg::R6);
    }

    /// Adds what splits the text at `r6` with the length in `r7` into lanes that overlap by so many bytes at least; a text
    /// that is too short for it goes on at `single`.
    fn split_by_window(&self, e: &mut Emitter, window_size: i32, single: Label) {
        let block = i32::from(BLOCK);
        e.asm.branch(Cond::Lt, Reg::R7, (window_size * 3).max(BLOCKS_MIN * block), single);
        // 3 * lane >= text + 2 * window, in whole blocks.
        e.asm.mov(Reg::R0, Reg::R7);
        e.asm.alu(Alu::Add, Reg::R0, 2 * window_size + 3 * block - 1);
        e.asm.alu(Alu::Div, Reg::R0, 3 * block);
        e.asm.alu(Alu::Mul, Reg::R0, block);
        e.store(CURSOR, Reg::R6);
        e.asm.alu(Alu::Add, Reg::R6, Reg::R0);
        e.store(LANE_END, Reg::R6);
        e.asm.alu(Alu::Sub, Reg::R7, Reg::R0);
        e.store(DISTANCES[1], Reg::R7);
        e.asm.alu(Alu::Rsh, Reg::R7, 1);
        e.store(DISTANCES[0], Reg::R7);
        self.load_table(e);
    }

    /// Adds the loads of the addresses of the block that the offset in `r1` is in the first lane of.
    fn load_texts(&self, e: &mut Emitter, lanes: &[(Reg, Reg)]) {
        for ((text, _), distance) in lanes.iter().skip(1).zip(DISTANCES) {
            e.load(*text, distance);
            e.asm.alu(Alu::Add, *text, Reg::R1);
        }
        lanes.iter().for_each(|(text, _)| e.address(*text, *text));
    }

    /// Adds the head of a loop over blocks, which is left at `end`; the offset of the block is in `r1`.
    fn head(&self, e: &mut Emitter, end: Label) -> Label {
        let head = e.asm.label();
        e.asm.bind(head);
        e.asm.may_goto(self.over);
        e.load(Reg::R1, CURSOR);
        e.load(Reg::R0, LANE_END);
        e.asm.branch(Cond::Ge, Reg::R1, Reg::R0, end);
        e.asm.mov(Reg::R0, Reg::R1);
        e.asm.alu(Alu::Add, Reg::R0, i32::from(BLOCK));
        e.store(CURSOR, Reg::R0);
        head
    }

    fn fast_steps(&self, e: &mut Emitter, lanes: &[(Reg, Reg)]) {
        for offset in 0..BLOCK {
            lanes.iter().for_each(|(text, state)| self.step(e, *text, offset, *state, self.rows.fast));
        }
    }

    /// Adds the blocks of a pass; goes on at `end` behind them, and at `done` when all there is to be found is found.
    fn pass_blocks(&self, e: &mut Emitter, automaton: &Automaton, lanes: &[(Reg, Reg)], end: Label, done: Label) {
        let head = self.head(e, end);
        self.load_texts(e, lanes);
        lanes.iter().zip(SAVED).for_each(|((_, state), saved)| e.store(saved, *state));
        self.fast_steps(e, lanes);
        let again = e.asm.label();
        lanes.iter().for_each(|(_, state)| e.asm.branch(Cond::Lt, *state, self.rows.stop as i32, again));
        e.asm.jump(head);
        e.asm.bind(again);
        e.load(Reg::R8, BITS);
        e.load(Reg::R1, CURSOR);
        e.asm.alu(Alu::Sub, Reg::R1, i32::from(BLOCK));
        self.load_texts(e, lanes);
        for ((text, state), saved) in lanes.iter().zip(SAVED) {
            let next = e.asm.label();
            e.asm.branch(Cond::Ne, *state, 0, next);
            e.load(*state, saved);
            e.asm.alu(Alu::And, *state, (1 << (16 + self.rows.shift)) - 1);
            self.slow_steps(e, *text, BLOCK, *state, Reg::R8);
            e.asm.bind(next);
        }
        e.store(BITS, Reg::R8);
        e.asm.mov_imm(Reg::R0, automaton.all());
        e.asm.alu(Alu::And, Reg::R8, Reg::R0);
        e.asm.branch(Cond::Eq, Reg::R8, Reg::R0, done);
        if let [(_, state)] = lanes {
            e.asm.branch(Cond::Lt, *state, self.rows.stop as i32, end);
        }
        e.asm.jump(head);
    }

    /// Adds the blocks of a search; goes on at `end` behind them, and at `ended` with the first state when an outcome is known.
    fn match_blocks(&self, e: &mut Emitter, lanes: &[(Reg, Reg)], end: Label, ended: Label) {
        let head = self.head(e, end);
        self.load_texts(e, lanes);
        self.fast_steps(e, lanes);
        let (_, first) = lanes[0];
        for (_, state) in lanes.iter().skip(1) {
            let next = e.asm.label();
            e.asm.branch(Cond::Ge, *state, self.rows.stop as i32, next);
            // That nothing is to be found from the middle of a text says nothing about its beginning.
            e.asm.branch(Cond::Eq, *state, 0, next);
            e.asm.mov(first, *state);
            e.asm.jump(ended);
            e.asm.bind(next);
        }
        e.asm.branch(Cond::Ge, first, self.rows.stop as i32, head);
        e.asm.jump(ended);
    }

    /// Adds a search in lanes each of which holds if the one before it comes to its state; behind it follow blocks of the
    /// first lane alone.
    fn meeting_lanes(&self, e: &mut Emitter, automaton: &Automaton, ended: Label) {
        let [(_, first), (_, second), (_, third)] = LANES;
        let (single, met, apart) = (e.asm.label(), e.asm.label(), e.asm.label());
        let split = e.asm.label();
        e.asm.bind(split);
        e.asm.may_goto(self.over);
        self.split_to_meet(e, single);
        self.enter_kept(e, automaton);
        let head = self.head(e, met);
        let cold = e.asm.label();
        e.load(Reg::R0, WARM);
        e.asm.branch(Cond::Ne, Reg::R1, Reg::R0, cold);
        e.store(KEPT[0], second);
        e.store(KEPT[1], third);
        e.asm.bind(cold);
        self.load_texts(e, &LANES);
        self.fast_steps(e, &LANES);
        e.asm.branch(Cond::Ge, first, self.rows.stop as i32, head);
        e.asm.jump(ended);
        e.asm.bind(met);
        e.load(Reg::R0, KEPT[0]);
        e.asm.branch(Cond::Ne, first, Reg::R0, apart);
        e.asm.mov(first, second);
        e.load(Reg::R1, CURSOR);
        e.load(Reg::R0, DISTANCES[0]);
        e.asm.alu(Alu::Add, Reg::R1, Reg::R0);
        e.store(CURSOR, Reg::R1);
        e.load(Reg::R0, KEPT[1]);
        e.asm.branch(Cond::Ne, first, Reg::R0, apart);
        e.asm.mov(first, third);
        e.asm.jump(ended);
        e.asm.bind(apart);
        e.load(Reg::R0, TEXT_END);
        e.store(LANE_END, Reg::R0);
        e.asm.branch(Cond::Ge, first, self.rows.stop as i32, split);
        e.asm.jump(ended);
        e.asm.bind(single);
    }

    fn enter_kept(&self, e: &mut Emitter, automaton: &Automaton) {
        let entry = self.rows.offsets[usize::from(automaton.middle())] >> self.rows.shift;
        e.store(KEPT[0], entry as i32);
        for (_, state) in &LANES[1..] {
            e.asm.load(Size::Half, *state, SCRATCH, KEPT[0]);
            self.scale(e, *state);
        }
    }

    /// Adds what splits the blocks from the cursor to the end of the text into lanes that overlap by the same number of
    /// blocks; too few of them go on at `single`.
    fn split_to_meet(&self, e: &mut Emitter, single: Label) {
        let asm = &mut e.asm;
        asm.load(Size::Double, Reg::R3, SCRATCH, CURSOR);
        asm.load(Size::Double, Reg::R2, SCRATCH, TEXT_END);
        asm.branch(Cond::Ge, Reg::R3, Reg::R2, single);
        asm.alu(Alu::Sub, Reg::R2, Reg::R3);
        asm.alu(Alu::Rsh, Reg::R2, 3);
        asm.branch(Cond::Lt, Reg::R2, BLOCKS_MIN, single);
        // 3 * lane = text + 2 * overlap, the overlap at least so long.
        asm.mov(Reg::R0, Reg::R2);
        asm.alu(Alu::Add, Reg::R0, 2 * WARM_BLOCKS + 2);
        asm.alu(Alu::Div, Reg::R0, 3);
        asm.mov(Reg::R1, Reg::R0);
        asm.alu(Alu::Xor, Reg::R1, Reg::R2);
        asm.alu(Alu::And, Reg::R1, 1);
        asm.alu(Alu::Add, Reg::R0, Reg::R1);
        asm.mov(Reg::R1, Reg::R0);
        asm.alu(Alu::Mul, Reg::R1, 3);
        asm.alu(Alu::Sub, Reg::R1, Reg::R2);
        asm.alu(Alu::Rsh, Reg::R1, 1);
        // The lane is `r0` blocks long, of which `r1` overlap.
        asm.mov(Reg::R2, Reg::R0);
        asm.alu(Alu::Sub, Reg::R2, Reg::R1);
        asm.alu(Alu::Lsh, Reg::R2, 3);
        asm.store(Size::Double, SCRATCH, DISTANCES[0], Reg::R2);
        asm.alu(Alu::Lsh, Reg::R2, 1);
        asm.store(Size::Double, SCRATCH, DISTANCES[1], Reg::R2);
        asm.alu(Alu::Lsh, Reg::R1, 3);
        asm.alu(Alu::Add, Reg::R1, Reg::R3);
        asm.store(Size::Double, SCRATCH, WARM, Reg::R1);
        asm.alu(Alu::Lsh, Reg::R0, 3);
        asm.alu(Alu::Add, Reg::R0, Reg::R3);
        asm.store(Size::Double, SCRATCH, LANE_END, Reg::R0);
    }
}
