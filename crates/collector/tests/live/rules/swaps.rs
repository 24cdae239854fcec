//! Rule sets that replace each other while requests come.

use crate::common::*;
use dtq_collector::pipeline::{Judge, Judgement};
use dtq_collector::rules::protocol::Request;
use dtq_record::otlp::Signal;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// Two rules that say the same word: a record with two words was judged by half a set.
fn pair(word: &str) -> String {
    let rule = |key: &str| {
        format!(
            "  - name: {key}\n    to: replace\n    kql: logs | extend Attributes = bag_set_key(Attributes, '{key}', '{word}')\n"
        )
    };
    format!("{}{}", rule("first"), rule("second"))
}

#[test]
fn a_thousand_swaps_under_load_lose_nothing_and_split_no_record() {
    let place = Place::new(&pair("a"));
    let (rules, _owed) = place.start();
    // Orders make the swaps: `off` and `on` of a third rule, beside the two words, of which files say others now and then.
    let rules = Arc::new(rules);
    let (ends, swaps, saw_both) = (AtomicBool::new(false), AtomicU64::new(0), AtomicBool::new(false));
    let (mut sent, mut came, mut words) = (0, 0, BTreeSet::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let governor = rules.governor();
            let who = dtq_collector::rules::governor::Who::Files;
            let start = Instant::now();
            // Longer where requests have to wait for a processor until they have met both words.
            for round in 0.. {
                if round >= 1_000 && (saw_both.load(Ordering::Acquire) || start.elapsed() > DEADLINE) {
                    break;
                }
                place.write(&pair(if round % 2 == 0 { "b" } else { "a" }));
                let answer = governor.reload(who);
                assert!(answer.ok, "{answer:?}");
                swaps.fetch_add(1, Ordering::Relaxed);
            }
            ends.store(true, Ordering::Release);
        });
        runtime().block_on(async {
            while !ends.load(Ordering::Acquire) {
                let batch: Vec<(i32, String)> = (0..20).map(|at| (9, (sent + at).to_string())).collect();
                let batch: Vec<(i32, &str)> = batch.iter().map(|(severity, body)| (*severity, body.as_str())).collect();
                let request = request(&batch);
                let judged = rules.judge(Signal::Logs, request.clone()).await;
                assert!(matches!(judged.output, Judgement::Changed(_)));
                for (at, record) in left(&request, &judged).iter().enumerate() {
                    assert_eq!(body(record), (sent + at).to_string());
                    let both: Vec<String> = record.attributes.iter().map(|one| format!("{:?}", one.value)).collect();
                    assert_eq!((both.len(), &both[0]), (2, &both[1]));
                    words.insert(both[0].clone());
                    came += 1;
                }
                sent += 20;
                saw_both.store(words.len() == 2, Ordering::Release);
            }
        });
    });
    let swaps = swaps.load(Ordering::Relaxed);
    assert_eq!((sent, swaps >= 1_000, words.len()), (came, true, 2));
    let status = place.status();
    assert_eq!(status.requests["swaps"], swaps);
    assert_eq!(status.requests["failures"], 0);
    assert_eq!(status.totals["records_in"], sent);
    assert_eq!(status.versions.len(), 16);
}

#[test]
fn counts_and_memory_of_rules_go_on_over_a_swap() {
    let counting = |limit: u32| {
        format!(
            "  - name: calm\n    to: drop\n    tiers: [collector]\n    above: {{rate: 2/1h, burst: 2}}\n    \
             kql: logs | where SeverityNumber < {limit}\n"
        )
    };
    let place = Place::new(&counting(9));
    let (rules, _owed) = place.start();
    let debug = request(&[(5, "1"), (5, "2"), (5, "3")]);
    assert_eq!(bodies(&rules, &debug), ["1", "2"]);
    place.write(&counting(10));
    place.until(|status| status.version == 2);
    assert_eq!(bodies(&rules, &debug), Vec::<String>::new());
    let list = place.done(&Request::Rules).result;
    assert_eq!(list["rules"][0]["account"]["dropped"], 4);
}

#[test]
fn native_code_comes_when_it_is_compiled() {
    let place = Place::new(&pair("a"));
    let (_rules, _owed) = place.start();
    let is_ready = |status: &dtq_collector::rules::protocol::Status| {
        status.engine == "jit" || status.interpreted_because.is_some()
    };
    place.until(is_ready);
    place.done(&Request::Off { rule: "first".into() });
    place.until(is_ready);
}
