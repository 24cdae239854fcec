//! `dtq apply`: rules and inputs to what leaves, in the format in which it came, and to the account.
//!
//! Read in order: `apply/outputs.rs` (where requests go), `apply/otlp.rs` (requests), `apply/gather.rs` and
//! `apply/records.rs` (all other formats), `apply/account.rs` (what is said at the end).

mod outputs;

mod otlp;

mod gather;

mod records;

mod account;

use crate::args::ApplyArguments;
use crate::commands::query;
use crate::console::Console;
use crate::deadline::Deadline;
use crate::failure::{Failure, Outcome};
use crate::inputs::{self, Opened, WithoutInput};
use crate::native;
use crate::output::telemetry::{Encoding, RequestWriter};
use crate::report::Clock;
use crate::rule_set;
use dtq_engine::Options;
use dtq_record::WireError;
use dtq_record::otlp::Signal;
use dtq_record::otlp::requests::Envelope;
use dtq_record::stream::StreamError;
use dtq_rules::compile::RuleSet;
use dtq_rules::compile::rule::{Action, CompiledRule};
use dtq_rules::engine::{self, Notice, Processor};
use dtq_rules::file::rule::Mode;
use dtq_source::Limits;
use outputs::Others;
use std::io::{self, IsTerminal};
use std::sync::Arc;

/// How many notices of rules are said one by one.
const NOTICES_SHOWN_MAX: usize = 20;

/// Runs `dtq apply`.
pub fn execute(arguments: &ApplyArguments, console: &mut Console) -> Outcome {
    let limits = Limits::default();
    let options = query::options(&arguments.given.to_query(), limits.clone())?;
    let mut clock = Clock::start();
    let (files, mut set) = rule_set::ready(&arguments.rules.rules, options.now_ticks, &limits, console)?;
    if arguments.no_opt {
        let compiled = rule_set::compile(&files, options.now_ticks, &limits, true);
        set = compiled.set.expect("the same files were compiled before");
    }
    let places = outputs::places(arguments, &set)?;
    clock.lap("compile");
    let opened = open(arguments, &options, console)?;
    let medium = medium(arguments, &opened, console)?;
    if matches!(medium, Medium::Originals) && arguments.logs.is_none() {
        refuse_recorders(&set)?;
    }
    clock.lap("open");
    let envelope = medium.envelope();
    let (main, original_out) = match medium {
        Medium::Requests(encoding) => {
            let out = places.open_main(encoding.is_binary(), console)?;
            (Some(RequestWriter::new(out, encoding, &limits)), None)
        }
        Medium::Originals => (None, Some(places.open_main(false, console)?)),
    };
    let engine_options = engine::Options { start_ticks: options.now_ticks, random_seed: options.random_seed };
    let set = Arc::new(set);
    let mut processor = Processor::new(Arc::clone(&set), &engine_options);
    if let Some(native) = native::compile(arguments.engine, &set, console)? {
        processor.use_native(native);
    }
    clock.lap("native");
    let mut run = Run {
        processor,
        main,
        others: places.open_others(envelope, &limits)?,
        limits,
        now_ticks: arguments.given.now.is_some().then_some(options.now_ticks),
        notices: Vec::new(),
        notice_count: 0,
        unwritten_count: 0,
    };
    let result = run.all(&opened, original_out);
    opened.finish_progress();
    clock.lap("run");
    account::write(arguments, &run, &opened, &clock, console)?;
    result?;
    let is_whole = opened.report().skipped_count == 0 && run.processor.totals().malformed == 0;
    let is_whole = is_whole && run.unwritten_count == 0;
    if is_whole || arguments.input.lenient { Ok(()) } else { Err(Failure::Data) }
}

/// Opens the inputs; without a word it is stdin.
fn open(arguments: &ApplyArguments, options: &Options<'_>, console: &Console) -> Result<Opened, Failure> {
    let stdin = ["-".to_owned()];
    let words = if arguments.files.is_empty() { &stdin[..] } else { &arguments.files };
    if arguments.files.is_empty() && io::stdin().is_terminal() {
        return Err(Failure::Usage("no input is given: name files, or send telemetry to stdin".into()));
    }
    let shows_progress = console.is_err_terminal && !console.is_out_terminal;
    inputs::open(words, &arguments.input, options, WithoutInput::NoTables, Deadline::NEVER, shows_progress)
}

/// Says in which form telemetry goes on.
enum Medium {
    /// As requests.
    Requests(Encoding),
    /// As records, in the format of the inputs.
    Originals,
}

impl Medium {
    /// Returns how other outputs are written where their names don't say.
    fn envelope(&self) -> Envelope {
        match self {
            Medium::Requests(Encoding::Otlp(envelope)) => *envelope,
            _ => Envelope::Json,
        }
    }
}

/// Returns the form: the one asked for, or that of the inputs, which must then be the same.
fn medium(arguments: &ApplyArguments, opened: &Opened, console: &Console) -> Result<Medium, Failure> {
    let descriptions = opened.inputs().descriptions();
    let first = descriptions.first().expect("there is an input, or opening had failed");
    let signal = first.signals.first().copied().unwrap_or(Signal::Logs);
    if let Some(form) = arguments.output {
        return Ok(Medium::Requests(Encoding::of_form(form, signal, console)?));
    }
    for other in &descriptions[1..] {
        let is_protobuf = matches!(other.envelope, Some(Envelope::Bare | Envelope::Delimited));
        if other.format != first.format
            || other.envelope != first.envelope
            || is_protobuf && other.signals != first.signals
        {
            let (one, two) = (first.name, other.name);
            let message = format!(
                "`{one}` and `{two}` have different formats or signals, which one output cannot keep; \
                 use --output otlp-json, or apply the rules to each"
            );
            return Err(Failure::Usage(message));
        }
    }
    Ok(match first.envelope {
        Some(envelope) => Medium::Requests(Encoding::Otlp(envelope)),
        None => Medium::Originals,
    })
}

/// A record that was held has left its line: it goes on as OTLP, and that needs a place.
fn refuse_recorders(set: &RuleSet) -> Outcome {
    let holds = |rule: &&CompiledRule| rule.mode == Mode::Enforce && matches!(rule.action, Action::Recorder { .. });
    let Some(rule) = set.rules.iter().find(holds) else { return Ok(()) };
    let name = rule.name.as_text();
    let message = format!(
        "the rule `{name}` holds records, which go on as OTLP and not in the format of the input; \
         name a file for them with --logs, or use --output otlp-json"
    );
    Err(Failure::Usage(message))
}

/// Holds what a run of `apply` goes through.
struct Run {
    processor: Processor,
    /// Where telemetry goes on as requests; `None` when records keep a format that is not OTLP.
    main: Option<RequestWriter>,
    others: Others,
    limits: Limits,
    /// When telemetry arrives, unless the clock says.
    now_ticks: Option<i64>,
    notices: Vec<Notice>,
    notice_count: u64,
    /// Edited records of which something has no place in their format.
    unwritten_count: u64,
}

impl Run {
    /// Applies the rules to all inputs and ends the outputs.
    fn all(&mut self, opened: &Opened, mut original_out: Option<Box<dyn io::Write>>) -> Outcome {
        for (index, description) in opened.inputs().descriptions().iter().enumerate() {
            match (description.envelope, &mut original_out) {
                (Some(envelope), _) => self.requests(opened.inputs(), index, envelope)?,
                (None, None) => self.converted(opened.inputs(), index)?,
                (None, Some(out)) => self.originals(opened.inputs(), index, description.format, out.as_mut())?,
            }
        }
        let last = self.processor.shutdown(self.arrival());
        self.emit(last)?;
        if let Some(out) = &mut original_out {
            out.flush()?;
        }
        if let Some(main) = &mut self.main {
            main.finish()?;
        }
        Ok(self.others.finish()?)
    }

    /// Returns when what is read now arrives.
    fn arrival(&self) -> i64 {
        self.now_ticks.unwrap_or_else(query::now_ticks)
    }

    /// Applies the rules to a request.
    fn apply(&mut self, signal: Signal, request: &[u8]) -> engine::Outcome {
        let arrival = self.arrival();
        self.processor.apply(signal, request, arrival, Some(&query::thread_ns))
    }

    /// Says to the rules that something could not be read.
    fn apply_unreadable(&mut self, signal: Signal, size: usize, reason: &'static str) -> engine::Outcome {
        let arrival = self.arrival();
        self.processor.apply_unreadable(signal, size, arrival, &WireError { offset: 0, reason })
    }

    /// Writes what left besides, and keeps what is to be said.
    fn emit(&mut self, outcome: engine::Outcome) -> io::Result<()> {
        self.others.write_notices(&outcome.notices, self.arrival())?;
        self.notice_count += outcome.notices.len() as u64;
        let room = NOTICES_SHOWN_MAX.saturating_sub(self.notices.len());
        self.notices.extend(outcome.notices.into_iter().take(room));
        self.others.write(&outcome.emissions, self.main.as_mut())
    }
}

fn unreadable(error: StreamError) -> Failure {
    Failure::Input(error.message)
}
