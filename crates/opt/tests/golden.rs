//! The cases of `fixtures/opt`: a query, its program before and after the optimizer, and its rows with both.

use dtq_engine::{NoTables, compile};
use dtq_exec::Run;
use dtq_ir::Program;
use dtq_opt::optimize;
use dtq_value::{Value, json};

#[test]
fn golden() {
    let mut run = dtq_fixture::Run::new("opt");
    let options = dtq_opt::Options::default();
    for case in dtq_fixture::load(&dtq_fixture::root()) {
        if case.block("ir").is_none() && case.block("opt").is_none() {
            continue;
        }
        let program = program(case.query());
        let (optimized, _) = optimize(&program, &options);
        case.check(&mut run, "ir", || dtq_ir::text::print(&program));
        case.check(&mut run, "opt", || dtq_ir::text::print(&optimized));
        case.check(&mut run, "result", || result(&program));
        case.check(&mut run, "result", || result(&optimized));
    }
    run.finish();
}

fn program(text: &str) -> Program {
    let (query, diagnostics) = compile(text, &NoTables, &dtq_engine::Options::default());
    let messages: Vec<String> = diagnostics.iter().map(|one| format!("{}: {}", one.code, one.message)).collect();
    query.unwrap_or_else(|| panic!("{text}: {}", messages.join("; "))).program().clone()
}

/// Returns columns and rows as a fixture writes them, or what the run failed with.
fn result(program: &Program) -> String {
    rows(program).unwrap_or_else(|fault| fault.to_string())
}

fn rows(program: &Program) -> Result<String, dtq_value::scalar::Fault> {
    let mut run = Run::new(program, &NoTables, dtq_exec::Options::default())?;
    let columns: Vec<String> = run.columns(0).iter().map(|column| format!("{}:{}", column.name, column.ty)).collect();
    let rows = run.rest(0)?;
    let lines = rows.into_iter().map(|row| String::from_utf8_lossy(&json::to_bytes(&Value::array(row))).into_owned());
    Ok(std::iter::once(columns.join(", ")).chain(lines).collect::<Vec<_>>().join("\n"))
}
