//! `dtq explain`: a query to the text of one stage of its compilation. The kernel's: `kernel/explain.rs`.

use crate::args::{ExplainArguments, Stage};
use crate::commands::{kernel, query};
use crate::console::Console;
use crate::deadline::Deadline;
use crate::failure::{Failure, Outcome};
use crate::inputs::{self, WithoutInput};
use dtq_engine::{NativeListing, Query, compile};
use dtq_source::{Limits, SourceText, diagnostic};
use std::io::Write;

/// Runs `dtq explain`.
pub fn execute(arguments: &ExplainArguments, console: &mut Console) -> Outcome {
    let limits = Limits::default();
    if arguments.stage == Stage::Ebpf {
        return kernel::explain::execute(arguments, console);
    }
    kernel::explain::refuse_kernel(arguments)?;
    if let Some(lacking) = lacking(arguments.stage) {
        return Err(Failure::Usage(format!(
            "{lacking} is not in this version; --stage ast, ir, opt, clif, asm and ebpf are"
        )));
    }
    let (source, files) = query::take(&arguments.words, arguments.file.as_deref(), &limits)?;
    if arguments.stage == Stage::Ast {
        let (tree, diagnostics) = dtq_syntax::parse(source.text(), &limits);
        // The tree of what was understood is shown even when something is wrong.
        write!(console.out, "{}", dtq_syntax::dump(&tree))?;
        console.out.flush()?;
        console.diagnose(&source, &diagnostics);
        return if diagnostic::has_errors(&diagnostics) { Err(Failure::Query) } else { Ok(()) };
    }
    let options = query::options(&arguments.query, limits)?;
    let opened = inputs::open(files, &arguments.input, &options, WithoutInput::StandardTables, Deadline::NEVER, false)?;
    let (compiled, diagnostics) = compile(source.text(), &opened, &options);
    console.diagnose(&source, &diagnostics);
    let compiled = compiled.ok_or(Failure::Query)?;
    let text = match arguments.stage {
        Stage::Opt => dtq_ir::text::print(compiled.optimized()),
        Stage::Clif | Stage::Asm => native_code(&compiled, &source, arguments.stage)?,
        _ => dtq_ir::text::print(compiled.program()),
    };
    Ok(write!(console.out, "{text}")?)
}

/// Returns the functions that the expressions of a query become, each below a line that names it.
fn native_code(query: &Query, source: &SourceText, stage: Stage) -> Result<String, Failure> {
    let listings = query.listings().map_err(|refusal| Failure::Usage(refusal.to_string()))?;
    let program = query.optimized();
    let mut text = String::new();
    for NativeListing { rel, expr, is_condition, listing } in listings {
        let operator = dtq_ir::text::kind_name(&program.rel(rel).kind);
        let asked = if is_condition { "condition" } else { "value" };
        let written = source.slice(program.expr(expr).span).split_whitespace().collect::<Vec<_>>().join(" ");
        let body = match (listing, stage) {
            (Ok(listing), Stage::Asm) => listing.asm,
            (Ok(listing), _) => listing.clif,
            (Err(refusal), _) => format!("; interpreted: {refusal}"),
        };
        text.push_str(&format!("; @{} {operator}, {asked} %{}: {written}\n{}\n\n", rel.0, expr.0, body.trim_end()));
    }
    if text.is_empty() {
        text.push_str("; the query evaluates no expression for its rows\n");
    }
    Ok(text)
}

/// Names the part that a stage needs and this version lacks.
fn lacking(stage: Stage) -> Option<&'static str> {
    match stage {
        Stage::Ast | Stage::Ir | Stage::Opt | Stage::Clif | Stage::Asm | Stage::Ebpf => None,
        Stage::Cost => Some("the cost model (stage `cost`)"),
    }
}
