//! Instructions in the form that the kernel reads: bytes as LLVM writes them, and there and back for all others.

use dtq_ebpf::encode::{Slot, decode, encode};
use dtq_ebpf::insn::{Alu, AtomicOp, ByteOrder, Callee, Cond, Imm64, Insn, Operand, Reg, Size, Width};
use dtq_ebpf::{MapDef, MapKind};
use proptest::prelude::*;

fn bytes_of(program: &[Insn]) -> Vec<u8> {
    encode(program).expect("it can be encoded").to_bytes()
}

fn r(number: u8) -> Reg {
    Reg::new(number).expect("there are eleven registers")
}

/// An instruction, its bytes, its text.
type Case = (Insn, [u8; 8], &'static str);

fn on_registers() -> Vec<Case> {
    let alu = |width, op, dst, src: Operand| Insn::Alu { width, op, dst: r(dst), src };
    vec![
        (alu(Width::Double, Alu::Add, 1, 1.into()), [0x07, 0x01, 0, 0, 1, 0, 0, 0], "r1 += 1"),
        (alu(Width::Double, Alu::Sub, 2, r(4).into()), [0x1f, 0x42, 0, 0, 0, 0, 0, 0], "r2 -= r4"),
        (alu(Width::Double, Alu::Mov, 9, r(8).into()), [0xbf, 0x89, 0, 0, 0, 0, 0, 0], "r9 = r8"),
        (alu(Width::Word, Alu::Mov, 0, (-1).into()), [0xb4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], "w0 = -1"),
        (alu(Width::Double, Alu::SignedDiv, 1, r(2).into()), [0x3f, 0x21, 1, 0, 0, 0, 0, 0], "r1 s/= r2"),
        (alu(Width::Word, Alu::Arsh, 5, 3.into()), [0xc4, 0x05, 0, 0, 3, 0, 0, 0], "w5 s>>= 3"),
        (Insn::Neg { width: Width::Double, dst: r(3) }, [0x87, 0x03, 0, 0, 0, 0, 0, 0], "r3 = -r3"),
        (
            Insn::MovSigned { width: Width::Double, from: Size::Byte, dst: r(1), src: r(2) },
            [0xbf, 0x21, 8, 0, 0, 0, 0, 0],
            "r1 = (s8)r2",
        ),
        (
            Insn::Swap { order: ByteOrder::Big, size: Size::Half, dst: r(1) },
            [0xdc, 0x01, 0, 0, 16, 0, 0, 0],
            "r1 = be16 r1",
        ),
        (
            Insn::Swap { order: ByteOrder::Swapped, size: Size::Double, dst: r(1) },
            [0xd7, 0x01, 0, 0, 64, 0, 0, 0],
            "r1 = bswap64 r1",
        ),
    ]
}

fn on_memory() -> Vec<Case> {
    vec![
        (
            Insn::Load { size: Size::Half, is_signed: false, dst: r(5), base: r(0), offset: 0 },
            [0x69, 0x05, 0, 0, 0, 0, 0, 0],
            "r5 = *(u16 *)(r0 + 0)",
        ),
        (
            Insn::Load { size: Size::Word, is_signed: true, dst: r(5), base: r(0), offset: -4 },
            [0x81, 0x05, 0xfc, 0xff, 0, 0, 0, 0],
            "r5 = *(s32 *)(r0 - 4)",
        ),
        (
            Insn::Store { size: Size::Byte, base: r(10), offset: -1, value: r(1).into() },
            [0x73, 0x1a, 0xff, 0xff, 0, 0, 0, 0],
            "*(u8 *)(r10 - 1) = r1",
        ),
        (
            Insn::Store { size: Size::Double, base: r(10), offset: -8, value: 7.into() },
            [0x7a, 0x0a, 0xf8, 0xff, 7, 0, 0, 0],
            "*(u64 *)(r10 - 8) = 7",
        ),
        (
            Insn::Atomic {
                size: Size::Double,
                op: AtomicOp::Add,
                is_fetched: false,
                base: r(1),
                offset: 16,
                src: r(2),
            },
            [0xdb, 0x21, 16, 0, 0, 0, 0, 0],
            "lock *(u64 *)(r1 + 16) += r2",
        ),
        (
            Insn::Atomic {
                size: Size::Word,
                op: AtomicOp::CompareExchange,
                is_fetched: true,
                base: r(1),
                offset: 0,
                src: r(2),
            },
            [0xc3, 0x21, 0, 0, 0xf1, 0, 0, 0],
            "r0 = cmpxchg((u32 *)(r1 + 0), r0, r2)",
        ),
        (Insn::Call(Callee::Helper(26)), [0x85, 0, 0, 0, 26, 0, 0, 0], "call skb_load_bytes#26"),
        (Insn::Exit, [0x95, 0, 0, 0, 0, 0, 0, 0], "exit"),
    ]
}

/// Bytes as `llvm-mc` 14 writes them (`-triple bpfel -mcpu=v3 -show-encoding`); those of instructions that it does not
/// know yet (signed division, sign extension, `bswap`, `cmpxchg` in this form) follow the tables of RFC 9669, sections 4
/// and 5.
#[test]
fn bytes_are_those_of_llvm() {
    for (insn, bytes, text) in on_registers().into_iter().chain(on_memory()) {
        assert_eq!((bytes_of(&[insn]), insn.to_string().as_str()), (bytes.to_vec(), text));
    }
}

#[test]
fn targets_count_slots_behind_the_branch() {
    let branch = Insn::Branch { width: Width::Word, cond: Cond::SignedLt, dst: Reg::R1, src: 5.into(), target: 2 };
    let wide = Insn::LoadImm { dst: Reg::R0, value: Imm64::Value(0x1122_3344_5566_7788) };
    let bytes = bytes_of(&[branch, wide, Insn::Exit]);
    assert_eq!(bytes[..8], [0xc6, 0x01, 2, 0, 5, 0, 0, 0]);
    assert_eq!(bytes[8..24], [0x18, 0, 0, 0, 0x88, 0x77, 0x66, 0x55, 0, 0, 0, 0, 0x44, 0x33, 0x22, 0x11]);
}

#[test]
fn a_jump_too_far_for_sixteen_bits_is_written_with_32() {
    let mut program = vec![Insn::Jump { target: 40_000 }];
    program.extend(std::iter::repeat_n(Insn::Exit, 40_000));
    let bytes = bytes_of(&program);
    assert_eq!(bytes[..8], [0x06, 0, 0, 0, 0x3f, 0x9c, 0, 0]);
    program[0] = Insn::MayGoto { target: 40_000 };
    assert_eq!(encode(&program).unwrap_err().reason, "its target is too far away");
}

fn reg() -> impl Strategy<Value = Reg> {
    (0..=10u8).prop_map(|number| Reg::new(number).expect("there are eleven registers"))
}

fn operand() -> impl Strategy<Value = Operand> {
    prop_oneof![reg().prop_map(Operand::Reg), any::<i32>().prop_map(Operand::Imm)]
}

fn width() -> impl Strategy<Value = Width> {
    prop_oneof![Just(Width::Word), Just(Width::Double)]
}

fn size() -> impl Strategy<Value = Size> {
    prop::sample::select(Size::ALL.to_vec())
}

/// Returns instructions of a program of so many, also some that cannot be encoded.
fn insn(count: u32) -> impl Strategy<Value = Insn> {
    let order = prop::sample::select(vec![ByteOrder::Little, ByteOrder::Big, ByteOrder::Swapped]);
    let imm64 = prop_oneof![
        any::<u64>().prop_map(Imm64::Value),
        any::<u32>().prop_map(Imm64::Map),
        (any::<u32>(), any::<u32>()).prop_map(|(map, offset)| Imm64::MapValue { map, offset }),
        (0..count).prop_map(Imm64::Function),
    ];
    let callee = prop_oneof![
        any::<u32>().prop_map(Callee::Helper),
        (0..count).prop_map(Callee::Function),
        any::<u32>().prop_map(Callee::Kfunc)
    ];
    prop_oneof![
        (width(), prop::sample::select(Alu::ALL.to_vec()), reg(), operand())
            .prop_map(|(width, op, dst, src)| Insn::Alu { width, op, dst, src }),
        (width(), reg()).prop_map(|(width, dst)| Insn::Neg { width, dst }),
        (width(), size(), reg(), reg()).prop_map(|(width, from, dst, src)| Insn::MovSigned { width, from, dst, src }),
        (order, size(), reg()).prop_map(|(order, size, dst)| Insn::Swap { order, size, dst }),
        (reg(), imm64).prop_map(|(dst, value)| Insn::LoadImm { dst, value }),
        (size(), any::<bool>(), reg(), reg(), any::<i16>())
            .prop_map(|(size, is_signed, dst, base, offset)| Insn::Load { size, is_signed, dst, base, offset }),
        (size(), reg(), any::<i16>(), operand()).prop_map(|(size, base, offset, value)| Insn::Store {
            size,
            base,
            offset,
            value
        }),
        (size(), prop::sample::select(AtomicOp::ALL.to_vec()), any::<bool>(), reg(), any::<i16>(), reg()).prop_map(
            |(size, op, is_fetched, base, offset, src)| Insn::Atomic { size, op, is_fetched, base, offset, src }
        ),
        (0..count).prop_map(|target| Insn::Jump { target }),
        (0..count).prop_map(|target| Insn::MayGoto { target }),
        (width(), prop::sample::select(Cond::ALL.to_vec()), reg(), operand(), 0..count)
            .prop_map(|(width, cond, dst, src, target)| Insn::Branch { width, cond, dst, src, target }),
        callee.prop_map(Insn::Call),
        Just(Insn::Exit),
    ]
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(program in prop::collection::vec(insn(20), 20)) {
        // One that cannot be encoded is not the subject here.
        let program: Vec<Insn> = program
            .into_iter()
            .map(|insn| if encode(&[insn.retargeted(|_| 0)]).is_ok() { insn } else { Insn::Exit })
            .collect();
        let encoded = encode(&program).unwrap();
        prop_assert_eq!(decode(&encoded.slots).unwrap(), program);
    }

    #[test]
    fn what_is_decoded_encodes_to_the_same(bytes in prop::collection::vec(any::<[u8; 8]>(), 1..6)) {
        let slots: Vec<Slot> = bytes.into_iter().map(Slot::from_bytes).collect();
        if let Ok(program) = decode(&slots) {
            let again = decode(&encode(&program).unwrap().slots).unwrap();
            prop_assert_eq!(again, program);
        }
    }
}

#[test]
fn an_object_names_bytes_in_tables_only() {
    let maps = [MapDef::of_value("table", vec![1, 2, 3]), MapDef::new("plain", MapKind::Array, 4, 8, 1)];
    let load = |value| [Insn::LoadImm { dst: Reg::R0, value }, Insn::Exit];
    let object = |value| dtq_ebpf::elf::object("names", &load(value), &maps).map_err(|error| error.reason);
    assert!(object(Imm64::MapValue { map: 0, offset: 2 }).is_ok() && object(Imm64::Map(1)).is_ok());
    assert!(object(Imm64::MapValue { map: 1, offset: 2 }).is_err_and(|reason| reason.contains("no other map")));
    assert!(object(Imm64::Map(0)).is_err_and(|reason| reason.contains("not the table itself")));
}
