//! What `dtq help` says is complete, current and true: every example is run.

mod common;

use common::{dtq, dtq_with, root};

#[test]
fn the_reference_page_is_current() {
    let page = dtq(&["help", "functions", "--markdown"]).code(0).stdout;
    let path = root().join("docs/functions.md");
    if std::env::var_os("DTQ_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/functions.md is not what `dtq help functions --markdown` prints; DTQ_BLESS=1 rewrites it"
    );
}

#[test]
fn every_function_has_a_sentence_and_a_source() {
    let lacking: Vec<&str> = dtq_ir::functions::all()
        .filter(|entry| entry.doc.is_empty() || entry.source.is_empty() || entry.example.is_empty())
        .map(|entry| entry.name)
        .filter(|name| !name.starts_with('('))
        .collect();
    assert!(lacking.is_empty(), "no doc, source or example: {lacking:?}");
}

/// Gives each query to `run --batch` and returns the first value of the first row as JSON, or the whole answer.
fn first_values(queries: &[String]) -> Vec<serde_json::Value> {
    let line = |query: &String| format!("{}\n", serde_json::json!({"id": 0, "query": query}));
    let input: String = queries.iter().map(line).collect();
    let arguments = ["run", "--batch", "-", "--output", "kusto", "--now", "2024-01-01"];
    let answers = dtq_with(&arguments, input.as_bytes()).code(0).stdout;
    let answer = |text: &str| {
        let value: serde_json::Value = serde_json::from_str(text).expect("an answer is JSON");
        value.pointer("/Tables/0/Rows/0/0").cloned().unwrap_or(value)
    };
    let answers: Vec<serde_json::Value> = answers.lines().map(answer).collect();
    assert_eq!(answers.len(), queries.len());
    answers
}

/// Returns a value as `tostring` shows it to people: examples write datetimes in full.
fn shown(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "null".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[test]
fn examples_of_functions_give_what_they_say() {
    let entries: Vec<&dtq_ir::Function> = dtq_ir::functions::all().filter(|entry| !entry.example.is_empty()).collect();
    assert!(entries.len() > 100);
    let queries: Vec<String> = entries.iter().map(|entry| format!("print {}", entry.example)).collect();
    let mut wrong = Vec::new();
    for (entry, value) in entries.iter().zip(first_values(&queries)) {
        let short = |text: &str| match text.strip_suffix('Z') {
            Some(rest) if rest.contains('.') => format!("{}Z", rest.trim_end_matches('0').trim_end_matches('.')),
            _ => text.to_owned(),
        };
        if short(&shown(&value)) != short(entry.example_result) {
            wrong.push(format!("{}: {} is {}, not {}", entry.name, entry.example, shown(&value), entry.example_result));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn examples_of_operators_give_what_they_say() {
    let page = dtq(&["help", "functions", "--markdown"]).stdout;
    let section = page.split("## Operators").next().unwrap();
    let mut count = 0;
    for entry in section.split("\n### ").skip(1) {
        let block = |kind: &str| entry.split(&format!("```{kind}\n")).nth(1).unwrap().split("\n```").next().unwrap();
        let ran = dtq(&["run", "--output", "ndjson", block("kql")]).code(0);
        assert_eq!(ran.stdout.trim_end(), block("json"), "{entry}");
        count += 1;
    }
    assert!(count > 20, "{count} operators");
}

#[test]
fn topics_have_pages() {
    for (topic, expected) in [
        ("bin", "bin(value: datetime, roundTo: timespan) -> datetime"),
        ("sum", "aggregate, for summarize"),
        ("count", "tabular operator"),
        ("count()", "Counts the rows"),
        ("has_cs", "operator"),
        ("limit", "Also written: limit"),
        ("run", "Usage: dtq run"),
        ("E2004", "E2004: The types"),
        ("e2004", "E2004: The types"),
    ] {
        let ran = dtq(&["help", topic]).code(0);
        assert!(ran.stdout.contains(expected), "{topic}: {}", ran.stdout);
    }
    let unknown = dtq(&["help", "summarise"]).code(64);
    assert!(unknown.stderr.contains("did you mean `summarize`?"), "{}", unknown.stderr);
}

#[test]
fn every_code_is_explained() {
    for code in dtq_source::Code::ALL {
        let ran = dtq(&["help", &code.to_string()]).code(0);
        assert!(ran.stdout.len() > 20, "{code}");
    }
}

#[test]
fn completions_and_manual_are_printed() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = dtq(&["completions", shell]).code(0);
        assert!(ran.stdout.contains("explain"), "{shell}");
    }
    assert!(dtq(&["man"]).code(0).stdout.contains(".TH dtq"));
}
