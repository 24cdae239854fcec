//! F1 to F4 on decoded records: other engines beside code written by hand, in one run.
//!
//! Each engine gets the records in the form that it wants, made before anything is measured; how many records match is
//! compared with the code by hand.

mod by_wirefilter;

mod by_cel;

#[cfg(feature = "vrl")]
mod by_vrl;

use dtq_workload::hand::decoded::{F3, F4, f1, f2};
use dtq_workload::measure::{self, Case, Measured};
use dtq_workload::slots::{self, Slots};
use dtq_workload::{records, requests};
use std::hint::black_box;

/// Records and passes of the two regimes: from memory, and from the caches next to the processor.
const REGIMES: [(&str, usize, usize); 2] = [("stream", 100_000, 1), ("cached", 4_096, 25)];

/// Returns a case that counts the records of which something holds.
pub fn count<'a, R>(name: String, records: &'a [R], holds: impl Fn(&R) -> bool + 'a) -> Case<'a> {
    Case::new(name, records.len(), move || black_box(records).iter().map(|record| u64::from(holds(record))).sum())
}

fn by_hand(slots: &[Slots]) -> Vec<Case<'_>> {
    let (f3, f4) = (F3::default(), F4::default());
    vec![
        count("F1: hand".to_owned(), slots, f1),
        count("F2: hand".to_owned(), slots, f2),
        count("F3: hand".to_owned(), slots, move |record| f3.holds(record)),
        count("F4: hand".to_owned(), slots, move |record| f4.holds(record)),
    ]
}

fn main() {
    for (name, record_count, passes) in REGIMES {
        let requests = requests::encode(&records::make(record_count));
        let slots = slots::decode_all(&requests);
        println!("{name}: {} records, nanoseconds a record", slots.len());
        let mut all = measure::all(&mut by_hand(&slots), passes);
        all.extend(by_wirefilter::measure(&slots, passes));
        all.extend(by_cel::measure(&slots, passes));
        #[cfg(feature = "vrl")]
        all.extend(by_vrl::measure(&requests, passes));
        print(&all);
    }
}

/// Prints the cases of each question together, with how many times the code by hand they cost.
///
/// # Panics
/// When two engines differ about how many records match.
fn print(all: &[Measured]) {
    for question in ["F1", "F2", "F3", "F4"] {
        let cases: Vec<&Measured> = all.iter().filter(|case| case.name.starts_with(question)).collect();
        let hand = cases[0];
        for case in &cases {
            assert_eq!(case.count, hand.count, "{} matches another number of records than {}", case.name, hand.name);
            println!("{:24} {:10.2} {:8.1}x", case.name, case.ns, case.ns / hand.ns);
        }
    }
}
