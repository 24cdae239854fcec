//! Ring buffers: what programs wrote is read once, in order, also while they write and where the buffer ends.

use crate::{ETHERNET_SIZE, load, may_load};
use dtq_ebpf::asm::Assembler;
use dtq_ebpf::callee::Helper;
use dtq_ebpf::insn::{Cond, Reg, Size};
use dtq_ebpf::{MapDef, MapKind};
use dtq_kernel::{Map, Program, RingReader};
use std::time::Duration;

/// The largest record.
const RECORD_SIZE_MAX: usize = 256;

/// Returns a ring buffer of a page, and a program that writes so many first bytes of a packet into it as its first byte
/// says, and returns what the helper returned.
fn writer() -> (Map, Program) {
    let def = MapDef::new("records", MapKind::RingBuffer, 0, 0, 4096);
    let map = Map::create(&def).expect("programs may be loaded, and so may maps");
    let mut asm = Assembler::default();
    let failed = asm.label();
    let start = -(RECORD_SIZE_MAX as i32);
    asm.mov(Reg::R6, Reg::R1);
    // The whole area, so that none of it is read before it was written.
    for offset in (0..RECORD_SIZE_MAX as i16).step_by(8) {
        asm.store(Size::Double, Reg::FRAME, start as i16 + offset, 0);
    }
    asm.mov(Reg::R2, 0);
    asm.mov_frame(Reg::R3, start);
    asm.mov(Reg::R4, 16);
    asm.call(Helper::SkbLoadBytes);
    asm.branch(Cond::Ne, Reg::R0, 0, failed);
    asm.load(Size::Byte, Reg::R3, Reg::FRAME, start as i16);
    asm.mov_map(Reg::R1, 0);
    asm.mov_frame(Reg::R2, start);
    asm.mov(Reg::R4, 0);
    asm.call(Helper::RingbufOutput);
    asm.bind(failed);
    asm.exit();
    let program = asm.finish();
    let map = [map];
    let loaded = load(&program, &map);
    let [map] = map;
    (map, loaded)
}

/// Returns the packet that is written as a record with this size and number.
fn packet(size: u8, number: u64) -> Vec<u8> {
    let mut packet = vec![0; ETHERNET_SIZE + 16];
    packet[ETHERNET_SIZE] = size;
    packet[ETHERNET_SIZE + 1..ETHERNET_SIZE + 9].copy_from_slice(&number.to_le_bytes());
    packet
}

/// Returns the size of the record of a number: from 9 bytes to the largest.
fn size_of_record(number: u64) -> u8 {
    9 + (number.wrapping_mul(0x9e37_79b9) >> 7) as u8 % 240
}

fn check(record: &[u8], number: u64) {
    assert_eq!(record.len(), usize::from(size_of_record(number)), "record {number}");
    assert_eq!((record[0], &record[1..9]), (size_of_record(number), &number.to_le_bytes()[..]), "record {number}");
    assert!(record[9..].iter().all(|byte| *byte == 0), "record {number}");
}

#[test]
fn records_are_read_once_and_in_order() {
    if !may_load("records_are_read_once_and_in_order") {
        return;
    }
    let (map, program) = writer();
    let mut reader = RingReader::new(&map).unwrap();
    assert!(!reader.wait(Duration::ZERO).unwrap());
    assert_eq!(reader.drain(10, |_| panic!("there is none")), Ok(0));
    let (mut written, mut read, mut refused) = (0_u64, 0_u64, 0_u64);
    // The sizes move the records over the end of the page many times.
    for turn in 0..2_000_u64 {
        for _ in 0..turn % 7 {
            let result = program.test_run(&packet(size_of_record(written), written), 1).unwrap().result;
            match result {
                0 => written += 1,
                _ => refused += 1,
            }
        }
        // Some of the time it is left to fill up.
        if turn % 100 < 80 {
            assert_eq!(reader.wait(Duration::ZERO).unwrap(), written > read);
            let taken = reader.drain(3, |record| {
                check(record, read);
                read += 1;
            });
            assert!(taken.unwrap() <= 3);
        }
    }
    let taken = reader.drain(usize::MAX, |record| {
        check(record, read);
        read += 1;
    });
    assert!(taken.is_ok());
    assert_eq!(read, written);
    assert!(written > 3_000 && refused > 100, "{written} written, {refused} refused");
    assert!(!reader.wait(Duration::ZERO).unwrap());
}

#[test]
fn another_thread_reads_while_programs_write() {
    if !may_load("another_thread_reads_while_programs_write") {
        return;
    }
    const COUNT: u64 = 20_000;
    let (map, program) = writer();
    let mut reader = RingReader::new(&map).unwrap();
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let mut read = 0;
            while read < COUNT {
                assert!(reader.wait(Duration::from_secs(10)).unwrap(), "record {read} does not come");
                reader
                    .drain(usize::MAX, |record| {
                        check(record, read);
                        read += 1;
                    })
                    .unwrap();
            }
        });
        let mut written = 0;
        while written < COUNT && !reading.is_finished() {
            if program.test_run(&packet(size_of_record(written), written), 1).unwrap().result == 0 {
                written += 1;
            }
        }
        reading.join().unwrap();
    });
}

#[test]
fn a_reader_goes_on_where_the_last_one_ended() {
    if !may_load("a_reader_goes_on_where_the_last_one_ended") {
        return;
    }
    let (map, program) = writer();
    (0..5).for_each(|number| assert_eq!(program.test_run(&packet(20, number), 1).unwrap().result, 0));
    let mut numbers = Vec::new();
    let mut first = RingReader::new(&map).unwrap();
    assert_eq!(first.drain(2, |record| numbers.push(record[1])), Ok(2));
    drop(first);
    // The reader stays when the map's own descriptor is closed.
    let mut second = RingReader::new(&map).unwrap();
    drop((map, program));
    assert_eq!(second.drain(usize::MAX, |record| numbers.push(record[1])), Ok(3));
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
}

#[test]
fn only_a_ring_buffer_is_read_as_one() {
    if !may_load("only_a_ring_buffer_is_read_as_one") {
        return;
    }
    let map = Map::create(&MapDef::new("array", MapKind::Array, 4, 8, 4096)).unwrap();
    let error = RingReader::new(&map).unwrap_err().to_string();
    assert!(error.contains("no ring buffer"), "{error}");
}
