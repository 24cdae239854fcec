//! Many rules whose guards are looked for together, on the interpreter and as native code, against the same rules each
//! looking by itself: nothing differs. Nor does it with code that other sets had before.
//!
//! `DTQ_CASES` sets how many pairs of rule set and request are run.
#![allow(clippy::unwrap_used)]

use dtq_record::otlp::Signal;
use dtq_record::otlp::index::RequestIndex;
use dtq_record::slot::{Buffers, Slot};
use dtq_record::tables::Base;
use dtq_record::wire::append_bytes_field;
use dtq_rules::compile::{Options, RuleSet, compile};
use dtq_rules::engine::{Account, Emission, Output, Processor, SlotBuffers, SlotVerdict};
use dtq_rules::file::{self, NoFiles};
use dtq_rules::native::NativeSet;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use prost::Message;
use std::sync::Arc;

const NOW: i64 = 639_000_000_000_000_000;
/// Texts that overlap, contain and nearly equal one another.
const WORDS: [&str; 10] = ["time", "timeout", "out", "TimeOut", "outage", "age", "a", "\u{e9}t\u{e9}", "k", "5"];

/// The text of a value inside an array, which is made unreadable.
const BROKEN: &str = "BROKEN";

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => prop::sample::select(&WORDS[..]).prop_map(str::to_owned),
        1 => Just(String::new()),
        1 => Just("\u{212a}".to_owned()),
    ]
}

fn subject() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&[
        "Body",
        "tostring(Body)",
        "SeverityText",
        "EventName",
        "Attributes[\"a\"]",
        "Attributes[\"b\"]",
        "tostring(Attributes[\"b\"])",
        "Resource[\"service\"]",
        "Scope.Name",
        "TraceId",
    ])
}

/// Returns what is compared with integers; a text may hold one.
fn number() -> impl Strategy<Value = &'static str> {
    let subjects =
        ["SeverityNumber", "Attributes[\"a\"]", "tolong(Attributes[\"a\"])", "toint(Attributes[\"b\"])", "Body"];
    prop::sample::select(subjects.to_vec())
}

/// Returns a condition; some can fail, some have no guard.
fn condition() -> impl Strategy<Value = String> {
    let operators = &[
        "contains",
        "contains_cs",
        "has",
        "has_cs",
        "startswith",
        "startswith_cs",
        "endswith",
        "==",
        "=~",
        "!=",
        "!contains",
        "hasprefix_cs",
        "matches regex",
    ];
    let leaf = prop_oneof![
        8 => (subject(), prop::sample::select(&operators[..]), word())
            .prop_map(|(subject, operator, word)| match (operator, subject) {
                ("matches regex" | "=~", subject) => format!("tostring({subject}) {operator} \"{word}\""),
                _ => format!("{subject} {operator} \"{word}\""),
            }),
        2 => (subject(), vec(word(), 1..4)).prop_map(|(subject, words)| {
            let list: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            format!("tostring({subject}) in ({})", list.join(", "))
        }),
        1 => (0..24i32, prop::sample::select(&[">=", "<", "==", ">", "<="][..]))
            .prop_map(|(bound, operator)| format!("SeverityNumber {operator} {bound}")),
        1 => (0..24i32).prop_map(|most| format!("Attributes[\"a\"] > {most}")),
        2 => (number(), vec(0..24i32, 1..3)).prop_map(|(subject, numbers)| match numbers.as_slice() {
            [only] => format!("{subject} == {only}"),
            several => format!("{subject} in ({})", several.iter().map(i32::to_string).collect::<Vec<_>>().join(", ")),
        }),
        1 => subject().prop_map(|subject| format!("isnotempty({subject})")),
        2 => Just("assert(SeverityNumber < 20, 'too severe')".to_owned()),
        1 => Just("rand() < 0.5".to_owned()),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            3 => (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} and {right})")),
            3 => (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} or {right})")),
            1 => inner.prop_map(|one| format!("not({one})")),
        ]
    })
}

#[derive(Clone, Debug)]
struct Rule {
    conditions: Vec<String>,
    /// What it does.
    kind: u8,
    key: String,
    word: String,
}

fn rule() -> impl Strategy<Value = Rule> {
    (vec(condition(), 1..4), 0..9u8, prop::sample::select(&["a", "b", "c"][..]), word())
        .prop_map(|(conditions, kind, key, word)| Rule { conditions, kind, key: key.to_owned(), word })
}

fn yaml(rules: &[Rule]) -> String {
    let mut text = "apiVersion: dtq/v1\nrules:\n".to_owned();
    for (at, rule) in rules.iter().enumerate() {
        let Rule { conditions, kind, key, word } = rule;
        let where_all = format!("logs | where {}", conditions.join(" | where "));
        let (settings, query) = match kind {
            0 => ("    to: drop\n".to_owned(), where_all),
            1 => ("    to: drop\n    mode: observe\n".to_owned(), where_all),
            2 => ("    to: route:elsewhere\n    copy: true\n".to_owned(), where_all),
            3 => ("    to: replace\n".to_owned(), where_all),
            4 => (
                "    to: logs\n".to_owned(),
                format!("{where_all} | project Body = todynamic(\"{word}\"), SeverityNumber = toint(24)"),
            ),
            5 => ("    to: table:t\n    for: 5m\n    key: x\n".to_owned(), format!("{where_all} | project x = 1")),
            _ => (
                "    to: replace\n    phase: redact\n".to_owned(),
                format!(
                    "logs | extend Attributes = iff({}, bag_set_key(Attributes, \"{key}\", \"{word}\"), Attributes)",
                    conditions.join(" and ")
                ),
            ),
        };
        let settings = settings.replace("table:t", &format!("table:t{at}"));
        text.push_str(&format!("  - name: r{at}\n{settings}    kql: |\n      {query}\n"));
    }
    text
}

fn rule_set(text: &str, is_unoptimized: bool) -> Result<Arc<RuleSet>, String> {
    let options = file::Options { now_ticks: NOW, ..file::Options::default() };
    let (read, diagnostics) = file::read("rules.yaml", text.as_bytes(), &NoFiles, &options);
    if !read.is_complete {
        return Err(format!("{diagnostics:?}"));
    }
    let compiled = compile(&[read], &Options { now_ticks: NOW, is_unoptimized, ..Options::default() });
    compiled.set.map(Arc::new).ok_or_else(|| format!("{:?}", compiled.diagnostics))
}

fn processor(set: &Arc<RuleSet>) -> Processor {
    Processor::new(Arc::clone(set), &dtq_rules::engine::Options { start_ticks: NOW, random_seed: 1 })
}

/// Returns the processor with native code.
fn native(mut processor: Processor, set: &Arc<RuleSet>) -> Processor {
    let native = NativeSet::compile(set).unwrap();
    assert!(processor.use_native(Arc::new(native)));
    processor
}

/// Returns the processor with the native code of its conditions, as far as it can be that of another set.
fn native_after(mut processor: Processor, set: &Arc<RuleSet>, before: &NativeSet) -> Processor {
    let native = NativeSet::begin(set, Some(before)).unwrap();
    assert!(processor.use_native(Arc::new(native)));
    processor
}

fn any_of(value: Any) -> Option<AnyValue> {
    Some(AnyValue { value: Some(value) })
}

fn text() -> impl Strategy<Value = String> {
    (vec(word(), 0..4), prop::sample::select(&[" ", "", "-"][..])).prop_map(|(words, between)| words.join(between))
}

fn value() -> impl Strategy<Value = Option<AnyValue>> {
    prop_oneof![
        6 => text().prop_map(|text| any_of(Any::StringValue(text))),
        2 => (-1..9i64).prop_map(|number| any_of(Any::IntValue(number))),
        1 => (-1..9i64).prop_map(|number| any_of(Any::StringValue(number.to_string()))),
        1 => (-1..9i32).prop_map(|number| any_of(Any::DoubleValue(number.into()))),
        1 => Just(any_of(Any::BoolValue(true))),
        1 => text().prop_map(|text| any_of(Any::BytesValue(text.into_bytes()))),
        1 => Just(any_of(Any::ArrayValue(ArrayValue {
            values: any_of(Any::StringValue(BROKEN.to_owned())).into_iter().collect()
        }))),
        1 => text().prop_map(|text| {
            any_of(Any::ArrayValue(ArrayValue { values: any_of(Any::StringValue(text)).into_iter().collect() }))
        }),
        1 => Just(Some(AnyValue::default())),
        1 => Just(None),
    ]
}

fn record() -> impl Strategy<Value = LogRecord> {
    let attribute = (prop::sample::select(&["a", "b", "c"][..]), value()).prop_map(|(key, value)| KeyValue {
        key: key.to_owned(),
        value,
        ..KeyValue::default()
    });
    (value(), vec(attribute, 0..4), 0..24i32, text(), text()).prop_map(
        |(body, attributes, severity_number, severity_text, event_name)| LogRecord {
            body,
            attributes,
            severity_number,
            severity_text,
            event_name,
            time_unix_nano: 1_760_000_000_000_000_000,
            ..LogRecord::default()
        },
    )
}

/// Returns where values stand that are to become unreadable.
fn broken_places(bytes: &[u8]) -> Vec<usize> {
    (1..bytes.len()).filter(|at| bytes[*at..].starts_with(BROKEN.as_bytes())).collect()
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    vec((text(), vec(record(), 1..8)), 1..3).prop_map(|groups| {
        let resource_logs = groups.into_iter().map(|(service, log_records)| ResourceLogs {
            resource: Some(Resource {
                attributes: vec![KeyValue {
                    key: "service".to_owned(),
                    value: any_of(Any::StringValue(service)),
                    ..KeyValue::default()
                }],
                ..Resource::default()
            }),
            scope_logs: vec![ScopeLogs { log_records, ..ScopeLogs::default() }],
            ..ResourceLogs::default()
        });
        let mut bytes = ExportLogsServiceRequest { resource_logs: resource_logs.collect() }.encode_to_vec();
        let broken: Vec<usize> = broken_places(&bytes);
        // The length in front of the text now reaches past the end of its array.
        broken.into_iter().for_each(|at| bytes[at - 1] = 0x7F);
        bytes
    })
}

/// What a processor did: what left, what else left, and the accounts.
type Done = (Output, Vec<Emission>, Vec<Account>);

fn run(mut processor: Processor, requests: &[Vec<u8>]) -> Vec<Done> {
    let mut done = Vec::new();
    for request in requests {
        let outcome = processor.apply(Signal::Logs, request, NOW, None);
        assert!(processor.totals().is_conserved(), "{:?}", processor.totals());
        done.push((outcome.output, outcome.emissions, processor.accounts()));
    }
    done
}

fn config() -> ProptestConfig {
    let cases = std::env::var("DTQ_CASES").ok().and_then(|text| text.parse().ok());
    let rng_seed = if cases.is_some() { RngSeed::Random } else { RngSeed::Fixed(1) };
    ProptestConfig { cases: cases.unwrap_or(300), failure_persistence: None, rng_seed, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn engines_give_the_same(
        mut rules in prop_oneof![1 => vec(rule(), 1..2), 2 => vec(rule(), 1..40)],
        requests in vec(request(), 1..3),
        is_stateless in any::<bool>(),
    ) {
        if is_stateless {
            // Rules that make records or remember them need the time of each.
            rules.iter_mut().filter(|rule| matches!(rule.kind, 4 | 5)).for_each(|rule| rule.kind = 0);
        }
        let text = yaml(&rules);
        let alone = rule_set(&text, true).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        let together = rule_set(&text, false).map_err(TestCaseError::fail)?;
        let expected = run(processor(&alone), &requests);
        let before = NativeSet::compile(&alone).unwrap();
        let fewer = rule_set(&yaml(&rules[rules.len() / 3..]), false).map_err(TestCaseError::fail)?;
        let of_fewer = NativeSet::begin(&fewer, None).unwrap();
        for (name, other) in [
            ("guards", processor(&together)),
            ("native code", native(processor(&alone), &alone)),
            ("native code with guards", native(processor(&together), &together)),
            ("code of the same rules", native_after(processor(&together), &together, &before)),
            ("code of some of the rules", native_after(processor(&together), &together, &of_fewer)),
        ] {
            for (expected, other) in expected.iter().zip(run(other, &requests)) {
                prop_assert_eq!(expected, &other, "{}\n{}", name, text);
            }
        }
    }

    #[test]
    fn slots_are_judged_as_requests(
        mut rules in vec(rule(), 1..12),
        requests in vec(request(), 1..3),
    ) {
        // The others leave every record undecided.
        rules.iter_mut().filter(|rule| matches!(rule.kind, 4 | 5)).for_each(|rule| rule.kind = 0);
        let text = yaml(&rules);
        let alone = rule_set(&text, true).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        let together = rule_set(&text, false).map_err(TestCaseError::fail)?;
        for (name, mut judging) in [
            ("interpreter", processor(&together)),
            ("native code", native(processor(&together), &together)),
        ] {
            for request in &requests {
                for (judged, single) in judge(&mut judging, request) {
                    let expected = run(processor(&alone), std::slice::from_ref(&single)).swap_remove(0);
                    prop_assert!(is_so(&judged, &expected, &single), "{}: {:?}, {:?}\n{}", name, judged, expected, text);
                }
            }
        }
    }
}

/// What is made of a record in slots: the verdict, and the rules that matched.
type Judged = (SlotVerdict, Vec<usize>);

/// Returns what is made of each record of a request that can be read, with each a request of that record alone.
fn judge(processor: &mut Processor, request: &[u8]) -> Vec<(Judged, Vec<u8>)> {
    let plan = processor.rules().base(Base::Logs).plan.clone();
    let mut judge = processor.slot_judge(Signal::Logs, NOW);
    let mut slots = vec![Slot::MISSING; judge.slot_count()];
    let mut index = RequestIndex::default();
    let mut judged = Vec::new();
    if index.read(Signal::Logs, request).is_err() {
        return judged;
    }
    for entry in index.resources() {
        let resource = entry.resource.map_or(&[][..], |place| place.content(request));
        for scope in entry.scopes.range() {
            let scope_entry = index.scopes()[scope];
            let scope = scope_entry.scope.map_or(&[][..], |place| place.content(request));
            let is_filled =
                plan.fill_resource(resource, &mut slots).is_ok() && plan.fill_scope(scope, &mut slots).is_ok();
            let around = Buffers { resource, scope, ..Buffers::default() };
            judge.enter(&slots, &SlotBuffers::new(around));
            for record in scope_entry.records.range() {
                let record = index.records()[record].place.content(request);
                if is_filled && plan.fill_record(record, &mut slots).is_ok() {
                    let verdict = judge.judge(&slots, &SlotBuffers::new(Buffers { record, ..around }));
                    judged.push(((verdict, judge.matched().to_vec()), single(resource, scope, record)));
                }
            }
        }
    }
    judged
}

/// Returns the request of one record.
fn single(resource: &[u8], scope: &[u8], record: &[u8]) -> Vec<u8> {
    let (mut scope_logs, mut resource_logs, mut request) = (Vec::new(), Vec::new(), Vec::new());
    append_bytes_field(&mut scope_logs, 1, scope);
    append_bytes_field(&mut scope_logs, 2, record);
    append_bytes_field(&mut resource_logs, 1, resource);
    append_bytes_field(&mut resource_logs, 2, &scope_logs);
    append_bytes_field(&mut request, 1, &resource_logs);
    request
}

/// Says whether what was made of a record's slots is what is made of its request.
fn is_so((verdict, matched): &(SlotVerdict, Vec<usize>), (output, emissions, accounts): &Done, request: &[u8]) -> bool {
    let of = |count: fn(&Account) -> u64| -> Vec<usize> {
        (0..accounts.len()).filter(|rule| count(&accounts[*rule]) > 0).collect()
    };
    let is_unchanged = *output == Output::Unchanged || *output == Output::Bytes(request.to_vec());
    let is_told = *matched == of(|account| account.matched) && of(|account| account.errors).is_empty();
    match verdict {
        SlotVerdict::Undecided => matched.is_empty(),
        SlotVerdict::Pass => is_told && is_unchanged && emissions.is_empty(),
        SlotVerdict::Removed(rule) => is_told && *output == Output::Empty && of(|account| account.dropped) == [*rule],
    }
}
