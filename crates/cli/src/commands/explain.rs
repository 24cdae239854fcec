//! `dtq explain`: a query to the text of one stage of its compilation.

use crate::args::{ExplainArguments, Stage};
use crate::commands::query;
use crate::console::Console;
use crate::deadline::Deadline;
use crate::failure::{Failure, Outcome};
use crate::inputs::{self, WithoutInput};
use dtq_engine::compile;
use dtq_source::{Limits, diagnostic};
use std::io::Write;

/// Runs `dtq explain`.
pub fn execute(arguments: &ExplainArguments, console: &mut Console) -> Outcome {
    let limits = Limits::default();
    if let Some(lacking) = lacking(arguments.stage) {
        return Err(Failure::Usage(format!("{lacking} is not in this version; --stage ast, ir and opt are")));
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
    match compiled {
        Some(compiled) => {
            let program = if arguments.stage == Stage::Opt { compiled.optimized() } else { compiled.program() };
            Ok(write!(console.out, "{}", dtq_ir::text::print(program))?)
        }
        None => Err(Failure::Query),
    }
}

/// Names the part that a stage needs and this version lacks.
fn lacking(stage: Stage) -> Option<&'static str> {
    match stage {
        Stage::Ast | Stage::Ir | Stage::Opt => None,
        Stage::Clif => Some("native code (stage `clif`)"),
        Stage::Asm => Some("native code (stage `asm`)"),
        Stage::Ebpf => Some("the kernel tier (stage `ebpf`)"),
        Stage::Cost => Some("the cost model (stage `cost`)"),
    }
}
