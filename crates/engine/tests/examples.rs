//! Runs the example of every function and operator of the table, and of nothing else: documentation that lies fails here.

use dtq_engine::{NoTables, Options, compile};
use dtq_value::Value;

/// 2024-01-01T00:00Z.
const NOW_TICKS: i64 = 638_396_640_000_000_000;

/// Returns the text of a value as a table shows it: as `tostring`, but bools in lower case.
fn evaluate(expression: &str) -> Result<String, String> {
    let options = Options { now_ticks: NOW_TICKS, ..Options::default() };
    let text = format!("print result = tostring({expression})");
    let (query, diagnostics) = compile(&text, &NoTables, &options);
    let messages: Vec<&str> = diagnostics.iter().map(|one| one.message.as_str()).collect();
    let query = query.ok_or_else(|| messages.join("; "))?;
    let mut run = query.run(&NoTables, &options).map_err(|fault| fault.to_string())?;
    let rows = run.rest(0).map_err(|fault| fault.to_string())?;
    match rows.first().and_then(|row| row.first()) {
        Some(Value::String(text)) if matches!(text.as_bytes(), b"True" | b"False") => {
            Ok(text.to_string().to_ascii_lowercase())
        }
        Some(Value::String(text)) => Ok(text.to_string()),
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn every_example_gives_what_it_says() {
    let mut failures = Vec::new();
    let mut count = 0;
    for function in dtq_ir::functions::all() {
        count += 1;
        if function.doc.is_empty() || function.source.is_empty() || function.example.is_empty() {
            failures.push(format!("`{}` lacks documentation, a source or an example", function.name));
            continue;
        }
        match evaluate(function.example) {
            Ok(result) if result == function.example_result => {}
            other => failures.push(format!(
                "`{}`: {} should be {:?}, but is {other:?}",
                function.name, function.example, function.example_result
            )),
        }
    }
    assert!(count > 100, "only {count} functions");
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}
