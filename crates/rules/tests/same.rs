//! Many rules whose guards are looked for together, on the interpreter and as native code, against the same rules each
//! looking by itself, and against rule sets of one rule each, one behind the other: nothing differs. Nor does it with code
//! that other sets had before.
//!
//! `DTQ_CASES` sets how many cases are run, `DTQ_REQUESTS` how many requests each may have. Each test prints how many
//! pairs of rule and record it has compared.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use common::{NOW, config, native, number, processor, rule_set};
use dtq_record::otlp::Signal;
use dtq_record::otlp::index::RequestIndex;
use dtq_record::slot::{Buffers, Slot};
use dtq_record::tables::Base;
use dtq_record::wire::append_bytes_field;
use dtq_rules::compile::RuleSet;
use dtq_rules::engine::{Account, Emission, Output, Processor, SlotBuffers, SlotVerdict};
use dtq_rules::native::NativeSet;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use prost::Message;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Texts that overlap, contain and nearly equal one another.
const WORDS: [&str; 11] =
    ["time", "TIMEOUT", "timeout", "out", "TimeOut", "outage", "age", "a", "\u{e9}t\u{e9}", "k", "5"];

/// The text of a value inside an array, which is made unreadable.
const BROKEN: &str = "BROKEN";

/// The event name of a record that is made unreadable as a whole.
const UNREADABLE: &str = "UNREADABLE";

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => prop::sample::select(&WORDS[..]).prop_map(str::to_owned),
        // What one rule writes another looks for.
        5 => prop::sample::select(&WORDS[..2]).prop_map(str::to_owned),
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
fn integer() -> impl Strategy<Value = &'static str> {
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
        2 => (integer(), vec(0..24i32, 1..3)).prop_map(|(subject, numbers)| match numbers.as_slice() {
            [only] => format!("{subject} == {only}"),
            several => format!("{subject} in ({})", several.iter().map(i32::to_string).collect::<Vec<_>>().join(", ")),
        }),
        1 => subject().prop_map(|subject| format!("isnotempty({subject})")),
        2 => Just("assert(SeverityNumber < 20, 'too severe')".to_owned()),
        1 => Just("assert(Resource[\"service\"] != 'time', 'not this one')".to_owned()),
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
    is_protective: bool,
}

impl Rule {
    fn is_random(&self) -> bool {
        self.conditions.iter().any(|condition| condition.contains("rand"))
    }

    /// Says whether it removes what it cannot judge.
    fn is_protective(&self) -> bool {
        self.is_protective && matches!(self.kind, 0 | 3 | 7..)
    }
}

fn rule() -> impl Strategy<Value = Rule> {
    let protective = prop::bool::weighted(0.1);
    (vec(condition(), 1..4), 0..10u8, prop::sample::select(&["a", "b", "c"][..]), word(), protective).prop_map(
        |(conditions, kind, key, word, is_protective)| Rule {
            conditions,
            kind,
            key: key.to_owned(),
            word,
            is_protective,
        },
    )
}

/// Returns a rule of comparisons alone, which a scan of its records may decide.
fn plain_rule() -> impl Strategy<Value = Rule> {
    let comparison = prop_oneof![
        3 => (prop::sample::select(&["Attributes[\"a\"]", "SeverityText", "EventName"][..]), word(), any::<bool>())
            .prop_map(|(subject, word, is_equal)| format!("{subject} {} \"{word}\"", if is_equal { "==" } else { "!=" })),
        2 => (1..5i32, prop::sample::select(&[">=", "<", "==", ">", "<="][..]))
            .prop_map(|(bound, operator)| format!("SeverityNumber {operator} {bound}")),
    ];
    // What the resource decides makes records be read in part.
    let condition = (comparison, word(), 0..4u8).prop_map(|(comparison, word, kind)| match kind {
        0 => format!("(Resource[\"service\"] == \"{word}\" or {comparison})"),
        1 => format!("(Resource[\"service\"] == \"{word}\" and {comparison})"),
        _ => comparison,
    });
    (vec(condition, 1..4), rule(), any::<bool>()).prop_map(|(conditions, rule, is_protective)| match is_protective {
        true => Rule { conditions, kind: 0, is_protective, ..rule },
        false => Rule { conditions, ..rule },
    })
}

/// Returns a rule of one int, which guards look for beside others; a long wraps around to one.
fn int_rule() -> impl Strategy<Value = Rule> {
    let subject = prop::sample::select(&["Attributes[\"a\"]", "Attributes[\"b\"]", "Body"][..]);
    (subject, 0..4i32, rule())
        .prop_map(|(subject, number, rule)| Rule { conditions: vec![format!("toint({subject}) == {number}")], ..rule })
}

/// Returns some rules: one, some, or more than one word has bits, of which few remove records.
fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let many = vec(rule(), 65..150).prop_map(|mut rules| {
        rules.iter_mut().skip(1).filter(|rule| matches!(rule.kind, 0 | 3 | 6)).for_each(|rule| rule.kind = 1);
        rules
    });
    let few = prop_oneof![vec(rule(), 1..4), vec(plain_rule(), 1..4)];
    prop_oneof![
        6 => few,
        2 => vec(int_rule(), 4..9),
        8 => vec(rule(), 1..40),
        1 => many,
    ]
}

fn yaml(rules: &[Rule]) -> String {
    let mut text = "apiVersion: dtq/v1\nrules:\n".to_owned();
    for (at, rule) in rules.iter().enumerate() {
        let Rule { conditions, kind, key, word, .. } = rule;
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
            6 => ("    to: drop\n    key: SeverityText\n    above: {rate: 1/s, burst: 2}\n".to_owned(), where_all),
            _ => (
                "    to: replace\n    phase: redact\n".to_owned(),
                format!(
                    "logs | extend Attributes = iff({}, bag_set_key(Attributes, \"{key}\", \"{word}\"), Attributes)",
                    conditions.join(" and ")
                ),
            ),
        };
        let settings = settings.replace("table:t", &format!("table:t{at}"));
        let on_error = if rule.is_protective() { "    on_error: drop\n" } else { "" };
        text.push_str(&format!("  - name: r{at}\n{settings}{on_error}    kql: |\n      {query}\n"));
    }
    text
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
        // As an int, the same number as those above.
        1 => (-1..4i64).prop_map(|number| any_of(Any::IntValue(number + (1 << 32)))),
        1 => (-1..9i64).prop_map(|number| any_of(Any::StringValue(number.to_string()))),
        1 => (-1..9i32).prop_map(|number| any_of(Any::DoubleValue(number.into()))),
        1 => Just(any_of(Any::BoolValue(true))),
        1 => text().prop_map(|text| any_of(Any::BytesValue(text.into_bytes()))),
        2 => Just(any_of(Any::ArrayValue(ArrayValue {
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
    let event_name = prop_oneof![30 => text(), 1 => Just(UNREADABLE.to_owned())];
    (value(), vec(attribute, 0..4), prop_oneof![0..24i32, 0..6i32], text(), event_name).prop_map(
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
    let is_broken = |at: &usize| [BROKEN, UNREADABLE].iter().any(|text| bytes[*at..].starts_with(text.as_bytes()));
    (1..bytes.len()).filter(is_broken).collect()
}

fn service() -> impl Strategy<Value = String> {
    prop_oneof![1 => Just("time".to_owned()), 3 => text()]
}

/// Returns the records of a scope, sometimes so many that they are decided together.
fn records() -> impl Strategy<Value = Vec<LogRecord>> {
    let many = (vec(record(), 4..16), 8..80usize)
        .prop_map(|(some, count)| some.iter().cycle().take(count).cloned().collect::<Vec<_>>());
    prop_oneof![3 => vec(record(), 1..8), 1 => many]
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    vec((service(), records()), 1..3).prop_map(encoded)
}

/// Returns the request of records below services; values that are to become unreadable are.
fn encoded(groups: Vec<(String, Vec<LogRecord>)>) -> Vec<u8> {
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

fn requests() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(request(), 1..number("DTQ_REQUESTS").map_or(3, |count| count + 1))
}

/// Returns a rule set that finds guards together, and one that does not.
fn both_sets(text: &str) -> Result<[Arc<RuleSet>; 2], TestCaseError> {
    let alone = rule_set(text, true).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
    Ok([alone, rule_set(text, false).map_err(TestCaseError::fail)?])
}

/// Says whether native code may find less wrong than the interpreter: what is malformed behind what it has to read.
fn is_unreadable(request: &[u8]) -> bool {
    request.windows(UNREADABLE.len()).any(|text| text == UNREADABLE.as_bytes())
}

/// Returns how many records came to rules.
fn pair_count<'a>(accounts: impl IntoIterator<Item = &'a Account>) -> u64 {
    accounts.into_iter().map(|account| account.seen).sum()
}

#[test]
fn engines_give_the_same() {
    let pairs = AtomicU64::new(0);
    let strategy = (rules(), requests(), any::<bool>(), prop::bool::weighted(0.3));
    let result = TestRunner::new(config(300)).run(&strategy, |(mut rules, mut requests, is_stateless, is_odd)| {
        requests.retain(|request| is_odd || !is_unreadable(request));
        if is_stateless {
            // Rules that make records or remember them need the time of each.
            rules.iter_mut().filter(|rule| matches!(rule.kind, 4..=6)).for_each(|rule| rule.kind = 0);
        }
        let text = yaml(&rules);
        let [alone, together] = both_sets(&text)?;
        let expected = run(processor(&alone), &requests);
        let before = NativeSet::compile(&alone).unwrap();
        let fewer = rule_set(&yaml(&rules[rules.len() / 3..]), false).map_err(TestCaseError::fail)?;
        let of_fewer = NativeSet::begin(&fewer, None).unwrap();
        // Only a protective rule has all read that it names.
        let may_differ = requests.iter().any(|one| is_unreadable(one)) && !rules.iter().all(Rule::is_protective);
        for (name, other) in [
            ("guards", processor(&together)),
            ("native code", native(processor(&alone), &alone)),
            ("native code with guards", native(processor(&together), &together)),
            ("code of the same rules", native_after(processor(&together), &together, &before)),
            ("code of some of the rules", native_after(processor(&together), &together, &of_fewer)),
        ] {
            if name != "guards" && may_differ {
                continue;
            }
            for (expected, other) in expected.iter().zip(run(other, &requests)) {
                prop_assert_eq!(expected, &other, "{}\n{}", name, text);
            }
        }
        if !may_differ {
            pairs.fetch_add(pair_count(expected.last().iter().flat_map(|(_, _, accounts)| accounts)), Relaxed);
        }
        Ok(())
    });
    println!("{} pairs of rule and record on each of five engines", pairs.load(Relaxed));
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// Holds the rules of a set, each in a processor of its own, in the order in which the set asks them.
struct Chain {
    links: Vec<Processor>,
}

impl Chain {
    /// Makes a chain of the rules of a set, some links on native code.
    fn new(rules: &[Rule], set: &RuleSet) -> Result<Self, String> {
        let mut links = Vec::new();
        for rule in &set.rules {
            let name = rule.name.as_text();
            let at: usize = name.strip_prefix('r').and_then(|number| number.parse().ok()).expect("it was named so");
            let text = yaml(&rules[at..=at]);
            let alone = rule_set(&text, true).map_err(|error| format!("{error}\n{text}"))?;
            let link = processor(&alone);
            links.push(if links.len() % 2 == 1 && links.len() < 8 { native(link, &alone) } else { link });
        }
        Ok(Self { links })
    }

    /// Returns what leaves the last link of a request that comes to the first.
    fn apply(&mut self, request: &[u8]) -> Output {
        let mut output = Output::Unchanged;
        for link in &mut self.links {
            let bytes = match &output {
                Output::Unchanged => request,
                Output::Bytes(bytes) => bytes,
                Output::Empty => break,
            };
            match link.apply(Signal::Logs, bytes, NOW, None).output {
                Output::Unchanged => {}
                changed => output = changed,
            }
        }
        output
    }
}

#[test]
fn slots_are_judged_as_requests() {
    let strategy = (rules(), requests());
    let result = TestRunner::new(config(300)).run(&strategy, |(mut rules, requests)| {
        rules.truncate(12);
        // The others leave every record undecided.
        rules.iter_mut().filter(|rule| matches!(rule.kind, 4..=6)).for_each(|rule| rule.kind = 0);
        let text = yaml(&rules);
        let [alone, together] = both_sets(&text)?;
        for (name, mut judging) in
            [("interpreter", processor(&together)), ("native code", native(processor(&together), &together))]
        {
            for request in &requests {
                for (judged, single) in judge(&mut judging, request) {
                    let expected = run(processor(&alone), std::slice::from_ref(&single)).swap_remove(0);
                    prop_assert!(
                        is_so(&judged, &expected, &single),
                        "{}: {:?}, {:?}\n{}",
                        name,
                        judged,
                        expected,
                        text
                    );
                }
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// What is made of a record in slots: the verdict, and the rules that matched.
type Judged = (SlotVerdict, Vec<usize>);

/// Returns what is made of each record of a request that can be read, with each a request of that record alone.
fn judge(processor: &mut Processor, request: &[u8]) -> Vec<(Judged, Vec<u8>)> {
    let plan = processor.rules().base(Base::Logs).plan.clone();
    let mut judge = processor.slot_judge(Signal::Logs, NOW);
    let mut slots = vec![Slot::MISSING; judge.slot_count()];
    let mut index = RequestIndex::default();
    let (mut judged, mut parts) = (Vec::new(), Vec::new());
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
                    parts.push(Buffers { record, ..around });
                }
            }
        }
    }
    // Each by itself, in another order: what is kept of resources and scopes is that of each.
    for at in (0..parts.len()).step_by(2).chain((0..parts.len()).rev()) {
        let Buffers { resource, scope, record, .. } = parts[at];
        let is_filled = plan.fill_resource(resource, &mut slots).is_ok()
            && plan.fill_scope(scope, &mut slots).is_ok()
            && plan.fill_record(record, &mut slots).is_ok();
        let (mut judge, buffers) = (processor.slot_judge(Signal::Logs, NOW), SlotBuffers::new(parts[at]));
        judge.enter(&slots, &buffers);
        assert!(is_filled && judge.judge(&slots, &buffers) == judged[at].0.0 && judge.matched() == judged[at].0.1);
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

/// Returns what of an account does not depend on what becomes of records later: bytes, and edits of what is removed.
fn counted(account: &Account) -> [u64; 7] {
    let Account { seen, matched, dropped, copied, within_rate, errors, evicted, .. } = account;
    [*seen, *matched, *dropped, *copied, *within_rate, *errors, *evicted]
}

/// Returns what an output means: a request that decodes is the same in any order of its fields.
fn meaning(request: &[u8], output: &Output) -> Result<ExportLogsServiceRequest, Vec<u8>> {
    let bytes = match output {
        Output::Unchanged => request,
        Output::Empty => &[],
        Output::Bytes(bytes) => bytes,
    };
    ExportLogsServiceRequest::decode(bytes).map_err(|_| bytes.to_vec())
}

#[test]
fn a_set_is_its_rules_one_behind_the_other() {
    let pairs = AtomicU64::new(0);
    let strategy = (rules(), requests());
    let result = TestRunner::new(config(80)).run(&strategy, |(mut rules, mut requests)| {
        requests.retain(|request| !is_unreadable(request));
        // What is random is drawn in another order; records that rules make go on by themselves.
        rules.retain(|rule| !rule.is_random());
        if rules.is_empty() {
            return Ok(());
        }
        rules.iter_mut().filter(|rule| rule.kind == 4).for_each(|rule| rule.kind = 3);
        // What is set back to what it was is no edit, though a link before has changed its bytes.
        rules.iter_mut().for_each(|rule| rule.word.push('!'));
        let text = yaml(&rules);
        let [alone, together] = both_sets(&text)?;
        let mut chain = Chain::new(&rules, &together).map_err(TestCaseError::fail)?;
        let mut sets = [
            ("each by itself", processor(&alone)),
            ("guards", processor(&together)),
            ("native code", native(processor(&alone), &alone)),
            ("native code with guards", native(processor(&together), &together)),
        ];
        for request in &requests {
            let expected = meaning(request, &chain.apply(request));
            for (name, set) in &mut sets {
                let found = set.apply(Signal::Logs, request, NOW, None);
                prop_assert_eq!(&expected, &meaning(request, &found.output), "{}\n{}", name, text);
            }
        }
        let links: Vec<Account> = chain.links.iter().flat_map(Processor::accounts).collect();
        for (name, set) in &sets {
            for ((expected, found), rule) in links.iter().zip(set.accounts()).zip(&together.rules) {
                let rule = rule.name.as_text();
                prop_assert_eq!(counted(expected), counted(&found), "{} {}\n{}", name, rule, text);
            }
        }
        pairs.fetch_add(pair_count(&links), Relaxed);
        Ok(())
    });
    println!("{} pairs of rule and record, each in a set of one rule and on four engines", pairs.load(Relaxed));
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// Checks that a rule of these conditions alone cannot judge a record, on the interpreter and as native code.
fn check_unjudged(conditions: [&str; 2], is_protective: bool, record: LogRecord) {
    let (key, word) = (String::new(), String::new());
    let rule = Rule { conditions: conditions.map(str::to_owned).to_vec(), kind: 0, key, word, is_protective };
    let alone = rule_set(&yaml(&[rule]), true).unwrap();
    let request = encoded(vec![("time".to_owned(), vec![record])]);
    let expected = run(processor(&alone), std::slice::from_ref(&request));
    assert_eq!(expected[0].2[0].errors, 1);
    assert_eq!(run(native(processor(&alone), &alone), &[request]), expected);
}

#[test]
fn a_scan_does_not_end_before_what_may_be_unreadable() {
    let broken = any_of(Any::StringValue(BROKEN.to_owned()));
    let value = any_of(Any::ArrayValue(ArrayValue { values: broken.into_iter().collect() }));
    let attributes = vec![KeyValue { key: "a".to_owned(), value, ..KeyValue::default() }];
    let record = LogRecord { severity_number: 3, attributes, ..LogRecord::default() };
    check_unjudged(["Attributes[\"a\"] == \"time\"", "SeverityNumber >= 5"], false, record);
}

#[test]
fn a_scan_for_a_protective_rule_does_not_end_early() {
    let record = LogRecord { severity_number: 3, event_name: UNREADABLE.to_owned(), ..LogRecord::default() };
    check_unjudged(["SeverityNumber >= 5", "EventName != \"time\""], true, record);
}

#[test]
fn a_scan_for_a_protective_rule_reads_all_that_it_names() {
    let record = LogRecord { severity_number: 9, event_name: UNREADABLE.to_owned(), ..LogRecord::default() };
    let decided = "(Resource[\"service\"] == \"time\" or EventName == \"time\")";
    check_unjudged([decided, "SeverityNumber >= 5"], true, record);
}

#[test]
fn a_scan_ends_exactly_where_a_number_decides() {
    let records = |severities: std::ops::Range<i32>| {
        severities.map(|severity_number| LogRecord { severity_number, ..LogRecord::default() }).collect()
    };
    let scope_logs = vec![ScopeLogs { log_records: records(-1..7), ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
    let request = ExportLogsServiceRequest { resource_logs }.encode_to_vec();
    for operator in [">=", "<", "==", ">", "<=", "!="] {
        let conditions = vec![format!("SeverityNumber {operator} 3")];
        let (key, word) = (String::new(), String::new());
        let rule = Rule { conditions, kind: 0, key, word, is_protective: false };
        let alone = rule_set(&yaml(&[rule]), true).unwrap();
        let expected = run(processor(&alone), std::slice::from_ref(&request));
        assert_eq!(run(native(processor(&alone), &alone), std::slice::from_ref(&request)), expected, "{operator}");
    }
}

#[test]
fn rules_that_look_up_other_tables_are_decided_together() {
    let text = r#"
apiVersion: dtq/v1
rules:
  - {name: lows, to: table:low, for: 1h, key: id, kql: logs | where SeverityNumber == 1 | project id = EventName}
  - {name: highs, to: table:high, for: 1h, key: id, kql: logs | where SeverityNumber == 2 | project id = EventName}
  - {name: drop-lows, to: drop, kql: logs | where EventName in ((low | project id))}
  - {name: drop-highs, to: drop, kql: logs | where EventName in ((high | project id))}
"#;
    let set = rule_set(text, true).unwrap();
    let record = |severity_number, event_name: &str| {
        let event_name = event_name.to_owned();
        LogRecord { severity_number, event_name, ..LogRecord::default() }
    };
    let filling = encoded(vec![("x".to_owned(), vec![record(1, "a"), record(2, "b")])]);
    let many = (0..90).map(|at| record(9, ["a", "b", "c"][at % 3])).collect();
    let requests = [filling, encoded(vec![("x".to_owned(), many)])];
    let expected = run(processor(&set), &requests);
    assert_eq!(run(native(processor(&set), &set), &requests), expected);
    let matched: Vec<u64> = expected[1].2.iter().map(|account| account.matched).collect();
    assert_eq!(matched, [1, 1, 31, 31]);
}

#[test]
fn guards_of_more_rules_than_a_word_has_bits_are_found() {
    let rule = |at: usize| {
        let (conditions, key, word) = (vec![format!("EventName contains \"-{at}-\"")], String::new(), String::new());
        Rule { conditions, kind: 1, key, word, is_protective: false }
    };
    let set = rule_set(&yaml(&(0..140).map(rule).collect::<Vec<_>>()), false).unwrap();
    let record = LogRecord { event_name: "-10- -64- -65- -128- -139-".to_owned(), ..LogRecord::default() };
    let request = encoded(vec![("time".to_owned(), vec![record])]);
    for processor in [processor(&set), native(processor(&set), &set)] {
        let accounts = run(processor, std::slice::from_ref(&request)).swap_remove(0).2;
        let matched: Vec<usize> = (0..140).filter(|rule| accounts[*rule].matched == 1).collect();
        assert_eq!(matched, [10, 64, 65, 128, 139]);
    }
}

#[test]
fn native_code_goes_with_its_set() {
    let rule = |condition: &str| {
        let (key, word) = (String::new(), String::new());
        let rule = Rule { conditions: vec![condition.to_owned()], kind: 0, key, word, is_protective: false };
        rule_set(&yaml(&[rule]), false).unwrap()
    };
    let [above, below] = ["SeverityNumber >= 5", "SeverityNumber < 5"].map(rule);
    let code = Arc::new(NativeSet::compile(&above).unwrap());
    let mut processor = processor(&above);
    assert!(processor.use_native(Arc::clone(&code)));
    processor.swap(Arc::clone(&below), NOW);
    assert!(processor.native().is_none());
    assert!(!processor.use_native(code), "it is of the set before");
    // A resource with one scope with one record of severity 3.
    let request = [0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 3];
    assert_eq!(processor.apply(Signal::Logs, &request, NOW, None).output, Output::Empty);
    assert!(processor.use_native(Arc::new(NativeSet::compile(&below).unwrap())));
    assert_eq!(processor.apply(Signal::Logs, &request, NOW, None).output, Output::Empty);
}
