//! What programs do, and what stops them. Results are those of RFC 9669 where nothing else is said.

use dtq_ebpf::asm::Assembler;
use dtq_ebpf::callee::Helper;
use dtq_ebpf::check::check;
use dtq_ebpf::insn::{Alu, AtomicOp, ByteOrder, Cond, Insn, Reg, Size, Width};
use dtq_ebpf::map::{MapDef, MapKind};
use dtq_ebpf::vm::{Input, Machine, Maps, Trap, TrapReason};

fn run_over(defs: &[MapDef], maps: &mut Maps, write: impl FnOnce(&mut Assembler), packet: &[u8]) -> Result<u64, Trap> {
    let mut asm = Assembler::default();
    write(&mut asm);
    let program = asm.finish();
    if let Err(violation) = check(&program, defs) {
        panic!("{violation}\n{}", dtq_ebpf::text::print(&program));
    }
    let input = Input { packet, context: &[0; 8], now_ns: 11, random: 12, steps_max: 10_000, ..Input::default() };
    Machine::new(&program, maps).run(&input).map(|outcome| outcome.result)
}

fn run(write: impl FnOnce(&mut Assembler)) -> Result<u64, Trap> {
    run_over(&[], &mut Maps::new(&[]), write, b"")
}

/// Returns what an operation on two numbers gives.
fn computed(width: Width, op: Alu, left: u64, right: u64) -> u64 {
    let result = run(|asm| {
        asm.mov_imm(Reg::R0, left);
        asm.mov_imm(Reg::R1, right);
        asm.add(Insn::Alu { width, op, dst: Reg::R0, src: Reg::R1.into() });
        asm.exit();
    });
    result.expect("arithmetic does not trap")
}

#[test]
fn division_never_traps() {
    let least = i64::MIN as u64;
    assert_eq!(computed(Width::Double, Alu::Div, 7, 0), 0);
    assert_eq!(computed(Width::Double, Alu::Mod, 7, 0), 7);
    assert_eq!(computed(Width::Double, Alu::SignedDiv, 7, 0), 0);
    assert_eq!(computed(Width::Double, Alu::SignedMod, 7, 0), 7);
    assert_eq!(computed(Width::Double, Alu::SignedDiv, least, u64::MAX), least);
    assert_eq!(computed(Width::Double, Alu::SignedMod, least, u64::MAX), 0);
    assert_eq!(computed(Width::Double, Alu::SignedDiv, -7_i64 as u64, 2), -3_i64 as u64);
    assert_eq!(computed(Width::Double, Alu::SignedMod, -7_i64 as u64, 2), -1_i64 as u64);
    // The upper half of what a word operation writes is zero, also where the divisor is 0.
    assert_eq!(computed(Width::Word, Alu::Mod, 0xffff_ffff_0000_0007, 1 << 32), 7);
}

#[test]
fn shifts_take_the_lower_bits_of_their_operand() {
    assert_eq!(computed(Width::Double, Alu::Lsh, 1, 65), 2);
    assert_eq!(computed(Width::Word, Alu::Lsh, 1, 33), 2);
    assert_eq!(computed(Width::Double, Alu::Arsh, i64::MIN as u64, 63), u64::MAX);
    assert_eq!(computed(Width::Word, Alu::Arsh, 0x8000_0000, 31), 0xffff_ffff);
    assert_eq!(computed(Width::Double, Alu::Rsh, u64::MAX, 63), 1);
}

#[test]
fn bytes_change_their_order_and_signs_are_extended() {
    let swap = |order, size| {
        run(|asm| {
            asm.mov_imm(Reg::R0, 0x1122_3344_5566_7788);
            asm.add(Insn::Swap { order, size, dst: Reg::R0 });
            asm.exit();
        })
        .unwrap()
    };
    assert_eq!(swap(ByteOrder::Big, Size::Half), 0x8877);
    assert_eq!(swap(ByteOrder::Little, Size::Word), 0x5566_7788);
    assert_eq!(swap(ByteOrder::Swapped, Size::Double), 0x8877_6655_4433_2211);
    let signed = |width, from| {
        run(|asm| {
            asm.mov_imm(Reg::R1, 0x80);
            asm.add(Insn::MovSigned { width, from, dst: Reg::R0, src: Reg::R1 });
            asm.exit();
        })
        .unwrap()
    };
    assert_eq!(signed(Width::Double, Size::Byte), -128_i64 as u64);
    assert_eq!(signed(Width::Word, Size::Byte), 0xffff_ff80);
    assert_eq!(signed(Width::Double, Size::Half), 0x80);
}

#[test]
fn atomics_give_what_was_there() {
    let result = run(|asm| {
        asm.store(Size::Double, Reg::FRAME, -8, 5);
        asm.mov(Reg::R2, 3);
        let add = |is_fetched| Insn::Atomic {
            size: Size::Double,
            op: AtomicOp::Add,
            is_fetched,
            base: Reg::FRAME,
            offset: -8,
            src: Reg::R2,
        };
        asm.add(add(false));
        asm.add(add(true));
        // r2 is 8 and memory 11; an exchange for 11 takes place, one for 8 does not.
        asm.mov(Reg::R0, 11);
        asm.mov(Reg::R3, 40);
        let exchange = Insn::Atomic {
            size: Size::Double,
            op: AtomicOp::CompareExchange,
            is_fetched: true,
            base: Reg::FRAME,
            offset: -8,
            src: Reg::R3,
        };
        asm.add(exchange);
        asm.mov(Reg::R0, 8);
        asm.mov(Reg::R3, 50);
        asm.add(exchange);
        asm.alu(Alu::Mul, Reg::R2, 1000);
        asm.alu(Alu::Add, Reg::R0, Reg::R2);
        asm.exit();
    });
    assert_eq!(result, Ok(8_040));
}

#[test]
fn maps_are_counted_into_and_keep_what_they_hold() {
    let defs = [MapDef::new("counts", MapKind::Hash, 4, 8, 2), MapDef::new("ring", MapKind::RingBuffer, 0, 0, 4096)];
    let mut maps = Maps::new(&defs);
    let count = |maps: &mut Maps, packet: &[u8]| {
        run_over(
            &defs,
            maps,
            |asm| {
                let (is_new, done) = (asm.label(), asm.label());
                asm.mov(Reg::R6, Reg::R1);
                asm.mov(Reg::R2, 0);
                asm.mov_frame(Reg::R3, -4);
                asm.mov(Reg::R4, 4);
                asm.call(Helper::SkbLoadBytes);
                asm.mov_map(Reg::R1, 0);
                asm.mov_frame(Reg::R2, -4);
                asm.call(Helper::MapLookup);
                asm.branch(Cond::Eq, Reg::R0, 0, is_new);
                asm.mov(Reg::R1, 1);
                asm.add(Insn::Atomic {
                    size: Size::Double,
                    op: AtomicOp::Add,
                    is_fetched: false,
                    base: Reg::R0,
                    offset: 0,
                    src: Reg::R1,
                });
                asm.mov(Reg::R0, 0);
                asm.jump(done);
                asm.bind(is_new);
                asm.store(Size::Double, Reg::FRAME, -16, 1);
                asm.mov_map(Reg::R1, 0);
                asm.mov_frame(Reg::R2, -4);
                asm.mov_frame(Reg::R3, -16);
                asm.mov(Reg::R4, 0);
                asm.call(Helper::MapUpdate);
                asm.bind(done);
                asm.mov(Reg::R7, Reg::R0);
                asm.mov_map(Reg::R1, 1);
                asm.mov_frame(Reg::R2, -4);
                asm.mov(Reg::R3, 4);
                asm.mov(Reg::R4, 0);
                asm.call(Helper::RingbufOutput);
                asm.mov(Reg::R0, Reg::R7);
                asm.exit();
            },
            packet,
        )
    };
    assert_eq!(count(&mut maps, b"aaaa"), Ok(0));
    assert_eq!(count(&mut maps, b"aaaa"), Ok(0));
    assert_eq!(count(&mut maps, b"bbbb"), Ok(0));
    // The map is full: -E2BIG.
    assert_eq!(count(&mut maps, b"cccc"), Ok(-7_i64 as u64));
    assert_eq!(maps.get(0, b"aaaa"), Some(&2u64.to_le_bytes()[..]));
    assert_eq!(maps.get(0, b"bbbb"), Some(&1u64.to_le_bytes()[..]));
    assert_eq!(maps.get(0, b"cccc"), None);
    assert_eq!(maps.take_records(1), [b"aaaa", b"aaaa", b"bbbb", b"cccc"]);
    // A packet that is too short leaves zeros, as the kernel does.
    assert_eq!(count(&mut maps, b"a"), Ok(-7_i64 as u64));
    assert_eq!(maps.take_records(1), [[0; 4]]);
}

#[test]
fn a_function_is_called_back_until_it_says_stop() {
    let turns = |stop_at: i32| {
        run(|asm| {
            let (body, stop) = (asm.label(), asm.label());
            asm.store(Size::Double, Reg::FRAME, -8, 0);
            asm.mov(Reg::R1, 10);
            asm.mov_function(Reg::R2, body);
            asm.mov_frame(Reg::R3, -8);
            asm.mov(Reg::R4, 0);
            asm.call(Helper::Loop);
            asm.load(Size::Double, Reg::R1, Reg::FRAME, -8);
            asm.alu(Alu::Mul, Reg::R0, 100);
            asm.alu(Alu::Add, Reg::R0, Reg::R1);
            asm.exit();
            asm.bind(body);
            asm.load(Size::Double, Reg::R3, Reg::R2, 0);
            asm.alu(Alu::Add, Reg::R3, Reg::R1);
            asm.store(Size::Double, Reg::R2, 0, Reg::R3);
            asm.mov(Reg::R0, 0);
            asm.branch(Cond::Ne, Reg::R1, stop_at, stop);
            asm.mov(Reg::R0, 1);
            asm.bind(stop);
            asm.exit();
        })
    };
    assert_eq!(turns(-1), Ok(1_045));
    assert_eq!(turns(3), Ok(406));
}

#[test]
fn what_the_kernel_would_refuse_traps() {
    let context_behind_its_end = run(|asm| {
        asm.load(Size::Double, Reg::R0, Reg::R1, 4);
        asm.exit();
    });
    assert!(matches!(context_behind_its_end.unwrap_err().reason, TrapReason::Access { size: 8, .. }));
    let null = run(|asm| {
        asm.mov(Reg::R1, 0);
        asm.load(Size::Byte, Reg::R0, Reg::R1, 0);
        asm.exit();
    });
    assert_eq!(null, Err(Trap { position: 1, reason: TrapReason::Access { address: 0, size: 1 } }));
    let endless = run(|asm| {
        let (again, out) = (asm.label(), asm.label());
        asm.mov(Reg::R0, 1);
        asm.bind(again);
        asm.branch(Cond::Eq, Reg::R0, 0, out);
        asm.jump(again);
        asm.bind(out);
        asm.exit();
    });
    assert_eq!(endless.unwrap_err().reason, TrapReason::OutOfSteps);
    let written_context = run(|asm| {
        asm.store(Size::Byte, Reg::R1, 0, 1);
        asm.mov(Reg::R0, 0);
        asm.exit();
    });
    assert!(matches!(written_context.unwrap_err().reason, TrapReason::Access { size: 1, .. }));
}

/// Returns what the check says of a program.
fn said(defs: &[MapDef], write: impl FnOnce(&mut Assembler)) -> String {
    let mut asm = Assembler::default();
    write(&mut asm);
    check(&asm.finish(), defs).expect_err("it is wrong").to_string()
}

#[test]
fn what_is_wrong_with_a_program_is_said_before_it_is_loaded() {
    let unwritten = said(&[], |asm| {
        let skip = asm.label();
        asm.branch(Cond::Eq, Reg::R1, 0, skip);
        asm.mov(Reg::R0, 0);
        asm.bind(skip);
        asm.exit();
    });
    assert_eq!(unwritten, "instruction 2: reads r0, to which nothing is written on some way");
    let lost = said(&[], |asm| {
        asm.call(Helper::KtimeGetNs);
        asm.load(Size::Word, Reg::R0, Reg::R1, 0);
        asm.exit();
    });
    assert_eq!(lost, "instruction 1: reads r1, to which nothing is written on some way");
    let falls_off = said(&[], |asm| asm.mov(Reg::R0, 0));
    assert_eq!(falls_off, "instruction 0: goes on outside its function");
    let dead = said(&[], |asm| {
        asm.mov(Reg::R0, 0);
        asm.exit();
        asm.exit();
    });
    assert_eq!(dead, "instruction 2: is never reached");
    let frame = said(&[], |asm| {
        asm.mov(Reg::FRAME, 0);
        asm.exit();
    });
    assert_eq!(frame, "instruction 0: writes the register of the stack frame");
    let deep = said(&[], |asm| {
        asm.store(Size::Double, Reg::FRAME, -516, 0);
        asm.exit();
    });
    assert_eq!(deep, "instruction 0: reads or writes 8 bytes at -516 of a stack of 512");
    let by_zero = said(&[], |asm| {
        asm.alu(Alu::Div, Reg::R1, 0);
        asm.exit();
    });
    assert_eq!(by_zero, "instruction 0: divides by 0");
    let far_shift = said(&[], |asm| {
        asm.alu32(Alu::Lsh, Reg::R1, 32);
        asm.exit();
    });
    assert_eq!(far_shift, "instruction 0: shifts by 32 of 32 bits");
    let no_map = said(&[], |asm| {
        asm.mov_map(Reg::R0, 0);
        asm.exit();
    });
    assert_eq!(no_map, "instruction 0: names map 0 of 0");
    let recursion = said(&[], |asm| {
        let own = asm.label();
        asm.call_function(own);
        asm.exit();
        asm.bind(own);
        asm.call_function(own);
        asm.exit();
    });
    assert_eq!(recursion, "instruction 2: is called in itself, or deeper than 8 calls");
    let stack = said(&[], |asm| {
        let inner = asm.label();
        asm.store(Size::Double, Reg::FRAME, -264, 0);
        asm.call_function(inner);
        asm.exit();
        asm.bind(inner);
        asm.store(Size::Double, Reg::FRAME, -256, 0);
        asm.mov(Reg::R0, 0);
        asm.exit();
    });
    assert_eq!(stack, "instruction 1: calls that need 544 bytes of stack, or nest 2 deep");
}

/// Runs a helper that reads memory of a process into eight bytes; returns them and what it gave.
fn user_read(helper: Helper, size: i32, address: u64) -> (Vec<u8>, i64) {
    let mut asm = Assembler::default();
    asm.store(Size::Word, Reg::FRAME, -4, 0);
    asm.mov_map(Reg::R1, 0);
    asm.mov_frame(Reg::R2, -4);
    asm.call(Helper::MapLookup);
    let missing = asm.label();
    asm.branch(Cond::Eq, Reg::R0, 0, missing);
    asm.mov(Reg::R1, Reg::R0);
    asm.mov(Reg::R2, size);
    asm.mov_imm(Reg::R3, address);
    asm.call(helper);
    asm.bind(missing);
    asm.exit();
    let program = asm.finish();
    let defs = [MapDef::new("to", MapKind::Array, 4, 8, 1)];
    check(&program, &defs).expect("the program is right");
    let mut maps = Maps::new(&defs);
    let input = Input { user: &[(1 << 40, b"one\0two")], steps_max: 100, ..Input::default() };
    let outcome = Machine::new(&program, &mut maps).run(&input).expect("it does not trap");
    (maps.get(0, &[0; 4]).expect("an array has a first value").to_vec(), outcome.result as i64)
}

/// Results as `copy_from_user_nofault` and `strncpy_from_user_nofault` of `mm/maccess.c` give them.
#[test]
fn memory_of_a_process_is_read_as_far_as_it_is_there() {
    let at = 1_u64 << 40;
    assert_eq!(user_read(Helper::ProbeReadUser, 4, at), (b"one\0\0\0\0\0".to_vec(), 0));
    assert_eq!(user_read(Helper::ProbeReadUser, 8, at), (vec![0; 8], -14));
    assert_eq!(user_read(Helper::ProbeReadUser, 1, 0), (vec![0; 8], -14));
    assert_eq!(user_read(Helper::ProbeReadUserStr, 8, at), (b"one\0\0\0\0\0".to_vec(), 4));
    assert_eq!(user_read(Helper::ProbeReadUserStr, 3, at), (b"on\0\0\0\0\0\0".to_vec(), 3));
    assert_eq!(user_read(Helper::ProbeReadUserStr, 4, at + 4), (b"two\0\0\0\0\0".to_vec(), 4));
    assert_eq!(user_read(Helper::ProbeReadUserStr, 8, at + 4), (vec![0; 8], -14));
    assert_eq!(user_read(Helper::ProbeReadUserStr, 8, u64::MAX), (vec![0; 8], -14));
}
