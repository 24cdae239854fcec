//! `dtq bench`: rules and telemetry to nanoseconds a record, of each rule alone and of all together.
//!
//! Everything is read before anything is measured. What a rule needs, such as the rule that fills its table, runs with it.

use crate::args::{BenchArguments, Engine, QueryArguments};
use crate::commands::query;
use crate::console::Console;
use crate::deadline::Deadline;
use crate::failure::{Failure, Outcome};
use crate::inputs::{self, WithoutInput};
use crate::native;
use crate::output::{self, Form, Header};
use crate::rule_set;
use dtq_engine::Options;
use dtq_record::Inputs;
use dtq_record::otlp::Signal;
use dtq_record::otlp::encode::request::RequestBuilder;
use dtq_record::otlp::requests::Request;
use dtq_record::stream::{Column, Row, StreamError};
use dtq_rules::compile::RuleSet;
use dtq_rules::compile::rule::Action;
use dtq_rules::engine::{self, Processor};
use dtq_rules::file::RuleFile;
use dtq_rules::file::rule::Mode;
use dtq_source::Limits;
use dtq_value::{Type, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Bytes of telemetry that are measured with: they are held while they are.
const HELD_BYTES_MAX: usize = 1 << 30;

/// Size of the requests that records are collected in which are not OTLP.
const REQUEST_BYTES: usize = 1 << 18;

/// Runs `dtq bench`.
pub fn execute(arguments: &BenchArguments, console: &mut Console) -> Outcome {
    let limits = Limits::default();
    let given = QueryArguments { seed: Some(1), ..QueryArguments::default() };
    let options = query::options(&given, limits.clone())?;
    let (files, set) = rule_set::ready(&arguments.rules.rules, options.now_ticks, &limits, console)?;
    let opened =
        inputs::open(&arguments.files, &arguments.input, &options, WithoutInput::NoTables, Deadline::NEVER, false)?;
    let requests = requests(opened.inputs())?;
    crate::report::inputs(&opened.report(), console);
    let bench = Bench { requests: &requests, options: &options, repeat: arguments.repeat, engine: arguments.engine };
    let mut rows = vec![bench.row("(none)", None, compiled(&[], &options)?, console)?];
    for (position, rule) in set.rules.iter().enumerate() {
        let alone = alone(&files, &set, position);
        rows.push(bench.row(&rule.name.as_text(), Some(rule.place), compiled(&alone, &options)?, console)?);
    }
    rows.push(bench.row("(all)", None, set, console)?);
    let form = arguments.output.unwrap_or(if console.is_out_terminal { Form::Table } else { Form::Ndjson });
    let mut sink = output::sink(form, 1, console)?;
    let columns = [
        Column::new("Rules", Type::String),
        Column::new("Records", Type::Long),
        Column::new("Matched", Type::Long),
        Column::new("NsPerRecord", Type::Real),
        Column::new("MegabytesPerSecond", Type::Real),
    ];
    sink.begin(&mut console.out, &Header { name: "Bench", columns: &columns, is_one_of_several: false })?;
    sink.rows(&mut console.out, &rows)?;
    sink.end(&mut console.out)?;
    sink.finish(&mut console.out)?;
    let is_whole = opened.report().skipped_count == 0;
    if is_whole || arguments.input.lenient { Ok(()) } else { Err(Failure::Data) }
}

fn compiled(files: &[RuleFile], options: &Options<'_>) -> Result<RuleSet, Failure> {
    // All of them together compile, so that a part does.
    rule_set::compile(files, options.now_ticks, &options.limits, false).set.ok_or(Failure::Query)
}

/// Returns the files with all rules off but one and those that it needs.
fn alone(files: &[RuleFile], set: &RuleSet, position: usize) -> Vec<RuleFile> {
    let (mut needed, mut open) = (BTreeSet::new(), vec![position]);
    while let Some(position) = open.pop() {
        let rule = &set.rules[position];
        if needed.insert(rule.place) {
            let tables = rule.lookups.iter().map(|lookup| lookup.table).chain(rule.tables_read.iter().copied());
            open.extend(tables.filter_map(|table| set.looked_up[table].filled_by));
            if let Action::Flush { recorder, .. } = &rule.action {
                open.push(set.recorders[*recorder].filled_by);
            }
        }
    }
    let mut files = files.to_vec();
    for (at, file) in files.iter_mut().enumerate() {
        for (number, rule) in file.rules.iter_mut().enumerate() {
            if !needed.contains(&(at, number)) {
                rule.mode = Mode::Off;
            }
        }
    }
    files
}

/// Returns all requests of the inputs; records that are not OTLP are put into some.
fn requests(inputs: &Inputs) -> Result<Vec<Request>, Failure> {
    let (mut all, mut size) = (Vec::new(), 0);
    let failed = |error: StreamError| Failure::Input(error.message);
    let mut take = |request: Request| {
        size += request.bytes.len();
        all.push(request);
        let message = "more than 1 GiB of telemetry cannot be held to measure with it; give a part of it";
        if size <= HELD_BYTES_MAX { Ok(()) } else { Err(Failure::Usage(message.into())) }
    };
    for index in 0..inputs.descriptions().len() {
        if let Some(mut requests) = inputs.requests(index).map_err(failed)? {
            while let Some(piece) = requests.next_piece().map_err(failed)? {
                piece.requests.iter().cloned().try_for_each(&mut take)?;
            }
        }
        if let Some(mut originals) = inputs.originals(index).map_err(failed)? {
            let mut builder = RequestBuilder::new(Signal::Logs);
            while let Some(original) = originals.next_record().map_err(failed)? {
                // A record that OTLP cannot hold is none to measure with.
                let _ = original.row.map(|row| builder.push_row(&row));
                if builder.size_bytes() >= REQUEST_BYTES {
                    take(Request { signal: Signal::Logs, bytes: builder.take() })?;
                }
            }
            if !builder.is_empty() {
                take(Request { signal: Signal::Logs, bytes: builder.take() })?;
            }
        }
    }
    Ok(all)
}

/// Holds what every measurement shares.
struct Bench<'b> {
    requests: &'b [Request],
    options: &'b Options<'b>,
    repeat: u32,
    engine: Engine,
}

impl Bench<'_> {
    /// Measures a rule set; `rule` is the rule whose matches are shown.
    fn row(&self, name: &str, rule: Option<(usize, usize)>, set: RuleSet, console: &Console) -> Result<Row, Failure> {
        let set = Arc::new(set);
        let native = native::compile(self.engine, &set, console)?;
        let mut best_ns = u64::MAX;
        let (mut records, mut matched) = (0, 0);
        for _ in 0..self.repeat {
            let options =
                engine::Options { start_ticks: self.options.now_ticks, random_seed: self.options.random_seed };
            let mut processor = Processor::new(Arc::clone(&set), &options);
            if let Some(native) = &native {
                processor.use_native(Arc::clone(native));
            }
            // What a processor makes once, with its first request, is no cost of records.
            processor.apply(Signal::Logs, &[], self.options.now_ticks, None);
            let before = query::thread_ns();
            for request in self.requests {
                std::hint::black_box(processor.apply(request.signal, &request.bytes, self.options.now_ticks, None));
            }
            best_ns = best_ns.min(query::thread_ns().saturating_sub(before));
            records = processor.totals().records_in;
            let counted = set.rules.iter().zip(processor.accounts());
            matched = counted
                .filter(|(one, _)| rule.is_none_or(|place| one.place == place))
                .map(|(_, account)| account.matched)
                .sum();
        }
        let bytes: usize = self.requests.iter().map(|request| request.bytes.len()).sum();
        let long = |count: u64| Value::Long(i64::try_from(count).unwrap_or(i64::MAX));
        let tenths = |value: f64| (10.0 * value).round() / 10.0;
        let ratio = |above: f64, below: f64| if below > 0.0 { Value::Real(tenths(above / below)) } else { Value::Null };
        let ns = best_ns as f64;
        Ok(vec![
            Value::string(name),
            long(records),
            long(matched),
            ratio(ns, records as f64),
            ratio(bytes as f64 * 1_000.0, ns),
        ])
    }
}
