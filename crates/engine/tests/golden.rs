//! The cases of `fixtures/exec`: queries without input, from text to rows; and those of `fixtures/opt`, with the program
//! before and after the optimizer. Results are those of every engine.

use dtq_engine::{Engine, NoTables, Options, compile};
use dtq_value::{Value, json};
use serde_json::Value as Json;

#[test]
fn golden() {
    let mut run = dtq_fixture::Run::new("exec");
    for case in dtq_fixture::load(&dtq_fixture::root().join("exec")) {
        for (engine, options) in every_engine() {
            case.check_on(&mut run, engine, "result", || {
                let expected = case.block("result").map_or("", |block| block.text.trim_end());
                let is_set = case.block("result").is_some_and(|block| block.attribute("order") == Some("any"));
                let produced = result(case.query(), &options).unwrap_or_else(|message| message);
                // JSON has many spellings: what means the same is the same.
                let wanted = meaning(expected, is_set);
                assert!(wanted.is_some(), "{}: a row is no JSON", case.name);
                if wanted == meaning(&produced, is_set) { expected.to_owned() } else { produced }
            });
        }
    }
    run.finish();
}

#[test]
fn optimizer() {
    let mut run = dtq_fixture::Run::new("opt");
    for case in dtq_fixture::load(&dtq_fixture::root()) {
        if case.block("ir").is_none() && case.block("opt").is_none() {
            continue;
        }
        let (query, _) = compile(case.query(), &NoTables, &Options::default());
        let query = query.unwrap_or_else(|| panic!("{}: the query has errors", case.name));
        case.check(&mut run, "ir", || dtq_ir::text::print(query.program()));
        case.check(&mut run, "opt", || dtq_ir::text::print(query.optimized()));
        for (engine, options) in every_engine() {
            case.check_on(&mut run, engine, "result", || {
                result(case.query(), &options).unwrap_or_else(|message| message)
            });
        }
    }
    run.finish();
}

/// Returns the engines by the names that fixtures skip them by, each with the optimizer and without.
fn every_engine() -> impl Iterator<Item = (&'static str, Options<'static>)> {
    let engines = [("interp", Engine::Interp), ("jit", Engine::Jit)];
    engines.into_iter().flat_map(|(name, engine)| {
        [true, false].map(|without_optimizer| (name, Options { engine, without_optimizer, ..Options::default() }))
    })
}

/// Returns the columns and rows of a query as a fixture writes them, or its mistakes.
fn result(text: &str, options: &Options<'_>) -> Result<String, String> {
    let (query, diagnostics) = compile(text, &NoTables, options);
    let messages: Vec<String> = diagnostics.iter().map(|one| format!("{}: {}", one.code, one.message)).collect();
    let query = query.ok_or_else(|| messages.join("\n"))?;
    let mut run = query.run(&NoTables, options).map_err(|fault| fault.to_string())?;
    let columns: Vec<String> = run.columns(0).iter().map(|column| format!("{}:{}", column.name, column.ty)).collect();
    let rows = run.rest(0).map_err(|fault| fault.to_string())?;
    let lines = rows.into_iter().map(|row| String::from_utf8_lossy(&json::to_bytes(&Value::array(row))).into_owned());
    Ok(std::iter::once(columns.join(", ")).chain(lines).collect::<Vec<_>>().join("\n"))
}

/// Returns the columns and the rows as JSON, sorted when they are a set; `None` for rows that are no JSON.
fn meaning(text: &str, is_set: bool) -> Option<(String, Vec<String>)> {
    let (columns, rows) = text.split_once('\n').unwrap_or((text, ""));
    let rows: Result<Vec<Json>, _> = rows.lines().map(serde_json::from_str).collect();
    let mut rows: Vec<String> = rows.ok()?.iter().map(Json::to_string).collect();
    if is_set {
        rows.sort();
    }
    Some((columns.to_owned(), rows))
}
