//! Accounts of rules, and what is counted besides, to families of numbers.
//!
//! Waits for nobody: where an order is in work, what it may change has no numbers this time.

use crate::rules::governor::Governor;
use crate::rules::worker::Report;
use crate::telemetry::family::{Family, Kind, Value};
use dtq_rules::engine::Account;
use dtq_value::scalar::calendar;
use std::sync::atomic::{AtomicU64, Ordering};

/// A count of an account, with its name and what it counts.
type Row = (&'static str, &'static str, fn(&Account) -> u64);

const COUNTERS: [Row; 13] = [
    ("seen_records", "Records that came to the rule.", |account| account.seen),
    ("seen_bytes", "Bytes of the records seen.", |account| account.seen_bytes),
    ("matched_records", "Records that the query of the rule gives.", |account| account.matched),
    ("dropped_records", "Records removed.", |account| account.dropped),
    ("dropped_bytes", "Bytes of the records dropped.", |account| account.dropped_bytes),
    ("edited_records", "Records changed.", |account| account.edited),
    ("created_records", "Records and points made.", |account| account.created),
    ("consumed_records", "Records removed because a metric counts them.", |account| account.consumed),
    ("rerouted_records", "Records sent to a named output instead.", |account| account.rerouted),
    ("evicted_records", "Held records and rows lost for lack of room or time.", |account| account.evicted),
    ("late_records", "Rows that came after their window was closed or their time in a table was over.", |account| {
        account.late
    }),
    ("within_rate_records", "Records within the rate of the rule.", |account| account.within_rate),
    ("error_records", "Records that the rule could not judge.", |account| account.errors),
];

const GAUGES: [Row; 3] = [
    ("held_records", "Records held now.", |account| account.held),
    ("state_bytes", "Bytes remembered now.", |account| account.state_bytes),
    ("active", "1 while the rule runs, 0 when it turned itself off.", |account| u64::from(account.disabled.is_none())),
];

/// Returns all families of rules.
pub(crate) fn families(governor: &Governor) -> Vec<Family> {
    let shared = governor.worker.shared();
    let report = shared.last_report();
    let mut families = of_rules(&report);
    let counts = &shared.counts;
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let waiting_bytes = governor.worker.waiting_bytes() as u64;
    families.extend([
        Family::single("dtq_rules_version", Kind::Gauge, "The version of the rules that runs.", report.version),
        Family::single(
            "dtq_rules_waiting_bytes",
            Kind::Gauge,
            "Bytes of requests that wait to be judged.",
            waiting_bytes,
        ),
        Family::single("dtq_rules_judged_requests_total", Kind::Counter, "Requests judged.", count(&counts.judged)),
        Family::single(
            "dtq_rules_unjudged_requests_total",
            Kind::Counter,
            "Requests passed unjudged.",
            count(&counts.unjudged),
        ),
        Family::single("dtq_rules_failures_total", Kind::Counter, "Failures inside.", count(&counts.failures)),
        Family::single("dtq_rules_swaps_total", Kind::Counter, "Times rules were replaced.", count(&counts.swaps)),
        Family::single(
            "dtq_rules_owed_lost_requests_total",
            Kind::Counter,
            "Created requests lost.",
            count(&counts.owed_lost),
        ),
        Family::single(
            "dtq_rules_native",
            Kind::Gauge,
            "1 while native code evaluates conditions, 0 while the interpreter does.",
            u64::from(report.engine == "jit"),
        ),
        Family::single(
            "dtq_rules_silent_seconds",
            Kind::Gauge,
            "Seconds since the thread that judges was seen alive.",
            shared.silent_for().as_secs_f64(),
        ),
    ]);
    families.extend(of_orders(governor));
    families
}

fn of_rules(report: &Report) -> Vec<Family> {
    let families = |rows: &[Row], kind: Kind, suffix: &str| -> Vec<Family> {
        let family = |(name, help, count): &Row| {
            let family = Family::new(format!("dtq_rule_{name}{suffix}"), kind, help);
            report.rules.iter().fold(family, |family, (rule, account)| family.with(of_rule(rule), count(account)))
        };
        rows.iter().map(family).collect()
    };
    let mut all = families(&COUNTERS, Kind::Counter, "_total");
    let help = "Time of the thread, estimated from samples.";
    let cpu = Family::new("dtq_rule_cpu_seconds_total", Kind::Counter, help);
    let seconds = |account: &Account| account.ns as f64 / 1e9;
    all.push(report.rules.iter().fold(cpu, |cpu, (rule, account)| cpu.with(of_rule(rule), seconds(account))));
    all.extend(families(&GAUGES, Kind::Gauge, ""));
    all
}

fn of_rule(name: &str) -> Vec<(&'static str, String)> {
    vec![("rule", name.to_owned())]
}

/// Returns what operators ordered and what became of the files, unless an order is in work.
fn of_orders(governor: &Governor) -> [Family; 5] {
    let orders = governor.orders();
    let family = |name: &str, help: &'static str, value: Option<Value>| {
        let family = Family::new(name, Kind::Gauge, help);
        value.into_iter().fold(family, |family, value| family.with(Vec::new(), value))
    };
    let flag = |is: fn(&crate::rules::governor::Orders) -> bool| {
        orders.as_ref().map(|orders| Value::Whole(u64::from(is(orders))))
    };
    let since = orders
        .as_ref()
        .map(|orders| Value::Real(orders.since_ticks.saturating_sub(calendar::TICKS_UNIX_EPOCH) as f64 / 1e7));
    let off = orders.as_ref().map(|orders| Value::Whole(orders.off_count as u64));
    [
        family(
            "dtq_rules_refused",
            "1 while the rule files are wrong and an earlier version runs.",
            flag(|o| o.is_refused),
        ),
        family("dtq_rules_ripcord", "1 while the ripcord is pulled.", flag(|o| o.is_pulled)),
        family("dtq_rules_rolled_back", "1 while an operator has an earlier version run.", flag(|o| o.is_rolled_back)),
        family("dtq_rules_off", "Rules that an operator turned off.", off),
        family("dtq_rules_loaded_timestamp_seconds", "When the version that runs was loaded.", since),
    ]
}
