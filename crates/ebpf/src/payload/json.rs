//! A JSON object in a datagram to the fields of its record: the code that reads it.
//!
//! The whole object is checked, so that nothing is decided of a payload that user space would skip. Keys are those of the
//! object itself; what is nested is walked over. Escapes in keys, nesting deeper than eight, and numbers that are not told
//! apart here go to user space. Read in order: `scan.rs`, `json/string.rs`, `json/utf8.rs`,
//! `json/number.rs`, `json/keys.rs`, `json/severity.rs`, this.
//!
//! # Source
//! RFC 8259; `crates/record/src/json.rs`, `record.rs` and `known.rs`, which say what a key fills.

mod string;

mod utf8;

mod number;

mod keys;

mod severity;

use crate::Unsupported;
use crate::asm::Label;
use crate::emit::Emitter;
use crate::insn::{Alu, Cond, Reg, Size};
use crate::layout::{self, PAYLOAD, Reason, State};
use crate::payload::scan::{CURSOR, END, OWN};
use crate::payload::{Judge, Wanted};
use dtq_record::otlp::fill::FieldPath;
use dtq_record::otlp::logs::column;
use dtq_record::{Role, known_keys};

/// What is open: a bit for each, 1 for an array, the innermost lowest, above them a 1.
const STACK: i16 = OWN;
/// Where the object itself is the only one open.
const STACK_TOP: i32 = 0b10;
/// How deep it may nest.
const NESTING_MAX: u32 = 8;
/// The cell that the value goes to that comes next, or 0.
const TARGET: i16 = OWN + 8;
/// A bit for each key that was there.
const SEEN: i16 = OWN + 16;
/// The rank of the best key for a message so far, and for a severity.
const MESSAGE_RANK: i16 = OWN + 24;
const SEVERITY_RANK: i16 = OWN + 32;
/// Where a text or number begins.
const START: i16 = OWN + 40;
/// Whether a text has escapes (1) and bytes beyond ASCII (2); of a number where the digits begin that are read.
const FLAGS: i16 = OWN + 48;
/// What stands under the best key for a severity, as a field.
const SEVERITY: i16 = OWN + 56;
/// Of a number what its digits so far say; of a text beyond ASCII where it is read on.
const VALUE: i16 = OWN + 72;

/// Stands for the rank of no key.
const NO_RANK: i32 = 255;

/// Names what a field is in an object.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// What stands under a key that fills no column.
    Key(Vec<u8>),
    Message,
    SeverityNumber,
    SeverityText,
    /// No object has it.
    Nothing,
    /// A number that is 0 in every object.
    Zero,
    /// A text that is empty in every object.
    Empty,
}

/// Writes the code that reads the payload as one record.
///
/// # Errors
/// When a field cannot be read here.
pub fn emit(e: &mut Emitter, wanted: &[Wanted], judge: &mut Judge<'_>, dropped: Label) -> Result<(), Unsupported> {
    let parts: Result<Vec<(Part, i16)>, Unsupported> =
        wanted.iter().map(|one| Ok((part_of(&one.path)?, one.field))).collect();
    let reader = Reader::new(e, parts?);
    reader.store_defaults(e);
    reader.read_begin(e);
    reader.read_keys(e);
    reader.read_value(e);
    reader.read_behind(e);
    reader.read_end(e);
    reader.store_rest(e);
    judge(e, dropped);
    Ok(())
}

/// Says whether a field can be read from this payload, and why not.
///
/// # Errors
/// Why not.
pub fn supports(path: &FieldPath) -> Result<(), Unsupported> {
    part_of(path).map(|_| ())
}

fn part_of(path: &FieldPath) -> Result<Part, Unsupported> {
    let key = path.key.as_ref().map(|key| key.as_bytes());
    Ok(match (path.column, key) {
        (column::SEVERITY_NUMBER, None) => Part::SeverityNumber,
        (column::SEVERITY_TEXT, None) => Part::SeverityText,
        (column::BODY, None) => Part::Message,
        (column::ATTRIBUTES, Some(key)) => Part::Key(attribute(key)?),
        (column::RESOURCE, Some(_)) | (column::OBSERVED_TIMESTAMP, None) => Part::Nothing,
        (column::TRACE_FLAGS, None) => Part::Zero,
        (column::EVENT_NAME, None) | (column::SCOPE, Some(b"Name" | b"Version")) => Part::Empty,
        (column::TIMESTAMP | column::TRACE_ID | column::SPAN_ID, _) => {
            return Err(Unsupported::new("times and ids of JSON are read in user space only"));
        }
        _ => return Err(Unsupported::new("only columns and single keys are read from JSON")),
    })
}

/// Returns the key of an attribute, which is that of the object.
fn attribute(key: &[u8]) -> Result<Vec<u8>, Unsupported> {
    let is_known = Role::ALL.into_iter().any(|role| known_keys(role).iter().any(|known| known.as_bytes() == key));
    match key {
        _ if is_known => Err(Unsupported::new("the key fills a column, and is an attribute only where it loses")),
        [] | [b'$', ..] => Err(Unsupported::new("the key has a meaning of its own")),
        _ if key.len() > keys::KEY_SIZE_MAX => Err(Unsupported::new("the key is too long")),
        _ if !key.iter().all(|byte| matches!(byte, 0x20..=0x7E) && !matches!(byte, b'"' | b'\\')) => {
            Err(Unsupported::new("the key has characters that JSON escapes, or beyond ASCII"))
        }
        _ => Ok(key.to_vec()),
    }
}

/// Writes the code that finds the parts. The labels are the states of reading, each with the cursor in its cell.
struct Reader {
    parts: Vec<(Part, i16)>,
    /// Where what is no JSON, or not surely, goes on.
    bad: Label,
    /// Behind `{`.
    object: Label,
    /// In front of a key.
    key: Label,
    /// Behind `[`.
    array: Label,
    /// In front of a value.
    value: Label,
    /// Behind a value.
    behind: Label,
    /// Behind a bracket that closes.
    close: Label,
}

impl Reader {
    fn new(e: &mut Emitter, parts: Vec<(Part, i16)>) -> Self {
        let bad = e.undecided(Reason::Malformed);
        let [object, key, array, value, behind, close] = std::array::from_fn(|_| e.asm.label());
        Self { parts, bad, object, key, array, value, behind, close }
    }

    /// Returns the cells of a part, of which the first is filled while reading.
    fn fields(&self, part: &Part) -> impl Iterator<Item = i16> {
        self.parts.iter().filter(move |(found, _)| found == part).map(|(_, field)| *field)
    }

    fn wants_severity(&self) -> bool {
        self.parts.iter().any(|(part, _)| matches!(part, Part::SeverityNumber | Part::SeverityText))
    }

    /// Adds what the fields hold in an object that does not have them.
    fn store_defaults(&self, e: &mut Emitter) {
        e.asm.mov(Reg::R1, 0);
        e.asm.mov(Reg::R2, i32::from(PAYLOAD));
        for (part, field) in &self.parts {
            match part {
                Part::SeverityNumber | Part::Zero => e.store_number(*field, State::Long, Reg::R1),
                Part::SeverityText | Part::Empty => e.store_text(*field, Reg::R2, Reg::R1),
                _ => e.store_state(*field, State::Missing),
            }
        }
        e.store_state(SEVERITY, State::Missing);
        e.store(SEEN, 0);
        e.store(MESSAGE_RANK, NO_RANK);
        e.store(SEVERITY_RANK, NO_RANK);
        e.load(Reg::R3, layout::LENGTH);
        e.asm.alu(Alu::Add, Reg::R3, Reg::R2);
        e.store(END, Reg::R3);
        e.store(CURSOR, Reg::R2);
    }

    /// Adds the reading of the first bracket.
    fn read_begin(&self, e: &mut Emitter) {
        next(e);
        e.asm.branch(Cond::Ne, Reg::R3, i32::from(b'{'), self.bad);
        e.asm.alu(Alu::Add, Reg::R1, 1);
        e.store(CURSOR, Reg::R1);
        e.store(STACK, STACK_TOP);
    }

    /// Adds the states `object` and `key`, up to a value.
    fn read_keys(&self, e: &mut Emitter) {
        let found = e.asm.label();
        e.asm.bind(self.object);
        next(e);
        e.asm.branch(Cond::Eq, Reg::R3, i32::from(b'"'), found);
        e.asm.branch(Cond::Eq, Reg::R3, i32::from(b'}'), self.close);
        e.asm.jump(self.bad);
        e.asm.bind(self.key);
        next(e);
        e.asm.branch(Cond::Ne, Reg::R3, i32::from(b'"'), self.bad);
        e.asm.bind(found);
        string::read(e, self.bad, 2);
        e.store(TARGET, 0);
        self.match_key(e);
        next(e);
        e.asm.branch(Cond::Ne, Reg::R3, i32::from(b':'), self.bad);
        e.asm.alu(Alu::Add, Reg::R1, 1);
        e.store(CURSOR, Reg::R1);
    }

    /// Adds the states `value` and `array`.
    fn read_value(&self, e: &mut Emitter) {
        let [text, number, open, open_array] = std::array::from_fn(|_| e.asm.label());
        e.asm.bind(self.value);
        e.step();
        next(e);
        e.asm.branch(Cond::Eq, Reg::R3, i32::from(b'"'), text);
        e.asm.branch(Cond::Le, Reg::R3, i32::from(b'9'), number);
        e.asm.branch(Cond::Eq, Reg::R3, i32::from(b'{'), open);
        e.asm.branch(Cond::Eq, Reg::R3, i32::from(b'['), open_array);
        self.read_literal(e);
        e.asm.bind(text);
        string::read(e, self.bad, 4);
        self.store_text(e);
        e.asm.bind(number);
        self.read_number(e);
        e.asm.bind(open);
        self.open(e, 0);
        e.asm.jump(self.object);
        e.asm.bind(open_array);
        self.open(e, 1);
        e.asm.bind(self.array);
        next(e);
        e.asm.branch(Cond::Eq, Reg::R3, i32::from(b']'), self.close);
        e.asm.jump(self.value);
    }

    /// Adds a store of the text from [`START`] to `r1`, where it is wanted, and goes on behind it.
    fn store_text(&self, e: &mut Emitter) {
        let [is_plain, is_escaped, is_other, is_utf8] = std::array::from_fn(|_| e.asm.label());
        e.load(Reg::R2, TARGET);
        e.asm.branch(Cond::Eq, Reg::R2, 0, self.behind);
        e.load(Reg::R3, FLAGS);
        e.asm.branch(Cond::Eq, Reg::R3, 0, is_plain);
        e.asm.branch(Cond::Set, Reg::R3, string::HAS_ESCAPES, is_escaped);
        e.load(Reg::R4, CURSOR);
        e.store(VALUE, Reg::R4);
        utf8::check(e, is_other);
        e.asm.jump(is_utf8);
        e.asm.bind(is_other);
        e.load(Reg::R1, VALUE);
        e.store(CURSOR, Reg::R1);
        e.load(Reg::R1, TARGET);
        store_undecided(e, Reason::NonAscii);
        e.asm.jump(self.behind);
        e.asm.bind(is_escaped);
        e.load(Reg::R1, TARGET);
        store_undecided(e, Reason::Escaped);
        e.asm.jump(self.behind);
        e.asm.bind(is_utf8);
        e.asm.bind(is_plain);
        e.load(Reg::R2, START);
        e.asm.alu(Alu::Sub, Reg::R1, Reg::R2);
        e.load(Reg::R3, TARGET);
        e.address(Reg::R3, Reg::R3);
        e.asm.store(Size::Word, Reg::R3, 0, State::Text as i32);
        e.asm.store(Size::Word, Reg::R3, 4, Reg::R1);
        e.asm.store(Size::Double, Reg::R3, 8, Reg::R2);
        e.asm.jump(self.behind);
    }

    /// Adds what a bracket does that opens; a value that is wanted is then of a type that is not looked into.
    fn open(&self, e: &mut Emitter, is_array: i32) {
        let (no_target, is_severity) = (e.asm.label(), e.asm.label());
        e.asm.alu(Alu::Add, Reg::R1, 1);
        e.store(CURSOR, Reg::R1);
        e.load(Reg::R1, TARGET);
        e.asm.branch(Cond::Eq, Reg::R1, 0, no_target);
        e.store(TARGET, 0);
        e.asm.branch(Cond::Eq, Reg::R1, i32::from(SEVERITY), is_severity);
        store_undecided(e, Reason::Type);
        e.asm.jump(no_target);
        e.asm.bind(is_severity);
        // It says nothing, and is an attribute.
        e.store_state(SEVERITY, State::Missing);
        e.asm.bind(no_target);
        e.load(Reg::R1, STACK);
        let deep = e.undecided(Reason::Budget);
        e.asm.branch(Cond::Ge, Reg::R1, 1 << NESTING_MAX, deep);
        e.asm.alu(Alu::Lsh, Reg::R1, 1);
        e.asm.alu(Alu::Or, Reg::R1, is_array);
        e.store(STACK, Reg::R1);
    }

    /// Adds the reading of `true`, `false` and `null`.
    fn read_literal(&self, e: &mut Emitter) {
        let [is_true, is_false, is_null, has_end, no_target, is_severity] = std::array::from_fn(|_| e.asm.label());
        let word = |text: &[u8; 4]| i32::from_le_bytes(*text);
        e.store(START, Reg::R1);
        e.asm.load(Size::Word, Reg::R3, Reg::R2, 0);
        e.asm.alu(Alu::Add, Reg::R1, 4);
        e.asm.branch32(Cond::Eq, Reg::R3, word(b"true"), is_true);
        e.asm.branch32(Cond::Eq, Reg::R3, word(b"null"), is_null);
        e.asm.branch32(Cond::Ne, Reg::R3, word(b"fals"), self.bad);
        e.asm.load(Size::Byte, Reg::R3, Reg::R2, 4);
        e.asm.branch(Cond::Eq, Reg::R3, i32::from(b'e'), is_false);
        e.asm.jump(self.bad);
        for (label, state, value, more) in
            [(is_true, State::Bool, 1, 0), (is_false, State::Bool, 0, 1), (is_null, State::Missing, 0, 0)]
        {
            e.asm.bind(label);
            e.asm.mov(Reg::R4, state as i32);
            e.asm.mov(Reg::R5, value);
            if more > 0 {
                e.asm.alu(Alu::Add, Reg::R1, more);
            }
            if state != State::Missing {
                e.asm.jump(has_end);
            }
        }
        e.asm.bind(has_end);
        e.store(CURSOR, Reg::R1);
        e.load(Reg::R1, TARGET);
        e.asm.branch(Cond::Eq, Reg::R1, 0, no_target);
        e.asm.branch(Cond::Eq, Reg::R1, i32::from(SEVERITY), is_severity);
        e.address(Reg::R1, Reg::R1);
        e.asm.store(Size::Word, Reg::R1, 0, Reg::R4);
        e.asm.store(Size::Double, Reg::R1, 8, Reg::R5);
        e.asm.bind(no_target);
        e.asm.jump(self.behind);
        e.asm.bind(is_severity);
        self.store_raw_severity(e, Some(Reg::R4));
        e.asm.jump(self.behind);
    }

    /// Adds the states `behind` and `close`.
    fn read_behind(&self, e: &mut Emitter) {
        let [is_comma, is_brace, is_bracket] = std::array::from_fn(|_| e.asm.label());
        e.asm.bind(self.behind);
        e.step();
        next(e);
        e.load(Reg::R4, STACK);
        e.asm.alu(Alu::And, Reg::R4, 1);
        e.asm.branch(Cond::Eq, Reg::R3, i32::from(b','), is_comma);
        e.asm.branch(Cond::Eq, Reg::R3, i32::from(b'}'), is_brace);
        e.asm.branch(Cond::Eq, Reg::R3, i32::from(b']'), is_bracket);
        e.asm.jump(self.bad);
        e.asm.bind(is_comma);
        e.asm.alu(Alu::Add, Reg::R1, 1);
        e.store(CURSOR, Reg::R1);
        e.asm.branch(Cond::Eq, Reg::R4, 0, self.key);
        e.asm.jump(self.value);
        e.asm.bind(is_brace);
        e.asm.branch(Cond::Ne, Reg::R4, 0, self.bad);
        e.asm.jump(self.close);
        e.asm.bind(is_bracket);
        e.asm.branch(Cond::Eq, Reg::R4, 0, self.bad);
        e.asm.bind(self.close);
        e.load(Reg::R1, CURSOR);
        e.asm.alu(Alu::Add, Reg::R1, 1);
        e.store(CURSOR, Reg::R1);
        e.load(Reg::R1, STACK);
        e.asm.alu(Alu::Rsh, Reg::R1, 1);
        e.store(STACK, Reg::R1);
        e.asm.branch(Cond::Ne, Reg::R1, 1, self.behind);
    }

    /// Adds the reading of what is behind the object: only blanks may follow, and one end of a line. Behind that an empty line might be one of its own.
    fn read_end(&self, e: &mut Emitter) {
        let done = e.asm.label();
        next(e);
        e.load(Reg::R5, END);
        e.asm.branch(Cond::Ge, Reg::R1, Reg::R5, done);
        e.asm.branch(Cond::Ne, Reg::R3, i32::from(b'\n'), self.bad);
        e.asm.alu(Alu::Add, Reg::R1, 1);
        e.asm.branch(Cond::Lt, Reg::R1, Reg::R5, self.bad);
        e.asm.bind(done);
    }

    /// Adds what follows from what was read: severities, and fields that are wanted twice.
    fn store_rest(&self, e: &mut Emitter) {
        self.store_severity(e);
        for (index, (part, field)) in self.parts.iter().enumerate() {
            let first = self.parts[..index].iter().find(|(found, _)| found == part);
            if let (Part::Key(_) | Part::Message, Some((_, first))) = (part, first) {
                copy(e, *first, *field);
            }
        }
    }
}

/// Adds a copy of a field.
fn copy(e: &mut Emitter, from: i16, to: i16) {
    for half in [0, 8] {
        e.load(Reg::R1, from + half);
        e.store(to + half, Reg::R1);
    }
}

/// Adds a store that says why the field whose cell is in `r1` cannot be told; clobbers `r1`.
fn store_undecided(e: &mut Emitter, reason: Reason) {
    e.address(Reg::R1, Reg::R1);
    e.asm.store(Size::Word, Reg::R1, 0, State::Undecided as i32);
    e.asm.store(Size::Word, Reg::R1, 4, reason as i32);
}

/// Adds the way to the next byte that is no blank: the cursor, also in `r1`, with the address in `r2` and the byte in `r3`.
///
/// Line ends are no blanks here: lines are records. Zeros stand behind the payload, so that none is passed over.
fn next(e: &mut Emitter) {
    let [turn, is_blank, done] = std::array::from_fn(|_| e.asm.label());
    let look = |e: &mut Emitter| {
        e.load(Reg::R1, CURSOR);
        e.address(Reg::R2, Reg::R1);
        e.asm.load(Size::Byte, Reg::R3, Reg::R2, 0);
        e.asm.branch(Cond::Gt, Reg::R3, i32::from(b' '), done);
    };
    look(e);
    e.asm.bind(turn);
    e.step();
    look(e);
    for byte in [b' ', b'\t', b'\r'] {
        e.asm.branch(Cond::Eq, Reg::R3, i32::from(byte), is_blank);
    }
    e.asm.jump(done);
    e.asm.bind(is_blank);
    e.asm.alu(Alu::Add, Reg::R1, 1);
    e.store(CURSOR, Reg::R1);
    e.asm.jump(turn);
    e.asm.bind(done);
}
