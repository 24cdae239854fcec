//! A syslog line in a datagram to the fields of its record: the code that reads it.
//!
//! Reads RFC 5424, RFC 3164, and what `syslog(3)` writes to `/dev/log`, which names no host. A line that is none of these,
//! and some rare ones that are, go to user space, where they are messages without a header. Parameters of structured data
//! and times are not read. Read in order: `scan.rs`, `syslog/time.rs`, this.
//!
//! # Source
//! `crates/record/src/text/syslog.rs`, which this follows byte for byte.

mod time;

use crate::Unsupported;
use crate::asm::Label;
use crate::emit::Emitter;
use crate::insn::{Alu, Cond, Reg, Size};
use crate::layout::{PAYLOAD, Reason, State};
use crate::payload::scan::{CURSOR, END, OWN, Stop, find};
use crate::payload::{Judge, Wanted};
use dtq_record::otlp::fill::FieldPath;
use dtq_record::otlp::logs::column;
use dtq_record::text::{SYSLOG_FACILITIES, SYSLOG_SEVERITIES};

/// The priority, or [`NO_PRIORITY`].
const PRIORITY: i16 = OWN + 8;
/// Where the word that is read begins, or the tag.
const START: i16 = OWN + 16;
/// Where the tag ends.
const TAG_END: i16 = OWN + 24;
/// Where what stands in brackets behind the tag begins and ends; 0 when nothing does.
const INSIDE: i16 = OWN + 32;
const INSIDE_END: i16 = OWN + 40;
/// 1 for a line that names no host, which must have a tag.
const IS_LOCAL: i16 = OWN + 48;

/// Stands for the priority of a line without one.
const NO_PRIORITY: i32 = 255;
/// Eight bytes that a turn looks at while it searches a long stretch, and a short one.
const LONG: i16 = 8;
const SHORT: i16 = 2;

/// Names what a field is in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    SeverityNumber,
    SeverityText,
    Facility,
    Version,
    Host,
    App,
    Process,
    Id,
    Text,
    /// No line has it.
    Nothing,
    /// A number that is 0 in every line.
    Zero,
    /// A text that is empty in every line.
    Empty,
}

/// Writes the code that reads the payload as one record.
///
/// # Errors
/// When a field cannot be read here.
pub fn emit(e: &mut Emitter, wanted: &[Wanted], judge: &mut Judge<'_>, dropped: Label) -> Result<(), Unsupported> {
    let parts: Result<Vec<(Part, i16)>, Unsupported> =
        wanted.iter().map(|one| Ok((part_of(&one.path)?, one.field))).collect();
    let bad = e.undecided(Reason::Malformed);
    let reader = Reader { parts: parts?, bad, judged: e.asm.label() };
    reader.store_defaults(e);
    read_line_end(e, bad);
    reader.read(e);
    e.asm.bind(reader.judged);
    reader.store_priority(e)?;
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
    let key = path.key.as_ref().map(|key| key.as_text());
    Ok(match (path.column, key.as_deref()) {
        (column::SEVERITY_NUMBER, None) => Part::SeverityNumber,
        (column::SEVERITY_TEXT, None) => Part::SeverityText,
        (column::BODY, None) => Part::Text,
        (column::ATTRIBUTES, Some("syslog.facility")) => Part::Facility,
        (column::ATTRIBUTES, Some("syslog.version")) => Part::Version,
        (column::ATTRIBUTES, Some("syslog.procid")) => Part::Process,
        (column::ATTRIBUTES, Some("syslog.msgid")) => Part::Id,
        (column::RESOURCE, Some("host.name")) => Part::Host,
        (column::RESOURCE, Some("service.name")) => Part::App,
        (column::RESOURCE, Some("service.version")) | (column::ATTRIBUTES, Some("client.address")) => {
            return Err(Unsupported::new("structured data of syslog is read in user space only"));
        }
        (column::ATTRIBUTES, Some(key)) if key.starts_with("syslog.") => {
            return Err(Unsupported::new("structured data of syslog is read in user space only"));
        }
        (column::ATTRIBUTES | column::RESOURCE, Some(_)) | (column::OBSERVED_TIMESTAMP, None) => Part::Nothing,
        (column::TRACE_FLAGS, None) => Part::Zero,
        (column::TRACE_ID | column::SPAN_ID | column::EVENT_NAME, None) => Part::Empty,
        (column::SCOPE, Some("Name" | "Version")) => Part::Empty,
        (column::TIMESTAMP, _) => {
            return Err(Unsupported::new("the year of a syslog line may follow from a clock"));
        }
        _ => return Err(Unsupported::new("only columns and single keys are read from a syslog line")),
    })
}

/// Adds what finds the end of the line, as the reader of lines does, and that no other line is there.
fn read_line_end(e: &mut Emitter, bad: Label) {
    let done = e.asm.label();
    e.load(Reg::R1, crate::layout::LENGTH);
    e.asm.alu(Alu::Add, Reg::R1, i32::from(PAYLOAD));
    for byte in [b'\n', b'\r'] {
        e.store(END, Reg::R1);
        e.asm.alu(Alu::Sub, Reg::R1, 1);
        e.asm.branch(Cond::Lt, Reg::R1, i32::from(PAYLOAD), done);
        e.address(Reg::R2, Reg::R1);
        e.asm.load(Size::Byte, Reg::R3, Reg::R2, 0);
        e.asm.branch(Cond::Ne, Reg::R3, i32::from(byte), done);
    }
    e.store(END, Reg::R1);
    e.asm.bind(done);
    e.store(CURSOR, i32::from(PAYLOAD));
    find(e, &[Stop::Byte(b'\n')], LONG);
    e.load(Reg::R5, END);
    e.asm.branch(Cond::Lt, Reg::R1, Reg::R5, bad);
}

/// Writes the code that finds the parts.
struct Reader {
    parts: Vec<(Part, i16)>,
    /// Where what is not read here goes on.
    bad: Label,
    /// Where all goes on that was read.
    judged: Label,
}

impl Reader {
    fn wants(&self, part: Part) -> bool {
        self.fields(part).next().is_some()
    }

    fn fields(&self, part: Part) -> impl Iterator<Item = i16> {
        self.parts.iter().filter(move |(found, _)| *found == part).map(|(_, field)| *field)
    }

    /// Adds what the fields hold in a line that does not have them.
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
    }

    /// Adds a store of the text from an offset to another; clobbers the second.
    fn store_between(&self, e: &mut Emitter, part: Part, begin: Reg, end: Reg) {
        if self.wants(part) {
            e.asm.alu(Alu::Sub, end, begin);
        }
        for field in self.fields(part) {
            e.store_text(field, begin, end);
        }
    }

    fn read(&self, e: &mut Emitter) {
        let (header, traditional, has_time) = (e.asm.label(), e.asm.label(), e.asm.label());
        self.read_priority(e, header);
        // Version 1; the two bytes are no part of a time.
        e.load(Reg::R1, CURSOR);
        e.address(Reg::R2, Reg::R1);
        e.asm.load(Size::Half, Reg::R3, Reg::R2, 0);
        e.asm.branch(Cond::Ne, Reg::R3, i32::from(u16::from_le_bytes(*b"1 ")), header);
        e.asm.alu(Alu::Add, Reg::R1, 2);
        e.store(CURSOR, Reg::R1);
        self.read_words(e);
        e.asm.bind(header);
        e.load(Reg::R1, CURSOR);
        e.address(Reg::R2, Reg::R1);
        e.asm.load(Size::Byte, Reg::R3, Reg::R2, 0);
        e.asm.branch(Cond::Gt, Reg::R3, i32::from(b'9'), traditional);
        time::read_iso(e, self.bad);
        e.asm.jump(has_time);
        e.asm.bind(traditional);
        time::read_traditional(e, self.bad);
        e.asm.bind(has_time);
        self.read_host(e);
    }

    /// Adds the reading of `<13>`; a line without it goes on at `header`.
    fn read_priority(&self, e: &mut Emitter, header: Label) {
        let (has_any, done) = (e.asm.label(), e.asm.label());
        e.store(PRIORITY, NO_PRIORITY);
        e.store(CURSOR, i32::from(PAYLOAD));
        e.asm.load(Size::Byte, Reg::R2, Reg::R9, PAYLOAD);
        e.asm.branch(Cond::Eq, Reg::R2, i32::from(b'<'), has_any);
        e.asm.jump(header);
        e.asm.bind(has_any);
        e.asm.mov(Reg::R1, 0);
        for at in 1..=3 {
            e.asm.load(Size::Byte, Reg::R2, Reg::R9, PAYLOAD + at);
            e.asm.alu(Alu::Sub, Reg::R2, i32::from(b'0'));
            e.asm.branch(Cond::Gt, Reg::R2, 9, self.bad);
            e.asm.alu(Alu::Mul, Reg::R1, 10);
            e.asm.alu(Alu::Add, Reg::R1, Reg::R2);
            e.store(CURSOR, i32::from(PAYLOAD + at + 2));
            e.asm.load(Size::Byte, Reg::R2, Reg::R9, PAYLOAD + at + 1);
            e.asm.branch(Cond::Eq, Reg::R2, i32::from(b'>'), done);
        }
        e.asm.jump(self.bad);
        e.asm.bind(done);
        e.asm.branch(Cond::Gt, Reg::R1, 191, self.bad);
        e.store(PRIORITY, Reg::R1);
    }

    /// Adds the reading of what stands behind the version of RFC 5424, to the end.
    fn read_words(&self, e: &mut Emitter) {
        let (has_time, no_time) = (e.asm.label(), e.asm.label());
        e.load(Reg::R1, CURSOR);
        e.address(Reg::R2, Reg::R1);
        e.asm.load(Size::Half, Reg::R3, Reg::R2, 0);
        e.asm.alu(Alu::Add, Reg::R1, 2);
        e.asm.branch(Cond::Eq, Reg::R3, i32::from(u16::from_le_bytes(*b"- ")), no_time);
        time::read_iso(e, self.bad);
        e.asm.jump(has_time);
        e.asm.bind(no_time);
        e.store(CURSOR, Reg::R1);
        e.asm.bind(has_time);
        for part in [Part::Host, Part::App, Part::Process] {
            self.read_word(e);
            self.store_word(e, part);
        }
        self.read_id(e);
        self.read_data(e);
        e.asm.mov(Reg::R1, 1);
        for field in self.fields(Part::Version) {
            e.store_number(field, State::Long, Reg::R1);
        }
        if self.wants(Part::Text) {
            self.store_message(e);
        }
        e.asm.jump(self.judged);
    }

    /// Adds the reading of a word and the blank behind it: it begins at `r3` and ends at `r1`.
    fn read_word(&self, e: &mut Emitter) {
        e.load(Reg::R3, CURSOR);
        e.store(START, Reg::R3);
        find(e, &[Stop::Byte(b' ')], SHORT);
        e.load(Reg::R5, END);
        e.asm.branch(Cond::Ge, Reg::R1, Reg::R5, self.bad);
        e.load(Reg::R3, START);
        e.asm.branch(Cond::Le, Reg::R1, Reg::R3, self.bad);
        e.asm.mov(Reg::R4, Reg::R1);
        e.asm.alu(Alu::Add, Reg::R4, 1);
        e.store(CURSOR, Reg::R4);
    }

    /// Adds a store of the word from `r3` to `r1`, unless it is `-`.
    fn store_word(&self, e: &mut Emitter, part: Part) {
        if !self.wants(part) {
            return;
        }
        let (is_word, done) = (e.asm.label(), e.asm.label());
        e.asm.mov(Reg::R4, Reg::R1);
        e.asm.alu(Alu::Sub, Reg::R4, Reg::R3);
        e.asm.branch(Cond::Ne, Reg::R4, 1, is_word);
        e.address(Reg::R2, Reg::R3);
        e.asm.load(Size::Byte, Reg::R5, Reg::R2, 0);
        e.asm.branch(Cond::Eq, Reg::R5, i32::from(b'-'), done);
        e.asm.bind(is_word);
        self.store_between(e, part, Reg::R3, Reg::R1);
        e.asm.bind(done);
    }

    /// Adds the reading of MSGID, which may be the last word, and empty.
    fn read_id(&self, e: &mut Emitter) {
        let (is_inside, done) = (e.asm.label(), e.asm.label());
        e.load(Reg::R3, CURSOR);
        e.store(START, Reg::R3);
        find(e, &[Stop::Byte(b' ')], SHORT);
        e.load(Reg::R5, END);
        e.load(Reg::R3, START);
        e.asm.branch(Cond::Lt, Reg::R1, Reg::R5, is_inside);
        e.store(CURSOR, Reg::R5);
        e.asm.mov(Reg::R1, Reg::R5);
        e.asm.jump(done);
        e.asm.bind(is_inside);
        e.asm.mov(Reg::R4, Reg::R1);
        e.asm.alu(Alu::Add, Reg::R4, 1);
        e.store(CURSOR, Reg::R4);
        e.asm.bind(done);
        self.store_word(e, Part::Id);
    }

    /// Adds the reading of structured data: the cursor goes behind it.
    fn read_data(&self, e: &mut Emitter) {
        let [open, quoted, closed, next, is_nil, done] = std::array::from_fn(|_| e.asm.label());
        e.load(Reg::R1, CURSOR);
        e.load(Reg::R5, END);
        e.asm.branch(Cond::Ge, Reg::R1, Reg::R5, done);
        e.address(Reg::R2, Reg::R1);
        e.asm.load(Size::Byte, Reg::R3, Reg::R2, 0);
        e.asm.alu(Alu::Add, Reg::R1, 1);
        e.asm.branch(Cond::Eq, Reg::R3, i32::from(b'-'), is_nil);
        e.asm.branch(Cond::Ne, Reg::R3, i32::from(b'['), self.bad);
        e.store(CURSOR, Reg::R1);
        e.asm.bind(open);
        self.find_inside(e, [b'"', b']']);
        e.asm.branch(Cond::Eq, Reg::R3, i32::from(b']'), closed);
        e.asm.bind(quoted);
        self.find_inside(e, [b'"', b'\\']);
        e.asm.branch(Cond::Eq, Reg::R3, i32::from(b'"'), open);
        e.load(Reg::R1, CURSOR);
        e.asm.alu(Alu::Add, Reg::R1, 1);
        e.store(CURSOR, Reg::R1);
        e.asm.jump(quoted);
        e.asm.bind(closed);
        e.step();
        e.load(Reg::R1, CURSOR);
        e.load(Reg::R5, END);
        e.asm.branch(Cond::Ge, Reg::R1, Reg::R5, done);
        e.address(Reg::R2, Reg::R1);
        e.asm.load(Size::Byte, Reg::R3, Reg::R2, 0);
        e.asm.branch(Cond::Eq, Reg::R3, i32::from(b' '), done);
        e.asm.alu(Alu::Add, Reg::R1, 1);
        e.store(CURSOR, Reg::R1);
        e.asm.branch(Cond::Eq, Reg::R3, i32::from(b']'), next);
        e.asm.branch(Cond::Eq, Reg::R3, i32::from(b'['), open);
        e.asm.jump(self.bad);
        e.asm.bind(next);
        e.asm.jump(closed);
        e.asm.bind(is_nil);
        e.store(CURSOR, Reg::R1);
        e.asm.bind(done);
    }

    /// Adds a search for one of two bytes, which must be there: it is in `r3`, and the cursor behind it.
    fn find_inside(&self, e: &mut Emitter, bytes: [u8; 2]) {
        find(e, &bytes.map(Stop::Byte), SHORT);
        e.load(Reg::R5, END);
        e.asm.branch(Cond::Ge, Reg::R1, Reg::R5, self.bad);
        e.address(Reg::R2, Reg::R1);
        e.asm.load(Size::Byte, Reg::R3, Reg::R2, 0);
        e.asm.alu(Alu::Add, Reg::R1, 1);
        e.store(CURSOR, Reg::R1);
    }

    /// Adds a store of the message: it begins behind a blank and a byte order mark, and ends with the line.
    fn store_message(&self, e: &mut Emitter) {
        let (no_blank, no_mark) = (e.asm.label(), e.asm.label());
        load_behind_blank(e, CURSOR, no_blank);
        // Not so where the mark would end behind the end.
        e.asm.mov(Reg::R3, Reg::R1);
        e.asm.alu(Alu::Add, Reg::R3, 3);
        e.load(Reg::R5, END);
        e.asm.branch(Cond::Gt, Reg::R3, Reg::R5, no_mark);
        e.address(Reg::R2, Reg::R1);
        e.asm.load(Size::Word, Reg::R4, Reg::R2, 0);
        e.asm.alu(Alu::And, Reg::R4, 0x00FF_FFFF);
        e.asm.branch(Cond::Ne, Reg::R4, 0x00BF_BBEF, no_mark);
        e.asm.mov(Reg::R1, Reg::R3);
        e.asm.bind(no_mark);
        self.store_between(e, Part::Text, Reg::R1, Reg::R5);
    }

    /// Adds the reading of the host and what follows, to the end.
    fn read_host(&self, e: &mut Emitter) {
        let is_local = e.asm.label();
        self.read_word(e);
        e.asm.mov(Reg::R2, Reg::R1);
        e.asm.alu(Alu::Sub, Reg::R2, 1);
        e.address(Reg::R2, Reg::R2);
        e.asm.load(Size::Byte, Reg::R4, Reg::R2, 0);
        e.asm.branch(Cond::Eq, Reg::R4, i32::from(b':'), is_local);
        self.store_between(e, Part::Host, Reg::R3, Reg::R1);
        if [Part::App, Part::Process, Part::Text].iter().any(|part| self.wants(*part)) {
            let has_start = e.asm.label();
            e.load(Reg::R1, CURSOR);
            e.store(START, Reg::R1);
            e.store(IS_LOCAL, 0);
            e.asm.jump(has_start);
            e.asm.bind(is_local);
            self.begin_local(e);
            e.asm.bind(has_start);
        } else {
            e.asm.jump(self.judged);
            e.asm.bind(is_local);
            self.begin_local(e);
        }
        self.read_tag(e);
    }

    /// Adds what makes the word that was to be the host the tag; only with a priority.
    fn begin_local(&self, e: &mut Emitter) {
        e.load(Reg::R1, PRIORITY);
        e.asm.branch(Cond::Eq, Reg::R1, NO_PRIORITY, self.bad);
        e.load(Reg::R1, START);
        e.store(CURSOR, Reg::R1);
        e.store(IS_LOCAL, 1);
    }

    /// Adds the reading of `tag[pid]: text`; without a tag all is text.
    fn read_tag(&self, e: &mut Emitter) {
        let [has_brackets, behind, no_tag, no_blank] = std::array::from_fn(|_| e.asm.label());
        let no_graphic = [Stop::Below(0x21), Stop::Above(0x7E), Stop::NonAscii];
        find(e, &[&[Stop::Byte(b'['), Stop::Byte(b':')][..], &no_graphic].concat(), SHORT);
        e.load(Reg::R5, END);
        e.asm.branch(Cond::Ge, Reg::R1, Reg::R5, no_tag);
        e.load(Reg::R3, START);
        e.asm.branch(Cond::Le, Reg::R1, Reg::R3, no_tag);
        e.store(TAG_END, Reg::R1);
        e.store(CURSOR, Reg::R1);
        e.store(INSIDE, 0);
        e.address(Reg::R2, Reg::R1);
        e.asm.load(Size::Byte, Reg::R4, Reg::R2, 0);
        e.asm.branch(Cond::Ne, Reg::R4, i32::from(b'['), behind);
        e.asm.bind(has_brackets);
        e.asm.alu(Alu::Add, Reg::R1, 1);
        e.store(INSIDE, Reg::R1);
        e.store(CURSOR, Reg::R1);
        find(e, &[Stop::Byte(b']')], SHORT);
        e.load(Reg::R5, END);
        e.asm.branch(Cond::Ge, Reg::R1, Reg::R5, no_tag);
        e.store(INSIDE_END, Reg::R1);
        e.asm.alu(Alu::Add, Reg::R1, 1);
        e.store(CURSOR, Reg::R1);
        e.asm.bind(behind);
        e.load(Reg::R1, CURSOR);
        e.load(Reg::R5, END);
        e.asm.branch(Cond::Ge, Reg::R1, Reg::R5, no_tag);
        e.address(Reg::R2, Reg::R1);
        e.asm.load(Size::Byte, Reg::R4, Reg::R2, 0);
        e.asm.branch(Cond::Ne, Reg::R4, i32::from(b':'), no_tag);
        e.asm.alu(Alu::Add, Reg::R1, 1);
        e.store(CURSOR, Reg::R1);
        self.store_tag(e);
        load_behind_blank(e, CURSOR, no_blank);
        e.load(Reg::R5, END);
        self.store_between(e, Part::Text, Reg::R1, Reg::R5);
        e.asm.jump(self.judged);
        e.asm.bind(no_tag);
        e.load(Reg::R1, IS_LOCAL);
        e.asm.branch(Cond::Ne, Reg::R1, 0, self.bad);
        e.load(Reg::R1, START);
        e.load(Reg::R5, END);
        self.store_between(e, Part::Text, Reg::R1, Reg::R5);
        e.asm.jump(self.judged);
    }

    fn store_tag(&self, e: &mut Emitter) {
        e.load(Reg::R1, START);
        e.load(Reg::R2, TAG_END);
        self.store_between(e, Part::App, Reg::R1, Reg::R2);
        let done = e.asm.label();
        e.load(Reg::R1, INSIDE);
        e.asm.branch(Cond::Eq, Reg::R1, 0, done);
        e.load(Reg::R2, INSIDE_END);
        self.store_between(e, Part::Process, Reg::R1, Reg::R2);
        e.asm.bind(done);
    }

    /// Adds what follows from the priority.
    fn store_priority(&self, e: &mut Emitter) -> Result<(), Unsupported> {
        if ![Part::SeverityNumber, Part::SeverityText, Part::Facility].iter().any(|part| self.wants(*part)) {
            return Ok(());
        }
        let done = e.asm.label();
        e.load(Reg::R1, PRIORITY);
        e.asm.branch(Cond::Eq, Reg::R1, NO_PRIORITY, done);
        e.asm.mov(Reg::R2, Reg::R1);
        e.asm.alu(Alu::And, Reg::R2, 7);
        if self.wants(Part::SeverityNumber) {
            let numbers = SYSLOG_SEVERITIES.map(|(_, number)| number as u8);
            e.asm.mov_imm(Reg::R3, u64::from_le_bytes(numbers));
            e.asm.mov(Reg::R4, Reg::R2);
            e.asm.alu(Alu::Lsh, Reg::R4, 3);
            e.asm.alu(Alu::Rsh, Reg::R3, Reg::R4);
            e.asm.alu(Alu::And, Reg::R3, 0xFF);
            for field in self.fields(Part::SeverityNumber) {
                e.store_number(field, State::Long, Reg::R3);
            }
        }
        if self.wants(Part::SeverityText) {
            let names: Vec<&str> = SYSLOG_SEVERITIES.iter().map(|(name, _)| *name).collect();
            self.store_name(e, Part::SeverityText, &names)?;
        }
        if self.wants(Part::Facility) {
            e.asm.mov(Reg::R2, Reg::R1);
            e.asm.alu(Alu::Rsh, Reg::R2, 3);
            e.asm.alu(Alu::And, Reg::R2, 31);
            self.store_name(e, Part::Facility, &SYSLOG_FACILITIES)?;
        }
        e.asm.bind(done);
        Ok(())
    }

    /// Adds a store of the name that has the number in `r2`.
    fn store_name(&self, e: &mut Emitter, part: Part, names: &[&str]) -> Result<(), Unsupported> {
        let mut table = Vec::new();
        for name in names {
            table.extend(e.word(name.as_bytes())?.to_le_bytes());
            table.extend((name.len() as u16).to_le_bytes());
        }
        table.resize(4 * names.len().next_power_of_two(), 0);
        let table = e.add_table("names", table);
        e.load_table(Reg::R3, table, 0);
        e.asm.alu(Alu::Lsh, Reg::R2, 2);
        e.asm.alu(Alu::Add, Reg::R3, Reg::R2);
        e.asm.load(Size::Half, Reg::R4, Reg::R3, 0);
        e.asm.load(Size::Half, Reg::R5, Reg::R3, 2);
        for field in self.fields(part) {
            e.store_text(field, Reg::R4, Reg::R5);
        }
        Ok(())
    }
}

/// Adds the load of an offset into `r1`, one further where a blank stands there; then it goes on at `no_blank`, which is
/// bound here.
fn load_behind_blank(e: &mut Emitter, cell: i16, no_blank: Label) {
    e.load(Reg::R1, cell);
    e.load(Reg::R5, END);
    e.asm.branch(Cond::Ge, Reg::R1, Reg::R5, no_blank);
    e.address(Reg::R2, Reg::R1);
    e.asm.load(Size::Byte, Reg::R3, Reg::R2, 0);
    e.asm.branch(Cond::Ne, Reg::R3, i32::from(b' '), no_blank);
    e.asm.alu(Alu::Add, Reg::R1, 1);
    e.asm.bind(no_blank);
}
