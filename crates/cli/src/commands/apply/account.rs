//! What a run of `apply` has to say: skipped input, notices, what had no place, and the account of every rule.

use super::Run;
use crate::args::ApplyArguments;
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use crate::inputs::Opened;
use crate::native;
use crate::output::table::TableSink;
use crate::output::{Header, Sink};
use crate::report::{self, Clock, Counts, EngineUse};
use dtq_record::otlp::Signal;
use dtq_record::otlp::to_json::append_json;
use dtq_record::stream::{Column, Row};
use dtq_rules::compile::rule::CompiledRule;
use dtq_rules::engine::{Account, Notice, Totals};
use dtq_rules::file::rule::Mode;
use dtq_value::{Type, Value};
use serde_json::json;
use std::io;
use std::path::Path;

/// Writes all of it to stderr, and the account as JSON where that is asked for.
pub fn write(arguments: &ApplyArguments, run: &Run, opened: &Opened, clock: &Clock, console: &Console) -> Outcome {
    let input = opened.report();
    report::inputs(&input, console);
    for Notice { rule, message, .. } in &run.notices {
        let about = rule.as_ref().map(|name| format!("rule `{}`: ", name.as_text())).unwrap_or_default();
        console.say(&format!("note: {about}{message}"));
    }
    let further = run.notice_count.saturating_sub(run.notices.len() as u64);
    if further > 0 {
        console.say(&format!("note: {further} further notes of rules are not shown"));
    }
    for note in run.others.notes() {
        console.say(&format!("note: {note}"));
    }
    let unwritable = run.others.unwritable_count() + run.main.as_ref().map_or(0, |main| main.unwritable_count);
    if unwritable > 0 {
        console
            .say(&format!("note: {unwritable} requests cannot be read and are left out: this form cannot hold them"));
    }
    let totals = run.processor.totals();
    if totals.malformed > 0 && input.skipped_count == 0 {
        let count = totals.malformed;
        console.say(&format!("error: {count} requests could not be read by the rules; --lenient accepts that"));
    }
    if run.unwritten_count > 0 {
        let count = run.unwritten_count;
        let records = if count == 1 { "record has" } else { "records have" };
        console.say(&format!(
            "error: {count} {records} edits that their format has no place for; --output otlp-json holds every edit, \
             --lenient accepts that"
        ));
    }
    match arguments.report.as_deref() {
        None => console.say(table(run, console)?.trim_end()),
        Some(path) if path == Path::new("-") => console.say(&json(run, input.skipped_count)),
        Some(path) => std::fs::write(path, json(run, input.skipped_count) + "\n")
            .map_err(|error| Failure::Output(io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))))?,
    }
    if let Some(form) = arguments.stats {
        let engine = EngineUse { name: native::name(run.processor.native()), functions: None };
        let (records, bytes, skipped) = (totals.records_in, input.bytes_read, input.skipped_count);
        let counts = Counts { records, passed_over: 0, bytes, skipped, threads: 1, engine };
        report::stats(form, &counts, None, clock.laps(), console);
    }
    Ok(())
}

fn json(run: &Run, skipped: u64) -> String {
    let accounts = run.processor.accounts();
    let rules = run.processor.rules().rules.iter().zip(accounts).enumerate().map(|(position, (rule, account))| {
        let mut object = json!({ "rule": rule.name.as_text(), "mode": rule.mode.to_string() });
        if rule.mode == Mode::Observe {
            object["samples"] = samples(run, position, rule);
        }
        if let (Some(object), Ok(serde_json::Value::Object(counts))) =
            (object.as_object_mut(), serde_json::to_value(&account))
        {
            object.extend(counts);
        }
        object
    });
    let totals = run.processor.totals();
    json!({
        "rules": rules.collect::<Vec<_>>(),
        "totals": totals,
        "is_conserved": totals.is_conserved(),
        "skipped": skipped,
        "unwritten": run.unwritten_count,
        "without_place": run.others.notes(),
    })
    .to_string()
}

/// Returns the first records that a rule in mode observe matches, each as OTLP JSON with its resource and scope.
fn samples(run: &Run, position: usize, rule: &CompiledRule) -> serde_json::Value {
    let nesting_max = run.processor.rules().limits.value_nesting_max;
    let signal = rule.base.signal().unwrap_or(Signal::Logs);
    let shown = run.processor.samples(position).iter().filter_map(|request| {
        let mut text = String::new();
        append_json(&mut text, signal, request, nesting_max).ok()?;
        serde_json::from_str::<serde_json::Value>(&text).ok()
    });
    shown.collect()
}

/// A count of an account and the name of its column.
type Count = (&'static str, fn(&Account) -> u64);

/// Counts that are always shown.
const ALWAYS: [Count; 4] = [
    ("Seen", |account| account.seen),
    ("Matched", |account| account.matched),
    ("Dropped", |account| account.dropped),
    ("Edited", |account| account.edited),
];

/// Counts that are shown when a rule has one.
const SOMETIMES: [Count; 14] = [
    ("Created", |account| account.created),
    ("Consumed", |account| account.consumed),
    ("Rerouted", |account| account.rerouted),
    ("Copied", |account| account.copied),
    ("Recorded", |account| account.recorded),
    ("Released", |account| account.released),
    ("Held", |account| account.held),
    ("Evicted", |account| account.evicted),
    ("Late", |account| account.late),
    ("WithinRate", |account| account.within_rate),
    ("Errors", |account| account.errors),
    ("DroppedBytes", |account| account.dropped_bytes),
    ("StateBytes", |account| account.state_bytes),
    ("Partitions", |account| account.partitions),
];

/// Returns the account as a table, and below it the law that nothing is lost.
fn table(run: &Run, console: &Console) -> io::Result<String> {
    let accounts = run.processor.accounts();
    let mut text = Vec::new();
    if !accounts.is_empty() {
        let is_shown = |(_, count): &&Count| accounts.iter().any(|account| count(account) > 0);
        let counts: Vec<&Count> = ALWAYS.iter().chain(SOMETIMES.iter().filter(is_shown)).collect();
        let named = counts.iter().map(|(name, _)| Column::new(*name, Type::Long));
        let columns: Vec<Column> = std::iter::once(Column::new("Rule", Type::String)).chain(named).collect();
        let rows = run.processor.rules().rules.iter().zip(&accounts);
        let rows: Vec<Row> = rows.map(|(rule, account)| row(rule, account, &counts)).collect();
        let mut sink = TableSink::new(console.width());
        sink.begin(&mut text, &Header { name: "Account", columns: &columns, is_one_of_several: false })?;
        sink.rows(&mut text, &rows)?;
        sink.end(&mut text)?;
        sink.finish(&mut text)?;
    }
    Ok(String::from_utf8_lossy(&text).into_owned() + &law(&run.processor.totals()))
}

fn row(rule: &CompiledRule, account: &Account, counts: &[&Count]) -> Row {
    let name = rule.name.as_text();
    let name = match (rule.mode, &account.disabled) {
        (_, Some(_)) => format!("{name} (disabled)"),
        (Mode::Observe, None) => format!("{name} (observe)"),
        (Mode::Enforce | Mode::Off, None) => name.into_owned(),
    };
    let counted = counts.iter().map(|(_, count)| Value::Long(i64::try_from(count(account)).unwrap_or(i64::MAX)));
    std::iter::once(Value::string(&*name)).chain(counted).collect()
}

/// Returns what came and where it is; what is 0 is left out but for the essential.
fn law(totals: &Totals) -> String {
    let Totals { records_in, created, records_out, dropped, consumed, rerouted, held, evicted, .. } = totals;
    let mut text = format!("records: {records_in} in");
    if *created > 0 {
        text += &format!(" + {created} created");
    }
    text += &format!(" = {records_out} out");
    for (count, what) in
        [(dropped, "dropped"), (consumed, "consumed"), (rerouted, "rerouted"), (held, "held"), (evicted, "evicted")]
    {
        if *count > 0 {
            text += &format!(" + {count} {what}");
        }
    }
    text += &format!("; bytes: {} in, {} out", totals.bytes_in, totals.bytes_out);
    if !totals.is_conserved() {
        text += "\nerror: the counts do not add up, which is a mistake of dtq; please report it";
    }
    text
}
