//! The table of functions and operators to text: a page for one entry, a list of all, and `docs/functions.md`.
//!
//! Nothing is described here; all words come from the tables of `dtq-ir` and from `operators.rs`.

use crate::commands::operators::{OPERATORS, Operator};
use dtq_ir::aggregate::{self, Aggregate, AggregateReturns};
use dtq_ir::function::{Effect, Function, Group, Nulls, Param, ParamKind, Returns, Signature};
use dtq_ir::functions;
use std::fmt::Write;

/// Returns the page of a function or scalar operator.
pub fn function_page(entry: &Function) -> String {
    let kind =
        if entry.group == Group::Operator { "operator".to_owned() } else { entry.group.heading().to_lowercase() };
    let mut page = format!("{} ({kind})\n{}\n\n", entry.name, entry.doc);
    for form in forms(entry) {
        page += &format!("  {form}\n");
    }
    page.push('\n');
    page += &aliases_line(entry.aliases);
    page += &format!("Null: {}.\n", nulls(entry));
    if let Some(effect) = effect(entry) {
        page += &format!("Effect: {effect}.\n");
    }
    if !entry.example.is_empty() {
        page += &format!("Example: print {}\n      => {}\n", entry.example, entry.example_result);
    }
    page + &source_line(entry.source)
}

/// Returns the page of an aggregate function.
pub fn aggregate_page(entry: &Aggregate) -> String {
    let form = aggregate_form(entry);
    let aliases = aliases_line(entry.aliases);
    format!(
        "{} (aggregate, for summarize)\n{}\n\n  {form}\n\n{aliases}{}",
        entry.name,
        entry.doc,
        source_line(entry.source)
    )
}

/// Returns the page of a tabular operator.
pub fn operator_page(entry: &Operator) -> String {
    let mut page = format!("{} (tabular operator)\n{}\n\n  {}\n\n", entry.name, entry.doc, entry.form);
    page += &aliases_line(entry.aliases);
    page += &format!("Example: {}\n", entry.example);
    for row in entry.example_result.lines() {
        page += &format!("      => {row}\n");
    }
    page + &source_line(&format!("Kusto documentation, {}", entry.source))
}

/// Returns the list of all functions, by heading.
pub fn function_list() -> String {
    let mut list = String::new();
    for (heading, entries) in by_group().into_iter().filter(|(heading, _)| *heading != Group::Operator.heading()) {
        let lines = entries.iter().map(|entry| (entry.name, entry.doc));
        list += &section(heading, lines);
    }
    list += &section("Aggregates (for summarize)", aggregate::ALL.iter().map(|entry| (entry.name, entry.doc)));
    list + "`dtq help NAME` shows forms, null behaviour, an example and the source.\n"
}

/// Returns the list of all operators, tabular ones first.
pub fn operator_list() -> String {
    let mut list = section("Tabular operators", OPERATORS.iter().map(|entry| (entry.name, entry.doc)));
    let scalar = entries().filter(|entry| entry.group == Group::Operator);
    list += &section("Scalar operators", scalar.map(|entry| (entry.name, entry.doc)));
    list + "`dtq help NAME` shows forms, an example and the source.\n"
}

fn section<'a>(heading: &str, lines: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let lines: Vec<(&str, &str)> = lines.collect();
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = format!("{heading}\n");
    for (name, doc) in lines {
        text += &format!("  {name:width$}  {doc}\n");
    }
    text.push('\n');
    text
}

/// Returns the entries of the function table that a query can name; the others begin with a parenthesis.
pub fn entries() -> impl Iterator<Item = &'static Function> {
    functions::all().filter(|entry| !entry.name.starts_with('('))
}

/// Returns the entries of the function table under their headings, both in the order of the table.
fn by_group() -> Vec<(&'static str, Vec<&'static Function>)> {
    let mut groups: Vec<(&'static str, Vec<&'static Function>)> = Vec::new();
    for entry in entries() {
        let heading = entry.group.heading();
        match groups.iter_mut().find(|(known, _)| *known == heading) {
            Some((_, entries)) => entries.push(entry),
            None => groups.push((heading, vec![entry])),
        }
    }
    groups
}

/// Returns the whole reference as markdown: the text of `docs/functions.md`.
pub fn markdown() -> String {
    let function_count = entries().filter(|entry| entry.group != Group::Operator).count();
    let mut page = format!(
        "# Functions and operators\n\n\
         Printed by `dtq help functions --markdown` from the tables that the compiler itself uses; a test keeps this page\n\
         current. {function_count} scalar functions, {} aggregates, {} tabular operators. Source pages (`name.md`) are those\n\
         of Kusto's documentation, `data-explorer/kusto/query/`.\n",
        aggregate::ALL.len(),
        OPERATORS.len()
    );
    page += "\n## Tabular operators\n";
    for entry in OPERATORS {
        page += &operator_markdown(entry);
    }
    for (heading, entries) in by_group() {
        page += &format!("\n## {heading}\n");
        for entry in entries {
            page += &function_markdown(entry);
        }
    }
    page += "\n## Aggregates\n";
    for entry in aggregate::ALL {
        let aliases = aliases_line(entry.aliases);
        page +=
            &format!("\n### {}\n\n{}\n\n```text\n{}\n```\n\n", heading(entry.name), entry.doc, aggregate_form(entry));
        page += &format!("{aliases}{}", source_line(entry.source));
    }
    page
}

fn operator_markdown(entry: &Operator) -> String {
    let aliases = aliases_line(entry.aliases);
    format!(
        "\n### {}\n\n{}\n\n```text\n{}\n```\n\n{aliases}```kql\n{}\n```\n\n```json\n{}\n```\n\n{}",
        heading(entry.name),
        entry.doc,
        entry.form,
        entry.example,
        entry.example_result,
        source_line(entry.source)
    )
}

fn function_markdown(entry: &Function) -> String {
    let mut page =
        format!("\n### {}\n\n{}\n\n```text\n{}\n```\n\n", heading(entry.name), entry.doc, forms(entry).join("\n"));
    page += &aliases_line(entry.aliases);
    page += &format!("Null: {}.", nulls(entry));
    if let Some(effect) = effect(entry) {
        page += &format!(" Effect: {effect}.");
    }
    if !entry.example.is_empty() {
        page += &format!(" Example: {} is {}.", code(entry.example), code(entry.example_result));
    }
    page.push(' ');
    page += &source_line(entry.source);
    page
}

/// Returns a name as a heading: operators such as `*` would otherwise be markup.
fn heading(name: &str) -> String {
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') && name != "-" {
        name.replace('_', "\\_")
    } else {
        code(name)
    }
}

/// Returns text as inline code, whatever backquotes it holds.
fn code(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.is_empty() || longest > 0 { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

fn aliases_line(aliases: &[&str]) -> String {
    if aliases.is_empty() { String::new() } else { format!("Also written: {}.\n", aliases.join(", ")) }
}

fn source_line(source: &str) -> String {
    if source.is_empty() { String::new() } else { format!("Source: {}.\n", source.trim_end_matches('.')) }
}

fn nulls(entry: &Function) -> &'static str {
    match entry.nulls {
        Nulls::Propagate => "a null argument gives null (an empty string, where the result is a string)",
        Nulls::Handled => "the function sees null arguments and decides",
    }
}

fn effect(entry: &Function) -> Option<&'static str> {
    match entry.effect {
        Effect::Pure => None,
        Effect::Time => Some("depends on the time of the run (--now)"),
        Effect::Random => Some("depends on randomness (--seed)"),
        Effect::State => Some("depends on state that outlives a record"),
    }
}

/// Returns every way to write the function, a line each.
fn forms(entry: &Function) -> Vec<String> {
    entry.signatures.iter().map(|signature| form(entry, signature)).collect()
}

fn form(entry: &Function, signature: &Signature) -> String {
    let params: Vec<String> = signature.params.iter().map(param).collect();
    let returns = returns(signature);
    if entry.group != Group::Operator {
        return format!(
            "{}({}) -> {returns}",
            entry.name,
            argument_list(&params, signature.args_min, signature.is_variadic)
        );
    }
    match params.as_slice() {
        [operand] => format!("{}{operand} -> {returns}", entry.name),
        [left, right] if signature.is_variadic => format!("{left} {} ({right}, ...) -> {returns}", entry.name),
        [left, right] => format!("{left} {} {right} -> {returns}", entry.name),
        _ => format!("{} ({}) -> {returns}", entry.name, params.join(", ")),
    }
}

/// Returns parameters with brackets around those that can be left out and dots after one that repeats.
fn argument_list(params: &[String], args_min: usize, is_variadic: bool) -> String {
    let mut list = String::new();
    let mut open_count = 0;
    for (index, param) in params.iter().enumerate() {
        let is_optional = index >= args_min;
        list.push_str(match (index, is_optional) {
            (0, true) => "[",
            (0, false) => "",
            (_, true) => " [, ",
            (_, false) => ", ",
        });
        open_count += usize::from(is_optional);
        list.push_str(param);
    }
    if is_variadic {
        list.push_str(", ...");
    }
    list.push_str(&"]".repeat(open_count));
    list
}

fn param(param: &Param) -> String {
    let constant = if param.is_constant { "constant " } else { "" };
    format!("{}: {constant}{}", param.name, kind(param.kind))
}

fn kind(kind: ParamKind) -> &'static str {
    match kind {
        ParamKind::Is(ty) | ParamKind::Exactly(ty) => ty.name(),
        ParamKind::Scalar => "scalar",
        ParamKind::NotDynamic => "scalar but dynamic",
        ParamKind::Number | ParamKind::Numeric => "number",
        ParamKind::Integer => "int|long",
        ParamKind::Text => "scalar as text",
        ParamKind::Summable => "number|datetime|timespan",
        ParamKind::Orderable => "orderable",
        ParamKind::StringOrDynamic => "string|dynamic",
        ParamKind::IntegerOrDynamic => "int|long|dynamic",
        ParamKind::Common => "scalar of the common type",
    }
}

fn returns(signature: &Signature) -> String {
    match signature.returns {
        Returns::Type(ty) => ty.name().to_owned(),
        Returns::Param(index) => {
            format!("type of {}", signature.param(index).map_or("its argument", |param| param.name))
        }
        Returns::Common => "common type".to_owned(),
        Returns::Widened => "common type (int becomes long)".to_owned(),
        Returns::TypeOf(_) => "the named type".to_owned(),
    }
}

fn aggregate_form(entry: &Aggregate) -> String {
    let mut params: Vec<String> = Vec::new();
    for (index, param) in entry.params.iter().enumerate() {
        let is_condition = entry.condition == Some(index);
        let is_constant = !is_condition && entry.constants_from.is_some_and(|from| index >= from);
        let name = if is_condition { "condition".to_owned() } else { format!("x{}", index + 1) };
        let mut text = format!("{name}: ");
        write!(text, "{}{}", if is_constant { "constant " } else { "" }, kind(*param))
            .expect("writing to a string cannot fail");
        params.push(text);
    }
    let returns = match entry.returns {
        AggregateReturns::Type(ty) => ty.name(),
        AggregateReturns::First => "type of x1",
        AggregateReturns::Summed => "type of x1 (int becomes long)",
        AggregateReturns::Averaged => "type of x1 (int and long become real)",
        AggregateReturns::EachArgument => "a column an argument",
        AggregateReturns::EachPercentile => "a column a percentile",
    };
    format!("{}({}) -> {returns}", entry.name, argument_list(&params, entry.args_min, entry.is_variadic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optional_parameters_stand_in_brackets() {
        let params = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        assert_eq!(argument_list(&params, 3, false), "a, b, c");
        assert_eq!(argument_list(&params, 1, false), "a [, b [, c]]");
        assert_eq!(argument_list(&params, 0, false), "[a [, b [, c]]]");
        assert_eq!(argument_list(&params[..1], 1, true), "a, ...");
    }

    #[test]
    fn code_survives_backquotes() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a``b"), "``` a``b ```");
    }
}
