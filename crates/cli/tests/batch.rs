//! `run --batch` and `check --batch`: an answer a line, in order, whatever the lines hold.

mod common;

use common::{dtq_with, file, folder};
use serde_json::{Value, json};

fn answers(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("an answer is JSON")).collect()
}

fn run(input: &str) -> common::Ran {
    dtq_with(&["run", "--batch", "-", "--output", "kusto"], input.as_bytes())
}

#[test]
fn the_shape_is_the_contract() {
    // DESIGN, "Command line".
    let ran = run("{\"id\":\"a\",\"query\":\"print x = 1\"}\n").code(0);
    let expected = concat!(
        r#"{"id":"a","Tables":[{"TableName":"PrimaryResult","Columns":[{"ColumnName":"x","ColumnType":"long"}],"#,
        r#""Rows":[[1]]}]}"#,
        "\n"
    );
    assert_eq!(ran.stdout, expected);
}

#[test]
fn wrong_queries_are_answered_with_diagnostics() {
    let ran = run("{\"id\":1,\"query\":\"print x = nope\"}\n{\"id\":2,\"query\":\"print 1\"}\n").code(0);
    let answers = answers(&ran.stdout);
    assert_eq!(answers[0]["id"], 1);
    let found = &answers[0]["Diagnostics"][0];
    assert_eq!((&found["Code"], &found["Start"], &found["End"]), (&json!("E2001"), &json!(10), &json!(14)));
    assert!(found["Message"].as_str().unwrap().contains("nope"));
    assert!(answers[0].get("Tables").is_none());
    assert_eq!(answers[1]["id"], 2);
    assert_eq!(answers[1]["Tables"][0]["Rows"], json!([[1]]));
}

#[test]
fn queries_that_fail_are_answered_with_their_code() {
    let query = "range x from 1 to 1000000000000 step 1 | count";
    let ran = run(&format!("{}\n", json!({"id": 1, "query": query}))).code(0);
    assert_eq!(answers(&ran.stdout)[0]["Diagnostics"][0]["Code"], "E3002", "{}", ran.stdout);
}

#[test]
fn an_answer_that_grows_too_large_is_refused() {
    let query = json!({"id": 1, "query": "range x from 1 to 1000000 step 1 | extend s = strrep('x', 100)"});
    let arguments = ["run", "--batch", "-", "--output", "kusto", "--limit-memory", "4MiB"];
    let ran = dtq_with(&arguments, format!("{query}\n").as_bytes()).code(0);
    assert_eq!(answers(&ran.stdout)[0]["Diagnostics"][0]["Code"], "E3001", "{}", ran.stdout);
}

#[test]
fn lines_without_a_query_are_answered_and_are_65() {
    let input = "\n{\"id\":7}\nnot json\n{\"id\":{\"a\":[1]},\"query\":\"print 1\"}\n[]\n";
    let ran = run(input).code(65);
    let answers = answers(&ran.stdout);
    let ids: Vec<&Value> = answers.iter().map(|answer| &answer["id"]).collect();
    assert_eq!(ids, [&json!(7), &Value::Null, &json!({"a": [1]}), &Value::Null]);
    assert!(answers[0]["Diagnostics"][0]["Message"].as_str().unwrap().contains("query"));
    assert!(answers[2].get("Tables").is_some());
}

#[test]
fn a_batch_reads_its_inputs_again_for_each_query() {
    let folder = folder("batch");
    let lines = "{\"id\":1,\"query\":\"logs | count\"}\n{\"id\":2,\"query\":\"logs | take 1 | count\"}";
    let path = file(&folder, "b.jsonl", lines.as_bytes());
    let arguments = ["run", "--batch", &path, "--output", "kusto", "fixtures/telemetry/logs.otlp"];
    let answers = answers(&dtq_with(&arguments, b"").code(0).stdout);
    assert_eq!(answers[0]["Tables"][0]["Rows"], json!([[134]]));
    assert_eq!(answers[1]["Tables"][0]["Rows"], json!([[1]]));
}

#[test]
fn check_says_whether_and_with_which_columns() {
    // The shape is that of grammar/kusto-peer/README.md.
    let tables = json!([{"name": "T", "columns": [["a", "long"], ["s", "string"]]}]);
    let good = json!({"id": "q1", "query": "T | summarize sum(a) by s", "tables": tables});
    let bad = json!({"id": "q2", "query": "T | where b", "tables": tables});
    let open = json!({"id": "q3", "query": "print 1", "tables": [{"name": "T", "columns": [["a", "longer"]]}]});
    let input = format!("{good}\n{bad}\n{open}\n");
    let ran = dtq_with(&["check", "--batch", "-"], input.as_bytes()).code(65);
    let answers = answers(&ran.stdout);
    let expected = json!({"id": "q1", "ok": true, "diagnostics": [], "columns": [["s", "string"], ["sum_a", "long"]]});
    assert_eq!(answers[0], expected);
    assert_eq!(answers[1]["ok"], false);
    assert_eq!(answers[1]["columns"], Value::Null);
    let found = &answers[1]["diagnostics"][0];
    assert_eq!((&found["code"], &found["severity"]), (&json!("E2001"), &json!("error")));
    assert_eq!((&found["start"], &found["end"]), (&json!(10), &json!(11)));
    assert_eq!(answers[2]["ok"], false, "an unknown type is said");
}
