//! Rules that set and remove keys of attributes, on the interpreter and as native code: requests leave byte for byte the
//! same, and accounts are the same.
//!
//! Records are made as bytes, some of them in ways in which few senders write them. `DTQ_CASES` sets how many pairs of
//! rule set and request are run.
#![allow(clippy::unwrap_used)]

mod common;

use common::{NOW, config, native, processor, rule_set};
use dtq_record::otlp::Signal;
use dtq_record::wire::{append_bytes_field, append_fixed64_field, append_varint, append_varint_field};
use dtq_rules::compile::RuleSet;
use dtq_rules::engine::{Account, Output};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;

const KEYS: [&str; 12] = ["a", "b", "ab", "", "tier", "secret", "k1", "k2", "k3", "k4", "k5", "k6"];
const TEXTS: [&str; 6] = ["gold", "x", "", "\u{e9}", "longer than most", "5"];

/// Holds the destination and the query of a rule.
type RuleText = (&'static str, String);

fn key() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => prop::sample::select(&KEYS[..6]), 1 => prop::sample::select(&KEYS[..])]
}

/// Returns what a key is set to, as KQL; most are constants.
fn put() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(&TEXTS[..]).prop_map(|text| format!("\"{text}\"")),
        1 => Just(format!("\"{}\"", "long ".repeat(40))),
        1 => prop::sample::select(&["5", "5.0", "-1", "true", "dynamic(null)", "todynamic('7')", "strcat('go', 'ld')"][..])
            .prop_map(str::to_owned),
        1 => Just("dynamic([1, 2])".to_owned()),
        1 => key().prop_map(|key| format!("Attributes[\"{key}\"]")),
        1 => Just("now()".to_owned()),
    ]
}

fn condition(signal: Signal) -> impl Strategy<Value = String> {
    let (number, text) = match signal {
        Signal::Logs => ("SeverityNumber > 9", "tostring(Body) == \"x\""),
        _ => ("Duration > 2tick", "SpanName == \"x\""),
    };
    prop_oneof![
        4 => (key(), prop::sample::select(&TEXTS[..]))
            .prop_map(|(key, text)| format!("Attributes[\"{key}\"] == \"{text}\"")),
        2 => key().prop_map(|key| format!("isnotnull(Attributes[\"{key}\"])")),
        2 => key().prop_map(|key| format!("Attributes[\"{key}\"] > 3")),
        2 => Just(number.to_owned()),
        1 => Just(text.to_owned()),
        1 => Just("Resource[\"service\"] == \"x\"".to_owned()),
        1 => key().prop_map(|key| format!("assert(Attributes[\"{key}\"] != \"gold\", \"no gold\")")),
        1 => Just("array_length(bag_keys(Attributes)) > 2".to_owned()),
        1 => Just("true".to_owned()),
    ]
}

/// Returns what `Attributes` becomes.
fn edited(signal: Signal) -> impl Strategy<Value = String> {
    let own = Just("Attributes".to_owned());
    own.prop_recursive(5, 12, 3, move |inner| {
        let removed = (inner.clone(), vec(key(), 0..3)).prop_map(|(bag, keys)| {
            let keys: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
            format!("bag_remove_keys({bag}, dynamic([{}]))", keys.join(", "))
        });
        prop_oneof![
            3 => (inner.clone(), key(), put()).prop_map(|(bag, key, put)| format!("bag_set_key({bag}, \"{key}\", {put})")),
            2 => removed,
            1 => (inner.clone(), key(), prop::sample::select(&TEXTS[..])).prop_map(|(bag, key, text)| {
                format!("bag_merge(dynamic({{\"{key}\": \"{text}\", \"k1\": 5}}), {bag})")
            }),
            2 => (condition(signal), inner.clone(), inner).prop_map(|(is, then, other)| format!("iff({is}, {then}, {other})")),
        ]
    })
}

fn rule(signal: Signal) -> impl Strategy<Value = RuleText> {
    let table = signal.table();
    let extends = move || {
        vec((condition(signal), edited(signal)), 1..4).prop_map(|edits| {
            let all = edits.iter().map(|(is, bag)| format!(" | extend Attributes = iff({is}, {bag}, Attributes)"));
            all.collect::<String>()
        })
    };
    prop_oneof![
        4 => extends().prop_map(move |edits| ("replace", format!("{table}{edits}"))),
        1 => edited(signal).prop_map(move |bag| ("replace", format!("{table} | extend Attributes = {bag}"))),
        1 => (condition(signal), edited(signal))
            .prop_map(move |(is, bag)| ("replace", format!("{table} | where {is} | extend Attributes = {bag}"))),
        1 => condition(signal).prop_map(move |is| ("drop", format!("{table} | where {is}"))),
        1 => condition(signal).prop_map(move |is| ("route:elsewhere", format!("{table} | where {is}"))),
    ]
}

fn yaml(rules: &[RuleText], on_error: &str) -> String {
    let mut text = "apiVersion: dtq/v1\nrules:\n".to_owned();
    for (at, (to, kql)) in rules.iter().enumerate() {
        text.push_str(&format!("  - name: r{at}\n    to: {to}\n    on_error: {on_error}\n    kql: |\n      {kql}\n"));
    }
    text
}

fn message(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    append_bytes_field(&mut out, number, content);
    out
}

/// Returns a field whose length has more bytes than it needs.
fn padded(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    append_varint(&mut out, u64::from(number) << 3 | 2);
    out.extend([content.len() as u8 & 0x7F | 0x80, (content.len() >> 7) as u8 | 0x80, 0]);
    out.extend_from_slice(content);
    out
}

/// Returns an `AnyValue`.
fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let varint = |number: u32, value: u64| {
        let mut out = Vec::new();
        append_varint_field(&mut out, number, value);
        out
    };
    let real = |value: f64| {
        let mut out = Vec::new();
        append_fixed64_field(&mut out, 4, value.to_bits());
        out
    };
    let text = || prop::sample::select(&TEXTS[..]).prop_map(|text| message(1, text.as_bytes()));
    prop_oneof![
        8 => text(),
        1 => Just(message(1, "long ".repeat(40).as_bytes())),
        1 => prop::sample::select(&[5, 7, u64::MAX][..]).prop_map(move |number| varint(3, number)),
        1 => Just(real(5.0)),
        1 => any::<bool>().prop_map(move |flag| varint(2, u64::from(flag))),
        1 => Just(Vec::new()),
        1 => text().prop_map(|text| message(5, &message(1, &text))),
        1 => Just(message(7, b"bytes")),
        1 => Just(padded(1, b"gold")),
        1 => (text(), text()).prop_map(|texts| [texts.0, texts.1].concat()),
    ]
}

/// Returns a `KeyValue`.
fn attribute() -> impl Strategy<Value = Vec<u8>> {
    let parts = (key(), any_value()).prop_map(|(key, value)| (message(1, key.as_bytes()), message(2, &value)));
    (parts, 0..24u8).prop_map(|((key, value), form)| match form {
        0 => [value, key].concat(),
        1 => key,
        2 => value,
        3 => [key, value, message(9, b"?")].concat(),
        4 => [key, value.clone(), value].concat(),
        5 => [&padded(1, &key[2..])[..], &value].concat(),
        6 => [&key[..], &padded(2, &value[value.len().min(2)..])].concat(),
        7 => [&[0x18, 3][..], &value].concat(),
        _ => [key, value].concat(),
    })
}

/// Returns a field that rules do not read, or not as an attribute.
fn other_field(signal: Signal) -> impl Strategy<Value = Vec<u8>> {
    let mut known = Vec::new();
    match signal {
        Signal::Logs => {
            append_varint_field(&mut known, 2, 17);
            known.extend(message(5, &message(1, b"x")));
        }
        _ => {
            known.extend(message(5, b"x"));
            append_fixed64_field(&mut known, 7, 1_760_000_000_000_000_000);
            append_fixed64_field(&mut known, 8, 1_760_000_000_000_000_900);
        }
    }
    prop_oneof![
        4 => Just(known),
        1 => Just(message(4, b"12345678")),
        1 => Just(message(15, b"")),
        1 => Just(message(100, b"unknown")),
        // A group, and a tag with padding.
        1 => Just(vec![0xA3, 0x06, 0x08, 0x05, 0xA4, 0x06]),
        1 => Just(vec![0xBA, 0x80, 0x00, 0x01, 0x2A]),
    ]
}

fn record(signal: Signal) -> impl Strategy<Value = Vec<u8>> {
    let number = if signal == Signal::Logs { 6 } else { 9 };
    let regular = (key(), prop::sample::select(&TEXTS[..])).prop_map(move |(key, text)| {
        message(number, &[message(1, key.as_bytes()), message(2, &message(1, text.as_bytes()))].concat())
    });
    let regular = regular.boxed();
    let field = prop_oneof![
        6 => regular.clone(),
        2 => attribute().prop_map(move |attribute| message(number, &attribute)),
        1 => attribute().prop_map(move |attribute| padded(number, &attribute)),
        2 => other_field(signal),
    ];
    // Most records are as encoders write them.
    let usual = vec(prop_oneof![4 => regular, 1 => other_field(signal)], 0..7);
    prop_oneof![2 => usual, 1 => vec(field, 0..7)].prop_map(|fields| fields.concat())
}

fn request(signal: Signal) -> impl Strategy<Value = Vec<u8>> {
    // Of many records some are decided together; most of them are regular then.
    let few = vec((record(signal), 0..20u8), 1..8);
    let many = vec((record(signal), 0..400u16).prop_map(|(record, form)| (record, form.min(20) as u8)), 8..70);
    let records = prop_oneof![3 => few, 1 => many];
    let scope = (records, any::<bool>()).prop_map(|(records, is_padded)| {
        let fields = records.into_iter().flat_map(|(mut record, form)| {
            if form == 0 {
                // What is behind the last field is cut.
                record.extend([0x3A, 0x7F, 0x00]);
            }
            if form == 1 { padded(2, &record) } else { message(2, &record) }
        });
        let scope = [message(1, &message(1, b"scope")), fields.collect(), message(3, b"url")].concat();
        if is_padded { padded(2, &scope) } else { message(2, &scope) }
    });
    vec((vec(scope, 1..3), prop::sample::select(&["x", "y"][..])), 1..3).prop_map(|resources| {
        let all = resources.into_iter().flat_map(|(scopes, service)| {
            let attribute = [message(1, b"service"), message(2, &message(1, service.as_bytes()))].concat();
            message(1, &[message(1, &message(1, &attribute)), scopes.concat()].concat())
        });
        all.collect()
    })
}

fn run(set: &Arc<RuleSet>, signal: Signal, is_native: bool, requests: &[Vec<u8>]) -> Vec<(Output, Vec<Account>)> {
    let mut processor = processor(set);
    if is_native {
        processor = native(processor, set);
    }
    let mut done = Vec::new();
    for request in requests {
        let outcome = processor.apply(signal, request, NOW, None);
        assert!(processor.totals().is_conserved(), "{:?}", processor.totals());
        done.push((outcome.output, processor.accounts()));
    }
    done
}

#[test]
fn a_key_that_some_records_were_given_is_read_as_what_they_were_given() {
    let kql = "logs | extend Attributes = iff(SeverityNumber > 9, bag_set_key(Attributes, \"tier\", \"gold\"), Attributes) \
               | extend Attributes = iff(Attributes[\"tier\"] == \"\", bag_remove_keys(Attributes, dynamic([\"a\"])), Attributes)";
    let set = rule_set(&yaml(&[("replace", kql.to_owned())], "pass"), false).unwrap();
    let attribute = message(6, &[message(1, b"a"), message(2, &message(1, b"x"))].concat());
    let request = message(1, &message(2, &message(2, &[vec![0x10, 17], attribute.clone()].concat())));
    let tier = message(6, &[message(1, b"tier"), message(2, &message(1, b"gold"))].concat());
    let expected = message(1, &message(2, &message(2, &[vec![0x10, 17], attribute, tier].concat())));
    for is_native in [false, true] {
        let (output, accounts) = run(&set, Signal::Logs, is_native, std::slice::from_ref(&request)).remove(0);
        assert_eq!((output, accounts[0].edited), (Output::Bytes(expected.clone()), 1), "{is_native}");
    }
}

fn case() -> impl Strategy<Value = (Signal, Vec<RuleText>, Vec<Vec<u8>>)> {
    prop::sample::select(&[Signal::Logs, Signal::Spans][..]).prop_flat_map(|signal| {
        // Of the only rule of a table it is not found out what is malformed behind what it reads: the second reads all.
        let reading = format!("{} | where Attributes[\"nowhere\"] == \"x\"", signal.table());
        let rules = vec(rule(signal), 1..7).prop_map(move |mut rules| {
            rules.push(("drop", reading.clone()));
            rules
        });
        (Just(signal), rules, vec(request(signal), 1..4))
    })
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn engines_edit_the_same((signal, rules, requests) in case(), is_protective in prop::bool::weighted(0.2)) {
        let text = yaml(&rules, if is_protective { "drop" } else { "pass" });
        let alone = rule_set(&text, true).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        let together = rule_set(&text, false).map_err(TestCaseError::fail)?;
        let expected = run(&alone, signal, false, &requests);
        for (name, set) in [("native code", &alone), ("native code with guards", &together)] {
            for (expected, other) in expected.iter().zip(run(set, signal, true, &requests)) {
                prop_assert_eq!(expected, &other, "{}\n{}", name, text);
            }
        }
    }
}
