//! `dtq run`: a query and the inputs it reads to its result, then to what the run has to say about them.

use crate::args::RunArguments;
use crate::commands::{batch, query};
use crate::console::Console;
use crate::deadline::Deadline;
use crate::failure::{Failure, Outcome};
use crate::inputs::{self, Opened, WithoutInput};
use crate::native;
use crate::observe::Observed;
use crate::output::{self, Form, Header, Sink};
use crate::report::{self, Clock, Counts};
use dtq_engine::{Budget, Options, Query, Run, compile};
use dtq_source::{Code, Limits, SourceText};
use dtq_value::scalar::Fault;
use std::io::Write;
use std::num::NonZero;

/// Runs `dtq run`.
pub fn execute(arguments: &RunArguments, console: &mut Console) -> Outcome {
    let mut limits = Limits::default();
    if let Some(size) = arguments.limit_memory {
        limits.held_bytes_max = size;
    }
    if let Some(path) = &arguments.batch {
        return batch::run(path, arguments, limits, console);
    }
    let form = arguments.output.unwrap_or(if console.is_out_terminal { Form::Table } else { Form::Ndjson });
    let (source, files) = query::take(&arguments.words, arguments.file.as_deref(), &limits)?;
    let mut options = query::options(&arguments.query, limits)?;
    let deadline = Deadline::start(arguments.limit_time);
    let time = || deadline.clock_ns();
    options.budget = Budget::of_time(u64::MAX, &time);
    options.without_optimizer = arguments.no_opt;
    options.engine = arguments.engine.into();
    let mut clock = Clock::start();
    let shows_progress = progress_wanted(form, console);
    let mut opened = inputs::open(files, &arguments.input, &options, WithoutInput::NoTables, deadline, shows_progress)?;
    opened.use_threads(thread_count(arguments));
    clock.lap("open");
    let observed = Observed::new(&opened);
    let query = compiled(&source, &observed, &options, files, console)?;
    native::prepare(arguments.engine, &query, console)?;
    clock.lap("compile");
    observed.watch(query.optimized(), &source);
    let written = write(&query, &observed, &options, form, console);
    opened.finish_progress();
    clock.lap("run");
    account(arguments, &query, &opened, &observed, &clock, console);
    written?;
    let is_whole = opened.report().skipped_count == 0;
    if is_whole || arguments.input.lenient { Ok(()) } else { Err(Failure::Data) }
}

/// Returns how many threads may read: those asked for, else one a core.
fn thread_count(arguments: &RunArguments) -> usize {
    match arguments.threads {
        Some(count) => usize::from(count),
        None => std::thread::available_parallelism().map_or(1, NonZero::get),
    }
}

/// Says whether a progress bar would disturb nothing: stdout gets nothing meanwhile, or goes elsewhere.
fn progress_wanted(form: Form, console: &Console) -> bool {
    console.is_err_terminal && (!console.is_out_terminal || form == Form::Table)
}

/// Returns the compiled query; its diagnostics and hints are written.
fn compiled(
    source: &SourceText,
    observed: &Observed<'_>,
    options: &Options<'_>,
    files: &[String],
    console: &Console,
) -> Result<Query, Failure> {
    let (query, diagnostics) = compile(source.text(), observed, options);
    console.diagnose(source, &diagnostics);
    query.ok_or_else(|| {
        for hint in query::hints(source, &diagnostics, files) {
            console.say(&format!("note: {hint}"));
        }
        Failure::Query
    })
}

/// Runs the query and writes its tables to stdout.
fn write(query: &Query, observed: &Observed<'_>, options: &Options<'_>, form: Form, console: &mut Console) -> Outcome {
    let program = query.program();
    let mut sink = match form {
        Form::Otlp | Form::OtlpJson => output::otlp::sink(form, program, &options.limits, console)?,
        _ => output::sink(form, program.outputs.len(), console)?,
    };
    let is_live = console.is_out_terminal;
    let result = (|| {
        let mut run = query.run(observed, options).map_err(Stopped::Fault)?;
        let mut out = FlushAfterBatch { out: &mut console.out, is_live };
        drain(&mut run, sink.as_mut(), &mut out)
    })();
    match result {
        Ok(()) => Ok(()),
        Err(Stopped::Write(error)) => Err(error.into()),
        Err(Stopped::Fault(fault)) => {
            // What is already known is shown; a document (json, kusto) stays open, so that nobody takes it for whole.
            if form == Form::Table {
                sink.end(&mut console.out)?;
            }
            console.out.flush()?;
            console.say(&fault.to_string());
            Err(if fault.code == Code::E3008 { Failure::Data } else { Failure::Query })
        }
    }
}

/// Why writing a result stopped.
pub enum Stopped {
    /// The run failed.
    Fault(Fault),
    /// The output did.
    Write(std::io::Error),
}

impl From<std::io::Error> for Stopped {
    fn from(error: std::io::Error) -> Self {
        Stopped::Write(error)
    }
}

/// Writes all results of a run.
///
/// # Errors
/// When the run or the output fails; what came before is written.
pub fn drain(run: &mut Run<'_>, sink: &mut dyn Sink, out: &mut dyn Write) -> Result<(), Stopped> {
    let is_one_of_several = run.output_count() > 1;
    for index in 0..run.output_count() {
        sink.begin(out, &Header { name: run.name(index), columns: run.columns(index), is_one_of_several })?;
        while let Some(rows) = run.next_batch(index).map_err(Stopped::Fault)? {
            sink.rows(out, &rows)?;
            out.flush()?;
        }
        sink.end(out)?;
    }
    Ok(sink.finish(out)?)
}

/// Passes on flushes, which mark the end of a batch, only when somebody is watching.
struct FlushAfterBatch<'o, W> {
    out: &'o mut W,
    is_live: bool,
}

impl<W: Write> Write for FlushAfterBatch<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.is_live { self.out.flush() } else { Ok(()) }
    }
}

/// Writes to stderr what the run has to say about its inputs, and the statistics.
fn account(
    arguments: &RunArguments,
    query: &Query,
    opened: &Opened,
    observed: &Observed<'_>,
    clock: &Clock,
    console: &Console,
) {
    report::inputs(&opened.report(), console);
    report::never_seen(&observed.never_seen(), console);
    if let Some(form) = arguments.stats {
        let input = opened.report();
        let counts = Counts {
            records: observed.row_count(),
            passed_over: input.records_passed_over,
            bytes: input.bytes_read,
            skipped: input.skipped_count,
            threads: opened.thread_count(),
            engine: native::used(arguments.engine, query),
        };
        report::stats(form, &counts, query.passes(), &clock.stages(observed.read_time()), console);
    }
}
