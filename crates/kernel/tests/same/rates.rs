//! Rules that drop above a rate: the kernel lets through what the buckets of user space let through at the same times.

use crate::number;
use crate::oracle::Oracle;
use crate::random::Random;
use crate::runs::{self, Live, Simulated};
use dtq_ebpf::filter::Front;
use dtq_ebpf::payload::Format;
use dtq_interp::RowIdentity;
use dtq_kernel::share::{ShareOptions, Shared, share};
use dtq_rules::state::bounds::{Bounds, KeyShape};
use dtq_rules::state::rate::{Rate, RateLimiter, RateSpec};
use dtq_value::{Type, Value};

const FRONT: Front = Front::UnixDatagram;
const HOSTS: [&str; 4] = ["web", "web-1", "a-host-with-a-longer-name", "shop"];

fn rules(rate: &str, burst: u64, key: &str, more: &str) -> String {
    format!(
        "apiVersion: dtq/v1\nrules:\n{more}  - {{name: cap, to: drop, tiers: [kernel], {key}above: {{rate: {rate}, burst: {burst}}}, \
         kql: 'logs | where SeverityNumber < 17'}}\n"
    )
}

fn shared(yaml: &str) -> (Oracle, Shared) {
    // As it runs: what the optimizer makes of conditions is looked through.
    let oracle = Oracle::with(yaml, Format::Syslog, false);
    let options =
        ShareOptions { format: Format::Syslog, front: FRONT, has_lease: false, reads_counts: true, minds_expiry: true };
    let shared = share(oracle.set(), &options);
    (oracle, shared)
}

#[test]
fn the_kernel_lets_through_what_buckets_let_through() {
    // What a record takes is a whole number of ticks, so that both count in the same steps.
    let rates =
        [("500/s", 500, 10_000_000), ("1/s", 1, 10_000_000), ("40/m", 40, 600_000_000), ("1/5m", 1, 3_000_000_000)];
    let (mut within, mut above) = (0, 0);
    for case in 0..number("DTQ_CASES", 60) {
        let mut random = Random::new(number("DTQ_SEED", 1).wrapping_mul(0x9E37_79B9).wrapping_add(case ^ 0xA7));
        let (text, count, per_ticks) = random.pick(&rates);
        let burst = 1 + random.below(8) as u64;
        let is_keyed = random.one_in(2);
        let key = if is_keyed { "key: 'tostring(Resource[\"host.name\"])', " } else { "" };
        let (_, shared) = shared(&rules(text, burst, key, ""));
        let filter = shared.filter.as_ref().unwrap_or_else(|| panic!("{:?}", shared.rules));
        let mut simulated = Simulated::new(filter);
        let mut limiter = RateLimiter::new(RateSpec {
            key: KeyShape { expression: "key".into(), types: vec![Type::String] },
            rate: Rate { count, per_ticks, burst },
            bounds: Bounds { entries_max: 1_000, bytes_max: 1 << 20 },
        });
        let interval_ticks = per_ticks / count as i64;
        let mut now_ticks = 1_000_000_000_i64;
        for _ in 0..number("DTQ_PAYLOADS", 40) * 4 {
            now_ticks +=
                interval_ticks * random.below(5) as i64 / random.pick(&[1, 2, 4, 8]) * i64::from(random.one_in(2));
            let host = random.pick(&HOSTS);
            let severity = if random.one_in(5) { 0 } else { 7 };
            let payload = format!("<{}>1 2026-10-11T22:14:15.003Z {host} app 7 ID47 - text", 8 + severity);
            let verdict = simulated.run_at(payload.as_bytes(), now_ticks as u64 * 100);
            let key = RowIdentity(vec![Value::string(if is_keyed { host } else { "" })]);
            let is_dropped = severity == 7 && !limiter.admit(&key, now_ticks);
            assert_eq!(verdict.is_dropped, is_dropped, "case {case}: {text}, burst {burst}, at {now_ticks}");
            (within, above) = (within + u64::from(severity == 7 && !is_dropped), above + u64::from(is_dropped));
        }
    }
    println!("{within} within rates, {above} above them: the same in both");
    assert!(within > 100 && above > 100);
}

#[test]
fn a_rate_holds_in_the_kernel_and_what_is_above_it_is_counted() {
    let more = "  - {name: count, to: metrics, metrics: {n: {name: lines, type: sum}}, \
                kql: 'logs | project n = 1, host = tostring(Resource[\"host.name\"])'}\n";
    let yaml = rules("1/5m", 100, "key: 'tostring(Resource[\"host.name\"])', ", more);
    let (_, shared) = shared(&yaml);
    let filter = shared.filter.as_ref().unwrap_or_else(|| panic!("{:?}", shared.rules));
    assert!(shared.rules[1].down.iter().any(|text| text.contains("by the time of arrival")), "{:?}", shared.rules);
    if !runs::may_load("a_rate_holds_in_the_kernel_and_what_is_above_it_is_counted") {
        return;
    }
    let mut live = Live::new(filter, &yaml);
    for host in HOSTS {
        let payload = format!("<15>1 2026-10-11T22:14:15.003Z {host} app 7 ID47 - text");
        let kept = (0..1_000).filter(|_| live.run(payload.as_bytes()) != 0).count();
        assert_eq!(kept, 100, "a burst, and nothing more within five minutes");
    }
    let rows = live.take(filter, &shared.readings);
    assert_eq!(rows.iter().map(|row| row.records).collect::<Vec<_>>(), [900; 4]);
}

#[test]
fn a_share_is_drawn() {
    let yaml = "apiVersion: dtq/v1\nrules:\n  - {name: most, to: drop, tiers: [kernel], \
                kql: 'logs | where SeverityNumber < 17 and rand() < 0.75'}\n";
    let (_, shared) = shared(yaml);
    let filter = shared.filter.as_ref().unwrap_or_else(|| panic!("{:?}", shared.rules));
    assert!(shared.rules[0].down.iter().any(|text| text.starts_with("drawn with a probability of 0.75")), "{shared:?}");
    let [low, high] = [15, 8].map(|priority| format!("<{priority}>1 2026-10-11T22:14:15.003Z web app 7 ID47 - text"));
    let mut simulated = Simulated::new(filter);
    for (random, is_dropped) in [(0, true), (0xBFFF_FFFF, true), (0xC000_0000, false), (u32::MAX, false)] {
        simulated.random = random;
        assert_eq!(simulated.run(low.as_bytes()).is_dropped, is_dropped, "{random:#x}");
        assert!(!simulated.run(high.as_bytes()).is_dropped);
    }
    if !runs::may_load("a_share_is_drawn") {
        return;
    }
    let live = Live::new(filter, yaml);
    let runs = 40_000;
    let dropped = (0..runs).filter(|_| live.run(low.as_bytes()) == 0).count();
    // Six standard deviations: 6 * sqrt(40,000 * 0.75 * 0.25) is 520.
    assert!(dropped.abs_diff(30_000) < 520, "{dropped} of {runs}");
}

#[test]
fn what_cannot_be_limited_in_the_kernel_says_why() {
    for (yaml, why) in [
        (rules("1/s", 1, "key: 'tolower(tostring(Resource[\"host.name\"]))', ", ""), "its key is no single text"),
        (
            rules("1/s", 1, "", "").replace("SeverityNumber < 17", "SeverityNumber < 17 or rand() < 0.5"),
            "a part of its condition",
        ),
        (rules("1/s", 1, "", "").replace("tiers: [kernel], ", ""), "its `tiers` leave out"),
        (
            "apiVersion: dtq/v1\nrules: [{name: half, to: drop, kql: 'logs | where rand() < 0.5'}]\n".to_owned(),
            "user space would draw again",
        ),
    ] {
        let (_, shared) = shared(&yaml);
        let rule = &shared.rules[0];
        let said = format!("{:?} {:?}", rule.reason, rule.stays);
        assert!(rule.filter_rule.is_none() && said.contains(why), "{yaml}\n{rule:?}");
    }
}

#[test]
fn what_counts_what_it_removes_stays_up_where_nobody_reads_counts() {
    let yaml = "apiVersion: dtq/v1\nrules: [{name: lines, to: metrics, consume: true, metrics: {n: {name: lines, type: sum}}, \
                kql: 'logs | project n = 1'}]\n";
    let oracle = Oracle::with(yaml, Format::Syslog, false);
    for reads_counts in [true, false] {
        let options =
            ShareOptions { format: Format::Syslog, front: FRONT, has_lease: false, reads_counts, minds_expiry: true };
        let shared = share(oracle.set(), &options);
        assert_eq!(shared.filter.is_some(), reads_counts, "{:?}", shared.rules);
    }
}
