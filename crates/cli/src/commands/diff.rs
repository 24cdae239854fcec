//! `dtq diff`: rules and telemetry to what the rules would change; nothing is written but that.
//!
//! Read in order: `diff/fields.rs` (two rows to the fields that differ), `diff/collect.rs` (records to groups),
//! `diff/view.rs` (for people), `diff/json.rs` (for machines).

mod fields;

mod collect;

mod view;

mod json;

use crate::args::{DiffArguments, ReportForm};
use crate::commands::query;
use crate::console::Console;
use crate::deadline::Deadline;
use crate::failure::{Failure, Outcome};
use crate::inputs::{self, WithoutInput};
use crate::output::text;
use crate::{report, rule_set};
use collect::Collector;
use dtq_record::Inputs;
use dtq_record::otlp::Signal;
use dtq_record::otlp::encode::request::RequestBuilder;
use dtq_record::stream::StreamError;
use dtq_rules::engine::{self, Processor};
use dtq_source::Limits;
use std::io::Write;
use std::sync::Arc;

/// Runs `dtq diff`.
pub fn execute(arguments: &DiffArguments, console: &mut Console) -> Outcome {
    let limits = Limits::default();
    let options = query::options(&arguments.given.to_query(), limits.clone())?;
    let (files, set) = rule_set::ready(&arguments.rules.rules, options.now_ticks, &limits, console)?;
    let set = Arc::new(set);
    let stdin = ["-".to_owned()];
    let words = if arguments.files.is_empty() { &stdin[..] } else { &arguments.files };
    let opened = inputs::open(words, &arguments.input, &options, WithoutInput::NoTables, Deadline::NEVER, false)?;
    let engine_options = engine::Options { start_ticks: options.now_ticks, random_seed: options.random_seed };
    let mut run = Run {
        processor: Processor::new(Arc::clone(&set), &engine_options),
        collector: Collector::new(Arc::clone(&set), &files, &limits),
        now_ticks: options.now_ticks,
    };
    run.inputs(opened.inputs()).map_err(|error| Failure::Input(error.message))?;
    run.processor.shutdown_observed(options.now_ticks, &mut run.collector);
    report::inputs(&opened.report(), console);
    let malformed = run.processor.totals().malformed;
    if malformed > 0 && opened.report().skipped_count == 0 {
        console.say(&format!("error: {malformed} requests could not be read by the rules; --lenient accepts that"));
    }
    let diff = run.collector.finish(&run.processor);
    match arguments.output {
        ReportForm::Text => view::write(&diff, console.width(), &mut console.out)?,
        ReportForm::Json => writeln!(console.out, "{}", text::neutral_json(&json::object(&diff).to_string()))?,
    }
    let is_whole = opened.report().skipped_count == 0 && malformed == 0;
    match (is_whole || arguments.input.lenient, arguments.exit_code && diff.has_changes()) {
        (false, _) => Err(Failure::Data),
        (true, true) => Err(Failure::Differs),
        (true, false) => Ok(()),
    }
}

/// Holds what takes the records.
struct Run {
    processor: Processor,
    collector: Collector,
    now_ticks: i64,
}

impl Run {
    fn inputs(&mut self, inputs: &Inputs) -> Result<(), StreamError> {
        for index in 0..inputs.descriptions().len() {
            if let Some(mut requests) = inputs.requests(index)? {
                while let Some(piece) = requests.next_piece()? {
                    piece.requests.iter().for_each(|request| self.apply(request.signal, &request.bytes));
                }
            }
            if let Some(mut originals) = inputs.originals(index)? {
                while let Some(original) = originals.next_record()? {
                    let mut builder = RequestBuilder::new(Signal::Logs);
                    // A record that OTLP cannot hold passes the rules, as with `apply`.
                    if original.row.is_some_and(|row| builder.push_row(&row).is_ok()) {
                        self.apply(Signal::Logs, &builder.take());
                    }
                }
            }
        }
        Ok(())
    }

    fn apply(&mut self, signal: Signal, request: &[u8]) {
        self.processor.apply_observed(signal, request, self.now_ticks, &mut self.collector);
        self.processor.tick(self.now_ticks);
    }
}
