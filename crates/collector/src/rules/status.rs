//! What runs, to what is said about it. Next: `control.rs`.

use crate::rules::governor::{Governor, shown_paths};
use crate::rules::protocol::{RuleEntry, RuleList, Status};
use dtq_rules::file::order;
use dtq_rules::file::rule::{Mode, Phase};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

impl Governor {
    /// Returns what runs, and since when.
    pub fn status(&self) -> Status {
        let report = self.worker.report();
        let shared = self.worker.shared();
        let counts = &shared.counts;
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let requests = json!({
            "judged": count(&counts.judged), "unjudged": count(&counts.unjudged), "failures": count(&counts.failures),
            "swaps": count(&counts.swaps), "owed_lost": count(&counts.owed_lost),
            "waiting_bytes": self.worker.waiting_bytes(),
        });
        let notices = shared.notices().iter().map(|notice| json!(notice)).collect();
        let inner = self.locked();
        Status {
            dtq: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            version: inner.current.version,
            since: inner.current.since.clone(),
            files: shown_paths(&self.settings.files),
            engine: report.engine.to_owned(),
            interpreted_because: shared.interpreted_because(),
            off: inner.state.off.iter().cloned().collect(),
            ripcord: inner.state.ripcord.as_ref().map(|ripcord| ripcord.since.clone()),
            ripcord_also_protective: inner.state.ripcord.as_ref().is_some_and(|ripcord| ripcord.also_protective),
            rolled_back: inner.state.pinned.is_some(),
            refused: inner.refused.clone(),
            versions: inner.kept.clone(),
            requests: object(&requests),
            totals: object(&report.totals),
            notices,
            problems: inner.problems.clone(),
        }
    }

    /// Returns each rule with its mode and account, in the order in which rules run.
    pub fn rule_list(&self) -> RuleList {
        let report = self.worker.report();
        let accounts: BTreeMap<&str, _> = report.rules.iter().map(|(name, account)| (name.as_str(), account)).collect();
        let inner = self.locked();
        let entry = |reference: order::RuleRef| {
            let by_file = &inner.current.loaded.files[reference.file].rules[reference.rule];
            let rule = &inner.current.effective[reference.file].rules[reference.rule];
            let name = &rule.name.value;
            let account = accounts.get(name.as_str());
            let because = match &inner.state.ripcord {
                Some(_) if rule.mode == Mode::Off && by_file.mode != Mode::Off && !inner.state.off.contains(name) => {
                    Some("the ripcord is pulled".to_owned())
                }
                _ if inner.state.off.contains(name) => Some("an operator turned it off".to_owned()),
                _ if rule.mode != by_file.mode => Some("an operator turned it on".to_owned()),
                _ => account
                    .and_then(|account| account.disabled.as_ref())
                    .map(|why| format!("it turned itself off: {why}")),
            };
            RuleEntry {
                name: name.clone(),
                mode: mode_text(rule.mode).to_owned(),
                because,
                phase: phase_text(rule.phase).to_owned(),
                is_protective: rule.is_protective(),
                account: account.map(object),
            }
        };
        let rules = order(&inner.current.loaded.files).into_iter().map(entry).collect();
        RuleList { version: inner.current.version, since: report.since.clone(), rules }
    }
}

/// How long the thread that judges may be silent before that is worth a word: it is asked every second.
const SILENCE: Duration = Duration::from_secs(10);

/// Returns what an operator should look at, without waiting.
pub(crate) fn troubles(governor: &Governor) -> Vec<String> {
    let mut troubles = Vec::new();
    let shared = governor.worker.shared();
    let silent_for = shared.silent_for();
    if silent_for > SILENCE {
        troubles.push(format!("the thread that judges was not seen alive for {} s", silent_for.as_secs()));
    }
    if let Some(orders) = governor.orders() {
        if orders.is_refused {
            let version = orders.version;
            troubles.push(format!("the rule files are wrong; version {version} goes on (`dtq ctl status` says why)"));
        }
        if orders.is_pulled {
            troubles.push("the ripcord is pulled: rules are off (`dtq ctl restore` lets them run)".to_owned());
        }
        if orders.is_rolled_back {
            troubles.push(format!("version {} runs because an operator went back to it", orders.version));
        }
        if orders.off_count > 0 {
            troubles.push(format!("rules that an operator turned off: {} (`dtq ctl rules`)", orders.off_count));
        }
        troubles.extend(orders.problems);
    }
    for (name, account) in &shared.last_report().rules {
        if let Some(why) = &account.disabled {
            troubles.push(format!("rule `{name}` turned itself off: {why} (`dtq ctl on {name}` lets it run)"));
        }
    }
    if let Some(why) = shared.interpreted_because() {
        troubles.push(format!("rules are interpreted, which costs more: {why}"));
    }
    troubles
}

fn mode_text(mode: Mode) -> &'static str {
    match mode {
        Mode::Off => "off",
        Mode::Observe => "observe",
        Mode::Enforce => "enforce",
    }
}

fn phase_text(phase: Phase) -> &'static str {
    match phase {
        Phase::Redact => "redact",
        Phase::Observe => "observe",
        Phase::Reduce => "reduce",
    }
}

/// Returns plain data as a JSON object.
fn object(data: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(data) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    }
}
