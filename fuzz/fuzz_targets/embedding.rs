//! Calls of the public interface, in any order, with any text and any bytes: what embeds dtq cannot crash it, and no count
//! is lost. Native code and interpreter run side by side and give the same.
#![no_main]

use dtq_engine::{Engine, compile as compile_query};
use dtq_fuzz::{Share, otlp, query};
use dtq_generate::{Choices, Events, conditions};
use dtq_ir::ExprId;
use dtq_jit::{BufferTable, Code, Compiler, Entry, EntryKind, Input, NoSubqueries, Records};
use dtq_record::WireError;
use dtq_record::otlp::Signal;
use dtq_record::slot::{Buffer, Buffers, Slot, Tag, WordList};
use dtq_rules::compile::{Options, RuleSet, compile};
use dtq_rules::engine::{self, Observer, Outcome, Passage, Processor};
use dtq_rules::file::{self, NoFiles};
use dtq_rules::native::{NativeContext, NativeSet};
use dtq_source::Limits;
use dtq_value::scalar::Context;
use libfuzzer_sys::fuzz_target;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};

static SHARE: Share = Share::new();
static HOOK: Once = Once::new();

thread_local! {
    /// Whether a panic is one that the documentation of what is called promises.
    static MAY_PANIC: Cell<bool> = const { Cell::new(false) };
}

/// When requests arrive first: 2025-11-23.
const NOW: i64 = 639_000_000_000_000_000;

/// Rules by name; a set is some of them.
const RULES: &[&str] = &[
    "{name: d0, to: drop, kql: 'logs | where tostring(Attributes[\"a\"]) == \"x\" or Body has \"ERROR\"'}",
    "{name: d1, to: drop, kql: 'logs | where Attributes[\"EventName\"] != \"LogWelcomeBanner\" and SeverityNumber < 9'}",
    "{name: d2, to: drop, on_error: drop, kql: 'logs | where SeverityText =~ \"error\" | where assert(SeverityNumber < 20, \"x\")'}",
    "{name: e0, to: replace, kql: 'logs | extend Attributes = iff(Body contains \"o\", bag_set_key(Attributes, \"a\", \"x\"), Attributes)'}",
    "{name: e1, to: replace, kql: 'logs | where SeverityNumber > 3 | extend Attributes = bag_remove_keys(Attributes, dynamic([\"secret\"]))'}",
    "{name: e2, to: replace, kql: 'spans | extend SpanName = strcat(SpanName, tostring(Attributes[\"a\"]))'}",
    "{name: l0, to: logs, kql: 'logs | where SeverityNumber > 16 | project Body, SeverityNumber'}",
    "{name: m0, to: metrics, metrics: {n: {name: n, type: sum}}, kql: 'logs | summarize n = count() by bin(Timestamp, 1m), k = tostring(Attributes[\"b\"])'}",
    "{name: t0, to: 'table:seen', for: 5m, kql: 'spans | project n = SpanName'}",
    "{name: u0, to: drop, tiers: [collector], kql: 'logs | where SeverityText in ((seen | project n))'}",
    "{name: r0, to: 'recorder:ring', recorder: {keep: 1m, keys: 3, bytes_per_key: 1KiB}, kql: 'spans | where SpanKind == \"Internal\"'}",
    "{name: f0, to: 'flush:ring', phase: observe, kql: 'spans | where StatusCode == \"Error\"'}",
    "{name: a0, to: drop, above: {rate: 2/s, burst: 3}, key: SeverityText, kql: logs}",
    "{name: o0, to: drop, mode: observe, kql: 'metrics | where MetricValue > 1 or MetricType == \"Gauge\"'}",
    "{name: p0, to: 'route:away', copy: true, kql: 'metrics | where Count > 1'}",
    "{name: s0, to: logs, idle: 1s, limits: {state_bytes: 4KiB}, kql: 'logs | serialize | scan with_match_id=id partition by SeverityText declare (n: long = 0) with (step s output=last: true => n = s.n + 1;) | project Body = n'}",
    "{name: x0, to: replace, kql: 'resources | extend Attributes = bag_set_key(Attributes, \"tier\", Signal)'}",
    "{name: g0, to: drop, kql: 'logs | where rand() < 0.5'}",
];

struct Watcher(u64);

impl Observer for Watcher {
    fn condition(&mut self, _rule: usize, _condition: ExprId, outcome: Option<bool>) {
        self.0 += u64::from(outcome == Some(true));
    }

    fn record(&mut self, passage: &Passage<'_>) {
        self.0 += u64::from(passage.is_there(0));
    }
}

/// Holds a rule set on the interpreter and on native code.
struct Pair {
    interpreted: Processor,
    native: Processor,
    set: Arc<RuleSet>,
}

fn set(text: &[u8]) -> Option<Arc<RuleSet>> {
    let (file, _) = file::read("rules.yaml", text, &NoFiles, &file::Options::default());
    compile(&[file], &Options { now_ticks: NOW, ..Options::default() }).set.map(Arc::new)
}

/// Returns a rule set of some of the rules, or of any text.
fn any_set(choices: &mut Choices<'_>) -> Option<Arc<RuleSet>> {
    if choices.one_in(6) {
        let bytes: Vec<u8> = (0..choices.below(64)).map(|_| choices.below(256) as u8).collect();
        let query = query::text(&bytes).replace('\'', "\"");
        return set(format!("apiVersion: dtq/v1\nrules:\n  - {{name: q, to: drop, kql: '{query}'}}\n").as_bytes());
    }
    let mut text = "apiVersion: dtq/v1\nrules:\n".to_owned();
    let mut left: Vec<&str> = RULES.to_vec();
    for _ in 0..1 + choices.below(6) {
        let rule = left.swap_remove(choices.below(left.len()));
        text.push_str(&format!("  - {rule}\n"));
    }
    set(text.as_bytes())
}

fn native(set: &Arc<RuleSet>) -> Arc<NativeSet> {
    Arc::new(NativeSet::compile(set).expect("this machine has native code"))
}

impl Pair {
    fn new(set: Arc<RuleSet>) -> Self {
        let new = || Processor::new(Arc::clone(&set), &engine::Options { start_ticks: NOW, random_seed: 1 });
        let mut native_processor = new();
        assert!(native_processor.use_native(native(&set)));
        Self { interpreted: new(), native: native_processor, set }
    }

    /// Does the same with both, and checks that both did the same and lost nothing.
    fn both(&mut self, call: impl Fn(&mut Processor) -> Outcome) {
        let expected = call(&mut self.interpreted);
        let found = call(&mut self.native);
        assert_eq!(expected.output, found.output);
        assert_eq!(expected.emissions, found.emissions);
        assert_eq!(expected.notices.len(), found.notices.len());
        assert_eq!(self.interpreted.accounts(), self.native.accounts());
        assert_eq!(self.interpreted.totals(), self.native.totals());
        assert!(self.native.totals().is_conserved(), "{:?}", self.native.totals());
    }

    fn swap(&mut self, set: Arc<RuleSet>, now: i64, stays_interpreted: bool) {
        let code = native(&set);
        // Code of another set than the one that runs is not taken.
        assert_eq!(self.native.use_native(Arc::clone(&code)), Arc::ptr_eq(&set, &self.set));
        self.both(|processor| processor.swap(Arc::clone(&set), now));
        if !stays_interpreted {
            assert!(self.native.use_native(code));
        }
        self.set = set;
    }
}

fn request(choices: &mut Choices<'_>) -> (Signal, Vec<u8>) {
    let bytes: Vec<u8> = (0..choices.below(400)).map(|_| choices.below(256) as u8).collect();
    match choices.below(8) {
        0 => (*choices.pick(&[Signal::Logs, Signal::Spans, Signal::Metrics]), bytes),
        _ => otlp::request(&bytes),
    }
}

/// Makes a call of a pair of processors.
fn call(pair: &mut Pair, choices: &mut Choices<'_>, now: &mut i64) {
    match choices.below(16) {
        0 => {
            if let Some(set) = any_set(choices) {
                let stays_interpreted = choices.one_in(4);
                pair.swap(set, *now, stays_interpreted);
            }
        }
        1 => {
            *now = now.saturating_add(*choices.pick(&[0, 1, 10_000_000, 600_000_000, -600_000_000, i64::MIN, i64::MAX]))
        }
        2 => pair.both(|processor| processor.tick(*now)),
        3 if choices.one_in(4) => pair.both(|processor| processor.shutdown(*now)),
        3 => pair.both(|processor| processor.shutdown_observed(*now, &mut Watcher(0))),
        4 => pair.both(|processor| {
            processor.apply_unreadable(Signal::Logs, 7, *now, &WireError { offset: 3, reason: "it is no request" })
        }),
        5 => {
            let (signal, request) = request(choices);
            pair.both(|processor| processor.apply_observed(signal, &request, *now, &mut Watcher(0)));
        }
        6 => {
            let (signal, request) = request(choices);
            pair.both(|processor| {
                processor.keep_trace();
                let outcome = processor.apply(signal, &request, *now, None);
                let trace = processor.trace(&request);
                (0..trace.record_count()).for_each(|record| drop(trace.edits(record).count()));
                outcome
            });
        }
        7 => {
            pair.native.recycle(vec![1; choices.below(100)]);
            (0..pair.native.rules().rules.len()).for_each(|rule| drop(pair.native.samples(rule).len()));
        }
        _ => {
            let (signal, request) = request(choices);
            pair.both(|processor| processor.apply(signal, &request, *now, None));
        }
    }
}

/// Returns any slot, one that fits its bytes or not.
fn slot(choices: &mut Choices<'_>) -> Slot {
    let tags = [Tag::String, Tag::Id, Tag::Bytes, Tag::Any, Tag::KeyValues, Tag::Scope, Tag::Events, Tag::Buckets];
    let buffers = [Buffer::Record, Buffer::Resource, Buffer::Scope, Buffer::Metric, Buffer::Arena, Buffer::Pool];
    match choices.below(10) {
        0 => Slot::MISSING,
        1 => Slot::EMPTY,
        2 => Slot::bool(choices.one_in(2)),
        3 => Slot::long(*choices.pick(&[0, 5, -1, i64::MIN, i64::MAX])),
        4 => Slot::real(*choices.pick(&[0.0, f64::NAN, 1.5])),
        5 => Slot::word(WordList::SpanKind, choices.below(300) as i32 - 3),
        _ => {
            let size = *choices.pick(&[0, 1, 5, 16, u32::MAX]);
            let offset = *choices.pick(&[0, 1, 16, u32::MAX]);
            Slot::view(*choices.pick(&tags), *choices.pick(&buffers), choices.below(9) as u16, offset, size)
        }
    }
}

/// Calls native code with slots, rows and buffers of any size and kind: it answers, or panics as it is documented to.
fn call_code(choices: &mut Choices<'_>) {
    let depth = choices.below(3);
    let text = format!("Events | project x = {}", conditions::condition(choices, depth));
    let (Some(query), _) = compile_query(&text, &Events, &dtq_engine::Options::default()) else { return };
    let program = query.program();
    let dtq_ir::RelKind::Project { exprs, .. } = &program.rel(program.outputs[0].rel).kind else { return };
    let is_over_rows = choices.one_in(3);
    let inputs: Vec<Input> = (0..10)
        .map(|index| match choices.below(12) {
            _ if is_over_rows => Input::Row(index),
            0 => Input::KeyOr { key: choices.below(14) as u32, other: choices.below(14) as u32 },
            1 => Input::Slot(choices.below(14) as u32),
            _ => Input::Slot(index),
        })
        .collect();
    let kinds = [EntryKind::Filter, EntryKind::Condition, EntryKind::Value, EntryKind::Many];
    let entries = kinds.map(|kind| Entry { program, expr: exprs[0], inputs: &inputs, kind });
    let kind_count = if is_over_rows { 3 } else { 4 };
    let Ok(code) = Compiler::host().and_then(|compiler| compiler.compile(&entries[..kind_count])) else { return };
    let bytes = b"LogWelcomeBanner\x0a\x03abc";
    let buffers = Buffers { record: bytes, scope: &bytes[..5], ..Buffers::default() };
    let tables = vec![BufferTable::new(&buffers); 1 + choices.below(4)];
    let slots: Vec<Slot> = (0..choices.below(40)).map(|_| slot(choices)).collect();
    let row = dtq_generate::values::rows(choices, 1).remove(0);
    let row = &row[..choices.below(row.len() + 1)];
    let mut ctx = NativeContext::new(Context::new(Limits::default(), NOW, 1));
    MAY_PANIC.set(true);
    for _ in 0..6 {
        let _ = catch_unwind(AssertUnwindSafe(|| call_function(choices, &code, &mut ctx, (&slots, row, &tables))));
    }
    MAY_PANIC.set(false);
}

fn call_function(
    choices: &mut Choices<'_>,
    code: &Code,
    ctx: &mut NativeContext,
    (slots, row, tables): (&[Slot], &[dtq_value::Value], &[BufferTable<'_>]),
) {
    // Also functions that are not there, and as what they are not.
    let index = choices.below(5) as u32;
    match choices.below(5) {
        0 => drop(code.condition(index).decide(ctx, &NoSubqueries, slots, &tables[0])),
        1 => drop(code.condition(index).decide_row(ctx, &NoSubqueries, row)),
        2 => drop(code.value(index).eval(ctx, &NoSubqueries, slots, &tables[0])),
        3 => drop(code.value(index).eval_row(ctx, &NoSubqueries, row)),
        _ => {
            let mut out = vec![0; choices.below(6)];
            let stride = *choices.pick(&[0, 1, 10, 14, usize::MAX]);
            drop(code.condition(index).decide_many(
                ctx,
                &NoSubqueries,
                Records { slots, stride, buffers: tables },
                &mut out,
            ));
        }
    }
}

/// Compiles any query and runs it on any engine, perhaps not to its end.
fn call_query(choices: &mut Choices<'_>) {
    let bytes: Vec<u8> = (0..choices.below(80)).map(|_| choices.below(256) as u8).collect();
    let text = match choices.below(3) {
        0 => String::from_utf8_lossy(&bytes).into_owned(),
        1 => query::text(&bytes),
        _ => dtq_generate::query(&mut Choices::Bytes(&bytes), &[Events::table()]),
    };
    let limits =
        Limits { held_bytes_max: 8 << 20, produced_rows_max: 1_000, value_bytes_max: 1 << 16, ..Limits::default() };
    let engine = *choices.pick(&[Engine::Jit, Engine::Auto, Engine::Interp]);
    let options = dtq_engine::Options { limits, now_ticks: NOW, engine, ..dtq_engine::Options::default() };
    let (Some(query), _) = compile_query(&text, &Events, &options) else { return };
    let Ok(mut run) = query.run(&Events, &options) else { return };
    for _ in 0..choices.below(4) {
        let _ = run.next_batch(0);
    }
}

fuzz_target!(|bytes: &[u8]| {
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !MAY_PANIC.get() {
                before(info);
            }
        }));
    });
    let choices = &mut Choices::Bytes(bytes);
    let first = any_set(choices);
    SHARE.count(first.is_some());
    match choices.below(4) {
        0 => call_code(choices),
        1 => call_query(choices),
        _ => {}
    }
    let Some(first) = first else { return };
    let (mut pair, mut now) = (Pair::new(first), NOW);
    for _ in 0..choices.below(10) {
        call(&mut pair, choices, &mut now);
    }
    pair.both(|processor| processor.shutdown(now));
});
