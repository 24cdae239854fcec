//! The times in front of syslog lines: whether one is there, as `dtq_record` finds it, and where it ends.
//!
//! What time it is is not found here. Next: `../syslog.rs`.
//!
//! # Source
//! RFC 5424, 6.2.3; RFC 3164, 4.1.2; `read_iso` and `read_traditional_time` of `dtq-record`.

use crate::asm::Label;
use crate::emit::Emitter;
use crate::insn::{Alu, Cond, Reg, Size};
use crate::payload::scan::{CURSOR, END, OWN, Stop, find, load_digits, pair};

/// Where the digits behind a second begin.
const FRACTION: i16 = OWN;

/// Adds the reading of `Nov  4 09:05:06 `, at the cursor, which goes behind it.
///
/// The 29th of February is a day: in one of eight years before any now between 1912 and 2103 it is one.
pub(super) fn read_traditional(e: &mut Emitter, bad: Label) {
    e.load(Reg::R1, CURSOR);
    e.address(Reg::R2, Reg::R1);
    read_month(e, bad);
    let (is_two, has_day) = (e.asm.label(), e.asm.label());
    e.asm.load(Size::Byte, Reg::R5, Reg::R2, 4);
    e.asm.branch(Cond::Ne, Reg::R5, i32::from(b' '), is_two);
    e.asm.mov(Reg::R5, i32::from(b'0'));
    e.asm.bind(is_two);
    e.asm.alu(Alu::Sub, Reg::R5, i32::from(b'0'));
    e.asm.branch(Cond::Gt, Reg::R5, 9, bad);
    e.asm.load(Size::Byte, Reg::R6, Reg::R2, 5);
    e.asm.alu(Alu::Sub, Reg::R6, i32::from(b'0'));
    e.asm.branch(Cond::Gt, Reg::R6, 9, bad);
    e.asm.alu(Alu::Mul, Reg::R5, 10);
    e.asm.alu(Alu::Add, Reg::R5, Reg::R6);
    e.asm.branch(Cond::Eq, Reg::R5, 0, bad);
    e.asm.branch(Cond::Le, Reg::R5, Reg::R4, has_day);
    e.asm.jump(bad);
    e.asm.bind(has_day);
    e.asm.load(Size::Byte, Reg::R5, Reg::R2, 6);
    e.asm.branch(Cond::Ne, Reg::R5, i32::from(b' '), bad);
    read_clock(e, 7, bad);
    // Here a fraction of a second may stand, too, which nobody writes.
    e.asm.load(Size::Byte, Reg::R5, Reg::R2, 15);
    e.asm.branch(Cond::Ne, Reg::R5, i32::from(b' '), bad);
    e.asm.alu(Alu::Add, Reg::R1, 16);
    e.store(CURSOR, Reg::R1);
}

/// Adds the reading of `Nov ` behind `r2`; leaves in `r4` how many days the month may have.
fn read_month(e: &mut Emitter, bad: Label) {
    let months: [(&[&[u8; 4]], i32); 3] = [
        (&[b"Jan ", b"Mar ", b"May ", b"Jul ", b"Aug ", b"Oct ", b"Dec "], 31),
        (&[b"Apr ", b"Jun ", b"Sep ", b"Nov "], 30),
        (&[b"Feb "], 29),
    ];
    let done = e.asm.label();
    e.asm.load(Size::Word, Reg::R3, Reg::R2, 0);
    for (names, days) in months {
        e.asm.mov(Reg::R4, days);
        for name in names {
            e.asm.branch32(Cond::Eq, Reg::R3, i32::from_le_bytes(**name), done);
        }
    }
    e.asm.jump(bad);
    e.asm.bind(done);
}

/// Adds the reading of `hh:mm:ss` so many bytes behind `r2`; a second may be the sixtieth, which leaps.
fn read_clock(e: &mut Emitter, offset: i16, bad: Label) {
    load_digits(e, Reg::R3, offset, b"00:00:00", bad);
    for (index, most) in [(0, 23), (3, 59), (6, 60)] {
        pair(e, Reg::R5, Reg::R3, index);
        e.asm.branch(Cond::Gt, Reg::R5, most, bad);
    }
}

/// Adds the reading of `2026-11-24T00:05:06.789Z `, at the cursor, which goes behind it.
///
/// A time without a zone, and one that only `dtq_record` reads, such as a date alone, goes on at `bad`, too.
pub(super) fn read_iso(e: &mut Emitter, bad: Label) {
    e.load(Reg::R1, CURSOR);
    e.address(Reg::R2, Reg::R1);
    read_date(e, bad);
    read_clock(e, 11, bad);
    let (has_fraction, zone, done) = (e.asm.label(), e.asm.label(), e.asm.label());
    e.asm.load(Size::Byte, Reg::R5, Reg::R2, 19);
    e.asm.alu(Alu::Add, Reg::R1, 19);
    e.store(CURSOR, Reg::R1);
    e.asm.branch(Cond::Eq, Reg::R5, i32::from(b'.'), has_fraction);
    e.asm.branch(Cond::Eq, Reg::R5, i32::from(b','), has_fraction);
    e.asm.jump(zone);
    e.asm.bind(has_fraction);
    e.asm.alu(Alu::Add, Reg::R1, 1);
    e.store(CURSOR, Reg::R1);
    e.store(FRACTION, Reg::R1);
    find(e, &[Stop::Below(b'0'), Stop::Above(b'9'), Stop::NonAscii], 1);
    e.load(Reg::R5, FRACTION);
    e.asm.branch(Cond::Le, Reg::R1, Reg::R5, bad);
    e.store(CURSOR, Reg::R1);
    e.asm.bind(zone);
    e.load(Reg::R1, CURSOR);
    e.address(Reg::R2, Reg::R1);
    e.asm.load(Size::Byte, Reg::R5, Reg::R2, 0);
    let is_named = e.asm.label();
    e.asm.alu(Alu::Add, Reg::R1, 1);
    e.asm.branch(Cond::Eq, Reg::R5, i32::from(b'Z'), is_named);
    e.asm.branch(Cond::Eq, Reg::R5, i32::from(b'z'), is_named);
    let has_sign = e.asm.label();
    e.asm.branch(Cond::Eq, Reg::R5, i32::from(b'+'), has_sign);
    e.asm.branch(Cond::Ne, Reg::R5, i32::from(b'-'), bad);
    e.asm.bind(has_sign);
    load_digits(e, Reg::R3, 0, b"?00:00??", bad);
    for (index, most) in [(1, 14), (4, 59)] {
        pair(e, Reg::R5, Reg::R3, index);
        e.asm.branch(Cond::Gt, Reg::R5, most, bad);
    }
    e.asm.alu(Alu::Add, Reg::R1, 5);
    e.asm.bind(is_named);
    e.address(Reg::R2, Reg::R1);
    e.asm.load(Size::Byte, Reg::R5, Reg::R2, 0);
    e.asm.branch(Cond::Ne, Reg::R5, i32::from(b' '), bad);
    e.asm.alu(Alu::Add, Reg::R1, 1);
    e.store(CURSOR, Reg::R1);
    e.load(Reg::R5, END);
    e.asm.branch(Cond::Le, Reg::R1, Reg::R5, done);
    e.asm.jump(bad);
    e.asm.bind(done);
}

/// Adds the reading of `2026-11-24T` behind `r2`, in a year that a zone does not lead out of those that OTLP holds: the
/// record of another is not judged in user space.
fn read_date(e: &mut Emitter, bad: Label) {
    let (is_day, is_february, has_most) = (e.asm.label(), e.asm.label(), e.asm.label());
    load_digits(e, Reg::R3, 3, b"?-00-00T", bad);
    pair(e, Reg::R4, Reg::R3, 2);
    pair(e, Reg::R5, Reg::R3, 5);
    load_digits(e, Reg::R3, 0, b"0000-???", bad);
    pair(e, Reg::R6, Reg::R3, 0);
    pair(e, Reg::R7, Reg::R3, 2);
    e.asm.alu(Alu::Mul, Reg::R6, 100);
    e.asm.alu(Alu::Add, Reg::R6, Reg::R7);
    e.asm.branch(Cond::Lt, Reg::R6, 1971, bad);
    e.asm.branch(Cond::Gt, Reg::R6, 2553, bad);
    e.asm.branch(Cond::Eq, Reg::R4, 0, bad);
    e.asm.branch(Cond::Gt, Reg::R4, 12, bad);
    e.asm.branch(Cond::Eq, Reg::R5, 0, bad);
    e.asm.branch(Cond::Eq, Reg::R4, 2, is_february);
    // One bit for each month of thirty days.
    e.asm.mov(Reg::R3, 1 << 4 | 1 << 6 | 1 << 9 | 1 << 11);
    e.asm.alu(Alu::Rsh, Reg::R3, Reg::R4);
    e.asm.alu(Alu::And, Reg::R3, 1);
    e.asm.mov(Reg::R4, 31);
    e.asm.alu(Alu::Sub, Reg::R4, Reg::R3);
    e.asm.jump(has_most);
    e.asm.bind(is_february);
    e.asm.mov(Reg::R4, 28);
    // With 100 years the fourth of them counts, else the fourth year; a multiple of 400 is one of 16 among those of 100.
    e.asm.mov(Reg::R3, Reg::R6);
    e.asm.alu(Alu::Mod, Reg::R3, 100);
    let is_century = e.asm.label();
    e.asm.branch(Cond::Eq, Reg::R3, 0, is_century);
    e.asm.alu(Alu::And, Reg::R6, 3);
    e.asm.branch(Cond::Ne, Reg::R6, 0, has_most);
    e.asm.mov(Reg::R4, 29);
    e.asm.jump(has_most);
    e.asm.bind(is_century);
    e.asm.alu(Alu::And, Reg::R6, 15);
    e.asm.branch(Cond::Ne, Reg::R6, 0, has_most);
    e.asm.mov(Reg::R4, 29);
    e.asm.bind(has_most);
    e.asm.branch(Cond::Le, Reg::R5, Reg::R4, is_day);
    e.asm.jump(bad);
    e.asm.bind(is_day);
}
