//! Records in slots, one by one as a program emits them: what is kept of their resources and scopes never shows.
#![allow(clippy::unwrap_used)]

mod common;

use common::{NOW, native, processor, rule_set};
use dtq_record::otlp::Signal;
use dtq_record::slot::{Buffers, Slot};
use dtq_record::tables::Base;
use dtq_record::wire::{append_bytes_field, append_message_field};
use dtq_rules::engine::{Processor, SlotBuffers, SlotVerdict};
use std::sync::Arc;

/// Returns what is made of a record of a service and a logger, by a judge of its own.
fn judge(processor: &mut Processor, (service, logger): (&str, &str), severity: u8, ticks: i64) -> SlotVerdict {
    let plan = processor.rules().base(Base::Logs).plan.clone();
    let (mut resource, mut scope) = (Vec::new(), Vec::new());
    append_message_field(&mut resource, 1, |out| {
        append_bytes_field(out, 1, b"service.name");
        append_message_field(out, 2, |out| append_bytes_field(out, 1, service.as_bytes()));
    });
    append_bytes_field(&mut scope, 1, logger.as_bytes());
    let record = [0x10, severity];
    let mut slots = vec![Slot::MISSING; plan.slot_count()];
    plan.fill_resource(&resource, &mut slots).unwrap();
    plan.fill_scope(&scope, &mut slots).unwrap();
    plan.fill_record(&record, &mut slots).unwrap();
    let buffers = Buffers { record: &record, resource: &resource, scope: &scope, ..Buffers::default() };
    let buffers = SlotBuffers::new(buffers);
    let mut judge = processor.slot_judge(Signal::Logs, ticks);
    judge.enter(&slots, &buffers);
    judge.judge(&slots, &buffers)
}

fn text(rules: &[&str]) -> String {
    let rules: String = rules.iter().map(|rule| format!("  - {{{rule}}}\n")).collect();
    format!("apiVersion: dtq/v1\nrules:\n{rules}")
}

/// Returns a processor on each engine.
fn both(rules: &[&str]) -> [Processor; 2] {
    let set = rule_set(&text(rules), false).unwrap();
    [processor(&set), native(processor(&set), &set)]
}

const OF_SERVICE: &str = "name: service, to: drop, kql: 'logs | where tostring(Resource[\"service.name\"]) endswith \"7\" and SeverityNumber between (1 .. 8)'";
const OF_LOGGER: &str = "name: logger, to: drop, kql: 'logs | where tostring(Scope.Name) startswith_cs \"noisy\"'";
const LOW: &str = "name: low, to: drop, kql: logs | where SeverityNumber between (1 .. 4)";

#[test]
fn each_resource_and_scope_is_decided_for_itself_however_many_there_are() {
    for mut processor in both(&[OF_SERVICE, OF_LOGGER, LOW]) {
        for round in 0..3 {
            for at in 0..100 {
                // One of a size that is not kept, and texts that end where the next begins.
                let service = if at == 50 { "long".repeat(2_000) + "7" } else { format!("{at}") };
                let logger = format!("{}{}", ["noisy", "calm"][at % 2], at / 10);
                let verdict = judge(&mut processor, (&service, &logger), 5 + round % 2, NOW);
                let expected = match (service.ends_with('7'), at % 2) {
                    (true, _) => SlotVerdict::Removed(0),
                    (false, 0) => SlotVerdict::Removed(1),
                    _ => SlotVerdict::Pass,
                };
                assert_eq!(verdict, expected, "{at}");
            }
        }
        assert_eq!(judge(&mut processor, ("", "noisy"), 3, NOW), SlotVerdict::Removed(1));
        assert_eq!(judge(&mut processor, ("noisy", ""), 3, NOW), SlotVerdict::Removed(2));
    }
}

#[test]
fn a_rule_takes_part_until_its_time_is_over_and_again_where_the_clock_goes_back() {
    const SECOND: i64 = 10_000_000;
    // The first of two at a time, then the second, then none.
    let rule = |name: &str, second: i64| {
        let time = dtq_value::scalar::format::datetime(NOW + second * SECOND);
        format!("name: {name}, to: drop, expires: {time}, kql: logs | where SeverityNumber < 9")
    };
    let rules = [rule("first", 10), rule("second", 20)];
    for mut processor in both(&[&rules[0], &rules[1]]) {
        let mut at = |second: i64| judge(&mut processor, ("", ""), 5, NOW + second * SECOND);
        let expected = [
            (0, SlotVerdict::Removed(0)),
            (9, SlotVerdict::Removed(0)),
            (10, SlotVerdict::Removed(1)),
            (19, SlotVerdict::Removed(1)),
            (20, SlotVerdict::Pass),
            (5, SlotVerdict::Removed(0)),
            (1_000_000, SlotVerdict::Pass),
            (15, SlotVerdict::Removed(1)),
        ];
        for (second, verdict) in expected {
            assert_eq!(at(second), verdict, "{second}");
        }
        assert_eq!(judge(&mut processor, ("", ""), 5, i64::MAX), SlotVerdict::Pass);
        assert_eq!(judge(&mut processor, ("", ""), 5, i64::MIN), SlotVerdict::Removed(0));
    }
}

#[test]
fn nothing_is_kept_from_the_rules_before() {
    let sets = [LOW, OF_LOGGER].map(|rule| rule_set(&text(&[rule]), false).unwrap());
    let mut processor = processor(&sets[0]);
    for round in 0..4 {
        let verdict = if round % 2 == 0 { SlotVerdict::Removed(0) } else { SlotVerdict::Pass };
        assert_eq!(judge(&mut processor, ("", "calm"), 3, NOW), verdict);
        // Native code comes later.
        let set = &sets[round % 2];
        processor = native(processor, set);
        assert_eq!(judge(&mut processor, ("", "calm"), 3, NOW), verdict);
        processor.swap(Arc::clone(&sets[(round + 1) % 2]), NOW);
    }
}

#[test]
fn a_rule_that_turned_itself_off_takes_part_no_more() {
    const SLOW: &str = "name: slow, to: drop, limits: {ns_per_record: 1}, kql: logs | where SeverityNumber < 9";
    for mut processor in both(&[SLOW]) {
        assert_eq!(judge(&mut processor, ("", ""), 5, NOW), SlotVerdict::Removed(0));
        let ns = std::cell::Cell::new(0);
        let clock = || ns.replace(ns.get() + 5_000);
        let request = [0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 17].repeat(128);
        for second in 0..60 {
            processor.apply(Signal::Logs, &request, NOW + second * 10_000_000, Some(&clock));
        }
        assert!(processor.accounts()[0].disabled.is_some());
        assert_eq!(judge(&mut processor, ("", ""), 5, NOW), SlotVerdict::Pass);
    }
}

#[test]
fn a_rule_over_resources_leaves_records_undecided_until_it_ends() {
    let time = dtq_value::scalar::format::datetime(NOW + 10);
    let of_resources =
        format!("name: of-resources, to: drop, expires: {time}, kql: 'resources | where Attributes has \"x\"'");
    for mut processor in both(&[&of_resources, LOW]) {
        assert_eq!(judge(&mut processor, ("", ""), 3, NOW), SlotVerdict::Undecided);
        assert!(matches!(judge(&mut processor, ("", ""), 3, NOW + 10), SlotVerdict::Removed(_)));
        assert_eq!(judge(&mut processor, ("", ""), 3, NOW), SlotVerdict::Undecided);
    }
}
