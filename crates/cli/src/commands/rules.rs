//! `dtq check` on rule files: everything that is wrong with them, and the order in which their rules run.

use crate::args::{CheckArguments, CheckForm, CheckProfile};
use crate::commands::{check, kernel};
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Form, Header};
use crate::rule_set::{self, Loaded};
use dtq_engine::{Options, Profile, profile};
use dtq_record::Inputs;
use dtq_record::stream::{Column, Row};
use dtq_rules::file::rule::Tier;
use dtq_rules::file::{Located, order};
use dtq_value::{Type, Value};
use std::path::{Path, PathBuf};

/// Says whether the arguments name rule files, not a query.
pub fn are_meant(arguments: &CheckArguments) -> bool {
    !arguments.rules.is_empty()
        || arguments.files.is_empty() && arguments.words.first().is_some_and(|word| is_rules(word))
}

fn is_rules(word: &str) -> bool {
    matches!(Path::new(word).extension().and_then(|end| end.to_str()), Some("yaml" | "yml"))
}

/// Checks rule files.
pub fn check(arguments: &CheckArguments, options: &Options<'_>, console: &mut Console) -> Outcome {
    if let Some(other) = arguments.words.iter().find(|word| !is_rules(word)) {
        let message = format!("`{other}` is no rule file (.yaml or .yml); rules are checked without telemetry");
        return Err(Failure::Usage(message));
    }
    let words = arguments.words.iter().map(PathBuf::from);
    let paths: Vec<PathBuf> = arguments.rules.iter().cloned().chain(words).collect();
    let mut loaded = rule_set::load(&paths, options.now_ticks, &options.limits)?;
    match arguments.profile {
        None => {}
        Some(CheckProfile::AzureDcr) => add_refusals(&mut loaded, options)?,
        Some(CheckProfile::Kernel) => {
            kernel::advice::add(&mut loaded, &arguments.payloads, options.now_ticks, &options.limits);
        }
    }
    for Located { file, diagnostic } in &loaded.diagnostics {
        let source = &loaded.files[*file].source;
        check::write(std::slice::from_ref(diagnostic), source, arguments.output, console)?;
    }
    if loaded.set.is_none() || loaded.diagnostics.iter().any(|located| located.diagnostic.is_error()) {
        return Err(Failure::Query);
    }
    // An order without the rules that are refused would not be the one in which the others come to run.
    if arguments.output == CheckForm::Text { write_order(&loaded, console) } else { Ok(()) }
}

/// Adds what an Azure Monitor transformation would refuse, unless it is refused here, too.
fn add_refusals(loaded: &mut Loaded, options: &Options<'_>) -> Outcome {
    let standard = Inputs::probe(Vec::new(), &dtq_record::Options::default(), &options.limits)
        .map_err(|error| Failure::Input(error.message))?;
    for (file, one) in loaded.files.iter().enumerate() {
        for rule in &one.rules {
            for found in profile::check(&rule.query.text, Profile::AzureDcr, &standard, options) {
                let diagnostic = rule.query.locate(found);
                let is_known = |located: &Located| {
                    located.file == file
                        && located.diagnostic.code == diagnostic.code
                        && located.diagnostic.span == diagnostic.span
                };
                if !loaded.diagnostics.iter().any(is_known) {
                    loaded.diagnostics.push(Located { file, diagnostic });
                }
            }
        }
    }
    loaded.diagnostics.sort_by_key(|located| (located.file, located.diagnostic.span));
    Ok(())
}

/// Writes the rules in the order in which they run.
fn write_order(loaded: &Loaded, console: &mut Console) -> Outcome {
    let names = ["Phase", "Rule", "To", "Mode", "Tiers", "Table", "Place"];
    let mut columns = vec![Column::new("Order", Type::Long)];
    columns.extend(names.map(|name| Column::new(name, Type::String)));
    let mut rows: Vec<Row> = Vec::new();
    for (position, reference) in order(&loaded.files).into_iter().enumerate() {
        let file = &loaded.files[reference.file];
        let rule = &file.rules[reference.rule];
        let compiled = loaded.set.iter().flat_map(|set| &set.rules);
        let compiled = compiled.into_iter().find(|one| one.place == (reference.file, reference.rule));
        let (line, _) = file.source.line_column(rule.name.span.start);
        let tiers: Vec<String> = rule.tiers.value.iter().map(ToString::to_string).collect();
        let tiers = if tiers.len() == Tier::WORDS.len() { "all".to_owned() } else { tiers.join(", ") };
        let place = match loaded.files.len() {
            1 => format!("line {line}"),
            _ => format!("{}:{line}", file.source.name()),
        };
        let cells = [
            rule.phase.to_string(),
            rule.name.value.clone(),
            rule.to.value.to_string(),
            rule.mode.to_string(),
            tiers,
            compiled.map_or_else(String::new, |rule| rule.table.name.clone()),
            place,
        ];
        let number = Value::Long(i64::try_from(position + 1).unwrap_or(i64::MAX));
        rows.push(std::iter::once(number).chain(cells.map(Value::string)).collect());
    }
    let mut sink = output::sink(Form::Table, 1, console)?;
    let out = &mut console.out;
    sink.begin(out, &Header { name: "Order", columns: &columns, is_one_of_several: false })?;
    sink.rows(out, &rows)?;
    sink.end(out)?;
    Ok(sink.finish(out)?)
}
