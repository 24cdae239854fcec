//! Measures what native code costs: to compile, in microseconds of CPU a condition, and to run, in nanoseconds a record.
//!
//! `cargo run --release -p dtq-jit --example measure`. CPU time is the kernel's, of this thread, so that other load
//! matters little; Linux only.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use dtq_generate::Events;
use dtq_ir::{ExprId, Program, RelKind};
use dtq_jit::{BufferTable, Compiler, Entry, EntryKind, Input, NativeContext, NoSubqueries, Records, Verdict};
use dtq_record::slot::{Buffer, Buffers, Slot, Tag};
use dtq_sema::Options;
use dtq_source::Limits;
use dtq_value::Type;
use dtq_value::scalar::Context;
use std::collections::BTreeMap;
use std::hint::black_box;

/// Conditions that are compiled, in turn; `N` is replaced by a number, so that no two are equal.
const SHAPES: &[&str] = &[
    "int_column >= N",
    "dynamic_column != 'LogWelcomeBannerN'",
    "string_column == 'serviceN' and int_column < 17",
    "string_column contains 'needleN' or string_column startswith_cs '/healthN'",
    "string_column in ('aN', 'bcN', 'defN') and not(dynamic_column == 'x')",
    "dynamic_column > N and (string_column has 'errorN' or bool_column)",
    "iff(long_column > N, string_column, 'none') == 'noneN'",
    "tolong(dynamic_column) between (N .. 1000) or datetime_column > datetime(2024-01-01) + 1h",
];

/// Returns the CPU time of this thread in nanoseconds.
fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has it");
    text.split_whitespace().next().and_then(|first| first.parse().ok()).expect("the first number is time on a CPU")
}

fn condition(text: &str) -> (Program, ExprId) {
    let options = Options { limits: Limits::default(), params: BTreeMap::new(), probe: None, now_ticks: 0 };
    let (ast, _) = dtq_syntax::parse(&format!("Events | project x = {text}"), &options.limits);
    let (program, diagnostics) = dtq_sema::lower(&ast, &Events, &options);
    let program = program.unwrap_or_else(|| panic!("{text}: {diagnostics:?}"));
    let RelKind::Project { exprs, .. } = &program.rel(program.outputs[0].rel).kind else {
        panic!("the query projects");
    };
    let expr = exprs[0];
    (program, expr)
}

fn context() -> NativeContext {
    NativeContext::new(Context::new(Limits::default(), 0, 0))
}

fn inputs() -> Vec<Input> {
    (0..Type::ALL.len() as u32).map(Input::Slot).collect()
}

fn measure_compiling(compiler: &Compiler, kind: EntryKind) {
    let conditions: Vec<(Program, ExprId)> =
        (0..1_000).map(|number| condition(&SHAPES[number % SHAPES.len()].replace('N', &number.to_string()))).collect();
    let inputs = inputs();
    let entries: Vec<Entry<'_>> =
        conditions.iter().map(|(program, expr)| Entry { program, expr: *expr, inputs: &inputs, kind }).collect();
    for unit_size in [1, 64] {
        let mut best = u64::MAX;
        let mut size = 0;
        for _ in 0..3 {
            let start = cpu_ns();
            let units: Vec<_> =
                entries.chunks(unit_size).map(|unit| compiler.compile(unit).expect("it compiles")).collect();
            best = best.min(cpu_ns() - start);
            size = units.iter().map(|unit| unit.size()).sum();
        }
        println!(
            "{kind:?}: 1,000 conditions in units of {unit_size}: {:.1} ms, {:.1} us each; {size} bytes",
            best as f64 / 1e6,
            best as f64 / 1e6
        );
    }
}

fn measure_running(compiler: &Compiler, text: &str) {
    let (program, expr) = condition(text);
    let inputs = inputs();
    let kinds = [EntryKind::Filter, EntryKind::Many];
    let code = compiler
        .compile(&kinds.map(|kind| Entry { program: &program, expr, inputs: &inputs, kind }))
        .expect("it compiles");
    let bytes = b"LogWelcomeBannerLogGoodbyeBanner";
    let buffers = Buffers { record: bytes, ..Buffers::default() };
    let count = 256;
    let mut slots = Vec::new();
    for index in 0..count {
        let offset = if index % 8 == 0 { 0 } else { 16 };
        let text = Slot::view(Tag::String, Buffer::Record, 0, offset, 16);
        let number = Slot::int(index % 24 + 1);
        slots.extend([Slot::bool(true), number, Slot::long(5), Slot::real(1.0), Slot::MISSING, text]);
        slots.extend([Slot::datetime(Some(1)), Slot::timespan(1), Slot::MISSING, text]);
    }
    let table = BufferTable::new(&buffers);
    let (mut ctx, rounds) = (context(), 20_000);
    let (filter, many) = (code.condition(0), code.condition(1));
    let start = cpu_ns();
    for _ in 0..rounds {
        for record in slots.chunks(10) {
            black_box(filter.decide(&mut ctx, &NoSubqueries, record, &table) == Ok(Verdict::True));
        }
    }
    let one = (cpu_ns() - start) as f64 / f64::from(rounds * count);
    let mut out = vec![0; count as usize];
    let start = cpu_ns();
    for _ in 0..rounds {
        let records = Records { slots: &slots, stride: 10, buffers: std::slice::from_ref(&table) };
        black_box(many.decide_many(&mut ctx, &NoSubqueries, records, &mut out));
    }
    let bulk = (cpu_ns() - start) as f64 / f64::from(rounds * count);
    println!("{text}: {one:.2} ns a record, {bulk:.2} ns in bulk");
}

fn main() {
    let compiler = Compiler::host().expect("this machine has native code");
    measure_compiling(&compiler, EntryKind::Filter);
    measure_compiling(&compiler, EntryKind::Value);
    for text in [
        "int_column >= 17",
        "dynamic_column != 'LogWelcomeBanner'",
        "string_column != 'LogWelcomeBanner' and int_column >= 17",
        "string_column contains 'Goodbye'",
        "dynamic_column in ('a', 'LogWelcomeBanner')",
    ] {
        measure_running(&compiler, text);
    }
}
