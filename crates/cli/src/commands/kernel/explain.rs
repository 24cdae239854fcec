//! `dtq explain --stage ebpf`: rules, or a query as a rule that drops, to the text of a program and its maps.

use super::{report, subject};
use crate::args::{ExplainArguments, InputArguments, Payload};
use crate::commands::query;
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use crate::rule_set;
use dtq_ebpf::filter::Front;
use dtq_kernel::share::{ShareOptions, share};
use dtq_rules::compile::RuleSet;
use dtq_source::Limits;
use std::io::Write;

/// Runs `dtq explain --stage ebpf`.
pub fn execute(arguments: &ExplainArguments, console: &mut Console) -> Outcome {
    let Some(payload) = arguments.payload else {
        return Err(Failure::Usage("--stage ebpf needs --payload syslog, json or otlp: what the program reads".into()));
    };
    let set = set(arguments, console)?;
    let front = arguments.front.map_or(Front::UnixDatagram, Front::from);
    let text = text(&set, payload, front)?;
    Ok(write!(console.out, "{text}")?)
}

/// Refuses what only the stage for the kernel takes.
///
/// # Errors
/// [`Failure::Usage`] when one of its arguments is given.
pub fn refuse_kernel(arguments: &ExplainArguments) -> Outcome {
    let given = !arguments.rules.is_empty() || arguments.payload.is_some() || arguments.front.is_some();
    match given {
        true => Err(Failure::Usage("--rules, --payload and --front go with --stage ebpf".into())),
        false => Ok(()),
    }
}

/// Returns the rules that the arguments give.
fn set(arguments: &ExplainArguments, console: &Console) -> Result<RuleSet, Failure> {
    let limits = Limits::default();
    let InputArguments { format, schema, table, lenient } = &arguments.input;
    if format.is_some() || schema.is_some() || table.is_some() || *lenient || !arguments.query.params.is_empty() {
        let message = "--stage ebpf takes no input and no parameters: a program reads `logs` in datagrams";
        return Err(Failure::Usage(message.into()));
    }
    let now_ticks = query::options(&arguments.query, limits.clone())?.now_ticks;
    if !arguments.rules.is_empty() {
        if let Some(word) = arguments.words.first() {
            return Err(Failure::Usage(format!("`{word}` is one argument too many: --rules gives what is explained")));
        }
        return subject::of_rules(&arguments.rules, now_ticks, &limits, console);
    }
    let (source, files) = query::take(&arguments.words, arguments.file.as_deref(), &limits)?;
    if let Some(file) = files.first() {
        return Err(Failure::Usage(format!("`{file}` is one argument too many: --stage ebpf reads no input")));
    }
    let loaded = subject::of_query(&source, now_ticks, &limits);
    rule_set::say(&loaded, console);
    loaded.set.ok_or(Failure::Query)
}

/// Returns the shares of the rules as comments, the maps, and the program.
fn text(set: &RuleSet, payload: Payload, front: Front) -> Result<String, Failure> {
    let options =
        ShareOptions { format: payload.into(), front, has_lease: false, reads_counts: false, minds_expiry: true };
    let shared = share(set, &options);
    let mut out: String = report::text(&shared).lines().map(|line| format!("; {line}\n")).collect();
    let Some(filter) = &shared.filter else {
        return Err(Failure::Kernel(format!("nothing goes into the kernel\n{}", report::text(&shared).trim_end())));
    };
    for (position, map) in filter.maps.iter().enumerate() {
        out.push_str(&format!("; map[{position}] {}\n", report::map_text(map)));
    }
    out.push_str(&dtq_ebpf::text::print(&filter.program));
    Ok(out)
}
