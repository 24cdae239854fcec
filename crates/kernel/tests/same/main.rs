//! Rules in the kernel against rules in user space, over generated, real and mutated payloads.
//!
//! A payload that the filter drops is one of which user space drops every record; where all of the rules went down as a
//! whole and nothing was undecided, one that it keeps is one that user space keeps. The filter runs in the interpreter of
//! `dtq-ebpf`, and in the running kernel where that may be done (said loudly where not): both give the same.
//!
//! `DTQ_CASES` sets how many rule sets are tried, each on `DTQ_PAYLOADS` payloads; `DTQ_SEED` makes another run.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod counts;

mod rates;

mod oracle;

mod payloads;

mod random;

mod rules;

mod runs;

use dtq_ebpf::filter::Front;
use dtq_ebpf::layout::Reason;
use dtq_ebpf::payload::Format;
use dtq_kernel::share::{ShareOptions, Shared, share};
use oracle::Oracle;
use random::Random;
use runs::{Live, Simulated, Verdict};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Counts what was compared.
#[derive(Debug, Default)]
struct Tally {
    sets: u64,
    in_vain: u64,
    payloads: u64,
    dropped: u64,
    kept: u64,
    undecided: u64,
    /// Undecided ones that user space drops, by the reason.
    missed: [u64; Reason::ALL.len() + 1],
    /// Payloads that user space drops.
    droppable: u64,
    live: u64,
}

#[test]
fn syslog_is_dropped_only_where_user_space_drops_it() {
    compare(Format::Syslog);
}

#[test]
fn json_is_dropped_only_where_user_space_drops_it() {
    compare(Format::Json);
}

#[test]
fn otlp_is_dropped_only_where_user_space_drops_it() {
    compare(Format::Otlp);
}

#[test]
fn an_edit_of_resources_keeps_up_what_reads_them() {
    let edit = "{name: edit, to: replace, kql: 'resources | extend Attributes = bag_set_key(Attributes, \"service.name\", \"x\")'}";
    let rule = |condition: &str| {
        format!(
            "apiVersion: dtq/v1\nrules:\n  - {edit}\n  - {{name: drops, to: drop, kql: 'logs | where {condition}'}}\n"
        )
    };
    for (condition, goes_down) in [("Resource[\"service.name\"] == \"y\"", false), ("SeverityNumber < 9", true)] {
        let oracle = Oracle::new(&rule(condition), Format::Otlp);
        let options = ShareOptions {
            format: Format::Otlp,
            front: Front::UnixDatagram,
            has_lease: false,
            reads_counts: true,
            minds_expiry: true,
        };
        let shared = share(oracle.set(), &options);
        assert_eq!(shared.filter.is_some(), goes_down, "{:?}", shared.rules);
    }
}

fn compare(format: Format) {
    let (cases, per_case, seed) = (number("DTQ_CASES", 60), number("DTQ_PAYLOADS", 40), number("DTQ_SEED", 1));
    let is_live = runs::may_load(format.name());
    let mut tally = Tally::default();
    for case in 0..cases {
        let mut random = Random::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(case));
        let yaml = rules::set(&mut random, format);
        let mut oracle = Oracle::new(&yaml, format);
        let options = ShareOptions {
            format,
            front: Front::UnixDatagram,
            has_lease: false,
            reads_counts: false,
            minds_expiry: true,
        };
        let shared = share(oracle.set(), &options);
        tally.sets += 1;
        let Some(filter) = &shared.filter else {
            tally.in_vain += 1;
            continue;
        };
        let mut simulated = Simulated::new(filter);
        let live = is_live.then(|| Live::new(filter, &yaml));
        for _ in 0..per_case {
            let payload = payloads::payload(&mut random, format);
            let verdict = simulated.run(&payload);
            check(&shared, verdict, &mut oracle, &payload, &yaml, &mut tally);
            if let Some(live) = &live {
                assert_eq!(live.run(&payload), verdict.result, "case {case}\n{yaml}\n{}", payload.escape_ascii());
                tally.live += 1;
            }
        }
        if let Some(live) = &live {
            assert_eq!(live.counts(), simulated.counts(), "case {case}\n{yaml}");
        }
    }
    println!("{}: {tally:?}", format.name());
    assert!(tally.dropped * 3 > tally.droppable, "{tally:?}: much that could be dropped is not");
    assert!(tally.kept * 20 > tally.payloads && tally.dropped * 20 > tally.payloads, "{tally:?}");
}

fn check(shared: &Shared, verdict: Verdict, oracle: &mut Oracle, payload: &[u8], yaml: &str, tally: &mut Tally) {
    let is_dropped = oracle.drops(payload);
    tally.payloads += 1;
    tally.droppable += u64::from(is_dropped);
    let context = || format!("{verdict:?}\n{yaml}\n{}", payload.escape_ascii());
    if verdict.is_dropped {
        tally.dropped += 1;
        assert!(is_dropped, "dropped where user space keeps: {}", context());
        return;
    }
    tally.undecided += u64::from(verdict.reason != 0);
    tally.missed[verdict.reason] += u64::from(is_dropped);
    tally.kept += u64::from(verdict.reason == 0);
    let is_whole = shared.rules.iter().all(|rule| rule.filter_rule.is_some() && rule.stays.is_empty());
    if is_whole && verdict.reason == 0 {
        assert!(!is_dropped, "surely kept where user space drops: {}", context());
    }
}
