//! `dtq new`: a record of a file to a rule about its like, with a test that matches and one that does not.
//!
//! What tells a record apart is decided in `new/features.rs`. The rule is written out, never run; it is a beginning.

mod features;

use crate::args::{NewArguments, NewDropArguments, NewRule, QueryArguments};
use crate::commands::query;
use crate::console::Console;
use crate::deadline::Deadline;
use crate::failure::{Failure, Outcome};
use crate::inputs::{self, Opened, WithoutInput};
use crate::output::text;
use dtq_record::otlp::Signal;
use dtq_record::stream::{Catalog, Projection, Row, StreamError};
use dtq_source::Limits;
use dtq_value::{Bag, Value};
use features::Feature;
use std::fs::OpenOptions;
use std::io::{self, Write};

/// Runs `dtq new`.
pub fn execute(arguments: &NewArguments, console: &mut Console) -> Outcome {
    match &arguments.rule {
        NewRule::Drop(arguments) => drop_rule(arguments, console),
    }
}

fn drop_rule(arguments: &NewDropArguments, console: &mut Console) -> Outcome {
    let options = query::options(&QueryArguments::default(), Limits::default())?;
    let words = [arguments.from.clone()];
    let opened = inputs::open(&words, &arguments.input, &options, WithoutInput::NoTables, Deadline::NEVER, false)?;
    let signal = opened.inputs().signals().first().copied().unwrap_or(Signal::Logs);
    let mut like = None;
    let mut count = 0;
    each_row(&opened, signal, |row| {
        count += 1;
        if count == arguments.like {
            like = Some(row.clone());
        }
    })?;
    let (from, number) = (&arguments.from, arguments.like);
    let Some(like) = like else {
        return Err(Failure::Input(format!("{from} has {count} records, so that --like {number} names none")));
    };
    let features = features::of(signal, &like);
    if features.is_empty() {
        let message = format!("record {number} of {from} has nothing to tell it by: no name, text or service");
        return Err(Failure::Input(message));
    }
    let mut like_count = 0;
    let mut other: Option<(usize, Row)> = None;
    each_row(&opened, signal, |row| {
        let shared = features.iter().filter(|feature| feature.holds(row)).count();
        if shared == features.len() {
            like_count += 1;
        } else if other.as_ref().is_none_or(|(most, _)| shared > *most) {
            other = Some((shared, row.clone()));
        }
    })?;
    let name = arguments.name.clone().unwrap_or_else(|| features::rule_name(&features));
    let other = other.map(|(_, row)| row);
    let rule = written(&name, &format!("like record {number} of {from}"), signal, &features, &like, other.as_ref());
    match &arguments.out {
        None => console.out.write_all(rule.as_bytes())?,
        Some(path) => {
            let made = OpenOptions::new().write(true).create_new(true).open(path);
            let failed = |error: io::Error| {
                Failure::Output(io::Error::new(error.kind(), format!("`{}`: {error}", path.display())))
            };
            made.map_err(failed)?.write_all(rule.as_bytes()).map_err(failed)?;
        }
    }
    console.say(&format!("note: the rule drops {like_count} of {count} records of {from}"));
    Ok(())
}

/// Hands on every record of a signal.
fn each_row(opened: &Opened, signal: Signal, mut take: impl FnMut(&Row)) -> Outcome {
    let failed = |error: StreamError| Failure::Input(error.message);
    let width = opened.schema(signal.table()).map_or(0, |schema| schema.columns.len());
    let mut stream = opened.scan(signal.table(), &Projection::all(width)).map_err(failed)?;
    let (mut rows, mut has_more) = (Vec::new(), true);
    while has_more {
        has_more = stream.read(&mut rows).map_err(failed)?;
        rows.drain(..).for_each(|row| take(&row));
    }
    Ok(())
}

/// Returns the rule file.
fn written(name: &str, reason: &str, signal: Signal, features: &[Feature], like: &Row, other: Option<&Row>) -> String {
    let conditions: Vec<String> = features.iter().map(|feature| format!("      | where {}\n", feature.kql())).collect();
    let other = match other {
        Some(row) => example(features, row),
        // Every record of the file is like it; what lacks the first feature is not.
        None => example(&features[1..], like),
    };
    format!(
        "apiVersion: dtq/v1\n\
         rules:\n\
         \x20 - name: {name}\n\
         \x20   reason: {reason}\n\
         \x20   to: drop\n\
         \x20   kql: |\n\
         \x20     {table}\n\
         {conditions}\
         \x20   tests:\n\
         \x20     - name: the record goes\n\
         \x20       given: [{like}]\n\
         \x20       then: {{dropped: 1}}\n\
         \x20     - name: another stays\n\
         \x20       given: [{other}]\n\
         \x20       then: {{dropped: 0}}\n",
        name = json(&Value::string(name)),
        reason = json(&Value::string(reason)),
        table = signal.table(),
        conditions = conditions.concat(),
        like = example(features, like),
    )
}

/// Returns what a record has in the places of the features, as a row of a test.
fn example(features: &[Feature], row: &Row) -> String {
    let mut bag = Bag::new();
    for feature in features {
        feature.copy(row, &mut bag);
    }
    json(&Value::bag(bag))
}

/// JSON is YAML, too, when it has no character that YAML does not print.
fn json(value: &Value) -> String {
    text::neutral_json(&text::dynamic(value)).into_owned()
}
