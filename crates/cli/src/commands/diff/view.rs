//! What rules would change, for people: a table of the groups, then each rule with examples, within the terminal's width.

use super::collect::{AlwaysNull, Diff, Example, Group, Groups, RuleDiff, Tally};
use super::fields::Change;
use crate::output::layout::cut;
use crate::output::text;
use dtq_record::otlp::{Signal, logs, metrics, spans};
use dtq_record::stream::Row;
use dtq_rules::engine::Account;
use dtq_value::Value;
use std::io::{self, Write};

/// The width where no terminal says one.
const WIDTH: usize = 100;
/// Fields shown of a rule.
const FIELDS_SHOWN_MAX: usize = 10;
/// Changes shown of an example.
const CHANGES_SHOWN_MAX: usize = 8;

/// Writes it.
pub fn write(diff: &Diff, width: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
    let mut view = View { out, width: width.unwrap_or(WIDTH).max(40), factor: diff.day_factor() };
    view.head(diff)?;
    view.groups(&diff.groups, diff.came.records)?;
    for rule in &diff.rules {
        view.rule(rule)?;
    }
    if !diff.always_null.is_empty() {
        view.line("")?;
    }
    diff.always_null.iter().try_for_each(|one| view.always_null(one))
}

struct View<'o> {
    out: &'o mut dyn Write,
    width: usize,
    factor: Option<f64>,
}

impl View<'_> {
    /// Writes a line as far as it fits, harmless to a terminal.
    fn line(&mut self, line: &str) -> io::Result<()> {
        let safe = text::neutral(line);
        writeln!(self.out, "{}", cut(&safe, self.width).trim_end())
    }

    fn head(&mut self, diff: &Diff) -> io::Result<()> {
        let came = format!("{} of telemetry", counted(&diff.came));
        let Some((first, last)) = diff.times else { return self.line(&came) };
        let seconds = (last - first) as f64 / 1e7;
        self.line(&format!("{came}, {}", span(seconds)))?;
        self.line(&format!("from {} to {}", text::datetime(first), text::datetime(last)))
    }

    fn groups(&mut self, groups: &Groups, came: u64) -> io::Result<()> {
        let mut rows = vec![vec!["", "records", "share", "bytes", "after"]];
        if self.factor.is_some() {
            rows[0].extend(["records/day", "bytes/day"]);
        }
        let mut rows: Vec<Vec<String>> =
            rows.into_iter().map(|row| row.into_iter().map(str::to_owned).collect()).collect();
        let named = [
            ("unmodified", &groups.unmodified),
            ("modified", &groups.modified),
            ("dropped", &groups.dropped),
            ("created", &groups.created),
            ("rerouted", &groups.rerouted),
        ];
        for (name, tally) in named {
            let share = if came == 0 { 0.0 } else { 100.0 * tally.records as f64 / came as f64 };
            let mut row = vec![
                name.to_owned(),
                thousands(tally.records),
                format!("{share:.1} %"),
                size(tally.bytes as f64),
                size(tally.bytes_after as f64),
            ];
            if let Some(factor) = self.factor {
                row.push(thousands((tally.records as f64 * factor).round() as u64));
                row.push(size(tally.bytes as f64 * factor));
            }
            rows.push(row);
        }
        self.line("")?;
        let widths: Vec<usize> =
            (0..rows[0].len()).map(|at| rows.iter().map(|row| row[at].len()).max().unwrap_or(0)).collect();
        for row in rows {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(at, (cell, width))| if at == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") })
                .collect();
            self.line(&cells.join("  "))?;
        }
        Ok(())
    }

    fn rule(&mut self, rule: &RuleDiff) -> io::Result<()> {
        self.line("")?;
        let mode = if rule.mode == "enforce" { String::new() } else { format!(", mode {}", rule.mode) };
        let Account { seen, matched, .. } = rule.account;
        let matched = format!("matches {} of {}", thousands(matched), thousands(seen));
        self.line(&format!("{} (to: {}{mode}): {matched}", rule.name, rule.to))?;
        let Groups { modified, dropped, created, rerouted, .. } = &rule.groups;
        let named = [("modified", modified), ("dropped", dropped), ("created", created), ("rerouted", rerouted)];
        for (name, tally) in named.into_iter().filter(|(_, tally)| tally.records > 0) {
            self.line(&format!("  {name} {}{}", counted(tally), self.a_day(tally)))?;
        }
        self.notes(&rule.account)?;
        for (field, count) in rule.fields.iter().take(FIELDS_SHOWN_MAX) {
            self.line(&format!("  {:>8} x {field}", thousands(*count)))?;
        }
        if rule.fields.len() > FIELDS_SHOWN_MAX {
            self.line(&format!("  and {} further fields", rule.fields.len() - FIELDS_SHOWN_MAX))?;
        }
        rule.examples.iter().try_for_each(|example| self.example(example))
    }

    /// Writes counts that no group shows.
    fn notes(&mut self, account: &Account) -> io::Result<()> {
        let counts = [
            ("consumed by a metric", account.consumed),
            ("held", account.recorded),
            ("released", account.released),
            ("copied to a named output", account.copied),
            ("within the rate, left alone", account.within_rate),
            ("late for their window", account.late),
            ("cannot be judged", account.errors),
        ];
        for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            self.line(&format!("  {} {name}", thousands(count)))?;
        }
        match &account.first_error {
            Some(error) => self.line(&format!("  the first: {error}")),
            None => Ok(()),
        }
    }

    fn a_day(&self, tally: &Tally) -> String {
        match self.factor {
            Some(factor) => {
                let records = thousands((tally.records as f64 * factor).round() as u64);
                format!("; a day {records}, {}", size(tally.bytes as f64 * factor))
            }
            None => String::new(),
        }
    }

    fn example(&mut self, example: &Example) -> io::Result<()> {
        let mark = match example.group {
            Group::Modified => '~',
            Group::Created => '+',
            Group::Rerouted => '>',
            Group::Dropped | Group::Consumed | Group::Held => '-',
        };
        self.line(&format!("  {mark} {}", summary(example.signal, &example.row)))?;
        for change in example.changes.iter().take(CHANGES_SHOWN_MAX) {
            self.change(change)?;
        }
        let further = example.changes.len().saturating_sub(CHANGES_SHOWN_MAX);
        if further > 0 {
            self.line(&format!("      and {further} further fields"))?;
        }
        Ok(())
    }

    fn change(&mut self, change: &Change) -> io::Result<()> {
        self.line(&format!("      {}", change.field))?;
        if let Some(before) = &change.before {
            self.line(&format!("        - {before}"))?;
        }
        if let Some(after) = &change.after {
            self.line(&format!("        + {after}"))?;
        }
        Ok(())
    }

    fn always_null(&mut self, one: &AlwaysNull) -> io::Result<()> {
        let AlwaysNull { table, records, field, nearest } = one;
        let Some(field) = field else {
            return writeln!(self.out, "note: rules read `{table}`, and there are no such records");
        };
        let hint = nearest.as_ref().map(|key| format!("; did you mean `{key}`?")).unwrap_or_default();
        // Never cut: the hint at its end is the point of it.
        let records = thousands(*records);
        let note = format!("note: `{field}` was null in all {records} records of `{table}`{hint}");
        writeln!(self.out, "{}", text::neutral(&note))
    }
}

/// Returns a record on one line: when, how bad, from whom, and what.
fn summary(signal: Signal, row: &Row) -> String {
    let cell = |column: usize| row.get(column).unwrap_or(&Value::Null);
    let text = |column: usize| match cell(column) {
        Value::Null => String::new(),
        Value::String(text) => text.to_string(),
        Value::DateTime(ticks) => text::datetime(*ticks),
        other => text::dynamic(other),
    };
    let service = |column: usize| match cell(column) {
        Value::Bag(resource) => match resource.get(b"service.name") {
            Some(Value::String(name)) => name.to_string(),
            _ => String::new(),
        },
        _ => String::new(),
    };
    let parts = match signal {
        Signal::Logs => {
            use logs::column as c;
            vec![text(c::TIMESTAMP), text(c::SEVERITY_TEXT), service(c::RESOURCE), text(c::EVENT_NAME), text(c::BODY)]
        }
        Signal::Spans => {
            use spans::column as c;
            vec![text(c::END_TIME), text(c::STATUS_CODE), service(c::RESOURCE), text(c::SPAN_KIND), text(c::SPAN_NAME)]
        }
        Signal::Metrics => {
            use metrics::column as c;
            vec![
                text(c::TIMESTAMP),
                text(c::METRIC_TYPE),
                service(c::RESOURCE),
                text(c::METRIC_NAME),
                text(c::ATTRIBUTES),
            ]
        }
    };
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}

fn counted(tally: &Tally) -> String {
    let records = if tally.records == 1 { "record" } else { "records" };
    let bytes = size(tally.bytes as f64);
    let after = if tally.bytes_after > 0 && tally.bytes_after != tally.bytes {
        format!(" -> {}", size(tally.bytes_after as f64))
    } else {
        String::new()
    };
    format!("{} {records}, {bytes}{after}", thousands(tally.records))
}

/// Returns a count with a comma before each three digits.
fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Returns a size with three significant digits or so.
fn size(bytes: f64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024.0 {
        return format!("{bytes:.0} B");
    }
    let mut amount = bytes / 1024.0;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        if amount < 1024.0 {
            break;
        }
        amount /= 1024.0;
        unit = next;
    }
    if amount < 100.0 { format!("{amount:.1} {unit}") } else { format!("{amount:.0} {unit}") }
}

/// Returns a length of time in two units.
fn span(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3_600 => format!("{} min {} s", whole / 60, whole % 60),
        3_600..86_400 => format!("{} h {} min", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        assert_eq!([0, 999, 1_000, 12_345_678].map(thousands), ["0", "999", "1,000", "12,345,678"]);
        let sizes = [0.0, 1023.0, 1024.0, 150_000.0, 5e9];
        assert_eq!(sizes.map(size), ["0 B", "1023 B", "1.0 KiB", "146 KiB", "4.7 GiB"]);
        assert_eq!([1.25, 61.0, 7_200.0, 90_000.0].map(span), ["1.2 s", "1 min 1 s", "2 h 0 min", "1 d 1 h"]);
    }
}
