//! OTLP logs in a datagram: what the code reads is what user space reads of the same bytes.
#![allow(clippy::unwrap_used)]

#[path = "support/mod.rs"]
mod support;

#[path = "support/otlp.rs"]
mod requests;

use dtq_ebpf::emit::SCRATCH_MAP;
use dtq_ebpf::layout;
use dtq_ebpf::vm::Maps;
use requests::{Random, paths, reading};
use support::DROPPED;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn what_is_read_is_what_user_space_reads() {
    let (cases, seed) = (number("DTQ_CASES", 20_000), number("DTQ_SEED", 1));
    let mut random = Random::new(seed);
    let seeds = requests::requests(&mut random);
    let paths = paths();
    let reading = reading(&paths);
    let mut maps = Maps::new(&reading.maps);
    let mut other_maps = Maps::new(&reading.maps);
    let mut counts = requests::Counts::default();
    for case in 0..cases as usize {
        let mut payload = seeds[case % seeds.len()].clone();
        if case >= seeds.len() {
            requests::damage(&mut payload, &mut random);
        }
        let said = reading.run(&mut maps, &payload);
        if let Err(difference) = requests::compare(&paths, &payload, &said, &mut counts) {
            panic!("case {case}: {difference}\n{payload:02x?}");
        }
        if case < seeds.len() {
            assert!(said.result == DROPPED, "case {case}: {}, {payload:02x?}", said.result);
        }
        if case % 8 == 0 {
            // What earlier payloads left in the scratch changes nothing, whatever it is.
            let garbage = if case % 16 == 0 { 0xFF } else { 0x0A };
            assert!(other_maps.set(SCRATCH_MAP as usize, &[0; 4], &[garbage; layout::SIZE]));
            assert_eq!(reading.run(&mut other_maps, &payload), said, "case {case}: {payload:02x?}");
        }
    }
    println!("{counts:?}");
    assert!(counts.dropped * 4 > counts.payloads && counts.undecided * 20 < counts.fields, "{counts:?}");
}
