//! Accounts of rules to the text format of Prometheus.
//!
//! # Source
//! Prometheus documentation, "Exposition formats", the text-based format: escapes in label values are `\\`, `\"`, `\n`.

use crate::rules::worker::Shared;
use dtq_rules::engine::Account;
use std::fmt::Write;
use std::sync::atomic::Ordering;

/// A count of an account, with its name and what it counts.
type Family = (&'static str, &'static str, fn(&Account) -> u64);

const COUNTERS: [Family; 14] = [
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
    ("late_records", "Rows whose window was closed.", |account| account.late),
    ("within_rate_records", "Records within the rate of the rule.", |account| account.within_rate),
    ("error_records", "Records that the rule could not judge.", |account| account.errors),
    ("nanoseconds", "Time of the thread, estimated from samples.", |account| account.ns),
];

const GAUGES: [Family; 3] = [
    ("held_records", "Records held now.", |account| account.held),
    ("state_bytes", "Bytes remembered now.", |account| account.state_bytes),
    ("active", "1 while the rule runs, 0 when it turned itself off.", |account| u64::from(account.disabled.is_none())),
];

/// Appends what rules count, and what is counted besides.
pub(crate) fn append(shared: &Shared, waiting_bytes: usize, out: &mut String) {
    let report = shared.last_report();
    let rules: Vec<(String, &Account)> = report.rules.iter().map(|(name, account)| (escaped(name), account)).collect();
    let mut families = |all: &[Family], kind: &str, suffix: &str| {
        for (name, help, count) in all {
            let name = format!("dtq_rule_{name}{suffix}");
            let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
            for (rule, account) in &rules {
                let _ = writeln!(out, "{name}{{rule=\"{rule}\"}} {}", count(account));
            }
        }
    };
    families(&COUNTERS, "counter", "_total");
    families(&GAUGES, "gauge", "");
    let counts = &shared.counts;
    let single: [(&str, &str, &str, u64); 7] = [
        ("dtq_rules_version", "gauge", "The version of the rules that runs.", report.version),
        ("dtq_rules_waiting_bytes", "gauge", "Bytes of requests that wait to be judged.", waiting_bytes as u64),
        ("dtq_rules_judged_total", "counter", "Requests judged.", counts.judged.load(Ordering::Relaxed)),
        ("dtq_rules_unjudged_total", "counter", "Requests passed unjudged.", counts.unjudged.load(Ordering::Relaxed)),
        ("dtq_rules_failures_total", "counter", "Failures inside.", counts.failures.load(Ordering::Relaxed)),
        ("dtq_rules_swaps_total", "counter", "Times rules were replaced.", counts.swaps.load(Ordering::Relaxed)),
        ("dtq_rules_owed_lost_total", "counter", "Created requests lost.", counts.owed_lost.load(Ordering::Relaxed)),
    ];
    for (name, kind, help, value) in single {
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
    }
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
