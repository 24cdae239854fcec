//! A topic to its page: a command, a list, a function, an operator, a code.

use crate::args::{Arguments, HelpArguments};
use crate::commands::{operators, reference};
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use clap::CommandFactory;
use dtq_ir::{aggregate, functions};
use dtq_source::Code;
use std::io::Write;

/// Runs `dtq help`.
pub fn execute(arguments: &HelpArguments, console: &mut Console) -> Outcome {
    let page = match (arguments.topic.as_deref(), arguments.markdown) {
        (Some("functions"), true) => reference::markdown(),
        (_, true) => return Err(Failure::Usage("--markdown goes with `dtq help functions`".into())),
        (None, _) => Arguments::command().render_long_help().to_string(),
        (Some("functions"), _) => reference::function_list(),
        (Some("operators"), _) => reference::operator_list(),
        (Some(topic), _) => page(topic).ok_or_else(|| unknown(topic))?,
    };
    writeln!(console.out, "{}", page.trim_end())?;
    Ok(())
}

/// Returns every page that a topic has: `count` is an operator and an aggregate.
fn page(topic: &str) -> Option<String> {
    let mut pages = Vec::new();
    if let Some(command) = Arguments::command().find_subcommand_mut(topic) {
        pages.push(command.clone().bin_name(format!("dtq {topic}")).render_long_help().to_string());
    }
    if let Some(entry) = operators::by_name(topic) {
        pages.push(reference::operator_page(entry));
    }
    let name = topic.trim_end_matches("()");
    if let Some(entry) = functions::by_name(name).filter(|_| !name.starts_with('(')) {
        pages.push(reference::function_page(entry.0));
    }
    let is_it = |entry: &&aggregate::Aggregate| entry.name == name || entry.aliases.contains(&name);
    pages.extend(aggregate::ALL.iter().find(is_it).map(reference::aggregate_page));
    if let Some(code) = Code::parse(&topic.to_ascii_uppercase()) {
        pages.push(format!("{code}:{}\n", code.explanation()));
    }
    (!pages.is_empty()).then(|| pages.join("\n"))
}

fn unknown(topic: &str) -> Failure {
    let mut nearest: Vec<(usize, &str)> = topics().map(|known| (strsim::osa_distance(topic, known), known)).collect();
    nearest.sort_unstable();
    let is_near = |distance: usize| distance <= 1 + topic.len() / 4;
    let hint = match nearest.first() {
        Some((distance, known)) if is_near(*distance) => format!("; did you mean `{known}`?"),
        _ => "; `dtq help functions` and `dtq help operators` list what there is".to_owned(),
    };
    Failure::Usage(format!("no command, function, operator or code is called `{topic}`{hint}"))
}

fn topics() -> impl Iterator<Item = &'static str> {
    let operators = operators::OPERATORS.iter().map(|entry| entry.name);
    let aggregates = aggregate::ALL.iter().map(|entry| entry.name);
    ["functions", "operators"]
        .into_iter()
        .chain(operators)
        .chain(functions::all().map(|entry| entry.name))
        .chain(aggregates)
}
