//! Reads the case files and runs them as one batch.

use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Holds one case.
pub struct Case {
    /// Its id.
    pub id: String,
    /// The file it is in.
    pub file: &'static str,
    /// `P0`, `P1`, `P2` or `rest`.
    pub tier: String,
    /// The query.
    pub query: String,
    /// Names and types of the columns expected; empty when the file states none.
    pub columns: Vec<(String, String)>,
    /// The rows expected.
    pub rows: Vec<Vec<Value>>,
    /// Whether rows hold the text of documentation instead of JSON values.
    pub is_text: bool,
}

/// Holds what `dtq` answered.
pub enum Answer {
    /// Columns and rows of the primary result.
    Table(Table),
    /// Codes and messages.
    Diagnostics(String),
}

/// Holds a result table.
pub struct Table {
    /// Names and types.
    pub columns: Vec<(String, String)>,
    /// Rows.
    pub rows: Vec<Vec<Value>>,
}

const FILES: [&str; 4] = ["kusto_engine", "semantics_traps", "docs_examples", "docs_inline"];

/// Reads all cases of a folder.
pub fn load(dir: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for file in FILES {
        let path = dir.join(format!("{file}.jsonl"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        cases.extend(text.lines().map(|line| parse(file, &serde_json::from_str(line).unwrap())));
    }
    cases
}

fn parse(file: &'static str, line: &Value) -> Case {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let pairs = |value: &Value| -> Vec<(String, String)> {
        value.as_array().into_iter().flatten().map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
    };
    let rows = |value: &Value| -> Vec<Vec<Value>> {
        value.as_array().into_iter().flatten().map(|row| row.as_array().cloned().unwrap_or_default()).collect()
    };
    let id = text(&line["id"]);
    match file {
        "docs_inline" => Case {
            id,
            file,
            tier: "P1".into(),
            query: format!("print result = {}", text(&line["expr"])),
            columns: vec![("result".into(), text(&line["type"]))],
            rows: vec![vec![line["expected"].clone()]],
            is_text: true,
        },
        "docs_examples" => Case {
            id,
            file,
            tier: text(&line["tier"]),
            query: text(&line["query"]),
            columns: pairs(&line["schema"]),
            rows: rows(&line["expected"]["rows"]),
            is_text: true,
        },
        _ => Case {
            id,
            file,
            tier: text(&line["tier"]),
            query: text(&line["query"]),
            columns: pairs(&line["columns"]),
            rows: rows(&line["rows"]),
            is_text: false,
        },
    }
}

/// Runs all cases in one process and returns the answers in order, which are the same on every engine, with the optimizer
/// and without.
pub fn run(cases: &[Case]) -> Vec<Answer> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for case in cases {
        writeln!(file, "{}", json!({"id": case.id, "query": case.query})).unwrap();
    }
    let output = batch(file.path(), &["--engine", "interp"]);
    for more in [&["--engine", "interp", "--no-opt"][..], &["--engine", "jit"], &["--engine", "jit", "--no-opt"]] {
        assert_same(cases, more, &output.stdout, &batch(file.path(), more).stdout);
    }
    let lines: Vec<&[u8]> = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), cases.len(), "one line a query; stderr: {}", String::from_utf8_lossy(&output.stderr));
    cases.iter().zip(lines).map(|(case, line)| answer(case, line)).collect()
}

fn batch(path: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dtq"));
    command.args(["run", "--output", "kusto", "--now", "2026-01-01T00:00:00Z", "--seed", "1"]).args(more);
    command.arg("--batch").arg(path).stdin(Stdio::null()).output().unwrap()
}

/// Fails with every case that other arguments answer otherwise.
fn assert_same(cases: &[Case], more: &[&str], expected: &[u8], found: &[u8]) {
    let lines = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect::<Vec<_>>();
    let (expected, found) = (lines(expected), lines(found));
    assert_eq!(expected.len(), found.len());
    let both = expected.iter().zip(&found).zip(cases);
    let different = both.filter(|((expected, found), _)| expected != found);
    let listed: Vec<String> =
        different.map(|((expected, found), case)| format!("{}\n- {expected}\n+ {found}", case.id)).collect();
    assert!(listed.is_empty(), "{more:?} changes {} answers\n{}", listed.len(), listed.join("\n"));
}

fn answer(case: &Case, line: &[u8]) -> Answer {
    let line: Value = serde_json::from_slice(line).unwrap();
    assert_eq!(line["id"], case.id.as_str());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some(diagnostics) = line["Diagnostics"].as_array() {
        let lines = diagnostics.iter().map(|one| format!("{} {}", text(&one["Code"]), text(&one["Message"])));
        return Answer::Diagnostics(lines.collect::<Vec<_>>().join("; "));
    }
    let table = &line["Tables"][0];
    let columns = table["Columns"].as_array().into_iter().flatten();
    let columns = columns.map(|column| (text(&column["ColumnName"]), text(&column["ColumnType"]))).collect();
    let rows = table["Rows"].as_array().into_iter().flatten();
    let rows = rows.map(|row| row.as_array().cloned().unwrap_or_default()).collect();
    Answer::Table(Table { columns, rows })
}
