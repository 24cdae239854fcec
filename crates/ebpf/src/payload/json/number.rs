//! Numbers of JSON: where one ends, whether it is well-formed, and which integer it is.
//!
//! A number with a fraction or an exponent is checked, and its value left to user space; so is one that might not fit.
//! Next: `keys.rs`.

use super::{FLAGS, Reader, SEVERITY, START, TARGET, VALUE, store_undecided};
use crate::asm::Label;
use crate::emit::Emitter;
use crate::insn::{Alu, Cond, Reg, Size};
use crate::layout::{Reason, State};
use crate::payload::scan::{CURSOR, Stop, find};

/// Digits that surely fit into a `long`.
const DIGITS_MAX: i32 = 18;
/// Bytes of a number at most, and digits of an exponent: within them no number is too large for a `real`, which is an
/// error where user space reads the number, and only there.
const SIZE_MAX: i32 = 64;
const EXPONENT_DIGITS_MAX: i32 = 2;

/// Where the digits that are read begin.
const DIGITS: i16 = FLAGS;
/// What is not a digit.
const NO_DIGIT: [Stop; 3] = [Stop::Below(b'0'), Stop::Above(b'9'), Stop::NonAscii];

impl Reader {
    /// Adds the reading of a number at `r1`, with its first byte in `r3`, and goes on behind it.
    pub(super) fn read_number(&self, e: &mut Emitter) {
        let [is_integer, is_real, exponent, no_exponent, no_target] = std::array::from_fn(|_| e.asm.label());
        e.store(START, Reg::R1);
        self.skip_sign(e, b"-");
        self.read_digits(e);
        // No zero stands in front of another digit.
        let is_fine = e.asm.label();
        e.load(Reg::R4, DIGITS);
        e.asm.mov(Reg::R5, Reg::R1);
        e.asm.alu(Alu::Sub, Reg::R5, Reg::R4);
        e.asm.branch(Cond::Eq, Reg::R5, 1, is_fine);
        e.address(Reg::R4, Reg::R4);
        e.asm.load(Size::Byte, Reg::R4, Reg::R4, 0);
        e.asm.branch(Cond::Eq, Reg::R4, i32::from(b'0'), self.bad);
        e.asm.bind(is_fine);
        self.load_mark(e);
        e.asm.branch(Cond::Eq, Reg::R3, i32::from(b'e'), exponent);
        e.asm.branch(Cond::Ne, Reg::R4, i32::from(b'.'), is_integer);
        e.asm.alu(Alu::Add, Reg::R1, 1);
        e.store(CURSOR, Reg::R1);
        self.read_digits(e);
        self.load_mark(e);
        e.asm.branch(Cond::Ne, Reg::R3, i32::from(b'e'), no_exponent);
        e.asm.bind(exponent);
        self.read_exponent(e);
        e.asm.bind(no_exponent);
        self.check_size(e);
        e.load(Reg::R1, TARGET);
        e.asm.branch(Cond::Eq, Reg::R1, 0, no_target);
        e.asm.bind(is_real);
        store_undecided(e, Reason::Type);
        e.asm.bind(no_target);
        e.asm.jump(self.behind);
        e.asm.bind(is_integer);
        self.check_size(e);
        self.store_integer(e, is_real);
        e.asm.jump(self.behind);
    }

    /// Adds what moves the cursor past one of these bytes, where one stands.
    fn skip_sign(&self, e: &mut Emitter, signs: &[u8]) {
        let (is_sign, done) = (e.asm.label(), e.asm.label());
        e.load(Reg::R1, CURSOR);
        e.address(Reg::R2, Reg::R1);
        e.asm.load(Size::Byte, Reg::R3, Reg::R2, 0);
        for sign in signs {
            e.asm.branch(Cond::Eq, Reg::R3, i32::from(*sign), is_sign);
        }
        e.asm.jump(done);
        e.asm.bind(is_sign);
        e.asm.alu(Alu::Add, Reg::R1, 1);
        e.store(CURSOR, Reg::R1);
        e.asm.bind(done);
    }

    /// Adds the reading of digits, at least one: they go from [`DIGITS`] to the cursor, which is also in `r1`.
    fn read_digits(&self, e: &mut Emitter) {
        e.load(Reg::R1, CURSOR);
        e.store(DIGITS, Reg::R1);
        find(e, &NO_DIGIT, 2);
        e.store(CURSOR, Reg::R1);
        e.load(Reg::R4, DIGITS);
        e.asm.branch(Cond::Le, Reg::R1, Reg::R4, self.bad);
    }

    /// Adds the load of the byte at `r1` into `r4`, and as a small letter into `r3`.
    fn load_mark(&self, e: &mut Emitter) {
        e.address(Reg::R2, Reg::R1);
        e.asm.load(Size::Byte, Reg::R4, Reg::R2, 0);
        e.asm.mov(Reg::R3, Reg::R4);
        e.asm.alu(Alu::Or, Reg::R3, 0x20);
    }

    /// Adds the reading of an exponent at `r1`.
    fn read_exponent(&self, e: &mut Emitter) {
        e.asm.alu(Alu::Add, Reg::R1, 1);
        e.store(CURSOR, Reg::R1);
        self.skip_sign(e, b"+-");
        self.read_digits(e);
        e.load(Reg::R4, DIGITS);
        e.asm.mov(Reg::R5, Reg::R1);
        e.asm.alu(Alu::Sub, Reg::R5, Reg::R4);
        let too_large = e.undecided(Reason::Type);
        e.asm.branch(Cond::Gt, Reg::R5, EXPONENT_DIGITS_MAX, too_large);
    }

    fn check_size(&self, e: &mut Emitter) {
        e.load(Reg::R1, CURSOR);
        e.load(Reg::R4, START);
        e.asm.alu(Alu::Sub, Reg::R1, Reg::R4);
        let too_long = e.undecided(Reason::Type);
        e.asm.branch(Cond::Gt, Reg::R1, SIZE_MAX, too_long);
    }

    /// Adds a store of the integer from [`START`] to the cursor, its digits from [`DIGITS`] on, where it is wanted; one that
    /// is not told here goes on at `is_real`, with the target in `r1`.
    fn store_integer(&self, e: &mut Emitter, is_real: Label) {
        let [turn, turned, no_sign, is_signed, is_severity, done] = std::array::from_fn(|_| e.asm.label());
        e.load(Reg::R1, TARGET);
        e.asm.branch(Cond::Eq, Reg::R1, 0, done);
        e.load(Reg::R4, DIGITS);
        e.load(Reg::R5, CURSOR);
        e.asm.alu(Alu::Sub, Reg::R5, Reg::R4);
        e.asm.branch(Cond::Gt, Reg::R5, DIGITS_MAX, is_real);
        // `-0` is a real.
        e.load(Reg::R5, START);
        e.asm.branch(Cond::Eq, Reg::R5, Reg::R4, no_sign);
        e.address(Reg::R2, Reg::R4);
        e.asm.load(Size::Byte, Reg::R3, Reg::R2, 0);
        e.asm.branch(Cond::Eq, Reg::R3, i32::from(b'0'), is_real);
        e.asm.bind(no_sign);
        e.asm.branch(Cond::Eq, Reg::R1, i32::from(SEVERITY), is_severity);
        e.store(VALUE, 0);
        e.asm.bind(turn);
        e.step();
        e.load(Reg::R4, DIGITS);
        e.load(Reg::R5, CURSOR);
        e.asm.branch(Cond::Ge, Reg::R4, Reg::R5, turned);
        e.address(Reg::R2, Reg::R4);
        e.asm.load(Size::Byte, Reg::R3, Reg::R2, 0);
        e.asm.alu(Alu::Sub, Reg::R3, i32::from(b'0'));
        e.load(Reg::R5, VALUE);
        e.asm.alu(Alu::Mul, Reg::R5, 10);
        e.asm.alu(Alu::Add, Reg::R5, Reg::R3);
        e.store(VALUE, Reg::R5);
        e.asm.alu(Alu::Add, Reg::R4, 1);
        e.store(DIGITS, Reg::R4);
        e.asm.jump(turn);
        e.asm.bind(turned);
        e.load(Reg::R5, VALUE);
        e.load(Reg::R4, START);
        e.address(Reg::R2, Reg::R4);
        e.asm.load(Size::Byte, Reg::R3, Reg::R2, 0);
        e.asm.branch(Cond::Ne, Reg::R3, i32::from(b'-'), is_signed);
        e.asm.mov(Reg::R3, 0);
        e.asm.alu(Alu::Sub, Reg::R3, Reg::R5);
        e.asm.mov(Reg::R5, Reg::R3);
        e.asm.bind(is_signed);
        e.load(Reg::R1, TARGET);
        e.address(Reg::R1, Reg::R1);
        e.asm.store(Size::Word, Reg::R1, 0, State::Long as i32);
        e.asm.store(Size::Double, Reg::R1, 8, Reg::R5);
        e.asm.jump(done);
        e.asm.bind(is_severity);
        self.store_raw_severity(e, None);
        e.asm.bind(done);
    }
}
