//! What rules cost, beside what code written by hand costs on the same work in the same run.
//!
//! Thread CPU time, the least of several repetitions; only ratios within one run can be compared between machines. Every
//! answer is compared before it is measured. Read in order: [`args`], [`questions`], [`engine`], [`work`], [`check`],
//! [`bytes`], [`over_slots`], [`decoded`], [`sets`], [`compile`], [`swaps`], [`kernel`],
//! [`report`].

mod args;

mod questions;

mod engine;

mod work;

mod check;

mod bytes;

mod over_slots;

mod decoded;

mod sets;

mod compile;

mod swaps;

mod kernel;

mod report;

use args::{Args, Command, Group, MeasureArgs};
use dtq_workload::measure::{self, Case};
use dtq_workload::{ndjson, records, requests};
use std::io::{BufWriter, Write};
use work::{Regime, Work};

fn main() -> Result<(), String> {
    match Args::parse(std::env::args().skip(1))?.command {
        Command::Measure(args) => measure_groups(&args),
        Command::Instructions { case, passes, count } => run_one(&case, passes, count),
        Command::List => list(),
        Command::Ndjson { count } => written(|out| ndjson::write(&records::make(count), out)),
        Command::Otlp { count } => written(|out| write_otlp(count, out)),
    }
}

fn written(write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<(), String> {
    let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    write(&mut out).and_then(|()| out.flush()).map_err(|error| format!("standard output: {error}"))
}

fn write_otlp(count: usize, out: &mut dyn Write) -> std::io::Result<()> {
    for request in requests::encode(&records::make(count)) {
        let mut length = Vec::new();
        prost::encode_length_delimiter(request.len(), &mut length).expect("a vector grows");
        out.write_all(&length)?;
        out.write_all(&request)?;
    }
    Ok(())
}

fn measure_groups(args: &MeasureArgs) -> Result<(), String> {
    let has = |group: Group| args.groups.contains(&group);
    if has(Group::Compile) {
        // First, so that the first call is one.
        report::print_compile(&compile::measure(&args.engines)?);
    }
    if has(Group::Bytes) || has(Group::Decoded) {
        let regimes = args.regimes.iter().map(|regime| {
            let work = Work::new(*regime, args.file.as_deref())?;
            check::all(&work, &args.engines)?;
            let mut cases = cases_of(&work, args)?;
            Ok((*regime, work.record_size(), measure::all(&mut cases, work.passes)))
        });
        report::print_records(&regimes.collect::<Result<Vec<_>, String>>()?);
    }
    if has(Group::Sets) {
        report::print_sets(&sets::measure(&args.engines)?);
    }
    if has(Group::Swaps) {
        args.engines.iter().try_for_each(|engine| swaps::run(*engine))?;
    }
    if has(Group::Kernel) {
        kernel::run(args.word.as_deref())?;
    }
    Ok(())
}

/// Returns the cases of the groups and words that were asked for.
fn cases_of<'w>(work: &'w Work, args: &MeasureArgs) -> Result<Vec<Case<'w>>, String> {
    let mut cases = Vec::new();
    if args.groups.contains(&Group::Decoded) {
        cases.extend(decoded::cases(work, &args.engines)?);
    }
    if args.groups.contains(&Group::Bytes) {
        cases.extend(bytes::cases(work, &args.engines)?);
    }
    cases.retain(|case| args.word.as_ref().is_none_or(|word| case.name.contains(word.as_str())));
    Ok(cases)
}

/// Runs one case and nothing else under the function whose instructions are counted.
fn run_one(name: &str, passes: usize, count: usize) -> Result<(), String> {
    let work = Work::of_count(count);
    let mut cases = cases_of(&work, &MeasureArgs::default())?;
    let case = cases.iter_mut().find(|case| case.name == name).ok_or_else(|| format!("no case is called `{name}`"))?;
    // Buffers that grow once are grown before anything is counted.
    std::hint::black_box((case.run)());
    measure::measured_passes(case, passes);
    println!("{}", case.record_count * passes);
    Ok(())
}

fn list() -> Result<(), String> {
    let work = Work::new(Regime::Cached, None)?;
    cases_of(&work, &MeasureArgs::default())?.iter().for_each(|case| println!("{}", case.name));
    Ok(())
}
